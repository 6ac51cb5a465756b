"""The same cells through other programs: pyfixest (stored, with the script), statsmodels and diff-diff (here).

`reference/cells.csv` is a small simulated region (合成数据) with holes. What is compared is what the programs define alike:
estimates to 1e-8, errors where the definition is the same.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import linalg

from tests.models.reference.make_cells import read
from toolkit.indicators import CATALOGUE
from toolkit.models.change.base import Study
from toolkit.models.change.event_study import event_study
from toolkit.models.change.panel import comparisons, panels
from toolkit.models.change.segmented import lags, regression, segmented
from toolkit.models.change.synthetic_control import synthesise
from toolkit.models.change.twfe import effects_of_each, twfe
from toolkit.models.change.two_period import by_years
from toolkit.models.inference import absorbed, absorbed_poisson
from toolkit.params import ComparisonPolicy, Years

EXACT = 1e-8
REFERENCE = pd.read_csv(Path(__file__).parent / "reference" / "pyfixest.csv").set_index(["model", "term"])
UNIT = ["hospital", "specialty"]


def crv3(expected: pd.Series, clusters: int) -> float:
    """Of MacKinnon, Nielsen, Webb: (G − 1)/G times the jackknife sum that is stored."""
    return expected["jackknife"] * np.sqrt((clusters - 1) / clusters)


def study_of(cells: pd.DataFrame, **policy) -> Study:
    units = cells[[*UNIT, "level_group", "start", "eligible"]].drop_duplicates(UNIT).reset_index(drop=True)
    return Study(
        indicators=CATALOGUE,
        units=units,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
        comparison=ComparisonPolicy(**policy),
    )


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    return read()


@pytest.fixture(scope="module")
def costs(cells) -> pd.DataFrame:
    """Cells of projects and eligible units, as a regression program wants them."""
    rows = cells[(cells["indicator"] == "cost_index") & ((cells["start"] > 0) | cells["eligible"])].copy()
    rows["year"] = rows["period"].astype(int)
    rows["log"] = np.log(rows["x"] / rows["y"])
    rows["unit"] = rows["hospital"] + rows["specialty"]
    rows["group"] = rows["specialty"] + rows["level_group"]
    return rows


def together(found: pd.DataFrame, indicator: str) -> pd.Series:
    return found[(found["level"] == "region") & (found["indicator"] == indicator)].iloc[0]


def test_two_way_fixed_effects_agree_with_pyfixest(cells):
    found = together(twfe(cells, study_of(cells)).changes, "cost_index")
    expected = REFERENCE.loc[("twfe", "treated")]
    assert np.log(found["estimate"]) == pytest.approx(expected["estimate"], abs=EXACT)
    assert found["std_error"] == pytest.approx(crv3(expected, found["n_clusters"]), rel=1e-7)


def test_event_study_agrees_with_pyfixest(cells):
    same = cells[cells["start"].isin([0, 2022])]
    found = event_study(same, study_of(same))
    clusters = together(found.changes, "cost_index")["n_clusters"]
    path = found.tables["event_study"]
    path = path[(path["level"] == "region") & (path["indicator"] == "cost_index")].set_index("relative_year")
    for k in (-3, -2, 0, 1, 2):
        expected = REFERENCE.loc[("event_study", f"k{k}".replace("-", "m"))]
        assert np.log(path.loc[k, "estimate"]) == pytest.approx(expected["estimate"], abs=EXACT)
        assert path.loc[k, "std_error"] == pytest.approx(crv3(expected, clusters), rel=1e-6)


@pytest.mark.parametrize("model", ["twfe", "event_study"])
def test_clustered_sandwich_agrees_with_pyfixest(cells, model):
    cells = cells[cells["start"].isin([0, 2022])] if model == "event_study" else cells
    study = study_of(cells)
    panel = panels(cells, study)["cost_index"]
    start = study.units["start"].to_numpy()
    rows = (start > 0) | study.units["eligible"].to_numpy()
    relative = np.where(start[:, None] > 0, study.years - start[:, None], -99)
    steps = [-3, -2, 0, 1, 2]
    x = np.stack([relative == k for k in steps]) if model == "event_study" else (relative >= 0)[None]
    cluster = pd.factorize(study.units["hospital"])[0][rows]
    fit = absorbed(panel.yearly.log[rows], x[:, rows], panel.n[rows], comparisons(study).group[rows], cluster)
    assert fit.observations == REFERENCE.loc[model, "n"].iloc[0]
    assert np.sqrt(np.diag(fit.crv1)) == pytest.approx(REFERENCE.loc[model, "crv1"].to_numpy(), rel=1e-7)


def test_poisson_fixed_effects_agree_with_statsmodels(cells):
    rows = cells[(cells["indicator"] == "mortality") & ((cells["start"] > 0) | cells["eligible"])].copy()
    rows["unit"], rows["group"] = (
        rows["hospital"] + rows["specialty"],
        rows["specialty"] + rows["level_group"] + rows["period"],
    )
    rows["treated"] = ((rows["start"] > 0) & (rows["period"].astype(int) >= rows["start"])).astype(float)
    # what says nothing leaves the dummies of the other program undefined
    for key in ("unit", "group") * 5:
        rows = rows[rows.groupby(key)["x"].transform("sum") > 0]
        rows = rows[rows.groupby(key)["x"].transform("size") > 1]
    dummies = pd.get_dummies(rows[["unit", "group"]]).to_numpy(float)
    x = np.column_stack([rows["treated"], dummies])
    _, upper, order = linalg.qr(x, mode="economic", pivoting=True)
    kept = np.sort(order[np.abs(np.diag(upper)) > 1e-9])  # one of each set of dummies that double each other goes
    assert kept[0] == 0
    model = sm.GLM(rows["x"].to_numpy(), x[:, kept], family=sm.families.Poisson(), offset=np.log(rows["y"].to_numpy()))
    # it stops when the deviance does, which is flat at its top: begin again from there
    expected = model.fit(start_params=model.fit(tol=1e-13).params, tol=0, maxiter=5)
    years, units = sorted(rows["period"].unique()), sorted(rows["unit"].unique())
    wide = {
        c: rows.pivot_table(index="unit", columns="period", values=c).reindex(index=units, columns=years)
        for c in ("x", "y", "treated")
    }
    first = rows.drop_duplicates("unit").set_index("unit").loc[units]
    group = pd.factorize(first["specialty"] + first["level_group"])[0]
    fit = absorbed_poisson(
        wide["x"].to_numpy(),
        wide["y"].fillna(0).to_numpy(),
        wide["treated"].fillna(0).to_numpy()[None],
        group,
        pd.factorize(first["hospital"])[0],
    )
    assert fit.beta[0] == pytest.approx(expected.params[0], abs=EXACT)
    assert np.isfinite(fit.crv1[0, 0])


def alone(costs: pd.DataFrame, study: Study, project: int) -> pd.DataFrame:
    """Rows of one project and its comparison units."""
    units = study.units.iloc[[project, *comparisons(study).of(project)]]
    return costs.merge(units[UNIT], on=UNIT)


def test_each_project_by_itself_agrees_with_dummies_in_statsmodels(cells, costs):
    study = study_of(cells)
    found = twfe(cells, study).changes.set_index(["level", *UNIT, "indicator"])
    path = event_study(cells, study).tables["event_study"].set_index(["level", *UNIT, "indicator", "relative_year"])
    compared = 0
    for project in np.flatnonzero(study.units["start"] > 0):
        row = study.units.iloc[project]
        key = ("unit", row["hospital"], row["specialty"], "cost_index")
        rows = alone(costs, study, project).assign(
            own=lambda f, r=row: ((f["hospital"] == r["hospital"]) & (f["year"] >= r["start"])).astype(float)
        )
        if np.isnan(found.loc[key, "estimate"]):
            continue
        fit = smf.wls("log ~ own + C(unit) + C(year)", data=rows, weights=rows["n"]).fit()
        assert np.log(found.loc[key, "estimate"]) == pytest.approx(fit.params["own"], abs=EXACT)
        assert found.loc[key, "p_value"] >= 1 / (found.loc[key, "n_comparison"] + 1)
        # event study: every year of the project but the reference has a dummy of its own
        mine = rows["hospital"] == row["hospital"]
        steps = sorted(set((rows.loc[mine, "year"] - row["start"]).astype(int)) - {-1})
        if -1 not in set(rows.loc[mine, "year"] - row["start"]):
            continue
        names = {k: f"k{k}".replace("-", "m") for k in steps}
        rows = rows.assign(
            **{name: (mine & (rows["year"] - row["start"] == k)).astype(float) for k, name in names.items()}
        )
        fit = smf.wls(f"log ~ {' + '.join(names.values())} + C(unit) + C(year)", data=rows, weights=rows["n"]).fit()
        for k, name in names.items():
            assert np.log(path.loc[(*key, k), "estimate"]) == pytest.approx(fit.params[name], abs=EXACT)
        compared += 1
    assert compared >= 4


def test_placebos_are_the_same_regression_with_another_unit_treated(cells, costs):
    study = study_of(cells)
    panel = panels(cells, study)["cost_index"]
    project = int(np.flatnonzero(study.units["start"] == 2022)[0])
    others = comparisons(study).of(project)
    log = panel.yearly.log[others]
    found = effects_of_each(log, np.where(np.isfinite(log), panel.n[others], 0.0), study.years >= 2022)
    rows = costs.merge(study.units.iloc[others][UNIT], on=UNIT)
    for effect, unit in zip(found, others, strict=True):
        named = study.units.iloc[unit]["hospital"]
        placebo = rows.assign(own=((rows["hospital"] == named) & (rows["year"] >= 2022)).astype(float))
        fit = smf.wls("log ~ own + C(unit) + C(year)", data=placebo, weights=placebo["n"]).fit()
        assert effect == pytest.approx(fit.params["own"], abs=EXACT)


def test_years_as_clusters_agree_with_statsmodels(cells):
    study = study_of(cells)
    found = by_years(cells, study).changes
    compared = 0
    for row in found.itertuples():
        own = cells[
            (cells["hospital"] == row.hospital)
            & (cells["specialty"] == row.specialty)
            & (cells["indicator"] == row.indicator)
        ]
        start, years = own["start"].iloc[0], own["period"].astype(int)
        sides = np.bincount(years >= start, minlength=2)
        if sides.min() < 2 or not own["x"].sum() > 0 or np.isnan(row.std_error):
            continue
        x = sm.add_constant((years >= start).astype(float).to_numpy())
        glm = sm.GLM(own["x"].to_numpy(), x, family=sm.families.Poisson(), offset=np.log(own["y"].to_numpy()))
        fit = glm.fit(cov_type="cluster", cov_kwds={"groups": years.to_numpy()}, tol=1e-14)
        assert np.log(row.estimate) == pytest.approx(fit.params[1], abs=EXACT)
        assert row.std_error == pytest.approx(fit.bse[1], rel=1e-6)
        assert row.n_clusters == len(own)
        compared += 1
    assert compared >= 8


def test_weighted_newey_west_agrees_with_statsmodels():
    rng = np.random.default_rng(3)
    t, k = 72, 5
    x = np.column_stack([np.ones(t), rng.normal(size=(t, k - 1))])
    y, weight = x @ rng.normal(size=k) + rng.normal(size=t).cumsum() * 0.3, rng.uniform(10, 50, t)
    beta, covariance = regression(y, x, weight, lags(t))
    fit = sm.WLS(y, x, weights=weight / weight.mean()).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags(t), "use_correction": True}, use_t=True
    )
    assert lags(t) == 3
    assert beta == pytest.approx(fit.params, abs=1e-10)
    assert covariance == pytest.approx(fit.cov_params(), rel=1e-9)


def test_segmented_by_month_agrees_with_a_formula_in_statsmodels():
    rng = np.random.default_rng(8)
    month = pd.period_range("2019-01", "2024-12", freq="M")
    n = rng.integers(80, 160, len(month))
    years = np.arange(len(month)) / 12 - 3
    log = 0.05 - 0.02 * years - 0.1 * (years >= 0) - 0.03 * years * (years >= 0) + 0.05 * np.sin(2 * np.pi * years)
    x = n * np.exp(log + rng.normal(0, 0.03, len(month)))
    cells = pd.DataFrame(
        {
            "hospital": "甲",
            "specialty": "内科",
            "period": month.astype(str),
            "indicator": "cost_index",
            "x": x,
            "y": n,
            "n": n,
            "xx": x**2,
        }
    )
    units = pd.DataFrame(
        {"hospital": ["甲"], "specialty": ["内科"], "level_group": [""], "start": [2022], "eligible": [True]}
    )
    study = Study(
        indicators=CATALOGUE, units=units, before=Years(first=2019, last=2021), after=Years(first=2022, last=2024)
    )
    found = segmented(cells, study)
    frame = pd.DataFrame({"log": np.log(x / n), "t": years, "level": (years >= 0).astype(float), "month": month.month})
    frame["ramp"] = frame["level"] * frame["t"]
    fit = smf.wls("log ~ t + level + ramp + C(month)", data=frame, weights=n).fit(
        cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": True}, use_t=True
    )
    terms = found.tables["segments"].set_index("term")
    for term, name in (("slope_before", "t"), ("level", "level"), ("slope_change", "ramp")):
        assert np.log(terms.loc[term, "estimate"]) == pytest.approx(fit.params[name], abs=EXACT)
        assert terms.loc[term, "p_value"] == pytest.approx(fit.pvalues[name], rel=1e-6)
    [row] = found.changes.to_dict("records")
    weight = frame["level"] * n
    contrast = fit.t_test(f"level + {(weight * frame['t']).sum() / weight.sum()} * ramp = 0")
    assert np.log(row["estimate"]) == pytest.approx(float(contrast.effect[0]), abs=EXACT)
    assert np.log([row["low"], row["high"]]) == pytest.approx(contrast.conf_int()[0], abs=1e-7)


def test_synthetic_did_agrees_with_diff_diff():
    from diff_diff import SyntheticDiD

    rng = np.random.default_rng(4)
    for donors, before, after in ((8, 3, 3), (20, 12, 5)):
        years = before + after
        log = (
            rng.normal(0, 0.2, (donors + 1, 1))
            + rng.normal(0, 0.02, years).cumsum()
            + rng.normal(0, 0.04, (donors + 1, years))
        )
        frame = pd.DataFrame(
            {
                "unit": np.repeat(np.arange(donors + 1), years),
                "year": np.tile(np.arange(years), donors + 1),
                "log": log.ravel(),
            }
        )
        frame["treated"] = (frame["unit"] == 0).astype(int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = SyntheticDiD(n_bootstrap=20, seed=1).fit(
                frame,
                outcome="log",
                treatment="treated",
                unit="unit",
                time="year",
                post_periods=list(range(before, years)),
            )
        found = synthesise(log[0], log[1:], np.arange(years) < before)
        assert found.effect == pytest.approx(expected.att, abs=2e-4)  # its solver stops at weights good to about 1e-3
        weights = pd.Series(expected.unit_weights).reindex(range(1, donors + 1)).fillna(0)
        assert found.units == pytest.approx(weights.to_numpy(), abs=5e-3)


def test_synthetic_weights_are_at_the_optimum():
    # conditions of Karush, Kuhn and Tucker for the constrained problem itself, no other program needed
    from toolkit.models.change.synthetic_control import _simplex

    rng = np.random.default_rng(6)
    columns, target, ridge = rng.normal(size=(6, 9)), rng.normal(size=6), 0.3
    shares = _simplex(columns, target, ridge)
    a, b = columns - columns.mean(axis=0), target - target.mean()
    gradient = a.T @ (a @ shares - b) + ridge * shares
    held = shares > 1e-9
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0
    assert gradient[held] == pytest.approx(np.full(held.sum(), gradient[held].mean()), abs=1e-6)
    assert (gradient[~held] >= gradient[held].mean() - 1e-6).all()


def test_a_series_on_its_line_has_no_error_and_says_so():
    month = pd.period_range("2019-01", "2024-12", freq="M").astype(str)
    cells = pd.DataFrame(
        {
            "hospital": "甲",
            "specialty": "内科",
            "period": month,
            "indicator": "cost_index",
            "x": 100.0,
            "y": 100,
            "n": 100,
            "xx": 150.0,
        }
    )
    units = pd.DataFrame(
        {"hospital": ["甲"], "specialty": ["内科"], "level_group": [""], "start": [2022], "eligible": [True]}
    )
    study = Study(
        indicators=CATALOGUE, units=units, before=Years(first=2019, last=2021), after=Years(first=2022, last=2024)
    )
    [row] = segmented(cells, study).changes.to_dict("records")
    assert row["estimate"] == pytest.approx(1)
    assert np.isnan([row["low"], row["high"], row["p_value"]]).all()
    assert "完全重合" in row["warnings"]
