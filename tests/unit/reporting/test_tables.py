from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ContractBroken
from toolkit.reporting.content import tables
from toolkit.reporting.content.tables import Column


def cell(format, value, **column):
    frame = pd.DataFrame({"c": [value], "status": [column.pop("says", None)]})
    made = tables.table(frame, [Column(name="c", label="x", format=format, **column)], id="t", caption="c")
    return made.rows[0][0]


@pytest.mark.parametrize(
    ("format", "value", "printed"),
    [
        (tables.count, 1234567, "1,234,567"),
        (tables.count, 12.0, "12"),
        (tables.count, 0, "0"),
        (tables.count, np.int64(5), "5"),
        (tables.decimal(2), 2.675, "2.68"),  # binary 2.67499999…
        (tables.decimal(1), 0.25, "0.3"),  # half to even would give 0.2
        (tables.decimal(0), 0.5, "1"),
        (tables.decimal(1), -0.25, "−0.3"),
        (tables.decimal(1), -0.04, "0.0"),  # never −0.0
        (tables.decimal(2), 1234.5, "1,234.50"),
        (tables.decimal(2), Decimal("1.005"), "1.01"),
        (tables.decimal(3), 1e-12, "0.000"),
        (tables.percent(0), 0.285, "29%"),  # 0.285 * 100 is 28.499… in floats
        (tables.percent(1), 0.1234, "12.3%"),
        (tables.percent(2, scale=1), 0.02, "0.02%"),
        (tables.decimal(3), 1.0005, "1.001"),
        (tables.p_value, 0.0001, "<0.001"),
        (tables.p_value, 0.0, "<0.001"),
        (tables.p_value, 0.0456, "0.046"),
        (tables.p_value, 0.9999, ">0.999"),
        (tables.text, "甲\n乙", "甲 乙"),
        (tables.text, 2024, "2024"),
    ],
)
def test_formats(format, value, printed):
    assert cell(format, value) == printed


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_value_is_its_status_or_a_dash_never_a_number(value):
    assert cell(tables.decimal(2), value) == "—"
    assert cell(tables.decimal(2), value, status="status", says="no_reference") == "无标杆"
    assert cell(tables.decimal(2), value, status="status", says="value") == "—"


def test_a_status_stands_in_place_of_a_value():
    assert cell(tables.decimal(2), 0.5, status="status", says="too_few") == "例数不足"
    assert cell(tables.decimal(2), 0.5, status="status", says="value") == "0.50"


@pytest.mark.parametrize(
    ("format", "value"),
    [
        (tables.count, 1.5),
        (tables.decimal(2), np.inf),
        (tables.decimal(2), "3"),
        (tables.decimal(2), True),
        (tables.p_value, 1.2),
        (tables.text, 0.1),
    ],
)
def test_a_value_that_does_not_fit_its_format_is_refused_with_its_column(format, value):
    with pytest.raises(ContractBroken, match=r"t\.x"):
        cell(format, value)


def test_an_absent_column_is_named():
    with pytest.raises(ContractBroken, match="缺少列 b"):
        tables.table(pd.DataFrame({"a": [1]}), [Column(name="b", label="b", format=tables.count)], id="t", caption="c")


def test_more_than_eight_columns_are_wide_and_no_rows_are_allowed():
    frame = pd.DataFrame({"a": pd.Series([], dtype=float)})
    column = Column(name="a", label="a", format=tables.count)
    narrow = tables.table(frame, [column] * 8, id="t", caption="c")
    assert (narrow.wide, narrow.rows) == (False, ())
    assert "（无记录）" in narrow.plain()
    assert tables.table(frame, [column] * 9, id="t", caption="c").wide


def test_numbers_stand_right_and_text_left():
    frame = pd.DataFrame({"a": ["甲"], "n": [1]})
    made = tables.table(
        frame,
        [Column(name="a", label="a", format=tables.text), Column(name="n", label="n", format=tables.count)],
        id="t",
        caption="c",
    )
    assert [c.align for c in made.columns] == ["left", "right"]
