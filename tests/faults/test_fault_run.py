"""A whole run, tables, reports, index and manifest together: what it was made from, made again, and given away."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from whole_runs import made, told, write_region

from toolkit.errors import InputError, RunError
from toolkit.evaluation.results import load
from toolkit.params import load_params
from toolkit.running import publish
from toolkit.running.manifest import Software, software
from toolkit.running.publish import read_state, write_state
from toolkit.runs import taking_in, verification
from toolkit.runs.crate import METADATA, export_crate
from toolkit.runs.evaluated import read_evaluation
from toolkit.runs.run_manifest import read_run_manifest
from toolkit.runs.verification import compare_runs, verify_run


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A whole run by the command line, in this process's zone and locale, with two workers."""
    folder = tmp_path_factory.mktemp("first")
    write_region(folder / "data")
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "run", "data/trial.yaml", "--quiet", "-j", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def copy(first, tmp_path):
    """The first run, to be tampered with."""
    return shutil.copytree(first / "reports" / "trial", tmp_path / "trial")


# --- what was this made from --------------------------------------------------------------------------------------------


def test_a_run_as_it_was_made_verifies(first, copy):
    assert told(first / "reports" / "trial") == []
    checked = verify_run(copy, load_params(first / "data" / "trial.yaml"))
    assert checked.differences == ()
    assert checked.unchecked == ()
    assert read_state(copy)["state"] == "DONE"


def test_the_manifest_names_everything_and_no_time_or_host(copy):
    content = read_run_manifest(copy)
    identity = content["identity"]
    assert [row["name"] for row in sorted(identity["raw"], key=lambda r: r["name"])] == [
        "0012.csv",
        "0015.csv",
        "0018.csv",
    ]
    assert {"rules", "indicators", "measures"} == set(identity["declarations"])
    assert "data/reading/formats/canonical.yaml" in identity["package"]
    assert {"weight", "ref_cost", "risk_grade"} <= set(content["references"]["frozen"])
    assert {"data_quality", "0012-cardiology"} <= set(content["reports"])
    assert all("report.html" in report["files"] for report in content["reports"].values())
    text = (copy / "manifest.json").read_text("utf-8")
    record = json.loads((copy / "run.json").read_text("utf-8"))
    assert record["host"]
    assert record["seconds"]["tables"] > 0
    for word in (record["finished"], "/tmp/", "seconds"):
        assert word not in text


def test_a_changed_digit_in_a_report(copy):
    path = copy / "data_quality" / "report.html"
    page = path.read_text("utf-8")
    place = re.search(r"<td[^>]*>(\d)", page).start(1)
    path.write_text(page[:place] + str((int(page[place]) + 1) % 10) + page[place + 1 :], encoding="utf-8")
    [difference] = verify_run(copy).differences
    assert difference.where == "data_quality/report.html"
    assert difference.expected != difference.found
    assert "应为" in str(difference)
    assert "expected" in str(difference)


def test_a_changed_table(copy):
    path = copy / "results" / "cells.parquet"
    cells = pd.read_parquet(path)
    cells.loc[7, "x"] = 12345.0
    cells.to_parquet(path, index=False, compression="zstd")
    assert told(copy)[0].startswith("结果表 results/cells.parquet：应为")


def test_a_changed_record_store_and_a_table_too_many(copy):
    store = next((copy / "data" / "discharges").glob("*.parquet"))
    store.write_bytes(store.read_bytes()[:-1])
    (copy / "results" / "more.parquet").write_bytes(b"x")
    lines = told(copy)
    assert any(f"data/discharges/{store.name}" in line for line in lines)
    assert any("results/more.parquet" in line and "多出" in line for line in lines)


def test_a_changed_raw_file(first, copy, tmp_path):
    moved = shutil.copytree(first / "data", tmp_path / "data")
    path = moved / "0015.csv"
    path.write_text(path.read_text("utf-8").replace("false", "true", 1), encoding="utf-8")
    lines = told(copy, load_params(moved / "trial.yaml"))
    assert len(lines) == 1
    assert lines[0].startswith("原始文件 0015.csv：应为")


