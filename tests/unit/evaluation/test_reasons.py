"""The decomposition of a project's indices against its cells, and signs of coding by hand. All data are 合成数据."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import rows

from toolkit.cube import from_sums
from toolkit.evaluation.reasons import coding_depth, decomposition
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.models.decomposition import totals
from toolkit.reference import attach

UNITS = pd.DataFrame({"hospital": ["A", "B"], "specialty": ["s1", "s1"], "project": ["市", ""]})
PARAMS = rows.params(cycles=rows.CYCLES, projects=[{"hospital": "A", "specialty": "s1", "level": "市"}])


@pytest.fixture(scope="module")
def frozen():
    made = []
    for hospital, year, drg, n, cost in (
        ("A", 2020, "GA11", 10, 9_000), ("A", 2020, "GA15", 30, 33_000), ("A", 2020, "GB11", 5, 12_000),
        ("A", 2023, "GA11", 20, 16_000), ("A", 2023, "GA15", 20, 22_500), ("A", 2023, "GC11", 4, 7_000),
        ("B", 2020, "GA11", 40, 40_000), ("B", 2020, "GA15", 40, 40_000), ("B", 2020, "GB11", 20, 40_000),
        ("B", 2020, "GC11", 20, 30_000), ("B", 2023, "GA11", 50, 55_000),
    ):  # fmt: skip
        sums = {"cost": cost, "cost_n": n, "cost_sq": cost**2 / n * 1.2, "died": n // 10, "died_n": n}
        flags = {
            "secondary": 3 * n if year == 2023 else n,
            "secondary_n": n,
            "against_advice": 1,
            "against_advice_n": n,
        }
        made.append({"hospital": hospital, "specialty": "s1", "year": year, "drg": drg, "n": n, **sums, **flags})
    hospitals = pd.DataFrame({"code": ["A", "B"], "level_group": "all", "tier": "市"})
    return attach(from_sums(pd.DataFrame(made), PARAMS), PARAMS, hospitals, "frozen")


def test_the_sums_over_drgs_are_the_change_of_the_index_in_the_cells(frozen):
    parts = decomposition(frozen, UNITS, PARAMS)
    whole = totals(parts, ["hospital", "specialty", "indicator"]).set_index("indicator")
    cells = collect(frozen, [CATALOGUE["cost_index"], CATALOGUE["cmi"]], ["hospital", "cycle"])
    own = cells[cells["hospital"] == "A"].pivot_table(index="indicator", columns="cycle", values="value")
    assert set(whole.index) == {"cost_index", "cmi"}  # no stay is known here
    for indicator in whole.index:
        change = own.loc[indicator, "after"] - own.loc[indicator, "before"]
        assert whole.loc[indicator, "change"] == pytest.approx(change, abs=1e-11)
        assert whole.loc[indicator, "mix"] + whole.loc[indicator, "practice"] == pytest.approx(change, abs=1e-11)


def test_the_cost_index_by_hand(frozen):
    parts = decomposition(frozen, UNITS, PARAMS)
    cost = parts[parts["indicator"] == "cost_index"].set_index("drg")
    # against B before: GA11 1000, GA15 1000, GB11 2000, GC11 1500 a case
    assert cost.loc["GA11", ["value_before", "value_after"]].tolist() == pytest.approx([0.9, 0.8])
    assert cost.loc["GA15", ["value_before", "value_after"]].tolist() == pytest.approx([1.1, 1.125])
    assert cost["part"].to_dict() == {"GA11": "common", "GA15": "common", "GB11": "leaving", "GC11": "entering"}
    assert cost.loc["GA11", "practice"] == pytest.approx((10 / 45 + 20 / 44) / 2 * (0.8 - 0.9))


def test_of_cmi_the_groups_are_adrgs_and_within_them_it_is_severity(frozen):
    parts = decomposition(frozen, UNITS, PARAMS)
    cmi = parts[parts["indicator"] == "cmi"].set_index("drg")
    assert set(cmi.index) == {"GA1", "GB1", "GC1"}
    assert cmi.loc["GA1", "practice"] != 0  # from GA15 to GA11, two weights
    assert (cmi.loc[["GB1", "GC1"], "practice"] == 0).all()


def test_codes_of_another_grouper_have_no_adrg_and_their_cmi_is_not_taken_apart(frozen):
    other = replace(frozen, frame=frozen.frame.assign(drg="0303170" + frozen.frame["drg"].astype(str).str[-2:]))
    assert set(decomposition(other, UNITS, PARAMS)["indicator"]) == {"cost_index"}


def test_signs_of_coding_beside_those_of_the_other_units(frozen):
    found = coding_depth(frozen, UNITS, PARAMS).set_index(["sign", "level", "period"])
    assert found.loc[("secondary", "unit", "before"), ["count", "n", "value"]].tolist() == [45, 45, 1.0]
    assert found.loc[("secondary", "unit", "after"), "value"] == 3.0
    assert found.loc[("secondary", "peers", "before"), "n"] == 120
    assert found.loc[("died_or_left", "unit", "before"), "count"] == (1 + 3 + 0) + 3
    assert "readmitted" not in found.index.get_level_values("sign")  # the source has no such field


def test_without_projects_nothing_is_taken_apart(frozen):
    assert decomposition(frozen, UNITS.assign(project=""), PARAMS).empty
    assert coding_depth(frozen, UNITS.assign(project=""), PARAMS).empty
