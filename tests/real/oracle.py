"""The indicators a second time: every number from its definition, over single records, in plain numpy.

Nothing of the toolkit is imported here, and nothing is shared with its way of computing: no sums of groups that are added or
subtracted, no SQL, no cells. Each case gets its own ratio, weight or grade, and a unit's value is the mean over its cases.
Slow and plain on purpose: the test is worth what its independence is worth.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd
from records import GREATEST_COST
from scipy import optimize, stats

NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Policy:
    """What the definitions leave open; the defaults are the toolkit's published ones."""

    trim: str = "iqr"  # iqr, percentile, sd, none
    below: float = 0.5
    above: float = 1.5
    percentiles: tuple[float, float] = (0.05, 0.95)
    deviations: float = 3.0
    least_cases: int = 5
    leave_one_out: bool = False
    trimmed_weights: bool = False


# --- money


def deflated(cases: pd.DataFrame, price_index: dict[int, float]) -> pd.DataFrame:
    """Costs in the money of the year whose index is 1; whether a cost is usable was decided on the money as paid."""
    cases = cases.copy()
    cases["cost"] = cases["cost"] / cases["year"].map(price_index)
    return cases


# --- reference


def bounds(values: np.ndarray, policy: Policy) -> tuple[float, float]:
    """The inclusive limits of one group's values.

    Wider by a last bit: a case that lies exactly on a limit is inside, and with deflated costs rounding would decide it.
    (The lower of two cases always lies exactly on Q1 − 0.5·IQR, and equal cases on both limits.)
    """
    low, high = _bounds(values, policy)
    return low - 1e-12 * abs(low), high + 1e-12 * abs(high)


def _bounds(values: np.ndarray, policy: Policy) -> tuple[float, float]:
    if policy.trim == "none":
        return 0.0, 10.0 * GREATEST_COST
    if policy.trim == "sd":
        centre = values.mean()
        spread = policy.deviations * (values.std(ddof=1) if len(values) > 1 else 0.0)  # one case is its own mean
        return centre - spread, centre + spread
    ordered = np.sort(values)
    if policy.trim == "percentile":
        return _quantile(ordered, policy.percentiles[0]), _quantile(ordered, policy.percentiles[1])
    first, third = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    return first - policy.below * (third - first), third + policy.above * (third - first)


def _quantile(ordered: np.ndarray, share: float) -> float:
    """Linear interpolation between the two neighbours, written out."""
    place = share * (len(ordered) - 1)
    low = int(np.floor(place))
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


@dataclass(frozen=True)
class Scored:
    """Per case: `ratio` to its group's reference mean (nan: does not count), whether it would count if its group had a
    reference (`candidate`), and its unit's share of that reference (`own`).
    """

    ratio: np.ndarray
    candidate: np.ndarray
    own: np.ndarray


def score(cases: pd.DataFrame, measure: str, policy: Policy, baseline: Iterable[int] | None) -> Scored:
    """Each case against the mean of its group in the reference.

    With `baseline` the reference is those years together, for every year; without it, each year is its own reference.
    Where cases carry a `level_group`, each group has its own limits and means.
    """
    value, usable = cases[measure].to_numpy(float), cases[f"{measure}_ok"].to_numpy(bool)
    hospital = pd.factorize(cases["hospital"], use_na_sentinel=False)[0]
    unit = cases.groupby(["hospital", "specialty"], dropna=False).ngroup().to_numpy()
    in_baseline = np.isin(cases["year"].to_numpy(int), list(baseline or ()))
    ratio, own = np.full(len(cases), np.nan), np.full(len(cases), np.nan)
    candidate = usable & cases["drg"].notna().to_numpy()
    keys = ["drg"] + ["year"] * (baseline is None) + ["level_group"] * ("level_group" in cases)
    for rows in cases.groupby(keys, dropna=True, sort=False).indices.values():
        mine = rows[usable[rows]]
        reference = mine if baseline is None else mine[in_baseline[mine]]
        if len(reference) == 0:
            continue  # no limits can be set: the cases stay candidates that have no reference
        low, high = bounds(value[reference], policy)
        candidate[mine[(value[mine] < low) | (value[mine] > high)]] = False
        kept, mine = (r[(value[r] >= low) & (value[r] <= high)] for r in (reference, mine))
        for group in np.unique(hospital[mine]) if policy.leave_one_out else [None]:
            others = kept if group is None else kept[hospital[kept] != group]
            judged = mine if group is None else mine[hospital[mine] == group]
            if len(others) >= policy.least_cases:
                ratio[judged] = value[judged] / value[others].mean()
                of_each_unit = np.bincount(unit[others], minlength=unit.max() + 1)
                own[judged] = of_each_unit[unit[judged]] / len(others)
    return Scored(ratio, candidate, own)


def within(cases: pd.DataFrame, measure: str, policy: Policy, rows: np.ndarray) -> np.ndarray:
    """Of the usable rows of one group, those inside the group's own limits."""
    value = cases[measure].to_numpy(float)[rows]
    low, high = bounds(value, policy)
    return rows[(value >= low) & (value <= high)]


