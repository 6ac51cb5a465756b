"""Indicators × cube -> cells: the one table that reports, models and verdicts read.

Columns of the cells: the group columns, `indicator`, `basis`, `n` (discharges behind the value), `x`, `y` (the two sums, in
the scale of the ratio), `xx` (Σ of squares, missing where the interval needs none), `value` (in the indicator's unit,
missing where there is none), `se`, `low`, `high`, `covered` (share of the cases that had a reference), `own_share` (mean
share of the unit in its own reference), `status`, and the further sums that a coarser level needs: `xy`, `yy` (as `xx`),
`all_y`, `own_y`, `rows`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators.base import Count, CubeExpression, Declared, Distribution, Indicator, Rarefied, Status, col
from toolkit.key_codes import Groups, KeyCodes
from toolkit.params import IndicatorPolicy
from toolkit.reference import Referenced

SUMS = ("x", "y", "xx", "xy", "yy", "all_y", "own_y", "rows")
NO_SPREAD = 1e-13
# a value; no row that it is for; a reference, but no case of its kind; no reference
STATUS = pd.array([Status.VALUE, Status.NOT_APPLICABLE, Status.TOO_FEW, Status.NO_REFERENCE], dtype="str")
NUMBERS = ("n", "x", "y", "xx", "value", "se", "low", "high", "covered", "own_share", "xy", "yy", "all_y",
           "own_y", "rows")  # fmt: skip
COLUMNS = (*NUMBERS[:10], "status", *NUMBERS[10:])
NAMED = re.compile(r"col\('([^']*)'\)")  # the columns that an expression names
SMALL, FEW = 200_000, 8  # rows of a frame; columns kept of a longer one
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
    codes, columns = KeyCodes(frame), _Columns(frame)
    groups = codes.of(by)
    chosen, size = list(indicators), len(groups)

    def finished(one: Declared) -> dict[str, np.ndarray]:
        sums = _sums(columns, one, groups) if isinstance(one, Indicator) else _kinds(columns, one, by, codes, policy)
        return _finished(sums, one, confidence)

    if len(frame) > SMALL:  # long arrays: numpy lets another thread work meanwhile
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            parts = list(pool.map(finished, chosen))
    else:
        parts = [finished(one) for one in chosen]
    # indicators side by side, then row by row: group after group, without sorting; text only once, at the end
    cells = {c: np.column_stack([part[c] for part in parts]).ravel() for c in NUMBERS}
    status = np.column_stack([part["status"] for part in parts]).ravel()
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
        sums = (
            part.rename(columns={"n": "cases"}).groupby(by, sort=True)[["cases", *SUMS]].sum(min_count=1).reset_index()
        )
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


class _Columns:
    """Values of expressions over one frame, kept where room allows: of a long frame the first few, and every condition."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._most = FEW if len(frame) > SMALL else sys.maxsize
        self._kept: dict[str, np.ndarray] = {}
        self._true: dict[str, np.ndarray] = {}
        self._rows: dict[str, np.ndarray] = {}

    def of(self, expression: CubeExpression) -> np.ndarray:
        text = repr(expression)
        if text in self._kept:
            return self._kept[text]
        values = self._made(expression, text).to_numpy(float, na_value=np.nan)
        if len(self._kept) < self._most:
            self._kept[text] = values
        return values

    def _made(self, expression: CubeExpression, text: str) -> pd.Series:
        # handing on a frame costs by its columns, and it has a hundred
        return evaluate(self.frame[list(dict.fromkeys(n for n in NAMED.findall(text) if n in self.frame))], expression)

    def counted(self, condition: CubeExpression | None, groups: Groups) -> np.ndarray:
        """Rows of each group for which the condition holds; a frame is read by one set of groups only."""
        text = "" if condition is None else repr(condition)
        if text not in self._rows:
            self._rows[text] = groups.sum(self.true(condition))
        return self._rows[text]

    def true(self, condition: CubeExpression | None) -> np.ndarray:
        text = "" if condition is None else repr(condition)
        if text not in self._true:
            made = pd.Series(True, self.frame.index) if condition is None else self._made(condition, text)
            self._true[text] = (made if made.dtype == bool else made.fillna(0) != 0).to_numpy(bool)
        return self._true[text]


def _sums(columns: _Columns, one: Indicator, groups: Groups) -> dict[str, np.ndarray]:
    """The sums of every group; missing, not 0, where no row of the group counts."""
    counted = columns.true(one.applies_to)
    below = columns.of(one.denominator if one.denominator is not None else col("n"))
    above = columns.of(one.numerator)
    among = counted & columns.true(one.among)
    divided = ~np.isnan(below)
    known = among & divided & ~np.isnan(above)
    found = groups.any(known)
    nothing = np.full(len(groups), np.nan)

    def total(values: np.ndarray) -> np.ndarray:
        return groups.sum(values, known)

    def of(expression: CubeExpression | None) -> np.ndarray:
        return nothing if expression is None else np.where(found, total(columns.of(expression)), np.nan)

    own, y = nothing, total(below)
    if one.own_share is not None:
        share = columns.of(one.own_share)
        shared = known & ~np.isnan(share)
        own = np.where(groups.any(shared), groups.sum(share * below, shared), np.nan)
    rows = columns.counted(one.applies_to, groups)
    # of the cases that would count if their row had a reference, `cases` did; often all, and often they are the divisor
    behind = below if one.cases is None else columns.of(one.cases)
    cases = y if behind is below else total(behind)
    asked = among & (divided if behind is below else ~np.isnan(behind))
    every = cases if np.array_equal(asked, known) else groups.sum(behind, asked)
    return {"cases": np.where(found, cases, np.nan), "x": np.where(found, total(above), np.nan),
            "y": np.where(found, y, np.nan), "xx": of(one.squares), "xy": of(one.cross), "yy": of(one.squares_below),
            "all_y": np.where(rows > 0, every, np.nan), "own_y": own, "rows": np.where(rows > 0, rows, np.nan)}  # fmt: skip


