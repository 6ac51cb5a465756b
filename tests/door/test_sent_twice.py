"""One stay in two files without record numbers, in two written forms, is one stay. 合成数据."""

from __future__ import annotations

import random

import pandas as pd
import pytest
from doors import Door, params

from toolkit.runs import pipeline

FORM = """id: {id}
title: 合成格式
fields:
  hospital: {{column: 机构}}
  admission_date: {{column: 入院, dates: ["{dates}"]}}
  discharge_date: {{column: 出院, dates: ["{dates}"]}}
  cost_fen: {{column: 总费用, scale: 100}}
  exit_mode: {{column: 离院方式}}
  died: {{column: 离院方式, "true": ["5"]}}
  sex: {{column: 性别, values: {{男: "1", 女: "2"}}}}
  age_years: {{column: 年龄}}
  department: {{column: 科别}}
  principal_diagnosis: {{column: 诊断}}
{more}
"""
RECORD = """  record: {column: 病案号}
  visit: {column: 次数}
"""


def stays(n: int, seed: int = 1) -> pd.DataFrame:
    """Different stays of 2022, as one hospital writes them."""
    rng = random.Random(seed)
    days = [pd.Timestamp(2022, 1, 1) + pd.Timedelta(days=rng.randrange(300)) for _ in range(n)]
    return pd.DataFrame(
        {
            "机构": "0012",
            "入院": days,
            "出院": [day + pd.Timedelta(days=rng.randint(1, 9)) for day in days],
            "总费用": [f"{rng.lognormvariate(9, 0.5):.2f}" for _ in range(n)],
            "离院方式": "1",
            "性别": [rng.choice("12") for _ in range(n)],
            "年龄": [str(rng.randint(20, 90)) for _ in range(n)],
            "科别": "03.04",
            "诊断": [rng.choice(["I21.900", "I63.900", "I50.900"]) for _ in range(n)],
        }
    )


def written(table: pd.DataFrame, days: str) -> pd.DataFrame:
    return table.assign(**{c: table[c].dt.strftime(days) for c in ("入院", "出院")})


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """100 stays in a text; 40 of them again in a workbook with words and other days; 2 of one price; a numbered file."""
    home = tmp_path_factory.mktemp("twice")
    (home / "plain.yaml").write_text(FORM.format(id="plain", dates="yyyy-MM-dd", more=""), "utf-8")
    (home / "other.yaml").write_text(FORM.format(id="other", dates="yyyy/MM/dd", more=""), "utf-8")
    (home / "numbered.yaml").write_text(FORM.format(id="numbered", dates="yyyy-MM-dd", more=RECORD), "utf-8")
    whole = stays(100)
    package = pd.concat([whole.iloc[[0]]] * 2)  # two patients of one package in one day: no copies of each other
    plain = written(pd.concat([whole, package]), "%Y-%m-%d")
    (home / "全年.csv").write_text(plain.to_csv(index=False), "utf-8")
    again = pd.concat([whole.iloc[20:60], stays(30, seed=2)])
    again = again.assign(
        性别=again["性别"].map({"1": "男", "2": "女"}), 科别="心血管内科", 诊断=again["诊断"].str.lower()
    )
    written(again, "%Y/%m/%d").to_excel(home / "补报.xlsx", index=False, sheet_name="补报")
    numbered = stays(10, seed=3).assign(病案号=[f"00{n}" for n in range(10)], 次数="1")
    numbered = pd.concat([numbered, whole.iloc[:5].assign(病案号=[f"01{n}" for n in range(5)], 次数="1")])
    (home / "有号.csv").write_text(written(numbered, "%Y-%m-%d").to_csv(index=False), "utf-8")
    groups = [("numbered", "有号.csv"), ("plain", "全年.csv"), ("other", "补报.xlsx")]
    sources = [{"format": str(home / f"{form}.yaml"), "files": [str(home / file)]} for form, file in groups]
    given = params(data={"format": "", "files": [], "sources": sources})
    work = tmp_path_factory.mktemp("work")
    return Door(pipeline.check(given, work), work)


def names(door: Door) -> dict[int, str]:
    return {int(number): name for name, number in door.files["file"].items()}


def test_each_stay_of_two_files_counts_once(sent):
    assert sent.received == 15 + 102 + 70
    # 5 of the text have a number in another file; 40 of the workbook stand in the text
    excluded = sent.fates[sent.fates["fate"] == "excluded"]
    found = excluded.groupby([excluded["file"].map(names(sent)), "rule"]).size().to_dict()
    assert found == {("全年.csv", "K12"): 5, ("补报.xlsx", "K12"): 40}
    assert len(sent.store) == 15 + 97 + 30


def test_stays_alike_within_a_file_stay(sent):
    alike = sent.store.groupby([sent.store["file"].map(names(sent)), "cost_fen", "discharge_date", "age_years"]).size()
    # the first stay and the two of its package: one is the numbered one, two are left in the text
    assert alike["全年.csv"].max() == 2
