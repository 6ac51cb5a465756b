"""O/E: published limits, definitions inverted by another road, the fitted prior against statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from toolkit.models.monitoring.rare_deaths import (
    ALL_ALIKE,
    NO_DEATHS,
    NO_EXPECTED,
    gamma_prior,
    mid_p_limits,
    observed_expected,
    poisson_tests,
    posterior,
)


def units(observed, expected, **more) -> pd.DataFrame:
    return pd.DataFrame({"observed": observed, "expected": expected, **more})


def test_exact_limits_are_the_published_ones():
    found = observed_expected(units([15, 20, 30], [15.0, 20.0, 30.0]))  # domain.md, section 6
    assert found["low"].tolist() == pytest.approx([0.5596924, 0.6108260, 0.6746958], abs=5e-8)
    assert found["high"].tolist() == pytest.approx([1.649348, 1.544419, 1.427562], abs=5e-7)
    assert found["ratio"].tolist() == [1, 1, 1]


def test_no_deaths_have_an_upper_limit_of_3_69():
    found = observed_expected(units([0], [2.0])).iloc[0]
    assert found["high"] == pytest.approx(-np.log(0.025) / 2.0)  # 3.69 / E
    assert (found["low"], found["mid_low"]) == (0, 0)
    assert found["mid_high"] == pytest.approx(-np.log(2 * 0.025) / 2.0)  # half of P(0) is the tail
    assert NO_DEATHS in found["warnings"]


@pytest.mark.parametrize("observed", [0, 1, 3, 17, 240])
@pytest.mark.parametrize("confidence", [0.95, 0.998])
def test_mid_p_limits_have_their_tails(observed, confidence):
    tail = (1 - confidence) / 2
    low, high = (float(limit[0]) for limit in mid_p_limits(np.array([float(observed)]), confidence))
    if observed:
        assert stats.poisson.sf(observed, low) + stats.poisson.pmf(observed, low) / 2 == pytest.approx(tail, rel=1e-9)
    assert stats.poisson.cdf(observed, high) - stats.poisson.pmf(observed, high) / 2 == pytest.approx(tail, rel=1e-9)
    exact = stats.chi2.ppf(1 - tail, 2 * (observed + 1)) / 2
    assert high < exact


def test_p_values_by_adding_probabilities():
    mean, seen = 2.3, 6
    at_least = 1 - sum(np.exp(-mean) * mean**k / np.prod(range(1, k + 1)) for k in range(seen))
    at = np.exp(-mean) * mean**seen / np.prod(range(1, seen + 1))
    exact, mid = poisson_tests(np.array([float(seen)]), np.array([mean]))
    assert exact[0] == pytest.approx(2 * at_least)
    assert mid[0] == pytest.approx(2 * (at_least - at / 2))
    assert poisson_tests(np.array([2.0]), np.array([2.0]))[0][0] == 1.0


def test_mid_p_keeps_its_level_on_average_and_exact_never_exceeds_it():
    means, counts = np.linspace(1, 40, 400), np.arange(200)
    exact_size, mid_size = [], []
    for mean in means:
        chance = stats.poisson.pmf(counts, mean)
        exact, mid = poisson_tests(counts.astype(float), np.full(len(counts), mean))
        exact_size.append(chance[exact <= 0.05].sum())
        mid_size.append(chance[mid <= 0.05].sum())
    assert max(exact_size) <= 0.05
    assert np.mean(exact_size) < 0.04
    assert np.mean(mid_size) == pytest.approx(0.05, abs=0.003)


@pytest.fixture(scope="module")
def region() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    expected = rng.uniform(0.5, 40, 80)
    return units(rng.poisson(expected * rng.gamma(4, 1.1 / 4, 80)), expected)


def test_prior_is_the_negative_binomial_fit_of_statsmodels(region):
    prior = gamma_prior(region["observed"].to_numpy(float), region["expected"].to_numpy())
    model = sm.NegativeBinomial(region["observed"], np.ones(len(region)), offset=np.log(region["expected"]))
    constant, alpha = model.fit(disp=0, method="bfgs", gtol=1e-8, maxiter=500).params
    assert prior.mean == pytest.approx(np.exp(constant), rel=1e-5)
    assert (prior.sd / prior.mean) ** 2 == pytest.approx(alpha, rel=1e-4)


def test_posterior_is_bayes_rule_on_a_grid(region):
    prior = gamma_prior(region["observed"].to_numpy(float), region["expected"].to_numpy())
    theta = np.linspace(1e-6, 8, 400_001)
    density = stats.gamma.pdf(theta, prior.shape, scale=1 / prior.rate) * stats.poisson.pmf(3, 1.2 * theta)
    density /= density.sum()
    mean, low, high = (v[0] for v in posterior(prior, np.array([3.0]), np.array([1.2]), 0.95))
    assert mean == pytest.approx((theta * density).sum(), rel=1e-6)
    assert np.interp([low, high], theta, np.cumsum(density)) == pytest.approx([0.025, 0.975], abs=1e-4)


def test_small_units_are_pulled_more_and_raw_stands_beside():
    expected = np.r_[1.0, 100.0, np.full(20, 30.0)]
    observed = np.r_[3, 300, np.random.default_rng(2).poisson(30 * np.random.default_rng(3).gamma(6, 1 / 6, 20))]
    found = observed_expected(units(observed, expected))
    small, large = found.iloc[0], found.iloc[1]
    assert small["ratio"] == large["ratio"] == 3
    assert small["shrunken"] < 1.6 < 2.6 < large["shrunken"] < 3


def test_shrunken_values_are_nearer_to_the_truth():
    rng = np.random.default_rng(11)
    truth, expected = rng.gamma(10, 0.1, 300), rng.uniform(0.5, 10, 300)
    found = observed_expected(units(rng.poisson(expected * truth), expected))
    raw, shrunk = (np.sqrt(((found[c] - truth) ** 2).mean()) for c in ("ratio", "shrunken"))
    assert shrunk < 0.6 * raw
    inside = (found["shrunken_low"] <= truth) & (truth <= found["shrunken_high"])
    assert inside.mean() == pytest.approx(0.95, abs=0.04)  # 3 standard errors of 300


def test_units_that_differ_by_chance_alone_share_one_ratio():
    found = observed_expected(units([10, 20, 30, 40, 50, 60], [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]))
    assert found["prior_sd"].eq(0).all()
    assert found["shrunken"].eq(1).all()
    assert found["shrunken_low"].isna().all()
    assert found["warnings"].str.contains(ALL_ALIKE).all()


def test_groups_have_their_own_prior():
    rng = np.random.default_rng(4)
    frame = units(
        rng.poisson(np.r_[np.full(30, 20.0), np.full(30, 60.0)]), np.full(60, 20.0), g=["a"] * 30 + ["b"] * 30
    )
    found = observed_expected(frame, ["g"])
    alone = observed_expected(frame[frame["g"] == "b"], ["g"])
    assert found.loc[frame["g"] == "b", "shrunken"].tolist() == pytest.approx(alone["shrunken"].tolist())
    assert found.groupby("g")["prior_mean"].first().tolist() == pytest.approx([1, 3], rel=0.1)


@pytest.mark.parametrize(
    ("observed", "expected"), [([], []), ([0], [0.0]), ([2], [0.0]), ([0, 0], [1.0, 2.0]), ([5], [4.0])]
)
def test_bad_input_is_a_row_with_a_reason(observed, expected):
    found = observed_expected(units(observed, expected, g="x"), ["g"])
    assert len(found) == len(observed)
    for row in found.itertuples():
        assert not np.isinf([row.ratio, row.low, row.high, row.shrunken]).any()
        assert row.warnings
        assert np.isnan(row.ratio) == (NO_EXPECTED in row.warnings)
