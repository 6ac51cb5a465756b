"""Published tables that stand in for the records: weights, reference means, grades, the bridge between grouper versions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit.data.lists.listing import Row, number_of, read_listing
from toolkit.errors import InputError
from toolkit.params import RunParams, Trimming

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


LIMITS = tuple(f"{end}_{amount}" for amount in ("cost", "los") for end in ("low", "high"))


def mean_table(path: Path) -> pd.DataFrame:
    """`drg, cost` (fen), `los` (days), and the limits that the means were trimmed by.

    From the columns `drg, mean_cost` (currency units), `mean_los`, and where the table has them `low_cost, high_cost,
    low_los, high_los` in the units of their means, both ends included. Limits come out as `cost_low, cost_high` (fen),
    `los_low, los_high` (days), missing where the table has none for a DRG.

    Raises
    ------
    InputError
        As of every published table; or one end of a pair of limits is missing, or the mean lies outside its own limits.
    """
    rows = read_listing(path, MEANS, ["drg", "mean_cost", "mean_los"], LIMITS, codes=["drg"], others=True)
    _above_zero(rows, MEANS, ("mean_cost", "mean_los"))
    table = _frame(rows, MEANS, ("drg",), ("mean_cost", "mean_los"))
    table = table.assign(cost=table["mean_cost"] * 100, los=table["mean_los"])
    for amount, scale in (("cost", 100.0), ("los", 1.0)):
        ends = [_limits_of(row, amount) for row in rows]
        for place, end in enumerate(("low", "high")):
            table[f"{amount}_{end}"] = [pair[place] * scale for pair in ends]
    return table


def has_limits(means: pd.DataFrame) -> bool:
    """Whether a table of means, as from `mean_table`, carries trim limits."""
    return bool(means[["cost_low", "los_low"]].notna().any(axis=None))


def _limits_of(row: Row, amount: str) -> tuple[float, float]:
    low, high = (row[f"{end}_{amount}"] for end in ("low", "high"))
    if not low and not high:
        return math.nan, math.nan
    if not low or not high:
        missing = f"{'high' if low else 'low'}_{amount}"
        raise _wrong(row, missing, f"{MEANS}只有一侧的裁剪界限", "one end of the trim limits is missing")
    try:
        ends = float(low), float(high)  # a lower limit may be below 0: a multiple of the interquartile range under it
    except ValueError:
        ends = math.nan, math.nan
    if not ends[0] <= number_of(row, f"mean_{amount}", MEANS) <= ends[1] < math.inf:
        raise _wrong(
            row,
            f"low_{amount}",
            f"均值不在裁剪界限 low_{amount}、high_{amount} 之内",
            "the mean lies outside its own trim limits",
        )
    return ends


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
    if params.reference.means and has_limits(mean_table(params.reference.means)):
        _refuse_untrimmed(params)
    if params.grouping.bridge:
        bridge_table(params.grouping.bridge, params.grouping.bridge_share)


def _refuse_untrimmed(params: RunParams) -> None:
    if params.trimming.method == Trimming.NONE:
        raise InputError(
            "外部均值表附有裁剪界限，其均值是裁剪后的，病例不裁剪则不可比",
            "the means of the table are of trimmed records: untrimmed ones do not compare with them",
            where=str(params.reference.means),
            remedy="不写 trimming.method（按表裁剪）；确为未裁剪的均值时，删去表中的界限列",
            remedy_english="drop trimming.method, or the columns of limits where the means are untrimmed",
        )


def _table(path: Path, what: str, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    rows = _rows(path, what, keys, columns)
    _above_zero(rows, what, columns)
    return _frame(rows, what, keys, columns)


def _above_zero(rows: Sequence[Row], what: str, columns: Sequence[str]) -> None:
    for row in rows:
        for column in columns:
            if not number_of(row, column, what):
                raise _wrong(row, column, f"{column} 不是有效数值", f"{column} is no valid number")


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
