"""整改清单: for every hospital, which line of which file a rule has hit, what stood there, and what to do.

What stood there comes from `toolkit.data.accounts.submitted`, which keeps no name, identity number, telephone or address.
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import pandas as pd
import pyarrow.parquet as pq
from ibis import _

from toolkit.data.accounts.spreadsheet import END, Workbook, defused, write_csv
from toolkit.data.accounts.submitted import HELD, HIDDEN, NEVER_SHOWN, TYPED
from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.quality.base import Fate, RuleFacts
from toolkit.data.quality.marks import ids_in
from toolkit.data.reading.formats import FormatMap
from toolkit.data.reading.groups import GIVEN
from toolkit.engine import write_parquet
from toolkit.engine.types import Engine, Record, Table
from toolkit.frames import rows_of

# lines of one rule in one hospital, beside quarantined records: the same fault on more is mended in the export, not by line
LISTED = 5_000
OUT_OF_SCOPE = "SCOPE"
NO_FAULT = {"S01"}  # a department outside the evaluated specialties is nothing to mend
COLUMNS = (
    "去向",
    "规则",
    "规则名称",
    "文件",
    "文件SHA-256",
    "行号",
    "假名",
    "字段代码",
    "字段名称",
    "填报值",
    "说明",
    "办法",
)
WIDTHS = (8, 8, 22, 24, 14, 9, 18, 16, 22, 28, 44, 44)
REMEDIES = {
    Fate.QUARANTINED: "按原始病历改正后重新报送整份文件；改正前本例不进入任何指标",
    Fate.EXCLUDED: "确属填报错误的，改正后重新报送整份文件；属实的无须处理",
    Fate.WARNED: "请核实；有误的改正后重新报送整份文件，属实的无须处理",
}
REMEDY_IN_SCOPE = "改正前本例不进入{}；其余指标照常计入"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the lists say beside the records.

    Attributes
    ----------
    rules
        As they are in the run.
    scopes
        Scope -> Chinese name.
    codes
        Canonical field -> how the files call it.
    """

    rules: Sequence[RuleFacts]
    scopes: Mapping[str, str]
    codes: Mapping[str, str]


def field_codes(forms: Sequence[FormatMap]) -> dict[str, str]:
    """Canonical field -> the columns of the source formats, the first few of many."""
    codes = {}
    for name in dict.fromkeys(field for form in forms for field in form.fields):
        used = [column for form in forms if name in form.fields for column in form.fields[name].names()]
        names = [column for column in dict.fromkeys(used) if not column.startswith(GIVEN)]
        codes[name] = "、".join(names[:3]) + "等" * (len(names) > 3)
    return codes


def write_worklists(
    marked: Table,
    submitted: Table,
    files: pd.DataFrame,
    balance: pd.DataFrame,
    hospitals: Mapping[str, str],
    facts: Facts,
    folder: Path,
    connection: Engine,
    work: Path,
) -> pd.DataFrame:
    """One list a hospital as .csv and .xlsx, a summary of all, and the files that were refused.

    Parameters
    ----------
    marked, submitted
        The fates and the kept values, as expressions; read in the order of hospitals, so that memory does not grow with them.
    files
        The run's file register.
    balance
        From `toolkit.data.accounts.balance`.
    hospitals
        Code -> name.
    folder
        Replaced as a whole.
    work
        For a file in between, in reach of the engine.

    Returns
    -------
    pd.DataFrame
        One row per hospital: `hospital, name, quarantined, excluded, warned` (records), `listed` (lines), `csv, xlsx`.
    """
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    temporary.chmod(0o700)
    try:
        rows = [
            _one(hospital, records, files, balance, hospitals, facts, temporary)
            for hospital, records in _by_hospital(marked, submitted, balance, connection, work)
        ]
        columns = ["hospital", "name", "quarantined", "excluded", "warned", "listed", "csv", "xlsx"]
        summary = pd.DataFrame(rows, columns=columns)
        write_csv(
            temporary / "summary.csv",
            ["机构代码", "机构名称", "隔离（例）", "排除（例）", "提示（例）", "清单行数", "清单", "工作簿"],
            summary.itertuples(index=False),
        )
        refused = files[files["rejected"] != ""]
        write_csv(
            temporary / "refused_files.csv",
            ["文件", "文件SHA-256", "字节", "未接收的原因"],
            refused[["name", "sha256", "size", "rejected"]].itertuples(index=False),
        )
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return summary


