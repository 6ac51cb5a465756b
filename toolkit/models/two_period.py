"""Before/after ratio of one group's frozen indicator.

Estimand: the ratio of the indicator's true value in the after period to that in the before period, for the kind of cases
that the group had in each. It is not an effect of the project: regression to the mean and everything else that changed
with time are in it. The error is that of drawing the discharges; drift between years is not.

References
----------
Ratio of Poisson rates: Przyborowski, Wilenski (1940), conditional on the total. Limits of its binomial share: Clopper,
Pearson (1934), doi:10.1093/biomet/26.4.404. Ratio of two proportions on the log scale: Katz et al. (1978),
doi:10.2307/2530610.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from toolkit.indicators import Declared, Distribution, Indicator
from toolkit.models.base import COLUMNS

METHOD = "two_period_ratio"
NAME_ZH = "前后比值"
ALWAYS = "前后比值含向均值回归与同期趋势，须与同专科未立项单元比较"


def two_period(
    cells: pd.DataFrame, indicators: Mapping[str, Declared], by: Sequence[str], *, confidence: float = 0.95
) -> pd.DataFrame:  # fmt: skip
    """Ratio after / before for every group of `by` and indicator.

    Parameters
    ----------
    cells
        Frozen cells with column `cycle` holding `before` and `after`, one row per group, indicator and cycle.

    Returns
    -------
    pd.DataFrame
        `by`, `indicator`, the columns of `Change`, and `before`, `after` (the two values). A group that is absent in one
        period has a row with missing estimate and the reason in `warnings`. Totals and counts get a ratio without limits.
    """
    by = list(by)
    keep = [*by, "indicator", "x", "y", "n", "value", "se"]
    sides = {name: part[keep].set_index([*by, "indicator"]) for name, part in cells.groupby("cycle")}
    empty = cells.iloc[:0][keep].set_index([*by, "indicator"])
    wide = sides.get("before", empty).join(sides.get("after", empty), how="outer", suffixes=("0", "1")).reset_index()
    parts = [
        _of_distribution(part.copy(), getattr(indicators[str(id_)], "distribution", None), confidence)
        for id_, part in wide.groupby("indicator", sort=False)
    ]
    changes = pd.concat(parts).sort_index() if parts else wide.assign(estimate=[], low=[], high=[], p_value=[])
    changes = changes.assign(
        method=METHOD, measure="ratio", n_clusters=1, before=changes["value0"], after=changes["value1"],
        n_before=changes["n0"].fillna(0).astype("int64"), n_after=changes["n1"].fillna(0).astype("int64"),
        warnings=[_warnings(a, b, e) for a, b, e in zip(changes["value0"], changes["value1"], changes["estimate"], strict=True)],
    )  # fmt: skip
    return changes[[*by, "indicator", *COLUMNS, "before", "after"]].reset_index(drop=True)


def inferential(indicator: Declared) -> bool:
    """Whether a change of the indicator can be tested: totals and distinct counts are only described."""
    return isinstance(indicator, Indicator) and indicator.distribution is not None


def _warnings(before: float, after: float, estimate: float) -> str:
    if np.isnan(before) or np.isnan(after):
        period = "建设前" if np.isnan(before) else "建设周期"
        return f"{period}无值，不能比较"
    if np.isnan(estimate):
        return "建设前为 0，比值无意义"
    return ALWAYS


def _of_distribution(part: pd.DataFrame, kind: Distribution | None, confidence: float) -> pd.DataFrame:
    tail = (1 - confidence) / 2
    v0, v1 = part["value0"], part["value1"]
    estimate = v1 / v0.where(v0 > 0)
    if kind is Distribution.RARE:
        return _rates(part, tail)
    if kind in (Distribution.MEAN, Distribution.RATIO):
        error = np.sqrt((part["se0"] / v0.where(v0 > 0)) ** 2 + (part["se1"] / v1.where(v1 > 0)) ** 2)
    elif kind is Distribution.PROPORTION:
        x0, x1 = part["x0"].where(part["x0"] > 0), part["x1"].where(part["x1"] > 0)
        error = np.sqrt((1 / x0 - 1 / part["y0"] + 1 / x1 - 1 / part["y1"]).clip(lower=0))
    else:
        error = pd.Series(np.nan, index=part.index)
    error = error.where(error > 0)
    log = np.log(estimate.where(estimate > 0))
    width = stats.norm.ppf(1 - tail) * error
    return part.assign(
        estimate=estimate,
        low=np.exp(log - width),
        high=np.exp(log + width),
        p_value=2 * stats.norm.sf(np.abs(log) / error),
    )


def _rates(part: pd.DataFrame, tail: float) -> pd.DataFrame:
    """Given d0 + d1 deaths, d1 is binomial; exact limits of its share become limits of the ratio of rates."""
    d0, d1, n0, n1 = (part[c].astype(float) for c in ("x0", "x1", "y0", "y1"))
    both = d0.notna() & d1.notna() & (n0 > 0) & (n1 > 0) & (d0 + d1 > 0)
    exposure = n0 / n1
    low_share = pd.Series(stats.beta.ppf(tail, d1, d0 + 1), index=part.index).where(d1 > 0, 0.0)
    high_share = pd.Series(stats.beta.ppf(1 - tail, d1 + 1, d0), index=part.index).where(d0 > 0, 1.0)
    share = n1 / (n0 + n1)  # of deaths that fall in the after period, where nothing changed
    lower, upper = stats.binom.cdf(d1, d0 + d1, share), stats.binom.sf(d1 - 1, d0 + d1, share)
    with np.errstate(divide="ignore"):
        high = np.where(high_share < 1, high_share / (1 - high_share), np.inf) * exposure
    return part.assign(
        estimate=((d1 / n1) / (d0 / n0).where(d0 > 0)).where(both),
        low=(low_share / (1 - low_share) * exposure).where(both), high=pd.Series(high, index=part.index).where(both),
        p_value=pd.Series(np.minimum(1.0, 2 * np.minimum(lower, upper)), index=part.index).where(both),
    )  # fmt: skip
