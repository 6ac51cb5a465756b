"""Discharges of three hospitals, their parameters and the cells of them, for what must hold for every indicator."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import rows

from toolkit import cube as cubes
from toolkit.frames import with_columns
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.reference import attach


def frame_of(given_rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame([{**rows.DEFAULTS, **row} for row in given_rows])
    return frame.assign(
        tier=frame["hospital"].map({"A": "市", "B": "市", "C": "县"}),
        level_group=frame["hospital"].map({"A": "三级", "B": "二级", "C": "二级"}),
        county=frame["hospital"].map({"A": "990102", "B": "990103", "C": ""}),
    )


def params(trim: str = "iqr"):
    """The reference holds every hospital's own cases, also for change: leaving them out has its tests by hand."""
    same = {"frozen": "same"}
    return rows.params(
        cycles=rows.CYCLES,
        trimming={"method": trim, **same},
        reference={**rows.PLAIN["reference"], **same},
        risk_grades={**rows.PLAIN["risk_grades"], **same},
        indicators={"rarefied_at": 3},
    )


def cells_of(
    cube: pd.DataFrame, by: list[str], basis: cubes.Basis = "contemporaneous", trim: str = "iqr"
) -> pd.DataFrame:
    hospitals = pd.DataFrame({"code": list("ABC"), "level_group": ["三级", "二级", "二级"], "tier": ["市", "市", "县"]})
    found = attach(cube, params(trim), hospitals, basis)
    referenced = replace(found, frame=with_columns(found.frame, region=""))
    return collect(referenced, CATALOGUE.values(), by, policy=params(trim).indicators)
