"""Every cell of the toolkit against the oracle's value for the same cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import oracle
import pandas as pd

from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect

TOLERANCE = 1e-9
# A variance from Σa and Σa² has an error of some last bits of value², however small the variance is.
VARIANCE_BITS = 1e-15
# what the second computation knows; the others have theirs in tests/properties and tests/unit/test_whole_catalogue.py
KNOWN = {
    "volume",
    "drg_count",
    "cmi",
    "cost_index",
    "los_index",
    "mean_cost",
    "mean_los",
    "mid_low_risk_mortality",
    "low_risk_mortality",
    "low_or_mid_low_risk_mortality",
    "mortality",
}
SHOWN = tuple(name for name in CATALOGUE if name in KNOWN)
QUICK = ("cmi", "cost_index", "los_index")  # what a policy choice can change
FIELDS = ("n", "value", "se", "low", "high")


@dataclass
class Tally:
    """How much was compared, what differed, and the greatest relative difference."""

    compared: int = 0
    nearly_constant: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, expected: np.ndarray, found: np.ndarray, bits: np.ndarray | float = 0.0) -> None:
        """`bits` is an absolute difference that arithmetic excuses, beside the relative tolerance."""
        both = ~(np.isnan(expected) & np.isnan(found))
        expected, found, bits = expected[both], found[both], np.broadcast_to(bits, both.shape)[both]
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.where(expected == found, 0.0, np.abs(found - expected))
            wrong = int((~(gap <= TOLERANCE * np.abs(expected) + bits)).sum())  # nan: a value on one side only
            relative = gap / np.abs(expected)
        excused = bits > TOLERANCE * np.abs(expected)
        self.compared += len(expected)
        self.nearly_constant += int(excused.sum())
        self.worst[name] = max(self.worst.get(name, 0.0), float(np.nanmax(relative[~excused & (gap > 0)], initial=0.0)))
        if wrong:
            self.differing[name] = self.differing.get(name, 0) + wrong

    def check(self) -> None:
        """No value of any unit in the message."""
        assert self.compared > 0
        assert not self.differing, f"differing of {self.compared}: {self.differing}; greatest relative: {self.worst}"


def compare(
    referenced: Any,
    cases: pd.DataFrame,
    by: Sequence[str],
    tally: Tally,
    indicators: Iterable[str] = SHOWN,
    fields: Sequence[str] = (*FIELDS, "own_share"),
    *,
    without_value: bool | None = None,
) -> None:
    """Adds the comparison of all groups of `by` to `tally`; `cases` are prepared by the oracle.

    `without_value` limits it to the cells that have no value (True) or have one (False) by the oracle.
    """
    indicators = tuple(indicators)
    cells = collect(referenced, [CATALOGUE[i] for i in indicators], by)
    expected = oracle_cells(cases, by, indicators)
    keys = [*by, "indicator"]
    joined = expected.merge(
        cells[[*keys, *FIELDS, "covered", "own_share"]], on=keys, how="outer", suffixes=("", "_found"), indicator=True
    )
    assert (joined["_merge"] == "both").all(), f"groups: {joined['_merge'].value_counts().to_dict()} by {by}"
    if without_value is not None:
        joined = joined[joined["value"].isna() == without_value]
    for name, part in joined.groupby("indicator"):
        value, se = part["value"].to_numpy(float), part["se"].to_numpy(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            slack = np.fmin(VARIANCE_BITS * value**2 / se, np.sqrt(VARIANCE_BITS) * value)
        for one in fields:
            wanted, found = part[one].to_numpy(float), part[f"{one}_found"].to_numpy(float)
            if one in ("se", "low", "high") and "mortality" not in str(name):
                bits = slack * (1.0 if one == "se" else 2.0 * np.nan_to_num(wanted / value))
            else:
                bits = np.zeros(len(part))
            tally.add(f"{name}.{one}", wanted, found, np.nan_to_num(bits))


def oracle_cells(cases: pd.DataFrame, by: Sequence[str], indicators: tuple[str, ...]) -> pd.DataFrame:
    """The oracle's values in the shape of the toolkit's cells."""
    cases = cases.assign(specialty=cases["specialty"].fillna(""))
    arrays, rows = oracle.columns(cases), []
    for key, places in cases.groupby(list(by), sort=False).indices.items():
        key = key if isinstance(key, tuple) else (key,)
        own = {name: values[places] for name, values in arrays.items()}
        if set(indicators) <= set(QUICK):
            values = {
                "cmi": oracle.case_mix(own),
                "cost_index": oracle.index(own, "cost"),
                "los_index": oracle.index(own, "los"),
            }
        else:
            values = oracle.unit_values(own)
        rows += [
            (*key, name, *(getattr(values[name], f) for f in (*FIELDS, "covered", "own_share"))) for name in indicators
        ]
    return pd.DataFrame(rows, columns=[*by, "indicator", *FIELDS, "covered", "own_share"])


def prepare(real: Any, policy: oracle.Policy, basis: str, price_index: dict[int, float] | None = None) -> pd.DataFrame:
    """The oracle's cases on one basis; prices are made constant on the frozen one only."""
    if basis == "contemporaneous":
        return oracle.prepared(real.cases, policy, None, real.cycle_of)
    cases = oracle.deflated(real.cases, price_index) if price_index else real.cases
    # where change is judged, a hospital's groups are graded by the deaths of the others
    change = "cycles" in real.base
    return oracle.prepared(cases, policy, real.baseline, real.cycle_of, graded_elsewhere=change)
