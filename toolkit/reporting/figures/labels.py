"""Words beside a picture: names folded into two lines, labels kept apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from toolkit.reporting.content.blocks import display_width, printable

NAME_WIDTH = 30  # display columns of a row's name; longer names break into a second line


def fold(name: object, width: int = NAME_WIDTH) -> str:
    """A row's name, folded in two lines when long and cut with … when longer still.

    A line ends, where it can, after a space or before an opening bracket; never within a number or a word of Latin letters,
    after an opening bracket, or so that one character stands alone.
    """
    text = printable(str(name))
    if display_width(text) <= width:
        return text
    pieces = re.findall(r"[A-Za-z0-9.,%_-]+|[^A-Za-z0-9]", text)
    at = _break(pieces, width)
    first, rest = "".join(pieces[:at]).rstrip(), "".join(pieces[at:]).lstrip()
    if not first:  # one word longer than a line
        first, rest = _cut(text, width)
    if display_width(rest) > width:
        rest = _cut(rest, width)[0] + "…"
    return f"{first}\n{rest}"


def folded(names: Iterable[str]) -> int:
    """How many of the names stand in two lines."""
    return sum("\n" in name for name in names)


def _break(pieces: Sequence[str], width: int) -> int:
    """How many pieces stand in the first line: those that fit, back to a good place in its second half if there is one."""
    widths = np.cumsum([display_width(p) for p in pieces])
    whole = widths[-1]
    possible = [
        k
        for k in range(1, len(pieces))
        if widths[k - 1] <= width and pieces[k - 1] not in "（(“《" and pieces[k] not in "）)”》，、。：；"
    ]
    if not possible:
        return 0
    good = [k for k in possible if (pieces[k - 1] in " ·・" or pieces[k] in "（( ") and whole - widths[k - 1] <= width]
    # the last good place; without one, halves of about the same length, else the fullest first line
    if good:
        return good[-1]
    even = [k for k in possible if whole - widths[k - 1] <= width]
    return min(even, key=lambda k: abs(whole - 2 * widths[k - 1])) if even else possible[-1]


def _cut(text: str, width: int) -> tuple[str, str]:
    """As much of `text` as fits, and the rest."""
    kept = 0
    while kept < len(text) and display_width(text[: kept + 1]) <= width:
        kept += 1
    return text[:kept], text[kept:]


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
