"""Tables for spreadsheet programs: csv and xlsx in which text stays text, and equal rows give equal bytes."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

SHEET_ROWS = 1_000_000
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
END = "\r\n"  # of a line


def defused(cell: object) -> object:
    """Text that a spreadsheet would take for a formula, as text. Numbers stay numbers."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """UTF-8 with the mark by which spreadsheets know it."""
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, lineterminator=END)
        writer.writerow(header)
        writer.writerows([defused(cell) for cell in row] for row in rows)


class Workbook:
    """An .xlsx written row by row; text stays text, and equal rows give equal bytes."""

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self.book = xlsxwriter.Workbook(str(path), options)
        self.book.set_properties({"created": dt.datetime(2000, 1, 1)})  # no clock in a result
        self.head = self.book.add_format({"bold": True, "bg_color": "#EEF1F4", "text_wrap": True, "valign": "top"})
        self.plain = self.book.add_format({"text_wrap": True, "valign": "top"})

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *caught: object) -> None:
        self.book.close()

    def sheet(self, title: str, header: Sequence[str], widths: Sequence[int]) -> None:
        """Begin a sheet; the one before is finished."""
        self.current, self.at = self.book.add_worksheet(title), 0
        for column, width in enumerate(widths):
            self.current.set_column(column, column, width)
        self.current.freeze_panes(1, 0)
        self._write(header, self.head)

    def row(self, cells: Sequence[object]) -> None:
        """Add a row, as long as the sheet has room."""
        if self.at < SHEET_ROWS:
            self._write(cells, self.plain)

    def _write(self, cells: Sequence[object], style: object) -> None:
        for column, cell in enumerate(cells):
            if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
                self.current.write_blank(self.at, column, None, style)
            elif isinstance(cell, bool):
                self.current.write_boolean(self.at, column, cell, style)
            elif isinstance(cell, int | float):
                self.current.write_number(self.at, column, cell, style)
            else:
                self.current.write_string(self.at, column, str(cell), style)
        self.at += 1
