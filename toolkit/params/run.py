"""All parameters of one evaluation, and the rules that hold across its sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, ValidationInfo, model_validator

from toolkit.errors import nearest
from toolkit.params.data import Cohort, Cycles, Data, Project, Shock, Specialty, Years
from toolkit.params.fields import Choice, Id, NotPrinted, OnlyWith, Says, Text
from toolkit.params.policies import (
    BreakPolicy,
    ChangePolicy,
    DisclosurePolicy,
    ExclusionPolicy,
    GroupingPolicy,
    IndicatorPolicy,
    MonitoringPolicy,
    QualityPolicy,
    ReferencePolicy,
    RiskPolicy,
    RobustnessPolicy,
    Trimming,
    TrimmingPolicy,
    WeightPolicy,
    WeightSource,
)
from toolkit.strict_yaml import Fault, Section

FIELDS_ONLY = object()  # as context of the validation: the rules across sections are asked by themselves


class EngineName(Choice):
    """Which engine counts; no number depends on it."""

    DUCKDB = "duckdb", "DuckDB"
    SPARK = "spark", "Spark"


class Edition(Choice):
    """Who may read the reports."""

    INTERNAL = "internal", "内部评估版"
    RELEASE = "release", "发布版"


class RunParams(Section):
    """One evaluation: data, units, policy choices. What is not marked `NotPrinted` stands in every report."""

    run: Annotated[Id, NotPrinted("on every page")] = Field(
        title="运行编号", description="name of the folder under reports/"
    )
    title: Annotated[Text, NotPrinted("on the first page")] = Field(title="标题")
    notes: Annotated[list[Text], NotPrinted("on the first page")] = Field(
        default=[], title="须说明的局限", description="printed on the first page of every report"
    )
    data: Annotated[Data, NotPrinted("format and grouper on the first page, files and lists in the data report")] = (
        Field(title="数据")
    )
    engine: Annotated[EngineName, NotPrinted("no number depends on it")] = Field(
        EngineName.DUCKDB, title="计算引擎", description="spark needs the extra and Java 17"
    )
    cycles: Annotated[Cycles | None, NotPrinted("on the first page")] = Field(
        None, title="周期", description="for a before/after evaluation"
    )
    years: Annotated[Years | None, NotPrinted("on the first page")] = Field(
        None, title="年份", description="for an evaluation of one span without before/after"
    )
    specialties: Annotated[list[Specialty], Says(empty="随数据生成")] = Field(default=[], title="专科")
    projects: Annotated[list[Project], NotPrinted("each has its own report")] = Field(default=[], title="建设项目")
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
    price_index: Annotated[dict[int, float], Says(empty="不调整（名义价格）")] = Field(
        default={},
        title="价格指数",
        description="year -> index; divides cost in frozen indicators only; empty = nominal prices",
    )
    change: ChangePolicy = Field(ChangePolicy(), title="前后变化")
    robustness: RobustnessPolicy = Field(RobustnessPolicy(), title="稳健性")
    monitoring: MonitoringPolicy = Field(MonitoringPolicy(), title="监测")
    breaks: BreakPolicy = Field(BreakPolicy(), title="数据断点")
    shocks: list[Shock] = Field(default=[], title="外部事件")
    edition: Annotated[Edition, NotPrinted("on every page")] = Field(
        Edition.INTERNAL,
        title="版本",
        description="internal: exact; release: small cells hidden, counts rounded (disclosure)",
    )
    disclosure: Annotated[DisclosurePolicy, OnlyWith("edition", Edition.RELEASE)] = Field(
        DisclosurePolicy(), title="披露控制"
    )

    @model_validator(mode="after")
    def _trimmed_as_the_means_are(self) -> RunParams:
        """A published table of means brings its own trim limits; written out, so that a kept parameter file says it too."""
        if self.reference.means is not None and "method" not in self.trimming.model_fields_set:
            # codes of a later grouper version stand in no table of the earlier one: nothing can be cut there
            method = Trimming.NONE if self.grouping.bridge is not None else Trimming.TABLE
            self.__dict__["trimming"] = self.trimming.model_copy(update={"method": method})
        return self

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> RunParams:
        if info.context is not FIELDS_ONLY and (faults := faults_across(self)):
            raise ValueError("; ".join(f"{fault.problem} ({fault.english})" for fault in faults))
        return self

    @property
    def periods(self) -> dict[str, Years]:
        """Cycle label -> years: `before` and `after`, or `whole` for an evaluation of one span."""
        if self.cycles:
            return {"before": self.cycles.before, "after": self.cycles.after}
        return {"whole": self.years} if self.years else {}  # neither: refused below

    @property
    def cohorts(self) -> tuple[Cohort, ...]:
        """Every pair of windows that the run compares: first that of `cycles`, then those of other starting years.

        A run whose projects all start with its cycle has one; a run without cycles none.
        """
        if self.cycles is None:
            return ()
        own = self.cycles.after.first
        others = sorted({self.started(p) for p in self.projects} - {own})
        return tuple(
            self.cycles.cohort(start, against)
            for against in ((1, 2) if self.cycles.further else (1,))
            for start in (own, *others)
        )

    def started(self, project: Project) -> int:
        """First year of a project's cycle."""
        assert self.cycles is not None  # noqa: S101  projects are judged over cycles
        return project.start or self.cycles.after.first

    @property
    def own_projects(self) -> set[tuple[str, str]]:
        """Hospital and specialty of the projects whose cycle is that of `cycles`."""
        if self.cycles is None:
            return set()
        return {(p.hospital, p.specialty) for p in self.projects if self.started(p) == self.cycles.after.first}

    def over(self, cohort: Cohort) -> RunParams:
        """The same run asked about the windows of one cohort only; its projects keep the year that they start in."""
        projects = [p.model_copy(update={"start": self.started(p)}) for p in self.projects]
        cycles = Cycles(before=cohort.before, after=cohort.after)
        return self.model_copy(update={"cycles": cycles, "projects": projects})

    @property
    def all_years(self) -> tuple[int, ...]:
        """Every year that one of the windows needs."""
        spans = self.periods.values() if self.cycles is None else ()
        needed = {y for years in spans for y in range(years.first, years.last + 1)}
        return tuple(sorted(needed.union(*(cohort.years for cohort in self.cohorts))))

    def others_only(self, basis: str) -> bool:
        """Whether a hospital's reference means are those of the other hospitals: for change they are, unless told otherwise."""
        change = basis == "frozen" and self.cycles is not None and self.reference.means is None
        return self.reference.leave_one_out or (change and self.reference.frozen == "leave_one_out")

    @property
    def baseline(self) -> Years:
        """The period that frozen references, weights and grades are fixed at."""
        return next(iter(self.periods.values()))


