"""What a model of change gives: the same columns from every method."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change of one indicator in one group; a row of a table of changes.

    Attributes
    ----------
    method
        Id of the method.
    measure
        What `estimate` is: `ratio` of the after value to the before value.
    estimate, low, high
        On the scale of `measure`; limits at the run's confidence level, missing where the method has none.
    p_value
        Two-sided, against no change.
    n_before, n_after
        Discharges behind the two values.
    n_clusters
        Groups that errors allow for; 1 for a method on one unit, whose error is that of drawing its discharges.
    warnings
        Chinese sentences, joined by `；`.
    """

    method: str
    measure: str
    estimate: float
    low: float
    high: float
    p_value: float
    n_before: int
    n_after: int
    n_clusters: int
    warnings: str


COLUMNS = tuple(field.name for field in fields(Change))
