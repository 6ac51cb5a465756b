"""The same stays (合成数据) written in the layouts of the front page give the same discharges."""

from __future__ import annotations

import pandas as pd
import pytest
from small_files import cells_line, take

from toolkit.data.reading.formats import available

# meaning: A/B/C/D, P, pinyin
CODES = {
    "hospital": ("A01", "P900", "USERNAME"),
    "record": ("A48", "P3", "BAH"),
    "visit": ("A49", "P2", "ZYCS"),
    "identity": ("A20", "P13", "SFZH"),
    "name": ("A11", "P4", "XM"),
    "sex": ("A12C", "P5", "XB"),
    "birth": ("A13", "P6", "CSRQ"),
    "age": ("A14", "P7", "NL"),
    "route": ("B11C", "P804", "RYTJ"),
    "in": ("B12", "P22", "RYSJ"),
    "out": ("B15", "P25", "CYSJ"),
    "department": ("B16C", "P26", "CYKB"),
    "days": ("B20", "P27", "SJZYTS"),
    "dx": ("C03C", "P321", "JBDM"),
    "dx_state": ("C05C", "P805", "RYBQ"),
    "other1": ("C06x01C", "P324", "JBDM1"),
    "other1_state": ("C08x01C", "P806", "RYBQ1"),
    "other2": ("C06x02C", "P327", "JBDM2"),
    "other2_state": ("C08x02C", "P807", "RYBQ2"),
    "other10": ("C06x10C", "P3274", "JBDM10"),
    "other10_state": ("C08x10C", "P815", "RYBQ10"),
    "op": ("C14x01C", "P490", "SSJCZBM1"),
    "op_day": ("C16x01", "P491", "SSJCZRQ1"),
    "level": ("C17x01", "P820", "SSJB1"),
    "op2": ("C35x01C", "P4911", "SSJCZBM2"),
    "level2": ("C38x01", "P821", "SSJB2"),
    "exit": ("B34C", "P741", "LYFS"),
    "receiver": ("B35", "P742", "YZZY_YLJG"),
    "plan": ("B36C", "P830", "SFZZYJH"),
    "total": ("D01", "P782", "ZFY"),
    "nursing": ("D13", "P755", "HLF"),
    "other_of_services": ("D14", "P756", "QTFY"),
    "chinese_patent": ("D24", "P771", "ZCYF"),
    "herbs": ("D25", "P772", "ZCYF1"),
    "for_operations": ("D33", "P780", "YCXYYCLF"),
    "other_fee": ("D34", "P781", "QTF"),
    "outcome": ("X1", "P323", "CYQK"),
    "outpatient_dx": ("C01C", "P28", "JBBM"),
}
LAYOUTS = ("front-page", "front-page-p", "front-page-pinyin")
SOUND = {
    "hospital": "9901",
    "record": "0007",
    "visit": "1",
    "identity": "990101199003074611",
    "name": "合成患者",
    "sex": "1",
    "birth": "1990-03-07",
    "age": "32",
    "route": "1",
    "in": "2022-03-08 08:00:00",
    "out": "2022-03-12 10:30:00",
    "department": "03.04",
    "days": "4",
    "dx": "I21.000",
    "dx_state": "1",
    "other1": "I10.x00",
    "other1_state": "1",
    "other2": "J18.900",
    "other2_state": "4",
    "other10": "-",
    "other10_state": "-",
    "op": "36.0700",
    "op_day": "2022-03-09 09:00:00",
    "level": "3",
    "op2": "99.9900",
    "level2": "4",
    "exit": "1",
    "receiver": "-",
    "plan": "1",
    "total": "1000.29",
    "nursing": "100.10",
    "other_of_services": "200.00",
    "chinese_patent": "0.07",
    "herbs": "0.02",
    "for_operations": "699.00",
    "other_fee": "1.10",
    "outcome": "4",
    "outpatient_dx": "R07.400",
}
NO_OPERATION = dict.fromkeys(("op", "op_day", "level", "op2", "level2"), "-")
STAYS = [
    SOUND,
    {
        **SOUND,
        "record": "0008",
        "exit": "5",
        "identity": "990101199003074629",
        **NO_OPERATION,
        "other10": "E11.900",
        "other10_state": "4",
    },
    {
        **SOUND,
        "record": "0009",
        "in": "2022-04-08",
        "out": "2022-04-12",
        "op_day": "2022-04-09",
        "exit": "2",
        "receiver": "合成二院",
        "plan": "2",
        "sex": "2",
        "age": "31",
    },
]
READ = [
    "hospital",
    "year",
    "month",
    "los_days",
    "cost_fen",
    "died",
    "exit_mode",
    "admission_route",
    "sex",
    "age_years",
    "department",
    "principal_diagnosis",
    "other_diagnoses",
    "acquired_diagnoses",
    "principal_procedure",
    "other_procedures",
    "surgery_level",
    "surgical",
    "readmission_planned",
    "receiver",
    "nursing_fen",
    "drug_fen",
    "management_fen",
    "material_fen",
    "medical_fen",
]


