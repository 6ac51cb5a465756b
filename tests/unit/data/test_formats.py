"""Format maps: strict declarations, and text to types value by value."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from toolkit.data.reading.formats import Source, available, format_map, resolve
from toolkit.data.reading.typed_rows import standardise
from toolkit.errors import EvaluationError

BASE = "id: t\ntitle: 合成\nfields:\n  hospital: {column: H}\n  discharge_date: {column: OUT, dates: [%s]}\n"


def handed_out(value: str | None) -> str | None:
    """A cell as the reader hands it out: without blanks around, missing where it holds nothing."""
    return None if value is None or value.strip() in ("", "-") else value.strip()


@pytest.fixture
def typed(engine, tmp_path):
    """Values of one text column, typed by a declaration of one field."""

    def run(field: str, declaration: str, *values: str | None, **others: list[str]):
        path = tmp_path / "map.yaml"
        path.write_text(BASE % "yyyy-MM-dd" + f"  {field}: {declaration}\n", encoding="utf-8")
        form = format_map(str(path))
        columns = {
            "H": ["x"] * len(values),
            "OUT": ["2022-01-05"] * len(values),
            "X": [handed_out(value) for value in values],
            "Y": ["y"] * len(values),
            **{name: [handed_out(value) for value in cells] for name, cells in others.items()},
        }
        table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
        table = table.append_column("line", pa.array(range(len(values))))
        table = table.append_column("file", pa.array([0] * len(values))).append_column(
            "source_content", pa.array([0] * len(values))
        )
        made = engine.connection.create_table("to_type", table, overwrite=True)
        found = standardise(made, {name: resolve(name, list(columns)) for name in form.wanted()}, form)
        rows = found.order_by("line").to_pyarrow().to_pylist()
        return [row[field] for row in rows]

    return run


@pytest.mark.parametrize(
    ("declared", "text", "day"),
    [
        ("yyyy-MM-dd", "2023-01-05", (2023, 1, 5)),
        ("yyyy-MM-dd", "2023-1-5", (2023, 1, 5)),
        ("yyyy-MM-dd", "2023-01-05 23:59:59", (2023, 1, 5)),
        ("yyyy-MM-dd", "2023-01-05T07:08:09.5", (2023, 1, 5)),
        ("yyyy-MM-dd", "2023-01-05 24:00:00", None),
        ("yyyy-MM-dd", "2023-01-05 12:60", None),
        ("yyyy-MM-dd", "2023-01-05 14:3025", None),
        ("yyyy-MM-dd", "2024-02-29", (2024, 2, 29)),
        ("yyyy-MM-dd", "2023-02-29", None),
        ("yyyy-MM-dd", "2023-02-30", None),
        ("yyyy-MM-dd", "2023-13-01", None),
        ("yyyy-MM-dd", "2023-00-10", None),
        ("yyyy-MM-dd", "2023/01/05", None),
        ("yyyy-MM-dd", "20230105", None),
        ("yyyy-MM-dd", "45000", None),
        ("yyyy-MM-dd", "2023-01-05x", None),
        ("yyyy/MM/dd", "2023/1/6 8:00", (2023, 1, 6)),
        ("yyyy/MM/dd", "01/02/2023", None),
        ("yyyyMMdd", "20230107", (2023, 1, 7)),
        ("yyyyMMdd", "00000000", None),
        ("yyyyMMdd", "202301", None),
        ("yyyyMMdd", "20230230", None),
        ("yyyy年MM月dd日", "2023年1月8日", (2023, 1, 8)),
        ("yyyy年MM月dd日", "2023年1月8", None),
        ("dd-MM-yyyy", "05-01-2023", (2023, 1, 5)),
        ("dd-MM-yyyy", "13-13-2023", None),
        ("dd-MM-yyyy", "2023-01-05", None),
    ],
)
def test_a_date_is_read_in_the_declared_format_or_not_at_all(typed, declared, text, day):
    assert typed("admission_date", f"{{column: X, dates: [{declared}]}}", text) == [day and dt.date(*day)]


def test_numbers_are_whole_plausible_or_missing(typed):
    given = ("50", " 50 ", "50.0", "50.5", "-1", "0", "120", "121", "1E2", "nan", "inf", "五十", "", "-")
    read = [50, 50, 50, None, None, 0, 120, None, 100, None, None, None, None, None]
    assert typed("age_years", "{column: X}", *given) == read
    assert typed("surgery_level", "{column: X}", "4", "5", "0", "1") == [4, None, None, 1]


def test_money_becomes_fen_without_a_float_between(typed):
    texts = ["0.29", "1234.56", "1,234.50", "1e3", "-3.2", "0.005", "99999999999999.99", "1e300", "无", None]
    assert typed("cost_fen", "{column: X, scale: 100}", *texts) == [
        29,
        123_456,
        123_450,
        100_000,
        -320,
        1,
        None,
        None,
        None,
        None,
    ]
    assert typed("cost_fen", "{column: X, scale: 100, remove: [',']}", "1,234.50") == [123_450]


def test_length_of_stay_is_at_least_one_and_never_made_of_nonsense(typed):
    assert typed("los_days", "{column: X}", "0", "7", "120+", "-5", "") == [1, 7, None, None, None]
    assert typed("los_days", "{column: X, remove: ['+']}", "120 +") == [120]


def test_flags_know_true_false_and_missing(typed):
    declared = '{column: X, "true": ["5"], "false": ["1", "2"]}'
    assert typed("died", declared, "5", "1", "9", "-", None, " 5") == [True, False, None, None, None, True]
    assert typed("died", '{column: X, "true": ["5"]}', "5", "9", "-") == [True, False, None]


def test_text_is_trimmed_cut_mapped_and_joined(typed):
    assert typed("sex", '{column: X, values: {M: "1"}}', " M ", "2", "-") == ["1", "2", None]
    assert typed("drg", "{column: X, first: 3}", "I21.9", "I2") == ["I21", "I2"]
    assert typed("drg", "{concat: [{column: X}, {column: Y}], separator: '/'}", "a", "") == ["a/y", None]
    assert typed("drg", "{column: X, missing: [无]}", "无", "a") == [None, "a"]


def test_a_code_is_without_its_date_although_another_date_stands_beside_no_code(typed):
    declared = '{columns: [X, X2], beside: [DAY, DAY2], beside_values: [""]}'
    found = typed(
        "undated_procedures",
        declared,
        "36.1",
        "36.1",
        "-",
        "36.1",
        X2=["-", "37.2", "-", "-"],
        DAY=["-", "2022-01-01", "2022-01-01", "2022-01-01"],
        DAY2=["2022-01-01", "-", "-", "-"],
    )
    assert found == ["|36.1|", "|37.2|", None, None]


def test_patterns_and_case_of_column_names():
    present = ["c14X01c", "C38x01", "C38X02", " A48 ", "费用[元]"]
    assert resolve("C14x01C", present) == ["c14X01c"]
    assert resolve("C38x*", present) == ["C38x01", "C38X02"]
    assert resolve("A48", present) == [" A48 "]
    assert resolve("费用[元]", present) == ["费用[元]"]  # a name, not a set of characters
    assert resolve("B12", present) == []


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("id: t\ntitle: t\nfields:\n  hospital: {column: H}\n  year: {column: Y}\n  drug: {column: D}\n", "是否为 drg"),
        ("id: t\ntitle: t\nfields:\n  hospital: {column: H, columns: [A]}\n  year: {column: Y}\n", "三者必须且只能"),
        (BASE % "MM/yyyy", "未知的日期格式 MM/yyyy"),
        (BASE % "yyyyMMdd" + "  drg: {colum: X}\n", "column"),
    ],
    ids=["unknown field", "two origins", "date format", "misspelt key"],
)
def test_a_faulty_map_is_refused_with_the_remedy(tmp_path, yaml, says):
    path = tmp_path / "map.yaml"
    path.write_text(yaml, encoding="utf-8")
    with pytest.raises(EvaluationError, match=says):
        format_map(str(path))


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(EvaluationError, match="是否为 front-page"):
        format_map("frontpage")


def test_every_shipped_map_is_valid_and_named_by_its_file():
    assert [format_map(name).id for name in available()] == list(available())
    assert Source(column="a").names() == ["a"]
