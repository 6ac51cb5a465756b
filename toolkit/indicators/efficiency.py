"""服务效率: cost and time."""

from __future__ import annotations

from toolkit.indicators.base import Direction, Distribution, Domain, Example, Indicator, Source, Standing, col
from toolkit.indicators.capacity import GROUPED, SELECTION

COST_INDEX = Indicator(
    id="cost_index",
    name_zh="费用消耗指数",
    name_en="cost consumption index",
    domain=Domain.EFFICIENCY,
    formula="Σ(病例费用 / 参照中同 DRG 例均费用) / 例数；1 为平均，小于 1 为费用较低",
    source=Source(title=SELECTION, clause="第 12 项"),
    numerator=col("cost_kept") / col("ref_cost"),
    denominator=col("cost_kept_n"),
    squares=col("cost_kept_sq") / col("ref_cost") ** 2,
    among=GROUPED,
    own_share=col("own_cost"),
    direction=Direction.LOWER,
    distribution=Distribution.MEAN,
    decimals=3,
    note="比值的均值，不是总费用之比；无参照的 DRG 同时退出分子和分母。",
    example=Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 800
        A        | FB21 | 4200
        A        | FB21 | 4800
        A        | FC31 |
        B        | FA11 | 1200
        B        | FB21 | 3000
        """,
        value=(800 / 1000 + 4200 / 4000 + 4800 / 4000) / 3,
        arithmetic="FA11 参照 (8+12)/2=10 元，FB21 参照 (42+48+30)/3=40 元；(0.80+1.05+1.20)/3；FC31 无费用，不计",
    ),
)
LOS_INDEX = Indicator(
    id="los_index",
    name_zh="时间消耗指数",
    name_en="time consumption index",
    domain=Domain.EFFICIENCY,
    formula="Σ(病例住院天数 / 参照中同 DRG 平均住院日) / 例数；1 为平均，小于 1 为时间较短",
    source=Source(title=SELECTION, clause="第 13 项"),
    numerator=col("los_kept") / col("ref_los"),
    denominator=col("los_kept_n"),
    squares=col("los_kept_sq") / col("ref_los") ** 2,
    among=GROUPED,
    own_share=col("own_los"),
    direction=Direction.LOWER,
    distribution=Distribution.MEAN,
    decimals=3,
    note="比值的均值；无参照的 DRG 同时退出分子和分母。",
    example=Example(
        discharges="""
        hospital | drg  | los_days
        A        | FA11 | 4
        A        | FB21 | 12
        A        | FB21 | 90
        B        | FA11 | 6
        B        | FB21 | 8
        """,
        value=(4 / 5 + 12 / 10) / 2,
        arithmetic="FA11 参照 5 日，FB21 参照 (12+8)/2=10 日（90 日超过上限，不计）；(0.8+1.2)/2",
    ),
)
COST_RATIO = Indicator(
    id="cost_ratio",
    name_zh="费用总量比",
    name_en="ratio of cost to expected cost",
    domain=Domain.EFFICIENCY,
    formula="Σ 病例费用 / Σ 参照中同 DRG 例均费用；1 为平均",
    source=Source(title="同类指标的总量比形式", standing=Standing.POLICY),
    numerator=col("cost_kept"),
    denominator=col("cost_kept_n") * col("ref_cost"),
    cases=col("cost_kept_n"),
    squares=col("cost_kept_sq"),
    cross=col("cost_kept") * col("ref_cost"),
    squares_below=col("cost_kept_n") * col("ref_cost") ** 2,
    among=GROUPED,
    own_share=col("own_cost"),
    direction=Direction.LOWER,
    distribution=Distribution.RATIO,
    decimals=3,
    note="总量之比，费用高的 DRG 分量大；与费用消耗指数（比值的均值）是不同的数，不可互换。",
    example=Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 800
        A        | FB21 | 4200
        A        | FB21 | 4800
        A        | FC31 |
        B        | FA11 | 1200
        B        | FB21 | 3000
        """,
        value=(800 + 4200 + 4800) / (1000 + 4000 + 4000),
        arithmetic="参照同费用消耗指数的算例；(8+42+48)/(10+40+40)，而比值的均值是 1.0167",
    ),
)
LOS_RATIO = Indicator(
    id="los_ratio",
    name_zh="时间总量比",
    name_en="ratio of bed days to expected bed days",
    domain=Domain.EFFICIENCY,
    formula="Σ 病例住院天数 / Σ 参照中同 DRG 平均住院日；1 为平均",
    source=Source(title="同类指标的总量比形式", standing=Standing.POLICY),
    numerator=col("los_kept"),
    denominator=col("los_kept_n") * col("ref_los"),
    cases=col("los_kept_n"),
    squares=col("los_kept_sq"),
    cross=col("los_kept") * col("ref_los"),
    squares_below=col("los_kept_n") * col("ref_los") ** 2,
    among=GROUPED,
    own_share=col("own_los"),
    direction=Direction.LOWER,
    distribution=Distribution.RATIO,
    decimals=3,
    note="总量之比，住院日长的 DRG 分量大；与时间消耗指数（比值的均值）是不同的数，不可互换。",
    example=Example(
        discharges="""
        hospital | drg  | los_days
        A        | FA11 | 4
        A        | FB21 | 12
        A        | FB21 | 90
        B        | FA11 | 6
        B        | FB21 | 8
        """,
        value=(4 + 12) / (5 + 10),
        arithmetic="参照同时间消耗指数的算例；(4+12)/(5+10)，而比值的均值是 1.00",
    ),
)


