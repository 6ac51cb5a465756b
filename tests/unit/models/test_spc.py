"""XmR: limits by hand, the published rules point by point, the rules' own rate of false signals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.indicators import Direction
from toolkit.models.monitoring.spc import FEW_POINTS, TOO_FEW_POINTS, assurance, read_as, xmr


def chart(values, phases=None, **more) -> pd.DataFrame:
    values = list(values)
    frame = pd.DataFrame(
        {
            "unit": "a",
            "point": [f"{k:04d}" for k in range(len(values))],
            "phase": phases or "whole",
            "value": np.array(values, dtype=float),
        }
    )
    return xmr(frame.assign(**more), ["unit", *more], more.pop("directions", None))


def flagged(found: pd.DataFrame, rule: str) -> list[int]:
    return np.flatnonzero(found[rule]).tolist()


def test_limits_by_hand():
    found = chart([10, 12, 11, 13, 9])  # ranges 2, 1, 2, 4: mean 2.25
    assert found["centre"].iloc[0] == 11
    assert found["upper"].iloc[0] == pytest.approx(11 + 2.66 * 2.25)
    assert found["lower"].iloc[0] == pytest.approx(11 - 2.66 * 2.25)
    assert found["moving_range"].tolist()[1:] == [2, 1, 2, 4]


def test_a_range_above_3_267_means_is_screened_once():
    values = [10, 11, 10, 11, 10, 11, 10, 30, 10, 11, 10, 11, 10]  # ranges: ten of 1, two of 20; mean 50 / 12
    found = chart(values)
    assert flagged(found, "screened") == [7, 8]
    assert found["upper"].iloc[0] == pytest.approx(np.mean(values) + 2.66)
    assert flagged(found, "outside") == [7]


def test_seven_on_one_side():
    ups = [1, -1, 1, -1, 1, -1]
    assert flagged(chart([*ups, *[1] * 6, *[-1] * 6]), "shift") == []
    found = chart([*ups, *[2, 1, 2, 1, 2, 1, 2, 1], *[-2, -1, -2, -1, -2, -1]])
    assert found["centre"].iloc[0] == pytest.approx(3 / 20)
    assert flagged(found, "shift") == list(range(6, 14))


@pytest.mark.parametrize(
    ("values", "points"),
    [
        (range(1, 7), []),
        ([1, 2, 3, 3, 4, 5, 6], []),
        (range(1, 8), range(7)),
        ([2, *range(1, 8), 3], range(1, 8)),
        ([2, *range(7, 0, -1), 3], range(1, 8)),
        ([5, *range(1, 10)], range(1, 10)),
    ],
)
def test_trend_of_seven(values, points):
    assert flagged(chart(values), "trend") == list(points)


def test_two_of_three_on_one_side():
    # limits of ±2.66 from ranges of 1: points at ±2 are beyond two thirds of the way (1.77)
    base = [0.5, -0.5] * 30
    tail = {
        "two near, one between": ([2, 0.4, 2], [0, 2]),
        "near and near": ([2, 2, 0.4], [0, 1]),
        "sides differ": ([2, -0.4, 2], []),
        "two apart": ([2, 0.4, 0.4, 2], []),
        "opposite": ([2, 0.4, -2], []),
    }
    for name, (points, expected) in tail.items():
        found = chart([*base, *points, *base])
        assert [k - len(base) for k in flagged(found, "two_of_three")] == expected, name


def test_rebasing_gives_each_phase_its_own_limits_and_no_rule_crosses():
    before, after = [10, 11, 10, 11, 10, 11, 10, 11] * 2, [14, 15, 14, 15, 14, 15, 14, 15] * 2
    found = chart([*before, *after], phases=["before"] * 16 + ["after"] * 16)
    assert found.groupby("phase")["centre"].first().to_dict() == {"before": 10.5, "after": 14.5}
    assert np.isnan(found["moving_range"].iloc[16])
    assert (found["signal"] == "").all()
    whole = chart([*before, *after])
    assert (whole["signal"] != "").all()


def test_signals_have_a_direction():
    values = [1, 2] * 8 + [9]
    for direction, word in (
        (Direction.LOWER, "worse"),
        (Direction.HIGHER, "better"),
        (Direction.NEUTRAL, "unusually_high"),
    ):
        frame = pd.DataFrame(
            {"indicator": "x", "point": range(17), "phase": "p", "value": np.array(values, dtype=float)}
        )
        found = xmr(frame, ["indicator"], {"x": direction})
        assert found["signal"].iloc[-1] == word


RISE = [1.0, 1.02, 1.03, 1.05, 1.06, 1.08, 1.09, 1.11, 1.12, 1.14, 1.15, 1.17]  # twelve months, each above the last


@pytest.mark.parametrize(("direction", "word"), [(Direction.LOWER, "worse"), (Direction.HIGHER, "better")])
def test_a_trend_points_where_it_goes_on_both_sides_of_the_mean(direction, word):
    months = [1.0, 1.6, 0.8, 1.5, 0.9, 1.7, *RISE, 0.9, 1.5, 0.7, 1.6, 1.0, 1.5]  # wide limits: nothing else is found
    frame = pd.DataFrame({"indicator": "x", "point": range(len(months)), "phase": "p", "value": months})
    found = xmr(frame, ["indicator"], {"x": direction})
    assert (found["outside"] == 0).all()
    rise = found[found["trend"] != 0]
    assert set(rise["signal"]) == {word}
    assert {*np.sign(rise["value"] - rise["centre"])} == {-1, 1}


def test_nothing_in_a_rise_of_twelve_months_reads_better_where_lower_is_better():
    frame = pd.DataFrame({"indicator": "los_index", "point": range(12), "phase": "p", "value": RISE})
    found = xmr(frame, ["indicator"], {"los_index": Direction.LOWER})
    assert "better" not in set(read_as(found))
    assert set(read_as(found)[found["against_trend"]]) == {"unusually_low"}
    assert (read_as(found)[~found["against_trend"]] == "worse").all()


def test_where_a_fall_ends_and_a_rise_begins_the_rise_counts():
    found = chart([7, 6, 5, 4, 3, 2, 1, 2, 3, 4, 5, 6, 7])
    assert found["trend"].tolist() == [-1] * 6 + [1] * 7


def test_series_do_not_touch_and_order_does_not_matter():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(["a", "b"], 30),
            "point": list(range(30)) * 2,
            "phase": "p",
            "value": np.r_[rng.normal(0, 1, 30), rng.normal(50, 9, 30)],
        }
    )
    both = xmr(frame.sample(frac=1, random_state=3), ["unit"])
    for unit in "ab":
        alone = xmr(frame[frame["unit"] == unit], ["unit"])
        pd.testing.assert_frame_equal(both[both["unit"] == unit].reset_index(drop=True), alone)


def test_a_gap_is_kept_and_not_judged():
    found = chart([10, 12, np.nan, 11, 13, 9])
    assert found["moving_range"].tolist()[3] == 1
    assert np.isnan(found["upper"].iloc[2])
    assert found["signal"].iloc[2] == ""
    assert found["points"].iloc[3] == 5
    assert found["warnings"].eq(FEW_POINTS).all()


def test_false_signals_of_independent_points_are_as_rare_as_the_rules_make_them():
    """Outside 3 sigma: 0.27 % with known limits; 1 % at most with limits from 24 points (200 normal series)."""
    rng = np.random.default_rng(12)
    frame = pd.DataFrame(
        {
            "unit": np.repeat(range(800), 24),
            "point": list(range(24)) * 800,
            "phase": "p",
            "value": rng.normal(0, 1, 800 * 24),
        }
    )
    found = xmr(frame, ["unit"])
    assert 0.0027 / 2 < (found["outside"] != 0).mean() < 0.01
    assert found["upper"].mean() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(
    ("low", "high", "direction", "word"),
    [
        (1.1, 1.4, Direction.LOWER, "misses"),
        (1.1, 1.4, Direction.HIGHER, "meets"),
        (0.6, 0.9, Direction.LOWER, "meets"),
        (0.9, 1.1, Direction.LOWER, "varies"),
        (1.1, 1.4, Direction.NEUTRAL, ""),
        (np.nan, np.nan, Direction.LOWER, ""),
    ],
)
def test_assurance(low, high, direction, word):
    assert assurance(low, high, 1.0, direction) == word


def test_few_points_are_warned_of():
    assert chart(range(12))["warnings"].eq(FEW_POINTS).all()
    assert chart([1, 2] * 7)["warnings"].eq("").all()
    two = chart([1.0, 2.0])
    assert two["upper"].isna().all()
    assert two["warnings"].eq(TOO_FEW_POINTS).all()
    assert two["signal"].eq("").all()


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [5.0] * 20, [np.nan] * 5])
def test_bad_input_is_a_chart_without_signals(values):
    found = chart(values)
    assert len(found) == len(values)
    assert (found["signal"] == "").all()
    assert not np.isinf(found[["centre", "upper", "lower"]].to_numpy(float)).any()
