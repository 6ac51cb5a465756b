"""600 series as NHSRplotthedots 0.2.2 judges them in R: limits, rules and words, point by point."""

from __future__ import annotations

import pandas as pd
import pytest

from toolkit.indicators import Direction
from toolkit.models.monitoring.spc import xmr

WORDS = {"better": "special_cause_improvement", "worse": "special_cause_concern", "": "common_cause"}
RULES = {
    "": "Common Cause",
    "outside": ("Below LCL", "Above UCL"),
    "trend": ("7 Point Trend (Decreasing)", "7 Point Trend (Increasing)"),
    "two_of_three": ("2 in 3 Below CL", "2 in 3 Above CL"),
    "shift": ("7 Points Below CL", "7 Points Above CL"),
}


@pytest.fixture(scope="module")
def published(data_folder) -> pd.DataFrame:
    return pd.read_csv(data_folder / "spc" / "xmr_vectors.csv.gz").sort_values(["series", "point"], ignore_index=True)


@pytest.fixture(scope="module", params=[Direction.HIGHER, Direction.LOWER], ids=["higher", "lower"])
def direction(request) -> Direction:
    return request.param


@pytest.fixture(scope="module")
def found(published, direction) -> pd.DataFrame:
    rows = published[["series", "point", "phase", "value"]].assign(indicator="x")
    return xmr(rows, ["indicator", "series"], {"x": direction})


def test_every_point_of_every_series_is_compared(published, found):
    assert (len(published), published["series"].nunique()) == (13821, 600)
    pd.testing.assert_frame_equal(found[["series", "point"]], published[["series", "point"]])
    assert set(published["special_cause_type"]) == {RULES[""], *(w for r in RULES if r for w in RULES[r])}


@pytest.mark.parametrize("limit", ["centre", "lower", "upper"])
def test_limits_are_the_published_ones(published, found, limit):
    assert published[limit].notna().all()
    assert (found[limit] - published[limit]).abs().max() < 1e-9


def test_the_same_points_are_flagged_by_the_same_rule(published, found):
    above = (found["value"] > found["centre"]).where(found["rule"] != "trend", found["trend"] > 0)
    named = [RULES[r] if r == "" else RULES[r][int(up)] for r, up in zip(found["rule"], above, strict=True)]
    assert ((found["signal"] != "") == published["special_cause_flag"]).all()
    assert (pd.Series(named) == published["special_cause_type"]).all()


def test_every_word_is_the_published_one(published, found, direction):
    other = {Direction.HIGHER: "if_higher_is_better", Direction.LOWER: "if_lower_is_better"}[direction]
    assert (found["signal"].map(WORDS) == published[other]).all()
