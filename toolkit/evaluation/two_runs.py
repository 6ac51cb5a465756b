"""Two evaluations of the same units held against each other: which verdicts changed, and how far the numbers moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.declared import Word
from toolkit.evaluation.results import Results
from toolkit.frames import rows_of

PROJECT = ["hospital", "specialty", "indicator"]
ESTIMATES = ["before", "after", "judged_estimate", "judged_low", "judged_high"]
CELL = ["level", "hospital", "specialty", "period", "indicator", "basis"]
TOLERANCE = 1e-9  # relative, and absolute below 1; what other processors may make of one sum


class Cause(Word):
    """What of two runs can differ so that a verdict does."""

    CODE = "code", "程序"
    DATA = "data", "数据"
    CHOICE = "choice", "政策选择"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A run between the two: `cause` is what it differs in from the one before."""

    cause: Cause
    results: Results


def project_changes(results: Results) -> pd.DataFrame:
    """The changes of every project over the windows of its own cycle.

    Returns
    -------
    pd.DataFrame
        One row per project and indicator: `hospital, specialty, indicator`, `before`, `after` (values), `judged_estimate` with
        its limits (ratios), `verdict`.
    """
    parts = []
    for unit in rows_of(results.units[results.units["project"] != ""]):
        changes = results.of_project(unit.hospital, unit.specialty).changes
        own = (changes["level"] == "unit") & (changes["hospital"] == unit.hospital)
        parts.append(changes[own & (changes["specialty"] == unit.specialty)])
    found = pd.concat(parts) if parts else results.changes.head(0)
    return found[[*PROJECT, *ESTIMATES, "verdict"]].reset_index(drop=True)


def verdicts(one: Results, other: Results) -> pd.DataFrame:
    """Primary verdicts of every project in either run.

    Returns
    -------
    pd.DataFrame
        One row per project and primary indicator of either: `hospital, specialty, indicator`, the columns of
        `project_changes` with `_then` and `_now`; what only one run has is missing in the other.
    """
    primary = {*one.params.change.primary, *other.params.change.primary}
    tables = [frame[frame["indicator"].isin(primary)] for frame in map(project_changes, (one, other))]
    return tables[0].merge(tables[1], on=PROJECT, how="outer", suffixes=("_then", "_now"), sort=True)


def changed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `verdicts` whose verdicts differ, or which one run alone has."""
    then, now = table["verdict_then"].fillna(""), table["verdict_now"].fillna("")
    return table[then != now]


def with_causes(table: pd.DataFrame, one: Results, steps: Sequence[Step]) -> pd.DataFrame:
    """`changed` with `cause`: the steps at which the verdict was another than before, joined by `、`; none is empty.

    Parameters
    ----------
    one
        The run that the steps lead away from.
    steps
        From it to the other run, which is the last step.
    """
    path = [_by_project(one), *[_by_project(step.results) for step in steps]]
    causes = []
    for row in rows_of(table):
        key = (row.hospital, row.specialty, row.indicator)
        turns = zip(path, path[1:], steps, strict=False)
        causes.append("、".join(step.cause.zh for then, now, step in turns if then.get(key, "") != now.get(key, "")))
    return table.assign(cause=causes)


def _by_project(results: Results) -> Mapping[tuple[str, str, str], str]:
    found = project_changes(results)
    return dict(zip(zip(*(found[c] for c in PROJECT), strict=True), found["verdict"], strict=True))


def moved(one: Results, other: Results) -> pd.DataFrame:
    """How far the values of units moved, by indicator and basis.

    Returns
    -------
    pd.DataFrame
        One row per indicator and basis with values in both: `indicator, basis`, `n` (values that both have), `differ` (more
        apart than another processor explains), `median` and `largest` (absolute differences relative to the first value, of
        those that differ), `gone`, `new` (values that one run alone has).
    """
    tables = []
    for results in (one, other):
        cells = results.cells
        tables.append(cells.loc[cells["level"] == "unit", [*CELL, "value"]])
    both = tables[0].merge(tables[1], on=CELL, how="outer", suffixes=("_then", "_now"))
    then, now = both["value_then"], both["value_now"]
    apart = (now - then).abs()
    both["differ"] = apart > TOLERANCE * np.maximum(then.abs(), 1)
    both["both"] = then.notna() & now.notna()
    both["gone"], both["new"] = then.notna() & now.isna(), then.isna() & now.notna()
    both["size"] = (apart / then.abs()).where(both["differ"] & (then != 0))
    return (
        both.groupby(["indicator", "basis"], sort=True)
        .agg(
            n=("both", "sum"),
            differ=("differ", "sum"),
            median=("size", "median"),
            largest=("size", "max"),
            gone=("gone", "sum"),
            new=("new", "sum"),
        )
        .reset_index()
    )
