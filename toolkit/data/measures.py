"""What one discharge adds to its cell of the cube. Adding a sum is one declaration here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import ibis
from ibis import _


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """An amount or a flag, with the discharges it is defined for.

    In the cube it becomes `<id>` = Σx, `<id>_n` = discharges it is defined for and, with two moments, `<id>_sq` = Σx².

    Attributes
    ----------
    value
        Per discharge, an integer amount or a boolean. Integers, because sums of floats depend on the order of threads.
    when
        The discharges that count; others add nothing.
    moments
        2 where an interval needs Σx²; a flag is its own square.
    trimmed
        The amount is further limited to the trim limits of its DRG, one pair of limits for each basis.
    """

    id: str
    name_zh: str
    value: Any
    when: Any
    moments: Literal[1, 2] = 1
    trimmed: Literal["cost", "los"] | None = None


_surgery = _.surgical.fill_null(False)

MEASURES: tuple[Measure, ...] = (
    Measure(id="cost", name_zh="费用（分）", value=_.cost_fen, when=_.cost_usable, moments=2),
    Measure(id="los", name_zh="住院天数", value=_.los_days, when=_.los_usable, moments=2),
    Measure(id="cost_kept", name_zh="裁剪后费用（分）", value=_.cost_fen, when=_.cost_usable & _.grouped, moments=2,
            trimmed="cost"),
    Measure(id="los_kept", name_zh="裁剪后住院天数", value=_.los_days, when=_.los_usable & _.grouped, moments=2,
            trimmed="los"),
    Measure(id="died", name_zh="死亡", value=_.died, when=_.death_known),
    Measure(id="surgical", name_zh="手术病例", value=_.surgical, when=_.surgical.notnull()),
    Measure(id="level4", name_zh="四级手术病例", value=_.surgery_level == 4, when=_surgery & _.surgery_level.notnull()),
    Measure(id="level34", name_zh="三四级手术病例", value=_.surgery_level >= 3,
            when=_surgery & _.surgery_level.notnull()),
    # published weights have up to four decimals; as integers their sums are exact
    Measure(id="carried_weight", name_zh="病案自带权重（万分之一）", value=(_.drg_weight * 10_000).round(0).cast("int64"),
            when=_.drg_weight.notnull() & _.grouped, moments=2),
)  # fmt: skip


def added(measure: Measure, within: Any | None = None) -> Any:
    """What a discharge adds to the sums of a measure, missing where it adds nothing; `within` is a further condition."""
    when = measure.when if within is None else measure.when & within
    return ibis.ifelse(when.fill_null(False), measure.value.cast("int64"), ibis.null("int64"))


def sums(measure: Measure, column: str) -> dict[str, Any]:
    """The cube columns of a measure as aggregates of the `column` that holds its amounts: `<id>` or `<id>@<basis>`."""
    name, at, basis = column.partition("@")
    total, counted = ibis.coalesce(_whole(_[column].sum()), 0), _[column].count()
    columns = {column: total, f"{name}_n{at}{basis}": counted}
    if measure.moments == 2:
        # the engine adds integers exactly and beyond 64 bits; only the finished sum becomes a float
        columns[f"{name}_sq{at}{basis}"] = ibis.coalesce((_[column] * _[column]).sum().cast("float64"), 0.0)
    return columns


def _whole(total: Any) -> Any:
    # DuckDB's sums are wider than Ibis knows; uncast they would reach pandas as one decimal object each
    return total.cast("decimal(38, 0)").cast("int64")
