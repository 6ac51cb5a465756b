"""Stages `sums` and `cube`: stored discharges to the sums that every number is made of, and the cube of the run's own choice.

The sums hold every way of trimming that the run declares, so that another reference, another trimming among these, another
grade, method or verdict rule is answered from them. No record is read for it.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from toolkit import cube as cubes
from toolkit.cube.trims import UNTRIMMED, Trim, cube_of, own_trims, sum_up, trim_of, untrimmed
from toolkit.data.discharge.covariates import COVARIATES, death_cells, one_row_a_specialty
from toolkit.data.discharge.measures import measures_for
from toolkit.data.lists.diseases import disease_sums, no_disease_sums
from toolkit.data.store import discharges
from toolkit.documents import Entries
from toolkit.engine import connect
from toolkit.engine.types import Engine, Table
from toolkit.errors import InputError, ParameterError, nearest
from toolkit.params import Cohort, ReferencePolicy, RunParams, WeightPolicy
from toolkit.runs.asked import CELLS, Asked, Made

SUMS, DISEASES, DEATHS, MONTHS, MONTHLY_DEATHS = "sums", "disease_sums", "deaths", "months", "monthly_deaths"


def sum_records(asked: Asked) -> Made:
    """Everything that later stages need of single records."""
    if asked.before["intake"].has(CELLS):
        return _of_summed(asked)
    derived, store = asked.derived, asked.folder / "data" / "discharges"
    registry = asked.before["intake"].table("hospitals")
    groups = registry.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    params = _with_choice(asked.params, derived)
    _check_projects(params, registry)
    connection = connect(asked.work, [store], engine=params.engine)
    try:
        asked.progress("汇总", 0.0)
        rows = discharges(connection, store)
        measures = measures_for(derived["weights"])
        monthly = cubes.monthly(rows)
        frames = {DISEASES: disease_sums(rows)}
        for cohort in params.cohorts or (None,):
            asked_of = params if cohort is None else params.over(cohort)
            own = rows if len(params.cohorts) < 2 or cohort is None else cubes.of_years(rows, cohort.years)
            name = of_cohort(params, cohort)
            # limits of the frozen basis are those of the cohort's own years before
            summed = sum_up(own, asked_of, groups, ways(derived, groups), measures, connection=connection)
            frames[name(SUMS)] = summed
            if len(monthly) and params.projects:
                made = _by_month(own, asked_of, groups, connection)
                frames[name(MONTHS)], frames[name(MONTHLY_DEATHS)] = made
        asked.progress("监测", 0.0)
        frames[DEATHS] = death_cells(rows, params.monitoring.age_bands, ("hospital", "specialty", "year"))
    finally:
        connection.disconnect()
    if frames[SUMS].empty:
        accounts = asked.before["intake"].table("accounts")
        raise InputError(
            "没有任何病例被纳入",
            "no discharge was accepted",
            where="、".join(sorted(set(accounts["rule"]))[:5]),
            remedy="检查评价年份与格式; 用 speceval check 查看各原因的例数",
            remedy_english="check years and format",
        )
    return Made(tables={"monthly": monthly}, frames=frames)


def _of_summed(asked: Asked) -> Made:
    """The same from sums that others made: nothing by month, disease or patient is in them."""
    intake, params = asked.before["intake"], asked.params
    _check_projects(params, intake.table("hospitals"))
    cells = intake.table(CELLS)
    frames = {DISEASES: no_disease_sums(), DEATHS: _deaths(cells)}
    for cohort in params.cohorts or (None,):
        own = cells if cohort is None else cells[cells["year"].isin(cohort.years)]
        cube = cubes.from_sums(own, _with_choice(params, asked.derived))
        frames[of_cohort(params, cohort)(SUMS)] = untrimmed(cube)
    monthly = pd.DataFrame(
        {"hospital": pd.Series(dtype="str"), **dict.fromkeys(("year", "month", "n"), pd.Series(dtype="int64"))}
    )
    return Made(tables={"monthly": monthly}, frames=frames)


def _deaths(cells: pd.DataFrame) -> pd.DataFrame:
    """Deaths by DRG, of patterns that say nothing more."""
    keys = ["hospital", "specialty", "year", "drg", *COVARIATES]
    known = cells.assign(n=cells["died_n"]) if "died" in cells else cells.iloc[:0].assign(died=0)
    rows = known[known["drg"] != ""].assign(**dict.fromkeys(COVARIATES, ""))
    return rows.groupby(keys, as_index=False)[["n", "died"]].sum().astype({"n": "int64", "died": "int64"})


def of_cohort(params: RunParams, cohort: Cohort | None) -> Callable[[str], str]:
    """How the frames of a cohort are called: those of the run's own cycle by their plain name."""
    plain = cohort is None or cohort == params.cohorts[0]
    return lambda name: name if plain or cohort is None else f"{name}.{cohort.id}"


def ways(derived: Entries, groups: pd.DataFrame) -> list[Trim]:
    """Every way of trimming that is summed, each once; `derived` as from `toolkit.runs.stages.of_choices`."""
    found = {trim_of(b, s, m, groups) for b in cubes.BASES for s in derived["scopes"] for m in derived[b]}
    return sorted(found | {Trim("", "", UNTRIMMED)})


def choose_cube(asked: Asked) -> Made:
    """The cube of the run's own scope and trimming, out of the sums."""
    registry = asked.before["intake"].table("hospitals")
    groups = registry.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    return Made(tables={"cube": cube_of(asked.before["sums"].table(SUMS), own_trims(asked.params, groups))})


def _with_choice(params: RunParams, derived: Entries) -> RunParams:
    """The parameters with the choice that sums by month are made with."""
    scope, method = derived["months"]
    return params.model_copy(
        update={
            "reference": ReferencePolicy.model_validate(
                {"scope": scope or "level_group", "means": params.reference.means}
            ),
            "trimming": params.trimming.model_copy(
                update={"method": method, "frozen": "none" if method == "none" else "same"}
            ),
            "weights": WeightPolicy.model_validate({"source": derived["weights"]}),
        }
    )


def _by_month(
    rows: Table, params: RunParams, groups: pd.DataFrame, connection: Engine
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the projects only, for their charts: the cube by month, and deaths by month and covariate pattern."""
    projects = pd.DataFrame([(p.hospital, p.specialty) for p in params.projects], columns=["hospital", "specialty"])
    known = cubes.of_known_month(rows)
    key = ("hospital", "specialty", "year", "month")
    cube = one_row_a_specialty(cubes.of_units(known, params, groups, projects, (*key, "drg"), connection=connection))
    deaths = one_row_a_specialty(death_cells(known, params.monitoring.age_bands, key, projects))
    return cube.merge(projects, on=["hospital", "specialty"]), deaths.merge(projects, on=["hospital", "specialty"])


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
