"""Rules over whole files that need their records: cover sheet, names, unit of money, lost zeros (规则 F06, F08, F09, K02, C09)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from ibis import _

from toolkit.data.accounts.near_codes import near_codes
from toolkit.data.discharge.identity import direct_identifiers
from toolkit.data.quality import CATALOGUE, Given
from toolkit.data.quality.given import Cover
from toolkit.data.quality.patients import split_pairs
from toolkit.data.reading.files import SourceFile
from toolkit.engine.types import Table
from toolkit.params import RunParams

MANY, COPIES = 20, 0.01  # rows that cannot all be twice by chance; share of equal rows that is worth a word
ROW_LIMITS = (65_536, 1_048_576)  # of a sheet, old and new
SHOWN = 5  # of many differences in one message
SPREAD = 2.0  # a median within this factor of the declared multiple is taken for the other unit of money


def warnings_of(source: SourceFile) -> str:
    """What rules over a file say without refusing it."""
    if source.rejected:
        return ""
    found = direct_identifiers(source.header)
    said = [f"规则F09：{CATALOGUE['F09'].message_zh}（{'、'.join(found)}）"] if found else []
    if source.lines in ROW_LIMITS:
        said.append(f"规则F12：行数恰为 Excel 的上限 {source.lines:,} 行，疑被截断，请与出院登记核对")
    if source.rewritten:
        counts = "、".join(f"{name} {n:,} 格" for name, n in sorted(source.rewritten.items()) if n)
        said += [f"编码写法已统一（全角、空白、引号、大小写等）：{counts}"] if counts else []
    if damaged := "、".join(f"{name} {n:,} 格" for name, n in sorted(source.damaged.items()) if n):
        said.append(f"数值被存为科学计数法，尾数已丢失，按缺失处理：{damaged}")
    return "；".join(said + source.notes)


def check_files(
    typed: Table, sources: Sequence[SourceFile], applicable: set[str], given: Given, params: RunParams
) -> list[int]:
    """Refuse files by what their records say; returns the numbers of those refused. No row of them may enter the store."""
    by_number = {s.number: s for s in sources if not s.rejected}
    reasons: list[tuple[int, str, str]] = []
    if "C09" in applicable:
        reasons += _fen_for_yuan(_facts(typed), given, params)
    reasons += _copies(typed, by_number)
    for number, said in near_codes(typed, given, params).items():
        if number in by_number:
            by_number[number].notes += said
    if "F06" in applicable:
        reasons += _against_cover(typed, by_number.values(), given.covers)
    if "P13" in applicable and given.procedures is not None:
        reasons += _lost_zeros(typed, given, params)
    for number, reason, rule in reasons:
        if number in by_number and not by_number[number].rejected:
            by_number[number].refuse(reason, rule)
    return [number for number, source in by_number.items() if source.rejected]


def _facts(typed: Table) -> pd.DataFrame:
    """`file, hospital` (as reported), `n, median` (of the total cost, fen)."""
    grouped = typed.mutate(hospital=_.reported_hospital).group_by(["file", "hospital"])
    return grouped.aggregate(n=_.cost_fen.count(), median=_.cost_fen.cast("float64").median()).execute()


def _copies(typed: Table, sources: Mapping[int, SourceFile]) -> list[tuple[int, str, str]]:
    """Files without record numbers in which every row stands several times; a note where more do than chance gives."""
    keyless = [n for n, s in sources.items() if "record" in s.lacks]
    if not keyless:
        return []
    rows = typed.filter(_.file.isin(keyless)).group_by(["file", "content"]).aggregate(n=_.count())
    counted = rows.group_by("file").aggregate(received=_.n.sum(), least=_.n.min(), contents=_.count()).execute()
    found = []
    for row in counted.itertuples():
        said = "没有病案号，规则K04、K05 不适用，与其他文件的重复按内容判断（规则K12）"
        if row.least > 1 and row.contents >= MANY:
            found.append((int(row.file), f"每一行都出现 {row.least} 次以上，疑似重复导出；{said}", "F11"))
            continue
        copies = row.received - row.contents
        if copies > COPIES * row.received:
            said += f"；{copies:,} 行与前面的行完全相同（{100 * copies / row.received:.1f}%），请核对是否重复导出（规则F11）"
        sources[int(row.file)].notes.append(said)
    return found


def _fen_for_yuan(facts: pd.DataFrame, given: Given, params: RunParams) -> list[tuple[int, str, str]]:
    """Files whose hospital's median is about the declared multiple of that of its peers."""
    quality = params.quality
    known = facts[(facts["n"] >= quality.minimum_cases) & (facts["median"] > 0)]
    # the median of a hospital's files, by their size: exact enough for a factor of a hundred
    by_file = known.sort_values("n").groupby(["file", "hospital"], as_index=False).last()
    hospital = by_file.sort_values("median").groupby("hospital")["median"].median()
    groups = pd.Series("", index=hospital.index)
    if given.hospitals is not None and "level_group" in given.hospitals:
        groups = hospital.index.to_series().map(given.hospitals.set_index("code")["level_group"]).fillna("")
    found = []
    for row in by_file.itertuples():
        others = hospital[(groups == groups[row.hospital]) & (hospital.index != row.hospital)]
        others = others if len(others) else hospital[hospital.index != row.hospital]
        times = row.median / others.median() if len(others) else 0
        if quality.fen_times / SPREAD <= times <= quality.fen_times * SPREAD:
            found.append((int(row.file), f"本院费用中位数为同级的 {times:.0f} 倍，疑似以“分”为单位，请核实", "C09"))
    return found


