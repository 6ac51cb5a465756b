"""A document as one HTML file: no script, no link outside the run's folder, the same bytes on every rerun."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.reporting.content.blocks import Block, Heading, Table
from toolkit.reporting.content.templates import environment
from toolkit.reporting.formats.document import FORMATS, Document, Part, document, file_name
from toolkit.reporting.formats.fonts import FONT, in_page
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER, Provenance

__all__ = ["Provenance", "page", "page_alone", "render"]

CONTENTS_FROM = 4  # chapters: a shorter report is seen at a glance
NARROW_FROM = 3  # columns: on a telephone each row of such a table becomes a card
ABOVE = ".."  # a report lies one folder below its run, where the font is


@dataclass
class _Group:
    """A chapter: its heading, which must not stand alone at the foot of a page, and all up to the next chapter."""

    blocks: list[tuple[Block, str]]
    heading: str = ""
    anchor: str = ""


def render(blocks: Iterable[Block], *, title: str, provenance: Provenance, above: str = ABOVE) -> str:
    """The page of a notebook's report; `title` is the browser's, and that of a report that has no `Title` block."""
    return page(document(blocks, provenance, title=title), above=above)


def page_alone(shown: Document) -> str:
    """The document as a page that no run's font lies beside: it holds its own."""
    beside = page(shown)
    return beside.replace(f"{ABOVE}/{FONT}", in_page(beside))


def page(shown: Document, *, above: str = ABOVE) -> str:
    """The document as one HTML page in Chinese.

    The provenance box is always the last section; with `provenance.synthetic` a banner stands on top of the page and in the
    head of every printed page. `above` is where the run's font lies, seen from the page.
    """
    front = _Group([])
    groups = [front]
    for block, number in shown.blocks:
        if isinstance(block, Heading) and block.level == 1:
            groups.append(_Group([], number + block.text, f"section-{len(groups)}"))
        groups[-1].blocks.append((block, number))
    chapters = [(g.anchor, g.heading) for g in groups if g.anchor]
    brief = shown.part is Part.REPORT and not shown.whole
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            title=shown.title,
            provenance=shown.provenance,
            policies=shown.policies,
            banner=SYNTHETIC_BANNER,
            groups=groups,
            contents=chapters if len(chapters) >= CONTENTS_FROM and not brief else [],
            links=[] if shown.whole else list(_links(shown.part)),
            cards=[b for b, _ in shown.blocks if isinstance(b, Table) and len(b.columns) >= NARROW_FROM],
            font=f"{above}/{FONT}",
        )
    )


def _links(part: Part) -> Iterable[tuple[str, str]]:
    """The same document in other formats, and the other document."""
    other = Part.ANNEX if part is Part.REPORT else Part.REPORT
    yield other.zh, file_name(other, "html")
    yield from ((words, file_name(part, format)) for format, words in FORMATS.items() if format != "html")
