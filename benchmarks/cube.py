"""The cube: `toolkit.cube.build` against DuckDB SQL written by hand that computes the same sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import data
from benchmarks.measuring import CACHE, against_each_other, report

MEMORY = "3GB"
SMALL = 600_000
EDGE = 1e-12  # as in toolkit.cube: a case exactly on a limit stays in


# The measures of the indicators that were there first (费用、时间、死亡、手术级别、权重): what the SQL beside them sums.
FIRST = (
    "cost",
    "los",
    "cost_kept",
    "los_kept",
    "died",
    "surgical",
    "level4@contemporaneous",
    "level34@contemporaneous",
    "level4@frozen",
    "level34@frozen",
    "carried_weight",
)


def run(size: int, runs: int) -> None:
    data.store(size)
    for method in ("iqr", "none"):
        names = [f"cube:sql_{method}", f"cube:toolkit_{method}"]
        report(
            f"cube_{method}", size, against_each_other(names, size, runs), target="ratio at most 1.25, peak below 2 GB"
        )


def run_catalogue(size: int, runs: int) -> None:
    """The sums of the whole catalogue against those of the first indicators, and how often the records are read."""
    data.store(size)
    measured = against_each_other(["cube:toolkit_iqr", "cube:catalogue_iqr"], size, runs)
    report(
        "catalogue",
        size,
        measured,
        target="ratio at most 2, peak below 3 GB",
        scans_of_the_records={name: passes(first) for name, first in (("first", True), ("catalogue", False))},
    )


def passes(first: bool) -> dict[str, int]:
    """Scans of the stored records by one build of the cube, by purpose, as the engine's own plans count them.

    Of few records: of many each year is summed by itself, which reads each record as often.
    """
    import re

    from toolkit import cube

    connection, discharges, groups, params = _opened(SMALL, "iqr")
    counted = {"quantiles": 0, "sums": 0, "count": 0}
    raw = connection.con

    class Planned:
        """The engine's connection; of every statement the plan is asked for first."""

        def __getattr__(self, name: str) -> Any:
            return getattr(raw, name)

        def _counted(self, query: str) -> None:
            if query.lstrip().upper().startswith(("SELECT", "WITH", "CREATE", "INSERT")):
                [(_kind, plan)] = raw.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()
                purpose = "quantiles" if "quantile" in query.lower() else "sums" if "SUM(" in query.upper() else "count"
                counted[purpose] += len(re.findall(r'"name": "READ_PARQUET', plan))

        def execute(self, query: str, *args: Any, **kwargs: Any) -> Any:
            self._counted(query)
            raw.execute(query, *args, **kwargs)
            return self

        def sql(self, query: str) -> Any:
            self._counted(query)
            return raw.sql(query)

    connection.con = Planned()
    cube.build(discharges, params, groups, connection=connection, measures=_first() if first else ())
    return counted


def toolkit_iqr(size: int) -> Callable[[], Any]:
    return _toolkit(size, "iqr")


def toolkit_none(size: int) -> Callable[[], Any]:
    return _toolkit(size, "none")


def catalogue_iqr(size: int) -> Callable[[], Any]:
    """Every measure; without a result to keep, for its columns are more than those of the others."""
    from toolkit import cube

    connection, discharges, groups, params = _opened(size, "iqr")

    def work() -> None:
        cube.build(discharges, params, groups, connection=connection)

    return work


def whole(size: int) -> Any:
    """The cube of every measure."""
    from toolkit import cube

    connection, discharges, groups, params = _opened(size, "iqr")
    return cube.build(discharges, params, groups, connection=connection)


def sql_iqr(size: int) -> Callable[[], Any]:
    return _sql(size, trimmed=True)


def sql_none(size: int) -> Callable[[], Any]:
    return _sql(size, trimmed=False)


def _opened(size: int, method: str) -> tuple[Any, Any, Any, Any]:
    from toolkit.engine import connect
    from toolkit.params import TrimmingPolicy

    store = data.store(size)
    connection = connect(CACHE / "work-toolkit", [store / "2019.parquet"], memory=MEMORY)
    discharges = connection.read_parquet(str(store / "*.parquet"))
    groups = data.hospitals(size).rename(columns={"code": "hospital"})
    return connection, discharges, groups, data.params(trimming=TrimmingPolicy(method=method, frozen="same"))


def _first() -> list[Any]:
    from toolkit.data.discharge.measures import MEASURES

    return [m for m in MEASURES if m.id in FIRST]


def _toolkit(size: int, method: str) -> Callable[[], Any]:
    from toolkit import cube

    connection, discharges, groups, params = _opened(size, method)
    return lambda: cube.build(discharges, params, groups, connection=connection, measures=_first())


