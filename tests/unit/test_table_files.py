"""`speceval tables`: result tables as a person with a spreadsheet gets them, from both editions."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.results import save
from toolkit.evaluation.tables import TABLES
from toolkit.params import DisclosurePolicy
from toolkit.release.disclosure import released
from toolkit.runs import golden


def tables(*arguments):
    """The command's output; what it raises, raised."""
    done = CliRunner().invoke(app, ["tables", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.reader(handle))


@pytest.fixture(scope="module")
def exact():
    """The small demo (合成数据), with a hospital whose name is a formula."""
    made = golden()
    hospitals = made.hospitals.copy()
    hospitals.loc[0, "name"] = "=HYPERLINK(1)"
    hospitals.loc[1, "name"] = "+86"
    return replace(made, tables={**made.tables, "hospitals": hospitals})


@pytest.fixture(scope="module")
def run(exact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "demo"
    save(exact, folder / "results")
    return folder


@pytest.fixture(scope="module")
def release(exact, run):
    folder = run.with_name("demo-release")
    save(released(exact, DisclosurePolicy()), folder / "results")
    return folder


def test_every_table_and_a_list_of_all_columns_is_written(run, tmp_path):
    said = json.loads(tables(run, "--out", tmp_path / "out", "--json"))
    assert set(said["files"]) == {"columns.csv", *(f"{one.name}.csv" for one in TABLES)}
    assert said["withheld"] == []
    for one in TABLES:
        path = tmp_path / "out" / f"{one.name}.csv"
        assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "no mark by which a spreadsheet knows UTF-8"
        stored = pd.read_parquet(run / "results" / f"{one.name}.parquet")
        header, *rows = read(path)
        assert header == list(stored.columns)
        assert len(rows) == len(stored)
    listed = read(tmp_path / "out" / "columns.csv")
    assert ["units", "eligible", "eligible", "是/否", "", "每个周期都达到最少例数", ""] in listed


def test_numbers_come_back_as_they_are_and_what_is_missing_is_empty(run, tmp_path):
    tables(run, "--out", tmp_path / "out", "--table", "cells", "--table", "changes")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "cells.csv",
        "changes.csv",
        "columns.csv",
        "tables.json",
    ]
    stored = pd.read_parquet(run / "results" / "cells.parquet")
    header, *rows = read(tmp_path / "out" / "cells.csv")
    value, n = header.index("value"), header.index("n")
    for at in range(0, len(rows), 997):
        assert int(rows[at][n]) == stored["n"].iloc[at]
        if pd.isna(stored["value"].iloc[at]):
            assert rows[at][value] == ""
        else:
            assert float(rows[at][value]) == stored["value"].iloc[at]
    judged = [row for row in read(tmp_path / "out" / "changes.csv")[1:]]
    at = read(tmp_path / "out" / "changes.csv")[0].index("judged_n_before")
    assert all("." not in row[at] for row in judged), "a number of cases with a point"


def test_text_that_looks_like_a_formula_is_text_in_both_kinds_of_files(run, tmp_path):
    tables(run, "--out", tmp_path / "out", "--table", "hospitals", "--xlsx")
    names = [row[1] for row in read(tmp_path / "out" / "hospitals.csv")[1:]]
    assert names[:2] == ["'=HYPERLINK(1)", "'+86"]
    book = tmp_path / "out" / "hospitals.xlsx"
    rows = CalamineWorkbook.from_path(str(book)).get_sheet_by_name("hospitals").to_python()
    assert [row[1] for row in rows[1:3]] == ["'=HYPERLINK(1)", "'+86"]
    assert rows[1][0] == "0009", "a code lost its zeros"
    with zipfile.ZipFile(book) as archive:
        sheets = [archive.read(n) for n in archive.namelist() if n.startswith("xl/worksheets/")]
    assert sheets
    assert not any(b"<f>" in sheet or b"<hyperlink" in sheet for sheet in sheets)


def test_a_workbook_holds_numbers_as_numbers_and_leaves_missing_ones_blank(run, tmp_path):
    tables(run, "--out", tmp_path / "out", "--table", "grades", "--xlsx")
    stored = pd.read_parquet(run / "results" / "grades.parquet")
    rows = CalamineWorkbook.from_path(str(tmp_path / "out" / "grades.xlsx")).get_sheet_by_name("grades").to_python()
    assert rows[0] == list(stored.columns)
    at = {name: rows[0].index(name) for name in ("n", "ln_rate")}
    assert [row[at["n"]] for row in rows[1:]] == stored["n"].tolist()
    blank = [row[at["ln_rate"]] == "" for row in rows[1:]]
    assert blank == stored["ln_rate"].isna().tolist()
    assert 0 < sum(blank) < len(blank)


def test_a_table_longer_than_a_sheet_goes_on_in_the_next(run, tmp_path, monkeypatch):
    from toolkit.data.accounts import spreadsheet
    from toolkit.runs import table_files

    monkeypatch.setattr(table_files, "SHEET_ROWS", 40)
    monkeypatch.setattr(spreadsheet, "SHEET_ROWS", 40)
    tables(run, "--out", tmp_path / "out", "--table", "units", "--xlsx")
    book = CalamineWorkbook.from_path(str(tmp_path / "out" / "units.xlsx"))
    stored = pd.read_parquet(run / "results" / "units.parquet")
    assert len(stored) == 76
    assert book.sheet_names == ["units", "units (2)"]
    ids = [row[-1] for name in book.sheet_names for row in book.get_sheet_by_name(name).to_python()[1:]]
    assert ids == stored["id"].tolist()


def test_chinese_headers_say_units_and_words_instead_of_ids(run, tmp_path):
    tables(run, "--out", tmp_path / "out", "--table", "accounts", "--table", "units", "--chinese-headers")
    header, *rows = read(tmp_path / "out" / "accounts.csv")
    assert header == ["文件号", "机构", "年", "去向", "规则", "所触规则", "例数"]
    assert {row[3] for row in rows} == {"纳入", "排除", "隔离"}
    header, *rows = read(tmp_path / "out" / "units.csv")
    assert header[2:5] == ["各周期例数（n_before）", "各周期例数（n_after）", "例数足够"]
    assert {row[4] for row in rows} == {"是", "否"}


def test_the_release_edition_gives_out_its_tables_only_and_says_which_it_does_not(release, tmp_path):
    said = tables(release, "--out", tmp_path / "out")
    written = {p.stem for p in (tmp_path / "out").glob("*.csv")} - {"columns"}
    assert written == {one.name for one in TABLES if one.release}
    assert "发布版不给出" in said
    assert "diseases" in said
    header, *rows = read(tmp_path / "out" / "cells.csv")
    assert all(row[header.index("x")] == "" for row in rows)
    assert all(not n or int(n) % 5 == 0 for n in (row[header.index("n")] for row in rows))
    with pytest.raises(ParameterError, match="发布版不给出结果表 diseases"):
        tables(release, "--out", tmp_path / "more", "--table", "diseases")
    assert not (tmp_path / "more").exists()


def test_equal_runs_give_equal_bytes_and_an_own_folder_is_replaced_as_a_whole(run, tmp_path):
    out = tmp_path / "out"
    tables(run, "--out", out, "--table", "units", "--xlsx")
    first = {p.name: p.read_bytes() for p in out.iterdir()}
    tables(run, "--out", out, "--table", "units", "--xlsx")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == first
    tables(run, "--out", out, "--table", "monthly")
    assert sorted(p.name for p in out.iterdir()) == ["columns.csv", "monthly.csv", "tables.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "something is left beside it"


def test_what_is_not_its_own_is_never_written_over(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ParameterError, match="不是本命令写的文件") as caught:
        tables(run, "--out", out)
    assert str(out / "mine.txt") in str(caught.value)
    assert [p.name for p in out.iterdir()] == ["mine.txt"]

    own = tmp_path / "own"
    tables(run, "--out", own, "--table", "units")
    (own / "units.csv").write_text("changed by hand", "utf-8")
    with pytest.raises(ParameterError, match="被改动过"):
        tables(run, "--out", own, "--table", "units")
    assert (own / "units.csv").read_text("utf-8") == "changed by hand"

    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ParameterError, match="不是文件夹"):
        tables(run, "--out", tmp_path / "file")
    (tmp_path / "link").symlink_to(own)
    with pytest.raises(ParameterError, match="不是文件夹"):
        tables(run, "--out", tmp_path / "link")
    with pytest.raises(ParameterError, match="在运行目录之内"):
        tables(run, "--out", run / "results")


def test_a_name_that_is_no_table_and_a_folder_that_is_no_run_are_refused(run, tmp_path):
    with pytest.raises(ParameterError, match=r"没有结果表 cell[\s\S]*是否为 cells"):
        tables(run, "--out", tmp_path / "out", "--table", "cell")
    with pytest.raises(RunError, match="不是一次已完成运行的文件夹"):
        tables(tmp_path, "--out", tmp_path.with_name("elsewhere"))
