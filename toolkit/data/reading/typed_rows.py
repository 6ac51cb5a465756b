"""Text rows as canonical, typed rows, the way a format map says; no value is guessed, and none stops the engine."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Sequence

import ibis

from toolkit.data.discharge.schema import (
    BY_NAME,
    CODED_WORDS,
    DEPARTMENT_SIGNS,
    HOSPITAL_SIGNS,
    PERSONAL,
    SEPARATOR,
    SLIPPED,
    WORD,
)
from toolkit.data.discharge.schema import Field as CanonicalField
from toolkit.data.reading.formats import DATE_FORMATS, DAYS, SERIAL, SERIALS, FormatMap, Source
from toolkit.engine.types import Column, Table
from toolkit.written_form import level_form


def standardise(
    text: Table, columns: dict[str, list[str]], form: FormatMap, departments: Collection[str] = ()
) -> Table:
    """Text columns -> canonical columns, typed; a value that is not of the type becomes NULL and rules name it.

    `text` is as `toolkit.data.reading.text_rows` hands it out: no blanks around, NULL where a cell is empty or "-".

    Beside the canonical columns stand `raw_<field>` and `unclear_<field>` (given, but in no accepted format, and more than
    one day could be meant) for the three days, `stated_los_days`, `stated_age_years`, `unchecked_age_years` (before the
    range of the field is applied), `in_scope`, and what `text` carries under `file`, `line` and `source_content` (hash of
    the row as received). Fields that the map does not have are NULL.

    Parameters
    ----------
    departments
        Names of departments that the run declares; another that looks like a person's is not let in.
    """
    text = _with_shared(text, columns, form)
    typed: dict[str, Column] = {"file": text.file, "line": text.line, "content": text.source_content}
    # whether the DRG file has the stay; missing where there is no such file
    typed["drg_found"] = text.drg_found.notnull() if "drg_found" in text.columns else ibis.null("boolean")
    for name, field in BY_NAME.items():
        source = form.fields.get(name)
        typed[name] = _typed(text, columns, source, field) if source else ibis.null(KINDS.get(field.type, field.type))
        if name in DAYS:
            typed[f"raw_{name}"] = _text(text, columns, source) if source else ibis.null("string")
    typed["in_scope"] = (
        text[columns[form.scope.column][0]].isin(form.scope.values).fill_null(False)
        if form.scope
        else ibis.literal(True)
    )
    # what follows looks at typed columns: as one expression, every age would hold two dates with all their formats, thrice
    table = text.select(**typed)
    # what is no code of a hospital may be a name: it may not become one in any table (rule K09)
    fit = table.hospital.re_search(form.shape("hospital")) if form.shape("hospital") else ibis.literal(True)
    fit = fit & ~_personal(table.hospital)
    table = table.mutate(
        **{name: _in_shape(table[name], name, departments) for name in SHOWN},
        **{name: _codes_in_shape(table[name]) for name, field in BY_NAME.items() if field.type == "codes"},
        **{n: _money_in_shape(table[n], source.scale) for n, source in form.fields.items() if n.endswith("_fen")},
    )
    table = table.mutate(
        hospital=ibis.ifelse(fit, table.hospital, ibis.null("string")), hospital_unfit=(~fit).fill_null(False)
    )
    table = table.mutate(born_before=_born_before(table)).mutate(computed_age=_age)
    more: dict[str, Column] = {}
    for name in DAYS:
        source = form.fields.get(name)
        unclear = _unclear(table[f"raw_{name}"], table[name], source) if source else ibis.literal(False)
        more[f"unclear_{name}"] = unclear
    both = table.discharge_date.notnull() & table.admission_date.notnull()
    computed = table.discharge_date.delta(table.admission_date, unit="day")
    # LOS = max(1, discharge − admission): the day of admission and of discharge count once
    floor = ibis.greatest(computed, ibis.literal(1))
    stated = ibis.ifelse(table.los_days >= 0, ibis.greatest(table.los_days, ibis.literal(1)), ibis.null("int32"))
    more["stated_los_days"] = table.los_days
    more["los_days"] = ibis.ifelse(both, floor, stated).cast("int32")
    more |= _ages(table)
    if "year" not in form.fields:
        more["year"] = table.discharge_date.year().cast("int16")
    if "month" not in form.fields:
        more["month"] = table.discharge_date.month().cast("int8")
    for name, source in form.fields.items():
        if BY_NAME[name].type == "codes" and _is_joined(source, columns):
            more[name] = ibis.ifelse(table[name] != "", SEPARATOR + table[name] + SEPARATOR, ibis.null("string"))
    return table.mutate(**more).drop("born_before", "computed_age")


SHARED = "␟"  # in no column's name


def _shared(column: str, source: Source, field: CanonicalField) -> str:
    """The name of a column's amount or day where fields of several columns use it, "" where it is used as text."""
    if field.type == "date":
        return SHARED.join(("day", column, *source.dates))
    return SHARED.join(("amount", column)) if source.scale == 100 and field.type != "boolean" else ""


