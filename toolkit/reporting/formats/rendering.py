"""From an executed report notebook to bytes: the renderers that the runner publishes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.reporting.formats import pdf as set_in_type
from toolkit.reporting.formats import word
from toolkit.reporting.formats.document import Part, read_document
from toolkit.reporting.formats.html import page

if TYPE_CHECKING:
    from nbformat import NotebookNode


def html(notebook: NotebookNode) -> bytes:
    """The report as one HTML file."""
    return page(read_document(notebook)).encode("utf-8")


def docx(notebook: NotebookNode) -> bytes:
    """The report for Word."""
    return word.render(read_document(notebook))


def pdf(notebook: NotebookNode) -> bytes:
    """The report as PDF."""
    return set_in_type.render(read_document(notebook))


def annex_html(notebook: NotebookNode) -> bytes:
    """The technical annex as one HTML file."""
    return page(read_document(notebook, Part.ANNEX)).encode("utf-8")


def annex_docx(notebook: NotebookNode) -> bytes:
    """The technical annex for Word."""
    return word.render(read_document(notebook, Part.ANNEX))


def annex_pdf(notebook: NotebookNode) -> bytes:
    """The technical annex as PDF."""
    return set_in_type.render(read_document(notebook, Part.ANNEX))
