"""服务能力: volume and case mix."""

from __future__ import annotations

from toolkit.indicators.base import (
    Count,
    Direction,
    Distribution,
    Domain,
    Example,
    Indicator,
    Rarefied,
    Source,
    Standing,
    col,
)

SELECTION = "温州市临床重点专科建设项目遴选指标体系（温卫发〔2023〕10号附件）"
GROUPED = col("drg") != ""
HEAVY = 2.0  # RW ≥ 2: complex cases

VOLUME = Indicator(
    id="volume",
    name_zh="出院人次",
    name_en="discharges",
    domain=Domain.CAPACITY,
    formula="出院病例数",
    source=Source(title="病案首页"),
    unit="人次",
    decimals=0,
    numerator=col("n"),
    denominator=None,
    direction=Direction.NEUTRAL,
    distribution=None,
    example=Example(
        discharges="""
        hospital | drg
        A        | FA11
        A        |
        B        | FA11
        """,
        value=2,
        arithmetic="A 院 2 例（含未入组 1 例）",
    ),
)
GROUPED_SHARE = Indicator(
    id="grouped_share",
    name_zh="入组率",
    name_en="share grouped",
    domain=Domain.CAPACITY,
    formula="入组病例数 / 出院病例数 × 100%",
    source=Source(title="CHS-DRG 相关公开文献"),
    unit="%",
    scale=100,
    decimals=1,
    numerator=col("n") * GROUPED,
    denominator=col("n"),
    direction=Direction.HIGHER,
    distribution=Distribution.PROPORTION,
    note="DRG 为空、0000 或歧义组（QY）为未入组；反映病案首页质量。",
    example=Example(
        discharges="""
        hospital | drg
        A        | FA11
        A        | FB21
        A        | 0000
        A        | FQY
        A        |
        B        |
        """,
        value=100 * 2 / 5,
        arithmetic="5 例中 FA11、FB21 两例入组；0000、QY、空值未入组",
    ),
)
DRG_COUNT = Count(
    id="drg_count",
    name_zh="DRG 组数",
    name_en="DRG groups",
    domain=Domain.CAPACITY,
    formula="不少于最少例数（参数 drg_minimum_cases，默认 1 例）的不同 DRG 的个数（不含未入组）",
    source=Source(title=SELECTION, clause="第 8 项"),
    unit="组",
    of="drg",
    among=GROUPED,
    at_least="drg_minimum_cases",
    direction=Direction.HIGHER,
    note="每组最少 1 例时附区间（Colwell 2012，另一份同量样本的组数）。随病例数增多而增多，不同规模之间不可直接比较；"
    "可比的数见“DRG 组数（同例数）”。",
    example=Example(
        discharges="""
        hospital | drg
        A        | FA11
        A        | FA11
        A        | FB21
        A        |
        B        | FC31
        """,
        value=2,
        arithmetic="FA11、FB21 两组；未入组不计，B 院的 FC31 不计",
    ),
)
DRG_RAREFIED = Rarefied(
    id="drg_count_rarefied",
    name_zh="DRG 组数（同例数）",
    name_en="DRG groups at a common number of cases",
    domain=Domain.CAPACITY,
    formula="从本单元入组病例中不放回抽取共同例数 m 时，期望出现的 DRG 组数：Σ[1 − C(N−N_g, m) / C(N, m)]",
    source=Source(title="稀释法（Hurlbert 1971, doi:10.2307/1934145）；用于 DRG 组数", standing=Standing.POLICY),
    unit="组",
    of="drg",
    among=GROUPED,
    at="rarefied_at",
    direction=Direction.HIGHER,
    note="m 为参数（指标：DRG 组数的共同例数）；入组病例少于 m 的单元无值。m 等于入组例数时就是 DRG 组数。",
    example=Example(
        discharges="""
        hospital | drg
        A        | FA11
        A        | FA11
        A        | FB21
        A        |
        B        | FC31
        B        | FC31
        """,
        value=(1 - 0 / 3) + (1 - 1 / 3),
        policy={"indicators": {"rarefied_at": 2}},
        arithmetic="3 例中抽 2 例共 3 种：FA11 每种都在，FB21 在其中 2 种；1+2/3",
    ),
)
CMI = Indicator(
    id="cmi",
    name_zh="病例组合指数 CMI",
    name_en="case-mix index",
    domain=Domain.CAPACITY,
    formula="Σ(DRG 权重 × 该组例数) / Σ 该组例数，仅入组病例；权重 = 该组例均费用 / 全部入组病例例均费用",
    source=Source(title=SELECTION, clause="第 9 项"),
    numerator=col("weight") * col("n"),
    denominator=col("n"),
    squares=col("weight") ** 2 * col("n"),
    among=GROUPED,
    direction=Direction.HIGHER,
    distribution=Distribution.MEAN,
    decimals=3,
    example=Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 60000
        A        | FA11 | 60000
        A        | FB21 | 240000
        A        |      | 900000
        B        | FA11 | 60000
        B        | FB21 | 180000
        """,
        value=(2 * (60_000 / 120_000) + 1 * (210_000 / 120_000)) / 3,
        arithmetic="全部入组 5 例均费 1200 元；FA11 权重 600/1200，FB21 权重 2100/1200；(2×0.5+1×1.75)/3",
    ),
)
TOTAL_WEIGHT = Indicator(
    id="total_weight",
    name_zh="总权重",
    name_en="total weight",
    domain=Domain.CAPACITY,
    formula="Σ(DRG 权重 × 该组例数)，仅入组病例",
    source=Source(title="CHS-DRG 相关公开文献"),
    decimals=1,
    numerator=col("weight") * col("n"),
    denominator=None,
    among=GROUPED,
    direction=Direction.NEUTRAL,
    distribution=None,
    note="服务总量：例数与难度之积，随规模而变，只作描述。",
    example=Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 60000
        A        | FA11 | 60000
        A        | FB21 | 240000
        A        |      | 900000
        B        | FA11 | 60000
        B        | FB21 | 180000
        """,
        value=2 * (60_000 / 120_000) + 1 * (210_000 / 120_000),
        arithmetic="权重见 CMI 的算例；2×0.5+1×1.75",
    ),
)
HEAVY_SHARE = Indicator(
    id="heavy_share",
    name_zh="RW≥2 病例占比",
    name_en="share of cases with weight 2 or more",
    domain=Domain.CAPACITY,
    formula="DRG 权重不小于 2 的病例数 / 入组病例数（有权重）× 100%",
    source=Source(title="CHS-DRG 相关公开文献"),
    numerator=(col("n") * (col("weight") >= HEAVY)).where(col("weight").notna()),
    denominator=col("n"),
    among=GROUPED,
    direction=Direction.HIGHER,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=1,
    note="疑难病例占比；没有权重的 DRG 同时退出分子和分母。",
    example=Example(
        discharges="""
        hospital | drg  | cost_fen
        A        | FA11 | 50000
        A        | FB21 | 200000
        A        | FC31 |
        A        |      | 900000
        B        | FA11 | 50000
        B        | FA11 | 100000
        """,
        value=100 * 1 / 2,
        arithmetic="全部入组有费用 4 例均费 1000 元；FB21 权重 2000/1000=2，FA11 约 0.67；FC31 无费用，没有权重，不计",
    ),
)

DECLARED = (VOLUME, GROUPED_SHARE, DRG_COUNT, DRG_RAREFIED, CMI, TOTAL_WEIGHT, HEAVY_SHARE)
