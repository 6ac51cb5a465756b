"""The cases behind a number: what an indicator counts, record by record, for review on the spot.

A death in a low-risk group is a sentinel: not a rate to judge by but a case to look at. The list names records by file and line
and by pseudonym; record numbers are added only for who holds the key of the pseudonyms and a list of its own numbers.
Records never leave through this door in the release edition, which has none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from toolkit import cube as cubes
from toolkit.cube.trims import beyond_limits
from toolkit.data import store as stores
from toolkit.data.discharge import identity
from toolkit.data.lists.listing import read_listing
from toolkit.engine import connect
from toolkit.engine.types import Engine, Table
from toolkit.errors import ParameterError, RunError, did_you_mean
from toolkit.evaluation.monitoring import at_months
from toolkit.evaluation.results import DATA, RESULTS, Results, load
from toolkit.indicators import CATALOGUE, Declared, Direction, Distribution, Indicator
from toolkit.indicators.table import evaluate
from toolkit.reference import attach
from toolkit.running.scratch import scratch
from toolkit.runs.trace import known_hospital

OUTLIERS = {"cost_outliers": "费用超出裁剪界限", "los_outliers": "住院日超出裁剪界限"}
DETAILS = [
    "principal_diagnosis",
    "principal_procedure",
    "sex",
    "age_years",
    "los_days",
    "exit_mode",
    "admission_route",
    "department",
]
COLUMNS = [
    "file",
    "line",
    "pseudonym",
    "record",
    "hospital",
    "specialty",
    "year",
    "month",
    "drg",
    "risk_grade",
    *DETAILS,
]


def flagged(one: Declared, frame: pd.DataFrame) -> np.ndarray:
    """Of a cube with one discharge a row: which of them are the events that the indicator counts.

    Of an indicator where more is better (survival), those that are not counted.

    Raises
    ------
    ParameterError
        The indicator counts no events: a mean, or a number of distinct values.
    """
    events = isinstance(one, Indicator) and one.distribution in (Distribution.RARE, Distribution.PROPORTION, None)
    if not events or not isinstance(one, Indicator):
        raise ParameterError(
            f"{one.name_zh}不是逐例的事件，列不出病例",
            "the indicator counts no events of single cases",
            where="--indicator",
            remedy=f"用死亡、并发症、再住院、转诊等指标，或 {'、'.join(OUTLIERS)}",
            remedy_english="take one of deaths, complications, readmissions, transfers, or the outliers",
        )
    above = evaluate(frame, one.numerator).to_numpy(float)
    if one.direction is Direction.HIGHER and one.denominator is not None:
        above = evaluate(frame, one.denominator).to_numpy(float) - above
    found = np.nan_to_num(above) > 0
    for condition in (one.among, one.applies_to):
        if condition is not None:
            found &= evaluate(frame, condition).astype(float).fillna(0).to_numpy(float) != 0
    return found


def case_list(folder: Path, indicator: str, hospital: str, *, specialty: str = "", period: str = "") -> pd.DataFrame:
    """The cases of a hospital that an indicator counts in a finished run, with the risk grades and code lists of their time.

    Parameters
    ----------
    indicator
        Id of an indicator that counts events, or of `OUTLIERS`.
    specialty, period
        Only these; a period is a cycle or a year, by default the run's last cycle.

    Returns
    -------
    pd.DataFrame
        `COLUMNS`, one row a case in the order of files and lines; `record` is empty (see `with_records`).

    Raises
    ------
    RunError
        The run has no records: it is of the release edition, or a folder without its data.
    ParameterError
        No such hospital, specialty, period or indicator.
    """
    results, data = load(folder / RESULTS), folder / DATA
    _asked(results, data, folder, indicator, hospital, specialty)
    years = _years(results, period)
    params, hospitals = results.params, results.hospitals
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    with scratch() as work:
        connection = connect(Path(work), [data])
        try:
            stored = stores.discharges(connection, data / stores.DISCHARGES)
            own = stores.of_hospitals(stored, [hospital])
            if indicator in OUTLIERS:
                outside = beyond_limits(stored, params, groups, hospital, connection=connection)
                keys = outside.loc[outside[indicator.removesuffix("_outliers")], ["file", "line"]].assign(
                    risk_grade=np.nan
                )
            else:
                keys = _events(results, own, CATALOGUE[indicator], groups, connection)
            details = stores.shown(own, DETAILS)
        finally:
            connection.disconnect()
    found = details.merge(keys, on=["file", "line"])
    found = found[found["year"].isin(years)]
    if specialty:
        # an array, not a list: an empty list would choose no columns
        found = found[np.array([specialty in str(s).split("+") for s in found["specialty"]], dtype=bool)]
    names = results.files.set_index("file")["name"]
    found = found.sort_values(["file", "line"]).assign(record="", file=found["file"].map(names))
    return found[COLUMNS].reset_index(drop=True)


def _asked(results: Results, data: Path, folder: Path, indicator: str, hospital: str, specialty: str) -> None:
    if results.params.edition == "release" or not (data / stores.DISCHARGES).is_dir():
        raise RunError(
            "这里没有病例记录，列不出病例",
            "no records here: case lists are of the internal edition only",
            where=str(folder),
            remedy="用内部评估版的运行文件夹",
            remedy_english="use the folder of the internal edition",
        )
    known_hospital(results, hospital)
    known = [*CATALOGUE, *OUTLIERS]
    if indicator not in known:
        raise ParameterError(
            f"没有指标 {indicator}",
            "no such indicator",
            where="--indicator",
            **did_you_mean(indicator, known, "见 speceval indicators", "see speceval indicators"),
        )
    ids = [s.id for s in results.params.specialties]
    if specialty and specialty not in ids:
        raise ParameterError(
            f"没有专科 {specialty}",
            "no such specialty",
            where="--specialty",
            **did_you_mean(specialty, ids, f"可用: {'、'.join(ids)}", f"one of {', '.join(ids)}"),
        )


def _years(results: Results, period: str) -> list[int]:
    periods = results.params.periods
    if not period:
        period = results.last_period
    if period in periods:
        return list(range(periods[period].first, periods[period].last + 1))
    if period.isdigit() and int(period) in results.params.all_years:
        return [int(period)]
    known = [*periods, *map(str, results.params.all_years)]
    raise ParameterError(
        f"没有时段 {period}",
        "no such period",
        where="--period",
        remedy=f"可用: {'、'.join(known)}",
        remedy_english=f"one of {', '.join(known)}",
    )


def _events(results: Results, own: Table, one: Declared, groups: pd.DataFrame, connection: Engine) -> pd.DataFrame:
    """`file, line, risk_grade` of the hospital's events."""
    params, hospitals = results.params, results.hospitals
    cube = cubes.build(own, params, groups, [*cubes.KEY, "file", "line"], connection=connection, trimmed=())
    single = at_months(cube, attach(results.cube, params, hospitals, "contemporaneous"), params, hospitals).frame
    return single.loc[flagged(one, single), ["file", "line", "risk_grade"]].reset_index(drop=True)


# --- the names that the hospital knows ------------------------------------------------------------------------------------


def with_records(cases: pd.DataFrame, records: Path, key_file: Path) -> pd.DataFrame:
    """The cases with their record numbers, for who holds the key and the numbers: each is hashed and compared.

    Parameters
    ----------
    records
        CSV with `record` and optionally `visit`, one row a stay, as in the files that were submitted.

    Raises
    ------
    ParameterError
        The key file holds no key.
    InputError
        The list cannot be read.
    """
    key = identity.read_key(key_file)
    known = {}
    for row in read_listing(records, "病案号清单", ["record"], ["visit"]):
        for hospital in dict.fromkeys(cases["hospital"]):
            known[identity.pseudonym_of(hospital, row["record"], row["visit"], key)] = row["record"]
    return cases.assign(record=[known.get(p, "") for p in cases["pseudonym"]])
