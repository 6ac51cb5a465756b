"""The process that drives papermill for one notebook. Heavy imports live here, out of everybody else's way."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.translators import PythonTranslator, papermill_translators
from traitlets.config import Config

from toolkit.documents import Document
from toolkit.running.forked import PROVISIONER, can_fork
from toolkit.running.limits import Limits, Reason
from toolkit.running.processes import MARK, kill, kill_marked, take_over

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

    from nbformat import NotebookNode
    from papermill.engines import NotebookExecutionManager

ENGINE = "speceval"
POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that the driving process needs; it reads no file of the report."""

    template: Document  # with the runner's own first and last cell
    parameters: Document
    work: Path
    sockets: Path
    mark: str
    environment: Mapping[str, str]
    limits: Limits


class ChineseTranslator(PythonTranslator):
    """Parameters as readable Chinese, and formatted alike whether or not black is installed."""

    @classmethod
    def translate_str(cls, val: str) -> str:
        return repr(str(val))

    @classmethod
    def codify(cls, parameters: Document, comment: str = "Parameters") -> str:
        lines = [cls.comment(comment)] + [cls.assign(name, cls.translate(value)) for name, value in parameters.items()]
        return "\n".join(lines) + "\n"


class OwnKernelManager(AsyncKernelManager):
    """Kernels of this very interpreter: a `python3` that the user has registered elsewhere is not ours."""

    @property
    def kernel_spec(self) -> KernelSpec:
        # no history file: it would keep what was typed, in the user's home
        arguments = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        by = {"kernel_provisioner": {"provisioner_name": PROVISIONER}} if can_fork() else {}
        return KernelSpec(argv=[sys.executable, *arguments], display_name="Python 3", language="python", metadata=by)


class Watch:
    """What the driver learns about the running kernel beside the outputs."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.notebook: NotebookNode | None = None
        self.started = False
        self.kernel: int | None = None
        self.output_bytes = 0
        self.peak_bytes = 0

    @property
    def too_large(self) -> bool:
        return self.output_bytes > self.limits.output_bytes

    @property
    def short_of_memory(self) -> bool:
        limit = self.limits.memory_bytes
        return limit is not None and self.peak_bytes > 0.9 * limit

    def follow_memory(self) -> None:
        """Read the kernel's peak until it ends: afterwards nobody can tell why it died."""
        while self.limits.memory_bytes is not None:
            with contextlib.suppress(OSError, IndexError, ValueError):
                for line in Path(f"/proc/{self.kernel}/status").read_text().splitlines():
                    if line.startswith("VmPeak:"):
                        self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) * 1024)
            time.sleep(POLL_SECONDS)


class WatchedClient(PapermillNotebookClient):
    """papermill's client, with a cap on output and an eye on the kernel."""

    watch: Watch

    def papermill_execute_cells(self) -> None:
        self.watch.started = True
        self.watch.kernel = self.km.provisioner.process.pid
        threading.Thread(target=self.watch.follow_memory, daemon=True).start()
        super().papermill_execute_cells()

    def process_message(self, msg: Document, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        watch = self.watch
        if watch.too_large:
            kill(watch.kernel)  # an exception here would be noticed only when the cell ends by itself
            content = msg["content"]
            content.update({key: "" for key in ("text", "traceback") if key in content})
            content.update({"data": {}} if "data" in content else {})
        else:
            watch.output_bytes += size(msg["content"])
        return super().process_message(msg, cell, cell_index)


def size(content: Document) -> int:
    """Bytes of one message's output."""
    data = content.get("data") or {}
    parts = [content.get("text") or "", *(content.get("traceback") or []), *data.values()]
    return sum(len((part if isinstance(part, str) else json.dumps(part)).encode("utf-8", "replace")) for part in parts)


class WatchedEngine(NBClientEngine):
    """A papermill engine that keeps the notebook at hand whatever happens, and saves nothing on the way."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        watch: Watch,
        start: Document,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        config: Config | None = None,
        **_: object,
    ) -> object:
        watch.notebook = nb_man.nb
        client = WatchedClient(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=OwnKernelManager,
            config=config,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            record_timing=False,
            iopub_timeout=30,
            # nothing in a kernel needs an orderly end, and a kernel that ignores signals would not give one
            shutdown_kernel="immediate",
            log=logging.getLogger("papermill"),
        )
        client.watch = watch
        return client.execute(**start)


papermill_translators.register("python", ChineseTranslator)
papermill_engines.register(ENGINE, WatchedEngine)


def drive(request: Request, reply: Connection) -> None:
    """Run the notebook and send back what became of it. Success is not judged here."""
    take_over(request.environment, lambda: kill_marked(request.mark))
    os.chdir(request.work)
    # a crash handler or a library in C writes to these; what it writes may hold records
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    logging.disable(logging.CRITICAL)
    answer: Document = {}
    for attempt in range(1 + request.limits.start_retries):
        watch = Watch(request.limits)
        answer = attempt_once(request, watch, attempt, reply)
        if watch.started or answer["reason"] is None:
            break
        kill_marked(request.mark)
    reply.send_bytes(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    reply.close()


def attempt_once(request: Request, watch: Watch, attempt: int, reply: Connection) -> Document:
    """One kernel from start to end: the notebook as far as it came, and the reason why it stopped early."""
    limits = request.limits
    (request.sockets / str(attempt)).mkdir(mode=0o700)
    notebook = nbformat.from_dict(request.template)

    def confine() -> None:
        reply.close()  # whoever waits for the answer must see when the driver has died
        if limits.memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file holds records
        die_with_parent()

    reason, kind = None, ""
    try:
        watch.notebook = papermill.execute_notebook(
            notebook,
            None,
            parameters=dict(request.parameters),
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            autosave_cell_every=0,
            request_save_on_cell_execute=False,
            start_timeout=limits.start_seconds,
            execution_timeout=limits.cell_seconds,
            config=Config({"KernelManager": {"transport": "ipc", "ip": str(request.sockets / str(attempt) / "k")}}),
            watch=watch,
            start={"env": {**request.environment, MARK: request.mark}, "cwd": str(request.work), "preexec_fn": confine},
        )
    except papermill.PapermillExecutionError:
        pass  # the error output is in the notebook
    except CellTimeoutError:
        reason = Reason.TIMEOUT
    except DeadKernelError:
        reason = Reason.KERNEL
    except Exception as error:  # whatever it was, the report has failed, and its type says more than nothing
        reason, kind = Reason.KERNEL, type(error).__name__
    if watch.too_large:
        reason = Reason.OUTPUT
    elif reason is not None and watch.short_of_memory:
        reason = Reason.MEMORY
    cells = watch.notebook.cells if watch.notebook is not None else []
    return {
        "reason": reason,
        "kind": kind,
        "started": watch.started,
        "notebook": watch.notebook if reason is None else {"cells": [{**cell, "outputs": []} for cell in cells]},
    }


def die_with_parent() -> None:
    """Ask Linux to kill this process with its parent: a kernel stuck in C code notices nothing by itself."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 = PR_SET_PDEATHSIG
