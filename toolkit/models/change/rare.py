"""Rare events: a unit's deaths of the cycle against those that its comparison units and its own past let expect.

A rate of few deaths is mostly luck, and a unit that was chosen for a low one will have a higher one by itself. So the baseline
is not the unit's rate but what can be believed of it (gamma–Poisson): its comparison units' rate, moved towards its own as far
as rates of units are known to last from one period to the next,

    rate = rate of the comparison units × (1 + R (O / E − 1)),   R = ω² E / (1 + ω_b² E)

with O and E its deaths before and those that their rate gives it. ω² is how far units differ lastingly (from the products of
the distances of both periods, which chance does not enter), ω_b² what they differ in one period. Times the comparison units'
own change it gives the deaths expected of the cycle, m; deaths are then negative binomial around m × effect, with what is not
known of the unit's rate (ω² (1 − R)), of its comparison units' change, and what units swing between periods (τ², from the
placebos of all units without project). Limits and p are mid-P, conditional on the deaths before: whoever chose by these, the
level holds. Where one has no deaths afterwards the estimate is 0, with an upper limit.

References
----------
Robbins (1956); Clayton, Kaldor (1987), doi:10.2307/2532003; mid-P: Lancaster (1961), doi:10.1080/01621459.1961.10482105.
Comparison's change: Greenland, Robins (1985), doi:10.2307/2530643.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.models.change.panel import Compared, Comparisons, Side, with_group, with_projects
from toolkit.models.inversion import crossing

LEAST_SPREAD = 0.04  # of ω²: units differ by a fifth at least, so that a long record of its own always counts
WIDEST = np.log(1e6)
LEAST_P = 1e-9  # smaller ones are printed as this


@dataclass(frozen=True, kw_only=True, eq=False)
class Deaths:
    """Of the units judged: what they had and what was expected of them, arrays of one shape.

    `own`, `compared`: ratio of the unit's own rates, and that divided by its comparison units' change; `mean` deaths expected of
    the cycle, `spread` the relative variance of what is expected; `reliability` R, `deviation` O / E, `common` the comparison
    units' own change; `known` whether there is something to compare with.
    """

    at: np.ndarray
    deaths: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    own: np.ndarray
    compared: np.ndarray
    reliability: np.ndarray
    deviation: np.ndarray
    common: np.ndarray
    count: np.ndarray
    known: np.ndarray

    def estimate(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.known, self.deaths / self.mean, np.nan)

    def p_value(self) -> np.ndarray:
        lower = self._lower(np.zeros(len(self.at)))
        p = 2 * np.minimum(lower, 1 - lower)
        return np.where(self.known, np.clip(p, LEAST_P, 1.0), np.nan)

    def limits(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        tail = (1 - confidence) / 2
        least, most = np.full(len(self.at), -WIDEST), np.full(len(self.at), WIDEST)
        # the mid-P of fewer deaths falls as the effect grows
        low = crossing(lambda effect: -self._lower(effect), least, most, -(1 - tail))
        high = crossing(lambda effect: -self._lower(effect), least, most, -tail)
        low = np.where(self.deaths == 0, 0.0, np.exp(low))
        return np.where(self.known, low, np.nan), np.where(self.known, np.exp(high), np.nan)

    def smallest(self, confidence: float, power: float) -> tuple[np.ndarray, np.ndarray]:
        """Smallest fall and rise, as ratios, that `p_value` calls a change with this probability; missing where none is.

        The counts that the mid-P test rejects where nothing changed, and the ratio at which one of them comes with `power`.
        """
        tail, most = (1 - confidence) / 2, np.full(len(self.at), WIDEST)
        mean = np.where(self.known, np.nan_to_num(self.mean, nan=1.0, posinf=1.0), 1.0)
        size = 1 / np.maximum(np.where(self.known, self.spread, 1.0), 1e-9)

        def share(effect: np.ndarray) -> np.ndarray:
            return np.asarray(size / (size + mean * np.exp(effect)))

        def mid(count: np.ndarray) -> np.ndarray:  # P of fewer, and half of as many, where nothing changed
            law = scipy.stats.nbinom(size, share(np.zeros_like(most)))
            return np.asarray(law.cdf(count) - law.pmf(count) / 2)

        def at_most(count: np.ndarray, effect: np.ndarray) -> np.ndarray:
            inside = scipy.special.betainc(size, np.maximum(count, 0) + 1, share(effect))
            return np.where(count < 0, 0.0, inside)

        few, many = (scipy.stats.nbinom.ppf(q, size, share(np.zeros_like(most))) for q in (tail, 1 - tail))
        few, many = np.where(mid(few) < tail, few, few - 1), np.where(mid(many) > 1 - tail, many, many + 1)
        fall = np.exp(-crossing(lambda effect: at_most(few, -effect), np.zeros_like(most), most, power))
        rise = np.exp(crossing(lambda effect: 1 - at_most(many - 1, effect), np.zeros_like(most), most, power))
        return np.where(self.known & (few >= 0), fall, np.nan), np.where(self.known, rise, np.nan)

    def _lower(self, effect: np.ndarray) -> np.ndarray:
        """P of fewer deaths than there were, and half of as many, where the log ratio of the effect is this."""
        mean = np.where(self.known, np.nan_to_num(self.mean, nan=1.0, posinf=1.0), 1.0) * np.exp(effect)
        size = 1 / np.maximum(np.where(self.known, self.spread, 1.0), 1e-9)
        share = size / (size + mean)
        at_most = scipy.special.betainc(size, self.deaths + 1, share)
        fewer = np.where(self.deaths > 0, scipy.special.betainc(size, np.maximum(self.deaths, 1), share), 0.0)
        return np.asarray((at_most + fewer) / 2)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """`lasting` ω², `before` ω_b², `swing` τ², and on how many `units` without project they rest."""

    lasting: float
    before: float
    swing: float
    units: int


def deaths(
    projects: np.ndarray, compared: Comparisons, before: Side, after: Side, free: np.ndarray, *, shrink: bool
) -> tuple[Deaths, Deaths, Spread]:
    """Of projects, of all units without project as placebos, and what was learnt of the spread of rates.

    Parameters
    ----------
    free
        Units without project that count and have exposure in both periods.
    shrink
        Whether the baseline is corrected for its unreliability; otherwise the own rate before is taken as it is.
    """
    of_projects, of_placebos = with_projects(projects, compared, free), with_group(compared.group, free)
    lasting, period = _differences(before, after, of_placebos)
    first = _expected(of_placebos, before, after, lasting, period, 0.0, shrink=shrink)
    good = first.known
    had, mean = first.deaths[good], first.mean[good]
    left = (had - mean) ** 2 - mean - first.spread[good] * mean**2
    swing = max(0.0, float(left.sum() / (mean**2).sum())) if good.any() else 0.0
    spread = Spread(lasting=lasting, before=period, swing=swing, units=int(good.sum()))
    both = [_expected(one, before, after, lasting, period, swing, shrink=shrink) for one in (of_projects, of_placebos)]
    return both[0], both[1], spread


def _differences(before: Side, after: Side, placebos: Compared) -> tuple[float, float]:
    """ω² and ω_b²: how far rates of units of one group differ, lastingly and in the period before."""
    at, parts = placebos.at, []
    for side in (before, after):
        with np.errstate(divide="ignore", invalid="ignore"):
            awaited = side.y[at] * placebos(side.x) / placebos(side.y)
        parts.append((side.x[at] - awaited, awaited))
    good = (parts[0][1] > 0) & (parts[1][1] > 0)
    if not good.any():
        return LEAST_SPREAD, LEAST_SPREAD
    (gap0, awaited0), (gap1, awaited1) = [(gap[good], awaited[good]) for gap, awaited in parts]
    lasting = float((gap0 * gap1).sum() / (awaited0 * awaited1).sum())
    period = float((gap0**2 - awaited0).sum() / (awaited0**2).sum())
    lasting = max(lasting, LEAST_SPREAD)
    return lasting, max(period, lasting)


def _expected(
    pairs: Compared, before: Side, after: Side, lasting: float, period: float, swing: float, *, shrink: bool
) -> Deaths:
    d0, d1, n0, n1 = before.x, after.x, before.y, after.y
    total = np.where(n0 + n1 > 0, n0 + n1, 1.0)
    above, below = pairs(d1 * n0 / total), pairs(d0 * n1 / total)
    spare, at = pairs((d0 + d1) * n0 * n1 / total**2), pairs.at
    with np.errstate(divide="ignore", invalid="ignore"):
        change = above / below  # of the comparison units, Mantel and Haenszel over them
        rate = pairs(d0) / pairs(n0)
        awaited = n0[at] * rate
        reliability = lasting * awaited / (1 + period * awaited) if shrink else np.ones(len(at))
        usual = 1 + reliability * (d0[at] / awaited - 1)
        mean = n1[at] * rate * usual * change
        unknown = lasting * (1 - reliability) / usual**2 if shrink else 1 / np.maximum(d0[at], 0.5)
        # of the comparison's change and of its level, as far as the own record does not replace it
        error = spare / (above * below) + ((1 - reliability) / usual) ** 2 / pairs(d0)
        own = (d1[at] / n1[at]) / (d0[at] / n0[at])
        against = own / change
    known = np.isfinite(mean) & (mean > 0) & np.isfinite(error) & (n0[at] > 0) & (n1[at] > 0)
    return Deaths(
        at=at,
        deaths=d1[at].astype(float),
        mean=mean,
        spread=unknown + error + swing,
        own=own,
        compared=against,
        reliability=reliability,
        deviation=d0[at] / np.where(awaited > 0, awaited, np.nan),
        common=change,
        count=pairs.count,
        known=known,
    )
