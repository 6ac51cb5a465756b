"""A finished run, opened for notebooks."""

from __future__ import annotations

from pathlib import Path

from toolkit import runs
from toolkit.evaluation.results import RESULTS, Results, load
from toolkit.programme.opened_cycle import OpenedCycle, read_cycle


def open_run(folder: Path | str = "", project: str = "") -> Results:
    """The results of a finished run; of the small fixed synthetic demo (合成数据) where `folder` is empty.

    The demo is made once for each state of the code, which takes some seconds.

    Parameters
    ----------
    project
        Id of a unit's report: then the results over the windows of its own cycle (`Results.of_project`).

    Raises
    ------
    RunError
        The folder is not that of a finished run.
    """
    results = load(Path(folder) / RESULTS) if folder else runs.golden()
    unit = results.units[results.units["id"] == project]
    return results.of_project(str(unit["hospital"].iloc[0]), str(unit["specialty"].iloc[0])) if len(unit) else results


def open_programme(folder: Path | str = "") -> OpenedCycle:
    """A whole cycle as `speceval programme` left it; that of the small fixed demo (合成数据) where `folder` is empty.

    Raises
    ------
    ParameterError
        The folder holds no whole cycle.
    """
    return read_cycle(Path(folder) if folder else runs.golden_programme())
