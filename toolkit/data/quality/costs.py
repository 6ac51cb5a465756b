"""Rules over fees (规则 C)."""

from __future__ import annotations

import ibis
from ibis import _

from toolkit.data.quality.base import COST, Fate, Level, Rule
from toolkit.engine.types import Column
from toolkit.params import RunParams

STANDARD = "病案首页采集标准文字（见数据质量规则目录）"


def _fen(yuan: float) -> int:
    return round(yuan * 100)


def _gap() -> Column:
    return (_.cost_fen - _.items_fen).abs()


def _far(params: RunParams) -> Column:
    # the tolerance itself holds for a stay of a few yuan too
    return ibis.greatest(_.cost_fen.abs() * params.quality.fees_gap_share, _fen(params.quality.fees_gap_yuan))


COST_RULES = (
    Rule(
        id="C01",
        name_zh="总费用缺失或不大于 0",
        fate=Fate.EXCLUDED,
        scopes=(COST,),
        message_zh="住院总费用缺失、非数值或不大于 0，不计入费用指标",
        needs=("cost_fen",),
        test=lambda params: _.cost_fen.isnull() | (_.cost_fen <= 0),
        passes={"cost_fen": 1, "items_fen": 1},
        fails={"cost_fen": 0, "items_fen": 0},
    ),
    Rule(
        id="C02",
        name_zh="分项合计与总费用不符",
        fate=Fate.WARNED,
        message_zh="分项费用合计与总费用不符",
        worklist_zh="分项费用合计 {items_fen} 分与总费用 {cost_fen} 分不符",
        needs=("cost_fen", "items_fen"),
        thresholds=("quality.fees_gap_yuan",),
        test=lambda params: (_gap() > _fen(params.quality.fees_gap_yuan)) & (_gap() <= _far(params)),
        passes={"cost_fen": 100_000, "items_fen": 100_005},
        fails={"cost_fen": 100_000, "items_fen": 100_006},
    ),
    Rule(
        id="C02Q",
        name_zh="分项合计与总费用相差过大",
        fate=Fate.QUARANTINED,
        scopes=(COST,),
        message_zh="分项费用合计与总费用相差过大，不计入费用指标",
        source="数据质量规则目录 C02 的第二界限",
        worklist_zh="分项费用合计 {items_fen} 分与总费用 {cost_fen} 分相差过大，不计入费用指标",
        needs=("cost_fen", "items_fen"),
        thresholds=("quality.fees_gap_share", "quality.fees_gap_yuan"),
        test=lambda params: _gap() > _far(params),
        passes={"cost_fen": 100_000, "items_fen": 100_000},
        fails={"cost_fen": 100_000, "items_fen": 101_001},
    ),
    Rule(
        id="C03",
        name_zh="分项费用为负",
        fate=Fate.WARNED,
        message_zh="有分项费用为负数",
        worklist_zh="有分项费用为负数：最小的一项为 {least_item_fen} 分",
        needs=("least_item_fen",),
        test=lambda params: _.least_item_fen < 0,
        passes={"least_item_fen": 0},
        fails={"least_item_fen": -1},
    ),
    Rule(
        id="C04",
        name_zh="总费用超出声明范围",
        fate=Fate.EXCLUDED,
        scopes=(COST,),
        message_zh="总费用超出声明范围，不计入费用指标",
        worklist_zh="总费用 {cost_fen} 分超出声明范围 {exclusions.cost_under_yuan}–{exclusions.cost_over_yuan} 元，不计入费用指标",
        needs=("cost_fen",),
        thresholds=("exclusions.cost_under_yuan", "exclusions.cost_over_yuan"),
        test=lambda params: (
            (_.cost_fen > 0)
            & ~_.cost_fen.between(_fen(params.exclusions.cost_under_yuan), _fen(params.exclusions.cost_over_yuan))
        ),
        passes={"cost_fen": 500, "items_fen": 500},
        fails={"cost_fen": 499, "items_fen": 499},
    ),
    Rule(
        id="C05",
        name_zh="本 DRG 组极端费用",
        fate=Fate.EXCLUDED,
        scopes=(COST,),
        level=Level.MEASURE,
        applied="toolkit.cube.limits.trim_limits",
        message_zh="费用为本 DRG 组极端值，按裁剪规则不计入费用指标；裁剪前后的值都给出",
        needs=("cost_fen", "drg"),
        thresholds=("trimming.method",),
    ),
    Rule(
        id="C06",
        name_zh="手术治疗费与手术不一致",
        fate=Fate.WARNED,
        message_zh="有手术治疗费无手术操作编码，或有手术无手术治疗费",
        worklist_zh="手术治疗费 {surgery_fee_fen} 分，主要手术操作 {principal_procedure}",
        needs=("surgery_fee_fen", "principal_procedure", "surgical"),
        fields=("surgery_fee_fen", "principal_procedure"),
        test=lambda params: (
            ((_.surgery_fee_fen > 0) & _.principal_procedure.isnull())
            | (_.surgical & ~(_.surgery_fee_fen > 0).fill_null(False))
        ),
        passes={"surgery_fee_fen": 1, "principal_procedure": "36.06", "surgical": True},
        fails={"surgery_fee_fen": 0, "principal_procedure": "36.06", "surgical": True},
    ),
    Rule(
        id="C07",
        name_zh="有麻醉无麻醉费",
        fate=Fate.WARNED,
        message_zh="填有麻醉方式，麻醉费为 0 或为空",
        needs=("anaesthesia", "anaesthesia_fee_fen"),
        fields=("anaesthesia", "anaesthesia_fee_fen"),
        test=lambda params: _.anaesthesia & ~(_.anaesthesia_fee_fen != 0).fill_null(False),
        passes={"anaesthesia": True, "anaesthesia_fee_fen": 1},
        fails={"anaesthesia": True, "anaesthesia_fee_fen": 0},
    ),
    Rule(
        id="C08",
        name_zh="自付金额大于总费用",
        fate=Fate.WARNED,
        message_zh="自付金额大于总费用",
        source=STANDARD,
        worklist_zh="自付金额 {self_pay_fen} 分大于总费用 {cost_fen} 分",
        needs=("self_pay_fen", "cost_fen"),
        test=lambda params: _.self_pay_fen > _.cost_fen,
        passes={"self_pay_fen": 100_000, "cost_fen": 100_000},
        fails={"self_pay_fen": 100_001, "cost_fen": 100_000},
    ),
    Rule(
        id="C09",
        name_zh="费用疑以分为单位",
        fate=Fate.REJECTED,
        level=Level.FILE,
        applied="toolkit.data.accounts.file_checks",
        message_zh="本院费用中位数约为同级机构的 100 倍，疑似以“分”为单位，请核实",
        needs=("cost_fen",),
        thresholds=("quality.fen_times", "quality.minimum_cases"),
    ),
)
