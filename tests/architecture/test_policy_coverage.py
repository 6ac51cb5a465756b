"""docs/policy-coverage.md is true: what it calls built lies where it says, and the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "policy-coverage.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| 条款")
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_clause_has_its_place_and_its_test_or_says_that_it_has_none(row):
    _clause, _content, state, where, test = row
    if state.startswith("没有"):
        assert (where, test) == ("—", "—")
        return
    assert re.match(r"(有|部分)(：|$)", state)
    assert (ROOT / where.strip("`")).is_file()
    for one in test.split("；"):
        file, _, name = one.strip("`").partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert f"def {name}(" in text if name else "def test_" in text


PROGRAMME = [row for row in ROWS if "tests/unit/programme/" in row[4]]


@pytest.mark.parametrize("row", PROGRAMME, ids=[row[0] for row in PROGRAMME])
def test_a_clause_of_the_programme_has_a_case_that_passes_and_another_that_fails(row):
    tests = row[4].split("；")
    assert len(tests) == len(set(tests)) == 2


def test_every_one_of_the_25_items_is_in_the_table_once():
    numbers: list[int] = []
    for clause in (row[0] for row in ROWS if row[0].startswith("W-")):
        first, *rest = [int(n) for n in re.findall(r"W-(\d+)", clause)]
        numbers += range(first, rest[0] + 1) if "至" in clause else [first, *rest]
    assert sorted(numbers) == list(range(1, 26))
