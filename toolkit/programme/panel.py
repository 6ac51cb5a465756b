"""专家组: who scores what, sheets without names, scores read back, and one score of many by a declared rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import scipy
from pydantic import Field

from toolkit.data.accounts.spreadsheet import Workbook
from toolkit.errors import InputError, ParameterError, together
from toolkit.frames import groups_of, rows_of
from toolkit.programme.agreement import icc, ipras, kendall_w, standing_of_experts
from toolkit.programme.systems import Item, Rating, System
from toolkit.programme.tables import YES, file_name, read_values
from toolkit.resources import resource
from toolkit.running.publish import write_atomically
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
RULE = "params/rules/panel.yaml"
ABOUT, SCORES = "声明", "评分"
SHEET = ("项目代号", "编号", "指标", "要求", "取值", "分值", "意见")
AVOID = "回避"
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


def _scale(item: Item, system: System) -> tuple[float, float]:
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


# --- sheets out and in ----------------------------------------------------------------------------------------------------


def write_sheets(rule: PanelRule, system: System, assigned: pd.DataFrame, folder: Path) -> list[Path]:
    """One workbook an expert: projects by their codes, no name of a hospital."""
    folder.mkdir(parents=True, exist_ok=True)
    items, written = asked_of(system), []
    for expert, own in groups_of(assigned.groupby("expert", sort=True)):
        path = folder / f"{file_name(str(expert), '专家')}.xlsx"
        with TemporaryDirectory(prefix="speceval-") as work:
            made = Path(work) / "sheet.xlsx"
            with Workbook(made) as book:
                book.sheet(ABOUT, ("项目代号", AVOID, "说明"), (14, 10, 60))
                book.current.data_validation(1, 1, len(own), 1, {"validate": "list", "source": [YES]})
                for code in own["code"]:
                    book.row((code, None, None))
                book.sheet(SCORES, SHEET, (12, 18, 24, 46, 12, 10, 30))
                line = 1
                for code in own["code"]:
                    for item in items:
                        low, high = _scale(item, system)
                        book.row((code, item.id, item.title, item.help, f"{low:g}–{high:g}", None, None))
                        allowed = {"validate": "decimal", "criteria": "between", "minimum": low, "maximum": high}
                        book.current.data_validation(line, 5, line, 5, allowed)
                        line += 1
            write_atomically(path, made.read_bytes())
        written.append(path)
    return written


def read_sheets(system: System, assigned: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """Scores of filled sheets.

    Parameters
    ----------
    files
        Named by the expert, as they were written.

    Returns
    -------
    pd.DataFrame
        `expert, applicant, code, item, score, comment`; what is left empty, and projects that an expert withdrew from, are not
        in it.

    Raises
    ------
    InputError
        All faults at once: an unknown expert, a project that is not the expert's, one scored twice or in spite of a
        withdrawal, a score off its scale.
    """
    faults: list[InputError] = []
    rows: list[tuple[object, ...]] = []
    seen: set[str] = set()
    for path in files:
        expert = path.stem
        own = assigned[assigned["expert"] == expert]
        if own.empty or expert in seen:
            says = "同一专家有两份评分表" if expert in seen else "没有分派给这名专家"
            faults.append(_fault(says, "an expert twice, or unknown", str(path), "文件名须为专家编号，一人一份"))
            continue
        seen.add(expert)
        try:
            about, sheet = read_values(path, ABOUT), read_values(path, SCORES)[list(SHEET)]
            away = set(about.loc[about[AVOID].str.strip() == YES, "项目代号"])
        except (InputError, KeyError):
            faults.append(
                _fault("不是本工具写出的评分表", "not a score sheet", str(path), "用 speceval panel sheets 重新写出")
            )
            continue
        codes = dict(zip(own["code"], own["applicant"], strict=True))
        rows += [(expert, *row) for row in _of_sheet(system, sheet, codes, away, path, faults)]
    if faults:
        raise together(faults)
    return pd.DataFrame(rows, columns=["expert", "applicant", "code", "item", "score", "comment"])


def _fault(problem: str, english: str, where: str, remedy: str) -> InputError:
    return InputError(problem, english, where=where, remedy=remedy)


def _of_sheet(
    system: System, sheet: pd.DataFrame, codes: dict[str, str], away: set[str], path: Path, faults: list[InputError]
) -> Iterator[tuple[object, ...]]:
    items, seen = {item.id: item for item in asked_of(system)}, set[tuple[str, str]]()
    for line, cells in enumerate(sheet.apply(lambda c: c.str.strip()).to_numpy(str), start=2):
        code, id_, score, comment = cells[0], cells[1], cells[5], cells[6]
        where = f"{path.name} {SCORES} 第 {line} 行"
        if not score:
            continue
        if code not in codes or id_ not in items:
            faults.append(
                _fault("不是分派给本人的项目或指标", "not this expert's to score", where, "代号与编号列不要改动")
            )
            continue
        if (code, id_) in seen:
            faults.append(_fault("同一项目的同一指标评了两次", "scored twice", where, "只留一个"))
            continue
        seen.add((code, id_))
        low, high = _scale(items[id_], system)
        number = pd.to_numeric(score, errors="coerce")
        if code in away:
            faults.append(
                _fault("声明回避的项目有分值", "a withdrawn project was scored", where, "删去分值，或撤回声明")
            )
        elif not low <= number <= high:
            faults.append(_fault("分值不是数，或超出取值", "a score off its scale", where, f"{low:g} 至 {high:g}"))
        else:
            yield codes[code], code, id_, float(number), comment


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
    scale = {item.id: _scale(item, system) for item in asked_of(system)}
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


# --- Delphi ---------------------------------------------------------------------------------------------------------------


def delphi(rounds: pd.DataFrame, lowest: float, highest: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rounds of a Delphi survey.

    Parameters
    ----------
    rounds
        `round, expert, item, rating`, optionally `ca, cs` (an expert's grounds of judgement and familiarity, 0–1).

    Returns
    -------
    tuple
        One row a round and item: `round, item, experts, mean, cv, median, width, allowed, disagree`; and one row a round:
        `round, experts, items, w, w_p, cr` (mean authority (Ca + Cs) / 2, missing where not given).
    """
    of_items, of_rounds = [], []
    for number, own in groups_of(rounds.groupby("round", sort=True)):
        for id_, answers in groups_of(own.groupby("item", sort=True)):
            given = answers["rating"].to_numpy(float)
            found = ipras(given, lowest, highest)
            spread = given.std(ddof=1) / given.mean() if len(given) > 1 and given.mean() else np.nan
            of_items.append(
                {
                    "round": number,
                    "item": id_,
                    "experts": found.n,
                    "mean": given.mean(),
                    "cv": spread,
                    "median": float(np.median(given)),
                    "width": found.width,
                    "allowed": found.allowed,
                    "disagree": found.disagree,
                }
            )
        table = own.pivot_table(index="item", columns="expert", values="rating")
        w = kendall_w(table.dropna(axis=1).to_numpy(float))
        cr = np.nan
        if {"ca", "cs"} <= set(own):
            authority = own.groupby("expert")[["ca", "cs"]].mean().astype(float)
            cr = float(((authority["ca"] + authority["cs"]) / 2).mean())
        of_rounds.append(
            {"round": number, "experts": w.experts, "items": w.units, "w": w.w, "w_p": w.p_value, "cr": cr}
        )
    return pd.DataFrame(of_items), pd.DataFrame(of_rounds)


def loads(assigned: pd.DataFrame) -> dict[str, int]:
    """Projects of each expert."""
    return {str(one.expert): int(one.n) for one in rows_of(assigned.groupby("expert").size().reset_index(name="n"))}
