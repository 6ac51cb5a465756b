"""What a report was made from and what it consists of; without a manifest that verifies there is no report."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import stat
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from toolkit.catalogues import packages
from toolkit.documents import Document
from toolkit.resources import LOCK, PACKAGE, SHIPPED, home
from toolkit.running.inventory import Entry, Inventory, inside, inventory
from toolkit.running.notebook import file_hash
from toolkit.running.parameters import read_template, tags
from toolkit.running.publish import MANIFEST, RECORD, STATE, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
OURS = {MANIFEST, RECORD, STATE}
LARGEST = 64 * 2**20  # bytes of a manifest; that of a region's run has a tenth of one


@dataclass(frozen=True, kw_only=True)
class Software:
    """The code that makes reports: hashes of the package and the lock file, versions of what is installed."""

    code: str
    lock: str
    packages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything a report depends on. Two reports with equal identity have equal bytes.

    Parameters
    ----------
    template
        Hash of the cells' kind, source and tags: outputs, counts and ids change when JupyterLab saves.
    parameters, inputs
        Values by name; hashes by the shortest ends of the paths that tell them apart, so that the place does not count.
    renderers
        The function behind each published file.
    extra
        Further key material of the caller, e.g. the hash of a reference table.
    """

    template: str
    parameters: Document
    inputs: Mapping[str, str]
    software: Software
    renderers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> Document:
        return json.loads(canonical(asdict(self)))

    @property
    def key(self) -> str:
        return digest(canonical(asdict(self)))


def digest(content: bytes) -> str:
    """sha256 of bytes, as text."""
    return hashlib.sha256(content).hexdigest()


def template_hash(path: Path) -> str:
    """Hash of what a template says, blind to what JupyterLab changes when it saves."""
    cells = [
        {"cell_type": cell["cell_type"], "source": cell["source"], "tags": sorted(tags(cell))}
        for cell in read_template(path)["cells"]
    ]
    return digest(canonical(cells))


def input_names(paths: Iterable[Path]) -> dict[str, Path]:
    """Paths by their shortest ends that are different from each other."""
    paths = sorted({path.resolve() for path in paths})
    length = 1
    while len({path.parts[-length:] for path in paths}) < len(paths):
        length += 1
    return {"/".join(path.parts[-length:]): path for path in paths}


def code_files(root: Path = PACKAGE) -> dict[str, str]:
    """Every file of the package with its hash: rules, code lists, format maps, templates.

    Not what Python compiles, and not what a wheel brings beside the code: the same code has the same hashes, installed or not.
    """
    return {
        file.relative_to(root).as_posix(): file_hash(file)
        for file in sorted(root.rglob("*"))
        if file.is_file()
        and "__pycache__" not in file.parts
        and SHIPPED not in file.parents
        and not file.name.startswith(".")
    }


def code_hash(root: Path = PACKAGE) -> str:
    """One hash for all files of the package."""
    return digest("\n".join(f"{name} {content}" for name, content in code_files(root).items()).encode())


def installed(lock: Path) -> dict[str, str]:
    """Versions in use of Python and of the packages that the lock file names."""
    named = {
        re.sub(r"[-_.]+", "-", match).lower()
        for match in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text("utf-8"), re.MULTILINE)
    }
    versions = {"python": platform.python_version()}
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in named:
            versions[name] = distribution.version
    return versions


@cache
def software() -> Software:
    """The software of this process, read once: a run has one."""
    lock = home() / LOCK
    if not lock.exists():  # a package without its data still says which code it is
        return Software(code=code_hash(), lock="", packages={"python": platform.python_version()} | plugged_in())
    return Software(code=code_hash(), lock=file_hash(lock), packages=installed(lock) | plugged_in())


def plugged_in() -> dict[str, str]:
    """Other packages whose declarations take part in every run: version and, for their numbers depend on it, hash of the code."""
    return {
        name: f"{version} {(code_hash(place) if place.is_dir() else file_hash(place))[:16]}"
        for name, (version, place) in packages().items()
    }


def manifest_bytes(identity: Identity, files: Mapping[str, bytes]) -> bytes:
    """The manifest of a report with these files; its seal shows a change of the manifest itself."""
    return sealed(
        {
            "key": identity.key,
            "identity": identity.as_dict(),
            "files": {name: digest(content) for name, content in files.items()},
        }
    )


def sealed(content: Document) -> bytes:
    """A manifest's bytes: its content with the format's number and a hash over both."""
    whole = {"format": FORMAT, **content}
    return canonical({**whole, "seal": digest(canonical(whole))})


