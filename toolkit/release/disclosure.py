"""Disclosure control 披露控制: the tables of a run for readers outside the commission (发布版).

It acts on the tables that notebooks open, after every score and verdict has been computed from exact numbers, and changes
none of them. Sections and notebooks know nothing of it: they print counts that may be missing and statuses, as always.
A table, fact or report that is not declared here is not released: what nobody has thought about is not given out.

Rules (`toolkit.params.DisclosurePolicy`; after NHS HES, OpenSAFELY and CMS practice):

1. Counts of cases below the minimum, and counts of events (deaths, operations) or of cases without the event below
   theirs, are hidden; 0 is shown. Other counts are rounded. Totals are sums of what is shown, or rounded themselves.
2. A rate is made from rounded counts. It is hidden where either count is, and on few cases, where rounding would bend it.
3. A mean is hidden where one case may be most of its sum, and shown to its printed decimals only.
4. No hidden cell can be computed from other visible ones (`toolkit.release.suppression`), nor told to less than a declared
   width (`toolkit.release.intervals`), exclusions included: records that stand in small groups are counted together, over
   hospitals first and then over reasons.
5. Sums, second moments, standard errors and p-values, which give counts back, are not in the tables at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.data.quality.base import RuleFacts
from toolkit.evaluation.facts import RunFacts
from toolkit.evaluation.results import Results
from toolkit.evaluation.tables import TABLES
from toolkit.indicators import CATALOGUE
from toolkit.indicators.base import Declared, Status
from toolkit.indicators.capacity import VOLUME as CAPACITY_VOLUME
from toolkit.indicators.table import finish
from toolkit.models.change import inferential, two_period
from toolkit.params import DisclosurePolicy, Edition, RunParams
from toolkit.release import findings
from toolkit.release.hidden_cells import EVENTS, Suppression, counts_cases, refuse_narrow
from toolkit.release.intervals import Reader
from toolkit.release.suppression import Equations
from toolkit.reporting.content.values import POOLED

VOLUME = CAPACITY_VOLUME.id
HIDDEN = Status.WITHHELD.value
PLACE = ["level", "hospital", "specialty", "period"]
LOCATION = ["basis", *PLACE]
SHOWN = ["value", "low", "high"]


def released(exact: Results, policy: DisclosurePolicy) -> Results:
    """The results of the release edition."""
    params = released_params(exact.params, policy)
    return Results(params=params, facts=released_facts(exact.facts), tables=controlled(exact, policy))


def controlled(exact: Results, policy: DisclosurePolicy) -> dict[str, pd.DataFrame]:
    """The tables of the release edition; one without a declared control keeps its columns and loses its rows."""
    state = _State(exact=exact, policy=policy)
    of_control = {one.release: one.name for one in TABLES if one.release}
    # in the order of the controls: some rest on what others have found
    made = {of_control[id_]: control(exact.tables[of_control[id_]], state) for id_, control in CONTROLS.items()}
    return {one.name: made.get(one.name, exact.tables[one.name].iloc[:0]) for one in TABLES}


def released_params(params: RunParams, policy: DisclosurePolicy) -> RunParams:
    """The parameters of the release edition: it begins with a note of its own."""
    return params.model_copy(
        update={"edition": Edition.RELEASE, "disclosure": policy, "notes": [policy_note(policy), *params.notes]}
    )


def policy_note(policy: DisclosurePolicy) -> str:
    """What a reader is told on the first page."""
    return (
        f"发布版：1–{policy.minimum_cases - 1} 例、1–{policy.minimum_events - 1} 例事件（及未发生事件的例数）以及可由其他数字推出它们的"
        f"数字均隐去或合并，其余例数取 {policy.rounding} 的倍数；比例由取整后的例数计算，例数少于 {policy.minimum_rate_cases} 的不显示。"
        "合计为所列数字之和，可与内部评估版略有出入。评分与判定按精确数字作出，不因此改变。"
    )


@dataclass(kw_only=True, eq=False)
class _State:
    """What one control has found and another needs."""

    exact: Results
    policy: DisclosurePolicy
    cells: pd.DataFrame | None = None  # released cells, with rounded sums still in `x` and `y`
    suppressed: pd.DataFrame | None = None  # LOCATION + indicator of the cells hidden


def rounded_counts(counts: pd.Series, policy: DisclosurePolicy) -> pd.Series:
    """Counts as multiples of the base, half away from zero; small ones are the caller's business."""
    return (np.floor(counts.astype(float) / policy.rounding + 0.5) * policy.rounding).astype(float)


