"""The manifest of a whole run: what its tables and reports were made from, and every file it consists of.

`manifest.json` holds contents only and is sealed; equal data, parameters and code give equal bytes wherever and whenever
they are run. Times, host, user and the places of files stand apart in `run.json`, which proves nothing.
"""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from toolkit.data.discharge.measures import MEASURES
from toolkit.data.quality import CATALOGUE as RULES
from toolkit.documents import Document, Entries
from toolkit.errors import RunError
from toolkit.indicators import CATALOGUE as INDICATORS
from toolkit.reporting.formats.fonts import FONT
from toolkit.resources import resource
from toolkit.running.inventory import Entry, inventory
from toolkit.running.manifest import (
    Hash,
    Hashes,
    Name,
    Shape,
    SoftwareShape,
    code_files,
    digest,
    read_manifest,
    sealed,
    shaped,
    template_hash,
    unsealed,
)
from toolkit.running.notebook import file_hash
from toolkit.running.publish import (
    LOCKS,
    MANIFEST,
    PRIVATE,
    RECORD,
    SIGNATURE,
    STATE,
    State,
    canonical,
    read_document,
    write_atomically,
)
from toolkit.runs.evaluated import read_evaluation
from toolkit.runs.sources import declaration_hashes, places
from toolkit.runs.stage import record_key

if TYPE_CHECKING:
    from toolkit.evaluation.results import Results
    from toolkit.params import RunParams
    from toolkit.running.report import Outcome

INDEX, HANDBOOK = "index.html", "handbook.html"
NOTEBOOKS = "notebooks"
ASIDE = frozenset({MANIFEST, SIGNATURE, RECORD, STATE})  # what a manifest cannot hold, and what proves nothing


class _Raw(Shape):
    name: str
    sha256: Hash


class _Report(Shape):
    manifest: Hash
    files: Hashes


class _Identity(Shape):
    parameters: dict[str, Any]
    raw: list[_Raw]
    inputs: dict[str, _Raw]
    software: SoftwareShape
    run: str
    edition: str
    disclosure: dict[str, Any] | None
    read: list[_Raw]
    declarations: dict[str, dict[str, str]]
    notebooks: dict[str, str]
    package: Hashes


class _RunShape(Shape):
    format: int
    key: Hash
    identity: _Identity
    evaluation: Hash
    tables: Hashes
    references: dict[str, dict[str, str]]
    pages: Hashes
    files: Hashes
    reports: dict[Name, _Report]
    unfinished: dict[Name, str]
    ledger: dict[str, Any] = Field(default_factory=dict)
    record_key: str  # fingerprint of the key of record pseudonyms


def sealed_head(folder: Path) -> Document:
    """`number` and `hash` of a ledger's last entry as a run's manifest holds them.

    Raises
    ------
    RunError
        There is no manifest, or no head in it.
    """
    content = read_run_manifest(folder)
    if content is None or "ledger" not in content:
        raise RunError(
            "运行清单中没有台账的末条",
            "no head of a ledger in the run's manifest",
            where=str(folder),
            remedy="用 speceval run … --ledger 封存",
            remedy_english="seal one by `speceval run … --ledger`",
        )
    return dict(content["ledger"])


