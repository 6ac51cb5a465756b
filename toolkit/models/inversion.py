"""Where a monotone function of many cells at once crosses a level: for limits and sample sizes without a closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 80  # halvings: the bracket ends below the spacing of floats


def crossing(
    function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray, level: float
) -> np.ndarray:
    """For every cell the argument in [low, high] at which an increasing `function` reaches `level`.

    Where it stays on one side of the level the nearer end comes back; callers that mind look at the ends themselves.
    """
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    for _ in range(STEPS):
        middle = (low + high) / 2
        below = function(middle) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
