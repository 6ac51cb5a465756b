"""Rules over all records together, and those of the toolkit's own (规则 X, SCOPE, Z53)."""

from __future__ import annotations

import ibis
from ibis import _

from toolkit.data.quality import hospitals
from toolkit.data.quality.base import COST, LOS, MORTALITY, Fate, Level, Rule
from toolkit.engine.types import Column


def _starts(column: Column, prefixes: list[str]) -> Column:
    return ibis.or_(*[column.startswith(p) for p in prefixes]) if prefixes else ibis.literal(False)


SCOPE = Rule(
    id="SCOPE",
    name_zh="不在数据范围内",
    fate=Fate.EXCLUDED,
    message_zh="按格式声明不属于一次出院的记录",
    source="格式映射的 scope",
    test=lambda params: ~_.in_scope,
    passes={"in_scope": True},
    fails={"in_scope": False},
)

# id, what is missing, which indicators are then not judged, a field of the example
MISSING_FIELDS = (
    ("X06", "总费用", "费用类指标", COST, "cost_fen"),
    ("X07", "住院天数", "时间类指标", LOS, "los_days"),
    ("X08", "离院方式（是否死亡）", "死亡类指标", MORTALITY, "died"),
    ("X09", "性别、年龄或入院途径", "以其为条件的指标", "", "admission_route"),
)


def _missing_field(id: str, what: str, of: str, scope: str, field: str) -> Rule:
    return Rule(
        id=id,
        name_zh=f"{what}缺失过多",
        fate=Fate.REJECTED,
        level=Level.HOSPITAL,
        judge=hospitals.fields_missing(id),
        tables=("missing",),
        message_zh=f"{what}缺失率超过界限，{of}不予评价",
        source="数据质量规则目录 X04，只及用到该字段的指标",
        scopes=(scope,) if scope else (),
        thresholds=("quality.missing_share", "quality.minimum_cases"),
        passes={"missing": [{"field": field, "share": 0.05}]},
        fails={"missing": [{"field": field, "share": 0.051}]},
    )


DATASET_RULES = (
    Rule(
        id="Z53",
        name_zh="取消手术或操作",
        fate=Fate.EXCLUDED,
        scopes=(COST, LOS),
        source="公开分组程序的排除条件（政策选择）",
        message_zh="主要诊断为取消手术或操作且住院天数很短，不计入费用与时间指标",
        needs=("principal_diagnosis", "los_days"),
        thresholds=("exclusions.cancelled_diagnoses", "exclusions.cancelled_los_days"),
        test=lambda params: (
            _starts(_.principal_diagnosis, params.exclusions.cancelled_diagnoses)
            & (_.los_days <= params.exclusions.cancelled_los_days)
        ),
        passes={"principal_diagnosis": "Z53.0", "los_days": 3},
        fails={"principal_diagnosis": "Z53.0", "los_days": 2},
    ),
    Rule(
        id="X01",
        name_zh="收支不平衡",
        fate=Fate.REJECTED,
        level=Level.RUN,
        applied="toolkit.data.accounts.fates, toolkit.data.accounts.balance",
        message_zh="收到 ≠ 纳入 + 排除 + 隔离，运行停止，不生成报告",
    ),
    Rule(
        id="X02",
        name_zh="关键字段缺失率变动",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.moved_missing,
        tables=("missing",),
        message_zh="关键字段的缺失率较上年变动过大，请核实",
        thresholds=("quality.missing_move",),
        passes={"missing": [{"year": 2021, "share": 0.0}, {"share": 0.10}]},
        fails={"missing": [{"year": 2021, "share": 0.0}, {"share": 0.11}]},
    ),
    Rule(
        id="X03",
        name_zh="疑似复制或默认填充",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.copied_or_filled,
        tables=("years",),
        message_zh="疑似复制或默认填充：字段全为同一值、总费用多为整百元，或与他院记录内容相同",
        thresholds=("quality.constant_cases", "quality.round_cost_share", "quality.copied_share"),
        passes={"years": [{"copied": 0.02, "round_cost": 0.5}]},
        fails={"years": [{"copied": 0.021, "round_cost": 0.5}]},
    ),
    Rule(
        id="X04",
        name_zh="数据不足，不予评价",
        fate=Fate.REJECTED,
        level=Level.HOSPITAL,
        judge=hospitals.too_poor,
        tables=("years", "missing"),
        message_zh="隔离占比或用于专科归属的字段（科别、主要诊断）缺失率超过界限，数据不足，不予评价",
        thresholds=("quality.quarantined_share", "quality.missing_share", "quality.minimum_cases"),
        passes={"years": [{"quarantined": 2}], "missing": [{"field": "sex", "share": 1.0}]},
        fails={"years": [{"quarantined": 3}], "missing": [{"share": 0.05}]},
    ),
    Rule(
        id="X05",
        name_zh="评价年份无病例",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.years_not_sent,
        tables=("sent",),
        message_zh="评价年份内有一年没有任何纳入的病例，请核实是否漏报",
        source="数据质量规则目录 D15，用于整年",
        passes={"sent": [{"hospital": "0002"}, {"n": 1}]},
        fails={"sent": [{"hospital": "0002"}, {"n": 0}]},
    ),
    *(_missing_field(*of_rule) for of_rule in MISSING_FIELDS),
)