def test_raw_files_that_are_gone_are_said_to_be_unchecked(copy):
    record = json.loads((copy / "run.json").read_text("utf-8"))
    record["places"]["data.files"] = ["/nowhere/0012.csv"]
    (copy / "run.json").write_text(json.dumps(record), encoding="utf-8")
    checked = verify_run(copy)
    assert checked.differences == ()
    assert "原始数据" in checked.unchecked[0]


def test_a_changed_parameter_is_named_with_both_values(first, copy, tmp_path):
    path = copy / "results" / "parameters.json"
    path.write_text(path.read_text("utf-8").replace('"los_over_days": 60', '"los_over_days": 90'), encoding="utf-8")
    assert told(copy)[0].startswith("参数 exclusions.los_over_days：应为 60，现为 90（parameter")
    other = shutil.copytree(first / "data", tmp_path / "data") / "trial.yaml"
    other.write_text(other.read_text("utf-8") + "trimming: {method: none}\n", encoding="utf-8")
    assert any(
        line.startswith("参数 trimming.method：应为 iqr，现为 none")
        for line in told(first / "reports" / "trial", load_params(other))
    )


def test_another_version_of_code_package_or_lock(copy, monkeypatch):
    files = {**verification.code_files(), "indicators/efficiency.py": "0" * 64}
    monkeypatch.setattr(verification, "code_files", lambda: files)
    now = software()
    other = Software(code="0" * 64, lock="1" * 64, packages={**now.packages, "pandas": "9.9"})
    monkeypatch.setattr(verification, "software", lambda: other)
    lines = told(copy)
    assert lines[0].startswith("程序文件 indicators/efficiency.py：应为")
    assert any(line.startswith(f"软件包 pandas：应为 {now.packages['pandas']}，现为 9.9") for line in lines)
    assert any("requirements.lock" in line for line in lines)


def test_a_manifest_cut_or_absent_and_a_report_gone(copy):
    whole = (copy / "manifest.json").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (copy / "manifest.json").write_bytes(whole[:length])
        assert told(copy)[0].startswith("清单 manifest.json")
    (copy / "manifest.json").unlink()
    write_state(copy, publish.State.RUNNING)
    assert "RUNNING" in told(copy)[0]
    (copy / "manifest.json").write_bytes(whole)
    shutil.rmtree(copy / "data_quality")
    assert any("data_quality/report.html" in line and "缺失" in line for line in told(copy))
    (copy / "old_report").mkdir()
    shutil.copy(copy / "indicators" / "manifest.json", copy / "old_report" / "manifest.json")
    assert any("old_report" in line and "不属于" in line for line in told(copy))


def test_no_folder_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(RunError, match="没有文件夹"):
        verify_run(tmp_path / "absent")


def test_raw_files_changed_while_they_were_read_are_refused(first):
    """What was hashed at the start must be what was read: `_unchanged` holds the two against each other."""
    run = first / "reports" / "trial"
    files, raw = load(run / "results").files, read_evaluation(run)["identity"]["raw"]
    taking_in._unchanged(raw, files)
    files.loc[1, "sha256"] = "0" * 64
    with pytest.raises(InputError, match=r"0015\.csv 在运行中被改动"):
        taking_in._unchanged(raw, files)


# --- the same numbers again ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_reproduced_elsewhere_in_another_zone_and_locale_with_one_worker(first, tmp_path):
    """`verify --rerun` of data that lie elsewhere, listed in another order: every table and page has the same bytes."""
    moved = write_region(tmp_path / "elsewhere", order=("0018", "0012", "0015"))
    environment = {**os.environ, "TZ": "America/New_York", "LC_ALL": "C", "LANG": "C"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "toolkit",
            "verify",
            str(first / "reports" / "trial"),
            "--rerun",
            "--params",
            str(moved),
            "-j",
            "1",
            "--json",
        ],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert json.loads(done.stdout)["verified"]


