"""The cases behind a number: as many as the cell counts, the same that a plain reading of the records finds, and the review read back.

The run is the small demo, all 合成数据.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.data.discharge import identity
from toolkit.errors import EvaluationError, InputError, ParameterError, RunError
from toolkit.evaluation.results import load
from toolkit.resources import kept
from toolkit.runs import cases as behind
from toolkit.runs import demo, review


@pytest.fixture(scope="module")
def run() -> Path:
    demo.golden()
    return kept() / ".golden"


@pytest.fixture(scope="module")
def results(run):
    return load(run / "results")


@pytest.fixture(scope="module")
def stored(run) -> pd.DataFrame:
    """The records themselves, of the second cycle."""
    parts = [pd.read_parquet(f) for f in sorted((run / "data" / "discharges").glob("*.parquet"))]
    whole = pd.concat(parts, ignore_index=True)
    return whole[whole["year"] >= 2022]


@pytest.fixture(scope="module")
def hospital(stored) -> str:
    return str(stored["hospital"].mode()[0])


def keys(results, rows: pd.DataFrame) -> set[tuple[str, int]]:
    names = results.files.set_index("file")["name"]
    return {(names[f], int(n)) for f, n in zip(rows["file"], rows["line"], strict=True)}


def listed(cases: pd.DataFrame) -> set[tuple[str, int]]:
    return set(zip(cases["file"], cases["line"].astype(int), strict=True))


def yes(column: pd.Series) -> pd.Series:
    return column.fillna(False).astype(bool)


def test_the_deaths_listed_are_those_in_the_records(run, results, stored, hospital):
    found = behind.case_list(run, "mortality", hospital)
    assert listed(found) == keys(results, stored[(stored["hospital"] == hospital) & yes(stored["died"])])
    assert len(found) > 5


@pytest.mark.parametrize(
    ("indicator", "flag"),
    [("complication_share", "complication"), ("readmission_share", "readmitted"), ("transfers_in", "transferred_in")],
)
def test_flagged_cases_are_those_that_carry_the_flag(run, results, stored, hospital, indicator, flag):
    found = behind.case_list(run, indicator, hospital)
    marked = keys(results, stored[(stored["hospital"] == hospital) & yes(stored[flag])])
    assert listed(found) <= marked
    cell = results.cells.query("level == 'hospital' and basis == 'contemporaneous' and period == 'after'")
    [counted] = cell[(cell["indicator"] == indicator) & (cell["hospital"] == hospital)]["x"]
    assert len(found) == counted > 0


def test_high_risk_deaths_are_the_deaths_in_drgs_of_grade_4(run, results, stored, hospital):
    grades = results.grades.query("basis == 'contemporaneous' and window == 'after' and grade == 4")["drg"]
    if results.facts.insufficient["contemporaneous"]:
        assert behind.case_list(run, "high_risk_survival", hospital).empty
        return
    own = stored[(stored["hospital"] == hospital) & yes(stored["died"]) & stored["drg"].isin(grades)]
    assert listed(behind.case_list(run, "high_risk_survival", hospital)) == keys(results, own)


def test_a_year_and_a_specialty_narrow_the_list(run, stored, hospital):
    whole = behind.case_list(run, "mortality", hospital)
    part = behind.case_list(run, "mortality", hospital, period="2023")
    assert listed(part) == listed(whole[whole["year"] == 2023])
    specialty = str(whole["specialty"].iloc[0])
    assert set(behind.case_list(run, "mortality", hospital, specialty=specialty)["specialty"]) == {specialty}


def test_outliers_lie_outside_limits_set_on_the_region(run, stored, hospital):
    found = behind.case_list(run, "los_outliers", hospital, period="2023")
    year = stored[(stored["year"] == 2023) & stored["los_usable"] & stored["drg"].notna()]
    level = load(run / "results").hospitals.set_index("code")["level_group"]
    group = year[year["hospital"].map(level) == level[hospital]]
    q1, q3 = (group.groupby("drg")["los_days"].quantile(q) for q in (0.25, 0.75))
    own = group[group["hospital"] == hospital]
    low, high = own["drg"].map(q1 - 0.5 * (q3 - q1)), own["drg"].map(q3 + 1.5 * (q3 - q1))
    outside = own[(own["los_days"] < low - 1e-9) | (own["los_days"] > high + 1e-9)]
    assert listed(found) == keys(load(run / "results"), outside)
    assert len(outside) > 0


@pytest.mark.parametrize(
    ("indicator", "more", "word"),
    [
        ("cmi", {}, "不是逐例的事件"),
        ("cost_index", {}, "不是逐例的事件"),
        ("drg_count", {}, "不是逐例的事件"),
        ("mortalty", {}, "mortality"),
        ("mortality", {"specialty": "nothing"}, "没有专科"),
        ("mortality", {"period": "1999"}, "没有时段"),
    ],
)
def test_what_cannot_be_listed_is_refused_with_its_reason(run, hospital, indicator, more, word):
    with pytest.raises(ParameterError, match=word):
        behind.case_list(run, indicator, hospital, **more)


def test_an_unknown_hospital_is_refused(run):
    with pytest.raises(ParameterError, match="没有机构"):
        behind.case_list(run, "mortality", "no-such")


def test_of_no_case_the_list_is_empty_with_its_columns(run, results, hospital, monkeypatch):
    none = pd.DataFrame(
        {"file": pd.Series(dtype="int64"), "line": pd.Series(dtype="int64"), "risk_grade": pd.Series(dtype=float)}
    )
    monkeypatch.setattr(behind, "_events", lambda *_: none)
    found = behind.case_list(run, "mortality", hospital, specialty=results.params.specialties[0].id)
    assert found.empty
    assert list(found) == behind.COLUMNS


def test_without_records_there_is_no_list(run, tmp_path, hospital):
    shutil.copytree(run / "results", tmp_path / "results")
    with pytest.raises(RunError, match="没有病例记录"):
        behind.case_list(tmp_path, "mortality", hospital)


# --- record numbers -------------------------------------------------------------------------------------------------------


def test_record_numbers_come_back_only_with_the_key_and_the_numbers(tmp_path):
    key = tmp_path / "key"
    key.write_text("0f" * 32)
    known = identity.pseudonym_of("A", "00123", "2", identity.read_key(key))
    cases = pd.DataFrame({"hospital": "A", "pseudonym": [known, "f" * 16], "record": ""})
    (tmp_path / "mine.csv").write_text("record,visit\n00123,2\n00124,1\n")
    assert behind.with_records(cases, tmp_path / "mine.csv", key)["record"].tolist() == ["00123", ""]
    key.write_text("1e" * 32)
    assert behind.with_records(cases, tmp_path / "mine.csv", key)["record"].tolist() == ["", ""]


# --- the form -------------------------------------------------------------------------------------------------------------


def filled(cases: pd.DataFrame, path: Path, answers: dict[int, tuple[str, str, str]]) -> Path:
    """A form as somebody fills it in."""
    review.write_form(cases, path, "合成")
    form = (
        pd.read_csv(path, dtype=str, keep_default_na=False)
        if path.suffix == ".csv"
        else pd.read_excel(path, dtype=str, keep_default_na=False, engine="calamine")
    )
    for row, given in answers.items():
        form.loc[row, ["可避免", "编码错误", "病情危重"]] = list(given)
    made = path.with_name(f"filled{path.suffix}")
    if path.suffix == ".csv":
        form.to_csv(made, index=False)
    else:
        form.to_excel(made, index=False, engine="xlsxwriter")
    return made


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_answers_come_back_as_they_were_given(run, hospital, tmp_path, suffix):
    cases = behind.case_list(run, "mortality", hospital)
    form = filled(cases, tmp_path / f"form{suffix}", {0: ("是", "否", ""), 1: ("", "是", "是")})
    answers = review.read_form(form, cases)
    assert len(answers) == len(cases)
    assert dict((n, (y, no)) for n, y, no, _ in review.answered(answers)) == {
        "可避免": (1, 0),
        "编码错误": (1, 1),
        "病情危重": (1, 0),
    }


def test_a_wrongly_coded_case_leaves_both_sums_and_both_numbers_are_shown(run, results, hospital, tmp_path):
    cases = behind.case_list(run, "mortality", hospital)
    answers = review.read_form(filled(cases, tmp_path / "f.csv", {0: ("", "是", ""), 1: ("", "是", "")}), cases)
    found = review.without_errors(results, "mortality", hospital, cases, answers)
    whole = found[found["level"] == "hospital"].set_index("counted")
    assert whole.loc["原值", "x"] == len(cases)
    both = whole[["x", "y"]].astype(float)
    assert (both.loc["原值"] - both.loc["剔除编码错误"]).tolist() == [2, 2]
    assert whole.loc["剔除编码错误", "value"] == pytest.approx(100 * (len(cases) - 2) / (whole.loc["原值", "y"] - 2))
    units = found[found["level"] == "unit"]
    gone = units[units["counted"] == "原值"]["x"].sum() - units[units["counted"] == "剔除编码错误"]["x"].sum()
    assert gone == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda f: f.assign(编码错误="也许"), "编码错误须填"),
        (lambda f: f.assign(行号="999999"), "不是清单中的病例"),
        (lambda f: pd.concat([f, f.iloc[[0]]]), "同一病例填了两行"),
        (lambda f: f.drop(columns="行号"), "缺少列"),
    ],
    ids=["answer", "line", "twice", "column"],
)
def test_a_spoilt_form_is_refused_with_its_line(run, hospital, tmp_path, change, word):
    cases = behind.case_list(run, "mortality", hospital).head(3)
    review.write_form(cases, tmp_path / "f.csv", "合成")
    change(pd.read_csv(tmp_path / "f.csv", dtype=str, keep_default_na=False)).to_csv(tmp_path / "g.csv", index=False)
    with pytest.raises(InputError, match=word) as refused:
        review.read_form(tmp_path / "g.csv", cases)
    assert "g.csv:" in str(refused.value)
    assert isinstance(refused.value, EvaluationError)


def test_the_command_lists_writes_and_reads_back(run, hospital, tmp_path):
    form = tmp_path / "form.xlsx"
    asked = ["cases", str(run), "--indicator", "mortality", "--hospital", hospital]
    first = CliRunner().invoke(app, [*asked, "--form", str(form)])
    assert first.exit_code == 0
    assert form.is_file()
    again = CliRunner().invoke(app, [*asked, "--review", str(form), "--json"])
    assert again.exit_code == 0
    assert '"剔除编码错误"' in again.output
