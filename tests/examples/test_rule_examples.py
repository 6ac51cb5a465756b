"""Every rule's own passing and failing example, and the boundaries beside them, on every engine."""

from __future__ import annotations

import datetime as dt

import ibis
import pandas as pd
import pyarrow as pa
import pytest
import rows

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.intake import take_in
from toolkit.data.quality import CATALOGUE, CODE_RULES, MARKS, RECORD_RULES, Level, repeats, sent_twice
from toolkit.data.quality.base import value_of
from toolkit.data.quality.identities import EARLIER_VISIT
from toolkit.data.quality.marks import ids_in, marked
from toolkit.data.quality.ranges import pattern
from toolkit.data.reading.groups import run_groups
from toolkit.engine import connect

SOUND = {
    "hospital": "0001",
    "record": "1",
    "visit": "1",
    "year": 2022,
    "month": 5,
    "admission_date": dt.date(2022, 5, 1),
    "discharge_date": dt.date(2022, 5, 10),
    "los_days": 9,
    "stated_los_days": None,
    "cost_fen": 100_000,
    "died": False,
    "exit_mode": "1",
    "admission_route": "2",
    "sex": "1",
    "age_years": 50,
    "unchecked_age_years": 50,
    "stated_age_years": 50,
    "department": "D1",
    "principal_diagnosis": "I21.0",
    "drg": "FA11",
    "specialty": "s1",
    "in_scope": True,
    "hospital_unfit": False,
    "drg_found": True,
    "reported_hospital": "0001",
    "identity": None,
    "health_card": None,
    "birth_date": dt.date(1972, 1, 1),
    "raw_admission_date": "2022-05-01",
    "raw_discharge_date": "2022-05-10",
    "raw_birth_date": "1972-01-01",
    "unclear_admission_date": False,
    "unclear_discharge_date": False,
    "unclear_birth_date": False,
    "items_fen": 100_000,
    "least_item_fen": 0,
    "self_pay_fen": 0,
    "surgery_fee_fen": 0,
    "surgical": False,
    "anaesthesia": False,
    "autopsy": True,
    "pathology": True,
    "external_cause": True,
}
EXTRA = {
    "stated_los_days": pa.int32(),
    "in_scope": pa.bool_(),
    "hospital_unfit": pa.bool_(),
    "drg_found": pa.bool_(),
    "unchecked_age_years": pa.int32(),
    "stated_age_years": pa.int32(),
    **{f"raw_{day}_date": pa.string() for day in ("admission", "discharge", "birth")},
    **{f"unclear_{day}_date": pa.bool_() for day in ("admission", "discharge", "birth")},
}
Q, X, W, R = "quarantined", "excluded", "warned", "rejected"
# quality-rules.md §4 and domain.md §3: fate and, where it does not take the whole record, what it takes it out of
EXPECTED = {
    "SCOPE": (X, ()),
    "F01": (R, ()),
    "F02": (R, ()),
    "F03": (R, ()),
    "F04": (R, ()),
    "F05": (Q, ()),
    "F06": (R, ()),
    "F07": (Q, ()),
    "F08": (R, ()),
    "F09": (W, ()),
    "F10": (Q, ()),
    "F11": (R, ()),
    "F12": (W, ()),
    "K00": (Q, ()),
    "K01": (Q, ()),
    "K02": (Q, ()),
    "K03": (Q, ()),
    "K04": (X, ()),
    "K05": (Q, ()),
    "K06": (Q, ()),
    "K07": (W, ()),
    "K08": (W, ()),
    "K09": (Q, ()),
    "K10": (W, ()),
    "K11": (W, ()),
    "K12": (X, ()),
    "D01": (Q, ()),
    "D01B": (Q, ()),
    "D01Y": (Q, ()),
    "D02": (Q, ()),
    "D03": (Q, ()),
    "D04": (X, ()),
    "D05": (Q, ()),
    "D06": (Q, ()),
    "D07": (W, ()),
    "D08": (X, ("cost", "los")),
    "D08M": (X, ("cost", "los")),
    "D09": (Q, ("surgery",)),
    "D10": (W, ()),
    "D11": (W, ()),
    "D12": (Q, ()),
    "D13": (W, ()),
    "D14": (W, ()),
    "D15": (W, ()),
    "D16": (W, ()),
    "D17": (W, ()),
    "P01": (W, ()),
    "P02": (Q, ()),
    "P03": (Q, ()),
    "P04": (W, ()),
    "P05": (Q, ()),
    "P06": (Q, ()),
    "P07": (Q, ()),
    "P08": (W, ()),
    "P09": (W, ()),
    "P10": (W, ()),
    "P11": (W, ()),
    "P12": (W, ()),
    "P13": (Q, ("surgery",)),
    "P14": (W, ()),
    "P14D": (W, ()),
    "P15": (W, ()),
    "P16": (R, ()),
    "P17": (W, ()),
    "P18": (W, ()),
    "P19": (W, ()),
    "P20": (W, ()),
    "P21": (Q, ("surgery",)),
    "O01": (Q, ("mortality",)),
    "O02": (W, ()),
    "O03": (Q, ()),
    "O04": (W, ()),
    "O05": (W, ()),
    "O06": (W, ()),
    "O07": (W, ()),
    "O08": (W, ()),
    "C01": (X, ("cost",)),
    "C02": (W, ()),
    "C02Q": (Q, ("cost",)),
    "C03": (W, ()),
    "C04": (X, ("cost",)),
    "C05": (X, ("cost",)),
    "C06": (W, ()),
    "C07": (W, ()),
    "C08": (W, ()),
    "C09": (R, ()),
    "G01": (X, ("case_mix",)),
    "G02": (Q, ()),
    "G03": (X, ("case_mix",)),
    "G04": (W, ()),
    "G05": (W, ()),
    "G06": (W, ()),
    "G07": (X, ("case_mix",)),
    "G08": (X, ("case_mix",)),
    "G09": (X, ("case_mix",)),
    "G10": (W, ()),
    "S01": (X, ("specialty",)),
    "S02": (W, ()),
    "Z53": (X, ("cost", "los")),
    "X01": (R, ()),
    "X02": (W, ()),
    "X03": (W, ()),
    "X04": (R, ()),
    "X05": (W, ()),
    "X06": (R, ("cost",)),
    "X07": (R, ("los",)),
    "X08": (R, ("mortality",)),
    "X09": (R, ()),
}
# ids of the catalogue, by group: 77 of them
GROUPS = {"F": 12, "K": 12, "D": 17, "P": 21, "O": 8, "C": 9, "G": 10, "S": 2, "X": 9}
# what a person is told, by the word that matters
WORDS = {
    "SCOPE": "一次出院",
    "F01": "已经提交",
    "F02": "过大",
    "F03": "编码",
    "F04": "列",
    "F05": "列数",
    "F06": "报送说明",
    "F07": "文本格式",
    "F08": "末尾的 0",
    "F09": "已在接收时删除",
    "F10": "单元格错位",
    "F11": "重复导出",
    "F12": "截断",
    "K00": "机构代码为空",
    "K01": "名录",
    "K02": "机构名称",
    "K03": "病案号",
    "K04": "重复",
    "K05": "内容不同",
    "K06": "重叠",
    "K07": "两家机构",
    "K08": "住院次数",
    "K09": "不是代码",
    "K10": "前导 0",
    "K11": "多次互不重叠",
    "K12": "另一文件",
    "D01": "有效日期",
    "D01B": "出生日期",
    "D01Y": "年份",
    "D02": "早于入院",
    "D03": "晚于入院",
    "D04": "评价周期",
    "D05": "1990",
    "D06": "年-月-日",
    "D07": "以计算值为准",
    "D08": "上限",
    "D08M": "住院天数缺失",
    "D09": "住院期间",
    "D10": "结束时间",
    "D11": "以计算值为准",
    "D12": "合理范围",
    "D13": "体重",
    "D14": "体重",
    "D15": "漏报",
    "D16": "漏报",
    "D17": "漏报",
    "P01": "值域",
    "P02": "性别",
    "P03": "性别",
    "P04": "年龄",
    "P05": "主要诊断",
    "P06": "字典",
    "P07": "星号",
    "P08": "外部原因",
    "P09": "病理",
    "P10": "重复",
    "P11": "入院病情",
    "P12": "同级",
    "P13": "字典",
    "P14": "1–4",
    "P14D": "目录",
    "P15": "无手术操作日期",
    "P16": "停止计算",
    "P17": "ICD-10",
    "P18": "ICD-9-CM-3",
    "P19": "未填手术级别",
    "P20": "填了手术级别",
    "P21": "是否为手术不明",
    "O01": "死亡指标",
    "O02": "再住院计划",
    "O03": "死亡后",
    "O04": "尸检",
    "O05": "抢救",
    "O06": "接收机构",
    "O07": "死亡率",
    "O08": "RC019",
    "C01": "总费用",
    "C02": "不符",
    "C02Q": "相差过大",
    "C03": "负数",
    "C04": "范围",
    "C05": "裁剪",
    "C06": "手术治疗费",
    "C07": "麻醉",
    "C08": "自付",
    "C09": "以“分”为单位",
    "G01": "CMI",
    "G02": "权重表",
    "G03": "重新分组",
    "G04": "未入组比例",
    "G05": "不符",
    "G06": "以权重表为准",
    "G07": "参照病例",
    "G08": "分组器",
    "G09": "分组结果文件",
    "G10": "分组器版本",
    "S01": "参照",
    "S02": "变更",
    "Z53": "取消",
    "X01": "停止",
    "X02": "缺失率",
    "X03": "复制",
    "X04": "隔离",
    "X05": "没有任何纳入",
    "X06": "缺失",
    "X07": "缺失",
    "X08": "缺失",
    "X09": "缺失",
}


