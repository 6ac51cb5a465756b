"""On real records, every number of the toolkit equals the number computed a second time from its definition."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pytest
from comparison import FIELDS, QUICK, SHOWN, Tally, compare, oracle_cells, prepare

from toolkit.cube import BASES
from toolkit.data.intake import take_in
from toolkit.data.reading.groups import run_groups
from toolkit.engine import connect
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.models.change import two_period

# ibis asks pandas for an option that pandas 3 deprecates; not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")

UNIT = ["hospital", "specialty"]
LEVELS = ([*UNIT, "year"], [*UNIT, "cycle"], ["specialty", "cycle"], ["cycle"], ["year"])
PRICES = {2019: 0.89, 2020: 0.92, 2021: 1.0, 2022: 1.07, 2023: 1.12, 2024: 1.17}


def policy_of(
    trim: str = "iqr",
    *,
    leave_one_out: bool = False,
    least: int = 5,
    trimmed_weights: bool = False,
    source: str = "reference",
) -> tuple[dict[str, Any], oracle.Policy]:
    """The same choices as parameters of a run and as the oracle's policy."""
    params = {
        "trimming": {"method": trim, "frozen": "same"},
        "reference": {"leave_one_out": leave_one_out, "frozen": "same", "minimum_cases": least},
        "weights": {"trimmed": trimmed_weights, "source": source},
    }
    return params, oracle.Policy(trim, least_cases=least, leave_one_out=leave_one_out, trimmed_weights=trimmed_weights)


@pytest.fixture(scope="module")
def brazil_default(brazil) -> dict[str, Any]:
    """Referenced frames under the default policy, and the oracle's cases, by basis.

    Change is judged untrimmed, against the other hospitals.
    """
    policies = {"contemporaneous": oracle.Policy("iqr"), "frozen": oracle.Policy("none", leave_one_out=True)}
    return {basis: _referenced(brazil, policies[basis], basis, brazil.params()) for basis in BASES}


def _referenced(real, policy, basis, params, prices=None):
    return real.attach(real.cube(params), params, basis), prepare(real, policy, basis, prices)


def test_intake_accepts_the_records_that_the_declared_rules_say(brazil, new_york, chile):
    for real in (brazil, new_york, chile):
        accepted = real.accounts[real.accounts["fate"] == "accepted"]
        assert accepted["n"].sum() == len(real.cases)
        by_year = accepted.groupby("year")["n"].sum()
        assert by_year.to_dict() == real.cases["year"].value_counts().to_dict()


def test_a_record_without_a_hospital_is_not_accepted_where_the_run_has_no_registry(new_york, tmp_path):
    params = new_york.params()
    connection = connect(tmp_path, [new_york.store, *map(Path, params.data.files)], threads=1)
    accounts = take_in(params, run_groups(params.data), None, connection, tmp_path).accounts
    assert accounts.loc[accounts["fate"] == "accepted", "n"].sum() == len(new_york.cases)


EVERYWHERE = [
    pytest.param(basis, by, marks=[pytest.mark.slow] if (basis, by) == ("frozen", LEVELS[0]) else [])
    for basis, by in itertools.product(BASES, LEVELS)
]


@pytest.mark.parametrize(("basis", "by"), EVERYWHERE)
def test_brazil_every_group_and_indicator(brazil_default, basis, by):
    tally = Tally()
    compare(*brazil_default[basis], by, tally)
    tally.check()


ONE_YEAR = ["contemporaneous", pytest.param("frozen", marks=pytest.mark.slow)]  # the same numbers, by another way


@pytest.mark.parametrize("basis", ONE_YEAR)
@pytest.mark.parametrize("source", ["new_york", "chile"])
def test_one_year_files_every_group_and_indicator(source, basis, request):
    real = request.getfixturevalue(source)
    policy = oracle.Policy("none" if basis == "frozen" else "iqr")
    (referenced, cases), tally = _referenced(real, policy, basis, real.params()), Tally()
    for by in LEVELS[1:]:
        compare(referenced, cases, by, tally)
    tally.check()


def _coverage(pair, *, without_value):
    tally = Tally()
    for by in (LEVELS[1], LEVELS[3]):
        compare(*pair, by, tally, ("cost_index", "los_index"), ("covered",), without_value=without_value)
    tally.check()


@pytest.mark.parametrize("basis", BASES)
def test_share_of_the_cases_that_had_a_reference(brazil_default, basis):
    _coverage(brazil_default[basis], without_value=False)


@pytest.mark.slow
def test_share_of_the_cases_that_had_a_reference_with_frozen_limits(brazil):
    given, policy = policy_of()
    _coverage(_referenced(brazil, policy, "frozen", brazil.params(**given)), without_value=False)


def test_share_is_zero_where_no_case_had_a_reference(brazil_default):
    _coverage(brazil_default["contemporaneous"], without_value=True)


def test_risk_grades(brazil, brazil_default):
    for basis, windows in (("frozen", {"frozen": brazil.baseline}), ("contemporaneous", _windows(brazil))):
        table = brazil_default[basis][0].grades
        for label, years in windows.items():
            expected = oracle.grades(brazil.cases, years)
            found = table[(table["window"] == label) & table["grade"].notna()].set_index("drg")["grade"]
            assert found.astype(int).to_dict() == expected


def _windows(real) -> dict[str, set[int]]:
    years = sorted(set(real.cases["year"]))
    return {label: {y for y in years if real.cycle_of(y) == label} for label in map(real.cycle_of, years)}


# --- policies

# Each pair of choices occurs at least once with small files; the whole grid and the large file are for the slow run.
CHOICES = list(itertools.product(("iqr", "percentile", "sd", "none"), (False, True), (1, 5, 30), (False, True)))
SOME = [choice for i, choice in enumerate(CHOICES) if i % 7 == 1]


