"""Was this report made from that data? Every file of a run against its manifest, differences named one by one.

A run that somebody else hands over is hostile: what lies in it is hashed and compared, never executed, imported, followed out of
its folder or written to. Where anything in it is not a plain file, nothing else of it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from toolkit.documents import Document, Entries
from toolkit.errors import InputError, NotAllChecked, RunError
from toolkit.params import RunParams
from toolkit.resources import resource
from toolkit.running.installed import changed_packages
from toolkit.running.inventory import Inventory, inventory
from toolkit.running.manifest import (
    LARGEST,
    Hash,
    Hashes,
    Shape,
    code_files,
    read_manifest,
    shaped,
    software,
    template_hash,
)
from toolkit.running.manifest import verify as verify_report
from toolkit.running.publish import LOCKS, MANIFEST, PRIVATE, RECORD, SIGNATURE, STATE, State, read_state
from toolkit.running.signatures import Signer, Verifier, sign, signed
from toolkit.runs.comparison import compare_runs, compare_tables
from toolkit.runs.differences import ABSENT, CONTENT, Difference, Kind, difference, values_that_differ
from toolkit.runs.run_manifest import ASIDE, INDEX, NOTEBOOKS, leftover, read_run_manifest
from toolkit.runs.sources import other_inputs, places, portable, raw_files, without_file_names
from toolkit.runs.stage import EVALUATION, STAGES, read_seal

PARAMETERS = "results/parameters.json"
MISSING = "缺失 missing"
FILLED_IN = ("specialties", "projects", "price_index")  # a synthetic region brings its own where none are declared


class Verdict(Enum):
    """What a verification comes to; the value is the exit code."""

    VERIFIED = 0
    DIFFERS = RunError.exit_code
    INCOMPLETE = NotAllChecked.exit_code


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a verification found: differences in the order of checking, what could not be checked, files that were."""

    differences: tuple[Difference, ...]
    unchecked: tuple[str, ...]
    files: int

    @property
    def verdict(self) -> Verdict:
        return Verdict.DIFFERS if self.differences else Verdict.INCOMPLETE if self.unchecked else Verdict.VERIFIED


def verify_run(
    folder: Path, params: RunParams | None = None, *, key: Verifier | None = None, packages: bool = False
) -> Checked:
    """Recompute every hash of a run.

    Parameters
    ----------
    folder
        Of a run, or of a single report.
    params
        The parameters to hold the run against, with the places of the raw files. Without them the run's own are held
        against its manifest, and raw files are not checked.
    key
        Whose signature the run must carry.
    packages
        Also whether every installed package is as its wheel brought it.

    Raises
    ------
    RunError
        Neither a run nor a report lies there.
    """
    if not folder.is_dir():
        raise RunError(
            f"没有文件夹 {folder.name}",
            "no such folder",
            where=str(folder),
            remedy="给出 reports/ 下的运行文件夹",
            remedy_english="name a run's folder under reports/",
        )
    there = inventory(folder)
    if strange := tuple(difference(Kind.FILE, name, "普通文件 file", what) for name, what in there.strange.items()):
        return Checked(differences=strange, unchecked=("其余文件 all other files",), files=0)
    manifest = read_run_manifest(folder)
    if manifest is None and read_manifest(folder) is not None:
        told = tuple(difference(Kind.REPORT, line, "一致 same", "不同 differs") for line in verify_report(folder))
        unchecked = ("原始数据：这是一份报告，不是一次运行 raw files: this is a report, not a run",)
        return Checked(differences=told, unchecked=unchecked, files=len(there.entries))
    if manifest is None:
        return Checked(differences=(_no_manifest(folder, there),), unchecked=(), files=0)
    missing: list[str] = []
    found = [
        *_signature(there, key, missing),
        *_parameters(there, manifest, params),
        *_tables(there, manifest),
        *_stages(there),
        *_reports(there, manifest),
        *_files(there, manifest),
        *_raw(manifest, params, missing),
        *_software(manifest),
        *(_packages() if packages else ()),
    ]
    return Checked(differences=tuple(_once(found)), unchecked=tuple(missing), files=len(there.entries))


def verify_file(path: Path, key: Verifier | None) -> Checked:
    """Whether one file carries the signature of a key; without a key there is nothing to hold it against."""
    if key is None:
        return Checked(differences=(), unchecked=(f"{path.name}：用 --key 给出公钥 give a public key",), files=1)
    if signed(path, key):
        return Checked(differences=(), unchecked=(), files=1)
    name = f"{path.name}.sig"
    now = "签名不符 not this key's signature" if path.with_name(name).exists() else "没有签名 not signed"
    return Checked(
        differences=(difference(Kind.SIGNATURE, name, f"公钥 key {key.fingerprint}", now),), unchecked=(), files=1
    )


