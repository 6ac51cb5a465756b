"""What a check of the records says: who sent what, what was matched and what was not, what can therefore not be calculated.

All of it are counts by codes and declared names; a department that few records have may be anything and is not named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds

from toolkit.data.quality import CATALOGUE
from toolkit.errors import InputError, nearest
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE as INDICATORS
from toolkit.indicators.needs import lacking
from toolkit.params import SPECIALTY_SEPARATOR, Project, RunParams

COUNTED = ["hospital", "specialty", "department", "year", "month"]
NAMED_FROM = 5  # records: a department of fewer is counted and not named
NONE = ""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a check does not pass: `what` in Chinese, `remedy` what to do."""

    kind: str  # accepted, project, specialty, join
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}。办法：{self.remedy}"


@dataclass(frozen=True, kw_only=True)
class IntakeCheck:
    """What a check found.

    Attributes
    ----------
    rules
        `rule, fate, message, n, share`: every rule that hit a record, whether or not it decided, of all records received.
    hospitals
        `hospital, name, year, n`, and `m1` … `m12` (accepted records by month, `m0` of no month); a declared hospital and an
        evaluated year without a record stand with 0.
    specialties
        `id, name, n`.
    departments
        `department, n, matched, specialties`; those of few records together under "".
    projects
        `hospital, name, specialty, level`, accepted records by period, and `empty`: evaluated years without one.
    indicators
        `id, name, lacking` of those that cannot be calculated.
    joins
        `name, unit, rows, asked, found, unused`: a list that records were held against.
    """

    files: pd.DataFrame
    rules: pd.DataFrame
    hospitals: pd.DataFrame
    specialties: pd.DataFrame
    departments: pd.DataFrame
    projects: pd.DataFrame
    indicators: pd.DataFrame
    joins: pd.DataFrame
    warnings: pd.DataFrame
    periods: Mapping[str, str]
    failures: tuple[Failure, ...]


def stored_counts(store: Path) -> pd.DataFrame:
    """`hospital, specialty, department, year, month, n` of the accepted records; what is missing is "" or 0."""
    files = sorted(store.glob("*.parquet"))
    if not files:
        return pd.DataFrame(columns=[*COUNTED, "n"])
    found = [
        ds.dataset(file).to_table(columns=COUNTED).group_by(COUNTED).aggregate([([], "count_all")]).to_pandas()
        for file in files
    ]
    table = pd.concat(found, ignore_index=True).rename(columns={"count_all": "n"})
    words = {name: NONE for name in ("hospital", "specialty", "department")}
    table = table.fillna({**words, "year": 0, "month": 0}).astype({"year": "int64", "month": "int64", "n": "int64"})
    return table[[*COUNTED, "n"]]


def intake_check(
    params: RunParams,
    counts: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    has: Collection[str],
    joins: pd.DataFrame,
) -> IntakeCheck:
    """Everything a check says.

    Parameters
    ----------
    counts
        As from `stored_counts`.
    tables
        `files, accounts, hospital_warnings` of the intake, and `hospitals`, the registry.
    has
        Canonical fields that some file has.
    joins
        As in `IntakeCheck`.
    """
    names = dict(zip(tables["hospitals"]["code"], tables["hospitals"]["name"].fillna(NONE), strict=True))
    specialties, departments = _specialties(counts, params), _departments(counts)
    projects = _projects(counts, params, names)
    return IntakeCheck(
        files=tables["files"],
        rules=_rules(tables["accounts"]),
        hospitals=_hospitals(counts, params, names),
        specialties=specialties,
        departments=departments,
        projects=projects,
        indicators=_impossible(has, params),
        joins=joins,
        warnings=tables["hospital_warnings"],
        periods={period: years.label for period, years in params.periods.items()},
        failures=(
            *_nothing(counts),
            *unmatched_projects(params, counts, names),
            *_unmatched(specialties),
            *_joins(joins),
        ),
    )