# --- rules across sections: each yields what is wrong, and where ----------------------------------------------------------


def faults_across(run: RunParams) -> list[Fault]:
    """All that is wrong between sections, each of which is right in itself."""
    return [fault for rule in ACROSS_SECTIONS for fault in rule(run)]


RELEASE_SUFFIX = "-release"  # of the folder of a run's release edition


def _not_named_like_a_release(run: RunParams) -> Iterator[Fault]:
    if run.run.lower().endswith(RELEASE_SUFFIX):
        yield Fault(
            ("run",),
            f"运行编号不能以 {RELEASE_SUFFIX} 结尾：那是发布版文件夹的名字",
            f"a run is not named like a release: {RELEASE_SUFFIX} ends the folder of its release edition",
            "换一个编号",
            "choose another name",
        )


def _one_time_span(run: RunParams) -> Iterator[Fault]:
    if bool(run.cycles) == bool(run.years):
        yield Fault((), "cycles 与 years 必须且只能给出一个", "give either cycles or years")
    if run.projects and run.years and not run.cycles:
        yield Fault(("projects",), "projects 需要 cycles", "projects are judged over cycles")


def _some_specialty(run: RunParams) -> Iterator[Fault]:
    if not run.specialties and not run.data.synthetic:
        yield Fault(("specialties",), "specialties 不能为空", "declare at least one specialty")


def _distinct_specialties(run: RunParams) -> Iterator[Fault]:
    seen = Counter[str]()
    for number, one in enumerate(run.specialties):
        seen[one.id] += 1
        if seen[one.id] == 2:
            yield Fault(("specialties", number, "id"), f"专科编号 {one.id} 重复", "specialty id repeated")


def _members_exist(run: RunParams) -> Iterator[Fault]:
    plain = [one.id for one in run.specialties if not one.members]
    for number, one in enumerate(run.specialties):
        for member in one.members:
            if member not in plain:
                yield Fault(
                    ("specialties", number, "members"),
                    f"专科群 {one.id} 的成员 {member} 未定义或也是专科群",
                    "a member is undefined or itself a group",
                    *_did_you_mean(member, plain),
                )


def _defined_specialties(run: RunParams) -> Iterator[Fault]:
    for number, one in enumerate(run.specialties):
        if run.data.summed:
            if one.members:
                yield Fault(
                    ("specialties", number, "members"),
                    "sums、values 中的专科不能由其他专科组成",
                    "a group of specialties is made of records",
                )
            continue
        if not (one.departments or one.diagnoses or one.drgs or one.members or run.data.departments):
            yield Fault(
                ("specialties", number),
                f"专科 {one.id} 没有定义",
                "the specialty has no definition",
                "给出 departments、diagnoses、drgs 或 members，或在 data.departments 给出科别对照表",
                "give one of these, or a table of departments",
            )


def _one_owner_a_department(run: RunParams) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for number, one in enumerate(run.specialties):
        for code in () if one.overlap else one.departments:
            if code in owner:
                yield Fault(
                    ("specialties", number, "departments"),
                    f"科别 {code} 同时属于 {owner[code]} 和 {one.id}",
                    "two specialties claim one department",
                )
            owner[code] = one.id


