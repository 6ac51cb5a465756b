"""References from the cube: DRG means of cost and LOS, weights, risk grades; contemporaneous or frozen.

Two families of numbers, never mixed: on the *contemporaneous* basis each year (or cycle: `reference.window`) stands against
its own reference (level, ranking); on the *frozen* basis reference means, trim limits, weights and risk grades are fixed at
the period before (change). Frozen means and grades are those of the other hospitals: a unit that is its own reference in
the period before and not after would change by that alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.cube import NONE, Basis
from toolkit.data.discharge.measures import FEE_CLASSES
from toolkit.data.lists.published import bridge_table, grade_table, mean_table, weight_table
from toolkit.errors import InputError
from toolkit.frames import Key, names_of, with_columns
from toolkit.key_codes import KeyCodes, categories
from toolkit.params import RunParams
from toolkit.reference.grades import GRADES, OTHERWISE, described, risk_grades, too_few_deaths
from toolkit.reference.left_out import left_out_grades, year_folds

__all__ = ["GRADES", "OTHERWISE", "Referenced", "attach", "described", "on_basis", "risk_grades", "too_few_deaths"]

UNBRIDGED = "（无对应）"  # of a DRG that the earlier grouper version does not have


@dataclass(frozen=True, kw_only=True, eq=False)
class Referenced:
    """The cube on one basis, with what indicators need beside the sums.

    Attributes
    ----------
    frame
        One row per cube row: the key, `cycle`, `level_group`, `tier`, `surgical_specialty`, the measures (trimmed ones of
        this basis; cost at constant prices on the frozen basis), `ref_cost` (fen), `ref_los` (days), `ref_mortality` (deaths
        per discharge), `weight`, `risk_grade` (0–4, missing = ungraded), `severe` (1 or 0), `own_cost`, `own_los` (the unit's share of its
        reference cases). On the frozen basis `drg` is the code of the bridge table, where the run declares one.
    grades
        One row per reference window and DRG: `window, drg, n, died, rate, ln_rate, z, grade`, from all of the reference. On the
        frozen basis `risk_grade` can differ: it is of the reference without the row's hospital.
    insufficient
        Windows whose reference holds too few deaths to grade; their `risk_grade` is missing.
    """

    basis: Basis
    frame: pd.DataFrame
    grades: pd.DataFrame
    insufficient: dict[str, str]


def attach(cube: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame, basis: Basis) -> Referenced:
    """Give every cube row its reference values on one basis.

    Parameters
    ----------
    cube
        From `toolkit.cube.build` with the default key.
    hospitals
        `code, level_group, tier` for every hospital of the cube.
    """
    frame = on_basis(cube, params, hospitals, basis)
    codes = KeyCodes(frame)
    inside = (frame["drg"] != NONE).to_numpy()  # of the reference: grouped, and on the frozen basis of the first period
    if basis == "frozen":
        inside = inside & frame["year"].between(params.baseline.first, params.baseline.last).to_numpy()
    by_time: list[str] = [] if basis == "frozen" else [params.reference.window]
    by_cycle: list[str] = [] if basis == "frozen" else ["cycle"]  # deaths are few: never by the year
    added: dict[str, np.ndarray] = {}
    without_own = _without_own(codes, params, basis)
    if params.reference.means is None:
        for name in ("cost", "los"):
            added |= _reference_mean(codes, inside, name, by_time, params, without_own=without_own)
    else:
        table = mean_table(params.reference.means)
        for name in ("cost", "los"):
            added |= {f"ref_{name}": _looked_up(codes, table, ["drg"], name), f"own_{name}": np.zeros(len(frame))}
    added["ref_mortality"] = _mortality(codes, inside, by_cycle, params, without_own=without_own)
    added["weight"] = _looked_up(codes, _weights(codes, inside, params, by_time), ["drg", *by_time], "weight")
    deaths = _sums(codes, inside, ["drg", *by_cycle], ["died", "died_n"])
    grades, insufficient = _grades(deaths, params)
    change = basis == "frozen" and params.cycles is not None
    if params.risk_grades.file is None and change and params.risk_grades.frozen == "leave_one_out":
        added["risk_grade"] = np.full(len(frame), np.nan)
        if not insufficient:
            added["risk_grade"] = _grades_from_elsewhere(codes, inside, params)
    elif params.risk_grades.file is None:
        graded = grades[~grades["window"].isin(insufficient)].rename(columns={"window": "cycle"})
        added["risk_grade"] = _looked_up(codes, graded, ["drg", *by_cycle], "grade")
    else:
        insufficient = {}  # deaths of this reference do not matter where the grades come from another
        added["risk_grade"] = _looked_up(codes, grade_table(params.risk_grades.file), ["drg"], "grade")
    added["severe"] = _severe(added["weight"], added["risk_grade"], params)
    # as columns already: arrays would be copied
    columns = {name: pd.Series(values, frame.index, copy=False) for name, values in added.items()}
    return Referenced(basis=basis, frame=with_columns(frame, **columns), grades=grades, insufficient=insufficient)


def _severe(weight: np.ndarray, grade: np.ndarray, params: RunParams) -> np.ndarray:
    """1 of a DRG that is heavy or deadly enough to be called severe, missing where neither is known."""
    policy = params.indicators
    found = ((weight >= policy.severe_weight) | (grade >= policy.severe_grade)).astype(float)
    return np.where(np.isnan(weight) & np.isnan(grade), np.nan, found)


def _without_own(codes: KeyCodes, params: RunParams, basis: Basis) -> bool:
    """Whether a hospital's own cases leave its reference; one that stands alone has no other."""
    return params.others_only(basis) and (params.reference.leave_one_out or len(codes.of(["hospital"])) > 1)