def sign_run(path: Path, signer: Signer) -> Path:
    """Sign the manifest of a run that verifies, or any file; returns where the signature lies.

    Raises
    ------
    RunError
        The run is not finished, or something in it is not as its manifest says: nobody is to sign that.
    """
    if path.is_file():
        return sign(path, signer)
    wrong = [one for one in verify_run(path).differences if one.kind in CONTENT]
    if wrong:
        raise RunError(
            f"运行没有通过核对，不签名：{wrong[0]}",
            "the run does not verify and is not signed",
            where=str(path),
            remedy="重新运行后再签名",
            remedy_english="run again, then sign",
        )
    return sign(path / MANIFEST, signer)


def _once(found: list[Difference]) -> Iterator[Difference]:
    """Each file once, as it was named first."""
    told: set[str] = set()
    for one in found:
        if one.where not in told or one.kind is Kind.PARAMETER:
            told.add(one.where)
            yield one


def _no_manifest(folder: Path, there: Inventory) -> Difference:
    state = read_state(folder) if STATE in there.entries else {}
    if state.get("state") in {State.PREPARED, State.RUNNING, State.FAILED}:
        why = f"{state['state']} {state.get('reason', '')}".strip()
        return difference(Kind.RUN, folder.name, State.DONE, why)
    now = "被改动，或不是一次运行的清单 changed, or not that of a run" if MANIFEST in there.entries else MISSING
    return difference(Kind.MANIFEST, MANIFEST, "完整 whole", now)


def _signature(there: Inventory, key: Verifier | None, missing: list[str]) -> Iterator[Difference]:
    if key is None:
        if SIGNATURE in there.entries:
            missing.append(f"{SIGNATURE}：用 --key 给出签名人的公钥 give the signer's public key by --key")
        return
    if SIGNATURE not in there.entries:
        yield difference(Kind.SIGNATURE, SIGNATURE, f"公钥 key {key.fingerprint}", "没有签名 not signed")
    elif not signed(there.folder / MANIFEST, key):
        yield difference(Kind.SIGNATURE, SIGNATURE, f"公钥 key {key.fingerprint}", "签名不符 not this key's signature")


def _file(kind: Kind, there: Inventory, name: str, expected: str) -> Iterator[Difference]:
    now = there.hash_of(name)
    if now != expected:
        yield difference(kind, name, expected, now or MISSING)


def _parameters(there: Inventory, manifest: Entries, params: RunParams | None) -> Iterator[Difference]:
    """The first parameter that differs, by name: a hash would not say which."""
    recorded = manifest["identity"]["parameters"]
    path = there.folder / PARAMETERS
    try:
        given: Document = json.loads(path.read_text("utf-8")) if path.stat().st_size <= LARGEST else {}
        if isinstance(given, dict):
            yield from values_that_differ("", recorded, {k: v for k, v in given.items() if k in recorded})
    except (OSError, ValueError, RecursionError):
        pass  # told with the tables
    if params is not None:
        released = manifest["identity"]["edition"] == "release"
        named = portable(params)
        asked = (without_file_names(named) if released else named).model_dump(mode="json")
        filled_in = {name for name in FILLED_IN if asked["data"]["synthetic"] and not asked[name]}
        skipped = filled_in | ({"notes"} if released else set())  # the release edition begins with a note of its own
        yield from values_that_differ(
            "", recorded, {k: v for k, v in asked.items() if k in recorded and k not in skipped}
        )
        if released:
            yield from values_that_differ("disclosure", manifest["identity"]["disclosure"], asked["disclosure"])


def _tables(there: Inventory, manifest: Entries) -> Iterator[Difference]:
    evaluation = _sealed(there.folder, EVALUATION)
    of_run = {**(evaluation or {"tables": {}})["tables"], **manifest["tables"]}
    for name, expected in sorted(of_run.items(), reverse=True):  # tables before records
        yield from _file(Kind.TABLE, there, name, expected)
    for name in there.below("data", "results"):
        if name not in of_run:
            yield difference(Kind.TABLE, name, "不存在 absent", "多出 not of this run")
    if evaluation is None or evaluation["key"] != manifest["evaluation"]:
        found = "被改动 changed" if evaluation is None else evaluation["key"]
        yield difference(Kind.MANIFEST, EVALUATION, manifest["evaluation"], found)


class _Seal(Shape):
    format: int
    key: Hash
    identity: dict[str, object]
    tables: Hashes


def _sealed(folder: Path, seal: str) -> Document | None:
    return shaped(read_seal(folder, seal), _Seal)


def _stages(there: Inventory) -> Iterator[Difference]:
    """What lies between records and tables: a run goes on from it."""
    for seal in there.below(STAGES):
        if seal.count("/") > 1 or not seal.endswith(".json"):
            continue
        part = seal.removesuffix(".json")
        content = _sealed(there.folder, seal)
        if content is None:
            yield difference(Kind.MANIFEST, seal, "完整 whole", "被改动 changed")
            continue
        told = {name: value for name, value in content["tables"].items() if name.startswith(f"{part}/")}
        for name, expected in told.items():
            yield from _file(Kind.STAGE, there, name, expected)
        for name in there.below(part):
            if name not in told:
                yield difference(Kind.STAGE, name, "不存在 absent", "多出 not of this stage")


