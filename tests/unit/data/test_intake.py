"""From files to stored discharges: every record has one fate, named by file and physical line."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
import rows
from small_files import DATE, HEADER, MAP, frame_bytes, letters, line, number_cell, row, take, text, text_cell, workbook

from toolkit.data.reading.formats import available
from toolkit.errors import InputError


def sheet_row(number: int, cells: dict[str, str]) -> str:
    out = []
    for position, name in enumerate(HEADER):
        ref = f"{letters(position)}{number}"
        out.append(number_cell(ref, "44621", DATE) if name == "IN" else text_cell(ref, cells[name]))  # 2022-03-01
    return "".join(out)


# Physical lines of a file in which everything goes wrong at once. 1 header
JUMBLE = [
    line() + ",one too many",  # 2: ragged, first
    line(),  # 3
    "",  # 4: blank
    line().replace("FA11", '"FA11'),  # 5: open quotation mark
    line(),  # 6
    "   ",  # 7: blank
    line(DEPT="心内, 一科"),  # 8: quoted comma
    line().rsplit(",", 2)[0],  # 9: short
    "",  # 10
    line().rsplit(",", 3)[0],  # 11: short, right after a blank line
    line().replace("I21.0", '"I21'),  # 12: a quoted line break begins ...
    line().split(",", 9)[0] + '",x',  # 13: ... and ends, of one record with too few cells
    line(),  # 14
    "just one cell",  # 15: ragged, last
]
SOUND_LINES, BROKEN_LINES = [3, 6, 8, 14], [2, 5, 9, 11, 12, 15]
NAMES = ["NA", "None", "null", "nan", "0", "'; DROP TABLE text_rows; --", '机构"一"']
HOSTILE = '名 单\'; DROP TABLE "x"; --[1]*.csv'


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """One intake of many files."""
    parquet = pd.DataFrame([row() for _ in range(4)])
    parquet["COST"] = [1000.0, np.nan, 12.34, 5.0]
    parquet["DRG"] = ["FA11", None, "FB21", "FC31"]
    parquet["DEPT"] = [3.0, np.nan, 4.5, 3.0]  # codes that became floats
    parquet["DAYS"] = [5, 5, 5, 6]
    sheet = {
        1: "".join(text_cell(f"{letters(i)}1", name) for i, name in enumerate(HEADER)),
        2: sheet_row(2, row(H="00123", OP="36.10")),
        5: sheet_row(5, row(OP="1E5")),
    }
    utf8 = text(line(H="0012", DEPT="心血管内科"), line(OP="1E5"), *[line(H=name) for name in NAMES])
    return take(
        tmp_path_factory.mktemp("bag"),
        {
            "utf8.csv": utf8.encode(),
            "bom.csv": b"\xef\xbb\xbf" + text(line()).encode(),
            "gb.csv": text(line(DEPT="𠮷内科")).encode("gb18030"),
            "packed.csv.gz": gzip.compress(text(line()).encode("gb18030")),
            "jumble.csv": text(*JUMBLE)[:-1].encode(),
            "jumble crlf.csv": text(*[each.replace("00", "90", 1) for each in JUMBLE], end="\r\n").encode(),
            "mixed ends.csv": (text(line(), end="\r\n") + line() + "\n" + line(DEPT="D\r1") + "\r\n").encode(),
            HOSTILE: text(line(), line()).encode(),
            "comma.csv": text(line(), line(), header=HEADER)
            .replace("\n", ",\n")
            .encode(),  # as some exports end each line
            "lower.csv": text(line(LEVEL2x01="4"), header=[name.lower() for name in HEADER]).encode(),
            "no procedure.csv": (
                "\n".join(
                    [
                        *(
                            ",".join(v for n, v in zip(HEADER, cells, strict=True) if n != "OP")
                            for cells in (HEADER, list(row()[n] for n in HEADER))
                        )
                    ]
                )
                + "\n"
            ).encode(),
            "numbers.parquet": frame_bytes(parquet),
            "sheet.xlsx": workbook(sheet),
            "quoted inside.csv": text(
                line(DEPT='5" x 3"').replace('"5"" x 3"""', '5" x 3"'), line().replace("D1", '"D"1')
            ).encode(),
            "z twice.csv": utf8.encode(),
            "columns.csv": text("x,y", header=["A", "B"]).encode(),
            "empty.csv": b"",
            "header only.csv": text().encode(),
            "broken.csv": text(line()).encode() + b"\xff\xff\xff\n",
            "broken.csv.gz": gzip.compress(text(line()).encode())[:-9],
            "broken.parquet": b"PAR1 and nothing else",
            "none.parquet": frame_bytes(parquet.iloc[:0]),
        },
    )


