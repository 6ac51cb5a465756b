"""The one place that composes the layers: parameters in, results and reports out."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pandas as pd

from toolkit import cube as cubes
from toolkit.data import intake as intakes
from toolkit.data import lookup
from toolkit.data.balance import balance
from toolkit.data.covariates import death_cells, one_row_a_specialty
from toolkit.data.derived import facts_of, read_lists
from toolkit.data.diseases import disease_sums, read_diseases
from toolkit.data.formats import FormatMap, format_map
from toolkit.data.identity import Key, random_key, read_key, run_key
from toolkit.data.profile import effect, profile
from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality import SCOPES
from toolkit.data.quality.measures import outside, stopped
from toolkit.data.register import Register, write_register
from toolkit.data.register import tables as tables_of
from toolkit.data.registry import from_codes, read_registry
from toolkit.data.submitted import SUBMITTED
from toolkit.data.worklist import Facts, field_codes, write_worklists
from toolkit.engine import connect
from toolkit.errors import InputError, ParameterError
from toolkit.evaluation.effects import change_effects, study_of
from toolkit.evaluation.judgement import judged, with_agreement
from toolkit.evaluation.monitoring import at_months, monitor
from toolkit.evaluation.results import RESULTS, Results, load, save
from toolkit.evaluation.robustness import agreement, no_specification, specification_curve, with_choices
from toolkit.evaluation.trace import Trace
from toolkit.indicators import CATALOGUE, Declared, Status
from toolkit.indicators.base import Distribution
from toolkit.indicators.diseases import DISEASES, attach_diseases
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import COLUMNS, collect
from toolkit.models import inferential, two_period
from toolkit.params import DrgFile, Project, RunParams, Specialty
from toolkit.reference import Referenced, attach, described

if TYPE_CHECKING:
    from toolkit.running import Outcome

Progress = Callable[[str, float], None]
DATA = "data"
PROJECT = Path(__file__).resolve().parents[1]


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
    from toolkit.running.evaluated import publish_tables, staging
    from toolkit.running.manifest import software
    from toolkit.running.publish import explained
    from toolkit.running.sources import identity_of, portable

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
            f"文件 {changed.iloc[0]} 在运行中被改动", "a file changed during the run", where=str(changed.iloc[0]),
            remedy="等文件不再改动后重新运行", remedy_english="run again once the file is at rest",
        )  # fmt: skip


def _evaluate(
    params: RunParams, form: FormatMap, work: Path, key: Key, progress: Progress
) -> tuple[Results, Register | None]:
    from toolkit.running.sources import reference_hashes

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
            "hospital_warnings": intake.hospital_warnings, "balance": balance(intake, connection),
            "profile": profile(intake, form, connection, work), "effect": effect(intake, connection, work),
            "submissions": submissions, "submitted_rules": submitted_rules,
        }  # fmt: skip
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
            "没有任何病例被纳入", "no discharge was accepted", where="、".join(sorted(set(intake.accounts["rule"]))[:5]),
            remedy="检查评价年份与格式; 用 speceval check 查看各原因的例数", remedy_english="check years and format",
        )  # fmt: skip
    progress("指标", 0.0)
    referenced = {basis: attach(cube, params, registry, basis) for basis in cubes.BASES}
    units = _units(cube, params)
    cells = all_cells(referenced, units, params)
    diseases = disease_cells(disease_cube, registry, params)
    changes = all_changes(cells, units, params) if params.cycles else _no_changes()
    months = at_months(by_month[0], referenced["frozen"], params, registry) if by_month else None
    effects = change_effects(cells, units, params, registry, months)
    changes = judged(changes, effects["effects"], units, params)
    curve = specifications(tried, changes, units, params, registry)
    changes = with_agreement(changes, agreement(curve, changes, params.robustness))
    monitoring = monitor(cells, units, deaths, params, monthly=months, monthly_deaths=by_month[1] if by_month else None)
    facts = {
        "format": form.title, "grouping": form.grouping, "not_applicable": dict(intake.not_applicable),
        "engine": params.engine, "grouper": params.data.grouper.model_dump() if params.data.grouper else None,
        "ungrouped": intake.ungrouped,
        "insufficient": {basis: dict(r.insufficient) for basis, r in referenced.items()}, "stopped": outside(cells, SHARES),
        "synthetic": params.data.synthetic is not None, "scopes": list(SCOPES.items()), "codes": field_codes(form),
        "rules": _rule_facts(params),
        "data_hash": _hash(sorted(intake.files["sha256"])), "parameter_hash": parameter_hash(params),
        "lists": {**facts_of(read_lists(params), params), "没有病例的专科": _without_cases(units, params)},
        "diseases": [[d.id, d.name_zh] for d in read_diseases(params.data.diseases).diseases],
        "references": {basis: reference_hashes(r.frame) for basis, r in referenced.items()},
    }  # fmt: skip
    grades = pd.concat([r.grades.assign(basis=basis) for basis, r in referenced.items()], ignore_index=True)
    if params.risk_grades.file is None:
        grades = described(grades, params.risk_grades)
    made = Results(
        params=params, hospitals=registry, files=intake.files, accounts=intake.accounts, monthly=monthly, cube=cube,
        units=units, cells=cells, changes=changes, grades=grades, diseases=diseases,
        specifications=curve, facts=facts,
        **monitoring, **effects, **accounted,
    )  # fmt: skip
    return made, register


def _by_month(
    discharges: Any, params: RunParams, groups: pd.DataFrame, connection: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Of the projects only, for their charts: the cube by month, and deaths by month and covariate pattern."""
    projects = pd.DataFrame([(p.hospital, p.specialty) for p in params.projects], columns=["hospital", "specialty"])
    known = discharges.filter(discharges.month.notnull())  # noqa: PD004  a column of the engine, not of pandas
    key = ("hospital", "specialty", "year", "month")
    cube = one_row_a_specialty(cubes.of_units(known, params, groups, projects, (*key, "drg"), connection=connection))
    deaths = one_row_a_specialty(death_cells(known, params.monitoring.age_bands, key, projects))
    return cube.merge(projects, on=["hospital", "specialty"]), deaths.merge(projects, on=["hospital", "specialty"])


