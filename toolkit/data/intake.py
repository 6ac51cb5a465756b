"""From files to stored discharges: read, standardise, apply the rules, account for every record, store.

One file at a time becomes a typed Parquet file with the rules' bits; then one pass over all of them finds duplicates,
gives every record one fate, and writes the store. 收到 = 纳入 + 排除 + 隔离 is checked per file and stops the run if broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
from ibis import _

from toolkit.data import files as source_files
from toolkit.data.files import SourceFile
from toolkit.data.formats import FormatMap, Source, day, resolve, standardise
from toolkit.data.quality import BITS, CATALOGUE, RECORD_RULES, Fate, Rule
from toolkit.data.quality.base import CASE_MIX, COST, LOS, MORTALITY
from toolkit.data.schema import STORED
from toolkit.data.specialties import attribute
from toolkit.engine import write_parquet
from toolkit.errors import InputError, UnbalancedError
from toolkit.params import RunParams

USABLE = {COST: "cost_usable", LOS: "los_usable", MORTALITY: "death_known", CASE_MIX: "grouped"}
UNKNOWN_HOSPITAL = ""  # lines that could not be read as a record have no hospital
BATCH_ROWS = 1_000_000
FATES = "fates.parquet"  # every record that is not plainly accepted, by file and line
SEPARATOR, NOTHING = "␟", "␀"  # printable: SQL text may not hold control characters


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What came in and what became of it.

    Attributes
    ----------
    files
        One row per source file: number, name, sha256, size, encoding, received, rejected (reason or "").
    accounts
        One row per file, hospital, year and set of rules: `file, hospital, year, fate, rule, rules, n`. `rule` is the
        primary reason ("" where accepted without any mark), `rules` the bits of all that hit.
    not_applicable
        Rule id -> why it could not be checked.
    store
        Folder of the accepted discharges: one Parquet file a year. `file` and `line` lead back to the source.
    fates
        Parquet file with one row for every record that any rule but S01 has hit: `file, line, hospital, year, fate, rule,
        rules` (year 0 and hospital "" where unknown). A record that is in neither stood in a refused file.
    """

    files: pd.DataFrame
    accounts: pd.DataFrame
    not_applicable: dict[str, str]
    store: Path
    fates: Path


def take_in(
    params: RunParams, form: FormatMap, hospitals: pd.DataFrame | None, connection: Any, work: Path,
    progress: Callable[[str, float], None] = lambda step, share: None,
) -> Intake:  # fmt: skip
    """Read all files of a run into the store.

    Parameters
    ----------
    hospitals
        Registry with column `code`, or None where the run has none (rule K01 is then 不适用).
    work
        Folder for intermediate files and the store.

    Raises
    ------
    InputError
        No file could be used at all, or the DRG file contradicts itself.
    UnbalancedError
        A file's records do not add up.
    """
    typed_folder = work / "typed"
    typed_folder.mkdir(parents=True, exist_ok=True)
    applicable, not_applicable = _applicable(params, form, hospitals)
    drgs = _drg_table(params, form, connection, work)
    batch = _Batch(params, form, applicable, drgs, connection, typed_folder)
    sources: list[SourceFile] = []
    by_hash: dict[str, str] = {}
    paths = source_files.find(params.data.files)
    for number, path in enumerate(paths):
        progress("读取", number / len(paths))
        source = source_files.open_source(number, path, work)
        sources.append(source)
        if not source.rejected and source.sha256 in by_hash:
            source.rejected = f"内容与 {by_hash[source.sha256]} 完全相同（规则F01）"
        by_hash.setdefault(source.sha256, path.name)
        if not source.rejected:
            batch.add(source)
    batch.flush()
    _refuse_if_nothing(sources)
    progress("判定", 1.0)
    typed = connection.read_parquet(str(typed_folder / "*.parquet"))
    judged = _judge(typed, applicable, hospitals, connection, work)
    accounts = _accounts(judged, sources)
    _check_balance(sources, accounts)
    store, fates = _store(judged, params, connection, work), _fates(judged, sources, connection, work / FATES)
    return Intake(files=_register(sources), accounts=accounts, not_applicable=not_applicable, store=store, fates=fates)


