"""Two runs held against each other (合成数据): what turned a verdict is what was planted to turn it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import test_cohorts as world
import test_summed_runs as small

from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.two_runs import Cause, changed, moved, project_changes, verdicts
from toolkit.params import RunParams
from toolkit.running.publish import canonical
from toolkit.runs import two_runs
from toolkit.runs.pipeline import evaluate
from toolkit.runs.plan import write_index
from toolkit.runs.run_manifest import MANIFEST, write_run_manifest

BY_DATA = {"hospital": "A", "specialty": "s1"}  # cheaper after its start in the later data alone
BY_CHOICE = {"hospital": "B", "specialty": "s1"}  # cheaper by a quarter in both; the later rule asks for more


def run(folder: Path, rows: pd.DataFrame, important: float) -> tuple[Path, RunParams]:
    """A finished run without reports."""
    folder.mkdir(parents=True)
    rows.to_csv(folder / "rows.csv", index=False)
    change = {**small.PLAIN["change"], "primary": ["cost_index"], "minimum_important": important}
    params = small.of(
        {"format": "canonical", "files": [str(folder / "rows.csv")]}, projects=[BY_DATA, BY_CHOICE], change=change
    )
    made = folder / "run"
    results = evaluate(params, made)
    write_index(results, made, [])
    write_run_manifest(results, made, [], {})
    return made, params


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    rows = pd.read_csv(world.records(folder), dtype={"died": str, "surgical": str})
    rows = rows[rows["year"].between(2019, 2024)]
    after = (rows["department"] == "D1") & (rows["year"] >= 2022)

    def cheaper(hospital: str, share: float) -> pd.Series:
        return rows["cost_fen"].where(~(after & (rows["hospital"] == hospital)), (rows["cost_fen"] * share).round())

    rows["cost_fen"] = cheaper("B", 0.75).astype("int64")
    earlier = run(folder / "earlier", rows, 0.05)
    rows["cost_fen"] = cheaper("A", 0.55).astype("int64")
    return earlier, run(folder / "later", rows, 0.5)


def test_each_changed_verdict_is_laid_to_what_was_planted_to_change_it(pair, tmp_path):
    (earlier, one), (later, other) = pair
    said: list[str] = []
    found = two_runs.compare(earlier, later, params=(one, other), say=said.append)
    assert found.causes == [Cause.DATA, Cause.CHOICE]
    assert dict(zip(found.changed["hospital"], found.changed["cause"], strict=True)) == {"A": "数据", "B": "政策选择"}
    assert len(said) == 1
    assert "前一次的政策选择，后一次的数据" in said[0]


def test_without_the_parameter_files_it_says_that_it_cannot_tell(pair):
    (earlier, _), (later, _) = pair
    found = two_runs.compare(earlier, later, say=pytest.fail)
    assert set(found.changed["cause"]) == {"?"}
    text = two_runs.as_text(found)
    assert "须重算才能分清" in text
    assert "最小有意义变化" in text
    assert "数据文件：内容不同" in text


def test_a_run_equals_itself(pair):
    (earlier, _), _ = pair
    found = two_runs.compare(earlier, earlier, say=pytest.fail)
    assert (len(found.changed), found.inputs, int(found.moved["differ"].sum())) == (0, [], 0)


def test_the_numbers_that_moved_are_those_of_a_plain_comparison(pair):
    (earlier, _), (later, _) = pair
    key = ["hospital", "specialty", "period"]
    tables = []
    for folder in (earlier, later):
        cells = pd.read_parquet(folder / "results" / "cells.parquet").query("level == 'unit'")
        tables.append(cells[(cells["indicator"] == "mean_cost") & (cells["basis"] == "contemporaneous")].set_index(key))
    ratio = (tables[1]["value"] / tables[0]["value"]).dropna()
    shown = moved(*(two_runs.load(folder / "results") for folder in (earlier, later)))
    row = shown[(shown["indicator"] == "mean_cost") & (shown["basis"] == "contemporaneous")].iloc[0]
    assert row["n"] == len(ratio)
    assert row["differ"] == (ratio != 1).sum()
    assert row["largest"] == pytest.approx((ratio - 1).abs().max())


def test_a_project_that_one_run_alone_has_is_named(pair):
    (earlier, _), (later, _) = pair
    one, other = (two_runs.load(folder / "results") for folder in (earlier, later))
    less = other.units.assign(project=other.units["project"].where(other.units["hospital"] != "A", ""))
    without = type(other)(params=other.params, facts=other.facts, tables={**other.tables, "units": less})
    assert set(project_changes(without)["hospital"]) == {"B"}
    gone = changed(verdicts(one, without)).set_index("hospital")["verdict_now"]
    assert pd.isna(gone["A"])


def test_data_that_are_no_longer_those_of_the_run_are_refused_before_anything_is_made(pair, tmp_path):
    (earlier, one), (later, other) = pair
    text = Path(one.data.files[0]).read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "rows.csv").write_text("".join(text[:-1]), encoding="utf-8")
    moved_on = one.model_copy(update={"data": one.data.model_copy(update={"files": [str(tmp_path / "rows.csv")]})})
    with pytest.raises(ParameterError, match="已不是这次运行用的"):
        two_runs.compare(earlier, later, params=(moved_on, other), say=lambda _: None)


def test_a_folder_that_is_no_run_and_a_name_that_is_no_format_are_refused(pair, tmp_path):
    with pytest.raises(RunError, match="不是一次已完成运行"):
        two_runs.compare(tmp_path, pair[0][0], say=pytest.fail)
    with pytest.raises(ParameterError, match="不能写成"):
        two_runs.writer(tmp_path / "out.txt")


@pytest.mark.parametrize("suffix", [".html", ".docx", ".pdf"])
def test_it_is_written_as_a_page_and_for_word_and_print(pair, tmp_path, suffix):
    (earlier, _), (later, _) = pair
    found = two_runs.compare(earlier, later, say=pytest.fail)
    path = tmp_path / "deep" / f"two{suffix}"
    two_runs.writer(path)(found)
    start = {".html": b"\n<!DOCTYPE html>", ".docx": b"PK", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().lstrip().startswith(start.lstrip())
    if suffix == ".html":
        assert "data:font/woff2;base64," in path.read_text("utf-8")


def test_the_json_holds_every_table(pair):
    (earlier, _), (later, _) = pair
    told = json.loads(canonical(two_runs.as_json(two_runs.compare(earlier, later, say=pytest.fail))))
    assert told["verdicts"] == 2
    assert [row["verdict_then"] for row in told["changed"]] == [row["verdict_then"] for row in told["changed"]]
    assert (earlier / MANIFEST).is_file()
