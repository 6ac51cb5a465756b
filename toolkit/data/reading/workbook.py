"""Child process that turns the first sheet of an .xlsx into CSV text: `python -m toolkit.data.reading.workbook IN BYTES SECONDS`.

Runs under limits of memory and processor time because a workbook of a few kilobytes can declare millions of columns (rule
F02). Rows go to standard output. Cells are written as the text that Excel holds; a number without fraction has no ".0";
dates that Excel itself types as dates are ISO. The last line of standard error is JSON: the reason of a refusal (exit
code 3), or the columns with numeric cells, because Excel rounds a number of more than 15 digits and drops its zeros.
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
from typing import Any

RATIO, UNZIPPED, ENTRIES = 200, 2 << 30, 10_000
ROWS, COLUMNS = 1_048_576, 4_096  # what a sheet can hold; what any front page needs, six times over
CELLS = 200_000_000
DIGITS = 10**15  # the first number that a cell may have rounded
DIMENSION = re.compile(rb'<(?:\w+:)?dimension[^>]*\sref="([A-Z]+)?(\d+)?(?::([A-Z]+)(\d+))?"')


def main(source: Path, memory: int, seconds: int) -> int:
    """Write the first sheet of `source` to standard output; 0, or 3 with the reason on standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if reason := _refusal(source):
        return _refuse(reason)
    from python_calamine import CalamineWorkbook

    sheet = CalamineWorkbook.from_path(str(source)).get_sheet_by_index(0)
    if sheet.total_height * sheet.total_width > CELLS:
        return _refuse(f"工作表声明 {sheet.total_height}×{sheet.total_width} 格，超过上限，未读取（规则F02）")
    numbers: dict[int, list[Any]] = {}
    header: list[str] = []
    with open(1, "w", encoding="utf-8", newline="", closefd=False) as out:
        writer = csv.writer(out, lineterminator="\n")
        for line, row in enumerate(sheet.iter_rows(), 1):
            cells = [_text(cell) for cell in row]
            if not any(cells):
                writer.writerow([])  # an empty row of a sheet is a blank line, not a record
                continue
            writer.writerow(cells)
            if not header:
                header = cells
                continue
            for column, cell in enumerate(row):
                if type(cell) is float or type(cell) is int:
                    count = numbers.setdefault(column, [0, []])
                    count[0] += 1
                    if abs(cell) >= DIGITS:
                        count[1].append(line)
    sys.stderr.write(
        "\n" + json.dumps({"numeric": {header[c]: found for c, found in numbers.items() if c < len(header)}})
    )
    return 0


def _refuse(reason: str) -> int:
    sys.stderr.write("\n" + json.dumps({"reason": reason}))
    return 3


def _refusal(source: Path) -> str:
    """Why the archive must not be opened: what it declares, before anything of it is unpacked whole."""
    try:
        archive = zipfile.ZipFile(source)
        entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "不是有效的 xlsx 文件（not a workbook，规则F02）"
    unzipped, packed = sum(e.file_size for e in entries), max(1, sum(e.compress_size for e in entries))
    if len(entries) > ENTRIES:
        return f"压缩包内有 {len(entries):,} 个文件，上限 {ENTRIES:,}，未读取（规则F02）"
    if unzipped > UNZIPPED or unzipped / packed > RATIO:
        return (
            f"文件过大或压缩异常（解压后 {unzipped:,} 字节，上限 {UNZIPPED:,}；压缩比上限 {RATIO}），未读取（规则F02）"
        )
    for entry in entries:
        if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", entry.filename):
            continue
        with archive.open(entry) as sheet:  # where it is broken, the parent refuses what ends without an answer
            declared = DIMENSION.search(sheet.read(4096))
        width, height = (
            (_column(declared[3] or declared[1] or b"A"), int(declared[4] or declared[2] or 1)) if declared else (1, 1)
        )
        if width > COLUMNS or height > ROWS or width * height > CELLS:
            return f"工作表声明 {height:,} 行 {width:,} 列（上限 {ROWS:,} 行 {COLUMNS:,} 列、{CELLS:,} 格），文件过大，未读取（规则F02）"
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
