"""Classes of units by their scores: given limits, quantiles, k-means. 1 is the lowest class.

References
----------
K-means as SAS FASTCLUS does it, with STRICT: CMS Overall Hospital Quality Star Rating, SAS pack v4.
"""

from __future__ import annotations

import numpy as np

from toolkit.programme.systems import CutPoints, KMeans, Quantiles

MOST_STEPS = 1000
CLOSE = 1e-12


def classed(rule: CutPoints | Quantiles | KMeans, scores: np.ndarray) -> np.ndarray:
    """The class of every score, 1 … k, missing where there is none; shape (units,)."""
    found = np.full(len(scores), np.nan)
    known = ~np.isnan(scores)
    if not known.any():
        return found
    own = scores[known]
    if isinstance(rule, KMeans):
        found[known] = k_means(own, rule.classes, rule.strict) + 1
    else:
        limits = np.quantile(own, rule.at) if isinstance(rule, Quantiles) else np.array(rule.at)
        found[known] = np.searchsorted(limits, own, side="right") + 1
    return found


def k_means(values: np.ndarray, classes: int, strict: float | None = None) -> np.ndarray:
    """Class 0 … k − 1 of every value, ordered by centre; begun at the medians of equal parts of the values.

    `strict`: after convergence once more from these centres, values farther than this from the nearest left out of it.
    """
    parts = np.searchsorted(equal_parts(values, classes), values, side="left")
    centres = np.array([np.median(values[parts == k]) for k in range(classes) if (parts == k).any()])
    centres, place = _settled(values, centres, np.ones(len(values), dtype=bool))
    if strict is not None:
        near = np.abs(values - centres[place]) <= strict
        centres, _ = _settled(values, centres, near)
        place = _nearest(values, centres)
    order = np.argsort(np.argsort(centres))
    return np.asarray(order[place])


def _settled(values: np.ndarray, centres: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = _nearest(values, centres)
    for _ in range(MOST_STEPS):
        moved = centres.copy()
        for k in range(len(centres)):
            if (own := values[moving & (place == k)]).size:
                moved[k] = own.mean()
        place = _nearest(values, moved)
        if np.abs(moved - centres).max() <= CLOSE:
            return moved, place
        centres = moved
    return centres, place


def _nearest(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(values[:, None] - centres).argmin(axis=1))


def equal_parts(values: np.ndarray, parts: int) -> np.ndarray:
    """The parts − 1 quantiles by averages of neighbours where n·p is whole (SAS percentile definition 5)."""
    ordered, size = np.sort(values), len(values)
    found = []
    for k in range(1, parts):
        whole, rest = divmod(size * k, parts)
        found.append((ordered[whole - 1] + ordered[min(whole, size - 1)]) / 2 if rest == 0 else ordered[whole])
    return np.array(found)
