"""Two hospitals of the Brazilian file: what became of continuation records and of stays that cost nothing, one by one."""

from __future__ import annotations

import csv

import duckdb
import pytest
from conftest import BRAZIL, CYCLES

from toolkit.params import RunParams
from toolkit.runs import finished, pipeline

HOSPITALS = ("2078031", "2079593")
SPECIALTIES = [
    {"id": "psychosis", "name_zh": "精神分裂症及相关障碍", "diagnoses": ["F2"]},
    {"id": "mood", "name_zh": "心境障碍", "diagnoses": ["F3"]},
]


@pytest.fixture(scope="module")
def run(data_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_hospitals")
    chosen = ", ".join(f"'{code}'" for code in HOSPITALS)
    duckdb.sql(
        f"COPY (SELECT * FROM '{data_folder / BRAZIL}' WHERE CNES IN ({chosen}) ORDER BY N_AIH, DT_SAIDA, VAL_TOT) "  # noqa: S608
        f"TO '{folder / 'two.parquet'}' (FORMAT parquet)"
    )
    params = RunParams.model_validate(
        {
            "run": "two",
            "title": "两家机构",
            "cycles": CYCLES,
            "specialties": SPECIALTIES,
            "data": {"format": "sih", "files": [str(folder / "two.parquet")]},
        }
    )
    return folder / "run", pipeline.evaluate(params, folder / "run"), folder / "two.parquet"


def found(path, condition: str) -> list[tuple]:
    """Line, hospital, number of the records that meet a condition, straight from the file."""
    return duckdb.sql(
        f"SELECT file_row_number + 1, CNES, N_AIH FROM read_parquet('{path}', file_row_number=true) "  # noqa: S608
        f"WHERE {condition} ORDER BY 1"
    ).fetchall()


IN_CYCLE = "DT_SAIDA BETWEEN '20190101' AND '20241231'"
FREE = f"IDENT = '1' AND VAL_TOT = 0 AND {IN_CYCLE}"


@pytest.mark.slow
def test_the_balance_is_that_of_the_file(run):
    _, results, path = run
    [(total,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()  # noqa: S608
    counts = results.balance.groupby(["measure", "fate", "rule"])["n"].sum()
    assert int(results.balance[results.balance["measure"] == "cost"]["n"].sum()) == total
    assert counts["all", "excluded", "SCOPE"] == len(found(path, "IDENT <> '1'"))
    assert (
        counts["cost", "excluded", "C01"] + counts.get(("cost", "excluded", "D08"), 0) >= len(found(path, FREE)) > 100
    )


def test_a_continuation_record_is_no_discharge_and_in_no_number(run):
    folder, _, path = run
    line, hospital, number = found(path, "IDENT <> '1'")[0]
    by_line = finished.trace(folder, file="two.parquet", line=line)
    assert [(t.fate, t.reason, t.cells.empty) for t in by_line] == [("excluded", "SCOPE", True)]
    # the same number comes back every month: all of them are told
    by_number = finished.trace(folder, hospital=hospital, record=number)
    assert {t.line for t in by_number} == {at for at, of, n in found(path, f"N_AIH = '{number}'") if of == hospital}
    listed = folder / "worklists" / f"{hospital}.csv"
    with listed.open(encoding="utf-8-sig", newline="") as handle:
        lines = {int(row["行号"]) for row in csv.DictReader(handle)}
    assert not lines & {at for at, _, _ in found(path, "IDENT <> '1'")}


def test_a_stay_that_cost_nothing_leaves_cost_and_stays_in_time_and_mortality(run):
    folder, _, path = run
    line, hospital, number = found(path, FREE + " AND DIAG_PRINC LIKE 'F3%'")[0]
    [one] = finished.trace(folder, hospital=hospital, record=number, visit="000")
    assert (one.fate, one.line) == ("accepted", line)
    assert "规则C01" in one.uses["cost"]
    assert (one.uses["los"], one.uses["mortality"]) == ("纳入", "纳入")
    entered = set(one.cells["indicator"])
    assert {"mean_los", "drg_count", "mortality"} <= entered
    assert not entered & {"mean_cost", "cost_index", "cost_ratio"}