def _by_hospital(
    marked: Table, submitted: Table, balance: pd.DataFrame, connection: Engine, work: Path
) -> Iterator[tuple[str, Iterator[Record]]]:
    """Hit records, hospital after hospital. Lines of a file of one hospital that are no record belong to that hospital."""
    known = balance[balance["hospital"] != ""].groupby("file")["hospital"].agg(["nunique", "first"])
    sole = known[known["nunique"] == 1]["first"].rename("sole").reset_index().rename(columns={"file": "of_file"})
    # what is no discharge at all is nothing to mend, whatever else is odd about it
    joined = marked.filter(_.rule != OUT_OF_SCOPE).left_join(submitted, ["file", "line"])
    joined = joined.drop(*[c for c in joined.columns if c.endswith("_right")])
    if len(sole):
        owners = connection.create_table("owners", sole.astype({"of_file": "int32", "sole": "str"}), overwrite=True)
        joined = joined.left_join(owners, joined.file == owners.of_file)
        joined = joined.mutate(hospital=ibis.ifelse(_.hospital == "", _.sole.fill_null(""), _.hospital))
    # sorted by the engine, which spills, and read back in batches: memory does not grow with the records
    path = work / "marked.parquet"
    write_parquet(connection, joined, path, order_by=["hospital", "file", "line"])
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    batches = (batch for part in parts for batch in pq.ParquetFile(part).iter_batches(10_000))
    rows = (row for batch in batches for row in batch.to_pylist())
    waiting = next(rows, None)
    while waiting is not None:
        hospital = waiting["hospital"]

        def own(first: Record, code: str = hospital) -> Iterator[Record]:
            nonlocal waiting
            row: Record | None = first
            while row is not None and row["hospital"] == code:
                yield row
                row = next(rows, None)
            waiting = row

        yield hospital, own(waiting)


def _one(
    hospital: str,
    records: Iterator[Record],
    files: pd.DataFrame,
    balance: pd.DataFrame,
    hospitals: Mapping[str, str],
    facts: Facts,
    folder: Path,
) -> tuple[object, ...]:
    name = hospitals.get(hospital, "") if hospital else "机构不明（行不可读，或机构代码为空）"
    stem = file_stem(hospital)
    sources = {row.file: {"name": row.name, "sha256": row.sha256} for row in rows_of(files, index=False)}
    rules = {rule.id: rule for rule in facts.rules}
    counts: Counter[str] = Counter()
    fates: Counter[str] = Counter()
    listed = 0
    with (
        (folder / f"{stem}.csv").open("w", encoding="utf-8-sig", newline="") as handle,
        Workbook(folder / f"{stem}.xlsx") as book,
    ):
        writer = csv.writer(handle, lineterminator=END)
        writer.writerow(COLUMNS)
        book.sheet("清单", COLUMNS, WIDTHS)
        for record in records:
            fates[Fate.WARNED if record["fate"] == Fate.ACCEPTED else record["fate"]] += 1
            for rule in (rules[i] for i in ids_in(record["rules"]) if i not in NO_FAULT):
                counts[rule.id] += 1
                if counts[rule.id] > LISTED and record["fate"] != Fate.QUARANTINED:
                    continue
                row = [defused(cell) for cell in _row(record, rule, sources[record["file"]], facts)]
                writer.writerow(row)
                listed += 1
                book.row(row)
        book.sheet("汇总", ("项目", "内容"), (34, 70))
        for pair in _summary(hospital, name, balance, counts, facts):
            book.row([defused(cell) for cell in pair])
    return (
        hospital,
        name,
        *(fates[f] for f in (Fate.QUARANTINED, Fate.EXCLUDED, Fate.WARNED)),
        listed,
        f"{stem}.csv",
        f"{stem}.xlsx",
    )