@pytest.fixture(scope="module")
def hits(engine):
    """A function from rows (field values over a sound one) to the ids of the rules that hit each."""
    params = rows.params(years={"first": 2022, "last": 2023})
    kinds = {name: rows.ARROW[field.type] for name, field in BY_NAME.items()} | EXTRA

    def run(given):
        full = [{**SOUND, **one} for one in given]
        table = pa.table({name: pa.array([row.get(name) for row in full], kind) for name, kind in kinds.items()})
        table = table.append_column("position", pa.array(range(len(full))))
        made = engine.connection.create_table("rule_rows", table, overwrite=True)
        found = made.select("position", **MARKS.of({rule.id: rule.test(params) for rule in RECORD_RULES}))
        found = found.order_by("position").execute()
        return [set(MARKS.ids_of(values)) for values in found[MARKS.columns].to_numpy().tolist()]

    return run


def test_the_catalogue_is_complete():
    plain = [id_ for id_ in CATALOGUE if id_[0] in GROUPS and id_[1:].isdigit() and id_ != "K00"]
    assert {letter: sum(id_[0] == letter for id_ in plain) for letter in GROUPS} == GROUPS
    assert sum(GROUPS.values()) == len(plain) == 100


def test_every_rule_has_the_fate_and_scope_of_the_rule_catalogue():
    assert {id_: (rule.fate.value, rule.scopes) for id_, rule in CATALOGUE.items()} == EXPECTED


