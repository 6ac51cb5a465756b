"""Power: the smallest change that the cases of a unit could have shown.

For the test that the before/after ratio uses (`two_period`), the ratio at which it comes out significant, in the right
direction, with the stated power. Only the error of drawing discharges is in it: what drifts between years makes the real
power smaller, and a method with comparison units has another power.

Means: log ratio ± (z of the test + z of the power) × standard error, from the se of both periods. Proportions: the same
with the standard error of the log ratio (Katz 1978) at the changed proportion. Deaths: exact for the conditional binomial
test, over the Poisson distribution of the total, which from 40 expected deaths on is taken as normal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Declared, Direction, Distribution, Indicator
from toolkit.models.inversion import crossing

EXACT_BELOW = 40.0  # expected deaths of both periods
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)  # of the normal that a large Poisson total follows
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
HALVINGS = 16  # of the log ratio: to 0.01 %
WIDEST = 50.0  # ratios beyond are no answer

COLUMNS = ("n_before", "n_after", "smallest_fall", "smallest_rise", "minimum_important", "sufficient", "warnings")


def smallest_changes(
    cells: pd.DataFrame,
    indicators: Mapping[str, Declared],
    by: Sequence[str],
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    minimum_important: float = 0.05,
) -> pd.DataFrame:
    """Smallest detectable fall and rise of every group and tested indicator.

    Parameters
    ----------
    cells
        Frozen cells with column `cycle` holding `before` and `after`.
    minimum_important
        The minimum important difference as a share: ratios below 1 / (1 + m) or above 1 + m matter.

    Returns
    -------
    pd.DataFrame
        `by`, `indicator`, `n_before`, `n_after`, `smallest_fall` (a ratio below 1, missing where even a fall to 0 would not
        show), `smallest_rise` (above 1), `minimum_important`, `sufficient` (the minimum important improvement could have been
        shown; of a neutral indicator: the change in both directions), `warnings`. One row also where a period is missing.
    """
    by, keys = list(by), [*by, "indicator"]
    tested = {i: one for i, one in indicators.items() if isinstance(one, Indicator) and one.distribution is not None}
    kept = cells[cells["indicator"].isin(tested)]
    columns = ["n", "x", "y", "value", "se"]
    sides = {
        cycle: kept.loc[kept["cycle"] == cycle, [*keys, *columns]].set_index(keys) for cycle in ("before", "after")
    }
    wide = (
        sides["before"]
        .merge(sides["after"], how="outer", left_index=True, right_index=True, suffixes=("0", "1"))
        .reset_index()
    )
    fall, rise = np.full(len(wide), np.nan), np.full(len(wide), np.nan)
    for id_, rows in wide.groupby("indicator", sort=False).indices.items():
        part, kind = wide.iloc[rows], tested[str(id_)].distribution
        assert kind is not None  # noqa: S101  tested ones have one
        fall[rows], rise[rows] = _OF_KIND.get(kind, _of_means)(part, (1 - confidence) / 2, power)
    rise[rise > WIDEST] = np.nan
    better = wide["indicator"].map({i: one.direction for i, one in tested.items()})
    sufficient = is_sufficient(fall, rise, better, minimum_important)
    return wide[keys].assign(
        n_before=wide["n0"].fillna(0).astype("int64"),
        n_after=wide["n1"].fillna(0).astype("int64"),
        smallest_fall=fall,
        smallest_rise=rise,
        minimum_important=minimum_important,
        sufficient=sufficient,
        warnings=[
            said(a, b, e, s)
            for a, b, e, s in zip(
                wide["value0"].isna(), wide["value1"].isna(), np.isnan(fall) & np.isnan(rise), sufficient, strict=True
            )
        ],
    )


def smallest_rate_changes(
    d0: np.ndarray, e0: np.ndarray, d1: np.ndarray, e1: np.ndarray, *, confidence: float = 0.95, power: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest detectable fall and rise of the ratio of two Poisson rates: deaths and exposures (or expected deaths).

    Missing where even a fall to nearly 0, or a rise to 50 times, would not show.
    """
    part = pd.DataFrame({"x0": d0, "y0": e0, "x1": d1, "y1": e1})
    fall, rise = _of_deaths(part, (1 - confidence) / 2, power)
    return fall, np.where(rise > WIDEST * 0.999, np.nan, rise)


def is_sufficient(fall: np.ndarray, rise: np.ndarray, better: pd.Series, minimum_important: float) -> np.ndarray:
    """Whether the minimum important improvement would show; of a neutral indicator, the change in both directions."""
    margin = 1 + minimum_important
    down, up = fall >= 1 / margin, rise <= margin
    found = np.select([better == Direction.LOWER, better == Direction.HIGHER], [down, up], default=down & up)
    return np.asarray(found, dtype=bool)


def said(no_before: bool, no_after: bool, unknown: bool, sufficient: bool) -> str:
    """The sentence beside the smallest changes; empty where the cases suffice."""
    if no_before or no_after:
        return f"{'建设前' if no_before else '建设周期'}无值，不能比较"
    if unknown:
        return "没有事件或没有变异，不能计算可检出的变化"
    return "" if sufficient else "例数不足以显示最小有意义变化：“不能判定”不等于没有变化"


