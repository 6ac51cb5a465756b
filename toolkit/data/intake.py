"""From files to stored discharges: read, standardise, apply the rules, account for every record, store.

Files become typed Parquet, in batches, with the marks of the rules over one record; then those over codes and over several
records are added, every record gets one fate, and the accepted ones are stored. Rules over files and hospitals come last.
 收到 = 纳入 + 排除 + 隔离 is checked per file and stops the run if broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from ibis import _

from toolkit.data.accounts.fates import accounts_of, check_balance, judge, refuse_ragged, write_fates
from toolkit.data.accounts.file_checks import check_files, warnings_of
from toolkit.data.accounts.hospital_facts import hospital_warnings
from toolkit.data.accounts.settling import Entry, settle_typed
from toolkit.data.accounts.submitted import SUBMITTED, complete
from toolkit.data.applicable import absent_everywhere, applicable_rules, fields_of, lacking_everywhere, shapes_of
from toolkit.data.discharge.derived import read_lists
from toolkit.data.discharge.identity import Key, direct_identifiers, random_key
from toolkit.data.grouping import opened
from toolkit.data.lists.drg_file import drg_digests, read_drgs, refuse_unmatched
from toolkit.data.quality import read_given
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.groups import Group, assign, beside_records, files_of, read_as
from toolkit.data.reading.still import whole_files
from toolkit.data.store import write_store
from toolkit.data.typed_batches import Batch
from toolkit.data.typed_parts import HELD, TypedParts
from toolkit.engine import without_values
from toolkit.engine.types import Engine, Table
from toolkit.errors import InputError
from toolkit.params import RunParams

FATES = "fates.parquet"  # every record that is not plainly accepted, by file and line
READ, REFUSED, SKIPPED = "read", "refused", "skipped"  # what became of a file or a table in it


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What came in and what became of it.

    Attributes
    ----------
    hospital_warnings
        One row per finding of a rule over a hospital's year: `hospital, year, rule, value, limit, message`.
    files
        One row per table, that is per file, member of an archive and sheet of a workbook, of all that lie where the
        parameters say: number, name, sha256 (of the file), size, kind (what its first bytes say), encoding, status ("read",
        "refused", "skipped"), rows (below the header, also of what was refused; missing where nobody could count them),
        received, rejected (reason or ""), dropped (columns with direct identifiers, rule F09), warnings (of rules over
        the file, or "").
    accounts
        One row per file, hospital, year and set of rules: `file, hospital, year, fate, rule, rules, n`. `rule` is the
        primary reason ("" where accepted without any mark), `rules` all that hit, as `|D07|D08|`.
    not_applicable
        Rule id -> why it could not be checked.
    ungrouped
        Why the run's grouper (`data.grouper`) gave no DRG -> records, of all that were read; empty where it has none.
    store
        Folder of the accepted discharges: one Parquet file a year. `file` and `line` lead back to the source.
    fates
        Parquet file with one row for every record that any rule but S01 has hit: `file, line, hospital, year, fate, rule,
        rules` (year 0 and hospital "" where unknown). A record that is in neither stood in a refused file.
    submitted
        Parquet file of what the hit records held in the fields that rules name (`toolkit.data.accounts.submitted`).
    typed
        Table of all records that were read, of refused files too: `file, line` and the canonical columns.
    joins
        `name, unit, rows, asked, found, unused` of each list that records were held against.
    has
        Canonical fields that some file has.
    entry
        What the register of submissions will hold after the run, None where the run keeps none.
    """

    files: pd.DataFrame
    accounts: pd.DataFrame
    hospital_warnings: pd.DataFrame
    not_applicable: dict[str, str]
    ungrouped: dict[str, int]
    store: Path
    fates: Path
    submitted: Path
    typed: Table
    joins: pd.DataFrame
    has: frozenset[str]
    entry: Entry | None = None