def _rule_facts(params: RunParams) -> list[dict[str, Any]]:
    """The rules as they are in this run, for its reports and lists."""
    return [
        {"id": r.id, "name": r.name_zh, "message": r.message_zh, "fate": r.fate.value, "scopes": list(r.scopes),
         "level": r.level.value, "fields": list(r.fields or r.needs), "said": r.said({}, params)}
        for r in RULES.values()
    ]  # fmt: skip


def _check_projects(params: RunParams, registry: pd.DataFrame) -> None:
    from toolkit.errors import nearest

    codes = set(registry["code"])
    for project in params.projects:
        if project.hospital not in codes:
            near = nearest(project.hospital, codes)
            raise ParameterError(
                f"项目的机构 {project.hospital} 不在数据或名录内", "the project's hospital is unknown", where="projects",
                remedy=f"是否为 {near}?" if near else "核对机构代码", remedy_english="check the code",
            )  # fmt: skip


def _units(cube: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    cycle = {y: label for label, years in params.periods.items() for y in range(years.first, years.last + 1)}
    named = one_row_a_specialty(cube.loc[cube["specialty"] != cubes.NONE, ["hospital", "specialty", "year", "n"]])
    named = named.astype({"hospital": "str", "specialty": "str"})
    counts = named.assign(cycle=named["year"].map(cycle)).pivot_table(
        index=["hospital", "specialty"], columns="cycle", values="n", aggfunc="sum", fill_value=0
    )
    counts = counts.reindex(columns=list(params.periods), fill_value=0)
    projects = {(p.hospital, p.specialty): p.level for p in params.projects}
    # a project without any discharge still gets its row, and its report says 不予评价
    index = (
        counts.index.union(pd.MultiIndex.from_tuples(projects, names=counts.index.names)) if projects else counts.index
    )
    counts = counts.reindex(index, fill_value=0).astype("int64")
    units = counts.add_prefix("n_").reset_index()
    units["eligible"] = (counts >= params.minimum_unit_cases).all(axis=1).to_numpy()
    pairs = zip(units["hospital"], units["specialty"], strict=True)
    units["project"] = [projects.get(pair, "") for pair in pairs]
    units["id"] = [report_id(h, s) for h, s in zip(units["hospital"], units["specialty"], strict=True)]
    return units


def _without_cases(units: pd.DataFrame, params: RunParams) -> str:
    """Names of the declared specialties that no discharge belongs to: their definition may not fit the records."""
    cases = units.filter(regex="^n_").sum(axis=1)
    found = set(units.loc[cases > 0, "specialty"])
    return "、".join(s.name_zh for s in params.specialties if s.id not in found) or "无"


def report_id(hospital: str, specialty: str) -> str:
    """Id of a unit's report: letters, digits, - and _ only, whatever the hospital's code holds."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in hospital)
    mark = "" if plain[:30] == hospital else "_" + hashlib.sha256(hospital.encode()).hexdigest()[:6]
    return f"{plain[:30]}{mark}-{specialty}"[:64]


# the numerator of a proportion counts discharges of its denominator (rule P16)
SHARES = tuple(i for i, one in CATALOGUE.items() if getattr(one, "distribution", None) is Distribution.PROPORTION)
LEVELS: dict[str, tuple[str, ...]] = {
    "region": (), "specialty": ("specialty",), "hospital": ("hospital",), "unit": ("hospital", "specialty"),
}  # fmt: skip


def all_cells(referenced: dict[Any, Referenced], units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Cells of every level, by year and by cycle, on both bases."""
    parts = []
    with_project = units.loc[units["project"] != "", ["hospital", "specialty"]].assign(funded=True)
    for reference in referenced.values():
        whole = reference.frame.assign(region="")
        # of a discharge that counts in several specialties, each has all; the region and the hospital have it once
        spread = by_specialty(replace(reference, frame=whole), params.specialties).frame
        funded = spread.merge(with_project, on=["hospital", "specialty"], how="left")["funded"].notna().to_numpy()
        for level, keys in (*LEVELS.items(), ("peers", ("specialty",))):
            rows = spread if "specialty" in keys else whole
            if level == "peers":
                rows = rows[~funded]
            if "specialty" in keys:
                rows = rows[rows["specialty"] != cubes.NONE]
            if rows.empty:
                continue
            of_level = Referenced(basis=reference.basis, frame=rows, grades=reference.grades, insufficient={})
            for time in ("year", "cycle"):
                cells = collect(
                    of_level,
                    CATALOGUE.values(),
                    [*(keys or ("region",)), time],
                    confidence=params.change.confidence,
                    policy=params.indicators,
                )
                parts.append(
                    cells.rename(columns={time: "period"}).assign(level=level, period=lambda f: f["period"].astype(str))
                )
    cells = _too_few(pd.concat(parts, ignore_index=True), params)
    cells = stopped(cells, outside(cells, SHARES), Status.STOPPED.value)
    for key in ("hospital", "specialty"):
        cells[key] = cells[key].fillna("") if key in cells else ""
    first = ["level", "hospital", "specialty", "period"]
    return cells[[*first, *[c for c in cells if c not in (*first, "region")]]]


def disease_cells(sums: pd.DataFrame, hospitals: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Cells of every disease on every level, by year and by cycle, on both bases."""
    parts = []
    for basis in cubes.BASES:
        whole = attach_diseases(sums, params, hospitals, basis)
        whole = replace(whole, frame=whole.frame.assign(region=""))
        for level, keys in LEVELS.items():
            frame = whole.frame
            if "specialty" in keys:
                frame = one_row_a_specialty(frame[frame["specialty"] != cubes.NONE])
            for time in ("year", "cycle") if len(frame) else ():
                by = [*(keys or ("region",)), "disease", time]
                cells = collect(replace(whole, frame=frame), DISEASES.values(), by, confidence=params.change.confidence)
                parts.append(
                    cells.rename(columns={time: "period"}).assign(level=level, period=lambda f: f["period"].astype(str))
                )
    first = ["level", "hospital", "specialty", "disease", "period"]
    if not parts:
        return pd.DataFrame(columns=[*first, "indicator", "basis", *COLUMNS])
    cells = _too_few(pd.concat(parts, ignore_index=True), params, DISEASES, ("unit", "hospital"))
    for key in ("hospital", "specialty"):
        cells[key] = cells[key].fillna("") if key in cells else ""
    return cells[[*first, *[c for c in cells if c not in (*first, "region")]]]


def _too_few(
    cells: pd.DataFrame, params: RunParams, declared: Mapping[str, Declared] = CATALOGUE, levels: Sequence[str] = ("unit",)
) -> pd.DataFrame:  # fmt: skip
    """A unit's value on very few cases is not shown: it says more of chance, and of single patients, than of the unit."""
    ratios = [i for i, one in declared.items() if inferential(one)]
    few = cells["level"].isin(levels) & cells["indicator"].isin(ratios) & (cells["status"] == Status.VALUE.value)
    few &= cells["n"] < params.minimum_value_cases
    cells.loc[few, ["value", "se", "low", "high"]] = float("nan")
    cells.loc[few, "status"] = Status.TOO_FEW.value
    return cells


def all_changes(cells: pd.DataFrame, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Before/after ratios: every unit with enough cases, every project, and the peers of each specialty."""
    frozen = cells[(cells["basis"] == "frozen") & cells["period"].isin(params.periods)].rename(
        columns={"period": "cycle"}
    )
    judged = units[units["eligible"] | (units["project"] != "")][["hospital", "specialty"]]
    parts = []
    for level, rows in (("unit", frozen.merge(judged, on=["hospital", "specialty"])), ("peers", frozen)):
        rows = rows[rows["level"] == level]
        by = ["hospital", "specialty"]
        parts.append(two_period(rows, CATALOGUE, by, confidence=params.change.confidence).assign(level=level))
    changes = pd.concat(parts, ignore_index=True)
    first = ["level", "hospital", "specialty", "indicator"]
    return changes[[*first, *[c for c in changes if c not in first]]].sort_values(first, ignore_index=True)


def _no_changes() -> pd.DataFrame:
    from toolkit.models.base import COLUMNS

    return pd.DataFrame(columns=["level", "hospital", "specialty", "indicator", *COLUMNS, "before", "after"])


def with_synthetic(params: RunParams, folder: Path) -> RunParams:
    """`params` with a generated region as its files, registry, specialties, projects and price index (合成数据)."""
    from toolkit.data import synthetic
    from toolkit.data.synthetic.lists import write_lists

    spec, periods = params.data.synthetic, params.periods
    assert spec is not None  # noqa: S101  the caller asked
    settings = synthetic.Settings(
        seed=spec.seed, discharges=spec.discharges, first_year=periods["before"].first, projects=spec.projects,
        selection=spec.selection, dirt_rate=spec.dirt, hospitals=spec.hospitals,
    )  # fmt: skip
    synthetic.write_front_pages(synthetic.generate(settings), folder)
    given = {
        n: path for n, path in write_lists(folder, settings.first_year).items() if getattr(params.indicators, n) is None
    }
    departments = pd.read_csv(folder / "departments.csv", dtype=str)
    specialties = [
        Specialty(id=id_, name_zh=part["specialty_name"].iloc[0], surgical=part["surgical"].iloc[0] == "1",
                  departments=list(part["department"]))
        for id_, part in departments.groupby("specialty", sort=False)
    ]  # fmt: skip
    projects = pd.read_csv(folder / "projects.csv", dtype=str)
    deflators = pd.read_csv(folder / "deflators.csv")
    data = params.data.model_copy(
        update={
            "format": "front-page", "files": [str(folder / "front_pages")], "hospitals": folder / "hospitals.csv",
            "divisions": folder / "divisions.csv",
            "drg_file": DrgFile(file=folder / "drg.csv", discharge="B15"),
        }
    )  # fmt: skip
    return params.model_copy(
        update={
            "data": data, "specialties": params.specialties or specialties,
            "indicators": params.indicators.model_copy(update=given),
            "projects": params.projects
            or [Project(hospital=r.hospital, specialty=r.specialty, level=r.level) for r in projects.itertuples()],
            "price_index": params.price_index or dict(zip(deflators["year"].astype(int), deflators["factor"], strict=True)),
        }
    )  # fmt: skip


def parameter_hash(params: RunParams) -> str:
    """Identity of the choices: every parameter but where the files lie, who may read the reports and what computes."""
    from toolkit.running.sources import portable

    chosen = portable(params).model_dump(mode="json", exclude={"edition", "disclosure", "engine"})
    chosen["data"] = {
        k: v for k, v in chosen["data"].items() if k not in ("files", "hospitals", "drg_file", "key_file")
    }
    return _hash(chosen)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# --- reports ------------------------------------------------------------------------------------------------------------


def run(
    params: RunParams, reports: Path, *, workers: int = 2, progress: Progress = _quiet, on_report: Any = None,
    fresh: bool = False,
) -> Run:  # fmt: skip
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
    from toolkit.running.plan import jobs, write_index
    from toolkit.running.publish import run_task, write_state
    from toolkit.running.run_manifest import finished, record_of, write_run_manifest

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
    from toolkit.running.evaluated import is_evaluated
    from toolkit.running.manifest import software
    from toolkit.running.publish import room
    from toolkit.running.sources import identity_of

    if not fresh and is_evaluated(folder, identity_of(params, software())):
        return load(folder / RESULTS)
    with room(folder):
        return evaluate(params, folder, progress)


def release_folder(folder: Path) -> Path:
    """Where the release edition of the run in `folder` lies: apart, for it is given to others as a whole."""
    return folder.with_name(f"{folder.name}-release")


def release_tables(exact: Results, params: RunParams, folder: Path, *, fresh: bool = False) -> Results:
    """The controlled tables of the release edition, in a folder of their own: no record and no exact number goes there."""
    from toolkit.reporting.disclosure import released
    from toolkit.running.evaluated import is_evaluated, publish_tables, staging
    from toolkit.running.manifest import software
    from toolkit.running.publish import explained
    from toolkit.running.sources import identity_of

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
    folder: Path, work: Path, *, params: RunParams | None = None, workers: int = 2, progress: Progress = _quiet,
    on_report: Any = None,
) -> Run:  # fmt: skip
    """The run in `folder` made a second time from its sources, in a folder below `work`.

    Parameters
    ----------
    params
        The parameter file, where the sources do not lie where the run found them.
    """
    from toolkit.running.run_manifest import read_record
    from toolkit.running.sources import moved

    stored = load(folder / RESULTS).params
    if params is None:
        params = moved(stored, read_record(folder).get("places", {}))
    if params.edition != stored.edition:
        params = params.model_copy(update={"edition": stored.edition})
    return run(params, work, workers=workers, progress=progress, on_report=on_report)


def specifications(
    tried: dict[tuple[str, str], pd.DataFrame], changes: pd.DataFrame, units: pd.DataFrame, params: RunParams,
    registry: pd.DataFrame,
) -> pd.DataFrame:  # fmt: skip
    """The primary indicators of every project under every combination of policy choices; no row without projects."""
    primary = {i: CATALOGUE[i] for i in params.change.primary if i in CATALOGUE and inferential(CATALOGUE[i])}
    if not tried or changes.empty or not primary:
        return no_specification()
    study = replace(study_of(units, params, registry), indicators=primary)
    return specification_curve(tried, params, registry, study, primary)


def choice_cubes(
    discharges: Any, params: RunParams, groups: pd.DataFrame, cube: pd.DataFrame, connection: Any
) -> dict[tuple[str, str], pd.DataFrame]:  # fmt: skip
    """The cubes that the specifications need, by reference scope and trimming of the frozen basis; none without projects."""
    if not (params.cycles and params.projects):
        return {}
    made: dict[tuple[str, str], pd.DataFrame] = {}
    for scope, method in product(params.robustness.scopes, params.robustness.trimming):
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


def bootstrap(
    folder: Path, hospital: str, specialty: str, *, basis: cubes.Basis = "contemporaneous", replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:  # fmt: skip
    """The cells of one unit of a finished run, by cycle, with error and limits from drawing its records again.

    Parameters
    ----------
    folder
        Of the run; its stored discharges are read.

    Returns
    -------
    pd.DataFrame
        `cycle, indicator, value, se, low, high` as in the run's cells (closed form, exact), and `replicates, se_drawn,
        low_drawn, high_drawn`.

    Raises
    ------
    ParameterError
        The run has no such unit.
    """
    from toolkit.indicators.bootstrap import bootstrap as drawn_again
    from toolkit.indicators.table import collect

    results = load(folder / RESULTS)
    units = results.units[(results.units["hospital"] == hospital) & (results.units["specialty"] == specialty)]
    if units.empty:
        raise ParameterError("没有该评估单元", "no such unit", where=f"{hospital} {specialty}", remedy="见 results/units.parquet",
                             remedy_english="see results/units.parquet")  # fmt: skip
    params, by = results.params, ["hospital", "specialty", "cycle"]
    groups = results.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    store = folder / DATA / "discharges"
    with tempfile.TemporaryDirectory() as work:
        connection = connect(Path(work), [store])
        try:
            drawn = cubes.resampled(
                intakes.discharges(connection, store), params, groups, (hospital, specialty), replicates=replicates,
                seed=seed, connection=connection,
            )  # fmt: skip
        finally:
            connection.disconnect()
    referenced = by_specialty(attach(results.cube, params, results.hospitals, basis), params.specialties)
    chosen = [one for one in CATALOGUE.values() if inferential(one)]
    again = drawn_again(
        drawn, referenced, chosen, by, params, results.hospitals, confidence=params.change.confidence
    ).set_index([*by, "indicator"])
    mine = (referenced.frame["hospital"] == hospital) & (referenced.frame["specialty"] == specialty)
    own = Referenced(basis=basis, frame=referenced.frame[mine], grades=referenced.grades, insufficient={})
    cells = collect(own, chosen, by, confidence=params.change.confidence, policy=params.indicators)
    both = cells.set_index([*by, "indicator"]).join(
        again.rename(columns=lambda c: c if c == "replicates" else f"{c}_drawn")
    )
    columns = ["value", "se", "low", "high", "replicates", "se_drawn", "low_drawn", "high_drawn"]
    return both[columns].reset_index().drop(columns=["hospital", "specialty"])


def check(params: RunParams, work: Path, progress: Progress = _quiet, *, lists: Path | None = None) -> Checked:
    """Read and judge the records, nothing more. The caller removes `work`.

    Parameters
    ----------
    lists
        Folder for the worklists, replaced as a whole.

    Raises
    ------
    UnbalancedError
        Records do not add up.
    """
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
            facts = Facts(rules=_rule_facts(params), scopes=SCOPES, codes=field_codes(form))
            names = {} if registry is None else dict(zip(registry["code"], registry["name"], strict=True))
            marked, held = (connection.read_parquet(str(path)) for path in (intake.fates, intake.submitted))
            write_worklists(marked, held, intake.files, balanced, names, facts, lists, connection, work)
    finally:
        connection.disconnect()
    if intake.entry:
        write_register(intake.entry.made(intake.files, intake.accounts))
    return Checked(intake=intake, balance=balanced)


WORKLISTS = "worklists"  # folder of a run, one list a hospital


def worklists(folder: Path, to: Path | None = None) -> pd.DataFrame:
    """The worklists of the run in `folder`, written to `to` or to its own folder of them; returns their summary."""
    from tempfile import TemporaryDirectory

    results, data = load(folder / RESULTS), folder / DATA
    facts = Facts(rules=results.facts["rules"], scopes=dict(results.facts["scopes"]), codes=results.facts["codes"])
    names = dict(zip(results.hospitals["code"], results.hospitals["name"], strict=True))
    with TemporaryDirectory(prefix="speceval-") as work:
        connection = connect(Path(work), [data])
        try:
            marked, held = (connection.read_parquet(str(data / name)) for name in (intakes.FATES, SUBMITTED))
            return write_worklists(
                marked, held, results.files, results.balance, names, facts, to or folder / WORKLISTS, connection, Path(work)
            )  # fmt: skip
        finally:
            connection.disconnect()


def trace(
    folder: Path, *, hospital: str = "", record: str = "", visit: str = "", file: str = "", line: int = 0
) -> list[Trace]:  # fmt: skip
    """What became of a record of a finished run: of one line of a file, or of every stay under a record number.

    Raises
    ------
    RunError
        The folder holds no finished run, or its key is gone.
    ParameterError
        The run knows no such hospital, file or record.
    """
    from tempfile import TemporaryDirectory

    from toolkit.evaluation import trace as tracing

    results, data = load(folder / RESULTS), folder / DATA
    number = tracing.file_number(results, file) if file else None
    if number is not None and (refused := tracing.refused_file(results, number, line)):
        return [refused]
    pseudonyms = [] if file else tracing.pseudonyms(results, folder, hospital, record, visit)
    with TemporaryDirectory(prefix="speceval-") as work:
        connection = connect(Path(work), [data, data / lookup.STORE])
        try:
            if number is not None:
                marked, stored = lookup.records_at(connection, data, number, line)
            else:
                marked, stored = lookup.records_of(connection, data, pseudonyms)
            if marked.empty and stored.empty:
                raise tracing.not_found(results, number, line, hospital)
            return tracing.traces(results, marked, stored, lambda row: _entered(results, connection, data, row))
        finally:
            connection.disconnect()


def _entered(
    results: Results, connection: Any, data: Path, row: pd.Series
) -> tuple[dict[tuple[str, str], bool], pd.DataFrame]:
    """Whether a stored record was trimmed, and the cells it entered."""
    from toolkit.evaluation.trace import entered, one_record, trimmed

    groups = results.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    key = [*cubes.KEY, "file", "line"]
    cube = cubes.build(lookup.drg_of(connection, data, row), results.params, groups, by=key, connection=connection)
    own = cube[(cube["file"] == row["file"]) & (cube["line"] == row["line"])].drop(columns=["file", "line"])
    own = own.reset_index(drop=True)
    alone = {}
    for basis in cubes.BASES:
        whole = attach(results.cube, results.params, results.hospitals, basis)
        alone[basis] = one_record(whole, attach(own, results.params, results.hospitals, basis), list(own))
    return trimmed(own.iloc[0]), entered(all_cells(alone, results.units, results.params), results)


def golden() -> Results:
    """The demo that notebooks show when opened by hand and that nbval compares; made once for each state of the code."""
    import fcntl

    from toolkit.params import load_params
    from toolkit.running.manifest import code_hash

    path = PROJECT / "params" / "golden.yaml"
    made_from = _hash([code_hash(), path.read_text(encoding="utf-8")])
    folder = PROJECT / "reports" / ".golden"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several notebooks may ask at once
        mark = folder / "made_from"
        if not mark.is_file() or mark.read_text() != made_from:
            mark.unlink(missing_ok=True)
            evaluate(load_params(path), folder)
            mark.write_text(made_from)
    return load(folder / RESULTS)
