"""Ranks with what is not known about them: confidence sets, who may be among the first, rankability, draws of a whole score.

Rank 1 is the best, and higher scores are better. A league table is never printed without these.

References
----------
Confidence sets: Mogstad, Romano, Shaikh, Wilhelm (2024), doi:10.1093/restud/rdad006 (stepwise, by differences of pairs).
Rankability: van Dishoeck et al. (2011), as ρ = τ² / (τ² + median σ²).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.programme.scoring import Tree, tabled
from toolkit.programme.systems import Group, System, nodes
from toolkit.programme.weighting import weights_of

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


# --- a whole score, drawn again ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """A score drawn again: `units`, `scores` (draws, units), missing NaN, `eligible` (units,)."""

    units: np.ndarray
    scores: np.ndarray
    eligible: np.ndarray

    def table(self, first: int | None = None, confidence: float = 0.95) -> pd.DataFrame:
        """One row a unit: `unit, median_rank, rank_low, rank_high` (central share of the draws), `among_first` where asked."""
        placed = np.where(self.eligible & ~np.isnan(self.scores), -self.scores, np.inf)
        order = np.argsort(np.argsort(placed, axis=1, kind="stable"), axis=1) + 1.0
        order[:, ~self.eligible] = np.nan
        tail = (1 - confidence) / 2
        known = self.eligible
        made: dict[str, Sequence[str] | np.ndarray | pd.api.extensions.ExtensionArray] = {"unit": self.units}
        for name, share in (("median_rank", 0.5), ("rank_low", tail), ("rank_high", 1 - tail)):
            values = np.full(len(known), np.nan)
            values[known] = np.quantile(order[:, known], share, axis=0, method="nearest")
            made[name] = pd.array(values, dtype="Int64")
        if first is not None:
            chance = np.full(len(known), np.nan)
            chance[known] = (order[:, known] <= first).mean(axis=0)
            made["among_first"] = chance
        return pd.DataFrame(made)


def drawn(
    system: System,
    values: pd.DataFrame,
    errors: pd.DataFrame | None = None,
    *,
    draws: int = 2_000,
    seed: int = 0,
    concentration: float | None = None,
    band: float | None = None,
) -> Draws:
    """The summary score under errors of the items and doubt about the weights.

    Parameters
    ----------
    errors
        As the table of values: standard errors by item column; an absent column or cell means none.
    concentration
        Weights of every group from a Dirichlet distribution around the declared ones; the larger, the nearer to them.
    band
        Or each weight by itself within ± this share of it, evenly (0.25 = ±25 %), then made whole.
    """
    table, generator = tabled(system, values), np.random.default_rng(seed)
    size = len(table.units)
    whole = Tree(system, table.numbers, table.applies, size)
    error = _errors(system, table.units, errors)
    groups = [system.whole, *(g for g in nodes(system.groups) if isinstance(g, Group))]
    declared = {
        g.id: weights_of(g, np.column_stack([_of_member(whole, m.id, size) for m in g.members])) for g in groups
    }
    scores = np.empty((draws, size))
    for k in range(draws):
        moved = {c: v + generator.normal(size=size) * error[c] if c in error else v for c, v in table.numbers.items()}
        weights = {i: _moved(w, generator, concentration, band) for i, w in declared.items()}
        scores[k] = Tree(system, moved, table.applies, size, weights=weights).summary
    return Draws(units=table.units, scores=scores, eligible=whole.rated)


def _of_member(tree: Tree, id_: str, size: int) -> np.ndarray:
    found = tree.points.get(id_)
    found = tree.scores.get(id_) if found is None else found
    return np.full(size, np.nan) if found is None else found


def _moved(
    weights: np.ndarray, generator: np.random.Generator, concentration: float | None, band: float | None
) -> np.ndarray:
    if concentration is not None:
        moved = np.zeros(len(weights))
        used = weights > 0
        moved[used] = generator.dirichlet(weights[used] * concentration)
        return moved
    if band is not None:
        weights = weights * generator.uniform(1 - band, 1 + band, len(weights))
        return np.asarray(weights / weights.sum())
    return weights


def _errors(system: System, units: np.ndarray, errors: pd.DataFrame | None) -> Mapping[str, np.ndarray]:
    if errors is None:
        return {}
    by_unit = errors.assign(**{system.unit: errors[system.unit].astype(str)}).set_index(system.unit).reindex(units)
    columns = {item.of for item in system.items} & set(by_unit.columns)
    return {c: np.nan_to_num(pd.to_numeric(by_unit[c], errors="coerce").to_numpy(float)) for c in sorted(columns)}
