"""专家组: who scores what, sheets without names, scores read back, and one score of many by a declared rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import scipy
from pydantic import Field

from toolkit.errors import InputError, ParameterError
from toolkit.frames import groups_of, rows_of
from toolkit.programme.agreement import icc, ipras, kendall_w, standing_of_experts
from toolkit.programme.systems import Item, Rating, System
from toolkit.resources import resource
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
RULE = "params/rules/panel.yaml"
SEPARATOR = ";"  # between entries of an expert's further conflicts


class Aggregate(Section):
    """One score of many: the mean, the mean without the `cut` highest and lowest, or the median."""

    rule: Literal["mean", "trimmed", "median"]
    cut: int = Field(1, ge=0)


class PanelRule(Section):
    """How a panel works.

    Attributes
    ----------
    conflict_columns
        An expert does not score an applicant with which any of these columns agrees.
    outlying
        In robust standard deviations.
    """

    id: Text
    title: Text
    source: Text
    standing: Literal["公开文献", "示例", "本地规定"]
    experts_per_project: int = Field(ge=1)
    minimum_experts: int = Field(1, ge=1)
    conflict_columns: list[Text] = Field(default=[])
    aggregate: Aggregate
    outlying: float = Field(2.5, gt=0)


def read_panel_rule(path: Path | None = None) -> PanelRule:
    """The rule in a YAML file; the shipped example if none is given."""
    file = path or resource(RULE)
    values, lines = read_yaml(file)
    return validate(PanelRule, values, lines, file)


def asked_of(system: System) -> list[Item]:
    """Items that experts rate."""
    return [
        item
        for item in system.items
        if item.source == "panel" or (item.source == "evidence" and isinstance(item.score or system.score, Rating))
    ]


def scale_of(item: Item, system: System) -> tuple[float, float]:
    """The least and the most that an expert may give."""
    rule = item.score or system.score
    return (rule.lowest, rule.highest) if isinstance(rule, Rating) else (0.0, 100.0)


# --- who scores what ------------------------------------------------------------------------------------------------------


def conflicts(rule: PanelRule, experts: pd.DataFrame, applicants: pd.DataFrame, applicant: str) -> np.ndarray:
    """Whether an expert must not score an applicant; shape (experts, applicants).

    Parameters
    ----------
    experts
        `expert`, the rule's conflict columns, and optionally `conflicts`: further values of these columns, or applicants' ids,
        with `;` between them.
    """
    found = np.zeros((len(experts), len(applicants)), dtype=bool)
    further = [
        {part.strip() for part in text.replace("；", SEPARATOR).split(SEPARATOR) if part.strip()}
        for text in experts.get("conflicts", pd.Series("", index=experts.index)).astype(str)
    ]
    for column in [*rule.conflict_columns, applicant]:
        if column not in applicants:
            raise InputError(
                f"申报名单缺少列 {column}",
                "the list of applicants lacks a column",
                where="applicants",
                remedy="补上该列，或改规则的 conflict_columns",
                remedy_english="add it, or mend conflict_columns",
            )
        theirs = applicants[column].astype(str).to_numpy(object)
        own = experts[column].astype(str).to_numpy(object) if column in experts else np.full(len(experts), "", object)
        found |= (own[:, None] == theirs[None, :]) & (theirs != "")[None, :]
        found |= np.array([[value in some for value in theirs] for some in further], dtype=bool).reshape(found.shape)
    return found


def assign(
    rule: PanelRule, experts: pd.DataFrame, applicants: pd.DataFrame, applicant: str = "applicant", seed: int = 0
) -> pd.DataFrame:
    """Who scores whom: every applicant by so many experts, nobody against a conflict, loads as even as can be.

    Parameters
    ----------
    experts
        As of `conflicts`; optionally `most`, the most projects that an expert takes.
    seed
        Decides among assignments that are equally even.

    Returns
    -------
    pd.DataFrame
        `expert, applicant, code`; the code is the name of the applicant on all sheets, in an order drawn by the seed.

    Raises
    ------
    ParameterError
        Some applicants have too few experts without a conflict, or all together take too few; they are named.
    """
    forbidden = conflicts(rule, experts, applicants, applicant)
    ids = applicants[applicant].astype(str).to_numpy(object)
    short = ids[(~forbidden).sum(axis=0) < rule.experts_per_project]
    if len(short):
        raise ParameterError(
            f"{len(short)} 个申报项目可评的专家不足 {rule.experts_per_project} 名: {'、'.join(short[:5])}",
            "too few experts without a conflict",
            where="experts",
            remedy="增补专家，或减少 experts_per_project",
            remedy_english="add experts, or ask fewer a project",
        )
    generator = np.random.default_rng(seed)
    chosen = _even(rule, experts, forbidden, generator)
    width = len(str(len(ids)))
    codes = dict(zip(generator.permutation(ids), (f"P{k:0{width}d}" for k in range(1, len(ids) + 1)), strict=True))
    names = experts["expert"].astype(str).to_numpy(object)
    rows = [(names[e], ids[a], codes[ids[a]]) for e, a in zip(*np.nonzero(chosen), strict=True)]
    made = pd.DataFrame(rows, columns=["expert", "applicant", "code"])
    return made.sort_values(["expert", "code"]).reset_index(drop=True)


def _even(rule: PanelRule, experts: pd.DataFrame, forbidden: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The assignment whose loads have the least sum of squares, so that they lie as near as can be; shape (experts, applicants)."""
    many, projects = forbidden.shape
    size = many * projects
    most = np.full(many, float(projects))
    if "most" in experts:
        most = np.fmin(most, pd.to_numeric(experts["most"], errors="coerce").to_numpy(float))
    # x[e, a], then steps[e, j]: whether expert e takes a j-th project, which costs j² − (j − 1)² more
    steps = np.tile(2.0 * np.arange(1, projects + 1) - 1, many)
    worth = np.concatenate([generator.uniform(0, 1.0 / size, size), steps])
    per_project = scipy.sparse.kron(np.ones((1, many)), scipy.sparse.eye_array(projects))
    per_expert = scipy.sparse.kron(scipy.sparse.eye_array(many), np.ones((1, projects)))
    rows = scipy.sparse.vstack(
        [
            scipy.sparse.hstack([per_project, scipy.sparse.csr_array((projects, size))]),
            scipy.sparse.hstack([per_expert, -per_expert]),
        ]
    )
    limits = np.concatenate([np.full(projects, float(rule.experts_per_project)), np.zeros(many)])
    taken = (np.arange(1, projects + 1)[None, :] <= most[:, None]).astype(float)
    found = scipy.optimize.milp(
        worth,
        constraints=scipy.optimize.LinearConstraint(scipy.sparse.csr_array(rows), limits, limits),
        bounds=scipy.optimize.Bounds(0, np.concatenate([(~forbidden).ravel().astype(float), taken.ravel()])),
        integrality=np.ones(2 * size),
    )
    if found.x is None:
        raise ParameterError(
            "没有可行的分派: 专家可评的数目合计不足",
            "no feasible assignment",
            where="experts: most",
            remedy="增补专家，放宽 most，或减少 experts_per_project",
            remedy_english="add experts, widen `most`, or ask fewer a project",
        )
    return np.asarray(found.x[:size].reshape(many, projects) > 0.5)


