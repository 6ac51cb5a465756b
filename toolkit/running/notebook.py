"""One notebook, run once, believed only when everything shows that it ran to its end."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import errors
from toolkit.documents import Document
from toolkit.running import guard
from toolkit.running.cleaning import RUNNER, clean
from toolkit.running.limits import Limits, Reason, ReportFailed
from toolkit.running.parameters import Value, check, declared, read_template, tags
from toolkit.running.processes import SAME_EVERYWHERE, SINGLE_THREAD, kill, kill_marked, short_room, warm_context
from toolkit.running.scratch import held

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbformat import NotebookNode

LONGEST_SOCKET_FOLDER = 60  # the name of a socket may have 107 bytes; the kernel adds to it


def execute(
    template: Path,
    parameters: Mapping[str, Value],
    work: Path,
    limits: Limits | None = None,
    inputs: Iterable[Path] = (),
) -> NotebookNode:
    """Run `template` with `parameters` and return it executed and cleaned: two equal runs give equal bytes.

    Parameters
    ----------
    template
        Notebook with exactly one cell tagged `parameters`; the file is only read.
    parameters
        Every parameter that the template declares, no other, each of exactly its type.
    work
        Directory of this run, made if absent: the notebook's current directory. The caller removes it.
    limits
        What the run may use.
    inputs
        Files that must not change while the notebook runs.

    Raises
    ------
    ParameterError, ContractBroken
        Parameters or template are wrong. Nothing has been started.
    ReportFailed
        The notebook did not run whole; no process of it is left.
    """
    limits = limits or Limits()
    asked = prepared(template, parameters)
    before = {path: file_hash(path) for path in inputs}
    work.mkdir(parents=True, exist_ok=True)
    token, mark = secrets.token_hex(16), secrets.token_hex(16)
    framed = with_runner_cells(asked, token, limits)
    sockets = socket_folder(work)
    try:
        with held(sockets):
            answer = _driven(framed, parameters, work, sockets, mark, limits)
    finally:
        kill_marked(mark)
        shutil.rmtree(sockets, ignore_errors=True)
    notebook = believed(answer, token, limits)
    for path, digest in before.items():
        if not path.exists() or file_hash(path) != digest:
            raise ReportFailed(
                Reason.INPUT,
                path.name,
                path.name,
                where=str(path),
                remedy="等文件不再改动后重新运行",
                remedy_english="run again once the file is at rest",
            )
    return clean(notebook)


def prepared(template: Path, given: Mapping[str, Value]) -> Document:
    """The template, after its parameters cell and what was given have been found to fit."""
    asked = read_template(template)
    check(declared(asked, template.name), given, template.name)
    return asked


def with_runner_cells(template: Document, token: str, limits: Limits) -> Document:
    """The template between a first cell that sets up the watch and a last one that prints the end marker."""
    patience = max(1.0, min(30.0, limits.cell_seconds / 2))
    first, last = (  # type: ignore[var-annotated]  # dictionaries of mixed values
        {
            "cell_type": "code",
            "id": name,
            "source": source,
            "metadata": {"tags": [RUNNER]},
            "outputs": [],
            "execution_count": None,
        }
        for name, source in (
            ("runner-first", guard.WATCH),
            ("runner-last", guard.FINISH.format(token=token, seconds=patience)),
        )
    )
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": [first, *template["cells"], last], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def socket_folder(work: Path) -> Path:
    """A new private folder for the kernel's sockets, near `work` if its name is short enough."""
    name = "k" + hashlib.sha256(str(work.resolve()).encode()).hexdigest()[:10]
    near = work.resolve() / name
    if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER:
        shutil.rmtree(near, ignore_errors=True)  # of a run of the same work directory that was killed
        near.mkdir(mode=0o700)
        return near
    folder = far_socket_folder(work)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)  # fails if somebody else has put something there
    return folder


def far_socket_folder(work: Path) -> Path:
    """Where the sockets go when `work` has a long name; known beforehand, so that leftovers can be found."""
    digest = hashlib.sha256(str(work.resolve()).encode()).hexdigest()[:16]
    return Path(short_room()) / f"speceval-{os.getuid()}-{digest}"


def _driven(
    template: Document, given: Mapping[str, Value], work: Path, sockets: Path, mark: str, limits: Limits
) -> Document:
    """Start the driving process, wait for its answer up to the wall limit, and end it."""
    context = warm_context()
    from toolkit.running.driver import Request, drive  # after the server has started: there it is imported once

    # whole names: the kernel's own folder is another, and one that it does not find it makes among the temporary ones
    private = {"IPYTHONDIR": work.resolve() / ".ipython", "JUPYTER_RUNTIME_DIR": work.resolve() / ".jupyter"}
    environment = {**os.environ, **SINGLE_THREAD, **SAME_EVERYWHERE, **{k: str(v) for k, v in private.items()}}
    for name in ("PYTHONSTARTUP", "PYTHONINSPECT", "JPY_PARENT_PID"):
        environment.pop(name, None)
    request = Request(
        template=template,
        parameters=dict(given),
        work=work.resolve(),
        sockets=sockets,
        mark=mark,
        environment=environment,
        limits=limits,
    )
    end = time.monotonic() + limits.wall_seconds
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=drive, args=(request, theirs), name=f"drive {work.name}")
    process.start()
    theirs.close()
    try:
        if not ours.poll(max(0.0, end - time.monotonic())):
            raise timed_out(limits)
        return json.loads(ours.recv_bytes().decode("utf-8", "surrogatepass"))
    except EOFError:
        raise ReportFailed(Reason.KERNEL, "驱动进程中断", "the driving process died") from None
    finally:
        kill(process.pid)
        process.join()
        ours.close()


