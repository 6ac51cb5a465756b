"""临床重点专科建设项目评估工具包: from discharge records to reports that an expert panel can sign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.evaluation.results import Results

__all__ = ["open_run"]


def open_run(folder: Path | str = "") -> Results:
    """The results of a finished run, for notebooks; of the small fixed synthetic demo (合成数据) where `folder` is empty."""
    # imports here, and no more than needed: the command line answers at once, and a report's kernel loads no engine
    if folder:
        from toolkit.evaluation.results import RESULTS, load

        return load(Path(folder) / RESULTS)
    from toolkit.runs.pipeline import golden

    return golden()