# --- one score of many ----------------------------------------------------------------------------------------------------


def combined(rule: PanelRule, scores: pd.DataFrame) -> pd.DataFrame:
    """The panel's score of every applicant and item.

    Returns
    -------
    pd.DataFrame
        `applicant, item, experts, value` (missing with fewer than the least number of experts), `se` (of the mean), `mean,
        median, lowest, highest`.
    """
    made = []
    for (applicant, item), own in groups_of(scores.groupby(["applicant", "item"], sort=True)):
        given = own["score"].to_numpy(float)
        enough = len(given) >= rule.minimum_experts
        made.append(
            {
                "applicant": applicant,
                "item": item,
                "experts": len(given),
                "value": one_of(rule.aggregate, given) if enough else np.nan,
                "se": given.std(ddof=1) / np.sqrt(len(given)) if enough and len(given) > 1 else np.nan,
                "mean": given.mean(),
                "median": float(np.median(given)),
                "lowest": given.min(),
                "highest": given.max(),
            }
        )
    columns = ["applicant", "item", "experts", "value", "se", "mean", "median", "lowest", "highest"]
    return pd.DataFrame(made, columns=columns)


def one_of(rule: Aggregate, scores: np.ndarray) -> float:
    """One score of several; too few to cut keep their ends."""
    if rule.rule == "median":
        return float(np.median(scores))
    ordered = np.sort(scores)
    cut = rule.cut if rule.rule == "trimmed" and len(scores) > 2 * rule.cut else 0
    return float(ordered[cut : len(ordered) - cut].mean())


