"""Hospitals that fill in one template, each writing days and amounts in its own way: one that nobody can read costs itself. 合成数据."""

from __future__ import annotations

import datetime as dt

import pytest

from toolkit.data.reading.survey import Role, survey
from toolkit.runs.asked import quiet
from toolkit.runs.setting_up import set_up

HEADER = "医院编号,住院号,入院日期,出院日期,总费用,离院方式,性别,年龄,出院科别,主要诊断编码,DRG"
BEGIN = dt.date(1899, 12, 30)
WAYS = {
    "iso": lambda day: day.isoformat(),
    "figures": lambda day: f"{day:%Y%m%d}",
    "serial": lambda day: str((day - BEGIN).days),
    "day first": lambda day: f"{day:%d/%m/%Y}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template") / "in"
    folder.mkdir()
    for place, (name, write) in enumerate(WAYS.items()):
        rows = [HEADER]
        for n in range(40):
            out = dt.date(2019 + n % 6, 1 + n % 12, 1 + n % 28)
            cells = [f"010{place}", f"{n:06}", write(out - dt.timedelta(days=5)), write(out), f"{9000 + n * 7.1:.2f}"]
            cells += ["死亡" if n == 7 else "医嘱离院", "男女"[n % 2], str(30 + n), "0304", "I21.900", "FR23"]
            rows.append(",".join(cells))
        (folder / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_the_readable_ones_are_records_and_the_other_is_named(folder, tmp_path):
    found = survey(folder, tmp_path, quiet)
    records = sorted(table.name for kind in found.of(Role.RECORDS) for table in kind.tables)
    assert records == ["figures.csv", "iso.csv", "serial.csv"]
    assert [table.name for kind in found.of(Role.OTHER) for table in kind.tables] == ["day first.csv"]


def test_what_is_told_says_why(folder):
    made = set_up(folder, folder.parent / "mine.yaml", quiet)
    assert [line for line in made.said if "day first.csv" in line and "先后不能确定" in line]
    assert "病例 120 例，机构 3 家" in "".join(made.said)
