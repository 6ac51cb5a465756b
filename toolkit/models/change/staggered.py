"""Projects that start in different years: group-time effects of Callaway and Sant'Anna, by the library diff-diff.

Estimand: the average, over projects and the years since their start, of the ratio of the value to the one expected had they
changed as units of their specialty and level that are never funded. A project is compared with never funded units only, so
earlier projects never stand in as comparison for later ones, which is what `twfe` does wrong.

Logs of yearly values, units alike (not weighted by cases); the change of a comparison unit is predicted by its specialty and
level (outcome regression). Errors cluster by hospital, from influence functions, t with G − 1. Only units with a value in
every year take part. All projects together; a project by itself has its own cut in `did`.

References
----------
Callaway, Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001. diff-diff (MIT licence), agrees with the R package `did`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.event_study import PATH
from toolkit.models.change.method import Method
from toolkit.models.change.panel import Panel, comparisons, panels
from toolkit.models.inference import FEW_CLUSTERS, TOO_FEW_CLUSTERS

ID = "staggered"
NAME_ZH = "错期双重差分（Callaway–Sant'Anna）"
RARE = "罕见事件不用该法，见对照校正比值"
NOTHING_LEFT = "没有同专科、同级别且各年均有值的对照单元"


def staggered(cells: pd.DataFrame, study: Study) -> Findings:
    """All projects together (level `region`).

    Returns
    -------
    Findings
        `changes`, and rows of the table `event_study` at level `staggered` (by years since the start).
    """
    compared = comparisons(study)
    changes, paths = [], []
    for panel in panels(cells, study).values():
        row, path = _together(panel, compared.group)
        changes.append(row)
        paths += path
    table = pd.DataFrame(paths, columns=PATH)
    return Findings(changes=completed(pd.DataFrame(changes)) if changes else nothing(), tables={"event_study": table})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Used:
    """Which units take part, as masks: `rows` all of them, `funded` the projects among them; how many projects do not."""

    rows: np.ndarray
    funded: np.ndarray
    left_out: int


def _used(panel: Panel, group: np.ndarray) -> _Used:
    """Units with a value in every year, of groups that have a project and, beside it, comparison units."""
    units = panel.study.units
    started = units["start"].to_numpy() > 0
    complete = np.isfinite(panel.yearly.log).all(axis=1)
    free = ~started & units["eligible"].to_numpy(bool) & complete
    both = complete & np.isin(group, group[free]) & np.isin(group, group[started & complete])
    rows = both & (started | free)
    funded = rows & started
    return _Used(rows=rows, funded=funded, left_out=int((started & ~funded).sum()))


def _together(panel: Panel, group: np.ndarray) -> tuple[dict[str, object], list[list[object]]]:
    study, units = panel.study, panel.study.units
    row: dict[str, object] = {
        "level": "region",
        "hospital": "",
        "specialty": "",
        "indicator": panel.indicator,
        "method": ID,
    }
    if study.distribution(panel.indicator) is Distribution.RARE:
        return row | {"warnings": RARE}, []
    used = _used(panel, group)
    start = units["start"].to_numpy()
    if not used.funded.any():
        return row | {"warnings": NOTHING_LEFT if (start > 0).any() else "没有项目"}, []
    rows = used.rows
    hospitals = pd.factorize(units["hospital"][rows])[0]
    frame, covariates = _long(panel.yearly.log[rows], study.years, start[rows], group[rows], hospitals)
    overall, by_year = _fit(frame, covariates, study.confidence)
    relative, n = study.years - start[used.funded][:, None], panel.n[used.funded]
    row |= {
        "n_before": (n * (relative < 0)).sum(),
        "n_after": (n * (relative >= 0)).sum(),
        "n_comparison": int((rows & ~used.funded).sum()),
        **_described(overall, len(np.unique(hospitals)), used.left_out),
    }
    path = [
        [
            *("staggered", "", "", panel.indicator, k, 0),
            *(np.exp(v[c]) for c in ("effect", "low", "high")),
            *(v["p"], v["se"], int(n[relative == k].sum()), int(used.funded.sum()), row["n_comparison"]),
        ]
        for k, v in sorted(by_year.items())
    ]
    return row, path


def _described(overall: Mapping[str, float], clusters: int, left_out: int) -> dict[str, object]:
    """The mean effect as a ratio, with limits where there are clusters enough, and how its error was found."""
    enough = clusters >= TOO_FEW_CLUSTERS and np.isfinite(overall["se"]) and overall["se"] > 0
    few = f"，少于 {FEW_CLUSTERS} 个" if clusters < FEW_CLUSTERS else ""
    found = {
        "estimate": np.exp(overall["effect"]),
        "n_clusters": clusters,
        "inference": f"按医院聚类（{clusters} 个聚类{few}），影响函数误差，t 分布自由度 {clusters - 1}",
        "warnings": joined(
            f"{left_out} 个项目缺年份或没有对照，未计入" if left_out else "",
            "" if enough else f"聚类少于 {TOO_FEW_CLUSTERS} 个或误差为 0，不给区间和 p 值",
        ),
    }
    if not enough:
        return found
    limits = {"low": np.exp(overall["low"]), "high": np.exp(overall["high"])}
    return found | limits | {"p_value": overall["p"], "std_error": overall["se"]}


def _long(
    log: np.ndarray, years: np.ndarray, start: np.ndarray, group: np.ndarray, hospital: np.ndarray
) -> tuple[pd.DataFrame, list[str]]:
    unit = np.repeat(np.arange(len(log)), len(years))
    frame = pd.DataFrame(
        {
            "unit": unit,
            "year": np.tile(years, len(log)),
            "log": log.ravel(),
            "start": start[unit],
            "hospital": hospital[unit],
        }
    )
    names = []
    for g in np.unique(group)[1:]:
        names.append(f"group{g}")
        frame[names[-1]] = (group[unit] == g).astype(float)
    return frame, names


def _fit(
    frame: pd.DataFrame, covariates: list[str], confidence: float
) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
    from diff_diff import CallawaySantAnna  # type: ignore[import-untyped]  # here: importing it costs more than most runs of it

    method = CallawaySantAnna(
        control_group="never_treated",
        estimation_method="reg",
        alpha=1 - confidence,
        cluster="hospital",
        base_period="universal",
        cband=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice on design; ours is in the columns
        result = method.fit(
            frame, outcome="log", unit="unit", time="year", first_treat="start", covariates=covariates or None
        )
        studied = result.aggregate("event_study")
    df = frame["hospital"].nunique() - 1
    overall = _with_limits(float(result.overall_att), float(result.overall_se), df, confidence)
    by_year = {
        int(k): _with_limits(float(a), float(e), df, confidence)
        for k, a, e in zip(studied.event_time, studied.att, studied.se, strict=True)
    }
    return overall, by_year


def _with_limits(effect: float, se: float, df: int, confidence: float) -> dict[str, float]:
    if not (np.isfinite(se) and se > 0) or df < 1:
        return {"effect": effect, "se": np.nan, "low": np.nan, "high": np.nan, "p": np.nan}
    width = scipy.stats.t.ppf((1 + confidence) / 2, df) * se
    return {
        "effect": effect,
        "se": se,
        "low": effect - width,
        "high": effect + width,
        "p": float(2 * scipy.stats.t.sf(abs(effect / se), df)),
    }


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=staggered,
    estimand="起始年不同的项目各自与始终未立项的同专科、同级别单元比较，再取平均",
)
