"""A check as text, JSON and page; what makes it fail. 合成数据."""

from __future__ import annotations

import json

import pytest
from doors import case, params
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError
from toolkit.runs import checking, pipeline

GOOD = (case("02") / "data" / "ok.csv").read_text(encoding="utf-8").splitlines()
FRONT = """run: t
title: 合成数据
data: {{format: front-page, files: [{folder}]}}
cycles: {{before: {{first: 2019, last: 2021}}, after: {{first: 2022, last: 2024}}}}
specialties:
  - {{id: cardiology, name_zh: 心内, departments: ["03.04"]}}
  - {{id: surgery, name_zh: 普外, departments: ["04.01"]}}
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Sixty records of one hospital, and projects of it, of one misspelt, of a specialty that it has not."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    (folder / "~$a.xlsx").write_bytes(b"lock")
    hospital = GOOD[1].split(",")[GOOD[0].split(",").index("A01")]
    given = params(
        folder,
        projects=[
            {"hospital": hospital, "specialty": "cardiology"},
            {"hospital": hospital + "9", "specialty": "cardiology"},
            {"hospital": hospital, "specialty": "empty"},
        ],
        specialties=[
            {"id": "cardiology", "name_zh": "心内", "departments": ["03.04"]},
            {"id": "empty", "name_zh": "眼科", "departments": ["10"]},
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = pipeline.check(given, tmp_path_factory.mktemp("work"))
    return found, given, hospital, folder


def test_a_misspelt_hospital_and_an_empty_specialty_are_failures_with_what_is_near(checked):
    found, _given, hospital, _folder = checked
    assert checking.exit_code(found) == 3
    failures = {f.kind: str(f) for f in found.found.failures if f.kind != "project"}
    assert set(failures) == {"specialty"}
    assert "empty（眼科）" in failures["specialty"]
    projects = [str(f) for f in found.found.failures if f.kind == "project"]
    assert f"没有机构 {hospital}9 的病例" in projects[0]
    assert f"最接近的是 {hospital}" in projects[0]
    assert "该机构的专科有 cardiology" in projects[1]


def test_counts_by_hospital_year_and_month_are_those_of_the_file(checked):
    found, _given, hospital, _folder = checked
    places = [GOOD[0].split(",").index(c) for c in ("A01", "B15")]
    lines = [[line.split(",")[p] for p in places] for line in GOOD[1:]]
    table = found.found.hospitals.set_index(["hospital", "year"])
    for year in range(2019, 2025):
        for month in range(1, 13):
            wanted = sum(1 for h, day in lines if h == hospital and day.startswith(f"{year}-{month:02}"))
            assert table.loc[(hospital, year), f"m{month}"] == wanted
    assert table["n"].sum() == 60


def test_departments_are_matched_or_named_with_their_cases(checked):
    departments = checked[0].found.departments.set_index("department")
    place = GOOD[0].split(",").index("B16C")
    for code in ("03.04", "04.01"):
        n = sum(1 for line in GOOD[1:] if line.split(",")[place] == code)
        assert departments.loc[code, "n"] == n
        assert departments.loc[code, "matched"] == (n if code == "03.04" else 0)


def test_indicators_that_cannot_be_calculated_say_what_they_lack(checked):
    indicators = checked[0].found.indicators.set_index("id")["lacking"]
    assert "complication_share" in indicators
    assert "volume" not in indicators


def test_every_file_stands_on_the_page_and_in_the_json(checked, tmp_path):
    found, given, _hospital, _folder = checked
    checking.write_page(found, given, tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    for said in ("a.csv", "~$a.xlsx", "锁文件", "检查未通过", "没有归入专科的科别", "04.01"):
        assert said in page
    content = json.loads(json.dumps(checking.as_json(found), default=str))
    assert content["passed"] is False
    assert {f["name"] for f in content["files"]} == {"a.csv", "~$a.xlsx"}
    assert sum(row["n"] for row in content["fates"]) == 60


def test_a_run_refuses_a_project_without_records_before_any_verdict(checked, tmp_path):
    _found, given, hospital, _folder = checked
    with pytest.raises(InputError, match=f"没有机构 {hospital}9 的病例"):
        pipeline.evaluate(given, tmp_path / "run")


def test_the_command_passes_where_all_is_matched_and_says_three_where_not(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    file = tmp_path / "p.yaml"
    file.write_text(FRONT.format(folder="in"), encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(file), "-q", "--page", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert "检查通过" in done.output
    assert (tmp_path / "page.html").is_file()


def test_a_year_without_records_stands_with_naught_beside_the_project():
    given = params(case("20") / "data", format="canonical", projects=[{"hospital": "0001", "specialty": "cardiology"}])
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as work:
        found = pipeline.check(given, Path(work)).found
    assert found.projects.iloc[0]["empty"] == "2023"
    years = found.hospitals.set_index(["hospital", "year"])["n"]
    assert years.loc[("0001", 2023)] == 0
    assert years.loc[("0001", 2022)] > 0
