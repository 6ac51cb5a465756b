"""Rules over one record. Order is the catalogue's; thresholds come from the parameters."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ibis
from ibis import _

from toolkit.data.quality.base import CASE_MIX, COST, LOS, MORTALITY, SPECIALTY, Fate, Rule

CATALOGUE_2026 = "数据质量规则目录"
# a serial number is five digits and no more: 00000000 is no date at all
AMBIGUOUS = r"^(\d{1,2}/\d{1,2}/\d{4}|\d{1,2}-\d{1,2}-\d{2}|\d{5}(\.\d+)?$)"
FIRST_YEAR = 1990


def _starts(column: Any, prefixes: list[str]) -> Any:
    return ibis.or_(*[column.startswith(p) for p in prefixes]) if prefixes else ibis.literal(False)


def _impossible(raw: str, day: str) -> Any:
    """A date that is given but is none, or is absent."""
    return _[day].isnull() & ~_[raw].re_search(AMBIGUOUS).fill_null(False)


DAY = dt.date(2023, 5, 10)
GOOD = {"raw_admission_date": "2023-05-01", "admission_date": dt.date(2023, 5, 1), "raw_discharge_date": "2023-05-10",
        "discharge_date": DAY, "year": 2023}  # fmt: skip

K00 = Rule(
    id="K00", name_zh="机构代码为空", fate=Fate.QUARANTINED, message_zh="机构代码为空，不属于任何机构",
    source="规则K01 用于没有名录的运行", needs=("hospital",), test=lambda params: _.hospital.isnull(),
    passes={"hospital": "0001"}, fails={"hospital": None},
)  # fmt: skip
K03 = Rule(
    id="K03", name_zh="病案号为空", fate=Fate.QUARANTINED, message_zh="病案号为空", source=CATALOGUE_2026,
    needs=("record",), test=lambda params: _.record.isnull(), passes={"record": "1"}, fails={"record": None},
)  # fmt: skip
D01 = Rule(
    id="D01", name_zh="日期缺失或无效", fate=Fate.QUARANTINED, message_zh="入院或出院日期缺失，或不是有效日期",
    source=CATALOGUE_2026, needs=("discharge_date", "admission_date"),
    test=lambda params: _impossible("raw_discharge_date", "discharge_date")
    | _impossible("raw_admission_date", "admission_date"),
    passes=GOOD, fails={**GOOD, "raw_discharge_date": "2023-02-30", "discharge_date": None, "year": None},
)  # fmt: skip
D01Y = Rule(
    id="D01Y", name_zh="出院年份缺失或无效", fate=Fate.QUARANTINED, message_zh="出院年份缺失或不是有效年份",
    source="规则D01 用于只给年份的来源", needs=("year",), test=lambda params: _.year.isnull(),
    passes={"year": 2023}, fails={"year": None},
)  # fmt: skip
D02 = Rule(
    id="D02", name_zh="出院早于入院", fate=Fate.QUARANTINED, message_zh="出院日期早于入院日期", source=CATALOGUE_2026,
    needs=("discharge_date", "admission_date"), test=lambda params: _.discharge_date < _.admission_date,
    passes={**GOOD, "admission_date": DAY}, fails={**GOOD, "admission_date": dt.date(2023, 5, 11)},
)  # fmt: skip
D05 = Rule(
    id="D05", name_zh="日期早于下限或晚于评价期末", fate=Fate.QUARANTINED,
    message_zh=f"日期早于 {FIRST_YEAR} 年，或晚于评价期结束的次年", source=CATALOGUE_2026 + "（“未来”以评价期末计，结果不随运行日期而变）",
    needs=("discharge_date", "admission_date"),
    # "future" against the evaluated span, not against today: the same data must give the same numbers on any day
    test=lambda params: (_.admission_date.year() < FIRST_YEAR) | (_.discharge_date.year() < FIRST_YEAR)
    | (_.discharge_date.year() > params.all_years[-1] + 1) | (_.admission_date.year() > params.all_years[-1] + 1),
    passes=GOOD, fails={**GOOD, "discharge_date": dt.date(2099, 1, 1)},
)  # fmt: skip
D06 = Rule(
    id="D06", name_zh="日期格式不明", fate=Fate.QUARANTINED, message_zh="日期格式无法确定，请用 年-月-日",
    source=CATALOGUE_2026, needs=("discharge_date", "admission_date"),
    test=lambda params: (_.discharge_date.isnull() & _.raw_discharge_date.re_search(AMBIGUOUS))
    | (_.admission_date.isnull() & _.raw_admission_date.re_search(AMBIGUOUS)),
    passes=GOOD, fails={**GOOD, "raw_discharge_date": "01/02/2023", "discharge_date": None, "year": None},
)  # fmt: skip
P05 = Rule(
    id="P05", name_zh="主要诊断为空", fate=Fate.QUARANTINED, message_zh="出院主要诊断编码为空", source=CATALOGUE_2026,
    needs=("principal_diagnosis",), test=lambda params: _.principal_diagnosis.isnull(),
    passes={"principal_diagnosis": "I21.000"}, fails={"principal_diagnosis": None},
)  # fmt: skip
MALE_NEVER, FEMALE_NEVER = r"^(O[0-9]|C5[1-8]|N(7[0-7]|8[0-9]|9[0-8]))", r"^(C6[0-3]|N4[0-9]|N5[01])"
P02 = Rule(
    id="P02", name_zh="性别与主要诊断矛盾", fate=Fate.QUARANTINED, message_zh="性别与主要诊断编码矛盾",
    source=CATALOGUE_2026 + "（编码范围为建议值）", needs=("sex", "principal_diagnosis"),
    test=lambda params: ((_.sex == "1") & _.principal_diagnosis.upper().re_search(MALE_NEVER))
    | ((_.sex == "2") & _.principal_diagnosis.upper().re_search(FEMALE_NEVER)),
    passes={"sex": "2", "principal_diagnosis": "O80.0"}, fails={"sex": "1", "principal_diagnosis": "O80.0"},
)  # fmt: skip
D04 = Rule(
    id="D04", name_zh="不在评价周期内", fate=Fate.EXCLUDED, message_zh="出院日期不在评价周期内", source=CATALOGUE_2026,
    needs=("year",), test=lambda params: _.year.notin(list(params.all_years)),
    passes={"year": 2022}, fails={"year": 2018},
)  # fmt: skip
SCOPE = Rule(
    id="SCOPE", name_zh="不在数据范围内", fate=Fate.EXCLUDED, message_zh="按格式声明不属于一次出院的记录",
    source="格式映射的 scope", test=lambda params: ~_.in_scope, passes={"in_scope": True}, fails={"in_scope": False},
)  # fmt: skip
D07 = Rule(
    id="D07", name_zh="住院天数与日期不符", fate=Fate.WARNED, message_zh="实际住院天数与日期计算不符，以计算值为准",
    source=CATALOGUE_2026, needs=("los_days", "discharge_date", "admission_date"),
    test=lambda params: _.stated_los_days.notnull() & (ibis.greatest(_.stated_los_days, 1) != _.los_days),
    passes={"stated_los_days": 0, "los_days": 1}, fails={"stated_los_days": 8, "los_days": 9},
)  # fmt: skip
D08 = Rule(
    id="D08", name_zh="住院天数超过上限", fate=Fate.EXCLUDED, scopes=(COST, LOS), source=CATALOGUE_2026,
    message_zh="住院天数超过上限，不计入费用与时间指标", needs=("los_days",),
    test=lambda params: _.los_days > params.exclusions.los_over_days,
    passes={"los_days": 60}, fails={"los_days": 61},
)  # fmt: skip
LOS_MISSING = Rule(
    id="D08M", name_zh="住院天数缺失", fate=Fate.EXCLUDED, scopes=(COST, LOS), source="公开分组程序的排除条件（政策选择）",
    message_zh="住院天数缺失，不计入费用与时间指标", needs=("los_days",), test=lambda params: _.los_days.isnull(),
    passes={"los_days": 1}, fails={"los_days": None},
)  # fmt: skip
Z53 = Rule(
    id="Z53", name_zh="取消手术或操作", fate=Fate.EXCLUDED, scopes=(COST, LOS), source="公开分组程序的排除条件（政策选择）",
    message_zh="主要诊断为取消手术或操作且住院天数很短，不计入费用与时间指标", needs=("principal_diagnosis", "los_days"),
    test=lambda params: _starts(_.principal_diagnosis, params.exclusions.cancelled_diagnoses)
    & (_.los_days <= params.exclusions.cancelled_los_days),
    passes={"principal_diagnosis": "Z53.0", "los_days": 3}, fails={"principal_diagnosis": "Z53.0", "los_days": 2},
)  # fmt: skip
O01 = Rule(
    id="O01", name_zh="离院方式不在值域内", fate=Fate.QUARANTINED, scopes=(MORTALITY,), source=CATALOGUE_2026,
    message_zh="离院方式代码不在值域内，不计入死亡指标", needs=("died",), test=lambda params: _.died.isnull(),
    passes={"died": False}, fails={"died": None},
)  # fmt: skip
C01 = Rule(
    id="C01", name_zh="总费用缺失或不大于 0", fate=Fate.EXCLUDED, scopes=(COST,), source=CATALOGUE_2026,
    message_zh="住院总费用缺失、非数值或不大于 0，不计入费用指标", needs=("cost_fen",),
    test=lambda params: _.cost_fen.isnull() | (_.cost_fen <= 0), passes={"cost_fen": 500}, fails={"cost_fen": 0},
)  # fmt: skip
C04 = Rule(
    id="C04", name_zh="总费用超出声明范围", fate=Fate.EXCLUDED, scopes=(COST,), source=CATALOGUE_2026,
    message_zh="总费用超出声明范围，不计入费用指标", needs=("cost_fen",),
    test=lambda params: (_.cost_fen > 0) & ((_.cost_fen < round(params.exclusions.cost_under_yuan * 100))
    | (_.cost_fen > round(params.exclusions.cost_over_yuan * 100))),
    passes={"cost_fen": 500}, fails={"cost_fen": 499},
)  # fmt: skip
UNGROUPED = r"^0+$|QY$"
G01 = Rule(
    id="G01", name_zh="未入组", fate=Fate.EXCLUDED, scopes=(CASE_MIX,), source=CATALOGUE_2026,
    message_zh="DRG 为空、0000 或歧义组（QY），不计入 CMI、DRG 组数和消耗指数", needs=("drg",),
    test=lambda params: _.drg.isnull() | _.drg.re_search(UNGROUPED), passes={"drg": "FA11"}, fails={"drg": "FQY"},
)  # fmt: skip
S01 = Rule(
    id="S01", name_zh="不属于所评专科", fate=Fate.EXCLUDED, scopes=(SPECIALTY,),
    source=CATALOGUE_2026 + "（此处不隔离：仍计入参照与全院）", message_zh="不属于任何所评专科，只计入参照与全院",
    needs=("specialty",), test=lambda params: _.specialty.isnull(),
    passes={"specialty": "cardiology"}, fails={"specialty": None},
)  # fmt: skip

# Waterfall order (隔离 before 排除 before 提示); the first rule that hits is a record's primary reason.
RECORD_RULES = (
    K00,
    K03,
    D01,
    D01Y,
    D02,
    D05,
    D06,
    P05,
    P02,
    SCOPE,
    D04,
    D08,
    LOS_MISSING,
    Z53,
    O01,
    C01,
    C04,
    G01,
    S01,
    D07,
)
