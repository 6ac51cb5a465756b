"""Workbooks: text stays text, dates that Excel types as dates become ISO, a hostile one harms nobody."""

from __future__ import annotations

import io
import zipfile

import pytest
from small_files import DATE, MOMENT, number_cell, text_cell, workbook

from toolkit.data.files import open_source


@pytest.fixture
def opened(tmp_path):
    def run(content: bytes):
        path = tmp_path / "合成.xlsx"
        path.write_bytes(content)
        return open_source(0, path, tmp_path)

    return run


def header(*names: str) -> str:
    return "".join(text_cell(f"{'ABCDEFG'[i]}1", name) for i, name in enumerate(names))


def test_cells_become_the_text_that_excel_holds(opened):
    cells = [text_cell("A2", "00123"), text_cell("B2", "36.10"), text_cell("C2", "1E5"), number_cell("D2", "12"),
             number_cell("E2", "0.5"), number_cell("F2", "44927", DATE), number_cell("G2", "44927.75", MOMENT)]  # fmt: skip
    source = opened(workbook({1: header(*"abcdefg"), 2: "".join(cells)}))
    # 44,927 days after 1899-12-30 is 2023-01-01; 0.75 of a day is 18:00
    assert source.readable.read_text().splitlines()[1] == "00123,36.10,1E5,12,0.5,2023-01-01,2023-01-01 18:00:00"


def test_an_untyped_serial_stays_a_number(opened):
    source = opened(workbook({1: header("a", "b"), 2: number_cell("A2", "45000") + text_cell("B2", "x")}))
    assert source.readable.read_text().splitlines()[1] == "45000,x"


def test_empty_rows_are_blank_lines_and_row_numbers_stay(opened):
    rows = {2: header("a", "b").replace('1"', '2"'), 3: text_cell("A3", "1") + text_cell("B3", "2"),
            7: text_cell("A7", "3") + text_cell("B7", "4")}  # fmt: skip
    source = opened(workbook(rows))
    assert (source.rejected, source.header, source.received) == ("", ["a", "b"], 2)
    assert source.lines_skipped == [1, 4, 5, 6]


def test_line_breaks_inside_a_cell_do_not_end_a_row(opened):
    source = opened(
        workbook({1: header("a", "b"), 2: text_cell("A2", "x&#10;y&#13;&#10;z&#13;w") + text_cell("B2", "2")})
    )
    assert source.received == 1
    assert source.readable.read_text().splitlines()[1] == "x y z w,2"


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
    assert "不是有效的 xlsx" in opened(b"a,b\n1,2\n").rejected
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("x.txt", "x")
    assert "损坏" in opened(broken.getvalue()).rejected
