"""服务能力: volume and case mix."""

from __future__ import annotations

from toolkit.indicators.base import Count, Direction, Distribution, Domain, Example, Indicator, Source, col

SELECTION = "温州市临床重点专科建设项目遴选指标体系（温卫发〔2023〕10号附件）"
GROUPED = col("drg") != ""

VOLUME = Indicator(
    id="volume", name_zh="出院人次", name_en="discharges", domain=Domain.CAPACITY,
    formula="出院病例数", source=Source(title="病案首页"), unit="人次", decimals=0,
    numerator=col("n"), denominator=None, direction=Direction.NEUTRAL, distribution=None,
    example=Example(discharges="""
        hospital | drg
        A        | FA11
        A        |
        B        | FA11
        """, value=2, arithmetic="A 院 2 例（含未入组 1 例）"),
)  # fmt: skip
DRG_COUNT = Count(
    id="drg_count", name_zh="DRG 组数", name_en="DRG groups", domain=Domain.CAPACITY,
    formula="至少有 1 例的不同 DRG 的个数（不含未入组）", source=Source(title=SELECTION, clause="第 8 项"), unit="组",
    of="drg", among=GROUPED, direction=Direction.HIGHER,
    note="随病例数增多而增多，不同规模之间不可直接比较。",
    example=Example(discharges="""
        hospital | drg
        A        | FA11
        A        | FA11
        A        | FB21
        A        |
        B        | FC31
        """, value=2, arithmetic="FA11、FB21 两组；未入组不计，B 院的 FC31 不计"),
)  # fmt: skip
CMI = Indicator(
    id="cmi", name_zh="病例组合指数 CMI", name_en="case-mix index", domain=Domain.CAPACITY,
    formula="Σ(DRG 权重 × 该组例数) / Σ 该组例数，仅入组病例；权重 = 该组例均费用 / 全部入组病例例均费用",
    source=Source(title=SELECTION, clause="第 9 项"),
    numerator=col("weight") * col("n"), denominator=col("n"), squares=col("weight") ** 2 * col("n"), among=GROUPED,
    direction=Direction.HIGHER, distribution=Distribution.MEAN, decimals=3,
    example=Example(discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 60000
        A        | FA11 | 60000
        A        | FB21 | 240000
        A        |      | 900000
        B        | FA11 | 60000
        B        | FB21 | 180000
        """, value=(2 * (60_000 / 120_000) + 1 * (210_000 / 120_000)) / 3,
        arithmetic="全部入组 5 例均费 1200 元；FA11 权重 600/1200，FB21 权重 2100/1200；(2×0.5+1×1.75)/3"),
)  # fmt: skip

DECLARED = (VOLUME, DRG_COUNT, CMI)
