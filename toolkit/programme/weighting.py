"""Weights of the members of a group: given, equal, by entropy, by pairwise comparison (AHP).

References
----------
Entropy: Shannon (1948); as weights: Zeleny (1982).
"""

from __future__ import annotations

import numpy as np

from toolkit.programme.pairwise import pairwise
from toolkit.programme.systems import Group, Pairwise


def weights_of(group: Group, scores: np.ndarray) -> np.ndarray:
    """The weights of a group's members, summing to 1.

    Parameters
    ----------
    scores
        Shape (units, members): what entropy looks at; missing NaN.
    """
    size = len(group.members)
    if group.weights is None:
        given = [member.weight for member in group.members]
        known = np.array([1.0 if w is None else w for w in given])
        return known / known.sum()
    if isinstance(group.weights, Pairwise):
        return pairwise(np.array(group.weights.matrix, dtype=float))[0]
    return np.full(size, 1 / size) if group.weights.by == "equal" else entropy(scores)


def entropy(scores: np.ndarray) -> np.ndarray:
    """Weights by how much members tell units apart: 1 − entropy of each member's shares, normalised.

    Scores are brought to 0 … 1 first; units that lack a member do not count in it. All alike everywhere: equal weights.
    """
    size = scores.shape[1]
    spread = np.zeros(size)
    for k in range(size):
        own = scores[~np.isnan(scores[:, k]), k]
        if len(own) < 2 or np.ptp(own) == 0:
            continue
        share = (own - own.min()) / np.ptp(own)
        share = share / share.sum()
        positive = share[share > 0]
        spread[k] = 1 + (positive * np.log(positive)).sum() / np.log(len(own))
    return spread / spread.sum() if spread.sum() > 0 else np.full(size, 1 / size)
