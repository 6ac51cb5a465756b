"""From a block of whole lines to rows: in one go where it is plain, line by line where it is not.

Plain is a block with as many rows as lines, each with as many cells as the header. In any other every line becomes a row, a
part of a row whose cells hold line breaks, a counted refusal (rule F05) or a blank.
"""

from __future__ import annotations

import csv
import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from toolkit.data.reading.encoding import MARK, BlockFault, decoded
from toolkit.data.reading.files import SPANNED, RefusedLine
from toolkit.data.reading.written import Changed, in_one_form
from toolkit.written_form import Mode

BLANKS = " \t\n\r\v\f"


@dataclass(frozen=True)
class Shape:
    """What a worker must know of the file."""

    encoding: str
    delimiter: str
    columns: int
    chosen: tuple[int, ...]
    modes: tuple[Mode | None, ...]  # of the chosen columns: None where a cell stays as it is
    missing: tuple[str, ...]  # what a cell may hold for nothing
    words: frozenset[str]  # the same in their written form
    key: bytes
    clean: bool
    places: tuple[tuple[int, int], ...] = ()  # of all columns, where no sign divides them
    by_bytes: bool = True


@dataclass
class Parsed:
    """A block's rows; `at` holds their lines within the block where they do not simply follow each other.

    `changed` and `trimmed` say by column which cells had another written form, and how many only blanks around them.
    """

    rows: pa.Table
    at: np.ndarray | None
    lines: int
    blank: int
    refused: list[RefusedLine]
    changed: dict[int, Changed] = field(default_factory=dict)
    trimmed: dict[int, int] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """Records, and lines that should be: one that spans several lines is one."""
        return self.rows.num_rows + len(self.refused)


def parse(block: bytes, shape: Shape) -> Parsed | BlockFault:
    """The rows of a block of whole lines, or why its bytes refuse the file."""
    if shape.places:
        return _by_places(block, shape)
    try:
        block = decoded(block, shape.encoding)
    except BlockFault as fault:
        return fault
    if b"\r" in block:  # a carriage return inside a line would end it for the parser
        block = block.replace(b"\r\n", b"\n")
        if block.endswith(b"\r"):
            block = block[:-1]
        block = block.replace(b"\r", b" ")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if shape.columns > 1 and not (b'"' in block and _doubtful(block, shape)):
        rows = _table(block, shape)
        if rows is not None and rows.num_rows == lines:
            parsed = written(Parsed(rows, None, lines, 0, []), shape)
            if not _empty_rows(parsed.rows):
                return parsed
    return _line_by_line(block, shape, lines)


def _by_places(block: bytes, shape: Shape) -> Parsed | BlockFault:
    """Lines cut at fixed places; one that goes on behind the last, or is cut within a character, is refused."""
    rows = [row.rstrip(b"\r") for row in block.removeprefix(MARK).split(b"\n")]
    if not rows[-1]:
        rows.pop()
    end = max(last for _first, last in shape.places)
    cells: list[list[str]] = []
    at: list[int] = []
    refused: list[RefusedLine] = []
    blank = 0
    for number, row in enumerate(rows):
        if not row.strip():
            blank += 1
            continue
        try:
            text = decoded(row, shape.encoding).decode("utf-8")
        except BlockFault as fault:
            return BlockFault(fault.reason, number)
        whole: bytes | str = row.rstrip() if shape.by_bytes else text.rstrip()
        found = _cut(row if shape.by_bytes else text, shape) if len(whole) <= end else None
        if found is None:
            refused.append(_refused(text.encode(), number, 1, shape.key))
            continue
        cells.append(found)
        at.append(number)
    columns = [pa.array([row[i] for row in cells], pa.string()) for i in range(len(shape.chosen))]
    table = pa.table(columns, names=[f"c{i}" for i in shape.chosen])
    return written(Parsed(table, np.array(at, "int64"), len(rows), blank, refused), shape)


def _cut(row: bytes | str, shape: Shape) -> list[str] | None:
    """The cells of a line, None where a place cuts a character."""
    try:
        pieces = [row[first:last] for first, last in (shape.places[i] for i in shape.chosen)]
        return [piece if isinstance(piece, str) else piece.decode(shape.encoding) for piece in pieces]
    except UnicodeDecodeError:
        return None


def _table(block: bytes, shape: Shape) -> pa.Table | None:
    """The chosen columns of a block, or None where a line has another number of cells."""
    odd: list[int] = []

    def note(row: Any) -> str:
        odd.append(1)
        return "skip"

    names = [f"c{i}" for i in range(shape.columns)]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(block),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=1 << 20, column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=shape.delimiter, invalid_row_handler=note),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[names[i] for i in shape.chosen],
                strings_can_be_null=shape.clean,
                null_values=list(shape.missing),
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:  # a line longer than the parser's block
        return None
    if odd:
        return None
    return table


def _empty_rows(rows: pa.Table) -> bool:
    """Whether any row has no cell that holds something."""
    if not rows.num_rows or any(column.null_count == 0 for column in rows.columns):
        return False
    empty = np.ones(rows.num_rows, bool)
    for column in sorted(rows.columns, key=lambda c: c.null_count):
        empty &= column.is_null().to_numpy()
        if not empty.any():
            return False
    return True


