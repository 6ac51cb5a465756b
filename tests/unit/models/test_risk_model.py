"""The fit on cells is the fit on records: against statsmodels, and against stored output of pyfixest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from toolkit.models.monitoring.risk_model import REST, c_statistic, calibration, fit

STORED = Path(__file__).parents[2] / "models" / "reference"
COVARIATES = ["age_band", "sex", "admission_route"]


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    return pd.read_csv(STORED / "risk_model_sample.csv", dtype={c: str for c in ("drg", *COVARIATES)})


@pytest.fixture(scope="module")
def model(cells):
    return fit(cells, COVARIATES)


def contrasts(model) -> pd.Series:
    """Estimates as pyfixest names them, against the first level of each covariate."""
    table = model.coefficients
    first = table.groupby("covariate")["estimate"].transform("first")
    names = "C(" + table["covariate"] + ")[T." + table["level"] + "]"
    return pd.Series((table["estimate"] - first).to_numpy(), index=names)


def test_coefficients_are_those_of_pyfixest_on_records(model):
    stored = pd.read_csv(STORED / "risk_model_pyfixest.csv").set_index("Coefficient")
    found = contrasts(model).reindex(stored.index)
    assert np.abs(found - stored["Estimate"]).max() < 1e-8


def test_coefficients_and_errors_are_those_of_statsmodels_on_records(cells):
    kept = cells[cells["drg"].between("D08", "D19")]  # statsmodels needs a dense column a DRG
    model = fit(kept, COVARIATES)
    assert model.certain == 0
    records = kept.loc[kept.index.repeat(kept["n"])]
    y = (records.groupby(level=0).cumcount() < records["died"]).astype(float)
    table = model.coefficients.dropna(subset="se")
    design = pd.get_dummies(records["drg"]).astype(float)
    for row in table.itertuples():
        design[f"{row.covariate}={row.level}"] = (records[row.covariate] == row.level).astype(float)
    reference = sm.GLM(y, design, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
    names = (table["covariate"] + "=" + table["level"]).tolist()
    assert np.abs(table["estimate"].to_numpy() - reference.params[names].to_numpy()).max() < 1e-8
    assert np.abs(table["se"].to_numpy() - reference.bse[names].to_numpy()).max() < 1e-8
    effects = model.effects.set_index("group")
    assert np.abs(effects["estimate"] - reference.params[effects.index]).max() < 1e-8
    assert np.abs(effects["se"] - reference.bse[effects.index]).max() < 1e-8
    assert model.log_likelihood == pytest.approx(reference.llf, abs=1e-6)
    assert np.abs(model.probability(kept.loc[records.index]) - reference.fittedvalues.to_numpy()).max() < 1e-8


def test_a_drg_without_a_death_is_named_and_left_out(cells, model):
    without = cells[cells["drg"] == "D07"]
    assert without["died"].sum() == 0
    assert "D07" not in set(model.effects["group"])
    assert model.certain == without["n"].sum()
    assert f"{model.certain:,} 例" in model.warnings[0]
    assert np.isnan(model.probability(without)).all()


def test_pooled_drgs_share_an_effect_and_serve_unseen_ones(cells):
    pooled = fit(cells, COVARIATES, minimum_deaths=20)
    deaths = cells.groupby("drg")["died"].sum()
    assert pooled.pooled == dict.fromkeys(deaths.index[deaths < 20], REST)
    assert pooled.certain == 0
    new = cells.head(1).assign(drg="NEW")
    assert pooled.probability(new) == pytest.approx(pooled.probability(cells.head(1).assign(drg="D07")))
    rest = pooled.effects.set_index("group").loc[REST]
    assert rest["deaths"] == deaths[deaths < 20].sum()


def test_small_drgs_are_pooled_with_their_kin_first(cells):
    deaths = cells.groupby("drg")["died"].sum()
    # D0x: by hand, every DRG alone where it has 30 deaths; the rest of D0 together where they have 30 together
    found = fit(cells, COVARIATES, minimum_deaths=30, prefixes=(2,))
    small = deaths[deaths < 30]
    by_kin = small.groupby(small.index.str[:2]).sum()
    for drg in small.index:
        assert found.pooled[drg] == (f"{drg[:2]}{REST}" if by_kin[drg[:2]] >= 30 else REST)
    assert (found.effects["deaths"] >= 30).sum() >= len(found.effects) - 1  # but for what is left at last
    kin = f"{small.index[0][:2]}"
    unseen = cells.head(1).assign(drg=f"{kin}ZZ")
    assert found.probability(unseen) == pytest.approx(found.probability(cells.head(1).assign(drg=small.index[0])))


def test_expected_deaths_are_the_observed_ones_in_every_drg_and_level(cells, model):
    p = model.probability(cells)
    known = cells.assign(e=cells["n"] * p)[~np.isnan(p)]
    for key in ("drg", *COVARIATES):
        sums = known.groupby(key)[["e", "died"]].sum()
        assert np.abs(sums["e"] - sums["died"]).max() < 1e-7


def test_splitting_cells_and_shuffling_rows_changes_nothing(cells, model):
    halves = pd.concat([cells.assign(n=cells["n"] // 2, died=cells["died"].clip(upper=cells["n"] // 2))])
    rest = cells.assign(n=cells["n"] - halves["n"], died=cells["died"] - halves["died"])
    again = fit(pd.concat([halves, rest]).sample(frac=1, random_state=2), COVARIATES)
    assert np.abs(again.coefficients["estimate"] - model.coefficients["estimate"]).max() < 1e-9


def test_c_statistic_is_the_share_of_pairs_in_order(cells, model):
    p = model.probability(cells)
    known = cells.assign(p=p)[~np.isnan(p)]
    died = np.repeat(known["p"].to_numpy(), known["died"])
    alive = np.repeat(known["p"].to_numpy(), known["n"] - known["died"])
    pairs = stats.mannwhitneyu(died, alive).statistic / (len(died) * len(alive))
    assert c_statistic(known["p"].to_numpy(), known["n"].to_numpy(), known["died"].to_numpy()) == pytest.approx(
        pairs, abs=1e-12
    )
    # by hand: deaths at 0.2 and 0.3, survivors at 0.1, 0.2, 0.3: (1 + ½ + 0 + 1 + 1 + ½) / 6
    assert c_statistic(np.array([0.1, 0.2, 0.3]), np.array([1, 2, 2]), np.array([0, 1, 1])) == pytest.approx(4 / 6)


def test_calibration_adds_up_and_rises(cells, model):
    table = calibration(model.probability(cells), cells["n"].to_numpy(), cells["died"].to_numpy())
    known = cells[~np.isnan(model.probability(cells))]
    assert table["n"].sum() == known["n"].sum()
    assert table["observed"].sum() == known["died"].sum()
    assert table["expected"].sum() == pytest.approx(known["died"].sum())
    assert (table["lowest"].to_numpy()[1:] >= table["highest"].to_numpy()[:-1]).all()
    assert table["n"].min() > 0.8 * table["n"].max()


def test_a_covariate_that_is_the_drg_is_said_to_be_inseparable(cells):
    odd = cells.assign(sex=np.where(cells["drg"] < "D20", "1", "2"))
    odd["admission_route"] = odd["sex"]
    found = fit(odd, ["age_band", "sex", "admission_route"])
    assert any("不能分开估计" in text for text in found.warnings)
    assert np.isfinite(found.coefficients["estimate"]).all()


@pytest.mark.parametrize("died", [0, 1])
def test_nothing_to_fit_is_a_model_that_knows_nothing(cells, died):
    found = fit(cells.assign(died=cells["n"] * died), COVARIATES)
    assert not found.converged
    assert found.warnings
    assert np.isnan(found.probability(cells)).all()
    assert fit(cells.iloc[:0], COVARIATES).warnings


def test_quasi_separation_ends_and_is_said():
    # deaths only where both covariates are 1; each level alone has both outcomes
    frame = pd.DataFrame(
        [("G", a, b, 50, 10 if a == b == "1" else 0) for a in "01" for b in "01"]
        + [("H", "0", "1", 50, 0), ("H", "1", "0", 50, 0), ("H", "1", "1", 50, 5)],
        columns=["drg", "a", "b", "n", "died"],
    )
    found = fit(frame, ["a", "b"])
    assert found.warnings
    assert np.nansum(found.probability(frame) * frame["n"]) == pytest.approx(15, abs=0.01)
