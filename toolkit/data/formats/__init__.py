"""Format maps: how the columns of a source file become the canonical table.

A map is one YAML file in this folder (or of the user's own); adding a format is adding a file.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import ibis
from pydantic import Field, model_validator

from toolkit.data.schema import BY_NAME
from toolkit.data.schema import Field as CanonicalField
from toolkit.errors import InputError, nearest
from toolkit.strict_yaml import Section, read_yaml, validate

FOLDER = Path(__file__).parent
MISSING = ("", "-")  # the 病案首页 standard tells hospitals to write "-" for empty, in every type of field

# pattern and the order of year, month, day among its groups; a clock time after the day is allowed and not used
_CLOCK = r"([ T]([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?)?$"  # 24:00 is no time (rule D01)
DATE_FORMATS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "yyyy-MM-dd": (r"^(\d{4})-(\d{1,2})-(\d{1,2})" + _CLOCK, (1, 2, 3)),
    "yyyy/MM/dd": (r"^(\d{4})/(\d{1,2})/(\d{1,2})" + _CLOCK, (1, 2, 3)),
    "yyyyMMdd": (r"^(\d{4})(\d{2})(\d{2})$", (1, 2, 3)),
    "yyyy年MM月dd日": (r"^(\d{4})年(\d{1,2})月(\d{1,2})日" + _CLOCK, (1, 2, 3)),
    "dd-MM-yyyy": (r"^(\d{1,2})-(\d{1,2})-(\d{4})" + _CLOCK, (3, 2, 1)),
}


class Source(Section):
    """Where one canonical field comes from: exactly one of column, columns (or patterns) or concat."""

    column: str = Field("", title="列名")
    columns: list[str] = Field(
        default=[],
        title="多列",
        description="names or patterns such as C38x*; the largest value, or true where any equals one of `true`",
    )
    concat: list[Source] = Field(default=[], title="拼接")
    separator: str = Field("", title="拼接分隔符")
    first: int | None = Field(None, title="取前几位", ge=1)
    remove: list[str] = Field(default=[], title="删去的文字", description="e.g. thousands separators")
    values: dict[str, str] = Field(default={}, title="取值对照", description="other values stay as they are")
    true: list[str] = Field(default=[], title="为真的取值")
    false: list[str] = Field(default=[], title="为假的取值", description="with columns, or when empty: all others")
    dates: list[str] = Field(default=["yyyy-MM-dd", "yyyy/MM/dd", "yyyyMMdd", "yyyy年MM月dd日"], title="日期格式")
    scale: int = Field(1, title="乘数", description="e.g. 100 for yuan to fen")
    missing: list[str] = Field(default=[], title="另表示空值的文字")
    optional: bool = Field(False, title="列可缺", description="the field is NULL for files without the column")

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if sum(map(bool, (self.column, self.columns, self.concat))) != 1:
            raise ValueError("column、columns、concat 三者必须且只能给出一个 (give exactly one)")
        for name in self.dates:
            if name not in DATE_FORMATS:
                raise ValueError(f"未知的日期格式 {name}, 可用: {', '.join(DATE_FORMATS)} (unknown date format)")
        return self

    def names(self) -> list[str]:
        return [self.column] * bool(self.column) + self.columns + [n for part in self.concat for n in part.names()]


class Scope(Section):
    """Rows of the file that are in scope; the others are excluded by this declared rule and counted."""

    column: str = Field(title="列名")
    values: list[str] = Field(title="在范围内的取值")
    reason: str = Field(title="排除原因")


class FormatMap(Section):
    """One source format."""

    id: str = Field(title="格式编号")
    title: str = Field(title="名称")
    grouping: str = Field("", title="分组说明", description="what stands in for the DRG, printed on reports")
    fields: dict[str, Source] = Field(title="字段")
    scope: Scope | None = Field(None, title="范围")

    @model_validator(mode="after")
    def _known_fields(self) -> FormatMap:
        for name in self.fields:
            if name not in BY_NAME:
                raise ValueError(f"没有字段 {name}, 是否为 {nearest(name, BY_NAME)}? (no such canonical field)")
        if "hospital" not in self.fields or not {"year", "discharge_date"} & set(self.fields):
            raise ValueError(
                "必须有 hospital, 以及 discharge_date 或 year (hospital and discharge_date or year are needed)"
            )
        return self

    def wanted(self) -> list[str]:
        names = [n for source in self.fields.values() for n in source.names()]
        return list(dict.fromkeys(names + ([self.scope.column] if self.scope else [])))


def available() -> dict[str, Path]:
    """The shipped format maps by id."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def format_map(name: str) -> FormatMap:
    """The shipped map with this id, or the map in a YAML file of the user's own."""
    path = available().get(name) or Path(name)
    if not path.is_file():
        near = nearest(name, available())
        raise InputError(
            f"没有格式 {name}",
            "no such format",
            remedy=f"是否为 {near}? " * bool(near) + f"可用: {', '.join(available())}",
        )
    values, lines = read_yaml(path)
    return validate(FormatMap, values, lines, path)


def resolve(wanted: str, present: list[str]) -> list[str]:
    """The columns of a file that a name or pattern of a map means; codes match in any case (`C14x01C`, `C14X01C`)."""
    same = [name for name in present if name.strip().lower() == wanted.strip().lower()]  # a name may hold [ or ?
    return same or [name for name in present if fnmatchcase(name.strip().lower(), wanted.lower())]


