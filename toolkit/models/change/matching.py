"""Matching on the baseline: of a project's comparison units those that stood where it stood.

References
----------
Daw, Hatfield (2018), doi:10.1111/1475-6773.12993: matching on a noisy baseline can bring regression to the mean in as well
as take it out; so matching is an option, and what the baseline lets expect stands beside the estimate.
"""

from __future__ import annotations

import numpy as np

from toolkit.models.change.panel import Comparisons, Panel


def nearest(compared: Comparisons, panel: Panel, before: np.ndarray, count: int) -> Comparisons:
    """Of every project's comparison units, the `count` nearest in baseline level and trend.

    Parameters
    ----------
    before
        Which years of the panel are before; all of them are used.

    Notes
    -----
    Distance is Euclidean over the level (log of the pooled value) and the trend (slope of yearly logs), each divided by its
    SD over all units of the indicator. A unit without a trend is matched on its level.
    """
    level = panel.over(before).log
    logs = np.where(before, panel.yearly.log, np.nan)
    when = np.where(np.isfinite(logs), np.arange(logs.shape[1]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        several = np.isfinite(logs).sum(axis=1) > 1
        here = np.where(several[:, None], when, 0.0)
        centred = here - np.nanmean(here, axis=1, keepdims=True)
        trend = np.nansum(centred * np.where(np.isfinite(logs), logs, 0.0), axis=1) / np.nansum(centred**2, axis=1)
    parts = [_standardised(level), np.nan_to_num(_standardised(np.where(several, trend, np.nan)))]
    distance = sum((part[compared.project] - part[compared.unit]) ** 2 for part in parts)
    order = np.lexsort((compared.unit, np.nan_to_num(distance, nan=np.inf), compared.project))
    project, unit = compared.project[order], compared.unit[order]
    first = np.r_[True, project[1:] != project[:-1]] if len(project) else np.empty(0, dtype=bool)
    rank = np.arange(len(project)) - np.maximum.accumulate(np.where(first, np.arange(len(project)), 0))
    keep = rank < count
    return Comparisons(project=project[keep], unit=unit[keep], widened=compared.widened, group=compared.group)


def _standardised(values: np.ndarray) -> np.ndarray:
    good = np.isfinite(values)
    spread = float(np.std(values[good])) if good.any() else 0.0
    return values / spread if spread > 0 else np.zeros_like(values)
