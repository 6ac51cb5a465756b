"""Deaths by covariate pattern: what a risk model needs of the records, and nothing of a single one.

With `cube`, engine code: one pass that counts discharges and deaths for every pattern of DRG, age band, sex and admission
route. A second table beside the cube, because all measures on this grain would be as large as the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import ibis
import pandas as pd
from ibis import _

from toolkit.engine.types import Column, Table
from toolkit.params import SPECIALTY_SEPARATOR, Covariate

SEPARATOR = "␟"
COVARIATES = tuple(one.value for one in Covariate)
UNKNOWN_SEX = ("0", "9")


def death_cells(
    discharges: Table, age_bands: Sequence[int], by: Sequence[str], units: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Discharges with known outcome, and deaths, for every pattern.

    Parameters
    ----------
    discharges
        One row per stored discharge (`toolkit.data.store.discharges`).
    age_bands
        First age of every band but the youngest, in years, rising.
    by
        Keys beside the pattern, e.g. `("hospital", "specialty", "year")`; `month` is left out where a source has none.
    units
        `hospital, specialty`: only their discharges (and those that count in several specialties of these hospitals).

    Returns
    -------
    pd.DataFrame
        One row per key and pattern, sorted: `by`, `drg`, `age_band`, `sex`, `admission_route`, `n`, `died`. Text, "" where
        missing or unknown; age bands read `0–4`, `85+`.
    """
    table = discharges.filter(_.death_known.fill_null(False))
    if units is not None:
        table = table.filter(units_condition(units))
    keys = [*by, "drg", *COVARIATES]
    band = reduce(add, ((_.age_years >= edge).ifelse(1, 0) for edge in age_bands), _.n0)
    columns = {k: ibis.coalesce(_[k], "") if k in ("specialty", "drg", "sex", "admission_route") else _[k] for k in by}
    columns |= {k: ibis.coalesce(_[k], "") for k in ("drg", "sex", "admission_route")}
    rows = table.mutate(n0=ibis.literal(0)).select(
        **columns, age_band=_.age_years.isnull().ifelse(-1, band), died=_.died.cast("int64")
    )
    found = rows.group_by(keys).aggregate(n=_.count(), died=_.died.sum().cast("int64")).execute()
    names = dict(enumerate(band_names(age_bands))) | {-1: ""}
    sex = found["sex"].where(~found["sex"].isin(UNKNOWN_SEX), "")
    found = found.assign(age_band=found["age_band"].map(names), sex=sex)
    found = found.groupby(keys, sort=True, as_index=False)[["n", "died"]].sum()
    return found.astype({"n": "int64", "died": "int64"})


def units_condition(units: pd.DataFrame) -> Column:
    """Condition: the discharge is one of these units' (`hospital, specialty`), or may be, where it counts in several."""
    pairs = sorted(set(units["hospital"].astype(str) + SEPARATOR + units["specialty"].astype(str)))
    hospitals = sorted(set(units["hospital"].astype(str)))
    specialty = ibis.coalesce(_.specialty, "")
    shared = specialty.contains(SPECIALTY_SEPARATOR) & _.hospital.isin(hospitals)
    return (_.hospital + SEPARATOR + specialty).isin(pairs) | shared


def one_row_a_specialty(frame: pd.DataFrame) -> pd.DataFrame:
    """A row of several specialties (`a+b`) as one row of each: for sums by unit, never for a fit."""
    several = frame["specialty"].str.contains(SPECIALTY_SEPARATOR, regex=False)
    if not several.any():
        return frame
    split = (
        frame[several].assign(specialty=lambda f: f["specialty"].str.split(SPECIALTY_SEPARATOR)).explode("specialty")
    )
    return pd.concat([frame[~several], split], ignore_index=True)


def band_names(age_bands: Sequence[int]) -> list[str]:
    """Names of the bands, youngest first."""
    starts = [0, *age_bands]
    ends = [b - 1 for b in age_bands]
    closed = [f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=False)]
    return [*closed, f"{starts[-1]}+"]
