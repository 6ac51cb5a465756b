"""Processes for reports: started warm, dying with the one that asked for them, leaving nothing behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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

        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return context


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
