"""The catalogue of indicators: one declaration in one file of this folder, and nothing else to touch."""

from __future__ import annotations

from toolkit.indicators import capacity, efficiency, reach, safety, technique
from toolkit.indicators.base import (
    Count,
    Declared,
    Direction,
    Distribution,
    Domain,
    Indicator,
    Rarefied,
    Status,
    catalogue,
)

CATALOGUE: dict[str, Declared] = catalogue(
    *capacity.DECLARED, *technique.DECLARED, *efficiency.DECLARED, *safety.DECLARED, *reach.DECLARED
)

__all__ = ["CATALOGUE", "Count", "Declared", "Direction", "Distribution", "Domain", "Indicator", "Rarefied", "Status"]
