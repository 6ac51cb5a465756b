"""Indicators × cube -> cells: the one table that reports, models and verdicts read.

Columns of the cells: the group columns, `indicator`, `basis`, `n` (discharges behind the value), `x`, `y` (the two sums, in
the scale of the ratio), `xx` (Σ of squares, missing where the interval needs none), `value` (in the indicator's unit,
missing where there is none), `se`, `low`, `high`, `covered` (share of the cases that had a reference), `own_share` (mean
share of the unit in its own reference), `status`, and the further sums that a coarser level needs: `xy`, `yy` (as `xx`),
`all_y`, `own_y`, `rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators.base import Count, CubeExpression, Declared, Distribution, Indicator, Rarefied, Status, col
from toolkit.key_codes import Groups, KeyCodes
from toolkit.params import IndicatorPolicy
from toolkit.reference import Referenced

SUMS = ("x", "y", "xx", "xy", "yy", "all_y", "own_y", "rows")
NO_SPREAD = 1e-13
# a value; no row that it is for; a reference, but no case of its kind; no reference
STATUS = pd.array([Status.VALUE, Status.NOT_APPLICABLE, Status.TOO_FEW, Status.NO_REFERENCE], dtype="str")
STATUS_TYPE = pd.CategoricalDtype(STATUS)
NUMBERS = ("n", "x", "y", "xx", "value", "se", "low", "high", "covered", "own_share", "xy", "yy", "all_y",
           "own_y", "rows")  # fmt: skip
COLUMNS = (*NUMBERS[:10], "status", *NUMBERS[10:])
DIGITS = 12  # significant digits kept, so that results do not depend on the order of additions


def collect(
    referenced: Referenced, indicators: Iterable[Declared], by: Sequence[str], *, confidence: float = 0.95,
    policy: IndicatorPolicy | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The value of every indicator for every group of `by`, with its interval and status.

    Parameters
    ----------
    referenced
        The cube on one basis.
    by
        Group columns of its frame, e.g. `("hospital", "specialty", "year")` or `("specialty", "cycle")`.
    policy
        Choices that some declarations name; the defaults where None.

    Returns
    -------
    pd.DataFrame
        One row per group and indicator; see the module. Sorted by group, indicators in the order given.
    """
    frame, by, policy = referenced.frame, list(by), policy or IndicatorPolicy()
    codes = KeyCodes(frame)
    groups = codes.of(by)
    chosen, size = list(indicators), len(groups)
    parts = []
    for one in chosen:
        sums = _sums(frame, one, groups) if isinstance(one, Indicator) else _kinds(frame, one, by, codes, policy)
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
        For a `Count` or `Rarefied`: distinct values of two cells overlap and do not add.
    """
    by = list(by)
    parts = []
    for id_, part in cells.groupby("indicator", sort=False):
        one = indicators[str(id_)]
        if not one.adds_up:
            raise EvaluationError(
                f"{one.name_zh}不能由下级相加", "a distinct count does not add up", where=f"indicator {id_}",
                remedy="在该层级用 collect 重新计数", remedy_english="collect it at that level",
            )  # fmt: skip
        sums = part.rename(columns={"n": "cases"}).groupby(by, sort=True)[["cases", *SUMS]].sum(min_count=1).reset_index()
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

    def of(expression: CubeExpression | None) -> np.ndarray:
        if expression is None:
            return np.full(len(groups), np.nan)
        return total(evaluate(frame, expression).to_numpy(float), known)

    own, y = np.full(len(groups), np.nan), total(below, known)
    if one.own_share is not None:
        share = evaluate(frame, one.own_share).to_numpy(float)
        shared = known & ~np.isnan(share)
        own = np.where(groups.any(shared), groups.sum(share * below, shared), np.nan)
    applicable = groups.any(counted)
    # of the cases that would count if their row had a reference, `cases` did
    behind = below if one.cases is None else evaluate(frame, one.cases).to_numpy(float)
    every = np.where(applicable, groups.sum(behind, among & ~np.isnan(behind)), np.nan)
    return {"cases": total(behind, known), "x": total(above, known), "y": y, "xx": of(one.squares),
            "xy": of(one.cross), "yy": of(one.squares_below), "all_y": every, "own_y": own,
            "rows": np.where(applicable, groups.sum(counted), np.nan)}  # fmt: skip


def _kinds(
    frame: pd.DataFrame, one: Count | Rarefied, by: Sequence[str], codes: KeyCodes, policy: IndicatorPolicy
) -> dict[str, np.ndarray]:  # fmt: skip
    """Distinct values of a key in every group: as they are, or expected among the same number of cases."""
    groups, pairs = codes.of(by), codes.of([*by, one.of])
    rows = _true(frame, one.among) & (frame["n"] > 0).to_numpy()
    n = frame["n"].to_numpy(float)
    present, cases = groups.any(rows), groups.sum(n, rows)
    group_of_pair = groups.of_row[pairs.first]
    found = pairs.any(rows)
    if isinstance(one, Count):
        value, counted = np.bincount(group_of_pair, weights=found, minlength=len(groups)), present
    else:
        common = float(getattr(policy, one.at))
        counted = present & (cases >= common)
        found = found & counted[group_of_pair]
        inside = group_of_pair[found]
        drawn = _drawn(cases[inside], pairs.sum(n, rows)[found], common)
        value = np.bincount(inside, weights=drawn, minlength=len(groups))
    nothing = np.full(len(groups), np.nan)
    y = np.where(counted, cases, np.where(present, 0.0, np.nan))
    return {"cases": y, "x": np.where(counted, value, np.nan), "y": y, "xx": nothing, "xy": nothing, "yy": nothing,
            "all_y": np.where(counted, cases, np.nan), "own_y": nothing, "rows": np.where(present, 1.0, np.nan)}  # fmt: skip


def _drawn(cases: np.ndarray, of_kind: np.ndarray, drawn: float) -> np.ndarray:
    """Probability that a kind of `of_kind` among `cases` is in `drawn` cases without return: 1 − C(N − N_k, m) / C(N, m)."""
    others = cases - of_kind
    possible = others >= drawn  # else too few others to fill the draw: the kind is certain
    left = np.where(possible, others, drawn)
    log = special.gammaln(left + 1) - special.gammaln(left - drawn + 1)
    log -= special.gammaln(cases + 1) - special.gammaln(cases - drawn + 1)
    return np.where(possible, -np.expm1(log), 1.0)


def _true(frame: pd.DataFrame, condition: CubeExpression | None) -> np.ndarray:
    if condition is None:
        return np.ones(len(frame), dtype=bool)
    return evaluate(frame, condition).fillna(False).astype(bool).to_numpy()


def finish(cells: pd.DataFrame, one: Declared, confidence: float) -> pd.DataFrame:
    """Value, standard error, interval and status from the sums; divided once, last."""
    x, y = cells["x"].astype(float), cells["y"].astype(float)
    cases = cells.get("cases", y).astype(float)  # of a discharge that adds just 1 below, the denominator itself
    scale = one.scale
    value = scale * x / y.where(y > 0) if one.divides else scale * x  # y is then the number of discharges, not a divisor
    if one.distribution is None:
        se = low = high = pd.Series(np.nan, index=cells.index)
    else:
        se, low, high = _interval(one.distribution, cells.assign(cases=cases), confidence)
        se, low, high = scale * se, scale * low, scale * high
    why = np.select([value.notna(), cells["rows"].fillna(0) == 0, y == 0], [0, 1, 2], default=3)
    status = pd.Categorical.from_codes(why, dtype=STATUS_TYPE, validate=False)
    covered = cases.fillna(0) / cells["all_y"].where(cells["all_y"] > 0)
    return cells.assign(
        n=cases.fillna(0).round().astype("int64"), value=_rounded(value), se=_rounded(se), low=_rounded(low), high=_rounded(high),
        covered=_rounded(covered), own_share=_rounded(cells["own_y"] / y.where(y > 0)), status=status,
    )  # fmt: skip


def _interval(
    kind: Distribution, cells: pd.DataFrame, confidence: float
) -> tuple[pd.Series, pd.Series, pd.Series]:  # fmt: skip
    """Standard error and limits of x / y, unscaled."""
    x, y, n, xx = (cells[c].astype(float) for c in ("x", "y", "cases", "xx"))
    tail = (1 - confidence) / 2
    some = y > 0
    ratio = x / y.where(some)
    if kind is Distribution.RARE:
        return np.sqrt(x) / y.where(some), *(limit / y.where(some) for limit in poisson_limits(x, confidence))
    if kind is Distribution.PROPORTION:
        low = pd.Series(stats.beta.ppf(tail, x, y - x + 1), index=x.index).where(x > 0, 0.0).where(some)
        high = pd.Series(stats.beta.ppf(1 - tail, x + 1, y - x), index=x.index).where(x < y, 1.0).where(some)
        return np.sqrt((ratio * (1 - ratio)).clip(lower=0) / y.where(some)), low, high
    # Limits on the log scale, so never below 0. A ratio's discharges add a above and b below: Σ(a − R·b)², from the sums;
    # a mean is the ratio with b = 1: s²/n, with s² from Σa and Σa².
    left = xx - x * ratio if kind is Distribution.MEAN else xx - ratio * (2 * cells["xy"] - ratio * cells["yy"])
    variance = (left * n / (n - 1).where(n > 1)).clip(lower=0)
    # cases that all share one value: what is left of the sums is rounding, not spread
    variance = variance.where(variance.isna() | (variance > NO_SPREAD * ratio**2 * y**2 / n.where(n > 0)), 0.0)
    se = np.sqrt(variance) / y.where(some)
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
