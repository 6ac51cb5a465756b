"""Frames as a type checker is to see them: to pandas' stubs a cell is one of a dozen types and a column's name any key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

if TYPE_CHECKING:
    from pandas.api.typing import DataFrameGroupBy

Key = Any  # the label of a row or group: a text, a year, or a tuple of these
Row = Any  # one row of a frame, its cells by name: of what type each is, the table's declaration says


def rows_of(frame: pd.DataFrame, *, index: bool = True) -> Iterator[Row]:
    """Row by row, as `itertuples`."""
    return iter(frame.itertuples(index=index))


def names_of(frame: pd.DataFrame) -> list[str]:
    """The names of the columns; of the toolkit's frames every one is text."""
    return [str(name) for name in frame]


def groups_of(grouped: DataFrameGroupBy) -> Iterator[tuple[Key, pd.DataFrame]]:
    """Group by group: the key, a tuple where there are several, and its rows."""
    return iter(grouped)


def with_columns(frame: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """`frame.assign` for frames of a hundred columns, into which pandas would rather not have another inserted; none is copied.

    Parameters
    ----------
    columns
        Series of the frame's index, arrays of its length, or one value for all rows.
    """
    kept = {name: frame[name] for name in names_of(frame)}
    return pd.DataFrame({**kept, **columns}, index=frame.index, copy=False)


def row_at(frame: pd.DataFrame, label: Key) -> pd.Series:
    """The one row of a label; `frame.loc` gives a frame where there are several."""
    return cast("pd.Series", frame.loc[label])