def _applicable(
    params: RunParams, form: FormatMap, hospitals: pd.DataFrame | None
) -> tuple[set[str], dict[str, str]]:  # fmt: skip
    has = {*form.fields, "specialty", "year"}
    if {"admission_date", "discharge_date"} <= has:
        has.add("los_days")
    if params.data.drg_file:
        has.add("drg")
    reasons: dict[str, str] = {}
    for id_, rule in CATALOGUE.items():
        if missing := [f for f in rule.needs if f not in has]:
            reasons[id_] = f"来源格式没有字段 {'、'.join(missing)}"
    if hospitals is None:
        reasons["K01"] = "未提供机构名录"
    if form.scope is None:
        reasons["SCOPE"] = "来源格式未声明范围"
    if "year" not in form.fields:
        reasons["D01Y"] = "来源格式有日期，见规则D01"
    return set(CATALOGUE) - set(reasons), reasons


# --- from text to typed rows -------------------------------------------------------------------------------------------


class _Batch:
    """Files with the same columns, gathered and typed together.

    Planning the expression for each small file costs more than running it.
    """

    def __init__(
        self, params: RunParams, form: FormatMap, applicable: set[str], drgs: Any, connection: Any, folder: Path
    ) -> None:  # fmt: skip
        self.params, self.form, self.drgs, self.connection, self.folder = params, form, drgs, connection, folder
        self.rules = [rule for rule in RECORD_RULES if rule.id in applicable and rule.test]
        self.columns: dict[str, list[str]] = {}
        self.rows = self.written = 0

    def add(self, source: SourceFile) -> None:
        columns, present = _columns(source, self.form, self.connection)
        if source.rejected:
            return
        if self.rows and (columns != self.columns or self.rows > BATCH_ROWS or source.kind == "parquet"):
            self.flush()
        self.columns = columns
        lost = _load_text(source, present, self.connection, append=self.rows > 0)
        if source.kind == "parquet" and not source.received:
            source.rejected = "没有数据行（no record）"
            _drop_text(self.connection)
            return
        source.unclosed += lost
        if source.readable and source.readable != source.path:
            source.readable.unlink()
        self.rows += source.received
        if source.kind == "parquet":
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        text = self.connection.table("text_rows")
        present = [c for c in text.columns if c not in ("file", "line")]
        text = text.mutate(source_content=_content_hash(text, present))
        columns, form = self.columns, self.form
        absent = {name for name, source in form.fields.items() if not any(columns[n] for n in source.names())}
        if self.drgs is not None:
            absent.discard("drg")
            text = _join_drg(text, self.drgs, form, columns)
            columns = {**columns, "joined_drg": ["joined_drg"]}
            form = form.model_copy(update={"fields": {**form.fields, "drg": Source(column="joined_drg")}})
        table = attribute(standardise(text, columns, form), self.params.specialties)
        table = table.mutate(
            # a rule cannot be checked in a file without its columns; no record fails for that
            rules=reduce(lambda a, b: a + b, [_bit(rule, self.params) for rule in self.rules if not absent & set(rule.needs)]),
            record_key=ibis.ifelse(
                _.record.notnull(),
                (_.hospital.fill_null("") + SEPARATOR + _.record + SEPARATOR + _.visit.fill_null("")).hash(), ibis.null("int64"),
            ),
        )  # fmt: skip
        keep = [*STORED, "file", "line", "rules", "record_key", "content"]
        write_parquet(self.connection, table.select(keep), self.folder / f"{self.written:05d}.parquet")
        _drop_text(self.connection)
        self.rows, self.written = 0, self.written + 1


def _drop_text(connection: Any) -> None:
    """The text rows, a view over a Parquet file or a table."""
    views = connection.con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    connection.con.execute(f"DROP {'VIEW' if ('text_rows',) in views else 'TABLE'} text_rows")


def _content_hash(text: Any, present: list[str]) -> Any:
    return reduce(lambda a, b: a + SEPARATOR + b, [text[name].fill_null(NOTHING) for name in present]).hash()


