"""Amounts as hospitals write them, and outcomes that no map turned into codes."""

import ibis
import pandas as pd
import pytest

from toolkit.data.discharge.measures import MEASURES
from toolkit.data.reading.typed_rows import _money


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("13,852.85", 13852.85),
        ("1,234", 1234.0),
        ("¥1,234.50", 1234.5),
        ("￥980", 980.0),
        ("980.5元", 980.5),
        ("-1,234.00", -1234.0),
        ("13852.85", 13852.85),
        ("1.234,56", None),  # another country's
        ("12,34", None),
        ("1,2345", None),
        ("面议", None),
        (None, None),
    ],
)
def test_an_amount_is_read_as_people_write_it_and_nothing_else_is_taken_for_one(engine, written, amount):
    table = engine.connection.create_table(
        "money", ibis.memtable(pd.DataFrame({"cell": pd.Series([written], dtype="string")})), overwrite=True
    )
    found = table.select(amount=_money(table.cell).try_cast("float64")).execute()["amount"][0]
    assert found == amount if amount is not None else pd.isna(found)


def test_words_in_the_place_of_codes_are_in_no_share_of_ways_of_leaving(engine):
    rows = pd.DataFrame({"exit_mode": ["1", "4", "非医嘱离院", "治愈", "2", None]})
    table = engine.connection.create_table("exits", ibis.memtable(rows), overwrite=True)
    by_id = {one.id: one for one in MEASURES}
    for measure, value in (("against_advice", 1), ("transferred_out", 1)):
        one = by_id[measure]
        found = table.filter(one.when).select(hit=one.value).execute()["hit"]
        assert (len(found), int(found.sum())) == (3, value)
