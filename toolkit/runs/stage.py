"""A stage of a run: what it heeds, what it makes, and the seal that tells whether what lies there is what it would make.

The key of a stage holds the parameters that it declares, the content of the files that they name, the code that it imports,
the versions of what is installed, and the keys of the stages before. A stage with the key of last time, whose files are all
as they were, is not made again. Nothing else than what its key holds is handed to it.

Its products lie in `stages/<id>/` below the run's folder, records in `data/`; `stages/<id>.json`, written last, is their seal.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from toolkit.declared import OTHER_VERSION, TableDecl
from toolkit.documents import Document, Entries
from toolkit.errors import ContractBroken, RunError
from toolkit.evaluation.results import load_tables, save_tables
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.params import RunParams
from toolkit.resources import resource
from toolkit.running.closure import closure
from toolkit.running.known_hashes import KnownHashes
from toolkit.running.manifest import digest, sealed, software, unsealed
from toolkit.running.notebook import file_hash
from toolkit.running.publish import (
    MANIFEST,
    PRIVATE,
    SIGNATURE,
    canonical,
    exchange,
    explained,
    fault_here,
    sync_directory,
    sync_file,
    write_atomically,
)
from toolkit.runs.asked import Asked, Made
from toolkit.runs.heeds import chosen, covers, narrowed
from toolkit.runs.sources import is_files, other_inputs, places, portable, raw_files
from toolkit.strict_yaml import Section

STAGES = "stages"  # folder of a run
OWN_EYES = (
    "data",
    STAGES,
)  # folders with records, or with what was summed from them: whatever the umask, the owner's alone
FACTS = "facts.json"
EVALUATION = "evaluation.json"  # seal of the tables of all stages together


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One step from records to reports.

    Attributes
    ----------
    heeds
        Dotted names of the parameters that it may read; files that these name are part of its key.
    unless
        Names below `heeds` that it may not read.
    derived
        What it depends on of further parameters: a function from all to JSON values, which it is given in their place.
    resources
        Files that are shipped with the toolkit beside the code, by their path in the checkout.
    beside
        Modules that it begins in, too, for some runs.
    records
        Whether it leaves records, in `data/`.
    every_table
        Whether it makes all tables once more, in another edition; else it makes those that are declared with its id. What it
        makes is kept for the next time and is no part of the run: a run that was signed stays signed when it is released.
    """

    id: str
    zh: str
    make: Callable[[Asked], Made]
    after: tuple[str, ...] = ()
    heeds: tuple[str, ...]
    unless: tuple[str, ...] = ()
    derived: Callable[[RunParams], Document] = lambda _: {}
    resources: tuple[str, ...] = ()
    beside: Callable[[RunParams], tuple[str, ...]] = lambda _: ()
    records: bool = False
    every_table: bool = False

    @property
    def code(self) -> tuple[str, ...]:
        """The modules that it begins in."""
        return (self.make.__module__,)

    @property
    def makes(self) -> tuple[TableDecl, ...]:
        """Its tables."""
        return tuple(one for one in TABLES if self.every_table or one.stage == self.id)

    @property
    def home(self) -> str:
        """The folder below the run's that holds the stage's, and its seal."""
        return f"{PRIVATE}/{STAGES}" if self.every_table else STAGES

    @property
    def seal(self) -> str:
        return f"{self.home}/{self.id}.json"

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders below the run's that it owns; its own last."""
        return (*(["data"] if self.records else []), f"{self.home}/{self.id}")

    def may_read(self, name: str) -> bool:
        """Whether a parameter, by its full name, is declared."""
        return any(covers(one, name) for one in self.heeds) and not any(
            name == one or name.startswith(f"{one}.") for one in self.unless
        )

    def seen(self, params: RunParams) -> RunParams:
        """The parameters as the stage is given them."""
        return narrowed(params, self.declared)

    @cached_property
    def declared(self) -> tuple[str, ...]:
        """`heeds` without what is in `unless`, as names that stand for themselves."""
        return tuple(_without(RunParams, "", self.heeds, self.unless))


def _without(section: type[Section], prefix: str, heeds: Sequence[str], unless: Sequence[str]) -> Iterator[str]:
    for name, value in section.model_fields.items():
        full = f"{prefix}{name}"
        if full in unless or not any(covers(one, full) for one in heeds):
            continue
        kind = value.annotation
        within = kind if isinstance(kind, type) and issubclass(kind, Section) else None
        whole = any(full == one or full.startswith(f"{one}.") for one in heeds)
        if whole and not any(one.startswith(f"{full}.") for one in unless):
            yield full
        elif within is not None:
            yield from _without(within, f"{full}.", heeds, unless)
        else:
            yield full


def identity_of(
    stage: Stage,
    params: RunParams,
    derived: Entries,
    before: Mapping[str, str],
    hashes: Callable[[Path], str],
    secret: str = "",
) -> Document:
    """Everything that the products of a stage depend on.

    Parameters
    ----------
    derived
        As from `Stage.derived`.
    before
        Id -> key of the stages that it comes after.
    hashes
        SHA-256 of a file.
    secret
        What tells one key of a run from another, of a stage that leaves records.
    """
    where = places(params)
    inputs = {name: path for name, path in where.items() if stage.may_read(name)}
    values = chosen(portable(params), stage.declared)
    made_with = software()
    return {
        "parameters": values,
        "derived": dict(derived),
        "raw": raw_files(inputs, hashes) if any(map(is_files, inputs)) else [],
        "inputs": other_inputs(inputs, hashes),
        "resources": {name: hashes(resource(name)) for name in stage.resources},
        "code": closure((*stage.code, *stage.beside(params))),
        "packages": dict(made_with.packages),
        "before": dict(before),
        **({"secret": secret} if stage.records else {}),
    }


