"""How far units without a project change by themselves: by specialty and by size, with shrinkage, and without outliers.

The variance of a unit's log change is that of drawing its cases plus a variance τ² of true changes. τ² is estimated over the
whole region and for every specialty, from squares cut at `CUT` standard deviations, so that a few units that broke away do not
make all others look restless; what such units say of the tails is the business of `calibration`. A specialty's own τ² counts
by its degrees of freedom against those of the prior, which is estimated from how much specialties differ (Smyth 2004), and is
moved by no more than a fraction of its own error: specialties that are alike lean on each other, none is judged by the calm
of the others. Last, a power of the unit's size, as far as it stands out from its own error.

References
----------
Smyth (2004), doi:10.2202/1544-6115.1027. Limited translation: Efron, Morris (1972), JASA 67, 130–139. Phipson and others (2016),
doi:10.1214/16-AOAS920, on outlying variances. Huber's proposal 2 for scale: Huber (1964), doi:10.1214/aoms/1177703732.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used: reports read tables and need none

CUT = 2.5  # standard deviations beyond which a unit counts as if it stood there
HALVINGS = 30
ROUNDS = 6
LEAST, MOST = 1e-8, 4.0  # of τ² above its floor
# τ² may come out below 0 by this share of the smallest sampling variance: cut off at 0, calm specialties would on average be
# given more scatter than they have
BELOW = 0.5
OWN = 5.0  # times its degrees of freedom a specialty's own scatter counts: it must hold its level whatever others do
# standard errors of its log that a specialty's own variance is moved by at most: one that is restless among calm ones must hold its
# level, too, in a region with too few specialties to learn how much they differ (limited translation: Efron, Morris 1972)
LIMIT = 0.3
# E min(Z², CUT²) of a normal Z, by parts
_P = float(scipy.special.erf(CUT / np.sqrt(2)))
MEAN_CUT = _P - 2 * CUT * float(np.exp(-(CUT**2) / 2) / np.sqrt(2 * np.pi)) + CUT**2 * (1 - _P)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatter:
    """Variances of log changes without effect.

    Attributes
    ----------
    tau2
        Of true changes, for every unit of the region (usable or not): its specialty's, shrunken, times the power of its size.
    left_out
        The same without the unit's own change; for its placebo.
    pooled
        Over the region, before specialties and size.
    df
        Degrees of freedom behind a unit's `tau2`.
    units
        How many changes it all rests on.
    """

    tau2: np.ndarray
    left_out: np.ndarray
    pooled: float
    df: np.ndarray
    units: int


def variance(sampling: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """Of log changes: sampling and scatter together, at no unit below half of what sampling alone gives."""
    return np.asarray(np.maximum(sampling + tau2, (1 - BELOW) * sampling))


def scatter(
    change: np.ndarray,
    sampling: np.ndarray,
    group: np.ndarray,
    stratum: np.ndarray,
    size: np.ndarray,
    usable: np.ndarray,
    count: np.ndarray,
    lost: int = 0,
) -> Scatter:
    """Scatter of true log changes around the mean of the comparison units of a unit's group.

    Parameters
    ----------
    change, sampling
        Log change of every unit and the variance of its sampling error.
    group, stratum
        Codes of every unit: whose mean it is compared with; with whom it shares a variance (its specialty).
    size
        Positive; only ratios of sizes matter.
    usable
        Units without a project that count; groups of one do not.
    count
        How far every unit counts in its group's mean, as from `reliance`.
    lost
        Degrees of freedom spent elsewhere (a slope).
    """
    counts = np.bincount(group[usable], minlength=group.max(initial=0) + 1)
    rows = np.flatnonzero(usable & (counts[group] > 1))
    df = len(rows) - int((counts > 1).sum()) - lost
    nothing = np.full(len(change), np.nan)
    if df < 1:
        return Scatter(tau2=nothing, left_out=nothing, pooled=np.nan, df=np.zeros(len(change)), units=len(rows))
    own = _Rows(
        d=change[rows],
        s2=sampling[rows],
        count=count[rows],
        group=np.unique(group[rows], return_inverse=True)[1],
        stratum=np.unique(stratum[rows], return_inverse=True)[1],
    )
    names = np.unique(stratum[rows])
    pooled = float(_solved(own, np.zeros(len(rows), dtype=int), np.array([df / len(rows)]))[0])
    # a stratum's degrees of freedom: its units less its groups, less its share of the slope
    n = np.bincount(own.stratum)
    free = n - np.bincount(own.stratum[np.unique(own.group, return_index=True)[1]], minlength=len(n)) - lost / len(n)
    free = np.maximum(free, 1e-3)
    by_stratum = _solved(own, own.stratum, free / n)
    ratio = np.bincount(own.stratum, own.cut(np.full(len(rows), pooled))) / MEAN_CUT / free
    prior = _prior(ratio, free, own.cut(by_stratum[own.stratum]))
    weight = free * prior.worth / (free * prior.worth + prior.df / OWN) if np.isfinite(prior.df) else np.zeros(len(n))
    s2 = n / np.bincount(own.stratum, 1 / own.s2)
    centre = prior.scale * (s2 + pooled) - s2
    most = LIMIT * np.sqrt(2 / (free * prior.worth))
    shrunk = _towards(by_stratum, centre, weight, s2, most)
    of = own.stratum
    left = _towards(_without_each(own, by_stratum), centre[of], weight[of], s2[of], most[of])
    place = np.searchsorted(names, stratum)
    known = (place < len(names)) & (names[np.minimum(place, len(names) - 1)] == stratum)
    tau2 = np.where(known, shrunk[np.minimum(place, len(names) - 1)], pooled)
    power = _power_of_size(own, tau2[rows], np.log(size[rows]))
    middle = np.bincount(own.stratum, np.log(size[rows])) / n
    usual = np.where(known, middle[np.minimum(place, len(names) - 1)], np.log(size[rows]).mean())
    factor = np.exp(power * (np.log(np.maximum(size, 1e-12)) - usual))
    left_out = tau2.copy()
    left_out[rows] = left
    total = np.where(known, (free * prior.worth)[np.minimum(place, len(names) - 1)], 0.0) + min(
        prior.df / OWN, float(df)
    )
    return Scatter(
        tau2=np.where(tau2 > 0, tau2 * factor, tau2),
        left_out=np.where(left_out > 0, left_out * factor, left_out),
        pooled=pooled,
        df=np.minimum(total, df),
        units=len(rows),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The usable units."""

    d: np.ndarray
    s2: np.ndarray
    count: np.ndarray
    group: np.ndarray
    stratum: np.ndarray

    def squares(self, tau2: np.ndarray) -> np.ndarray:
        """Squared standardised distance from the mean of the group."""
        w = 1 / (self.s2 + tau2)
        counted = w * self.count
        mean = np.bincount(self.group, counted * self.d) / np.bincount(self.group, counted)
        return np.asarray(w * (self.d - mean[self.group]) ** 2)

    def cut(self, tau2: np.ndarray) -> np.ndarray:
        return np.minimum(self.squares(tau2), CUT**2)


