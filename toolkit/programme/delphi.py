"""Rounds of a Delphi survey: what the experts think of each item, and how far they agree round by round."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.frames import groups_of
from toolkit.programme.agreement import ipras, kendall_w


def delphi(rounds: pd.DataFrame, lowest: float, highest: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rounds of a Delphi survey.

    Parameters
    ----------
    rounds
        `round, expert, item, rating`, optionally `ca, cs` (an expert's grounds of judgement and familiarity, 0–1).

    Returns
    -------
    tuple
        One row a round and item: `round, item, experts, mean, cv, median, width, allowed, disagree`; and one row a round:
        `round, experts, items, w, w_p, cr` (mean authority (Ca + Cs) / 2, missing where not given).
    """
    of_items, of_rounds = [], []
    for number, own in groups_of(rounds.groupby("round", sort=True)):
        for id_, answers in groups_of(own.groupby("item", sort=True)):
            given = answers["rating"].to_numpy(float)
            found = ipras(given, lowest, highest)
            spread = given.std(ddof=1) / given.mean() if len(given) > 1 and given.mean() else np.nan
            of_items.append(
                {
                    "round": number,
                    "item": id_,
                    "experts": found.n,
                    "mean": given.mean(),
                    "cv": spread,
                    "median": float(np.median(given)),
                    "width": found.width,
                    "allowed": found.allowed,
                    "disagree": found.disagree,
                }
            )
        table = own.pivot_table(index="item", columns="expert", values="rating")
        w = kendall_w(table.dropna(axis=1).to_numpy(float))
        cr = np.nan
        if {"ca", "cs"} <= set(own):
            authority = own.groupby("expert")[["ca", "cs"]].mean().astype(float)
            cr = float(((authority["ca"] + authority["cs"]) / 2).mean())
        of_rounds.append(
            {"round": number, "experts": w.experts, "items": w.units, "w": w.w, "w_p": w.p_value, "cr": cr}
        )
    return pd.DataFrame(of_items), pd.DataFrame(of_rounds)
