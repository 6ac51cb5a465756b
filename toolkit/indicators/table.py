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
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators.base import Count, CubeExpression, Declared, Distribution, Indicator, Rarefied, Status, col
from toolkit.key_codes import PART, Groups, KeyCodes, Part
from toolkit.params import IndicatorPolicy
from toolkit.reference import Referenced

SUMS = ("x", "y", "xx", "xy", "yy", "all_y", "own_y", "rows")
NO_SPREAD = 1e-13
# a value; no row that it is for; a reference, but no case of its kind; no reference
STATUS = pd.array([Status.VALUE, Status.NOT_APPLICABLE, Status.TOO_FEW, Status.NO_REFERENCE], dtype="str")
NUMBERS = (
    "n",
    "x",
    "y",
    "xx",
    "value",
    "se",
    "low",
    "high",
    "covered",
    "own_share",
    "xy",
    "yy",
    "all_y",
    "own_y",
    "rows",
)
COLUMNS = (*NUMBERS[:10], "status", *NUMBERS[10:])
NAMED = re.compile(r"col\('([^']*)'\)")  # a column that an expression names; the whole of it, where it is no more
AT_ONCE = 4  # parts in work: of each row of a part all values are held, about a kilobyte
DIGITS = 12  # significant digits kept, so that results do not depend on the order of additions
LARGEST = 300
TENS = 10.0 ** np.arange(-LARGEST, LARGEST + 1)  # read from a table: to raise ten to a power takes ten times as long


def collect(
    referenced: Referenced,
    indicators: Iterable[Declared],
    by: Sequence[str],
    *,
    confidence: float = 0.95,
    policy: IndicatorPolicy | None = None,
) -> pd.DataFrame:
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
    frame, by, policy, chosen = referenced.frame, list(by), policy or IndicatorPolicy(), list(indicators)
    codes = KeyCodes(frame)
    groups = codes.of(by)
    ratios = [one for one in chosen if isinstance(one, Indicator)]
    kinds = [one for one in chosen if not isinstance(one, Indicator)]
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, AT_ONCE)) as pool:
        every = pool.map if len(groups.parts) > 1 else map  # threads pay where there is more than one part
        counted = every(lambda one: _kinds(frame, one, by, codes, policy), kinds)
        added = every(lambda part: _of_part(frame, ratios, part), groups.parts)
        of_ratios, of_kinds = iter(_added_up(ratios, groups, added)), iter(counted)
        sums = [next(of_ratios if isinstance(one, Indicator) else of_kinds) for one in chosen]
        cells = list(every(lambda one, of: _finished(of, one, confidence), chosen, sums))
        # indicators side by side, then row by row: group after group, without sorting; text only once, at the end
        rows = every(lambda name: np.column_stack([of.pop(name) for of in cells]).ravel(), (*NUMBERS, "status"))
        numbers = dict(zip((*NUMBERS, "status"), rows, strict=True))
    size, width = len(groups), len(chosen)
    keys = {name: _text(frame[name], np.repeat(groups.first, width)) for name in by}
    named = pd.array([one.id for one in chosen], dtype="str").take(np.tile(np.arange(width), size))
    whole = {**keys, "indicator": named, "basis": referenced.basis, **numbers, "status": STATUS.take(numbers["status"])}
    return pd.DataFrame(whole, copy=False)[[*by, "indicator", "basis", *COLUMNS]]


