"""References from the cube: DRG means of cost and LOS, weights, risk grades; contemporaneous or frozen.

Two families of numbers, never mixed: on the *contemporaneous* basis each year stands against its own
reference (level, ranking); on the *frozen* basis reference means, trim limits, weights and risk grades are fixed at the
period before (change).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.cube import NONE, Basis
from toolkit.errors import InputError
from toolkit.key_codes import KeyCodes, categories
from toolkit.params import RiskPolicy, RunParams

GRADES = {0: "无死亡", 1: "低风险", 2: "中低风险", 3: "中高风险", 4: "高风险"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Referenced:
    """The cube on one basis, with what indicators need beside the sums.

    Attributes
    ----------
    frame
        One row per cube row: the key, `cycle`, `level_group`, `tier`, `surgical_specialty`, the measures (trimmed ones of
        this basis; cost at constant prices on the frozen basis), `ref_cost` (fen), `ref_los` (days), `weight`,
        `risk_grade` (0–4, missing = ungraded), `own_cost`, `own_los` (the unit's share of its reference cases).
    grades
        One row per reference window and DRG: `window, drg, n, died, rate, ln_rate, z, grade`.
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
    frame = _on_basis(cube, params, hospitals, basis)
    codes = KeyCodes(frame)
    inside = (frame["drg"] != NONE).to_numpy()  # of the reference: grouped, and on the frozen basis of the first period
    if basis == "frozen":
        inside = inside & frame["year"].between(params.baseline.first, params.baseline.last).to_numpy()
    by_time = [] if basis == "frozen" else ["year"]
    added: dict[str, np.ndarray] = {}
    for name in ("cost", "los"):
        added |= _reference_mean(frame, codes, inside, name, ["level_group", "drg", *by_time], params)
    frame = frame.assign(**added)
    frame["weight"] = _looked_up(codes, _weights(codes, inside, params, by_time), ["drg", *by_time], "weight")
    grades, insufficient = _grades(codes, inside, params, basis)
    if params.risk_grades.file is None:
        graded = grades[~grades["window"].isin(insufficient)]
        if basis == "frozen":
            frame["risk_grade"] = _looked_up(codes, graded, ["drg"], "grade")
        else:
            frame["risk_grade"] = _looked_up(
                codes, graded.rename(columns={"window": "cycle"}), ["cycle", "drg"], "grade"
            )
    else:
        insufficient = {}  # deaths of this reference do not matter where the grades come from another
        frame["risk_grade"] = _looked_up(codes, _table(params.risk_grades.file, "grade"), ["drg"], "grade")
    return Referenced(basis=basis, frame=frame, grades=grades, insufficient=insufficient)


def _on_basis(cube: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame, basis: Basis) -> pd.DataFrame:
    other = {"frozen": "@contemporaneous", "contemporaneous": "@frozen"}[basis]
    frame = cube.drop(columns=[c for c in cube if c.endswith(other)])
    frame = frame.rename(columns={c: c.removesuffix(f"@{basis}") for c in frame})
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
    # looked up once for each hospital and specialty, not for each row
    hospital, specialty = keys["hospital"].cat, keys["specialty"].cat
    known = registry.reindex(hospital.categories).fillna("")
    is_surgical = np.array([bool(surgical.get(s, False)) for s in specialty.categories], dtype=bool)
    return frame.assign(
        **keys,
        **{name: _spread(known[name], hospital.codes.to_numpy()) for name in ("level_group", "tier")},
        cycle=_spread(pd.Series(years := np.unique(frame["year"])).map(cycle), np.searchsorted(years, frame["year"])),
        surgical_specialty=is_surgical[specialty.codes.to_numpy()] if len(frame) else False,
    )


def _spread(values: pd.Series, codes: np.ndarray) -> pd.Categorical:
    """The value of every code, as categories in sorted order."""
    small = pd.Categorical(values)
    return pd.Categorical.from_codes(small.codes[codes], dtype=small.dtype, validate=False)


def _looked_up(codes: KeyCodes, table: pd.DataFrame, keys: list[str], column: str) -> np.ndarray:
    """`column` of a small table for every row of the frame, missing where the table has no row."""
    groups = codes.of(keys)
    found = _keys(codes, keys).merge(table[[*keys, column]], on=keys, how="left", validate="one_to_one")
    return found[column].to_numpy(dtype=float)[groups.of_row]


def _keys(codes: KeyCodes, keys: list[str]) -> pd.DataFrame:
    """The key values of every group, one row each; text, not categories."""
    rows = codes.frame[keys].iloc[codes.of(keys).first].reset_index(drop=True)
    return rows.astype({k: "str" for k in keys if isinstance(rows[k].dtype, pd.CategoricalDtype)})


def _sums(codes: KeyCodes, inside: np.ndarray, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """Σ of the columns over the rows inside, one row per group that has one: `keys`, the columns."""
    groups = codes.of(keys)
    sums = {c: groups.sum(codes.frame[c].to_numpy(float), inside) for c in columns}
    return _keys(codes, keys).assign(**sums)[groups.any(inside)].reset_index(drop=True)


def _reference_mean(
    frame: pd.DataFrame, codes: KeyCodes, inside: np.ndarray, name: str, keys: list[str], params: RunParams
) -> dict[str, np.ndarray]:  # fmt: skip
    """`ref_<name>`, the mean over the reference, missing below the minimum cases, and `own_<name>`, by row."""
    total, count = frame[f"{name}_kept"].to_numpy(float), frame[f"{name}_kept_n"].to_numpy(float)

    def of_group(names: list[str], values: np.ndarray) -> np.ndarray:
        groups = codes.of(names)
        sums = groups.sum(values, inside)
        return sums if len(groups) == len(values) and groups.in_order else sums[groups.of_row]

    summed, cases = of_group(keys, total), of_group(keys, count)
    by_time = [k for k in keys if k == "year"]
    own = ["hospital", *by_time, "drg"]  # a hospital is in one level group
    unit = of_group(["hospital", "specialty", *by_time, "drg"], count)
    if params.reference.leave_one_out:
        summed = summed - of_group(own, total)
        cases = cases - of_group(own, count)
        unit = np.zeros_like(unit)
    enough = cases >= params.reference.minimum_cases
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(enough, summed / cases, np.nan)
        share = np.where(enough, unit / cases, np.nan)
    # a reference of 0 divides nothing: leaves both sums
    return {f"ref_{name}": np.where(mean > 0, mean, np.nan), f"own_{name}": share}


def _weights(codes: KeyCodes, inside: np.ndarray, params: RunParams, by_time: list[str]) -> pd.DataFrame:
    """`drg` (and `year`), `weight`: mean cost of the DRG ÷ mean cost of all grouped cases, or as published."""
    policy = params.weights
    if policy.source == "file":
        assert policy.file is not None  # noqa: S101  WeightPolicy checks it
        table = _table(policy.file, "weight")
        return table.merge(_keys(codes, by_time), how="cross") if by_time else table
    if policy.source == "records":
        sums = _sums(codes, inside, ["drg", *by_time], ["carried_weight", "carried_weight_n"])
        weight = sums["carried_weight"] / sums["carried_weight_n"].where(sums["carried_weight_n"] > 0) / 10_000
        return sums.assign(weight=weight)[["drg", *by_time, "weight"]]
    cost = "cost_kept" if policy.trimmed else "cost"
    sums = _sums(codes, inside, ["drg", *by_time], [cost, f"{cost}_n", "n"])
    sums["mean"] = sums[cost] / sums[f"{cost}_n"].where(sums[f"{cost}_n"] > 0)
    # A grouped case without usable cost stands at the mean of its DRG, so that the reference's own CMI is exactly 1.
    known = sums[sums["mean"].notna()].assign(expected=lambda f: f["mean"] * f["n"])
    if by_time:
        all_cases = known.groupby(by_time)[["expected", "n"]].sum()
        overall = sums["year"].map(all_cases["expected"] / all_cases["n"])
    else:
        overall = known["expected"].sum() / known["n"].sum() if len(known) else np.nan
    return sums.assign(weight=sums["mean"] / overall)[["drg", *by_time, "weight"]]


def _table(path: Path, column: str) -> pd.DataFrame:
    """A published table `drg,<column>`."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError("表不可读", "the table cannot be read", where=str(path), remedy="另存为 UTF-8 的 CSV",
                         remedy_english=f"save it as CSV in UTF-8: {type(error).__name__}") from error  # fmt: skip
    if missing := [c for c in ("drg", column) if c not in table]:
        raise InputError(
            f"表缺少列 {'、'.join(missing)}", "columns missing", where=str(path), remedy=f"需要 drg,{column}"
        )
    values = pd.to_numeric(table[column], errors="coerce")
    valid = values.isin(GRADES) if column == "grade" else np.isfinite(values) & (values > 0)
    bad = ~valid | table["drg"].duplicated()
    if bad.any():
        line = int(np.flatnonzero(bad)[0]) + 2
        raise InputError("数值无效或 DRG 重复", "bad number or repeated DRG", where=f"{path}:{line}", remedy="修正该行")
    return pd.DataFrame({"drg": table["drg"], column: values})


# --- risk grades --------------------------------------------------------------------------------------------------------


def _grades(
    codes: KeyCodes, inside: np.ndarray, params: RunParams, basis: Basis
) -> tuple[pd.DataFrame, dict[str, str]]:  # fmt: skip
    keys = ["cycle", "drg"] if basis == "contemporaneous" else ["drg"]
    sums = _sums(codes, inside, keys, ["died_n", "died"]).astype({"died_n": "int64", "died": "int64"})
    sums = sums.rename(columns={"cycle": "window"}) if "cycle" in sums else sums.assign(window="frozen")
    tables, insufficient = [], {}
    for label, part in sums.groupby("window"):
        table = risk_grades(part.rename(columns={"died_n": "n"}).drop(columns="window"), params.risk_grades)
        tables.append(table.assign(window=label))
        if reason := too_few_deaths(table, params.risk_grades):
            insufficient[str(label)] = reason
    columns = ["window", "drg", "n", "died", "rate", "ln_rate", "z", "grade"]
    return (pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)).reset_index(
        drop=True
    ), insufficient


def risk_grades(drgs: pd.DataFrame, policy: RiskPolicy) -> pd.DataFrame:
    """Risk grade of every DRG: ln mortality standardised over DRGs, unweighted, sample SD.

    Parameters
    ----------
    drgs
        One row per DRG: `drg, n, died`.

    Returns
    -------
    pd.DataFrame
        With `rate` (deaths per discharge), `ln_rate`, `z` and `grade`: 0 no death, 1 z < −1, 2 −1 ≤ z < 0, 3 0 ≤ z < 1,
        4 z ≥ 1; missing below the minimum cases.
    """
    enough = drgs["n"] >= policy.minimum_cases
    rate = (drgs["died"] / drgs["n"].where(drgs["n"] > 0)).astype(float)
    with_death = enough & (drgs["died"] > 0)
    ln_rate = pd.Series(np.log(rate.where(with_death)), index=drgs.index)
    spread = ln_rate.std(ddof=1)
    z = (ln_rate - ln_rate.mean()) / spread if spread > 0 else ln_rate * np.nan
    grade = pd.Series(np.digitize(z.fillna(0), [-1.0, 0.0, 1.0]) + 1.0, index=drgs.index).where(z.notna())
    grade = grade.mask(enough & (drgs["died"] == 0), 0.0)
    return drgs.assign(rate=rate, ln_rate=ln_rate, z=z, grade=grade)


def too_few_deaths(grades: pd.DataFrame, policy: RiskPolicy) -> str:
    """Why this reference cannot grade risk, or an empty string."""
    deaths = int(grades["died"].sum())
    low = int(grades.loc[grades["grade"].isin([1, 2]), "died"].sum())
    if deaths < policy.minimum_deaths:
        return f"参照死亡 {deaths} 例，少于 {policy.minimum_deaths} 例"
    if low < policy.minimum_deaths_low:
        return f"低与中低风险组死亡 {low} 例，少于 {policy.minimum_deaths_low} 例"
    return ""
