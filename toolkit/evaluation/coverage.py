"""What a unit's verdict rests on: how many of its cases the frozen reference knows, and how many of its months were sent.

A DRG that got another code, or a month that never came, leaves a value without a trace: what is left looks like a change. So
both shares are taken by cycle, and below the declared ones nothing is judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from toolkit.evaluation.holds import COLUMNS as HOLDS
from toolkit.evaluation.holds import FROZEN_COVERAGE, MISSING_FIELD, NOT_SENT, no_holds
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import groups_of, rows_of
from toolkit.indicators import CATALOGUE, Indicator
from toolkit.indicators.table import NAMED
from toolkit.params import RunParams, Years

UNIT = ["hospital", "specialty"]
BY_REFERENCE = re.compile(r"ref_cost|ref_los|ref_mortality|weight")  # columns that a DRG has from the frozen reference
BY_GRADE = "risk_grade"
STANDS_IN = "cmi"  # its coverage is that of all DRGs which the period before knows
LISTED = 6  # months named one by one
MONTHS = 12


def _named(one: Indicator) -> str:
    return " ".join(repr(e) for e in one.expressions)


def coverage_of(cells: pd.DataFrame, periods: Sequence[str]) -> pd.DataFrame:
    """The share of a unit's cases that the frozen reference knows, by cycle, of every indicator that rests on it.

    An indicator of one risk grade only has no share of its own: a DRG without a grade is not among its cases. That of the
    weights stands in.

    Parameters
    ----------
    cells
        As in `Results.cells`.
    periods
        Labels of the cycles.

    Returns
    -------
    pd.DataFrame
        `level, hospital, specialty, indicator, period, covered` (0–1), one row each; levels `unit` and `peers`.
    """
    declared = {i: one for i, one in CATALOGUE.items() if isinstance(one, Indicator)}
    own = [i for i, one in declared.items() if BY_REFERENCE.search(_named(one)) and BY_GRADE not in _named(one)]
    graded = [i for i, one in declared.items() if BY_GRADE in _named(one)]
    keys = ["level", *UNIT, "period"]
    rows = cells[
        (cells["basis"] == "frozen") & cells["period"].isin(list(periods)) & cells["level"].isin(["unit", "peers"])
    ]
    found = rows.loc[rows["indicator"].isin(own), [*keys, "indicator", "covered"]]
    stand_in = rows.loc[rows["indicator"] == STANDS_IN, [*keys, "covered"]]
    parts = [found, *(stand_in.assign(indicator=i) for i in graded)]
    return pd.concat(parts, ignore_index=True)[[*keys, "indicator", "covered"]]


def with_coverage(changes: pd.DataFrame, cells: pd.DataFrame, periods: Sequence[str]) -> pd.DataFrame:
    """`changes` with `covered_before` and `covered_after`, missing where an indicator rests on no frozen reference."""
    covered = coverage_of(cells, periods)
    keys = ["level", *UNIT, "indicator"]
    for period in ("before", "after"):
        of_period = covered.loc[covered["period"] == period, [*keys, "covered"]]
        joined = changes[keys].merge(of_period, on=keys, how="left")["covered"].to_numpy(float)
        changes = changes.assign(**{f"covered_{period}": joined})
    return changes


def by_coverage(cells: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Changes on the frozen basis whose reference knows too few of the cases of a cycle: they are not judged."""
    covered = coverage_of(cells[cells["level"] == "unit"], list(params.periods))
    wide = covered.pivot_table(index=[*UNIT, "indicator"], columns="period", values="covered", observed=True)
    wide = wide.reindex(columns=["before", "after"])
    least = params.change.least_coverage
    poor = wide[wide.min(axis=1) < least].reset_index()
    if poor.empty:
        return no_holds()
    said = [
        f"定基参照只覆盖建设前 {_percent(b)}、建设周期 {_percent(a)} 的病例，低于 {100 * least:.0f}%："
        "疑分组器版本变更或 DRG 编码写法不同"
        for b, a in zip(poor["before"], poor["after"], strict=True)
    ]
    return poor.assign(verdict=Verdict.NOT_JUDGED.value, reason=FROZEN_COVERAGE, reason_zh=said)[HOLDS]


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else f"{np.floor(100 * share + 1e-9):.0f}%"


def expected_months(monthly: pd.DataFrame, years: Years) -> list[tuple[int, int]]:
    """The months of a period that ought to have come: up to the last of which any hospital sent something.

    Of a source that is a sample of months, fewer than half of them, those are all that is expected.

    Parameters
    ----------
    monthly
        `hospital, year, month, n`: discharges that were accepted.
    """
    whole = [(y, m) for y in range(years.first, years.last + 1) for m in range(1, MONTHS + 1)]
    if monthly.empty:
        return whole
    held = set(zip(monthly["year"], monthly["month"], strict=True))
    due = [month for month in whole if month <= max(held)]
    sampled = [month for month in due if month in held]
    return sampled if 2 * len(sampled) < len(due) else due


