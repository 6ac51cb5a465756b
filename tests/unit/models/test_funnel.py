"""Funnels: the vector of FunnelPlotR 0.6.0, our truncation vector, the exact figures of their definitions, nominal levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from toolkit.models.monitoring.funnel import Position, dispersion, funnel, limits, scored

SHMI_O, SHMI_E = np.array([100.0, 150, 180, 80, 120, 225]), np.array([108.0, 112, 165, 95, 100, 220])
OWN_E = np.arange(50.0, 250, 10)
OWN_O = np.array([70.0, 55, 80, 70, 95, 88, 120, 100, 140, 150, 130, 190, 165, 200, 150, 215, 230, 190, 260, 210])


def test_the_vector_of_funnelplotr():
    found = dispersion(*scored(SHMI_O, SHMI_E, "ratio", 1.0), trim="truncated")
    assert found.phi == pytest.approx(2.948033, abs=5e-7)
    assert found.tau2 == pytest.approx(0.0194775, abs=5e-8)
    low, high = limits(np.array([108.0]), "ratio", 1.0, 0.95, tau2=found.tau2)
    assert (low[0], high[0]) == pytest.approx((0.717307, 1.394104), abs=5e-7)


@pytest.mark.parametrize(
    ("trim", "root", "phi", "tau2", "kept"),
    [
        ("truncated", False, 1.685629, 0.005657, 16),
        ("winsorised", False, 2.138339, None, 20),
        (None, False, 2.635073, None, 20),
        ("winsorised", True, 2.113365, 0.002129, 20),
    ],
)
def test_the_vector_for_truncation_and_its_rivals(trim, root, phi, tau2, kept):
    found = dispersion(*scored(OWN_O, OWN_E, "ratio", 1.0, root=root), trim=trim)
    assert found.phi == pytest.approx(phi, abs=5e-7)
    assert found.kept == kept
    if tau2 is not None:
        assert found.tau2 == pytest.approx(tau2, abs=5e-7)


def test_below_ten_units_none_is_truncated():
    z, se = scored(OWN_O[:9], OWN_E[:9], "ratio", 1.0)
    assert dispersion(z, se, trim="truncated").kept == 9
    assert dispersion(*scored(OWN_O[:10], OWN_E[:10], "ratio", 1.0), trim="truncated").kept == 8


@pytest.mark.parametrize("level", [0.95, 0.998])
@pytest.mark.parametrize("mean", [0.02, 0.3, 1, 3.7, 20, 50, 300])
def test_poisson_limits_begin_where_a_whole_count_is_too_many(mean, level):
    tail, counts = (1 - level) / 2, np.arange(1000)
    low, high = (edge[0] * mean for edge in limits(np.array([mean]), "ratio", 1.0, level))
    too_many = counts[stats.poisson.sf(counts - 1, mean) <= tail]
    assert (counts >= high).tolist() == np.isin(counts, too_many).tolist()
    too_few = counts[stats.poisson.cdf(counts, mean) <= tail]
    assert (counts <= low).tolist() == np.isin(counts, too_few).tolist()


@pytest.mark.parametrize(("n", "p"), [(5, 0.1), (50, 0.02), (200, 0.3), (1000, 0.005), (10, 0.95)])
def test_binomial_limits_begin_where_a_whole_count_is_too_many(n, p):
    counts = np.arange(n + 1)
    low, high = (edge[0] * n for edge in limits(np.array([float(n)]), "proportion", p, 0.95))
    assert (counts >= high - 1e-9).tolist() == (stats.binom.sf(counts - 1, n, p) <= 0.025).tolist()
    assert (counts <= low + 1e-9).tolist() == (stats.binom.cdf(counts, n, p) <= 0.025).tolist()


def test_three_kinds_of_limits_flag_as_often_as_the_reference_says():
    """statistics-pitfalls.md, section 1: units in control flagged above, nominal 2.5 %, mean over E up to 50."""
    shares = []
    for mean in np.arange(1, 51):
        counts = np.arange(0, 400)
        chance = stats.poisson.pmf(counts, mean)
        prediction = limits(np.array([float(mean)]), "ratio", 1.0, 0.95)[1][0] * mean
        wald = mean + stats.norm.ppf(0.975) * np.sqrt(mean)
        confidence = stats.chi2.ppf(0.975, 2 * (mean + 1)) / 2  # the exact interval of E used as control limit
        shares.append(
            [chance[counts >= prediction].sum(), chance[counts > wald].sum(), chance[counts > confidence].sum()]
        )
    prediction, wald, confidence = np.mean(shares, axis=0)
    assert prediction == pytest.approx(0.020, abs=0.0015)
    assert wald == pytest.approx(0.031, abs=0.002)  # the grid of E is ours
    assert 0.0105 <= confidence <= 0.0135


def test_limits_that_allow_for_overdispersion_by_hand():
    low, high = limits(np.array([25.0]), "ratio", 1.0, 0.998, tau2=0.01)
    width = np.exp(3.090232 * np.sqrt(1 / 25 + 0.01))
    assert (low[0], high[0]) == pytest.approx((1 / width, width), rel=1e-6)
    low, high = limits(np.array([100.0]), "proportion", 0.2, 0.95, tau2=0.004)
    angle, width = np.arcsin(np.sqrt(0.2)), 1.959964 * np.sqrt(1 / 400 + 0.004)
    assert (low[0], high[0]) == pytest.approx((np.sin(angle - width) ** 2, np.sin(angle + width) ** 2), rel=1e-6)


def simulated(expected: float, phi: float, units: int, rng: np.random.Generator) -> np.ndarray:
    """Deaths of units in control: Poisson, or gamma–Poisson with variance φ × E."""
    return rng.poisson(rng.gamma(expected / (phi - 1), phi - 1, units) if phi > 1 else np.full(units, expected))


def test_naive_limits_under_overdispersion_flag_as_the_reference_says():
    """Simulated figures of section 1: E = 100; φ 2: 16.7 and 3.1 %; φ 4: 32.8 and 12.3 % (both sides)."""
    rng = np.random.default_rng(17)
    for phi, at_95, at_998 in ((2, 0.167, 0.031), (4, 0.328, 0.123)):
        observed = simulated(100.0, phi, 60_000, rng)
        for level, share in ((0.95, at_95), (0.998, at_998)):
            low, high = (edge[0] * 100 for edge in limits(np.array([100.0]), "ratio", 1.0, level))
            found = ((observed <= low) | (observed >= high)).mean()
            assert share - 0.013 <= found <= share + 0.002  # those are of Wald limits; exact ones flag a little less


@pytest.mark.parametrize("phi", [1, 2, 4])
@pytest.mark.parametrize("n", [50, 200, 1000])
def test_flags_of_a_region_in_control_stay_at_the_nominal_level(n, phi):
    """40 times 120 units, rate 10 %: at most 5 % (+ 0.5) are outside 95 % limits and 0.2 % (+ 0.2) outside 99.8 % limits."""
    rng = np.random.default_rng(n + phi)
    expected, units, runs = 0.1 * n, 120, 40
    observed = simulated(expected, phi, units * runs, rng)
    frame = pd.DataFrame({"run": np.repeat(range(runs), units), "observed": observed, "exposure": expected})
    found = funnel(frame, ["run"], "ratio", centre=1.0)
    assert (found["position_od"] != Position.INSIDE).mean() <= 0.05 + 0.005
    assert found["position_od"].isin([Position.HIGH_95, Position.HIGH_998]).mean() <= 0.025 + 0.005
    assert found["position_od"].isin([Position.HIGH_998, Position.LOW_998]).mean() <= 0.002 + 0.002
    if phi == 1:
        assert (found["position"] != Position.INSIDE).mean() <= 0.05 + 0.005
    if phi > 1 and n == 1000:  # and not far below: a limit that never flags would pass the above
        assert (found["position_od"] != Position.INSIDE).mean() >= 0.03


def test_published_settings_flag_more_than_they_state():
    """Why they are not the default: 10 % and 17 % of units in control outside 95 % limits at φ = 2 (docs/deviations.md)."""
    rng = np.random.default_rng(1002)
    observed = simulated(100.0, 2, 120 * 60, rng)
    frame = pd.DataFrame({"run": np.repeat(range(60), 120), "observed": observed, "exposure": 100.0})
    for trim, share in (("winsorised", 0.10), ("truncated", 0.17)):
        found = funnel(frame, ["run"], "ratio", centre=1.0, trim=trim)
        assert (found["position_od"] != Position.INSIDE).mean() == pytest.approx(share, abs=0.01)
        assert found[f"phi_{trim}"].mean() < 1.5
    assert found["phi_corrected"].mean() == pytest.approx(2, abs=0.15)


def test_no_death_is_not_below_limits_that_allow_for_overdispersion():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"observed": np.r_[0, simulated(5.0, 4, 200, rng)], "exposure": 5.0})
    assert funnel(frame, [], "ratio", centre=1.0)["position_od"].iloc[0] == Position.INSIDE
    assert funnel(frame, [], "ratio", centre=1.0, trim="winsorised")["position_od"].iloc[0] != Position.INSIDE


def test_negative_binomial_limits_begin_where_a_whole_count_is_too_many():
    mean, tau2, counts = 12.0, 0.15, np.arange(600)
    spread = np.exp(tau2) - 1
    law = stats.nbinom(1 / spread, 1 / (1 + spread * mean))
    low, high = (edge[0] * mean for edge in limits(np.array([mean]), "ratio", 1.0, 0.95, tau2=tau2, counted=True))
    assert (counts >= high).tolist() == (law.sf(counts - 1) <= 0.025).tolist()
    assert (counts <= low).tolist() == (law.cdf(counts) <= 0.025).tolist()
    none = limits(np.array([mean]), "ratio", 1.0, 0.95, tau2=0.0, counted=True)
    assert np.ravel(none) == pytest.approx(np.ravel(limits(np.array([mean]), "ratio", 1.0, 0.95)))


def test_overdispersion_that_was_planted_is_found():
    rng = np.random.default_rng(3)
    tau = 0.2
    exposure = rng.uniform(80, 400, 400)
    observed = rng.poisson(exposure * np.exp(rng.normal(0, tau, 400)))
    z, se = scored(observed.astype(float), exposure, "ratio", 1.0)
    assert dispersion(z, se, trim=None).tau2 == pytest.approx(tau**2, rel=0.2)
    assert dispersion(z, se, trim="winsorised").tau2 < dispersion(z, se, trim=None).tau2


@pytest.mark.parametrize("kind", ["proportion", "counts_ratio"])
def test_other_kinds_keep_their_level_and_find_the_odd_one(kind):
    rng = np.random.default_rng(9)
    exposure = rng.integers(60, 600, 3000)
    observed = rng.binomial(exposure, 0.2) if kind == "proportion" else rng.poisson(exposure * 0.2)
    given = exposure if kind == "proportion" else rng.poisson(exposure)
    frame = pd.DataFrame({"observed": observed, "exposure": given})
    found = funnel(frame, [], kind)
    assert (found["position"] != Position.INSIDE).mean() == pytest.approx(0.05, abs=0.015)
    assert found["phi_corrected"].iloc[0] == pytest.approx(1, abs=0.06)
    # E min(|Z|, 1.28)², by integration
    z = np.linspace(-8, 8, 200_001)
    left = (np.clip(z, -1.2815516, 1.2815516) ** 2 * stats.norm.pdf(z)).sum() * (z[1] - z[0])
    assert (found["phi_winsorised"] / found["phi_corrected"]).iloc[0] == pytest.approx(left, abs=1e-5)
    odd = pd.concat([frame, pd.DataFrame({"observed": [120], "exposure": [300]})], ignore_index=True)
    assert funnel(odd, [], kind)["position"].iloc[-1] == Position.HIGH_998


def test_false_fails_of_a_fixed_mark_against_funnel_limits():
    """Section 1: rate 0.5 %, fail above 1 %: 22.2 % at n = 50, 8.0 % at 200, 1.3 % at 1,000. A funnel keeps to 2.5 %."""
    for n, fails in ((50, 0.222), (200, 0.080), (1000, 0.013)):
        counts = np.arange(n + 1)
        chance = stats.binom.pmf(counts, n, 0.005)
        assert chance[counts / n > 0.01].sum() == pytest.approx(fails, abs=0.0008)
        high = limits(np.array([float(n)]), "proportion", 0.005, 0.95)[1][0]
        assert chance[counts / n >= high - 1e-12].sum() <= 0.025


@pytest.mark.parametrize(
    "rows", [[], [(0, 0.0)], [(3, 10.0)], [(0, 5.0), (0, 7.0)], [(1, 0.0), (4, 3.0)], [(1, 2.0), (0, 3.0)]]
)
@pytest.mark.parametrize("kind", ["ratio", "proportion"])
def test_bad_input_is_a_row_with_a_reason(rows, kind):
    frame = pd.DataFrame(rows, columns=["observed", "exposure"]).astype({"observed": "float64"})
    if kind == "proportion":
        frame["observed"] = frame[["observed", "exposure"]].min(axis=1)
    found = funnel(frame.assign(g="x"), ["g"], kind)
    assert len(found) == len(rows)
    assert (found["warnings"] != "").all()
    assert (found["position_od"] == Position.UNKNOWN).all()
    assert not np.isinf(found.select_dtypes("number").to_numpy(float)).any()


def test_shuffled_rows_give_the_same_places():
    frame = pd.DataFrame({"unit": range(20), "observed": OWN_O, "exposure": OWN_E})
    shuffled = funnel(frame.sample(frac=1, random_state=1), [], "ratio").sort_values("unit", ignore_index=True)
    pd.testing.assert_frame_equal(shuffled, funnel(frame, [], "ratio"), rtol=1e-12)