def test_every_rule_says_in_chinese_what_is_wrong():
    assert [id_ for id_, rule in CATALOGUE.items() if WORDS[id_] not in rule.message_zh] == []


def test_every_rule_is_applied_by_something_and_by_one_thing():
    for rule in CATALOGUE.values():
        ways = [rule.test, rule.check, rule.judge, rule.applied or None]
        assert sum(way is not None for way in ways) == (2 if rule.id == "K08" else 1), rule.id  # K08 has two halves


def test_thresholds_fields_and_placeholders_exist():
    params = rows.params()
    for rule in CATALOGUE.values():
        for name in rule.thresholds:
            value_of(params, name)
        known = {*BY_NAME, *rule.thresholds}
        assert {*rule.fields, *rule.needs, *rule.needs_any} <= set(BY_NAME), rule.id
        # who the patient is, is never shown
        assert not any(BY_NAME[name].identifying for name in rule.fields), rule.id
        said = rule.said({name: "x" for name in BY_NAME if not BY_NAME[name].identifying}, params)
        assert "{" not in said, (rule.id, said)
        assert all(part.partition("}")[0] in known for part in rule.worklist_zh.split("{")[1:]), rule.id


def test_a_worklist_line_holds_the_values_and_the_limit():
    assert CATALOGUE["D08"].said({"los_days": 73}, rows.params()) == "住院 73 天，超过 60 天，不计入费用与时间指标"
    assert (
        CATALOGUE["O05"].said({"rescues": None, "successful_rescues": 1}, rows.params())
        == "抢救成功 1 次，大于抢救 空 次"
    )


def test_marks_become_ids_and_back():
    ids = ["D07", "D08", "S01"]
    assert ids_in(marked(ids)) == ids
    assert marked([]) == ""
    assert ids_in("") == []
    places = {MARKS.place(id_) for id_ in MARKS.ids}
    assert len(places) == len(MARKS.ids)
    assert all(0 < bit < 2**62 and bit & (bit - 1) == 0 for _, bit in places)