def standardise(text: Any, columns: dict[str, list[str]], form: FormatMap) -> Any:
    """Text columns -> canonical columns, typed; a value that is not of the type becomes NULL and rules name it.

    Beside the canonical columns stand `raw_<field>` for dates and cost, `stated_los_days`, `in_scope`, and what
    `text` carries under `file`, `line` and `source_content` (hash of the row as received). Fields that the map does not have are NULL.
    """
    typed: dict[str, Any] = {"file": text.file, "line": text.line, "content": text.source_content}
    for name, field in BY_NAME.items():
        source = form.fields.get(name)
        typed[name] = _typed(text, columns, source, field) if source else ibis.null(field.type)
        if name in ("admission_date", "discharge_date", "cost_fen"):
            typed[f"raw_{name}"] = _text(text, columns, source) if source else ibis.null("string")
    both = typed["discharge_date"].notnull() & typed["admission_date"].notnull()
    computed = typed["discharge_date"].delta(typed["admission_date"], unit="day")
    typed["stated_los_days"] = typed["los_days"]
    typed["los_days"] = ibis.ifelse(typed["los_days"] >= 0, typed["los_days"], ibis.null("int32"))
    # LOS = max(1, discharge − admission): the day of admission and of discharge count once
    floor = ibis.greatest(computed, ibis.literal(1))
    stated = ibis.ifelse(
        typed["los_days"].notnull(), ibis.greatest(typed["los_days"], ibis.literal(1)), ibis.null("int32")
    )
    typed["los_days"] = ibis.ifelse(both, floor, stated).cast("int32")
    if "year" not in form.fields:
        typed["year"] = typed["discharge_date"].year().cast("int16")
    if "month" not in form.fields:
        typed["month"] = typed["discharge_date"].month().cast("int8")
    typed["in_scope"] = (
        _clean(text[columns[form.scope.column][0]]).isin(form.scope.values).fill_null(False)
        if form.scope
        else ibis.literal(True)
    )
    return text.select(**typed)


def _clean(column: Any, missing: tuple[str, ...] = MISSING) -> Any:
    trimmed = column.strip()
    return ibis.ifelse(trimmed.isin(list(missing)), ibis.null("string"), trimmed)


def _text(text: Any, columns: dict[str, list[str]], source: Source) -> Any:
    missing = (*MISSING, *source.missing)
    if source.concat:
        parts = [_text(text, columns, part) for part in source.concat]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined + source.separator + part
        return joined
    if not columns[source.column]:
        return ibis.null("string")  # optional, and this file has none
    value = _clean(text[columns[source.column][0]], missing)
    for piece in source.remove:
        value = value.replace(piece, "")
    if source.remove:
        value = value.strip()
    if source.first:
        value = value[: source.first]
    if source.values:
        value = value.cases(*source.values.items(), else_=value)
    return value


def _typed(text: Any, columns: dict[str, list[str]], source: Source, field: CanonicalField) -> Any:
    kind = field.type
    if not any(columns[name] for name in source.names()):
        return ibis.null(kind)  # optional, and this file has none
    if source.columns:
        present = [_clean(text[name]) for pattern in source.columns for name in columns[pattern]]
        if kind == "boolean":
            return ibis.or_(*[(p.isin(source.true)).fill_null(False) for p in present])
        numbers = [_integer(p, kind, field) for p in present]
        return ibis.greatest(*numbers) if len(numbers) > 1 else numbers[0]
    value = _text(text, columns, source)
    if kind == "string":
        return value
    if kind == "boolean":
        known = value.isin(source.true + source.false) if source.false else value.notnull()
        return ibis.ifelse(known, value.isin(source.true), ibis.null("boolean"))
    if kind == "date":
        return _date(value, source.dates)
    if kind == "float64":
        number = value.try_cast("float64")
        known = (number.abs() < 1e15) & _plausible(number, field)  # "nan" and "inf" are words, not numbers
        return ibis.ifelse(known, number, ibis.null("float64"))
    if source.scale != 1:
        # by way of DECIMAL: 0.29 × 100 is 28.999… in binary floating point
        # and a wider one before the product: an amount that overflows is a fault of one record, not of the run
        scaled = (value.try_cast("decimal(18, 4)").cast("decimal(28, 4)") * source.scale).round(0)
        return ibis.ifelse(scaled.abs() < 10**15, scaled, ibis.null()).cast(kind)
    return _integer(value, kind, field)


RULED = ("year", "los_days", "cost_fen")  # rules name their values outside the range


def _plausible(number: Any, field: CanonicalField) -> Any:
    if field.low is None or field.high is None or field.name in RULED:
        return ibis.literal(True)
    return number.between(field.low, field.high)


def _integer(value: Any, kind: str, field: CanonicalField) -> Any:
    number = value.try_cast("float64")
    limit = {"int8": 127, "int16": 32767, "int32": 2**31 - 1}.get(kind, 10**15)
    # first of all: the engine stops at the floor of "nan" or of 1e300, which are words in a cell, not numbers
    number = ibis.ifelse(number.abs() <= limit, number, ibis.null("float64"))
    # "3.7" days is a fault, not 4; surgery level 9 is none
    whole = (number == number.floor()) & _plausible(number, field)
    return ibis.ifelse(whole, number, ibis.null("float64")).cast(kind)


def day(column: Any, source: Source) -> Any:
    """The day that a text column holds, in the formats of `source`; NULL where it is none."""
    return _date(_clean(column), source.dates)


def _date(value: Any, formats: list[str]) -> Any:
    candidates = []
    for name in formats:
        pattern, (year, month, day) = DATE_FORMATS[name]
        iso = (
            value.re_extract(pattern, year) + "-" + value.re_extract(pattern, month).lpad(2, "0")
            + "-" + value.re_extract(pattern, day).lpad(2, "0")
        )  # fmt: skip
        candidates.append(ibis.ifelse(value.re_search(pattern), iso, ibis.null("string")))
    joined = ibis.coalesce(*candidates) if len(candidates) > 1 else candidates[0]
    return joined.try_cast("date")  # NULL for 2023-02-30
