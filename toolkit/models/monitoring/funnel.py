"""Funnel plots: is a unit further from the centre than its size explains, with and without overdispersion.

Three kinds: `ratio` (observed deaths against expected ones, on ln O/E), `proportion` (arcsine of the root) and
`counts_ratio` (one count to another, on its log). Limits without overdispersion are **prediction limits**: a unit that is
like the others falls outside them with at most the stated probability. For ratios and proportions they come from the
Poisson and the binomial distribution, drawn through the points at which a whole number of cases begins to be outside, so
that the line and the test agree. They are not confidence limits of the observed value.

Overdispersion has two published settings that must not be mixed: z **winsorised** (CQC) or **truncated** (SHMI) at each
end; each has its φ and τ² under its own name. Both take the tails of units that are all alike, too, and so find too little:
their φ is 0.68 and 0.44 where nothing but chance is there, and their limits flag more than they state. **Corrected** is the
winsorised φ divided by what winsorising leaves of a normal z² (0.679 at 10 %), and keeps its level (docs/deviations.md).
Published limits with overdispersion are centre ± z √(s² + τ²) on the scale of the test; those of a ratio put every unit
without a death below them, so the corrected setting takes them from the negative binomial instead.

References
----------
Spiegelhalter (2005), doi:10.1002/sim.1970 and doi:10.1136/qshc.2005.013755. Truncation as in the source of FunnelPlotR
0.6.0, read as a description and written anew. Prediction limits: Seaton, Manktelow (2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.declared import Word
from toolkit.models.inversion import crossing
from toolkit.params import Overdispersion

Kind = Literal["ratio", "proportion", "counts_ratio"]
LEVELS = {"95": 0.95, "998": 0.998}
TRUNCATED_FROM = 10  # units; fewer lose none
ENOUGH_UNITS, FEWEST_UNITS = 10, 3
SMALLEST_TAU2 = 1e-8  # below, the negative binomial is the Poisson
NONE_SEEN = 0.5  # stands for 0 deaths where a logarithm is taken; limits and tests use the 0

LIMITS_ZH: dict[str, str] = {
    "ratio": "Poisson 精确预测限",
    "proportion": "二项精确预测限",
    "counts_ratio": "对数正态近似预测限",
}
OVERDISPERSED_ZH = "加入单元间方差 τ² 的预测限"


class Position(Word):
    """Where a unit lies."""

    INSIDE = "inside", "界限内"
    HIGH_95 = "above_95", "高于 95% 限"
    HIGH_998 = "above_998", "高于 99.8% 限"
    LOW_95 = "below_95", "低于 95% 限"
    LOW_998 = "below_998", "低于 99.8% 限"
    UNKNOWN = "unknown", "不能判断"


@dataclass(frozen=True, kw_only=True)
class Dispersion:
    """Spread of z beyond chance: `phi` = mean z², `tau2` the variance between units, over `kept` units."""

    phi: float
    tau2: float
    kept: int


def dispersion(z: np.ndarray, se: np.ndarray, *, trim: Overdispersion | None, share: float = 0.1) -> Dispersion:
    """φ and τ² of units' z-scores.

    Parameters
    ----------
    z
        Distance from the centre in standard errors, one a unit, finite.
    se
        Standard error of each unit on the scale of z, without overdispersion.
    trim
        `winsorised`: z beyond the `share` and 1 − `share` quantiles is set to them. `truncated`: units in the lowest and the
        highest `share` of ranks are left out, of n, φ and τ². `corrected`: winsorised, φ divided by what winsorising leaves
        of a normal z². None: all z as they are.

    Returns
    -------
    Dispersion
        τ² = max(0, (nφ − (n − 1)) / (Σw − Σw²/Σw)), w = 1/se². Missing below 3 units.
    """
    if len(z) < FEWEST_UNITS:
        return Dispersion(phi=np.nan, tau2=np.nan, kept=len(z))
    left = 1.0
    if trim in ("winsorised", "corrected"):
        z = np.clip(z, *np.quantile(z, [share, 1 - share]))
        left = _left_of_normal(share) if trim == "corrected" else 1.0
    elif trim == "truncated" and len(z) >= TRUNCATED_FROM:
        parts = round(1 / share, 9)
        part = np.floor(scipy.stats.rankdata(z) * parts / (len(z) + 1))
        kept = (part > 0) & (part < parts - 1)
        z, se = z[kept], se[kept]
    weight, n = 1 / se**2, len(z)
    phi = float((z**2).mean()) / left
    room = weight.sum() - (weight**2).sum() / weight.sum()
    return Dispersion(phi=phi, tau2=float(max(0.0, (n * phi - (n - 1)) / room)), kept=n)


def _left_of_normal(share: float) -> float:
    """Mean square of a standard normal winsorised at these quantiles."""
    edge = scipy.stats.norm.isf(share)
    return float(1 - 2 * share - 2 * edge * scipy.stats.norm.pdf(edge) + 2 * share * edge**2)


def scored(
    observed: np.ndarray, exposure: np.ndarray, kind: Kind, centre: float, *, root: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Score (z) and standard error of every unit on the scale of its kind.

    Parameters
    ----------
    observed, exposure
        Deaths and expected deaths (`ratio`), cases and all cases (`proportion`), the two counts (`counts_ratio`).
    root
        A ratio on the scale of its root (CQC) instead of its log (SHMI).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "ratio" and root:
            se = 1 / (2 * np.sqrt(exposure))
            return (np.sqrt(observed / exposure) - np.sqrt(centre)) / se, se
        if kind == "ratio":
            seen = np.where(observed > 0, observed, NONE_SEEN)
            se = 1 / np.sqrt(exposure * centre)
            return np.log(seen / exposure / centre) / se, se
        if kind == "proportion":
            se = 1 / (2 * np.sqrt(exposure))
            return (np.arcsin(np.sqrt(observed / exposure)) - np.arcsin(np.sqrt(centre))) / se, se
        above, below = observed + 0.5, exposure + 0.5
        se = np.sqrt(observed / above**2 + exposure / below**2)
        return (np.log(above / below) - np.log(centre)) / se, se


def limits(
    exposure: np.ndarray,
    kind: Kind,
    centre: float | np.ndarray,
    level: float,
    *,
    tau2: float | np.ndarray | None = None,
    se: np.ndarray | None = None,
    counted: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limit of the value at each exposure; with `tau2`, those that allow for overdispersion.

    `se` is needed for `counts_ratio`, whose error depends on both counts. `counted`: of a ratio, limits of the negative
    binomial instead of the published log-normal ones, which put every unit without a death below them. A limit is missing
    where nothing can be beyond it.
    """
    exposure = np.asarray(exposure, dtype=float)
    tail = (1 - level) / 2
    if tau2 is not None and kind == "ratio" and counted:
        low, high = _negative_binomial_edges(exposure * centre, np.broadcast_to(tau2, exposure.shape), tail)
        return low / exposure, high / exposure
    if tau2 is None and kind == "ratio":
        low, high = _poisson_edges(exposure * centre, tail)
        return low / exposure, high / exposure
    if tau2 is None and kind == "proportion":
        low, high = _binomial_edges(exposure, np.broadcast_to(centre, exposure.shape), tail)
        return low / exposure, high / exposure
    extra = 0.0 if tau2 is None else tau2
    if kind == "proportion":
        width = scipy.stats.norm.ppf(1 - tail) * np.sqrt(1 / (4 * exposure) + extra)
        angle = np.arcsin(np.sqrt(centre))
        low, high = (
            np.where(angle > width, angle - width, np.nan),
            np.where(angle + width < np.pi / 2, angle + width, np.nan),
        )
        return np.sin(low) ** 2, np.sin(high) ** 2
    variance = 1 / (exposure * centre) if se is None else se**2
    width = np.exp(scipy.stats.norm.ppf(1 - tail) * np.sqrt(variance + extra))
    return centre / width, centre * width


