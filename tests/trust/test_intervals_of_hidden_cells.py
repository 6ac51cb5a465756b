"""How closely a reader with a solver tells hidden cells from the visible ones of a release; equations and solver are the test's own.

The reader knows visible counts and sums exactly (more than a release gives), the levels that cells add up to, and the rules: a
hidden number of cases is at least 1, events are among cases.
"""

import numpy as np
import pandas as pd
import pytest
from regions import rows, write
from scipy.optimize import linprog

from toolkit.errors import RunError
from toolkit.indicators import CATALOGUE
from toolkit.indicators.base import Distribution
from toolkit.params import DisclosurePolicy, load_params
from toolkit.release.disclosure import controlled
from toolkit.release.hidden_cells import Suppression
from toolkit.release.intervals import Measure, Reader, too_narrow
from toolkit.release.suppression import Equations
from toolkit.runs import pipeline

KEY = ["level", "hospital", "specialty", "period"]
CYCLES = {"before": ["2019", "2020", "2021"], "after": ["2022", "2023", "2024"]}
FUNDED = {("0001", "s1")}
POLICY = DisclosurePolicy()


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intervals")
    random = np.random.default_rng(3)
    kept = {("0005", "D1"): 0.15, ("0006", "D2"): 0.25, ("0002", "D2"): 0.2, ("0004", "D1"): 0.3}  # small units
    records = [
        row for row in rows(2600, hospitals=6) if random.random() < kept.get((row["hospital"], row["department"]), 1)
    ]
    for row in records:
        row["admission_route"] = str(random.choice(["1", "2", "3"], p=[0.3, 0.55, 0.15]))
    results = pipeline.evaluate(load_params(write(folder, records)), folder / "r")
    return results


@pytest.fixture(scope="module")
def given(exact):
    return controlled(exact, POLICY)


def lines(places):
    """Totals and their parts as places of cells: hospitals of a specialty, its peers and projects, years of a cycle …"""
    made = {}
    for level, hospital, specialty, period in places:
        totals = []
        if level == "unit":
            totals += [("of", "specialty", "", specialty, period), ("hospital", "hospital", hospital, "", period)]
            if (hospital, specialty) in FUNDED:
                totals.append(("with peers", "specialty", "", specialty, period))
            else:
                totals.append(("peers", "peers", "", specialty, period))
        elif level == "peers":
            totals.append(("with peers", "specialty", "", specialty, period))
        elif level in ("hospital", "specialty"):
            totals.append((level, "region", "", "", period))
        totals += [("years", level, hospital, specialty, c) for c, years in CYCLES.items() if period in years]
        for total in totals:
            if total[1:] in places:
                made.setdefault(total, []).append((level, hospital, specialty, period))
    return [(total[1:], parts) for total, parts in made.items()]


def width(exact_cells, hidden, wanted, measure):
    """The longest interval of `measure` (n, x) at the place `wanted` that fits what is visible."""
    amounts = {place: (row["n"], row["x"]) for place, row in exact_cells.items()}
    unknown = [(place, m) for place in hidden for m in ("n", "x") if m in hidden[place]]
    at = {key: i for i, key in enumerate(unknown)}
    equal, right = [], []
    for total, parts in lines(set(amounts)):
        for i, m in enumerate(("n", "x")):
            if abs(sum(amounts[p][i] for p in parts) - amounts[total][i]) > 1e-6 * max(1, amounts[total][i]):
                continue
            line, known = np.zeros(len(unknown)), 0.0
            for place, sign in [(total, -1.0), *((p, 1.0) for p in parts)]:
                if (place, m) in at:
                    line[at[place, m]] += sign
                else:
                    known += sign * amounts[place][i]
            if line.any():
                equal.append(line)
                right.append(-known)
    below, most, bounds = [], [], []
    for place, m in unknown:
        top = amounts[place][0] if m == "x" and (place, "n") not in at and measure != "sum" else 1e15
        bounds.append((1 if m == "n" else 0, top))
        if m == "x" and (place, "n") in at and measure != "sum":
            line = np.zeros(len(unknown))
            line[at[place, "x"]], line[at[place, "n"]] = 1, -1
            below.append(line)
            most.append(0)
    goal = np.zeros(len(unknown))
    goal[at[wanted, "x" if measure == "sum" else measure]] = 1
    ends = []
    for sign in (1, -1):
        found = linprog(
            sign * goal,
            A_eq=np.array(equal),
            b_eq=right,
            A_ub=np.array(below) if below else None,
            b_ub=most if below else None,
            bounds=bounds,
        )
        ends.append(sign * found.fun if found.status == 0 else np.inf)
    return ends[1] - ends[0] if np.isfinite(ends).all() else np.inf


