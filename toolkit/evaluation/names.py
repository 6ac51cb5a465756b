"""What the ids in a parameter file are called, from the catalogues that know them."""

from __future__ import annotations

from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, methods_of
from toolkit.params import Catalogues, RunParams, check_names

NAMES: Catalogues = {
    "indicator": {id_: one.name_zh for id_, one in CATALOGUE.items()},
    "method": {id_: one.name_zh for id_, one in METHODS.items()},
}


def check_choices(params: RunParams) -> None:
    """Refuse, before any record is read, names that the catalogues do not know and formulas that are none.

    Raises
    ------
    ParameterError
        With the key and the nearest that exists, or what is wrong with a formula.
    """
    check_names(params, NAMES)
    methods_of(params.change)
