"""Rules that need several records: repeated keys and repeated patients. Only the few that repeat are sorted.

Every function works on the typed table (`toolkit.data.intake`) and returns `file, line, rule`, a row for each hit.
"""

from __future__ import annotations

import ibis
from ibis import _

from toolkit.data.discharge.schema import STORED
from toolkit.engine.types import Column, Engine, Table

PERSON = ["record_key", "newborn"]
NEWBORN_DAYS = 28
ORDER = ["admission_date", "discharge_date", "file", "line"]
KEYS, STAYS = "repeated_keys", "repeated_stays"


def hits(table: Table, rule: str, test: Column) -> Table:
    """`file, line, rule` of the rows that meet a test."""
    return table.filter(test).select("file", "line", rule=ibis.literal(rule))


def of_keys(typed: Table, connection: Engine) -> Table:
    """规则K04, K05, K11: what became of the records of one key (hospital, record and visit number).

    A newborn under its mother's number is another person. Records that say the same as far as both say anything, one stay sent
    in part and again in full, are one: the fullest stays. Others are versions of one stay that contradict each other, unless
    their days lie apart: then they are several stays under one number.

    Returns
    -------
    Table
        `file, line`; `copy` (0 = the one that stays of those that say the same), `contents` (2 = contradicts another), `apart`
        (stays beside another person or stay of the key).
    """
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
    # its specialty is compared, not whether a department was written by its code or its name
    understood = [c for c in STORED if c in typed.columns and c != "department"]
    rows = rows.mutate(
        content=ibis.struct({name: rows[name] for name in understood}).hash() if understood else rows.content,
        filled=sum((rows[name].notnull().cast("int32") for name in understood), ibis.literal(0, "int32")),
        newborn=_newborn(rows),
    )
    connection.create_table(KEYS + "_rows", rows, overwrite=True)
    rows = connection.table(KEYS + "_rows")
    same = [(_[name].min() == _[name].max()).fill_null(True) for name in understood]
    alike = rows.group_by(PERSON).aggregate(alike=ibis.and_(*same) if same else _.content.min() == _.content.max())
    rows = rows.inner_join(alike, PERSON)
    version = ibis.ifelse(_.alike, ibis.literal(0, "int64"), _.content.cast("int64"))
    rows = rows.mutate(version=version)
    first = ibis.row_number().over(
        ibis.window(group_by=[*PERSON, "version"], order_by=[ibis.desc("filled"), "file", "line"])
    )
    rows = _beside_others(rows.mutate(copy=first))
    connection.create_table(KEYS, rows.select("file", "line", "copy", "contents", "apart"), overwrite=True)
    return connection.table(KEYS)


def _beside_others(rows: Table) -> Table:
    """`contents` and `apart` of the records of repeated keys, of which those with `copy` above 0 are no stays of their own."""
    kept = _.copy == 0
    rows = rows.mutate(
        came=ibis.ifelse(kept, _.admission_date, ibis.null("date"))
        if "admission_date" in rows.columns
        else ibis.null("date"),
        left=ibis.ifelse(kept, _.discharge_date, ibis.null("date"))
        if "discharge_date" in rows.columns
        else ibis.null("date"),
    )
    in_order = ["came", "left", "file", "line"]
    so_far = ibis.cumulative_window(group_by=[*PERSON, "kept"], order_by=in_order)
    step = ibis.window(group_by=[*PERSON, "kept"], order_by=in_order)
    of_key, of_person = ibis.window(group_by="record_key"), ibis.window(group_by=PERSON)
    one = ibis.ifelse(kept, 1, ibis.null("int64"))  # counted, not summed: exact sums have no window on Spark
    rows = rows.mutate(kept=kept)
    rows = rows.mutate(
        latest=_.left.max().over(so_far), stays=one.count().over(of_person), all_stays=one.count().over(of_key)
    )
    rows = rows.mutate(before=_.latest.lag().over(step), after=_.came.lead().over(step))
    rows = rows.mutate(twin_before=_.came.lag().over(step), twin_after=_.left.lead().over(step))
    overlaps = (_.came < _.before) | (_.left > _.after)
    # a day-long stay touches its like without a day in common
    same_day = ((_.twin_before == _.came) & (_.before == _.left)) | ((_.after == _.came) & (_.twin_after == _.left))
    # without days and without the number of the stay, nobody knows whether it is one stay or two
    unknown = (_.came.isnull() | _.left.isnull()) & _.visit_number.notnull()
    against = kept & (_.stays > 1) & (unknown | overlaps.fill_null(False) | same_day.fill_null(False))
    rows = rows.mutate(contents=ibis.ifelse(against, 2, 1))
    return rows.mutate(apart=kept & (_.contents == 1) & (_.all_stays > 1) & _.visit_number.notnull())


def _newborn(rows: Table) -> Column:
    return (rows.age_days < NEWBORN_DAYS).fill_null(False) if "age_days" in rows.columns else ibis.literal(False)


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
    rows = known.inner_join(counted, known.patient == counted.of_several)
    # a newborn under its mother's number is not its mother
    rows = rows.mutate(patient=ibis.ifelse(_newborn(rows), -1 - _.patient, _.patient)).select(columns)
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
