"""New York's discharges of 2009–2020, published as sums, through the toolkit as a cube; and the same in plain pandas.

The stratum that stands in for the DRG is what the file has of case mix: medical or surgical × age × sex × payer.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit import cube
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.params import RunParams
from toolkit.reference import attach

CYCLES = ((2009, 2011), (2012, 2014), (2015, 2017), (2018, 2020))
STRATUM = ["APR Medical Surgical Description", "Patient Age Group", "Patient Gender", "Type of Insurance"]
INDICATORS = ("los_index", "mortality", "mean_los")


def cells(folder: Path) -> pd.DataFrame:
    """The file as `cube.from_sums` takes it. A mean of "120 +" days is no number: known for none of its discharges."""
    table = pd.read_parquet(folder / "sparcs_facility_2009_2020.parquet")
    mean = pd.to_numeric(table["Average Length of Stay"], errors="coerce")
    n, dead = table["Number of Discharges"], table["Discharged Dead or Alive"] == "Discharged Dead"
    return pd.DataFrame(
        {
            "hospital": table["Facility ID"].astype("str"),
            "specialty": cube.NONE,
            "year": table["Discharge Year"],
            "drg": table[STRATUM[0]].str.cat(table[STRATUM[1:]], sep="|"),
            "n": n,
            "los": (mean * n).fillna(0.0),
            "los_n": n.where(mean.notna(), 0),
            "died": n.where(dead, 0),
            "died_n": n,
        }
    )


def params(first: int, last: int) -> RunParams:
    data = {"format": "canonical", "files": ["published-sums"]}
    specialties = [{"id": "none", "name_zh": "无", "departments": ["none"]}]
    return RunParams.model_validate(
        {
            "run": "published",
            "title": "published sums",
            "data": data,
            "years": {"first": first, "last": last},
            "specialties": specialties,
            "reference": {"scope": "region"},
            "trimming": {"method": "none"},
        }
    )


def by_toolkit(given: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Cells by hospital, and of the state as hospital "": indicators × contemporaneous basis."""
    chosen, run = given[given["year"].between(first, last)], params(first, last)
    hospitals = pd.DataFrame({"code": sorted(set(chosen["hospital"])), "level_group": "all", "tier": "市"})
    referenced = attach(cube.from_sums(chosen, run), run, hospitals, "contemporaneous")
    wanted = [CATALOGUE[i] for i in INDICATORS if i in CATALOGUE]
    state = collect(referenced, wanted, ["cycle"]).assign(hospital="")
    found = pd.concat([collect(referenced, wanted, ["hospital"]), state], ignore_index=True)
    return found.astype({"hospital": "str"}).set_index(["hospital", "indicator"])


def by_pandas(given: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """LOS index against the stratum of the same year, and mortality, by hospital; nothing of the toolkit is asked."""
    chosen = given[given["year"].between(first, last)]
    groups = chosen.groupby(["drg", "year"])
    mean = groups["los"].transform("sum") / groups["los_n"].transform("sum")
    usable = groups["los_n"].transform("sum") >= 5
    with_state = pd.concat([chosen, chosen.assign(hospital="")])
    index = pd.concat([(chosen["los"] / mean).where(usable)] * 2).set_axis(with_state.index)
    counted = pd.concat([chosen["los_n"].where(usable, 0)] * 2).set_axis(with_state.index)
    table = with_state.assign(index=index.to_numpy(), counted=counted.to_numpy())
    sums = table.groupby("hospital")[["index", "counted", "died", "died_n", "los", "los_n"]].sum()
    return pd.DataFrame(
        {
            "los_index": sums["index"] / sums["counted"],
            "mortality": 100 * sums["died"] / sums["died_n"],
            "mean_los": sums["los"] / sums["los_n"],
            "died": sums["died"],
            "died_n": sums["died_n"],
        }
    )
