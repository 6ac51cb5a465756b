"""S0: invented patients with marks that exist nowhere else go through a whole run; no byte of what it leaves may hold one.

Canaries (哨兵患者) stand in records that are accepted, quarantined, excluded and refused as lines, in CSV and in a workbook.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter
from scanning import found
from synthetic_regions import parameters_of_region

from toolkit.data.discharge.identity import key_place
from toolkit.params import load_params
from toolkit.runs import pipeline
from toolkit.synthetic import Settings, generate, write_front_pages

# 哨兵 data: invented; the identity numbers have no division (99…) and a wrong check digit
CANARY = {
    "name": "哨兵甲某某",
    "contact": "哨兵联系乙",
    "identity": "999999197703211239",
    "old identity": "999999770321987",
    "telephone": "19900001234",
    "address": "哨兵市不存在路七千七百号",
    "record": "ZBH77701",
    "card": "JKK770077007",
    "doctor": "哨兵医师丙",
    "pathology": "BLH7700770",
    "refused line": "哨兵戊某某",
    "quarantined": "ZBH77702",
    "workbook": "ZBH77703",
    "old record": "ZBH77704",
}
CELLS = {
    "A11": "name",
    "A32": "contact",
    "A20": "identity",
    "A27": "telephone",
    "A35": "telephone",
    "A26": "address",
    "A48": "record",
    "A47": "card",
    "C11": "pathology",
}


# a run with all its reports takes a minute of processor time
WHOLE_RUN = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A whole run over files with canaries: its folder, everything it left on the way, and what it printed."""
    base = tmp_path_factory.mktemp("canaries")
    region = base / "region"
    write_front_pages(generate(Settings(discharges=5_000, hospitals=6, projects=2, dirt_rate=0.01)), region)
    _plant(region)
    params = load_params(parameters_of_region(base, region))
    kept, patched = base / "kept", pytest.MonkeyPatch()
    kept.mkdir()
    remove = shutil.rmtree

    def keep(path, *args, **more):
        """What a run would remove is looked at as well."""
        if Path(path).is_dir() and base in Path(path).parents and kept not in Path(path).parents:
            shutil.copytree(
                path,
                kept / f"{len(list(kept.iterdir()))}",
                symlinks=True,
                ignore=shutil.ignore_patterns("*.sock", "kernel-*"),
            )
        remove(path, *args, **more)

    patched.setattr(shutil, "rmtree", keep)
    patched.setenv("TMPDIR", str(kept))
    patched.setattr("tempfile.tempdir", str(kept))
    try:
        done = pipeline.run(params, base / "reports", workers=2)
    finally:
        patched.undo()
    return base, done


def _plant(region: Path) -> None:
    """Into the first rows of four files; the grouper's table follows the record numbers."""
    numbers: dict[tuple[str, str], str] = {}
    files = sorted((region / "front_pages").iterdir())
    for position, path in enumerate(files[:4]):
        raw = path.read_bytes()
        encoding = "utf-8-sig" if raw[:3] == b"\xef\xbb\xbf" else "utf-8" if _is_utf8(raw) else "gb18030"
        header, *rows = list(csv.reader(io.StringIO(raw.decode(encoding))))
        at = {name: header.index(name) for name in (*CELLS, "B15", "A01") if name in header}
        row = rows[3]
        record = CANARY[("record", "quarantined", "workbook", "old record")[position]]
        numbers[row[at["A01"]], row[at["A48"]]] = record
        for code, name in CELLS.items():
            row[at[code]] = CANARY[name]
        row[at["A48"]] = record
        if position == 1:
            row[at["B15"]] = "2019-02-30"
        if position == 3:
            row[at["A20"]] = CANARY["old identity"]
        rows.append(list(row))  # an identical one, excluded
        broken = [CANARY["refused line"], CANARY["identity"], "x"]
        if position == 2:
            _workbook(path.with_suffix(".xlsx"), [header, *rows])
            path.unlink()
            continue
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows, broken])
        path.write_bytes(text.getvalue().encode(encoding))
    groups = pd.read_csv(region / "drg.csv", dtype=str, keep_default_na=False)
    keys = list(zip(groups["A01"], groups["A48"], strict=True))
    groups["A48"] = [numbers.get(key, key[1]) for key in keys]
    groups.to_csv(region / "drg.csv", index=False)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _workbook(path: Path, rows: list[list[str]]) -> None:
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                sheet.write_string(i, j, cell)


@WHOLE_RUN
def test_the_canaries_went_through_the_whole_run(ran):
    base, done = ran
    assert done.outcomes
    assert all(o.exists for o in done.outcomes), [(o.id, o.reason, o.message) for o in done.outcomes if not o.exists]
    files = done.results.files
    assert (files["rejected"] == "").sum() >= 30
    assert files["name"].str.endswith(".xlsx").sum() == 1
    assert files["dropped"].str.contains("A11").all()
    # they are there: found in the input, in every encoding
    inside = {name for name, _ in found(base / "region", CANARY)}
    assert inside == set(CANARY) - {"doctor"}


@WHOLE_RUN
def test_no_output_log_or_intermediate_file_holds_one(ran):
    base, _ = ran
    looked = [p for top in ("reports", "kept") for p in (base / top).rglob("*") if p.is_file()]
    assert {".html", ".ipynb", ".parquet", ".json"} <= {p.suffix for p in looked}
    assert any("typed" in p.as_posix() for p in looked)  # the rows on their way to the store
    assert found(base / "reports", CANARY) == []
    assert found(base / "kept", CANARY) == []


@WHOLE_RUN
def test_the_key_of_the_run_is_in_no_output(ran):
    base, _ = ran
    key = key_place("canaries").read_text()
    assert [where for top in ("reports", "kept") for _, where in found(base / top, {"key": key})] == []


# --- the scan itself ----------------------------------------------------------------------------------------------------


def _zip(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def _parquet(**columns: list) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(columns).to_parquet(out, compression="zstd")
    return out.getvalue()


NAME = CANARY["name"]
PLACES = {
    "page.html": f"<p>{NAME}</p>".encode(),
    "escaped.html": "".join(f"&#{ord(c)};" for c in NAME).encode(),
    "log.txt": NAME.encode("gb18030"),
    "manifest.json": json.dumps({"x": NAME}).encode(),
    "utf16.csv": NAME.encode("utf-16"),
    "packed.gz": gzip.compress(NAME.encode()),
    "book.xlsx": _zip("xl/sharedStrings.xml", NAME.encode()),
    "member.docx": _zip(f"word/{NAME}.xml", b""),
    "deep.zip": _zip("inner.zip", _zip("a.txt", NAME.encode())),
    "rows.parquet": _parquet(a=["x" * 50] * 100 + [NAME]),
    "column.parquet": _parquet(**{NAME: [1]}),
    f"{NAME}.csv": b"",
    "deep/folder/spill.tmp": b"\0\xff" + NAME.encode() + b"\0",
    "notebook.ipynb": json.dumps({"cells": [{"outputs": [{"text": [NAME]}]}]}).encode(),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_planted_anywhere_is_found(tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(PLACES[place])
    assert found(tmp_path, {"name": NAME})
    assert found(tmp_path, {"other": "哨兵不在此处"}) == []
