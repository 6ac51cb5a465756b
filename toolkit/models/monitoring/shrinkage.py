"""Regression to the mean: the change that chance alone makes likely, from how far a unit's before value shrinks.

A before value is the unit's true value plus the error of drawing its discharges. Units are taken to differ by a variance
τ² around a common mean; the best guess of a unit's true value is then its value pulled to that mean by 1 − reliability,
reliability = τ² / (τ² + se²). If the true value stays as it is, the after value is expected at that guess: a fall or rise
that no project made. The predictive limits add the error of the after value and what is unknown of the true one (Jones,
Spiegelhalter 2009, Statistics in Medicine 28:1645). Trends shared by all units are not in it: they are seen in the peers.

Means are normal on the log scale, with τ² by Paule, Mandel (1982, doi:10.6028/jres.087.022). Proportions are beta–binomial
with the τ² that they find where every unit has the binomial variance of the common mean; deaths are gamma–Poisson
(`rare_deaths.gamma_prior`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Declared, Distribution, Indicator
from toolkit.models.monitoring.rare_deaths import gamma_prior

FEWEST_UNITS, FEW_UNITS = 3, 10
STEPS = 200
SMALLEST_PRIOR = 0.01  # cases that the prior is worth; fewer would be units that are all 0 or all 1

COLUMNS = (
    "before",
    "after",
    "expected_after",
    "low",
    "high",
    "expected_ratio",
    "ratio",
    "reliability",
    "mean",
    "p_value",
    "units",
    "warnings",
)


def no_effect(
    cells: pd.DataFrame,
    indicators: Mapping[str, Declared],
    by: Sequence[str],
    among: Sequence[str],
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What the after value of every unit would be if its true value had not changed.

    Parameters
    ----------
    cells
        Frozen cells of all units, selected or not (a prior from selected units alone would be their own mean), with column
        `cycle` holding `before` and `after`.
    by
        Columns of a unit, e.g. `("hospital", "specialty")`.
    among
        Those of them whose units share a mean, e.g. `("specialty",)`.

    Returns
    -------
    pd.DataFrame
        One row per unit and tested indicator: `by`, `indicator`, `before`, `after` (values), `expected_after`, its predictive
        limits `low`, `high`, `expected_ratio` (expected_after / before), `ratio` (after / before), `reliability` (0–1),
        `mean` (of the group's true values), `p_value` (two-sided predictive, against no change), `units` (of the group),
        `warnings`. Values in the indicator's unit.
    """
    by, keys = list(by), [*by, "indicator"]
    tested = {i for i, one in indicators.items() if isinstance(one, Indicator) and one.distribution is not None}
    kept = cells[cells["indicator"].isin(tested)]
    columns = ["x", "y", "value", "se"]
    sides = {
        cycle: kept.loc[kept["cycle"] == cycle, [*keys, *columns]].set_index(keys) for cycle in ("before", "after")
    }
    wide = (
        sides["before"]
        .merge(sides["after"], how="outer", left_index=True, right_index=True, suffixes=("0", "1"))
        .reset_index()
    )
    out = {name: np.full(len(wide), np.nan) for name in COLUMNS if name != "warnings"}
    out["before"], out["after"] = wide["value0"].to_numpy(float), wide["value1"].to_numpy(float)
    for key, rows in wide.groupby([*among, "indicator"], sort=False).indices.items():
        one = indicators[str(key[-1] if isinstance(key, tuple) else key)]
        assert isinstance(one, Indicator)  # noqa: S101  tested ones are
        assert one.distribution is not None  # noqa: S101  and have one
        part = wide.iloc[rows]
        usable = (part["value0"].notna() & (part["y0"] > 0)).to_numpy()
        found = _OF_KIND.get(one.distribution, _means)(part, usable, one.scale, confidence)
        for name, values in found.items():
            out[name][rows] = values
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.where(out["before"] > 0, out["before"], np.nan)
        out["expected_ratio"], out["ratio"] = out["expected_after"] / before, out["after"] / before
    warnings = [
        _warnings(b, a, e, u)
        for b, a, e, u in zip(out["before"], out["after"], out["expected_after"], out["units"], strict=True)
    ]
    units = pd.array(np.nan_to_num(out.pop("units")).astype("int64"))
    return wide[keys].assign(**out, units=units, warnings=warnings)[[*keys, *COLUMNS]]


def _warnings(before: float, after: float, expected: float, units: float) -> str:
    if np.isnan(before) or np.isnan(after):
        return f"{'建设前' if np.isnan(before) else '建设周期'}无值，不能比较"
    if np.isnan(expected):
        return f"同专科不足 {FEWEST_UNITS} 个单元有值或没有事件，不能估计向均值回归"
    said = ["建设前为 0，比值无意义"] if before == 0 else []
    return "；".join([*said, *([f"同专科只有 {units:.0f} 个单元，回归幅度估计不稳"] if units < FEW_UNITS else [])])


def between(value: np.ndarray, se: np.ndarray) -> tuple[float, float]:
    """Mean and variance τ² of true values, by Paule and Mandel: the τ² at which Σ (y − mean)² / (τ² + se²) is k − 1."""
    variance, k = se**2, len(value)

    def excess(tau2: float) -> tuple[float, float]:
        weight = 1 / (variance + tau2)
        mean = float((weight * value).sum() / weight.sum())
        return float((weight * (value - mean) ** 2).sum() - (k - 1)), mean

    left, mean = excess(0.0)
    if left <= 0:
        return mean, 0.0
    low, high = 0.0, float(((value - value.mean()) ** 2).sum()) + 1e-300
    for _ in range(STEPS):
        middle = (low + high) / 2
        left, mean = excess(middle)
        low, high = (middle, high) if left > 0 else (low, middle)
        if high - low <= 1e-15 * high:
            break
    return mean, (low + high) / 2


