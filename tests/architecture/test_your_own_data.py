"""docs/your-own-data.md, followed to the letter: from the folder of `examples` to a check, and to a report. 合成数据."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EDIT = re.compile(r"^`([^`\n]+)`, in place of `([^`\n]+)`:\n\n```yaml\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def followed(text: str, folder: Path) -> str:
    """Do what the page says, in its order; returns what the commands said."""
    steps = [*COMMAND.finditer(text), *EDIT.finditer(text)]
    said = ""
    for step in sorted(steps, key=lambda one: one.start()):
        if step.re is EDIT:
            file = folder / step[1]
            content = file.read_text(encoding="utf-8")
            assert step[2] in content, f"{step[1]} has no {step[2]}"
            file.write_text(content.replace(step[2], step[3]), encoding="utf-8")
            continue
        for command in step[1].strip().splitlines():
            program, *arguments = command.split()
            assert program == "speceval"
            done = subprocess.run(
                [sys.executable, "-m", "toolkit", *arguments], cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr
            said += done.stdout
    return said


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """The page up to the check, in an empty folder with the examples."""
    folder = tmp_path_factory.mktemp("walk")
    shutil.copytree(ROOT / "examples", folder / "examples")
    before, run, _after = re.split(r"(?=^## 5\. )|(?=^## 常见情形)", PAGE, flags=re.MULTILINE)
    return folder, followed(before, folder), run


@pytest.mark.slow
def test_the_walk_says_what_the_page_says(walked):
    folder, said, _run = walked
    for output in (block for language, block in OUTPUT.findall(PAGE) if not language):
        for line in output.strip().splitlines():
            assert line in said
    assert "检查通过" in said
    assert (folder / "check.html").is_file()
    assert {p.name for p in (folder / "mine").iterdir()} == {"records-1.yaml", "records-2.yaml", "hospitals.csv"}


@pytest.mark.slow
def test_the_walk_ends_in_a_report(walked):
    folder, _said, run = walked
    followed(run, folder)
    assert "1201" in (folder / "reports" / "mine" / "index.html").read_text(encoding="utf-8")


def test_the_examples_are_what_their_program_makes(tmp_path):
    shutil.copy(ROOT / "examples" / "make.py", tmp_path / "make.py")
    subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True)
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*.csv")}
    assert made == {p.relative_to(ROOT / "examples") for p in (ROOT / "examples").rglob("*.csv")}
    for path in made:
        assert (tmp_path / path).read_bytes() == (ROOT / "examples" / path).read_bytes()
