"""Real data, read once: the toolkit's own way from file to store, and the same file as the oracle reads it.

The data stand beside the repository, never in it. Failure messages name indicators, counts and relative differences only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import records

from toolkit import cube, engine, reference
from toolkit.data.intake import take_in
from toolkit.data.reading.groups import run_groups
from toolkit.data.store import discharges
from toolkit.params import RunParams

DEFAULT_FOLDER = Path(__file__).parents[3] / "shared" / "data"
BRAZIL, NEW_YORK, CHILE = (
    "sih_sp_mental_2019_2024.parquet",
    "sparcs_2022_11999.csv.gz",
    "chile_grd_2023_neuro_3558.csv.gz",
)
# The minima of deaths make a measure 不予评价; here the arithmetic behind it is to be seen.
NO_MINIMUM = {"minimum_deaths": 0, "minimum_deaths_low": 0}
CYCLES = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}


def cycle_of(year: int) -> str:
    return "before" if year <= 2021 else "after"


@dataclass(frozen=True)
class Real:
    """One file taken in, and the oracle's cases of it."""

    base: dict[str, Any]
    connection: Any
    store: Path
    hospitals: pd.DataFrame
    cases: pd.DataFrame
    accounts: pd.DataFrame
    cycle_of: Callable[[int], str]
    baseline: tuple[int, ...]

    def params(self, **policy: Any) -> RunParams:
        return RunParams.model_validate({**self.base, "risk_grades": NO_MINIMUM, **policy})

    def cube(self, params: RunParams, connection: Any = None) -> pd.DataFrame:
        connection = connection or self.connection
        groups = self.hospitals.rename(columns={"code": "hospital"})
        return cube.build(discharges(connection, self.store), params, groups, connection=connection)

    def in_two_groups(self) -> Real:
        """The same, with hospitals dealt into two level groups by the parity of their place in the list."""
        hospitals = self.hospitals.assign(level_group=["odd" if i % 2 else "even" for i in range(len(self.hospitals))])
        of = hospitals.set_index("code")["level_group"]
        return replace(self, hospitals=hospitals, cases=self.cases.assign(level_group=self.cases["hospital"].map(of)))

    def attach(self, cells: pd.DataFrame, params: RunParams, basis: cube.Basis) -> reference.Referenced:
        return reference.attach(cells, params, self.hospitals, basis)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = Path(os.environ.get("SPECEVAL_DATA") or DEFAULT_FOLDER)
    missing = [name for name in (BRAZIL, NEW_YORK, CHILE) if not (folder / name).is_file()]
    if missing:
        reason = f"real data absent: {', '.join(missing)} not in {folder} (set SPECEVAL_DATA to their folder)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def brazil(data_folder, tmp_path_factory) -> Real:
    ranges = {"schizophrenia": (20, 29), "bipolar": (30, 31), "depression": (32, 33), "substance": (10, 19)}
    specialties = [
        {"id": id_, "name_zh": id_, "diagnoses": [f"F{number}" for number in range(first, last + 1)]}
        for id_, (first, last) in ranges.items()
    ]
    return taken_in(
        data_folder / BRAZIL,
        tmp_path_factory.mktemp("brazil"),
        records.brazil(data_folder / BRAZIL),
        cycle_of,
        {"data": {"format": "sih"}, "cycles": CYCLES, "specialties": specialties},
    )


@pytest.fixture(scope="session")
def new_york(data_folder, tmp_path_factory) -> Real:
    cases = records.new_york(data_folder / NEW_YORK)
    specialties = [{"id": code, "name_zh": code, "departments": [code]} for code in sorted(set(cases["specialty"]))]
    return taken_in(
        data_folder / NEW_YORK,
        tmp_path_factory.mktemp("new_york"),
        cases,
        lambda year: "whole",
        {"data": {"format": "sparcs"}, "years": {"first": 2022, "last": 2022}, "specialties": specialties},
    )


@pytest.fixture(scope="session")
def chile(data_folder, tmp_path_factory) -> Real:
    cases = records.chile(data_folder / CHILE)
    named = {name: f"s{number}" for number, name in enumerate(sorted(set(cases["specialty"])))}
    specialties = [{"id": id_, "name_zh": id_, "departments": [name]} for name, id_ in named.items()]
    return taken_in(
        data_folder / CHILE,
        tmp_path_factory.mktemp("chile"),
        cases.assign(specialty=cases["specialty"].map(named)),
        lambda year: "whole",
        {
            "data": {"format": "chile-grd"},
            "years": {"first": 2023, "last": 2023},
            "specialties": specialties,
            "weights": {"source": "records"},
        },
    )


def taken_in(file: Path, work: Path, cases: pd.DataFrame, cycle_of: Callable[[int], str], base: dict[str, Any]) -> Real:
    base = {"run": "real", "title": "real data", **base, "data": {**base["data"], "files": [str(file)]}}
    params = RunParams.model_validate(base)
    connection = engine.connect(work, [file.parent], threads=2)
    # With a registry, records without a hospital are quarantined (rule K01).
    hospitals = pd.DataFrame({"code": sorted(set(cases["hospital"].dropna())), "level_group": "all", "tier": "市"})
    intake = take_in(params, run_groups(params.data), hospitals, connection, work)
    baseline = tuple(range(params.baseline.first, params.baseline.last + 1))
    return Real(base, connection, intake.store, hospitals, cases, intake.accounts, cycle_of, baseline)
