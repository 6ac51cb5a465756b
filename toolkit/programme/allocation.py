"""遴选名额分配: which applicants get a project, as an integer programme over scores and the programme's rules (scipy's HiGHS).

The best set fills as many places as the rules allow, and of such sets it is the one of the highest total score. Equal scores
are decided by declared columns and last by the applicant's id, never by the order of rows. For every applicant left out the
rule is named that keeps it out; each rule has its price, the score that the optimum loses by it; rules that cannot hold
together are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from toolkit.errors import InputError, ParameterError
from toolkit.programme.best_set import TOLERANCE, Rule, best, best_filling
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
TOTAL = "total"
RUNNERS_UP = 10  # places on the list of those who follow
PER = {"市": 700_000, "县": 100_000}  # 温卫发〔2023〕10号: inhabitants for each project


class Population(Section):
    """A quota by inhabitants: one project for each `per` of them, parts of one not counted."""

    inhabitants: int = Field(gt=0)
    per: int = Field(gt=0)


class Limit(Section):
    """At most, at least, or at most a share of all chosen, of the applicants whose `column` holds `value`.

    Without `value` the limit holds for each value of the column by itself.
    """

    id: Text
    title: Text
    column: Text
    value: Text | None = None
    at_most: int | None = Field(None, ge=0)
    at_least: int | None = Field(None, ge=0)
    share: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _one(self) -> Limit:
        if [self.at_most, self.at_least, self.share].count(None) != 2:
            raise ValueError(f"{self.id}: at_most、at_least、share 须给且只给一个 (give exactly one)")
        return self


class Quota(Section):
    """The rules of one allocation.

    Attributes
    ----------
    places
        How many projects there are, or how they follow from the population.
    minimum_score
        An applicant below it is not eligible for a place.
    ties
        Columns that decide between equal scores, larger first; then the applicant's id.
    decimals
        Scores that agree to so many decimals are equal.
    """

    id: Text
    title: Text
    source: Text
    applicant: Text = "applicant"
    score: Text = "score"
    places: int | Population
    minimum_score: float | None = None
    limits: list[Limit] = Field(default=[])
    ties: list[Text] = Field(default=[])
    decimals: int = Field(6, ge=0, le=9)
    when_short: Literal["fill", "refuse"] = "fill"

    @property
    def number(self) -> int:
        """Places."""
        return self.places if isinstance(self.places, int) else floor(self.places.inhabitants / self.places.per)

    @model_validator(mode="after")
    def _checked(self) -> Quota:
        ids = [limit.id for limit in self.limits]
        if repeated := sorted({i for i in ids if ids.count(i) > 1 or i == TOTAL}):
            raise ValueError(f"规则标识重复: {'、'.join(repeated)} (rule ids repeated)")
        if isinstance(self.places, int) and self.places < 0:
            raise ValueError("places 不能为负 (places cannot be negative)")
        return self


def read_quota(path: Path) -> Quota:
    """The rules of an allocation in a YAML file."""
    values, lines = read_yaml(path)
    return validate(Quota, values, lines, path)


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation:
    """Who is chosen, and why the others are not.

    Attributes
    ----------
    applicants
        One row an applicant in order of score: `applicant, score, chosen, place` (among all, 1 = best), `kept_out_by` (titles
        of the rules each of which alone keeps it out; else the limits within which its score is the lower, the rules that keep
        it out together, or its score; empty for the chosen), `runner_up` (order in which places that fall free would be filled).
    rules
        `rule, title, used, low, high, binding, price` (what the optimum would gain without the rule), `more` (places that
        would be filled beside).
    total
        Score of the chosen together.
    """

    applicants: pd.DataFrame
    rules: pd.DataFrame
    total: float


def allocate(quota: Quota, applicants: pd.DataFrame) -> Allocation:
    """The best set of applicants under the rules.

    Parameters
    ----------
    applicants
        One row an applicant: its id, its score (missing: cannot be chosen), and the columns that limits and ties name.

    Raises
    ------
    InputError
        A column is absent or an applicant stands twice.
    ParameterError
        Rules that cannot hold together; they are named.
    """
    problem = _Problem(quota, applicants)
    chosen = problem.solved()
    if chosen is None:
        conflict = problem.conflict()
        raise ParameterError(
            f"没有可行的分配: 以下规则不能同时满足: {'；'.join(r.title for r in conflict)}",
            "rules that cannot hold together",
            where=f"quota {quota.id}",
            remedy="放宽其中一条，或核对申报名单",
            remedy_english="relax one of them, or check the applicants",
        )
    total = float(problem.score[chosen].sum())
    without = {rule.of: problem.solved(leave_out=rule.of) if problem.felt(rule) else chosen for rule in problem.rules}
    frame = problem.frame.assign(chosen=chosen, place=np.arange(1, len(chosen) + 1))
    titles = {rule.of: rule.title for rule in problem.rules}
    kept_out = []
    for i in range(len(frame)):
        alone = [
            titles[id_]
            for id_, other in without.items()
            if id_ != TOTAL and other is not None and other[i] and not chosen[i]
        ]
        kept_out.append("" if chosen[i] else "；".join(alone) or problem.together(i, chosen))
    frame["kept_out_by"] = kept_out
    frame["runner_up"] = problem.runners_up(chosen)
    rows = []
    for rule in problem.rules:
        other = without[rule.of]
        used = float(rule.coefficients @ chosen)
        gain = float(problem.score[other].sum()) - total if other is not None else float("nan")
        rows.append(
            {
                "rule": rule.of,
                "title": rule.title,
                # of a share what a reader counts: the places inside, and how many the share allows
                "used": used + rule.share * int(chosen.sum()),
                "low": rule.low,
                "high": rule.high + rule.share * int(chosen.sum()),
                "binding": bool(used > rule.high - 1 + TOLERANCE or used < rule.low + 1 - TOLERANCE),
                "price": max(gain, 0.0),
                "more": 0 if other is None else int(other.sum()) - int(chosen.sum()),
            }
        )
    return Allocation(applicants=frame, rules=pd.DataFrame(rows), total=total)


SCORE, NO_SCORE, TOGETHER = "分数不及入选者", "没有分数或低于最低分", "几条规则合在一起："
NO_PLACES, NO_BETTER = "没有名额", "换入它，入选者的总分不会更高"


def choices(quota: Quota, applicants: pd.DataFrame, scores: np.ndarray, units: Sequence[str]) -> pd.DataFrame:
    """Who is chosen in every draw of the scores, each draw solved by itself.

    Parameters
    ----------
    scores
        Shape (draws, units), as `toolkit.programme.draws.Draws.scores`; `units` are the applicants' ids.

    Returns
    -------
    pd.DataFrame
        One row a draw, a column an applicant; none is chosen where no set keeps the rules.
    """
    problem = _Problem(quota, applicants)
    place = pd.Index(list(units)).get_indexer(pd.Index(problem.frame[quota.applicant]))
    made = np.zeros((len(scores), len(place)), dtype=bool)
    for k, draw in enumerate(scores):
        found = problem.solved(score=np.where(place >= 0, draw[place], np.nan), ties=False)
        made[k] = False if found is None else found
    return pd.DataFrame(made, columns=pd.Index(problem.frame[quota.applicant]))


@dataclass(eq=False)
class _Problem:
    quota: Quota
    applicants: pd.DataFrame
    frame: pd.DataFrame = field(init=False)
    score: np.ndarray = field(init=False)
    barred: np.ndarray = field(init=False)
    rules: list[Rule] = field(init=False)
    _filled: dict[tuple[object, ...], int | None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        quota = self.quota
        columns = [quota.applicant, quota.score, *(limit.column for limit in quota.limits), *quota.ties]
        if lacking := [c for c in dict.fromkeys(columns) if c not in self.applicants]:
            raise InputError(
                f"申报名单缺少列 {'、'.join(lacking)}",
                "the list of applicants lacks columns",
                where=f"quota {quota.id}",
                remedy="补上这些列",
                remedy_english="add them",
            )
        frame = self.applicants.reset_index(drop=True)
        if frame[quota.applicant].duplicated().any():
            raise InputError(
                f"申报名单中有 {int(frame[quota.applicant].duplicated().sum())} 行重复",
                "an applicant stands twice",
                where=f"quota {quota.id}: {quota.applicant}",
                remedy="每个申报项目一行",
                remedy_english="a row an applicant",
            )
        # an order of its own, so that that of the rows decides nothing
        rounded = frame[quota.score].astype(float).round(quota.decimals)
        keys = pd.DataFrame(
            {"_score": -rounded.fillna(-np.inf), **{f"_{c}": -frame[c].astype(float) for c in quota.ties}}
        )
        keys["_id"] = frame[quota.applicant].astype(str)
        order = keys.sort_values(list(keys.columns), kind="stable").index
        self.frame = frame.loc[order].reset_index(drop=True)
        self.score = rounded.loc[order].to_numpy()
        self.barred = self._barred(self.score)
        self.rules = self._made()

    def _barred(self, score: np.ndarray) -> np.ndarray:
        least = self.quota.minimum_score
        return np.asarray(np.isnan(score) | ((score < least) if least is not None else False))

    def _made(self) -> list[Rule]:
        ones = np.ones(len(self.frame))
        low = float(self.quota.number) if self.quota.when_short == "refuse" else 0.0
        rules = [
            Rule(of=TOTAL, title=f"名额 {self.quota.number}", coefficients=ones, low=low, high=float(self.quota.number))
        ]
        for limit in self.quota.limits:
            column = self.frame[limit.column].astype(str)
            values = [limit.value] if limit.value is not None else sorted(column.unique())
            for value in values:
                inside = (column == value).to_numpy(float)
                high = float(limit.at_most) if limit.at_most is not None else np.inf
                name = limit.title if limit.value is not None else f"{limit.title}（{value}）"
                of = limit.id if limit.value is not None else f"{limit.id}:{value}"
                if limit.share is not None:
                    rules.append(
                        Rule(
                            of=of,
                            title=name,
                            coefficients=inside - limit.share,
                            low=-np.inf,
                            high=0.0,
                            share=limit.share,
                        )
                    )
                else:
                    least = float(limit.at_least) if limit.at_least is not None else -np.inf
                    rules.append(Rule(of=of, title=name, coefficients=inside, low=least, high=high))
        return rules

    def solved(
        self,
        *,
        leave_out: str = "",
        score: np.ndarray | None = None,
        among: Sequence[Rule] | None = None,
        ties: bool = True,
    ) -> np.ndarray | None:
        """Which are chosen, or None where no set keeps the rules; the same set whatever the order of rows."""
        value = self.score if score is None else score
        barred = self.barred if score is None else self._barred(value)
        rules = [r for r in (self.rules if among is None else among) if r.of != leave_out]
        ones, worth = np.ones(len(value)), np.where(barred, 0.0, value)
        key = (barred.tobytes(), tuple(r.of for r in rules), tuple(r.high for r in rules))
        if key not in self._filled:
            most = best(ones, rules, barred)
            self._filled[key] = None if most is None else int(most.sum())
        if (places := self._filled[key]) is None:
            return None
        filled = Rule(of="", title="", coefficients=ones, low=places - 0.5, high=np.inf)
        within, found = best_filling(worth, [*rules, filled], barred, places)
        if not ties or found is None:
            return found
        # of equal totals the set whose members stand first in the order of ties
        least = float(worth @ found) - 10.0**-self.quota.decimals / 4
        as_good = Rule(of="", title="", coefficients=worth, low=least, high=np.inf)
        return best(np.arange(len(value), 0, -1).astype(float), [*rules, filled, as_good], ~within)

    def felt(self, rule: Rule) -> bool:
        """Whether any set of applicants could break the rule."""
        return bool(np.isfinite(rule.low) or np.maximum(rule.coefficients, 0) @ ~self.barred > rule.high)

    def together(self, place: int, chosen: np.ndarray) -> str:
        """Why an applicant that no single rule keeps out is not chosen: its score, or a smallest set of rules together."""
        if self.barred[place]:
            return NO_SCORE
        if not chosen.any():
            return NO_PLACES
        if self.score[place] <= self.score[chosen].min():
            return SCORE
        total, *others = self.rules
        within = [rule.title for rule in others if self._full_of_better(rule, place, chosen)]
        if within:
            return "；".join(f"{title}：其中{SCORE}" for title in within)

        def comes_in(kept: Sequence[Rule]) -> bool:
            found = self.solved(among=[total, *kept])
            return found is not None and bool(found[place])

        if not comes_in([]):
            return NO_BETTER
        kept: list[Rule] = []
        lifted = []
        for rule in others:
            if comes_in([*kept, rule]):
                kept.append(rule)
            else:
                lifted.append(rule.title)
        return TOGETHER + "；".join(lifted)

    def _full_of_better(self, rule: Rule, place: int, chosen: np.ndarray) -> bool:
        """Whether a limit has no room for one more, and all that it holds have a score at least as high."""
        inside = rule.coefficients + rule.share > TOLERANCE
        if not inside[place] or not (chosen & inside).any():
            return False
        # it would come in the place of one outside, where all places are taken
        outside = rule.coefficients[chosen & ~inside]
        full = int(chosen.sum()) >= self.rules[0].high and len(outside)
        needs = rule.coefficients[place] - (outside.min() if full else 0.0)
        room = rule.high - float(rule.coefficients @ chosen) >= needs - TOLERANCE
        return bool(not room and self.score[chosen & inside].min() >= self.score[place])

    def conflict(self) -> list[Rule]:
        """A smallest set of rules that cannot hold together: each is needed for the conflict."""
        needed = list(self.rules)
        for rule in self.rules:
            rest = [r for r in needed if r is not rule]
            if self.solved(among=rest) is None:
                needed = rest
        return needed

    def runners_up(self, chosen: np.ndarray) -> pd.Series:
        """In which order those left out would follow on places that fall free: one more place each time."""
        order = pd.array([None] * len(chosen), dtype="Int64")
        taken, rules, position = chosen.copy(), list(self.rules), 1
        for _ in range(min(int((~chosen & ~self.barred).sum()), RUNNERS_UP)):
            total = rules[0]
            rules[0] = Rule(
                of=TOTAL, title=total.title, coefficients=total.coefficients, low=total.low, high=total.high + 1
            )
            more = self.solved(among=rules)
            if more is None:
                break
            new = np.flatnonzero(more & ~taken)
            if not len(new):
                break
            for i in new:
                order[int(i)] = position
                position += 1
            taken |= more
        return pd.Series(order)
