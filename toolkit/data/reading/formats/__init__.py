"""Format maps: how the columns of a source file become the canonical table.

A map is one YAML file: in this folder, of the user's own, or in another package (`speceval.formats`: a file or a folder).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from toolkit.catalogues import OWN, clash, load, outside, package
from toolkit.data.discharge.schema import BY_NAME
from toolkit.errors import InputError, did_you_mean, nearest
from toolkit.strict_yaml import Section, read_yaml, validate
from toolkit.written_form import Mode, written_form

FOLDER = Path(__file__).parent
GROUP = "speceval.formats"
MISSING = ("", "-")  # the 病案首页 standard tells hospitals to write "-" for empty, in every type of field

CODED = ("exit_mode", "admission_route", "sex", "grouper_version")  # text of a closed list of values
NUMBERS = ("int8", "int16", "int32", "int64", "float64")
STRICTEST = ("code", "count", "name", "level", "plain", "number")  # of a column that several fields are made of

DAYS = ("admission_date", "discharge_date", "birth_date")  # rules name their faults

# pattern and the order of year, month, day among its groups; a clock time after the day is allowed and not used
_HALF = "上午|下午|凌晨|中午|晚上|AM|PM|am|pm"
_CLOCK = (  # 24:00 is no time (rule D01)
    rf"((T| *({_HALF})? *)([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?( ?({_HALF}))?)?$"
)
DATE_FORMATS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "yyyy-MM-dd": (r"^(\d{4})-(\d{1,2})-(\d{1,2})" + _CLOCK, (1, 2, 3)),
    "yyyy/MM/dd": (r"^(\d{4})/(\d{1,2})/(\d{1,2})" + _CLOCK, (1, 2, 3)),
    "yyyyMMdd": (r"^(\d{4})(\d{2})(\d{2})$", (1, 2, 3)),
    "yyyyMMddHHmmss": (r"^(\d{4})(\d{2})(\d{2})(([01]\d|2[0-3])[0-5]\d([0-5]\d)?)$", (1, 2, 3)),
    "yyyy.MM.dd": (r"^(\d{4})\.(\d{1,2})\.(\d{1,2})" + _CLOCK, (1, 2, 3)),
    "yyyy年MM月dd日": (r"^(\d{4})年(\d{1,2})月(\d{1,2})日" + _CLOCK, (1, 2, 3)),
    "dd-MM-yyyy": (r"^(\d{1,2})-(\d{1,2})-(\d{4})" + _CLOCK, (3, 2, 1)),
}
# of which no two can be taken for each other
USUAL_DATES = ["yyyy-MM-dd", "yyyy/MM/dd", "yyyy.MM.dd", "yyyyMMdd", "yyyy年MM月dd日"]
# days since the day before the first, as a spreadsheet counts them: Excel for Windows, and for the Macintosh of old
SERIALS = {"serial-1900": dt.date(1899, 12, 30), "serial-1904": dt.date(1904, 1, 1)}
SERIAL = r"^([1-7]\d{4})(\.\d+)?$"  # 1927 to 2119


class Source(Section):
    """Where one canonical field comes from: exactly one of column, columns (or patterns) or concat.

    Of several columns a number or day is the largest (or as `combine` says), a flag is true where any column makes it so,
    and a list of codes holds them all in order; `beside` names, in the same order, the columns that qualify each of them
    (the admission condition of a diagnosis, the day of a procedure), matched by the number after the `x`.
    """

    column: str = Field("", title="列名")
    also: list[str] = Field(
        default=[], title="列的其他名称", description="in other years or hospitals: the first that a file has"
    )
    columns: list[str] = Field(default=[], title="多列", description="names or patterns such as C38x*")
    combine: Literal["largest", "smallest", "sum"] = Field("largest", title="多列取值")
    present: bool = Field(False, title="有值即为真", description="a flag that is true where any column holds something")
    beside: list[str] = Field(default=[], title="对应的列", description="as many as columns, e.g. C08x* beside C06x*")
    beside_values: list[str] = Field(
        default=[], title="对应列的取值", description='kept where it holds one; "" = empty'
    )
    joined: str = Field("", title="与对应列的连接符", description="each code as code, this sign, value beside it")
    match: str = Field("", title="须符合的格式", description="regular expression; other values are missing")
    concat: list[Source] = Field(default=[], title="拼接")
    separator: str = Field("", title="拼接分隔符")
    first: int | None = Field(None, title="取前几位", ge=1)
    remove: list[str] = Field(default=[], title="删去的文字", description="e.g. thousands separators")
    values: dict[str, str] = Field(default={}, title="取值对照", description="other values stay as they are")
    true: list[str] = Field(default=[], title="为真的取值")
    false: list[str] = Field(default=[], title="为假的取值", description="with columns, or when empty: all others")
    dates: list[str] = Field(default=USUAL_DATES, title="日期格式")
    scale: int = Field(1, title="乘数", description="e.g. 100 for yuan to fen")
    missing: list[str] = Field(default=[], title="另表示空值的文字")
    optional: bool = Field(False, title="列可缺", description="the field is NULL for files without the column")

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if sum(map(bool, (self.column, self.columns, self.concat))) != 1:
            raise ValueError("column、columns、concat 三者必须且只能给出一个 (give exactly one)")
        if self.also and not self.column:
            raise ValueError("also 只与 column 同用 (also goes with column)")
        if len(self.beside) not in (0, len(self.columns)):
            raise ValueError("beside 与 columns 的个数不同 (beside needs one entry for each of columns)")
        for name in self.dates:
            if name not in (*DATE_FORMATS, *SERIALS):
                known = ", ".join((*DATE_FORMATS, *SERIALS))
                raise ValueError(f"未知的日期格式 {name}, 可用: {known} (unknown date format)")
        if len(set(self.dates) & set(SERIALS)) > 1:
            raise ValueError("serial-1900 与 serial-1904 只能写一个 (one of the two)")
        return self

    @property
    def key(self) -> str:
        """What `FormatMap.columns_in` knows the column by: with its other names, which are of this field and of no other."""
        return " 或 ".join((self.column, *self.also))

    def names(self) -> list[str]:
        return [self.key] * bool(self.column) + self.columns + [n for part in self.concat for n in part.names()]

    def wanted(self) -> list[str]:
        return self.names() + self.beside

    def absent(self, columns: dict[str, list[str]]) -> bool:
        """Whether a file lacks what the field is made of."""
        lacking = not any(columns[name] for name in self.names())
        return lacking or (bool(self.beside) and not any(columns[name] for name in self.beside))


class Scope(Section):
    """Rows of the file that are in scope; the others are excluded by this declared rule and counted."""

    column: str = Field(title="列名")
    values: list[str] = Field(title="在范围内的取值")
    reason: str = Field(title="排除原因")


class FixedWidth(Section):
    """Text whose columns stand in fixed places, without a sign between them."""

    columns: dict[str, str] = Field(
        title="列名与位置", description='name -> first and last place, counted from 1: {机构: "1-22"}', min_length=1
    )
    counted_in: Literal["bytes", "characters"] = Field(
        "bytes", title="位置的单位", description="bytes of the file, where a Chinese character takes two or more"
    )
    header_lines: int = Field(0, title="记录之前的行数", ge=0, le=10)

    @model_validator(mode="after")
    def _places(self) -> FixedWidth:
        for name, place in self.columns.items():
            found = re.fullmatch(r"([1-9]\d{0,5})-([1-9]\d{0,5})", place)
            if not found or int(found[1]) > int(found[2]):
                raise ValueError(f"{name} 的位置 {place} 应写成 1-22 (first and last place)")
        return self

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Where each column begins and ends, as a slice has it."""
        pairs = [place.split("-") for place in self.columns.values()]
        return tuple((int(first) - 1, int(last)) for first, last in pairs)


