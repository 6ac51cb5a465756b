"""The result tables of a run: one declaration each, in the module of the room that makes them, all in one tuple.

A new table is one more `TableDecl` in one of these tuples; `Results`, its files, the release edition, exports and
`docs/tables.md` follow from it.
"""

from __future__ import annotations

from toolkit.declared import TableDecl
from toolkit.evaluation.tables.change import CHANGE
from toolkit.evaluation.tables.intake import INTAKE
from toolkit.evaluation.tables.judged import JUDGED
from toolkit.evaluation.tables.monitoring import MONITORING
from toolkit.evaluation.tables.sums import SUMS

TABLES: tuple[TableDecl, ...] = (*INTAKE, *SUMS, *JUDGED, *CHANGE, *MONITORING)
TABLE: dict[str, TableDecl] = {t.name: t for t in TABLES}
assert len(TABLE) == len(TABLES), "two tables of one name"  # noqa: S101  a declaration at fault
