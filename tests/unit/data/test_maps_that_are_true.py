"""Proposed maps where names and values disagree, words stand for codes, and days are written oddly. All data are 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from toolkit.data.reading.formats import FormatMap
from toolkit.data.reading.mapping import propose, propose_for
from toolkit.errors import InputError

N = 200


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    admitted = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D")
    return pd.DataFrame(
        {
            "机构代码": "0012",
            "病案号": [f"{700000 + i}" for i in range(N)],
            "入院日期": admitted.strftime("%Y-%m-%d"),
            "出院日期": (admitted + pd.to_timedelta(rng.integers(1, 20, N), unit="D")).strftime("%Y-%m-%d"),
            "总费用": [f"{x:.2f}" for x in rng.lognormal(9, 1, N)],
            "性别": np.where(rng.random(N) < 0.5, "男", "女"),
            "离院方式": np.where(rng.random(N) < 0.05, "死亡", "医嘱离院"),
            "出院科别": np.where(rng.random(N) < 0.5, "03.04", "04.01"),
            "主要诊断编码": np.where(rng.random(N) < 0.5, "I21.900", "K35.800"),
            "DRG": rng.choice(["FB13", "GC15", "EB11", "FA11", "BR21", "GZ13", "ES31", "FR45"], N),
        },
        dtype=object,
    )


def fields(proposal):
    return yaml.safe_load(proposal.yaml())["fields"]


def test_plain_chinese_columns_become_a_whole_map(rows):
    found = fields(propose_for("a.csv", rows))
    assert found["hospital"] == {"column": "机构代码"}
    assert found["sex"] == {"column": "性别", "values": {"男": "1", "女": "2", "未知": "0", "未说明": "9"}}
    assert found["exit_mode"]["values"] == {"医嘱离院": "1", "死亡": "5"}
    assert (found["died"]["column"], found["died"]["true"]) == ("离院方式", ["死亡"])
    # what is alive is named as well: another word is no known outcome
    assert {"医嘱离院", "非医嘱离院", "好转"} <= set(found["died"]["false"])
    assert not {"5", "死亡"} & set(found["died"]["false"])

    assert found["drg"] == {"column": "DRG"}


def test_codes_in_some_files_and_words_in_others_both_tell_the_deaths(rows):
    coded = rows.assign(离院方式=rows["离院方式"].map({"医嘱离院": "1", "死亡": "5"}).fillna("1"))
    for first, second in ((rows, coded), (coded, rows), (coded, rows.assign(离院方式="医嘱离院"))):
        found = fields(propose_for("a.csv", pd.concat([first, second], ignore_index=True)))["died"]
        assert {"死亡", "5"} == set(found["true"])
        assert {"医嘱离院", "1", "4"} <= set(found["false"])


def test_a_column_is_not_what_its_name_says_where_its_values_are_another_thing(rows):
    rows = rows.rename(columns={"DRG": "机构编码", "机构代码": "所属", "主要诊断编码": "DRG"})
    proposal = propose_for("a.csv", rows)
    found = fields(proposal)
    assert found["hospital"] == {"column": "?"}  # not the DRGs under the name of a hospital
    assert found["drg"] == {"column": "机构编码"}
    assert found["principal_diagnosis"] == {"column": "DRG"}
    said = proposal.yaml()
    assert "机构编码 — 取值像DRG 编码" in said
    assert not [v for v in ("FB13", "GC15", "I21.900") if v in said]


def test_an_identity_number_of_staff_is_nobodys(rows):
    numbers = [f"11010119{60 + i % 40}0307{i:03d}9" for i in range(N)]
    found = fields(propose_for("a.csv", rows.assign(主治医师身份证号=numbers)))
    assert "identity" not in found
    found = fields(propose_for("a.csv", rows.assign(证件=[numbers[i % 5] for i in range(N)])))
    assert "identity" not in found  # five numbers for two hundred stays
    assert fields(propose_for("a.csv", rows.assign(证件号码=numbers)))["identity"] == {"column": "证件号码"}


def test_no_column_serves_for_two_fields(rows):
    named = rows.drop(columns=["出院科别"]).rename(columns={"主要诊断编码": "诊断"})
    found = fields(propose_for("a.csv", named))
    single = [source["column"] for field, source in found.items() if "column" in source and field != "died"]
    assert len(single) == len(set(single))


def test_words_without_a_code_are_counted_and_shown(rows):
    ways = rows["离院方式"].where(np.arange(N) % 20 != 0, "院内转归")
    said = propose_for("a.csv", rows.assign(离院方式=ways)).yaml()
    assert "1 种取值（10 格）没有对照：院内转归 10" in said


def test_names_of_persons_are_never_shown_as_words(rows):
    persons = [f"样例{chr(0x4E00 + i % 60)}" for i in range(N)]
    said = propose_for("a.csv", rows.assign(离院方式=persons)).yaml()
    assert not [p for p in persons if p in said]
    assert "对不上离院方式的代码" in said


def test_serial_days_are_proposed_with_their_origin_and_two_digit_years_are_not(rows):
    days = pd.to_datetime(rows["出院日期"])
    serial = ((days - pd.Timestamp("1899-12-30")).dt.days).astype(str)
    found = fields(propose_for("a.csv", rows.assign(出院日期=serial)))
    assert found["discharge_date"] == {"column": "出院日期", "dates": ["serial-1900"]}
    two = propose_for("a.csv", rows.assign(出院日期=days.dt.strftime("%y-%m-%d")))
    assert fields(two)["discharge_date"] == {"column": "?"}
    assert "年份只有两位" in two.yaml()
    afternoon = propose_for("a.csv", rows.assign(出院日期=days.dt.strftime("%Y/%m/%d 下午 3:25:00")))
    assert fields(afternoon)["discharge_date"]["column"] == "出院日期"


def test_the_id_of_a_map_is_text_whatever_the_name_of_the_file(rows):
    assert yaml.safe_load(propose_for("2022.csv", rows).yaml())["id"] == "2022"


def test_a_flag_of_ones_and_twos_says_nothing_of_deaths(rows):
    flagged = rows.drop(columns="离院方式").assign(是否死亡=np.where(np.arange(N) % 9 == 0, "1", "2"))
    proposal = propose_for("a.csv", flagged)
    assert fields(proposal)["died"]["true"] == ["?"]
    assert "哪个取值表示死亡" in proposal.yaml()


def test_the_header_is_found_below_titles_and_in_two_lines(tmp_path, rows):
    title = ["合成医院 2022 年", *[""] * 9]
    upper = ["机构代码", "病案号", "日期", "", "总费用", "性别", "离院方式", "出院科别", "主要诊断", "DRG"]
    lower = ["", "", "入院日期", "出院日期", "", "", "", "", "编码", ""]
    lines = [",".join(map(str, line)) for line in (title, upper, lower, *rows.to_numpy().tolist())]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="gb18030")
    found = fields(propose(tmp_path / "a.csv"))
    assert found["discharge_date"] == {"column": "出院日期"}
    assert found["principal_diagnosis"] == {"column": "主要诊断编码"}  # of what, says the line above
    assert found["hospital"] == {"column": "机构代码"}


@pytest.mark.parametrize(("name", "says"), [("nowhere.csv", "没有这个文件"), (".", "init --from")])
def test_a_folder_or_a_missing_file_gets_a_message(tmp_path, name, says):
    with pytest.raises(InputError, match=says):
        propose(tmp_path / name)


def test_other_names_of_a_column_are_of_one_field_and_of_no_other():
    form = FormatMap.model_validate(
        {
            "id": "t",
            "title": "t",
            "fields": {
                "died": {"column": "离院方式", "also": ["出院情况"], "true": ["死亡"]},
                "exit_mode": {"column": "离院方式", "optional": True},
            },
        }
    )
    found = form.columns_in(["出院情况"])
    assert not form.fields["died"].absent(found)
    assert form.fields["exit_mode"].absent(found)
