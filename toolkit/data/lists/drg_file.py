"""分组结果文件: the second file that carries the DRG, joined on the keys of a stay."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from ibis import _

from toolkit.data.reading import opening, text_rows
from toolkit.data.reading.formats import FormatMap, resolve
from toolkit.data.reading.text_rows import Part, read_schema
from toolkit.data.reading.typed_rows import day
from toolkit.engine import handed_over, reader
from toolkit.errors import InputError
from toolkit.params import RunParams

KEYS, ASKED = "drg_keys", "drg_asked"
ANY_HOSPITAL = "*"  # in place of a hospital, where records may be joined with the rows of any


def read_drgs(params: RunParams, form: FormatMap, connection: Any, work: Path) -> Any | None:
    """Keys and DRG of the second file, one row per stay; the file may not contradict itself."""
    spec = params.data.drg_file
    if spec is None:
        return None
    needed = ["record", "visit"] + ["discharge_date"] * bool(spec.discharge)
    if lacking := [f for f in needed if f not in form.fields or not form.fields[f].column]:
        raise InputError(
            f"来源格式没有字段 {'、'.join(lacking)}，不能与分组结果文件连接",
            "the format lacks the keys of the DRG file",
            where=form.id,
            remedy="在格式映射中声明这些字段",
            remedy_english="declare them in the format map",
        )
    source = opening.open_source(99_999, spec.file, work)
    if source.rejected:
        raise InputError(
            "分组结果文件不可读", "the DRG file cannot be read", where=str(spec.file), remedy=source.rejected
        )
    if source.stored == "parquet" and not read_schema(source, connection):
        raise InputError(
            "分组结果文件不可读", "the DRG file cannot be read", where=str(spec.file), remedy=source.rejected
        )
    wanted = {
        n: resolve(n, source.header) for n in (spec.hospital, spec.record, spec.visit, spec.discharge, spec.drg) if n
    }
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
    present = list(dict.fromkeys(found[0] for found in wanted.values()))
    door = reader(connection)
    door.drop_table("drg_rows", force=True)
    for number, part in enumerate(text_rows.parts([source], present)):
        text_rows.register(part, connection)
        text = door.table(text_rows.NAME)
        key = {
            "key_hospital": text[wanted[spec.hospital][0]] if spec.hospital else ibis.literal(""),
            "key_record": text[wanted[spec.record][0]],
            "key_visit": text[wanted[spec.visit][0]],
            "key_day": day(text[wanted[spec.discharge][0]], form.fields["discharge_date"])
            if spec.discharge
            else ibis.null("date"),
        }
        drgs = text.select(**key, joined_drg=text[wanted[spec.drg][0]])
        if number:
            door.insert("drg_rows", drgs)
        else:
            door.create_table("drg_rows", drgs)
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
    # sorted, so that a file of one hospital meets that hospital's part of the table only
    rows = door.table("drg_rows").distinct().order_by(["key_hospital", "key_record"])
    table = door.create_table(KEYS, rows, overwrite=True)
    door.drop_table("drg_rows")
    repeated = table.group_by(list(key)).aggregate(n=_.count()).filter(_.n > 1).count().execute()
    if repeated:
        raise InputError(
            f"分组结果文件中有 {repeated} 次住院对应多个 DRG",
            "stays with more than one DRG",
            where=str(spec.file),
            remedy="每次住院保留一个 DRG; 若病案号会重复使用, 请在 data.drg_file.discharge 写明出院时间列",
            remedy_english="keep one DRG a stay, or name the discharge-time column",
        )
    return handed_over(connection, KEYS), bool(spec.hospital), bool(spec.discharge)


def drg_digests(drgs: Any) -> dict[str, str]:
    """Hospital, as the file writes it -> digest of its rows, and of all rows under `ANY_HOSPITAL`.

    The engine's hash of each row, twice with its cells in another order, joined so that the order of rows does not count.
    """
    table, _by_hospital, _by_day = drgs
    cells = ["key_record", "key_visit", "key_day", "joined_drg"]
    once = ibis.struct({name: table[name] for name in ["key_hospital", *cells]}).hash()
    again = ibis.struct({name: table[name] for name in [*reversed(cells), "key_hospital"]}).hash()
    rows = table.group_by("key_hospital").aggregate(n=_.count(), once=once.bit_xor(), again=again.bit_xor()).execute()
    rows["key_hospital"] = rows["key_hospital"].fillna("")
    rows = rows.sort_values(["key_hospital", "once", "again"])
    found = {str(row.key_hospital): f"{row.n} {row.once} {row.again}" for row in rows.itertuples()}
    return {**found, ANY_HOSPITAL: sha256(repr(list(found.items())).encode()).hexdigest()}


def looked_up(part: Part, drgs: Any, form: FormatMap, columns: dict[str, list[str]], connection: Any) -> Part:
    """A part with its DRGs as column `joined_drg`: only keys are joined, not all the columns of its rows.

    A Parquet file, which the engine itself reads, comes back as it is; `join_drgs` joins it.
    """
    if part.rows is None:
        return part
    _table, by_hospital, by_day = drgs
    fields = ["record", "visit"] + ["hospital"] * by_hospital + ["discharge_date"] * by_day
    keys = pa.table(
        {"row": np.arange(len(part.rows)), **{f: part.rows[columns[form.fields[f].column][0]] for f in fields}}
    )
    door = reader(connection)
    door.con.register(ASKED, keys)
    asked, table = door.table(ASKED), door.table(KEYS)
    conditions = [asked.record == table.key_record, asked.visit == table.key_visit]
    if by_hospital:
        conditions.append(asked.hospital == table.key_hospital)
    if by_day:
        conditions.append(day(asked.discharge_date, form.fields["discharge_date"]) == table.key_day)
    found = asked.inner_join(table, conditions).select("row", "joined_drg").to_pyarrow()
    door.con.unregister(ASKED)
    place = np.full(len(part.rows), -1)
    place[found["row"].to_numpy()] = np.arange(len(found))
    drg = found["joined_drg"].combine_chunks().take(pa.array(place, mask=place < 0))
    return replace(part, rows=part.rows.append_column("joined_drg", drg))


def join_drgs(text: Any, drgs: Any, form: FormatMap, columns: dict[str, list[str]]) -> Any:
    """`text` with `joined_drg`, missing where the file has no row for the stay."""
    table, by_hospital, by_day = drgs

    def of(field: str) -> Any:
        return text[columns[form.fields[field].column][0]]

    conditions = [of("record") == table.key_record, of("visit") == table.key_visit]
    if by_hospital:
        conditions.append(of("hospital") == table.key_hospital)
    if by_day:
        discharge = form.fields["discharge_date"]
        conditions.append(day(text[columns[discharge.column][0]], discharge) == table.key_day)
    return text.left_join(table, conditions).select(*text.columns, "joined_drg")
