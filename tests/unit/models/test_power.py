"""The smallest detectable change is found with the stated power by the test that the before/after ratio uses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.unit.models.test_shrinkage import MEAN, PROPORTION, RARE, cells
from toolkit.indicators import CATALOGUE
from toolkit.models.change import two_period
from toolkit.models.monitoring.power import RateTest, smallest_changes

BY = ["hospital", "specialty"]


def smallest(indicator: str, before, after, **more) -> pd.Series:
    return smallest_changes(cells(indicator, [before], [after]), CATALOGUE, BY, **more).iloc[0]


def rejected(indicator: str, before: list, after: list, *, falling: bool) -> float:
    """Share of simulated units whose before/after ratio is significant in that direction."""
    changes = two_period(cells(indicator, before, after), CATALOGUE, BY)
    return float((changes["high"] < 1 if falling else changes["low"] > 1).mean())


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("falling", [True, False])
def test_power_of_means(n, falling):
    rng, units, sd = np.random.default_rng(n), 2000, 0.5

    def period(level: float) -> list:
        costs = level * np.exp(rng.normal(-(sd**2) / 2, sd, (units, n)))
        return [(row.sum(), n, (row**2).sum()) for row in costs]

    spread = np.sqrt(np.expm1(sd**2))
    exact = (n * 1.0, n, n * (1 + spread**2) - spread**2)
    found = smallest(MEAN, exact, exact)
    assert np.log(found["smallest_rise"]) == pytest.approx((1.959964 + 0.841621) * spread * np.sqrt(2 / n), rel=1e-5)
    ratio = found["smallest_fall" if falling else "smallest_rise"]
    assert rejected(MEAN, period(1.0), period(ratio), falling=falling) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n0", "n1", "p"), [(300, 400, 0.2), (2000, 1500, 0.05), (500, 500, 0.6)])
@pytest.mark.parametrize("falling", [True, False])
def test_power_of_proportions(n0, n1, p, falling):
    rng, units = np.random.default_rng(n0), 3000
    found = smallest(PROPORTION, (p * n0, n0), (p * n1, n1))
    after = p * found["smallest_fall" if falling else "smallest_rise"]
    before = [(x, n0) for x in rng.binomial(n0, p, units)]
    assert rejected(
        PROPORTION, before, [(x, n1) for x in rng.binomial(n1, after, units)], falling=falling
    ) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n0", "n1", "rate"), [(2000, 2500, 0.01), (1000, 600, 0.02), (9000, 8000, 0.03)])
@pytest.mark.parametrize("falling", [True, False])
def test_power_of_deaths(n0, n1, rate, falling):
    rng, units = np.random.default_rng(n0), 3000
    found = smallest(RARE, (rate * n0, n0), (rate * n1, n1))
    after = rate * found["smallest_fall" if falling else "smallest_rise"]
    before = [(x, n0) for x in rng.poisson(rate * n0, units)]
    assert rejected(RARE, before, [(x, n1) for x in rng.poisson(after * n1, units)], falling=falling) == pytest.approx(
        0.8, abs=0.03
    )


@pytest.mark.parametrize("ratio", [0.3, 0.8, 1.5, 4.0])
@pytest.mark.parametrize("deaths", [3.0, 25.0, 70.0])
def test_power_at_one_ratio_by_adding_every_outcome(deaths, ratio):
    n0, n1 = 1000.0, 700.0
    before, after = np.arange(0, 400)[:, None], np.arange(0, 400)[None, :]
    chance = stats.poisson.pmf(before, deaths) * stats.poisson.pmf(after, deaths * ratio * n1 / n0)
    share = n1 / (n0 + n1)
    tail = (
        stats.binom.cdf(after, before + after, share) if ratio < 1 else stats.binom.sf(after - 1, before + after, share)
    )
    test = RateTest(np.array([deaths / n0]), np.array([n0]), np.array([n1]), 0.05, falling=ratio < 1)
    exact = chance[tail <= 0.025].sum()
    assert test.power(np.array([ratio]))[0] == pytest.approx(
        exact, abs=1e-6 if deaths * (1 + ratio * 0.7) < 40 else 0.01
    )


def test_more_cases_show_smaller_changes():
    shown = [smallest(RARE, (0.01 * n, n), (0.01 * n, n))["smallest_fall"] for n in (500, 2000, 8000, 32_000)]
    assert np.isnan(shown[0])  # 5 deaths: not even a fall to none
    assert shown[1] < shown[2] < shown[3] < 1


def test_a_unit_that_could_not_have_shown_the_minimum_says_so():
    few = smallest(RARE, (10, 1000), (8, 1000))
    assert not few["sufficient"]
    assert "不等于没有变化" in few["warnings"]
    many = smallest(MEAN, (20_000, 20_000, 21_000), (20_000, 20_000, 21_000))
    assert many["sufficient"]
    assert many["warnings"] == ""
    strict = smallest(MEAN, (20_000, 20_000, 21_000), (20_000, 20_000, 21_000), minimum_important=0.001)
    assert not strict["sufficient"]


def test_the_direction_of_the_indicator_decides():
    # a rise of a share shows with fewer cases than a fall of the same ratio would
    found = smallest(PROPORTION, (600, 2000), (600, 2000), minimum_important=0.14)
    assert found["smallest_rise"] < 1.14 < 1 / found["smallest_fall"]
    assert found["sufficient"]  # level4_share: higher is better


@pytest.mark.parametrize(
    ("indicator", "before", "after"),
    [
        (RARE, (0, 100), (0, 100)),
        (RARE, (0, 0), (0, 0)),
        (RARE, None, (1, 50)),
        (MEAN, (50, 50, 50), (50, 50, 50)),
        (PROPORTION, (0, 20), (0, 20)),
        (PROPORTION, (20, 20), (20, 20)),
        (MEAN, (1, 1, 1), (1, 1, 1)),
    ],
)
def test_bad_input_is_a_row_with_a_reason(indicator, before, after):
    found = smallest(indicator, before, after)
    assert not found["sufficient"]
    assert found["warnings"]
    assert not np.isinf([found["smallest_fall"], found["smallest_rise"]]).any()