def _of_means(part: pd.DataFrame, tail: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    parts = [(part[f"se{k}"] / part[f"value{k}"].where(part[f"value{k}"] > 0)).to_numpy(float) for k in "01"]
    error = np.hypot(*parts)
    error = np.where(error > 0, error, np.nan)
    change = (scipy.stats.norm.isf(tail) + scipy.stats.norm.ppf(power)) * error
    return np.exp(-change), np.exp(change)


def _of_proportions(part: pd.DataFrame, tail: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    n0, n1 = part["y0"].to_numpy(float), part["y1"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        # without a case before, the two periods together say what there was to fall or rise from
        share = np.where(part["x0"] > 0, part["x0"] / n0, (part["x0"] + part["x1"]) / (n0 + n1))
    known = (n0 > 0) & (n1 > 0) & (share > 0)
    p, z = np.where(known, share, 0.5), scipy.stats.norm.isf(tail) + scipy.stats.norm.ppf(power)
    n0, n1 = np.where(known, n0, 1.0), np.where(known, n1, 1.0)

    def reached(log_ratio: np.ndarray) -> np.ndarray:
        after = np.exp(log_ratio) * p
        variance = np.clip(1 - p, 0, None) / (n0 * p) + np.clip(1 - after, 0, None) / (n1 * after)
        return np.abs(log_ratio) - z * np.sqrt(variance)

    widest, most = np.full(len(p), np.log(WIDEST)), -np.log(p)  # a share ends at 1
    top = np.minimum(widest, most)
    fall, rise = -crossing(lambda t: reached(-t), 0 * widest, widest, 0.0), crossing(reached, 0 * top, top, 0.0)
    fall = np.where(known & (reached(-widest) > 0), np.exp(fall), np.nan)
    return fall, np.where(known & (reached(top) > 0), np.exp(rise), np.nan)


def _of_deaths(part: pd.DataFrame, tail: float, power: float) -> tuple[np.ndarray, np.ndarray]:
    d0, d1, n0, n1 = (part[c].to_numpy(float) for c in ("x0", "x1", "y0", "y1"))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(d0 > 0, d0 / n0, (d0 + d1) / (n0 + n1))
    known = np.flatnonzero((n0 > 0) & (n1 > 0) & (rate > 0))
    changes = []
    for falling in (True, False):
        test, change = (
            RateTest(rate[known], n0[known], n1[known], 2 * tail, falling=falling),
            np.full(len(part), np.nan),
        )
        low, high = np.zeros(len(known)), np.full(len(known), np.log(WIDEST))
        sign = -1.0 if falling else 1.0
        shown = test.power(np.exp(sign * high)) >= power
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = test.power(np.exp(sign * middle)) >= power
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        change[known] = np.where(shown, np.exp(sign * high), np.nan)
        changes.append(change)
    return changes[0], changes[1]


class RateTest:
    """The conditional binomial test of two Poisson rates, in one direction: what it rejects, and how often.

    Σ over totals of P(total) × P(the after deaths are among the rejected | total), over every total where fewer than 40
    deaths are expected, and over 7 points of a normal total where there are more.
    """

    def __init__(self, rate: np.ndarray, n0: np.ndarray, n1: np.ndarray, alpha: float, *, falling: bool) -> None:
        self.before, self.exposed, self.falling = rate * n0, rate * n1, falling
        self.alpha, under = alpha, n1 / (n0 + n1)
        self.under = (
            under if falling else 1 - under
        )  # a rise of the after deaths is a fall of the share of those before
        self.counts = np.arange(1.0, float(scipy.stats.poisson.isf(1e-9, EXACT_BELOW)) + 2)
        # largest k with P(K <= k) <= alpha / 2 where nothing changed; -1 where there is none
        none = (1 - self.under[:, None]) ** self.counts > alpha / 2
        edge = scipy.special.bdtrik(alpha / 2, np.where(none, 1e4, self.counts), self.under[:, None])
        self.edge = np.where(none, -1.0, np.floor(edge + 1e-9))

    def power(self, ratio: np.ndarray) -> np.ndarray:
        """Probability of a significant result in the direction of the test where the rates' true ratio is this."""
        after = self.exposed * ratio
        total = self.before + after
        share = ((after if self.falling else self.before) / total)[:, None]
        small, found = total < EXACT_BELOW, np.empty(len(total))
        weight = scipy.stats.poisson.pmf(self.counts, total[small, None])
        found[small] = (weight * _at_most(self.edge[small], self.counts, share[small])).sum(axis=1)
        # of many deaths: a few totals stand for all, and half a count for the steps of the edge
        totals = total[~small, None] + np.sqrt(total[~small, None]) * NODES
        edge = scipy.special.bdtrik(self.alpha / 2, totals, self.under[~small, None]) - 0.5
        found[~small] = _at_most(edge, totals, share[~small]) @ NODE_WEIGHTS
        return found


def _at_most(edge: np.ndarray, count: np.ndarray, share: np.ndarray) -> np.ndarray:
    """P(K ≤ edge) of a binomial, carried to real numbers; 0 for an edge of −1."""
    inside = scipy.special.betainc(np.maximum(count - edge, 1e-9), np.maximum(edge, 0) + 1, 1 - share)
    return np.where(edge < 0, 0.0, inside)


# all others have a standard error in each period: on the log scale
_OF_KIND = {Distribution.PROPORTION: _of_proportions, Distribution.RARE: _of_deaths}
