"""Before and after: by hand, exact limits against their definition, planted truth, size."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from toolkit.indicators import CATALOGUE
from toolkit.indicators.base import Count, Distribution
from toolkit.indicators.table import finish
from toolkit.models.change import inferential, two_period

RARE, PROPORTION, MEAN = "mortality", "level4_share", "cost_index"


def cells(indicator: str, before, after, *, groups: list[str] | None = None) -> pd.DataFrame:
    """Cells of groups with sums (x, y[, xx]) before and after; None where the period is absent."""
    parts = []
    for cycle, given in (("before", before), ("after", after)):
        given = given if isinstance(given, list) else [given]
        for name, sums in zip(groups or ["A"], given, strict=True):
            if sums is not None:
                x, y, xx = (*sums, np.nan)[:3]
                parts.append(
                    {
                        "hospital": name,
                        "cycle": cycle,
                        "x": float(x),
                        "y": float(y),
                        "xx": float(xx),
                        "all_y": float(y),
                        "own_y": np.nan,
                        "rows": 1.0,
                    }
                )
    frame = pd.DataFrame(parts).assign(indicator=indicator, basis="frozen")
    return finish(frame, CATALOGUE[indicator], 0.95)


def change(indicator: str, before, after, **more) -> pd.Series:
    [row] = two_period(cells(indicator, before, after), CATALOGUE, ["hospital"], **more).to_dict("records")
    return pd.Series(row)


def test_five_in_a_hundred_after_ten_is_a_half():
    for indicator in (RARE, PROPORTION):
        found = change(indicator, (10, 100), (5, 100))
        assert found["estimate"] == pytest.approx(0.5)
        assert (found["n_before"], found["n_after"]) == (100, 100)
        assert found["low"] < 0.5 < found["high"]
        assert (found["before"], found["after"]) == (10.0, 5.0)  # in percent


def test_exposure_counts_not_deaths_alone():
    assert change(RARE, (10, 100), (10, 400))["estimate"] == pytest.approx((10 / 400) / (10 / 100))


@pytest.mark.parametrize(("d0", "n0", "d1", "n1"), [(10, 100, 5, 100), (30, 1000, 12, 900), (1, 50, 7, 400)])
def test_limits_of_a_ratio_of_rates_invert_the_binomial_test(d0, n0, d1, n1):
    found = change(RARE, (d0, n0), (d1, n1))

    def share(ratio: float) -> float:  # of the deaths that fall after, were this the true ratio
        return ratio * n1 / (ratio * n1 + n0)

    assert stats.binom.sf(d1 - 1, d0 + d1, share(found["low"])) == pytest.approx(0.025)
    assert stats.binom.cdf(d1, d0 + d1, share(found["high"])) == pytest.approx(0.025)
    # the conditional test of two Poisson means, two-sided by doubling
    exact = min(stats.binom.cdf(d1, d0 + d1, n1 / (n0 + n1)), stats.binom.sf(d1 - 1, d0 + d1, n1 / (n0 + n1)))
    assert found["p_value"] == pytest.approx(min(1.0, 2 * exact))


def test_ratio_of_proportions_has_the_katz_limits():
    found = change(PROPORTION, (10, 100), (15, 120))
    error = math.sqrt(1 / 10 - 1 / 100 + 1 / 15 - 1 / 120)
    assert math.log(found["high"] / found["estimate"]) == pytest.approx(1.959964 * error, rel=1e-6)
    assert math.log(found["estimate"] / found["low"]) == pytest.approx(1.959964 * error, rel=1e-6)
    assert found["p_value"] == pytest.approx(2 * stats.norm.sf(math.log((15 / 120) / (10 / 100)) / error))
    ninety = change(PROPORTION, (10, 100), (15, 120), confidence=0.9)
    assert math.log(ninety["high"] / ninety["estimate"]) == pytest.approx(1.644854 * error, rel=1e-6)


def test_ratio_of_means_by_the_delta_method():
    a, b = [0.8, 1.0, 1.5, 0.7], [1.2, 0.9, 1.8]
    found = change(MEAN, (sum(a), 4, sum(v * v for v in a)), (sum(b), 3, sum(v * v for v in b)))
    relative = [np.std(v, ddof=1) / math.sqrt(len(v)) / np.mean(v) for v in (a, b)]
    assert found["estimate"] == pytest.approx(1.3 / 1.0)
    assert math.log(found["high"] / 1.3) == pytest.approx(1.959964 * math.hypot(*relative), rel=1e-6)


def test_no_death_in_one_period():
    gone = change(RARE, (6, 100), (0, 100))
    assert (gone["estimate"], gone["low"]) == (0.0, 0.0)
    # 6 of 6 before: share after at most 1 − 0.025^(1/6)
    share = 1 - 0.025 ** (1 / 6)
    assert gone["high"] == pytest.approx(share / (1 - share))
    assert gone["p_value"] == pytest.approx(2 * 0.5**6)
    come = change(RARE, (0, 100), (6, 100))
    assert np.isnan(come["estimate"])
    assert come["high"] == np.inf
    assert come["low"] == pytest.approx((1 - share) / share)
    assert "建设前为 0" in come["warnings"]


def test_no_death_in_either_period_says_nothing():
    found = change(RARE, (0, 100), (0, 100))
    assert found[["estimate", "low", "high", "p_value"]].isna().all()


@pytest.mark.parametrize("kind", [RARE, PROPORTION, MEAN])
@pytest.mark.parametrize(
    ("before", "after", "word"), [(None, (5, 100, 9), "建设前无值"), ((5, 100, 9), None, "建设周期无值")]
)
def test_a_period_without_a_value_gives_the_reason_and_no_number(kind, before, after, word):
    found = change(kind, before, after)
    assert found[["estimate", "low", "high", "p_value"]].isna().all()
    assert word in found["warnings"]
    assert sorted([found["n_before"], found["n_after"]]) == [0, 100]


def test_zero_and_full_shares_have_no_limits():
    for before, after in (((0, 50), (5, 50)), ((5, 50), (0, 50)), ((50, 50), (50, 50))):
        assert change(PROPORTION, before, after)[["low", "high"]].isna().all()


def test_every_estimate_warns_of_what_it_is_not():
    assert "向均值回归" in change(RARE, (10, 100), (5, 100))["warnings"]


def test_swapping_the_periods_inverts_the_ratio():
    for indicator, one, two in (
        (RARE, (12, 300), (20, 250)),
        (PROPORTION, (12, 300), (20, 250)),
        (MEAN, (80, 100, 90), (99, 110, 120)),
    ):
        a, b = change(indicator, one, two), change(indicator, two, one)
        assert a["estimate"] == pytest.approx(1 / b["estimate"])
        assert (a["low"], a["high"]) == (pytest.approx(1 / b["high"]), pytest.approx(1 / b["low"]))
        assert a["p_value"] == pytest.approx(b["p_value"])


def test_totals_and_counts_get_a_ratio_without_limits():
    for id_ in ("volume", "drg_count"):
        found = change(id_, (100, 100), (150, 150))
        assert found["estimate"] == pytest.approx(1.5)
        assert found[["low", "high", "p_value"]].isna().all()
        assert not inferential(CATALOGUE[id_])
    assert {i for i, one in CATALOGUE.items() if inferential(one)} == {
        i for i, one in CATALOGUE.items() if not isinstance(one, Count) and one.distribution in list(Distribution)
    }


# --- simulated: seeds are written, errors of 1,000 runs: 0.7 points --------------------------------------------------------

RUNS = 1000
NAMES = [f"{i:04d}" for i in range(RUNS)]


def simulated(kind: str, n: int, ratio: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sides = []
    for truth in (1.0, ratio):
        if kind == MEAN:
            # cases of one DRG, log SD 0.7 as in statistics-pitfalls.md §1
            draws = truth * np.exp(rng.normal(-0.245, 0.7, (RUNS, n)))
            sides.append([(d.sum(), n, (d * d).sum()) for d in draws])
        elif kind == PROPORTION:
            sides.append([(x, n) for x in rng.binomial(n, 0.3 * truth, RUNS)])
        else:
            sides.append([(x, n) for x in np.minimum(rng.poisson(0.05 * n * truth, RUNS), n)])
    return two_period(cells(kind, *sides, groups=NAMES), CATALOGUE, ["hospital"])


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("kind", [MEAN, PROPORTION, RARE])
def test_without_an_effect_at_most_the_nominal_share_rejects(kind, n):
    found = simulated(kind, n, 1.0, 11)
    rejected = (found["p_value"] < 0.05).mean()
    assert rejected <= 0.068  # 99 % band of 1,000 runs at 5 %
    outside = ((found["low"] > 1) | (found["high"] < 1)).mean()
    assert outside == pytest.approx(rejected, abs=0.002)  # test and limits say the same
    if kind != RARE:  # the exact test is conservative where counts are small
        assert rejected >= 0.032


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("kind", [MEAN, PROPORTION, RARE])
def test_a_planted_ratio_is_covered(kind, n):
    found = simulated(kind, n, 0.8, 12)
    covered = ((found["low"] <= 0.8) & (found["high"] >= 0.8)).mean()
    assert 0.932 <= covered <= (0.968 if kind != RARE else 0.999)
    assert np.nanmedian(found["estimate"]) == pytest.approx(0.8, rel=0.08 if n == 100 else 0.02)
