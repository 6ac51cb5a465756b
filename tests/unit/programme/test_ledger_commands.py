"""`speceval ledger`: what is entered can be shown, verified, exported; what must not be, is refused. 合成数据."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import EvaluationError, InputError, ParameterError
from toolkit.programme.ledger import Ledger
from toolkit.programme.ledger_export import entering
from toolkit.running.manifest import digest, sealed
from toolkit.running.publish import canonical

RUNNER = CliRunner()


def speceval(*arguments: object):
    return RUNNER.invoke(app, ["ledger", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def ledger(tmp_path) -> Path:
    path = tmp_path / "台账.sqlite"
    for end, role in (("applied", "hospital"), ("screened", "county")):
        done = speceval("add", path, "--role", role, "--project", "A-s1", "--to", end, "--who", "示例")
        assert done.exit_code == 0, done.output
    speceval("add", path, "--role", "hospital", "--project", "A-s1", "--statement", "data_error", "--why", "口径有误")
    return path


def test_entries_and_states_are_shown(ledger):
    said = speceval("show", ledger).output
    assert "→ 申报" in said
    assert "数据填报错误" in said
    assert "A-s1：初审，3 条" in said
    whole = json.loads(speceval("show", ledger, "--json").output)
    assert [e["number"] for e in whole["entries"]] == [1, 2, 3]
    assert whole["projects"][0]["state"] == "screened"


def test_a_whole_ledger_verifies_and_a_changed_one_names_the_entry(ledger):
    assert speceval("verify", ledger).exit_code == 0
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TRIGGER ledger_no_update")
        connection.execute("UPDATE ledger_entries SET why = '另写' WHERE number = 3")
    done = speceval("verify", ledger)
    assert done.exit_code == 5
    assert "第 3 条的内容与其哈希不符" in done.output


def test_a_head_noted_before_shows_what_was_cut_off(ledger):
    head = json.loads(speceval("verify", ledger, "--json").output)["head"]
    noted = f"{head['number']}:{head['hash']}"
    assert speceval("verify", ledger, "--head", noted).exit_code == 0
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TRIGGER ledger_no_delete")
        connection.execute("DELETE FROM ledger_entries WHERE number = 3")
    assert speceval("verify", ledger).exit_code == 0  # the chain by itself does not know
    assert speceval("verify", ledger, "--head", noted).exit_code == 5
    with pytest.raises(ParameterError, match="条目号"):
        speceval("verify", ledger, "--head", "3")


def manifest_of_nothing(head: dict) -> dict:
    """A run's manifest without a table or report, of the shape that a manifest must have."""
    identity = {
        "parameters": {},
        "raw": [],
        "inputs": {},
        "software": {"code": "0" * 64, "lock": "", "packages": {}},
        "run": "r",
        "edition": "internal",
        "disclosure": None,
        "read": [],
        "declarations": {},
        "notebooks": {},
        "package": {},
    }
    empty = {name: {} for name in ("tables", "references", "pages", "files", "reports", "unfinished")}
    key = digest(canonical(identity))
    return {"key": key, "identity": identity, "evaluation": "0" * 64, "record_key": "", **empty, "ledger": head}


def test_the_head_that_a_run_sealed_is_held_against_the_ledger(ledger, tmp_path):
    head = json.loads(speceval("verify", ledger, "--json").output)["head"]
    run = tmp_path / "run"
    run.mkdir()
    content = manifest_of_nothing(head)
    (run / "manifest.json").write_bytes(sealed(content))
    assert speceval("verify", ledger, "--run", run).exit_code == 0
    other = tmp_path / "other.sqlite"
    speceval("add", other, "--role", "commission")
    assert "封存时的第 3 条" in speceval("verify", other, "--run", run).output
    (run / "manifest.json").write_bytes(sealed({**content, "ledger": {**head, "number": 9}})[:-2])
    with pytest.raises(EvaluationError, match="没有台账的末条"):
        speceval("verify", ledger, "--run", run)


def test_exported_json_can_be_checked_without_this_program(ledger, tmp_path):
    speceval("export", ledger, "--out", tmp_path / "l.json")
    before = "0" * 64
    for entry in json.loads((tmp_path / "l.json").read_text("utf-8"))["entries"]:
        told = {k: v for k, v in entry.items() if k != "hash"}
        text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert entry["before"] == before
        assert hashlib.sha256(text.encode()).hexdigest() == entry["hash"]
        before = entry["hash"]


def test_exports_for_spreadsheets_hold_every_entry_and_no_formula(ledger, tmp_path):
    speceval("add", ledger, "--role", "commission", "--why", "=1+1", "--content", "文号=示例")
    speceval("export", ledger, "--out", tmp_path / "l.csv")
    rows = pd.read_csv(tmp_path / "l.csv", dtype=str, encoding="utf-8-sig")
    assert list(rows["number"]) == ["1", "2", "3", "4"]
    assert rows["why"][3] == "'=1+1"
    speceval("export", ledger, "--out", tmp_path / "l.xlsx")
    states = pd.read_excel(tmp_path / "l.xlsx", sheet_name="项目状态", engine="calamine")
    assert states["state_zh"][0] == "初审"
    with pytest.raises(ParameterError, match="导出须为"):
        speceval("export", ledger, "--out", tmp_path / "l.txt")


def test_what_is_not_allowed_is_refused_and_leaves_no_entry(ledger):
    with pytest.raises(EvaluationError, match="不能从“初审”到“挂牌”"):
        speceval("add", ledger, "--role", "commission", "--project", "A-s1", "--to", "recognised", "--why", "x")
    with pytest.raises(ParameterError, match="只能给一个"):
        speceval("add", ledger, "--role", "commission", "--to", "reviewed", "--corrects", "1")
    with pytest.raises(ParameterError, match="键=值"):
        speceval("add", ledger, "--role", "commission", "--content", "文号")
    assert "3 条 entries" in speceval("verify", ledger).output


@pytest.mark.parametrize("command", ["show", "verify"])
def test_a_ledger_that_is_not_there_is_not_begun_by_reading(tmp_path, command):
    with pytest.raises(InputError, match="没有这个台账"):
        speceval(command, tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()


def test_a_file_and_its_entries_stand_together_or_both_as_they_were(tmp_path):
    out, where = tmp_path / "out.csv", str(tmp_path / "l.sqlite")

    def fails(role: str) -> None:
        with entering(where, out) as enter:
            out.write_text("ne", encoding="utf-8")
            enter(kind="note", role=role)
            raise OSError("full")

    with pytest.raises(EvaluationError, match="没有角色"):
        fails("visitor")
    assert not out.exists()
    out.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="full"):
        fails("commission")
    assert out.read_text("utf-8") == "old"
    with entering(where, out) as enter:
        out.write_text("new", encoding="utf-8")
        enter(kind="note", role="commission")
    with entering("", out) as enter:  # no ledger is declared
        assert enter(kind="note", role="commission") is None
    ledger = Ledger(where)
    assert ledger.head().number == 1
    ledger.close()
