"""Small tables that people keep beside the records: code lists, gazetteer, crosswalk, department table. Strict, with lines."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import InputError, did_you_mean


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


def read_listing(path: Path, what: str, needed: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV table (UTF-8 or GB18030), in their order.

    Parameters
    ----------
    what
        Name of the table in messages, e.g. 手术分级目录.
    needed
        Columns that must stand in the header, and whose cells may not be empty unless they end in `?`.

    Raises
    ------
    InputError
        No text, a column absent, unknown or twice, a ragged row, an empty needed cell, or no row at all.
    """
    may_be_empty = {c.removesuffix("?") for c in needed if c.endswith("?")} | set(optional)
    needed = [c.removesuffix("?") for c in needed]
    reader = csv.reader(io.StringIO(_text(Path(path), what), newline=""))
    lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    header = [name.lower() for name in lines[0][1]] if lines else []
    _check_header(header, path, what, needed, optional)
    rows = []
    for number, cells in lines[1:]:
        where = f"{path}:{number}"
        if len(cells) != len(header):
            raise InputError(
                f"{what}的一行有 {len(cells)} 列，表头有 {len(header)} 列",
                "ragged row",
                where=where,
                remedy="修正该行",
                remedy_english="mend the row",
            )
        row = dict.fromkeys((*needed, *optional), "") | dict(zip(header, cells, strict=True))
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


def _text(path: Path, what: str) -> str:
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:  # a workbook is no text, whatever its bytes decode to
            return text
    raise InputError(
        f"{what}不是 UTF-8 或 GB18030 的 CSV",
        "the table is no CSV in UTF-8 or GB18030",
        where=str(path),
        remedy="另存为 UTF-8 的 CSV",
        remedy_english="save it as CSV in UTF-8",
    )


def _check_header(header: list[str], path: Path, what: str, needed: Sequence[str], optional: Sequence[str]) -> None:
    known = [*needed, *optional]
    if missing := [c for c in needed if c not in header]:
        raise InputError(
            f"{what}缺少列 {'、'.join(missing)}",
            f"columns missing: {missing}",
            where=f"{path}:1",
            remedy=f"列: {','.join(known)}",
            remedy_english=f"columns: {','.join(known)}",
        )
    if strange := [c for c in header if c not in known]:
        raise InputError(
            f"{what}有未知的列 {'、'.join(strange)}",
            "unknown columns",
            where=f"{path}:1",
            **did_you_mean(strange[0], known, f"列: {','.join(known)}", f"columns: {','.join(known)}"),
        )
    if len(set(header)) != len(header):
        raise InputError(f"{what}的列名重复", "a column stands twice", where=f"{path}:1", remedy="每列一个名称")


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
