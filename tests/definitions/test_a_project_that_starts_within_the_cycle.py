"""The handed case of a project that starts in the second year of the run's cycle (cohorts/, 合成数据)."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.evaluation.names import NAMES
from toolkit.params import load_params
from toolkit.runs import pipeline

pytestmark = pytest.mark.slow  # the kind itself is held by tests/unit/runs/test_cohorts.py
CASE = Path(__file__).parent / "cohorts"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    return pipeline.evaluate(load_params(CASE / "mid.yaml", NAMES), tmp_path_factory.mktemp("run"))


def test_each_of_the_two_projects_has_its_own_three_and_three_years(evaluated):
    windows = evaluated.cohorts.set_index("cohort")[["before_first", "before_last", "after_first", "after_last"]]
    assert windows.loc["2022"].tolist() == [2019, 2021, 2022, 2024]
    assert windows.loc["2023"].tolist() == [2020, 2022, 2023, 2025]


def test_the_years_before_are_three_and_not_four(evaluated):
    """160 cases in 2020 and in 2021, 90 in 2022, the last there is; with 2019 they were 570."""
    changes = evaluated.changes
    own = changes[(changes["level"] == "unit") & (changes["hospital"] == "B") & (changes["specialty"] == "s2")]
    assert set(own.loc[own["indicator"] == "cost_index", "n_before"]) == {410}
    first = changes[(changes["level"] == "unit") & (changes["hospital"] == "A") & (changes["specialty"] == "s1")]
    assert set(first.loc[first["indicator"] == "cost_index", "n_before"]) == {480}


def test_a_cycle_that_has_not_begun_says_so(evaluated):
    row = evaluated.cohorts.set_index("cohort").loc["2023"]
    assert (row["passed"], bool(row["complete"])) == (0, False)
