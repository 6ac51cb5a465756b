"""Files that an earlier run has typed are not read again, and everything comes out as if they had been."""

import json

import pandas as pd
import pytest
import rows
from small_files import form, line, text

from toolkit.data.intake import take_in
from toolkit.data.reading import opening, text_rows
from toolkit.data.reading.groups import Group
from toolkit.data.typed_parts import CATALOGUE, TypedParts
from toolkit.engine import connect
from toolkit.running.notebook import file_hash

SECRET = "ab" * 32


def hospital_file(code, n=6, year=2022, **cells):
    """Sound records, one that ends before it begins (rule D02) and one that repeats another (rule K04)."""
    sound = [line(H=code, R=f"{code}{i:03d}", OP=f"36.{10 + i}", **cells) for i in range(n)]
    return text(*sound, sound[0], line(H=code, R=f"{code}999", OUT="2022-02-01")).encode()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for code in ("0012", "0015", "0018"):
        (tmp_path / "in" / f"h{code}.csv").write_bytes(hospital_file(code))
    return tmp_path


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that were opened, and of those whose rows were read."""
    seen = {"opened": [], "read": []}
    really_open, really_rows = opening.open_tables, text_rows._rows_of

    def spy_open(number, path, work, within=""):
        seen["opened"].append(path.name)
        return really_open(number, path, work, within)

    def spy_rows(source, *given, **more):
        seen["read"].append(source.path.name)
        return really_rows(source, *given, **more)

    monkeypatch.setattr(opening, "open_tables", spy_open)
    monkeypatch.setattr(text_rows, "_rows_of", spy_rows)
    return seen


def taken(folder, name, *, kept=None, made_with="as it is", drg_file=None, prune=True):
    """Bytes of all that intake makes of the files in `folder/in`, in a work folder of its own."""
    from toolkit.data.discharge.identity import Key

    source, work = folder / "in", folder / name
    more = {"data": {"drg_file": drg_file}} if drg_file else {}
    params = rows.params(files=(str(source),), quality={"ragged_share": 1.0}, **more)
    readable = [source, *([kept] if kept else []), *([params.data.drg_file.file] if drg_file else [])]
    known = {path: file_hash(path) for path in sorted(source.iterdir())}
    parts = TypedParts.opened(kept, made_with, known) if kept else None
    connection = connect(work, readable, threads=2)
    try:
        intake = take_in(
            params, [Group(form(folder), params.data.groups[0])], None, connection, work, key=Key(SECRET), parts=parts
        )
        made = {p.name: p.read_bytes() for p in (*sorted(intake.store.iterdir()), intake.fates, intake.submitted)}
        if parts and prune:
            parts.prune(connection)
    finally:
        connection.disconnect()
    frames = {n: getattr(intake, n) for n in ("files", "accounts", "hospital_warnings")}
    return made, frames, intake


def assert_same(one, other):
    assert one[0] == other[0]
    for name, frame in one[1].items():
        pd.testing.assert_frame_equal(frame, other[1][name], obj=name)


def test_a_new_file_among_known_ones_is_the_only_one_read_and_gives_the_same_bytes(folder, opened):
    taken(folder, "first", kept=folder / "kept")
    # between two others in the order of names, and with a patient's record that a known file has too
    (folder / "in" / "h0013.csv").write_bytes(hospital_file("0013") + hospital_file("0012").split(b"\n", 1)[1])
    opened["opened"].clear(), opened["read"].clear()
    again = taken(folder, "again", kept=folder / "kept")
    assert opened == {"opened": ["h0013.csv"], "read": ["h0013.csv"]}
    assert_same(again, taken(folder, "whole"))
    assert set(again[1]["accounts"]["rule"]) >= {"K04", "D02"}


def test_a_file_mended_or_taken_away_leaves_nothing_of_what_it_held(folder, opened):
    taken(folder, "first", kept=folder / "kept")
    (folder / "in" / "h0015.csv").write_bytes(hospital_file("0015", n=3))
    (folder / "in" / "h0018.csv").unlink()
    opened["opened"].clear()
    again = taken(folder, "again", kept=folder / "kept")
    assert opened["opened"] == ["h0015.csv"]
    assert_same(again, taken(folder, "whole"))
    kept = pd.concat([pd.read_parquet(p) for p in (folder / "kept" / "typed").iterdir()])
    assert sorted(kept["hospital"].unique()) == ["0012", "0015"]
    assert len(kept) == (6 + 2) + (3 + 2)


@pytest.mark.slow
def test_files_in_another_order_are_known_by_their_content(folder, opened):
    taken(folder, "first", kept=folder / "kept")
    (folder / "in" / "h0012.csv").rename(folder / "in" / "z.csv")
    opened["opened"].clear()
    again = taken(folder, "again", kept=folder / "kept")
    assert opened["opened"] == []
    assert_same(again, taken(folder, "whole"))


@pytest.mark.slow
def test_a_copy_of_a_known_file_is_refused_as_before(folder, opened):
    taken(folder, "first", kept=folder / "kept")
    (folder / "in" / "a.csv").write_bytes((folder / "in" / "h0012.csv").read_bytes())
    again = taken(folder, "again", kept=folder / "kept")
    assert_same(again, taken(folder, "whole"))
    assert again[1]["files"].set_index("name")["rejected"]["h0012.csv"].startswith("内容与 a.csv 完全相同")


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["part cut", "part gone", "catalogue cut", "catalogue changed", "made with another"])
def test_what_is_not_as_it_was_is_read_again(harm, folder, opened):
    taken(folder, "first", kept=folder / "kept")
    part, catalogue = next((folder / "kept" / "held").iterdir()), folder / "kept" / CATALOGUE
    if harm == "part cut":
        part.write_bytes(part.read_bytes()[:-4])
    elif harm == "part gone":
        part.unlink()
    elif harm == "catalogue cut":
        catalogue.write_bytes(catalogue.read_bytes()[:100])
    elif harm == "catalogue changed":
        catalogue.write_text(catalogue.read_text("utf-8").replace('"received": 8', '"received": 9', 1), "utf-8")
    opened["opened"].clear()
    made_with = "another" if harm == "made with another" else "as it is"
    again = taken(folder, "again", kept=folder / "kept", made_with=made_with)
    assert len(opened["opened"]) == 3
    assert_same(again, taken(folder, "whole"))


@pytest.mark.slow
def test_a_part_that_no_catalogue_names_is_swept(folder):
    taken(folder, "first", kept=folder / "kept")
    (folder / "kept" / "typed" / "00077.parquet").write_bytes(b"half written")
    again = taken(folder, "again", kept=folder / "kept")
    assert_same(again, taken(folder, "whole"))
    assert not (folder / "kept" / "typed" / "00077.parquet").exists()


@pytest.mark.slow
def test_what_a_file_was_joined_with_is_part_of_it(folder, opened):
    """A DRG file with other rows for one hospital: that hospital's file is read again, and no other."""
    drgs = [f"{code},{code}{i:03d},1,FB{i}1" for code in ("0012", "0015", "0018") for i in range(6)]
    path = folder / "drg.csv"
    given = {"file": str(path)}
    path.write_text("\n".join(["A01,A48,A49,DRG", *drgs]) + "\n")
    taken(folder, "first", kept=folder / "kept", drg_file=given)
    path.write_text("\n".join(["A01,A48,A49,DRG", *drgs]).replace("0015,0015003,1,FB31", "0015,0015003,1,FX99") + "\n")
    opened["opened"].clear(), opened["read"].clear()
    again = taken(folder, "again", kept=folder / "kept", drg_file=given)
    assert opened["read"] == ["drg.csv", "h0015.csv"]
    assert_same(again, taken(folder, "whole", drg_file=given))


def test_no_text_that_identifies_is_kept(folder):
    taken(folder, "first", kept=folder / "kept")
    assert "0012001" not in (folder / "kept" / CATALOGUE).read_text("utf-8")
    for path in (folder / "kept").rglob("*.parquet"):
        assert "0012001" not in pd.read_parquet(path).to_csv()
    assert json.loads((folder / "kept" / CATALOGUE).read_text("utf-8"))["identity"] == {"made_with": "as it is"}
