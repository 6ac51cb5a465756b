"""Weights by pairwise comparison (AHP): the principal eigenvector of a matrix, and how far the matrix contradicts itself.

References
----------
Saaty (1980), The Analytic Hierarchy Process, also for the random index.
"""

from __future__ import annotations

import numpy as np

RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49)  # of 1 … 10 members
LARGEST_INCONSISTENCY = 0.1
RECIPROCAL = 0.02  # relative: 0.333 stands for 1/3


def pairwise(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Principal eigenvector of a pairwise matrix, summing to 1, and its consistency ratio.

    Raises
    ------
    ValueError
        The matrix is not positive, not reciprocal, or larger than the random index is known for.
    """
    size = len(matrix)
    if not ((matrix > 0).all() and np.allclose(matrix * matrix.T, 1, rtol=RECIPROCAL)):
        raise ValueError(
            "判断矩阵须为正且互为倒数：第 i 行第 j 列是第 j 行第 i 列的倒数，对角线为 1 (the matrix is not reciprocal)"
        )
    if size > len(RANDOM_INDEX):
        raise ValueError(
            f"判断矩阵最多 {len(RANDOM_INDEX)} 项，请分成两级再比较 (too many members to compare in pairs)"
        )
    values, vectors = np.linalg.eig(matrix)
    first = int(np.argmax(values.real))
    weights = np.abs(vectors[:, first].real)
    index = (values[first].real - size) / (size - 1) if size > 1 else 0.0
    ratio = index / RANDOM_INDEX[size - 1] if RANDOM_INDEX[size - 1] else 0.0
    return weights / weights.sum(), float(max(ratio, 0.0))


def require_consistent(matrix: np.ndarray) -> None:
    """Refuse what contradicts itself too far.

    Raises
    ------
    ValueError
        As of `pairwise`, or the consistency ratio is above 0.1.
    """
    _weights, ratio = pairwise(matrix)
    if ratio > LARGEST_INCONSISTENCY:
        raise ValueError(
            f"判断矩阵的一致性比率 {ratio:.3f}，大于 {LARGEST_INCONSISTENCY}，请专家复核互相矛盾的两两比较"
            " (the pairwise matrix contradicts itself)"
        )