def _text(keys: pd.Series, rows: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Key values of these rows as they are, categories as text."""
    if not isinstance(keys.dtype, pd.CategoricalDtype):
        return keys.array.take(rows)
    return pd.Series(keys.cat.categories, dtype="str").array.take(keys.cat.codes.to_numpy()[rows], allow_fill=True)


def roll_up(
    cells: pd.DataFrame, indicators: Mapping[str, Declared], by: Sequence[str], *, confidence: float = 0.95
) -> pd.DataFrame:
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
                f"{one.name_zh}不能由下级相加",
                "a distinct count does not add up",
                where=f"indicator {id_}",
                remedy="在该层级用 collect 重新计数",
                remedy_english="collect it at that level",
            )
        sums = (
            part.rename(columns={"n": "cases"}).groupby(by, sort=True)[["cases", *SUMS]].sum(min_count=1).reset_index()
        )
        parts.append(finish(sums.assign(indicator=id_, basis=part["basis"].iloc[0]), one, confidence))
    return pd.concat(parts, ignore_index=True)


def evaluate(frame: pd.DataFrame, expression: CubeExpression) -> pd.Series:
    """The values of a declared expression, one a row of the cube."""
    try:
        # a frame of a hundred columns holds them apart, and pandas warns of one more: it is dropped at once
        with pd.option_context("mode.performance_warnings", False):
            return frame.assign(_value=expression)["_value"]
    except (KeyError, ValueError) as error:
        raise ContractBroken(
            f"指标用到的列不存在: {error}",
            "an indicator needs a column that the cube lacks",
            where=repr(expression),
            remedy="在 toolkit/data/discharge/measures.py 声明该度量",
            remedy_english="declare the measure",
        ) from error


class _Columns:
    """Values of expressions over neighbouring rows of a frame, each found once."""

    def __init__(self, frame: pd.DataFrame, expressions: Iterable[CubeExpression], rows: slice) -> None:
        read = dict.fromkeys(name for e in expressions for name in NAMED.findall(repr(e)))
        # handing on a frame costs by its columns, and it has a hundred
        self._frame = frame[[name for name in read if name in frame]].iloc[rows]
        self._frame.columns = self._frame.columns.astype(object)  # names are looked up often
        self._values: dict[str, np.ndarray] = {}
        self._known: dict[str, np.ndarray] = {}
        self._true: dict[str, np.ndarray] = {}

    def _made(self, expression: CubeExpression, text: str) -> pd.Series:
        plain = NAMED.fullmatch(text)
        return self._frame[plain[1]] if plain and plain[1] in self._frame else evaluate(self._frame, expression)

    def of(self, expression: CubeExpression) -> np.ndarray:
        """Numbers, missing ones NaN."""
        text = repr(expression)
        if text not in self._values:
            made = self._made(expression, text)
            plain = isinstance(made.dtype, np.dtype) and made.dtype.kind in "biuf"
            self._values[text] = made.to_numpy() if plain else made.to_numpy(float, na_value=np.nan)
        return self._values[text]

    def known(self, expression: CubeExpression) -> np.ndarray:
        """Whether the row has a value."""
        text = repr(expression)
        if text not in self._known:
            values = self.of(expression)
            self._known[text] = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=bool)
        return self._known[text]

    def true(self, condition: CubeExpression | None) -> np.ndarray:
        """Whether the condition holds; none always does."""
        text = "" if condition is None else repr(condition)
        if text not in self._true:
            if condition is None:
                self._true[text] = np.ones(len(self._frame), dtype=bool)
            else:
                made = self._made(condition, text)
                self._true[text] = (made if made.dtype == bool else made.astype(float).fillna(0) != 0).to_numpy(bool)
        return self._true[text]


def _of_part(
    frame: pd.DataFrame, indicators: Sequence[Indicator], part: Part
) -> tuple[Part, list[dict[str, np.ndarray]]]:
    columns = _Columns(frame, [e for one in indicators for e in (col("n"), *one.expressions)], part.rows)
    rows: dict[str, np.ndarray] = {}  # of each group, by the kind of row that indicators are for
    for one in indicators:
        if repr(one.applies_to) not in rows:
            rows[repr(one.applies_to)] = part.sum(columns.true(one.applies_to))
    return part, [{**_sums(columns, one, part), "rows": rows[repr(one.applies_to)]} for one in indicators]


def _sums(columns: _Columns, one: Indicator, part: Part) -> dict[str, np.ndarray]:
    """The sums of every group over the rows of one part, 0 where no row counts, and which groups have one that does."""
    divisor = one.denominator if one.denominator is not None else col("n")
    above, below = columns.of(one.numerator), columns.of(divisor)
    among = columns.true(one.applies_to) & columns.true(one.among)
    known = among & columns.known(divisor) & columns.known(one.numerator)
    made = {"known": part.any(known), "x": part.sum(above, known), "y": part.sum(below, known)}
    # of the cases that would count if their row had a reference, `cases` did; often all, and often they are the divisor
    behind = divisor if one.cases is None else one.cases
    made["cases"] = made["y"] if behind is divisor else part.sum(columns.of(behind), known)
    asked = among & columns.known(behind)
    made["all_y"] = made["cases"] if np.array_equal(asked, known) else part.sum(columns.of(behind), asked)
    for name, square in (("xx", one.squares), ("xy", one.cross), ("yy", one.squares_below)):
        if square is not None:
            made[name] = part.sum(columns.of(square), known)
    if one.own_share is not None:
        shared = known & columns.known(one.own_share)
        made |= {"shared": part.any(shared), "own_y": part.sum(columns.of(one.own_share) * below, shared)}
    return made


def _added_up(
    indicators: Sequence[Indicator], groups: Groups, parts: Iterable[tuple[Part, list[dict[str, np.ndarray]]]]
) -> list[dict[str, np.ndarray]]:
    """The sums of every group for every indicator; missing, not 0, where no row of the group counts."""
    size = len(groups)
    total: list[dict[str, np.ndarray]] = [{} for _one in indicators]
    for part, made in parts:
        for sums, of_part in zip(total, made, strict=True):
            for name, values in of_part.items():
                whole = sums.setdefault(name, np.zeros(size, dtype=values.dtype))
                whole[part.groups] += values
    nothing, never = np.full(size, np.nan), np.zeros(size, dtype=bool)
    for sums in total:
        rows = sums.pop("rows", np.zeros(size))
        among = {"all_y": rows > 0, "own_y": sums.pop("shared", never)}
        found = sums.pop("known", never)
        for name in ("cases", "x", "y", "xx", "xy", "yy", "all_y", "own_y"):
            sums[name] = np.where(among.get(name, found), sums[name], np.nan) if name in sums else nothing
        sums["rows"] = np.where(rows > 0, rows, np.nan)
    return total


def _kinds(
    frame: pd.DataFrame, one: Count | Rarefied, by: Sequence[str], codes: KeyCodes, policy: IndicatorPolicy
) -> dict[str, np.ndarray]:
    """Distinct values of a key in every group: as they are, or expected among the same number of cases."""
    columns = _Columns(frame, [col("n"), one.among], slice(None))
    groups, pairs, n = codes.of(by), codes.of([*by, one.of]), columns.of(col("n"))
    rows = columns.true(one.among) & (n > 0)
    present, cases = groups.any(rows), groups.sum(n, rows)
    group_of_pair = groups.of_row[pairs.first]
    found, of_pair = pairs.any(rows), pairs.sum(n, rows)
    kinds = _Kinds(cases=cases, group=group_of_pair[found], of_kind=of_pair[found])
    if isinstance(one, Count):
        least = getattr(policy, one.at_least) if one.at_least else 1
        value = np.bincount(group_of_pair, weights=found & (of_pair >= least), minlength=len(groups))
        counted, variance = present, kinds.variance(value, value) if least == 1 else np.full(len(groups), np.nan)
    else:
        common = float(getattr(policy, one.at))
        counted = present & (cases >= common)
        value, squares = _drawn(kinds.where(counted), common)
        variance = kinds.variance(value, squares)
    nothing = np.full(len(groups), np.nan)
    y = np.where(counted, cases, np.where(present, 0.0, np.nan))
    return {
        "cases": y,
        "x": np.where(counted, value, np.nan),
        "y": y,
        "xx": np.where(counted, variance, np.nan),  # of a number of kinds: its variance
        "xy": nothing,
        "yy": nothing,
        "all_y": np.where(counted, cases, np.nan),
        "own_y": nothing,
        "rows": np.where(present, 1.0, np.nan),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kinds:
    """The cases of every group, and those of every kind in it: `group` is the place of the group that a kind is in."""

    cases: np.ndarray
    group: np.ndarray
    of_kind: np.ndarray

    def where(self, groups: np.ndarray) -> _Kinds:
        """The kinds of some groups only."""
        inside = groups[self.group]
        return _Kinds(cases=self.cases, group=self.group[inside], of_kind=self.of_kind[inside])

    def variance(self, value: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Σ p² − value² / Ŝ, by group: of the number of kinds in another sample (`Rarefied`)."""

        def many(kinds: np.ndarray) -> np.ndarray:
            return np.bincount(self.group, weights=kinds, minlength=len(self.cases))

        seen, once, twice = many(self.of_kind > 0), many(self.of_kind == 1), many(self.of_kind == 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            unseen = (self.cases - 1) / self.cases * once * (once - 1) / (2 * (twice + 1))
            return np.maximum(squares - value**2 / (seen + unseen), 0)


def _drawn(kinds: _Kinds, drawn: float) -> tuple[np.ndarray, np.ndarray]:
    """Kinds expected in `drawn` cases without return, by group: Σ over its kinds of p = 1 − C(N − N_k, m) / C(N, m); and Σ p²."""

    def draws(of: np.ndarray) -> np.ndarray:  # ln C(of, m) + ln m!
        return scipy.special.gammaln(of + 1) - scipy.special.gammaln(of - drawn + 1)

    cases, size = kinds.cases, len(kinds.cases)
    every, value, squares = draws(np.maximum(cases, drawn)), np.zeros(size), np.zeros(size)
    for begin in range(0, len(kinds.group), PART):
        inside = kinds.group[begin : begin + PART]
        others = cases[inside] - kinds.of_kind[begin : begin + PART]
        possible = others >= drawn  # else too few others to fill the draw: the kind is certain
        chance = np.where(possible, -np.expm1(draws(np.where(possible, others, drawn)) - every[inside]), 1.0)
        value += np.bincount(inside, weights=chance, minlength=size)
        squares += np.bincount(inside, weights=chance**2, minlength=size)
    return value, squares


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
        if isinstance(one, Count | Rarefied):
            se = np.sqrt(sums["xx"])
            width = scipy.special.ndtri(1 - (1 - confidence) / 2) * se
            low, high = np.maximum(value - width, 0), value + width
        elif one.distribution is None:
            se = low = high = np.full(len(x), np.nan)
        else:
            se, low, high = (one.scale * v for v in _interval(one.distribution, sums, below, confidence))
        behind = np.nan_to_num(cases)
        covered, own = behind / np.where(all_y > 0, all_y, np.nan), sums["own_y"] / below
    why = np.select([~np.isnan(value), np.nan_to_num(sums["rows"]) == 0, y == 0], [0, 1, 2], default=3)
    return {
        **sums,
        "n": np.round(behind).astype("int64"),
        "value": _rounded(value),
        "se": _rounded(se),
        "low": _rounded(low),
        "high": _rounded(high),
        "covered": _rounded(covered),
        "own_share": _rounded(own),
        "status": why,
    }


def _interval(
    kind: Distribution, sums: dict[str, np.ndarray], below: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard error and limits of x / y, unscaled; `below` is y where it is above 0."""
    x, y, n, xx = (sums[c] for c in ("x", "y", "cases", "xx"))
    tail = (1 - confidence) / 2
    ratio = x / below
    if kind is Distribution.RARE:
        least, most = poisson_limits(x, confidence)
        # the Poisson distribution does not know that nobody dies twice: no more events than cases
        most = np.where(n >= x, np.minimum(most, n), most)
        return np.sqrt(x) / below, least / below, most / below
    if kind is Distribution.PROPORTION:
        # Clopper and Pearson: quantiles of the beta distribution, 0 and 1 at the ends
        some = ~np.isnan(ratio)
        low, high = np.where(some, 0.0, np.nan), np.where(some, 1.0, np.nan)
        scipy.special.betaincinv(x, y - x + 1, tail, out=low, where=some & (x > 0))
        scipy.special.betaincinv(x + 1, y - x, 1 - tail, out=high, where=some & (x < y))
        return np.sqrt(np.maximum(ratio * (1 - ratio), 0) / below), low, high
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
    # counts repeat: each different one is worked out once
    each, place = np.unique(np.asarray(count, dtype=float), return_inverse=True)
    tail = (1 - confidence) / 2
    low = np.where(each > 0, scipy.special.gammaincinv(np.where(each > 0, each, 1.0), tail), 0.0)
    return np.where(np.isnan(each), np.nan, low)[place], scipy.special.gammaincinv(each + 1, 1 - tail)[place]


def _rounded(values: np.ndarray) -> np.ndarray:
    """To `DIGITS` significant digits."""
    array = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore"):
        power = DIGITS - 1 - np.floor(np.log10(np.abs(array)))
    power = np.nan_to_num(power, nan=0.0, posinf=0.0, neginf=0.0)  # what has no digits stays as it is
    magnitude = TENS[np.clip(power, -LARGEST, LARGEST).astype(np.int64) + LARGEST]
    return np.round(array * magnitude) / magnitude
