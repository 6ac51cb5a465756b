"""Many verdicts at once: how many of those found would stand there if no project had any effect."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from toolkit.evaluation.verdict import Verdict

CHANGED = [Verdict.IMPROVED.value, Verdict.WORSE.value]


def looks(changes: pd.DataFrame, placebos: pd.DataFrame, primary: Sequence[str], confidence: float) -> pd.DataFrame:
    """What was found of projects beside what the same method finds of units without one.

    Parameters
    ----------
    changes
        As from `judged`, with `project` (its level, "" for none) of every unit.
    placebos
        As from `placebo_verdicts`.

    Returns
    -------
    pd.DataFrame
        One row per primary indicator: `indicator`, `judged` (projects with a verdict), `found` (改善 or 变差 among them),
        `units` (without project that could be judged alike), `rejected` (share of these with p below the level), `changed` (share
        that would be called 改善 or 变差; missing without units), `expected` (false verdicts to expect of `judged` projects).
    """
    rows = []
    for indicator in primary:
        own = changes[(changes["indicator"] == indicator) & (changes["level"] == "unit") & (changes["project"] != "")]
        own = own[own["verdict"] != Verdict.NOT_JUDGED.value]
        others = placebos[(placebos["indicator"] == indicator) & (placebos["verdict"] != Verdict.NOT_JUDGED.value)]
        changed = float(others["verdict"].isin(CHANGED).mean()) if len(others) else float("nan")
        rows.append(
            {
                "indicator": indicator,
                "judged": len(own),
                "found": int(own["verdict"].isin(CHANGED).sum()),
                "units": len(others),
                "rejected": float((others["p_value"] < 1 - confidence).mean()) if len(others) else float("nan"),
                "changed": changed,
                "expected": len(own) * changed,
            }
        )
    columns = ["indicator", "judged", "found", "units", "rejected", "changed", "expected"]
    return pd.DataFrame(rows, columns=columns)
