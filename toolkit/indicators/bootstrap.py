"""A record bootstrap of a unit's indicators: the check on the closed-form intervals, slow and without their assumptions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from toolkit.indicators.base import Declared
from toolkit.indicators.table import collect
from toolkit.params import RunParams
from toolkit.reference import Referenced, on_basis

REFERENCED = ("ref_cost", "ref_los", "ref_mortality", "weight", "risk_grade", "own_cost", "own_los")


def bootstrap(
    cubes: pd.DataFrame,
    referenced: Referenced,
    indicators: Sequence[Declared],
    by: Sequence[str],
    params: RunParams,
    hospitals: pd.DataFrame,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Standard error and percentile limits of every indicator over resampled cubes of one unit.

    Parameters
    ----------
    cubes
        From `toolkit.cube.resampled`.
    referenced
        Of the whole region, on the basis asked for: its reference values are taken as they are.
    by
        Group columns within the unit, e.g. `("hospital", "specialty", "cycle")`.
    params, hospitals
        Of the run, as for `toolkit.reference.attach`.

    Returns
    -------
    pd.DataFrame
        `by`, `indicator`, `replicates` (with a value), `se`, `low`, `high`.
    """
    cells = replicated(cubes, referenced, indicators, by, params, hospitals, confidence=confidence)
    found, tail = cells.groupby([*by, "indicator"], sort=False)["value"], (1 - confidence) / 2
    return pd.DataFrame(
        {
            "replicates": found.count(),
            "se": found.std(ddof=1),
            "low": found.quantile(tail),
            "high": found.quantile(1 - tail),
        }
    ).reset_index()


def replicated(
    cubes: pd.DataFrame,
    referenced: Referenced,
    indicators: Sequence[Declared],
    by: Sequence[str],
    params: RunParams,
    hospitals: pd.DataFrame,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Cells of every indicator in each resampled cube: as of `toolkit.indicators.table.collect`, with `replicate` before `by`.

    Parameters
    ----------
    cubes, referenced, by, params, hospitals
        As for `bootstrap`.
    """
    key = ["hospital", "specialty", "year", "drg"]
    text = dict.fromkeys(("hospital", "specialty", "drg"), "str")
    frame = on_basis(cubes[cubes["n"] > 0].reset_index(drop=True), params, hospitals, referenced.basis).astype(text)
    whole = referenced.frame
    mine = (whole["hospital"] == frame["hospital"].iloc[0]) & (whole["specialty"] == frame["specialty"].iloc[0])
    fixed = whole.loc[mine, [*key, *REFERENCED]].astype(text)
    fixed = fixed.groupby(key, as_index=False).first()  # two codes that a bridge makes one share its values
    drawn = Referenced(
        basis=referenced.basis, frame=frame.merge(fixed, on=key, how="left"), grades=referenced.grades, insufficient={}
    )
    return collect(drawn, indicators, ["replicate", *by], confidence=confidence, policy=params.indicators)
