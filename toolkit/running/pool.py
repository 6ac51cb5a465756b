"""Many reports at once, one process each: a broken one never stops the others.

Threads watch the processes, one each: what a thread waits for can be killed at its limit, which a worker of a process pool
cannot without taking the pool down.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING

from toolkit.errors import EvaluationError, ParameterError
from toolkit.running.limits import Reason, ReportFailed
from toolkit.running.manifest import Software, software
from toolkit.running.notebook import file_hash
from toolkit.running.parameters import imported
from toolkit.running.processes import kill, take_over, warm_context
from toolkit.running.publish import State, report_lock, write_state
from toolkit.running.report import Outcome, OutcomeState, ReportJob, run_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkContext, ForkServerContext
    from multiprocessing.process import BaseProcess
    from pathlib import Path

GRACE_SECONDS = 15  # for the report's own process to notice, kill and record what has passed its limit


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the run is; `seconds_left` is None until one report has been made."""

    done: int
    total: int
    cached: int
    failed: int
    seconds: float
    seconds_left: float | None
    last: Outcome | None


class _Processes:
    """The reports' processes, started and ended one at a time; once stopped, nothing starts and nothing goes on unseen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # `multiprocessing` looks after its children in whatever thread starts one
        self._running: set[BaseProcess] = set()
        self.stopped = False

    def start(self, process: BaseProcess) -> None:
        with self._lock:
            if self.stopped:
                raise CancelledError
            process.start()
            self._running.add(process)

    def end(self, process: BaseProcess) -> None:
        """Kill the process, if it still lives, and collect it."""
        kill(process.pid)
        connection.wait([process.sentinel])
        with self._lock:
            process.join()
            self._running.discard(process)

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            for process in self._running:
                kill(process.pid)


def run_reports(
    jobs: Sequence[ReportJob],
    *,
    workers: int,
    progress: Callable[[Progress], None] = lambda _: None,
    hash_of: Callable[[Path], str] = file_hash,
) -> list[Outcome]:
    """Make every report that is not there yet.

    Parameters
    ----------
    jobs
        Ids must differ within a run directory.
    workers
        Reports at a time.
    progress
        Called at the start and after each report.
    hash_of
        Of an input, at the start of the run; for a caller that knows it already.

    Returns
    -------
    list[Outcome]
        One for each job, in the order of `jobs`.

    Raises
    ------
    ParameterError
        Two jobs have one folder, or an input is missing. Nothing has been started.
    """
    folders = [job.folder.resolve() for job in jobs]
    if len(set(folders)) < len(folders):
        twice = sorted({folder.name for folder in folders if folders.count(folder) > 1})
        raise ParameterError(f"报告编号重复：{'、'.join(twice)}", f"report ids repeat: {', '.join(twice)}")
    begun = time.monotonic()
    outcomes: list[Outcome | None] = [None] * len(jobs)
    made_with, hashes = software(), _input_hashes(jobs, hash_of)
    context = warm_context(_modules(jobs))
    processes = _Processes()
    progress(_progress(outcomes, workers, begun, None))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            made = {pool.submit(_made, processes, context, job, made_with, hashes): k for k, job in enumerate(jobs)}
            for future in as_completed(made):
                outcomes[made[future]] = outcome = future.result()
                progress(_progress(outcomes, workers, begun, outcome))
        finally:  # an interrupt: nothing goes on unseen
            processes.stop()
            pool.shutdown(wait=False, cancel_futures=True)
    return [outcome for outcome in outcomes if outcome is not None]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 only if every requested report exists; else the code of RunError."""
    return 0 if all(outcome.exists for outcome in outcomes) else ReportFailed.exit_code


def _input_hashes(jobs: Sequence[ReportJob], hash_of: Callable[[Path], str]) -> dict[Path, str]:
    """Each distinct input hashed once, at the start of the run."""
    hashes: dict[Path, str] = {}
    for path in {path.resolve() for job in jobs for path in job.inputs}:
        if not path.exists():
            raise ParameterError(f"找不到输入 {path.name}", f"input {path.name} is missing", where=str(path))
        hashes[path] = hash_of(path)
    return hashes


def _modules(jobs: Sequence[ReportJob]) -> set[str]:
    """What the reports' processes will need: the modules of renderers, and those that the notebooks import."""
    renderers = {
        renderer.partition(":")[0] if isinstance(renderer, str) else renderer.__module__
        for job in jobs
        for renderer in job.renderers.values()
    }
    return renderers.union(*(imported(path) for path in {job.template for job in jobs})) - {"__main__"}


def _made(
    processes: _Processes,
    context: ForkServerContext | ForkContext,
    job: ReportJob,
    made_with: Software,
    hashes: Mapping[Path, str],
) -> Outcome:
    """A report made in a process of its own: the outcome that it sends, or what is known if it died or hung."""
    mine = {path.resolve() for path in job.inputs}
    ours, theirs = context.Pipe(duplex=False)
    known = {path: value for path, value in hashes.items() if path in mine}
    process = context.Process(target=_work, args=(job, made_with, known, dict(os.environ), theirs), name=job.id)
    begun = time.monotonic()
    processes.start(process)
    theirs.close()
    ready = connection.wait([ours], job.limits.wall_seconds + job.limits.render_seconds + GRACE_SECONDS)
    outcome = None
    with ours, contextlib.suppress(Exception):  # EOFError, or half an answer
        outcome = ours.recv() if ready else None
    if outcome is not None:
        connection.wait([process.sentinel], GRACE_SECONDS)  # it has sent its outcome, and ends
    processes.end(process)
    if outcome is not None:
        return outcome
    if processes.stopped:
        raise CancelledError
    return _lost(job, process.exitcode if ready else None, time.monotonic() - begun)


def _work(
    job: ReportJob, made_with: Software, hashes: Mapping[Path, str], environment: Mapping[str, str], answer: Connection
) -> None:
    """The life of a report's own process."""
    take_over(environment)
    answer.send(run_report(job, made_with, hashes))
    answer.close()


def _lost(job: ReportJob, code: int | None, seconds: float) -> Outcome:
    """Record for a process that could not: renderers run in it, and a library in C may take it down. No code: it hung."""
    if code is None:
        error = ReportFailed(Reason.TIMEOUT, "渲染或发布", "rendering or publishing")
    else:
        error = ReportFailed(Reason.PROCESS, f"退出码 {code}", f"exit code {code}")
    try:
        with report_lock(job.folder):
            write_state(job.folder, State.FAILED, str(error.reason), str(error))
    except (EvaluationError, OSError):
        pass  # the outcome tells
    return Outcome(
        id=job.id,
        title=job.title,
        state=OutcomeState.FAILED,
        folder=job.folder,
        reason=str(error.reason),
        message=str(error),
        seconds=seconds,
    )


def _progress(outcomes: Sequence[Outcome | None], workers: int, begun: float, last: Outcome | None) -> Progress:
    known = [outcome for outcome in outcomes if outcome is not None]
    made = [outcome.seconds for outcome in known if outcome.state is not OutcomeState.CACHED][-50:]
    left = (len(outcomes) - len(known)) * sum(made) / len(made) / max(1, workers) if made else None
    return Progress(
        done=len(known),
        total=len(outcomes),
        last=last,
        seconds=time.monotonic() - begun,
        seconds_left=left,
        cached=sum(outcome.state is OutcomeState.CACHED for outcome in known),
        failed=sum(not outcome.exists for outcome in known),
    )
