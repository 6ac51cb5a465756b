"""A document: the report (正文) or the technical annex of an executed notebook, numbered and ready for any format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from toolkit.errors import RunError
from toolkit.reporting.content.blocks import (
    FOLDED,
    LANDSCAPE,
    PORTRAIT,
    Annex,
    Block,
    Heading,
    Note,
    Paragraph,
    Table,
    Title,
    display_width,
    numbered,
    read_blocks,
    require_unique_ids,
    tiers,
)
from toolkit.reporting.formats.provenance import Provenance
from toolkit.reporting.sections.front import PROVENANCE_MIME, read_provenance

if TYPE_CHECKING:
    from nbformat import NotebookNode

SHORT = 20  # display columns of a cell that is never folded: `0.95（0.89–1.02）`
SIGNS = "▲▼●○※—★☆→…"
UNTITLED = "评估报告"


class Part(StrEnum):
    """Which document of a notebook: each is published under its own name in every format."""

    REPORT = "report"
    ANNEX = "annex"

    @property
    def zh(self) -> str:
        return {Part.REPORT: "正文", Part.ANNEX: "技术附件"}[self]


FORMATS = {"html": "网页", "docx": "Word", "pdf": "PDF"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """What every format draws.

    Attributes
    ----------
    title
        Of the file and of the browser's window.
    blocks
        Each with its printed number (`toolkit.reporting.content.blocks.numbered`). The first is the title.
    whole
        The notebook has no annex: the document then carries all policy choices itself.
    """

    part: Part
    title: str
    blocks: Sequence[tuple[Block, str]]
    provenance: Provenance
    whole: bool

    @property
    def policies(self) -> Sequence[tuple[str, str]]:
        """Policy choices that this document prints: of two documents the annex does."""
        return self.provenance.policies if self.whole or self.part is Part.ANNEX else ()


def document(blocks: Iterable[Block], provenance: Provenance, part: Part = Part.REPORT, *, title: str = "") -> Document:
    """One document from the blocks of a notebook.

    Parameters
    ----------
    title
        In place of a `Title` block, where there is none.

    Raises
    ------
    RunError
        An id stands twice in one notebook, or it has no annex and one is asked for.
    """
    every = list(blocks)
    require_unique_ids(every)
    report, annex = tiers(every)
    own = next((b for b in report if isinstance(b, Title)), Title(text=title or UNTITLED))
    if part is Part.ANNEX:
        if not annex:
            raise RunError("该报告没有技术附件", "the report has no technical annex")
        head = Title(text=f"{own.text}：{Part.ANNEX.zh}", subtitle=own.subtitle)
        chosen: list[Block] = [head, *annex]
    else:
        head = own
        chosen = [own, *[b for b in report if b is not own]]
    name = f"{head.text}（{head.subtitle}）" if head.subtitle else head.text
    whole = not any(isinstance(b, Annex) for b in every)
    return Document(part=part, title=title or name, blocks=list(numbered(chosen)), provenance=provenance, whole=whole)


def read_document(notebook: NotebookNode, part: Part = Part.REPORT) -> Document:
    """One document of an executed notebook."""
    return document(read_blocks(notebook), stamp(notebook), part)


def oriented(blocks: Sequence[tuple[Block, str]]) -> list[tuple[bool, list[tuple[Block, str]]]]:
    """The blocks in stretches of one orientation, True for landscape: a wide table with the heading and words that lead to it."""
    stretches: list[tuple[bool, list[tuple[Block, str]]]] = [(False, [])]
    for block, number in blocks:
        wide = isinstance(block, Table) and block.landscape
        flat, last = stretches[-1]
        if wide and not flat:
            at = _lead(last)
            led, stretches[-1] = last[at:], (False, last[:at])
            stretches.append((True, led))
        elif flat and not wide and not isinstance(block, Note | Paragraph):
            stretches.append((False, []))
        stretches[-1][1].append((block, number))
    return [one for one in stretches if one[1]]


def _lead(blocks: Sequence[tuple[Block, str]]) -> int:
    """Where the words begin that lead to what follows: the last headings with only text after them."""
    at = len(blocks)
    while at and isinstance(blocks[at - 1][0], Note | Paragraph):
        at -= 1
    if not at or not isinstance(blocks[at - 1][0], Heading):
        return len(blocks)
    while at and isinstance(blocks[at - 1][0], Heading):
        at -= 1
    return at


def column_widths(table: Table) -> list[tuple[int, bool]]:
    """Of each column its width in display columns of the table's type, and whether it may be stretched and folded.

    A short column takes what its cells need and half of its heading; where these leave too little for the others, or there
    are no others, all are shares of the page.
    """
    widths = [max((_set(row[k]) for row in table.rows), default=0) for k in range(len(table.columns))]
    needed = [
        max(width, -(-_set(column.label) // 2), 5) + 2 for width, column in zip(widths, table.columns, strict=True)
    ]
    folded = [width > SHORT for width in widths]
    fixed = sum(n for n, long in zip(needed, folded, strict=True) if not long)
    room = LANDSCAPE if table.landscape else PORTRAIT
    if (any(folded) and fixed + FOLDED * sum(folded) > room) or (not any(folded) and fixed > room):
        return [(min(n, 2 * FOLDED), True) for n in needed]
    return [(min(n, 2 * FOLDED), long) for n, long in zip(needed, folded, strict=True)]


def _set(text: str) -> int:
    """Display columns of `text` in print, where Chinese fonts give signs the width of a character, Latin ones a fifth more."""
    latin = sum(c.isascii() and c.isalnum() for c in text)
    return display_width(text) + sum(c in SIGNS for c in text) + -(-latin // 5)


def file_name(part: Part, format: str) -> str:
    """The name under which a document is published, such as `annex.pdf`."""
    return f"{part.value}.{format}"


def stamp(notebook: NotebookNode) -> Provenance:
    """The provenance that the notebook shows.

    Raises
    ------
    RunError
        It shows none: a report without its sources is no report.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if PROVENANCE_MIME in (data := output.get("data", {})):
                return read_provenance(data)
    raise RunError(
        "笔记本没有来源信息",
        "the notebook shows no provenance",
        remedy="最后一格应为 front.provenance(results)",
        remedy_english="its last cell should be front.provenance(results)",
    )
