"""现场抽核: who must be visited is, the others with the probability that is printed; findings by hand. 合成数据."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xlsxwriter

from toolkit.errors import InputError, ParameterError, RunError
from toolkit.programme.decision import read_rule
from toolkit.programme.spot_check import (
    CHECKED,
    CONFIRMED,
    PROJECTS,
    RECORDS,
    REFUTED,
    after_visit,
    draw_sites,
    exact_limits,
    over_all,
    read_form,
    systematic,
    write_form,
)
from toolkit.programme.tables import read_values
from toolkit.runs.demo import golden_folder
from toolkit.runs.site_records import sampled, with_breaks


def decisions(number: int = 47) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "project": [f"p{k:02d}" for k in range(number)],
            "outcome": ["qualified"] * (number - 3) + ["boundary", "boundary", "mend"],
            "red_flag": ["False"] * (number - 1) + ["True"],
            "hospital": [f"h{k % 4}" for k in range(number)],
        }
    )


def test_boundary_flags_and_breaks_are_certain_and_5_percent_of_the_rest_is_rounded_up():
    made = draw_sites(decisions(), breaks=["p00"], seed=1).set_index("project")
    assert made.index[made["certain"]].tolist() == ["p00", "p44", "p45", "p46"]
    assert made.loc["p00", "because"] == "数据断点"
    assert made.loc["p46", "because"] == "红线"
    drawn = made[made["visited"] & ~made["certain"]]
    assert len(drawn) == 3  # 5 % of 43 are 2.15
    assert made["visited"].sum() >= 0.05 * len(made)
    assert (made.loc[~made["certain"], "probability"] == 3 / 43).all()


def test_a_share_below_the_least_or_a_strange_stratum_is_refused():
    with pytest.raises(ParameterError, match="低于 5%"):
        draw_sites(decisions(), share=0.04)
    with pytest.raises(ParameterError, match="没有分层列 county"):
        draw_sites(decisions(), strata=["county"])


def test_every_project_has_the_probability_that_is_printed():
    frame = decisions(20).assign(outcome="qualified", red_flag="False")
    times = np.mean([draw_sites(frame, share=0.25, seed=s)["visited"] for s in range(1000, 2000)], axis=0)
    # twenty shares, five standard errors
    assert np.abs(times - 0.25).max() < 5 * (0.25 * 0.75 / 1000) ** 0.5


def test_strata_are_drawn_in_proportion_and_the_seed_decides():
    frame = decisions(40).assign(outcome="qualified", red_flag="False", level=["省"] * 20 + ["市"] * 20)
    for seed in range(10):
        made = draw_sites(frame, share=0.2, strata=["level"], seed=seed)
        assert made[made["visited"]].groupby("stratum").size().to_dict() == {"省": 4, "市": 4}
    assert draw_sites(frame, seed=3).equals(draw_sites(frame, seed=3))
    assert not draw_sites(frame, seed=3)["visited"].equals(draw_sites(frame, seed=4)["visited"])
    turned = draw_sites(frame.iloc[::-1].reset_index(drop=True), seed=3).set_index("project")["visited"]
    assert turned.sort_index().equals(draw_sites(frame, seed=3).set_index("project")["visited"])


@pytest.mark.parametrize(("size", "number"), [(1, 1), (7, 3), (43, 3), (10, 10)])
def test_a_systematic_sample_has_its_number_of_different_places(size, number):
    for start in (0.0, 0.5, 0.999999):
        places = systematic(size, number, start)
        assert len(set(places)) == number
        assert places.max() < size


# --- findings -----------------------------------------------------------------------------------------------------------


def form(tmp_path: Path, conclusions: dict[str, str], wrong: dict[str, list[bool]], blank: int = 0) -> Path:
    """A form filled in by another program."""
    sites = pd.DataFrame(
        {"project": list(conclusions), "because": "", "probability": 1.0, "visited": True, "certain": True}
    )
    records = pd.DataFrame(
        [(p, "f.csv", k + 2) for p, w in wrong.items() for k in range(len(w))], columns=["project", "file", "line"]
    )
    write_form(sites, records, tmp_path / "empty.xlsx", "示例")
    projects, rows = (read_values(tmp_path / "empty.xlsx", s) for s in (PROJECTS, RECORDS))
    projects["现场结论"] = [conclusions[p] for p in projects["project"]]
    answers = [w for one in wrong.values() for w in one]
    for k, bad in enumerate(answers[: len(answers) - blank]):
        rows.loc[k, list(CHECKED)] = "是"
        if bad:
            rows.loc[k, CHECKED[0]] = "否"
    with xlsxwriter.Workbook(str(tmp_path / "filled.xlsx")) as book:
        for name, frame in ((PROJECTS, projects), (RECORDS, rows)):
            page = book.add_worksheet(name)
            for column, header in enumerate(frame):
                page.write_column(0, column, [str(c) for c in (header, *frame[header])])
    return tmp_path / "filled.xlsx"


def visited(*projects: str) -> pd.DataFrame:
    return pd.DataFrame({"project": list(projects), "visited": True})


def test_a_filled_form_is_counted(tmp_path):
    path = form(
        tmp_path, {"a": CONFIRMED, "b": REFUTED}, {"a": [True, False, False, False], "b": [True, True]}, blank=1
    )
    found = read_form(path, visited("a", "b"))
    assert found.projects[["records", "wrong"]].to_numpy().tolist() == [[4, 1], [1, 1]]  # one line was left empty
    low, high = exact_limits(1, 4)  # Clopper and Pearson for 1 of 4: 0.0063, 0.8059
    assert (round(low, 4), round(high, 4)) == (0.0063, 0.8059)
    assert found.projects["low"][0] == low
    assert found.fields.set_index("field")["wrong"].to_dict() == {"主要诊断": 2, **dict.fromkeys(CHECKED[1:], 0)}


def test_faults_of_a_form_are_told_at_once(tmp_path):
    path = form(tmp_path, {"a": "", "x": CONFIRMED}, {"a": [False, False]})
    rows = read_values(path, RECORDS)
    rows.loc[1, CHECKED[2]] = "不知"
    projects = read_values(path, PROJECTS)
    with xlsxwriter.Workbook(str(path)) as book:
        for name, frame in ((PROJECTS, projects), (RECORDS, rows)):
            page = book.add_worksheet(name)
            for column, header in enumerate(frame):
                page.write_column(0, column, [str(c) for c in (header, *frame[header])])
    with pytest.raises(InputError) as caught:
        read_form(path, visited("a"))
    for problem in ("缺现场结论", "不是抽中的项目", "第 3 行"):
        assert problem in str(caught.value)


def test_the_estimate_over_all_projects_is_unbiased_and_its_limits_hold():
    """Every sample of 2 of 5 drawn with one certain project beside: the mean of the estimates is the true share."""
    cases = pd.Series({"c": 100.0, **{f"r{k}": 100.0 for k in range(5)}})
    errors = {"c": 30, "r0": 0, "r1": 10, "r2": 20, "r3": 30, "r4": 40}
    true = sum(errors.values()) / 600
    estimates, covered = [], []
    for pair in combinations([f"r{k}" for k in range(5)], 2):
        rows = [("c", 100, errors["c"]), *((r, 100, errors[r]) for r in pair)]
        sites = pd.DataFrame({"project": ["c", *pair], "probability": [1.0, 0.4, 0.4], "certain": [True, False, False]})
        found = over_all(pd.DataFrame(rows, columns=["project", "records", "wrong"]), sites, cases)
        estimates.append(found.share)
        covered.append(found.low <= true <= found.high)
    assert np.mean(estimates) == pytest.approx(true)
    assert np.mean(covered) >= 0.6  # two of five projects: few, and the limits are of the normal law


def test_the_variance_of_a_census_is_that_of_the_records_alone():
    # one certain project, 20 of 200 records, 5 wrong: 0.25 ± 1.96 · √(0.25 · 0.75 / 19 · (1 − 0.1))
    sites = pd.DataFrame({"project": ["c"], "probability": [1.0], "certain": [True]})
    rows = pd.DataFrame([("c", 20, 5)], columns=["project", "records", "wrong"])
    found = over_all(rows, sites, pd.Series({"c": 200.0}))
    half = 1.959964 * (0.25 * 0.75 / 19 * 0.9) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-5)


def test_no_error_is_not_perfect_and_one_drawn_project_gives_no_limits():
    sites = pd.DataFrame({"project": ["a", "b"], "probability": [0.5, 0.5], "certain": [False, False]})
    none = pd.DataFrame([("a", 30, 0), ("b", 30, 0)], columns=["project", "records", "wrong"])
    cases = pd.Series({"a": 300.0, "b": 300.0})
    assert over_all(none, sites, cases).high == pytest.approx(1 - 0.025 ** (1 / 60))
    alone = over_all(none.head(1).assign(wrong=3), sites.head(1), cases)
    assert alone.share == pytest.approx(0.1)
    assert np.isnan(alone.low)


def test_a_boundary_that_is_confirmed_is_settled_and_what_is_refuted_is_mended():
    table = pd.DataFrame(
        {
            "project": list("abcde"),
            "outcome": ["boundary", "boundary", "qualified", "boundary", "boundary"],
            "p_qualified": [0.6, 0.9, 0.9, 0.9, 0.4],
        }
    )
    found = pd.DataFrame({"project": list("abce"), "conclusion": [CONFIRMED, REFUTED, REFUTED, CONFIRMED]})
    final = after_visit(read_rule(), table, found)
    # the fourth was not visited; the last is confirmed, but more likely short of the rule than not
    assert final["final_zh"].tolist() == ["合格", "整改", "整改", "边界", "整改"]


# --- records of a run -----------------------------------------------------------------------------------------------------


def test_records_are_drawn_from_the_projects_own_and_the_seed_decides():
    folder = golden_folder()
    rows, sizes = sampled(folder, ["0009-oncology", "0012-urology"], 6, seed=5)
    assert rows.groupby("project").size().to_dict() == {"0009-oncology": 6, "0012-urology": 6}
    assert rows["year"].between(2022, 2024).all()
    assert not rows.duplicated(["file", "line"]).any()
    assert (sizes > 100).all()
    assert rows.equals(sampled(folder, ["0009-oncology", "0012-urology"], 6, seed=5)[0])
    assert not rows["line"].equals(sampled(folder, ["0009-oncology", "0012-urology"], 6, seed=6)[0]["line"])
    assert with_breaks(folder) == []
    with pytest.raises(ParameterError, match="nobody"):
        sampled(folder, ["nobody"], 6)


def test_a_folder_without_records_gives_no_list(tmp_path):
    with pytest.raises(RunError):
        sampled(tmp_path, ["a"], 5)