def _bit(rule: Rule, params: RunParams) -> Any:
    assert rule.test is not None  # noqa: S101  filtered by the caller
    return ibis.ifelse(rule.test(params).fill_null(False), BITS[rule.id], 0).cast("int64")


def _columns(source: SourceFile, form: FormatMap, connection: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Which columns of the file the map means; refuses the file (rule F04) where a needed one is absent."""
    if source.kind == "parquet" and not _read_schema(source, connection):
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


def _read_schema(source: SourceFile, connection: Any) -> bool:
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


def _load_text(source: SourceFile, present: list[str], connection: Any, *, append: bool = False) -> list[int]:
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


# --- the DRG file -------------------------------------------------------------------------------------------------------


def _drg_table(params: RunParams, form: FormatMap, connection: Any, work: Path) -> Any | None:
    """Keys and DRG of the second file, one row per stay; the file may not contradict itself."""
    spec = params.data.drg_file
    if spec is None:
        return None
    needed = ["record", "visit"] + ["discharge_date"] * bool(spec.discharge)
    if lacking := [f for f in needed if f not in form.fields or not form.fields[f].column]:
        raise InputError(
            f"来源格式没有字段 {'、'.join(lacking)}，不能与分组结果文件连接", "the format lacks the keys of the DRG file", where=form.id,
            remedy="在格式映射中声明这些字段", remedy_english="declare them in the format map",
        )  # fmt: skip
    source = source_files.open_source(99_999, spec.file, work)
    if source.rejected:
        raise InputError(
            "分组结果文件不可读", "the DRG file cannot be read", where=str(spec.file), remedy=source.rejected
        )
    if source.kind == "parquet" and not _read_schema(source, connection):
        raise InputError(
            "分组结果文件不可读", "the DRG file cannot be read", where=str(spec.file), remedy=source.rejected
        )
    wanted = {
        n: resolve(n, source.header) for n in (spec.hospital, spec.record, spec.visit, spec.discharge, spec.drg) if n
    }
    if missing := [n for n in (spec.record, spec.visit, spec.drg, spec.discharge) if n and not wanted[n]]:
        raise InputError(
            f"分组结果文件缺少列 {'、'.join(missing)}", "the DRG file lacks columns", where=str(spec.file),
            remedy="在 data.drg_file 中写明列名", remedy_english="name the columns under data.drg_file",
        )  # fmt: skip
    present = [found[0] for found in wanted.values() if found]
    lost = _load_text(source, present, connection)
    if lost or source.unclosed:
        raise InputError("分组结果文件有结构错误的行", "ragged lines in the DRG file", where=f"{spec.file}:{(lost + source.unclosed)[0]}",
                         remedy="修正后重新提供", remedy_english="mend and give it again")  # fmt: skip
    text = connection.table("text_rows")
    key = {
        "key_hospital": text[wanted[spec.hospital][0]].strip() if wanted.get(spec.hospital) else ibis.literal(""),
        "key_record": text[wanted[spec.record][0]].strip(),
        "key_visit": text[wanted[spec.visit][0]].strip(),
        "key_day": day(text[wanted[spec.discharge][0]], form.fields["discharge_date"])
        if spec.discharge
        else ibis.literal(""),
    }
    drgs = text.select(**key, joined_drg=text[wanted[spec.drg][0]].strip()).distinct()
    connection.create_table("drg_rows", drgs, overwrite=True)
    _drop_text(connection)
    table = connection.table("drg_rows")
    repeated = table.group_by(list(key)).aggregate(n=_.count()).filter(_.n > 1).count().execute()
    if repeated:
        raise InputError(
            f"分组结果文件中有 {repeated} 次住院对应多个 DRG", "stays with more than one DRG", where=str(spec.file),
            remedy="每次住院保留一个 DRG; 若病案号会重复使用, 请在 data.drg_file.discharge 写明出院时间列",
            remedy_english="keep one DRG a stay, or name the discharge-time column",
        )  # fmt: skip
    by_hospital, by_day = bool(wanted.get(spec.hospital)), bool(wanted.get(spec.discharge))
    return table, by_hospital, by_day


def _join_drg(text: Any, drgs: Any, form: FormatMap, columns: dict[str, list[str]]) -> Any:
    table, by_hospital, by_day = drgs

    def of(field: str) -> Any:
        return text[columns[form.fields[field].column][0]].strip()

    conditions = [of("record") == table.key_record, of("visit") == table.key_visit]
    if by_hospital:
        conditions.append(of("hospital") == table.key_hospital)
    if by_day:
        discharge = form.fields["discharge_date"]
        conditions.append(day(text[columns[discharge.column][0]], discharge) == table.key_day)
    return text.left_join(table, conditions).select(*text.columns, "joined_drg")


# --- fates --------------------------------------------------------------------------------------------------------------


def _refuse_if_nothing(sources: list[SourceFile]) -> None:
    if all(s.rejected for s in sources):
        first = sources[0]
        raise InputError(
            f"{len(sources)} 个文件全部被拒收: {first.rejected}", "every file was refused", where=str(first.path),
            remedy="按原因修正后重试; 格式是否选对?", remedy_english="mend the cause; is the format right?",
        )  # fmt: skip


def _judge(typed: Any, applicable: set[str], hospitals: pd.DataFrame | None, connection: Any, work: Path) -> Any:
    """`typed` with dataset rules' bits added, `fate` and primary `rule`."""
    if "K04" in applicable:
        keys = (
            typed.filter((_.rules & (BITS["K03"] | BITS["SCOPE"])) == 0)
            .group_by("record_key")
            .aggregate(n=_.count(), contents=_.content.nunique())
            .filter(_.n > 1)
            .select(repeated_key="record_key", contents="contents")
        )
        connection.create_table("repeated_keys", keys, overwrite=True)
        repeated = connection.table("repeated_keys")
        typed = typed.left_join(repeated, typed.record_key == repeated.repeated_key)
        first = ibis.row_number().over(ibis.window(group_by=["record_key", "content"], order_by=["file", "line"]))
        # only the few repeated rows need the window; sorting all records for it would cost a pass
        few = (
            typed.filter(_.repeated_key.notnull())
            .mutate(copy=first)
            .mutate(
                rules=_.rules + ibis.ifelse(_.copy > 0, BITS["K04"], 0) + ibis.ifelse(_.contents > 1, BITS["K05"], 0)
            )
        )
        columns = [c for c in typed.columns if c not in ("repeated_key", "contents")]
        typed = (
            typed.filter(_.repeated_key.isnull()).select(columns).union(few.select(columns).cast({"rules": "int64"}))
        )
    if "K01" in applicable and hospitals is not None:
        unknown = ~_.hospital.isin(sorted(hospitals["code"])).fill_null(False)
        typed = typed.mutate(rules=_.rules + ibis.ifelse(unknown, BITS["K01"], 0).cast("int64"))
    whole = [r for r in CATALOGUE.values() if not r.scopes and r.fate in (Fate.QUARANTINED, Fate.EXCLUDED)]
    # What is no discharge at all comes first, then duplicates, then quarantine before exclusion.
    whole.sort(key=lambda r: (r.id != "SCOPE", r.id != "K04", r.fate != Fate.QUARANTINED))
    hits = [((_.rules & BITS[r.id]) != 0, r) for r in whole]
    return typed.mutate(
        rule=ibis.cases(*[(test, r.id) for test, r in hits], else_=""),
        fate=ibis.cases(*[(test, r.fate.value) for test, r in hits], else_="纳入"),
    )


def _accounts(judged: Any, sources: list[SourceFile]) -> pd.DataFrame:
    counted = (
        judged.mutate(hospital=_.hospital.fill_null(UNKNOWN_HOSPITAL), year=_.year.fill_null(0))
        .group_by(["file", "hospital", "year", "fate", "rule", "rules"])
        .aggregate(n=_.count())
        .execute()
    )
    lines = [
        {"file": s.number, "hospital": UNKNOWN_HOSPITAL, "year": 0, "fate": Fate.QUARANTINED.value, "rule": "F05",
         "rules": BITS["F05"], "n": len(s.unclosed)}
        for s in sources if s.unclosed and not s.rejected
    ]  # fmt: skip
    accounts = pd.concat([counted, pd.DataFrame(lines)]) if lines else counted
    keys = ["file", "hospital", "year", "fate", "rule", "rules"]
    return accounts.astype({"n": "int64", "rules": "int64"}).sort_values(keys, ignore_index=True)


def _check_balance(sources: list[SourceFile], accounts: pd.DataFrame) -> None:
    counted = accounts.groupby("file")["n"].sum()
    for source in sources:
        if not source.rejected and source.received != counted.get(source.number, 0):
            raise UnbalancedError(
                f"收到 {source.received} ≠ 纳入 + 排除 + 隔离 {counted.get(source.number, 0)}, 运行已停止",
                "received does not equal accepted + excluded + quarantined", where=str(source.path),
                remedy="字段内可能有换行; 请去掉换行后重新导出", remedy_english="a field may hold a line break; export without",
            )  # fmt: skip


def _register(sources: list[SourceFile]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"file": s.number, "name": s.path.name, "sha256": s.sha256, "size": s.size, "encoding": s.encoding,
             "received": 0 if s.rejected else s.received, "rejected": s.rejected}
            for s in sources
        ]
    )  # fmt: skip


