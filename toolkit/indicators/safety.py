"""质量安全: mortality by the risk grade of the DRG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit.indicators.base import Direction, Distribution, Domain, Example, Indicator, Source, Standing, col
from toolkit.indicators.capacity import SELECTION

# Six DRGs whose ln mortalities spread over all grades; the reference is hospitals A and B together.
GRADED = """
        hospital | drg | died | cases
        A        | G0  | F    | 100
        A        | G1  | F    | 9999
        A        | G1  | T    | 1
        A        | G2  | F    | 998
        A        | G2  | T    | 2
        A        | G3  | F    | 490
        A        | G3  | T    | 10
        A        | G4  | F    | 70
        A        | G4  | T    | 30
        A        | G2  |      | 500
        B        | G2  | F    | 1000
        """
EXAMPLE_POLICY = {"risk_grades": {"minimum_cases": 30, "minimum_deaths": 0, "minimum_deaths_low": 0}}
GRADES_SHOWN = "ln 死亡率 z 值：G1 −1.25（低）、G2 −0.38（中低）、G3 0.46（中高）、G4 1.17（高）；G0 无死亡，为 0 级"


def _mortality(
    id: str, name_zh: str, name_en: str, among: Any, grades: str, clause: str, note: str, example: Example
) -> Indicator:  # fmt: skip
    return Indicator(
        id=id, name_zh=name_zh, name_en=name_en, domain=Domain.SAFETY,
        formula=f"{grades}出院死亡人次 / {grades}出院人次（离院方式已知）",
        source=Source(title=SELECTION, clause=clause, standing=Standing.POLICY),
        numerator=col("died"), denominator=col("died_n"), among=among, direction=Direction.LOWER,
        distribution=Distribution.RARE, unit="%", scale=100, decimals=3, note=note, example=example,
    )  # fmt: skip


def _graded(*grades: int) -> Any:
    """Rows of these grades; an ungraded DRG is in none."""
    return col("risk_grade").isin(_list(grades))


def _list(grades: Sequence[int]) -> list[float]:
    return [float(g) for g in grades]


MID_LOW = _mortality(
    "mid_low_risk_mortality", "中低风险组死亡率", "mid-to-low-risk mortality", _graded(2), "中低风险组（2 级）", "第 14 项",
    "“中低风险组”按字面取 2 级；1 级与 2 级合并的死亡率列于旁边。",
    Example(discharges=GRADED, value=100 * 2 / 1000, policy=EXAMPLE_POLICY,
            arithmetic=f"{GRADES_SHOWN}；A 院 G2：2/1000，离院方式未知的 500 例不计"),
)  # fmt: skip
LOW = _mortality(
    "low_risk_mortality", "低风险组死亡率", "low-risk mortality", _graded(1), "低风险组（1 级）", "第 14 项",
    "无死亡的 DRG 为 0 级，不在低风险组内。",
    Example(discharges=GRADED, value=100 * 1 / 10_000, policy=EXAMPLE_POLICY, arithmetic=f"{GRADES_SHOWN}；A 院 G1：1/10000"),
)  # fmt: skip
LOW_OR_MID_LOW = _mortality(
    "low_or_mid_low_risk_mortality", "低与中低风险组死亡率", "low- or mid-to-low-risk mortality", _graded(1, 2),
    "低与中低风险组（1、2 级）", "第 14 项", "1 级与 2 级合并：指标原文含义不明确时的另一读法。",
    Example(discharges=GRADED, value=100 * 3 / 11_000, policy=EXAMPLE_POLICY, arithmetic=f"{GRADES_SHOWN}；(1+2)/(10000+1000)"),
)  # fmt: skip
MORTALITY = _mortality(
    "mortality", "住院死亡率", "in-hospital mortality", None, "", "",
    "未按病种校正，只作描述。",
    Example(discharges="""
        hospital | died
        A        | T
        A        | F
        A        | F
        A        | F
        A        |
        B        | T
        """, value=100 * 1 / 4, arithmetic="1/4；离院方式未知的 1 例不计"),
)  # fmt: skip

DECLARED = (MID_LOW, LOW, LOW_OR_MID_LOW, MORTALITY)
