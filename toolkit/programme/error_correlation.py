"""How the errors of one unit's indicators go together: they rest on the same records, so no draw may move them apart.

Two sources tell it. Drawing the records of projects again, every indicator from the same draw, gives what shared records do.
Units without project, each with the distance of its change from what was expected of it, give what they do together with all
else that moves units; they are few, so what they show moves the first only as far as it is not chance. Where no records are
at hand (sums, the release edition) the units speak alone.

References
----------
From Spearman's to the correlation of normal variables: 2 sin(π ρ / 6) (Pearson 1907). Its error on Fisher's scale:
1.06 / (n − 3) (Fieller, Hartley, Pearson 1957).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import scipy

from toolkit.evaluation.results import Results

LEAST_UNITS = 6  # that have both indicators: with fewer nothing is told of a pair
VARIANCE = 1.06  # × 1 / (n − 3), of Fisher's transform of a rank correlation
HIGHEST = 0.999  # two names of one number
SPREAD = 0.3  # of correlations about none on Fisher's scale, where no records tell them; a policy choice
PAIRS = ("indicator", "other", "units", "observed", "by_records", "correlation")


def correlations(
    distances: pd.DataFrame, indicators: Sequence[str], by_records: pd.DataFrame | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Correlation of the errors of indicators of one unit.

    Parameters
    ----------
    distances
        One row a unit, a column an indicator: distance of the change from what was expected, in standard errors; missing
        where the unit has none.
    indicators
        Ids, in the order of the result. One that neither source knows goes with no other.
    by_records
        Correlation by drawing records again: a row and a column an indicator; missing where unknown.

    Returns
    -------
    tuple
        Shape (indicators, indicators), a correlation matrix; one row a pair: `indicator, other, units` (that have both),
        `observed` (missing with fewer than `LEAST_UNITS`), `by_records`, `correlation` (as it is used).
    """
    records = pd.DataFrame() if by_records is None else by_records
    ids = [i for i in indicators if i in distances or i in records]
    frame = distances.reindex(columns=ids).astype(float).replace([np.inf, -np.inf], np.nan)
    rows = []
    for one, other in combinations(ids, 2):
        both = frame[[one, other]].dropna()
        observed = _observed(both[one], both[other]) if len(both) >= LEAST_UNITS else np.nan
        told = records[other].get(one, np.nan) if other in records else np.nan
        rows.append((one, other, len(both), observed, told))
    pairs = pd.DataFrame(rows, columns=list(PAIRS[:5]))
    used = _together(*(pairs[c].to_numpy(float) for c in ("observed", "units", "by_records")))
    matrix, place = np.eye(len(indicators)), {id_: k for k, id_ in enumerate(indicators)}
    for (one, other, *_), value in zip(rows, used, strict=True):
        matrix[place[one], place[other]] = matrix[place[other], place[one]] = value
    matrix = _possible(matrix)
    given = [matrix[place[one], place[other]] for one, other, *_ in rows]
    return matrix, pairs.assign(correlation=np.array(given, dtype=float))


def _observed(one: pd.Series, other: pd.Series) -> float:
    """Correlation of the normal variables that have these ranks; none where one of them does not differ."""
    ranks = one.rank().to_numpy(float), other.rank().to_numpy(float)
    if min(np.ptp(r) for r in ranks) == 0:
        return np.nan
    rank = float(np.corrcoef(*ranks)[0, 1])
    return float(np.clip(2 * np.sin(np.pi * rank / 6), -HIGHEST, HIGHEST))


def _together(observed: np.ndarray, units: np.ndarray, by_records: np.ndarray) -> np.ndarray:
    """What the units show, drawn towards what records tell (towards none without them) by how much of it is chance."""
    seen, told = ~np.isnan(observed), ~np.isnan(by_records)
    begin = np.arctanh(np.clip(np.where(told, by_records, 0.0), -HIGHEST, HIGHEST))
    away = np.where(seen, np.arctanh(np.where(seen, observed, 0.0)) - begin, 0.0)
    chance = VARIANCE / np.maximum(units - 3, 1)
    both = seen & told
    spread = np.where(told, max(0.0, float((away[both] ** 2 - chance[both]).mean())) if both.any() else 0.0, SPREAD**2)
    return np.asarray(np.tanh(begin + away * spread / (spread + chance)))


def _possible(matrix: np.ndarray) -> np.ndarray:
    """The matrix with what no variables can have taken out: pairs of different units may contradict each other."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=1.0) >= 0:
        return matrix
    made = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale = np.sqrt(np.diag(made))
    return np.asarray(made / scale[:, None] / scale[None, :])


def normal(matrix: np.ndarray, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Standard normal numbers with these correlations; shape (*size, indicators)."""
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(generator.normal(size=(*size, len(matrix))) @ root.T)


# --- from a run -----------------------------------------------------------------------------------------------------------


def distances_of(results: Results) -> pd.DataFrame:
    """Distances of the units without project, as `correlations` reads them.

    Of the method that judges (table `placebos`); of a method that knows no placebos the plain changes between the two cycles,
    against the middle one of the specialty.
    """
    rows = _of_placebos(results) if len(results.placebos) else _of_cells(results)
    return rows.pivot_table(index=["hospital", "specialty"], columns="indicator", values="distance", aggfunc="mean")


def _of_placebos(results: Results) -> pd.DataFrame:
    rows = results.placebos
    z = float(scipy.special.ndtri(0.5 + results.params.change.confidence / 2))
    estimate, low, high = (rows[c].to_numpy(float) for c in ("estimate", "low", "high"))
    with np.errstate(all="ignore"):
        distance = np.log(estimate) / (np.log(high / low) / (2 * z))
    return rows[["hospital", "specialty", "indicator"]].assign(distance=distance).pipe(_finite)


def _of_cells(results: Results) -> pd.DataFrame:
    keys, names = ["hospital", "specialty", "indicator"], list(results.params.periods)
    units = results.units[results.units["project"].astype(str) == ""][["hospital", "specialty"]]
    cells = results.cells[(results.cells["level"] == "unit") & (results.cells["basis"] == "frozen")].merge(units)
    before, after = (cells[cells["period"] == name].set_index(keys)[["value", "se"]] for name in (names[0], names[-1]))
    both = before.merge(after, left_index=True, right_index=True, suffixes=("_before", "_after")).reset_index()
    with np.errstate(all="ignore"):
        change = np.log(both["value_after"] / both["value_before"])
        width = np.hypot(both["se_after"] / both["value_after"], both["se_before"] / both["value_before"])
    both = _finite(both.assign(distance=change, width=width))
    middle = both.groupby(["specialty", "indicator"])["distance"].transform("median")
    return _finite(both.assign(distance=(both["distance"] - middle) / both["width"]))


def _finite(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[np.isfinite(rows["distance"].to_numpy(float))]
