"""Two hundred hospitals, each another mixture, from `init --from` to reports with no edit but the confirmed maps. 合成数据."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mixtures
import pandas as pd
import pytest

pytestmark = pytest.mark.slow
HOSPITALS = 200
CLEAN = ("", "|S01|")  # a record of a department that is no specialty's is nobody's fault


def speceval(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The truth, the folder, and what the check says as JSON."""
    home = tmp_path_factory.mktemp("two-hundred")
    truth = mixtures.write(home / "in", HOSPITALS)
    speceval(home, "init", "mine.yaml", "--from", "in", "--quiet")
    for path in (home / "mine").glob("*.yaml"):
        path.write_text(path.read_text("utf-8").replace("confirmed: false", "confirmed: true"), encoding="utf-8")
    return truth, home, json.loads(speceval(home, "check", "mine.yaml", "--quiet", "--json"))


def test_every_file_and_sheet_is_read_whole_or_named(walked):
    truth, _home, said = walked
    files = {one["name"]: one for one in said["files"]}
    assert {name: one["received"] for name, one in files.items() if one["status"] == "read"} == truth.received
    left = {name: one["rejected"] for name, one in files.items() if one["status"] != "read"}
    assert set(left) == set(truth.not_read)
    assert all(len(reason) > 3 for reason in left.values())


def test_hospitals_and_months_have_the_sound_records_and_no_other(walked):
    truth, _home, said = walked
    found = {
        (row["hospital"], row["year"], month): row[f"m{month}"]
        for row in said["hospitals"]
        for month in range(13)
        if row[f"m{month}"]
    }
    assert found == {key: n for key, n in truth.months.items() if n}
    assert {(w["hospital"], w["specialty"]) for w in said["hospital_warnings"] if w["rule"] == "D17"} == truth.silent


def test_the_run_balances_with_the_truth_by_file_and_rule_and_ends_in_reports(walked):
    truth, home, _said = walked
    speceval(home, "run", "mine.yaml", "--quiet")
    run = home / "reports" / "mine"
    assert (run / "index.html").is_file()
    tables = run / "results"
    accounts = pd.read_parquet(tables / "accounts.parquet")
    names = pd.read_parquet(tables / "files.parquet").set_index("file")["name"]
    found: Counter[tuple[str, str]] = Counter()
    for row in accounts[~accounts["rules"].isin(CLEAN)].itertuples():
        hit = [row.rule] if row.fate != "accepted" else [r for r in row.rules.split("|") if r and r != "S01"]
        found.update({(names[row.file], rule): int(row.n) for rule in hit})
    assert found == +truth.faults
    assert accounts.groupby(accounts["file"].map(names))["n"].sum().to_dict() == truth.received


def test_deaths_days_and_costs_are_those_that_were_written(walked):
    truth, home, _said = walked
    cells = pd.concat(map(pd.read_parquet, sorted(home.rglob("discharges/*.parquet"))), ignore_index=True)
    sums = cells.groupby("hospital").agg(
        deaths=("died", "sum"), days=("los_days", "sum"), fen=("cost_fen", lambda x: int(x[x > 0].sum()))
    )
    for name in ("deaths", "days", "fen"):
        assert {h: int(n) for h, n in sums[name].items() if n} == +getattr(truth, name)