def _poisson_edges(mean: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Real counts that whole counts must be at or beyond to have a tail probability of at most `tail`.

    A count k is at or above the upper edge exactly where P(X ≥ k) ≤ tail; the gamma function carries this to real k.
    """
    low = scipy.special.gdtrib(1.0, 1 - tail, mean) - 1  # P(X <= k) = 1 - Gamma(k + 1) at the mean
    return np.where(low < 0, np.nan, low), scipy.special.gdtrib(1.0, tail, mean)


def _negative_binomial_edges(mean: np.ndarray, tau2: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """As `_poisson_edges`, of units whose ratios are gamma with the coefficient of variation of a log-normal of variance τ²."""
    low, high = _poisson_edges(mean, tail)
    rows = np.flatnonzero(tau2 > SMALLEST_TAU2)
    if len(rows):
        spread = np.expm1(tau2[rows])
        share, far = (
            1 / (1 + spread * mean[rows]),
            mean[rows] + 60 * np.sqrt(mean[rows] + spread * mean[rows] ** 2) + 60,
        )

        def at_most(k: np.ndarray) -> np.ndarray:  # P(X <= k), rising in k
            return scipy.special.betainc(1 / spread, k + 1, share)

        zero = np.zeros(len(rows))
        low[rows] = np.where(at_most(zero) > tail, np.nan, crossing(at_most, zero, far, tail))
        # P(X >= k) <= tail  <=>  P(X <= k - 1) >= 1 - tail
        high[rows] = crossing(at_most, zero - 1 + 1e-9, far, 1 - tail) + 1
    return np.where(np.isnan(tau2), np.nan, low), np.where(np.isnan(tau2), np.nan, high)


def _binomial_edges(n: np.ndarray, p: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    def at_most(k: np.ndarray) -> np.ndarray:  # P(X <= k), rising in k
        return scipy.special.betainc(np.maximum(n - k, 1e-12), k + 1, 1 - p)

    zero, low = np.zeros(len(n)), crossing(at_most, np.zeros(len(n)), n, tail)
    low = np.where(at_most(zero) > tail, np.nan, low)
    # P(X >= k) <= tail  <=>  P(X <= k - 1) >= 1 - tail
    high = crossing(at_most, zero, n, 1 - tail) + 1
    return low, np.where(high > n, np.nan, high)


def funnel(
    frame: pd.DataFrame,
    by: Sequence[str],
    kind: Kind,
    *,
    trim: Overdispersion = Overdispersion.CORRECTED,
    share: float = 0.1,
    centre: float | None = None,
) -> pd.DataFrame:
    """Every unit's place in the funnel of its group.

    Parameters
    ----------
    frame
        One row per unit: `by`, `observed`, `exposure` (see `scored`).
    by
        Columns of the groups that share a funnel, e.g. `("specialty", "period")`.
    trim
        Whose τ² the limits with overdispersion use.
    centre
        Of every group; None = Σ observed / Σ exposure of the group.

    Returns
    -------
    pd.DataFrame
        The rows given, with `kind`, `value`, `centre`, `z`, `units` (of the group, usable), `phi_<trim>`, `tau2_<trim>` for every
        trim, `low_95`, `high_95`, `low_998`, `high_998` (missing where nothing can be outside),
        the same with `od_` (with overdispersion), `position`, `position_od`, `limits` (what the first are) and `warnings`.
        A value at a limit is outside it.
    """
    observed, exposure = frame["observed"].to_numpy(float), frame["exposure"].to_numpy(float)
    usable = (exposure > 0) & ~np.isnan(observed)
    names = ("centre", "z", "units", *[f"{what}_{name}" for name in Overdispersion for what in ("phi", "tau2")])
    added = {name: np.full(len(frame), np.nan) for name in names}
    se = np.full(len(frame), np.nan)
    groups = frame.groupby(list(by), sort=False, dropna=False).indices.values() if by else [np.arange(len(frame))]
    for rows in groups:
        rows = rows[usable[rows]]
        if not len(rows):
            continue
        middle = observed[rows].sum() / exposure[rows].sum() if centre is None else centre
        added["centre"][rows], added["units"][rows] = middle, len(rows)
        if not 0 < middle < (1 if kind == "proportion" else np.inf):
            continue
        added["z"][rows], se[rows] = scored(observed[rows], exposure[rows], kind, middle)
        known = rows[np.isfinite(added["z"][rows])]
        for name in Overdispersion:
            found = dispersion(added["z"][known], se[known], trim=name, share=share)
            added[f"phi_{name}"][rows], added[f"tau2_{name}"][rows] = found.phi, found.tau2
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(usable, observed / np.where(usable, exposure, np.nan), np.nan)
    sound = usable & ~np.isnan(added["z"])
    for suffix, level in LEVELS.items():
        for prefix, tau2 in (("", None), ("od_", added[f"tau2_{trim}"][sound])):
            low, high = limits(
                exposure[sound],
                kind,
                added["centre"][sound],
                level,
                tau2=tau2,
                se=se[sound] if kind == "counts_ratio" else None,
                counted=trim == "corrected",
            )
            for side, edge in (("low", low), ("high", high)):
                added[f"{prefix}{side}_{suffix}"] = np.full(len(frame), np.nan)
                added[f"{prefix}{side}_{suffix}"][sound] = edge
    judged = sound & ~np.isnan(added["od_high_95"])
    return frame.assign(
        kind=kind,
        value=value,
        **{**added, "units": np.nan_to_num(added["units"]).astype("int64")},
        position=_positions(value, added, "", sound),
        position_od=_positions(value, added, "od_", judged),
        limits=LIMITS_ZH[kind],
        warnings=[
            _warnings(u, s, k, c) for u, s, k, c in zip(usable, sound, added["units"], added["centre"], strict=True)
        ],
    )


def _positions(value: np.ndarray, edges: dict[str, np.ndarray], prefix: str, known: np.ndarray) -> np.ndarray:
    slack = 1e-12  # a whole count exactly on its edge, whatever the last digit of the division
    high = {k: value >= edges[f"{prefix}high_{k}"] * (1 - slack) for k in LEVELS}
    low = {k: value <= edges[f"{prefix}low_{k}"] * (1 + slack) for k in LEVELS}
    return np.select(
        [~known, high["998"], low["998"], high["95"], low["95"]],
        [p.value for p in (Position.UNKNOWN, Position.HIGH_998, Position.LOW_998, Position.HIGH_95, Position.LOW_95)],
        default=Position.INSIDE.value,
    )


def _warnings(usable: bool, sound: bool, units: float, centre: float) -> str:
    if not usable:
        return "没有病例或期望死亡为 0，不能判断"
    if not sound:
        return "同组没有事件，不能画界限" if centre == 0 else "同组全部为事件，不能画界限"
    if units < FEWEST_UNITS:
        return f"同组只有 {units:.0f} 个单元，与自身比较，且不能估计单元间差异"
    return f"同组只有 {units:.0f} 个单元，单元间差异（φ、τ²）估计不稳" if units < ENOUGH_UNITS else ""
