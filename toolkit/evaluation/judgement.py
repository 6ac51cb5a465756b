"""Which estimate a unit is judged by, the verdict on it, and whether other choices would have given another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.evaluation.holds import HELD, held
from toolkit.evaluation.robustness import SAYS
from toolkit.evaluation.verdict import NO_PROJECT, NO_PROJECT_ZH, POOR_DATA, Verdict, directions, not_judged, verdicts
from toolkit.indicators import CATALOGUE
from toolkit.models.change.multiplicity import over_all
from toolkit.params import ALWAYS_RUN, RunParams

KEYS = ["hospital", "specialty", "indicator"]
PLAIN = ALWAYS_RUN
NUMBERS = ("estimate", "low", "high", "p_value", "n_before", "n_after")
STEPS = ("step_own", "step_comparison")
FROM_METHOD = ("warnings", "obstacle", *STEPS, "baseline_decides")
JUDGED = (*NUMBERS, "warnings", *STEPS, "obstacle")
AGREED_TOO = ("answers", *SAYS, "moved_by", "moved_share", "robust")
COLUMNS = [
    "judged_by",
    *[f"judged_{c}" for c in JUDGED],
    "p_adjusted",
    "p_family",
    "verdict",
    "reason",
    "reason_zh",
    "p_improvement",
    "p_meaningful",
    "share",
    "boundary",
    *AGREED_TOO,
]


def judged(
    changes: pd.DataFrame,
    effects: pd.DataFrame,
    units: pd.DataFrame,
    params: RunParams,
    insufficient: Mapping[str, str],
    holds: pd.DataFrame | None = None,
    beside: np.ndarray | None = None,
) -> pd.DataFrame:
    """The table of changes with the verdict of every row.

    A project is judged by the method that the parameters name. A unit without project, and the peers, are described by their
    plain before/after ratio and not judged: trend and regression to the mean are in it. That ratio stands in `estimate` of
    all. What the method would say of units without project is in the table `placebos`.

    Parameters
    ----------
    changes
        `level, hospital, specialty, indicator`, the columns of `Change` for the plain ratio.
    effects
        As from `toolkit.evaluation.effects.change_effects`.
    insufficient
        As from `toolkit.evaluation.data_quality.insufficient`.
    holds
        As from `toolkit.evaluation.holds`: what keeps a verdict back.
    beside
        P of what is looked at together with these changes: of the projects of other cohorts (`primary_p`).

    Returns
    -------
    pd.DataFrame
        With `COLUMNS` added; `share` and `boundary` are filled by `with_agreement`.
    """
    method = params.change.verdict_from
    ways = directions(CATALOGUE)
    of_projects = changes[["level", "hospital", "specialty"]].merge(
        units.loc[units["project"] != "", ["hospital", "specialty"]].assign(level="unit", funded=True), how="left"
    )
    funded = of_projects["funded"].notna().to_numpy()
    project = funded & (method != PLAIN)
    by_method = changes[KEYS].merge(
        effects[(effects["level"] == "unit") & (effects["method"] == method)][[*KEYS, *NUMBERS, *FROM_METHOD]],
        on=KEYS,
        how="left",
    )
    own = changes.reset_index(drop=True).assign(**dict.fromkeys(STEPS, np.nan))
    chosen = {f"judged_{c}": np.where(project, by_method[c], own[c]) for c in JUDGED}
    for c in ("n_before", "n_after"):  # cases are counted as the method does: a project may begin within its cycle
        chosen[f"judged_{c}"] = np.where(project & by_method[c].notna(), by_method[c], own[c])
    whole = changes.reset_index(drop=True).assign(judged_by=np.where(project, method, PLAIN), **chosen)
    numbers = {c: pd.to_numeric(whole[f"judged_{c}"]) for c in (*NUMBERS, *STEPS)}
    family = _family(whole.assign(**numbers), funded, params, beside)
    asked = whole.assign(
        **numbers,
        obstacle=whole["judged_obstacle"],
        baseline_decides=by_method["baseline_decides"].eq(True).to_numpy() & project,
        adjusted_away=family >= 1 - params.change.confidence,
    )
    found = verdicts(asked, ways, params.change, insufficient)
    found = not_judged(found, (found["reason"] != POOR_DATA) & ~funded, NO_PROJECT, NO_PROJECT_ZH)
    if holds is not None:
        found = held(found, whole[KEYS], holds, whole[["before", "after"]].notna().any(axis=1))
    found.loc[~funded, ["p_improvement", "p_meaningful"]] = np.nan
    adjusted = changes[KEYS].merge(
        effects[(effects["level"] == "unit") & (effects["method"] == method)][[*KEYS, "p_adjusted"]],
        on=KEYS,
        how="left",
    )
    return whole.assign(
        **{f"judged_{c}": v for c, v in numbers.items()},
        judged_warnings=whole["judged_warnings"].fillna("该方法没有给出结果"),
        judged_obstacle=whole["judged_obstacle"].fillna(""),
        p_adjusted=adjusted["p_adjusted"].where(project),
        p_family=family,
        **found,
        share=np.nan,
        boundary=False,
        answers=0,
        **dict.fromkeys(SAYS, 0),
        moved_by="",
        moved_share=np.nan,
        robust=False,
    )


def _family(whole: pd.DataFrame, funded: np.ndarray, params: RunParams, beside: np.ndarray | None) -> np.ndarray:
    """P of the primary indicators of all projects, adjusted for their number by the declared rule; missing elsewhere."""
    rows = funded & whole["indicator"].isin(params.change.primary).to_numpy()
    found = np.full(len(whole), np.nan)
    own = whole.loc[rows, "p_value"].to_numpy(float)
    others = np.zeros(0) if beside is None else beside
    found[rows] = over_all(np.concatenate([own, others]), params.change.multiplicity)[: len(own)]
    return found


def primary_p(changes: pd.DataFrame, effects: pd.DataFrame, params: RunParams) -> np.ndarray:
    """P of every primary indicator of the projects of a cohort, by the method that judges them."""
    method = params.change.verdict_from
    table = changes if method == PLAIN else effects[effects["method"] == method]
    rows = table[(table["level"] == "unit") & table["indicator"].isin(params.change.primary)]
    own = [pair in params.own_projects for pair in zip(rows["hospital"], rows["specialty"], strict=True)]
    return rows.loc[own, "p_value"].to_numpy(float)


def placebo_verdicts(placebos: pd.DataFrame, params: RunParams, insufficient: Mapping[str, str]) -> pd.DataFrame:
    """Units without project with the verdict that each would have got as a project; columns as declared.

    Parameters
    ----------
    placebos
        As from `did`.
    """
    found = verdicts(placebos, directions(CATALOGUE), params.change, insufficient)["verdict"]
    return placebos.assign(verdict=found.astype(object))


def with_agreement(changes: pd.DataFrame, agreed: pd.DataFrame) -> pd.DataFrame:
    """`changes` with what other choices say: the share that agrees, the mark of those that flip, and what moves them most.

    Parameters
    ----------
    agreed
        As from `toolkit.evaluation.robustness.agreement`. What is not judged rests on no estimate and is never on the boundary.
    """
    if agreed.empty:
        return changes
    taken = agreed[[*KEYS, "share", "boundary", *AGREED_TOO]].assign(level="unit")
    found = changes[["level", *KEYS]].merge(taken, how="left").set_index(changes.index)
    judged_ = changes["verdict"] != Verdict.NOT_JUDGED.value
    if "reason" in changes:  # what is held back rests on no estimate either
        judged_ &= ~changes["reason"].isin(HELD)
    return changes.assign(
        share=found["share"],
        boundary=found["boundary"].eq(True) & judged_,
        robust=found["robust"].eq(True) & judged_,
        **{c: found[c].fillna(0).astype("int64") for c in ("answers", *SAYS)},
        moved_by=found["moved_by"].fillna(""),
        moved_share=found["moved_share"],
    )
