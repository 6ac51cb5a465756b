"""The wanted columns of files as text rows in the engine, each with its file and physical line number, as a stream.

Cells come out without blanks around, and missing where they hold nothing or "-".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from glob import escape

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.data.reading.encoding import BlockFault, decoded
from toolkit.data.reading.files import RATIO, Refusal, RefusedLine, SourceFile, blocks, in_order
from toolkit.data.reading.formats import MISSING, FormatMap
from toolkit.data.reading.header import choose_header, repeated_names
from toolkit.data.reading.lines import Parsed, Shape, cells_in, parse, written
from toolkit.data.reading.written import words_of
from toolkit.engine.types import Engine
from toolkit.errors import of_the_machine
from toolkit.written_form import Mode

NAME = "text_rows"
LINE = "␟line"  # of a frame: in no column's name
PART_BYTES = 192 << 20  # of text in memory at a time
BATCH_ROWS = 1 << 17  # of a Parquet file
# text, numbers, truth and time; a nested or binary column is no table of a hospital's
PLAIN = (
    r"(VARCHAR|ENUM\(.*|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*|BOOLEAN|DATE|TIME\b.*|TIMESTAMP.*)$"
)
# Excel keeps 15 digits of a number (rule F07), and drops the zeros that end a code (rule F08)
IDENTIFIERS, CODES = ("hospital", "record", "identity", "health_card"), ("principal_procedure", "other_procedures")


def columns_of(source: SourceFile, form: FormatMap, connection: Engine) -> tuple[dict[str, list[str]], list[str]]:
    """Which columns of the file the map means; refuses the file (rule F04) where a needed one is absent."""
    if source.stored == "parquet":
        if not read_schema(source, connection):
            return {}, []
    else:
        choose_header(source, form)
        if source.rejected:
            return {}, []
    columns = form.columns_in(source.columns)
    source.lacks = [name for name, one in form.fields.items() if one.absent(columns)]
    required = form.required()
    missing = [n for n, found in columns.items() if not found and n in required]
    used = list(dict.fromkeys(n for found in columns.values() for n in found))
    doubled = [n for n, found in columns.items() if len(found) > 1 and "*" not in n] or repeated_names(source, used)
    if missing or doubled:
        source.refuse(
            ("缺少必需的列：" + "、".join(missing)) * bool(missing)
            + ("多列对应一个字段：" + "、".join(doubled)) * bool(doubled),
            "F04",
        )
    rounded = [c for c in _of_fields(form, columns, CODES) if c in source.numeric]
    if rounded and not source.rejected:
        source.refuse(f"手术操作编码（{'、'.join(rounded)}）被存为数值，末尾的 0 已丢失，请以文本格式导出", "F08")
    long = {
        line
        for c in _of_fields(form, columns, IDENTIFIERS)
        if c in source.numeric
        for line in source.numeric[c].too_long
    }
    source.rounded = frozenset(long)
    return columns, used


def _of_fields(form: FormatMap, columns: dict[str, list[str]], fields: Sequence[str]) -> list[str]:
    return [c for f in fields if f in form.fields for n in form.fields[f].names() for c in columns[n]]


def read_schema(source: SourceFile, connection: Engine) -> bool:
    """Column names of a Parquet file; False where it is none, holds more than plain columns, or more rows than it has bytes for."""
    if why := _out_of_proportion(source):
        source.refuse(why, "F02")
        return False
    try:
        rows = connection.con.execute(
            f"DESCRIBE SELECT * FROM read_parquet({_literal(escape(str(source.path)))})"
        ).fetchall()  # noqa: S608
    except duckdb.Error:
        source.refuse("不是有效的 Parquet 文件，或已损坏（not a Parquet file）")
        return False
    if strange := [name for name, kind, *_rest in rows if not re.match(PLAIN, kind)]:
        source.refuse(f"Parquet 列的类型不是简单类型（plain column types only）：{'、'.join(strange)}", "F04")
        return False
    source.header = [name for name, *_rest in rows]
    return True


FEW_ROWS, MOST_COLUMNS = 1_000_000, 5_000


def _out_of_proportion(source: SourceFile) -> str:
    """Why a Parquet file is not opened, by what its footer says; "" where it may be. Repeated rows take hardly any bytes."""
    try:
        told = pq.read_metadata(source.path)
        unpacked = sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups))
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"不是有效的 Parquet 文件，或已损坏（not a Parquet file: {type(error).__name__}）"
    size = max(source.size, 1 << 20)
    if told.num_columns > MOST_COLUMNS or unpacked > RATIO * size or told.num_rows > max(FEW_ROWS, source.size):
        return (
            f"文件过大或压缩异常（{told.num_rows:,} 行、{told.num_columns:,} 列、解压后 {unpacked:,} 字节，文件只有 "
            f"{source.size:,} 字节），未读取"
        )
    return ""


@dataclass(frozen=True)
class Original:
    """What cells of a column held that were written anew: file and line of each, as `_numbered` puts them together."""

    column: str
    at: np.ndarray
    held: pa.Array


@dataclass(frozen=True)
class Part:
    """Some rows of some files: `present` as text, `file`, `line`.

    Attributes
    ----------
    originals
        What cells held that had another written form.
    """

    sources: tuple[SourceFile, ...]
    present: tuple[str, ...]
    rows: pa.Table
    originals: tuple[Original, ...] = ()


def parts(
    sources: Sequence[SourceFile],
    present: Sequence[str],
    *,
    key: bytes = b"",
    modes: Mapping[str, Mode] | None = None,
    missing: Sequence[str] = MISSING,
) -> Iterator[Part]:
    """The rows of files with the same names of columns, in parts that fit in memory.

    Only when the last part was asked for do the sources have their `received`, `blank`, `refused`, `rewritten` and, where a
    file breaks off, `rejected`. Rows of a file that is rejected in the end may have been handed out before.

    Parameters
    ----------
    key
        Secret of the run: refused lines are told by their digest under it.
    modes
        Column -> in which form its cells are written; others stay as they are.
    missing
        What a cell may hold for nothing.
    """
    schema = pa.schema([*((n, pa.string()) for n in present), ("file", pa.int32()), ("line", pa.int64())])
    gathered: list[pa.Table] = []
    originals: list[Original] = []
    size = 0
    for source in sources:
        held = [n for n in present if n not in source.given]
        shape = Shape(
            source.encoding,
            source.delimiter,
            len(source.header),
            tuple(source.header.index(n) for n in held),
            tuple((modes or {}).get(n) for n in held),
            tuple(missing),
            words_of(missing),
            key,
            clean=True,
            places=source.places,
            by_bytes=source.by_bytes,
        )
        rows_of = _parquet_rows if source.stored == "parquet" else _rows_of
        for rows, changed in rows_of(source, held, schema, shape):
            gathered.append(rows)
            originals += changed
            size += rows.nbytes
            if size > PART_BYTES:
                yield Part(tuple(sources), tuple(present), pa.concat_tables(gathered), tuple(originals))
                gathered, originals, size = [], [], 0
    if gathered:
        yield Part(tuple(sources), tuple(present), pa.concat_tables(gathered), tuple(originals))


def register(part: Part, connection: Engine) -> None:
    """Make a part the table `text_rows` of the reader of files, until `close`."""
    connection.con.register(NAME, part.rows)


def only(part: Part, records: pa.Table, name: str, connection: Engine) -> None:
    """Make the rows of a part that are in `records` (`file, line`) a table of their own, with their cells as received.

    Looked up by their numbers: a join would carry every column of every row through a hash table for a few of them.
    """
    wanted = np.isin(_numbered(part.rows), _numbered(records))
    rows = part.rows.filter(pa.array(wanted))
    numbers = _numbered(rows)
    order = np.argsort(numbers, kind="stable")
    for one in part.originals:
        mine = np.isin(one.at, numbers)
        if not mine.any():
            continue
        place = order[np.searchsorted(numbers, one.at[mine], sorter=order)]
        mask = np.zeros(len(numbers), bool)
        mask[place] = True
        held = one.held.filter(pa.array(mine)).take(pa.array(np.argsort(place, kind="stable")))
        column = pc.replace_with_mask(rows[one.column].combine_chunks(), pa.array(mask), held)
        rows = rows.set_column(rows.column_names.index(one.column), one.column, column)
    connection.con.register(name, rows)


def _numbered(rows: pa.Table) -> np.ndarray:
    return (rows["file"].to_numpy().astype("int64") << 40) + rows["line"].to_numpy()


def close(connection: Engine, name: str = NAME) -> None:
    """Let go of `text_rows`."""
    connection.con.unregister(name)
    connection.con.execute(f"DROP VIEW IF EXISTS {name}")


def frame(source: SourceFile) -> pd.DataFrame:
    """All columns of a small table as they stand, and `LINE`; refused lines and a late refusal stand in `source` thereafter."""
    every = range(len(source.header))
    names = [f"c{i}" for i in every]  # a column may be called file or line, or stand twice
    schema = pa.schema([*((n, pa.string()) for n in names), ("file", pa.int32()), ("line", pa.int64())])
    shape = Shape(
        source.encoding, source.delimiter, len(every), tuple(every), (None,) * len(every), (), frozenset(), b"", False
    )
    found = [rows for rows, _changed in _rows_of(source, names, schema, shape)]
    rows = pa.concat_tables([schema.empty_table(), *found])
    source.close()
    return rows.drop_columns(["file"]).rename_columns([*names, LINE]).to_pandas()


def _rows_of(
    source: SourceFile, present: Sequence[str], schema: pa.Schema, shape: Shape
) -> Iterator[tuple[pa.Table, list[Original]]]:
    line = source.header_line
    _begin(source)
    try:
        ends = None if shape.places else partial(_ends, shape=shape)
        for parsed in in_order(partial(parse, shape=shape), blocks(source, source.body, ends=ends)):
            if isinstance(parsed, BlockFault):
                raise parsed.refusal(line)
            n = parsed.rows.num_rows
            at = np.arange(line + 1, line + n + 1) if parsed.at is None else parsed.at + (line + 1)
            source.refused += [replace(one, line=one.line + line + 1) for one in parsed.refused]
            source.received += parsed.received
            source.blank += parsed.blank
            line += parsed.lines
            originals = _noted(source, present, parsed, at)
            rows = parsed.rows
            if source.rounded:
                keep = ~np.isin(at, list(source.rounded))
                source.refused += [
                    RefusedLine(line=int(k), characters=0, cells=shape.columns, digest="", rule="F07")
                    for k in at[~keep]
                ]
                rows, at = rows.filter(pa.array(keep)), at[keep]
            if len(at):
                yield _with_lines(rows, at, source, schema), originals
    except Refusal as refusal:
        source.refuse(refusal.reason, refusal.rule)
    except (OSError, EOFError) as error:
        if of_the_machine(error):
            raise
        source.refuse(f"读取中断（{type(error).__name__}）")
    if not source.rejected and source.received == 0:
        source.refuse("没有数据行（only a header, no record）")


def _parquet_rows(
    source: SourceFile, present: Sequence[str], schema: pa.Schema, shape: Shape
) -> Iterator[tuple[pa.Table, list[Original]]]:
    _begin(source)
    try:
        for batch in pq.ParquetFile(source.path).iter_batches(BATCH_ROWS, columns=list(present)):
            rows = pa.table([_as_text(batch.column(n)) for n in present], names=list(present))
            parsed = written(Parsed(rows, None, batch.num_rows, 0, []), shape)
            at = np.arange(source.received + 1, source.received + batch.num_rows + 1)
            source.received += batch.num_rows
            yield _with_lines(parsed.rows, at, source, schema), _noted(source, present, parsed, at)
    except (pa.ArrowException, OSError) as error:
        source.refuse(f"Parquet 文件损坏（{type(error).__name__}）", "F02")
    if not source.rejected and source.received == 0:
        source.refuse("没有数据行（no record）")


def _begin(source: SourceFile) -> None:
    source.received = source.blank = 0
    source.refused, source.rewritten, source.damaged = [], {}, {}


def _with_lines(rows: pa.Table, at: np.ndarray, source: SourceFile, schema: pa.Schema) -> pa.Table:
    held = iter(rows.columns)
    columns = [
        pa.repeat(pa.scalar(source.given[name]), len(at)) if name in source.given else next(held)
        for name in schema.names[:-2]
    ]
    columns += [pa.array(np.full(len(at), source.number, "int32")), pa.array(at, pa.int64())]
    return pa.table(columns, schema=schema).combine_chunks()


def _noted(source: SourceFile, present: Sequence[str], parsed: Parsed, at: np.ndarray) -> list[Original]:
    """Count in `source` which cells were written anew; returns what they held."""
    originals = []
    for position, changed in parsed.changed.items():
        name = present[position]
        source.rewritten[name] = source.rewritten.get(name, 0) + len(changed.at) - changed.damaged
        source.damaged[name] = source.damaged.get(name, 0) + changed.damaged
        numbers = (np.int64(source.number) << 40) + at[changed.at]
        originals.append(Original(name, numbers, changed.held))
    for position, n in parsed.trimmed.items():
        name = present[position]
        source.rewritten[name] = source.rewritten.get(name, 0) + n
    return originals


def _as_text(column: pa.Array) -> pa.ChunkedArray:
    """A Parquet column as text. Codes that became floats on their way, as whole numbers again; NaN is a missing value."""
    if pa.types.is_floating(column.type):
        number = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        whole = pc.and_(pc.equal(number, pc.floor(number)), pc.less(pc.abs(number), 1e15))
        integer = pc.if_else(whole, number, pa.scalar(None, column.type)).cast("int64").cast(pa.string())
        text = pc.coalesce(integer, number.cast(pa.string()))
    elif pa.types.is_timestamp(column.type):
        text = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    else:
        text = column.cast(pa.string())
    return pa.chunked_array([pc.if_else(pc.is_in(text, pa.array(MISSING)), pa.scalar(None, pa.string()), text)])


def _ends(line: bytes, shape: Shape) -> bool:
    """Whether a record ends with a line: it is one by itself."""
    try:
        text = decoded(line.rstrip(b"\r\n"), shape.encoding)
    except BlockFault:
        return False
    return text.count(b'"') % 2 == 0 and cells_in(text, shape.delimiter) == shape.columns


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
