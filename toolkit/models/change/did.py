"""Difference-in-differences of two periods: a project's before/after ratio divided by that of its comparison units.

Estimand: the ratio of a project's value in its cycle to the value expected had it changed as unfunded units of the same
specialty and level did (and, with the baseline adjustment, as those that stood where it stood). Read it as an effect only
as far as one believes that sentence; the event study shows the years before.

The recommended method (docs/models.md). Logs of ratios are compared, c over the comparison units of project i:

    effect_i = d_i − Σ w_c d_c / Σ w_c − what falls back by itself of its baseline (`expectation`)
    d = ln(after / before),  w = 1 / (sampling variance of d + τ²)
    error_i² = sampling variance of d_i + τ²_i + 1 / Σ w_c + error of what falls back

τ² is the variance of true changes of units by themselves, by specialty and size with shrinkage (`scatter`); whether a
standardised effect is large is read off those of all units without project, each judged as if it were the project
(`calibration`). Rare deaths: `rare`.

References
----------
Ferman, Pinto (2019), doi:10.1162/rest_a_00759. DerSimonian, Laird (1986), doi:10.1016/0197-2456(86)90046-2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Distribution
from toolkit.models.change.base import Estimate, Findings, Obstacle, Study, completed, joined, nothing
from toolkit.models.change.calibration import Calibration, calibration
from toolkit.models.change.expectation import Expectation, Expected, expected, steadied
from toolkit.models.change.matching import nearest
from toolkit.models.change.method import Method
from toolkit.models.change.panel import NONE, WIDENED, Comparisons, Panel, Side, comparisons, own_warning, panels
from toolkit.models.change.rare import Deaths, deaths

ID = "did"
NAME_ZH = "对照校正比值（两期双重差分）"
NO_SPREAD = "区域内对照单元不足，无法估计单元间离散，不给区间"
NO_SLOPE = "对照单元不足，未作基线校正"
BEYOND = "建设前水平远在区域内所有对照单元之外，基线校正只按其中最远者计"
NO_DEATHS = "项目或对照没有死亡，无法估计"
EXPECTED = [
    "hospital",
    "specialty",
    "indicator",
    "observed",
    "deviation",
    "unreliability",
    "common",
    "expected",
    "expected_low",
    "expected_high",
    "n_regression",
    "warnings",
]
PLACEBOS = ["hospital", "specialty", "indicator", "start", "n_before", "n_after", "estimate", "low", "high", "p_value"]


def did(cells: pd.DataFrame, study: Study) -> Findings:
    """Every project by itself against its comparison units.

    Returns
    -------
    Findings
        `changes` at level `unit`; tables `comparison_units` (who was compared with whom), `regression_to_mean` (what no effect
        lets expect, limits with all that the test counts) and `placebos` (every unit without project judged as a project).
    """
    compared = comparisons(study)
    found = [one for panel in panels(cells, study).values() for one in _by_start(panel, compared, study, placebos=True)]
    if not found:
        return Findings(changes=nothing())
    tables = {
        "comparison_units": pd.concat([one.pairs(study) for one in found], ignore_index=True),
        "regression_to_mean": pd.concat([one.expected for one in found], ignore_index=True),
        "placebos": pd.concat([one.placebos for one in found], ignore_index=True),
    }
    return Findings(
        changes=completed(pd.concat([one.changes(study) for one in found], ignore_index=True)), tables=tables
    )


def of_panel(panel: Panel, compared: Comparisons, study: Study) -> pd.DataFrame:
    """The changes of `did` on one indicator."""
    return pd.concat([one.changes(study) for one in _by_start(panel, compared, study)], ignore_index=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Started:
    """The projects of one starting year on one indicator: who they are compared with, and what came of it."""

    indicator: str
    projects: np.ndarray
    chosen: Comparisons
    before: Side
    after: Side
    found: Estimate
    expected: pd.DataFrame
    placebos: pd.DataFrame

    def changes(self, study: Study) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "level": "unit",
                **_names(study, self.projects),
                "indicator": self.indicator,
                "method": ID,
                "n_before": self.before.n[self.projects],
                "n_after": self.after.n[self.projects],
                **self.found.columns(),
            }
        )

    def pairs(self, study: Study) -> pd.DataFrame:
        rows = np.isin(self.chosen.project, self.projects)
        project, unit = study.units.iloc[self.chosen.project[rows]], study.units.iloc[self.chosen.unit[rows]]
        return pd.DataFrame(
            {
                "hospital": project["hospital"].to_numpy(),
                "specialty": project["specialty"].to_numpy(),
                "indicator": self.indicator,
                "comparison": unit["hospital"].to_numpy(),
            }
        )


def _names(study: Study, at: np.ndarray) -> dict[str, list[str]]:
    named = [study.names[i] for i in at]
    return {"hospital": [h for h, _ in named], "specialty": [s for _, s in named]}


def _by_start(panel: Panel, compared: Comparisons, study: Study, *, placebos: bool = False) -> Iterator[_Started]:
    """`placebos`: whether every unit without project is judged, too, and what was expected of projects is told."""
    start = study.units["start"].to_numpy()
    for year in np.unique(start[start > 0]):
        projects, before = np.flatnonzero(start == year), study.years < year
        chosen = _chosen(compared, panel, before, study)
        sides = panel.over(before), panel.over(~before)
        kind = study.distribution(panel.indicator)
        if kind is Distribution.RARE:
            found, awaited, others = _rare(study, projects, chosen, *sides, placebos=placebos)
        else:
            found, awaited, others = _ratios(study, projects, chosen, *sides, kind=kind, placebos=placebos)
        keys = {"indicator": panel.indicator}
        yield _Started(
            indicator=panel.indicator,
            projects=projects,
            chosen=chosen,
            before=sides[0],
            after=sides[1],
            found=found,
            expected=awaited.assign(**_names(study, projects), **keys).reindex(columns=EXPECTED)
            if placebos
            else awaited,
            placebos=_named_placebos(study, others, sides, int(year)).assign(**keys).reindex(columns=PLACEBOS)
            if placebos
            else others,
        )


def _named_placebos(study: Study, others: pd.DataFrame, sides: tuple[Side, Side], year: int) -> pd.DataFrame:
    at = others["at"].to_numpy(int)
    counts = {"n_before": sides[0].n[at].astype("int64"), "n_after": sides[1].n[at].astype("int64")}
    return others.assign(**_names(study, at), **counts, start=year)


def _chosen(compared: Comparisons, panel: Panel, before: np.ndarray, study: Study) -> Comparisons:
    if study.comparison.matching == "baseline":
        return nearest(compared, panel, before, study.comparison.neighbours)
    return compared


def _unfunded(study: Study) -> np.ndarray:
    return np.asarray((study.units["start"].to_numpy() == 0) & study.units["eligible"].to_numpy(bool))


def _ratios(
    study: Study,
    projects: np.ndarray,
    compared: Comparisons,
    before: Side,
    after: Side,
    *,
    kind: Distribution | None,
    placebos: bool,
) -> tuple[Estimate, pd.DataFrame, pd.DataFrame]:
    change = after.log - before.log
    free = _unfunded(study) & np.isfinite(change)
    if kind is Distribution.PROPORTION:
        before, after = steadied(before, after, compared.group, free)
    specialty = pd.factorize(study.units["specialty"])[0]
    wanted = study.comparison.adjustment == "baseline"
    fit = expected(projects, compared, specialty, before, after, free, correct=wanted)
    one, other = fit.projects, fit.placebos
    with np.errstate(invalid="ignore"):
        effects, errors = (
            [change[e.at] - e.common - e.fall for e in (one, other)],
            [
                np.sqrt(v[e.at] + 1 / e.precision + e.fall_error**2)
                for e, v in ((one, fit.variance), (other, fit.left_out))
            ],
        )
    null = calibration(effects[1] / errors[1])
    df = np.maximum(fit.scatter.df, 1.0)
    width = null.width(study.confidence, df[projects])
    effect, error = effects[0], errors[0]
    plain = change[projects] - one.common
    with np.errstate(invalid="ignore"):
        without = width * np.sqrt(error**2 - one.fall_error**2)
        alone = (np.abs(effect) > width * error) & ~((np.abs(plain) > without) & (np.sign(plain) == np.sign(effect)))
    # one that is at its width from no change, and farther by what is exceeded with the power in one direction
    least = (width + null.width(2 * study.power - 1, df[projects])) * error
    found = Estimate(
        estimate=np.exp(effect),
        low=np.exp(effect - width * error),
        high=np.exp(effect + width * error),
        p_value=null.p(effect / error, df[projects]),
        std_error=error,
        n_comparison=one.count,
        n_clusters=np.full(len(projects), fit.scatter.units),
        inference=_said(fit, null, df[projects]),
        warnings=_warnings(before, after, compared, fit, wanted=wanted),
        obstacle=_obstacles(
            before,
            after,
            projects,
            one.count,
            np.isfinite(change[projects]),
            np.isfinite(error),
            nothing=_nothing(kind),
        ),
        step_own=np.exp(change[projects]),
        step_comparison=np.exp(plain),
        baseline_decides=alone,
        smallest_fall=np.exp(-least),
        smallest_rise=np.exp(least),
    )
    if not placebos:
        return found, pd.DataFrame(), pd.DataFrame({"at": []})
    awaited = pd.DataFrame(
        {
            "observed": np.exp(change[projects]),
            "deviation": np.exp(one.deviation),
            "unreliability": one.unreliability,
            "common": np.exp(one.common),
            "expected": np.exp(one.common + one.fall),
            "expected_low": np.exp(one.common + one.fall - width * error),
            "expected_high": np.exp(one.common + one.fall + width * error),
            "n_regression": len(other.at),
            "warnings": ["" if fit.corrected or not wanted else NO_SLOPE for _ in projects],
        }
    )
    return found, awaited, _as_projects(other, effects[1], errors[1], null, df[other.at], study.confidence)


def _as_projects(
    other: Expectation, effect: np.ndarray, error: np.ndarray, null: Calibration, df: np.ndarray, confidence: float
) -> pd.DataFrame:
    """Units without project judged as projects are, none of them by a reference that knows itself."""
    distance = effect / error
    width = null.width_without_each(distance, confidence, df)
    return pd.DataFrame(
        {
            "at": other.at,
            "estimate": np.exp(effect),
            "low": np.exp(effect - width * error),
            "high": np.exp(effect + width * error),
            "p_value": null.p_without_each(distance, df),
        }
    )


def _said(fit: Expected, null: Calibration, df: np.ndarray) -> list[str]:
    """How error and p came about, one sentence a project."""
    if not np.isfinite(fit.scatter.pooled):
        return [""] * len(fit.projects.at)
    reference = (
        f"区间与 p 取自 {len(null.sizes)} 个未立项单元逐一当作项目时的分布"
        if null.used
        else "未立项单元不足以自行校准，用 t 分布"
    )
    corrected = "；已校正基线回落" if fit.corrected else ""
    return [
        f"区域内 {fit.scatter.units} 个未立项单元；本专科此规模单元自行变化的离散 {np.sqrt(max(t, 0.0)):.3f}（对数）；{reference}"
        + ("" if null.used else f"，自由度 {d:.0f}")
        + corrected
        for t, d in zip(fit.scatter.tau2[fit.projects.at], df, strict=True)
    ]


def _warnings(before: Side, after: Side, compared: Comparisons, fit: Expected, *, wanted: bool) -> list[str]:
    one = fit.projects
    return [
        joined(
            own_warning(before, after, i),
            "" if n else NONE,
            WIDENED if i in compared.widened else "",
            NO_SPREAD if np.isnan(fit.scatter.pooled) else "",
            NO_SLOPE if wanted and not fit.corrected else "",
            BEYOND if fit.corrected and far else "",
        )
        for i, n, far in zip(one.at, one.count, one.beyond, strict=True)
    ]


def _rare(
    study: Study, projects: np.ndarray, compared: Comparisons, before: Side, after: Side, *, placebos: bool
) -> tuple[Estimate, pd.DataFrame, pd.DataFrame]:
    free = _unfunded(study) & (before.y > 0) & (after.y > 0)
    shrink = study.comparison.adjustment == "baseline"
    one, other, spread = deaths(projects, compared, before, after, free, shrink=shrink)
    whole = deaths(projects, compared, before, after, free, shrink=False)[0]  # the own baseline believed as it stands
    estimate, (low, high), p = one.estimate(), one.limits(study.confidence), one.p_value()
    alpha, least = 1 - study.confidence, one.smallest(study.confidence, study.power)
    plain_low = (whole.p_value() < alpha) & ((whole.estimate() > 1) == (estimate > 1))
    sizes = f"ω {np.sqrt(spread.lasting):.2f}、τ {np.sqrt(spread.swing):.2f}（对数，{spread.units} 个未立项单元）"
    found = Estimate(
        estimate=estimate,
        low=low,
        high=high,
        p_value=p,
        std_error=np.full(len(projects), np.nan),
        n_comparison=one.count,
        n_clusters=one.count + 1,
        inference=[
            f"负二项，mid-P 区间；建设前率按伽马–泊松收缩，{sizes}" if shrink else f"负二项，mid-P 区间；{sizes}"
        ]
        * len(projects),
        warnings=_rare_warnings(before, after, compared, one),
        obstacle=_obstacles(before, after, projects, one.count, one.known, one.known),
        step_own=one.own,
        step_comparison=one.compared,
        baseline_decides=one.known & (p < alpha) & ~plain_low & shrink,
        smallest_fall=least[0],
        smallest_rise=least[1],
    )
    if not placebos:
        return found, pd.DataFrame(), pd.DataFrame({"at": []})
    return found, _rare_expected(before, after, one, study.confidence), _rare_placebos(other, study)


def _rare_expected(before: Side, after: Side, one: Deaths, confidence: float) -> pd.DataFrame:
    """Deaths that no effect lets expect, as a ratio of rates; limits between which they fall."""
    at, tail = one.at, (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 1 / np.maximum(one.spread, 1e-9)
        ratio = (one.mean / after.y[at]) / (before.x[at] / before.y[at])
        share = size / (size + one.mean)
        ends = [scipy.stats.nbinom.ppf(t, size, share) / one.mean * ratio for t in (tail, 1 - tail)]
        known = one.known & (before.x[at] > 0)
    return pd.DataFrame(
        {
            "observed": np.where(np.isfinite(one.own), one.own, np.nan),
            "deviation": np.where(one.known, one.deviation, np.nan),
            "unreliability": 1 - one.reliability,
            "common": one.common,
            "expected": np.where(known, ratio, np.nan),
            "expected_low": np.where(known, ends[0], np.nan),
            "expected_high": np.where(known, ends[1], np.nan),
            "n_regression": one.count,
            "warnings": ["" if k else NO_DEATHS for k in one.known],
        }
    )


def _rare_placebos(other: Deaths, study: Study) -> pd.DataFrame:
    low, high = other.limits(study.confidence)
    values = {"estimate": other.estimate(), "low": low, "high": high, "p_value": other.p_value()}
    return pd.DataFrame({"at": other.at, **values})


def _rare_warnings(before: Side, after: Side, compared: Comparisons, one: Deaths) -> list[str]:
    return [
        joined(
            "" if before.y[i] > 0 and after.y[i] > 0 else own_warning(before, after, i),
            "" if n else NONE,
            WIDENED if i in compared.widened else "",
            NO_DEATHS if n and not k and before.y[i] > 0 and after.y[i] > 0 else "",
            "建设前没有死亡，前后比值无意义，只与期望死亡相比" if k and before.x[i] == 0 else "",
        )
        for i, n, k in zip(one.at, one.count, one.known, strict=True)
    ]


def _nothing(kind: Distribution | None) -> Obstacle:
    """What stands in the way where there is no logarithm, or no error of it: of counts no event, of means no spread."""
    return Obstacle.NO_EVENTS if kind is Distribution.PROPORTION else Obstacle.NO_SPREAD


def _obstacles(
    before: Side,
    after: Side,
    projects: np.ndarray,
    count: np.ndarray,
    events: np.ndarray,
    scatter: np.ndarray,
    nothing: Obstacle = Obstacle.NO_EVENTS,
) -> np.ndarray:
    """Why projects have no interval; `events`: something to take a ratio of (`nothing` where not), `scatter`: an error of it."""
    no_value = ~(before.y[projects] > 0) | ~(after.y[projects] > 0)
    return np.select(
        [no_value, count == 0, ~events, ~scatter],
        [Obstacle.NO_VALUE.value, Obstacle.FEW_COMPARISONS.value, nothing.value, Obstacle.FEW_COMPARISONS.value],
        Obstacle.NONE.value,
    )


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=did,
    estimand="项目前后比值除以同专科、同级别未立项单元的前后比值，并扣除基线高低自然回落的部分",
    of_panel=of_panel,
    heeds=("same_level", "adjustment", "matching"),
)
