"""Does the verdict depend on the choices? Every combination of declared policy choices on the same data.

A specification is one combination: how the reference is made, years of outside events in or out, comparison units, method.
What combinations share is done once: references by `REFERENCE`; estimates by the sums they rest on, for most choices leave
most indicators as they are (risk grades do not touch a cost index); all verdicts in one call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from typing import Any

import numpy as np
import pandas as pd

from toolkit.cube import NONE
from toolkit.evaluation.verdict import Verdict, directions, verdicts
from toolkit.indicators import Declared
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import collect, roll_up
from toolkit.models.change import Study, methods_of
from toolkit.models.change.panel import SUMS, Comparisons, Panel, comparisons, panels
from toolkit.params import RobustnessPolicy, RunParams
from toolkit.reference import Referenced, attach

Chosen = Any  # a text, a number or a yes: which, the choice says
Specification = dict[str, Chosen]  # the value of each of `CHOICES`

CHOICES: dict[str, str] = {
    "scope": "参照范围",
    "leave_one_out": "参照剔除本院",
    "trimming": "裁剪",
    "risk_rates": "分级死亡率",
    "minimum_cases": "参照组最少例数",
    "shocks": "外部事件年份",
    "same_level": "对照限同级别",
    "adjustment": "对照校正",
    "matching": "对照匹配",
    "method": "方法",
}
REFERENCE = ("scope", "leave_one_out", "trimming", "risk_rates", "minimum_cases")
COMPARISON = ("same_level", "adjustment", "matching")
UNHEEDED = ""  # in place of a choice that the method does not depend on
UNIT = ["hospital", "specialty"]
KEYS = [*UNIT, "indicator"]
LIMITS = ("estimate", "low", "high", "p_value")
FEW_ANSWERS = 2  # nothing is called robust that has no more different answers than these
SAYING = tuple(v.value for v in Verdict if v is not Verdict.NOT_JUDGED)
SAYS = [f"says_{v}" for v in SAYING]
AGREED = [
    *KEYS,
    "verdict",
    "specifications",
    "answers",
    "agreeing",
    "lowest",
    "highest",
    *SAYS,
    "moved_by",
    "moved_share",
    "share",
    "boundary",
    "robust",
]
COLUMNS = [*KEYS, "specification", *CHOICES, *LIMITS, "verdict", "warnings"]


def specifications(params: RunParams) -> list[Specification]:
    """Every combination that can differ, in a fixed order; those of one reference stand together."""
    policy, own, methods = params.robustness, params.change.comparison, methods_of(params.change)
    sets: dict[str, Sequence[Chosen]] = {
        "scope": policy.scopes,
        "leave_one_out": policy.leave_one_out or [params.others_only("frozen")],
        "trimming": trimmings(params),
        # with grades from a table, and without a declared event, there is no choice
        "risk_rates": policy.risk_rates if params.risk_grades.file is None else [params.risk_grades.rates],
        "minimum_cases": policy.minimum_cases or [params.reference.minimum_cases],
        "shocks": policy.shocks if params.shocks else ["with"],
        "same_level": policy.same_level or [own.same_level],
        "adjustment": policy.adjustment or [own.adjustment],
        "matching": policy.matching or [own.matching],
        "method": policy.methods,
    }
    found: dict[tuple[Chosen, ...], Specification] = {}
    for values in product(*(sets[name] for name in CHOICES)):
        choice = dict(zip(CHOICES, values, strict=True))
        choice |= dict.fromkeys(set(COMPARISON).difference(methods[choice["method"]].heeds), UNHEEDED)
        found.setdefault(tuple(choice.values()), choice)
    return list(found.values())


def trimmings(params: RunParams) -> list[str]:
    """How the frozen basis can be trimmed.

    Over a change of grouper version, limits fixed before it mean nothing; published means are compared as they were made.
    """
    if params.reference.means is not None:
        return [params.trimming.on("frozen")]
    return ["none"] if params.grouping.bridge is not None else list(params.robustness.trimming)


def with_choices(params: RunParams, choice: Specification) -> RunParams:
    """The parameters of the run with the reference choices of one specification."""
    reference: Specification = {name: choice[name] for name in ("scope", "minimum_cases") if name in choice}
    reference |= {"leave_one_out": False, "frozen": "leave_one_out" if choice["leave_one_out"] else "same"}
    if choice["leave_one_out"]:
        reference["means"] = None  # a published table leaves no hospital out
    trimming = {"method": choice["trimming"], "frozen": "same"}
    return params.model_copy(
        update={
            "reference": params.reference.model_copy(update=reference),
            "trimming": params.trimming.model_copy(update=trimming),
            "risk_grades": params.risk_grades.model_copy(update={"rates": choice["risk_rates"]}),
        }
    )


def specification_curve(
    cubes: Mapping[tuple[str, str], pd.DataFrame],
    params: RunParams,
    hospitals: pd.DataFrame,
    study: Study,
    indicators: Mapping[str, Declared],
    insufficient: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Estimate and verdict of every project and indicator under every specification.

    Parameters
    ----------
    cubes
        By reference scope and trimming method: both shape the trim limits.
    study
        As the run's methods were given.
    indicators
        Those to be judged: the primary ones.
    insufficient
        As from `toolkit.evaluation.data_quality.insufficient`: no choice gives these hospitals a verdict.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator, specification` (its number), one column for each of `CHOICES` (empty where the method
        does not depend on it), `estimate, low, high, p_value, verdict, warnings`. A method that gives a project no row leaves
        one with 不予评价.
    """
    projects = sorted(pair for pair, start in zip(study.names, study.units["start"], strict=True) if start > 0)
    if not projects:
        return no_specification()
    chosen, names = specifications(params), sorted(indicators)
    estimates = _Estimates(params=params, study=study, indicators=indicators, projects=projects)
    which = np.empty((len(names), len(chosen)), dtype=int)
    for _reference, alike in groupby(enumerate(chosen), key=lambda one: [one[1][c] for c in REFERENCE]):
        of_reference = dict(alike)
        first = next(iter(of_reference.values()))
        cube = cubes[first["scope"], first["trimming"]]
        cells = _cells(attach(cube, with_choices(params, first), hospitals, "frozen"), indicators, params)
        yearly = {s: _Yearly.of(cells, s, params, study) for s in {c["shocks"] for c in of_reference.values()}}
        for number, choice in of_reference.items():
            which[:, number] = [estimates.of(name, yearly[choice["shocks"]], choice) for name in names]
    found = estimates.together()
    found = found.assign(verdict=verdicts(found, directions(indicators), params.change, insufficient)["verdict"])
    # by project, then indicator, then specification
    rows = (which * len(projects) + np.arange(len(projects))[:, None, None]).ravel()
    numbers = np.tile(np.arange(len(chosen)), len(projects) * len(names))
    choices = {c: pd.array([str(one[c]) for one in chosen], dtype="str").take(numbers) for c in CHOICES}
    return found.take(rows).reset_index(drop=True).assign(specification=numbers, **choices)[COLUMNS]


