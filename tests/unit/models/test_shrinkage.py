"""Regression to the mean: published figures, statsmodels' Paule–Mandel, planted regression that is no improvement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import finish
from toolkit.models.monitoring.shrinkage import between, no_effect

RARE, PROPORTION, MEAN = "mortality", "level4_share", "cost_index"


def cells(indicator: str, before, after, **keys) -> pd.DataFrame:
    """Cells of units with sums (x, y[, xx]) before and after; None where the period is absent."""
    parts = []
    for cycle, given in (("before", before), ("after", after)):
        for unit, sums in enumerate(given):
            if sums is not None:
                x, y, xx = (*sums, np.nan)[:3]
                parts.append(
                    {
                        "hospital": f"h{unit:04d}",
                        "specialty": "s",
                        "cycle": cycle,
                        "x": float(x),
                        "y": float(y),
                        "xx": float(xx),
                        "all_y": float(y),
                        "own_y": np.nan,
                        "rows": 1.0,
                    }
                )
    columns = ["hospital", "specialty", "cycle", "x", "y", "xx", "all_y", "own_y", "rows"]
    frame = pd.DataFrame(parts, columns=columns).assign(indicator=indicator, basis="frozen", **keys)
    return finish(frame, CATALOGUE[indicator], 0.95)


def found(indicator: str, before, after, **more) -> pd.DataFrame:
    return no_effect(cells(indicator, before, after), CATALOGUE, ["hospital", "specialty"], ["specialty"], **more)


def test_variance_between_units_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    se = rng.uniform(0.05, 0.4, 40)
    value = rng.normal(0.1, np.sqrt(0.04 + se**2))
    mean, tau2 = between(value, se)
    reference = combine_effects(value, se**2, method_re="iterated", atol=1e-13, maxiter=500)
    assert tau2 == pytest.approx(reference.tau2, rel=1e-6)
    assert mean == pytest.approx(reference.mean_effect_re, rel=1e-6)
    assert between(np.array([1.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3])) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("n", "worst", "later", "reliability"), [(50, 17.7, 10.4, 0.05), (200, 14.1, 10.7, 0.18), (1000, 12.5, 11.3, 0.53)]
)
def test_the_worst_decile_falls_as_the_reference_says_and_the_estimate_foresees_it(n, worst, later, reliability):
    """statistics-pitfalls.md, section 1: mean rate 10 %, true SD 1 point, no change at all, 1,000 hospitals."""
    rng = np.random.default_rng(n)
    truth = rng.normal(0.10, 0.01, 3000)
    before, after = rng.binomial(n, truth), rng.binomial(n, truth)
    table = found(PROPORTION, [(x, n) for x in before], [(x, n) for x in after])
    chosen = (before >= np.quantile(before, 0.9)).nonzero()[0]  # ties kept
    part = table.iloc[chosen]
    assert part["before"].mean() == pytest.approx(worst, abs=0.35)
    assert part["after"].mean() == pytest.approx(later, abs=0.35)
    assert part["expected_after"].mean() == pytest.approx(part["after"].mean(), abs=0.45)
    assert table["reliability"].mean() == pytest.approx(reliability, abs=0.06)


def test_planted_regression_is_not_called_improvement():
    """The worst tenth by deaths, no change: a naive test calls many improved, the predictive p-value few."""
    rng = np.random.default_rng(6)
    n = 2000
    truth = rng.gamma(20, 0.01 / 20, 1000)
    before, after = rng.poisson(truth * n), rng.poisson(truth * n)
    table = found(RARE, [(x, n) for x in before], [(x, n) for x in after])
    worst = before >= np.quantile(before, 0.9)
    share = stats.binom.cdf(after[worst], (before + after)[worst], 0.5)
    naive = (2 * share <= 0.05).mean()
    fair = ((table["p_value"] <= 0.05) & (table["after"] < table["expected_after"])).to_numpy()[worst].mean()
    assert naive > 0.06  # one-sided, nominal 2.5 %
    assert fair <= 0.035
    assert table.loc[worst, "expected_after"].mean() == pytest.approx(table.loc[worst, "after"].mean(), rel=0.06)


@pytest.mark.parametrize("indicator", [MEAN, PROPORTION, RARE])
def test_predictive_limits_cover_the_after_value_and_a_real_change_is_outside(indicator):
    rng = np.random.default_rng(14)
    units, n = 600, 400

    def period(level: np.ndarray) -> list:
        if indicator == MEAN:
            costs = level[:, None] * np.exp(rng.normal(-0.18, 0.6, (units, n)))
            return [(row.sum(), n, (row**2).sum()) for row in costs]
        draw = rng.binomial(n, np.clip(level, 0, 1)) if indicator == PROPORTION else rng.poisson(level * n)
        return [(x, n) for x in draw]

    spread, centre = (0.1, {MEAN: 1.0, PROPORTION: 0.3, RARE: 0.05}[indicator])
    truth = centre * np.exp(rng.normal(0, spread, units))
    before = period(truth)
    same = found(indicator, before, period(truth))
    inside = (same["low"] <= same["after"]) & (same["after"] <= same["high"])
    assert inside.mean() == pytest.approx(0.95, abs=0.03)
    assert (same["p_value"] <= 0.05).mean() <= 0.05 + 0.03
    moved = found(indicator, before, period(0.35 * truth))
    assert (moved["p_value"] <= 0.05).mean() > 0.9


def test_values_are_pulled_to_the_mean_and_small_units_more():
    before = [(100, 1000), (110, 1000), (90, 1000), (105, 1000), (150, 1000), (15, 100), (70, 1000)]
    table = found(PROPORTION, before, before)
    assert (np.abs(table["expected_after"] - table["mean"]) <= np.abs(table["before"] - table["mean"])).all()
    large, small = table.iloc[4], table.iloc[5]
    assert large["before"] == small["before"]
    assert small["reliability"] < large["reliability"]
    assert small["expected_ratio"] < large["expected_ratio"] < 1
    assert table["units"].eq(7).all()
    assert table["warnings"].str.contains("只有 7 个单元").all()


def test_groups_have_their_own_mean():
    frame = pd.concat(
        [
            cells(PROPORTION, [(x, 1000) for x in xs], [(x, 1000) for x in xs]).assign(specialty=s)
            for s, xs in (("a", [90, 100, 110, 140]), ("b", [290, 300, 310, 370]))
        ]
    )
    table = no_effect(frame, CATALOGUE, ["hospital", "specialty"], ["specialty"])
    means = table.groupby("specialty")["mean"].first()
    assert means["a"] == pytest.approx(11, abs=1)
    assert means["b"] == pytest.approx(32, abs=2)


@pytest.mark.parametrize(
    ("indicator", "before", "after"),
    [
        (RARE, [(0, 100), (0, 50), (0, 70)], [(1, 100), (0, 50), (0, 70)]),
        (RARE, [(1, 100)], [(1, 100)]),
        (RARE, [], []),
        (MEAN, [None, (50, 50, 60)], [(50, 50, 60), None]),
        (PROPORTION, [(0, 10), (10, 10), (5, 10)], [(1, 10), (9, 10), None]),
        (MEAN, [(50, 50, 50)] * 4, [(50, 50, 50)] * 4),
        (RARE, [(0, 0)] * 3, [(0, 0)] * 3),
    ],
)
def test_bad_input_is_a_row_with_a_reason(indicator, before, after):
    table = found(indicator, before, after)
    assert len(table) == len(before)
    assert (table["warnings"] != "").all()
    assert not np.isinf(table[["expected_after", "low", "high", "expected_ratio", "ratio"]].to_numpy(float)).any()
