"""质量安全: mortality by the risk grade of the DRG and against expectation, complications, readmission, rescue."""

from __future__ import annotations

from functools import reduce
from operator import or_

from toolkit.indicators.base import (
    CubeExpression,
    Direction,
    Distribution,
    Domain,
    Example,
    Indicator,
    Source,
    Standing,
    col,
)
from toolkit.indicators.capacity import HEAVY, SELECTION

# Six DRGs whose ln mortalities spread over all grades; the reference is hospitals A and B together.
GRADED = """
        hospital | drg | died | cases
        A        | GA01 | F    | 100
        A        | GA11 | F    | 9999
        A        | GA11 | T    | 1
        A        | GA21 | F    | 998
        A        | GA21 | T    | 2
        A        | GA31 | F    | 490
        A        | GA31 | T    | 10
        A        | GA41 | F    | 70
        A        | GA41 | T    | 30
        A        | GA21 |      | 500
        B        | GA21 | F    | 1000
        """
EXAMPLE_POLICY = {"risk_grades": {"minimum_cases": 30, "minimum_deaths": 0, "minimum_deaths_low": 0}}
GRADES_SHOWN = "ln 死亡率 z 值：G1 −1.25（低）、G2 −0.38（中低）、G3 0.46（中高）、G4 1.17（高）；G0 无死亡，为 0 级"


def _mortality(
    id: str, name_zh: str, name_en: str, among: CubeExpression, grades: str, clause: str, note: str, example: Example
) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.SAFETY,
        formula=f"{grades}出院死亡人次 / {grades}出院人次（离院方式已知）",
        source=Source(title=SELECTION, clause=clause, standing=Standing.POLICY),
        numerator=col("died"),
        denominator=col("died_n"),
        among=among,
        direction=Direction.LOWER,
        distribution=Distribution.RARE,
        unit="%",
        scale=100,
        decimals=3,
        note=note,
        example=example,
    )


def _graded(*grades: int) -> CubeExpression:
    """Rows of these grades; an ungraded DRG is in none."""
    return reduce(or_, [col("risk_grade") == float(grade) for grade in grades])


MID_LOW = _mortality(
    "mid_low_risk_mortality",
    "中低风险组死亡率",
    "mid-to-low-risk mortality",
    _graded(2),
    "中低风险组（2 级）",
    "第 14 项",
    "“中低风险组”按字面取 2 级；1 级与 2 级合并的死亡率列于旁边。",
    Example(
        discharges=GRADED,
        value=100 * 2 / 1000,
        policy=EXAMPLE_POLICY,
        arithmetic=f"{GRADES_SHOWN}；A 院 G2：2/1000，离院方式未知的 500 例不计",
    ),
)
LOW = _mortality(
    "low_risk_mortality",
    "低风险组死亡率",
    "low-risk mortality",
    _graded(1),
    "低风险组（1 级）",
    "第 14 项",
    "无死亡的 DRG 为 0 级，不在低风险组内。",
    Example(
        discharges=GRADED, value=100 * 1 / 10_000, policy=EXAMPLE_POLICY, arithmetic=f"{GRADES_SHOWN}；A 院 G1：1/10000"
    ),
)
LOW_OR_MID_LOW = _mortality(
    "low_or_mid_low_risk_mortality",
    "低与中低风险组死亡率",
    "low- or mid-to-low-risk mortality",
    _graded(1, 2),
    "低与中低风险组（1、2 级）",
    "第 14 项",
    "1 级与 2 级合并：指标原文含义不明确时的另一读法。",
    Example(
        discharges=GRADED,
        value=100 * 3 / 11_000,
        policy=EXAMPLE_POLICY,
        arithmetic=f"{GRADES_SHOWN}；(1+2)/(10000+1000)",
    ),
)
MORTALITY = _mortality(
    "mortality",
    "住院死亡率",
    "in-hospital mortality",
    None,
    "",
    "",
    "未按病种校正，只作描述。",
    Example(
        discharges="""
        hospital | died
        A        | T
        A        | F
        A        | F
        A        | F
        A        |
        B        | T
        """,
        value=100 * 1 / 4,
        arithmetic="1/4；离院方式未知的 1 例不计",
    ),
)

