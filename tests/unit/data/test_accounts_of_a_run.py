"""A run accounts for each of its records: trace says what became of it and which numbers it entered, worklists say what to
mend, and a mended file takes the place of the old one. All records are 合成数据.
"""

from __future__ import annotations

import csv
import json
import re

import pandas as pd
import pytest
import rows
from small_files import MAP, line, text

from toolkit.errors import ParameterError, RunError, UnbalancedError
from toolkit.evaluation import data_quality as dq
from toolkit.runs import finished, pipeline
from toolkit.runs.trace import as_records, as_text

USUAL = [line(COST=f"{900 + 20 * i}.00", DRG="FA11") for i in range(12)] + [
    line(DRG="FB21", COST="500.00", DEPT="D2") for _ in range(6)
]
A = text(
    *USUAL,  # lines 2–19
    line(R="kept-77", COST="1000.00"),  # 20
    line(R="kept-77", V="2", IN="2022-04-01", OUT="2022-04-03", DAYS="2", COST="99999.00"),  # 21: far above its DRG
    line(R="free", COST="0"),  # 22: no cost
    line(R="long", IN="2022-01-01", OUT="2022-06-30", DAYS="180"),  # 23: no cost, no LOS
    line(R="loose", DRG="", DEPT="D9"),  # 24: not grouped, of no specialty
    line(R="bad", IN="2022-02-30"),  # 25
    line(R="early", IN="2018-03-01", OUT="2018-03-06"),  # 26
    line(R="", COST="700.00"),  # 27
)
B = text(line(H="0099", R="kept-77"), line(H="0099"), line(H="0099"))
GROUPS = {"D1": "s1", "D2": "s2"}
TRIMMED = {"trimming": {"method": "iqr"}}


