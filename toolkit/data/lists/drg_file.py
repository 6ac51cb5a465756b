"""分组结果文件: the second file that carries the DRG, joined on the keys of a stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.reading import opening, text_rows
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source, resolve
from toolkit.data.reading.text_rows import Part, read_schema
from toolkit.data.reading.typed_rows import day
from toolkit.engine import handed_over, reader
from toolkit.engine.types import Engine, Table
from toolkit.errors import InputError
from toolkit.params import DrgFile, RunParams
from toolkit.written_form import Mode, shape_of

KEYS, ASKED, ROWS = "drg_keys", "drg_asked", "drg_rows"  # tables of the engine
KEY = ("key_hospital", "key_record", "key_visit", "key_day")  # of a stay
EXAMPLES = 3  # of keys, as shapes
ANY_HOSPITAL = "*"  # in place of a hospital, where records may be joined with the rows of any


@dataclass(frozen=True, kw_only=True)
class Drgs:
    """The DRG file as a table of keys, one row a stay.

    Attributes
    ----------
    rows
        Stays in it.
    unmatched
        What keys of records look like that are not in it.
    """

    table: Table
    by_hospital: bool
    by_day: bool
    ignore_zeros: bool
    rows: int
    unmatched: list[str] = field(default_factory=list)


def lacking_keys(params: RunParams, form: FormatMap) -> list[str]:
    """The keys of the DRG file that records of a format do not have."""
    spec = params.data.drg_file
    needed = ["record", "visit"] + ["discharge_date"] * bool(spec and spec.discharge)
    return [f for f in needed if f not in form.fields or not form.fields[f].column]


def read_drgs(params: RunParams, forms: Sequence[FormatMap], connection: Engine, work: Path) -> Drgs | None:
    """Keys and DRG of the second file, one row per stay; the file may not contradict itself.

    Raises
    ------
    InputError
        It cannot be read, or none of the formats has the keys.
    """
    spec = params.data.drg_file
    if spec is None:
        return None
    if all(lacking_keys(params, form) for form in forms):
        raise InputError(
            f"来源格式没有字段 {'、'.join(lacking_keys(params, forms[0]))}，不能与分组结果文件连接",
            "the format lacks the keys of the DRG file",
            where="、".join(form.id for form in forms),
            remedy="在格式映射中声明这些字段",
            remedy_english="declare them in the format map",
        )
    source = _opened(spec, connection, work)
    _read(source, spec, _any_day(forms), params.quality.missing_words, connection)
    # sorted, so that a file of one hospital meets that hospital's part of the table only
    door = reader(connection)
    rows = door.table(ROWS).distinct().order_by(["key_hospital", "key_record"])
    table = door.create_table(KEYS, rows, overwrite=True)
    door.drop_table(ROWS)
    if repeated := table.group_by(list(KEY)).aggregate(n=_.count()).filter(_.n > 1).count().execute():
        raise InputError(
            f"分组结果文件中有 {repeated} 次住院对应多个 DRG",
            "stays with more than one DRG",
            where=str(spec.file),
            remedy="每次住院保留一个 DRG; 若病案号会重复使用, 请在 data.drg_file.discharge 写明出院时间列",
            remedy_english="keep one DRG a stay, or name the discharge-time column",
        )
    return Drgs(
        table=handed_over(connection, KEYS),
        by_hospital=bool(spec.hospital),
        by_day=bool(spec.discharge),
        ignore_zeros=spec.ignore_zeros,
        rows=int(table.count().execute()),
    )


def _any_day(forms: Sequence[FormatMap]) -> Source:
    """A day in the formats of any of the maps."""
    days = [form.fields["discharge_date"].dates for form in forms if "discharge_date" in form.fields]
    return Source(
        column="discharge", dates=list(dict.fromkeys(one for dates in days for one in dates)) or ["yyyy-MM-dd"]
    )


def _opened(spec: DrgFile, connection: Engine, work: Path) -> SourceFile:
    """The file, with its header known."""
    source = opening.open_source(99_999, spec.file, work)
    if source.rejected or (source.stored == "parquet" and not read_schema(source, connection)):
        raise InputError(
            "分组结果文件不可读", "the DRG file cannot be read", where=str(spec.file), remedy=source.rejected
        )
    return source


def _columns(source: SourceFile, spec: DrgFile) -> dict[str, str]:
    """Name in the parameters -> the file's column."""
    named = [n for n in (spec.hospital, spec.record, spec.visit, spec.discharge, spec.drg) if n]
    wanted = {n: resolve(n, source.header) for n in named}
    if spec.hospital and not wanted[spec.hospital]:
        raise InputError(
            f"分组结果文件没有机构代码列 {spec.hospital}，不同机构的同一病案号会互相配上",
            "the DRG file has no hospital column: record numbers of different hospitals would be taken for one",
            where=str(spec.file),
            remedy='补上该列，或在 data.drg_file.hospital 写明列名；病案号在全部机构间确不重复时写 hospital: ""',
            remedy_english='add or name the column; hospital: "" only where no two hospitals share a record number',
        )
    if missing := [n for n in (spec.record, spec.visit, spec.drg, spec.discharge) if n and not wanted[n]]:
        raise InputError(
            f"分组结果文件缺少列 {'、'.join(missing)}",
            "the DRG file lacks columns",
            where=str(spec.file),
            remedy="在 data.drg_file 中写明列名",
            remedy_english="name the columns under data.drg_file",
        )
    return {name: found[0] for name, found in wanted.items()}


