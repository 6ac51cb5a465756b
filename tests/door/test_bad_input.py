"""Files that are too much, too little, or still being written. 合成数据."""

from __future__ import annotations

import zipfile

import pytest
import xlsxwriter
from doors import case, checked

from toolkit.data.reading import opening
from toolkit.errors import InputError

GOOD = (case("02") / "data" / "ok.csv").read_text(encoding="utf-8").splitlines()
CANONICAL = "hospital,year,month,los_days,cost_fen,died,department,drg"


def canonical(number: int) -> str:
    """As many rows of the case of the row limit."""
    drgs = ("FA11", "FB13", "GC15")
    rows = [
        f"000{1 + i % 3},{2019 + i % 6},{1 + (i // 7) % 12},{1 + i % 9},{100000 + i},{int(i % 37 == 0)},03.04,{drgs[i % 3]}"
        for i in range(number)
    ]
    return "\n".join([CANONICAL, *rows]) + "\n"


@pytest.mark.parametrize("number", [65_535, pytest.param(1_048_575, marks=pytest.mark.slow)])
def test_a_file_that_ends_at_the_row_limit_of_a_sheet_is_said_to_be_cut_off(tmp_path, number):
    (tmp_path / "full.csv").write_text(canonical(number), encoding="utf-8")
    (tmp_path / "less.csv").write_text(canonical(20), encoding="utf-8")
    with checked(tmp_path, format="canonical") as door:
        assert door.files.loc["full.csv", "received"] == number
        assert "规则F12" in door.files.loc["full.csv", "warnings"]
        assert "规则F12" not in door.files.loc["less.csv", "warnings"]


@pytest.mark.slow
def test_a_workbook_of_a_million_rows_is_read_whole_or_refused_with_its_reason(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "million.xlsx", {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate(canonical(1_048_575).splitlines()):
            sheet.write_row(line, 0, row.split(","))
    (tmp_path / "ok.csv").write_text(canonical(60), encoding="utf-8")
    with checked(tmp_path, format="canonical") as door:
        mine = door.files.loc["million.xlsx"]
        assert (mine["status"], mine["received"]) == ("read", 1_048_575)
        assert "规则F12" in mine["warnings"]


def test_a_folder_of_two_thousand_files_is_listed_whole(tmp_path):
    for n in range(2_000):
        home = tmp_path / f"院{n % 40}"
        home.mkdir(exist_ok=True)
        (home / f"{n}.csv").write_text("x\n", encoding="utf-8")
    assert len(opening.find([str(tmp_path)])) == 2_000


@pytest.mark.slow
def test_two_thousand_files_are_read_or_named_each(tmp_path):
    place = GOOD[0].split(",").index("A48")
    for n in range(2_000):
        cells = [line.split(",") for line in GOOD[1:4]]
        lines = [",".join([*row[:place], f"{n:05}{k}", *row[place + 1 :]]) for k, row in enumerate(cells)]
        (tmp_path / f"{n}.csv").write_text("\n".join([GOOD[0], *lines]) + "\n", encoding="utf-8")
    with checked(tmp_path) as door:
        assert (len(door.files), door.received) == (2_000, 6_000)
        assert (door.files["received"] == 3).all()


def test_archives_in_archives_are_read_two_deep_and_named_beyond(tmp_path):
    content, name = "\n".join(GOOD).encode(), "data.csv"
    for depth in range(3):
        with zipfile.ZipFile(tmp_path / f"{depth}.zip", "w") as archive:
            archive.writestr(name, content)
        content, name = (tmp_path / f"{depth}.zip").read_bytes(), f"{depth}.zip"
        if depth != 1:
            (tmp_path / f"{depth}.zip").unlink()
    (tmp_path / "deep.zip").write_bytes(content)
    with checked(tmp_path) as door:
        assert door.files.loc["1.zip › 0.zip › data.csv", "received"] == 60
        deep = door.files[door.files.index.str.startswith("deep.zip")]
        assert deep["status"].tolist() == ["refused"]
        assert "层" in deep["rejected"].iloc[0]


@pytest.mark.parametrize("content", ["机构代码\n0012\n0013\n", "0012\n0013\n", "\n\n\n", "机构代码\n"])
def test_a_table_of_one_column_is_named_and_harms_no_other(tmp_path, content):
    (tmp_path / "one.csv").write_text(content, encoding="utf-8")
    (tmp_path / "ok.csv").write_text("\n".join(GOOD), encoding="utf-8")
    with checked(tmp_path) as door:
        assert door.files["status"].to_dict() == {"ok.csv": "read", "one.csv": "refused"}
        assert len(door.files.loc["one.csv", "rejected"]) > 3
        assert "0012" not in door.files.loc["one.csv", "rejected"]


def test_a_file_that_grows_while_it_is_read_stops_the_run_with_its_name(tmp_path, monkeypatch):
    """Its hash would be that of other bytes than those that were read."""
    file = tmp_path / "grows.csv"
    file.write_text("\n".join(GOOD) + "\n", encoding="utf-8")
    read = opening.open_tables

    def and_grown(number, path, *more):
        tables = read(number, path, *more)
        with path.open("a", encoding="utf-8") as handle:
            handle.write("\n".join(GOOD[1:]).replace("00100000", "00900000") + "\n")
        return tables

    monkeypatch.setattr(opening, "open_tables", and_grown)
    with pytest.raises(InputError, match=r"grows\.csv"), checked(tmp_path):
        pass
