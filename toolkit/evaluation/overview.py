"""What a run evaluated, to look through: its units, and those of them that are projects."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.frames import names_of


def units(results: Results) -> pd.DataFrame:
    """The evaluation units of a run, in the order of specialty and hospital.

    Returns
    -------
    pd.DataFrame
        One row a unit (a specialty of a hospital): `id` (also of its report), `hospital`, `hospital_name`, `specialty`,
        `specialty_name`, `project` (level of the project, "" where there is none), `eligible` (enough cases in every
        period), `n_<period> …` (discharges).
    """
    order = {s.id: place for place, s in enumerate(results.params.specialties)}
    found = results.units.assign(
        hospital_name=[results.hospital_name(h) for h in results.units["hospital"]],
        specialty_name=[results.specialty_name(s) for s in results.units["specialty"]],
        _order=results.units["specialty"].map(order),
    ).sort_values(["_order", "hospital"], ignore_index=True)
    counts = [name for name in names_of(found) if name.startswith("n_")]
    first = ["id", "hospital", "hospital_name", "specialty", "specialty_name", "project", "eligible"]
    return found[[*first, *counts]]


def projects(results: Results) -> pd.DataFrame:
    """Those of `units` that have a project."""
    found = units(results)
    return found[found["project"] != ""].reset_index(drop=True)
