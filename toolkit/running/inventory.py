"""What lies in a folder that somebody else has made: looked at without following, opening or believing anything.

A received folder may hold links that lead out of it, pipes that never end and files without bound. An inventory names every
entry and says of each what it is; only regular files are ever read, through the inventory, and never by a name that a
manifest brought.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from toolkit.errors import RunError
from toolkit.running.notebook import file_hash

MOST_ENTRIES = 500_000
DEEPEST = 32


class Entry(StrEnum):
    """What a name in a folder stands for."""

    FILE = "文件 file"
    LINK = "链接 link"
    OTHER = "管道、套接字或设备 pipe, socket or device"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Every entry below a folder by its path there, folders left out; nothing behind a link.

    Attributes
    ----------
    empty
        Folders that hold nothing.
    """

    folder: Path
    entries: dict[str, Entry]
    empty: tuple[str, ...] = ()
    _hashes: dict[str, str] = field(default_factory=dict)

    @property
    def strange(self) -> dict[str, Entry]:
        """What is no regular file."""
        return {name: entry for name, entry in sorted(self.entries.items()) if entry is not Entry.FILE}

    def hash_of(self, name: str) -> str | None:
        """SHA-256 of a file of the inventory, None where it has no such file."""
        if self.entries.get(name) is not Entry.FILE:
            return None
        if name not in self._hashes:
            self._hashes[name] = file_hash(self.folder / name)
        return self._hashes[name]

    def below(self, *parts: str) -> list[str]:
        """Names of the files in these folders, in order."""
        return sorted(name for name in self.entries if name.startswith(tuple(f"{part}/" for part in parts)))


def inventory(folder: Path) -> Inventory:
    """What lies below `folder`.

    Raises
    ------
    RunError
        It is deeper, or has more entries, than any run has.
    """
    entries: dict[str, Entry] = {}
    empty: list[str] = []
    waiting = [(os.fspath(folder), "", 0)]
    while waiting:
        place, prefix, depth = waiting.pop()
        with os.scandir(place) as found:
            names = list(found)
        if prefix and not names:
            empty.append(prefix.rstrip("/"))
        for one in names:
            name = prefix + os.fsencode(one.name).decode("utf-8", "backslashreplace")
            mode = one.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                waiting.append((one.path, f"{name}/", depth + 1))
            else:
                entries[name] = Entry.LINK if stat.S_ISLNK(mode) else Entry.FILE if stat.S_ISREG(mode) else Entry.OTHER
        if len(entries) > MOST_ENTRIES or depth > DEEPEST:
            raise RunError(
                f"文件夹 {folder.name} 的文件多于 {MOST_ENTRIES:,} 个或深于 {DEEPEST} 层",
                "more files or deeper folders than any run has",
                where=str(folder),
                remedy="这不是一次运行的文件夹",
                remedy_english="this is not the folder of a run",
            )
    return Inventory(folder=folder, entries=entries, empty=tuple(sorted(empty)))


def inside(name: str) -> bool:
    """Whether a name that a manifest brings is a plain path below its folder."""
    path = PurePosixPath(name)
    return bool(
        name
        and len(name) < 1024
        and path.as_posix() == name
        and not path.is_absolute()
        and ".." not in path.parts
        and name != "."
        and "\\" not in name
        and name.isprintable()
    )