MORTALITY_RATIO = Indicator(
    id="mortality_ratio",
    name_zh="标化死亡比 O/E",
    name_en="observed to expected deaths",
    domain=Domain.SAFETY,
    formula="实际死亡人次 / Σ(全区域同 DRG 的死亡率 × 该组例数)，仅入组病例；1 为同样病种结构下的区域平均",
    source=Source(title="间接标准化（通行方法）", standing=Standing.POLICY),
    numerator=col("died"),
    denominator=col("ref_mortality") * col("died_n"),
    cases=col("died_n"),
    among=col("drg") != "",
    direction=Direction.LOWER,
    distribution=Distribution.RARE,
    decimals=2,
    note="与参照比较，不宜两个单元互比（病种结构不同）；区间只含实际死亡数的机会波动。只按 DRG 校正，同一 DRG 内的轻重不校正。",
    example=Example(
        discharges="""
        hospital | drg | died | cases
        A        | GA11 | T    | 2
        A        | GA11 | F    | 8
        A        | GA21 | F    | 10
        A        | GA21 |      | 5
        A        |     | T    | 3
        B        | GA11 | F    | 10
        B        | GA21 | T    | 4
        B        | GA21 | F    | 6
        """,
        value=2 / (10 * 2 / 20 + 10 * 4 / 20),
        arithmetic="参照死亡率 G1 2/20、G2 4/20；预期 10×0.1+10×0.2=3；2/3；离院方式未知与未入组的不计",
    ),
)
AGAINST_ADVICE = Indicator(
    id="against_advice_share",
    name_zh="非医嘱离院率",
    name_en="discharges against advice",
    domain=Domain.SAFETY,
    formula="离院方式为非医嘱离院（B34C=4）的出院人次 / 离院方式已填的出院人次",
    source=Source(title="病案首页", clause="B34C"),
    numerator=col("against_advice"),
    denominator=col("against_advice_n"),
    applies_to=col("against_advice_n") > 0,
    direction=Direction.LOWER,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=2,
    note="可能掩盖死亡：死亡率须与它一起看。",
    example=Example(
        discharges="""
        hospital | exit_mode
        A        | 1
        A        | 4
        A        | 5
        A        |
        B        | 4
        """,
        value=100 * 1 / 3,
        arithmetic="1/3；未填的 1 例不计",
    ),
)
COMPLICATION = Indicator(
    id="complication_share",
    name_zh="手术并发症发生率",
    name_en="complications of elective surgery",
    domain=Domain.SAFETY,
    formula="其他诊断中有目录所列并发症且入院病情为“无”（4）的择期手术出院人次 / 择期手术出院人次（不含妊娠、分娩、新生儿）；"
    "外科为主的专科",
    source=Source(title="病案首页", clause="C06x、C08x", standing=Standing.POLICY),
    numerator=col("complication"),
    denominator=col("complication_n"),
    applies_to=col("surgical_specialty") & (col("complication_n") > 0),
    direction=Direction.LOWER,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=2,
    note="并发症诊断目录由运行给出；没有目录时不适用。择期按入院途径（参数）。编码越不完整，发生率越低。",
    example=Example(
        discharges="""
        hospital | sex | surgical | admission_route | complication | principal_diagnosis
        A        | 2   | T        | 2               | T            | K80.1
        A        | 2   | T        | 2               | F            | K80.1
        A        | 2   | T        | 2               | F            | K80.1
        A        | 2   | T        | 1               | T            | K80.1
        A        | 2   | F        | 2               | T            | K80.1
        A        | 2   | T        | 2               | T            | O34.2
        B        | 2   | T        | 2               | F            | K80.1
        """,
        value=100 * 1 / 3,
        arithmetic="1/3；急诊手术、非手术、妊娠各 1 例不计",
    ),
)
READMISSION = Indicator(
    id="readmission_share",
    name_zh="31 天非计划再住院率",
    name_en="unplanned readmission within 31 days",
    domain=Domain.SAFETY,
    formula="出院后 31 天内再次住入同一机构且首页未填再住院计划（B36C≠2）的出院人次 / 活着出院、其后 31 天仍在数据期内的出院人次",
    source=Source(title="病案首页", clause="B36C", standing=Standing.POLICY),
    numerator=col("readmitted"),
    denominator=col("readmitted_n"),
    applies_to=col("readmitted_n") > 0,
    direction=Direction.LOWER,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=2,
    note="患者由假名识别，住入别的机构的看不到；数据期最后 31 天出院的不计；有计划的留在分母，不进分子。",
    example=Example(
        discharges="""
        hospital | patient | admission_date | discharge_date | los_days | readmission_planned
        A        | SYN0001 | 2022-03-01     | 2022-03-05     | 4        | F
        A        | SYN0001 | 2022-04-05     | 2022-04-10     | 5        | F
        A        | SYN0001 | 2022-05-12     | 2022-05-13     | 1        | T
        A        | SYN0001 | 2022-05-20     | 2022-05-25     | 5        | F
        A        | SYN0002 | 2022-12-01     | 2022-12-05     | 4        | F
        A        | SYN0003 | 2022-06-01     | 2022-06-02     | 1        |
        B        | SYN0002 | 2022-06-01     | 2022-06-05     | 4        | F
        """,
        value=100 * 1 / 4,
        arithmetic="SYN0001：3 月 5 日后第 31 天再入院，计 1 次；4 月 10 日后第 32 天，不计；5 月 13 日后有计划，不计；5 月 25 日后没有；"
        "SYN0002 在最后 31 天内出院，SYN0003 未填计划，不入分母；1/4",
    ),
)


