"""What real files do to models of change: a result with its reason in Chinese, never an exception, never a silent gap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, Study
from toolkit.models.change.base import COLUMNS, KEYS
from toolkit.params import ComparisonPolicy, Shock, Years

INDICATORS = ("cost_index", "level4_share", "mortality")
YEARS = range(2019, 2025)
CHINESE = r"[\u4e00-\u9fff]"


def world(peers: int = 5, others: int = 6, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Yearly and cycle cells of project 甲 with peers of its specialty, and of another specialty without a project."""
    rng = np.random.default_rng(seed)
    units = pd.DataFrame(
        [("甲", "内科", 2022)]
        + [(f"内{i}", "内科", 0) for i in range(peers)]
        + [(f"外{i}", "外科", 0) for i in range(others)],
        columns=["hospital", "specialty", "start"],
    ).assign(level_group="三级", eligible=True)
    rows = []
    for unit in units.itertuples():
        for year in YEARS:
            n = int(rng.integers(150, 300))
            costs = rng.lognormal(0, 0.5, n)
            x, died = int(rng.binomial(n, 0.3)), int(rng.poisson(0.03 * n))
            for indicator, sums in (
                ("cost_index", (costs.sum(), n, (costs**2).sum())),
                ("level4_share", (x, n, x)),
                ("mortality", (died, n, died)),
            ):
                rows.append([unit.hospital, unit.specialty, str(year), indicator, *map(float, sums), n])
    cells = pd.DataFrame(rows, columns=["hospital", "specialty", "period", "indicator", "x", "y", "xx", "n"])
    return cells, units


def with_cycles(cells: pd.DataFrame) -> pd.DataFrame:
    """Add the cells of both cycles, values and errors."""
    cycle = np.where(cells["period"] < "2022", "before", "after")
    keys = ["hospital", "specialty", "period", "indicator"]
    cycles = cells.assign(period=cycle).groupby(keys, as_index=False)[["x", "y", "xx", "n"]].sum()
    whole = pd.concat([cells, cycles], ignore_index=True)
    y = whole["y"].where(whole["y"] > 0)
    value = whole["x"] / y
    se = np.sqrt((whole["xx"] - whole["x"] * value).clip(lower=0) / (y - 1) / y)
    return whole.assign(value=value, se=se)


def study(units: pd.DataFrame, **more) -> Study:
    return Study(
        indicators={i: CATALOGUE[i] for i in INDICATORS},
        units=units.reset_index(drop=True),
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
        **more,
    )


def found(method: str, cells: pd.DataFrame, units: pd.DataFrame, **more) -> pd.DataFrame:
    changes = METHODS[method].estimate(with_cycles(cells), study(units, **more)).changes
    assert list(changes.columns[: len(KEYS) + len(COLUMNS)]) == [*KEYS, *COLUMNS]
    assert not changes[[*KEYS, "method"]].isna().any().any()
    assert np.isfinite(changes["estimate"].dropna()).all()
    # a gap has its reason beside it, and no p stands without an estimate but where one side has no deaths
    for row in changes[changes["estimate"].isna()].itertuples():
        assert pd.Series([row.warnings]).str.contains(CHINESE).item(), row
    return changes


