"""Numbers of kinds with their interval, diseases that are operations, techniques by dated lists, and the TCM page (合成数据)."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import rows

from toolkit.data.lists.code_lists import read_techniques
from toolkit.data.lists.diseases import Disease
from toolkit.errors import InputError
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.runs import pipeline

GROUPS = """
hospital | drg  | cases
A        | FA11 | 2
A        | FB21 | 1
B        | FA11 | 3
B        | FB21 | 1
B        | FC31 | 1
B        | FD41 | 1
"""


def cells_of(engine, text: str, indicators: list[str], **policy) -> pd.DataFrame:
    params = rows.params(indicators=policy) if policy else rows.params()
    referenced = engine.attached(rows.received(text), params)
    chosen = [CATALOGUE[i] for i in indicators]
    return collect(referenced, chosen, ["hospital"], policy=params.indicators).set_index(["hospital", "indicator"])


def test_the_interval_of_a_rarefied_count_is_that_of_another_sample(engine):
    found = cells_of(engine, GROUPS, ["drg_count_rarefied"], rarefied_at=2).loc[("A", "drg_count_rarefied")]
    # of 3 cases 2 are drawn: FA11 is always among them, FB21 in 2 of 3; one kind with one case, one with two: Chao adds none
    value, variance = 1 + 2 / 3, 1**2 + (2 / 3) ** 2 - (1 + 2 / 3) ** 2 / 2
    assert found["value"] == pytest.approx(value)
    assert found["se"] == pytest.approx(math.sqrt(variance))
    assert (found["low"], found["high"]) == pytest.approx(
        (value - 1.959964 * math.sqrt(variance), value + 1.959964 * math.sqrt(variance)), rel=1e-6
    )


def test_the_interval_of_a_plain_count_widens_with_kinds_of_a_single_case(engine):
    found = cells_of(engine, GROUPS, ["drg_count"])
    # B: 4 kinds, three of them with one case and none with two: Chao's estimate 4 + 5/6 · 3·2 / (2·1) = 6.5
    assert found.loc[("B", "drg_count"), "value"] == 4
    assert found.loc[("B", "drg_count"), "se"] == pytest.approx(math.sqrt(4 - 4**2 / 6.5))
    assert found.loc[("A", "drg_count"), "se"] == 0  # nothing points to kinds that were not seen


def test_a_group_with_too_few_cases_is_no_group_that_a_specialty_has(engine):
    found = cells_of(engine, GROUPS, ["drg_count"], drg_minimum_cases=2)
    assert found["value"].to_dict() == {("A", "drg_count"): 1, ("B", "drg_count"): 1}
    assert found["se"].isna().all()


STAYS = """
hospital | year | principal_diagnosis | principal_procedure | other_procedures | surgical | surgery_level
A        | 2022 | M16.1               | 81.5100             |                  | T        | 4
A        | 2022 | S72.0               | 81.5200             |                  | T        | 4
A        | 2022 | M16.1               | 99.9900             | |81.5100|        | T        | 4
A        | 2022 | I25.1               | 37.2200             | |36.1200|        | T        | 4
A        | 2022 | O82.0               | 74.1x00             |                  | T        | 3
A        | 2022 | O80.0               | 73.5900             |                  | F        |
""".replace("| |81.5100|  ", "| ^81.5100^  ").replace("| |36.1200|  ", "| ^36.1200^  ")
TECHNIQUES = """technique,code,valid_from,valid_to
介入,37.2200,2020,
内镜,81.5100,2020,2021
内镜,45.2300,2022,
日间,81.5200,2020,
"""
ITEMS = """组织机构代码 病案号 住院次数 出生日期 入院时间 出院时间 总费用 离院方式 入院途径 性别 出院科别 治疗类别
主要诊断编码 其他诊断编码1 手术及操作编码1 手术级别1 中医治疗 中成药费 中草药费 西药费 DRG"""
PAGES = """Z001,1,1,1960-01-01,2022-03-01 08:00:00,2022-03-09 08:00:00,4000,1,2,女,骨伤科,1.1,M51.1,I10.x00,,,1000,200,300,100,IU21
Z001,2,1,1950-05-01,2022-04-01 08:00:00,2022-04-05 08:00:00,6000,1,2,男,骨伤科,2,S72.0,,81.5200,4,0,0,100,900,IC21
Z001,3,1,1970-05-01,2022-05-01 08:00:00,2022-05-04 08:00:00,2000,1,2,男,骨伤科,3,M54.5,,,,200,50,50,0,IU21
Z001,4,1,1970-05-01,2022-06-01 08:00:00,2022-06-04 08:00:00,3000,5,1,男,骨伤科,-,M54.5,,,,,,,0,IU21
"""


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_hand")
    frame = rows.received(STAYS, sex="2", age_years="35")
    frame["other_procedures"] = frame["other_procedures"].str.replace("^", "|")
    (folder / "in.csv").write_bytes(rows.csv_of(frame))
    (folder / "techniques.csv").write_text(TECHNIQUES, encoding="utf-8")
    params = rows.params(
        files=(str(folder / "in.csv"),),
        indicators={"techniques": str(folder / "techniques.csv")},
        minimum_value_cases=1,
    )
    return pipeline.evaluate(params, folder / "run")


def value_of(results, indicator: str) -> float:
    cells = results.cells
    rows_ = cells[
        (cells["level"] == "unit")
        & (cells["basis"] == "contemporaneous")
        & (cells["period"] == "2022")
        & (cells["indicator"] == indicator)
    ]
    return float(rows_["value"].iloc[0])


def test_diseases_that_are_operations_are_told_by_the_procedure(evaluated):
    found = evaluated.diseases
    volume = found[
        (found["level"] == "hospital")
        & (found["basis"] == "contemporaneous")
        & (found["period"] == "2022")
        & (found["indicator"] == "disease_volume")
    ].set_index("disease")["value"]
    # the hip as a further procedure is no hip replacement, the bypass as one is: its set says any procedure
    assert volume.reindex(["hip_replacement", "cabg", "caesarean", "hip_fracture"]).tolist() == [2, 1, 1, 1]


def test_a_disease_may_ask_for_both_and_is_refused_with_neither():
    assert Disease(id="x", name_zh="x", diagnoses=["O82"], procedures=["74.1"]).prefixes == ("O82",)
    with pytest.raises(ValueError, match="procedures"):
        Disease(id="x", name_zh="x")
    with pytest.raises(ValueError, match="drgs"):
        Disease(id="x", name_zh="x", drgs=["FA1"], procedures=["74.1"])


def test_techniques_are_told_by_the_list_of_the_year(evaluated):
    assert value_of(evaluated, "interventional_share") == pytest.approx(100 / 6)
    assert value_of(evaluated, "endoscopic_share") == 0  # 81.51 was on the list until 2021
    cells = evaluated.cells
    assert set(cells.loc[cells["indicator"] == "puncture_share", "status"]) == {
        "not_applicable"
    }  # there is no list of it
    assert "介入、内镜、日间" in evaluated.facts.lists["技术目录"]


def test_an_unknown_technique_is_refused_with_its_line(tmp_path):
    (tmp_path / "t.csv").write_text("technique,code,valid_from,valid_to\n机器人,17.4,2020,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.csv:2"):
        read_techniques(tmp_path / "t.csv", [2022])


def test_the_page_of_a_tcm_hospital_gives_its_shares_beside_the_others(tmp_path):
    (tmp_path / "pages.csv").write_text(",".join(ITEMS.split()) + "\n" + PAGES, encoding="utf-8")
    specialties = [{"id": "bone", "name_zh": "骨伤科", "departments": ["骨伤科"]}]
    params = rows.params(
        files=(str(tmp_path / "pages.csv"),), format="front-page-tcm", specialties=specialties, minimum_value_cases=1
    )
    results = pipeline.evaluate(params, tmp_path / "run")
    assert value_of(results, "volume") == 4
    assert value_of(results, "tcm_fee_share") == pytest.approx(100 * (1000 + 0 + 200) / (4000 + 6000 + 2000))
    assert value_of(results, "chinese_drug_share") == pytest.approx(100 * (500 + 100 + 100) / (4000 + 6000 + 2000))
    assert value_of(results, "tcm_treated_share") == pytest.approx(100 / 3)  # one of the three whose kind is given
    assert value_of(results, "mean_cost") == (4000 + 6000 + 2000 + 3000) / 4