def key_of(identity: Entries) -> str:
    """One hash for what a stage is made from."""
    return digest(canonical(identity))


# --- products -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Product:
    """What a stage has made, read when it is asked for."""

    stage: Stage
    folder: Path  # of the run
    memory: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        return self.folder / self.stage.home / self.stage.id

    def table(self, name: str) -> pd.DataFrame:
        """A declared table, or a frame for later stages.

        Raises
        ------
        RunError
            It cannot be read, or is not as declared.
        """
        if name not in self.memory:
            if name in TABLE:
                self.memory[name] = load_tables(self.place, [TABLE[name]])[name]
            else:
                self.memory[name] = self.columns(name)
        return self.memory[name]

    def columns(self, name: str, wanted: Sequence[str] | None = None) -> pd.DataFrame:
        """A frame for later stages, or some columns of it."""
        path = self.place / f"{name}.parquet"
        try:
            return pd.read_parquet(path, columns=None if wanted is None else list(wanted))
        except (OSError, ValueError) as error:
            raise RunError(
                f"中间结果 {path.name} 不能读取",
                f"{path.name} cannot be read: {type(error).__name__}",
                where=str(path),
                **OTHER_VERSION,
            ) from error

    def has(self, name: str) -> bool:
        """Whether the stage has made this frame."""
        return name in self.memory or (self.place / f"{name}.parquet").is_file()

    @cached_property
    def facts(self) -> Document:
        return json.loads((self.place / FACTS).read_text("utf-8"))


def files_of(folder: Path, parts: Sequence[str]) -> dict[str, Path]:
    """Every file of the parts by its path below the folder."""
    files = [path for part in parts for path in sorted((folder / part).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in files}


def read_seal(folder: Path, seal: str) -> Document | None:
    """What a stage was made from, or None where its seal is absent, cut or changed."""
    return unsealed(folder / seal)


def record_key(folder: Path) -> str:
    """Fingerprint of the key under which the records of a run were named, empty where it holds no records."""
    for seal in sorted((folder / STAGES).glob("*.json")):
        content = read_seal(folder, f"{STAGES}/{seal.name}")
        if content and content["identity"].get("secret"):
            return str(content["identity"]["secret"])
    return ""


def changed_files(
    folder: Path, parts: Sequence[str], told: Mapping[str, str], hashes: Callable[[Path], str]
) -> list[str]:
    """Files that are missing, added or not as the seal says."""
    there = files_of(folder, parts)
    changed = {name for name, path in there.items() if name in told and hashes(path) != told[name]}
    return sorted(changed | (set(there) ^ set(told)))


def stage_made(stage: Stage, made: Made, work: Path) -> Path:
    """Write what a stage gave into a folder to be published, `work/staged`; `data` of it is there already."""
    staged = work / "staged"
    place = staged / stage.home / stage.id
    place.mkdir(parents=True)
    if odd := sorted(set(made.tables) ^ {one.name for one in stage.makes}):
        raise ContractBroken(
            f"阶段 {stage.id} 的表与声明不符",
            f"stage {stage.id} makes other tables than declared",
            where="、".join(odd),
        )
    save_tables(made.tables, place)
    for name, frame in made.frames.items():
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        frame.to_parquet(place / f"{name}.parquet", index=False, compression="zstd")
    (place / FACTS).write_text(
        json.dumps(made.facts, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    return staged


def publish_parts(
    staged: Path,
    folder: Path,
    parts: Sequence[str],
    seal: str,
    identity: Entries,
    more: Mapping[str, str] | None = None,
) -> dict[Path, str]:
    """Put what was made in `staged` in the place of the run's, so that a death in between is seen at the next start.

    Parameters
    ----------
    staged
        Folder on the same file system.
    parts
        What is replaced, one after the other; what `staged` lacks is removed.
    more
        Hashes of files that stay where they are and belong to the same seal.

    Returns
    -------
    dict
        Hash by path of what lies there now.

    Raises
    ------
    ReportFailed
        The disk is full or the folder is closed.
    """
    with explained(folder):
        files = files_of(staged, parts)
        hashes = {name: file_hash(path) for name, path in files.items()}
        for path in files.values():
            sync_file(path)
        (folder / seal).parent.mkdir(parents=True, exist_ok=True)
        for part in {*parts, Path(seal).parent.as_posix()}:
            for one in (staged / part, folder / part):
                if part.partition("/")[0] in OWN_EYES and one.is_dir():
                    one.chmod(0o700)
        # from here until the new seal is whole, the run is unfinished: its manifest speaks of what was there before
        apart = all(part.partition("/")[0] == PRIVATE for part in parts)
        for name in (seal,) if apart else (MANIFEST, SIGNATURE, EVALUATION, seal):
            (folder / name).unlink(missing_ok=True)
        sync_directory(folder)
        fault_here("before tables")
        for part in parts:
            if (staged / part).is_dir():
                exchange(staged / part, folder / part)
            else:
                shutil.rmtree(folder / part, ignore_errors=True)
            fault_here(f"after {part}")
        sync_directory(folder)
        content = {"key": key_of(identity), "identity": dict(identity), "tables": {**(more or {}), **hashes}}
        write_atomically(folder / seal, sealed(content))
    return {folder / name: value for name, value in hashes.items()}


def linked(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def remembered(hashes: KnownHashes, folder: Path, told: Mapping[str, str]) -> None:
    """Take for known what a seal has just been found, or made, to say."""
    hashes.among({folder / name: value for name, value in told.items()})
