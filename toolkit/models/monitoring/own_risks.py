"""O/E where every case has a risk of its own: exact limits from the distribution that the deaths then have.

Deaths of cases with probabilities p are Poisson-binomial, which is narrower than the Poisson that forgets that nobody dies twice,
and ends at the number of cases. What is asked is by how much the odds of all cases would have to differ from the predicted
ones. The number of deaths tells all about that factor ω, whose probability of k deaths is proportional to ω^k: so its limits
come from the two tails exactly, as those of Clopper and Pearson do, whose limits they are where all risks are alike. The
limits of O/E are the deaths that the odds at these ends let expect, over E.

References
----------
Clopper, Pearson (1934), doi:10.1093/biomet/26.4.404. Poisson-binomial distribution: Wang (1993), Statistica Sinica 3, 295–312.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.frames import groups_of

WIDEST = 60.0  # of the log odds ratio


def deaths_up_to(most: int, p: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Probability of 0, 1, …, `most` deaths among n cases of every risk p (0 < p < 1); only sums of positive terms."""
    found = np.zeros(most + 1)
    found[0] = 1.0
    factorial = scipy.special.gammaln(np.arange(max(float(n.max(initial=0)), most) + 2) + 1)
    for risk, cases in zip(p, n.astype(int), strict=True):
        k = np.arange(min(int(cases), most) + 1)
        ways = factorial[cases] - factorial[k] - factorial[cases - k]
        found = np.convolve(found, np.exp(ways + k * np.log(risk) + (cases - k) * np.log1p(-risk)))[: most + 1]
    return found


def own_limits(rows: pd.DataFrame, by: Sequence[str], *, confidence: float = 0.95) -> pd.DataFrame:
    """The limits of every group.

    Parameters
    ----------
    rows
        Cases of like risk: `by`, `n`, `died`, `p` (missing where there is no prediction: left out).

    Returns
    -------
    pd.DataFrame
        `by`, `own_low`, `own_high`, `p_own`; one row a group that has a prediction.
    """
    known = rows[rows["p"].notna() & (rows["n"] > 0)]
    found = []
    for key, part in groups_of(known.groupby(list(by), sort=True, observed=True)):
        p, n, died = (part[c].to_numpy(float) for c in ("p", "n", "died"))
        found.append((*key, *own_risk_limits(int(died.sum()), p, n, confidence=confidence)))
    return pd.DataFrame(found, columns=[*by, "own_low", "own_high", "p_own"])


def own_risk_limits(
    observed: int, p: np.ndarray, n: np.ndarray, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Lower and upper limit of O/E, and the two-sided p (twice the smaller tail) against O/E = 1.

    Parameters
    ----------
    observed
        Deaths among the cases.
    p, n
        Predicted risks, and the cases that have each; cases that can not or must die are left out by the caller.

    Returns
    -------
    tuple
        Missing where no case has a risk, or more died than can.
    """
    inside = (p > 0) & (p < 1) & (n > 0)
    p, first = np.unique(p[inside], return_inverse=True)
    n = np.bincount(first, weights=n[inside], minlength=len(p))
    cases, expected = float(n.sum()), float((n * p).sum())
    if not len(p) or observed > cases:
        return np.nan, np.nan, np.nan
    chances = deaths_up_to(observed, p, n)
    log_odds, tail = scipy.special.logit(p), (1 - confidence) / 2
    with np.errstate(divide="ignore"):
        logs = np.log(chances)
    counts = np.arange(observed + 1)

    def at_most(most: int, shift: float) -> float:
        """P(deaths ≤ most) with all odds times exp(shift)."""
        if most < 0:
            return 0.0
        whole = (n * (np.logaddexp(0.0, log_odds + shift) - np.logaddexp(0.0, log_odds))).sum()
        return float(np.exp(scipy.special.logsumexp(logs[: most + 1] + counts[: most + 1] * shift) - whole))

    def ratio_at(shift: float) -> float:
        return float((n * scipy.special.expit(log_odds + shift)).sum()) / expected

    low = 0.0 if observed == 0 else ratio_at(_where(lambda s: 1 - at_most(observed - 1, s), tail))
    high = cases / expected if observed == cases else ratio_at(_where(lambda s: 1 - at_most(observed, s), 1 - tail))
    under = at_most(observed, 0.0)
    return low, high, min(1.0, 2 * min(under, 1 - at_most(observed - 1, 0.0)))


def _where(rising: Callable[[float], float], level: float) -> float:
    """The log odds ratio at which a rising probability reaches a level."""
    found = scipy.optimize.brentq(lambda s: rising(s) - level, -WIDEST, WIDEST, xtol=1e-10)
    return float(found)