def evaluated(folder, files: dict[str, str], **more):
    source = folder / "in"
    source.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (source / name).write_text(content, encoding="utf-8")
    (folder / "map.yaml").write_text(MAP, encoding="utf-8")
    data = more.pop("data", {})
    params = rows.params(
        files=tuple(str(source / name) for name in files),
        format=str(folder / "map.yaml"),
        data=data,
        **{**TRIMMED, **more},
    )
    return pipeline.evaluate(params, folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accounts")
    results = evaluated(folder, {"a.csv": A, "b.csv": B, "z.csv": B})
    return folder / "run", results


_traced: dict[tuple, list] = {}


def trace(folder, **query):
    """Each record is traced once: a trace reads the whole run."""
    key = (folder, *sorted(query.items()))
    if key not in _traced:
        _traced[key] = finished.trace(folder, **query)
    return _traced[key]


def only(found):
    [one] = found
    return one


# --- trace ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_record_number_finds_all_its_stays_in_its_hospital_only(run):
    folder, _ = run
    both = trace(folder, hospital="0012", record="kept-77")
    assert [(t.file, t.line) for t in both] == [("a.csv", 20), ("a.csv", 21)]
    assert len({t.pseudonym for t in both}) == 2
    one = trace(folder, hospital="0012", record="kept-77", visit="2")
    assert [t.line for t in one] == [21]
    assert only(trace(folder, hospital="0099", record="kept-77")).file == "b.csv"


def test_a_line_and_a_record_number_lead_to_the_same(run):
    folder, _ = run
    by_line = only(trace(folder, file="a.csv", line=22))
    by_number = only(trace(folder, hospital="0012", record="free", visit="1"))
    assert as_records([by_line]) == as_records([by_number])


def test_each_fate_is_told_with_its_rules_and_uses(run):
    folder, _ = run
    of = {at: only(trace(folder, file="a.csv", line=at)) for at in (20, 21, 22, 23, 24, 25, 26, 27)}
    assert [of[at].fate for at in of] == ["accepted"] * 5 + ["quarantined", "excluded", "quarantined"]
    assert [of[at].reason for at in (25, 26, 27)] == ["D01", "D04", "K03"]
    assert all(t.cells.empty for t in (of[25], of[26], of[27]))
    assert {s for s, use in of[20].uses.items() if use != "纳入"} == {"surgery"}  # the format tells no operations
    assert "规则C01" in of[22].uses["cost"]
    assert of[22].uses["los"] == "纳入"
    assert all("规则D08" in of[23].uses[scope] for scope in ("cost", "los"))
    assert of[23].uses["mortality"] == "纳入"
    assert "规则G01" in of[24].uses["case_mix"]
    assert of[24].uses["specialty"] != "纳入"
    # 99,999 yuan beside 900 to 1,120 in its DRG; nothing is trimmed on the frozen basis
    assert of[21].trimmed[("cost", "contemporaneous")]
    assert not of[21].trimmed[("cost", "frozen")]
    assert not of[20].trimmed[("cost", "contemporaneous")]
    assert ("cost", "contemporaneous") not in of[22].trimmed


def test_the_listed_numbers_are_those_that_change_without_the_record(run, tmp_path):
    folder, results = run
    lines = A.split("\n")
    less = evaluated(tmp_path, {"a.csv": "\n".join([*lines[:20], *lines[21:]]), "b.csv": B})  # without line 21
    keys = ["level", "hospital", "specialty", "period", "basis", "indicator"]
    both = results.cells[[*keys, "n"]].merge(less.cells[[*keys, "n"]], on=keys, how="left", suffixes=("", "_less"))
    changed = both.loc[both["n"] != both["n_less"].fillna(0), keys].astype(str)
    listed = only(trace(folder, file="a.csv", line=21)).cells[keys].astype(str)
    assert set(map(tuple, listed.to_numpy())) == set(map(tuple, changed.to_numpy()))
    assert len(listed) > 50


def test_what_it_added_is_what_a_person_computes(run):
    folder, _ = run
    cells = only(trace(folder, file="a.csv", line=20)).cells
    unit = cells[(cells["level"] == "unit") & (cells["period"] == "2022") & (cells["basis"] == "frozen")].set_index(
        "indicator"
    )
    costs = [*(900 + 20 * i for i in range(12)), 1000, 99_999]  # of FA11 in both hospitals, with a usable cost
    costs += [1000, 1000, 1000]
    assert unit.loc["cost_index", "x"] == pytest.approx(1000 / (sum(costs) / len(costs)))
    assert unit.loc["mean_los", "x"] == 5
    assert unit.loc["mean_los", "y"] == 1


def test_a_refused_file_is_told_and_so_is_what_does_not_exist(run):
    folder, _ = run
    refused = only(trace(folder, file="z.csv", line=2))
    assert (refused.fate, "b.csv" in refused.reason) == ("rejected", True)
    for query, word in (
        ({"hospital": "12", "record": "1"}, "没有机构"),
        ({"hospital": "0012", "record": "nobody"}, "没有这个病案号"),
        ({"file": "a.cvs", "line": 2}, "是否为 a.csv"),
        ({"file": "a.csv", "line": 1}, "不是一条记录"),
        ({"file": "a.csv", "line": 999}, "不是一条记录"),
    ):
        with pytest.raises(ParameterError, match=word):
            trace(folder, **query)
    with pytest.raises(RunError, match="不是一次已完成"):
        trace(folder / "nothing", file="a.csv", line=2)


def test_no_record_number_is_in_the_run_and_the_text_names_no_patient(run):
    folder, results = run
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"kept-77" not in path.read_bytes(), path
    said = as_text(trace(folder, hospital="0012", record="kept-77"), results)
    assert "kept-77" not in said
    assert "文件 a.csv，第 20 行" in said
    assert re.search(r"费用，当期口径：为本 DRG 极端值，已裁剪", said)


# --- worklists and balance -------------------------------------------------------------------------------------------------


def listed(folder, hospital):
    with (folder / "worklists" / f"{hospital}.csv").open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_run_writes_each_hospitals_worklist_with_what_stood_there(run):
    folder, _ = run
    at = {(int(row["行号"]), row["规则"]): row for row in listed(folder, "0012")}
    bad = at[25, "规则D01"]
    assert (bad["去向"], bad["文件"]) == ("隔离", "a.csv")
    assert "IN=2022-02-30" in bad["填报值"]
    assert at[22, "规则C01"]["填报值"] == "0"
    assert at[27, "规则K03"]["填报值"] == "（不显示）"
    assert bad["假名"] == only(trace(folder, file="a.csv", line=25)).pseudonym
    assert not [row for row in at if row[1] == "规则S01"]


def test_what_is_stored_of_hit_records_names_no_record_and_no_one_else(run):
    folder, _ = run
    held = pd.read_parquet(folder / "data" / "submitted.parquet")
    fates = pd.read_parquet(folder / "data" / "fates.parquet")
    assert set(zip(held["file"], held["line"], strict=True)) <= set(zip(fates["file"], fates["line"], strict=True))
    assert held.filter(regex="record|visit|patient").isna().all(axis=None)


def test_the_balance_of_the_run_adds_up_and_a_broken_one_leaves_no_result(run, tmp_path, monkeypatch):
    _, results = run
    sums = results.balance.pivot_table(index=["file", "hospital"], columns="measure", values="n", aggfunc="sum")
    assert sums.eq(sums["all"], axis=0).all(axis=None)
    assert sums["all"].sum() == 26 + 3

    from toolkit.data import store

    true = store.write_parquet

    def loses_one(connection, table, path, **more):
        return true(connection, table.filter(table.line != 20), path, **more)

    monkeypatch.setattr(store, "write_parquet", loses_one)
    with pytest.raises(UnbalancedError, match="X01"):
        evaluated(tmp_path, {"a.csv": A})
    assert not (tmp_path / "run" / "results").exists()


def test_quarantine_is_weighed_against_what_it_would_change(run):
    _, results = run
    found = dq.quarantine_effect(results, "0012").set_index("measure")
    used = [*(900 + 20 * i for i in range(12)), *[500] * 6, 1000, 99_999, 1000]  # line 24 has the plain 1,000 yuan
    assert found.loc["cost", "n"] == len(used)
    assert found.loc["cost", "value"] == pytest.approx(100 * sum(used) / len(used))
    waiting = [1000, 700]  # lines 25 and 27
    assert found.loc["cost", "n_waiting"] == 2
    assert found.loc["cost", "value_with"] == pytest.approx(100 * sum(used + waiting) / (len(used) + 2))


# --- resubmission -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_mended_file_moves_the_numbers_and_the_history_shows_both(tmp_path):
    register = tmp_path / "register.json"
    may = {"submissions": str(register), "arrived": "2025-05-01"}
    june = {**may, "arrived": "2025-06-01"}
    first = evaluated(tmp_path, {"a.csv": A, "b.csv": B}, data=may)
    mended = A.replace("2022-02-30", "2022-02-28").replace(
        "0012,bad,1,2022-02-28,2022-03-06,5", "0012,bad,1,2022-02-28,2022-03-06,6"
    )
    second = evaluated(tmp_path, {"a.csv": A, "b.csv": B, "mended.csv": mended}, data=june)
    volume = [int(r.cube.loc[r.cube["hospital"] == "0012", "n"].sum()) for r in (first, second)]
    assert volume == [23, 24]
    files = second.files.set_index("name")
    assert "被后来报送的 mended.csv（2025-06-01 收到）替代" in files.loc["a.csv", "rejected"]
    assert files.loc["a.csv", "received"] == 0
    history = second.submissions.set_index(["name", "hospital"])
    assert history.loc[("a.csv", "0012"), "status"] == "replaced"
    assert history.loc[("a.csv", "0012"), "quarantined"] == 2
    assert history.loc[("mended.csv", "0012"), ["status", "quarantined"]].tolist() == ["current", 1]
    assert history.loc[("b.csv", "0099"), "status"] == "current"
    change = dq.since_last(second).set_index("rule")
    assert change.loc["D01", ["before", "now"]].tolist() == [1, 0]
    # sent once more without a change: refused, and where it was first is in the register
    third = evaluated(
        tmp_path,
        {"a.csv": A, "b.csv": B, "mended.csv": mended, "again.csv": mended},
        data={**may, "arrived": "2025-07-01"},
    )
    assert "完全相同（规则F01）" in "".join(third.files["rejected"])
    pd.testing.assert_frame_equal(third.cube, second.cube)
    entries = {(s["name"], s["arrived"]) for s in json.loads(register.read_text("utf-8"))["submissions"]}
    assert {("a.csv", "2025-05-01"), ("mended.csv", "2025-06-01")} <= entries
