"""The documents say what is so: links lead somewhere, examples run, lists are complete."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import toolkit
from toolkit import errors
from toolkit.cli import app
from toolkit.evaluation.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CODES = {
    kind.exit_code: kind.__name__
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.EvaluationError)
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path):
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [t for t in targets if t and "://" not in t and not (path.parent / t).exists()]
    assert not missing


def test_the_examples_of_the_public_names_give_what_they_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.testfile(str(ROOT / "docs/api.md"), module_relative=False, report=True)
    assert found.attempted > 10
    assert found.failed == 0


def test_every_public_name_is_there_and_explained():
    text = (ROOT / "docs/api.md").read_text("utf-8")
    assert [name for name in toolkit.__all__ if not hasattr(toolkit, name)] == []
    assert [name for name in toolkit.__all__ if not re.search(rf"`{name}[`(]", text)] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_lists_every_exit_code(name):
    [line] = [part for part in (ROOT / name).read_text("utf-8").splitlines() if re.search("Exit codes:|退出码", part)]
    listed = {int(code) for code in re.findall(r"(?<![\w.])(\d)(?= )", re.split("Exit codes:|退出码", line)[1])}
    assert listed == {0, *CODES}


def test_the_help_lists_every_exit_code():
    listed = {int(code) for code in re.findall(r"(?<![\w.])(\d)(?= )", str(app.info.epilog))}
    assert listed == {0, *CODES}


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_readme_names_the_verdicts_as_reports_do(name):
    [line] = [
        part for part in (ROOT / name).read_text("utf-8").splitlines() if "verdicts: " in part or "判定有五种" in part
    ]
    assert len(Verdict) == 5
    assert [verdict.zh for verdict in Verdict if verdict.zh not in line] == []
