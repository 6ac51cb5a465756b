"""Rules over the patient, the diagnoses and the operations (规则 P)."""

from __future__ import annotations

from collections.abc import Callable

import ibis
import pandas as pd
from ibis import _

from toolkit.data.discharge.schema import SEPARATOR
from toolkit.data.lists.code_lists import OPERATIONS, CodeList, Entry
from toolkit.data.quality import hospitals
from toolkit.data.quality.base import SURGERY, Fate, Level, Rule
from toolkit.data.quality.codes import DIAGNOSIS_UNFIT, PROCEDURE_UNFIT
from toolkit.data.quality.given import Given
from toolkit.data.quality.ranges import pattern
from toolkit.engine.types import Column
from toolkit.params import RunParams

PROPOSED = "数据质量规则目录（编码范围为建议值）"
STANDARD = "病案首页采集标准文字（见数据质量规则目录）"
SEXES, SURGERY_LEVELS = ("0", "1", "2", "9"), ("1", "2", "3", "4")


def _any_code(principal: str, others: str, ranges: list[str]) -> Column:
    """Whether the principal code or one of the others begins with a code of the ranges."""
    codes = pattern(ranges)
    return _[principal].re_search(f"(?i)^{codes}") | _[others].re_search(rf"(?i)\|{codes}").fill_null(False)


def _against_sex(principal: str, others: str, male: list[str], female: list[str]) -> Column:
    # only the one question that matters is asked of a record
    return ibis.cases(
        (_.sex == "1", _any_code(principal, others, male)),
        (_.sex == "2", _any_code(principal, others, female)),
        else_=ibis.literal(False),
    )


def _wrong_age(params: RunParams) -> Column:
    quality = params.quality
    obstetric = _.principal_diagnosis.re_search(r"(?i)^O\d") & ~_.age_years.between(
        quality.obstetric_youngest, quality.obstetric_oldest
    )
    return obstetric | (_.principal_diagnosis.re_search(r"(?i)^P\d") & (_.age_years > quality.perinatal_oldest))


def _repeated(params: RunParams) -> Column:
    """A code twice: the principal one among the others, or two of the others alike."""
    codes = _.other_diagnoses
    # three separators hold two codes: only then there is something to compare
    several = codes.length() - codes.replace(SEPARATOR, "").length() > 2
    elements = codes.split(SEPARATOR).filter(lambda code: code != "")
    alike = ibis.ifelse(several, elements.length() != elements.unique().length(), ibis.literal(False))
    return codes.contains(SEPARATOR + _.principal_diagnosis + SEPARATOR).fill_null(False) | alike.fill_null(False)


def _in_force(listed: CodeList, years: pd.Series) -> dict[int, dict[str, str]]:
    """Code → value by year, for the years that occur: a dictionary holds tens of thousands of codes."""
    return {int(year): listed.in_force(int(year)) for year in set(years)}


def _split(text: object) -> list[str]:
    return [code for code in str(text).split(SEPARATOR) if code] if isinstance(text, str) else []


def split_pairs(text: object) -> list[tuple[str, str]]:
    """Code and level of each procedure of `procedure_levels`."""
    return [(code, level) for code, _equal, level in (pair.rpartition("=") for pair in _split(text))]


