"""What a method of change is: its id, its words and its functions, declared once and entered in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from toolkit.models.change.base import Findings, Study
from toolkit.models.change.panel import Comparisons, Panel


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """One way to estimate change, named in the parameters by `id`.

    Attributes
    ----------
    estimate
        `(cells, study) -> Findings`. Cells are frozen cells of units: `hospital, specialty, period, indicator, n, x, y, xx,
        value, se`; `period` is a year, a cycle (`before`, `after`) or a month (`2022-07`).
    estimand
        What the number is, in one Chinese sentence.
    of_panel
        `(panel, comparisons, study) -> changes`, where a method has it: the changes of projects by themselves on one indicator,
        as `estimate` gives them and nothing beside. The specification curve asks for them thousands of times.
    heeds
        Fields of `ComparisonPolicy` that the method's changes of projects depend on.
    """

    id: str
    name_zh: str
    estimand: str
    estimate: Callable[[pd.DataFrame, Study], Findings]
    of_panel: Callable[[Panel, Comparisons, Study], pd.DataFrame] | None = None
    heeds: Sequence[str] = ()
