"""The catalogue of data-quality rules: adding one is one declaration in the file of its group, or in a package of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.catalogues import Catalogue
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
CATALOGUE: Catalogue[Rule] = Catalogue(
    (
        SCOPE,
        *FILE_RULES,
        *IDENTITY_RULES,
        *TIME_RULES,
        *PATIENT_RULES,
        *OUTCOME_RULES,
        *COST_RULES,
        *GROUP_RULES,
        *DATASET_RULES,
    ),
    "speceval.rules",
    (Rule,),
)
_OF_RECORDS = (Level.RECORD, Level.CODES, Level.RECORDS, Level.LINE)

if TYPE_CHECKING:
    RECORD_RULES: tuple[Rule, ...]
    CODE_RULES: tuple[Rule, ...]
    MARKS: Marks


def __getattr__(name: str) -> Any:
    """What follows from the whole catalogue, made when first asked for: a package that declares a rule imports this one."""
    if name == "RECORD_RULES":
        made: Any = tuple(rule for rule in CATALOGUE.values() if rule.test is not None)
    elif name == "CODE_RULES":
        made = tuple(rule for rule in CATALOGUE.values() if rule.check is not None)
    elif name == "MARKS":
        made = Marks([rule.id for rule in CATALOGUE.values() if rule.level in _OF_RECORDS])
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made
    return made


__all__ = ["CATALOGUE", "CODE_RULES", "MARKS", "RECORD_RULES", "SCOPES", "Fate", "Given", "Level", "Rule", "read_given"]
