"""What would have been expected of every unit without a project's effect: its comparison units' change, less what falls back.

Each unit is compared with others: a project with its comparison units, a unit without project with the others of its group.
A baseline that stands off from theirs is, in part, luck, and luck does not last. How much of it is luck is the unreliability of
the unit's own baseline, λ = noise / (noise + variance between units), noise being the sampling error and the passing shocks of
the years before (half of τ², which holds those of both periods). Expected to be lost is c × λ × deviation, where c, between 0
and 1, is what the comparison units of the region did lose of theirs. So nothing is corrected by more than its unreliability,
and no deviation counts for more than the farthest of the units that c was learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from toolkit.models.change.panel import Compared, Comparisons, Side, with_group, with_projects
from toolkit.models.change.scatter import Scatter, reliance, scatter, variance

LEFT = 0.25  # of the sampling variance, at least, stays after the baseline was corrected for
FAR = 1.5  # times as far as the farthest comparison unit, and it is said: of few units the farthest is near by chance
SOFT = 2.0  # standard deviations beyond which a comparison unit counts less for c


@dataclass(frozen=True, kw_only=True, eq=False)
class Expectation:
    """Of the units judged (`at`, positions in the study): logs, all of shape (judged,).

    Attributes
    ----------
    common, precision, count
        Weighted mean change of the units compared with, where one that broke away counts less; the inverse of its variance;
        and how many they are.
    deviation
        Of the baseline from theirs, uncut.
    fall
        Change that the baseline alone lets expect; 0 without correction.
    fall_error
        Its standard error.
    unreliability
        λ.
    beyond
        Whether the baseline stands far beyond any unit that c was learnt from.
    """

    at: np.ndarray
    common: np.ndarray
    precision: np.ndarray
    count: np.ndarray
    deviation: np.ndarray
    fall: np.ndarray
    fall_error: np.ndarray
    unreliability: np.ndarray
    beyond: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """What a region lets expect: of projects, of units without (placebos), and the scatter around it.

    `variance` is that of a unit's log change around what is expected of it, sampling and scatter together; `left_out` the same
    with a scatter that does not know the unit itself.

    `corrected`: whether the baseline could be corrected for; `share` is c and `share_error` its error.
    """

    projects: Expectation
    placebos: Expectation
    variance: np.ndarray
    left_out: np.ndarray
    scatter: Scatter
    corrected: bool
    share: float
    share_error: float


def steadied(before: Side, after: Side, group: np.ndarray, free: np.ndarray) -> tuple[Side, Side]:
    """Shares with the sampling variance that they can be believed to have, not that of the counts that luck gave.

    The variance of the log of a share is (1 − p) / (n p). With the share as counted, a unit that was lucky would look sure of its
    luck. So p is the share of the unit's group, moved towards its own before as far as shares of units differ; after, the same
    with the group's change.
    """
    kept = free.astype(float)
    size = group.max(initial=0) + 1

    def of_group(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(group, kept * values, minlength=size)[group])

    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [of_group(side.x) / of_group(side.y) for side in (before, after)]
        awaited = before.y * shares[0]
        own = (before.x - awaited) ** 2 - awaited * (1 - shares[0])
        rows = free & np.isfinite(own) & (awaited > 0)
        differ = max(0.0, float(own[rows].sum() / (awaited[rows] ** 2).sum())) if rows.any() else 0.0
        learnt = differ * awaited / (1 - shares[0] + differ * awaited)
        believed = shares[0] * (1 + learnt * (before.x / awaited - 1))
        both = believed, believed * shares[1] / shares[0]
        sides = []
        for side, share in zip((before, after), both, strict=True):
            p = np.clip(share, 0.0, 0.99)
            variance = (1 - p) / (side.y * p)
            good = np.isfinite(side.variance) & np.isfinite(variance)
            sides.append(replace(side, variance=np.where(good, variance, side.variance)))
    return sides[0], sides[1]


def expected(
    projects: np.ndarray,
    compared: Comparisons,
    specialty: np.ndarray,
    before: Side,
    after: Side,
    free: np.ndarray,
    *,
    correct: bool,
) -> Expected:
    """Expected log changes of projects, and of all units without project as placebos.

    Parameters
    ----------
    projects
        Positions in the study.
    specialty
        Code of every unit; units of one share a scatter.
    free
        Units without project that have a change and count.
    correct
        Whether the baseline is corrected for.
    """
    change, sampling = after.log - before.log, after.variance + before.variance
    size = np.maximum((before.n + after.n).astype(float), 1.0)
    group = compared.group
    of_projects, of_placebos = with_projects(projects, compared, free), with_group(group, free)
    count = reliance(change, sampling, group, free)
    found = scatter(change, sampling, group, specialty, size, free, count)
    share, error, reach, shape = 0.0, 0.0, np.inf, np.zeros(len(change))
    corrected = False
    if correct and np.isfinite(found.pooled):
        shape = _unreliability(before, found, group, free)
        learnt = _share_lost(change, before.log, variance(sampling, found.tau2), count, shape, of_placebos)
        corrected = learnt is not None
        if learnt is not None:
            share, error, reach, lost = learnt
            moved = change.copy()
            moved[of_placebos.at] += share * lost
            # what the baseline tells of its own noise no longer scatters: E(after − expected)² for a share c of λ
            noise = np.nan_to_num(_noise(before, found))
            sampling = np.maximum(sampling - share * (2 - share) * shape * noise, LEFT * sampling)
            found = scatter(moved, sampling, group, specialty, size, free, count, lost=1)
    weight = np.where(free, 1 / variance(sampling, np.nan_to_num(found.tau2)), 0.0)
    both = [
        _of(pairs, change, before.log, weight, count, shape, share, error, reach)
        for pairs in (of_projects, of_placebos)
    ]
    return Expected(
        projects=both[0],
        placebos=both[1],
        variance=variance(sampling, found.tau2),
        left_out=variance(sampling, found.left_out),
        scatter=found,
        corrected=corrected,
        share=share,
        share_error=error,
    )


def _means(
    pairs: Compared, change: np.ndarray, level: np.ndarray, weight: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the units compared with: mean change, precision, and mean baseline."""
    kept, counted = weight > 0, weight * count
    total = pairs(counted)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = pairs(counted * np.where(kept, change, 0.0)) / total
        stood = pairs(counted * np.where(kept, level, 0.0)) / total
        precision = total**2 / pairs(counted * count)
    return mean, precision, stood


