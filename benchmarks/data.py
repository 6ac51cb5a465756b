"""Synthetic records (合成数据) in the shape of the store, made once and kept in the ignored cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.measuring import CACHE

HOSPITALS, ADJACENT_GROUPS, PROJECTS = 600, 270, 12  # about 5,800 units and 810 DRGs


def region(size: int, hospitals: int = HOSPITALS, projects: int = PROJECTS) -> Path:
    """Folder with `discharges/` and the registry tables of a region of `size` discharges."""
    from toolkit.synthetic import Settings, generate, write_discharges

    folder = CACHE / f"region-{_name(size, hospitals, projects)}"
    if not (folder / "truth.json").exists():  # written last
        settings = Settings(discharges=size, hospitals=hospitals, adjacent_groups=ADJACENT_GROUPS, projects=projects)
        write_discharges(generate(settings), folder, workers=2)
    return folder


def _name(size: int, hospitals: int, projects: int) -> str:
    usual = (hospitals, projects) == (HOSPITALS, PROJECTS)
    return f"{size}" if usual else f"{size}-{hospitals}-{projects}"


# What intake derives from columns that the synthetic region does not write straight to Parquet: here from a hash of the
# line, so that every measure of the catalogue has something to sum, and columns compress no better than real ones.
DERIVED = {
    "cost_usable": "los_days <= 60 AND cost_fen IS NOT NULL",
    "los_usable": "los_days <= 60",
    "death_known": "died IS NOT NULL",
    "grouped": "drg IS NOT NULL",
    "surgery_usable": "surgical IS NOT NULL",
    "judged_level": "surgery_level",
    "judged_level_frozen": "surgery_level",
    "minimally_invasive": "surgical AND h % 5 = 0",
    "minimally_invasive_frozen": "surgical AND h % 5 = 0",
    "complication": "surgical AND h % 97 = 0",
    "complication_frozen": "surgical AND h % 97 = 0",
    "medical_fen": "cost_fen * (h % 31) // 100",
    "nursing_fen": "cost_fen * (h % 7) // 100",
    "technical_fen": "cost_fen * (h % 23) // 100",
    "drug_fen": "cost_fen * (h % 29) // 100",
    "management_fen": "cost_fen * (h % 5) // 100",
    "material_fen": "cost_fen * (h % 19) // 100",
    "rescues": "(h % 50 = 0)::SMALLINT",
    "successful_rescues": "(h % 100 = 0)::SMALLINT",
    "transferred_in": "h % 41 = 0",
    "residence_known": "h % 53 <> 0",
    "outside_county": "h % 3 = 0",
    "outside_city": "h % 11 = 0",
    "readmitted": "h % 37 = 0",
}


def store(size: int, hospitals: int = HOSPITALS, projects: int = PROJECTS) -> Path:
    """Folder of stored discharges: a sorted file a year, with the columns that `toolkit.data.intake` adds."""
    import duckdb

    folder = CACHE / f"store-{_name(size, hospitals, projects)}"
    if (folder / "complete").exists() and (folder / "complete").read_text() == repr(DERIVED):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    connection = duckdb.connect(config={"memory_limit": "3GB", "temp_directory": str(CACHE / "spill")})
    derived = ", ".join(f"{expression} AS {name}" for name, expression in DERIVED.items())
    for number, file in enumerate(sorted((region(size, hospitals, projects) / "discharges").glob("*.parquet"))):
        year = file.stem.removeprefix("year=")
        connection.execute(
            f"""COPY (
                SELECT * EXCLUDE (h), {derived}
                FROM (SELECT *, {number}::INTEGER AS file, file_row_number + 2 AS line, hash(file_row_number) AS h
                      FROM read_parquet('{file}', file_row_number=true))
                ORDER BY hospital, specialty, drg, file, line
            ) TO '{folder / year}.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"""
        )
    (folder / "complete").write_text(repr(DERIVED))
    return folder


def hospitals(size: int) -> Any:
    return hospitals_of(size, HOSPITALS, PROJECTS)


def hospitals_of(size: int, hospitals: int, projects: int) -> Any:
    import pandas as pd

    return pd.read_csv(region(size, hospitals, projects) / "hospitals.csv", dtype=str)


def params(**policies: Any) -> Any:
    from toolkit.params import Cycles, Data, RunParams, Specialty, Synthetic, Years

    first = 2019
    return RunParams(
        run="benchmark",
        title="benchmark",
        data=Data(format="front-page", synthetic=Synthetic()),
        cycles=Cycles(before=Years(first=first, last=first + 2), after=Years(first=first + 3, last=first + 5)),
        specialties=_specialties(Specialty),
        price_index={first + i: round(1.05**i, 6) for i in range(6)},
        **policies,
    )


def _specialties(kind: Any) -> list[Any]:
    from toolkit.synthetic.specialties import SPECIALTIES

    return [
        kind(id=s.id, name_zh=s.name_zh, surgical=s.surgical, departments=[code for code, _ in s.departments])
        for s in SPECIALTIES
    ]
