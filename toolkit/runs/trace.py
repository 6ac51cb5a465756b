"""Where one record went: its fate, the rules that hit it, and every number that it entered.

A discharge enters a cell of the results where it adds to both sums of an indicator. What it adds is found by the way of all
discharges: a cube of this one alone, beside the references of the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import pandas as pd

from toolkit.cube import BASES, KEY, NONE
from toolkit.data.accounts.fates import USABLE
from toolkit.data.discharge import identity
from toolkit.data.quality.base import SCOPES, SPECIALTY, Fate
from toolkit.data.quality.marks import ids_in
from toolkit.documents import Document, Plain
from toolkit.errors import ParameterError, RunError, did_you_mean, nearest
from toolkit.evaluation.results import Results
from toolkit.frames import groups_of, row_at, rows_of
from toolkit.indicators import CATALOGUE, Status
from toolkit.reference import Referenced
from toolkit.runs.stage import record_key

BASIS_NAMES = {"contemporaneous": "当期", "frozen": "定基"}


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A rule that hit the record. `scopes` are the groups of measures it takes the record out of, empty for all."""

    rule: str
    name: str
    fate: Fate
    message: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One record.

    Attributes
    ----------
    file, line
        Name of the source file and physical line in it.
    pseudonym
        Keyed hash of hospital and record number, as in the worklists; the number itself is nowhere in a run.
    fate
        Accepted, excluded, quarantined, or rejected where its whole file was refused.
    reason
        The primary rule, "" where accepted; the reason in words where rejected.
    hits
        All rules that hit it.
    uses
        Group of measures -> 纳入, or fate and rule that took the record out of them.
    trimmed
        (measure, basis) -> True where the amount is beyond the trim limits of its DRG; absent where it is not usable.
    cells
        One row for every cell of the results that the record entered: `level, hospital, specialty, period, basis, indicator`,
        what it added (`x` to the numerator, `y` to the denominator) and what stands there (`value, n, status`).
    """

    file: str
    line: int
    hospital: str
    year: int
    fate: Fate
    reason: str
    sha256: str = ""
    pseudonym: str = ""
    specialty: str = ""
    drg: str = ""
    hits: Sequence[Hit] = ()
    uses: Mapping[str, str] = field(default_factory=dict)
    trimmed: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)


def file_number(results: Results, name: str) -> int:
    """Number of a source file in the run.

    Raises
    ------
    ParameterError
        No file has the name, or several have.
    """
    found = results.files.loc[results.files["name"] == name, "file"]
    if len(found) == 1:
        return int(found.iloc[0])
    near = nearest(name, results.files["name"])
    raise ParameterError(
        f"运行中有 {len(found)} 个文件名为 {name}" if len(found) else f"运行中没有文件 {name}",
        "the run has no such file, or several",
        where="--file",
        remedy="改用 --hospital 和 --record" if len(found) else f"是否为 {near}?" if near else "用文件名，不带文件夹",
        remedy_english="trace by hospital and record" if len(found) else "give the name without its folder",
    )


def known_hospital(results: Results, hospital: str) -> None:
    """Refuse a hospital of which the run has neither a record nor a line in its registry."""
    known = {*results.accounts["hospital"], *results.hospitals["code"]}
    if hospital not in known:
        raise ParameterError(
            f"运行中没有机构 {hospital}",
            "the run has no such hospital",
            where="--hospital",
            **did_you_mean(hospital, known, "用数据中的机构代码，注意前导零", "use the code of the data"),
        )


VISITS = 999  # visits tried where none is given, plain and with leading zeros


def pseudonyms(
    results: Results, folder: Path, hospital: str, record: str, visit: str, key_file: Path | None = None
) -> list[str]:
    """What the stays of a record number are called in the run: hashed with the run's key, as at the door.

    Raises
    ------
    ParameterError
        The run has no such hospital.
    RunError
        The key of the run is not at hand.
    """
    key = identity.key_of_fingerprint(record_key(folder), key_file)
    if key is None:
        raise RunError(
            "手边没有这次运行的密钥，无法按病案号查找",
            "the run's key is not at hand",
            where=str(key_file or identity.state_folder() / "keys"),
            remedy="用 --key-file 给出密钥文件；或改用 --file 和 --line，整改清单里有行号",
            remedy_english="name the key by --key-file, or trace by file and line",
        )
    known_hospital(results, hospital)
    tried = (
        [visit]
        if visit
        else ["", *(f"{n:0{width}}" for width in (1, 2, 3) for n in range(VISITS + 1) if n < 10**width)]
    )
    return [identity.pseudonym_of(hospital, record, one, key) for one in dict.fromkeys(tried)]


def refused_file(results: Results, number: int, line: int) -> Trace | None:
    """The trace of a line of a file that was refused as a whole, None where it was read."""
    row = row_at(results.files.set_index("file"), number)
    if not row["rejected"]:
        return None
    return Trace(
        file=row["name"],
        line=line,
        hospital="",
        year=0,
        fate=Fate.REJECTED,
        reason=str(row["rejected"]),
        sha256=row["sha256"],
    )


def not_found(results: Results, number: int | None, line: int, hospital: str) -> ParameterError:
    """Why there is no such record."""
    if number is None:
        return ParameterError(
            f"机构 {hospital} 没有这个病案号的记录",
            "the hospital has no record under this number",
            where="--record",
            remedy="核对病案号（前导零也要写）；住院次数若不是数字，请用 --visit 给出；文件被拒收或已被替代的，其中的病例不在运行中",
            remedy_english="check number and visit; records of refused or replaced files are not in the run",
        )
    row = row_at(results.files.set_index("file"), number)
    return ParameterError(
        f"{row['name']} 的第 {line} 行不是一条记录",
        "this line is no record",
        where="--line",
        remedy=f"行号从 1 起，含表头和空行；该文件有 {row['received']:,} 条记录",
        remedy_english="line 1 is the header",
    )


def traces(
    results: Results,
    marked: pd.DataFrame,
    stored: pd.DataFrame,
    numbers: Callable[[pd.Series], tuple[dict[tuple[str, str], bool], pd.DataFrame]],
) -> list[Trace]:
    """One trace for each record found.

    Parameters
    ----------
    marked, stored
        Rows of the fates and of the store, as from `toolkit.data.accounts.lookup`.
    numbers
        Of a stored row: whether it was trimmed, and the cells it entered.
    """
    files = results.files.set_index("file")
    at = {(int(r["file"]), int(r["line"])): r for _, r in marked.iterrows()}
    kept = {(int(r["file"]), int(r["line"])): r for _, r in stored.iterrows()}
    made = []
    for place in sorted({*at, *kept}):
        mark, row = at.get(place), kept.get(place)
        hits = hits_of(results, ids_in(mark["rules"]) if mark is not None else ())
        source = row_at(files, place[0])
        common: Document = {"file": source["name"], "line": place[1], "sha256": source["sha256"], "hits": hits}
        if row is None:
            assert mark is not None  # noqa: S101  the place is in one of the two
            made.append(
                Trace(
                    **common,
                    hospital=mark["hospital"],
                    year=int(mark["year"]),
                    fate=Fate(mark["fate"]),
                    reason=mark["rule"],
                    pseudonym=_text(mark["pseudonym"]),
                )
            )
            continue
        trimmed_, cells = numbers(row)
        made.append(
            Trace(
                **common,
                hospital=row["hospital"],
                year=int(row["year"]),
                fate=Fate.ACCEPTED,
                reason="",
                pseudonym=_text(row["pseudonym"]),
                specialty=_text(row["specialty"]),
                drg=_text(row["drg"]),
                uses=uses_of(hits, usable_flags(row.to_dict())),
                trimmed=trimmed_,
                cells=cells,
            )
        )
    return made


def trimmed(own: pd.Series) -> dict[tuple[str, str], bool]:
    """(measure, basis) -> whether the amount is beyond its limits, from the cube of one record."""
    found: dict[tuple[str, str], bool] = {}
    for measure in ("cost", "los"):
        for basis in BASES:
            if own[f"{measure}_n"] and own["drg"] != NONE:
                found[measure, basis] = not own[f"{measure}_kept_n@{basis}"]
    return found


def hits_of(results: Results, ids: Sequence[str]) -> tuple[Hit, ...]:
    """The rules as they were in the run."""
    rules = {rule.id: rule for rule in results.facts.rules}
    return tuple(
        Hit(
            rule=i,
            name=rules[i].name,
            fate=Fate(rules[i].fate or Fate.WARNED),
            message=rules[i].message,
            scopes=rules[i].scopes,
        )
        for i in ids
    )


def uses_of(hits: Sequence[Hit], usable: Mapping[str, bool]) -> dict[str, str]:
    """For each group of measures whether an accepted record is in it, and if not, why."""
    uses = {}
    for scope in SCOPES:
        against = [h for h in hits if scope in h.scopes and h.fate != Fate.WARNED]
        against.sort(key=lambda h: h.fate != Fate.QUARANTINED)
        if usable.get(scope, not against):
            uses[scope] = Fate.ACCEPTED.zh
        elif against:
            uses[scope] = f"{against[0].fate.zh}（规则{against[0].rule} {against[0].message}）"
        else:
            uses[scope] = "排除（没有可用的值，来源缺少该字段）"
    return uses


def one_record(whole: Referenced, own: Referenced, sums: Collection[str]) -> Referenced:
    """The cube of one discharge with the references of the whole run.

    Parameters
    ----------
    whole
        All discharges of the run.
    own
        The one discharge, referenced to itself alone.
    sums
        Columns of the cube: in these the discharge stands for itself, in all others for its place among the references.
    """
    frame, alone = whole.frame, own.frame
    [row] = alone[list(KEY)].to_dict("records")
    place = pd.Series(True, index=frame.index)
    for name, value in row.items():
        place &= frame[name] == value
    found = frame[place].reset_index(drop=True)
    names = {name.partition("@")[0] for name in sums} - set(KEY)
    given = {name: alone[name].to_numpy() for name in alone if name in names}
    return Referenced(basis=whole.basis, frame=found.assign(**given), grades=whole.grades, insufficient={})


def entered(cells: pd.DataFrame, results: Results) -> pd.DataFrame:
    """The cells of one discharge alone beside what stands in the results; only those it entered."""
    keys = ["level", "hospital", "specialty", "period", "basis", "indicator"]
    counted = (cells["n"] > 0) | (cells["y"].fillna(0) != 0)  # a case may add nothing to what it is measured by
    added = cells.loc[counted, [*keys, "x", "y"]]
    shown = results.cells[[*keys, "value", "n", "status"]]
    found = added.astype(dict.fromkeys(keys, "str")).merge(
        shown.astype(dict.fromkeys(keys, "str")), on=keys, how="left", validate="one_to_one"
    )
    order = {"unit": 0, "hospital": 1, "specialty": 2, "peers": 3, "region": 4}
    return found.sort_values(
        ["level", "basis", "period"],
        key=lambda c: c.map(order) if c.name == "level" else c,
        kind="stable",
        ignore_index=True,
    )


def as_text(traces: Sequence[Trace], results: Results) -> str:
    """What a person reads."""
    return "\n\n".join("\n".join(_lines(one, results)) for one in traces)


def as_records(traces: Sequence[Trace]) -> list[Document]:
    """Plain values, for JSON."""
    return [
        {
            **{f.name: getattr(one, f.name) for f in fields(one) if f.name not in ("hits", "trimmed", "cells")},
            "hits": [vars(hit) for hit in one.hits],
            "trimmed": {f"{measure}@{basis}": cut for (measure, basis), cut in one.trimmed.items()},
            "cells": one.cells.astype(object).where(one.cells.notna(), None).to_dict("records"),
        }
        for one in traces
    ]


def _lines(one: Trace, results: Results) -> list[str]:
    head = f"文件 {one.file}，第 {one.line} 行" + f"，机构 {one.hospital}" * bool(one.hospital)
    lines = [head + (f"，假名 {one.pseudonym}" if one.pseudonym else "")]
    why = f"：规则{one.reason}" if one.reason and one.fate != Fate.REJECTED else f"：{one.reason}" if one.reason else ""
    lines.append(f"去向：{one.fate.zh}{why}")
    for hit in one.hits:
        where = "、".join(SCOPES.get(s, s) for s in hit.scopes)
        lines.append(f"  规则{hit.rule} {hit.name}（{hit.fate.zh}{'，只对' + where if where else ''}）：{hit.message}")
    if one.fate != Fate.ACCEPTED:
        return [*lines, "未进入任何数值。"]
    name = results.specialty_name(one.specialty) if one.specialty else "不属于所评专科（计入全院与参照）"
    lines.append(f"{one.year} 年出院；专科：{name}；DRG：{one.drg or '未入组'}")
    lines += [f"  {SCOPES[scope]}：{use}" for scope, use in one.uses.items()]
    words = {"cost": "费用", "los": "住院天数"}
    for (measure, basis), cut in one.trimmed.items():
        lines.append(f"  {words[measure]}，{BASIS_NAMES[basis]}口径：{'为本 DRG 极端值，已裁剪' if cut else '未裁剪'}")
    return [*lines, *_numbers(one, results)]


def _numbers(one: Trace, results: Results) -> list[str]:
    """The unit's cells one by one (the hospital's where it has no unit), the other levels as a count."""
    if one.cells.empty:
        return ["未进入任何数值。"]
    level = "unit" if (one.cells["level"] == "unit").any() else "hospital"
    words = {"unit": "本专科", "hospital": "本院", "specialty": "全区域本专科", "peers": "同类专科", "region": "全区域"}
    others = one.cells[one.cells["level"] != level]["level"].value_counts(sort=False).to_dict()
    rest = "、".join(f"{words[str(name)]} {n} 个" for name, n in others.items())
    mine = one.cells[one.cells["level"] == level]
    lines = [
        f"进入 {len(one.cells)} 个数值：{words[level]} {len(mine)} 个{'、' + rest if rest else ''}。{words[level]}的数值："
    ]
    for (basis, period), rows in groups_of(mine.groupby(["basis", "period"], sort=False)):
        lines.append(f"  {BASIS_NAMES[basis]}口径，{results.periods.get(period, period + ' 年')}")
        for row in rows_of(rows):
            indicator = CATALOGUE[row.indicator]
            stands = (
                f"{row.value:.{indicator.decimals}f}{indicator.unit}"
                if row.status == Status.VALUE
                else Status(row.status).zh
            )
            added = f"分子 +{row.x:.6g}，分母 +{row.y:.6g}"
            lines.append(f"    {indicator.name_zh}：{added}（该值 {stands}，n={row.n:,}）")
    return lines


def usable_flags(record: Mapping[Hashable, object]) -> dict[str, bool]:
    """Group of measures -> whether the stored record is used in it."""
    flags = {scope: bool(record[column]) for scope, column in USABLE.items()}
    return flags | {SPECIALTY: _text(record["specialty"]) != NONE}


def _text(value: Plain) -> str:
    """A cell of a frame as text, "" where it is missing."""
    return "" if value is None or pd.isna(value) else str(value)
