"""Merged hospitals and changed codes: a dated table of old code → new code.

Two readings of it, a policy choice. *Pro forma*: every discharge of the old code counts for the new one, whenever it was, so
that a unit has the same extent before and after. *As reported*: only discharges from the date on.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import ibis

from toolkit.data.lists.listing import day_of, read_listing
from toolkit.engine.types import Column
from toolkit.errors import InputError
from toolkit.params import Mergers

WHAT = "机构代码对照表"


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """Old code → where it leads, as (date, new code) in the order of dates; chains are followed."""

    path: Path
    steps: dict[str, tuple[tuple[dt.date, str], ...]]

    def code_on(self, code: str, day: dt.date) -> str:
        """What a code means on a day, by the dates."""
        seen = {code}
        while True:
            past = [new for start, new in self.steps.get(code, ()) if start <= day]
            if not past or past[-1] in seen:
                return code
            code = past[-1]
            seen.add(code)

    def last_code(self, code: str) -> str:
        """What a code means in the end, whatever the day."""
        return self.code_on(code, dt.date.max)


def read_crosswalk(path: Path) -> Crosswalk:
    """A table `old,new,from` (from: the first day of the new code); `note` is not used.

    Raises
    ------
    InputError
        Not such a table, a code that leads to itself, two lines for one code and day, or codes that lead in a circle.
    """
    steps: dict[str, list[tuple[dt.date, str]]] = {}
    for row in read_listing(path, WHAT, ["old", "new", "from"], ["note"], codes=["old", "new"]):
        start = day_of(row, "from")
        assert start is not None  # noqa: S101  a needed cell
        if row["old"] == row["new"]:
            raise InputError("新旧代码相同", "old and new are equal", where=row.where, remedy="修正该行")
        if any(start == other for other, _new in steps.get(row["old"], [])):
            raise InputError(
                "同一代码同一日期有两行", "two lines for one code and day", where=row.where, remedy="保留一行"
            )
        steps.setdefault(row["old"], []).append((start, row["new"]))
    for old in steps:
        path_taken, code = [old], old
        while code in steps:
            code = max(steps[code])[1]
            if code in path_taken:
                raise InputError(
                    f"代码成环: {' → '.join([*path_taken, code])}",
                    "codes lead in a circle",
                    where=str(path),
                    remedy="每个旧代码最终应指向一个新代码",
                    remedy_english="each old code must lead to a last one",
                )
            path_taken.append(code)
    return Crosswalk(path=Path(path), steps={old: tuple(sorted(found)) for old, found in steps.items()})


def current(hospital: Column, day: Column, crosswalk: Crosswalk, reading: Mergers) -> Column:
    """The hospital code that a record counts for.

    Parameters
    ----------
    hospital
        Code as reported.
    day
        Discharge date; where it is missing (a source with years only), the first day of the year.
    """
    if reading == "pro_forma":
        cases = [(hospital == old, ibis.literal(crosswalk.last_code(old))) for old in crosswalk.steps]
    else:
        cases = []
        for old in crosswalk.steps:
            code = hospital
            # every date at which the meaning of this code may change, the latest first
            for start in sorted({s for found in crosswalk.steps.values() for s, _new in found}):
                code = ibis.ifelse(day >= ibis.literal(start), ibis.literal(crosswalk.code_on(old, start)), code)
            cases.append((hospital == old, code))
    return ibis.cases(*cases, else_=hospital)
