"""The one-year parameter files as shipped, against sums taken straight from the files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from toolkit.evaluation.results import Results
from toolkit.params import load_params
from toolkit.runs.pipeline import evaluate

PARAMS = Path(__file__).resolve().parents[2] / "params"


def region(results: Results, indicator: str) -> pd.Series:
    cells = results.cells
    [row] = cells[
        (cells["level"] == "region")
        & (cells["indicator"] == indicator)
        & (cells["basis"] == "contemporaneous")
        & (cells["period"] == "whole")
    ].to_dict("records")
    return pd.Series(row)


@pytest.mark.slow
def test_new_york(data_folder, tmp_path):
    results = evaluate(load_params(PARAMS / "sparcs-2022.yaml"), tmp_path)
    raw = pd.read_csv(data_folder / "sparcs_2022_11999.csv.gz", dtype=str, keep_default_na=False)
    without_hospital = int((raw["Permanent Facility Id"] == "").sum())
    fates = results.accounts.groupby("rule")["n"].sum()
    assert results.accounts["n"].sum() == 11_999
    assert fates["K00"] == without_hospital > 0  # quarantined: no hospital's number may hold them
    kept = raw[raw["Permanent Facility Id"] != ""]
    deaths = region(results, "mortality")
    assert (deaths["x"], deaths["y"]) == ((kept["Patient Disposition"] == "Expired").sum(), len(kept))
    assert region(results, "cost_index")["value"] == 1
    unreadable = kept["Total Costs"].str.startswith("#").sum()
    bits = results.accounts.loc[results.accounts["fate"] == "accepted"]
    assert bits.loc[bits["rules"].str.contains("|C01|", regex=False), "n"].sum() == unreadable


@pytest.mark.slow
def test_chile(data_folder, tmp_path):
    results = evaluate(load_params(PARAMS / "chile-neuro-2023.yaml"), tmp_path)
    raw = pd.read_csv(data_folder / "chile_grd_2023_neuro_3558.csv.gz", dtype=str, keep_default_na=False)
    weights = raw["IR_29301_PESO"].astype(float)
    assert region(results, "cmi")["value"] == pytest.approx(weights.mean(), rel=1e-9)
    assert region(results, "drg_count")["value"] == raw["IR_29301_COD_GRD"].nunique()
    assert region(results, "mortality")["x"] == (raw["TIPOALTA"] == "FALLECIDO").sum()
    assert pd.isna(region(results, "cost_index")["value"])  # no cost in the source: no number
    own = raw.assign(weight=weights).groupby("ESPECIALIDAD_MEDICA")["weight"].mean()["NEUROCIRUGÍA"]
    cells = results.cells
    [found] = cells.loc[
        (cells["level"] == "specialty")
        & (cells["specialty"] == "neurosurgery")
        & (cells["indicator"] == "cmi")
        & (cells["period"] == "whole")
        & (cells["basis"] == "contemporaneous"),
        "value",
    ]
    assert found == pytest.approx(own, rel=1e-9)
