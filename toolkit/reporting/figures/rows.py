"""Rows: items one under another, or side by side, each with a value, its interval, its sign and what is written beside it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from toolkit.frames import groups_of
from toolkit.reporting.figures.marks import Axis, Cell, Column, Mark, Panel, Points, Side, Sign, Strokes
from toolkit.reporting.figures.palette import INK


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A column of text beside the rows: the frame's columns of words and, where they differ, of their colours."""

    text: str
    points: float
    head: str = ""
    align: Side = "right"
    colour: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Items in the frame's order.

    Parameters
    ----------
    frame
        One row per item, with `sign` (a `Sign`; its colour is the interval's too) and the columns that the other fields name.
        A missing value or limit is not drawn; the row keeps its place.
    axis
        Of the values. What lies beyond its ends is drawn at the end; with `arrows`, an interval that is cut says so.
    label
        The column of names at the left, in the colours of the column `ink` if there is one; "" names none. A row without
        name (`""`) has no tick.
    widths
        The column of widths of the intervals' strokes.
    under
        Marks below the rows, e.g. a reference.
    upright
        Items along the x axis and values upwards.
    items
        The axis of the items, where it is not made from their names.
    interval_colour
        Of all intervals, where it is not that of their signs.
    legend
        What each sign means, in the order of the legend.
    """

    frame: pd.DataFrame
    axis: Axis
    value: str = "value"
    low: str = "low"
    high: str = "high"
    label: str = "label"
    widths: str = ""
    width: float = 1.2
    side: Sequence[Beside] = ()
    under: Sequence[Mark] = ()
    items: Axis | None = None
    size: float = 8
    arrows: bool = False
    upright: bool = False
    interval_colour: str = ""
    legend: Mapping[Sign, str] | None = None

    def panel(self, *, share: float = 1) -> Panel:
        """The panel of the rows."""
        items = self.items or self._items()
        x, y = (items, self.axis) if self.upright else (self.axis, items)
        beside = [self._column(column) for column in self.side]
        return Panel(x=x, y=y, marks=[*self.under, *self._marks()], beside=beside, share=share)

    def _items(self) -> Axis:
        names = self.frame[self.label].tolist() if self.label else []
        places = [k for k, name in enumerate(names) if name]
        ends = (-0.6, len(self.frame) - 0.4)
        low, high = ends if self.upright else ends[::-1]
        named = [names[k] for k in places]
        colours = self.frame["ink"].iloc[places].tolist() if "ink" in self.frame else None
        return Axis(low=low, high=high, ticks=places, names=named, colours=colours, size=self.size)

    def _marks(self) -> Iterator[Mark]:
        """Intervals and points of each sign together, so that a picture of many rows stays small."""
        ends = self.axis.low, self.axis.high
        rows = self.frame.reset_index(drop=True)
        widths = rows[self.widths] if self.widths else pd.Series(self.width, index=rows.index)
        order = {sign: k for k, sign in enumerate(self.legend or ())}
        groups = rows.groupby([rows["sign"], widths], sort=False)
        for (sign, width), part in sorted(groups_of(groups), key=lambda group: order.get(group[0][0], 0)):
            given = part[part[self.low].notna() & part[self.high].notna() & part[self.value].notna()]
            low, high = (given[c].to_numpy(dtype=float) for c in (self.low, self.high))
            colour = self.interval_colour or sign.colour
            yield self._strokes(given.index.to_numpy(), np.clip(low, *ends), np.clip(high, *ends), colour, float(width))
            if self.arrows:
                yield from self._arrows(given.index.to_numpy(), low, high, colour)
            valued = part[part[self.value].notna()]
            values = valued[self.value].to_numpy(dtype=float).clip(*ends)
            said = [self._says(row) for row in valued.to_dict("records")] if self.side else []
            name = (self.legend or {}).get(sign, "")
            yield self._points(valued.index.to_numpy(), values, sign, name=name, says=said)

    def _strokes(self, at: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, width: float) -> Strokes:
        if self.upright:
            return Strokes(x=at, to_x=at, y=low, to_y=high, colour=colour, width=width)
        return Strokes(x=low, to_x=high, y=at, to_y=at, colour=colour, width=width)

    def _arrows(self, at: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> Iterator[Points]:
        back, on = ("v", "^") if self.upright else ("<", ">")
        for beyond, edge, marker in (
            (low < self.axis.low, self.axis.low, back),
            (high > self.axis.high, self.axis.high, on),
        ):
            if beyond.any():
                yield self._points(
                    at[beyond], np.full(beyond.sum(), edge), Sign(marker=marker, colour=colour), clipped=False
                )

    def _points(
        self,
        at: np.ndarray,
        values: np.ndarray,
        sign: Sign,
        *,
        name: str = "",
        clipped: bool = True,
        says: Sequence[str] = (),
    ) -> Points:
        x, y = (at, values) if self.upright else (values, at)
        return Points(x=x, y=y, sign=sign, name=name, clipped=clipped, says=says)

    def _says(self, row: Mapping[Hashable, Any]) -> str:
        """The row's name and what stands beside it: value, interval, cases."""
        named = str(row.get(self.label, "")).replace("\n", "")
        parts = [f"{column.head} {row[column.text]}".strip() for column in self.side if row[column.text]]
        return f"{named}：{'，'.join(parts)}" if parts else ""

    def _column(self, column: Beside) -> Column:
        inks = self.frame[column.colour] if column.colour else [INK] * len(self.frame)
        cells = [
            Cell(y=y, text=text, colour=ink)
            for y, (text, ink) in enumerate(zip(self.frame[column.text], inks, strict=True))
            if text
        ]
        return Column(points=column.points, cells=cells, head=column.head, align=column.align, size=self.size)
