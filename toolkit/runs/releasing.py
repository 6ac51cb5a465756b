"""Stage `released`: the tables of a run as the release edition shows them."""

from __future__ import annotations

from toolkit.evaluation.facts import RunFacts
from toolkit.evaluation.results import Results
from toolkit.evaluation.tables import TABLES
from toolkit.release.disclosure import controlled
from toolkit.runs.asked import Asked, Made

# controls read tables; what else the edition says is made when it is put together
NO_FACTS = RunFacts(format="", grouping="", synthetic=False, data_hash="", parameter_hash="")


def control(asked: Asked) -> Made:
    """Every table of the stages before, controlled or without rows."""
    exact = {one.name: asked.before[one.stage].table(one.name) for one in TABLES}
    results = Results(params=asked.params, facts=NO_FACTS, tables=exact)
    return Made(tables=controlled(results, asked.params.disclosure))
