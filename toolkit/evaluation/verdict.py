"""From a change to a verdict, in one function."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd

from toolkit.indicators import Direction
from toolkit.params import ChangePolicy


class Verdict(StrEnum):
    """What a panel reads; see `MEANING`."""

    IMPROVED = "改善"
    WORSE = "变差"
    NO_CHANGE = "未见变化"
    UNDECIDED = "不能判定"
    NOT_JUDGED = "不予评价"


MEANING: dict[Verdict, str] = {
    Verdict.IMPROVED: "区间完全落在好的一侧，且变化不小于最小有意义变化",
    Verdict.WORSE: "区间完全落在差的一侧，且变化不小于最小有意义变化",
    Verdict.NO_CHANGE: "区间包含“无变化”，或变化小于最小有意义变化",
    Verdict.UNDECIDED: "区间过宽，既不能排除有意义的改善，也不能排除有意义的变差；或没有区间",
    Verdict.NOT_JUDGED: "例数不足、缺少标杆，或指标不评优劣",
}


def verdict(
    estimate: float, low: float, high: float, n_before: int, n_after: int, direction: Direction, policy: ChangePolicy
) -> Verdict:  # fmt: skip
    """What a ratio after / before with its interval says.

    Parameters
    ----------
    estimate, low, high
        Ratio and limits, 1 = no change; missing where the method could not give them.
    n_before, n_after
        Discharges behind the two values.
    """
    if direction is Direction.NEUTRAL or min(n_before, n_after) < policy.minimum_cases:
        return Verdict.NOT_JUDGED
    if np.isnan(low) or np.isnan(high):
        return Verdict.UNDECIDED
    margin = 1 + policy.minimum_important
    if low <= 1 <= high:
        wide = low < 1 / margin and high > margin
        return Verdict.UNDECIDED if wide else Verdict.NO_CHANGE
    rose = low > 1
    if not np.isnan(estimate) and 1 / margin < estimate < margin:
        return Verdict.NO_CHANGE
    return Verdict.IMPROVED if rose == (direction is Direction.HIGHER) else Verdict.WORSE


def verdicts(changes: pd.DataFrame, directions: dict[str, Direction], policy: ChangePolicy) -> pd.Series:
    """The verdict of every row of a table of changes."""
    judged = [
        verdict(row.estimate, row.low, row.high, row.n_before, row.n_after, directions[row.indicator], policy).value
        for row in changes.itertuples(index=False)
    ]
    return pd.Series(judged, index=changes.index, dtype=object)


class Position(StrEnum):
    """Where a rate lies against a reference, by its interval."""

    HIGHER = "高于参照"
    LOWER = "低于参照"
    NOT_DIFFERENT = "与参照无差异"
    UNKNOWN = "不能判定"


def position(low: float, high: float, reference: float = 1.0) -> Position:
    """Higher or lower only where the interval excludes the reference; an end on the reference excludes nothing."""
    if np.isnan(low) or np.isnan(high) or np.isnan(reference):
        return Position.UNKNOWN
    if low > reference:
        return Position.HIGHER
    return Position.LOWER if high < reference else Position.NOT_DIFFERENT
