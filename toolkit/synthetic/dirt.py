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
ELSEWHERE = "another"  # code of another hospital of the registry
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
    needs: Literal["any", "no_operation", "operation", "death", "injury", "tumour", "transfer"] = "any"
    also: tuple[str, ...] = ()
    appended: bool = False  # a further row is added at the end of the file instead of the row being changed
    both: bool = False  # of an appended row and the one it was made from, both are at fault
    ragged: bool = False


def _put(**cells: str | tuple[str, ...]) -> Callable[[Row, np.random.Generator], None]:
    def edit(row: Row, rng: np.random.Generator) -> None:
        for name, value in cells.items():
            row[name] = value if isinstance(value, str) else str(rng.choice(value))

    return edit


def _shift(row: Row, days: int) -> None:
    """Move the whole life of a record by whole days; every age and LOS in it stays what it was."""
    for name in ("B12", "B15", "C16x01", *(n for n in row if n.startswith("C37"))):
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


def _second_stay(row: Row, days: int, stay: int) -> None:
    """Another stay of the same patient, whose admission lies `days` after the discharge of the first (before it, if negative)."""
    length = datetime.fromisoformat(row["B15"]) - datetime.fromisoformat(row["B12"])
    entered = datetime.fromisoformat(row["B15"]) + timedelta(days)
    row["B12"], row["B15"] = str(entered), str(entered + length)
    row["A49"] = str(int(row["A49"]) + stay)
    row["B20"] = str(max(1, (datetime.fromisoformat(row["B15"]).date() - entered.date()).days))
    for name in row:
        if name == "C16x01" or name.startswith("C37"):
            row[name] = "-" if row[name] == "-" else str(entered + length / 2).partition(".")[0]


def _overlap(row: Row, rng: np.random.Generator) -> None:
    _second_stay(row, -1, 1)


def _after_death(row: Row, rng: np.random.Generator) -> None:
    _second_stay(row, int(rng.integers(1, 6)), 1)
    row["B34C"], row["C34C"] = "1", "-"


def _born_late(row: Row, rng: np.random.Generator) -> None:
    row["A13"] = str(datetime.fromisoformat(row["B12"]).date() + timedelta(int(rng.integers(1, 30))))


def _too_old(row: Row, rng: np.random.Generator) -> None:
    born = date.fromisoformat(row["A13"])
    years = int(rng.integers(125, 140)) - int(row["A14"])
    row["A13"], row["A14"] = str(born - timedelta(round(365.25 * years))), str(int(row["A14"]) + years)


def _newborn(row: Row, rng: np.random.Generator) -> None:
    """A newborn, ten days old, of whom nobody has written down the weight."""
    row["A13"] = str(datetime.fromisoformat(row["B12"]).date() - timedelta(10))
    row["A14"], row["A16"], row["A17"], row["A18x01"] = "0", "10", "-", "-"
    row["C03C"] = "P22.000"
    row["C04N"] = "合成诊断P22.000"


def _operated_outside(row: Row, rng: np.random.Generator) -> None:
    left = datetime.fromisoformat(row["B15"])
    row["C16x01"] = str(left + timedelta(int(rng.integers(1, 5))))


def _aged(row: Row, rng: np.random.Generator) -> None:
    row["A14"] = str(int(row["A14"]) + int(rng.integers(3, 8)))


def _wrong_operation(row: Row, rng: np.random.Generator) -> None:
    row["C14x01C"] = "65.2500" if row["A12C"] == "1" else "60.2900x001"


def _old_mother(row: Row, rng: np.random.Generator) -> None:
    row["A12C"], row["C03C"], row["C04N"] = "2", "O80.000", "合成诊断O80.000"
    born = date.fromisoformat(row["A13"])
    years = 70 - int(row["A14"])
    row["A13"], row["A14"] = str(born - timedelta(round(365.25 * years))), "70"


def _twice(row: Row, rng: np.random.Generator) -> None:
    row["C06x05C"], row["C07x05N"], row["C08x05C"] = row["C03C"], row["C04N"], "1"


def _unequal(share: float) -> Callable[[Row, np.random.Generator], None]:
    """An item too low by this share of the total, and at least by a tenth of a yuan."""

    def edit(row: Row, rng: np.random.Generator) -> None:
        row["D34"] = f"{float(row['D34']) + max(0.1, share * float(row['D01'])):.2f}"

    return edit


def _refund(row: Row, rng: np.random.Generator) -> None:
    """A negative item, made up for by another: the sum stays what it was."""
    row["D34"] = f"{float(row['D34']) + float(row['D24']) + 20:.2f}"
    row["D24"] = "-20.00"