def attacked(exact, cells, indicator, basis="contemporaneous", naive=False):
    """`(place, measure, width, exact amount)` of the smallest hidden cells of an indicator."""
    keep = (exact.cells["basis"] == basis) & (exact.cells["indicator"] == indicator)
    then = exact.cells[keep].assign(shown=cells.loc[keep, "n"].notna())
    volume = cells[(cells["basis"] == basis) & (cells["indicator"] == "volume")].set_index(KEY)["n"]
    rows_ = {
        tuple(map(str, row[:4])): dict(n=row.n, x=row.x, shown=row.shown)
        for row in then[[*KEY, "n", "x", "shown"]].itertuples(index=False)
    }
    if naive:  # only what is small itself
        hidden = {p: {"n", "x"} for p, row in rows_.items() if 0 < row["n"] < 10}
    else:
        hidden = {
            p: ({"x"} if pd.notna(volume.get(p, np.nan)) else {"n", "x"})
            for p, row in rows_.items()
            if not row["shown"] and row["n"] > 0
        }
    smallest = sorted(hidden, key=lambda p: rows_[p]["n"])[:12]
    events = (
        CATALOGUE[indicator].distribution in (Distribution.PROPORTION, Distribution.RARE) or indicator != "mean_cost"
    )
    for place in smallest:
        for m in sorted(hidden[place]):
            asked = "n" if m == "n" else ("x" if events else "sum")
            yield place, asked, width(rows_, hidden, place, asked), rows_[place][m]


@pytest.mark.parametrize("indicator", ["volume", "mortality", "transfers_in", "mean_cost"])
def test_no_hidden_cell_is_told_to_less_than_the_declared_width(exact, given, indicator):
    found = list(attacked(exact, given["cells"], indicator))
    assert len(found) >= 5
    for place, measure, wide, amount in found:
        least = POLICY.minimum_interval_share * amount if measure == "sum" else POLICY.minimum_interval
        assert wide >= least * (1 - 1e-6), (place, measure, wide)


def test_the_same_reader_finds_cells_where_only_small_ones_are_hidden(exact, given):
    found = [wide for *_, wide, _ in attacked(exact, given["cells"], "volume", naive=True)]
    assert min(found) < 1


def test_a_release_whose_hidden_cells_cannot_be_kept_wide_is_refused_with_the_cells(exact):
    with pytest.raises(RunError, match="mortality") as caught:
        controlled(exact, DisclosurePolicy(minimum_interval=40))
    assert "不发布" in str(caught.value)
    assert "disclosure.minimum_interval" in str(caught.value)


def test_a_number_of_transfers_is_hidden_and_rounded_as_any_number_of_patients(exact, given):
    both = exact.cells.merge(given["cells"], on=["basis", *KEY, "indicator"], suffixes=("", "_given"))
    counts = both[both["indicator"].isin(["transfers_in", "transfers_out", "emergency_heavy"])]
    few = counts[(counts["x"] > 0) & (counts["x"] < POLICY.minimum_events)]
    assert len(few) > 10
    assert few["value_given"].isna().all()
    shown = counts["value_given"].dropna()
    assert len(shown) > 10
    assert (shown % 5 == 0).all()


def test_deaths_that_two_indicators_count_alike_are_hidden_by_both(exact, given):
    cells = given["cells"]
    wide = cells[cells["indicator"].isin(["mortality", "mortality_ratio"])].assign(x=exact.cells["x"])
    by = wide.pivot_table(index=["basis", *KEY], columns="indicator", values=["x", "n"], aggfunc="first")
    same = by[("x", "mortality")].eq(by[("x", "mortality_ratio")]) & (by[("x", "mortality")] > 0)
    one_only = by[("n", "mortality")].notna() ^ by[("n", "mortality_ratio")].notna()
    assert same.sum() > 10
    assert not (same & one_only).any()


@pytest.mark.parametrize(
    ("amounts", "hidden", "narrow"),
    [
        ([4, 6, 40, 50], [0, 1], []),  # 4 + 6: each from 1 to 9
        ([1, 3, 40, 44], [0, 1], [0, 1]),  # 1 + 3: each from 1 to 3
        ([4, 6, 40, 50], [0], [0]),  # the only one
        ([4, 6, 40, 60], [0, 1], []),  # 10 of no part: at most 19 each
    ],
)
def test_intervals_are_those_that_a_person_finds(amounts, hidden, narrow):
    adds, mask = Equations.of([3], [[0, 1, 2]]), np.isin(np.arange(4), hidden)
    one = Measure(amounts=np.array(amounts, float), hidden=mask, least=1, width=np.full(4, 5.0))
    assert list(too_narrow([one], adds)[0]) == narrow


def test_events_are_among_cases():
    # 30 cases, of which hidden 2 and 20 with the event: 22 in all; cases 3 and 27, so 20 is at least 19
    adds = Equations.of([2], [[0, 1]])
    five = np.full(3, 5.0)
    n, x = np.array([3.0, 27, 30]), np.array([2.0, 20, 22])
    nothing, both = np.zeros(3, dtype=bool), np.array([True, True, False])
    cases = Measure(amounts=n, hidden=nothing, least=1, width=five)
    events = Measure(amounts=x, hidden=both, least=0, width=five)
    without = Measure(amounts=n - x, hidden=both, least=0, width=five)
    assert [list(one) for one in too_narrow([cases, events, without], adds, parted=True)] == [[], [0, 1], [0, 1]]


def test_a_cell_with_nothing_visible_beside_it_is_protected_by_what_is_farther_off():
    # hidden: a + b = c, a + d = e with f = c + g visible, b, d, e, c hidden as well: only f and g are left to hide
    adds = Equations.of([2, 4, 5], [[0, 1], [0, 3], [2, 6]])
    n = np.array([6.0, 1, 7, 9, 15, 27, 20])
    hidden = np.array([True, True, True, True, True, False, False])
    found = Suppression(reader=Reader(adds), policy=POLICY, whole=np.zeros(7, dtype=bool))
    assert list(found._near(np.array([1]), hidden, n, ~np.isnan(n))) == [6]
