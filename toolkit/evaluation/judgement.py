"""Which estimate a unit is judged by, the verdict on it, and whether other choices would have given another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.evaluation.verdict import Verdict, verdicts
from toolkit.indicators import CATALOGUE, Direction
from toolkit.models.change import inferential
from toolkit.params import RunParams

KEYS = ["hospital", "specialty", "indicator"]
PLAIN = "two_period_ratio"
NUMBERS = ("estimate", "low", "high", "p_value", "n_before", "n_after")
JUDGED = (*NUMBERS, "warnings")
COLUMNS = [
    "plain_verdict",
    "judged_by",
    *[f"judged_{c}" for c in JUDGED],
    "p_adjusted",
    "verdict",
    "reason",
    "share",
    "boundary",
]


def judged(
    changes: pd.DataFrame,
    effects: pd.DataFrame,
    units: pd.DataFrame,
    params: RunParams,
    insufficient: Mapping[str, str],
) -> pd.DataFrame:
    """The table of changes with the verdict of every row.

    A project is judged by the method that the parameters name; a unit without project, which has no comparison of its own, and
    the peers by their plain before/after ratio. That ratio stays in `estimate`, and its own verdict in `plain_verdict`, so
    that funded and unfunded units can be counted alike.

    Parameters
    ----------
    changes
        `level, hospital, specialty, indicator`, the columns of `Change` for the plain ratio.
    effects
        As from `toolkit.evaluation.effects.change_effects`.
    insufficient
        As from `toolkit.evaluation.data_quality.insufficient`.

    Returns
    -------
    pd.DataFrame
        With `COLUMNS` added; `share` and `boundary` are filled by `with_agreement`.
    """
    method = params.change.verdict_from
    # what cannot be tested (totals, distinct counts) is described, never judged
    directions = {i: one.direction if inferential(one) else Direction.NEUTRAL for i, one in CATALOGUE.items()}
    plain = verdicts(changes, directions, params.change, insufficient)["verdict"]
    of_projects = changes[["level", "hospital", "specialty"]].merge(
        units.loc[units["project"] != "", ["hospital", "specialty"]].assign(level="unit", funded=True), how="left"
    )
    project = of_projects["funded"].notna().to_numpy() & (method != PLAIN)
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
    found = verdicts(whole.assign(**numbers), directions, params.change, insufficient)
    adjusted = changes[KEYS].merge(
        effects[(effects["level"] == "unit") & (effects["method"] == method)][[*KEYS, "p_adjusted"]],
        on=KEYS,
        how="left",
    )
    return whole.assign(
        **{f"judged_{c}": v for c, v in numbers.items()},
        judged_warnings=whole["judged_warnings"].fillna("该方法没有给出结果"),
        p_adjusted=adjusted["p_adjusted"].where(project),
        verdict=found["verdict"],
        reason=found["reason"],
        share=np.nan,
        boundary=False,
    )


def with_agreement(changes: pd.DataFrame, agreed: pd.DataFrame) -> pd.DataFrame:
    """`changes` with the share of specifications that agree, and the mark of those that flip.

    Parameters
    ----------
    agreed
        As from `toolkit.evaluation.robustness.agreement`. A verdict 不予评价 rests on no estimate and is never on the boundary.
    """
    if agreed.empty:
        return changes
    found = changes[["level", *KEYS]].merge(agreed[[*KEYS, "share", "boundary"]].assign(level="unit"), how="left")
    flips = found["boundary"].astype("boolean").fillna(False).to_numpy(bool)
    return changes.assign(
        share=found["share"].to_numpy(), boundary=flips & (changes["verdict"] != Verdict.NOT_JUDGED.value).to_numpy()
    )
