"""One report from job to folder: locked, run, rendered, published; or failed with a reason and the old one intact."""

from __future__ import annotations

import contextlib
import getpass
import re
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ContractBroken, EvaluationError, ParameterError
from toolkit.running import manifest as manifests
from toolkit.running.limits import Limits, Reason, ReportFailed
from toolkit.running.manifest import Identity, Software, input_names, is_current, manifest_bytes, read_manifest
from toolkit.running.notebook import execute, far_socket_folder, file_hash, prepared
from toolkit.running.parameters import Value
from toolkit.running.publish import (
    MANIFEST,
    RECORD,
    STATE,
    State,
    beside,
    canonical,
    clear_leftovers,
    explained,
    publish,
    read_state,
    report_lock,
    write_state,
)

if TYPE_CHECKING:
    from nbformat import NotebookNode

ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
FILE = re.compile(r"[0-9A-Za-z_-]{1,64}(\.[0-9a-z]{1,8}){1,2}")
NOTEBOOK = "notebook.ipynb"
Renderer = str | Callable[["NotebookNode"], bytes]


@dataclass(frozen=True, kw_only=True)
class ReportJob:
    """One report to make.

    Parameters
    ----------
    id
        Matches `[0-9A-Za-z_-]{1,64}`; also the name of the folder. Never a hospital's name.
    title
        For messages and progress.
    template, parameters, inputs
        See `toolkit.running.notebook.execute`. A directory among the inputs stands for all files in it.
    folder
        Where the report is published; see `report_folder`.
    renderers
        Published file name → function from the executed notebook to bytes, or its name as "module:function".
        `notebook.ipynb` is published beside them in any case.
    limits
        What the run may use; no part of the cache key.
    extra
        Further key material: what the report depends on and the runner cannot see.
    fresh
        Make it although the one that is there verifies.
    """

    id: str
    title: str
    template: Path
    parameters: Mapping[str, Value]
    folder: Path
    inputs: Sequence[Path] = ()
    renderers: Mapping[str, Renderer] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    extra: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False

    def __post_init__(self) -> None:
        if report_folder(self.folder.parent, self.id).name != self.folder.name:
            raise ParameterError(
                f"报告目录名 {self.folder.name!r} 与编号 {self.id!r} 不符",
                "the folder is not named by the id",
                remedy="用 report_folder(运行目录, 编号)",
                remedy_english="use report_folder(run directory, id)",
            )
        for name in self.renderers:
            if not FILE.fullmatch(name) or name in {MANIFEST, RECORD, STATE, NOTEBOOK}:
                raise ParameterError(
                    f"不能发布名为 {name!r} 的文件",
                    f"a file named {name!r} cannot be published",
                    where=self.id,
                    remedy="文件名用字母、数字、_、- 和扩展名",
                    remedy_english="use letters, digits, _, - and a suffix",
                )


class OutcomeState(StrEnum):
    """What became of a job: made now, found already made, failed, or not begun."""

    DONE = "DONE"
    CACHED = "CACHED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one job. `reason` is one of `Reason`, empty if the report exists; `message` has the remedy."""

    id: str
    title: str
    state: OutcomeState
    folder: Path
    reason: str = ""
    message: str = ""
    key: str = ""
    seconds: float = 0.0

    @property
    def exists(self) -> bool:
        return self.state in {OutcomeState.DONE, OutcomeState.CACHED}


def report_folder(run: Path, report_id: str) -> Path:
    """The folder of a report in its run directory.

    Raises
    ------
    ParameterError
        The id could name something else than one folder there.
    """
    if not isinstance(report_id, str) or not ID.fullmatch(report_id):
        raise ParameterError(
            f"报告编号 {report_id!r} 不合规",
            f"bad report id {report_id!r}",
            where=str(run),
            remedy="编号只用 1 至 64 个字母、数字、_、-",
            remedy_english="1 to 64 letters, digits, _ or -",
        )
    folder = run / report_id
    if folder.is_symlink():
        raise ParameterError(
            f"报告目录 {report_id} 是链接",
            f"the report's folder {report_id} is a link",
            where=str(folder),
            remedy="删去该链接",
            remedy_english="remove the link",
        )
    return folder


def identity(job: ReportJob, software: Software, hashes: Mapping[Path, str]) -> Identity:
    """What the report depends on. `hashes` holds inputs that are known already, by resolved path."""
    return Identity(
        template=manifests.template_hash(job.template),
        parameters=dict(job.parameters),
        extra=dict(job.extra),
        inputs={name: hashes.get(path) or file_hash(path) for name, path in input_names(job.inputs).items()},
        renderers={name: renderer_name(renderer) for name, renderer in job.renderers.items()},
        software=software,
    )


def renderer_name(renderer: Renderer) -> str:
    """The renderer as "module:function"; part of the cache key."""
    return renderer if isinstance(renderer, str) else f"{renderer.__module__}:{renderer.__qualname__}"


