"""Monitoring end to end on a small region: against pandas on the records, sums that must agree, and runs with little in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit import cube as cubes
from toolkit.data.discharge.covariates import band_names, death_cells, one_row_a_specialty
from toolkit.evaluation.cells import all_cells, units_of
from toolkit.evaluation.monitoring import OE, at_months, monitor
from toolkit.evaluation.monitoring import TOO_FEW as FEW
from toolkit.evaluation.tables.monitoring import MONITORING
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.models.monitoring.funnel import Position
from toolkit.reference import attach

PROJECT = {"hospital": "H0", "specialty": "s1"}
KEY = ["hospital", "specialty", "year"]
COLUMNS = [
    "hospital",
    "year",
    "month",
    "department",
    "drg",
    "age_years",
    "sex",
    "admission_route",
    "died",
    "los_days",
    "cost_fen",
]


def discharges(seed: int = 3, n: int = 6000, *, died: bool = True) -> pd.DataFrame:
    """合成数据: 6 hospitals, 2 departments, 6 years; two hospitals are of a few cases."""
    rng = np.random.default_rng(seed)
    hospital = rng.choice(6, n, p=[0.3, 0.3, 0.2, 0.18, 0.0185, 0.0015])
    age = rng.integers(0, 95, n)
    risk = 1 / (1 + np.exp(-(-4 + 0.02 * age + 0.5 * (hospital == 1))))
    frame = pd.DataFrame(
        {
            "hospital": [f"H{h}" for h in hospital],
            "year": rng.integers(2019, 2025, n),
            "month": rng.integers(1, 13, n),
            "department": rng.choice(["D1", "D2"], n),
            "drg": rng.choice(["FA11", "FA12", "FB21", "GA11", "0000"], n),
            "age_years": age,
            "sex": rng.choice(["1", "2", "9"], n, p=[0.5, 0.49, 0.01]),
            "admission_route": rng.choice(["1", "2", ""], n),
            "died": np.where(rng.random(n) < 0.01, "", np.where((rng.random(n) < risk) & died, "true", "false")),
            "los_days": rng.integers(1, 30, n),
            "cost_fen": np.exp(rng.normal(11, 0.5, n)).astype(int),
        }
    ).astype(str)
    return pd.DataFrame([{**rows.DEFAULTS, **row} for row in frame[COLUMNS].to_dict("records")])


def params(**more):
    given = {"cycles": rows.CYCLES, "projects": [PROJECT], **more}
    return rows.params(**{k: v for k, v in given.items() if v is not None})


class Region:
    """The inputs of `monitor`, made as the pipeline makes them."""

    def __init__(self, engine, frame: pd.DataFrame, chosen, *, months: bool = True) -> None:
        self.params, self.hospitals = chosen, rows.registry_of(frame)
        groups = self.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        table = engine.connection.create_table("monitored", rows.stored(frame), overwrite=True)
        self.cube = cubes.build(table, chosen, groups, connection=engine.connection)
        bands, project = chosen.monitoring.age_bands, pd.DataFrame([PROJECT])
        self.deaths = death_cells(table, bands, KEY)
        self.referenced = {b: attach(self.cube, chosen, self.hospitals, b) for b in cubes.BASES}
        self.units = units_of(self.cube, chosen)
        self.cells = all_cells(self.referenced, self.units, chosen)
        self.monthly = self.monthly_deaths = None
        if months:
            key = (*KEY, "month")
            cube = cubes.of_units(table, chosen, groups, project, (*key, "drg"), connection=engine.connection)
            self.monthly = at_months(cube, self.referenced["frozen"], chosen, self.hospitals)
            self.monthly_deaths = death_cells(table, bands, key, project)

    def tables(self) -> dict[str, pd.DataFrame]:
        return monitor(
            self.cells, self.units, self.deaths, self.params, monthly=self.monthly, monthly_deaths=self.monthly_deaths
        )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return discharges()


@pytest.fixture(scope="module")
def region(engine, frame) -> Region:
    return Region(engine, frame, params())


@pytest.fixture(scope="module")
def made(region) -> dict[str, pd.DataFrame]:
    return region.tables()


def test_death_cells_are_those_of_pandas(region, frame):
    known = frame[frame["died"] != ""].assign(
        specialty=frame["department"].map({"D1": "s1", "D2": "s2"}),
        year=frame["year"].astype(int),
        drg=frame["drg"].replace("0000", ""),
        sex=frame["sex"].replace("9", ""),
        age_band=pd.cut(
            frame["age_years"].astype(int),
            [-1, 0, 4, 14, 44, 54, 64, 74, 84, 200],
            labels=["0", "1–4", "5–14", "15–44", "45–54", "55–64", "65–74", "75–84", "85+"],
        ).astype(str),
    )
    keys = [*KEY, "drg", "age_band", "sex", "admission_route"]
    expected = known.groupby(keys).agg(n=("died", "size"), died=("died", lambda d: (d == "true").sum())).reset_index()
    found = region.deaths.astype({k: "str" for k in keys if k != "year"})
    both = found.merge(
        expected.astype({k: "str" for k in keys if k != "year"}), on=keys, how="outer", suffixes=("", "_pandas")
    )
    assert (both["n"] == both["n_pandas"]).all()
    assert (both["died"] == both["died_pandas"]).all()


def test_names_of_age_bands():
    assert band_names([1, 5, 85]) == ["0", "1–4", "5–84", "85+"]
    assert band_names([]) == ["0+"]


def test_a_discharge_of_two_specialties_counts_in_both_units():
    frame = pd.DataFrame({"hospital": "A", "specialty": ["a", "a+b"], "n": [3, 2]})
    assert one_row_a_specialty(frame).groupby("specialty")["n"].sum().to_dict() == {"a": 5, "b": 2}


def test_contemporaneous_expected_deaths_add_up_to_the_observed(made, frame):
    found = made["expected"][made["expected"]["basis"] == "contemporaneous"]
    for period, years in (("before", range(2019, 2022)), ("after", range(2022, 2025))):
        part = found[found["period"] == period]
        died = (frame["died"] == "true") & frame["year"].astype(int).isin(years)
        hidden = part["observed"].isna().any()
        slack = 3 if hidden else 1e-6  # the unit of a few cases is in the model and not in the table
        assert part["expected"].sum() == pytest.approx(died.sum(), abs=slack)
    assert found["covered"].between(0.97, 1).all()  # an age band without a death has no risk


def test_frozen_and_contemporaneous_are_one_in_the_first_period_only(made):
    table = made["expected"].set_index(["hospital", "specialty", "period", "basis"])["expected"].unstack("basis")  # noqa: PD010
    before, after = (table.xs(p, level="period").dropna() for p in ("before", "after"))
    assert np.allclose(before["contemporaneous"], before["frozen"])
    assert not np.allclose(after["contemporaneous"], after["frozen"])


def test_a_unit_of_few_cases_is_not_shown(made, region):
    few = made["expected"][made["expected"]["n"] < region.params.minimum_value_cases]
    assert len(few)
    assert few[["observed", "expected", "ratio", "shrunken"]].isna().all(axis=None)
    assert (few["warnings"] == FEW).all()
    shown = made["funnels"][made["funnels"]["indicator"] == OE]
    assert not set(zip(few["hospital"], few["specialty"], few["period"], strict=True)) & set(
        zip(shown["hospital"], shown["specialty"], shown["period"], strict=True)
    )


def test_funnels_hold_deaths_and_shares_with_their_own_limits(made):
    kinds = made["funnels"].groupby("indicator")["kind"].first()
    assert kinds[OE] == kinds["mortality"] == "ratio"
    rate = made["funnels"][made["funnels"]["indicator"] == "mortality"]
    for _, part in rate.groupby(["specialty", "period"]):
        assert part["centre"].iloc[0] == pytest.approx(part["observed"].sum() / part["exposure"].sum())
    assert (made["funnels"].loc[made["funnels"]["indicator"] == OE, "centre"] == 1).all()


def test_months_add_up_to_years(region):
    by_year = collect(region.referenced["frozen"], [CATALOGUE["cost_index"]], [*KEY])
    by_month = collect(region.monthly, [CATALOGUE["cost_index"]], [*KEY, "month"])
    keys = {k: "str" for k in ("hospital", "specialty")}
    sums = by_month.astype(keys).groupby(KEY)[["x", "y", "xx"]].sum()
    own = by_year.astype(keys).merge(pd.DataFrame([PROJECT])).set_index(KEY)[["x", "y", "xx"]]
    pd.testing.assert_frame_equal(sums, own.loc[sums.index], rtol=1e-9)


def test_charts_are_of_the_project_and_rebased(made):
    charts = made["charts"]
    assert set(charts["hospital"]) == {"H0"}
    assert set(charts["indicator"]) == {"cmi", "cost_index", "los_index"}
    assert charts.groupby(["indicator", "phase"])["centre"].nunique().eq(1).all()
    assert set(charts["grain"]) == {"quarter"}  # months hold about ten cases each
    assert charts.loc[charts["indicator"] == "cost_index", "target"].eq(1).all()


def test_cusums_expect_what_the_frozen_model_expects(made):
    expected = made["expected"].set_index(["hospital", "specialty", "period", "basis"])
    row = expected.loc[("H0", "s1", "after", "frozen")]
    worse = made["cusums"][made["cusums"]["direction"] == "worse"]
    assert worse["expected"].sum() == pytest.approx(row["expected"])
    assert worse["observed"].sum() == row["observed"]
    assert len(worse) == 36


def test_changes_have_their_expectation_and_their_power(made, region):
    shrunk, power = made["shrinkage"], made["power"]
    assert set(zip(power["hospital"], power["specialty"], strict=True)) == set(
        region.units.loc[
            region.units["eligible"] | (region.units["project"] != ""), ["hospital", "specialty"]
        ].itertuples(index=False, name=None)
    )
    index = shrunk[shrunk["indicator"] == "cost_index"]
    assert (
        index["expected_after"]
        .between(index[["before", "mean"]].min(axis=1) - 1e-9, index[["before", "mean"]].max(axis=1) + 1e-9)
        .all()
    )


@pytest.mark.parametrize("case", ["no deaths", "one period", "one unit", "no months", "few cases"])
def test_runs_with_little_in_them_give_every_table(engine, frame, case):
    given = {
        "no deaths": (discharges(5, 1500, died=False), params()),
        "no months": (frame, params()),
        "one period": (frame, params(cycles=None, projects=None, years={"first": 2022, "last": 2024})),
        "one unit": (frame[(frame["hospital"] == "H0") & (frame["department"] == "D1")], params()),
        "few cases": (frame[frame["hospital"].isin(["H4", "H0"])].head(40), params()),
    }[case]
    region = Region(engine, given[0].reset_index(drop=True), given[1], months=case != "no months")
    tables = region.tables()
    assert set(tables) == {one.name for one in MONITORING}
    assert all(isinstance(t, pd.DataFrame) and len(t.columns) for t in tables.values())
    if case == "no deaths":
        assert tables["risk_models"]["warnings"].ne("").all()
        assert tables["expected"]["ratio"].isna().all()
        assert tables["expected"]["warnings"].ne("").all()
        assert (tables["funnels"].loc[tables["funnels"]["kind"] == "ratio", "position"] == Position.UNKNOWN).all()
    if case in ("one period", "no months"):
        assert tables["cusums"].empty or case == "one period"
    if case == "one period":
        assert tables["power"].empty
        assert tables["shrinkage"].empty
    if case == "one unit":
        assert tables["shrinkage"]["warnings"].ne("").all()
        assert tables["funnels"]["warnings"].ne("").all()
