"""Temporary folders that do not outlive their maker for long: what a killed process left is removed by the next that makes one."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, HELD = "speceval-", ".held"


@contextmanager
def scratch(place: str | None = None) -> Iterator[str]:
    """The path of a new private folder, which goes with the context.

    A lock within it ends with its holder however that ends. Folders of this user whose lock nobody holds are removed first.

    Parameters
    ----------
    place
        The folder that it is made in, where not among the system's temporary ones.
    """
    room = place or tempfile.gettempdir()
    sweep(Path(room))
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=room)  # no TemporaryDirectory: that removes it before a program's end
    try:
        with held(Path(folder)):
            inner = os.path.join(folder, "work")
            os.mkdir(inner, 0o700)
            yield inner
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder whose name begins with `PREFIX` from being swept while this process, or a copy of it, lives."""
    handle = os.open(folder / HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sweep(place: Path) -> None:
    """Remove this user's folders that nobody holds."""
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or another's sweep
            at = left.lstat()
            if not stat.S_ISDIR(at.st_mode) or at.st_uid != os.getuid() or not (left / HELD).is_file():
                continue
            handle = os.open(left / HELD, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)
