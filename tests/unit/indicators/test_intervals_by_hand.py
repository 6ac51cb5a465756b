"""Standard errors, limits and own shares a second time: record by record, from textbook formulas, without the cube's sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from toolkit.indicators import CATALOGUE

# 合成数据: hospital A holds 3 of 7 and 2 of 4 cases of the two groups; costs in fen
DISCHARGES = """
hospital | year | drg  | cost_fen | los_days | died
A        | 2020 | FA11 | 80000    | 4        | F
A        | 2020 | FA11 | 120000   | 6        | F
A        | 2021 | FA11 | 310000   | 15       | T
A        | 2021 | FB21 | 420000   | 12       | F
A        | 2021 | FB21 | 480000   | 20       | F
B        | 2020 | FA11 | 100000   | 5        | F
B        | 2020 | FA11 | 90000    | 7        | T
B        | 2021 | FA11 | 150000   | 9        | F
B        | 2021 | FA11 | 70000    | 3        | F
B        | 2021 | FB21 | 300000   | 8        | F
B        | 2021 | FB21 | 350000   | 11       | F
A        | 2023 | FA11 | 200000   | 10       | F
A        | 2023 | FB21 | 660000   | 25       | F
A        | 2024 | FA11 | 90000    | 2        | F
B        | 2023 | FA11 | 130000   | 4        | F
"""
PRICES = {2019: 1.0, 2020: 1.0, 2021: 1.25, 2022: 1.3, 2023: 1.6, 2024: 2.0}
Z = stats.norm.ppf(0.975)


@pytest.fixture(scope="module")
def discharges() -> pd.DataFrame:
    return rows.received(DISCHARGES)


def records(frame: pd.DataFrame, prices: dict[int, float] | None = None) -> pd.DataFrame:
    """One row a discharge as numbers, costs at constant prices, with the frozen reference mean of its group."""
    one = frame[["hospital", "drg"]].assign(
        year=frame["year"].astype(int), cost=frame["cost_fen"].astype(float), los=frame["los_days"].astype(float)
    )
    if prices:
        one["cost"] /= one["year"].map(prices)
    before = one[one["year"] <= 2021]
    for name in ("cost", "los"):
        one[f"ref_{name}"] = one["drg"].map(before.groupby("drg")[name].mean())
    one["own"] = one["drg"].map(before[before["hospital"] == "A"]["drg"].value_counts() / before["drg"].value_counts())
    return one


def cell(engine, frame: pd.DataFrame, id_: str, cycle: str, basis: str = "frozen", **policy) -> pd.Series:
    # the arithmetic of errors, own cases in the reference
    reference = {**rows.PLAIN["reference"], "frozen": "same", **policy.pop("reference", {})}
    params = rows.params(cycles=rows.CYCLES, reference=reference, **policy)
    cells = engine.cells(frame, params, [CATALOGUE[id_]], ["hospital", "cycle"], basis=basis)
    [at] = cells.index[(cells["hospital"] == "A") & (cells["cycle"] == cycle)]
    return cells.loc[at]


def of_mean(terms: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, its error, and limits on the log scale by the delta method."""
    mean, error = terms.mean(), terms.std(ddof=1) / np.sqrt(len(terms))
    return mean, error, mean * np.exp(-Z * error / mean), mean * np.exp(Z * error / mean)


@pytest.mark.parametrize("cycle", ["before", "after"])
@pytest.mark.parametrize("prices", [None, PRICES], ids=["nominal", "at constant prices"])
@pytest.mark.parametrize(("id_", "name"), [("cost_index", "cost"), ("los_index", "los")])
def test_the_error_of_an_index_is_that_of_a_mean_of_ratios(engine, discharges, id_, name, prices, cycle):
    policy = {"price_index": prices} if prices else {}
    found = cell(engine, discharges, id_, cycle, **policy)
    mine = records(discharges, prices)
    mine = mine[(mine["hospital"] == "A") & ((mine["year"] <= 2021) == (cycle == "before"))]
    expected = of_mean((mine[name] / mine[f"ref_{name}"]).to_numpy())
    assert found[["value", "se", "low", "high"]].astype(float).tolist() == pytest.approx(expected, rel=1e-9)
    # the share of its own cases in the reference of each of its cases, on the mean
    assert found["own_share"] == pytest.approx(mine["own"].mean(), rel=1e-9)


