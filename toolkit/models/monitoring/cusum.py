"""Risk-adjusted CUSUM of deaths: when did a unit's odds of death change.

Every discharge with predicted probability p scores log R if it died, less log(1 − p + R p) in any case: the log likelihood
ratio of odds R times the predicted ones against the predicted ones (Steiner et al. 2000, doi:10.1093/biostatistics/1.4.441).
Here only sums by month and covariate pattern are known, and the score of a month is the exact sum of the scores of its
discharges: deaths × log R − Σ n log(1 − p + R p). The chart steps once a month, S = max(0, S + score); it returns to 0 only
at the end of a month, so it can be a little slower than a chart by discharge, and its limit is its own.

The limit is found for a stated average run length (ARL) in months while nothing has changed, by a Markov chain (Brook,
Evans 1972, doi:10.1093/biomet/59.3.539). Its months are drawn from the unit's own months: their scores follow the
distribution of the number of deaths given the predicted probabilities (Poisson binomial, by its characteristic function;
probabilities are put in narrow classes for this alone). An upper and a lower chart, R and 1/R, look for worse and better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

CLASS_WIDTH = 0.05  # of the logit of p, for the distribution of deaths in a month
GRID = 40  # steps of the chain in one log R
MOST_STATES = 1200
FEWEST_MONTHS = 13


@dataclass(frozen=True, kw_only=True, eq=False)
class Cusum:
    """One chart.

    Attributes
    ----------
    table
        One row per month: `month, n, observed, expected, score, cusum, signal` (at or above the limit).
    odds_ratio
        R, the change that the chart looks for.
    limit
        Missing where it could not be found.
    run_length
        In-control ARL in months that the limit has (at least the one asked for).
    false_alarm
        Probability of a signal within the months of the chart while nothing has changed.
    """

    table: pd.DataFrame
    odds_ratio: float
    limit: float
    run_length: float
    false_alarm: float
    warnings: tuple[str, ...]


def cusum(cells: pd.DataFrame, *, odds_ratio: float = 2.0, run_length: float = 360.0) -> Cusum:
    """The chart of one unit.

    Parameters
    ----------
    cells
        One row per month and covariate pattern: `month` (sortable), `n`, `died`, `p` (predicted probability). Rows without
        p are left out.
    odds_ratio
        R > 1 looks for worse, R < 1 for better.
    run_length
        Months, on average, to a false signal.
    """
    known = cells[cells["p"].notna() & (cells["n"] > 0)]
    months, of_month = np.unique(known["month"].to_numpy(), return_inverse=True)
    n, died, p = (known[c].to_numpy(float) for c in ("n", "died", "p"))

    def by_month(values: np.ndarray) -> np.ndarray:
        return np.bincount(of_month, values, minlength=len(months))

    without_deaths = -by_month(n * np.log1p((odds_ratio - 1) * p))
    step = np.log(odds_ratio)
    score = by_month(died) * step + without_deaths
    table = pd.DataFrame(
        {
            "month": months,
            "n": by_month(n).astype("int64"),
            "observed": by_month(died).astype("int64"),
            "expected": by_month(n * p),
            "score": score,
            "cusum": _summed(score),
        }
    )
    warnings = [] if len(months) >= FEWEST_MONTHS else [f"只有 {len(months)} 个月，图只作参考"]
    limit, found, alarm = np.nan, np.nan, np.nan
    if len(months) and table["expected"].sum() > 0:
        steps = _increments(_deaths(of_month, len(months), n, p), without_deaths, step)
        limit, found, alarm = _limit(steps, abs(step) / GRID, run_length, len(months))
        if np.isnan(limit):
            warnings.append("期望死亡太少，找不到所定平均运行长度的界限")
    else:
        warnings.append("没有月份或期望死亡为 0，不能作图")
    return Cusum(
        table=table.assign(signal=table["cusum"] >= limit),
        odds_ratio=odds_ratio,
        limit=limit,
        run_length=found,
        false_alarm=alarm,
        warnings=tuple(warnings),
    )


def _summed(score: np.ndarray) -> np.ndarray:
    path = np.concatenate([[0.0], np.cumsum(score)])
    return (path - np.minimum.accumulate(path))[1:]  # S = max(0, S + score), written without a loop


def _deaths(of_month: np.ndarray, months: int, n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Probability of 0, 1, 2 … deaths in every month: months × counts."""
    logit = np.log(p / (1 - p))
    kinds, of_kind = np.unique(np.round(logit / CLASS_WIDTH), return_inverse=True)
    risk = np.bincount(of_kind, n * p) / np.bincount(of_kind, n)
    cases = np.bincount(of_month * len(kinds) + of_kind, n, minlength=months * len(kinds)).reshape(months, len(kinds))
    mean = (cases @ risk).max()
    most = int(min(mean + 12 * np.sqrt(mean) + 20, cases.sum(axis=1).max()))
    angle = 2 * np.pi * np.arange(most + 1) / (most + 1)
    transform = np.exp(cases @ np.log1p(risk[:, None] * np.expm1(1j * angle)))
    found = np.clip(np.fft.fft(transform, axis=1).real / (most + 1), 0, None)
    return found / found.sum(axis=1, keepdims=True)


def _increments(deaths: np.ndarray, without_deaths: np.ndarray, step: float) -> tuple[np.ndarray, int]:
    """Probability of each increment of a month drawn at random, on the grid of the chain, and the grid place of the first."""
    months, counts = deaths.shape
    at = (np.arange(counts) * step + without_deaths[:, None]).ravel() * GRID / abs(step)
    low = np.floor(at)
    part, weight = at - low, deaths.ravel() / months  # shared between two neighbours, so that the mean stays
    first = int(low.min())
    place = (low - first).astype(int)
    size = int(place.max()) + 2
    found = np.bincount(place, weight * (1 - part), minlength=size) + np.bincount(
        place + 1, weight * part, minlength=size
    )
    return found, first


def _chain(increments: tuple[np.ndarray, int], states: int) -> np.ndarray:
    """Transitions between the states 0 … states − 1 below the limit; what leaves them is a signal."""
    found, first = increments
    to = np.arange(states) - np.arange(states)[:, None] - first
    inside = (to >= 0) & (to < len(found))
    chain = np.where(inside, found[np.clip(to, 0, len(found) - 1)], 0.0)
    # all that would fall below 0 stays at 0
    below = np.concatenate([[0.0], np.cumsum(found)])
    chain[:, 0] = below[np.clip(1 - np.arange(states) - first, 0, len(found))]
    return chain


def _limit(
    increments: tuple[np.ndarray, int], width: float, run_length: float, months: int
) -> tuple[float, float, float]:
    """The smallest limit with at least the run length, its run length, and the chance of a signal within the months."""

    def length(states: int) -> float:
        chain = _chain(increments, states)
        return float(np.linalg.solve(np.eye(states) - chain, np.ones(states))[0])

    high = 8
    while length(high) < run_length:
        high *= 2
        if high > MOST_STATES:
            return np.nan, np.nan, np.nan
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if length(middle) >= run_length else (middle, high)
    silent = np.zeros(high)
    silent[0] = 1.0
    chain = _chain(increments, high)
    for _ in range(months):
        silent = silent @ chain
    return high * width, length(high), float(1 - silent.sum())
