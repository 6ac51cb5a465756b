"""A run's numbers as the table of values that systems score: one row a unit, a column an indicator, and their errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import ParameterError
from toolkit.evaluation.results import Results
from toolkit.programme.systems import System


def values_of(results: Results, system: System, period: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values and standard errors of every unit of a run that has enough cases.

    Parameters
    ----------
    system
        Its items of `source: records` become columns; `tier`, `track` (市级外科, 县级外科, 内科) and `level_group` stand beside.
    period
        A cycle or year of the run; the last cycle where none is given. Contemporaneous: each year against its own reference.

    Returns
    -------
    tuple
        Two frames with one row a unit: `unit` of the system (the unit's id), `hospital, specialty, county, tier, track,
        level_group, cases`, then the columns of the items; missing where the run has no value.

    Raises
    ------
    ParameterError
        The run has no such period.
    """
    cells = results.cells
    cells = cells[(cells["level"] == "unit") & (cells["basis"] == "contemporaneous")]
    period = period or results.last_period
    if period not in (known := sorted(set(cells["period"]))):
        raise ParameterError(
            f"没有期间 {period}",
            "no such period",
            where="--period",
            remedy=f"可用: {'、'.join(known)}",
            remedy_english="one of these",
        )
    units = results.units[results.units["eligible"].astype(bool)].reset_index(drop=True)
    hospitals = results.hospitals.set_index("code")
    keys = ["hospital", "specialty"]
    own = cells[cells["period"] == period]
    operates = units["specialty"].isin([one.id for one in results.params.specialties if one.surgical])
    tier = units["hospital"].map(hospitals["tier"]).astype(str)
    cases = own[own["indicator"] == "volume"].set_index(keys)["n"]
    frame = pd.DataFrame(
        {
            system.unit: units["id"].astype(str),
            "hospital": units["hospital"].astype(str),
            "specialty": units["specialty"].astype(str),
            "county": units["hospital"].map(hospitals["county"]).astype(str),
            "tier": tier,
            "track": np.where(operates, tier + "级外科", "内科"),
            "level_group": units["hospital"].map(hospitals["level_group"]).astype(str),
            "cases": cases.reindex(pd.MultiIndex.from_frame(units[keys])).to_numpy(),
        }
    )
    errors = frame.copy()
    for item in system.items:
        if item.source != "records":
            continue
        one = own[own["indicator"] == item.of].set_index(keys)[["value", "se"]]
        at = one.reindex(pd.MultiIndex.from_frame(units[keys]))
        frame[item.of], errors[item.of] = at["value"].to_numpy(float), at["se"].to_numpy(float)
    return frame, errors