def written(position: int) -> bytes:
    header = [codes[position] for codes in CODES.values()]
    return "\n".join([cells_line(header), *(cells_line([stay[name] for name in CODES]) for stay in STAYS), ""]).encode()


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    return {
        layout: take(
            tmp_path_factory.mktemp(layout),
            {"合成.csv": written(i)},
            yaml=available()[layout].read_text(encoding="utf-8"),
        )
        for i, layout in enumerate(LAYOUTS)
    }


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_stay_means_the_same_in_every_layout(taken, layout):
    store = taken[layout].of("合成.csv")
    assert len(store) == 3
    expected = pd.DataFrame(
        {
            "hospital": "9901",
            "year": 2022,
            "month": [3, 3, 4],
            "los_days": 4,
            "cost_fen": 100029,
            "died": [False, True, False],
            "exit_mode": ["1", "5", "2"],
            "admission_route": "1",
            "sex": ["1", "1", "2"],
            "age_years": 32,
            "department": "03.04",  # by the birth date, whatever was stated
            "principal_diagnosis": "I21.000",
            "other_diagnoses": ["|I10.X00|J18.900|", "|I10.X00|J18.900|E11.900|", "|I10.X00|J18.900|"],
            "acquired_diagnoses": ["|J18.900|", "|J18.900|E11.900|", "|J18.900|"],
            "principal_procedure": ["36.0700", None, "36.0700"],
            "other_procedures": ["|99.9900|", None, "|99.9900|"],
            "surgery_level": [4, None, 4],
            "surgical": [True, False, True],
            "readmission_planned": [False, False, True],
            "receiver": [False, False, True],
            "nursing_fen": 10010,
            "drug_fen": 9,
            "management_fen": 20110,
            "material_fen": 69900,
            "medical_fen": 69900,
        }
    )
    found = store[READ].reset_index(drop=True)
    for name in READ:
        assert [None if pd.isna(v) else v for v in found[name]] == [
            None if pd.isna(v) else v for v in expected[name]
        ], name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_that_say_who_somebody_is_are_named_as_dropped(taken, layout):
    position = LAYOUTS.index(layout)
    dropped = taken[layout].files.loc["合成.csv", "dropped"].split("、")
    assert CODES["identity"][position] in dropped
    assert {"record", "visit", "identity", "birth_date"}.isdisjoint(taken[layout].store.columns)


def stays_of(folder, stays):
    """The stored discharges of these stays of one file, in its order."""
    # each of another person
    stays = [{**stay, "record": f"{n:04d}", "identity": ""} for n, stay in enumerate(stays)]
    rows = [[c[0] for c in CODES.values()], *([stay.get(k, "") for k in CODES] for stay in stays)]
    yaml = available()["front-page"].read_text(encoding="utf-8")
    return take(folder, {"a.csv": "\n".join([*map(cells_line, rows), ""]).encode()}, yaml=yaml).of("a.csv")


def test_a_sum_of_fees_of_which_one_cannot_be_read_is_unknown(tmp_path):
    totals = {"0.07": 9, "-": 2, "": 2, "12元": 1202, "12人": None, "99999999999999": None, "inf": None}
    found = stays_of(tmp_path, [{**SOUND, "chinese_patent": part} for part in totals])["drug_fen"]
    assert [None if pd.isna(v) else v for v in found] == list(totals.values())


def test_a_year_of_age_is_complete_on_the_birthday(tmp_path):
    ages = {
        "1990-03-07": (32, None),  # the birthday was the day before admission on 2022-03-08
        "1990-03-08": (32, None),  # it is the day of admission: the year is complete
        "1990-03-09": (31, None),  # it is the day after
        "1990-04-01": (31, None),  # an earlier day of a later month
        "2021-03-08": (1, None),  # the first birthday
        "2021-03-09": (0, 364),
        "2022-03-08": (0, 0),
    }
    found = stays_of(tmp_path, [{**SOUND, "birth": birth, "age": "32"} for birth in ages])
    told = zip(found["age_years"], found["age_days"], strict=True)
    assert [tuple(None if pd.isna(v) else v for v in pair) for pair in told] == list(ages.values())


def test_one_person_has_one_key_within_a_run(taken):
    patients = taken["front-page-p"].store["patient"]
    assert patients.notna().all()
    assert patients.iloc[0] == patients.iloc[2] != patients.iloc[1]  # the first and last carry one identity number


def test_the_known_fields_of_the_aaa_layout_are_read(tmp_path):
    header = ["机构代码", "AAA28", "AAA04", "AAA40", "AAA16C", "AAB01", "AAC01", "ADA0101", "AAA48", "AAB06C"]
    lines = [
        ["0012", "0007", "66", "-", "990102", "2022-03-08 08:00", "2022-03-12 10:30", "12.30", "990000", "x"],
        ["0012", "0008", "0", "12", "-", "2022-03-08", "2022-03-08", "-", "-", "-"],
    ]
    content = "\n".join([cells_line(header), *map(cells_line, lines), ""]).encode("gb18030")
    taken = take(tmp_path, {"a.csv": content}, yaml=available()["front-page-aaa"].read_text(encoding="utf-8"))
    store = taken.of("a.csv")
    assert store["los_days"].tolist() == [4, 1]
    assert store["age_years"].tolist() == [66, 0]
    assert store["age_days"].tolist()[1] == 12
    assert store["residence"].fillna("").tolist() == ["990102", ""]
    # what the layout does not say is unknown, never 0 or alive
    assert store[["cost_usable", "death_known", "grouped"]].to_numpy().any() == False  # noqa: E712
    assert {"C01", "O01", "P05"} <= set(taken.intake.not_applicable)
