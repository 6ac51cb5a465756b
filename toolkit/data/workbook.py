"""Child process that turns the first sheet of an .xlsx into CSV text: `python -m toolkit.data.workbook IN OUT BYTES`.

Runs under memory limits because a workbook of a few kilobytes can declare millions of columns (rule F02). Cells are
written as the text that Excel holds; a number without fraction has no ".0"; dates that Excel itself types as dates are
ISO. The reason of a refusal goes to standard output as JSON, with exit code 3.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import resource
import sys
import zipfile
from pathlib import Path

RATIO, UNZIPPED, CELLS = 200, 2 << 30, 200_000_000


def main(source: Path, out: Path, memory: int) -> int:
    """Write the first sheet of `source` to `out`; 0, or 3 with the reason on standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    reason = _refusal(source)
    if reason:
        sys.stdout.write(json.dumps({"reason": reason}))
        return 3
    from python_calamine import CalamineWorkbook

    sheet = CalamineWorkbook.from_path(str(source)).get_sheet_by_index(0)
    if sheet.total_height * sheet.total_width > CELLS:
        sys.stdout.write(
            json.dumps({"reason": f"工作表声明 {sheet.total_height}×{sheet.total_width} 格，超过上限，未读取"})
        )
        return 3
    with out.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        for row in sheet.iter_rows():
            cells = [_text(cell) for cell in row]
            writer.writerow(cells if any(cells) else [])  # an empty row of a sheet is a blank line, not a record
    return 0


def _refusal(source: Path) -> str:
    try:
        entries = zipfile.ZipFile(source).infolist()
    except zipfile.BadZipFile:
        return "不是有效的 xlsx 文件（not a workbook）"
    unzipped, packed = sum(e.file_size for e in entries), max(1, sum(e.compress_size for e in entries))
    if unzipped > UNZIPPED or unzipped / packed > RATIO:
        return f"文件过大或压缩异常（解压后 {unzipped:,} 字节，上限 {UNZIPPED:,}；压缩比上限 {RATIO}），未读取"
    return ""


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, dt.date):
        return cell.isoformat()
    return str(cell).replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
