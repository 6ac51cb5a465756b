"""Tables of the methods of change and of what other choices would have given."""

from __future__ import annotations

from toolkit.declared import Col, TableDecl
from toolkit.evaluation.robustness import CHOICES
from toolkit.evaluation.tables.common import (
    HIGH,
    HOSPITAL,
    INDICATOR,
    LEVEL,
    LOW,
    PROJECT_KEY,
    SPECIALTY,
    WARNINGS,
    N,
    P,
)
from toolkit.evaluation.tables.judged import CHANGE_COLUMNS, STEP_COLUMNS, VERDICT
from toolkit.models.change.multiplicity import Role
from toolkit.models.change.segmented import GRAINS_ZH

_PROJECT = (HOSPITAL, SPECIALTY, INDICATOR)
_COMPARISON = Col("comparison", str, "对照机构", meaning="同专科对照单元的机构代码")
_ESTIMATE = Col("estimate", float, "估计", meaning="比值")

SPECIFICATIONS = TableDecl(
    name="specifications",
    zh="稳健性试算",
    one_row="a project, primary indicator and combination of policy choices",
    one_row_zh="一个项目、一项主要指标与一组选择",
    key=(*PROJECT_KEY, "specification"),
    columns=(
        *_PROJECT,
        Col("specification", int, "组合号"),
        *(Col(name, str, zh, meaning="空为与方法无关") for name, zh in CHOICES.items()),
        _ESTIMATE,
        LOW,
        HIGH,
        P,
        VERDICT,
        WARNINGS,
    ),
    stage="judged",
)
EFFECTS = TableDecl(
    name="effects",
    zh="各变化方法的估计",
    one_row="a project (or all projects together), indicator and method of change",
    one_row_zh="一个项目（或全部项目合计）、一项指标与一个变化方法",
    key=("level", *PROJECT_KEY, "method"),
    columns=(
        LEVEL,
        *_PROJECT,
        *CHANGE_COLUMNS,
        *STEP_COLUMNS,
        Col(
            "smallest_fall",
            float,
            "可检出的最小下降",
            meaning="这一检验以 monitoring.power 能显示的比值；仅对照校正比值",
        ),
        Col("smallest_rise", float, "可检出的最小上升", meaning="同上"),
        Col("role", str, "主次", words=Role.words()),
        Col("p_adjusted", float, "校正 P 值"),
        Col("pretrend_f", float, "平行趋势 F", meaning="仅事件研究"),
        Col("pretrend_df", float, "平行趋势自由度", meaning="仅事件研究"),
        Col("pretrend_p", float, "平行趋势 P", meaning="仅事件研究"),
    ),
    stage="judged",
)
EVENT_STUDY = TableDecl(
    name="event_study",
    zh="事件研究",
    one_row="a project (or all projects together), indicator and year relative to the start",
    one_row_zh="一个项目（或全部项目合计）、一项指标与一个相对年",
    key=("level", *PROJECT_KEY, "relative_year"),
    columns=(
        LEVEL,
        *_PROJECT,
        Col("relative_year", int, "相对年", "年", "立项年为 0"),
        Col("year", int, "年", meaning="全部项目合计且立项年不同时为 0"),
        _ESTIMATE,
        LOW,
        HIGH,
        P,
        Col("std_error", float, "标准误", meaning="估计值自然对数的标准误"),
        N,
        Col("n_projects", int, "项目数", "个"),
        Col("n_comparison", int, "对照单元数", "个"),
    ),
    stage="judged",
)
COMPARISON_UNITS = TableDecl(
    name="comparison_units",
    zh="对照单元",
    one_row="a project, indicator and comparison unit",
    one_row_zh="一个项目、一项指标与一个对照单元",
    key=(*PROJECT_KEY, "comparison"),
    columns=(*_PROJECT, _COMPARISON),
    stage="judged",
)
REGRESSION_TO_MEAN = TableDecl(
    name="regression_to_mean",
    zh="向均值回归的预期变化",
    one_row="a project and indicator",
    one_row_zh="一个项目与一项指标",
    key=PROJECT_KEY,
    columns=(
        *_PROJECT,
        Col("observed", float, "实际变化", meaning="比值"),
        Col("deviation", float, "建设前偏离", meaning="与对照均值之比"),
        Col("unreliability", float, "基线不可靠度", meaning="建设前偏离中属于机遇的份额，0–1"),
        Col("common", float, "共同变化", meaning="对照单元的变化，比值"),
        Col("expected", float, "预期变化", meaning="没有项目时，比值"),
        Col("expected_low", float, "预期下限", meaning="没有作用时实际变化应在其内，按置信水平"),
        Col("expected_high", float, "预期上限"),
        Col("n_regression", int, "回归所用单元数", "个"),
        WARNINGS,
    ),
    stage="judged",
)
PLACEBOS = TableDecl(
    name="placebos",
    zh="未立项单元逐一当作项目",
    one_row="a unit without project judged as if it were the only one, an indicator and a starting year",
    one_row_zh="一个当作项目评价的未立项单元、一项指标与一个立项年",
    key=(*PROJECT_KEY, "start"),
    columns=(
        *_PROJECT,
        Col("start", int, "立项年", "年"),
        Col("n_before", int, "建设前例数", "例"),
        Col("n_after", int, "建设后例数", "例"),
        _ESTIMATE,
        LOW,
        HIGH,
        P,
        VERDICT,
    ),
    stage="judged",
)
SYNTHETIC_WEIGHTS = TableDecl(
    name="synthetic_weights",
    zh="合成对照的权重",
    one_row="a project, indicator and comparison unit of its synthetic control",
    one_row_zh="一个项目、一项指标与合成对照中的一个单元",
    key=(*PROJECT_KEY, "comparison"),
    columns=(*_PROJECT, _COMPARISON, Col("weight", float, "权重", meaning="0–1，合计 1")),
    stage="judged",
)
SEGMENTS = TableDecl(
    name="segments",
    zh="分段回归的项",
    one_row="a project, indicator and term of its segmented regression",
    one_row_zh="一个项目、一项指标与分段回归的一项",
    key=(*PROJECT_KEY, "term"),
    columns=(
        *_PROJECT,
        Col("term", str, "项", meaning="slope_before 前斜率、level 水平、slope_change 斜率变化、shock: 外部事件"),
        _ESTIMATE,
        LOW,
        HIGH,
        P,
        Col("grain", str, "时间单位", words=tuple(GRAINS_ZH.items())),
        Col("points", int, "点数", "个"),
    ),
    stage="judged",
)

CHANGE: tuple[TableDecl, ...] = (
    SPECIFICATIONS,
    EFFECTS,
    EVENT_STUDY,
    COMPARISON_UNITS,
    REGRESSION_TO_MEAN,
    PLACEBOS,
    SYNTHETIC_WEIGHTS,
    SEGMENTS,
)
