"""The cube: every measure summed per hospital × specialty × year × DRG in one pass. With `data`, the only engine code.

All numbers after it are arithmetic on these few rows, so a new reference or policy choice costs a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis import _

from toolkit.cube.limits import BASES as BASES
from toolkit.cube.limits import Basis as Basis
from toolkit.cube.limits import stored, trim_limits, with_group, with_limits, within
from toolkit.data.discharge.covariates import units_condition
from toolkit.data.discharge.measures import MEASURES, Measure, added, measures_for, sums
from toolkit.engine.types import Column, Engine, Table
from toolkit.errors import InputError
from toolkit.frames import names_of, with_columns
from toolkit.key_codes import KeyCodes
from toolkit.params import RunParams

KEY = ("hospital", "specialty", "year", "drg")
ROWS_AT_ONCE = 5_000_000  # of more discharges, each year is summed by itself
NONE = ""  # specialty of a discharge that belongs to none, DRG of one that is not grouped

Part = dict[str, np.ndarray | pa.DictionaryArray]  # columns of one part of the cube

BY_ID = {m.id: m for m in MEASURES}


def build(
    discharges: Table,
    params: RunParams,
    groups: pd.DataFrame,
    by: Sequence[str] = KEY,
    *,
    connection: Engine,
    trimmed: Sequence[Basis] = BASES,
    measures: Sequence[Measure] = (),
) -> pd.DataFrame:
    """One row per group of `by` with the sums of all measures.

    Parameters
    ----------
    discharges
        One row per stored discharge (`toolkit.data.store.discharges`).
    groups
        `hospital, level_group`: whose discharges make up a hospital's reference (and its trim limits).
    trimmed
        Bases whose amounts are trimmed, where the policy trims; of the others all cases are kept.
    measures
        Only these; by default all that the run's weights and the indicators may ask for.

    Returns
    -------
    pd.DataFrame
        `by`, `n` (discharges), then `<measure>`, `<measure>_n`, `<measure>_sq`; trimmed measures carry `@<basis>`.
        Money in fen (squares in fen²), LOS in days. Sorted by `by`; missing keys are "";
        keys that are text are categories.
    """
    table = with_group(discharges, groups, params)
    frozen = None
    if "frozen" in trimmed and params.trimming.on("frozen") != "none":
        frozen = stored(trim_limits(table, params, "frozen"), "trim_limits_frozen", connection)
    of_year = "contemporaneous" in trimmed

    def sums_of(rows: Table) -> pa.Table:
        return _sums_by(rows, params, frozen, by, connection, of_year=of_year, measures=measures)

    # sums of a year hold no row of another: where records are many, memory need not grow with the years
    years: list[int] = []
    if "year" in by and discharges.count().execute() > ROWS_AT_ONCE:
        years = sorted(int(y) for y in discharges.select("year").distinct().execute()["year"])
    return in_order([owned(sums_of(rows)) for rows in [table.filter(_.year == y) for y in years] or [table]], by)


def from_sums(cells: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """A cube from cells that were summed elsewhere, e.g. a published table, for the same way from there on.

    Parameters
    ----------
    cells
        Rows of the default key at any finer grain: `hospital, specialty, year, drg`, `n`, and for every measure that the
        source has `<measure>` = Σx and `<measure>_n`, the discharges it is known for; `<measure>_sq` = Σx² where it has
        that too. What stands in for the DRG may be any stratum; "" is ungrouped. Units as in `build`.

    Returns
    -------
    pd.DataFrame
        As of `build`. A measure that the source has not is known for no discharge. Without Σx² values have no interval.

    Raises
    ------
    InputError
        Columns are missing or unknown, or the run trims: single cases cannot be cut out of a sum.
    """
    if asked := [b for b in BASES if params.trimming.on(b) != "none"]:
        raise InputError(
            "已汇总的数据不能裁剪",
            f"cells that are summed already cannot be trimmed ({', '.join(asked)})",
            where="trimming.method",
            remedy="改为 trimming: {method: none}",
            remedy_english="use method: none",
        )
    measures = measures_for(params.weights.source)
    plain = {m.id: sums(m, m.id) for m in measures if not m.trimmed}
    given = [id_ for id_ in plain if id_ in cells]
    known = {*KEY, "n", *(column for id_ in given for column in plain[id_])}
    needed = [*KEY, "n", *(list(plain[id_])[1] for id_ in given)]
    wrong = [c for c in needed if c not in cells] + [c for c in names_of(cells) if c not in known]
    wrong += [f"{c}（有空值）" for c in KEY if c in cells and cells[c].isna().any()]
    if wrong:
        raise InputError(
            f"汇总数据的列缺少或不认识: {'、'.join(wrong)}",
            "columns missing or unknown",
            where="cube.from_sums",
            remedy=f"需要 {'、'.join(needed)}",
            remedy_english="see the docstring",
        )
    summed = cells.groupby(list(KEY), as_index=False, observed=True).sum(skipna=False)  # unknown + known is unknown
    columns: dict[str, pd.Series] = {name: summed[name] for name in (*KEY, "n")}
    for measure, basis in [(m, "") for m in measures if not m.trimmed] + [
        (m, f"@{b}") for b in BASES for m in measures if m.trimmed
    ]:
        source = measure.trimmed or measure.id
        for column, name in zip(sums(measure, measure.id + basis), sums(measure, source), strict=True):
            # of a measure that is not there the sum of nothing is 0; a Σx² that nobody added up is unknown
            values = summed[name] if name in summed else pd.Series(np.nan if source in given else 0.0, summed.index)
            columns[column] = values.where(summed["drg"] != NONE, 0) if measure.trimmed else values
    return in_order([owned(pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False))], KEY)


def owned(part: pa.Table) -> Part:
    """Column by column a copy: those of the engine's result lie in one piece, which only goes as a whole.

    Integers that fit take half the room until `_in_order` puts the parts together.
    """
    columns: Part = {}
    for name in part.column_names:
        values = part.column(name)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            columns[name] = values.combine_chunks().dictionary_encode()
            continue
        numbers = values.to_numpy()
        small = numbers.dtype == np.int64 and len(numbers) and np.abs(numbers).max() <= np.iinfo(np.int32).max
        columns[name] = np.array(numbers, dtype=np.int32 if small else numbers.dtype)
    return columns


def in_order(parts: list[Part], by: Sequence[str]) -> pd.DataFrame:
    """The cube sorted by its key, keys as categories, one column at a time: two whole copies of it never stand together."""
    keys = {}
    for name in by:
        column = [part.pop(name) for part in parts]
        text = isinstance(column[0], pa.DictionaryArray)
        keys[name] = _categories(pa.chunked_array(column)) if text else pd.Series(_whole(column))
    order = np.argsort(KeyCodes(pd.DataFrame(keys)).of(by).of_row, kind="stable")
    columns: dict[str, np.ndarray | pd.api.extensions.ExtensionArray] = {
        name: values.array.take(order) for name, values in keys.items()
    }
    for name in list(parts[0]):
        columns[name] = _whole([part.pop(name) for part in parts])[order]
    return pd.DataFrame(columns, copy=False)


def _whole(column: list[np.ndarray]) -> np.ndarray:
    dtype = np.result_type(*column)
    return np.concatenate(column, dtype=np.int64 if dtype == np.int32 else dtype)


def _categories(values: pa.ChunkedArray) -> pd.Series:
    coded = values.unify_dictionaries().combine_chunks()
    found = np.asarray(coded.dictionary.to_pylist(), dtype=object)
    place = np.argsort(found, kind="stable")
    rank = np.empty(len(found), dtype=np.int32)
    rank[place] = np.arange(len(found))
    dtype = pd.CategoricalDtype(pd.Index(found[place], dtype="str"))
    codes = rank[coded.indices.to_numpy()]
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype, validate=False))


def _sums_by(
    table: Table,
    params: RunParams,
    frozen: Table | None,
    by: Sequence[str],
    connection: Engine,
    *,
    of_year: bool = True,
    measures: Sequence[Measure] = (),
) -> pa.Table:
    measures = measures or measures_for(params.weights.source)
    # where neither basis trims, their sums are the same: added up once
    once = frozen is None and not (of_year and params.trimming.on("contemporaneous") != "none")
    bases = BASES[:1] if once else BASES
    rows = _amounts(table, params, frozen, by, connection, of_year=of_year, measures=measures, bases=bases)
    columns: dict[str, Column] = {"n": _.count()}
    for column in rows.columns:
        if column not in by:
            columns |= sums(measure_of(column), column)
    summed = rows.group_by(list(by)).aggregate(**columns).to_pyarrow()
    for measure in [m for m in measures if m.trimmed and once]:
        one, other = (sums(measure, f"{measure.id}@{basis}") for basis in BASES)
        for name, same in zip(other, one, strict=True):
            summed = summed.append_column(name, summed.column(same))
    return summed


def measure_of(column: str) -> Measure:
    """The measure of a column of amounts; one that is declared for a basis carries it in its id."""
    return BY_ID.get(column) or BY_ID[column.partition("@")[0]]


def _amounts(
    table: Table,
    params: RunParams,
    frozen: Table | None,
    by: Sequence[str],
    connection: Engine,
    *,
    of_year: bool = True,
    measures: Sequence[Measure] = (),
    bases: Sequence[Basis] = BASES,
) -> Table:
    """What each discharge adds to each measure, missing where it adds nothing, beside its key."""
    limits: dict[Basis, Table] = {} if frozen is None else {"frozen": frozen}
    if of_year and params.trimming.on("contemporaneous") != "none":
        yearly = trim_limits(table, params, "contemporaneous")
        limits["contemporaneous"] = stored(yearly, "trim_limits_contemporaneous", connection)
    for basis, of_basis in limits.items():
        table = with_limits(table, of_basis, basis)
    measures = measures or measures_for(params.weights.source)
    amounts = {m.id: added(m) for m in measures if not m.trimmed}
    for basis in bases:
        for measure in [m for m in measures if m.trimmed]:
            inside = within(measure, basis, params) if basis in limits else None
            amounts[f"{measure.id}@{basis}"] = added(measure, inside)
    keys = {k: ibis.coalesce(_[k], NONE) if k in ("specialty", "drg") else _[k] for k in by}
    return table.select(**keys, **amounts)


def resampled(
    discharges: Table,
    params: RunParams,
    groups: pd.DataFrame,
    unit: tuple[str, str],
    *,
    replicates: int,
    seed: int = 0,
    connection: Engine,
) -> pd.DataFrame:
    """Cubes of one unit whose discharges are drawn anew, with replacement, within each year: a record bootstrap.

    Trim limits are those of all discharges and stay: like the reference, they are not drawn again.

    Parameters
    ----------
    discharges, params, groups
        As for `build`.
    unit
        Hospital and specialty.

    Returns
    -------
    pd.DataFrame
        The cubes one under the other, as from `build` with the rows of the unit only, and `replicate`.
    """
    table = with_group(discharges, groups, params)
    frozen = None
    if params.trimming.on("frozen") != "none":
        frozen = stored(trim_limits(table, params, "frozen"), "trim_limits_frozen", connection)
    rows = _amounts(table, params, frozen, KEY, connection)
    # a discharge of several specialties carries all their names
    drawn = rows.filter(units_condition(pd.DataFrame([unit], columns=["hospital", "specialty"]))).to_pandas()
    drawn = drawn.assign(specialty=unit[1])
    drawn = drawn.sort_values(list(drawn.columns), ignore_index=True)  # the order of the engine is not the seed's
    amounts = {c: drawn[c].to_numpy(float, na_value=np.nan) for c in drawn.columns if c not in KEY}
    for column in list(amounts):
        known = ~np.isnan(amounts[column])
        name, at, basis = column.partition("@")
        amounts[column] = np.where(known, amounts[column], 0.0)
        amounts[f"{name}_n{at}{basis}"] = known.astype(float)
        if measure_of(column).moments == 2:
            amounts[f"{name}_sq{at}{basis}"] = amounts[column] ** 2
    first = KeyCodes(drawn).of(KEY).first  # rows are in the order of the key
    generator = np.random.default_rng(seed)
    times = np.zeros((len(drawn), replicates))
    for year in sorted(drawn["year"].unique()):
        rows_of = np.flatnonzero(drawn["year"] == year)
        times[rows_of] = generator.multinomial(len(rows_of), np.full(len(rows_of), 1 / len(rows_of)), replicates).T
    amounts["n"] = np.ones(len(drawn))
    made = {name: np.add.reduceat(times * values[:, None], first, axis=0).T.ravel() for name, values in amounts.items()}
    keys = drawn[list(KEY)].iloc[np.tile(first, replicates)].reset_index(drop=True)
    return with_columns(keys, replicate=np.repeat(np.arange(replicates), len(first)), **made)


def of_units(
    discharges: Table,
    params: RunParams,
    groups: pd.DataFrame,
    units: pd.DataFrame,
    by: Sequence[str],
    *,
    connection: Engine,
) -> pd.DataFrame:
    """The cube of some units only (`hospital, specialty`), on a finer key such as the month, for the frozen basis.

    As from `build`; trim limits of the frozen basis are those of all discharges. Nothing is trimmed on the contemporaneous
    basis, whose columns are not to be used: its limits would be those of these units alone.
    """
    table = with_group(discharges, groups, params)
    frozen = None
    if params.trimming.on("frozen") != "none":
        frozen = stored(trim_limits(table, params, "frozen"), "trim_limits_frozen", connection)
    untrimmed = params.model_copy(update={"trimming": params.trimming.model_copy(update={"method": "none"})})
    return in_order([owned(_sums_by(table.filter(units_condition(units)), untrimmed, frozen, by, connection))], by)


def of_known_month(discharges: Table) -> Table:
    """Those whose month of discharge is known."""
    return discharges.filter(_.month.notnull())


def of_years(discharges: Table, years: Collection[int]) -> Table:
    """Those of some years."""
    return discharges.filter(_.year.isin(sorted(years)))


def monthly(discharges: Table) -> pd.DataFrame:
    """Discharges per hospital and month: `hospital, year, month, n`; empty where the source has no months."""
    counted = (
        discharges.filter(_.month.notnull()).group_by(["hospital", "year", "month"]).aggregate(n=_.count()).execute()
    )
    return counted.sort_values(["hospital", "year", "month"], ignore_index=True)
