"""现场抽核: which projects are visited, what is verified there, and what the findings say about all projects.

Certain are projects on the 边界, with a red flag or a break in their data. Of the others at least a declared share, rounded
up, is drawn systematically through the strata with a random start: every one has the same probability, which is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from toolkit.data.accounts.spreadsheet import Workbook, defused
from toolkit.errors import InputError, ParameterError, together
from toolkit.frames import groups_of, names_of, rows_of
from toolkit.programme.decision import DecisionRule, Outcome
from toolkit.programme.tables import NO, YES, read_values
from toolkit.running.publish import write_atomically
from toolkit.running.scratch import scratch

LEAST_SHARE = 0.05  # 峰峰矿区方案 六（一）
PROJECTS, RECORDS = "项目", "病例"
CONFIRMED, REFUTED = "属实", "不属实"
CONCLUSION = "现场结论"
CHECKED = ("主要诊断", "手术操作", "离院方式", "住院日期", "费用")
KEY = ("project", "file", "line")


def draw_sites(
    decisions: pd.DataFrame,
    *,
    share: float = LEAST_SHARE,
    strata: Sequence[str] = (),
    breaks: Sequence[str] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """Which projects are visited.

    Parameters
    ----------
    decisions
        `project, outcome`, optionally `red_flag`, and the columns of `strata`.
    share
        Of the projects that are not certain, rounded up.
    breaks
        Projects with a break in their data.

    Returns
    -------
    pd.DataFrame
        One row a project: `project, outcome, stratum, certain, because, probability` (of being visited), `visited`.

    Raises
    ------
    ParameterError
        The share is below the least, or a stratum is no column.
    """
    if not LEAST_SHARE <= share <= 1:
        raise ParameterError(
            f"抽核比例 {share:g} 低于 {LEAST_SHARE:.0%} 或高于 100%",
            "the share lies below the least, or above all",
            where="--share",
            remedy=f"不低于 {LEAST_SHARE:.0%}",
            remedy_english="not below the least",
        )
    if lacking := [c for c in strata if c not in decisions]:
        raise ParameterError(
            f"没有分层列 {'、'.join(lacking)}",
            "no such column",
            where="--stratum",
            remedy=f"可用: {'、'.join(names_of(decisions))}",
            remedy_english="one of these",
        )
    flags = decisions["red_flag"].astype(str).isin(["True", "1", "1.0"]) if "red_flag" in decisions else False
    reasons = pd.DataFrame(
        {
            "边界": decisions["outcome"] == Outcome.BOUNDARY.value,
            "红线": flags,
            "数据断点": decisions["project"].isin(list(breaks)),
        },
        index=decisions.index,
    )
    certain = reasons.any(axis=1).to_numpy(bool)
    names = names_of(reasons)
    because = ["、".join(n for n, held in zip(names, row, strict=True) if held) for row in reasons.to_numpy(bool)]
    stratum = pd.Series("", index=decisions.index, dtype=object)
    for column in strata:
        stratum = stratum + decisions[column].astype(str) + " "
    visited, probability = certain.copy(), certain.astype(float)
    rest = np.flatnonzero(~certain)
    if len(rest):
        number = ceil(share * len(rest) - 1e-9)
        generator = np.random.default_rng(seed)
        mixed = generator.permutation(sorted(rest, key=lambda k: str(decisions["project"].iloc[k])))
        ordered = sorted(mixed, key=lambda k: str(stratum.iloc[k]))
        picked = systematic(len(rest), number, float(generator.uniform()))
        visited[np.array(ordered)[picked]] = True
        probability[rest] = number / len(rest)
    made = decisions[["project", "outcome"]].assign(
        stratum=stratum.str.strip(), certain=certain, because=because, probability=probability, visited=visited
    )
    return made.reset_index(drop=True)


def systematic(size: int, number: int, start: float) -> np.ndarray:
    """Places of a systematic sample of `number` of `size`, begun at a share `start` of the first step."""
    step = size / number
    return np.minimum((step * (np.arange(number) + start)).astype(int), size - 1)


# --- the form -------------------------------------------------------------------------------------------------------------


def write_form(sites: pd.DataFrame, records: pd.DataFrame, path: Path, title: str) -> None:
    """What the visitors take along: the projects with their conclusion to be given, the records with what to verify.

    Parameters
    ----------
    records
        `project, file, line` and further columns as the hospital knows the record.
    """
    with scratch() as work:
        made = Path(work) / "form.xlsx"
        with Workbook(made) as book:
            own = sites[sites["visited"].astype(bool)]
            header = ("project", "because", "probability", CONCLUSION, "说明")
            book.sheet(PROJECTS, header, (26, 18, 12, 12, 50))
            choices = {"validate": "list", "source": [CONFIRMED, REFUTED]}
            book.current.data_validation(1, 3, max(1, len(own)), 3, choices)
            for row in rows_of(own):
                book.row((row.project, row.because or "随机", row.probability, None, None))
            columns = names_of(records)
            book.sheet(RECORDS, [*columns, *CHECKED], [14] * (len(columns) + len(CHECKED)))
            first = len(columns)
            book.current.data_validation(
                1, first, max(1, len(records)), first + len(CHECKED) - 1, {"validate": "list", "source": [YES, NO]}
            )
            for cells in records.astype(object).to_numpy():
                book.row([None if pd.isna(c) else defused(c) for c in cells] + [None] * len(CHECKED))
            book.sheet("说明", ("项目", "填法"), (16, 80))
            for line in (
                (title, ""),
                (CONCLUSION, f"{CONFIRMED} 或 {REFUTED}：上报材料与现场是否相符"),
                *((f"{what}一致", f"对照原始病历填 {YES} 或 {NO}，查不到原始病历填 {NO}") for what in CHECKED),
            ):
                book.row(line)
        write_atomically(path, made.read_bytes())


@dataclass(frozen=True, kw_only=True, eq=False)
class Visited:
    """What was found.

    Attributes
    ----------
    projects
        One row a visited project: `project, conclusion` (属实, 不属实), `note, records, wrong, share, low, high` (share of its
        records with anything that did not agree, exact limits).
    fields
        One row a field: `field, checked, wrong`.
    """

    projects: pd.DataFrame
    fields: pd.DataFrame


def read_form(path: Path, sites: pd.DataFrame) -> Visited:
    """A form that was filled in.

    Raises
    ------
    InputError
        All faults at once: a project that was not to be visited or lacks its conclusion, an answer that is none, a record
        answered in part.
    """
    projects, records = read_values(path, PROJECTS), read_values(path, RECORDS)
    faults: list[InputError] = []
    asked = set(sites.loc[sites["visited"].astype(bool), "project"])
    answers = {str(row["project"]): str(row[CONCLUSION]).strip() for _, row in projects.iterrows()}
    notes = {str(row["project"]): str(row["说明"]).strip() for _, row in projects.iterrows()}
    for project in sorted(asked | set(answers)):
        where = f"{path.name} {PROJECTS}: {project}"
        if project not in asked:
            faults.append(_fault("不是抽中的项目", "not a project to be visited", where, "删去该行"))
        elif answers.get(project, "") not in (CONFIRMED, REFUTED):
            faults.append(_fault("缺现场结论", "no conclusion", where, f"填 {CONFIRMED} 或 {REFUTED}"))
    wrong, checked = np.zeros(len(records), dtype=bool), np.zeros(len(records), dtype=bool)
    for k, cells in enumerate(records[list(CHECKED)].to_numpy(str)):
        given = [cell.strip() for cell in cells]
        if any(given) and not all(g in (YES, NO) for g in given):
            where = f"{path.name} {RECORDS} 第 {k + 2} 行"
            faults.append(
                _fault(f"各项须都填 {YES} 或 {NO}", "an answer is missing or none", where, "未核查的病例整行留空")
            )
        checked[k], wrong[k] = all(given), NO in given
    if faults:
        raise together(faults)
    seen = records[checked]
    fields = [{"field": c, "checked": len(seen), "wrong": int((seen[c].str.strip() == NO).sum())} for c in CHECKED]
    rows = []
    for project in sorted(asked):
        own = (records["project"] == project).to_numpy(bool) & checked
        n, bad = int(own.sum()), int(wrong[own].sum())
        low, high = exact_limits(bad, n)
        rows.append(
            {
                "project": project,
                "conclusion": answers[project],
                "note": notes[project],
                "records": n,
                "wrong": bad,
                "share": bad / n if n else np.nan,
                "low": low,
                "high": high,
            }
        )
    columns = ["project", "conclusion", "note", "records", "wrong", "share", "low", "high"]
    return Visited(projects=pd.DataFrame(rows, columns=columns), fields=pd.DataFrame(fields))


def _fault(problem: str, english: str, where: str, remedy: str) -> InputError:
    return InputError(problem, english, where=where, remedy=remedy)


def exact_limits(events: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's limits of a share; missing without cases."""
    if n == 0:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, events, n - events + 1)) if events else 0.0
    high = float(stats.beta.ppf(1 - tail, events + 1, n - events)) if events < n else 1.0
    return low, high