def _with_shared(text: Table, columns: dict[str, list[str]], form: FormatMap) -> Table:
    """`text` with the amounts and days of columns that several fields are made of, read once: a fee stands in four sums."""
    amounts: dict[str, Column] = {}
    days: dict[str, Column] = {}
    for name, source in form.fields.items():
        field = BY_NAME[name]
        for column in (c for pattern in source.columns for c in columns[pattern]):
            if not (shared := _shared(column, source, field)):
                continue
            if field.type == "date":
                days[shared] = _date(text[column], source.dates)
            else:
                amounts[shared] = _money(text[column]).try_cast("float64")
    text = text.mutate(**amounts, **days)
    # "nan", "inf" and 1e300 are words: out first, for the engine stops where it rounds them to an integer
    return text.mutate(
        **{name: ibis.ifelse(text[name].abs() < 10**13, text[name], ibis.null("float64")) for name in amounts}
    )


# text that is stored, or that messages speak of: what slipped into it is put out of the way before anything keeps it
CODE_FIELDS = ("principal_diagnosis", "principal_procedure", "drg", "residence")
VALUE_FIELDS = ("exit_mode", "admission_route", "sex")
SHOWN = (*CODE_FIELDS, *VALUE_FIELDS, "department", "hospital_name")


def _personal(value: Column) -> Column:
    """Whether a cell is an identity or a mobile number; only cells of eleven characters and more are looked at closely."""
    return ibis.ifelse(value.length() >= 11, value.re_search(PERSONAL.replace("(", "(?:")), ibis.literal(False))


def _in_shape(value: Column, name: str, departments: Collection[str]) -> Column:
    """The cell, or `SLIPPED` where it cannot be what its column holds and may be who somebody is."""
    words, mark = value > "~", SLIPPED  # begins beyond ASCII: few cells do
    if name == "department":
        known = value.re_search(f"[{DEPARTMENT_SIGNS}A-Z0-9]")
        known |= value.isin(sorted(departments)) if departments else ibis.literal(False)
        strange = ibis.ifelse(words, ~known, ibis.literal(False))
    elif name == "hospital_name":  # held against the registry and shown by nothing, but kept with the typed rows
        strange = ibis.ifelse(words, ~value.re_search(f"[{HOSPITAL_SIGNS}A-Z]"), ibis.literal(False))
    elif name in VALUE_FIELDS:
        strange, mark = ibis.ifelse(words | (value.length() > 4), ~value.isin(CODED_WORDS), ibis.literal(False)), WORD
    elif name == "drg":  # words for what could not be grouped are declared, and known by rule G01
        strange, mark = ibis.ifelse(words, ~value.re_search("[组病]"), ibis.literal(False)), WORD
    else:
        strange = words
    return ibis.cases(
        (_personal(value).fill_null(False), ibis.literal(SLIPPED)),
        (strange.fill_null(False), ibis.literal(mark)),
        else_=value,
    )


