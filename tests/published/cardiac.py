"""New York's published mortality of cardiac surgery and PCI against the toolkit's own numbers, row by row.

A row gives cases, deaths and the expected rate e in per cent **to two decimals**: the true one lies anywhere in e ± 0.005.
Risk-adjusted rate = O/E × statewide rate; the official word is "higher" where the lower limit of that rate is above the
statewide rate, which is where the lower limit of O is above E. So a verdict is decided by what was printed only if it is the
same at both ends of e ± 0.005; where it is not, no computation from the table can tell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from toolkit.evaluation.verdict import Position, position
from toolkit.indicators.table import poisson_limits

HALF = 0.005  # of the last printed digit
NAMES = {
    "Procedure": "procedure",
    "Year of Hospital Discharge": "window",
    "Number of Cases": "n",
    "Number of Deaths": "observed",
    "Observed Mortality Rate": "rate",
    "Expected Mortality Rate": "expected_rate",
    "Risk-Adjusted Mortality Rate": "adjusted",
    "Lower Limit of Confidence Interval": "low",
    "Upper Limit of Confidence Interval": "high",
    "Comparison Results": "words",
}
WORDS = {
    "Rate significantly higher than Statewide Rate": Position.HIGHER,
    "Rate significantly lower than Statewide Rate": Position.LOWER,
    "Rate not different than Statewide Rate": Position.NOT_DIFFERENT,
}


def byar_limits(count: pd.Series, confidence: float = 0.95) -> tuple[pd.Series, pd.Series]:
    """Byar's approximation to the exact limits (Breslow, Day 1987): what the printed limits turn out to be."""
    z = stats.norm.ppf((1 + confidence) / 2)
    few, more = count.where(count > 0, 1.0), count + 1.0
    low = (few * (1 - 1 / (9 * few) - z / (3 * np.sqrt(few))) ** 3).where(count > 0, 0.0)
    return low, more * (1 - 1 / (9 * more) + z / (3 * np.sqrt(more))) ** 3


METHODS = {"exact": poisson_limits, "byar": byar_limits}


def rows(folder: Path) -> pd.DataFrame:
    """One row per hospital, procedure and window, with `statewide` (per cent, from counts) and `official`."""
    table = pd.read_csv(folder / "ny_cardiac_pci_2008_2019.csv").rename(columns=NAMES)[list(NAMES.values())]
    state = table[table["words"] == "Statewide Rate"]
    state = state.assign(statewide=100 * state["observed"] / state["n"])[["procedure", "window", "statewide"]]
    hospitals = table[table["words"] != "Statewide Rate"]
    joined = hospitals.merge(state, on=["procedure", "window"], how="left", validate="many_to_one")
    return joined.assign(official=joined.pop("words").map(WORDS), years=np.where(joined["window"].str.len() > 4, 3, 1))


def compared(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """The rows with what the toolkit makes of them.

    `verdict` from the expected rate as printed; `decided`: the verdict that every expected rate inside the rounding gives,
    missing where they differ; `<number>_inside`: the printed number is one that some expected rate inside the rounding
    gives, itself rounded.
    """
    low, high = METHODS[method](table["observed"].astype(float))
    expected = {end: table["n"] * (table["expected_rate"] + end * HALF) / 100 for end in (-1, 0, 1)}
    verdicts = {
        end: pd.Series([position(a / e, b / e) for a, b, e in zip(low, high, values, strict=True)], index=table.index)
        for end, values in expected.items()
    }
    out = table.assign(verdict=verdicts[0], decided=verdicts[0].where(verdicts[-1] == verdicts[1]))
    out["rate_inside"] = (100 * table["observed"] / table["n"] - table["rate"]).abs() <= HALF + 1e-9
    for name, count in (("adjusted", table["observed"]), ("low", low), ("high", high)):
        ends = [count / expected[end] * table["statewide"] for end in (1, -1)]
        out[f"{name}_inside"] = table[name].between(ends[0] - HALF - 1e-9, ends[1] + HALF + 1e-9)
    return out
