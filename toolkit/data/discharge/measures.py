"""What one discharge adds to its cell of the cube. Adding a sum is one declaration here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import ibis
from ibis import _

from toolkit.data.discharge.schema import EXIT_CODES, TECHNIQUES
from toolkit.engine.types import Column


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """An amount or a flag, with the discharges it is defined for.

    In the cube it becomes `<id>` = Σx, `<id>_n` = discharges it is defined for and, with two moments, `<id>_sq` = Σx².

    Attributes
    ----------
    value
        Per discharge, an integer amount or a boolean. Integers, because sums of floats depend on the order of threads.
    when
        The discharges that count; others add nothing.
    moments
        2 where an interval needs Σx²; a flag is its own square.
    trimmed
        The amount is further limited to the trim limits of its DRG, one pair of limits for each basis.
    product
        The amount is a product of two: its sum may pass 64 bits, and becomes a float once it is finished.
    for_weights
        Summed only in a run whose `weights.source` is this: no indicator reads it.
    """

    id: str
    name_zh: str
    value: Column
    when: Column
    moments: Literal[1, 2] = 1
    trimmed: Literal["cost", "los"] | None = None
    product: bool = False
    for_weights: Literal["five_class"] | None = None


_surgery = _.surgical.fill_null(False) & _.surgery_usable
_emergency = _.admission_route == "1"
_exit_known = _.exit_mode.isin(EXIT_CODES).fill_null(
    False
)  # a word that no map turned into a code tells of no way of leaving
# a part above the whole, or below nothing, is a fault of the record: it leaves both sums
_itemised = _.cost_usable & _.drug_fen.between(0, _.cost_fen) & _.material_fen.between(0, _.cost_fen)
_rescued = _.successful_rescues.between(0, _.rescues)


def _of_operations(
    basis: str, level: Column, level34: Column, minimal: Column, complication: Column
) -> tuple[Measure, ...]:
    """What depends on a code list: that of the discharge's year, or on the frozen basis that of the period before."""
    operated = (_surgery | (level > 0)) & level.notnull() & _.surgery_usable
    asked = (_.operation_asked | (level > 0)).fill_null(False) & _.surgery_usable
    return (
        Measure(id=f"level4@{basis}", name_zh="四级手术病例", value=level == 4, when=operated),
        Measure(id=f"level34@{basis}", name_zh="三四级手术病例", value=level34, when=operated & level34.notnull()),
        Measure(id=f"level_known@{basis}", name_zh="手术级别可认定的病例", value=operated.fill_null(False), when=asked),
        Measure(id=f"minimal@{basis}", name_zh="微创手术病例", value=minimal, when=_surgery & minimal.notnull()),
        Measure(id=f"complication@{basis}", name_zh="手术并发症病例", value=complication, when=complication.notnull()),
    )


def _part_of_cost(id: str, name_zh: str, amount: Column) -> tuple[Measure, ...]:
    """A part of the cost, the cost of the discharges that have it apart, and their product, as a ratio of totals needs them."""
    when = _.cost_usable & amount.between(0, _.cost_fen)
    return (
        Measure(id=id, name_zh=f"{name_zh}（分）", value=amount, when=when, moments=2),
        Measure(id=f"{id}_whole", name_zh=f"有{name_zh}病例的费用（分）", value=_.cost_fen, when=when, moments=2),
        Measure(id=f"{id}_by_cost", name_zh=f"{name_zh}与费用之积", value=amount * _.cost_fen, when=when, product=True),
    )


def _fee(id: str, name_zh: str, amount: Column) -> Measure:
    """One of the five classes of fees; a class above the whole, or below nothing, is a fault of the record."""
    return Measure(
        id=id,
        name_zh=f"{name_zh}费用（分）",
        value=amount,
        when=_.cost_usable & amount.between(0, _.cost_fen),
        for_weights="five_class",
    )


# the classes of the five-class standardisation of DRG weights
FEE_CLASSES = (
    _fee("medical_fee", "医疗", _.medical_fen),
    _fee("nursing_fee", "护理", _.nursing_fen),
    _fee("technical_fee", "医技", _.technical_fen),
    _fee("drug_fee", "药品", _.drug_fen),
    _fee("management_fee", "管理", _.management_fen),
)

