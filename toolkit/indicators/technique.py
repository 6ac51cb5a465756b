"""技术水平: operations by level, and minimally invasive ones."""

from __future__ import annotations

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
from toolkit.indicators.capacity import SELECTION

LEVELS_FROM = (
    "级别来自运行所给的手术分级目录（按出院年份；定基口径固定为建设前的目录），无目录时为医院填报（C17x01、C38xNN），"
    "报告注明用的是哪一种；每次出院只计一次。什么是手术由手术操作类别字典决定（手术、介入治疗），没有字典时以医院填报为准；"
    "手术级别可认定率低于下限（参数）的单元不适用。"
)
LISTED = (
    "微创手术由运行所给的微创手术目录认定（按出院年份；定基口径固定为建设前的目录）；没有目录且来源无此字段时不适用。"
)
COUNTY = "县"
LEVEL_KNOWN = Indicator(
    id="level_known_share",
    name_zh="手术级别可认定率",
    name_en="share of operations known by their level",
    domain=Domain.TECHNIQUE,
    formula="认定为手术且级别已知的出院人次 / 应有手术级别的出院人次；外科为主的专科",
    source=Source(title="数据质量说明", standing=Standing.POLICY),
    numerator=col("level_known"),
    denominator=col("level_known_n"),
    applies_to=col("surgical_specialty") & (col("level_known_n") > 0),
    direction=Direction.NEUTRAL,
    distribution=Distribution.PROPORTION,
    unit="%",
    scale=100,
    decimals=1,
    note="手术类占比的可信程度：有类别字典时，应有级别的是手术和介入治疗；没有时是编码在 00–86 章（参数）或填了级别的操作。"
    "手术级别不填或只填高级别时，占比被抬高。",
    example=Example(
        discharges="""
        hospital | surgical | surgery_level
        A        | T        | 4
        A        | T        | 2
        A        | T        |
        A        | F        |
        B        | T        | 4
        """,
        value=100 * 2 / 3,
        arithmetic="3 例手术中 2 例级别已填；无手术的出院不计",
    ),
)


def _share(
    id: str, name_zh: str, name_en: str, measure: str, levels: str, applies_to: CubeExpression, example: Example
) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=Domain.TECHNIQUE,
        formula=f"含{levels}手术的出院人次 / 有手术（含介入治疗，级别已知）的出院人次；外科为主的专科",
        source=Source(title=SELECTION, clause="第 10 项", standing=Standing.POLICY),
        numerator=col(measure),
        denominator=col(f"{measure}_n"),
        applies_to=applies_to,
        direction=Direction.HIGHER,
        distribution=Distribution.PROPORTION,
        complete_by=LEVEL_KNOWN.id,
        unit="%",
        scale=100,
        decimals=1,
        note=LEVELS_FROM,
        example=example,
    )


LEVEL4 = _share(
    "level4_share",
    "四级手术占比",
    "level-4 surgery share",
    "level4",
    "四级",
    col("surgical_specialty") & (col("tier") != COUNTY),
    Example(
        discharges="""
        hospital | surgical | surgery_level
        A        | T        | 4
        A        | T        | 4
        A        | T        | 3
        A        | T        |
        A        | F        |
        B        | T        | 4
        """,
        value=100 * 2 / 3,
        arithmetic="2/3；级别未填的手术和无手术的出院不计",
    ),
)
LEVEL34 = _share(
    "level34_share",
    "三四级手术占比（县级医院）",
    "level-3-and-4 surgery share",
    "level34",
    "三级或四级",
    col("surgical_specialty") & (col("tier") == COUNTY) & (col("level34_n") > 0),
    Example(
        discharges="""
        hospital | tier | surgical | surgery_level
        A        | 县   | T        | 4
        A        | 县   | T        | 3
        A        | 县   | T        | 2
        A        | 县   | T        | 1
        A        | 县   | F        |
        B        | 市   | T        | 4
        """,
        value=100 * 2 / 4,
        arithmetic="(1+1)/4；B 院为市级，不用此指标",
    ),
)
MINIMALLY_INVASIVE = Indicator(
    id="minimally_invasive_share",
    name_zh="微创手术占比",
    name_en="minimally invasive surgery share",
    domain=Domain.TECHNIQUE,
    formula="含微创手术的出院人次 / 有手术（含介入治疗）的出院人次；外科为主的专科",
    source=Source(title=SELECTION, clause="第 11 项", standing=Standing.POLICY),
    numerator=col("minimal"),
    denominator=col("minimal_n"),
    applies_to=col("surgical_specialty") & (col("minimal_n") > 0),
    direction=Direction.HIGHER,
    distribution=Distribution.PROPORTION,
    complete_by=LEVEL_KNOWN.id,
    unit="%",
    scale=100,
    decimals=1,
    note=LISTED,
    example=Example(
        discharges="""
        hospital | surgical | minimally_invasive
        A        | T        | T
        A        | T        | F
        A        | T        | F
        A        | T        |
        A        | F        | F
        B        | T        | T
        """,
        value=100 * 1 / 3,
        arithmetic="1/3；未认定的手术和无手术的出院不计",
    ),
)


