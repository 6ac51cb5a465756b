"""Difference-in-differences on yearly cells: two-way fixed effects, weights by cases.

Estimand as in `did`, with years compared one by one: ln value = unit + group × year + effect × (project, from its start on).
A group is a specialty at one level. All projects together: errors clustered by hospital, jackknifed (CRV3), t with G − 1.
One project by itself: every comparison unit takes the project's place in turn, the project left out; p is the share of
units, the project among them, with an effect as large. That is exact when the project might as well have been any of
them, whatever the years' correlation; it needs 19 comparison units to reach 5 %, and says so. Rare deaths: Poisson with
offset, all projects together only.

Projects that start in different years make this estimator compare them with each other: see `staggered`.

References
----------
Goodman-Bacon (2021), doi:10.1016/j.jeconom.2021.03.014; MacKinnon, Nielsen, Webb (2023), doi:10.1002/jae.2969; randomisation:
Fisher (1935); MacKinnon, Webb (2020), doi:10.1016/j.jeconom.2020.04.024.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.method import Method
from toolkit.models.change.panel import NONE, WIDENED, Comparisons, Panel, comparisons, own_warning, panels
from toolkit.models.inference import (
    FEW_CLUSTERS,
    TOO_FEW_CLUSTERS,
    Absorbed,
    absorbed,
    absorbed_poisson,
    limits,
    randomisation_p,
    randomisation_width,
)

ID = "twfe"
NAME_ZH = "双向固定效应双重差分"
ONLY_TOGETHER = "罕见事件不对单个项目做年度回归，见对照校正比值"
STAGGERED = "各项目起始年不同，该法会把项目互相比较，请看错期双重差分"
NOT_IDENTIFIED = "项目与对照的年份结构无法区分效应（完全共线）"
MISSING_YEARS = "缺少年份"


def twfe(cells: pd.DataFrame, study: Study) -> Findings:
    """All projects together (level `region`), and every project by itself (level `unit`)."""
    found = panels(cells, study)
    compared = comparisons(study)
    parts = []
    for panel in found.values():
        parts.append(_together(panel, compared.group))
        parts.append(of_panel(panel, compared, study))
    changes = completed(pd.concat(parts, ignore_index=True)) if parts else nothing()
    return Findings(changes=changes)


def participants(panel: Panel) -> np.ndarray:
    """Units of a regression: projects, and eligible units without one."""
    units = panel.study.units
    return (units["start"].to_numpy() > 0) | units["eligible"].to_numpy(bool)


def fitted(panel: Panel, x: np.ndarray, group: np.ndarray) -> Absorbed:
    """The regression of one indicator on the columns `x` (k, units, years): on logs by cases, or Poisson with offset."""
    study, rows = panel.study, participants(panel)
    cluster = pd.factorize(study.units["hospital"].astype(str))[0][rows]
    if study.distribution(panel.indicator) is Distribution.RARE:
        return absorbed_poisson(panel.x[rows], panel.y[rows], x[:, rows], group[rows], cluster)
    return absorbed(panel.yearly.log[rows], x[:, rows], panel.n[rows], group[rows], cluster)


def clustered_words(clusters: int) -> str:
    """How errors of a regression by hospital were made."""
    few = f"，少于 {FEW_CLUSTERS} 个" if clusters < FEW_CLUSTERS else ""
    return f"按医院聚类（{clusters} 个聚类{few}），CRV3 刀切误差，t 分布自由度 {max(clusters - 1, 1)}"


def _together(panel: Panel, group: np.ndarray) -> pd.DataFrame:
    study, units = panel.study, panel.study.units
    start = units["start"].to_numpy()
    treated = (start[:, None] > 0) & (study.years >= start[:, None])
    fit = fitted(panel, treated[None].astype(float), group)
    error = np.sqrt(fit.crv3[0, 0])
    enough = fit.clusters >= TOO_FEW_CLUSTERS
    low, high, p = limits(fit.beta[0], error if enough else np.nan, max(fit.clusters - 1, 1), study.confidence)
    free = (start == 0) & units["eligible"].to_numpy(bool)
    grouped = np.isin(group, np.unique(group[start > 0]))
    sides = panel.n[start > 0]
    before = study.years < study.after.first
    return pd.DataFrame(
        [
            {
                "level": "region",
                "hospital": "",
                "specialty": "",
                "indicator": panel.indicator,
                "method": ID,
                "estimate": np.exp(fit.beta[0]),
                "low": np.exp(low),
                "high": np.exp(high),
                "p_value": p,
                "std_error": error,
                "n_before": sides[:, before].sum(),
                "n_after": sides[:, ~before].sum(),
                "n_clusters": fit.clusters,
                "n_comparison": int((free & grouped).sum()),
                "inference": clustered_words(fit.clusters) if fit.used.any() else "",
                "warnings": joined(
                    "" if (start > 0).any() else "没有项目",
                    NOT_IDENTIFIED if (start > 0).any() and not fit.used.any() else "",
                    "" if enough else f"聚类少于 {TOO_FEW_CLUSTERS} 个，不给区间和 p 值",
                    STAGGERED if len(np.unique(start[start > 0])) > 1 else "",
                ),
            }
        ]
    )


def of_panel(panel: Panel, compared: Comparisons, study: Study) -> pd.DataFrame:
    """Every project by itself, on one indicator."""
    start = study.units["start"].to_numpy()
    rare = study.distribution(panel.indicator) is Distribution.RARE
    parts = []
    for year in np.unique(start[start > 0]):
        projects, before = np.flatnonzero(start == year), study.years < year
        found = {"warnings": ONLY_TOGETHER} if rare else _randomised(panel, compared, study, projects, before)
        part = {
            "level": "unit",
            "hospital": [study.names[i][0] for i in projects],
            "specialty": [study.names[i][1] for i in projects],
            "indicator": panel.indicator,
            "method": ID,
            "n_before": panel.over(before).n[projects],
            "n_after": panel.over(~before).n[projects],
        }
        parts.append(pd.DataFrame({**part, **found}, index=projects))
    return pd.concat(parts).sort_index(ignore_index=True) if parts else pd.DataFrame()


def _randomised(
    panel: Panel, compared: Comparisons, study: Study, projects: np.ndarray, before: np.ndarray
) -> dict[str, object]:
    """Effects of the projects of one starting year against placebo effects of their comparison units."""
    log = panel.yearly.log
    weight = np.where(np.isfinite(log), panel.n, 0.0)
    others = [compared.of(int(project)) for project in projects]
    effect = effects_of_each(
        *_side_by_side(log, weight, [np.r_[p, o] for p, o in zip(projects, others, strict=True)]),
        ~before,
        only_first=True,
    )[:, 0]
    sets = {one.tobytes(): one for one in others}  # projects of one group share their placebos
    effects = effects_of_each(*_side_by_side(log, weight, list(sets.values())), ~before)
    placebos = dict(zip(sets, effects, strict=True))
    found: dict[str, list[float | int | str]] = {
        name: [] for name in ("width", "p_value", "n_comparison", "inference", "warnings")
    }
    for project, own, one in zip(map(int, projects), effect, others, strict=True):
        place = placebos[one.tobytes()]
        usable = int(np.isfinite(place).sum())
        width = randomisation_width(place, study.confidence)
        found["width"].append(width)
        found["p_value"].append(randomisation_p(own, place))
        found["n_comparison"].append(usable)
        found["inference"].append(
            f"随机化检验，{usable} 个安慰剂单元，最小可能 p = {1 / (usable + 1):.3f}" if usable else ""
        )
        found["warnings"].append(
            joined(
                own_warning(panel.over(before), panel.over(~before), project),
                "" if usable else NONE,
                WIDENED if project in compared.widened else "",
                MISSING_YEARS if np.isfinite(own) and (weight[project] == 0).any() else "",
                f"安慰剂单元只有 {usable} 个，不足以给出 {study.confidence:.0%} 区间"
                if usable and np.isnan(width)
                else "",
            )
        )
    widths = np.array(found.pop("width"))
    ratios = {"estimate": np.exp(effect), "low": np.exp(effect - widths), "high": np.exp(effect + widths)}
    return {**ratios, **found, "n_clusters": np.array(found["n_comparison"]) + 1}


def _side_by_side(log: np.ndarray, weight: np.ndarray, sets: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Log and weight of sets of units, shape (sets, units, years); a set with fewer units is filled up with weight 0."""
    at = np.full((len(sets), max(map(len, sets))), -1)
    for row, units in zip(at, sets, strict=True):
        row[: len(units)] = units
    return log[at], np.where((at >= 0)[..., None], weight[at], 0.0)