def _read(source: SourceFile, spec: DrgFile, dates: Source, missing: Sequence[str], connection: Engine) -> None:
    """Every row's keys and DRG into the table `ROWS`, part by part."""
    columns = _columns(source, spec)
    door = reader(connection)
    door.drop_table(ROWS, force=True)
    forms: list[tuple[str, Mode]] = [
        (spec.hospital, "code"),
        (spec.record, "code"),
        (spec.visit, "count"),
        (spec.drg, "code"),
        (spec.discharge, "plain"),
    ]
    modes = {columns[name]: form_of for name, form_of in forms if name}
    present = list(dict.fromkeys(columns.values()))
    for number, part in enumerate(text_rows.parts([source], present, modes=modes, missing=missing)):
        text_rows.register(part, connection)
        drgs = _keyed(door.table(text_rows.NAME), spec, columns, dates)
        if number:
            door.insert(ROWS, drgs)
        else:
            door.create_table(ROWS, drgs)
        text_rows.close(connection)
    source.close()
    if source.rejected or source.refused:
        raise InputError(
            "分组结果文件不可读" if source.rejected else "分组结果文件有结构错误的行",
            "the DRG file cannot be read, or has ragged lines",
            where=f"{spec.file}" + f":{min(source.unclosed)}" * bool(source.refused),
            remedy=source.rejected or "修正后重新提供",
            remedy_english="mend and give it again",
        )


def _keyed(text: Table, spec: DrgFile, columns: dict[str, str], dates: Source) -> Table:
    """Rows of text as keys and DRG; a key that the file does not have is empty."""
    zeros = "^0+" if spec.ignore_zeros else "^$"
    hospital = text[columns[spec.hospital]].re_replace(zeros, "") if spec.hospital else ibis.literal("")
    discharged = day(text[columns[spec.discharge]], dates) if spec.discharge else None
    key = {
        "key_hospital": hospital,
        "key_record": text[columns[spec.record]].re_replace(zeros, ""),
        "key_visit": text[columns[spec.visit]],
        "key_day": ibis.null("date") if discharged is None else discharged,
    }
    assert tuple(key) == KEY  # noqa: S101  one list of keys
    return text.select(**key, joined_drg=text[columns[spec.drg]])


def drg_digests(drgs: Drgs) -> dict[str, str]:
    """Hospital, as the file writes it -> digest of its rows, and of all rows under `ANY_HOSPITAL`.

    The engine's hash of each row, twice with its cells in another order, joined so that the order of rows does not count.
    """
    table = drgs.table
    cells = ["key_record", "key_visit", "key_day", "joined_drg"]
    once = ibis.struct({name: table[name] for name in ["key_hospital", *cells]}).hash()
    again = ibis.struct({name: table[name] for name in [*reversed(cells), "key_hospital"]}).hash()
    rows = table.group_by("key_hospital").aggregate(n=_.count(), once=once.bit_xor(), again=again.bit_xor()).execute()
    rows["key_hospital"] = rows["key_hospital"].fillna("")
    rows = rows.sort_values(["key_hospital", "once", "again"])
    found = {str(row.key_hospital): f"{row.n} {row.once} {row.again}" for row in rows.itertuples()}
    return {**found, ANY_HOSPITAL: sha256(repr(list(found.items())).encode()).hexdigest()}


