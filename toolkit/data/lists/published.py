"""Published tables that stand in for the records: weights, reference means, grades, the bridge between grouper versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit.data.lists.listing import Row, number_of, read_listing
from toolkit.errors import InputError
from toolkit.params import RunParams

WEIGHTS, MEANS, GRADES, BRIDGE = "权重表", "参照均值表", "分级表", "版本衔接表"
GRADE_NUMBERS = (0, 1, 2, 3, 4)


def weight_table(path: Path) -> pd.DataFrame:
    """`drg, weight` (relative weight, above 0)."""
    return _table(path, WEIGHTS, ("drg",), ("weight",))


def grade_table(path: Path) -> pd.DataFrame:
    """`drg, grade` (0–4)."""
    rows = _rows(path, GRADES, ("drg",), ("grade",))
    for row in rows:
        if number_of(row, "grade", GRADES) not in GRADE_NUMBERS:
            raise _wrong(row, "grade", "分级不在 0–4 内", "grade outside 0–4")
    return _frame(rows, GRADES, ("drg",), ("grade",))


def mean_table(path: Path) -> pd.DataFrame:
    """`drg, cost` (fen), `los` (days) from the columns `drg, mean_cost` (currency units), `mean_los`."""
    table = _table(path, MEANS, ("drg",), ("mean_cost", "mean_los"))
    return table.assign(cost=table["mean_cost"] * 100, los=table["mean_los"])


def bridge_table(path: Path, share: float) -> dict[str, str]:
    """Code of the later grouper version -> code of the earlier, where one earlier DRG holds enough of its cases.

    Parameters
    ----------
    path
        Table `from, to, n`: cases of the bridge year, grouped both ways, by earlier code `from` and later code `to`.
    share
        The least share of a later DRG's cases in one earlier DRG; DRGs below it have no earlier code.
    """
    table = _table(path, BRIDGE, ("from", "to"), ("n",))
    largest = table.sort_values(["to", "n", "from"], ascending=[True, False, True]).drop_duplicates("to")
    part = largest["n"] / largest["to"].map(table.groupby("to")["n"].sum())
    kept = largest[part >= share]
    return dict(zip(kept["to"], kept["from"], strict=True))


def check_published(params: RunParams) -> None:
    """Read all published tables that a run will need, so that a check refuses what a run refuses.

    Raises
    ------
    InputError
        One of them is not what it should be; with file and line.
    """
    if params.weights.file:
        weight_table(params.weights.file)
    if params.risk_grades.file:
        grade_table(params.risk_grades.file)
    if params.reference.means:
        mean_table(params.reference.means)
    if params.grouping.bridge:
        bridge_table(params.grouping.bridge, params.grouping.bridge_share)


def _table(path: Path, what: str, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    rows = _rows(path, what, keys, columns)
    for row in rows:
        for column in columns:
            if not number_of(row, column, what):
                raise _wrong(row, column, f"{column} 不是有效数值", f"{column} is no valid number")
    return _frame(rows, what, keys, columns)


def _rows(path: Path, what: str, keys: Sequence[str], columns: Sequence[str]) -> list[Row]:
    return read_listing(path, what, [*keys, *columns], codes=keys, others=True)


def _frame(rows: Sequence[Row], what: str, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    seen: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(row[k] for k in keys)
        if key in seen:
            raise _wrong(row, keys[0], f"{what}中 {'、'.join(key)} 重复", f"repeated, see {seen[key].where}")
        seen[key] = row
    made = {k: [row[k] for row in rows] for k in keys}
    return pd.DataFrame({**made, **{c: [number_of(row, c, what) for row in rows] for c in columns}})


def _wrong(row: Row, column: str, what: str, english: str) -> InputError:
    return InputError(what, english, where=f"{row.where} {column}", remedy="修正该行", remedy_english="mend the line")
