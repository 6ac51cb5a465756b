"""What a report costs and where its seconds go; what the help costs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

from benchmarks.measuring import CACHE, HERE, against_each_other, commands, report

PYTHON = sys.executable


def run(size: int, runs: int) -> None:
    measured = against_each_other(["reports:project", "reports:cells_only", "reports:figure"], 0, runs)
    starts = {
        "python": [PYTHON, "-c", ""],
        "imports of a report": [
            PYTHON,
            "-c",
            "import toolkit.reporting.sections.project, toolkit.reporting.figures.indicators",
        ],
        "kernel start and shutdown": [PYTHON, "-c", _KERNEL],
    }
    report(
        "reports",
        0,
        [*measured, *commands(starts, runs)],
        note="ratio to a whole project report; the whole demo: python -m benchmarks demo",
    )


def run_help(size: int, runs: int) -> None:
    named = {"python": [PYTHON, "-c", ""], "speceval --help": [PYTHON, "-m", "toolkit", "--help"]}
    report("help", 0, commands(named, runs))


def run_demo(size: int, runs: int) -> None:
    folder = CACHE / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    command = [PYTHON, "-c", _DEMO.format(params=str(HERE.parent / "params" / "demo.yaml"), folder=str(folder))]
    report("demo", 150_000, commands({"demo, all reports": command}, min(runs, 2)))


_KERNEL = (
    "from jupyter_client.manager import start_new_kernel as s; m, c = s(kernel_name='python3'); "
    "c.stop_channels(); m.shutdown_kernel(now=True)"
)
_DEMO = """
import shutil
from pathlib import Path
from toolkit.params import load_params
from toolkit.runs.pipeline import run
shutil.rmtree({folder!r}, ignore_errors=True)
made = run(load_params(Path({params!r})), Path({folder!r}))
assert all(o.exists for o in made.outcomes)
""".replace("{folder!r}", "'{folder}'").replace("{params!r}", "'{params}'")


def project(size: int) -> Callable[[], None]:
    """One project report as the runner makes it: kernel, imports, cells, page, manifest."""
    from toolkit import open_run
    from toolkit.running.report import run_report
    from toolkit.runs.plan import jobs

    results, folder = open_run(), CACHE / "report"
    golden = HERE.parent / "reports" / ".golden" / "results"

    def work() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(golden, folder / "results")
        [job] = [j for j in jobs(results, folder) if j.template.stem == "project_report"][:1]
        outcome = run_report(job)
        if not outcome.exists:
            raise RuntimeError(f"{outcome.reason} {outcome.message}")

    return work


def cells_only(size: int) -> Callable[[], None]:
    """The notebook's code in this process, warm: the lower bound."""
    import json

    from toolkit import open_run

    open_run()
    notebook = json.loads((HERE.parent / "notebooks" / "project_report.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]

    def work() -> None:
        names: dict[str, object] = {}
        for cell in cells:
            exec(cell, names)

    return work


def figure(size: int) -> Callable[[], None]:
    """One ranking of 24 units."""
    import pandas as pd

    from toolkit.reporting.figures.indicators import ranking

    value = [0.8 + 0.02 * i for i in range(24)]
    frame = pd.DataFrame(
        {
            "label": [f"合成县第{i}医院（合成数据）" for i in range(24)],
            "value": value,
            "low": [v - 0.1 for v in value],
            "high": [v + 0.1 for v in value],
            "n": 500,
            "highlight": [i == 3 for i in range(24)],
        }
    )

    def work() -> None:
        ranking(frame, id="figure", caption="figure", x_label="value")

    return work