def _unknown_diagnosis(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.diagnoses is not None  # noqa: S101  the rule needs it
    known = _in_force(given.diagnoses, found["year"])
    rows = zip(found["principal_diagnosis"], found["year"], strict=True)
    return _flags(found, [isinstance(code, str) and code.upper() not in known[int(year)] for code, year in rows])


def _unknown_procedure(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.procedures is not None  # noqa: S101  the rule needs it
    known = _in_force(given.procedures, found["year"])
    rows = zip(found["procedure_levels"], found["year"], strict=True)
    return _flags(
        found, [any(code.upper() not in known[int(year)] for code, _level in split_pairs(text)) for text, year in rows]
    )


def _other_level(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.levels is not None  # noqa: S101  the rule needs it
    listed = _in_force(given.levels, found["year"])
    rows = zip(found["procedure_levels"], found["year"], strict=True)
    return _flags(
        found,
        [
            any(
                level in SURGERY_LEVELS and listed[int(year)].get(code.upper(), level) != level
                for code, level in split_pairs(text)
            )
            for text, year in rows
        ],
    )


def _by_category(found: pd.DataFrame, given: Given, hit: Callable[[str, str], bool]) -> pd.Series:
    """Whether any procedure of the stay is hit, by its category ("" where the dictionary has none) and level as entered."""
    assert given.categories is not None  # noqa: S101  the rule needs it
    category = _in_force(given.categories, found["year"])
    rows = zip(found["procedure_levels"], found["year"], strict=True)
    return _flags(
        found,
        [
            any(hit(category[int(year)].get(code.upper(), ""), level) for code, level in split_pairs(text))
            for text, year in rows
        ],
    )


def _without_level(found: pd.DataFrame, given: Given) -> pd.Series:
    return _by_category(found, given, lambda of, level: of in OPERATIONS and level not in SURGERY_LEVELS)


def _level_of_none(found: pd.DataFrame, given: Given) -> pd.Series:
    return _by_category(found, given, lambda of, level: bool(of) and of not in OPERATIONS and level in SURGERY_LEVELS)


def _without_category(found: pd.DataFrame, given: Given) -> pd.Series:
    return _by_category(found, given, lambda of, _level: not of)


def _flags(found: pd.DataFrame, hits: list[bool]) -> pd.Series:
    return pd.Series(hits, index=found.index, dtype=bool)


def _example(name: str, value: str = "") -> CodeList:
    from pathlib import Path

    entry = Entry(code=name, first=2000, last=2099, value=value)
    return CodeList(name_zh="示例", path=Path("示例"), entries=(entry,), prefix=False)


PATIENT_RULES = (
    Rule(
        id="P01",
        name_zh="性别代码不在值域内",
        fate=Fate.WARNED,
        message_zh="性别代码不在值域内",
        worklist_zh="性别代码 {sex} 不在值域 0、1、2、9 内",
        source="数据质量规则目录 RC001（工具包没有按性别计算的指标）",
        needs=("sex",),
        test=lambda params: ~_.sex.isin(SEXES).fill_null(False),
        passes={"sex": "9"},
        fails={"sex": "3"},
    ),
    Rule(
        id="P02",
        name_zh="性别与诊断矛盾",
        fate=Fate.QUARANTINED,
        message_zh="性别与主要诊断或其他诊断编码矛盾",
        worklist_zh="性别与诊断矛盾：性别 {sex}，主要诊断 {principal_diagnosis}，其他诊断 {other_diagnoses}",
        source=PROPOSED,
        needs=("sex", "principal_diagnosis"),
        fields=("sex", "principal_diagnosis", "other_diagnoses"),
        thresholds=("quality.male_never_diagnoses", "quality.female_never_diagnoses"),
        test=lambda params: _against_sex(
            "principal_diagnosis",
            "other_diagnoses",
            params.quality.male_never_diagnoses,
            params.quality.female_never_diagnoses,
        ),
        passes={"sex": "2", "principal_diagnosis": "O80.0"},
        fails={"sex": "1", "principal_diagnosis": "O80.0"},
    ),
    Rule(
        id="P03",
        name_zh="性别与手术操作矛盾",
        fate=Fate.QUARANTINED,
        message_zh="性别与手术操作编码矛盾",
        worklist_zh="性别与手术操作矛盾：性别 {sex}，主要手术操作 {principal_procedure}，其他 {other_procedures}",
        source=PROPOSED,
        needs=("sex", "principal_procedure"),
        fields=("sex", "principal_procedure", "other_procedures"),
        thresholds=("quality.male_never_procedures", "quality.female_never_procedures"),
        test=lambda params: _against_sex(
            "principal_procedure",
            "other_procedures",
            params.quality.male_never_procedures,
            params.quality.female_never_procedures,
        ),
        passes={"sex": "1", "principal_procedure": "64.0x00"},
        fails={"sex": "1", "principal_procedure": "65.2500"},
    ),
    Rule(
        id="P04",
        name_zh="年龄与诊断不符",
        fate=Fate.WARNED,
        message_zh="产科或围产期主要诊断与年龄不符",
        source=PROPOSED,
        worklist_zh="年龄与诊断不符：{age_years} 岁，{principal_diagnosis}",
        needs=("age_years", "principal_diagnosis"),
        thresholds=("quality.obstetric_youngest", "quality.obstetric_oldest", "quality.perinatal_oldest"),
        test=_wrong_age,
        passes={"sex": "2", "age_years": 60, "principal_diagnosis": "O80.0"},
        fails={"sex": "2", "age_years": 61, "principal_diagnosis": "O80.0"},
    ),
    Rule(
        id="P05",
        name_zh="主要诊断为空",
        fate=Fate.QUARANTINED,
        message_zh="出院主要诊断编码为空",
        needs=("principal_diagnosis",),
        test=lambda params: _.principal_diagnosis.isnull(),
        passes={"principal_diagnosis": "I21.000"},
        fails={"principal_diagnosis": None},
    ),
    Rule(
        id="P06",
        name_zh="主要诊断不在字典内",
        fate=Fate.QUARANTINED,
        level=Level.CODES,
        message_zh="主要诊断编码不在当年有效的诊断编码字典内",
        worklist_zh="主要诊断编码 {principal_diagnosis} 不在 {year} 年的字典内",
        needs=("principal_diagnosis", "year"),
        inputs=("data.diagnosis_dictionary",),
        over=("principal_diagnosis", "year"),
        check=_unknown_diagnosis,
        given=Given(diagnoses=_example("I21.0")),
        passes={"principal_diagnosis": "I21.0"},
        fails={"principal_diagnosis": "I21.99"},
    ),
    Rule(
        id="P07",
        name_zh="编码不能作主要诊断",
        fate=Fate.QUARANTINED,
        message_zh="外部原因码或星号码不能作主要诊断",
        worklist_zh="外部原因码或星号码不能作主要诊断：{principal_diagnosis}",
        source=PROPOSED,
        needs=("principal_diagnosis",),
        thresholds=("quality.never_principal",),
        test=lambda params: (
            _.principal_diagnosis.re_search(f"(?i)^{pattern(params.quality.never_principal)}")
            | _.principal_diagnosis.contains("*")
        ),
        passes={"principal_diagnosis": "Z00.0"},
        fails={"principal_diagnosis": "Y99.9"},
    ),
    Rule(
        id="P08",
        name_zh="缺外部原因编码",
        fate=Fate.WARNED,
        message_zh="损伤、中毒病例缺外部原因编码",
        source=STANDARD,
        needs=("principal_diagnosis", "external_cause"),
        fields=("principal_diagnosis",),
        test=lambda params: _.principal_diagnosis.re_search(r"(?i)^[ST]\d") & ~_.external_cause.fill_null(False),
        passes={"principal_diagnosis": "S72.000", "external_cause": True},
        fails={"principal_diagnosis": "S72.000", "external_cause": False},
    ),
    Rule(
        id="P09",
        name_zh="肿瘤缺病理诊断",
        fate=Fate.WARNED,
        message_zh="肿瘤病例缺病理诊断",
        source=STANDARD,
        needs=("principal_diagnosis", "pathology"),
        fields=("principal_diagnosis",),
        test=lambda params: (
            _.principal_diagnosis.re_search(r"(?i)^(C\d|D[0-3]\d|D4[0-8])") & ~_.pathology.fill_null(False)
        ),
        passes={"principal_diagnosis": "D49.0", "pathology": False},
        fails={"principal_diagnosis": "D48.0", "pathology": False},
    ),
    Rule(
        id="P10",
        name_zh="诊断重复",
        fate=Fate.WARNED,
        message_zh="同一记录内诊断编码重复",
        worklist_zh="诊断重复：主要诊断 {principal_diagnosis}，其他诊断 {other_diagnoses}",
        needs=("principal_diagnosis", "other_diagnoses"),
        test=_repeated,
        passes={"other_diagnoses": "|I10.x00|E11.9|"},
        fails={"other_diagnoses": "|I10.x00|E11.9|I10.x00|"},
    ),
    Rule(
        id="P11",
        name_zh="入院病情不在值域内",
        fate=Fate.WARNED,
        message_zh="入院病情代码不在值域内",
        worklist_zh="入院病情代码不在值域 1–4 内：{admission_conditions}",
        source="数据质量规则目录 RC027",
        needs=("admission_conditions",),
        test=lambda params: _.admission_conditions.re_search(r"[^1-4|]|[^|]{2}").fill_null(False),
        passes={"admission_conditions": "|1|4|"},
        fails={"admission_conditions": "|1|5|"},
    ),
    Rule(
        id="P12",
        name_zh="例均其他诊断与同级差异大",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.few_or_many_diagnoses,
        tables=("years",),
        message_zh="例均其他诊断个数与同级机构差异明显，影响风险校正",
        needs=("other_diagnoses",),
        thresholds=("quality.diagnoses_low", "quality.diagnoses_high"),
        passes={"years": [{"hospital": "0002", "diagnoses": 1.0}, {"diagnoses": 2.0}]},
        fails={"years": [{"hospital": "0002", "diagnoses": 1.0}, {"diagnoses": 2.01}]},
    ),
    Rule(
        id="P13",
        name_zh="手术操作编码不在字典内",
        fate=Fate.QUARANTINED,
        scopes=(SURGERY,),
        level=Level.CODES,
        message_zh="手术操作编码不在当年有效的字典内，不计入手术类指标",
        needs=("procedure_levels", "year"),
        fields=("principal_procedure", "other_procedures"),
        inputs=("data.procedure_dictionary",),
        over=("procedure_levels", "year"),
        check=_unknown_procedure,
        given=Given(procedures=_example("36.0600")),
        passes={"procedure_levels": "|36.0600=3|"},
        fails={"procedure_levels": "|36.0600=3|36.06=3|"},
    ),
    Rule(
        id="P14",
        name_zh="手术级别不在值域内",
        fate=Fate.WARNED,
        message_zh="手术级别不在 1–4 内",
        needs=("procedure_levels",),
        fields=("procedure_levels",),
        test=lambda params: _.procedure_levels.re_search(r"=([^1-4|]|[^|]{2})").fill_null(False),
        passes={"procedure_levels": "|36.0600=4|38.93=|"},
        fails={"procedure_levels": "|36.0600=5|"},
    ),
    Rule(
        id="P14D",
        name_zh="手术级别与目录不同",
        fate=Fate.WARNED,
        level=Level.CODES,
        message_zh="手术级别与目录不同，以目录为准",
        source="数据质量规则目录 P14，用于有手术分级目录的运行",
        needs=("procedure_levels", "year"),
        fields=("procedure_levels",),
        inputs=("indicators.surgery_levels",),
        over=("procedure_levels", "year"),
        check=_other_level,
        given=Given(levels=_example("36.0600", "4")),
        passes={"procedure_levels": "|36.0600=4|99.99=1|"},
        fails={"procedure_levels": "|36.0600=3|"},
    ),
    Rule(
        id="P19",
        name_zh="手术未填级别",
        fate=Fate.WARNED,
        level=Level.CODES,
        message_zh="按类别字典属手术或介入治疗的操作未填手术级别",
        source="病案首页采集标准：手术、介入治疗须填手术级别",
        needs=("procedure_levels", "year"),
        fields=("procedure_levels",),
        inputs=("indicators.procedure_categories",),
        over=("procedure_levels", "year"),
        check=_without_level,
        given=Given(categories=_example("47.0100", "手术")),
        passes={"procedure_levels": "|47.0100=2|"},
        fails={"procedure_levels": "|47.0100=|"},
    ),
    Rule(
        id="P20",
        name_zh="非手术操作填了级别",
        fate=Fate.WARNED,
        level=Level.CODES,
        message_zh="按类别字典不属手术或介入治疗的操作填了手术级别",
        source="病案首页采集标准：手术、介入治疗须填手术级别",
        needs=("procedure_levels", "year"),
        fields=("procedure_levels",),
        inputs=("indicators.procedure_categories",),
        over=("procedure_levels", "year"),
        check=_level_of_none,
        given=Given(categories=_example("45.1300", "诊断性操作")),
        passes={"procedure_levels": "|45.1300=|"},
        fails={"procedure_levels": "|45.1300=1|"},
    ),
    Rule(
        id="P21",
        name_zh="手术操作无类别",
        fate=Fate.QUARANTINED,
        scopes=(SURGERY,),
        level=Level.CODES,
        message_zh="手术操作编码不在当年有效的类别字典内，是否为手术不明，不计入手术类指标",
        source="数据质量规则目录 P13，用于有手术操作类别字典的运行",
        needs=("procedure_levels", "year"),
        fields=("principal_procedure", "other_procedures"),
        inputs=("indicators.procedure_categories",),
        over=("procedure_levels", "year"),
        check=_without_category,
        given=Given(categories=_example("47.0100", "手术")),
        passes={"procedure_levels": "|47.0100=|"},
        fails={"procedure_levels": "|47.0100=2|99.9900=|"},
    ),
    Rule(
        id="P15",
        name_zh="手术操作无日期",
        fate=Fate.WARNED,
        message_zh="有手术操作编码、无手术操作日期",
        needs=("undated_procedures",),
        test=lambda params: _.undated_procedures.notnull(),
        passes={"undated_procedures": None},
        fails={"undated_procedures": "|36.0600|"},
    ),
    Rule(
        id="P16",
        name_zh="分子不在分母内",
        fate=Fate.REJECTED,
        level=Level.MEASURE,
        applied="toolkit.data.quality.measures",
        message_zh="指标的分子有病例不在分母内，本指标停止计算",
    ),
    DIAGNOSIS_UNFIT,
    PROCEDURE_UNFIT,
)
