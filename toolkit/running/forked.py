"""A kernel that begins as a copy of the process that drives it: what is imported there need not be imported again.

The copy speaks the kernel's protocol as any other; papermill sees no difference. It is as fresh as a new process: its own
environment, folder, event loop and random numbers, no name of the driver's in `__main__`. Where a system cannot fork, or where
`REPORT_KERNELS=started` says so, kernels are started as programs: slower, and what tests hold forked ones against.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import TYPE_CHECKING

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from toolkit.running.processes import MARK, name_of_mark

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

PROVISIONER = "speceval-forked"
KERNELS, STARTED = "REPORT_KERNELS", "started"
PR_SET_NAME = 15


def can_fork() -> bool:
    """Whether kernels are forked here."""
    return sys.platform == "linux" and os.environ.get(KERNELS) != STARTED


class Forked:
    """A child process with those parts of `subprocess.Popen` that the kernel's manager asks for."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Exit code as of `Popen`: minus the signal, None while it runs."""
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As of `Popen`."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.01)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """To the child, if it still lives."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkingProvisioner(LocalProvisioner):
    """Kernels by fork of this process."""

    async def launch_kernel(self, cmd: list[str], **given: object) -> KernelConnectionInfo:
        """`cmd` is the command of the kernel's specification: what follows `-m ipykernel_launcher` are its arguments."""
        arguments = cmd[cmd.index("-m") + 2 :]
        environment, folder, confine = given["env"], given.get("cwd"), given["preexec_fn"]
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _become(arguments, environment, folder, confine)  # type: ignore[arg-type]
        self.process = Forked(pid)  # type: ignore[assignment]
        self.pid = pid
        with contextlib.suppress(OSError):  # on both sides: whichever comes first
            os.setpgid(pid, pid)
        self.pgid = pid
        return self.connection_info


KernelProvisionerFactory.provisioners[PROVISIONER] = EntryPoint(
    PROVISIONER, f"{__name__}:{ForkingProvisioner.__name__}", KernelProvisionerFactory.GROUP_NAME
)


def _become(
    arguments: Sequence[str], environment: Mapping[str, str], folder: str | None, confine: Callable[[], None]
) -> None:
    """Be a kernel from here on, and end with it: nothing of the driver's goes on in the copy."""
    code = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        confine()
        os.environ.clear()
        os.environ.update(environment)
        if folder:
            os.chdir(folder)
        time.tzset()
        # the environment that others see in /proc is the driver's: the mark stands in the name too, which copies inherit
        ctypes.CDLL(None).prctl(PR_SET_NAME, name_of_mark(environment.get(MARK, "")).encode())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        launcher = find_spec("ipykernel_launcher")
        sys.argv = [(launcher.origin if launcher else None) or "", *arguments]
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        asyncio._set_running_loop(None)
        asyncio.set_event_loop_policy(None)
        asyncio.set_event_loop(asyncio.new_event_loop())
        _serve(arguments)
        code = 0
    finally:
        os._exit(code)


def _serve(arguments: Sequence[str]) -> None:
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(list(arguments))
    if "pandas" in sys.modules:  # it chose for a terminal, since no kernel was there when it was imported
        sys.modules["pandas"].set_option("display.max_columns", 20)
    app.start()
