"""Risk of death by DRG, age band, sex and admission route: a logistic model with DRG fixed effects, on covariate cells.

All discharges of one pattern of covariates have one probability, so the counts of deaths and discharges per pattern hold
all that the likelihood needs: coefficients, errors and predictions equal those of a fit on records. Newton steps solve for
the few coefficients with the DRG effects swept out (their block of the information matrix is diagonal), so hundreds of
DRGs cost no dense columns.

The C statistic and the calibration table are those of the data that the model was fitted on: good calibration over all
cases is then no evidence of a good model, and both are called apparent (表观).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.key_codes import KeyCodes

REST = "其余"  # level of a pooled group, and of nothing that a source can hold
MOST_STEPS, TOLERANCE = 60, 1e-11
SMALLEST_INFORMATION = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskModel:
    """A fitted model.

    Attributes
    ----------
    group, covariates
        Column of the fixed effects (`drg`), and the others.
    coefficients
        `covariate, level, estimate, se` (log odds against the reference level, which has estimate 0 and no se), `n, deaths`.
    effects
        `group, estimate, se, n, deaths`: log odds of a group at all reference levels.
    pooled
        Groups with fewer deaths than asked for -> the pooled group whose effect they share: those with the same first
        characters (`FB1其余`, `F其余`), and at last all others (`其余`).
    prefixes
        How many first characters the pooled groups share.
    n, deaths
        Discharges and deaths of the fit.
    certain
        Discharges of levels without any death (or survivor): the likelihood puts their risk at 0 (or 1); outside the fit.
    log_likelihood, steps, converged, warnings
    """

    group: str
    covariates: tuple[str, ...]
    coefficients: pd.DataFrame
    effects: pd.DataFrame
    pooled: Mapping[str, str]
    prefixes: tuple[int, ...]
    n: int
    deaths: int
    certain: int
    log_likelihood: float
    steps: int
    converged: bool
    warnings: tuple[str, ...]

    def probability(self, cells: pd.DataFrame) -> np.ndarray:
        """Of every row; missing where the model knows nothing of a level: unseen, or never with (or without) a death."""
        effects = self.effects.set_index("group")["estimate"]
        # a group first seen after the fit is as rare a kind as those pooled
        placed = {
            str(g): _placed(str(g), self.pooled, effects.index, self.prefixes) for g in pd.unique(cells[self.group])
        }
        logit = cells[self.group].astype("str").map(placed).map(effects)
        total = logit.to_numpy(float)
        for name, part in self.coefficients.groupby("covariate", sort=False):
            levels = part.set_index("level")["estimate"]
            total = total + cells[str(name)].astype("str").map(levels).to_numpy(float)
        return 1 / (1 + np.exp(-total))


def fit(
    cells: pd.DataFrame,
    covariates: Sequence[str],
    *,
    group: str = "drg",
    minimum_deaths: int = 1,
    prefixes: Sequence[int] = (),
) -> RiskModel:
    """Fit the model to counts.

    Parameters
    ----------
    cells
        `group`, the covariates (text), `n` (discharges with known outcome), `died`. Patterns may occur in several rows.
    minimum_deaths
        Groups with fewer deaths share an effect, so that a group without a death does not get a risk of 0. 1 pools
        nothing: groups without a death are then left out (`certain`).
    prefixes
        First characters that groups must share to be pooled, longest first, e.g. `(3, 1)`: the ADRG, then the MDC. What
        still has too few deaths is pooled with all others.

    Returns
    -------
    RiskModel
        With empty tables and a warning where there is nothing to fit (no death, no survivor).
    """
    covariates = tuple(covariates)
    frame = cells.loc[cells["n"] > 0, [group, *covariates, "n", "died"]]
    frame = frame.assign(**{c: frame[c].astype("str") for c in (group, *covariates)})
    pooled = _pooling(frame.groupby(group)["died"].sum(), minimum_deaths, prefixes) if minimum_deaths > 1 else {}
    if pooled:
        frame = frame.assign(**{group: frame[group].map(lambda g: pooled.get(g, g))})
    frame = _collapsed(frame, [group, *covariates])
    total, frame = int(frame["n"].sum()), _both_outcomes(frame, [group, *covariates])
    certain = total - int(frame["n"].sum())
    warnings = [f"{certain:,} 例所在类别没有死亡（或全部死亡），模型不能估计其风险"] if certain else []
    if frame.empty:
        return RiskModel(
            group=group,
            covariates=covariates,
            pooled=pooled,
            prefixes=tuple(prefixes),
            n=total,
            deaths=int(cells["died"].sum()),
            certain=certain,
            coefficients=pd.DataFrame(columns=["covariate", "level", "estimate", "se", "n", "deaths"]),
            effects=pd.DataFrame(columns=["group", "estimate", "se", "n", "deaths"]),
            log_likelihood=float("nan"),
            steps=0,
            converged=False,
            warnings=("没有死亡或全部死亡，不能拟合风险模型",),
        )
    design = _Design(frame, group, covariates)
    beta, alpha, steps, converged = _newton(design)
    covariance, effect_variance, singular = design.covariance(beta, alpha)
    if not converged:
        warnings.append("风险模型未收敛：某些类别的组合没有死亡或没有存活，其系数不可靠")
    if singular:
        warnings.append("某些协变量在 DRG 之内没有变化，不能分开估计")
    errors = np.sqrt(np.diag(covariance))
    return RiskModel(
        group=group,
        covariates=covariates,
        pooled=pooled,
        prefixes=tuple(prefixes),
        n=total,
        deaths=int(cells["died"].sum()),
        certain=certain,
        coefficients=design.coefficient_table(beta, errors),
        log_likelihood=design.log_likelihood(beta, alpha),
        effects=pd.DataFrame(
            {
                "group": design.groups,
                "estimate": alpha,
                "se": np.sqrt(effect_variance),
                "n": np.bincount(design.of_group, design.n).astype("int64"),
                "deaths": np.bincount(design.of_group, design.died).astype("int64"),
            }
        ),
        steps=steps,
        converged=converged,
        warnings=tuple(warnings),
    )


def _pooling(deaths: pd.Series, minimum: int, prefixes: Sequence[int]) -> dict[str, str]:
    """Group -> its pooled group, for groups with fewer deaths than the minimum."""
    small = {str(g): str(g) for g, d in deaths.items() if d < minimum}
    counts = {str(g): float(d) for g, d in deaths.items()}
    for length in (*prefixes, 0):
        waiting = [g for g, at in small.items() if counts[at] < minimum]
        for g in waiting:
            small[g] = g[:length] + REST
        together: dict[str, float] = {}
        for g in waiting:
            together[small[g]] = together.get(small[g], 0.0) + float(deaths[g])
        counts |= together
    return small


def _placed(group: str, pooled: Mapping[str, str], known: pd.Index, prefixes: Sequence[int]) -> str:
    if group in known:
        return group
    if group in pooled:
        return pooled[group]
    return next((group[:k] + REST for k in (*prefixes, 0) if group[:k] + REST in known), group)


def _collapsed(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row per pattern."""
    patterns = KeyCodes(frame).of(keys)
    sums = {c: patterns.sum(frame[c].to_numpy(float)) for c in ("n", "died")}
    return frame[keys].iloc[patterns.first].reset_index(drop=True).assign(**sums)


