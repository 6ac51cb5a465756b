"""The catalogue of indicators: one declaration in one file of this folder, or in a package of one's own."""

from __future__ import annotations

from toolkit.catalogues import Catalogue
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
    rests_on_basis,
)

CATALOGUE: Catalogue[Declared] = Catalogue(
    (*capacity.DECLARED, *technique.DECLARED, *efficiency.DECLARED, *safety.DECLARED, *reach.DECLARED),
    "speceval.indicators",
    (Indicator, Count, Rarefied),
)

__all__ = [
    "CATALOGUE",
    "Count",
    "Declared",
    "Direction",
    "Distribution",
    "Domain",
    "Indicator",
    "Rarefied",
    "Status",
    "rests_on_basis",
]
