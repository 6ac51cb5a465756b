"""A verdict says how much it rests on, and none is given where too little came or too little is known (合成数据)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rows import params

from toolkit.data.quality.hospitals import years_not_sent
from toolkit.evaluation.coverage import by_fields, expected_months, months_sent
from toolkit.params import Years, load_params
from toolkit.runs import pipeline

DOOR = Path(__file__).parents[1] / "door"
PRIMARY = ["cmi", "cost_index", "los_index"]


def evaluated(case: str, folder: Path):
    [where] = DOOR.glob(f"{case}-*")
    return pipeline.evaluate(load_params(where / "p.yaml"), folder)


def of_project(results, hospital: str) -> pd.DataFrame:
    changes = results.changes.merge(results.units[results.units["project"] != ""][["hospital", "specialty"]])
    return changes[(changes["level"] == "unit") & (changes["hospital"] == hospital)].set_index("indicator")


@pytest.fixture(scope="module")
def renamed(tmp_path_factory):
    """Half of the DRG codes change in mid-period; project 0001/cardiology sent nothing for 2023."""
    return evaluated("21", tmp_path_factory.mktemp("renamed"))


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    """A canonical file with the required columns only."""
    return evaluated("08", tmp_path_factory.mktemp("minimal"))


@pytest.mark.slow
def test_a_frozen_reference_that_knows_half_of_the_cases_gives_no_verdict_and_says_so(renamed):
    surgery = of_project(renamed, "0002").loc[PRIMARY]
    assert set(surgery["verdict"]) == {"not_judged"}
    assert set(surgery["reason"]) == {"frozen_coverage"}
    # FA11, FB13 and BR21 have another name from 2022 on: of its stays 54 % keep theirs, as handed in
    assert surgery["covered_after"].between(0.5, 0.6).all()
    assert (surgery["covered_before"] > 0.95).all()
    assert surgery["reason_zh"].str.contains("分组器").all()


def test_deaths_by_risk_grade_are_held_back_with_the_codes_that_carry_the_grades(renamed):
    low_risk = of_project(renamed, "0002").loc["mid_low_risk_mortality"]
    assert low_risk["verdict"] == "not_judged"
    assert low_risk["reason"] == "frozen_coverage"


def test_a_cycle_that_rests_on_two_of_three_years_is_not_judged_and_names_the_year(renamed):
    cardiology = of_project(renamed, "0001").loc[PRIMARY]
    assert set(cardiology["verdict"]) == {"not_judged"}
    assert set(cardiology["reason"]) == {"not_sent"}
    assert cardiology["reason_zh"].str.contains(r"建设周期应报 36 个月，只有 2[0-4] 个月").all()
    assert cardiology["reason_zh"].str.contains("缺 2023 年").all()


@pytest.mark.slow
def test_columns_that_a_file_does_not_have_keep_no_verdict_back(minimal):
    assert "X04" not in set(minimal.hospital_warnings["rule"])
    for hospital in ("0001", "0002"):
        judged = of_project(minimal, hospital).loc[["cost_index", "los_index"]]
        assert not set(judged["reason"]) & {"poor_data", "frozen_coverage", "not_sent"}


def test_a_year_without_a_record_is_a_finding_of_the_hospital_that_others_do_not_share():
    years = pd.DataFrame(
        [("A", 2022, 50), ("A", 2023, 0), ("B", 2022, 40), ("B", 2023, 60)], columns=["hospital", "year", "n"]
    )
    found = years_not_sent(years, params())
    assert found[["hospital", "year"]].to_numpy().tolist() == [["A", 2023]]


def test_months_are_expected_up_to_the_last_that_anybody_sent():
    rows_ = [("A", 2022, month, 9) for month in range(1, 13)] + [("B", 2023, 3, 9)]
    monthly = pd.DataFrame(rows_, columns=["hospital", "year", "month", "n"])
    expected = expected_months(monthly, Years(first=2022, last=2024))
    assert (len(expected), expected[-1]) == (15, (2023, 3))


def test_of_a_source_with_one_month_a_year_no_other_is_expected():
    monthly = pd.DataFrame(
        [("A", year, 6, 9) for year in (2022, 2023, 2024)], columns=["hospital", "year", "month", "n"]
    )
    assert expected_months(monthly, Years(first=2022, last=2024)) == [(2022, 6), (2023, 6), (2024, 6)]


def test_a_remnant_of_a_month_did_not_come():
    rows = [("A", 2022, m, 100) for m in range(1, 12)] + [("A", 2022, 12, 49)]
    monthly = pd.DataFrame(rows, columns=["hospital", "year", "month", "n"])
    assert (2022, 12) not in months_sent(monthly, 0.5)["A"]
    assert len(months_sent(monthly, 0.4)["A"]) == 12


def test_the_missing_year_is_found_at_the_door_and_the_renamed_codes_with_their_half_year(renamed):
    warned = renamed.hospital_warnings
    year = warned[warned["rule"] == "X05"]
    # its other specialty did send records of 2023: of the hospital no year is missing
    assert year.empty
    codes = warned[warned["rule"] == "G10"]
    assert set(codes["year"]) == {2022}
    assert codes["hospital"].nunique() >= 11
    assert codes["message"].str.contains("上半年").all()


def test_a_hospital_that_sent_nothing_of_a_year_is_found(tmp_path):
    [where] = DOOR.glob("20-*")
    checked = pipeline.check(load_params(where / "p.yaml"), tmp_path)
    warned = checked.intake.hospital_warnings
    found = warned[(warned["rule"] == "X05") & (warned["hospital"] == "0001")]
    assert found["year"].tolist() == [2023]


def test_a_field_left_empty_holds_back_what_rests_on_it_and_nothing_else(minimal):
    units = minimal.units
    warned = pd.DataFrame(
        [("0001", 2022, "X06", 0.4, 0.05, "")], columns=["hospital", "year", "rule", "value", "limit", "message"]
    )
    held = by_fields(warned, units)
    assert {"cost_index", "mean_cost", "drug_share"} <= set(held["indicator"])
    assert not {"los_index", "cmi", "mid_low_risk_mortality", "drg_count"} & set(held["indicator"])
    assert set(held["hospital"]) == {"0001"}