# --- over all projects ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OverAll:
    """The share of records in error over all projects, visited or not, with its limits."""

    share: float
    low: float
    high: float
    projects: int
    records: int


def over_all(found: pd.DataFrame, sites: pd.DataFrame, cases: pd.Series, confidence: float = 0.95) -> OverAll:
    """The share of records in error over all projects: each visited one stands for 1 / probability of them.

    Parameters
    ----------
    found
        `project, records, wrong` of the visited.
    sites
        As from `draw_sites`.
    cases
        All records of each project, by its id.

    Notes
    -----
    Ratio of weighted sums (Hájek); its variance is that between the drawn projects and that of the records within each,
    linearised. Without any error the upper limit is the exact one of all records checked. Of one drawn project among several
    no limits can be told: they are missing.
    """
    own = found[found["records"] > 0].merge(sites[["project", "probability", "certain"]], on="project")
    if own.empty:
        return OverAll(share=np.nan, low=np.nan, high=np.nan, projects=0, records=0)
    size = own["project"].map(cases).to_numpy(float)
    m, wrong = own["records"].to_numpy(float), own["wrong"].to_numpy(float)
    weight, rate = 1 / own["probability"].to_numpy(float), wrong / m
    total = float((weight * size).sum())
    share = float((weight * size * rate).sum() / total)
    records, projects = int(m.sum()), len(own)
    drawn = ~own["certain"].to_numpy(bool)
    n = int(drawn.sum())
    all_of_them = n * float(weight[drawn][0]) if n else 0.0
    if n == 1 and all_of_them > 1 + 1e-9:  # how far projects differ cannot be told from one
        return OverAll(share=share, low=np.nan, high=np.nan, projects=projects, records=records)
    if wrong.sum() == 0:
        return OverAll(share=0.0, low=0.0, high=exact_limits(0, records)[1], projects=projects, records=records)
    within = np.where(m > 1, rate * (1 - rate) / np.maximum(m - 1, 1), 0.25) * np.clip(1 - m / size, 0, 1)
    variance = float((weight * size**2 * within).sum())
    if n > 1:
        residual = (size * (rate - share))[drawn]
        variance += all_of_them**2 / n * (1 - n / all_of_them) * float(residual.var(ddof=1))
    spread = float(stats.norm.ppf(0.5 + confidence / 2)) * np.sqrt(variance) / total
    return OverAll(
        share=share, low=max(0.0, share - spread), high=min(1.0, share + spread), projects=projects, records=records
    )