def _of(
    pairs: Compared,
    change: np.ndarray,
    level: np.ndarray,
    weight: np.ndarray,
    count: np.ndarray,
    shape: np.ndarray,
    share: float,
    error: float,
    reach: float,
) -> Expectation:
    common, precision, stood = _means(pairs, change, level, weight, count)
    units = pairs((weight > 0).astype(float))
    none = units < 0.5
    common, stood = np.where(none, np.nan, common), np.where(none, np.nan, stood)
    deviation = level[pairs.at] - stood
    luck = shape[pairs.at] * np.clip(deviation, -reach, reach)
    return Expectation(
        at=pairs.at,
        common=common,
        precision=np.where(none, np.nan, precision),
        count=np.rint(units).astype("int64"),
        deviation=deviation,
        fall=-share * luck,
        fall_error=error * np.abs(luck),
        unreliability=shape[pairs.at],
        beyond=np.abs(deviation) > FAR * reach,
    )


def _noise(before: Side, found: Scatter) -> np.ndarray:
    """Variance of what a baseline is beside its unit's own: sampling, and the shocks of those years."""
    return np.asarray(before.variance + np.maximum(found.tau2, 0.0) / 2)


def _unreliability(before: Side, found: Scatter, group: np.ndarray, free: np.ndarray) -> np.ndarray:
    """λ of every unit: the share of a baseline's distance from the others that is noise."""
    noise = _noise(before, found)
    counts = np.bincount(group[free], minlength=group.max(initial=0) + 1)
    rows = free & (counts[group] > 1)
    mean = np.bincount(group[rows], before.log[rows], minlength=len(counts)) / np.maximum(counts, 1)
    away = before.log[rows] - mean[group[rows]]
    df = rows.sum() - (counts > 1).sum()
    between = max(0.0, float((away**2).sum()) / max(df, 1) - float(noise[rows].mean()))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(noise / (noise + between)))


def _share_lost(
    change: np.ndarray, level: np.ndarray, variance: np.ndarray, count: np.ndarray, shape: np.ndarray, pairs: Compared
) -> tuple[float, float, float, np.ndarray] | None:
    """c, its error, the farthest deviation it was learnt from, and λ × deviation of the units; None where too few."""
    weight = np.where(pairs.usable, 1 / variance, 0.0)
    common, precision, stood = _means(pairs, change, level, weight, count)
    deviation, beyond = level[pairs.at] - stood, change[pairs.at] - common
    luck, error2 = shape[pairs.at] * deviation, variance[pairs.at] + 1 / precision
    groups = len(np.unique(pairs.code[pairs.at]))
    if len(pairs.at) - groups - 1 < 1 or not (luck**2 / error2).sum() > 1e-12:
        return None
    w, share = 1 / error2, 0.0
    for _ in range(3):  # a unit that broke away says little about what luck is lost
        away = np.abs(beyond + share * luck) / np.sqrt(error2)
        w = np.minimum(1.0, SOFT / np.maximum(away, 1e-9)) / error2
        share = float(np.clip(-(w * luck * beyond).sum() / (w * luck**2).sum(), 0.0, 1.0))
    error = float(1 / np.sqrt((w * luck**2).sum()))
    return share, min(error, 1.0), float(np.abs(deviation).max()), luck
