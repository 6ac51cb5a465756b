"""Typed rows, part by part, kept from run to run by the content of the files they came from.

A part is a pair of Parquet files: `typed/<part>`, the rows of some files as canonical values, and `held/<part>`, what those
that a rule has hit held as received. `catalogue.json` beside them says which files a part holds, and what reading them found.
A file that stands there is not read again; nothing that crosses files is kept, so all of that is worked out anew.

The rows of a file carry a number of their own, which stays when other files come and go; a run sees its own numbers.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from toolkit.data.reading import opening
from toolkit.data.reading.files import NumericCells, RefusedLine, SourceFile
from toolkit.data.reading.kinds import left_behind
from toolkit.data.reading.text_rows import Part
from toolkit.engine import write_parquet
from toolkit.engine.types import Engine, Table
from toolkit.running.manifest import digest, sealed, unsealed
from toolkit.running.publish import canonical, sync_file, write_atomically

CATALOGUE = "catalogue.json"
TYPED, HELD = "typed", "held"
OF_RUN = ("number", "path", "within", "read_as", "text", "window", "heads")  # of a source file: not of its content


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What reading a file found.

    Attributes
    ----------
    slot
        Its number in the parts.
    parts
        Names of the parts that hold rows of it.
    source
        The fields of `SourceFile` that its content decides.
    ungrouped
        Why the grouper gave no DRG -> records.
    joined
        Hospital -> digest of the rows of the DRG file that its records could meet; empty without such a file.
    """

    slot: int
    parts: tuple[str, ...]
    source: Mapping[str, Any]
    ungrouped: Mapping[str, int]
    joined: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class TypedParts:
    """The parts of one run, those of earlier runs among them.

    Parameters
    ----------
    folder
        Where they lie: private, for they hold records.
    made_with
        What typed rows depend on beside the file: parameters, lists, key, code. "" where nothing is to be kept.
    contents
        Path -> SHA-256 of files whose content the caller knows; others are read.
    """

    folder: Path
    made_with: str = ""
    contents: Mapping[Path, str] = field(default_factory=dict)
    known: dict[str, tuple[_Known, ...]] = field(default_factory=dict)  # the tables of a file, by its content
    reused: dict[int, _Known] = field(default_factory=dict)  # by number of the run
    slots: dict[int, int] = field(default_factory=dict)  # slot -> number of the run
    holding: dict[str, set[int]] = field(default_factory=dict)  # part -> slots with rows in it
    first: int = 0  # slot of the run's first file, where it is new
    written: int = 0

    @classmethod
    def opened(cls, folder: Path, made_with: str = "", contents: Mapping[Path, str] | None = None) -> TypedParts:
        """The parts in `folder` that were made with the same and are as they were; all else there is removed."""
        parts = cls(folder=folder, made_with=made_with, contents=contents or {})
        kept = unsealed(folder / CATALOGUE) or {}
        if not made_with or kept.get("identity") != {"made_with": made_with}:
            kept = {}
        whole = {name for name, marks in kept.get("parts", {}).items() if marks == parts._marks(name)}
        parts.known = {
            content: tuple(_Known(**{**one, "parts": tuple(one["parts"])}) for one in tables)
            for content, tables in kept.get("files", {}).items()
            if all(whole.issuperset(one["parts"]) for one in tables)
        }
        for name in whole:
            parts.holding[name] = {one.slot for one in parts._tables() if name in one.parts}
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
        for kind in (TYPED, HELD):
            (folder / kind).mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in (folder / kind).iterdir():
                if not parts.holding.get(path.name):
                    path.unlink()
        parts.holding = {name: slots for name, slots in parts.holding.items() if slots}
        parts.first = max((one.slot + 1 for one in parts._tables()), default=0)
        parts.written = max((int(Path(name).stem) + 1 for name in parts.holding), default=0)
        return parts

    @property
    def typed(self) -> Path:
        return self.folder / TYPED

    @property
    def held(self) -> Path:
        return self.folder / HELD

    def sources(
        self, number: int, path: Path, work: Path, within: str, joined: Mapping[str, str], read_as: str = ""
    ) -> list[SourceFile]:
        """The tables of a file as reading them found them, or opened; until `settle` they carry their numbers in the parts.

        A file is read again where what its records were joined with has changed.

        Parameters
        ----------
        number
            Of the first table in the run.
        joined
            As `_Known.joined`, of all hospitals.
        read_as
            What reading the file depends on beside its content.
        """
        known = self.known.get(_content(path, self.contents.get(path, ""), read_as))
        if known is None or any(joined.get(h, "") != told for one in known for h, told in one.joined.items()):
            tables = opening.open_tables(self.first + number, path, work, within)
        else:
            tables = [_source(one, path, within) for one in known]
            for position, (one, table) in enumerate(zip(known, tables, strict=True)):
                self.reused[number + position] = one
                if one.slot in self.slots:  # the same content once more: a repeat, whose rows nobody asks for
                    table.number = self.first + number + position
        for position, table in enumerate(tables):
            table.read_as = read_as
            self.slots[table.number] = number + position
        return tables

    def holds(self, source: SourceFile) -> bool:
        """Whether the rows of the table stand in a part already."""
        return self.slots[source.number] in self.reused

    def new_part(self, slots: Iterable[int]) -> str:
        """Name of the next part, which will hold rows of these files."""
        self.written, name = self.written + 1, f"{self.written:05d}.parquet"
        self.holding[name] = set(slots)
        return name

    def settle(
        self,
        sources: Sequence[SourceFile],
        repeated: Collection[int],
        ungrouped: Mapping[tuple[int, str], int],
        joined: Mapping[int, Mapping[str, str]],
    ) -> dict[str, int]:
        """Note what was read, give the sources their numbers in the run; returns why records have no DRG.

        Parameters
        ----------
        sources
            All of the run, in order, after the rows of each were read and before anything was held against another file.
        repeated
            Numbers in the run of those that were not read because another has the same content.
        ungrouped
            (number in the parts, reason) -> records.
        joined
            As `_Known.joined`, by number in the parts.
        """
        read: dict[str, list[_Known]] = {}
        for number, source in enumerate(sources):
            if number not in self.reused:
                read.setdefault(_content(source.path, source.sha256, source.read_as), []).append(
                    _Known(
                        slot=source.number,
                        parts=tuple(sorted(name for name, slots in self.holding.items() if source.number in slots)),
                        source=_plain(source),
                        ungrouped={reason: n for (slot, reason), n in ungrouped.items() if slot == source.number},
                        joined=joined.get(source.number, {}),
                    )
                )
        again = {_content(one.path, one.sha256, one.read_as) for one in (sources[number] for number in repeated)}
        # a file with a repeated table is read again: the other file may be gone by then
        self.known |= {content: tuple(tables) for content, tables in read.items() if content not in again}
        for number in repeated:
            self.slots.pop(sources[number].number, None)
        self._write()
        counted: Counter[str] = Counter()
        for one in self._tables():
            if one.slot in self.slots:
                counted.update(one.ungrouped)
        for number, source in enumerate(sources):
            source.number = number
        return dict(counted)

    def rows(self, connection: Engine, kind: str = TYPED) -> Table:
        """The rows of the run's files, one table; `file` is the number in the run."""
        table = connection.read_parquet(str(self.folder / kind / "*.parquet"))
        held = set().union(*self.holding.values()) if self.holding else set()
        if all(slot == self.slots.get(slot) for slot in held):
            return table
        numbers = pa.table(
            {"slot": pa.array(self.slots, pa.int32()), "of_run": pa.array(self.slots.values(), pa.int32())}
        )
        numbered = connection.create_table("file_numbers", numbers, overwrite=True)
        joined = table.inner_join(numbered, table.file == numbered.slot)
        return joined.mutate(file=joined.of_run).select(*table.columns)

    def prune(self, connection: Engine) -> None:
        """Remove the rows of files that the run does not have, and write down what is left."""
        self.known = {
            content: tables for content, tables in self.known.items() if any(one.slot in self.slots for one in tables)
        }
        for name, slots in list(self.holding.items()):
            left = slots & set(self.slots)
            if left == slots:
                continue
            for kind in (TYPED, HELD):
                path = self.folder / kind / name
                if left:
                    table = connection.read_parquet(str(path))
                    write_parquet(connection, table.filter(table.file.isin(sorted(left))), path.with_suffix(".new"))
                    path.with_suffix(".new").replace(path)
                else:
                    path.unlink()
            self.holding[name] = left
        self.holding = {name: slots for name, slots in self.holding.items() if slots}
        self._write()

    def _tables(self) -> list[_Known]:
        return [one for tables in self.known.values() for one in tables]

    def _write(self) -> None:
        if not self.made_with:
            return
        for name in self.holding:
            for kind in (TYPED, HELD):
                sync_file(self.folder / kind / name)
        identity = {"made_with": self.made_with}
        content = {
            "key": digest(canonical(identity)),
            "identity": identity,
            "parts": {name: self._marks(name) for name in self.holding},
            "files": {content: [asdict(one) for one in tables] for content, tables in self.known.items()},
        }
        write_atomically(self.folder / CATALOGUE, sealed(content))

    def _marks(self, name: str) -> list[list[int]] | None:
        """What any touch of a part changes; None where it is gone."""
        found = []
        for kind in (TYPED, HELD):
            path = self.folder / kind / name
            if not path.is_file():
                return None
            at = path.stat()
            found.append([at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino])
        return found


