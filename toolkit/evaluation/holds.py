"""What holds a verdict back: a finding on a unit that must be settled before its numbers are judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from toolkit.evaluation.grade_stability import ALL_GRADED, BY_GRADE
from toolkit.evaluation.verdict import Verdict

COLUMNS = ["hospital", "specialty", "indicator", "verdict", "reason", "reason_zh"]
UNSTABLE_GRADES = "unstable_grades"
UNGRADED = "ungraded"
DATA_BREAK = "data_break"
IN_PROGRESS = "in_progress"  # of a cycle that has not passed
FROZEN_COVERAGE = "frozen_coverage"
NOT_SENT = "not_sent"
MISSING_FIELD = "missing_field"
HELD = (UNSTABLE_GRADES, UNGRADED, DATA_BREAK, IN_PROGRESS, FROZEN_COVERAGE, NOT_SENT, MISSING_FIELD)
# what is not judged for these reasons would not be judged after its cycle either
WHATEVER_THE_TIME = ("poor_data", "no_project", "neutral", "untested")
# what of a period is not there, or not known to the reference, is the cause of what the table of rules then says of the rest
CAUSES = (FROZEN_COVERAGE, NOT_SENT, UNGRADED)
EFFECTS = ("few_cases", "no_value", "no_interval", "no_events", "no_spread")


def no_holds() -> pd.DataFrame:
    """The table of a run in which nothing is held back."""
    return pd.DataFrame(columns=COLUMNS, dtype=object)


def together(*parts: pd.DataFrame) -> pd.DataFrame:
    """Several tables of holds as one; of two on the same change the earlier one stands."""
    some = [part for part in parts if len(part)]
    return pd.concat(some, ignore_index=True) if some else no_holds()


def by_grades(stability: pd.DataFrame, periods: Collection[str]) -> pd.DataFrame:
    """Of units whose risk grades are not stable in a cycle: their changes by grade are not judged.

    Parameters
    ----------
    stability
        As from `toolkit.evaluation.grade_stability.grade_stability`.
    periods
        The cycles.
    """
    rows = stability[
        (stability["level"] == "unit")
        & (stability["basis"] == "frozen")
        & stability["period"].isin(periods)
        & (stability["indicator"] != ALL_GRADED)
        & ~stability["enough"].astype(bool)
    ]
    if rows.empty:
        return no_holds()
    made = rows.groupby(["hospital", "specialty", "indicator"], sort=True)["share"].min().reset_index()
    words = [f"所计病例中分级稳定的仅占 {np.floor(100 * s):.0f}%，按例数与 O/E 看" for s in made["share"]]
    return made.assign(verdict=Verdict.NOT_JUDGED.value, reason=UNSTABLE_GRADES, reason_zh=words)[COLUMNS]


def by_deaths(insufficient: Mapping[str, str], units: pd.DataFrame) -> pd.DataFrame:
    """Of a reference with too few deaths to grade: no change by grade has a value, in no unit.

    Parameters
    ----------
    insufficient
        Window of the reference -> why, as in `Referenced`.
    units
        `hospital, specialty`.
    """
    if not insufficient:
        return no_holds()
    why = f"{next(iter(insufficient.values()))}，不能给 DRG 分级"
    every = units[["hospital", "specialty"]].astype(str).merge(pd.DataFrame({"indicator": list(BY_GRADE)}), how="cross")
    return every.assign(verdict=Verdict.NOT_JUDGED.value, reason=UNGRADED, reason_zh=why)[COLUMNS]


def held(
    found: pd.DataFrame, keys: pd.DataFrame, holds: pd.DataFrame, has_value: pd.Series | None = None
) -> pd.DataFrame:
    """Verdicts with those held back replaced; what is not judged already stays as it is, but for the effect of a cause.

    But of a cycle that has not passed few cases, or none, are no reason of their own where the other period has a value.

    Parameters
    ----------
    found
        `verdict, reason, reason_zh`, one row a change.
    keys
        `hospital, specialty, indicator` of its rows, in their order.
    holds
        `COLUMNS`; an empty indicator means all. Of several for one change the first counts.
    has_value
        Of each row whether either period has a value: what neither has, time will not bring. None: all have.
    """
    if holds.empty:
        return found
    of_all = holds["indicator"] == ""
    first = holds["reason"].isin([IN_PROGRESS, NOT_SENT])  # what did not come can have no other fault
    unit = ["hospital", "specialty"]
    of_unit = (unit, ["indicator"])
    parts = [
        keys.reset_index(drop=True).merge(rows.drop_duplicates(on).drop(columns=drop), on=on, how="left")
        for rows, on, drop in (
            (holds[of_all & first], *of_unit),
            (holds[~of_all], [*unit, "indicator"], []),
            (holds[of_all & ~first], *of_unit),
        )
    ]
    open_ = (found["verdict"] != Verdict.NOT_JUDGED.value).to_numpy()
    made = found.copy()
    awaited = (~found["reason"].isin(WHATEVER_THE_TIME)).to_numpy()
    awaited = awaited & (True if has_value is None else has_value.to_numpy(bool))
    effect = found["reason"].isin(EFFECTS).to_numpy()
    untouched = np.ones(len(found), dtype=bool)
    for part in parts:
        late = awaited & (part["reason"] == IN_PROGRESS).to_numpy()
        explained = untouched & effect & part["reason"].isin(CAUSES).to_numpy()
        rows = (open_ | late | explained) & part["verdict"].notna().to_numpy()
        for column in ("verdict", "reason", "reason_zh"):
            made[column] = np.where(rows, part[column], made[column])
        open_, untouched = open_ & ~rows, untouched & ~rows
    return made
