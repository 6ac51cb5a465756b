"""Files of several formats in one run, and what folders and names of files say of them. 合成数据."""

from __future__ import annotations

import pytest
from doors import case, checked

from toolkit.errors import InputError, ParameterError

GOOD = (case("02") / "data" / "ok.csv").read_text(encoding="utf-8").splitlines()
OWN = """id: own
title: 合成自有格式
fields:
  hospital: {column: 机构}
  record: {column: 病案号, also: [住院号]}
  visit: {column: 次数}
  discharge_date: {column: 出院日期}
  admission_date: {column: 入院日期}
  cost_fen: {column: 总费用, scale: 100}
  died: {column: 转归, "true": [死亡]}
  sex: {column: 性别, values: {男: "1", 女: "2"}}
  department: {column: 科别}
  principal_diagnosis: {column: 诊断}
  drg: {column: 分组}
"""
HEADER = "机构,病案号,次数,入院日期,出院日期,总费用,转归,性别,科别,诊断,分组"
ROW = "{hospital},{n},1,2022-03-0{day},2022-03-09,1234.5,好转,男,03.04,I63.900,FA11"


def rows(hospital="0099", first=1, number=20):
    return [ROW.format(hospital=hospital, n=700000 + first + n, day=1 + n % 7) for n in range(number)]


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    (tmp_path / "in").mkdir()
    return tmp_path


def sources(*groups):
    return {"format": "", "files": [], "sources": list(groups)}


