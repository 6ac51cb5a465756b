"""Writing so that a reader sees the old report or the new one, whole, whatever happens meanwhile.

Beside a report's folder `<name>` in its run directory: `.locks/<name>` (held while it runs), `.tmp-<name>.*` (the new
folder while it is filled), `.work-<name>.*` (the notebook's directory), `.old-<name>.*` (the old folder for a moment,
only where two folders cannot be exchanged). All but the lock are removed by the next start.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.documents import Document
from toolkit.errors import DISK_FULL, EvaluationError
from toolkit.running.limits import Reason, ReportFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STATE, MANIFEST, RECORD = "state.json", "manifest.json", "run.json"
SIGNATURE = f"{MANIFEST}.sig"  # of the manifest's bytes, as `toolkit.running.signatures` makes it
LOCKS = ".locks"
PRIVATE = ".private"  # folder of a run for what is kept between runs: typed records, hashes of files
CHUNK = 1 << 20
LARGEST = 1 << 24  # bytes of a file of JSON that is no manifest
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}


class State(StrEnum):
    """How far a report has come. DONE is written with the manifest, in the same exchange of folders."""

    PREPARED = "PREPARED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    DONE = "DONE"


def _nothing(step: str) -> None:
    """Do nothing: the place where fault tests stop the writer."""


fault_point: Callable[[str], None] = _nothing


def fault_here(step: str) -> None:
    """Pass a fault point from another module; which function that is, fault tests decide later."""
    fault_point(step)


@contextlib.contextmanager
def room(directory: Path) -> Iterator[None]:
    """Turn a full disk into a message with a remedy, also where a library has wrapped the system's refusal in its own."""
    try:
        yield
    except EvaluationError:
        raise
    except Exception as error:
        wrapped = type(error).__name__.endswith("IOException")
        wrapped |= any(isinstance(one, OSError) for one in (error, *error.args))
        said = any(os.strerror(code).lower() in str(error).lower() for code in DISK_FULL)
        if getattr(error, "errno", None) in DISK_FULL or (wrapped and said):
            raise ReportFailed(
                Reason.DISK,
                where=str(directory),
                remedy="清理磁盘或换一个输出目录后重新运行；原报告未动",
                remedy_english="free space or choose another directory, then run again; the old report is intact",
            ) from None
        raise


@contextlib.contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Turn the system's refusals to write into messages with a remedy."""
    try:
        with room(directory):
            yield
    except OSError as error:
        if error.errno in CLOSED:
            raise ReportFailed(
                Reason.DIRECTORY,
                str(directory),
                str(directory),
                where=str(directory),
                remedy="给当前用户写权限，或在参数文件中换一个输出目录",
                remedy_english="grant write permission or choose another output directory",
            ) from None
        raise


