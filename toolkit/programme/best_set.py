"""The set of the highest worth under linear rules, as an integer programme (scipy's HiGHS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

TOLERANCE = 1e-9
FOREMOST, LEAST_FOREMOST = 6, 40  # applicants for each place that are looked at first


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the programme: `low` ≤ Σ coefficient ≤ `high` over the chosen; `of` the limit it comes from.

    `share` of a limit on a share of the places: its coefficients are those inside less the share.
    """

    of: str
    title: str
    coefficients: np.ndarray
    low: float
    high: float
    share: float = 0.0


def best_filling(
    worth: np.ndarray, rules: Sequence[Rule], barred: np.ndarray, places: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The best set of so many applicants, looked for among the foremost first.

    Whatever set holds one who is not among them is worth at most the `places` − 1 best and the next: where the best set among
    the foremost is worth more, it is the best of all.

    Returns
    -------
    tuple
        The applicants that a set of this worth can hold, and the set, or None where no set keeps the rules.
    """
    able = np.flatnonzero(~barred)
    order = able[np.argsort(-worth[able], kind="stable")]
    number = max(FOREMOST * places, LEAST_FOREMOST)
    while number < len(order) and places:
        kept = np.zeros(len(worth), dtype=bool)
        kept[order[:number]] = True
        found = best(worth, rules, ~kept)
        most = float(worth[order[: places - 1]].sum() + worth[order[number]])
        if found is not None and float(worth @ found) > most + TOLERANCE:
            return kept, found
        number *= 4
    return ~barred, best(worth, rules, barred)


def best(worth: np.ndarray, rules: Sequence[Rule], barred: np.ndarray) -> np.ndarray | None:
    """The set of the highest worth that keeps the rules."""
    chosen, able = np.zeros(len(worth), dtype=bool), np.flatnonzero(~barred)
    coefficients = np.array([r.coefficients[able] for r in rules]).reshape(len(rules), len(able))
    low, high = np.array([r.low for r in rules]), np.array([r.high for r in rules])
    if not len(able):
        return chosen if (low <= 0).all() and (high >= 0).all() else None
    # a rule that not even all applicants together could break costs time and decides nothing
    felt = np.isfinite(low) | (np.maximum(coefficients, 0).sum(axis=1) > high)
    rows = scipy.sparse.csr_array(coefficients[felt])
    found = scipy.optimize.milp(
        -worth[able],
        constraints=[scipy.optimize.LinearConstraint(rows, low[felt], high[felt] + TOLERANCE)] if felt.any() else [],
        bounds=scipy.optimize.Bounds(0, 1),
        integrality=np.ones(len(able)),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    chosen[able] = found.x > 0.5
    return chosen
