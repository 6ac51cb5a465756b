"""Sums by group against pandas, whatever the parts that a frame is worked through in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import key_codes
from toolkit.key_codes import KeyCodes

KEYS = ["a", "b", "c"]
row = st.tuples(
    st.sampled_from(["x", "y", "zz", "", None]),
    st.integers(2019, 2024),
    st.sampled_from("pqr"),
    st.integers(-5, 5),
    st.booleans(),
)
ways = {"one part": {}, "parts of three rows": {"PART": 3}, "codes that are sorted": {"PART": 4, "DENSE": 2}}


@pytest.fixture(params=ways.values(), ids=ways)
def way(request):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in request.param.items():
            patch.setattr(key_codes, name, value)
        yield


def frame_of(rows: list[tuple], in_order: bool) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*KEYS, "v", "m"]).astype({"a": "str", "c": "category", "v": "int64", "m": bool})
    frame["a"] = frame["a"].astype("category")  # with a missing one
    return frame.sort_values(KEYS, ignore_index=True) if in_order else frame


@given(st.lists(row, max_size=30), st.booleans(), st.sampled_from([KEYS, ["b"], ["c", "a"]]))
def test_groups_are_those_of_pandas(way, rows, in_order, names):
    frame = frame_of(rows, in_order)
    codes = KeyCodes(frame)
    groups, by = codes.of(names), frame.groupby(names, dropna=False, observed=True, sort=True)
    assert len(groups) == by.ngroups
    if rows:
        assert groups.of_row.tolist() == by.ngroup().tolist()
    values, among = frame["v"].to_numpy(), frame["m"].to_numpy()
    masked = frame.assign(v=frame["v"].where(frame["m"], 0)).groupby(names, dropna=False, observed=True)
    assert groups.sum(values).tolist() == by["v"].sum().tolist()
    assert groups.sum(values, among).tolist() == masked["v"].sum().tolist()
    assert groups.any(among).tolist() == by["m"].any().tolist()
    assert groups.first.tolist() == by.head(1).assign(g=by.ngroup()).sort_values("g").index.tolist()
    numbers = np.arange(len(groups)) * 1.5
    assert groups.of_rows(numbers).tolist() == (1.5 * by.ngroup()).tolist()
    spread = groups.spread_sum(values, among)
    assert [v for rows_ in codes.slices for v in spread(rows_)] == masked["v"].transform("sum").tolist()
    expected = by.size().reset_index()[names].astype(object)
    pd.testing.assert_frame_equal(
        codes.keys(names).astype(object), expected, check_dtype=False, check_column_type=False
    )


def test_categories_in_another_order_are_grouped_in_the_order_of_their_values():
    frame = pd.DataFrame({"a": pd.Categorical(["b", "a", "c", "b", None], categories=["c", "b", "a", "zz"])})
    assert KeyCodes(frame).keys(["a"])["a"].astype(object).fillna("").tolist() == ["a", "b", "c", ""]
    assert list(key_codes.categories(frame["a"]).cat.categories) == ["a", "b", "c", "zz"]
    assert KeyCodes(frame).of(["a"]).of_row.tolist() == [1, 0, 2, 1, 3]


def test_more_keys_than_numbers_are_refused():
    frame = pd.DataFrame({name: np.arange(100_000) for name in "abcd"})
    with pytest.raises(OverflowError, match="64 bits"):
        KeyCodes(frame).of(list("abcd"))


@given(st.lists(row, max_size=30), st.booleans(), st.sampled_from([KEYS, ["b"], ["c", "a"]]))
def test_parts_hold_every_row_once_and_add_up(way, rows, in_order, names):
    frame = frame_of(rows, in_order)
    groups = KeyCodes(frame).of(names)
    values, among = frame["v"].to_numpy(), frame["m"].to_numpy()
    total, found = np.zeros(len(groups)), np.zeros(len(groups), dtype=bool)
    for part in groups.parts:
        total[part.groups] += part.sum(values[part.rows], among[part.rows])
        found[part.groups] |= part.any(among[part.rows])
    assert [i for part in groups.parts for i in range(len(frame))[part.rows]] == list(range(len(frame)))
    assert total.tolist() == groups.sum(values, among).tolist()
    assert found.tolist() == groups.any(among).tolist()
