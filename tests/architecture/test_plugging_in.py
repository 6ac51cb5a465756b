"""Other installed packages add indicators, rules, methods, formats and groupers; a clash or a fault of theirs is one message.

Each test writes a package as pip would leave it (module and `dist-info`) and asks a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from toolkit.indicators import CATALOGUE
from toolkit.running.manifest import software

INDICATOR = """
from dataclasses import replace
from toolkit.indicators.efficiency import COST_INDEX

OURS = replace(COST_INDEX, id="our_cost_index", name_zh="本省费用指数")
SECOND = replace(COST_INDEX, id="second_index")
BOTH = (OURS, SECOND)
"""


def package(folder, name, code, **groups):
    """A module with its metadata; `groups`: kind → entry points as `name = value` lines."""
    (folder / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    lines = [f"[speceval.{kind}]\n{points}\n" for kind, points in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def python(folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_an_indicator_of_another_package_stands_behind_ours_and_is_explained(tmp_path):
    package(tmp_path, "province", INDICATOR, indicators="any = province:BOTH")
    listed = python(tmp_path, "-m", "toolkit", "indicators").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [*CATALOGUE, "our_cost_index", "second_index"]
    assert "本省费用指数" in python(tmp_path, "-m", "toolkit", "indicators", "our_cost_index").stdout


def test_the_package_may_be_imported_before_the_toolkit(tmp_path):
    package(tmp_path, "province", INDICATOR, indicators="any = province:OURS")
    done = python(
        tmp_path, "-c", "import province; from toolkit.indicators import CATALOGUE; print(list(CATALOGUE)[-1])"
    )
    assert done.stdout.strip() == "our_cost_index", done.stderr


TAKEN = """
from pathlib import Path
from toolkit.data.grouping import MsDrg
from toolkit.data.quality.times import TIME_RULES
from toolkit.indicators.efficiency import COST_INDEX
from toolkit.models.change.did import METHOD

MAPS = Path(__file__).parent / "maps"
"""
ASK = """
import json
from pathlib import Path
from toolkit.data import grouping, quality
from toolkit.data.reading.formats import available
from toolkit.errors import EvaluationError
from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS
from toolkit.params import GrouperSpec

said = {}
for kind, ask in {
    "indicators": lambda: len(CATALOGUE),
    "rules": lambda: quality.MARKS,
    "methods": lambda: len(METHODS),
    "formats": available,
    "groupers": lambda: grouping.open_grouper(GrouperSpec(plugin="ms-drg", version="42.1"), Path(".")),
}.items():
    try:
        ask()
    except EvaluationError as error:
        said[kind] = [error.exit_code, str(error)]
print(json.dumps(said))
"""


def test_an_id_that_is_there_already_is_refused_and_both_packages_are_named(tmp_path):
    groups = {
        "indicators": "a = province:COST_INDEX",
        "rules": "a = province:TIME_RULES",
        "methods": "a = province:METHOD",
        "formats": "a = province:MAPS",
        "groupers": "ms-drg = province:MsDrg",
    }
    package(tmp_path, "province", TAKEN, **groups)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/sih.yaml").write_text("id: sih\n", encoding="utf-8")
    done = python(tmp_path, "-c", ASK)
    said = json.loads(done.stdout or "{}")
    assert set(said) == set(groups), done.stderr
    first = {"indicators": "cost_index", "rules": "D01", "methods": "did", "formats": "sih", "groupers": "ms-drg"}
    for kind, (code, message) in said.items():
        assert code == 4
        assert f"{first[kind]} 有两个声明，分别来自 " in message
        assert "province" in message
        assert "speceval" in message
        assert "uninstall one of the packages" in message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ImportError('gone')", "无法载入（ImportError）"),
        ("OURS = 7", "给出的是 int，应为 Indicator、Count、Rarefied"),
    ],
)
def test_a_package_that_cannot_be_used_is_named_on_the_command_line_without_a_traceback(tmp_path, code, words):
    package(tmp_path, "province", code, indicators="any = province:OURS")
    done = python(tmp_path, "-m", "toolkit", "indicators")
    assert done.returncode == 4
    assert words in done.stderr
    assert "province: speceval.indicators" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_code_of_another_package_is_part_of_what_a_run_was_made_from(tmp_path):
    ask = "from toolkit.running.manifest import software; print(software().packages.get('province'))"
    package(tmp_path, "province", INDICATOR, indicators="any = province:OURS")
    before = python(tmp_path, "-c", ask).stdout.strip()
    with (tmp_path / "province.py").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    after = python(tmp_path, "-c", ask).stdout.strip()
    assert before.startswith("1.2 ")
    assert after.startswith("1.2 ")
    assert before != after
    assert "province" not in software().packages
