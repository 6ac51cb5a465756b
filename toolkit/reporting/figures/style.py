"""How every chart looks: the package's font, colours that survive grey printing, and bytes that repeat."""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import matplotlib as mpl
import pylopdf_fonts_zh_cn
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from toolkit.errors import InputError
from toolkit.reporting.content import blocks
from toolkit.reporting.figures.light_svg import light
from toolkit.reporting.figures.palette import INK, SOFT

WIDTH = 15.4 / 2.54  # inches: the text width of an A4 page with 2.8 cm margins
DPI = 200

_FAMILY = "Speceval Sans"  # a name of our own: no font of the machine can be taken in its place

_STYLE: dict[str, object] = {
    "font.family": [_FAMILY],
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a hospital's name is a $
    "text.usetex": False,
    "path.simplify": False,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # words stay text: pages, Word and PDF bring the font
    "svg.hashsalt": "speceval",
}


@cache
def font_paths() -> tuple[str, str]:
    """Paths of the two font files, sans (黑体) and serif (宋体), for all formats."""
    return str(pylopdf_fonts_zh_cn.sans_path()), str(pylopdf_fonts_zh_cn.serif_path())


def lacking(text: str) -> list[str]:
    """The characters that the font cannot draw, in order."""
    return sorted(c for c in set(text) if ord(c) not in _glyphs() and c != "\n")


@cache
def _glyphs() -> frozenset[int]:
    sans = font_paths()[0]
    entry = font_manager.ttfFontProperty(font_manager.get_font(sans))
    font_manager.fontManager.ttflist.append(dataclasses.replace(entry, name=_FAMILY))
    return frozenset(font_manager.get_font(sans).get_charmap())


def require_glyphs(texts: Iterable[str]) -> None:
    """Refuse text that the font cannot draw, before it becomes an empty box.

    Raises
    ------
    InputError
        Names the characters.
    """
    if absent := lacking("".join(texts)):
        raise InputError(
            f"字体中没有字符 {' '.join(f'{c}（U+{ord(c):04X}）' for c in absent)}",
            "the font has no such character",
            remedy="请在名称对照表中改用常用字",
            remedy_english="write the name with another character",
        )


def chart(
    draw: Callable[[Canvas], Mapping[int, Sequence[str]]],
    *,
    height: float,
    id: str,
    caption: str,
    alt: str,
    note: str = "",
) -> blocks.Figure:
    """A figure block from what `draw` puts on an empty canvas of report width and `height` inches.

    `draw` gives back what the points of each group say (`toolkit.reporting.figures.light_svg`).

    No title inside: the caption says it. Equal input gives equal bytes. A warning while drawing, a missing character
    among them, is an error.
    """
    _glyphs()  # the family must be known before the style names it
    # from the defaults, not from the notebook's or the user's settings; the backend is not a matter of style
    settings = {k: v for k, v in mpl.rcParamsDefault.items() if "backend" not in k} | _STYLE
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(canvas)
        says = draw(canvas)
        require_glyphs(text.get_text() for text in canvas.findobj(mpl.text.Text))
        # laid out once and printed: savefig would lay out again, and first draw everything without showing it
        canvas.set_dpi(DPI)
        canvas.get_layout_engine().execute(canvas)
        canvas.set_layout_engine("none")
        svg = io.StringIO()
        FigureCanvasSVG(canvas).print_svg(svg, metadata={"Date": None, "Creator": None})
    return blocks.Figure(id=id, caption=caption, alt=alt, note=note, svg=light(svg.getvalue(), id, says))