def _reports(there: Inventory, manifest: Entries) -> Iterator[Difference]:
    for name, expected in manifest["pages"].items():
        yield from _file(Kind.PAGE, there, name, expected)
    for id_, report in manifest["reports"].items():
        for name, expected in report["files"].items():
            yield from _file(Kind.REPORT, there, f"{id_}/{name}", expected)
        yield from _file(Kind.REPORT, there, f"{id_}/{MANIFEST}", report["manifest"])
        known = {f"{id_}/{name}" for name in (*report["files"], MANIFEST, RECORD, STATE)}
        for name in there.below(id_):
            if name not in known:
                yield difference(Kind.REPORT, name, "不存在 absent", "多出 not of this report")
    for id_, reason in manifest["unfinished"].items():
        yield difference(Kind.REPORT, id_, "完成 finished", f"未完成 unfinished: {reason}")


def _files(there: Inventory, manifest: Entries) -> Iterator[Difference]:
    """Every file that is left: worklists, seals, and what nobody has declared."""
    for name, expected in manifest["files"].items():
        yield from _file(Kind.FILE, there, name, expected)
    known = {*manifest["files"], *manifest["tables"], *manifest["pages"], *ASIDE}
    apart = {PRIVATE, LOCKS, *manifest["reports"], *manifest["unfinished"]}
    for name in sorted(there.entries):
        first = name.partition("/")[0]
        if name in known or (first in apart and first != name):
            continue
        if leftover(name):
            yield difference(
                Kind.FILE,
                name,
                "不存在 absent",
                "中断的进程留下，下次运行时移除 left by a kill, the next run removes it",
            )
        elif name.endswith(f"/{MANIFEST}"):
            yield difference(Kind.REPORT, first, "不存在 absent", "不属于本次运行 not of this run")
        else:
            yield difference(Kind.FILE, name, "不存在 absent", "多出，不属于本次运行 not of this run")
    for name in there.empty:
        if name.partition("/")[0] not in apart:
            yield difference(Kind.FILE, f"{name}/", "不存在 absent", "多出的文件夹 a folder that is not of this run")


def _raw(manifest: Entries, params: RunParams | None, missing: list[str]) -> Iterator[Difference]:
    identity = manifest["identity"]
    if not identity["raw"] and not identity["inputs"]:
        return
    where = places(params) if params is not None else {}
    try:
        now = raw_files(where) if where else []
    except (OSError, InputError):
        now = []
    if not now and identity["raw"]:
        missing.append(
            "原始数据；用 --params 给出您的参数文件，指明它们在哪里（运行文件夹里写的路径不会去读） "
            "raw files: say where they lie by --params, your own parameter file; no path that stands in the run is followed"
        )
    elif now:
        yield from _raw_files(identity["raw"], now)
    others = other_inputs(where)
    for name, expected in identity["inputs"].items():
        found = others.get(name)
        if found is None:
            missing.append(f"{name} {expected['name']}：参数没有指明 not named by the parameters")
        elif found["sha256"] != expected["sha256"]:
            yield difference(Kind.INPUT, f"{name} {expected['name']}", expected["sha256"], found["sha256"])


def _raw_files(expected: list[Document], found: list[Document]) -> Iterator[Difference]:
    """Raw files by content: one that was only renamed is the same."""
    then, now = {row["sha256"]: row["name"] for row in expected}, {row["sha256"]: row["name"] for row in found}
    gone = sorted((name, content) for content, name in then.items() if content not in now)
    new = {name: content for content, name in now.items() if content not in then}
    for name, content in gone:
        yield difference(Kind.RAW_FILE, name, content, new.pop(name, MISSING))
    for name, content in sorted(new.items()):
        yield difference(Kind.RAW_FILE, name, "不存在 absent", content)


def _software(manifest: Entries) -> Iterator[Difference]:
    identity, present = manifest["identity"], software()
    yield from _named(Kind.CODE, identity["package"], code_files())
    now = {path.stem: template_hash(path) for path in sorted(resource(NOTEBOOKS).glob("*.ipynb"))}
    yield from _named(Kind.TEMPLATE, identity["notebooks"], now)
    recorded = identity["software"]
    yield from _named(Kind.PACKAGE, recorded["packages"], present.packages)
    if recorded["lock"] != present.lock:
        yield difference(Kind.LOCK_FILE, "requirements.lock", recorded["lock"], present.lock)


def _packages() -> Iterator[Difference]:
    for name, wrong in changed_packages(software().packages).items():
        yield difference(Kind.PACKAGE, f"{name} {wrong}", "同安装时 as installed", "被改动 changed")


def _named(kind: Kind, expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield difference(kind, name, expected.get(name, ABSENT), found.get(name, ABSENT))


__all__ = ["CONTENT", "INDEX", "Checked", "Difference", "Verdict", "compare_runs", "compare_tables", "verify_run"]
