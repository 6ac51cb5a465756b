"""Blocks to one self-contained HTML file: no script, no link outside the file, the same bytes on every rerun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.reporting.content.blocks import Block, Heading, Meta, Title, numbered, require_unique_ids
from toolkit.reporting.content.templates import environment
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Provenance", "render"]

CONTENTS_FROM = 4  # chapters: a shorter report is seen at a glance


@dataclass
class _Group:
    """A chapter: its heading, which must not stand alone at the foot of a page, and all up to the next chapter."""

    blocks: list[tuple[Block, str]]
    heading: str = ""
    anchor: str = ""


def render(blocks: Iterable[Block], *, title: str, provenance: Provenance) -> str:
    """The report as one HTML document in Chinese.

    Captions are numbered 表 1, 图 1 … in the order of the blocks. The provenance box is always the last section; with
    `provenance.synthetic` a banner stands on top of the page and in the head of every printed page.

    Parameters
    ----------
    blocks
        As from `read_blocks`. May come without a `Title` block: `title` is then printed.
    title
        Of the browser's window, and of a report that has no `Title` block.
    """
    blocks = list(blocks)
    require_unique_ids(blocks)
    if not any(isinstance(block, Title) for block in blocks):
        blocks.insert(0, Title(text=title))
    front = _Group([])
    groups = [front]
    for block, number in numbered(blocks):
        if isinstance(block, Heading) and block.level == 1:
            groups.append(_Group([], block.text, f"section-{sum(bool(g.anchor) for g in groups) + 1}"))
        elif len(groups) == 1 and not isinstance(block, Title | Meta):
            groups.append(_Group([], heading="（开篇）"))  # opening text follows the contents
        groups[-1].blocks.append((block, number))
    chapters = [(g.anchor, g.heading) for g in groups if g.anchor]
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            title=title,
            provenance=provenance,
            banner=SYNTHETIC_BANNER,
            groups=groups,
            contents=chapters if len(chapters) >= CONTENTS_FROM else [],
        )
    )
