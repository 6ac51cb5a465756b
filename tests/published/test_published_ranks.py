"""Ranks of 37 countries with what is not known about them, as published for PISA 2018 (csranks)."""

from __future__ import annotations

import pandas as pd
import pytest

from toolkit.programme.ranks import may_be_among_the_first, rank_sets


@pytest.fixture(scope="module")
def pisa(data_folder) -> pd.DataFrame:
    return pd.read_csv(data_folder / "scoring" / "pisa2018.csv").set_index("jurisdiction")


@pytest.mark.parametrize(("confidence", "countries"), [(0.95, 12), (0.90, 11)])
def test_who_may_be_among_the_first_five(pisa, confidence, countries):
    chosen = pisa.index[
        may_be_among_the_first(pisa["math_score"].to_numpy(), pisa["math_se"].to_numpy(), 5, confidence)
    ]
    assert len(chosen) == countries
    assert ("Sweden" in chosen) == (confidence == 0.95)


def test_the_set_of_one_rank(pisa):
    found = rank_sets(pisa["math_score"].to_numpy(), pisa["math_se"].to_numpy())
    place = list(pisa.index).index("United Kingdom")
    # published 7 … 23, and 8 … 23 by the Monte-Carlo bound that is used here
    assert (found.rank[place], found.low[place], found.high[place]) == (13, 8, 23)


def test_sets_that_hold_together_are_wider_than_each_by_itself(pisa):
    score, error = pisa["math_score"].to_numpy(), pisa["math_se"].to_numpy()
    alone, together = rank_sets(score, error), rank_sets(score, error, simultaneous=True)
    assert (together.low <= alone.low).all()
    assert (together.high >= alone.high).all()
    assert (together.high - together.low).sum() > (alone.high - alone.low).sum()
