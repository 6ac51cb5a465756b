"""Published composite scores, reproduced by the engine that scores any system: every star, every summary, every point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.programme.scoring import score
from toolkit.programme.systems import read_system
from toolkit.programme.tables import read_values

SYSTEMS = Path(__file__).parents[2] / "params" / "systems"


def published(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "scoring" / name, dtype=str, keep_default_na=False)


def test_every_star_and_every_summary_score_of_2024(data_folder):
    card = score(
        read_system(SYSTEMS / "cms-stars-2024.yaml"),
        read_values(data_folder / "scoring" / "cms_stars_2024_measures.csv.gz"),
    )
    official = published(data_folder, "cms_stars_2024_published.csv.gz").set_index("PROVIDER_ID")
    mine = card.units.set_index("unit").reindex(official.index)
    summary = pd.to_numeric(official["summary_score"])
    assert len(official) == 4626
    assert np.abs(mine["score"] - summary).max() < 1e-8
    star = pd.to_numeric(official["star"])
    assert star.notna().sum() == 2847
    assert (mine["class"].astype("Float64").isna() == star.isna()).all()
    assert (mine["class"].astype("Float64")[star.notna()] == star[star.notna()]).all()
    # the five groups, too
    wide = card.wide().set_index("PROVIDER_ID").reindex(official.index)
    for mine_of, theirs in (
        ("mortality", "Std_Outcomes_Mortality_score"),
        ("safety", "Std_Outcomes_Safety_score"),
        ("readmission", "Std_Outcomes_Readmission_score"),
        ("patient_experience", "Std_PatientExp_score"),
        ("timely_and_effective", "Std_Process_score"),
    ):
        of_group = pd.to_numeric(official[theirs])
        assert (wide[mine_of].isna() == of_group.isna()).all()
        assert np.nanmax(np.abs(wide[mine_of] - of_group)) < 1e-8


def test_a_year_with_other_measures_is_scored_by_the_same_file_and_says_which_it_lacks(data_folder):
    """Two measures under the names of two of other years: the same stars, whatever they are called."""
    values = read_values(data_folder / "scoring" / "cms_stars_2024_measures.csv.gz")
    values = values.rename(columns={"OP_29": "OP_33", "OP_22": "SAFE_USE_OF_OPIOIDS"})
    card = score(read_system(SYSTEMS / "cms-stars-2024.yaml"), values)
    star = published(data_folder, "cms_stars_2024_published.csv.gz").set_index("PROVIDER_ID")["star"]
    mine = card.units.set_index("unit")["class"].reindex(star.index).astype("Float64")
    assert mine.fillna(0).tolist() == pd.to_numeric(star).fillna(0).tolist()
    assert {"数值表没有列 OP_22，OP_22 不计", "数值表没有列 OP_29，OP_29 不计"} <= set(card.notes)


@pytest.mark.parametrize("file", ["cms_vbp_fy2024_hvbp_co.csv.gz", "cms_vbp_fy2024_hvbp_ef.csv.gz"])
def test_every_achievement_improvement_and_measure_point_of_2024(data_folder, file):
    system = read_system(SYSTEMS / "cms-vbp-2024.yaml")
    values = read_values(data_folder / "scoring" / file)
    card = score(system, values)
    wide = card.wide().set_index("Facility ID").reindex(values["Facility ID"])
    compared = 0
    for item in system.items:
        for mine, theirs in (
            (f"{item.id}.achievement", "Achievement Points"),
            (f"{item.id}.improvement", "Improvement Points"),
            (item.id, "Measure Score"),
        ):
            if f"{item.id} {theirs}" not in values:
                continue
            points = pd.to_numeric(values[f"{item.id} {theirs}"].str.extract(r"^(\d+) out of")[0]).to_numpy()
            np.testing.assert_array_equal(wide[mine].to_numpy(float), points, err_msg=mine)
            compared += int((~np.isnan(points)).sum())
    assert compared > 5000