def on_basis(cube: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame, basis: Basis) -> pd.DataFrame:
    """The cube with the measures of one basis and what the registry and the parameters say of its rows; no reference yet."""
    other = {"frozen": "@contemporaneous", "contemporaneous": "@frozen"}[basis]
    frame = cube.drop(columns=[c for c in names_of(cube) if c.endswith(other)])
    frame = frame.rename(columns={c: c.removesuffix(f"@{basis}") for c in names_of(frame)})
    if basis == "frozen" and params.price_index:
        price = frame["year"].map(params.price_index)
        for name in ("cost", "cost_kept"):
            frame[name], frame[f"{name}_sq"] = frame[name] / price, frame[f"{name}_sq"] / price**2
    registry = hospitals.set_index("code")[["level_group", "tier"]].astype(object)
    if params.reference.scope == "region":
        registry["level_group"] = "all"
    cycle = {y: label for label, years in params.periods.items() for y in range(years.first, years.last + 1)}
    surgical = {s.id: s.surgical for s in params.specialties}
    keys = {name: categories(frame[name]) for name in ("hospital", "specialty", "drg")}
    if basis == "frozen" and params.grouping.bridge is not None:
        keys["drg"] = _bridged(keys["drg"], frame["year"], params)
    # looked up once for each hospital, specialty and year, not for each row
    year, years = pd.factorize(frame["year"], sort=True)
    hospital, specialty = keys["hospital"].cat, keys["specialty"].cat
    known = registry.reindex(hospital.categories).fillna("")
    is_surgical = np.array([bool(surgical.get(s, False)) for s in specialty.categories], dtype=bool)
    return with_columns(
        frame,
        **keys,
        **{name: _spread(known[name], hospital.codes.to_numpy()) for name in ("level_group", "tier")},
        cycle=_spread(pd.Series(years).map(cycle), year),
        surgical_specialty=is_surgical[specialty.codes.to_numpy()] if len(frame) else False,
    )


def _bridged(drg: pd.Series, year: pd.Series, params: RunParams) -> pd.Series:
    """Codes of a later grouper version as codes of the first; without one, the cases are of no reference."""
    assert params.grouping.bridge is not None  # noqa: S101  the caller asked
    old = bridge_table(params.grouping.bridge, params.grouping.bridge_share)
    first = params.grouping.versions[params.baseline.first]
    later = year.map({y: v != first for y, v in params.grouping.versions.items()}).to_numpy(dtype=bool)
    known = pd.Index(drg.cat.categories).map(old)  # missing: no old code holds enough of its cases
    text = np.asarray(drg.astype("str"), dtype=object)
    moved = np.asarray(known, dtype=object)[drg.cat.codes.to_numpy()]
    moved = np.where(
        (text != NONE) & pd.isna(moved), [f"{t}{UNBRIDGED}" for t in text], np.where(text == NONE, NONE, moved)
    )
    return pd.Series(np.where(later, moved, text), index=drg.index).astype("category")