def test_each_table_of_one_folder_is_read_in_the_format_whose_columns_it_has(own):
    folder = own / "in"
    (folder / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    (folder / "b.csv").write_bytes("\n".join([HEADER, *rows()]).encode("gb18030"))
    (folder / "c.csv").write_text("姓名,电话\n样例,1\n", encoding="utf-8")
    groups = [
        {"format": "front-page", "files": [str(folder)]},
        {"format": str(own / "own.yaml"), "files": [str(folder)]},
    ]
    with checked(data=sources(*groups)) as door:
        assert door.files["status"].to_dict() == {"a.csv": "read", "b.csv": "read", "c.csv": "refused"}
        assert door.files["received"].tolist() == [60, 20, 0]
        mine = door.store[door.store["hospital"] == "0099"]
        assert (len(mine), mine["cost_fen"].unique().tolist(), mine["sex"].unique().tolist()) == (20, [123450], ["1"])
        assert mine["los_days"].between(2, 8).all()


@pytest.mark.slow
def test_the_hospital_stands_in_the_folder_or_is_the_same_for_a_group(own):
    folder = own / "in"
    without = [line.split(",", 1)[1] for line in (HEADER, *rows())]
    for name in ("甲院_0012", "乙院_0013"):
        (folder / name).mkdir()
        lines = [without[0], *(line.replace("70", "71" if "12" in name else "72", 1) for line in without[1:])]
        (folder / name / "2022.csv").write_text("\n".join(lines), encoding="utf-8")
    (own / "one.csv").write_text("\n".join(without), encoding="utf-8")
    form = str(own / "own.yaml")
    groups = [
        {"format": form, "files": [str(folder)], "from_path": {"hospital": {"pattern": r"_(\d{4})/"}}},
        {"format": form, "files": [str(own / "one.csv")], "fixed": {"hospital": "００９９"}},
    ]
    with checked(data=sources(*groups)) as door:
        assert door.files["received"].to_dict() == {"乙院_0013/2022.csv": 20, "甲院_0012/2022.csv": 20, "one.csv": 20}
        assert door.store["hospital"].value_counts().to_dict() == {"0012": 20, "0013": 20, "0099": 20}
    groups[0]["from_path"] = {"hospital": {"pattern": "^(..)_", "stands_for": {"甲院": "0012", "乙院": "0013"}}}
    with checked(data=sources(*groups)) as door:
        assert set(door.store["hospital"]) == {"0012", "0013", "0099"}


def test_a_file_whose_path_does_not_say_its_hospital_is_refused_by_name(own):
    folder = own / "in"
    without = [line.split(",", 1)[1] for line in (HEADER, *rows())]
    (folder / "0012.csv").write_text("\n".join(without), encoding="utf-8")
    (folder / "x.csv").write_text("\n".join([*without, without[-1].replace("70", "71", 1)]), encoding="utf-8")
    group = {
        "format": str(own / "own.yaml"),
        "files": [str(folder)],
        "from_path": {"hospital": {"pattern": r"(\d{4})\.csv"}},
    }
    with checked(data=sources(group)) as door:
        assert door.files["status"].to_dict() == {"0012.csv": "read", "x.csv": "refused"}
        assert "from_path" in door.files.loc["x.csv", "rejected"]


def test_columns_of_another_year_have_other_names(own):
    folder = own / "in"
    later = [HEADER.replace("总费用", "费用合计").replace("病案号", "住院号"), *rows(first=500)]
    (folder / "2021.csv").write_text("\n".join([HEADER, *rows()]), encoding="utf-8")
    (folder / "2022.csv").write_text("\n".join(later), encoding="utf-8")
    form = str(own / "own.yaml")
    groups = [
        {"format": form, "files": [str(folder / "2021.csv")]},
        {"format": form, "files": [str(folder / "2022.csv")], "columns": {"cost_fen": "费用合计"}},
    ]
    with checked(data=sources(*groups)) as door:
        assert (door.received, door.store["cost_fen"].unique().tolist()) == (40, [123450])


def test_a_format_without_a_hospital_needs_a_group_that_gives_it(own):
    (own / "own.yaml").write_text(OWN.replace("  hospital: {column: 机构}\n", ""), encoding="utf-8")
    (own / "in" / "a.csv").write_text("\n".join([HEADER, *rows()]), encoding="utf-8")
    group = {"format": str(own / "own.yaml"), "files": [str(own / "in")]}
    with pytest.raises(ParameterError, match="医疗机构代码"), checked(data=sources(group)):
        pass
    with checked(data=sources({**group, "fixed": {"hospital": "0012"}})) as door:
        assert set(door.store["hospital"]) == {"0012"}


@pytest.mark.slow
def test_a_rule_of_one_format_is_not_asked_of_records_of_another(own):
    """The own format has no admission route and no age: none of its records may be called incomplete for that."""
    folder = own / "in"
    (folder / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    (folder / "b.csv").write_text("\n".join([HEADER, *rows()]), encoding="utf-8")
    form = str(own / "own.yaml")
    with checked(data=sources({"format": form, "files": [str(folder / "b.csv")]})) as door:
        alone = door.accounts.loc[door.accounts["hospital"] == "0099", "rules"].tolist()
    groups = [{"format": "front-page", "files": [str(folder)]}, {"format": form, "files": [str(folder)]}]
    with checked(data=sources(*groups)) as door:
        assert door.accounts.loc[door.accounts["hospital"] == "0099", "rules"].tolist() == alone


def test_lists_of_the_run_in_the_folder_of_the_records_are_named_and_not_read_as_records(own):
    folder = own / "in"
    (folder / "a.csv").write_text("\n".join(GOOD), encoding="utf-8")
    keys = [line.split(",") for line in GOOD[1:]]
    places = [GOOD[0].split(",").index(c) for c in ("A01", "A48", "A49")]
    lines = ["A01,A48,A49,DRG", *(",".join([*(k[p] for p in places), "FA11"]) for k in keys)]
    (folder / "drg.csv").write_text("\n".join(lines), encoding="utf-8")
    with checked(folder, data={"drg_file": {"file": str(folder / "drg.csv")}}) as door:
        assert door.files["status"].to_dict() == {"a.csv": "read", "drg.csv": "skipped"}
        assert "分组结果文件" in door.files.loc["drg.csv", "rejected"]
        assert door.store["drg"].eq("FA11").all()


def test_nothing_readable_in_any_format_stops_with_the_missing_columns(own):
    (own / "in" / "c.csv").write_text("机构,病案号\n0012,1\n", encoding="utf-8")
    groups = [{"format": f, "files": [str(own / "in")]} for f in ("front-page", str(own / "own.yaml"))]
    with pytest.raises(InputError, match="出院日期"), checked(data=sources(*groups)):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "formats"),
    [
        ("2022.3.5", ["yyyy.MM.dd"]),
        ("20220305083000", ["yyyyMMddHHmmss"]),
        ("2022/3/5 下午 3:25:00", ["yyyy/MM/dd"]),
        ("2022-03-05 上午9:05", ["yyyy-MM-dd"]),
        ("2022-3-5 03:25:00 PM", ["yyyy-MM-dd"]),
        ("2022年3月5日 08:30", ["yyyy年MM月dd日"]),
        ("44625", ["serial-1900"]),  # 2022-03-05 by LibreOffice and Excel
        ("44625.75", ["yyyy-MM-dd", "serial-1900"]),
        ("43163", ["serial-1904"]),  # 1,462 days fewer
    ],
)
def test_a_day_is_read_as_spreadsheets_and_systems_write_it(own, written, formats):
    form = OWN.replace("{column: 入院日期}", f"{{column: 入院日期, dates: {formats}}}".replace("'", '"'))
    (own / "own.yaml").write_text(form, encoding="utf-8")
    lines = [line.replace(line.split(",")[3], written) for line in rows()]
    (own / "in" / "a.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    with checked(own / "in", format=str(own / "own.yaml")) as door:
        assert door.store["admission_date"].astype(str).unique().tolist() == ["2022-03-05"]
        assert door.store["los_days"].unique().tolist() == [4]


def test_a_day_that_could_be_several_is_refused_with_that_reason(own):
    several = ["22-03-05", "05/03/22", "22年3月5日", "22.3.5", "44625"]
    lines = [line.replace("2022-03-09", several[n]) if n < len(several) else line for n, line in enumerate(rows())]
    (own / "in" / "a.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    with checked(own / "in", format=str(own / "own.yaml")) as door:
        assert (door.hit("D06"), door.fate("quarantined")) == (5, 5)


def test_a_header_of_two_lines_below_titles_is_one(own):
    upper = "机构,病案号,次数,日期,,总费用,转归,性别,科别,主要,"
    lower = ",,,入院,出院,,,,,诊断,分组"
    form = OWN.replace("{column: 入院日期}", "{column: 入院}").replace("{column: 出院日期}", "{column: 出院}")
    (own / "own.yaml").write_text(form, encoding="utf-8")
    title = "合成医院 2022 年出院病例" + "," * 10
    (own / "in" / "a.csv").write_text("\n".join([title, upper, lower, *rows()]), encoding="utf-8")
    with checked(own / "in", format=str(own / "own.yaml")) as door:
        assert (door.received, door.hit("F05"), len(door.store)) == (20, 0, 20)
        assert "第 2–3 行" in door.files["warnings"].iloc[0]


def test_names_that_stand_twice_below_get_the_name_above(own):
    upper = "机构,病案号,次数,入院日期,出院日期,总费用,转归,性别,科别,诊断,,DRG,"
    lower = ",,,,,,,,,编码,名称,编码,名称"
    form = OWN.replace("{column: 诊断}", "{column: 诊断编码}").replace("{column: 分组}", "{column: DRG编码}")
    (own / "own.yaml").write_text(form, encoding="utf-8")
    lines = [line.replace("I63.900,FA11", "I63.900,合成,FA11,合成") for line in rows()]
    (own / "in" / "a.csv").write_text("\n".join([upper, lower, *lines]), encoding="utf-8")
    with checked(own / "in", format=str(own / "own.yaml")) as door:
        assert set(door.store["drg"]) == {"FA11"}
        assert set(door.store["principal_diagnosis"]) == {"I63.900"}
