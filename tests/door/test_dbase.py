"""dBASE tables (.dbf), and DATASUS's compressed ones (.dbc). Written by another library, and by the format's description.

The .dbc is packed here without any repetition: of the compression (PKWARE's implode) only literals and the end mark are used.
All data are 合成数据.
"""

from __future__ import annotations

import datetime as dt

import pytest
from doors import checked

dbf = pytest.importorskip("dbf", reason="writes the tables; a package of the developers' lock")
pytest.importorskip("dbfread", reason="the optional extra formats")

FORM = """id: table
title: 合成 dBASE 表
fields:
  hospital: {column: JGDM}
  record: {column: BAH}
  visit: {column: CS}
  admission_date: {column: RY}
  discharge_date: {column: CY}
  cost_fen: {column: FY, scale: 100}
  department: {column: KB}
  principal_diagnosis: {column: ZD}
  died: {column: SW, "true": [T]}
"""
FIELDS = "JGDM C(8); BAH C(12); CS N(3,0); RY D; CY D; FY N(12,2); KB C(12); ZD C(10); SW L"
ROWS = 30


def table(path, codepage):
    made = dbf.Table(str(path), FIELDS, codepage=codepage)
    made.open(dbf.READ_WRITE)
    for n in range(ROWS):
        day = dt.date(2022, 3, 1 + n % 20)
        name = "心内" if n % 2 and codepage != "ascii" else "03.04"
        made.append(("0012", f"B{n:05}", 1, day, day + dt.timedelta(days=5), 1234.5 + n, name, "I21.900", n % 10 == 0))
    made.close()
    return path


def form(tmp_path):
    (tmp_path / "f.yaml").write_text(FORM, encoding="utf-8")
    return str(tmp_path / "f.yaml")


def implode(content: bytes) -> bytes:
    """Every byte as a literal: a 0 and its eight bits, the lowest first; then the end: a 1, seven 0, eight 1."""
    bits = "".join("0" + f"{byte:08b}"[::-1] for byte in content) + "1" + "0" * 7 + "1" * 8
    bits += "0" * (-len(bits) % 8)
    return bytes([0, 6]) + bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


@pytest.mark.slow
@pytest.mark.parametrize("codepage", ["ascii", "utf8", "cp936"])
def test_a_dbf_is_read_whatever_its_code_page(tmp_path, codepage):
    (tmp_path / "in").mkdir()
    table(tmp_path / "in" / "A.DBF", codepage)
    with checked(tmp_path / "in", format=form(tmp_path)) as door:
        assert (door.received, len(door.store)) == (ROWS, ROWS)
        assert set(door.store["los_days"]) == {5}
        assert sorted(door.store["cost_fen"]) == [123450 + 100 * n for n in range(ROWS)]
        assert door.store["died"].sum() == 3
        if codepage != "ascii":
            assert door.store["department"].value_counts().to_dict() == {"心内": 15, "03.04": 15}


def test_records_marked_as_deleted_are_counted_and_not_read(tmp_path):
    (tmp_path / "in").mkdir()
    path = table(tmp_path / "in" / "a.dbf", "ascii")
    made = dbf.Table(str(path))
    made.open(dbf.READ_WRITE)
    for n in (3, 7):
        dbf.delete(made[n])
    made.close()
    with checked(tmp_path / "in", format=form(tmp_path)) as door:
        assert (door.received, len(door.store)) == (ROWS - 2, ROWS - 2)
        assert "2 条记录在文件中已标为删除" in door.files["warnings"].iloc[0]


def test_a_dbc_holds_the_same_records_as_its_dbf(tmp_path):
    pytest.importorskip("datasus_dbc", reason="the optional extra formats")
    (tmp_path / "in").mkdir()
    content = table(tmp_path / "a.dbf", "ascii").read_bytes()
    header = int.from_bytes(content[8:10], "little")
    (tmp_path / "in" / "a.dbc").write_bytes(content[:header] + b"\0" * 4 + implode(content[header:]))
    with checked(tmp_path / "in", format=form(tmp_path)) as door:
        assert "dbc" in door.files["kind"].iloc[0]
        assert (door.received, len(door.store)) == (ROWS, ROWS)
        assert sorted(door.store["cost_fen"]) == [123450 + 100 * n for n in range(ROWS)]


def test_a_dbf_that_breaks_off_is_refused_and_said(tmp_path):
    (tmp_path / "in").mkdir()
    path = table(tmp_path / "in" / "a.dbf", "ascii")
    path.write_bytes(path.read_bytes()[:-200])
    table(tmp_path / "in" / "b.dbf", "utf8")
    with checked(tmp_path / "in", format=form(tmp_path)) as door:
        assert door.files["status"].to_dict() == {"a.dbf": "refused", "b.dbf": "read"}
        assert "不完整" in door.files.loc["a.dbf", "rejected"]