def _three_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _small(counts: pd.Series, least: int) -> pd.Series:
    return (counts > 0) & (counts < least)


# --- cells and changes --------------------------------------------------------------------------------------------------


def equations(places: pd.DataFrame, units: pd.DataFrame, cycles: Mapping[str, Sequence[str]]) -> Equations:
    """How the counts of cells add up, for one basis.

    Parameters
    ----------
    places
        `level, hospital, specialty, period`, one row a cell; the positions in it are those of the equations.
    units
        `hospital, specialty, project`.
    cycles
        Cycle label -> its years, as text.
    """
    at = {place: i for i, place in enumerate(places[PLACE].itertuples(index=False, name=None))}
    funded = set(units.loc[units["project"] != "", ["hospital", "specialty"]].itertuples(index=False, name=None))
    gathered: dict[tuple[str, ...], list[int]] = {}

    def part(cell: int, kind: str, *total: str) -> None:
        if total in at:
            gathered.setdefault((kind, *total), []).append(cell)

    in_cycle = {year: label for label, years in cycles.items() for year in years}
    for (level, hospital, specialty, period), cell in at.items():
        if level == "unit":
            part(cell, "hospitals", "specialty", "", specialty, period)
            part(cell, "specialties", "hospital", hospital, "", period)
            if (hospital, specialty) in funded:
                part(cell, "projects", "specialty", "", specialty, period)
            else:
                part(cell, "peers", "peers", "", specialty, period)
        elif level == "peers":
            part(cell, "projects", "specialty", "", specialty, period)
        elif level in ("hospital", "specialty"):
            part(cell, level, "region", "", "", period)
        if period in in_cycle:
            part(cell, "years", level, hospital, specialty, in_cycle[period])
    totals = [at[key[1:]] for key in gathered]
    return Equations.of(totals, list(gathered.values()))


