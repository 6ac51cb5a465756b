"""From a declared picture to a figure block: the one place where axes, marks and words beside them are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis as Drawn
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from toolkit.errors import ContractBroken
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.figures.labels import apart
from toolkit.reporting.figures.light_svg import SAYS
from toolkit.reporting.figures.marks import (
    Axis,
    Band,
    Boxes,
    Column,
    Labels,
    Line,
    Mark,
    Numbers,
    Panel,
    Picture,
    Points,
    Rule,
    Strokes,
    Words,
)
from toolkit.reporting.figures.palette import RULE, SOFT
from toolkit.reporting.figures.style import chart

WHITE = {"facecolor": "white", "edgecolor": "none"}


def figure(picture: Picture, *, id: str, caption: str, alt: str, note: str = "") -> Figure:
    """The block of a declared picture; equal declarations give equal bytes."""

    def draw(canvas: Canvas) -> dict[int, list[str]]:
        panels = picture.panels
        below = picture.arranged == "below"
        heights = {"height_ratios": [p.share for p in panels], "hspace": 0.05} if below else {}
        grid = canvas.add_gridspec(*((len(panels), 1) if below else (1, len(panels))), **heights)
        first: Axes | None = None
        says: dict[int, list[str]] = {}
        for place, panel in zip(grid, panels, strict=True):
            axes = canvas.add_subplot(place, sharex=first if below else None)
            _draw(panel, axes, says)
            first = first or axes
        if picture.legend:
            # outside, over the whole width: five verdicts are wider than the axes beside the long names of choices
            canvas.legend(
                loc="outside upper left", fontsize=8, frameon=False, ncols=5, handletextpad=0.2, columnspacing=1.2
            )
        return says

    return chart(draw, height=picture.height, id=id, caption=caption, alt=alt, note=note)


def nothing(caption: str) -> Note:
    """The note that stands in place of a chart without data."""
    return Note(text=f"“{caption}”未作图：没有符合条件的数据。")


def require_columns(frame: pd.DataFrame, columns: Sequence[str], figure: str) -> None:
    """Refuse a frame that lacks a column the chart needs."""
    if absent := [c for c in columns if c not in frame.columns]:
        raise ContractBroken(f"图 {figure} 缺少列 {'、'.join(absent)}", f"figure {figure} lacks columns {absent}")


def _draw(panel: Panel, axes: Axes, says: dict[int, list[str]]) -> None:
    axes.set(xscale="log" if panel.x.log else "linear", yscale="log" if panel.y.log else "linear")
    for mark in panel.marks:
        _put(mark, axes)
        if isinstance(mark, Points) and mark.says:
            axes.lines[-1].set_gid(f"{SAYS}{len(says)}")
            places = zip(mark.x, mark.y, mark.says, strict=True)
            says[len(says)] = [said for x, y, said in places if np.isfinite(x) and np.isfinite(y)]
    # the ends are set last: what is drawn would move them
    axes.set(xlim=(panel.x.low, panel.x.high), ylim=(panel.y.low, panel.y.high))
    axes.set(xlabel=panel.x.label, ylabel=panel.y.label)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(panel.x.line)
    for name, axis, declared in (("x", axes.xaxis, panel.x), ("y", axes.yaxis, panel.y)):
        _ticks(axis, declared)
        axes.tick_params(axis=name, length=0 if name == "y" else declared.tick_length)
        if declared.grid:
            axes.grid(axis=name, color=RULE, linewidth=0.5)
    for part in panel.beside:
        _beside(part, axes)


def _ticks(axis: Drawn, declared: Axis) -> None:
    if declared.names is not None and declared.ticks is not None:
        axis.set_ticks(list(declared.ticks), list(declared.names), fontsize=declared.size, linespacing=1.25)
        for label, colour in zip(axis.get_ticklabels(), declared.colours or (), strict=False):
            label.set_color(colour)
        return
    if declared.ticks is not None:
        axis.set(major_locator=FixedLocator(list(declared.ticks)))
    elif not declared.log and (declared.most or declared.whole):
        axis.set(major_locator=MaxNLocator(declared.most or "auto", integer=declared.whole))
    if declared.log:
        axis.set(minor_locator=NullLocator())
    if write := declared.write:
        axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


# --- marks ----------------------------------------------------------------------------------------------------------------


@singledispatch
def _put(mark: Mark, axes: Axes) -> None:
    raise TypeError(type(mark).__name__)


@_put.register
def _(mark: Points, axes: Axes) -> None:
    sign = mark.sign
    axes.plot(
        mark.x,
        mark.y,
        sign.marker,
        color=sign.colour,
        markersize=sign.size,
        markerfacecolor=sign.colour if sign.filled else "white",
        markeredgecolor=sign.rim or sign.colour,
        markeredgewidth=0.5 if sign.rim else 0.9,
        label=mark.name or None,
        clip_on=mark.clipped,
        zorder=mark.layer,
    )


@_put.register
def _(mark: Line, axes: Axes) -> None:
    draw, more = (axes.step, {"where": "mid"}) if mark.stepped else (axes.plot, {})
    style = {"color": mark.colour, "linewidth": mark.width, "linestyle": mark.dash, "alpha": mark.alpha}
    draw(mark.x, mark.y, zorder=mark.layer, **style, **more)


@_put.register
def _(mark: Strokes, axes: Axes) -> None:
    between = np.full(len(mark.x), np.nan)
    style = {"color": mark.colour, "linewidth": mark.width, "linestyle": mark.dash}
    x, y = ((np.column_stack([a, b, between]).ravel()) for a, b in ((mark.x, mark.to_x), (mark.y, mark.to_y)))
    axes.plot(x, y, solid_capstyle="butt", zorder=mark.layer, **style)


@_put.register
def _(mark: Boxes, axes: Axes) -> None:
    left, wide, low, tall = _extents(mark.x, mark.to_x, mark.y, mark.to_y)
    style = {"color": mark.colour, "hatch": mark.hatch, "edgecolor": "white", "linewidth": 0}
    axes.bar(left, tall, wide, low, align="edge", zorder=mark.layer, **style)


def _extents(x: Numbers, to_x: Numbers, y: Numbers, to_y: Numbers) -> tuple[np.ndarray, ...]:
    left, right, low, high = (np.asarray(v, dtype=float) for v in (x, to_x, y, to_y))
    return left, right - left, low, high - low


@_put.register
def _(mark: Band, axes: Axes) -> None:
    span = axes.axvspan if mark.along == "x" else axes.axhspan
    if mark.hatch:
        style = {"facecolor": "white", "edgecolor": mark.colour, "hatch": mark.hatch}
        span(mark.low, mark.high, linewidth=0, zorder=mark.layer, **style)
    else:
        span(mark.low, mark.high, color=mark.colour, linewidth=0, zorder=mark.layer)


@_put.register
def _(mark: Rule, axes: Axes) -> None:
    line = axes.axvline if mark.along == "x" else axes.axhline
    line(mark.at, color=mark.colour, linewidth=mark.width, linestyle=mark.dash, zorder=mark.layer)


@_put.register
def _(mark: Words, axes: Axes) -> None:
    height, rise, va = {"above": (1, 3, "baseline"), "foot": (0.03, 0, "baseline"), "middle": (0.5, 0, "center")}[
        mark.where
    ]
    axes.annotate(
        mark.text,
        (mark.x, height),
        xycoords=blended_transform_factory(axes.transData, axes.transAxes),
        xytext=(mark.shift, rise),
        textcoords="offset points",
        ha=mark.align,
        va=va,
        fontsize=mark.size,
        color=mark.colour,
        annotation_clip=False,
        bbox={**WHITE, "pad": 1} if mark.where == "middle" else None,
    )


# --- beside the panel -----------------------------------------------------------------------------------------------------


@singledispatch
def _beside(part: Column | Labels, axes: Axes) -> None:
    raise TypeError(type(part).__name__)


@_beside.register
def _(part: Column, axes: Axes) -> None:
    if part.head:
        style = {"ha": part.align, "fontsize": 8, "color": SOFT}
        axes.annotate(
            part.head,
            (1, 1),
            xycoords="axes fraction",
            xytext=(part.points, 3),
            textcoords="offset points",
            annotation_clip=False,
            **style,
        )
    for cell in part.cells:
        _side(axes, part.points, _share(axes, cell.y), cell.text, ha=part.align, fontsize=part.size, color=cell.colour)


@_beside.register
def _(part: Labels, axes: Axes) -> None:
    wanted = np.clip([_share(axes, label.y) for label in part.labels], part.room / 2, 1 - part.room / 2)
    for label, height in zip(part.labels, _inside(apart(list(wanted), part.room), part.room), strict=True):
        box = {**WHITE, "pad": 0.6} if part.on_white else None
        more = {"ha": "left", "linespacing": 1.25, "zorder": 6 if box else 3, "bbox": box}
        _side(axes, part.points, height, label.text, fontsize=part.size, color=label.colour, **more)
        if sign := label.sign:
            style = {"markersize": sign.size, "markerfacecolor": sign.colour if sign.filled else "white"}
            at = blended_transform_factory(axes.transAxes, axes.transAxes)
            axes.plot(1.02, height, sign.marker, color=sign.colour, transform=at, clip_on=False, **style)
        if label.leader:
            line = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
            axes.annotate(
                "",
                label.leader,
                xytext=(1.105, height),
                textcoords="axes fraction",
                arrowprops=line,
                annotation_clip=False,
            )


def _share(axes: Axes, y: float) -> float:
    """Where `y` of the data stands, as a share of the panel's height."""
    return float(axes.transLimits.transform(axes.transScale.transform((axes.get_xlim()[0], y)))[1])


def _inside(heights: Sequence[float], room: float) -> list[float]:
    """The heights moved together so that none stands beyond the panel, the lowest first."""
    over, under = max(heights, default=0) - (1 - room / 2), room / 2 - min(heights, default=1)
    lift = under if under > 0 else -max(over, 0)
    return [h + lift for h in heights]


def _side(axes: Axes, points: float, height: float, text: str, **style: object) -> None:
    axes.annotate(
        text,
        (1, height),
        xycoords="axes fraction",
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **style,
    )
