"""Indicators × cube -> cells: the one table that reports, models and verdicts read.

Columns of the cells: the group columns, `indicator`, `basis`, `n` (discharges behind the value), `x`, `y` (the two sums, in
the scale of the ratio), `xx` (Σ of squares, missing where the interval needs none), `value` (in the indicator's unit,
missing where there is none), `se`, `low`, `high`, `covered` (share of the cases that had a reference), `own_share` (mean
share of the unit in its own reference), `status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators.base import Count, CubeExpression, Declared, Distribution, Indicator, Status, col
from toolkit.key_codes import Groups, KeyCodes, distinct
from toolkit.reference import Referenced

SUMS = ("x", "y", "xx", "all_y", "own_y", "rows")
NO_SPREAD = 1e-13
# a value; no row that it is for; a reference, but no case of its kind; no reference
STATUS = pd.array([Status.VALUE, Status.NOT_APPLICABLE, Status.TOO_FEW, Status.NO_REFERENCE], dtype="str")
STATUS_TYPE = pd.CategoricalDtype(STATUS)
NUMBERS = ("n", "x", "y", "xx", "value", "se", "low", "high", "covered", "own_share", "all_y", "own_y", "rows")
COLUMNS = (*NUMBERS[:10], "status", *NUMBERS[10:])
DIGITS = 12  # significant digits kept, so that results do not depend on the order of additions


def collect(
    referenced: Referenced, indicators: Iterable[Declared], by: Sequence[str], *, confidence: float = 0.95
) -> pd.DataFrame:  # fmt: skip
    """The value of every indicator for every group of `by`, with its interval and status.

    Parameters
    ----------
    referenced
        The cube on one basis.
    by
        Group columns of its frame, e.g. `("hospital", "specialty", "year")` or `("specialty", "cycle")`.

    Returns
    -------
    pd.DataFrame
        One row per group and indicator; see the module. Sorted by group, indicators in the order given.
    """
    frame, by = referenced.frame, list(by)
    codes = KeyCodes(frame)
    groups = codes.of(by)
    chosen, size = list(indicators), len(groups)
    parts = []
    for one in chosen:
        sums = _sums(frame, one, groups) if isinstance(one, Indicator) else _distinct(frame, one, groups, codes)
        parts.append(finish(pd.DataFrame(sums, copy=False), one, confidence))
    # indicators side by side, then row by row: group after group, without sorting; text only once, at the end
    cells = {c: np.column_stack([part[c].to_numpy() for part in parts]).ravel() for c in NUMBERS}
    status = np.column_stack([part["status"].cat.codes.to_numpy() for part in parts]).ravel()
    keys = {name: _text(frame[name], np.repeat(groups.first, len(chosen))) for name in by}
    named = pd.array([one.id for one in chosen], dtype="str").take(np.tile(np.arange(len(chosen)), size))
    made = {**keys, "indicator": named, "basis": referenced.basis, **cells, "status": STATUS.take(status)}
    return pd.DataFrame(made, copy=False)[[*by, "indicator", "basis", *COLUMNS]]


def _text(keys: pd.Series, rows: np.ndarray) -> Any:
    """Key values of these rows as they are, categories as text."""
    if not isinstance(keys.dtype, pd.CategoricalDtype):
        return keys.array.take(rows)
    return pd.array(keys.cat.categories, dtype="str").take(keys.cat.codes.to_numpy()[rows], allow_fill=True)


def roll_up(
    cells: pd.DataFrame, indicators: dict[str, Declared], by: Sequence[str], *, confidence: float = 0.95
) -> pd.DataFrame:  # fmt: skip
    """Cells of a coarser level from cells of a finer one, by adding both sums.

    Raises
    ------
    EvaluationError
        For a `Count`: distinct values of two cells overlap and do not add.
    """
    by = list(by)
    parts = []
    for id_, part in cells.groupby("indicator", sort=False):
        one = indicators[str(id_)]
        if isinstance(one, Count):
            raise EvaluationError(
                f"{one.name_zh}不能由下级相加", "a distinct count does not add up", where=f"indicator {id_}",
                remedy="在该层级用 collect 重新计数", remedy_english="collect it at that level",
            )  # fmt: skip
        sums = part.groupby(by, sort=True)[list(SUMS)].sum(min_count=1).reset_index()
        parts.append(finish(sums.assign(indicator=id_, basis=part["basis"].iloc[0]), one, confidence))
    rolled = pd.concat(parts, ignore_index=True)
    return rolled.assign(status=STATUS.take(rolled["status"].cat.codes.to_numpy()))


def evaluate(frame: pd.DataFrame, expression: CubeExpression) -> pd.Series:
    """The values of a declared expression, one a row of the cube."""
    try:
        return frame.assign(_value=expression)["_value"]
    except (KeyError, ValueError) as error:
        raise ContractBroken(
            f"指标用到的列不存在: {error}", "an indicator needs a column that the cube lacks", where=repr(expression),
            remedy="在 toolkit/data/measures.py 声明该度量", remedy_english="declare the measure",
        ) from error  # fmt: skip


def _sums(frame: pd.DataFrame, one: Indicator, groups: Groups) -> dict[str, np.ndarray]:
    """The sums of every group; missing, not 0, where no row of the group counts."""
    counted = _true(frame, one.applies_to)
    below = evaluate(frame, one.denominator if one.denominator is not None else col("n")).to_numpy(float)
    above = evaluate(frame, one.numerator).to_numpy(float)
    among = counted & _true(frame, one.among)
    divided = ~np.isnan(below)
    known = among & divided & ~np.isnan(above)
    found = groups.any(known)

    def total(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.where(found, groups.sum(values, rows), np.nan)

    own = np.full(len(groups), np.nan)
    xx = own if one.squares is None else total(evaluate(frame, one.squares).to_numpy(float), known)
    if one.own_share is not None:
        share = evaluate(frame, one.own_share).to_numpy(float)
        shared = known & ~np.isnan(share)
        own = np.where(groups.any(shared), groups.sum(share * below, shared), np.nan)
    applicable = groups.any(counted)
    every = np.where(applicable, groups.sum(below, among & divided), np.nan)
    return {"x": total(above, known), "y": total(below, known), "xx": xx, "all_y": every, "own_y": own,
            "rows": np.where(applicable, groups.sum(counted), np.nan)}  # fmt: skip


def _distinct(frame: pd.DataFrame, one: Count, groups: Groups, codes: KeyCodes) -> dict[str, np.ndarray]:
    rows = _true(frame, one.among) & (frame["n"] > 0).to_numpy()
    values = codes.of([one.of])
    pairs = groups.of_row[rows].astype(np.int64) * len(values) + values.of_row[rows]
    present = groups.any(rows)
    found = np.bincount(distinct(pairs, len(groups) * len(values)) // max(len(values), 1), minlength=len(groups))
    cases = np.where(present, groups.sum(frame["n"].to_numpy(float), rows), np.nan)
    nothing = np.full(len(groups), np.nan)
    return {
        "x": np.where(present, found, np.nan),
        "y": cases,
        "xx": nothing,
        "all_y": cases,
        "own_y": nothing,
        "rows": np.where(present, 1.0, np.nan),
    }


def _true(frame: pd.DataFrame, condition: CubeExpression | None) -> np.ndarray:
    if condition is None:
        return np.ones(len(frame), dtype=bool)
    return evaluate(frame, condition).fillna(False).astype(bool).to_numpy()


def finish(cells: pd.DataFrame, one: Declared, confidence: float) -> pd.DataFrame:
    """Value, standard error, interval and status from the sums; divided once, last."""
    x, y = cells["x"].astype(float), cells["y"].astype(float)
    scale = one.scale if isinstance(one, Indicator) else 1.0
    total = isinstance(one, Count) or one.denominator is None  # y is then the number of discharges, not a divisor
    value = scale * x if total else scale * x / y.where(y > 0)
    if isinstance(one, Count) or one.distribution is None:
        se = low = high = pd.Series(np.nan, index=cells.index)
    else:
        se, low, high = _interval(one.distribution, x, y, cells["xx"].astype(float), confidence)
        se, low, high = scale * se, scale * low, scale * high
    why = np.select([value.notna(), cells["rows"].fillna(0) == 0, y == 0], [0, 1, 2], default=3)
    status = pd.Categorical.from_codes(why, dtype=STATUS_TYPE, validate=False)
    covered = y.fillna(0) / cells["all_y"].where(cells["all_y"] > 0)
    return cells.assign(
        n=y.fillna(0).round().astype("int64"), value=_rounded(value), se=_rounded(se), low=_rounded(low), high=_rounded(high),
        covered=_rounded(covered), own_share=_rounded(cells["own_y"] / y.where(y > 0)), status=status,
    )  # fmt: skip


def _interval(
    kind: Distribution, x: pd.Series, y: pd.Series, xx: pd.Series, confidence: float
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Standard error and limits of x / y, unscaled."""
    tail = (1 - confidence) / 2
    some = y > 0
    ratio = x / y.where(some)
    if kind is Distribution.RARE:
        return np.sqrt(x) / y.where(some), *(limit / y.where(some) for limit in poisson_limits(x, confidence))
    if kind is Distribution.PROPORTION:
        low = pd.Series(stats.beta.ppf(tail, x, y - x + 1), index=x.index).where(x > 0, 0.0).where(some)
        high = pd.Series(stats.beta.ppf(1 - tail, x + 1, y - x), index=x.index).where(x < y, 1.0).where(some)
        return np.sqrt((ratio * (1 - ratio)).clip(lower=0) / y.where(some)), low, high
    # a mean over discharges: s²/n, with s² from Σa and Σa²; limits on the log scale, so never below 0
    several = y > 1
    variance = ((xx - x * ratio) / (y - 1).where(several)).clip(lower=0)
    # cases that all share one value: what is left of the two sums is rounding, not spread
    variance = variance.where(variance.isna() | (variance > NO_SPREAD * ratio**2), 0.0)
    se = np.sqrt(variance / y.where(some))
    width = np.exp(stats.norm.ppf(1 - tail) * se / ratio.where(ratio > 0))
    return se, ratio / width, ratio * width


def poisson_limits(count: pd.Series, confidence: float = 0.95) -> tuple[pd.Series, pd.Series]:
    """Exact limits of a Poisson mean given its count, by chi-square quantiles."""
    tail = (1 - confidence) / 2
    low = pd.Series(stats.chi2.ppf(tail, 2 * count) / 2, index=count.index).where(count > 0, 0.0)
    return low.where(count.notna()), pd.Series(stats.chi2.ppf(1 - tail, 2 * (count + 1)) / 2, index=count.index)


def _rounded(values: pd.Series) -> pd.Series:
    """To `DIGITS` significant digits."""
    array = values.to_numpy(dtype=float, copy=True)
    finite = np.isfinite(array) & (array != 0)
    magnitude = np.power(10.0, DIGITS - 1 - np.floor(np.log10(np.abs(array[finite]))))
    array[finite] = np.round(array[finite] * magnitude) / magnitude
    return pd.Series(array, index=values.index)
