"""预演: what a decision rule would decide on units without project, with and without a planted change, before it costs a project.

The changes are real: those of the units without project, each judged as if it were one (table `placebos`), with their own
drift, errors and regression to the mean. A planted change multiplies estimate and limits; what is then true follows from the
rule itself. A commission runs the toolkit on its years before the cycle, then rehearses the rule on that run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from toolkit.errors import InputError
from toolkit.evaluation.results import Results
from toolkit.frames import groups_of
from toolkit.indicators import CATALOGUE, Direction
from toolkit.programme.decision import OUTCOMES, DecisionRule, Outcome, apply
from toolkit.programme.findings import of_table

SIZES = ("小", "中", "大")
LEAST_UNITS = 3  # fewer cannot be parted by size


@dataclass(frozen=True, kw_only=True, eq=False)
class Rehearsal:
    """What came of it.

    Attributes
    ----------
    rates
        One row a planted change and size: `planted` (factor, > 1 = better), `planted_zh, size, cases` (fewest–most), `units,
        true_zh` (what the rule would decide if all were known), `qualified, mend, boundary, not_judged` (shares), `wrong_zh`
        (误判合格 or 误判整改), `wrong, low, high` (share with its exact limits).
    units
        One row a unit and planted change: `hospital, specialty, cases, size, planted, outcome, outcome_zh`.
    left_out
        Indicators of the rule on which units without project have no estimate.
    """

    rates: pd.DataFrame
    units: pd.DataFrame
    left_out: Sequence[str]


def rehearse(results: Results, rule: DecisionRule, planted: Sequence[float] = (1.0, 1.2, 1 / 1.2)) -> Rehearsal:
    """Apply the rule to every unit without project, once for each planted change.

    Parameters
    ----------
    planted
        Factors by which every indicator of the rule gets better (> 1) or worse (< 1).

    Raises
    ------
    InputError
        The run has no units without project that can be judged.
    """
    asked = [one.id for one in rule.indicators if one.requires != "target"]
    table = results.placebos[results.placebos["indicator"].isin(asked)]
    if table.empty:
        raise InputError(
            "本次运行没有可供预演的未立项单元",
            "no units without project to rehearse on",
            where="placebos",
            remedy="判定方法须为 did，且有未立项的同专科单元；或在规则中选用已估计的指标",
            remedy_english="judge by `did`, with units without project, on indicators that were estimated",
        )
    table = table.assign(
        project=table["hospital"].astype(str) + "-" + table["specialty"].astype(str) + "-" + table["start"].astype(str)
    )
    size = _sizes(table)
    units = pd.concat([_one(table, rule, results, factor) for factor in planted], ignore_index=True)
    units = units.merge(size, on="project")
    rates = pd.DataFrame(
        [
            _rate(rows, planted_=planted_, size=of)
            for (planted_, of), rows in groups_of(units.groupby(["planted", "size"]))
        ]
        + [_rate(rows, planted_=planted_, size="全部") for planted_, rows in groups_of(units.groupby("planted"))]
    )
    order = [*SIZES, "全部"]
    rates = rates.assign(_size=rates["size"].map(order.index)).sort_values(["planted", "_size"]).drop(columns="_size")
    shown = ["hospital", "specialty", "cases", "size", "planted", "outcome", "outcome_zh"]
    lacking = [one.id for one in rule.indicators if one.id not in set(table["indicator"])]
    return Rehearsal(rates=rates.reset_index(drop=True), units=units[shown], left_out=lacking)


def _one(table: pd.DataFrame, rule: DecisionRule, results: Results, factor: float) -> pd.DataFrame:
    lower = np.array([CATALOGUE[i].direction == Direction.LOWER for i in table["indicator"]])
    by = np.where(lower, 1 / factor, factor)
    moved = table.assign(**{c: table[c].astype(float) * by for c in ("estimate", "low", "high")})
    findings = of_table(rule, moved, results.params.change)
    made = apply(rule, findings.states)
    truth = np.where(np.isnan(findings.states), np.nan, findings.truth_of(np.full(len(rule.indicators), factor)))
    true = apply(rule, truth)
    units = table.drop_duplicates("project").set_index("project").loc[findings.projects, ["hospital", "specialty"]]
    outcomes = [OUTCOMES[k] for k in made.outcomes]
    return units.reset_index().assign(
        planted=factor,
        outcome=[o.value for o in outcomes],
        outcome_zh=[o.zh for o in outcomes],
        true=[OUTCOMES[k].value for k in true.outcomes],
    )


def _sizes(table: pd.DataFrame) -> pd.DataFrame:
    """`project, cases, size`: thirds by the smaller of the cases before and after."""
    cases = table.assign(cases=table[["n_before", "n_after"]].min(axis=1)).groupby("project")["cases"].max()
    rank = cases.rank(method="first", pct=True)
    parts = np.minimum((rank * len(SIZES) - 1e-9).astype(int), len(SIZES) - 1)
    sizes = [SIZES[k] for k in parts] if len(cases) >= LEAST_UNITS else [SIZES[1]] * len(cases)
    return pd.DataFrame({"project": cases.index, "cases": cases.to_numpy(), "size": sizes})


def _rate(rows: pd.DataFrame, *, planted_: float, size: str) -> dict[str, object]:
    share = {o.value: float((rows["outcome"] == o.value).mean()) for o in Outcome}
    bad, good = rows["true"] == Outcome.MEND.value, rows["true"] == Outcome.QUALIFIED.value
    # what most of them truly are; the wrong decision is counted among those alone
    passes = bad.sum() > good.sum()
    truth, instead = (bad, Outcome.QUALIFIED) if passes else (good, Outcome.MEND)
    wrong, among = int((rows.loc[truth, "outcome"] == instead.value).sum()), int(truth.sum())
    low, high = proportion_confint(wrong, among, method="beta") if among else (np.nan, np.nan)
    return {
        "planted": planted_,
        "planted_zh": _planted_zh(planted_),
        "size": size,
        "cases": f"{int(rows['cases'].min())}–{int(rows['cases'].max())}",
        "units": len(rows),
        "true_zh": (Outcome.MEND if passes else Outcome.QUALIFIED).zh,
        **share,
        "wrong_zh": "误判合格" if passes else "误判整改",
        "wrong": wrong / among if among else np.nan,
        "low": low,
        "high": high,
    }


def _planted_zh(factor: float) -> str:
    if factor == 1:
        return "没有变化"
    return f"各项变好 {factor - 1:.0%}" if factor > 1 else f"各项变差 {1 / factor - 1:.0%}"
