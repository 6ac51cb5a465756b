"""What a run brings beside its records: code lists, divisions, crosswalk, department table, disease sets. All 合成数据."""

from __future__ import annotations

import datetime as dt

import ibis
import pyarrow as pa
import pytest
import rows

from toolkit.data.lists.code_lists import any_listed, highest_level, read_code_list, with_principal
from toolkit.data.lists.crosswalk import current, read_crosswalk
from toolkit.data.lists.diseases import Disease, diseases_of, read_diseases
from toolkit.data.lists.divisions import outside, read_gazetteer, with_residence
from toolkit.data.lists.specialties import attribute, read_departments
from toolkit.errors import InputError, ParameterError
from toolkit.params import Specialty


def file(folder, text, name="表.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def table(engine, **columns):
    kinds = {"year": pa.int16(), "day": pa.date32(), "discharge_date": pa.date32()}
    made = {n: pa.array(v, kinds.get(n, pa.string())) for n, v in columns.items()}
    made["k"] = pa.array(range(len(next(iter(columns.values())))))
    return engine.connection.create_table("to_judge", pa.table(made), overwrite=True)


def column(expression, name):
    return [None if v is None or v != v else v for v in expression.order_by("k").execute()[name].astype(object)]


# --- code lists ---------------------------------------------------------------------------------------------------------

LEVELS = """code,level,valid_from,valid_to,name
36.0600,4,2019,2021,合成
36.0600,3,2022,,合成
51.2300,3,2019,,合成
45.13x1,4,2022,2022,合成
"""


def test_the_highest_level_is_that_of_the_list_of_the_year(engine, tmp_path):
    years = [2021, 2022]
    listed = read_code_list(file(tmp_path, LEVELS), "手术分级目录", years, levels=True)
    t = table(
        engine,
        year=[2021, 2022, 2021, 2022, 2022, 2022, 2022, 2022],
        principal=["36.0600", "36.0600", "45.13x1", "45.13X1", "51.2300", None, "36.060", "36.06000"],
        others=[None, None, None, None, "|99.9900|45.13x1|", "|51.2300|", "|x36.0600|", None],
    )
    codes = with_principal(t.principal, t.others)
    found = t.mutate(level=highest_level(codes, t.year, listed, years))
    assert column(found, "level") == [4, 3, None, 4, 4, 3, None, None]  # a code is meant as written, not as a beginning
    # one list for all years, as on the frozen basis
    fixed = t.mutate(level=highest_level(codes, t.year, listed, [2021]))
    assert column(fixed, "level") == [4, 4, None, None, 3, 3, None, None]


def test_a_diagnosis_on_a_list_means_all_that_begin_with_it(engine, tmp_path):
    text = "code,valid_from,valid_to\nT81,2022,\nJ95.8,2022,\n"
    listed = read_code_list(file(tmp_path, text), "手术并发症诊断目录", [2022], prefix=True)
    t = table(engine, year=[2022] * 4, others=["|T81.400|", "|I10|J95.800x1|", "|XT81.4|J95.1|", None])
    codes = with_principal(ibis.null("string"), t.others)
    found = t.mutate(f=any_listed(codes, t.year, listed, [2022]))
    assert column(found, "f") == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "years", "message"),
    [
        (LEVELS, [2018, 2020], "没有 2018 年有效的代码；该目录为2019 年起"),
        (
            "code,level,valid_from,valid_to\n1,4,2019,2020\n",
            [2022, 2023],
            "没有 2022、2023 年有效的代码；该目录为2019–2020 年",
        ),
        ("code,level,valid_from,valid_to\n1,4,2019,2022\n1,3,2022,\n", [2022], "代码 1 的有效期重叠"),
        ("code,level,valid_from,valid_to\n1,5,2019,\n", [2022], "级别不是 1–4"),
        ("code,level,valid_from,valid_to\n1,4,2019-01-01,\n", [2022], "年份无效"),
        ("code,level,valid_from,valid_to\n1,4,2022,2021\n", [2022], "有效期无效"),
        ("code,level,valid_from\n1,4,2022\n", [2022], "缺少列 valid_to"),
        ("code,level,valid_from,valid_to,levle\n1,4,2022,,\n", [2022], "未知的列 levle"),
        ("code,level,valid_from,valid_to\n1,4,2022\n", [2022], "有 3 列，表头有 4 列"),
        ("code,level,valid_from,valid_to\n,4,2022,\n", [2022], "code 为空"),
        ("code,level,valid_from,valid_to\n", [2022], "没有数据行"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_place(tmp_path, text, years, message):
    with pytest.raises(InputError, match=message) as error:
        read_code_list(file(tmp_path, text), "手术分级目录", years, levels=True)
    assert "表.csv" in error.value.where
    assert error.value.remedy


def test_a_list_may_be_in_the_encoding_of_a_chinese_spreadsheet(tmp_path):
    path = file(tmp_path, LEVELS, encoding="gb18030")
    assert read_code_list(path, "手术分级目录", [2022], levels=True).in_force(2022) == {
        "36.0600": "3",
        "51.2300": "3",
        "45.13X1": "4",
    }


# --- divisions ----------------------------------------------------------------------------------------------------------

PLACES = """code,name
990000,合成省
990100,合成市
990102,东合区
990103,甲合县
990104,市中区
990200,南虚市
990202,东合区
990203,乙虚县
980000,外合省
980100,外地合市
980102,丙外县
980200,外合市
980203,外合丁县
"""
ADDRESSES = {
    "外合市外合丁县": "980203",
    "外合外合丁县": "980203",
    "外合丁县二村": "980203",  # names that begin like the province
    "合成市甲合路 5 号": "9901",
    "合成省合成市市中区旗山路": "990104",
    "合成市市中区": "990104",
    "合成省合成市东合区一街 1 号": "990102",
    "合成 合成 东合区 一街": "990102",
    "合成省甲合县二镇": "990103",
    "甲合县二镇": "990103",
    "东合区一街": None,  # two places have this name
    "合成省东合区一街": "99",
    "南虚市东合区": "990202",
    "南虚市三街": "9902",
    "外合省": "98",
    "外合省外地合市丙外县": "980102",
    "南虚路 12 号": None,  # a short name alone may be a road's
    "合成市乙虚县": "9901",  # a county that the city does not have
    "甲合路 5 号": None,
    "不详": None,
    "": None,
    None: None,
}


def test_an_address_is_read_from_its_beginning_and_never_guessed(engine, tmp_path):
    gazetteer = read_gazetteer(file(tmp_path, PLACES))
    t = table(engine, address=list(ADDRESSES), residence=[None] * len(ADDRESSES))
    assert column(with_residence(t, gazetteer), "residence") == list(ADDRESSES.values())


def test_a_code_column_comes_before_the_address_and_without_a_gazetteer(engine, tmp_path):
    t = table(engine, address=["甲合县"] * 6, residence=["990102", "990100", "990000", "990102001", "12", None])
    gazetteer = read_gazetteer(file(tmp_path, PLACES))
    assert column(with_residence(t, gazetteer), "residence") == ["990102", "9901", "99", "990102", "990103", "990103"]
    assert column(with_residence(t, None), "residence") == ["990102", "9901", "99", "990102", None, None]


def test_outside_is_told_only_where_it_can_be_told(engine):
    t = table(
        engine,
        home=["990102", "990103", "990202", "9901", "9902", "99", "98", None, "110105", "110101"],
        own=["990102", "990102", "990102", "990102", "990102", "990102", "990102", "990102", "110101", "110228"],
    )
    found = t.mutate(county=outside(t.home, t.own, 6), city=outside(t.home, t.own, 4))
    assert column(found, "county") == [False, True, True, None, True, None, True, None, True, True]
    # in a municipality (GB/T 2260: 11, 12, 31, 50) the city is the first two digits: 1101 and 1102 are one city
    assert column(found, "city") == [False, False, True, False, True, None, True, None, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code,name\n9901,市\n", "不是六位数字"),
        ("code,name\n990100,市\n990100,市\n", "重复"),
        ("code,name\n990100,市\n", "没有县级区划"),
    ],
)
def test_a_gazetteer_that_is_none_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_gazetteer(file(tmp_path, text))


# --- crosswalk ----------------------------------------------------------------------------------------------------------

MERGED = "old,new,from\nA,B,2021-07-01\nB,C,2023-01-01\nX,Y,2022-01-01\n"


def test_old_codes_lead_to_the_new_ones_by_their_dates(engine, tmp_path):
    crosswalk = read_crosswalk(file(tmp_path, MERGED))
    days = [dt.date(2021, 6, 30), dt.date(2021, 7, 1), dt.date(2022, 12, 31), dt.date(2023, 1, 1)]
    t = table(
        engine, hospital=["A"] * 4 + ["B"] * 4 + ["Z", "Y", "X"], day=[*days, *days, *[dt.date(2021, 12, 31)] * 3]
    )
    reported = column(t.mutate(h=current(t.hospital, t.day, crosswalk, "as_reported")), "h")
    assert reported == ["A", "B", "B", "C", "B", "B", "B", "C", "Z", "Y", "X"]
    pro_forma = column(t.mutate(h=current(t.hospital, t.day, crosswalk, "pro_forma")), "h")
    assert pro_forma == ["C"] * 8 + ["Z", "Y", "Y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("old,new,from\nA,B,2022-01-01\nB,A,2023-01-01\n", "代码成环"),
        ("old,new,from\nA,A,2022-01-01\n", "新旧代码相同"),
        ("old,new,from\nA,B,2022-01-01\nA,C,2022-01-01\n", "同一代码同一日期有两行"),
        ("old,new,from\nA,B,2022\n", "日期无效"),
    ],
)
def test_a_crosswalk_that_is_none_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_crosswalk(file(tmp_path, text))


