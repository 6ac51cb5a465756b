"""What a change costs: everything from stored discharges again, or only the stages that heed it; one new file among many.

A run over a synthetic region (合成数据) with projects, without reports: these are measured by themselves.
"""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measuring import CACHE, Measured, report

PROJECTS, HOSPITALS = 12, 24
FILES, LINES = 300, 400
HEADER = "hospital,record,visit,year,month,los_days,cost_fen,died,drg,department"


def run(size: int, runs: int) -> None:
    run_changes(min(size, 12_000_000), runs)
    run_one_file(runs)


# --- a changed choice ---------------------------------------------------------------------------------------------------


def run_changes(size: int, runs: int) -> None:
    """A whole evaluation of stored discharges, then of the same with one thing changed."""
    folder, params = CACHE / "run-of-stages", _params(size)
    shutil.rmtree(folder, ignore_errors=True)
    changes: dict[str, Callable[[Any, int], Any]] = {
        "nothing changed": lambda p, _: p,
        "title": lambda p, n: p.model_copy(update={"title": f"title {n}"}),
        "reference": lambda p, n: _with(p, "reference", scope=("region", "level_group")[n % 2]),
        "yearly trimming": lambda p, n: _with(p, "trimming", method=("none", "iqr")[n % 2]),
        "grade rule": lambda p, n: _with(p, "risk_grades", rates=("empirical_bayes", "raw")[n % 2]),
        "method": lambda p, n: _with(p, "change", verdict_from=("twfe", "did")[n % 2]),
        "verdict rule": lambda p, n: _with(p, "change", minimum_important=(0.04, 0.06)[n % 2]),
    }
    measured = [Measured(name="everything from stored discharges")]
    for _ in range(2):
        with _timed(measured[0]):
            _evaluated(params, size, folder, fresh=True)
    for name, change in changes.items():
        measured.append(Measured(name=name))
        for number in range(runs + 1):
            with _timed(measured[-1]):
                _evaluated(change(params, number), size, folder)
    cube = _evaluated(params, size, folder)
    report(
        "stages",
        size,
        measured,
        cube_rows=len(cube),
        target="a title under 1 s; reference, trimming, grades, methods, verdicts from the stored sums, without records",
    )


def _params(size: int) -> Any:
    import pandas as pd

    from toolkit.params import Project

    given = pd.read_csv(data.region(size, HOSPITALS, PROJECTS) / "projects.csv", dtype=str)
    return data.params(projects=[Project(hospital=r.hospital, specialty=r.specialty) for r in given.itertuples()])


def _with(params: Any, section: str, **choices: Any) -> Any:
    kind = type(getattr(params, section))
    changed = kind.model_validate({**getattr(params, section).model_dump(), **choices}, strict=False)
    return params.model_copy(update={section: changed})


def _evaluated(params: Any, size: int, folder: Path, *, fresh: bool = False) -> Any:
    """The cube of a run whose first stage has taken the store of the benchmark for its own."""
    from toolkit.runs.evaluated import put_together, results_of
    from toolkit.runs.stages import EVALUATED
    from toolkit.runs.walk import Walk

    intake, *others = EVALUATED
    walk = Walk(params, folder, fresh=fresh)
    walk.through(replace(intake, make=_taken(size)))
    for stage in others:
        walk.through(stage)
    put_together(walk, results_of(walk))
    walk.hashes.write()
    return walk.products["cube"].memory.get("cube", ())


def _taken(size: int) -> Callable[[Any], Any]:
    def taken(asked: Any) -> Any:
        from toolkit.evaluation.tables import TABLES
        from toolkit.runs.asked import Made

        store = asked.work / "staged" / "data" / "discharges"
        store.mkdir(parents=True)
        for file in data.store(size, HOSPITALS, PROJECTS).glob("*.parquet"):
            os.link(file, store / file.name)
        tables = {one.name: one.empty() for one in TABLES if one.stage == "intake"}
        registry = data.hospitals_of(size, HOSPITALS, PROJECTS)
        tables["hospitals"] = registry.assign(aliases="")[list(tables["hospitals"])]
        facts = {"format": "", "grouping": "", "synthetic": True, "data_hash": "", "lists": {}, "brought": {}}
        return Made(tables=tables, facts=facts)

    taken.__module__ = "toolkit.runs.taking_in"  # its code is what the key of the stage holds
    return taken


@contextmanager
def _timed(one: Measured) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    one.seconds.append(time.perf_counter() - wall)
    one.cpu.append(time.process_time() - cpu)
    one.peak_mb = max(one.peak_mb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


# --- one new file -------------------------------------------------------------------------------------------------------


def run_one_file(runs: int) -> None:
    """Intake of many small files, of which none, one or all are new; and of one file alone."""
    folder = CACHE / "many-files"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "in").mkdir(parents=True)
    (folder / "alone").mkdir()
    for number in range(FILES):
        (folder / "in" / f"{number:04d}.csv").write_text(_pages(number, 0), encoding="utf-8")
    measured = [Measured(name=name) for name in ("one new file", "that file alone", "no new file", "all new")]
    new, alone, none, every = measured
    for number in range(runs + 1):
        shutil.rmtree(folder / "run", ignore_errors=True)
        with _timed(every):
            _intake(folder / "in", folder / "run")
        (folder / "in" / "0150.csv").write_text(_pages(150, number + 1), encoding="utf-8")
        with _timed(new):
            _intake(folder / "in", folder / "run")
        (folder / "run" / "stages" / "intake.json").unlink()
        with _timed(none):
            _intake(folder / "in", folder / "run")
        shutil.copy(folder / "in" / "0150.csv", folder / "alone" / "0150.csv")
        shutil.rmtree(folder / "run-alone", ignore_errors=True)
        with _timed(alone):
            _intake(folder / "alone", folder / "run-alone")
    pairs = [a / (b + c) for a, b, c in zip(new.seconds[1:], alone.seconds[1:], none.seconds[1:], strict=True)]
    report(
        "new_file",
        FILES * LINES,
        measured,
        files=FILES,
        ratio_to_alone_and_joins=round(sorted(pairs)[len(pairs) // 2], 3),
        target="one new file: under 1.5 × (that file alone + the joins across files, which are no new file's time)",
    )


def _intake(files: Path, folder: Path) -> None:
    from toolkit.params import RunParams
    from toolkit.runs.stages import INTAKE
    from toolkit.runs.walk import Walk

    given = {
        "run": "files",
        "title": "合成数据",
        "data": {"format": "canonical", "files": [str(files)]},
        "cycles": {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}},
        "specialties": [{"id": "cardiology", "name_zh": "心血管内科", "departments": ["03.04"]}],
    }
    Walk(RunParams.model_validate(given), folder).through(INTAKE)


def _pages(hospital: int, version: int) -> str:
    import numpy as np

    random = np.random.default_rng([hospital, version])
    rows = [
        f"{hospital:04d},r{i},1,{2019 + i % 6},{1 + i % 12},{1 + random.integers(20)},{random.lognormal(13, 0.7):.0f},"
        f"{'true' if random.random() < 0.02 else 'false'},F{random.integers(9)}A1,{'03.04' if i % 3 else '04.04'}"
        for i in range(LINES)
    ]
    return "\n".join([HEADER, *rows]) + "\n"
