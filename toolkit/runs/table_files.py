"""Result tables as csv and xlsx for people with a spreadsheet: `speceval tables RUN --out DIR`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from toolkit.data.accounts.spreadsheet import SHEET_ROWS, Workbook, defused, write_csv
from toolkit.declared import KIND_ZH, Col, TableDecl
from toolkit.errors import ParameterError, nearest
from toolkit.evaluation.results import RESULTS, Results, load
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.running.notebook import file_hash
from toolkit.running.publish import beside, canonical, exchange, explained

MARK = "tables.json"  # by which a folder is known as written here, with the hash of every file in it
MADE_BY = "speceval tables"
COLUMNS = "columns.csv"
YES_NO = {True: "是", False: "否"}


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: names of the files, and of the tables that the release edition does not give out."""

    files: tuple[str, ...]
    withheld: tuple[str, ...]


def write_tables(
    run: Path, to: Path, *, names: Sequence[str] = (), xlsx: bool = False, chinese: bool = False
) -> Written:
    """The tables of a finished run, of either edition, as files for spreadsheets, and a list of all their columns.

    Parameters
    ----------
    run
        Folder of the run.
    to
        A new or empty folder, or one that was written here before and has not been touched since: it is replaced.
    names
        Only these tables; all where empty.
    xlsx
        Workbooks beside the csv.
    chinese
        Headers, and ids of closed lists, in Chinese words.

    Raises
    ------
    RunError
        The folder holds no finished run.
    ParameterError
        No such table, one that the edition does not give out, or a folder that holds what was not written here.
    """
    _refuse_foreign(run, to)
    results = load(run / RESULTS)
    given, withheld = _given(results)
    chosen = _chosen(names, given)
    staging = beside(to.absolute(), "tmp")
    with explained(staging.parent):
        try:
            staging.mkdir(parents=True)
            for one in chosen:
                _write(one, results.tables[one.name], staging, xlsx=xlsx, chinese=chinese)
            write_csv(staging / COLUMNS, _HEADER, _columns(chosen, results, chinese))
            hashes = {path.name: file_hash(path) for path in sorted(staging.iterdir())}
            mark = {"made_by": MADE_BY, "run": results.params.run, "edition": results.params.edition, "files": hashes}
            (staging / MARK).write_bytes(canonical(mark))
            if to.exists():
                exchange(staging, to)
            else:
                staging.rename(to)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return Written(files=tuple(hashes), withheld=tuple(one.name for one in withheld))


def _given(results: Results) -> tuple[list[TableDecl], list[TableDecl]]:
    """Tables that the run's edition gives out, and those that it does not."""
    whole = results.params.edition != "release"
    return [t for t in TABLES if whole or t.release], [t for t in TABLES if not (whole or t.release)]


def _chosen(names: Sequence[str], given: Sequence[TableDecl]) -> list[TableDecl]:
    for name in names:
        if name not in TABLE:
            raise ParameterError(
                f"没有结果表 {name}",
                "no such table",
                where="--table",
                remedy=f"是否为 {nearest(name, TABLE) or 'cells'}? 见 docs/tables.md",
                remedy_english="see docs/tables.md",
            )
        if TABLE[name] not in given:
            raise ParameterError(
                f"发布版不给出结果表 {name}（{TABLE[name].zh}）",
                "the release edition does not give this table out",
                where="--table",
                remedy="用内部评估版的运行目录",
                remedy_english="use the run's internal edition",
            )
    return [one for one in given if not names or one.name in names]


def _refuse_foreign(run: Path, to: Path) -> None:
    """Nothing is written into a run, nor over what somebody else has put there."""

    def refused(what: str, english: str, where: Path) -> ParameterError:
        return ParameterError(
            what, english, where=str(where), remedy="换一个新文件夹", remedy_english="choose a new folder"
        )

    if to.resolve().is_relative_to(run.resolve()):
        raise refused("--out 在运行目录之内，会使核对失败", "the folder lies in the run", to)
    if not to.exists() and not to.is_symlink():
        return
    if to.is_symlink() or not to.is_dir():
        raise refused("--out 不是文件夹", "not a folder", to)
    found = {path.name for path in to.iterdir()}
    if not found:
        return
    try:
        mark = json.loads((to / MARK).read_bytes())
        files = dict(mark["files"]) if mark["made_by"] == MADE_BY else {}
    except (OSError, ValueError, KeyError, TypeError):
        files = {}
    if foreign := sorted(found - set(files) - {MARK}):
        raise refused("文件夹中有不是本命令写的文件", "a file there was not written by this command", to / foreign[0])
    for name in sorted(found - {MARK}):
        if not (to / name).is_file() or file_hash(to / name) != files[name]:
            raise refused("文件在写出后被改动过", "a file was changed after it was written", to / name)


# --- one table ------------------------------------------------------------------------------------------------------------


def header_of(column: Col, name: str) -> str:
    """The Chinese header of a column of the frame."""
    unit = f"（{column.unit}）" if column.unit and column.unit not in column.zh else ""
    return column.zh + unit + (f"（{name}）" if column.several else "")


def _write(one: TableDecl, frame: pd.DataFrame, folder: Path, *, xlsx: bool, chinese: bool) -> None:
    columns = {str(name): one.col(str(name)) for name in frame.columns}
    header = [header_of(c, name) if chinese and c else name for name, c in columns.items()]
    ready = pd.DataFrame({name: _ready(frame[name], c, chinese) for name, c in columns.items() if c})
    ready.to_csv(folder / f"{one.name}.csv", index=False, header=header, encoding="utf-8-sig", lineterminator="\r\n")
    if xlsx:
        with Workbook(folder / f"{one.name}.xlsx") as book:
            for start in range(0, max(len(ready), 1), SHEET_ROWS - 1):
                part = ready.iloc[start : start + SHEET_ROWS - 1]
                book.sheet(one.name if not start else f"{one.name} ({start // (SHEET_ROWS - 1) + 1})", header, ())
                cells = [part[name].astype(object).where(part[name].notna(), None).tolist() for name in part]
                for row in zip(*cells, strict=True):
                    book.row(row)


def _ready(values: pd.Series, column: Col, chinese: bool) -> pd.Series:
    """A column as it is written: whole numbers without a point, text without formulas, words where they are asked for."""
    if column.kind is int:
        return values.astype("Int64")
    if column.kind is bool:
        return values.map(YES_NO) if chinese else values
    if column.kind is str:
        words = dict(column.words) if chinese else {}
        return values.astype(object).map({v: words.get(v, defused(v)) for v in values.dropna().unique()})
    return values


_HEADER = ("表", "列", "表头", "类型", "单位", "说明", "取值")


def _columns(tables: Sequence[TableDecl], results: Results, chinese: bool) -> Iterator[tuple[str, ...]]:
    """One row a column of what was written."""
    for one in tables:
        for name in map(str, results.tables[one.name].columns):
            if column := one.col(name):
                words = "；".join(f"{id_} {zh}" for id_, zh in column.words)
                header = header_of(column, name) if chinese else name
                kind = KIND_ZH[column.kind]
                yield one.name, name, header, kind, column.unit, column.meaning or column.zh, words
