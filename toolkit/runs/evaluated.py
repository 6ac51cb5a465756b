"""The tables of a run as one piece of work: published whole, believed only while they verify, made again otherwise.

`evaluation.json` beside them is to the tables what `manifest.json` is to a report: it holds what they were made from and
the hash of every file, and it is written last. Tables without it do not count.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.running.manifest import digest, sealed, unsealed
from toolkit.running.notebook import file_hash
from toolkit.running.publish import (
    MANIFEST,
    beside,
    canonical,
    exchange,
    explained,
    fault_here,
    sync_directory,
    write_atomically,
)

EVALUATION = "evaluation.json"
PARTS = ("data", "results")  # records and tables; the tables last, for they are what notebooks open


def publish_tables(staged: Path, folder: Path, identity: Mapping[str, Any]) -> None:
    """Put the tables made in `staged` in the place of the run's, so that a death in between is seen at the next start.

    Parameters
    ----------
    staged
        Folder on the same file system with the new `results` and, in the internal edition, `data`.
    identity
        What they were made from (`toolkit.runs.sources.identity_of`).

    Raises
    ------
    ReportFailed
        The disk is full or the folder is closed.
    """
    with explained(folder):
        hashes = table_hashes(staged)
        for name in hashes:
            _sync(staged / name)
        # from here until the new evaluation is whole, the run is unfinished: its manifest speaks of the old tables
        for name in (MANIFEST, EVALUATION):
            (folder / name).unlink(missing_ok=True)
        sync_directory(folder)
        fault_here("before tables")
        for part in PARTS:
            if (staged / part).is_dir():
                exchange(staged / part, folder / part)
            else:
                shutil.rmtree(folder / part, ignore_errors=True)
            fault_here(f"after {part}")
        sync_directory(folder)
        content = {"key": evaluation_key(identity), "identity": dict(identity), "tables": hashes}
        write_atomically(folder / EVALUATION, sealed(content))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def table_hashes(folder: Path) -> dict[str, str]:
    """Hash of every file of tables and records, by path below the run's folder."""
    files = [path for part in PARTS for path in sorted((folder / part).rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def evaluation_key(identity: Mapping[str, Any]) -> str:
    """One hash for what tables are made from."""
    return digest(canonical(identity))


def read_evaluation(folder: Path) -> dict[str, Any] | None:
    """What the run's tables were made from, or None where that is absent, cut or changed."""
    return unsealed(folder / EVALUATION)


def is_evaluated(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Whether the tables there were made from `identity` and every byte of them is as it was."""
    found = read_evaluation(folder)
    return found is not None and found["key"] == evaluation_key(identity) and found["tables"] == table_hashes(folder)


def staging(folder: Path) -> Path:
    """A new folder inside the run for tables in the making, after what a killed run left has been removed."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in (*folder.glob(".making-*"), *folder.glob(".old-*"), *folder.glob(".tmp-*")):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        made = folder / beside(folder / "tables", "making").name
        made.mkdir(mode=0o700)
    return made
