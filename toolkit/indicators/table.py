"""Indicators × cube -> cells: the one table that reports, models and verdicts read.

Columns of the cells: the group columns, `indicator`, `basis`, `n` (discharges behind the value), `x`, `y` (the two sums, in
the scale of the ratio), `xx` (Σ of squares, missing where the interval needs none), `value` (in the indicator's unit,
missing where there is none), `se`, `low`, `high`, `covered` (share of the cases that had a reference), `own_share` (mean
share of the unit in its own reference), `status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators.base import Count, CubeExpression, Declared, Distribution, Indicator, Status, col
from toolkit.reference import Referenced

SUMS = ("x", "y", "xx", "all_y", "own_y", "rows")
NO_SPREAD = 1e-13
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
    frame = referenced.frame
    by = list(by)
    index = frame[by].drop_duplicates().sort_values(by)
    parts = []
    for one in indicators:
        sums = _sums(frame, one, by) if isinstance(one, Indicator) else _distinct(frame, one, by)
        cells = index.merge(sums, on=by, how="left").assign(indicator=one.id, basis=referenced.basis)
        parts.append(finish(cells, one, confidence))
    cells = pd.concat(parts, ignore_index=True)
    order = {one: i for i, one in enumerate(dict.fromkeys(cells["indicator"]))}
    cells = cells.assign(_order=cells["indicator"].map(order)).sort_values([*by, "_order"], ignore_index=True)
    return cells[[*by, "indicator", "basis", "n", "x", "y", "xx", "value", "se", "low", "high", "covered", "own_share", "status",
                  *[c for c in SUMS if c not in ("x", "y", "xx")]]]  # fmt: skip


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
    return pd.concat(parts, ignore_index=True)


def evaluate(frame: pd.DataFrame, expression: CubeExpression) -> pd.Series:
    """The values of a declared expression, one a row of the cube."""
    try:
        return frame.assign(_value=expression)["_value"]
    except (KeyError, ValueError) as error:
        raise ContractBroken(
            f"指标用到的列不存在: {error}", "an indicator needs a column that the cube lacks", where=repr(expression),
            remedy="在 toolkit/data/measures.py 声明该度量", remedy_english="declare the measure",
        ) from error  # fmt: skip


def _sums(frame: pd.DataFrame, one: Indicator, by: list[str]) -> pd.DataFrame:
    counted = _true(frame, one.applies_to)
    below = evaluate(frame, one.denominator if one.denominator is not None else col("n"))
    rows = frame.loc[counted, by].assign(
        x=evaluate(frame, one.numerator)[counted].astype(float), y=below[counted].astype(float)
    )
    among = _true(frame, one.among)[counted]
    known = among & rows["x"].notna() & rows["y"].notna()
    rows["rows"] = 1.0
    rows["all_y"] = rows["y"].where(rows["y"].notna() & among, 0.0)
    rows["xx"] = evaluate(frame, one.squares)[counted].where(known) if one.squares is not None else np.nan
    if one.own_share is not None:
        rows["own_y"] = (evaluate(frame, one.own_share)[counted] * rows["y"]).where(known)
    else:
        rows["own_y"] = np.nan
    rows["x"], rows["y"] = rows["x"].where(known), rows["y"].where(known)
    return rows.groupby(by, sort=True)[list(SUMS)].sum(min_count=1).reset_index()


def _distinct(frame: pd.DataFrame, one: Count, by: list[str]) -> pd.DataFrame:
    rows = frame[_true(frame, one.among) & (frame["n"] > 0)]
    counted = rows.groupby(by, sort=True).agg(x=(one.of, "nunique"), all_y=("n", "sum")).reset_index()
    return counted.assign(
        x=counted["x"].astype(float), y=counted["all_y"].astype(float), xx=np.nan, own_y=np.nan, rows=1.0
    )


def _true(frame: pd.DataFrame, condition: CubeExpression | None) -> pd.Series:
    if condition is None:
        return pd.Series(True, index=frame.index)
    return evaluate(frame, condition).fillna(False).astype(bool)


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
    status = np.select(
        [value.notna(), cells["rows"].fillna(0) == 0, y == 0],
        [Status.VALUE.value, Status.NOT_APPLICABLE.value, Status.TOO_FEW.value],  # a reference, but no case of its kind
        default=Status.NO_REFERENCE.value,
    )  # fmt: skip
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
