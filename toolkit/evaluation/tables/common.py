"""Columns that many tables have."""

from __future__ import annotations

from toolkit.declared import Col

HOSPITAL = Col("hospital", str, "机构", meaning="机构代码；空为不限机构")
SPECIALTY = Col("specialty", str, "专科", meaning="专科编号；空为不限专科")
INDICATOR = Col("indicator", str, "指标", meaning="指标编号，见指标手册")
BASIS = Col("basis", str, "口径", words=(("contemporaneous", "同期口径"), ("frozen", "定基口径")))
CYCLE = Col("period", str, "周期", words=(("before", "建设前"), ("after", "建设周期"), ("whole", "评价期")))
N = Col("n", int, "例数", "例")
YEAR = Col("year", int, "年", meaning="出院年份；0 为不明")
P = Col("p_value", float, "P 值", meaning="双侧，检验“没有变化”")
LOW = Col("low", float, "区间下限", meaning="按本次运行的置信水平")
HIGH = Col("high", float, "区间上限", meaning="按本次运行的置信水平")
WARNINGS = Col("warnings", str, "提示", meaning="多条以；相连；空为没有")
PROJECT_KEY = ("hospital", "specialty", "indicator")
LEVEL = Col(
    "level",
    str,
    "层级",
    words=(
        ("region", "全区域"),
        ("specialty", "专科"),
        ("hospital", "机构"),
        ("unit", "单元（机构×专科）"),
        ("peers", "同专科未立项单元"),
    ),
)
