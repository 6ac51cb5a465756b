"""A method by formula against other implementations, and formulas that are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from toolkit.errors import ParameterError
from toolkit.indicators import CATALOGUE
from toolkit.models.change.base import COLUMNS, KEYS, Study
from toolkit.models.change.by_formula import NOT_CONVERGED, NOT_IDENTIFIED, NOT_RARE, method_of
from toolkit.models.change.twfe import twfe
from toolkit.params import ComparisonPolicy, FormulaMethod, Years

TWO_WAY = "log_value ~ project + C(unit) + C(year):C(group)"
COUNTS = "x ~ project + C(unit) + C(year):C(group)"


def formula(text: str = TWO_WAY, **more) -> FormulaMethod:
    return FormulaMethod.model_validate(
        {"id": "mine", "title": "自定公式", "formula": text, **({} if "family" in more else {"weights": "n"}), **more}
    )


def region(seed: int = 3, hospitals: int = 14, deaths: float = 0.05) -> tuple[pd.DataFrame, Study]:
    """合成数据: yearly sums of two specialties; the first three hospitals have a project in the first, from 2022 on."""
    rng = np.random.default_rng(seed)
    rows = []
    for h in range(hospitals):
        for specialty in ("内科", "外科"):
            level = rng.normal(0, 0.2)
            for year in range(2019, 2025):
                n = int(rng.integers(80, 300))
                effect = 0.9 if h < 3 and specialty == "内科" and year >= 2022 else 1.0
                costs = rng.lognormal(level + 0.02 * (year - 2019) + np.log(effect), 0.4, n)
                died = float(rng.poisson(deaths * n * effect))
                shared = [f"院{h}", specialty, str(year)]
                rows.append([*shared, "cost_index", costs.sum(), n, (costs**2).sum(), n])
                rows.append([*shared, "mortality", died, n, died, n])
    cells = pd.DataFrame(rows, columns=["hospital", "specialty", "period", "indicator", "x", "y", "xx", "n"])
    units = cells[["hospital", "specialty"]].drop_duplicates(ignore_index=True)
    funded = units["hospital"].isin(["院0", "院1", "院2"]) & (units["specialty"] == "内科")
    units = units.assign(level_group="三级", start=np.where(funded, 2022, 0), eligible=True)
    study = Study(
        indicators={i: CATALOGUE[i] for i in ("cost_index", "mortality")},
        units=units,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
        comparison=ComparisonPolicy(),
    )
    return cells, study


def row(changes: pd.DataFrame, indicator: str, level: str = "region") -> pd.Series:
    return changes[(changes["indicator"] == indicator) & (changes["level"] == level)].iloc[0]


def test_the_two_way_formula_gives_what_the_two_way_method_gives():
    cells, study = region()
    mine = method_of(formula()).estimate(cells, study).changes
    theirs = twfe(cells, study).changes
    assert row(mine, "cost_index")["estimate"] == pytest.approx(row(theirs, "cost_index")["estimate"], rel=1e-8)
    assert list(mine.columns[: len(KEYS) + len(COLUMNS)]) == [*KEYS, *COLUMNS]
    assert row(mine, "cost_index")["n_clusters"] == 14
    assert row(mine, "mortality")["warnings"] == NOT_RARE


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")
def test_its_errors_are_those_of_the_same_regression_by_the_library_alone():
    cells, study = region()
    [own] = [
        r
        for _, r in method_of(formula()).estimate(cells, study).changes.iterrows()
        if r["hospital"] == "院1" and r["indicator"] == "cost_index"
    ]
    data = cells[cells["indicator"] == "cost_index"].assign(
        log_value=lambda f: np.log(f["x"] / f["y"]),
        unit=lambda f: f["hospital"] + f["specialty"],
        project=lambda f: ((f["hospital"] == "院1") & (f["specialty"] == "内科") & (f["period"] >= "2022")).astype(
            float
        ),
    )
    data = data[~(data["hospital"].isin(["院0", "院2"]) & (data["specialty"] == "内科"))]
    fit = smf.wls("log_value ~ project + C(unit) + C(period):C(specialty)", data, weights=data["n"]).fit()
    assert np.log(own["estimate"]) == pytest.approx(fit.params["project"], abs=1e-9)
    assert own["std_error"] == pytest.approx(fit.bse["project"], rel=1e-7)
    low, high = np.exp(fit.conf_int().loc["project"])
    assert [own["low"], own["high"], own["p_value"]] == pytest.approx([low, high, fit.pvalues["project"]], rel=1e-6)


def test_counts_with_offset_give_what_the_two_way_counts_give():
    cells, study = region(deaths=0.1)
    for family in ("poisson", "quasi-poisson"):
        mine = method_of(formula(COUNTS, family=family)).estimate(cells, study).changes
        theirs = twfe(cells, study).changes
        assert row(mine, "mortality")["estimate"] == pytest.approx(row(theirs, "mortality")["estimate"], rel=1e-6)
        assert "不是计数" in row(mine, "cost_index")["warnings"]
    # one project by itself: the scatter of quasi-Poisson widens the interval by its root, the estimate stays
    plain, quasi = (
        row(method_of(formula(COUNTS, family=f)).estimate(cells, study).changes, "mortality", "unit")
        for f in ("poisson", "quasi-poisson")
    )
    assert plain["estimate"] == pytest.approx(quasi["estimate"], rel=1e-9)
    assert plain["std_error"] != quasi["std_error"]


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("log_value ~ project + C(unti)", {}, "unti"),
        ("value ~ project", {}, "给不出比值"),
        ("x ~ project", {}, "给不出比值"),
        ("log_value ~ project", {"family": "poisson"}, "给不出比值"),
        ("log_value ~ C(unit)", {}, "没有 project"),
        ("log_value ~ project + (C(unit)", {}, "无法解析"),
        ("log_value ~ project +", {}, "无法解析"),
        ("x ~ project", {"family": "poisson", "weights": "n"}, "不再加权"),
        ("log_value ~ project", {"cluster": "city"}, "city"),
        ("log_value ~ project", {"weights": "cases"}, "cases"),
        ("log_value ~ project + np.log(n)", {}, "不能有 ."),
        ("log_value ~ project + __import__('os')", {}, "不能有 'os'"),
        ("log_value ~ project + C(unit, levels=[1])", {}, "不能有"),
        ("log_value ~ project ~ n", {}, "给不出比值"),
        ("", {}, ""),
    ],
)
def test_what_is_no_formula_is_refused_with_what_to_do(text, more, says):
    with pytest.raises((ParameterError, ValueError)) as caught:
        method_of(formula(text, **more))
    assert says in str(caught.value)


def test_nothing_of_a_formula_is_run_that_is_not_declared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("log_value ~ project + open(n)", "log_value ~ project + eval(n)", "log_value ~ project + Q(n)"):
        with pytest.raises(ParameterError, match="不存在"):
            method_of(formula(text))
    assert not list(tmp_path.iterdir())


def test_a_term_that_others_explain_has_no_estimate():
    cells, study = region()
    changes = method_of(formula("log_value ~ project + C(unit):C(year)")).estimate(cells, study).changes
    assert changes.loc[changes["indicator"] == "cost_index", "estimate"].isna().all()
    assert changes.loc[changes["indicator"] == "cost_index", "warnings"].str.contains(NOT_IDENTIFIED[:10]).all()


def test_a_fit_that_runs_away_gives_no_estimate_and_says_so():
    cells, study = region()
    funded = set(study.units.loc[study.units["start"] > 0, "hospital"])
    none_left = (
        cells["hospital"].isin(funded)
        & (cells["specialty"] == "内科")
        & (cells["indicator"] == "mortality")
        & (cells["period"] >= "2022")
    )
    cells.loc[none_left, ["x", "xx"]] = 0.0  # the ratio that fits best is 0, its logarithm without end
    changes = method_of(formula(COUNTS, family="poisson")).estimate(cells, study).changes
    found = row(changes, "mortality")
    assert np.isnan(found["estimate"])
    assert NOT_CONVERGED in found["warnings"]


def test_every_unit_a_project_no_deaths_and_no_cells_end_in_words():
    cells, study = region(deaths=0.0)
    poisson = method_of(formula(COUNTS, family="poisson"))
    changes = poisson.estimate(cells, study).changes
    mortality = changes[changes["indicator"] == "mortality"]
    assert mortality["estimate"].isna().all()
    assert (mortality["warnings"] != "").all()
    assert method_of(formula()).estimate(cells.iloc[:0], study).changes.empty
    alone = Study(
        indicators=study.indicators, units=study.units.assign(start=2022), before=study.before, after=study.after
    )
    found = method_of(formula()).estimate(cells, alone).changes
    assert found.loc[found["indicator"] == "cost_index", "estimate"].isna().all()
