"""The parameter file of a run: strict YAML, checked before anything is computed.

A file that passes becomes a frozen `RunParams`. One that does not gives one `ParameterError` with file, line, what was
expected and the nearest valid key. Every policy choice of an evaluation (domain standing [P]) is a field here with a
Chinese title, so that reports can print all of them (`policies`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from toolkit.errors import ParameterError, nearest
from toolkit.strict_yaml import Section, read_yaml, validate

Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
CodeRange = Annotated[str, StringConstraints(pattern=r"^[A-Z]?\d\d(-[A-Z]?\d\d)?$")]  # O00-O99, C61, 65-75
# A path stands in YAML as text; strict mode would refuse it, so laxness is declared here and nowhere else.
YamlPath = Annotated[Path, Field(strict=False)]


class Years(Section):
    """Consecutive calendar years, ends included."""

    first: int = Field(title="起始年", ge=1990, le=2100)
    last: int = Field(title="结束年", ge=1990, le=2100)

    @model_validator(mode="after")
    def _ordered(self) -> Years:
        if self.last < self.first:
            raise ValueError(f"结束年 {self.last} 早于起始年 {self.first} (last is before first)")
        return self

    def __contains__(self, year: object) -> bool:
        return isinstance(year, int) and self.first <= year <= self.last

    @property
    def label(self) -> str:
        return f"{self.first}–{self.last}" if self.first != self.last else f"{self.first}"


class Cycles(Section):
    """建设周期: the cycle itself (`after`) and the three years before it (`before`)."""

    before: Years = Field(title="建设前 3 年")
    after: Years = Field(title="建设周期 3 年")

    @model_validator(mode="after")
    def _three_years_each(self) -> Cycles:
        for name, years in (("before", self.before), ("after", self.after)):
            if years.last - years.first != 2:
                raise ValueError(
                    f"{name} 为 {years.label}, 周期必须是连续 3 个自然年 (a cycle is three consecutive calendar years)"
                )
        if self.after.first <= self.before.last:
            raise ValueError("after 必须在 before 之后 (the cycle must begin after the years before it)")
        return self


class Synthetic(Section):
    """合成数据: a generated region instead of files."""

    discharges: int = Field(150_000, title="出院病例数", ge=1_000, le=1_000_000_000)
    seed: int = Field(2024, title="随机种子", ge=0)
    hospitals: int = Field(24, title="医疗机构数", ge=6, le=3000)
    projects: int = Field(12, title="建设项目数", ge=0, le=60)
    selection: Literal["merit", "random"] = Field("merit", title="立项方式")
    dirt: float = Field(0.002, title="瑕疵比例", ge=0, le=0.2)


class DrgFile(Section):
    """A second file that carries the DRG, joined on A01 + A48 + A49 (and B15 where it has that)."""

    file: YamlPath = Field(title="分组结果文件")
    hospital: str = Field(
        "A01",
        title="机构代码列",
        description='"" only where no two hospitals share a record number: then joined without it',
    )
    record: str = Field("A48", title="病案号列")
    visit: str = Field("A49", title="住院次数列")
    discharge: str = Field("", title="出院时间列; 空 = 不核对")
    drg: str = Field("DRG", title="DRG 列")


class GrouperSpec(Section):
    """分组器: a plug-in that gives every record its DRG (docs/plugging-in-a-grouper.md)."""

    plugin: Text = Field(
        title="分组器", description="name of an installed plug-in: ms-drg, command, or of a package of your own"
    )
    version: Text = Field(title="分组器版本", description="in quotation marks; printed on reports")
    command: list[Text] = Field(
        default=[], title="分组命令", description="for command: program and arguments, {input} and {output}"
    )
    seconds: int = Field(600, title="分组命令时限（秒）", ge=1)

    @model_validator(mode="after")
    def _command_where_it_is_one(self) -> GrouperSpec:
        if (self.plugin == "command") != bool(self.command):
            raise ValueError("plugin: command 与 command 必须同时给出 (plugin: command needs command, and only then)")
        return self


class Data(Section):
    """Where the records are and what format they have."""

    format: Text = Field(title="格式", description="id of a shipped format map, or the path of a YAML map of your own")
    files: list[Text] = Field(default=[], title="文件、通配符或文件夹")
    drg_file: DrgFile | None = Field(None, title="分组结果文件")
    grouper: GrouperSpec | None = Field(
        None, title="分组器", description="in place of a DRG in the file or of drg_file"
    )
    hospitals: YamlPath | None = Field(None, title="机构名录 (CSV: code,name,level,level_group,tier,county)")
    departments: YamlPath | None = Field(None, title="科别对照表 (CSV: department,specialty,hospital,from,to)")
    crosswalk: YamlPath | None = Field(None, title="机构代码对照表 (CSV: old,new,from)")
    divisions: YamlPath | None = Field(None, title="行政区划表 (CSV: code,name)")
    diseases: YamlPath | None = Field(None, title="病种集 (YAML); 空 = 示例病种集")
    synthetic: Synthetic | None = Field(None, title="合成数据")
    key_file: YamlPath | None = Field(
        None,
        title="密钥文件",
        description="64 hex characters, readable by you only; gives pseudonyms that stay the same from run "
        "to run. Without it each run draws its own. No number depends on it.",
    )
    submissions: YamlPath | None = Field(
        None,
        title="报送登记册",
        json_schema_extra={"may_be_absent": True},
        description="JSON, kept by the runs: which file arrived when, and which replaced which",
    )
    arrived: str = Field(
        "",
        title="新文件收到日期",
        pattern=r"^(\d{4}-\d{2}-\d{2})?$",
        description="of files that the register does not know: 2025-03-01",
    )
    currency: str = Field("元", title="货币单位")
    diagnosis_dictionary: YamlPath | None = Field(
        None, title="诊断编码字典", description="code,valid_from,valid_to (years)"
    )
    procedure_dictionary: YamlPath | None = Field(
        None, title="手术操作编码字典", description="code,valid_from,valid_to"
    )
    cover_sheet: YamlPath | None = Field(
        None, title="报送说明", description="file,month,discharges,total_cost; month may be empty"
    )
    drg_limits: YamlPath | None = Field(None, title="DRG 适用条件", description="drg,sex,youngest,oldest,diagnoses")

    @model_validator(mode="after")
    def _files_or_synthetic(self) -> Data:
        if bool(self.files) == bool(self.synthetic):
            raise ValueError("files 与 synthetic 必须且只能给出一个 (give either files or synthetic)")
        if self.grouper and (self.drg_file or self.synthetic):
            raise ValueError("grouper 与 drg_file、synthetic 不能同时给出 (a grouper stands in place of drg_file)")
        if self.submissions and not self.arrived:
            raise ValueError("submissions 需要 arrived: 新文件收到的日期, 如 2025-03-01 (give the day of arrival)")
        return self


SPECIALTY_SEPARATOR = "+"  # between the ids of a discharge that counts in several specialties; no id holds it


class Specialty(Section):
    """专科: a named set of discharges, by departments, principal-diagnosis or DRG prefixes, or as a group of specialties."""

    id: Id = Field(title="专科编号")
    name_zh: Text = Field(title="专科名称")
    surgical: bool = Field(False, title="外科为主", description="only then surgery shares apply; else they read 不适用")
    departments: list[Text] = Field(default=[], title="出院科别代码")
    diagnoses: list[Text] = Field(default=[], title="主要诊断编码前缀")
    drgs: list[Text] = Field(default=[], title="DRG 前缀")
    members: list[Id] = Field(
        default=[],
        title="1+N 专科群",
        description="ids of other specialties: the leading one first, then the related ones",
    )
    overlap: bool = Field(
        False, title="允许重叠", description="its discharges count here and in the other specialties that claim them"
    )

    @model_validator(mode="after")
    def _one_definition(self) -> Specialty:
        if sum(map(bool, (self.departments, self.diagnoses, self.drgs, self.members))) > 1:
            raise ValueError(
                "departments、diagnoses、drgs、members 只能给出一个 (define the specialty in one way only)"
            )
        if self.members and not self.overlap:
            raise ValueError("members 需要 overlap: true (a group shares its discharges with its members)")
        return self


class Project(Section):
    """建设项目: a hospital's specialty that was funded for the cycle."""

    hospital: Text = Field(title="医疗机构代码")
    specialty: Id = Field(title="专科编号")
    level: Literal["国家", "省", "市", "县"] = Field("市", title="项目级别")
    start: int | None = Field(
        None, title="起始年", ge=1990, le=2100, description="where it is not the first year of the cycle"
    )


