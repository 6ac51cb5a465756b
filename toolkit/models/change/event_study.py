"""Event study: how a project stood against its comparison units in every year, the last year before the start being 1.

Estimand of a year's row: the ratio of (project's value that year / in the reference year) to the same of its comparison
units. Years before the start should lie around 1: the joint test of them is the pre-trend test. It has little power with
three years and small units, so that passing it proves nothing; failing it takes the ground from a comparison.

All projects together: ln value = unit + group × year + Σ effect_k × (project, k years from its start), weights by cases, errors
as in `twfe`. One project by itself: the years of its comparison units are a weighted two-way fit; errors add the sampling
variance of the project's two values, the yearly variation of comparison units beyond sampling (pooled over the region), and
the error of that fit. Shocks of a unit are taken as independent from year to year; where they last, these limits are too
narrow and `did`, which collapses years first, holds.

References
----------
Freyaldenhoven, Hansen, Pérez, Shapiro (2021), NBER 29170. On the pre-test: Roth (2022), doi:10.1257/aeri.20210236.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.method import Method
from toolkit.models.change.panel import NONE, WIDENED, Comparisons, Panel, comparisons, own_warning, panels
from toolkit.models.change.twfe import NOT_IDENTIFIED, ONLY_TOGETHER, STAGGERED, clustered_words, fitted
from toolkit.models.inference import TOO_FEW_CLUSTERS, joint_test, limits

ID = "event_study"
NAME_ZH = "事件研究"
REFERENCE = -1
ONE_BEFORE = "建设前只有一年，无法检验事前趋势"
DIVERGED = "事前趋势检验 p < 0.05：建设前已与对照走势不同，不宜把差异归于项目"
NO_YEARLY = "无法估计年际离散，不给区间"
NO_OTHER = "参照年之外没有项目与对照都有值的年份"
NO_REFERENCE = "参照年（开始前一年）无值"
PATH = [
    "level",
    "hospital",
    "specialty",
    "indicator",
    "relative_year",
    "year",
    "estimate",
    "low",
    "high",
    "p_value",
    "std_error",
    "n",
    "n_projects",
    "n_comparison",
]


def event_study(cells: pd.DataFrame, study: Study) -> Findings:
    """All projects together (level `region`), and every project by itself (level `unit`).

    Returns
    -------
    Findings
        `changes`: the mean over the years from the start on, with `pretrend_f`, `pretrend_df` (restrictions), `pretrend_p` (joint
        test that all years before are 1). Table `event_study`: one row a year, `relative_year` (0 = first project year; the
        reference −1 has estimate 1 and no limits), `year` (0 where starts differ), `estimate, low, high` (ratios), `n`
        (discharges of the projects), `n_projects`, `n_comparison`.
    """
    found = panels(cells, study)
    compared = comparisons(study)
    changes, paths = [], []
    for indicator, panel in found.items():
        together, path = _together(panel, compared.group)
        changes.append(together)
        paths.append(path)
        if study.distribution(indicator) is Distribution.RARE:
            changes += [
                _head(panel, i, warnings=ONLY_TOGETHER) for i in map(int, np.flatnonzero(study.units["start"] > 0))
            ]
            continue
        yearly = _yearly_variance(panel, compared.group)
        for project in np.flatnonzero(study.units["start"] > 0):
            row, path = _one(panel, int(project), compared, yearly)
            changes.append(row)
            paths.append(path)
    if not changes:
        return Findings(changes=nothing(), tables={"event_study": pd.DataFrame(columns=PATH)})
    rows = [r for p in paths for r in p]
    table = pd.DataFrame(rows, columns=PATH)
    return Findings(changes=completed(pd.DataFrame(changes)), tables={"event_study": table})


def _head(panel: Panel, project: int | None, **more: object) -> dict[str, object]:
    units, study = panel.study.units, panel.study
    rows = units["start"].to_numpy() > 0 if project is None else [project]
    before = study.years < (study.after.first if project is None else units["start"].iloc[project])
    n = panel.n[rows]
    return {
        "level": "region" if project is None else "unit",
        "hospital": "" if project is None else study.names[project][0],
        "specialty": "" if project is None else study.names[project][1],
        "indicator": panel.indicator,
        "method": ID,
        "n_before": n[:, before].sum(),
        "n_after": n[:, ~before].sum(),
        "pretrend_f": np.nan,
        "pretrend_df": 0,
        "pretrend_p": np.nan,
        **more,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Effects:
    """Log effects by years since the start, without the year compared with; their covariance and degrees of freedom."""

    steps: np.ndarray
    beta: np.ndarray
    covariance: np.ndarray
    df: float

    def summary(self, confidence: float) -> dict[str, object]:
        """The mean from the start on with its limits, and the joint test of the years before."""
        pre = self.steps < REFERENCE
        mean, error = _mean(self.beta, self.covariance, self.steps >= 0)
        low, high, p = limits(mean, error, self.df, confidence)
        f, q, p_pre = joint_test(self.beta[pre], self.covariance[np.ix_(pre, pre)], self.df)
        return {
            "estimate": np.exp(mean),
            "low": np.exp(low),
            "high": np.exp(high),
            "p_value": p,
            "std_error": error,
            "pretrend_f": f,
            "pretrend_df": q,
            "pretrend_p": p_pre,
        }

    def warnings(self, pretrend_p: object) -> str:
        """What to know of the years before."""
        before = "" if (self.steps < REFERENCE).any() else ONE_BEFORE
        return joined(before, DIVERGED if isinstance(pretrend_p, float) and pretrend_p < 0.05 else "")

    def by_step(self, confidence: float) -> dict[int, tuple[float, ...]]:
        """Ratio, limits, p and error of every year from the start, the year compared with among them."""
        variance = np.diag(self.covariance)
        errors = np.sqrt(np.where(variance > 0, variance, np.nan))
        low, high, p = limits(self.beta, errors, self.df, confidence)
        values = zip(self.steps, np.exp(self.beta), np.exp(low), np.exp(high), p, errors, strict=True)
        return {REFERENCE: (1.0, np.nan, np.nan, np.nan, np.nan)} | {int(k): tuple(v) for k, *v in values}


def _mean(beta: np.ndarray, covariance: np.ndarray, of: np.ndarray) -> tuple[float, float]:
    of = of & np.isfinite(beta)
    if not of.any():
        return np.nan, np.nan
    k = int(of.sum())
    variance = covariance[np.ix_(of, of)].sum() / k**2
    return float(beta[of].mean()), float(np.sqrt(variance)) if variance > 0 else np.nan


def _path(row: Mapping[str, object], panel: Panel, projects: np.ndarray, effects: _Effects) -> list[list[object]]:
    """A row a year of the table: the effects, and the discharges of the `projects` in that year since their start."""
    study = panel.study
    start = study.units["start"].to_numpy()[projects]
    relative, n = study.years - start[:, None], panel.n[projects]
    one_start = int(start[0]) if len(set(start)) == 1 else None
    named = [row[k] for k in ("level", "hospital", "specialty", "indicator")]
    behind = [len(projects), row["n_comparison"]]
    return [
        [*named, k, 0 if one_start is None else one_start + k, *values, int(n[relative == k].sum()), *behind]
        for k, values in sorted(effects.by_step(study.confidence).items())
    ]


def _together(panel: Panel, group: np.ndarray) -> tuple[dict[str, object], list[list[object]]]:
    study, units = panel.study, panel.study.units
    start = units["start"].to_numpy()
    funded = start > 0
    if not funded.any():
        return _head(panel, None, warnings="没有项目"), []
    relative = study.years - start[:, None]
    steps = np.array([k for k in np.unique(relative[funded]) if k != REFERENCE])
    x = np.stack([(funded[:, None] & (relative == k)).astype(float) for k in steps])
    fit = fitted(panel, x, group)
    covariance = fit.crv3 if fit.clusters >= TOO_FEW_CLUSTERS else np.full_like(fit.crv3, np.nan)
    effects = _Effects(steps=steps, beta=fit.beta, covariance=covariance, df=max(fit.clusters - 1, 1))
    free = (start == 0) & units["eligible"].to_numpy(bool) & np.isin(group, np.unique(group[funded]))
    found = effects.summary(study.confidence)
    row = _head(
        panel,
        None,
        **found,
        n_clusters=fit.clusters,
        n_comparison=int(free.sum()),
        inference=clustered_words(fit.clusters) if fit.used.any() else "",
        warnings=joined(
            "" if fit.used.any() else NOT_IDENTIFIED,
            effects.warnings(found["pretrend_p"]),
            STAGGERED if len(np.unique(start[funded])) > 1 else "",
        ),
    )
    return row, _path(row, panel, np.flatnonzero(funded), effects)


@dataclass(frozen=True, kw_only=True)
class _Yearly:
    """Yearly variation of comparison units beyond sampling: variance of log values, degrees of freedom, units."""

    variance: float
    df: int
    units: int


def _yearly_variance(panel: Panel, group: np.ndarray) -> _Yearly:
    """Mean square of two-way residuals of comparison units with all years, less their mean sampling variance."""
    units, side = panel.study.units, panel.yearly
    free = (units["start"].to_numpy() == 0) & units["eligible"].to_numpy(bool) & np.isfinite(side.log).all(axis=1)
    squares = sampling = 0.0
    df = used = 0
    for g in np.unique(group[free]):
        rows = free & (group == g)
        if (j := int(rows.sum())) < 2:
            continue
        log = side.log[rows]
        residual = log - log.mean(axis=1, keepdims=True) - log.mean(axis=0) + log.mean()
        squares += float((residual**2).sum())
        part = (j - 1) * (log.shape[1] - 1)
        sampling += float(side.variance[rows].mean()) * part
        df, used = df + part, used + j
    return _Yearly(variance=max(0.0, (squares - sampling) / df) if df else np.nan, df=df, units=used)


def _one(
    panel: Panel, project: int, compared: Comparisons, yearly: _Yearly
) -> tuple[dict[str, object], list[list[object]]]:
    study = panel.study
    before = study.years < study.units["start"].iloc[project]
    others = compared.of(project)
    others = others[np.isfinite(panel.yearly.log[others]).sum(axis=1) > 1]
    said = joined(
        own_warning(panel.over(before), panel.over(~before), project),
        "" if len(others) else NONE,
        WIDENED if project in compared.widened else "",
    )
    effects = _against(panel, project, others, yearly)
    if isinstance(effects, str):
        return _head(panel, project, warnings=joined(said, effects)), []
    found = effects.summary(study.confidence)
    words = (
        f"区域内 {yearly.units} 个未立项单元的年际离散 {np.sqrt(yearly.variance):.3f}（对数），t 分布自由度 {yearly.df}"
    )
    row = _head(
        panel,
        project,
        **found,
        n_clusters=len(others) + 1,
        n_comparison=len(others),
        inference=words if yearly.df else "",
        warnings=joined(said, effects.warnings(found["pretrend_p"]), "" if yearly.df else NO_YEARLY),
    )
    return row, _path(row, panel, np.array([project]), effects)


def _against(panel: Panel, project: int, others: np.ndarray, yearly: _Yearly) -> _Effects | str:
    """A project against the common years of its comparison units; or why there is nothing to compare."""
    side = panel.yearly
    relative = panel.study.years - panel.study.units["start"].iloc[project]
    reference = np.flatnonzero(relative == REFERENCE)
    if not len(reference) or not np.isfinite(side.log[project, reference[0]]):
        return NO_REFERENCE
    if not len(others):
        return ""  # said already
    r = int(reference[0])
    log = side.log[others]
    weight = np.where(np.isfinite(log), panel.n[others], 0.0)
    common, covariance = _years(log, weight, np.where(weight > 0, side.variance[others] + yearly.variance, 0.0))
    seen = (weight > 0).any(axis=0) & np.isfinite(side.log[project])
    if not seen[r]:
        return NO_REFERENCE
    at = np.array([t for t in np.flatnonzero(seen) if t != r], dtype=int)
    if not len(at):
        return NO_OTHER
    effect = (side.log[project, at] - side.log[project, r]) - (common[at] - common[r])
    pick = np.zeros((len(at), len(common)))
    pick[np.arange(len(at)), at], pick[:, r] = 1, -1
    own = side.variance[project] + yearly.variance
    total = np.diag(own[at]) + own[r] + pick @ covariance @ pick.T
    return _Effects(steps=relative[at], beta=effect, covariance=total, df=max(yearly.df, 1))


def _years(log: np.ndarray, weight: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Year effects of the weighted two-way fit and their covariance; only differences of them mean anything."""
    total = weight.sum(axis=1)
    y = np.where(weight > 0, log, 0.0)
    share = weight / total[:, None]
    cross = np.diag(weight.sum(axis=0)) - weight.T @ share
    inverse = np.linalg.pinv(cross, hermitian=True)
    # the effects are linear in the cells: inverse @ Σ_u (diag(w_u) − w_u share_u') y_u
    maps = weight[:, :, None] * np.eye(log.shape[1]) - weight[:, :, None] * share[:, None, :]
    linear = np.einsum("ts,usv->utv", inverse, maps)
    return np.einsum("utv,uv->t", linear, y), np.einsum("utv,uv,usv->ts", linear, variance, linear)


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=event_study,
    estimand="逐年与同专科、同级别未立项单元相比的差距，以开始前一年为 1；并检验建设前各年是否已有差距",
    heeds=("same_level",),
)
