"""The smallest change that a verdict's own test shows: by hand, by enumeration, and never better than the test is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rows import params
from scipy.stats import nbinom, t
from test_did_by_hand import did

from toolkit.evaluation.detectable import of_verdicts
from toolkit.models.change.rare import Deaths


def test_a_mean_shows_what_is_its_width_and_the_power_s_quantile_away():
    draw = np.random.default_rng(5)
    change, _ = did(*draw.normal(0, 0.05, (2, 13)), "unadjusted")
    least = (t.ppf(0.975, 11) + t.ppf(0.8, 11)) * change["std_error"]
    assert change["smallest_rise"] == pytest.approx(np.exp(least), rel=1e-9)
    assert change["smallest_fall"] == pytest.approx(np.exp(-least), rel=1e-9)
    # what is just seen lies beyond the limits that no change has
    assert change["smallest_rise"] > change["high"] / change["estimate"]


def deaths_of(mean: float, spread: float) -> Deaths:
    one = np.ones(1)
    return Deaths(
        at=np.zeros(1, int),
        deaths=one,
        mean=mean * one,
        spread=spread * one,
        own=one,
        compared=one,
        reliability=one,
        deviation=one,
        common=one,
        count=np.ones(1, int),
        known=np.ones(1, bool),
    )


@pytest.mark.parametrize(("mean", "spread"), [(12.0, 0.05), (60.0, 0.02), (4.5, 0.04)])
def test_deaths_show_what_the_mid_p_test_rejects_with_that_probability(mean, spread):
    fall, rise = (v.item() for v in deaths_of(mean, spread).smallest(0.95, 0.8))
    counts, size = np.arange(3000), 1 / spread

    def law(ratio: float):
        return nbinom(size, size / (size + mean * ratio))

    # every count's mid-P against no change, by enumeration
    lower = law(1.0).cdf(counts) - law(1.0).pmf(counts) / 2
    more, fewer = lower > 0.975, lower < 0.025
    assert law(rise).pmf(counts)[more].sum() == pytest.approx(0.8, abs=1e-6)
    if fewer.any():
        assert law(fall).pmf(counts)[fewer].sum() == pytest.approx(0.8, abs=1e-6)
    else:
        assert np.isnan(fall)


def test_so_few_deaths_that_none_would_be_no_fall_show_none():
    fall, rise = deaths_of(2.0, 0.04).smallest(0.95, 0.8)
    assert np.isnan(fall).all()
    assert rise.item() > 2


def test_another_method_shows_what_the_t_of_its_own_width_does():
    least = {"n_before": 400, "n_after": 400, "smallest_fall": 0.99, "smallest_rise": 1.01, "warnings": ""}
    key = {"hospital": "A", "specialty": "s1", "indicator": "los_index"}
    other = {**key, "hospital": "B"}
    power = pd.DataFrame([{**one, **least, "minimum_important": 0.05, "sufficient": True} for one in (key, other)])
    width = t.ppf(0.975, 8) * 0.05
    effects = pd.DataFrame(
        [
            {
                **key,
                "level": "unit",
                "method": "twfe",
                "estimate": 1.0,
                "low": np.exp(-width),
                "high": np.exp(width),
                "std_error": 0.05,
                "smallest_fall": np.nan,
                "smallest_rise": np.nan,
            }
        ]
    )
    asked = params(
        cycles={"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}},
        specialties=[{"id": "s1", "name_zh": "甲科", "departments": ["D1"]}],
        projects=[{"hospital": "A", "specialty": "s1"}],
        change={"verdict_from": "twfe"},
    )
    found = of_verdicts(power, effects, asked).set_index("hospital")
    assert found.loc["A", "smallest_rise"] == pytest.approx(np.exp((t.ppf(0.975, 8) + t.ppf(0.8, 8)) * 0.05), rel=1e-6)
    assert (found.loc["A", "method"], found.loc["B", "method"]) == ("twfe", "two_period_ratio")
    assert not found.loc["A", "sufficient"]  # the plain ratio said it was: 15 % are needed, 5 % asked for
    assert found.loc["B", "smallest_rise"] == 1.01
