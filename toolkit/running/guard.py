"""What watches a notebook from inside its kernel, where papermill is blind: threads and shell commands.

Imported by every kernel: standard library only.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

Shell = Any  # IPython's shell: the runner replaces some of its methods

WATCH = "__import__('toolkit.running.guard', fromlist=['watch']).watch(get_ipython())"
FINISH = "__import__('toolkit.running.guard', fromlist=['finish']).finish(get_ipython(), {token!r}, {seconds})"


class Guard:
    """Faults seen so far: kind and type only, never a text that could hold a patient's value."""

    def __init__(self) -> None:
        self.faults: list[dict[str, str]] = []
        self.threads = set(threading.enumerate())

    def saw(self, kind: str, what: str) -> None:
        self.faults.append({"kind": kind, "what": what})


def watch(shell: Shell) -> None:
    """Record, from now on, exceptions in threads and shell commands that fail."""
    guard = shell.run_guard = Guard()
    usual = threading.excepthook

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            guard.saw("thread", args.exc_type.__name__)
        usual(args)

    def after_cell(*_: object) -> None:
        # `!command` leaves its code here for the rest of the session: take it away, or it is seen again
        code = shell.user_ns.pop("_exit_code", 0)
        if code != 0:
            guard.saw("shell", str(code))

    run = shell.system

    def system(command: str) -> object:
        result = run(command)
        after_cell()  # two commands in one cell: the second would hide the first
        return result

    def ask_exit() -> None:
        # `quit()` only asks the front end, so the cells after it would run as if nothing had been said
        guard.saw("exit", "quit")

    threading.excepthook = in_thread
    shell.system = system
    shell.ask_exit = ask_exit
    shell.events.register("post_run_cell", after_cell)


def finish(shell: Shell, token: str, seconds: float) -> None:
    """Print the end marker: the token of this run, and what was seen.

    Threads that the notebook started and did not wait for may still fail, so they get `seconds` to end.
    """
    guard: Guard = shell.run_guard
    end = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread not in guard.threads and not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                guard.saw("thread", "unfinished")
    sys.stderr.flush()
    print(token + json.dumps(guard.faults))  # noqa: T201  the runner reads this line from the last cell


def read_marker(text: str, token: str) -> list[dict[str, str]] | None:
    """The faults that `finish` printed, or None where this run's marker is absent."""
    start = text.find(token)
    if start < 0:
        return None
    try:
        return json.loads(text[start + len(token) :].splitlines()[0])
    except (ValueError, IndexError):
        return None
