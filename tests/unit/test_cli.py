"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import docx
import pytest

from toolkit.indicators import CATALOGUE

CSV = "hospital,year,los_days,cost_fen,died,drg,department\n" + "".join(
    f"00{h},{y},{1 + (i % 5)},{10_000 + 100 * i},false,F{i % 3}A1,03.04\n"
    for h in (12, 15)
    for y in range(2019, 2025)
    for i in range(20)
)
YAML = """\
run: trial
title: 命令行检验（合成数据）
data: {format: canonical, files: [records.csv]}
cycles: {before: {first: 2019, last: 2021}, after: {first: 2022, last: 2024}}
minimum_unit_cases: 20
specialties: [{id: cardiology, name_zh: 心血管内科, departments: ["03.04"]}]
projects: [{hospital: "0012", specialty: cardiology}]
"""


def speceval(*arguments: str, cwd=None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture
def trial(tmp_path):
    (tmp_path / "records.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "trial.yaml").write_text(YAML, encoding="utf-8")
    return tmp_path


def test_help_names_the_commands():
    done = speceval("--help")
    assert done.returncode == 0
    for command in ("run", "check", "demo", "indicators", "init"):
        assert command in done.stdout


def test_indicators_lists_all_and_explains_one():
    listed = speceval("indicators")
    assert all(i in listed.stdout for i in CATALOGUE)
    one = speceval("indicators", "cost_index")
    assert "费用消耗指数" in one.stdout
    assert "col('cost_kept') / col('ref_cost')" in one.stdout
    assert "hospital | drg" in one.stdout
    facts = json.loads(speceval("indicators", "cmi", "--json").stdout)
    assert facts[0]["id"] == "cmi"


def test_an_unknown_indicator_suggests_the_nearest_and_exits_2():
    done = speceval("indicators", "cost_indx")
    assert done.returncode == 2
    assert "cost_index" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_writes_a_file_that_only_lacks_data(tmp_path):
    done = speceval("init", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0
    again = speceval("init", "mine.yaml", cwd=tmp_path)
    assert again.returncode == 2
    checked = speceval("check", "mine.yaml", cwd=tmp_path)
    assert checked.returncode == 2
    assert "路径不存在" in checked.stderr  # everything else in the template holds


def test_check_accounts_for_every_record(trial):
    done = speceval("check", "trial.yaml", "--json", cwd=trial)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert sum(row["n"] for row in content["fates"]) == 2 * 6 * 20
    assert content["files"][0]["received"] == 240


def test_dry_run_says_what_would_be_done_and_does_nothing(trial):
    done = speceval("run", "trial.yaml", "--dry-run", cwd=trial)
    assert done.returncode == 0
    assert "1 个文件" in done.stdout
    assert "裁剪方法" in done.stdout
    assert not (trial / "reports").exists()


def test_unusable_input_exits_3_with_the_reason(trial):
    (trial / "records.csv").write_bytes(b"\xff\xfe\x00broken\n")
    done = speceval("check", "trial.yaml", cwd=trial)
    assert done.returncode == 3
    assert "records.csv" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_whole_small_run_ends_in_reports_and_an_index(trial):
    done = speceval("run", "trial.yaml", "--json", cwd=trial)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert {r["state"] for r in content["reports"]} == {"DONE"}
    folder = trial / "reports" / "trial"
    page = (folder / "index.html").read_text(encoding="utf-8")
    for report in content["reports"]:
        assert (folder / report["id"] / "report.html").is_file()
        assert f"{report['id']}/report.html" in page
    report = (folder / "0012-cardiology" / "report.html").read_text(encoding="utf-8")
    assert "心血管内科" in report
    assert "参数摘要" in report
    letter = docx.Document()
    letter.add_paragraph("关于{{ title }}的意见")
    letter.save(str(trial / "letter.docx"))
    asked = ("word", "reports/trial", "--template", "letter.docx", "--out", "letters")
    assert speceval(*asked, "--report", "0012-cardiology", cwd=trial).returncode == 0
    assert [p.text for p in docx.Document(str(trial / "letters/0012-cardiology.docx")).paragraphs] == [
        "关于心血管内科建设项目评估报告的意见"
    ]
    unknown = speceval(*asked, "--report", "0012-cardiolgy", cwd=trial)
    assert unknown.returncode == 2
    assert "0012-cardiology" in unknown.stderr
    again = json.loads(speceval("run", "trial.yaml", "--json", cwd=trial).stdout)
    assert {r["state"] for r in again["reports"]} == {"CACHED"}  # same records, parameters and code: same results
