"""A synthetic region: the world, its projects and, for each year, what a stay of each unit and DRG is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.synthetic import world
from toolkit.synthetic.settings import Settings
from toolkit.synthetic.specialties import SPECIALTIES

# Discharges of a calendar year against 2019: growth, and the fall of the COVID years.
_ACTIVITY = {2019: 1.0, 2020: 0.80, 2021: 0.93, 2022: 0.88, 2023: 1.06, 2024: 1.10}
_SEASON = np.array([1.02, 0.86, 1.06, 1.02, 1.02, 0.99, 1.03, 1.00, 0.98, 0.97, 1.01, 1.04])
_COVID_MONTHS = {2020: {1: 0.85, 2: 0.35, 3: 0.65, 4: 0.85}, 2022: {4: 0.80, 11: 0.85, 12: 0.65}, 2023: {1: 0.80}}


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """What a stay of unit u in slot k of its DRG list is drawn from, in one year; arrays of shape (units, slots).

    `accept`, `alias` are an alias table of the unit's case mix; `drg` the DRG's position; `cost` the log of the expected
    cost in fen; `los` the expected days beyond the first; `death` the death probability, `level4` that of a level-4
    operation. `shares` is each unit's expected share of the year's stays, of shape (units,).
    """

    accept: np.ndarray
    alias: np.ndarray
    drg: np.ndarray
    cost: np.ndarray
    los: np.ndarray
    death: np.ndarray
    level4: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticRegion:
    """A region, ready to be drawn. Made by `generate`; nothing in it is about a real place.

    Attributes
    ----------
    hospitals, drgs, units
        See the functions of `toolkit.synthetic.world`.
    projects
        One row per project: unit (position in `units`), tier (市/县), effect (an `Effect`), score (observed merit).
    """

    settings: Settings
    hospitals: pd.DataFrame
    drgs: pd.DataFrame
    units: pd.DataFrame
    projects: pd.DataFrame

    @cached_property
    def year_counts(self) -> dict[int, int]:
        """Stays of each year; they add up to `settings.discharges`."""
        years = self.settings.years
        weight = np.array([activity(year) for year in years])
        ends = np.rint(np.cumsum(weight) / weight.sum() * self.settings.discharges).astype(int)
        return dict(zip(years, np.diff(ends, prepend=0).tolist(), strict=True))

    @cached_property
    def mixes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """DRG list and case mix of each unit, alike in all years: drg, share, accept, alias; shape (units, slots)."""
        slots = [world.case_mix(self.drgs, owner) for owner in range(len(SPECIALTIES))]
        width = max(len(positions) for positions, _ in slots)
        shape = (len(self.units), width)
        drg, share = np.zeros(shape, np.int16), np.zeros(shape)
        cost = self.drgs.cost.to_numpy()
        noise = stream(self.settings, 3).normal(0, 0.35, shape)
        for unit, (specialty, tilt) in enumerate(zip(self.units.specialty, self.units.case_mix, strict=True)):
            positions, base = slots[specialty]
            weight = base * cost[positions] ** tilt * np.exp(noise[unit, : len(positions)])
            drg[unit, : len(positions)], share[unit, : len(positions)] = positions, weight / weight.sum()
        return drg, share, *_alias_tables(share)

    def expected(self, year: int) -> dict[str, np.ndarray]:
        """True factors of each unit in a year, effects of its project included; arrays of shape (units,).

        Keys: cost, los (against the DRG's base), mortality, volume, level4_odds.
        """
        position = self.settings.years.index(year)
        unit = self.units
        truth = {
            "cost": unit.cost.to_numpy()
            * np.exp(np.stack(list(unit.cost_shock))[:, position])
            * (1 + self.settings.inflation) ** position,
            "los": unit.los.to_numpy()
            * np.exp(np.stack(list(unit.los_shock))[:, position])
            * (1 + self.settings.los_trend) ** position,
            "mortality": unit.mortality.to_numpy().copy(),
            "volume": unit.volume.to_numpy().copy(),
            "level4_odds": np.exp(unit.level4.to_numpy()),
        }
        if year in self.settings.after:
            for where, effect in zip(self.projects.unit, self.projects.effect, strict=True):
                for name, values in truth.items():
                    values[where] *= getattr(effect, name)
        return truth

    def cells(self, year: int) -> Cells:
        """The parameters of every draw of a year."""
        drg, _, accept, alias = self.mixes
        truth = {name: values[:, None] for name, values in self.expected(year).items()}
        base = {name: self.drgs[name].to_numpy()[drg] for name in ("cost", "los", "death", "level4")}
        odds = base["level4"] / (1 - base["level4"]) * truth["level4_odds"]
        return Cells(
            accept=accept,
            alias=alias,
            drg=drg,
            cost=np.log(base["cost"] * truth["cost"] * 100).astype(np.float32),
            # a stay has at least one day, so the whole expectation scales and only the days beyond the first vary
            los=np.maximum(base["los"] * truth["los"] - 1, 0.02).astype(np.float32),
            death=np.minimum(base["death"] * truth["mortality"], 0.5).astype(np.float32),
            level4=(odds / (1 + odds)).astype(np.float32),
            shares=(truth["volume"] / truth["volume"].sum()).ravel(),
        )


def activity(year: int) -> float:
    """Relative discharges of a calendar year."""
    return _ACTIVITY.get(year, 1.0 * 1.02 ** (year - 2019) if year < 2019 else 1.10 * 1.02 ** (year - 2024))


def month_shares(year: int) -> np.ndarray:
    """Share of a calendar year's discharges in each month: season, days and COVID months."""
    fall = np.array([_COVID_MONTHS.get(year, {}).get(month, 1.0) for month in range(1, 13)])
    days = np.diff(np.arange(f"{year}-01", f"{year + 1}-02", dtype="datetime64[M]").astype("datetime64[D]")).astype(int)
    weight = _SEASON * fall * days
    return weight / weight.sum()


def stream(settings: Settings, *key: int) -> np.random.Generator:
    """An independent generator for one purpose, e.g. one block of one year: no draw depends on another's order."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(settings.seed, spawn_key=key)))


def _alias_tables(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables, one per row: a draw from any row costs two look-ups however long the row is."""
    rows, width = share.shape
    accept, alias = np.ones(share.shape, np.float32), np.zeros(share.shape, np.int16)
    for row in range(rows):
        scaled = share[row] * width
        small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
        while small and large:
            low, high = small.pop(), large.pop()
            accept[row, low], alias[row, low] = scaled[low], high
            scaled[high] -= 1 - scaled[low]
            (small if scaled[high] < 1 else large).append(high)
        for left in (*small, *large):
            # rounding leaves a few at 1 − 1e-16; an empty slot must never be accepted
            accept[row, left], alias[row, left] = (
                (1.0, left) if share[row, left] > 0 else (0.0, int(share[row].argmax()))
            )
    return accept, alias
