"""From a change to a verdict: one function, and one table of rules that a commission can read and replace."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none
from pydantic import Field, model_validator

from toolkit.frames import names_of
from toolkit.indicators import Declared, Direction
from toolkit.models.change.base import Obstacle, inferential
from toolkit.params import ChangePolicy
from toolkit.resources import resource
from toolkit.strict_yaml import Section, read_yaml, validate

RULES = "params/rules/verdict.yaml"


class Verdict(StrEnum):
    """What a panel reads: the id that tables hold, its Chinese word, and what it means."""

    IMPROVED = "improved"
    WORSE = "worse"
    STABLE = "stable"
    UNDECIDED = "undecided"
    NOT_JUDGED = "not_judged"

    @property
    def zh(self) -> str:
        return _SAID[self][0]

    @property
    def meaning(self) -> str:
        return _SAID[self][1]


_SAID = {
    Verdict.IMPROVED: ("改善", "区间完全落在好的一侧，且变化不小于最小有意义变化"),
    Verdict.WORSE: ("变差", "区间完全落在差的一侧，且变化不小于最小有意义变化"),
    Verdict.STABLE: ("基本持平", "区间全部在最小有意义变化之内"),
    Verdict.UNDECIDED: ("不能判定", "区间容得下不止一种结论，能排除的写在括号里"),
    Verdict.NOT_JUDGED: ("不予评价", "例数、参照单元或机构数据不足，没有区间，或只作描述，理由见各表"),
}


# of verdicts given before the table is asked: reason id and words
POOR_DATA = "poor_data"
NO_PROJECT, NO_PROJECT_ZH = "no_project", "未立项，前后变化只作描述"
NO_CASES, NO_CASES_ZH = "no_cases", "没有可评价的病例"

Condition = Literal[
    "neutral",
    "untested",
    "few_cases",
    "no_value",
    "no_events",
    "no_spread",
    "few_comparisons",
    "no_interval",
    "baseline_decides",
    "adjusted_away",
    "inside",
    "better",
    "worse",
    "includes_none",
    "meaningful",
    "small",
    "excludes_worsening",
    "excludes_improvement",
]


class VerdictRule(Section):
    """One line of the table: a change of which all of `when` holds gets this verdict, for this reason."""

    verdict: Annotated[Verdict, Field(strict=False)]
    reason: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    when: list[Condition]
    zh: str = Field(min_length=1)


class VerdictRules(Section):
    """The table, in its order. Together the rules must leave no change without a verdict."""

    rules: list[VerdictRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> VerdictRules:
        for shown in _every_change():
            if not any(set(rule.when) <= shown for rule in self.rules):
                raise ValueError(
                    f"有变化落不到任何规则: {'、'.join(sorted(shown))} (the rules leave a change without a verdict)"
                )
        return self

    @model_validator(mode="after")
    def _reasons(self) -> VerdictRules:
        said: dict[str, str] = {}
        for rule in self.rules:
            if said.setdefault(rule.reason, rule.zh) != rule.zh:
                raise ValueError(f"理由 {rule.reason} 有两种说法 (one reason id, two sentences)")
        return self


@cache
def _every_change() -> frozenset[frozenset[Condition]]:
    """Every combination of conditions that an interval can show where nothing stands before it, or that has no interval."""
    found: set[frozenset[Condition]] = set()
    ends = [0.0, 0.5, 0.8, 0.9, 0.99, 1.0, 1.01, 1.1, 1.2, 2.0, np.inf]
    rows = [(low, at, high) for low, at, high in product(ends, ends, ends) if low <= at <= high]
    rows += [(low, np.nan, np.inf) for low in ends[:-1]] + [(np.nan, at, np.nan) for at in (np.nan, 0.5, 1.0, 2.0)]
    changes = pd.DataFrame(rows, columns=["low", "estimate", "high"]).assign(n_before=1, n_after=1)
    for minimum, better in product((0.0, 0.1), (Direction.HIGHER, Direction.LOWER)):
        policy = ChangePolicy(minimum_cases=1, minimum_important=minimum)
        holds = _conditions(changes, pd.Series(better, index=changes.index, dtype=object), policy)
        found |= {frozenset(c for c in holds if holds[c][row]) for row in range(len(changes))}
    return frozenset(found)


@cache
def rules(path: Path | None = None) -> VerdictRules:
    """The table in a file; the shipped one if none is given.

    Raises
    ------
    ParameterError
        With file, line and what was expected.
    """
    file = path or resource(RULES)
    values, lines = read_yaml(file)
    return validate(VerdictRules, values, lines, file)


def directions(indicators: Mapping[str, Declared]) -> dict[str, Direction | None]:
    """Which way is better; None for what cannot be tested (totals, distinct counts), which is described only."""
    return {id_: one.direction if inferential(one) else None for id_, one in indicators.items()}


def verdicts(
    changes: pd.DataFrame,
    directions: Mapping[str, Direction | None],
    policy: ChangePolicy,
    insufficient: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The verdict of every row of a table of changes, why, and how sure one can be.

    Parameters
    ----------
    changes
        `indicator, estimate, low, high, n_before, n_after`: ratio with limits, 1 = no change, missing where the method could
        not give them; optionally `obstacle` (why it could not, as in `Change`), `baseline_decides`, and `adjusted_away` (no
        change at the declared level once all that was looked at is counted).
    directions
        As from the function of this name.
    insufficient
        Hospital -> why its data do not suffice (rule X04); `changes` then has a column `hospital`. Such a hospital's units are
        not judged, whatever the table says: the limits are declared once, in `quality`.

    Returns
    -------
    pd.DataFrame
        `verdict` (id), `reason` (id of the rule's reason), `reason_zh`, and `p_improvement`, `p_meaningful` as of `sureness`;
        the index of `changes`.
    """
    direction = changes["indicator"].map(dict(directions)).astype(object)
    holds = _conditions(changes, direction, policy)
    table = rules(policy.verdict_rules)
    always = np.ones(len(changes), dtype=bool)
    applies = np.column_stack([np.all([always, *[holds[c] for c in rule.when]], axis=0) for rule in table.rules])
    first = applies.argmax(axis=1)  # of the first True
    given = {
        "verdict": [rule.verdict.value for rule in table.rules],
        "reason": [rule.reason for rule in table.rules],
        "reason_zh": [rule.zh for rule in table.rules],
    }
    found = pd.DataFrame({c: np.array(v, dtype=object)[first] for c, v in given.items()}, index=changes.index)
    if insufficient:
        poor = changes["hospital"].map(dict(insufficient))
        found = not_judged(found, poor.notna(), POOR_DATA, poor)
    return found.assign(**sureness(changes, direction, policy))


