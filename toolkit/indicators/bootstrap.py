"""A record bootstrap of a unit's indicators: the check on the closed-form intervals, slow and without their assumptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from toolkit.indicators.base import Declared
from toolkit.indicators.table import collect
from toolkit.params import RunParams
from toolkit.reference import Referenced, on_basis

REFERENCED = ("ref_cost", "ref_los", "ref_mortality", "weight", "risk_grade", "own_cost", "own_los")


def bootstrap(
    cubes: Iterable[pd.DataFrame], referenced: Referenced, indicators: Sequence[Declared], by: Sequence[str],
    params: RunParams, hospitals: pd.DataFrame, *, confidence: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
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
    key = ["hospital", "specialty", "year", "drg"]
    values: list[pd.DataFrame] = []
    fixed: pd.DataFrame | None = None
    for cube in cubes:
        frame = on_basis(cube[cube["n"] > 0], params, hospitals, referenced.basis)
        frame = frame.astype({k: "str" for k in key if k != "year"})
        if fixed is None:
            whole = referenced.frame
            mine = (whole["hospital"] == frame["hospital"].iloc[0]) & (whole["specialty"] == frame["specialty"].iloc[0])
            kept = whole.loc[mine, [*key, *REFERENCED]].astype({k: "str" for k in key if k != "year"})
            fixed = kept.groupby(key, as_index=False).first()  # two codes that a bridge makes one share its values
        drawn = Referenced(
            basis=referenced.basis,
            frame=frame.merge(fixed, on=key, how="left"),
            grades=referenced.grades,
            insufficient={},
        )
        cells = collect(drawn, indicators, by, confidence=confidence, policy=params.indicators)
        values.append(cells[[*by, "indicator", "value"]])
    every = pd.concat(values, ignore_index=True)
    found, tail = every.groupby([*by, "indicator"], sort=False)["value"], (1 - confidence) / 2
    return pd.DataFrame(
        {
            "replicates": found.count(),
            "se": found.std(ddof=1),
            "low": found.quantile(tail),
            "high": found.quantile(1 - tail),
        }
    ).reset_index()
