"""The draw of stays: one function for the front pages and for the canonical Parquet, in blocks that know no order.

Every block of `BLOCK` stays has a generator of its own, seeded by year and block. The stays of a year stand in the order
of the units (hospital, specialty), so a block is sorted as the store wants it, and any block can be drawn alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from toolkit.synthetic.region import Cells, SyntheticRegion, month_shares, stream
from toolkit.synthetic.specialties import SPECIALTIES

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 250_000  # part of the definition of the draw: another value gives other stays
COST_LOS_CORRELATION = 0.65
LOW_COST, HIGH_COST = 20_000, 150_000_000  # fen; inside the limits of rule C04, so that no clean stay breaks it
LONGEST = 180
SAME_DAY = 0.15  # of the stays of one day
EXIT_MODES = (1, 4, 2, 3, 9)  # of the survivors; cumulative shares below
_EXIT_ENDS = np.array([0.900, 0.955, 0.975, 0.985])
_AGE_DEATH, _EMERGENCY_DEATH = 0.03, 2.0  # per year of age; emergency against the rest
_BINS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Stays:
    """Stays of one block, arrays of equal length in the order of the units.

    unit, drg (positions in the region's tables; drg is the true group also where `grouped` is False), admission and
    discharge (days since 1970), month, los (days, as in the contract), cost (fen), died, exit_mode, route, sex, age,
    department (index within the specialty), surgical, level (highest of the stay, 0 for none), grouped.
    """

    unit: np.ndarray
    drg: np.ndarray
    admission: np.ndarray
    discharge: np.ndarray
    month: np.ndarray
    los: np.ndarray
    cost: np.ndarray
    died: np.ndarray
    exit_mode: np.ndarray
    route: np.ndarray
    sex: np.ndarray
    age: np.ndarray
    department: np.ndarray
    surgical: np.ndarray
    level: np.ndarray
    grouped: np.ndarray

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, rows: np.ndarray | slice) -> Stays:
        """The stays at `rows`, in that order."""
        return Stays(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def block_count(region: SyntheticRegion, year: int) -> int:
    """Number of blocks of a year; at least one."""
    return max(1, -(-region.year_counts[year] // BLOCK))


def draw_year(region: SyntheticRegion, year: int) -> Iterator[Stays]:
    """The stays of a year, block by block: memory is that of one block."""
    cells = region.cells(year)
    for block in range(block_count(region, year)):
        yield draw_block(region, year, block, cells)


def draw_block(region: SyntheticRegion, year: int, block: int, cells: Cells | None = None) -> Stays:
    """The stays `block * BLOCK` … of a year; the same whatever else was drawn before.

    Expected cost and LOS of a stay, and its death probability, are exactly those of `cells` (cost before clipping to
    [LOW_COST, HIGH_COST], LOS before LONGEST): the noise has mean one by construction.
    """
    cells = cells or region.cells(year)
    rng = stream(region.settings, 10, region.settings.years.index(year), block)
    unit = _units(_unit_ends(region, year, cells), block)
    n = len(unit)
    # coarse choices take 12 bits each; whatever decides a planted quantity gets a full float
    coarse = rng.integers(0, 2**16, (8, n), dtype=np.uint16) >> 4
    cell = _cell(cells, unit, rng)
    drg = cells.drg.ravel()[cell]
    specialty = region.units.specialty.to_numpy()[unit]
    tables = _tables(year)
    drgs = {name: region.drgs[name].to_numpy(np.float32) for name in ("cost_sd", "los_sd", "emergency", "surgical")}
    urgent = drgs["emergency"][drg]
    route = _route(coarse[1], urgent)
    died, exit_mode = _fate(cells.death.ravel()[cell], tables.frailty[specialty, coarse[0]], urgent, route == 1, rng)
    los, cost = _los_and_cost(cells, cell, drgs["los_sd"][drg], drgs["cost_sd"][drg], rng)
    surgical, level = _surgery(drgs["surgical"][drg], cells.level4.ravel()[cell], rng)
    day_of_year = tables.day[coarse[2], (coarse[3] * np.uint32(31)) // _BINS]
    discharge = (tables.first_day + day_of_year).astype(np.int32)
    same_day = (los == 1) & (coarse[4] < SAME_DAY * _BINS)
    return Stays(
        unit=unit,
        drg=drg,
        admission=discharge - np.where(same_day, 0, los),
        discharge=discharge,
        month=tables.month[day_of_year],
        los=los,
        cost=cost,
        died=died,
        exit_mode=exit_mode,
        route=route,
        sex=np.where(coarse[5] < tables.male[specialty] * _BINS, 1, 2).astype(np.int8),
        age=tables.age[specialty, coarse[0]],
        department=(coarse[6] % tables.departments[specialty]).astype(np.int8),
        surgical=surgical,
        level=level,
        grouped=rng.random(n, dtype=np.float32) >= region.settings.ungrouped_share,
    )


def _units(ends: np.ndarray, block: int) -> np.ndarray:
    """The unit of every stay of the block."""
    start, stop = block * BLOCK, min((block + 1) * BLOCK, int(ends[-1]))
    overlap = np.clip(ends, start, stop)
    return np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(overlap, prepend=start))


def _cell(cells: Cells, unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The cell of unit and DRG of every stay, by the alias method, as a position in the flattened table."""
    width = cells.drg.shape[1]
    spot = rng.random(len(unit)) * width
    slot = spot.astype(np.int32)
    cell = unit * width + slot
    kept = (spot - slot) < cells.accept.ravel()[cell]
    return unit * width + np.where(kept, slot, cells.alias.ravel()[cell])


def _route(coarse: np.ndarray, urgent: np.ndarray) -> np.ndarray:
    """Admission route: 1 emergency, 2 outpatient, 3 from another hospital, 9 other."""
    draw = coarse / np.float32(_BINS)
    rest = (draw - urgent) / (1 - urgent)
    return np.where(draw < urgent, 1, np.where(rest < 0.955, 2, np.where(rest < 0.985, 3, 9))).astype(np.int8)


def _fate(
    planted: np.ndarray, frailty: np.ndarray, urgent: np.ndarray, emergency: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Who died, and how each stay ended."""
    frailty = frailty * np.where(emergency, np.float32(_EMERGENCY_DEATH), np.float32(1))
    # divided by its expectation, so that the cell's death probability stays the planted one; 12-bit urgency
    frailty /= 1 + (_EMERGENCY_DEATH - 1) * (np.ceil(urgent * _BINS) / _BINS)
    draw = rng.random(len(planted), dtype=np.float32)
    chance = np.minimum(planted * frailty, 0.95)
    died = draw < chance
    # what is left of the draw, rescaled, chooses the exit of the survivors
    left = (draw - chance) / (1 - chance)
    exit_mode = np.where(died, 5, np.array(EXIT_MODES, np.int8)[np.searchsorted(_EXIT_ENDS, left)])
    return died, exit_mode.astype(np.int8)


def _los_and_cost(
    cells: Cells, cell: np.ndarray, los_sd: np.ndarray, cost_sd: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Days and fen, correlated, with noise of mean one."""
    common, own = rng.standard_normal((2, len(cell)), dtype=np.float32)
    days = 1 + cells.los.ravel()[cell] * np.exp(los_sd * common - los_sd**2 / 2)
    los = np.minimum((days + rng.random(len(cell), dtype=np.float32)).astype(np.int32), LONGEST)
    noise = COST_LOS_CORRELATION * common + np.float32((1 - COST_LOS_CORRELATION**2) ** 0.5) * own
    cost = np.exp((cells.cost.ravel()[cell] + cost_sd * noise - cost_sd**2 / 2).astype(np.float64))
    return los, np.clip(np.rint(cost), LOW_COST, HIGH_COST).astype(np.int64)


def _surgery(share: np.ndarray, top: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whether a stay was operated on, and the highest level, 0 without operation; `top`: share of level 4."""
    surgical = rng.random(len(share), dtype=np.float32) < share
    grade = rng.random(len(share), dtype=np.float32)
    below = (grade - top) / (1 - top)
    level = np.where(grade < top, 4, np.where(below < 0.50, 3, np.where(below < 0.88, 2, 1))) * surgical
    return surgical, level.astype(np.int8)


def _unit_ends(region: SyntheticRegion, year: int, cells: Cells) -> np.ndarray:
    """Where each unit's stays end within the year; drawn once for the year, whatever the block."""
    rng = stream(region.settings, 11, region.settings.years.index(year))
    return np.cumsum(rng.multinomial(region.year_counts[year], cells.shares))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    """Look-up tables of the 12-bit draws: age and frailty (specialty, bin), day of the year (bin, 31), and others."""

    age: np.ndarray
    frailty: np.ndarray
    day: np.ndarray
    month: np.ndarray
    first_day: int
    male: np.ndarray
    departments: np.ndarray


@lru_cache(maxsize=16)
def _tables(year: int) -> _Tables:
    rng = np.random.default_rng(7)  # shapes of age only: the same for every region
    age = np.empty((len(SPECIALTIES), _BINS), np.int16)
    for row, specialty in enumerate(SPECIALTIES):
        draws = rng.normal(*specialty.ages, 3 * _BINS)
        inside = draws[(draws >= specialty.youngest) & (draws <= specialty.oldest)]
        age[row] = np.sort(inside[:_BINS])
    frailty = np.exp(_AGE_DEATH * age.astype(np.float32))
    frailty /= frailty.mean(axis=1, keepdims=True)
    months = np.arange(f"{year}-01", f"{year + 1}-02", dtype="datetime64[M]").astype("datetime64[D]")
    starts = (months - months[0]).astype(int)
    month = np.searchsorted(np.cumsum(month_shares(year))[:-1], (np.arange(_BINS) + 0.5) / _BINS)
    lengths = np.diff(starts)[month]
    day = starts[month][:, None] + (np.arange(31) * lengths[:, None]) // 31
    return _Tables(
        age=age,
        frailty=frailty,
        day=day.astype(np.int32),
        first_day=int(months[0].astype(int)),
        month=np.repeat(np.arange(1, 13, dtype=np.int8), np.diff(starts)),
        male=np.array([s.male for s in SPECIALTIES]),
        departments=np.array([len(s.departments) for s in SPECIALTIES]),
    )
