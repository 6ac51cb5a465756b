"""辐射能力: patients from outside, and transfers."""

from __future__ import annotations

from toolkit.indicators.base import Direction, Distribution, Domain, Example, Indicator, Source, Standing, col
from toolkit.indicators.capacity import SELECTION

RESOLVED = (
    "现住址取自行政区划代码列，没有时由现住址文字（A26）对照区划表解析；不能定位的不计入，也从不当作本地，"
    "所占比例见“现住址可定位比例”。"
)


def _outside(id: str, name_zh: str, name_en: str, measure: str, place: str, example: Example) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.REACH,
        formula=f"现住址在医疗机构所在{place}以外的出院人次 / 现住址可定位的出院人次",
        source=Source(title=SELECTION, clause="第 22 项", standing=Standing.POLICY),
        numerator=col(measure),
        denominator=col(f"{measure}_n"),
        applies_to=col("residence_n") > 0,
        direction=Direction.HIGHER,
        distribution=Distribution.PROPORTION,
        unit="%",
        scale=100,
        decimals=1,
        note=RESOLVED,
        example=example,
    )


HOMES = """
        hospital | county | residence
        A        | 990102 | 990102
        A        | 990102 | 990103
        A        | 990102 | 990103
        A        | 990102 | 980101
        A        | 990102 |
        B        | 990103 | 990103
        """
OUTSIDE_COUNTY = _outside(
    "outside_county_share",
    "县外患者比例",
    "share of patients from outside the county",
    "outside_county",
    "县（市、区）",
    Example(
        discharges=HOMES, value=100 * 3 / 4, arithmetic="可定位 4 例，其中 3 例住在 990102 以外；不能定位的 1 例不计"
    ),
)
OUTSIDE_CITY = _outside(
    "outside_city_share",
    "市外患者比例",
    "share of patients from outside the city",
    "outside_city",
    "市",
    Example(discharges=HOMES, value=100 * 1 / 4, arithmetic="可定位 4 例，其中 1 例住在 9901 市以外"),
)
# of a county hospital, and of one below it, who comes from another county; of the others who comes from another city
OF_COUNTY = col("tier").isin(["县", "基层"])
OUTSIDE = Indicator(
    id="outside_share",
    name_zh="县外（市外）患者比例",
    name_en="share of patients from outside the hospital's own area",
    domain=Domain.REACH,
    formula="县级及以下医疗机构：县（市、区）外患者比例；市级及以上：市外患者比例；由名录的层级（tier）决定",
    source=Source(title=SELECTION, clause="第 22 项", standing=Standing.POLICY),
    numerator=col("outside_county").where(OF_COUNTY, col("outside_city")),
    denominator=col("outside_county_n").where(OF_COUNTY, col("outside_city_n")),
    applies_to=col("residence_n") > 0,
    direction=Direction.HIGHER,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=1,
    note="遴选第 22 项所指的数；县外、市外两项另列。层级未填的机构按市级。" + RESOLVED,
    example=Example(
        discharges="""
        hospital | tier | county | residence
        A        | 县   | 990102 | 990102
        A        | 县   | 990102 | 990103
        A        | 县   | 990102 | 980101
        A        | 县   | 990102 |
        B        | 市   | 990103 | 990102
        """,
        value=100 * 2 / 3,
        arithmetic="A 院为县级，看县外：可定位 3 例，2 例住在 990102 以外；若为市级则看市外，为 1/3",
    ),
)
RESIDENCE_RESOLVED = Indicator(
    id="residence_resolved_share",
    name_zh="现住址可定位比例",
    name_en="share of residences resolved",
    domain=Domain.REACH,
    formula="现住址可定位的出院人次 / 出院人次",
    source=Source(title="数据质量说明", standing=Standing.POLICY),
    numerator=col("residence"),
    denominator=col("residence_n"),
    applies_to=col("residence_n") > 0,
    direction=Direction.NEUTRAL,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=1,
    note="县外、市外比例的可信程度；比例低时外地患者可能被漏计。",
    example=Example(discharges=HOMES, value=100 * 4 / 5, arithmetic="5 例中 4 例可定位"),
)


