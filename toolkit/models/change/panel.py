"""Cells as arrays: sums of every unit and year, logs with their sampling variance, and who is compared with whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.indicators import Distribution
from toolkit.indicators.table import NO_SPREAD
from toolkit.models.change.base import Study

SUMS = ("x", "y", "xx", "xy", "yy", "n")


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """Values of units over a span of years, arrays of any one shape.

    `log` is the natural log of x / y, `variance` that of its sampling error; both missing where there is no positive value
    with an error. `n` counts discharges.
    """

    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    log: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Yearly sums of one indicator: arrays of shape (units, years), rows as in `study.units`; 0 where there is no cell.

    `xy`, `yy` only where the indicator is a ratio of two sums over the same discharges.
    """

    study: Study
    indicator: str
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    n: np.ndarray
    _overs: dict[bytes, Side] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def yearly(self) -> Side:
        """Every unit and year."""
        return self._side({c: getattr(self, c) for c in SUMS})

    def over(self, years: np.ndarray) -> Side:
        """Every unit over the years that are true in `years`, sums added first; shape (units,)."""
        key = years.tobytes()
        if key not in self._overs:  # asked for once a project
            self._overs[key] = self._side({c: getattr(self, c)[:, years].sum(axis=1) for c in SUMS})
        return self._overs[key]

    def _side(self, of: Mapping[str, np.ndarray]) -> Side:
        kind, x, y, n = self.study.distribution(self.indicator), of["x"], of["y"], of["n"]
        with np.errstate(all="ignore"):
            value = x / y
            if kind is Distribution.MEAN:
                variance = (of["xx"] - x * value) / (y - 1) / y / value**2
            elif kind is Distribution.RATIO:
                left = of["xx"] - value * (2 * of["xy"] - value * of["yy"])
                variance = left * n / (n - 1) / x**2
            elif kind is Distribution.PROPORTION:
                variance = 1 / x - 1 / y
            else:
                variance = 1 / x
            # a value of 0, a share of 1, cases that are all alike: no error can be stated on the log scale
            good = (x > 0) & (variance > NO_SPREAD) & np.isfinite(variance)
            log = np.log(value)
        return Side(x=x, y=y, n=n, log=np.where(good, log, np.nan), variance=np.where(good, variance, np.nan))


def panels(cells: pd.DataFrame, study: Study) -> dict[str, Panel]:
    """A panel of every inferential indicator that has cells."""
    units, years = study.units, study.years
    unit, year = _unit_of(cells, units), _year_of(cells["period"])
    inside = (unit >= 0) & (year >= years[0]) & (year <= years[-1])
    named, names = pd.factorize(cells["indicator"])
    columns = {c: cells[c].to_numpy(float) if c in cells else np.full(len(cells), np.nan) for c in SUMS}
    found = {}
    for indicator in study.inferential:
        rows = np.flatnonzero(inside & (named == names.get_indexer([indicator])[0]))
        if not len(rows):
            continue
        at = unit[rows], (year[rows] - years[0]).astype(int)
        arrays = {name: np.zeros((len(units), len(years))) for name in SUMS}
        for name, array in arrays.items():
            array[at] = np.nan_to_num(columns[name][rows])
        found[indicator] = Panel(study=study, indicator=indicator, **arrays)
    return found


def _unit_of(cells: pd.DataFrame, units: pd.DataFrame) -> np.ndarray:
    """Position of every cell's unit in `units`, −1 where it has none; text is looked up once for each different value."""
    code, size = np.zeros(len(cells), dtype=int), 1
    own, known = np.zeros(len(units), dtype=int), np.ones(len(cells), dtype=bool)
    for key in ("hospital", "specialty"):
        codes, values = pd.factorize(cells[key])
        of_units = pd.Index(values).astype(str).get_indexer(units[key].astype(str))
        known &= codes >= 0
        # a unit without cells stands behind all others, where no cell points to
        own = np.where((own < 0) | (of_units < 0), -1, own * len(values) + of_units)
        code, size = code * len(values) + codes, size * len(values)
    place = np.full(size + 1, -1)
    place[own] = np.arange(len(units))
    place[-1] = -1
    return np.where(known, place[code], -1)


