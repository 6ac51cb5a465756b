"""The canonical discharge table: one row per inpatient stay (出院病例), the same for every source format.

A format map (`toolkit/data/formats/*.yaml`) says how a file's columns become these; rules (`toolkit/data/quality`) decide
which rows are stored. Missing is NULL, never 0, "" or NaN. Money is integer fen (分), so that sums do not depend on the
order in which threads add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Type = Literal["string", "int8", "int16", "int32", "int64", "float64", "boolean", "date"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of the canonical table.

    Attributes
    ----------
    required
        True: a format map without it is refused. The others may be absent; what needs them then reads 不适用.
    low, high
        Plausible range, ends included. A value outside is a counted fate (rules), not an exception.
    front_page
        Field code of the 病案首页 A/B/C/D export.
    """

    name: str
    type: Type
    name_zh: str
    meaning: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    front_page: str = ""


FIELDS: tuple[Field, ...] = (
    Field(
        name="hospital",
        type="string",
        name_zh="医疗机构代码",
        required=True,
        front_page="A01",
        meaning="hospital code, text: leading zeros are kept",
    ),
    Field(
        name="record",
        type="string",
        name_zh="病案号",
        front_page="A48",
        meaning="record number; used for joins and duplicates while reading, never stored",
    ),
    Field(
        name="visit",
        type="string",
        name_zh="住院次数",
        front_page="A49",
        meaning="number of the stay of this patient; used while reading, never stored",
    ),
    Field(
        name="year",
        type="int16",
        name_zh="出院年份",
        required=True,
        low=1990,
        high=2100,
        front_page="B15",
        meaning="calendar year of discharge",
    ),
    Field(
        name="month",
        type="int8",
        name_zh="出院月份",
        low=1,
        high=12,
        front_page="B15",
        meaning="calendar month of discharge; absent where a source gives the year only",
    ),
    Field(name="admission_date", type="date", name_zh="入院日期", front_page="B12", meaning="day of admission"),
    Field(name="discharge_date", type="date", name_zh="出院日期", front_page="B15", meaning="day of discharge"),
    Field(
        name="los_days",
        type="int32",
        name_zh="住院天数",
        low=1,
        high=36500,
        front_page="B12, B15",
        meaning="max(1, discharge date − admission date), days; the stated number where a source has no dates",
    ),
    Field(
        name="cost_fen",
        type="int64",
        name_zh="住院总费用（分）",
        low=0,
        high=10**12,
        front_page="D01",
        meaning="total cost of the stay in hundredths of the currency unit",
    ),
    Field(name="died", type="boolean", name_zh="死亡", front_page="B34C", meaning="died in hospital (离院方式 5)"),
    Field(
        name="exit_mode",
        type="string",
        name_zh="离院方式",
        front_page="B34C",
        meaning="RC019: 1 医嘱离院, 2 转院, 3 转社区, 4 非医嘱离院, 5 死亡, 9 其他",
    ),
    Field(
        name="admission_route",
        type="string",
        name_zh="入院途径",
        front_page="B11C",
        meaning="RC026: 1 急诊, 2 门诊, 3 其他医疗机构转入, 9 其他",
    ),
    Field(name="sex", type="string", name_zh="性别", front_page="A12C", meaning="RC001: 1 男, 2 女, 0 and 9 unknown"),
    Field(
        name="age_years",
        type="int16",
        name_zh="年龄（岁）",
        low=0,
        high=120,
        front_page="A14",
        meaning="completed years at admission",
    ),
    Field(name="department", type="string", name_zh="出院科别", front_page="B16C", meaning="discharge department code"),
    Field(name="principal_diagnosis", type="string", name_zh="主要诊断编码", front_page="C03C", meaning="ICD-10 code"),
    Field(
        name="principal_procedure",
        type="string",
        name_zh="主要手术操作编码",
        front_page="C14x01C",
        meaning="ICD-9-CM-3 code",
    ),
    Field(
        name="surgery_level",
        type="int8",
        name_zh="手术级别",
        low=1,
        high=4,
        front_page="C17x01, C38xNN",
        meaning="highest level among the operations of the stay as the hospital entered it; NULL where none",
    ),
    Field(
        name="surgical",
        type="boolean",
        name_zh="手术病例",
        front_page="C17x01, C38xNN",
        meaning="the stay holds an operation (手术 or 介入治疗, not 操作)",
    ),
    Field(
        name="drg",
        type="string",
        name_zh="DRG",
        meaning="DRG code from the record, a joined file or a declared expression; NULL where ungrouped",
    ),
    Field(
        name="drg_weight",
        type="float64",
        name_zh="DRG 权重",
        low=0,
        high=1000,
        meaning="published weight carried by the record, where the source has one",
    ),
    Field(
        name="specialty",
        type="string",
        name_zh="专科",
        meaning="specialty id from the declared definitions; NULL where the stay belongs to none",
    ),
)

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}

# Needed to find duplicates and to join the DRG file; personal identifiers, so they never reach the store.
IDENTIFYING = ("record", "visit")
STORED: tuple[str, ...] = tuple(field.name for field in FIELDS if field.name not in IDENTIFYING)
