"""Deaths of the cycle against those that the unit's own past and its comparison units let expect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from toolkit.models.change.did import _rare_expected
from toolkit.models.change.panel import Comparisons, Side
from toolkit.models.change.rare import LEAST_SPREAD, deaths


def side(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    with np.errstate(divide="ignore"):
        return Side(x=x, y=y, n=y, log=np.log(np.where(x > 0, x, np.nan) / y), variance=1 / np.where(x > 0, x, np.nan))


def region(own0, own1, n=1000, peers0=(4, 6, 5, 5), peers1=(5, 5, 4, 6)):
    before, after = side([own0, *peers0], [n] * (1 + len(peers0))), side([own1, *peers1], [n] * (1 + len(peers1)))
    size = 1 + len(peers0)
    compared = Comparisons(
        project=np.zeros(size - 1, int), unit=np.arange(1, size), widened=frozenset(), group=np.zeros(size, int)
    )
    return deaths(np.array([0]), compared, before, after, np.arange(size) > 0, shrink=True)


def test_a_short_record_is_believed_little_and_the_others_rate_stands_in():
    one, _others, spread = region(1, 5)
    # 20 deaths of 4,000 before and after: 5 of 1,000 expected, of which the own 1 takes a little away
    assert spread.lasting == LEAST_SPREAD
    reliability = LEAST_SPREAD * 5 / (1 + spread.before * 5)
    assert one.reliability == pytest.approx(reliability)
    assert one.mean == pytest.approx(5 * (1 + reliability * (1 / 5 - 1)))
    assert one.own == pytest.approx(5.0)
    assert one.estimate() == pytest.approx(5 / one.mean)
    assert one.p_value() > 0.5  # five deaths where about five were to be expected, although the own rate rose fivefold


def test_limits_and_p_are_those_of_the_negative_binomial():
    one, _others, _spread = region(5, 14)
    size = 1 / one.spread
    low, high = one.limits(0.95)
    for ratio, tail in ((low, "above"), (high, "below")):
        mean = one.mean * ratio
        law = nbinom(size, size / (size + mean))
        mid = law.cdf(13) + 0.5 * law.pmf(14)
        assert mid == pytest.approx(0.975 if tail == "above" else 0.025, abs=1e-6)
    law = nbinom(size, size / (size + one.mean))
    assert one.p_value() == pytest.approx(2 * (law.sf(14) + 0.5 * law.pmf(14)))


@pytest.mark.parametrize(
    ("spread", "law"),
    [(0.0, lambda mean: poisson(mean)), (0.6, lambda mean: nbinom(1 / 0.6, (1 / 0.6) / (1 / 0.6 + mean)))],
    ids=["as luck has it", "spread"],
)
def test_deaths_to_be_expected_lie_between_the_ends_of_their_law(spread, law):
    one, _others, _spread = region(50, 14, peers0=(40, 60, 50, 50), peers1=(50, 50, 40, 60))
    one = replace(one, spread=np.full_like(one.mean, spread))
    expected = _rare_expected(side([50], [1000]), side([14], [1000]), one, 0.95).iloc[0]
    # of 1,000 before and 1,000 after: deaths of the law over the 50 that there were
    low, high = (law(one.mean[0]).ppf(tail) / 50 for tail in (0.025, 0.975))
    assert (expected["expected_low"], expected["expected_high"]) == (pytest.approx(low), pytest.approx(high))


def test_no_death_after_has_an_upper_limit_and_none_before_no_obstacle():
    after, before = region(5, 0)[0], region(0, 5)[0]
    assert after.estimate() == 0.0
    assert after.limits(0.95)[0] == 0.0
    assert 0.3 < after.limits(0.95)[1] < 2
    assert np.isfinite(before.estimate())
    assert before.known


@pytest.mark.parametrize("peers", [((0, 0, 0, 0), (0, 0, 0, 0)), ((0, 0, 0, 0), (1, 2, 1, 0))])
def test_without_a_death_among_the_comparison_units_nothing_is_estimated(peers):
    one, _others, _spread = region(3, 1, peers0=peers[0], peers1=peers[1])
    assert not one.known
    assert np.isnan(one.estimate())
    assert np.isnan(one.p_value())


@pytest.mark.parametrize("true_spread", [0.0, 0.3])
def test_units_chosen_for_a_low_rate_are_rejected_no_more_often_than_stated(true_spread):
    draw = np.random.default_rng(7)
    rejected = worse = judged = 0
    for _ in range(120):
        size = 60
        rate = 0.01 * np.exp(draw.normal(0, true_spread, size))
        n = np.full(size, 800.0)
        d0, d1 = (draw.poisson(n * rate) for _ in range(2))
        chosen = np.argsort(d0, kind="stable")[:6]  # the six with the fewest deaths, and without any effect
        free = ~np.isin(np.arange(size), chosen)
        rest = np.flatnonzero(free)
        compared = Comparisons(
            project=np.repeat(np.sort(chosen), len(rest)),
            unit=np.tile(rest, len(chosen)),
            widened=frozenset(),
            group=np.zeros(size, int),
        )
        one, _others, _spread = deaths(np.sort(chosen), compared, side(d0, n), side(d1, n), free, shrink=True)
        rejected += int((one.p_value() < 0.05).sum())
        worse += int(((one.p_value() < 0.05) & (one.estimate() > 1)).sum())
        judged += len(chosen)
    assert 0.025 < rejected / judged < 0.075
    assert worse / judged < 0.05