def own(changes: pd.DataFrame, indicator: str = "cost_index") -> pd.Series:
    return changes[
        (changes["level"] == "unit") & (changes["hospital"] == "甲") & (changes["indicator"] == indicator)
    ].iloc[0]


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_a_plain_region_gives_numbers(self, method):
        cells, units = world()
        changes = found(method, cells, units)
        assert changes["estimate"].notna().any()

    def test_no_comparison_unit(self, method):
        cells, units = world(peers=0)
        changes = found(method, cells, units)
        if method in ("did", "twfe", "event_study", "synthetic_did"):
            row = own(changes)
            assert row[["estimate", "low", "high", "p_value"]].isna().all()
            assert "对照" in row["warnings"]

    def test_three_comparison_units(self, method):
        cells, units = world(peers=3, others=0)
        row = own(found(method, cells, units)) if method != "staggered" else None
        if method == "did":  # a t of the two degrees of freedom that three units leave
            assert 0 < row["low"] < row["estimate"] < row["high"]
            assert np.log(row["high"] / row["low"]) / 2 / row["std_error"] > 4
        if method == "twfe":  # of three placebos none is one in twenty
            assert np.isnan(row["low"])
            assert row["p_value"] >= 0.25

    def test_no_project_at_all(self, method):
        cells, units = world()
        changes = found(method, cells, units.assign(start=0))
        assert changes[["low", "high"]].isna().all().all()

    @pytest.mark.parametrize("year", ["2019", "2021", "2022"])
    def test_one_year_of_the_project_missing(self, method, year):
        cells, units = world()
        changes = found(method, cells[~((cells["hospital"] == "甲") & (cells["period"] == year))], units)
        assert len(changes)

    def test_one_year_missing_everywhere(self, method):
        cells, units = world()
        found(method, cells[cells["period"] != "2020"], units)

    def test_the_project_appears_only_after(self, method):
        cells, units = world()
        changes = found(method, cells[~((cells["hospital"] == "甲") & (cells["period"] < "2022"))], units)
        rows = changes[(changes["level"] == "unit") & (changes["hospital"] == "甲")]
        assert rows[["estimate", "low", "high", "p_value"]].isna().all().all()

    def test_the_project_has_the_year_before_its_start_and_no_other(self, method):
        cells, units = world()
        changes = found(method, cells[~((cells["hospital"] == "甲") & (cells["period"] != "2021"))], units)
        assert changes.loc[changes["hospital"] == "甲", "p_value"].isna().all()

    def test_the_project_has_one_year_on_each_side(self, method):
        cells, units = world()
        found(method, cells[~((cells["hospital"] == "甲") & ~cells["period"].isin(["2020", "2023"]))], units)

    def test_a_comparison_unit_appears_only_after(self, method):
        cells, units = world()
        found(method, cells[~((cells["hospital"] == "内1") & (cells["period"] < "2022"))], units)

    def test_no_deaths_anywhere(self, method):
        cells, units = world()
        dead = cells["indicator"] == "mortality"
        changes = found(method, cells.assign(x=cells["x"].where(~dead, 0.0), xx=cells["xx"].where(~dead, 0.0)), units)
        rows = changes[changes["indicator"] == "mortality"]
        assert rows[["estimate", "low", "high", "p_value"]].isna().all().all()

    def test_shares_of_nothing_and_of_all(self, method):
        cells, units = world()
        share = cells["indicator"] == "level4_share"
        for value in (0.0, cells["y"]):
            changed = cells.assign(x=cells["x"].where(~share, value), xx=cells["xx"].where(~share, value))
            found(method, changed, units)

    def test_all_cases_alike(self, method):
        cells, units = world()
        cost = cells["indicator"] == "cost_index"
        changes = found(
            method, cells.assign(x=cells["x"].where(~cost, cells["y"]), xx=cells["xx"].where(~cost, cells["y"])), units
        )
        rows = changes[changes["indicator"] == "cost_index"]
        assert not (rows["p_value"] < 0.05).any()

    def test_a_shock_over_the_whole_cycle(self, method):
        cells, units = world()
        changes = found(method, cells, units, shocks=[Shock(label="改革", first=2022, last=2024)])
        if method == "segmented":
            assert "改革" in own(changes)["warnings"]

    def test_every_unit_a_project(self, method):
        cells, units = world()
        changes = found(method, cells, units.assign(start=2022))
        if method in ("did", "twfe", "event_study", "staggered", "synthetic_did"):
            assert changes["estimate"].isna().all()

    def test_no_cells(self, method):
        cells, units = world()
        assert found(method, cells.iloc[:0], units).empty

    def test_the_order_of_rows_does_not_matter(self, method):
        cells, units = world()
        shuffled = cells.sample(frac=1, random_state=3)
        one, two = found(method, cells, units), found(method, shuffled, units)
        for c in ("estimate", "low", "high", "p_value"):
            assert one[c].to_numpy() == pytest.approx(two[c].to_numpy(), nan_ok=True, rel=1e-9)

    def test_nothing_given_is_changed(self, method):
        cells, units = world()
        cells, given = with_cycles(cells), study(units)
        before, kept = cells.copy(), given.units.copy()
        METHODS[method].estimate(cells, given)
        pd.testing.assert_frame_equal(cells, before)
        pd.testing.assert_frame_equal(given.units, kept)


def test_two_level_groups_too_small_are_widened_and_it_is_said():
    cells, units = world()
    units.loc[units["hospital"].isin(["内0", "内1", "内2", "内3", "内4"]), "level_group"] = "二级"
    row = own(found("did", cells, units))
    assert row["n_comparison"] == 5
    assert "全部级别" in row["warnings"]
    strict = own(found("did", cells, units, comparison=ComparisonPolicy(same_level=False)))
    assert "全部级别" not in strict["warnings"]


def test_a_baseline_beyond_all_comparison_units_counts_no_further_than_the_farthest_and_says_so():
    cells, units = world()
    assert "只按其中最远者计" not in own(found("did", cells, units))["warnings"]
    far = (cells["indicator"] == "cost_index") & (cells["hospital"] == "甲")
    cells.loc[far, "x"] *= 10
    cells.loc[far, "xx"] *= 100
    assert "只按其中最远者计" in own(found("did", cells, units))["warnings"]


def test_matching_takes_the_nearest_in_level_and_trend():
    cells, units = world(peers=6)
    cost = cells["indicator"] == "cost_index"
    # one peer far above, and rising: away in both
    away = np.where(cost & (cells["hospital"] == "内0"), 3.0 ** (cells["period"].astype(int) - 2017), 1.0)
    cells = cells.assign(x=cells["x"] * away, xx=cells["xx"] * away**2)
    given = study(units, comparison=ComparisonPolicy(matching="baseline", neighbours=5))
    pairs = METHODS["did"].estimate(with_cycles(cells), given).tables["comparison_units"]
    assert set(pairs.loc[pairs["indicator"] == "cost_index", "comparison"]) == {"内1", "内2", "内3", "内4", "内5"}
    assert len(pairs[pairs["indicator"] == "level4_share"]) == 5


def test_the_smallest_p_of_a_placebo_test_is_printed_and_kept():
    cells, units = world(peers=4)
    cost = (cells["indicator"] == "cost_index") & (cells["hospital"] == "甲") & (cells["period"] >= "2022")
    row = own(
        found(
            "twfe",
            cells.assign(x=cells["x"].where(~cost, 0.2 * cells["x"]), xx=cells["xx"].where(~cost, 0.04 * cells["xx"])),
            units,
        )
    )
    assert row["p_value"] == pytest.approx(1 / 5)  # far beyond every placebo, and still no better than one in five
    assert "4 个安慰剂单元" in row["inference"]
    assert np.isnan(row["low"])
