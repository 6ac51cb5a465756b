"""The groups of files of a run: which format a table has, and what is said of it that does not stand in it.

A value that a group gives is a column of its own beside those of the file, so that all that reads columns reads it too.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.reading import opening
from toolkit.data.reading.files import WITHIN, SourceFile
from toolkit.data.reading.formats import FormatMap, Source, format_map
from toolkit.data.reading.header import how_well
from toolkit.errors import ParameterError, did_you_mean
from toolkit.params import Data, DrgFile, FileGroup
from toolkit.strict_yaml import Section
from toolkit.written_form import name_form, plain_form, written_form

GIVEN = "␟"  # before the name of a field that a group gives: in no column's name


@dataclass(frozen=True, eq=False)
class Group:
    """Files of one format.

    Attributes
    ----------
    form
        The format map, with the group's own columns, and a column for what the group gives.
    spec
        As the parameters have it.
    """

    form: FormatMap
    spec: FileGroup

    def given(self, name: str) -> dict[str, str] | None:
        """What the group says of a table of this name: column -> value; None where the path does not say what it should."""
        said = dict(self.spec.fixed)
        for field, where in self.spec.from_path.items():
            found = re.search(where.pattern, name)
            if found is None or not found.group(1):
                return None
            said[field] = where.stands_for.get(found.group(1), found.group(1))
        return {GIVEN + field: _written(field, value) for field, value in said.items()}


def _written(field: str, value: str) -> str:
    mode = BY_NAME[field].written
    return name_form(value) if mode == "name" else written_form(value) if mode else plain_form(value)


def run_groups(data: Data) -> list[Group]:
    """The groups of files of a run; a generated region has none before its files are made.

    Raises
    ------
    InputError
        A format map is none, or nobody has confirmed it.
    ParameterError
        A group speaks of a field that does not exist, or leaves open which hospital or year its records are of.
    """
    several = bool(data.sources)
    return [_group(spec, f"data.sources.{n}" if several else "data.format") for n, spec in enumerate(data.groups)]


def _group(spec: FileGroup, where: str) -> Group:
    form = format_map(spec.format)
    fields = dict(form.fields)
    for name in (*spec.fixed, *spec.from_path, *spec.columns):
        if name not in BY_NAME:
            raise ParameterError(
                f"没有字段 {name}",
                "no such field",
                where=where,
                **did_you_mean(name, BY_NAME, "见 docs/handbook.md", "see the handbook"),
            )
    fields |= {name: Source(column=GIVEN + name) for name in (*spec.fixed, *spec.from_path)}
    for name, column in spec.columns.items():
        known = fields.get(name, Source(column=column))
        fields[name] = known.model_copy(update={"column": column, "columns": [], "concat": [], "beside": []})
    form = form.model_copy(update={"fields": fields})
    if unknown := [name for path in spec.from_path.values() for name, value in path.stands_for.items() if value == "?"]:
        raise ParameterError(
            f"还有 {len(unknown)} 个文件夹或文件没有写明取值：{'、'.join(unknown[:5])}{' 等' * (len(unknown) > 5)}",
            "the path says a name, and nobody has said what it stands for",
            where=f"{where}.from_path",
            remedy="把 ? 改为机构代码",
            remedy_english="put the code of the hospital in place of ?",
        )
    if lacking := form.lacking:
        raise ParameterError(
            f"格式 {form.id} 没有{'、'.join(lacking)}，这组文件也没有另外给出",
            "neither the format map nor the group says what hospital or day the records are of",
            where=where,
            remedy="在格式映射的 fields 中写明，或在 data.sources 中用 fixed、from_path 给出",
            remedy_english="name it in the map, or give it by fixed or from_path under data.sources",
        )
    return Group(form, spec)


@dataclass(frozen=True, eq=False)
class Found:
    """A file of a run, and the numbers of the groups that name it."""

    path: Path
    within: str
    groups: tuple[int, ...]


def files_of(groups: Sequence[Group]) -> list[Found]:
    """All files of all groups, each once, sorted by path."""
    claimed: dict[Path, list[int]] = {}
    for number, group in enumerate(groups):
        for path in opening.find(group.spec.files):
            claimed.setdefault(path, []).append(number)
    entries = [entry for group in groups for entry in group.spec.files]
    return [Found(path, opening.within(path, entries), tuple(claimed[path])) for path in sorted(claimed)]


def name_in_path(source: SourceFile) -> str:
    """What `from_path` is looked for in: the path below the folder that is named, else the last folder and the file."""
    path = source.within or "/".join(source.path.parts[-2:])
    return path + (WITHIN + source.part if source.part else "")


def assign(source: SourceFile, candidates: Iterable[int], groups: Sequence[Group]) -> None:
    """Set the group of a table, and what it says of it; refuses the table where no group's path pattern fits.

    The first group whose columns the table has all takes it; where none has them, the one with most of them, to say what is
    missing.
    """
    if source.stored == "parquet" and not source.header:
        with contextlib.suppress(pa.ArrowException, OSError):  # what cannot be read is refused where it is read
            source.header = list(pq.read_schema(source.path).names)
    best: tuple[float, int, dict[str, str]] | None = None
    for number in candidates:
        given = groups[number].given(name_in_path(source))
        if given is None:
            continue
        fit = how_well(source, groups[number].form, given)
        if best is None or fit > best[0]:
            best = fit, number, given
        if fit == 1:
            break
    if best is None:
        source.refuse("路径中没有 data.sources 的 from_path 要取的值，不知道是哪家机构（或哪年）的文件", "F04")
        return
    _fit, source.group, source.given = best


def read_as(found: Found, groups: Sequence[Group]) -> str:
    """What reading a file depends on beside its content; "" where its content is all."""
    if len(groups) == 1 and not groups[0].spec.from_path:
        return ""
    said = [name for n in found.groups if groups[n].spec.from_path for name in (found.within or str(found.path),)]
    return sha256(repr((found.groups, said)).encode()).hexdigest()[:16]


def beside_records(section: Section) -> dict[Path, str]:
    """Files that a run reads as something else than records, which may lie in the same folder: path -> what each is."""
    found: dict[Path, str] = {}
    for name, value in vars(section).items():  # what a stage does not declare is not there
        title = re.split(r"[ （;；(]", type(section).model_fields[name].title or name)[0]
        if isinstance(value, Path):
            found[value.resolve()] = title
        elif isinstance(value, DrgFile):
            found[value.file.resolve()] = title
        elif isinstance(value, Section):
            found |= beside_records(value)
    return found
