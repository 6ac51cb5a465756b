"""XmR charts: does a series of months show more than the usual variation of the unit itself.

Limits: mean ± 2.66 × mean moving range, within one phase; moving ranges at or above 3.267 times their mean are screened out
once. Rules (NHS England's Making Data Count, as in NHSRplotthedots 0.2.2), the first that holds names the point: outside the
limits; 7 in a row rising or falling; 2 of 3 in a row beyond two thirds of the way to a limit, all three on one side; 7 in a
row on one side of the mean. A trend points where it goes, every other rule to the side of the mean on which the point lies.
The chart is rebased at the start of the cycle: a new phase has its own mean and limits, and no rule looks across.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from toolkit.declared import Word
from toolkit.indicators import Direction

LIMIT = 2.66  # 3 / 1.128, d2 for moving ranges of two
SCREEN = 3.267  # upper limit of a moving range, in means of them
RUN = 7
ENOUGH_POINTS = 13
FEWEST_POINTS = 3

FEW_POINTS = f"某一阶段少于 {ENOUGH_POINTS} 个点，界限不稳"
TOO_FEW_POINTS = f"某一阶段少于 {FEWEST_POINTS} 个点，不画界限"
RULES_ZH = {  # in the order in which they name a point
    "outside": "超出控制限",
    "trend": f"连续 {RUN} 点以上同向升降",
    "two_of_three": "3 点中 2 点接近控制限",
    "shift": f"连续 {RUN} 点以上在均值同侧",
}


class Signal(Word):
    """What a point outside the usual says; where no direction is better, or a trend has just begun, only that it is unusual."""

    BETTER = "better", "变好"
    WORSE = "worse", "变差"
    HIGH = "unusually_high", "异常升高"
    LOW = "unusually_low", "异常降低"


class Assurance(Word):
    """Whether a process, as it runs now, can be expected to meet its target."""

    MEETS = "meets", "稳定达标"
    MISSES = "misses", "稳定不达标"
    VARIES = "varies", "时好时坏"


def xmr(frame: pd.DataFrame, by: Sequence[str], directions: dict[str, Direction] | None = None) -> pd.DataFrame:
    """The chart of every series.

    Parameters
    ----------
    frame
        One row per point: `by` (the series), `point` (sortable, e.g. `2019-03`), `phase` (a new one rebases the chart), `value`.
        A point without value is kept without judgement, and the points beside it count as neighbours.
    directions
        Indicator id -> which way is better, where `by` holds `indicator`.

    Returns
    -------
    pd.DataFrame
        Sorted by series and point, with `centre`, `lower`, `upper`, `moving_range`, `screened` (left out of the limits),
        `outside` (−1, 0, 1), `shift`, `two_of_three`, `trend` (−1 falling, 0, 1 rising), `rule` (of `RULES_ZH`, the one that names
        the point, or empty), `signal` (`Signal`, or empty), `against_trend` (outside on the side that a trend
        comes from: the first months of a rise, no sign that things went well), `points` (of the phase) and `warnings`.
        Limits are missing below 3 points in a phase.
    """
    by = list(by)
    rows = frame.sort_values([*by, "point"], kind="stable").reset_index(drop=True)
    known = rows["value"].notna().to_numpy()
    y = rows["value"].to_numpy(float)[known]
    segment = rows[known].groupby([*by, "phase"], sort=False, dropna=False).ngroup().to_numpy()
    size = int(segment.max(initial=-1)) + 1
    counts = np.bincount(segment, minlength=size)
    same = np.diff(segment, prepend=-1) == 0  # the point before is of this phase
    moving = np.where(same, np.abs(np.diff(y, prepend=np.nan)), np.nan)

    def mean(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        total = np.bincount(segment[kept], values[kept], minlength=size)
        return total / np.maximum(np.bincount(segment[kept], minlength=size), 1)

    # a series without spread has no ranges to compare: what rounding leaves of them is none
    moving = np.where(moving <= 1e-12 * np.abs(y), 0.0, moving)
    average = mean(moving, same)
    screened = same & (average[segment] > 0) & ~(moving < SCREEN * average[segment])
    average = mean(moving, same & ~screened)
    centre = mean(y, np.ones(len(y), dtype=bool))
    width = np.where(counts >= FEWEST_POINTS, LIMIT * average, np.nan)[segment]
    middle = centre[segment]
    apart = y - middle
    apart = np.where(np.abs(apart) <= 1e-12 * np.abs(middle), 0.0, apart)
    found = _rules(y, apart, width, segment, same)
    rule, signal = _signals(rows.loc[known], found, apart, directions or {})
    added = {
        "centre": middle,
        "lower": middle - width,
        "upper": middle + width,
        "moving_range": moving,
        "screened": screened,
        **found,
        "rule": rule,
        "signal": signal,
        "against_trend": found["outside"] * found["trend"] < 0,
        "points": counts[segment],
    }
    empty = {
        "screened": False,
        "outside": 0,
        "shift": False,
        "trend": 0,
        "two_of_three": False,
        "rule": "",
        "signal": "",
        "against_trend": False,
        "points": 0,
    }
    for name, values in added.items():
        column = np.full(
            len(rows), empty.get(name, np.nan), dtype=object if name in ("rule", "signal") else np.asarray(values).dtype
        )
        column[known] = values
        rows[name] = column
    series = rows.groupby(by, sort=False, dropna=False).ngroup().to_numpy()
    fewest = np.full(int(series.max(initial=-1)) + 1, np.inf)
    np.minimum.at(fewest, series[known], counts[segment])
    words = np.where(fewest < FEWEST_POINTS, TOO_FEW_POINTS, np.where(fewest < ENOUGH_POINTS, FEW_POINTS, ""))
    rows["warnings"] = np.where(np.isinf(fewest), TOO_FEW_POINTS, words)[series] if len(rows) else ""
    return rows


def _rules(
    y: np.ndarray, apart: np.ndarray, width: np.ndarray, segment: np.ndarray, same: np.ndarray
) -> dict[str, np.ndarray]:
    side = np.sign(apart)
    outside = np.where(np.abs(apart) > width, side, 0).astype("int64")
    close = (outside == 0) & (np.abs(apart) > 2 * width / 3)
    shift = _in_long_run(side, same, RUN)
    way = np.where(same, np.sign(np.diff(y, prepend=np.nan)), 0)
    steady = _in_long_run(way, same & np.roll(same, 1), RUN - 1)  # six steps are seven points
    steps = np.where(steady, way, 0).astype("int64")
    # and the point before the first step; where a fall ends and a rise begins, the newer one counts
    coming = np.where(np.roll(steady & same, -1), np.roll(steps, -1), 0)
    trend = np.where((coming != 0) & (coming != steps), coming, steps)
    near = np.zeros(len(y), dtype=bool)
    if len(y) >= 3:
        three = np.arange(len(y) - 2)
        alike = (segment[three] == segment[three + 2]) & (np.abs(side[three] + side[three + 1] + side[three + 2]) == 3)
        hit = three[alike & (close[three].astype(int) + close[three + 1] + close[three + 2] >= 2)]
        for step in range(3):
            near[hit + step] = True
    return {"outside": outside, "shift": shift, "trend": trend, "two_of_three": near & close}


def _in_long_run(sign: np.ndarray, same: np.ndarray, least: int) -> np.ndarray:
    """Points in a run of at least so many equal signs, none of them 0, within one phase."""
    new = ~same | (np.diff(sign, prepend=np.nan) != 0)
    run = np.cumsum(new) - 1
    return (np.bincount(run, minlength=len(sign))[run] >= least) & (sign != 0) if len(sign) else sign.astype(bool)


def _signals(
    rows: pd.DataFrame, found: dict[str, np.ndarray], apart: np.ndarray, directions: dict[str, Direction]
) -> tuple[np.ndarray, np.ndarray]:
    """The rule that names each point, and what its signal means."""
    rule = np.select([found[r] != 0 for r in RULES_ZH], list(RULES_ZH), default="").astype(object)
    better: np.ndarray = np.zeros(len(rows))
    if "indicator" in rows:
        sign = {i: {Direction.HIGHER: 1, Direction.LOWER: -1}.get(d, 0) for i, d in directions.items()}
        better = rows["indicator"].map(sign).fillna(0).to_numpy()
    way = np.where(rule == "trend", found["trend"], np.where(apart > 0, 1, -1))
    signal = np.select(
        [rule == "", (better == 0) & (way > 0), better == 0, way == better],
        ["", Signal.HIGH.value, Signal.LOW.value, Signal.BETTER.value],
        default=Signal.WORSE.value,
    )
    return rule, signal.astype(object)


def read_as(chart: pd.DataFrame) -> pd.Series:
    """The signal of every point as a reader sees it: what lies outside where a trend began is unusual, neither good nor bad."""
    unusual = np.where(chart["outside"] > 0, Signal.HIGH.value, Signal.LOW.value)
    return chart["signal"].where(~chart["against_trend"].astype(bool), unusual)


def assurance(lower: float, upper: float, target: float, direction: Direction) -> str:
    """Whether the process, as it runs now, can be expected to meet a target: the limits of the last phase against it."""
    if direction is Direction.NEUTRAL or np.isnan(lower) or np.isnan(upper) or np.isnan(target):
        return ""
    if lower <= target <= upper:
        return Assurance.VARIES.value
    meets = (lower > target) == (direction is Direction.HIGHER)
    return (Assurance.MEETS if meets else Assurance.MISSES).value
