"""Files that are still being written, copied or unpacked while a run reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import InputError


@contextmanager
def whole_files() -> Iterator[Callable[[Path], None]]:
    """A function to be called before each file is opened; at the end all of them must be as they were.

    Raises
    ------
    InputError
        A file has changed since: its records would be of one state, its hash of another.
    """
    seen: dict[Path, tuple[int, ...]] = {}

    def opened(path: Path) -> None:
        seen.setdefault(path, _state(path))

    yield opened
    if changed := [path for path, state in seen.items() if _state(path) != state]:
        raise InputError(
            f"{len(changed)} 个文件在读取的过程中变了，可能正在复制或由其他程序写入",
            "files changed while they were read",
            where="、".join(map(str, changed[:3])),
            remedy="等文件写完、关闭正在编辑它的程序后再运行",
            remedy_english="run again when nobody writes them any more",
        )


def _state(path: Path) -> tuple[int, ...]:
    try:
        at = path.stat()
    except OSError:  # refused with its reason where it is opened
        return ()
    return at.st_size, at.st_mtime_ns, at.st_ino
