"""The ladder of rare deaths: sums of every rung by hand, limits against scipy's own test. All data are 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows
from scipy import stats

from toolkit.evaluation.ladder import ratio_of_counts, rungs
from toolkit.reference import Referenced

PARAMS = rows.params(cycles=rows.CYCLES, projects=[{"hospital": "A", "specialty": "s1", "level": "市"}])
UNITS = pd.DataFrame(
    {"hospital": ["A", "A", "B", "B"], "specialty": ["s1", "s2", "s1", "s2"], "project": ["市", "", "", ""]}
)


def frozen(rate: float = 0.01, scale: int = 1) -> Referenced:
    """Grade 2 everywhere but for G9 (grade 4); deaths before and after."""
    made = []
    deaths = {("A", "s1"): (2, 1), ("A", "s2"): (3, 4), ("B", "s1"): (10, 9), ("B", "s2"): (20, 22)}
    for (hospital, specialty), (before, after) in deaths.items():
        for cycle, died, n in (("before", before, 200), ("after", after, 160)):
            made.append((hospital, specialty, cycle, "G2", n * scale, died * scale, rate, 2.0))
            made.append((hospital, specialty, cycle, "G9", 10, 5, 0.5, 4.0))
            made.append((hospital, specialty, cycle, "GX", 10, 5, np.nan, 2.0))
    columns = ["hospital", "specialty", "cycle", "drg", "died_n", "died", "ref_mortality", "risk_grade"]
    return Referenced(basis="frozen", frame=pd.DataFrame(made, columns=columns), grades=pd.DataFrame(), insufficient={})


def of(found: pd.DataFrame, rung: str, indicator: str = "mid_low_risk_mortality") -> pd.Series:
    [place] = found.index[(found["rung"] == rung) & (found["indicator"] == indicator)]
    return found.loc[place]


COUNTS = ["observed_before", "expected_before", "observed_after", "expected_after"]


def test_every_rung_counts_its_own_cases_and_no_case_without_an_expectation():
    found = rungs(frozen(), UNITS, PARAMS)
    assert of(found, "unit")[COUNTS].tolist() == pytest.approx([2, 2.0, 1, 1.6])
    assert of(found, "hospital")[COUNTS].tolist() == pytest.approx([5, 4.0, 5, 3.2])
    assert of(found, "projects")[COUNTS].tolist() == pytest.approx([2, 2.0, 1, 1.6])
    assert of(found, "unit", "mortality_ratio")[COUNTS].tolist() == pytest.approx([7, 7.0, 6, 6.6])  # G9 too
    assert all(
        part.tolist() == ["unit", "hospital", "projects", "programme"] for _, part in found.groupby("indicator")["rung"]
    )


def test_limits_are_those_of_the_binomial_test_of_the_later_deaths():
    estimate, low, high = ratio_of_counts(*(np.array([v]) for v in (5.0, 4.0, 7.0, 3.2)), confidence=0.95)
    shares = stats.binomtest(7, 12).proportion_ci(0.95, method="exact")
    assert estimate[0] == pytest.approx((7 / 3.2) / (5 / 4.0))
    assert [low[0], high[0]] == pytest.approx([(s / (1 - s)) * 4.0 / 3.2 for s in (shares.low, shares.high)])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 1, 0, 1), (np.nan, np.nan, np.nan)),
        ((3, 0, 2, 1), (np.nan, np.nan, np.nan)),
        ((0, 1, 3, 1), (np.nan, stats.beta.ppf(0.025, 3, 1) / (1 - stats.beta.ppf(0.025, 3, 1)), np.inf)),
        ((3, 1, 0, 1), (0, 0, stats.beta.ppf(0.975, 1, 3) / (1 - stats.beta.ppf(0.975, 1, 3)))),
    ],
    ids=["nobody died", "nothing expected", "none before", "none after"],
)
def test_counts_of_zero(counts, expected):
    found = ratio_of_counts(*(np.array([float(v)]) for v in counts), confidence=0.95)
    assert [v[0] for v in found] == pytest.approx(list(expected), nan_ok=True)


def test_the_first_rung_at_which_a_doubling_would_show_is_marked_and_no_other():
    few = rungs(frozen(), UNITS, PARAMS)
    assert not few["answers"].any()
    assert not few["first"].any()
    many = rungs(frozen(scale=40), UNITS, PARAMS)
    of_one = many[many["indicator"] == "mid_low_risk_mortality"]
    assert of_one["first"].tolist() == [True, False, False, False]
    assert of_one["smallest_rise"].notna().all()


def test_projects_against_the_rest_divide_both_changes():
    found = of(rungs(frozen(scale=40), UNITS, PARAMS), "programme")
    own, rest = (1 / 1.6) / (2 / 2.0), ((4 + 9 + 22) / 4.8) / ((3 + 10 + 20) / 6.0)
    assert found["estimate"] == pytest.approx(own / rest)
    assert found["low"] < found["estimate"] < found["high"]
    error = np.sqrt(sum(1 / (40 * d) for d in (2, 1, 33, 35)))  # with many deaths limits are near the normal ones
    assert np.log(found["high"] / found["low"]) == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_where_nobody_dies_anywhere_there_is_no_ratio_and_no_answer():
    sums = frozen()
    nobody = Referenced(
        basis="frozen", frame=sums.frame.assign(died=0, ref_mortality=0.0), grades=pd.DataFrame(), insufficient={}
    )
    found = rungs(nobody, UNITS, PARAMS)
    assert found[["estimate", "low", "high"]].isna().all().all()
    assert not found["answers"].any()
    assert (found["observed_after"] == 0).all()


def test_without_projects_there_is_no_ladder():
    assert rungs(frozen(), UNITS.assign(project=""), PARAMS).empty
