"""From a tidy frame to a `Table` of strings, each formatted once and here.

A number that is missing is never 0 and never "nan": it prints its status (不适用, 无标杆, 例数不足 …), or —.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from numbers import Integral, Real
from typing import Any

import pandas as pd

from toolkit.errors import ContractBroken
from toolkit.indicators.base import Status
from toolkit.reporting.content.blocks import Align, Table, TableColumn

Cell = Any  # what a frame holds in one place: each format refuses what is not of its kind
MISSING = "—"
WIDE_FROM = 9  # columns; up to 8 fit on a portrait page


@dataclass(frozen=True)
class Format:
    """How the values of a column become text: `write` takes one of them, never a missing one."""

    write: Callable[[Cell], str]
    align: Align = "right"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name
        The frame's column.
    label
        Its Chinese heading, unit included.
    format
        One of this module's formats.
    align
        Default: numbers right, text left.
    status
        The frame's column that says why a value is missing; its word is printed wherever it is not 值.
    """

    name: str
    label: str
    format: Format
    align: Align | None = None
    status: str | None = None


def table(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    *,
    id: str,
    caption: str,
    note: str = "",
    wide: bool | None = None,
    places: Sequence[str] = (),
    links: Sequence[str] = (),
    linked: int = 0,
) -> Table:
    """`frame` as a block, one row per row in its order; `wide` defaults to more than 8 columns. See `Table` for the links.

    Raises
    ------
    ContractBroken
        A declared column is absent, a value does not fit its format (text as a number, a fraction as a count), or a
        number is infinite.
    """
    wanted = [n for c in columns for n in (c.name, c.status) if n]
    if absent := [n for n in dict.fromkeys(wanted) if n not in frame.columns]:
        raise ContractBroken(f"表 {id} 缺少列 {'、'.join(absent)}", f"table {id} lacks columns {absent}")
    cells = [written(frame, column, where=f"{id}.{column.label}") for column in columns]
    return Table(
        id=id,
        caption=caption,
        columns=tuple(TableColumn(label=c.label, align=c.align or c.format.align) for c in columns),
        rows=tuple(zip(*cells, strict=True)) if len(frame) else (),
        wide=len(columns) >= WIDE_FROM if wide is None else wide,
        note=note,
        places=tuple(places),
        links=tuple(links),
        linked=linked,
    )


def written(frame: pd.DataFrame, column: Column, where: str) -> list[str]:
    """The cells of one column, in the frame's order; `where` names the column in errors."""
    statuses = frame[column.status].tolist() if column.status else [None] * len(frame)
    cells = []
    for value, status in zip(frame[column.name].tolist(), statuses, strict=True):
        if not missing(status) and status != Status.VALUE:
            cells.append(Status(status).zh)
        elif missing(value):
            cells.append(MISSING)
        else:
            try:
                cells.append(column.format.write(value))
            except ContractBroken as error:
                raise ContractBroken(error.problem, error.english, where=where) from None
    return cells


def missing(value: Cell) -> bool:
    """None, NaN, NaT or pandas' NA."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, Real) and math.isnan(value))


def rounded(value: Cell, places: int, scale: int = 1) -> str:
    """`value × scale` with `places` decimals, half away from zero, thousands separated, with a true minus sign.

    Works on the decimal digits that the number shows, not on its binary neighbour: 2.675 gives 2.68, 0.285 as a whole
    per cent 29. What is missing reads as it does in tables.
    """
    if missing(value):
        return MISSING
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise ContractBroken("该列应为数字", f"expected a number, found {type(value).__name__}")
    exact = (
        value
        if isinstance(value, Decimal)
        else Decimal(int(value) if isinstance(value, Integral) else repr(float(value)))
    )
    if not exact.is_finite():
        raise ContractBroken("数值为无穷大", "the number is not finite")
    shown = (exact * scale).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{abs(shown):,}" if shown >= 0 else f"\N{MINUS SIGN}{-shown:,}"


def _whole(value: Cell) -> str:
    if isinstance(value, float) and not value.is_integer():  # a frame with gaps holds its counts as floats
        raise ContractBroken("计数不是整数", "a count has a fraction")
    return rounded(value, 0)


def _p(value: Cell) -> str:
    if not 0 <= value <= 1:
        raise ContractBroken("P 值不在 0 与 1 之间", "p-value outside 0 to 1")
    return "<0.001" if value < 0.001 else ">0.999" if value > 0.999 else rounded(value, 3)


def decimal(places: int) -> Format:
    """A number with `places` decimals and thousands separators."""
    return Format(lambda v: rounded(v, places))


def percent(places: int = 1, *, scale: int = 100) -> Format:
    """A share as 12.3%. `scale=1` where the column is in per cent already (an `Indicator` of unit %)."""
    return Format(lambda v: rounded(v, places, scale) + "%")


def _plain(value: Cell) -> str:
    if isinstance(value, float):
        raise ContractBroken("文字列中有小数，未声明格式", "a float in a text column: declare its decimals")
    return str(value)


count = Format(_whole)
p_value = Format(_p)
text = Format(_plain, align="left")