def _money_in_shape(amount: Column, scale: int) -> Column:
    """An amount, missing where its cell was a mobile number (11 digits from 13 on) or of 14 digits and more."""
    unit = amount / scale
    strange = unit.between(13_000_000_000, 19_999_999_999) | (unit.abs() >= 10**13)
    return ibis.ifelse(strange, ibis.null(amount.type()), amount)


_BESIDE = r"=[^|]*(?:[\x{4e00}-\x{9fff}]|[0-9]{11})[^|]*"
_MEMBER = r"\|[^|]*[\x{4e00}-\x{9fff}][^|]*|\|(?:[1-9]\d{14}|[1-9]\d{16}[\dX]|1[3-9]\d{9})"


def _codes_in_shape(value: Column) -> Column:
    """A list of codes with `SLIPPED` in the place of every member that is text or a number of a person."""
    suspect = value.re_search(r"[\x{4e00}-\x{9fff}]|[0-9]{11}")
    # of a code and what stands beside it, such as its level, only what is beside goes: 四级 is no reason to lose the code
    beside = value.re_replace(_BESIDE, f"={WORD}")
    cleaned = (SEPARATOR + beside).re_replace(_MEMBER, SEPARATOR + SLIPPED).substr(1)
    return ibis.ifelse(suspect.fill_null(False), cleaned, value)


def _born_before(table: Table) -> Column:
    birth, admission = table.birth_date, table.admission_date
    return birth.notnull() & admission.notnull() & (birth <= admission)


def _age(table: Table) -> Column:
    """Age in completed years: from the birth date where there is one, else as stated."""
    birth, admission = table.birth_date, table.admission_date
    before_birthday = admission.month() * 100 + admission.day() < birth.month() * 100 + birth.day()
    years = admission.year() - birth.year() - ibis.ifelse(before_birthday, 1, 0)
    return ibis.ifelse(table.born_before, years.cast("int32"), table.age_years)


def _ages(table: Table) -> dict[str, Column]:
    """Age in completed years and, in the first year, in days: from the birth date where there is one, else as stated."""
    age, known = table.computed_age, table.born_before
    since_birth = table.admission_date.delta(table.birth_date, unit="day")
    days = ibis.cases((known & (age == 0), since_birth), (known, ibis.null("int64")), else_=table.age_days)
    plausible = _plausible(age, BY_NAME["age_years"])
    return {
        "stated_age_years": table.age_years,
        "unchecked_age_years": age,
        "age_years": ibis.ifelse(plausible, age, ibis.null("int32")).cast("int16"),
        "age_days": days.cast("int16"),
    }


def _text(text: Table, columns: dict[str, list[str]], source: Source) -> Column:
    if source.concat:
        parts = [_text(text, columns, part) for part in source.concat]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined + source.separator + part
        return joined
    if not columns[source.key]:
        return ibis.null("string")  # optional, and this file has none
    value = text[columns[source.key][0]]
    if source.missing:
        value = ibis.ifelse(value.isin(source.missing), ibis.null("string"), value)
    for piece in source.remove:
        value = value.replace(piece, "")
    if source.remove:
        value = value.strip()
    if source.first:
        value = value[: source.first]
    if source.values:
        value = value.cases(*source.values.items(), else_=value)
    return value


def _at_the_door(values: Sequence[str]) -> list[str]:
    """Values that a map names, and what the door has made of those that are levels in words."""
    return list(dict.fromkeys([*values, *map(level_form, values)]))


KINDS = {"codes": "string"}  # canonical types that the engine calls otherwise


