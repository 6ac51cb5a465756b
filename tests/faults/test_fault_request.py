"""T17, T18 and T24: what is refused before anything starts, and what makes a report stale."""

import dataclasses
import shutil

import papermill
import pytest
from small_reports import job, write_template

from toolkit.errors import ContractBroken, ParameterError
from toolkit.running import execute, is_current, report_folder, run_report, verify
from toolkit.running.manifest import software
from toolkit.running.report import identity


@pytest.mark.filterwarnings("default")  # papermill's own
@pytest.mark.parametrize("tagged", [0, 2])
def test_papermill_alone_lets_the_notebook_overwrite_the_parameter(tagged, template, tmp_path):
    path = template("print(year)", tagged=tagged)
    executed = papermill.execute_notebook(
        str(path), None, {"year": 2023}, kernel_name="python3", language="python", progress_bar=False
    )
    assert executed.cells[-1].outputs[0].text == "2019\n"


@pytest.mark.parametrize("tagged", [0, 2])
def test_a_template_needs_exactly_one_parameters_cell(tagged, template, run):
    outcome = run_report(job(run, template("1", tagged=tagged)))
    assert outcome.state == "REFUSED"
    assert "恰有一个 parameters 单元" in outcome.message
    assert not (run / "r1").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"year": 2023, "yeer": 2023}, "没有参数 'yeer'，是否为 'year'"),
        ({}, "缺少参数 'year'"),
        ({"year": "2023"}, "'year' 应为 int，得到 str"),
        ({"year": True}, "'year' 应为 int，得到 bool"),
        ({"year": 2023.0}, "'year' 应为 int，得到 float"),
        ({"year": 2023, "x=1;open('PWNED','w')#": 1}, "没有参数"),
    ],
)
def test_parameters_must_fit_exactly(given, told, template, tmp_path):
    with pytest.raises(ParameterError) as caught:
        execute(template("1"), given, tmp_path / "work")
    assert told in str(caught.value)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "line", ["year = 2019", "year: int = 2018 + 1", "year: date = 1", "year: int = '1'", "import os", "!ls"]
)
def test_a_parameters_cell_holds_plain_declarations_only(line, tmp_path):
    with pytest.raises(ContractBroken, match="名称: 类型 = 默认值"):
        execute(write_template(tmp_path, parameters=line), {"year": 1}, tmp_path / "work")


@pytest.mark.parametrize("name", ["../escape", "a/b", "", "x" * 65, "省立医院", "http:", "{year}", "a.b", "."])
def test_ids_cannot_leave_the_run_directory(name, run):
    with pytest.raises(ParameterError):
        report_folder(run, name)


def test_every_difference_is_named_and_no_stale_report_is_served(template, run, tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("1,2")
    asked = job(run, template("print(year)"), inputs=[data])
    assert run_report(asked).state == "DONE"
    now = identity(asked, software(), {})
    assert verify(run / "r1", now) == []
    assert is_current(run / "r1", now.key)
    packages = {**now.software.packages, "pandas": "3.0.0"}
    upgraded = dataclasses.replace(now, software=dataclasses.replace(now.software, packages=packages, lock="x"))
    other = dataclasses.replace(now, parameters={"year": 2024}, inputs={"data.csv": "0"}, software=upgraded.software)
    told = "\n".join(verify(run / "r1", other))
    assert not is_current(run / "r1", other.key)
    assert not is_current(run / "r1", upgraded.key)
    assert "package pandas: " in told
    assert "→ 3.0.0" in told
    for part in ("lock file", "parameter year: 2023 → 2024", "input data.csv"):
        assert part in told
    data.write_text("1,3")
    assert "input data.csv" in "".join(verify(run / "r1", identity(asked, software(), {})))
    assert run_report(asked).state == "DONE"
    assert run_report(asked).state == "CACHED"


def test_each_changed_byte_is_named_and_redone(template, run):
    asked = job(run, template("print(year)"))
    assert run_report(asked).state == "DONE"
    shutil.copytree(run / "r1", run / "whole")
    for name in ("report.html", "notebook.ipynb", "manifest.json"):
        whole = (run / "whole" / name).read_bytes()
        for position in {0, len(whole) // 2, len(whole) - 1}:
            changed = bytearray(whole)
            changed[position] ^= 1
            (run / "r1" / name).write_bytes(changed)
            assert any(line.startswith(name) for line in verify(run / "r1")), (name, position)
            assert not is_current(run / "r1", identity(asked, software(), {}).key)
        (run / "r1" / name).write_bytes(whole)
    assert verify(run / "r1") == []
    (run / "r1" / "report.html").write_bytes(b"<p>2024</p>")
    assert run_report(asked).state == "DONE"
    assert (run / "r1" / "report.html").read_bytes() == (run / "whole" / "report.html").read_bytes()


def test_a_manifest_cut_at_any_length_is_no_manifest(template, run):
    asked = job(run, template("1"))
    key = run_report(asked).key
    path = run / "r1" / "manifest.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert not is_current(run / "r1", key)
    path.unlink()
    assert verify(run / "r1")
    assert run_report(asked).state == "DONE"
    assert path.read_bytes() == whole


def test_a_saved_template_is_the_same_template(template, run):
    path = template("print(year)")
    assert run_report(job(run, path)).state == "DONE"
    path.write_text(path.read_text().replace('"id": "c1"', '"id": "fresh"').replace('"outputs": []', '"outputs": [{}]'))
    assert run_report(job(run, path)).state == "CACHED"
