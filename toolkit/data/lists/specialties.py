"""Which specialties (专科) a discharge belongs to: by department, diagnosis or DRG, or as a group of other specialties.

A discharge belongs to the first definition that it meets, and besides to every definition declared as overlapping that it
meets. The ids of several stand in one text, `cardiology+chest_pain`: the cube keeps each discharge in one row, so that
references and hospital totals count it once, and only tables by specialty give it to each (`toolkit.indicators.members`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis import _

from toolkit.data.lists.listing import Row, day_of, read_listing
from toolkit.engine.types import Column, Table
from toolkit.errors import InputError, did_you_mean
from toolkit.params import SPECIALTY_SEPARATOR, Specialty
from toolkit.written_form import name_form

WHAT = "科别对照表"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One line of a department table: from a day to a day, ends included, a department belongs to a specialty."""

    department: str
    hospital: str
    specialty: str
    first: dt.date
    last: dt.date
    where: str

    def meets(self) -> Column:
        """Whether a record is of this department, hospital and time."""
        day = ibis.coalesce(_.discharge_date, ibis.date(_.year.cast("int32"), 1, 1))
        test = _.department == self.department
        if self.hospital:
            test &= _.hospital == self.hospital
        if self.first > dt.date.min:
            test &= day >= ibis.literal(self.first)
        if self.last < dt.date.max:
            test &= day <= ibis.literal(self.last)
        return test


def read_departments(path: Path, specialties: Sequence[Specialty]) -> tuple[Assignment, ...]:
    """A table `department,specialty` with `hospital, from, to` (days, may be absent or empty); `name` is not used.

    Raises
    ------
    InputError
        Not such a table, an undeclared specialty, or two specialties that claim one department for one day, none of which
        is declared as overlapping.
    """
    by_id = {s.id: s for s in specialties}
    found = []
    for row in read_listing(
        path, WHAT, ["department", "specialty"], ["hospital", "from", "to", "name"], codes=["hospital"]
    ):
        if row["specialty"] not in by_id:
            raise InputError(
                f"{WHAT}中的专科 {row['specialty']} 未在参数文件声明",
                "the specialty is not declared",
                where=row.where,
                **did_you_mean(
                    row["specialty"], by_id, "在参数文件 specialties 中声明", "declare it under specialties"
                ),
            )
        found.append(_assignment(row))
    for i, one in enumerate(found):
        for other in found[:i]:
            clash = one.specialty != other.specialty and one.department == other.department
            clash &= not one.hospital or not other.hospital or one.hospital == other.hospital
            clash &= one.first <= other.last and other.first <= one.last
            if clash and not (by_id[one.specialty].overlap or by_id[other.specialty].overlap):
                raise InputError(
                    f"科别 {one.department} 同时属于 {other.specialty} 和 {one.specialty}",
                    "two specialties claim one department",
                    where=f"{one.where}, {other.where}",
                    remedy="改正起止日期，或将其中一个专科声明为 overlap: true",
                    remedy_english="mend the dates, or declare one of the two as overlapping",
                )
    return tuple(found)


def _assignment(row: Row) -> Assignment:
    first, last = day_of(row, "from") or dt.date.min, day_of(row, "to") or dt.date.max
    if last < first:
        raise InputError("结束日期早于起始日期", "to is before from", where=row.where, remedy="修正该行")
    return Assignment(
        department=name_form(row["department"]),
        hospital=row["hospital"],
        specialty=row["specialty"],
        first=first,
        last=last,
        where=row.where,
    )


def attribute(table: Table, specialties: Sequence[Specialty], departments: Sequence[Assignment] = ()) -> Table:
    """`table` with `specialty`: ids of the specialties of a row joined by `+`, in the order declared; NULL where of none."""
    tests = {s.id: _meets(s, departments) for s in specialties if not s.members}
    for group in (s for s in specialties if s.members):
        tests[group.id] = ibis.or_(*[tests[member] for member in group.members])
    plain = [(tests[s.id], s.id) for s in specialties if not s.overlap]
    first = ibis.cases(*plain, else_=ibis.null("string")) if plain else ibis.null("string")
    if not any(s.overlap for s in specialties):
        return table.mutate(specialty=first)
    # one column for each, then put together: a shared test is computed once
    flags = {f"in_{s.id}": tests[s.id].fill_null(False) for s in specialties if s.overlap}
    table = table.mutate(first_specialty=first, **flags)
    ids: Column = ibis.literal("")
    for s in specialties:
        mine = table[f"in_{s.id}"] if s.overlap else (table.first_specialty == s.id).fill_null(False)
        ids = ids + ibis.ifelse(mine, SPECIALTY_SEPARATOR + s.id, "")
    return table.mutate(specialty=ids[1:].nullif("")).drop("first_specialty", *flags)


def _meets(specialty: Specialty, departments: Sequence[Assignment]) -> Column:
    mine = [a.meets() for a in departments if a.specialty == specialty.id]
    if specialty.departments:
        mine.append(_.department.isin(specialty.departments))
    elif specialty.diagnoses or specialty.drgs:
        column, prefixes = (
            (_.principal_diagnosis, specialty.diagnoses) if specialty.diagnoses else (_.drg, specialty.drgs)
        )
        mine += [column.startswith(prefix) for prefix in prefixes]
    return ibis.or_(*mine) if mine else ibis.literal(False)
