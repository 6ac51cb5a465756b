"""服务效率: cost and time."""

from __future__ import annotations

from toolkit.indicators.base import Direction, Distribution, Domain, Example, Indicator, Source, col
from toolkit.indicators.capacity import GROUPED, SELECTION

COST_INDEX = Indicator(
    id="cost_index", name_zh="费用消耗指数", name_en="cost consumption index", domain=Domain.EFFICIENCY,
    formula="Σ(病例费用 / 参照中同 DRG 例均费用) / 例数；1 为平均，小于 1 为费用较低",
    source=Source(title=SELECTION, clause="第 12 项"),
    numerator=col("cost_kept") / col("ref_cost"), denominator=col("cost_kept_n"),
    squares=col("cost_kept_sq") / col("ref_cost") ** 2, among=GROUPED, own_share=col("own_cost"),
    direction=Direction.LOWER, distribution=Distribution.MEAN, decimals=3,
    note="比值的均值，不是总费用之比；无参照的 DRG 同时退出分子和分母。",
    example=Example(discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 800
        A        | FB21 | 4200
        A        | FB21 | 4800
        A        | FC31 |
        B        | FA11 | 1200
        B        | FB21 | 3000
        """, value=(800 / 1000 + 4200 / 4000 + 4800 / 4000) / 3,
        arithmetic="FA11 参照 (8+12)/2=10 元，FB21 参照 (42+48+30)/3=40 元；(0.80+1.05+1.20)/3；FC31 无费用，不计"),
)  # fmt: skip
LOS_INDEX = Indicator(
    id="los_index", name_zh="时间消耗指数", name_en="time consumption index", domain=Domain.EFFICIENCY,
    formula="Σ(病例住院天数 / 参照中同 DRG 平均住院日) / 例数；1 为平均，小于 1 为时间较短",
    source=Source(title=SELECTION, clause="第 13 项"),
    numerator=col("los_kept") / col("ref_los"), denominator=col("los_kept_n"),
    squares=col("los_kept_sq") / col("ref_los") ** 2, among=GROUPED, own_share=col("own_los"),
    direction=Direction.LOWER, distribution=Distribution.MEAN, decimals=3,
    note="比值的均值；无参照的 DRG 同时退出分子和分母。",
    example=Example(discharges="""
        hospital | drg  | los_days
        A        | FA11 | 4
        A        | FB21 | 12
        A        | FB21 | 90
        B        | FA11 | 6
        B        | FB21 | 8
        """, value=(4 / 5 + 12 / 10) / 2,
        arithmetic="FA11 参照 5 日，FB21 参照 (12+8)/2=10 日（90 日超过上限，不计）；(0.8+1.2)/2"),
)  # fmt: skip
MEAN_COST = Indicator(
    id="mean_cost", name_zh="次均费用", name_en="mean cost per discharge", domain=Domain.EFFICIENCY,
    formula="Σ 住院总费用 / 例数（费用可用的病例，不裁剪）", source=Source(title="病案首页", clause="D01"),
    numerator=col("cost") / 100, denominator=col("cost_n"), squares=col("cost_sq") / 100**2,
    direction=Direction.NEUTRAL, distribution=Distribution.MEAN, unit="元", decimals=0,
    note="未按病种校正，只作描述。",
    example=Example(discharges="""
        hospital | cost_fen
        A        | 100000
        A        | 300000
        A        | 400
        A        |
        B        | 900000
        """, value=(1000 + 3000) / 2, arithmetic="4 元低于下限、空值不计；(1000+3000)/2"),
)  # fmt: skip
MEAN_LOS = Indicator(
    id="mean_los", name_zh="平均住院日", name_en="mean length of stay", domain=Domain.EFFICIENCY,
    formula="Σ 住院天数 / 例数（住院天数可用的病例，不裁剪）", source=Source(title="病案首页", clause="B12、B15"),
    numerator=col("los"), denominator=col("los_n"), squares=col("los_sq"),
    direction=Direction.NEUTRAL, distribution=Distribution.MEAN, unit="日", decimals=2,
    note="未按病种校正，只作描述。",
    example=Example(discharges="""
        hospital | los_days
        A        | 3
        A        | 60
        A        | 61
        B        | 9
        """, value=(3 + 60) / 2, arithmetic="61 日超过上限，不计；(3+60)/2"),
)  # fmt: skip

DECLARED = (COST_INDEX, LOS_INDEX, MEAN_COST, MEAN_LOS)
