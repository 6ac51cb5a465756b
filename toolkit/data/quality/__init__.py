"""The catalogue of data-quality rules: adding one is one declaration in the file of its group."""

from __future__ import annotations

from toolkit.data.quality.base import SCOPES, Fate, Level, Rule
from toolkit.data.quality.costs import COST_RULES
from toolkit.data.quality.dataset import DATASET_RULES, SCOPE
from toolkit.data.quality.files import FILE_RULES
from toolkit.data.quality.given import Given, read_given
from toolkit.data.quality.groups import GROUP_RULES
from toolkit.data.quality.identities import IDENTITY_RULES
from toolkit.data.quality.marks import Marks
from toolkit.data.quality.outcomes import OUTCOME_RULES
from toolkit.data.quality.patients import PATIENT_RULES
from toolkit.data.quality.times import TIME_RULES

# Order of the rule catalogue: the first that hits is a record's primary reason. What is no discharge at all comes first.
CATALOGUE: dict[str, Rule] = {}
for _rule in (
    SCOPE,
    *FILE_RULES,
    *IDENTITY_RULES,
    *TIME_RULES,
    *PATIENT_RULES,
    *OUTCOME_RULES,
    *COST_RULES,
    *GROUP_RULES,
    *DATASET_RULES,
):
    if _rule.id in CATALOGUE:
        raise RuntimeError(f"rule {_rule.id} declared twice")
    CATALOGUE[_rule.id] = _rule

RECORD_RULES = tuple(rule for rule in CATALOGUE.values() if rule.test is not None)
CODE_RULES = tuple(rule for rule in CATALOGUE.values() if rule.check is not None)
_OF_RECORDS = (Level.RECORD, Level.CODES, Level.RECORDS, Level.LINE)
MARKS = Marks([rule.id for rule in CATALOGUE.values() if rule.level in _OF_RECORDS])

__all__ = ["CATALOGUE", "CODE_RULES", "MARKS", "RECORD_RULES", "SCOPES", "Fate", "Given", "Level", "Rule", "read_given"]
