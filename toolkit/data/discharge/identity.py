"""De-identification at the door: keyed hashes in the place of record numbers and of who the patient is.

A keyed hash is SHA-256 of the run's secret key, a purpose and the text, cut to 64 of its 256 bits: without the key nobody
can try out record or identity numbers, and what is cut off keeps a longer text from being computed from a shorter one's
hash. The key is 64 hex characters, from `data.key_file` or, without one, from a file of the run's name in the user's own state
folder, drawn at random when that run was first made: apart from the records, so that a folder that is handed on or stolen
does not bring its own key. It stands in no output, its fingerprint in the manifest; no number of a report depends on it.

A pseudonym is still personal data: who holds the key can link it to a record number.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import ibis

from toolkit.engine.types import Column, Table
from toolkit.errors import ParameterError
from toolkit.running.publish import PRIVATE, explained
from toolkit.written_form import count_form, written_form

LEFT_KEY = "key"  # where runs of earlier versions kept their key, within that folder
PARTS = "␟"  # between the parts of a key: printable, because SQL text may not hold control characters
DIGITS = 16  # hex digits of a pseudonym
FILLED = [6 * digit for digit in "0123456789"]


@dataclass(frozen=True, repr=False)
class Key:
    """The secret of a run; it does not show itself."""

    text: str

    def __repr__(self) -> str:
        return "Key(…)"

    def __str__(self) -> str:
        return "Key(…)"

    @property
    def secret(self) -> bytes:
        return bytes.fromhex(self.text)

    @property
    def fingerprint(self) -> str:
        """What tells one key from another, and nothing else: the key is as long as the hash."""
        return sha256(_prefix("fingerprint", self).encode()).hexdigest()

    def __getstate__(self) -> NoReturn:
        raise TypeError("the key of a run is not to be stored")


def random_key() -> Key:
    """A key for one run."""
    return Key(secrets.token_hex(32))


def read_key(path: Path) -> Key:
    """The key in a file of 64 hex characters.

    Raises
    ------
    ParameterError
        Anything else is in the file; what it is, is not told.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ParameterError(
            "密钥文件须为 64 个十六进制字符",
            "the key file must hold 64 hex characters",
            where=f"{path} data.key_file",
            remedy='生成: python -c "import secrets; print(secrets.token_hex(32))" > 密钥文件; chmod 600 密钥文件',
            remedy_english="make one with the command shown, readable by you only, outside the run's folder",
        )
    return Key(text.lower())


def state_folder() -> Path:
    """Where a user's keys lie: `$XDG_STATE_HOME/speceval`, else `~/.local/state/speceval`.

    Raises
    ------
    ParameterError
        The user has no home folder.
    """
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise ParameterError(
            "找不到当前用户的文件夹，密钥无处保存",
            "the user has no home folder to keep the key in",
            where="data.key_file",
            remedy="设置 data.key_file，或环境变量 XDG_STATE_HOME",
            remedy_english="set data.key_file, or the environment variable XDG_STATE_HOME",
        ) from None
    return Path(home) / "speceval"


def key_place(run: str) -> Path:
    """The file of the key of runs of this name, where `data.key_file` names none."""
    return state_folder() / "keys" / f"{run}.key"


def kept_key(given: Path | None, folder: Path) -> Key | None:
    """The key that a run in `folder` would have, None where a new one would be drawn."""
    if given is not None:
        return read_key(given)
    for kept in (key_place(folder.name), folder / PRIVATE / LEFT_KEY):
        if kept.is_file():
            return read_key(kept)
    return None


def run_key(given: Path | None, folder: Path) -> Key:
    """The key of the run in `folder`: the given file's, else that of its name, which is drawn where there is none.

    A drawn one is kept in `key_place` (0600, in folders 0700), so that a record number can be looked up afterwards. One that a
    run of an earlier version kept beside its records goes there.

    Raises
    ------
    ReportFailed
        The state folder cannot be written.
    """
    key = kept_key(given, folder) or random_key()
    kept = key_place(folder.name)
    if given is None and not kept.is_file():
        with explained(kept.parent):
            kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for one in (kept.parent.parent, kept.parent):
                one.chmod(0o700)
            with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
                os.fchmod(out.fileno(), 0o600)
                out.write(key.text)
    (folder / PRIVATE / LEFT_KEY).unlink(missing_ok=True)
    return key


