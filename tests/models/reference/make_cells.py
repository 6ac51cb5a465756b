"""Write cells.csv: yearly sums of a small simulated region (合成数据), with holes; the input that both sides read.

Run once, `python -m tests.models.reference.make_cells`; the file is what counts, not that this gives it again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.models.change.simulation import World, simulate
from toolkit.synthetic import Settings

HERE = Path(__file__).parent
KEPT = ("cardiology", "general_surgery", "neurology", "orthopaedics")


def main() -> None:
    world = World(
        settings=Settings(hospitals=14, discharges=60_000, projects=24),
        effects={"cost_index": 0.9},
        starts=(2022, 2022, 2023),
    )
    region = simulate(world, 5)
    units = region.units[region.units["specialty"].isin(KEPT)]
    cells = region.cells[
        region.cells["period"].str.fullmatch(r"\d{4}") & region.cells["indicator"].isin(["cost_index", "mortality"])
    ]
    rows = units.merge(cells, on=["hospital", "specialty"])
    rows = rows[np.random.default_rng(1).random(len(rows)) > 0.02]  # an unbalanced panel
    columns = ["hospital", "specialty", "level_group", "start", "eligible", "period", "indicator", "n", "x", "y", "xx"]
    rows[columns].to_csv(HERE / "cells.csv", index=False, lineterminator="\n", float_format="%.12g")


def read() -> pd.DataFrame:
    return pd.read_csv(HERE / "cells.csv", dtype={"hospital": str, "period": str})


if __name__ == "__main__":
    main()
