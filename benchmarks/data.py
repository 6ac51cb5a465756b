"""Synthetic records (合成数据) in the shape of the store, made once and kept in the ignored cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.measuring import CACHE

HOSPITALS, ADJACENT_GROUPS = 600, 270  # about 5,800 units and 810 DRGs


def region(size: int) -> Path:
    """Folder with `discharges/` and the registry tables of a region of `size` discharges."""
    from toolkit.data.synthetic import Settings, generate, write_discharges

    folder = CACHE / f"region-{size}"
    if not (folder / "truth.json").exists():  # written last
        settings = Settings(discharges=size, hospitals=HOSPITALS, adjacent_groups=ADJACENT_GROUPS)
        write_discharges(generate(settings), folder, workers=2)
    return folder


def store(size: int) -> Path:
    """Folder of stored discharges: a sorted file a year, with the columns that `toolkit.data.intake` adds."""
    import duckdb

    from toolkit.data.schema import STORED

    folder = CACHE / f"store-{size}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    connection = duckdb.connect(config={"memory_limit": "3GB", "temp_directory": str(CACHE / "spill")})
    for number, file in enumerate(sorted((region(size) / "discharges").glob("*.parquet"))):
        year = file.stem.removeprefix("year=")
        connection.execute(
            f"""COPY (
                SELECT {", ".join(STORED)}, los_days <= 60 AND cost_fen IS NOT NULL AS cost_usable,
                    los_days <= 60 AS los_usable, died IS NOT NULL AS death_known, drg IS NOT NULL AS grouped,
                    surgical IS NOT NULL AS surgery_usable,
                    {number}::INTEGER AS file, file_row_number + 2 AS line
                FROM read_parquet('{file}', file_row_number=true) ORDER BY hospital, specialty, drg, file, line
            ) TO '{folder / year}.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"""
        )
    (folder / "complete").touch()
    return folder


def hospitals(size: int) -> Any:
    import pandas as pd

    return pd.read_csv(region(size) / "hospitals.csv", dtype=str)


def params(**policies: Any) -> Any:
    from toolkit.params import Cycles, Data, RunParams, Specialty, Synthetic, Years

    first = 2019
    return RunParams(
        run="benchmark", title="benchmark", data=Data(format="front-page", synthetic=Synthetic()),
        cycles=Cycles(before=Years(first=first, last=first + 2), after=Years(first=first + 3, last=first + 5)),
        specialties=_specialties(Specialty), price_index={first + i: round(1.05**i, 6) for i in range(6)}, **policies,
    )  # fmt: skip


def _specialties(kind: Any) -> list[Any]:
    from toolkit.data.synthetic.specialties import SPECIALTIES

    return [
        kind(id=s.id, name_zh=s.name_zh, surgical=s.surgical, departments=[code for code, _ in s.departments])
        for s in SPECIALTIES
    ]
