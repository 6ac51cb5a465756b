"""What hit records held in the fields that rules name, kept while the text is in memory.

Never a name, identity number, telephone or address: fields that identify are left out by name, and of the others only what
looks like a code, a number or a date is kept. In a row whose cells have slipped, a name may stand anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from functools import reduce
from pathlib import Path

import ibis

from toolkit.data.discharge.schema import BY_NAME, IDENTIFYING
from toolkit.data.quality import CATALOGUE, MARKS
from toolkit.data.reading.formats import MISSING, FormatMap
from toolkit.data.reading.typed_rows import standardise
from toolkit.engine import write_parquet
from toolkit.engine.types import Column, Engine, Table

SUBMITTED = "submitted.parquet"  # beside the fates
HELD = "held_"  # as received; before the name of the field, for a fate has a hospital and a year too
TYPED = "typed_"  # as understood: a sum of items, a length of stay
NEVER_SHOWN = {*IDENTIFYING, "record", "visit", "patient", "residence", "birth_date"}
# a code, number or date; what has the shape of an identity number or a telephone is neither
CODED = r"^[A-Za-z0-9.+*/:,_=|年月日 -]{1,60}$"
PERSONAL = r"\d{14,}|(^|\D)1[3-9]\d{9}(\D|$)|(^|\D)0\d{2,3}[- ]?\d{7,8}(\D|$)"
HIDDEN = "（不显示）"


def keep_submitted(
    text: Table, hit: Table, fields: Sequence[str], columns: Mapping[str, list[str]], form: FormatMap
) -> Table:
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
    Table
        `file, line`, and one text column `held_<field>` for each: several columns of the file joined by a space, NULL where empty.
    """
    of_hit = text.semi_join(hit, ["file", "line"])
    values: dict[str, Column] = {}
    for name in fields:
        source = form.fields.get(name)
        present = list(dict.fromkeys(c for n in source.names() for c in columns.get(n, ()))) if source else []
        if name in NEVER_SHOWN or not present:
            values[HELD + name] = ibis.null("string")
            continue
        given = [
            ibis.ifelse(of_hit[c].strip().isin(list(MISSING)), "", of_hit[c].strip()).fill_null("") for c in present
        ]
        joined = reduce(lambda a, b: a + " " + b, given).strip().re_replace(" +", " ")
        values[HELD + name] = _harmless(joined.nullif(""))
    return of_hit.select("file", "line", **values)


def named_fields(applicable: Container[str]) -> list[str]:
    """The canonical fields that the rules name, each once, in the order of the schema."""
    named = {f for rule in CATALOGUE.values() if rule.id in applicable for f in rule.fields or rule.needs}
    return [name for name in BY_NAME if name in named]


def said_fields(applicable: Container[str]) -> list[str]:
    """The canonical fields whose typed value stands in a message of a rule."""
    said = {f for rule in CATALOGUE.values() if rule.id in applicable for f in re.findall(r"{(\w+)}", rule.worklist_zh)}
    return [name for name in BY_NAME if name in said and name not in NEVER_SHOWN]


def hit_records(typed: Table) -> Table:
    """`file, line` of the typed rows that a rule has hit: being of no evaluated specialty is none's fault."""
    return typed.filter(MARKS.any_of([i for i in MARKS.ids if i != "S01"])).select("file", "line")


def kept_of(
    text: Table, typed: Table, applicable: Container[str], columns: dict[str, list[str]], form: FormatMap
) -> Table:
    """What the hit records of one part of the text held, and how the values that messages quote were understood.

    Parameters
    ----------
    text
        The text rows of the part, or only those that are hit, as `toolkit.data.reading.typed_rows.standardise` takes them.
    typed
        Its typed rows, with their marks.
    """
    hit = hit_records(typed)
    held = keep_submitted(text, hit, named_fields(applicable), columns, form)
    understood = standardise(text.semi_join(hit, ["file", "line"]), columns, form)
    values = {TYPED + name: _harmless(understood[name].cast("string")) for name in said_fields(applicable)}
    both = held.left_join(understood.select("file", "line", **values), ["file", "line"])
    return both.drop(*[c for c in both.columns if c.endswith("_right")])


def complete(
    typed: Table, fates: Path, held: Table, applicable: Container[str], connection: Engine, path: Path
) -> Path:
    """The kept values of all parts in one file, and those of records that only rules over several records or codes hit.

    By the time such a rule hits, the text has gone: the values come from the typed rows, where codes stand as received.
    """
    marked = connection.read_parquet(str(fates)).select("file", "line")
    kept = held.semi_join(marked, ["file", "line"])
    later = typed.semi_join(marked.anti_join(kept, ["file", "line"]), ["file", "line"])
    values: dict[str, Column] = {}
    for prefix, names in ((HELD, named_fields(applicable)), (TYPED, said_fields(applicable))):
        for name in names:
            known = name in typed.columns and name not in NEVER_SHOWN
            values[prefix + name] = _harmless(later[name].cast("string")) if known else ibis.null("string")
    rest = later.select("file", "line", **values).cast({"file": "int32", "line": "int64"})
    both = kept.select("file", "line", *values).cast({"file": "int32", "line": "int64"}).union(rest)
    write_parquet(connection, both, path, order_by=["file", "line"])
    return path


def _harmless(value: Column) -> Column:
    """The value where it looks like a code, a number or a date, and like nothing that identifies."""
    return ibis.ifelse(value.isnull() | (value.re_search(CODED) & ~value.re_search(PERSONAL)), value, HIDDEN)
