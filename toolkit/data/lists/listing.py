"""Small tables that people keep beside the records: code lists, gazetteer, crosswalk, department table. Strict, with lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import plain_name
from toolkit.data.reading.header import take
from toolkit.data.reading.opening import open_tables
from toolkit.data.reading.text_rows import LINE, frame
from toolkit.errors import InputError, did_you_mean
from toolkit.written_form import plain_form, written_form


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    where
        `file:line`, for messages.
    cells
        Column → trimmed text, "" where empty; every column that may stand in the table is present.
    """

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def read_listing(
    path: Path,
    what: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    *,
    codes: Sequence[str] = (),
    others: bool = False,
) -> list[Row]:
    """The rows of a table in any format that records may have, in their order. The only reader of tables of lists.

    Parameters
    ----------
    what
        Name of the table in messages, e.g. 手术分级目录.
    needed
        Columns that must stand in the header, and whose cells may not be empty unless they end in `?`.
    codes
        Columns that hold codes: written in their one form, as those of records are.
    others
        Whether further columns may stand in it, which nobody reads.

    Raises
    ------
    InputError
        No table, a column absent, unknown or twice, a ragged row, an empty needed cell, or no row at all.
    """
    may_be_empty = {c.removesuffix("?") for c in needed if c.endswith("?")} | set(optional)
    needed = [c.removesuffix("?") for c in needed]
    known = [*needed, *optional]
    with TemporaryDirectory() as work:
        tables = open_tables(0, Path(path), Path(work))
        source = _chosen(tables, path, what, needed)
        table = _rows(source, path, what)
        for other in tables:
            other.close()
    header = [plain_name(name) for name in source.header]
    _check_header(header, path, what, needed, known, others)
    places = [(column, header.index(column)) for column in known if column in header]
    rows = []
    for line, *cells in table:
        where = f"{path}:{line}"
        row = dict.fromkeys(known, "")
        for column, place in places:
            row[column] = written_form(cells[place]) if column in codes else plain_form(cells[place])
        for column in needed:
            if not row[column] and column not in may_be_empty:
                raise InputError(
                    f"{what}的 {column} 为空",
                    "an empty cell",
                    where=f"{where} {column}",
                    remedy="填写或删去该行",
                    remedy_english="fill it or drop the row",
                )
        rows.append(Row(where=where, cells=row))
    if not rows:
        raise InputError(f"{what}没有数据行", "the table has no row", where=str(path), remedy="检查文件")
    return rows


def _chosen(tables: Sequence[SourceFile], path: Path, what: str, needed: Sequence[str]) -> SourceFile:
    """The table of the file that has the columns, else the first that can be read."""
    readable = [table for table in tables if not table.rejected]
    if not readable:
        raise InputError(
            f"{what}不可读",
            "the table cannot be read",
            where=str(path),
            remedy=f"{tables[0].rejected}；可另存为 UTF-8 的 CSV",
            remedy_english="save it as CSV in UTF-8",
        )
    for table in readable:
        for head in table.heads:
            if set(needed) <= {plain_name(cell) for cell in head.cells}:
                take(table, head)
                return table
    return readable[0]


def _rows(source: SourceFile, path: Path, what: str) -> list[list[Any]]:
    """Line and cells of every row that holds anything."""
    if source.stored == "parquet":
        raise InputError(
            f"{what}不可读",
            "the table cannot be read",
            where=str(path),
            remedy="请用 CSV 或 xlsx",
            remedy_english="as CSV or xlsx",
        )
    table = frame(source)
    if source.refused:
        one = source.refused[0]
        raise InputError(
            f"{what}的一行有 {one.cells or '不能确定的'} 列，表头有 {len(source.header)} 列",
            "ragged row, or a quotation mark that is not closed",
            where=f"{path}:{one.line}",
            remedy="修正该行的列数或引号",
            remedy_english="mend the row",
        )
    if source.rejected and source.received:
        raise InputError(f"{what}不可读", "the table cannot be read", where=str(path), remedy=source.rejected)
    cells = table.drop(columns=LINE).to_numpy()
    rows = [[int(line), *row] for line, row in zip(table[LINE], cells, strict=True)]
    return [row for row in rows if any(str(cell).strip() for cell in row[1:])]


def _check_header(
    header: list[str], path: Path, what: str, needed: Sequence[str], known: Sequence[str], others: bool
) -> None:
    if missing := [c for c in needed if c not in header]:
        raise InputError(
            f"{what}缺少列 {'、'.join(missing)}",
            f"columns missing: {missing}",
            where=f"{path}:1",
            remedy=f"列: {','.join(known)}",
            remedy_english=f"columns: {','.join(known)}",
        )
    if strange := [c for c in header if c and c not in known and not others]:
        raise InputError(
            f"{what}有未知的列 {'、'.join(strange)}",
            "unknown columns",
            where=f"{path}:1",
            **did_you_mean(strange[0], known, f"列: {','.join(known)}", f"columns: {','.join(known)}"),
        )
    if any(header.count(column) > 1 for column in known):
        raise InputError(f"{what}的列名重复", "a column stands twice", where=f"{path}:1", remedy="每列一个名称")


def number_of(row: Row, column: str, what: str) -> float:
    """The number in a cell, not below 0.

    Raises
    ------
    InputError
        Anything else.
    """
    try:
        number = float(row[column])
    except ValueError:
        number = float("nan")
    if not 0 <= number < 1e15:
        raise InputError(
            f"{what}的 {column} 不是有效的数",
            f"{column} is no valid number",
            where=f"{row.where} {column}",
            remedy="写成不带千分位的数",
            remedy_english="write a plain number",
        )
    return number


def day_of(row: Row, column: str) -> dt.date | None:
    """The date `yyyy-mm-dd` in a cell, None where it is empty.

    Raises
    ------
    InputError
        Anything else.
    """
    if not row[column]:
        return None
    try:
        return dt.date.fromisoformat(row[column])
    except ValueError:
        raise InputError(
            "日期无效",
            "not a date",
            where=f"{row.where} {column}",
            remedy="写成 2022-01-01",
            remedy_english="write 2022-01-01",
        ) from None


def year_of(row: Row, column: str) -> int | None:
    """The year in a cell, None where it is empty.

    Raises
    ------
    InputError
        Anything but four digits.
    """
    if not row[column]:
        return None
    if len(row[column]) != 4 or not row[column].isascii() or not row[column].isdigit():
        raise InputError(
            "年份无效",
            "not a year",
            where=f"{row.where} {column}",
            remedy="写成四位年份，如 2022",
            remedy_english="four digits",
        )
    return int(row[column])
