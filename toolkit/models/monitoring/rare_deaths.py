"""Rare deaths: observed against expected, with exact and mid-P limits, and the shrunken ratio beside the raw one.

O deaths are taken as Poisson with mean E × θ. θ is the unit's ratio; its exact limits are those of O divided by E (Garwood
1936), known to be wide. Mid-P counts half the probability of the observed number itself: shorter, on average right.
The shrunken ratio is the posterior mean of θ under a gamma prior fitted to all units of a group by marginal likelihood
(Clayton, Kaldor 1987, doi:10.2307/2532003). It pulls small units to the mean and can hide a small unit's excess, so it
stands beside the raw ratio, never alone (Silber 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators.table import poisson_limits
from toolkit.models.inversion import crossing

FEW_UNITS = 5  # below this, a fitted prior says little
NO_SPREAD = 1e-6  # gain in log likelihood below which the units differ by chance alone
LOG_ALPHA = (-12.0, 5.0)  # of 1 / shape
GRID, ZOOMS, MOST_STEPS = 25, 9, 25

NO_EXPECTED = "期望死亡为 0，比值无意义"
NO_DEATHS = "0 例死亡只是未见信号，不等于没有风险，看上限"
NO_PRIOR = "同组没有死亡，不能收缩"
FEW = f"同组单元少于 {FEW_UNITS} 个，收缩值不稳"
ALL_ALIKE = "同组单元间未见机遇以外的差异，收缩到共同比值"


def observed_expected(frame: pd.DataFrame, by: Sequence[str] = (), *, confidence: float = 0.95) -> pd.DataFrame:
    """Ratio, limits, tests and shrunken ratio of every row.

    Parameters
    ----------
    frame
        One row per unit (and whatever `by` names): `observed` deaths, `expected` deaths (sum of probabilities).
    by
        Columns of the groups whose units share one prior, e.g. `("specialty", "period")`.

    Returns
    -------
    pd.DataFrame
        The rows given, with `ratio`; `low`, `high` (exact) and `mid_low`, `mid_high` (mid-P) of the ratio; `p_exact`, `p_mid`
        (two-sided, against θ = 1, twice the smaller tail); `shrunken`, `shrunken_low`, `shrunken_high` (posterior mean and
        equal-tailed limits); `prior_mean`, `prior_sd` (between units); `warnings`. Missing where E = 0, and said so.
    """
    observed, expected = frame["observed"].to_numpy(float), frame["expected"].to_numpy(float)
    usable = (expected > 0) & ~np.isnan(observed)
    e = np.where(usable, expected, np.nan)
    low, high = (np.asarray(limit) for limit in poisson_limits(np.where(usable, observed, np.nan), confidence))
    mid_low, mid_high = mid_p_limits(np.where(usable, observed, np.nan), confidence)
    p_exact, p_mid = poisson_tests(observed, e)
    shrunk = _shrunken(frame, by, usable, confidence)
    few = [
        "；".join(
            text
            for text, true in (
                (NO_EXPECTED, not u),
                (NO_DEATHS, u and o == 0),
                (NO_PRIOR, u and np.isnan(m)),
                (ALL_ALIKE, u and s == 0),
                (FEW, u and not np.isnan(m) and k < FEW_UNITS),
            )
            if true
        )
        for u, o, m, s, k in zip(
            usable, observed, shrunk["prior_mean"], shrunk["prior_sd"], shrunk.pop("_units"), strict=True
        )
    ]
    return frame.assign(
        ratio=observed / e,
        low=low / e,
        high=high / e,
        mid_low=mid_low / e,
        mid_high=mid_high / e,
        p_exact=p_exact,
        p_mid=p_mid,
        **shrunk,
        warnings=few,
    )


def poisson_tests(observed: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided exact and mid-P p-values of a Poisson count against its mean: twice the smaller tail, at most 1."""
    at = scipy.stats.poisson.pmf(observed, mean)
    below, above = scipy.stats.poisson.cdf(observed, mean), scipy.stats.poisson.sf(observed - 1, mean)
    exact = np.minimum(1.0, 2 * np.minimum(below, above))
    return exact, np.minimum(1.0, 2 * np.minimum(below - at / 2, above - at / 2))


