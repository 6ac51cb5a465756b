"""Risk grades beyond the worked numbers: shrunken rates, probabilities, other choices; tables that stand in for records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows
from scipy import stats

from toolkit.data.lists.published import bridge_table
from toolkit.errors import InputError, ParameterError
from toolkit.indicators import CATALOGUE
from toolkit.params import RiskPolicy
from toolkit.reference import OTHERWISE, attach, described, risk_grades
from toolkit.reference.grades import alternatives, gamma_poisson, grades_of_many, probabilities
from toolkit.reference.left_out import left_out_grades, year_folds

POLICY = RiskPolicy(minimum_cases=30, minimum_deaths=0, minimum_deaths_low=0)


def region(seed: int = 1, drgs: int = 400) -> pd.DataFrame:
    """合成: true rates of the DRGs are gamma, their sizes long-tailed."""
    rng = np.random.default_rng(seed)
    n = np.maximum(5, rng.lognormal(5.5, 1.2, drgs)).astype(int)
    rate = np.minimum(rng.gamma(0.8, 0.01 / 0.8, drgs), 1)
    return pd.DataFrame({"drg": [f"G{i:03}" for i in range(drgs)], "n": n, "died": rng.binomial(n, rate)})


def test_gamma_poisson_finds_the_distribution_the_rates_came_from():
    rng = np.random.default_rng(7)
    expected = rng.uniform(5, 60, 4000)
    died = rng.poisson(expected * rng.gamma(4.0, 1 / 4.0, 4000))
    shape, rate = gamma_poisson(died, expected)
    assert shape == pytest.approx(4.0, rel=0.1)
    assert rate == pytest.approx(4.0, rel=0.1)


def test_gamma_poisson_is_the_maximum_of_scipys_negative_binomial():
    drgs = region(3, 60)
    died, n = drgs["died"].to_numpy(), drgs["n"].to_numpy(float)
    shape, rate = gamma_poisson(died, n)

    def likelihood(a: float, b: float) -> float:
        return float(stats.nbinom.logpmf(died, a, b / (b + n)).sum())

    best = likelihood(shape, rate)
    for a, b in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99), (1.01, 1.01), (0.99, 0.99)):
        assert likelihood(shape * a, rate * b) < best


def test_groups_that_differ_by_chance_alone_share_one_rate():
    assert gamma_poisson(np.array([10.0, 10, 10, 10]), np.array([100.0] * 4)) == (np.inf, np.inf)
    shrunken = risk_grades(
        pd.DataFrame({"drg": list("ABCD"), "n": [100] * 4, "died": [10, 11, 10, 9]}),
        POLICY.model_copy(update={"rates": "empirical_bayes"}),
    )
    assert shrunken["ln_rate"].to_numpy() == pytest.approx(np.log(0.1), abs=1e-6)


def test_shrunken_rates_leave_no_drg_without_a_rate():
    drgs = region()
    raw, shrunken = (risk_grades(drgs, POLICY.model_copy(update={"rates": r})) for r in ("raw", "empirical_bayes"))
    assert (raw["grade"] == 0).any()
    assert not (shrunken["grade"] == 0).any()
    assert raw["rate"].equals(shrunken["rate"])  # the observed rate stays beside
    large = drgs["n"] > 2000
    assert np.abs(raw["ln_rate"] - shrunken["ln_rate"])[large & (drgs["died"] > 20)].max() < 0.1


def test_weighting_by_cases_is_numpys_weighted_mean_and_deviation():
    drgs = region(5, 50)
    graded = risk_grades(drgs, POLICY.model_copy(update={"weighting": "cases"}))
    some = (drgs["n"] >= 30) & (drgs["died"] > 0)
    x, w = np.log((drgs["died"] / drgs["n"])[some]), drgs["n"][some]
    repeated = np.repeat(x, w)
    expected = (x - repeated.mean()) / repeated.std(ddof=1)
    np.testing.assert_allclose(graded["z"][some], expected, rtol=1e-10)


def test_drgs_without_a_death_may_count_as_low():
    drgs = pd.DataFrame({"drg": list("ABC"), "n": [1000, 1000, 20], "died": [0, 5, 0]})
    graded = risk_grades(pd.concat([drgs, region(2, 40)]), POLICY.model_copy(update={"zero_deaths": "low"}))
    assert graded["grade"].iloc[0] == 1
    assert np.isnan(graded["grade"].iloc[2])  # too few cases stay ungraded


def test_the_probability_of_a_grade_is_how_often_it_comes_again():
    """Planted truth: a large DRG far inside its band is certain, one on the edge of two is not."""
    drgs = region()
    graded = risk_grades(drgs, POLICY)
    found = probabilities(graded, POLICY, replicates=400)
    np.testing.assert_allclose(found[[f"p{g}" for g in range(5)]].sum(axis=1)[drgs["n"] >= 30], 1)
    assert found["p_grade"][drgs["n"] < 30].isna().all()
    sure = (drgs["died"] > 30) & ((graded["z"].abs() - 0.5).abs() < 0.25)
    assert found["p_grade"][sure].min() > 0.95
    edge = (graded["z"].abs() - 1).abs() < 0.03
    assert edge.any()
    assert found["p_grade"][edge].max() < 0.8
    few = (graded["grade"] == 0) & (drgs["n"] < 60)
    assert found["p0"][few].max() < 0.99  # no death by smallness is not certain


def test_probabilities_repeat_and_do_not_depend_on_the_order_of_the_drgs():
    graded = risk_grades(region(), POLICY)
    one, two = (probabilities(graded, POLICY, replicates=50) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_what_another_choice_would_give():
    graded = risk_grades(region(), POLICY)
    others = alternatives(graded, POLICY)
    assert list(others) == ["drg", *OTHERWISE]
    assert others["最少 10 例"].notna().sum() > graded["grade"].notna().sum()
    assert others["最少 100 例"].notna().sum() < graded["grade"].notna().sum()
    assert set(others["经验贝叶斯率"].dropna()) <= {1, 2, 3, 4}
    both = described(pd.concat([graded.assign(window=w) for w in ("before", "after")]), POLICY)
    assert len(both) == 2 * len(graded)
    assert both["otherwise1"].notna().any()


# --- tables -------------------------------------------------------------------------------------------------------------


def test_published_means_stand_in_for_the_records(engine, tmp_path):
    (tmp_path / "m.csv").write_text("drg,mean_cost,mean_los\nFA11,10000,10\nFB21,2500,4\n", encoding="utf-8")
    frame = rows.received(
        "hospital | drg | cost_fen | los_days\nA | FA11 | 800000 | 5\nA | FA11 | 1200000 | 20\nA | FB21 | 250000 | 4\nA | FC31 | 90000 | 1"
    )
    params = rows.params(reference={"means": str(tmp_path / "m.csv")})
    cells = engine.cells(frame, params, [CATALOGUE["cost_index"], CATALOGUE["los_index"]], ["hospital"])
    assert cells["value"].tolist() == pytest.approx([(0.8 + 1.2 + 1) / 3, (0.5 + 2 + 1) / 3])
    assert cells["covered"].tolist() == pytest.approx([0.75, 0.75])
    assert cells["own_share"].tolist() == [0, 0]


def test_a_published_table_leaves_no_hospital_out(tmp_path):
    (tmp_path / "m.csv").write_text("drg,mean_cost,mean_los\nFA11,1,1\n", encoding="utf-8")
    with pytest.raises((ParameterError, ValueError), match="leave"):
        rows.params(reference={"means": str(tmp_path / "m.csv"), "leave_one_out": True})


def test_a_window_of_a_cycle_pools_its_years(engine):
    frame = rows.received(
        "hospital | year | cost_fen | cases\nA | 2022 | 10000 | 6\nB | 2022 | 30000 | 6\nA | 2023 | 50000 | 6\nB | 2023 | 70000 | 6"
    )
    policy = {"reference": {"window": "cycle", "minimum_cases": 1}, "trimming": {"method": "none"}}
    cells = engine.cells(
        frame, rows.params(cycles=rows.CYCLES, **policy), [CATALOGUE["cost_index"]], ["hospital", "year"]
    )
    assert cells["value"].tolist() == pytest.approx([100 / 400, 500 / 400, 300 / 400, 700 / 400])
    region = engine.cells(frame, rows.params(cycles=rows.CYCLES, **policy), [CATALOGUE["cost_index"]], ["cycle"])
    assert region["value"].tolist() == pytest.approx([1.0])


def test_expected_mortality_is_that_of_the_drg(engine):
    frame = rows.received(
        "hospital | drg | died | cases\nA | FA11 | T | 1\nA | FA11 | F | 9\nB | FA11 | F | 10\nA | FB21 | F | 3\nB | FC31 | | 8"
    )
    referenced = engine.attached(frame, rows.params(reference={"minimum_cases": 5}))
    found = referenced.frame.set_index(["hospital", "drg"])["ref_mortality"]
    assert found["A", "FA11"] == pytest.approx(1 / 20)
    assert np.isnan(found["A", "FB21"])  # below the minimum cases
    assert np.isnan(found["B", "FC31"])  # nobody's outcome is known
    alone = engine.attached(frame, rows.params(reference={"minimum_cases": 5, "leave_one_out": True}))
    assert alone.frame.set_index(["hospital", "drg"])["ref_mortality"]["A", "FA11"] == 0


VERSIONS = {y: "1.1" if y < 2022 else "2.0" for y in range(2019, 2025)}


def test_versions_that_differ_are_refused_without_a_bridge():
    with pytest.raises((ParameterError, ValueError), match="grouper versions do not compare"):
        rows.params(cycles=rows.CYCLES, grouping={"versions": VERSIONS})
    with pytest.raises((ParameterError, ValueError), match="缺少"):
        rows.params(cycles=rows.CYCLES, grouping={"versions": {2019: "1.1"}})
    assert rows.params(cycles=rows.CYCLES, grouping={"versions": dict.fromkeys(range(2019, 2025), "2.0")})


def test_a_bridge_gives_later_cases_the_earlier_code(engine, tmp_path):
    """Of 100 cases of the new FA15, 96 had been FA11; FB29 came from two groups and has no earlier code."""
    path = tmp_path / "bridge.csv"
    path.write_text("from,to,n\nFA11,FA15,96\nFB21,FA15,4\nFB21,FB29,50\nFC31,FB29,50\n", encoding="utf-8")
    assert bridge_table(path, 0.9) == {"FA15": "FA11"}
    frame = rows.received(
        "hospital | year | drg | cost_fen | cases\nA | 2020 | FA11 | 10000 | 10\nA | 2020 | FB21 | 90000 | 10\n"
        "A | 2023 | FA15 | 15000 | 10\nA | 2023 | FB29 | 90000 | 10"
    )
    params = rows.params(
        cycles=rows.CYCLES, grouping={"versions": VERSIONS, "bridge": str(path)}, trimming={"method": "none"}
    )
    cells = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["cycle"], "frozen").set_index("cycle")
    assert cells.loc["after", "value"] == pytest.approx(1.5)
    assert cells.loc["after", "covered"] == pytest.approx(0.5)
    level = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["cycle"])  # each year by its own codes
    assert level["value"].tolist() == pytest.approx([1.0, 1.0])
    assert level["covered"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("drg,mean_cost\nFA11,1\n", "mean_los"),
        ("drg,mean_cost,mean_los\nFA11,x,1\n", "mean_cost"),
        ("drg,mean_cost,mean_los\nFA11,1,1\nFA11,2,2\n", ":3"),
        ("", "不可读"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(engine, tmp_path, text, word):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    params = rows.params(reference={"means": str(tmp_path / "m.csv")})
    frame = rows.received("hospital | drg\nA | FA11")
    with pytest.raises(InputError, match=word):
        attach(engine.cube(frame, params), params, rows.registry_of(frame), "contemporaneous")


# --- grades from elsewhere ------------------------------------------------------------------------------------------------

NO_LIMITS = {"minimum_cases": 1, "minimum_deaths": 0, "minimum_deaths_low": 0}


def left_out(rows_: list[tuple[int, int, int, int]], **policy: object) -> list[float]:
    """Grades of rows of hospital, DRG, cases, deaths; all of them are of the reference."""
    fold, drg, n, died = (np.array(column) for column in zip(*rows_, strict=True))
    chosen = RiskPolicy.model_validate({**NO_LIMITS, **policy})
    return left_out_grades(fold, drg, n, died, np.ones(len(fold), dtype=bool), chosen).tolist()


def test_a_hospital_is_graded_by_the_deaths_of_the_others():
    own = [(0, 0, 100, 50), (0, 1, 100, 0), (0, 2, 100, 0)]  # deaths of its own that must not count
    others = [(1, 0, 1000, 2), (1, 1, 1000, 10), (2, 2, 1000, 100)]
    # ln 0.002, ln 0.01, ln 0.1 of the others: mean −4.374, sample SD 1.966, so z −0.94, −0.12 and 1.05
    assert left_out([*own, *others])[:3] == [2, 2, 4]


def test_a_drg_that_nobody_else_has_is_not_graded():
    found = left_out([(0, 0, 100, 5), (0, 1, 100, 50), (1, 1, 500, 20), (1, 2, 500, 2), (1, 3, 100, 9)])
    assert np.isnan(found[0])
    assert not np.isnan(found[1])


@pytest.mark.parametrize("rates", ["raw", "empirical_bayes"])
def test_where_nobody_dies_nothing_is_low_risk(rates):
    found = left_out([(h, d, 100, 0) for h in range(3) for d in range(4)], rates=rates)
    assert not {1.0, 2.0, 3.0, 4.0} & set(found)


def test_where_the_others_have_too_few_deaths_nothing_is_graded():
    mine = [(0, d, 1000, 50 * (d + 1)) for d in range(4)]
    few = [(1, d, 1000, d) for d in range(4)]
    found = left_out([*mine, *few], minimum_deaths=100)
    assert np.isnan(found[:4]).all()  # 0 + 1 + 2 + 3 deaths elsewhere
    assert not np.isnan(found[4:]).any()


@pytest.mark.parametrize(("wanted", "graded"), [(11, True), (12, False)])
def test_the_deaths_of_the_low_risk_groups_are_those_of_grades_1_and_2(wanted, graded):
    n, died = np.full((1, 4), 1000.0), np.array([[1.0, 10.0, 50.0, 200.0]])
    # ln of the rates: −6.9, −4.6, −3.0, −1.6; mean −4.0, deviation 2.0: 1 death in grade 1, 10 in grade 2
    policy = RiskPolicy(minimum_cases=1, minimum_deaths=0, minimum_deaths_low=wanted)
    found = grades_of_many(n, died, (n[0], died[0]), policy)[0]
    assert found[:2].tolist() == [1, 2] if graded else np.isnan(found).all()


def test_of_no_row_there_is_no_grade():
    empty = np.zeros(0, dtype=int)
    assert len(left_out_grades(empty, empty, empty, empty, empty.astype(bool), RiskPolicy())) == 0


def test_years_after_take_the_turns_of_those_before():
    assert year_folds(np.array([2019, 2020, 2021, 2022, 2023, 2024]), 2019, 2021).tolist() == [0, 1, 2, 0, 1, 2]
