"""方案封存: what a cycle will be judged by, sealed at its start; and the proof at its end of what was changed since.

Sealed are the files (rule, targets, systems, parameters) with their content, so that a change is named by key and not only
seen, and the code by the hash of every file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.documents import Document, Plain
from toolkit.errors import InputError, ParameterError
from toolkit.programme.ledger import SEAL, Entry, Ledger
from toolkit.programme.tables import all_or_none
from toolkit.running.manifest import code_files, digest, sealed, software, unsealed
from toolkit.running.publish import canonical, write_atomically
from toolkit.strict_yaml import read_yaml

ROLES = {
    "rule": "判定规则",
    "targets": "目标",
    "system": "指标体系",
    "parameters": "参数",
    "selection": "遴选规则",
    "other": "其他",
}
YAML = (".yaml", ".yml")
SHOWN = 40  # characters of a value in a message


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is not as it was sealed: in which file, at which key or line, from what to what."""

    what: str
    where: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} {self.where}：封存时 {self.then}，现为 {self.now}"


def seal(files: Mapping[str, Path], out: Path, *, title: str = "", ledger: Ledger | None = None, **entered: str) -> str:
    """Seal files and code, and enter the seal in the ledger.

    Parameters
    ----------
    files
        Role (`ROLES`, or `other:name`) → file.
    out
        Where the protocol is written; one that is there is not overwritten.
    entered
        `role, who, why` of the ledger's entry.

    Returns
    -------
    str
        The protocol's key, which the ledger's entry holds.
    """
    if out.exists():
        raise ParameterError(
            "封存文件已存在",
            "a protocol is there",
            where=str(out),
            remedy="方案一经封存不改；改动须另封一份并在台账中写明理由",
            remedy_english="seal another one, and say why in the ledger",
        )
    identity: Document = {
        "title": title,
        "files": {role: _content(path) for role, path in sorted(files.items())},
        "code": code_files(),
        "lock": software().lock,
    }
    key = digest(canonical(identity))
    raw = sealed({"key": key, "identity": identity})
    names = {role: one["name"] for role, one in identity["files"].items()}
    with all_or_none(out):
        if ledger is None:
            write_atomically(out, raw)
            return key
        with ledger.entering() as enter:
            enter(kind=SEAL, content={"protocol": key, "files": names}, **entered)
            write_atomically(out, raw)
    return key


def _content(path: Path) -> Document:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"读不出 {path.name}: {error.strerror}",
            "a file to be sealed cannot be read",
            where=str(path),
            remedy="核对文件名",
            remedy_english="check its name",
        ) from None
    one: Document = {"name": path.name, "sha256": digest(raw)}
    if path.suffix.lower() in YAML:
        one["values"] = read_yaml(path)[0]
    elif path.suffix.lower() == ".csv":
        one["lines"] = raw.decode("utf-8-sig", errors="replace").splitlines()
    return one


def opened(path: Path) -> Document:
    """The content of a protocol.

    Raises
    ------
    InputError
        It is absent or not as it was written.
    """
    content = unsealed(path)
    if content is None or "files" not in content["identity"]:
        raise InputError(
            "封存文件缺失或被改动",
            "the protocol is absent or was changed",
            where=str(path),
            remedy="用封存时的原件；台账中记有它的编号",
            remedy_english="use the original; the ledger holds its key",
        )
    return content


def changes(protocol: Document, files: Mapping[str, Path], entries: list[Entry] | None = None) -> list[Change]:
    """What differs from what was sealed, file by file and key by key; empty where nothing does.

    Parameters
    ----------
    protocol
        As from `opened`.
    files
        Role → the file as it is now; a sealed role that is not given is said.
    entries
        Of the ledger: one must hold the protocol's key.
    """
    identity, found = protocol["identity"], list[Change]()
    for role in sorted(identity["files"].keys() | files.keys()):
        then, path = identity["files"].get(role), files.get(role)
        what = ROLES.get(role, role)
        if then is None:
            found.append(Change(what=what, where=path.name if path else "", then="未封存", now="使用"))
        elif path is None:
            found.append(Change(what=what, where=then["name"], then="封存", now="未给出，没有核对"))
        else:
            found += _of_file(what, then, _content(path))
    now = code_files()
    for name in sorted(identity["code"].keys() | now.keys()):
        if identity["code"].get(name) != now.get(name):
            found.append(
                Change(what="程序", where=name, then=_short(identity["code"].get(name)), now=_short(now.get(name)))
            )
    if identity["lock"] != software().lock:
        found.append(Change(what="软件包", where="requirements.lock", then="封存的版本", now="另一版本"))
    if entries is not None and not any(
        e.kind == SEAL and e.content.get("protocol") == protocol["key"] for e in entries
    ):
        found.append(Change(what="台账", where=protocol["key"][:16], then="记入", now="没有这一条"))
    return found


def _of_file(what: str, then: Document, now: Document) -> Iterator[Change]:
    if then["sha256"] == now["sha256"]:
        return
    told = list(_of_content(what, then, now))
    if not told:  # blanks or comments
        yield Change(what=what, where=now["name"], then="同样的内容", now="写法不同（空白、注释或编码）")
    yield from told


def _of_content(what: str, then: Document, now: Document) -> Iterator[Change]:
    if "values" in then and "values" in now:
        yield from _keys(what, "", then["values"], now["values"])
    elif "lines" in then and "lines" in now:
        for line in sorted(set(then["lines"]) - set(now["lines"])):
            yield Change(what=what, where=then["name"], then=_short(line), now="无此行")
        for line in sorted(set(now["lines"]) - set(then["lines"])):
            yield Change(what=what, where=now["name"], then="无此行", now=_short(line))
    else:
        yield Change(what=what, where=now["name"], then=_short(then["sha256"]), now=_short(now["sha256"]))


def _keys(what: str, where: str, then: Plain, now: Plain) -> Iterator[Change]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*then, *now]):
            yield from _keys(what, f"{where}.{key}".strip("."), then.get(key), now.get(key))
    elif isinstance(then, list) and isinstance(now, list):
        names = [_name(k, one) for k, one in enumerate(then)], [_name(k, one) for k, one in enumerate(now)]
        mine, other = dict(zip(names[0], then, strict=True)), dict(zip(names[1], now, strict=True))
        for name in dict.fromkeys([*mine, *other]):
            yield from _keys(what, f"{where}[{name}]", mine.get(name), other.get(name))
    elif then != now:
        yield Change(what=what, where=where, then=_short(then), now=_short(now))


def _name(place: int, one: Plain) -> str:
    return str(one["id"]) if isinstance(one, dict) and "id" in one else str(place + 1)


def _short(value: Plain) -> str:
    text = "无" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
