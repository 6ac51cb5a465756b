"""Rare deaths, asked on one rung after another until there is an answer: unit, hospital, all projects, projects against the rest.

A unit's two deaths answer nothing, and neither do most hospitals'. On each rung stand observed deaths O and expected deaths E in
both periods, the ratio (O/E after) ÷ (O/E before) with exact limits, and the smallest change that so many deaths could have
shown. A rung answers where its interval excludes no change, or where a doubling (`monitoring.cusum_odds`) would have shown with
the stated power: then "not seen" means something. The first such rung is marked.

Expected deaths are those of the same DRGs in the other hospitals in the period before (`ref_mortality` of the frozen basis),
so that no rung is its own yardstick. Limits are of drawing deaths alone. Projects against the rest: the two ratios combined by
the distances of their limits (MOVER).

References
----------
Conditional limits: Przyborowski, Wilenski (1940). MOVER: Zou, Donner (2008), doi:10.1002/sim.3095.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.evaluation.cells import of_other_cohorts
from toolkit.evaluation.grade_stability import BY_GRADE
from toolkit.indicators.members import by_specialty
from toolkit.models.monitoring.power import smallest_rate_changes
from toolkit.params import RunParams
from toolkit.reference import Referenced

RUNGS = {
    "unit": "本单元",
    "hospital": "本院（同级风险）",
    "projects": "全部建设项目",
    "programme": "建设项目与其余单元相比",
}
OE = "mortality_ratio"
COUNTS = ["observed_before", "expected_before", "observed_after", "expected_after"]
KEYS = ["hospital", "specialty", "indicator", "rung"]
COLUMNS = [
    *KEYS,
    "n_before",
    "n_after",
    *COUNTS,
    "estimate",
    "low",
    "high",
    "smallest_fall",
    "smallest_rise",
    "answers",
    "first",
]


def rungs(frozen: Referenced, units: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Every rung of every project and rate of deaths.

    Parameters
    ----------
    frozen
        The cube on the frozen basis.
    units
        As in `Results.units`.

    Returns
    -------
    pd.DataFrame
        One row per project, `indicator` (mortality by risk grade, and `mortality_ratio` over all grouped cases) and `rung`:
        `n_before, n_after` (discharges with an expectation), `observed_…`, `expected_…`, `estimate, low, high`,
        `smallest_fall, smallest_rise` (ratios that would show with `monitoring.power`; missing where none would), `answers`,
        `first`. On the last rung the counts are those of the projects. Missing ratio where E is 0 or nobody died before.
    """
    others = of_other_cohorts(units, params)
    projects = units.loc[(units["project"] != "") & ~others, ["hospital", "specialty"]]
    elsewhere = units.loc[others, ["hospital", "specialty"]]
    if params.cycles is None or projects.empty:
        return pd.DataFrame(columns=COLUMNS)
    tables = []
    for indicator, grades in {**{i: g for i, g in BY_GRADE.items() if 4 not in g}, OE: None}.items():
        whole = _counts(frozen, grades)
        spread = _counts(by_specialty(frozen, params.specialties), grades)
        spread = spread[spread["specialty"] != ""]
        if len(elsewhere):  # projects of another starting year are neither these nor the rest
            spread = spread.merge(elsewhere, how="left", indicator=True).query("_merge == 'left_only'")
            spread = spread.drop(columns="_merge")
        funded = (
            spread.merge(projects.assign(funded=True), on=["hospital", "specialty"], how="left")["funded"]
            .notna()
            .to_numpy()
        )
        tables += list(_of_indicator(indicator, whole, spread, funded, projects))
    found = pd.concat(tables, ignore_index=True)
    found = _with_ratios(found, params)
    order = found["rung"].map({rung: k for k, rung in enumerate(RUNGS)})
    found = found.assign(_at=order).sort_values(["hospital", "specialty", "indicator", "_at"], ignore_index=True)
    answered = found.groupby(["hospital", "specialty", "indicator"])["answers"].cumsum()
    return found.assign(first=found["answers"] & (answered == 1))[COLUMNS]


def _counts(frozen: Referenced, grades: tuple[int, ...] | None) -> pd.DataFrame:
    """Discharges, observed and expected deaths by hospital, specialty and cycle, of rows that have an expectation."""
    frame = frozen.frame
    counted = frame["ref_mortality"].notna() & (frame["drg"] != "") & frame["cycle"].isin(["before", "after"])
    if grades is not None:
        counted &= frame["risk_grade"].isin([float(g) for g in grades])
    rows = (
        frame.loc[counted, ["hospital", "specialty", "cycle"]]
        .astype(str)
        .assign(n=frame["died_n"], observed=frame["died"], expected=frame["ref_mortality"] * frame["died_n"])
    )
    return rows.groupby(["hospital", "specialty", "cycle"], as_index=False)[["n", "observed", "expected"]].sum()


