"""The query engine: the only place that knows which one it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis

from toolkit.errors import EvaluationError


def connect(work: Path, readable: Sequence[Path] = (), *, threads: int | None = None, memory: str = "3GB") -> Any:
    """An Ibis connection to an in-process DuckDB that can reach the given folders and nothing else.

    Parameters
    ----------
    work
        Folder for spilled and intermediate files; created if absent.
    readable
        Files or folders with input.
    threads, memory
        Limits; all cores and 3 GB by default. Beyond the memory limit DuckDB spills to `work`.
    """
    work.mkdir(parents=True, exist_ok=True)
    folders = {str((p if p.is_dir() else p.parent).resolve()) + os.sep for p in (work, *readable)}
    connection = ibis.duckdb.connect(
        threads=threads or os.cpu_count() or 1, memory_limit=memory, temp_directory=str(work.resolve() / "spill")
    )
    # Order matters: once external access is off, folders can no longer be added, and the lock closes the rest.
    raw = connection.con
    raw.execute("SET allowed_directories = ?", [sorted(folders)])
    raw.execute("SET enable_external_access = false")
    raw.execute("SET python_enable_replacements = false")
    raw.execute("SET lock_configuration = true")
    return connection


def write_parquet(connection: Any, table: Any, path: Path, *, order_by: Sequence[str] = ()) -> int:
    """Write an expression as zstd Parquet, sorted; returns the number of rows written."""
    ordered = table.order_by(list(order_by)) if order_by else table
    sql = ibis.to_sql(ordered, dialect="duckdb")
    try:
        # COPY takes no bound path; this one is built by the program, and a quote in a folder's name is doubled.
        quoted = str(path).replace("'", "''")
        [(rows,)] = connection.con.execute(
            f"COPY ({sql}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        ).fetchall()
    except OSError as error:
        raise EvaluationError(
            "无法写入中间数据", f"cannot write: {error.strerror}", where=str(path),
            remedy="检查磁盘空间和写权限", remedy_english="check disk space and permissions",
        ) from error  # fmt: skip
    return int(rows)
