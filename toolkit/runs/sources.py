"""What the tables of a run are made from, apart from where it lies: raw files, other inputs, choices, code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import partial
from inspect import getsource
from pathlib import Path
from types import FunctionType
from typing import TypeVar

import pandas as pd
from pydantic import BaseModel

from toolkit.data.reading.files import without_numbers_of_persons
from toolkit.data.reading.opening import find
from toolkit.documents import Document, Entries, Plain, readable
from toolkit.params import Data, FileGroup, RunParams
from toolkit.running.manifest import Software, digest
from toolkit.running.notebook import file_hash
from toolkit.running.publish import canonical

FILES, FORMAT = "data{}.files", "data{}.format"  # of the one group of files, or of each of several
SECRET = "data.key_file"  # no number depends on it, and not even its name belongs in an output
REGISTER = "data.submissions"  # kept by the runs themselves; what a run read in it follows from its files
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
Part = TypeVar("Part", bound=BaseModel)
FileSection = TypeVar("FileSection", Data, FileGroup)


def places(params: RunParams) -> Document:
    """Where the parameters say that things lie: dotted name of the parameter -> path; `data.files` -> list of paths."""
    found: Document = {name: str(path) for name, path in _paths(params, "") if name != SECRET}
    for number, group in enumerate(params.data.groups):
        of_group = f".sources.{number}" if params.data.sources else ""
        found[FILES.format(of_group)] = list(group.files)
        if group.format.endswith((".yaml", ".yml")):
            found[FORMAT.format(of_group)] = group.format
    return found


def is_files(name: str) -> bool:
    """Whether a name that `places` gives is that of a list of raw files."""
    return name.startswith("data.") and name.endswith(".files")


def moved(params: RunParams, where: Entries) -> RunParams:
    """`params` with the paths of `where`, as `places` gives them; others stay."""
    changed = _with_paths(params, "", lambda name, path: Path(where.get(name, path)))

    def there(section: FileSection, of_group: str) -> FileSection:
        files = list(where.get(FILES.format(of_group), section.files))
        return section.model_copy(update={"files": files, "format": where.get(FORMAT.format(of_group), section.format)})

    data = there(changed.data, "")
    sources = [there(group, f".sources.{number}") for number, group in enumerate(data.sources)]
    return changed.model_copy(update={"data": data.model_copy(update={"sources": sources})})


def portable(params: RunParams) -> RunParams:
    """`params` with names for paths: equal wherever the same files lie."""
    found = places(params)
    names: Document = {
        name: sorted(readable(Path(one).name) for one in path) if is_files(name) else Path(path).name
        for name, path in found.items()
    }
    named = moved(params, names)
    return named.model_copy(update={"data": named.data.model_copy(update={"key_file": None})})


def without_file_names(params: RunParams) -> RunParams:
    """`params` with numbers for the names of raw files, which hospitals choose and may hold anything."""
    named = {
        name: [f"{number:04}" for number in range(1, len(entries) + 1)]
        for name, entries in places(params).items()
        if is_files(name)
    }
    return moved(params, {**{n: p for n, p in places(params).items() if not is_files(n)}, **named})


def _paths(section: BaseModel, prefix: str) -> Iterator[tuple[str, Path]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        for suffix, one in _parts(value):
            if isinstance(one, Path):
                yield f"{prefix}{name}{suffix}", one
            elif isinstance(one, BaseModel):
                yield from _paths(one, f"{prefix}{name}{suffix}.")


def _parts(value: Plain) -> list[tuple[str, Plain]]:
    """The value itself, or the members of a list with their place."""
    return [(f".{n}", one) for n, one in enumerate(value)] if isinstance(value, list) else [("", value)]


def _with_paths(section: Part, prefix: str, change: Callable[[str, Path], Path]) -> Part:
    updates: Document = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        changed: list[Plain] = []
        for suffix, one in _parts(value):
            if isinstance(one, Path):
                changed.append(change(f"{prefix}{name}{suffix}", one))
            elif isinstance(one, BaseModel):
                changed.append(_with_paths(one, f"{prefix}{name}{suffix}.", change))
        if changed:
            updates[name] = changed if isinstance(value, list) else changed[0]
    return section.model_copy(update=updates)


def raw_files(where: Entries, hashes: Callable[[Path], str] = file_hash) -> list[Document]:
    """Name and content hash of every raw file, in the order of their hashes; a file that is gone raises."""
    paths = find([entry for name, entries in where.items() if is_files(name) for entry in entries])
    rows = [{"name": without_numbers_of_persons(readable(path.name)), "sha256": hashes(path)} for path in paths]
    return sorted(rows, key=lambda row: (row["sha256"], row["name"]))


def other_inputs(where: Entries, hashes: Callable[[Path], str] = file_hash) -> dict[str, dict[str, str]]:
    """Registry, weight and grade tables, format map of one's own …: name and content hash by parameter.

    What is not there is left out: a run may write some of them itself.
    """
    return {
        name: {"name": Path(path).name, "sha256": hashes(Path(path))}
        for name, path in sorted(where.items())
        if name != REGISTER and not is_files(name) and Path(path).exists()
    }


def identity_of(params: RunParams, made_with: Software, hashes: Callable[[Path], str] = file_hash) -> Document:
    """Everything the tables of a run depend on; equal identities give equal tables.

    Paths do not count, contents do. A synthetic region (合成数据) has no raw files: parameters and code are all of it.
    """
    where = places(params)
    return {
        "parameters": portable(params).model_dump(mode="json", exclude={"edition", "disclosure"}),
        "raw": raw_files(where, hashes),
        "inputs": other_inputs(where, hashes),
        "software": {"code": made_with.code, "lock": made_with.lock, "packages": dict(made_with.packages)},
    }


def parameter_hash(params: RunParams) -> str:
    """Identity of the choices: every parameter but where the files lie, who may read the reports and what computes."""
    chosen = portable(params).model_dump(mode="json", exclude={"edition", "disclosure", "engine"})
    chosen["data"] = {
        k: v for k, v in chosen["data"].items() if k not in ("files", "hospitals", "drg_file", "key_file")
    }
    return content_hash(chosen)


def content_hash(content: object) -> str:
    """SHA-256 of plain values, whatever the order of their names."""
    return digest(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def declaration_hashes(declared: Iterable[Plain]) -> dict[str, str]:
    """A hash for each declaration (rule, indicator, measure), by id: what it says and the expression or code it executes."""

    def said(value: object) -> str:
        if isinstance(value, partial):
            return f"{said(value.func)} {value.args!r} {sorted(value.keywords.items())!r}"
        # a rule's test is a function; expressions of ibis and pandas can be called too, but say what they are
        return getsource(value) if isinstance(value, FunctionType) else ADDRESS.sub("", repr(value))

    return {
        one.id: digest(canonical({part.name: said(getattr(one, part.name)) for part in fields(one)}))
        for one in declared
    }


def reference_hashes(frame: pd.DataFrame) -> dict[str, str]:
    """A hash for each table that cases were held against: mean cost, mean LOS, weight and risk grade by DRG.

    Parameters
    ----------
    frame
        As in `toolkit.reference.Referenced`, with `level_group, drg, year`.
    """
    keys = ["level_group", "drg", "year"]
    hashes = {}
    for column in ("ref_cost", "ref_los", "weight", "risk_grade"):
        table = frame[[*keys, column]].dropna().round({column: 9}).drop_duplicates().sort_values([*keys, column])
        hashes[column] = digest(table.to_csv(index=False).encode())
    return hashes
