"""Matching on the baseline, and what units like a project did without one: the expected change under no effect.

A unit that was chosen for a good baseline was, in part, lucky in it; luck does not last. Comparison units that stood as far
from the mean of their specialty and level, and were not funded, show how much a unit falls back by itself.

References
----------
Daw, Hatfield (2018), doi:10.1111/1475-6773.12993: matching on a noisy baseline can bring regression to the mean in as well
as take it out; so matching is an option, and the expected change stands beside the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.models.change.base import Study
from toolkit.models.change.panel import Comparisons, Panel, Side

EXPECTED = [
    "hospital",
    "specialty",
    "indicator",
    "observed",
    "deviation",
    "common",
    "expected",
    "expected_low",
    "expected_high",
    "matched",
    "n_matched",
    "n_regression",
    "warnings",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Where units stood before.

    Attributes
    ----------
    deviation
        Log of the value before, against the weighted mean of the comparison units of the unit's group; shape (units,).
    slope
        Expected log change for each unit of deviation, from comparison units; 0 = nothing falls back, −1 = everything.
    slope_error
        Its standard error.
    beyond
        Log change less the weighted mean of the comparison units of the own group; missing where there is no second one.
    known
        Whether a slope could be estimated.
    """

    deviation: np.ndarray
    beyond: np.ndarray
    slope: float
    slope_error: float
    known: bool


def baseline(before: Side, change: np.ndarray, variance: np.ndarray, group: np.ndarray, usable: np.ndarray) -> Baseline:
    """Regress log change on the baseline's deviation, within groups of comparison units.

    `variance` is that of a change, sampling and spread together; weights are its inverse.
    """
    size = group.max(initial=0) + 1
    w = np.where(usable, 1 / np.where(usable, variance, 1.0), 0.0)
    total = np.bincount(group, w, minlength=size)
    safe = np.where(total > 0, total, 1.0)
    level = np.bincount(group, w * np.where(usable, before.log, 0.0), minlength=size) / safe
    mean = np.bincount(group, w * np.where(usable, change, 0.0), minlength=size) / safe
    deviation = np.where(total[group] > 0, before.log - level[group], np.nan)
    counts = np.bincount(group[usable], minlength=size)
    rows = usable & (counts[group] > 1)
    beyond = np.where(rows, change - mean[group], np.nan)
    z, d = deviation[rows], beyond[rows]
    information = float((w[rows] * z**2).sum())
    df = int(rows.sum()) - int((counts > 1).sum()) - 1
    if df < 1 or information <= 1e-12:
        return Baseline(deviation=deviation, beyond=beyond, slope=0.0, slope_error=0.0, known=False)
    slope = float((w[rows] * z * d).sum() / information)
    error = float(np.sqrt((w[rows] * (d - slope * z) ** 2).sum() / df / information))
    return Baseline(deviation=deviation, beyond=beyond, slope=slope, slope_error=error, known=True)


def nearest(compared: Comparisons, panel: Panel, before: np.ndarray, count: int) -> Comparisons:
    """Of every project's comparison units, the `count` nearest in baseline level and trend.

    Parameters
    ----------
    before
        Which years of the panel are before; all of them are used.

    Notes
    -----
    Distance is Euclidean over the level (log of the pooled value) and the trend (slope of yearly logs), each divided by its
    SD over all units of the indicator. A unit without a trend is matched on its level.
    """
    level = panel.over(before).log
    logs = np.where(before, panel.yearly.log, np.nan)
    when = np.where(np.isfinite(logs), np.arange(logs.shape[1]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        several = np.isfinite(logs).sum(axis=1) > 1
        here = np.where(several[:, None], when, 0.0)
        centred = here - np.nanmean(here, axis=1, keepdims=True)
        trend = np.nansum(centred * np.where(np.isfinite(logs), logs, 0.0), axis=1) / np.nansum(centred**2, axis=1)
    parts = [_standardised(level), np.nan_to_num(_standardised(np.where(several, trend, np.nan)))]
    distance = sum((part[compared.project] - part[compared.unit]) ** 2 for part in parts)
    order = np.lexsort((compared.unit, np.nan_to_num(distance, nan=np.inf), compared.project))
    project, unit = compared.project[order], compared.unit[order]
    first = np.r_[True, project[1:] != project[:-1]] if len(project) else np.empty(0, dtype=bool)
    rank = np.arange(len(project)) - np.maximum.accumulate(np.where(first, np.arange(len(project)), 0))
    keep = rank < count
    return Comparisons(project=project[keep], unit=unit[keep], widened=compared.widened, group=compared.group)


def _standardised(values: np.ndarray) -> np.ndarray:
    good = np.isfinite(values)
    spread = float(np.std(values[good])) if good.any() else 0.0
    return values / spread if spread > 0 else np.zeros_like(values)


def expected(
    study: Study,
    indicator: str,
    projects: np.ndarray,
    stood: Baseline,
    change: np.ndarray,
    variance: np.ndarray,
    group_mean: np.ndarray,
    group_error: np.ndarray,
) -> pd.DataFrame:
    """What would have been expected of every project without effect; rows of the table `regression_to_mean`.

    Parameters
    ----------
    group_mean, group_error
        Mean log change of a project's comparison units and its standard error, one a project.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator`; `observed` (ratio after/before); `deviation` (ratio of the project's baseline to its
        comparison units'); `common` (ratio after/before of the comparison units: trend and shocks alike for all);
        `expected`, `expected_low`, `expected_high` (common × what units of that baseline fell back, by regression over all
        comparison units of the region); `matched` (the same from the nearest units), `n_matched`, `n_regression`, `warnings`.
    """
    free = np.flatnonzero(np.isfinite(stood.beyond) & np.isfinite(stood.deviation))
    count = min(2 * study.comparison.neighbours, len(free))
    own = stood.deviation[projects]
    fall = stood.slope * own
    error = np.hypot(group_error, stood.slope_error * own)
    z = scipy.stats.norm.ppf((1 + study.confidence) / 2)
    matched = np.full(len(projects), np.nan)
    if count:
        near = np.argsort(np.abs(stood.deviation[free][None, :] - own[:, None]), axis=1, kind="stable")[:, :count]
        weight = 1 / variance[free][near]
        matched = group_mean + (weight * stood.beyond[free][near]).sum(axis=1) / weight.sum(axis=1)
    good = np.isfinite(own) & np.isfinite(group_mean)
    units = study.units.iloc[projects]
    centre = group_mean + fall
    return pd.DataFrame(
        {
            "hospital": units["hospital"].to_numpy(),
            "specialty": units["specialty"].to_numpy(),
            "indicator": indicator,
            "observed": np.exp(change[projects]),
            "deviation": np.exp(own),
            "common": np.exp(group_mean),
            "expected": np.exp(np.where(good, centre, np.nan)),
            "expected_low": np.exp(np.where(good, centre - z * error, np.nan)),
            "expected_high": np.exp(np.where(good, centre + z * error, np.nan)),
            "matched": np.exp(np.where(good, matched, np.nan)),
            "n_matched": np.where(good, count, 0),
            "n_regression": len(free),
            "warnings": ["" if g and stood.known else "对照单元不足，无法估计回落" for g in good],
        }
    )
