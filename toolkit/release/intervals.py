"""How closely hidden cells can be told from visible ones: intervals by linear programming, as a reader with a solver finds them.

Visible amounts are taken as known exactly, though most are rounded: what holds against this reader holds against every other.
He knows which cells add up to which, that a hidden number of cases is at least 1 and an amount at least 0, and that events are
among cases. The interval of a hidden cell is from the least to the largest amount that fits all of this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from toolkit.release.suppression import Equations

SAME = 1e-9  # relative: sums of floats
FEW = 6  # cells that are asked for one by one at once
SETTLED = 0.05
ROOM = 1e-6  # of a solver's answer


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """What is added up over cells, some of them hidden.

    Attributes
    ----------
    amounts
        Of each cell, exactly; missing where there is no such cell.
    hidden
        Which cells a reader does not see.
    least
        The smallest amount that a hidden cell can have, as everybody knows.
    width
        How wide the interval of each hidden cell has to be at least; 0: it does not matter.
    """

    amounts: np.ndarray
    hidden: np.ndarray
    least: float
    width: np.ndarray

    def where(self, hidden: np.ndarray) -> Measure:
        """The same with other cells hidden."""
        return replace(self, hidden=hidden)


@dataclass(frozen=True, kw_only=True, eq=False)
class _System:
    """`lines @ z = right, z >= least`; `start` is what is really there, `width` how wide the interval of each unknown has to be.

    `kind`: which measure an unknown is of; -1 for what is lacking in a total.
    """

    lines: csr_array
    right: np.ndarray
    least: np.ndarray
    start: np.ndarray
    width: np.ndarray
    kind: np.ndarray

    def part(self, columns: np.ndarray) -> _System:
        """With these unknowns only, which share no line with another."""
        inside = self.lines[:, columns]
        rows = np.flatnonzero(np.diff(inside.indptr))
        return _System(
            lines=inside[rows],
            right=self.right[rows],
            least=self.least[columns],
            start=self.start[columns],
            width=self.width[columns],
            kind=self.kind[columns],
        )

    def furthest(self, goal: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """The unknowns where `goal @ z` is largest, those of a goal no further than their width from what is known of them."""
        top = 4 * (self.start.max(initial=0) + self.width.max(initial=0) + 1)  # far, so that every goal has an end
        most = np.where(goal > 0, low + self.width, top)
        least = np.where(goal < 0, np.maximum(high - self.width, self.least), self.least)
        bounds = np.column_stack([least, most])
        for presolve in (False, True):  # many small questions: without is faster, and sometimes fails
            found = linprog(
                -goal,
                A_eq=self.lines,
                b_eq=self.right,
                bounds=bounds,
                method="highs-ds",
                options={"presolve": presolve},
            )
            if found.status == 0:
                return np.asarray(found.x)
        return None


class Reader:
    """Somebody who knows how cells add up and asks for intervals; what was asked before he remembers."""

    def __init__(self, equations: Equations) -> None:
        self.equations = equations
        self._told: dict[bytes, list[np.ndarray]] = {}

    def too_narrow(self, measures: Sequence[Measure], parted: bool = False) -> list[np.ndarray]:
        """As of the module."""
        digest = hashlib.sha256(repr([parted, *(one.least for one in measures)]).encode())
        for one in measures:
            for array in (one.amounts, one.hidden, one.width):
                digest.update(array.tobytes())
        key = digest.digest()
        if key not in self._told:
            self._told[key] = too_narrow(measures, self.equations, parted)
        return self._told[key]


def too_narrow(measures: Sequence[Measure], equations: Equations, parted: bool = False) -> list[np.ndarray]:
    """For each measure, the hidden cells whose interval is narrower than it has to be, by position.

    Parameters
    ----------
    measures
        Over the same cells.
    equations
        Totals and parts. Where parts lack something of their total (cases of no specialty), they are known to be at most it.
    parted
        The first measure is, cell by cell, the sum of the second and third: cases with and without the event.
    """
    unknown = [np.flatnonzero(one.hidden & ~np.isnan(one.amounts)) for one in measures]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in unknown])]).astype(int)
    if not starts[-1]:
        return unknown
    system = _system(measures, equations, unknown, starts, parted)
    narrow = _narrow(system)
    return [one[narrow[a:b]] for one, a, b in zip(unknown, starts[:-1], starts[1:], strict=True)]


class _Lines:
    """Equations as they are written down: coefficients of unknowns, and what is known."""

    def __init__(self, unknowns: int) -> None:
        self.unknowns = unknowns
        self.rows: list[np.ndarray] = []
        self.columns: list[np.ndarray] = []
        self.signs: list[np.ndarray] = []
        self.right: list[np.ndarray] = []
        self.slack: list[np.ndarray] = []
        self.height = 0

    def add(self, rows: np.ndarray, columns: np.ndarray, signs: np.ndarray, right: np.ndarray) -> None:
        """Lines numbered from 0; those after go below."""
        self.rows.append(rows + self.height)
        self.columns.append(columns)
        self.signs.append(signs)
        self.right.append(right)
        self.height += len(right)

    def at_most(self, rows: np.ndarray, lacking: np.ndarray) -> None:
        """These of the lines just added hold only with something more, which nobody knows: an unknown of their own."""
        first = self.height - len(self.right[-1])
        self.rows.append(first + rows)
        self.columns.append(self.unknowns + np.arange(len(rows)))
        self.signs.append(np.ones(len(rows)))
        self.slack.append(lacking)
        self.unknowns += len(rows)


def _system(
    measures: Sequence[Measure], equations: Equations, unknown: Sequence[np.ndarray], starts: np.ndarray, parted: bool
) -> _System:
    lines = _Lines(int(starts[-1]))
    size = len(equations.totals)
    column = [np.full(len(one.amounts), -1) for one in measures]
    for at, cells, first in zip(column, unknown, starts[:-1], strict=True):
        at[cells] = first + np.arange(len(cells))
    for one, at in zip(measures, column, strict=True):
        amounts, present = np.nan_to_num(one.amounts), ~np.isnan(one.amounts)
        of_parts = np.bincount(equations.part_of, amounts[equations.parts], size)
        lacking = amounts[equations.totals] - of_parts
        whole = np.abs(lacking) <= SAME * np.maximum(amounts[equations.totals], 1)
        usable = present[equations.totals] & (whole | (lacking > 0))
        line = np.where(usable, np.cumsum(usable) - 1, -1)
        rows = np.concatenate([equations.part_of, np.arange(size)])
        cells = np.concatenate([equations.parts, equations.totals])
        signs = np.concatenate([np.ones(len(equations.parts)), -np.ones(size)])
        known = np.bincount(rows, np.where(at[cells] < 0, signs * amounts[cells], 0), size)
        kept = usable[rows] & (at[cells] >= 0)
        lines.add(line[rows[kept]], at[cells[kept]], signs[kept], -known[usable])
        short = np.flatnonzero(usable & ~whole)
        lines.at_most(line[short], lacking[short])
    if parted:
        whole, inside, outside = column
        cells = unknown[1]
        here = whole[cells] >= 0
        rows = np.concatenate([np.arange(len(cells)), np.arange(len(cells)), np.flatnonzero(here)])
        columns = np.concatenate([inside[cells], outside[cells], whole[cells][here]])
        signs = np.concatenate([np.ones(2 * len(cells)), -np.ones(here.sum())])
        lines.add(rows, columns, signs, np.where(here, 0, measures[0].amounts[cells]))
    slack = np.concatenate(lines.slack)
    matrix = coo_array(
        (np.concatenate(lines.signs), (np.concatenate(lines.rows), np.concatenate(lines.columns))),
        shape=(lines.height, lines.unknowns),
    ).tocsr()
    held = np.flatnonzero(np.diff(matrix.indptr))
    return _System(
        lines=matrix[held],
        right=np.concatenate(lines.right)[held],
        least=np.concatenate([*(np.full(len(c), m.least) for m, c in zip(measures, unknown, strict=True)), 0 * slack]),
        start=np.concatenate([*(m.amounts[c] for m, c in zip(measures, unknown, strict=True)), slack]),
        width=np.concatenate([*(m.width[c] for m, c in zip(measures, unknown, strict=True)), 0 * slack]),
        kind=np.concatenate([*(np.full(len(c), k) for k, c in enumerate(unknown)), np.full(len(slack), -1)]),
    )


def _narrow(system: _System) -> np.ndarray:
    """Which unknowns have an interval narrower than asked.

    Any two solutions show how far apart an unknown can be, all unknowns at once; so goals at random, for one measure at a time,
    settle most of them, and each of the others is asked for by itself.
    """
    low, high = system.start.copy(), system.start.copy()
    labels = connected_components(abs(system.lines).T @ abs(system.lines), directed=False)[1]
    scale = 1 / np.where(system.width > 0, system.width, 1)
    random = np.random.default_rng(0)
    everything = np.arange(len(low))

    def narrow() -> np.ndarray:
        return high - low < system.width * (1 - ROOM)

    def ask(goal: np.ndarray) -> None:
        columns = everything[np.isin(labels, labels[goal != 0])]
        found = system.part(columns).furthest(goal[columns], low[columns], high[columns])
        if found is not None:
            low[columns], high[columns] = np.minimum(low[columns], found), np.maximum(high[columns], found)

    lines = system.lines.tocsc()

    def apart(cells: np.ndarray) -> np.ndarray:
        """As many of these as share no line with each other: each can be moved while the others are."""
        used, chosen = np.zeros(lines.shape[0], dtype=bool), np.zeros(len(low), dtype=bool)
        for cell in random.permutation(cells):
            mine = lines.indices[lines.indptr[cell] : lines.indptr[cell + 1]]
            if not used[mine].any():
                used[mine], chosen[cell] = True, True
        return chosen

    everywhere = np.where(random.random(len(low)) < 0.5, -scale, scale)
    ask(everywhere * narrow())
    idle, sign = 0, 1.0
    while (left := np.flatnonzero(narrow())).size > FEW and idle < 2:
        ask(sign * scale * apart(left))
        idle = idle + 1 if len(left) - narrow().sum() < SETTLED * min(len(left), 40) else 0
        sign = -sign
    for cell in np.flatnonzero(narrow()):
        for sign in (1.0, -1.0):
            if high[cell] - low[cell] < system.width[cell] * (1 - ROOM):
                ask(sign * scale * (everything == cell))
    return narrow()
