"""Who sent how much, before anything is judged: counts of a folder's tables, read in the few columns that tell it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from ibis import _

from toolkit.data.reading import opening, text_rows
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source
from toolkit.data.reading.groups import GIVEN, Group, assign
from toolkit.data.reading.survey import Kind
from toolkit.data.reading.typed_rows import standardise
from toolkit.engine import connect
from toolkit.engine.types import Engine
from toolkit.params import FileGroup

COUNTED = ("hospital", "hospital_name", "year", "department")
LOOKED_AT = ("hospital", "hospital_name", "year", "discharge_date", "department", "drg")


@dataclass(eq=False)
class Sent:
    """Records by `hospital, hospital_name, year, department`, and of all how many have a DRG."""

    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*COUNTED, "n", "drgs"]))

    def by(self, column: str) -> dict[str, int]:
        """Records by the values of a column, most of them first."""
        known = self.table[self.table[column].notna()]
        counted = known.groupby(column)["n"].sum().sort_values(ascending=False)
        years = column == "year"  # floats, where some records have none
        return {str(value).partition(".")[0] if years else str(value): int(n) for value, n in counted.items()}

    @property
    def records(self) -> int:
        return int(self.table["n"].sum())

    @property
    def grouped(self) -> int:
        return int(self.table["drgs"].sum())


def counted(
    kinds: Sequence[Kind], specs: Sequence[FileGroup], folder: Path, work: Path, progress: Callable[[str, float], None]
) -> Sent:
    """Who sent how much: only the columns that tell it are read."""
    connection = connect(work / "engine", [folder])
    found = []
    try:
        for place, (kind, spec) in enumerate(zip(kinds, specs, strict=True)):
            progress("清点病例", place / len(kinds))
            fields = {name: source for name, source in kind.form.fields.items() if name in LOOKED_AT}
            form = kind.form.model_copy(update={"fields": fields, "scope": None})
            group = Group(_with_given(form, spec), spec)
            for same, columns, present in _batches(kind.tables, group, connection, work):
                modes = group.form.written(columns)
                for part in text_rows.parts(same, present, modes=modes):
                    text_rows.register(part, connection)
                    text = connection.table(text_rows.NAME)
                    typed = standardise(text.mutate(source_content=0), columns, group.form)
                    grouped = typed.group_by(list(COUNTED)).aggregate(n=_.count(), drgs=_.drg.count())
                    found.append(grouped.execute())
                    text_rows.close(connection)
    finally:
        connection.disconnect()
    if not found:
        return Sent()
    table = pd.concat(found, ignore_index=True)
    return Sent(table.groupby(list(COUNTED), dropna=False, as_index=False)[["n", "drgs"]].sum())


def _with_given(form: FormatMap, spec: FileGroup) -> FormatMap:
    given = {name: Source(column=GIVEN + name) for name in (*spec.fixed, *spec.from_path)}
    return form.model_copy(update={"fields": {**form.fields, **given}})


def _batches(
    tables: Sequence[SourceFile], group: Group, connection: Engine, work: Path
) -> Iterator[tuple[list[SourceFile], dict[str, list[str]], list[str]]]:
    """Tables with the same columns together: planning for each alone costs more than counting."""
    waiting: dict[str, tuple[list[SourceFile], dict[str, list[str]], list[str]]] = {}
    for table in tables:
        source = _open_again(table, work)
        assign(source, [0], [group])
        columns, present = ({}, []) if source.rejected else text_rows.columns_of(source, group.form, connection)
        if not columns:
            continue
        key = json.dumps([columns, sorted(source.given)])
        waiting.setdefault(key, ([], columns, present))[0].append(source)
    yield from waiting.values()


def _open_again(table: SourceFile, work: Path) -> SourceFile:
    """The table, whose text may have been closed."""
    if table.heads or table.stored == "parquet":
        return table
    tables = opening.open_tables(table.number, table.path, work, table.within)
    again = next(one for one in tables if one.part == table.part)
    for one in tables:
        if one is not again:
            one.close()
    return again
