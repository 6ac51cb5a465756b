"""One whole cycle on the synthetic region: each step follows from the one before, and the page that describes it is true. 合成数据."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import ParameterError
from toolkit.programme.ledger import DECISION, Ledger
from toolkit.programme.opened_cycle import OpenedCycle, read_cycle
from toolkit.runs import golden_programme
from toolkit.runs.programme_cycle import run_cycle

PAGE = Path(__file__).parents[3] / "docs" / "a-cycle.md"


@pytest.fixture(scope="module")
def folder() -> Path:
    return golden_programme()


@pytest.fixture(scope="module")
def cycle(folder) -> OpenedCycle:
    return read_cycle(folder)


@pytest.mark.slow(seconds=60)
def test_every_project_ends_in_a_state_that_follows_from_its_decision(cycle):
    states = cycle.tables["states"].dropna(subset=["project"]).set_index("project")["state_zh"]
    final = cycle.tables["final"].set_index("project")["final"]
    follows = {"qualified": {"挂牌"}, "mend": {"终止"}, "boundary": {"期末评估"}, "not_judged": {"期末评估"}}
    for project, outcome in final.items():
        assert states[project] in follows[outcome]
    assert set(states[~states.index.isin(final.index)]) == {"未立项"}
    assert len(states) == len(cycle.tables["applicants"])


def test_the_chosen_keep_every_rule_and_are_the_projects_of_the_run(cycle):
    selected, applicants = cycle.tables["selected"], cycle.tables["applicants"].set_index("applicant")
    chosen = selected[selected["chosen"]]
    units = cycle.results.units
    assert set(chosen["applicant"]) == set(units.loc[units["project"] != "", "id"])
    assert chosen["eligible"].all()
    city = applicants.loc[chosen.loc[chosen["track"] == "市级项目", "applicant"]]
    assert 0 < len(city) <= 5
    assert (city["urban"] == "是").sum() <= 0.6 * len(city)
    assert city["hospital"].value_counts().max() <= 2
    assert not city["specialty"].duplicated().any()
    assert (selected["track"] == "县级项目")[selected["chosen"]].sum() <= 3


def test_nothing_was_changed_since_the_protocol_was_sealed_and_the_ledger_is_whole(cycle, folder):
    assert cycle.tables["proof"].empty
    ledger = Ledger(folder / "ledger.sqlite")
    assert ledger.verify() == []
    kinds = {e.kind for e in ledger.entries()}
    ledger.close()
    assert {"state", "seal"} <= kinds


def test_the_expert_who_scores_apart_is_found(cycle):
    standing = cycle.tables["standing"].set_index("expert")
    assert standing.loc[standing["outlying"]].index.tolist() == ["专家01"]  # the synthetic panel makes this one severe


def test_a_cycle_is_not_played_twice_on_one_ledger(folder, tmp_path):
    with pytest.raises(ParameterError, match="文件夹不空"):
        run_cycle(None, folder)
    with pytest.raises(ParameterError, match="没有完整的周期"):
        read_cycle(tmp_path)


# --- docs/a-cycle.md ----------------------------------------------------------------------------------------------------

BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
COMMANDS = [
    line.split("  #")[0].strip() for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.strip()
]
MADE_ELSEWHERE = ("speceval programme", "speceval run")  # the fixture's part


def test_the_page_walks_from_applications_to_recognition():
    groups = {shlex.split(c)[1] for c in COMMANDS}
    assert {"values", "evidence", "panel", "select", "protocol", "rehearse", "decide", "spotcheck", "ledger"} <= groups


def test_every_command_of_the_page_runs_on_the_files_of_the_cycle(folder, tmp_path, monkeypatch):
    """In the order of the page, in a folder of its own; what people fill in is taken from the example."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cycle").symlink_to(folder, target_is_directory=True)
    (tmp_path / "params").symlink_to(PAGE.parents[1] / "params", target_is_directory=True)
    (tmp_path / "mine").mkdir()
    for command in COMMANDS:
        if command.startswith(MADE_ELSEWHERE):
            continue
        arguments = [
            part
            for word in shlex.split(command)[1:]
            for part in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, f"{command}\n{done.output}"
        if "--protocol" in arguments:
            assert "自封存以来没有改动" in done.output
    _decisions_are_entered(tmp_path)
    final = pd.read_excel(tmp_path / "mine" / "final.xlsx", engine="calamine")
    again = read_cycle(folder).tables["final"]
    assert dict(zip(final["project"], final["final"], strict=True)) == dict(
        zip(again["project"], again["final"], strict=True)
    )


def _decisions_are_entered(folder: Path) -> None:
    """With the sealed protocol, the run and the file that they rest on; the visits behind them."""
    ledger = Ledger(folder / "mine" / "ledger.sqlite")
    entries = [one for one in ledger.entries() if one.kind == DECISION]
    assert ledger.verify() == []
    ledger.close()
    whole, *projects = entries
    decided = pd.read_csv(folder / "mine" / "decisions.csv", dtype=str, encoding="utf-8-sig").set_index("project")
    assert whole.content["protocol"] == json.loads((folder / "mine" / "protocol.json").read_text("utf-8"))["key"]
    assert whole.content["sha256"] == hashlib.sha256((folder / "mine" / "decisions.csv").read_bytes()).hexdigest()
    sealed = (folder / "cycle" / "region" / "evaluation.json").read_bytes()
    assert whole.content["run"]["evaluation"] == hashlib.sha256(sealed).hexdigest()
    assert whole.content["outcomes"] == decided["outcome"].value_counts().to_dict()
    own = [one for one in projects if one.content.get("of") == whole.number]
    assert {one.project: one.content["outcome"] for one in own} == decided["outcome"].to_dict()
    assert any(one.why.startswith("现场抽核") for one in projects)
