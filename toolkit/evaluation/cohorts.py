"""Cohorts by starting year: each project is judged over its own 3 + 3 years, and a cycle that still runs is not judged for good.

A run has one pair of windows for each starting year of its projects, and with `cycles.further` another against the cycle before
the last. Everything that is judged is judged once for each pair, as if the run knew no other; here the parts are put together.
Tables about changes of projects (`BY_PROJECT`) hold of every pair the rows of its own projects. Tables about levels stay at the
run's own cycle, where all units stand side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from toolkit.evaluation.holds import COLUMNS as HOLDS
from toolkit.evaluation.holds import IN_PROGRESS, no_holds
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.params import Cohort, RunParams

UNIT = ["hospital", "specialty"]
MONTHS = 12
BY_PROJECT = (
    "units",
    "holds",
    "changes",
    "specifications",
    "effects",
    "event_study",
    "comparison_units",
    "regression_to_mean",
    "synthetic_weights",
    "segments",
    "decomposition",
    "coding_depth",
    "ladder",
    "charts",
    "cusums",
    "shrinkage",
    "power",
)

OVER_COHORTS = ("cohorts", "cohort_changes")
BY_COHORT = tuple(one.name for one in TABLES if one.stage == "judged" and one.name not in OVER_COHORTS)


def cohorts(params: RunParams, years: Sequence[int], monthly: pd.DataFrame) -> pd.DataFrame:
    """The windows of every cohort, and how much of its cycle the records cover.

    Parameters
    ----------
    years
        In which there are discharges.
    monthly
        Discharges by `hospital, year, month`; empty where the source has no months.

    Returns
    -------
    pd.DataFrame
        One row a pair of windows, as the table `cohorts` declares. The last month of the records is the last in which any
        hospital discharged; of a last year without months all twelve count.
    """
    if params.cycles is None or not len(years):
        return pd.DataFrame(columns=list(TABLE["cohorts"].by_name))
    known = sorted({*map(int, years)})
    last = (known[-1], MONTHS)
    dated = monthly[monthly["year"] == known[-1]] if len(monthly) else monthly
    if len(dated):
        last = (known[-1], int(dated["month"].max()))
    rows = []
    for cohort in params.cohorts:
        length = cohort.after.last - cohort.after.first + 1
        passed = ((last[0] - cohort.after.first) * MONTHS + last[1]) / (length * MONTHS)
        rows.append(
            {
                "cohort": cohort.id,
                "start": cohort.start,
                "against": cohort.against,
                "before_first": cohort.before.first,
                "before_last": cohort.before.last,
                "after_first": cohort.after.first,
                "after_last": cohort.after.last,
                "records_to": f"{last[0]}-{last[1]:02d}",
                "passed": float(np.clip(passed, 0.0, 1.0)),
                "complete": passed >= 1,
                "years_before": sum(y in known for y in range(cohort.before.first, cohort.before.last + 1)),
                "years_after": sum(y in known for y in range(cohort.after.first, cohort.after.last + 1)),
                "projects": sum(params.started(p) == cohort.start for p in params.projects),
            }
        )
    return pd.DataFrame(rows)[list(TABLE["cohorts"].by_name)]


def in_progress(found: pd.DataFrame, cohort: Cohort, params: RunParams) -> pd.DataFrame:
    """The verdicts on a cohort's projects, held back until its cycle has passed.

    Parameters
    ----------
    found
        As from `cohorts`.
    params
        Of the cohort.
    """
    own = found[(found["cohort"] == cohort.id) & ~found["complete"].astype(bool)]
    if own.empty or not params.own_projects:
        return no_holds()
    (row,) = rows_of(own)
    verdict, said = Verdict.UNDECIDED, f"已过 {100 * row.passed:.0f}%，未结束"
    if row.passed == 0:
        verdict, said = Verdict.NOT_JUDGED, "尚未开始"
    said = f"周期 {cohort.after.label} {said}"
    rows = [(*pair, "", verdict.value, IN_PROGRESS, said) for pair in sorted(params.own_projects)]
    return pd.DataFrame(rows, columns=HOLDS)


def last_cohort(params: RunParams) -> dict[tuple[str, str], Cohort]:
    """Hospital and specialty of every project -> its cohort; of projects that followed one another, that of the last."""
    found: dict[tuple[str, str], Cohort] = {}
    plain = {c.start: c for c in params.cohorts if c.against == 1}
    for project in sorted(params.projects, key=params.started):
        found[project.hospital, project.specialty] = plain[params.started(project)]
    return found


def has_other_windows(params: RunParams, hospital: str, specialty: str) -> bool:
    """Whether a project is judged over other windows than the run's own cycle."""
    cohort = last_cohort(params).get((hospital, specialty))
    return cohort is not None and cohort != params.cohorts[0]


def put_together(by_cohort: Mapping[Cohort, Mapping[str, pd.DataFrame]], params: RunParams) -> dict[str, pd.DataFrame]:
    """The tables of a run with several pairs of windows: those of its own cycle, with each project's own rows.

    Parameters
    ----------
    by_cohort
        The tables of every cohort by name, as if the run had no other; first those of the run's own cycle.
    """
    own = last_cohort(params)
    main = params.cohorts[0]
    whole = dict(by_cohort[main])
    elsewhere = {c: _pairs(own, c) for c in by_cohort if c is not main and c.against == 1}
    for name in BY_PROJECT:
        frame, order = whole[name], [c for c in TABLE[name].key if c in whole[name]]
        parts = [frame[~of_units(frame, set().union(*elsewhere.values()))]]
        parts += [by_cohort[c][name][of_units(by_cohort[c][name], pairs)] for c, pairs in elsewhere.items()]
        some = [part for part in parts if len(part)] or parts[:1]
        whole[name] = pd.concat(some, ignore_index=True).sort_values(order, ignore_index=True, kind="stable")
    return whole


def _pairs(own: Mapping[tuple[str, str], Cohort], cohort: Cohort) -> set[tuple[str, str]]:
    return {pair for pair, one in own.items() if one == cohort}


def of_units(frame: pd.DataFrame, pairs: Collection[tuple[str, str]]) -> np.ndarray:
    """Rows about one of the units by itself."""
    named = zip(frame["hospital"], frame["specialty"], strict=True)
    found = np.fromiter(((str(h), str(s)) in pairs for h, s in named), dtype=bool, count=len(frame))
    return found & (frame["level"] == "unit").to_numpy() if "level" in frame else found


def cohort_changes(by_cohort: Mapping[Cohort, pd.DataFrame], params: RunParams) -> pd.DataFrame:
    """Every comparison of every project: its cycle k against k − 1 and, where asked, k − 2; cycles that followed one another.

    Parameters
    ----------
    by_cohort
        Changes of each cohort, as in `Results.changes`.
    """
    columns = list(TABLE["cohort_changes"].by_name)
    parts = []
    for cohort, changes in by_cohort.items():
        pairs = params.over(cohort).own_projects
        rows = changes[of_units(changes, pairs)]
        if len(rows):
            parts.append(rows.assign(cohort=cohort.id, start=cohort.start, against=cohort.against)[columns])
    whole = pd.concat(parts, ignore_index=True) if parts else TABLE["cohort_changes"].empty()
    return whole.sort_values([*UNIT, "start", "against", "indicator"], ignore_index=True)
