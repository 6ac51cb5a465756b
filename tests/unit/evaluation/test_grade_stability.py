"""Share of cases whose grade is stable, by hand, and what units without it are spared. All data are 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit.evaluation.grade_stability import BY_GRADE, grade_stability, without_unstable
from toolkit.evaluation.holds import UNSTABLE_GRADES, by_deaths, by_grades, held, no_holds
from toolkit.reference import Referenced

PARAMS = rows.params(cycles=rows.CYCLES)
# grade, then the chance that it would come out again
CHANCES = {"G1": (1, 0.95), "G2": (2, 0.79), "G3": (3, 0.8)}


def referenced() -> Referenced:
    counts = [
        ("A", "s1", "G1", 30),
        ("A", "s1", "G2", 70),
        ("A", "s2", "G3", 50),
        ("B", "s1", "G1", 40),
        ("B", "s1", "GX", 99),
    ]
    frame = pd.DataFrame(counts, columns=["hospital", "specialty", "drg", "died_n"]).assign(year=2020, cycle="before")
    frame["risk_grade"] = frame["drg"].map({d: float(g) for d, (g, _) in CHANCES.items()})
    return Referenced(basis="frozen", frame=frame, grades=pd.DataFrame(), insufficient={})


def grades() -> pd.DataFrame:
    table = pd.DataFrame({"basis": "frozen", "window": "frozen", "drg": list(CHANCES), "grade": [1.0, 2.0, 3.0]})
    for number in range(5):
        table[f"p{number}"] = [p if g == number else 1 - p for g, p in CHANCES.values()]
    return table


@pytest.fixture
def stability() -> pd.DataFrame:
    return grade_stability({"frozen": referenced()}, grades(), PARAMS)


def test_a_case_counts_as_stable_where_its_drgs_grade_comes_again_often_enough(stability):
    of_all = stability[(stability["period"] == "before") & (stability["indicator"] == "")]
    found = of_all.set_index(["level", "hospital", "specialty"])
    assert found.loc[("unit", "A", "s1"), ["n", "stable", "share", "enough"]].tolist() == [100, 30, 0.3, False]
    assert found.loc[("unit", "A", "s2"), ["n", "stable", "share", "enough"]].tolist() == [50, 50, 1.0, True]
    assert found.loc[("unit", "B", "s1"), ["n", "stable"]].tolist() == [40, 40]  # GX is not graded
    assert found.loc[("hospital", "A", ""), ["n", "stable"]].tolist() == [150, 80]
    assert found.loc[("region", "", ""), ["n", "stable", "share"]].tolist() == [190, 120, pytest.approx(120 / 190)]


def test_a_rate_is_asked_for_the_grades_that_it_counts(stability):
    unit = stability[
        (stability["level"] == "unit") & (stability["period"] == "before") & (stability["hospital"] == "A")
    ]
    found = unit[unit["specialty"] == "s1"].set_index("indicator")[["n", "stable"]]
    assert found.loc["low_risk_mortality"].tolist() == [30, 30]
    assert found.loc["mid_low_risk_mortality"].tolist() == [70, 0]
    assert found.loc["low_or_mid_low_risk_mortality"].tolist() == [100, 30]
    assert "high_risk_survival" not in found.index  # no case of grade 4


def cells() -> pd.DataFrame:
    rate = {
        "period": "before",
        "basis": "frozen",
        "n": 70,
        "x": 2.0,
        "y": 70.0,
        "value": 2 / 70,
        "se": 0.1,
        "low": 0.01,
        "high": 0.2,
    }
    of_unit = {"level": "unit", "hospital": "A", "specialty": "s1", "status": "value", **rate}
    return pd.DataFrame(
        [
            {**of_unit, "indicator": "mid_low_risk_mortality"},
            {**of_unit, "indicator": "mortality"},
            {**of_unit, "indicator": "mid_low_risk_mortality", "level": "hospital", "specialty": ""},
        ]
    )


def test_a_unit_without_stable_grades_keeps_its_counts_and_loses_its_rate(stability):
    found = without_unstable(cells(), stability)
    rate, plain, hospital = (row for _, row in found.iterrows())
    assert np.isnan(rate[["value", "se", "low", "high"]].astype(float)).all()
    assert rate[["x", "y", "n", "status"]].tolist() == [2.0, 70.0, 70, "unstable"]
    assert plain["status"] == "value"
    assert hospital["value"] == 2 / 70


def test_only_rates_by_grade_depend_on_grades():
    assert BY_GRADE["mid_low_risk_mortality"] == (2,)
    assert BY_GRADE["low_or_mid_low_risk_mortality"] == (1, 2)
    assert BY_GRADE["high_risk_survival"] == (4,)
    assert not {"mortality", "mortality_ratio", "cmi", "cost_index"} & set(BY_GRADE)


def test_with_grades_from_a_table_there_is_nothing_to_draw(tmp_path):
    (tmp_path / "g.csv").write_text("drg,grade\nG1,1\n")
    params = rows.params(cycles=rows.CYCLES, risk_grades={"file": str(tmp_path / "g.csv")})
    assert grade_stability({"frozen": referenced()}, grades(), params).empty


def test_changes_by_unstable_grades_are_not_judged_and_others_are(stability):
    holds = by_grades(stability, ["before", "after"])
    keys = pd.DataFrame(
        [("A", "s1", "mid_low_risk_mortality"), ("A", "s1", "mortality"), ("A", "s2", "mid_low_risk_mortality")],
        columns=["hospital", "specialty", "indicator"],
    )
    found = pd.DataFrame({"verdict": "worse", "reason": "worse", "reason_zh": "…"}, index=range(3))
    made = held(found, keys, holds)
    assert made["verdict"].tolist() == ["not_judged", "worse", "worse"]
    assert made["reason"].tolist() == [UNSTABLE_GRADES, "worse", "worse"]
    assert made["reason_zh"][0] == "所计病例中分级稳定的仅占 0%，按例数与 O/E 看"


def test_a_hold_on_all_indicators_spares_what_is_not_judged_already():
    keys = pd.DataFrame({"hospital": "A", "specialty": "s1", "indicator": ["cmi", "mortality"]})
    found = pd.DataFrame(
        {"verdict": ["improved", "not_judged"], "reason": ["better", "few_cases"], "reason_zh": ["a", "b"]}
    )
    holds = pd.DataFrame([("A", "s1", "", "undecided", "data_break", "数据断点")], columns=no_holds().columns)
    assert held(found, keys, holds)["reason"].tolist() == ["data_break", "few_cases"]
    pd.testing.assert_frame_equal(held(found, keys, no_holds()), found)


def test_where_nothing_could_be_graded_the_reason_is_the_deaths_and_not_a_missing_value():
    units = pd.DataFrame({"hospital": ["A"], "specialty": ["s"]})
    holds = by_deaths({"before": "参照死亡 182 例，少于 200 例"}, units)
    keys = pd.DataFrame({"hospital": "A", "specialty": "s", "indicator": ["mid_low_risk_mortality", "mortality"]})
    found = pd.DataFrame(
        {"verdict": "not_judged", "reason": "no_value", "reason_zh": "建设前或建设周期没有值"}, index=[0, 1]
    )
    told = held(found, keys, holds)
    assert list(told["reason"]) == ["ungraded", "no_value"]
    assert told["reason_zh"][0] == "参照死亡 182 例，少于 200 例，不能给 DRG 分级"
    assert by_deaths({}, units).empty


def test_time_brings_no_value_of_what_neither_period_has():
    keys = pd.DataFrame({"hospital": "A", "specialty": "s", "indicator": ["cmi", "drug_share"]})
    found = pd.DataFrame({"verdict": "not_judged", "reason": "no_value", "reason_zh": "没有值"}, index=[0, 1])
    holds = pd.DataFrame([("A", "s", "", "undecided", "in_progress", "周期已过 19%")], columns=no_holds().columns)
    told = held(found, keys, holds, pd.Series([True, False]))
    assert list(told["reason"]) == ["in_progress", "no_value"]
