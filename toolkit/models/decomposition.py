"""Why an average changed: how much is another mix of groups, how much is another value within them. Exact, group by group.

An average is Σ s·k, s the share of cases of a group and k the mean within it. Its change is split in both orders (Kitagawa):

    mix first:      Σ (s₁ − s₀)(k₀ − c)  +  Σ s₁ (k₁ − k₀)
    practice first: Σ s₀ (k₁ − k₀)       +  Σ (s₁ − s₀)(k₁ − c)

and their mean, which no order favours. c, the average before, changes no sum (shares add up to 1), but gives each group its own
say: more cases in a group above the average raise it. A group that enters or leaves has one k only, so all it does is mix.

References
----------
Kitagawa (1955), doi:10.2307/2281213.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

COMMON, ENTERING, LEAVING = "common", "entering", "leaving"
PARTS = {COMMON: "两期都有", ENTERING: "新增", LEAVING: "退出"}
EFFECTS = ("mix", "practice", "mix_first", "practice_second", "practice_first", "mix_second")
VALUES = ("n_before", "n_after", "share_before", "share_after", "value_before", "value_after", "level")
COLUMNS = ["part", *VALUES, *EFFECTS, "mix_se", "practice_se"]


def decompose(sums: pd.DataFrame, by: Sequence[str], group: str, *, centre: float = 1.0) -> pd.DataFrame:
    """The contribution of every group to the change of an average, and to how far it lies from `centre` after.

    Parameters
    ----------
    sums
        One row per `by`, `group` and `period` (`before`, `after`): `x` and `y`, whose ratio is the group's mean, and optionally
        `xx`, Σ of squares of what each case adds to `x`. Rows without a case are left out.
    by
        Columns of the averages, e.g. hospital and specialty.

    Returns
    -------
    pd.DataFrame
        `by`, `group`, `part` (both periods, entering, leaving), `n_before, n_after` (y), `share_…`, `value_…`, `level` (its part of
        average after − centre), `mix, practice` (means of both orders), `mix_first, practice_second, practice_first,
        mix_second`; `mix_se, practice_se` (errors of drawing cases: of the shares, of the means within groups; the square roots
        add up in squares). Of averages that have cases in both periods only.
    """
    by = list(by)
    rows = sums[(sums["y"] > 0) & sums["x"].notna()]
    sides = {p: rows[rows["period"] == p].set_index([*by, group]) for p in ("before", "after")}
    wide = sides["before"][["x", "y"]].merge(
        sides["after"][["x", "y"]], how="outer", left_index=True, right_index=True, suffixes=("0", "1")
    )
    for side, period in (("0", "before"), ("1", "after")):
        wide[f"xx{side}"] = sides[period]["xx"].reindex(wide.index) if "xx" in rows else np.nan
    wide = wide.reset_index()
    for name in ("x0", "y0", "x1", "y1"):
        wide[name] = wide[name].fillna(0.0)
    total = wide.groupby(by, sort=False)[["x0", "y0", "x1", "y1"]].transform("sum")
    both = (total["y0"] > 0) & (total["y1"] > 0)
    wide, total = wide[both].reset_index(drop=True), total[both].reset_index(drop=True)
    if wide.empty:
        return pd.DataFrame(columns=[*by, group, *COLUMNS])
    s0, s1 = wide["y0"] / total["y0"], wide["y1"] / total["y1"]
    k0, k1 = (wide[f"x{t}"] / wide[f"y{t}"].where(wide[f"y{t}"] > 0) for t in "01")
    old = total["x0"] / total["y0"]
    part = np.select([wide["y0"] == 0, wide["y1"] == 0], [ENTERING, LEAVING], COMMON)
    moved = s1 - s0
    # of a group with one value both orders are the same: all of it is mix
    first, second = k0.fillna(k1), k1.fillna(k0)
    found = wide[[*by, group]].assign(
        part=part,
        n_before=wide["y0"],
        n_after=wide["y1"],
        share_before=s0,
        share_after=s1,
        value_before=k0,
        value_after=k1,
        level=s1 * (second - centre),
        mix_first=moved * (first - old),
        practice_second=s1 * (second - first),
        practice_first=s0 * (second - first),
        mix_second=moved * (second - old),
    )
    found["mix"] = (found["mix_first"] + found["mix_second"]) / 2
    found["practice"] = (found["practice_second"] + found["practice_first"]) / 2
    middle = (first + second) / 2 - old
    drawn = [share * middle**2 / total[y] for share, y in ((s0, "y0"), (s1, "y1"))]
    found["mix_se"] = np.sqrt(drawn[0] + drawn[1])
    weight = (s0 + s1) / 2
    spread = sum(_variance(wide, by, t) for t in "01")
    found["practice_se"] = np.where(part == COMMON, weight * np.sqrt(spread), 0.0)
    return found[[*by, group, *COLUMNS]]


def _variance(wide: pd.DataFrame, by: list[str], side: str) -> pd.Series:
    """Of the mean of a group: s²/n from Σx and Σx²; of a single case with the variance that the average's other groups share."""
    n, mean = wide[f"y{side}"], wide[f"x{side}"] / wide[f"y{side}"].where(wide[f"y{side}"] > 0)
    left, free = (wide[f"xx{side}"] - n * mean**2).clip(lower=0), (n - 1).clip(lower=0)
    sums = (
        wide[by].assign(left=left.where(n > 1), free=free.where(left.notna())).groupby(by, sort=False)[["left", "free"]]
    )
    pooled = sums.transform("sum")
    shared = pooled["left"] / pooled["free"].where(pooled["free"] > 0)
    return (left / free.where(n > 1)).where(n > 1, shared) / n.where(n > 0)


