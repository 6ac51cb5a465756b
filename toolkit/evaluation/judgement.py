"""Which estimate a unit is judged by, the verdict on it, and whether other choices would have given another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.evaluation.holds import HELD, held
from toolkit.evaluation.verdict import NO_PROJECT, NO_PROJECT_ZH, POOR_DATA, Verdict, directions, not_judged, verdicts
from toolkit.indicators import CATALOGUE
from toolkit.params import ALWAYS_RUN, RunParams

KEYS = ["hospital", "specialty", "indicator"]
PLAIN = ALWAYS_RUN
NUMBERS = ("estimate", "low", "high", "p_value", "n_before", "n_after")
JUDGED = (*NUMBERS, "warnings", "obstacle")
COLUMNS = [
    "plain_verdict",
    "judged_by",
    *[f"judged_{c}" for c in JUDGED],
    "p_adjusted",
    "verdict",
    "reason",
    "reason_zh",
    "p_improvement",
    "p_meaningful",
    "share",
    "boundary",
]


def judged(
    changes: pd.DataFrame,
    effects: pd.DataFrame,
    units: pd.DataFrame,
    params: RunParams,
    insufficient: Mapping[str, str],
    holds: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table of changes with the verdict of every row.

    A project is judged by the method that the parameters name. A unit without project, and the peers, are described by their
    plain before/after ratio and not judged: trend and regression to the mean are in it. That ratio stands in `estimate` of
    all, and what the table would say of it in `plain_verdict`, so that funded and unfunded units can be counted alike.

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

    Returns
    -------
    pd.DataFrame
        With `COLUMNS` added; `share` and `boundary` are filled by `with_agreement`.
    """
    method = params.change.verdict_from
    ways = directions(CATALOGUE)
    plain = verdicts(changes, ways, params.change, insufficient)["verdict"]
    of_projects = changes[["level", "hospital", "specialty"]].merge(
        units.loc[units["project"] != "", ["hospital", "specialty"]].assign(level="unit", funded=True), how="left"
    )
    funded = of_projects["funded"].notna().to_numpy()
    project = funded & (method != PLAIN)
    by_method = changes[KEYS].merge(
        effects[(effects["level"] == "unit") & (effects["method"] == method)][[*KEYS, *JUDGED]], on=KEYS, how="left"
    )
    own = changes[list(JUDGED)].reset_index(drop=True)
    chosen = {f"judged_{c}": np.where(project, by_method[c], own[c]) for c in JUDGED}
    for c in ("n_before", "n_after"):  # cases are counted as the method does: a project may begin within its cycle
        chosen[f"judged_{c}"] = np.where(project & by_method[c].notna(), by_method[c], own[c])
    whole = changes.reset_index(drop=True).assign(
        plain_verdict=plain.to_numpy(), judged_by=np.where(project, method, PLAIN), **chosen
    )
    numbers = {c: pd.to_numeric(whole[f"judged_{c}"]) for c in NUMBERS}
    asked = whole.assign(**numbers, obstacle=whole["judged_obstacle"])
    found = verdicts(asked, ways, params.change, insufficient)
    found = not_judged(found, (found["reason"] != POOR_DATA) & ~funded, NO_PROJECT, NO_PROJECT_ZH)
    if holds is not None:
        found = held(found, whole[KEYS], holds)
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
        **found,
        share=np.nan,
        boundary=False,
    )


def with_agreement(changes: pd.DataFrame, agreed: pd.DataFrame) -> pd.DataFrame:
    """`changes` with the share of specifications that agree, and the mark of those that flip.

    Parameters
    ----------
    agreed
        As from `toolkit.evaluation.robustness.agreement`. What is not judged rests on no estimate and is never on the boundary.
    """
    if agreed.empty:
        return changes
    found = changes[["level", *KEYS]].merge(agreed[[*KEYS, "share", "boundary"]].assign(level="unit"), how="left")
    flips = found["boundary"].astype("boolean").fillna(False).to_numpy(bool)
    rests = changes["verdict"] != Verdict.NOT_JUDGED.value
    if "reason" in changes:  # what is held back rests on no estimate either
        rests &= ~changes["reason"].isin(HELD)
    return changes.assign(share=found["share"].to_numpy(), boundary=flips & rests.to_numpy())
