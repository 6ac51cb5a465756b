"""Stays without a record number that another file of the hospital holds too (规则K12).

Where a file has no record numbers, only what is written of a stay says which it is. Files are compared by the fields that both
have a column for, as they are understood: another format, encoding or written form is no difference. Departments and other
words are not compared, for each hospital writes them as it likes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations_with_replacement

import ibis
from ibis import _

from toolkit.engine.types import Engine, Table

RULE = "K12"
WHEN = ("year", "month", "admission_date", "discharge_date", "los_days")
WHO = ("sex", "age_years", "principal_diagnosis", "drg")
COMPARED = (*WHEN, "cost_fen", "died", *WHO)
DAYS = {"admission_date", "discharge_date"}
# of records without days: those of a hospital in a file are called sent twice only where more are than chance gives
LEAST, SHARE, TIMES = 3, 0.01, 3
KEPT = "sent_twice"


def of_files(typed: Table, lacking: Mapping[int, Collection[str]], connection: Engine) -> Table | None:
    """`file, line, rule` of the records without a number whose stay another file holds; None where no files can be compared.

    Of the records that say the same, a sound one stays, one with a number before others, then that of the first file. The
    second record of a file that says the same as its first is another stay, and is compared with the second of the other.

    Parameters
    ----------
    typed
        With `sound`: whether nothing else is wrong with the record.
    lacking
        File → canonical fields that it has no column for.
    """
    layouts: dict[tuple[bool, frozenset[str]], list[int]] = {}
    for file, lacks in lacking.items():
        layout = "record" not in lacks, frozenset(COMPARED) - set(lacks)
        layouts.setdefault(layout, []).append(file)
    found = []
    for first, second in combinations_with_replacement(sorted(layouts, key=_order), 2):
        files, fields = {*layouts[first], *layouts[second]}, sorted(first[1] & second[1])
        if len(files) > 1 and not (first[0] and second[0]) and _telling(fields):
            found.append(_copies(typed.filter(_.file.isin(sorted(files))), fields))
    if not found:
        return None
    connection.create_table(KEPT, ibis.union(*found, distinct=True) if len(found) > 1 else found[0], overwrite=True)
    return connection.table(KEPT).mutate(rule=ibis.literal(RULE))


def _order(layout: tuple[bool, frozenset[str]]) -> tuple[bool, list[str]]:
    return not layout[0], sorted(layout[1])


def _telling(fields: Collection[str]) -> bool:
    """Whether records that agree in these can be taken for one stay."""
    when = set(fields) >= DAYS or set(fields) >= {"year", "los_days"}
    return when and "cost_fen" in fields and not set(WHO).isdisjoint(fields)


def _copies(rows: Table, fields: list[str]) -> Table:
    """`file, line` of the records without a number that are not the first to say what they say."""
    said = rows.filter(_.hospital.notnull() & _.cost_fen.notnull()).select(
        "hospital",
        "file",
        "line",
        "sound",
        numbered=_.record_key.notnull(),
        says=ibis.struct({name: rows[name] for name in fields}).hash(),
    )
    several = said.group_by(["hospital", "says"]).aggregate(files=_.file.nunique()).filter(_.files > 1)
    found = said.inner_join(several, ["hospital", "says"]).drop("files")
    within = ibis.window(group_by=["hospital", "says", "file"], order_by="line")
    found = found.mutate(time=ibis.row_number().over(within))
    in_order = [ibis.desc("sound"), ibis.desc("numbered"), "file", "line"]
    found = found.mutate(
        place=ibis.row_number().over(ibis.window(group_by=["hospital", "says", "time"], order_by=in_order))
    )
    copies = found.filter((_.place > 0) & ~_.numbered).select("hospital", "file", "line")
    if not set(fields) >= DAYS:
        copies = copies.semi_join(_many(copies, said), ["hospital", "file"])
    return copies.select("file", "line")


def _many(copies: Table, said: Table) -> Table:
    """`hospital, file` of which more records are copies than chance gives, by how many say the same within the file."""
    place = ["hospital", "file"]
    of_file = said.group_by(place).aggregate(n=_.count(), different=_.says.nunique())
    counted = copies.group_by(place).aggregate(copies=_.count()).inner_join(of_file, place)
    many = (_.copies >= LEAST) & (_.copies > SHARE * _.n) & (_.copies > TIMES * (_.n - _.different))
    return counted.filter(many).select(place)
