"""Which reports a run has, and the pages and manifest around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit.evaluation.cohorts import has_other_windows
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import row_at, rows_of
from toolkit.indicators import CATALOGUE
from toolkit.release.disclosure import REPORTS as RELEASED
from toolkit.reporting.content.tables import Column, text
from toolkit.reporting.formats import handbook
from toolkit.reporting.formats.site import index
from toolkit.reporting.sections.change import projects, unit_changes, verdict_of
from toolkit.reporting.sections.front import provenance
from toolkit.resources import resource
from toolkit.running.publish import write_atomically
from toolkit.running.report import Outcome, ReportJob, report_folder
from toolkit.runs.run_manifest import NOTEBOOKS

HTML = "report.html"
HANDBOOK = "handbook.html"
RENDERERS = {HTML: "toolkit.reporting.formats.rendering:html"}
ABOVE = ".."  # a report's notebook runs, and lies, one folder below its run

# id -> notebook, title; those of the whole run, in the order of the index
OF_RUN = {
    "region_report": "区域评估报告",
    "data_quality": "数据质量报告",
    "indicators": "指标报告",
    "risk_grades": "死亡风险分级报告",
    "change": "建设前后变化报告",
    "robustness": "稳健性报告",
}
OVER_CYCLES = ("change", "robustness")


def jobs(results: Results, folder: Path) -> list[ReportJob]:
    """One job for each report of the run, in its folder."""
    inputs = sorted(p for p in (folder / "results").rglob("*") if p.is_file())
    made = []
    for id_, title in OF_RUN.items():
        if id_ in OVER_CYCLES and not results.params.cycles:
            continue
        of_report = {
            "indicators": {"indicator": "cost_index" if _has_cost(results) else "los_index"},
            "data_quality": {"hospital": ""},
        }
        parameters = {"run_folder": ABOVE, **of_report.get(id_, {})}
        made.append(_job(id_, title, id_, parameters, folder, inputs))
    for unit in rows_of(projects(results)):
        if results.params.edition == "release" and has_other_windows(results.params, unit.hospital, unit.specialty):
            continue  # numbers over other windows are not given out
        title = results.unit_name(unit.hospital, unit.specialty)
        made.append(_job(unit.id, title, "project_report", {"run_folder": ABOVE, "project": unit.id}, folder, inputs))
    return [job for job in made if results.params.edition == "internal" or job.template.stem in RELEASED]


def _has_cost(results: Results) -> bool:
    cells = results.cells[results.cells["indicator"] == "cost_index"]
    return bool(cells["value"].notna().any())


def _job(
    id_: str, title: str, notebook: str, parameters: dict[str, str], folder: Path, inputs: Sequence[Path]
) -> ReportJob:
    return ReportJob(
        id=id_,
        title=title,
        template=resource(f"{NOTEBOOKS}/{notebook}.ipynb"),
        parameters=parameters,
        folder=report_folder(folder, id_),
        inputs=inputs,
        renderers=RENDERERS,
    )


def write_index(results: Results, folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """The page that links every report of the run, and the handbook; failed ones are named with their reason."""
    exists = {o.id for o in outcomes if o.exists}
    primary = results.params.change.primary if results.params.cycles else []
    rows = []
    for unit in rows_of(projects(results)):
        if unit.id in exists:
            changes = unit_changes(results, unit.hospital, unit.specialty).set_index("indicator")
            verdicts = {
                i: verdict_of(row_at(changes, i)) if i in changes.index else Verdict.NOT_JUDGED.zh for i in primary
            }
            rows.append(
                {
                    "title": "项目评估报告",
                    "hospital": results.hospital_name(unit.hospital),
                    "href": f"{unit.id}/{HTML}",
                    "specialty": results.specialty_name(unit.specialty),
                    "level": unit.project,
                    **verdicts,
                }
            )
    columns = [Column(name=i, label=CATALOGUE[i].name_zh, format=text) for i in primary]
    frame = pd.DataFrame(rows, columns=["title", "hospital", "specialty", "level", "href", *primary])
    failed = pd.DataFrame(
        [(o.title, f"{o.reason} {o.message}".strip()) for o in outcomes if not o.exists], columns=["title", "reason"]
    )
    page = index(
        frame,
        provenance=provenance(results),
        columns=columns,
        filters=("specialty", "level"),
        failed=failed,
        links=[*[(title, f"{id_}/{HTML}") for id_, title in OF_RUN.items() if id_ in exists], ("指标手册", HANDBOOK)],
    )
    write_atomically(folder / HANDBOOK, handbook.page(results))
    path = folder / "index.html"
    write_atomically(path, page.encode("utf-8"))
    return path
