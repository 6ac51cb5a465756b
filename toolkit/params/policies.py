"""Every choice that an evaluation may make otherwise (domain standing [P]), section by section.

A new one is a field here: its Chinese title, its default, and, where it is one of a few, a `Choice` with the words of each.
Reports print it, the schema and the handbook list it, and a stage that heeds its section is redone when it changes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from toolkit.params.fields import Choice, Code, CodeRange, Id, OnlyWith, Says, Text, YamlPath
from toolkit.strict_yaml import Section

SAME = Says(empty="只用本次运行所选")
ALWAYS_RUN = "two_period_ratio"  # the plain method: units that are no project are judged by it


class Scope(Choice):
    """Whose discharges a reference is made of."""

    REGION = "region", "全区域"
    LEVEL_GROUP = "level_group", "同级别组"


class Window(Choice):
    """Over what time the contemporaneous reference is made."""

    YEAR = "year", "当年"
    CYCLE = "cycle", "所在周期"


class FromElsewhere(Choice):
    """What change is measured against."""

    LEAVE_ONE_OUT = "leave_one_out", "剔除本院"
    SAME = "same", "同当期口径"


class ReferencePolicy(Section):
    """参照 (标杆): the discharges that DRG means of cost and LOS are computed from."""

    scope: Scope = Field(Scope.LEVEL_GROUP, title="参照范围")
    leave_one_out: bool = Field(False, title="参照剔除本院")
    frozen: FromElsewhere = Field(
        FromElsewhere.LEAVE_ONE_OUT,
        title="定基参照",
        description="leave_one_out: for change, reference means are those of the other hospitals of the level group, of the "
        "region where it has too few — a unit that is its own reference before, and not after, changes by that alone; "
        "same: as leave_one_out says (docs/deviations.md)",
    )
    minimum_cases: int = Field(5, title="参照组最少例数", ge=1)
    window: Window = Field(Window.YEAR, title="当期参照的时间窗")
    means: YamlPath | None = Field(
        None,
        title="外部均值表",
        description="CSV: drg,mean_cost,mean_los; stands in for the means of the records. With low_cost,high_cost,low_los,"
        "high_los the records are trimmed by these limits, as those of the table were; without them nothing is trimmed",
    )

    @model_validator(mode="after")
    def _of_the_records_or_of_a_table(self) -> ReferencePolicy:
        if self.means is not None and self.leave_one_out:
            raise ValueError("means 与 leave_one_out 不能同时给出 (a published table leaves no hospital out)")
        return self


class Trimming(Choice):
    """How limits of cost and LOS are set."""

    IQR = "iqr", "四分位距法"
    PERCENTILE = "percentile", "百分位法"
    SD = "sd", "标准差法"
    NONE = "none", "不裁剪"
    TABLE = "table", "按外部均值表所附的界限，表中没有界限的不裁剪"


class FrozenTrimming(Choice):
    """How the frozen basis is trimmed."""

    NONE = "none", "不裁剪"
    SAME = "same", "同上"


def _frozen_as_table(_value: FrozenTrimming, trimming: TrimmingPolicy) -> str | None:
    return "同上" if trimming.method == Trimming.TABLE else None


class TrimmingPolicy(Section):
    """极端值裁剪 of cost and LOS inside each DRG; limits from the reference, applied alike to it and to every unit."""

    method: Trimming = Field(
        Trimming.IQR,
        title="裁剪方法",
        description="with reference.means it is table unless told otherwise: what is compared is treated alike",
    )
    iqr_below: Annotated[float, OnlyWith("method", Trimming.IQR)] = Field(0.5, title="四分位距下倍数", ge=0)
    iqr_above: Annotated[float, OnlyWith("method", Trimming.IQR)] = Field(1.5, title="四分位距上倍数", ge=0)
    percentile_low: Annotated[float, OnlyWith("method", Trimming.PERCENTILE)] = Field(
        0.05, title="下百分位", ge=0, lt=0.5
    )
    percentile_high: Annotated[float, OnlyWith("method", Trimming.PERCENTILE)] = Field(
        0.95, title="上百分位", gt=0.5, le=1
    )
    deviations: Annotated[float, OnlyWith("method", Trimming.SD)] = Field(3.0, title="标准差倍数", gt=0)
    frozen: Annotated[FrozenTrimming, Says(heeds="trimming", words=_frozen_as_table)] = Field(
        FrozenTrimming.NONE,
        title="定基指数的裁剪",
        description="same: as method. Limits fixed at the period before cut a distribution "
        "that has moved and shrink every change towards none (docs/deviations.md)",
    )

    def on(self, basis: str) -> Trimming:
        """The method on a basis; the limits of a published table go with its means wherever these are the reference."""
        if self.method == Trimming.TABLE:
            return Trimming.TABLE
        return Trimming.NONE if basis == "frozen" and self.frozen == FrozenTrimming.NONE else self.method


class ExclusionPolicy(Section):
    """不计入费用与时间指标的病例; their deaths and volume stay."""

    los_over_days: int = Field(60, title="住院天数上限（天）", ge=1)
    cost_under_yuan: float = Field(5.0, title="总费用下限", ge=0)
    cost_over_yuan: float = Field(2_000_000.0, title="总费用上限", gt=0)
    cancelled_diagnoses: list[Code] = Field(default=["Z53"], title="取消手术类主要诊断前缀")
    cancelled_los_days: int = Field(2, title="取消手术类住院天数上限（天）", ge=0)


class QualityPolicy(Section):
    """数据质量规则的界限: thresholds of the rule catalogue that are not among the exclusions."""

    first_year: Annotated[int, Says(grouped=False)] = Field(
        1990, title="入出院日期最早年份（规则D05）", ge=1900, le=2100
    )
    oldest_age: int = Field(120, title="年龄上限（岁，规则D12）", ge=1)
    age_gap_years: int = Field(1, title="填报年龄与计算年龄的允许差（岁，规则D11）", ge=0)
    newborn_days: int = Field(28, title="新生儿：入院时不足天数（规则D13）", ge=1, le=366)
    lightest_grams: int = Field(100, title="新生儿体重下限（克，规则D14）", ge=0)
    heaviest_grams: int = Field(9999, title="新生儿体重上限（克，规则D14）", ge=1)
    male_never_diagnoses: list[CodeRange] = Field(
        default=["O00-O99", "C51-C58", "N70-N98"], title="男性不应有的诊断（规则P02）"
    )
    female_never_diagnoses: list[CodeRange] = Field(default=["C60-C63", "N40-N51"], title="女性不应有的诊断（规则P02）")
    male_never_procedures: list[CodeRange] = Field(default=["65-75"], title="男性不应有的手术操作（规则P03）")
    female_never_procedures: list[CodeRange] = Field(default=["60-64"], title="女性不应有的手术操作（规则P03）")
    obstetric_youngest: int = Field(10, title="产科主要诊断年龄下限（岁，规则P04）", ge=0)
    obstetric_oldest: int = Field(60, title="产科主要诊断年龄上限（岁，规则P04）", ge=0)
    perinatal_oldest: int = Field(1, title="围产期主要诊断年龄上限（岁，规则P04）", ge=0)
    never_principal: list[CodeRange] = Field(
        default=["V00-V99", "W00-W99", "X00-X99", "Y00-Y99"], title="不能作主要诊断的编码（规则P07，星号码之外）"
    )
    fees_gap_yuan: float = Field(0.05, title="分项合计与总费用的允许差（规则C02）", ge=0)
    fees_gap_share: float = Field(0.01, title="分项合计与总费用相差超过总费用的比例则隔离于费用指标（规则C02）", gt=0)
    fen_times: float = Field(100, title="本院费用中位数为同级的倍数，疑为以分为单位（规则C09）", gt=1)
    ragged_share: float = Field(0.5, title="结构错误行占比，超过则拒收文件（规则F05）", ge=0, le=1)
    missing_words: list[str] = Field(
        default=[
            "",
            "-",
            "—",
            "－",
            "/",
            "\\N",
            "无",
            "空",
            "NULL",
            "null",
            "Null",
            "NONE",
            "None",
            "none",
            "NA",
            "N/A",
            "#N/A",
            "NaN",
            "nan",
            "NAN",
            "#NULL!",
            "#REF!",
            "#VALUE!",
            "未填",
            "未填写",
        ],
        title="表示空值的文字",
    )
    lost_zero_share: float = Field(0.1, title="手术操作编码末尾缺 0 的占比，超过则拒收文件（规则F08）", gt=0, le=1)
    month_low: float = Field(0.5, title="月出院例数与本院月中位数之比下限（规则D15）", ge=0)
    month_end_cases: float = Field(10, title="月初月末连续无出院各日应有的例数，不少于则提示（规则D16）", gt=0)
    silent_month_cases: float = Field(
        10, title="专科或科别无病例的各月按其余月份应有的例数，不少于则提示（规则D17）", gt=0
    )
    fresh_codes: float = Field(0.3, title="半年内属于本院此前没有的 DRG 的病例占比上限（规则G10）", gt=0, le=1)
    code_cases: int = Field(100, title="查 DRG 编码变更的最少例数（规则G10）", ge=1)
    month_high: float = Field(2.0, title="月出院例数与本院月中位数之比上限（规则D15）", gt=0)
    diagnoses_low: float = Field(0.5, title="例均其他诊断与同级之比下限（规则P12）", ge=0)
    diagnoses_high: float = Field(2.0, title="例均其他诊断与同级之比上限（规则P12）", gt=0)
    against_advice_times: float = Field(3.0, title="非医嘱离院占比为同级的倍数上限（规则O07）", gt=1)
    ungrouped_share: float = Field(0.1, title="未入组比例上限（规则G04）", gt=0, le=1)
    missing_move: float = Field(0.1, title="关键字段缺失率较上年的变动上限（规则X02）", gt=0, le=1)
    constant_cases: int = Field(50, title="字段全为同一值时提示的最少例数（规则X03）", ge=2)
    round_cost_share: float = Field(0.5, title="总费用为整百元的占比上限（规则X03）", gt=0, le=1)
    copied_share: float = Field(0.02, title="与他院内容相同的记录占比上限（规则X03）", gt=0, le=1)
    quarantined_share: float = Field(0.02, title="隔离占比上限，超过则数据不足，不予评价（规则X04）", gt=0, le=1)
    missing_share: float = Field(0.05, title="关键字段缺失率上限，超过则数据不足，不予评价（规则X04）", gt=0, le=1)
    minimum_cases: int = Field(30, title="机构层面规则的最少例数", ge=1)


class WeightSource(Choice):
    """Where DRG weights come from."""

    REFERENCE = "reference", "参照数据"
    RECORDS = "records", "病案自带"
    FILE = "file", "外部表"
    FIVE_CLASS = "five_class", "五类费用标准化"


def _trimmed_weights(trimmed: bool, trimming: TrimmingPolicy) -> str | None:
    apart = trimmed and trimming.on("frozen") == Trimming.NONE
    return "是（定基口径不裁剪，故只用于当期口径）" if apart else None


class WeightPolicy(Section):
    """DRG 权重 (RW): from the reference, carried by the records, or from a published table."""

    source: WeightSource = Field(
        WeightSource.REFERENCE,
        title="权重来源",
        description="five_class: 医疗、护理、医技、药品、管理 at 20 % each, from fee items",
    )
    file: YamlPath | None = Field(None, title="权重表", description="CSV: drg,weight")
    trimmed: Annotated[bool, Says(heeds="trimming", words=_trimmed_weights)] = Field(False, title="权重用裁剪后费用")

    @model_validator(mode="after")
    def _file_when_file(self) -> WeightPolicy:
        if (self.source == WeightSource.FILE) != (self.file is not None):
            raise ValueError("source: file 与 file 必须同时给出 (source: file needs file, and only then)")
        return self


class Rates(Choice):
    """The mortality that grades a DRG."""

    RAW = "raw", "实际死亡率"
    EMPIRICAL_BAYES = "empirical_bayes", "经验贝叶斯收缩率"


class Weighting(Choice):
    """Weights of the DRGs in the mean and SD that grades are cut by."""

    NONE = "none", "不加权"
    CASES = "cases", "按例数加权"


class ZeroDeaths(Choice):
    """Where a DRG without a death goes."""

    APART = "apart", "单列为 0 级"
    LOW = "low", "并入低风险"


class RiskPolicy(Section):
    """DRG 死亡风险分级 by ln mortality, unweighted mean and sample SD over DRGs."""

    minimum_cases: int = Field(30, title="分级最少例数", ge=1)
    minimum_deaths: int = Field(200, title="分级表最少死亡数", ge=0)
    minimum_deaths_low: int = Field(5, title="低与中低组最少死亡数", ge=0)
    rates: Rates = Field(Rates.RAW, title="分级所用死亡率")
    weighting: Weighting = Field(Weighting.NONE, title="均值与标准差的权重")
    zero_deaths: ZeroDeaths = Field(ZeroDeaths.APART, title="无死亡的 DRG")
    frozen: FromElsewhere = Field(
        FromElsewhere.LEAVE_ONE_OUT,
        title="定基分级",
        description="leave_one_out: for change, a hospital's DRGs are graded by the deaths of the others (of other years where "
        "there are none); same: by all deaths of the period before, which makes low-risk mortality rise by itself",
    )
    stable_probability: float = Field(
        0.8,
        title="分级稳定的概率",
        gt=0,
        le=1,
        description="a DRG's grade is stable where redrawn deaths give it so often",
    )
    minimum_stable: float = Field(
        0.5,
        title="稳定分级病例的最低占比",
        ge=0,
        le=1,
        description="below it a unit's mortality by risk grade is not judged: counts and O/E stand instead",
    )
    file: YamlPath | None = Field(None, title="外部分级表", description="CSV: drg,grade")


class Mergers(Choice):
    """Whose discharges those of a merged or renamed hospital are."""

    PRO_FORMA = "pro_forma", "全部年份并入新机构"
    AS_REPORTED = "as_reported", "自变更之日起并入新机构"


class IndicatorPolicy(Section):
    """指标计算中的政策选择."""

    rarefied_at: int = Field(100, title="DRG 组数的共同例数", ge=1)
    drg_minimum_cases: int = Field(
        1, title="DRG 组数：每组最少例数", ge=1, description="a DRG with fewer cases in the cell is not counted"
    )
    severe_weight: float = Field(2.0, title="疑难病例的 DRG 权重下限", gt=0)
    severe_grade: int = Field(4, title="急危重病例的死亡风险分级下限", ge=1, le=4)
    day_surgery_days: int = Field(
        1, title="日间手术的住院天数上限", ge=1, description="1: discharged on the day of admission or the next"
    )
    techniques: YamlPath | None = Field(
        None,
        title="技术目录",
        description="CSV: technique,code,valid_from,valid_to; technique 介入, 内镜, 微创, 穿刺 or 日间",
    )
    surgery_levels: YamlPath | None = Field(
        None,
        title="手术分级目录",
        description="CSV: code,level,valid_from,valid_to (years); without it the level as entered. Without operations of "
        "level 3 there is no share of levels 3 and 4",
    )
    procedure_categories: YamlPath | None = Field(
        None,
        title="手术操作类别字典",
        description="CSV: code,category,valid_from,valid_to; category 手术, 介入治疗, 治疗性操作 or 诊断性操作 decides what "
        "an operation is. Without it an operation is what the hospital gave a level",
    )
    operation_codes: list[CodeRange] = Field(
        default=["00-86"],
        title="无类别字典时应有手术级别的手术操作编码",
        description="to tell how completely levels were entered where no dictionary says what an operation is",
    )
    least_level_known: float = Field(
        0.8,
        title="手术级别可认定率下限，不足则手术类占比不适用",
        ge=0,
        le=1,
        description="of the discharges with an operation, those that are known to be one and of which level",
    )
    minimally_invasive: YamlPath | None = Field(None, title="微创手术目录", description="CSV: code,valid_from,valid_to")
    complications: YamlPath | None = Field(
        None,
        title="手术并发症诊断目录",
        description="CSV: code,valid_from,valid_to; a code means all that begin with it",
    )
    elective_routes: list[Text] = Field(default=["2"], title="择期手术的入院途径代码")
    mergers: Mergers = Field(
        Mergers.PRO_FORMA,
        title="合并或更名的机构",
        description="pro_forma: old codes count for the new one in all years; as_reported: from the date on",
    )
    readmission_days: int = Field(31, title="再住院天数", ge=1, le=365)


class GroupingPolicy(Section):
    """DRG 分组器版本: years grouped by different versions are compared over a bridge, or not at all."""

    versions: Annotated[dict[int, Text], Says(empty="未声明（视为同一版本）")] = Field(
        default={}, title="各年分组器版本", description="year -> version; empty = one version for all years"
    )
    ungrouped: list[Text] = Field(
        default=["未入组", "无法入组", "未能入组", "不能入组", "未分组", "歧义组", "空白病组", "空白组", "KBBZ", "--"],
        title="表示未入组的文字（另有空、全 0、全 9 和以 QY 结尾的编码）",
    )
    bridge: YamlPath | None = Field(
        None,
        title="版本衔接表",
        description="CSV: from,to,n — a bridge year grouped both ways, earlier code to later code",
    )
    bridge_share: float = Field(0.9, title="衔接所需病例占比", gt=0.5, le=1)


class Adjustment(Choice):
    """What a comparison is corrected for."""

    BASELINE = "baseline", "按建设前水平"
    UNADJUSTED = "unadjusted", "不校正"


class Matching(Choice):
    """Which comparison units are used."""

    UNMATCHED = "unmatched", "不匹配"
    BASELINE = "baseline", "按建设前水平"


class ComparisonPolicy(Section):
    """对照单元: eligible units of the same specialty without a project."""

    same_level: bool = Field(True, title="限同级别组")
    minimum_units: int = Field(
        2, title="最少对照单元数", ge=1, description="fewer: units of the specialty at every level, and a warning"
    )
    adjustment: Adjustment = Field(
        Adjustment.BASELINE,
        title="对照校正",
        description="baseline: corrected for how far units fall back from a high or low baseline",
    )
    matching: Matching = Field(
        Matching.UNMATCHED, title="对照匹配", description="baseline: only the units nearest in baseline level and trend"
    )
    neighbours: Annotated[int, OnlyWith("matching", Matching.BASELINE)] = Field(5, title="匹配家数", ge=1)


class Family(Choice):
    """How values scatter around a formula."""

    GAUSSIAN = "gaussian", "对数值的加权最小二乘"
    POISSON = "poisson", "Poisson 回归，分母为偏移"
    QUASI_POISSON = "quasi-poisson", "准 Poisson 回归（离散由残差估计），分母为偏移"


class FormulaMethod(Section):
    """A method of change by formula (`toolkit.models.change.by_formula`): fitted on yearly cells by statsmodels."""

    id: Text = Field(title="标识", pattern=r"^[a-z][a-z0-9_]*$")
    title: Text = Field(title="名称")
    formula: Text = Field(title="公式", description='e.g. "log_value ~ project + C(unit) + C(year):C(group)"')
    term: Text = Field("project", title="所求的项")
    family: Family = Field(Family.GAUSSIAN, title="分布族")
    weights: Text | None = Field(None, title="权重列", description="for the gaussian family, e.g. n")
    cluster: Text = Field("hospital", title="聚类列")

    def __str__(self) -> str:
        return f"{self.title}（{self.formula}；{self.family.zh}）"


class Multiplicity(Choice):
    """How verdicts allow for the number of projects and primary indicators that are looked at together."""

    NONE = "none", "不校正，另列预计误判数"
    FAMILY_WISE = "family_wise", "Holm：任何一项误判的概率不超过显著水平"
    FDR = "fdr", "Benjamini–Hochberg：判为变化者中误判的比例不超过显著水平"


class ChangePolicy(Section):
    """建设前后变化 and its verdict."""

    primary: Annotated[list[Text], Says(names="indicator")] = Field(
        default=["cmi", "cost_index", "los_index", "mid_low_risk_mortality"], title="主要指标"
    )
    confidence: float = Field(0.95, title="置信水平", gt=0.5, lt=1)
    minimum_cases: int = Field(100, title="每周期最少例数", ge=1)
    least_coverage: float = Field(
        0.8,
        title="定基参照覆盖病例的最低占比（每周期），不足则不予评价",
        ge=0,
        le=1,
        description="of the cases with a DRG, those whose DRG the period before knows",
    )
    least_sent: float = Field(
        0.8,
        title="报送月份的最低占比（每周期），不足则不予评价",
        ge=0,
        le=1,
        description="of the months of a cycle up to the last that anybody sent; a month below quality.month_low of the "
        "hospital's median month did not come",
    )
    minimum_important: float = Field(0.05, title="最小有意义变化", ge=0, lt=1)
    verdict_rules: Annotated[YamlPath | None, Says(empty="随程序提供的规则表")] = Field(
        None, title="判定规则表", description="as params/rules/verdict.yaml, which holds where none is given"
    )
    methods: Annotated[list[Text], Says(names="method")] = Field(
        default=[
            "two_period_ratio",
            "two_period_years",
            "did",
            "twfe",
            "event_study",
            "staggered",
            "synthetic_did",
            "segmented",
        ],
        title="变化方法",
        description="ids of toolkit.models.METHODS; two_period_ratio is always run",
    )
    verdict_from: Annotated[Text, Says(names="method")] = Field(
        "did",
        title="判定所用方法",
        description="one of methods; projects are judged by it, other units by two_period_ratio",
    )
    multiplicity: Multiplicity = Field(
        Multiplicity.NONE,
        strict=False,
        title="多重比较",
        description="of all projects and primary indicators together: a verdict of change must stand after it",
    )
    comparison: ComparisonPolicy = Field(ComparisonPolicy(), title="对照")
    formulas: list[FormulaMethod] = Field(
        default=[], title="公式方法", description="further methods; each is run and may be named in verdict_from"
    )

    @model_validator(mode="after")
    def _judged_by_a_method_that_is_run(self) -> ChangePolicy:
        if self.verdict_from not in (ALWAYS_RUN, *self.methods, *(one.id for one in self.formulas)):
            raise ValueError(
                f"verdict_from {self.verdict_from} 不在 methods 内 (the method that judges is not among those that are run)"
            )
        return self


class Target(Section):
    """目标值 of an indicator, for the assurance of its control chart."""

    indicator: Annotated[Text, Says(names="indicator")] = Field(title="指标")
    value: float = Field(title="目标值")


class Covariate(Choice):
    """What the risk model holds beside the DRG."""

    AGE_BAND = "age_band", "年龄组"
    SEX = "sex", "性别"
    ADMISSION_ROUTE = "admission_route", "入院途径"


class Overdispersion(Choice):
    """How the scatter between units is estimated for a funnel plot."""

    WINSORISED = "winsorised", "两端截尾（CQC）"
    TRUNCATED = "truncated", "两端剔除（SHMI）"
    CORRECTED = "corrected", "两端截尾并校正（负二项限）"


class MonitoringPolicy(Section):
    """监测: expected deaths, funnels, control charts and power."""

    covariates: list[Covariate] = Field(default=list(Covariate), title="风险模型协变量（DRG 之外）")
    age_bands: list[int] = Field(default=[1, 5, 15, 45, 55, 65, 75, 85], title="年龄组起始年龄（岁）")
    model_minimum_deaths: int = Field(
        5, title="风险模型中 DRG 的最少死亡数", ge=1, description="DRGs with fewer deaths share one effect"
    )
    model_pooling: list[int] = Field(
        default=[3, 1], title="死亡少的 DRG 按编码前几位合并", description="ADRG, then MDC; then all that is left"
    )
    overdispersion: Overdispersion = Field(
        Overdispersion.CORRECTED,
        title="漏斗图单元间差异的估计",
        description="the two published settings flag more than they state",
    )
    trimmed_share: float = Field(0.1, title="漏斗图两端处理的比例", gt=0, lt=0.5)
    point_cases: int = Field(
        10, title="按月作控制图的最少例数（月中位数）", ge=1, description="with fewer, the chart is by quarter"
    )
    targets: list[Target] = Field(
        default=[Target(indicator="cost_index", value=1.0), Target(indicator="los_index", value=1.0)],
        title="控制图目标值",
    )
    cusum_odds: float = Field(2.0, title="CUSUM 所查的死亡优势比", gt=1)
    cusum_months: float = Field(360.0, title="CUSUM 无变化时平均运行月数", ge=12)
    power: float = Field(0.8, title="检验功效", gt=0.5, lt=1)

    @model_validator(mode="after")
    def _rising(self) -> MonitoringPolicy:
        if self.age_bands != sorted(set(self.age_bands)) or min(self.age_bands, default=1) < 1:
            raise ValueError("age_bands 须从小到大且大于 0 (age bands must rise and be above 0)")
        return self


class Explained(Section):
    """断点的说明: what a hospital and the commission have established about a break in a unit's data."""

    hospital: Text = Field(title="机构")
    specialty: Id = Field(title="专科")
    year: int = Field(title="断点后的第一年")
    statement: Text = Field(title="说明")


