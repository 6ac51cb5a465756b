"""Rules over dates, ages and length of stay (规则 D)."""

from __future__ import annotations

import datetime as dt

import ibis
from ibis import _

from toolkit.data.quality import hospitals
from toolkit.data.quality.base import COST, LOS, SURGERY, Fate, Level, Rule
from toolkit.data.quality.silent_months import silent_months

DAY, BIRTH = dt.date(2023, 5, 10), dt.date(1973, 1, 1)
GOOD = {
    "raw_admission_date": "2023-05-01",
    "admission_date": dt.date(2023, 5, 1),
    "raw_discharge_date": "2023-05-10",
    "discharge_date": DAY,
    "year": 2023,
    "birth_date": BIRTH,
    "raw_birth_date": "1973-01-01",
}
NEWBORN = {"age_days": 27, "age_years": 0, "unchecked_age_years": 0, "stated_age_years": 0}


def _months(number: int) -> list[dict[str, int]]:
    return [{"month": month, "n": 10} for month in range(1, number + 1)]


TIME_RULES = (
    Rule(
        id="D01",
        name_zh="日期缺失或无效",
        fate=Fate.QUARANTINED,
        message_zh="入院或出院日期缺失，或不是有效日期",
        needs=("discharge_date", "admission_date"),
        test=lambda params: (
            (_.discharge_date.isnull() & ~_.unclear_discharge_date)
            | (_.admission_date.isnull() & ~_.unclear_admission_date)
        ),
        passes=GOOD,
        fails={**GOOD, "raw_discharge_date": "2023-02-30", "discharge_date": None, "year": None},
    ),
    Rule(
        id="D01B",
        name_zh="出生日期缺失或无效",
        fate=Fate.QUARANTINED,
        message_zh="出生日期缺失，或不是有效日期",
        source="数据质量规则目录 D01，用于出生日期",
        needs=("birth_date",),
        fields=("age_years",),
        test=lambda params: _.birth_date.isnull() & ~_.unclear_birth_date,
        passes=GOOD,
        fails={**GOOD, "raw_birth_date": None, "birth_date": None},
    ),
    Rule(
        id="D01Y",
        name_zh="出院年份缺失或无效",
        fate=Fate.QUARANTINED,
        message_zh="出院年份缺失或不是有效年份",
        source="规则D01 用于只给年份的来源",
        needs=("year",),
        test=lambda params: _.year.isnull(),
        passes={"year": 2023},
        fails={"year": None},
    ),
    Rule(
        id="D02",
        name_zh="出院早于入院",
        fate=Fate.QUARANTINED,
        message_zh="出院日期早于入院日期",
        worklist_zh="出院日期 {discharge_date} 早于入院日期 {admission_date}",
        needs=("discharge_date", "admission_date"),
        test=lambda params: _.discharge_date < _.admission_date,
        passes={**GOOD, "admission_date": DAY},
        fails={**GOOD, "admission_date": dt.date(2023, 5, 11)},
    ),
    Rule(
        id="D03",
        name_zh="出生晚于入院",
        fate=Fate.QUARANTINED,
        message_zh="出生日期晚于入院日期",
        needs=("birth_date", "admission_date"),
        fields=("admission_date",),
        test=lambda params: _.birth_date > _.admission_date,
        passes={**GOOD, "birth_date": dt.date(2023, 5, 1)},
        fails={**GOOD, "birth_date": dt.date(2023, 5, 2)},
    ),
    Rule(
        id="D04",
        name_zh="不在评价周期内",
        fate=Fate.EXCLUDED,
        message_zh="出院日期不在评价周期内",
        worklist_zh="出院年份 {year} 不在评价周期内",
        needs=("year",),
        test=lambda params: _.year.notin(list(params.all_years)),
        passes={"year": 2022},
        fails={"year": 2018},
    ),
    Rule(
        id="D05",
        name_zh="日期早于下限或晚于评价期末",
        fate=Fate.QUARANTINED,
        message_zh="日期早于允许的最早年份（默认 1990 年），或晚于评价期结束的次年",
        worklist_zh="日期早于 {quality.first_year} 年或晚于评价期末：入院 {admission_date}，出院 {discharge_date}",
        source="数据质量规则目录（“未来”以评价期末计，结果不随运行日期而变）",
        needs=("discharge_date", "admission_date"),
        thresholds=("quality.first_year",),
        # "future" against the evaluated span, not against today: the same data must give the same numbers on any day
        test=lambda params: (
            ~_.admission_date.year().between(params.quality.first_year, params.all_years[-1] + 1)
            | ~_.discharge_date.year().between(params.quality.first_year, params.all_years[-1] + 1)
        ),
        passes=GOOD,
        fails={**GOOD, "discharge_date": dt.date(2099, 1, 1)},
    ),
    Rule(
        id="D06",
        name_zh="日期格式不明",
        fate=Fate.QUARANTINED,
        message_zh="日期格式无法确定，请用 年-月-日",
        needs=("discharge_date", "admission_date"),
        test=lambda params: _.unclear_discharge_date | _.unclear_admission_date | _.unclear_birth_date,
        passes=GOOD,
        fails={
            **GOOD,
            "raw_discharge_date": "01/02/2023",
            "unclear_discharge_date": True,
            "discharge_date": None,
            "year": None,
        },
    ),
    Rule(
        id="D07",
        name_zh="住院天数与日期不符",
        fate=Fate.WARNED,
        message_zh="实际住院天数与日期计算不符，以计算值为准",
        worklist_zh="实际住院天数与日期计算不符：按日期计算为 {los_days} 天，以计算值为准",
        needs=("los_days", "discharge_date", "admission_date"),
        test=lambda params: _.stated_los_days.notnull() & (ibis.greatest(_.stated_los_days, 1) != _.los_days),
        passes={"stated_los_days": 0, "los_days": 1},
        fails={"stated_los_days": 8, "los_days": 9},
    ),
    Rule(
        id="D08",
        name_zh="住院天数超过上限",
        fate=Fate.EXCLUDED,
        scopes=(COST, LOS),
        message_zh="住院天数超过上限，不计入费用与时间指标",
        worklist_zh="住院 {los_days} 天，超过 {exclusions.los_over_days} 天，不计入费用与时间指标",
        needs=("los_days",),
        thresholds=("exclusions.los_over_days",),
        test=lambda params: _.los_days > params.exclusions.los_over_days,
        passes={"los_days": 60},
        fails={"los_days": 61},
    ),
    Rule(
        id="D08M",
        name_zh="住院天数缺失",
        fate=Fate.EXCLUDED,
        scopes=(COST, LOS),
        source="公开分组程序的排除条件（政策选择）",
        message_zh="住院天数缺失，不计入费用与时间指标",
        needs=("los_days",),
        test=lambda params: _.los_days.isnull(),
        passes={"los_days": 1},
        fails={"los_days": None},
    ),
    Rule(
        id="D09",
        name_zh="手术操作日期不在住院期间",
        fate=Fate.QUARANTINED,
        scopes=(SURGERY,),
        message_zh="手术操作日期不在住院期间内，不计入手术类指标",
        worklist_zh="手术操作日期（{first_procedure_date} 至 {last_procedure_date}）不在住院期间（{admission_date} 至 {discharge_date}）内",
        source="数据质量规则目录（记录保留并提示，只从手术类指标中隔离）",
        needs=("first_procedure_date", "last_procedure_date", "admission_date", "discharge_date"),
        test=lambda params: (
            (_.admission_date <= _.discharge_date)  # else rule D02
            & ((_.first_procedure_date < _.admission_date) | (_.last_procedure_date > _.discharge_date))
        ),
        passes={"first_procedure_date": dt.date(2022, 5, 1), "last_procedure_date": dt.date(2022, 5, 10)},
        fails={"first_procedure_date": dt.date(2022, 4, 30), "last_procedure_date": dt.date(2022, 5, 10)},
    ),
    Rule(
        id="D10",
        name_zh="手术结束早于开始",
        fate=Fate.WARNED,
        message_zh="手术结束时间早于开始时间",
        needs=("operation_start", "operation_end"),
        test=lambda params: _.operation_end < _.operation_start,
        passes={"operation_start": dt.datetime(2022, 5, 2, 9, 0), "operation_end": dt.datetime(2022, 5, 2, 9, 0)},
        fails={"operation_start": dt.datetime(2022, 5, 2, 9, 0), "operation_end": dt.datetime(2022, 5, 2, 8, 59)},
    ),
    Rule(
        id="D11",
        name_zh="年龄与出生日期不符",
        fate=Fate.WARNED,
        message_zh="填报年龄与按出生日期计算的年龄不符，以计算值为准",
        worklist_zh="年龄按出生日期计算为 {age_years} 岁，与填报相差超过 {quality.age_gap_years} 岁，以计算值为准",
        needs=("age_years", "birth_date", "admission_date"),
        fields=("age_years",),
        thresholds=("quality.age_gap_years",),
        test=lambda params: (
            (_.birth_date <= _.admission_date)
            & ((_.stated_age_years - _.unchecked_age_years).abs() > params.quality.age_gap_years)
        ),
        passes={**GOOD, "stated_age_years": 49},
        fails={**GOOD, "stated_age_years": 48},
    ),
    Rule(
        id="D12",
        name_zh="年龄超出合理范围",
        fate=Fate.QUARANTINED,
        message_zh="年龄超出合理范围",
        needs=("age_years",),
        thresholds=("quality.oldest_age",),
        test=lambda params: (_.unchecked_age_years < 0) | (_.unchecked_age_years > params.quality.oldest_age),
        passes={"unchecked_age_years": 120, "stated_age_years": 120},
        fails={"unchecked_age_years": 121, "stated_age_years": 121},
    ),
    Rule(
        id="D13",
        name_zh="新生儿缺体重",
        fate=Fate.WARNED,
        message_zh="新生儿病例缺出生体重或入院体重",
        needs=("age_days", "admission_weight", "lightest_birth_weight"),
        thresholds=("quality.newborn_days",),
        test=lambda params: (
            (_.age_days < params.quality.newborn_days)
            & (_.admission_weight.isnull() | _.lightest_birth_weight.isnull())
        ),
        passes={"age_days": 28, "age_years": 0},
        fails=NEWBORN,
    ),
    Rule(
        id="D14",
        name_zh="新生儿体重超出范围",
        fate=Fate.WARNED,
        message_zh="新生儿体重超出范围",
        needs_any=("admission_weight", "lightest_birth_weight"),
        fields=("admission_weight", "lightest_birth_weight", "heaviest_birth_weight"),
        thresholds=("quality.lightest_grams", "quality.heaviest_grams"),
        test=lambda params: ibis.or_(
            *[
                ~_[name].between(params.quality.lightest_grams, params.quality.heaviest_grams).fill_null(True)
                for name in ("admission_weight", "lightest_birth_weight", "heaviest_birth_weight")
            ]
        ),
        passes={"lightest_birth_weight": 100, "heaviest_birth_weight": 9999},
        fails={"lightest_birth_weight": 99},
    ),
    Rule(
        id="D15",
        name_zh="月出院例数异常",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.months_out_of_line,
        tables=("months",),
        message_zh="某月出院例数远低于或高于本院月中位数，请核实是否漏报",
        needs=("month",),
        thresholds=("quality.month_low", "quality.month_high", "quality.minimum_cases"),
        passes={"months": [*_months(11), {"month": 12, "n": 5}]},
        fails={"months": [*_months(11), {"month": 12, "n": 4}]},
    ),
    Rule(
        id="D16",
        name_zh="月初或月末无出院",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.month_ends_missing,
        tables=("ends",),
        message_zh="某月最后或最初几天没有出院病例，而按其余各日应有不少，请核实是否漏报",
        source="数据质量规则目录 D15，用于月内",
        needs=("month", "discharge_date"),
        thresholds=("quality.month_end_cases",),
        passes={"ends": [{"last": 28, "n": 93}]},
        fails={"ends": [{"last": 28, "n": 94}]},
    ),
    Rule(
        id="D17",
        name_zh="专科或科别某月无病例",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=silent_months,
        tables=("units", "months"),
        message_zh="本院报送了病例的月份中，某专科或科别一例也没有，而按其余月份应有不少，请核实是否漏报或科别更名",
        source="数据质量规则目录 D15，用于机构 × 专科 × 时段",
        needs=("month",),
        thresholds=("quality.silent_month_cases",),
        passes={"months": [{}, {"month": 2}], "units": [{"n": 9}]},
        fails={"months": [{}, {"month": 2}], "units": [{"n": 10}]},
    ),
)
