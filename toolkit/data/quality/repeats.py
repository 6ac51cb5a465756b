"""Rules that need several records: repeated keys and repeated patients. Only the few that repeat are sorted.

Every function works on the typed table (`toolkit.data.intake`) and returns `file, line, rule`, a row for each hit.
"""

from __future__ import annotations

import ibis
from ibis import _

from toolkit.data.discharge.schema import STORED
from toolkit.engine.types import Column, Engine, Table

ORDER = ["admission_date", "discharge_date", "file", "line"]
KEYS, STAYS = "repeated_keys", "repeated_stays"


def hits(table: Table, rule: str, test: Column) -> Table:
    """`file, line, rule` of the rows that meet a test."""
    return table.filter(test).select("file", "line", rule=ibis.literal(rule))


def of_keys(typed: Table, connection: Engine) -> Table:
    """规则K04, K05: records of one key: `file, line, record_key, copy` (0 = first of its content), `contents` (how many)."""
    twice = (
        typed.filter(_.record_key.notnull())
        .group_by("record_key")
        .aggregate(n=_.count())
        .filter(_.n > 1)
        .select(repeated_key="record_key")
    )
    connection.create_table(KEYS + "_counted", twice, overwrite=True)
    counted = connection.table(KEYS + "_counted")
    rows = typed.inner_join(counted, typed.record_key == counted.repeated_key)
    # days, amounts and codes as they are understood: the same stay in another written form is the same content
    if understood := [c for c in STORED if c in typed.columns]:
        rows = rows.mutate(content=ibis.struct({name: rows[name] for name in understood}).hash())
    # not a count of distinct ones: Spark has none over a window
    one = ibis.window(group_by="record_key")
    rows = rows.mutate(contents=ibis.ifelse(_.content.min().over(one) == _.content.max().over(one), 1, 2))
    first = ibis.row_number().over(ibis.window(group_by=["record_key", "content"], order_by=["file", "line"]))
    rows = rows.select("file", "line", "record_key", "content", "contents").mutate(copy=first)
    connection.create_table(KEYS, rows.select("file", "line", "copy", "contents"), overwrite=True)
    return connection.table(KEYS)


def of_patients(sound: Table, connection: Engine) -> Table:
    """Stays of the patients who have several: what the rules over patients look at.

    Parameters
    ----------
    sound
        Typed records that no other rule quarantines, each stay once.
    """
    known = sound.filter(_.patient.notnull() & _.admission_date.notnull() & _.discharge_date.notnull())
    several = known.group_by("patient").aggregate(n=_.count()).filter(_.n > 1).select(of_several="patient")
    connection.create_table(STAYS + "_counted", several, overwrite=True)
    counted = connection.table(STAYS + "_counted")
    columns = ["file", "line", "hospital", "patient", "visit_number", "admission_date", "discharge_date", "died"]
    rows = known.inner_join(counted, known.patient == counted.of_several).select(columns)
    connection.create_table(STAYS, rows, overwrite=True)
    return connection.table(STAYS)


def overlapping(stays: Table) -> Table:
    """规则K06: two stays of a patient in one hospital overlap; the day of discharge may be that of the next admission."""
    so_far = ibis.cumulative_window(group_by=["patient", "hospital"], order_by=ORDER)
    in_order = ibis.window(group_by=["patient", "hospital"], order_by=ORDER)
    seen = stays.mutate(latest=_.discharge_date.max().over(so_far))
    seen = seen.mutate(before=_.latest.lag().over(in_order), after=_.admission_date.lead().over(in_order))
    return hits(seen, "K06", ((_.admission_date < _.before) | (_.discharge_date > _.after)).fill_null(False))


def in_two_hospitals(stays: Table) -> Table:
    """规则K07: the same stay of a patient in two hospitals."""
    same = ibis.window(group_by=["patient", "admission_date", "discharge_date"])
    seen = stays.mutate(first=_.hospital.min().over(same), last=_.hospital.max().over(same))
    return hits(seen, "K07", _.first != _.last)


def falling_visits(stays: Table) -> Table:
    """规则K08: the number of the stay falls while the day of admission rises."""
    in_order = ibis.window(group_by=["patient", "hospital"], order_by=ORDER)
    seen = stays.mutate(before=_.visit_number.lag().over(in_order), day=_.admission_date.lag().over(in_order))
    return hits(seen, "K08", ((_.visit_number < _.before) & (_.admission_date > _.day)).fill_null(False))


def after_death(stays: Table) -> Table:
    """规则O03: a later stay of a patient who died, and the stay with the death."""
    of_patient = ibis.window(group_by=["patient"])
    died = ibis.ifelse(_.died.fill_null(False), _.discharge_date, ibis.null("date"))
    seen = stays.mutate(death=died).mutate(death_day=_.death.min().over(of_patient))
    seen = seen.mutate(is_death=(_.death == _.death_day).fill_null(False))
    seen = seen.mutate(later=ibis.ifelse(~_.is_death & (_.admission_date >= _.death_day), 1, 0))
    seen = seen.mutate(any_later=_.later.max().over(of_patient))
    return hits(seen, "O03", (_.later == 1) | (_.is_death & (_.any_later == 1)))
