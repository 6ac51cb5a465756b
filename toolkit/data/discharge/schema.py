"""The canonical discharge table: one row per inpatient stay (出院病例), the same for every source format.

A format map (`toolkit/data/reading/formats/*.yaml`) says how a file's columns become these; rules (`toolkit/data/quality`) decide
which rows are stored. Missing is NULL, never 0, "" or NaN. Money is integer fen (分), so that sums do not depend on the
order in which threads add.

A list of codes is one text, `|I10.x00|E11.900|`: a separator before the first and after the last, NULL where there is
none. So `contains("|I10.x00|")` asks for a code and `contains("|E11")` for a beginning, as a plain search of text on every
engine, several times faster than the same question to an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# "codes" is a list of codes in one text, as above
Type = Literal["string", "codes", "int8", "int16", "int32", "int64", "float64", "boolean", "date", "timestamp"]
SEPARATOR = "|"  # of codes


# Codes in their written form. ICD-10: letter, digit, digit or letter, what the versions add, + or * and the other of a pair;
# ICD-9-CM-3 likewise; DRG: of CHS-DRG and CN-DRG (two letters, digit, digit or letter), with what regions add
HOSPITAL_SHAPE = r"^[0-9A-Z][0-9A-Z_.-]{0,63}$"
_ICD10 = r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,8})?"
ICD10_SHAPE = rf"^{_ICD10}([+*]({_ICD10}[+*]?)?)?$"
ICD9CM3_SHAPE = r"^[0-9]{2}(\.?[0-9X]{1,4})?([XK][0-9]{1,3})?$"
EXIT_CODES = ("1", "2", "3", "4", "5", "9")  # RC019 离院方式
DRG_SHAPE = r"^[A-Z]{2}[0-9][0-9A-Z]{1,3}$"

# Who somebody is, in the place of a code: identity numbers of 18 and 15 digits by their date of birth, and mobile numbers
IDENTITY_NUMBER = (
    r"^[1-9]\d{5}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dX]$|"
    r"^[1-9]\d{7}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}$"
)
PERSONAL = IDENTITY_NUMBER + r"|^1[3-9]\d{9}$"
SLIPPED = "#SLIPPED"  # stands in the place of such a cell, from the door on: what it held goes no further
WORD = "#WORD"  # likewise of a word in the place of a coded value, which may be a name as well
# signs of which names of departments have at least one, and names of people hardly any
DEPARTMENT_SIGNS = (
    "科室区部房组院所诊病楼门内外妇儿产骨眼耳鼻喉口腔皮肤神经瘤癌急重症感染麻醉复精肾肝胆胰脾胃肠肺脑血泌尿胸乳甲疝烧伤"
    "整形透析介入疼痛药针灸推拿消化呼吸循环分泌风湿免疫核影检验营养护理监手术需保健生殖移植心"
)
HOSPITAL_SIGNS = "院所中心站部室科医卫疗妇幼防处校"  # likewise of institutions
# words for coded values that formats do not translate: no names
CODED_WORDS = tuple(
    [
        "男",
        "女",
        "未知",
        "未说明",
        "不详",
        "其他",
        "急诊",
        "门诊",
        "转入",
        "死亡",
        "治愈",
        "好转",
        "未愈",
        "出院",
        "转院",
        "其他医疗机构转入",
        "医嘱离院",
        "医嘱转院",
        "非医嘱离院",
    ]
)


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
    stored
        False: only rules or other fields need it, while reading.
    identifying
        Says who the patient is; never stored, in any form.
    written
        The form in which its cells are written at the door (`toolkit.written_form`): a code, a count, a name or a level; ""
        for what is no code.
    shape
        Regular expression that its codes meet in their written form, where a format map does not say another.
    """

    name: str
    type: Type
    name_zh: str
    meaning: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    front_page: str = ""
    stored: bool = True
    identifying: bool = False
    written: Literal["", "code", "count", "name", "level"] = ""
    shape: str = ""


def _money(name: str, name_zh: str, front_page: str, meaning: str, *, stored: bool = True) -> Field:
    return Field(
        name=name, type="int64", name_zh=f"{name_zh}（分）", front_page=front_page, meaning=meaning, stored=stored
    )


