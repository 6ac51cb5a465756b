"""Trim limits: between which amounts of a DRG a case counts, on either basis, and how records come to theirs."""

from __future__ import annotations

from typing import Literal

import ibis
import pandas as pd
from ibis import _

from toolkit.data.discharge.measures import Measure
from toolkit.data.lists.published import mean_table
from toolkit.engine.types import Column, Engine, Table
from toolkit.params import RunParams, Trimming

Basis = Literal["contemporaneous", "frozen"]
BASES: tuple[Basis, ...] = ("contemporaneous", "frozen")
EDGE = 1e-12


def within(measure: Measure, basis: Basis, params: RunParams, name: str = "") -> Column:
    """Whether an amount is within its limits on a basis, which were joined under `name` (by default that of the basis)."""
    value = constant_prices(measure.value, params) if basis == "frozen" and measure.trimmed == "cost" else measure.value
    low, high = _[f"{measure.trimmed}_low@{name or basis}"], _[f"{measure.trimmed}_high@{name or basis}"]
    # a DRG outside the reference has no limits: its cases stay, and count as cases without a reference
    return low.isnull() | ((value >= low) & (value <= high))


def trim_limits(table: Table, params: RunParams, basis: Basis) -> Table:
    """Lower and upper limit of cost and LOS inside each DRG of the reference.

    Returns an expression: `level_group, drg` (and `year` for the contemporaneous basis; of a published table of means `drg`
    alone), `cost_low, cost_high` in fen (at constant prices on the frozen basis), `los_low, los_high` in days. Limits are
    inclusive.
    """
    policy = params.trimming
    if policy.method == Trimming.TABLE:
        return _published_limits(params)
    keys = ["level_group", "drg"] + (["year"] if basis == "contemporaneous" else [])
    base = table.filter(_.grouped)
    if basis == "frozen":
        base = base.filter(_.year.between(params.baseline.first, params.baseline.last))
    amounts = {
        "cost": (
            constant_prices(_.cost_fen, params) if basis == "frozen" else _.cost_fen.cast("float64"),
            _.cost_usable,
        ),
        "los": (_.los_days, _.los_usable),
    }
    columns: dict[str, Column] = {}
    for name, (amount, usable) in amounts.items():
        value = ibis.ifelse(usable, amount, ibis.null())
        if policy.method == "iqr":
            # asked for together: the engine keeps every amount of a group until its quantile, once for each call
            quartiles = value.quantile([0.25, 0.75])
            q1, q3 = quartiles[0], quartiles[1]
            columns |= {
                f"{name}_low": q1 - policy.iqr_below * (q3 - q1),
                f"{name}_high": q3 + policy.iqr_above * (q3 - q1),
            }
        elif policy.method == "percentile":
            ends = value.quantile([policy.percentile_low, policy.percentile_high])
            columns |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
        else:
            spread = policy.deviations * ibis.coalesce(value.std(how="sample"), 0.0)
            columns |= {f"{name}_low": value.mean() - spread, f"{name}_high": value.mean() + spread}
    limits = base.group_by(keys).aggregate(**columns)
    # An interpolated quantile can come out one bit beyond equal neighbours; a case exactly on the limit stays in.
    widened = {c: _[c] - EDGE * _[c].abs() if c.endswith("_low") else _[c] + EDGE * _[c].abs() for c in columns}
    return limits.mutate(**widened)


def _published_limits(params: RunParams) -> Table:
    """`drg` and the limits that come with the published means; missing where the table has none."""
    assert params.reference.means is not None  # noqa: S101  RunParams checks it
    means = mean_table(params.reference.means)
    columns = ["cost_low", "cost_high", "los_low", "los_high"]
    widened = {c: means[c] + (EDGE if c.endswith("_high") else -EDGE) * means[c].abs() for c in columns}
    schema = ibis.schema({"drg": "string", **dict.fromkeys(columns, "float64")})
    return ibis.memtable(means[["drg"]].assign(**widened).astype({"drg": object}), schema=schema)


def with_group(discharges: Table, groups: pd.DataFrame, params: RunParams) -> Table:
    """`discharges` with `level_group`: whose discharges make up the reference of each."""
    if params.reference.scope == "region" or groups["level_group"].nunique() <= 1:
        return discharges.mutate(level_group=ibis.literal("all"))
    known = ibis.memtable(groups.rename(columns={"hospital": "group_hospital"})[["group_hospital", "level_group"]])
    return discharges.left_join(known, discharges.hospital == known.group_hospital).drop("group_hospital")


def stored(limits: Table, name: str, connection: Engine) -> Table:
    """Limits as a small table of the engine."""
    # a quantile inside the big join would be planned once for each use
    connection.create_table(name, limits, overwrite=True)
    return connection.table(name)


def with_limits(table: Table, limits: Table, name: str) -> Table:
    """`table` with the limits of each row's DRG (level group, year: as far as the limits have them) under `name`."""
    keys = [c for c in ("level_group", "drg", "year") if c in limits.columns]
    renamed = limits.rename(
        {f"{k}@{name}": k for k in keys} | {f"{c}@{name}": c for c in ("cost_low", "cost_high", "los_low", "los_high")}
    )
    joined = table.left_join(renamed, [table[k] == renamed[f"{k}@{name}"] for k in keys])
    return joined.drop(*[f"{k}@{name}" for k in keys])


def constant_prices(amount: Column, params: RunParams) -> Column:
    """An amount at constant prices: divided by the year's price index, where the run declares one."""
    if not params.price_index:
        return amount.cast("float64")
    return amount.cast("float64") / _.year.cases(
        *[(y, float(p)) for y, p in sorted(params.price_index.items())], else_=1.0
    )
