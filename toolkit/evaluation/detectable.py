"""The smallest change that a verdict's own test could have shown, in place of what another test could.

The plain before/after ratio counts the error of drawing cases alone. A project is judged by a method that also counts how units
change by themselves, the comparison units' error and that of the baseline: what it can show is less.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import CATALOGUE
from toolkit.models.monitoring.power import WIDEST, is_sufficient, said
from toolkit.params import ALWAYS_RUN, RunParams

KEYS = ["hospital", "specialty", "indicator"]
NORMAL = 1e6  # degrees of freedom of a t that is one


def of_verdicts(power: pd.DataFrame, effects: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """The table of power, with each project by the method that judges it.

    Parameters
    ----------
    power
        As from `smallest_changes`, for the plain ratio.
    effects
        As from `change_effects`.
    """
    method, whole = params.change.verdict_from, power.assign(method=ALWAYS_RUN)
    if method == ALWAYS_RUN or not params.own_projects or whole.empty:
        return whole
    own = effects[(effects["level"] == "unit") & (effects["method"] == method)]
    own = own[[*KEYS, "estimate", "low", "high", "std_error", "smallest_fall", "smallest_rise"]]
    rows = whole[KEYS].merge(own.rename(columns={c: f"_{c}" for c in own if c not in KEYS}), on=KEYS, how="left")
    pairs = zip(whole["hospital"].astype(str), whole["specialty"].astype(str), strict=True)
    judged = np.array([pair in params.own_projects for pair in pairs], dtype=bool)
    fall, rise = (rows[f"_smallest_{way}"].to_numpy(float) for way in ("fall", "rise"))
    least = _by_error(rows, params)
    stated = np.isfinite(fall) | np.isfinite(rise)
    fall, rise = np.where(stated, fall, np.exp(-least)), np.where(stated, rise, np.exp(least))
    rise = np.where(rise > WIDEST, np.nan, rise)
    better = whole["indicator"].map({i: one.direction for i, one in CATALOGUE.items()})
    enough = is_sufficient(fall, rise, better, params.change.minimum_important)
    words = [
        warned if warned.endswith("无值，不能比较") else said(False, False, unknown, yes)
        for warned, unknown, yes in zip(whole["warnings"], np.isnan(fall) & np.isnan(rise), enough, strict=True)
    ]
    return whole.assign(
        method=np.where(judged, method, whole["method"]),
        smallest_fall=np.where(judged, fall, whole["smallest_fall"]),
        smallest_rise=np.where(judged, rise, whole["smallest_rise"]),
        sufficient=np.where(judged, enough, whole["sufficient"]).astype(bool),
        warnings=np.where(judged, words, whole["warnings"]),
    )


def _by_error(rows: pd.DataFrame, params: RunParams) -> np.ndarray:
    """Log ratio that a method with a standard error shows: its own width, and the quantile of the t that has this width."""
    error = rows["_std_error"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = (np.log(rows["_high"].to_numpy(float)) - np.log(rows["_low"].to_numpy(float))) / (2 * error)
    above = (1 + params.change.confidence) / 2
    found = np.full(len(rows), np.nan)
    for k in np.flatnonzero(np.isfinite(width) & (error > 0)):
        df = NORMAL
        if width[k] > scipy.special.stdtrit(NORMAL, above):
            df = scipy.optimize.brentq(lambda v, w=width[k]: scipy.special.stdtrit(v, above) - w, 0.3, NORMAL)
        found[k] = (width[k] + scipy.special.stdtrit(df, params.monitoring.power)) * error[k]
    return found
