"""Small templates and jobs for the fault tests, and a program that runs one, asked for in JSON."""

import json
import os
import sys
import time
from hashlib import sha256
from pathlib import Path

from toolkit.running import Limits, ReportJob, publish, report_folder, run_report

QUICK = Limits(cell_seconds=4, wall_seconds=25)
YEAR = "year: int = 2019  # 年度"


def write_template(folder, *cells, parameters=YEAR, tagged=1, name=None):
    """A template with `tagged` parameters cells."""
    folder.mkdir(parents=True, exist_ok=True)

    def code(position, source, tags=()):
        return {
            "cell_type": "code",
            "id": f"c{position}",
            "source": source,
            "metadata": {"tags": list(tags)},
            "outputs": [],
            "execution_count": None,
        }

    sources = [(parameters, ["parameters"])] * tagged or [(parameters, [])]
    sources += [(cell, []) for cell in cells]
    notebook = {
        "cells": [code(n, source, tags) for n, (source, tags) in enumerate(sources)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = folder / (name or f"t{sha256(json.dumps(notebook).encode()).hexdigest()[:12]}.ipynb")
    path.write_text(json.dumps(notebook, ensure_ascii=False), "utf-8")
    return path


def page(notebook):
    """Render: what the cells printed."""
    printed = "".join(o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs)
    return f"<p>{printed}</p>".encode()


def job(run, template, report="r1", year=2023, **more):
    more = {"parameters": {"year": year}, "renderers": {"report.html": "small_reports:page"}, "limits": QUICK, **more}
    return ReportJob(id=report, title=report, template=template, folder=report_folder(run, report), **more)


def leftovers(run):
    """Everything in a run directory that belongs to no report: empty after a start has ended."""
    return sorted(p.name for p in run.glob(".*") if p.name != ".locks") + sorted(p.name for p in run.glob("*/.tmp-*"))


def wait_for(path, seconds=30):
    """Wait until a file is there and has content."""
    end = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text()


def alive(pid):
    """Whether a process lives; one that is dead but not yet collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pid, seconds=10):
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])

    def die(step):
        if step == asked.get("die_at"):
            os._exit(9)

    publish.fault_point = die
    outcome = run_report(job(Path(asked["run"]), Path(asked["template"]), year=asked.get("year", 2023)))
    print(json.dumps([outcome.state, outcome.reason]))  # noqa: T201
