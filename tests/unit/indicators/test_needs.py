"""What an indicator cannot do without, told from its declaration. Expected fields are those of its printed formula."""

from __future__ import annotations

import pytest

from toolkit.data.discharge.schema import BY_NAME
from toolkit.indicators import CATALOGUE
from toolkit.indicators.needs import lacking, needs_of


@pytest.mark.parametrize(
    ("indicator", "fields"),
    [
        ("volume", set()),
        ("mean_cost", {"cost_fen"}),
        ("cmi", {"drg"}),
        ("cost_index", {"drg", "cost_fen"}),
        ("los_index", {"drg", "los_days"}),
        ("mortality", {"died"}),
        ("mid_low_risk_mortality", {"drg", "died"}),
        ("drug_share", {"cost_fen", "drug_fen", "material_fen"}),
        ("against_advice_share", {"exit_mode"}),
        ("transfers_in", {"admission_route"}),
        ("complication_share", {"indicators.complications", "acquired_diagnoses"}),
        ("outside_county_share", {"residence|address", "data.hospitals"}),
    ],
)
def test_the_fields_of_the_formula_are_what_is_needed(indicator, fields):
    assert set(needs_of(CATALOGUE[indicator])) == fields


@pytest.mark.parametrize("indicator", CATALOGUE)
def test_records_with_every_field_lack_none(indicator):
    assert not [what for what in lacking(CATALOGUE[indicator], set(BY_NAME)) if not what.startswith("参数")]


def test_what_is_lacking_is_said_in_words():
    assert lacking(CATALOGUE["cost_index"], {"cost_fen"}) == ["DRG"]
    assert lacking(CATALOGUE["level4_share"], {"surgical"}) == ["各手术操作及其级别或手术级别"]
