"""Which reports a run has, and the pages and manifest around them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit.evaluation.cells import report_id
from toolkit.evaluation.cohorts import has_other_windows
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import row_at, rows_of
from toolkit.release.disclosure import REPORTS as RELEASED
from toolkit.reporting.content.plain_words import BOUNDARY, SUMMARIES, summary
from toolkit.reporting.content.tables import Column, text
from toolkit.reporting.content.values import marked, name_on
from toolkit.reporting.formats import handbook
from toolkit.reporting.formats.document import FORMATS, Part, document, file_name
from toolkit.reporting.formats.fonts import FONT, characters, web_font
from toolkit.reporting.formats.html import page
from toolkit.reporting.formats.site import index
from toolkit.reporting.sections.change import projects, unit_changes
from toolkit.reporting.sections.front import provenance
from toolkit.reporting.sections.hospital import blocks as hospital_page
from toolkit.resources import resource
from toolkit.running.publish import write_atomically
from toolkit.running.report import Outcome, ReportJob, report_folder
from toolkit.runs.run_manifest import HANDBOOK, INDEX, NOTEBOOKS

HTML = file_name(Part.REPORT, "html")
ANNEX = file_name(Part.ANNEX, "html")
RENDERING = "toolkit.reporting.formats.rendering"
OF_REPORT = {file_name(Part.REPORT, f): f"{RENDERING}:{f}" for f in FORMATS}
OF_ANNEX = {file_name(Part.ANNEX, f): f"{RENDERING}:annex_{f}" for f in FORMATS}
TIERED = ("project_report", "region_report")  # notebooks that end in a technical annex
HOSPITALS = "hospitals"  # folder of a run with a page for each hospital that has a project
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
        renderers=OF_REPORT | (OF_ANNEX if notebook in TIERED else {}),
    )


def _verdict(change: pd.Series) -> str:
    """The word with its mark; what an undecided one excludes stands in the report."""
    return marked(change["verdict"]) + (BOUNDARY if change["boundary"] else "")


def _files(id_: str) -> tuple[tuple[str, str], ...]:
    """A project's report in other formats, and its annex."""
    others = [(words, f"{id_}/{file_name(Part.REPORT, f)}") for f, words in FORMATS.items() if f != "html"]
    return (*others, (Part.ANNEX.zh, f"{id_}/{ANNEX}"))


def _write_hospitals(results: Results, folder: Path, exists: set[str]) -> dict[str, str]:
    """A page for every hospital with a report, in place of those of last time: hospital -> path below the run's folder.

    Not in the release edition, which is given out by project.
    """
    shutil.rmtree(folder / HOSPITALS, ignore_errors=True)
    units = projects(results)
    hospitals = [] if results.params.edition == "release" else sorted(set(units[units["id"].isin(exists)]["hospital"]))
    made = {}
    for hospital in hospitals:
        name = f"{HOSPITALS}/{report_id(hospital, 'all')}.html"
        shown = document(hospital_page(results, hospital), provenance(results))
        (folder / HOSPITALS).mkdir(exist_ok=True)
        write_atomically(folder / name, page(shown).encode("utf-8"))
        made[hospital] = name
    return made


def write_index(results: Results, folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """The page that links every report of the run, and the handbook; failed ones are named with their reason."""
    exists = {o.id for o in outcomes if o.exists}
    pages = _write_hospitals(results, folder, exists)
    primary = results.params.change.primary if results.params.cycles else []
    places = dict(zip(results.hospitals["code"], results.hospitals["county"].fillna(""), strict=True))
    rows = []
    for unit in rows_of(projects(results)):
        if unit.id in exists:
            changes = unit_changes(results, unit.hospital, unit.specialty).set_index("indicator")
            verdicts = {
                i: _verdict(row_at(changes, i)) if i in changes.index else Verdict.NOT_JUDGED.zh for i in primary
            }
            rows.append(
                {
                    "title": "项目评估报告",
                    "hospital": results.hospital_name(unit.hospital),
                    "hospital_page": pages.get(unit.hospital, ""),
                    "href": f"{unit.id}/{HTML}",
                    "specialty": results.specialty_name(unit.specialty),
                    "level": unit.project,
                    "place": places.get(unit.hospital, ""),
                    "summary": summary(
                        [row_at(changes, i).to_dict() | {"indicator": i} for i in primary if i in changes.index]
                    ),
                    "files": _files(unit.id),
                    **verdicts,
                }
            )
    # the verdict first, then what tells hospitals apart
    columns = [Column(name="summary", label="结论", format=text)] if primary else []
    columns += [Column(name="place", label="县（市、区）", format=text)] if any(row["place"] for row in rows) else []
    columns += [Column(name=i, label=name_on(i, "frozen"), format=text) for i in primary]
    frame = pd.DataFrame(
        rows,
        columns=[
            "title",
            "hospital",
            "hospital_page",
            "specialty",
            "level",
            "href",
            "place",
            "summary",
            "files",
            *primary,
        ],
    )
    frame["summary"] = pd.Categorical(frame["summary"], SUMMARIES, ordered=True)
    failed = pd.DataFrame(
        [(o.title, f"{o.reason} {o.message}".strip()) for o in outcomes if not o.exists], columns=["title", "reason"]
    )
    listed = index(
        frame,
        provenance=provenance(results),
        columns=columns,
        filters=("specialty", "level", "place", *(["summary", *primary] if primary else [])),
        failed=failed,
        links=[*[(title, f"{id_}/{HTML}") for id_, title in OF_RUN.items() if id_ in exists], ("指标手册", HANDBOOK)],
    )
    write_atomically(folder / HANDBOOK, handbook.page(results))
    path = folder / INDEX
    write_atomically(path, listed.encode("utf-8"))
    shown = [folder / o.id / name for o in outcomes if o.exists for name in (HTML, ANNEX)]
    shown += [folder / one for one in pages.values()]
    used = characters(p for p in [path, folder / HANDBOOK, *shown] if p.is_file())
    write_atomically(folder / FONT, web_font(used))
    return path
