"""Does the verdict depend on the choices? Every combination of declared policy choices on the same data.

A specification is one combination: reference, leave-one-out, trimming of the frozen basis, risk grades, years of outside
events in or out, method. References are computed once for each combination of the first four and shared by the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from toolkit.cube import NONE
from toolkit.evaluation.verdict import verdicts
from toolkit.indicators import Declared, Direction
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import collect, roll_up
from toolkit.models import METHODS, Study, inferential
from toolkit.params import RobustnessPolicy, RunParams
from toolkit.reference import Referenced, attach

CHOICES: dict[str, str] = {
    "scope": "参照范围", "leave_one_out": "参照剔除本院", "trimming": "裁剪", "risk_rates": "分级死亡率", "shocks": "外部事件年份",
    "method": "方法",
}  # fmt: skip
UNIT = ["hospital", "specialty"]
KEYS = [*UNIT, "indicator"]
COLUMNS = [*KEYS, "specification", *CHOICES, "estimate", "low", "high", "p_value", "verdict", "warnings"]


def specifications(params: RunParams) -> list[dict[str, Any]]:
    """Every combination that can differ, in a fixed order."""
    policy = params.robustness
    # without a declared event, or with grades from a table, the choice is none
    shocks = policy.shocks if params.shocks else ["with"]
    rates = policy.risk_rates if params.risk_grades.file is None else [params.risk_grades.rates]
    sets = (policy.scopes, policy.leave_one_out, policy.trimming, rates, shocks, policy.methods)
    return [dict(zip(CHOICES, values, strict=True)) for values in product(*sets)]


def with_choices(params: RunParams, choice: Mapping[str, Any]) -> RunParams:
    """The parameters of the run with the reference choices of one specification."""
    trimming = {"method": choice["trimming"], "frozen": "same"}
    return params.model_copy(
        update={
            "reference": params.reference.model_copy(
                update={"scope": choice["scope"], "leave_one_out": choice["leave_one_out"], "means": None}
                if choice["leave_one_out"]
                else {"scope": choice["scope"]}
            ),
            "trimming": params.trimming.model_copy(update=trimming),
            "risk_grades": params.risk_grades.model_copy(update={"rates": choice["risk_rates"]}),
        }
    )


def specification_curve(
    cubes: Mapping[tuple[str, str], pd.DataFrame], params: RunParams, hospitals: pd.DataFrame, study: Study,
    indicators: Mapping[str, Declared],
) -> pd.DataFrame:  # fmt: skip
    """Estimate and verdict of every project and indicator under every specification.

    Parameters
    ----------
    cubes
        By reference scope and trimming method: both shape the trim limits.
    study
        As the run's methods were given.
    indicators
        Those to be judged: the primary ones.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator, specification` (its number), one column for each of `CHOICES`, `estimate, low, high,
        p_value, verdict, warnings`. A method that gives a project no row leaves one with 不能判定.
    """
    projects = study.units[study.units["start"] > 0]
    if projects.empty:
        return no_specification()
    directions = {i: one.direction if inferential(one) else Direction.NEUTRAL for i, one in indicators.items()}
    wanted = projects[UNIT].merge(pd.DataFrame({"indicator": list(indicators)}), how="cross")
    parts = []
    for number, choice, changes in _estimated(cubes, params, hospitals, study, indicators):
        of_units = changes[changes["level"] == "unit"]
        whole = wanted.merge(of_units.drop(columns=["level", "method"]), on=KEYS, how="left")
        whole[["n_before", "n_after"]] = whole[["n_before", "n_after"]].fillna(0)
        whole["warnings"] = whole["warnings"].fillna("该方法没有给出结果")
        judged = verdicts(whole, directions, params.change)["verdict"]
        parts.append(
            whole[[*KEYS, "estimate", "low", "high", "p_value", "warnings"]].assign(
                specification=number, **{c: str(v) for c, v in choice.items()}, verdict=judged
            )
        )
    return pd.concat(parts, ignore_index=True)[COLUMNS].sort_values([*KEYS, "specification"], ignore_index=True)


def no_specification() -> pd.DataFrame:
    """The table of a run without projects."""
    return pd.DataFrame(columns=COLUMNS)


def _estimated(
    cubes: Mapping[tuple[str, str], pd.DataFrame], params: RunParams, hospitals: pd.DataFrame, study: Study,
    indicators: Mapping[str, Declared],
) -> Iterator[tuple[int, dict[str, Any], pd.DataFrame]]:  # fmt: skip
    made: tuple[Any, ...] = ()
    cells = pd.DataFrame()
    periods: dict[str, pd.DataFrame] = {}
    for number, choice in enumerate(specifications(params)):
        reference = tuple(choice[c] for c in ("scope", "leave_one_out", "trimming", "risk_rates"))
        if reference != made:
            cube = cubes[choice["scope"], choice["trimming"]]
            referenced = attach(cube, with_choices(params, choice), hospitals, "frozen")
            cells, made = _cells(referenced, indicators, params), reference
            periods.clear()
        if choice["shocks"] not in periods:
            used = cells[~cells["year"].isin(_shock_years(params))] if choice["shocks"] == "without" else cells
            periods[choice["shocks"]] = _by_period(used, indicators, params)
        yield number, choice, METHODS[choice["method"]].estimate(periods[choice["shocks"]], study).changes


def _shock_years(params: RunParams) -> list[int]:
    return [y for shock in params.shocks for y in range(shock.first, shock.last + 1)]


def _cells(referenced: Referenced, indicators: Mapping[str, Declared], params: RunParams) -> pd.DataFrame:
    """Frozen cells of all units, by year: methods learn the scatter between units from the whole region."""
    spread = by_specialty(referenced, params.specialties).frame
    rows = spread[(spread["specialty"] != NONE).to_numpy()]
    of_units = Referenced(basis="frozen", frame=rows, grades=referenced.grades, insufficient={})
    by = [*UNIT, "year"]
    return collect(of_units, indicators.values(), by, confidence=params.change.confidence, policy=params.indicators)


def _by_period(cells: pd.DataFrame, indicators: Mapping[str, Declared], params: RunParams) -> pd.DataFrame:
    """Yearly cells, and the cycles that they add up to: methods read either."""
    cycle = {y: label for label, years in params.periods.items() for y in range(years.first, years.last + 1)}
    rolled = roll_up(
        cells.assign(period=cells["year"].map(cycle)), dict(indicators), [*UNIT, "period"],
        confidence=params.change.confidence,
    )  # fmt: skip
    both = pd.concat([cells.assign(period=cells["year"].astype(str)), rolled], ignore_index=True)
    return both.drop(columns="year").assign(level="unit")


def agreement(curve: pd.DataFrame, changes: pd.DataFrame, policy: RobustnessPolicy) -> pd.DataFrame:
    """How many specifications agree with the run's own verdict.

    Parameters
    ----------
    curve
        From `specification_curve`.
    changes
        The run's own: `hospital, specialty, indicator, verdict`.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator, verdict, specifications, agreeing, share, lowest, highest` (of the estimates),
        `boundary`: the verdict flips in more specifications than the policy allows (边界).
    """
    own = changes[[*KEYS, "verdict"]]
    both = curve.merge(own, on=KEYS, suffixes=("", "_own"))
    both["agrees"] = both["verdict"] == both["verdict_own"]
    grouped = both.groupby(KEYS, sort=True)
    found = grouped.agg(
        verdict=("verdict_own", "first"), specifications=("agrees", "size"), agreeing=("agrees", "sum"),
        lowest=("estimate", "min"), highest=("estimate", "max"),
    ).reset_index()  # fmt: skip
    share = found["agreeing"] / found["specifications"]
    return found.assign(share=np.round(share, 12), boundary=share < policy.agreement)