class ReferencePolicy(Section):
    """参照 (标杆): the discharges that DRG means of cost and LOS are computed from."""

    scope: Literal["region", "level_group"] = Field("level_group", title="参照范围")
    leave_one_out: bool = Field(False, title="参照剔除本院")
    minimum_cases: int = Field(5, title="参照组最少例数", ge=1)
    window: Literal["year", "cycle"] = Field("year", title="当期参照的时间窗")
    means: YamlPath | None = Field(
        None, title="外部均值表", description="CSV: drg,mean_cost,mean_los; stands in for the means of the records"
    )

    @model_validator(mode="after")
    def _of_the_records_or_of_a_table(self) -> ReferencePolicy:
        if self.means is not None and self.leave_one_out:
            raise ValueError("means 与 leave_one_out 不能同时给出 (a published table leaves no hospital out)")
        return self


class TrimmingPolicy(Section):
    """极端值裁剪 of cost and LOS inside each DRG; limits from the reference, applied alike to it and to every unit."""

    method: Literal["iqr", "percentile", "sd", "none"] = Field("iqr", title="裁剪方法")
    iqr_below: float = Field(0.5, title="四分位距下倍数", ge=0)
    iqr_above: float = Field(1.5, title="四分位距上倍数", ge=0)
    percentile_low: float = Field(0.05, title="下百分位", ge=0, lt=0.5)
    percentile_high: float = Field(0.95, title="上百分位", gt=0.5, le=1)
    deviations: float = Field(3.0, title="标准差倍数", gt=0)
    frozen: Literal["none", "same"] = Field(
        "none",
        title="定基指数的裁剪",
        description="same: as method. Limits fixed at the period before cut a distribution "
        "that has moved and shrink every change towards none (docs/deviations.md)",
    )

    def on(self, basis: str) -> str:
        """The method on a basis."""
        return "none" if basis == "frozen" and self.frozen == "none" else self.method


