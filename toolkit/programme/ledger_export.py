"""The ledger for readers: opened for a command, its entries and states as tables, files to hand on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from toolkit.errors import InputError, ParameterError
from toolkit.programme.decision import Outcome
from toolkit.programme.ledger import CLASSES, CORRECTION, DECISION, KINDS, STATE, STATEMENT, Enter, Entry, Head, Ledger
from toolkit.programme.states import States, states
from toolkit.programme.tables import all_or_none, write_table, write_tables
from toolkit.running.manifest import FORMAT
from toolkit.running.publish import canonical, write_atomically


@contextmanager
def opened(where: str, table: Path | None = None, *, new: bool = False) -> Iterator[Ledger]:
    """A ledger for the time of one command.

    Parameters
    ----------
    where
        A file, or the address of a database.
    new
        Whether a file that is not there is begun; a ledger to be read must be there.
    """
    if "://" not in where and not new and not Path(where).is_file():
        raise InputError(
            "没有这个台账",
            "no such ledger",
            where=where,
            remedy="核对文件名；新台账由 speceval ledger add 建立",
            remedy_english="check the name; `speceval ledger add` begins one",
        )
    one = Ledger(where, states(table) if table else None)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def entering(where: str, *files: Path) -> Iterator[Enter]:
    """Entries and the files that they speak of, together or none of them; without a ledger the files alone."""
    with all_or_none(*files):
        if not where:
            yield _nowhere
            return
        with opened(where, new=True) as book, book.entering() as enter:
            yield enter


def _nowhere(**_entry: object) -> None:
    """No ledger, no entry."""


def head_of(text: str) -> Head:
    """A head as it is noted: `number:hash`."""
    number, _, hash_ = text.partition(":")
    if not number.isdigit() or len(hash_) != 64:
        raise ParameterError(
            "--head 须为 条目号:64 位哈希",
            "a head is number:hash",
            where="--head",
            remedy="照 speceval ledger verify 打印的写",
            remedy_english="as `speceval ledger verify` prints it",
        )
    return Head(number=int(number), hash=hash_)


def entries_table(entries: Sequence[Entry], table: States) -> pd.DataFrame:
    """One row an entry: `number, at, who, role_zh, kind_zh, project, what, why, content, hash`."""
    rows = [
        {
            "number": e.number,
            "at": e.at,
            "who": e.who,
            "role_zh": table.roles.get(e.role, e.role),
            "kind_zh": KINDS.get(e.kind, e.kind),
            "project": e.project,
            "what": _what(e, table),
            "why": e.why,
            "content": json.dumps(e.content, ensure_ascii=False, sort_keys=True),
            "hash": e.hash,
        }
        for e in entries
    ]
    columns = ["number", "at", "who", "role_zh", "kind_zh", "project", "what", "why", "content", "hash"]
    return pd.DataFrame(rows, columns=columns)


def _what(entry: Entry, table: States) -> str:
    if entry.kind == STATE:
        return f"→ {table.title(str(entry.content.get('to', '')))}"
    if entry.kind == STATEMENT:
        return CLASSES.get(str(entry.content.get("class", "")), "")
    if entry.kind == DECISION and (outcome := str(entry.content.get("outcome", ""))):
        return Outcome(outcome).zh if outcome in set(Outcome) else outcome
    return f"更正第 {entry.content.get('corrects')} 条" if entry.kind == CORRECTION else ""


def told(entry: Entry, table: States) -> str:
    """One entry as a line."""
    said = "，".join(part for part in (_what(entry, table), entry.why) if part)
    role, kind = table.roles.get(entry.role, entry.role), KINDS.get(entry.kind, entry.kind)
    return f"{entry.number:>5}  {_when(entry)}  {entry.who}（{role}）  {kind}  {entry.project}  {said}"


def _when(entry: Entry) -> str:
    return entry.at[:19]  # noqa: PD008  a field of an entry, not pandas' accessor


def projects_table(ledger: Ledger, entries: Sequence[Entry]) -> pd.DataFrame:
    """One row a project: `project, state, state_zh, entries, last`; the programme's own entries stand under ""."""
    rows = []
    for project in dict.fromkeys(e.project for e in entries):
        own = [e for e in entries if e.project == project]
        state = ledger.state_of(project) if project else ""
        rows.append(
            {
                "project": project,
                "state": state,
                "state_zh": ledger.states.title(state) if project else "—",
                "entries": len(own),
                "last": _when(own[-1]),
            }
        )
    return pd.DataFrame(rows, columns=["project", "state", "state_zh", "entries", "last"])


def export_to(path: Path, entries: Sequence[Entry], rows: pd.DataFrame, projects: pd.DataFrame, head: Head) -> None:
    """Write entries (and states) as csv, xlsx or json."""
    kind = path.suffix.lower()
    if kind == ".json":
        write_atomically(
            path, canonical({"format": FORMAT, "entries": [asdict(e) for e in entries], "head": asdict(head)})
        )
    elif kind == ".xlsx":
        write_tables({"台账": rows, "项目状态": projects}, path)
    elif kind == ".csv":
        write_table(rows, path)
    else:
        raise ParameterError(
            "导出须为 .csv、.xlsx 或 .json",
            "unknown kind of file",
            where=str(path),
            remedy="换一个扩展名",
            remedy_english="choose one of these endings",
        )