def _store(judged: Any, params: RunParams, connection: Any, work: Path) -> Path:
    """Accepted discharges with what each may be used for, one sorted file a year."""
    folder = work / "discharges"
    folder.mkdir(exist_ok=True)
    usable = {
        column: ibis.and_(*[(_.rules & BITS[r.id]) == 0 for r in CATALOGUE.values() if scope in r.scopes])
        for scope, column in USABLE.items()
    }
    accepted = judged.filter(_.fate == "纳入").mutate(**usable)
    # a rule that could not be checked found nothing, and still a missing value is none
    accepted = accepted.mutate(
        cost_usable=_.cost_usable & _.cost_fen.notnull(),
        los_usable=_.los_usable & _.los_days.notnull(),
        death_known=_.death_known & _.died.notnull(),
        grouped=_.grouped & _.drg.notnull(),
    )
    accepted = accepted.mutate(
        drg=ibis.ifelse(_.grouped, _.drg, ibis.null("string")),
    )  # fmt: skip
    columns = [*STORED, *USABLE.values(), "file", "line"]
    order = ["hospital", "specialty", "drg", "file", "line"]
    for year in params.all_years:
        write_parquet(
            connection, accepted.filter(_.year == year).select(columns), folder / f"{year}.parquet", order_by=order
        )
    return folder


