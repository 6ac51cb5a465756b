"""From text to typed rows: files with the same columns are typed together, with the marks of the rules over one record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.submitted import hit_records, kept_of
from toolkit.data.applicable import record_rules
from toolkit.data.discharge.derived import Lists, derive
from toolkit.data.discharge.identity import Key, pseudonym, with_patient
from toolkit.data.discharge.schema import PERSONAL, STORED
from toolkit.data.grouping import Grouper, with_drgs
from toolkit.data.lists.drg_file import ANY_HOSPITAL, Drgs, lacking_keys, looked_up
from toolkit.data.quality import MARKS
from toolkit.data.reading import text_rows
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source
from toolkit.data.reading.text_rows import columns_of
from toolkit.data.reading.typed_rows import standardise
from toolkit.data.typed_parts import TypedParts, slots_of
from toolkit.engine import Compiled, compiled, handed_over, reader, write_parquet
from toolkit.engine.types import Column, Engine, Table
from toolkit.params import RunParams
from toolkit.written_form import name_form

PERSONAL_OR_WORDS = PERSONAL + r"|[\u4e00-\u9fff]"
BATCH_FILES = 500  # workbooks among them keep a file open each
# what rules over codes, several records and files look at, beside what is stored
FOR_JUDGING = ("drg_found", "hospital_name", "visit_number", "procedure_levels", "grouper_version")
HIT_ROWS = "hit_rows"
_Alike = tuple[int, tuple[str, ...], tuple[tuple[str, ...], ...]]  # group and columns of files that are typed together


class Batch:
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
        self.rules = [record_rules(params, form, hospitals) for form in forms]
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


def _content_hash(text: Table, present: list[str]) -> Column:
    return ibis.struct({name: text[name] for name in present}).hash()
