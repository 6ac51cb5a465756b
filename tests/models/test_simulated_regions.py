"""Size, coverage and bias on simulated regions, projects selected by merit; a small version of `benchmarks/models.py`.

Seeds are written. 24 regions of 12 projects make 288 estimates an indicator: a share of 5 % has a standard error of 1.3 points,
that of four indicators together 0.7; the full simulation has 1,000 regions (docs/models.md).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.models.change import METHODS, RECOMMENDED
from toolkit.models.change.bench import PLANTED, bench, study_of, summary
from toolkit.models.change.simulation import World, simulate
from toolkit.params import ComparisonPolicy
from toolkit.synthetic import Settings

REGIONS = 24


@pytest.fixture(scope="module")
def benched() -> pd.DataFrame:
    return bench(World(), ["two_period_ratio", RECOMMENDED], REGIONS).set_index(["method", "indicator"])


@pytest.mark.slow
def test_without_an_effect_the_recommended_method_rejects_one_in_twenty(benched):
    found = benched.loc[RECOMMENDED]
    assert found["type_one"].drop("mortality").mean() == pytest.approx(0.05, abs=0.015)
    assert found["type_one"].max() < 0.10  # of one indicator: three standard errors
    assert found.loc["mortality", "type_one"] < 0.09  # counts: below the level in the full simulation


def test_its_interval_covers_the_planted_effect(benched):
    found = benched.loc[RECOMMENDED]
    assert found["coverage"].drop("mortality").mean() == pytest.approx(0.95, abs=0.025)
    assert found["coverage"].min() > 0.90


def test_a_plain_before_after_calls_a_common_trend_an_improvement(benched):
    # LOS falls by 2.5 % a year everywhere: nothing a project did
    naive, corrected = benched.loc[("two_period_ratio", "los_index")], benched.loc[(RECOMMENDED, "los_index")]
    assert naive["false_improvement"] > 0.3
    assert corrected["false_improvement"] < 0.06


def test_baseline_adjustment_takes_most_of_the_regression_to_the_mean_out():
    # small units selected by a noisy baseline: without the adjustment what falls back is taken for the project's doing
    world = World(settings=Settings(discharges=60_000))
    plain = bench(world, [RECOMMENDED], 16, effects={"cmi": 1.0}, comparison=ComparisonPolicy(adjustment="unadjusted"))
    adjusted = bench(world, [RECOMMENDED], 16, effects={"cmi": 1.0})
    bias = [t.set_index("indicator").loc["cmi", "bias"] for t in (plain, adjusted)]
    assert bias[0] < -0.02
    assert abs(bias[1]) < 0.6 * abs(bias[0])


def test_a_large_effect_is_found_and_a_bad_one_is_not_called_good():
    world = World(settings=Settings(discharges=400_000))
    found = bench(world, [RECOMMENDED, "twfe"], 2, effects={"cost_index": 0.75, "los_index": 1.3})
    unit = found[(found["level"] == "unit") & found["indicator"].isin(["cost_index", "los_index"])].set_index(
        ["method", "indicator"]
    )
    assert unit.loc[RECOMMENDED, "power"].min() > 0.9
    together = found[(found["level"] == "region") & (found["indicator"] == "cost_index")].set_index("method")
    assert together["power"].min() == 1.0


def test_staggered_starts_are_recovered():
    pytest.importorskip("diff_diff")
    world = World(
        settings=Settings(discharges=300_000, selection="random"), starts=(2022, 2023), effects={"cost_index": 0.8}
    )
    rows = []
    for seed in range(3):
        region = simulate(world, seed)
        rows.append(METHODS["staggered"].estimate(region.cells, study_of(region.units, world)).changes)
    found = pd.concat(rows).set_index("indicator").loc["cost_index"]
    assert np.log(found["estimate"]).mean() == pytest.approx(np.log(0.8), abs=0.02)
    assert ((found["low"] <= 0.8) & (found["high"] >= 0.8)).sum() >= 2


def test_the_summary_counts_by_hand():
    rows = [
        ("none", 0, 1.2, 1.1, 1.3, 0.01, 1.0),
        ("none", 1, 0.9, 0.8, 1.1, 0.4, 1.0),
        ("none", 2, 0.8, 0.7, 0.9, 0.02, 1.0),
        ("none", 3, np.nan, np.nan, np.nan, np.nan, 1.0),
        ("planted", 0, 0.5, 0.4, 0.6, 0.001, 0.5),
        ("planted", 1, 1.0, 0.8, 1.2, 0.9, 0.5),
        ("planted", 2, 2.0, 1.5, 2.5, 0.01, 0.5),
        ("planted", 3, 0.5, np.nan, np.nan, 0.3, 0.5),
    ]
    frame = pd.DataFrame(rows, columns=["scene", "seed", "estimate", "low", "high", "p_value", "truth"])
    [row] = summary(frame.assign(method="m", level="unit", indicator="cost_index", seconds=1.0)).to_dict("records")
    assert row["type_one"] == pytest.approx(2 / 3)
    assert row["false_improvement"] == pytest.approx(1 / 3)  # a lower cost index is better
    assert row["false_worsening"] == pytest.approx(1 / 3)
    assert row["coverage"] == pytest.approx(1 / 3)
    assert row["power"] == pytest.approx(1 / 4)  # the third is on the wrong side
    assert row["bias"] == pytest.approx((0 + np.log(2) + np.log(4) + 0) / 4)
    assert (row["without_p"], row["without_limits"]) == (0.25, 0.25)


def test_equal_seeds_give_equal_regions_and_planted_effects_touch_projects_only():
    one, two = simulate(World(), 3), simulate(World(effects=PLANTED), 3)
    pd.testing.assert_frame_equal(one.cells, simulate(World(), 3).cells)
    pd.testing.assert_frame_equal(one.units, two.units)
    funded = one.units[one.units["start"] > 0]
    assert len(funded) == 12
    keys = ["hospital", "specialty", "period", "indicator"]
    both = one.cells.merge(two.cells, on=keys, suffixes=("", "_planted"))
    both["before"] = both["period"].isin(["2019", "2020", "2021", "before"])
    assert (both.loc[both["before"], "x"].fillna(0) == both.loc[both["before"], "x_planted"].fillna(0)).all()
    after = both[both["period"] == "after"].merge(funded[["hospital", "specialty"]].assign(funded=True), how="left")
    ratio = after["x_planted"] / after["y_planted"] / (after["x"] / after["y"])
    costs = after["indicator"] == "cost_index"
    assert ratio[costs & after["funded"].eq(True)].to_numpy() == pytest.approx(0.9, rel=1e-9)
    assert ratio[costs & after["funded"].isna()].to_numpy() == pytest.approx(1.0, rel=1e-9)
