"""Columns of text in their one written form, and which of their cells had another.

Nearly all cells are plain, and a look at the bytes of a whole column says so. Only where it does not are the distinct values
of the column written anew, each once, and handed to its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.reading.formats import MISSING
from toolkit.written_form import SCIENTIFIC, Mode, count_form, level_form, name_form, plain_form, written_form

FORMS: dict[str, Callable[[str], str]] = {
    "code": written_form,
    "count": count_form,
    "name": name_form,
    "level": level_form,
    "number": plain_form,
    "plain": plain_form,
}
LAST_SIGN = 0x27  # blanks, quotation marks, # and apostrophe: no plain cell holds or begins with one of them
EQUALS, BEYOND = 0x3D, 0x80
SMALL = frozenset(range(ord("a"), ord("z") + 1)) - {ord("x")}  # x stands in the codes of the Chinese ICD as it is


@dataclass
class Changed:
    """What was written anew in a column.

    Attributes
    ----------
    at, held
        Rows, and what they held.
    damaged
        Cells that a spreadsheet has turned into scientific notation, of a column of numbers: they are missing.
    """

    at: np.ndarray = field(default_factory=lambda: np.zeros(0, "int64"))
    held: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    damaged: int = 0


def in_one_form(column: pa.ChunkedArray, mode: Mode, words: frozenset[str]) -> tuple[pa.ChunkedArray, Changed | None]:
    """The cells of a column in the form of its kind, missing where they hold a word for nothing; None where none has changed.

    Parameters
    ----------
    words
        In their written form, e.g. NULL, 无.
    """
    look = [_look(chunk, mode) for chunk in column.chunks]
    if any(odd for odd, _small in look):
        return _anew(column, mode, words)
    if any(small for _odd, small in look):
        return pc.ascii_upper(column), None
    return column, None


def _look(cells: pa.StringArray, mode: Mode) -> tuple[bool, bool]:
    """Whether any cell may have another form, and whether any holds the x of a code that is to be a capital."""
    _, ends, data = cells.buffers()
    if data is None or not len(cells):
        return False, False
    offsets = np.frombuffer(ends, "int32")[cells.offset : cells.offset + len(cells) + 1]
    text = np.frombuffer(data, "uint8")[offsets[0] : offsets[-1]]
    if not len(text):
        return False, False
    highest = text.max()
    if highest >= BEYOND:
        return True, False
    firsts = text[(offsets[:-1] - offsets[0])[offsets[1:] > offsets[:-1]]]
    if (firsts <= LAST_SIGN).any() or (firsts == EQUALS).any():
        return True, False
    if mode == "number":
        return bool(highest >= ord("E")), False
    if mode == "plain":
        return False, False
    if mode == "level":
        return bool(highest >= ord("A")), False
    if mode == "count":
        return bool((text == ord(".")).any() or (firsts == ord("0")).any()), False
    if text.min() <= LAST_SIGN:
        return True, False
    if highest < ord("a"):
        return False, False
    small = text[text >= ord("a")]
    return not bool((small == ord("x")).all()), True


def _anew(column: pa.ChunkedArray, mode: Mode, words: frozenset[str]) -> tuple[pa.ChunkedArray, Changed]:
    coded = pc.dictionary_encode(column).combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = (
            coded.chunk(0)
            if coded.num_chunks
            else pa.DictionaryArray.from_arrays(pa.array([], "int32"), pa.array([], "string"))
        )
    held = coded.dictionary.to_pylist()
    forms = list(map(partial(_form, mode=mode, words=words), held))
    new = pa.array([text for text, _changed, _damaged in forms], pa.string())
    indices = coded.indices
    changed = pa.array([c for _text, c, _damaged in forms], pa.bool_())
    damaged = pa.array([d for _text, _changed, d in forms], pa.bool_())
    of_rows = pc.fill_null(changed.take(indices), False)
    at = np.flatnonzero(of_rows.to_numpy(zero_copy_only=False))
    count = pc.sum(damaged.take(indices)).as_py() or 0
    rows = pa.chunked_array([new.take(indices)])
    return rows, Changed(at=at, held=coded.dictionary.take(indices.take(pa.array(at))), damaged=int(count))


def _form(held: str, mode: Mode, words: frozenset[str]) -> tuple[str | None, bool, bool]:
    """A cell's form, whether that is another than it had, and whether it is a number that was damaged."""
    form = FORMS[mode](held)
    if form in MISSING or (mode != "plain" and form.upper() in words):
        return None, False, False
    if mode == "number" and ("_" in form or SCIENTIFIC.match(form.upper())):
        return None, True, True
    same = form == held if mode in ("number", "plain") else form == held.replace("x", "X")
    return form, not same, False


def words_of(missing: Iterable[str]) -> frozenset[str]:
    """Words for nothing in their written form."""
    return frozenset(written_form(word) for word in missing)
