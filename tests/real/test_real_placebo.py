"""Records in which there are no projects: how often does the recommended method say that one of them changed?

Every eligible unit of the Brazilian file in turn is the only project, all others are what they are: units without one. A method
that keeps its level calls one in twenty changed, over all units, in every specialty and in every third of size. No value of
a unit is printed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from toolkit.evaluation.cells import units_of
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.models.change import METHODS, RECOMMENDED, Study
from toolkit.models.change.panel import comparisons, panels
from toolkit.params import Years

PRIMARY = ("cmi", "cost_index", "los_index")  # deaths are too few to grade, so the fourth has no value for anybody
LEAST, MOST = 0.025, 0.08
AWAY = 0.01  # p of the exact binomial test below which a part is away from 5 %


@pytest.fixture(scope="module")
def judged(brazil) -> pd.DataFrame:
    """Every unit as the only project: `specialty, indicator, third` (of size), `rejected`."""
    params = brazil.params()
    cube = brazil.cube(params)
    cells = collect(
        brazil.attach(cube, params, "frozen"), [CATALOGUE[i] for i in PRIMARY], ["hospital", "specialty", "year"]
    )
    units = units_of(cube, params)
    described = pd.DataFrame(
        {
            "hospital": units["hospital"].astype(str),
            "specialty": units["specialty"].astype(str),
            "level_group": "",
            "start": 0,
            "eligible": units["eligible"].to_numpy(bool),
        }
    )
    study = Study(
        indicators={i: CATALOGUE[i] for i in PRIMARY},
        units=described,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
    )
    made = panels(cells.assign(period=cells["year"].astype(int).astype(str)), study)
    method, parts = METHODS[RECOMMENDED], []
    assert method.of_panel is not None
    for unit in np.flatnonzero(described["eligible"]):
        only = replace(study, units=described.assign(start=np.where(np.arange(len(described)) == unit, 2022, 0)))
        compared = comparisons(only)
        for panel in made.values():
            found = method.of_panel(replace(panel, study=only), compared, only)
            parts.append(found[["indicator", "specialty", "n_before", "n_after", "p_value"]])
    whole = pd.concat(parts, ignore_index=True).dropna(subset="p_value")
    size = whole[["n_before", "n_after"]].min(axis=1).groupby(whole["indicator"]).rank(pct=True, method="first")
    return whole.assign(rejected=whole["p_value"] < 0.05, third=np.ceil(3 * size).astype(int))


def test_there_are_some_two_hundred_units_to_try(judged):
    assert (judged.groupby("indicator").size() > 170).all()


@pytest.mark.parametrize("indicator", PRIMARY)
def test_a_unit_without_project_is_called_changed_about_once_in_twenty(judged, indicator):
    share = judged.loc[judged["indicator"] == indicator, "rejected"].mean()
    assert LEAST <= share <= MOST, f"{indicator}: {share:.1%} of the units without project"


@pytest.mark.parametrize("part", ["specialty", "third"])
@pytest.mark.parametrize("indicator", PRIMARY)
def test_no_specialty_and_no_third_of_size_is_away_from_one_in_twenty(judged, indicator, part):
    rows = judged[judged["indicator"] == indicator]
    for name, of in rows.groupby(part)["rejected"]:
        p = binomtest(int(of.sum()), len(of), 0.05).pvalue
        assert p > AWAY, f"{indicator}, {part} {name}: {of.mean():.1%} of {len(of)} units, p = {p:.4f}"