def _per_weight(
    id: str, name_zh: str, name_en: str, measure: str, over: int, unit: str, decimals: int, what: str, example: Example
) -> Indicator:
    scaled = col(measure) / over if over > 1 else col(measure)
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.EFFICIENCY,
        formula=f"Σ {what} / Σ DRG 权重（同一批入组病例），即{what}均值除以这些病例的 CMI",
        source=Source(title="CHS-DRG 相关公开文献", standing=Standing.POLICY),
        numerator=scaled,
        denominator=col("weight") * col(f"{measure}_n"),
        cases=col(f"{measure}_n"),
        squares=col(f"{measure}_sq") / over**2,
        cross=scaled * col("weight"),
        squares_below=col("weight") ** 2 * col(f"{measure}_n"),
        among=GROUPED,
        direction=Direction.LOWER,
        distribution=Distribution.RATIO,
        unit=unit,
        decimals=decimals,
        note="每单位权重；不裁剪。",
        example=example,
    )


COST_PER_WEIGHT = _per_weight(
    "cost_per_weight",
    "CMI 校正次均费用",
    "cost per unit of weight",
    "cost",
    100,
    "元",
    0,
    "住院费用",
    Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 50000
        A        | FB21 | 200000
        A        |      | 900000
        B        | FA11 | 50000
        B        | FB21 | 100000
        """,
        value=(500 + 2000) / (0.5 + 1.5),
        arithmetic="全部入组 4 例均费 1000 元；FA11 权重 0.5，FB21 权重 1500/1000；(500+2000)/(0.5+1.5)；未入组不计",
    ),
)
LOS_PER_WEIGHT = _per_weight(
    "los_per_weight",
    "CMI 校正平均住院日",
    "bed days per unit of weight",
    "los",
    1,
    "日",
    2,
    "住院天数",
    Example(
        discharges="""
        hospital | drg  | cost_fen | los_days
        A        | FA11 | 50000    | 4
        A        | FB21 | 200000   | 12
        A        |      | 900000   | 30
        B        | FA11 | 50000    | 9
        B        | FB21 | 100000   | 9
        """,
        value=(4 + 12) / (0.5 + 1.5),
        arithmetic="权重同 CMI 校正次均费用的算例；(4+12)/(0.5+1.5)；未入组不计",
    ),
)


def _part(id: str, name_zh: str, name_en: str, part: str, what: str, fields: str, example: Example) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.EFFICIENCY,
        formula=f"Σ {what} / Σ 住院总费用 × 100%（有分项费用且费用可用的病例，不裁剪）",
        source=Source(title="病案首页", clause=f"{fields}、D01"),
        numerator=col(part),
        denominator=col("itemised"),
        cases=col("itemised_n"),
        squares=col(f"{part}_sq"),
        cross=col(f"{part}_by_cost"),
        squares_below=col("itemised_sq"),
        applies_to=col("itemised_n") > 0,
        direction=Direction.LOWER,
        distribution=Distribution.RATIO,
        unit="%",
        scale=100,
        decimals=1,
        note="总量之比；没有分项费用的来源不适用。",
        example=example,
    )


FEES = """
        hospital | cost_fen | drug_fen | material_fen
        A        | 100000   | 20000    | 10000
        A        | 300000   | 120000   | 0
        A        | 900000   |          |
        A        | 400      | 400      | 0
        B        | 100000   | 90000    | 5000
        """
DRUG_SHARE = _part(
    "drug_share",
    "药占比",
    "share of drugs in cost",
    "drug",
    "药品费",
    "D23–D25",
    Example(
        discharges=FEES,
        value=100 * (200 + 1200) / (1000 + 3000),
        arithmetic="(200+1200)/(1000+3000)；没有分项的 1 例和总费用低于下限的 1 例不计",
    ),
)
MATERIAL_SHARE = _part(
    "material_share",
    "耗占比",
    "share of consumables in cost",
    "material",
    "医用材料费",
    "D31–D33",
    Example(discharges=FEES, value=100 * (100 + 0) / (1000 + 3000), arithmetic="(100+0)/(1000+3000)"),
)
MEAN_COST = Indicator(
    id="mean_cost",
    name_zh="次均费用",
    name_en="mean cost per discharge",
    domain=Domain.EFFICIENCY,
    formula="Σ 住院总费用 / 例数（费用可用的病例，不裁剪）",
    source=Source(title="病案首页", clause="D01"),
    numerator=col("cost") / 100,
    denominator=col("cost_n"),
    squares=col("cost_sq") / 100**2,
    direction=Direction.NEUTRAL,
    distribution=Distribution.MEAN,
    unit="元",
    decimals=0,
    note="未按病种校正，只作描述。",
    example=Example(
        discharges="""
        hospital | cost_fen
        A        | 100000
        A        | 300000
        A        | 400
        A        |
        B        | 900000
        """,
        value=(1000 + 3000) / 2,
        arithmetic="4 元低于下限、空值不计；(1000+3000)/2",
    ),
)
MEAN_LOS = Indicator(
    id="mean_los",
    name_zh="平均住院日",
    name_en="mean length of stay",
    domain=Domain.EFFICIENCY,
    formula="Σ 住院天数 / 例数（住院天数可用的病例，不裁剪）",
    source=Source(title="病案首页", clause="B12、B15"),
    numerator=col("los"),
    denominator=col("los_n"),
    squares=col("los_sq"),
    direction=Direction.NEUTRAL,
    distribution=Distribution.MEAN,
    unit="日",
    decimals=2,
    note="未按病种校正，只作描述。",
    example=Example(
        discharges="""
        hospital | los_days
        A        | 3
        A        | 60
        A        | 61
        B        | 9
        """,
        value=(3 + 60) / 2,
        arithmetic="61 日超过上限，不计；(3+60)/2",
    ),
)


def _traditional(id: str, name_zh: str, name_en: str, part: str, what: str, fields: str, example: Example) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.EFFICIENCY,
        formula=f"Σ {what} / Σ 住院总费用 × 100%（有该项且费用可用的病例，不裁剪）",
        source=Source(title="病案首页、中医病案首页", clause=f"{fields}、D01", standing=Standing.POLICY),
        numerator=col(part),
        denominator=col(f"{part}_whole"),
        cases=col(f"{part}_whole_n"),
        squares=col(f"{part}_sq"),
        cross=col(f"{part}_by_cost"),
        squares_below=col(f"{part}_whole_sq"),
        applies_to=col(f"{part}_whole_n") > 0,
        direction=Direction.NEUTRAL,
        distribution=Distribution.RATIO,
        unit="%",
        scale=100,
        decimals=1,
        note="总量之比；没有该项费用的来源不适用。",
        example=example,
    )


TRADITIONAL = """
        hospital | cost_fen | tcm_fen | chinese_drug_fen
        A        | 100000   | 20000   | 10000
        A        | 300000   | 0       | 90000
        A        | 900000   |         |
        B        | 100000   | 90000   | 5000
        """
TCM_SHARE = _traditional(
    "tcm_fee_share",
    "中医治疗费占比",
    "share of TCM treatment in cost",
    "tcm",
    "中医治疗费",
    "D22",
    Example(discharges=TRADITIONAL, value=100 * 200 / 4000, arithmetic="(200+0)/(1000+3000)；没有该项的 1 例不计"),
)
CHINESE_DRUG_SHARE = _traditional(
    "chinese_drug_share",
    "中药费占比",
    "share of Chinese drugs in cost",
    "chinese_drug",
    "中成药和中草药费",
    "D24、D25",
    Example(discharges=TRADITIONAL, value=100 * 1000 / 4000, arithmetic="(100+900)/(1000+3000)"),
)
TCM_TREATED = Indicator(
    id="tcm_treated_share",
    name_zh="以中医治疗为主的出院患者比例",
    name_en="share of discharges treated mainly by TCM",
    domain=Domain.EFFICIENCY,
    formula="治疗类别为中医（含民族医）的出院人次 / 治疗类别已填的出院人次",
    source=Source(title="中医病案首页", clause="治疗类别", standing=Standing.POLICY),
    numerator=col("tcm_treated"),
    denominator=col("tcm_treated_n"),
    applies_to=col("tcm_treated_n") > 0,
    direction=Direction.NEUTRAL,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=1,
    note="仅中医病案首页有治疗类别；中西医（2）与西医（3）不计入分子，未填的不计。",
    example=Example(
        discharges="""
        hospital | tcm_treated
        A        | T
        A        | F
        A        | F
        A        |
        B        | T
        """,
        value=100 * 1 / 3,
        arithmetic="1/3；未填的 1 例不计",
    ),
)

DECLARED = (
    COST_INDEX,
    LOS_INDEX,
    COST_RATIO,
    LOS_RATIO,
    COST_PER_WEIGHT,
    LOS_PER_WEIGHT,
    MEAN_COST,
    MEAN_LOS,
    DRUG_SHARE,
    MATERIAL_SHARE,
    TCM_SHARE,
    CHINESE_DRUG_SHARE,
    TCM_TREATED,
)