MEASURES: tuple[Measure, ...] = (
    Measure(id="cost", name_zh="费用（分）", value=_.cost_fen, when=_.cost_usable, moments=2),
    Measure(id="los", name_zh="住院天数", value=_.los_days, when=_.los_usable, moments=2),
    Measure(
        id="cost_kept",
        name_zh="裁剪后费用（分）",
        value=_.cost_fen,
        when=_.cost_usable & _.grouped,
        moments=2,
        trimmed="cost",
    ),
    Measure(
        id="los_kept",
        name_zh="裁剪后住院天数",
        value=_.los_days,
        when=_.los_usable & _.grouped,
        moments=2,
        trimmed="los",
    ),
    Measure(id="itemised", name_zh="有分项费用病例的费用（分）", value=_.cost_fen, when=_itemised, moments=2),
    Measure(id="drug", name_zh="药品费（分）", value=_.drug_fen, when=_itemised, moments=2),
    Measure(id="drug_by_cost", name_zh="药品费与费用之积", value=_.drug_fen * _.cost_fen, when=_itemised, product=True),
    Measure(id="material", name_zh="医用材料费（分）", value=_.material_fen, when=_itemised, moments=2),
    Measure(
        id="material_by_cost",
        name_zh="医用材料费与费用之积",
        value=_.material_fen * _.cost_fen,
        when=_itemised,
        product=True,
    ),
    *_part_of_cost("tcm", "中医治疗费", _.tcm_fen),
    *_part_of_cost("chinese_drug", "中药费", _.chinese_drug_fen),
    Measure(id="tcm_treated", name_zh="以中医治疗为主的病例", value=_.tcm_treated, when=_.tcm_treated.notnull()),
    Measure(id="died", name_zh="死亡", value=_.died, when=_.death_known),
    Measure(id="surgical", name_zh="手术病例", value=_.surgical, when=_.surgery_usable),
    *_of_operations("contemporaneous", _.judged_level, _.level34, _.minimally_invasive, _.complication),
    *_of_operations(
        "frozen", _.judged_level_frozen, _.level34_frozen, _.minimally_invasive_frozen, _.complication_frozen
    ),
    *(
        Measure(id=f"{name}@{basis}", name_zh=f"{name_zh}病例", value=held, when=held.notnull())
        for name, name_zh in TECHNIQUES.items()
        for basis, held in (("contemporaneous", _[name]), ("frozen", _[f"{name}_frozen"]))
    ),
    Measure(
        id="day_surgery", name_zh="日间手术病例", value=_.day_surgery, when=_.day_surgery.notnull() & _.surgery_usable
    ),
    Measure(id="against_advice", name_zh="非医嘱离院", value=_.exit_mode == "4", when=_exit_known),
    Measure(id="readmitted", name_zh="31 天内非计划再住院", value=_.readmitted, when=_.readmitted.notnull()),
    # codes are stored |I10.x00|E11.9|: one separator more than codes; a stay without any stands as one of a source without
    # the field does, so a region whose sum is 0 has none to count
    Measure(
        id="secondary",
        name_zh="其他诊断数",
        value=(_.other_diagnoses.length() - _.other_diagnoses.replace("|", "").length() - 1).fill_null(0),
        when=_.los_days.notnull() | _.los_days.isnull(),
    ),
    Measure(id="level_filled", name_zh="手术级别已填的手术病例", value=_.surgery_level.notnull(), when=_surgery),
    Measure(id="rescued", name_zh="抢救成功次数", value=_.successful_rescues, when=_rescued),
    Measure(id="rescue", name_zh="抢救次数", value=_.rescues, when=_rescued),
    Measure(
        id="emergency_died", name_zh="急诊入院死亡", value=_.died, when=_.death_known & _emergency.fill_null(False)
    ),
    Measure(id="emergency", name_zh="急诊入院", value=_emergency, when=_.admission_route.notnull()),
    Measure(id="outside_county", name_zh="县外患者", value=_.outside_county, when=_.outside_county.notnull()),
    Measure(id="outside_city", name_zh="市外患者", value=_.outside_city, when=_.outside_city.notnull()),
    Measure(id="residence", name_zh="现住址可定位", value=_.residence_known, when=_.residence_known.notnull()),
    Measure(id="transferred_in", name_zh="转入", value=_.transferred_in, when=_.transferred_in.notnull()),
    Measure(id="transferred_out", name_zh="转出", value=_.exit_mode.isin(["2", "3"]), when=_exit_known),
    # published weights have up to four decimals; as integers their sums are exact
    Measure(
        id="carried_weight",
        name_zh="病案自带权重（万分之一）",
        value=(_.drg_weight * 10_000).round(0).cast("int64"),
        when=_.drg_weight.notnull() & _.grouped,
        moments=2,
    ),
    *FEE_CLASSES,
)


def measures_for(weights: str) -> tuple[Measure, ...]:
    """The measures of a run with this source of weights."""
    return tuple(m for m in MEASURES if m.for_weights in (None, weights))


def added(measure: Measure, within: Column | None = None) -> Column:
    """What a discharge adds to the sums of a measure, missing where it adds nothing; `within` is a further condition."""
    when = measure.when if within is None else measure.when & within
    return ibis.ifelse(when.fill_null(False), measure.value.cast("int64"), ibis.null("int64"))


def sums(measure: Measure, column: str) -> dict[str, Column]:
    """The cube columns of a measure as aggregates of the `column` that holds its amounts: `<id>` or `<id>@<basis>`."""
    name, at, basis = column.partition("@")
    total, counted = _[column].sum(), _[column].count()
    total = ibis.coalesce(total.cast("float64"), 0.0) if measure.product else ibis.coalesce(_whole(total), 0)
    columns = {column: total, f"{name}_n{at}{basis}": counted}
    if measure.moments == 2:
        # the engine adds integers exactly and beyond 64 bits; only the finished sum becomes a float
        columns[f"{name}_sq{at}{basis}"] = ibis.coalesce((_[column] * _[column]).sum().cast("float64"), 0.0)
    return columns


def _whole(total: Column) -> Column:
    # DuckDB's sums are wider than Ibis knows; uncast they would reach pandas as one decimal object each
    return total.cast("decimal(38, 0)").cast("int64")
