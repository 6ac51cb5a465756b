"""No cell where it does not belong: canaries in every column of every kind of record, searched in all that a run leaves."""

import sys
from pathlib import Path

import pytest
from regions import HEADER, rows, speceval, write

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
from scanning import found

from toolkit.params import load_params
from toolkit.runs import pipeline

# invented; the identity numbers have wrong check digits
MARKS = {
    "name": "哨兵张三丰",
    "identity": "110101199003074577",
    "old identity": "110101900307457",
    "mobile": "13900001111",
}
HELD = ("other_diagnoses", "other_procedures", "acquired_diagnoses", "residence", "age_days", "drg_weight", "address")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A canary of each kind in each column of a record of its own, in identical records, in refused lines."""
    folder = tmp_path_factory.mktemp("planted")
    records = [dict.fromkeys(HELD, "") | row for row in rows(700)]
    spare = iter(records)
    for column in (*HEADER, *HELD):
        for mark in MARKS.values():
            next(spare)[column] = mark
    twice = dict(next(spare), record=MARKS["mobile"], drg=MARKS["name"])
    records += [twice, twice]
    columns = [*HEADER, *HELD]
    lines = [",".join(columns), *(",".join(row[c] for c in columns) for row in records)]
    lines += [",".join([*MARKS.values()]), ",".join(MARKS["name"] for _ in range(40)), f'"{MARKS["name"]}']
    path = write(folder, [], run="planted")
    (folder / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pipeline.evaluate(load_params(path), folder / "reports" / "planted")
    return folder


@pytest.mark.slow
def test_no_canary_of_any_column_is_in_tables_worklists_caches_or_names_of_files(planted):
    assert found(planted / "reports", MARKS) == []


def test_what_slipped_is_put_apart_and_nothing_is_lost(planted):
    from toolkit.evaluation.results import load

    results = load(planted / "reports" / "planted" / "results")
    fates = results.accounts.groupby("fate")["n"].sum()
    assert int(results.files["records"].iloc[0] if "records" in results.files else fates.sum()) == int(fates.sum())
    rules = set(results.accounts.loc[results.accounts["fate"] == "quarantined", "rule"])
    assert {"F10", "K09"} <= rules


@pytest.mark.slow
def test_neither_messages_nor_json_of_a_check_hold_one(planted):
    for more in ([], ["--json"]):
        done = speceval("check", "p.yaml", "-q", *more, cwd=planted)
        assert done.returncode == 0, done.stderr[-500:]
        assert not [mark for mark in MARKS.values() if mark in done.stdout + done.stderr]


def test_department_names_are_no_names_of_people(tmp_path):
    records = rows(200)
    names = ["心内科", "骨伤", "ICU", "重症", "儿保", "神经外科二病区", "急诊", "03.04", "康复"]
    for row, name in zip(records, names, strict=False):
        row["department"] = name
    records[20]["department"] = "惠民堂"  # looks like no department, and is declared as one
    specialties = [{"id": "s1", "name_zh": "专科1", "departments": ["D1", "D2", "惠民堂"]}]
    path = write(tmp_path, records, run="d", specialties=specialties, projects=[])
    results = pipeline.evaluate(load_params(path), tmp_path / "d")
    assert "F10" not in set(results.accounts["rule"])
