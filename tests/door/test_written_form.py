"""One written form of a code for records, lists and parameters; what has no shape of its kind is found. 合成数据."""

from __future__ import annotations

import pytest
from doors import case, checked

from toolkit.written_form import count_form, level_form, name_form, plain_form, shape_of, written_form

GOOD = (case("02") / "data" / "ok.csv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "FA11",
        "fa11",
        "ＦＡ１１",
        " FA11\u3000",
        "FA\u00a011",
        "FA11\u200b",
        "\ufeffFA11",
        "'FA11",
        '="FA11"',
        '"FA11"',
        "FA11-急性心肌梗死",
        "FA11\t",
    ],
)
def test_a_code_has_one_form_however_it_was_written(text):
    assert written_form(text) == "FA11"


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        (written_form, "Ｉ６３．９００", "I63.900"),
        (written_form, "i10.x00", "I10.X00"),
        (written_form, "A17.0†", "A17.0+"),
        (written_form, "G01＊", "G01*"),
        (written_form, "0001", "0001"),
        (written_form, "急性心肌梗死", "急性心肌梗死"),
        (count_form, "01", "1"),
        (count_form, "1.0", "1"),
        (count_form, "10", "10"),
        (count_form, "0", "0"),
        *((level_form, text, "3") for text in ("3", "三级", "Ⅲ", "III级", "３级", " iii ", "'3")),
        (level_form, "特级", "特级"),
        (name_form, "心血管 内科", "心血管内科"),
        (name_form, "Internal  medicine", "INTERNAL MEDICINE"),
        (plain_form, "２０２２－０１－０５ 08:00", "2022-01-05 08:00"),
        (plain_form, "医嘱转社区／乡镇", "医嘱转社区／乡镇"),
        (shape_of, "00123456", "8 位数字"),
        (shape_of, "1.2E+11", "科学计数法"),
        (shape_of, "张三", "2 位汉字"),
    ],
)
def test_each_kind_of_cell_has_its_form(form, text, wanted):
    assert form(text) == wanted


def test_words_for_no_drg_are_none_and_other_shapes_are_found():
    with checked(case("03") / "data") as door:
        assert (door.received, door.hit("G01") + door.hit("G08")) == (76, 16 - 0)
        assert set(door.store["drg"].dropna()) == {"FA11", "FB13", "GC15", "EB11"}


def test_a_drg_in_ten_written_forms_is_one_and_counted():
    with checked(case("04") / "data") as door:
        assert set(door.store["drg"].dropna()) == {"FA11", "FB13", "GC15", "EB11"}
        assert "DRG " in door.files["warnings"].iloc[0]


def test_diagnoses_in_other_forms_meet_the_same_rules():
    with checked(case("06") / "data") as door:
        assert (door.hit("P05"), door.hit("P07")) == (3, 2)
        assert {"I63.900", "I63.9"} <= set(door.store["principal_diagnosis"])


def test_identifiers_in_scientific_notation_are_damaged_and_blamed_on_nobody():
    with checked(case("07") / "data") as door:
        assert (door.hit("F07"), door.hit("O03"), door.hit("K05"), door.fate("quarantined")) == (9, 0, 0, 9)


def test_the_same_stay_in_two_written_forms_is_one(tmp_path):
    again = GOOD[1].replace("2019-03-10", "2019/3/10").replace("00100000", "'００１０００００").replace("FA11", "fa11")
    (tmp_path / "a.csv").write_text("\n".join([*GOOD, again]), encoding="utf-8")
    with checked(tmp_path) as door:
        assert (door.received, door.hit("K04"), door.hit("K05")) == (61, 1, 0)


def test_a_cell_that_is_no_code_is_found_and_stands_in_no_table(tmp_path):
    no_codes = [
        ("A01", "张三医院", "K09"),
        ("C03C", "张三", "F10"),
        ("C03C", "110101199003070019", "F10"),
        ("B16C", "13800000000", "F10"),
        ("DRG", "110101199003070019", "F10"),
        ("DRG", "FA-1", "G08"),
        ("C03C", "163.900", "P17"),
    ]
    lines = list(GOOD)
    for line, (column, value, _rule) in enumerate(no_codes, 3):
        cells = lines[line].split(",")
        cells[GOOD[0].split(",").index(column)] = value
        lines[line] = ",".join(cells)
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    with checked(tmp_path) as door:
        assert door.received == 60
        # an identifier that is no code is no diagnosis and no DRG either
        assert {rule: door.hit(rule) for rule in ("K09", "F10", "G08", "P17")} == dict(K09=1, F10=4, G08=2, P17=3)
        told = door.said() + door.accounts.to_csv() + door.fates.to_csv() + door.store.to_csv()
        assert not [value for _column, value, rule in no_codes if rule in ("K09", "F10") and value in told]


def test_codes_that_differ_only_in_zeros_are_named_together(tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        "\n".join([GOOD[0], GOOD[1].replace("0001", "1", 1).replace("03.04", "3.04")]), encoding="utf-8"
    )
    with checked(tmp_path) as door:
        assert "0001、1" in door.files.loc["b.csv", "warnings"]
        assert "03.04、3.04" in door.files.loc["a.csv", "warnings"]


def test_levels_of_operations_in_words_are_levels(tmp_path):
    place = GOOD[0].split(",").index("C17x01")
    lines = [line.split(",") for line in GOOD[1:]]
    for name, levels in (("plain", ["3", "", "4"]), ("words", ["Ⅲ级", "", "四级"])):
        rows = [[*cells[:place], levels[n % 3], *cells[place + 1 :]] for n, cells in enumerate(lines)]
        (tmp_path / f"{name}.csv").write_text("\n".join([GOOD[0], *map(",".join, rows)]), encoding="utf-8")
    found = {}
    for name in ("plain", "words"):
        with checked(tmp_path / f"{name}.csv") as door:
            found[name] = door.store.sort_values("line")[["line", "surgery_level", "surgical"]].fillna(0)
    assert found["words"].to_dict("list") == found["plain"].to_dict("list")
    assert found["words"]["surgery_level"].value_counts().to_dict() == {3: 20, 0: 20, 4: 20}