def _spread(values: pd.Series, codes: np.ndarray) -> pd.Categorical[Key]:
    """The value of every code, as categories in sorted order."""
    small = pd.Categorical(values)
    return pd.Categorical.from_codes(small.codes[codes], dtype=small.dtype, validate=False)


def _looked_up(codes: KeyCodes, table: pd.DataFrame, keys: list[str], column: str) -> np.ndarray:
    """`column` of a small table for every row of the frame, missing where the table has no row."""
    groups = codes.of(keys)
    found = codes.keys(keys).merge(table[[*keys, column]], on=keys, how="left", validate="one_to_one")
    return groups.of_rows(found[column].to_numpy(dtype=float))


def _sums(codes: KeyCodes, inside: np.ndarray, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Σ of the columns over the rows inside, one row per group that has one: `keys`, the columns."""
    groups = codes.of(keys)
    sums = {c: groups.sum(codes.frame[c].to_numpy(), inside) for c in columns}
    return codes.keys(keys).assign(**sums)[groups.any(inside)].reset_index(drop=True)


def _reference_mean(
    codes: KeyCodes, inside: np.ndarray, name: str, by_time: list[str], params: RunParams, *, without_own: bool
) -> dict[str, np.ndarray]:
    """`ref_<name>`, the mean over the reference, missing below the minimum cases, and `own_<name>`, by row."""
    amounts, counts = (codes.frame[f"{name}_kept{suffix}"].to_numpy() for suffix in ("", "_n"))
    keys = ["level_group", "drg", *by_time]
    mean = _mean(codes, inside, keys, by_time, (amounts, counts), params, without_own=without_own)
    # for change a reference is a yardstick that must be the same in both periods and not one's own: where a hospital has
    # too few peers of its level, the other hospitals of the region serve as well
    wider = None
    if without_own and not params.reference.leave_one_out and params.reference.scope == "level_group":
        wider = _mean(codes, inside, ["drg", *by_time], by_time, (amounts, counts), params, without_own=True)
    unit = None if without_own else codes.of(["hospital", "specialty", *by_time, "drg"])
    own = None if unit is None else unit.spread_sum(counts, inside)
    found, share = np.empty(len(codes.frame)), np.empty(len(codes.frame))
    for rows in codes.slices:
        value, cases = mean(rows)
        if wider is not None:
            more, of_more = wider(rows)
            few = np.isnan(cases)
            value, cases = np.where(few, more, value), np.where(few, of_more, cases)
        found[rows] = np.where(value > 0, value, np.nan)  # a reference of 0 divides nothing: leaves both sums
        share[rows] = (0.0 if own is None else own(rows)) / cases
    return {f"ref_{name}": found, f"own_{name}": share}


def _mortality(
    codes: KeyCodes, inside: np.ndarray, by_time: list[str], params: RunParams, *, without_own: bool
) -> np.ndarray:
    """Deaths per discharge of the row's DRG in the region, missing below the minimum cases."""
    died, n = (codes.frame[c].to_numpy() for c in ("died", "died_n"))
    rate = _mean(codes, inside, ["drg", *by_time], by_time, (died, n), params, without_own=without_own)
    return np.concatenate([rate(rows)[0] for rows in codes.slices] or [np.zeros(0)])


def _mean(
    codes: KeyCodes,
    inside: np.ndarray,
    keys: list[str],
    by_time: list[str],
    columns: tuple[np.ndarray, np.ndarray],
    params: RunParams,
    *,
    without_own: bool,
) -> Callable[[slice], tuple[np.ndarray, np.ndarray]]:
    """Σ first / Σ second column over the reference of a slice of rows, and Σ second; missing below the minimum cases."""
    whole = [codes.of(keys).spread_sum(c, inside) for c in columns]
    own = None
    if without_own:  # a hospital is in one level group
        own = [codes.of(["hospital", *by_time, "drg"]).spread_sum(c, inside) for c in columns]

    def of(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        total, cases = (one(rows) for one in whole)
        if own is not None:
            total, cases = total - own[0](rows), cases - own[1](rows)
        cases = np.where((cases >= params.reference.minimum_cases) & (cases > 0), cases, np.nan)
        return total / cases, cases

    return of


def _weights(codes: KeyCodes, inside: np.ndarray, params: RunParams, by_time: list[str]) -> pd.DataFrame:
    """`drg` (and `year`), `weight`: mean cost of the DRG ÷ mean cost of all grouped cases, or as published."""
    policy = params.weights
    if policy.source == "file":
        assert policy.file is not None  # noqa: S101  WeightPolicy checks it
        table = weight_table(policy.file)
        return table.merge(codes.keys(by_time), how="cross") if by_time else table
    if policy.source == "records":
        sums = _sums(codes, inside, ["drg", *by_time], ["carried_weight", "carried_weight_n"])
        weight = sums["carried_weight"] / sums["carried_weight_n"].where(sums["carried_weight_n"] > 0) / 10_000
        return sums.assign(weight=weight)[["drg", *by_time, "weight"]]
    if policy.source == "five_class":
        return _five_class_weights(codes, inside, by_time)
    cost = "cost_kept" if policy.trimmed else "cost"
    return _relative(_sums(codes, inside, ["drg", *by_time], [cost, f"{cost}_n", "n"]), cost, by_time)


def _relative(sums: pd.DataFrame, cost: str, by_time: list[str]) -> pd.DataFrame:
    """`drg` (and time), `weight`: the mean of the DRG over that of all cases."""
    sums = sums.assign(mean=sums[cost] / sums[f"{cost}_n"].where(sums[f"{cost}_n"] > 0))
    # A grouped case without usable cost stands at the mean of its DRG, so that the reference's own CMI is exactly 1.
    known = sums[sums["mean"].notna()].assign(expected=lambda f: f["mean"] * f["n"])
    overall: pd.Series | float
    if by_time:
        all_cases = known.groupby(by_time)[["expected", "n"]].sum()
        overall = sums[by_time[0]].map(all_cases["expected"] / all_cases["n"])
    else:
        overall = known["expected"].sum() / known["n"].sum() if len(known) else np.nan
    return sums.assign(weight=sums["mean"] / overall)[["drg", *by_time, "weight"]]


def _five_class_weights(codes: KeyCodes, inside: np.ndarray, by_time: list[str]) -> pd.DataFrame:
    """The mean of five relative weights, one for each class of fees: each class counts a fifth, however large it is."""
    columns = [c for one in FEE_CLASSES for c in (one.id, f"{one.id}_n")]
    sums = _sums(codes, inside, ["drg", *by_time], ["n", *columns])
    if missing := [one.name_zh for one in FEE_CLASSES if not (sums[one.id] > 0).any()]:
        raise InputError(
            f"五类费用权重需要分项费用，参照病例中没有: {'、'.join(missing)}",
            "five-class weights need fee items of every class",
            where="weights.source",
            remedy="来源须含医疗、护理、医技、药品、管理五类费用; 否则用 source: reference",
            remedy_english="give the five fee classes, or use source: reference",
        )
    each = [_relative(sums, one.id, by_time)["weight"] for one in FEE_CLASSES]
    return sums.assign(weight=sum(each) / len(FEE_CLASSES))[["drg", *by_time, "weight"]]


def _grades_from_elsewhere(codes: KeyCodes, inside: np.ndarray, params: RunParams) -> np.ndarray:
    """`risk_grade` by row, from the other hospitals of the region; from other years where there is one hospital only."""
    frame, fold = codes.frame, codes.of(["hospital"]).of_row
    if len(codes.of(["hospital"])) == 1:
        fold = year_folds(frame["year"].to_numpy(int), params.baseline.first, params.baseline.last)
    n, died = (frame[c].to_numpy(float) for c in ("died_n", "died"))
    grade = left_out_grades(fold, codes.of(["drg"]).of_row, n, died, inside, params.risk_grades)
    return np.where((frame["drg"] != NONE).to_numpy(), grade, np.nan)


def _grades(deaths: pd.DataFrame, params: RunParams) -> tuple[pd.DataFrame, dict[str, str]]:
    sums = deaths.astype({"died_n": "int64", "died": "int64"})
    sums = sums.rename(columns={"cycle": "window"}) if "cycle" in sums else sums.assign(window="frozen")
    tables, insufficient = [], {}
    for label, part in sums.groupby("window"):
        table = risk_grades(part.rename(columns={"died_n": "n"}).drop(columns="window"), params.risk_grades)
        tables.append(table.assign(window=label))
        if reason := too_few_deaths(table, params.risk_grades):
            insufficient[str(label)] = reason
    columns = ["window", "drg", "n", "died", "rate", "ln_rate", "z", "grade"]
    graded = pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)
    return graded.reset_index(drop=True), insufficient