class FormatMap(Section):
    """One source format."""

    id: str = Field(title="格式编号")
    title: str = Field(title="名称")
    grouping: str = Field("", title="分组说明", description="what stands in for the DRG, printed on reports")
    confirmed: bool = Field(
        True, title="已核对", description="false in a proposed map (speceval map) until a person has checked it"
    )
    fields: dict[str, Source] = Field(title="字段")
    scope: Scope | None = Field(None, title="范围")
    fixed_width: FixedWidth | None = Field(None, title="定长文本", description="where no sign divides the columns")
    shapes: dict[str, str] = Field(
        default={},
        title="编码形式",
        description='field -> regular expression of its codes in this format, "" for any; others as in the schema',
    )

    @model_validator(mode="after")
    def _known_shapes(self) -> FormatMap:
        for name, shape in self.shapes.items():
            if name not in BY_NAME or not BY_NAME[name].shape:
                known = [n for n, field in BY_NAME.items() if field.shape]
                raise ValueError(f"字段 {name} 没有编码形式, 可用: {', '.join(known)} (this field has no shape)")
            try:
                re.compile(shape)
            except re.error:
                raise ValueError(f"{name} 的编码形式不是正则表达式 (not a regular expression)") from None
        return self

    @model_validator(mode="after")
    def _known_fields(self) -> FormatMap:
        for name in self.fields:
            if name not in BY_NAME:
                raise ValueError(f"没有字段 {name}, 是否为 {nearest(name, BY_NAME)}? (no such canonical field)")
        for name in DAYS:
            if name in self.fields and self.fields[name].columns:
                raise ValueError(f"{name} 只能来自一列, 用 column (a single column)")
        return self

    @property
    def lacking(self) -> list[str]:
        """What no record can do without and the map does not have: its hospital, and its day or year of discharge."""
        dated = {"year", "discharge_date"} & set(self.fields)
        return ["医疗机构代码（hospital）"] * ("hospital" not in self.fields) + [
            "出院日期或出院年份（discharge_date、year）"
        ] * (not dated)

    def wanted(self) -> list[str]:
        names = [n for source in self.fields.values() for n in source.wanted()]
        return list(dict.fromkeys(names + ([self.scope.column] if self.scope else [])))

    def columns_in(self, present: Sequence[str]) -> dict[str, list[str]]:
        """Name or pattern of the map -> the columns of a file that it means, under its own or another name."""
        several = [part for source in self.fields.values() for part in (source, *source.concat) if part.also]
        also = {source.key: (source.column, *source.also) for source in several}
        names = list(present)
        return {
            name: next((found for one in also.get(name, (name,)) if (found := resolve(one, names))), [])
            for name in self.wanted()
        }

    def written(self, columns: Mapping[str, Sequence[str]]) -> dict[str, Mode]:
        """Column of a file -> the form in which its cells are written (`toolkit.written_form`); others stay as they are.

        Parameters
        ----------
        columns
            Name or pattern of the map -> columns of the file.
        """
        forms: dict[str, Mode] = {}
        for name, source in self.fields.items():
            field = BY_NAME[name]
            if source.present or (field.type == "string" and not field.written and name not in CODED):
                continue
            form: Mode = field.written or ("number" if field.type in NUMBERS else "plain")
            for column in (c for wanted in source.names() for c in columns.get(wanted, ())):
                forms[column] = min(form, forms.get(column, form), key=STRICTEST.index)
            for column in (c for wanted in source.beside for c in columns.get(wanted, ())):
                forms.setdefault(column, "plain")
        return forms

    def shape(self, name: str) -> str:
        """The regular expression that the codes of a field meet, "" for any."""
        return self.shapes.get(name, BY_NAME[name].shape)

    def required(self) -> set[str]:
        """The columns without which a file is refused (rule F04); patterns may find nothing."""
        names = {n for source in self.fields.values() if not source.optional for n in source.names() if "*" not in n}
        return names | ({self.scope.column} if self.scope else set())


