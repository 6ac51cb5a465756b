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


def row_at(frame: pd.DataFrame, label: Key) -> pd.Series:
    """The one row of a label; `frame.loc` gives a frame where there are several."""
    return cast("pd.Series", frame.loc[label])
