"""The small fixed demo (合成数据) that notebooks show when opened by hand."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from toolkit.evaluation.results import RESULTS, Results, load
from toolkit.params import load_params
from toolkit.resources import kept, resource
from toolkit.running.manifest import code_hash
from toolkit.runs.pipeline import evaluate
from toolkit.runs.programme_cycle import run_cycle
from toolkit.runs.sources import content_hash


def golden() -> Results:
    """Its results, which nbval compares notebooks with; made again where parameters or code have changed."""
    return load(golden_folder() / RESULTS)


def golden_folder() -> Path:
    """Where it lies, records included."""
    folder, path = kept() / ".golden", resource("params/golden.yaml")
    folder.mkdir(parents=True, exist_ok=True)
    made_from, mark = content_hash([code_hash(), path.read_text("utf-8")]), folder / "made_from"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several notebooks may ask at once
        if not mark.is_file() or mark.read_text("utf-8") != made_from:  # the stages would tell too, in a second or two
            mark.unlink(missing_ok=True)
            evaluate(load_params(path), folder)
            mark.write_text(made_from, encoding="utf-8")
    return folder


def golden_programme() -> Path:
    """The folder of the example cycle, without reports; made again where parameters or code have changed."""
    folder, shipped = kept() / ".golden-programme", resource("params")
    folder.mkdir(parents=True, exist_ok=True)
    said = [path.read_text("utf-8") for path in sorted(shipped.rglob("*.yaml"))]
    made_from, mark = content_hash([code_hash(), *said]), folder / "made_from"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.is_file() or mark.read_text("utf-8") != made_from:
            mark.unlink(missing_ok=True)
            shutil.rmtree(folder / "cycle", ignore_errors=True)
            run_cycle(None, folder / "cycle")
            mark.write_text(made_from, encoding="utf-8")
    return folder / "cycle"
