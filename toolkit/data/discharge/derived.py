"""What a discharge is by the lists and tables of the run: hospital, specialty, residence, level of its operations, diseases.

Each answer is stored with the discharge, so that the cube sums it like any other field and needs no list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import pandas as pd
from ibis import _

from toolkit.data.discharge import schema
from toolkit.data.lists.code_lists import (
    OPERATIONS,
    TECHNIQUES,
    CodeList,
    any_listed,
    highest_level,
    read_code_list,
    read_techniques,
    with_principal,
)
from toolkit.data.lists.crosswalk import Crosswalk, current, read_crosswalk
from toolkit.data.lists.diseases import DiseaseSets, diseases_of, read_diseases
from toolkit.data.lists.divisions import LENGTHS, Gazetteer, outside, read_gazetteer, trimmed, with_residence
from toolkit.data.lists.published import has_limits, mean_table
from toolkit.data.lists.specialties import Assignment, attribute, read_departments
from toolkit.data.quality.ranges import pattern
from toolkit.data.reading.formats import FormatMap
from toolkit.engine.types import Column, Table
from toolkit.params import RunParams

PREGNANCY = ("O",)
NEWBORN = ("P",)
NEWBORN_DAYS = 28
TRANSFERRED = "3"  # RC026: from another hospital


@dataclass(frozen=True, kw_only=True)
class Lists:
    """What a run brings beside its records; None where it brings none."""

    surgery_levels: CodeList | None
    procedure_categories: CodeList | None
    techniques: Mapping[str, CodeList]
    minimally_invasive: CodeList | None
    complications: CodeList | None
    gazetteer: Gazetteer | None
    crosswalk: Crosswalk | None
    departments: tuple[Assignment, ...]
    diseases: DiseaseSets


def read_lists(params: RunParams) -> Lists:
    """The lists that the parameters name, checked.

    Raises
    ------
    InputError, ParameterError
        A list is none, or holds for none of a year's discharges.
    """
    policy, data, years = params.indicators, params.data, params.all_years
    techniques = read_techniques(policy.techniques, years) if policy.techniques else {}
    return Lists(
        surgery_levels=read_code_list(policy.surgery_levels, "手术分级目录", years, levels=True)
        if policy.surgery_levels
        else None,
        procedure_categories=read_code_list(policy.procedure_categories, "手术操作类别字典", years, categories=True)
        if policy.procedure_categories
        else None,
        techniques=techniques,
        minimally_invasive=read_code_list(policy.minimally_invasive, "微创手术目录", years)
        if policy.minimally_invasive
        else techniques.get("minimal"),
        complications=read_code_list(policy.complications, "手术并发症诊断目录", years, prefix=True)
        if policy.complications
        else None,
        gazetteer=read_gazetteer(data.divisions) if data.divisions else None,
        crosswalk=read_crosswalk(data.crosswalk) if data.crosswalk else None,
        departments=read_departments(data.departments, params.specialties) if data.departments else (),
        diseases=read_diseases(data.diseases),
    )


def facts_of(lists: Lists, params: RunParams) -> dict[str, str]:
    """What the outputs say about each list: which was used, or what stands in for it."""

    def used(one: CodeList | None, otherwise: str) -> str:
        return (
            otherwise
            if one is None
            else f"{one.name_zh} {one.path.name}（按出院年份；定基口径固定为 {params.baseline.last} 年的目录）"
        )

    levels = used(lists.surgery_levels, "医院填报（C17x01、C38xNN），未与目录核对")
    if lists.surgery_levels and (lacking := lists.surgery_levels.years_without("3", params.all_years)):
        levels += f"；目录没有 {_years(lacking)}年的三级手术，该年三四级手术占比不适用"
    overlapping = "、".join(s.name_zh for s in params.specialties if s.overlap)
    return {
        "手术判别": f"手术操作类别字典 {lists.procedure_categories.path.name}（按出院年份），手术和介入治疗为手术"
        if lists.procedure_categories
        else "没有类别字典：医院填了级别的、或手术分级目录内的操作视为手术，是否填全见“手术级别可认定率”",
        "手术级别": levels,
        "微创手术": used(lists.minimally_invasive, "没有目录；来源标明时用来源的标记，否则不适用"),
        "技术目录": f"{'、'.join(w for w, i in TECHNIQUES.items() if i in lists.techniques)}（{params.indicators.techniques.name}）"
        if params.indicators.techniques
        else "没有目录；来源标明时用来源的标记，否则不适用",
        "手术并发症": used(lists.complications, "没有目录；来源标明时用来源的标记，否则不适用"),
        "现住址": f"行政区划表 {lists.gazetteer.path.name}" if lists.gazetteer else "没有区划表，只用行政区划代码列",
        "参照均值": _means_used(params),
        "病种": lists.diseases.title,
        "重叠的专科": f"{overlapping}：其病例同时计入各专科，全院与参照中只计一次" if overlapping else "无",
        "机构代码": f"对照表 {lists.crosswalk.path.name}" if lists.crosswalk else "按报送",
    }


def _years(years: Sequence[int]) -> str:
    return f"{years[0]}–{years[-1]} " if len(years) > 1 else f"{years[0]} "


def _means_used(params: RunParams) -> str:
    """Where reference means come from, and how far they and the records are cut alike."""
    path = params.reference.means
    if path is None:
        return "由病例计算"
    cut = "附裁剪界限，病例按同一界限裁剪" if has_limits(mean_table(path)) else "没有裁剪界限，病例不裁剪"
    return f"外部均值表 {path.name}，{cut}"


def current_hospital(table: Table, lists: Lists, params: RunParams) -> Table:
    """`table` with `hospital` as it counts, and `reported_hospital` as it stood in the file."""
    table = table.mutate(reported_hospital=table.hospital)
    if lists.crosswalk is None:
        return table
    day = ibis.coalesce(table.discharge_date, ibis.date(table.year.cast("int32"), 1, 1))
    return table.mutate(hospital=current(table.hospital, day, lists.crosswalk, params.indicators.mergers))


def derive(
    table: Table, params: RunParams, lists: Lists, hospitals: pd.DataFrame | None, present: set[str], form: FormatMap
) -> Table:
    """`table` of canonical columns with every derived one.

    Parameters
    ----------
    hospitals
        Registry with `code` and `county` (a division code or name), or None.
    present
        Canonical fields that the file has columns for.
    """
    table = current_hospital(table, lists, params)
    table = attribute(table, params.specialties, lists.departments)
    came = table.admission_route == TRANSFERRED if _tells_transfers(form) else ibis.null("boolean")
    table = table.mutate(diseases=diseases_of(table, lists.diseases.diseases), transferred_in=came)
    table = _at_home(table, lists, hospitals, present)
    return _operations(_operated(table, params, lists, present, form), params, lists)


def _tells_transfers(form: FormatMap) -> bool:
    """Whether the source's routes of admission can say that a patient came from another hospital.

    Where a map translates every route it knows and none to that code, no transfer is 不适用, not 0.
    """
    source = form.fields.get("admission_route")
    return source is not None and (not source.values or TRANSFERRED in source.values.values())


def _at_home(table: Table, lists: Lists, hospitals: pd.DataFrame | None, present: set[str]) -> Table:
    table = with_residence(table, lists.gazetteer)
    given = "residence" in present or ("address" in present and lists.gazetteer is not None)
    known = table.residence.notnull() if given else ibis.null("boolean")
    counties = _counties(lists, hospitals)
    own = table.hospital.cases(*counties, else_=ibis.null("string")) if counties else ibis.null("string")
    table = table.mutate(residence_known=known, own_county=own)
    home, here = table.residence, table.own_county
    found = table.mutate(outside_county=outside(home, here, LENGTHS[2]), outside_city=outside(home, here, LENGTHS[1]))
    return found.drop("own_county")


def _counties(lists: Lists, hospitals: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Hospital code → its county as a division prefix, of the hospitals whose county is a code or known by name."""
    if hospitals is None or "county" not in hospitals:
        return []
    found = []
    for code, county in zip(hospitals["code"], hospitals["county"], strict=True):
        digits = county.isascii() and county.isdigit() and len(county) == LENGTHS[2]
        prefix = lists.gazetteer.prefix_of(county) if lists.gazetteer else trimmed(county) if digits else ""
        if prefix:
            found.append((code, prefix))
    return found


