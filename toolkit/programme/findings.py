"""What each indicator shows about each project, as the decision rule asks it, and how it would come out again.

A finding rests on an estimate with its interval. Two questions are asked of it by drawing: would it be the same if the years
were observed once more (an estimate drawn around this one, with the same width), and what is true (drawn from the confidence
distribution of the interval, without any doubt left). Indicators of one project are drawn together, with the correlation of
their errors; projects are drawn independently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from toolkit.errors import InputError
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict, directions, share_below, verdicts
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE, Direction
from toolkit.params import ChangePolicy
from toolkit.programme.decision import MET, MISSED, OPEN, DecisionRule, Requirement
from toolkit.programme.error_correlation import correlations, distances_of, normal

AT_ONCE = 100_000  # rows of draws judged together
BY_INTERVAL = ("wide", "excludes_worsening", "excludes_improvement")  # reasons of 不能判定 that the width alone makes
FIXED = ("estimate", "low", "high", "n_before", "n_after")


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """Findings on projects by the indicators of a rule.

    Attributes
    ----------
    projects
        Ids; shape (projects,).
    changes
        One row a project and indicator judged by its change: `project, place` (of the indicator in the rule), the columns
        that `verdicts` reads, `verdict, reason, reason_zh`.
    measured
        One row a project and indicator judged by a value: `project, place, value, low, high, target`.
    correlation
        Of the errors of the rule's indicators within a project; shape (indicators, indicators).
    pairs
        What it was estimated on, as from `toolkit.programme.error_correlation.correlations`.
    """

    rule: DecisionRule
    projects: np.ndarray
    changes: pd.DataFrame
    measured: pd.DataFrame
    policy: ChangePolicy
    correlation: np.ndarray
    pairs: pd.DataFrame

    @property
    def _tail(self) -> float:
        return (1 - self.policy.confidence) / 2

    @property
    def states(self) -> np.ndarray:
        """As they are; shape (projects, indicators)."""
        states = np.full((len(self.projects), len(self.rule.indicators)), np.nan)
        _fill(states, self._rows(self.changes), self._of_changes(self.changes))
        _fill(states, self._rows(self.measured), self._of_values(self.measured))
        return states

    def again(self, draws: int, seed: int) -> np.ndarray:
        """States if the same years were observed once more; shape (draws, projects, indicators)."""
        states, z = self._drawn(draws, seed)
        can = _drawable(self.changes)
        rows, at_once = self.changes[can], max(1, AT_ONCE // max(1, int(can.sum())))
        places = self._rows(rows)
        for begin in range(0, draws if len(rows) else 0, at_once):
            now = slice(begin, min(begin + at_once, draws))
            moves = _moves(rows, z[now][:, *places], self._tail)
            moved = pd.concat([rows] * len(moves), ignore_index=True)
            moved = moved.assign(**{c: moved[c].to_numpy(float) * moves.ravel() for c in ("estimate", "low", "high")})
            states[now, *places] = self._of_changes(self._judged(moved)).reshape(moves.shape)
        if len(self.measured):
            at = self._rows(self.measured)
            shift = _deviations(self.measured, z[:, *at], self._tail)
            limits = {c: self.measured[c].to_numpy(float) + shift for c in ("low", "high")}
            states[:, *at] = self._against(limits["low"], limits["high"])
        return states

    def true(self, draws: int, seed: int) -> np.ndarray:
        """States with nothing left open, drawn from what the intervals leave possible; shape as of `again`."""
        states, z = self._drawn(draws, seed)
        rows = self.changes[self.changes["verdict"] != Verdict.NOT_JUDGED.value]
        if len(rows):
            at = self._rows(rows)
            ratios = quantiles(rows, scipy.special.ndtr(z[:, *at]), self._tail)
            states[:, *at] = np.where(np.isnan(ratios), np.nan, self._truth(rows, ratios))
        if len(self.measured):
            at = self._rows(self.measured)
            value = self.measured["value"].to_numpy(float) + _deviations(self.measured, z[:, *at], self._tail)
            states[:, *at] = self._against(value, value)
        return states

    def _drawn(self, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """States as they are, once a draw, and how far each indicator comes out otherwise; shape (draws, projects, indicators)."""
        z = normal(self.correlation, (draws, len(self.projects)), np.random.default_rng(seed))
        return np.repeat(self.states[None], draws, axis=0), z

    def truth_of(self, ratios: np.ndarray) -> np.ndarray:
        """States of projects whose true changes are known: `ratios` by indicator of the rule, > 1 = better; shape (indicators,)."""
        margin = 1 + self.policy.minimum_important
        improved = np.array([one.requires == "improved" for one in self.rule.indicators])
        met = np.where(improved, ratios >= margin if margin > 1 else ratios > 1, ratios > 1 / margin)
        return np.where([one.requires == "target" for one in self.rule.indicators], np.nan, np.where(met, MET, MISSED))

    # --- one kind of finding ------------------------------------------------------------------------------------------

    def _rows(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        order = {project: k for k, project in enumerate(self.projects)}
        return rows["project"].map(order).to_numpy(int), rows["place"].to_numpy(int)

    def _judged(self, rows: pd.DataFrame) -> pd.DataFrame:
        found = verdicts(rows, directions(CATALOGUE), self.policy)
        return rows.assign(verdict=found["verdict"], reason=found["reason"])

    def p_met(self, rows: pd.DataFrame) -> np.ndarray:
        """Probability that rows of `changes` meet what is asked, by the confidence distribution of their intervals."""
        margin = 1 + self.policy.minimum_important
        estimate, low, high = (rows[c].to_numpy(float) for c in ("estimate", "low", "high"))
        lower = np.array([CATALOGUE[i].direction == Direction.LOWER for i in rows["indicator"]], dtype=bool)
        at = np.where(_asked(self.rule, rows, "improved"), margin, 1 / margin)  # of a ratio of which more is better
        found = np.full(len(rows), np.nan)
        for limit in {margin, 1 / margin}:
            below = share_below(estimate, low, high, limit, self._tail)
            own = np.where(lower, np.isclose(1 / at, limit), np.isclose(at, limit))
            found = np.where(own, np.where(lower, below, 1 - below), found)
        return found

    def _of_changes(self, rows: pd.DataFrame) -> np.ndarray:
        """States of rows with their verdict."""
        wants_more = _asked(self.rule, rows, "improved")
        verdict, reason = rows["verdict"].to_numpy(object), rows["reason"].to_numpy(object)
        met = (verdict == Verdict.IMPROVED.value) | (
            ~wants_more & ((verdict == Verdict.STABLE.value) | (reason == "excludes_worsening"))
        )
        missed = (verdict == Verdict.WORSE.value) | (
            wants_more & ((verdict == Verdict.STABLE.value) | (reason == "excludes_improvement"))
        )
        none = verdict == Verdict.NOT_JUDGED.value
        if (sure := self.rule.certainty) is not None:
            p = self.p_met(rows)
            told = np.isin(reason, BY_INTERVAL)
            flags = np.array([one.red_flag for one in self.rule.indicators])[rows["place"].to_numpy(int)]
            met, missed = met | (told & (p >= sure)), missed | (told & (1 - p >= sure) & ~flags)
        return np.select([none, met, missed], [np.nan, MET, MISSED], OPEN)

    def _truth(self, rows: pd.DataFrame, ratios: np.ndarray) -> np.ndarray:
        lower = np.array([CATALOGUE[i].direction == Direction.LOWER for i in rows["indicator"]])
        better = np.where(lower, 1 / np.maximum(ratios, 1e-300), ratios)
        margin = 1 + self.policy.minimum_important
        more = better >= margin if margin > 1 else better > 1
        met = np.where(_asked(self.rule, rows, "improved"), more, better > 1 / margin)
        return np.where(met, MET, MISSED)

    def _of_values(self, rows: pd.DataFrame) -> np.ndarray:
        """A target is met where the whole interval lies at it or beyond, missed where none of it does."""
        return self._against(rows["low"].to_numpy(float), rows["high"].to_numpy(float))

    def _against(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """States of `measured` by limits; shape (…, rows)."""
        lower, target = self.measured["lower"].to_numpy(bool), self.measured["target"].to_numpy(float)
        worst, best = np.where(lower, -high, low), np.where(lower, -low, high)
        target = np.where(lower, -target, target)
        none = np.isnan(worst) | np.isnan(best) | np.isnan(target)
        return np.select([none, worst >= target, best < target], [np.nan, MET, MISSED], OPEN)


def quantiles(rows: pd.DataFrame, u: np.ndarray, tail: float) -> np.ndarray:
    """Ratios below which the share `u` of the confidence distribution lies, as of `toolkit.evaluation.verdict.sureness`.

    Parameters
    ----------
    rows
        `estimate, low, high`.
    u
        Shape (draws, rows).
    """
    estimate, low, high = (rows[c].to_numpy(float) for c in ("estimate", "low", "high"))
    z1 = float(scipy.special.ndtri(1 - tail))
    with np.errstate(all="ignore"):
        z = scipy.special.ndtri(u)
        width = np.where(z < 0, np.log(estimate / low), np.log(high / estimate)) / z1
        found = estimate * np.exp(z * width)
        none_left = (estimate == 0) & np.isfinite(high) & (high > 0)
        none_before = (np.isnan(estimate) | np.isinf(estimate)) & np.isinf(high) & (low > 0)
        found = np.where(none_left, high * np.log1p(-u) / np.log(tail), found)
        found = np.where(none_before, low * np.log(tail) / np.log(u), found)
    return np.where(np.isnan(low) | np.isnan(high), np.nan, found)


def _drawable(rows: pd.DataFrame) -> np.ndarray:
    """Rows whose verdict rests on an interval around an estimate: others come out the same again."""
    numbers = rows[["estimate", "low", "high"]].to_numpy(float)
    finite = np.isfinite(numbers).all(axis=1) & (numbers > 0).all(axis=1)
    return np.asarray(finite & (rows["verdict"] != Verdict.NOT_JUDGED.value).to_numpy(bool))


def _moves(rows: pd.DataFrame, z: np.ndarray, tail: float) -> np.ndarray:
    """Factors by which estimates come out otherwise; shape of `z`, (draws, rows)."""
    estimate, low, high = (rows[c].to_numpy(float) for c in ("estimate", "low", "high"))
    width = np.where(z < 0, np.log(estimate / low), np.log(high / estimate)) / scipy.special.ndtri(1 - tail)
    return np.exp(z * width)


def _deviations(rows: pd.DataFrame, z: np.ndarray, tail: float) -> np.ndarray:
    value, low, high = (rows[c].to_numpy(float) for c in ("value", "low", "high"))
    return np.nan_to_num(z * np.where(z < 0, value - low, high - value) / scipy.special.ndtri(1 - tail))


def _asked(rule: DecisionRule, rows: pd.DataFrame, what: str) -> np.ndarray:
    asks = np.array([one.requires == what for one in rule.indicators])
    return asks[rows["place"].to_numpy(int)]


def _fill(states: np.ndarray, at: tuple[np.ndarray, np.ndarray], found: np.ndarray) -> None:
    states[at] = found


# --- from a run and from tables -------------------------------------------------------------------------------------------

_CHANGES = ["project", "place", "indicator", *FIXED, "obstacle", "baseline_decides", "adjusted_away"]
_VALUES = ["project", "place", "value", "low", "high", "target", "lower"]


def of_run(
    results: Results,
    rule: DecisionRule,
    targets: pd.DataFrame | None = None,
    given: pd.DataFrame | None = None,
    *,
    by_records: pd.DataFrame | None = None,
) -> Findings:
    """The findings of a run on its projects.

    Parameters
    ----------
    targets
        `project, indicator, target`: each project's own, of its 建设方案.
    given
        One row a project (`project`), a column an item that is no indicator of the run: evidence, the panel.
    by_records
        Correlation of indicators by drawing the run's records again, as `toolkit.programme.error_correlation` reads it.

    Raises
    ------
    InputError
        A table names a project that the run does not have.
    """
    units = results.units[results.units["project"].astype(str) != ""]
    projects = units["id"].astype(str).to_numpy(object)
    for what, table in (("目标表", targets), ("数值表", given)):
        _known(what, table, results.units["id"].astype(str))
    place = {one.id: k for k, one in enumerate(rule.indicators)}
    changes = results.changes[results.changes["level"] == "unit"].merge(
        units[["hospital", "specialty", "id"]].rename(columns={"id": "project"}), on=["hospital", "specialty"]
    )
    by_change = [one.id for one in rule.indicators if one.requires != "target"]
    own = changes[changes["indicator"].isin(by_change)].reset_index(drop=True)
    named = {c: own[f"judged_{c}"] for c in (*FIXED, "obstacle")}
    family = own["p_family"].astype(float)
    own = own.assign(
        place=own["indicator"].map(place).astype(int),
        **named,
        baseline_decides=own["reason"] == "baseline_decides",
        adjusted_away=(family >= 1 - results.params.change.confidence).fillna(False),
    )
    measured = _values(results, rule, units, targets, given)
    matrix, pairs = correlations(distances_of(results), [one.id for one in rule.indicators], by_records)
    return Findings(
        rule=rule,
        projects=projects,
        changes=own[[*_CHANGES, "verdict", "reason", "reason_zh"]],
        measured=measured,
        policy=results.params.change,
        correlation=matrix,
        pairs=pairs,
    )


def _known(what: str, table: pd.DataFrame | None, units: pd.Series) -> None:
    """A table may speak of applicants that got no project, not of units that the run does not know."""
    if table is not None and (strange := sorted(set(table["project"]) - set(units))):
        raise InputError(
            f"{what}中的项目不在本次运行中: {'、'.join(strange[:5])}",
            "projects that the run does not have",
            where=what,
            remedy="项目编号见 results/units 的 id 列",
            remedy_english="ids stand in results/units",
        )


def _values(
    results: Results, rule: DecisionRule, units: pd.DataFrame, targets: pd.DataFrame | None, given: pd.DataFrame | None
) -> pd.DataFrame:
    own: dict[tuple[str, str], float] = {}
    if targets is not None:
        numbers = pd.to_numeric(targets["target"], errors="coerce")
        own = {(p, i): float(t) for p, i, t in zip(targets["project"], targets["indicator"], numbers, strict=True)}
    at = {one.id: _last_cycle(results, one.hospital, one.specialty) for one in rows_of(units)}
    item = {} if given is None else given.set_index("project").to_dict("index")
    rows = []
    for place, one in enumerate(rule.indicators):
        if one.requires != "target":
            continue
        for project in units["id"]:
            value = at[project].get(one.id)
            if value is None:
                number = pd.to_numeric(pd.Series([item.get(project, {}).get(one.id)]), errors="coerce").iloc[0]
                value = {"value": number, "low": number, "high": number}
            goal = own.get((project, one.id), np.nan if one.at is None else one.at)
            rows.append({"project": project, "place": place, **value, "target": goal, "lower": _lower(one)})
    return pd.DataFrame(rows, columns=_VALUES)


def _last_cycle(results: Results, hospital: str, specialty: str) -> dict[str, dict[str, float]]:
    """Indicator → `value, low, high` of a project's own cycle."""
    own = results.of_project(hospital, specialty)
    cells = own.cells
    rows = cells[
        (cells["level"] == "unit")
        & (cells["basis"] == "contemporaneous")
        & (cells["period"] == own.last_period)
        & (cells["hospital"] == hospital)
        & (cells["specialty"] == specialty)
    ]
    return {one.indicator: {"value": one.value, "low": one.low, "high": one.high} for one in rows_of(rows)}