# --- specialties --------------------------------------------------------------------------------------------------------

HEART = [
    {"id": "cardiology", "name_zh": "合成心内科", "departments": ["D1"]},
    {"id": "surgery", "name_zh": "合成心外科", "departments": ["D2"]},
    {"id": "infarction", "name_zh": "合成心梗", "diagnoses": ["I21"], "overlap": True},
    {"id": "centre", "name_zh": "合成胸痛中心群", "members": ["cardiology", "surgery"], "overlap": True},
]


def attributed(engine, given, departments=(), **columns):
    n = len(next(iter(columns.values())))
    whole = {
        "hospital": ["A"] * n,
        "department": ["x"] * n,
        "principal_diagnosis": ["x"] * n,
        "drg": ["x"] * n,
        "discharge_date": [dt.date(2022, 6, 1)] * n,
        "year": [2022] * n,
    } | columns
    return column(attribute(table(engine, **whole), [Specialty(**s) for s in given], departments), "specialty")


def test_a_discharge_counts_in_every_specialty_that_is_declared_to_overlap(engine):
    found = attributed(
        engine,
        HEART,
        department=["D1", "D2", "D9", "D1", "D9", None],
        principal_diagnosis=["I21.0", "I50", "I21.0", "I50", "x", None],
    )
    assert found == ["cardiology+infarction+centre", "surgery+centre", "infarction", "cardiology+centre", None, None]


