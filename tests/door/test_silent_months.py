"""Months without a case of a specialty or of one of its departments, though the hospital sent others. 合成数据."""

from __future__ import annotations

import pytest
from doors import checked

SPECIALTIES = [
    {"id": "cardiology", "name_zh": "心内", "departments": ["03.04", "心内二病区"]},
    {"id": "surgery", "name_zh": "普外", "departments": ["04.01"], "surgical": True},
    {"id": "rare", "name_zh": "整形", "departments": ["19"]},
]


def rows(department: str, year: int, month: int, n: int) -> list[str]:
    return [f"0001,{year},{month},5,{1000 + i},0,FA11,{department}" for i in range(n)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Two years of 20 cases of surgery a month; cardiology is missing where its department has another name (心脏中心)."""
    lines = ["hospital,year,month,los_days,cost_fen,died,drg,department"]
    for year in (2022, 2023):
        for month in range(1, 13):
            if (year, month) == (2022, 7):
                continue  # nothing at all came: a finding of the hospital
            lines += rows("04.01", year, month, 20)
            renamed = (2022, 12) <= (year, month) <= (2023, 2)
            lines += rows("心脏中心" if renamed else "03.04", year, month, 6)
            lines += rows("心内二病区", year, month, 6) if not renamed and (year, month) < (2023, 6) else []
    lines += rows("19", 2022, 3, 2)
    folder = tmp_path_factory.mktemp("silent")
    (folder / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    with checked(folder, format="canonical", specialties=SPECIALTIES) as door:
        warned = door.intake.hospital_warnings
    return warned[warned["rule"] == "D17"].set_index("message")


def test_months_in_a_row_are_one_finding_of_the_specialty(found):
    # 20 months with 12 or 6 cases: 13 of 12, 7 of 6
    [(said, row)] = [(m, r) for m, r in found.iterrows() if m.startswith("专科 心内")]
    assert said.startswith("专科 心内 2022年12月至2023年2月没有病例")
    assert (row["hospital"], row["specialty"], row["year"]) == ("0001", "cardiology", 2022)
    assert row["value"] == pytest.approx((13 * 12 + 7 * 6) / 20 * 3)


def test_a_department_that_ends_while_its_specialty_goes_on_is_named(found):
    # 13 months of 6 cases, of the 16 without the 7 in a row at the end
    said = [m for m in found.index if m.startswith("科别")]
    assert said == ["科别 心内二病区 2023年6月至2023年12月没有病例，按其余月份约应有 34 例，请核实是否漏报或科别更名"]


def test_months_of_which_the_hospital_sent_nothing_and_rare_specialties_are_no_such_finding(found):
    assert not [m for m in found.index if "2022年7月" in m or "整形" in m or "普外" in m]
    assert len(found) == 2
