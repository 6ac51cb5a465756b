"""The wanted columns of a file as text rows in the engine, each with its file and physical line number."""

from __future__ import annotations

from glob import escape
from typing import Any

import duckdb
import pandas as pd

from toolkit.data.files import SourceFile
from toolkit.data.formats import FormatMap, resolve


def drop_text(connection: Any) -> None:
    """The text rows, a view over a Parquet file or a table."""
    views = connection.con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    connection.con.execute(f"DROP {'VIEW' if ('text_rows',) in views else 'TABLE'} text_rows")


def columns_of(source: SourceFile, form: FormatMap, connection: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Which columns of the file the map means; refuses the file (rule F04) where a needed one is absent."""
    if source.kind == "parquet" and not read_schema(source, connection):
        return {}, []
    columns = {name: resolve(name, source.header) for name in form.wanted()}
    optional = {n for s in form.fields.values() if s.optional for n in s.names()} | {n for n in columns if "*" in n}
    missing = [n for n, found in columns.items() if not found and n not in optional]
    doubled = [n for n, found in columns.items() if len(found) > 1 and "*" not in n]
    if missing or doubled:
        source.rejected = (
            "缺少必需的列：" * bool(missing)
            + "、".join(missing)
            + "多列对应一个字段：" * bool(doubled)
            + "、".join(doubled)
        )
    return columns, list(dict.fromkeys(n for found in columns.values() for n in found))


def read_schema(source: SourceFile, connection: Any) -> bool:
    """Column names of a Parquet file; False where it is none."""
    try:
        rows = connection.con.execute(
            f"DESCRIBE SELECT * FROM read_parquet({_literal(escape(str(source.path)))})"
        ).fetchall()  # noqa: S608
    except duckdb.Error:
        source.rejected = "不是有效的 Parquet 文件，或已损坏（not a Parquet file）"
        return False
    source.header = [name for name, *_rest in rows]
    return True


def _as_text(name: str, kind: str) -> str:
    """A Parquet column as text. Codes that became floats on their way, as whole numbers again; NaN is a missing value."""
    if kind not in ("DOUBLE", "FLOAT"):
        return f"CAST({_name(name)} AS VARCHAR)"
    whole = f"{_name(name)} = floor({_name(name)}) AND abs({_name(name)}) < 1e15"
    return (
        f"CASE WHEN isnan({_name(name)}) THEN NULL WHEN {whole} THEN CAST(CAST({_name(name)} AS BIGINT) AS VARCHAR) "
        f"ELSE CAST({_name(name)} AS VARCHAR) END"
    )


def load_text(source: SourceFile, present: list[str], connection: Any, *, append: bool = False) -> list[int]:
    """The wanted columns as text, with file and physical line number, in `text_rows`; returns the refused lines."""
    raw = connection.con
    quoted = ", ".join(_name(n) for n in present)
    if source.kind == "parquet":
        path = _literal(escape(str(source.path)))
        kinds = {
            name: kind for name, kind, *_rest in raw.execute(f"DESCRIBE SELECT * FROM read_parquet({path})").fetchall()
        }  # noqa: S608
        as_text = ", ".join(f"{_as_text(n, kinds[n])} AS {_name(n)}" for n in present)
        # a view: a large Parquet file is streamed, not copied
        raw.execute(
            f"CREATE VIEW text_rows AS SELECT {as_text}, {source.number}::INTEGER AS file, "  # noqa: S608
            f"file_row_number + 1 AS line FROM read_parquet({path}, file_row_number=true)"
        )
        [(source.received,)] = raw.execute("SELECT count(*) FROM text_rows").fetchall()
        return []
    # by position: a header cell may be empty or hold anything
    names = "{" + ", ".join(f"c{i}: 'VARCHAR'" for i in range(len(source.header))) + "}"
    chosen = ", ".join(f"c{source.header.index(n)} AS {_name(n)}" for n in present)
    raw.execute("DROP TABLE IF EXISTS reject_scans; DROP TABLE IF EXISTS reject_errors")
    raw.execute(
        f"CREATE OR REPLACE TABLE read_rows AS SELECT {chosen} FROM read_csv(?, delim=?, quote='\"', escape='\"', header=true, "  # noqa: S608
        f"auto_detect=false, columns={names}, strict_mode=true, null_padding=false, store_rejects=true, rejects_limit=0)",
        [str(source.readable), source.delimiter],
    )
    refused = [line for (line,) in raw.execute("SELECT DISTINCT line FROM reject_errors ORDER BY line").fetchall()]
    # The engine counts lines of the copy it read; blank and unclosed ones had been taken out of it.
    lost = [_physical(line, source.lines_skipped) for line in refused]
    out = sorted([*lost, *source.lines_skipped])
    # k-th row read -> physical line: k + 2 + the lines before it that are no rows
    steps = pd.DataFrame({"from_row": [line - 2 - i for i, line in enumerate(out)], "extra": range(1, len(out) + 1)})
    steps = pd.concat([pd.DataFrame({"from_row": [-1], "extra": [0]}), steps]).groupby("from_row", as_index=False).max()
    raw.register("line_steps", steps)
    into = "INSERT INTO text_rows" if append else "CREATE OR REPLACE TABLE text_rows AS"
    raw.execute(
        f"{into} SELECT {quoted}, {source.number}::INTEGER AS file, "  # noqa: S608
        "r.row_id + 2 + s.extra AS line FROM (SELECT *, rowid AS row_id FROM read_rows) r "
        "ASOF JOIN line_steps s ON r.row_id >= s.from_row"
    )
    raw.unregister("line_steps")
    raw.execute("DROP TABLE read_rows")
    return lost


def _physical(line: int, skipped: list[int]) -> int:
    for gone in sorted(skipped):
        if gone <= line:
            line += 1
    return line


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
