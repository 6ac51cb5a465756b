"""The cube for every way of trimming that a run may ask for, summed in one pass, so that another choice reads no record.

What trimming touches are the sums of a few amounts; all other columns of the cube are the same. A way of trimming is a
basis, a scope of the reference that the limits are taken from, and a method; untrimmed sums depend on none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from ibis import _

from toolkit.cube import KEY, NONE, ROWS_AT_ONCE, in_order, measure_of, owned
from toolkit.cube.limits import BASES, Basis, stored, trim_limits, with_group, with_limits, within
from toolkit.data.discharge.measures import MEASURES, Measure, added, sums
from toolkit.engine.types import Column, Engine, Table
from toolkit.params import ReferencePolicy, RunParams, Trimming

TRIMMED = tuple(m for m in MEASURES if m.trimmed)
UNTRIMMED = "none"


@dataclass(frozen=True, order=True)
class Trim:
    """One way of trimming; `basis` and `scope` are empty where nothing is cut."""

    basis: str
    scope: str
    method: str

    @property
    def name(self) -> str:
        """In the place of a basis in the names of columns: `cost_kept@<name>`."""
        return ".".join(part for part in (self.basis, self.scope, self.method) if part)


def trim_of(basis: Basis, scope: str, method: str, groups: pd.DataFrame) -> Trim:
    """The way of trimming that a choice means among these hospitals: of one level group, both scopes are the region."""
    if method == UNTRIMMED:
        return Trim("", "", UNTRIMMED)
    if method == Trimming.TABLE:
        return Trim(basis, "", method)  # the table is one for everybody
    return Trim(basis, "region" if groups["level_group"].nunique() <= 1 else scope, method)


def own_trims(params: RunParams, groups: pd.DataFrame) -> dict[Basis, Trim]:
    """How the run itself trims on each basis."""
    return {basis: trim_of(basis, params.reference.scope, params.trimming.on(basis), groups) for basis in BASES}


def sum_up(
    discharges: Table,
    params: RunParams,
    groups: pd.DataFrame,
    asked: Sequence[Trim],
    measures: Sequence[Measure],
    *,
    connection: Engine,
) -> pd.DataFrame:
    """As `toolkit.cube.build` with the default key, but with the trimmed amounts of every way of trimming.

    Parameters
    ----------
    params
        For how far each method of trimming cuts, the baseline and prices.
    asked
        Ways of trimming, each once.
    measures
        Those of the run; of the trimmed ones all are summed.

    Returns
    -------
    pd.DataFrame
        The key, `n`, the untrimmed measures; and for each trimmed measure and way `<measure>@<name>`, `<measure>_n@<name>`,
        `<measure>_sq@<name>`.
    """
    table = with_group(discharges, groups, _as_asked(params, "level_group", UNTRIMMED))
    fixed = {t: _limits(discharges, params, groups, t, connection) for t in asked if t.basis == "frozen"}

    def sums_of(rows: Table) -> pa.Table:
        yearly = [t for t in asked if t.basis == "contemporaneous"]
        limits = fixed | {t: _limits(rows, params, groups, t, connection) for t in yearly}
        for trim, of_trim in limits.items():
            rows = with_limits(rows, of_trim, trim.name)
        amounts = {m.id: added(m) for m in measures if not m.trimmed}
        for trim in asked:
            for measure in TRIMMED:
                inside = within(measure, _basis(trim), params, trim.name) if trim in limits else None
                amounts[f"{measure.id}@{trim.name}"] = added(measure, inside)
        keys = {k: _[k].fill_null(NONE) if k in ("specialty", "drg") else _[k] for k in KEY}
        columns: dict[str, Column] = {"n": _.count()}
        for column in amounts:
            columns |= sums(measure_of(column), column)
        return rows.select(**keys, **amounts).group_by(list(KEY)).aggregate(**columns).to_pyarrow()

    years: list[int] = []
    if discharges.count().execute() > ROWS_AT_ONCE:
        years = sorted(int(y) for y in discharges.select("year").distinct().execute()["year"])
    parts = [table.filter(_.year == y) for y in years] or [table]
    return in_order([owned(sums_of(rows)) for rows in parts], KEY)


def untrimmed(cube: pd.DataFrame) -> pd.DataFrame:
    """A cube that nothing was cut of, as from `toolkit.cube.from_sums`, in the form of `sum_up`."""
    frozen = [c for m in TRIMMED for c in sums(m, f"{m.id}@frozen")]
    plain = {
        before: after
        for m in TRIMMED
        for before, after in zip(sums(m, f"{m.id}@contemporaneous"), sums(m, f"{m.id}@{UNTRIMMED}"), strict=True)
    }
    return cube.drop(columns=frozen).rename(columns=plain)


def cube_of(summed: pd.DataFrame, chosen: dict[Basis, Trim], columns: Sequence[str] = ()) -> pd.DataFrame:
    """The cube of one choice, as from `toolkit.cube.build`; columns are shared, not copied.

    Parameters
    ----------
    chosen
        The way of trimming on each basis that is wanted; without the others there are no columns of them.
    columns
        Order of the columns, as `build` has it; by default untrimmed measures first.
    """
    found = {str(name): name for name in summed.columns if not _trimmed(str(name))}
    for basis, trim in chosen.items():
        for measure in TRIMMED:
            for column in sums(measure, f"{measure.id}@{basis}"):
                found[column] = f"{column.partition('@')[0]}@{trim.name}"
    order = [name for name in columns if name in found] or list(found)
    return pd.DataFrame({name: summed[found[name]] for name in order}, copy=False)


def _trimmed(column: str) -> bool:
    name = column.partition("@")[0]
    return any(name == m.id or name in (f"{m.id}_n", f"{m.id}_sq") for m in TRIMMED)


def _basis(trim: Trim) -> Basis:
    return "frozen" if trim.basis == "frozen" else "contemporaneous"


def _as_asked(params: RunParams, scope: str, method: str) -> RunParams:
    return params.model_copy(
        update={
            "reference": ReferencePolicy.model_validate({"scope": scope, "means": params.reference.means}),
            "trimming": params.trimming.model_copy(update={"method": method}),
        }
    )


def _limits(rows: Table, params: RunParams, groups: pd.DataFrame, trim: Trim, connection: Engine) -> Table:
    """The limits of one way, by DRG (and year, level group)."""
    asked = _as_asked(params, trim.scope or "region", trim.method)
    if "level_group" not in rows.columns or trim.scope == "region":
        rows = with_group(rows.drop("level_group") if "level_group" in rows.columns else rows, groups, asked)
    limits = trim_limits(rows, asked, _basis(trim))
    # of the whole region: whatever group a hospital is of
    limits = limits.drop("level_group") if trim.scope == "region" and "level_group" in limits.columns else limits
    return stored(limits, f"trim_limits_{trim.name.replace('.', '_')}", connection)


def beyond_limits(
    discharges: Table, params: RunParams, groups: pd.DataFrame, hospital: str, *, connection: Engine
) -> pd.DataFrame:
    """The discharges of one hospital whose cost or stay lies outside the trim limits of their year.

    Returns
    -------
    pd.DataFrame
        `file, line, cost, los` (whether each of the two is cut), one row for a discharge of which one is. Empty where the run
        does not trim.
    """
    trim = own_trims(params, groups)["contemporaneous"]
    if trim.method == UNTRIMMED:
        return pd.DataFrame({"file": [], "line": [], "cost": [], "los": []})
    rows = with_group(discharges.filter(_.hospital == hospital), groups, _as_asked(params, "level_group", UNTRIMMED))
    rows = with_limits(rows, _limits(discharges, params, groups, trim, connection), trim.name)
    cut = {m.trimmed: m.when & ~within(m, "contemporaneous", params, trim.name) for m in TRIMMED}
    found = rows.select("file", "line", **{str(name): flag.fill_null(False) for name, flag in cut.items()})
    return found.filter(_.cost | _.los).order_by(["file", "line"]).to_pandas()