def not_judged(found: pd.DataFrame, rows: pd.Series, reason: str, zh: str | pd.Series) -> pd.DataFrame:
    """`found` with 不予评价 in some rows, for a reason that stands before the table."""
    instead = pd.DataFrame(
        {"verdict": Verdict.NOT_JUDGED.value, "reason": reason, "reason_zh": zh}, index=found.index, dtype=object
    )
    return found.assign(**{c: found[c].mask(rows, instead[c]) for c in names_of(instead)})


def _conditions(changes: pd.DataFrame, direction: pd.Series, policy: ChangePolicy) -> dict[Condition, np.ndarray]:
    estimate, low, high = (changes[c].to_numpy(float) for c in ("estimate", "low", "high"))
    margin = 1 + policy.minimum_important
    known = ~np.isnan(low) & ~np.isnan(high)
    rose, fell = known & (low > 1), known & (high < 1)
    no_rise, no_fall = known & (high < margin), known & (low > 1 / margin)  # of a meaningful one
    higher, lower = ((direction == d).to_numpy(bool) for d in (Direction.HIGHER, Direction.LOWER))
    none = np.zeros(len(changes), dtype=bool)
    obstacle = changes["obstacle"].to_numpy(object) if "obstacle" in changes else np.full(len(changes), "", object)
    small = (1 / margin < estimate) & (estimate < margin)
    decides = changes["baseline_decides"].to_numpy(bool) if "baseline_decides" in changes else none
    away = changes["adjusted_away"].to_numpy(bool) if "adjusted_away" in changes else none
    found: dict[Condition, np.ndarray] = {
        "neutral": (direction == Direction.NEUTRAL).to_numpy(bool),
        "untested": direction.isna().to_numpy(bool),
        "few_cases": changes[["n_before", "n_after"]].min(axis=1, skipna=False).to_numpy() < policy.minimum_cases,
        "no_value": ~known & (obstacle == Obstacle.NO_VALUE),
        "no_events": ~known & (obstacle == Obstacle.NO_EVENTS),
        "no_spread": ~known & (obstacle == Obstacle.NO_SPREAD),
        "few_comparisons": ~known & (obstacle == Obstacle.FEW_COMPARISONS),
        "no_interval": ~known,
        "baseline_decides": known & decides,
        "adjusted_away": away & (rose | fell) & ~(no_rise & no_fall),
        "inside": no_rise & no_fall,
        "better": (rose & higher) | (fell & lower),
        "worse": (rose & lower) | (fell & higher),
        "includes_none": known & ~rose & ~fell,
        "meaningful": ~small & ~(np.isnan(estimate) & ~known),
        "small": small,
        "excludes_worsening": (no_rise & lower) | (no_fall & higher),
        "excludes_improvement": (no_rise & higher) | (no_fall & lower),
    }
    assert set(found) == set(get_args(Condition))  # noqa: S101
    return found


