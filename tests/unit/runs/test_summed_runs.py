"""Whole runs from sums and from values (合成数据): what the records themselves would have given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_cohorts as world

from toolkit.evaluation.results import Results
from toolkit.params import RunParams
from toolkit.runs.pipeline import evaluate

PLAIN = {
    "trimming": {"method": "none"},
    "robustness": {"trimming": ["none"], "methods": ["did"], "risk_rates": ["raw"], "shocks": ["with"]},
    "monitoring": {"covariates": []},
    "minimum_unit_cases": 20,
    "change": {"minimum_cases": 20, "primary": ["cost_index", "los_index"], "methods": ["did"]},
    "cycles": {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}},
    "specialties": world.SPECIALTIES,
    "projects": [world.A],
}
SPECIALTY = {"D1": "s1", "D2": "s2"}


def of(data: dict[str, object], **more: object) -> RunParams:
    return RunParams.model_validate({"run": "summed", "title": "汇总（合成数据）", "data": data, **PLAIN, **more})


@pytest.fixture(scope="module")
def discharges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def from_records(discharges: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return evaluate(of({"format": "canonical", "files": [str(discharges)]}), tmp_path_factory.mktemp("of_records"))


@pytest.fixture(scope="module")
def from_sums(discharges: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same records added up with pandas."""
    folder = tmp_path_factory.mktemp("of_sums")
    rows = pd.read_csv(discharges)
    rows = rows.assign(specialty=rows["department"].map(SPECIALTY), cost=rows["cost_fen"] / 100, died=0)
    rows = rows.assign(cost_sq=rows["cost"] ** 2, los=rows["los_days"], los_sq=rows["los_days"] ** 2, n=1)
    key = ["hospital", "specialty", "year", "drg"]
    table = rows.groupby(key)[["n", "cost", "cost_sq", "los", "los_sq", "died"]].sum().reset_index()
    table.to_csv(folder / "sums.csv", index=False, float_format="%.12g")
    return evaluate(of({"sums": str(folder / "sums.csv")}), folder / "run")


@pytest.fixture(scope="module")
def from_values(discharges: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Mean stays with their standard deviations, and expected deaths, as a commission might have them."""
    folder = tmp_path_factory.mktemp("of_values")
    rows = pd.read_csv(discharges)
    rows = rows.assign(specialty=rows["department"].map(SPECIALTY))
    key = ["hospital", "specialty", "year"]
    los = rows.groupby(key)["los_days"].agg(n="size", value="mean", sd="std").reset_index()
    deaths = los[[*key, "n"]].assign(indicator="mortality_ratio", observed=2, expected=1.6)
    table = pd.concat([los.assign(indicator="mean_los"), deaths])
    table.to_csv(folder / "values.csv", index=False, float_format="%.15g")
    change = {"minimum_cases": 20, "primary": ["mean_los", "mortality_ratio"], "methods": ["did"]}
    return evaluate(of({"values": str(folder / "values.csv")}, change=change), folder / "run")


def cells_of(results: Results, indicators: list[str]) -> pd.DataFrame:
    cells = results.cells[results.cells["indicator"].isin(indicators)]
    key = ["level", "hospital", "specialty", "period", "indicator", "basis"]
    return cells.set_index(key).sort_index()[["n", "x", "y", "value", "low", "high"]]


@pytest.mark.slow
def test_sums_give_the_cells_that_the_records_give(from_records, from_sums):
    chosen = ["volume", "cmi", "cost_index", "los_index", "mean_cost", "mean_los", "mortality_ratio", "grouped_share"]
    records, sums = cells_of(from_records, chosen), cells_of(from_sums, chosen)
    pd.testing.assert_frame_equal(sums, records, rtol=1e-9, atol=1e-12, check_dtype=False)
    assert records["low"].notna().any()


def test_sums_give_the_verdicts_that_the_records_give(from_records, from_sums):
    key = ["level", "hospital", "specialty", "indicator"]
    both = [r.changes.set_index(key).sort_index().loc["unit", "A", "s1"] for r in (from_records, from_sums)]
    chosen = ["cost_index", "los_index", "cmi"]
    for column in ("judged_estimate", "judged_low", "judged_high"):
        np.testing.assert_allclose(both[1].loc[chosen, column], both[0].loc[chosen, column], rtol=1e-8)
    assert both[1].loc[chosen, "verdict"].tolist() == both[0].loc[chosen, "verdict"].tolist()


def test_means_and_their_deviations_give_the_cells_that_the_records_give(from_records, from_values):
    records, values = (
        cells_of(r, ["mean_los"]).xs("contemporaneous", level="basis") for r in (from_records, from_values)
    )
    pd.testing.assert_frame_equal(values, records, rtol=1e-8, check_dtype=False)


def test_expected_deaths_that_were_given_stand_in_funnel_and_table(from_values):
    own = from_values.expected[(from_values.expected["hospital"] == "A") & (from_values.expected["specialty"] == "s1")]
    own = own[own["basis"] == "contemporaneous"].set_index("period")
    assert own.loc["before", ["observed", "expected"]].tolist() == [6.0, pytest.approx(4.8)]
    funnel = from_values.funnels[from_values.funnels["indicator"] == "risk_adjusted_mortality"]
    assert set(funnel["hospital"]) == set("ABCDEFGH")


def test_what_values_do_not_say_is_not_shown_as_nothing(from_values):
    of_drgs = from_values.cells[from_values.cells["indicator"] == "grouped_share"]
    assert of_drgs["value"].isna().all()
    assert "不能" not in from_values.facts.lists["不能计算"]
    assert "裁剪" in from_values.facts.lists["不能计算"]
    assert from_values.specifications.empty


def test_rows_of_other_years_are_accounted_for(from_sums):
    # the table holds 2014–2024, the run asks for 2019–2024: 16 units of 40 cases in each of five years
    accounts = from_sums.accounts.groupby("fate")["n"].sum()
    assert accounts["excluded"] == 5 * 16 * world.A_YEAR
    assert accounts.sum() == from_sums.files["received"].item()
