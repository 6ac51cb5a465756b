"""What the formats of a run can hold, and so which rules its records can be checked by; the rest say why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.quality import CATALOGUE, RECORD_RULES, Rule
from toolkit.data.quality.base import title_of, value_of
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap
from toolkit.params import RunParams


def fields_of(params: RunParams, forms: Sequence[FormatMap]) -> set[str]:
    """The canonical fields that records of the formats can have: those of the maps, and what follows from them."""
    has = {"specialty", "year"}.union(*(form.fields for form in forms))
    if {"admission_date", "discharge_date"} <= has:
        has.add("los_days")
    if {"record", "identity", "health_card"} & has:
        has.add("patient")
    if {"admission_date", "birth_date"} <= has:
        has |= {"age_years", "age_days"}
    if "discharge_date" in has:
        has.add("month")
    if params.data.drg_file or params.data.grouper:
        has.add("drg")
    return has


def shapes_of(params: RunParams, forms: Sequence[FormatMap]) -> dict[str, str]:
    """Field -> shape of its codes, in any of the formats; the codes of a grouper that the run calls are its own affair."""
    shapes = {}
    for name in BY_NAME:
        told = list(dict.fromkeys(form.shape(name) for form in forms))
        if all(told):
            shapes[name] = told[0] if len(told) == 1 else "|".join(f"(?:{shape})" for shape in told)
    if params.data.grouper:
        shapes.pop("drg", None)
    return shapes


def _names(fields: Iterable[str]) -> str:
    return "、".join(BY_NAME[name].name_zh.removesuffix("（分）") for name in fields)


def applicable_rules(
    params: RunParams, forms: Sequence[FormatMap], hospitals: pd.DataFrame | None
) -> tuple[set[str], dict[str, str]]:
    """Ids of the rules that can be checked, and of the others the reason, in Chinese."""
    has = fields_of(params, forms)
    reasons: dict[str, str] = {}
    for id_, rule in CATALOGUE.items():
        if missing := [f for f in rule.needs if f not in has]:
            reasons[id_] = f"来源格式没有字段：{_names(missing)}"
        elif rule.needs_any and not has & set(rule.needs_any):
            reasons[id_] = f"来源格式没有下列字段中的任何一个：{_names(rule.needs_any)}"
        elif missing := [name for name in rule.inputs if not value_of(params, name)]:
            reasons[id_] = f"未提供：{'、'.join(title_of(params, name) for name in missing)}"
    if hospitals is not None:
        for id_ in [i for i, rule in CATALOGUE.items() if "data.hospitals" in rule.inputs and i in reasons]:
            del reasons[id_]
        reasons["K00"] = "有机构名录，见规则K01"
    if hospitals is not None and "hospital_name" not in has:
        reasons["K02"] = f"来源格式没有字段：{_names(['hospital_name'])}"
    if all(form.scope is None for form in forms):
        reasons["SCOPE"] = "来源格式未声明范围"
    if not any("year" in form.fields for form in forms):
        reasons["D01Y"] = "来源格式有日期，见规则D01"
    return set(CATALOGUE) - set(reasons), reasons


def absent_everywhere(sources: list[SourceFile], applicable: set[str], params: RunParams) -> dict[str, str]:
    """Rules that no file could be checked by, though the format has their fields: no file has the columns."""
    lacking = lacking_everywhere(sources, params)
    found = {
        id_: f"各文件都没有字段：{_names(missing)}"
        for id_, rule in CATALOGUE.items()
        if id_ in applicable and (missing := [f for f in rule.needs if f in lacking])
    }
    if "G01" in found:
        found["G01"] += "；也没有分组结果文件或分组器，CMI、消耗指数、风险分级等病例组合类指标都不能计算"
    return found


def lacking_everywhere(sources: list[SourceFile], params: RunParams) -> set[str]:
    """Fields of the formats that no file has a column for."""
    grouped = {"drg"} if params.data.drg_file or params.data.grouper else set()
    read = [set(s.lacks) - grouped for s in sources if not s.rejected]
    return set.intersection(*read) if read else set()


def record_rules(params: RunParams, form: FormatMap, hospitals: pd.DataFrame | None) -> list[Rule]:
    """The rules over one record that records of a format can be checked by."""
    applicable, _reasons = applicable_rules(params, [form], hospitals)
    return [rule for rule in RECORD_RULES if rule.id in applicable]