def _operated(table: Table, params: RunParams, lists: Lists, present: set[str], form: FormatMap) -> Table:
    """`surgical` by the category of the procedures where a dictionary gives it, and which stays should have a level.

    A code that the dictionary does not have is of no category: whether it is an operation is for the hospital to say.
    """
    coded = {"principal_procedure", "other_procedures"} & present
    procedures = with_principal(table.principal_procedure, table.other_procedures)
    if lists.procedure_categories is not None and coded:
        hit = any_listed(procedures, table.year, lists.procedure_categories, params.all_years, OPERATIONS)
        return table.mutate(surgical=hit).mutate(operation_asked=_.surgical)
    asked = table.surgical.fill_null(False)
    if coded and _level_is_all(form):  # else the source says by itself what an operation is
        chapters = pattern(params.indicators.operation_codes).replace(
            r"\.", r"\.?"
        )  # some write codes without the point
        asked |= procedures.re_search(rf"\|{chapters}")
    return table.mutate(operation_asked=asked)


def _level_is_all(form: FormatMap) -> bool:
    """Whether a source calls an operation what has a level, and has nothing else to tell it by."""
    flag, level = (form.fields.get(name) for name in ("surgical", "surgery_level"))
    return flag is not None and level is not None and set(flag.names()) == set(level.names())


