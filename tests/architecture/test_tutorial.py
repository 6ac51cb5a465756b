"""docs/tutorial.md is followed to the letter in an empty folder: its files written, its commands run, what it shows looked for."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:^`([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(line: str, folder: Path) -> str:
    """A command of the page, in this environment; its output."""
    program, *arguments = shlex.split(line)
    command = {"python": [sys.executable], "speceval": [sys.executable, "-m", "toolkit"]}[program]
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, f"{line}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow(seconds=60)
def test_the_tutorial_ends_in_the_report_that_it_promises(tmp_path):
    said, commands = "", 0
    for name, language, text in BLOCK.findall(TUTORIAL.read_text("utf-8")):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif language == "sh":
            outputs = [run(line, tmp_path) for line in text.splitlines()]
            said, commands = "".join(outputs), commands + len(outputs)
        else:
            missing = [line for line in text.splitlines() if line not in said]
            assert not missing, f"{missing}\nnot in\n{said}"
    assert commands == 7
    report = (tmp_path / "reports/tutorial/0012-cardiology/report.html").read_text("utf-8")
    assert "心血管内科" in report
    assert "合成数据" in report