def _technique(id: str, name_zh: str, name_en: str) -> Indicator:
    return Indicator(
        id=f"{id}_share",
        name_zh=f"{name_zh}技术占比",
        name_en=f"share of discharges with {name_en}",
        domain=Domain.TECHNIQUE,
        formula=f"含{name_zh}技术的出院人次 / 出院人次",
        source=Source(title="县域内镜、介入、穿刺等技术推广（政策文件所提，无公式）", standing=Standing.POLICY),
        numerator=col(id),
        denominator=col(f"{id}_n"),
        applies_to=col(f"{id}_n") > 0,
        direction=Direction.NEUTRAL,
        distribution=Distribution.PROPORTION,
        unit="%",
        scale=100,
        decimals=1,
        note="由运行所给的技术目录认定（按出院年份；定基口径固定为建设前的目录）；没有该技术的目录时不适用。",
        example=Example(
            discharges=f"""
            hospital | {id}
            A        | T
            A        | F
            A        | F
            A        |
            B        | T
            """,
            value=100 * 1 / 3,
            arithmetic="1/3；没有目录的出院不计",
        ),
    )


DAY_SURGERY = Indicator(
    id="day_surgery_share",
    name_zh="日间手术占择期手术比例",
    name_en="day surgery share of elective surgery",
    domain=Domain.TECHNIQUE,
    formula="住院不超过规定天数的择期手术出院人次 / 择期手术出院人次（住院天数已知）；外科为主的专科",
    source=Source(title="日间医疗服务（政策文件所提，无公式）", standing=Standing.POLICY),
    numerator=col("day_surgery"),
    denominator=col("day_surgery_n"),
    applies_to=col("surgical_specialty") & (col("day_surgery_n") > 0),
    direction=Direction.HIGHER,
    distribution=Distribution.PROPORTION,
    complete_by=LEVEL_KNOWN.id,
    unit="%",
    scale=100,
    decimals=1,
    note="病案首页没有日间手术标记，由住院天数（默认当日或次日出院）和入院途径认定，是代理指标；技术目录有“日间”时限于目录内的手术。",
    example=Example(
        discharges="""
        hospital | surgical | surgery_level | los_days | admission_route
        A        | T        | 2             | 1        | 2
        A        | T        | 2             | 2        | 2
        A        | T        | 2             | 1        | 1
        A        | T        | 2             |          | 2
        A        | F        |               | 1        | 2
        B        | T        | 2             | 1        | 2
        """,
        value=100 * 1 / 2,
        arithmetic="1/2；急诊入院、住院天数不明和无手术的出院不计",
    ),
)
INTERVENTIONAL = _technique("interventional", "介入", "interventional techniques")
ENDOSCOPIC = _technique("endoscopic", "内镜", "endoscopic techniques")
PUNCTURE = _technique("puncture", "穿刺", "puncture techniques")

DECLARED = (LEVEL_KNOWN, LEVEL4, LEVEL34, MINIMALLY_INVASIVE, DAY_SURGERY, INTERVENTIONAL, ENDOSCOPIC, PUNCTURE)
