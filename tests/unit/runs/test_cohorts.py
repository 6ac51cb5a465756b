"""Runs with several starting years and several cycles (合成数据): each project over its own 3 + 3 years."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.evaluation.cohorts import BY_PROJECT, cohorts, in_progress
from toolkit.evaluation.judgement import _family
from toolkit.evaluation.results import RESULTS, Results, load
from toolkit.params import RunParams
from toolkit.release.cohorts import without_other_cohorts
from toolkit.release.disclosure import controlled
from toolkit.runs.finished import bootstrap
from toolkit.runs.pipeline import evaluate

YEARS, A_YEAR = range(2014, 2025), 40
SPECIALTIES = [
    {"id": "s1", "name_zh": "甲科", "departments": ["D1"]},
    {"id": "s2", "name_zh": "乙科", "departments": ["D2"]},
]
A = {"hospital": "A", "specialty": "s1"}
B = {"hospital": "B", "specialty": "s2", "start": 2020}
C = {"hospital": "C", "specialty": "s1", "start": 2023}
D, D_AGAIN = ({"hospital": "D", "specialty": "s2", "start": start} for start in (2020, 2023))
TABLES_OF_PROJECTS = [name for name in BY_PROJECT if name not in ("units", "coding_depth")]


def records(folder: Path) -> Path:
    """Eight hospitals, two specialties, eleven years; B's second specialty costs 30 % more from 2020 on."""
    draw = np.random.default_rng(17)
    rows = []
    for hospital in "ABCDEFGH":
        for department, drgs in (("D1", ("FA11", "FB21")), ("D2", ("GA11", "GB21"))):
            for year in YEARS:
                cost = draw.lognormal(9.2, 0.4, A_YEAR) * (
                    1.3 if (hospital, department) == ("B", "D2") and year >= 2020 else 1
                )
                for k in range(A_YEAR):
                    rows.append(
                        {
                            "hospital": hospital,
                            "record": f"{hospital}{department}{year}{k}",
                            "visit": 1,
                            "year": year,
                            "month": k % 12 + 1,
                            "los_days": int(draw.integers(3, 15)),
                            "cost_fen": int(cost[k] * 100),
                            "died": "false",
                            "exit_mode": 1,
                            "admission_route": 2,
                            "sex": 1,
                            "age_years": int(draw.integers(20, 90)),
                            "department": department,
                            "principal_diagnosis": "K80.1",
                            "surgical": "false",
                            "drg": drgs[k % 2],
                        }
                    )
    path = folder / "records.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def of(path: Path, projects: list[dict], before: int = 2019, after: int = 2022, **more: object) -> RunParams:
    return RunParams.model_validate(
        {
            "run": "cohorts",
            "title": "批次（合成数据）",
            "data": {"format": "canonical", "files": [str(path)]},
            "cycles": {
                "before": {"first": before, "last": before + 2},
                "after": {"first": after, "last": after + 2},
                "further": more.pop("further", False),
            },
            "specialties": SPECIALTIES,
            "projects": projects,
            "minimum_unit_cases": 20,
            "change": {"minimum_cases": 20, "primary": ["cost_index", "los_index"], "methods": ["did"]}
            | more.pop("change", {}),
            "robustness": {"methods": ["did"], "risk_rates": ["raw"], "shocks": ["with"]},
            **more,
        }
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def folder(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A starts with the run's cycle, B and D two years earlier, C and D once more a year later; also against k − 2."""
    made = tmp_path_factory.mktemp("both")
    evaluate(of(path, [A, B, C, D, D_AGAIN], further=True), made)
    return made


@pytest.fixture(scope="module")
def both(folder: Path) -> Results:
    return load(folder / RESULTS)


@pytest.fixture(scope="module")
def only_b(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run whose cycle is that of B; the units with a project are the same."""
    plain = [{k: v for k, v in one.items() if k != "start"} for one in (A, B, C, D)]
    return evaluate(of(path, plain, before=2017, after=2020), tmp_path_factory.mktemp("only"))


def of_unit(frame: pd.DataFrame, hospital: str, specialty: str) -> pd.DataFrame:
    rows = (frame["hospital"] == hospital) & (frame["specialty"] == specialty)
    if "level" in frame:
        rows &= frame["level"] == "unit"
    return frame[rows].reset_index(drop=True)


@pytest.mark.slow
def test_every_year_that_a_window_needs_is_taken_in(both):
    # from 2014–2016, k − 2 of B, to 2025, the end of the cycle of C; the records end with 2024
    assert both.params.all_years == tuple(range(2014, 2026))
    assert set(both.accounts["year"]) == set(range(2014, 2025))


def test_each_project_has_its_own_three_and_three_years(both):
    windows = both.cohorts.set_index("cohort")[["before_first", "before_last", "after_first", "after_last"]]
    assert {name: tuple(row) for name, row in zip(windows.index, windows.to_numpy().tolist(), strict=True)} == {
        "2022": (2019, 2021, 2022, 2024),
        "2020": (2017, 2019, 2020, 2022),
        "2023": (2020, 2022, 2023, 2025),
        "2022-2": (2016, 2018, 2022, 2024),
        "2020-2": (2014, 2016, 2020, 2022),
        "2023-2": (2017, 2019, 2023, 2025),
    }
    cases = of_unit(both.changes, "B", "s2").set_index("indicator").loc["cost_index"]
    assert (cases["n_before"], cases["n_after"]) == (3 * A_YEAR, 3 * A_YEAR)
    cases = of_unit(both.changes, "C", "s1").set_index("indicator").loc["cost_index"]
    assert (cases["n_before"], cases["n_after"]) == (3 * A_YEAR, 2 * A_YEAR)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES_OF_PROJECTS)
def test_a_project_of_another_starting_year_gets_what_a_run_of_its_own_cycle_gives_it(both, only_b, name):
    own, alone = of_unit(both.tables[name], "B", "s2"), of_unit(only_b.tables[name], "B", "s2")
    if name == "ladder":  # all projects together are those of the cohort, here two and there four
        own, alone = (f[f["rung"].isin(["unit", "hospital"])].drop(columns="first") for f in (own, alone))
    order = [c for c in own if own[c].dtype.kind in "OUT" or str(own[c].dtype) in ("str", "string")]
    own, alone = (f.sort_values(order, ignore_index=True, kind="stable") for f in (own, alone))
    pd.testing.assert_frame_equal(own, alone, check_dtype=False, rtol=1e-12)


def test_its_report_is_made_over_its_own_windows(both, only_b):
    view = both.of_project("B", "s2")
    assert view.periods == {"before": "建设前（2017–2019）", "after": "建设周期（2020–2022）"}
    peers = [f.cells[(f.cells["level"] == "peers") & (f.cells["specialty"] == "s2")] for f in (view, only_b)]
    pd.testing.assert_frame_equal(*[p.reset_index(drop=True) for p in peers], check_dtype=False)
    assert both.of_project("A", "s1").periods["after"] == "建设周期（2022–2024）"


def test_its_records_are_drawn_again_over_its_own_windows(folder, both):
    drawn = bootstrap(folder, B["hospital"], B["specialty"], basis="frozen", replicates=20).set_index("indicator")
    cells = of_unit(both.of_project(B["hospital"], B["specialty"]).cells, B["hospital"], B["specialty"])
    cells = cells[(cells["basis"] == "frozen") & (cells["indicator"] == "cost_index")].set_index("period")["value"]
    found = drawn.loc["cost_index"].set_index("cycle")["value"]
    for cycle in ("before", "after"):
        assert found[cycle] == pytest.approx(cells[cycle], rel=1e-9)


def test_the_planted_rise_is_seen_in_its_own_windows_and_not_two_cycles_back_from_its_start(both):
    rows = both.cohort_changes[both.cohort_changes["indicator"] == "cost_index"].set_index(["hospital", "cohort"])
    for cohort in ("2020", "2020-2"):  # both before-windows lie wholly before 2020, both after-windows wholly after
        assert rows.loc[("B", cohort), "judged_estimate"] == pytest.approx(1.3, abs=0.12)
        assert rows.loc[("B", cohort), "verdict"] == "worse"
    assert rows.loc[("A", "2022"), "verdict"] != "worse"


def test_projects_of_other_cohorts_are_no_comparison_units(both):
    units = both.comparison_units
    assert set(units.loc[units["hospital"] == "A", "comparison"]) == set("BDEFGH")  # not C, whose project starts later
    assert set(units.loc[units["hospital"] == "B", "comparison"]) == set("ACEFGH")  # not D


def test_cycles_of_one_unit_that_follow_one_another_are_all_compared_and_the_last_is_its_report(both):
    own = both.cohort_changes[both.cohort_changes["hospital"] == "D"]
    assert sorted(own["cohort"].unique()) == ["2020", "2020-2", "2023", "2023-2"]
    assert both.of_project("D", "s2").periods["before"] == "建设前（2020–2022）"
    last = own[(own["cohort"] == "2023") & (own["indicator"] == "los_index")]["judged_estimate"].item()
    main = of_unit(both.changes, "D", "s2").set_index("indicator").loc["los_index", "judged_estimate"]
    assert last == main


def test_a_cycle_in_progress_says_how_much_has_passed_and_gives_no_final_verdict(both):
    # the records end with December 2024: of 2023–2025 two years of three
    row = both.cohorts.set_index("cohort").loc["2023"]
    assert (row["records_to"], bool(row["complete"])) == ("2024-12", False)
    assert row["passed"] == pytest.approx(2 / 3)
    own = of_unit(both.changes, "C", "s1").set_index("indicator")
    for indicator in ("cost_index", "los_index"):
        assert (own.loc[indicator, "verdict"], own.loc[indicator, "reason"]) == ("undecided", "in_progress")
        assert "67%" in own.loc[indicator, "reason_zh"]
        assert own.loc[indicator, "judged_estimate"] > 0  # the numbers so far stand
        assert not own.loc[indicator, ["robust", "boundary"]].any()
    assert (of_unit(both.changes, "A", "s1")["reason"] != "in_progress").all()


def test_the_release_edition_gives_of_projects_of_other_cycles_the_verdict_and_no_number(both):
    main = Results(params=both.params, facts=both.facts, tables={**both.tables, **both.windows["2022"]})
    made = without_other_cohorts(controlled(main, both.params.disclosure), both.changes, both.params)
    cells = of_unit(made["cells"], "B", "s2")
    assert set(cells["basis"]) == {"contemporaneous"}
    assert cells["period"].str.isdigit().all()
    own, exact = (of_unit(t["changes"], "B", "s2").set_index("indicator") for t in (made, both.tables))
    assert own["verdict"].to_dict() == exact["verdict"].to_dict()
    assert own.select_dtypes("number").drop(columns="robust", errors="ignore").isna().all(axis=None)
    assert of_unit(made["units"], "B", "s2")[["n_before", "n_after"]].isna().all(axis=None)
    assert of_unit(made["changes"], "A", "s1")["estimate"].notna().any()
    assert made["cohort_changes"].empty


def months_to(last: int) -> pd.DataFrame:
    points = [(year, month) for year in range(2019, 2025) for month in range(1, 13) if (year, month) <= (2024, last)]
    return pd.DataFrame([("A", *point, 9) for point in points], columns=["hospital", "year", "month", "n"])


@pytest.mark.parametrize(("last", "passed"), [(12, 1.0), (6, 30 / 36), (1, 25 / 36)])
def test_how_much_of_a_cycle_has_passed_is_counted_in_months_of_records(last, passed):
    params = of(Path("none.csv"), [A])
    found = cohorts(params, range(2019, 2025), months_to(last))
    assert found["passed"].item() == pytest.approx(passed)
    holds = in_progress(found, params.cohorts[0], params)
    assert list(holds["hospital"]) == ([] if last == 12 else ["A"])


def test_a_last_year_without_months_counts_whole():
    params = of(Path("none.csv"), [A])
    assert cohorts(params, range(2019, 2025), months_to(12).iloc[:0])["complete"].item()
    assert cohorts(params, range(2019, 2024), months_to(12).iloc[:0])["passed"].item() == pytest.approx(2 / 3)


def test_all_projects_of_all_cohorts_are_one_family_of_tests():
    # Holm by hand: 0.01 of three is 0.03, whichever cohort the other two are of
    changes = pd.DataFrame({"indicator": ["los_index"], "p_value": [0.01]})
    params = of(Path("none.csv"), [A], change={"primary": ["los_index"], "multiplicity": "family_wise"})
    alone = _family(changes, np.array([True]), params, None)
    among = _family(changes, np.array([True]), params, np.array([0.2, 0.4]))
    assert (alone[0], among[0]) == (pytest.approx(0.01), pytest.approx(0.03))


def test_the_same_project_twice_is_refused(path):
    with pytest.raises(ValueError, match="重复"):
        of(path, [A, A])
