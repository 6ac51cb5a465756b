"""One fate for every record, and the account of all of them: 收到 = 纳入 + 排除 + 隔离."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
from ibis import _

from toolkit.data.quality import CATALOGUE, CODE_RULES, MARKS, Fate, Given, Rule, repeats, sent_twice
from toolkit.data.quality.base import CASE_MIX, COST, LOS, MORTALITY, SURGERY
from toolkit.data.quality.marks import marked
from toolkit.data.reading.files import SourceFile
from toolkit.engine import write_parquet
from toolkit.engine.types import Engine, Table
from toolkit.errors import UnbalancedError

UNKNOWN_HOSPITAL = ""  # lines that could not be read as a record have no hospital
# the group of measures that a record is usable for, and the column that says so
USABLE = {
    COST: "cost_usable",
    LOS: "los_usable",
    MORTALITY: "death_known",
    CASE_MIX: "grouped",
    SURGERY: "surgery_usable",
}
DUPLICATES = ("K04", sent_twice.RULE)
FOUND, VERDICTS = "found_marks", "verdicts"


def whole_rules() -> list[Rule]:
    """The rules that decide a record's fate as a whole, in the order of the waterfall."""
    rules = [
        r
        for r in CATALOGUE.values()
        if r.id in MARKS.ids and not r.scopes and r.fate in (Fate.QUARANTINED, Fate.EXCLUDED)
    ]
    # What is no discharge at all comes first, then duplicates, then quarantine before exclusion.
    return sorted(rules, key=lambda r: (r.id != "SCOPE", r.id not in DUPLICATES, r.fate != Fate.QUARANTINED))


def judge(
    typed: Table,
    applicable: set[str],
    given: Given,
    connection: Engine,
    lacking: Mapping[int, Collection[str]] | None = None,
) -> Table:
    """`typed` with `fate`, primary `rule`, `rules` (`|D07|D08|`: all that hit) and the columns of `USABLE`.

    Rules over codes and over several records look at the distinct codes and at the few repeated records only; what they
    find is a small table that the records are joined with, like the verdict on every set of rules that occurs.

    Parameters
    ----------
    lacking
        File → canonical fields that it has no column for.
    """
    found = [
        _by_codes(typed, rule, over, given, connection)
        for rule in CODE_RULES
        if rule.id in applicable
        for over in ([(column,) for column in rule.over] if rule.each else [rule.over])
    ]
    found += _repeats(typed, applicable, connection, lacking or {})
    if found := [part for part in found if part is not None]:
        rows = reduce(lambda a, b: a.union(b), found).distinct()
        rows = rows.mutate(**MARKS.of({id_: _.rule == id_ for id_ in MARKS.ids if id_ in applicable}))
        sums = {f"more_{column}": _[column].sum().cast("int64") for column in MARKS.columns}
        rows = rows.group_by(["file", "line"]).aggregate(**sums)
        connection.create_table(FOUND, rows.rename(found_file="file", found_line="line"), overwrite=True)
        more = connection.table(FOUND)
        columns = typed.columns
        typed = typed.left_join(more, (typed.file == more.found_file) & (typed.line == more.found_line))
        # a mark may have been set before (rule K08 has two halves): bits are joined, not added
        joined = {c: _[c] | _[f"more_{c}"].fill_null(0) for c in MARKS.columns}
        typed = connection.create_view("marked_records", typed.mutate(**joined).select(columns), overwrite=True)
    return _with_verdicts(typed, connection)


def _by_codes(typed: Table, rule: Rule, over: Sequence[str], given: Given, connection: Engine) -> Table | None:
    """`file, line, rule` of the records whose codes a rule objects to; None where there are none."""
    assert rule.check is not None  # noqa: S101  a rule over codes has one
    combinations = typed.select(*over).distinct()
    if "year" in over:
        combinations = combinations.filter(_.year.notnull())  # else rule D01
    table = combinations.to_pyarrow()
    hit = rule.check(table.to_pandas(), given)
    if not len(table) or not hit.any():
        return None
    name = f"codes_{rule.id}_{over[0]}"
    faulty = table.filter(pa.array(hit.to_numpy(dtype=bool))).rename_columns([f"faulty_{c}" for c in over])
    connection.create_table(name, faulty, overwrite=True)
    bad = connection.table(name)
    same = [typed[c].identical_to(bad[f"faulty_{c}"]) for c in over]
    return typed.inner_join(bad, same).select("file", "line", rule=ibis.literal(rule.id))


def _repeats(
    typed: Table, applicable: set[str], connection: Engine, lacking: Mapping[int, Collection[str]]
) -> list[Table]:
    found: list[Table] = []
    # a stay that is out for another reason says nothing of the patient's others
    unfit = MARKS.any_of({rule.id for rule in whole_rules()} & applicable)
    sound = typed.filter(~unfit)
    if {"K04", "K05"} & applicable:
        # an empty record number is no key, and what is out of scope is no stay
        repeated = repeats.of_keys(typed.filter(~MARKS.any_of({"K03", "SCOPE"} & applicable)), connection)
        against = _.contents > 1 if "K05" in applicable else ibis.literal(False)
        found += [repeats.hits(repeated, "K04", _.copy > 0), repeats.hits(repeated, "K05", against)]
        found += [repeats.hits(repeated, "K11", _.apart)] if "K11" in applicable else []
        unfit_rows = repeated.filter((_.copy > 0) | against).select("file", "line")
        sound = sound.anti_join(unfit_rows, ["file", "line"])
    if sent_twice.RULE in applicable:
        stays = typed.filter(~MARKS.any_of({"SCOPE"} & applicable)).mutate(sound=~unfit)
        if (copies := sent_twice.of_files(stays, lacking, connection)) is not None:
            found.append(copies)
            sound = sound.anti_join(copies, ["file", "line"])
    of_patients = {
        "K06": repeats.overlapping,
        "K07": repeats.in_two_hospitals,
        "K08": repeats.falling_visits,
        "O03": repeats.after_death,
    }
    if wanted := [test for id_, test in of_patients.items() if id_ in applicable]:
        stays = repeats.of_patients(sound, connection)
        found += [test(stays) for test in wanted]
    return found


