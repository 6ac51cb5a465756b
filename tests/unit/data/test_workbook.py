"""Workbooks: text stays text, dates that Excel types as dates become ISO, a hostile one harms nobody."""

from __future__ import annotations

import io
import zipfile

import pandas as pd
import pytest
from small_files import DATE, MOMENT, number_cell, text_cell, workbook

from toolkit.data.reading import opening, text_rows
from toolkit.data.reading.files import NumericCells
from toolkit.data.reading.opening import open_source


@pytest.fixture
def opened(tmp_path):
    sources = []

    def run(content: bytes):
        path = tmp_path / "合成.xlsx"
        path.write_bytes(content)
        sources.append(open_source(0, path, tmp_path))
        return sources[-1]

    yield run
    for source in sources:
        source.close()


def text(source) -> str:
    with source.open() as handle:
        return handle.read().decode()


def read(source):
    parts = [part.rows.to_pandas() for part in text_rows.parts([source], source.header)]
    return pd.concat(parts) if parts else pd.DataFrame(columns=[*source.header, "file", "line"])


def header(*names: str) -> str:
    return "".join(text_cell(f"{'ABCDEFG'[i]}1", name) for i, name in enumerate(names))


def test_cells_become_the_text_that_excel_holds(opened):
    cells = [
        text_cell("A2", "00123"),
        text_cell("B2", "36.10"),
        text_cell("C2", "1E5"),
        number_cell("D2", "12"),
        number_cell("E2", "0.5"),
        number_cell("F2", "44927", DATE),
        number_cell("G2", "44927.75", MOMENT),
    ]
    source = opened(workbook({1: header(*"abcdefg"), 2: "".join(cells)}))
    # 44,927 days after 1899-12-30 is 2023-01-01; 0.75 of a day is 18:00
    assert text(source).splitlines()[1] == "00123,36.10,1E5,12,0.5,2023-01-01,2023-01-01 18:00:00"


def test_an_untyped_serial_stays_a_number(opened):
    source = opened(workbook({1: header("a", "b"), 2: number_cell("A2", "45000") + text_cell("B2", "x")}))
    assert text(source).splitlines()[1] == "45000,x"


def test_empty_rows_are_blank_lines_and_row_numbers_stay(opened):
    rows = {
        2: header("a", "b").replace('1"', '2"'),
        3: text_cell("A3", "1") + text_cell("B3", "2"),
        7: text_cell("A7", "3") + text_cell("B7", "4"),
    }
    source = opened(workbook(rows))
    assert (source.rejected, source.header, source.header_line) == ("", ["a", "b"], 2)
    rows = read(source)
    assert rows["line"].tolist() == [3, 7]
    assert (source.received, source.blank) == (2, 3)


def test_line_breaks_inside_a_cell_do_not_end_a_row(opened):
    source = opened(
        workbook({1: header("a", "b"), 2: text_cell("A2", "x&#10;y&#13;&#10;z&#13;w") + text_cell("B2", "2")})
    )
    assert text(source).splitlines()[1] == "x y z w,2"


def test_a_workbook_that_declares_all_cells_is_refused_and_the_parent_lives(opened):
    bomb = workbook({1: header("a"), 1048576: text_cell("XFD1048576", "b")}, '<dimension ref="A1:XFD1048576"/>')
    source = opened(bomb)
    assert "过大" in source.rejected
    assert source.sha256
    assert opened(workbook({1: header("a", "b"), 2: header("1", "2").replace('1" t', '2" t')})).rejected == ""


def test_a_workbook_that_unpacks_to_far_more_is_refused(opened):
    out = io.BytesIO(workbook({1: header("a")}))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x.bin", b"\0" * (8 << 20))
    assert "压缩比上限 200" in opened(out.getvalue()).rejected


def test_what_is_no_workbook_is_refused(opened):
    assert opened(b"a,b\n1,2\n").kind == "文本"  # whatever its name says
    assert "压缩包或工作簿损坏" in opened(b"PK\x03\x04" + b"a,b\n1,2\n" * 99).rejected
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("x.txt", "x")
    assert opened(broken.getvalue()).name.endswith(" › x.txt")  # an archive


def test_a_sheet_that_declares_more_than_it_may_is_not_unpacked(opened):
    for dimension, told in (
        ("A1:XFD1048576", "16,384 列"),
        ("B2:C99999999", "99,999,999 行"),
        ("A1:EZZ200000", "4,082 列"),
    ):
        rows = {1: header("a", "b"), 2: text_cell("A2", "1") + text_cell("B2", "2")}
        source = opened(workbook(rows, f'<dimension ref="{dimension}"/>'))
        assert told in source.rejected
        assert "F02" in source.rejected


def test_the_child_ends_at_its_limits_of_memory_and_time(opened, monkeypatch):
    small = workbook({1: header("a", "b"), 2: text_cell("A2", "1") + text_cell("B2", "2")})
    assert opened(small).rejected == ""
    monkeypatch.setattr(opening, "WORKBOOK_BYTES", 16 << 20)  # less than the reader itself takes
    assert "过大或损坏" in opened(small).rejected
    monkeypatch.undo()
    monkeypatch.setattr(opening, "WORKBOOK_SECONDS", 0.05)
    assert "未读取" in opened(small).rejected  # stopped by the clock, or before that by its own limit of processor time


def test_numbers_that_excel_has_rounded_are_told_by_line(opened):
    rows = {
        1: header("id", "op"),
        2: number_cell("A2", "110101199003070000") + text_cell("B2", "36.10"),
        3: number_cell("A3", "123456789012345") + number_cell("B3", "36.1"),
        4: text_cell("A4", "110101199003070000"),
    }
    source = opened(workbook(rows))
    assert source.numeric == {"id": NumericCells(2, (2,)), "op": NumericCells(1, ())}


def test_the_text_of_a_workbook_has_no_name_on_the_disk(opened, tmp_path):
    source = opened(workbook({1: header("a", "b"), 2: text_cell("A2", "合成患者") + text_cell("B2", "2")}))
    assert "合成患者" in text(source)
    assert [p.name for p in tmp_path.iterdir()] == ["合成.xlsx"]
    source.close()
