"""A finished run, opened for notebooks."""

from __future__ import annotations

from pathlib import Path

from toolkit import runs
from toolkit.evaluation.results import RESULTS, Results, load


def open_run(folder: Path | str = "") -> Results:
    """The results of a finished run; of the small fixed synthetic demo (合成数据) where `folder` is empty.

    The demo is made once for each state of the code, which takes some seconds.

    Raises
    ------
    RunError
        The folder is not that of a finished run.
    """
    return load(Path(folder) / RESULTS) if folder else runs.golden()
