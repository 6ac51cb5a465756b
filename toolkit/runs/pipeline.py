"""The one place that composes the layers: parameters in, results and reports out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import pandas as pd

from toolkit.data.discharge.identity import state_folder
from toolkit.data.intake import Intake
from toolkit.data.lists.published import check_published
from toolkit.data.store import DISCHARGES
from toolkit.documents import Entries
from toolkit.errors import RunError
from toolkit.evaluation.intake_check import IntakeCheck, intake_check, refuse_unmatched_projects, stored_counts
from toolkit.evaluation.names import check_choices
from toolkit.evaluation.results import DATA, RESULTS, Results
from toolkit.params import RELEASE_SUFFIX, RunParams
from toolkit.release.register import entries, note, refuse_revealing, resting_on
from toolkit.reporting.formats.fonts import FONT
from toolkit.reporting.sections.change import projects
from toolkit.running.pool import Progress as Reported
from toolkit.running.pool import run_reports
from toolkit.running.publish import LOCKS, room, run_task, write_state
from toolkit.running.report import Outcome
from toolkit.runs.asked import CELLS, Progress, quiet
from toolkit.runs.evaluated import put_together, put_together_release, release_of, results_of, stated, stated_files
from toolkit.runs.explain import TABLES_ANEW, Why, why_reports
from toolkit.runs.finished import WORKLISTS, lists_of, worklists
from toolkit.runs.plan import OF_RUN, jobs, write_index
from toolkit.runs.run_manifest import (
    ASIDE,
    HANDBOOK,
    INDEX,
    code_of,
    finished,
    leave_nothing_of_ours,
    leftover,
    record_of,
    write_run_manifest,
)
from toolkit.runs.stage import EVALUATION, Product
from toolkit.runs.stages import EVALUATED, INTAKE, RELEASED
from toolkit.runs.walk import Walk


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run and where it lies; `why` says of each stage and report why it was kept or made."""

    folder: Path
    results: Results
    outcomes: Sequence[Outcome] = ()
    why: Sequence[Why] = ()


def run(
    params: RunParams,
    reports: Path,
    *,
    workers: int = 2,
    progress: Progress = quiet,
    on_report: Callable[[Reported], None] = lambda _: None,
    fresh: bool = False,
    head: Entries | None = None,
) -> Run:
    """Evaluate, make every report, write the index page and the run's manifest.

    Parameters
    ----------
    reports
        Folder under which the run gets its own, named by `params.run`; the release edition stands beside it.
    on_report
        Called after each report.
    fresh
        Make everything anew. Else stages and reports that verify for the same inputs, choices and code are kept.
    head
        `number` and `hash` of the last entry of the programme's ledger, sealed in the manifest: who cuts the ledger off later
        or writes it anew is seen.

    Returns
    -------
    Run
        With one outcome a report; a failed report never stops the others.

    Raises
    ------
    ReportFailed
        Another process works in the folder, the disk is full, or the folder is closed.
    """
    began = monotonic()
    folder = reports / params.run
    with ExitStack() as held:
        held.enter_context(run_task(folder))
        walk, code = Walk(params, folder, fresh=fresh, progress=progress), code_of(folder)
        results = evaluated(walk)
        if params.edition == "release":
            write_state(folder, *finished(folder))
            folder = release_folder(folder)
            only_a_release(folder, results)
            code = code_of(folder)
            held.enter_context(run_task(folder))
            exact, results = results, released(walk, results, folder)
            rests = resting_on(exact, results)
        seconds = {"tables": monotonic() - began}
        made = [replace(job, fresh=fresh) for job in jobs(results, folder)]
        why = (*walk.why, *why_reports(made, code, walk.hashes.of))
        outcomes = run_reports(made, workers=workers, progress=on_report, hash_of=walk.hashes.of)
        seconds["reports"] = monotonic() - began - seconds["tables"]
        write_index(results, folder, outcomes)
        write_run_manifest(results, folder, outcomes, record_of(params, seconds, workers), head)
        write_state(folder, *finished(folder))
        if params.edition == "release":
            leave_nothing_of_ours(folder)
            note(release_register(), f"{params.run}-{exact.facts.data_hash[:12]}", rests)
    return Run(folder=folder, results=results, outcomes=outcomes, why=why)


def evaluate(params: RunParams, folder: Path, progress: Progress = quiet) -> Results:
    """Records to results: everything but the reports, in `folder`; stages that verify are kept.

    Raises
    ------
    InputError, ParameterError, UnbalancedError
        Before any result is written.
    """
    return evaluated(Walk(params, folder, progress=progress))