def _means(part: pd.DataFrame, usable: np.ndarray, scale: float, confidence: float) -> dict[str, np.ndarray]:
    def logs(side: str) -> tuple[np.ndarray, np.ndarray]:
        value = part[f"value{side}"].where(part[f"value{side}"] > 0).to_numpy(float)
        return np.log(value), part[f"se{side}"].to_numpy(float) / value

    (y0, se0), (y1, se1) = logs("0"), logs("1")
    usable = usable & np.isfinite(y0) & (se0 > 0)
    if usable.sum() < FEWEST_UNITS:
        return {"units": np.full(len(part), float(usable.sum()))}
    mean, tau2 = between(y0[usable], se0[usable])
    reliability = np.where(usable, tau2 / (tau2 + se0**2), np.nan)
    guess = mean + reliability * (y0 - mean)
    error = np.sqrt(tau2 * (1 - reliability) + se1**2)
    width = scipy.stats.norm.ppf((1 + confidence) / 2) * error
    return {
        "expected_after": np.exp(guess),
        "low": np.exp(guess - width),
        "high": np.exp(guess + width),
        "reliability": reliability,
        "mean": np.full(len(part), np.exp(mean)),
        "p_value": 2 * scipy.stats.norm.sf(np.abs(y1 - guess) / error),
        "units": np.full(len(part), float(usable.sum())),
    }


def _shares(part: pd.DataFrame, usable: np.ndarray, scale: float, confidence: float) -> dict[str, np.ndarray]:
    cases, n = part["x0"].to_numpy(float), part["y0"].to_numpy(float)
    later, exposed = part["x1"].to_numpy(float), part["y1"].to_numpy(float)
    units = np.full(len(part), float(usable.sum()))
    common = cases[usable].sum() / n[usable].sum() if usable.any() else 0.0
    if usable.sum() < FEWEST_UNITS or not 0 < common < 1:
        return {"units": units}
    mean, tau2 = between(cases[usable] / n[usable], np.sqrt(common * (1 - common) / n[usable]))
    size = mean * (1 - mean) / tau2 - 1 if tau2 > 0 else np.inf  # a + b of the beta distribution of true shares
    size = max(size, SMALLEST_PRIOR)
    spread = np.isfinite(size)
    guess = np.where(usable, (size * mean + cases) / (size + n) if spread else mean, np.nan)
    # the share after is beta–binomial: a beta distribution of the same mean and variance, half a case for its steps
    worth = size + n if spread else np.full(len(part), np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = 1 / (1 / (worth + 1) + (1 - 1 / (worth + 1)) / exposed) - 1
    law = scipy.stats.beta(guess * total, (1 - guess) * total)
    half = 0.5 / np.where(exposed > 0, exposed, np.nan)
    tail, known = (1 - confidence) / 2, usable & (exposed > 1)
    share = later / np.where(exposed > 0, exposed, np.nan)
    found = {
        "low": scale * law.ppf(tail),
        "high": scale * law.ppf(1 - tail),
        "p_value": np.minimum(1.0, 2 * np.minimum(law.cdf(share + half), law.sf(share - half))),
    }
    return {name: np.where(known, values, np.nan) for name, values in found.items()} | {
        "expected_after": scale * guess,
        "reliability": np.where(usable, n / (n + size), np.nan),
        "mean": np.full(len(part), scale * mean),
        "units": units,
    }


def _deaths(part: pd.DataFrame, usable: np.ndarray, scale: float, confidence: float) -> dict[str, np.ndarray]:
    died, n = part["x0"].to_numpy(float), part["y0"].to_numpy(float)
    later, exposed = part["x1"].to_numpy(float), part["y1"].to_numpy(float)
    units = np.full(len(part), float(usable.sum()))
    if usable.sum() < FEWEST_UNITS or not died[usable].sum() > 0:
        return {"units": units}
    prior = gamma_prior(died[usable], n[usable])
    spread, tail = prior.sd > 0, (1 - confidence) / 2
    guess = np.where(usable, (prior.shape + died) / (prior.rate + n) if spread else prior.mean, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        # the deaths after, given those before: negative binomial
        share = (prior.rate + n) / (prior.rate + n + exposed) if spread else n
        law = scipy.stats.nbinom(prior.shape + died, share) if spread else scipy.stats.poisson(guess * exposed)
        low, high = law.ppf(tail) / exposed, law.ppf(1 - tail) / exposed
        p = np.minimum(1.0, 2 * np.minimum(law.cdf(later), law.sf(later - 1)))
    known = usable & (exposed > 0)
    return {
        "expected_after": scale * guess,
        "low": np.where(known, scale * low, np.nan),
        "high": np.where(known, scale * high, np.nan),
        "p_value": np.where(known, p, np.nan),
        "reliability": np.where(usable, n / (n + prior.rate), np.nan),
        "mean": np.full(len(part), scale * prior.mean),
        "units": units,
    }


_OF_KIND = {
    Distribution.PROPORTION: _shares,
    Distribution.RARE: _deaths,
}  # all others have a standard error: on the log scale
