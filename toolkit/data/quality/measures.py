"""规则P16: a share whose numerator is not inside its denominator. The measure stops; no other is touched."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd


def outside(cells: pd.DataFrame, shares: Collection[str]) -> dict[str, int]:
    """Measures that must stop: id → discharges in the numerator and not in the denominator, over all cells.

    Parameters
    ----------
    cells
        `indicator, x, y`: numerator and denominator of every cell.
    shares
        Ids of the measures whose numerator counts discharges of the denominator.
    """
    rows = cells[cells["indicator"].isin(list(shares))]
    over = (rows["x"] - rows["y"].fillna(0)).clip(lower=0).fillna(0)
    excess = over.groupby(rows["indicator"]).max()
    return {str(id_): round(n) for id_, n in excess[excess > 1e-9].items()}


def stopped(cells: pd.DataFrame, found: dict[str, int], status: str) -> pd.DataFrame:
    """`cells` without any value of the measures that must stop; their status says why."""
    if not found:
        return cells
    hit = cells["indicator"].isin(list(found))
    values = ["value", "se", "low", "high"]
    return cells.assign(
        **{c: cells[c].where(~hit) for c in values if c in cells},
        status=cells["status"].astype(object).where(~hit, status),
    )