def evaluated(walk: Walk) -> Results:
    """The results of a run, stage by stage."""
    check_choices(walk.params)
    check_published(walk.params)
    with room(walk.folder):
        for stage in EVALUATED:
            made = walk.through(stage)
            if stage is INTAKE and walk.params.projects and not walk.params.data.synthetic:
                counts = _counts_of(walk, made)
                refuse_unmatched_projects(walk.params, counts, made.table("hospitals"))
        results = put_together(walk, results_of(walk))
        if not walk.params.data.summed and ("intake" in walk.made or not (walk.folder / WORKLISTS).is_dir()):
            worklists(walk.folder)
        walk.hashes.write()
    return results


def _counts_of(walk: Walk, taken: Product) -> pd.DataFrame:
    """Discharges that were accepted, from the records or from the sums in their place."""
    if walk.params.data.summed:
        return taken.table(CELLS).assign(department="", month=0)
    return stored_counts(walk.folder / DATA / DISCHARGES)


def released(walk: Walk, results: Results, folder: Path) -> Results:
    """The results of the release edition, in a folder of its own."""
    with room(folder):
        walk.through(RELEASED)
        shown = release_of(walk, results)
        refuse_revealing(resting_on(results, shown), entries(release_register()), walk.given.disclosure)
        found = put_together_release(walk, results, folder)
        walk.hashes.write()
    return found


def release_folder(folder: Path) -> Path:
    """Where the release edition of the run in `folder` lies: apart, for it is given to others as a whole."""
    return folder.with_name(f"{folder.name}{RELEASE_SUFFIX}")


def only_a_release(folder: Path, results: Results) -> None:
    """Refuse a folder for a release that holds anything that this release would not have.

    Raises
    ------
    RunError
        What lies there is named: an edition that is given away as a whole keeps nothing of what was there before.
    """
    own = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
    reports = {*OF_RUN, *(str(unit) for unit in projects(results)["id"])}
    pages = {INDEX, HANDBOOK, FONT, EVALUATION, RESULTS, LOCKS, *ASIDE}
    foreign = sorted(name for name in own - reports - pages if not leftover(name))
    if foreign:
        raise RunError(
            f"发布版文件夹里有不属于发布版的内容：{'、'.join(foreign[:5])}",
            f"the folder of the release holds what is no part of one: {len(foreign)}",
            where=str(folder),
            remedy="移走或改名这个文件夹，再发布",
            remedy_english="move the folder away, then release",
        )


def release_register() -> Path:
    """Where a user's releases are entered; it holds exact counts."""
    return state_folder() / "releases"


def planned(params: RunParams, reports: Path, *, fresh: bool = False) -> Sequence[Why]:
    """What a run would keep and what it would make, and why; nothing is read but files that were never hashed."""
    walk = Walk(params, reports / params.run, fresh=fresh)
    why = walk.plan([*EVALUATED, *([RELEASED] if params.edition == "release" else [])])
    if not all(one.kept for one in why):
        return (*why, TABLES_ANEW)
    results, folder = results_of(walk), walk.folder
    if params.edition == "release":
        results, folder = release_of(walk, results), release_folder(walk.folder)
    if not (folder / RESULTS).is_dir():
        return (*why, TABLES_ANEW)
    return (*why, *why_reports(jobs(results, folder), code_of(folder), walk.hashes.of, stated_files(results, folder)))


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What `check` found: the intake, its balance, and what follows from them for projects, specialties and indicators."""

    intake: Intake
    balance: pd.DataFrame
    found: IntakeCheck


def check(params: RunParams, work: Path, progress: Progress = quiet, *, lists: Path | None = None) -> Checked:
    """Read and judge the records, nothing more: the first stage of a run. The caller removes `work`.

    Parameters
    ----------
    lists
        Folder for the worklists, replaced as a whole.

    Raises
    ------
    ParameterError
        A method or an indicator that does not exist.
    UnbalancedError
        Records do not add up.
    RunError
        The source is sums or values: `run` checks them as it reads them.
    """
    if params.data.summed:
        raise RunError(
            "来源是汇总表或数值表，没有病案可核对",
            "the source is sums or values: there are no records to check",
            where="data",
            remedy="直接 speceval run：表的每一行在读取时核对",
            remedy_english="run it: every row is checked as it is read",
        )
    check_choices(params)
    check_published(params)
    walk = Walk(params, work, progress=progress, fresh=True)
    taken = walk.through(INTAKE)
    if lists:
        tables = {name: taken.table(name) for name in ("files", "balance", "hospitals")}
        lists_of(tables, stated(walk), work / DATA, lists)
    intake: Intake = walk.made["intake"].also
    named = {name: taken.table(name) for name in ("files", "accounts", "hospital_warnings", "hospitals")}
    found = intake_check(walk.params, stored_counts(work / DATA / DISCHARGES), named, intake.has, intake.joins)
    return Checked(intake=intake, balance=taken.table("balance"), found=found)
