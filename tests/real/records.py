"""Three public sources as single cases, read a second time: nothing of the toolkit is imported here.

Columns: `hospital, specialty, year, drg, principal, los` (days), `cost` (hundredths), `died`, `los_ok`, `cost_ok` (whether a
measure may use the case), of Chile also `own_weight`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

# Money is in whole hundredths of the currency unit: that is its precision, and in binary floating point a cost that lies
# exactly on a trim limit would fall inside or outside by the last bit.
LEAST_COST, GREATEST_COST, LONGEST_STAY, CANCELLED_STAY = 500, 200_000_000, 60, 2


def brazil(path: Path) -> pd.DataFrame:
    """Ordinary admissions discharged in 2019–2024; a group is procedure × three-character diagnosis."""
    raw = pd.read_parquet(path)
    left, came = pd.to_datetime(raw["DT_SAIDA"], format="%Y%m%d"), pd.to_datetime(raw["DT_INTER"], format="%Y%m%d")
    icd = raw["DIAG_PRINC"].astype(object)
    cases = pd.DataFrame(
        {
            "hospital": raw["CNES"].astype(object),
            "specialty": [_mental_specialty(code) for code in icd],
            "year": left.dt.year,
            "drg": raw["PROC_REA"].astype(object) + "/" + icd.str[:3],
            "principal": icd,
            "los": (left - came).dt.days.clip(lower=1).astype(float),
            "cost": _hundredths(raw["VAL_TOT"]),
            "died": (raw["MORTE"] == 1).astype(int),
        }
    )
    wanted = (raw["IDENT"] == "1").to_numpy() & cases["year"].between(2019, 2024).to_numpy()
    return mark_usable(cases[wanted].reset_index(drop=True))


def _hundredths(amount: pd.Series) -> pd.Series:
    return (amount.astype(float) * 100).round()


def _mental_specialty(code: str) -> str | None:
    if code[0] != "F" or not code[1:3].isdigit():
        return None
    number = int(code[1:3])
    for name, first, last in (
        ("substance", 10, 19),
        ("schizophrenia", 20, 29),
        ("bipolar", 30, 31),
        ("depression", 32, 33),
    ):
        if first <= number <= last:
            return name
    return None


def new_york(path: Path) -> pd.DataFrame:
    """One year; the group is APR-DRG with severity, the specialty its major category. No ICD code is published.

    A record without a hospital belongs to no unit, and is not accepted.
    """
    raw = pd.read_csv(path, dtype=str)
    cases = pd.DataFrame(
        {
            "hospital": raw["Permanent Facility Id"].str.replace(".0", "", regex=False).astype(object),
            "specialty": raw["APR MDC Code"].astype(object),
            "year": raw["Discharge Year"].astype(int),
            # 955 and 956 are the grouper's own codes for "cannot be grouped"
            "drg": (raw["APR DRG Code"] + "-" + raw["APR Severity of Illness Code"])
            .astype(object)
            .mask(raw["APR DRG Code"].isin(["955", "956"])),
            "principal": None,
            "los": raw["Length of Stay"].str.replace(" +", "", regex=False).astype(float),
            "cost": _hundredths(pd.to_numeric(raw["Total Costs"], errors="coerce")),
            "died": (raw["Patient Disposition"] == "Expired").astype(int),
        }
    )
    return mark_usable(cases[cases["hospital"].notna()].reset_index(drop=True))


def chile(path: Path) -> pd.DataFrame:
    """One institute, one year; the record carries its group's published weight, and no cost."""
    raw = pd.read_csv(path, dtype=str)
    left = pd.to_datetime(raw["FECHAALTA"], format="%d-%m-%Y")
    came = pd.to_datetime(raw["FECHA_INGRESO"], format="%d-%m-%Y")
    cases = pd.DataFrame(
        {
            "hospital": raw["COD_HOSPITAL"].astype(object),
            "specialty": raw["ESPECIALIDAD_MEDICA"].astype(object),
            "year": left.dt.year,
            "drg": raw["IR_29301_COD_GRD"].astype(object),
            "principal": raw["DIAGNOSTICO1"].astype(object),
            "los": (left - came).dt.days.clip(lower=1).astype(float),
            "cost": np.nan,
            "died": (raw["TIPOALTA"] == "FALLECIDO").astype(int),
            "own_weight": raw["IR_29301_PESO"].astype(float),
        }
    )
    return mark_usable(cases)


def mark_usable(cases: pd.DataFrame) -> pd.DataFrame:
    """Which cases may enter a cost or a stay measure; volume and deaths ask neither."""
    cases = cases.copy()
    cancelled = np.array([isinstance(p, str) and p.startswith("Z53") for p in cases["principal"]], dtype=bool)
    cancelled &= (cases["los"] <= CANCELLED_STAY).to_numpy()
    short_enough = (cases["los"] <= LONGEST_STAY).to_numpy() & ~cancelled  # a missing stay compares as False
    cases["los_ok"] = short_enough
    cases["cost_ok"] = short_enough & cases["cost"].between(LEAST_COST, GREATEST_COST).to_numpy()
    return cases
