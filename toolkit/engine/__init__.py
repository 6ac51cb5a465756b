"""The query engine: the only place that knows which one it is.

DuckDB in this process by default; Spark in local mode where a run asks for it (optional extra `spark`, Java 17). Either way
the same Ibis expressions run on typed tables. Files are read by DuckDB in both cases: one parser of CSV, with its line
numbers and its refusals, and text rows are handed to Spark as Parquet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeGuard

import duckdb
import ibis

from toolkit.engine.types import Engine, SparkEngine, Table
from toolkit.errors import ContractBroken, EvaluationError
from toolkit.params import EngineName

# Both engines merge what is selected from a selection themselves; ibis takes a third of a small run's time over it.
ibis.options.sql.fuse_selects = False


def connect(
    work: Path,
    readable: Sequence[Path] = (),
    *,
    engine: EngineName = EngineName.DUCKDB,
    threads: int | None = None,
    memory: str = "3GB",
) -> Engine:
    """An Ibis connection to an engine whose reader of files can reach the given folders and nothing else.

    Parameters
    ----------
    work
        Folder for spilled and intermediate files; created if absent.
    readable
        Files or folders with input.
    engine
        Spark reads no file but what the toolkit itself has written to `work`. One Spark session a process.
    threads, memory
        Limits; all cores and 3 GB by default. Beyond the memory limit both engines spill to `work`.

    Raises
    ------
    EvaluationError
        Spark is asked for and pyspark or Java is missing.
    """
    threads = threads or os.cpu_count() or 1
    door = _duckdb(work, readable, threads, memory if engine == "duckdb" else "1GB")
    if engine == "duckdb":
        return door
    if missing := missing_for_spark():
        door.disconnect()
        raise EvaluationError(
            f"无法使用 Spark 引擎: 缺少 {missing}",
            f"the Spark engine needs {missing}",
            where="engine: spark",
            remedy="安装 pip install 'speceval[spark]' 与 Java 17, 或改用 engine: duckdb",
            remedy_english="install them, or use engine: duckdb",
        )
    from toolkit.engine.spark import Connection

    return Connection.open(work.resolve(), door, threads=threads, memory=memory)


def missing_for_spark() -> str:
    """What Spark lacks on this machine, or an empty string."""
    from importlib.util import find_spec

    home = os.environ.get("JAVA_HOME")
    lacking = ["pyspark"] * (find_spec("pyspark") is None)
    lacking += ["Java 17"] * (not (home and (Path(home) / "bin" / "java").exists()) and shutil.which("java") is None)
    return "、".join(lacking)


def _duckdb(work: Path, readable: Sequence[Path], threads: int, memory: str) -> Engine:
    work.mkdir(parents=True, exist_ok=True)
    folders = {str((p if p.is_dir() else p.parent).resolve()) + os.sep for p in (work, *readable)}
    connection = ibis.duckdb.connect(threads=threads, memory_limit=memory, temp_directory=str(work.resolve() / "spill"))
    # Order matters: once external access is off, folders can no longer be added, and the lock closes the rest.
    raw = connection.con
    raw.execute("SET allowed_directories = ?", [sorted(folders)])
    raw.execute("SET enable_external_access = false")
    raw.execute("SET python_enable_replacements = false")
    raw.execute("SET lock_configuration = true")
    return connection


def _is_spark(connection: Engine) -> TypeGuard[SparkEngine]:
    return connection.name != "duckdb"


def reader(connection: Engine) -> Engine:
    """The DuckDB that reads files: the engine itself, or the one beside Spark."""
    return connection.door if _is_spark(connection) else connection


_numbers = count()


def handed_over(connection: Engine, name: str) -> Table:
    """A table that the reader of files has made, as a table of the engine."""
    return connection.hand_over(name, next(_numbers)) if _is_spark(connection) else connection.table(name)


@contextmanager
def without_values() -> Iterator[None]:
    """Errors of DuckDB as errors of the toolkit: its messages quote cells and SQL, and with them patients and the run's key."""
    try:
        yield
    except duckdb.Error as error:
        kind = type(error).__name__
        raise ContractBroken(
            f"数据引擎出错（{kind}）；原文可能含病例数据，不予显示",
            f"the engine failed ({kind}); its own text may hold values and is not shown",
            remedy="检查内存与磁盘空间；仍出错时请把此行与所用文件的格式报告给维护者",
            remedy_english="check memory and disk; if it stays, report this line and the format of the files",
        ) from None


@dataclass(frozen=True)
class Compiled:
    """SQL of an expression over tables whose names will hold other rows the next time it runs."""

    sql: str


def compiled(connection: Engine, table: Table) -> Table | Compiled:
    """`table` to be written several times: DuckDB keeps the SQL, whose making costs more than a part's rows."""
    return Compiled(connection.compile(table)) if connection.name == "duckdb" else table


def write_parquet(connection: Engine, table: Table | Compiled, path: Path, *, order_by: Sequence[str] = ()) -> int:
    """Write an expression as zstd Parquet, sorted; returns the number of rows written.

    DuckDB writes a file, Spark a folder of files under the same name; `read_parquet` and pandas read either.
    """
    if not isinstance(table, Compiled):
        table = table.order_by(list(order_by)) if order_by else table
        if _is_spark(connection):
            return connection.write(table, path)
    sql = table.sql if isinstance(table, Compiled) else connection.compile(table)
    try:
        # COPY takes no bound path; this one is built by the program, and a quote in a folder's name is doubled.
        quoted = str(path).replace("'", "''")
        [(rows,)] = connection.con.execute(
            f"COPY ({sql}) TO '{quoted}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        ).fetchall()
    except OSError as error:
        raise EvaluationError(
            "无法写入中间数据",
            f"cannot write: {error.strerror}",
            where=str(path),
            remedy="检查磁盘空间和写权限",
            remedy_english="check disk space and permissions",
        ) from error
    return int(rows)