REFUSED = {
    "z twice.csv": "utf8.csv 完全相同（规则F01）",
    "columns.csv": "缺少必需的列：H、R、V",
    "empty.csv": "空文件",
    "header only.csv": "没有数据行",
    "broken.csv": "约第 3 行",
    "broken.csv.gz": "压缩文件损坏",
    "broken.parquet": "Parquet",
    "none.parquet": "没有数据行",
}


def test_refused_files_say_why_and_the_others_are_read(bag):
    rejected = bag.files["rejected"]
    assert set(rejected[rejected != ""].index) == set(REFUSED)
    assert [name for name, why in REFUSED.items() if why not in rejected[name]] == []
    assert (bag.files.loc[list(REFUSED), "received"] == 0).all()
    assert bag.files["sha256"].str.len().eq(64).all()


def test_received_is_accepted_and_excluded_and_quarantined_in_every_file(bag):
    for name, received in bag.files["received"].items():
        assert sum(bag.balance(name).values()) == received


@pytest.mark.parametrize("name", ["jumble.csv", "jumble crlf.csv"])
def test_physical_lines_stay_right_among_ragged_blank_and_unclosed_ones(bag, name):
    assert bag.files.loc[name, "received"] == len(SOUND_LINES) + len(BROKEN_LINES)
    assert bag.of(name)["line"].tolist() == SOUND_LINES
    assert bag.lines(name) == dict.fromkeys(BROKEN_LINES, "F05")
    assert bag.of(name)["department"].tolist() == ["D1", "D1", "心内,一科", "D1"]


def test_text_stays_as_it_was_written(bag):
    stored = bag.of("utf8.csv")
    assert stored["hospital"].tolist() == ["0012", "0012", "0"]  # words for nothing and what is no code are nobody's
    assert stored["principal_procedure"].tolist()[:3] == ["36.10", "1E5", "36.10"]
    assert bag.of("gb.csv")["department"].tolist() == ["𠮷内科"]


@pytest.mark.parametrize("name", ["bom.csv", "packed.csv.gz", HOSTILE, "comma.csv", "lower.csv", "no procedure.csv"])
def test_awkward_but_readable_files_lose_nothing(bag, name):
    stored = bag.of(name)
    assert len(stored) == bag.files.loc[name, "received"] > 0
    assert stored["line"].tolist() == list(range(2, 2 + len(stored)))
    assert set(stored["department"]) == {"D1"}
    assert set(stored["cost_fen"]) == {100_000}


def test_a_header_in_small_letters_and_a_pattern_of_columns_are_found(bag):
    assert bag.of("lower.csv")["surgery_level"].tolist() == [4]  # the larger of 3 and 4
    assert bag.of("utf8.csv")["surgery_level"].unique().tolist() == [3]  # "-" is empty


def test_an_optional_column_that_a_file_lacks_is_missing_there_alone(bag):
    assert bag.of("no procedure.csv")["principal_procedure"].isna().all()
    assert bag.of("bom.csv")["principal_procedure"].tolist() == ["36.10"]


def test_mixed_line_ends_break_nothing(bag):
    assert bag.of("mixed ends.csv")[["line", "department"]].to_numpy().tolist() == [[2, "D1"], [3, "D1"], [4, "D 1"]]


def test_stray_quotation_marks_are_read_or_quarantined_never_lost(bag):
    assert bag.of("quoted inside.csv")["department"].tolist() == ['5" X 3']
    assert bag.lines("quoted inside.csv") == {3: "F05"}


def test_parquet_numbers_become_text_and_nan_becomes_missing(bag):
    stored = bag.of("numbers.parquet")
    assert stored["cost_fen"].tolist()[0:1] + stored["cost_fen"].tolist()[2:] == [100_000, 1_234, 500]
    assert stored["cost_fen"].isna().tolist() == stored["drg"].isna().tolist() == [False, True, False, False]
    assert stored["department"].fillna("").tolist() == ["3", "", "4.5", "3"]
    assert stored["cost_usable"].tolist() == [True, False, True, True]
    assert stored["grouped"].tolist() == [True, False, True, True]
    assert stored["line"].tolist() == [1, 2, 3, 4]


def test_a_workbook_keeps_zeros_dates_and_row_numbers(bag):
    stored = bag.of("sheet.xlsx")
    assert stored["hospital"].tolist() == ["00123", "0012"]
    assert stored["principal_procedure"].tolist() == ["36.10", "1E5"]
    assert stored["line"].tolist() == [2, 5]
    assert stored["los_days"].tolist() == [5, 5]  # 1 to 6 March


def test_the_store_holds_no_identifier(bag):
    assert {"record", "visit"}.isdisjoint(bag.store.columns)