# --- rules over one record ---------------------------------------------------------------------------------------------


def test_the_failing_row_breaks_its_rule_alone_and_the_passing_row_none(hits):
    passing, failing = hits([rule.passes for rule in RECORD_RULES]), hits([rule.fails for rule in RECORD_RULES])
    for rule, passed, failed in zip(RECORD_RULES, passing, failing, strict=True):
        assert rule.id not in passed, rule.id
        # a source with dates has no use for the rule of sources that give years only
        assert failed - ({"D01Y"} if rule.id != "D01Y" else set()) == {rule.id}, rule.id


AFTER = {"admission_date": dt.date(2022, 5, 11), "discharge_date": dt.date(2022, 5, 20)}
BOUNDARIES = [
    ("K08", {"visit": "001"}, False),
    ("K08", {"visit": "-1"}, True),
    ("K08", {"visit": None}, True),
    ("K08", {"visit": "1.5"}, True),
    ("D02", {"admission_date": dt.date(2022, 5, 10)}, False),
    ("D02", {"admission_date": dt.date(2022, 5, 11)}, True),
    ("D03", {"birth_date": dt.date(2022, 5, 1)}, False),
    ("D03", {"birth_date": dt.date(2022, 5, 2)}, True),
    ("D05", {"admission_date": dt.date(1990, 1, 1)}, False),
    ("D05", {"admission_date": dt.date(1989, 12, 31)}, True),
    ("D05", {"discharge_date": dt.date(2024, 12, 31)}, False),  # the span ends in 2023
    ("D05", {"discharge_date": dt.date(2025, 1, 1)}, True),
    ("D04", {"year": 2023}, False),
    ("D04", {"year": 2024}, True),
    ("D04", {"year": 2021}, True),
    ("D08", {"los_days": 60}, False),
    ("D08", {"los_days": 61}, True),
    ("D09", {"first_procedure_date": dt.date(2022, 5, 1), "last_procedure_date": dt.date(2022, 5, 11)}, True),
    ("D09", {"first_procedure_date": dt.date(2022, 4, 1), "last_procedure_date": dt.date(2022, 4, 1), **AFTER}, True),
    ("D09", {"first_procedure_date": None, "last_procedure_date": None}, False),
    ("D11", {"stated_age_years": 51}, False),
    ("D11", {"stated_age_years": 52}, True),
    ("D11", {"stated_age_years": None}, False),
    ("D12", {"unchecked_age_years": -1}, True),
    ("D12", {"unchecked_age_years": 0}, False),
    ("D12", {"unchecked_age_years": None}, False),
    ("D13", {"age_days": 27, "admission_weight": 3000, "lightest_birth_weight": 3000}, False),
    ("D13", {"age_days": 27, "admission_weight": 3000}, True),
    ("D13", {"age_days": None}, False),
    ("D14", {"heaviest_birth_weight": 10_000}, True),
    ("D14", {"admission_weight": 10_000}, True),
    ("D14", {"admission_weight": 99}, True),
    ("D14", {"admission_weight": 9_999}, False),
    ("P01", {"sex": None}, True),
    ("P01", {"sex": "0"}, False),
    ("P03", {"sex": "1", "principal_procedure": "65.0"}, True),
    ("P03", {"sex": "1", "principal_procedure": "75.9"}, True),
    ("P03", {"sex": "1", "principal_procedure": "76.0"}, False),
    ("P03", {"sex": "2", "principal_procedure": "64.9"}, True),
    ("P03", {"sex": "2", "principal_procedure": "59.9"}, False),
    ("P03", {"sex": "2", "principal_procedure": "65.0"}, False),
    ("P03", {"sex": "1", "principal_procedure": "6501"}, False),  # no code of ICD-9-CM-3
    ("P03", {"sex": "2", "other_procedures": "|36.06|60.29|"}, True),
    ("P03", {"sex": "2", "other_procedures": "|36.60.29|"}, False),
    ("P04", {"sex": "2", "age_years": 10, "principal_diagnosis": "O80.0"}, False),
    ("P04", {"sex": "2", "age_years": 9, "principal_diagnosis": "O80.0"}, True),
    ("P04", {"age_years": 1, "principal_diagnosis": "P22.0"}, False),
    ("P04", {"age_years": 2, "principal_diagnosis": "P22.0"}, True),
    ("P07", {"principal_diagnosis": "V01.0"}, True),
    ("P07", {"principal_diagnosis": "U07.1"}, False),
    ("P07", {"principal_diagnosis": "H32.0*"}, True),
    ("P07", {"principal_diagnosis": "x59.9"}, True),
    ("P08", {"principal_diagnosis": "T98.3", "external_cause": False}, True),
    ("P08", {"principal_diagnosis": "U07.1", "external_cause": False}, False),
    ("P09", {"principal_diagnosis": "C00.0", "pathology": False}, True),
    ("P09", {"principal_diagnosis": "D00.0", "pathology": False}, True),
    ("P10", {"other_diagnoses": "|E11.9|I21.0|"}, True),
    ("P10", {"other_diagnoses": "|I21.00|"}, False),
    ("P10", {}, False),
    ("P11", {"admission_conditions": "|1|11|"}, True),
    ("P11", {"admission_conditions": "|0|"}, True),
    ("P14", {"procedure_levels": "|36.06=0|"}, True),
    ("P14", {"procedure_levels": "|36.06=44|"}, True),
    ("P14", {"procedure_levels": "|36.06=1|37.34=四级|"}, True),
    ("P14", {"procedure_levels": None}, False),
    ("O02", {"died": True, "receiver": True}, True),
    ("O02", {"receiver": True, "readmission_planned": True}, False),
    ("O04", {"autopsy": False}, False),
    ("O05", {"rescues": None, "successful_rescues": 1}, False),
    ("O06", {"exit_mode": "2", "receiver": False}, True),
    ("O06", {"exit_mode": "1", "receiver": False}, False),
    ("C02", {"items_fen": 99_995}, False),
    ("C02", {"items_fen": 99_994}, True),
    ("C02", {"items_fen": 101_000}, True),
    ("C02", {"items_fen": 101_001}, False),
    ("C02Q", {"items_fen": 101_000}, False),
    ("C02Q", {"items_fen": 98_999}, True),
    ("C02Q", {"cost_fen": 300, "items_fen": 305}, False),
    ("C02Q", {"items_fen": None}, False),
    ("C04", {"cost_fen": 500}, False),
    ("C04", {"cost_fen": 499}, True),
    ("C04", {"cost_fen": 200_000_000}, False),
    ("C04", {"cost_fen": 200_000_001}, True),
    ("C04", {"cost_fen": 0}, False),  # that is C01
    ("C01", {"cost_fen": 0}, True),
    ("C01", {"cost_fen": -1}, True),
    ("C01", {"cost_fen": None}, True),
    ("C01", {"cost_fen": 1}, False),
    ("C06", {"surgery_fee_fen": 1}, True),
    ("C06", {"surgery_fee_fen": None}, False),
    ("C06", {"surgical": True, "principal_procedure": "36.06", "surgery_fee_fen": None}, True),
    ("C06", {"principal_procedure": "88.41"}, False),  # 操作, no operation
    ("C07", {"anaesthesia": True, "anaesthesia_fee_fen": None}, True),
    ("C07", {"anaesthesia_fee_fen": 0}, False),
    ("Z53", {"principal_diagnosis": "Z53.901", "los_days": 2}, True),
    ("Z53", {"principal_diagnosis": "Z53.901", "los_days": 3}, False),
    ("Z53", {"principal_diagnosis": "Z54.0", "los_days": 1}, False),
    ("D07", {"stated_los_days": 0, "los_days": 1}, False),  # out on the day of admission
    ("D07", {"stated_los_days": 1, "los_days": 2}, True),
    ("D07", {"stated_los_days": None, "los_days": 5}, False),  # nothing was stated that could differ
    ("G01", {"drg": "0000"}, True),
    ("G01", {"drg": "FQY"}, True),
    ("G01", {"drg": None}, True),
    ("G01", {"drg": "0001"}, False),
    ("G01", {"drg": "QY11"}, False),
    ("P02", {"sex": "1", "principal_diagnosis": "C50.9"}, False),
    ("P02", {"sex": "1", "principal_diagnosis": "C51.0"}, True),
    ("P02", {"sex": "1", "principal_diagnosis": "C58.x00"}, True),
    ("P02", {"sex": "1", "principal_diagnosis": "C61.x00"}, False),
    ("P02", {"sex": "2", "principal_diagnosis": "C61.x00"}, True),
    ("P02", {"sex": "1", "principal_diagnosis": "N69"}, False),
    ("P02", {"sex": "1", "principal_diagnosis": "N70.0"}, True),
    ("P02", {"sex": "1", "principal_diagnosis": "N98.9"}, True),
    ("P02", {"sex": "1", "principal_diagnosis": "N99.0"}, False),
    ("P02", {"sex": "2", "principal_diagnosis": "N39.0"}, False),
    ("P02", {"sex": "2", "principal_diagnosis": "N40.x00"}, True),
    ("P02", {"sex": "2", "principal_diagnosis": "N51.8"}, True),
    ("P02", {"sex": "2", "principal_diagnosis": "N52"}, False),
    ("P02", {"sex": "1", "principal_diagnosis": "o80.0"}, True),
    ("P02", {"sex": "9", "principal_diagnosis": "O80.0"}, False),
    ("P02", {"sex": None, "principal_diagnosis": "O80.0"}, False),
    ("P02", {"sex": "2", "other_diagnoses": "|I10|n40.0|"}, True),
    ("P02", {"sex": "2", "other_diagnoses": "|I10|"}, False),
    *[
        (id_, {f"raw_{day}_date": "x", f"{day}_date": None, f"unclear_{day}_date": unclear}, hit)
        for day in ("admission", "discharge")
        for id_, unclear, hit in (
            ("D01", False, True),
            ("D01", True, False),
            ("D06", False, False),
            ("D06", True, True),
        )
    ],
    ("D01B", {"birth_date": None, "unclear_birth_date": True}, False),
    ("D06", {"birth_date": None, "unclear_birth_date": True}, True),
]