def _year_of(period: pd.Series) -> np.ndarray:
    """The year that a period is, missing for a cycle or a month."""
    codes, values = pd.factorize(period)
    texts = pd.Series(values).astype(str)
    years = pd.to_numeric(texts.where(texts.str.fullmatch(r"\d{4}")), errors="coerce").to_numpy(float)
    return np.append(years, np.nan)[codes]  # the last is of a missing period


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparisons:
    """Who is compared with whom: arrays of positions in `study.units`, one entry a pair.

    Attributes
    ----------
    project, unit
        The pair. A project's pairs stand together, in the order of the units.
    widened
        Projects (positions) whose own level group held too few comparison units, so that all levels of the specialty were
        taken.
    group
        Specialty and level group of every unit, as a code.
    """

    project: np.ndarray
    unit: np.ndarray
    widened: frozenset[int]
    group: np.ndarray

    def of(self, project: int) -> np.ndarray:
        """The comparison units of a project."""
        return self.unit[self.project == project]


def comparisons(study: Study) -> Comparisons:
    """The declared comparison units of every project: unfunded, eligible, same specialty, and same level where declared."""
    units, policy = study.units, study.comparison
    specialty = pd.factorize(units["specialty"].astype(str))[0]
    level = pd.factorize(units["level_group"].astype(str))[0] if policy.same_level else np.zeros(len(units), dtype=int)
    group = pd.factorize(pd.Series(specialty).astype(str) + "/" + pd.Series(level).astype(str))[0]
    unfunded = (units["start"].to_numpy() == 0) & units["eligible"].to_numpy(bool)
    free = np.flatnonzero(unfunded)
    by_group = {g: free[group[free] == g] for g in np.unique(group)}
    by_specialty = {s: free[specialty[free] == s] for s in np.unique(specialty)}
    projects, found, widened = [], [], set()
    for project in np.flatnonzero(units["start"].to_numpy() > 0):
        chosen = by_group[group[project]]
        if len(chosen) < policy.minimum_units and len(by_specialty[specialty[project]]) > len(chosen):
            chosen = by_specialty[specialty[project]]
            widened.add(int(project))
        projects.append(np.full(len(chosen), project))
        found.append(chosen)
    empty = np.empty(0, dtype=int)
    return Comparisons(
        project=np.concatenate(projects) if projects else empty,
        unit=np.concatenate(found) if found else empty,
        widened=frozenset(widened),
        group=group,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Sums over those that units are compared with: over pairs (projects), or over a group less oneself (units without one).

    Attributes
    ----------
    at
        Positions of the units judged.
    code
        Of every pair its place in `at`; or the group of every unit.
    usable
        Units without project that count.
    unit
        Of every pair the unit compared with; None for groups.
    """

    at: np.ndarray
    code: np.ndarray
    usable: np.ndarray
    unit: np.ndarray | None = None

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Sums of values of units, shape of `at`."""
        if self.unit is not None:
            return np.bincount(self.code, values[self.unit], minlength=len(self.at))
        kept = np.where(self.usable, values, 0.0)
        return np.asarray(np.bincount(self.code, kept)[self.code[self.at]] - kept[self.at])

    @property
    def count(self) -> np.ndarray:
        return np.rint(self(np.ones(len(self.usable)))).astype("int64")


def with_projects(projects: np.ndarray, compared: Comparisons, usable: np.ndarray) -> Compared:
    """Projects (positions, rising) with their comparison units."""
    rows = usable[compared.unit] & np.isin(compared.project, projects)
    code = np.searchsorted(projects, compared.project[rows])
    return Compared(at=projects, code=code, usable=usable, unit=compared.unit[rows])


def with_group(group: np.ndarray, usable: np.ndarray) -> Compared:
    """Every usable unit that has another in its group, with the others of it: a placebo."""
    several = np.bincount(group[usable], minlength=group.max(initial=0) + 1)[group] > 1
    return Compared(at=np.flatnonzero(usable & several), code=group, usable=usable)


WIDENED = "同级别对照单元不足，取同专科全部级别"
NONE = "没有对照单元，不能校正"
EMPTY_BEFORE, EMPTY_AFTER = "建设前无值，不能比较", "建设周期无值，不能比较"
NO_ERROR = "某一周期的值为 0、为 100% 或全部相同，无法给出误差"


def own_warning(before: Side, after: Side, unit: int) -> str:
    """Why a unit has no change on the log scale, or nothing."""
    if not before.y[unit] > 0:
        return EMPTY_BEFORE
    if not after.y[unit] > 0:
        return EMPTY_AFTER
    return NO_ERROR if np.isnan(before.log[unit]) or np.isnan(after.log[unit]) else ""
