"""From cubes with references to the tables of a run: units, the cells of every level, plain changes. No record is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from toolkit import cube as cubes
from toolkit.cube import Basis
from toolkit.data.discharge.covariates import one_row_a_specialty
from toolkit.data.quality.measures import outside, stopped
from toolkit.evaluation.coverage import with_coverage
from toolkit.frames import with_columns
from toolkit.indicators import CATALOGUE, Declared, Status
from toolkit.indicators.base import Distribution, Indicator
from toolkit.indicators.diseases import DISEASES, attach_diseases
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import COLUMNS, collect
from toolkit.models.change import inferential, two_period
from toolkit.models.change.base import COLUMNS as OF_CHANGES
from toolkit.params import RunParams
from toolkit.reference import Referenced

# the numerator of a proportion counts discharges of its denominator (rule P16)
SHARES = tuple(i for i, one in CATALOGUE.items() if getattr(one, "distribution", None) is Distribution.PROPORTION)
LEVELS: dict[str, tuple[str, ...]] = {
    "region": (),
    "specialty": ("specialty",),
    "hospital": ("hospital",),
    "unit": ("hospital", "specialty"),
}


def units_of(cube: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """The evaluation units: `hospital, specialty, n_<cycle> …, eligible, project, id`, as in `Results.units`."""
    cycle = {y: label for label, years in params.periods.items() for y in range(years.first, years.last + 1)}
    named = one_row_a_specialty(cube.loc[cube["specialty"] != cubes.NONE, ["hospital", "specialty", "year", "n"]])
    named = named.astype({"hospital": "str", "specialty": "str"})
    counts = named.assign(cycle=named["year"].map(cycle)).pivot_table(
        index=["hospital", "specialty"], columns="cycle", values="n", aggfunc="sum", fill_value=0
    )
    counts = counts.reindex(columns=list(params.periods), fill_value=0)
    projects = {(p.hospital, p.specialty): p.level for p in params.projects}
    # a project without any discharge still gets its row, and its report says 不予评价
    index = (
        counts.index.union(pd.MultiIndex.from_tuples(projects, names=counts.index.names)) if projects else counts.index
    )
    counts = counts.reindex(index, fill_value=0).astype("int64")
    units = counts.add_prefix("n_").reset_index()
    units["eligible"] = (counts >= params.minimum_unit_cases).all(axis=1).to_numpy()
    pairs = zip(units["hospital"], units["specialty"], strict=True)
    units["project"] = [projects.get(pair, "") for pair in pairs]
    units["id"] = [report_id(h, s) for h, s in zip(units["hospital"], units["specialty"], strict=True)]
    return units


def of_other_cohorts(units: pd.DataFrame, params: RunParams) -> np.ndarray:
    """Units whose project has other windows than these: neither judged here nor compared with."""
    own = params.own_projects
    pairs = zip(units["hospital"], units["specialty"], units["project"], strict=True)
    return np.array([project != "" and (h, s) not in own for h, s, project in pairs], dtype=bool)


def without_cases(units: pd.DataFrame, params: RunParams) -> str:
    """Names of the declared specialties that no discharge belongs to: their definition may not fit the records."""
    cases = units.filter(regex="^n_").sum(axis=1)
    found = set(units.loc[cases > 0, "specialty"])
    return "、".join(s.name_zh for s in params.specialties if s.id not in found) or "无"


def report_id(hospital: str, specialty: str) -> str:
    """Id of a unit's report: letters, digits, - and _ only, whatever the hospital's code holds."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in hospital)
    mark = "" if plain[:30] == hospital else "_" + hashlib.sha256(hospital.encode()).hexdigest()[:6]
    return f"{plain[:30]}{mark}-{specialty}"[:64]


