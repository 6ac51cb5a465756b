"""New York's published observed and expected deaths, read by a whole run as values."""

from __future__ import annotations

from pathlib import Path

import cardiac
import pandas as pd
import pytest

from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Position, position
from toolkit.params import RunParams
from toolkit.runs.pipeline import evaluate

YEARS = {"first": 2008, "last": 2019}


@pytest.fixture(scope="module")
def table(data_folder: Path) -> pd.DataFrame:
    """The single years, a procedure in the place of a specialty."""
    names = pd.read_csv(data_folder / "ny_cardiac_pci_2008_2019.csv", dtype={"Facility ID": str})
    hospitals = names.loc[names["Comparison Results"] != "Statewide Rate", "Facility ID"].reset_index(drop=True)
    rows = cardiac.rows(data_folder).assign(hospital=hospitals)
    rows = rows[rows["years"] == 1]
    ids = {name: f"p{k}" for k, name in enumerate(sorted(rows["procedure"].unique()))}
    return rows.assign(specialty=rows["procedure"].map(ids), year=rows["window"].astype(int))


@pytest.fixture(scope="module")
def results(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("published")
    values = table[["hospital", "specialty", "year", "n", "observed"]].assign(indicator="mortality_ratio")
    # the printed rate is rounded: 0 stands for less than a half of its last digit
    expected = table["n"] * table["expected_rate"].where(table["expected_rate"] > 0, cardiac.HALF / 2) / 100
    values.assign(expected=expected).to_csv(folder / "values.csv", index=False)
    specialties = table.drop_duplicates("specialty")
    return evaluate(
        RunParams.model_validate(
            {
                "run": "published",
                "title": "Published O/E",
                "data": {"values": str(folder / "values.csv")},
                "years": YEARS,
                "specialties": [{"id": r.specialty, "name_zh": r.procedure} for r in specialties.itertuples()],
                "trimming": {"method": "none"},
                "robustness": {"trimming": ["none"]},
                "monitoring": {"covariates": []},
            }
        ),
        folder / "run",
    )


def test_a_published_table_of_observed_and_expected_deaths_gives_its_published_words(table, results):
    cells = results.cells[
        (results.cells["level"] == "unit")
        & (results.cells["indicator"] == "mortality_ratio")
        & (results.cells["basis"] == "contemporaneous")
        & results.cells["period"].str.isdigit()
        & (results.cells["status"] == "value")
    ]
    cells = cells.assign(year=cells["period"].astype(int))
    both = cells.merge(table, on=["hospital", "specialty", "year"], suffixes=("_cell", ""), validate="one_to_one")
    assert len(both) == (table["n"] >= 10).sum()  # fewer cases get no value
    found = [position(low, high) for low, high in zip(both["low_cell"], both["high_cell"], strict=True)]
    # of 1,608 single years one rests on an approximate limit (docs/published-results.md), and the expected rate is rounded
    assert sum(own != word for own, word in zip(found, both["official"], strict=True)) <= 2
    assert set(both["official"]) == {Position.HIGHER, Position.LOWER, Position.NOT_DIFFERENT}


def test_its_funnels_stand_for_every_procedure(table, results):
    funnel = results.funnels[results.funnels["indicator"] == "risk_adjusted_mortality"]
    assert set(funnel["specialty"]) == set(table["specialty"])
    assert funnel["observed"].sum() == table.loc[table["hospital"].isin(funnel["hospital"]), "observed"].sum()
