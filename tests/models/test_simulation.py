"""The generator of cells against regions that went through records, cube and references: the same spread, level by level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.models.test_planted_effects import region
from toolkit.models.change.simulation import World, simulate
from toolkit.synthetic import Settings

INDICATORS = ("cost_index", "los_index", "cmi")
UNIT = ["hospital", "specialty"]


def described(cells: pd.DataFrame, level_group: pd.Series) -> pd.DataFrame:
    """Of units by cycle: spread of one stay, SD of log levels within specialty and level, of log changes, and their mean."""
    rows = cells[cells["indicator"].isin(INDICATORS) & cells["period"].isin(["before", "after"]) & (cells["n"] >= 100)]
    rows = rows.assign(log=np.log(rows["value"]), cv=rows["se"] * np.sqrt(rows["n"]) / rows["value"])
    found = {}
    for indicator, part in rows.groupby("indicator"):
        log = part.pivot_table(index=UNIT, columns="period", values="log").dropna()
        group = (
            log.index.get_level_values("specialty")
            + level_group.reindex(log.index.get_level_values("hospital")).to_numpy()
        )
        level = log["before"] - log["before"].groupby(group).transform("mean")
        found[indicator] = {
            "cv": part["cv"].median(),
            "level": level.std(),
            "change": (log["after"] - log["before"]).std(),
            "mean_change": (log["after"] - log["before"]).mean(),
        }
    return pd.DataFrame(found).T


@pytest.mark.slow(seconds=60)
def test_simulated_cells_scatter_like_those_of_generated_records(tmp_path):
    results, truth = region(5, tmp_path)
    funded = {(p["hospital"], p["specialty"]) for p in truth["projects"]}
    cells = results.cells[(results.cells["level"] == "unit") & (results.cells["basis"] == "frozen")]
    cells = cells[[pair not in funded for pair in zip(cells["hospital"], cells["specialty"], strict=True)]]
    level_group = results.hospitals.set_index("code")["level_group"]
    real = described(cells.assign(indicator=cells["indicator"].astype(str)), level_group)
    # the same settings, without projects and drift
    world = World(settings=Settings(discharges=90_000, projects=0, drift_sd=0))
    drawn = [simulate(world, seed) for seed in range(4)]
    simulated = (
        sum(described(r.cells, r.units.drop_duplicates("hospital").set_index("hospital")["level_group"]) for r in drawn)
        / 4
    )
    real, costs = real.reindex(simulated.index), ["cost_index", "los_index"]
    assert simulated.loc[costs, "cv"].to_numpy() == pytest.approx(real.loc[costs, "cv"].to_numpy(), rel=0.12)
    # weights spread as the drawn DRGs do, which are few and differ from region to region
    assert simulated.loc["cmi", "cv"] == pytest.approx(real.loc["cmi", "cv"], rel=0.35)
    # a unit stands in its own reference, which pulls its index, luck and all, towards 1; the generator leaves that out
    assert (real["level"] / simulated["level"])[costs].between(0.55, 1.1).all()
    assert simulated.loc["cmi", "level"] == pytest.approx(real.loc["cmi", "level"], rel=0.35)
    # in units of the spread of one stay, which the line above compares
    changes = [(one["change"] / one["cv"]).to_numpy() for one in (simulated, real)]
    assert changes[0] == pytest.approx(changes[1], rel=0.30)
    assert simulated["mean_change"].to_numpy() == pytest.approx(real["mean_change"].to_numpy(), abs=0.02)