def test_a_group_must_say_that_it_overlaps_and_name_specialties():
    with pytest.raises(ValueError, match="members 需要 overlap: true"):
        Specialty(id="g", name_zh="g", members=["a"])
    with pytest.raises(ValueError, match="成员 nobody 未定义"):
        rows.params(
            specialties=[*rows.SPECIALTIES, {"id": "g", "name_zh": "g", "members": ["nobody"], "overlap": True}]
        )
    with pytest.raises(ValueError, match="没有定义"):
        rows.params(specialties=[{"id": "g", "name_zh": "g"}])


TABLE = "department,specialty,hospital,from,to\nRC1,s1,,,2021-12-31\nRC1,s2,,2022-01-01,\nRC2,s1,B,,\n"


def test_departments_come_from_a_dated_table(engine, tmp_path):
    given = [{"id": "s1", "name_zh": "一"}, {"id": "s2", "name_zh": "二"}]
    departments = read_departments(file(tmp_path, TABLE), [Specialty(**s) for s in given])
    found = attributed(
        engine,
        given,
        departments,
        department=["RC1", "RC1", "RC2", "RC2", "RC3"],
        hospital=["A", "A", "A", "B", "B"],
        discharge_date=[dt.date(2021, 12, 31), dt.date(2022, 1, 1), *[dt.date(2022, 1, 1)] * 3],
    )
    assert found == ["s1", "s2", None, "s1", None]


def test_two_specialties_that_claim_one_department_in_the_table_are_refused_unless_they_overlap(tmp_path):
    both = "department,specialty,from,to\nRC1,s1,,2022-06-30\nRC1,s2,2022-06-30,\n"
    given = [Specialty(id=i, name_zh=i) for i in ("s1", "s2")]
    with pytest.raises(InputError, match="科别 RC1 同时属于 s1 和 s2") as error:
        read_departments(file(tmp_path, both), given)
    assert "表.csv:3" in error.value.where
    assert len(read_departments(file(tmp_path, both), [given[0], Specialty(id="s2", name_zh="s2", overlap=True)])) == 2
    with pytest.raises(InputError, match="专科 s3 未在参数文件声明"):
        read_departments(file(tmp_path, "department,specialty\nRC1,s3\n"), given)


# --- diseases -----------------------------------------------------------------------------------------------------------


def test_a_disease_is_a_set_of_beginnings_or_ranges_of_codes(engine):
    sets = [
        Disease(id="pneumonia", name_zh="肺炎", diagnoses=["J12-J18"]),
        Disease(id="bleeding", name_zh="出血", diagnoses=["K92.0-K92.2"]),
        Disease(id="lobar", name_zh="大叶性", diagnoses=["J18.1"]),
        Disease(id="group", name_zh="组", drgs=["FA"]),
    ]
    t = table(
        engine,
        principal_diagnosis=["J12.0", "J18.100", "J19", "K92.2", "k92.3", "j15", None],
        drg=["x", "FA11", "x", None, "AFA", "x", None],
    )
    found = column(t.mutate(d=diseases_of(t, sets)), "d")
    assert found == ["|pneumonia|", "|pneumonia|lobar|group|", None, "|bleeding|", None, "|pneumonia|", None]


def test_the_shipped_sets_are_read_and_marked_as_an_example():
    shipped = read_diseases(None)
    assert "示例" in shipped.title
    assert shipped.diseases[0].prefixes == ("I21", "I22")


@pytest.mark.parametrize(
    "line",
    [
        "{id: a, name_zh: a, diagnoses: [J18-J12]}",
        "{id: a, name_zh: a, diagnoses: [J12-K18]}",
        "{id: a, name_zh: a}",
        "{id: a, name_zh: a, diagnoses: [I21], drgs: [FA]}",
        "{id: a, name: a, diagnoses: [I21]}",
    ],
)
def test_a_disease_set_that_is_none_is_refused(tmp_path, line):
    with pytest.raises(ParameterError):
        read_diseases(file(tmp_path, f"title: 合成\ndiseases:\n  - {line}\n", "病种.yaml"))
