"""Code lists of a synthetic region (合成目录): of this toolkit's making, of no authority, so that every indicator has a value.

The level of an operation is drawn for each stay, not for each code, so there is no list of levels: the entered one stands.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.synthetic.details import COMPLICATIONS
from toolkit.synthetic.settings import CYCLE_YEARS, MARK

# procedures of the region's specialties that go through a scope or a catheter
MINIMALLY_INVASIVE = (
    "36.0600",
    "45.4300",
    "51.2300",
    "47.0100",
    "39.7400",
    "13.4100",
    "65.2500",
    "68.2900",
    "80.5100",
    "55.0400",
    "56.0x00",
    "34.0400",
)
ADDED_LATER = ("57.4900",)  # on the list from the after cycle on: a list has versions


def write_lists(folder: Path, first_year: int) -> dict[str, Path]:
    """minimally_invasive.csv and complications.csv into `folder`; returns name of the parameter → file."""
    after = first_year + CYCLE_YEARS
    lists = {
        "minimally_invasive": [(c, first_year) for c in MINIMALLY_INVASIVE] + [(c, after) for c in ADDED_LATER],
        "complications": [(c, first_year) for c in COMPLICATIONS],
    }
    paths = {}
    for name, codes in lists.items():
        paths[name] = folder / f"{MARK}_{name}.csv"
        lines = ["code,valid_from,valid_to,name", *(f"{code},{year},,{MARK}" for code, year in codes)]
        paths[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths
