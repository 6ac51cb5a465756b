"""O/E with a risk of each case's own, against scipy's distributions and published limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy
from scipy import stats

from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import SUMS, finish
from toolkit.models.monitoring.own_risks import deaths_up_to, own_limits, own_risk_limits

RISKS = np.array([0.004, 0.01, 0.03, 0.08, 0.2, 0.45])
CASES = np.array([210.0, 120.0, 44.0, 13.0, 6.0, 2.0])
ALL = np.repeat(RISKS, CASES.astype(int))


def test_the_deaths_of_cases_with_their_own_risks_have_the_distribution_that_scipy_gives():
    np.testing.assert_allclose(
        deaths_up_to(20, RISKS, CASES), stats.poisson_binom.pmf(np.arange(21), ALL), rtol=1e-10, atol=1e-300
    )


@pytest.mark.parametrize(("died", "n", "p"), [(12, 308, 0.02), (1, 5, 0.2), (0, 40, 0.05), (3, 1000, 0.001)])
def test_with_one_risk_for_all_the_limits_are_those_of_clopper_and_pearson(died, n, p):
    low, high, _ = own_risk_limits(died, np.array([p]), np.array([float(n)]))
    # Clopper–Pearson by quantiles of the beta distribution
    expected = (
        0.0 if died == 0 else stats.beta.ppf(0.025, died, n - died + 1),
        stats.beta.ppf(0.975, died + 1, n - died),
    )
    assert (low, high) == (pytest.approx(expected[0] / p, rel=1e-8), pytest.approx(expected[1] / p, rel=1e-8))


@pytest.mark.parametrize("died", [1, 4, 9, 25])
def test_at_its_limits_the_observed_number_is_in_a_tail_of_two_and_a_half_per_cent(died):
    low, high, p = own_risk_limits(died, RISKS, CASES)
    for end, tail in (
        (low, lambda q: stats.poisson_binom.sf(died - 1, q)),
        (high, lambda q: stats.poisson_binom.cdf(died, q)),
    ):
        # the odds at which so many deaths are expected, found by scipy on its own
        shift = scipy.optimize.brentq(
            lambda s, end=end: scipy.special.expit(scipy.special.logit(ALL) + s).sum() - end * ALL.sum(), -30, 30
        )
        assert tail(scipy.special.expit(scipy.special.logit(ALL) + shift)) == pytest.approx(0.025, rel=1e-6)
    tails = stats.poisson_binom.cdf(died, ALL), stats.poisson_binom.sf(died - 1, ALL)
    assert p == pytest.approx(min(1.0, 2 * min(tails)))


def test_the_ends_are_the_cases_there_are():
    assert own_risk_limits(0, RISKS, CASES)[0] == 0
    assert own_risk_limits(5, np.array([0.2]), np.array([5.0]))[1] == pytest.approx(
        5.0
    )  # all of five, of whom one expected
    assert np.isnan(own_risk_limits(6, np.array([0.2]), np.array([5.0]))).all()
    assert np.isnan(own_risk_limits(0, np.array([]), np.array([]))).all()


def test_cases_without_a_prediction_are_left_out_of_a_group():
    rows = pd.DataFrame({"unit": "A", "n": [100, 50], "died": [3, 40], "p": [0.02, np.nan]})
    found = own_limits(rows, ["unit"]).iloc[0]
    assert found["own_high"] == pytest.approx(stats.beta.ppf(0.975, 4, 97) / 0.02)


@pytest.mark.parametrize(("died", "n", "highest"), [(1, 5, 100.0), (5, 5, 100.0), (1, 50, None)])
def test_no_limit_of_a_rate_of_deaths_is_above_one_hundred_per_cent(died, n, highest):
    # Garwood's upper limit of one death is 5.572: of five cases 111 %, of fifty 11.1 %
    one = CATALOGUE["mortality"]
    cells = pd.DataFrame([dict.fromkeys(SUMS, np.nan) | {"x": died, "y": n, "all_y": n, "rows": 1.0, "cases": n}])
    found = finish(cells.astype(float), one, 0.95).iloc[0]
    assert found["high"] == pytest.approx(highest if highest else 100 * 5.5716433909388 / 50)
