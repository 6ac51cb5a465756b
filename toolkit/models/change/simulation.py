"""Cells of a synthetic region without its records: fast enough for a thousand regions (合成数据).

The region's hospitals, units, latent levels, yearly shocks and activity are those of `toolkit.synthetic`; stays are
drawn with a cost, LOS and weight relative to their DRG instead of being written as front pages. What a record adds beyond
that (DRG mix, references estimated from the region itself, rules) is left out; `tests/models/test_simulation.py` holds the
generator against regions that went through records, cube and references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from toolkit.indicators import CATALOGUE, Distribution
from toolkit.synthetic import Settings, world
from toolkit.synthetic.region import activity
from toolkit.synthetic.specialties import SPECIALTIES

# SD of the log of a stay's value against its DRG's mean, as in cells of generated regions (the spread of DRGs in it)
COST_SD, LOS_SD, WEIGHT_SD = 0.50, 0.505, 0.62
COST_LOS_CORRELATION = 0.65
OPERATED, LEVEL4 = (
    0.45,
    0.18,
)  # shares: of stays with an operation, and of those at level 4 where nothing shifts the odds
CASE_MIX = 0.32  # log of a unit's mean weight for each unit of its case-mix exponent
LEAST_STAYS, PER_HOSPITAL = 60, 2  # of the commission that selects, as in toolkit.synthetic.selection
INDICATORS = ("cost_index", "los_index", "cmi", "level4_share", "mortality")
SELECTED_BY = {"cmi": 1.0, "level4_share": 1.0, "cost_index": -1.0, "los_index": -1.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """What a simulated region is made from.

    Attributes
    ----------
    settings
        Of the synthetic region: hospitals, discharges, projects, selection, drift, trend. Its `effects` are not used.
    effects
        Indicator -> factor on the true value of every project from the first after year on; others are without effect.
    persistence
        Correlation of a unit's yearly shocks from one year to the next.
    mortality_drift_sd
        SD of the log of a unit's own yearly shock to mortality.
    volatility
        SDs of the log of a unit's own yearly shock to cost and LOS, given to the specialties in turn; empty = `settings.drift_sd`
        for all.
    volatility_by_size
        Power of a unit's cases, relative to the median unit's, that its yearly shocks go with; below 0 small units are more
        restless.
    tail_df
        Degrees of freedom of the t that yearly shocks come from; 0 = normal.
    selected_by
        Indicator -> weight in the choice of projects; high values are chosen where it is positive.
    starts
        First project years, given to the projects in turn; empty = the first after year.
    """

    settings: Settings = field(default_factory=Settings)
    effects: Mapping[str, float] = field(default_factory=dict)
    persistence: float = 0.0
    mortality_drift_sd: float = 0.0
    volatility: Sequence[float] = ()
    volatility_by_size: float = 0.0
    tail_df: int = 0
    selected_by: Mapping[str, float] = field(default_factory=lambda: SELECTED_BY)
    starts: Sequence[int] = ()

    @property
    def volatility_of(self) -> dict[str, float]:
        """Specialty -> SD of its units' yearly shocks, where specialties differ."""
        sds = self.volatility
        return {one.id: sds[i % len(sds)] for i, one in enumerate(SPECIALTIES)} if sds else {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulated:
    """One region.

    Attributes
    ----------
    cells
        Frozen cells of units, by year and by cycle: `hospital, specialty, period, indicator`, the columns of
        `toolkit.indicators.table` that methods read.
    units
        `hospital, specialty, level_group, tier, start` (0 = no project), `eligible`.
    truth
        One row per project and indicator: `hospital, specialty, indicator, effect` (factor).
    """

    cells: pd.DataFrame
    units: pd.DataFrame
    truth: pd.DataFrame


def simulate(given: World, seed: int) -> Simulated:
    """Draw one region."""
    settings = given.settings
    rng = np.random.default_rng([seed, settings.seed])
    registry = world.hospitals(settings)
    units = world.units(settings, registry, rng)
    counts = _counts(units, settings, rng)
    levels = _levels(units, given, counts.mean(axis=1), rng)
    years = np.array(settings.years)
    # what is before the projects is drawn first: they are selected by it
    first = min([*given.starts, settings.after[0]])
    before = years < first
    sums = _drawn(levels, counts, before, rng)
    chosen = _selected(units, registry, sums, counts, before, given, rng)
    start = np.zeros(len(units), dtype=int)
    start[chosen] = [given.starts[i % len(given.starts)] if given.starts else first for i in range(len(chosen))]
    effects = {name: np.ones((len(units), len(years))) for name in INDICATORS}
    for name, factor in given.effects.items():
        effects[name][(start[:, None] > 0) & (years >= start[:, None])] = factor
    later = _drawn({n: levels[n] * effects[n] for n in INDICATORS}, counts, ~before, rng)
    sums = {name: tuple(a + b for a, b in zip(sums[name], later[name], strict=True)) for name in INDICATORS}
    place = registry.iloc[units["hospital"].to_numpy()]
    frame = pd.DataFrame(
        {
            "hospital": place["code"].to_numpy(),
            "specialty": np.array([s.id for s in SPECIALTIES])[units["specialty"].to_numpy()],
            "level_group": place["level_group"].to_numpy(),
            "tier": place["tier"].to_numpy(),
            "start": start,
        }
    )
    after = years >= settings.after[0]
    frame["eligible"] = np.minimum(counts[:, ~after].sum(axis=1), counts[:, after].sum(axis=1)) >= LEAST_STAYS
    truth = pd.concat(
        [
            frame.loc[chosen, ["hospital", "specialty"]].assign(indicator=i, effect=given.effects.get(i, 1.0))
            for i in INDICATORS
        ],
        ignore_index=True,
    )
    return Simulated(cells=_cells(frame, sums, years, after), units=frame, truth=truth)


def _levels(units: pd.DataFrame, given: World, cases: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """True values of each unit and year without projects, shape (units, years)."""
    settings = given.settings
    position = np.arange(len(settings.years))
    shocks = {name: np.stack(units[f"{name}_shock"]) for name in ("cost", "los")}
    if given.volatility or given.volatility_by_size or given.tail_df:
        shocks |= _restless(units, given, cases, len(position), rng)
    shocks["mortality"] = rng.normal(0, given.mortality_drift_sd, (len(units), len(position)))
    rho = given.persistence
    for one in shocks.values():
        for year in position[1:]:
            one[:, year] = rho * one[:, year - 1] + np.sqrt(1 - rho**2) * one[:, year]
    odds = LEVEL4 / (1 - LEVEL4) * np.exp(units["level4"].to_numpy())[:, None] * np.ones(len(position))
    deaths = np.array([s.mortality for s in SPECIALTIES])[units["specialty"].to_numpy()]
    return {
        "cost_index": units["cost"].to_numpy()[:, None] * np.exp(shocks["cost"]),  # deflated: inflation is declared
        "los_index": units["los"].to_numpy()[:, None] * np.exp(shocks["los"]) * (1 + settings.los_trend) ** position,
        "cmi": np.exp(CASE_MIX * units["case_mix"].to_numpy())[:, None] * np.ones(len(position)),
        "level4_share": odds / (1 + odds),
        "mortality": (deaths * units["mortality"].to_numpy())[:, None] * np.exp(shocks["mortality"]),
    }


def _counts(units: pd.DataFrame, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Discharges of each unit and year; the region's fall and rise with its years (the COVID years among them)."""
    weight = np.array([activity(year) for year in settings.years])
    share = units["volume"].to_numpy() / units["volume"].sum()
    return rng.poisson(settings.discharges * np.outer(share, weight / weight.sum()))


def _restless(
    units: pd.DataFrame, given: World, cases: np.ndarray, years: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Yearly shocks to cost and LOS whose size goes with the specialty and the cases of a unit."""
    sds = np.array(given.volatility or (given.settings.drift_sd,))[
        units["specialty"].to_numpy() % max(len(given.volatility), 1)
    ]
    sds = sds * (np.maximum(cases, 1) / np.median(cases)) ** given.volatility_by_size
    shape = (2, len(units), years)
    if given.tail_df:
        draws = rng.standard_t(given.tail_df, shape) * np.sqrt((given.tail_df - 2) / given.tail_df)
    else:
        draws = rng.standard_normal(shape)
    return dict(zip(("cost", "los"), sds[None, :, None] * draws, strict=True))


def _drawn(
    levels: Mapping[str, np.ndarray], counts: np.ndarray, years: np.ndarray, rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, ...]]:
    """Σx, Σx² and the denominator of each indicator, unit and year; 0 outside `years`."""
    n = np.where(years, counts, 0)
    cell, total = np.repeat(np.arange(n.size), n.ravel()), int(n.sum())
    common, own, weight = rng.standard_normal((3, total))
    noise = {
        "los_index": LOS_SD * common,
        "cost_index": COST_SD * (COST_LOS_CORRELATION * common + np.sqrt(1 - COST_LOS_CORRELATION**2) * own),
        "cmi": WEIGHT_SD * weight,
    }
    sds = {"los_index": LOS_SD, "cost_index": COST_SD, "cmi": WEIGHT_SD}
    sums: dict[str, tuple[np.ndarray, ...]] = {}
    for name, log in noise.items():
        value = np.exp(log - sds[name] ** 2 / 2) * levels[name].ravel()[cell]
        x, xx = (np.bincount(cell, of, minlength=n.size).reshape(n.shape) for of in (value, value**2))
        sums[name] = x, xx, n.astype(float)
    operated = rng.binomial(n, OPERATED)
    for name, of in (("level4_share", operated), ("mortality", n)):
        hits = rng.binomial(of, np.minimum(levels[name], 0.95)).astype(float)
        sums[name] = hits, hits, of.astype(float)
    return sums


def _selected(
    units: pd.DataFrame,
    registry: pd.DataFrame,
    sums: Mapping[str, tuple[np.ndarray, ...]],
    counts: np.ndarray,
    before: np.ndarray,
    given: World,
    rng: np.random.Generator,
) -> list[int]:
    """Rows of the units that get a project: the best by what was observed, spread over specialties and hospitals."""
    settings = given.settings
    tier = registry["tier"].to_numpy()[units["hospital"].to_numpy()]
    group = pd.Series(units["specialty"].astype(str) + tier, index=units.index)
    score = pd.Series(0.0, index=units.index)
    for name, sign in given.selected_by.items():
        x, y = sums[name][0].sum(axis=1), sums[name][2].sum(axis=1)
        value = pd.Series(np.divide(x, y, out=np.full(len(x), np.nan), where=y > 0), index=units.index)
        by = value.groupby(group)
        score += sign * ((value - by.transform("mean")) / by.transform("std")).fillna(0).clip(-4, 4)
    rank = score if settings.selection == "merit" else pd.Series(rng.random(len(units)), index=units.index)
    stays = counts[:, before].sum(axis=1)
    eligible = stays >= min(LEAST_STAYS, float(np.median(stays)))
    order = [int(i) for i in rank.sort_values(ascending=False, kind="stable").index if eligible[i]]
    county = round(settings.projects / 3)
    chosen: list[int] = []
    specialty, hospital = units["specialty"].to_numpy(), units["hospital"].to_numpy()
    for name, quota in (("市", settings.projects - county), ("县", county)):
        quota += len(chosen)
        for most in range(1, settings.projects + 1):
            for i in order:
                if len(chosen) < quota and tier[i] == name and i not in chosen:
                    of_specialty = sum(specialty[c] == specialty[i] for c in chosen)
                    of_hospital = sum(hospital[c] == hospital[i] for c in chosen)
                    if of_specialty < most and of_hospital < max(PER_HOSPITAL, most - 1):
                        chosen.append(i)
            if len(chosen) >= quota:
                break
    return chosen


def _cells(
    units: pd.DataFrame, sums: Mapping[str, tuple[np.ndarray, ...]], years: np.ndarray, after: np.ndarray
) -> pd.DataFrame:
    periods = [*map(str, years), "before", "after"]
    parts = []
    for name, sums_of in sums.items():
        one, columns = CATALOGUE[name], {}
        for column, values in zip(("x", "xx", "y"), sums_of, strict=True):
            cycles = [values[:, ~after].sum(axis=1), values[:, after].sum(axis=1)]
            columns[column] = np.column_stack([values, *cycles]).ravel()
        x, xx, y = columns.values()
        # as `toolkit.indicators.table.finish`, without the limits, which no method reads and which take the longest
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(y > 0, x / y, np.nan)
            variance = {
                Distribution.MEAN: np.where(y > 1, (xx - x * ratio) / (y - 1) / y, np.nan),
                Distribution.PROPORTION: ratio * (1 - ratio) / y,
                Distribution.RARE: x / y**2,
            }[one.distribution]  # type: ignore[index]
            se = np.sqrt(np.maximum(variance, 0))
        missing = np.where(y > 0, 1.0, np.nan)
        parts.append(
            {
                "indicator": np.full(len(x), name, dtype=object),
                "n": y.astype("int64"),
                "x": x * missing,
                "y": y * missing,
                "xx": xx * missing,
                "value": one.scale * ratio,
                "se": one.scale * se,
            }
        )
    cells = pd.DataFrame({c: np.concatenate([part[c] for part in parts]) for c in parts[0]})
    row = np.tile(np.repeat(np.arange(len(units)), len(periods)), len(parts))
    keys = {name: units[name].to_numpy(object)[row] for name in ("hospital", "specialty")}
    return cells.assign(**keys, period=np.tile(np.array(periods, dtype=object), len(units) * len(parts)))
