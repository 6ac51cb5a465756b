"""Words of sections."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.params import DisclosurePolicy
from toolkit.release.disclosure import released
from toolkit.reporting.content.tables import MISSING
from toolkit.reporting.sections import effects, monitoring
from toolkit.reporting.sections.effects import _beside
from toolkit.runs import golden


@pytest.mark.parametrize(
    ("ratio", "says"), [(0.242, "低 75.8%"), (1.25, "高 25.0%"), (1.0, "高 0.0%"), (np.nan, MISSING)]
)
def test_a_ratio_to_the_comparison_units_is_told_as_above_or_below_them(ratio, says):
    assert _beside(ratio) == says


@pytest.fixture(scope="module")
def given():
    return released(golden(), DisclosurePolicy())


@pytest.mark.parametrize(
    "section",
    [
        effects.methods,
        effects.event_studies,
        effects.regression_to_mean,
        effects.robustness,
        monitoring.control_charts,
        monitoring.could_show,
    ],
    ids=lambda section: section.__name__,
)
def test_what_the_release_edition_withholds_is_not_said_to_be_absent(given, section):
    said = [block.text for block in section(given) if hasattr(block, "text")]
    assert said[-1] == "发布版不提供此项，见内部评估版。"
    assert "没有立项" not in "".join(said)
