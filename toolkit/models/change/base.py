"""What a method of change is given and what it gives: the same input and the same columns for every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.indicators import Declared, Distribution, Indicator
from toolkit.params import ComparisonPolicy, Shock, Years

KEYS = ("level", "hospital", "specialty", "indicator")


class Obstacle(StrEnum):
    """Why a method gives a unit no interval; empty where it gives one, or has none by its nature."""

    NONE = ""
    NO_VALUE = "no_value"  # in one of the periods
    NO_EVENTS = "no_events"  # no death, or nothing but, in the unit or in its comparison units
    NO_SPREAD = "no_spread"  # of a mean: 0, or cases that are all alike
    FEW_COMPARISONS = "few_comparisons"

    @property
    def zh(self) -> str:
        words = {
            "no_value": "没有值",
            "no_events": "没有事件",
            "no_spread": "病例全部相同",
            "few_comparisons": "对照单元不足",
        }
        return words.get(self.value, "无")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of one indicator in one group; a row of a table of changes.

    `completed` adds the columns that a method has nothing to say in, so a method names only those it fills.

    Attributes
    ----------
    method
        Id of the method.
    measure
        What `estimate` is: `ratio` of the after value to the before value, or to the value expected without the project.
    estimate, low, high
        On the scale of `measure`; limits at the run's confidence level, missing where the method has none.
    p_value
        Two-sided, against no change.
    n_before, n_after
        Discharges behind the two values.
    n_clusters
        Groups that errors allow for; 1 for a method on one unit, whose error is that of drawing its discharges.
    std_error
        Of the natural log of `estimate`; missing where limits are not made from one.
    n_comparison
        Comparison units that `estimate` rests on; 0 for a method without.
    inference
        How error and p were obtained, in Chinese, with the number of clusters or placebo units.
    warnings
        Chinese sentences, joined by `；`.
    obstacle
        One of `Obstacle`.
    """

    method: str
    measure: str
    estimate: float
    low: float
    high: float
    p_value: float
    n_before: int
    n_after: int
    n_clusters: int
    std_error: float
    n_comparison: int
    inference: str
    warnings: str
    obstacle: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Changes of several units on one indicator, arrays of one shape; fields as in `Change`, and three of `did`.

    Attributes
    ----------
    step_own, step_comparison
        The unit's own ratio after/before, and that divided by its comparison units'; `estimate` is the last step, with the
        baseline corrected for.
    baseline_decides
        Whether the interval leaves no change by the last step alone.
    smallest_fall, smallest_rise
        Ratios below and above 1 that this very test would show with the study's power; missing where none would.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    std_error: np.ndarray
    n_comparison: np.ndarray
    n_clusters: np.ndarray
    inference: Sequence[str]
    warnings: Sequence[str]
    obstacle: np.ndarray
    step_own: np.ndarray
    step_comparison: np.ndarray
    baseline_decides: np.ndarray
    smallest_fall: np.ndarray
    smallest_rise: np.ndarray

    def columns(self) -> dict[str, np.ndarray | Sequence[str]]:
        """By name, for a table."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


STEPS = (
    "step_own",
    "step_comparison",
    "baseline_decides",
    "smallest_fall",
    "smallest_rise",
)  # columns of `Estimate` beside those of `Change`
COLUMNS = tuple(field.name for field in fields(Change))
_DEFAULTS: dict[str, float | int | str] = {
    "measure": "ratio",
    "estimate": np.nan,
    "low": np.nan,
    "high": np.nan,
    "p_value": np.nan,
    "n_before": 0,
    "n_after": 0,
    "n_clusters": 1,
    "std_error": np.nan,
    "n_comparison": 0,
    "inference": "",
    "warnings": "",
    "obstacle": Obstacle.NONE.value,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """What a method needs beside the cells.

    Attributes
    ----------
    indicators
        Id -> declaration.
    units
        One row per evaluation unit: `hospital, specialty, level_group, start` (first year of its project, 0 = none),
        `eligible` (enough cases in every cycle; only such units are compared with).
    before, after
        Years of the two cycles. A project that starts in another year has its own cut at its start.
    comparison
        Which units a project is compared with.
    shocks
        Declared outside events.
    confidence
        Of all limits.
    power
        With which the smallest change that a test shows is stated.
    """

    indicators: Mapping[str, Declared]
    units: pd.DataFrame
    before: Years
    after: Years
    comparison: ComparisonPolicy = field(default_factory=ComparisonPolicy)
    shocks: Sequence[Shock] = ()
    confidence: float = 0.95
    power: float = 0.8

    @property
    def years(self) -> np.ndarray:
        return np.arange(self.before.first, self.after.last + 1)

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        """Hospital and specialty of every unit; reading one out of the table costs as much as a small fit."""
        return list(zip(self.units["hospital"].tolist(), self.units["specialty"].tolist(), strict=True))

    @property
    def inferential(self) -> list[str]:
        """Indicators whose change can be tested, in the order of the catalogue."""
        return [i for i, one in self.indicators.items() if inferential(one)]

    def distribution(self, indicator: str) -> Distribution | None:
        return getattr(self.indicators[indicator], "distribution", None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What a method found.

    Attributes
    ----------
    changes
        `KEYS`, then the columns of `Change`. `level` is `unit` (a project by itself) or `region` (all projects together,
        hospital and specialty empty).
    tables
        Companion tables by name; see `toolkit.models.COMPANIONS`.
    """

    changes: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def inferential(indicator: Declared) -> bool:
    """Whether a change of the indicator can be tested: totals and distinct counts are only described."""
    return isinstance(indicator, Indicator) and indicator.distribution is not None


def completed(changes: pd.DataFrame, first: Sequence[str] = KEYS) -> pd.DataFrame:
    """`changes` with all columns of `Change`, in order after `first`; what a method did not fill reads as none."""
    missing = {name: value for name, value in _DEFAULTS.items() if name not in changes}
    whole = changes.assign(**missing)
    if "baseline_decides" in whole:
        whole["baseline_decides"] = whole["baseline_decides"].astype(bool)
    counts = {
        name: whole[name].fillna(0).astype("int64") for name in ("n_before", "n_after", "n_clusters", "n_comparison")
    }
    whole = whole.assign(**counts)
    return whole[[*first, *COLUMNS, *[c for c in whole if c not in (*first, *COLUMNS)]]].reset_index(drop=True)


def nothing() -> pd.DataFrame:
    """A table of changes without a row."""
    return completed(pd.DataFrame(columns=[*KEYS, "method"]))


def joined(*sentences: str) -> str:
    """Warnings as they are printed."""
    return "；".join(s for s in sentences if s)