def _passing(
    name: str,
    type: Type,
    name_zh: str,
    front_page: str,
    meaning: str,
    *,
    identifying: bool = False,
    written: Literal["", "code"] = "",
) -> Field:
    """A field of which nothing is stored."""
    return Field(
        name=name,
        type=type,
        name_zh=name_zh,
        front_page=front_page,
        meaning=meaning,
        stored=False,
        identifying=identifying,
        written=written,
    )


TECHNIQUES = {"interventional": "介入技术", "endoscopic": "内镜技术", "puncture": "穿刺技术"}


def _technique(name: str, name_zh: str) -> tuple[Field, Field]:
    return (
        Field(
            name=name,
            type="boolean",
            name_zh=name_zh,
            meaning="by the list of the year; without a list as the source says",
        ),
        Field(
            name=f"{name}_frozen",
            type="boolean",
            name_zh=f"{name_zh}（定基）",
            meaning="likewise, by the list of the last year before",
        ),
    )


FIELDS: tuple[Field, ...] = (
    Field(
        name="hospital",
        type="string",
        name_zh="医疗机构代码",
        required=True,
        front_page="A01",
        meaning="hospital code, text: leading zeros are kept",
        written="code",
        shape=HOSPITAL_SHAPE,
    ),
    Field(
        name="record",
        type="string",
        name_zh="病案号",
        front_page="A48",
        meaning="record number; used for joins and duplicates while reading, never stored",
        stored=False,
        identifying=True,
        written="code",
    ),
    Field(
        name="visit",
        type="string",
        name_zh="住院次数",
        front_page="A49",
        meaning="number of the stay of this patient; used while reading, never stored",
        stored=False,
        identifying=True,
        written="count",
    ),
    _passing(
        "identity", "string", "身份证号", "A20", "identity number: becomes `patient`", identifying=True, written="code"
    ),
    _passing(
        "health_card",
        "string",
        "健康卡号",
        "A47",
        "health card: becomes `patient` where no identity number is given",
        identifying=True,
        written="code",
    ),
    _passing("birth_date", "date", "出生日期", "A13", "becomes the age in years and days", identifying=True),
    Field(
        name="patient",
        type="int64",
        name_zh="患者假名",
        front_page="A20, A47, A48",
        meaning="keyed hash of who the patient is: equal for two stays of one person in one run, meaningless outside it",
    ),
    _passing("hospital_name", "string", "医疗机构名称", "A02", "compared with the registry"),
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
        front_page="A13, A14",
        meaning="completed years at admission: from the birth date where the source has one, else as stated",
    ),
    Field(
        name="age_days",
        type="int16",
        name_zh="年龄（天）",
        low=0,
        high=366,
        front_page="A13, A16",
        meaning="days since birth at admission, NULL from the first birthday on; newborns are those under 28",
    ),
    Field(
        name="residence",
        type="string",
        name_zh="现住址行政区划代码",
        front_page="A26",
        meaning="division code of the home (GB/T 2260) as a prefix: province 2 digits, city 4, county 6; NULL where unresolved, "
        "which never means local",
        written="code",
    ),
    _passing("address", "string", "现住址", "A26", "becomes `residence` where no code is given", identifying=True),
    Field(
        name="department",
        type="string",
        name_zh="出院科别",
        front_page="B16C",
        meaning="discharge department code",
        written="name",
    ),
    Field(
        name="principal_diagnosis",
        type="string",
        name_zh="主要诊断编码",
        front_page="C03C",
        meaning="ICD-10 code",
        written="code",
        shape=ICD10_SHAPE,
    ),
    Field(
        name="other_diagnoses",
        type="codes",
        name_zh="其他诊断编码",
        front_page="C06xNNC",
        meaning="ICD-10 codes of all other discharge diagnoses, in the order of the page",
        written="code",
    ),
    Field(
        name="acquired_diagnoses",
        type="codes",
        name_zh="入院后发生的诊断",
        front_page="C06xNNC, C08xNNC",
        meaning="the other diagnoses whose 入院病情 is 4 (无): they arose during the stay",
        written="code",
    ),
    _passing("admission_conditions", "codes", "入院病情", "C05C, C08xNNC", "RC027 of all diagnoses that have one"),
    _passing("external_cause", "boolean", "损伤、中毒外部原因", "C12C", "an external cause is given"),
    _passing("pathology", "boolean", "病理诊断", "C09C, C10N, C11", "a pathology code, name or number is given"),
    _passing("autopsy", "boolean", "死亡患者尸检", "C34C", "the field is filled, with whatever answer"),
    Field(
        name="principal_procedure",
        type="string",
        name_zh="主要手术操作编码",
        front_page="C14x01C",
        meaning="ICD-9-CM-3 code",
        written="code",
        shape=ICD9CM3_SHAPE,
    ),
    Field(
        name="other_procedures",
        type="codes",
        name_zh="其他手术操作编码",
        front_page="C35xNNC",
        meaning="ICD-9-CM-3 codes of all further procedures, in the order of the page",
        written="code",
    ),
    _passing(
        "procedure_levels",
        "codes",
        "各手术操作及其级别",
        "C14x01C, C17x01, C35xNNC, C38xNN",
        "code=level of every procedure; the level as entered, empty where none is",
        written="code",
    ),
    _passing(
        "undated_procedures",
        "codes",
        "无日期的手术操作",
        "C14x01C, C16x01, C35xNNC, C37xNN",
        "the procedures without a date",
        written="code",
    ),
    _passing("first_procedure_date", "date", "首次手术操作日期", "C16x01, C37xNN", "earliest day of a procedure"),
    _passing("last_procedure_date", "date", "末次手术操作日期", "C16x01, C37xNN", "latest day of a procedure"),
    _passing("operation_start", "timestamp", "手术开始时间", "", "of the principal operation, where the source has it"),
    _passing("operation_end", "timestamp", "手术结束时间", "", "of the principal operation, where the source has it"),
    _passing(
        "anaesthesia", "boolean", "麻醉方式", "C22x01C", "a kind of anaesthesia is given for the principal operation"
    ),
    Field(
        name="surgery_level",
        type="int8",
        name_zh="手术级别",
        low=1,
        high=4,
        front_page="C17x01, C38xNN",
        written="level",
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
        written="code",
        shape=DRG_SHAPE,
    ),
    Field(
        name="drg_weight",
        type="float64",
        name_zh="DRG 权重",
        low=0,
        high=1000,
        meaning="published weight carried by the record, where the source has one",
    ),
    _passing("grouper_version", "string", "分组器版本", "", "version of the grouper that gave the DRG"),
    Field(
        name="readmission_planned",
        type="boolean",
        name_zh="有31日内再住院计划",
        front_page="B36C",
        meaning="a further stay within 31 days was planned at discharge",
    ),
    Field(
        name="receiver",
        type="boolean",
        name_zh="有接收机构",
        front_page="B35",
        meaning="a receiving institution is named; its name is not stored",
    ),
    Field(name="rescues", type="int16", name_zh="抢救次数", low=0, high=1000, meaning="the A/B/C/D format has none"),
    Field(name="successful_rescues", type="int16", name_zh="抢救成功次数", low=0, high=1000, meaning="as above"),
    _passing("admission_weight", "int32", "新生儿入院体重（克）", "A17", "grams"),
    _passing("lightest_birth_weight", "int32", "新生儿出生体重（克，最小）", "A18xNN", "grams; of several, the least"),
    _passing(
        "heaviest_birth_weight", "int32", "新生儿出生体重（克，最大）", "A18xNN", "grams; of several, the largest"
    ),
    # Five classes of the fee items, which of them holds what is declared by the format map; together they are the items
    _money("medical_fen", "医疗类费用", "D11, D12, D19–D22, D26–D33", "sum of the items of this class"),
    _money("nursing_fen", "护理类费用", "D13", "sum of the items of this class"),
    _money("technical_fen", "医技类费用", "D15–D18", "sum of the items of this class"),
    _money("drug_fen", "药品费", "D23–D25", "western and Chinese drugs"),
    _money("management_fen", "管理类费用", "D14, D34", "sum of the items of this class"),
    _money("material_fen", "医用材料费", "D31–D33", "consumables; in the five classes a part of 医疗"),
    _money("items_fen", "分项费用合计", "D11–D34", "sum of all items without the four 其中 lines", stored=False),
    _money("least_item_fen", "最小的分项费用", "D11–D34", "to find a negative item", stored=False),
    _money("surgery_fee_fen", "手术治疗费", "D20", "as stated", stored=False),
    _money("anaesthesia_fee_fen", "麻醉费", "D20x01", "as stated", stored=False),
    _money("self_pay_fen", "自付金额", "D09", "as stated", stored=False),
    Field(
        name="specialty",
        type="string",
        name_zh="专科",
        meaning="specialty id from the declared definitions, several joined by +; NULL where the stay belongs to none",
    ),
    # From the lists and tables of the run (`toolkit.data.discharge.derived`, `toolkit.data.discharge.readmission`)
    Field(
        name="reported_hospital",
        type="string",
        name_zh="报送的机构代码",
        front_page="A01",
        meaning="hospital code as it stood in the file, before the crosswalk",
    ),
    Field(
        name="judged_level",
        type="int8",
        name_zh="认定的手术级别",
        low=0,
        high=4,
        meaning="highest level by the list of the year, 0 on no list; without a list as entered",
    ),
    Field(
        name="judged_level_frozen",
        type="int8",
        name_zh="认定的手术级别（定基）",
        low=0,
        high=4,
        meaning="likewise, by the list of the last year before",
    ),
    Field(
        name="level34",
        type="boolean",
        name_zh="三级或四级手术",
        meaning="by the list of the year, NULL in a year of which the list has no level 3; without a list as entered",
    ),
    Field(
        name="level34_frozen",
        type="boolean",
        name_zh="三级或四级手术（定基）",
        meaning="likewise, by the list of the last year before",
    ),
    Field(
        name="operation_asked",
        type="boolean",
        name_zh="应有手术级别",
        meaning="an operation by the dictionary of categories; without one, by the source or by the chapter of a procedure's code",
    ),
    *(field for name, name_zh in TECHNIQUES.items() for field in _technique(name, name_zh)),
    Field(
        name="day_surgery",
        type="boolean",
        name_zh="日间手术",
        meaning="an elective operation with a stay of no more than the declared days; NULL of all other stays",
    ),
    Field(
        name="tcm_treated",
        type="boolean",
        name_zh="以中医治疗为主",
        front_page="治疗类别",
        meaning="the kind of treatment on the TCM front page is 1 (中医, 民族医); 2 中西医 and 3 西医 are not",
    ),
    _money("tcm_fen", "中医治疗费", "D22", "TCM and other traditional treatment"),
    _money("chinese_drug_fen", "中药费", "D24, D25", "Chinese patent and herbal drugs"),
    Field(
        name="minimally_invasive",
        type="boolean",
        name_zh="微创手术",
        meaning="by the list of the year; without a list as the source says",
    ),
    Field(
        name="minimally_invasive_frozen",
        type="boolean",
        name_zh="微创手术（定基）",
        meaning="likewise, by the list of the last year before",
    ),
    Field(
        name="complication",
        type="boolean",
        name_zh="手术并发症",
        meaning="of elective operations without pregnancy and newborns: a diagnosis of the list arose during the stay; else NULL",
    ),
    Field(
        name="complication_frozen",
        type="boolean",
        name_zh="手术并发症（定基）",
        meaning="likewise, by the list of the last year before",
    ),
    Field(
        name="transferred_in",
        type="boolean",
        name_zh="转入",
        front_page="B11C",
        meaning="came from another hospital; NULL where the route is missing or the source does not tell transfers",
    ),
    Field(
        name="residence_known", type="boolean", name_zh="现住址可定位", meaning="NULL where the source has no residence"
    ),
    Field(
        name="outside_county",
        type="boolean",
        name_zh="县外患者",
        meaning="lives outside the hospital's county; NULL where untold",
    ),
    Field(
        name="outside_city",
        type="boolean",
        name_zh="市外患者",
        meaning="lives outside the hospital's city; NULL where untold",
    ),
    Field(name="diseases", type="codes", name_zh="病种", meaning="ids of the disease sets that the stay is in"),
    Field(
        name="readmitted",
        type="boolean",
        name_zh="31 天内非计划再住院",
        meaning="came back to the same hospital unplanned within the days; NULL where untold (toolkit.data.discharge.readmission)",
    ),
)

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}

# Who the patient is: needed for joins, duplicates, ages and the patient's key while reading, and never stored.
IDENTIFYING: tuple[str, ...] = tuple(field.name for field in FIELDS if field.identifying)
STORED: tuple[str, ...] = tuple(field.name for field in FIELDS if field.stored)