def timed_out(limits: Limits) -> ReportFailed:
    """The failure past a limit of time."""
    return ReportFailed(
        Reason.TIMEOUT,
        f"单元限 {limits.cell_seconds} 秒、整本限 {limits.wall_seconds:g} 秒",
        f"limits: {limits.cell_seconds} s a cell, {limits.wall_seconds:g} s in all",
        remedy="检查是否有死循环，或提高时间上限",
        remedy_english="look for an endless loop, or raise the limits",
    )


def believed(answer: Document, token: str, limits: Limits) -> NotebookNode:
    """The executed notebook, if every sign of a whole run is there; papermill's own record is no sign.

    Raises
    ------
    ReportFailed
        With the first sign that is missing.
    """
    from nbformat import from_dict

    notebook = from_dict(answer["notebook"]) if answer["notebook"] else from_dict({"cells": []})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # the reader counts the cells of the template: the runner's and the injected one are not in it
    number = {
        id(cell): n
        for n, cell in enumerate((c for c in code if not {RUNNER, "injected-parameters"} & set(tags(c))), start=1)
    }
    reason = answer["reason"] and Reason(answer["reason"])
    reached = max([number.get(id(cell), 0) for cell in code if cell.get("execution_count")], default=0)
    if reason is Reason.TIMEOUT:
        raise timed_out(limits)
    if reason is not None:
        remedy = {
            Reason.MEMORY: ("减少数据或提高内存上限", "use less data or raise the memory limit"),
            Reason.OUTPUT: (f"上限 {limits.output_bytes} 字节", "print less"),
        }.get(reason, ("查看主机内存与日志后重新运行", "look at the host's memory and logs, then run again"))
        kind = f"，{answer['kind']}" if answer["kind"] else ""
        raise ReportFailed(
            reason,
            f"约在第 {reached} 个代码单元{kind}",
            f"near code cell {reached}",
            remedy=remedy[0],
            remedy_english=remedy[1],
        )
    for cell in code:
        for output in cell.outputs:
            if output.output_type == "error":
                raise cell_failed(number.get(id(cell), 0), output.ename, output.evalue)
    for cell in code:
        if cell.get("execution_count") is None:
            raise ReportFailed(
                Reason.CELL,
                f"第 {number.get(id(cell), 0)} 个代码单元没有运行",
                f"code cell {number.get(id(cell), 0)} did not run",
            )
    printed = "".join(o.text for o in code[-1].outputs if o.output_type == "stream" and o.name == "stdout")
    faults = guard.read_marker(printed, token)
    if faults is None:
        raise ReportFailed(Reason.KERNEL, "没有结束标记", "no end marker")
    if faults:
        raise hidden_fault(faults[0])
    return notebook


def cell_failed(number: int, kind: str, message: str) -> ReportFailed:
    """What may be told about a failed cell: the type, and the message only where the toolkit wrote it itself."""
    if kind == "MemoryError":
        where = f"第 {number} 个代码单元", f"code cell {number}"
        return ReportFailed(Reason.MEMORY, *where, remedy="减少数据或提高内存上限", remedy_english="raise the limit")
    told = kind
    if kind in toolkit_errors():
        told = f"{kind}: {message.splitlines()[0] if message else ''}"
    return ReportFailed(
        Reason.CELL,
        f"第 {number} 个代码单元：{told}",
        f"code cell {number}: {kind}",
        remedy="在 JupyterLab 中用同样参数打开模板，可见全部错误",
        remedy_english="open the template in JupyterLab with the same parameters to see all of it",
    )


def toolkit_errors() -> set[str]:
    """Names of the toolkit's own errors, whose messages never hold a patient's value."""
    kinds, queue = set(), [errors.EvaluationError]
    while queue:
        kind = queue.pop()
        kinds.add(kind.__name__)
        queue += kind.__subclasses__()
    return kinds


def hidden_fault(fault: Mapping[str, str]) -> ReportFailed:
    """A fault that no cell showed."""
    what = fault["what"]
    if fault["kind"] == "shell":
        return ReportFailed(Reason.CELL, f"外部命令返回 {what}", f"a shell command returned {what}")
    if fault["kind"] == "exit":
        return ReportFailed(Reason.CELL, "单元要求退出", "a cell asked to quit")
    if what == "unfinished":
        return ReportFailed(Reason.CELL, "有线程没有结束", "a thread did not end")
    return ReportFailed(Reason.CELL, f"线程中出现 {what}", f"{what} in a thread")


def file_hash(path: Path) -> str:
    """sha256 of a file, or of all files of a directory with their names."""
    if path.is_dir():
        parts = [
            f"{file.relative_to(path).as_posix()} {file_hash(file)}"
            for file in sorted(path.rglob("*"), key=lambda file: file.relative_to(path).as_posix())
            if file.is_file()
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