def _rescue(
    id: str,
    name_zh: str,
    name_en: str,
    formula: str,
    numerator: CubeExpression,
    denominator: CubeExpression,
    among: CubeExpression,
    applies_to: CubeExpression,
    note: str,
    example: Example,
) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.SAFETY,
        formula=formula,
        source=Source(title=SELECTION, clause="第 15 项", standing=Standing.POLICY),
        numerator=numerator,
        denominator=denominator,
        among=among,
        applies_to=applies_to,
        direction=Direction.HIGHER,
        distribution=Distribution.PROPORTION,
        unit="%",
        scale=100,
        decimals=1,
        note=note,
        example=example,
    )


PROXY = "代用指标：不是抢救成功率，首页没有抢救次数时用来看急危重病例的救治。"
RESCUE = _rescue(
    "rescue_success",
    "抢救成功率",
    "rescue success",
    "Σ 抢救成功次数 / Σ 抢救次数",
    col("rescued"),
    col("rescue"),
    None,
    col("rescue_n") > 0,
    "n 为抢救次数；一次住院可有多次，区间按各次独立计算。A/B/C/D 格式没有抢救次数，来源未给时不适用。",
    Example(
        discharges="""
        hospital | rescues | successful_rescues
        A        | 3       | 2
        A        | 1       | 1
        A        | 0       | 0
        A        | 2       |
        B        | 4       | 1
        """,
        value=100 * 3 / 4,
        arithmetic="(2+1)/(3+1)；成功次数未填的 1 例不计",
    ),
)
HIGH_RISK_SURVIVAL = _rescue(
    "high_risk_survival",
    "高风险组存活率（抢救代用）",
    "survival in high-risk DRGs (proxy)",
    "高风险组（4 级）存活出院人次 / 高风险组出院人次（离院方式已知）",
    col("died_n") - col("died"),
    col("died_n"),
    _graded(4),
    None,
    PROXY,
    Example(
        discharges=GRADED, value=100 * 70 / 100, policy=EXAMPLE_POLICY, arithmetic=f"{GRADES_SHOWN}；A 院 G4：70/100"
    ),
)
EMERGENCY_HEAVY_SURVIVAL = _rescue(
    "emergency_heavy_survival",
    "急诊入院且 RW≥2 病例存活率（抢救代用）",
    "survival of emergency cases with weight 2 or more (proxy)",
    "急诊入院（B11C=1）且 DRG 权重不小于 2 的存活出院人次 / 这些病例的出院人次（离院方式已知）",
    col("emergency_died_n") - col("emergency_died"),
    col("emergency_died_n"),
    col("weight") >= HEAVY,
    col("emergency_n") > 0,
    PROXY,
    Example(
        discharges="""
        hospital | drg  | cost_fen | admission_route | died
        A        | FA11 | 50000    | 1               | T
        A        | FB21 | 300000   | 1               | T
        A        | FB21 | 300000   | 1               | F
        A        | FB21 | 300000   | 1               | F
        A        | FB21 | 300000   | 2               | T
        B        | FA11 | 50000    | 1               | F
        B        | FA11 | 50000    | 1               | F
        B        | FA11 | 50000    | 1               | F
        B        | FA11 | 50000    | 1               | F
        B        | FA11 | 50000    | 1               | F
        B        | FA11 | 50000    | 1               | F
        """,
        value=100 * 2 / 3,
        arithmetic="全部 11 例均费 1409 元，FB21 权重 2.13，FA11 0.35；A 院急诊入院的 FB21 3 例，存活 2 例",
    ),
)
EMERGENCY_HEAVY = Indicator(
    id="emergency_heavy",
    name_zh="急诊入院且 RW≥2 病例数",
    name_en="emergency cases with weight 2 or more",
    domain=Domain.SAFETY,
    formula="急诊入院（B11C=1）且 DRG 权重不小于 2 的出院人次",
    source=Source(title=SELECTION, clause="第 15 项", standing=Standing.POLICY),
    numerator=col("emergency"),
    denominator=None,
    among=col("weight") >= HEAVY,
    applies_to=col("emergency_n") > 0,
    direction=Direction.NEUTRAL,
    distribution=None,
    unit="人次",
    decimals=0,
    note=PROXY + "随规模而变，只作描述。",
    example=Example(
        discharges="""
        hospital | drg  | cost_fen | admission_route
        A        | FB21 | 300000   | 1
        A        | FB21 | 300000   | 2
        A        | FA11 | 50000    | 1
        B        | FA11 | 50000    | 1
        B        | FA11 | 50000    | 1
        B        | FA11 | 50000    | 2
        B        | FA11 | 50000    | 2
        """,
        value=1,
        arithmetic="全部 7 例均费 1214.3 元，FB21 权重 2.47，FA11 0.41；A 院急诊入院的 FB21 有 1 例",
    ),
)

DECLARED = (
    MID_LOW,
    LOW,
    LOW_OR_MID_LOW,
    MORTALITY,
    MORTALITY_RATIO,
    AGAINST_ADVICE,
    COMPLICATION,
    READMISSION,
    RESCUE,
    HIGH_RISK_SURVIVAL,
    EMERGENCY_HEAVY_SURVIVAL,
    EMERGENCY_HEAVY,
)