def write_run_manifest(
    results: Results, folder: Path, outcomes: Sequence[Outcome], record: Entries, head: Entries | None = None
) -> Path:
    """Write `run.json`, then `manifest.json` of a run whose tables, reports and index page are in place.

    Parameters
    ----------
    record
        Of this run alone: seconds by step, workers, where the inputs lay.
    head
        `number` and `hash` of the last entry of the programme's ledger at that time.
    """
    evaluation = read_evaluation(folder)
    if evaluation is None:
        raise RunError(
            "结果表没有通过核对",
            "the tables do not verify",
            where=str(folder),
            remedy="加 --fresh 重新运行",
            remedy_english="run again with --fresh",
        )
    params = results.params
    identity = {
        **evaluation["identity"],
        # as used: with the specialties and projects that a synthetic region (合成数据) brings
        "parameters": params.model_dump(mode="json", exclude={"edition", "disclosure"}),
        "run": params.run,
        "edition": params.edition,
        "disclosure": params.disclosure.model_dump(mode="json") if params.edition == "release" else None,
        "read": _read_files(results),
        "declarations": {
            "rules": declaration_hashes(RULES.values()),
            "indicators": declaration_hashes(INDICATORS.values()),
            "measures": declaration_hashes(MEASURES),
        },
        "notebooks": {path.stem: template_hash(path) for path in sorted(resource(NOTEBOOKS).glob("*.ipynb"))},
        "package": code_files(),
    }
    content = {
        "key": digest(canonical(identity)),
        "identity": identity,
        "evaluation": evaluation["key"],
        "tables": {name: content for name, content in evaluation["tables"].items() if name.startswith("results/")},
        "references": results.facts.references,
        "pages": {name: file_hash(folder / name) for name in (INDEX, HANDBOOK, FONT)},
        "reports": {o.id: _report(folder / o.id) for o in outcomes if o.exists},
        "unfinished": {o.id: o.reason for o in outcomes if not o.exists},
        **({"ledger": dict(head)} if head else {}),
        "record_key": record_key(folder),
    }
    content["files"] = _other_files(folder, content)
    about = {**who_and_when(), **record}
    if params.edition == "release":
        about = {name: value for name, value in about.items() if name not in OURS_ALONE}
    write_atomically(folder / RECORD, canonical(about))
    written = sealed(content)
    if not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_bytes() != written:
        (folder / SIGNATURE).unlink(missing_ok=True)  # somebody signed another run than this
        write_atomically(folder / MANIFEST, written)
    return folder / MANIFEST


OURS_ALONE = frozenset(
    {"host", "user", "pid", "places", "message", "folder"}
)  # of no concern to whom a release is given


def leave_nothing_of_ours(folder: Path) -> None:
    """Take hosts, users, processes and paths out of what says when the reports of a release were made."""
    for path in (folder / STATE, *folder.glob(f"*/{STATE}"), *folder.glob(f"*/{RECORD}")):
        said = read_document(path)
        if OURS_ALONE & said.keys():
            write_atomically(path, canonical({k: v for k, v in said.items() if k not in OURS_ALONE}))


def _other_files(folder: Path, content: Entries) -> dict[str, str]:
    """Everything else that the run has written: records, worklists, stages and the seals between."""
    there = inventory(folder)
    told = {*content["tables"], *content["pages"], *ASIDE}
    apart = (PRIVATE, LOCKS, *content["reports"], *content["unfinished"])
    return {
        name: there.hash_of(name) or ""
        for name, entry in sorted(there.entries.items())
        if entry is Entry.FILE and name not in told and name.partition("/")[0] not in apart and not leftover(name)
    }


def leftover(name: str) -> bool:
    """Whether a file is what a killed process was about to write, which the next start removes."""
    return any(part.startswith((".tmp-", ".making-", ".old-", ".work-")) for part in name.split("/"))


def _read_files(results: Results) -> list[Document]:
    """Raw files as they were when they were read; of a synthetic region, which is gone, the only trace."""
    files = results.files[["name", "sha256"]].sort_values(["sha256", "name"])
    return [{str(k): v for k, v in row.items()} for row in files.to_dict("records")]


def _report(folder: Path) -> Document:
    manifest = read_manifest(folder) or {}
    return {"manifest": file_hash(folder / MANIFEST), "files": manifest.get("files", {})}


def who_and_when() -> Document:
    """What is no part of any identity."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = ""
    return {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "host": socket.gethostname(), "user": user}


def read_run_manifest(folder: Path) -> Document | None:
    """The manifest of a run, or None if absent, cut, crafted, changed, or that of a single report."""
    return shaped(unsealed(folder / MANIFEST), _RunShape)


def code_of(folder: Path) -> dict[str, str]:
    """The files of the package that a run was last finished with, and their hashes; nothing where it is not finished."""
    content = read_run_manifest(folder)
    return dict(content["identity"]["package"]) if content else {}


def read_record(folder: Path) -> Document:
    """`run.json` of a run, or nothing."""
    return read_document(folder / RECORD)


def record_of(params: RunParams, seconds: Mapping[str, float], workers: int) -> Document:
    """What a run notes down about itself."""
    return {"places": places(params), "workers": workers, "seconds": {k: round(v, 3) for k, v in seconds.items()}}


def finished(folder: Path) -> tuple[State, str]:
    """The state that a run's manifest entitles it to, with the reason where it is not DONE."""
    manifest = read_run_manifest(folder)
    if manifest is None:
        return State.PREPARED, "只有结果表"
    missing = len(manifest["unfinished"])
    return (State.FAILED, f"{missing} 份报告未完成") if missing else (State.DONE, "")