def weights(cases: pd.DataFrame, window: Iterable[int], policy: Policy) -> dict[str, float]:
    """W of each group: its mean usable cost over the case-weighted mean of those means."""
    cases = cases[cases["year"].isin(list(window)) & cases["drg"].notna()].reset_index(drop=True)
    mean, size = {}, {}
    for drg, rows in cases.groupby("drg", sort=False).indices.items():
        usable = rows[cases["cost_ok"].to_numpy()[rows]]
        if policy.trimmed_weights and len(usable):
            usable = within(cases, "cost", policy, usable)
        if len(usable):
            mean[drg], size[drg] = cases["cost"].to_numpy(float)[usable].mean(), len(rows)
    overall = sum(mean[g] * size[g] for g in mean) / sum(size[g] for g in mean)
    return {g: mean[g] / overall for g in mean}


def grades(cases: pd.DataFrame, window: Iterable[int], least: int = 30) -> dict[str, int]:
    """Risk grade 0–4 of every group with enough cases in the window."""
    cases = cases[cases["year"].isin(list(window)) & cases["drg"].notna()]
    rate = {}
    for drg, died in cases.groupby("drg")["died"]:
        if len(died) >= least:
            rate[drg] = died.to_numpy().mean()
    logs = np.array([np.log(r) for r in rate.values() if r > 0])
    centre, spread = logs.mean(), logs.std(ddof=1)

    def grade(r: float) -> int:
        if r == 0:
            return 0
        z = (np.log(r) - centre) / spread
        return 1 if z < -1 else 2 if z < 0 else 3 if z < 1 else 4

    return {g: grade(r) for g, r in rate.items()}


# --- values of a unit


@dataclass(frozen=True)
class Value:
    """One number with what must stand beside it."""

    value: float = np.nan
    n: int = 0
    se: float = np.nan
    low: float = np.nan
    high: float = np.nan
    covered: float = np.nan
    own_share: float = np.nan


def mean_of(values: np.ndarray) -> Value:
    """Mean of per-case values, its standard error, and limits on the log scale."""
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return Value()
    centre = values.mean()
    se = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    if not centre > 0 or np.isnan(se):
        return Value(centre, n, se)
    width = NORMAL * se / centre
    return Value(centre, n, se, float(np.exp(np.log(centre) - width)), float(np.exp(np.log(centre) + width)))


def rate_of(events: int, n: int) -> Value:
    """Events over cases with exact Poisson limits: the means under which the count would be just too large or too small.

    At most one event a case: an upper limit above that is the certain rate, 1.
    """
    if n == 0:
        return Value()
    lower, upper = _poisson(events)
    return Value(events / n, n, np.sqrt(events) / n, lower / n, min(upper / n, 1.0))


@cache
def _poisson(events: int) -> tuple[float, float]:
    return (stats.gamma.ppf(0.025, events) if events else 0.0), stats.gamma.ppf(0.975, events + 1)


def share_of(events: int, n: int) -> Value:
    """A proportion with Clopper–Pearson limits."""
    if n == 0:
        return Value()
    limits = stats.binomtest(events, n).proportion_ci(0.95, method="exact")
    p = events / n
    return Value(p, n, np.sqrt(p * (1 - p) / n), limits.low, limits.high)


def prepared(
    cases: pd.DataFrame,
    policy: Policy,
    baseline: Iterable[int] | None,
    cycle_of: Callable[[int], str],
    least_graded: int = 30,
    *,
    graded_elsewhere: bool = False,
) -> pd.DataFrame:
    """The cases with their ratios, weight and grade.

    On the contemporaneous basis reference means and weights are each year's own and grades each cycle's (deaths are too
    few in one year); with a baseline all are the baseline's. `graded_elsewhere`: by the records of all hospitals but the
    case's own.
    """
    cases = cases.assign(cycle=[cycle_of(y) for y in cases["year"]], weight=np.nan, grade=np.nan)
    for measure in ("cost", "los"):
        scored = score(cases, measure, policy, baseline)
        cases[f"{measure}_ratio"], cases[f"{measure}_candidate"] = scored.ratio, scored.candidate
        cases[f"{measure}_own"] = scored.own
    if "own_weight" in cases:
        cases["weight"] = cases["own_weight"]
    elif cases["cost_ok"].any():
        for year in cases["year"].unique():
            rows = cases["year"] == year
            cases.loc[rows, "weight"] = cases.loc[rows, "drg"].map(weights(cases, baseline or [year], policy))
    if graded_elsewhere:
        assert baseline is not None
        window = cases[cases["year"].isin(list(baseline))]
        for hospital, rows in cases.groupby("hospital", sort=False).indices.items():
            known = grades(window[window["hospital"] != hospital], baseline, least_graded)
            cases.loc[cases.index[rows], "grade"] = cases["drg"].iloc[rows].map(known).astype(float)
        return cases
    for cycle in cases["cycle"].unique():
        rows = cases["cycle"] == cycle
        window = baseline or set(cases.loc[rows, "year"])
        cases.loc[rows, "grade"] = cases.loc[rows, "drg"].map(grades(cases, window, least_graded)).astype(float)
    return cases


