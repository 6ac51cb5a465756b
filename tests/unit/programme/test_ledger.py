"""台账 on SQLite and on a real PostgreSQL server: nothing is changed, nothing is lost, whoever tries is seen. 合成数据."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from toolkit.errors import EvaluationError, InputError, ParameterError
from toolkit.programme.ledger import NOTE, Head, Ledger
from toolkit.programme.states import states

TIME = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/台账.sqlite"
        return
    server = request.getfixturevalue("postgresql")
    yield server
    engine = sqlalchemy.create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS ledger_entries"))
    engine.dispose()


@pytest.fixture
def ledger(address) -> Iterator[Ledger]:
    one = Ledger(address)
    yield one
    one.close()


def funded(ledger: Ledger, project: str = "A-s1") -> None:
    for end, role, why in (
        ("applied", "hospital", ""),
        ("screened", "county", ""),
        ("reviewed", "panel", ""),
        ("funded", "commission", "评审得分与名额"),
    ):
        ledger.move(project, end, role=role, who="示例", why=why)


def test_entries_stand_in_a_chain_and_say_who_when_why_and_what(ledger):
    funded(ledger)
    entries = list(ledger.entries())
    assert [e.number for e in entries] == [1, 2, 3, 4]
    assert [e.before for e in entries] == ["0" * 64, *(e.hash for e in entries[:-1])]
    assert entries[3].why == "评审得分与名额"
    assert entries[3].content == {"to": "funded"}
    assert ledger.verify() == []
    assert ledger.head() == Head(number=4, hash=entries[3].hash)
    assert ledger.state_of("A-s1") == "funded"
    assert ledger.state_of("B-s1") == ""


@pytest.mark.parametrize(
    "change", ["UPDATE ledger_entries SET why = 'x' WHERE number = 2", "DELETE FROM ledger_entries"]
)
def test_the_database_refuses_to_change_or_delete(ledger, address, change):
    funded(ledger)
    engine = sqlalchemy.create_engine(address)
    with pytest.raises(sqlalchemy.exc.DatabaseError, match="append only"), engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    assert ledger.verify() == []


def tampered(address: str, *statements: str) -> None:
    """As somebody with all rights on the database would do it: guards away, then the rows."""
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for guard in ("ledger_no_update", "ledger_no_delete"):
                connection.execute(text(f"DROP TRIGGER {guard}"))
        else:
            connection.execute(text("ALTER TABLE ledger_entries DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE ledger_entries SET why = '别的理由' WHERE number = 4", "第 4 条的内容与其哈希不符"),
        ("UPDATE ledger_entries SET who = '另一人' WHERE number = 2", "第 2 条的内容与其哈希不符"),
        ("DELETE FROM ledger_entries WHERE number = 3", "第 3 条缺失"),
        ("DELETE FROM ledger_entries WHERE number = 1", "第 1 条缺失"),
    ],
)
def test_a_broken_chain_names_the_entry(ledger, address, statement, says):
    funded(ledger)
    tampered(address, statement)
    assert any(says in fault for fault in ledger.verify())


def test_a_ledger_cut_off_at_its_end_or_written_anew_does_not_hold_the_sealed_head(ledger, address):
    funded(ledger)
    sealed = ledger.head()
    assert ledger.verify(sealed) == []
    tampered(address, "DELETE FROM ledger_entries WHERE number = 4")
    assert ledger.verify() == []  # the chain by itself does not know
    assert ledger.verify(sealed) == ["封存时的第 4 条不在台账内或已不同"]
    ledger.move("A-s1", "funded", role="commission", why="另一理由")
    assert ledger.verify() == []
    assert ledger.verify(sealed) == ["封存时的第 4 条不在台账内或已不同"]


def test_a_step_that_the_table_does_not_allow_is_refused_and_nothing_is_written(ledger):
    ledger.move("A-s1", "applied", role="hospital")
    with pytest.raises(EvaluationError, match=r"不能从“申报”到“立项”[\s\S]*初审、未立项"):
        ledger.move("A-s1", "funded", role="commission", why="x")
    with pytest.raises(EvaluationError, match=r"医疗机构 无权[\s\S]*县级卫生健康行政部门"):
        ledger.move("A-s1", "screened", role="hospital")
    with pytest.raises(EvaluationError, match="须写明理由"):
        ledger.move("A-s1", "refused", role="commission", why="  ")
    with pytest.raises(EvaluationError, match="没有角色"):
        ledger.move("A-s1", "screened", role="visitor")
    assert ledger.head().number == 1


def test_a_correction_is_an_entry_that_takes_another_back(ledger):
    funded(ledger)
    ledger.append(kind="correction", role="commission", project="A-s1", why="误录", content={"corrects": 4})
    assert ledger.state_of("A-s1") == "reviewed"
    assert ledger.head().number == 5
    for content, why in (({"corrects": 99}, "x"), ({}, "x"), ({"corrects": 3}, "")):
        with pytest.raises(EvaluationError, match="更正须写明"):
            ledger.append(kind="correction", role="commission", project="A-s1", why=why, content=content)


def test_a_correction_takes_back_what_is_its_own_and_can_be_taken_back(ledger):
    funded(ledger)
    funded(ledger, "B-s1")
    with pytest.raises(EvaluationError, match="第 4 条是A-s1的，不是B-s1的"):
        ledger.append(kind="correction", role="commission", project="B-s1", why="误录", content={"corrects": 4})
    ledger.append(kind="correction", role="commission", project="A-s1", why="误录", content={"corrects": 4})
    ledger.append(kind="correction", role="commission", project="A-s1", why="原来不误", content={"corrects": 9})
    assert ledger.state_of("A-s1") == "funded"
    assert ledger.state_of("B-s1") == "funded"


def test_several_entries_are_written_together_or_none_and_others_wait(ledger, address):
    def fails(role: str) -> None:
        with ledger.entering() as enter:
            enter(kind=NOTE, role="commission")
            enter(kind=NOTE, role=role)
            raise OSError("the file's disk is full")

    for role, error, says in (("visitor", EvaluationError, "没有角色"), ("commission", OSError, "disk")):
        with pytest.raises(error, match=says):
            fails(role)
    assert ledger.head().number == 0
    with ledger.entering() as enter:
        enter(kind=NOTE, role="commission", who="甲")
        other = subprocess.Popen([sys.executable, "-c", WRITER, address, "乙"], stderr=subprocess.PIPE, text=True)
        enter(kind=NOTE, role="commission", who="甲")
    assert other.communicate(timeout=120)[1] == ""
    assert [e.who for e in ledger.entries()] == ["甲"] * 2 + ["乙"] * 20
    assert ledger.verify() == []


def test_a_statement_of_a_hospital_has_a_class(ledger):
    ledger.append(
        kind="statement", role="hospital", project="A-s1", why="上报口径有误", content={"class": "data_error"}
    )
    with pytest.raises(EvaluationError, match="归类"):
        ledger.append(kind="statement", role="hospital", project="A-s1", content={"class": "weather"})


def test_a_clock_that_goes_backwards_is_refused(ledger):
    ledger.append(kind=NOTE, role="commission", at=TIME)
    with pytest.raises(EvaluationError, match="时钟早于"):
        ledger.append(kind=NOTE, role="commission", at=TIME - timedelta(hours=1))
    # clocks of two machines differ by a moment: the entry stands, not before the one before
    assert ledger.append(kind=NOTE, role="commission", at=TIME - timedelta(seconds=2)).at == TIME.isoformat(
        timespec="microseconds"
    )
    assert ledger.verify() == []


WRITER = """
import sys
from toolkit.programme.ledger import Ledger
one = Ledger(sys.argv[1])
for k in range(20):
    one.append(kind="note", role="commission", who=sys.argv[2], content={"k": k})
