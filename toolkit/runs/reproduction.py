"""A run made a second time, apart from the run that is examined: by the caller's parameter file, in a closed process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ParameterError, RunError
from toolkit.running.scratch import scratch
from toolkit.runs.differences import plain
from toolkit.runs.run_manifest import read_run_manifest


@dataclass(frozen=True, kw_only=True)
class Again:
    """The second run, as long as it lies there; `open` says what the system could not close around it."""

    folder: Path
    open: tuple[str, ...]


def asked_for(params: Path | None) -> Path:
    """The caller's parameter file, without which nothing is made again.

    Raises
    ------
    ParameterError
        None was given: those in the run's folder may name any command and any path.
    """
    if params is None:
        raise ParameterError(
            "重算要用您自己的参数文件",
            "a rerun takes commands, paths and plug-ins from your own parameter file only",
            where="--rerun",
            remedy="加 --params 参数文件；运行文件夹里的参数不会被采用",
            remedy_english="add --params FILE: what lies in the run's folder is not used",
        )
    return params


@contextmanager
def made_again(run: Path, params: Path, *, workers: int, quiet: bool) -> Iterator[Again]:
    """The run that `params` asks for, of the edition of `run`, in a folder that goes with the context.

    It is made by a process of its own that reaches no network and writes nowhere else, as far as the system has means for it.

    Raises
    ------
    RunError
        It did not come to its end.
    """
    manifest = read_run_manifest(run)
    edition = manifest["identity"]["edition"] if manifest else ""
    with scratch() as work:
        temporary = Path(work, "tmp")
        temporary.mkdir()
        command = [
            *(sys.executable, "-P", "-m", "toolkit", "run", str(params.absolute())),
            *("--reports", str(Path(work, "reports")), "--closed", "--fresh", "--json", "-j", str(workers)),
            *(("--edition", edition) if edition in {"internal", "release"} else ()),
        ]
        environment = {**os.environ, "TMPDIR": str(temporary), "XDG_STATE_HOME": str(temporary)}
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            env=environment,
            check=False,
        )
        try:
            told = json.loads(done.stdout)
            folder = Path(told["index"]).parent
        except (ValueError, KeyError, TypeError):
            raise RunError(
                "重算没有完成",
                f"the rerun did not come to its end, exit code {done.returncode}",
                where=str(params),
                remedy=f"它说：{plain(done.stderr.strip())}" if quiet else "见上面的信息",
                remedy_english="what it said" if quiet else "see the message above",
            ) from None
        yield Again(folder=folder, open=tuple(told.get("open", ())))
