"""Integer codes of key columns, so that a sum by group is one pass over numbers and not over text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DENSE = 50_000_000


class KeyCodes:
    """Codes of the key columns of one frame; each column is coded once.

    Codes follow the sort order of the values, so that groups come in the order of `sort_values`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._columns: dict[str, tuple[np.ndarray, int]] = {}
        self._groups: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Group number of every row, and the first row of every group, groups in sorted order."""
        key = tuple(names)
        if key not in self._groups:
            code, space = np.zeros(len(self.frame), dtype=np.int64), 1
            for name in names:
                codes, size = self._column(name)
                code, space = code * size + codes, space * size
            self._groups[key] = _numbered(code, space)
        return self._groups[key]

    def _column(self, name: str) -> tuple[np.ndarray, int]:
        if name not in self._columns:
            codes, values = pd.factorize(self.frame[name], sort=True, use_na_sentinel=False)
            self._columns[name] = codes.astype(np.int64), max(len(values), 1)
        return self._columns[name]


def _numbered(code: np.ndarray, space: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes as numbers without gaps, in their order, and the first row of each."""
    steps = np.diff(code)
    if not len(code) or steps.min(initial=0) >= 0:  # sorted already: the cube is, by its own key
        group = np.concatenate([[0], np.cumsum(steps > 0)]) if len(code) else code
        return group, np.flatnonzero(np.concatenate([[True], steps > 0])) if len(code) else code
    if space <= DENSE:  # a mark for every possible code is faster than sorting the codes
        present = np.zeros(space, dtype=bool)
        present[code] = True
        number = np.cumsum(present, dtype=np.int32) - 1
        group = number[code]
        first = np.empty(int(number[-1]) + 1, dtype=np.int64)
        first[group[::-1]] = np.arange(len(code) - 1, -1, -1)  # the last one written is the first row
        return group, first
    _values, first, group = np.unique(code, return_index=True, return_inverse=True)
    return group, first


def distinct(code: np.ndarray, space: int) -> np.ndarray:
    """The different codes, in their order."""
    if space > DENSE:
        return np.unique(code)
    present = np.zeros(space, dtype=bool)
    present[code] = True
    return np.flatnonzero(present)


def sum_by(group: np.ndarray, size: int, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Σ values over the rows of each group; rows are added in their order, so equal input gives equal sums."""
    values = np.asarray(values, dtype=float)
    if rows is not None:
        group, values = group[rows], values[rows]
    # of no rows at all, bincount gives integers
    return np.bincount(group, weights=values, minlength=size).astype(float)