def no_specification() -> pd.DataFrame:
    """The table of a run without projects."""
    return pd.DataFrame(columns=COLUMNS)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Yearly:
    """Cells by year of one reference, with or without some years; the panels made from them, and what tells equal ones."""

    cells: pd.DataFrame
    panels: Mapping[str, Panel]
    sums: Mapping[str, bytes]

    @classmethod
    def of(cls, cells: pd.DataFrame, shocks: str, params: RunParams, study: Study) -> _Yearly:
        used = cells[~cells["year"].isin(_shock_years(params))] if shocks == "without" else cells
        found = panels(used.assign(period=used["year"].astype(str)), study)
        return cls(cells=used, panels=found, sums={name: _digest(panel) for name, panel in found.items()})


def _digest(panel: Panel) -> bytes:
    return hashlib.blake2b(np.stack([getattr(panel, name) for name in SUMS]).tobytes(), digest_size=16).digest()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Estimates:
    """Changes of all projects, estimated once for the same sums, method and comparison."""

    params: RunParams
    study: Study
    indicators: Mapping[str, Declared]
    projects: list[tuple[str, str]]
    numbers: dict[tuple[Chosen | bytes | None, ...], int] = field(default_factory=dict)
    made: list[dict[str, np.ndarray]] = field(default_factory=list)
    asked: dict[tuple[Chosen, ...], tuple[Study, Comparisons]] = field(default_factory=dict)

    def of(self, indicator: str, yearly: _Yearly, choice: Specification) -> int:
        """Number of the estimates in `together`."""
        key = (indicator, yearly.sums.get(indicator), choice["method"], *[choice[c] for c in COMPARISON])
        if key not in self.numbers:
            self.numbers[key] = len(self.made)
            self.made.append(self._by_project(self._changes(indicator, yearly, choice), indicator))
        return self.numbers[key]

    def together(self) -> pd.DataFrame:
        """One estimate after another, each with a row for every project."""
        hospital, specialty = (list(values) * len(self.made) for values in zip(*self.projects, strict=True))
        columns = {name: np.concatenate([one[name] for one in self.made]) for name in self.made[0]}
        return pd.DataFrame({"hospital": hospital, "specialty": specialty, **columns})

    def _changes(self, indicator: str, yearly: _Yearly, choice: Specification) -> pd.DataFrame:
        method, (study, compared) = methods_of(self.params.change)[choice["method"]], self._study(choice)
        if method.of_panel is not None and indicator in yearly.panels:
            return method.of_panel(yearly.panels[indicator], compared, study)
        cells = yearly.cells[yearly.cells["indicator"] == indicator]
        changes = method.estimate(_by_period(cells, self.indicators, self.params), study).changes
        return changes[changes["level"] == "unit"]

    def _study(self, choice: Specification) -> tuple[Study, Comparisons]:
        key = tuple(choice[c] for c in COMPARISON)
        if key not in self.asked:
            update = {c: choice[c] for c in COMPARISON if choice[c] != UNHEEDED}
            study = replace(self.study, comparison=self.study.comparison.model_copy(update=update))
            self.asked[key] = study, comparisons(study)
        return self.asked[key]

    def _by_project(self, changes: pd.DataFrame, indicator: str) -> dict[str, np.ndarray]:
        """Columns with a value for every project, in order."""
        size, place = len(self.projects), {pair: number for number, pair in enumerate(self.projects)}
        at = [place[pair] for pair in zip(changes["hospital"], changes["specialty"], strict=True)]
        columns = {"indicator": np.full(size, indicator, dtype=object)}
        for name in (*LIMITS, "n_before", "n_after"):
            columns[name] = np.full(size, np.nan)
            if name in changes:
                columns[name][at] = changes[name].to_numpy(float)
        for name, empty in (("baseline_decides", False), ("obstacle", "")):
            columns[name] = np.full(size, empty, dtype=object)
            if name in changes:
                columns[name][at] = changes[name].to_numpy(object)
        columns["baseline_decides"] = columns["baseline_decides"].astype(bool)
        columns["warnings"] = np.full(size, "该方法没有给出结果", dtype=object)
        columns["warnings"][at] = changes["warnings"].to_numpy(object)
        return columns


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
        cells.assign(period=cells["year"].map(cycle)),
        dict(indicators),
        [*UNIT, "period"],
        confidence=params.change.confidence,
    )
    both = pd.concat([cells.assign(period=cells["year"].astype(str)), rolled], ignore_index=True)
    return both.drop(columns="year").assign(level="unit")


