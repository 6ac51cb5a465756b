"""What hit records held in the fields that rules name, kept while the text is in memory.

Never a name, identity number, telephone or address: fields that identify are left out by name, and of the others only what
looks like a code, a number or a date is kept. In a row whose cells have slipped, a name may stand anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import ibis

from toolkit.data.formats import MISSING, FormatMap
from toolkit.data.schema import IDENTIFYING

SUBMITTED = "submitted"  # folder of the values, beside the fates
NEVER_SHOWN = {*IDENTIFYING, "record", "visit", "patient", "residence", "birth_date"}
# a code, number or date; what has the shape of an identity number or a telephone is neither
CODED = r"^[A-Za-z0-9.+*/:,_=|年月日 -]{1,60}$"
PERSONAL = r"\d{14,}|(^|\D)1[3-9]\d{9}(\D|$)|(^|\D)0\d{2,3}[- ]?\d{7,8}(\D|$)"
HIDDEN = "（不显示）"


def keep_submitted(
    text: Any, hit: Any, fields: Sequence[str], columns: Mapping[str, list[str]], form: FormatMap
) -> Any:
    """What hit records held in the fields that rules name, as received.

    Parameters
    ----------
    text
        The text rows of one part: columns as in the file, `file`, `line`.
    hit
        `file, line` of the records that a rule has hit.
    fields
        Canonical fields.
    columns
        Name or pattern in the format map -> columns of the file.

    Returns
    -------
    ibis.Table
        `file, line`, and one text column for each field: several columns of the file joined by a space, NULL where empty.
    """
    of_hit = text.semi_join(hit, ["file", "line"])
    values: dict[str, Any] = {}
    for name in fields:
        source = form.fields.get(name)
        present = list(dict.fromkeys(c for n in source.names() for c in columns.get(n, ()))) if source else []
        if name in NEVER_SHOWN or not present:
            values[name] = ibis.null("string")
            continue
        given = [
            ibis.ifelse(of_hit[c].strip().isin(list(MISSING)), "", of_hit[c].strip()).fill_null("") for c in present
        ]
        joined = reduce(lambda a, b: a + " " + b, given).strip().re_replace(" +", " ")
        harmless = joined.re_search(CODED) & ~joined.re_search(PERSONAL)
        values[name] = ibis.cases((joined == "", ibis.null("string")), (harmless, joined), else_=HIDDEN)
    return of_hit.select("file", "line", **values)