class ExclusionPolicy(Section):
    """不计入费用与时间指标的病例; their deaths and volume stay."""

    los_over_days: int = Field(60, title="住院天数上限（天）", ge=1)
    cost_under_yuan: float = Field(5.0, title="总费用下限", ge=0)
    cost_over_yuan: float = Field(2_000_000.0, title="总费用上限", gt=0)
    cancelled_diagnoses: list[Text] = Field(default=["Z53"], title="取消手术类主要诊断前缀")
    cancelled_los_days: int = Field(2, title="取消手术类住院天数上限（天）", ge=0)


class QualityPolicy(Section):
    """数据质量规则的界限: thresholds of the rule catalogue that are not among the exclusions."""

    first_year: int = Field(1990, title="入出院日期最早年份（规则D05）", ge=1900, le=2100)
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
    ragged_share: float = Field(0.001, title="结构错误行占比，超过则拒收文件（规则F05）", ge=0, le=1)
    lost_zero_share: float = Field(0.1, title="手术操作编码末尾缺 0 的占比，超过则拒收文件（规则F08）", gt=0, le=1)
    month_low: float = Field(0.5, title="月出院例数与本院月中位数之比下限（规则D15）", ge=0)
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


class WeightPolicy(Section):
    """DRG 权重 (RW): from the reference, carried by the records, or from a published table."""

    source: Literal["reference", "records", "file", "five_class"] = Field(
        "reference",
        title="权重来源",
        description="five_class: 医疗、护理、医技、药品、管理 at 20 % each, from fee items",
    )
    file: YamlPath | None = Field(None, title="权重表", description="CSV: drg,weight")
    trimmed: bool = Field(False, title="权重用裁剪后费用")

    @model_validator(mode="after")
    def _file_when_file(self) -> WeightPolicy:
        if (self.source == "file") != (self.file is not None):
            raise ValueError("source: file 与 file 必须同时给出 (source: file needs file, and only then)")
        return self


