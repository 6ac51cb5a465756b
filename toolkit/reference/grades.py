"""Risk grades of DRGs (DRG 死亡风险分级): from mortality on one reference, with what makes them uncertain.

The bands of z are stated in published sources; logarithm, weighting of DRGs, minimum cases and the place of DRGs without a
death are policy choices (`RiskPolicy`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.params import RiskPolicy

GRADES = {0: "无死亡", 1: "低风险", 2: "中低风险", 3: "中高风险", 4: "高风险"}
BANDS = (-1.0, 0.0, 1.0)
STRONG = 1e12  # cases that a prior counts for where DRGs do not differ


def risk_grades(drgs: pd.DataFrame, policy: RiskPolicy) -> pd.DataFrame:
    """Risk grade of every DRG: ln mortality standardised over DRGs, sample SD.

    Parameters
    ----------
    drgs
        One row per DRG: `drg, n, died`.

    Returns
    -------
    pd.DataFrame
        With `rate` (deaths per discharge, as observed), `ln_rate` (of the rate that is graded: the shrunken one where the
        policy says so), `z` and `grade`: 0 no death, 1 z < −1, 2 −1 ≤ z < 0, 3 0 ≤ z < 1, 4 z ≥ 1; missing below the
        minimum cases.
    """
    n, died = drgs["n"].to_numpy(float), drgs["died"].to_numpy(float)
    ln_rate, z, grade = _graded(n, died, policy)
    rate = pd.Series(np.divide(died, n, out=np.full(len(n), np.nan), where=n > 0), index=drgs.index)
    return drgs.assign(rate=rate, ln_rate=ln_rate, z=z, grade=grade)


def _graded(
    n: np.ndarray, died: np.ndarray, policy: RiskPolicy, prior: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithm of the rate, z and grade; `died` (and `n`) may be two-dimensional, one row a replicate, with a given prior."""
    enough = n >= policy.minimum_cases
    if policy.rates == "empirical_bayes":
        graded = _shrunken(n, died, prior or _prior(n, died, policy))
    else:
        graded = died / np.where(n > 0, n, np.nan)
    with_rate = enough & (graded > 0)
    ln_rate = np.log(graded, out=np.full(graded.shape, np.nan), where=with_rate)
    weight = np.where(with_rate, n if policy.weighting == "cases" else 1.0, 0.0)
    several = with_rate.sum(axis=-1, keepdims=True) > 1
    all_weight = np.where(several, weight.sum(axis=-1, keepdims=True), np.nan)
    value = np.where(with_rate, ln_rate, 0.0)
    mean = (weight * value).sum(axis=-1, keepdims=True) / all_weight
    # weights of 1 give the sample SD; weights by cases are frequencies
    spread = np.sqrt((weight * (value - mean) ** 2).sum(axis=-1, keepdims=True) / (all_weight - 1))
    z = np.divide(ln_rate - mean, spread, out=np.full(ln_rate.shape, np.nan), where=(spread > 0) & with_rate)
    grade = np.where(np.isnan(z), np.nan, np.digitize(np.nan_to_num(z), BANDS) + 1.0)
    none = enough & (died == 0) if policy.rates == "raw" else np.zeros(died.shape, dtype=bool)
    grade = np.where(none, 1.0 if policy.zero_deaths == "low" else 0.0, grade)
    return ln_rate, z, grade


def grades_of_many(
    n: np.ndarray, died: np.ndarray, whole: tuple[np.ndarray, np.ndarray], policy: RiskPolicy
) -> np.ndarray:
    """The grades of many references at once, one a row, DRGs in columns; a reference with too few deaths grades none.

    Parameters
    ----------
    whole
        Discharges and deaths by DRG that all the references are parts of: where rates are shrunken, the two numbers of the
        gamma distribution are theirs.
    """
    grade = _graded(n, died, policy, _prior(*whole, policy) if policy.rates == "empirical_bayes" else None)[2]
    low = np.where((grade == 1) | (grade == 2), died, 0.0).sum(axis=1)
    enough = (died.sum(axis=1) >= policy.minimum_deaths) & (low >= policy.minimum_deaths_low)
    return np.where(enough[:, None], grade, np.nan)


def gamma_poisson(died: np.ndarray, exposure: np.ndarray) -> tuple[float, float]:
    """Shape and rate of the gamma distribution that the groups' true rates come from, by marginal likelihood.

    Parameters
    ----------
    died, exposure
        Events and what they are expected from (discharges, or expected deaths), one a group; exposure > 0.

    Returns
    -------
    tuple
        `shape, rate`: a group's shrunken rate is (died + shape) / (exposure + rate). Where the groups differ no more than
        chance, shape is infinite and every group has the common rate; then `rate` is shape ÷ common rate, also infinite.
    """
    died, exposure = np.asarray(died, dtype=float), np.asarray(exposure, dtype=float)
    common = died.sum() / exposure.sum()
    if common <= 0:
        return np.inf, np.inf
    # groups that vary no more than a Poisson count does: nothing says that they differ
    chance = ((died - common * exposure) ** 2 / (common * exposure)).sum()
    if len(died) < 3 or chance <= len(died) - 1:
        return np.inf, np.inf

    def negative(both: np.ndarray) -> float:
        shape, rate = np.exp(both)
        terms = scipy.special.gammaln(died + shape) - scipy.special.gammaln(shape)
        terms += shape * np.log(rate / (rate + exposure)) - died * np.log(rate + exposure)
        return -float(terms.sum())

    start = np.log([1.0, 1.0 / common])
    found = scipy.optimize.minimize(
        negative, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-10, "maxiter": 4000}
    )
    shape, rate = np.exp(found.x)
    return float(shape), float(rate)