def mid_p_limits(observed: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a Poisson mean whose mid-P tails are (1 − confidence) / 2 each; inside the exact ones."""
    tail = (1 - confidence) / 2
    low, high = (np.asarray(limit, dtype=float) for limit in poisson_limits(np.asarray(observed), confidence))
    counted = np.nan_to_num(observed)
    ends = np.nan_to_num(low), np.nan_to_num(high)

    def above(mean: np.ndarray) -> np.ndarray:
        return scipy.stats.poisson.sf(counted, mean) + scipy.stats.poisson.pmf(counted, mean) / 2

    lower = np.where(counted > 0, crossing(above, *ends, tail), 0.0)
    upper = crossing(above, *ends, 1 - tail)
    return np.where(np.isnan(observed), np.nan, lower), np.where(np.isnan(observed), np.nan, upper)


# --- shrinkage -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GammaPrior:
    """Between units θ is gamma with this mean and standard deviation; `sd` 0 where chance explains all differences."""

    mean: float
    sd: float

    @property
    def shape(self) -> float:
        return (self.mean / self.sd) ** 2 if self.sd > 0 else np.inf

    @property
    def rate(self) -> float:
        return self.mean / self.sd**2 if self.sd > 0 else np.inf


def gamma_prior(observed: np.ndarray, expected: np.ndarray) -> GammaPrior:
    """The gamma prior that makes the observed counts most probable (negative binomial with exposures `expected`)."""
    total = observed.sum() / expected.sum() if expected.sum() > 0 else np.nan
    if not total > 0:
        return GammaPrior(mean=np.nan, sd=np.nan)
    if len(observed) < 2:
        return GammaPrior(mean=float(total), sd=0.0)

    def profile(log_alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The highest log likelihood at each 1 / shape, and the log mean that has it: Newton steps, all at once."""
        alpha = np.exp(log_alpha)[:, None]
        log_mean = np.full(len(log_alpha), np.log(total))
        for _ in range(MOST_STEPS):
            mean = np.exp(log_mean)[:, None] * expected
            grown = 1 + alpha * mean
            step = ((observed - mean) / grown).sum(1) / (mean * (1 + alpha * observed) / grown**2).sum(1)
            log_mean = log_mean + np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-12:
                break
        mean, shape = np.exp(log_mean)[:, None] * expected, 1 / alpha
        value = (
            scipy.special.gammaln(observed + shape)
            - scipy.special.gammaln(shape)
            + observed * np.log(alpha * mean)
            - (observed + shape) * np.log1p(alpha * mean)
        )
        return value.sum(1), log_mean

    low, high = LOG_ALPHA
    for _ in range(ZOOMS):
        grid = np.linspace(low, high, GRID)
        values, means = profile(grid)
        best = int(values.argmax())
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    mean = total * expected
    poisson = (observed * np.log(mean) - mean).sum()
    if values[best] - poisson < NO_SPREAD or grid[best] <= LOG_ALPHA[0] + 1e-6:
        return GammaPrior(mean=float(total), sd=0.0)
    fitted = float(np.exp(means[best]))
    return GammaPrior(mean=fitted, sd=float(fitted * np.exp(grid[best] / 2)))


def posterior(
    prior: GammaPrior, observed: np.ndarray, expected: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posterior mean of each unit's ratio and its equal-tailed limits, missing where the prior has no spread."""
    if not prior.sd > 0:
        nothing = np.full(len(observed), np.nan)
        return np.full(len(observed), prior.mean), nothing, nothing
    shape, rate, tail = prior.shape + observed, prior.rate + expected, (1 - confidence) / 2
    return (
        shape / rate,
        scipy.stats.gamma.ppf(tail, shape, scale=1 / rate),
        scipy.stats.gamma.ppf(1 - tail, shape, scale=1 / rate),
    )


def _shrunken(frame: pd.DataFrame, by: Sequence[str], usable: np.ndarray, confidence: float) -> dict[str, np.ndarray]:
    names = ("shrunken", "shrunken_low", "shrunken_high", "prior_mean", "prior_sd", "_units")
    out = {name: np.full(len(frame), np.nan) for name in names}
    observed, expected = frame["observed"].to_numpy(float), frame["expected"].to_numpy(float)
    grouped = frame.groupby(list(by), sort=False, dropna=False).indices.values() if by else [np.arange(len(frame))]
    for group in map(np.asarray, grouped):
        rows = group[usable[group]]
        prior = gamma_prior(observed[rows], expected[rows])
        values = *posterior(prior, observed[rows], expected[rows], confidence), prior.mean, prior.sd, len(rows)
        for name, value in zip(names, values, strict=True):
            out[name][rows] = value
    return out
