"""The wanted columns of files as text rows in the engine, each with its file and physical line number, as a stream.

A block of whole lines is parsed in one go where it is plain: as many rows as lines, each with as many cells as the header.
Any other block is looked at line by line, so that every line becomes a row, a counted refusal (rule F05) or a blank.

Cells come out without blanks around, and missing where they hold nothing or "-".
"""

from __future__ import annotations

import csv
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from glob import escape
from hashlib import sha256
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from toolkit.data.reading.files import BlockFault, Refusal, RefusedLine, SourceFile, blocks, decoded, in_order
from toolkit.data.reading.formats import MISSING, FormatMap, resolve
from toolkit.engine.types import Engine

NAME = "text_rows"
PART_BYTES = 192 << 20  # of text in memory at a time
# text, numbers, truth and time; a nested or binary column is no table of a hospital's
PLAIN = (
    r"(VARCHAR|ENUM\(.*|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*|BOOLEAN|DATE|TIME\b.*|TIMESTAMP.*)$"
)
BLANKS = " \t\n\r\v\f"
# Excel keeps 15 digits of a number (rule F07), and drops the zeros that end a code (rule F08)
IDENTIFIERS, CODES = ("hospital", "record", "identity", "health_card"), ("principal_procedure", "other_procedures")


def columns_of(source: SourceFile, form: FormatMap, connection: Engine) -> tuple[dict[str, list[str]], list[str]]:
    """Which columns of the file the map means; refuses the file (rule F04) where a needed one is absent."""
    if source.kind == "parquet" and not read_schema(source, connection):
        return {}, []
    columns = {name: resolve(name, source.header) for name in form.wanted()}
    required = form.required()
    missing = [n for n, found in columns.items() if not found and n in required]
    doubled = [n for n, found in columns.items() if len(found) > 1 and "*" not in n]
    if missing or doubled:
        source.rejected = (
            ("缺少必需的列：" + "、".join(missing)) * bool(missing)
            + ("多列对应一个字段：" + "、".join(doubled)) * bool(doubled)
            + "（规则F04）"
        )
    rounded = [c for c in _of_fields(form, columns, CODES) if c in source.numeric]
    if rounded and not source.rejected:
        source.rejected = (
            f"手术操作编码（{'、'.join(rounded)}）被存为数值，末尾的 0 已丢失，请以文本格式导出（规则F08）"
        )
    long = {
        line
        for c in _of_fields(form, columns, IDENTIFIERS)
        if c in source.numeric
        for line in source.numeric[c].too_long
    }
    source.rounded = frozenset(long)
    return columns, list(dict.fromkeys(n for found in columns.values() for n in found))


def _of_fields(form: FormatMap, columns: dict[str, list[str]], fields: Sequence[str]) -> list[str]:
    return [c for f in fields if f in form.fields for n in form.fields[f].names() for c in columns[n]]


def read_schema(source: SourceFile, connection: Engine) -> bool:
    """Column names of a Parquet file; False where it is none, or holds more than plain columns."""
    try:
        rows = connection.con.execute(
            f"DESCRIBE SELECT * FROM read_parquet({_literal(escape(str(source.path)))})"
        ).fetchall()  # noqa: S608
    except duckdb.Error:
        source.rejected = "不是有效的 Parquet 文件，或已损坏（not a Parquet file）"
        return False
    if strange := [name for name, kind, *_rest in rows if not re.match(PLAIN, kind)]:
        source.rejected = f"Parquet 列的类型不是简单类型：{'、'.join(strange)}（规则F04，plain column types only）"
        return False
    source.header = [name for name, *_rest in rows]
    return True


def _as_text(name: str, kind: str) -> str:
    """A Parquet column as text. Codes that became floats on their way, as whole numbers again; NaN is a missing value."""
    if kind not in ("DOUBLE", "FLOAT"):
        empty = ", ".join(map(_literal, MISSING))
        text = f"trim(CAST({_name(name)} AS VARCHAR), {_literal(BLANKS)})"
        return f"CASE WHEN {text} NOT IN ({empty}) THEN {text} END"
    whole = f"{_name(name)} = floor({_name(name)}) AND abs({_name(name)}) < 1e15"
    return (
        f"CASE WHEN isnan({_name(name)}) THEN NULL WHEN {whole} THEN CAST(CAST({_name(name)} AS BIGINT) AS VARCHAR) "
        f"ELSE CAST({_name(name)} AS VARCHAR) END"
    )