def totals(parts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """What the groups add up to, one row per `by`.

    Returns
    -------
    pd.DataFrame
        `before, after, change`, `level`, the six effects; `mix_se` (of the sum over groups, whose shares add up to 1), `practice_se`
        (missing where no group has two cases, or Σx² is not known); `entering, leaving` (numbers of groups).
    """
    by = list(by)
    rows = parts.assign(
        before=(parts["share_before"] * parts["value_before"]).fillna(0.0),
        after=(parts["share_after"] * parts["value_after"]).fillna(0.0),
        entering=parts["part"] == ENTERING,
        leaving=parts["part"] == LEAVING,
        _practice=parts["practice_se"] ** 2,
        _unknown=parts["practice_se"].isna(),
    )
    grouped = rows.groupby(by, sort=True)
    summed = grouped[["before", "after", "level", *EFFECTS, "_practice"]].sum()
    counted = grouped[["entering", "leaving", "_unknown"]].sum()
    mix = grouped[["share_before", "share_after", "value_before", "value_after", "n_before", "n_after"]].apply(
        _mix_error
    )
    return (
        summed.assign(
            change=summed["after"] - summed["before"],
            mix_se=mix,
            practice_se=np.sqrt(summed["_practice"]).where(counted["_unknown"] == 0),
            entering=counted["entering"].astype("int64"),
            leaving=counted["leaving"].astype("int64"),
        )
        .drop(columns="_practice")
        .reset_index()
    )


def _mix_error(rows: pd.DataFrame) -> float:
    """Multinomial: of Σ s·k with the middle of both values, in each period (Σ s k² − (Σ s k)²) / N."""
    first, second = rows["value_before"].fillna(rows["value_after"]), rows["value_after"].fillna(rows["value_before"])
    middle, variance = (first + second) / 2, 0.0
    for side in ("before", "after"):
        share, n = rows[f"share_{side}"], rows[f"n_{side}"].sum()
        variance += ((share * middle**2).sum() - (share * middle).sum() ** 2) / n
    return float(np.sqrt(max(variance, 0.0)))
