"""How far experts agree: intraclass correlation, Kendall's W, disagreement by IPRAS, who stands apart, and one score of many.

References
----------
Shrout, Fleiss (1979), doi:10.1037/0033-2909.86.2.420; McGraw, Wong (1996), doi:10.1037/1082-989X.1.1.30 (limits of ICC(2)).
Kendall, Babington Smith (1939), doi:10.1214/aoms/1177732186, with correction for ties.
Fitch et al., The RAND/UCLA Appropriateness Method User's Manual (2001): IPRAS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy

from toolkit.frames import groups_of

IPR_OF_NO_ASYMMETRY, PER_POINT = 2.35, 1.5  # RAND/UCLA
LOWEST, HIGHEST, MIDDLE = 1.0, 9.0, 5.0  # the scale that IPRAS is of
MAD = 1.4826  # makes the median absolute deviation a standard deviation under normality


@dataclass(frozen=True, kw_only=True)
class Icc:
    """One intraclass correlation with 95 % limits; `kind` as Shrout and Fleiss name it: e.g. `1,1` or `2,k`.

    Missing where it cannot be told: limits that would not hold the value, and the mean's where the single one's is too low.
    """

    kind: str
    value: float
    low: float
    high: float


def icc(ratings: np.ndarray, confidence: float = 0.95) -> list[Icc]:
    """Intraclass correlations of units rated by experts.

    Parameters
    ----------
    ratings
        Shape (units, experts); missing NaN. With missing ratings, or experts that differ from unit to unit, only the one-way
        kinds can be told; of a complete table all six.
    """
    rated = ratings[(~np.isnan(ratings)).sum(axis=1) > 0]
    counts = (~np.isnan(rated)).sum(axis=1).astype(float)
    units, total = len(rated), float(counts.sum())
    if units < 2 or total <= units:
        return []
    means = np.nanmean(rated, axis=1)
    grand = float(np.nansum(rated) / total)
    between = float((counts * (means - grand) ** 2).sum() / (units - 1))
    within = float(np.nansum((rated - means[:, None]) ** 2) / (total - units))
    size = (total - float((counts**2).sum()) / total) / (units - 1)  # experts a unit, all alike: their number
    tail = (1 - confidence) / 2
    f = scipy.stats.f
    ratio = between / within if within > 0 else np.inf
    low = ratio / f.ppf(1 - tail, units - 1, total - units)
    high = ratio * f.ppf(1 - tail, total - units, units - 1)
    found = [_both("1", ratio, low, high, size)]
    if not np.isnan(rated).any() and rated.shape[1] > 1:
        found += _two_way(rated, between, tail)
    return [one for pair in found for one in pair]


def _of_ratio(ratio: float, size: float) -> float:
    return 1.0 if np.isinf(ratio) else (ratio - 1) / (ratio + size - 1)


def _of_mean(ratio: float) -> float:
    return 1.0 if np.isinf(ratio) else 1 - 1 / ratio


def _both(kind: str, ratio: float, low: float, high: float, size: float) -> tuple[Icc, Icc]:
    """Of a single rating and of the mean of `size`, from a ratio of mean squares with its limits."""
    single = Icc(kind=f"{kind},1", value=_of_ratio(ratio, size), low=_of_ratio(low, size), high=_of_ratio(high, size))
    return single, Icc(kind=f"{kind},k", value=_of_mean(ratio), low=_of_mean(low), high=_of_mean(high))


def _two_way(rated: np.ndarray, between: float, tail: float) -> list[tuple[Icc, Icc]]:
    n, k = rated.shape
    grand = rated.mean()
    judges = float(n * ((rated.mean(axis=0) - grand) ** 2).sum() / (k - 1))
    rest = rated - rated.mean(axis=1, keepdims=True) - rated.mean(axis=0, keepdims=True) + grand
    error = float((rest**2).sum() / ((n - 1) * (k - 1)))
    f = scipy.stats.f
    if error <= 0:
        one = (
            Icc(kind="2,1", value=np.nan, low=np.nan, high=np.nan),
            Icc(kind="2,k", value=np.nan, low=np.nan, high=np.nan),
        )
        return [one, _both("3", np.inf, np.inf, np.inf, k)]
    free = (n - 1) * (k - 1)
    ratio = between / error
    third = _both("3", ratio, ratio / f.ppf(1 - tail, n - 1, free), ratio * f.ppf(1 - tail, free, n - 1), k)
    value = (between - error) / (between + (k - 1) * error + k * (judges - error) / n)
    among = judges / error
    a, b = k * value * among, n * (1 + (k - 1) * value) - k * value
    v = free * (a + b) ** 2 / ((n - 1) * (k * value * among) ** 2 + b**2)
    upper, lower = f.ppf(1 - tail, n - 1, v), f.ppf(1 - tail, v, n - 1)
    with np.errstate(invalid="ignore"):  # few degrees of freedom make the quantile infinite: no limit
        low = n * (between - upper * error) / (upper * (k * judges + (k * n - k - n) * error) + n * between)
    high = n * (lower * between - error) / (k * judges + (k * n - k - n) * error + n * lower * between)
    single = Icc(kind="2,1", value=value, low=low, high=high)

    def of_mean(one: float) -> float:
        # at or below -1/(k-1), as chance can make it, a single rating's coefficient has no counterpart of the mean
        return one * k / (1 + one * (k - 1)) if one > -1 / (k - 1) else np.nan

    mean = Icc(kind="2,k", value=of_mean(value), low=of_mean(low), high=of_mean(high))
    return [(_in_order(single), _in_order(mean)), third]


def _in_order(one: Icc) -> Icc:
    """Without limits where they do not hold the value: the approximation fails where experts agree less than by chance."""
    return one if one.low <= one.value <= one.high <= 1 else replace(one, low=np.nan, high=np.nan)


@dataclass(frozen=True, kw_only=True)
class Concordance:
    """Kendall's W with the test that experts rank at random; missing where they have not rated the same units."""

    w: float
    p_value: float
    experts: int
    units: int