# --- records ----------------------------------------------------------------------------------------------------------

RECORDS = [
    ("sound", {}, "accepted", ""),
    ("date formats", {"IN": "2022/3/1", "OUT": "2022年03月06日"}, "accepted", ""),
    ("compact", {"IN": "20220301", "OUT": "20220306"}, "accepted", ""),
    ("clock", {"IN": "2022-03-01 23:59:59", "OUT": "2022-03-06T00:00"}, "accepted", ""),
    ("same day", {"OUT": "2022-03-01", "DAYS": "0"}, "accepted", ""),
    ("stated wrong", {"DAYS": "7"}, "accepted", ""),
    ("not stated", {"DAYS": "-"}, "accepted", ""),
    ("stated no number", {"DAYS": "5.5"}, "accepted", ""),
    ("the year after", {"IN": "2022-12-28", "OUT": "2023-01-02"}, "excluded", "D04"),
    ("no such day", {"OUT": "2023-02-30"}, "quarantined", "D01"),
    ("no such leap day", {"IN": "2022-02-29"}, "quarantined", "D01"),
    ("zeros", {"IN": "00000000"}, "quarantined", "D01"),
    ("24:00", {"OUT": "2022-03-06 24:00"}, "quarantined", "D01"),
    ("colon lost", {"OUT": "2022-03-06 14:3025"}, "quarantined", "D01"),
    ("absent", {"OUT": "-"}, "quarantined", "D01"),
    ("ambiguous", {"OUT": "06/03/2022"}, "quarantined", "D06"),
    ("serial", {"OUT": "44626"}, "quarantined", "D06"),
    ("reversed", {"IN": "2022-03-07"}, "quarantined", "D02"),
    ("future", {"OUT": "2031-03-06", "IN": "2031-03-01"}, "quarantined", "D05"),
    ("too old", {"IN": "1989-12-31", "DAYS": "-"}, "quarantined", "D05"),
    ("year outside", {"IN": "2021-12-30", "OUT": "2021-12-31", "DAYS": "1"}, "excluded", "D04"),
    ("unknown hospital", {"H": "9999"}, "quarantined", "K01"),
    ("no hospital", {"H": "-"}, "quarantined", "K01"),
    ("no record number", {"R": " "}, "quarantined", "K03"),
    ("no diagnosis", {"DX": ""}, "quarantined", "P05"),
    ("exit unknown", {"EXIT": "7"}, "accepted", ""),
    ("died", {"EXIT": "5"}, "accepted", ""),
    ("cost text", {"COST": "见发票"}, "accepted", ""),
    ("cost 4.99", {"COST": "4.99"}, "accepted", ""),
    ("cost 0.29", {"COST": "5.29"}, "accepted", ""),
    ("no drg", {"DRG": "0000"}, "accepted", ""),
    ("no specialty", {"DEPT": "D9"}, "accepted", ""),
    ("61 days", {"IN": "2022-01-01", "OUT": "2022-03-03", "DAYS": "61"}, "accepted", ""),
    ("60 days", {"IN": "2022-01-01", "OUT": "2022-03-02", "DAYS": "60"}, "accepted", ""),
    ("level 9", {"LEVEL1": "9", "LEVEL2x01": "2"}, "accepted", ""),
]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    repeated = row(R="twice", DX="I22.0")
    again = [
        repeated,
        repeated,
        repeated,
        row(R="two versions"),
        row(R="two versions", COST="1001"),
        row(R="two versions", V="2"),
    ]
    lines = [row(**cells) for _, cells, _, _ in RECORDS] + again
    content = text(*[",".join(cells[name] for name in HEADER) for cells in lines])
    return take(tmp_path_factory.mktemp("records"), {"a.csv": content.encode()}, hospitals=["0012"])


def stored_of(records, name: str) -> pd.Series:
    position = [one for one, *_ in RECORDS].index(name)
    [found] = records.store[records.store["line"] == position + 2].to_dict("records")
    return found


