"""Canaries in every column of front pages, in names of files and sheets: in nothing that a run, its release or an export leaves.

The quick test looks at tables, worklists and caches; the slow one at both editions with all pages, and at whatever is exported.
"""

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
import xlsxwriter
from regions import speceval

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
from scanning import found
from synthetic_regions import parameters_of_region

from toolkit.data.reading.formats import format_map
from toolkit.params import load_params
from toolkit.runs import pipeline
from toolkit.synthetic import Settings, generate, write_front_pages

# invented; the identity number has a wrong check digit
MARKS = {"name": "哨兵赵六娘", "identity": "110101199003074577", "mobile": "13900001111"}
# of the front page, read by nothing: names, telephones, addresses, staff, free text, among others
DROPPED = [
    "A11",
    "A22",
    "A24",
    "A27",
    "A29",
    "A30",
    "A32",
    "A34",
    "A35",
    "A26",
    "A47",
    "B22",
    "B23",
    "B24",
    "B25",
    "B26",
    "B27",
    "B28",
    "B29",
    "B31",
    "B32",
    "B37",
    "C11",
    "C18",
    "C19",
    "C20",
    "C23",
    "C25",
    "C39",
    "C40",
    "C41",
    "C44",
]
NAMES = {"identity in the name of a file": "110101198807064433", "mobile in the name of a sheet": "13911112222"}


def parts(path):
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return encoding, list(csv.reader(io.StringIO(raw.decode(encoding))))
        except UnicodeDecodeError:
            continue
    raise AssertionError(path)


def planted_region(folder):
    """Front pages of which one file has, for every column and mark, a record with the mark in it."""
    write_front_pages(generate(Settings(discharges=2_500, hospitals=6, projects=1)), folder)
    first, second, third, *_ = sorted((folder / "front_pages").iterdir())
    encoding, [header, *records] = parts(first)
    read = {name.replace("*", "09") for source in format_map("front-page").fields.values() for name in source.names()}
    missing = sorted((read | {*DROPPED}) - {*header})
    header, records = [*header, *missing], [[*row, *[""] * len(missing)] for row in records]
    number = header.index("A48")
    planted = []
    for i in range(len(header)):
        for mark in MARKS.values():
            row = list(records[len(planted) % len(records)])
            row[number] = f"ZZ{len(planted):06}"
            row[i] = mark
            planted.append(row)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *records, *planted, planted[0]])
    first.write_bytes(text.getvalue().encode(encoding))
    second.rename(second.with_name(f"病案 {NAMES['identity in the name of a file']}.csv"))
    _, lines = parts(third)
    with xlsxwriter.Workbook(str(third.with_suffix(".xlsx"))) as book:
        for name in (f"患者{NAMES['mobile in the name of a sheet']}", "说明"):
            sheet = book.add_worksheet(name)
            for i, row in enumerate(lines if name != "说明" else [["说明"]]):
                for j, cell in enumerate(row):
                    sheet.write_string(i, j, cell)
    third.unlink()
    return len(planted), len(header)


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everywhere")
    planted = planted_region(folder / "region")
    results = pipeline.evaluate(
        load_params(parameters_of_region(folder, folder / "region", "everywhere")), folder / "reports" / "everywhere"
    )
    return folder, results, planted


def test_no_canary_of_any_column_of_a_front_page_or_name_of_a_file_is_in_what_the_tables_rest_on(taken_in):
    folder, results, (planted, columns) = taken_in
    assert columns > 100
    assert results.accounts["n"].sum() > planted
    assert {name for name, _ in found(folder / "region", {**MARKS, **NAMES})} >= {
        *MARKS,
        "identity in the name of a file",
    }
    assert found(folder / "reports", {**MARKS, **NAMES}) == []
    names = set(results.files["name"])
    assert "病案 〈号码〉.csv" in names
    assert any("患者〈号码〉" in name for name in names)


@pytest.mark.slow(seconds=300)
def test_no_canary_is_in_any_edition_page_export_or_message(taken_in, tmp_path):
    folder, *_ = taken_in
    (tmp_path / "t").mkdir()
    said = []

    def ask(*words, code=0):
        done = speceval(*words, cwd=folder, environment={"TMPDIR": str(tmp_path / "t")})
        assert done.returncode == code, done.stderr[-1000:]
        said.append(done.stdout + done.stderr)

    system = Path(__file__).parents[2] / "params" / "systems" / "provincial-four-domains.yaml"
    run, out = "reports/everywhere", folder / "out"
    out.mkdir()
    ask("run", "run.yaml", "--json")
    ask("run", "run.yaml", "--json", "--edition", "release")
    for edition in (run, f"{run}-release"):
        ask("export", edition, "--ro-crate", out / f"{Path(edition).name}-crate")
        ask("export", edition, "--ro-crate", out / f"{Path(edition).name}.zip")
        ask("tables", edition, "--out", out / f"{Path(edition).name}-tables", "--xlsx")
    ask("worklist", run, "--to", out / "worklists")
    ask("values", run, "--system", system, "--out", out / "values.csv")
    ask("evidence", "template", system, "--applicants", out / "values.csv", "--out", out / "evidence")
    ask("ledger", "add", out / "ledger.sqlite", "--role", "commission", "--why", "合成数据：登记")
    for kind in ("csv", "xlsx", "json"):
        ask("ledger", "export", out / "ledger.sqlite", "--out", out / f"ledger.{kind}")
    ask("verify", run, "--json", code=7)
    for place in (folder / "reports", out, tmp_path / "t"):
        assert found(place, {**MARKS, **NAMES}) == []
    assert not [mark for mark in (*MARKS.values(), *NAMES.values()) if mark in "".join(said)]
    pages = [path for path in (folder / "reports").rglob("*.pdf")]
    assert pages
    for page in pages:
        text = subprocess.run(["pdftotext", page, "-"], capture_output=True, text=True, check=True).stdout
        assert "合成数据" in text
        assert not [mark for mark in (*MARKS.values(), *NAMES.values()) if mark in text]
