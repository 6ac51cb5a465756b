"""Hashes of files that were hashed before and have not been touched since.

A file counts as untouched while its place, size, number and both its times (of its content and of any change to it) are as
they were, as version control has it; no program of a user can set the second time back. One that was hashed right after
it had been written is hashed again, for another write in the same moment would not show. Verification never asks here.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.running.notebook import file_hash
from toolkit.running.publish import canonical, write_atomically

MOMENT_NS = 2_000_000_000  # the coarsest clock of a file system that is in use


@dataclass(kw_only=True, eq=False)
class KnownHashes:
    """SHA-256 by path, kept in one file.

    Parameters
    ----------
    kept
        The file; absent or unreadable, all is hashed.
    """

    kept: Path
    _known: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    _asked: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    _read: dict[str, tuple[list[int], str]] = field(default_factory=dict)

    @classmethod
    def read(cls, kept: Path) -> KnownHashes:
        try:
            content = json.loads(kept.read_bytes())
            known = {str(path): (list(marks), str(value)) for path, (marks, value) in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            known = {}
        return cls(kept=kept, _known=known, _read=dict(known))

    def of(self, path: Path) -> str:
        """SHA-256 of a file; of a folder as `file_hash` has it."""
        if path.is_dir():
            return file_hash(path)
        place, now = _place(path), time.time_ns()
        marks = _marks(path)
        before = self._known.get(place)
        value = before[1] if before is not None and before[0] == marks else file_hash(path)
        if before == (marks, value) or now - marks[1] > MOMENT_NS:
            self._asked[place] = marks, value
        return value

    def among(self, paths: Mapping[Path, str]) -> None:
        """Take hashes for known that the caller has worked out from what it alone has written."""
        for path, value in paths.items():
            place = _place(path)
            self._known[place] = self._asked[place] = _marks(path), value

    def write(self) -> None:
        """Keep what was asked for, and nothing else."""
        if self._asked != self._read:
            self.kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self.kept, canonical(self._asked))


def _place(path: Path) -> str:
    """A path as it is kept: by its hash, for a name may say whose file it is."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()


def _marks(path: Path) -> list[int]:
    at = path.stat()
    return [at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino, at.st_dev]
