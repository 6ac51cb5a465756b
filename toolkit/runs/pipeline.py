"""The one place that composes the layers: parameters in, results and reports out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pandas as pd

from toolkit import cube as cubes
from toolkit.data import intake as intakes
from toolkit.data.accounts.balance import balance
from toolkit.data.accounts.profile import profile, quarantine_effect
from toolkit.data.accounts.register import Register, write_register
from toolkit.data.accounts.register import tables as tables_of
from toolkit.data.accounts.submitted import SUBMITTED
from toolkit.data.accounts.worklist import Facts, field_codes, write_worklists
from toolkit.data.discharge.covariates import death_cells, one_row_a_specialty
from toolkit.data.discharge.derived import facts_of, read_lists
from toolkit.data.discharge.identity import Key, random_key, read_key, run_key
from toolkit.data.lists.diseases import disease_sums, read_diseases
from toolkit.data.lists.registry import from_codes, read_registry
from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality import SCOPES
from toolkit.data.quality.base import RuleFacts
from toolkit.data.reading.formats import FormatMap, format_map
from toolkit.engine import connect
from toolkit.errors import InputError, ParameterError, nearest
from toolkit.evaluation.breaks import breaks, holds_of
from toolkit.evaluation.cells import all_cells, all_changes, disease_cells, no_changes, units_of, without_cases
from toolkit.evaluation.data_quality import insufficient
from toolkit.evaluation.effects import change_effects, stopped_in, study_of
from toolkit.evaluation.facts import RunFacts
from toolkit.evaluation.grade_stability import grade_stability, without_unstable
from toolkit.evaluation.holds import by_grades, no_holds, together
from toolkit.evaluation.judgement import judged, with_agreement
from toolkit.evaluation.ladder import rungs
from toolkit.evaluation.monitoring import at_months, monitor
from toolkit.evaluation.names import check_choices
from toolkit.evaluation.reasons import coding_depth, decomposition
from toolkit.evaluation.results import DATA, RESULTS, Results, load, save
from toolkit.evaluation.robustness import agreement, no_specification, specification_curve, trimmings, with_choices
from toolkit.indicators import CATALOGUE
from toolkit.models.change import inferential
from toolkit.params import RunParams
from toolkit.reference import attach, described
from toolkit.resources import kept, resource
from toolkit.runs.finished import worklists
from toolkit.synthetic.as_data import with_synthetic

if TYPE_CHECKING:
    from toolkit.running import Outcome

Progress = Callable[[str, float], None]


def _quiet(step: str, share: float) -> None:
    """No progress wanted."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run and where it lies."""

    folder: Path
    results: Results
    outcomes: Sequence[Outcome] = ()


def evaluate(params: RunParams, folder: Path, progress: Progress = _quiet) -> Results:
    """Records to results: everything but the reports. Writes `folder/results` and `folder/data`, whole or not at all.

    Raises
    ------
    InputError, ParameterError, UnbalancedError
        Before any result is written.
    """
    from toolkit.running.manifest import software
    from toolkit.running.publish import explained
    from toolkit.runs.evaluated import publish_tables, staging
    from toolkit.runs.sources import identity_of, portable

    check_choices(params)
    identity = identity_of(params, software())
    work = staging(folder)
    staged = work / "staged"
    try:
        resolved = params
        if params.data.synthetic:
            progress("生成合成数据", 0.0)
            resolved = with_synthetic(params, work / "synthetic")
        key = run_key(params.data.key_file, folder)
        results, register = _evaluate(resolved, format_map(resolved.data.format), work, key, progress)
        _unchanged(identity, results)
        # the paths of a generated region are gone after the run; what was declared stays, by name
        results = replace(results, params=portable(resolved.model_copy(update={"data": params.data})))
        with explained(folder):
            (staged / DATA).mkdir(parents=True)
            (work / "discharges").rename(staged / DATA / "discharges")
            (work / intakes.FATES).rename(staged / DATA / intakes.FATES)
            (work / SUBMITTED).rename(staged / DATA / SUBMITTED)
            save(results, staged / RESULTS)
        publish_tables(staged, folder, identity)
        if register:
            write_register(register)
        worklists(folder)
        return results
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unchanged(identity: dict[str, Any], results: Results) -> None:
    """Refuse results of files that were not what they had been when the run began."""
    known = {row["sha256"] for row in identity["raw"]}
    changed = results.files.loc[~results.files["sha256"].isin(known), "name"]
    if known and len(changed):
        raise InputError(
            f"文件 {changed.iloc[0]} 在运行中被改动",
            "a file changed during the run",
            where=str(changed.iloc[0]),
            remedy="等文件不再改动后重新运行",
            remedy_english="run again once the file is at rest",
        )


