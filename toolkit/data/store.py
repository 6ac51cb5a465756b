"""The stored discharges: written once by the intake, a file a year; read by whoever asks for single records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.fates import USABLE
from toolkit.data.discharge.readmission import with_readmission
from toolkit.data.discharge.schema import STORED
from toolkit.data.quality import Fate
from toolkit.engine import write_parquet
from toolkit.engine.types import Engine, Table
from toolkit.params import RunParams

DISCHARGES = "discharges"  # folder of the accepted ones, a file a year
PLACE = ("file", "line", "pseudonym", "hospital", "specialty", "year", "month", "drg")


def write_store(judged: Table, params: RunParams, connection: Engine, work: Path) -> Path:
    """Accepted discharges with what each may be used for, one sorted file a year."""
    folder = work / DISCHARGES
    folder.mkdir(exist_ok=True)
    accepted = judged.filter(_.fate == Fate.ACCEPTED.value)
    # a rule that could not be checked found nothing, and still a missing value is none
    accepted = accepted.mutate(
        cost_usable=_.cost_usable & _.cost_fen.notnull(),
        los_usable=_.los_usable & _.los_days.notnull(),
        death_known=_.death_known & _.died.notnull(),
        grouped=_.grouped & _.drg.notnull(),
        surgery_usable=_.surgery_usable & _.surgical.notnull(),
    )
    accepted = accepted.mutate(drg=ibis.ifelse(_.grouped, _.drg, ibis.null("string")))
    columns = [*STORED, *USABLE.values(), "file", "line", "pseudonym"]
    accepted = with_readmission(accepted, params, connection).select(columns)
    # a view: else its plan would be made anew for each year
    accepted = connection.create_view("accepted_records", accepted, overwrite=True)
    order = ["hospital", "specialty", "drg", "file", "line"]
    for year in params.all_years:
        write_parquet(connection, accepted.filter(_.year == year), folder / f"{year}.parquet", order_by=order)
    return folder


def discharges(connection: Engine, store: Path) -> Table:
    """The stored discharges as a table expression, one row per discharge."""
    return connection.read_parquet(str(store / "*.parquet"))


def of_hospitals(stored: Table, hospitals: Collection[str]) -> Table:
    """The stored discharges of some hospitals."""
    return stored.filter(stored.hospital.isin(list(hospitals)))


def shown(stored: Table, details: Sequence[str]) -> pd.DataFrame:
    """One row per discharge: `PLACE`, where it stands and whose it is, and the fields asked for."""
    return stored.select(*PLACE, *details).to_pandas()