def _wide(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Both periods of every group beside each other, 0 where a period has none."""
    values = ["n", "observed", "expected"]
    keys = keys or ["_all"]
    wide = rows.assign(_all="").pivot_table(index=keys, columns="cycle", values=values, aggfunc="sum", fill_value=0)
    columns = pd.MultiIndex.from_product([values, ["before", "after"]])
    wide = wide.reindex(columns=columns, fill_value=0).astype(
        {("expected", "before"): float, ("expected", "after"): float}
    )
    wide.columns = [f"{value}_{cycle}" for value, cycle in columns]
    return wide.reset_index().drop(columns="_all", errors="ignore")


def _of_indicator(
    indicator: str, whole: pd.DataFrame, spread: pd.DataFrame, funded: np.ndarray, projects: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    every = projects.assign(indicator=indicator)
    yield every.assign(rung="unit").merge(
        _wide(spread, ["hospital", "specialty"]), on=["hospital", "specialty"], how="left"
    )
    yield every.assign(rung="hospital").merge(_wide(whole, ["hospital"]), on="hospital", how="left")
    of_projects, rest = _wide(spread[funded], []), _wide(spread[~funded], [])
    if of_projects.empty:  # no case of this kind: the rungs stand, with nothing on them
        yield from (every.assign(rung=rung) for rung in ("projects", "programme"))
        return
    yield every.assign(rung="projects").merge(of_projects, how="cross")
    yield every.assign(rung="programme").merge(of_projects.join(rest.add_prefix("rest_")), how="cross")


def _with_ratios(found: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    for name in [
        f"{a}{b}_{c}" for a in ("", "rest_") for b in ("n", "observed", "expected") for c in ("before", "after")
    ]:
        found[name] = found[name].astype(float).fillna(0.0) if name in found else 0.0
    own = [found[c].to_numpy(float) for c in COUNTS]
    rest = [found[f"rest_{c}"].to_numpy(float) for c in COUNTS]
    confidence, power = params.change.confidence, params.monitoring.power
    estimate, low, high = ratio_of_counts(*own, confidence=confidence)
    fall, rise = smallest_rate_changes(*own, confidence=confidence, power=power)
    against = (found["rung"] == "programme").to_numpy()
    of_rest = ratio_of_counts(*rest, confidence=confidence)
    estimate, low, high = (
        np.where(against, both, alone)
        for both, alone in zip(_against((estimate, low, high), of_rest), (estimate, low, high), strict=True)
    )
    z = scipy.special.ndtri(1 - (1 - confidence) / 2) + scipy.special.ndtri(power)
    with np.errstate(divide="ignore"):
        least = np.exp(z * np.sqrt(sum(1 / v for v in (own[0], own[2], rest[0], rest[2]))))
    least = np.where(np.isfinite(least), least, np.nan)
    fall, rise = np.where(against, 1 / least, fall), np.where(against, least, rise)
    changed = (low > 1) | (high < 1)
    would_show = rise <= params.monitoring.cusum_odds
    return found.assign(
        estimate=estimate,
        low=low,
        high=high,
        smallest_fall=fall,
        smallest_rise=rise,
        answers=~np.isnan(low) & (changed | would_show),
        n_before=found["n_before"].round().astype("int64"),
        n_after=found["n_after"].round().astype("int64"),
        observed_before=found["observed_before"].round().astype("int64"),
        observed_after=found["observed_after"].round().astype("int64"),
    )


def ratio_of_counts(
    o0: np.ndarray, e0: np.ndarray, o1: np.ndarray, e1: np.ndarray, *, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(O₁/E₁) ÷ (O₀/E₀) with exact limits: given all deaths, the later ones are binomial.

    Missing where an E is 0 or nobody died. Where somebody died after and nobody before there is no ratio, and its upper limit
    is infinite: its lower limit says what the deaths show.
    """
    tail = (1 - confidence) / 2
    usable = (e0 > 0) & (e1 > 0) & (o0 + o1 > 0)
    exposure = np.divide(e0, e1, out=np.full(len(e0), np.nan), where=usable)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_low = np.where(o1 > 0, scipy.special.betaincinv(o1, o0 + 1, tail), 0.0)
        share_high = np.where(o0 > 0, scipy.special.betaincinv(o1 + 1, o0, 1 - tail), 1.0)
        estimate, low, high = (
            exposure * v
            for v in (np.where(o0 > 0, o1 / o0, np.nan), share_low / (1 - share_low), share_high / (1 - share_high))
        )
    return tuple(np.where(usable, v, np.nan) for v in (estimate, low, high))  # type: ignore[return-value]


def _against(
    own: tuple[np.ndarray, np.ndarray, np.ndarray], rest: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ratio of two ratios, its limits from the distances of theirs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        (a, a_low, a_high), (b, b_low, b_high) = (tuple(np.log(v) for v in side) for side in (own, rest))
        low = a - b - np.hypot(a - a_low, b_high - b)
        high = a - b + np.hypot(a_high - a, b - b_low)
        found = tuple(np.where(np.isfinite(a - b), np.exp(v), np.nan) for v in (a - b, low, high))
    return found  # type: ignore[return-value]
