"""Questions to a finished run: its worklists, the fate of one record, errors by drawing records again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from toolkit import cube as cubes
from toolkit.data import store as stores
from toolkit.data.accounts import lookup
from toolkit.data.accounts.worklist import Facts, write_worklists
from toolkit.engine import connect
from toolkit.engine.types import Engine
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.cells import all_cells
from toolkit.evaluation.cohorts import has_other_windows
from toolkit.evaluation.facts import RunFacts, load_facts
from toolkit.evaluation.results import DATA, FACTS, RESULTS, Results, load, load_tables
from toolkit.evaluation.tables import TABLE
from toolkit.indicators import CATALOGUE
from toolkit.indicators.bootstrap import bootstrap as drawn_again
from toolkit.indicators.members import by_specialty
from toolkit.indicators.table import collect
from toolkit.models.change import inferential
from toolkit.reference import Referenced, attach
from toolkit.running.scratch import scratch
from toolkit.runs import trace as tracing
from toolkit.runs.trace import Trace

WORKLISTS = "worklists"  # folder of a run, one list a hospital


def worklists(folder: Path, to: Path | None = None) -> pd.DataFrame:
    """The worklists of the run in `folder`, written to `to` or to its own folder of them; returns their summary."""
    try:
        tables = load_tables(folder / RESULTS, [TABLE[name] for name in ("files", "balance", "hospitals")])
        facts = load_facts(folder / RESULTS / FACTS)
    except FileNotFoundError:
        load(folder / RESULTS)  # says what is wrong
        raise
    return lists_of(tables, facts, folder / DATA, to or folder / WORKLISTS)


def lists_of(tables: Mapping[str, pd.DataFrame], facts: RunFacts, data: Path, to: Path) -> pd.DataFrame:
    """The worklists of records that lie in `data`.

    Parameters
    ----------
    tables
        `files, balance, hospitals` of the run.
    """
    said = Facts(rules=facts.rules, scopes=dict(facts.scopes), codes=facts.codes)
    names = dict(zip(tables["hospitals"]["code"], tables["hospitals"]["name"], strict=True))
    with scratch() as work:
        connection = connect(Path(work), [data])
        try:
            marked, held = lookup.marked(connection, data)
            return write_worklists(
                marked, held, tables["files"], tables["balance"], names, said, to, connection, Path(work)
            )
        finally:
            connection.disconnect()


def with_records(results: Results) -> Results:
    """The results, where the run's source was records.

    Raises
    ------
    RunError
        It was sums or values: no single case is known.
    """
    if results.params.data.summed:
        raise RunError(
            "这次运行的来源是汇总表或数值表，没有病案可查",
            "the source of this run was sums or values: there are no records",
            where=results.params.run,
            remedy="向报送方索取病案后以 data.files 运行",
            remedy_english="run it from records, with data.files",
        )
    return results


def trace(
    folder: Path,
    *,
    hospital: str = "",
    record: str = "",
    visit: str = "",
    file: str = "",
    line: int = 0,
    key_file: Path | None = None,
) -> list[Trace]:
    """What became of a record of a finished run: of one line of a file, or of every stay under a record number.

    Raises
    ------
    RunError
        The folder holds no finished run, or its key is gone.
    ParameterError
        The run knows no such hospital, file or record.
    """
    results, data = with_records(load(folder / RESULTS)), folder / DATA
    number = tracing.file_number(results, file) if file else None
    if number is not None and (refused := tracing.refused_file(results, number, line)):
        return [refused]
    pseudonyms = [] if file else tracing.pseudonyms(results, folder, hospital, record, visit, key_file)
    with scratch() as work:
        connection = connect(Path(work), [data, data / lookup.STORE])
        try:
            if number is not None:
                marked, stored = lookup.records_at(connection, data, number, line)
            else:
                marked, stored = lookup.records_of(connection, data, pseudonyms)
            if marked.empty and stored.empty:
                raise tracing.not_found(results, number, line, hospital)
            return tracing.traces(results, marked, stored, lambda row: _entered(results, connection, data, row))
        finally:
            connection.disconnect()


def _entered(
    results: Results, connection: Engine, data: Path, row: pd.Series
) -> tuple[dict[tuple[str, str], bool], pd.DataFrame]:
    """Whether a stored record was trimmed, and the cells it entered."""
    groups = results.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    key = [*cubes.KEY, "file", "line"]
    cube = cubes.build(lookup.drg_of(connection, data, row), results.params, groups, by=key, connection=connection)
    own = cube[(cube["file"] == row["file"]) & (cube["line"] == row["line"])].drop(columns=["file", "line"])
    own = own.reset_index(drop=True)
    alone = {}
    for basis in cubes.BASES:
        whole = attach(results.cube, results.params, results.hospitals, basis)
        alone[basis] = tracing.one_record(whole, attach(own, results.params, results.hospitals, basis), list(own))
    return tracing.trimmed(own.iloc[0]), tracing.entered(all_cells(alone, results.units, results.params), results)


def bootstrap(
    folder: Path,
    hospital: str,
    specialty: str,
    *,
    basis: cubes.Basis = "contemporaneous",
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The cells of one unit of a finished run, by cycle, with error and limits from drawing its records again.

    Parameters
    ----------
    folder
        Of the run; its stored discharges are read.

    Returns
    -------
    pd.DataFrame
        `cycle, indicator, value, se, low, high` as in the run's cells (closed form, exact), and `replicates, se_drawn,
        low_drawn, high_drawn`.

    Raises
    ------
    ParameterError
        The run has no such unit.
    """
    results = with_records(load(folder / RESULTS))
    units = results.units[(results.units["hospital"] == hospital) & (results.units["specialty"] == specialty)]
    if units.empty:
        raise ParameterError(
            "没有该评估单元",
            "no such unit",
            where=f"{hospital} {specialty}",
            remedy="见 results/units.parquet",
            remedy_english="see results/units.parquet",
        )
    # a project of another starting year is drawn over its own windows, as its report is made
    params, by = results.of_project(hospital, specialty).params, ["hospital", "specialty", "cycle"]
    windows = [y for span in params.periods.values() for y in range(span.first, span.last + 1)]
    elsewhere = has_other_windows(results.params, hospital, specialty)
    groups = results.hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    store = folder / DATA / stores.DISCHARGES
    with scratch() as work:
        connection = connect(Path(work), [store])
        try:
            rows = stores.discharges(connection, store)
            if len(results.params.cohorts) > 1:
                rows = cubes.of_years(rows, windows)
            cube = cubes.build(rows, params, groups, connection=connection) if elsewhere else results.cube
            drawn = cubes.resampled(
                rows, params, groups, (hospital, specialty), replicates=replicates, seed=seed, connection=connection
            )
        finally:
            connection.disconnect()
    referenced = by_specialty(attach(cube, params, results.hospitals, basis), params.specialties)
    chosen = [one for one in CATALOGUE.values() if inferential(one)]
    again = drawn_again(
        drawn, referenced, chosen, by, params, results.hospitals, confidence=params.change.confidence
    ).set_index([*by, "indicator"])
    mine = (referenced.frame["hospital"] == hospital) & (referenced.frame["specialty"] == specialty)
    own = Referenced(basis=basis, frame=referenced.frame[mine], grades=referenced.grades, insufficient={})
    cells = collect(own, chosen, by, confidence=params.change.confidence, policy=params.indicators)
    both = cells.set_index([*by, "indicator"]).join(
        again.rename(columns=lambda c: c if c == "replicates" else f"{c}_drawn")
    )
    columns = ["value", "se", "low", "high", "replicates", "se_drawn", "low_drawn", "high_drawn"]
    return both[columns].reset_index().drop(columns=["hospital", "specialty"])