def _solved(rows: _Rows, code: np.ndarray, share: np.ndarray) -> np.ndarray:
    """τ² of every code at which the mean cut square is what a normal one would be, `share` of it left by the means."""
    n = np.bincount(code)
    floor = np.full(len(n), np.inf)
    np.minimum.at(floor, code, BELOW * rows.s2)
    low, high = np.log(np.minimum(LEAST, floor / 2)), np.full(len(n), np.log(MOST))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = np.bincount(code, rows.cut((np.exp(middle) - floor)[code])) > n * share * MEAN_CUT
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.exp((low + high) / 2) - floor)


@dataclass(frozen=True, kw_only=True)
class _Prior:
    """Of strata's variances: `df` (infinite: all alike), `scale` to the pooled one; `worth` of a degree of freedom of cut squares."""

    df: float
    worth: float
    scale: float = 1.0


def _prior(ratio: np.ndarray, free: np.ndarray, cut: np.ndarray) -> _Prior:
    """How alike the strata's variances are, by the spread of their logs beyond chance."""
    scaled = cut / cut.mean() if cut.mean() > 0 else np.ones(len(cut))
    worth = float(np.clip(2 / max(scaled.var(), 1e-6), 0.3, 1.0))
    several = (free >= 2) & (ratio > 0)
    if several.sum() < 2:
        return _Prior(df=np.inf, worth=worth)
    half = free[several] * worth / 2
    z = np.log(ratio[several]) - scipy.special.digamma(half) + np.log(half)
    w = 1 / scipy.special.polygamma(1, half)
    mean = (w * z).sum() / w.sum()
    q, k = float((w * (z - mean) ** 2).sum()), len(z)
    excess = (q - (k - 1)) / (w.sum() - (w**2).sum() / w.sum())
    if excess <= 1e-4:
        return _Prior(df=np.inf, worth=worth)
    low, high = 1e-2, 1e5
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if scipy.special.polygamma(1, middle) > excess else (low, middle)
    at = float(np.sqrt(low * high))
    return _Prior(df=2 * at, worth=worth, scale=float(np.exp(mean + scipy.special.digamma(at) - np.log(at))))


