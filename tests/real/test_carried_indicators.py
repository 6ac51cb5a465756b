"""What the New York and the Chilean file can carry is computed on them; what they cannot, says so and is never 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.indicators import CATALOGUE
from toolkit.params import load_params
from toolkit.runs.pipeline import evaluate

PARAMS = Path(__file__).resolve().parents[2] / "params"
OF_STAYS = {
    "volume",
    "grouped_share",
    "drg_count",
    "drg_count_rarefied",
    "cmi",
    "total_weight",
    "heavy_share",
    "los_index",
    "los_ratio",
    "los_per_weight",
    "mean_los",
    "mortality",
    "mortality_ratio",
    "emergency_heavy",
    "emergency_heavy_survival",
}
# New York has deaths enough to grade the risk of DRGs; the institute in Chile has not
OF_DEATHS = {"low_risk_mortality", "mid_low_risk_mortality", "low_or_mid_low_risk_mortality", "high_risk_survival"}
OF_COSTS = {"cost_index", "cost_ratio", "cost_per_weight", "mean_cost"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "carried"), [("sparcs-2022", OF_STAYS | OF_COSTS | OF_DEATHS), ("chile-neuro-2023", OF_STAYS)]
)
def test_every_indicator_that_the_file_can_carry_has_its_value(data_folder, tmp_path, name, carried):
    results = evaluate(load_params(PARAMS / f"{name}.yaml"), tmp_path)
    cells = results.cells[(results.cells["level"] == "region") & (results.cells["basis"] == "contemporaneous")]
    cells = cells[cells["period"] == "whole"].set_index("indicator")
    assert set(cells.index) == set(CATALOGUE)
    assert set(cells.index[cells["status"] == "value"]) == carried
    assert cells.loc[~cells.index.isin(carried), "value"].isna().all()
    assert set(cells.loc[~cells.index.isin(carried), "status"]) <= {"not_applicable", "no_reference", "too_few"}
