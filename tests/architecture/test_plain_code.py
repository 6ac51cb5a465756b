"""What no reviewer has to count: `Any`, long functions, formatting switched off."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "toolkit").rglob("*.py"))
LONGEST = 80  # lines below the docstring; a function that needs more is two


def told(node: ast.FunctionDef) -> bool:
    """Whether a docstring stands before the code."""
    return ast.get_docstring(node) is not None


def test_any_stands_where_nothing_better_can_be_said_and_seldom():
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert 0 < len(used) < 120, used


def test_no_function_is_longer_than_a_reader_can_hold():
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno
        - node.body[len(node.body) > 1 and told(node)].lineno
        + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in long.items() if lines > LONGEST} == {}


def test_formatting_is_switched_off_nowhere_but_for_a_reason():
    off = [path for path in SOURCES if "# fmt: skip" in path.read_text("utf-8")]
    assert off == []
