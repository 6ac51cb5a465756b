"""Stage `released`: the tables of a run as the release edition shows them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from toolkit.evaluation.cohorts import BY_COHORT
from toolkit.evaluation.facts import RunFacts
from toolkit.evaluation.results import WINDOWS, Results
from toolkit.evaluation.tables import TABLES
from toolkit.params import RunParams
from toolkit.release.cohorts import without_other_cohorts
from toolkit.release.disclosure import controlled
from toolkit.runs.asked import Asked, Made

# controls read tables; what else the edition says is made when it is put together
NO_FACTS = RunFacts(format="", grouping="", synthetic=False, data_hash="", parameter_hash="")


def control(asked: Asked) -> Made:
    """Every table of the stages before, controlled or without rows."""
    exact = {one.name: asked.before[one.stage].table(one.name) for one in TABLES}
    cohorts = asked.params.cohorts
    if len(cohorts) < 2:
        return Made(tables=controlled(_results(asked.params, exact), asked.params.disclosure))
    judged = asked.before["judged"]
    main = {name: judged.table(f"{WINDOWS}/{cohorts[0].id}/{name}") for name in BY_COHORT}
    made = controlled(_results(asked.params, {**exact, **main}), asked.params.disclosure)
    return Made(tables=without_other_cohorts(made, exact["changes"], asked.params))


def _results(params: RunParams, tables: Mapping[str, pd.DataFrame]) -> Results:
    return Results(params=params, facts=NO_FACTS, tables=tables)