def available() -> dict[str, Path]:
    """The shipped format maps by id, and those of other packages.

    Raises
    ------
    ContractBroken
        Two packages give the same format.
    """
    found = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
    origins = dict.fromkeys(found, OWN)
    for point in outside(GROUP):
        place = Path(load(point))
        for path in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
            if path.stem in found:
                raise clash(GROUP, path.stem, origins[path.stem], package(point))
            found[path.stem], origins[path.stem] = path, package(point)
    return found


def format_map(name: str) -> FormatMap:
    """The shipped map with this id, or the map in a YAML file of the user's own."""
    path = available().get(name) or Path(name)
    if not path.is_file():
        raise InputError(
            f"没有格式 {name}",
            "no such format",
            **did_you_mean(name, available(), f"可用: {', '.join(available())}", "one of these"),
        )
    values, lines = read_yaml(path)
    form = validate(FormatMap, values, lines, path)
    if not form.confirmed:
        raise InputError(
            "格式映射是程序的建议，尚未经人核对",
            "the format map is a proposal that nobody has confirmed",
            where=f"{path}:{lines.get(('confirmed',), 1)} confirmed",
            remedy="逐项核对各字段后改为 confirmed: true",
            remedy_english="check every field, then set confirmed: true",
        )
    return form


def plain_name(name: str) -> str:
    """A column's name as it is compared: without width, case, blanks of any kind and what a spreadsheet puts around text."""
    return written_form(name).lower()


def resolve(wanted: str, present: list[str]) -> list[str]:
    """The columns of a file that a name or pattern of a map means; codes match in any case (`C14x01C`, `C14X01C`)."""
    asked, names = plain_name(wanted), [(plain_name(name), name) for name in present]
    same = [name for plain, name in names if plain == asked]  # a name may hold [ or ?
    return same or [name for plain, name in names if plain and fnmatchcase(plain, asked)]
