"""From files to stored discharges: read, standardise, apply the rules, account for every record, store.

Files become typed Parquet, in batches, with the marks of the rules over one record; then those over codes and over several
records are added, every record gets one fate, and the accepted ones are stored. Rules over files and hospitals come last.
 收到 = 纳入 + 排除 + 隔离 is checked per file and stops the run if broken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.fates import accounts_of, check_balance, judge, refuse_ragged, write_fates
from toolkit.data.accounts.file_checks import check_files, warnings_of
from toolkit.data.accounts.hospital_facts import hospital_warnings
from toolkit.data.accounts.settling import Entry, settle_typed
from toolkit.data.accounts.submitted import SUBMITTED, complete, hit_records, kept_of
from toolkit.data.discharge.derived import Lists, derive, read_lists
from toolkit.data.discharge.identity import Key, direct_identifiers, pseudonym, random_key, with_patient
from toolkit.data.discharge.schema import BY_NAME, PERSONAL, STORED
from toolkit.data.grouping import Grouper, opened, with_drgs
from toolkit.data.lists.drg_file import (
    ANY_HOSPITAL,
    Drgs,
    drg_digests,
    lacking_keys,
    looked_up,
    read_drgs,
    refuse_unmatched,
)
from toolkit.data.quality import CATALOGUE, MARKS, RECORD_RULES, Rule, read_given
from toolkit.data.quality.base import title_of, value_of
from toolkit.data.reading import text_rows
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source
from toolkit.data.reading.groups import Group, assign, beside_records, files_of, read_as
from toolkit.data.reading.still import whole_files
from toolkit.data.reading.text_rows import columns_of
from toolkit.data.reading.typed_rows import standardise
from toolkit.data.store import write_store
from toolkit.data.typed_parts import HELD, TypedParts, slots_of
from toolkit.engine import Compiled, compiled, handed_over, reader, without_values, write_parquet
from toolkit.engine.types import Column, Engine, Table
from toolkit.errors import InputError
from toolkit.params import RunParams
from toolkit.written_form import name_form

PERSONAL_OR_WORDS = PERSONAL + r"|[\u4e00-\u9fff]"
BATCH_FILES = 500  # workbooks among them keep a file open each
FATES = "fates.parquet"  # every record that is not plainly accepted, by file and line
# what rules over codes, several records and files look at, beside what is stored
FOR_JUDGING = ("drg_found", "hospital_name", "visit_number", "procedure_levels", "grouper_version")
HIT_ROWS = "hit_rows"
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
    given = read_given(params, hospitals, _shapes(params, forms))
    applicable, not_applicable = _applicable(params, forms, hospitals)
    lists = read_lists(params)
    drgs = read_drgs(params, forms, connection, work)
    joined = drg_digests(drgs) if parts.made_with and drgs else {}
    with opened(params.data.grouper, work / "grouping") as grouper:
        batch = _Batch(
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
    not_applicable |= _absent_everywhere(sources, applicable, params)
    findings = hospital_warnings(judged, accounts, applicable, given, params, _fields(params, forms), lacking)
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
        has=frozenset(_fields(params, forms) - _lacking_everywhere(sources, params)),
        entry=entry,
    )


def _read_all(
    batch: _Batch,
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


def _fields(params: RunParams, forms: Sequence[FormatMap]) -> set[str]:
    """The canonical fields that records of the formats can have: those of the maps, and what follows from them."""
    has = {"specialty", "year"}.union(*(form.fields for form in forms))
    if {"admission_date", "discharge_date"} <= has:
        has.add("los_days")
    if {"record", "identity", "health_card"} & has:
        has.add("patient")
    if {"admission_date", "birth_date"} <= has:
        has |= {"age_years", "age_days"}
    if "discharge_date" in has:
        has.add("month")
    if params.data.drg_file or params.data.grouper:
        has.add("drg")
    return has


def _shapes(params: RunParams, forms: Sequence[FormatMap]) -> dict[str, str]:
    """Field -> shape of its codes, in any of the formats; the codes of a grouper that the run calls are its own affair."""
    shapes = {}
    for name in BY_NAME:
        told = list(dict.fromkeys(form.shape(name) for form in forms))
        if all(told):
            shapes[name] = told[0] if len(told) == 1 else "|".join(f"(?:{shape})" for shape in told)
    if params.data.grouper:
        shapes.pop("drg", None)
    return shapes


def _names(fields: Iterable[str]) -> str:
    return "、".join(BY_NAME[name].name_zh.removesuffix("（分）") for name in fields)


def _applicable(
    params: RunParams, forms: Sequence[FormatMap], hospitals: pd.DataFrame | None
) -> tuple[set[str], dict[str, str]]:
    has = _fields(params, forms)
    reasons: dict[str, str] = {}
    for id_, rule in CATALOGUE.items():
        if missing := [f for f in rule.needs if f not in has]:
            reasons[id_] = f"来源格式没有字段：{_names(missing)}"
        elif rule.needs_any and not has & set(rule.needs_any):
            reasons[id_] = f"来源格式没有下列字段中的任何一个：{_names(rule.needs_any)}"
        elif missing := [name for name in rule.inputs if not value_of(params, name)]:
            reasons[id_] = f"未提供：{'、'.join(title_of(params, name) for name in missing)}"
    if hospitals is not None:
        for id_ in [i for i, rule in CATALOGUE.items() if "data.hospitals" in rule.inputs and i in reasons]:
            del reasons[id_]
        reasons["K00"] = "有机构名录，见规则K01"
    if hospitals is not None and "hospital_name" not in has:
        reasons["K02"] = f"来源格式没有字段：{_names(['hospital_name'])}"
    if all(form.scope is None for form in forms):
        reasons["SCOPE"] = "来源格式未声明范围"
    if not any("year" in form.fields for form in forms):
        reasons["D01Y"] = "来源格式有日期，见规则D01"
    return set(CATALOGUE) - set(reasons), reasons


def _absent_everywhere(sources: list[SourceFile], applicable: set[str], params: RunParams) -> dict[str, str]:
    """Rules that no file could be checked by, though the format has their fields: no file has the columns."""
    lacking = _lacking_everywhere(sources, params)
    found = {
        id_: f"各文件都没有字段：{_names(missing)}"
        for id_, rule in CATALOGUE.items()
        if id_ in applicable and (missing := [f for f in rule.needs if f in lacking])
    }
    if "G01" in found:
        found["G01"] += "；也没有分组结果文件或分组器，CMI、消耗指数、风险分级等病例组合类指标都不能计算"
    return found


def _lacking_everywhere(sources: list[SourceFile], params: RunParams) -> set[str]:
    """Fields of the formats that no file has a column for."""
    grouped = {"drg"} if params.data.drg_file or params.data.grouper else set()
    read = [set(s.lacks) - grouped for s in sources if not s.rejected]
    return set.intersection(*read) if read else set()


class _Joins:
    """Lists that records were held against, and how many of either side met."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int, int, int, int]] = []

    def add(self, name: str, unit: str, rows: int, asked: int, found: int) -> None:
        self.rows.append((name, unit, rows, asked, found, max(0, rows - found)))

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["name", "unit", "rows", "asked", "found", "unused"])


