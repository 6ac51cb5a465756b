"""What the ids in a parameter file are called, from the catalogues that know them."""

from __future__ import annotations

from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS
from toolkit.params import Catalogues

NAMES: Catalogues = {
    "indicator": {id_: one.name_zh for id_, one in CATALOGUE.items()},
    "method": {id_: one.name_zh for id_, one in METHODS.items()},
}