@pytest.mark.slow
def test_shuffled_rows_give_the_same_tables_and_pages(first, tmp_path):
    """Equal: every table but the register of files; of facts, all but the hash of the data, which names other bytes.

    Pages are compared with that hash blotted out. The store is sorted by line, so it is not compared.
    """
    path = write_region(tmp_path / "data", shuffled=True)
    made(params=str(path), reports=str(tmp_path / "reports"), only=["region_report", "data_quality"])
    then, now = first / "reports" / "trial", tmp_path / "reports" / "trial"
    for name in sorted(p.name for p in (then / "results").iterdir()):
        one, other = then / "results" / name, now / "results" / name
        if name == "files.parquet":
            left, right = (pd.read_parquet(p).drop(columns="sha256") for p in (one, other))
            pd.testing.assert_frame_equal(left, right)
        elif name == "facts.json":
            left, right = (json.loads(p.read_text("utf-8")) for p in (one, other))
            assert left.pop("data_hash") != right.pop("data_hash")
            assert left == right
        else:
            assert one.read_bytes() == other.read_bytes(), name
    hashes = [json.loads((f / "results" / "facts.json").read_text("utf-8"))["data_hash"] for f in (then, now)]
    for id_ in ("region_report", "data_quality", "0012-cardiology"):
        pages = [(f / id_ / "report.html").read_text("utf-8") for f in (then, now)]
        blotted = [page.replace(h[:12], "…").replace(h, "…") for page, h in zip(pages, hashes, strict=True)]
        assert blotted[0] == blotted[1], id_


def test_a_reproduction_names_the_first_number_that_differs(first, copy):
    path = copy / "results" / "cells.parquet"
    cells = pd.read_parquet(path)
    row = int(cells["value"].first_valid_index())
    then = cells.loc[row, "value"]
    cells.loc[row, "value"] = then + 1
    cells.to_parquet(path, index=False, compression="zstd")
    page = copy / "region_report" / "annex.html"
    page.write_text(page.read_text("utf-8").replace("收到", "得到", 1), encoding="utf-8")
    [table, rendered] = list(compare_runs(copy, first / "reports" / "trial"))
    assert table.where.startswith(f"cells.parquet 第 {row + 1} 行")
    assert table.where.endswith("列 column value")
    assert table.expected == repr(cells.loc[row, "value"])
    assert table.found == repr(then)
    assert "region_report/annex.html 第" in rendered.where
    assert "得到" in rendered.expected
    assert "收到" in rendered.found


# --- export -------------------------------------------------------------------------------------------------------------


def test_the_crate_describes_every_file_and_holds_no_record(first, tmp_path):
    run = first / "reports" / "trial"
    names = export_crate(run, tmp_path / "crate")
    content = json.loads((tmp_path / "crate" / METADATA).read_text("utf-8"))
    assert content["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(entities) == len(content["@graph"])
    descriptor = entities[METADATA]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= set(root)

    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else []
            for part in value.values():
                yield from references(part)
        elif isinstance(value, list):
            for part in value:
                yield from references(part)

    for wanted in references(content["@graph"]):
        assert wanted in entities or wanted.startswith(("http:", "https:")), wanted
    reached, waiting = set(), ["./"]
    while waiting:
        for part in entities[waiting.pop()].get("hasPart", []):
            reached.add(part["@id"])
            waiting.append(part["@id"])
    on_disk = {p.relative_to(tmp_path / "crate").as_posix() for p in (tmp_path / "crate").rglob("*") if p.is_file()}
    assert on_disk == set(names)
    assert on_disk - {METADATA} <= reached
    for name in (
        "manifest.json",
        "index.html",
        "results/parameters.json",
        "data_quality/notebook.ipynb",
        "data_quality/report.html",
    ):
        assert name in on_disk
    assert not [
        n for n in on_disk if n.startswith(("data/", ".private")) or "fates" in n or "cube" in n or n.endswith(".csv")
    ]
    assert str(first) not in "".join(
        p.read_text("utf-8", "ignore") for p in (tmp_path / "crate").rglob("*") if p.suffix in {".json", ".html"}
    )


def test_equal_runs_give_equal_archives_and_a_changed_run_is_not_exported(first, copy, tmp_path):
    export_crate(first / "reports" / "trial", tmp_path / "one.zip")
    export_crate(copy, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    (copy / "index.html").write_text("x")
    with pytest.raises(RunError, match="没有通过核对"):
        export_crate(copy, tmp_path / "three.zip")
    assert not (tmp_path / "three.zip").exists()
