"""Child process that turns every sheet of a workbook into CSV text: `python -m toolkit.data.reading.workbook IN BYTES SECONDS`.

Runs under limits of memory and processor time because a workbook of a few kilobytes can declare millions of columns (rule
F02). The sheets go to standard output one after the other. Cells are written as the text that Excel holds; a number without
fraction has no ".0"; dates that Excel itself types as dates are ISO; of a formula its last value. The last line of standard
error is JSON: the reason of a refusal (exit code 3), or a list of what `SheetText` holds for every sheet, read or not. The
columns with numeric cells are told, because Excel rounds a number of more than 15 digits and drops its zeros.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import resource
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from toolkit.errors import of_the_machine

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

Told = dict[str, Any]  # of a sheet, as JSON
RATIO, UNZIPPED, ENTRIES = 200, 2 << 30, 10_000
BROKEN = "F02"  # the rule that refuses what is too large or broken
ROWS, COLUMNS = 1_048_576, 4_096  # what a sheet can hold; what any front page needs, six times over
CELLS = 200_000_000
DIGITS = 10**15  # the first number that a cell may have rounded
DIMENSION = re.compile(rb'<(?:\w+:)?dimension[^>]*\sref="([A-Z]+)?(\d+)?(?::([A-Z]+)(\d+))?"')


def main(source: Path, memory: int, seconds: int) -> int:
    """Write the sheets of `source` to standard output; 0, or 3 with the reason on standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    with source.open("rb") as handle:
        packed = handle.read(4) == b"PK\x03\x04"
    if packed and (reason := _refusal(source)):
        return _say({"reason": reason, "rule": BROKEN}, 3)
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

    try:
        workbook = CalamineWorkbook.from_path(str(source))
    except PasswordError:
        return _say({"reason": "工作簿有密码，无法读取；请去掉密码后另存", "rule": BROKEN}, 3)
    except (CalamineError, OSError, ValueError) as error:
        return _say(
            {
                "reason": f"工作簿损坏或不是工作簿（{type(error).__name__}）；请用 Excel 或 WPS 打开后另存为 .xlsx",
                "rule": BROKEN,
            },
            3,
        )
    told: list[Told] = []
    try:
        with open(1, "wb", closefd=False) as out:
            for sheet in workbook.sheets_metadata:
                one: Told = {"name": sheet.name, "hidden": sheet.visible != SheetVisibleEnum.Visible}
                if sheet.typ != SheetTypeEnum.WorkSheet:
                    told.append({**one, "reason": "不是数据表（图表或宏表）"})
                    continue
                try:
                    told.append({**one, **_written(workbook.get_sheet_by_name(sheet.name), out)})
                except (CalamineError, ValueError) as error:
                    told.append({**one, "reason": f"工作表损坏（{type(error).__name__}）", "rule": BROKEN})
    except OSError as error:
        if of_the_machine(error):  # the disk is full: the workbook may be whole
            return _say({"errno": error.errno}, 4)
        raise
    return _say({"sheets": told}, 0)


def _say(said: Told, code: int) -> int:
    sys.stderr.write("\n" + json.dumps(said))
    return code


def _written(sheet: CalamineSheet, out: BinaryIO) -> Told:
    """Write a sheet; its bytes from `start` to `end`, its filled `rows`, and by column the lines with numbers."""
    start = out.tell() if out.seekable() else 0
    if sheet.total_height * sheet.total_width > CELLS:
        return {"reason": f"工作表声明 {sheet.total_height}×{sheet.total_width} 格，超过上限，未读取", "rule": BROKEN}
    numbers: dict[int, list[Any]] = {}
    text = _Lines(out)
    writer = csv.writer(text, lineterminator="\n")
    filled = 0
    for line, row in enumerate(sheet.iter_rows(), 1):
        cells = [_text(cell) for cell in row]
        if not any(cells):
            writer.writerow([])  # an empty row of a sheet is a blank line, not a record
            continue
        filled += 1
        writer.writerow(cells)
        if filled == 1:
            continue
        for column, cell in enumerate(row):
            if type(cell) is float or type(cell) is int:
                count = numbers.setdefault(column, [0, []])
                count[0] += 1
                if abs(cell) >= DIGITS:
                    count[1].append(line)
    return {
        "start": start,
        "end": start + text.size,
        "rows": max(0, filled - 1),
        "empty": not filled,
        "numeric": numbers,
    }


class _Lines:
    """A text file of which the bytes are counted."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.size = out, 0

    def write(self, text: str) -> int:
        self.size += self.out.write(text.encode("utf-8", "surrogatepass"))
        return len(text)


def _refusal(source: Path) -> str:
    """Why the archive must not be opened: what it declares, before anything of it is unpacked whole."""
    try:
        archive = zipfile.ZipFile(source)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "不是有效的 xlsx 文件（not a workbook）"
    unzipped, packed = sum(e.file_size for e in entries), max(1, sum(e.compress_size for e in entries))
    if len(entries) > ENTRIES:
        return f"压缩包内有 {len(entries):,} 个文件，上限 {ENTRIES:,}，未读取"
    if unzipped > UNZIPPED or unzipped / packed > RATIO:
        return f"文件过大或压缩异常（解压后 {unzipped:,} 字节，上限 {UNZIPPED:,}；压缩比上限 {RATIO}），未读取"
    for entry in entries:
        if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", entry.filename):
            continue
        with archive.open(entry) as sheet:  # where it is broken, the parent refuses what ends without an answer
            declared = DIMENSION.search(sheet.read(4096))
        width, height = (
            (_column(declared[3] or declared[1] or b"A"), int(declared[4] or declared[2] or 1)) if declared else (1, 1)
        )
        if width > COLUMNS or height > ROWS or width * height > CELLS:
            return f"工作表声明 {height:,} 行 {width:,} 列（上限 {ROWS:,} 行 {COLUMNS:,} 列、{CELLS:,} 格），文件过大，未读取"
    return ""


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < DIGITS:
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    return str(cell).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
