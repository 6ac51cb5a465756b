"""docs/adding-an-indicator.md is followed to the letter in a copy of the package: its blocks are all that is changed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "adding-an-indicator.md"
STEP = re.compile(r"^`(toolkit/[\w/]+\.py)`, ([^\n]+):\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = {
    "above `DECLARED`": r"^DECLARED = \(",
    "in `DECLARED`": r"^DECLARED = \(\n?",
    "as the first entry of `MEASURES`": r"^MEASURES: .*= \(\n",
}

# run in the copy, so that nothing of this process's package is in it
LOOK = """
import sys
from pathlib import Path
sys.path[:0] = [{copy!r}, {tests!r}]
import rows, toolkit
assert Path(toolkit.__file__).is_relative_to({copy!r}), toolkit.__file__
from dataclasses import replace
from toolkit.indicators import CATALOGUE
from toolkit.params import RunParams
from toolkit.runs.pipeline import evaluate
from toolkit.reporting import handbook
from toolkit.reporting.sections import indicators

frame = rows.received(CATALOGUE["very_old_share"].example.discharges.replace("A     ", "A1    ").replace("B     ", "B1    "))
work = Path({work!r})
work.mkdir()
(work / "合成.csv").write_bytes(rows.csv_of(frame))
params = rows.params(files=(str(work / "合成.csv"),), minimum_value_cases=1)
results = evaluate(params, work / "run")
cells = results.cells[(results.cells["indicator"] == "very_old_share") & (results.cells["basis"] == "contemporaneous")]
value = cells[(cells["level"] == "hospital") & (cells["hospital"] == "A1") & (cells["period"] == "whole")]["value"].iloc[0]
print("cell", value)
for name, shown in (("region", indicators.region_by_year(results)), ("specialty", indicators.by_specialty(results))):
    print(name, str(shown).count("高龄患者占比"))
print("handbook", handbook.markdown().count("高龄患者占比（share of patients of 80 years and more，`very_old_share`）"))
print("page", handbook.page(results).decode().count("高龄患者占比"))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and the tests with the document's blocks put in, where it says."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("toolkit", "tests", "params"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    steps = STEP.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert [place for _path, place, _code in steps] == [
        "as the first entry of `MEASURES`",
        "above `DECLARED`",
        "in `DECLARED`",
    ]
    for path, place, code in steps:
        file = folder / path
        text = file.read_text(encoding="utf-8")
        [where] = re.finditer(CODE[place], text, re.MULTILINE)
        at = where.start() if place.startswith("above") else where.end()
        file.write_text(text[:at] + code + text[at:], encoding="utf-8")
    return folder


def run(arguments, folder):
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


def test_the_indicator_is_in_the_cells_the_report_and_the_handbook(copy, tmp_path):
    script = textwrap.dedent(LOOK).format(copy=str(copy), tests=str(copy / "tests"), work=str(tmp_path / "work"))
    done = run(["-c", script], copy)
    assert done.returncode == 0, done.stderr[-2000:]
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert float(said["cell"]) == pytest.approx(100 * 2 / 3)
    assert int(said["region"]) >= 1
    assert int(said["specialty"]) >= 1
    assert said["handbook"] == "1"
    assert int(said["page"]) >= 1


def test_its_example_is_a_test(copy):
    example = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/examples/test_indicator_examples.py",
        "-k",
        "very_old_share",
    ]
    done = run(example, copy)
    assert "1 passed" in done.stdout, done.stdout[-2000:]