def looked_up(part: Part, drgs: Drgs, form: FormatMap, columns: dict[str, list[str]], connection: Engine) -> Part:
    """A part with its DRGs as column `joined_drg`, and `drg_found`: whether the file has the stay at all ("1", else missing).

    Only keys are joined, not all the columns of its rows.
    """
    fields = ["record", "visit"] + ["hospital"] * drgs.by_hospital + ["discharge_date"] * drgs.by_day
    given = {f: part.rows[columns[form.fields[f].column][0]] for f in fields}
    if drgs.ignore_zeros:
        given |= {f: pc.utf8_ltrim(given[f], "0") for f in fields if f in ("record", "hospital")}
    keys = pa.table({"row": np.arange(len(part.rows)), **given})
    door = reader(connection)
    door.con.register(ASKED, keys)
    asked, table = door.table(ASKED), door.table(KEYS)
    conditions = [asked.record == table.key_record, asked.visit == table.key_visit]
    if drgs.by_hospital:
        conditions.append(asked.hospital == table.key_hospital)
    if drgs.by_day:
        conditions.append(day(asked.discharge_date, form.fields["discharge_date"]) == table.key_day)
    found = asked.inner_join(table, conditions).select("row", "joined_drg").to_pyarrow()
    door.con.unregister(ASKED)
    place = np.full(len(part.rows), -1)
    place[found["row"].to_numpy()] = np.arange(len(found))
    drg = found["joined_drg"].combine_chunks().take(pa.array(place, mask=place < 0))
    known = pa.array(np.where(place < 0, "", "1")).cast(pa.string())
    if (lost := np.flatnonzero(place < 0)[:EXAMPLES]).size and not drgs.unmatched:
        drgs.unmatched.extend(_shapes(keys.take(pa.array(lost)).select(fields)))
    rows = part.rows.append_column("joined_drg", drg).append_column(
        "drg_found", pc.replace_with_mask(known, pc.equal(known, ""), pa.scalar(None, pa.string()))
    )
    return replace(part, rows=rows)


def refuse_unmatched(drgs: Drgs, matched: int, asked: int, params: RunParams) -> None:
    """Stop where too few records are in the DRG file: then its keys are written in another way than those of the records.

    Raises
    ------
    InputError
        With how many of each there are, and what keys of either side look like.
    """
    spec = params.data.drg_file
    if spec is None or not asked or matched >= spec.least_share * asked:
        return
    table = drgs.table.limit(EXAMPLES).to_pyarrow()
    names = {"key_record": "record", "key_visit": "visit", "key_hospital": "hospital", "key_day": "discharge_date"}
    held = [n for n in names if n in table.column_names and not pc.all(pc.is_null(table[n])).as_py()]
    there = _shapes(
        table.select([n for n in held if n != "key_hospital" or drgs.by_hospital]).rename_columns(
            [names[n] for n in held if n != "key_hospital" or drgs.by_hospital]
        )
    )
    raise InputError(
        f"分组结果文件 {drgs.rows:,} 行，{asked:,} 例病案配上 {matched:,} 例，不足 {spec.least_share:.0%}；"
        f"病案的键形如 {'、'.join(dict.fromkeys(drgs.unmatched)) or '—'}；分组结果文件的键形如 {'、'.join(dict.fromkeys(there)) or '—'}",
        f"the DRG file has {drgs.rows:,} rows, and {matched:,} of {asked:,} records are in it",
        where=str(spec.file),
        remedy="让两边的机构代码、病案号、住院次数、出院时间写法一致；只是前导 0 丢失时可写 data.drg_file.ignore_zeros: true",
        remedy_english="write the keys alike on both sides; ignore_zeros: true where only leading zeros were lost",
    )


def _shapes(keys: pa.Table) -> list[str]:
    """What keys look like, never a key itself."""
    titles = {name: BY_NAME[name].name_zh for name in keys.column_names}
    return ["，".join(f"{titles[n]} {shape_of(row[n])}" for n in keys.column_names) for row in keys.to_pylist()]
