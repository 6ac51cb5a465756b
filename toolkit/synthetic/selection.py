"""Make a region: the world, the observed before cycle, and the projects chosen from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import ParameterError
from toolkit.synthetic import world
from toolkit.synthetic.records import draw_year
from toolkit.synthetic.region import SyntheticRegion, stream
from toolkit.synthetic.settings import Settings
from toolkit.synthetic.specialties import SPECIALTIES

_LEAST_STAYS = 60  # of a unit in the before cycle, to be eligible; small regions take the larger half instead
_PER_HOSPITAL = 2


def generate(settings: Settings) -> SyntheticRegion:
    """Make a synthetic region; selection by merit draws the before cycle once (nothing is kept of it but sums).

    The projects' effects act from the after cycle on and so never touch the stays they were selected by.
    """
    registry = world.hospitals(settings)
    region = SyntheticRegion(
        settings=settings,
        hospitals=registry,
        drgs=world.drgs(settings, stream(settings, 1)),
        units=world.units(settings, registry, stream(settings, 2)),
        projects=pd.DataFrame({"unit": [], "tier": [], "effect": [], "score": []}),
    )
    if not settings.projects and not settings.chosen:
        return region
    projects = _given(region) if settings.chosen else _projects(region)
    return SyntheticRegion(
        settings=settings, hospitals=registry, drgs=region.drgs, units=region.units, projects=projects
    )


def observed(region: SyntheticRegion) -> pd.DataFrame:
    """What a commission would see of the before cycle: one row per unit, from the stays that will be written.

    Columns: n, cost_index, los_index (means of ratios against the region), cmi, level4_share (missing without operations).
    """
    units, groups = len(region.units), len(region.drgs)
    sums = np.zeros((3, units * groups))
    surgery = np.zeros((2, units))
    for year in region.settings.before:
        for stays in draw_year(region, year):
            key = stays.unit.astype(np.int64) * groups + stays.drg
            for row, weight in enumerate((None, stays.cost, stays.los)):
                sums[row] += np.bincount(key, weight, minlength=units * groups)
            for row, flag in enumerate((stays.surgical, stays.level == 4)):
                surgery[row] += np.bincount(stays.unit, flag, minlength=units)
    n, cost, los = sums.reshape(3, units, groups)
    total = n.sum(axis=1)

    def index(amount: np.ndarray) -> np.ndarray:
        reference = amount.sum(axis=0) / n.sum(axis=0).clip(1)
        ratio = np.divide(amount, reference, out=np.zeros_like(amount), where=reference > 0)
        return ratio.sum(axis=1) / np.where(total, total, np.nan)

    weight = cost.sum(axis=0) / n.sum(axis=0).clip(1) / (cost.sum() / max(n.sum(), 1))
    return pd.DataFrame(
        {
            "n": total,
            "cost_index": index(cost),
            "los_index": index(los),
            "cmi": n @ weight / np.where(total, total, np.nan),
            "level4_share": surgery[1] / np.where(surgery[0], surgery[0], np.nan),
        }
    )


def _projects(region: SyntheticRegion) -> pd.DataFrame:
    """Choose units, about two thirds in city hospitals, spread over specialties, at most two of a hospital."""
    settings, rng = region.settings, stream(region.settings, 4)
    seen = observed(region)
    tier = region.hospitals.tier.to_numpy()[region.units.hospital]
    group = [region.units.specialty, tier]

    def z(values: pd.Series) -> pd.Series:
        by = values.groupby(group)
        return ((values - by.transform("mean")) / by.transform("std")).fillna(0).clip(-4, 4)

    # raw cost and LOS indices, not shrunken ones: small units swing most, and the lucky ones are chosen
    score = z(seen.cmi) + z(seen.level4_share) - z(seen.cost_index) - z(seen.los_index)
    lottery = pd.Series(rng.random(len(seen)))
    rank = score if settings.selection == "merit" else lottery
    eligible = seen.n >= min(_LEAST_STAYS, seen.n.median())
    county = round(settings.projects / 3)
    chosen: list[int] = []
    for name, quota in (("市", settings.projects - county), ("县", county)):
        pool = rank[eligible & (tier == name)].sort_values(ascending=False, kind="stable").index
        chosen += _spread(region.units, list(pool), quota, chosen)
    spare = rank[eligible].sort_values(ascending=False, kind="stable").index.difference(chosen, sort=False)
    chosen += list(spare[: settings.projects - len(chosen)])
    order = rng.permutation(len(chosen))
    effects = [settings.effects[int(position) % len(settings.effects)] for position in order]
    return pd.DataFrame(
        {"unit": np.array(chosen, int), "tier": tier[chosen], "effect": effects, "score": score.to_numpy()[chosen]}
    ).sort_values("unit", ignore_index=True)


def _given(region: SyntheticRegion) -> pd.DataFrame:
    """The projects that were chosen elsewhere, with the declared effects in turn.

    Raises
    ------
    ParameterError
        The region has no such unit.
    """
    settings, units = region.settings, region.units
    codes, ids = region.hospitals.code.astype(str).to_numpy(), [one.id for one in SPECIALTIES]
    place = {f"{codes[h]} {ids[s]}": k for k, (h, s) in enumerate(zip(units.hospital, units.specialty, strict=True))}
    if unknown := [one for one in settings.chosen if one not in place]:
        raise ParameterError(
            f"合成区域没有单元 {'、'.join(unknown[:5])}",
            "the synthetic region has no such unit",
            where="data.synthetic.chosen",
            remedy="写作 机构代码 专科编号",
            remedy_english="as `hospital specialty`",
        )
    chosen = sorted(place[one] for one in set(settings.chosen))
    order = stream(settings, 4).permutation(len(chosen))
    tier = region.hospitals.tier.to_numpy()[units.hospital]
    return pd.DataFrame(
        {
            "unit": np.array(chosen, int),
            "tier": tier[chosen],
            "effect": [settings.effects[int(position) % len(settings.effects)] for position in order],
            "score": 0.0,
        }
    )


def _spread(units: pd.DataFrame, pool: list[int], quota: int, taken: list[int]) -> list[int]:
    """The best of the pool, one of each specialty before a second of any, within the limit per hospital."""
    chosen: list[int] = []
    for most in range(1, len(pool) + 1):
        for unit in pool:
            if len(chosen) == quota:
                return chosen
            mine = units.loc[[*taken, *chosen]]
            of_specialty = (units.loc[chosen].specialty == units.specialty[unit]).sum()
            of_hospital = (mine.hospital == units.hospital[unit]).sum()
            if unit not in chosen and of_specialty < most and of_hospital < max(_PER_HOSPITAL, most - 1):
                chosen.append(unit)
        if len(chosen) == len(pool):
            break
    return chosen
