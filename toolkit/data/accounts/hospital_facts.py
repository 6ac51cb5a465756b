"""The small tables that rules over a hospital's year are judged on, and their findings (`toolkit.data.quality.hospitals`)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Mapping
from functools import reduce

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.fates import UNKNOWN_HOSPITAL
from toolkit.data.discharge.schema import BY_NAME, EXIT_CODES, SEPARATOR
from toolkit.data.lists.specialties import read_departments
from toolkit.data.quality import CATALOGUE, Fate, Given
from toolkit.data.quality.hospitals import COLUMNS
from toolkit.engine.types import Column, Table
from toolkit.params import RunParams

# fields that many measures stand on; of these only, and only where the source has them, a missing share is judged
KEY_FIELDS = (
    "sex",
    "age_years",
    "department",
    "principal_diagnosis",
    "los_days",
    "cost_fen",
    "died",
    "admission_route",
)
# fields that differ from patient to patient in any hospital: one value throughout was filled in by the system
VARYING = ("age_years", "principal_diagnosis", "los_days", "cost_fen", "admission_date", "residence")
TWIN = ("admission_date", "discharge_date", "sex", "age_years", "principal_diagnosis", "cost_fen", "los_days")
MONTHS_OF_HALF = 6
WHOLE_FEN = 10_000  # hundred yuan
KEY = ["hospital", "year"]


def hospital_warnings(
    judged: Table,
    accounts: pd.DataFrame,
    applicable: set[str],
    given: Given,
    params: RunParams,
    fields: set[str],
    lacking: Mapping[int, Collection[str]] | None = None,
) -> pd.DataFrame:
    """`hospital, specialty, year, rule, value, limit, message`: every finding of a rule over a hospital's year, in a fixed order.

    Parameters
    ----------
    fields
        Canonical fields that records of the format can have.
    lacking
        File -> canonical fields of which it has no column: there they are 不适用, not missing.
    """
    accepted = judged.filter((_.fate == Fate.ACCEPTED.value) & _.hospital.notnull() & _.year.notnull())
    present = [f for f in dict.fromkeys((*KEY_FIELDS, *VARYING)) if f in fields]
    counted = _counted(accepted, present, fields)
    tables = {
        "months": _months(accepted),
        "years": _years(counted, accepted, accounts, present, fields, given, params),
        "missing": _missing(accepted, [f for f in KEY_FIELDS if f in present], lacking or {}),
        "sent": _sent(counted, given, params),
        "ends": _ends(accepted) if "discharge_date" in fields else pd.DataFrame(columns=ENDS),
        "codes": _codes(accepted),
        "units": _units(accepted),
    }
    found = []
    for rule in CATALOGUE.values():
        if rule.judge is not None and rule.id in applicable:
            rows = rule.judge(*(tables[name] for name in rule.tables), params)
            found.append(rows.assign(rule=rule.id))
    if "S02" in applicable:
        found.append(_changed_departments(params))
    columns = ["hospital", "specialty", "year", "rule", *COLUMNS[2:]]
    rows = pd.concat([pd.DataFrame(columns=columns), *(f for f in found if len(f))], ignore_index=True)[columns]
    rows = rows.fillna({"specialty": ""}).astype({"year": "int64", "value": "float64", "limit": "float64"})
    order = {id_: i for i, id_ in enumerate(CATALOGUE)}
    rows = rows.sort_values(
        ["rule", "hospital", "specialty", "year", "message"], key=lambda c: c.map(order) if c.name == "rule" else c
    )
    return rows.reset_index(drop=True)


def _counted(accepted: Table, present: list[str], fields: set[str]) -> pd.DataFrame:
    codes = _.other_diagnoses
    sums: dict[str, Column] = {
        "n": _.count(),
        # separators of a list: one more than its codes
        "diagnoses": ibis.ifelse(codes.isnull(), 0, codes.length() - codes.replace(SEPARATOR, "").length() - 1).sum(),
        "left": ibis.ifelse(_.exit_mode == "4", 1, 0).sum(),
        "told": ibis.ifelse(_.exit_mode.isin(EXIT_CODES), 1, 0).sum(),
        "ungrouped": ibis.ifelse(~_.grouped | _.drg.isnull(), 1, 0).sum(),
        "priced": _.cost_fen.count(),
        "round": ibis.ifelse(_.cost_fen % WHOLE_FEN == 0, 1, 0).sum(),
    }
    for name in present:
        sums[f"known_{name}"] = _[name].count()
        sums[f"one_{name}"] = _[name].min() == _[name].max()
    return accepted.group_by(KEY).aggregate(**sums).execute().sort_values(KEY, ignore_index=True)


def _months(accepted: Table) -> pd.DataFrame:
    return accepted.filter(_.month.notnull()).group_by([*KEY, "month"]).aggregate(n=_.count()).execute()


def _units(accepted: Table) -> pd.DataFrame:
    of = [*KEY, "month", "specialty", "department"]
    return accepted.filter(_.month.notnull()).group_by(of).aggregate(n=_.count()).execute()


def _missing(accepted: Table, names: list[str], lacking: Mapping[int, Collection[str]]) -> pd.DataFrame:
    """`hospital, year, n, field, share`: of the records whose file has the field."""
    if not names:
        return pd.DataFrame(columns=[*KEY, "n", "field", "share"])
    known = {f"known_{name}": _[name].count() for name in names}
    by_file = accepted.group_by([*KEY, "file"]).aggregate(n=_.count(), **known).execute()
    parts = []
    for name in names:
        has = by_file[[name not in lacking.get(int(file), ()) for file in by_file["file"]]]
        sums = has.groupby(KEY, as_index=False)[["n", f"known_{name}"]].sum()
        parts.append(sums[[*KEY, "n"]].assign(field=name, share=1 - sums[f"known_{name}"] / sums["n"]))
    return pd.concat(parts, ignore_index=True).sort_values(["field", *KEY], ignore_index=True)


def _sent(counted: pd.DataFrame, given: Given, params: RunParams) -> pd.DataFrame:
    """Every hospital that the run knows of, by its records or the registry, in every evaluated year."""
    codes = set(counted["hospital"])
    if given.hospitals is not None:
        codes |= set(given.hospitals["code"])
    grid = pd.MultiIndex.from_product([sorted(codes), params.all_years], names=KEY).to_frame(index=False)
    found = grid.merge(counted[[*KEY, "n"]], on=KEY, how="left")
    return found.assign(n=found["n"].fillna(0).astype("int64"))


ENDS = [*KEY, "month", "n", "first", "last", "days"]


def _ends(accepted: Table) -> pd.DataFrame:
    day = _.discharge_date.day()
    found = (
        accepted.filter(_.month.notnull() & _.discharge_date.notnull())
        .group_by([*KEY, "month"])
        .aggregate(n=_.count(), first=day.min(), last=day.max())
        .execute()
    )
    days = [monthrange(int(y), int(m))[1] for y, m in zip(found["year"], found["month"], strict=True)]
    return found.assign(days=days)[ENDS].sort_values([*KEY, "month"], ignore_index=True)


def _codes(accepted: Table) -> pd.DataFrame:
    """Cases of every half-year, those in DRGs that the hospital had in none before, and all cases before."""
    half = ibis.ifelse(_.month.isnull(), 0, ibis.ifelse(_.month <= MONTHS_OF_HALF, 1, 2))
    grouped = accepted.filter(_.grouped & _.drg.notnull()).mutate(half=half)
    rows = grouped.group_by([*KEY, "half", "drg"]).aggregate(n=_.count()).execute()
    rows = rows.sort_values([*KEY, "half", "drg"], ignore_index=True)
    first = ~rows.duplicated(["hospital", "drg"])
    halves = rows.assign(fresh=rows["n"].where(first, 0)).groupby([*KEY, "half"], as_index=False)[["n", "fresh"]].sum()
    before = halves.groupby("hospital")["n"].cumsum() - halves["n"]
    return halves.assign(before=before)


def _years(
    counted: pd.DataFrame,
    accepted: Table,
    accounts: pd.DataFrame,
    present: list[str],
    fields: set[str],
    given: Given,
    params: RunParams,
) -> pd.DataFrame:
    # a year of which the run is not about has records by their faulty dates only
    known = accounts[(accounts["hospital"] != UNKNOWN_HOSPITAL) & accounts["year"].isin(params.all_years)]
    # what a declared rule excludes is nobody's fault and no reason to think better of the rest
    sums = pd.DataFrame(
        {
            "received": known.groupby(KEY)["n"].sum(),
            "judged": known[known["fate"] != Fate.EXCLUDED.value].groupby(KEY)["n"].sum(),
            "quarantined": known[known["fate"] == Fate.QUARANTINED.value].groupby(KEY)["n"].sum(),
        }
    )
    table = sums.fillna(0).reset_index().merge(counted, on=KEY, how="left")
    table["n"] = table["n"].fillna(0).astype("int64")
    cases = table["n"].where(table["n"] > 0)
    told = table["told"].where(table["told"] > 0) if "exit_mode" in fields else float("nan")
    priced = table["priced"].where(table["priced"] > 0)
    groups = {}
    if given.hospitals is not None and "level_group" in given.hospitals:
        groups = dict(zip(given.hospitals["code"], given.hospitals["level_group"], strict=True))
    varying = [name for name in VARYING if name in present]
    constant = [
        "、".join(
            BY_NAME[name].name_zh for name in varying if row[f"one_{name}"] is True and row[f"known_{name}"] == row["n"]
        )
        for row in table.to_dict("records")
    ]
    return table[[*KEY, "judged", "quarantined", "n"]].assign(
        level_group=[groups.get(code, "") for code in table["hospital"]],
        diagnoses=table["diagnoses"] / cases if "other_diagnoses" in fields else float("nan"),
        against_advice=table["left"] / told,
        ungrouped=table["ungrouped"] / cases,
        round_cost=table["round"] / priced,
        copied=_copied(accepted, table)
        if {"admission_date", "principal_diagnosis", "cost_fen"} <= fields
        else float("nan"),
        constant=constant,
    )


def _copied(accepted: Table, table: pd.DataFrame) -> pd.Series:
    """Share of a hospital's records that another hospital has with the same days, patient, diagnosis and cost."""
    whole = accepted.filter(reduce(lambda a, b: a & b, [_[name].notnull() for name in TWIN]))
    # a record alone is no copy: only what repeats is told apart by hospital
    twins = (
        whole.group_by(list(TWIN)).aggregate(first=_.hospital.min(), last=_.hospital.max()).filter(_.first != _.last)
    )
    found = whole.inner_join(twins, list(TWIN)).group_by(KEY).aggregate(copies=_.count()).execute()
    if found.empty:
        return pd.Series(0.0, index=table.index)
    copies = table[KEY].merge(found, on=KEY, how="left")["copies"].fillna(0).to_numpy()
    return pd.Series(copies, index=table.index) / table["n"].where(table["n"] > 0)


def _changed_departments(params: RunParams) -> pd.DataFrame:
    """规则S02: lines of the department table that begin or end inside the evaluated years."""
    assert params.data.departments is not None  # noqa: S101  the rule needs it
    rows = []
    for one in read_departments(params.data.departments, params.specialties):
        for day in (one.first, one.last):
            if params.all_years[0] <= day.year <= params.all_years[-1]:
                said = f"科室 {one.department} 与专科的对应在周期内有变更（{day.isoformat()}）"
                rows.append((one.hospital or "全部", day.year, 1.0, 0.0, said, "S02"))
    return pd.DataFrame(rows, columns=[*COLUMNS, "rule"])
