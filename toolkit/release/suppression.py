"""Which cells must be hidden so that no hidden one can be computed from what stays visible: arithmetic, no tables.

Visible numbers stand in equations *total = sum of parts* (hospitals of a specialty, specialties of a hospital, years of a
cycle …). A hidden cell is safe while no combination of equations gives it, and while the hidden parts of a visible total add
up to enough that none is known from their sum alone. Zeros are known and protect nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SLACK = 3  # how much more than their number the hidden parts of a total must add up to: each could then be another
TINY = 1e-9
LARGEST_SYSTEM = 600  # unknowns solved at once; beyond it, equations are only held against each other one by one


@dataclass(frozen=True, kw_only=True, eq=False)
class Equations:
    """Totals and their parts, by position of the cells.

    Attributes
    ----------
    totals
        One cell an equation.
    part_of, parts
        Pairs (equation, cell), in any order.
    """

    totals: np.ndarray
    part_of: np.ndarray
    parts: np.ndarray

    @staticmethod
    def of(totals: Sequence[int], parts: Sequence[Sequence[int]]) -> Equations:
        """From one list of parts for each total."""
        sizes = [len(one) for one in parts]
        return Equations(
            totals=np.asarray(totals, dtype=np.int64),
            part_of=np.repeat(np.arange(len(sizes)), sizes),
            parts=np.asarray([cell for one in parts for cell in one], dtype=np.int64),
        )


def protected(
    amounts: np.ndarray, hidden: np.ndarray, equations: Equations, least: float, slack: float = SLACK
) -> np.ndarray:
    """`hidden` with as many more cells as are needed (complementary suppression); the smallest are taken first.

    Parameters
    ----------
    amounts
        Count of each cell, at least 0; missing where the table has no such cell.
    hidden
        What the small counts themselves demand.
    least
        What the hidden parts of a visible total add up to, at least.
    slack
        How much more than their number they add up to, at least.
    """
    hidden = hidden.copy()
    present = ~np.isnan(amounts)
    hidden &= present
    known = np.nan_to_num(amounts)
    order = np.lexsort((known[equations.parts], equations.part_of))
    part_of, parts = equations.part_of[order], equations.parts[order]
    size, stated = len(equations.totals), present[equations.totals]
    while True:
        is_hidden, of_part = hidden[equations.totals], hidden[parts]
        count = np.bincount(part_of, of_part, size)
        total = np.bincount(part_of, of_part * known[parts], size)
        lonely = ~is_hidden & (count > 0) & ((count < 2) | (total < np.maximum(least, count + slack)))
        lonely |= is_hidden & (count == 0)
        candidate = ~of_part & present[parts] & (known[parts] > 0) & (lonely & stated)[part_of]
        helped, first = np.unique(part_of[candidate], return_index=True)
        more = parts[candidate][first]
        # no part is left to hide: then the total itself
        alone = lonely & stated & ~is_hidden
        alone[helped] = False
        added = np.concatenate([more, equations.totals[alone]])
        if not len(added):
            solved = determined(hidden, present, equations)
            added = neighbours(solved, hidden, known, present, equations)
            if not len(added):
                return hidden
        hidden[added] = True


def determined(hidden: np.ndarray, present: np.ndarray, equations: Equations) -> np.ndarray:
    """Hidden cells that linear combinations of the equations give exactly, by position."""
    usable = present[equations.totals]
    keep = usable[equations.part_of] & hidden[equations.parts]
    rows = np.concatenate([equations.part_of[keep], np.flatnonzero(usable & hidden[equations.totals])])
    columns = np.concatenate([equations.parts[keep], equations.totals[usable & hidden[equations.totals]]])
    signs = np.concatenate([np.ones(keep.sum()), -np.ones(len(rows) - keep.sum())])
    found: list[np.ndarray] = []
    for part in _components(rows, columns):
        cells, column = np.unique(columns[part], return_inverse=True)
        if len(cells) > LARGEST_SYSTEM:
            continue
        lines, row = np.unique(rows[part], return_inverse=True)
        system = np.zeros((len(lines), len(cells)))
        np.add.at(system, (row, column), signs[part])
        found.append(cells[_solved(system)])
    return np.concatenate(found) if found else np.array([], dtype=np.int64)


def _solved(system: np.ndarray) -> np.ndarray:
    """Unknowns that the equations fix: a pivot of the reduced form with nothing else in its row. Changes `system`."""
    row, fixed = 0, []
    for column in range(system.shape[1]):
        if row == len(system):
            break
        best = row + int(np.argmax(np.abs(system[row:, column])))
        if abs(system[best, column]) < TINY:
            continue
        system[[row, best]] = system[[best, row]]
        system[row] /= system[row, column]
        others = np.flatnonzero(np.abs(system[:, column]) > TINY)
        others = others[others != row]
        system[others] -= np.outer(system[others, column], system[row])
        fixed.append(column)
        row += 1
    alone = (np.abs(system[:row]) > TINY).sum(axis=1) == 1
    return np.asarray(fixed, dtype=np.int64)[alone]


def _components(rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """Groups of entries whose equations share unknowns."""
    if not len(rows):
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    both = coo_array((np.ones(len(rows)), (rows, columns + height)), shape=(height + width, height + width))
    label = connected_components(both, directed=False)[1][rows]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def neighbours(
    solved: np.ndarray, hidden: np.ndarray, known: np.ndarray, present: np.ndarray, equations: Equations
) -> np.ndarray:
    """For each of these hidden cells the smallest visible one that shares an equation with it, by position."""
    chosen = []
    for cell in solved:
        lines = np.union1d(equations.part_of[equations.parts == cell], np.flatnonzero(equations.totals == cell))
        near = np.concatenate([equations.parts[np.isin(equations.part_of, lines)], equations.totals[lines]])
        near = near[~hidden[near] & present[near] & (known[near] > 0)]
        if len(near):
            chosen.append(near[np.argmin(known[near])])
    return np.unique(np.asarray(chosen, dtype=np.int64))
