"""What no effect lets expect: by hand where variances are alike, by other people's code where they are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, Study
from toolkit.models.change.calibration import calibration
from toolkit.models.change.expectation import expected, steadied
from toolkit.models.change.panel import Comparisons, Side
from toolkit.models.change.scatter import CUT, MEAN_CUT, reliance, scatter
from toolkit.params import ComparisonPolicy, Years

SAMPLING = 0.0004  # of the log of a value in one period


def side(log, variance=SAMPLING, n=400):
    log = np.asarray(log, dtype=float)
    y = np.full(len(log), float(n))
    return Side(x=np.exp(log) * y, y=y, n=y, log=log, variance=np.broadcast_to(variance, len(log)).astype(float))


def one_group(size: int) -> Comparisons:
    """Unit 0 a project, all others compared with it."""
    rest = np.arange(1, size)
    return Comparisons(project=np.zeros(size - 1, int), unit=rest, widened=frozenset(), group=np.zeros(size, int))


def region(seed=1, size=60, lasting=0.3, shock=0.05, most=1.0):
    """True levels that last, shocks that do not, and sampling; unit 0 is a project."""
    draw = np.random.default_rng(seed)
    level = draw.normal(0, lasting, size)
    noise = draw.normal(0, np.hypot(shock, np.sqrt(SAMPLING)), (2, size)).clip(-most * shock, most * shock)
    free = np.arange(size) > 0
    return side(level + noise[0]), side(level + noise[1] - 0.03), free


def fit(before, after, free, *, correct):
    group = one_group(len(free))
    return expected(np.array([0]), group, np.zeros(len(free), int), before, after, free, correct=correct)


# --- means ----------------------------------------------------------------------------------------------------------------


def test_units_alike_are_compared_with_their_plain_mean():
    before, after, free = region()
    found = fit(before, after, free, correct=False)
    change = after.log - before.log
    assert found.projects.common == pytest.approx(change[1:].mean())
    assert found.projects.deviation == pytest.approx(before.log[0] - before.log[1:].mean())
    assert found.projects.count == 59
    assert found.projects.fall == 0


def test_a_placebo_is_compared_with_all_others_of_its_group_and_never_with_itself():
    before, after, free = region()
    found = fit(before, after, free, correct=False)
    change = after.log - before.log
    for k, unit in enumerate(found.placebos.at):
        others = [u for u in range(1, 60) if u != unit]
        assert found.placebos.common[k] == pytest.approx(change[others].mean())


# --- what falls back ------------------------------------------------------------------------------------------------------


def test_the_share_of_luck_that_is_lost_is_that_of_a_regression_on_luck():
    before, after, free = region(lasting=0.05)
    found = fit(before, after, free, correct=True)
    luck = found.placebos.deviation * found.placebos.unreliability
    beyond = (after.log - before.log)[found.placebos.at] - found.placebos.common
    # statsmodels' Huber regression with the same bend, weights alike because variances are
    plain = -sm.OLS(beyond, luck).fit().params[0]
    assert found.share == pytest.approx(np.clip(plain, 0, 1), abs=0.1)
    assert found.projects.fall == pytest.approx(-found.share * found.projects.unreliability * found.projects.deviation)


def test_unreliability_is_noise_over_noise_and_lasting_differences():
    before, after, free = region(seed=4, size=4000, lasting=0.1, shock=0.05, most=9.0)
    found = fit(before, after, free, correct=True)
    noise = SAMPLING + 0.05**2
    assert found.projects.unreliability == pytest.approx(noise / (noise + 0.01), rel=0.08)
    assert found.share == pytest.approx(1.0, abs=0.06)
    # nothing is left to be had from the baseline: the residual has no slope on it
    left = (after.log - before.log)[found.placebos.at] - found.placebos.common - found.placebos.fall
    slope = sm.OLS(left, sm.add_constant(found.placebos.deviation)).fit()
    assert abs(slope.params[1]) < 0.03
    assert found.variance[1:].mean() == pytest.approx(left.var(), rel=0.08)


def test_a_reliable_baseline_is_hardly_corrected_however_far_it_stands_and_whatever_others_did():
    # comparison units of which the low ones rose by half of their distance: a slope of −0.5 learnt from them
    draw = np.random.default_rng(8)
    stood = draw.normal(0, 0.5, 80)
    before = side(stood)
    after = side(stood * 0.5 + draw.normal(0, 0.05, 80))
    far = np.arange(80) == 0
    before = side(np.where(far, -1.4, before.log))
    after = side(np.where(far, -1.5, after.log))
    found = fit(before, after, ~far, correct=True)
    assert -found.projects.fall / found.projects.deviation <= found.projects.unreliability + 1e-12
    assert found.share == 1.0  # no more than all of what is luck
    assert abs(found.projects.fall) < 0.5 * abs(found.projects.deviation) * 0.5


def test_no_deviation_counts_for_more_than_the_farthest_comparison_unit():
    before, after, free = region()
    out = np.arange(60) == 0
    near, far = (fit(side(np.where(out, d, before.log)), after, free, correct=True) for d in (3.0, 9.0))
    assert near.projects.beyond
    assert far.projects.beyond
    assert near.projects.fall == pytest.approx(far.projects.fall)


# --- scatter --------------------------------------------------------------------------------------------------------------


def test_scatter_is_the_tau_at_which_cut_squares_are_those_of_a_normal():
    draw = np.random.default_rng(2)
    size = 50
    sampling = draw.uniform(0.0002, 0.004, size)
    change = draw.normal(0, np.sqrt(sampling + 0.03**2))
    found = scatter(
        change,
        sampling,
        np.zeros(size, int),
        np.zeros(size, int),
        np.ones(size),
        np.ones(size, dtype=bool),
        np.ones(size),
    )

    def gap(tau2):
        w = 1 / (sampling + tau2)
        squares = w * (change - (w * change).sum() / w.sum()) ** 2
        return np.minimum(squares, CUT**2).sum() - (size - 1) * MEAN_CUT

    assert found.pooled == pytest.approx(brentq(gap, 1e-9, 1.0), rel=1e-5)
    # E min(Z², c²), from the χ² distribution itself
    assert pytest.approx(chi2.cdf(CUT**2, 3) + CUT**2 * chi2.sf(CUT**2, 1)) == MEAN_CUT


def strata(sds, each, seed=3):
    draw = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(sds)), each)
    sampling = np.full(len(code), 0.0004)
    change = draw.normal(0, np.sqrt(sampling + np.array(sds)[code] ** 2))
    return (
        change,
        sampling,
        code,
        scatter(change, sampling, code, code, np.ones(len(code)), np.ones(len(code), bool), np.ones(len(code))),
    )


def test_specialties_that_differ_keep_their_own_scatter():
    _change, _sampling, code, found = strata([0.01, 0.03, 0.06, 0.12], 60)
    for k, sd in enumerate([0.03, 0.06, 0.12], start=1):
        assert np.sqrt(found.tau2[code == k][0]) == pytest.approx(sd, rel=0.25)
    assert found.tau2[code == 0][0] < 0.02**2


def test_specialties_that_are_alike_lean_on_each_other():
    alone, leaning = [], []
    for seed in range(40):
        change, sampling, code, found = strata([0.05] * 12, 12, seed)
        alone.append(np.std([np.log(change[code == k].var(ddof=1)) for k in range(12)]))
        leaning.append(np.std([np.log(sampling[0] + found.tau2[code == k][0]) for k in range(12)]))
    assert np.mean(leaning) < 0.85 * np.mean(alone)


@pytest.mark.parametrize("each", [8, 17])
def test_a_restless_specialty_is_not_judged_by_the_calm_of_the_others(each):
    ratio = []
    for seed in range(150):
        _change, sampling, code, found = strata([0.01, 0.03, 0.06, 0.12], each, seed)
        ratio.append([(sampling[0] + found.tau2[code == 3][0]) / (0.0004 + 0.12**2)])
    assert np.mean(ratio) > 0.9  # of its true variance, on average over regions


def test_two_units_that_broke_away_do_not_make_all_others_look_restless():
    change, sampling, code, quiet = strata([0.05] * 4, 40)
    broken = change.copy()
    broken[[3, 50]] = [2.1, -1.8]
    every = np.ones(len(code), bool)
    count = reliance(broken, sampling, code, every)
    loud = scatter(broken, sampling, code, code, np.ones(len(code)), every, count)
    assert count[[3, 50]].max() < 0.15
    assert np.delete(count, [3, 50]).min() > 0.6
    assert np.sqrt(loud.pooled / quiet.pooled) < 1.2
    assert np.sqrt(broken.var() / change.var()) > 3


def test_a_scatter_without_the_unit_is_that_of_the_others():
    change, sampling, code, found = strata([0.02, 0.08], 30)
    for unit in (0, 7, 40):
        rest = np.arange(len(code)) != unit
        again = scatter(change, sampling, code, code, np.ones(len(code)), rest, np.ones(len(code)))
        assert found.left_out[unit] == pytest.approx(again.tau2[unit], rel=0.1, abs=2e-5)


def test_small_units_that_are_more_restless_are_found_out():
    draw = np.random.default_rng(6)
    size = np.exp(draw.normal(0, 0.8, 300))
    change = draw.normal(0, 0.06 * size**-0.5)
    zeros = np.zeros(300, int)
    found = scatter(change, np.full(300, 1e-4), zeros, zeros, size, np.ones(300, bool), np.ones(300))
    slope = sm.OLS(np.log(found.tau2), sm.add_constant(np.log(size))).fit().params[1]
    assert slope == pytest.approx(-1.0, abs=0.35)


def test_shares_get_the_error_of_what_can_be_believed_of_them_not_of_the_count_that_luck_gave():
    # 200 units with one share of 5 %: however many a unit had, its error is that of 5 %
    draw = np.random.default_rng(1)
    n = np.full(200, 200.0)
    counts = [draw.binomial(200, 0.05, 200).astype(float) for _ in range(2)]
    made = [Side(x=x, y=n, n=n, log=np.log(x / n), variance=1 / x - 1 / n) for x in counts]
    before, after = steadied(*made, np.zeros(200, int), np.ones(200, bool))
    exact = (1 - 0.05) / (200 * 0.05)
    assert before.variance == pytest.approx(exact, rel=0.15)
    assert after.variance == pytest.approx(exact, rel=0.2)
    assert made[0].variance.max() > 2.5 * exact


# --- calibration ----------------------------------------------------------------------------------------------------------


def test_p_is_the_share_of_placebos_that_lie_as_far_out():
    sizes = np.arange(1, 200) / 10  # 199 placebos
    null = calibration(sizes)
    # 18.1 to 19.9 are 19 placebos; with itself 20 of 200, give or take the half between two of them
    assert null.p(np.array([18.05]), np.array([9.0])) == pytest.approx(20 / 200, abs=0.5 / 200)
    assert null.p(np.array([-18.05]), np.array([9.0])) == null.p(np.array([18.05]), np.array([9.0]))


def test_p_and_limits_are_two_readings_of_one_curve():
    null = calibration(np.random.default_rng(4).standard_t(3, 150))
    for confidence in (0.8, 0.9, 0.95, 0.99, 0.999):
        width = null.width(confidence, np.array([5.0]))
        assert null.p(width, np.array([5.0])) == pytest.approx(1 - confidence, rel=1e-6)
        assert null.p(width * 1.01, np.array([5.0])) < 1 - confidence < null.p(width * 0.99, np.array([5.0]))


def test_with_few_units_without_project_it_is_students_t():
    null = calibration(np.random.default_rng(4).standard_normal(39))
    assert null.width(0.95, np.array([11.0])) == pytest.approx(t.ppf(0.975, 11))
    assert null.p(np.array([2.5]), np.array([11.0])) == pytest.approx(2 * t.sf(2.5, 11))


def test_placebos_judged_among_themselves_are_rejected_as_often_as_stated():
    draw = np.random.default_rng(9)
    for sample in (draw.standard_normal(208), draw.standard_t(2, 208), draw.exponential(1, 208)):
        null = calibration(sample)
        assert (null.p_without_each(sample, np.ones(208)) <= 0.05).mean() == pytest.approx(0.05, abs=0.5 / 208 + 1e-12)
        outside = np.abs(sample) > null.width_without_each(sample, 0.95, np.ones(208))
        assert outside.mean() == pytest.approx(0.05, abs=0.01)


def test_many_normal_placebos_give_the_normal_limits():
    null = calibration(np.random.default_rng(0).standard_normal(20_000))
    assert null.width(0.95, np.ones(1)) == pytest.approx(norm.ppf(0.975), rel=0.02)


# --- the whole method -----------------------------------------------------------------------------------------------------


def cells(before, after):
    rows = []
    for unit, pair in enumerate(zip(before, after, strict=True)):
        for year in range(2019, 2025):
            value = pair[year >= 2022]
            rows.append((f"H{unit}", "s", str(year), "cost_index", 100 * value, 100.0, 100 * value**2 * 1.25, 100))
    return pd.DataFrame(rows, columns=["hospital", "specialty", "period", "indicator", "x", "y", "xx", "n"])


def test_the_three_steps_are_the_own_ratio_the_others_and_the_baseline():
    draw = np.random.default_rng(5)
    before = np.exp(draw.normal(0, 0.2, 50))
    after = before * np.exp(draw.normal(0.02, 0.04, 50))
    units = pd.DataFrame(
        {
            "hospital": [f"H{u}" for u in range(50)],
            "specialty": "s",
            "level_group": "",
            "start": np.where(np.arange(50) == 0, 2022, 0),
            "eligible": True,
        }
    )
    study = Study(
        indicators={"cost_index": CATALOGUE["cost_index"]},
        units=units,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
        comparison=ComparisonPolicy(),
    )
    found = METHODS["did"].estimate(cells(before, after), study)
    one, rtm = found.changes.iloc[0], found.tables["regression_to_mean"].iloc[0]
    change = np.log(after / before)
    assert one["step_own"] == pytest.approx(after[0] / before[0])
    assert one["step_comparison"] == pytest.approx(np.exp(change[0] - change[1:].mean()))
    assert one["estimate"] == pytest.approx(one["step_own"] / rtm["expected"])
    # the limits of what no effect lets expect are those of the test: outside of them means rejected
    assert one["low"] == pytest.approx(rtm["observed"] / rtm["expected_high"])
    assert one["high"] == pytest.approx(rtm["observed"] / rtm["expected_low"])
    placebos = found.tables["placebos"]
    assert len(placebos) == 49
    assert set(placebos["hospital"]) == set(units["hospital"][1:])
    assert (placebos["p_value"] <= 0.05).sum() == 2  # of 49: the two farthest
