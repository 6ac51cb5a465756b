"""From a change to a verdict: one function, and one table of rules that a commission can read and replace."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from toolkit.indicators import Direction
from toolkit.params import ChangePolicy
from toolkit.resources import resource
from toolkit.strict_yaml import Section, read_yaml, validate

RULES = "params/rules/verdict.yaml"


class Verdict(StrEnum):
    """What a panel reads; see `MEANING`."""

    IMPROVED = "改善"
    WORSE = "变差"
    NO_CHANGE = "未见变化"
    UNDECIDED = "不能判定"
    NOT_JUDGED = "不予评价"


MEANING: dict[Verdict, str] = {
    Verdict.IMPROVED: "区间完全落在好的一侧，且变化不小于最小有意义变化",
    Verdict.WORSE: "区间完全落在差的一侧，且变化不小于最小有意义变化",
    Verdict.NO_CHANGE: "区间包含“无变化”，或变化小于最小有意义变化",
    Verdict.UNDECIDED: "区间过宽，既不能排除有意义的改善，也不能排除有意义的变差；或没有区间",
    Verdict.NOT_JUDGED: "机构数据不足、例数不足、缺少标杆，或指标不评优劣",
}

Condition = Literal["neutral", "few_cases", "no_interval", "includes_none", "wide", "small", "better", "worse"]


class VerdictRule(Section):
    """One line of the table: a change of which all of `when` holds gets this verdict."""

    verdict: Annotated[Verdict, Field(strict=False)]
    when: list[Condition] = Field(min_length=1)
    reason: str = Field(min_length=1)


class VerdictRules(Section):
    """The table, in its order. Together the rules must leave no change without a verdict."""

    rules: list[VerdictRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> VerdictRules:
        # every combination that a change can show, by the definitions of the conditions
        sides: list[set[Condition]] = [{"no_interval"}, {"includes_none"}, {"includes_none", "wide"}]
        sides += [{side} for side in ("better", "worse")]
        for side in sides:
            for further in ({"small"}, set()):
                shown = side | further
                if not any(set(rule.when) <= shown for rule in self.rules):
                    raise ValueError(
                        f"有变化落不到任何规则: {'、'.join(sorted(shown))} (the rules leave a change without a verdict)"
                    )
        return self


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


def verdicts(
    changes: pd.DataFrame,
    directions: Mapping[str, Direction],
    policy: ChangePolicy,
    insufficient: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The verdict of every row of a table of changes, and why.

    Parameters
    ----------
    changes
        `indicator, estimate, low, high, n_before, n_after`: ratio with limits, 1 = no change, missing where the method could
        not give them.
    insufficient
        Hospital -> why its data do not suffice (rule X04); `changes` then has a column `hospital`. Such a hospital's units are
        not judged, whatever the table says: the limits are declared once, in `quality`.

    Returns
    -------
    pd.DataFrame
        `verdict, reason`, with the index of `changes`.
    """
    holds = _conditions(changes, changes["indicator"].map(dict(directions)), policy)
    table = rules(policy.verdict_rules)
    applies = np.column_stack([np.all([holds[c] for c in rule.when], axis=0) for rule in table.rules])
    first = applies.argmax(axis=1)  # of the first True
    found = pd.DataFrame(
        {
            "verdict": np.array([rule.verdict.value for rule in table.rules], dtype=object)[first],
            "reason": np.array([rule.reason for rule in table.rules], dtype=object)[first],
        },
        index=changes.index,
    )
    if insufficient:
        poor = changes["hospital"].map(dict(insufficient))
        found = found.mask(poor.notna(), pd.DataFrame({"verdict": Verdict.NOT_JUDGED.value, "reason": poor}))
    return found


def _conditions(changes: pd.DataFrame, direction: pd.Series, policy: ChangePolicy) -> dict[Condition, np.ndarray]:
    estimate, low, high = (changes[c].to_numpy(float) for c in ("estimate", "low", "high"))
    margin = 1 + policy.minimum_important
    known = ~np.isnan(low) & ~np.isnan(high)
    rose, fell = known & (low > 1), known & (high < 1)
    higher, lower = ((direction == d).to_numpy(bool) for d in (Direction.HIGHER, Direction.LOWER))
    return {
        "neutral": (direction == Direction.NEUTRAL).to_numpy(bool),
        "few_cases": np.minimum(changes["n_before"], changes["n_after"]).to_numpy() < policy.minimum_cases,
        "no_interval": ~known,
        "includes_none": known & ~rose & ~fell,
        "wide": known & (low < 1 / margin) & (high > margin),
        "small": (1 / margin < estimate) & (estimate < margin),
        "better": (rose & higher) | (fell & lower),
        "worse": (rose & lower) | (fell & higher),
    }


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
