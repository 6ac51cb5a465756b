"""数据断点: a unit's numbers that jump from one year to the next while those of the other units do not.

A hospital that changes its billing system, its coding or what it submits can move an index tenfold; the methods of change take
that for change. Every step from year to year of every unit with enough cases is held against the same step of the other
units: their median is what happened to all, their spread (1.4826 × median absolute deviation) what units do from year to
year. A break is a step that is large in itself and many spreads away. It is a question to the hospital, not an answer.

Aspects: cost and stay by their frozen indices, case mix by the frozen CMI, depth of coding by other diagnoses a case, share of
grouped cases, and the share of cases in the same DRGs as the year before (Σ over DRGs of the smaller of both shares).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from toolkit.cube import NONE
from toolkit.data.discharge.covariates import one_row_a_specialty
from toolkit.evaluation.holds import COLUMNS as HOLDS
from toolkit.evaluation.holds import DATA_BREAK, no_holds
from toolkit.evaluation.verdict import Verdict
from toolkit.indicators import CATALOGUE, Indicator, Status
from toolkit.indicators.table import NAMED
from toolkit.params import RunParams

UNIT = ["hospital", "specialty"]
ASPECTS = {
    "cost": "费用水平",
    "los": "住院日水平",
    "case_mix": "病例组合",
    "coding": "其他诊断数",
    "grouping": "入组率",
    "drgs": "与前一年同 DRG 的病例占比",
}
INDICES = {"cost": "cost_index", "los": "los_index", "case_mix": "cmi"}
SHARES = ("grouping", "drgs")  # steps are differences, not ratios
FEWEST_OTHERS = 5  # units whose steps say what is usual
MAD = 1.4826  # of a normal distribution
COLUMNS = [
    *UNIT,
    "aspect",
    "year",
    "point",
    "before",
    "after",
    "others",
    "deviations",
    "n_before",
    "n_after",
    "statement",
]
# columns of the cube that an aspect is about; the other aspects are about every indicator
TOUCHES = {"cost": ("cost", "itemised", "drug", "material"), "los": ("los",)}


def breaks(cells: pd.DataFrame, cube: pd.DataFrame, charts: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Every break of every unit.

    Parameters
    ----------
    cells
        As in `Results.cells`.
    cube
        As in `Results.cube`.
    charts
        As in `Results.charts`: months of projects, which tell when in the two years.

    Returns
    -------
    pd.DataFrame
        One row a break: `hospital, specialty, aspect, year` (the first after it), `point` (month or quarter, empty where not
        known), `before, after` (values of the two years), `others` (median step of the other units: a ratio, of shares a
        difference), `deviations`, `n_before, n_after`, `statement` (empty until one is entered).
    """
    policy = params.breaks
    values = pd.concat([_of_indices(cells), _of_sums(cube)], ignore_index=True)
    values = values[values["n"] >= policy.minimum_cases]
    steps = pd.concat([_steps(values), _drgs(cube)], ignore_index=True)
    steps = steps[(steps["n_before"] >= policy.minimum_cases) & (steps["n_after"] >= policy.minimum_cases)]
    parts = [_against_others(part) for _, part in steps.groupby(["aspect", "year"], sort=True)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    held = pd.concat(parts, ignore_index=True)
    least = np.where(held["aspect"].isin(SHARES), policy.step, np.log(policy.factor))
    found = held[(held["apart"].abs() >= least) & (held["deviations"].abs() >= policy.deviations)]
    said = {(e.hospital, e.specialty, e.year): e.statement for e in policy.explained}
    found = found.assign(
        point=[_when(charts, row.hospital, row.specialty, row.aspect, row.year) for row in found.itertuples()],
        statement=[said.get((row.hospital, row.specialty, row.year), "") for row in found.itertuples()],
        others=np.where(found["aspect"].isin(SHARES), found["others"], np.exp(found["others"])),
    )
    return found[COLUMNS].sort_values([*UNIT, "year", "aspect"], ignore_index=True)


def _of_indices(cells: pd.DataFrame) -> pd.DataFrame:
    """The frozen indices of every unit and year, with their relative variance."""
    aspects = {indicator: aspect for aspect, indicator in INDICES.items()}
    rows = cells[
        (cells["level"] == "unit")
        & (cells["basis"] == "frozen")
        & cells["indicator"].isin(list(aspects))
        & cells["period"].str.isdigit()
        & (cells["status"] == Status.VALUE.value)
        & (cells["value"] > 0)
    ]
    return pd.DataFrame(
        {
            "hospital": rows["hospital"].astype(str),
            "specialty": rows["specialty"].astype(str),
            "year": rows["period"].astype(int),
            "aspect": rows["indicator"].map(aspects),
            "n": rows["n"],
            "value": rows["value"],
            "variance": ((rows["se"] / rows["value"]) ** 2).fillna(0.0),
        }
    )


def _of_sums(cube: pd.DataFrame) -> pd.DataFrame:
    """Other diagnoses a case, and the share of grouped cases, of every unit and year."""
    rows = one_row_a_specialty(cube[(cube["specialty"] != NONE).to_numpy()])
    rows = rows[[*UNIT, "year", "drg", "n", "secondary", "secondary_n"]]
    rows = rows.assign(grouped=rows["n"].where((rows["drg"] != NONE).to_numpy(), 0)).astype(dict.fromkeys(UNIT, "str"))
    sums = rows.groupby([*UNIT, "year"], as_index=False)[["n", "secondary", "secondary_n", "grouped"]].sum()
    coded = sums[sums["secondary"] > 0]
    depth = coded.assign(
        aspect="coding", value=coded["secondary"] / coded["secondary_n"], variance=1 / coded["secondary"]
    )
    share = sums["grouped"] / sums["n"]
    grouped = sums.assign(aspect="grouping", value=share, variance=share * (1 - share) / sums["n"])
    columns = [*UNIT, "year", "aspect", "n", "value", "variance"]
    return pd.concat([depth[columns], grouped[columns]], ignore_index=True)


def _steps(values: pd.DataFrame) -> pd.DataFrame:
    """From each year to the next: the step, on the log scale but for shares, and its variance."""
    later = values.assign(year=values["year"] - 1)
    both = values.merge(later, on=[*UNIT, "year", "aspect"], suffixes=("_before", "_after"))
    before, after = both["value_before"], both["value_after"]
    with np.errstate(divide="ignore"):
        step = np.where(both["aspect"].isin(SHARES), after - before, np.log(after / before))
    return both.rename(columns={"value_before": "before", "value_after": "after"}).assign(
        year=both["year"] + 1, step=step, variance=both["variance_before"] + both["variance_after"]
    )


def _drgs(cube: pd.DataFrame) -> pd.DataFrame:
    """Of each step: the share of cases in the same DRGs in both years; 1 is what nothing changed would be."""
    rows = one_row_a_specialty(cube[((cube["specialty"] != NONE) & (cube["drg"] != NONE)).to_numpy()])
    rows = rows.astype(dict.fromkeys([*UNIT, "drg"], "str"))[[*UNIT, "year", "drg", "n"]]
    rows = rows.groupby([*UNIT, "year", "drg"], as_index=False)["n"].sum()
    total = rows.groupby([*UNIT, "year"], as_index=False)["n"].sum()
    share = rows.merge(total, on=[*UNIT, "year"], suffixes=("", "_all"))
    share = share.assign(share=share["n"] / share["n_all"].where(share["n_all"] > 0))
    later = share.assign(year=share["year"] - 1)
    common = share.merge(later, on=[*UNIT, "year", "drg"], suffixes=("", "_later"))
    common = common.assign(same=common[["share", "share_later"]].min(axis=1))
    same = common.groupby([*UNIT, "year"], as_index=False)["same"].sum()
    pairs = total.merge(total.assign(year=total["year"] - 1), on=[*UNIT, "year"], suffixes=("_before", "_after"))
    pairs = pairs.merge(same, on=[*UNIT, "year"], how="left").fillna({"same": 0.0})
    return pairs.assign(
        aspect="drgs", year=pairs["year"] + 1, before=1.0, after=pairs["same"], step=pairs["same"] - 1, variance=0.0
    )


def _against_others(part: pd.DataFrame) -> pd.DataFrame:
    """`others`, `apart` (the step less the others') and `deviations` of the steps of one aspect and year.

    What a unit does is no part of what it is held against.
    """
    step = part["step"].to_numpy(float)
    count = len(step)
    others, spread = np.full(count, np.nan), np.full(count, np.nan)
    if count > FEWEST_OTHERS:
        for k in range(count):
            rest = np.delete(step, k)
            others[k] = np.median(rest)
            spread[k] = MAD * np.median(np.abs(rest - others[k]))
    apart = step - others
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = apart / np.sqrt(spread**2 + part["variance"].to_numpy(float))
    return part.assign(others=others, apart=apart, deviations=deviations)


def _when(charts: pd.DataFrame, hospital: str, specialty: str, aspect: str, year: int) -> str:
    """The first month (or quarter) after the break: where the two years' points part best in two."""
    rows = charts[
        (charts["hospital"] == hospital)
        & (charts["specialty"] == specialty)
        & (charts["indicator"] == INDICES.get(aspect, ""))
        & charts["point"].astype(str).str[:4].isin([str(year - 1), str(year)])
        & charts["value"].notna()
    ].sort_values("point")
    value = rows["value"].to_numpy(float)
    if len(value) < 4:
        return ""
    cuts = np.arange(1, len(value))
    gain = [k * (len(value) - k) * (value[:k].mean() - value[k:].mean()) ** 2 for k in cuts]
    return str(rows["point"].iloc[int(cuts[int(np.argmax(gain))])])


def holds_of(found: pd.DataFrame) -> pd.DataFrame:
    """What breaks without a statement hold back: the indicators that rest on what broke."""
    rows = []
    for row in found[found["statement"] == ""].itertuples():
        place = row.point or f"{row.year} 年"
        words = f"数据断点，须核实：{place}起{ASPECTS[row.aspect]} {size_of(row)}"
        rows += [
            (row.hospital, row.specialty, i, Verdict.UNDECIDED.value, DATA_BREAK, words) for i in _touched(row.aspect)
        ]
    return pd.DataFrame(rows, columns=HOLDS).drop_duplicates(HOLDS[:3]) if rows else no_holds()


def size_of(found: Any) -> str:
    """The two values of a break, as `0.14 → 1.54`; of the share of cases in the same DRGs the one that it has."""
    if pd.isna(found.after) or pd.isna(found.before):  # the release edition
        return "—"
    if found.aspect == "drgs":
        return f"{100 * found.after:.0f}%"
    return " → ".join(f"{100 * v:.0f}%" if found.aspect in SHARES else f"{v:.2f}" for v in (found.before, found.after))


def _touched(aspect: str) -> list[str]:
    """Indicators that an aspect is about; an empty id is all of them."""
    begins = TOUCHES.get(aspect)
    if begins is None:
        return [""]
    named = {
        i: {n for e in one.expressions for n in NAMED.findall(repr(e))}
        for i, one in CATALOGUE.items()
        if isinstance(one, Indicator)
    }
    return [i for i, names in named.items() if any(n.startswith(begins) for n in names)]
