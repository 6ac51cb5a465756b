"""How complete the records of each hospital are, and what its quarantined records would have changed."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import pandas as pd
from ibis import _

from toolkit.data.discharge.schema import BY_NAME, SEPARATOR
from toolkit.data.intake import Intake
from toolkit.data.quality import Fate
from toolkit.data.quality.base import CASE_MIX, COST, LOS, MORTALITY
from toolkit.data.reading.formats import FormatMap
from toolkit.data.store import discharges
from toolkit.engine.types import Column, Engine

# what every group of measures rests on; a field that the source format does not have is not missing but 不适用
KEY_FIELDS = (
    "admission_date",
    "discharge_date",
    "los_days",
    "cost_fen",
    "died",
    "sex",
    "age_years",
    "department",
    "principal_diagnosis",
    "drg",
)
DIAGNOSES = "other_diagnoses"


def profile(intake: Intake, forms: Sequence[FormatMap], connection: Engine) -> pd.DataFrame:
    """Missing values of key fields, and how many other diagnoses are coded, by hospital and year.

    Of the records that came in, quarantined ones too; not of those that a declared rule excludes.

    Returns
    -------
    pd.DataFrame
        `hospital, year, field, n` (records), `missing`, and `total`: for `other_diagnoses` the number of codes. Year 0 where a
        record has none.
    """
    typed = intake.typed
    marked = connection.read_parquet(str(intake.fates))
    excluded = marked.filter(_.fate == Fate.EXCLUDED.value).select("file", "line")
    rows = typed.anti_join(excluded, ["file", "line"]).filter(_.file.isin(_read(intake)))
    known = set().union(*(form.fields for form in forms))
    given = [f for f in KEY_FIELDS if f in rows.columns and (f in known or f in _COMPUTED)]
    columns: dict[str, Column] = {"n": _.count()}
    columns |= {f"missing_{f}": _[f].isnull().cast("int64").sum() for f in given}
    coded = DIAGNOSES in known and DIAGNOSES in rows.columns
    if coded:
        # a list of codes is one text, divided before, between and after: one code fewer than signs
        signs = _[DIAGNOSES].length() - _[DIAGNOSES].replace(SEPARATOR, "").length()
        columns["codes"] = (signs - 1).fill_null(0).sum()
        columns[f"missing_{DIAGNOSES}"] = _[DIAGNOSES].isnull().cast("int64").sum()
    keys = {"hospital": _.hospital.fill_null(""), "year": _.year.fill_null(0)}
    wide = rows.group_by(**keys).aggregate(**columns).execute()
    parts = [
        pd.DataFrame(
            {
                "hospital": wide["hospital"],
                "year": wide["year"],
                "field": name,
                "n": wide["n"],
                "missing": wide[f"missing_{name}"],
                "total": wide["codes"] if name == DIAGNOSES else 0,
            }
        )
        for name in [*given, *([DIAGNOSES] if coded else [])]
    ]
    columns_of = ["hospital", "year", "field", "n", "missing", "total"]
    long = pd.concat(parts) if parts else pd.DataFrame(columns=columns_of)
    order = {name: i for i, name in enumerate(BY_NAME)}
    long = long.astype({"year": "int16", "n": "int64", "missing": "int64", "total": "int64"})
    long = long.assign(_order=long["field"].map(order)).sort_values(["hospital", "year", "_order"], ignore_index=True)
    return long.drop(columns="_order")


_COMPUTED = ("los_days", "drg")


def _read(intake: Intake) -> list[int]:
    return [int(n) for n in intake.files.loc[intake.files["rejected"] == "", "file"]]


def quarantine_effect(intake: Intake, connection: Engine) -> pd.DataFrame:
    """Sums of the four kinds of measures over the records that are used, and over those in quarantine.

    Returns
    -------
    pd.DataFrame
        `hospital, measure, used` (False = in quarantine), `n` (records with a value), `x`: fen of cost, days of LOS, deaths,
        grouped cases.
    """
    typed = intake.typed
    marked = connection.read_parquet(str(intake.fates))
    apart = marked.filter(_.fate == Fate.QUARANTINED.value).select("file", "line")
    waiting = typed.semi_join(apart, ["file", "line"])
    stored = discharges(connection, intake.store)
    amounts = {COST: _.cost_fen, LOS: _.los_days, MORTALITY: _.died, CASE_MIX: _.drg.notnull()}
    usable = {COST: _.cost_usable, LOS: _.los_usable, MORTALITY: _.death_known, CASE_MIX: _.file.notnull()}
    given = {COST: _.cost_fen > 0, LOS: _.los_days.notnull(), MORTALITY: _.died.notnull(), CASE_MIX: _.file.notnull()}
    parts = []
    for rows, when, used in ((stored, usable, True), (waiting, given, False)):
        columns: dict[str, Column] = {}
        for measure, amount in amounts.items():
            counts = when[measure].fill_null(False)
            columns[f"n_{measure}"] = ibis.ifelse(counts, 1, 0).sum()
            value = amount.cast("int64")
            columns[f"x_{measure}"] = (
                ibis.ifelse(counts, value, 0).fill_null(0).sum().cast("decimal(38, 0)").cast("int64")
            )
        wide = rows.group_by(hospital=_.hospital.fill_null("")).aggregate(**columns).execute()
        parts += [
            pd.DataFrame(
                {"hospital": wide["hospital"], "measure": m, "used": used, "n": wide[f"n_{m}"], "x": wide[f"x_{m}"]}
            )
            for m in amounts
        ]
    table = pd.concat(parts).astype({"n": "int64", "x": "int64"})
    return table.sort_values(["hospital", "measure", "used"], ignore_index=True)
