"""Worklists: which line, which rule, what stood there; nothing that says who the patient is, and no formula."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import ibis
import pandas as pd
import pytest
from python_calamine import CalamineWorkbook

from toolkit.data.accounts import spreadsheet, worklist
from toolkit.data.accounts.spreadsheet import defused
from toolkit.data.accounts.submitted import HIDDEN, keep_submitted
from toolkit.data.accounts.worklist import Facts, field_codes, file_stem, write_worklists
from toolkit.data.quality.base import Fate, RuleFacts
from toolkit.data.reading.formats import format_map
from toolkit.engine import connect

COLUMNS = {
    "hospital": ["A01"],
    "record": ["A48"],
    "principal_diagnosis": ["C03C"],
    "sex": ["A12C"],
    "cost_fen": ["D01"],
    "surgery_level": ["C17x01", "C38x01"],
}
TEXT = pd.DataFrame(
    [
        # a slipped row: a name, an identity number, a telephone and an address stand in coded columns
        ("H1", "0001", "张三丰", "110101199003070011", "13800138000", "", "某市某路8号", 1, 2),
        ("H1", "0002", " I21.0 ", "=1+1", "-5", "3", "4", 1, 3),
        ("H1", "0003", "-", "", "1,000.00", "-", "", 1, 4),
        ("H1", "0004", "I10", "1", "5", "1", "1", 1, 5),
        ("H1", "0005", "0571-87654321", "+86 13800138000", "010 12345678", "1", "1", 1, 6),
    ],
    columns=["A01", "A48", "C03C", "A12C", "D01", "C17x01", "C38x01", "file", "line"],
)
FIELDS = ["record", "principal_diagnosis", "sex", "cost_fen", "surgery_level", "age_years"]
YAML = """
id: small
title: 合成格式
fields:
  hospital: {column: A01}
  record: {column: A48}
  year: {column: Y, optional: true}
  sex: {column: A12C}
  principal_diagnosis: {column: C03C}
  cost_fen: {column: D01, scale: 100}
  surgery_level: {columns: [C17x01, C38x*]}