def run_report(job: ReportJob, software: Software | None = None, hashes: Mapping[Path, str] | None = None) -> Outcome:
    """Make one report in this process, or find that it is there.

    Parameters
    ----------
    job
        What to make.
    software, hashes
        What the caller knows already: the software, and the inputs' hashes at the start of the whole run.

    Returns
    -------
    Outcome
        Never raises for anything that concerns this report alone.
    """
    begun = time.monotonic()

    def outcome(state: OutcomeState, key: str = "", error: Exception | None = None) -> Outcome:
        reason = getattr(error, "reason", Reason.REQUEST) if error else ""
        return Outcome(
            id=job.id,
            title=job.title,
            state=state,
            folder=job.folder,
            key=key,
            reason=str(reason),
            message=str(error) if error else "",
            seconds=time.monotonic() - begun,
        )

    try:
        prepared(job.template, job.parameters)
        with report_lock(job.folder):
            made_from = _ready(job, software or manifests.software(), hashes or {})
            if not job.fresh and is_current(job.folder, made_from.key):
                if read_state(job.folder).get("state") != State.DONE:
                    write_state(job.folder, State.DONE)
                return outcome(OutcomeState.CACHED, made_from.key)
            write_state(job.folder, State.PREPARED)
            try:
                _make(job, made_from, begun)
            except EvaluationError as error:
                with contextlib.suppress(EvaluationError, OSError):  # on a full disk the outcome alone tells
                    reason = getattr(error, "reason", Reason.REQUEST)
                    write_state(job.folder, State.FAILED, str(reason), str(error))
                return outcome(OutcomeState.FAILED, made_from.key, error)
            return outcome(OutcomeState.DONE, made_from.key)
    except EvaluationError as error:
        return outcome(OutcomeState.REFUSED, error=error)
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        missing = ReportFailed(Reason.INPUT, f"找不到 {name}", f"{name} is missing", where=str(error.filename))
        return outcome(OutcomeState.REFUSED, error=missing)


def _ready(job: ReportJob, software: Software, hashes: Mapping[Path, str]) -> Identity:
    """Clear what an earlier run left, and refuse what could not be published in the end."""
    for work in clear_leftovers(job.folder):
        shutil.rmtree(far_socket_folder(work), ignore_errors=True)
    trial = beside(job.folder, "tmp")
    with explained(job.folder.parent):
        trial.mkdir()
        trial.rmdir()
    known = {MANIFEST, RECORD, STATE, NOTEBOOK, *job.renderers, *((read_manifest(job.folder) or {}).get("files", ()))}
    foreign = sorted({path.name for path in job.folder.glob("*")} - known)
    if foreign:  # the folder is replaced as a whole: somebody's signed scan would go with it
        raise ReportFailed(
            Reason.FOREIGN,
            "、".join(foreign),
            ", ".join(foreign),
            where=str(job.folder),
            remedy="把这些文件移到别处",
            remedy_english="move them elsewhere",
        )
    return identity(job, software, hashes)


def _make(job: ReportJob, made_from: Identity, begun: float) -> None:
    """Run, render and publish."""
    inputs = input_names(job.inputs)
    work = beside(job.folder, "work")
    with explained(job.folder.parent):
        work.mkdir(mode=0o700)
    try:
        write_state(job.folder, State.RUNNING)
        notebook = execute(job.template, job.parameters, work, job.limits)
        files = {NOTEBOOK: notebook_bytes(notebook)}
        files |= {name: rendered(name, renderer, notebook) for name, renderer in job.renderers.items()}
        for name, path in inputs.items():  # against the start of the whole run, so that its reports agree
            if not path.exists() or file_hash(path) != made_from.inputs[name]:
                raise ReportFailed(
                    Reason.INPUT,
                    name,
                    name,
                    where=str(path),
                    remedy="等文件不再改动后重新运行",
                    remedy_english="run again once the file is at rest",
                )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    record = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": round(time.monotonic() - begun, 3),
        "host": socket.gethostname(),
        "user": _user(),
        "title": job.title,
        "folder": str(job.folder),
    }
    publish(job.folder, files, manifest_bytes(made_from, files), canonical(record))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """The executed notebook as it is published."""
    return canonical(notebook)


def _named(renderer: str) -> Callable[[NotebookNode], bytes]:
    module, _, attribute = renderer.partition(":")
    return getattr(import_module(module), attribute)


def rendered(name: str, renderer: Renderer, notebook: NotebookNode) -> bytes:
    """One published file.

    Raises
    ------
    ReportFailed
        The renderer failed. Its message is told only if the toolkit wrote it: others may quote a record.
    """
    try:
        function = renderer if callable(renderer) else _named(renderer)
        content = function(notebook)
    except EvaluationError as error:
        raise ReportFailed(Reason.RENDER, f"{name}: {error.problem}", f"{name}: {error.english}") from None
    except Exception as error:
        told = f"{name}: {type(error).__name__}"
        raise ReportFailed(Reason.RENDER, told, told) from None
    if not isinstance(content, bytes) or not content:
        given = renderer_name(renderer)
        raise ContractBroken(f"渲染函数 {given} 没有给出内容", f"renderer {given} gave no bytes", where=name)
    return content
