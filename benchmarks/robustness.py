"""The specification curve: every primary indicator of 50 projects under about two thousand combinations of choices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measuring import CACHE, HERE, against_each_other, report

SIZE, HOSPITALS, PROJECTS = 1_000_000, 100, 50
MEMORY = "3GB"
# what a run tries that declares nothing, and every choice that can be declared
POLICIES: dict[str, dict[str, list[Any]]] = {
    "declared": {},
    "many": {
        "trimming": ["none", "iqr", "percentile", "sd"],
        "minimum_cases": [5, 10, 30],
        "same_level": [True, False],
        "adjustment": ["baseline", "unadjusted"],
        "matching": ["unmatched", "baseline"],
    },
}


def run(_size: int, runs: int) -> None:
    if not (_folder() / "complete").exists():  # made by a child: see measuring.against_each_other
        subprocess.run(
            [sys.executable, "-c", "from benchmarks.robustness import make; make()"], check=True, cwd=HERE.parent
        )
    measured = against_each_other(["robustness:declared", "robustness:many"], SIZE, min(runs, 3))
    report(
        "robustness",
        SIZE,
        measured,
        projects=PROJECTS,
        specifications=_counts(),
        processes=1,
        target="2,000 specifications of 50 projects in 60 s on 2 cores",
    )


def _counts() -> dict[str, int]:
    from toolkit.evaluation.robustness import specifications

    return {name: len(specifications(_params(name))) for name in POLICIES}


def _folder() -> Path:
    return CACHE / f"robustness-{SIZE}"


def _params(policy: str) -> Any:
    import pandas as pd

    from toolkit.params import Project, RobustnessPolicy, Shock

    projects = pd.read_csv(data.region(SIZE, HOSPITALS, PROJECTS) / "projects.csv", dtype=str)
    return data.params(
        projects=[Project(hospital=r.hospital, specialty=r.specialty) for r in projects.itertuples()],
        shocks=[Shock(label="2020–2022", first=2020, last=2022)],
        robustness=RobustnessPolicy(**POLICIES[policy]),
    )


def _registry() -> Any:
    import pandas as pd

    return pd.read_csv(data.region(SIZE, HOSPITALS, PROJECTS) / "hospitals.csv", dtype=str)


def make() -> None:
    """The cubes that the curve reads. Remove the folder from the cache where the cube itself has changed."""
    from toolkit.cube.trims import sum_up
    from toolkit.data.discharge.measures import measures_for
    from toolkit.engine import connect
    from toolkit.runs.judging import choice_cubes
    from toolkit.runs.stages import of_choices
    from toolkit.runs.summing import ways

    store, folder, params = data.store(SIZE, HOSPITALS, PROJECTS), _folder(), _params("many")
    folder.mkdir(exist_ok=True)
    connection = connect(CACHE / "work-robustness", [store / "2019.parquet"], memory=MEMORY)
    try:
        discharges = connection.read_parquet(str(store / "*.parquet"))
        groups = _registry()[["code", "level_group"]].rename(columns={"code": "hospital"})
        asked, measures = ways(of_choices(params), groups), measures_for(params.weights.source)
        summed = sum_up(discharges, params, groups, asked, measures, connection=connection)
        for (scope, trimming), one in choice_cubes(summed, params, _registry()).items():
            one.to_parquet(folder / f"{scope}-{trimming}.parquet")
    finally:
        connection.disconnect()
    (folder / "complete").touch()


def declared(_size: int) -> Callable[[], Any]:
    return _curve("declared")


def many(_size: int) -> Callable[[], Any]:
    return _curve("many")


def _curve(policy: str) -> Callable[[], None]:
    import pandas as pd

    from toolkit.evaluation.cells import units_of
    from toolkit.runs.judging import specifications

    params, registry = _params(policy), _registry()
    cubes = {
        (scope, trimming): pd.read_parquet(_folder() / f"{scope}-{trimming}.parquet")
        for scope in params.robustness.scopes
        for trimming in params.robustness.trimming
    }
    units = units_of(cubes["level_group", "none"], params)
    changes = pd.DataFrame({"level": ["unit"]})  # not empty: there is something to be judged

    def work() -> None:
        specifications(cubes, changes, units, params, registry, {}, ())

    return work