class BreakPolicy(Section):
    """数据断点: a jump of a unit's data from one year to the next that the other units do not show."""

    factor: float = Field(
        1.5, title="断点的最小倍数", gt=1, description="of cost, stay, case mix and diagnoses per case"
    )
    step: float = Field(
        0.2, title="断点的最小份额差", gt=0, le=1, description="of shares: grouped cases, cases in the same DRGs"
    )
    deviations: float = Field(
        5.0, title="断点离其余单元的倍数", gt=0, description="robust standard deviations of the other units' changes"
    )
    minimum_cases: int = Field(30, title="查断点的每年最少例数", ge=1)
    explained: list[Explained] = Field(
        default=[], title="已说明的断点", description="with a statement a break no longer holds the verdict back"
    )


class ShockYears(Choice):
    """Whether the years of outside events count."""

    WITH = "with", "计入"
    WITHOUT = "without", "剔除"


class RobustnessPolicy(Section):
    """稳健性: the policy choices that are tried in every combination, and how many must agree."""

    scopes: list[Scope] = Field([Scope.LEVEL_GROUP, Scope.REGION], title="参照范围", min_length=1)
    leave_one_out: Annotated[list[bool], SAME] = Field(
        [], title="参照剔除本院", description="with [false, true] also the reference that holds one's own cases"
    )
    trimming: list[Trimming] = Field([Trimming.NONE, Trimming.IQR], title="定基裁剪", min_length=1)
    risk_rates: list[Rates] = Field([Rates.RAW, Rates.EMPIRICAL_BAYES], title="分级死亡率", min_length=1)
    minimum_cases: Annotated[list[Annotated[int, Field(ge=1)]], SAME] = Field(
        [], title="参照组最少例数", description="empty, as with the three on comparison units: only what the run has"
    )
    shocks: list[ShockYears] = Field([ShockYears.WITH, ShockYears.WITHOUT], title="外部事件年份", min_length=1)
    same_level: Annotated[list[bool], SAME] = Field([], title="对照限同级别组")
    adjustment: Annotated[list[Adjustment], SAME] = Field([], title="对照校正")
    matching: Annotated[list[Matching], SAME] = Field([], title="对照匹配")
    methods: Annotated[list[Text], Says(names="method")] = Field(
        ["did", "twfe"],
        title="变化方法",
        min_length=1,
        description="the plain before/after ratio is no alternative: it takes regression to the mean for change",
    )
    agreement: float = Field(0.8, title="判定一致的最少占比", gt=0, le=1)


class DisclosurePolicy(Section):
    """披露控制 of the release edition (`edition: release`): what is hidden and how the rest is rounded."""

    minimum_cases: int = Field(10, title="最少例数", ge=2, description="counts of cases from 1 to one below are hidden")
    minimum_events: int = Field(
        8, title="最少事件数", ge=2, description="deaths, operations …, and cases without: 1 to one below are hidden"
    )
    minimum_rate_cases: int = Field(
        50, title="比例最少例数", ge=10, description="rates on fewer cases are hidden: rounding would bend them"
    )
    rounding: int = Field(5, title="计数取整", ge=2, description="other counts are rounded to the nearest multiple")
    dominance: float = Field(
        0.5,
        title="单例占合计上限",
        gt=0,
        le=1,
        description="a mean is hidden where one case may be a larger share of the sum",
    )
    minimum_interval: int = Field(
        5,
        title="隐去例数的最小区间",
        ge=1,
        description="a hidden number of cases or events must not be told more closely by linear programming",
    )
    minimum_interval_share: float = Field(
        0.2,
        title="隐去总量的最小区间占比",
        gt=0,
        le=1,
        description="the same of sums (costs, days, weights), as a share of the hidden sum",
    )