def months_sent(monthly: pd.DataFrame, thin: float) -> dict[str, set[tuple[int, int]]]:
    """The months of every hospital that hold more than a remnant: at least `thin` of its median month of the year."""
    found: dict[str, set[tuple[int, int]]] = {}
    for (hospital, year), part in groups_of(monthly.groupby(["hospital", "year"], observed=True)):
        enough = part.loc[part["n"] >= thin * part["n"].median(), "month"]
        found.setdefault(str(hospital), set()).update((int(year), int(month)) for month in enough)
    return found


def sent(cells: pd.DataFrame, monthly: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """How many of the months of each cycle every unit has sent.

    A year in which the unit has no discharge counts as twelve months that did not come; within the others the months are the
    hospital's, for a small specialty may well have an empty one. Where a source has no months, its years stand for them.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, period, expected, sent` (months), `missing` (in words).
    """
    volume = cells[
        (cells["level"] == "unit") & (cells["basis"] == "contemporaneous") & (cells["indicator"] == "volume")
    ]
    years_of: dict[tuple[str, str], set[int]] = {}
    for row in rows_of(volume[volume["n"] > 0]):
        unit = years_of.setdefault((str(row.hospital), str(row.specialty)), set())
        if str(row.period).isdigit():
            unit.add(int(row.period))
    units = {*years_of, *((p.hospital, p.specialty) for p in params.projects)}
    by_hospital = months_sent(monthly, params.quality.month_low)
    found = []
    for period, years in params.periods.items():
        expected = expected_months(monthly, years)
        for hospital, specialty in sorted(units):
            known = years_of.get((hospital, specialty), set())
            months = by_hospital.get(hospital, set()) if len(monthly) else set(expected)
            lacking = [m for m in expected if m[0] not in known or m not in months]
            found.append((hospital, specialty, period, len(expected), len(expected) - len(lacking), _said(lacking)))
    return pd.DataFrame(found, columns=[*UNIT, "period", "expected", "sent", "missing"])


def _said(lacking: Sequence[tuple[int, int]]) -> str:
    """Whole years as years, other months one by one, as far as they are few."""
    years = sorted({y for y, _m in lacking})
    whole = [y for y in years if sum(year == y for year, _m in lacking) == MONTHS]
    single = [f"{y} 年 {m} 月" for y, m in lacking if y not in whole]
    if len(single) > LISTED:
        single = [*single[:LISTED], f"等 {len(single)} 个月"]
    return "、".join([*(f"{y} 年" for y in whole), *single])


def by_sent(table: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Units that did not send enough of a cycle: none of their changes is judged.

    Parameters
    ----------
    table
        As from `sent`.
    """
    least = params.change.least_sent
    poor = table[table["sent"] < least * table["expected"]]
    if poor.empty:
        return no_holds()
    words = {"before": "建设前", "after": "建设周期"}
    said = [
        f"{words.get(row.period, row.period)}应报 {row.expected} 个月，只有 {row.sent} 个月有足够病例（缺 {row.missing}），"
        f"低于 {100 * least:.0f}%"
        for row in rows_of(poor)
    ]
    made = poor.assign(indicator="", verdict=Verdict.NOT_JUDGED.value, reason=NOT_SENT, reason_zh=said)
    both = made.groupby([*UNIT, "indicator", "verdict", "reason"])["reason_zh"].agg("；".join)
    return both.reset_index()[HOLDS]


# of a rule over fields of a hospital's year: what is missing, and the sums that rest on it
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "X06": ("总费用", ("cost", "itemised", "drug", "material")),
    "X07": ("住院天数", ("los",)),
    "X08": ("离院方式（是否死亡）", ("died", "emergency_died")),
    "X09": ("性别、年龄或入院途径", ("emergency", "transferred_in", "complication")),
}


def by_fields(warnings: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Changes of indicators whose fields a hospital left empty too often in an evaluated year; the others are judged.

    Parameters
    ----------
    warnings, units
        As in `Results.hospital_warnings` and `Results.units`.
    """
    rows = []
    for (hospital, rule), part in groups_of(
        warnings[warnings["rule"].isin(list(FIELDS))].groupby(["hospital", "rule"])
    ):
        what, sums = FIELDS[str(rule)]
        years = "、".join(map(str, sorted(set(part["year"]))))
        said = f"{what}在 {years} 年缺失过多（规则{rule}）"
        touched = [i for i, one in CATALOGUE.items() if isinstance(one, Indicator) and _rests_on(one, sums)]
        rows += [
            (hospital, specialty, i, Verdict.NOT_JUDGED.value, MISSING_FIELD, said)
            for specialty in units.loc[units["hospital"] == hospital, "specialty"]
            for i in touched
        ]
    return pd.DataFrame(rows, columns=HOLDS).drop_duplicates(HOLDS[:3]) if rows else no_holds()


def _rests_on(one: Indicator, sums: Sequence[str]) -> bool:
    named = {name for e in one.expressions for name in NAMED.findall(repr(e))}
    ends = ("", "_n", "_sq", "_kept", "_kept_n", "_kept_sq", "_by_cost")
    return any(f"{of}{end}" in named for of in sums for end in ends)
