"""From a folder of many hospitals to the balance, with no edit but the confirmed maps, held against the truth. 合成数据."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import many_hospitals
import pandas as pd
import pytest
import yaml

from toolkit.evaluation.names import NAMES
from toolkit.params import load_params
from toolkit.runs import pipeline
from toolkit.runs.asked import quiet
from toolkit.runs.setting_up import set_up

HOSPITALS, STAYS = 10, 2  # each way of sending records once


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The truth, what `init --from` said, and what the check found."""
    home = tmp_path_factory.mktemp("many")
    truth = many_hospitals.write(home / "in", HOSPITALS, stays=STAYS)
    made = set_up(home / "in", home / "mine.yaml", quiet)
    for path in made.files:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("confirmed: false", "confirmed: true"), encoding="utf-8")
    work = tmp_path_factory.mktemp("work")
    checked = pipeline.check(load_params(home / "mine.yaml", NAMES), work)
    return truth, made, checked, pd.read_parquet(next(work.rglob("fates.parquet"))), home


@pytest.mark.slow
def test_every_file_and_sheet_is_read_in_whole_or_named(walked):
    truth, _made, checked, _fates, _home = walked
    files = checked.intake.files.set_index("name")
    assert files.loc[files["status"] == "read", "received"].to_dict() == truth.received
    left = files[files["status"] != "read"]
    assert set(left.index) == set(truth.not_read)
    assert (left["rejected"].str.len() > 3).all()
    assert {name for name, why in truth.not_read.items() if why == "locked"} == set(
        left.index[left["status"] == "skipped"]
    )


def test_sound_records_of_every_hospital_and_month_are_accepted_and_no_other(walked):
    truth, _made, checked, _fates, _home = walked
    table = checked.found.hospitals.set_index(["hospital", "year"])
    found = {(h, y, m): int(row[f"m{m}"]) for (h, y), row in table.iterrows() for m in range(13) if row[f"m{m}"]}
    assert found == {key: n for key, n in truth.months.items() if n}


def test_every_planted_fault_is_found_in_its_file_and_nothing_else_is(walked):
    truth, _made, checked, fates, _home = walked
    names = checked.intake.files.set_index("file")["name"]
    primary = fates[fates["fate"] == "quarantined"]
    found = Counter(zip(primary["file"].map(names), primary["rule"], strict=True))
    marked = fates[fates["rules"].str.contains("|G01|", regex=False) & (fates["fate"] == "accepted")]
    found.update((name, "G01") for name in marked["file"].map(names))
    assert found == +truth.faults


def test_the_parameter_file_proposes_what_is_there_and_asks_what_it_cannot_know(walked):
    _truth, made, checked, _fates, home = walked
    content = yaml.safe_load((home / "mine.yaml").read_text(encoding="utf-8"))
    assert content["cycles"] == {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}
    assert {s["id"]: sorted(s["departments"]) for s in content["specialties"]} == {
        "cardiology": ["03.04", "心血管内科"],
        "general-surgery": ["04.01", "普通外科"],
    }
    assert content["projects"] == []
    assert "projects" in made.asked[-1]
    registry = (home / "mine" / "hospitals.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in registry[1:]] == [str(1003 + 7 * n) for n in range(HOSPITALS)]
    assert not checked.found.failures


def test_nothing_of_a_record_stands_in_what_is_written(walked):
    _truth, made, _checked, _fates, home = walked
    line = (home / "in" / "第000家合成医院" / "病案2019.csv").read_text(encoding="utf-8").splitlines()[1]
    said = "".join(path.read_text(encoding="utf-8-sig") for path in made.files) + "".join((*made.said, *made.asked))
    assert not [cell for cell in line.split(",")[1:7] if len(cell) > 3 and cell in said]


@pytest.mark.parametrize("name", ["nowhere", "empty", "no records"])
def test_a_folder_without_records_gets_a_message(tmp_path, name):
    from toolkit.errors import InputError

    folder: Path = tmp_path / name
    if name != "nowhere":
        folder.mkdir()
    if name == "no records":
        (folder / "a.csv").write_text("姓名,电话\n样例,1\n", encoding="utf-8")
    with pytest.raises(InputError):
        set_up(folder, tmp_path / "p.yaml", quiet)
    assert not (tmp_path / "p.yaml").exists()
