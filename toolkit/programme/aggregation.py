"""Scores of members to the score of their group.

References
----------
TOPSIS: Hwang, Yoon (1981). Weighted rank-sum ratio (WRSR): Tian Fengdiao (1988).
"""

from __future__ import annotations

import numpy as np

from toolkit.programme.item_scores import ranks


def combined(how: str, scores: np.ndarray, weights: np.ndarray, *, share: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the group, and the weights that each unit's members carried.

    Parameters
    ----------
    scores
        Shape (units, members), missing NaN.
    weights
        Shape (members,) or (units, members), not negative; 0 where a member does not apply to a unit.
    share
        Whether the weight of a missing member goes to the others in proportion; else the unit has no score.

    Returns
    -------
    tuple
        Shape (units,), missing NaN; shape (units, members), rows summing to 1 or missing.
    """
    there = ~np.isnan(scores)
    wanted = np.broadcast_to(weights, scores.shape)
    carried = np.where(there, wanted, 0.0)
    total = carried.sum(axis=1, keepdims=True)
    if not share:
        total = np.where((there | (wanted == 0)).all(axis=1, keepdims=True), total, 0.0)
    carried = carried / np.where(total > 0, total, np.nan)
    return _WAYS[how](scores, carried), carried


def _arithmetic(scores: np.ndarray, carried: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.isnan(carried[:, 0]), np.nan, (np.nan_to_num(scores) * carried).sum(axis=1)))


def _geometric(scores: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Exp Σ w ln s: a score of 0 makes the whole 0; one below 0 has no geometric mean."""
    used = np.nan_to_num(carried) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(used, np.nan_to_num(carried) * np.log(np.where(used, scores, 1.0)), 0.0)
    return np.asarray(np.where(np.isnan(carried[:, 0]), np.nan, np.exp(logs.sum(axis=1))))


def _topsis(scores: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Nearness to the best of every member against distance from the worst, 0 … 1."""
    if np.isnan(scores).all():
        return np.full(len(scores), np.nan)
    length = np.sqrt(np.nansum(scores**2, axis=0))
    scaled = scores / np.where(length > 0, length, 1.0)
    best, worst = np.nanmax(scaled, axis=0), np.nanmin(scaled, axis=0)
    to_best, to_worst = (
        np.sqrt(np.nansum((np.nan_to_num(carried) * (scaled - ideal)) ** 2, axis=1)) for ideal in (best, worst)
    )
    both = to_best + to_worst
    nearness = np.where(both > 0, to_worst / np.where(both > 0, both, 1.0), 0.5)
    return np.asarray(np.where(np.isnan(carried[:, 0]), np.nan, nearness))


def _wrsr(scores: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """Σ weight × rank / units: between 1 / units and 1."""
    units = max(int((~np.isnan(carried[:, 0])).sum()), 1)
    placed = np.column_stack([ranks(scores[:, k]) for k in range(scores.shape[1])])
    return _arithmetic(placed / units, carried)


_WAYS = {"arithmetic": _arithmetic, "geometric": _geometric, "topsis": _topsis, "wrsr": _wrsr}
