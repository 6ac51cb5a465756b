"""The closed-form errors and limits against a bootstrap of the records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit import cube as cubes
from toolkit.indicators import CATALOGUE
from toolkit.indicators.bootstrap import bootstrap
from toolkit.indicators.table import collect
from toolkit.reference import attach

CHECKED = ["cost_index", "los_index", "mean_cost", "mean_los", "cmi", "mortality", "level4_share"]
LEVEL = ["hospital", "specialty", "cycle"]


def region(seed: int = 11, n: int = 6000) -> pd.DataFrame:
    """合成 discharges of three hospitals, long-tailed, with deaths and operations."""
    rng = np.random.default_rng(seed)
    drg = rng.choice(["FA11", "FB21", "FC31", "GD41"], n, p=[0.4, 0.3, 0.2, 0.1])
    level = pd.Series(drg).map({"FA11": 9.0, "FB21": 9.6, "FC31": 10.2, "GD41": 10.8}).to_numpy()
    surgical = rng.random(n) < 0.5
    frame = pd.DataFrame(
        {
            "hospital": rng.choice(["A", "B", "C"], n),
            "year": rng.choice(["2019", "2020", "2021", "2022"], n),
            "drg": drg,
            "cost_fen": np.round(np.exp(rng.normal(level, 0.6)) * 100).astype(int).astype(str),
            "los_days": np.maximum(1, rng.negative_binomial(3, 0.25, n)).astype(str),
            "died": np.where(rng.random(n) < 0.03, "true", "false"),
            "surgical": np.where(surgical, "true", "false"),
            "surgery_level": np.where(surgical, rng.integers(1, 5, n).astype(str), ""),
        }
    )
    for name, plain in rows.DEFAULTS.items():
        if name not in frame:
            frame[name] = plain
    return frame


@pytest.mark.parametrize("basis", cubes.BASES)
def test_closed_form_errors_are_those_of_drawing_the_records_again(engine, basis):
    frame = region()
    params = rows.params(
        cycles=rows.CYCLES,
        price_index={y: 1.04 ** (y - 2019) for y in range(2019, 2025)},
        specialties=[{"id": "s1", "name_zh": "一", "surgical": True, "departments": ["D1"]}],
    )
    hospitals = rows.registry_of(frame)
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    table = engine.connection.create_table("drawn_from", rows.stored(frame), overwrite=True)
    referenced = attach(cubes.build(table, params, groups, connection=engine.connection), params, hospitals, basis)
    chosen = [CATALOGUE[i] for i in CHECKED]
    cells = collect(referenced, chosen, LEVEL).set_index([*LEVEL, "indicator"]).loc["A", "s1"]
    drawn = cubes.resampled(table, params, groups, ("A", "s1"), replicates=400, seed=5, connection=engine.connection)
    found = (
        bootstrap(drawn, referenced, chosen, LEVEL, params, hospitals).set_index([*LEVEL, "indicator"]).loc["A", "s1"]
    )
    both = cells.join(found.add_suffix("_drawn")).loc[["before"]]
    assert len(both) == len(CHECKED)
    assert (both["replicates_drawn"] == 400).all()
    # 400 replicates know a standard error to about 1/sqrt(800) = 3.5 %; three of them
    np.testing.assert_allclose(both["se_drawn"], both["se"], rtol=0.11)
    width = both["high"] - both["low"]
    # exact limits of rare deaths are wider than percentiles
    assert ((both["high_drawn"] - both["low_drawn"]) / width).between(0.75, 1.15).all()


def test_the_bootstrap_repeats(engine):
    frame = region(3, 500)
    params, hospitals = rows.params(cycles=rows.CYCLES), rows.registry_of(frame)
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]

    def cubes_of(data: pd.DataFrame) -> pd.DataFrame:
        table = engine.connection.create_table("drawn_from", rows.stored(data), overwrite=True)
        return cubes.resampled(table, params, groups, ("A", "s1"), replicates=3, connection=engine.connection)

    one, two = cubes_of(frame), cubes_of(frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(one, two)
    assert (one.groupby("replicate")["n"].sum() == (frame["hospital"] == "A").sum()).all()