@dataclass(frozen=True)
class Part:
    """Some rows of some files: `present` as text, `file`, `line`.

    Attributes
    ----------
    rows
        None for a Parquet file, which the engine itself reads in parts.
    """

    sources: tuple[SourceFile, ...]
    present: tuple[str, ...]
    rows: pa.Table | None


def parts(sources: Sequence[SourceFile], present: Sequence[str], *, key: bytes = b"") -> Iterator[Part]:
    """The rows of text files with the same names of columns, or of one Parquet file, in parts that fit in memory.

    Only when the last part was asked for do the sources have their `received`, `blank`, `refused` and, where a file breaks
    off, `rejected`. Rows of a file that is rejected in the end may have been handed out before.

    Parameters
    ----------
    key
        Secret of the run: refused lines are told by their digest under it.
    """
    wanted = tuple(present)
    if sources[0].kind == "parquet":
        yield Part(tuple(sources), wanted, None)
        return
    schema = pa.schema([*((n, pa.string()) for n in present), ("file", pa.int32()), ("line", pa.int64())])
    gathered: list[pa.Table] = []
    size = 0
    for source in sources:
        for rows in _rows_of(source, present, schema, key):
            gathered.append(rows)
            size += rows.nbytes
            if size > PART_BYTES:
                yield Part(tuple(sources), wanted, pa.concat_tables(gathered))
                gathered, size = [], 0
    if gathered:
        yield Part(tuple(sources), wanted, pa.concat_tables(gathered))


def register(part: Part, connection: Engine) -> None:
    """Make a part the table `text_rows` of the reader of files, until `close`."""
    raw = connection.con
    if part.rows is not None:
        raw.register(NAME, part.rows)
        return
    [source] = part.sources
    path = _literal(escape(str(source.path)))
    kinds = {
        name: kind for name, kind, *_rest in raw.execute(f"DESCRIBE SELECT * FROM read_parquet({path})").fetchall()
    }  # noqa: S608
    as_text = "".join(f"{_as_text(n, kinds[n])} AS {_name(n)}, " for n in part.present)
    # a view: a large Parquet file is streamed, not copied
    raw.execute(
        f"CREATE OR REPLACE TEMP VIEW {NAME} AS SELECT {as_text}{source.number}::INTEGER AS file, "  # noqa: S608
        f"file_row_number + 1 AS line FROM read_parquet({path}, file_row_number=true)"
    )
    [(source.received,)] = raw.execute(f"SELECT count(*) FROM {NAME}").fetchall()
    if not source.received:
        source.rejected = "没有数据行（no record）"


def only(part: Part, records: pa.Table, name: str, connection: Engine) -> bool:
    """Make the rows of a part that are in `records` (`file, line`) a table of their own; False for a Parquet file.

    Looked up by their numbers: a join would carry every column of every row through a hash table for a few of them.
    """
    if part.rows is None:
        return False
    wanted = np.isin(_numbered(part.rows), _numbered(records))
    connection.con.register(name, part.rows.filter(pa.array(wanted)))
    return True


def _numbered(rows: pa.Table) -> np.ndarray:
    return (rows["file"].to_numpy().astype("int64") << 40) + rows["line"].to_numpy()


def close(connection: Engine, name: str = NAME) -> None:
    """Let go of `text_rows`."""
    connection.con.unregister(name)
    connection.con.execute(f"DROP VIEW IF EXISTS {name}")


def frame(source: SourceFile) -> pd.DataFrame:
    """All columns of a small text file as they stand; refused lines and a late refusal stand in `source` thereafter."""
    schema = pa.schema([*((n, pa.string()) for n in source.header), ("file", pa.int32()), ("line", pa.int64())])
    rows = pa.concat_tables([schema.empty_table(), *_rows_of(source, source.header, schema, b"", clean=False)])
    source.close()
    return rows.drop_columns(["file", "line"]).to_pandas()


# --- blocks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shape:
    """What a worker must know of the file."""

    encoding: str
    delimiter: str
    columns: int
    chosen: tuple[int, ...]
    key: bytes
    clean: bool


@dataclass
class _Parsed:
    """A block's rows; `at` holds their lines within the block where they do not simply follow each other."""

    rows: pa.Table
    at: np.ndarray | None
    lines: int
    blank: int
    refused: list[RefusedLine]