def _typed(text: Table, columns: dict[str, list[str]], source: Source, field: CanonicalField) -> Column:
    kind = KINDS.get(field.type, field.type)
    if source.absent(columns):
        return ibis.null(kind)  # optional, and this file has none
    if source.columns:
        return _of_several(text, columns, source, field)
    value = _text(text, columns, source)
    if source.match:
        value = ibis.ifelse(value.re_search(source.match), value, ibis.null("string"))
    if kind == "string":
        return value
    if kind == "boolean":
        if source.present:
            return value.notnull()
        true, false = _at_the_door(source.true), _at_the_door(source.false)
        known = value.isin(true + false) if false else value.notnull()
        return ibis.ifelse(known, value.isin(true), ibis.null("boolean"))
    if kind == "date":
        return _date(value, source.dates)
    if kind == "timestamp":
        return _moment(value, source.dates)
    if kind == "float64":
        number = _digits(value).try_cast("float64")
        known = (number.abs() < 1e15) & _plausible(number, field)  # "nan" and "inf" are words, not numbers
        return ibis.ifelse(known, number, ibis.null("float64"))
    if source.scale != 1:
        return _amount(value, source.scale).cast(kind)
    return _integer(value, kind, field)


def _of_several(text: Table, columns: dict[str, list[str]], source: Source, field: CanonicalField) -> Column:
    if field.type == "codes":
        return _codes(text, columns, source)
    names = [name for pattern in source.columns for name in columns[pattern]]
    repeats = [name for pattern in source.columns for name in columns[pattern] if "*" in pattern]
    whole = _combined(text, names, source, field)
    if len(repeats) < 2:
        return whole
    # Forty repeats are nearly always empty: one look at all of them together spares the work on each
    first = [name for name in names if name not in repeats]
    simple = _combined(text, first, source, field) if first else ibis.null(field.type)
    return ibis.ifelse(_all_missing(text, repeats), simple, whole)


def _combined(text: Table, names: list[str], source: Source, field: CanonicalField) -> Column:
    values = [text[name] for name in names]
    if field.type == "boolean":
        if source.present:
            return ibis.or_(*[v.notnull() for v in values])
        return ibis.or_(*[v.isin(_at_the_door(source.true)).fill_null(False) for v in values])
    if source.scale == 100 and len(values) > 1:
        return _amounts([text[_shared(name, source, field)] for name in names], values, source)
    if field.type == "date":
        values = [text[_shared(name, source, field)] for name in names]
    else:
        values = [_element(v, source, field) for v in values]
    if source.combine == "sum":
        total = sum((v.fill_null(0) for v in values[1:]), start=values[0].fill_null(0))
        known = ibis.or_(*[v.notnull() for v in values])
        return ibis.ifelse(known, total, ibis.null(field.type)).cast(field.type)
    if field.type == "string":
        return ibis.coalesce(*values) if len(values) > 1 else values[0]
    combine: Callable[..., Column] = ibis.least if source.combine == "smallest" else ibis.greatest
    return combine(*values) if len(values) > 1 else values[0]


def _element(value: Column, source: Source, field: CanonicalField) -> Column:
    if field.type == "string":
        return value
    return _amount(value, source.scale) if source.scale != 1 else _integer(value, field.type, field)


def _is_joined(source: Source, columns: dict[str, list[str]]) -> bool:
    """Whether a list of codes is put together from cells; else one cell holds all of it."""
    return bool(source.beside) or sum(len(columns[pattern]) for pattern in source.columns) > 1


def _codes(text: Table, columns: dict[str, list[str]], source: Source) -> Column:
    """All codes of a list in one text (see `toolkit.data.discharge.schema`), but for the separators around it where it is joined."""
    names = [name for pattern in source.columns for name in columns[pattern]]
    if not _is_joined(source, columns):
        [name] = names
        value = text[name]
        return ibis.ifelse(value.startswith(SEPARATOR), value, SEPARATOR + value + SEPARATOR)
    if not source.beside:
        return _joined([text[name] for name in names])
    pairs: list[tuple[Column, Column, bool]] = []
    for pattern, beside in zip(source.columns, source.beside, strict=True):
        of_number = {_repeat(name): name for name in columns[beside]}
        for name in columns[pattern]:
            other = of_number.get(_repeat(name))
            value = text[other].fill_null("") if other else ibis.literal("")
            pairs.append((text[name], value, "*" in pattern))
    if source.joined:
        every = _joined([code + source.joined + value for code, value, _repeated in pairs])
        few = [code + source.joined + value for code, value, repeated in pairs if not repeated]
        repeats = [name for pattern in source.columns if "*" in pattern for name in columns[pattern]]
        return ibis.ifelse(_all_missing(text, repeats), _joined(few), every) if few and repeats else every
    none = ibis.null("string")
    kept = _joined([ibis.ifelse(value.isin(source.beside_values), code, none) for code, value, _repeated in pairs])
    # most records have none: a look at the cells is cheaper than a text of what is kept
    possible = ibis.or_(*[code.notnull() & value.isin(source.beside_values) for code, value, _repeated in pairs])
    return ibis.ifelse(possible, kept, none)


