"""The front-page files: an independent checker, written from the rule catalogue, must find the truth and nothing else."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections import Counter, defaultdict
from datetime import date, datetime

import pandas as pd
import pytest

from toolkit.synthetic import MARK, Settings, discharges, generate, write_front_pages
from toolkit.synthetic.dirt import DEFECTS

# many defects among few stays; the small files would hold no ragged row at the default limit
SETTINGS = Settings(discharges=9_000, hospitals=12, dirt_rate=0.09, ragged_limit=0.03)
EMPTY = ("", "-")
PARTS = ("D19x01", "D20x01", "D20x02", "D23x01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages")
    write_front_pages(generate(SETTINGS), path)
    return path


@pytest.fixture(scope="module")
def truth(folder):
    return json.loads((folder / "truth.json").read_text(encoding="utf-8"))


def text_of(path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


@pytest.fixture(scope="module")
def rows(folder, truth):
    """(file, line) → row of texts by field code; a row with a wrong number of cells → None."""
    found = {}
    for entry in truth["files"]:
        header, *lines = csv.reader(io.StringIO(text_of(folder / entry["file"])))
        for line, cells in enumerate(lines, start=2):
            found[entry["file"], line] = dict(zip(header, cells, strict=True)) if len(cells) == len(header) else None
    return found


@pytest.fixture(scope="module")
def groups(folder):
    with open(folder / "drg.csv", encoding="utf-8", newline="") as file:
        return {(row["A01"], row["A48"], row["A49"]): row["DRG"] for row in csv.DictReader(file)}


def moment(text: str) -> datetime | str:
    """A valid time, or the rule that the text breaks."""
    if re.fullmatch(r"\d\d/\d\d/\d{4}|\d{5}", text):
        return "D06"
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return "D01"


def amount(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+\.\d\d", text) else None


def time_rules(row) -> set[str]:
    times = [moment(row["B12"]), moment(row["B15"])]
    if any(isinstance(value, str) for value in times):
        return {value for value in times if isinstance(value, str)}
    entered, left = times
    hits = set()
    hits |= {"D02"} if left < entered else set()
    hits |= {"D04"} if left.year not in SETTINGS.years else set()
    hits |= {"D05"} if max(times) > datetime(2026, 1, 1) or min(times) < datetime(1990, 1, 1) else set()
    los = max(1, (left.date() - entered.date()).days)
    hits |= {"D07"} if los != int(row["B20"]) else set()
    hits |= {"D08"} if los > 60 else set()
    for name in ("C16x01", "C37x01", "C37x02"):
        day = entered.date() if row[name] == "-" else datetime.fromisoformat(row[name]).date()
        if entered <= left and not entered.date() <= day <= left.date():
            hits.add("D09")
    weights = [int(row[name]) for name in ("A17", "A18x01") if row[name] != "-"]
    hits |= {"D14"} if any(not 100 <= grams <= 9_999 for grams in weights) else set()
    try:
        born = date.fromisoformat(row["A13"])
    except ValueError:
        return hits | {"D01B"}
    if born > entered.date():
        return hits | {"D03"}
    hits |= {"D13"} if (entered.date() - born).days < 28 and len(weights) < 2 else set()
    age = entered.year - born.year - ((entered.month, entered.day) < (born.month, born.day))
    hits |= {"D11"} if abs(age - int(row["A14"])) > 1 else set()
    return hits | ({"D12"} if not 0 <= age <= 120 else set())


def patient_rules(row) -> set[str]:
    sex, code, operation, age = row["A12C"], row["C03C"], row["C14x01C"], int(row["A14"])
    others = [row[f"C06x0{number}C"] for number in range(1, 6) if row[f"C06x0{number}C"] != "-"]
    procedures = [
        (row[f"C{a}"], row[f"C{b}"], row[f"C{c}"])
        for a, b, c in (("14x01C", "16x01", "17x01"), ("35x01C", "37x01", "38x01"), ("35x02C", "37x02", "38x02"))
    ]
    female = code[:1] == "O" or "C51" <= code[:3] <= "C58" or "N70" <= code[:3] <= "N98"
    male = "C60" <= code[:3] <= "C63" or "N40" <= code[:3] <= "N51"
    hits = set()
    hits |= {"P01"} if sex not in ("0", "1", "2", "9") else set()
    hits |= {"P02"} if (sex == "1" and female) or (sex == "2" and male) else set()
    hits |= (
        {"P03"}
        if (sex == "1" and "65" <= operation[:2] <= "75") or (sex == "2" and "60" <= operation[:2] <= "64")
        else set()
    )
    hits |= {"P04"} if (code[:1] == "O" and not 10 <= age <= 60) or (code[:1] == "P" and age > 1) else set()
    hits |= {"P05"} if code in EMPTY else set()
    hits |= {"P07"} if code and (code[:1] in "VWXY" or "*" in code) else set()
    hits |= {"P08"} if code[:1] in ("S", "T") and row["C12C"] in EMPTY else set()
    tumour = code[:1] == "C" or "D00" <= code[:3] <= "D48"
    hits |= {"P09"} if tumour and row["C09C"] == row["C10N"] == row["C11"] == "-" else set()
    hits |= {"P10"} if len({code, *others}) < 1 + len(others) else set()
    conditions = [row[name] for name in ("C05C", *(f"C08x0{number}C" for number in range(1, 6)))]
    hits |= {"P11"} if any(each not in ("1", "2", "3", "4", "-") for each in conditions) else set()
    hits |= (
        {"P14"}
        if any(held != "-" and level not in ("1", "2", "3", "4", "-") for held, _, level in procedures)
        else set()
    )
    return hits | ({"P15"} if any(held != "-" and day == "-" for held, day, _ in procedures) else set())


def outcome_rules(row) -> set[str]:
    mode = row["B34C"]
    hits = set()
    hits |= {"O01"} if mode not in ("1", "2", "3", "4", "5", "9") else set()
    hits |= {"O02"} if mode == "5" and (row["B36C"] == "2" or row["B35"] not in EMPTY) else set()
    hits |= {"O04"} if mode == "5" and row["C34C"] in EMPTY else set()
    return hits | ({"O06"} if mode in ("2", "3") and row["B35"] in EMPTY else set())


def cost_rules(row) -> set[str]:
    total, own = amount(row["D01"]), amount(row["D09"])
    items = {name: amount(row[name]) for name in row if re.match(r"D[123]\d", name)}
    hits = {"C01"} if total is None or total <= 0 else set()
    gap = abs((total or 0) - sum(value for name, value in items.items() if name not in PARTS))
    far = max(0.01 * abs(total or 0), 0.05)
    hits |= {"C02Q"} if total is not None and round(gap, 2) > far + 1e-9 else set()
    hits |= {"C02"} if total is not None and 0.051 < gap <= far + 1e-9 else set()
    hits |= {"C03"} if min(items.values()) < 0 else set()
    hits |= {"C04"} if total is not None and not 5 <= total <= 2_000_000 else set()
    operated = any(row[name] in ("1", "2", "3", "4") for name in ("C17x01", "C38x01", "C38x02"))
    hits |= {"C06"} if (items["D20"] > 0 and row["C14x01C"] == "-") or (operated and not items["D20"] > 0) else set()
    hits |= {"C07"} if row["C22x01C"] != "-" and items["D20x01"] == 0 else set()
    return hits | ({"C08"} if own is not None and total is not None and own > total else set())


@pytest.fixture(scope="module")
def found(folder, rows, groups):
    """(file, line) → rules that the row breaks, by the checker above."""
    tables = {
        name: csv.DictReader(io.StringIO(text_of(folder / f"{name}.csv"))) for name in ("hospitals", "departments")
    }
    registry = {row["code"]: row["name"] for row in tables["hospitals"]}
    departments = {row["department"] for row in tables["departments"]}
    hits = defaultdict(set)
    by_key = defaultdict(list)
    for place, row in rows.items():
        if row is None:
            hits[place].add("F05")
            continue
        hits[place] |= time_rules(row) | patient_rules(row) | outcome_rules(row) | cost_rules(row)
        hits[place] |= {"K01"} if row["A01"] not in registry else set()
        hits[place] |= {"K02"} if registry.get(row["A01"]) != row["A02"] else set()
        hits[place] |= {"K03"} if row["A48"] in EMPTY else set()
        hits[place] |= {"K08"} if not row["A49"].isdigit() or int(row["A49"]) < 1 else set()
        hits[place] |= {"S01"} if row["B16C"] not in departments else set()
        key = (row["A01"], row["A48"], row["A49"])
        if row["A48"] not in EMPTY:
            hits[place] |= {"G01"} if not re.fullmatch(r"[A-Z]{2}\d[135]S", groups.get(key, "")) else set()
            by_key[key].append(place)
    for places in by_key.values():
        if len(places) > 1:
            same = len({tuple(rows[place].values()) for place in places}) == 1
            for place in sorted(places)[1:] if same else places:
                hits[place].add("K04" if same else "K05")
    known = {place: row for place, row in rows.items() if row is not None and not hits[place] & WHOLE}
    for place, rules in patient_histories(known).items():
        hits[place] |= rules
    return {place: rules for place, rules in hits.items() if rules}


WHOLE = {
    "F05",
    "K01",
    "K03",
    "K04",
    "K05",
    "D01",
    "D01B",
    "D02",
    "D03",
    "D04",
    "D05",
    "D06",
    "D12",
    "P02",
    "P03",
    "P05",
    "P07",
}


def patient_histories(rows) -> dict[tuple, set[str]]:
    """Rules over the stays of one identity number, two by two."""
    of_patient, hits = defaultdict(list), defaultdict(set)
    for place, row in rows.items():
        of_patient[row["A20"]].append((row["B12"][:10], row["B15"][:10], row, place))
    for stays in of_patient.values():
        for first, second in itertools.permutations(stays, 2):
            same = first[2]["A01"] == second[2]["A01"]
            if same and first[0] <= second[0] < first[1]:
                hits[first[3]].add("K06")
                hits[second[3]].add("K06")
            if not same and first[:2] == second[:2]:
                hits[first[3]].add("K07")
            if first[2]["B34C"] == "5" and second[0] >= first[1]:
                hits[first[3]].add("O03")
                hits[second[3]].add("O03")
    return hits


def test_every_broken_row_is_in_the_truth_and_no_clean_row_is(truth, found):
    listed = defaultdict(list)
    for entry in truth["defects"]:
        listed[entry["file"], entry["line"]].append(entry)
        if entry.get("both"):
            listed[entry["file"], entry["pair"]].append(entry)
    assert set(found) == set(listed)
    for place, entries in listed.items():
        rules = {entry["rule"] for entry in entries}
        also = {rule for entry in entries for rule in entry.get("also", ())}
        assert rules <= found[place], (place, entries)
        assert found[place] <= rules | also, (place, entries, found[place])


def test_every_kind_of_defect_occurs_and_carries_its_fate(truth):
    kinds = Counter(entry["kind"] for entry in truth["defects"])
    assert set(kinds) == {defect.kind for defect in DEFECTS} | {"natural"}
    seeded = sum(kinds.values()) - kinds["natural"]
    assert 0.9 * SETTINGS.dirt_rate * SETTINGS.discharges < seeded <= SETTINGS.dirt_rate * SETTINGS.discharges + 1
    fates = {defect.kind: (defect.rule, defect.fate) for defect in DEFECTS}
    assert all(fates[e["kind"]] == (e["rule"], e["fate"]) for e in truth["defects"] if e["kind"] != "natural")


def test_the_balance_of_each_file_adds_up(truth, rows, found):
    lines = Counter(file for file, _ in rows)
    quarantine = (WHOLE - {"K04", "D04"}) | {"K06", "O03", "S01"}
    for entry in truth["files"]:
        mine = [rules for (file, _), rules in found.items() if file == entry["file"]]
        quarantined = sum(bool(rules & quarantine) for rules in mine)
        excluded = sum(bool(rules & {"K04", "D04"}) and not rules & quarantine for rules in mine)
        assert (entry["rows"], entry["quarantined"], entry["excluded"]) == (lines[entry["file"]], quarantined, excluded)
        assert entry["included"] == entry["rows"] - quarantined - excluded


def test_encodings_differ_and_are_what_the_truth_says(folder, truth):
    assert {entry["encoding"] for entry in truth["files"]} == {"gb18030", "utf-8", "utf-8-sig"}
    for entry in truth["files"]:
        data = (folder / entry["file"]).read_bytes()
        assert data.startswith(b"\xef\xbb\xbf") == (entry["encoding"] == "utf-8-sig")
        if entry["encoding"] == "gb18030":
            with pytest.raises(UnicodeDecodeError):
                data.decode("utf-8")
        assert MARK in data.decode(entry["encoding"])


def test_no_identity_number_name_or_telephone_could_be_real(rows):
    weights = [2**power % 11 for power in range(17, 0, -1)]  # GB 11643: 2^(i-1) mod 11
    seen = set()
    for row in filter(None, rows.values()):
        number = row["A20"]
        assert re.fullmatch(r"\d{18}", number)
        right = "10X98765432"[sum(int(d) * w for d, w in zip(number, weights, strict=False)) % 11]
        assert number[17] != right
        assert number.startswith("99")
        assert row["A11"].startswith("合成患者")
        assert "合成" in row["A26"]
        assert set(row["A27"]) == {"0"}
        seen.add(number)
    assert 0.9 * len(rows) < len(seen) < 0.99 * len(rows)  # some patients come again


def test_front_pages_and_parquet_hold_the_same_stays(rows, groups):
    region = generate(SETTINGS)
    stored = pd.concat([discharges(region, year).to_pandas() for year in SETTINGS.years])
    stored = stored.assign(died=stored.died.map({True: "5", False: ""}).astype(str))
    expected = Counter(
        (
            s.hospital,
            str(s.admission_date),
            str(s.discharge_date),
            s.cost_fen,
            s.department,
            s.principal_diagnosis,
            s.drg if isinstance(s.drg, str) else None,
            0 if pd.isna(s.surgery_level) else int(s.surgery_level),
            s.exit_mode,
        )
        for s in stored.itertuples()
    )
    read = Counter()
    for row in filter(None, rows.values()):
        group = groups.get((row["A01"], row["A48"], row["A49"]), "")
        levels = [int(row[name]) for name in ("C17x01", "C38x01") if row[name].isdigit()]
        cost = amount(row["D01"])
        read[
            row["A01"],
            row["B12"][:10],
            row["B15"][:10],
            round(cost * 100) if cost is not None else None,
            row["B16C"],
            row["C03C"],
            group if group.endswith("S") else None,
            max(levels, default=0),
            row["B34C"],
        ] += 1
    # every stay but the edited ones is there once; a repeated row is there twice
    missing = sum((expected - read).values())
    assert missing < SETTINGS.dirt_rate * SETTINGS.discharges
    assert sum((expected & read).values()) == SETTINGS.discharges - missing
    assert missing > 0.02 * SETTINGS.discharges


def test_a_second_operation_sometimes_holds_the_highest_level(rows):
    pairs = [(row["C17x01"], row["C38x01"]) for row in filter(None, rows.values()) if row["C38x01"] != "-"]
    assert any(second > first for first, second in pairs)
    assert any(second < first for first, second in pairs)
    codes = [row for row in filter(None, rows.values()) if row["C14x01C"] != "-"]
    assert any(row["C17x01"] == "-" for row in codes)  # 操作: a code, no level


def test_files_are_the_same_bytes_on_a_second_run(folder, tmp_path):
    write_front_pages(generate(SETTINGS), tmp_path)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert len(names) > 72
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_broken_file_is_unreadable_and_rejected_in_the_truth(tmp_path):
    path = write_front_pages(generate(Settings(discharges=1_000, hospitals=6, broken_file=True)), tmp_path)
    truth = json.loads(path.read_text(encoding="utf-8"))
    (rejected,) = [entry for entry in truth["files"] if "rejected" in entry]
    data = (tmp_path / rejected["file"]).read_bytes()
    for encoding in ("utf-8", "gb18030"):
        with pytest.raises(UnicodeDecodeError):
            data.decode(encoding)
    assert rejected["included"] == 0
    assert [e["rule"] for e in truth["defects"] if e["file"] == rejected["file"]] == ["F03"]


def test_without_dirt_only_natural_findings_remain(tmp_path):
    path = write_front_pages(generate(Settings(discharges=2_000, hospitals=6, dirt_rate=0)), tmp_path)
    truth = json.loads(path.read_text(encoding="utf-8"))
    assert {entry["rule"] for entry in truth["defects"]} <= {"G01", "D08"}
    assert sum(entry["rows"] for entry in truth["files"]) == 2_000