def written(parsed: Parsed, shape: Shape) -> Parsed:
    """The rows without blanks around their cells, codes in their one form, and missing what stands for nothing."""
    if not shape.clean:
        return parsed
    columns = []
    for position, (column, mode) in enumerate(zip(parsed.rows.columns, shape.modes, strict=True)):
        # few files have any: two looks at the bytes spare the work on the others
        if any(map(_has_blanks, column.chunks)):
            before, column = pc.binary_length(column), _without_blanks(column, shape)
            if mode in ("code", "count", "name", "level"):
                longer = pc.sum(pc.not_equal(before, pc.binary_length(column))).as_py() or 0
                parsed.trimmed |= {position: longer} if longer else {}
        if mode is not None:
            column, changed = in_one_form(column, mode, shape.words)
            if changed is not None and (len(changed.at) or changed.damaged):
                parsed.changed[position] = changed
        columns.append(column)
    parsed.rows = pa.table(columns, names=parsed.rows.column_names)
    return parsed


def _has_blanks(cells: pa.StringArray) -> bool:
    _, ends, data = cells.buffers()
    if data is None or not len(cells):
        return False
    offsets = np.frombuffer(ends, "int32")[cells.offset : cells.offset + len(cells) + 1]
    text = np.frombuffer(data, "uint8")
    held = offsets[1:] > offsets[:-1]
    first, last = offsets[:-1][held], offsets[1:][held] - 1
    # no byte of a character beyond ASCII is that small
    return bool(len(first)) and bool((text[first] <= 32).any() or (text[last] <= 32).any())


def _without_blanks(column: pa.ChunkedArray, shape: Shape) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim(column, BLANKS)
    missing = pc.is_in(trimmed, pa.array(shape.missing))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def _doubtful(block: bytes, shape: Shape) -> bool:
    """Whether quotation marks may be misread: text after a closing one, or a cell that spans lines."""
    cell = rb'(?:^|%s)"(?:[^"\n]|"")*(?:\n|\Z|"(?!%s|\n|\Z))' % ((re.escape(shape.delimiter.encode()),) * 2)
    return re.search(cell, block, re.MULTILINE) is not None


def _line_by_line(block: bytes, shape: Shape, lines: int) -> Parsed:
    sound: list[bytes] = []
    at: list[int] = []
    refused: list[RefusedLine] = []
    nothing = shape.delimiter.encode() + b' \t"'
    rows = block.split(b"\n")[:lines]
    blank = number = 0
    while number < len(rows):
        row = rows[number]
        if not row.translate(None, nothing):  # a row of empty cells is no record
            blank, number = blank + 1, number + 1
            continue
        spanned, cells = 1, _count(row, shape)
        if cells != shape.columns:
            spanned, cells = _spanned(rows, number, cells, shape)
            row = b" ".join(rows[number : number + spanned])
        if cells == shape.columns:
            sound.append(row)
            at.append(number)
        else:
            refused.append(_refused(row, number, cells, shape.key))
        number += spanned
    table = _table(b"\n".join(sound) + b"\n", shape) if sound else None
    if table is None or table.num_rows != len(sound):  # nothing the parser says otherwise may cost a line
        table = _slowly(sound, shape)
    return written(Parsed(table, np.array(at, "int64"), lines, blank, refused), shape)


def _spanned(rows: list[bytes], first: int, cells: int, shape: Shape) -> tuple[int, int]:
    """How many lines the record that begins in a line spans, and its cells; those of the line where it is the whole of it.

    A quotation mark that is open goes on until it closes, but not into a line that is a record by itself: then the mark is
    a stray one. Where lines too short follow each other and make up one record, its line break was not quoted: nobody knows
    which cell it is in, and the record is refused, once.
    """
    following = rows[first + 1 : first + SPANNED]
    if rows[first].count(b'"') % 2:
        row = rows[first]
        for position, more in enumerate(following):
            if _count(more, shape) == shape.columns and more.count(b'"') % 2 == 0:
                return 1, 0
            row += b" " + more
            if row.count(b'"') % 2 == 0 and (together := _count(row, shape)):
                return position + 2, together
        return 1, 0
    together = cells
    for position, more in enumerate(following):
        count = _count(more, shape)
        if not cells or not more.strip() or count in (0, shape.columns) or together + count - 1 > shape.columns:
            break
        together += count - 1
        if together == shape.columns:
            return position + 2, cells
    return 1, cells


def _count(row: bytes, shape: Shape) -> int:
    return cells_in(row, shape.delimiter) if b'"' in row else row.count(shape.delimiter.encode()) + 1


def cells_in(row: bytes, delimiter: str) -> int:
    """Number of cells; 0 where a quotation mark does not close, or something follows one that does."""
    try:
        return len(next(csv.reader([row.decode("utf-8")], delimiter=delimiter, strict=True), []))
    except csv.Error:
        return 0


def _slowly(sound: list[bytes], shape: Shape) -> pa.Table:
    texts = [row.decode("utf-8") for row in sound]
    cells = [
        next(csv.reader([t], delimiter=shape.delimiter, strict=True)) if '"' in t else t.split(shape.delimiter)
        for t in texts
    ]
    names = [f"c{i}" for i in shape.chosen]
    columns = [pa.chunked_array([pa.array([row[i] for row in cells], pa.string())]) for i in shape.chosen]
    return pa.table(columns, names=names)


def _refused(row: bytes, number: int, cells: int, key: bytes) -> RefusedLine:
    digest = hmac.new(key, row, sha256).hexdigest()[:16] if key else ""
    return RefusedLine(line=number, characters=len(row.decode("utf-8")), cells=cells, digest=digest)
