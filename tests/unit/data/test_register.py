"""The register of submissions: what is mended and sent again takes the place of what it mends, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from toolkit.data.accounts.register import Register, read_register, tables, write_register
from toolkit.data.accounts.settling import Settled, enter, settle
from toolkit.data.reading.files import SourceFile
from toolkit.errors import InputError

MAY, JUNE, JULY = "2025-05-01", "2025-06-01", "2025-07-01"
YEAR = {f"2022-{m:02}": 10 for m in range(1, 13)}
HALF = {f"2022-{m:02}": 10 for m in range(1, 7)}
REST = {f"2022-{m:02}": 10 for m in range(7, 13)}
FEW = {f"2022-{m:02}": 1 for m in range(1, 13)}


def after(register: Register, day: str, **files: dict[str, dict[str, int]]) -> tuple[Register, Settled]:
    """Files by name, each with records by hospital and month; content is what the records are."""
    sources, periods, counts = [], [], []
    for number, (name, parts) in enumerate(files.items()):
        sources.append(SourceFile(number=number, path=Path(f"{name}.csv"), sha256=name.split("_again")[0], received=1))
        for hospital, months in parts.items():
            periods += [(number, hospital, month, n) for month, n in months.items()] + [(number, hospital, "", 1)]
            counts += [
                (number, hospital, "fate", "accepted", sum(months.values())),
                (number, hospital, "rule", "D01", len(name)),
            ]
    frame = pd.DataFrame(periods, columns=["file", "hospital", "period", "n"])
    settled = settle(register, sources, frame, day)
    table = pd.DataFrame(
        [
            {
                "file": s.number,
                "name": s.path.name,
                "sha256": s.sha256,
                "size": 1,
                "rejected": settled.files.get(s.number, ""),
            }
            for s in sources
        ]
    )
    found = pd.DataFrame(counts, columns=["file", "hospital", "kind", "what", "n"])
    return enter(register, table, frame, found, settled, day), settled


def standing(register: Register) -> set[tuple[str, str]]:
    return {(s.name, h) for s in register.submissions if not s.refused for h, p in s.parts.items() if not p.replaced_by}


@pytest.fixture
def may(tmp_path):
    return after(Register(path=tmp_path / "register.json"), MAY, old={"H1": YEAR})[0]


def test_a_mended_file_takes_the_place_of_the_old_one_and_both_stay_in_the_history(may):
    june, settled = after(may, JUNE, old={"H1": YEAR}, mended={"H1": YEAR})
    assert settled.files == {0: f"已被后来报送的 mended.csv（{JUNE} 收到）替代"}
    assert standing(june) == {("mended.csv", "H1")}
    assert [(s.name, s.arrived) for s in june.submissions] == [("old.csv", MAY), ("mended.csv", JUNE)]
    assert june.submissions[0].parts["H1"].rules == {"D01": 3}
    again, settled = after(june, JULY, old={"H1": YEAR}, mended={"H1": YEAR})
    assert (again.submissions, set(settled.files)) == (june.submissions, {0})  # the day of a later run changes nothing


def test_the_order_of_files_does_not_matter_only_their_day(may):
    _, settled = after(may, JUNE, a_mended={"H1": YEAR}, old={"H1": YEAR})
    assert set(settled.files) == {1}


def test_the_old_file_may_be_gone(may):
    june, settled = after(may, JUNE, mended={"H1": YEAR})
    assert settled.files == {}
    assert standing(june) == {("mended.csv", "H1")}


def test_each_mends_the_one_before(may):
    june, _ = after(may, JUNE, mended={"H1": YEAR})
    july, settled = after(june, JULY, old={"H1": YEAR}, mended={"H1": YEAR}, once_more={"H1": YEAR})
    assert set(settled.files) == {0, 1}
    replaced = {s.name: s.parts["H1"].replaced_by for s in july.submissions}
    assert replaced == {"old.csv": "mended", "mended.csv": "once_more", "once_more.csv": ""}


def test_another_period_or_hospital_replaces_nothing(tmp_path):
    first, _ = after(Register(path=tmp_path / "r"), MAY, half={"H1": HALF})
    both, settled = after(first, JUNE, half={"H1": HALF}, rest={"H1": REST}, other={"H2": HALF})
    assert (settled.files, settled.notes, settled.replaced) == ({}, {}, {})
    assert len(standing(both)) == 3


def test_a_part_of_the_period_is_kept_and_said(may):
    june, settled = after(may, JUNE, old={"H1": YEAR}, half={"H1": HALF})
    assert settled.files == {}
    assert "部分重叠" in settled.notes[1]
    assert len(standing(june)) == 2


def test_a_list_of_corrections_is_not_taken_for_the_mended_file(may):
    june, settled = after(may, JUNE, old={"H1": YEAR}, few={"H1": FEW})
    assert "须重新报送整份文件" in settled.files[1]
    assert standing(june) == {("old.csv", "H1")}
    # nor when the whole file has been moved away, then or later
    assert "未接收" in after(may, JUNE, few={"H1": FEW})[1].files[0]
    assert "未接收" in after(june, JULY, few={"H1": FEW})[1].files[0]


def test_files_of_one_day_never_replace_one_another(tmp_path):
    _, settled = after(Register(path=tmp_path / "r"), MAY, a={"H1": YEAR}, b={"H1": YEAR})
    assert (settled.files, settled.replaced) == ({}, {})


def test_one_hospital_of_a_regional_file_is_replaced_and_the_others_stand(tmp_path):
    region, _ = after(Register(path=tmp_path / "r"), MAY, region={"H1": YEAR, "H2": YEAR})
    june, settled = after(region, JUNE, region={"H1": YEAR, "H2": YEAR}, mended={"H2": YEAR})
    assert settled.files == {}
    assert settled.replaced == {("region", "H2"): "mended"}
    assert standing(june) == {("region.csv", "H1"), ("mended.csv", "H2")}


def test_the_register_is_read_back_as_written_and_says_when_it_is_none(may):
    write_register(may)
    back = read_register(may.path)
    assert back.submissions == may.submissions
    write_register(back)  # unchanged since it was read
    with pytest.raises(InputError, match="另一次运行"):
        write_register(may)  # read before the file existed
    may.path.write_text("{}")
    with pytest.raises(InputError, match="不可读"):
        read_register(may.path)


def test_a_register_that_held_the_words_of_fates_is_read_with_its_numbers(tmp_path):
    path = tmp_path / "register.json"
    part = {"periods": {"2022-03": 9}, "fates": {"纳入": 7, "隔离": 2}, "rules": {"D01": 2}, "replaced_by": ""}
    one = {
        "sha256": "a" * 64,
        "name": "a.csv",
        "size": 9,
        "arrived": "2025-05-01",
        "refused": "",
        "parts": {"0012": part},
    }
    path.write_text(json.dumps({"version": 1, "submissions": [one]}), "utf-8")
    found = read_register(path)
    files, _rules = tables(found)
    assert files[["received", "accepted", "excluded", "quarantined"]].to_numpy().tolist() == [[9, 7, 0, 2]]
    write_register(found)
    stored = json.loads(path.read_text("utf-8"))
    assert stored["version"] == 2
    assert stored["submissions"][0]["parts"]["0012"]["fates"] == {"accepted": 7, "quarantined": 2}
