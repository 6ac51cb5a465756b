"""Versioned code lists: which procedure is a level-4 operation or minimally invasive, which diagnosis is a complication.

The national lists are no part of this toolkit: they are inputs, each line with the years it holds for. Without a list the
hospital's own entry is used where the record has one, and every output says which of the two it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import ibis

from toolkit.data.discharge.schema import SEPARATOR
from toolkit.data.lists.listing import Row, read_listing, year_of
from toolkit.engine.types import Column
from toolkit.errors import InputError

OPEN = 9999  # a code without an end
LEVELS = ("1", "2", "3", "4")
CATEGORIES: dict[str, tuple[str, ...]] = {
    "手术": ("手术类", "手术操作"),
    "介入治疗": ("介入", "介入类"),
    "治疗性操作": ("治疗操作", "治疗性"),
    "诊断性操作": ("诊断操作", "诊断性"),
}  # of a procedure, with other words for each
OPERATIONS = ("手术", "介入治疗")  # what counts as an operation; the others do not
# word in a list of techniques -> id; of 微创 and 日间 there are indicators with conditions of their own
TECHNIQUES = {"介入": "interventional", "内镜": "endoscopic", "穿刺": "puncture", "微创": "minimal", "日间": "day"}
TECHNIQUE_LIST = "技术目录"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One code with the years, ends included, that it is on the list for; `value` is its level or category, where it has one."""

    code: str
    first: int
    last: int
    value: str = ""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class CodeList:
    """A code list of one kind.

    Attributes
    ----------
    prefix
        A code stands for all that begin with it (diagnoses); else it is meant as written (procedures).
    """

    name_zh: str
    path: Path
    entries: tuple[Entry, ...]
    prefix: bool

    def years_without(self, value: str, years: Iterable[int]) -> tuple[int, ...]:
        """The years in which no code of the list has this value."""
        return tuple(y for y in years if value not in self.in_force(y).values())

    def in_force(self, year: int) -> dict[str, str]:
        """Code → value of the codes on the list in a year."""
        return {e.code: e.value for e in self.entries if e.first <= year <= e.last}


def read_code_list(
    path: Path,
    name_zh: str,
    years: Iterable[int],
    *,
    levels: bool = False,
    categories: bool = False,
    prefix: bool = False,
) -> CodeList:
    """A list `code,valid_from,valid_to` (years; valid_to may be empty); `name` and what else stands in it are not used.

    Parameters
    ----------
    years
        Of the run; each needs at least one code in force.
    levels
        It has `level` (1–4), and in every year an operation of level 4.
    categories
        It has `category`, one of `CATEGORIES` or a word for one of them.

    Raises
    ------
    InputError
        The file is no such list, a code is twice on it for one year, or it holds for none of a year's operations.
    """
    valued = "level" if levels else "category" if categories else ""
    needed = ["code", *([valued] if valued else []), "valid_from", "valid_to?"]
    optional = [c for c in ("name", "source", "level", "category") if c != valued]
    entries = []
    for row in read_listing(path, name_zh, needed, optional, codes=["code"]):
        if levels and row["level"] not in LEVELS:
            raise InputError("级别不是 1–4", "level is not 1 to 4", where=f"{row.where} level", remedy="修正该行")
        value = row["level"] if levels else _category(row) if categories else ""
        entries.append(_entry(row, value))
    found = CodeList(name_zh=name_zh, path=Path(path), entries=tuple(entries), prefix=prefix)
    _check(found, sorted(set(years)))
    if levels:
        _check_top_level(found, sorted(set(years)))
    return found


def read_techniques(path: Path, years: Iterable[int]) -> dict[str, CodeList]:
    """The lists of a table `technique,code,valid_from,valid_to`, by id of the technique; a code may be of several.

    Raises
    ------
    InputError
        As `read_code_list`; or a technique is none of `TECHNIQUES`.
    """
    rows = read_listing(
        path, TECHNIQUE_LIST, ["technique", "code", "valid_from", "valid_to?"], ["name"], codes=["code"]
    )
    entries: dict[str, list[Entry]] = {}
    for row in rows:
        if row["technique"] not in TECHNIQUES:
            raise InputError(
                "技术不在范围内",
                "no such technique",
                where=f"{row.where} technique",
                remedy=f"填 {'、'.join(TECHNIQUES)}",
                remedy_english="one of these",
            )
        entries.setdefault(TECHNIQUES[row["technique"]], []).append(_entry(row, ""))
    found = {
        id_: CodeList(name_zh=TECHNIQUE_LIST, path=Path(path), entries=tuple(of), prefix=False)
        for id_, of in entries.items()
    }
    for one in found.values():
        _check(one, sorted(set(years)))
    return found


