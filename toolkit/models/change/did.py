"""Difference-in-differences of two periods: a project's before/after ratio divided by that of its comparison units.

Estimand: the ratio of a project's value in its cycle to the value expected had it changed as unfunded units of the same
specialty and level did (and, with the baseline adjustment, as those that stood where it stood). Read it as an effect only
as far as one believes that sentence; the event study shows the years before.

The recommended method (docs/models.md). Logs of ratios are compared, c over the comparison units of project i:

    effect_i = d_i − Σ w_c d_c / Σ w_c − slope × (baseline_i − baseline of its comparison units)
    d = ln(after / before),  w = 1 / (sampling variance of d + τ²)
    error_i² = sampling variance of d_i + τ² + 1 / Σ w_c + (error of slope × deviation_i)²

τ² is the variance of true changes between comparison units of one group, pooled over the region, so that a project with
three comparison units borrows the scatter of all of them; t with the degrees of freedom of τ². The slope, of change on
baseline among comparison units, takes out what falls back by itself after selection on a noisy baseline.

Rare deaths: ratio of rate ratios. The comparison's is that of Mantel and Haenszel over units, the project's has mid-P-like
limits (beta quantiles at counts + ½), the two are combined by the distances of their limits (MOVER); counts are divided by
the dispersion of the comparison units where that exceeds 1. No adjustment for the baseline there: see the shrunken ratio.

References
----------
Ferman, Pinto (2019), doi:10.1162/rest_a_00759. DerSimonian, Laird (1986), doi:10.1016/0197-2456(86)90046-2. Rates: Greenland,
Robins (1985), doi:10.2307/2530643. MOVER: Zou, Donner (2008), doi:10.1002/sim.3095.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Obstacle, Study, completed, joined, nothing
from toolkit.models.change.matching import baseline, expected, nearest
from toolkit.models.change.method import Method
from toolkit.models.change.panel import NONE, WIDENED, Comparisons, Panel, Side, comparisons, own_warning, panels
from toolkit.models.inference import limits, spread

ID = "did"
NAME_ZH = "对照校正比值（两期双重差分）"
NO_SPREAD = "区域内对照单元不足，无法估计单元间离散，不给区间"
NO_SLOPE = "对照单元不足，未作基线校正"
BEYOND = "建设前水平远在区域内所有对照单元之外，基线校正为外推"
FAR = 1.5  # times as far as the farthest comparison unit: of few units the farthest is near by chance
NO_DEATHS = "项目或对照没有死亡，无法估计"
STEPS = 60
LEAST_P = 1e-9  # of the test of rates; smaller ones are printed as this


def did(cells: pd.DataFrame, study: Study) -> Findings:
    """Every project by itself against its comparison units.

    Returns
    -------
    Findings
        `changes` at level `unit`; tables `comparison_units` (who was compared with whom) and `regression_to_mean`.
    """
    compared = comparisons(study)
    changes, expectations, pairs = [], [], []
    for panel in panels(cells, study).values():
        for one in _by_start(panel, compared, study):
            changes.append(one.changes(study))
            pairs.append(one.pairs(study))
            if one.fit is not None:
                expectations.append(_expected(study, one))
    if not changes:
        return Findings(changes=nothing())
    tables = {"comparison_units": pd.concat(pairs, ignore_index=True)}
    if expectations:
        tables["regression_to_mean"] = pd.concat(expectations, ignore_index=True)
    return Findings(changes=completed(pd.concat(changes, ignore_index=True)), tables=tables)


def of_panel(panel: Panel, compared: Comparisons, study: Study) -> pd.DataFrame:
    """The changes of `did` on one indicator."""
    return pd.concat([one.changes(study) for one in _by_start(panel, compared, study)], ignore_index=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """What the expected change without effect is worked out from; of units, `common` and `precision` of projects."""

    change: np.ndarray
    variance: np.ndarray
    free: np.ndarray
    common: np.ndarray
    precision: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Started:
    """The projects of one starting year on one indicator: who they are compared with, and what came of it."""

    indicator: str
    projects: np.ndarray
    chosen: Comparisons
    before: Side
    after: Side
    found: dict[str, Any]
    fit: _Fit | None

    def changes(self, study: Study) -> pd.DataFrame:
        hospital, specialty = zip(*[study.names[i] for i in self.projects], strict=True)
        return pd.DataFrame(
            {
                "level": "unit",
                "hospital": hospital,
                "specialty": specialty,
                "indicator": self.indicator,
                "method": ID,
                "n_before": self.before.n[self.projects],
                "n_after": self.after.n[self.projects],
                **self.found,
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


def _by_start(panel: Panel, compared: Comparisons, study: Study) -> Iterator[_Started]:
    start = study.units["start"].to_numpy()
    for year in np.unique(start[start > 0]):
        projects, before = np.flatnonzero(start == year), study.years < year
        chosen = _chosen(compared, panel, before, study)
        sides = panel.over(before), panel.over(~before)
        fit = None
        if study.distribution(panel.indicator) is Distribution.RARE:
            found = _rare(study, projects, chosen, *sides)
        else:
            found, fit = _ratios(study, projects, chosen, *sides)
        yield _Started(
            indicator=panel.indicator,
            projects=projects,
            chosen=chosen,
            before=sides[0],
            after=sides[1],
            found=found,
            fit=fit,
        )


def _chosen(compared: Comparisons, panel: Panel, before: np.ndarray, study: Study) -> Comparisons:
    if study.comparison.matching == "baseline":
        return nearest(compared, panel, before, study.comparison.neighbours)
    return compared


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Sums over the comparison units of every project."""

    project: np.ndarray
    projects: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.project, values, minlength=int(self.projects.max(initial=0)) + 1)[self.projects]


