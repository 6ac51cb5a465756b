"""The release edition against an attacker who subtracts, solves and knows the rules; and against the exact tables."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from toolkit.evaluation.facts import RunFacts
from toolkit.evaluation.tables import TABLES
from toolkit.params import DisclosurePolicy
from toolkit.release.disclosure import EVENTS, HIDDEN, PLACE, POOLED, equations, pooled, released, released_facts
from toolkit.release.suppression import Equations, determined, protected
from toolkit.runs import golden

POLICY = DisclosurePolicy()


@pytest.fixture(scope="module")
def exact():
    """The small demo that notebooks show (合成数据): made once for all tests that ask for it."""
    return golden()


@pytest.fixture(scope="module")
def given(exact):
    return released(exact, POLICY)


def matched(exact, given):
    """Exact cells beside released ones."""
    keys = ["basis", *PLACE, "indicator"]
    both = exact.cells.merge(given.cells, on=keys, suffixes=("", "_given"), validate="one_to_one")
    assert len(both) == len(exact.cells)
    return both


# --- what is shown ------------------------------------------------------------------------------------------------------


def test_no_small_count_is_shown_and_the_others_are_rounded(exact, given):
    both = matched(exact, given)
    small = (both["n"] > 0) & (both["n"] < 10)
    assert small.sum() > 100
    assert both.loc[small, "n_given"].isna().all()
    assert both.loc[small, "value_given"].isna().all()
    shown = both["n_given"].dropna()
    assert (shown % 5 == 0).all()
    assert ((shown - both.loc[shown.index, "n"]).abs() <= 2.5).all()


def test_no_rate_gives_a_small_number_of_deaths_or_survivors(exact, given):
    from toolkit.indicators import CATALOGUE

    both = matched(exact, given)
    rates = both[both["indicator"].isin([i for i, one in CATALOGUE.items() if one.distribution in EVENTS])]
    assert len(rates) > 1000
    few = (rates["x"] > 0) & (rates["x"] < 8)
    assert few.sum() > 50
    assert rates.loc[few, "value_given"].isna().all()
    proportions = rates[
        rates["indicator"].isin([i for i, one in CATALOGUE.items() if str(one.distribution).startswith("Clopper")])
    ]
    without = proportions["n"] - proportions["x"]
    assert proportions.loc[(without > 0) & (without < 8), "value_given"].isna().all()
    # a shown rate is a ratio of two multiples of five, so that no exact count comes out of it
    shown = rates[rates["value_given"].notna() & (rates["y"] == rates["n"])]
    events = shown["value_given"] * shown["n_given"] / 100
    assert np.allclose(events / 5, np.round(events / 5), atol=1e-6)


def test_sums_moments_and_p_values_are_not_in_the_tables(given):
    for column in ("x", "y", "xx", "se", "all_y", "own_y"):
        assert given.cells[column].isna().all()
    assert given.changes["p_value"].isna().all()
    assert given.grades[["rate", "ln_rate", "z"]].isna().all(axis=None)
    assert given.files[["received", "size"]].isna().all(axis=None)
    assert (given.cube["drg"] == POOLED).all()
    assert given.cube[["cost", "died", "cost_sq"]].isna().all(axis=None)


def test_verdicts_stand_unchanged_beside_hidden_numbers(exact, given):
    for column in ("verdict", "boundary", "share", "reason"):
        pd.testing.assert_series_equal(given.changes[column], exact.changes[column])
    assert not given.changes["boundary"].all()
    hidden = given.changes["estimate"].isna() & exact.changes["estimate"].notna()
    assert hidden.sum() > 10
    assert given.changes.loc[hidden, ["low", "high"]].isna().all(axis=None)


def test_the_ratio_that_a_verdict_rests_on_is_shown_beside_it_unless_a_count_could_follow(exact, given):
    from toolkit.indicators import CATALOGUE

    columns = ["judged_estimate", "judged_low", "judged_high"]
    corrected = (exact.changes["judged_by"] == "did").to_numpy()
    shown = given.changes["judged_estimate"].notna().to_numpy()
    assert (corrected & shown).sum() > 10
    at = corrected & shown
    pd.testing.assert_frame_equal(given.changes.loc[at, columns], exact.changes.loc[at, columns].round(2))
    events = exact.changes["indicator"].map(lambda i: CATALOGUE[i].distribution in EVENTS).to_numpy()
    assert not (corrected & shown & events).any()
    hidden = given.changes["estimate"].isna()
    assert given.changes.loc[hidden & ~events, columns].isna().all(axis=None)


def test_grades_pool_drgs_and_lose_none(exact, given):
    assert (given.grades["n"] == 0).sum() == (exact.grades["n"] == 0).sum() == 0
    assert ((given.grades["died"] == 0) | (given.grades["died"] >= 8)).all()
    groups = given.grades.groupby(["basis", "window"])["groups"].sum()
    assert (groups <= exact.grades.groupby(["basis", "window"])["drg"].nunique()).all()
    assert (given.grades.loc[given.grades["drg"] == POOLED, "groups"] >= 2).all()


def test_facts_and_tables_that_nobody_declared_are_not_given_out(exact, given):
    counted = replace(exact.facts, ungrouped={"性别不明": 3}, insufficient={"frozen": {"2022": "参照死亡 3 例"}})
    told = released_facts(counted)
    assert exact.facts.references
    assert not told.references
    assert not told.ungrouped
    assert told.insufficient == {"frozen": {"2022": "参照死亡例数不足"}}
    assert told.data_hash == exact.facts.data_hash
    given_out = {f.name for f in fields(RunFacts) if f.metadata.get("released")} | {"insufficient"}
    assert all(not getattr(told, f.name) for f in fields(RunFacts) if f.name not in given_out)
    undeclared = [t.name for t in TABLES if not t.release]
    assert len(undeclared) > 20
    assert all(given.tables[t].empty for t in undeclared)


# --- exclusions ---------------------------------------------------------------------------------------------------------


def test_the_account_of_records_shows_no_small_group_and_its_margins_give_none_away(exact, given):
    shown = given.accounts["n"].dropna()
    assert (shown >= 10).all()
    assert (shown % 5 == 0).all()
    # whatever is summed over the released rows is a multiple of five: no margin differs from its parts by 1 to 4
    for by in (["fate"], ["hospital"], ["fate", "rule"], ["hospital", "fate"]):
        assert (given.accounts.groupby(by)["n"].sum() % 5 == 0).all()
    # no pool is one hospital's one group
    before = exact.accounts.assign(file=0).groupby(["hospital", "fate", "rule", "rules"])["n"].sum().reset_index()
    for pool in given.accounts[(given.accounts["hospital"] == POOLED) & given.accounts["n"].notna()].itertuples():
        same = before[before["fate"] == pool.fate]
        same = same if pool.rule == POOLED else same[(same["rule"] == pool.rule) & (same["rules"] == pool.rules)]
        assert len(same) >= 2


def test_a_fate_of_a_hospital_that_is_pooled_away_is_missing_not_zero(exact, given):
    exact_fates = exact.accounts.groupby(["hospital", "fate"])["n"].sum()
    shown = given.accounts.groupby(["hospital", "fate"])["n"].sum(min_count=1)
    for place in exact_fates[exact_fates > 0].index:
        assert place in shown.index
    assert shown.isna().any()


def test_totals_stay_near_the_exact_ones(exact, given):
    then, now = exact.accounts.groupby("fate")["n"].sum(), given.accounts.groupby("fate")["n"].sum()
    assert (
        abs(then["accepted"] - now["accepted"]) < 0.02 * then["accepted"]
    )  # accepted records with rare marks are left out
    assert abs(then.sum() - now.sum()) < 0.02 * then.sum()


def test_a_single_small_group_takes_company():
    frame = pd.DataFrame({"hospital": list("ABCD"), "fate": ["quarantined"] * 4, "n": [4, 30, 50, 100]})
    made = pooled(frame, "n", [{"hospital": POOLED}], POLICY)
    assert made.set_index("hospital")["n"].to_dict() == {POOLED: 35, "C": 50, "D": 100}  # 4 + 30 -> 34 -> 35


def test_what_is_small_to_the_end_is_left_out():
    frame = pd.DataFrame({"hospital": ["A", "B"], "fate": ["quarantined", "accepted"], "n": [4, 300]})
    made = pooled(frame, "n", [{"hospital": POOLED}], POLICY)
    assert made[["fate", "n"]].to_dict("list") == {"fate": ["accepted"], "n": [300]}


# --- recovery -----------------------------------------------------------------------------------------------------------


def ranges(amounts, hidden, adds: Equations):
    """Smallest and largest value of each hidden cell that fits every visible cell, by linear programming.

    The attacker of this test knows more than a reader: visible counts exactly, not rounded.
    """
    unknown = np.flatnonzero(hidden)
    at = {cell: i for i, cell in enumerate(unknown)}
    rows, right = [], []
    for line, total in enumerate(adds.totals):
        row, rest = np.zeros(len(unknown)), 0.0
        for cell, sign in [(total, -1.0), *((p, 1.0) for p in adds.parts[adds.part_of == line])]:
            if np.isnan(amounts[cell]):
                continue
            if cell in at:
                row[at[cell]] += sign
            else:
                rest -= sign * amounts[cell]
        if not np.isnan(amounts[total]) and row.any():
            rows.append(row)
            right.append(rest)
    found = {}
    for cell, i in at.items():
        ends = []
        for sign in (1, -1):
            goal = np.zeros(len(unknown))
            goal[i] = sign
            solved = linprog(goal, A_eq=np.array(rows), b_eq=np.array(right), bounds=(1, None), method="highs")
            ends.append(sign * solved.fun if solved.status == 0 else np.inf)
        found[cell] = tuple(ends)
    return found


def test_the_attacker_finds_cells_hidden_without_company():
    # 3 + 20 + 30 = 53: hiding only the 3 hides nothing
    adds = Equations.of([3], [[0, 1, 2]])
    amounts = np.array([3.0, 20, 30, 53])
    alone = np.array([True, False, False, False])
    assert ranges(amounts, alone, adds)[0] == (3, 3)
    assert list(determined(alone, ~np.isnan(amounts), adds)) == [0]
    both = protected(amounts, alone, adds, 10)
    assert list(both) == [True, True, False, False]
    assert ranges(amounts, both, adds)[0][1] > 3


def test_a_difference_of_two_totals_gives_nothing_away():
    # specialty = 4 units, peers = 3 of them, the project is the fourth: 3 hidden peers and a hidden project
    adds = Equations.of([4, 5], [[0, 1, 2, 3], [0, 1, 2]])
    amounts = np.array([5.0, 6, 40, 7, 58, 51])
    hidden = np.array([True, True, False, True, False, False])
    assert list(determined(hidden, ~np.isnan(amounts), adds)) == [3]  # 58 − 51, though no equation has it alone
    safe = protected(amounts, hidden, adds, 10)
    assert not len(determined(safe, ~np.isnan(amounts), adds))
    low, high = ranges(amounts, safe, adds)[3]
    assert high > low


@pytest.mark.parametrize("seed", range(6))
def test_no_hidden_cell_of_a_random_table_is_recovered(seed):
    random = np.random.default_rng(seed)
    rows, columns = 5, 6
    inside = random.poisson(random.choice([2, 15, 60], size=(rows, columns))).astype(float)
    amounts = np.concatenate([inside.ravel(), inside.sum(0), inside.sum(1), [inside.sum()]])
    cell = np.arange(rows * columns).reshape(rows, columns)
    end = rows * columns
    of_columns, of_rows, whole = end + np.arange(columns), end + columns + np.arange(rows), len(amounts) - 1
    adds = Equations.of([*of_columns, *of_rows, whole, whole], [*cell.T, *cell, of_columns, of_rows])
    hidden = protected(amounts, (amounts > 0) & (amounts < 10), adds, 10)
    for low, high in ranges(amounts, hidden, adds).values():
        assert high - low >= 1


def test_no_hidden_count_of_the_region_is_recovered_from_the_tables(exact, given):
    """Over every level, year and cycle, for the number of cases of each indicator that has hidden cells."""
    cycles = {"before": ["2019", "2020", "2021"], "after": ["2022", "2023", "2024"]}
    both = matched(exact, given)
    attacked = 0
    for basis, id_ in (("contemporaneous", "volume"), ("frozen", "cost_index"), ("contemporaneous", "mortality")):
        part = both[(both["basis"] == basis) & (both["indicator"] == id_)].reset_index(drop=True)
        adds = equations(part, exact.units, cycles)
        hidden = (part["n_given"].isna() & (part["n"] > 0)).to_numpy()
        assert hidden.any()
        amounts = part["n"].to_numpy(float)
        assert not len(determined(hidden, ~np.isnan(amounts), adds))
        small = np.flatnonzero(hidden & (amounts < 10))
        for low, high in [ranges_of_one(amounts, hidden, adds, cell) for cell in small[:12]]:
            assert high - low >= 1
            attacked += 1
    assert attacked >= 20


def ranges_of_one(amounts, hidden, adds, cell):
    """As `ranges`, for one cell, without building the system anew for the others."""
    unknown = np.flatnonzero(hidden)
    column = np.full(len(amounts), -1)
    column[unknown] = np.arange(len(unknown))
    rows = np.zeros((len(adds.totals), len(unknown)))
    right = np.zeros(len(adds.totals))
    for line, at, sign in [(line, total, -1.0) for line, total in enumerate(adds.totals)] + [
        (line, part, 1.0) for line, part in zip(adds.part_of, adds.parts, strict=True)
    ]:
        if column[at] >= 0:
            rows[line, column[at]] += sign
        elif not np.isnan(amounts[at]):
            right[line] -= sign * amounts[at]
    # where cases belong to no specialty, a hospital's specialties do not add up to it: no equation
    usable = rows.any(axis=1) & ~np.isnan(amounts[adds.totals])
    exactly = np.abs(rows @ np.nan_to_num(amounts[unknown]) - right) < 1e-6
    goal = np.zeros(len(unknown))
    goal[column[cell]] = 1
    ends = []
    for sign in (1, -1):
        solved = linprog(
            sign * goal, A_eq=rows[usable & exactly], b_eq=right[usable & exactly], bounds=(1, None), method="highs"
        )
        ends.append(sign * solved.fun if solved.status == 0 else np.inf)
    return ends


def test_hidden_is_a_status_not_a_number(given):
    cells = given.cells[given.cells["status"] == HIDDEN]
    assert len(cells) > 100
    assert cells["value"].isna().all()


def test_the_page_says_which_edition_it_is(given):
    from toolkit.reporting.sections.front import provenance

    stamp = provenance(given)
    assert stamp.footer().startswith("发布版")
    assert ("版本", "发布版") in stamp.lines()
    assert "1–9 例" in given.params.notes[0]