def key_of_fingerprint(fingerprint: str, given: Path | None) -> Key | None:
    """The key that a finished run was made with: the given file's or one of the user's own; None where none is it."""
    places = [given] if given else sorted((state_folder() / "keys").glob("*.key"))
    for place in places:
        key = read_key(place)
        if key.fingerprint == fingerprint:
            return key
    return None


# --- stays --------------------------------------------------------------------------------------------------------------


def pseudonym(hospital: Column, record: Column, visit: Column, key: Key) -> Column:
    """16 hex characters for a stay, as text expressions of one table; NULL where the record number is missing.

    The same as `pseudonym_of` for the same text: all three as read from the file, without blanks around.
    """
    stay = hospital.fill_null("") + PARTS + record + PARTS + visit.fill_null("")
    return _keyed(stay, "stay", key)[:DIGITS]


def pseudonym_of(hospital: str, record: str, visit: str, key: Key) -> str:
    """The pseudonym of one stay, from its plain key as somebody types it."""
    stay = PARTS.join((written_form(hospital), written_form(record), count_form(visit)))
    return sha256(_prefix("stay", key).encode() + stay.encode()).hexdigest()[:DIGITS]


# --- patients -----------------------------------------------------------------------------------------------------------


def with_patient(table: Table, key: Key) -> Table:
    """`table` with `patient`, a keyed hash: equal for two stays of one person in one run, meaningless outside it; int64.

    From the identity number (15 and 18 digits of one person are the same), else another document or the health card, else
    the record number within its hospital; NULL where there is none. A constant such as 000000 is no number.

    Parameters
    ----------
    table
        With `identity, health_card, hospital, record`, text.
    """
    # columns of their own: each is looked at several times
    asked = table.mutate(identity_number=table.identity.upper(), card_number=table.health_card.upper())
    asked = asked.mutate(person=_person(asked))
    hashed = _keyed(asked.person, "patient", key).hash()
    found = asked.mutate(patient=ibis.ifelse(asked.person.notnull(), hashed, ibis.null("int64")))
    return found.drop("identity_number", "card_number", "person")


def _person(table: Table) -> Column:
    identity, card = table.identity_number, table.card_number
    # the 15 digits of old lack the century, which was 19 for all of them, and the check digit
    of_birth = ibis.ifelse(identity.length() == 15, identity[:6] + "19" + identity[6:], identity[:17])
    # in the order of how often; each test is made only where those before it failed
    return ibis.cases(
        (identity.re_search(r"^(\d{15}|\d{17}[\dX])$") & _varied(identity), "identity" + PARTS + of_birth),
        (_numbered(identity), "document" + PARTS + identity),
        (_numbered(card), "card" + PARTS + card),
        else_="record" + PARTS + table.hospital.fill_null("") + PARTS + table.record,
    )


def _numbered(text: Column) -> Column:
    return (text.length() >= 6) & text.re_search(r"\d") & _varied(text)


def _varied(text: Column) -> Column:
    """Whether the text is more than one digit repeated, as programs fill in what they do not know."""
    # not as a list: the engine would join it, and carry every column of every row through the join
    return ~ibis.or_(*[text.startswith(filled) for filled in FILLED])


def _keyed(text: Column, purpose: str, key: Key) -> Column:
    return (ibis.literal(_prefix(purpose, key)) + text).hexdigest("sha256")


def _prefix(purpose: str, key: Key) -> str:
    return key.text + purpose + PARTS


# --- what is dropped at the door ------------------------------------------------------------------------------------------

# Columns that say directly who the patient or another person is (rule F09), in all layouts; patterns, without case.
DIRECT = (
    # A/B/C/D: names, identity number, telephones, addresses
    "A11",
    "A32",
    "A20",
    "A27",
    "A30",
    "A35",
    "A22",
    "A24",
    "A26",
    "A29",
    "A34",
    "P13",
    "P801",
    "SFZH",
    "XZZ",
    "*姓名*",
    "*身份证*",
    "*证件号*",
    "*电话*",
    "*手机*",
    "*住址*",
    "*地址*",
    "*联系人*",
)


def direct_identifiers(header: Iterable[str]) -> list[str]:
    """Columns of a file that hold direct identifiers: they are dropped or reduced at the door (rule F09)."""
    return [name for name in header if any(fnmatchcase(name.strip().upper(), pattern.upper()) for pattern in DIRECT)]
