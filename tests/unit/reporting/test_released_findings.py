"""What the release edition says of findings on units (合成数据): nothing that gives a hidden number back."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.params import DisclosurePolicy
from toolkit.release import findings

POLICY = DisclosurePolicy()


def broken(aspect: str) -> dict[str, object]:
    return {
        "hospital": "A",
        "specialty": "s1",
        "aspect": aspect,
        "year": 2022,
        "point": "",
        "before": 0.8712,
        "after": 1.5431,
        "others": 1.0,
        "deviations": 7.3,
        "n_before": 31,
        "n_after": 44,
        "statement": "",
    }


def cell(period: str, indicator: str, basis: str, n: float, value: float) -> dict[str, object]:
    return {
        "level": "unit",
        "hospital": "A",
        "specialty": "s1",
        "period": period,
        "indicator": indicator,
        "basis": basis,
        "n": n,
        "value": value,
    }


def test_a_break_shows_the_released_values_and_no_other():
    found = pd.DataFrame([broken("cost"), broken("los"), broken("grouping")])
    cells = pd.DataFrame(
        [
            cell("2021", "cost_index", "frozen", 30, 0.87),
            cell("2022", "cost_index", "frozen", 45, 1.54),
            cell("2021", "los_index", "frozen", 30, 0.9),  # that of 2022 is hidden
            cell("2022", "los_index", "frozen", np.nan, np.nan),
            cell("2021", "volume", "contemporaneous", 30, 30),
        ]
    )
    made = findings.breaks(found, cells, POLICY).set_index("aspect")
    assert made.loc["cost", ["before", "after"]].tolist() == [0.87, 1.54]
    assert made.loc["los", "before"] == 0.9
    assert np.isnan(made.loc["los", "after"])
    assert made.loc["grouping", ["before", "after"]].isna().all()  # a share of thirty cases is a count
    assert made["deviations"].isna().all()
    assert made.loc["cost", "n_before"] == 30
    assert made["n_after"].isna().all()


def test_sentences_on_what_holds_a_verdict_back_lose_their_shares():
    words = "所计病例中分级稳定的仅占 37%，按例数与 O/E 看"
    holds = pd.DataFrame(
        {"reason": ["unstable_grades", "in_progress"], "reason_zh": [words, "周期 2022–2024 已过 50%"]}
    )
    assert findings.without_numbers(holds)["reason_zh"].tolist() == [
        "所计病例中分级稳定的低于声明的下限，按 O/E 看",
        "周期 2022–2024 已过 50%",
    ]


def test_how_stable_grades_are_is_a_share_of_many_cases_without_its_counts():
    found = pd.DataFrame({"n": [49, 50], "stable": [20, 33], "share": [20 / 49, 0.664], "enough": [False, True]})
    made = findings.grade_stability(found, POLICY)
    assert made[["n", "stable"]].isna().all(axis=None)
    assert np.isnan(made["share"].iloc[0])
    assert made["share"].iloc[1] == 0.66
    assert made["enough"].tolist() == [False, True]


def test_of_the_signs_of_coding_only_codes_a_case_are_given_out():
    found = pd.DataFrame(
        {
            "sign": ["secondary", "secondary", "died"],
            "count": [333, 12, 9],
            "n": [112, 12, 112],
            "value": [2.97, 1.0, 0.08],
        }
    )
    made = findings.coding_depth(found, POLICY)
    assert made["sign"].tolist() == ["secondary"]
    assert made["n"].tolist() == [110]
    assert made["value"].tolist() == [3.0]
    assert made["count"].isna().all()
