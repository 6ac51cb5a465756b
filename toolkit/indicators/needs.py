"""What an indicator needs of the records and of the run, read off its own expressions: so that nothing has to be kept in step."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields

from toolkit.data.discharge.measures import MEASURES
from toolkit.data.discharge.schema import BY_NAME
from toolkit.indicators.base import Described
from toolkit.params import RunParams

_COLUMN, _FIELD = re.compile(r"col\('([^']+)'\)"), re.compile(r"_\.([a-z_0-9]+)")
# columns of the referenced cube -> the fields that they are made of
_REFERENCED: Mapping[str, tuple[str, ...]] = {
    "weight": ("drg",),
    "risk_grade": ("drg", "died"),
    "ref_cost": ("drg", "cost_fen"),
    "ref_los": ("drg", "los_days"),
    "ref_mortality": ("drg", "died"),
    "tier": (),
}
# fields that a list of the run, or other fields, bring about -> the fields, or the parameter, that they need
_DERIVED: Mapping[str, tuple[str, ...]] = {
    "surgical": ("surgical|procedure_levels|surgery_level|principal_procedure",),
    "operation_asked": ("procedure_levels|principal_procedure",),
    "judged_level": ("procedure_levels|surgery_level",),
    "judged_level_frozen": ("procedure_levels|surgery_level",),
    "level34": ("procedure_levels|surgery_level",),
    "level34_frozen": ("procedure_levels|surgery_level",),
    "minimally_invasive": ("minimally_invasive|indicators.minimally_invasive", "principal_procedure"),
    "minimally_invasive_frozen": ("minimally_invasive|indicators.minimally_invasive", "principal_procedure"),
    "complication": ("indicators.complications", "acquired_diagnoses"),
    "complication_frozen": ("indicators.complications", "acquired_diagnoses"),
    "transferred_in": ("admission_route",),
    "residence_known": ("residence|address",),
    "outside_county": ("residence|address", "data.hospitals"),
    "outside_city": ("residence|address", "data.hospitals"),
    "readmitted": ("patient", "admission_date"),
    "diseases": ("principal_diagnosis",),
}


def needs_of(indicator: Described) -> list[str]:
    """What it cannot do without: canonical fields, dotted parameters, or `one|another` where either will do."""
    said = " ".join(repr(getattr(indicator, part.name)) for part in fields(indicator))
    asked: dict[str, None] = {}
    for column in _COLUMN.findall(said):
        asked |= dict.fromkeys(_of_column(column))
    return list(asked)


def _of_column(column: str) -> list[str]:
    name = re.sub(r"(_n|_sq)?(@\w+)?$", "", column)
    if column in _REFERENCED or name in _REFERENCED:
        return list(_REFERENCED.get(column, _REFERENCED.get(name, ())))
    if column in ("drg",):
        return ["drg"]
    measures = [m for m in MEASURES if m.id.partition("@")[0] in (column, name)]
    used = [field for m in measures for field in _FIELD.findall(f"{m.value!r} {m.when!r}")]
    known = [field for field in used if field in BY_NAME or field in _DERIVED]
    return [need for field in dict.fromkeys(known) for need in _DERIVED.get(field, (field,))]


def lacking(indicator: Described, has: Collection[str], params: RunParams | None = None) -> list[str]:
    """What it needs and is not there, in Chinese words.

    Parameters
    ----------
    has
        Canonical fields that the records have.
    params
        Of a run; without them no list of the run is there.
    """
    return [
        _words(need) for need in needs_of(indicator) if not any(_there(one, has, params) for one in need.split("|"))
    ]


def _there(need: str, has: Collection[str], params: RunParams | None) -> bool:
    if "." not in need:
        return need in has
    value: object = params
    for part in need.split("."):
        value = getattr(value, part, None)
    return bool(value)


def _words(need: str) -> str:
    names = [BY_NAME[one].name_zh if one in BY_NAME else f"参数 {one}" for one in need.split("|")]
    return "或".join(name.removesuffix("（分）") for name in names)