def _evaluate(
    params: RunParams, form: FormatMap, work: Path, key: Key, progress: Progress
) -> tuple[Results, Register | None]:
    from toolkit.runs.sources import reference_hashes

    registry = read_registry(params.data.hospitals, work) if params.data.hospitals else None
    inputs = [Path(f) for f in params.data.files] + ([params.data.drg_file.file] if params.data.drg_file else [])
    connection = connect(work, inputs, engine=params.engine)
    try:
        intake = intakes.take_in(params, form, registry, connection, work, progress, key)
        progress("汇总", 0.0)
        discharges = intakes.discharges(connection, intake.store)
        register = intake.entry.made(intake.files, intake.accounts) if intake.entry else None
        submissions, submitted_rules = tables_of(register, intake.entry.notes(intake.files) if intake.entry else None)
        accounted = {
            "hospital_warnings": intake.hospital_warnings,
            "balance": balance(intake, connection),
            "profile": profile(intake, form, connection),
            "quarantine_effect": quarantine_effect(intake, connection),
            "submissions": submissions,
            "submitted_rules": submitted_rules,
        }
        if registry is None:
            registry = from_codes(sorted(c for c in intake.accounts["hospital"].unique() if c))
        _check_projects(params, registry)
        groups = registry.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        cube = cubes.build(discharges, params, groups, connection=connection)
        monthly = cubes.monthly(discharges)
        disease_cube = disease_sums(discharges)
        progress("监测", 0.0)
        deaths = death_cells(discharges, params.monitoring.age_bands, ("hospital", "specialty", "year"))
        by_month = _by_month(discharges, params, groups, connection) if len(monthly) and params.projects else None
        tried = choice_cubes(discharges, params, groups, cube, connection)
    finally:
        connection.disconnect()
    if cube.empty:
        raise InputError(
            "没有任何病例被纳入",
            "no discharge was accepted",
            where="、".join(sorted(set(intake.accounts["rule"]))[:5]),
            remedy="检查评价年份与格式; 用 speceval check 查看各原因的例数",
            remedy_english="check years and format",
        )
    progress("指标", 0.0)
    referenced = {basis: attach(cube, params, registry, basis) for basis in cubes.BASES}
    units = units_of(cube, params)
    grades = pd.concat([r.grades.assign(basis=basis) for basis, r in referenced.items()], ignore_index=True)
    if params.risk_grades.file is None:
        grades = described(grades, params.risk_grades)
    stability = grade_stability(referenced, grades, params)
    cells = without_unstable(all_cells(referenced, units, params), stability)
    diseases = disease_cells(disease_cube, registry, params)
    changes = all_changes(cells, units, params) if params.cycles else no_changes()
    months = at_months(by_month[0], referenced["frozen"], params, registry) if by_month else None
    effects = change_effects(cells, units, params, registry, months)
    poor = insufficient(intake.hospital_warnings)
    monitoring = monitor(cells, units, deaths, params, monthly=months, monthly_deaths=by_month[1] if by_month else None)
    broken = breaks(cells, cube, monitoring["charts"], params)
    holds = together(by_grades(stability, list(params.periods)), holds_of(broken)) if params.cycles else no_holds()
    changes = judged(changes, effects["effects"], units, params, poor, holds)
    curve = specifications(tried, changes, units, params, registry, poor, stopped_in(cells))
    changes = with_agreement(changes, agreement(curve, changes, params.robustness))
    facts = RunFacts(
        format=form.title,
        grouping=form.grouping,
        not_applicable=dict(intake.not_applicable),
        ungrouped=intake.ungrouped,
        insufficient={basis: dict(r.insufficient) for basis, r in referenced.items()},
        synthetic=params.data.synthetic is not None,
        scopes=tuple(SCOPES.items()),
        codes=field_codes(form),
        rules=rules_in_run(params),
        data_hash=_hash(sorted(intake.files["sha256"])),
        parameter_hash=parameter_hash(params),
        lists={**facts_of(read_lists(params), params), "没有病例的专科": without_cases(units, params)},
        diseases=tuple((d.id, d.name_zh) for d in read_diseases(params.data.diseases).diseases),
        references={basis: reference_hashes(r.frame) for basis, r in referenced.items()},
    )
    tables = {
        "hospitals": registry,
        "files": intake.files,
        "accounts": intake.accounts,
        "monthly": monthly,
        "cube": cube,
        "units": units,
        "cells": cells,
        "changes": changes,
        "grades": grades,
        "grade_stability": stability,
        "holds": holds,
        "breaks": broken,
        "ladder": rungs(referenced["frozen"], units, params),
        "decomposition": decomposition(referenced["frozen"], units, params),
        "coding_depth": coding_depth(referenced["frozen"], units, params),
        "diseases": diseases,
        "specifications": curve,
        **monitoring,
        **effects,
        **accounted,
    }
    return Results(params=params, facts=facts, tables=tables), register