def agreement(curve: pd.DataFrame, changes: pd.DataFrame, policy: RobustnessPolicy) -> pd.DataFrame:
    """How many different answers there are, how many of them agree with the run's own verdict, and what moves them.

    A combination under which a unit has too few cases (a year of an outside event left out, say) gives 不予评价, and a method
    that finds too few comparison units gives no interval: these neither agree with a verdict nor speak against it, and are
    not counted, whatever the verdict is. Nor are combinations that give the same numbers as another: a choice that does not
    touch the indicator (risk grades and a cost index) would only repeat an answer and make it look firm.

    Parameters
    ----------
    curve
        From `specification_curve`.
    changes
        The run's own: `hospital, specialty, indicator, verdict`.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator, verdict, specifications` (that judge), `answers` (different ones among them), `agreeing,
        share` (of the answers; missing where none judges), `lowest, highest` (of their estimates), `says_<verdict>` (answers with
        it), `moved_by` (the choice that explains most of the variance of the log estimates, "" where none varies) and
        `moved_share` (how much of it), `boundary` (边界): the verdict flips in more answers than the policy allows, or says
        something of which no other specification could judge; `robust`: it says something, and enough agree, of more than
        `FEW_ANSWERS` answers.
    """
    both = curve.merge(changes[[*KEYS, "verdict"]], on=KEYS, suffixes=("", "_own"))
    judges = (both["verdict"] != Verdict.NOT_JUDGED.value) & both[["low", "high"]].notna().all(axis=1)
    rounded = both[["estimate", "low", "high"]].round(9)
    rows = []
    for key, part in both.groupby(KEYS, sort=True):
        of = part[judges.loc[part.index]]
        different = ~rounded.loc[of.index].duplicated()
        answers = of[different.to_numpy()]
        own, n = part["verdict_own"].iloc[0], len(answers)
        agreeing = int((answers["verdict"] == own).sum())
        choice, explained = _moved_by(of)
        share = round(agreeing / n, 12) if n else np.nan
        says = own in (Verdict.IMPROVED.value, Verdict.WORSE.value, Verdict.STABLE.value)
        counts = answers["verdict"].value_counts()
        rows.append(
            {
                **dict(zip(KEYS, key, strict=True)),
                "verdict": own,
                "specifications": len(of),
                "answers": n,
                "agreeing": agreeing,
                "lowest": answers["estimate"].min(),
                "highest": answers["estimate"].max(),
                **{f"says_{v}": int(counts.get(v, 0)) for v in SAYING},
                "moved_by": choice,
                "moved_share": explained,
                "share": share,
                "boundary": bool(share < policy.agreement) or (says and not n),
                "robust": says and n > FEW_ANSWERS and bool(share >= policy.agreement),
            }
        )
    return pd.DataFrame(rows, columns=AGREED)


def _moved_by(judging: pd.DataFrame) -> tuple[str, float]:
    """The choice whose levels differ most in their mean log estimate, and the share of the variance that lies between them."""
    log = np.log(judging["estimate"].where(judging["estimate"] > 0)).dropna()
    whole = float(((log - log.mean()) ** 2).sum()) if len(log) else 0.0
    if whole < 1e-12:
        return "", np.nan
    shares = {}
    for choice in CHOICES:
        level = judging.loc[log.index, choice].astype("str").fillna("")
        # a method without the choice has no level of it: what it differs in is the method's
        by = log[level != ""].groupby(level[level != ""])
        if by.ngroups > 1:
            shares[choice] = float((by.size() * (by.mean() - log[level != ""].mean()) ** 2).sum()) / whole
    if not shares:
        return "", np.nan
    most = max(shares, key=lambda c: shares[c])
    return most, shares[most]
