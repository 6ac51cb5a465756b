"""Tables of the intake: files, records and what became of them."""

from __future__ import annotations

from toolkit.data.accounts.register import Standing
from toolkit.data.quality.base import Fate
from toolkit.declared import Col, TableDecl
from toolkit.evaluation.tables.common import YEAR, N

_HOSPITAL = Col("hospital", str, "机构", meaning="机构代码；空为不明")
_FILE = Col("file", int, "文件号", meaning="files 中的编号")
_FATE = Col("fate", str, "去向", words=Fate.words())
_RULE = Col("rule", str, "规则", meaning="首要原因的规则编号；空为没有")

HOSPITALS = TableDecl(
    name="hospitals",
    zh="机构",
    one_row="a hospital of the registry, or of the data where the run has no registry",
    one_row_zh="名录中的一家机构；没有名录时为数据中的一家机构",
    key=("code",),
    columns=(
        Col("code", str, "机构代码"),
        Col("name", str, "机构名称"),
        Col("level", str, "等级"),
        Col("level_group", str, "级别组", meaning="参照与对照所用的分组"),
        Col("tier", str, "市县"),
        Col("county", str, "所在县区"),
        Col("aliases", str, "其他名称", meaning="旧名、分院等，以分号分开"),
    ),
    stage="intake",
    release="hospitals",
    crate=True,
)
FILES = TableDecl(
    name="files",
    zh="报送文件",
    one_row="a table that was handed in: a file, a member of an archive or a sheet of a workbook, read or not",
    one_row_zh="一张报送的表：一个文件、压缩包内的一个文件或工作簿的一张工作表，不论是否读取",
    key=("file",),
    columns=(
        Col("file", int, "文件号"),
        Col("name", str, "文件名"),
        Col("sha256", str, "SHA-256"),
        Col("size", int, "大小", "字节"),
        Col("kind", str, "类型", meaning="按文件的首字节判断，不看扩展名"),
        Col("encoding", str, "编码"),
        Col(
            "status",
            str,
            "状态",
            words=(("read", "读取"), ("refused", "拒收"), ("skipped", "跳过")),
            meaning="跳过的不是数据，如锁文件、空工作表",
        ),
        Col("rows", int, "表头以下的行数", "行", meaning="拒收和跳过的也计；缺失为无法计数"),
        Col("received", int, "收到记录", "条"),
        Col("rejected", str, "拒收原因", meaning="空为接收"),
        Col("rejected_by", str, "拒收规则", meaning="规则编号；空为接收，或不因规则"),
        Col("dropped", str, "删除的列", meaning="含直接标识信息的列，接收时删除"),
        Col("warnings", str, "提示", meaning="整份文件的规则所说"),
    ),
    stage="intake",
    release="files",
    crate=True,
)
ACCOUNTS = TableDecl(
    name="accounts",
    zh="记录去向",
    one_row="a file, hospital, year, fate and set of rules that records were hit by",
    one_row_zh="一个文件、机构、年份、去向与所触规则组合",
    key=("file", "hospital", "year", "fate", "rule", "rules"),
    columns=(
        _FILE,
        _HOSPITAL,
        YEAR,
        _FATE,
        _RULE,
        Col("rules", str, "所触规则", meaning="全部触发的规则，如 |D07|D08|"),
        N,
    ),
    stage="intake",
    release="accounts",
    crate=True,
)
HOSPITAL_WARNINGS = TableDecl(
    name="hospital_warnings",
    zh="机构年度提示",
    one_row="a finding of a rule over a hospital's year",
    one_row_zh="一条规则对一家机构一年（或其一月）的一项发现",
    key=("hospital", "specialty", "year", "rule", "message"),
    columns=(
        _HOSPITAL,
        Col("specialty", str, "专科", meaning="空为全院"),
        YEAR,
        Col("rule", str, "规则"),
        Col("value", float, "数值"),
        Col("limit", float, "界值"),
        Col("message", str, "说明"),
    ),
    stage="intake",
)
BALANCE = TableDecl(
    name="balance",
    zh="平衡表",
    one_row="a file, hospital, group of measures, fate and primary reason",
    one_row_zh="一个文件、机构、一类指标、去向与首要原因",
    key=("file", "hospital", "measure", "fate", "rule"),
    columns=(
        _FILE,
        _HOSPITAL,
        Col("measure", str, "指标类别", meaning="all 为记录本身；其余为受影响的指标类别"),
        _FATE,
        Col("rule", str, "规则", meaning="首要原因；空为纳入；— 为数值缺失且没有适用的规则"),
        N,
    ),
    stage="intake",
)
PROFILE = TableDecl(
    name="profile",
    zh="字段完整性",
    one_row="a hospital, year and key field, over the records that no declared rule excludes",
    one_row_zh="一家机构、一年、一个关键字段（不含按声明排除的记录）",
    key=("hospital", "year", "field"),
    columns=(
        _HOSPITAL,
        YEAR,
        Col("field", str, "字段"),
        N,
        Col("missing", int, "缺失", "例"),
        Col("total", int, "编码个数", "个", "其他诊断的编码总数；其他字段为 0"),
    ),
    stage="intake",
)
QUARANTINE_EFFECT = TableDecl(
    name="quarantine_effect",
    zh="隔离记录的影响",
    one_row="a hospital, group of measures, and whether its records are used or in quarantine",
    one_row_zh="一家机构、一类指标，以及所含记录已用还是隔离",
    key=("hospital", "measure", "used"),
    columns=(
        _HOSPITAL,
        Col("measure", str, "指标类别"),
        Col("used", bool, "已用", meaning="否为在隔离中"),
        Col("n", int, "有值例数", "例"),
        Col("x", int, "合计", meaning="费用为分，住院日为天，死亡与入组为例"),
    ),
    stage="intake",
)
SUBMISSIONS = TableDecl(
    name="submissions",
    zh="报送登记",
    one_row="a submitted file and hospital of the register; none without a register",
    one_row_zh="登记簿中的一个文件与机构；没有登记簿时为空",
    key=("sha256", "hospital"),
    columns=(
        Col("sha256", str, "SHA-256"),
        Col("name", str, "文件名"),
        Col("arrived", str, "收到时间"),
        _HOSPITAL,
        Col("status", str, "状态", words=Standing.words()),
        Col("replaced_by", str, "替代文件", meaning="替代它的文件的 SHA-256"),
        Col("received", int, "收到", "例"),
        Col("accepted", int, "纳入", "例"),
        Col("excluded", int, "排除", "例"),
        Col("quarantined", int, "隔离", "例"),
        Col("first", str, "起"),
        Col("last", str, "止"),
        Col("note", str, "备注"),
    ),
    stage="intake",
)
SUBMITTED_RULES = TableDecl(
    name="submitted_rules",
    zh="报送文件所触规则",
    one_row="a submitted file, hospital and rule",
    one_row_zh="一个报送文件、机构与规则",
    key=("sha256", "hospital", "rule"),
    columns=(Col("sha256", str, "SHA-256"), _HOSPITAL, Col("rule", str, "规则"), N),
    stage="intake",
)

INTAKE: tuple[TableDecl, ...] = (
    HOSPITALS,
    FILES,
    ACCOUNTS,
    HOSPITAL_WARNINGS,
    BALANCE,
    PROFILE,
    QUARANTINE_EFFECT,
    SUBMISSIONS,
    SUBMITTED_RULES,
)