def _towards(own: np.ndarray, centre: np.ndarray, weight: np.ndarray, s2: np.ndarray, most: np.ndarray) -> np.ndarray:
    """A stratum's own τ² moved to what all strata let expect, the log of its whole variance by no more than `most`."""
    total = np.maximum(s2 + own, 1e-12)
    wanted = np.maximum(s2 + (1 - weight) * centre + weight * own, 1e-12)
    return np.asarray(total * np.exp(np.clip(np.log(wanted / total), -most, most)) - s2)


def _without_each(rows: _Rows, tau2: np.ndarray) -> np.ndarray:
    """A stratum's τ² without each of its units, by one Newton step from the whole stratum's."""
    of = tau2[rows.stratum]
    squares, w = rows.squares(of), 1 / (rows.s2 + of)
    # it pulled its group's mean towards itself: what leaves the sum with it is more than its own square
    counted = w * rows.count
    pull = counted / np.bincount(rows.group, counted)[rows.group]
    cut = np.minimum(squares / (1 - pull), CUT**2)
    fall = np.where(squares < CUT**2, squares * w, 0.0)  # of a cut square with τ²
    slope = np.bincount(rows.stratum, fall)[rows.stratum] - fall
    excess = MEAN_CUT - cut  # what leaves the sum less what it should be
    least = np.full(len(tau2), np.inf)
    np.minimum.at(least, rows.stratum, BELOW * rows.s2)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = of + np.where(slope > 0, excess / slope, 0.0)
    return np.maximum(moved, -least[rows.stratum])


def _power_of_size(rows: _Rows, tau2: np.ndarray, log_size: np.ndarray) -> float:
    """Power of size that τ² goes with, pulled to 0 by its own error."""
    x = log_size - np.bincount(rows.stratum, log_size)[rows.stratum] / np.bincount(rows.stratum)[rows.stratum]
    power = error2 = 0.0
    for _ in range(ROUNDS):
        of = np.where(tau2 > 0, tau2 * np.exp(power * x), tau2)
        cut = rows.cut(of)
        z = np.maximum(of, 0.0) / (rows.s2 + of) * x  # how a square moves with the power
        if len(x) < 10 or not cut.mean() > 0 or (z**2).sum() < 1e-9:
            return 0.0
        y = cut / cut.mean() - 1
        power = float(np.clip(power + (z * y).sum() / (z**2).sum(), -2.0, 2.0))
        error2 = float(y.var() / (z**2).sum())
    return power * max(0.0, 1 - error2 / power**2) if power else 0.0


def reliance(change: np.ndarray, sampling: np.ndarray, group: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """How far every unit counts in the mean of its group: 1, and less the farther it broke away from the others.

    Weights of Huber (1964) with a scale from the median distance to the group's median, over the region.
    """
    found = np.ones(len(change))
    rows = np.flatnonzero(usable)
    if len(rows) < 3:
        return found
    d, code = change[rows], np.unique(group[rows], return_inverse=True)[1]
    order = np.lexsort((d, code))
    n = np.bincount(code)
    first = np.r_[0, np.cumsum(n)[:-1]]
    ordered = d[order]
    middle = (ordered[first + (n - 1) // 2] + ordered[first + n // 2]) / 2
    away = np.abs(d - middle[code])[n[code] > 2]
    if not len(away):
        return found
    # a group's median lies nearer to its units than their true middle: by the share of degrees of freedom
    usual = 1.4826 * float(np.median(away))
    scale = np.sqrt(np.maximum(sampling[rows], usual**2))
    weight = np.ones(len(rows))
    for _ in range(4):
        total = np.bincount(code, weight)
        mean = np.bincount(code, weight * d) / total
        weight = np.minimum(1.0, CUT * scale / np.maximum(np.abs(d - mean[code]), 1e-12))
    found[rows] = np.where(n[code] > 2, weight, 1.0)  # of two, nobody knows which broke away
    return found
