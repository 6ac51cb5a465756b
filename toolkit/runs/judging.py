"""Stage `judged`: from the cube to cells, changes, verdicts, robustness and monitoring. No record is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from toolkit import cube as cubes
from toolkit.cube import Basis
from toolkit.cube.trims import cube_of, own_trims, trim_of
from toolkit.documents import Document
from toolkit.evaluation.breaks import breaks, holds_of
from toolkit.evaluation.cells import all_cells, all_changes, disease_cells, no_changes, units_of, without_cases
from toolkit.evaluation.cohorts import cohort_changes, cohorts, in_progress, put_together
from toolkit.evaluation.coverage import by_coverage, by_fields, by_sent, sent
from toolkit.evaluation.data_quality import insufficient
from toolkit.evaluation.detectable import of_verdicts
from toolkit.evaluation.effects import change_effects, stopped_in, study_of
from toolkit.evaluation.given import expected_of_given, with_given
from toolkit.evaluation.grade_stability import grade_stability, without_unstable
from toolkit.evaluation.holds import by_deaths, by_grades, no_holds, together
from toolkit.evaluation.judgement import judged, placebo_verdicts, primary_p, with_agreement
from toolkit.evaluation.ladder import rungs
from toolkit.evaluation.monitoring import at_months, monitor
from toolkit.evaluation.reasons import coding_depth, decomposition
from toolkit.evaluation.results import WINDOWS
from toolkit.evaluation.robustness import agreement, no_specification, specification_curve, trimmings
from toolkit.evaluation.tables import TABLE
from toolkit.indicators import CATALOGUE
from toolkit.models.change import inferential
from toolkit.params import Cohort, RunParams
from toolkit.reference import Referenced, attach, described
from toolkit.runs.asked import GIVEN, Asked, Made
from toolkit.runs.sources import reference_hashes
from toolkit.runs.summing import DEATHS, DISEASES, MONTHLY_DEATHS, MONTHS, SUMS, of_cohort


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """What the stage reads of those before it, for one pair of windows."""

    cube: pd.DataFrame
    summed: pd.DataFrame
    deaths: pd.DataFrame
    diseases: pd.DataFrame
    months: pd.DataFrame | None
    monthly_deaths: pd.DataFrame | None
    hospitals: pd.DataFrame
    monthly: pd.DataFrame
    warnings: pd.DataFrame
    poor: Mapping[str, str]
    given: pd.DataFrame | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """All of one pair of windows but the verdicts."""

    referenced: Mapping[Basis, Referenced]
    cells: pd.DataFrame
    units: pd.DataFrame
    changes: pd.DataFrame
    effects: pd.DataFrame
    holds: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]


def judge(asked: Asked) -> Made:
    """Every table that needs no record."""
    params, before = asked.params, asked.before
    asked.progress("指标", 0.0)
    summed = [before["sums"].table(of_cohort(params, c)(SUMS))["year"].unique() for c in params.cohorts]
    standing = cohorts(params, [year for years in summed for year in years], before["sums"].table("monthly"))
    if len(params.cohorts) < 2:
        read = _read(asked, params, None)
        measured = _measured(read, params)
        if params.cycles:
            measured = _held_back(measured, in_progress(standing, params.cohorts[0], params))
        tables = {**measured.tables, **_verdicts(measured, read, params)}
        by_cohort = dict.fromkeys(params.cohorts, tables["changes"])
        facts = _facts(measured, params)
        return Made(
            tables={**tables, "cohorts": standing, "cohort_changes": cohort_changes(by_cohort, params)}, facts=facts
        )
    return _of_cohorts(asked, standing)


def _of_cohorts(asked: Asked, standing: pd.DataFrame) -> Made:
    """Each pair of windows judged as if there were no other, and all of them put together."""
    params = asked.params
    reads = {c: _read(asked, params.over(c), c) for c in params.cohorts}
    found = {}
    for cohort, read in reads.items():
        measured = _measured(read, params.over(cohort))
        found[cohort] = _held_back(measured, in_progress(standing, cohort, params.over(cohort)))
    p = {c: primary_p(one.changes, one.effects, params.over(c)) for c, one in found.items()}
    judged_ = {}
    for cohort, one in found.items():
        # what is looked at together are the projects of all cohorts, each in its own cycle
        beside = [p[c] for c in found if c is not cohort and c.against == cohort.against]
        family = np.concatenate(beside) if beside else np.zeros(0)
        judged_[cohort] = {**one.tables, **_verdicts(one, reads[cohort], params.over(cohort), family)}
    tables = put_together(judged_, params)
    changes = {c: of_cohort["changes"] for c, of_cohort in judged_.items()}
    windows = {
        f"{WINDOWS}/{cohort.id}/{name}": TABLE[name].checked(frame)
        for cohort, of_cohort in judged_.items()
        for name, frame in of_cohort.items()
    }
    main = found[params.cohorts[0]]
    facts = _facts(main, params) | {"windows": {c.id: _insufficient(one) for c, one in found.items()}}
    added = {"cohorts": standing, "cohort_changes": cohort_changes(changes, params)}
    return Made(tables={**tables, **added}, frames=windows, facts=facts)


def _read(asked: Asked, params: RunParams, cohort: Cohort | None) -> _Read:
    """The sums of a cohort; of a run with one pair of windows, all of them."""
    sums, name = asked.before["sums"], of_cohort(asked.params, cohort)
    hospitals = asked.before["intake"].table("hospitals")
    warnings = asked.before["intake"].table("hospital_warnings")

    def frame(plain: str) -> pd.DataFrame | None:
        return sums.table(name(plain)) if sums.has(name(plain)) else None

    def inside(plain: str) -> pd.DataFrame:
        whole = sums.table(plain)
        return whole if cohort is None else whole[whole["year"].isin(cohort.years)].reset_index(drop=True)

    summed = sums.table(name(SUMS))
    if cohort is None or cohort == asked.params.cohorts[0]:
        cube = asked.before["cube"].table("cube")
    else:
        groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        cube = cube_of(summed, own_trims(params, groups))
    return _Read(
        cube=cube,
        summed=summed,
        deaths=inside(DEATHS),
        diseases=inside(DISEASES),
        months=frame(MONTHS),
        monthly_deaths=frame(MONTHLY_DEATHS),
        hospitals=hospitals,
        monthly=sums.table("monthly"),
        warnings=warnings,
        poor=insufficient(warnings),
        given=asked.before["intake"].table(GIVEN) if asked.before["intake"].has(GIVEN) else None,
    )


def _measured(read: _Read, params: RunParams) -> _Measured:
    referenced = {basis: attach(read.cube, params, read.hospitals, basis) for basis in cubes.BASES}
    units = units_of(read.cube, params)
    grades = _grades(referenced, params)
    stability = grade_stability(referenced, grades, params)
    cells = without_unstable(all_cells(referenced, units, params), stability)
    if read.given is not None:
        cells = with_given(cells, read.given, units, params)
    by_month = None if read.months is None else at_months(read.months, referenced["frozen"], params, read.hospitals)
    effects = change_effects(cells, units, params, read.hospitals, by_month)
    monitoring = monitor(cells, units, read.deaths, params, monthly=by_month, monthly_deaths=read.monthly_deaths)
    if read.given is not None:
        monitoring |= expected_of_given(cells, params)
    monitoring["power"] = of_verdicts(monitoring["power"], effects["effects"], params)
    broken = breaks(cells, read.cube, monitoring["charts"], params)
    came = by_sent(sent(cells, read.monthly, params), params) if params.cycles else no_holds()
    known = by_coverage(cells, params) if params.cycles else no_holds()
    graded = by_grades(stability, list(params.periods)) if params.cycles else no_holds()
    # values that were given need no grades of these records
    own = params.cycles and read.given is None
    ungraded = by_deaths(referenced["frozen"].insufficient, units) if own else no_holds()
    filled = by_fields(read.warnings, units) if params.cycles else no_holds()
    holds = together(came, known, filled, ungraded, graded, holds_of(broken)) if params.cycles else no_holds()
    frozen = referenced["frozen"]
    tables = {
        "units": units,
        "cells": cells,
        "grades": grades,
        "grade_stability": stability,
        "holds": holds,
        "diseases": disease_cells(read.diseases, read.hospitals, params),
        **monitoring,
        **effects,
        "placebos": placebo_verdicts(effects["placebos"], params, read.poor),
        "breaks": broken,
        "ladder": rungs(frozen, units, params),
        "decomposition": decomposition(frozen, units, params),
        "coding_depth": coding_depth(frozen, units, params),
    }
    return _Measured(
        referenced=referenced,
        cells=cells,
        units=units,
        changes=all_changes(cells, units, params) if params.cycles else no_changes(),
        effects=effects["effects"],
        holds=holds,
        tables=tables,
    )


def _held_back(measured: _Measured, more: pd.DataFrame) -> _Measured:
    if more.empty:
        return measured
    holds = together(more, measured.holds)
    return replace(measured, holds=holds, tables={**measured.tables, "holds": holds})


def _facts(measured: _Measured, params: RunParams) -> Document:
    return {
        "insufficient": _insufficient(measured),
        "references": {basis: reference_hashes(r.frame) for basis, r in measured.referenced.items()},
        "lists": {"没有病例的专科": without_cases(measured.units, params)},
    }


def _insufficient(measured: _Measured) -> Document:
    return {basis: dict(r.insufficient) for basis, r in measured.referenced.items()}


def _grades(referenced: Mapping[Basis, Referenced], params: RunParams) -> pd.DataFrame:
    grades = pd.concat([r.grades.assign(basis=basis) for basis, r in referenced.items()], ignore_index=True)
    return described(grades, params.risk_grades) if params.risk_grades.file is None else grades


def _verdicts(
    measured: _Measured, read: _Read, params: RunParams, beside: np.ndarray | None = None
) -> dict[str, pd.DataFrame]:
    """The changes with their verdicts, and the specifications that these were held against."""
    units, hospitals = measured.units, read.hospitals
    changes = judged(measured.changes, measured.effects, units, params, read.poor, measured.holds, beside)
    # of values that were given nothing can be calculated another way
    tried = choice_cubes(read.summed, params, hospitals) if read.given is None else {}
    curve = specifications(tried, changes, units, params, hospitals, read.poor, stopped_in(measured.cells))
    return {"changes": with_agreement(changes, agreement(curve, changes, params.robustness)), "specifications": curve}


def specifications(
    tried: Mapping[tuple[str, str], pd.DataFrame],
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
    summed: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame
) -> dict[tuple[str, str], pd.DataFrame]:
    """The cubes that the specifications need, by reference scope and trimming of the frozen basis; none without projects.

    Parameters
    ----------
    summed
        As from `toolkit.cube.trims.sum_up`; columns are shared, not copied.
    """
    if not params.own_projects:
        return {}
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    return {
        (scope, method): cube_of(summed, {"frozen": trim_of("frozen", scope, method, groups)})
        for scope, method in product(params.robustness.scopes, trimmings(params))
    }