def slots_of(part: Part) -> set[int]:
    """The numbers of the files that a part of text rows holds rows of."""
    return {int(slot) for slot in np.unique(part.rows["file"].to_numpy())}


def _content(path: Path, sha256: str, read_as: str) -> str:
    """Equal for files that are read alike: by their first bytes, unless the name says that they are no data."""
    return sha256 + read_as + "~" * bool(left_behind(path.name)) if sha256 else ""


def _plain(source: SourceFile) -> dict[str, Any]:
    plain = {name: value for name, value in vars(source).items() if name not in OF_RUN}
    return plain | {
        "refused": [asdict(one) for one in source.refused],
        "numbers": {str(c): [cells.numbers, list(cells.too_long)] for c, cells in source.numbers.items()},
        "rounded": sorted(source.rounded),
    }


def _source(one: _Known, path: Path, within: str) -> SourceFile:
    given = dict(one.source)
    refused = [RefusedLine(**line) for line in given.pop("refused")]
    numbers = {int(c): NumericCells(n, tuple(lines)) for c, (n, lines) in given.pop("numbers").items()}
    rounded = frozenset(given.pop("rounded"))
    given["places"] = tuple((first, last) for first, last in given["places"])
    given |= {"refused": refused, "numbers": numbers, "rounded": rounded}
    return SourceFile(number=one.slot, path=path, within=within, **given)