def canonical(content: object) -> bytes:
    """JSON with one spelling: sorted keys, fixed layout, UTF-8, no NaN."""
    return (json.dumps(content, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def sync_directory(directory: Path) -> None:
    """Make new names in a directory survive a power loss."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file that somebody else has written survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file to the disk itself, not only to the system's memory."""
    fault_point(f"before {path.name}")
    with path.open("xb") as stream:
        for start in range(0, max(1, len(content)), CHUNK):
            stream.write(content[start : start + CHUNK])
            fault_point(f"within {path.name}")
        stream.flush()
        os.fsync(stream.fileno())
    fault_point(f"after {path.name}")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace one file: a reader sees the old content or the new, and so does the disk after a power loss.

    Raises
    ------
    ReportFailed
        The disk is full or the directory is closed; the old file is intact and no temporary one is left.
    """
    temporary = path.with_name(f".tmp-{path.name}.{secrets.token_hex(4)}")
    with explained(path.parent):
        try:
            write_durably(temporary, content)
            fault_point(f"rename {path.name}")
            os.replace(temporary, path)
            sync_directory(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def read_state(folder: Path) -> Document:
    """The report's last state, or an empty dictionary where none can be read. A state proves nothing: manifests do."""
    return read_document(folder / STATE)


def read_document(path: Path) -> Document:
    """A small file of JSON that proves nothing, or an empty dictionary where it is none."""
    try:
        with path.open("rb") as stream:
            content = json.loads(stream.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def state_bytes(state: State, reason: str = "", message: str = "") -> bytes:
    """The content of `state.json`."""
    return canonical(
        {
            "state": state,
            "reason": reason,
            "message": message,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
    )


def write_state(folder: Path, state: State, reason: str = "", message: str = "") -> None:
    """Write `state.json` into the report's folder, which is made if absent. Needs the lock."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / STATE, state_bytes(state, reason, message))


@contextlib.contextmanager
def report_lock(folder: Path) -> Iterator[None]:
    """Hold the report; the lock ends with this process however it ends, so none is ever stale.

    Raises
    ------
    ReportFailed
        Another process holds it (正在运行), or the run directory cannot be written.
    """
    with explained(folder.parent):
        (folder.parent / LOCKS).mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.parent / LOCKS / folder.name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReportFailed(
                Reason.RUNNING,
                folder.name,
                folder.name,
                where=str(folder),
                remedy="等它结束，或先停止那一次运行",
                remedy_english="wait for it, or stop that run first",
            ) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def run_task(folder: Path) -> Iterator[None]:
    """Hold a run's folder while its tables and reports are made, with `state.json` telling how far it is.

    RUNNING until the caller writes DONE; FAILED with the reason where an error or a signal ends it. After a kill it stays
    RUNNING, and the next start takes over: the lock tells whether anybody works, the manifest whether the work is whole.

    Raises
    ------
    ReportFailed
        Another process holds the run (正在运行), or its folder cannot be written.
    """
    with report_lock(folder):
        _clear_run(folder)
        write_state(folder, State.RUNNING)
        try:
            yield
        except BaseException as error:
            reason = getattr(error, "reason", "") or type(error).__name__
            told = str(error) if isinstance(error, EvaluationError) else ""
            with contextlib.suppress(EvaluationError, OSError):  # on a full disk the message alone tells
                write_state(folder, State.FAILED, str(reason), told)
            raise


def _clear_run(folder: Path) -> None:
    """Remove from a run's folder what killed processes were about to put in place. Needs the lock."""
    if not folder.is_dir():
        return
    with explained(folder):
        for kind in (".making-*", ".old-*", ".tmp-*"):
            for left in (*folder.glob(kind), *folder.glob(f"stages/{kind}"), *folder.glob(f"{PRIVATE}/{kind}")):
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)


def beside(folder: Path, kind: str) -> Path:
    """A new name beside the report for something that lasts no longer than the run."""
    return folder.parent / f".{kind}-{folder.name}.{secrets.token_hex(6)}"


def clear_leftovers(folder: Path) -> list[Path]:
    """Remove what a killed run left, and put an old report back that it had moved aside. Needs the lock.

    Returns
    -------
    list[Path]
        The work directories removed, for their sockets may lie elsewhere.
    """
    name = folder.name
    with explained(folder.parent):
        for old in sorted(folder.parent.glob(f".old-{name}.*")):
            if not folder.exists():
                os.rename(old, folder)
        work = list(folder.parent.glob(f".work-{name}.*"))
        for path in (*folder.parent.glob(f".tmp-{name}.*"), *folder.parent.glob(f".old-{name}.*"), *work):
            shutil.rmtree(path)
        for path in folder.glob(".tmp-*"):
            path.unlink()
    return work


def publish(folder: Path, files: Mapping[str, bytes], manifest: bytes, record: bytes) -> None:
    """Replace the report by a new one in a single step.

    A complete folder is written and synced beside the old: the files, then the record of times, then the state DONE,
    and last the manifest. Then the two folders change places.

    Raises
    ------
    ReportFailed
        The disk is full or the directory is closed. The old report is as it was.
    """
    staging = beside(folder, "tmp")
    with explained(folder.parent):
        try:
            staging.mkdir()
            for name, content in files.items():
                write_durably(staging / name, content)
            write_durably(staging / RECORD, record)
            write_durably(staging / STATE, state_bytes(State.DONE))
            write_durably(staging / MANIFEST, manifest)
            sync_directory(staging)
            fault_point("before exchange")
            exchange(staging, folder)
            fault_point("after exchange")
            sync_directory(folder.parent)
        except OSError:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    shutil.rmtree(staging, ignore_errors=True)


def exchange(new: Path, folder: Path) -> None:
    """Put `new` where `folder` is, in one step where the system can, else in two that `clear_leftovers` repairs.

    What was there lies at `new` afterwards, or is gone.
    """
    if not folder.exists():
        os.rename(new, folder)
    elif not _exchange(new, folder):
        old = beside(folder, "old")
        os.rename(folder, old)
        fault_point("between renames")
        os.rename(new, folder)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux renameat2); False where system or file system has no such call."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}:
        return False
    raise OSError(code, os.strerror(code), str(one))