def _both_outcomes(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Without the levels that hold no death or no survivor, until every level left holds both."""
    while len(frame):
        keep = np.ones(len(frame), dtype=bool)
        for key in keys:
            sums = frame.groupby(key)[["n", "died"]].transform("sum")
            keep &= ((sums["died"] > 0) & (sums["died"] < sums["n"])).to_numpy()
        if keep.all():
            return frame
        frame = frame[keep]
    return frame


class _Design:
    """Patterns as codes, and the sums over them that Newton steps need. No column of dummies is ever made."""

    def __init__(self, frame: pd.DataFrame, group: str, covariates: tuple[str, ...]) -> None:
        self.n, self.died = frame["n"].to_numpy(float), frame["died"].to_numpy(float)
        self.of_group, groups = pd.factorize(frame[group], sort=True)
        self.groups = [str(g) for g in groups]
        self.levels: list[tuple[str, list[str], int]] = []  # covariate, its levels, the one they are compared with
        self.columns: list[np.ndarray] = []  # of each covariate: its column of the design by row, -1 at the reference
        width = 0
        for name in covariates:
            codes, levels = pd.factorize(frame[name], sort=True)
            base = int(np.bincount(codes, self.n).argmax())
            place = np.full(len(levels), -1)
            others = [k for k in range(len(levels)) if k != base]
            place[others] = np.arange(width, width + len(others))
            width += len(others)
            self.levels.append((name, [str(x) for x in levels], base))
            self.columns.append(place[codes])
        self.width = width

    def linear(self, beta: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        padded = np.append(beta, 0.0)  # column -1
        total = alpha[self.of_group]
        for column in self.columns:
            total = total + padded[column]
        return total

    def log_likelihood(self, beta: np.ndarray, alpha: np.ndarray) -> float:
        eta = self.linear(beta, alpha)
        return float((self.died * eta - self.n * np.logaddexp(0, eta)).sum())

    def _by_column(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros(self.width + 1)
        for column in self.columns:
            np.add(sums, np.bincount(column + 1, values, minlength=self.width + 1), out=sums)
        return sums[1:]

    def _crossed(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """X'WX, X'WD (columns × groups) and the diagonal of D'WD."""
        wide, size = self.width + 1, len(self.groups)
        inner, outer = np.zeros((wide, wide)), np.zeros((wide, size))
        for i, one in enumerate(self.columns):
            outer += np.bincount((one + 1) * size + self.of_group, weight, minlength=wide * size).reshape(wide, size)
            for other in self.columns[i:]:
                block = np.bincount((one + 1) * wide + other + 1, weight, minlength=wide * wide).reshape(wide, wide)
                inner += block if other is one else block + block.T
        return inner[1:, 1:], outer[1:], np.bincount(self.of_group, weight, minlength=size)

    def step(self, beta: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = 1 / (1 + np.exp(-self.linear(beta, alpha)))
        left = self.died - self.n * p
        inner, outer, diagonal = self._crossed(np.maximum(self.n * p * (1 - p), 1e-300))
        by_group = np.bincount(self.of_group, left, minlength=len(self.groups))
        swept = outer / diagonal
        change = _solved(inner - swept @ outer.T, self._by_column(left) - swept @ by_group)
        return change, (by_group - outer.T @ change) / diagonal

    def covariance(self, beta: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Of the coefficients; the variances of the group effects; whether a coefficient cannot be told apart."""
        p = 1 / (1 + np.exp(-self.linear(beta, alpha)))
        inner, outer, diagonal = self._crossed(self.n * p * (1 - p))
        swept = outer / diagonal
        schur = inner - swept @ outer.T
        inverse = np.linalg.pinv(schur, rcond=SMALLEST_INFORMATION, hermitian=True) if self.width else schur
        singular = bool(self.width and np.linalg.matrix_rank(schur, hermitian=True, tol=_floor(schur)) < self.width)
        return inverse, 1 / diagonal + np.einsum("kg,kl,lg->g", swept, inverse, swept), singular

    def coefficient_table(self, beta: np.ndarray, errors: np.ndarray) -> pd.DataFrame:
        rows = []
        at = 0
        for (name, levels, base), column in zip(self.levels, self.columns, strict=True):
            first = at
            for k, level in enumerate(levels):
                own = column == (-1 if k == base else at)
                n, died = int(self.n[own].sum()), int(self.died[own].sum())
                rows.append((name, level, 0.0 if k == base else beta[at], np.nan if k == base else errors[at], n, died))
                at += k != base
            assert at - first == len(levels) - 1  # noqa: S101  one column for every level but the reference
        return pd.DataFrame(rows, columns=["covariate", "level", "estimate", "se", "n", "deaths"])


def _floor(matrix: np.ndarray) -> float:
    return SMALLEST_INFORMATION * float(np.abs(np.diag(matrix)).max())


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(matrix, right, rcond=SMALLEST_INFORMATION)[0] if len(right) else right


def _newton(design: _Design) -> tuple[np.ndarray, np.ndarray, int, bool]:
    size = len(design.groups)
    died, n = (np.bincount(design.of_group, v, minlength=size) for v in (design.died, design.n))
    alpha, beta = np.log(died / (n - died)), np.zeros(design.width)
    now = design.log_likelihood(beta, alpha)
    for step in range(1, MOST_STEPS + 1):
        by_beta, by_alpha = design.step(beta, alpha)
        length = 1.0
        while (new := design.log_likelihood(beta + length * by_beta, alpha + length * by_alpha)) < now - 1e-9 * abs(
            now
        ):
            length /= 2
            if length < 1e-6:
                return beta, alpha, step, False
        beta, alpha, now = beta + length * by_beta, alpha + length * by_alpha, new
        if max(np.abs(by_beta).max(initial=0), np.abs(by_alpha).max(initial=0)) < TOLERANCE * (1 + np.abs(alpha).max()):
            return beta, alpha, step, True
    return beta, alpha, MOST_STEPS, False


def c_statistic(probability: np.ndarray, n: np.ndarray, died: np.ndarray) -> float:
    """Chance that a case that died was given the higher risk than one that survived; ties count half.

    Missing where all died or none did.
    """
    known = ~np.isnan(probability)
    order = np.argsort(probability[known], kind="stable")
    p, n, died = probability[known][order], n[known][order].astype(float), died[known][order].astype(float)
    starts = np.flatnonzero(np.diff(p, prepend=-1.0) > 0)
    if not len(starts):
        return float("nan")
    deaths, alive = np.add.reduceat(died, starts), np.add.reduceat(n - died, starts)
    pairs = deaths.sum() * alive.sum()
    below = np.cumsum(alive) - alive
    return float((deaths * (below + alive / 2)).sum() / pairs) if pairs else float("nan")


def calibration(probability: np.ndarray, n: np.ndarray, died: np.ndarray, *, groups: int = 10) -> pd.DataFrame:
    """Observed beside expected deaths in groups of rising risk with about equal numbers of discharges.

    Returns `group` (from 1), `n`, `observed`, `expected`, `lowest`, `highest` (probability). Cells are not cut.
    """
    known = ~np.isnan(probability) & (n > 0)
    order = np.argsort(probability[known], kind="stable")
    p, n, died = probability[known][order], n[known][order].astype(float), died[known][order].astype(float)
    middle = (np.cumsum(n) - n / 2) / n.sum() if len(n) else n
    frame = pd.DataFrame(
        {
            "group": np.minimum((middle * groups).astype(int), groups - 1) + 1,
            "n": n,
            "observed": died,
            "expected": n * p,
            "p": p,
        }
    )
    table = frame.groupby("group").agg(
        n=("n", "sum"),
        observed=("observed", "sum"),
        expected=("expected", "sum"),
        lowest=("p", "min"),
        highest=("p", "max"),
    )
    return table.reset_index().astype({"group": "int64", "n": "int64", "observed": "int64"})
