"""The one written form of a code: what two programs, two spreadsheets and two keyboards write for the same thing is the same.

Used at the door for every code of every table: records, DRG file, lists, registry, parameters. Without it a trailing blank, a
full-width letter or Excel's apostrophe makes another hospital, another DRG, another diagnosis of what is the same.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

Mode = Literal["code", "count", "name", "level", "number", "plain"]  # kinds of cells, each with a form of its own

# what a spreadsheet and a person put around text, and how keyboards and word processors write signs
_EXCEL = re.compile(r'^=\s*"(.*)"$', re.DOTALL)
_QUOTES = "'`´‘’′\"“”"
_SIGNS = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-") | {"。": ".", "﹒": ".", "†": "+"})
# a code with its name behind it: FA11-急性心肌梗死
_NAMED = re.compile(r"((?=[^0-9]*[0-9])[A-Z0-9][A-Z0-9.+*]{2,}?)[-_:;,/|(\[]*[\u4e00-\u9fff].*$")
_COUNT = re.compile(r"0*(\d+?)(?:\.0+)?$")
_LEVELS = {word: f"{n}" for n, words in enumerate(("1一I", "2二", "3三", "4四"), 1) for word in words} | {
    "II": "2",
    "III": "3",
    "IV": "4",
}
# what a spreadsheet makes of a long number: digits are lost (of a written form)
SCIENTIFIC = re.compile(r"^[+-]?\d+(\.\d+)?E[+-]?\d+$")


@lru_cache(maxsize=1 << 16)
def written_form(text: str) -> str:
    """A code in its one form: NFKC, capitals, no blank or invisible mark in it, no apostrophe or `="…"` around it."""
    text = "".join(c for c in _bare(text) if not c.isspace())
    form = text.strip(_QUOTES).upper()
    named = _NAMED.match(form)
    return named.group(1) if named else form


@lru_cache(maxsize=1 << 14)
def name_form(text: str) -> str:
    """A code that may be a name, of a department: as a code, but a blank stays between Latin words and digits."""
    text = " ".join(_bare(text).strip(_QUOTES).split())
    return re.sub(r"(?<![!-~]) | (?![!-~])", "", text).upper()


def count_form(text: str) -> str:
    """A number of times, written as a code: without zeros before it and without the `.0` of a spreadsheet."""
    form = written_form(text)
    found = _COUNT.match(form)
    return found.group(1) if found else form


def level_form(text: str) -> str:
    """A level of 1 to 4 as its figure: 三级, Ⅲ, III级 and 3级 are 3; anything else as `plain_form`."""
    form = _bare(text).strip().strip(_QUOTES).strip().upper()
    return _LEVELS.get(form.removesuffix("级").strip()) or plain_form(text)


def plain_form(text: str) -> str:
    """A number, day or coded value: full-width signs as plain ones, nothing invisible and nothing of a spreadsheet around it.

    Words in Chinese stay as they are.
    """
    bare = _bare(text).strip().strip(_QUOTES).strip()
    return bare if bare.isascii() else text.strip()


def _bare(text: str) -> str:
    text = "".join(c for c in unicodedata.normalize("NFKC", text) if not _unseen(c)).translate(_SIGNS)
    found = _EXCEL.match(text.strip())
    return found.group(1) if found else text


def _unseen(character: str) -> bool:
    """Marks of width zero, of direction and of bytes' order, and control characters other than blanks."""
    return not character.isspace() and unicodedata.category(character) in ("Cc", "Cf")


def shape_of(value: object) -> str:
    """What a text looks like, without a letter of it: for messages about what may be anybody's."""
    text = "" if value is None else str(value)
    kinds = (
        (r"", "空"),
        (r"\d+", "数字"),
        (r"\d+\.\d+", "带小数点的数"),
        (r"\d+(\.\d+)?E[+-]?\d+", "科学计数法"),
        (r"\d{4}[-/]\d{1,2}[-/]\d{1,2}.*", "日期"),
        (r"[A-Za-z]+", "字母"),
        (r"[A-Za-z0-9]+", "字母与数字"),
        (r"[一-鿿·]+", "汉字"),
        (r"[!-~]+", "字母、数字与符号"),
    )
    kind = next((name for pattern, name in kinds if re.fullmatch(pattern, text)), "其他文字")
    return kind if kind in ("空", "日期", "科学计数法") else f"{len(text)} 位{kind}"
