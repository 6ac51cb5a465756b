"""Risk grades for change that do not rest on the deaths that they are used to judge.

Graded by the deaths of the period before, the DRGs that come out as low risk are those that happened to have few deaths then:
with mortality that never changes, "low-risk mortality" rises from the one period to the next. So a hospital's DRGs are
graded by the deaths of the other hospitals, with the same grades in both periods; where there is only one hospital, by the
other years of the period before, the years of the period after taking their turn in the same order.
"""

from __future__ import annotations

import numpy as np

from toolkit.params import RiskPolicy
from toolkit.reference.grades import grades_of_many

AT_ONCE = 64  # folds graded together: each holds a number for every DRG


def left_out_grades(
    fold: np.ndarray, drg: np.ndarray, n: np.ndarray, died: np.ndarray, inside: np.ndarray, policy: RiskPolicy
) -> np.ndarray:
    """The grade of every row's DRG from the rows inside the reference that are of another fold.

    Parameters
    ----------
    fold, drg
        Codes of every row, from 0.
    n, died
        Discharges with known outcome and deaths of every row.
    inside
        Whether the row is of the reference.

    Returns
    -------
    np.ndarray
        0–4, missing where the DRG has too few cases elsewhere, or elsewhere has too few deaths to grade by at all.
    """
    if not len(fold):
        return np.zeros(0)
    folds, drgs = int(fold.max()) + 1, int(drg.max()) + 1
    place = fold.astype(np.int64) * drgs + drg
    cases, deaths = (
        np.bincount(place[inside], weights=v[inside], minlength=folds * drgs).reshape(folds, drgs)
        for v in (n.astype(float), died.astype(float))
    )
    whole = cases.sum(axis=0), deaths.sum(axis=0)
    found = np.empty((folds, drgs))
    for begin in range(0, folds, AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        found[part] = grades_of_many(whole[0] - cases[part], whole[1] - deaths[part], whole, policy)
    return found.reshape(-1)[place]


def year_folds(year: np.ndarray, first: int, last: int) -> np.ndarray:
    """The number of every year within the period before; years after it take the same numbers in turn."""
    return (year - first) % (last - first + 1)
