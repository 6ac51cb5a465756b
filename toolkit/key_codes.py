"""Integer codes of key columns, so that a sum by group is one pass over numbers and not over text.

Long frames are worked through in parts that stay near the processor: on a frame of millions of rows, most of the time of a
plain array operation goes into getting the memory for its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

DENSE = 50_000_000  # so many possible codes are marked; more are sorted
PART = 600_000  # rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Neighbouring rows of a frame, and the groups that they add to.

    Attributes
    ----------
    rows, groups
        Slices of the frame's rows and of its groups.
    first
        The first row of each of the groups, counted from the part's own; where groups are in order.
    code
        Group of every row of the part, counted from the first of `groups`; where they are not.
    """

    rows: slice
    groups: slice
    first: np.ndarray | None
    code: np.ndarray | None

    @property
    def _size(self) -> int:
        return self.groups.stop - self.groups.start

    def sum(self, values: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Σ values over each group's rows of this part, 0 where it has none of `among`; both by the part's rows."""
        if among is not None and not among.all():
            values = np.where(among, values, 0.0)
        if self.first is None:
            assert self.code is not None  # noqa: S101  one of the two is given
            return np.bincount(self.code, weights=values, minlength=self._size)
        values = values.astype(float, copy=False)
        return values if len(self.first) == len(values) else np.add.reduceat(values, self.first)

    def any(self, among: np.ndarray) -> np.ndarray:
        """Whether the group has one of the rows in this part."""
        if self.first is None:
            assert self.code is not None  # noqa: S101  one of the two is given
            return np.bincount(self.code[among], minlength=self._size) > 0
        return among if len(self.first) == len(among) else np.logical_or.reduceat(among, self.first)


class Groups:
    """The rows of a frame by group; groups are numbered in the sort order of their keys, and none is empty.

    Parameters
    ----------
    code
        Of every row; groups of smaller codes come first.
    space
        Codes are below it.

    Attributes
    ----------
    in_order
        Rows of a group stand together, groups in their order.
    """

    def __init__(self, code: np.ndarray, space: int) -> None:
        self.in_order = all((np.diff(code[a : a + PART + 1]) >= 0).all() for a in range(0, len(code), PART))
        self._different = None
        if not self.in_order and space > DENSE:
            self._different, code = np.unique(code, return_inverse=True)
            space = len(self._different)
        self._code, self._space = code, space

    def __len__(self) -> int:
        return len(self.first) if self.in_order else len(self._present)

    @cached_property
    def _present(self) -> np.ndarray:
        """The codes that occur, in order."""
        marks = np.zeros(self._space, dtype=bool)
        marks[self._code] = True
        return np.flatnonzero(marks)

    @cached_property
    def _number(self) -> np.ndarray:
        """Code -> number of its group."""
        numbers = np.zeros(self._space, dtype=np.int64)
        numbers[self._present] = np.arange(len(self._present))
        return numbers

    @property
    def code(self) -> np.ndarray:
        """The code of every group."""
        if self.in_order:
            return self._code[self.first]
        return self._present if self._different is None else self._different

    @cached_property
    def first(self) -> np.ndarray:
        """The first row of every group."""
        code, step = self._code, PART
        if self.in_order:
            later = [np.flatnonzero(np.diff(code[a : a + step + 1])) + a + 1 for a in range(0, len(code), step)]
            return np.concatenate([np.zeros(min(len(code), 1), dtype=np.int64), *later])
        rows = np.empty(self._space, dtype=np.int64)
        for begin in range((len(code) - 1) // step * step, -1, -step):  # what is written last is the first row
            part = code[begin : begin + step][::-1]
            rows[part] = np.arange(begin + len(part) - 1, begin - 1, -1)
        return rows[self._present]

    @cached_property
    def of_row(self) -> np.ndarray:
        """Group number of every row."""
        if self.in_order:
            return np.repeat(np.arange(len(self)), np.diff(self.first, append=len(self._code)))
        return self._number[self._code]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All rows, part after part; where groups are in order and none is longer than a part, none is in two parts."""
        rows, size = len(self._code), len(self)
        if not rows:
            return ()
        if not self._in_parts:
            step = max(PART, 4 * size)  # every part is as wide as all groups
            return tuple(
                Part(
                    rows=slice(a, min(a + step, rows)),
                    groups=slice(0, size),
                    first=None,
                    code=self.of_row[a : a + step],
                )
                for a in range(0, rows, step)
            )
        begins = np.unique(np.searchsorted(self.first, np.arange(0, rows, PART), side="right") - 1)
        made = []
        for begin, end in zip(begins, np.append(begins[1:], size), strict=True):
            at, until = int(self.first[begin]), int(self.first[end]) if end < size else rows
            within = self.first[begin:end] - at
            made.append(Part(rows=slice(at, until), groups=slice(int(begin), int(end)), first=within, code=None))
        return tuple(made)

    @property
    def _in_parts(self) -> bool:
        """Whole groups make parts."""
        return self.in_order and np.diff(self.first, append=len(self._code)).max(initial=0) <= PART

    @property
    def _whole(self) -> Part:
        """All rows as one part, where they are in order."""
        return Part(rows=slice(0, len(self._code)), groups=slice(0, len(self)), first=self.first, code=None)

    def sum(self, values: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Σ values over the rows of each group, 0 where it has none of `among`; equal input gives equal sums."""
        if self.in_order:
            return self._whole.sum(values, among)
        total = self._by_code(values, among)
        return total if len(self._present) == self._space else total[self._present]

    def spread_sum(self, values: np.ndarray, among: np.ndarray | None = None) -> Callable[[slice], np.ndarray]:
        """The sum of its group for every row, given for one slice of the rows at a time."""
        if not self.in_order:
            by_code = self._by_code(values, among)
            return lambda rows: by_code[self._code[rows]]
        sums = self.sum(values, among)
        return lambda rows: sums[rows] if len(self) == len(self._code) else sums[self.of_row[rows]]

    def _by_code(self, values: np.ndarray, among: np.ndarray | None) -> np.ndarray:
        step = max(PART, 4 * self._space)  # each part is as wide as all codes
        sums = []
        for begin in range(0, len(values), step):
            rows = slice(begin, begin + step)
            part = values[rows] if among is None else np.where(among[rows], values[rows], 0.0)
            sums.append(np.bincount(self._code[rows], weights=part, minlength=self._space))
        return sums[0] if len(sums) == 1 else sum(sums, start=np.zeros(self._space))

    def any(self, among: np.ndarray) -> np.ndarray:
        """Whether the group has one of the rows."""
        if among.all():
            return np.ones(len(self), dtype=bool)
        if self.in_order:
            return self._whole.any(among)
        marks = np.zeros(self._space, dtype=bool)
        marks[self._code[among]] = True
        return marks[self._present]

    def of_rows(self, values: np.ndarray) -> np.ndarray:
        """The group's value for every row."""
        if self.in_order:
            return values if len(self) == len(self._code) else values[self.of_row]
        by_code = np.zeros(self._space, dtype=values.dtype)
        by_code[self._present] = values
        return by_code[self._code]


class KeyCodes:
    """Codes of the key columns of one frame; each column is coded once.

    Codes follow the sort order of the values, so that groups come in the order of `sort_values`.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._columns: dict[str, tuple[np.ndarray, pd.Index]] = {}
        self._groups: dict[tuple[str, ...], Groups] = {}

    def of(self, names: Sequence[str]) -> Groups:
        """The rows grouped by these columns."""
        key = tuple(names)
        if key not in self._groups:
            columns = [self._column(name) for name in names]
            code, space = np.zeros(len(self.frame), dtype=np.int64), 1
            for _codes, values in columns:
                space *= len(values)
            if space > np.iinfo(np.int64).max:
                raise OverflowError(f"{space} possible keys of {', '.join(names)} are more than 64 bits can number")
            for begin in range(0, len(code), PART):
                part = code[begin : begin + PART]
                for codes, values in columns:
                    part *= len(values)
                    part += codes[begin : begin + PART]
            self._groups[key] = Groups(code, space)
        return self._groups[key]

    @property
    def slices(self) -> list[slice]:
        """All rows, some at a time."""
        return [slice(begin, begin + PART) for begin in range(0, len(self.frame), PART)]

    def keys(self, names: Sequence[str]) -> pd.DataFrame:
        """The key values of every group, one row each; text, not categories."""
        left, found = self.of(names).code, {}
        for name in reversed(names):
            values = self._column(name)[1]
            left, place = np.divmod(left, len(values))
            found[name] = values.take(place)
        return pd.DataFrame({name: found[name] for name in names})

    def _column(self, name: str) -> tuple[np.ndarray, pd.Index]:
        """The code of every row and the values in the order of their codes."""
        if name not in self._columns:
            column = self.frame[name]
            if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.is_monotonic_increasing:
                codes, values = column.cat.codes.to_numpy(), column.cat.categories
                if codes.min(initial=0) < 0:  # missing stands last, as in `sort_values`
                    codes = np.where(codes < 0, len(values), codes.astype(np.int64))
                    values = values.insert(len(values), None)
            else:
                if isinstance(column.dtype, pd.CategoricalDtype):  # in the order of the values, not of the categories
                    column = column.astype(column.cat.categories.dtype)
                codes, values = pd.factorize(column, sort=True, use_na_sentinel=False)
                values = pd.Index(values)
            self._columns[name] = codes, values
        return self._columns[name]


def categories(values: pd.Series) -> pd.Series:
    """A text column as categories in sorted order: codes are then at hand wherever it is grouped or looked up."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype("category")
    same = values.cat.categories
    return values if same.is_monotonic_increasing else values.cat.reorder_categories(same.sort_values())