def test_boundaries(hits):
    found = hits([values for _, values, _ in BOUNDARIES])
    wrong = [(id_, values) for (id_, values, hit), ids in zip(BOUNDARIES, found, strict=True) if (id_ in ids) != hit]
    assert wrong == []


def test_ranges_of_codes():
    import re

    codes = [f"{letter}{n:02d}.1" for letter in "BCDN" for n in range(100)]
    for text, inside in (
        ("C51-C58", {f"C{n}.1" for n in range(51, 59)}),
        ("N70-N98", {f"N{n}.1" for n in range(70, 99)}),
        ("C61", {"C61.1"}),
    ):
        assert {code for code in codes if re.match(pattern([text]), code)} == inside
    assert not any(re.match(pattern([]), code) for code in codes)
    for wrong in ("C58-C51", "C51-D58", "C5", "65-7"):
        with pytest.raises(ValueError, match="编码范围"):
            pattern([wrong])


# --- rules over codes against a list of the run ------------------------------------------------------------------------


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.id)
def test_codes_against_the_lists_of_the_example(rule):
    sound = {
        **SOUND,
        "procedure_levels": None,
        "grouper_version": None,
        "drg_weight": None,
        "principal_procedure": None,
    }
    for row, hit in ((rule.passes, False), (rule.fails, True)):
        table = pd.DataFrame([{**sound, **row}])[list(rule.over)]
        assert rule.check(table, rule.given).tolist() == [hit], (rule.id, hit)
        empty = pd.DataFrame([{**sound, **dict.fromkeys(set(rule.over) - {"year"})}])[list(rule.over)]
        if rule.id != "K01":
            assert rule.check(empty, rule.given).tolist() == [False], rule.id  # what is missing is another rule's


