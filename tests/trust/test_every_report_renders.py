"""Every report renders, whatever is missing: one pattern a run, every report of it in every format."""

import pytest
from regions import rows, write

from toolkit.params import load_params
from toolkit.runs import pipeline


def _sole(records):
    """A specialty that only the funded hospital has."""
    for row in records:
        row["department"] = "D2" if row["hospital"] == "0001" and int(row["record"][1:]) % 2 else "D1"
    return records


def _only(column, value):
    return lambda records: [row for row in records if row[column] == value]


def _all(**cells):
    return lambda records: [row | cells for row in records]


PATTERNS = {
    "sole provider": (_sole, {"projects": [{"hospital": "0001", "specialty": "s2", "level": "市"}]}),
    "zero cases before": (
        lambda records: [r for r in records if not (r["hospital"] == "0001" and int(r["year"]) < 2022)],
        {},
    ),
    "all units funded": (
        lambda records: records,
        {
            "projects": [
                {"hospital": f"{h:04}", "specialty": f"s{s}", "level": "市"} for h in range(1, 6) for s in (1, 2)
            ]
        },
    ),
    "no deaths": (_all(died="false", exit_mode="1"), {}),
    "one hospital": (_only("hospital", "0001"), {}),
    "one year": (
        lambda records: [r | {"year": "2023"} for r in records],
        {"cycles": None, "years": {"first": 2023, "last": 2023}, "projects": []},
    ),
    "one DRG": (_all(drg="FA01"), {}),
    "no cost": (_all(cost_fen=""), {}),
    "nothing judged": (lambda records: records, {"minimum_unit_cases": 100_000}),
}


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize("name", PATTERNS)
def test_every_report_renders_where_something_is_missing(tmp_path, name):
    change, changed = PATTERNS[name]
    path = write(tmp_path, change(rows(1500)), **changed)
    done = pipeline.run(load_params(path), tmp_path / "reports")
    assert done.outcomes
    assert [(one.id, one.reason, one.message) for one in done.outcomes if not one.exists] == []
