"""The reports of a whole cycle: which notebooks, on which files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.evaluation.results import RESULTS
from toolkit.programme.opened_cycle import REGION, TABLES
from toolkit.resources import resource
from toolkit.running.pool import run_reports
from toolkit.running.report import Outcome, ReportJob, report_folder
from toolkit.runs.plan import ABOVE, OF_REPORT
from toolkit.runs.run_manifest import NOTEBOOKS

REPORTS = {
    "selection": "遴选报告",
    "panel": "专家评分报告",
    "rehearsal": "判定规则预演报告",
    "end_evaluation": "期末评估报告",
}


def cycle_reports(folder: Path, workers: int = 2) -> Sequence[Outcome]:
    """The four reports of a cycle, each in its folder below `folder`."""
    inputs = [
        *sorted((folder / TABLES).iterdir()),
        *sorted(p for p in (folder / REGION / RESULTS).iterdir() if p.is_file()),
    ]
    jobs = [
        ReportJob(
            id=id_,
            title=title,
            template=resource(f"{NOTEBOOKS}/{id_}.ipynb"),
            parameters={"run_folder": ABOVE},
            folder=report_folder(folder, id_),
            inputs=inputs,
            renderers=OF_REPORT,
        )
        for id_, title in REPORTS.items()
    ]
    return run_reports(jobs, workers=workers)