# --- rules over several records ----------------------------------------------------------------------------------------

STAY = {
    "hospital": "0001",
    "patient": None,
    "visit": "1",
    "record": "1",
    "content": 0,
    "died": False,
    "admission_date": dt.date(2022, 5, 1),
    "discharge_date": dt.date(2022, 5, 10),
}


@pytest.fixture(scope="module")
def repeated(engine):
    """A function from stays to the rules that hit each of them."""

    def run(stays):
        full = [{"file": 0, **STAY, **stay, "line": k + 2} for k, stay in enumerate(stays)]
        for one in full:
            number = hash((one["hospital"], one["record"], one["visit"])) % 2**31
            one["record_key"] = None if one["record"] is None else number
            one["visit_number"] = int(one["visit"])
        kinds = {
            "hospital": pa.string(),
            "patient": pa.int64(),
            "died": pa.bool_(),
            "age_days": pa.int16(),
            "age_years": pa.int16(),
            "cost_fen": pa.int64(),
            "admission_date": pa.date32(),
            "discharge_date": pa.date32(),
            "content": pa.int64(),
            "record_key": pa.int64(),
            "visit_number": pa.int64(),
            "file": pa.int32(),
            "line": pa.int64(),
        }
        table = pa.table({name: pa.array([one.get(name) for one in full], kind) for name, kind in kinds.items()})
        made = engine.connection.create_table("stays", table, overwrite=True)
        keys = repeats.of_keys(made, engine.connection)
        found = [repeats.hits(keys, "K04", keys.copy > 0), repeats.hits(keys, "K05", keys.contents > 1)]
        found += [repeats.hits(keys, "K11", keys.apart)]
        absent = set(sent_twice.COMPARED) - set(kinds)
        lacking = {one["file"]: absent | ({"record"} if one["record"] is None else set()) for one in full}
        sent = sent_twice.of_files(made.mutate(sound=ibis.literal(True)), lacking, engine.connection)
        found += [] if sent is None else [sent]
        several = repeats.of_patients(made, engine.connection)
        found += [
            test(several)
            for test in (repeats.overlapping, repeats.in_two_hospitals, repeats.falling_visits, repeats.after_death)
        ]
        hit = pd.concat([part.execute() for part in found])
        return [set(hit.loc[hit["line"] == k + 2, "rule"]) for k in range(len(stays))]

    return run


