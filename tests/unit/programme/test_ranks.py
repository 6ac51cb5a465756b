"""Ranks under errors: what must hold, by arithmetic and by truth planted in 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.programme.ranks import drawn, may_be_among_the_first, rank_sets, rankability
from toolkit.programme.systems import System

RATED = {"rule": "rating", "highest": 100.0}


def system(**more) -> System:
    items = [{"id": "a", "weight": 0.7, "score": RATED}, {"id": "b", "weight": 0.3, "score": RATED}]
    plain = {"id": "s", "title": "示例", "source": "示例", "standing": "示例", "unit": "unit"}
    return System.model_validate({**plain, "groups": [{"id": "g", "items": items}], **more})


def test_without_error_a_rank_is_itself():
    found = rank_sets(np.array([3.0, 9.0, 5.0]), np.zeros(3))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]
    assert may_be_among_the_first(np.array([3.0, 9.0, 5.0]), np.zeros(3), 1).tolist() == [False, True, False]


def test_with_large_errors_nothing_is_known():
    found = rank_sets(np.array([3.0, 9.0, 5.0]), np.full(3, 100.0))
    assert found.low.tolist() == [1, 1, 1]
    assert found.high.tolist() == [3, 3, 3]


def test_two_units_are_told_apart_where_their_difference_is_significant():
    for difference, apart in ((1.9, False), (2.1, True)):  # × √2 × 1, against 1.96
        found = rank_sets(np.array([0.0, difference * np.sqrt(2)]), np.ones(2))
        assert (found.high - found.low == 0).all() == apart


def test_sets_hold_the_truth_as_often_as_they_claim():
    generator, truth, error = np.random.default_rng(5), np.linspace(0, 3, 10), np.full(10, 0.5)
    rank = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    inside = []
    for seed in range(200):
        found = rank_sets(truth + generator.normal(size=10) * error, error, simultaneous=True, seed=seed)
        inside.append(((found.low <= rank) & (rank <= found.high)).all())
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)


def test_rankability_is_the_share_that_is_not_chance():
    estimates = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # variance 2.5
    assert rankability(estimates, np.full(5, np.sqrt(0.5))) == pytest.approx(2.0 / 2.5)
    assert rankability(estimates, np.full(5, 10.0)) == 0


def test_draws_without_doubt_repeat_the_score():
    values = pd.DataFrame({"unit": ["x", "y", "z"], "a": ["90", "50", ""], "b": ["10", "80", "60"]})
    found = drawn(system(), values, draws=5)
    np.testing.assert_allclose(found.scores, np.tile([66.0, 59.0, 60.0], (5, 1)))
    table = found.table(first=1)
    assert table["median_rank"].tolist() == [1, 3, 2]
    assert table["among_first"].tolist() == [1, 0, 0]


def test_the_chance_of_being_first_is_that_of_the_normal_difference():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["50", "52"], "b": ["50", "50"]})
    errors = pd.DataFrame({"unit": ["y", "x"], "a": [2.0, 2.0]})
    chance = drawn(system(), values, errors, draws=4000, seed=3).table(first=1)["among_first"]
    # difference 0.7 × 2 = 1.4, its error 0.7 × 2 × √2 = 1.98: Φ(0.707) = 0.760
    assert chance[1] == pytest.approx(0.760, abs=0.03)
    assert chance.sum() == pytest.approx(1)


def test_doubt_about_weights_moves_only_those_whom_weights_decide():
    values = pd.DataFrame({"unit": ["x", "y", "z"], "a": ["90", "60", "10"], "b": ["40", "90", "5"]})
    for doubt in ({"concentration": 20.0}, {"band": 0.9}):
        table = drawn(system(), values, draws=500, **doubt).table(first=2)
        assert table["among_first"].tolist() == [1, 1, 0]
        first = drawn(system(), values, draws=500, **doubt).table(first=1)["among_first"]
        assert 0 < first[0] < 1
        assert first[2] == 0


def test_a_unit_that_cannot_be_rated_has_no_rank():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["90", ""], "b": ["40", ""]})
    table = drawn(system(), values, draws=3).table()
    assert pd.isna(table["median_rank"][1])
