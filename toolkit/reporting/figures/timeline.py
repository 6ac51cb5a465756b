"""Timeline: places in time with what was measured there, stretches that are not like the others, and where a project began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.reporting.content.blocks import printable
from toolkit.reporting.figures.marks import SOLID, Axis, Band, Dash, Labels, Mark, Panel, Rule, Words
from toolkit.reporting.figures.palette import INK


@dataclass(frozen=True, kw_only=True)
class Shock:
    """A stretch of time that is not like the others, shaded: years, both ends included."""

    start: int
    end: int
    label: str


COVID = Shock(start=2020, end=2022, label="新冠疫情")


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Places 0, 1, 2 … on the x axis, each a year, a quarter or a month.

    Parameters
    ----------
    years
        The calendar year of every place.
    marks
        What is drawn there, x counted in places.
    values
        The y axis.
    ticks, names
        Places that are named, and their names.
    start
        The first place of the after cycle; a line stands before it, if there are places on both sides. None: no project.
    shocks
        Years shaded; those outside the data are left out. `shocks_above`: named above, where marks fill the foot.
    """

    years: np.ndarray
    marks: Sequence[Mark]
    values: Axis
    ticks: Sequence[int]
    names: Sequence[str]
    label: str = ""
    size: float = 8
    start: int | None = None
    after: str = "建设期"
    dash: Dash = SOLID
    shocks: Sequence[Shock] = ()
    shocks_above: bool = False
    beside: Sequence[Labels] = ()
    edge: float = 0.5

    def panel(self) -> Panel:
        """The panel of the timeline."""
        ends = -self.edge, len(self.years) - 1 + self.edge
        axis = Axis(low=ends[0], high=ends[1], label=self.label, ticks=self.ticks, names=self.names, size=self.size)
        return Panel(x=axis, y=self.values, marks=[*self._shaded(), *self._start(), *self.marks], beside=self.beside)

    def _shaded(self) -> Iterator[Mark]:
        for shock in self.shocks:
            inside = np.flatnonzero((self.years >= shock.start) & (self.years <= shock.end))
            if not len(inside):
                continue
            low, high = inside[0] - 0.5, inside[-1] + 0.5
            yield Band(along="x", low=low, high=high)
            if self.shocks_above:
                yield Words(x=low, text=printable(shock.label), where="above", align="left")
            else:
                yield Words(x=(low + high) / 2, text=printable(shock.label), where="foot")

    def _start(self) -> Iterator[Mark]:
        if self.start is None or not 0 < self.start < len(self.years):
            return
        at = self.start - 0.5
        yield Rule(along="x", at=at, colour=INK, dash=self.dash)
        yield Words(x=at, text="建设前", where="above", align="right", shift=-5)
        yield Words(x=at, text=self.after, where="above", align="left", shift=5)
