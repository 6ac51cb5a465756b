"""ARCHITECTURE.md and CONTRIBUTING.md are held to the tree: every module has a place in them, and nothing is named that is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "toolkit"
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ROW = re.compile(r"^\|(?= `)([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
WORD = re.compile(r"`([a-z_0-9]+)`")
ROOMS = [
    (place, what, modules) for places, what, modules in ROW.findall(TEXT) for place in re.findall(r"`([^`]+)`", places)
]
NAMED = re.compile(
    r"`((?:toolkit|docs|params|tests|notebooks|benchmarks|jupyter|bundle|reports|reporting|data|evaluation|models)/[\w./-]*)`"
)


def modules() -> list[str]:
    """Every module and every folder with files, as the table names them."""
    found = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts]
    return sorted(path.as_posix() for path in found)


def test_there_is_a_table_of_rooms():
    assert len(ROOMS) > 25


def test_every_module_has_a_place_in_it():
    places = {place for place, _what, _modules in ROOMS}
    without = []
    for name in modules():
        folder, _, file = name.rpartition("/")
        known = {f"{folder}/"} if folder else {file.removesuffix(".py")}
        if not known & places and name != "__init__.py":
            without.append(name)
    assert not without, f"no place in ARCHITECTURE.md for {without}"


def test_everything_in_it_is_there():
    for place, _what, named in ROOMS:
        assert (PACKAGE / place).is_dir() if place.endswith("/") else (PACKAGE / f"{place}.py").is_file(), place
        for word in WORD.findall(named):
            inside = PACKAGE / place / word
            assert inside.is_dir() or inside.with_suffix(".py").is_file(), f"{place}{word}"


def test_its_order_is_the_order_of_the_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one["id"] == "layers"]
    height = {name.strip(): place for place, level in enumerate(layers) for name in level.split(":")}
    tops = [place.rstrip("/") for place, _what, _modules in ROOMS if "/" not in place.rstrip("/")]
    assert set(tops) - {"templates"} == set(height)
    heights = [height[top] for top in tops if top not in ("templates", "__main__")]
    assert heights == sorted(heights), [top for top in tops if top in height]


@pytest.mark.parametrize(
    "name", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "README.zh.md", "docs/decisions.md"]
)
def test_every_path_that_a_document_names_is_there(name):
    text = (ROOT / name).read_text("utf-8")
    missing = [
        path
        for path in NAMED.findall(text)
        if not any((base / f"{path}{end}").exists() for base in (ROOT, PACKAGE) for end in ("", ".py"))
    ]
    # what a reader is to make, and what a run makes
    assert [path for path in missing if not path.startswith(("reports/", "params/my-"))] == []


def test_contributing_names_every_target_that_a_developer_needs():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", text))
    assert named <= targets
    assert {"test", "test-all", "check", "golden", "lock", "handbook", "bench"} <= named


def test_the_decisions_have_dates():
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/decisions.md").read_text("utf-8"), re.MULTILINE)
    assert headings
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading) for heading in headings)
    assert headings == sorted(headings, reverse=True)
