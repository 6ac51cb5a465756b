"""台账: what was done with each project, by whom, when and why. Append-only: each entry holds the hash of the one before.

A correction is a new entry that names the old. The database itself refuses to change or delete a row (triggers); whoever
gets round that breaks the chain, which `verify` shows. A SQLite file serves one place; PostgreSQL, by its address, several
writers at once.
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, create_engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError

from toolkit.documents import Entries, Plain
from toolkit.errors import EvaluationError, InputError
from toolkit.programme.states import BEGIN, States, states

FIRST = "0" * 64  # what the first entry holds in place of a hash before it
PATIENCE = 30.0  # seconds that a writer waits for another
CLOCK_TOLERANCE = timedelta(seconds=5)  # clocks of two machines need not agree better
STATE, STATEMENT, CORRECTION, SEAL = "state", "statement", "correction", "seal"
DECISION, NOTE = "decision", "note"
KINDS = {STATE: "状态变更", STATEMENT: "机构说明", CORRECTION: "更正", SEAL: "封存", DECISION: "判定", NOTE: "记录"}
CLASSES = {
    "data_error": "数据填报错误",
    "case_mix": "病例特殊",
    "clinical": "医疗原因",
    "organisation": "机构或人员变动",
    "other": "其他",
}

_DATA = MetaData()
ENTRIES = Table(
    "ledger_entries",
    _DATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("hash", Text, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry.

    Attributes
    ----------
    number
        1, 2, 3 …, without a gap.
    at
        UTC, ISO 8601, to the microsecond; never before the entry before.
    who, role
        The person and in what office.
    kind
        One of `KINDS`.
    project
        Id of the project (its report's); empty for what concerns the programme.
    why
        In words.
    content
        What was decided or said, as JSON values; no patient.
    before, hash
        SHA-256 of the entry before, and of this one with it.
    """

    number: int
    at: str
    who: str
    role: str
    kind: str
    project: str
    why: str
    content: Entries = field(default_factory=dict)
    before: str
    hash: str = ""

    def hashed(self) -> str:
        """What `hash` must be."""
        told = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(_json(told).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where the ledger stands: number and hash of its last entry."""

    number: int
    hash: str


class Enter(Protocol):
    """What writes one entry among several; arguments as of `Ledger.append`."""

    def __call__(
        self, *, kind: str, who: str = "", role: str, project: str = "", why: str = "", content: Entries | None = None
    ) -> Entry | None: ...


class Ledger:
    """A ledger that is open.

    Parameters
    ----------
    where
        A file (SQLite), or the address of a database, e.g. `postgresql+psycopg://…`.
    table
        Which state follows which; the shipped table where none is given.
    """

    def __init__(self, where: Path | str, table: States | None = None) -> None:
        self.where = str(where)
        self.states = table or states()
        address = self.where if "://" in self.where else f"sqlite:///{Path(self.where).resolve()}"
        with _explained(self.where):
            self._engine = create_engine(
                address, **({} if "://" in self.where else {"connect_args": {"timeout": PATIENCE}})
            )
            _begin_at_once(self._engine)
            self._prepare()

    def append(
        self,
        *,
        kind: str,
        who: str = "",
        role: str,
        project: str = "",
        why: str = "",
        content: Entries | None = None,
        at: datetime | None = None,
    ) -> Entry:
        """Write one entry, or nothing.

        Raises
        ------
        EvaluationError
            The table of states does not allow it, a correction names no entry, the clock stands before the last entry.
        InputError
            The database cannot be written.
        """
        with self._writing() as connection:
            return self._enter(
                connection, kind=kind, who=who, role=role, project=project, why=why, content=content, at=at
            )

    @contextmanager
    def entering(self) -> Iterator[Enter]:
        """Several entries together, or none: what fails within, be it an entry or the file that belongs to it, undoes them all.

        Other writers wait meanwhile. Raises as `append`.
        """
        with self._writing() as connection:
            yield partial(self._enter, connection)

    def _enter(
        self,
        connection: Connection,
        *,
        kind: str,
        who: str = "",
        role: str,
        project: str = "",
        why: str = "",
        content: Entries | None = None,
        at: datetime | None = None,
    ) -> Entry:
        content = dict(content or {})
        last = self._last(connection)
        self._check(connection, kind, role, project, why, content)
        entry = Entry(
            number=1 if last is None else last.number + 1,
            at=self._moment(last, at).isoformat(timespec="microseconds"),
            who=who or getpass.getuser(),
            role=role,
            kind=kind,
            project=project,
            why=why,
            content=json.loads(_json(content)),
            before=FIRST if last is None else last.hash,
        )
        entry = Entry(**{**asdict(entry), "hash": entry.hashed()})
        connection.execute(ENTRIES.insert().values({**asdict(entry), "content": _json(entry.content)}))
        return entry

    def _moment(self, last: Entry | None, at: datetime | None) -> datetime:
        """Now, never before the last entry; a clock that stands further back than clocks differ is refused."""
        now = (at or datetime.now(UTC)).astimezone(UTC)
        if last is None or now >= (stood := datetime.fromisoformat(last.at)):
            return now
        if stood - now > CLOCK_TOLERANCE:
            raise EvaluationError(
                f"时钟早于台账最后一条（第 {last.number} 条，{last.at}）",
                "the clock stands before the last entry",
                where=self.where,
                remedy="校正本机时间后重试",
                remedy_english="set the clock right",
            )
        return stood

    def move(self, project: str, end: str, *, role: str, who: str = "", why: str = "", **content: Plain) -> Entry:
        """Move a project to another state."""
        return self.append(kind=STATE, who=who, role=role, project=project, why=why, content={"to": end, **content})

    def entries(self, project: str | None = None) -> list[Entry]:
        """Every entry, or those of one project, in order."""
        query = select(ENTRIES).order_by(ENTRIES.c.number)
        with _explained(self.where), self._engine.connect() as connection:
            rows = connection.execute(query if project is None else query.where(ENTRIES.c.project == project)).all()
        return [_entry(row) for row in rows]

    def state_of(self, project: str) -> str:
        """The state that a project is in, "" where it is not in the ledger."""
        with _explained(self.where), self._engine.connect() as connection:
            return self._state(connection, project)

    def head(self) -> Head:
        """Number and hash of the last entry; 0 and zeros of an empty ledger."""
        with _explained(self.where), self._engine.connect() as connection:
            last = self._last(connection)
        return Head(number=0, hash=FIRST) if last is None else Head(number=last.number, hash=last.hash)

    def verify(self, sealed: Head | None = None) -> list[str]:
        """What is wrong with the chain, in Chinese; empty where every entry is as it was written.

        Parameters
        ----------
        sealed
            A head that was noted before: a ledger that was cut off and written anew does not hold it.
        """
        faults, before, number, found = [], FIRST, 0, sealed is None or sealed.number == 0
        stood = ""
        for entry in self.entries():
            number += 1
            if entry.number != number:
                faults.append(f"第 {number} 条缺失（接着的是第 {entry.number} 条）")
                number = entry.number
            if entry.before != before:
                faults.append(f"第 {entry.number} 条与前一条不相连")
            if entry.hash != entry.hashed():
                faults.append(f"第 {entry.number} 条的内容与其哈希不符")
            if entry.at < stood:
                faults.append(f"第 {entry.number} 条的时间早于前一条")
            before, stood = entry.hash, max(stood, entry.at)
            if sealed is not None and entry.number == sealed.number:
                found = entry.hash == sealed.hash
        if not found and sealed is not None:
            faults.append(f"封存时的第 {sealed.number} 条不在台账内或已不同")
        return faults

    def close(self) -> None:
        """Give the database back."""
        self._engine.dispose()

    # --- within one transaction ---------------------------------------------------------------------------------------

    def _check(self, connection: Connection, kind: str, role: str, project: str, why: str, content: Entries) -> None:
        where = f"{self.where}: {project or KINDS.get(kind, kind)}"
        if kind not in KINDS:
            raise EvaluationError(f"没有类别 {kind}", "no such kind", where=where, remedy=f"可用: {'、'.join(KINDS)}")
        if role not in self.states.roles:
            raise EvaluationError(
                f"没有角色 {role}", "no such role", where=where, remedy=f"可用: {'、'.join(self.states.roles)}"
            )
        if kind == STATE:
            if not project:
                raise EvaluationError("状态变更须写明项目", "name the project", where=where, remedy="给出项目编号")
            self.states.check(self._state(connection, project), str(content.get("to", "")), role, why, where=where)
        if kind == STATEMENT and content.get("class") not in CLASSES:
            raise EvaluationError(
                "机构说明须归类", "a statement needs its class", where=where, remedy=f"可用: {'、'.join(CLASSES)}"
            )
        if kind == CORRECTION:
            number = content.get("corrects")
            known = connection.execute(select(ENTRIES.c.project).where(ENTRIES.c.number == number)).first()
            if known is not None and known.project != project:
                raise EvaluationError(
                    f"第 {number} 条是{known.project or '方案'}的，不是{project or '方案'}的",
                    "the entry to be corrected is another project's",
                    where=where,
                    remedy=f"给出 --project {known.project}" if known.project else "不给 --project",
                    remedy_english="name the project of that entry",
                )
            if not isinstance(number, int) or known is None or not why.strip():
                raise EvaluationError(
                    "更正须写明所更正的条目和理由",
                    "a correction names the entry and says why",
                    where=where,
                    remedy="给出 corrects: 条目号，并写明理由",
                    remedy_english="give corrects and why",
                )

    def _state(self, connection: Connection, project: str) -> str:
        """The last state that no correction took back."""
        rows = connection.execute(
            select(ENTRIES)
            .where(ENTRIES.c.project == project, ENTRIES.c.kind.in_((STATE, CORRECTION)))
            .order_by(ENTRIES.c.number)
        )
        entries = [_entry(row) for row in rows]
        taken_back = set[int]()
        for entry in reversed(entries):  # a correction that was taken back itself takes nothing back
            if entry.kind == CORRECTION and entry.number not in taken_back:
                taken_back.add(int(entry.content["corrects"]))
        reached = [str(e.content["to"]) for e in entries if e.kind == STATE and e.number not in taken_back]
        return reached[-1] if reached else BEGIN

    def _last(self, connection: Connection) -> Entry | None:
        row = connection.execute(select(ENTRIES).order_by(ENTRIES.c.number.desc()).limit(1)).first()
        return None if row is None else _entry(row)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One writer at a time: a second waits, and then stands behind the first's entry."""
        with _explained(self.where), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{int(PATIENCE * 1000)}ms'"))
                connection.execute(text("LOCK TABLE ledger_entries IN EXCLUSIVE MODE"))
            yield connection

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # two that open a new ledger at once
                connection.execute(text("SELECT pg_advisory_xact_lock(20231022)"))
            _DATA.create_all(connection)
            for statement in _GUARDS[connection.dialect.name]:
                connection.execute(text(statement))


_GUARDS: Mapping[str, tuple[str, ...]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS ledger_no_{what.lower()} BEFORE {what} ON ledger_entries "
        "BEGIN SELECT RAISE(ABORT, 'append only'); END"
        for what in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'append only'; END $$",
        "CREATE OR REPLACE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON ledger_entries "
        "FOR EACH ROW EXECUTE FUNCTION ledger_append_only()",
        "CREATE OR REPLACE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()",
    ),
}


def _begin_at_once(engine: Engine) -> None:
    """SQLite takes its write lock with the first statement, not with the first write: no two read the same last entry."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _manual(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)
    return Entry(**{**values, "content": json.loads(values["content"])})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """What a database says, as a message that can be acted on; never its address with a password."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"缺少数据库的驱动程序 {error.name}",
            "the database's driver is not installed",
            where=where.rpartition("@")[2],
            remedy="安装驱动：pip install 'speceval[postgresql]'，或改用文件作台账",
            remedy_english="install the extra `postgresql`, or use a file as the ledger",
        ) from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        shown = where.rpartition("@")[2] if "://" in where else where
        raise InputError(
            f"台账打不开或写不进: {type(cause or error).__name__}",
            "the ledger cannot be opened or written",
            where=shown,
            remedy="检查文件或数据库是否存在、可写、未被他人长时间占用，磁盘是否已满",
            remedy_english="check that it exists, can be written, is not held by another, and that the disk is not full",
        ) from None
