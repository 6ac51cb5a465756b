"""Published tables that stand in for the records: weights, reference means, grades, the bridge between grouper versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.errors import InputError
from toolkit.reference.grades import GRADES


def weight_table(path: Path) -> pd.DataFrame:
    """`drg, weight` (relative weight, above 0)."""
    return _unique(path, _numbers(path, ("weight",)))


def grade_table(path: Path) -> pd.DataFrame:
    """`drg, grade` (0–4)."""
    table = _numbers(path, ("grade",))
    _refuse(path, ~table["grade"].isin(GRADES), "分级不在 0–4 内", "grade outside 0–4")
    return _unique(path, table)


def mean_table(path: Path) -> pd.DataFrame:
    """`drg, cost` (fen), `los` (days) from the columns `drg, mean_cost` (currency units), `mean_los`."""
    table = _numbers(path, ("mean_cost", "mean_los"))
    return _unique(path, table.assign(cost=table["mean_cost"] * 100, los=table["mean_los"]))


def bridge_table(path: Path, share: float) -> dict[str, str]:
    """Code of the later grouper version -> code of the earlier, where one earlier DRG holds enough of its cases.

    Parameters
    ----------
    path
        CSV `from, to, n`: cases of the bridge year, grouped both ways, by earlier code `from` and later code `to`.
    share
        The least share of a later DRG's cases in one earlier DRG; DRGs below it have no earlier code.
    """
    table = _numbers(path, ("n",), keys=("from", "to"))
    _refuse(path, table[["from", "to"]].duplicated(), "同一对编码重复", "pair repeated")
    largest = table.sort_values(["to", "n", "from"], ascending=[True, False, True]).drop_duplicates("to")
    part = largest["n"] / largest["to"].map(table.groupby("to")["n"].sum())
    kept = largest[part >= share]
    return dict(zip(kept["to"], kept["from"], strict=True))


def _numbers(path: Path, columns: Sequence[str], keys: Sequence[str] = ("drg",)) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            "表不可读",
            "the table cannot be read",
            where=str(path),
            remedy="另存为 UTF-8 的 CSV",
            remedy_english=f"save it as CSV in UTF-8: {type(error).__name__}",
        ) from error
    if missing := [c for c in (*keys, *columns) if c not in table]:
        raise InputError(
            f"表缺少列 {'、'.join(missing)}",
            "columns missing",
            where=str(path),
            remedy=f"需要 {','.join((*keys, *columns))}",
            remedy_english="add them",
        )
    values = {c: pd.to_numeric(table[c], errors="coerce") for c in columns}
    for name, column in values.items():
        valid = np.isfinite(column) & ((column >= 0) if name == "grade" else (column > 0))
        _refuse(path, ~valid, f"{name} 不是有效数值", f"{name} is no valid number")
    return pd.DataFrame({**{k: table[k] for k in keys}, **values})


def _unique(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    _refuse(path, table["drg"].duplicated(), "DRG 重复", "DRG repeated")
    return table


def _refuse(path: Path, bad: pd.Series, what: str, english: str) -> None:
    if bad.any():
        line = int(np.flatnonzero(bad)[0]) + 2
        raise InputError(what, english, where=f"{path}:{line}", remedy="修正该行", remedy_english="mend the line")
