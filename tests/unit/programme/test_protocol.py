"""方案封存: nothing changed is shown as nothing, and every change is named by file and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError, ParameterError
from toolkit.programme.ledger import SEAL, Ledger
from toolkit.programme.protocol import changes, opened, seal

RULE = Path(__file__).parents[3] / "params" / "rules" / "decision.yaml"


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    (tmp_path / "rule.yaml").write_text(RULE.read_text("utf-8"), encoding="utf-8")
    (tmp_path / "targets.csv").write_text("project,indicator,target\nA-s1,cmi,1.2\n", encoding="utf-8")
    return {"rule": tmp_path / "rule.yaml", "targets": tmp_path / "targets.csv"}


def told(protocol: Path, files: dict[str, Path], entries=None) -> list[str]:
    return [str(one) for one in changes(opened(protocol), files, entries)]


def test_nothing_changed_is_proven_against_the_ledger(tmp_path, files):
    ledger = Ledger(tmp_path / "l.sqlite")
    key = seal(files, tmp_path / "p.json", ledger=ledger, role="commission", who="示例", why="本周期方案")
    [entry] = ledger.entries()
    assert (entry.kind, entry.content["protocol"]) == (SEAL, key)
    assert told(tmp_path / "p.json", files, ledger.entries()) == []


def test_a_changed_rule_and_target_are_named_by_key_and_line(tmp_path, files):
    seal(files, tmp_path / "p.json")
    text = files["rule"].read_text("utf-8")
    files["rule"].write_text(
        text.replace("certainty: 0.8", "certainty: 0.7").replace(
            "id: cmi, domain: capacity", "id: cmi, domain: quality"
        ),
        encoding="utf-8",
    )
    files["targets"].write_text("project,indicator,target\nA-s1,cmi,1.1\n", encoding="utf-8")
    found = told(tmp_path / "p.json", files)
    assert "判定规则 certainty：封存时 0.8，现为 0.7" in found
    assert "判定规则 indicators[cmi].domain：封存时 capacity，现为 quality" in found
    assert "目标 targets.csv：封存时 A-s1,cmi,1.2，现为 无此行" in found
    assert "目标 targets.csv：封存时 无此行，现为 A-s1,cmi,1.1" in found
    assert len(found) == 4


def test_code_that_changed_and_files_that_were_not_sealed_are_named(tmp_path, files):
    seal({"rule": files["rule"]}, tmp_path / "p.json")
    protocol = opened(tmp_path / "p.json")
    protocol["identity"]["code"]["programme/decision.py"] = "0" * 64
    found = [str(one) for one in changes(protocol, files)]
    assert any(one.startswith("程序 programme/decision.py") for one in found)
    assert "目标 targets.csv：封存时 未封存，现为 使用" in found
    assert "判定规则 rule.yaml：封存时 封存，现为 未给出，没有核对" in [str(one) for one in changes(protocol, {})]


def test_a_comment_alone_is_said_to_be_a_way_of_writing(tmp_path, files):
    seal(files, tmp_path / "p.json")
    files["rule"].write_text("# 又一行\n" + files["rule"].read_text("utf-8"), encoding="utf-8")
    assert told(tmp_path / "p.json", files) == [
        "判定规则 rule.yaml：封存时 同样的内容，现为 写法不同（空白、注释或编码）"
    ]


def test_a_protocol_that_was_changed_or_is_not_in_the_ledger_proves_nothing(tmp_path, files):
    seal(files, tmp_path / "p.json")
    empty = Ledger(tmp_path / "l.sqlite")
    assert any("没有这一条" in one for one in told(tmp_path / "p.json", files, empty.entries()))
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    content["identity"]["files"]["rule"]["values"]["certainty"] = 0.7
    (tmp_path / "p.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="缺失或被改动"):
        opened(tmp_path / "p.json")


def test_a_sealed_protocol_is_not_overwritten_and_nothing_enters_the_ledger(tmp_path, files):
    seal(files, tmp_path / "p.json")
    ledger = Ledger(tmp_path / "l.sqlite")
    with pytest.raises(ParameterError, match="已存在"):
        seal(files, tmp_path / "p.json", ledger=ledger, role="commission")
    assert ledger.entries() == []


def test_the_command_seals_and_checks(tmp_path, files):
    run = CliRunner()
    ledger, protocol = str(tmp_path / "l.sqlite"), str(tmp_path / "p.json")
    given = ["--rule", str(files["rule"]), "--targets", str(files["targets"]), "--ledger", ledger]
    assert run.invoke(app, ["protocol", "seal", "--out", protocol, *given], catch_exceptions=False).exit_code == 0
    assert "没有改动" in run.invoke(app, ["protocol", "check", protocol, *given], catch_exceptions=False).output
    files["targets"].write_text("project,indicator,target\n", encoding="utf-8")
    done = run.invoke(app, ["protocol", "check", protocol, *given], catch_exceptions=False)
    assert done.exit_code == 5
    assert "A-s1,cmi,1.2" in done.output


def test_two_further_files_of_one_name_are_refused(tmp_path, files):
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "list.csv").write_text(place, encoding="utf-8")
    words = ["protocol", "seal", "--out", str(tmp_path / "sealed.json")]
    for place in ("one", "other"):
        words += ["--also", str(tmp_path / place / "list.csv")]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ParameterError)
    assert "list.csv" in str(done.exception)
    assert not (tmp_path / "sealed.json").exists()