def _by_month(
    discharges: Any, params: RunParams, groups: pd.DataFrame, connection: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the projects only, for their charts: the cube by month, and deaths by month and covariate pattern."""
    projects = pd.DataFrame([(p.hospital, p.specialty) for p in params.projects], columns=["hospital", "specialty"])
    known = discharges.filter(discharges.month.notnull())  # noqa: PD004  a column of the engine, not of pandas
    key = ("hospital", "specialty", "year", "month")
    cube = one_row_a_specialty(cubes.of_units(known, params, groups, projects, (*key, "drg"), connection=connection))
    deaths = one_row_a_specialty(death_cells(known, params.monitoring.age_bands, key, projects))
    return cube.merge(projects, on=["hospital", "specialty"]), deaths.merge(projects, on=["hospital", "specialty"])


def rules_in_run(params: RunParams) -> tuple[RuleFacts, ...]:
    """The rules as they are in this run, for its reports and lists."""
    return tuple(RuleFacts.of(rule, params) for rule in RULES.values())


def _check_projects(params: RunParams, registry: pd.DataFrame) -> None:

    codes = set(registry["code"])
    for project in params.projects:
        if project.hospital not in codes:
            near = nearest(project.hospital, codes)
            raise ParameterError(
                f"项目的机构 {project.hospital} 不在数据或名录内",
                "the project's hospital is unknown",
                where="projects",
                remedy=f"是否为 {near}?" if near else "核对机构代码",
                remedy_english="check the code",
            )


def parameter_hash(params: RunParams) -> str:
    """Identity of the choices: every parameter but where the files lie, who may read the reports and what computes."""
    from toolkit.runs.sources import portable

    chosen = portable(params).model_dump(mode="json", exclude={"edition", "disclosure", "engine"})
    chosen["data"] = {
        k: v for k, v in chosen["data"].items() if k not in ("files", "hospitals", "drg_file", "key_file")
    }
    return _hash(chosen)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- reports ------------------------------------------------------------------------------------------------------------


def run(
    params: RunParams,
    reports: Path,
    *,
    workers: int = 2,
    progress: Progress = _quiet,
    on_report: Any = None,
    fresh: bool = False,
) -> Run:
    """Evaluate, make every report, write the index page and the run's manifest.

    Parameters
    ----------
    reports
        Folder under which the run gets its own, named by `params.run`; the release edition stands beside it.
    on_report
        Called with a `toolkit.running.pool.Progress` after each report.
    fresh
        Make everything anew. Else tables and reports that verify for the same inputs, choices and code are kept.

    Returns
    -------
    Run
        With one outcome a report; a failed report never stops the others.

    Raises
    ------
    ReportFailed
        Another process works in the folder, the disk is full, or the folder is closed.
    """
    from toolkit.running import run_reports
    from toolkit.running.publish import run_task, write_state
    from toolkit.runs.plan import jobs, write_index
    from toolkit.runs.run_manifest import finished, record_of, write_run_manifest

    began = monotonic()
    folder = reports / params.run
    with ExitStack() as held:
        held.enter_context(run_task(folder))
        results = tables(params, folder, fresh=fresh, progress=progress)
        if params.edition == "release":
            write_state(folder, *finished(folder))
            folder = release_folder(folder)
            held.enter_context(run_task(folder))
            results = release_tables(results, params, folder, fresh=fresh)
        seconds = {"tables": monotonic() - began}
        made = [replace(job, fresh=fresh) for job in jobs(results, folder)]
        outcomes = run_reports(made, workers=workers, **({"progress": on_report} if on_report else {}))
        seconds["reports"] = monotonic() - began - seconds["tables"]
        write_index(results, folder, outcomes)
        write_run_manifest(results, folder, outcomes, record_of(params, seconds, workers))
        write_state(folder, *finished(folder))
    return Run(folder=folder, results=results, outcomes=outcomes)


def tables(params: RunParams, folder: Path, *, fresh: bool = False, progress: Progress = _quiet) -> Results:
    """The results in `folder`, evaluated only where those that lie there do not verify for the same inputs and code."""
    from toolkit.running.manifest import software
    from toolkit.running.publish import room
    from toolkit.runs.evaluated import is_evaluated
    from toolkit.runs.sources import identity_of

    if not fresh and is_evaluated(folder, identity_of(params, software())):
        return load(folder / RESULTS)
    with room(folder):
        return evaluate(params, folder, progress)


def release_folder(folder: Path) -> Path:
    """Where the release edition of the run in `folder` lies: apart, for it is given to others as a whole."""
    return folder.with_name(f"{folder.name}-release")


def release_tables(exact: Results, params: RunParams, folder: Path, *, fresh: bool = False) -> Results:
    """The controlled tables of the release edition, in a folder of their own: no record and no exact number goes there."""
    from toolkit.release.disclosure import released
    from toolkit.running.manifest import software
    from toolkit.running.publish import explained
    from toolkit.runs.evaluated import is_evaluated, publish_tables, staging
    from toolkit.runs.sources import identity_of

    choice = {"edition": "release", "disclosure": params.disclosure.model_dump(mode="json")}
    identity = identity_of(params, software()) | choice
    if not fresh and is_evaluated(folder, identity):
        return load(folder / RESULTS)
    controlled = released(exact, params.disclosure)
    work = staging(folder)
    try:
        with explained(folder):
            save(controlled, work / RESULTS)
        publish_tables(work, folder, identity)
        return controlled
    finally:
        shutil.rmtree(work, ignore_errors=True)


def again(
    folder: Path,
    work: Path,
    *,
    params: RunParams | None = None,
    workers: int = 2,
    progress: Progress = _quiet,
    on_report: Any = None,
) -> Run:
    """The run in `folder` made a second time from its sources, in a folder below `work`.

    Parameters
    ----------
    params
        The parameter file, where the sources do not lie where the run found them.
    """
    from toolkit.runs.run_manifest import read_record
    from toolkit.runs.sources import moved

    stored = load(folder / RESULTS).params
    if params is None:
        params = moved(stored, read_record(folder).get("places", {}))
    if params.edition != stored.edition:
        params = params.model_copy(update={"edition": stored.edition})
    return run(params, work, workers=workers, progress=progress, on_report=on_report)


def specifications(
    tried: dict[tuple[str, str], pd.DataFrame],
    changes: pd.DataFrame,
    units: pd.DataFrame,
    params: RunParams,
    registry: pd.DataFrame,
    poor: Mapping[str, str],
    stopped: Collection[str],
) -> pd.DataFrame:
    """The primary indicators of every project under every combination of policy choices; no row without projects."""
    primary = {i: CATALOGUE[i] for i in params.change.primary if i not in stopped and inferential(CATALOGUE[i])}
    if not tried or changes.empty or not primary:
        return no_specification()
    study = replace(study_of(units, params, registry), indicators=primary)
    return specification_curve(tried, params, registry, study, primary, poor)


def choice_cubes(
    discharges: Any, params: RunParams, groups: pd.DataFrame, cube: pd.DataFrame, connection: Any
) -> dict[tuple[str, str], pd.DataFrame]:
    """The cubes that the specifications need, by reference scope and trimming of the frozen basis; none without projects."""
    if not (params.cycles and params.projects):
        return {}
    made: dict[tuple[str, str], pd.DataFrame] = {}
    for scope, method in product(params.robustness.scopes, trimmings(params)):
        if method == "none" and params.trimming.on("frozen") == "none":
            made[scope, method] = cube  # untrimmed amounts do not depend on the reference
            continue
        choice = {"scope": scope, "trimming": method, "leave_one_out": False, "risk_rates": params.risk_grades.rates}
        chosen = with_choices(params, choice)
        made[scope, method] = cubes.build(discharges, chosen, groups, connection=connection, trimmed=("frozen",))
    return made


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What `check` found: the intake and its balance."""

    intake: intakes.Intake
    balance: pd.DataFrame


def check(params: RunParams, work: Path, progress: Progress = _quiet, *, lists: Path | None = None) -> Checked:
    """Read and judge the records, nothing more. The caller removes `work`.

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
    """
    check_choices(params)
    if params.data.synthetic:
        params = with_synthetic(params, work / "synthetic")
    registry = read_registry(params.data.hospitals, work) if params.data.hospitals else None
    inputs = [Path(f) for f in params.data.files] + ([params.data.drg_file.file] if params.data.drg_file else [])
    connection = connect(work, inputs, engine=params.engine)
    form = format_map(params.data.format)
    key = read_key(params.data.key_file) if params.data.key_file else random_key()
    try:
        intake = intakes.take_in(params, form, registry, connection, work, progress, key)
        balanced = balance(intake, connection)
        if lists:
            facts = Facts(rules=rules_in_run(params), scopes=SCOPES, codes=field_codes(form))
            names = {} if registry is None else dict(zip(registry["code"], registry["name"], strict=True))
            marked, held = (connection.read_parquet(str(path)) for path in (intake.fates, intake.submitted))
            write_worklists(marked, held, intake.files, balanced, names, facts, lists, connection, work)
    finally:
        connection.disconnect()
    if intake.entry:
        write_register(intake.entry.made(intake.files, intake.accounts))
    return Checked(intake=intake, balance=balanced)


def golden() -> Results:
    """The demo that notebooks show when opened by hand and that nbval compares; made once for each state of the code."""
    import fcntl

    from toolkit.params import load_params
    from toolkit.running.manifest import code_hash

    path = resource("params/golden.yaml")
    made_from = _hash([code_hash(), path.read_text(encoding="utf-8")])
    folder = kept() / ".golden"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several notebooks may ask at once
        mark = folder / "made_from"
        if not mark.is_file() or mark.read_text() != made_from:
            mark.unlink(missing_ok=True)
            evaluate(load_params(path), folder)
            mark.write_text(made_from)
    return load(folder / RESULTS)
