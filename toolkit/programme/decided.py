"""The decisions on all projects as tables: outcome, why, what to mend, what it hangs on, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.indicators import CATALOGUE
from toolkit.programme.decision import (
    MET,
    MISSED,
    OPEN,
    OUTCOMES,
    Decided,
    DecisionRule,
    Outcome,
    apply,
    hinges,
    needed,
    state_zh,
)
from toolkit.programme.findings import Findings

DRAWS = 1000
SETTLED = (Outcome.QUALIFIED, Outcome.NOT_JUDGED)  # nothing is to be mended


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """Decisions on projects.

    Attributes
    ----------
    projects
        One row a project: `project, outcome, outcome_zh, why, mend` (what was missed, of 整改 and 边界), `hangs_on, flips`
        (probability that it would be another if the same years were observed once more), `p_qualified, p_mend` (what is true,
        nothing left open), `red_flag`, then a column a domain.
    indicators
        One row a project and indicator: `project, indicator, title, domain, requires, state, state_zh, estimate, low, high,
        target, p_met, verdict, reason_zh`.
    pairs
        How the errors of indicators go together, which the probabilities rest on; as of `Findings`.
    """

    rule: DecisionRule
    projects: pd.DataFrame
    indicators: pd.DataFrame
    pairs: pd.DataFrame


def decide(findings: Findings, *, draws: int = DRAWS, seed: int = 0) -> Decisions:
    """Apply the rule to all projects, and again to draws of what the findings leave open."""
    rule, states = findings.rule, findings.states
    made = apply(rule, states)
    flips = np.full(len(states), np.nan)
    true = np.full((2, len(states)), np.nan)
    if draws and len(states):
        flips = (apply(rule, findings.again(draws, seed)).outcomes != made.outcomes).mean(axis=0)
        drawn = apply(rule, findings.true(draws, seed + 1)).outcomes
        true = np.stack([(drawn == OUTCOMES.index(o)).mean(axis=0) for o in (Outcome.QUALIFIED, Outcome.MEND)])
    outcomes = [OUTCOMES[k] for k in made.outcomes]
    rows = [
        {
            "project": project,
            "outcome": outcomes[k].value,
            "outcome_zh": outcomes[k].zh,
            "why": _why(rule, made, states, k),
            "mend": "" if outcomes[k] in SETTLED else "；".join(_missed(rule, states[k])),
            "hangs_on": "；".join(title(rule, i) for i in hinges(rule, states[k])),
            "flips": flips[k],
            "p_qualified": true[0, k],
            "p_mend": true[1, k],
            "red_flag": bool(made.flagged[k]),
            **{d.id: state_zh(made.domains[d.id][k]) for d in rule.domains},
        }
        for k, project in enumerate(findings.projects)
    ]
    columns = ["project", "outcome", "outcome_zh", "why", "mend", "hangs_on", "flips", "p_qualified", "p_mend"]
    columns += ["red_flag", *(d.id for d in rule.domains)]
    return Decisions(
        rule=rule,
        projects=pd.DataFrame(rows, columns=columns),
        indicators=_indicators(findings, states),
        pairs=_titled(findings),
    )


def title(rule: DecisionRule, id_: str) -> str:
    """An indicator's name as the rule or the catalogue gives it."""
    given = rule.requirement(id_).title
    return given or (CATALOGUE[id_].name_zh if id_ in CATALOGUE else id_)


def _titled(findings: Findings) -> pd.DataFrame:
    """Pairs with the indicators' names."""
    names = {one.id: title(findings.rule, one.id) for one in findings.rule.indicators}
    pairs = findings.pairs
    return pairs.assign(title=pairs["indicator"].map(names), other_title=pairs["other"].map(names))


def _missed(rule: DecisionRule, states: np.ndarray) -> list[str]:
    return [title(rule, one.id) for one, state in zip(rule.indicators, states, strict=True) if state == MISSED]


def _why(rule: DecisionRule, made: Decided, states: np.ndarray, k: int) -> str:
    """One sentence a domain, and the red flag first."""
    parts = []
    if made.flagged[k]:
        flags = [
            title(rule, one.id)
            for one, state in zip(rule.indicators, states[k], strict=True)
            if one.red_flag and state == MISSED
        ]
        parts.append(f"红线未达到：{'、'.join(flags)}")
    for domain in rule.domains:
        own = states[k, rule.places[domain.id]]
        judged = int((~np.isnan(own)).sum())
        met, open_ = int((own == MET).sum()), int((own == OPEN).sum())
        said = f"可评价 {judged} 项，达到 {met} 项，不能判定 {open_} 项，需 {needed(domain, judged)} 项"
        if judged < domain.minimum_judged:
            said = f"可评价 {judged} 项，少于 {domain.minimum_judged} 项"
        parts.append(f"{domain.title}{state_zh(made.domains[domain.id][k])}（{said}）")
    return "；".join(parts)


def _indicators(findings: Findings, states: np.ndarray) -> pd.DataFrame:
    rule = findings.rule
    zh = {d.id: d.title for d in rule.domains}
    rows = pd.DataFrame(
        [
            {
                "project": project,
                "place": place,
                "indicator": one.id,
                "title": title(rule, one.id),
                "domain": zh[one.domain],
                "requires": {"improved": "须改善", "not_worse": "不得变差", "target": "达到目标"}[one.requires],
                "state": states[k, place],
                "state_zh": state_zh(states[k, place]),
            }
            for k, project in enumerate(findings.projects)
            for place, one in enumerate(rule.indicators)
        ],
        columns=["project", "place", "indicator", "title", "domain", "requires", "state", "state_zh"],
    )
    shown = ["project", "place", "estimate", "low", "high", "verdict", "reason_zh", "p_met"]
    numbers = [findings.changes.assign(p_met=findings.p_met(findings.changes))[shown]]
    if len(findings.measured):
        numbers.append(
            findings.measured.rename(columns={"value": "estimate"})[
                ["project", "place", "estimate", "low", "high", "target"]
            ]
        )
    both = rows.merge(pd.concat(numbers, ignore_index=True), on=["project", "place"], how="left")
    if "target" not in both:
        both["target"] = np.nan
    order = ["project", "indicator", "title", "domain", "requires", "state", "state_zh"]
    return both[[*order, "estimate", "low", "high", "target", "p_met", "verdict", "reason_zh"]]