def _fates(judged: Any, sources: list[SourceFile], connection: Any, path: Path) -> Path:
    """Write what became of every record that is not clean."""
    columns = ["file", "line", "hospital", "year", "fate", "rule", "rules"]
    lines = pd.DataFrame(
        [(s.number, line, UNKNOWN_HOSPITAL, 0, Fate.QUARANTINED.value, "F05", BITS["F05"])
         for s in sources if not s.rejected for line in s.unclosed], columns=columns,
    )  # fmt: skip
    kinds = {
        "file": "int32",
        "line": "int64",
        "hospital": "string",
        "year": "int16",
        "fate": "string",
        "rule": "string",
        "rules": "int64",
    }
    hit = judged.filter((_.rules & ~ibis.literal(BITS["S01"], "int64")) != 0)
    hit = (
        hit.mutate(hospital=_.hospital.fill_null(UNKNOWN_HOSPITAL), year=_.year.fill_null(0))
        .select(columns)
        .cast(kinds)
    )
    if len(lines):
        hit = hit.union(connection.create_table("refused_lines", lines, overwrite=True).cast(kinds))
    write_parquet(connection, hit, path, order_by=["file", "line"])
    return path


def discharges(connection: Any, store: Path) -> Any:
    """The stored discharges as a table expression, one row per discharge."""
    return connection.read_parquet(str(store / "*.parquet"))
