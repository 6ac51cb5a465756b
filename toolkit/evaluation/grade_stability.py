"""How far the risk grades of a unit's cases can be relied on, and what a unit without reliable grades is spared.

Grades come from deaths, and in a small region few DRGs have enough of them: drawn again, many would come out in another grade.
The share of a rate's cases whose grade is stable stands beside it; below a declared share a unit gets no rate but its
counts, and is judged by O/E. With grades from a table given by the commission there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.cube import NONE, Basis
from toolkit.indicators import CATALOGUE, Declared, Indicator, Status
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import NAMED, evaluate
from toolkit.params import RunParams
from toolkit.reference import GRADES, Referenced

KEYS = ["level", "hospital", "specialty", "period", "basis", "indicator"]
COLUMNS = [*KEYS, "n", "stable", "share", "enough"]
LEVELS = {"region": [], "specialty": ["specialty"], "hospital": ["hospital"], "unit": ["hospital", "specialty"]}
ALL_GRADED = ""  # in place of an indicator: every graded case


def _counted_by(one: Declared) -> tuple[int, ...]:
    """The grades whose cases a rate is of; none where it does not ask for grades."""
    among = one.among if isinstance(one, Indicator) else None
    if among is None or "risk_grade" not in NAMED.findall(repr(among)):
        return ()
    counted = evaluate(pd.DataFrame({"risk_grade": [float(g) for g in GRADES]}), among)
    return tuple(g for g, yes in zip(GRADES, counted, strict=True) if yes)


BY_GRADE = {id_: grades for id_, one in CATALOGUE.items() if (grades := _counted_by(one))}


def grade_stability(referenced: Mapping[Basis, Referenced], grades: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Graded cases of every group, and those of them whose grade is stable.

    Parameters
    ----------
    referenced
        By basis.
    grades
        As in `Results.grades`, with the probabilities of `toolkit.reference.described`.

    Returns
    -------
    pd.DataFrame
        `level` (region, specialty, hospital, unit), `hospital, specialty, period` (year or cycle), `basis`, `indicator` (a rate by
        grade, or empty for all graded cases), `n` (its cases with known outcome), `stable` (those in DRGs that would come out
        in the same grade with at least `risk_grades.stable_probability`), `share`, `enough` (at least
        `risk_grades.minimum_stable`). Empty where grades come from a table.
    """
    if params.risk_grades.file is not None or "p0" not in grades:
        return pd.DataFrame(columns=COLUMNS)
    parts = []
    for basis, whole in referenced.items():
        known = _with_stability(whole, grades[grades["basis"] == basis], basis, params)
        spread = by_specialty(known, params.specialties).frame
        spread = spread[(spread["specialty"] != NONE).to_numpy()]
        for level, keys in LEVELS.items():
            frame = spread if "specialty" in keys else known.frame
            for time in ("year", "cycle"):
                sums = frame.groupby([*keys, time, "_grade"], observed=True)[["_n", "_stable"]].sum().reset_index()
                sums = sums.rename(columns={time: "period", "_n": "n", "_stable": "stable"})
                parts.append(sums.assign(level=level, period=sums["period"].astype(str), basis=basis))
    found = pd.concat(parts, ignore_index=True)
    for key in ("hospital", "specialty"):
        found[key] = found[key].astype(object).fillna("").astype(str)
    sets = {ALL_GRADED: tuple(GRADES), **BY_GRADE}
    by_rate = [found[found["_grade"].isin(grades)].assign(indicator=id_) for id_, grades in sets.items()]
    found = pd.concat(by_rate, ignore_index=True).groupby(KEYS, sort=True)[["n", "stable"]].sum().reset_index()
    found = found[found["n"] > 0].astype({"n": "int64", "stable": "int64"})
    share = found["stable"] / found["n"]
    found = found.assign(share=share, enough=share >= params.risk_grades.minimum_stable)
    return found[COLUMNS].reset_index(drop=True)


def _with_stability(whole: Referenced, grades: pd.DataFrame, basis: Basis, params: RunParams) -> Referenced:
    """Graded rows of the cube: `_grade`, `_n` (cases with known outcome), `_stable` (those, where the grade is stable)."""
    frame = whole.frame
    window = "frozen" if basis == "frozen" else frame["cycle"].astype(object)
    key = pd.DataFrame({"window": window, "drg": frame["drg"].astype(object)}, index=frame.index)
    chances = [f"p{grade}" for grade in GRADES]
    found = key.merge(grades[["window", "drg", *chances]], on=["window", "drg"], how="left")[chances].to_numpy(float)
    grade = frame["risk_grade"].to_numpy(float)
    chance = found[np.arange(len(frame)), np.nan_to_num(grade).astype(int)]
    n = frame["died_n"].to_numpy(float)
    made = frame[["hospital", "specialty", "year", "cycle", "drg"]].assign(
        _grade=grade, _n=n, _stable=np.where(chance >= params.risk_grades.stable_probability, n, 0.0)
    )
    made = made[~np.isnan(grade)]
    return Referenced(basis=whole.basis, frame=made, grades=whole.grades, insufficient={})


def without_unstable(cells: pd.DataFrame, stability: pd.DataFrame) -> pd.DataFrame:
    """The cells with no rate by risk grade where a unit's grades are not stable; both sums, the counts, stay."""
    shaky = stability[(stability["level"] == "unit") & ~stability["enough"].astype(bool)]
    if shaky.empty:
        return cells
    of_grade = cells["indicator"].isin(list(BY_GRADE)) & (cells["level"] == "unit")
    of_grade &= cells["status"] == Status.VALUE.value
    marked = cells.loc[of_grade, KEYS].merge(shaky[KEYS].assign(shaky=True), on=KEYS, how="left")["shaky"]
    rows = cells.index[of_grade][marked.notna().to_numpy()]
    cells = cells.copy()
    cells.loc[rows, ["value", "se", "low", "high"]] = np.nan
    cells.loc[rows, "status"] = Status.UNSTABLE.value
    return cells
