"""申报资格: who may be chosen at all, by declared checks, explained line by line for every applicant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from toolkit.errors import InputError, ParameterError
from toolkit.frames import groups_of, names_of, rows_of
from toolkit.programme.tables import number_of, read_table
from toolkit.strict_yaml import Section

Text = Annotated[str, Field(min_length=1)]
NOT_GIVEN = "未提供"


class Period(Section):
    """A span of days, ends included, as `YYYY-MM-DD`."""

    first: Text
    last: Text

    @model_validator(mode="after")
    def _days(self) -> Period:
        try:
            first, last = self.days
        except ValueError:
            raise ValueError(f"{self.first} 至 {self.last} 不是日期，写作 2023-01-31 (no dates)") from None
        if last < first:
            raise ValueError(f"last {self.last} 早于 first {self.first} (last before first)")
        return self

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        return dt.date.fromisoformat(self.first), dt.date.fromisoformat(self.last)


class AmongFirst(Section):
    """The applicant's `key` is among the first `first` of a list by any of these columns, largest first; ties share a rank.

    Attributes
    ----------
    titles
        What the columns are called, in their order.
    table
        Name under which the list is given (`--list diseases=FILE`), a row a key.
    """

    table: Text
    key: Text
    by: list[Text] = Field(min_length=1)
    titles: list[Text] = Field(default=[])
    first: int = Field(ge=1)

    @model_validator(mode="after")
    def _named(self) -> AmongFirst:
        if self.titles and len(self.titles) != len(self.by):
            raise ValueError(f"titles 须与 by 一一对应，{len(self.by)} 个 (one title a column)")
        return self


class Check(Section):
    """One condition. Exactly one of `one_of`, `none_of`, `at_least`, `at_most`, `within`, `among_first` is given.

    What an applicant does not give is not held for it: the line says 未提供.
    """

    id: Text
    title: Text
    clause: str = ""
    column: str = ""
    one_of: list[Text] | None = Field(None, min_length=1)
    none_of: list[Text] | None = Field(None, min_length=1)
    at_least: float | None = None
    at_most: float | None = None
    within: Period | None = None
    among_first: AmongFirst | None = None

    @model_validator(mode="after")
    def _one(self) -> Check:
        given = [self.one_of, self.none_of, self.at_least, self.at_most, self.within, self.among_first]
        if sum(one is not None for one in given) != 1:
            raise ValueError(f"{self.id}: 须给且只给一种条件 (give exactly one condition)")
        if bool(self.column) == (self.among_first is not None):
            raise ValueError(f"{self.id}: 须写明 column；among_first 用其 key (name the column)")
        return self

    @property
    def of(self) -> str:
        """The applicant's column that is asked."""
        return self.among_first.key if self.among_first else self.column


def read_list(path: Path, key: str) -> pd.DataFrame:
    """A list that checks refer to: one row a `key`."""
    return read_table(path, "清单", [key], key=[key])