def _joined(parts: list[Column]) -> Column:
    return ibis.literal(SEPARATOR).join(parts) if len(parts) > 1 else parts[0]


def _all_missing(text: Table, names: list[str]) -> Column:
    return ibis.coalesce(*[text[name] for name in names]).isnull()


def _repeat(name: str) -> str:
    """The number of a repeated column: 03 of C06x03C; columns without one stand beside each other."""
    found = re.search(r"x0*(\d+)[A-Z]?\s*$", name, re.IGNORECASE)
    return found.group(1) if found else ""


def _amount(value: Column, scale: int) -> Column:
    """An amount times `scale` as an integer, by way of DECIMAL: 0.29 × 100 is 28.999… in binary floating point."""
    if scale == 100:
        # fen are the second decimal: the engine rounds as it reads. Below 10^15 a double holds them exactly
        scaled = (_money(value).try_cast("decimal(18, 2)").cast("float64") * 100).round()
        return ibis.ifelse(scaled.abs() < 10**15, scaled, ibis.null("float64")).cast("int64")
    # a wider one before the product: an amount that overflows is a fault of one record, not of the run
    wide = (_money(value).try_cast("decimal(18, 4)").cast("decimal(28, 4)") * scale).round(0)
    return ibis.ifelse(wide.abs() < 10**15, wide, ibis.null(wide.type())).cast("int64")


def _amounts(numbers: list[Column], given: list[Column], source: Source) -> Column:
    """Several amounts of two decimals as one in hundredths: put together first and rounded once, exact below 10^15.

    A sum of which one part stands there and is no amount is unknown: what is left of it would pass for the whole.
    """
    if source.combine == "sum":
        total = sum((n.fill_null(0.0) for n in numbers[1:]), start=numbers[0].fill_null(0.0))
        unread = ibis.or_(*[text.notnull() & number.isnull() for text, number in zip(given, numbers, strict=True)])
        one = ibis.ifelse(ibis.coalesce(*numbers).isnull() | unread, ibis.null("float64"), total)
    else:
        one = ibis.least(*numbers) if source.combine == "smallest" else ibis.greatest(*numbers)
    scaled = one * source.scale
    return ibis.ifelse(scaled.abs() < 10**15, scaled, ibis.null("float64")).round().cast("int64")


def _digits(value: Column) -> Column:
    """Missing where one engine takes "1_000" for a thousand, as a programmer writes it, and the other for a word."""
    return ibis.ifelse(value.contains("_"), ibis.null("string"), value)


def _money(value: Column) -> Column:
    """An amount as people write it, `¥13,852.85` or `13852.85元`: a plain number. What is grouped otherwise stays a word."""
    dressed = value.contains(",") | (value > "~") | value.endswith("元")  # few cells: only these are looked at closely
    bare = value.replace("¥", "").replace("￥", "").replace("元", "").strip()
    plain = ibis.ifelse(bare.re_search(GROUPED), bare.replace(",", ""), bare)
    return _digits(ibis.ifelse(dressed.fill_null(False), plain, value))


GROUPED = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"  # digits in threes; 1.234,56 is another country's and no number here
RULED = ("year", "los_days", "cost_fen")  # rules name their values outside the range


def _plausible(number: Column, field: CanonicalField) -> Column:
    if field.low is None or field.high is None or field.name in RULED:
        return ibis.literal(True)
    return number.between(field.low, field.high)


