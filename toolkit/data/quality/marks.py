"""Which rules have hit a record: a bit each while records are read, their ids as one text afterwards.

Bits of as many integers as there are rules for: one integer holds 62, and the next rule opens another column. Beyond
reading, nobody meets the bits: tables hold `|D07|D08|`, so a rule is found by `contains("|D08|")` on every engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import ibis
from ibis import _

from toolkit.engine.types import Column

SEPARATOR = "|"
PER_COLUMN = 62  # of a signed integer of 64 bits, with one to spare


def marked(ids: Iterable[str]) -> str:
    """Rule ids as the text of a table, "" where there are none."""
    joined = SEPARATOR.join(ids)
    return f"{SEPARATOR}{joined}{SEPARATOR}" if joined else ""


def ids_in(text: str) -> list[str]:
    """The rule ids of such a text."""
    return [id_ for id_ in text.split(SEPARATOR) if id_]


@dataclass(frozen=True)
class Marks:
    """The bits of the rules, in the order of the catalogue."""

    ids: Sequence[str]

    @property
    def columns(self) -> list[str]:
        return [f"marks_{number}" for number in range(-(-len(self.ids) // PER_COLUMN))]

    def place(self, id_: str) -> tuple[str, int]:
        """Column and bit of a rule."""
        number = self.ids.index(id_)
        return f"marks_{number // PER_COLUMN}", 1 << (number % PER_COLUMN)

    def of(self, tests: Mapping[str, Column]) -> dict[str, Column]:
        """Columns of marks from rule id → boolean expression; missing counts as not hit."""
        parts: dict[str, list[Column]] = {column: [] for column in self.columns}
        for id_, test in tests.items():
            column, bit = self.place(id_)
            parts[column].append(ibis.ifelse(test, ibis.literal(bit, "int64"), 0))
        none = ibis.literal(0, "int64")
        return {c: reduce(lambda a, b: a + b, found).cast("int64") if found else none for c, found in parts.items()}

    def any_of(self, ids: Iterable[str]) -> Column:
        """Whether a row has any of these rules' marks."""
        bits = dict.fromkeys(self.columns, 0)
        for id_ in ids:
            column, bit = self.place(id_)
            bits[column] |= bit
        tests = [(_[column] & ibis.literal(bit, "int64")) != 0 for column, bit in bits.items() if bit]
        return ibis.or_(*tests) if tests else ibis.literal(False)

    def ids_of(self, values: Sequence[int]) -> list[str]:
        """The rules whose bits are in the values of the columns."""
        return [id_ for number, id_ in enumerate(self.ids) if values[number // PER_COLUMN] >> (number % PER_COLUMN) & 1]
