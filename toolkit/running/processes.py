"""Processes for reports: started warm, dying with the one that asked for them, leaving nothing behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from multiprocessing import connection, util
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.running.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from multiprocessing.context import ForkContext, ForkServerContext

# One thread for each numerical library: the reports themselves are the parallel part.
SINGLE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
}
# The same clock face, language and seeds everywhere: none of these may show in a report.
SAME_EVERYWHERE = {
    "TZ": "Asia/Shanghai",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "946684800",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
MARK = "REPORT_RUN"  # environment variable by which every process below a kernel is found, whatever its group
WARM = "REPORT_WARM_MODULES"
AT_LAST = -200  # at the end of a program, after multiprocessing has removed its own folder
LONGEST = 48  # bytes of a temporary folder's name: what is made in it adds up to 54, and the address of a socket has at most 107


def warm_context(modules: Iterable[str] = ()) -> ForkServerContext | ForkContext:
    """Start processes from a server that has papermill and `modules` imported: 0.02 s each instead of 2 s.

    Only the first call of a program decides what is imported beforehand. A module that cannot be imported is left
    to the process that needs it, which reports the error.
    """
    if multiprocessing.parent_process() is not None:
        # a report's process came warm from the server and runs nothing beside: asking again would start a second server
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toolkit.running.warm"])
    # forked kernels are copies of what the server imports: by then it must have what a kernel is started with
    beforehand = {**SINGLE_THREAD, **SAME_EVERYWHERE, WARM: ",".join(sorted(set(modules)))}
    before = {name: os.environ.get(name) for name in beforehand}
    os.environ.update(beforehand)
    try:
        from multiprocessing import forkserver

        with _short_names():
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return context


def short_room() -> str:
    """A folder for sockets: the temporary one, or another where its name is too long for the address of a socket in it."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST:
        return usual
    rooms = (f"/run/user/{os.getuid()}", "/tmp", "/var/tmp")  # noqa: S108  what is made in it is private
    return next((room for room in rooms if os.access(room, os.W_OK | os.X_OK)), usual)


@contextlib.contextmanager
def _short_names() -> Iterator[None]:
    """Sockets in a folder whose name is short enough: the address of one may have no more than 107 bytes."""
    before = tempfile.tempdir
    try:
        if multiprocessing.current_process()._config.get("tempdir") is None:  # type: ignore[attr-defined]
            lasting = contextlib.ExitStack()
            tempfile.tempdir = lasting.enter_context(scratch(short_room()))  # what a kill leaves of it can be found
            util.Finalize(None, lasting.close, exitpriority=AT_LAST)
        util.get_temp_dir()  # made once for the whole program, and removed at its end
        yield
    finally:
        tempfile.tempdir = before


def take_over(environment: Mapping[str, str], at_orphaning: Callable[[], None] = lambda: None) -> None:
    """Make this process its own group with the asker's environment, ending when the asker ends."""
    with contextlib.suppress(PermissionError):  # already a leader
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        with contextlib.suppress(Exception):
            at_orphaning()
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="die-with-asker").start()


def name_of_mark(mark: str) -> str:
    """The name that a forked kernel bears, and every copy of it that does not become another program (at most 15 bytes)."""
    return f"kernel-{mark[:8]}"


def marked(mark: str) -> list[int]:
    """Processes that carry this run's mark: in their environment, or in the name that copies of a kernel inherit."""
    wanted, name = f"{MARK}={mark}".encode(), name_of_mark(mark).encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                process = Path(entry.path)
                if (process / "comm").read_bytes().strip() == name or wanted in (
                    process / "environ"
                ).read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def kill_marked(mark: str, seconds: float = 5.0) -> None:
    """Kill every process of the run, also those that left its group, and wait until none is left."""
    end = time.monotonic() + seconds
    while (pids := [pid for pid in marked(mark) if pid != os.getpid()]) and time.monotonic() < end:
        for pid in pids:
            kill(pid)
        time.sleep(0.02)


def kill(pid: int | None) -> None:
    """Kill one process that this run started, if it still lives."""
    if pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
