"""Why did it change: indices and CMI of projects taken apart by DRG, and what coding could have to do with it.

The frozen cost and stay indices are averages over cases, so their change is another mix of DRGs plus another practice within
them. CMI on the frozen basis has one weight a DRG in both periods: taken apart by ADRG (the first three characters of the
code), what happens within an ADRG is a shift to graver or lighter groups of the same disease or operation, where coding shows
first. Depth of coding stands beside, of the project and of the units of its specialty without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from toolkit.cube import NONE
from toolkit.frames import with_columns
from toolkit.indicators import CATALOGUE
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import collect
from toolkit.models.decomposition import COLUMNS as OF_GROUPS
from toolkit.models.decomposition import decompose
from toolkit.params import RunParams
from toolkit.reference import Referenced

UNIT = ["hospital", "specialty"]
BY_DRG = ("cost_index", "los_index")
CMI = "cmi"
ADRG = 3  # characters of the code
HAS_ADRG = re.compile(
    r"[A-Z]{2}[0-9]"
)  # how the code of a national DRG begins: of others no part is a group of its own
MOST_CODES = 0.95  # of the cases, that must have such a code
DECOMPOSITION = [*UNIT, "indicator", "drg", *OF_GROUPS]
HEAVY, BAND = 2.0, 0.2  # weights between 1.8 and 2.2: who stands just above 2, of those near it


def decomposition(frozen: Referenced, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """The contribution of every DRG (of CMI: ADRG) to the change of the indices of every project.

    Parameters
    ----------
    frozen
        The cube on the frozen basis.
    units
        As in `Results.units`.

    Returns
    -------
    pd.DataFrame
        `hospital, specialty, indicator, drg`, and the columns of `toolkit.models.decomposition.decompose`. Its sums over `drg` are
        the change of the index, and with `level` the distance of the index after from 1.
    """
    projects = units.loc[units["project"] != "", UNIT]
    if params.cycles is None or projects.empty:
        return pd.DataFrame(columns=DECOMPOSITION)
    frame = by_specialty(frozen, params.specialties).frame
    # only what the projects have: the rest of the region is not asked
    mine = frame[UNIT].astype(str).merge(projects.assign(mine=True), on=UNIT, how="left")["mine"].notna().to_numpy()
    frame = frame[mine & frame["cycle"].isin(["before", "after"]).to_numpy()]
    frame = with_columns(frame, adrg=frame["drg"].astype(str).str[:ADRG])
    own = Referenced(basis=frozen.basis, frame=frame, grades=frozen.grades, insufficient={})
    parts = []
    for indicator, key in [*((i, "drg") for i in BY_DRG), *([(CMI, "adrg")] if _has_adrgs(frame) else [])]:
        cells = collect(own, [CATALOGUE[indicator]], [*UNIT, "cycle", key]) if len(frame) else pd.DataFrame()
        if cells.empty:
            continue
        sums = cells.rename(columns={"cycle": "period"}).astype({key: "str"})
        made = decompose(sums, UNIT, key)
        if len(made):
            parts.append(made.rename(columns={key: "drg"}).assign(indicator=indicator))
    return pd.concat(parts, ignore_index=True)[DECOMPOSITION] if parts else pd.DataFrame(columns=DECOMPOSITION)


def _has_adrgs(frame: pd.DataFrame) -> bool:
    """Whether the codes are national DRGs, whose first characters are a group: else all cases could fall into one."""
    drg = frame["drg"].astype(str)
    grouped = drg != NONE
    codes = {code for code in drg[grouped].unique() if HAS_ADRG.match(code)}
    n = frame.loc[grouped, "n"]
    return bool(n[drg[grouped].isin(codes)].sum() >= MOST_CODES * n.sum())


# --- depth of coding ------------------------------------------------------------------------------------------------------

Sums = Callable[[pd.DataFrame], tuple[pd.Series, pd.Series]]


def _sum_of(above: str, below: str) -> Sums:
    return lambda rows: (rows[above], rows[below])


def _near_two(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    near = rows["weight"].between(HEAVY - BAND, HEAVY + BAND, inclusive="left")
    return rows["n"].where(near & (rows["weight"] >= HEAVY), 0), rows["n"].where(near, 0)


def _died_or_left(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    known = (rows["against_advice_n"] > 0) & (rows["died_n"] > 0)
    return (rows["died"] + rows["against_advice"]).where(known, 0), rows["died_n"].where(known, 0)


SIGNS: dict[str, tuple[str, Sums]] = {
    "secondary": ("每例其他诊断数", _sum_of("secondary", "secondary_n")),
    "level_filled": ("手术病例中手术级别已填的比例", _sum_of("level_filled", "level_filled_n")),
    "above_two": ("权重 1.8–2.2 的病例中不低于 2 的比例", _near_two),
    "died": ("死亡比例", _sum_of("died", "died_n")),
    "against_advice": ("非医嘱离院比例", _sum_of("against_advice", "against_advice_n")),
    "died_or_left": ("死亡或非医嘱离院的比例", _died_or_left),
    "readmitted": ("31 天内非计划再住院比例（拆分住院的迹象）", _sum_of("readmitted", "readmitted_n")),
}
CODING = ["level", *UNIT, "period", "sign", "count", "n", "value"]


def coding_depth(frozen: Referenced, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Signs of coding, of every project and of the other units of its specialty together, by cycle.

    Returns
    -------
    pd.DataFrame
        `level` (unit, peers), `hospital` (empty for peers), `specialty, period, sign` (id in `SIGNS`), `count`, `n`, `value` = count
        / n. A sign that the source cannot show (nobody has one) has no row.
    """
    projects = units.loc[units["project"] != "", UNIT]
    if projects.empty:
        return pd.DataFrame(columns=CODING)
    frame = by_specialty(frozen, params.specialties).frame
    frame = frame[((frame["specialty"] != NONE) & frame["cycle"].notna()).to_numpy()]
    keys = frame[UNIT].astype(str).assign(period=frame["cycle"].astype(str))
    funded = keys.merge(projects.assign(mine=True), on=UNIT, how="left")["mine"].notna().to_numpy()
    parts = []
    for sign, (_name, sums) in SIGNS.items():
        above, below = sums(frame)
        rows = keys.assign(count=above.to_numpy(float), n=below.to_numpy(float))
        if not rows["count"].sum() > 0:
            continue
        own = rows[funded].groupby([*UNIT, "period"], as_index=False)[["count", "n"]].sum().assign(level="unit")
        peers = rows[~funded].groupby(["specialty", "period"], as_index=False)[["count", "n"]].sum()
        parts += [own.assign(sign=sign), peers.assign(level="peers", hospital="", sign=sign)]
    if not parts:
        return pd.DataFrame(columns=CODING)
    found = pd.concat(parts, ignore_index=True)
    found = found[(found["n"] > 0) & found["specialty"].isin(projects["specialty"])]
    value = found["count"] / found["n"]
    whole = {c: np.round(found[c]).astype("int64") for c in ("count", "n")}
    return found.assign(value=value, **whole)[CODING].sort_values(CODING[:5], ignore_index=True)