def _rows_of(
    source: SourceFile, present: Sequence[str], schema: pa.Schema, key: bytes, *, clean: bool = True
) -> Iterator[pa.Table]:
    chosen = tuple(source.header.index(n) for n in present)
    shape = _Shape(source.encoding, source.delimiter, len(source.header), chosen, key, clean)
    line = source.header_line
    source.received = source.blank = 0
    source.refused = []
    try:
        for parsed in in_order(partial(_parse, shape=shape), blocks(source, source.body)):
            if isinstance(parsed, BlockFault):
                raise parsed.refusal(line)
            n = parsed.rows.num_rows
            at = np.arange(line + 1, line + n + 1) if parsed.at is None else parsed.at + (line + 1)
            rows = parsed.rows
            source.refused += [replace(one, line=one.line + line + 1) for one in parsed.refused]
            source.received += parsed.lines - parsed.blank
            source.blank += parsed.blank
            if source.rounded:
                keep = ~np.isin(at, list(source.rounded))
                gone = at[~keep]
                source.refused += [
                    RefusedLine(line=int(k), characters=0, cells=shape.columns, digest="", rule="F07") for k in gone
                ]
                rows, at = rows.filter(pa.array(keep)), at[keep]
            line += parsed.lines
            if len(at):
                columns = [*rows.columns, pa.array(np.full(len(at), source.number, "int32")), pa.array(at, pa.int64())]
                yield pa.table(columns, schema=schema).combine_chunks()
    except Refusal as refusal:
        source.rejected = str(refusal)
    except (OSError, EOFError) as error:
        source.rejected = f"读取中断（{type(error).__name__}）"
    if not source.rejected and source.received == 0:
        source.rejected = "没有数据行（only a header, no record）"


def _parse(block: bytes, shape: _Shape) -> _Parsed | BlockFault:
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
            return _Parsed(rows, None, lines, 0, [])
    return _line_by_line(block, shape, lines)


def _table(block: bytes, shape: _Shape) -> pa.Table | None:
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
                null_values=list(MISSING),
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:  # a line longer than the parser's block
        return None
    if odd:
        return None
    return pa.table([_trimmed(c) for c in table.columns], names=table.column_names) if shape.clean else table


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without blanks around its cells. Few files have any: two looks at the bytes spare the work on the others."""
    return column if not any(map(_has_blanks, column.chunks)) else _without_blanks(column)


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


def _without_blanks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim(column, BLANKS)
    missing = pc.is_in(trimmed, pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def _doubtful(block: bytes, shape: _Shape) -> bool:
    """Whether quotation marks may be misread: text after a closing one, or a cell that spans lines."""
    cell = rb'(?:^|%s)"(?:[^"\n]|"")*(?:\n|\Z|"(?!%s|\n|\Z))' % ((re.escape(shape.delimiter.encode()),) * 2)
    return re.search(cell, block, re.MULTILINE) is not None


def _line_by_line(block: bytes, shape: _Shape, lines: int) -> _Parsed:
    sound: list[bytes] = []
    at: list[int] = []
    refused: list[RefusedLine] = []
    delimiter = shape.delimiter.encode()
    blank = 0
    for number, row in enumerate(block.split(b"\n")[:lines]):
        # spaces make no record, but tabs do: cells may be divided by them
        if not row.strip(b" "):
            blank += 1
            continue
        cells = _cells(row, shape.delimiter) if b'"' in row else row.count(delimiter) + 1
        if cells == shape.columns:
            sound.append(row)
            at.append(number)
        else:
            refused.append(_refused(row, number, cells, shape.key))
    rows = _table(b"\n".join(sound) + b"\n", shape) if sound else None
    if rows is None or rows.num_rows != len(sound):  # nothing the parser says otherwise may cost a line
        rows = _slowly(sound, shape)
    return _Parsed(rows, np.array(at, "int64"), lines, blank, refused)


def _cells(row: bytes, delimiter: str) -> int:
    """Number of cells; 0 where a quotation mark does not close, or something follows one that does."""
    try:
        return len(next(csv.reader([row.decode("utf-8")], delimiter=delimiter, strict=True), []))
    except csv.Error:
        return 0


def _slowly(sound: list[bytes], shape: _Shape) -> pa.Table:
    texts = [row.decode("utf-8") for row in sound]
    cells = [
        next(csv.reader([t], delimiter=shape.delimiter, strict=True)) if '"' in t else t.split(shape.delimiter)
        for t in texts
    ]
    names = [f"c{i}" for i in shape.chosen]
    columns = [pa.chunked_array([pa.array([row[i] for row in cells], pa.string())]) for i in shape.chosen]
    return pa.table([_without_blanks(c) if shape.clean else c for c in columns], names=names)


def _refused(row: bytes, number: int, cells: int, key: bytes) -> RefusedLine:
    digest = hmac.new(key, row, sha256).hexdigest()[:16] if key else ""
    return RefusedLine(line=number, characters=len(row.decode("utf-8")), cells=cells, digest=digest)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
