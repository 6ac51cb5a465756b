"""One fate for every record, and the account of all of them: 收到 = 纳入 + 排除 + 隔离."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from ibis import _

from toolkit.data.files import SourceFile
from toolkit.data.quality import BITS, CATALOGUE, Fate
from toolkit.engine import write_parquet
from toolkit.errors import UnbalancedError

UNKNOWN_HOSPITAL = ""  # lines that could not be read as a record have no hospital


def judge(typed: Any, applicable: set[str], hospitals: pd.DataFrame | None, connection: Any) -> Any:
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


def accounts_of(judged: Any, sources: list[SourceFile]) -> pd.DataFrame:
    """Records by file, hospital, year, fate and rules; lines that were no record stand under the unknown hospital."""
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


def check_balance(sources: list[SourceFile], accounts: pd.DataFrame) -> None:
    """Stop the run where a file's records do not add up (rule X01): what was read against what was given a fate."""
    counted = accounts.groupby("file")["n"].sum()
    for source in sources:
        if not source.rejected and source.received != counted.get(source.number, 0):
            raise UnbalancedError(
                f"收到 {source.received} ≠ 纳入 + 排除 + 隔离 {counted.get(source.number, 0)}, 运行已停止",
                "received does not equal accepted + excluded + quarantined", where=str(source.path),
                remedy="字段内可能有换行; 请去掉换行后重新导出", remedy_english="a field may hold a line break; export without",
            )  # fmt: skip


def write_fates(judged: Any, sources: list[SourceFile], connection: Any, path: Path) -> Path:
    """Write what became of every record that is not clean."""
    columns = ["file", "line", "hospital", "year", "fate", "rule", "rules", "pseudonym"]
    lines = pd.DataFrame(
        [(s.number, line, UNKNOWN_HOSPITAL, 0, Fate.QUARANTINED.value, "F05", BITS["F05"])
         for s in sources if not s.rejected for line in s.unclosed], columns=columns[:-1],
    )  # fmt: skip
    kinds = {
        "file": "int32",
        "line": "int64",
        "hospital": "string",
        "year": "int16",
        "fate": "string",
        "rule": "string",
        "rules": "int64",
        "pseudonym": "string",
    }
    hit = judged.filter((_.rules & ~ibis.literal(BITS["S01"], "int64")) != 0)
    hit = (
        hit.mutate(hospital=_.hospital.fill_null(UNKNOWN_HOSPITAL), year=_.year.fill_null(0))
        .select(columns)
        .cast(kinds)
    )
    if len(lines):
        refused = connection.create_table("refused_lines", lines, overwrite=True)
        hit = hit.union(refused.mutate(pseudonym=ibis.null("string")).cast(kinds))
    write_parquet(connection, hit, path, order_by=["file", "line"])
    return path