@without_values()
def take_in(
    params: RunParams,
    groups: Sequence[Group],
    hospitals: pd.DataFrame | None,
    connection: Engine,
    work: Path,
    progress: Callable[[str, float], None] = lambda step, share: None,
    key: Key | None = None,
    parts: TypedParts | None = None,
) -> Intake:
    """Read all files of a run into the store.

    Parameters
    ----------
    groups
        The run's files by format.
    hospitals
        Registry with column `code`, or None where the run has none (rule K01 is then 不适用).
    work
        Folder for intermediate files and the store.
    key
        Secret of the run, for pseudonyms; a random one that nobody keeps, if none is given.
    parts
        Typed rows of earlier runs: the files they came from are not read again. Without them all files are read.

    Raises
    ------
    InputError
        No file could be used at all, or the DRG file contradicts itself.
    UnbalancedError
        A file's records do not add up.
    """
    parts = parts or TypedParts.opened(work / "parts")
    forms = [group.form for group in groups]
    given = read_given(params, hospitals, shapes_of(params, forms))
    applicable, not_applicable = applicable_rules(params, forms, hospitals)
    lists = read_lists(params)
    drgs = read_drgs(params, forms, connection, work)
    joined = drg_digests(drgs) if parts.made_with and drgs else {}
    with opened(params.data.grouper, work / "grouping") as grouper:
        batch = Batch(
            params, forms, applicable, drgs, connection, parts, lists, hospitals, key or random_key(), grouper
        )
        with whole_files() as opened_file:
            sources, repeated = _read_all(batch, groups, joined, work, progress, opened_file)
            batch.flush()
    met = {slot: {code: joined.get(code, "") for code in codes} for slot, codes in batch.met.items()}
    ungrouped = parts.settle(sources, repeated, batch.ungrouped, met)
    refuse_ragged(sources, params.quality.ragged_share)
    _refuse_if_nothing(sources)
    progress("判定", 1.0)
    read = typed = parts.rows(connection)
    if refused := [
        s.number for s in sources if s.rejected
    ]:  # some were found unreadable after rows of them had been typed
        typed = typed.filter(_.file.notin(refused))
    joins = _Joins()
    if drgs is not None:
        [(found, asked)] = (
            typed.aggregate(found=_.drg_found.sum(), asked=_.drg_found.count()).execute().fillna(0).to_numpy()
        )
        refuse_unmatched(drgs, int(found), int(asked), params)
        joins.add("分组结果文件", "例", drgs.rows, int(asked), int(found))
    if hospitals is not None:
        codes = set(typed.select("hospital").distinct().execute()["hospital"].dropna())
        joins.add("机构名录", "家机构", len(hospitals), len(codes), len(codes & set(hospitals["code"])))
    if refused := check_files(typed, sources, applicable, given, params):
        _refuse_if_nothing(sources)
        typed = typed.filter(_.file.notin(refused))
    entry = None
    if params.data.submissions:
        typed, entry = settle_typed(params.data.submissions, sources, typed, params.data.arrived)
        _refuse_if_nothing(sources)
    # a DRG from a file of its own or a grouper is no column of the file
    joined_later = {"drg"} if params.data.drg_file or params.data.grouper else set()
    lacking = {s.number: set(s.lacks) - joined_later for s in sources if not s.rejected}
    judged = judge(typed, applicable, given, connection, lacking)
    accounts = accounts_of(judged, sources)
    check_balance(sources, accounts)
    store, fates = write_store(judged, params, connection, work), write_fates(judged, sources, connection, work / FATES)
    submitted = complete(typed, fates, parts.rows(connection, HELD), applicable, connection, work / SUBMITTED)
    not_applicable |= absent_everywhere(sources, applicable, params)
    findings = hospital_warnings(judged, accounts, applicable, given, params, fields_of(params, forms), lacking)
    return Intake(
        files=_register(sources),
        accounts=accounts,
        hospital_warnings=findings,
        not_applicable=not_applicable,
        ungrouped=ungrouped,
        store=store,
        fates=fates,
        submitted=submitted,
        typed=read,
        joins=joins.table(),
        has=frozenset(fields_of(params, forms) - lacking_everywhere(sources, params)),
        entry=entry,
    )


def _read_all(
    batch: Batch,
    groups: Sequence[Group],
    joined: Mapping[str, str],
    work: Path,
    progress: Callable[[str, float], None],
    opened_file: Callable[[Path], None],
) -> tuple[list[SourceFile], set[int]]:
    """Every file, in the batch what is not typed already; the numbers of those whose content came before."""
    params, parts = batch.params, batch.parts
    sources: list[SourceFile] = []
    by_hash: dict[str, str] = {}
    repeated: set[int] = set()
    files, beside = files_of(groups), beside_records(params)
    for position, file in enumerate(files):
        progress("读取", position / len(files))
        number, how = len(sources), read_as(file, groups)
        opened_file(file.path)
        for source in parts.sources(number, file.path, work, file.within, joined, how):
            if not source.rejected and file.path in beside:
                source.refuse(f"是{beside[file.path]}，不是病例记录", skipped=True)
                source.close()
            if not source.rejected and not parts.holds(source):
                assign(source, file.groups, groups)
            if not source.rejected and source.content in by_hash:
                source.refuse(f"内容与 {by_hash[source.content]} 完全相同", "F01")
                source.close()
                repeated.add(len(sources))
            sources.append(source)
            if not source.rejected:
                by_hash[source.content] = source.name
                if not parts.holds(source):
                    batch.add(source)
    return sources, repeated


class _Joins:
    """Lists that records were held against, and how many of either side met."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int, int, int, int]] = []

    def add(self, name: str, unit: str, rows: int, asked: int, found: int) -> None:
        self.rows.append((name, unit, rows, asked, found, max(0, rows - found)))

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["name", "unit", "rows", "asked", "found", "unused"])


def _refuse_if_nothing(sources: list[SourceFile]) -> None:
    if all(s.rejected for s in sources):
        first = sources[0]
        raise InputError(
            f"{len(sources)} 个文件全部被拒收: {first.rejected}",
            "every file was refused",
            where=str(first.path),
            remedy="按原因修正后重试; 格式是否选对?",
            remedy_english="mend the cause; is the format right?",
        )


def _register(sources: list[SourceFile]) -> pd.DataFrame:
    table = pd.DataFrame(
        [
            {
                "file": s.number,
                "name": s.name,
                "sha256": s.sha256,
                "size": s.size,
                "kind": s.kind,
                "encoding": s.utf16 or s.encoding,
                "status": SKIPPED if s.skipped else REFUSED if s.rejected else READ,
                "rows": s.rows,
                "received": 0 if s.rejected else s.received,
                "rejected": s.rejected,
                "rejected_by": s.rejected_by,
                "dropped": "" if s.rejected else "、".join(direct_identifiers(s.header)),
                "warnings": warnings_of(s),
            }
            for s in sources
        ]
    )
    return table.astype({"rows": "float64"})