def _entry(row: Row, value: str) -> Entry:
    first, last = year_of(row, "valid_from"), year_of(row, "valid_to") or OPEN
    if first is None or last < first:
        raise InputError(
            "有效期无效",
            "valid_to is before valid_from",
            where=row.where,
            remedy="valid_from 不晚于 valid_to",
            remedy_english="valid_from first",
        )
    return Entry(code=row["code"], first=first, last=last, value=value, where=row.where)


def _category(row: Row) -> str:
    for name, words in CATEGORIES.items():
        if row["category"] in (name, *words):
            return name
    raise InputError(
        "手术操作的类别不在范围内",
        "no category of procedures",
        where=f"{row.where} category",
        remedy=f"填 {'、'.join(CATEGORIES)}",
        remedy_english="one of these",
    )


def _check_top_level(found: CodeList, years: Sequence[int]) -> None:
    if lacking := found.years_without(LEVELS[-1], years):
        raise InputError(
            f"{found.name_zh}没有 {'、'.join(map(str, lacking))} 年有效的四级手术",
            f"the directory has no operation of level 4 for {lacking}",
            where=str(found.path),
            remedy="补充四级手术，或不用目录（改用医院填报）",
            remedy_english="add them, or give no directory",
        )


def _check(found: CodeList, years: Sequence[int]) -> None:
    ordered = sorted(found.entries, key=lambda e: (e.code, e.first))
    for _code, group in groupby(ordered, key=lambda e: e.code):
        before = None
        for entry in group:
            if before is not None and entry.first <= before.last:
                raise InputError(
                    f"{found.name_zh}中代码 {entry.code} 的有效期重叠",
                    "a code is on the list twice for one year",
                    where=f"{entry.where}, {before.where}",
                    remedy="每个代码每年只能有一行",
                    remedy_english="one line a code and year",
                )
            before = entry
    if lacking := [y for y in years if not found.in_force(y)]:
        first = min(e.first for e in found.entries)
        last = max(e.last for e in found.entries)
        span = f"{first} 年起" if last == OPEN else f"{first}–{last} 年"
        raise InputError(
            f"{found.name_zh}没有 {'、'.join(map(str, lacking))} 年有效的代码；该目录为{span}",
            f"the list holds no code for {lacking}",
            where=str(found.path),
            remedy="补充这些年份的目录，或不用目录（改用医院填报）",
            remedy_english="add the list of these years, or give no list",
        )


def with_principal(principal: Column, others: Column) -> Column:
    """The principal code and the list of the others (`toolkit.data.discharge.schema`) as one list, in capitals; never NULL."""
    return ibis.coalesce(SEPARATOR + principal, "").upper() + ibis.coalesce(others, SEPARATOR).upper()


def highest_level(codes: Column, year: Column, listed: CodeList, years: Sequence[int]) -> Column:
    """The highest level on the list among the codes of a record, by the list of its year; NULL where none is listed."""
    # the outermost case wins: from the lowest level to the highest
    found: Column = ibis.null("int8")
    for level in LEVELS:
        hit = _by_year(
            {y: [c for c, v in listed.in_force(y).items() if v == level] for y in years}, codes, year, listed
        )
        found = ibis.ifelse(hit, ibis.literal(int(level), "int8"), found)
    return found


def any_listed(
    codes: Column, year: Column, listed: CodeList, years: Sequence[int], values: Sequence[str] | None = None
) -> Column:
    """Whether any code of a record is on the list of its year, with one of these values where they are asked for."""
    chosen = {y: [c for c, v in listed.in_force(y).items() if values is None or v in values] for y in years}
    return _by_year(chosen, codes, year, listed)


def _by_year(by_year: Mapping[int, list[str]], codes: Column, year: Column, listed: CodeList) -> Column:
    versions: dict[frozenset[str], list[int]] = {}
    for y, found in by_year.items():
        versions.setdefault(frozenset(found), []).append(y)
    if len(versions) == 1:
        [only] = versions
        return _matches(codes, sorted(only), listed.prefix)
    cases = [(year.isin(ys), _matches(codes, sorted(found), listed.prefix)) for found, ys in versions.items()]
    return ibis.cases(*cases, else_=False)


def _matches(codes: Column, found: Sequence[str], prefix: bool) -> Column:
    if not found:
        return ibis.literal(False)
    # one automaton for the whole list: its time does not grow with the list
    bar = re.escape(SEPARATOR)
    pattern = f"{bar}({'|'.join(map(re.escape, found))})" + ("" if prefix else bar)
    return codes.re_search(pattern)
