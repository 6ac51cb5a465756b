"""Words of sections."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.reporting.sections.effects import _beside
from toolkit.reporting.tables import MISSING


@pytest.mark.parametrize(
    ("ratio", "says"), [(0.242, "低 75.8%"), (1.25, "高 25.0%"), (1.0, "高 0.0%"), (np.nan, MISSING)]
)
def test_a_ratio_to_the_comparison_units_is_told_as_above_or_below_them(ratio, says):
    assert _beside(ratio) == says
