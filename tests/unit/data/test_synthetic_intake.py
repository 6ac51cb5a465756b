"""The synthetic region's seeded defects: each is found at its file and line with its fate, and no clean record is touched."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import rows

from toolkit.data.intake import take_in
from toolkit.data.lists.registry import read_registry
from toolkit.data.quality import CATALOGUE
from toolkit.data.quality.marks import ids_in
from toolkit.data.reading.groups import run_groups
from toolkit.data.store import discharges
from toolkit.engine import connect
from toolkit.synthetic import Settings, generate, write_front_pages

SETTINGS = Settings(discharges=6_000, hospitals=6, dirt_rate=0.08, ragged_limit=0.03, projects=2, broken_file=True)
# By policy a department outside every specialty stays in the reference; it is no fault of the record.
KEPT = {"S01"}


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    truth = json.loads(write_front_pages(generate(SETTINGS), folder).read_text(encoding="utf-8"))
    departments = pd.read_csv(folder / "departments.csv", dtype=str)
    specialties = [
        {"id": id_, "name_zh": id_, "departments": list(part["department"])}
        for id_, part in departments.groupby("specialty")
    ]
    spec = {"file": str(folder / "drg.csv"), "discharge": "B15"}
    first, last = SETTINGS.years[0], SETTINGS.years[-1]
    params = rows.params(
        format="front-page",
        files=(str(folder / "front_pages"),),
        specialties=specialties,
        years={"first": first, "last": last},
        quality={"ragged_share": 0.05},
        data={"drg_file": spec},
    )
    connection = connect(folder / "work", [folder, folder / "front_pages"], threads=2)
    hospitals = read_registry(folder / "hospitals.csv", folder / "work")
    intake = take_in(params, run_groups(params.data), hospitals, connection, folder / "work")
    wanted = ["file", "line", "cost_usable", "los_usable", "death_known", "grouped", "surgery_usable", "specialty"]
    stored = discharges(connection, intake.store).select(wanted).execute()
    connection.disconnect()
    names = {
        number: f"front_pages/{name}" for number, name in zip(intake.files["file"], intake.files["name"], strict=True)
    }
    fates = pd.read_parquet(intake.fates)
    return truth, intake, fates.assign(file=fates["file"].map(names)), stored.assign(file=stored["file"].map(names))


def hit(rules: str) -> set[str]:
    return set(ids_in(rules))


@pytest.mark.slow
def test_every_seeded_defect_whose_rule_exists_is_found_at_its_line(region):
    truth, _, fates, _ = region
    found = {(f.file, f.line): (f.fate, f.rule, hit(f.rules)) for f in fates.itertuples()}
    letter = {"Q": "quarantined", "X": "excluded", "W": "accepted"}
    seeded = [d for d in truth["defects"] if d["rule"] in CATALOGUE and d["rule"] not in KEPT | {"F03"}]
    assert len({d["rule"] for d in seeded}) >= 45
    for defect in seeded:
        fate, rule, rules = found[defect["file"], defect["line"]]
        assert defect["rule"] in rules, defect
        if defect.get("scope") or defect["fate"] == "W":
            assert fate == "accepted", defect
        else:
            assert (fate, rule) == (letter[defect["fate"]], defect["rule"]), defect
        if defect.get("both"):
            other = found[defect["file"], defect["pair"]]
            assert defect["rule"] in other[2], defect
            assert other[0] == letter[defect["fate"]], defect


def test_no_clean_record_is_touched(region):
    truth, _, fates, stored = region
    known: dict[tuple, set] = {}
    for d in truth["defects"]:
        for line in {d["line"], d["pair"]} if d.get("both") else {d["line"]}:
            known.setdefault((d["file"], line), set()).update({d["rule"], *d.get("also", ())})
    extra = [
        (f.file, f.line, hit(f.rules) - known.get((f.file, f.line), set()) - KEPT - {"D01Y"})
        for f in fates.itertuples()
    ]
    assert [one for one in extra if one[2]] == []
    clean = stored[[(f, n) not in known for f, n in zip(stored["file"], stored["line"], strict=True)]]
    assert clean[["cost_usable", "los_usable", "death_known", "grouped", "surgery_usable"]].all().all()
    assert clean["specialty"].notna().all()


def test_what_a_scoped_defect_takes_a_record_out_of(region):
    truth, _, _, stored = region
    at = stored.set_index(["file", "line"])
    column = {
        "cost": "cost_usable",
        "los": "los_usable",
        "mortality": "death_known",
        "cmi": "grouped",
        "surgery": "surgery_usable",
    }
    scoped = [d for d in truth["defects"] if d.get("scope") and d["rule"] in CATALOGUE]
    assert {s for d in scoped for s in d["scope"].split(",")} == set(column)
    for d in scoped:
        out = {column[s] for s in d["scope"].split(",")}
        flags = at.loc[(d["file"], d["line"]), list(column.values())]
        assert set(flags.index[~flags.astype(bool)]) == out, d


def test_a_department_outside_every_specialty_stays_in_the_reference(region):
    truth, _, _, stored = region
    lines = {(d["file"], d["line"]) for d in truth["defects"] if d["rule"] == "S01"}
    of_none = stored[stored["specialty"].isna()]
    assert set(zip(of_none["file"], of_none["line"], strict=True)) == lines != set()


def test_the_balance_of_every_file_is_the_true_one(region):
    truth, intake, _, _ = region
    named = intake.files.set_index("name")
    departments = {}
    for d in truth["defects"]:  # S01 is 隔离 in the catalogue, and stays here
        if d["rule"] == "S01":
            departments[d["file"]] = departments.get(d["file"], 0) + 1
    for entry in truth["files"]:
        file = named.loc[entry["file"].removeprefix("front_pages/")]
        if "rejected" in entry:
            assert "编码" in file["rejected"]
            assert file["received"] == 0
            continue
        counts = intake.accounts[intake.accounts["file"] == file["file"]].groupby("fate")["n"].sum()
        moved = departments.get(entry["file"], 0)
        assert file["received"] == entry["rows"] == counts.sum()
        assert counts.get("quarantined", 0) == entry["quarantined"] - moved
        assert counts.get("excluded", 0) == entry["excluded"]
        assert counts.get("accepted", 0) == entry["included"] + moved
        assert file["encoding"] == ("utf-8" if "utf-8" in entry["encoding"] else "gb18030")
