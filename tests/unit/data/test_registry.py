"""医疗机构名录: read strictly, because a lost line would quarantine a whole hospital."""

from __future__ import annotations

import pytest

from toolkit.data.lists.registry import from_codes, read_registry
from toolkit.errors import InputError


@pytest.fixture
def read(tmp_path):
    def run(content: bytes, name: str = "名录.csv"):
        (tmp_path / name).write_bytes(content)
        return read_registry(tmp_path / name, tmp_path / "work")

    return run


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_codes_are_text_and_absent_columns_have_plain_values(read, encoding):
    table = read("name,code\n合成二院,0102\n合成一院,007\n".encode(encoding))
    assert table.to_dict("list") == {
        "code": ["007", "0102"],
        "name": ["合成一院", "合成二院"],
        "level": ["", ""],
        "level_group": ["全部", "全部"],
        "tier": ["", ""],
        "county": ["", ""],
        "aliases": ["", ""],
    }


def test_an_empty_level_group_joins_those_of_all(read):
    table = read("code,name,level_group\n1,甲,三级\n2,乙,\n".encode())
    assert table["level_group"].tolist() == ["三级", "全部"]


def test_spaces_around_codes_and_a_hospital_named_na_do_not_matter(read):
    assert read(b"code , name\n 007 ,NA\n")[["code", "name"]].to_numpy().tolist() == [["007", "NA"]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("code,name\n1,甲\n1,乙\n", ":3 code"),
        ("code,name\n1,甲\n 1,乙\n", ":3 code"),
        ("code,name\n,甲\n", ":2 code"),
        ("code\n1\n", "缺少列 name"),
        ('code,name\n1,甲\n2,"乙\n3,丙\n', r"csv:3[\s\S]*引号"),
        ("code,name\n1,甲\n2,乙,丙,丁\n", "有 4 列，表头有 2 列"),
        ("", "空文件"),
    ],
    ids=["repeated", "repeated but for a space", "empty code", "no name", "open quote", "ragged", "empty"],
)
def test_a_faulty_registry_is_refused_with_place_and_remedy(read, content, says):
    with pytest.raises(InputError, match=says):
        read(content.encode())


def test_a_parquet_registry_is_refused_with_the_remedy(read):
    with pytest.raises(InputError, match="CSV"):
        read(b"PAR1", "名录.parquet")


def test_without_a_registry_the_codes_stand_for_the_names():
    assert from_codes(["b", "a"])[["code", "name", "level_group"]].to_numpy().tolist() == [
        ["a", "a", "全部"],
        ["b", "b", "全部"],
    ]