def agreement(system: System, scores: pd.DataFrame, rule: PanelRule) -> dict[str, pd.DataFrame]:
    """How far the panel agrees.

    Returns
    -------
    dict
        `items`: one row an item (and 全部, each expert's mean on a project): `item, title, applicants, experts, kind, icc, low,
        high, w, w_p`; `questions`: one row an applicant and item with IPRAS; `experts`: as of `standing_of_experts`.
    """
    titles = {item.id: item.title or item.id for item in asked_of(system)}
    of_items = []
    for id_ in [*titles, ""]:
        own = scores if not id_ else scores[scores["item"] == id_]
        if own.empty:
            continue
        table = own.pivot_table(index="applicant", columns="expert", values="score").to_numpy(float)
        found, w = icc(table), kendall_w(table)
        best = next(
            (one for one in found if one.kind == "2,k"), next((one for one in found if one.kind == "1,k"), None)
        )
        of_items.append(
            {
                "item": id_ or "all",
                "title": titles.get(id_, "全部"),
                "applicants": len(table),
                "experts": table.shape[1],
                "kind": f"ICC({best.kind})" if best else "",
                "icc": best.value if best else np.nan,
                "low": best.low if best else np.nan,
                "high": best.high if best else np.nan,
                "w": w.w,
                "w_p": w.p_value,
            }
        )
    scale = {item.id: scale_of(item, system) for item in asked_of(system)}
    questions = [
        {"applicant": applicant, "item": id_, "title": titles[id_], **_disagreement(own, *scale[id_])}
        for (applicant, id_), own in groups_of(scores.groupby(["applicant", "item"], sort=True))
    ]
    return {
        "items": pd.DataFrame(of_items),
        "questions": pd.DataFrame(questions),
        "experts": standing_of_experts(scores, rule.outlying),
    }


def _disagreement(own: pd.DataFrame, low: float, high: float) -> dict[str, object]:
    found = ipras(own["score"].to_numpy(float), low, high)
    return {
        "experts": found.n,
        "median": float(own["score"].median()),
        "width": found.width,
        "allowed": found.allowed,
        "disagree": found.disagree,
    }


def with_panel(system: System, values: pd.DataFrame, scored: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """A table of values (or, with `column="se"`, of errors) in which the panel's scores take the place of what applicants gave."""
    wide = values.copy()
    for item in asked_of(system):
        own = scored[scored["item"] == item.id].set_index("applicant")[column]
        wide[item.of] = wide[system.unit].astype(str).map(own).astype(float)
    return wide


def loads(assigned: pd.DataFrame) -> dict[str, int]:
    """Projects of each expert."""
    return {str(one.expert): int(one.n) for one in rows_of(assigned.groupby("expert").size().reset_index(name="n"))}