@pytest.mark.parametrize("prices", [None, PRICES], ids=["nominal", "at constant prices"])
@pytest.mark.parametrize(("id_", "name"), [("cost_ratio", "cost"), ("los_ratio", "los")])
def test_the_error_of_a_ratio_of_sums_is_that_of_its_residuals(engine, discharges, id_, name, prices):
    found = cell(engine, discharges, id_, "before", **({"price_index": prices} if prices else {}))
    mine = records(discharges, prices)
    mine = mine[(mine["hospital"] == "A") & (mine["year"] <= 2021)]
    above, below = mine[name].to_numpy(), mine[f"ref_{name}"].to_numpy()
    ratio = above.sum() / below.sum()
    residual = above - ratio * below
    error = np.sqrt((residual**2).sum() * len(mine) / (len(mine) - 1)) / below.sum()
    expected = [ratio, error, ratio * np.exp(-Z * error / ratio), ratio * np.exp(Z * error / ratio)]
    assert found[["value", "se", "low", "high"]].astype(float).tolist() == pytest.approx(expected, rel=1e-9)
    assert found["own_share"] == pytest.approx((mine["own"] * below).sum() / below.sum(), rel=1e-9)


def test_mean_cost_has_the_error_of_a_mean_in_yuan(engine, discharges):
    found = cell(engine, discharges, "mean_cost", "before")
    expected = of_mean(np.array([800.0, 1200.0, 3100.0, 4200.0, 4800.0]))
    assert found[["value", "se", "low", "high"]].astype(float).tolist() == pytest.approx(expected, rel=1e-9)


def test_a_proportion_has_the_limits_of_clopper_and_pearson(engine):
    frame = rows.received("hospital | year | exit_mode | cases\nA | 2020 | 1 | 4\nA | 2020 | 4 | 1\nB | 2020 | 4 | 3")
    found = cell(engine, frame, "against_advice_share", "before")
    low, high = proportion_confint(1, 5, alpha=0.05, method="beta")  # 1 of 5
    assert found[["value", "se", "low", "high"]].astype(float).tolist() == pytest.approx(
        [20.0, 100 * np.sqrt(0.2 * 0.8 / 5), 100 * low, 100 * high], rel=1e-9
    )


def test_a_rare_rate_has_the_exact_limits_of_a_poisson_count(engine, discharges):
    # every death in the one group FA11: 2 deaths of 7 cases of the region, hospital A has 1 of 3 of them
    found = cell(engine, discharges, "mortality_ratio", "before", reference={"scope": "region", "minimum_cases": 1})
    expected_deaths = 3 * 2 / 7
    low, high = stats.chi2.ppf(0.025, 2) / 2, stats.chi2.ppf(0.975, 4) / 2
    assert found[["value", "se", "low", "high"]].astype(float).tolist() == pytest.approx(
        # the Poisson limit is 5.57 deaths, and A has 5 cases: nobody dies twice
        [1 / expected_deaths, 1 / expected_deaths, low / expected_deaths, 5 / expected_deaths],
        rel=1e-9,
    )
    assert high > 5


def test_an_upper_limit_below_the_cases_is_that_of_the_poisson_count(engine, discharges):
    many = pd.concat([discharges] * 3, ignore_index=True)  # A: 3 deaths of 15 cases, 9 of them in FA11
    found = cell(engine, many, "mortality_ratio", "before", reference={"scope": "region", "minimum_cases": 1})
    expected_deaths = 9 * 6 / 21
    high = stats.chi2.ppf(0.975, 8) / 2
    assert high < 15
    assert found["high"] == pytest.approx(high / expected_deaths, rel=1e-9)


def test_a_reference_without_the_hospital_holds_nothing_of_it(engine, discharges):
    reference = {"scope": "region", "minimum_cases": 1, "leave_one_out": True}
    found = cell(engine, discharges, "los_index", "before", reference=reference)
    # B alone: FA11 (5+7+9+3)/4 = 6 days, FB21 (8+11)/2 = 9.5 days
    assert found["value"] == pytest.approx(np.mean([4 / 6, 6 / 6, 15 / 6, 12 / 9.5, 20 / 9.5]), rel=1e-9)
    assert found["own_share"] == 0
