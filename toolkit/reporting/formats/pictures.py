"""Figures as PNG, for Word: the one SVG of a figure, drawn by the same program as the PDF's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property

from toolkit.errors import RunError
from toolkit.reporting.content.blocks import Figure
from toolkit.reporting.formats.pdf import compiler

PPI = 160  # of print on an office machine
ONE_EACH = b"""#set page(width: 15.4cm, height: auto, margin: 0pt)
#for svg in json(bytes(sys.inputs.pictures)) { page(image(bytes(svg), format: "svg", width: 100%)) }
"""


class Pictures:
    """All figures of a document, drawn at once when the first is asked for."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.figures = {figure.id: figure.svg for figure in figures}

    @cached_property
    def _drawn(self) -> dict[str, bytes]:
        given = {"pictures": json.dumps(list(self.figures.values()), ensure_ascii=False)}
        made = compiler().compile(ONE_EACH, format="png", ppi=PPI, sys_inputs=given)
        pages = [made] if isinstance(made, bytes) else list(made or ())
        if len(pages) != len(self.figures):
            raise RunError("图片没有全部绘出", f"{len(pages)} pictures were drawn of {len(self.figures)}")
        return dict(zip(self.figures, pages, strict=True))

    def png(self, figure: Figure) -> bytes:
        """The picture of one of the figures."""
        return self._drawn[figure.id]
