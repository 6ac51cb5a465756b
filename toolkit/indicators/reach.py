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

DECLARED = (OUTSIDE_COUNTY, OUTSIDE_CITY, RESIDENCE_RESOLVED, TRANSFERS_IN, TRANSFERS_OUT)
