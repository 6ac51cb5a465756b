"""Months in which a hospital sent records, but none of a specialty or of one of its departments (规则D17)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from toolkit.frames import groups_of
from toolkit.params import SPECIALTY_SEPARATOR, RunParams

COLUMNS = ["hospital", "specialty", "year", "value", "limit", "message"]
PLACE = ["hospital", "specialty", "department"]
MONTHS = 12


def silent_months(units: pd.DataFrame, months: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则D17: a specialty, or a department of it, without a case in months for which its other months let many expect.

    Months in a row are one finding, which stands under the year of the first. A department is told of only where its specialty
    has cases in those months.

    Parameters
    ----------
    units
        `hospital, specialty, department, year, month, n`: accepted discharges.
    months
        `hospital, year, month, n`, likewise: the months that the hospital sent anything of.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, year, value, limit, message`.
    """
    sent = {str(hospital): _numbers(part) for (hospital,), part in groups_of(months.groupby(["hospital"]))}
    units = units[(units["specialty"].fillna("") != "") & units["month"].notna()]
    units = units.assign(specialty=units["specialty"].str.split(SPECIALTY_SEPARATOR, regex=False)).explode("specialty")
    # where departments stand in no record, specialties are told by something else
    units = units.assign(department=units["department"].fillna(""))
    names = {one.id: one.name_zh for one in params.specialties}
    rows = []
    for (hospital, specialty), part in groups_of(units.groupby(["hospital", "specialty"])):
        when = sent.get(str(hospital))
        if when is None:
            continue
        whole = list(_runs(when, part, params.quality.silent_month_cases))
        silent = {int(month) for months_, _expected in whole for month in months_}
        found = [(f"专科 {names.get(str(specialty), specialty)}", one) for one in whole]
        for (department,), mine in groups_of(part[part["department"] != ""].groupby(["department"])):
            runs = _runs(when, mine, params.quality.silent_month_cases)
            found += [(f"科别 {department}", run) for run in runs if not silent.issuperset(map(int, run[0]))]
        for who, (months_, expected) in found:
            said = f"{who} {_span(months_)}没有病例，按其余月份约应有 {expected:.0f} 例，请核实是否漏报或科别更名"
            year = int(months_[0]) // MONTHS
            rows.append((hospital, specialty, year, expected, params.quality.silent_month_cases, said))
    return pd.DataFrame(rows, columns=COLUMNS)


def _numbers(part: pd.DataFrame) -> np.ndarray:
    """Months counted from the year 0, in order."""
    return np.unique(part["year"].to_numpy(dtype=int) * MONTHS + part["month"].to_numpy(dtype=int) - 1)


def _runs(when: np.ndarray, part: pd.DataFrame, least: float) -> Iterator[tuple[np.ndarray, float]]:
    """Months in a row without a case, of those that the hospital sent, and the cases to be expected in them."""
    total = int(part["n"].sum())
    silent = ~np.isin(when, _numbers(part))
    if total < least or not silent.any():
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(int), [0]))))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        expected = total / (len(when) - (end - first)) * (end - first)
        if expected >= least:
            yield when[first:end], float(expected)


def _span(months: np.ndarray) -> str:
    first, last = int(months[0]), int(months[-1])
    one = f"{first // MONTHS}年{first % MONTHS + 1}月"
    return one if first == last else f"{one}至{last // MONTHS}年{last % MONTHS + 1}月"
