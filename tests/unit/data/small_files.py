"""A small source format and files of it, each record sound unless a test says otherwise. All are 合成数据."""

from __future__ import annotations

import csv
import io
import zipfile
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import rows

from toolkit.data.intake import Intake, take_in
from toolkit.data.reading.formats import FormatMap, format_map
from toolkit.data.reading.groups import Group
from toolkit.data.store import discharges
from toolkit.engine import connect

MAP = """
id: small
title: 合成格式
fields:
  hospital: {column: H}
  record: {column: R}
  visit: {column: V}
  admission_date: {column: IN}
  discharge_date: {column: OUT}
  los_days: {column: DAYS}
  cost_fen: {column: COST, scale: 100}
  died: {column: EXIT, "true": ["5"], "false": ["1"]}
  department: {column: DEPT}
  principal_diagnosis: {column: DX}
  principal_procedure: {column: OP, optional: true}
  surgery_level: {columns: [LEVEL1, LEVEL2x*]}
  drg: {column: DRG}
"""
HEADER = ["H", "R", "V", "IN", "OUT", "DAYS", "COST", "EXIT", "DEPT", "DX", "OP", "LEVEL1", "LEVEL2x01", "DRG"]
SOUND = {
    "H": "0012",
    "V": "1",
    "IN": "2022-03-01",
    "OUT": "2022-03-06",
    "DAYS": "5",
    "COST": "1000.00",
    "EXIT": "1",
    "DEPT": "D1",
    "DX": "I21.0",
    "OP": "36.10",
    "LEVEL1": "3",
    "LEVEL2x01": "-",
    "DRG": "FA11",
}
_numbers = count(1)


def frame_bytes(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def row(**cells: str) -> dict[str, str]:
    return {**SOUND, "R": f"{next(_numbers):06d}", **cells}


def line(**cells: str) -> str:
    return cells_line([row(**cells)[name] for name in HEADER])


def cells_line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def text(*lines: str, end: str = "\n", header: list[str] | None = None) -> str:
    return end.join([cells_line(header or HEADER), *lines, ""])


class Taken:
    """What `take_in` made of files: the intake, its fates and its store as frames."""

    def __init__(self, intake: Intake, connection: Any) -> None:
        self.intake, self.accounts = intake, intake.accounts
        self.files = intake.files.set_index("name")
        self.fates = pd.read_parquet(intake.fates)
        self.store = discharges(connection, intake.store).execute()

    def number(self, name: str) -> int:
        return int(self.files.loc[name, "file"])

    def of(self, name: str) -> pd.DataFrame:
        return self.store[self.store["file"] == self.number(name)].sort_values("line")

    def lines(self, name: str, fate: str = "quarantined") -> dict[int, str]:
        """Line → primary rule of the file's records with this fate."""
        mine = self.fates[(self.fates["file"] == self.number(name)) & (self.fates["fate"] == fate)]
        return dict(zip(mine["line"], mine["rule"], strict=True))

    def balance(self, name: str) -> dict[str, int]:
        mine = self.accounts[self.accounts["file"] == self.number(name)]
        return mine.groupby("fate")["n"].sum().to_dict()


def form(folder: Path, yaml: str = MAP) -> FormatMap:
    path = folder / "map.yaml"
    path.write_text(yaml, encoding="utf-8")
    return format_map(str(path))


def take(
    folder: Path, files: dict[str, bytes], *, yaml: str = MAP, hospitals: list[str] | None = None, **more: Any
) -> Taken:
    """Take files in from `folder/in`."""
    source = folder / "in"
    source.mkdir(exist_ok=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    more.setdefault("quality", {"ragged_share": 1.0})  # of a handful of lines each is more than any share
    params = rows.params(files=tuple(str(source / name) for name in files), **more)
    readable = [source] + ([params.data.drg_file.file] if params.data.drg_file else [])
    connection = connect(folder / "work", readable, threads=2)
    try:
        known = None if hospitals is None else pd.DataFrame({"code": hospitals})
        group = Group(form(folder, yaml), params.data.groups[0])
        return Taken(take_in(params, [group], known, connection, folder / "work"), connection)
    finally:
        connection.disconnect()


# --- workbooks, written cell by cell so that a test knows what each holds ------------------------------------------------

_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill/></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
    "</cellXfs></styleSheet>",
}
DATE, MOMENT = 1, 2  # styles above


def text_cell(ref: str, value: str) -> str:
    return f'<c r="{ref}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def number_cell(ref: str, value: str, style: int = 0) -> str:
    return f'<c r="{ref}" s="{style}"><v>{value}</v></c>'


def workbook(sheet: dict[int, str], dimension: str = "") -> bytes:
    """An .xlsx of one sheet: row number → its cells."""
    body = "".join(f'<row r="{number}">{cells}</row>' for number, cells in sheet.items())
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _PARTS.items():
            archive.writestr(name, '<?xml version="1.0"?>' + content)
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f'<?xml version="1.0"?><worksheet xmlns="{space}">{dimension}<sheetData>{body}</sheetData></worksheet>',
        )
    return out.getvalue()


def letters(position: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[position]