def _lower(one: Requirement) -> bool:
    if one.id in CATALOGUE:
        return CATALOGUE[one.id].direction == Direction.LOWER
    return one.direction == "lower"


def of_table(
    rule: DecisionRule,
    rows: pd.DataFrame,
    policy: ChangePolicy,
    insufficient: Mapping[str, str] | None = None,
    *,
    distances: pd.DataFrame | None = None,
) -> Findings:
    """Findings from a table of changes; verdicts are given here.

    Parameters
    ----------
    rows
        `project, indicator, estimate, low, high, n_before, n_after`.
    distances
        As `toolkit.programme.error_correlation.correlations` reads them; without them indicators are drawn independently.
    """
    place = {one.id: k for k, one in enumerate(rule.indicators) if one.requires != "target"}
    own = rows[rows["indicator"].isin(place)].reset_index(drop=True)
    own = own.assign(place=own["indicator"].map(place).astype(int), obstacle="", baseline_decides=False)
    own = own.assign(adjusted_away=False)
    found = verdicts(own, directions(CATALOGUE), policy, insufficient)
    own = own[_CHANGES].assign(**{c: found[c] for c in ("verdict", "reason", "reason_zh")})
    known = pd.DataFrame() if distances is None else distances
    matrix, pairs = correlations(known, [one.id for one in rule.indicators])
    return Findings(
        rule=rule,
        projects=own["project"].drop_duplicates().to_numpy(object),
        changes=own,
        measured=pd.DataFrame(columns=_VALUES),
        policy=policy,
        correlation=matrix,
        pairs=pairs,
    )
