"""What must hold for every indicator of the catalogue on any discharges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from three_hospitals import cells_of, frame_of, params

from toolkit import cube as cubes
from toolkit.indicators import CATALOGUE, Count, Distribution, Indicator, Rarefied
from toolkit.indicators.table import roll_up

INDICATORS = {id_: one for id_, one in CATALOGUE.items() if isinstance(one, Indicator)}
LEVELS = (["hospital"], ["region"], ["specialty", "cycle"])
EXTREME = ["", "499", "500", "501", "200000000", "200000001"]

discharge = st.fixed_dictionaries(
    {
        "hospital": st.sampled_from(["A", "B", "C"]),
        "department": st.sampled_from(["D1", "D2", "D9"]),
        "year": st.sampled_from(["2019", "2021", "2022", "2024"]),
        "drg": st.sampled_from(["FA11", "FB21", "FC31", "0000", ""]),
        "cost_fen": st.one_of(st.integers(500, 10**7).map(str), st.sampled_from(EXTREME)),
        "los_days": st.one_of(st.integers(1, 62).map(str), st.just("")),
        "died": st.sampled_from(["true", "false", "false", ""]),
        "surgical": st.sampled_from(["true", "false", ""]),
        "surgery_level": st.sampled_from(["1", "2", "3", "4", ""]),
        "drg_weight": st.sampled_from(["0.5", "1.25", ""]),
        "exit_mode": st.sampled_from(["1", "2", "3", "4", "5", ""]),
        "admission_route": st.sampled_from(["1", "2", "3", ""]),
        "minimally_invasive": st.sampled_from(["true", "false", ""]),
        "complication": st.sampled_from(["true", "false", ""]),
        "rescues": st.sampled_from(["0", "3", ""]),
        "successful_rescues": st.sampled_from(["0", "2", ""]),
        "drug_fen": st.sampled_from(["0", "300", "10000000", ""]),
        "material_fen": st.sampled_from(["0", "200", ""]),
        "residence": st.sampled_from(["990102", "990103", "980101", ""]),
    }
)
many = st.lists(discharge, min_size=5, max_size=40)


def same(
    a: pd.DataFrame, b: pd.DataFrame, columns: tuple[str, ...] = ("n", "x", "y", "xx", "value", "se", "low", "high")
) -> None:
    assert len(a) == len(b)
    for column in columns:
        np.testing.assert_allclose(
            a[column].to_numpy(float), b[column].to_numpy(float), rtol=1e-9, atol=1e-12, err_msg=column
        )


@settings(max_examples=5)
@given(many, st.sampled_from(cubes.BASES))
def test_levels_add_up(engine, given_rows, basis):
    cube = engine.cube(frame_of(given_rows), params())
    fine = cells_of(cube, ["region", "hospital", "specialty", "year", "cycle"], basis)
    fine = fine[fine["indicator"].isin(INDICATORS)]
    for by in LEVELS:
        direct = cells_of(cube, by, basis)
        direct = direct[direct["indicator"].isin(INDICATORS)].sort_values([*by, "indicator"], ignore_index=True)
        added = roll_up(fine, CATALOGUE, by).sort_values([*by, "indicator"], ignore_index=True)
        assert added["status"].tolist() == direct["status"].tolist()
        # what a finer row lacks in value it still has in both sums: nothing but the sums is added
        same(added, direct, ("n", "x", "y", "value", "se", "low", "high", "covered", "own_share"))


@settings(max_examples=5)
@given(many, st.sampled_from([*LEVELS, ["hospital", "specialty", "year"]]), st.sampled_from(cubes.BASES))
def test_a_cube_worked_through_in_many_parts_gives_the_same_cells(engine, given_rows, by, basis):
    cube = engine.cube(frame_of(given_rows), params())
    whole = cells_of(cube, by, basis)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("toolkit.key_codes", "toolkit.indicators.table"):
            patch.setattr(f"{module}.PART", 2)
        pd.testing.assert_frame_equal(cells_of(cube, by, basis), whole, rtol=1e-11)


@settings(max_examples=5)
@given(many, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_not_a_digit(engine, given_rows, random):
    shuffled = list(given_rows)
    random.shuffle(shuffled)
    one, two = (engine.cube(frame_of(r), params()) for r in (given_rows, shuffled))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@settings(max_examples=5)
@given(many)
def test_every_discharge_twice_doubles_both_sums_and_leaves_the_value(engine, given_rows):
    one = cells_of(engine.cube(frame_of(given_rows), params("none")), ["hospital"], trim="none")
    two = cells_of(engine.cube(frame_of(given_rows * 2), params("none")), ["hospital"], trim="none")
    ratios = one["indicator"].isin([i for i, d in INDICATORS.items() if d.denominator is not None])
    same(one[ratios].assign(x=one["x"] * 2, y=one["y"] * 2), two[ratios], ("x", "y", "value"))
    # 2 N cases of every kind hold as many kinds; a draw of as many cases as before finds more of them
    totals = one["indicator"].isin([i for i, d in INDICATORS.items() if d.denominator is None])
    same(one[totals].assign(value=one["value"] * 2), two[totals], ("value",))


@settings(max_examples=5)
@given(many, st.sampled_from([2, 3, 7]))
def test_costs_k_times_as_high_leave_index_and_case_mix(engine, given_rows, k):
    given_rows = [row for row in given_rows if row["cost_fen"] not in EXTREME]  # k times those would pass a limit
    if not given_rows:
        return
    more = [{**row, "cost_fen": str(k * int(row["cost_fen"]))} for row in given_rows]
    one, two = (cells_of(engine.cube(frame_of(r), params()), ["hospital"]) for r in (given_rows, more))
    kept = (
        ("cost_index", 1),
        ("cmi", 1),
        ("los_index", 1),
        ("mean_cost", k),
        ("cost_ratio", 1),
        ("cost_per_weight", k),
    )
    for id_, factor in kept:
        a, b = (cells[cells["indicator"] == id_] for cells in (one, two))
        same(a.assign(value=a["value"] * factor), b, ("value",))


LACKING = [
    ({"cost_fen": ""}, ("cost_index", "mean_cost")),
    ({"los_days": ""}, ("los_index", "mean_los")),
    ({"died": ""}, ("mortality",)),
    ({"drg": ""}, ("cost_index", "los_index", "cmi", "drg_count")),
    ({"surgical": "true", "surgery_level": ""}, ("level4_share", "level34_share")),
    ({"surgical": "", "surgery_level": ""}, ("level4_share", "level34_share", "complication_share")),
    ({"exit_mode": ""}, ("against_advice_share", "transfers_out")),
    ({"admission_route": ""}, ("transfers_in",)),
    ({"residence": ""}, ("outside_county_share", "outside_city_share")),
    ({"rescues": ""}, ("rescue_success",)),
    ({"drug_fen": ""}, ("drug_share", "material_share")),
    ({"cost_fen": ""}, ("cost_ratio", "cost_per_weight", "drug_share")),
]


@settings(max_examples=5)
@given(many, st.sampled_from(LACKING), discharge)
def test_a_discharge_that_lacks_a_needed_field_changes_neither_sum(engine, given_rows, lacking, extra):
    values, ids = lacking
    more = [*given_rows, {**extra, **values, "hospital": given_rows[0]["hospital"]}]
    one, two = (
        cells_of(engine.cube(frame_of(r), params("none")), ["hospital"], trim="none") for r in (given_rows, more)
    )
    if "cost_fen" in values:
        ids = tuple(i for i in ids if i != "cost_per_weight")  # the case still counts in the mean cost of all
    if "cost_fen" not in values:  # weights and references come from costs: an extra cost may move the case mix
        ids = tuple(i for i in ids if i != "cmi" or values.get("drg") == "")
    for id_ in ids:
        a, b = (cells[cells["indicator"] == id_] for cells in (one, two))
        np.testing.assert_allclose(
            a[["x", "y"]].fillna(0).to_numpy(float), b[["x", "y"]].fillna(0).to_numpy(float), rtol=1e-12
        )


@settings(max_examples=5)
@given(many, st.sampled_from(cubes.BASES))
def test_a_value_is_finite_or_missing_with_its_status(engine, given_rows, basis):
    cells = cells_of(engine.cube(frame_of(given_rows), params()), ["hospital", "specialty", "year"], basis)
    numbers = cells[["value", "se", "low", "high", "covered", "own_share"]].to_numpy(float)
    assert not np.isinf(numbers).any()
    assert (cells["value"].notna() == (cells["status"] == "value")).all()
    shares = cells[["covered", "own_share"]].to_numpy(float)
    assert ((shares >= 0) & (shares <= 1 + 1e-9) | np.isnan(shares)).all()
    limited = cells.dropna(subset=["value", "low", "high"])
    assert (limited["low"] <= limited["value"] * (1 + 1e-9)).all()
    assert (limited["high"] >= limited["value"] * (1 - 1e-9)).all()


def test_the_catalogue_is_whole():
    kinds = {one.distribution for one in INDICATORS.values()}
    assert kinds == {None, *Distribution}
    for one in INDICATORS.values():
        several = one.distribution in (Distribution.MEAN, Distribution.RATIO)
        assert (one.squares is not None) == several, one.id
        ratio = one.distribution is Distribution.RATIO
        assert (one.cross is not None) == (one.squares_below is not None) == ratio, one.id
    assert all(isinstance(one, (Indicator, Count, Rarefied)) for one in CATALOGUE.values())
