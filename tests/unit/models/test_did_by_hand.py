"""The corrected ratio by hand: which way a baseline is corrected, and how many degrees of freedom its limits have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, Study
from toolkit.params import ComparisonPolicy, Years

BEFORE, AFTER = Years(first=2019, last=2021), Years(first=2022, last=2024)
N = 4000  # cases a year
SPREAD = 0.5  # standard deviation of a case's ratio, as a share of its mean


def cells_of(before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """Yearly cells of LOS indices: the logs of a unit's index in the three years of each period."""
    rows = []
    for unit in range(len(before)):
        for year in range(2019, 2025):
            value = float(np.exp(before[unit] if year < 2022 else after[unit]))
            squares = N * value**2 + (N - 1) * (SPREAD * value) ** 2
            rows.append((f"H{unit:02d}", "s", str(year), "los_index", N * value, N, squares, N))
    columns = ["hospital", "specialty", "period", "indicator", "x", "y", "xx", "n"]
    return pd.DataFrame(rows, columns=columns).assign(xy=np.nan, yy=np.nan)


def found_of(before: np.ndarray, after: np.ndarray, adjustment: str):
    """Unit 0 is the project, all others are compared with it."""
    size = len(before)
    units = pd.DataFrame(
        {
            "hospital": [f"H{k:02d}" for k in range(size)],
            "specialty": "s",
            "level_group": "三级",
            "start": [2022] + [0] * (size - 1),
            "eligible": True,
        }
    )
    study = Study(
        indicators={"los_index": CATALOGUE["los_index"]},
        units=units,
        before=BEFORE,
        after=AFTER,
        comparison=ComparisonPolicy.model_validate({"adjustment": adjustment}),
    )
    return METHODS["did"].estimate(cells_of(before, after), study)


def did(before: np.ndarray, after: np.ndarray, adjustment: str):
    found = found_of(before, after, adjustment)
    return found.changes.iloc[0], found.tables["regression_to_mean"].iloc[0]


# comparison units of one true level: where they stand before and where after is luck, and the one tells nothing of the other
LUCK = np.array([0.30, -0.30, 0.25, -0.25, 0.20, -0.20, 0.15, -0.15, 0.10, -0.10, 0.05, -0.05])
LATER = np.array([0.25, 0.25, -0.25, -0.25, 0.20, 0.20, -0.20, -0.20, 0.15, 0.15, -0.15, -0.15])
assert abs(LUCK.sum()) < 1e-12
assert abs(LATER.sum()) < 1e-12
assert abs(LUCK @ LATER) < 1e-12


@pytest.mark.parametrize("stood", [0.2, -0.2])
def test_a_baseline_that_was_luck_is_expected_to_come_back_and_its_return_is_no_change(stood):
    change, expected = did(np.r_[stood, LUCK], np.r_[0.0, LATER], "baseline")
    # by hand: the unit itself went from e^stood to 1, the others on average not at all
    assert change["step_own"] == pytest.approx(np.exp(-stood))
    assert change["step_comparison"] == pytest.approx(np.exp(-stood), rel=0.01)
    # λ and c are 1: all of it was to be expected
    assert expected["expected"] == pytest.approx(np.exp(-stood), rel=0.02)
    assert change["estimate"] == pytest.approx(1.0, abs=0.03)  # the wrong sign: e^(−2 × stood), 0.67 or 1.49
    assert change["estimate"] == pytest.approx(expected["observed"] / expected["expected"])


def test_a_high_baseline_that_stays_is_a_rise_and_a_low_one_that_stays_a_fall():
    for stood in (0.2, -0.2):
        change, _ = did(np.r_[stood, LUCK], np.r_[stood, LATER], "baseline")
        assert np.sign(np.log(change["estimate"])) == np.sign(stood)
        assert change["estimate"] == pytest.approx(np.exp(stood), rel=0.02)


@pytest.mark.parametrize("after", [0.4, -0.4, 0.0])
def test_of_a_unit_that_began_where_all_do_the_correction_decides_nothing(after):
    """It has nothing to correct: what changed is a change with and without, and what did not is neither."""
    change, expected = did(np.r_[0.0, LUCK / 2], np.r_[after, LATER / 5], "baseline")
    assert expected["expected"] == pytest.approx(1.0, abs=1e-9)
    assert (not change["low"] < 1 < change["high"]) == (after != 0)
    assert not change["baseline_decides"]


@pytest.mark.parametrize(
    ("others", "adjustment", "df"), [(6, "unadjusted", 5), (12, "unadjusted", 11), (12, "baseline", 10)]
)
def test_the_limits_are_those_of_t_with_the_units_less_their_mean_and_the_slope(others, adjustment, df):
    # twelve comparison units around one mean: one degree of freedom for the mean, one more for the share c
    draw = np.random.default_rng(5)
    before, after = draw.normal(0, 0.05, (2, others + 1))
    change, _ = did(before, after, adjustment)
    width = np.log(change["high"] / change["estimate"]) / change["std_error"]
    assert width == pytest.approx(t.ppf(0.975, df), rel=1e-9)
    assert abs(width - t.ppf(0.975, df - 1)) > 0.01
    assert abs(width - t.ppf(0.975, df + 1)) > 0.01
    if adjustment == "unadjusted":
        # units of one size, nearly: the scatter of a unit, and of the mean of the others
        scatter = np.std((after - before)[1:], ddof=1)
        assert change["std_error"] == pytest.approx(scatter * np.sqrt(1 + 1 / others), rel=0.02)
    z = np.log(change["estimate"]) / change["std_error"]
    assert change["p_value"] == pytest.approx(2 * t.sf(abs(z), df), rel=1e-9)
    assert f"自由度 {df}" in change["inference"]


def test_units_without_project_have_the_p_of_t_at_their_distance():
    draw = np.random.default_rng(5)
    found = found_of(*draw.normal(0, 0.05, (2, 13)), "unadjusted").tables["placebos"]
    assert len(found) == 12
    # one unit fewer to compare with than the project has, for none is compared with itself
    for one in found.itertuples():
        said = [
            2 * t.sf(abs(np.log(one.estimate) / (np.log(one.high / one.estimate) / t.ppf(0.975, df))), df)
            for df in (10, 11)
        ]
        assert min(abs(one.p_value - p) for p in said) < 1e-9