def examined(
    checks: list[Check], applicants: pd.DataFrame, applicant: str, lists: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """Every check of every applicant.

    Parameters
    ----------
    applicants
        Text, one row an applicant; column `applicant` holds its id.
    lists
        By name, as checks refer to them.

    Returns
    -------
    pd.DataFrame
        One row an applicant and check: `applicant, check, title, clause, given, holds` (False where nothing is given), `says`.

    Raises
    ------
    InputError
        A column is absent, or a value of a date or number is none.
    ParameterError
        A list is not given or lacks a column.
    """
    if lacking := [c for c in dict.fromkeys([applicant, *(one.of for one in checks)]) if c not in applicants]:
        raise InputError(
            f"申报名单缺少列 {'、'.join(lacking)}",
            "the list of applicants lacks columns",
            where="applicants",
            remedy="补上这些列；没有的格留空",
            remedy_english="add them; leave cells empty",
        )
    parts = []
    for one in checks:
        given = applicants[one.of].astype(str).str.strip()
        holds, says = _asked(one, applicants, given, lists or {})
        absent = given == ""
        parts.append(
            pd.DataFrame(
                {
                    "applicant": applicants[applicant].astype(str),
                    "check": one.id,
                    "title": one.title,
                    "clause": one.clause,
                    "given": given,
                    "holds": holds & ~absent,
                    "says": np.where(absent, NOT_GIVEN, says),
                }
            )
        )
    columns = ["applicant", "check", "title", "clause", "given", "holds", "says"]
    lines = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    order = {id_: k for k, id_ in enumerate(applicants[applicant].astype(str))}
    place = lines["applicant"].map(order)
    return lines.assign(_at=place).sort_values("_at", kind="stable").drop(columns="_at").reset_index(drop=True)


def eligible(lines: pd.DataFrame) -> pd.DataFrame:
    """One row an applicant: `applicant, eligible, because` (the checks that do not hold, with what was found)."""
    rows = [
        {
            "applicant": id_,
            "eligible": bool(own["holds"].all()),
            "because": "；".join(
                f"{t}：{s}" for t, s, h in zip(own["title"], own["says"], own["holds"], strict=True) if not h
            ),
        }
        for id_, own in groups_of(lines.groupby("applicant", sort=False))
    ]
    return pd.DataFrame(rows, columns=["applicant", "eligible", "because"])


def _because(own: pd.DataFrame) -> str:
    return "；".join(f"{one.title}：{one.says}" for one in rows_of(own) if not one.holds)


def _asked(
    one: Check, applicants: pd.DataFrame, given: pd.Series, lists: Mapping[str, pd.DataFrame]
) -> tuple[pd.Series, pd.Series]:
    """Whether it holds, and in words what was found."""
    if one.one_of is not None:
        holds = given.isin(one.one_of)
        return holds, given.where(holds, given + f"，须为 {'、'.join(one.one_of)}")
    if one.none_of is not None:
        holds = ~given.isin(one.none_of)
        return holds, given
    if one.within is not None:
        first, last = one.within.days
        days = _days(given, one)
        holds = days.map(lambda day: day is not None and first <= day <= last).astype(bool)
        return holds, given.where(holds, given + f"，须在 {first} 至 {last}")
    if one.among_first is not None:
        return _among(one, one.among_first, given, lists)
    numbers = number_of(applicants, one.of, "申报名单", one.id)
    limit = one.at_least if one.at_least is not None else one.at_most
    enough = (numbers >= limit) if one.at_least is not None else (numbers <= limit)
    word = "不低于" if one.at_least is not None else "不高于"
    return enough.astype(bool), given.where(enough, given + f"，须{word} {limit:g}")


def _days(given: pd.Series, one: Check) -> pd.Series:
    def day(text: str) -> dt.date | None:
        return dt.date.fromisoformat(text) if text else None

    try:
        return given.map(day).astype(object)
    except ValueError:
        wrong = [k + 2 for k, text in enumerate(given) if text and not _reads(day, text)]
        raise InputError(
            f"{one.title}: 第 {'、'.join(map(str, wrong[:5]))} 行不是日期",
            "not a date",
            where=f"applicants: {one.of}",
            remedy="写作 2023-01-31",
            remedy_english="as 2023-01-31",
        ) from None


def _reads(day: Callable[[str], object], text: str) -> bool:
    try:
        day(text)
    except ValueError:
        return False
    return True


def _among(
    one: Check, asked: AmongFirst, given: pd.Series, lists: Mapping[str, pd.DataFrame]
) -> tuple[pd.Series, pd.Series]:
    table = lists.get(asked.table)
    if table is None or [c for c in (asked.key, *asked.by) if c not in names_of(table)]:
        raise ParameterError(
            f"{one.title}: 没有清单 {asked.table}，或缺少列 {'、'.join((asked.key, *asked.by))}",
            "a list that a check needs is absent, or lacks a column",
            where=f"eligibility: {one.id}",
            remedy=f"用 --list {asked.table}=文件 给出",
            remedy_english=f"give it by --list {asked.table}=FILE",
        )
    ranks = {
        by: number_of(table, by, f"清单 {asked.table}", asked.table).rank(ascending=False, method="min")
        for by in asked.by
    }
    best = pd.DataFrame(ranks).set_index(table[asked.key].astype(str))
    listed = given.isin(best.index)
    own = best.reindex(given).reset_index(drop=True).set_index(given.index)
    holds = (own <= asked.first).any(axis=1) & listed
    said = [
        "，".join(
            f"{name} 第 {int(rank)}" if rank == rank else f"{name} 无"
            for name, rank in zip(asked.titles or asked.by, row, strict=True)
        )
        for row in own[asked.by].to_numpy(float)
    ]
    says = pd.Series(said, index=given.index, dtype=object)
    short = pd.Series(np.where(holds, "", f"，须在前 {asked.first}"), index=given.index, dtype=object)
    told = given.astype(object) + "：" + says + short
    return holds, told.where(listed, given.astype(object) + "：不在清单中")
