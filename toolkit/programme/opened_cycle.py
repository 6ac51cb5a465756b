"""A cycle as it lies in its folder: the tables of every step and the run that its end was judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from toolkit.errors import ParameterError
from toolkit.evaluation.results import RESULTS, Results, load

TABLES, REGION = "tables", "region"
IDS = ("hospital", "specialty", "applicant", "project", "code", "expert")  # text, whatever it looks like


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedCycle:
    """`tables` by name, and `results` of the run over the whole cycle."""

    tables: Mapping[str, pd.DataFrame]
    results: Results


def read_cycle(folder: Path) -> OpenedCycle:
    """The cycle in a folder.

    Raises
    ------
    ParameterError
        There is none, or it did not come to its end.
    """
    found = sorted((folder / TABLES).glob("*.csv"))
    if not found or not (folder / REGION / RESULTS).is_dir():
        raise ParameterError(
            "这里没有完整的周期",
            "no whole cycle here",
            where=str(folder),
            remedy="先运行 speceval programme",
            remedy_english="run `speceval programme` first",
        )
    text = dict.fromkeys(IDS, str)
    tables = {path.stem: pd.read_csv(path, encoding="utf-8-sig", dtype=text) for path in found}
    return OpenedCycle(tables=tables, results=load(folder / REGION / RESULTS))