"""


def test_two_writers_at_once_write_one_chain(address):
    Ledger(address).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, address, name], stderr=subprocess.PIPE, text=True)
        for name in "甲乙"
    ]
    assert [(w.communicate(timeout=120)[1], w.returncode) for w in writers] == [("", 0), ("", 0)]
    ledger = Ledger(address)
    entries = list(ledger.entries())
    assert [e.number for e in entries] == list(range(1, 41))
    assert {e.who for e in entries} == {"甲", "乙"}
    assert ledger.verify() == []
    ledger.close()


def test_a_file_that_is_no_database_and_a_server_that_is_not_there(tmp_path):
    (tmp_path / "x.sqlite").write_text("no database " * 100)
    with pytest.raises(InputError, match="台账打不开"):
        Ledger(tmp_path / "x.sqlite")
    with pytest.raises(InputError) as caught:
        Ledger("postgresql+psycopg://user:geheim@127.0.0.1:9/nowhere")
    assert "geheim" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)
    with pytest.raises(InputError, match="缺少数据库的驱动程序 pg8000") as caught:  # none of this project's
        Ledger("postgresql+pg8000://user:geheim@127.0.0.1:9/nowhere")
    assert "geheim" not in str(caught.value)


def test_the_shipped_table_has_every_state_of_the_programme():
    titles = {one.title for one in states().states}
    assert {"申报", "初审", "评审", "立项", "年度监测", "期末评估", "整改", "复核", "挂牌", "终止"} <= titles


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("begin: screened, end: reviewed", "begin: screened, end: reviewd", "reviewd"),
        ("  - {end: applied, roles: [hospital, county]}\n", "", "到不了"),
        ("roles: [panel]}", "roles: [panle]}", "panle"),
        ("title: 挂牌, final: true", "title: 挂牌", "没有下一步"),
    ],
)
def test_a_table_with_a_hole_is_refused(tmp_path, old, new, says):
    shipped = Path(__file__).parents[3] / "params" / "rules" / "project-states.yaml"
    path = tmp_path / "states.yaml"
    path.write_text(shipped.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ParameterError, match=says):
        states(path)


def test_what_an_entry_holds_is_hashed_whole(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite")
    entry = ledger.append(kind=NOTE, role="commission", who="示例", content={"票": [1, 2], "a": None}, at=TIME)
    told = {
        "at": "2026-01-05T09:00:00.000000+00:00",
        "before": "0" * 64,
        "content": {"a": None, "票": [1, 2]},
        "kind": "note",
        "number": 1,
        "project": "",
        "role": "commission",
        "who": "示例",
        "why": "",
    }
    by_hand = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    assert entry.hash == hashlib.sha256(by_hand).hexdigest()
