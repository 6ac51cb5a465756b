"""Methods of change: each one file, same input (cells), same columns out (`Change`).

`METHODS` names them; `change.methods` in the parameters chooses. To add one: a file with a `METHOD`, and its
line here (docs/adding-a-method.md), or a package of one's own. It is
then run, adjusted for multiplicity, saved with the others and compared with them by the model bench (docs/models.md).
"""

from __future__ import annotations

from toolkit.catalogues import Catalogue
from toolkit.errors import ParameterError
from toolkit.models.change import by_formula, did, event_study, segmented, staggered, synthetic_control, twfe
from toolkit.models.change import two_period as _two_period
from toolkit.models.change.base import Change, Findings, Study, completed, inferential
from toolkit.models.change.method import Method
from toolkit.models.change.two_period import two_period
from toolkit.params import ChangePolicy

METHODS: Catalogue[Method] = Catalogue(
    (
        _two_period.METHOD,
        _two_period.METHOD_BY_YEARS,
        did.METHOD,
        twfe.METHOD,
        event_study.METHOD,
        staggered.METHOD,
        synthetic_control.METHOD,
        segmented.METHOD,
    ),
    "speceval.methods",
    (Method,),
)


def methods_of(policy: ChangePolicy) -> dict[str, Method]:
    """Every method that a run may name: the catalogue's, and those that its parameters declare by formula.

    Raises
    ------
    ParameterError
        A formula that is none, or that takes the name of another method.
    """
    made = dict(METHODS)
    for declared in policy.formulas:
        if declared.id in made:
            raise ParameterError(
                f"公式方法 {declared.id} 与已有方法同名",
                "a formula takes the name of another method",
                where=f"change.formulas.{declared.id}",
                remedy="改用另一个 id",
                remedy_english="choose another id",
            )
        made[declared.id] = by_formula.method_of(declared)
    return made


RECOMMENDED = did.ID  # keeps its level and coverage in the simulations of docs/models.md

# tables beside the changes, and the methods that fill them
COMPANIONS = {
    "event_study": (event_study.ID, staggered.ID),
    "comparison_units": (did.ID,),
    "regression_to_mean": (did.ID,),
    "synthetic_weights": (synthetic_control.ID,),
    "segments": (segmented.ID,),
}

__all__ = [
    "COMPANIONS",
    "METHODS",
    "RECOMMENDED",
    "Change",
    "Findings",
    "Method",
    "Study",
    "completed",
    "inferential",
    "methods_of",
    "two_period",
]
