"""The model bench: methods side by side on simulated regions whose truth is known (合成数据).

Every region is drawn twice from the same seed: once without any effect, once with the planted ones. Projects are selected
by merit, so that a method that forgets regression to the mean is found out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd

from toolkit.indicators import CATALOGUE, Direction
from toolkit.models.change import METHODS
from toolkit.models.change.base import Findings, Study
from toolkit.models.change.simulation import INDICATORS, World, simulate
from toolkit.params import ComparisonPolicy, Years

PLANTED: Mapping[str, float] = {
    "cost_index": 0.90,
    "los_index": 0.90,
    "cmi": 1.05,
    "level4_share": 1.20,
    "mortality": 0.70,
}
Estimator = Callable[[pd.DataFrame, Study], Findings]
SUMMARY = [
    "method",
    "level",
    "indicator",
    "regions",
    "estimates",
    "bias",
    "rmse",
    "coverage",
    "type_one",
    "false_improvement",
    "false_worsening",
    "power",
    "without_p",
    "without_limits",
    "seconds",
]


def bench(
    world: World,
    methods: Sequence[str],
    replications: int,
    *,
    effects: Mapping[str, float] = PLANTED,
    seed: int = 0,
    jobs: int = 1,
    comparison: ComparisonPolicy | None = None,
    others: Mapping[str, Estimator] | None = None,
) -> pd.DataFrame:
    """Compare methods.

    Parameters
    ----------
    world
        What regions are drawn from; its `effects` are replaced.
    methods
        Ids of `toolkit.models.METHODS`.
    replications
        Regions; a share of 5 % over 1,000 projects has a standard error of 0.7 points.
    effects
        Indicator -> planted factor.
    jobs
        Regions at a time, each in a process of its own.
    others
        Id -> what gives changes of cells and a study: methods that are not the toolkit's.

    Returns
    -------
    pd.DataFrame
        One row per method, level (unit: a project by itself; region: all together) and indicator; and, where specialties of the
        world differ in volatility, per `volatility`. `bias` and `rmse` of the log
        estimate and `coverage` (of the 95 % interval) and `power` (p < 5 % on the right side) with the planted effect;
        `type_one` (p < 5 %), `false_improvement`, `false_worsening` (p < 5 % on the good, the bad side) without any. Shares are of the
        estimates that have a p (an interval); `without_p`, `without_limits` are the shares that have none. `seconds` a
        region, all indicators together.
    """
    seeds = range(seed, seed + replications)
    one = partial(_region, world, tuple(methods), dict(effects), comparison=comparison, others=others or {})
    if jobs == 1:
        parts = list(map(one, seeds))
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
            parts = list(pool.map(one, seeds))
    return summary(pd.concat(parts, ignore_index=True))


def study_of(units: pd.DataFrame, world: World, comparison: ComparisonPolicy | None = None) -> Study:
    """The study of a simulated region."""
    settings = world.settings
    return Study(
        indicators={i: CATALOGUE[i] for i in INDICATORS},
        units=units,
        before=Years(first=settings.before[0], last=settings.before[-1]),
        after=Years(first=settings.after[0], last=settings.after[-1]),
        comparison=comparison or ComparisonPolicy(),
    )


def _region(
    world: World,
    methods: tuple[str, ...],
    effects: dict[str, float],
    seed: int,
    *,
    comparison: ComparisonPolicy | None,
    others: Mapping[str, Estimator],
) -> pd.DataFrame:
    parts = []
    for scene, planted in (("none", {}), ("planted", effects)):
        region = simulate(replace(world, effects=planted), seed)
        study = study_of(region.units, world, comparison)
        estimators = {m: METHODS[m].estimate for m in methods} | dict(others)
        for method, estimate in estimators.items():
            begun = time.perf_counter()
            changes = estimate(region.cells, study).changes
            seconds = time.perf_counter() - begun
            parts.append(changes.assign(method=method, scene=scene, seed=seed, seconds=seconds))
    columns = ["method", "level", "indicator", "scene", "seed", "estimate", "low", "high", "p_value", "seconds"]
    whole = pd.concat(parts, ignore_index=True)
    found = whole[columns]
    if world.volatility:
        found = found.assign(volatility=whole["specialty"].map(world.volatility_of))
    truth = found["indicator"].map(effects).fillna(1.0).where(found["scene"] == "planted", 1.0)
    return found.assign(truth=truth)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """The table of `bench` from the estimates of all regions."""
    higher = found["indicator"].map({i: CATALOGUE[i].direction is Direction.HIGHER for i in INDICATORS})
    log = np.log(found["estimate"].where(found["estimate"] > 0))
    found = found.assign(
        away=log - np.log(found["truth"]),
        good_side=(log > 0) == higher,
        right_side=(log > 0) == (found["truth"] > 1),
        rejected=(found["p_value"] < 0.05),
        tested=found["p_value"].notna(),
        limited=found["low"].notna(),
        covered=(found["low"] <= found["truth"]) & (found["high"] >= found["truth"]),
    )
    rows = []
    by = ["method", "level", "indicator", *(["volatility"] if "volatility" in found else [])]
    for keys, part in found.groupby(by, sort=False):
        none, planted = part[part["scene"] == "none"], part[part["scene"] == "planted"]
        tested, shown = none[none["tested"]], planted[planted["tested"]]
        rows.append(
            dict(zip(by, keys, strict=True))
            | {
                "regions": part["seed"].nunique(),
                "estimates": len(none),
                "bias": planted["away"].mean(),
                "rmse": float(np.sqrt((planted["away"] ** 2).mean())),
                "coverage": planted.loc[planted["limited"], "covered"].mean(),
                "type_one": tested["rejected"].mean(),
                "false_improvement": (tested["rejected"] & tested["good_side"]).mean(),
                "false_worsening": (tested["rejected"] & ~tested["good_side"]).mean(),
                "power": (shown["rejected"] & shown["right_side"]).mean(),
                "without_p": 1 - none["tested"].mean(),
                "without_limits": 1 - planted["limited"].mean(),
                "seconds": part.groupby(["seed", "scene"])["seconds"].first().mean(),
            }
        )
    return pd.DataFrame(rows, columns=[*by, *SUMMARY[3:]])