def _kinds(
    columns: _Columns, one: Count | Rarefied, by: Sequence[str], codes: KeyCodes, policy: IndicatorPolicy
) -> dict[str, np.ndarray]:  # fmt: skip
    """Distinct values of a key in every group: as they are, or expected among the same number of cases."""
    groups, pairs = codes.of(by), codes.of([*by, one.of])
    n = columns.of(col("n"))
    rows = columns.true(one.among) & (n > 0)
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
    log = scipy.special.gammaln(left + 1) - scipy.special.gammaln(left - drawn + 1)
    log -= scipy.special.gammaln(cases + 1) - scipy.special.gammaln(cases - drawn + 1)
    return np.where(possible, -np.expm1(log), 1.0)


def finish(cells: pd.DataFrame, one: Declared, confidence: float) -> pd.DataFrame:
    """Value, standard error, interval and status from the sums; divided once, last."""
    sums = {c: cells[c].to_numpy(float) for c in (*SUMS, "cases") if c in cells}
    made = _finished({"cases": sums["y"], **sums}, one, confidence)
    return cells.assign(**{c: made[c] for c in NUMBERS if c not in SUMS}, status=STATUS.take(made["status"]))


def _finished(sums: dict[str, np.ndarray], one: Declared, confidence: float) -> dict[str, np.ndarray]:
    """`sums` with all of `NUMBERS`, and `status` as a position in `STATUS`."""
    x, y, cases, all_y = (sums[c] for c in ("x", "y", "cases", "all_y"))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        below = np.where(y > 0, y, np.nan)
        value = (
            one.scale * x / below if one.divides else one.scale * x
        )  # y is then the number of discharges, not a divisor
        if one.distribution is None:
            se = low = high = np.full(len(x), np.nan)
        else:
            se, low, high = (one.scale * v for v in _interval(one.distribution, sums, below, confidence))
        behind = np.nan_to_num(cases)
        covered, own = behind / np.where(all_y > 0, all_y, np.nan), sums["own_y"] / below
    why = np.select([~np.isnan(value), np.nan_to_num(sums["rows"]) == 0, y == 0], [0, 1, 2], default=3)
    return {
        **sums, "n": np.round(behind).astype("int64"), "value": _rounded(value), "se": _rounded(se), "low": _rounded(low),
        "high": _rounded(high), "covered": _rounded(covered), "own_share": _rounded(own), "status": why,
    }  # fmt: skip


def _interval(
    kind: Distribution, sums: dict[str, np.ndarray], below: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Standard error and limits of x / y, unscaled; `below` is y where it is above 0."""
    x, y, n, xx = (sums[c] for c in ("x", "y", "cases", "xx"))
    tail = (1 - confidence) / 2
    ratio = x / below
    if kind is Distribution.RARE:
        least, most = poisson_limits(x, confidence)
        return np.sqrt(x) / below, least / below, most / below
    if kind is Distribution.PROPORTION:
        # Clopper and Pearson: quantiles of the beta distribution, 0 and 1 at the ends
        low = np.where(x > 0, scipy.special.betaincinv(x, y - x + 1, tail), 0.0)
        high = np.where(x < y, scipy.special.betaincinv(x + 1, y - x, 1 - tail), 1.0)
        some = ~np.isnan(ratio)
        error = np.sqrt(np.maximum(ratio * (1 - ratio), 0) / below)
        return error, np.where(some, low, np.nan), np.where(some, high, np.nan)
    # Limits on the log scale, so never below 0. A ratio's discharges add a above and b below: Σ(a − R·b)², from the sums;
    # a mean is the ratio with b = 1: s²/n, with s² from Σa and Σa².
    left = xx - x * ratio if kind is Distribution.MEAN else xx - ratio * (2 * sums["xy"] - ratio * sums["yy"])
    variance = np.maximum(left * n / np.where(n > 1, n - 1, np.nan), 0)
    # cases that all share one value: what is left of the sums is rounding, not spread
    variance = np.where(variance <= NO_SPREAD * ratio**2 * below**2 / n, 0.0, variance)
    se = np.sqrt(variance) / below
    width = np.exp(scipy.special.ndtri(1 - tail) * se / np.where(ratio > 0, ratio, np.nan))
    return se, ratio / width, ratio * width


def poisson_limits(count: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Exact limits of a Poisson mean given its count (Garwood), by quantiles of the gamma distribution."""
    count, tail = np.asarray(count, dtype=float), (1 - confidence) / 2
    low = np.where(count > 0, scipy.special.gammaincinv(np.where(count > 0, count, 1.0), tail), 0.0)
    return np.where(np.isnan(count), np.nan, low), scipy.special.gammaincinv(count + 1, 1 - tail)


def _rounded(values: np.ndarray) -> np.ndarray:
    """To `DIGITS` significant digits."""
    array = np.array(values, dtype=float)
    finite = np.isfinite(array) & (array != 0)
    magnitude = np.power(10.0, DIGITS - 1 - np.floor(np.log10(np.abs(array[finite]))))
    array[finite] = np.round(array[finite] * magnitude) / magnitude
    return array