def _against_cover(typed: Table, sources: Iterable[SourceFile], covers: Sequence[Cover]) -> list[tuple[int, str, str]]:
    by_name: dict[str, list[Cover]] = {}
    for cover in covers:
        by_name.setdefault(cover.file, []).append(cover)
    months = (
        typed.group_by(["file", "year", "month"])
        .aggregate(n=_.count(), total=_.cost_fen.sum().cast("float64"))
        .execute()
    )
    found = []
    for source in sources:
        differences = []
        mine = months[months["file"] == source.number]
        mine_by_cover = by_name.get(source.name) or by_name.get(source.path.name, [])
        for cover in mine_by_cover:
            of_month = mine
            if cover.month:
                of_month = mine[
                    [f"{y}-{m}" == _month(cover.month) for y, m in zip(mine["year"], mine["month"], strict=True)]
                ]
            # refused lines were received too, but nobody knows their month
            n = source.received if not cover.month else int(of_month["n"].sum())
            if n != cover.discharges:
                differences.append(f"{cover.month or '全部'}例数 文件 {n}、说明 {cover.discharges}")
            total = round(float(of_month["total"].sum()))
            if cover.total_fen is not None and total != cover.total_fen:
                differences.append(
                    f"{cover.month or '全部'}总费用 文件 {total / 100:.2f}、说明 {cover.total_fen / 100:.2f}"
                )
        if not mine_by_cover:
            differences.append("报送说明没有本文件")
        if differences:
            found.append((source.number, f"文件合计与报送说明不符：{'；'.join(differences[:SHOWN])}", "F06"))
    return found


def _month(text: str) -> str:
    year, _dash, month = text.partition("-")
    return f"{int(year)}-{int(month)}" if year.isdigit() and month.isdigit() else text


def _lost_zeros(typed: Table, given: Given, params: RunParams) -> list[tuple[int, str, str]]:
    """Files in which many procedure codes are unknown and become known once zeros are restored."""
    assert given.procedures is not None  # noqa: S101  the rule needs it
    counted = (
        typed.filter(_.procedure_levels.notnull() & _.year.notnull())
        .group_by(["file", "year", "procedure_levels"])
        .aggregate(n=_.count())
        .execute()
    )
    in_force = {int(year): given.procedures.in_force(int(year)) for year in set(counted["year"])}
    rows = []
    for row in counted.itertuples():
        known = in_force[int(row.year)]
        held = [code.upper() for code, _level in split_pairs(row.procedure_levels)]
        codes = row.n * len(held)
        lost = row.n * sum(code not in known and any(code + zeros in known for zeros in ("0", "00")) for code in held)
        rows.append((int(row.file), codes, lost))
    sums = pd.DataFrame(rows, columns=["file", "codes", "lost"]).groupby("file").sum()
    bad = sums[sums["lost"] > params.quality.lost_zero_share * sums["codes"]]
    return [
        (
            int(file),
            f"{row.lost} 个手术操作编码末尾的 0 已丢失（占 {100 * row.lost / row.codes:.1f}%），请以文本格式导出",
            "F08",
        )
        for file, row in bad.iterrows()
    ]