def _cells(cells: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Cells with hidden ones marked, counts rounded, rates from rounded counts; no sums."""
    policy, params = state.policy, state.exact.params
    cycles = {c: [str(y) for y in range(years.first, years.last + 1)] for c, years in params.periods.items()}
    cells = cells.assign(status=cells["status"].astype(object))
    parts: list[pd.DataFrame] = []
    narrow: list[tuple[str, ...]] = []
    readers: list[tuple[pd.DataFrame, Reader]] = []  # bases have the same places, and often the same numbers
    for _basis, of_basis in cells.groupby("basis", sort=False, observed=True):
        places = of_basis[PLACE].drop_duplicates().reset_index(drop=True)
        position = of_basis[PLACE].merge(places.assign(_at=places.index), on=PLACE, how="left")["_at"].to_numpy()
        if not readers or not readers[-1][0].equals(places):
            readers.append((places, Reader(equations(places, state.exact.units, cycles))))
        found = Suppression(reader=readers[-1][1], policy=policy, whole=np.zeros(len(places), dtype=bool))
        order = sorted(of_basis["indicator"].unique(), key=lambda i: i != VOLUME)
        rows = {id_: np.flatnonzero((of_basis["indicator"] == id_).to_numpy()) for id_ in order}
        before = -1
        while before < (before := sum(int(one.sum()) for one in found.of.values())):  # what one hides, another may show
            found.once_more()
            for id_, at in rows.items():
                hidden = found.hidden(of_basis.iloc[at], position[at], CATALOGUE[str(id_)])
                if id_ == VOLUME:  # where the number of cases is hidden, all is
                    found.whole = hidden
        parts.extend(
            _shown(
                of_basis.iloc[at], found.of[id_][position[at]], CATALOGUE[str(id_)], policy, params.change.confidence
            )
            for id_, at in rows.items()
        )
        narrow.extend((*places.loc[at], id_, measure) for at, id_, measure in found.narrow)
    refuse_narrow(narrow, policy)
    made = pd.concat(parts).loc[cells.index]
    state.suppressed = made.loc[made["status"] == HIDDEN, [*LOCATION, "indicator"]]
    state.cells = made
    lost = [c for c in made if c not in {*LOCATION, "indicator", "n", *SHOWN, "covered", "own_share", "status"}]
    return made.assign(**{c: np.nan for c in lost if pd.api.types.is_numeric_dtype(made[c])})[list(cells.columns)]


def _shown(
    part: pd.DataFrame, hidden: np.ndarray, one: Declared, policy: DisclosurePolicy, confidence: float
) -> pd.DataFrame:
    """One indicator's cells as they are given out."""
    n5 = rounded_counts(part["n"], policy)
    has = part["status"] == Status.VALUE.value
    made = part.assign(n=n5.mask(hidden))
    if one.distribution in EVENTS:
        x5 = rounded_counts(part["x"], policy)
        # the denominator of a rate is its cases; where it is something else (expected deaths), to three digits
        cases = part["y"].isna() | (part["y"] == part["n"])
        below = rounded_counts(part["y"], policy).where(cases, part["y"].map(_three_digits))
        sums = part.assign(x=x5.clip(upper=below), y=below, cases=n5)
        made = made.assign(**finish(sums, one, confidence)[SHOWN], x=sums["x"], y=sums["y"])
        few = has & ~hidden & (part["n"] < policy.minimum_rate_cases)
        made.loc[few, SHOWN] = np.nan
        made.loc[few, "status"] = HIDDEN
    elif one.distribution is None and one.adds_up:
        counts = counts_cases(one)
        made["value"] = one.scale * (rounded_counts(part["x"], policy) if counts else part["x"].map(_three_digits))
    else:
        made[SHOWN] = part[SHOWN].round(one.decimals)
    lacking = part["all_y"] - part["y"]
    covered = (rounded_counts(part["y"], policy) / rounded_counts(part["all_y"], policy).replace(0, np.nan)).clip(
        upper=1
    )
    made["covered"] = covered.round(2).mask(hidden | _small(lacking, policy.minimum_cases) | ~has)
    made["own_share"] = part["own_share"].round(2).mask(hidden)
    made.loc[hidden, SHOWN] = np.nan
    made.loc[hidden & (part["n"] > 0).to_numpy(), "status"] = HIDDEN
    return made


def _changes(changes: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Changes beside released cells: ratios of hidden values are hidden, the verdict always stands."""
    if changes.empty:
        return changes
    assert state.cells is not None  # noqa: S101  CONTROLS
    keys = ["level", "hospital", "specialty", "indicator"]
    frozen = state.cells[(state.cells["basis"] == "frozen") & state.cells["period"].isin(state.exact.params.periods)]
    made = changes[keys].copy()
    for period in ("before", "after"):
        of_period = frozen[frozen["period"] == period].set_index(keys)[["value", "n", "status"]]
        joined = made[keys].join(of_period, on=keys)
        made[period], made[f"n_{period}"] = joined["value"].to_numpy(), joined["n"].to_numpy()
        made[f"_hidden_{period}"] = (joined["status"] == HIDDEN).to_numpy()
    hidden = (made.pop("_hidden_before") | made.pop("_hidden_after")).to_numpy()
    made["estimate"], made["low"], made["high"] = (changes[c].round(2) for c in ("estimate", "low", "high"))
    events = changes["indicator"].isin([i for i, one in CATALOGUE.items() if one.distribution in EVENTS]).to_numpy()
    two = (changes["method"] == "two_period_ratio").to_numpy()
    if (events & two & ~hidden).any():
        again = _ratios(frozen, keys[1:3], state)
        of_events = changes[keys].join(again.set_index(keys)[["estimate", "low", "high"]], on=keys)
        for column in ("estimate", "low", "high"):
            made[column] = made[column].mask(events & two, of_events[column])
    made.loc[hidden | (events & ~two), ["estimate", "low", "high"]] = np.nan
    if "judged_by" in changes:
        # What a verdict rests on stands beside it: a ratio of means to two decimals, of units that may be shown, against
        # many others. Of events it would give counts back.
        own = (changes["judged_by"] == changes["method"]).to_numpy()
        for column in ("estimate", "low", "high"):
            of_method = changes[f"judged_{column}"].round(2).mask(hidden | events)
            made[f"judged_{column}"] = made[column].where(own, of_method)
        for column in ("p_improvement", "p_meaningful"):  # follow from the three above
            made[column] = changes[column].round(2).mask(hidden | events | (own & two))
    kept = {"method", "measure", "verdict", "boundary", "share", "warnings", "n_clusters", *keys, *made.columns}
    rest = {c: np.nan if pd.api.types.is_numeric_dtype(changes[c]) else changes[c] for c in changes if c not in kept}
    made = made.assign(**{c: changes[c] for c in changes if c in kept and c not in made}, **rest)
    made = findings.without_numbers(made) if "reason" in made else made
    return made[list(changes.columns)]


def _ratios(frozen: pd.DataFrame, by: list[str], state: _State) -> pd.DataFrame:
    """Ratios of rates computed again from rounded counts, so that they tell no more than the counts."""
    events = {i: one for i, one in CATALOGUE.items() if inferential(one) and one.distribution in EVENTS}
    rows = frozen[frozen["indicator"].isin(events) & frozen["value"].notna()].rename(columns={"period": "cycle"})
    parts = [
        two_period(of_level, CATALOGUE, by, confidence=state.exact.params.change.confidence).assign(level=level)
        for level, of_level in rows.groupby("level", observed=True)
    ]
    if not parts:
        return pd.DataFrame(columns=["level", *by, "indicator", "estimate", "low", "high"])
    found = pd.concat(parts, ignore_index=True)
    return found.assign(**{c: found[c].round(2) for c in ("estimate", "low", "high")})


def _units(units: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Cases by cycle as the released cells have them; whether they are enough stays."""
    assert state.cells is not None  # noqa: S101  CONTROLS
    volume = state.cells[(state.cells["level"] == "unit") & (state.cells["indicator"] == VOLUME)]
    volume = volume[volume["basis"] == "contemporaneous"].set_index(["hospital", "specialty", "period"])["n"]
    made = units.copy()
    keys = [units["hospital"].astype(str), units["specialty"].astype(str)]
    for column in [c for c in units if c.startswith("n_")]:
        index = pd.MultiIndex.from_arrays([*keys, [column.removeprefix("n_")] * len(units)])
        found = volume.reindex(index).to_numpy()
        made[column] = np.where(units[column] == 0, 0.0, found)
    known = {"hospital", "specialty", "eligible", "project", "id"}
    return made.assign(**{c: np.nan for c in made if c not in known and not c.startswith("n_")})


# --- records ------------------------------------------------------------------------------------------------------------


def pooled(
    frame: pd.DataFrame, count: str, steps: Sequence[Mapping[str, object]], policy: DisclosurePolicy
) -> pd.DataFrame:
    """Counts by group with the small ones counted together, step by step, until none is small; then rounded.

    Totals are sums of what is shown, so that no margin gives a small group away. A pool takes in the smallest shown group
    beside it where it would otherwise stand for one group alone.

    Parameters
    ----------
    steps
        What small groups become, one after the other: column -> common value. What is small after the last is left out.
    """
    keys = [c for c in frame if c != count]
    shown = frame.groupby(keys, sort=True, observed=True, dropna=False)[count].sum().reset_index()
    shown["members"] = 1
    for step in steps:
        small = _small(shown[count], policy.minimum_cases)
        lifted = shown.assign(**step)
        rest = [k for k in keys if k not in step]
        small = small | _company(shown, lifted, keys, rest, small, count, policy)
        moved = shown.mask(small, lifted) if small.any() else shown
        shown = moved.groupby(keys, sort=True, observed=True, dropna=False)[[count, "members"]].sum().reset_index()
    shown = shown[~_small(shown[count], policy.minimum_cases)]
    return shown.assign(**{count: rounded_counts(shown[count], policy).astype("int64")})[[*keys, count]]


def _company(
    shown: pd.DataFrame,
    lifted: pd.DataFrame,
    keys: list[str],
    rest: list[str],
    small: pd.Series,
    count: str,
    policy: DisclosurePolicy,
) -> pd.Series:
    """Further groups for pools that would stand for one group alone or still be small: the smallest with the same rest."""
    pools = lifted[small].groupby(keys, observed=True, dropna=False)[[count, "members"]].sum().reset_index()
    poor = pools[(pools["members"] < 2) | (pools[count] < policy.minimum_cases)]
    taken = pd.Series(False, index=shown.index)
    free = shown[~small & (shown[count] > 0)].sort_values(count, kind="stable")
    if rest and len(poor) and len(free):
        wanted = poor[rest].drop_duplicates().assign(_wanted=True)
        beside = free[rest].merge(wanted, on=rest, how="left")["_wanted"].notna().to_numpy()
        first = free[beside].groupby(rest, observed=True, dropna=False, sort=False).head(1)
        taken[first.index] = True
    return taken


def _accounts(accounts: pd.DataFrame, state: _State) -> pd.DataFrame:
    """The account of records by hospital, fate and reason; small groups over all hospitals, then over all reasons.

    Where nothing of a hospital's fate is left to show, a row without a number says so: it is not 0.
    """
    collapsed = accounts.assign(file=0, year=0)
    nothing = 0 if pd.api.types.is_numeric_dtype(accounts["rules"]) else ""
    steps: list[Mapping[str, object]] = [{"hospital": POOLED}, {"hospital": POOLED, "rule": POOLED, "rules": nothing}]
    accepted = (
        collapsed["rule"] == ""
    )  # an accepted record has no reason to be pooled by; its marks say where it counts
    parts = [
        pooled(collapsed[accepted], "n", steps[:1], state.policy),
        pooled(collapsed[~accepted], "n", steps, state.policy),
    ]
    made = pd.concat(parts, ignore_index=True)
    groups = ["hospital", "fate"]
    gone = (
        collapsed.loc[collapsed["n"] > 0, groups]
        .drop_duplicates()
        .merge(made[groups].drop_duplicates(), how="left", indicator=True)
    )
    gone = gone.loc[gone["_merge"] == "left_only", groups].assign(file=0, year=0, rule=POOLED, rules=nothing, n=np.nan)
    types = {c: t for c, t in accounts.dtypes.to_dict().items() if c != "n"}
    return pd.concat([made.astype({"n": float}), gone], ignore_index=True).astype(types)[list(accounts.columns)]


def _monthly(monthly: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Volumes by hospital and month; small ones over all hospitals."""
    if monthly.empty:
        return monthly
    made = pooled(monthly, "n", [{"hospital": POOLED}], state.policy).astype(monthly.dtypes.to_dict())
    return made.sort_values(["hospital", "year", "month"], ignore_index=True)[list(monthly.columns)]


def _files(files: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Files by number and hash; a name may hold anything, and how much each holds is another number of records."""
    known = {"file", "name", "sha256", "kind", "encoding", "status", "rejected", "rejected_by"}
    numbered = files["file"].map(lambda number: f"文件 {number + 1}").astype(files["name"].dtype)
    return files.assign(**{c: np.nan for c in files if c not in known}, name=numbered)


def _hospitals(hospitals: pd.DataFrame, state: _State) -> pd.DataFrame:
    """The registry, with a name for what is counted over several hospitals."""
    row = {c: "" for c in hospitals.columns} | {
        "code": POOLED,
        "name": f"（各机构不足 {state.policy.minimum_cases} 例的合并）",
    }
    return pd.concat([hospitals, pd.DataFrame([row])], ignore_index=True).astype(hospitals.dtypes.to_dict())


def _cube(cube: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Grouped cases by hospital, as rounded counts only.

    The difference of usable and kept cases is printed: where it is small, the hospital is left out.
    """
    policy = state.policy
    pairs = {c: c.partition("@")[0].replace("_kept", "") for c in cube if "_kept_n@" in c}
    counts = ["n", *dict.fromkeys(pairs.values()), *pairs]
    grouped = cube[cube["drg"].astype(str) != ""]
    sums = grouped.assign(hospital=grouped["hospital"].astype(str)).groupby("hospital")[counts].sum().reset_index()
    for kept, usable in pairs.items():
        few = _small(sums[usable] - sums[kept], policy.minimum_cases)
        sums.loc[few, [usable, *(k for k, u in pairs.items() if u == usable)]] = 0
    for column in counts:
        sums[column] = rounded_counts(sums[column].mask(_small(sums[column], policy.minimum_cases), 0), policy)
    # all that is not counted is missing
    return sums.assign(specialty="", year=0, drg=POOLED).reindex(columns=list(cube.columns))


def _grades(grades: pd.DataFrame, state: _State) -> pd.DataFrame:
    """DRGs with small counts together, by grade; without the rates and scores that give deaths back."""
    policy = state.policy
    without = grades["n"] - grades["died"]
    small = (
        _small(grades["n"], policy.minimum_cases)
        | _small(grades["died"], policy.minimum_events)
        | _small(without, policy.minimum_events)
    )
    keys = ["basis", "window", "grade"]
    # a pool of one DRG is that DRG: the smallest shown one of its grade keeps it company
    alone = grades[small].groupby(keys, dropna=False)["n"].transform("size").reindex(grades.index).eq(1)
    lonely = grades.loc[alone.fillna(False), keys].drop_duplicates().assign(_alone=True)
    beside = grades[~small].sort_values("n", kind="stable")
    beside = beside[beside[keys].merge(lonely, on=keys, how="left")["_alone"].notna().to_numpy()]
    small = small | grades.index.isin(beside.groupby(keys, dropna=False, sort=False).head(1).index)
    pools = (
        grades[small]
        .groupby(keys, dropna=False, sort=True)
        .agg(n=("n", "sum"), died=("died", "sum"), groups=("drg", "size"))
        .reset_index()
        .assign(drg=POOLED)
    )
    made = pd.concat([grades[~small].assign(groups=1), pools], ignore_index=True)
    few = _small(made["n"], policy.minimum_cases) | _small(made["died"], policy.minimum_events)
    made = made[~few]
    made = made.assign(n=rounded_counts(made["n"], policy), died=rounded_counts(made["died"], policy))
    lost = [c for c in grades if c not in {"window", "drg", "n", "died", "grade", "basis"}]
    made = made.astype({"n": "int64", "died": "int64"}).assign(**dict.fromkeys(lost, np.nan))
    return made.sort_values(["basis", "window", "drg", "grade"], ignore_index=True)[[*grades.columns, "groups"]]


def _breaks(frame: pd.DataFrame, state: _State) -> pd.DataFrame:
    """Breaks as far as the released cells show them."""
    assert state.cells is not None  # noqa: S101  CONTROLS
    return findings.breaks(frame, state.cells, state.policy)


def _whole(frame: pd.DataFrame, state: _State) -> pd.DataFrame:
    """A table that holds no number of records."""
    return frame


def released_facts(facts: RunFacts) -> RunFacts:
    """Facts without counts: why a reference cannot grade risk is said, by how many deaths is not.

    Hashes of exact tables are none of them: a guess could be tried against one.
    """
    pool = RuleFacts(id=POOLED, name="各原因合并", message="例数少的各项原因合并")
    insufficient = {basis: dict.fromkeys(windows, "参照死亡例数不足") for basis, windows in facts.insufficient.items()}
    return facts.released(rules=(*facts.rules, pool), insufficient=insufficient)


REPORTS = {"region_report", "data_quality", "indicators", "change", "project_report"}  # notebooks fit for release

Control = Callable[[pd.DataFrame, _State], pd.DataFrame]
# in this order: changes and units follow what the cells show
CONTROLS: dict[str, Control] = {
    "cells": _cells,
    "changes": _changes,
    "units": _units,
    "accounts": _accounts,
    "monthly": _monthly,
    "files": _files,
    "hospitals": _hospitals,
    "cube": _cube,
    "grades": _grades,
    "cohorts": _whole,
    "holds": lambda frame, state: findings.without_numbers(frame),
    "breaks": _breaks,
    "grade_stability": lambda frame, state: findings.grade_stability(frame, state.policy),
    "coding_depth": lambda frame, state: findings.coding_depth(frame, state.policy),
}
_declared = {one.release for one in TABLES if one.release}
assert _declared == set(CONTROLS), f"controls and declarations differ: {_declared ^ set(CONTROLS)}"  # noqa: S101
