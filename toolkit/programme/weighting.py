"""Weights of the members of a group: given, equal, by entropy, by pairwise comparison (AHP).

References
----------
AHP and the random index: Saaty (1980), The Analytic Hierarchy Process. Entropy: Shannon (1948); as weights: Zeleny (1982).
"""

from __future__ import annotations

import numpy as np

from toolkit.errors import ParameterError
from toolkit.programme.systems import Group, Pairwise

RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)  # of 1 … 10 members
LARGEST_INCONSISTENCY = 0.1


def weights_of(group: Group, scores: np.ndarray) -> np.ndarray:
    """The weights of a group's members, summing to 1.

    Parameters
    ----------
    scores
        Shape (units, members): what entropy looks at; missing NaN.

    Raises
    ------
    ParameterError
        A pairwise matrix that contradicts itself.
    """
    size = len(group.members)
    if group.weights is None:
        given = [member.weight for member in group.members]
        known = np.array([1.0 if w is None else w for w in given])
        return known / known.sum()
    if isinstance(group.weights, Pairwise):
        weights, ratio = pairwise(np.array(group.weights.matrix, dtype=float), where=group.id)
        if ratio > LARGEST_INCONSISTENCY:
            raise ParameterError(
                f"{group.id} 的判断矩阵一致性比率 {ratio:.3f}，大于 {LARGEST_INCONSISTENCY}",
                "the pairwise matrix contradicts itself",
                where=f"{group.id}.weights.matrix",
                remedy="请专家复核互相矛盾的两两比较后重填",
                remedy_english="have the comparisons that contradict each other reviewed",
            )
        return weights
    return np.full(size, 1 / size) if group.weights.by == "equal" else entropy(scores)


def pairwise(matrix: np.ndarray, *, where: str = "") -> tuple[np.ndarray, float]:
    """Principal eigenvector of a pairwise matrix, summing to 1, and its consistency ratio.

    Raises
    ------
    ParameterError
        The matrix is not reciprocal or not positive.
    """
    size = len(matrix)
    if not ((matrix > 0).all() and np.allclose(matrix * matrix.T, 1, rtol=0.02)):
        raise ParameterError(
            f"{where} 的判断矩阵须为正且互为倒数",
            "the matrix is not reciprocal",
            where=f"{where}.weights.matrix",
            remedy="第 i 行第 j 列应为第 j 行第 i 列的倒数，对角线为 1",
            remedy_english="a[i][j] = 1 / a[j][i], 1 on the diagonal",
        )
    if size > len(RANDOM_INDEX):
        raise ParameterError(
            f"判断矩阵最多 {len(RANDOM_INDEX)} 项",
            "too many members for pairwise comparison",
            where=f"{where}.weights.matrix",
            remedy="分成两级再比较",
            remedy_english="divide into two levels",
        )
    values, vectors = np.linalg.eig(matrix)
    first = int(np.argmax(values.real))
    weights = np.abs(vectors[:, first].real)
    index = (values[first].real - size) / (size - 1) if size > 1 else 0.0
    ratio = index / RANDOM_INDEX[size - 1] if RANDOM_INDEX[size - 1] else 0.0
    return weights / weights.sum(), float(max(ratio, 0.0))


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