"""
RULES = [
    RuleFacts(id="K03", name="病案号为空", said="病案号为空", fate=Fate.QUARANTINED, scopes=(), fields=("record",)),
    RuleFacts(
        id="P05",
        name="主要诊断",
        said="出院主要诊断编码为空",
        fate=Fate.QUARANTINED,
        scopes=(),
        fields=("principal_diagnosis",),
    ),
    RuleFacts(
        id="C01",
        name="总费用",
        said="住院总费用 {cost_fen} 分，性别 {sex}，病案号 {record}",
        fate=Fate.EXCLUDED,
        scopes=("cost",),
        fields=("cost_fen", "sex"),
    ),
    RuleFacts(id="W01", name="提示", said="请核实", fate=Fate.WARNED, scopes=(), fields=()),
]
FILES = pd.DataFrame(
    {
        "file": [1, 2, 3],
        "name": ["=a.csv", "b.csv", "c.csv"],
        "sha256": ["ab" * 32, "cd" * 32, "ef" * 32],
        "size": [10, 20, 30],
        "rejected": ["", "", "没有数据行"],
    }
)
#        file, line, hospital, fate, rule, rules, pseudonym
MARKED = [
    (1, 2, "H1", "quarantined", "K03", "|K03|W01|", "f" * 16),
    (1, 3, "H1", "accepted", "", "|C01|", "00ff" * 4),
    (1, 4, "H1", "quarantined", "P05", "|P05|", "7" * 16),
    (1, 9, "", "quarantined", "K03", "|K03|", None),
    (2, 2, "=H/2", "accepted", "", "|W01|", "9" * 16),
    (2, 3, "", "quarantined", "K03", "|K03|", None),
    (2, 4, "H1", "accepted", "", "|W01|", "9" * 16),
]
BALANCE = pd.DataFrame(
    [
        (1, "H1", "all", "accepted", "", 5),
        (1, "H1", "all", "quarantined", "K03", 2),
        (1, "", "all", "quarantined", "K03", 1),
        (1, "H1", "cost", "excluded", "C01", 1),
        (1, "H1", "cost", "accepted", "", 4),
        (1, "H1", "cost", "quarantined", "K03", 2),
        (2, "=H/2", "all", "accepted", "", 1),
        (2, "H1", "all", "accepted", "", 1),
        (2, "", "all", "quarantined", "K03", 1),
    ],
    columns=["file", "hospital", "measure", "fate", "rule", "n"],
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def connection(work):
    opened = connect(work, threads=1)
    yield opened
    opened.disconnect()


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    path = tmp_path_factory.mktemp("form") / "map.yaml"
    path.write_text(YAML, encoding="utf-8")
    return format_map(str(path))


@pytest.fixture(scope="module")
def kept(connection, form):
    text = connection.create_table("given", TEXT)
    hit = connection.create_table("hit", TEXT[["file", "line"]].drop(index=3))
    columns = {
        "A01": ["A01"],
        "A48": ["A48"],
        "C03C": ["C03C"],
        "A12C": ["A12C"],
        "D01": ["D01"],
        "C17x01": ["C17x01"],
        "C38x*": ["C38x01"],
    }
    held = keep_submitted(text, hit, FIELDS, columns, form)
    return connection.create_table(
        "kept", held.mutate(typed_cost_fen=ibis.literal("123450"), typed_record=ibis.literal("77"))
    )


@pytest.fixture(scope="module")
def lists(connection, work, kept, form, tmp_path_factory):
    columns = ["file", "line", "hospital", "fate", "rule", "rules", "pseudonym"]
    marked = pd.DataFrame(MARKED, columns=columns).astype({"file": "int32"})
    facts = Facts(rules=RULES, scopes={"cost": "费用类指标"}, codes=field_codes([form]))
    made = []
    for name in ("one", "two"):
        folder = tmp_path_factory.mktemp("lists") / name
        table = connection.create_table(f"marked_{name}", marked)
        summary = write_worklists(
            table, kept, FILES, BALANCE, {"H1": "合成医院", "=H/2": "=合成"}, facts, folder, connection, work
        )
        made.append((folder, summary))
    return made


def read_csv(path):
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(raw.decode("utf-8-sig")))
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_values_are_kept_as_received_for_hit_records_only_and_none_that_identifies(kept):
    found = kept.execute().set_index("line").rename(columns=lambda name: name.removeprefix("held_"))
    assert sorted(found.index) == [2, 3, 4, 6]
    assert found["record"].isna().all()
    assert found.loc[2, ["principal_diagnosis", "sex", "cost_fen", "surgery_level"]].tolist() == [HIDDEN] * 4
    assert found.loc[6, ["principal_diagnosis", "sex", "cost_fen"]].tolist() == [HIDDEN] * 3
    assert found.loc[3, ["principal_diagnosis", "sex", "cost_fen", "surgery_level"]].tolist() == [
        "I21.0",
        "=1+1",
        "-5",
        "3 4",
    ]
    assert found.loc[4, "cost_fen"] == "1,000.00"
    assert found.loc[4, ["principal_diagnosis", "sex", "surgery_level", "age_years"]].isna().all()


def test_one_line_for_every_rule_of_every_record_with_file_line_field_value_and_remedy(lists):
    folder, summary = lists[0]
    rows = read_csv(folder / "H1.csv")
    assert [(r["文件"], r["行号"], r["规则"], r["去向"]) for r in rows] == [
        ("'=a.csv", "2", "规则K03", "隔离"),
        ("'=a.csv", "2", "规则W01", "提示"),
        ("'=a.csv", "3", "规则C01", "排除"),
        ("'=a.csv", "4", "规则P05", "隔离"),
        ("'=a.csv", "9", "规则K03", "隔离"),
        ("b.csv", "4", "规则W01", "提示"),
    ]
    assert [r["填报值"] for r in rows[:4]] == [HIDDEN, "", "D01=-5；A12C==1+1", "（空）"]
    assert (rows[2]["字段代码"], rows[2]["字段名称"]) == ("D01、A12C", "住院总费用、性别")
    assert "改正前本例不进入费用类指标；其余指标照常计入" in rows[2]["办法"]
    assert rows[2]["说明"] == "住院总费用 1,234.50 元，性别 空，病案号 （不显示）"
    assert rows[1]["假名"] == "f" * 16
    assert rows[2]["假名"] == "00ff" * 4
    assert [r["文件SHA-256"] for r in rows[:1]] == ["ab" * 6]
    of_h1 = summary.set_index("hospital").loc["H1"]
    assert of_h1[["quarantined", "excluded", "warned", "listed"]].tolist() == [3, 0, 2, 6]


def test_a_line_without_hospital_goes_to_the_only_hospital_of_its_file_and_else_to_a_list_of_its_own(lists):
    folder, summary = lists[0]
    assert set(summary["csv"]) == {"H1.csv", "unknown.csv", f"{file_stem('=H/2')}.csv"}
    assert [(r["文件"], r["行号"]) for r in read_csv(folder / "unknown.csv")] == [("b.csv", "3")]
    assert [r["文件"] for r in read_csv(folder / "refused_files.csv")] == ["c.csv"]


def test_no_cell_is_a_formula_and_nothing_says_who_the_patient_is(lists):
    folder, _ = lists[0]
    for path in folder.iterdir():
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(path.read_text("utf-8-sig"))) for cell in row]
            text = path.read_text("utf-8-sig")
        else:
            book = CalamineWorkbook.from_path(str(path))
            cells = [
                str(cell)
                for name in book.sheet_names
                for row in book.get_sheet_by_name(name).to_python()
                for cell in row
            ]
            with zipfile.ZipFile(path) as archive:
                text = "".join(archive.read(name).decode() for name in archive.namelist())
            assert re.search(r"<f[ >/]", text) is None
        assert [cell for cell in cells if cell.startswith(spreadsheet.FORMULA)] == []
        for secret in ("张三丰", "110101199003070011", "13800138000", "某路", "87654321", "0001", "0002"):
            assert secret not in text, (path.name, secret)


def test_workbook_and_csv_hold_the_same_and_equal_records_give_equal_bytes(lists):
    (first, _), (second, _) = lists
    book = CalamineWorkbook.from_path(str(first / "H1.xlsx"))
    assert book.sheet_names == ["清单", "汇总"]
    header, *rows = book.get_sheet_by_name("清单").to_python()
    in_csv = read_csv(first / "H1.csv")
    assert tuple(header) == worklist.COLUMNS
    assert [[str(int(c)) if isinstance(c, float) else c for c in row] for row in rows] == [
        list(r.values()) for r in in_csv
    ]
    said = dict(row for row in book.get_sheet_by_name("汇总").to_python())
    assert said["全部病例：收到 = 纳入 + 排除 + 隔离"] == "8 = 6 + 0 + 2"
    assert said["费用类指标：收到 = 纳入 + 排除 + 隔离"] == "7 = 4 + 1 + 2"
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}


def test_a_fault_on_very_many_records_is_listed_in_part_and_said(connection, work, kept, form, tmp_path, monkeypatch):
    monkeypatch.setattr(worklist, "LISTED", 3)
    rows = [(1, i, "H1", "accepted", "", "|W01|", "a" * 16) for i in range(2, 12)] + [
        (1, i, "H1", "quarantined", "P05", "|P05|", "b" * 16) for i in range(12, 22)
    ]
    marked = pd.DataFrame(rows, columns=["file", "line", "hospital", "fate", "rule", "rules", "pseudonym"])
    facts = Facts(rules=RULES, scopes={}, codes=field_codes([form]))
    table = connection.create_table("many", marked.astype({"file": "int32"}))
    write_worklists(table, kept, FILES, BALANCE, {}, facts, tmp_path / "lists", connection, work)
    listed = [r["规则"] for r in read_csv(tmp_path / "lists" / "H1.csv")]
    assert (listed.count("规则W01"), listed.count("规则P05")) == (3, 10)
    book = CalamineWorkbook.from_path(str(tmp_path / "lists" / "H1.xlsx"))
    said = dict(row for row in book.get_sheet_by_name("汇总").to_python())
    assert said["规则W01 提示（提示）"] == "10 例；清单列出前 3 例，同一问题请在导出程序中统一改正"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\ta", "\ra", "＝1"])
def test_text_that_looks_like_a_formula_is_defused_and_numbers_are_not(cell):
    assert defused(cell) == "'" + cell
    assert (defused(-5), defused("1-2"), defused("规则D01")) == (-5, "1-2", "规则D01")


def test_names_of_lists_are_plain_and_distinct():
    stems = [file_stem(code) for code in ("0001", "../x", "..\\x", "机构", "a b", "a_b", "")]
    assert all(re.fullmatch(r"[0-9A-Za-z_-]{1,64}", stem) for stem in stems)
    assert len(set(stems)) == len(stems)