def _transfers(
    id: str, name_zh: str, name_en: str, measure: str, formula: str, field: str, example: Example
) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.REACH,
        formula=formula,
        source=Source(title=SELECTION, clause=f"第 23 项；病案首页 {field}", standing=Standing.POLICY),
        numerator=col(measure),
        denominator=None,
        among=col(f"{measure}_n") > 0,
        applies_to=col(f"{measure}_n") > 0,
        direction=Direction.NEUTRAL,
        distribution=None,
        unit="人次",
        decimals=0,
        note="病案首页不区分上级与下级，须与佐证材料对照；随规模而变，只作描述。",
        example=example,
    )


TRANSFERS_IN = _transfers(
    "transfers_in",
    "转入人次",
    "transfers in",
    "transferred_in",
    "入院途径为其他医疗机构转入（B11C=3）的出院人次",
    "B11C",
    Example(
        discharges="""
        hospital | admission_route
        A        | 3
        A        | 3
        A        | 1
        A        |
        B        | 3
        """,
        value=2,
        arithmetic="A 院 2 例转入",
    ),
)
TRANSFERS_OUT = _transfers(
    "transfers_out",
    "转出人次",
    "transfers out",
    "transferred_out",
    "离院方式为医嘱转院或转社区、乡镇卫生院（B34C=2、3）的出院人次",
    "B34C",
    Example(
        discharges="""
        hospital | exit_mode
        A        | 2
        A        | 3
        A        | 1
        A        | 4
        B        | 2
        """,
        value=2,
        arithmetic="A 院医嘱转院 1 例、转社区 1 例；非医嘱离院不计",
    ),
)


def _severe(all_of_them: Indicator, name_zh: str, name_en: str, measure: str, example: Example) -> Indicator:
    return Indicator(
        id=f"{all_of_them.id}_severe",
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.REACH,
        formula=f"{all_of_them.formula}，其中 DRG 权重或死亡风险分级不低于下限（参数 severe_weight、severe_grade）的",
        source=Source(title=SELECTION, clause="第 23 项", standing=Standing.POLICY),
        numerator=col(measure) * col("severe"),
        denominator=None,
        among=(col(f"{measure}_n") > 0) & col("severe").notna(),
        applies_to=col(f"{measure}_n") > 0,
        direction=Direction.NEUTRAL,
        distribution=None,
        unit="人次",
        decimals=0,
        note="急危重症和疑难病例由 DRG 认定，是政策选择；既无权重又无分级的 DRG 不计。全部转诊另列。",
        example=example,
    )


TRANSFERS_IN_SEVERE = _severe(
    TRANSFERS_IN,
    "急危重、疑难转入人次",
    "severe transfers in",
    "transferred_in",
    Example(
        discharges="""
        hospital | drg  | cost_fen | admission_route | cases
        A        | FA11 | 50000    | 3               | 1
        A        | FB21 | 200000   | 3               | 1
        A        | FB21 | 200000   | 2               | 1
        A        |      | 900000   | 3               | 1
        B        | FA11 | 50000    | 3               | 4
        """,
        value=1,
        arithmetic="入组 7 例均费 (5×500+2×2000)/7=928.57 元；FB21 权重 2000/928.57=2.15≥2，FA11 0.54；转入的 FB21 1 例",
    ),
)
TRANSFERS_OUT_SEVERE = _severe(
    TRANSFERS_OUT,
    "急危重、疑难转出人次",
    "severe transfers out",
    "transferred_out",
    Example(
        discharges="""
        hospital | drg  | cost_fen | exit_mode | cases
        A        | FA11 | 50000    | 2         | 1
        A        | FB21 | 200000   | 2         | 1
        A        | FB21 | 200000   | 1         | 1
        B        | FA11 | 50000    | 1         | 4
        """,
        value=1,
        arithmetic="权重同急危重、疑难转入人次的算例；医嘱转院的 FB21 1 例",
    ),
)

DECLARED = (
    OUTSIDE,
    OUTSIDE_COUNTY,
    OUTSIDE_CITY,
    RESIDENCE_RESOLVED,
    TRANSFERS_IN,
    TRANSFERS_OUT,
    TRANSFERS_IN_SEVERE,
    TRANSFERS_OUT_SEVERE,
)
