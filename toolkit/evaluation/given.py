"""Cells of values that were given, in place of those that a cube would have had; the tables that follow from them.

A given value is one: nobody knows what reference it was held against, nor whether that stayed. It stands on both bases.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.evaluation.cells import LEVELS, too_few
from toolkit.evaluation.monitoring import funnels
from toolkit.indicators import Status
from toolkit.indicators.capacity import VOLUME
from toolkit.indicators.given import given_cells
from toolkit.indicators.table import COLUMNS
from toolkit.models.monitoring.own_risks import own_limits
from toolkit.models.monitoring.rare_deaths import observed_expected
from toolkit.params import RunParams

FIRST = ["level", "hospital", "specialty", "period", "indicator", "basis"]
BASES = ("contemporaneous", "frozen")
OBSERVED_EXPECTED = "mortality_ratio"


def with_given(cells: pd.DataFrame, given: pd.DataFrame, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """The cells of a run whose values were given.

    Parameters
    ----------
    cells
        As from `all_cells` of a cube that knows nothing but discharges.
    given
        As from `toolkit.indicators.given.given_sums`.
    """
    cycle = {y: label for label, span in params.periods.items() for y in range(span.first, span.last + 1)}
    inside = given[given["year"].isin(list(cycle))]
    inside = inside.assign(year=inside["year"].astype(str), cycle=inside["year"].map(cycle), region="")
    named = pd.MultiIndex.from_frame(units.loc[units["project"] != "", ["hospital", "specialty"]])
    funded = pd.MultiIndex.from_frame(inside[["hospital", "specialty"]]).isin(named)
    parts = []
    for level, keys in (*LEVELS.items(), ("peers", ("specialty",))):
        rows = inside[~funded] if level == "peers" else inside
        for time in ("year", "cycle"):
            if len(rows):
                made = given_cells(rows, [*(keys or ("region",)), time], params.change.confidence)
                parts.append(made.rename(columns={time: "period"}).assign(level=level))
    made = pd.concat(parts, ignore_index=True)
    for key in ("hospital", "specialty"):
        made[key] = made[key].fillna("") if key in made else ""
    both = pd.concat([made.assign(basis=basis) for basis in BASES], ignore_index=True)
    both = too_few(both, params)[[*FIRST, *COLUMNS]]
    kept = cells[~cells["indicator"].isin(both["indicator"].unique())].reset_index(drop=True)
    # of discharges alone nothing else is known: no DRG is no ungrouped case
    unknown = kept["indicator"] != VOLUME.id
    kept.loc[unknown, ["x", "y", "xx", "value", "se", "low", "high", "covered"]] = np.nan
    kept.loc[unknown, "status"] = Status.NOT_APPLICABLE.value
    return pd.concat([kept, both[list(cells.columns)]], ignore_index=True)


def expected_of_given(cells: pd.DataFrame, params: RunParams) -> dict[str, pd.DataFrame]:
    """The tables `expected` and `funnels` of observed and expected deaths that were given."""
    rows = cells[
        (cells["level"] == "unit")
        & (cells["indicator"] == OBSERVED_EXPECTED)
        & cells["period"].isin(params.periods)
        & cells["y"].notna()
    ]
    parts = []
    for basis in BASES:
        own = rows[rows["basis"] == basis]
        own = own[["hospital", "specialty", "period", "n"]].assign(
            observed=own["x"], expected=own["y"], basis=basis, covered=1.0
        )
        if len(own):
            parts.append(observed_expected(own, ["specialty", "period"], confidence=params.change.confidence))
    if not parts:
        return {}
    expected = pd.concat(parts, ignore_index=True)
    # all that is known of the single risks is their mean: the limits are those of the binomial distribution
    keys = ["hospital", "specialty", "period", "basis"]
    alike = expected[[*keys, "n"]].assign(died=expected["observed"], p=expected["expected"] / expected["n"])
    expected = expected.merge(own_limits(alike, keys, confidence=params.change.confidence), on=keys, how="left")
    first = ["hospital", "specialty", "period", "basis", "n", "observed", "expected", "covered"]
    expected = expected[[*first, *[c for c in expected if c not in first]]]
    return {"expected": expected, "funnels": funnels(cells, expected, params)}
