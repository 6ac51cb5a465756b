"""From the values of an item to its points, rule by rule. Arrays over units; missing stays missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toolkit.programme.systems import (
    AchievementOrImprovement,
    Bands,
    Direction,
    Distance,
    MinMax,
    Percentile,
    Rank,
    Rating,
    Threshold,
    ZScore,
)
from toolkit.strict_yaml import Section

ROUNDING = 1e-9  # a share of the way that printed rates put on a half belongs to the half above
MOST_ACHIEVEMENT, MOST_BETWEEN = 10, 9

Column = Callable[[float | str], np.ndarray]  # a number for all, or the values of a column


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Points of every unit; `parts` by name where a rule has several; `flagged` where a red flag was raised."""

    points: np.ndarray
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    flagged: np.ndarray | None = None


def scored(rule: Section, values: np.ndarray, direction: Direction, column: Column) -> Scored:
    """The points that a rule gives.

    Parameters
    ----------
    values
        Shape (units,), missing NaN.
    column
        What gives thresholds, targets and baselines: a number for all, or each unit's own.
    """
    return _RULES[type(rule)](rule, values, 1.0 if direction is Direction.HIGHER else -1.0, column)


def _z(_rule: ZScore, values: np.ndarray, sign: float, _column: Column) -> Scored:
    return Scored(points=sign * standardised(values))


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 (n − 1) over what is there; missing where nothing differs."""
    known = values[~np.isnan(values)]
    deviation = known.std(ddof=1) if len(known) > 1 else 0.0
    return (values - known.mean()) / deviation if deviation > 0 else np.full(len(values), np.nan)


def ranks(values: np.ndarray) -> np.ndarray:
    """1 for the least, ties at their mean rank, missing left out."""
    found = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    each, place, count = np.unique(values[known], return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found[known] = ((last - count + 1 + last) / 2)[place] if len(each) else []
    return found


def _percentile(rule: Percentile, values: np.ndarray, sign: float, _column: Column) -> Scored:
    size = (~np.isnan(values)).sum()
    return Scored(points=rule.points * (ranks(sign * values) - 0.5) / max(size, 1))


def _rank(rule: Rank, values: np.ndarray, sign: float, _column: Column) -> Scored:
    size = (~np.isnan(values)).sum()
    share = (ranks(sign * values) - 1) / (size - 1) if size > 1 else np.where(np.isnan(values), np.nan, 1.0)
    return Scored(points=rule.points * share)


def _min_max(rule: MinMax, values: np.ndarray, sign: float, _column: Column) -> Scored:
    better = sign * values
    if np.isnan(values).all():
        return Scored(points=better)
    low, high = np.nanmin(better), np.nanmax(better)
    share = (better - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
    return Scored(points=rule.points * share)


def _bands(rule: Bands, values: np.ndarray, sign: float, _column: Column) -> Scored:
    known = ~np.isnan(values)
    limits = np.array(rule.at)
    if rule.of == "quantiles":
        limits = np.quantile(values[known], limits) if known.any() else limits
    # where lower is better the best band lies below the first limit
    place = np.searchsorted(limits, values, side="right") if sign > 0 else len(limits) - np.searchsorted(limits, values)
    return Scored(points=np.where(known, np.array(rule.points, dtype=float)[place], np.nan))


def _distance(rule: Distance, values: np.ndarray, sign: float, column: Column) -> Scored:
    target, zero = column(rule.target), column(rule.zero)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (values - zero) / (target - zero)
    share = np.where(sign * (values - target) >= 0, 1.0, np.clip(share, 0.0, 1.0))
    return Scored(points=np.where(np.isnan(values) | np.isnan(target), np.nan, rule.points * share))


def _threshold(rule: Threshold, values: np.ndarray, sign: float, column: Column) -> Scored:
    at = column(rule.at)
    known, reached = ~(np.isnan(values) | np.isnan(at)), sign * (values - at) >= 0
    return Scored(
        points=np.where(known, rule.points * reached, np.nan), flagged=known & ~reached if rule.red_flag else None
    )


def _rating(rule: Rating, values: np.ndarray, sign: float, _column: Column) -> Scored:
    share = (values - rule.lowest) / (rule.highest - rule.lowest)
    return Scored(points=rule.points * (share if sign > 0 else 1 - share))


def _achievement(rule: AchievementOrImprovement, values: np.ndarray, sign: float, column: Column) -> Scored:
    threshold, benchmark, baseline = (sign * column(c) for c in (rule.threshold, rule.benchmark, rule.baseline))
    reached = sign * values
    known = ~(np.isnan(reached) | np.isnan(threshold) | np.isnan(benchmark))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = half_up(MOST_BETWEEN * (reached - threshold) / (benchmark - threshold) + 0.5)
        on_the_way = half_up(MOST_ACHIEVEMENT * (reached - baseline) / (benchmark - baseline) - 0.5)
    beyond = reached >= benchmark
    achievement = np.select(
        [~known, beyond, reached < threshold], [np.nan, MOST_ACHIEVEMENT, 0.0], np.minimum(between, MOST_BETWEEN)
    )
    # at or beyond the benchmark there is nothing left to improve; one not better than its own baseline did not
    improvement = np.select(
        [~known | np.isnan(baseline), reached <= baseline, beyond],
        [np.nan, 0.0, MOST_BETWEEN],
        np.clip(on_the_way, 0, MOST_BETWEEN),
    )
    points = np.where(known, np.fmax(achievement, improvement), np.nan)
    return Scored(points=points, parts={"achievement": achievement, "improvement": improvement})


def half_up(values: np.ndarray) -> np.ndarray:
    """Rounded to whole numbers, halves up."""
    return np.floor(values + 0.5 + ROUNDING)


_RULES: dict[type[Section], Callable[[Any, np.ndarray, float, Column], Scored]] = {
    ZScore: _z,
    Percentile: _percentile,
    Rank: _rank,
    MinMax: _min_max,
    Bands: _bands,
    Distance: _distance,
    Threshold: _threshold,
    Rating: _rating,
    AchievementOrImprovement: _achievement,
}
