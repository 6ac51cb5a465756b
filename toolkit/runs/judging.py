"""Stage `judged`: from the cube to cells, changes, verdicts, robustness and monitoring. No record is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

from toolkit import cube as cubes
from toolkit.cube import Basis
from toolkit.cube.trims import cube_of, trim_of
from toolkit.evaluation.breaks import breaks, holds_of
from toolkit.evaluation.cells import all_cells, all_changes, disease_cells, no_changes, units_of, without_cases
from toolkit.evaluation.data_quality import insufficient
from toolkit.evaluation.effects import change_effects, stopped_in, study_of
from toolkit.evaluation.grade_stability import grade_stability, without_unstable
from toolkit.evaluation.holds import by_grades, no_holds, together
from toolkit.evaluation.judgement import judged, placebo_verdicts, with_agreement
from toolkit.evaluation.ladder import rungs
from toolkit.evaluation.monitoring import at_months, monitor
from toolkit.evaluation.reasons import coding_depth, decomposition
from toolkit.evaluation.robustness import agreement, no_specification, specification_curve, trimmings
from toolkit.indicators import CATALOGUE
from toolkit.models.change import inferential
from toolkit.params import RunParams
from toolkit.reference import Referenced, attach, described
from toolkit.runs.asked import Asked, Made
from toolkit.runs.sources import reference_hashes
from toolkit.runs.summing import DEATHS, DISEASES, MONTHLY_DEATHS, MONTHS, SUMS

if TYPE_CHECKING:
    from toolkit.runs.stage import Product


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """What the stage reads of those before it."""

    cube: pd.DataFrame
    hospitals: pd.DataFrame
    warnings: pd.DataFrame
    sums: Product

    def frame(self, name: str) -> pd.DataFrame | None:
        return self.sums.table(name) if self.sums.has(name) else None


def judge(asked: Asked) -> Made:
    """Every table that needs no record."""
    params, before = asked.params, asked.before
    asked.progress("指标", 0.0)
    read = _Read(
        cube=before["cube"].table("cube"),
        hospitals=before["intake"].table("hospitals"),
        warnings=before["intake"].table("hospital_warnings"),
        sums=before["sums"],
    )
    referenced = {basis: attach(read.cube, params, read.hospitals, basis) for basis in cubes.BASES}
    units = units_of(read.cube, params)
    grades = _grades(referenced, params)
    stability = grade_stability(referenced, grades, params)
    cells = without_unstable(all_cells(referenced, units, params), stability)
    months = read.frame(MONTHS)
    by_month = None if months is None else at_months(months, referenced["frozen"], params, read.hospitals)
    effects = change_effects(cells, units, params, read.hospitals, by_month)
    monitoring = monitor(
        cells, units, read.sums.table(DEATHS), params, monthly=by_month, monthly_deaths=read.frame(MONTHLY_DEATHS)
    )
    broken = breaks(cells, read.cube, monitoring["charts"], params)
    holds = together(by_grades(stability, list(params.periods)), holds_of(broken)) if params.cycles else no_holds()
    frozen = referenced["frozen"]
    tables = {
        "units": units,
        "cells": cells,
        "grades": grades,
        "grade_stability": stability,
        "holds": holds,
        "diseases": disease_cells(read.sums.table(DISEASES), read.hospitals, params),
        **_verdicts(cells, units, effects["effects"], holds, read, params),
        **monitoring,
        **effects,
        "placebos": placebo_verdicts(effects["placebos"], params, insufficient(read.warnings)),
        "breaks": broken,
        "ladder": rungs(frozen, units, params),
        "decomposition": decomposition(frozen, units, params),
        "coding_depth": coding_depth(frozen, units, params),
    }
    facts = {
        "insufficient": {basis: dict(r.insufficient) for basis, r in referenced.items()},
        "references": {basis: reference_hashes(r.frame) for basis, r in referenced.items()},
        "lists": {"没有病例的专科": without_cases(units, params)},
    }
    return Made(tables=tables, facts=facts)


def _grades(referenced: Mapping[Basis, Referenced], params: RunParams) -> pd.DataFrame:
    grades = pd.concat([r.grades.assign(basis=basis) for basis, r in referenced.items()], ignore_index=True)
    return described(grades, params.risk_grades) if params.risk_grades.file is None else grades


def _verdicts(
    cells: pd.DataFrame, units: pd.DataFrame, effects: pd.DataFrame, holds: pd.DataFrame, read: _Read, params: RunParams
) -> dict[str, pd.DataFrame]:
    """The changes with their verdicts, and the specifications that these were held against."""
    poor = insufficient(read.warnings)
    changes = all_changes(cells, units, params) if params.cycles else no_changes()
    changes = judged(changes, effects, units, params, poor, holds)
    tried = choice_cubes(read.sums.table(SUMS), params, read.hospitals)
    curve = specifications(tried, changes, units, params, read.hospitals, poor, stopped_in(cells))
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
    if not (params.cycles and params.projects):
        return {}
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    return {
        (scope, method): cube_of(summed, {"frozen": trim_of("frozen", scope, method, groups)})
        for scope, method in product(params.robustness.scopes, trimmings(params))
    }