def test_every_record_meets_its_fate(records):
    wanted = {k + 2: (fate, rule) for k, (_, _, fate, rule) in enumerate(RECORDS) if fate != "accepted"}
    found = {
        r.line: (r.fate, r.rule)
        for r in records.fates.itertuples()
        if r.fate != "accepted" and r.line < len(RECORDS) + 2
    }
    assert found == wanted
    accepted = [k + 2 for k, (_, _, fate, _) in enumerate(RECORDS) if fate == "accepted"]
    assert sorted(records.store.loc[records.store["line"] < len(RECORDS) + 2, "line"]) == accepted


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("sound", "los_days", 5),
        ("date formats", "los_days", 5),
        ("compact", "los_days", 5),
        ("clock", "los_days", 5),
        ("same day", "los_days", 1),
        ("stated wrong", "los_days", 5),
        ("not stated", "los_days", 5),
        ("sound", "year", 2022),
        ("sound", "month", 3),
        ("sound", "death_known", True),
        ("sound", "died", False),
        ("died", "died", True),
        ("exit unknown", "death_known", False),
        ("exit unknown", "cost_usable", True),
        ("cost text", "cost_usable", False),
        ("cost text", "los_usable", True),
        ("cost 4.99", "cost_usable", False),
        ("cost 0.29", "cost_fen", 529),
        ("no drg", "grouped", False),
        ("no drg", "drg", None),
        ("no drg", "cost_usable", True),
        ("no specialty", "specialty", None),
        ("61 days", "los_usable", False),
        ("61 days", "cost_usable", False),
        ("61 days", "death_known", True),
        ("60 days", "los_usable", True),
        ("level 9", "surgery_level", 2),
    ],
)
def test_an_accepted_record_is_stored_with_what_it_may_be_used_for(records, name, column, value):
    found = stored_of(records, name)[column]
    assert (found is None or pd.isna(found)) if value is None else found == value


def test_marks_of_accepted_records_are_counted(records):
    marks = {
        name: records.fates.loc[records.fates["line"] == k + 2, "rules"].sum() or ""
        for k, (name, *_) in enumerate(RECORDS)
    }
    assert marks["stated wrong"] == "|D07|"
    assert marks["not stated"] == marks["stated no number"] == marks["sound"] == ""
    assert marks["61 days"] == "|D08|"
    assert marks["exit unknown"] == "|O01|"


def test_of_identical_records_one_is_kept_and_of_two_versions_none(records):
    first = len(RECORDS) + 2
    last = records.fates[records.fates["line"] >= first]
    assert {r.line: (r.fate, r.rule) for r in last.itertuples()} == {
        first + 1: ("excluded", "K04"),
        first + 2: ("excluded", "K04"),
        first + 3: ("quarantined", "K05"),
        first + 4: ("quarantined", "K05"),
    }
    assert {first, first + 5} <= set(records.store["line"])  # the second stay has another key


def test_the_same_stay_in_two_files_is_found(tmp_path):
    twice, other = row(R="x"), row(R="y")
    one = text(*[",".join(r[n] for n in HEADER) for r in (twice, other)])
    two = text(*[",".join(r[n] for n in HEADER) for r in (row(), twice, {**other, "DEPT": "D2"})])
    taken = take(tmp_path, {"a.csv": one.encode(), "b.csv": two.encode("gb18030")})
    assert taken.lines("b.csv", "excluded") == {3: "K04"}
    assert taken.lines("a.csv") == {3: "K05"}
    assert taken.lines("b.csv") == {4: "K05"}


def test_without_a_registry_a_record_still_needs_a_hospital(tmp_path):
    taken = take(tmp_path, {"a.csv": text(line(), line(H="-")).encode()})
    assert taken.lines("a.csv") == {3: "K00"}
    assert taken.intake.not_applicable["K01"] == "未提供：机构名录"


def test_a_source_without_deaths_or_drg_claims_neither(tmp_path):
    yaml = "\n".join(each for each in MAP.splitlines() if "died:" not in each and "drg:" not in each)
    taken = take(tmp_path, {"a.csv": text(line()).encode()}, yaml=yaml)
    assert taken.store[["death_known", "grouped"]].to_numpy().tolist() == [[False, False]]
    assert {"O01", "G01"} <= set(taken.intake.not_applicable)


def test_the_canonical_format_needs_neither_dates_nor_record_numbers(tmp_path):
    frame = rows.received("hospital | drg\nA | FA11\nA | FA11").drop(
        columns=["record", "visit", "surgical", "cost_fen"]
    )
    taken = take(tmp_path, {"a.csv": rows.csv_of(frame)}, yaml=available()["canonical"].read_text(encoding="utf-8"))
    assert len(taken.store) == 2  # alike, and without a number of the stay nothing says that they are one
    assert taken.store["cost_usable"].tolist() == [False, False]
    assert taken.store["surgical"].isna().all()


def test_a_year_without_records_is_an_empty_part_of_the_store(tmp_path):
    taken = take(tmp_path, {"a.csv": text(line()).encode()}, cycles=rows.CYCLES)
    assert taken.store["year"].tolist() == [2022]


def test_when_every_file_is_refused_the_first_reason_is_the_error(tmp_path):
    with pytest.raises(InputError, match=r"缺少必需的列：H[\s\S]*格式是否选对"):
        take(tmp_path, {"a.csv": b"A,B\n1,2\n"})
