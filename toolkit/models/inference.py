"""Errors that few clusters allow, and placebo tests.

References
----------
Jackknife (CRV3): MacKinnon, Nielsen, Webb (2023), doi:10.1002/jae.2969. Collapse to two periods: Bertrand, Duflo, Mullainathan
(2004), doi:10.1162/003355304772839588. One treated unit, errors from the others: Conley, Taber (2011),
doi:10.1162/REST_a_00049; with units of unequal size: Ferman, Pinto (2019), doi:10.1162/rest_a_00759.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used: reports read tables and need none

Numbers = float | np.ndarray
FEW_CLUSTERS = 30  # below this, the p of large samples is too small; what was done instead is said
MOST_STEPS, CLOSE = 100, 1e-11  # of a Poisson fit
TOO_FEW_CLUSTERS = 4  # below this no p is printed: nothing keeps its level with so few


@dataclass(frozen=True, kw_only=True, eq=False)
class Absorbed:
    """A weighted regression whose unit effects and group × year effects are swept out.

    `beta` (k,); `crv1`, `crv3` (k, k): clustered sandwich with G/(G−1) × (N−1)/(N−K), and jackknife by cluster; `clusters` G;
    `observations` N; `used` (k,): columns that could be estimated, others are missing; `residual` (units, years), missing
    where a cell took no part.
    """

    beta: np.ndarray
    crv1: np.ndarray
    crv3: np.ndarray
    clusters: int
    observations: int
    used: np.ndarray
    residual: np.ndarray


def absorbed(y: np.ndarray, x: np.ndarray, weight: np.ndarray, group: np.ndarray, cluster: np.ndarray) -> Absorbed:
    """Weighted least squares of y on x with unit effects and group × year effects.

    Parameters
    ----------
    y, weight
        Shape (units, years); weight 0 where there is no value.
    x
        Shape (k, units, years).
    group, cluster
        Codes of every unit. Year effects are those of a unit's group; a cluster may hold several units.

    Notes
    -----
    After sweeping out the unit effects, cross-products add up over the units of a group, and the year effects of a group are
    a small system of its own. So leaving out one unit changes only its group's part, and the jackknife needs no new fit.
    K counts slopes and group × year effects but no unit effects, which lie inside the clusters (fixest's "nonnested").
    """
    weight = np.where(np.isfinite(y), weight, 0.0)
    weight = _without_singletons(weight, group)
    present = (weight > 0).any(axis=1)
    k, units, years = len(x), len(y), y.shape[1]
    y, x, weight = np.where(weight > 0, y, 0.0)[present], x[:, present], weight[present]
    if not present.any():
        return _none(k, units, years, 0, 0)
    total = weight.sum(axis=1, keepdims=True)
    share = weight / total
    columns = np.concatenate([x, y[None]]).astype(float)
    columns -= np.einsum("kut,ut->ku", columns, share)[..., None]
    groups, group = np.unique(group[present], return_inverse=True)
    clusters, cluster = np.unique(cluster[present], return_inverse=True)
    g, n = len(clusters), int((weight > 0).sum())
    own = _Sums.of_units(columns, weight, share)
    by_group = own.added(group, len(groups))
    whole = by_group.net()
    # units of one group and one cluster leave together; what then is missing from the cross-products is their part
    pairs, pair = np.unique(np.stack([group, cluster]), axis=1, return_inverse=True)
    left = by_group.less(own.added(pair.ravel(), pairs.shape[1]), pairs[0]).net()
    parts = np.zeros((g, *whole.shape[1:]))
    np.add.at(parts, pairs[1], whole[pairs[0]] - left)
    cross = whole.sum(axis=0)
    used = np.diag(cross)[:-1] > 1e-9 * np.maximum(np.einsum("kut,ut->k", columns[:-1] ** 2, weight), 1e-300)
    at = np.flatnonzero(used)
    if not used.any() or not _regular(cross[np.ix_(at, at)]):
        return _none(k, units, years, g, n)
    bread = np.linalg.inv(cross[np.ix_(at, at)])
    beta = bread @ cross[at, -1]
    effects = by_group.effects()[group].transpose(1, 0, 2)  # of the years on each column, by unit
    swept = columns - (effects - np.einsum("kut,ut->ku", effects, share)[..., None])
    residual = np.where(weight > 0, swept[-1] - np.einsum("k,kut->ut", beta, swept[at]), np.nan)
    meat = np.zeros((g, len(at)))
    np.add.at(meat, cluster, np.einsum("kut,ut,ut->uk", swept[at], weight, np.nan_to_num(residual)))
    seen = np.zeros((len(groups), years), dtype=bool)
    np.logical_or.at(seen, group, weight > 0)
    parameters = len(at) + int(seen.sum())
    small = g / max(g - 1, 1) * (n - 1) / max(n - parameters, 1)
    found = _none(k, units, years, g, n)
    found.beta[at], found.used[at], found.residual[present] = beta, True, residual
    found.crv1[np.ix_(at, at)] = small * bread @ meat.T @ meat @ bread
    rest = cross - parts
    if all(_regular(one[np.ix_(at, at)]) for one in rest):
        away = np.stack([np.linalg.solve(one[np.ix_(at, at)], one[at, -1]) for one in rest]) - beta
        found.crv3[np.ix_(at, at)] = (g - 1) / g * away.T @ away
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Cross-products of unit-centred columns (the last is y), with themselves and with the dummies of the years.

    `products` (…, k+1, k+1), `slant` (…, k+1, years), `dummies` (…, years, years), for units or for sums of them.
    """

    products: np.ndarray
    slant: np.ndarray
    dummies: np.ndarray

    @classmethod
    def of_units(cls, columns: np.ndarray, weight: np.ndarray, share: np.ndarray) -> _Sums:
        years = np.eye(weight.shape[1])
        return cls(
            products=np.einsum("aut,ut,but->uab", columns, weight, columns),
            slant=np.einsum("aut,ut->uat", columns, weight),
            dummies=weight[:, :, None] * years - weight[:, :, None] * share[:, None, :],
        )

    def _map(self, change: Callable[[np.ndarray, str], np.ndarray]) -> _Sums:
        return _Sums(
            products=change(self.products, "products"),
            slant=change(self.slant, "slant"),
            dummies=change(self.dummies, "dummies"),
        )

    def added(self, codes: np.ndarray, size: int) -> _Sums:
        def add(part: np.ndarray, _name: str) -> np.ndarray:
            out = np.zeros((size, *part.shape[1:]))
            np.add.at(out, codes, part)
            return out

        return self._map(add)

    def less(self, other: _Sums, codes: np.ndarray) -> _Sums:
        """The sums at `codes` without those of `other`."""
        return self._map(lambda part, name: part[codes] - getattr(other, name))

    def effects(self) -> np.ndarray:
        """Coefficients of the years for each column."""
        return np.asarray(np.einsum("gts,gas->gat", np.linalg.pinv(self.dummies, hermitian=True), self.slant))

    def net(self) -> np.ndarray:
        """Cross-products of the columns with the years swept out, (…, k+1, k+1)."""
        return np.asarray(self.products - np.einsum("gat,gbt->gab", self.effects(), self.slant))


def _without_singletons(weight: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Weights, 0 where a cell is the only one of its unit, or of its group's year: such a cell is fitted exactly."""
    while True:
        seen = weight > 0
        beside = np.zeros((group.max(initial=0) + 1, weight.shape[1]), dtype=int)
        np.add.at(beside, group, seen)
        alone = seen & ((seen.sum(axis=1, keepdims=True) == 1) | (beside[group] == 1))
        if not alone.any():
            return weight
        weight = np.where(alone, 0.0, weight)


def _none(k: int, units: int, years: int, clusters: int, observations: int) -> Absorbed:
    return Absorbed(
        beta=np.full(k, np.nan),
        crv1=np.full((k, k), np.nan),
        crv3=np.full((k, k), np.nan),
        clusters=clusters,
        observations=observations,
        used=np.zeros(k, dtype=bool),
        residual=np.full((units, years), np.nan),
    )


def _standard(cross: np.ndarray) -> np.ndarray:
    root = np.sqrt(np.maximum(np.diag(cross), 1e-300))
    return cross / np.outer(root, root)


def _regular(cross: np.ndarray) -> bool:
    """Whether the columns can be told apart."""
    return bool(np.linalg.matrix_rank(_standard(cross), tol=1e-8) == len(cross))


def absorbed_poisson(
    deaths: np.ndarray, exposure: np.ndarray, x: np.ndarray, group: np.ndarray, cluster: np.ndarray
) -> Absorbed:
    """Poisson regression with log exposure as offset, unit effects and group × year effects; arguments as of `absorbed`.

    Iterated weighted least squares with the effects swept out (Correia, Guimarães, Zylkin 2020, doi:10.1177/1536867X20909691).
    Units without a death, and years of a group without one, say nothing about a ratio and are left out. `crv3` is the jackknife
    of the last step, not of new fits.
    """
    exposed = exposure > 0
    deaths = np.where(exposed, deaths, 0.0)
    yearly = np.zeros((group.max(initial=0) + 1, deaths.shape[1]))
    np.add.at(yearly, group, deaths)
    part = exposed & (deaths.sum(axis=1) > 0)[:, None] & (yearly[group] > 0)
    size = np.where(part, exposure, 1.0)
    mean = (
        np.where(part, (deaths + deaths[part].sum() / max(size[part].sum(), 1.0) * size) / 2, 1.0)
        if part.any()
        else size
    )
    before = None
    for _ in range(MOST_STEPS):
        predictor = np.log(mean / size)
        working = np.where(part, predictor + (deaths - mean) / mean, np.nan)
        fit = absorbed(working, x, np.where(part, mean, 0.0), group, cluster)
        if not fit.used.any():
            return fit
        part &= np.isfinite(fit.residual)
        # an effect that runs off to 0 or ∞ (all deaths on one side) must stop somewhere
        mean = np.where(part, size * np.exp(np.clip(working - fit.residual, -30, 5)), 1.0)
        if before is not None:
            moved = np.abs(fit.beta - before)
            known = moved[np.isfinite(moved)]  # none where what can be told changes from step to step
            if len(known) and known.max() < CLOSE:
                break
        before = fit.beta
    return fit


def limits(
    estimate: Numbers, error: Numbers, df: Numbers, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low, high and two-sided p of estimates with t errors."""
    estimate, error = np.asarray(estimate), np.where(np.asarray(error) > 0, error, np.nan)
    # the functions themselves: asked for once a project, scipy.stats would spend most of the time on looking at arguments
    width = scipy.special.stdtrit(df, (1 + confidence) / 2) * error
    return estimate - width, estimate + width, 2 * scipy.special.stdtr(df, -np.abs(estimate / error))


def joint_test(beta: np.ndarray, covariance: np.ndarray, df: float) -> tuple[float, int, float]:
    """F, number of restrictions and p of the hypothesis that all of `beta` are 0."""
    good = np.isfinite(beta) & np.isfinite(np.diag(covariance)) & (np.diag(covariance) > 0)
    q = int(good.sum())
    # a covariance from G clusters has rank below G: more restrictions than that cannot be tested
    if q == 0 or not _regular(covariance[np.ix_(good, good)]):
        return np.nan, q, np.nan
    f = float(beta[good] @ np.linalg.solve(covariance[np.ix_(good, good)], beta[good]) / q)
    return f, q, float(scipy.special.fdtrc(q, df, f))


def randomisation_p(estimate: float, placebos: np.ndarray) -> float:
    """Share of units, the project among them, whose placebo effect is at least as large; missing without placebos."""
    placebos = placebos[np.isfinite(placebos)]
    if not np.isfinite(estimate) or not len(placebos):
        return np.nan
    return float((1 + (np.abs(placebos) >= abs(estimate) * (1 - 1e-12)).sum()) / (1 + len(placebos)))


def randomisation_width(placebos: np.ndarray, confidence: float) -> float:
    """Half width of the interval of all constant effects that the placebo test does not reject; missing with too few."""
    sizes = np.sort(np.abs(placebos[np.isfinite(placebos)]))
    # rejected where 1 + #{placebo >= |distance|} <= alpha (J + 1)
    allowed = int(np.floor((1 - confidence) * (len(sizes) + 1) + 1e-9)) - 1
    return float(sizes[len(sizes) - 1 - allowed]) if allowed >= 0 and len(sizes) > allowed else np.nan
