"""Spark in local mode behind the same Ibis expressions; imported only where a run asks for it.

Ibis translates; where its Spark SQL would mean something else than its DuckDB SQL without saying so, `Dialect` and
`Connection` make it mean the same. What an expression must avoid itself: a window inside `filter`, a division by zero, the
value of a hash (it decides only what is equal).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import duckdb
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pandas as pd
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.duckdb.converter import DuckDBPandasData
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.formats.pyarrow import PyArrowData, PyArrowSchema
from pyspark.sql import SparkSession

from toolkit.engine.types import Engine, Table

with warnings.catch_warnings():
    # said of conversions to and from pandas, which `Connection` replaces by Arrow
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    import ibis.backends.pyspark as ibis_pyspark

CONFIGURATION = {
    "spark.ui.enabled": "false",
    # one machine: nothing listens on its network
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    # an overflow or an impossible cast is an error, never a wrong number
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.ui.showConsoleProgress": "false",
}


Node = Any  # expressions and operations of Ibis and sqlglot, whose methods are overridden here: they have no types

# What DuckDB reads as a number, but for "1_000", which the formats refuse; Spark also takes "5d", "5f" and digits of any script.
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


class Dialect(PySparkCompiler):
    """Ibis' Spark SQL where it would mean something else than its DuckDB SQL, without an error."""

    # Spark's own `hash` has 32 bits: among 72 million records it takes thousands of different stays for one
    SIMPLE_OPS = {ops.Hash: "xxhash64"}  # noqa: RUF012  as Ibis declares it

    def visit_Sum(self, op: Node, *, arg: Node, where: Node) -> Node:
        # Spark adds 64-bit integers in 64 bits, which squares of costs soon exceed; DuckDB in 128
        if not op.arg.dtype.is_integer():
            return super().visit_Sum(op, arg=arg, where=where)
        return self.cast(super().visit_Sum(op, arg=self.cast(arg, dt.Decimal(38, 0)), where=where), op.dtype)

    def visit_Cast(self, op: Node, *, arg: Node, to: Node) -> Node:
        # a sum that becomes a float or a decimal need not go through 64 bits
        wide = isinstance(op.arg, ops.Sum) and isinstance(arg, sge.Cast) and not to.is_integer()
        return super().visit_Cast(op, arg=arg.this if wide else arg, to=to)

    def visit_Strip(self, op: Node, *, arg: Node) -> Node:
        # Ibis writes \\v and \\f, which Spark takes for the letters v and f, and strips these from every code
        white = self.f.concat(sge.convert(" \t\n\r"), self.f.anon.char(11), self.f.anon.char(12))
        return sge.Trim(this=arg, expression=white)

    def visit_StringSplit(self, op: Node, *, arg: Node, delimiter: Node) -> Node:
        # Spark takes the delimiter for a regular expression: "|" is then between any two letters
        return self.f.split(arg, self.f.concat(sge.convert("\\Q"), delimiter, sge.convert("\\E")))

    def visit_TryCast(self, op: Node, *, arg: Node, to: Node) -> Node:
        if op.arg.dtype.is_string() and to.is_numeric():
            arg = self.if_(self.f.rlike(arg, sge.convert(NUMBER)), arg, NULL)
        return super().visit_TryCast(op, arg=arg, to=to)


class Connection(ibis_pyspark.Backend):
    """Ibis on Spark, with Arrow instead of pandas on the way in and out, and a DuckDB beside it that reads files."""

    name = "pyspark"
    compiler = Dialect()
    door: Engine  # the DuckDB connection
    folder: Path

    @classmethod
    def open(cls, work: Path, door: Engine, *, threads: int, memory: str) -> Connection:
        """Spark on this machine; tables and spilled data lie in `work`."""
        builder = SparkSession.builder.master(f"local[{threads}]").appName("speceval")
        settings = CONFIGURATION | {
            "spark.driver.memory": memory.lower().removesuffix("b"),
            "spark.sql.shuffle.partitions": str(threads),
            "spark.local.dir": str(work / "spill"),
            "spark.sql.warehouse.dir": str(work / "tables"),
        }
        for key, value in settings.items():
            builder = builder.config(key, value)
        cls.register_options()
        connection = cls(builder.getOrCreate())
        connection.reconnect()
        connection.door, connection.folder = door, work / "handed-over"
        context = connection._session.sparkContext
        context.setLogLevel("ERROR")
        # an expression too wide to be compiled is interpreted: no error, but Spark prints the whole of it as one
        log4j = context._jvm.org.apache.logging.log4j
        generator = "org.apache.spark.sql.catalyst.expressions.codegen.CodeGenerator"
        log4j.core.config.Configurator.setLevel(generator, log4j.Level.OFF)
        return connection

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """What reads files: the DuckDB beside Spark."""
        return self.door.con

    def hand_over(self, name: str, number: int) -> Table:
        """A table of the door as one of Spark, by way of a Parquet file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}-{number}.parquet"
        self.door.table(name).to_parquet(str(path), compression="zstd")
        return self.read_parquet(path)

    def create_view(self, name: str, /, obj: Node, *, database: str | None = None, overwrite: bool = False) -> Node:
        # Spark would write the whole of a view into every use of it: a table, so that planning does not outlast the work
        return self.create_table(name, obj, database=database, overwrite=overwrite)

    def write(self, table: Node, path: Path) -> int:
        """A folder of zstd Parquet files; returns the number of rows."""
        self._run_pre_execute_hooks(table)
        self._session.sql(self.compile(table)).write.mode("overwrite").parquet(str(path))
        return int(self._session.read.parquet(str(path)).count())

    def disconnect(self) -> None:
        self.door.disconnect()
        super().disconnect()

    def _register_in_memory_table(self, op: Node) -> None:
        table = op.data.to_pyarrow(op.schema)
        self._session.createDataFrame(table).createOrReplaceTempView(op.name)

    def to_pyarrow(self, expr: Node, /, *, params: Node = None, limit: Node = None, **kwargs: Node) -> Node:
        table = expr.as_table()
        found = self._collected(table, params, limit)
        return expr.__pyarrow_result__(PyArrowData.convert_table(found, table.schema()))

    def execute(self, expr: Node, /, *, params: Node = None, limit: Node = None, **kwargs: Node) -> Node:
        table = expr.as_table()
        found = self._collected(table, params, limit)
        # as Ibis does for DuckDB, so that a missing value looks the same from both
        frame = pd.DataFrame(
            {
                name: (column.to_pylist() if column.null_count else column.to_pandas())
                for name, column in zip(found.column_names, found.columns, strict=True)
            }
        )
        return expr.__pandas_result__(DuckDBPandasData.convert_table(frame, table.schema()))

    def _collected(self, table: Node, params: Node, limit: Node) -> pa.Table:
        self._run_pre_execute_hooks(table)
        found = self._session.sql(self.compile(table, params=params, limit=limit)).toArrow()
        return found.cast(PyArrowSchema.from_ibis(table.schema()))
