"""From an executed report notebook to bytes: the renderers that the runner publishes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import RunError
from toolkit.reporting.content.blocks import Title, read_blocks
from toolkit.reporting.formats.html import render
from toolkit.reporting.sections.front import PROVENANCE_MIME, read_provenance

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from toolkit.reporting.formats.provenance import Provenance


def html(notebook: NotebookNode) -> bytes:
    """The report as one HTML file."""
    blocks = read_blocks(notebook)
    title = next((b.text for b in blocks if isinstance(b, Title)), "评估报告")
    return render(blocks, title=title, provenance=stamp(notebook)).encode("utf-8")


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
