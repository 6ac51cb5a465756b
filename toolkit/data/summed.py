"""Tables that others have summed already, in place of records: sums by DRG, and values of indicators. Strict, with lines.

A commission that has no records has the exports of its DRG performance system or the values of a national examination. What is
read here is only as good as what made it: nothing can be checked against a case.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data.lists.listing import Row, number_of, read_listing, year_of
from toolkit.errors import InputError, did_you_mean

SUMS, VALUES = "汇总表", "数值表"
KEY = ("hospital", "specialty", "year")
FEN = 100  # a table has money in the run's currency unit, the cube in hundredths of it
MONEY, COUNTED = ("cost",), ("died", "surgical")
MEASURES = ("cost", "los", "died", "surgical")
MOMENTS = ("cost", "los")
# the three ways to give a value, and what may stand beside one of them
FORMS: dict[str, tuple[str, ...]] = {"value": ("n", "value"), "sums": ("x", "y"), "deaths": ("observed", "expected")}
NUMBERS = ("n", "value", "x", "y", "observed", "expected", "sd")
SQUARES_SHORT = 1 - 1e-6  # Σx² may fall below (Σx)²/n by rounding, not by more


def read_sums(path: Path, specialties: Collection[str]) -> pd.DataFrame:
    """Sums of every hospital, specialty, year and DRG, as `toolkit.cube.from_sums` takes them.

    The table: `hospital, specialty, year, drg, n`, and of `cost` (currency units), `los` (days), `died`, `surgical` those that
    there are; `<measure>_n` where not all discharges are known; `cost_sq`, `los_sq` = Σx², without which there is no interval.

    Raises
    ------
    InputError
        A fault, with file, line and column: a key twice, an unknown specialty, more deaths than cases, Σx² that no cases can have.
    """
    optional = [f"{m}{end}" for m in MEASURES for end in ("", "_n", *(("_sq",) if m in MOMENTS else ()))]
    rows = read_listing(path, SUMS, [*KEY, "drg?", "n"], optional, codes=["hospital", "drg"])
    _distinct(rows, (*KEY, "drg"), SUMS)
    given = [m for m in MEASURES if any(row[m] for row in rows)]
    made = []
    for row in rows:
        n = _whole(row, "n", SUMS)
        one: dict[str, object] = {**_keys(row, specialties, SUMS), "drg": row["drg"], "n": n}
        for measure in given:
            one |= _measure(row, measure, n)
        made.append(one)
    return pd.DataFrame(made)


def _measure(row: Row, measure: str, n: int) -> dict[str, float]:
    """Σx, n and Σx² of a measure; a measure that a row leaves empty is known for none of its cases."""
    scale = FEN if measure in MONEY else 1
    known = _whole(row, f"{measure}_n", SUMS) if row[f"{measure}_n"] else (n if row[measure] else 0)
    if known > n:
        raise _wrong(row, f"{measure}_n", f"{known} 例多于例数 {n}", "more cases than there are")
    total = number_of(row, measure, SUMS) * scale if row[measure] else 0.0
    if measure in COUNTED and (total > known or total != int(total)):
        raise _wrong(row, measure, f"{measure} 应为不超过例数的整数", "a count of cases must be whole and at most n")
    found: dict[str, float] = {measure: round(total), f"{measure}_n": known}
    if measure in MOMENTS:
        squares = number_of(row, f"{measure}_sq", SUMS) * scale**2 if row[f"{measure}_sq"] else np.nan
        if known and squares < total**2 / known * SQUARES_SHORT:
            raise _wrong(
                row, f"{measure}_sq", "平方和小于合计的平方除以例数，任何病例都做不到", "no cases have such sums"
            )
        found[f"{measure}_sq"] = squares
    return found


def read_values(path: Path, specialties: Collection[str]) -> pd.DataFrame:
    """Values of every hospital, specialty, year and indicator, in the form they were given.

    The table: `hospital, specialty, year, indicator`, and one of `n, value` (in the unit of the indicator), `x, y` (its two
    sums) and `observed, expected`; `n` (discharges) beside the latter two, and `sd` (of single cases) where the indicator is
    a mean.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, year, indicator`, the numbers (missing where not given), `form` (of `FORMS`), `where` (file:line).

    Raises
    ------
    InputError
        A fault, with file, line and column: a key twice, an unknown specialty, none or several of the three forms.
    """
    rows = read_listing(path, VALUES, [*KEY, "indicator"], NUMBERS, codes=["hospital"])
    _distinct(rows, (*KEY, "indicator"), VALUES)
    made = []
    for row in rows:
        numbers = {c: number_of(row, c, VALUES) if row[c] else np.nan for c in NUMBERS}
        keys = _keys(row, specialties, VALUES)
        made.append({**keys, "indicator": row["indicator"], **numbers, "form": _form(row), "where": row.where})
    return pd.DataFrame(made)


def _form(row: Row) -> str:
    """Which of the three forms a row has."""
    own = {"value": ("value",), "sums": ("x", "y"), "deaths": ("observed", "expected")}
    used = [form for form, columns in own.items() if any(row[c] for c in columns)]
    if len(used) != 1:
        said = "没有数值" if not used else "用了两种写法"
        raise _wrong(
            row, "value", f"{said}：每行只能给出 n 与 value、x 与 y、observed 与 expected 之一", "one form a row"
        )
    for column in FORMS[used[0]]:
        if not row[column]:
            raise _wrong(row, column, f"缺少 {column}", f"{column} is missing")
    return used[0]


def _keys(row: Row, specialties: Collection[str], what: str) -> dict[str, object]:
    if row["specialty"] not in specialties:
        raise InputError(
            f"{what}的专科 {row['specialty']} 没有在参数文件中列出",
            "a specialty that the parameter file does not name",
            where=f"{row.where} specialty",
            **did_you_mean(row["specialty"], sorted(specialties), "列入 specialties", "name it in specialties"),
        )
    return {"hospital": row["hospital"], "specialty": row["specialty"], "year": year_of(row, "year")}


def _whole(row: Row, column: str, what: str) -> int:
    number = number_of(row, column, what)
    if number != int(number):
        raise _wrong(row, column, f"{column} 应为整数", f"{column} must be a whole number")
    return int(number)


def _distinct(rows: Sequence[Row], key: Sequence[str], what: str) -> None:
    seen: dict[tuple[str, ...], Row] = {}
    for row in rows:
        one = tuple(row[c] for c in key)
        if one in seen:
            raise _wrong(row, key[-1], f"{what}的 {'、'.join(key)} 与 {seen[one].where} 重复", "the key stands twice")
        seen[one] = row


def _wrong(row: Row, column: str, problem: str, english: str) -> InputError:
    return InputError(problem, english, where=f"{row.where} {column}", remedy="修正该行", remedy_english="mend the row")
