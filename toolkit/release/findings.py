"""What was found on units, for readers outside: breaks, stability of grades, coding, and what holds verdicts back.

The rule of all: what is shown beside a verdict must not give a number back that the cells hide. So values are taken from the
released cells or not at all, shares stand without their counts and only of many cases, and sentences lose their numbers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.evaluation.breaks import INDICES
from toolkit.evaluation.holds import DATA_BREAK, FROZEN_COVERAGE, UNSTABLE_GRADES
from toolkit.indicators.capacity import VOLUME
from toolkit.params import DisclosurePolicy

UNIT = ["hospital", "specialty"]
# sentences that name exact shares of cases, as they are said without them
SAID = {
    UNSTABLE_GRADES: "所计病例中分级稳定的低于声明的下限，按 O/E 看",
    DATA_BREAK: "数据断点，须核实",
    FROZEN_COVERAGE: "定基参照所覆盖的病例低于声明的下限",
}
OF_CODES = ("secondary",)  # signs that count codes, not cases: no case is given back by them


def without_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """`reason_zh` without exact shares of cases."""
    return frame.assign(reason_zh=frame["reason"].map(SAID).fillna(frame["reason_zh"]))


def breaks(found: pd.DataFrame, cells: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame:
    """Where and when, and the two values as far as the released cells show them."""
    shown = cells[(cells["level"] == "unit") & cells["value"].notna()]
    frozen = shown[shown["basis"] == "frozen"].set_index([*UNIT, "period", "indicator"])["value"]
    volume = shown[(shown["basis"] == "contemporaneous") & (shown["indicator"] == VOLUME.id)]
    counted = volume.set_index([*UNIT, "period"])["n"]
    made = found.assign(deviations=np.nan)
    indicator = found["aspect"].map(INDICES).fillna("")
    for column, year in (("before", found["year"] - 1), ("after", found["year"])):
        keys = [found["hospital"].astype(str), found["specialty"].astype(str), year.astype(str)]
        made[column] = frozen.reindex(pd.MultiIndex.from_arrays([*keys, indicator])).to_numpy(float)
        made[f"n_{column}"] = counted.reindex(pd.MultiIndex.from_arrays(keys)).to_numpy(float)
    return made[list(found.columns)]


def grade_stability(found: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame:
    """Shares to whole per cent, of many cases only, without the counts."""
    share = found["share"].round(2).where(found["n"] >= policy.minimum_rate_cases)
    return found.assign(n=np.nan, stable=np.nan, share=share)


def coding_depth(found: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame:
    """Codes a case, to one decimal. Signs that count cases (deaths, levels, readmissions) are not given out."""
    kept = found[found["sign"].isin(OF_CODES) & (found["n"] >= policy.minimum_rate_cases)]
    rounded = (np.floor(kept["n"] / policy.rounding + 0.5) * policy.rounding).astype("int64")
    return kept.assign(count=np.nan, n=rounded, value=kept["value"].round(1)).reset_index(drop=True)
