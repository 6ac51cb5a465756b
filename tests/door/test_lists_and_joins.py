"""One reader for every table of lists; a check refuses what a run refuses; what does not join is told. 合成数据."""

from __future__ import annotations

import pytest
from doors import case, checked

from toolkit.data.lists.published import weight_table
from toolkit.errors import InputError


@pytest.mark.slow
def test_an_old_name_of_a_hospital_in_its_aliases_costs_nothing():
    with checked(case("11") / "data", data={"hospitals": str(case("11") / "reg.csv")}) as door:
        assert (door.received, door.fate("quarantined"), door.files["rejected"].tolist()) == (180, 0, [""])


def test_another_name_costs_the_records_of_that_hospital_and_not_the_file(tmp_path):
    registry = (case("11") / "reg.csv").read_text(encoding="utf-8").splitlines()
    names = [line.rsplit(",", 1)[0] + "," if n else line for n, line in enumerate(registry)]
    (tmp_path / "reg.csv").write_text("\n".join(names), encoding="utf-8")
    with checked(case("11") / "data", data={"hospitals": str(tmp_path / "reg.csv")}) as door:
        assert door.files["rejected"].tolist() == [""]
        assert door.fate("quarantined") == door.hit("K02") > 0
        assert set(door.store["hospital"]) == {"0001", "0002", "0003"}


@pytest.mark.parametrize("name", ["w_space", "w_gbk", "w_header"])
def test_a_weight_table_in_another_form_is_read_alike_by_check_and_run(name):
    table = weight_table(case("12") / f"{name}.csv")
    assert {"FA11", "EB11"} <= set(table["drg"])
    assert (table["weight"] > 0).all()


@pytest.mark.parametrize("name", ["w_dup", "w_zero"])
def test_a_weight_table_that_contradicts_itself_stops_the_check(name):
    with (
        pytest.raises(InputError, match=f"{name}.csv:"),
        checked(case("12") / "data", weights={"source": "file", "file": str(case("12") / f"{name}.csv")}),
    ):
        pass


@pytest.mark.slow
def test_a_weight_table_with_blanks_leaves_no_record_without_weight():
    with checked(case("12") / "data", weights={"source": "file", "file": str(case("12") / "w_space.csv")}) as door:
        assert door.hit("G02") == 0


def test_a_drg_file_that_joins_nothing_stops_and_shows_shapes_only():
    with (
        pytest.raises(InputError) as error,
        checked(case("18") / "data", data={"drg_file": {"file": str(case("18") / "drg.csv")}}),
    ):
        pass
    said = str(error.value)
    assert all(part in said for part in ("180 行", "配上 0 例", "8 位数字", "6 位数字"))
    keys = [line.split(",")[1] for line in (case("18") / "drg.csv").read_text(encoding="utf-8").splitlines()[1:]]
    assert not [key for key in keys if key in said]


@pytest.mark.slow
def test_lost_zeros_are_made_good_only_where_that_is_declared():
    spec = {"file": str(case("18") / "drg.csv"), "ignore_zeros": True}
    with checked(case("18") / "data", data={"drg_file": spec}) as door:
        assert (door.received, door.hit("G01"), door.hit("G09")) == (180, 0, 0)


def test_a_stay_that_is_not_in_the_drg_file_has_a_rule_of_its_own(tmp_path):
    lines = (case("18") / "drg.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "drg.csv").write_text("\n".join(lines[:-7]), encoding="utf-8")
    with checked(
        case("18") / "data", data={"drg_file": {"file": str(tmp_path / "drg.csv"), "ignore_zeros": True}}
    ) as door:
        assert (door.hit("G09"), door.hit("G01")) == (7, 0)


def test_a_column_with_the_drg_is_read_in_every_layout():
    with checked(case("10") / "data") as door:
        assert (door.received, door.hit("G01")) == (240, 0)
        assert door.store["drg"].notna().all()


def test_without_any_drg_one_sentence_says_what_is_impossible(tmp_path):
    lines = (case("10") / "data" / "a.csv").read_text(encoding="utf-8").splitlines()
    place = lines[0].replace('"', "").split(",").index("DRG")
    (tmp_path / "a.csv").write_text("\n".join(",".join(line.split(",")[:place]) for line in lines), encoding="utf-8")
    with checked(tmp_path) as door:
        assert "CMI" in door.intake.not_applicable["G01"]


def test_a_file_of_which_every_row_stands_twice_is_refused_where_no_record_number_tells():
    with pytest.raises(InputError, match="每一行都出现 2 次"), checked(case("09") / "data", format="canonical"):
        pass