def _unpaid_operation(row: Row, rng: np.random.Generator) -> None:
    row["D34"] = f"{float(row['D34']) + float(row['D20']):.2f}"
    row["D20"] = row["D20x02"] = "0.00"
    row["D20x01"] = "1.00"  # else rule C07 too


def _free_anaesthesia(row: Row, rng: np.random.Generator) -> None:
    row["D20x01"] = "0.00"


def _own_share(row: Row, rng: np.random.Generator) -> None:
    row["D09"] = f"{float(row['D01']) + 1:.2f}"


def _elsewhere(row: Row, rng: np.random.Generator) -> None:
    row["A01"], row["A48"] = ELSEWHERE, "9" + row["A48"]  # the writer of files knows the other hospitals


def _unchanged(row: Row, rng: np.random.Generator) -> None:
    return


DEFECTS: tuple[Defect, ...] = (
    Defect(kind="ragged_row", rule="F05", fate="Q", edit=_unchanged, ragged=True),
    Defect(kind="unknown_hospital", rule="K01", fate="Q", edit=_put(A01=UNKNOWN_HOSPITAL), also=("K02",)),
    Defect(kind="no_record_number", rule="K03", fate="Q", edit=_put(A48=("", "-")), also=("G09",)),
    Defect(kind="repeated_row", rule="K04", fate="X", edit=_unchanged, appended=True),
    Defect(
        kind="same_key_other_content",
        rule="K05",
        fate="Q",
        edit=_other_content,
        appended=True,
        both=True,
        also=("K06",),
    ),
    Defect(kind="impossible_admission", rule="D01", fate="Q", edit=_put(B12=("2023-02-30 10:00:00", "00000000", "-"))),
    Defect(
        kind="impossible_discharge",
        rule="D01",
        fate="Q",
        edit=_put(B15=("2023-02-30 10:00:00", "00000000", "-")),
        also=("G09",),
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
    Defect(kind="ambiguous_date", rule="D06", fate="Q", edit=_ambiguous, also=("G09",)),
    Defect(
        kind="stated_los_wrong",
        rule="D07",
        fate="W",
        edit=lambda row, rng: row.update(B20=str(int(row["B20"]) + int(rng.integers(1, 4)))),
    ),
    Defect(kind="long_stay", rule="D08", fate="X", scope="cost,los", edit=_long_stay),
    Defect(kind="sex_against_diagnosis", rule="P02", fate="Q", edit=_wrong_sex, also=("P03", "P04", "P10")),
    Defect(kind="no_principal_diagnosis", rule="P05", fate="Q", edit=_put(C03C=("", "-"))),
    Defect(
        kind="bad_exit_mode", rule="O01", fate="Q", scope="mortality", edit=_put(B34C=("7", "8", "X")), also=("O08",)
    ),
    Defect(kind="death_with_plan", rule="O02", fate="W", edit=_put(B36C="2", B37="复查"), needs="death"),
    Defect(
        kind="cost_absent",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_put(D01=("", "-"), D09="-"),
        also=("C02", "C02Q", "C08"),
    ),
    Defect(
        kind="cost_zero",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_no_cost("0.00"),
        needs="no_operation",
        also=("C02Q", "C04", "C06", "C08"),
    ),
    Defect(
        kind="cost_negative",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_no_cost("-120.00"),
        needs="no_operation",
        also=("C02Q", "C03", "C04", "C06", "C08"),
    ),
    Defect(
        kind="cost_not_numeric",
        rule="C01",
        fate="X",
        scope="cost",
        edit=_put(D01="见发票", D09="-"),
        also=("C02", "C02Q", "C08"),
    ),
    Defect(
        kind="cost_tiny",
        rule="C04",
        fate="X",
        scope="cost",
        edit=_no_cost("3.20"),
        needs="no_operation",
        also=("C02Q", "C06"),
    ),
    Defect(kind="unmapped_department", rule="S01", fate="Q", edit=_put(B16C=UNKNOWN_DEPARTMENT)),
    Defect(kind="overlapping_stay", rule="K06", fate="Q", edit=_overlap, appended=True, both=True, also=("D04",)),
    Defect(kind="bad_visit_number", rule="K08", fate="W", edit=_put(A49=("0", "-1", "第2次")), also=("G09",)),
    Defect(kind="birth_absent", rule="D01B", fate="Q", edit=_put(A13=("-", "1950-02-30", "00000000"))),
    Defect(kind="birth_after_admission", rule="D03", fate="Q", edit=_born_late, also=("D11",)),
    Defect(
        kind="operation_outside_stay", rule="D09", fate="Q", scope="surgery", edit=_operated_outside, needs="operation"
    ),
    Defect(kind="stated_age_wrong", rule="D11", fate="W", edit=_aged),
    Defect(kind="age_impossible", rule="D12", fate="Q", edit=_too_old),
    Defect(kind="newborn_without_weight", rule="D13", fate="W", edit=_newborn, needs="no_operation"),
    Defect(kind="weight_impossible", rule="D14", fate="W", edit=_put(A18x01=("50", "32000"))),
    Defect(kind="bad_sex", rule="P01", fate="W", edit=_put(A12C=("3", "男", "-"))),
    Defect(kind="sex_against_operation", rule="P03", fate="Q", edit=_wrong_operation, needs="operation"),
    Defect(kind="age_against_diagnosis", rule="P04", fate="W", edit=_old_mother, needs="no_operation"),
    Defect(kind="cause_as_diagnosis", rule="P07", fate="Q", edit=_put(C03C=("W19.900", "Y83.100", "H32.0*"))),
    Defect(kind="injury_without_cause", rule="P08", fate="W", edit=_put(C12C="-", C13N="-"), needs="injury"),
    Defect(
        kind="tumour_without_pathology", rule="P09", fate="W", edit=_put(C09C="-", C10N="-", C11="-"), needs="tumour"
    ),
    Defect(kind="diagnosis_twice", rule="P10", fate="W", edit=_twice),
    Defect(kind="bad_admission_condition", rule="P11", fate="W", edit=_put(C05C=("5", "A", "11"))),
    Defect(
        kind="bad_operation_level",
        rule="P14",
        fate="W",
        edit=_put(C17x01=("5", "四级")),
        needs="operation",
        also=("C06",),
    ),
    Defect(kind="operation_without_date", rule="P15", fate="W", edit=_put(C16x01="-"), needs="operation"),
    Defect(
        kind="stay_after_death",
        rule="O03",
        fate="Q",
        edit=_after_death,
        needs="death",
        appended=True,
        both=True,
        also=("D04",),
    ),
    Defect(kind="death_without_autopsy_field", rule="O04", fate="W", edit=_put(C34C="-"), needs="death"),
    Defect(kind="transfer_without_receiver", rule="O06", fate="W", edit=_put(B35="-"), needs="transfer"),
    Defect(kind="fees_unequal", rule="C02", fate="W", edit=_unequal(0.002)),
    Defect(kind="fees_far_apart", rule="C02Q", fate="Q", scope="cost", edit=_unequal(0.05)),
    Defect(kind="negative_item", rule="C03", fate="W", edit=_refund),
    Defect(kind="operation_without_fee", rule="C06", fate="W", edit=_unpaid_operation, needs="operation"),
    Defect(kind="anaesthesia_without_fee", rule="C07", fate="W", edit=_free_anaesthesia, needs="operation"),
    Defect(kind="self_pay_above_total", rule="C08", fate="W", edit=_own_share),
    Defect(kind="same_stay_elsewhere", rule="K07", fate="W", edit=_elsewhere, appended=True, both=True),
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
    fits: dict[str, np.ndarray],
    ragged_limit: float,
    first: int,
    rng: np.random.Generator,
) -> list[Assigned]:
    """Give `rate` of the rows a defect each, kinds in turn from position `first`, no row twice.

    `eligible` is a flag of the rows, `fits` one for each of `Defect.needs`; `hospital` tells files apart, because a file may
    hold no more than `ragged_limit` of ragged rows before the whole of it is rejected. A kind without a fitting row is left
    out.
    """
    order = rng.permutation(np.flatnonzero(eligible))
    pools = {need: list(order[flags[order]][::-1]) for need, flags in fits.items()}
    room = np.floor(np.bincount(hospital) * ragged_limit).astype(int) if len(hospital) else np.zeros(0, int)
    taken: set[int] = set()
    given: list[Assigned] = []
    for turn in range(round(rate * len(eligible))):
        defect = DEFECTS[(first + turn) % len(DEFECTS)]
        pool = pools[defect.needs]
        if defect.ragged:
            roomy = (row for row in reversed(pool) if room[hospital[row]] > 0 and row not in taken)
            pool = list(islice(roomy, 1))
        while pool and pool[-1] in taken:
            pool.pop()
        if not pool:
            continue
        row = int(pool.pop())
        taken.add(row)
        room[hospital[row]] -= defect.ragged
        given.append(Assigned(row=row, defect=defect))
    return given
