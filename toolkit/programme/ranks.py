"""Ranks with what is not known about them: confidence sets, who may be among the first, rankability.

Rank 1 is the best, and higher scores are better. A league table is never printed without these.

References
----------
Confidence sets: Mogstad, Romano, Shaikh, Wilhelm (2024), doi:10.1093/restud/rdad006 (stepwise, by differences of pairs).
Rankability: van Dishoeck et al. (2011), as ρ = τ² / (τ² + median σ²).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 10_000  # of the largest difference: its quantile is then good to about one hundredth
AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class RankSet:
    """Ranks that the data do not exclude: `rank`, `low` (best possible), `high` (worst possible); shape (units,)."""

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray


def rank_sets(
    estimates: np.ndarray, errors: np.ndarray, confidence: float = 0.95, *, simultaneous: bool = False, seed: int = 0
) -> RankSet:
    """Confidence sets of ranks from independent estimates with normal errors.

    Parameters
    ----------
    estimates, errors
        Shape (units,), none missing; errors not negative.
    simultaneous
        Whether all sets hold together with this confidence; else each by itself.
    """
    difference, width = _pairs(estimates, errors)
    draws = _draws(errors, seed)
    size = len(estimates)
    significant = np.zeros((size, size), dtype=bool)
    if simultaneous:
        significant = _stepwise(difference, width, draws, confidence, two_sided=True)
    else:
        for unit in range(size):
            only = np.zeros((size, size), dtype=bool)
            only[unit] = True
            significant[unit] = _stepwise(difference, width, draws, confidence, two_sided=True, among=only)[unit]
    better = significant & (difference < 0)  # the other is better for certain
    worse = significant & (difference > 0)
    return RankSet(
        rank=1 + (estimates[None, :] > estimates[:, None]).sum(axis=1),
        low=1 + better.sum(axis=1),
        high=size - worse.sum(axis=1),
    )


def may_be_among_the_first(
    estimates: np.ndarray, errors: np.ndarray, first: int, confidence: float = 0.95, *, seed: int = 0
) -> np.ndarray:
    """Which units belong to a set that holds all of the true first `first` with this confidence; shape (units,), bool."""
    difference, width = _pairs(estimates, errors)
    significant = _stepwise(difference, width, _draws(errors, seed), confidence, two_sided=False)
    return np.asarray((significant & (difference < 0)).sum(axis=1) < first)


def rankability(estimates: np.ndarray, errors: np.ndarray) -> float:
    """Share of the variation between units that is not chance: ρ = τ² / (τ² + median σ²); below 0.5 poor, to 0.75 moderate."""
    variance = errors**2
    tau2 = max(0.0, float(estimates.var(ddof=1) - variance.mean())) if len(estimates) > 1 else 0.0
    middle = float(np.median(variance))
    return tau2 / (tau2 + middle) if tau2 + middle > 0 else float("nan")


def _pairs(estimates: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return estimates[:, None] - estimates[None, :], np.sqrt(errors[:, None] ** 2 + errors[None, :] ** 2)


def _draws(errors: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(DRAWS, len(errors))) * errors


def _stepwise(
    difference: np.ndarray,
    width: np.ndarray,
    draws: np.ndarray,
    confidence: float,
    *,
    two_sided: bool,
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Pairs that differ for certain, all statements together at this confidence: reject, look at what is left, go on."""
    size = len(difference)
    open_ = np.ones((size, size), dtype=bool) if among is None else among.copy()
    np.fill_diagonal(open_, False)
    with np.errstate(divide="ignore", invalid="ignore"):
        # one-sided: that the other is better
        distance = np.where(width > 0, (np.abs(difference) if two_sided else -difference) / width, 0.0)
        distance = np.where(
            (width == 0) & (difference != 0), np.inf if two_sided else np.sign(-difference) * np.inf, distance
        )
    rejected = np.zeros((size, size), dtype=bool)
    while open_.any():
        new = open_ & (distance > _critical(draws, width, open_, confidence, two_sided=two_sided))
        if not new.any():
            break
        rejected |= new
        open_ &= ~new
    return rejected


def _critical(draws: np.ndarray, width: np.ndarray, pairs: np.ndarray, confidence: float, *, two_sided: bool) -> float:
    """Quantile of the largest studentised difference over these pairs if all units were alike."""
    first, second = np.nonzero(pairs & (width > 0))
    if not len(first):
        return 0.0
    largest = np.empty(len(draws))
    for begin in range(0, len(draws), AT_ONCE):
        part = draws[begin : begin + AT_ONCE]
        apart = (part[:, second] - part[:, first]) / width[first, second]
        largest[begin : begin + AT_ONCE] = (np.abs(apart) if two_sided else apart).max(axis=1)
    return float(np.quantile(largest, confidence))