def refuse_unmatched_projects(params: RunParams, counts: pd.DataFrame, registry: pd.DataFrame) -> None:
    """Stop where a project has no record at all: it was misspelt, or its records are not here; no verdict may be given on it.

    Raises
    ------
    InputError
        Every such project, with the nearest names.
    """
    names = dict(zip(registry["code"], registry["name"].fillna(NONE), strict=True))
    failures = unmatched_projects(params, counts, names)
    if failures:
        raise InputError(
            "；".join(failure.what for failure in failures),
            "projects without a single record",
            where="projects",
            remedy="；".join(dict.fromkeys(failure.remedy for failure in failures)),
            remedy_english="mend the hospital code or the specialty, or hand in the records",
        )


def unmatched_projects(params: RunParams, counts: pd.DataFrame, names: Mapping[str, str]) -> list[Failure]:
    """The projects without an accepted record in the evaluated years."""
    found = []
    inside = counts[counts["year"].isin(params.all_years)]
    for project in params.projects:
        mine = inside[inside["hospital"] == project.hospital]
        if not len(mine):
            found.append(_no_hospital(project, inside, names))
        elif not _of_specialty(mine, project.specialty)["n"].sum():
            found.append(_no_specialty(project, mine))
    return found


def _no_hospital(project: Project, counts: pd.DataFrame, names: Mapping[str, str]) -> Failure:
    near = nearest(project.hospital, sorted(set(counts["hospital"])))
    said = f"，最接近的是 {near}{f'（{names[near]}）' if names.get(near) else ''}" if near else ""
    return Failure(
        kind="project",
        what=f"项目 {project.hospital} {project.specialty}：没有机构 {project.hospital} 的病例{said}",
        remedy="改正 projects 中的机构代码，或补交该机构的病例",
    )


def _no_specialty(project: Project, mine: pd.DataFrame) -> Failure:
    ids = sorted({one for joined in mine["specialty"] for one in str(joined).split(SPECIALTY_SEPARATOR) if one})
    left = mine[mine["specialty"] == NONE].groupby("department")["n"].sum().sort_values(ascending=False)
    departments = "、".join(f"{name} {n:,} 例" for name, n in left.head(3).items() if name and n >= NAMED_FROM)
    near = nearest(project.specialty, ids)
    return Failure(
        kind="project",
        what=f"项目 {project.hospital} {project.specialty}：该机构有 {int(mine['n'].sum()):,} 例，没有一例属于该专科"
        + (f"；该机构的专科有 {'、'.join(ids)}" if ids else "")
        + (f"，最接近的是 {near}" if near else "")
        + (f"；未归入专科的科别有 {departments}" if departments else ""),
        remedy="改正 projects 中的专科，或在 specialties 中写入该机构的科别",
    )


def _nothing(counts: pd.DataFrame) -> list[Failure]:
    if counts["n"].sum():
        return []
    return [Failure(kind="accepted", what="没有一例被纳入", remedy="看各规则的例数：格式、年份、机构是否写对")]


def _unmatched(specialties: pd.DataFrame) -> list[Failure]:
    return [
        Failure(
            kind="specialty",
            what=f"专科 {one.id}（{one.name}）没有一例",
            remedy="对照科别清单，改正 specialties 中的科别、诊断或 DRG",
        )
        for one in rows_of(specialties.assign(empty=specialties["n"] == 0))
        if one.empty
    ]


def _joins(joins: pd.DataFrame) -> list[Failure]:
    return [
        Failure(
            kind="join",
            what=f"{one.name} {int(one.rows):,} 行，{int(one.asked):,} {one.unit}中配上 0 {one.unit}",
            remedy="让两边的键写法一致",
        )
        for one in rows_of(joins)
        if one.asked and not one.found
    ]


# --- tables -------------------------------------------------------------------------------------------------------------