def sureness(changes: pd.DataFrame, direction: pd.Series, policy: ChangePolicy) -> dict[str, np.ndarray]:
    """把握: the probability that the true change is an improvement, and that it is a meaningful one.

    Of the confidence distribution that the interval belongs to: on the log scale normal on either side of the estimate, with
    the width that puts the limits where they are; so an interval that just touches no change gives 97.5 % (or 2.5 %). Where no
    event was left (estimate 0) the exact one of a Poisson count of 0, t ↦ tail^(t / limit); where there was none before, the
    same of the inverse. Missing without interval, and of indicators with no good side.

    Returns
    -------
    dict
        `p_improvement`, `p_meaningful` (at least `minimum_important`), of the rows of `changes`.
    """
    margin = 1 + policy.minimum_important
    estimate, low, high = (changes[c].to_numpy(float) for c in ("estimate", "low", "high"))
    tail = (1 - policy.confidence) / 2
    below = {at: share_below(estimate, low, high, at, tail) for at in {1.0, 1 / margin, margin}}
    higher, lower = ((direction == d).to_numpy(bool) for d in (Direction.HIGHER, Direction.LOWER))
    nan = np.nan
    return {
        "p_improvement": np.where(lower, below[1.0], np.where(higher, 1 - below[1.0], nan)),
        "p_meaningful": np.where(lower, below[1 / margin], np.where(higher, 1 - below[margin], nan)),
    }


def share_below(estimate: np.ndarray, low: np.ndarray, high: np.ndarray, at: float, tail: float) -> np.ndarray:
    """Share of the confidence distribution of a ratio below `at`."""
    z = scipy.special.ndtri(1 - tail)
    with np.errstate(all="ignore"):
        away = np.log(at / estimate)
        width = np.where(away < 0, np.log(estimate / low), np.log(high / estimate)) / z
        share = scipy.special.ndtr(away / np.where(width > 0, width, np.nan))
        none_left = np.isfinite(high) & (estimate == 0) & (high > 0)
        none_before = (np.isnan(estimate) | np.isinf(estimate)) & np.isinf(high) & (low > 0)
        share = np.where(none_left, 1 - tail ** (at / high), share)
        share = np.where(none_before, tail ** (low / at), share)
    return np.where(np.isnan(low) | np.isnan(high), np.nan, share)


class Position(StrEnum):
    """Where a rate lies against a reference, by its interval."""

    HIGHER = "高于参照"
    LOWER = "低于参照"
    NOT_DIFFERENT = "与参照无差异"
    UNKNOWN = "不能判定"


def position(low: float, high: float, reference: float = 1.0) -> Position:
    """Higher or lower only where the interval excludes the reference; an end on the reference excludes nothing."""
    if np.isnan(low) or np.isnan(high) or np.isnan(reference):
        return Position.UNKNOWN
    if low > reference:
        return Position.HIGHER
    return Position.LOWER if high < reference else Position.NOT_DIFFERENT
