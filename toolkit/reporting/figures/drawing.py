"""What the charts share: names and numbers beside the axes, and the words for a chart that cannot be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from toolkit.errors import ContractBroken
from toolkit.reporting.content.blocks import Note, display_width, printable
from toolkit.reporting.figures.style import SOFT

NAME_WIDTH = 30  # display columns of a row's name; longer names break into a second line


def require_columns(frame: pd.DataFrame, columns: Sequence[str], figure: str) -> None:
    """Refuse a frame that lacks a column the chart needs."""
    if absent := [c for c in columns if c not in frame.columns]:
        raise ContractBroken(f"图 {figure} 缺少列 {'、'.join(absent)}", f"figure {figure} lacks columns {absent}")


def nothing(caption: str) -> Note:
    """The note that stands in place of a chart without data."""
    return Note(text=f"“{caption}”未作图：没有符合条件的数据。")


def fold(name: Any, width: int = NAME_WIDTH) -> str:
    """A row's name, folded in two lines when long and cut with … when longer still."""
    lines, line = [], ""
    for character in printable(str(name)):
        if display_width(line + character) > width:
            lines.append(line)
            line = ""
        line += character
    lines.append(line)
    return "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")


def side(axes: Axes, points: float, y: float, text: str, **style: Any) -> None:
    """Text `points` to the right of the axes at height `y` of the data."""
    axes.annotate(
        text,
        (1, y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **style,
    )


def head(axes: Axes, points: float, text: str, ha: str) -> None:
    """Heading of a column of side text."""
    axes.annotate(
        text,
        (1, 1),
        xycoords="axes fraction",
        xytext=(points, 3),
        textcoords="offset points",
        ha=ha,
        fontsize=8,
        color=SOFT,
        annotation_clip=False,
    )


def above(axes: Axes, x: float, text: str, ha: str, *, points: float = 0) -> None:
    """Words above the axes at `x` of the data."""
    where = blended_transform_factory(axes.transData, axes.transAxes)
    axes.annotate(
        text, (x, 1), xycoords=where, xytext=(points, 3), textcoords="offset points", ha=ha, fontsize=8, color=SOFT
    )


def apart(values: Sequence[float], room: float) -> list[float]:
    """Heights for labels near `values`, at least `room` apart and in their order."""
    order = np.argsort(values, kind="stable")
    placed = np.array(values, dtype=float)[order]
    for _ in range(50):  # push neighbours apart until none overlap; a handful of labels settles at once
        overlap = np.maximum(room - np.diff(placed), 0) / 2
        if not overlap.any():
            break
        placed[:-1] -= overlap
        placed[1:] += overlap
    heights = np.empty_like(placed)
    heights[order] = placed
    return list(heights)
