"""Before/after ratio of one group's frozen indicator.

Estimand: the ratio of the indicator's true value in the after period to that in the before period, for the kind of cases
that the group had in each. It is not an effect of the project: regression to the mean and everything else that changed
with time are in it. The error is that of drawing the discharges; drift between years is not (`two_period`), or that of
drawing years, whatever makes them differ (`by_years`: errors clustered by year, t with G − 2).

References
----------
Ratio of Poisson rates: Przyborowski, Wilenski (1940), conditional on the total. Limits of its binomial share: Clopper,
Pearson (1934), doi:10.1093/biomet/26.4.404. Ratio of two proportions on the log scale: Katz et al. (1978),
doi:10.2307/2530610. Clusters: Liang, Zeger (1986), doi:10.1093/biomet/73.1.13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Declared, Distribution
from toolkit.models.change.base import COLUMNS, Findings, Obstacle, Study, completed, nothing
from toolkit.models.change.method import Method
from toolkit.models.change.panel import Panel, panels
from toolkit.models.inference import limits

ID = "two_period_ratio"
NAME_ZH = "前后比值"
BY_YEARS, BY_YEARS_ZH = "two_period_years", "前后比值（按年聚类误差）"
LEAST_YEARS = 2  # on a side, for errors by year
ALWAYS = "前后比值含向均值回归与同期趋势，须与同专科未立项单元比较"


def two_period(
    cells: pd.DataFrame, indicators: Mapping[str, Declared], by: Sequence[str], *, confidence: float = 0.95
) -> pd.DataFrame:
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
    wide = (
        sides.get("before", empty)
        .merge(sides.get("after", empty), how="outer", left_index=True, right_index=True, suffixes=("0", "1"))
        .reset_index()
    )
    parts = [
        _of_distribution(part.copy(), getattr(indicators[str(id_)], "distribution", None), confidence)
        for id_, part in wide.groupby("indicator", sort=False)
    ]
    changes = pd.concat(parts).sort_index() if parts else wide.assign(estimate=[], low=[], high=[], p_value=[])
    changes = changes.assign(
        method=ID,
        before=changes["value0"],
        after=changes["value1"],
        n_before=changes["n0"].fillna(0).astype("int64"),
        n_after=changes["n1"].fillna(0).astype("int64"),
        warnings=[
            _warnings(a, b, e)
            for a, b, e in zip(changes["value0"], changes["value1"], changes["estimate"], strict=True)
        ],
        obstacle=_obstacles(changes),
    )
    return completed(changes, [*by, "indicator"])[[*by, "indicator", *COLUMNS, "before", "after"]]


def _obstacles(changes: pd.DataFrame) -> np.ndarray:
    """Why a row has no limits."""
    no_value = changes["value0"].isna() | changes["value1"].isna()
    without = changes["low"].isna() | changes["high"].isna()
    nothing_seen = without & ((changes["value0"] == 0) | (changes["value1"] == 0))
    return np.select([no_value, nothing_seen], [Obstacle.NO_VALUE.value, Obstacle.NO_EVENTS.value], Obstacle.NONE.value)


def of_projects(cells: pd.DataFrame, study: Study) -> Findings:
    """`two_period` of every project (level `unit`), for the indicators that can be tested."""
    funded = study.units.loc[study.units["start"] > 0, ["hospital", "specialty"]]
    cycles = cells[cells["period"].isin(["before", "after"]) & cells["indicator"].isin(study.inferential)]
    rows = cycles.rename(columns={"period": "cycle"}).merge(funded, on=["hospital", "specialty"])
    if rows.empty:
        return Findings(changes=nothing())
    changes = two_period(rows, study.indicators, ["hospital", "specialty"], confidence=study.confidence)
    return Findings(changes=completed(changes.assign(level="unit")))


def by_years(cells: pd.DataFrame, study: Study) -> Findings:
    """The same ratio of every project, its errors clustered by year."""
    parts = []
    for panel in panels(cells, study).values():
        for start in np.unique(study.units["start"][study.units["start"] > 0]):
            parts.append(_by_years(panel, int(start)))
    return Findings(changes=completed(pd.concat(parts, ignore_index=True)) if parts else nothing())


def _by_years(panel: Panel, start: int) -> pd.DataFrame:
    """Sandwich of a Poisson-type regression of x on the period with offset ln y: Σ over years of ((x − r y) / Σx)²."""
    study, units = panel.study, panel.study.units
    at = np.flatnonzero(units["start"].to_numpy() == start)
    x, y, n = panel.x[at], panel.y[at], panel.n[at]
    before = study.years < start
    value, variance, years = [], np.zeros(len(at)), (y > 0).sum(axis=1)
    for side in (before, ~before):
        total, below = x[:, side].sum(axis=1), y[:, side].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = total / below
            variance += (((x[:, side] - ratio[:, None] * y[:, side]) / total[:, None]) ** 2).sum(axis=1)
        value.append(np.where(below > 0, ratio, np.nan))
    apart = np.minimum((y[:, before] > 0).sum(axis=1), (y[:, ~before] > 0).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = value[1] / np.where(value[0] > 0, value[0], np.nan)
        # G / (G − 1) × (N − 1) / (N − K) with N = G cells and K = 2
        error = np.sqrt(variance * years / (years - 2))
        error = np.where((apart >= LEAST_YEARS) & (error > 1e-12), error, np.nan)
        low, high, p = limits(np.log(estimate), error, np.maximum(years - 2, 1), study.confidence)
    scale = getattr(study.indicators[panel.indicator], "scale", 1.0)
    few = np.isnan(error) & np.isfinite(estimate)
    return pd.DataFrame(
        {
            "level": "unit",
            "hospital": units["hospital"].to_numpy()[at],
            "specialty": units["specialty"].to_numpy()[at],
            "indicator": panel.indicator,
            "method": BY_YEARS,
            "estimate": estimate,
            "low": np.exp(low),
            "high": np.exp(high),
            "p_value": p,
            "std_error": error,
            "n_before": n[:, before].sum(axis=1),
            "n_after": n[:, ~before].sum(axis=1),
            "n_clusters": years,
            "inference": [f"按年聚类（{g} 年），t 分布自由度 {max(g - 2, 0)}" for g in years],
            "warnings": [
                _warnings(*pair) + (f"；一侧不足 {LEAST_YEARS} 年或各年全同，不给区间" if f else "")
                for *pair, f in zip(scale * value[0], scale * value[1], estimate, few, strict=True)
            ],
        }
    )


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
    width = scipy.stats.norm.ppf(1 - tail) * error
    return part.assign(
        estimate=estimate,
        low=np.exp(log - width),
        high=np.exp(log + width),
        p_value=2 * scipy.stats.norm.sf(np.abs(log) / error),
    )


def _rates(part: pd.DataFrame, tail: float) -> pd.DataFrame:
    """Given d0 + d1 deaths, d1 is binomial; exact limits of its share become limits of the ratio of rates."""
    d0, d1, n0, n1 = (part[c].astype(float) for c in ("x0", "x1", "y0", "y1"))
    both = d0.notna() & d1.notna() & (n0 > 0) & (n1 > 0) & (d0 + d1 > 0)
    exposure = n0 / n1
    low_share = pd.Series(scipy.stats.beta.ppf(tail, d1, d0 + 1), index=part.index).where(d1 > 0, 0.0)
    high_share = pd.Series(scipy.stats.beta.ppf(1 - tail, d1 + 1, d0), index=part.index).where(d0 > 0, 1.0)
    share = n1 / (n0 + n1)  # of deaths that fall in the after period, where nothing changed
    lower, upper = scipy.stats.binom.cdf(d1, d0 + d1, share), scipy.stats.binom.sf(d1 - 1, d0 + d1, share)
    with np.errstate(divide="ignore"):
        high = np.where(high_share < 1, high_share / (1 - high_share), np.inf) * exposure
    return part.assign(
        estimate=((d1 / n1) / (d0 / n0).where(d0 > 0)).where(both),
        low=(low_share / (1 - low_share) * exposure).where(both),
        high=pd.Series(high, index=part.index).where(both),
        p_value=pd.Series(np.minimum(1.0, 2 * np.minimum(lower, upper)), index=part.index).where(both),
    )


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=of_projects,
    estimand="项目建设周期的值与建设前的值之比；同期趋势与向均值回归都在其中",
)
METHOD_BY_YEARS = Method(id=BY_YEARS, name_zh=BY_YEARS_ZH, estimate=by_years, estimand=METHOD.estimand)
