"""What lies in a folder as hospitals send it: every table, what it is, and a format for those that hold records.

Tables with the same columns are looked at together, and kinds of tables that do not contradict each other share one map, with
the other names of a column beside it: a person confirms a handful of maps, not one a hospital.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import pandas as pd

from toolkit.data.reading import opening
from toolkit.data.reading.column_values import Guess
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import USUAL_DATES, FormatMap, format_map, plain_name
from toolkit.data.reading.mapping import Proposal, propose_for, sample
from toolkit.documents import Document

ALONE = 20  # tables of the same columns that are looked at one by one, before the others are
ROWS, FILES, OTHERS = 1_000, 5, 50  # rows of the first tables of a kind that are looked at, and of each other
OPEN = 300  # tables that are kept open; the rest are opened again
DRG_COLUMNS = 12  # a table of more is no list of DRGs
Progress = Callable[[str, float], None]


class Role(StrEnum):
    """What a table is."""

    RECORDS = "records"
    DRGS = "drgs"
    OTHER = "other"


@dataclass(eq=False)
class Kind:
    """Tables with the same columns, or columns that do not contradict each other.

    Attributes
    ----------
    format
        The id of a shipped format, or "" where the map of `proposal` is needed.
    """

    role: Role
    proposal: Proposal
    tables: list[SourceFile]
    format: str = ""

    @property
    def form(self) -> FormatMap:
        """The map, as if it were confirmed; places that are open are left out."""
        if self.format:
            return format_map(self.format)
        fields = {guess.field: guess.source for guess in self.proposal.sure}
        return FormatMap.model_validate({"id": self.proposal.name, "title": self.proposal.name, "fields": fields})

    @property
    def lacks_hospital(self) -> bool:
        """Whether no column says which hospital a record is of."""
        return not self.format and "hospital" not in {guess.field for guess in self.proposal.sure}


@dataclass(eq=False)
class Survey:
    """All tables below a folder."""

    folder: Path
    kinds: list[Kind] = field(default_factory=list)
    not_read: list[SourceFile] = field(default_factory=list)

    def of(self, role: Role) -> list[Kind]:
        """The kinds of tables of a role."""
        return [kind for kind in self.kinds if kind.role is role]

    @property
    def tables(self) -> list[SourceFile]:
        return [table for kind in self.kinds for table in kind.tables]


def survey(folder: Path, work: Path, progress: Progress) -> Survey:
    """Look at every table below a folder.

    Parameters
    ----------
    work
        Private folder for what is unpacked.

    Raises
    ------
    InputError
        There is no such folder, or nothing in it.
    """
    found = Survey(folder)
    paths = opening.find([str(folder)])
    seen: dict[tuple[str, ...], list[tuple[SourceFile, pd.DataFrame]]] = {}
    number = 0
    for position, path in enumerate(paths):
        progress("查看文件", position / len(paths))
        for table in opening.open_tables(number, path, work, opening.within(path, [str(folder)])):
            number += 1
            rows = sample(table, ROWS)
            if table.rejected:
                found.not_read.append(table)
                table.close()
                continue
            signature = tuple(sorted(map(plain_name, rows.columns)))
            mine = seen.setdefault(signature, [])
            mine.append((table, rows if len(mine) < FILES else rows.iloc[:OTHERS]))
            if number > OPEN:
                table.close()
    progress("识别格式", 0.0)
    for place, tables in enumerate(seen.values()):
        progress("识别格式", place / len(seen))
        found.kinds += _kinds(tables)
    found.kinds = _merged(found.kinds)
    for place, kind in enumerate(own_maps(found), start=1):
        kind.proposal = replace(kind.proposal, name=f"records-{place}")
    return found


def own_maps(found: Survey) -> list[Kind]:
    """The kinds of records that need a map of their own."""
    return [kind for kind in found.of(Role.RECORDS) if not kind.format]


def _kinds(tables: Sequence[tuple[SourceFile, pd.DataFrame]]) -> list[Kind]:
    """Tables with the same columns as one kind; each by itself where together they hide what some of them have.

    Hospitals that fill in one template write days and amounts each in their own way, and one of them in a way that nobody can
    read must not cost the others.
    """
    together = _kind(tables)
    lacking = set(together.proposal.missing)
    if len(tables) == 1 or together.format or not lacking:
        return [together]
    apart = [_kind([one]) for one in tables[:ALONE]]
    if all(lacking <= set(kind.proposal.missing) for kind in apart):
        return [together]
    return apart + [_kind([one]) for one in tables[ALONE:]]


def _kind(tables: Sequence[tuple[SourceFile, pd.DataFrame]]) -> Kind:
    pooled = pd.concat([rows for _table, rows in tables], ignore_index=True)
    proposal = propose_for(tables[0][0].name, pooled)
    role = _role(proposal, len(pooled.columns))
    return Kind(role, proposal, [table for table, _rows in tables], proposal.layout if role is Role.RECORDS else "")


def _role(proposal: Proposal, columns: int) -> Role:
    found = {guess.field for guess in proposal.sure}
    dated = bool({"discharge_date", "year"} & found)
    told = found & {"cost_fen", "los_days", "department", "principal_diagnosis", "sex", "age_years", "exit_mode"}
    if {"drg", "record"} <= found and len(told) <= 1 and columns <= DRG_COLUMNS:
        return Role.DRGS
    return Role.RECORDS if proposal.layout or (dated and len(told) >= 2) else Role.OTHER


# --- maps that do not contradict each other ---------------------------------------------------------------------------------


def _merged(kinds: Sequence[Kind]) -> list[Kind]:
    kept: list[Kind] = []
    for kind in sorted(kinds, key=lambda one: -len(one.tables)):
        for other in kept:
            if other.role is not kind.role or other.format != kind.format or kind.role is Role.OTHER:
                continue
            if kind.format:
                other.tables += kind.tables
                break
            together = _together(other.proposal, kind.proposal)
            if together is not None and other.lacks_hospital == kind.lacks_hospital:
                other.proposal = together
                other.tables += kind.tables
                break
        else:
            kept.append(kind)
    return kept


def _together(one: Proposal, other: Proposal) -> Proposal | None:
    """One map for both, or None where they contradict each other."""
    first, second = ({g.field: g for g in proposal.sure} for proposal in (one, other))
    if _contradicting(first, second):
        return None
    guesses = []
    for name in dict.fromkeys((*first, *second)):
        here, there = first.get(name), second.get(name)
        if here is None or there is None:
            alone = here or there
            assert alone is not None  # noqa: S101  the name is of one of the two
            guesses.append(replace(alone, source={**alone.source, "optional": True}))
            continue
        source = _one_source(here.source, there.source)
        if source is None:
            return None
        columns = tuple(dict.fromkeys((*here.columns, *there.columns)))
        guesses.append(replace(here, source=source, columns=columns, confidence=min(here.confidence, there.confidence)))
    left = {column.name: column for column in (*one.unresolved, *other.unresolved)}
    return replace(
        one,
        guesses=tuple(guesses),
        unresolved=tuple(left.values()),
        layout="",
        refused=tuple(dict.fromkeys((*one.refused, *other.refused))),
    )


def _contradicting(first: dict[str, Guess], second: dict[str, Guess]) -> bool:
    """Whether a column is one field here and another there."""
    here, there = _uses(first), _uses(second)
    return any(not here[column] & fields for column, fields in there.items() if column in here)


def _uses(found: dict[str, Guess]) -> dict[str, set[str]]:
    """Column -> the fields that it is."""
    uses: dict[str, set[str]] = {}
    for name, guess in found.items():
        if "column" in guess.source:
            uses.setdefault(plain_name(guess.source["column"]), set()).add(name)
    return uses


UNIONS = ("dates", "remove", "true", "false", "also")


def _one_source(one: Document, other: Document) -> Document | None:
    """Where a field comes from in either file; None where one word or number would mean two things."""
    ignored = {"column", "columns", "values", "optional", *UNIONS}
    if {k: v for k, v in one.items() if k not in ignored} != {k: v for k, v in other.items() if k not in ignored}:
        return None
    if ("column" in one) != ("column" in other) or ("columns" in one) != ("columns" in other):
        return None
    if "beside" in one and one["columns"] != other["columns"]:
        return None
    values, more = one.get("values", {}), other.get("values", {})
    if any(values[word] != more[word] for word in values if word in more):
        return None
    both = {**one, **({"values": {**values, **more}} if values or more else {})}
    if one.get("columns") != other.get("columns"):
        both |= {"columns": list(dict.fromkeys((*one["columns"], *other["columns"]))), "optional": True}
    for name in UNIONS:
        if union := list(dict.fromkeys((*one.get(name, ()), *other.get(name, ())))):
            both[name] = union
    if set(both.get("true", ())) & set(both.get("false", ())):
        return None
    if {"serial-1900", "serial-1904"} <= set(both.get("dates", ())):
        return None
    if "dates" in both:
        both["dates"] = list(dict.fromkeys((*USUAL_DATES, *both["dates"])))
    names = [n for n in dict.fromkeys((one.get("column"), other.get("column"))) if n]
    if names and plain_name(str(names[-1])) != plain_name(str(names[0])):
        both["also"] = list(dict.fromkeys((*both.get("also", ()), names[-1])))
    return both


# --- the hospital in the path -------------------------------------------------------------------------------------------


# where a code mostly stands: before the name of the folder, behind it, in the name of the file
SIMPLE = (
    r"^(\d{4,22})",
    r"^([0-9A-Z]{4,22})[_ -]",
    r"^[^/]*[_-]([0-9A-Z]{4,22})/",
    r"^[^/]*?(\d{4,22})[^/]*/",
    r"/([0-9A-Z]{4,22})[_ -][^/]*$",
    r"^[^/]*[_-]([0-9A-Z]{4,22})\.[^/]*$",
)
YEAR = r"(19|20)\d\d(0[1-9]|1[0-2])?"


def hospital_in_path(names: Sequence[str]) -> list[tuple[Document, list[int]]]:
    """How the paths of files say their hospital, as `from_path` of a group has it, with the places of the names that it fits.

    A code of at least four figures or capitals in one of the usual places; for names without one the first folder or the file,
    with a code to be filled in for each. A table belongs to the first that fits it.
    """
    left = list(range(len(names)))
    found: list[tuple[Document, list[int]]] = []
    while left:
        fits = {simple: _codes_at(simple, [names[place] for place in left]) for simple in SIMPLE}
        pattern = max(fits, key=lambda one: sum(fits[one]))
        if not any(fits[pattern]):
            break
        mine = [place for place, fit in zip(left, fits[pattern], strict=True) if fit]
        found.append(({"pattern": pattern}, mine))
        left = [place for place in left if place not in set(mine)]
    if left:
        rest = [names[place] for place in left]
        pattern = r"^([^/]+)/" if all("/" in name for name in rest) else r"^([^/.]+)"
        told = {match.group(1): "?" for name in rest if (match := re.search(pattern, name))}
        found.append(({"pattern": pattern, "stands_for": told}, left))
    return found


def _codes_at(pattern: str, names: Sequence[str]) -> list[bool]:
    """Which names have a code there; none where one of them has a year there, which would be taken for a code."""
    matches = [re.search(pattern, name) for name in names]
    if any(match and re.fullmatch(YEAR, match.group(1)) for match in matches):
        return [False] * len(names)
    return [match is not None for match in matches]
