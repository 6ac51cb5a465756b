"""The wanted columns of files as text rows in the engine, each with its file and physical line number, as a stream.

Cells come out without blanks around, and missing where they hold nothing or "-".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from glob import escape

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from toolkit.data.reading.encoding import BlockFault, decoded
from toolkit.data.reading.files import Refusal, RefusedLine, SourceFile, blocks, in_order
from toolkit.data.reading.formats import MISSING, FormatMap, resolve
from toolkit.data.reading.header import choose_header, repeated_names
from toolkit.data.reading.lines import BLANKS, Shape, cells_in, parse
from toolkit.engine.types import Engine

NAME = "text_rows"
PART_BYTES = 192 << 20  # of text in memory at a time
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
    columns = {name: resolve(name, source.header) for name in form.wanted()}
    required = form.required()
    missing = [n for n, found in columns.items() if not found and n in required]
    used = list(dict.fromkeys(n for found in columns.values() for n in found))
    doubled = [n for n, found in columns.items() if len(found) > 1 and "*" not in n] or repeated_names(source, used)
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
    return columns, used


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
    if sources[0].stored == "parquet":
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


def _rows_of(
    source: SourceFile, present: Sequence[str], schema: pa.Schema, key: bytes, *, clean: bool = True
) -> Iterator[pa.Table]:
    chosen = tuple(source.header.index(n) for n in present)
    shape = Shape(source.encoding, source.delimiter, len(source.header), chosen, key, clean)
    line = source.header_line
    source.received = source.blank = 0
    source.refused = []
    try:
        for parsed in in_order(
            partial(parse, shape=shape), blocks(source, source.body, ends=partial(_ends, shape=shape))
        ):
            if isinstance(parsed, BlockFault):
                raise parsed.refusal(line)
            n = parsed.rows.num_rows
            at = np.arange(line + 1, line + n + 1) if parsed.at is None else parsed.at + (line + 1)
            rows = parsed.rows
            source.refused += [replace(one, line=one.line + line + 1) for one in parsed.refused]
            source.received += parsed.received
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
