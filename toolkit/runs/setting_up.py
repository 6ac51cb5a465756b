"""A parameter file from a folder: what is there is looked at and written down, what cannot be known is asked.

Nothing is decided that is the programme's: maps wait for a person's confirmation, projects are empty, periods and specialties
are proposals with the counts they rest on.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

from toolkit.data.accounts.sent import Sent, counted
from toolkit.data.lists.clinical_departments import ClinicalDepartment, clinical_department
from toolkit.data.reading.groups import name_in_path
from toolkit.data.reading.survey import Kind, Role, Survey, hospital_in_path, survey
from toolkit.documents import Document
from toolkit.errors import InputError, ParameterError
from toolkit.indicators import CATALOGUE as INDICATORS
from toolkit.indicators.needs import lacking
from toolkit.params import FileGroup
from toolkit.running.scratch import scratch
from toolkit.runs.asked import Progress

LEAST_YEAR = 0.01  # of all records: a year of fewer is a stray one
SPECIALTIES, DEPARTMENTS, FEW = 40, 200, 5
REASONS = 3  # why columns of a table could not be taken for what their names say
REGISTRY = "hospitals.csv"


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """What was written, and what somebody has to do before a run."""

    files: tuple[Path, ...]
    said: tuple[str, ...]
    asked: tuple[str, ...]


def set_up(folder: Path, target: Path, progress: Progress, *, force: bool = False) -> SetUp:
    """Write a parameter file for the records in a folder, with maps and a registry to be filled in beside it.

    Parameters
    ----------
    target
        The parameter file; maps go to a folder of its name beside it.

    Raises
    ------
    InputError
        There is no such folder, or no table of records in it.
    ParameterError
        A file that would be written exists, and `force` is not given.
    """
    if not folder.is_dir():
        raise InputError(
            "没有这个文件夹" if not folder.exists() else "这不是文件夹",
            "no such folder",
            where=str(folder),
            remedy="写明数据所在的文件夹；单个文件用 speceval map",
            remedy_english="name the folder of the records; for one file, speceval map",
        )
    beside = target.with_suffix("")
    if target.exists() and not force:
        raise ParameterError(
            f"文件已存在: {target}", "file exists", remedy="换一个名字, 或加 --force", remedy_english="or --force"
        )
    with scratch() as work:
        found = survey(folder, Path(work), progress)
        kinds = sorted(found.of(Role.RECORDS), key=lambda k: (not k.format, -len(k.form.required())))
        if not kinds:
            raise InputError(
                f"{len(found.tables) + len(found.not_read)} 个文件中没有认出病例记录",
                "no table of records was recognised",
                where=str(folder),
                remedy="对其中一个文件运行 speceval map，看各列是什么",
                remedy_english="run speceval map on one of the files",
            )
        kinds, groups = _groups(kinds, folder, target, beside)
        counts = counted(kinds, groups, folder, Path(work), progress)
        for table in found.tables:
            table.close()
    draft = _Draft(folder, target, beside, found, kinds, groups, counts)
    files = draft.write()
    return SetUp(files=tuple(files), said=tuple(draft.said()), asked=tuple(draft.asked()))


def _groups(kinds: Sequence[Kind], folder: Path, target: Path, beside: Path) -> tuple[list[Kind], list[FileGroup]]:
    """The groups of files; a kind whose paths say the hospital in several ways is several groups of one format."""
    parts, groups = [], []
    for kind in kinds:
        form = kind.format or _relative(beside / f"{kind.proposal.name}.yaml", target)
        ways: list[tuple[Document, list[int]]] = [({}, list(range(len(kind.tables))))]
        if kind.lacks_hospital:
            found = hospital_in_path([name_in_path(table) for table in kind.tables])
            ways = [({"from_path": {"hospital": where}}, places) for where, places in found]
        for given, places in ways:
            parts.append(replace(kind, tables=[kind.tables[place] for place in places]))
            groups.append(FileGroup.model_validate({"format": form, "files": [_relative(folder, target)], **given}))
    return parts, groups


def _relative(path: Path, target: Path) -> str:
    """As the parameter file names it."""
    return os.path.relpath(path.resolve(), target.resolve().parent)


# --- what is written ----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Draft:
    """A parameter file in the making."""

    folder: Path
    target: Path
    beside: Path
    found: Survey
    kinds: Sequence[Kind]
    groups: Sequence[FileGroup]
    counts: Sent

    def write(self) -> list[Path]:
        """Write all files; the parameter file last."""
        self.beside.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for kind, group in zip(self.kinds, self.groups, strict=True):
            if not kind.format and self.beside / f"{kind.proposal.name}.yaml" not in written:
                path = self.beside / f"{kind.proposal.name}.yaml"
                path.write_text(kind.proposal.yaml(given=list(group.from_path)), encoding="utf-8")
                written.append(path)
        written.append(self._registry())
        self.target.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
        return [*written, self.target]

    def _registry(self) -> Path:
        """Codes that were found, with the names in the records; the rest to be filled in."""
        path = self.beside / REGISTRY
        names = self.counts.table.dropna(subset=["hospital"]).sort_values("n", ascending=False)
        first = (
            names.dropna(subset=["hospital_name"]).drop_duplicates("hospital").set_index("hospital")["hospital_name"]
        )
        with path.open("w", encoding="utf-8-sig", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["code", "name", "level", "level_group", "tier", "county", "aliases"])
            for code in sorted(set(names["hospital"])):
                writer.writerow([code, first.get(code, ""), "", "", "", "", ""])
        return path

    def _lines(self) -> Iterator[str]:
        name = re.sub(r"[^0-9A-Za-z_-]+", "-", self.target.stem).strip("-") or "my-evaluation"
        yield "# 由 speceval init --from 依文件夹中的数据写成。标“请核对”“请填”的地方由人决定。"
        yield "# 改好后: speceval check 本文件（只查数据）; speceval run 本文件（出报告）。相对路径以本文件所在文件夹为起点。"
        yield from (f"# {line}" for line in self.said())
        yield ""
        yield f"run: {json.dumps(name)}"
        yield "title: 某市临床重点专科建设项目评估        # 请填"
        yield "data:"
        yield "  sources:                                # 一个表由第一个具有其全部所需列的格式读取"
        for kind, group in zip(self.kinds, self.groups, strict=True):
            comment = f"{len(kind.tables)} 个表" + ("" if kind.format else "；核对后在该文件中写 confirmed: true")
            yield f"    - format: {group.format}   # {comment}"
            yield f"      files: {json.dumps(group.files, ensure_ascii=False)}"
            for name, where in group.from_path.items():
                yield "      from_path:                          # 这些文件没有机构代码列，取自文件夹或文件名，请核对"
                yield f"        {name}:"
                yield f"          pattern: {json.dumps(where.pattern)}"
                if where.stands_for:
                    yield "          stands_for:                     # 请把 ? 改为机构代码"
                yield from (
                    f"            {json.dumps(one, ensure_ascii=False)}: {json.dumps(to)}"
                    for one, to in where.stands_for.items()
                )
        yield from self._drgs()
        registry = json.dumps(_relative(self.beside / REGISTRY, self.target), ensure_ascii=False)
        yield f"  hospitals: {registry}   # 请填名称、等级、层级"
        yield ""
        yield from self._periods()
        yield ""
        yield from self._specialties()
        yield ""
        yield "projects: []                            # 请填立项单元，例如："
        code = next(iter(self.counts.by("hospital")), "0012")
        yield f"#  - {{hospital: {json.dumps(code)}, specialty: cardiology, level: 市}}"
        yield ""
        yield "reference: {scope: region}              # 名录填好 level_group 后可改为 level_group（同级别机构）"
        yield ""
        yield "# 现有数据不能计算的指标 indicators that these data cannot give:"
        yield from (f"#   {line}" for line in self.impossible() or ["无"])

    def _drgs(self) -> Iterator[str]:
        found = [table for kind in self.found.of(Role.DRGS) for table in kind.tables]
        if len(found) == 1 and not found[0].part:
            guesses = {g.field: g.columns[0] for g in self.found.of(Role.DRGS)[0].proposal.sure}
            spec = {"file": _relative(found[0].path, self.target)}
            spec |= {"hospital": guesses.get("hospital", ""), "record": guesses["record"]}
            spec |= {"visit": guesses["visit"]} if "visit" in guesses else {"visit": "?"}
            spec |= {"drg": guesses["drg"]}
            spec |= {"discharge": guesses["discharge_date"]} if "discharge_date" in guesses else {}
            yield f"  drg_file: {json.dumps(spec, ensure_ascii=False)}   # 请核对各列"
        elif found:
            yield f"  # 有 {len(found)} 个表像分组结果；请合并为一个文件后写入 drg_file"
        elif not self.counts.grouped:
            yield "  # 记录中没有 DRG，也没有认出分组结果文件；请写 drg_file 或 grouper（见 docs/plugging-in-a-grouper.md）"

    def _years(self) -> list[int]:
        by_year = self.counts.by("year")
        return sorted(int(y) for y, n in by_year.items() if n >= LEAST_YEAR * self.counts.records)

    def _periods(self) -> Iterator[str]:
        years = self._years()
        if not years:
            yield "years: {first: 2022, last: 2024}        # 没有认出出院年份，请填"
            return
        yield "# 各年例数: " + "、".join(f"{y} 年 {n:,}" for y, n in sorted(self.counts.by("year").items()))
        last = years[-1]
        if all(year in years for year in range(last - 5, last + 1)):
            yield "cycles:                                 # 请核对：按最后六个自然年分为建设前与建设周期"
            yield f"  before: {{first: {last - 5}, last: {last - 3}}}"
            yield f"  after: {{first: {last - 2}, last: {last}}}"
        else:
            yield f"years: {{first: {years[0]}, last: {last}}}        # 不足连续六年，只作现状评价；有六年数据时改为 cycles"

    def proposed(self) -> dict[ClinicalDepartment, dict[str, int]]:
        """诊疗科目 -> the departments that mean it, with their records."""
        found: dict[ClinicalDepartment, dict[str, int]] = {}
        for department, n in self.counts.by("department").items():
            known = clinical_department(department)
            if known is not None:
                found.setdefault(known, {})[department] = n
        return dict(sorted(found.items(), key=lambda one: -sum(one[1].values()))[:SPECIALTIES])

    def _specialties(self) -> Iterator[str]:
        proposed = self.proposed()
        yield "specialties:                            # 请核对：依出院科别的代码或名称提出"
        for one, departments in proposed.items():
            named = json.dumps(list(departments), ensure_ascii=False)
            surgical = ", surgical: true" * one.surgical
            total = sum(departments.values())
            yield f"  - {{id: {one.id}, name_zh: {one.name_zh}, departments: {named}{surgical}}}   # {total:,} 例"
        if not proposed:
            every = ", ".join(letter for letter in ascii_uppercase if letter not in "UVWXY")
            yield f"  - {{id: all, name_zh: 全部病例, diagnoses: [{every}]}}   # 没有认出科别，请改"
        taken = {name for departments in proposed.values() for name in departments}
        left = [(d, n) for d, n in self.counts.by("department").items() if d not in taken and n >= FEW]
        if left:
            yield "# 没有归入专科的科别（例数）: " + "、".join(f"{d} {n:,}" for d, n in left[:DEPARTMENTS])

    def impossible(self) -> list[str]:
        """What the columns of all files together cannot give."""
        has = {"specialty", "year"}.union(*(kind.form.fields for kind in self.kinds))
        if {"admission_date", "discharge_date"} <= has:
            has.add("los_days")
        if {"record", "identity", "health_card"} & has:
            has.add("patient")
        has |= {"drg"} if self.found.of(Role.DRGS) else set()
        has -= set() if self.counts.grouped or self.found.of(Role.DRGS) else {"drg"}
        return [
            f"{one.name_zh} — 缺少 {'、'.join(why)}"
            for one in INDICATORS.values()
            if (why := [w for w in lacking(one, has) if w != "参数 data.hospitals"])
        ]

    # --- what is told -----------------------------------------------------------------------------------------------------

    def said(self) -> Iterator[str]:
        """What was found, in a few lines."""
        tables = self.found.tables
        yield (
            f"找到 {len(tables) + len(self.found.not_read)} 个表：病例记录 {sum(len(k.tables) for k in self.kinds)} 个，"
            f"分组结果 {sum(len(k.tables) for k in self.found.of(Role.DRGS))} 个，"
            f"其他 {sum(len(k.tables) for k in self.found.of(Role.OTHER))} 个，不能读或不是数据 {len(self.found.not_read)} 个"
        )
        yield (
            f"病例 {self.counts.records:,} 例，机构 {len(self.counts.by('hospital'))} 家，"
            f"年份 {'、'.join(map(str, self._years())) or '未知'}，有 DRG 的 {self.counts.grouped:,} 例"
        )
        tables_of: dict[str, int] = {}
        for kind in self.kinds:
            name = kind.format or kind.proposal.name + "（需要核对的格式映射）"
            tables_of[name] = tables_of.get(name, 0) + len(kind.tables)
        yield from (f"格式 {name}：{n} 个表" for name, n in tables_of.items())
        for table in self.found.not_read:
            if not table.skipped:
                yield f"不能读 {table.name}：{table.rejected}"
        for kind in self.found.of(Role.OTHER):
            why = "；".join(f"{column}：{reason}" for _field, column, reason in kind.proposal.refused[:REASONS])
            for table in kind.tables:
                yield f"不像病例记录 {table.name}（{len(table.header)} 列{'；' * bool(why)}{why}）"

    def asked(self) -> Iterator[str]:
        """What a person has to decide or fill in."""
        seen: set[str] = set()
        for kind, group in zip(self.kinds, self.groups, strict=True):
            if not kind.format and kind.proposal.name not in seen:
                seen.add(kind.proposal.name)
                path = self.beside / f"{kind.proposal.name}.yaml"
                places = [n for n in kind.proposal.missing if n not in group.from_path]
                open_ = f"；没有找到 {'、'.join(places)}" if places else ""
                yield f"核对 {path}，改为 confirmed: true{open_}"
            for where in group.model_dump()["from_path"].values():
                if unknown := [name for name, code in where["stands_for"].items() if code == "?"]:
                    yield f"在 {self.target} 的 from_path 中写明 {len(unknown)} 个文件夹或文件各是哪家机构的代码"
        unknown_codes = any(
            "?" in where.stands_for.values() for group in self.groups for where in group.from_path.values()
        )
        more = "，并为上面写明代码的机构各加一行" * unknown_codes
        yield f"填写 {self.beside / REGISTRY}：名称、等级、层级{more}"
        yield f"核对 {self.target} 中的周期、专科，写入立项单元 projects"
