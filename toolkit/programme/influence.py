"""Which input moves the result most: Sobol's indices of ranks and of who is chosen, by input (errors, panel, weights, policy).

First order: the share of the variance that an input moves by itself. Total: that with all in which it takes part. Variances of
all units are added up, so that one number stands for the whole table (generalised indices).

References
----------
Sobol (2001), doi:10.1016/S0378-4754(00)00270-6. Estimators: Saltelli et al. (2010), doi:10.1016/j.cpc.2009.09.018; total:
Jansen (1999), doi:10.1016/S0010-4655(98)00154-4. Of several outputs: Gamboa, Janon, Klein, Lagnoux (2014), doi:10.1214/14-EJS895.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import scipy

from toolkit.programme.draws import Draws, Input

COLUMNS = ("of", "input", "input_zh", "first", "first_low", "first_high", "total", "total_low", "total_high", "draws")
MOST = 256  # draws that are made again for each input
RESAMPLES = 400
RANKS, CHOSEN = "ranks", "chosen"


def drawn_anew(draws: int) -> int:
    """How many of so many draws are made again for each input: a power of two, at most half of them."""
    return min(MOST, 1 << max(0, (draws // 2).bit_length() - 1)) if draws >= 4 else 0


def influence(
    draws: Draws,
    chosen: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    known: np.ndarray | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """How much each input moves the ranks, and who is chosen.

    Parameters
    ----------
    draws
        With `anew`.
    chosen
        From scores (draws, units) to who is chosen, 0 or 1, (draws, applicants); without it only ranks are told.
    known
        What `chosen` makes of the draws' scores, where that was done already.

    Returns
    -------
    pd.DataFrame
        One row a result (`ranks`, `chosen`) and input: `of, input, input_zh`, `first`, `total` with their 95 % limits, `draws`.
        An input that is known for certain has missing values: it was not given, not found to be without influence. So has
        everything where nothing moves.
    """
    parts = [_rows(RANKS, draws, lambda scores: np.nan_to_num(draws.ranks(scores)), None, seed)]
    if chosen is not None:
        parts.append(_rows(CHOSEN, draws, chosen, known, seed))
    return pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))


def _rows(
    of: str, draws: Draws, result: Callable[[np.ndarray], np.ndarray], known: np.ndarray | None, seed: int
) -> list[tuple[object, ...]]:
    size = next((len(scores) for scores in draws.anew.values()), 0)
    told: Mapping[Input, tuple[float, ...]] = {}
    if size:
        both = (result(draws.scores[: 2 * size]) if known is None else known)[: 2 * size]
        one, other = both[:size], both[size:]
        told = _indices(one, other, {which: result(scores) for which, scores in draws.anew.items()}, seed)
    return [(of, which.value, which.zh, *told.get(which, (np.nan,) * 6), size) for which in Input]


def _indices(
    one: np.ndarray, other: np.ndarray, mixed: Mapping[Input, np.ndarray], seed: int
) -> Mapping[Input, tuple[float, ...]]:
    """First order and total with their limits; arrays of shape (draws, units)."""
    moves = np.ptp(np.concatenate([one, other, *mixed.values()]), axis=0) > 0
    if not moves.any():
        return {}
    middle = one[:, moves].mean(axis=0)  # of a result far from 0 the estimators lose their digits
    # scipy loses the axis of a single input: beside it stands one that moves nothing, which is not told
    given = {"f_A": one, "f_B": other, "f_AB": np.stack([*mixed.values(), one])}
    ready = {name: np.moveaxis(values[..., moves] - middle, -2, -1) for name, values in given.items()}
    found = scipy.stats.sobol_indices(func=ready, n=len(one), method=_generalised, rng=np.random.default_rng(seed))

    def again(drawn: np.ndarray) -> np.ndarray:
        return np.stack(_generalised(*(ready[name][..., drawn] for name in ("f_A", "f_B", "f_AB"))))

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)  # an input without any influence
        # not the result's own bootstrap, which draws anew each time: the same seed must give the same limits
        limits = scipy.stats.bootstrap(
            (np.arange(len(one)),),
            again,
            confidence_level=0.95,
            n_resamples=RESAMPLES,
            vectorized=False,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    told = []
    for place, value in enumerate((found.first_order, found.total_order)):
        ends = (limits.low[place], limits.high[place])
        told += [value, *(np.where(np.isnan(end), value, end) for end in ends)]
    return {which: tuple(float(np.ravel(one)[k]) for one in told) for k, which in enumerate(mixed)}


def _generalised(f_A: np.ndarray, f_B: np.ndarray, f_AB: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both indices over all units together; shape (inputs,). Arrays of shape (units, draws), `f_AB` (inputs, units, draws)."""
    variance = np.concatenate([f_A, f_B], axis=-1).var(axis=-1).sum()
    if not variance > 0:
        none = np.full(len(f_AB), np.nan)
        return none, none
    first = (f_B * (f_AB - f_A)).mean(axis=-1).sum(axis=-1) / variance
    total = 0.5 * ((f_A - f_AB) ** 2).mean(axis=-1).sum(axis=-1) / variance
    return first, total
