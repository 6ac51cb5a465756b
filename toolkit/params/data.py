"""What is evaluated: records and the lists beside them, periods, specialties, projects, outside events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from toolkit.params.fields import Choice, Code, Department, Id, MayBeAbsent, NotPrinted, Says, Text, YamlPath
from toolkit.strict_yaml import Section

LENGTH = 3  # years of a cycle
SPECIALTY_SEPARATOR = "+"  # between the ids of a discharge that counts in several specialties; no id holds it


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


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """One pair of windows: the cycle of the projects that start in one year, against one of the cycles before it.

    Attributes
    ----------
    start
        First year of the cycle.
    against
        How many cycles before it the other one is: 1 (k − 1) or 2 (k − 2).
    """

    start: int
    against: int
    before: Years
    after: Years

    @property
    def id(self) -> str:
        """Of the cohort, `2022`; of its comparison with the cycle before the last, `2022-2`."""
        return f"{self.start}" if self.against == 1 else f"{self.start}-{self.against}"

    @property
    def years(self) -> tuple[int, ...]:
        return tuple(y for span in (self.before, self.after) for y in range(span.first, span.last + 1))


class Cycles(Section):
    """建设周期: the cycle itself (`after`) and the three years before it (`before`)."""

    before: Years = Field(title="建设前 3 年")
    after: Years = Field(title="建设周期 3 年")
    further: bool = Field(
        False,
        title="另与再前一周期比较",
        description="also cycle k against k − 2: the three years before `before`, for every project",
    )

    @model_validator(mode="after")
    def _three_years_each(self) -> Cycles:
        for name, years in (("before", self.before), ("after", self.after)):
            if years.last - years.first != LENGTH - 1:
                raise ValueError(
                    f"{name} 为 {years.label}, 周期必须是连续 3 个自然年 (a cycle is three consecutive calendar years)"
                )
        if self.after.first <= self.before.last:
            raise ValueError("after 必须在 before 之后 (the cycle must begin after the years before it)")
        return self

    def cohort(self, start: int, against: int = 1) -> Cohort:
        """The windows of a cycle that starts in another year: as far apart as these."""
        moved = start - self.after.first
        back = moved - LENGTH * (against - 1)
        return Cohort(
            start=start,
            against=against,
            before=Years(first=self.before.first + back, last=self.before.last + back),
            after=Years(first=start, last=self.after.last + moved),
        )


class Selection(Choice):
    """How a generated region chooses its projects."""

    MERIT = "merit", "按建设前成绩"
    RANDOM = "random", "随机"


class Synthetic(Section):
    """合成数据: a generated region instead of files."""

    discharges: int = Field(150_000, title="出院病例数", ge=1_000, le=1_000_000_000)
    seed: int = Field(2024, title="随机种子", ge=0)
    hospitals: int = Field(24, title="医疗机构数", ge=6, le=3000)
    projects: int = Field(12, title="建设项目数", ge=0, le=60)
    chosen: list[Text] = Field(
        default=[],
        title="已定的建设项目",
        description='"hospital specialty" of projects that were chosen elsewhere, in place of the region\'s own',
    )
    selection: Selection = Field(Selection.MERIT, title="立项方式")
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
    ignore_zeros: bool = Field(
        False,
        title="键不计前导 0",
        description="record and hospital numbers that differ only in leading zeros are taken for the same",
    )
    least_share: float = Field(
        0.5, title="配上分组结果的病例最低占比，不足则停止", ge=0, le=1, description="0: never stop"
    )


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


class FromPath(Section):
    """A value that stands in the path of a file: of its folder, its name, the name of a sheet."""

    pattern: Text = Field(
        title="正则表达式",
        description='with one group; searched in "folder/file › sheet", the path below the folder that files names',
    )
    stands_for: dict[str, str] = Field(
        default={}, title="取值对照", description="what a name in the path stands for; others stay as they are"
    )

    @model_validator(mode="after")
    def _one_group(self) -> FromPath:
        try:
            groups = re.compile(self.pattern).groups
        except re.error:
            groups = 0
        if groups != 1:
            raise ValueError("pattern 须为有且只有一个括号组的正则表达式 (a regular expression with one group)")
        return self


class FileGroup(Section):
    """Files of one format, and what they do not say themselves.

    A table of a file that several groups name is read by the first of them whose columns it has.
    """

    format: Text = Field(title="格式", description="id of a shipped format map, or the path of a YAML map of your own")
    files: list[Text] = Field(title="文件、通配符或文件夹", min_length=1)
    fixed: dict[str, Text] = Field(
        default={}, title="固定值", description='field -> value of all these files: {hospital: "0012"}'
    )
    from_path: dict[str, FromPath] = Field(
        default={}, title="取自路径的值", description="field -> where in the path it stands"
    )
    columns: dict[str, Text] = Field(
        default={}, title="另用的列名", description="field -> its column in these files, in place of the map's"
    )

    @model_validator(mode="after")
    def _said_once(self) -> FileGroup:
        said = [*self.fixed, *self.from_path, *self.columns]
        if twice := sorted({name for name in said if said.count(name) > 1}):
            raise ValueError(f"{'、'.join(twice)} 给出了两次 (a field is given twice)")
        return self


class Data(Section):
    """Where the records are and what format they have."""

    format: str = Field(
        "", title="格式", description="id of a shipped format map, or the path of a YAML map of your own"
    )
    files: list[Text] = Field(default=[], title="文件、通配符或文件夹")
    sources: list[FileGroup] = Field(
        default=[],
        title="多种格式的文件",
        description="in place of format and files, where they are of several formats",
    )
    sums: YamlPath | None = Field(
        None,
        title="汇总表",
        description="CSV in place of records: hospital,specialty,year,drg,n and sums (docs/sums-and-values.md)",
    )
    values: YamlPath | None = Field(
        None,
        title="数值表",
        description="CSV in place of records: hospital,specialty,year,indicator and n,value or x,y or observed,expected",
    )
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
        "to run. Without it a run draws its own, kept by its name in your state folder. No number depends on it.",
    )
    submissions: Annotated[YamlPath | None, MayBeAbsent()] = Field(
        None,
        title="报送登记册",
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
        if sum(map(bool, (self.files, self.sources, self.synthetic, self.sums, self.values))) != 1:
            raise ValueError(
                "files、sources、synthetic、sums、values 必须且只能给出一个 "
                "(give one of files, sources, synthetic, sums, values)"
            )
        if bool(self.format) == bool(self.sources or self.summed):
            raise ValueError(
                "files 和 synthetic 需要 format; sources 中每组各有自己的 format, sums 和 values 没有 (format, once)"
            )
        if self.summed and (self.grouper or self.drg_file or self.submissions):
            raise ValueError(
                "sums、values 不是病案, 不能与 grouper、drg_file、submissions 同时给出 (these are of records)"
            )
        if self.grouper and (self.drg_file or self.synthetic):
            raise ValueError("grouper 与 drg_file、synthetic 不能同时给出 (a grouper stands in place of drg_file)")
        if self.submissions and not self.arrived:
            raise ValueError("submissions 需要 arrived: 新文件收到的日期, 如 2025-03-01 (give the day of arrival)")
        return self

    @property
    def summed(self) -> bool:
        """Whether the source has no records: sums or values that others made."""
        return self.sums is not None or self.values is not None

    @property
    def valued(self) -> bool:
        """Whether the source is values of indicators."""
        return self.values is not None

    @property
    def table(self) -> Path | None:
        """The table in place of records."""
        return self.sums or self.values

    @property
    def groups(self) -> list[FileGroup]:
        """The files by format; those of `files` are one group, and a generated region has none."""
        return self.sources or ([FileGroup(format=self.format, files=self.files)] if self.files else [])

    @property
    def entries(self) -> list[str]:
        """Files and folders of all groups."""
        return list(dict.fromkeys(entry for group in self.groups for entry in group.files))


class Specialty(Section):
    """专科: a named set of discharges, by departments, principal-diagnosis or DRG prefixes, or as a group of specialties."""

    id: Annotated[Id, NotPrinted("readers see its name")] = Field(title="专科编号")
    name_zh: Text = Field(title="专科名称")
    surgical: bool = Field(False, title="外科为主", description="only then surgery shares apply; else they read 不适用")
    departments: list[Department] = Field(default=[], title="出院科别代码")
    diagnoses: list[Code] = Field(default=[], title="主要诊断编码前缀")
    drgs: list[Code] = Field(default=[], title="DRG 前缀")
    members: Annotated[list[Id], Says(names="specialty")] = Field(
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
    """建设项目: a hospital's specialty that was funded for a cycle."""

    hospital: Code = Field(title="医疗机构代码")
    specialty: Id = Field(title="专科编号")
    level: Literal["国家", "省", "市", "县"] = Field("市", title="项目级别")
    start: int | None = Field(
        None,
        title="起始年",
        ge=1990,
        le=2100,
        description="first year of the project's own cycle, where it is not that of `cycles`; its windows are its own 3 + 3 "
        "years. A unit whose projects followed one another is named once for each",
    )


class Shock(Section):
    """An outside event that every picture shows, e.g. the COVID years."""

    label: Text = Field(title="事件")
    first: int = Field(title="起始年", ge=1990, le=2100)
    last: int = Field(title="结束年", ge=1990, le=2100)

    def __str__(self) -> str:
        return f"{self.label}（{self.first}–{self.last} 年）"
