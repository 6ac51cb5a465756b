"""Correlation of a unit's indicators by their records: those of a few projects drawn again, every indicator from the same draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit import cube as cubes
from toolkit.data import store as stores
from toolkit.engine import connect
from toolkit.evaluation.results import DATA, RESULTS, Results, load
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.indicators.bootstrap import replicated
from toolkit.indicators.members import by_specialty
from toolkit.reference import attach
from toolkit.running.scratch import scratch

REPLICATES = 200
UNITS = 8  # projects that are drawn again; their correlations are alike, and 8 × 200 tell them to about 0.03
LEAST_REPLICATES = 50  # that have both indicators


def record_correlation(folder: Path, indicators: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Correlation of the changes (ln of after ÷ before, frozen basis) of indicators of one unit, records drawn again.

    Parameters
    ----------
    folder
        Of a finished run.
    indicators
        Ids of a decision rule; those that are no indicators of the catalogue are left out.

    Returns
    -------
    pd.DataFrame
        A row and a column an indicator, missing where no project has both; empty where the run holds no records (sums and
        values, release edition) or no project.
    """
    results = load(folder / RESULTS)
    chosen = [i for i in indicators if i in CATALOGUE]
    store = folder / DATA / stores.DISCHARGES
    no_records = results.params.data.summed or results.params.edition == "release" or not store.is_dir()
    projects = results.units[results.units["project"].astype(str) != ""].sort_values("id")
    if no_records or projects.empty or not chosen:
        return pd.DataFrame()
    at = np.unique(np.linspace(0, len(projects) - 1, min(UNITS, len(projects))).round().astype(int))
    parts = _drawn_again(results, store, projects.iloc[at], chosen, seed)
    # the mean on Fisher's scale, of the projects that have both
    seen = np.stack([np.arctanh(np.clip(part, -0.999, 0.999)) for part in parts])
    counted = (~np.isnan(seen)).sum(axis=0)
    mean = np.where(counted > 0, np.tanh(np.nansum(seen, axis=0) / np.maximum(counted, 1)), np.nan)
    np.fill_diagonal(mean, 1.0)
    return pd.DataFrame(mean, index=chosen, columns=chosen)


def _drawn_again(
    results: Results, store: Path, units: pd.DataFrame, chosen: list[str], seed: int
) -> Sequence[np.ndarray]:
    """Correlations of each unit; shape (indicators, indicators), missing where too few draws have both."""
    params, by = results.params, ["hospital", "specialty", "cycle"]
    groups = results.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    referenced = by_specialty(attach(results.cube, params, results.hospitals, "frozen"), params.specialties)
    first, last = next(iter(params.periods)), results.last_period
    declared, found = [CATALOGUE[i] for i in chosen], []
    with scratch() as work:
        connection = connect(Path(work), [store])
        try:
            discharges = stores.discharges(connection, store)
            for k, one in enumerate(rows_of(units)):
                drawn = cubes.resampled(
                    discharges,
                    params,
                    groups,
                    (one.hospital, one.specialty),
                    replicates=REPLICATES,
                    seed=seed + k,
                    connection=connection,
                )
                cells = replicated(drawn, referenced, declared, by, params, results.hospitals)
                wide = cells.pivot_table(index=["cycle", "indicator"], columns="replicate", values="value")
                found.append(_of_changes(wide, first, last, chosen))
        finally:
            connection.disconnect()
    return found


def _of_changes(wide: pd.DataFrame, first: str, last: str, chosen: list[str]) -> np.ndarray:
    """Correlations over the draws of one unit, from its values by cycle and indicator (rows) and draw (columns)."""
    size = len(wide.columns)
    values = {
        period: wide.xs(period, level="cycle").reindex(chosen)
        if period in wide.index.get_level_values("cycle")
        else pd.DataFrame(np.nan, index=chosen, columns=wide.columns)
        for period in (first, last)
    }
    with np.errstate(all="ignore"):
        change = np.log(values[last].to_numpy(float) / values[first].to_numpy(float))
    frame = pd.DataFrame(np.where(np.isfinite(change), change, np.nan).T, columns=chosen, index=range(size))
    return frame.corr(min_periods=LEAST_REPLICATES).to_numpy(float)
