"""Segmented regression of one unit's own series: level and slope before, and how both change at the start of the project.

Estimand: the ratio of the unit's mean value after its start to the value that its own line before, carried on, would have
given (season and declared shocks taken out). No comparison unit is used: whatever else changed at the same time is in it.

    ln value_t = a + b t + c [t ≥ start] + d (t − start)+ + season + shocks,   weights by cases

Rare events are counts: the same line for ln of the expected count, Poisson with ln of the cases at risk as offset, so that
months without an event count as what they are.

By month where the cells hold months, else by quarter, else by year. Season: eleven dummies of the calendar month (three of
the quarter) where each occurs in at least two years before the start; of rare events one harmonic of the year (sine and
cosine), for eleven dummies would take what few events there are. A declared shock adds a step over its years, unless it
covers all years of a side or the step would be the project's own. Errors: Newey and West with lag ⌊4 (T/100)^(2/9)⌋, scaled by
T / (T − k), t with T − k. Below 4 points on a side, or without degrees of freedom, estimates come without limits.

References
----------
Counts over time with harmonics: Bernal, Cummins, Gasparrini (2017), doi:10.1093/ije/dyw098. Line and errors: Wagner, Soumerai,
Zhang, Ross-Degnan (2002), doi:10.1046/j.1365-2710.2002.00430.x; Newey, West (1987), doi:10.2307/1913610.
About 8 to 12 points on a side are wanted (statistics-pitfalls of the field); six years are not that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.method import Method

ID = "segmented"
NAME_ZH = "单组分段回归"
LEAST_POINTS = 4
LEAST_VARIANCE = 1e-20  # of a log
LEAST_EVENTS = 5  # on a side; with fewer, a level and a slope say nothing
FEW_EVENTS = f"一侧不足 {LEAST_EVENTS} 例事件，不作分段回归，见累积和图"
NOT_CONVERGED = "Poisson 分段回归未收敛，不给结果"
SHORT = f"一侧少于 {LEAST_POINTS} 个时点，不给区间"
NONE = "一侧没有足够时点，不能分段"
EXACT_FIT = "各时点与拟合线完全重合，没有误差可言，不给区间"
ALWAYS = "单组前后比较，同期其他变化也在其中"
COVERS = "外部事件“{}”覆盖整个一侧或与项目同始同终，无法从项目变化中分出，未校正"
FORMS = {"month": r"\d{4}-\d{2}", "quarter": r"\d{4}Q[1-4]", "year": r"\d{4}"}
PER_YEAR = {"month": 12, "quarter": 4, "year": 1}
GRAINS_ZH = {"month": "月", "quarter": "季", "year": "年"}
TERMS = ["hospital", "specialty", "indicator", "term", "estimate", "low", "high", "p_value", "grain", "points"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """Columns of the regression for one start: `x` (T, k), names of the columns, unit of time, warnings."""

    x: np.ndarray
    names: tuple[str, ...]
    grain: str
    warnings: tuple[str, ...]

    def without(self, kinds: tuple[str, ...]) -> Design:
        """The design without columns of these kinds."""
        kept = [i for i, name in enumerate(self.names) if not name.startswith(kinds)]
        return replace(self, x=self.x[:, kept], names=tuple(self.names[i] for i in kept))


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One unit's own points, arrays of shape (T,): both sums of the indicator, cases `n`, time in years, the start.

    `rare`: the numerator is a count of rare events, `y` the cases at risk.
    """

    x: np.ndarray
    y: np.ndarray
    n: np.ndarray
    point: np.ndarray
    start: int
    rare: bool

    @property
    def after(self) -> np.ndarray:
        """Points of the project."""
        return np.asarray(self.point >= self.start)

    @property
    def usable(self) -> np.ndarray:
        """Points with something to fit: a count may be 0, a logarithm needs a value above it."""
        return np.asarray(self.y > 0 if self.rare else (self.x > 0) & (self.y > 0))

    def fitted(self, columns: np.ndarray, good: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the columns over the good points and their covariance; missing where the fit does not converge."""
        if self.rare:
            return poisson_regression(self.x[good], columns, self.y[good], lag)
        return regression(np.log(self.x[good] / self.y[good]), columns, self.n[good], lag)


def segmented(cells: pd.DataFrame, study: Study) -> Findings:
    """Every project by itself (level `unit`).

    Returns
    -------
    Findings
        `changes`; table `segments`: `hospital, specialty, indicator`, `term` (`slope_before`, a ratio a year; `level`, a ratio at the
        start; `slope_change`, a ratio a year; `shock: …`, a ratio), `estimate, low, high, p_value`, `grain`, `points`.
    """
    grain, rows = _series(cells)
    changes, terms = [], []
    units = study.units
    projects = np.flatnonzero(units["start"].to_numpy() > 0)
    times, when = np.unique(rows["period"].to_numpy(str), return_inverse=True)
    point = np.array([_number(t, grain) for t in times])
    place = pd.MultiIndex.from_frame(units[["hospital", "specialty"]].astype(str))
    code = place.get_indexer(pd.MultiIndex.from_frame(rows[["hospital", "specialty"]].astype(str)))
    inside = (point >= study.before.first) & (point < study.after.last + 1)
    for indicator in study.inferential:
        of = (rows["indicator"] == indicator).to_numpy() & (code >= 0)
        if not of.any():
            continue
        arrays = {}
        for name in ("x", "y", "n"):
            arrays[name] = np.zeros((len(units), len(times)))
            arrays[name][code[of], when[of]] = np.nan_to_num(rows[name].to_numpy(float)[of])
            arrays[name][:, ~inside] = 0.0
        rare = study.distribution(indicator) is Distribution.RARE
        for start in np.unique(units["start"].iloc[projects]):
            design = _design(point, grain, int(start), study, harmonic=rare)
            for project in projects[units["start"].iloc[projects].to_numpy() == start]:
                own = {name: array[project] for name, array in arrays.items()}
                series = Series(**own, point=point, start=int(start), rare=rare)
                row, found = _one(study, indicator, int(project), series, design)
                changes.append(row)
                terms += found
    table = pd.DataFrame(terms, columns=TERMS)
    return Findings(changes=completed(pd.DataFrame(changes)) if changes else nothing(), tables={"segments": table})


def _series(cells: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    for grain, form in FORMS.items():
        rows = cells[cells["period"].str.fullmatch(form)]
        if len(rows):
            return grain, rows
    return "year", cells.iloc[:0]


def _number(period: str, grain: str) -> float:
    """A period's beginning in years: 2022-07 is 2022.5."""
    part = {"month": period[5:], "quarter": period[5:], "year": "1"}[grain]
    return int(period[:4]) + (int(part) - 1) / PER_YEAR[grain]


def _design(point: np.ndarray, grain: str, start: int, study: Study, *, harmonic: bool) -> Design:
    after = (point >= start).astype(float)
    columns = {
        "intercept": np.ones_like(point),
        "slope_before": point - start,
        "level": after,
        "slope_change": after * (point - start),
    }
    warnings = []
    inside = (point >= study.before.first) & (point < study.after.last + 1)
    for shock in study.shocks:
        step = ((point >= shock.first) & (point < shock.last + 1)).astype(float)
        if not (step * inside).any():
            continue
        known = np.stack([*columns.values(), step], axis=1)[inside]
        if _rank(known) < known.shape[1] or _covers(step[inside], after[inside]):
            warnings.append(COVERS.format(shock.label))
        else:
            columns[f"shock: {shock.label}"] = step
    per = PER_YEAR[grain]
    season = np.rint((point % 1) * per).astype(int)
    if per > 1 and all(
        len(np.unique(point[(season == s) & (point < start) & inside].astype(int))) >= 2 for s in range(per)
    ):
        if harmonic:
            columns |= {f"season: {f.__name__}": f(2 * np.pi * point) for f in (np.sin, np.cos)}
        else:
            columns |= {f"season: {s}": (season == s).astype(float) for s in range(1, per)}
    return Design(
        x=np.stack(list(columns.values()), axis=1), names=tuple(columns), grain=grain, warnings=tuple(warnings)
    )


def _covers(step: np.ndarray, after: np.ndarray) -> bool:
    return bool(step[after == 1].all() or step[after == 0].all())


def _rank(x: np.ndarray) -> int:
    norms = np.linalg.norm(x, axis=0)
    return int(np.linalg.matrix_rank(x / np.where(norms > 0, norms, 1.0), tol=1e-9))


def _one(
    study: Study, indicator: str, project: int, series: Series, design: Design
) -> tuple[dict[str, object], list[list[object]]]:
    unit, after, good = study.units.iloc[project], series.after, series.usable
    row: dict[str, object] = {
        "level": "unit",
        "hospital": unit["hospital"],
        "specialty": unit["specialty"],
        "indicator": indicator,
        "method": ID,
        "n_before": series.n[~after].sum(),
        "n_after": series.n[after].sum(),
    }
    sides = int((good & ~after).sum()), int((good & after).sum())
    if min(sides) < 2:
        return row | {"warnings": joined(NONE, *design.warnings)}, []
    if series.rare and min(series.x[good & ~after].sum(), series.x[good & after].sum()) < LEAST_EVENTS:
        return row | {"warnings": joined(FEW_EVENTS, *design.warnings)}, []
    if _rank(design.x[good]) < design.x.shape[1]:  # holes have made a shock or a season another column's double
        design = design.without(("season", "shock"))
    names, columns = list(design.names), design.x[good]
    beta, covariance = series.fitted(columns, good, lags(len(columns)))
    if np.isnan(beta).any():
        return row | {"warnings": joined(NOT_CONVERGED, *design.warnings)}, []
    df = len(columns) - columns.shape[1]
    enough = min(sides) >= LEAST_POINTS and df > 0
    # the mean over the points after, of what level and slope add, weighted by cases
    weight = np.where(after & good, series.n, 0.0)
    contrast = np.zeros(len(names))
    contrast[names.index("level")] = 1.0
    contrast[names.index("slope_change")] = (weight * (series.point - series.start)).sum() / weight.sum()
    effect = float(contrast @ beta)
    error = _root(contrast @ covariance @ contrast) if enough else np.nan
    low, high, p = _limits(effect, error, df, study.confidence)
    kind = "Poisson 回归，" if series.rare else ""
    row |= {
        "estimate": np.exp(effect),
        "low": np.exp(low),
        "high": np.exp(high),
        "p_value": p,
        "std_error": error,
        "inference": f"按{GRAINS_ZH[design.grain]}共 {len(columns)} 个时点，{kind}Newey–West 误差（滞后 {lags(len(columns))}），"
        f"t 分布自由度 {df}",
        "warnings": joined(ALWAYS, "" if enough else SHORT, EXACT_FIT if error == 0 else "", *design.warnings),
    }
    terms = []
    for i, name in enumerate(names):
        if name == "intercept" or name.startswith("season"):
            continue
        one = _root(covariance[i, i]) if enough else np.nan
        lo, hi, pv = _limits(float(beta[i]), one, df, study.confidence)
        values = [np.exp(beta[i]), np.exp(lo), np.exp(hi), pv, design.grain, len(columns)]
        terms.append([unit["hospital"], unit["specialty"], indicator, name, *values])
    return row, terms


def _root(variance: float) -> float:
    """Standard error; 0 where a perfect fit leaves a rounding error of either sign."""
    return float(np.sqrt(variance)) if variance > LEAST_VARIANCE or np.isnan(variance) else 0.0


def _limits(effect: float, error: float, df: int, confidence: float) -> Sequence[float]:
    if not error > 0 or df < 1:
        return np.nan, np.nan, np.nan
    width = float(scipy.stats.t.ppf((1 + confidence) / 2, df)) * error
    return effect - width, effect + width, float(2 * scipy.stats.t.sf(abs(effect / error), df))


def lags(points: int) -> int:
    """Newey and West's rule of thumb."""
    return int(np.floor(4 * (points / 100) ** (2 / 9)))


def regression(y: np.ndarray, x: np.ndarray, weight: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares and its Newey–West covariance (Bartlett kernel, times T / (T − k))."""
    from statsmodels.regression.linear_model import WLS  # a second to load, which a report need not pay

    if len(x) <= x.shape[1]:  # no degree of freedom: a line, and no error
        fit = WLS(y, x, weights=weight / weight.mean()).fit()
        return np.asarray(fit.params), np.full((x.shape[1], x.shape[1]), np.nan)
    kernel = {"maxlags": lag, "use_correction": True}
    fit = WLS(y, x, weights=weight / weight.mean()).fit(cov_type="HAC", cov_kwds=kernel)
    return np.asarray(fit.params), np.asarray(fit.cov_params())


def poisson_regression(
    events: np.ndarray, x: np.ndarray, at_risk: np.ndarray, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson regression with offset ln(at risk) and its Newey–West covariance, which needs no equality of mean and variance.

    Missing where the fit does not converge.
    """
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

    kernel = {"maxlags": lag, "use_correction": True}
    with catch_warnings():
        simplefilter("error", ConvergenceWarning)
        simplefilter("error", PerfectSeparationWarning)
        try:
            fit = GLM(events, x, family=Poisson(), offset=np.log(at_risk)).fit(cov_type="HAC", cov_kwds=kernel)
        except (ConvergenceWarning, PerfectSeparationWarning, np.linalg.LinAlgError):
            return np.full(x.shape[1], np.nan), np.full((x.shape[1], x.shape[1]), np.nan)
    return np.asarray(fit.params), np.asarray(fit.cov_params())


METHOD = Method(
    id=ID, name_zh=NAME_ZH, estimate=segmented, estimand="项目自身序列相对其建设前趋势延长线的平均偏离；没有对照单元"
)