def kendall_w(ratings: np.ndarray) -> Concordance:
    """Concordance of experts who all rated the same units.

    Parameters
    ----------
    ratings
        Shape (units, experts).
    """
    n, m = ratings.shape
    if np.isnan(ratings).any() or n < 2 or m < 2:
        return Concordance(w=np.nan, p_value=np.nan, experts=m, units=n)
    ranks = scipy.stats.rankdata(ratings, axis=0)
    spread = float(((ranks.sum(axis=1) - m * (n + 1) / 2) ** 2).sum())
    ties = 0.0
    for column in ranks.T:
        _, counts = np.unique(column, return_counts=True)
        ties += float((counts**3 - counts).sum())
    most = m**2 * (n**3 - n) - m * ties
    w = 12 * spread / most if most > 0 else np.nan
    return Concordance(w=w, p_value=float(scipy.stats.chi2.sf(m * (n - 1) * w, n - 1)), experts=m, units=n)


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """IPRAS: experts disagree where the range between the 30th and 70th percentile is wider than the adjusted one."""

    n: int
    median: float
    p30: float
    p70: float
    width: float
    allowed: float

    @property
    def disagree(self) -> bool:
        return bool(self.width > self.allowed)


def ipras(ratings: np.ndarray, lowest: float = LOWEST, highest: float = HIGHEST) -> Disagreement:
    """Disagreement on one question.

    Parameters
    ----------
    ratings
        Shape (experts,), on a scale from `lowest` to `highest`, which is carried to 1 … 9.
    """
    given = ratings[~np.isnan(ratings)]
    if not len(given):
        return Disagreement(n=0, median=np.nan, p30=np.nan, p70=np.nan, width=np.nan, allowed=np.nan)
    carried = LOWEST + (given - lowest) * (HIGHEST - LOWEST) / (highest - lowest)
    p30, median, p70 = np.quantile(carried, [0.3, 0.5, 0.7])
    centre = (p30 + p70) / 2
    return Disagreement(
        n=len(given),
        median=float(median),
        p30=float(p30),
        p70=float(p70),
        width=float(p70 - p30),
        allowed=float(IPR_OF_NO_ASYMMETRY + PER_POINT * abs(MIDDLE - centre)),
    )


def standing_of_experts(scores: pd.DataFrame, outlying: float) -> pd.DataFrame:
    """Who scores apart from the others on the same projects and items.

    Parameters
    ----------
    scores
        `expert, applicant, item, score`.

    Returns
    -------
    pd.DataFrame
        One row an expert: `expert, scores, above` (mean distance from the others' mean on the same question), `apart` (that
        distance from the middle of all experts, in robust standard deviations), `correlation` (Spearman, with the others'
        means), `outlying`.
    """
    asked = scores.groupby(["applicant", "item"])["score"]
    size, total = asked.transform("count"), asked.transform("sum")
    others = (total - scores["score"]) / (size - 1).where(size > 1)
    rows = scores.assign(others=others, above=scores["score"] - others)
    made = []
    for expert, own in groups_of(rows.groupby("expert", sort=True)):
        both = own.dropna(subset=["others"])
        can = len(both) > 2 and bool(both["score"].std() > 0) and bool(both["others"].std() > 0)
        rho = float(scipy.stats.spearmanr(both["score"], both["others"]).statistic) if can else np.nan
        made.append({"expert": expert, "scores": len(own), "above": both["above"].mean(), "correlation": rho})
    frame = pd.DataFrame(made, columns=["expert", "scores", "above", "correlation"])
    middle = frame["above"].median()
    width = MAD * (frame["above"] - middle).abs().median()
    apart = (frame["above"] - middle) / width if width > 0 else pd.Series(np.nan, index=frame.index)
    return frame.assign(apart=apart, outlying=apart.abs() > outlying)
