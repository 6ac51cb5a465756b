"""Every file, member and sheet is read or named with its reason and its rows. 合成数据."""

from __future__ import annotations

import zipfile

import pytest
from doors import case, checked


@pytest.mark.slow
def test_all_sheets_of_a_workbook_are_read_each_under_its_name():
    with checked(case("01") / "data") as door:
        assert door.received == 120
        assert (door.files["status"] == "read").all()
        assert sorted(name.partition(" › ")[2] for name in door.files.index) == ["2022年", "Sheet1"]
        assert door.files["rows"].tolist() == [60, 60]
        assert sorted(door.store["hospital"].unique()) == ["0002", "0012"]  # as the two sheets have it


def test_every_file_below_a_folder_is_read_or_named_whatever_its_suffix():
    with checked(case("02") / "data") as door:
        status = door.files["status"].to_dict()
        read = {"macro.xlsm", "ok.csv", "old.xls", "tabs.tsv", "packed.zip › ok.csv"}
        assert {name for name, found in status.items() if found == "read"} >= read - {"packed.zip › ok.csv"}
        assert status["j.json"] == "refused"
        assert "JSON" in door.files.loc["j.json", "rejected"]
        assert set(door.files.index.str.partition(" › ").get_level_values(0)) == {
            "j.json",
            "macro.xlsm",
            "ok.csv",
            "old.xls",
            "packed.zip",
            "tabs.tsv",
            "wps.et",
        }
        # each that was not read says how many rows it has where they can be counted
        assert door.files.loc[door.files["rejected"].str.contains("F01"), "rows"].eq(60).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["title_row.xlsx", "one_blank_cell_far_right.xlsx", "trailing_commas.csv"])
def test_blank_header_cells_and_a_title_above_the_header_cost_nothing(name):
    with checked(case("14") / "data" / name) as door:
        assert (door.received, door.files["rejected"].tolist()) == (60, [""])
        assert ("第 2 行" in door.files["warnings"].iloc[0]) == (name == "title_row.xlsx")


def test_old_workbooks_archives_and_utf16_are_read_as_what_their_bytes_say():
    with checked(case("16") / "data") as door:
        assert not door.files["rejected"].str.contains("NUL").any()
        assert door.files.loc["u16.csv", ["encoding", "received"]].tolist() == ["utf-16-le", 60]
        assert "WPS" in door.files.loc["old.xls", "kind"]
        assert door.files.loc["old.xls", "received"] == 60


def test_no_cell_of_a_file_without_header_is_told():
    with checked(*(case("17") / "data" / name for name in ("no_header.csv", "j.json", "ok.csv"))) as door:
        assert door.files["status"].to_dict() == {"no_header.csv": "refused", "j.json": "refused", "ok.csv": "read"}
        told = door.said()
    cells = (
        (case("17") / "data" / "no_header.csv").read_text(encoding="utf-8").splitlines()[0].replace('"', "").split(",")
    )
    assert "样例甲" in cells
    assert not [cell for cell in cells if len(cell) > 3 and cell in told and cell not in ("front-page",)]
    assert "样例甲" not in told


@pytest.mark.slow
def test_files_that_programs_leave_behind_are_named_as_skipped(tmp_path):
    (tmp_path / "~$a.xlsx").write_bytes(b"\x05lock")
    (tmp_path / "._a.csv").write_bytes(b"\0\x05\x16\x07")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "空.csv").write_bytes(b"")
    (tmp_path / "说明.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "a.csv").write_bytes((case("02") / "data" / "ok.csv").read_bytes())
    with checked(tmp_path) as door:
        assert door.files["status"].to_dict() == {
            "._a.csv": "skipped",
            "Thumbs.db": "skipped",
            "a.csv": "read",
            "空.csv": "refused",
            "说明.pdf": "refused",
            "~$a.xlsx": "skipped",
        }
        assert (door.files.loc[door.files["status"] != "read", "rejected"].str.len() > 3).all()


def test_members_of_an_archive_are_files_with_their_names_and_bad_ones_harm_no_other(tmp_path):
    good = (case("02") / "data" / "ok.csv").read_bytes()
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.csv", good.replace(b"0014", b"0015"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("甲院/2021.csv", good)
        archive.writestr("__MACOSX/._2021.csv", b"\0\x05\x16\x07")
        archive.writestr("old.xls", (case("02") / "data" / "old.xls").read_bytes())
        archive.writestr("说明.docx", b"PK\x03\x04 broken")
        archive.write(inner, "inner.zip")
    inner.unlink()
    with checked(tmp_path) as door:
        status = door.files["status"].to_dict()
        assert status == {
            "a.zip › 甲院/2021.csv": "read",
            "a.zip › __MACOSX/._2021.csv": "skipped",
            "a.zip › old.xls": "read",
            "a.zip › 说明.docx": "refused",
            "a.zip › inner.zip › deep.csv": "read",
        }
        assert door.received == 180


def test_a_bomb_of_archives_is_refused_before_it_is_unpacked(tmp_path):
    content = b"0" * (1 << 22)
    for depth in range(4):
        with zipfile.ZipFile(tmp_path / f"{depth}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.zip" if depth else "x.csv", content)
        content = (tmp_path / f"{depth}.zip").read_bytes()
        if depth < 3:
            (tmp_path / f"{depth}.zip").unlink()
    with zipfile.ZipFile(tmp_path / "wide.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", b"0" * (400 << 20))
    (tmp_path / "ok.csv").write_bytes((case("02") / "data" / "ok.csv").read_bytes())
    with checked(tmp_path) as door:
        assert "超过 2 层" in "".join(door.files["rejected"])
        assert "压缩比上限" in door.files.loc["wide.zip", "rejected"]
        assert door.received == 60
