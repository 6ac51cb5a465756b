"""A drawn SVG made small and readable: words as text, no layout of the drawing library, and what each point says.

The same picture stands in pages (inline, so that a pointer or the keyboard finds the titles), in Word and in PDF.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

FAMILY = "Noto Sans SC"  # of the package's own font; pages bring the characters they use, PDF and Word the whole
SAYS = "says-"  # id of a group of points of which each says something, with its number

_HEAD = re.compile(r"^.*?(?=<svg )", re.S)
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_WHOLE = (
    (re.compile(r"<metadata>.*?</metadata>", re.S), ""),
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r">\s*\n\s*<"), "><"),
)
_TAG = re.compile(r"<[^>]*>")  # words stand between tags, escaped: nothing below may touch them
_IN_TAG = (
    (re.compile(r' transform="rotate\(-?0 [^"]*"'), ""),
    (re.compile(r" ?font-family: '[^']*';"), ""),
    (re.compile(r"\s*\n\s*"), " "),
    (re.compile(r"(?<=[:;]) "), ""),
    (re.compile(rf'^<g id="(?!{SAYS})[^"]*"'), "<g"),
    (re.compile(r' "'), '"'),
)
_GROUP = re.compile(r"<g>((?:(?!<g[ >]|</g>).)*)</g>", re.S)  # a group that says nothing, around what holds no other
_LABELLED = re.compile(rf'<g id="{SAYS}(\d+)"[^>]*>(.*?)</g></g>', re.S)
_USE = re.compile(r"<use [^>]*/>")
_NAMED = re.compile(r'(?:id="|href="#|url\(#)([A-Za-z][\w.-]*)')


def light(svg: str, id: str, says: Mapping[int, Sequence[str]]) -> str:
    """`svg` as the drawing library wrote it, without what no reader sees; ids begin with the figure's own.

    Parameters
    ----------
    id
        Of the figure: several pictures stand in one page.
    says
        Group of points (the number after `SAYS`) -> what each of its points says, in the order drawn.
    """
    text = _HEAD.sub("", svg, count=1)
    text = text.replace(' version="1.1"', "")
    for pattern, instead in _WHOLE:
        text = pattern.sub(instead, text)
    text = _TAG.sub(lambda m: _short(m.group()), text)
    text = _LABELLED.sub(lambda m: _titled(m.group(2), says.get(int(m.group(1)), ())), text)
    while (simpler := _GROUP.sub(r"\1", text)) != text:
        text = simpler
    names = {name: f"{id}-{k}" for k, name in enumerate(dict.fromkeys(_NAMED.findall("".join(_TAG.findall(text)))))}
    text = _TAG.sub(
        lambda tag: _NAMED.sub(lambda m: m.group().removesuffix(m.group(1)) + names[m.group(1)], tag.group()), text
    )
    text = re.sub(r"(?<=<svg )", f'font-family="{FAMILY},sans-serif" ', text, count=1)
    # a style element would hold for the whole page
    text = text.replace('<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>', "")
    return (
        re.sub(r"<g/>|<g></g>|<defs/>|<defs></defs>", "", text)
        .replace("<svg ", '<svg stroke-linejoin="round" ', 1)
        .strip()
    )


def _short(tag: str) -> str:
    """A tag with places to a tenth of a point and no idle words."""
    for pattern, instead in _IN_TAG:
        tag = pattern.sub(instead, tag)
    return _NUMBER.sub(lambda m: f"{float(m.group()):.1f}".removesuffix(".0"), tag)


def _titled(points: str, says: Sequence[str]) -> str:
    """The points of one group, each with its title."""
    told = iter(says)

    def with_title(match: re.Match[str]) -> str:
        said = next(told, "")
        return f'<g tabindex="0"><title>{escape(said)}</title>{match.group()}</g>' if said else match.group()

    return f"<g>{_USE.sub(with_title, points)}</g></g>"
