"""Every rule's own passing and failing row, and the boundaries beside them, on every engine."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
import rows

from toolkit.data.quality import BITS, CATALOGUE, RECORD_RULES
from toolkit.data.schema import BY_NAME

BY_ID = {rule.id: rule for rule in RECORD_RULES}
DAY = dt.date(2023, 5, 10)
SOUND = {
    "hospital": "0001", "record": "1", "visit": "1", "year": 2022, "month": 5, "admission_date": dt.date(2022, 5, 1),
    "discharge_date": dt.date(2022, 5, 10), "los_days": 9, "stated_los_days": None, "cost_fen": 100_000, "died": False,
    "exit_mode": "1", "sex": "1", "age_years": 50, "department": "D1", "principal_diagnosis": "I21.0", "drg": "FA11",
    "specialty": "s1", "in_scope": True, "raw_admission_date": "2022-05-01", "raw_discharge_date": "2022-05-10",
    "raw_cost_fen": "1000",
}  # fmt: skip
EXTRA = {
    "stated_los_days": pa.int32(), "in_scope": pa.bool_(), "raw_admission_date": pa.string(),
    "raw_discharge_date": pa.string(), "raw_cost_fen": pa.string(),
}  # fmt: skip
# quality-rules.md §4 and domain.md §3: fate and, where it does not take the whole record, what it takes it out of
EXPECTED = {
    "F03": ("拒收", ()), "F05": ("隔离", ()), "K00": ("隔离", ()), "K01": ("隔离", ()), "K03": ("隔离", ()), "K04": ("排除", ()),
    "K05": ("隔离", ()), "D01": ("隔离", ()), "D01Y": ("隔离", ()), "D02": ("隔离", ()), "D05": ("隔离", ()),
    "D06": ("隔离", ()), "P02": ("隔离", ()), "P05": ("隔离", ()), "SCOPE": ("排除", ()), "D04": ("排除", ()),
    "D07": ("提示", ()), "D08": ("排除", ("cost", "los")), "D08M": ("排除", ("cost", "los")), "Z53": ("排除", ("cost", "los")),
    "O01": ("隔离", ("mortality",)), "C01": ("排除", ("cost",)), "C04": ("排除", ("cost",)), "G01": ("排除", ("case_mix",)),
    "S01": ("排除", ("specialty",)),
}  # fmt: skip
# what a person is told, by the word that matters
WORDS = {
    "F03": "编码", "F05": "列数",
    "K00": "机构代码为空", "K01": "名录", "K03": "病案号", "K04": "重复", "K05": "内容不同", "D01": "有效日期",
    "D01Y": "年份", "D02": "早于入院", "D05": "1990", "D06": "年-月-日", "P02": "性别", "P05": "主要诊断", "SCOPE": "一次出院",
    "D04": "评价周期", "D07": "以计算值为准", "D08": "上限", "D08M": "住院天数缺失", "Z53": "取消", "O01": "死亡指标", "C01": "总费用",
    "C04": "范围", "G01": "CMI", "S01": "参照",
}  # fmt: skip


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
        tests = {rule.id: rule.test(params).fill_null(False) for rule in RECORD_RULES}
        found = made.select("position", **tests).order_by("position").execute()
        return [{id_ for id_ in tests if row[id_]} for row in found.to_dict("records")]

    return run


def test_every_rule_has_the_fate_and_scope_of_the_rule_catalogue():
    assert {id_: (rule.fate.value, rule.scopes) for id_, rule in CATALOGUE.items()} == EXPECTED


def test_every_rule_says_in_chinese_what_is_wrong():
    assert [id_ for id_, rule in CATALOGUE.items() if WORDS[id_] not in rule.message_zh] == []


def test_every_rule_has_its_own_bit():
    assert all(bit & (bit - 1) == 0 for bit in BITS.values())
    assert len(set(BITS.values())) == len(CATALOGUE)


def test_the_failing_row_breaks_its_rule_alone_and_the_passing_row_none(hits):
    passing, failing = hits([rule.passes for rule in RECORD_RULES]), hits([rule.fails for rule in RECORD_RULES])
    for rule, passed, failed in zip(RECORD_RULES, passing, failing, strict=True):
        assert rule.id not in passed, rule.id
        # a source with dates has no use for the rule of sources that give years only
        assert failed - ({"D01Y"} if rule.id != "D01Y" else set()) == {rule.id}, rule.id


BOUNDARIES = [
    ("D02", {"admission_date": dt.date(2022, 5, 10)}, False),
    ("D02", {"admission_date": dt.date(2022, 5, 11)}, True),
    ("D05", {"admission_date": dt.date(1990, 1, 1)}, False),
    ("D05", {"admission_date": dt.date(1989, 12, 31)}, True),
    ("D05", {"discharge_date": dt.date(2024, 12, 31)}, False),  # the span ends in 2023
    ("D05", {"discharge_date": dt.date(2025, 1, 1)}, True),
    ("D04", {"year": 2023}, False),
    ("D04", {"year": 2024}, True),
    ("D04", {"year": 2021}, True),
    ("D08", {"los_days": 60}, False),
    ("D08", {"los_days": 61}, True),
    ("C04", {"cost_fen": 500}, False),
    ("C04", {"cost_fen": 499}, True),
    ("C04", {"cost_fen": 200_000_000}, False),
    ("C04", {"cost_fen": 200_000_001}, True),
    ("C04", {"cost_fen": 0}, False),  # that is C01
    ("C01", {"cost_fen": 0}, True),
    ("C01", {"cost_fen": -1}, True),
    ("C01", {"cost_fen": None}, True),
    ("C01", {"cost_fen": 1}, False),
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
    *[("D01", {"raw_discharge_date": raw, "discharge_date": None, "year": None}, True)
      for raw in ("2023-02-30", "00000000", "20230230", None, "2023-01-05 24:00", "去年")],
    *[("D06", {"raw_discharge_date": raw, "discharge_date": None, "year": None}, True)
      for raw in ("01/02/2023", "45000", "45000.5", "5-1-23")],
    *[("D06", {"raw_admission_date": raw, "admission_date": None}, False) for raw in ("00000000", "2023-02-30", None)],
    *[("D01", {"raw_admission_date": raw, "admission_date": None}, False) for raw in ("01/02/2023", "45000")],
]  # fmt: skip


def test_boundaries(hits):
    found = hits([values for _, values, _ in BOUNDARIES])
    wrong = [(id_, values) for (id_, values, hit), ids in zip(BOUNDARIES, found, strict=True) if (id_ in ids) != hit]
    assert wrong == []