@pytest.mark.parametrize("id_", [i for i, rule in CATALOGUE.items() if rule.level is Level.RECORDS])
def test_records_that_need_others(repeated, id_):
    rule = CATALOGUE[id_]
    assert repeated(rule.passes) == [set()] * len(rule.passes)
    found = repeated(rule.fails)
    assert found[-1] == {id_}
    both = id_ not in ("K04", "K12")  # of identical records the first is kept, of the others none is
    assert found[0] == ({id_} if both else set())


def test_visits_that_fall(repeated):
    passing, failing = EARLIER_VISIT
    assert repeated(passing) == [set(), set()]
    assert repeated(failing) == [set(), {"K08"}]


def test_a_newborn_under_its_mothers_number_costs_neither_of_them(repeated):
    mother, child = {"patient": 5, "age_days": None}, {"patient": 5, "age_days": 0}
    days = {"admission_date": dt.date(2022, 1, 3), "discharge_date": dt.date(2022, 1, 6)}
    assert repeated([{**mother, **days}, {**child, **days}]) == [{"K11"}, {"K11"}]
    # under numbers of their own, but one identity: no overlap of one patient; nor does the child's death end the mother's stays
    apart = [{**mother, **days}, {**child, **days, "record": "2", "died": True}]
    apart += [{**mother, "record": "3", "admission_date": dt.date(2022, 2, 1), "discharge_date": dt.date(2022, 2, 3)}]
    assert repeated(apart) == [set(), set(), set()]


def test_a_stay_sent_in_part_and_again_in_full_is_one_and_the_full_one_stays(repeated):
    assert repeated([{"died": None}, {"died": False}]) == [{"K04"}, set()]
    assert repeated([{"died": True}, {"died": False}]) == [{"K05"}, {"K05"}]  # these contradict each other


def test_stays_of_one_number_that_touch_are_kept_and_those_of_the_same_day_are_not_told_apart(repeated):
    def days(first, last, **more):
        return {"admission_date": dt.date(2022, 1, first), "discharge_date": dt.date(2022, 1, last), **more}

    assert repeated([days(3, 3), days(3, 6)]) == [{"K11"}, {"K11"}]
    assert repeated([days(3, 3, died=True), days(3, 3, died=False)]) == [{"K05"}, {"K05"}]
    # copies of one of two stays
    assert repeated([days(3, 4), days(3, 4), days(8, 9)]) == [{"K11"}, {"K04"}, {"K11"}]


def test_patients_of_several_stays(repeated):
    def stay(first, last, **more):
        return {
            "patient": 5,
            "admission_date": dt.date(2022, 1, first),
            "discharge_date": dt.date(2022, 1, last),
            **more,
        }

    # a long stay over two short ones; a third that touches; another patient and another hospital in the same days
    stays = [
        stay(1, 20),
        stay(3, 5, record="2", visit="2"),
        stay(8, 9, record="3", visit="3"),
        stay(20, 22, record="4", visit="4"),
        stay(3, 5, patient=6, record="7"),
        stay(1, 20, hospital="0002", record="9"),
    ]
    assert repeated(stays) == [{"K06", "K07"}, {"K06"}, {"K06"}, set(), set(), {"K07"}]
    # a death on the day of a transfer, and a stay after it in another hospital
    died = [stay(1, 5), stay(5, 8, died=True, record="2", visit="2"), stay(9, 10, hospital="0002", record="3")]
    assert repeated(died) == [set(), {"O03"}, {"O03"}]
    unknown = [stay(1, 5, patient=None), stay(2, 6, patient=None, record="2")]
    assert repeated(unknown) == [set(), set()]