def _rules(accounts: pd.DataFrame) -> pd.DataFrame:
    total = max(1, int(accounts["n"].sum()))
    hits: dict[str, int] = {}
    for one in rows_of(accounts[["rules", "n"]]):
        for rule in {r for r in str(one.rules).split("|") if r}:
            hits[rule] = hits.get(rule, 0) + int(one.n)
    order = {id_: place for place, id_ in enumerate(CATALOGUE)}
    rows = [
        {
            "rule": id_,
            "fate": CATALOGUE[id_].fate.value,
            "message": CATALOGUE[id_].message_zh,
            "n": n,
            "share": n / total,
        }
        for id_, n in sorted(hits.items(), key=lambda hit: order.get(hit[0], 0))
        if id_ in CATALOGUE
    ]
    return pd.DataFrame(rows, columns=["rule", "fate", "message", "n", "share"])


def _hospitals(counts: pd.DataFrame, params: RunParams, names: Mapping[str, str]) -> pd.DataFrame:
    months = [f"m{m}" for m in range(13)]
    wide = counts.pivot_table(index=["hospital", "year"], columns="month", values="n", aggfunc="sum", fill_value=0)
    wide.columns = [f"m{int(m)}" for m in wide.columns]
    expected = {p.hospital for p in params.projects} | set(names) | set(counts["hospital"])
    every = pd.MultiIndex.from_product([sorted(expected - {NONE}), params.all_years], names=["hospital", "year"])
    wide = wide.reindex(index=every, columns=months, fill_value=0).fillna(0).astype("int64")
    wide["n"] = wide.sum(axis=1)
    wide = wide.reset_index()
    return wide.assign(name=[names.get(code, NONE) for code in wide["hospital"]])[
        ["hospital", "name", "year", "n", *months]
    ]


def _specialties(counts: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    rows = [(s.id, s.name_zh, int(_of_specialty(counts, s.id)["n"].sum())) for s in params.specialties]
    return pd.DataFrame(rows, columns=["id", "name", "n"]).astype({"n": "int64"})


def _of_specialty(counts: pd.DataFrame, specialty: str) -> pd.DataFrame:
    joined = SPECIALTY_SEPARATOR + counts["specialty"].astype(str) + SPECIALTY_SEPARATOR
    return counts[joined.str.contains(SPECIALTY_SEPARATOR + specialty + SPECIALTY_SEPARATOR, regex=False)]


def _departments(counts: pd.DataFrame) -> pd.DataFrame:
    total = counts.groupby("department")["n"].sum()
    name = counts["department"].where(counts["department"].map(total) >= NAMED_FROM, NONE)
    grouped = counts.assign(department=name, matched=counts["n"].where(counts["specialty"] != NONE, 0))
    found = grouped.groupby("department").agg(n=("n", "sum"), matched=("matched", "sum"))
    ids = grouped[grouped["specialty"] != NONE].groupby("department")["specialty"].unique()
    found["specialties"] = ["、".join(sorted(ids.get(one, []))) for one in found.index]
    found = found.reset_index().sort_values(["n", "department"], ascending=[False, True], ignore_index=True)
    return found.astype({"n": "int64", "matched": "int64"})


def _projects(counts: pd.DataFrame, params: RunParams, names: Mapping[str, str]) -> pd.DataFrame:
    rows = []
    for project in params.projects:
        mine = _of_specialty(counts[counts["hospital"] == project.hospital], project.specialty)
        by_year = mine.groupby("year")["n"].sum()
        rows.append(
            {
                "hospital": project.hospital,
                "name": names.get(project.hospital, NONE),
                "specialty": project.specialty,
                "level": project.level,
                **{
                    period: int(by_year.reindex(range(years.first, years.last + 1), fill_value=0).sum())
                    for period, years in params.periods.items()
                },
                "empty": "、".join(str(year) for year in params.all_years if not by_year.get(year, 0)),
            }
        )
    return pd.DataFrame(rows, columns=["hospital", "name", "specialty", "level", *params.periods, "empty"])


def _impossible(has: Collection[str], params: RunParams) -> pd.DataFrame:
    rows = [(one.id, one.name_zh, "、".join(lacking(one, has, params))) for one in INDICATORS.values()]
    table = pd.DataFrame(rows, columns=["id", "name", "lacking"])
    return table[table["lacking"] != ""].reset_index(drop=True)
