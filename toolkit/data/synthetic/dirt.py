"""Seeded defects of front-page rows: each breaks one rule, and each is written down with its line.

A defect edits a row of texts. Rows that are already the business of a rule (a natural stay of over 60 days, an ungrouped
stay) are left alone, so that the truth names every row that any row-level rule may touch, and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Literal

import numpy as np

Row = dict[str, str]
UNKNOWN_HOSPITAL = "9999"  # registry codes are multiples of three that stay below
UNKNOWN_DEPARTMENT = "99.99"
_FOUR_YEARS = 1461  # days: moved by these, a date keeps its calendar day (2000 to 2099)


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One way in which a row can be wrong.

    Attributes
    ----------
    rule
        Rule id of the data-quality catalogue.
    fate
        Q quarantine, X exclude, W warn; `scope` names the measures it is limited to (empty: the record).
    needs
        Rows it can be put on.
    also
        Rules that the same edit cannot help breaking; a checker may report them beside `rule`.
    edit
        Changes the row in place; the generator chooses among variants.
    """

    kind: str
    rule: str
    fate: Literal["Q", "X", "W"]
    edit: Callable[[Row, np.random.Generator], None]
    scope: str = ""
    needs: Literal["any", "no_operation", "death"] = "any"
    also: tuple[str, ...] = ()
    appended: bool = False  # a further row is added at the end of the file instead of the row being changed
    ragged: bool = False


def _put(**cells: str | tuple[str, ...]) -> Callable[[Row, np.random.Generator], None]:
    def edit(row: Row, rng: np.random.Generator) -> None:
        for name, value in cells.items():
            row[name] = value if isinstance(value, str) else str(rng.choice(value))

    return edit


def _shift(row: Row, days: int) -> None:
    """Move the whole life of a record by whole days; every age and LOS in it stays what it was."""
    for name in ("B12", "B15", "C16x01", "C37x01"):
        if row[name] != "-":
            row[name] = str(datetime.fromisoformat(row[name]) + timedelta(days))
    row["A13"] = str(date.fromisoformat(row["A13"]) + timedelta(days))


