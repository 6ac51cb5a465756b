"""What a picture is made of, as declarations: marks in panels, and words beside them.

A figure function says what stands where; `drawing` puts it on the page and is the only one that knows with what. Places are
in the units of the panel's axes, sizes and distances in points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from toolkit.reporting.figures.palette import INK, PEER, SHADE, SOFT

Dash: TypeAlias = Literal["-"] | tuple[float, tuple[float, ...]]
Side: TypeAlias = Literal["left", "right", "center"]
Numbers: TypeAlias = Sequence[float] | np.ndarray | pd.Series

SOLID: Dash = "-"
DASHED: Dash = (0, (5, 2))
DOTTED: Dash = (0, (1, 1.5))
SHORT: Dash = (0, (4, 2))
MIXED: Dash = (0, (5, 2, 1, 2))
HATCHED = "//////"


@dataclass(frozen=True, kw_only=True)
class Sign:
    """The sign of a point. Shapes differ wherever colours do, so that a picture reads in grey; `rim` edges a filled one."""

    marker: str
    colour: str = PEER
    size: float = 4
    filled: bool = True
    rim: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Signs at places; `name` stands in the legend, where the picture has one. `clipped`: cut at the axes' ends.

    `says`: of each point, what a pointer or the keyboard reads there; empty where points say nothing of their own. A place that
    is missing says nothing.
    """

    x: Numbers
    y: Numbers
    sign: Sign
    name: str = ""
    clipped: bool = True
    layer: float = 3
    says: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """A line through places; a missing value is a gap. `stepped`: level between the middles of neighbours."""

    x: Numbers
    y: Numbers
    colour: str = SOFT
    width: float = 0.9
    dash: Dash = SOLID
    alpha: float = 1
    stepped: bool = False
    layer: float = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Strokes:
    """Straight strokes from (x, y) to (to_x, to_y), all as one path: a curve of 2,000 choices would weigh 3 MB otherwise."""

    x: Numbers
    y: Numbers
    to_x: Numbers
    to_y: Numbers
    colour: str = SOFT
    width: float = 1
    dash: Dash = SOLID
    layer: float = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """Filled boxes from (x, y) to (to_x, to_y)."""

    x: Numbers
    y: Numbers
    to_x: Numbers
    to_y: Numbers
    colour: str
    hatch: str = ""
    layer: float = 1


@dataclass(frozen=True, kw_only=True)
class Band:
    """A stretch of one axis over the whole panel; with a `hatch`, its strokes in `colour` on white."""

    along: Literal["x", "y"]
    low: float
    high: float
    colour: str = SHADE
    hatch: str = ""
    layer: float = 0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A line over the whole panel at one place of an axis."""

    along: Literal["x", "y"]
    at: float
    colour: str = INK
    width: float = 0.8
    dash: Dash = SOLID
    layer: float = 1


@dataclass(frozen=True, kw_only=True)
class Words:
    """Text at `x`: above the panel, at its foot, or in its middle (on white)."""

    x: float
    text: str
    where: Literal["above", "foot", "middle"]
    align: Side = "center"
    shift: float = 0
    colour: str = SOFT
    size: float = 8


Mark: TypeAlias = Points | Line | Strokes | Boxes | Band | Rule | Words


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """One axis of a panel.

    Parameters
    ----------
    low, high
        Its ends; high < low runs the other way.
    ticks
        Where ticks stand; None leaves round numbers to the drawing, at most `most` of them (whole ones with `whole`).
    names
        Words at the ticks; None prints the numbers with `write`, or as they are.
    colours
        Of the names, where they differ.
    """

    low: float
    high: float
    label: str = ""
    log: bool = False
    ticks: Numbers | None = None
    names: Sequence[str] | None = None
    colours: Sequence[str] | None = None
    write: Callable[[float], str] | None = None
    most: int | None = None
    whole: bool = False
    grid: bool = False
    line: bool = True
    size: float = 8
    tick_length: float = 3


def spanning(*values: Numbers, margin: float = 0.05, foot: float = 0) -> tuple[float, float]:
    """Ends of an axis that holds all `values`, with a margin, and room below for words at the foot; shares of the range."""
    every = np.concatenate([np.asarray(v, dtype=float).ravel() for v in values])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    room = (high - low) or max(abs(high), 1.0) * 0.1
    return low - (margin + foot * (1 + 2 * margin)) * room, high + margin * room


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Text in a column beside the panel, at `y`."""

    y: float
    text: str
    colour: str = INK


@dataclass(frozen=True, kw_only=True)
class Column:
    """Text to the right of the panel, one cell a row, aligned at `points` from it, below a heading."""

    points: float
    cells: Sequence[Cell]
    head: str = ""
    align: Side = "right"
    size: float = 8.5


@dataclass(frozen=True, kw_only=True)
class Label:
    """What ends near `y` on the right: its words, its sign, and the place that a thin line leads from, if any."""

    y: float
    text: str
    colour: str = SOFT
    sign: Sign | None = None
    leader: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels to the right of the panel that keep `room` (a share of its height) between each other, in their order."""

    labels: Sequence[Label]
    room: float = 0.075
    points: float = 4
    size: float = 8
    on_white: bool = False  # a leader may pass below


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Marks between two axes, and what stands to the right of them. `share`: of the height, among panels one below another."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    beside: Sequence[Column | Labels] = ()
    share: float = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """Panels one `below` another with a common x axis, or `abreast`; `height` in inches, `legend` of the named points."""

    panels: Sequence[Panel]
    height: float
    arranged: Literal["below", "abreast"] = "below"
    legend: bool = False