Columns = dict[str, np.ndarray]  # the cases of one unit


def columns(cases: pd.DataFrame) -> Columns:
    """Prepared cases as plain arrays, from which units are cut."""
    return {name: cases[name].to_numpy() for name in cases} | {"grouped": cases["drg"].notna().to_numpy()}


def unit_values(own: Columns) -> dict[str, Value]:
    """Every indicator of one unit's cases (prepared), in the unit that it is printed in."""
    died, grade, grouped = own["died"], own["grade"], own["grouped"]

    def in_grades(*wanted: int) -> Value:
        rows = np.isin(grade, wanted)
        return percent(rate_of(int(died[rows].sum()), int(rows.sum())))

    return {
        "volume": Value(len(died), len(died)),
        "drg_count": kinds_of(own["drg"][grouped]),
        "cmi": case_mix(own),
        "cost_index": index(own, "cost"),
        "los_index": index(own, "los"),
        "mean_cost": mean_of(own["cost"][own["cost_ok"]] / 100),
        "mean_los": mean_of(own["los"][own["los_ok"]]),
        "mortality": percent(rate_of(int(died.sum()), len(died))),
        "low_risk_mortality": in_grades(1),
        "mid_low_risk_mortality": in_grades(2),
        "low_or_mid_low_risk_mortality": in_grades(1, 2),
    }


def kinds_of(labels: np.ndarray) -> Value:
    """How many kinds the cases are of, with the limits of another sample of as many cases.

    Colwell et al. (2012), the unconditional variance of rarefaction taken at the full sample: every kind seen is certain to
    be drawn, which leaves S − S² / Ŝ. Ŝ is the bias-corrected estimate of Chao (1984): kinds unseen from those seen once
    and twice.
    """
    n = len(labels)
    if n == 0:
        return Value(0, 0)
    times = list(Counter(labels.tolist()).values())
    seen, once, twice = len(times), times.count(1), times.count(2)
    # in whole numbers until the end: Ŝ = seen + added / of
    added, of = (n - 1) * once * (once - 1), 2 * n * (twice + 1)
    se = math.sqrt(Fraction(seen) - Fraction(seen**2) / (seen + Fraction(added, of)))
    return Value(seen, n, se, max(0.0, seen - NORMAL * se), seen + NORMAL * se)


def case_mix(own: Columns) -> Value:
    """Mean weight of the unit's cases that have one."""
    return mean_of(own["weight"][own["grouped"]])


def index(own: Columns, measure: str) -> Value:
    """Mean ratio of the unit's cases, with the share of them that had a reference."""
    ratio, candidates = own[f"{measure}_ratio"], int(own[f"{measure}_candidate"].sum())
    found = mean_of(ratio)
    if not found.n:
        return replace(found, covered=0.0 if candidates else np.nan)
    return replace(found, covered=found.n / candidates, own_share=own[f"{measure}_own"][~np.isnan(ratio)].mean())


def percent(rate: Value) -> Value:
    return Value(100 * rate.value, rate.n, 100 * rate.se, 100 * rate.low, 100 * rate.high)


# --- before and after


def ratio_of_means(before: Value, after: Value) -> Value:
    """After over before, with limits on the log scale from two independent standard errors."""
    ratio = after.value / before.value
    se = float(np.hypot(before.se / before.value, after.se / after.value))
    return Value(ratio, before.n + after.n, se, ratio * np.exp(-NORMAL * se), ratio * np.exp(NORMAL * se))


def ratio_of_rates(d0: int, n0: int, d1: int, n1: int) -> Value:
    """Rate ratio with exact conditional limits: given the sum, the later count is binomial. Found by root search."""
    total = d0 + d1
    if total == 0 or n0 == 0 or n1 == 0:
        return Value(n=n0 + n1)

    def chance(ratio: float) -> float:
        return n1 * ratio / (n1 * ratio + n0)

    def search(excess: Callable[[float], float]) -> float:
        return float(np.exp(optimize.brentq(lambda log: excess(np.exp(log)), -40, 40, xtol=1e-15, rtol=1e-14)))

    lower = 0.0 if d1 == 0 else search(lambda r: stats.binom.sf(d1 - 1, total, chance(r)) - 0.025)
    upper = np.inf if d0 == 0 else search(lambda r: 0.025 - stats.binom.cdf(d1, total, chance(r)))
    return Value(d1 / n1 / (d0 / n0) if d0 else np.nan, n0 + n1, np.nan, lower, upper)


def chance_of_ratio(ratio: Value) -> float:
    """Two-sided p of no change, for a ratio of means."""
    return math.erfc(abs(math.log(ratio.value)) / ratio.se / math.sqrt(2))


def chance_of_rates(d0: int, n0: int, d1: int, n1: int) -> float:
    """Two-sided p of no change given all deaths: twice the smaller tail of the binomial, added up term by term."""
    if n0 == 0 or n1 == 0 or d0 + d1 == 0:
        return math.nan
    share, total = n1 / (n0 + n1), d0 + d1
    terms = [math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]
    return min(1.0, 2 * min(math.fsum(terms[: d1 + 1]), math.fsum(terms[d1:])))
