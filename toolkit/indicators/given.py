"""Values that were given, not computed: what they say of the sums that cells are made of, and what cannot be said.

A proportion or a rate of rare events tells its events by n; its interval is made again from these, as if the toolkit had
counted. A mean tells its sum by n, its interval only with the standard deviation of single cases. Distinct counts are taken
as they are, and do not add up.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import InputError, did_you_mean
from toolkit.indicators import CATALOGUE, Distribution, Indicator
from toolkit.indicators.table import SUMS, finish, roll_up

KEY = ["hospital", "specialty", "year"]
HALF = 0.5


def given_sums(given: pd.DataFrame) -> pd.DataFrame:
    """The sums behind values.

    Parameters
    ----------
    given
        As from `toolkit.data.summed.read_values`.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, year, indicator`, `cases`, and `SUMS` in the scale of the indicator's ratio.

    Raises
    ------
    InputError
        An unknown indicator, a form that does not fit it, more events than cases, an expectation of 0; with file, line, column.
    """
    rows = [_sums(row) for row in given.to_dict("records")]
    return pd.DataFrame(rows)[[*KEY, "indicator", "cases", *SUMS]]


def _sums(row: dict) -> dict[str, object]:
    where, id_ = row["where"], str(row["indicator"])
    if id_ not in CATALOGUE:
        raise InputError(
            f"没有指标 {id_}",
            "no such indicator",
            where=f"{where} indicator",
            **did_you_mean(id_, CATALOGUE, "指标编号见指标手册", "ids stand in the handbook"),
        )
    one = CATALOGUE[id_]
    kind = one.distribution
    x, y, n = _as_sums(row, one.scale, kind)
    if kind is Distribution.PROPORTION and x > y:
        raise _wrong(where, "事件数多于例数", f"{x:g} events among {y:g} cases", row)
    if kind is Distribution.RARE and not np.isnan(n) and x > n:
        raise _wrong(where, "死亡（事件）数多于例数", f"{x:g} events among {n:g} cases", row)
    xx = np.nan
    if kind is Distribution.MEAN and not np.isnan(row["sd"]) and y > 0:
        xx = x * x / y + max(y - 1, 0) * (row["sd"] / one.scale) ** 2
    base = {"x": x, "y": y, "xx": xx, "xy": np.nan, "yy": np.nan, "all_y": n, "own_y": np.nan, "rows": 1.0}
    return {**{k: row[k] for k in (*KEY, "indicator")}, "cases": n, **base}


def _as_sums(row: dict, scale: float, kind: Distribution | None) -> tuple[float, float, float]:
    """Both sums and the discharges behind them."""
    where, n = row["where"], row["n"]
    if row["form"] == "deaths":
        if kind is not Distribution.RARE or row["indicator"] != "mortality_ratio":
            raise _wrong(where, "observed 与 expected 只用于 mortality_ratio（O/E）", "only of mortality_ratio", row)
        if row["expected"] <= 0:
            raise _wrong(where, "预期数须大于 0：没有预期就没有 O/E", "an expectation must be above 0", row, "expected")
        if row["observed"] != int(row["observed"]):
            raise _wrong(where, "观察数应为整数", "observed must be a whole number", row, "observed")
        return row["observed"], row["expected"], _needed(n, row)
    if row["form"] == "sums":
        if row["y"] <= 0:
            raise _wrong(where, "分母须大于 0", "a denominator must be above 0", row, "y")
        return row["x"], row["y"], row["y"] if kind is Distribution.PROPORTION and np.isnan(n) else _needed(n, row)
    ratio = row["value"] / scale
    if kind is Distribution.PROPORTION and ratio > 1:
        raise _wrong(where, "比例大于 100%", "a proportion above 100 %", row)
    events = ratio * _needed(n, row)
    if kind in (Distribution.PROPORTION, Distribution.RARE):
        # a printed rate is rounded: the events behind it are the whole number next to it
        if row["indicator"] == "mortality_ratio":
            raise _wrong(where, "O/E 请给 observed 与 expected", "give observed and expected of an O/E", row)
        events = float(np.floor(events + HALF))
    if CATALOGUE[row["indicator"]].divides:
        return events, n, n
    return ratio, n, n


def _needed(n: float, row: dict) -> float:
    if np.isnan(n):
        raise _wrong(row["where"], "缺少例数 n", "n, the discharges behind the value, is missing", row, "n")
    if n <= 0 or n != int(n):
        raise _wrong(row["where"], "例数须为大于 0 的整数", "n must be a whole number above 0", row, "n")
    return float(n)


def _wrong(where: str, problem: str, english: str, row: dict, column: str = "") -> InputError:
    column = column or {"value": "value", "sums": "x", "deaths": "observed"}[row["form"]]
    return InputError(
        problem, english, where=f"{where} {column}", remedy="修正或删去该行", remedy_english="mend or drop the row"
    )


def given_cells(sums: pd.DataFrame, by: list[str], confidence: float) -> pd.DataFrame:
    """Cells of given values, added up over what `by` leaves out; distinct counts only where nothing is left out.

    Parameters
    ----------
    sums
        As from `given_sums`, with the columns of `by`.
    """
    sums = sums.rename(columns={"cases": "n"}).assign(basis="")
    parts = []
    for id_, rows in sums.groupby("indicator", sort=False):
        one = CATALOGUE[str(id_)]
        if one.adds_up:
            parts.append(roll_up(rows, CATALOGUE, by, confidence=confidence))
        elif not rows.duplicated(by).any():
            parts.append(finish(rows.assign(cases=rows["n"]), one, confidence))
    return pd.concat(parts, ignore_index=True)


def without_interval(sums: pd.DataFrame) -> list[str]:
    """Names of the indicators that were given without what an interval needs."""
    found = []
    for id_, rows in sums.groupby("indicator", sort=False):
        one = CATALOGUE[str(id_)]
        needs = isinstance(one, Indicator) and one.distribution in (Distribution.MEAN, Distribution.RATIO)
        if needs and rows["xx"].isna().any():
            found.append(one.name_zh)
    return found