def _row(record: Record, rule: RuleFacts, source: Mapping[str, str], facts: Facts) -> list[object]:
    fields = [f for f in rule.fields if f in BY_NAME]
    primary = record["rule"] == rule.id
    fate = Fate(record["fate"]) if primary or rule.fate is None else rule.fate
    values = [(f, record.get(HELD + f) or ("" if f in facts.codes else record.get(TYPED + f))) for f in fields]
    several = len(values) > 1
    shown = "；".join(
        (f"{facts.codes.get(f, BY_NAME[f].name_zh)}=" if several else "")
        + (HIDDEN if f in NEVER_SHOWN else v or "（空）")
        for f, v in values
    )
    remedy = REMEDIES.get(fate, REMEDIES[Fate.WARNED])
    if rule.scopes and fate in (Fate.QUARANTINED, Fate.EXCLUDED):
        measures = "、".join(facts.scopes[s] for s in rule.scopes if s in facts.scopes)
        remedy = REMEDIES[fate].split("；")[0] + "；" + REMEDY_IN_SCOPE.format(measures)
    return [
        fate.zh,
        f"规则{rule.id}",
        rule.name,
        source["name"],
        source["sha256"][:12],
        int(record["line"]),
        record.get("pseudonym") or "",
        "、".join(facts.codes.get(f, "") for f in fields),
        "、".join(BY_NAME[f].name_zh.removesuffix("（分）") for f in fields),
        shown,
        _said(rule.said, record),
        remedy,
    ]


def _said(text: str, record: Record) -> str:
    """A message with the record's values as they were understood; money in yuan."""

    def value(found: re.Match[str]) -> str:
        name, fen = found[1], bool(found[2])
        given = record.get(TYPED + name)
        if name in NEVER_SHOWN:
            return HIDDEN
        if given is None:
            return "空"
        given = given.strip("|").replace("|", "、")
        return f"{int(given) / 100:,.2f} 元" if fen and re.fullmatch(r"-?\d+", given) else given + " 分" * fen

    return re.sub(r"{(\w+)}( 分)?", value, text)


def _summary(
    hospital: str, name: str, balance: pd.DataFrame, counts: Counter[str], facts: Facts
) -> Iterator[tuple[str, str]]:
    yield "机构", f"{hospital} {name}".strip()
    mine = balance[balance["hospital"] == hospital]
    for measure, title in (("all", "全部病例"), *facts.scopes.items()):
        of = mine[mine["measure"] == measure].groupby("fate")["n"].sum()
        if len(of):
            n = [int(of.get(fate, 0)) for fate in (Fate.ACCEPTED, Fate.EXCLUDED, Fate.QUARANTINED)]
            yield f"{title}：收到 = 纳入 + 排除 + 隔离", f"{sum(n):,} = {n[0]:,} + {n[1]:,} + {n[2]:,}"
    for rule in facts.rules:
        n_hit = counts[rule.id]
        if n_hit:
            more = f"；清单列出前 {LISTED:,} 例，同一问题请在导出程序中统一改正" if n_hit > LISTED else ""
            yield f"规则{rule.id} {rule.name}（{rule.fate_zh}）", f"{n_hit:,} 例{more}"
    yield "行号", "文件中的物理行，表头为第 1 行。假名由机构代码和病案号以本次运行的密钥生成，只用于核对。"
    yield "填报值", "原样抄录；以 = + - @ 等开头的文字前加了 ' ，以免被当作公式。标识信息和疑似个人信息不显示。"


def file_stem(hospital: str) -> str:
    """Name of a hospital's list: letters, digits, - and _ only, whatever its code holds."""
    if not hospital:
        return "unknown"
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "_" for c in hospital)[:40]
    return plain if plain == hospital else f"{plain}_{hashlib.sha256(hospital.encode()).hexdigest()[:6]}"
