"""A document as PDF, set by Typst: tagged for screen readers (PDF/UA-1), fit for archives (PDF/A-2a), the same bytes on every rerun."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from toolkit.errors import RunError
from toolkit.reporting.content.blocks import Block, Figure, Paragraph, Table, Title
from toolkit.reporting.figures.style import font_paths, lacking
from toolkit.reporting.formats.document import Document, Part, column_widths, oriented
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER

STANDARDS = ["a-2a", "ua-1"]  # 2a is 2b with tags, which ua-1 needs anyway


def render(shown: Document) -> bytes:
    """The document as PDF; a character that the font lacks is printed as its number.

    Raises
    ------
    RunError
        Typst refuses it, with what it said.
    """
    provenance = shown.provenance
    given = {
        "title": shown.title,
        "title-text": next(b.text for b, _ in shown.blocks if isinstance(b, Title)),
        "year": provenance.last_year,
        "edition": provenance.edition_name,
        "banner": SYNTHETIC_BANNER if provenance.synthetic else "",
        "footer": provenance.footer(),
        "source": "；".join(f"{name} {value}" for name, value in provenance.lines()),
        "contents": shown.part is Part.ANNEX,
        "policies": list(shown.policies),
        "parts": [
            {"landscape": wide, "blocks": [_data(block, number) for block, number in blocks]}
            for wide, blocks in oriented(shown.blocks)
        ],
    }
    try:
        made = compiler().compile(
            _template(),
            format="pdf",
            sys_inputs={"document": _drawable(json.dumps(given, ensure_ascii=False))},
            pdf_standards=STANDARDS,  # type: ignore[arg-type]  # its stubs want a list of literals
        )
    except typst.TypstError as error:
        raise RunError("PDF 排版失败", f"typst: {error.message}") from error
    if not isinstance(made, bytes):
        raise RunError("PDF 排版没有结果", "typst gave no document")
    return made


def _drawable(text: str) -> str:
    """`text` with each character that the font lacks named by its number, where an empty box would stand."""
    return text.translate({ord(c): f"〔U+{ord(c):04X}〕" for c in lacking(text)})


def _data(block: Block, number: str) -> dict[str, Any]:
    """A block as the template reads it."""
    data = block.model_dump(mode="json") | {"number": number}
    if isinstance(block, Paragraph):
        data["runs"] = [run.model_dump() for run in block.parts]
    if isinstance(block, Figure):
        data["svg"] = block.svg
    if isinstance(block, Table):
        data |= {"widths": column_widths(block), "landscape": block.landscape}
    return data


@cache
def _template() -> bytes:
    return (files("toolkit.reporting.content") / "templates" / "report.typ").read_bytes()


@cache
def compiler() -> typst.Compiler:
    """One compiler for all documents of a process: it reads the fonts once, those of the package and no others."""
    folder = str(Path(font_paths()[0]).parent)
    return typst.Compiler(font_paths=[folder], ignore_system_fonts=True)
