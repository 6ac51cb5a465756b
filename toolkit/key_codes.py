"""Integer codes of key columns, so that a sum by group is one pass over numbers and not over text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

DENSE = 50_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """The rows of a frame by group; groups are numbered in the sort order of their keys.

    Attributes
    ----------
    of_row
        Group number of every row.
    first
        The first row of every group; no group is empty.
    in_order
        Rows of a group stand together, groups in their order.
    """

    of_row: np.ndarray
    first: np.ndarray
    in_order: bool

    def __len__(self) -> int:
        return len(self.first)

    def sum(self, values: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Σ values over the rows of each group, 0 where it has none of `rows`; equal input gives equal sums."""
        values = np.asarray(values, dtype=float)
        if rows is not None and not rows.all():
            values = np.where(rows, values, 0.0)
        if not len(self):
            return np.zeros(0)
        if len(self) == len(values) and self.in_order:
            return values
        if self.in_order:
            return np.add.reduceat(values, self.first)
        return np.bincount(self.of_row, weights=values, minlength=len(self))

    def any(self, rows: np.ndarray) -> np.ndarray:
        """Whether the group has one of the rows."""
        if not len(self) or rows.all():
            return np.ones(len(self), dtype=bool)
        if self.in_order:
            return np.logical_or.reduceat(rows, self.first)
        return np.bincount(self.of_row[rows], minlength=len(self)) > 0


class KeyCodes:
    """Codes of the key columns of one frame; each column is coded once.

    Codes follow the sort order of the values, so that groups come in the order of `sort_values`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._columns: dict[str, tuple[np.ndarray, int]] = {}
        self._groups: dict[tuple[str, ...], Groups] = {}

    def of(self, names: Sequence[str]) -> Groups:
        """The rows grouped by these columns."""
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
            column = self.frame[name]
            if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.is_monotonic_increasing:
                codes, size = column.cat.codes.to_numpy(), len(column.cat.categories)
                if codes.min(initial=0) < 0:  # missing stands last, as in `sort_values`
                    codes, size = np.where(codes < 0, size, codes), size + 1
            else:
                codes, values = pd.factorize(column, sort=True, use_na_sentinel=False)
                size = len(values)
            self._columns[name] = codes.astype(np.int64), max(size, 1)
        return self._columns[name]


def _numbered(code: np.ndarray, space: int) -> Groups:
    """Codes as numbers without gaps, in their order."""
    if not len(code):
        return Groups(of_row=code, first=code, in_order=True)
    steps = np.diff(code)
    if steps.min(initial=0) >= 0:  # sorted already: the cube is, by its own key
        new = np.concatenate([[True], steps > 0])
        return Groups(of_row=np.cumsum(new) - 1, first=np.flatnonzero(new), in_order=True)
    if space <= DENSE:  # a mark for every possible code is faster than sorting the codes
        present = np.zeros(space, dtype=bool)
        present[code] = True
        number = np.cumsum(present, dtype=np.int32) - 1
        group = number[code]
        first = np.empty(int(number[-1]) + 1, dtype=np.int64)
        first[group[::-1]] = np.arange(len(code) - 1, -1, -1)  # the last one written is the first row
        return Groups(of_row=group, first=first, in_order=False)
    _values, first, group = np.unique(code, return_index=True, return_inverse=True)
    return Groups(of_row=group, first=first, in_order=False)


def distinct(code: np.ndarray, space: int) -> np.ndarray:
    """The different codes, in their order."""
    if space > DENSE:
        return np.unique(code)
    present = np.zeros(space, dtype=bool)
    present[code] = True
    return np.flatnonzero(present)


def categories(values: pd.Series) -> pd.Series:
    """A text column as categories in sorted order: codes are then at hand wherever it is grouped or looked up."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype("category")