def _future(row: Row, rng: np.random.Generator) -> None:
    ahead = 2060 - int(row["B15"][:4])
    _shift(row, _FOUR_YEARS * max(1, -(-ahead // 4)))


def _long_stay(row: Row, rng: np.random.Generator) -> None:
    left = datetime.fromisoformat(row["B15"])
    days = int(rng.integers(61, 150))
    entered = (left - timedelta(days)).replace(hour=9, minute=0, second=0)
    moved = datetime.fromisoformat(row["B12"]) - entered
    row["A13"] = str(date.fromisoformat(row["A13"]) - timedelta(moved.days))
    row["B12"], row["B20"] = str(entered), str(days)


def _reversed(row: Row, rng: np.random.Generator) -> None:
    left = datetime.fromisoformat(row["B15"])
    row["B12"] = str(left + timedelta(int(rng.integers(1, 20))))


def _ambiguous(row: Row, rng: np.random.Generator) -> None:
    left = datetime.fromisoformat(row["B15"])
    serial = (left.date() - date(1899, 12, 30)).days  # as a spreadsheet counts
    other = (left.month + left.day % 11) % 12 + 1  # a day that could be a month, and is not this one
    row["B15"] = (f"{other:02d}/{left.month:02d}/{left.year}", str(serial))[int(rng.integers(2))]


def _no_cost(value: str) -> Callable[[Row, np.random.Generator], None]:
    """A total that is no amount; all items fall with it, so that only the total is at fault."""

    def edit(row: Row, rng: np.random.Generator) -> None:
        for name in row:
            if name.startswith("D") and name != "DRG":
                row[name] = "0.00"
        row["D01"] = row["D11"] = value

    return edit


def _wrong_sex(row: Row, rng: np.random.Generator) -> None:
    row["A12C"], row["C03C"] = [("1", "N80.100"), ("1", "N83.200"), ("2", "N40.x00")][int(rng.integers(3))]


def _other_content(row: Row, rng: np.random.Generator) -> None:
    row["A46C"] = "9"  # another payer, the total one yuan higher: same stay, two versions
    row["D34"] = f"{float(row['D34']) + 1:.2f}"
    row["D01"] = f"{float(row['D01']) + 1:.2f}"


def _unchanged(row: Row, rng: np.random.Generator) -> None:
    return


DEFECTS: tuple[Defect, ...] = (
    Defect(kind="ragged_row", rule="F05", fate="Q", edit=_unchanged, ragged=True),
    Defect(kind="unknown_hospital", rule="K01", fate="Q", edit=_put(A01=UNKNOWN_HOSPITAL), also=("K02",)),
    Defect(kind="no_record_number", rule="K03", fate="Q", edit=_put(A48=("", "-")), also=("G01",)),
    Defect(kind="repeated_row", rule="K04", fate="X", edit=_unchanged, appended=True),
    Defect(kind="same_key_other_content", rule="K05", fate="Q", edit=_other_content, appended=True, also=("K06",)),
    Defect(kind="impossible_admission", rule="D01", fate="Q", edit=_put(B12=("2023-02-30 10:00:00", "00000000", "-"))),
    Defect(
        kind="impossible_discharge",
        rule="D01",
        fate="Q",
        edit=_put(B15=("2023-02-30 10:00:00", "00000000", "-")),
        also=("G01",),
    ),
    Defect(
        kind="discharge_before_admission",
        rule="D02",
        fate="Q",
        edit=_reversed,
        needs="no_operation",
        also=("D07", "D11"),
    ),
    Defect(kind="outside_cycle", rule="D04", fate="X", edit=lambda row, rng: _shift(row, -2 * _FOUR_YEARS)),
    Defect(kind="future_date", rule="D05", fate="Q", edit=_future, also=("D04",)),
    Defect(kind="ambiguous_date", rule="D06", fate="Q", edit=_ambiguous, also=("G01",)),
    Defect(
        kind="stated_los_wrong",
        rule="D07",
        fate="W",
        edit=lambda row, rng: row.update(B20=str(int(row["B20"]) + int(rng.integers(1, 4)))),
    ),
    Defect(kind="long_stay", rule="D08", fate="X", scope="cost,los", edit=_long_stay),
    Defect(kind="sex_against_diagnosis", rule="P02", fate="Q", edit=_wrong_sex, also=("P03",)),
    Defect(kind="no_principal_diagnosis", rule="P05", fate="Q", edit=_put(C03C=("", "-"))),
    Defect(kind="bad_exit_mode", rule="O01", fate="Q", scope="mortality", edit=_put(B34C=("7", "8", "X"))),
    Defect(kind="death_with_plan", rule="O02", fate="W", edit=_put(B36C="2", B37="复查"), needs="death"),
    Defect(
        kind="cost_absent", rule="C01", fate="X", scope="cost", edit=_put(D01=("", "-"), D09="-"), also=("C02", "C08")
    ),
    Defect(
        kind="cost_zero", rule="C01", fate="X", scope="cost", edit=_no_cost("0.00"), needs="no_operation", also=("C04",)
    ),
    Defect(
        kind="cost_negative",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_no_cost("-120.00"),
        needs="no_operation",
        also=("C03", "C04", "C08"),
    ),
    Defect(
        kind="cost_not_numeric",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_put(D01="见发票", D09="-"),
        also=("C02", "C08"),
    ),
    Defect(kind="cost_tiny", rule="C04", fate="X", scope="cost", edit=_no_cost("3.20"), needs="no_operation"),
    Defect(kind="unmapped_department", rule="S01", fate="Q", edit=_put(B16C=UNKNOWN_DEPARTMENT)),
)


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """A defect and the row (position in the year's table) it goes to."""

    row: int
    defect: Defect


def assign(
    *,
    rate: float,
    eligible: np.ndarray,
    hospital: np.ndarray,
    operated: np.ndarray,
    died: np.ndarray,
    ragged_limit: float,
    first: int,
    rng: np.random.Generator,
) -> list[Assigned]:
    """Give `rate` of the rows a defect each, kinds in turn from position `first`, no row twice.

    `eligible`, `operated`, `died` are flags of the rows; `hospital` tells files apart, because a file may hold no more than
    `ragged_limit` of ragged rows before the whole of it is rejected. A kind without a fitting row is left out.
    """
    order = rng.permutation(np.flatnonzero(eligible))
    pools = {
        "any": list(order[~died[order]][::-1]),
        "no_operation": list(order[~operated[order] & ~died[order]][::-1]),
        "death": list(order[died[order]][::-1]),
    }
    room = np.floor(np.bincount(hospital) * ragged_limit).astype(int) if len(hospital) else np.zeros(0, int)
    taken: set[int] = set()
    given: list[Assigned] = []
    for turn in range(round(rate * len(eligible))):
        defect = DEFECTS[(first + turn) % len(DEFECTS)]
        pool = pools[defect.needs]
        if defect.ragged:
            fits = (row for row in reversed(pool) if room[hospital[row]] > 0 and row not in taken)
            pool = list(islice(fits, 1))
        while pool and pool[-1] in taken:
            pool.pop()
        if not pool:
            continue
        row = int(pool.pop())
        taken.add(row)
        room[hospital[row]] -= defect.ragged
        given.append(Assigned(row=row, defect=defect))
    return given
