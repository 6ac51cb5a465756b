"""规则P16: a share whose numerator is not inside its denominator stops, and only that share."""

from __future__ import annotations

import pandas as pd

from toolkit.data.quality.measures import outside, stopped
from toolkit.indicators import Status

CELLS = pd.DataFrame(
    [
        ("a", 3, 3, 1.0),
        ("a", 5, 4, 1.25),
        ("a", 9, 7, 1.3),
        ("b", 0, 0, float("nan")),
        ("b", 4, 4, 1.0),
        ("index", 9, 4, 2.25),
    ],
    columns=["indicator", "x", "y", "value"],
).assign(se=0.1, low=0.0, high=3.0, status=Status.VALUE.value)


def test_the_share_is_named_with_its_largest_excess():
    assert outside(CELLS, ["a", "b"]) == {"a": 2}
    assert outside(CELLS, ["b"]) == {}
    assert outside(CELLS.iloc[:0], ["a"]) == {}


def test_only_that_share_stops():
    after = stopped(CELLS, outside(CELLS, ["a", "b"]), Status.STOPPED.value)
    assert after.loc[after["indicator"] == "a", ["value", "se", "low", "high"]].isna().all().all()
    assert set(after.loc[after["indicator"] == "a", "status"]) == {"stopped"}
    pd.testing.assert_frame_equal(after[after["indicator"] != "a"], CELLS[CELLS["indicator"] != "a"], check_dtype=False)
    assert stopped(CELLS, {}, Status.STOPPED.value) is CELLS