def effects_of_each(log: np.ndarray, weight: np.ndarray, post: np.ndarray, *, only_first: bool = False) -> np.ndarray:
    """The two-way fixed-effects estimate with each unit as the treated one in turn and all others as comparison.

    Parameters
    ----------
    log, weight
        Shape (…, units, years), for as many sets of units as there are; weight 0 where there is no value.
    post
        Which years are after.
    only_first
        Treat the first unit only; the rest are its comparison.

    Returns
    -------
    np.ndarray
        Log effects, shape (…, units); missing where a unit has no year on one side or no comparison.

    Notes
    -----
    Exact, by Frisch–Waugh–Lovell: the dummy of one treated unit, centred on the unit, has that unit's row only, so one
    inverse of the years' cross-products serves all.
    """
    y = np.where(weight > 0, log, 0.0)
    total = weight.sum(axis=-1)
    safe = np.where(total > 0, total, 1.0)[..., None]
    y = np.where(weight > 0, y - (weight * y).sum(axis=-1, keepdims=True) / safe, 0.0)
    years = np.eye(weight.shape[-1])
    cross = weight.sum(axis=-2)[..., None] * years - np.einsum("...ut,...us->...ts", weight, weight / safe)
    inverse = np.linalg.pinv(cross, hermitian=True)
    right = (weight * y).sum(axis=-2)[..., None]
    some = slice(0, 1) if only_first else slice(None)
    w, safe = weight[..., some, :], safe[..., some, :]
    treated = np.where(w > 0, post - (w * post).sum(axis=-1, keepdims=True) / safe, 0.0)
    slant = w * treated
    own = (slant * treated).sum(axis=-1)
    left = own - ((slant @ inverse) * slant).sum(axis=-1)
    above = (slant * y[..., some, :]).sum(axis=-1) - (slant @ inverse @ right)[..., 0]
    good = (own > 0) & (left > 1e-9 * np.where(own > 0, own, 1.0))  # of a unit alone, nothing is left
    return np.where(good, above / np.where(good, left, 1.0), np.nan)


METHOD = Method(
    id=ID,
    name_zh=NAME_ZH,
    estimate=twfe,
    estimand="逐年比较，项目相对同专科、同级别未立项单元的变化；单个项目用随机化检验，全部项目合并用聚类刀切误差",
    of_panel=of_panel,
    heeds=("same_level",),
)