def after_visit(rule: DecisionRule, decisions: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Decisions once the visits are in: refuted as the rule says, confirmed 边界 settled as it says, all others as they were.

    Returns
    -------
    pd.DataFrame
        `decisions` with `final, final_zh, site`; a 边界 that was not visited stays one.
    """
    answer = found.set_index("project")["conclusion"]
    site = decisions["project"].map(answer).fillna("")
    confirmed = (site == CONFIRMED) & (decisions["outcome"] == Outcome.BOUNDARY.value)
    likely = pd.Series(0.0, index=decisions.index)
    if "p_qualified" in decisions:
        likely = pd.to_numeric(decisions["p_qualified"], errors="coerce").fillna(0.0)
    settled = np.where(likely >= rule.after_site.needs, rule.after_site.confirmed, rule.after_site.refuted)
    final = decisions["outcome"].mask(confirmed, pd.Series(settled, index=decisions.index, dtype=object))
    final = final.mask(site == REFUTED, rule.after_site.refuted)
    return decisions.assign(site=site, final=final, final_zh=[Outcome(value).zh for value in final])


def by_stratum(sites: pd.DataFrame) -> pd.DataFrame:
    """`stratum, projects, certain, drawn, probability` of those that are not certain."""
    rows = [
        {
            "stratum": stratum,
            "projects": len(own),
            "certain": int(own["certain"].sum()),
            "drawn": int((own["visited"] & ~own["certain"]).sum()),
            "probability": own.loc[~own["certain"], "probability"].mean(),
        }
        for stratum, own in groups_of(sites.groupby("stratum", sort=True))
    ]
    return pd.DataFrame(rows, columns=["stratum", "projects", "certain", "drawn", "probability"])