def unsealed(path: Path) -> Document | None:
    """The content of a sealed file, or None if it is absent, cut, of another format or changed by as much as one byte.

    A seal shows damage, not who made it: whoever changes a run can seal it anew. What a sealed file says has no known shape.
    """
    try:
        at = path.lstat()
        if not stat.S_ISREG(at.st_mode) or at.st_size > LARGEST:
            return None
        raw = path.read_bytes()
        content = json.loads(raw)
        seal = content.pop("seal")
        whole = raw == canonical({**content, "seal": seal}) and seal == digest(canonical(content))
        known = content["format"] == FORMAT and content["key"] == digest(canonical(content["identity"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return content if whole and known else None


def _contained(name: str) -> str:
    if not inside(name):
        raise ValueError("the name leads out of the folder")
    return name


Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, AfterValidator(_contained)]
Hashes = dict[Name, Hash]


class Shape(BaseModel):
    """What a manifest has to look like before a word of it is used."""

    model_config = ConfigDict(strict=True, extra="forbid")


class SoftwareShape(Shape):
    """As `Software`."""

    code: str
    lock: str
    packages: dict[str, str]


class _IdentityShape(Shape):
    template: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    software: SoftwareShape
    renderers: dict[str, str]
    extra: dict[str, str]


class _ReportShape(Shape):
    format: int
    key: Hash
    identity: _IdentityShape
    files: Hashes


def shaped(content: Document | None, shape: type[Shape]) -> Document | None:
    """The content where it has the shape, else None: a crafted manifest is no manifest."""
    try:
        TypeAdapter(shape).validate_python(content)
    except (ValidationError, RecursionError):
        return None
    return content


def read_manifest(folder: Path) -> Document | None:
    """The report's manifest, or None if it is absent, cut, crafted, or changed by as much as one byte."""
    return shaped(unsealed(folder / MANIFEST), _ReportShape)


def verify(folder: Path, identity: Identity | None = None) -> list[str]:
    """Differences between a report and its manifest, each naming the file; empty if the report is genuine.

    Parameters
    ----------
    folder
        The report's folder.
    identity
        If given, also what differs between what the report was made from and this: input, parameter, package, code.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return [f"{MANIFEST}: 缺失或被改动 missing or changed"]
    there = inventory(folder)
    differences = _changed_files(there, manifest)
    # what a killed run was about to write lies beside the report until the next start, and is no part of it
    foreign = sorted(
        name for name in there.entries.keys() - OURS - set(manifest["files"]) if not name.startswith(".tmp-")
    )
    differences += [f"{name}: 不属于报告 not part of the report" for name in (*foreign, *there.empty)]
    return differences + (compare(manifest["identity"], identity.as_dict()) if identity else [])


def _changed_files(there: Inventory, manifest: Document) -> list[str]:
    differences = []
    for name, recorded in sorted(manifest["files"].items()):
        if there.entries.get(name) is not Entry.FILE:
            differences.append(f"{name}: 缺失 missing")
        elif there.hash_of(name) != recorded:
            differences.append(f"{name}: 内容被改动 changed")
    return differences


LABELS = {
    "template": "模板 template",
    "parameters": "参数 parameter",
    "inputs": "输入 input",
    "renderers": "渲染 renderer",
    "extra": "附加 extra",
    "code": "程序 code",
    "lock": "锁定文件 lock file",
    "packages": "软件包 package",
}


def compare(recorded: Document, present: Document) -> list[str]:
    """What differs between two identities, one line each; hashes are only said to differ."""
    recorded, present = ({**one, **one["software"]} for one in (recorded, present))
    lines = []
    for part, label in LABELS.items():
        before, after = recorded[part], present[part]
        if not isinstance(before, dict):
            before, after = {"": before}, {"": after}
        for name in sorted(before.keys() | after.keys()):
            if name not in before or name not in after or before[name] != after[name]:
                shown = part in {"parameters", "packages", "renderers"}
                change = f" {before.get(name, '—')} → {after.get(name, '—')}" if shown else " 不同 differs"
                lines.append(f"{label} {name}:{change}" if name else f"{label}:{change}")
    return lines


def is_current(folder: Path, key: str) -> bool:
    """Whether the report there was made for `key` and every byte of it is as its manifest says."""
    manifest = read_manifest(folder)
    return manifest is not None and manifest["key"] == key and not _changed_files(inventory(folder), manifest)
