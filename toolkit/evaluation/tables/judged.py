"""Tables of values and verdicts: units, cells, changes, grades, diseases."""

from __future__ import annotations

from toolkit.declared import Col, TableDecl
from toolkit.evaluation.breaks import ASPECTS
from toolkit.evaluation.ladder import RUNGS
from toolkit.evaluation.reasons import SIGNS
from toolkit.evaluation.robustness import CHOICES
from toolkit.evaluation.tables.common import (
    BASIS,
    CYCLE,
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
from toolkit.evaluation.verdict import Verdict
from toolkit.indicators.base import Status
from toolkit.models.change.base import Obstacle
from toolkit.models.decomposition import PARTS

_PERIOD = Col("period", str, "期间", meaning="年份，或周期：before 建设前、after 建设周期、whole 评价期")
# the columns of `toolkit.indicators.table`
VALUES = (
    Col("n", int, "例数", "例", "数值所依据的出院病例"),
    Col("x", float, "分子", meaning="两个合计之一，按比值的尺度"),
    Col("y", float, "分母", meaning="两个合计之一，按比值的尺度"),
    Col("xx", float, "分子平方和", meaning="区间不需要时缺"),
    Col("value", float, "数值", "随指标", "没有数值时缺，原因见状态"),
    Col("se", float, "标准误", "随指标"),
    LOW,
    HIGH,
    Col("covered", float, "参照覆盖", meaning="有参照的病例所占份额，0–1"),
    Col("own_share", float, "自身份额", meaning="单元自身在其参照中的平均份额，0–1"),
    Col("status", str, "状态", words=Status.words()),
    Col("xy", float, "分子分母积和"),
    Col("yy", float, "分母平方和"),
    Col("all_y", float, "全部分母", meaning="含没有参照的病例"),
    Col("own_y", float, "自身分母"),
    Col("rows", float, "汇总行数"),
)
# the columns of `toolkit.models.change.Change`
CHANGE_COLUMNS = (
    Col("method", str, "方法", meaning="变化方法的编号"),
    Col("measure", str, "量", words=(("ratio", "比值"),), meaning="后值与前值（或与没有项目时的期望值）之比"),
    Col("estimate", float, "估计"),
    LOW,
    HIGH,
    P,
    Col("n_before", int, "建设前例数", "例"),
    Col("n_after", int, "建设后例数", "例"),
    Col("n_clusters", int, "聚类数", meaning="误差所允许的组数；单元自身的方法为 1"),
    Col("std_error", float, "标准误", meaning="估计值自然对数的标准误；区间不由它得出时缺"),
    Col("n_comparison", int, "对照单元数", "个"),
    Col("inference", str, "推断", meaning="误差与 P 值的得法"),
    WARNINGS,
    Col("obstacle", str, "无区间的原因", words=tuple((o.value, o.zh) for o in Obstacle), meaning="有区间时空"),
)
# the columns of `toolkit.models.change.base.Estimate` beside those
STEP_COLUMNS = (
    Col("step_own", float, "自身前后比", meaning="第一步；没有分步的方法缺"),
    Col("step_comparison", float, "除以对照", meaning="第二步：自身前后比除以对照单元的前后比"),
    Col("baseline_decides", bool, "基线一步决定", meaning="只因第三步（扣除基线回落）区间才不含无变化"),
)
_VERDICTS = tuple((v.value, v.zh) for v in Verdict)
VERDICT = Col("verdict", str, "判定", words=_VERDICTS)
_BEFORE = Col("before", float, "建设前数值", "随指标")
_AFTER = Col("after", float, "建设后数值", "随指标")

UNITS = TableDecl(
    name="units",
    zh="评价单元",
    one_row="an evaluation unit: a hospital's specialty with discharges, or with a project",
    one_row_zh="一个评价单元：一家机构的一个专科（有病例或有项目）",
    key=("hospital", "specialty"),
    columns=(
        HOSPITAL,
        SPECIALTY,
        Col("n_*", int, "各周期例数", "例", "每个周期一列，如 n_before、n_after"),
        Col("eligible", bool, "例数足够", meaning="每个周期都达到最少例数"),
        Col("project", str, "项目级别", meaning="空为没有项目"),
        Col("id", str, "报告编号"),
    ),
    stage="judged",
    release="units",
    crate=True,
)
CELLS = TableDecl(
    name="cells",
    zh="指标值",
    one_row="a group (region, specialty, hospital, unit, peers), period, indicator and basis",
    one_row_zh="一组（全区域、专科、机构、单元、同专科未立项单元）、期间、指标与口径",
    key=("level", "hospital", "specialty", "period", "indicator", "basis"),
    columns=(LEVEL, HOSPITAL, SPECIALTY, _PERIOD, INDICATOR, BASIS, *VALUES),
    stage="judged",
    release="cells",
    crate=True,
)
CHANGES = TableDecl(
    name="changes",
    zh="变化与判定",
    one_row="a unit, or the peers of a specialty, and an indicator",
    one_row_zh="一个单元（或一个专科的未立项单元合计）与一项指标",
    key=("level", *PROJECT_KEY),
    columns=(
        LEVEL,
        HOSPITAL,
        SPECIALTY,
        INDICATOR,
        *CHANGE_COLUMNS,
        _BEFORE,
        _AFTER,
        Col("judged_by", str, "判定方法", meaning="判定所依据的变化方法"),
        Col("judged_estimate", float, "判定所据估计"),
        Col("judged_low", float, "判定所据下限"),
        Col("judged_high", float, "判定所据上限"),
        Col("judged_p_value", float, "判定所据 P 值"),
        Col("judged_n_before", int, "判定所据建设前例数", "例"),
        Col("judged_n_after", int, "判定所据建设后例数", "例"),
        Col("judged_warnings", str, "判定所据提示"),
        Col("judged_step_own", float, "判定所据自身前后比", meaning="分步之一；未立项单元与没有分步的方法缺"),
        Col("judged_step_comparison", float, "判定所据除以对照", meaning="分步之二"),
        Col("judged_obstacle", str, "判定方法无区间的原因", words=tuple((o.value, o.zh) for o in Obstacle)),
        Col("p_adjusted", float, "校正 P 值", meaning="按同时检验的指标数校正"),
        Col(
            "p_family",
            float,
            "全部项目校正 P 值",
            meaning="按全部项目的主要指标校正，方法为 change.multiplicity；不校正时缺",
        ),
        VERDICT,
        Col("reason", str, "理由", meaning="判定规则表中的理由代码"),
        Col("reason_zh", str, "理由的说法"),
        Col("p_improvement", float, "改善的把握", meaning="真实变化是改善的概率，0–1；没有区间或不评优劣时缺"),
        Col("p_meaningful", float, "有意义改善的把握", meaning="真实变化不小于最小有意义变化的改善的概率，0–1"),
        Col("share", float, "一致份额", meaning="不同的答案中判定相同的份额，0–1；没有能判定的组合时缺"),
        Col("boundary", bool, "临界", meaning="其他选择会改变判定"),
        Col("answers", int, "不同答案数", "个", "能判定的组合中数值不同的个数"),
        Col("says_*", int, "各判定的答案数", "个", "如 says_improved：不同的答案中判为改善的个数"),
        Col("moved_by", str, "影响最大的选择", words=tuple(CHOICES.items()), meaning="没有变动时空"),
        Col("moved_share", float, "该选择解释的份额", meaning="占各组合估计值（对数）方差的份额，0–1"),
        Col("robust", bool, "稳健", meaning="不同的答案多于两个，且一致份额达到声明的下限"),
    ),
    stage="judged",
    release="changes",
    crate=True,
)
GRADES = TableDecl(
    name="grades",
    zh="DRG 死亡风险分级",
    one_row="a basis, window of the reference and DRG",
    one_row_zh="一个口径、参照期与 DRG",
    key=("basis", "window", "drg"),
    columns=(
        Col("window", str, "参照期"),
        Col("drg", str, "DRG"),
        N,
        Col("died", int, "死亡", "例"),
        Col("rate", float, "死亡率", meaning="死亡/例数，0–1"),
        Col("ln_rate", float, "死亡率对数", meaning="分级所用死亡率的自然对数"),
        Col("z", float, "标准分"),
        Col("grade", int, "分级", meaning="0 无死亡，1 低，2 中低，3 中高，4 高风险；例数不足时缺"),
        BASIS,
        Col("p_grade", float, "本级概率", optional=True, meaning="分级由表给定时没有"),
        Col("p*", float, "各级概率", optional=True, meaning="p0–p4；分级由表给定时没有"),
        Col("otherwise*", int, "其他选择下的分级", optional=True, meaning="分级由表给定时没有"),
        Col("groups", int, "合并的 DRG 数", "个", optional=True, meaning="仅发布版"),
    ),
    stage="judged",
    release="grades",
    crate=True,
)
GRADE_STABILITY = TableDecl(
    name="grade_stability",
    zh="死亡风险分级的稳定性",
    one_row="a group (region, specialty, hospital, unit), period, basis and rate by grade (empty: all graded cases)",
    one_row_zh="一组（全区域、专科、机构、单元）、期间、口径与按级死亡率（空为全部分级病例）",
    key=("level", "hospital", "specialty", "period", "basis", "indicator"),
    columns=(
        LEVEL,
        HOSPITAL,
        SPECIALTY,
        _PERIOD,
        BASIS,
        INDICATOR,
        Col("n", int, "所计病例", "例", "该率所计各级中离院方式已知的病例"),
        Col("stable", int, "分级稳定的病例", "例", "所在 DRG 重抽死亡时多半仍得同一级"),
        Col("share", float, "稳定占比", meaning="0–1"),
        Col("enough", bool, "足够", meaning="不低于 risk_grades.minimum_stable；否则单元不给按级死亡率"),
    ),
    stage="judged",
)
HOLDS = TableDecl(
    name="holds",
    zh="暂缓判定",
    one_row="a unit, indicator (empty: all) and reason",
    one_row_zh="一个单元、指标（空为全部）与理由",
    key=("hospital", "specialty", "indicator", "reason"),
    columns=(HOSPITAL, SPECIALTY, INDICATOR, VERDICT, Col("reason", str, "理由代码"), Col("reason_zh", str, "理由")),
    stage="judged",
)
BREAKS = TableDecl(
    name="breaks",
    zh="数据断点",
    one_row="a unit, aspect and year from which its numbers are others",
    one_row_zh="一个单元、方面与断点后的第一年",
    key=("hospital", "specialty", "aspect", "year"),
    columns=(
        HOSPITAL,
        SPECIALTY,
        Col("aspect", str, "方面", words=tuple(ASPECTS.items())),
        Col("year", int, "断点后第一年"),
        Col("point", str, "断点后第一个月（季）", meaning="只有项目且数据有月份时知道；空为不知"),
        Col("before", float, "前一年的值"),
        Col("after", float, "后一年的值"),
        Col("others", float, "其余单元的变化", meaning="同一步的中位数：比值；入组率与 DRG 构成为差"),
        Col("deviations", float, "离其余单元的倍数", meaning="其余单元变化的稳健标准差"),
        Col("n_before", int, "前一年例数", "例"),
        Col("n_after", int, "后一年例数", "例"),
        Col("statement", str, "说明", meaning="breaks.explained 中登记的；空为未说明，判定暂缓"),
    ),
    stage="judged",
)
_EFFECT = "两种次序的平均；各 DRG 之和为指数的变化"
DECOMPOSITION = TableDecl(
    name="decomposition",
    zh="变化的分解",
    one_row="a project, index and DRG (of CMI: ADRG)",
    one_row_zh="一个项目、指数与 DRG（CMI 为 ADRG）",
    key=(*PROJECT_KEY, "drg"),
    columns=(
        HOSPITAL,
        SPECIALTY,
        INDICATOR,
        Col("drg", str, "DRG", meaning="CMI 为 ADRG，即编码前三位"),
        Col("part", str, "类别", words=tuple(PARTS.items())),
        Col("n_before", float, "建设前例数", "例"),
        Col("n_after", float, "建设后例数", "例"),
        Col("share_before", float, "建设前占比", meaning="0–1"),
        Col("share_after", float, "建设后占比", meaning="0–1"),
        Col("value_before", float, "建设前的值", meaning="该组病例的均值；没有病例时缺"),
        Col("value_after", float, "建设后的值", meaning="该组病例的均值；没有病例时缺"),
        Col("level", float, "对水平的贡献", meaning="各组之和为建设后的指数减 1"),
        Col("mix", float, "病种结构", meaning=_EFFECT),
        Col("practice", float, "组内", meaning=_EFFECT + "；CMI 为 ADRG 之内的轻重"),
        Col("mix_first", float, "结构（先）"),
        Col("practice_second", float, "组内（后）"),
        Col("practice_first", float, "组内（先）"),
        Col("mix_second", float, "结构（后）"),
        Col("mix_se", float, "结构的标准误", meaning="抽取病例的误差"),
        Col("practice_se", float, "组内的标准误", meaning="抽取病例的误差；没有一组有两例时缺"),
    ),
    stage="judged",
)
CODING_DEPTH = TableDecl(
    name="coding_depth",
    zh="编码深度",
    one_row="a project or the other units of its specialty, cycle and sign of coding",
    one_row_zh="一个项目或其专科的未立项单元、周期与编码迹象",
    key=("level", "hospital", "specialty", "period", "sign"),
    columns=(
        LEVEL,
        HOSPITAL,
        SPECIALTY,
        CYCLE,
        Col("sign", str, "迹象", words=tuple((id_, zh) for id_, (zh, _) in SIGNS.items())),
        Col("count", int, "计数"),
        Col("n", int, "例数", "例"),
        Col("value", float, "值", meaning="计数/例数"),
    ),
    stage="judged",
)
LADDER = TableDecl(
    name="ladder",
    zh="罕见死亡：能回答的层级",
    one_row="a project, rate of deaths and rung",
    one_row_zh="一个项目、死亡指标与层级",
    key=(*PROJECT_KEY, "rung"),
    columns=(
        HOSPITAL,
        SPECIALTY,
        INDICATOR,
        Col("rung", str, "层级", words=tuple(RUNGS.items())),
        Col("n_before", int, "建设前例数", "例"),
        Col("n_after", int, "建设后例数", "例"),
        Col("observed_before", int, "建设前死亡", "例"),
        Col("expected_before", float, "建设前预期死亡", "例", "按其他机构建设前同 DRG 的死亡率"),
        Col("observed_after", int, "建设后死亡", "例"),
        Col("expected_after", float, "建设后预期死亡", "例", "按其他机构建设前同 DRG 的死亡率"),
        Col("estimate", float, "比值", meaning="(O/E 后)/(O/E 前)；最后一级为项目与其余单元的比值之比"),
        LOW,
        HIGH,
        Col("smallest_fall", float, "可检出的最小下降", meaning="比值；缺为再低也不能显示"),
        Col("smallest_rise", float, "可检出的最小上升", meaning="比值；缺为再高也不能显示"),
        Col("answers", bool, "能回答", meaning="区间排除无变化，或翻倍（monitoring.cusum_odds）必可看出"),
        Col("first", bool, "首个能回答", meaning="自下而上第一个能回答的层级"),
    ),
    stage="judged",
)
DISEASES = TableDecl(
    name="diseases",
    zh="病种指标值",
    one_row="a group (region, specialty, hospital, unit), disease, period, indicator and basis",
    one_row_zh="一组（全区域、专科、机构、单元）、病种、期间、指标与口径",
    key=("level", "hospital", "specialty", "disease", "period", "indicator", "basis"),
    columns=(
        LEVEL,
        HOSPITAL,
        SPECIALTY,
        Col("disease", str, "病种", meaning="病种编号"),
        _PERIOD,
        INDICATOR,
        BASIS,
        *VALUES,
    ),
    stage="judged",
)

JUDGED: tuple[TableDecl, ...] = (
    UNITS,
    CELLS,
    CHANGES,
    GRADES,
    GRADE_STABILITY,
    HOLDS,
    BREAKS,
    DECOMPOSITION,
    CODING_DEPTH,
    LADDER,
    DISEASES,
)