def _integer(value: Column, kind: str, field: CanonicalField) -> Column:
    number = _digits(value).try_cast("float64")
    # never a plain cast: in a wide query the engine may take it out of its condition, and stops at "inf" or 1e300 in a cell
    whole = number.try_cast(kind)
    # "3.7" days is a fault, not 4; surgery level 9 is none
    same = (whole.cast("float64") == number) & (number.abs() <= 10**15) & _plausible(number, field)
    return ibis.ifelse(same, whole, ibis.null(kind))


def day(column: Column, source: Source) -> Column:
    """The day that a column of `toolkit.data.reading.text_rows` holds, in the formats of `source`; NULL where it is none."""
    return _date(column, source.dates)


# the shape that the standard asks for: nearly every value has it, and a cast of ten characters reads it
_STANDARD = r"^\d{4}-\d{2}-\d{2}( ([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?)?$"


def _date(value: Column, formats: list[str]) -> Column:
    other = _any_shape(value, formats)
    if "yyyy-MM-dd" in formats:
        other = ibis.ifelse(value.re_search(_STANDARD), value[:10], other)
    found = other.try_cast("date")  # NULL for 2023-02-30
    return ibis.coalesce(found, *(_serial(value, SERIALS[name]) for name in formats if name in SERIALS))


def _serial(value: Column, first: dt.date) -> Column:
    """The day that a spreadsheet's number of days means."""
    days = ibis.ifelse(value.re_search(SERIAL), value.re_extract(SERIAL, 1), ibis.null("string")).try_cast("int32")
    # by way of a time: an engine may make one of day and interval, and ibis leaves out the cast of a day to a day
    return (ibis.literal(dt.datetime.combine(first, dt.time())) + days.as_interval("D")).cast("date")


def _any_shape(value: Column, formats: list[str]) -> Column:
    """The day of a value in any of the formats, as ISO text."""
    candidates = []
    for name in (one for one in formats if one in DATE_FORMATS):
        pattern, (year, month, day) = DATE_FORMATS[name]
        iso = (
            value.re_extract(pattern, year)
            + "-"
            + value.re_extract(pattern, month).lpad(2, "0")
            + "-"
            + value.re_extract(pattern, day).lpad(2, "0")
        )
        candidates.append((value.re_search(pattern), iso))
    return ibis.cases(*candidates, else_=ibis.null("string")) if candidates else ibis.null("string")


def _moment(value: Column, formats: list[str]) -> Column:
    """Day and clock time; NULL where there is no clock time."""
    clock = value.re_extract(r"[ T午晨上Mm日](\d{1,2}:\d{2}(:\d{2})?)", 1)
    shape = ibis.ifelse(value.re_search(_STANDARD), value[:10], _any_shape(value, formats))
    moment = ibis.ifelse(clock != "", shape + " " + clock, ibis.null("string")).try_cast("timestamp")
    half = value.re_search(r"下午|晚上|[Pp][Mm]") & (moment.hour() < 12)
    return ibis.ifelse(half.fill_null(False), moment + ibis.interval(hours=12), moment)


# a serial number is five digits and no more: 00000000 is no date at all
AMBIGUOUS = (
    r"^(\d{1,2}/\d{1,2}/\d{4}|\d{1,2}[-/.]\d{1,2}[-/.]\d{1,2}\b|\d{2}年\d{1,2}月\d{1,2}日|\d{6}$|\d{5}(\.\d+)?$)"
)


def _unclear(raw: Column, day: Column, source: Source) -> Column:
    """Given, no day, in none of the accepted formats, and of a shape that more than one day could be meant by."""
    accepted = "|".join(DATE_FORMATS[name][0] if name in DATE_FORMATS else SERIAL for name in source.dates)
    unclear = raw.re_search(AMBIGUOUS) & ~raw.re_search(accepted)
    return ibis.ifelse(day.isnull() & raw.notnull(), unclear, ibis.literal(False))