def _specialties_of_projects(run: RunParams) -> Iterator[Fault]:
    ids = [one.id for one in run.specialties]
    for number, project in enumerate(run.projects):
        if ids and project.specialty not in ids:
            yield Fault(
                ("projects", number, "specialty"),
                f"项目的专科 {project.specialty} 未定义",
                "project names an undefined specialty",
                *_did_you_mean(project.specialty, ids),
            )


def _distinct_projects(run: RunParams) -> Iterator[Fault]:
    if run.cycles is None:
        return
    seen: set[tuple[str, str, int]] = set()
    for number, project in enumerate(run.projects):
        one = (project.hospital, project.specialty, run.started(project))
        if one in seen:
            yield Fault(
                ("projects", number),
                f"项目 {project.hospital} {project.specialty}（{one[2]} 年起）重复",
                "the project is named twice",
                "同一专科先后立项的，各写不同的 start",
                "projects of one unit that followed one another have different starts",
            )
        seen.add(one)


def _did_you_mean(given: str, known: list[str]) -> tuple[str, str]:
    near = nearest(given, known)
    return (f"是否为 {near}?", f"did you mean {near}?") if near else (f"可用: {'、'.join(known)}", "one of these")


def _one_version_or_a_bridge(run: RunParams) -> Iterator[Fault]:
    versions = run.grouping.versions
    if versions and (missing := [y for y in run.all_years if y not in versions]):
        yield Fault(("grouping", "versions"), f"grouping.versions 缺少 {missing}", "no grouper version for these years")
    if len({versions[y] for y in run.all_years if y in versions}) < 2:
        return
    if run.grouping.bridge is None:
        yield Fault(
            ("grouping", "versions"),
            "各年分组器版本不同，DRG 不可比",
            "DRGs of different grouper versions do not compare",
            "请用同一版本重新分组后不写 versions，或给出 grouping.bridge",
            "regroup, or declare a bridge",
        )
        return
    baselines = [c.before for c in run.cohorts] or [run.baseline]
    if any(len({versions.get(y) for y in range(b.first, b.last + 1)}) > 1 for b in baselines):
        yield Fault(("grouping", "versions"), "建设前各年须为同一分组器版本", "the years before must be of one version")
    if run.trimming.on("frozen") != Trimming.NONE:
        yield Fault(
            ("trimming", "frozen"),
            "有 grouping.bridge 时 trimming.frozen 须为 none",
            "no fixed trim limits over a bridge",
        )


def _prices_of_all_years(run: RunParams) -> Iterator[Fault]:
    if run.price_index and (missing := [y for y in run.all_years if y not in run.price_index]):
        yield Fault(("price_index",), f"price_index 缺少 {missing}", "price index lacks these years")


def _trimmed_as_the_means(run: RunParams) -> Iterator[Fault]:
    method = run.trimming.method
    if run.reference.means is None and method == Trimming.TABLE:
        yield Fault(
            ("trimming", "method"), "method: table 需要 reference.means", "limits of a table need a table of means"
        )
    if run.reference.means is not None and method not in (Trimming.TABLE, Trimming.NONE):
        yield Fault(
            ("trimming", "method"),
            f"外部均值表的均值不是按 {method.value} 裁剪的，只裁剪病例会使指数失真",
            "records cut in another way than those of the published means do not compare",
            "不写 trimming.method：表中有裁剪界限时按表裁剪，没有时不裁剪",
            "drop trimming.method: the table's own limits hold, or nothing is trimmed",
        )


def _nothing_of_single_cases(run: RunParams) -> Iterator[Fault]:
    """Of sums nothing can be cut, and no case has an age; said rather than done."""
    if not run.data.summed:
        return
    asked = (
        (("trimming", "method"), run.trimming.method != Trimming.NONE, "none"),
        (("robustness", "trimming"), run.robustness.trimming != [Trimming.NONE], "[none]"),
        (("monitoring", "covariates"), bool(run.monitoring.covariates), "[]"),
        (("weights", "source"), run.weights.source in (WeightSource.RECORDS, WeightSource.FIVE_CLASS), "reference"),
        (("engine",), run.engine != EngineName.DUCKDB, "duckdb"),
    )
    for loc, wrong, right in asked:
        if wrong:
            name = ".".join(loc)
            yield Fault(
                loc,
                f"{name} 需要病案；来源为 sums 或 values 时须为 {right}",
                f"{name} needs records; of sums or values it must be {right}",
            )


ACROSS_SECTIONS = (
    _not_named_like_a_release,
    _one_time_span,
    _some_specialty,
    _distinct_specialties,
    _members_exist,
    _defined_specialties,
    _one_owner_a_department,
    _specialties_of_projects,
    _distinct_projects,
    _nothing_of_single_cases,
    _one_version_or_a_bridge,
    _prices_of_all_years,
    _trimmed_as_the_means,
)
