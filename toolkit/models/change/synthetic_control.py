"""Synthetic difference-in-differences: one unit against a weighted mix of its comparison units.

Estimand: the ratio of a project's mean value after its start to that expected from a mix of comparison units whose years
before ran in parallel with its own, relative to a mix of the years before. Weights of units and years are positive, add up
to 1, and are chosen before anything after the start is looked at; those of units are shrunk towards equal shares.

With three years before and a handful of comparison units the weights are poorly known, and the result stays near `did`; the
method earns its keep with many years (months are not used: too few cases each). Errors: every comparison unit takes the
project's place in turn; the variance of these placebo effects, with the project's own sampling variance in place of theirs,
and t with J − 1. The share of placebo effects as large as the project's is printed too.

References
----------
Arkhangelsky, Athey, Hirshberg, Imbens, Wager (2021), doi:10.1257/aer.20190159 (weights: equations 4 to 6; placebo variance:
algorithm 4). Synthetic control: Abadie, Diamond, Hainmueller (2010), doi:10.1198/jasa.2009.ap08746. The library diff-diff gives
the same numbers (tests/models/reference); it takes 20 ms a fit, which ten thousand projects and their placebos do not allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.method import Method
from toolkit.models.change.panel import NONE, WIDENED, Comparisons, Panel, comparisons, own_warning, panels
from toolkit.models.change.twfe import ONLY_TOGETHER
from toolkit.models.inference import limits, randomisation_p

ID = "synthetic_did"
NAME_ZH = "合成双重差分"
LEAST_UNITS, LEAST_BEFORE = 3, 2
FEW = f"有完整年份的对照单元少于 {LEAST_UNITS} 个，不作合成"
SHORT = f"建设前少于 {LEAST_BEFORE} 年，不作合成"
HOLES = "项目缺少年份，不作合成"
HEAVY = 1e4  # weight of the row that makes shares add up to 1
SHOWN = 1e-3  # smaller shares are left out of the table
WEIGHTS = ["hospital", "specialty", "indicator", "comparison", "weight"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthetic:
    """`effect` (log), shares of the comparison units and of the years before."""

    effect: float
    units: np.ndarray
    years: np.ndarray


def synthetic_did(cells: pd.DataFrame, study: Study) -> Findings:
    """Every project by itself (level `unit`).

    Returns
    -------
    Findings
        `changes`; table `synthetic_weights`: `hospital, specialty, indicator, comparison` (a hospital), `weight` (shares of at
        least 0.001).
    """
    compared = comparisons(study)
    changes, weights = [], []
    for panel in panels(cells, study).values():
        placebos: dict[tuple[int, bytes], np.ndarray] = {}
        for project in np.flatnonzero(study.units["start"].to_numpy() > 0):
            row, shares = _one(panel, int(project), compared, placebos)
            changes.append(row)
            weights += shares
    table = pd.DataFrame(weights, columns=WEIGHTS)
    return Findings(
        changes=completed(pd.DataFrame(changes)) if changes else nothing(), tables={"synthetic_weights": table}
    )


def _one(
    panel: Panel, project: int, compared: Comparisons, placebos: dict[tuple[int, bytes], np.ndarray]
) -> tuple[dict[str, object], list[list[object]]]:
    study, log = panel.study, panel.yearly.log
    start = int(study.units["start"].iloc[project])
    before = study.years < start
    hospital, specialty = study.names[project]
    row: dict[str, object] = {
        "level": "unit",
        "hospital": hospital,
        "specialty": specialty,
        "indicator": panel.indicator,
        "method": ID,
        "n_before": panel.n[project, before].sum(),
        "n_after": panel.n[project, ~before].sum(),
    }
    if study.distribution(panel.indicator) is Distribution.RARE:
        return row | {"warnings": ONLY_TOGETHER}, []
    others = compared.of(project)
    donors = others[np.isfinite(log[others]).all(axis=1)]
    said = joined(
        own_warning(panel.over(before), panel.over(~before), project),
        "" if len(others) else NONE,
        WIDENED if project in compared.widened else "",
    )
    row |= {"n_comparison": len(donors)}
    if reason := _obstacle(log[project], donors, before):
        return row | {"warnings": joined(said, reason)}, []
    found = synthesise(log[project], log[donors], before)
    key = (start, donors.tobytes())
    if key not in placebos:
        placebos[key] = np.array(
            [synthesise(log[d], log[np.delete(donors, i)], before).effect for i, d in enumerate(donors)]
        )
    sampling = panel.over(before).variance + panel.over(~before).variance
    row |= {"warnings": said, **_tested(found.effect, placebos[key], sampling[donors], sampling[project], study)}
    names = study.units["hospital"].to_numpy()[donors]
    shares = [
        [hospital, specialty, panel.indicator, name, float(w)]
        for name, w in zip(names, found.units, strict=True)
        if w >= SHOWN
    ]
    return row, shares


def _obstacle(own: np.ndarray, donors: np.ndarray, before: np.ndarray) -> str:
    """Why no mix can be made; empty where one can."""
    if not np.isfinite(own).all():
        return HOLES
    if before.sum() < LEAST_BEFORE or before.all():
        return SHORT
    return FEW if len(donors) < LEAST_UNITS else ""


def _tested(
    effect: float, place: np.ndarray, sampling: np.ndarray, own_sampling: float, study: Study
) -> dict[str, object]:
    """The effect as a ratio, with limits and p from the effects of the comparison units in the project's place.

    The placebos carry the sampling errors of their own units (`sampling`, variances); the project has its own.
    """
    donors = len(place)
    variance = max(float(np.var(place, ddof=1) - sampling.mean()), 0.0) + float(own_sampling)
    low, high, p = limits(np.array(effect), np.sqrt(variance), donors - 1, study.confidence)
    return {
        "estimate": np.exp(effect),
        "low": np.exp(low),
        "high": np.exp(high),
        "p_value": float(p),
        "std_error": np.sqrt(variance),
        "n_clusters": donors + 1,
        "inference": f"{donors} 个安慰剂单元的方差，t 分布自由度 {donors - 1}；"
        f"安慰剂检验 p = {randomisation_p(effect, place):.3f}（最小可能 {1 / (donors + 1):.3f}）",
    }


def synthesise(treated: np.ndarray, donors: np.ndarray, before: np.ndarray) -> Synthetic:
    """Synthetic difference-in-differences of one treated unit.

    Parameters
    ----------
    treated, donors
        Log values, shapes (years,) and (donors, years), all finite.
    before
        Which years are before; at least two.
    """
    pre, post = donors[:, before], donors[:, ~before]
    noise = float(np.std(np.diff(pre, axis=1), ddof=1))
    years = int(before.sum())
    ridge = post.shape[1] ** 0.5 * noise**2 * years  # of one treated unit: (T_post)^(1/4) σ, squared, times T_pre
    units = _simplex(pre.T, treated[before], ridge)
    time = _simplex(pre, post.mean(axis=1), (1e-6 * noise) ** 2 * len(donors))
    own = treated[~before].mean() - time @ treated[before]
    effect = own - units @ (post.mean(axis=1) - pre @ time)
    return Synthetic(effect=float(effect), units=units, years=time)


def _simplex(columns: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Shares ≥ 0 that add up to 1 and minimise |target − a − columns @ shares|² + ridge |shares|², a free."""
    columns, target = columns - columns.mean(axis=0), target - target.mean()
    k = columns.shape[1]
    scale = max(float(np.abs(columns).max()), float(np.abs(target).max()), np.sqrt(ridge), 1e-12)
    stacked = np.concatenate([columns / scale, np.sqrt(max(ridge, 1e-18)) / scale * np.eye(k), np.full((1, k), HEAVY)])
    shares, _ = scipy.optimize.nnls(stacked, np.concatenate([target / scale, np.zeros(k), [HEAVY]]), maxiter=50 * k)
    return shares / shares.sum()


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=synthetic_did,
    estimand="项目相对一组加权对照单元的变化，权重使建设前走势与项目平行",
    heeds=("same_level",),
)
