"""31 天再住院: whether a patient came back to the same hospital, unplanned, within so many days of the discharge."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from itertools import pairwise

import ibis
from ibis import _

from toolkit.engine.types import Column, Engine, Table
from toolkit.params import RunParams


def with_readmission(accepted: Table, params: RunParams, connection: Engine) -> Table:
    """`accepted` with `readmitted`.

    True: the same patient's next stay in the same hospital began within the days after this discharge, and this discharge
    had no plan for it. False: not so. NULL where that cannot be told: died, no patient key, no dates, plan unknown, or
    fewer days between the discharge and the end of the records, after which a stay would not be seen (consecutive years are
    one span).
    """
    days = params.indicators.readmission_days
    known = accepted.filter(_.patient.notnull() & _.admission_date.notnull() & _.discharge_date.notnull())
    order = ["admission_date", "discharge_date", "file", "line"]
    following = _.admission_date.lead().over(ibis.window(group_by=["hospital", "patient"], order_by=order))
    stays = known.select("hospital", "patient", *order).mutate(following=following)
    wait = _.following.delta(_.discharge_date, unit="day")
    again = stays.filter((wait >= 0) & (wait <= days)).select(again_file="file", again_line="line")
    # few rows: found once, not once for each year that is stored
    connection.create_table("readmitted_stays", again, overwrite=True)
    again = connection.table("readmitted_stays")
    joined = accepted.left_join(again, (accepted.file == again.again_file) & (accepted.line == again.again_line))
    seen = reduce(lambda a, b: a | b, [_.discharge_date.between(first, last) for first, last in _spans(params, days)])
    told = seen & _.patient.notnull() & _.admission_date.notnull() & _.readmission_planned.notnull() & ~_.died
    came = _.again_file.notnull() & ~_.readmission_planned
    return joined.mutate(readmitted=ibis.ifelse(told.fill_null(False), came, ibis.null("boolean"))).drop(
        "again_file", "again_line"
    )


def _spans(params: RunParams, days: int) -> list[tuple[Column, Column]]:
    """First and last day of a discharge whose following days the records still cover, for each run of years."""
    years = params.all_years
    breaks = [a for a, b in pairwise(years) if b != a + 1]
    starts, ends = [years[0], *[b for a, b in pairwise(years) if b != a + 1]], [*breaks, years[-1]]
    last = [dt.date(end, 12, 31) - dt.timedelta(days=days) for end in ends]
    return [(ibis.literal(dt.date(a, 1, 1)), ibis.literal(b)) for a, b in zip(starts, last, strict=True)]