def _operations(table: Table, params: RunParams, lists: Lists) -> Table:
    """Level, minimally invasive, complication: by the list of the year, and by that of the last year before."""
    years, year = params.all_years, table.year
    before = (params.baseline.last,)
    procedures = with_principal(table.principal_procedure, table.other_procedures)
    acquired = with_principal(ibis.null("string"), table.acquired_diagnoses)
    asked = (
        table.surgical.fill_null(False)
        & table.admission_route.isin(params.indicators.elective_routes)
        & ~_begins(table.principal_diagnosis, (*PREGNANCY, *NEWBORN))
        & ~((table.age_days < NEWBORN_DAYS).fill_null(False))
    )
    # columns of their own: each is looked at several times
    table = table.mutate(all_procedures=procedures, all_acquired=acquired, asked_complication=asked.fill_null(False))
    procedures, acquired, asked = table.all_procedures, table.all_acquired, table.asked_complication
    made: dict[str, Column] = {}
    known_kinds = lists.procedure_categories is not None
    for suffix, span in (("", years), ("_frozen", before)):
        level, minimal, complicated = lists.surgery_levels, lists.minimally_invasive, lists.complications
        # a stay on no list has level 0: it is an operation of none of the four
        judged = (
            ibis.coalesce(highest_level(procedures, year, level, span), ibis.literal(0, "int8"))
            if level
            else table.surgery_level
        )
        # where the category decides, a level makes no operation of what is none
        judged = ibis.ifelse(table.surgical, judged, ibis.null("int8")) if known_kinds else judged
        made[f"judged_level{suffix}"] = judged
        # of a directory without level 3 nobody can say which operations are of level 3 or 4
        known = judged >= 3
        lacking = level.years_without("3", span) if level else ()
        unknown = (year.isin(lacking) if len(span) > 1 else ibis.literal(True)) if lacking else None
        made[f"level34{suffix}"] = known if unknown is None else ibis.ifelse(unknown, ibis.null("boolean"), known)
        made[f"minimally_invasive{suffix}"] = (
            any_listed(procedures, year, minimal, span) if minimal else table.minimally_invasive
        )
        found = any_listed(acquired, year, complicated, span) if complicated else table.complication
        made[f"complication{suffix}"] = ibis.ifelse(asked, found, ibis.null("boolean"))
        for technique in schema.TECHNIQUES:
            of = lists.techniques.get(technique)
            made[f"{technique}{suffix}"] = any_listed(procedures, year, of, span) if of else table[technique]
    made["day_surgery"] = _day_surgery(table, procedures, params, lists)
    # read together: the frozen answer must not see the one of the year under the same name
    return table.mutate(**made).drop("all_procedures", "all_acquired", "asked_complication")


def _day_surgery(table: Table, procedures: Column, params: RunParams, lists: Lists) -> Column:
    """Whether an elective operation was one of a day (and of the list, where there is one); NULL of all other stays."""
    short = table.los_days <= params.indicators.day_surgery_days
    if "day" in lists.techniques:
        short &= any_listed(procedures, table.year, lists.techniques["day"], params.all_years)
    elective = table.surgical.fill_null(False) & table.admission_route.isin(params.indicators.elective_routes)
    return ibis.ifelse(elective & table.los_days.notnull(), short, ibis.null("boolean"))


def _begins(column: Column, prefixes: Sequence[str]) -> Column:
    return ibis.or_(*[column.upper().startswith(p) for p in prefixes]).fill_null(False)