def _ratios(
    study: Study, projects: np.ndarray, compared: Comparisons, before: Side, after: Side
) -> tuple[dict[str, Any], _Fit]:
    change, sampling = after.log - before.log, after.variance + before.variance
    free = (study.units["start"].to_numpy() == 0) & study.units["eligible"].to_numpy(bool) & np.isfinite(change)
    group = compared.group
    scatter = spread(change, sampling, group, free)
    adjusted = study.comparison.adjustment == "baseline"
    stood = baseline(before, change, sampling + np.nan_to_num(scatter.tau2), group, free)
    use = adjusted and stood.known
    if use:
        scatter = spread(change - stood.slope * stood.deviation, sampling, group, free, lost=1)
    total = sampling + np.nan_to_num(scatter.tau2)
    rows = free[compared.unit]
    unit = compared.unit[rows]
    sums = _Sums(project=compared.project[rows], projects=projects)
    weight = 1 / total[unit]
    precision, count = sums(weight), sums(np.ones(len(unit)))
    with np.errstate(invalid="ignore", divide="ignore"):
        common, level = sums(weight * change[unit]) / precision, sums(weight * before.log[unit]) / precision
        deviation = before.log[projects] - level
        fall = stood.slope * deviation if use else 0.0
        extra = (stood.slope_error * deviation) ** 2 if use else 0.0
        effect = change[projects] - common - fall
        error = np.sqrt(sampling[projects] + scatter.tau2 + 1 / precision + extra)
        supported = stood.deviation[free & np.isfinite(stood.beyond)]
        beyond = np.abs(deviation) > FAR * np.abs(supported).max(initial=0.0)
    low, high, p = limits(effect, error, max(scatter.df, 1), study.confidence)
    warnings = [
        joined(
            own_warning(before, after, i),
            "" if n else NONE,
            WIDENED if i in compared.widened else "",
            NO_SPREAD if np.isnan(scatter.tau2) else "",
            NO_SLOPE if adjusted and not use else "",
            BEYOND if use and far else "",
        )
        for i, n, far in zip(projects, count, beyond, strict=True)
    ]
    said = (
        f"区域内 {scatter.units} 个未立项单元的变化离散 {np.sqrt(scatter.tau2):.3f}（对数），t 分布自由度 {scatter.df}"
        + ("；已校正基线回落" if use else "")
        if np.isfinite(scatter.tau2)
        else ""
    )
    found = {
        "estimate": np.exp(effect),
        "low": np.exp(low),
        "high": np.exp(high),
        "p_value": p,
        "std_error": error,
        "n_comparison": count,
        "n_clusters": scatter.units,
        "inference": said,
        "warnings": warnings,
        "obstacle": _obstacles(before, after, projects, count, events=np.isfinite(change[projects])),
    }
    fit = _Fit(change=change, variance=total, free=free, common=common, precision=precision, deviation=deviation)
    return found, fit


def _expected(study: Study, one: _Started) -> pd.DataFrame:
    """The rows of the table `regression_to_mean`."""
    fit, projects = one.fit, one.projects
    assert fit is not None  # noqa: S101  rare deaths have none; the caller looked
    placed = baseline(one.before, fit.change, fit.variance, one.chosen.group, fit.free)
    placed.deviation[projects] = np.where(np.isfinite(fit.deviation), fit.deviation, placed.deviation[projects])
    with np.errstate(divide="ignore"):
        spare = 1 / np.sqrt(fit.precision)
    return expected(study, one.indicator, projects, placed, fit.change, fit.variance, fit.common, spare)


