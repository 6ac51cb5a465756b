"""判定规则: from what each indicator shows to a decision on each project, by a declared rule.

Indicator → domain → project. An indicator has met what the rule requires, has missed it, cannot be told (open), or is not
judged. A decision that hangs on what cannot be told is 边界, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from toolkit.errors import nearest
from toolkit.resources import resource
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]
RULE = "params/rules/decision.yaml"
MET, OPEN, MISSED = 1.0, 0.0, -1.0  # of an indicator or domain; not judged is missing (NaN)
STATE_ZH = {MET: "达到", OPEN: "不能判定", MISSED: "未达到"}
NOT_JUDGED_ZH = "不予评价"


class Outcome(StrEnum):
    """What is decided on a project."""

    QUALIFIED = "qualified"
    MEND = "mend"
    BOUNDARY = "boundary"
    NOT_JUDGED = "not_judged"

    @property
    def zh(self) -> str:
        return {"qualified": "合格", "mend": "整改", "boundary": "边界", "not_judged": "不予评价"}[self.value]


OUTCOMES = tuple(Outcome)  # an array of outcomes holds places in it


class Requirement(Section):
    """What one indicator (or item of evidence, or of the panel) must show.

    Attributes
    ----------
    requires
        `improved`, `not_worse`: judged by the change of the run; `target`: the value against the project's own target, or
        against `at`.
    direction
        Of a `target` of an item that is no indicator of the catalogue.
    red_flag
        Missed, it decides against the project whatever else is met.
    """

    id: Text
    title: str = ""
    domain: Text
    requires: Literal["improved", "not_worse", "target"] = "not_worse"
    at: float | None = None
    direction: Literal["higher", "lower"] = "higher"
    red_flag: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Requirement:
        if self.at is not None and self.requires != "target":
            raise ValueError(f"{self.id}: at 只用于 requires: target (a value belongs to a target)")
        return self


class Domain(Section):
    """A domain is met where `share_met` of its judged indicators are, rounded up."""

    id: Text
    title: Text
    share_met: Share = 0.5
    minimum_judged: int = Field(1, ge=1)
    required: bool = False


class AfterSite(Section):
    """What a project becomes after the visit, whose material was confirmed or refuted; a 边界 that is confirmed is settled.

    Attributes
    ----------
    needs
        The probability of truly meeting the rule that a confirmed 边界 needs to become `confirmed`; below it `refuted` holds.
    """

    needs: float = Field(0.0, ge=0, le=1)
    confirmed: Literal["qualified", "mend"] = "qualified"
    refuted: Literal["qualified", "mend"] = "mend"


class DecisionRule(Section):
    """The contract between a commission and its projects.

    Attributes
    ----------
    certainty
        An indicator whose interval leaves it open counts as met where the probability that it is reaches this, as missed where
        that of the contrary does; without it, open stays open. A red flag is missed by its whole interval only.
    minimum_domains
        With fewer judged domains a project is 不予评价.
    domains_met
        So many domains must be met, and every required one.
    """

    id: Text
    title: Text
    source: Text
    standing: Literal["公开文献", "示例", "本地规定"]
    indicators: list[Requirement] = Field(min_length=1)
    domains: list[Domain] = Field(min_length=1)
    minimum_domains: int = Field(1, ge=1)
    domains_met: int = Field(ge=1)
    certainty: float | None = Field(None, gt=0.5, lt=1)
    after_site: AfterSite = AfterSite()

    @model_validator(mode="after")
    def _whole(self) -> DecisionRule:
        ids, domains = [one.id for one in self.indicators], [one.id for one in self.domains]
        for what, given in (("指标", ids), ("领域", domains)):
            if repeated := sorted({i for i in given if given.count(i) > 1}):
                raise ValueError(f"{what}重复: {'、'.join(repeated)} (repeated)")
        for one in self.indicators:
            if one.domain not in domains:
                raise ValueError(
                    f"{one.id}: 没有领域 {one.domain}，是否为 {nearest(one.domain, domains)}? (no such domain)"
                )
        if empty := [d.title for d in self.domains if not any(one.domain == d.id for one in self.indicators)]:
            raise ValueError(f"没有指标的领域: {'、'.join(empty)} (domains without an indicator)")
        for name in ("minimum_domains", "domains_met"):
            if getattr(self, name) > len(domains):
                raise ValueError(f"{name} 多于领域数 {len(domains)} (more than there are domains)")
        return self

    @cached_property
    def places(self) -> Mapping[str, np.ndarray]:
        """Domain id → places of its indicators."""
        return {
            d.id: np.array([k for k, one in enumerate(self.indicators) if one.domain == d.id]) for d in self.domains
        }

    def requirement(self, id_: str) -> Requirement:
        """What an indicator must show."""
        return next(one for one in self.indicators if one.id == id_)


def read_rule(path: Path | None = None) -> DecisionRule:
    """The rule in a YAML file; the shipped example if none is given.

    Raises
    ------
    ParameterError
        With file, line and what was expected.
    """
    file = path or resource(RULE)
    values, lines = read_yaml(file)
    return validate(DecisionRule, values, lines, file)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decided:
    """The rule applied: `outcomes` are places in `OUTCOMES`, `domains` states by domain id; any leading shape."""

    outcomes: np.ndarray
    domains: Mapping[str, np.ndarray]
    flagged: np.ndarray


def apply(rule: DecisionRule, states: np.ndarray) -> Decided:
    """The decision for states of the indicators.

    Parameters
    ----------
    states
        Shape (…, indicators) in the order of the rule: `MET`, `OPEN`, `MISSED`, missing where not judged.
    """
    flags = np.array([one.red_flag for one in rule.indicators])
    flagged = ((states == MISSED) & flags).any(axis=-1)
    domains = {d.id: _domain(d, states[..., rule.places[d.id]]) for d in rule.domains}
    stacked = np.stack([domains[d.id] for d in rule.domains], axis=-1)
    required = np.array([d.required for d in rule.domains])
    judged, met, open_ = (~np.isnan(stacked)).sum(-1), (stacked == MET).sum(-1), (stacked == OPEN).sum(-1)
    lost = (met + open_ < rule.domains_met) | ((stacked == MISSED) & required).any(-1)
    won = (met >= rule.domains_met) & ((stacked == MET) | ~required).all(-1)
    unknown = (judged < rule.minimum_domains) | (np.isnan(stacked) & required).any(-1)
    kinds = [Outcome.MEND, Outcome.NOT_JUDGED, Outcome.MEND, Outcome.QUALIFIED]
    found = np.select(
        [flagged, unknown, lost, won], [OUTCOMES.index(k) for k in kinds], OUTCOMES.index(Outcome.BOUNDARY)
    )
    return Decided(outcomes=found, domains=domains, flagged=flagged)


def _domain(domain: Domain, states: np.ndarray) -> np.ndarray:
    judged = (~np.isnan(states)).sum(-1)
    met, open_ = (states == MET).sum(-1), (states == OPEN).sum(-1)
    needed = np.ceil(judged * domain.share_met - 1e-9)
    found = np.select([met >= needed, met + open_ < needed], [MET, MISSED], OPEN)
    return np.where(judged < domain.minimum_judged, np.nan, found)


def hinges(rule: DecisionRule, states: np.ndarray) -> Iterator[str]:
    """Ids of the open indicators of one project each of which, met or missed, would by itself change the decision."""
    now = apply(rule, states).outcomes
    for k, one in enumerate(rule.indicators):
        if states[k] == OPEN:
            others = np.repeat(states[None, :], 2, axis=0)
            others[:, k] = MET, MISSED
            if (apply(rule, others).outcomes != now).any():
                yield one.id


def needed(domain: Domain, judged: int) -> int:
    """How many of the judged indicators of a domain must be met."""
    return ceil(judged * domain.share_met - 1e-9)


def state_zh(state: float) -> str:
    """A state in a word."""
    return NOT_JUDGED_ZH if np.isnan(state) else STATE_ZH[state]