def _check_policy(real, choice, basis, levels, prices=None) -> Tally:
    trim, leave_one_out, least, trimmed_weights = choice
    source = "records" if "own_weight" in real.cases else "reference"
    given, policy = policy_of(
        trim, leave_one_out=leave_one_out, least=least, trimmed_weights=trimmed_weights, source=source
    )
    params = real.params(**given, price_index=prices or {})
    referenced, cases, tally = (
        real.attach(real.cube(params), params, basis),
        prepare(real, policy, basis, prices),
        Tally(),
    )
    for by in levels:
        compare(referenced, cases, by, tally, QUICK)
    tally.check()
    return tally


def _marked(choice, *, slow: bool):
    return pytest.param(choice, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("choice", [_marked(c, slow=c not in SOME) for c in CHOICES], ids=str)
@pytest.mark.parametrize("source", ["new_york", "chile"])
def test_policies_on_one_year_files(source, choice, request):
    _check_policy(request.getfixturevalue(source), choice, "contemporaneous", LEVELS[1:2])


@pytest.mark.parametrize("choice", [_marked(c, slow=True) for c in CHOICES], ids=str)
@pytest.mark.parametrize("basis", BASES)
def test_policies_on_two_cycles(brazil, choice, basis):
    _check_policy(brazil, choice, basis, LEVELS[1:2])


PRICED = [
    ("iqr", True, 5, False),
    pytest.param(("iqr", True, 5, True), marks=pytest.mark.slow),
    pytest.param(("percentile", False, 1, False), marks=pytest.mark.slow),
    pytest.param(("sd", False, 1, False), marks=pytest.mark.slow),
    pytest.param(("none", False, 1, False), marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize("choice", PRICED, ids=str)
def test_constant_prices(brazil, choice):
    _check_policy(brazil, choice, "frozen", LEVELS[1:2], PRICES)


def test_prices_leave_the_contemporaneous_numbers_alone(brazil, brazil_default):
    params = brazil.params(price_index=PRICES)
    referenced, tally = brazil.attach(brazil.cube(params), params, "contemporaneous"), Tally()
    compare(referenced, brazil_default["contemporaneous"][1], LEVELS[2], tally)
    tally.check()


@pytest.mark.parametrize("basis", [pytest.param("contemporaneous", marks=pytest.mark.slow), "frozen"])
def test_two_level_groups(brazil, basis):
    real, (given, policy), tally = brazil.in_two_groups(), policy_of(), Tally()
    params = real.params(**given)
    compare(*_referenced(real, policy, basis, params), LEVELS[1], tally, QUICK)
    tally.check()


# --- before and after


def test_before_and_after(brazil, brazil_default):
    referenced, cases = brazil_default["frozen"]
    cells = collect(referenced, [CATALOGUE[i] for i in SHOWN], [*UNIT, "cycle"])
    changes = two_period(cells, CATALOGUE, UNIT).set_index([*UNIT, "indicator"])
    wide = oracle_cells(cases, [*UNIT, "cycle"], SHOWN).set_index([*UNIT, "indicator"])
    sides = [wide[wide["cycle"] == label].add_suffix(f"_{label}") for label in ("before", "after")]
    both = sides[0].join(sides[1], how="inner")
    enough = both.xs("volume", level="indicator")
    enough = enough[(enough["n_before"] >= 100) & (enough["n_after"] >= 100)].index
    assert len(enough) > 50
    tally = Tally()
    for name in SHOWN:
        expected, found = [], []
        for unit in enough:
            row, change = both.loc[(*unit, name)], changes.loc[(*unit, name)]
            before, after = (oracle.Value(**{f: row[f"{f}_{side}"] for f in FIELDS}) for side in ("before", "after"))
            if name == "drg_count":
                # its interval is that of a sample of as many cases: of two periods of other sizes there is no test of change
                before, after = (replace(v, se=np.nan) for v in (before, after))
            if "mortality" not in name and any(v.se < 1e-6 * v.value for v in (before, after)):
                continue  # one DRG only, for CMI: no spread, no limits
            if "mortality" in name:
                deaths = [round(v.value * v.n / 100) if v.n else 0 for v in (before, after)]
                counts = deaths[0], int(before.n), deaths[1], int(after.n)
                ratio, p = oracle.ratio_of_rates(*counts), oracle.chance_of_rates(*counts)
            else:
                ratio = oracle.ratio_of_means(before, after)
                p = oracle.chance_of_ratio(ratio)
            expected.append((ratio.value, ratio.low, ratio.high, p))
            found.append((change["estimate"], change["low"], change["high"], change["p_value"]))
        for place, one in enumerate(("estimate", "low", "high", "p_value")):
            wanted = np.array(expected)[:, place]
            # in the far tail a p-value moves by z² times what the cells' twelve digits leave out
            bits = 1e-7 * np.abs(wanted) if one == "p_value" else 0.0
            tally.add(f"{name}.{one}", wanted, np.array(found, dtype=float)[:, place], np.nan_to_num(bits))
    tally.check()


def test_the_comparison_sees_a_value_on_one_side_and_a_small_difference():
    tally = Tally()
    tally.add("one side", np.array([1.0, np.nan]), np.array([np.nan, np.nan]))
    tally.add("off", np.array([1.0]), np.array([1.0 + 1e-8]))
    assert tally.differing == {"one side": 1, "off": 1}
    with pytest.raises(AssertionError, match="differing of 2"):
        tally.check()
    assert pd.isna(oracle.mean_of(np.array([np.nan])).value)