class RiskPolicy(Section):
    """DRG 死亡风险分级 by ln mortality, unweighted mean and sample SD over DRGs."""

    minimum_cases: int = Field(30, title="分级最少例数", ge=1)
    minimum_deaths: int = Field(200, title="分级表最少死亡数", ge=0)
    minimum_deaths_low: int = Field(5, title="低与中低组最少死亡数", ge=0)
    rates: Literal["raw", "empirical_bayes"] = Field("raw", title="分级所用死亡率")
    weighting: Literal["none", "cases"] = Field("none", title="均值与标准差的权重")
    zero_deaths: Literal["apart", "low"] = Field("apart", title="无死亡的 DRG")
    file: YamlPath | None = Field(None, title="外部分级表", description="CSV: drg,grade")


class IndicatorPolicy(Section):
    """指标计算中的政策选择."""

    rarefied_at: int = Field(100, title="DRG 组数的共同例数", ge=1)
    surgery_levels: YamlPath | None = Field(
        None,
        title="手术分级目录",
        description="CSV: code,level,valid_from,valid_to (years); without it the level as entered",
    )
    minimally_invasive: YamlPath | None = Field(None, title="微创手术目录", description="CSV: code,valid_from,valid_to")
    complications: YamlPath | None = Field(
        None,
        title="手术并发症诊断目录",
        description="CSV: code,valid_from,valid_to; a code means all that begin with it",
    )
    elective_routes: list[Text] = Field(default=["2"], title="择期手术的入院途径代码")
    mergers: Literal["pro_forma", "as_reported"] = Field(
        "pro_forma",
        title="合并或更名的机构",
        description="pro_forma: old codes count for the new one in all years; as_reported: from the date on",
    )
    readmission_days: int = Field(31, title="再住院天数", ge=1, le=365)


class GroupingPolicy(Section):
    """DRG 分组器版本: years grouped by different versions are compared over a bridge, or not at all."""

    versions: dict[int, Text] = Field(
        default={}, title="各年分组器版本", description="year -> version; empty = one version for all years"
    )
    bridge: YamlPath | None = Field(
        None,
        title="版本衔接表",
        description="CSV: from,to,n — a bridge year grouped both ways, earlier code to later code",
    )
    bridge_share: float = Field(0.9, title="衔接所需病例占比", gt=0.5, le=1)


class ComparisonPolicy(Section):
    """对照单元: eligible units of the same specialty without a project."""

    same_level: bool = Field(True, title="限同级别组")
    minimum_units: int = Field(
        2, title="最少对照单元数", ge=1, description="fewer: units of the specialty at every level, and a warning"
    )
    adjustment: Literal["baseline", "unadjusted"] = Field(
        "baseline",
        title="对照校正",
        description="baseline: corrected for how far units fall back from a high or low baseline",
    )
    matching: Literal["unmatched", "baseline"] = Field(
        "unmatched", title="对照匹配", description="baseline: only the units nearest in baseline level and trend"
    )
    neighbours: int = Field(5, title="匹配家数", ge=1)