def all_cells(referenced: dict[Basis, Referenced], units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Cells of every level, by year and by cycle, on both bases."""
    parts = []
    with_project = units.loc[units["project"] != "", ["hospital", "specialty"]].assign(funded=True)
    for reference in referenced.values():
        whole = with_columns(reference.frame, region="")
        # of a discharge that counts in several specialties, each has all; the region and the hospital have it once
        spread = by_specialty(replace(reference, frame=whole), params.specialties).frame
        funded = spread.merge(with_project, on=["hospital", "specialty"], how="left")["funded"].notna().to_numpy()
        for level, keys in (*LEVELS.items(), ("peers", ("specialty",))):
            rows = spread if "specialty" in keys else whole
            if level == "peers":
                rows = rows[~funded]
            if "specialty" in keys:
                rows = rows[rows["specialty"] != cubes.NONE]
            if rows.empty:
                continue
            of_level = Referenced(basis=reference.basis, frame=rows, grades=reference.grades, insufficient={})
            for time in ("year", "cycle"):
                cells = collect(
                    of_level,
                    CATALOGUE.values(),
                    [*(keys or ("region",)), time],
                    confidence=params.change.confidence,
                    policy=params.indicators,
                )
                parts.append(
                    cells.rename(columns={time: "period"}).assign(level=level, period=lambda f: f["period"].astype(str))
                )
    cells = too_few(pd.concat(parts, ignore_index=True), params)
    cells = _incomplete(cells, params)
    cells = stopped(cells, outside(cells, SHARES), Status.STOPPED.value)
    for key in ("hospital", "specialty"):
        cells[key] = cells[key].fillna("") if key in cells else ""
    first = ["level", "hospital", "specialty", "period"]
    return cells[[*first, *[c for c in cells if c not in (*first, "region")]]]


def disease_cells(sums: pd.DataFrame, hospitals: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Cells of every disease on every level, by year and by cycle, on both bases."""
    parts = []
    for basis in cubes.BASES:
        whole = attach_diseases(sums, params, hospitals, basis)
        whole = replace(whole, frame=whole.frame.assign(region=""))
        for level, keys in LEVELS.items():
            frame = whole.frame
            if "specialty" in keys:
                frame = one_row_a_specialty(frame[frame["specialty"] != cubes.NONE])
            for time in ("year", "cycle") if len(frame) else ():
                by = [*(keys or ("region",)), "disease", time]
                cells = collect(replace(whole, frame=frame), DISEASES.values(), by, confidence=params.change.confidence)
                parts.append(
                    cells.rename(columns={time: "period"}).assign(level=level, period=lambda f: f["period"].astype(str))
                )
    first = ["level", "hospital", "specialty", "disease", "period"]
    if not parts:
        return pd.DataFrame(columns=[*first, "indicator", "basis", *COLUMNS])
    cells = too_few(pd.concat(parts, ignore_index=True), params, DISEASES, ("unit", "hospital"))
    for key in ("hospital", "specialty"):
        cells[key] = cells[key].fillna("") if key in cells else ""
    return cells[[*first, *[c for c in cells if c not in (*first, "region")]]]


def too_few(
    cells: pd.DataFrame,
    params: RunParams,
    declared: Mapping[str, Declared] = CATALOGUE,
    levels: Sequence[str] = ("unit",),
) -> pd.DataFrame:
    """A unit's value on very few cases is not shown: it says more of chance, and of single patients, than of the unit."""
    ratios = [i for i, one in declared.items() if inferential(one)]
    few = cells["level"].isin(levels) & cells["indicator"].isin(ratios) & (cells["status"] == Status.VALUE.value)
    few &= cells["n"] < params.minimum_value_cases
    cells.loc[few, ["value", "se", "low", "high"]] = float("nan")
    cells.loc[few, "status"] = Status.TOO_FEW.value
    return cells


def _incomplete(cells: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Values that count what a hospital filled in, without those of cells where too little was: they follow the filling in."""
    by = {i: one.complete_by for i, one in CATALOGUE.items() if isinstance(one, Indicator) and one.complete_by}
    keys = [c for c in ("level", "hospital", "specialty", "period", "basis") if c in cells]
    counted = cells[cells["indicator"].isin(list(by))]
    how = cells.loc[cells["indicator"].isin(set(by.values())), [*keys, "indicator", "x", "y"]]
    how = how.rename(columns={"indicator": "complete_by", "x": "filled", "y": "asked"})
    found = (
        counted[[*keys]]
        .assign(complete_by=counted["indicator"].map(by))
        .merge(how, on=[*keys, "complete_by"], how="left")
    )
    share = (found["filled"] / found["asked"].where(found["asked"] > 0)).to_numpy()
    poor = counted.index[(share < params.indicators.least_level_known) & (counted["status"] == Status.VALUE.value)]
    cells.loc[poor, ["value", "se", "low", "high"]] = float("nan")
    cells.loc[poor, "status"] = Status.INCOMPLETE.value
    return cells


def all_changes(cells: pd.DataFrame, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Before/after ratios: every unit with enough cases, every project, and the peers of each specialty."""
    frozen = cells[(cells["basis"] == "frozen") & cells["period"].isin(params.periods)].rename(
        columns={"period": "cycle"}
    )
    judged = units[(units["eligible"] | (units["project"] != "")) & ~of_other_cohorts(units, params)][
        ["hospital", "specialty"]
    ]
    parts = []
    for level, rows in (("unit", frozen.merge(judged, on=["hospital", "specialty"])), ("peers", frozen)):
        rows = rows[rows["level"] == level]
        by = ["hospital", "specialty"]
        parts.append(two_period(rows, CATALOGUE, by, confidence=params.change.confidence).assign(level=level))
    changes = with_coverage(pd.concat(parts, ignore_index=True), cells, list(params.periods))
    first = ["level", "hospital", "specialty", "indicator"]
    return changes[[*first, *[c for c in changes if c not in first]]].sort_values(first, ignore_index=True)


def no_changes() -> pd.DataFrame:
    """The table of a run without cycles."""
    first = ["level", "hospital", "specialty", "indicator"]
    return pd.DataFrame(columns=[*first, *OF_CHANGES, "before", "after", "covered_before", "covered_after"])
