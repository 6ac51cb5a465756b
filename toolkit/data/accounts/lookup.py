"""Single records of a finished run, found again in what the run keeps; the source files are not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from ibis import _

from toolkit.data.accounts.submitted import SUBMITTED
from toolkit.data.intake import FATES
from toolkit.data.store import discharges
from toolkit.engine.types import Engine, Table

STORE = "discharges"


def marked(connection: Engine, data: Path) -> tuple[Table, Table]:
    """The marked records of a run, and what was submitted in the fields that rules name."""
    return connection.read_parquet(str(data / FATES)), connection.read_parquet(str(data / SUBMITTED))


def records_at(connection: Engine, data: Path, file: int, line: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The record at a line of a file: its row in the fates, its row in the store; either may be empty."""
    marked = connection.read_parquet(str(data / FATES)).filter((_.file == file) & (_.line == line))
    stored = discharges(connection, data / STORE).filter((_.file == file) & (_.line == line))
    return marked.execute(), stored.execute()


def records_of(connection: Engine, data: Path, pseudonyms: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All records under any of the pseudonyms; as `records_at`."""

    def of(table: Table) -> pd.DataFrame:
        return table.filter(_.pseudonym.isin(list(pseudonyms))).order_by(["file", "line"]).execute()

    return of(connection.read_parquet(str(data / FATES))), of(discharges(connection, data / STORE))


def drg_of(connection: Engine, data: Path, record: pd.Series) -> Table:
    """The discharges whose amounts set the trim limits of the record: those of its DRG; the record alone where it has none."""
    stored = discharges(connection, data / STORE)
    if record["drg"] is None or pd.isna(record["drg"]):
        return stored.filter((_.file == int(record["file"])) & (_.line == int(record["line"])))
    return stored.filter(_.drg == record["drg"])
