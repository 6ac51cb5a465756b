"""The release edition of a run with several pairs of windows: numbers over one pair only.

Windows that overlap give small cells away: what one cohort hides, the difference of two shows. So all numbers are those over
the run's own cycle, controlled as if there were no other; of projects with a cycle of their own only the verdict is given out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.evaluation.cohorts import last_cohort, of_units
from toolkit.frames import names_of, with_columns
from toolkit.params import RunParams

UNDER_CYCLE = {"before", "after"}
SAID = ("level", "hospital", "specialty", "indicator", "verdict", "reason", "reason_zh", "boundary")


def without_other_cohorts(
    controlled: Mapping[str, pd.DataFrame], changes: pd.DataFrame, params: RunParams
) -> dict[str, pd.DataFrame]:
    """The controlled tables, with nothing of projects of other starting years but their verdicts and yearly levels.

    Parameters
    ----------
    controlled
        Of the run's own cycle; units with another one have been in every sum, so that what is hidden stays hidden.
    changes
        Exact, of each project over its own windows.
    """
    main = params.cohorts[0]
    elsewhere = {pair for pair, cohort in last_cohort(params).items() if cohort != main}
    made = dict(controlled)
    cells, units = made["cells"], made["units"]
    judged = (
        of_units(cells, elsewhere)
        & ((cells["basis"] == "frozen") | cells["period"].isin(UNDER_CYCLE).to_numpy()).to_numpy()
    )
    made["cells"] = cells[~judged].reset_index(drop=True)
    counts = [c for c in names_of(units) if c.startswith("n_")]
    made["units"] = with_columns(units, **{c: units[c].mask(of_units(units, elsewhere)) for c in counts})
    own = changes[of_units(changes, elsewhere)]
    blank = {c: np.nan if pd.api.types.is_numeric_dtype(own[c]) else "" for c in names_of(own) if c not in SAID}
    verdicts = with_columns(own, **(blank | {"robust": False}))[list(made["changes"].columns)]
    kept = made["changes"][~of_units(made["changes"], elsewhere)]
    made["changes"] = pd.concat([kept, verdicts], ignore_index=True) if len(verdicts) else kept
    return made