class ChangePolicy(Section):
    """建设前后变化 and its verdict."""

    primary: list[Text] = Field(default=["cmi", "cost_index", "los_index", "mid_low_risk_mortality"], title="主要指标")
    confidence: float = Field(0.95, title="置信水平", gt=0.5, lt=1)
    minimum_cases: int = Field(100, title="每周期最少例数", ge=1)
    minimum_important: float = Field(0.05, title="最小有意义变化", ge=0, lt=1)
    verdict_rules: YamlPath | None = Field(
        None, title="判定规则表", description="as params/rules/verdict.yaml, which holds where none is given"
    )
    methods: list[Text] = Field(
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
    verdict_from: Text = Field(
        "did",
        title="判定所用方法",
        description="one of methods; projects are judged by it, other units by two_period_ratio",
    )
    comparison: ComparisonPolicy = Field(ComparisonPolicy(), title="对照")


class Target(Section):
    """目标值 of an indicator, for the assurance of its control chart."""

    indicator: Text = Field(title="指标")
    value: float = Field(title="目标值")

    def __str__(self) -> str:
        return f"{self.indicator} {self.value:g}"


class MonitoringPolicy(Section):
    """监测: expected deaths, funnels, control charts and power."""

    covariates: list[Literal["age_band", "sex", "admission_route"]] = Field(
        default=["age_band", "sex", "admission_route"], title="风险模型协变量（DRG 之外）"
    )
    age_bands: list[int] = Field(default=[1, 5, 15, 45, 55, 65, 75, 85], title="年龄组起始年龄（岁）")
    model_minimum_deaths: int = Field(
        5, title="风险模型中 DRG 的最少死亡数", ge=1, description="DRGs with fewer deaths share one effect"
    )
    model_pooling: list[int] = Field(
        default=[3, 1], title="死亡少的 DRG 按编码前几位合并", description="ADRG, then MDC; then all that is left"
    )
    overdispersion: Literal["corrected", "winsorised", "truncated"] = Field(
        "corrected", title="漏斗图单元间差异的估计", description="the two published settings flag more than they state"
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


class RobustnessPolicy(Section):
    """稳健性: the policy choices that are tried in every combination, and how many must agree."""

    scopes: list[Literal["region", "level_group"]] = Field(["level_group", "region"], title="参照范围", min_length=1)
    leave_one_out: list[bool] = Field([False, True], title="参照剔除本院", min_length=1)
    trimming: list[Literal["none", "iqr", "percentile", "sd"]] = Field(["none", "iqr"], title="定基裁剪", min_length=1)
    risk_rates: list[Literal["raw", "empirical_bayes"]] = Field(
        ["raw", "empirical_bayes"], title="分级死亡率", min_length=1
    )
    minimum_cases: list[Annotated[int, Field(ge=1)]] = Field(
        [], title="参照组最少例数", description="empty, as with the three on comparison units: only what the run has"
    )
    shocks: list[Literal["with", "without"]] = Field(["with", "without"], title="外部事件年份", min_length=1)
    same_level: list[bool] = Field([], title="对照限同级别组")
    adjustment: list[Literal["baseline", "unadjusted"]] = Field([], title="对照校正")
    matching: list[Literal["unmatched", "baseline"]] = Field([], title="对照匹配")
    methods: list[Text] = Field(
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


class Shock(Section):
    """An outside event that every picture shows, e.g. the COVID years."""

    label: Text = Field(title="事件")
    first: int = Field(title="起始年", ge=1990, le=2100)
    last: int = Field(title="结束年", ge=1990, le=2100)


class RunParams(Section):
    """One evaluation: data, units, policy choices."""

    run: Id = Field(title="运行编号", description="name of the folder under reports/")
    title: Text = Field(title="标题")
    notes: list[Text] = Field(default=[], title="须说明的局限", description="printed on the first page of every report")
    data: Data = Field(title="数据")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", title="计算引擎", description="spark needs the extra and Java 17"
    )
    cycles: Cycles | None = Field(None, title="周期", description="for a before/after evaluation")
    years: Years | None = Field(None, title="年份", description="for an evaluation of one span without before/after")
    specialties: list[Specialty] = Field(default=[], title="专科")
    projects: list[Project] = Field(default=[], title="建设项目")
    minimum_unit_cases: int = Field(100, title="评估单元每周期最少例数", ge=1)
    minimum_value_cases: int = Field(
        10, title="指标值最少例数", ge=1, description="a unit's value on fewer cases reads 例数不足"
    )
    reference: ReferencePolicy = Field(ReferencePolicy(), title="参照")
    trimming: TrimmingPolicy = Field(TrimmingPolicy(), title="裁剪")
    exclusions: ExclusionPolicy = Field(ExclusionPolicy(), title="排除")
    quality: QualityPolicy = Field(QualityPolicy(), title="数据质量")
    weights: WeightPolicy = Field(WeightPolicy(), title="权重")
    risk_grades: RiskPolicy = Field(RiskPolicy(), title="风险分级")
    grouping: GroupingPolicy = Field(GroupingPolicy(), title="分组器版本")
    indicators: IndicatorPolicy = Field(IndicatorPolicy(), title="指标")
    price_index: dict[int, float] = Field(
        default={},
        title="价格指数",
        description="year -> index; divides cost in frozen indicators only; empty = nominal prices",
    )
    change: ChangePolicy = Field(ChangePolicy(), title="前后变化")
    robustness: RobustnessPolicy = Field(RobustnessPolicy(), title="稳健性")
    monitoring: MonitoringPolicy = Field(MonitoringPolicy(), title="监测")
    shocks: list[Shock] = Field(default=[], title="外部事件")
    edition: Literal["internal", "release"] = Field(
        "internal",
        title="版本",
        description="internal: exact; release: small cells hidden, counts rounded (disclosure)",
    )
    disclosure: DisclosurePolicy = Field(DisclosurePolicy(), title="披露控制")

    @model_validator(mode="after")
    def _consistent(self) -> RunParams:
        if bool(self.cycles) == bool(self.years):
            raise ValueError("cycles 与 years 必须且只能给出一个 (give either cycles or years)")
        if not self.specialties and not self.data.synthetic:
            raise ValueError("specialties 不能为空 (declare at least one specialty)")
        ids = [specialty.id for specialty in self.specialties]
        for repeated in {i for i in ids if ids.count(i) > 1}:
            raise ValueError(f"专科编号 {repeated} 重复 (specialty id repeated)")
        owner: dict[str, str] = {}
        for specialty in self.specialties:
            for member in specialty.members:
                if member not in ids or self.specialties[ids.index(member)].members:
                    raise ValueError(
                        f"专科群 {specialty.id} 的成员 {member} 未定义或也是专科群 (a member is undefined or itself a group)"
                    )
            if not (
                specialty.departments
                or specialty.diagnoses
                or specialty.drgs
                or specialty.members
                or self.data.departments
            ):
                raise ValueError(
                    f"专科 {specialty.id} 没有定义: 给出 departments、diagnoses、drgs 或 members，或在 data.departments 给出科别对照表 "
                    "(the specialty has no definition)"
                )
            for code in () if specialty.overlap else specialty.departments:
                if code in owner:
                    raise ValueError(
                        f"科别 {code} 同时属于 {owner[code]} 和 {specialty.id} (two specialties claim one department)"
                    )
                owner[code] = specialty.id
        for project in self.projects:
            if ids and project.specialty not in ids:
                raise ValueError(
                    f"项目的专科 {project.specialty} 未定义, 是否为 {nearest(project.specialty, ids) or ids[0]}? "
                    "(project names an undefined specialty)"
                )
        if self.projects and not self.cycles:
            raise ValueError("projects 需要 cycles (projects are judged over cycles)")
        self._one_version_or_a_bridge()
        if self.price_index and (missing := [y for y in self.all_years if y not in self.price_index]):
            raise ValueError(f"price_index 缺少 {missing} (price index lacks these years)")
        return self

    def _one_version_or_a_bridge(self) -> None:
        versions = self.grouping.versions
        if versions and (missing := [y for y in self.all_years if y not in versions]):
            raise ValueError(f"grouping.versions 缺少 {missing} (no grouper version for these years)")
        if len({versions[y] for y in self.all_years if y in versions}) < 2:
            return
        if self.grouping.bridge is None:
            raise ValueError(
                "各年分组器版本不同，DRG 不可比：请用同一版本重新分组后不写 versions，或给出 grouping.bridge "
                "(DRGs of different grouper versions do not compare: regroup, or declare a bridge)"
            )
        if len({versions[y] for y in range(self.baseline.first, self.baseline.last + 1)}) > 1:
            raise ValueError("建设前各年须为同一分组器版本 (the years before must be of one version)")
        if self.trimming.on("frozen") != "none":
            raise ValueError("有 grouping.bridge 时 trimming.frozen 须为 none (no fixed trim limits over a bridge)")

    @property
    def periods(self) -> dict[str, Years]:
        """Cycle label -> years: `before` and `after`, or `whole` for an evaluation of one span."""
        if self.cycles:
            return {"before": self.cycles.before, "after": self.cycles.after}
        assert self.years is not None  # noqa: S101  one of the two is given: _consistent
        return {"whole": self.years}

    @property
    def all_years(self) -> tuple[int, ...]:
        return tuple(sorted(y for years in self.periods.values() for y in range(years.first, years.last + 1)))

    @property
    def baseline(self) -> Years:
        """The period that frozen references, weights and grades are fixed at."""
        return next(iter(self.periods.values()))


POLICY_SECTIONS = (
    "reference",
    "trimming",
    "exclusions",
    "quality",
    "weights",
    "risk_grades",
    "grouping",
    "indicators",
    "change",
    "monitoring",
)
_WORDS = {
    "unmatched": "不匹配",
    "baseline": "按建设前水平",
    "unadjusted": "不校正",
    True: "是",
    False: "否",
    None: "无",
    "region": "全区域",
    "level_group": "同级别组",
    "iqr": "四分位距法",
    "pro_forma": "全部年份并入新机构",
    "as_reported": "自变更之日起并入新机构",
    "percentile": "百分位法",
    "sd": "标准差法",
    "none": "不裁剪",
    "same": "同上",
    "reference": "参照数据",
    "records": "病案自带",
    "corrected": "两端截尾并校正（负二项限）",
    "winsorised": "两端截尾（CQC）",
    "truncated": "两端剔除（SHMI）",
    "file": "外部表",
    "year": "当年",
    "cycle": "所在周期",
    "five_class": "五类费用标准化",
    "raw": "实际死亡率",
    "empirical_bayes": "经验贝叶斯收缩率",
    "cases": "按例数加权",
    "apart": "单列为 0 级",
    "low": "并入低风险",
}


def word(value: str) -> str:
    """A policy choice as reports print it."""
    return _WORDS.get(value, value)


def policies(params: RunParams) -> tuple[tuple[str, str], ...]:
    """Every policy choice that shapes a number, as (Chinese name, printed value), in the order of the sections."""
    rows = [
        (RunParams.model_fields[n].title or "", str(getattr(params, n)))
        for n in ("minimum_unit_cases", "minimum_value_cases")
    ]
    for section_name in POLICY_SECTIONS:
        section = getattr(params, section_name)
        unused = _UNUSED.get(getattr(section, "method", ""), ())
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            if name in unused:
                continue
            if isinstance(value, Section):
                within = type(value).model_fields.items()
                said = [(sub.title or "", getattr(value, n)) for n, sub in within]
                rows += [(f"{field.title}：{title}", _WORDS.get(one, str(one))) for title, one in said]
                continue
            if isinstance(value, dict):
                text = "、".join(f"{k} 年 {v}" for k, v in sorted(value.items())) or "未声明（视为同一版本）"
            elif isinstance(value, list):
                text = "、".join(map(str, value)) or "无"
            elif isinstance(value, Path):
                text = value.name
            elif isinstance(value, (bool, str, type(None))):
                text = _WORDS.get(value, str(value))
            else:
                text = str(value) if name.endswith("year") else f"{value:,.12g}"
            if (section_name, name) == ("weights", "trimmed") and value and params.trimming.on("frozen") == "none":
                text = "是（定基口径不裁剪，故只用于当期口径）"
            rows.append((f"{RunParams.model_fields[section_name].title}：{field.title}", text))
    price = "、".join(f"{y} 年 {v:g}" for y, v in sorted(params.price_index.items())) or "不调整（名义价格）"
    rows.append(("价格指数", price))
    return tuple(rows)


_OF_METHOD = {
    "iqr": ("iqr_below", "iqr_above"),
    "percentile": ("percentile_low", "percentile_high"),
    "sd": ("deviations",),
    "none": (),
}
_UNUSED = {m: tuple(f for other, fields in _OF_METHOD.items() if other != m for f in fields) for m in _OF_METHOD}


# --- reading -----------------------------------------------------------------------------------------------------------


def load_params(path: Path) -> RunParams:
    """Read and check a parameter file. Relative paths in it are relative to the file itself.

    Raises
    ------
    ParameterError
        With file, line, what was expected and the nearest valid key.
    """
    path = Path(path)
    values, lines = read_yaml(path)
    params = validate(RunParams, values, lines, path)
    return _resolve_paths(params, path.resolve().parent, lines, path)


def _resolve_paths(params: RunParams, folder: Path, lines: dict[tuple, int], path: Path) -> RunParams:
    def found(given: Path, loc: tuple, may_be_absent: bool = False) -> Path:
        resolved = given if given.is_absolute() else (folder / given)
        if not resolved.exists() and not may_be_absent:
            line = next((lines[loc[:k]] for k in range(len(loc), -1, -1) if loc[:k] in lines), 1)
            near = nearest(
                resolved.name, [p.name for p in resolved.parent.iterdir()] if resolved.parent.is_dir() else []
            )
            raise ParameterError(
                f"路径不存在: {given}",
                "path does not exist",
                where=f"{path}:{line} {'.'.join(map(str, loc))}",
                remedy=f"相对路径以参数文件所在文件夹为起点; 是否为 {near}?"
                if near
                else "相对路径以参数文件所在文件夹为起点",
                remedy_english="relative paths start at the parameter file's folder",
            )
        return resolved.resolve()

    data = params.data
    files = []
    for i, given in enumerate(data.files):
        pattern = Path(given)
        if any(c in given for c in "*?["):
            base = folder if not pattern.is_absolute() else Path(pattern.anchor)
            relative = given if not pattern.is_absolute() else str(pattern.relative_to(pattern.anchor))
            matched = sorted(base.glob(relative))
            if not matched:
                found(pattern.parent, ("data", "files", i))
                raise ParameterError(
                    f"没有文件与 {given} 相符",
                    "no file matches",
                    where=f"{path}:{lines.get(('data', 'files', i), 1)}",
                    remedy="检查通配符",
                    remedy_english="check the pattern",
                )
            files += [str(m.resolve()) for m in matched]
        else:
            files.append(str(found(pattern, ("data", "files", i))))
    changes: dict[str, Any] = {"files": files}
    if data.format.endswith((".yaml", ".yml")):
        changes["format"] = str(found(Path(data.format), ("data", "format")))
    params = params.model_copy(update={"data": data.model_copy(update=changes)})
    return _with_paths(params, (), found)


MAY_BE_ABSENT = "may_be_absent"  # in `json_schema_extra` of a path that the run itself may make


def _with_paths(section: Any, loc: tuple, found: Any) -> Any:
    """The section with every path in it, at any depth, made absolute; `found` refuses one that does not exist."""
    updates: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*loc, name)
        if isinstance(value, Path):
            extra = field.json_schema_extra
            absent = isinstance(extra, dict) and bool(extra.get(MAY_BE_ABSENT))
            updates[name] = found(value, here, absent)
        elif isinstance(value, Section):
            updates[name] = _with_paths(value, here, found)
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            updates[name] = [_with_paths(one, (*here, i), found) for i, one in enumerate(value)]
        elif isinstance(value, list) and value and isinstance(value[0], Path):
            updates[name] = [found(one, (*here, i)) for i, one in enumerate(value)]
    return section.model_copy(update=updates)


def json_schema() -> str:
    """The JSON Schema that editors complete from; kept at params/schema.json."""
    return json.dumps(RunParams.model_json_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