# --- from text to typed rows -------------------------------------------------------------------------------------------


_Alike = tuple[int, tuple[str, ...], tuple[tuple[str, ...], ...]]  # group and columns of files that are typed together


class _Batch:
    """Files with the same columns, gathered and typed together.

    Planning the expression for each small file costs more than running it: files of other columns between them do not part them.
    """

    def __init__(
        self,
        params: RunParams,
        forms: Sequence[FormatMap],
        applicable: set[str],
        drgs: Drgs | None,
        connection: Engine,
        parts: TypedParts,
        lists: Lists,
        hospitals: pd.DataFrame | None,
        key: Key,
        grouper: Grouper | None,
    ) -> None:
        self.params, self.forms, self.drgs, self.connection, self.parts = params, forms, drgs, connection, parts
        self.lists, self.hospitals, self.key, self.grouper = lists, hospitals, key, grouper
        declared = (d for s in params.specialties for d in s.departments)
        self.departments = {*map(name_form, declared), *(one.department for one in lists.departments)}
        self.ungrouped: Counter[tuple[int, str]] = Counter()
        self.met: dict[int, set[str]] = {}
        self.rules = [_record_rules(params, form, hospitals) for form in forms]
        self.every_field = set().union(*(form.fields for form in forms))
        self.group = 0
        self.columns: dict[str, list[str]] = {}
        self.applicable = applicable
        self.present: list[str] = []
        self.waiting: list[SourceFile] = []
        self.gathered: dict[_Alike, list[SourceFile]] = {}
        self.plan: _Plan | None = None

    def add(self, source: SourceFile) -> None:
        form = self.forms[source.group]
        columns, present = columns_of(source, form, self.connection)
        source.lacks += sorted(self.every_field - set(form.fields))
        if source.rejected:
            source.close()
            return
        alike = (source.group, tuple(present), tuple((name, *found) for name, found in columns.items()))
        self.gathered.setdefault(alike, []).append(source)
        if sum(map(len, self.gathered.values())) == BATCH_FILES:
            self.flush()

    @property
    def form(self) -> FormatMap:
        """The format of the files that wait."""
        return self.forms[self.group]

    @property
    def joins(self) -> bool:
        """Whether the records of the files that wait are looked up in the DRG file: of several formats those without a DRG."""
        own = self.form.fields.get("drg")
        grouped = len(self.forms) > 1 and own is not None and not own.absent(self.columns)
        return self.drgs is not None and not grouped and not lacking_keys(self.params, self.form)

    def flush(self) -> None:
        """Type the files that wait. Only then is known how many records they hold, and whether all of each can be read."""
        gathered, self.gathered = self.gathered, {}
        for (self.group, present, columns), self.waiting in gathered.items():
            self.present, self.columns = list(present), {name: list(found) for name, *found in columns}
            self._type()

    def _type(self) -> None:
        """Type files with the same columns."""
        for part in self._parts():
            if self.drgs is not None and self.joins:
                self._note_met(part, self.drgs)
                part = looked_up(part, self.drgs, self.form, self.columns, self.connection)
            text_rows.register(part, self.connection)
            self._write(part, handed_over(self.connection, text_rows.NAME))
            text_rows.close(self.connection)
        for source in self.waiting:
            source.close()
        self.waiting = []

    def _parts(self) -> Iterator[text_rows.Part]:
        modes = self.form.written(self.columns)
        missing = self.params.quality.missing_words
        return text_rows.parts(self.waiting, self.present, key=self.key.secret, modes=modes, missing=missing)

    def _note_met(self, part: text_rows.Part, drgs: Drgs) -> None:
        """Whose rows of the DRG file the records of a part can be joined with."""
        for slot in slots_of(part):
            self.met.setdefault(slot, set())
        if not drgs.by_hospital:
            for slot in slots_of(part):
                self.met[slot].add(ANY_HOSPITAL)
            return
        name = self.columns[self.form.fields["hospital"].key][0]
        pairs = part.rows.select(["file", name]).group_by(["file", name]).aggregate([])
        for slot, code in zip(pairs["file"].to_pylist(), pairs[name].to_pylist(), strict=True):
            if not re.search(
                PERSONAL_OR_WORDS, code or ""
            ):  # such a record is quarantined, and what it says kept nowhere
                self.met[slot].add(code or "")

    def _write(self, rows: text_rows.Part, text: Table) -> None:
        plan = self._plan(text)
        part = self.parts.new_part(slots_of(rows))
        write_parquet(self.connection, plan.typed, self.parts.typed / part)
        typed = self.connection.read_parquet(str(self.parts.typed / part))
        typed = self.connection.create_view("typed_part", typed, overwrite=True)
        text_rows.only(rows, hit_records(typed).to_pyarrow(), HIT_ROWS, reader(self.connection))
        held = plan.held
        if held is None:
            hit = handed_over(self.connection, HIT_ROWS).mutate(source_content=ibis.literal(0, "int64"))
            kept = kept_of(hit, typed, self.applicable, plan.columns, plan.form)
            held = compiled(self.connection, kept)
        write_parquet(self.connection, held, self.parts.held / part)
        text_rows.close(reader(self.connection), HIT_ROWS)
        # the tables that the SQL names are the same for the next part; Spark's are not, and a grouper has run on these rows
        again = self.connection.name == "duckdb" and self.grouper is None
        self.plan = replace(plan, held=held) if again else None

    def _plan(self, text: Table) -> _Plan:
        """How the rows of a part are typed: made once for parts with the same columns."""
        of = (self.group, tuple(text.columns), tuple((name, *found) for name, found in self.columns.items()))
        if self.plan is not None and self.plan.of == of:
            return self.plan
        present = [c for c in text.columns if c not in ("file", "line", "joined_drg", "drg_found")]
        text = text.mutate(source_content=_content_hash(text, present))
        columns, form = self.columns, self.form
        absent = {name for name, source in form.fields.items() if source.absent(columns)}
        if self.joins:
            absent.discard("drg")
            columns = {**columns, "joined_drg": ["joined_drg"]}
            form = form.model_copy(update={"fields": {**form.fields, "drg": Source(column="joined_drg")}})
        if self.grouper is not None:
            absent.discard("drg")
        given = set(form.fields) - absent
        # views: else every rule would hold the whole expression of every field it looks at, and planning outlast the work
        table = self.connection.create_view(
            "standard_rows", standardise(text, columns, form, self.departments), overwrite=True
        )
        if self.grouper is not None:
            table = with_drgs(table, self.grouper, self.connection, self.ungrouped)
        table = with_patient(table, self.key)
        table = table.mutate(pseudonym=pseudonym(table.hospital, table.record, table.visit, self.key))
        derived = derive(table, self.params, self.lists, self.hospitals, given, form)
        table = self.connection.create_view("derived_rows", derived, overwrite=True)
        table = table.mutate(
            # a rule cannot be checked in a file without its columns; no record fails for that
            **MARKS.of(
                {
                    rule.id: rule.test(self.params)
                    for rule in self.rules[self.group]
                    if rule.test and not absent & set(rule.needs)
                }
            ),
            visit_number=ibis.ifelse(_.visit.length() <= 6, _.visit.try_cast("int64"), ibis.null("int64")),
            record_key=ibis.ifelse(_.pseudonym.notnull(), _.pseudonym.hash(), ibis.null("int64")),
        )
        keep = [*STORED, *FOR_JUDGING, *MARKS.columns, "file", "line", "pseudonym", "record_key", "content"]
        return _Plan(
            of=of,
            typed=compiled(self.connection, table.select(keep)),
            derived=derived,
            text=text,
            columns=columns,
            form=form,
        )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What types the rows of parts with the same columns, and what keeps the values of those that a rule hits.

    `derived` is held because the small tables in it live as long as somebody holds it.
    """

    of: _Alike
    typed: Table | Compiled
    derived: Table
    text: Table
    columns: dict[str, list[str]]
    form: FormatMap
    held: Table | Compiled | None = None


def _record_rules(params: RunParams, form: FormatMap, hospitals: pd.DataFrame | None) -> list[Rule]:
    """The rules over one record that records of a format can be checked by."""
    applicable, _reasons = _applicable(params, [form], hospitals)
    return [rule for rule in RECORD_RULES if rule.id in applicable]


def _content_hash(text: Table, present: list[str]) -> Column:
    return ibis.struct({name: text[name] for name in present}).hash()


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