def _rare(study: Study, projects: np.ndarray, compared: Comparisons, before: Side, after: Side) -> dict[str, Any]:
    free = (
        (study.units["start"].to_numpy() == 0) & study.units["eligible"].to_numpy(bool) & (before.y > 0) & (after.y > 0)
    )
    rows = free[compared.unit]
    unit = compared.unit[rows]
    sums = _Sums(project=compared.project[rows], projects=projects)
    d0, d1, n0, n1 = before.x, after.x, before.y, after.y
    total = np.where(n0 + n1 > 0, n0 + n1, 1.0)
    above, below = sums((d1 * n0 / total)[unit]), sums((d0 * n1 / total)[unit])
    spare = sums(((d0 + d1) * n0 * n1 / total**2)[unit])
    count = sums(np.ones(len(unit)))
    dispersion, df = _dispersion(d0, d1, n0, n1, compared.group, free)
    with np.errstate(all="ignore"):
        common = np.log(above / below)
        error = np.sqrt(dispersion * spare / (above * below))
        own = np.log(d1 / n1) - np.log(d0 / n0)
    a, b = d1[projects] / dispersion + 0.5, d0[projects] / dispersion + 0.5
    with np.errstate(all="ignore"):
        exposure = np.log(n0[projects] / n1[projects])
        exposure[~np.isfinite(exposure)] = np.nan
    known = np.isfinite(common) & np.isfinite(exposure) & (d0 + d1 > 0)[projects]

    def ends(tail: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Log limits of the effect that leave `tail` on each side; the project's error and the comparison's together."""
        z = scipy.stats.norm.isf(tail)
        middle, low, high = (
            _log_odds(quantile(tail_, a, b)) + exposure
            for quantile, tail_ in (
                (scipy.stats.beta.ppf, 0.5),
                (scipy.stats.beta.ppf, tail),
                (scipy.stats.beta.isf, tail),
            )
        )
        effect = middle - np.where(known, common, np.nan)
        spare = z * np.where(known, error, np.nan)
        return effect - np.hypot(middle - low, spare), effect + np.hypot(high - middle, spare)

    low, high = ends((1 - study.confidence) / 2)
    # the p at which a limit touches no change, by halving the log of the tail
    under, over = np.full(len(projects), np.log(LEAST_P / 2)), np.full(len(projects), np.log(0.5))
    for _ in range(STEPS):
        middle = (under + over) / 2
        one, other = ends(np.exp(middle))
        outside = (one > 0) | (other < 0)
        under, over = np.where(outside, under, middle), np.where(outside, middle, over)
    with np.errstate(all="ignore"):
        estimate = np.exp(own[projects] - common)
        none_before, none_after = d0[projects] == 0, d1[projects] == 0
    warnings = [
        joined(
            _own_warning_rare(before, after, i),
            "" if n else NONE,
            WIDENED if i in compared.widened else "",
            NO_DEATHS if n and not k and before.y[i] > 0 and after.y[i] > 0 else "",
            "建设前没有死亡，比值无上限" if k and z else "",
        )
        for i, n, k, z in zip(projects, count, known, none_before, strict=True)
    ]
    return {
        "estimate": np.where(known & ~none_before, estimate, np.nan),
        "low": np.where(known, np.where(none_after, 0.0, np.exp(low)), np.nan),
        "high": np.where(known, np.where(none_before, np.inf, np.exp(high)), np.nan),
        "p_value": np.where(known, np.minimum(1.0, 2 * np.exp(over)), np.nan),
        "std_error": np.nan,
        "n_comparison": count,
        "n_clusters": count + 1,
        "warnings": warnings,
        "obstacle": _obstacles(before, after, projects, count, events=known),
        "inference": f"泊松率比之比，mid-P 类区间；区域内对照单元离散系数 {dispersion:.2f}（自由度 {df}，小于 1 按 1）",
    }


def _obstacles(before: Side, after: Side, projects: np.ndarray, count: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Why projects have no interval; `events`: whether there is something to take a ratio of."""
    no_value = ~(before.y[projects] > 0) | ~(after.y[projects] > 0)
    return np.select(
        [no_value, count == 0, ~events],
        [Obstacle.NO_VALUE.value, Obstacle.FEW_COMPARISONS.value, Obstacle.NO_EVENTS.value],
        Obstacle.NONE.value,
    )


def _log_odds(share: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(share) - np.log1p(-share)


def _own_warning_rare(before: Side, after: Side, unit: int) -> str:
    """Why a unit has no rate in a period."""
    if before.y[unit] > 0 and after.y[unit] > 0:
        return ""
    return own_warning(before, after, unit)


def _dispersion(
    d0: np.ndarray, d1: np.ndarray, n0: np.ndarray, n1: np.ndarray, group: np.ndarray, free: np.ndarray
) -> tuple[float, int]:
    """Pearson's χ² over its degrees of freedom, of how units of one group share their deaths between the periods; at least 1."""
    rows = free & (d0 + d1 > 0)
    size = group.max(initial=0) + 1
    total = np.where(n0 + n1 > 0, n0 + n1, 1.0)
    above = np.bincount(group[rows], (d1 * n0 / total)[rows], minlength=size)
    below = np.bincount(group[rows], (d0 * n1 / total)[rows], minlength=size)
    counts = np.bincount(group[rows], minlength=size)
    usable = rows & (counts[group] > 1) & (above[group] > 0) & (below[group] > 0)
    if not usable.any():
        return 1.0, 0
    ratio = (above / np.where(below > 0, below, 1.0))[group[usable]]
    deaths, share = (d0 + d1)[usable], n1[usable] * ratio / (n0[usable] + n1[usable] * ratio)
    chi2 = float((((d1[usable] - deaths * share) ** 2) / (deaths * share * (1 - share))).sum())
    df = int(usable.sum()) - len(np.unique(group[usable]))
    return max(1.0, chi2 / df), df


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=did,
    estimand="项目前后比值除以同专科、同级别未立项单元的前后比值，并扣除基线高低自然回落的部分",
    of_panel=of_panel,
    heeds=("same_level", "adjustment", "matching"),
)