def _with_verdicts(typed: Table, connection: Engine) -> Table:
    sets = typed.select(*MARKS.columns).distinct().to_pyarrow()
    whole = whole_rules()
    rows = []
    for values in zip(*(sets[c].to_pylist() for c in MARKS.columns), strict=True):
        ids = MARKS.ids_of(values)
        first = next((rule for rule in whole if rule.id in ids), None)
        rows.append(
            {
                **{f"of_{c}": v for c, v in zip(MARKS.columns, values, strict=True)},
                "fate": first.fate.value if first else Fate.ACCEPTED.value,
                "rule": first.id if first else "",
                "rules": marked(ids),
                **{column: not any(scope in CATALOGUE[i].scopes for i in ids) for scope, column in USABLE.items()},
            }
        )
    kinds = {f"of_{c}": pa.int64() for c in MARKS.columns} | dict.fromkeys(("fate", "rule", "rules"), pa.string())
    schema = pa.schema([*kinds.items(), *((column, pa.bool_()) for column in USABLE.values())])
    connection.create_table(VERDICTS, pa.Table.from_pylist(rows, schema=schema), overwrite=True)
    verdicts = connection.table(VERDICTS)
    columns = [c for c in typed.columns if c not in MARKS.columns]
    same = [typed[c] == verdicts[f"of_{c}"] for c in MARKS.columns]
    judged = typed.inner_join(verdicts, same).select(*columns, "fate", "rule", "rules", *USABLE.values())
    return connection.create_view("judged_records", judged, overwrite=True)


def accounts_of(judged: Table, sources: list[SourceFile]) -> pd.DataFrame:
    """Records by file, hospital, year, fate and rules; lines that were no record stand under the unknown hospital."""
    counted = (
        judged.mutate(hospital=_.hospital.fill_null(UNKNOWN_HOSPITAL), year=_.year.fill_null(0))
        .group_by(["file", "hospital", "year", "fate", "rule", "rules"])
        .aggregate(n=_.count())
        .execute()
    )
    keys = ["file", "hospital", "year", "fate", "rule", "rules"]
    lines = pd.DataFrame(_refused_lines(sources), columns=["file", "line", *keys[1:]])
    accounts = pd.concat([counted, lines.groupby(keys).size().rename("n").reset_index()]) if len(lines) else counted
    return accounts.astype({"n": "int64"}).sort_values(keys, ignore_index=True)


def _refused_lines(sources: list[SourceFile]) -> list[tuple[int, int, str, int, str, str, str]]:
    return [
        (s.number, one.line, UNKNOWN_HOSPITAL, 0, Fate.QUARANTINED.value, one.rule, marked([one.rule]))
        for s in sources
        if not s.rejected
        for one in s.refused
    ]


def refuse_ragged(sources: list[SourceFile], share: float) -> None:
    """Refuse the files of which more than a share of the lines is no record (rule F05): nobody knows what else is shifted."""
    for source in sources:
        ragged = sum(one.rule == "F05" for one in source.refused)
        if not source.rejected and ragged > share * source.received:
            source.refuse(
                f"{ragged} 行列数不符或引号未闭合，占 {100 * ragged / source.received:.2f}%，超过 {100 * share:g}%"
                f"（首行为第 {source.refused[0].line} 行）",
                "F05",
            )


def check_balance(sources: list[SourceFile], accounts: pd.DataFrame) -> None:
    """Stop the run where a file's records do not add up (rule X01): what was read against what was given a fate."""
    counted = accounts.groupby("file")["n"].sum()
    for source in sources:
        if not source.rejected and source.received != counted.get(source.number, 0):
            raise UnbalancedError(
                f"收到 {source.received} ≠ 纳入 + 排除 + 隔离 {counted.get(source.number, 0)}, 运行已停止",
                "received does not equal accepted + excluded + quarantined",
                where=str(source.path),
                remedy="字段内可能有换行; 请去掉换行后重新导出",
                remedy_english="a field may hold a line break; export without",
            )


def write_fates(judged: Table, sources: list[SourceFile], connection: Engine, path: Path) -> Path:
    """Write what became of every record that is not clean."""
    columns = ["file", "line", "hospital", "year", "fate", "rule", "rules", "pseudonym"]
    kinds = {
        "file": "int32",
        "line": "int64",
        "hospital": "string",
        "year": "int16",
        "fate": "string",
        "rule": "string",
        "rules": "string",
        "pseudonym": "string",
    }
    hit = judged.filter(_.rules.notin(["", marked(["S01"])]))
    hit = (
        hit.mutate(hospital=_.hospital.fill_null(UNKNOWN_HOSPITAL), year=_.year.fill_null(0))
        .select(columns)
        .cast(kinds)
    )
    if lines := _refused_lines(sources):
        table = pd.DataFrame(lines, columns=columns[:-1])
        refused = connection.create_table("refused_lines", table, overwrite=True)
        hit = hit.union(refused.mutate(pseudonym=ibis.null("string")).select(columns).cast(kinds))
    write_parquet(connection, hit, path, order_by=["file", "line"])
    return path
