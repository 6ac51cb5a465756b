"""The one written form of a code: what two programs, two spreadsheets and two keyboards write for the same thing is the same.

Used at the door for every code of every table: records, DRG file, lists, registry, parameters. Without it a trailing blank, a
full-width letter or Excel's apostrophe makes another hospital, another DRG, another diagnosis of what is the same.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# blanks of every kind, marks without width and direction, and what a spreadsheet puts before text: none belongs to a code
_EXCEL = re.compile(r'^=\s*"(.*)"$', re.DOTALL)
_QUOTES = "'`´‘’′\"“”"
_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—―−", "-") | {"。": ".", "﹒": "."}
)  # as keyboards and word processors write them
SCIENTIFIC = r"^[+-]?\d+(\.\d+)?E[+-]?\d+$"  # of a written form: what a spreadsheet makes of a long number


@lru_cache(maxsize=1 << 16)
def written_form(text: str) -> str:
    """A code in its one form: NFKC, capitals, no blank or invisible mark in it, no apostrophe or `="…"` around it."""
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if not _unseen(c)).translate(_SIGNS)
    if found := _EXCEL.match(text):
        text = found.group(1)
    return text.strip(_QUOTES).upper()


def _unseen(character: str) -> bool:
    """Blanks, line ends, marks of width zero, of direction and of bytes' order, and other control characters."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
