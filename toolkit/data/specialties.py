"""Which specialty (专科) a discharge belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
from ibis import _

from toolkit.params import Specialty


def attribute(table: Any, specialties: Sequence[Specialty]) -> Any:
    """`table` with `specialty`: the first definition that a row meets, NULL where it meets none."""
    cases = [(_meets(s), s.id) for s in specialties]
    return table.mutate(specialty=ibis.cases(*cases, else_=ibis.null("string")) if cases else ibis.null("string"))


def _meets(specialty: Specialty) -> Any:
    if specialty.departments:
        return _.department.isin(specialty.departments)
    column, prefixes = (_.principal_diagnosis, specialty.diagnoses) if specialty.diagnoses else (_.drg, specialty.drgs)
    return ibis.or_(*[column.startswith(prefix) for prefix in prefixes])