def _prior(n: np.ndarray, died: np.ndarray, policy: RiskPolicy) -> tuple[float, float]:
    """From the DRGs with enough cases; where there is none, from all."""
    rows = n >= policy.minimum_cases
    rows = rows if rows.any() else n > 0
    shape, rate = gamma_poisson(died[rows], n[rows]) if rows.any() else (np.inf, np.inf)
    common = died[rows].sum() / max(n[rows].sum(), 1)
    # no more spread than chance: every DRG has the common rate, which a very strong prior says as well
    return (shape, rate) if np.isfinite(shape) else (common * STRONG, STRONG)


def _shrunken(n: np.ndarray, died: np.ndarray, prior: tuple[float, float]) -> np.ndarray:
    shape, rate = prior
    return (died + shape) / (n + rate)


def probabilities(drgs: pd.DataFrame, policy: RiskPolicy, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How often each DRG would come out in its grade, and in each other, were the reference drawn again.

    A parametric bootstrap: deaths of every DRG are drawn binomially at its shrunken rate (gamma–Poisson over DRGs), because
    at the observed rate a DRG without a death would never have one; every replicate is graded anew with the same policy.

    Parameters
    ----------
    drgs
        As from `risk_grades`: `drg, n, died, grade`.

    Returns
    -------
    pd.DataFrame
        `drg`, `p_grade` (of the grade it has; missing where it has none), `p0` … `p4`.
    """
    n, died = drgs["n"].to_numpy(int), drgs["died"].to_numpy(float)
    shares = np.full((len(GRADES), len(n)), np.nan)
    if died.sum() > 0:
        prior = _prior(n, died, policy)
        true = np.clip(_shrunken(n, died, prior), 0, 1)
        drawn = np.random.default_rng(seed).binomial(n, true, size=(replicates, len(n))).astype(float)
        _ln_rate, _z, grade = _graded(n.astype(float), drawn, policy, prior)
        known = n >= policy.minimum_cases
        for number in GRADES:
            shares[number] = np.where(known, (grade == number).mean(axis=0), np.nan)
    given = drgs["grade"].to_numpy(float)
    at = np.nan_to_num(given).astype(int), np.arange(len(n))
    return pd.DataFrame(
        {
            "drg": drgs["drg"].to_numpy(),
            "p_grade": np.where(np.isnan(given), np.nan, shares[at]),
            **{f"p{number}": shares[number] for number in GRADES},
        }
    )


OTHERWISE: dict[str, dict[str, object]] = {
    "经验贝叶斯率": {"rates": "empirical_bayes"},
    "按例数加权": {"weighting": "cases"},
    "无死亡并入低风险": {"zero_deaths": "low"},
    "最少 10 例": {"minimum_cases": 10},
    "最少 100 例": {"minimum_cases": 100},
}


def alternatives(drgs: pd.DataFrame, policy: RiskPolicy) -> pd.DataFrame:
    """The grade of every DRG where one policy choice is made otherwise: `drg`, a column for each of `OTHERWISE`."""
    columns = {"drg": drgs["drg"].to_numpy()}
    for name, change in OTHERWISE.items():
        other = policy.model_copy(update=change)
        columns[name] = _graded(drgs["n"].to_numpy(float), drgs["died"].to_numpy(float), other)[2]
    return pd.DataFrame(columns)


def described(grades: pd.DataFrame, policy: RiskPolicy) -> pd.DataFrame:
    """The grades of every window with `probabilities` and, numbered in the order of `OTHERWISE`, `alternatives`."""
    parts = []
    for _window, part in grades.groupby("window", sort=False):
        drgs = part.reset_index(drop=True)
        others = alternatives(drgs, policy).drop(columns="drg")
        others.columns = pd.Index([f"otherwise{i}" for i in range(len(OTHERWISE))])
        parts.append(pd.concat([drgs, probabilities(drgs, policy).drop(columns="drg"), others], axis=1))
    return pd.concat(parts, ignore_index=True) if parts else grades


def too_few_deaths(grades: pd.DataFrame, policy: RiskPolicy) -> str:
    """Why this reference cannot grade risk, or an empty string."""
    deaths = int(grades["died"].sum())
    low = int(grades.loc[grades["grade"].isin([1, 2]), "died"].sum())
    if deaths < policy.minimum_deaths:
        return f"参照死亡 {deaths} 例，少于 {policy.minimum_deaths} 例"
    if low < policy.minimum_deaths_low:
        return f"低与中低风险组死亡 {low} 例，少于 {policy.minimum_deaths_low} 例"
    return ""
