"""报送登记册: which files arrived when, and which replaced which; kept between the runs and checks of one project folder.

What it holds, its file, and its tables; what stands of what has arrived, `toolkit.data.accounts.settling` decides.

A hospital that mends its file sends it again whole. The later file replaces the earlier one of the same hospital and
period; both stay in the register, with what the rules found in each. Content that is known already is refused (rule F01).
The day of arrival is a parameter, never the clock: the same data and parameters give the same numbers on any day.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.data.quality.base import Fate
from toolkit.declared import Word
from toolkit.documents import Document
from toolkit.errors import InputError

VERSION = 2
WITH_WORDS = 1  # the version that counted records under the Chinese words of their fates


class Standing(Word):
    """What has become of a submitted file, or of one hospital's part of it."""

    CURRENT = "current", "现用"
    REPLACED = "replaced", "已被替代"
    REFUSED = "refused", "拒收"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One hospital's records in a file.

    Attributes
    ----------
    periods
        Records by month (`2022-03`), by year where the source has no months; undated records are in none.
    fates, rules
        Records by fate, and by every rule that hit them.
    replaced_by
        SHA-256 of the later file that took this one's place, "" while it stands.
    """

    periods: dict[str, int] = field(default_factory=dict)
    fates: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    replaced_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A file as it arrived. `refused` is the reason where it was not taken in."""

    sha256: str
    name: str
    size: int
    arrived: str
    refused: str = ""
    parts: dict[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Register:
    """All submissions, in the order of their arrival."""

    path: Path
    submissions: tuple[Submission, ...] = ()
    read_as: str = ""  # hash of the file as read: nobody may write in between

    def first(self, sha256: str) -> Submission | None:
        """The first arrival of this content."""
        return next((s for s in self.submissions if s.sha256 == sha256), None)

    def name(self, sha256: str) -> str:
        found = self.first(sha256)
        return f"{found.name}（{found.arrived} 收到）" if found else sha256[:12]


def read_register(path: Path) -> Register:
    """The register, empty where the file does not exist yet.

    Raises
    ------
    InputError
        The file is not a register.
    """
    if not path.exists():
        return Register(path=path)
    content = path.read_bytes()
    try:
        data = json.loads(content)
        if data["version"] not in (VERSION, WITH_WORDS):
            raise ValueError("version")
        ids = {fate.zh: fate.value for fate in Fate} if data["version"] == WITH_WORDS else {}
        submissions = tuple(
            Submission(**{**one, "parts": {h: _read_part(part, ids) for h, part in one["parts"].items()}})
            for one in data["submissions"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "报送登记册不可读",
            f"not a register of submissions: {type(error).__name__}",
            where=str(path),
            remedy="恢复备份, 或换一个文件名从头登记",
            remedy_english="restore a copy, or begin a new one",
        ) from None
    return Register(path=path, submissions=submissions, read_as=hashlib.sha256(content).hexdigest())


def _read_part(part: Document, ids: Mapping[str, str]) -> Part:
    return Part(**{**part, "fates": {ids.get(fate, fate): n for fate, n in part["fates"].items()}})


def write_register(register: Register) -> None:
    """Replace the file, whole or not at all.

    Raises
    ------
    InputError
        Another run has written it since it was read.
    """
    data = {"version": VERSION, "submissions": [_plain(s) for s in register.submissions]}
    content = (json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
    with register.path.with_name(f".{register.path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        now = hashlib.sha256(register.path.read_bytes()).hexdigest() if register.path.exists() else ""
        if now != register.read_as:
            raise InputError(
                "报送登记册在运行期间被另一次运行改动",
                "another run has written the register",
                where=str(register.path),
                remedy="重新运行",
                remedy_english="run again",
            )
        temporary = register.path.with_name(f".{register.path.name}.tmp")
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(register.path)


def _plain(one: Submission) -> Document:
    return {**vars(one), "parts": {h: vars(part) for h, part in one.parts.items()}}


SUBMISSIONS = [
    "sha256",
    "name",
    "arrived",
    "hospital",
    "status",
    "replaced_by",
    "received",
    "accepted",
    "excluded",
    "quarantined",
    "first",
    "last",
    "note",
]
SUBMITTED_RULES = ["sha256", "hospital", "rule", "n"]


def tables(register: Register | None, notes: Mapping[str, str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The register as two tables; both empty where a run has none.

    Returns
    -------
    (pd.DataFrame, pd.DataFrame)
        One row per file and hospital: `sha256, name, arrived, hospital, status` (`Standing`), `replaced_by` (SHA-256),
        `received, accepted, excluded, quarantined` (records), `first, last` (period), `note`. And `sha256, hospital, rule, n`.
    """
    notes = notes or {}
    rows, rules = [], []
    for one in register.submissions if register else ():
        if one.refused or not one.parts:
            rows.append(
                [one.sha256, one.name, one.arrived, "", Standing.REFUSED.value, "", 0, 0, 0, 0, "", "", one.refused]
            )
            continue
        assert register is not None  # noqa: S101  the loop runs over its submissions
        for hospital, part in one.parts.items():
            gone = part.replaced_by
            note = f"由 {register.name(gone)} 替代" if gone else notes.get(one.sha256, "")
            n = [part.fates.get(fate, 0) for fate in (Fate.ACCEPTED, Fate.EXCLUDED, Fate.QUARANTINED)]
            span = sorted(part.periods)
            rows.append(
                [
                    one.sha256,
                    one.name,
                    one.arrived,
                    hospital,
                    (Standing.REPLACED if gone else Standing.CURRENT).value,
                    gone,
                    sum(n),
                    *n,
                    span[0] if span else "",
                    span[-1] if span else "",
                    note,
                ]
            )
            rules += [[one.sha256, hospital, rule, count] for rule, count in part.rules.items()]
    kinds = dict.fromkeys(["received", "accepted", "excluded", "quarantined"], "int64")
    submissions = pd.DataFrame(rows, columns=SUBMISSIONS).astype(
        kinds | dict.fromkeys([c for c in SUBMISSIONS if c not in kinds], "str")
    )
    found = pd.DataFrame(rules, columns=SUBMITTED_RULES).astype(
        {"n": "int64", "sha256": "str", "hospital": "str", "rule": "str"}
    )
    return submissions, found.sort_values(["sha256", "hospital", "rule"], ignore_index=True)