# --- rules over a hospital's year --------------------------------------------------------------------------------------

PLAIN = {
    "months": {"hospital": "0001", "year": 2022, "month": 1, "n": 10},
    "years": {
        "hospital": "0001",
        "year": 2022,
        "level_group": "三级",
        "judged": 100,
        "quarantined": 0,
        "n": 100,
        "diagnoses": 1.0,
        "against_advice": 0.05,
        "ungrouped": 0.0,
        "round_cost": 0.0,
        "copied": 0.0,
        "constant": "",
    },
    "missing": {"hospital": "0001", "year": 2022, "field": "department", "n": 100, "share": 0.0},
    "sent": {"hospital": "0001", "year": 2022, "n": 10},
    "ends": {"hospital": "0001", "year": 2022, "month": 1, "n": 93, "first": 1, "last": 31, "days": 31},
    "units": {"hospital": "0001", "specialty": "a", "department": "", "year": 2022, "month": 1, "n": 100},
    "codes": {"hospital": "0001", "year": 2022, "half": 1, "n": 100, "fresh": 0, "before": 100},
}


def table_of(name: str, given: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([{**PLAIN[name], **row} for row in given], columns=list(PLAIN[name]))


@pytest.mark.parametrize("rule", [r for r in CATALOGUE.values() if r.judge], ids=lambda rule: rule.id)
def test_hospitals(rule):
    for example, hit in ((rule.passes, False), (rule.fails, True)):
        found = rule.judge(*(table_of(name, example.get(name, [])) for name in rule.tables), rows.params())
        assert [c for c in found.columns if c != "specialty"] == ["hospital", "year", "value", "limit", "message"]
        assert bool(len(found)) == hit, (rule.id, hit)
        if hit:
            assert "0001" in set(found["hospital"])
            assert WORDS[rule.id] in found["message"].iloc[-1] or rule.id in ("G04", "X03")


def test_too_few_cases_and_no_peers_are_no_finding():
    params = rows.params()
    few = [{"hospital": "0002", "diagnoses": 1.0}, {"diagnoses": 9.0, "n": 29}]
    assert set(CATALOGUE["P12"].judge(table_of("years", few), params)["hospital"]) == {"0002"}
    alone = table_of("years", [{"diagnoses": 9.0}, {"hospital": "0002", "level_group": "二级"}])
    assert CATALOGUE["P12"].judge(alone, params).empty
    months = table_of("months", [{"n": 2}, {"month": 2, "n": 1}])
    assert CATALOGUE["D15"].judge(months, params).empty
    assert (
        CATALOGUE["X04"]
        .judge(
            table_of("years", [{"judged": 29, "quarantined": 9}]),
            table_of("missing", [{"share": 0.5, "n": 29}]),
            params,
        )
        .empty
    )
    assert CATALOGUE["X04"].judge(table_of("years", []), table_of("missing", [{"share": 0.06}]), params)[
        "limit"
    ].tolist() == [0.05]


def test_a_month_without_any_discharge_is_found():
    months = table_of("months", [{"month": month} for month in range(1, 12)])
    found = CATALOGUE["D15"].judge(months, rows.params())
    assert found["message"].tolist() == ["2022年12月出院 0 例，为本院月中位数的 0%，请核实是否漏报"]


# --- rules over files --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [r for r in CATALOGUE.values() if r.level in (Level.FILE, Level.LINE) and r.fails], ids=lambda r: r.id
)
def test_files(rule, tmp_path):
    for name, example in (("passes", rule.passes), ("fails", rule.fails)):
        folder = tmp_path / name
        folder.mkdir()
        for file, content in {"0.csv": "hospital,year,los_days,died,drg\n0001,2022,9,0,FA11\n", **example}.items():
            (folder / file).write_text(content, encoding="utf-8")
        connection = connect(folder / "work", [folder], threads=1)
        params = rows.params(files=(str(folder),))
        taken = take_in(params, run_groups(params.data), None, connection, folder / "work")
        connection.disconnect()
        last = taken.files.iloc[-1]
        counted = taken.accounts.loc[taken.accounts["rule"] == rule.id, "n"].sum()
        found = rule.id in last["rejected"] or rule.id in last["warnings"] or counted == 1
        assert found == (name == "fails"), (rule.id, name, last["rejected"], last["warnings"])