def _sql(size: int, *, trimmed: bool) -> Callable[[], Any]:
    import duckdb

    store, params = data.store(size), data.params()
    connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(CACHE / "spill")})
    connection.register("registry", data.hospitals(size))
    connection.execute("CREATE TABLE groups AS SELECT code AS hospital, level_group FROM registry")
    records = f"read_parquet('{store}/*.parquet')"
    price = "CASE year " + " ".join(f"WHEN {y} THEN {p!r}" for y, p in params.price_index.items()) + " END"
    before = f"year BETWEEN {params.baseline.first} AND {params.baseline.last}"
    query = _cube_sql(records, price, trimmed=trimmed)

    def work() -> Any:
        if trimmed:
            connection.execute(_limits_sql("now", records, "cost_fen::DOUBLE", "year", "true"))
            connection.execute(_limits_sql("fixed", records, f"cost_fen::DOUBLE / {price}", "0", before))
        return connection.execute(query).df()

    return work


def _limits_sql(name: str, records: str, cost: str, year: str, where: str) -> str:
    return f"""
        CREATE OR REPLACE TABLE {name} AS
        SELECT level_group, drg, year, c1 - {EDGE} * abs(c1) AS c1, c2 + {EDGE} * abs(c2) AS c2,
            d1 - {EDGE} * abs(d1) AS d1, d2 + {EDGE} * abs(d2) AS d2
        FROM (SELECT level_group, drg, year, c[1] - 0.5 * (c[2] - c[1]) AS c1, c[2] + 1.5 * (c[2] - c[1]) AS c2,
            d[1] - 0.5 * (d[2] - d[1]) AS d1, d[2] + 1.5 * (d[2] - d[1]) AS d2
        FROM (
            SELECT level_group, drg, {year} AS year, quantile_cont({cost}, [0.25, 0.75]) FILTER (cost_usable) AS c,
                quantile_cont(los_days::DOUBLE, [0.25, 0.75]) FILTER (los_usable) AS d
            FROM {records} JOIN groups USING (hospital) WHERE grouped AND {where} GROUP BY ALL
        ))"""


def _cube_sql(records: str, price: str, *, trimmed: bool) -> str:
    two: dict[str, str] = {
        "cost": "CASE WHEN cost_usable THEN cost_fen END",
        "los": "CASE WHEN los_usable THEN los_days::BIGINT END",
    }
    one = {
        "died": "CASE WHEN death_known THEN died::BIGINT END",
        "surgical": "CASE WHEN surgery_usable THEN surgical::BIGINT END",
    }
    for basis, level in (("contemporaneous", "judged_level"), ("frozen", "judged_level_frozen")):
        operated = f"surgery_usable AND {level} IS NOT NULL AND (surgical OR {level} > 0)"
        one[f"level4@{basis}"] = f"CASE WHEN {operated} THEN ({level} = 4)::BIGINT END"
        one[f"level34@{basis}"] = f"CASE WHEN {operated} THEN ({level} >= 3)::BIGINT END"
    last = {"carried_weight": "CASE WHEN grouped THEN round(drg_weight * 10000)::BIGINT END"}
    kept: dict[str, str] = {}
    for basis, table, cost in (
        ("contemporaneous", "now", "cost_fen"),
        ("frozen", "fixed", f"cost_fen::DOUBLE / {price}"),
    ):
        within = f" AND ({table}.c1 IS NULL OR {cost} BETWEEN {table}.c1 AND {table}.c2)" if trimmed else ""
        kept[f"cost_kept@{basis}"] = f"CASE WHEN cost_usable AND grouped{within} THEN cost_fen END"
        within = f" AND ({table}.d1 IS NULL OR los_days BETWEEN {table}.d1 AND {table}.d2)" if trimmed else ""
        kept[f"los_kept@{basis}"] = f"CASE WHEN los_usable AND grouped{within} THEN los_days::BIGINT END"
    amounts = two | one | last | kept
    columns = ["count(*) AS n"]
    for name in amounts:
        measure, at, basis = name.partition("@")
        columns.append(f'coalesce(sum("{name}"), 0)::BIGINT AS "{name}", count("{name}") AS "{measure}_n{at}{basis}"')
        if name not in one:
            columns.append(f'coalesce(sum("{name}" * "{name}")::DOUBLE, 0) AS "{measure}_sq{at}{basis}"')
    joins = "LEFT JOIN groups g ON r.hospital = g.hospital" if trimmed else ""
    for table in ("now", "fixed") if trimmed else ():
        same = f"AND r.year = {table}.year" if table == "now" else ""
        joins += f" LEFT JOIN {table} ON g.level_group = {table}.level_group AND r.drg = {table}.drg {same}"
    price_year = {name: expression.replace("CASE year", "CASE r.year") for name, expression in amounts.items()}
    inner = ", ".join(f'{expression} AS "{name}"' for name, expression in price_year.items())
    return f"""
        SELECT hospital, specialty, year, drg, {", ".join(columns)}
        FROM (SELECT r.hospital, coalesce(r.specialty, '') AS specialty, r.year, coalesce(r.drg, '') AS drg, {inner}
              FROM {records} r {joins})
        GROUP BY ALL ORDER BY hospital, specialty, year, drg"""
