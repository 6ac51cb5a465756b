"""Records that are verified at a site: drawn by a seed from those that a project's numbers rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data import store as stores
from toolkit.engine import connect
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.holds import DATA_BREAK
from toolkit.evaluation.results import DATA, RESULTS, load
from toolkit.frames import rows_of
from toolkit.running.scratch import scratch

COLUMNS = ["project", "file", "line", "pseudonym", "year", "month", "drg"]
SHOWN = ["principal_diagnosis", "principal_procedure", "exit_mode", "los_days"]


def sampled(folder: Path, projects: Sequence[str], number: int, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """So many records of each project's last cycle, all where there are fewer.

    Parameters
    ----------
    folder
        Of a finished run of the internal edition.

    Returns
    -------
    tuple
        `project, file, line, pseudonym, year, month, drg`, and what stood in the record; and the number of records of each
        project, by its id.

    Raises
    ------
    RunError
        The run has no records.
    ParameterError
        The run has no such project.
    """
    results, data = load(folder / RESULTS), folder / DATA
    if results.params.edition == "release" or not (data / stores.DISCHARGES).is_dir():
        raise RunError(
            "这里没有病例记录，抽不出病例",
            "no records here: samples are of the internal edition only",
            where=str(folder),
            remedy="用内部评估版的运行文件夹",
            remedy_english="use the folder of the internal edition",
        )
    units = results.units.set_index("id")
    if unknown := sorted(set(projects) - set(units.index)):
        raise ParameterError(
            f"本次运行没有项目 {'、'.join(unknown[:5])}",
            "the run has no such project",
            where=str(folder),
            remedy="项目编号见 results/units 的 id 列",
            remedy_english="ids stand in results/units",
        )
    years = results.params.periods[results.last_period]
    names = results.files.set_index("file")["name"]
    hospitals = sorted({str(units.loc[p, "hospital"]) for p in projects})
    with scratch() as work:
        connection = connect(Path(work), [data])
        try:
            stored = stores.discharges(connection, data / stores.DISCHARGES)
            frame = stores.shown(stores.of_hospitals(stored, hospitals), SHOWN)
        finally:
            connection.disconnect()
    frame = frame[frame["year"].between(years.first, years.last)]
    parts, sizes = [], {}
    for place, project in enumerate(sorted(projects)):
        unit = units.loc[project]
        within = [str(unit["specialty"]) in str(s).split("+") for s in frame["specialty"]]
        own = frame[(frame["hospital"] == unit["hospital"]) & np.array(within, dtype=bool)].sort_values(
            ["file", "line"]
        )
        sizes[project] = len(own)
        generator = np.random.default_rng([seed, place])
        chosen = np.sort(generator.permutation(len(own))[:number])
        parts.append(own.iloc[chosen].assign(project=project, file=lambda rows: rows["file"].map(names)))
    whole = pd.concat(parts, ignore_index=True) if parts else frame.assign(project="")
    return whole[[*COLUMNS, *SHOWN]], pd.Series(sizes, dtype=float)


def with_breaks(folder: Path) -> list[str]:
    """Projects of a run whose verdicts a break in the data holds back."""
    results = load(folder / RESULTS)
    held = results.holds[results.holds["reason"] == DATA_BREAK]
    keys = {(one.hospital, one.specialty) for one in rows_of(held)}
    return [str(one.id) for one in rows_of(results.units) if (one.hospital, one.specialty) in keys]
