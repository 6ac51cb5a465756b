"""The run's font: one woff2 file of the characters that its pages use, so that any machine shows the same."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset

from toolkit.reporting.figures.style import font_paths

FONT = "speceval-sans.woff2"
ALWAYS = "".join(map(chr, range(0x20, 0x7F)))  # also what the index adds while it is used: numbers, letters typed


def characters(pages: Iterable[Path]) -> str:
    """Every character of the pages, in order."""
    found = set(ALWAYS)
    for page in pages:
        found.update(page.read_text("utf-8"))
    return "".join(sorted(found))


def in_page(text: str) -> str:
    """The font with the characters of one page, as an address that the page can hold itself."""
    used = "".join(sorted({*ALWAYS, *text}))
    return f"data:font/woff2;base64,{b64encode(web_font(used)).decode('ascii')}"


def web_font(used: str) -> bytes:
    """The package's sans font with these characters alone; characters that it lacks are left to the reader's machine.

    Equal characters give equal bytes. The font is Noto Sans SC, under the SIL Open Font License, as `pylopdf-fonts-zh-cn`
    brings it.
    """
    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = []
    options.hinting = False
    options.desubroutinize = True
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "GPOS", "GSUB", "GDEF"]
    made = io.BytesIO()
    with subset.load_font(font_paths()[0], options, lazy=True) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=used)
        subsetter.subset(font)
        font.recalcTimestamp = False
        font.flavor = "woff2"
        font.save(made)
    return made.getvalue()
