"""Keyed hashes: the same as a plain computation, secret without the key, kept where nobody else reads."""

from __future__ import annotations

import os
import pickle
import stat
from hashlib import sha256

import ibis
import pandas as pd
import pytest

from toolkit.data.discharge import identity
from toolkit.data.discharge.identity import (
    Key,
    direct_identifiers,
    pseudonym,
    pseudonym_of,
    random_key,
    read_key,
    run_key,
    with_patient,
)
from toolkit.errors import ParameterError

KEY = Key("0123456789abcdef" * 4)
STAYS = [
    ("0012", "000123", "1"),
    ("0012", "000123", "2"),
    ("0013", "000123", "1"),
    ("合成医院", "病案-7", ""),
    ("00", "12000123", "1"),
]


@pytest.fixture
def table(engine):
    def of(rows: list[dict]) -> object:
        absent = {"identity": None, "health_card": None, "hospital": "0012", "record": None, "visit": "1"}
        frame = pd.DataFrame([{**absent, **row} for row in rows]).astype(object)
        schema = ibis.schema(dict.fromkeys(frame.columns, "string"))
        return engine.connection.create_table("persons", frame, schema=schema, overwrite=True)

    return of


def test_an_expression_over_a_table_and_a_plain_key_give_the_same_pseudonym(table):
    given = table([{"hospital": h, "record": r, "visit": v or None} for h, r, v in STAYS])
    found = given.select(
        h=given.hospital, r=given.record, v=given.visit, p=pseudonym(given.hospital, given.record, given.visit, KEY)
    ).execute()
    assert len(found) == len(STAYS)
    for row in found.itertuples():
        visit = "" if row.v is None or row.v != row.v else row.v
        # a third way: the bytes written out
        said = f"{'0123456789abcdef' * 4}stay\u241f{row.h}\u241f{row.r}\u241f{visit}".encode()
        assert row.p == pseudonym_of(f" {row.h} ", row.r, visit, KEY) == sha256(said).hexdigest()[:16]
    assert found["p"].nunique() == len(STAYS)


def test_no_record_number_no_pseudonym(table):
    given = table([{"record": None}, {"record": "1"}])
    assert given.select(p=pseudonym(given.hospital, given.record, given.visit, KEY)).execute()["p"].isna().sum() == 1


def test_another_key_gives_other_pseudonyms_of_the_same_shape():
    one, two = (pseudonym_of("0012", "000123", "1", key) for key in (KEY, random_key()))
    assert one != two
    assert len(one) == len(two) == 16


PERSONS = [
    ("the same number", {"identity": "990101199003074610"}, {"identity": "990101199003074610", "record": "2"}, True),
    ("x and X", {"identity": "99010119900307461x"}, {"identity": "99010119900307461X"}, True),
    ("15 and 18 digits", {"identity": "990101900307461"}, {"identity": "990101199003074618"}, True),
    ("another century", {"identity": "990101900307461"}, {"identity": "990101200003074618"}, False),
    ("another person", {"identity": "990101199003074610"}, {"identity": "990101199003074629"}, False),
    ("number and card alike", {"identity": "990101900307461"}, {"health_card": "990101900307461"}, False),
    ("a passport", {"identity": "e12345678"}, {"identity": "E12345678"}, True),
    (
        "the card where there is no number",
        {"health_card": "C0012345"},
        {"health_card": "C0012345", "record": "9"},
        True,
    ),
    (
        "a filled-in constant is no number",
        {"identity": "0" * 18, "record": "1"},
        {"identity": "0" * 18, "record": "2"},
        False,
    ),
    (
        "a constant card is no card",
        {"health_card": "99999999", "record": "1"},
        {"health_card": "99999999", "record": "2"},
        False,
    ),
    (
        "words are no number",
        {"identity": "不详无法提供", "record": "1"},
        {"identity": "不详无法提供", "record": "2"},
        False,
    ),
    ("the record number in one hospital", {"record": "7", "visit": "1"}, {"record": "7", "visit": "2"}, True),
    ("the record number in two hospitals", {"record": "7"}, {"record": "7", "hospital": "0013"}, False),
]


@pytest.mark.parametrize(("one", "other", "same"), [p[1:] for p in PERSONS], ids=[p[0] for p in PERSONS])
def test_who_is_the_same_patient(table, one, other, same):
    given = table([one, other])
    found = with_patient(given, KEY).execute()["patient"]
    assert found.notna().all()
    assert (found[0] == found[1]) == same


def test_a_patient_of_whom_nothing_is_known_is_none(table):
    given = table([{"record": None}])
    assert with_patient(given, KEY).execute()["patient"].isna().all()


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "speceval" / "keys"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_key_is_kept_for_its_owner_alone_apart_from_the_run_and_does_not_show(tmp_path, state, umask):
    before = os.umask(umask)
    try:
        key = run_key(None, tmp_path / "run")
    finally:
        os.umask(before)
    kept = state / "run.key"
    assert not (tmp_path / "run").exists()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert kept.read_text() == key.text
    assert run_key(None, tmp_path / "run") == key != run_key(None, tmp_path / "another")
    assert key.text not in f"{key!r} {key} {[key]}"
    with pytest.raises(TypeError, match="not to be stored"):
        pickle.dumps(key)


def test_a_key_of_old_beside_the_records_moves_to_its_owners_state(tmp_path, state):
    old = tmp_path / "run" / ".private" / "key"
    old.parent.mkdir(parents=True)
    old.write_text("cd" * 32)
    assert run_key(None, tmp_path / "run").text == "cd" * 32
    assert not old.exists()
    assert (state / "run.key").read_text() == "cd" * 32


def test_a_run_is_asked_for_its_key_by_fingerprint(tmp_path, state):
    key = run_key(None, tmp_path / "run")
    run_key(None, tmp_path / "another")
    assert identity.key_of_fingerprint(key.fingerprint, None) == key
    assert identity.key_of_fingerprint("0" * 64, None) is None
    (tmp_path / "secret").write_text("AB" * 32)
    assert identity.key_of_fingerprint(key.fingerprint, tmp_path / "secret") is None


def test_a_given_key_wins_over_one_that_was_drawn(tmp_path, state):
    run_key(None, tmp_path / "run")
    (tmp_path / "secret").write_text("AB" * 32 + "\n")
    assert run_key(tmp_path / "secret", tmp_path / "run").text == "ab" * 32
    assert run_key(None, tmp_path / "run").text != "ab" * 32  # a given key stays where it was given


@pytest.mark.parametrize("content", ["", "ab" * 31, "ab" * 33, "gg" * 32, "密" * 64])
def test_what_is_no_key_is_refused_and_not_told(tmp_path, content):
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match="64 个十六进制字符") as caught:
        read_key(tmp_path / "secret")
    assert not content or content not in str(caught.value)


def test_direct_identifiers_are_known_in_every_layout():
    header = [
        "A01",
        " a20 ",
        "A11",
        "A48",
        "p13",
        "SFZH",
        "患者姓名",
        "联系人电话",
        "现住址",
        "科室名称",
        "A14",
        "XZZ_XZQH",
    ]
    assert direct_identifiers(header) == [" a20 ", "A11", "p13", "SFZH", "患者姓名", "联系人电话", "现住址"]
