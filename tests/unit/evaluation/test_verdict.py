"""The table of verdicts, its boundaries, and symmetry of direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ParameterError
from toolkit.evaluation.verdict import MEANING, RULES, Verdict, rules, verdicts
from toolkit.indicators import Direction
from toolkit.params import ChangePolicy
from toolkit.resources import resource

POLICY = ChangePolicy(minimum_cases=100, minimum_important=0.05)
NAN = float("nan")
BETTER, WORSE, SAME, OPEN, NOT = (
    Verdict.IMPROVED,
    Verdict.WORSE,
    Verdict.NO_CHANGE,
    Verdict.UNDECIDED,
    Verdict.NOT_JUDGED,
)


def verdict(estimate, low, high, before, after, direction, policy):
    changes = pd.DataFrame(
        {
            "indicator": ["i"],
            "estimate": [estimate],
            "low": [low],
            "high": [high],
            "n_before": [before],
            "n_after": [after],
        }
    )
    [found] = verdicts(changes, {"i": direction}, policy)["verdict"]
    return Verdict(found)


# estimate, low, high, n before, n after → for an indicator of which lower is better
TABLE = [
    (0.80, 0.70, 0.90, 100, 100, BETTER),
    (1.25, 1.10, 1.40, 100, 100, WORSE),
    (0.80, 0.70, 0.90, 99, 100, NOT),
    (0.80, 0.70, 0.90, 100, 99, NOT),
    (0.99, 0.97, 1.01, 500, 500, SAME),  # includes 1, narrow
    (0.90, 0.80, 1.00, 500, 500, SAME),  # touches 1
    (0.90, 0.80, 0.999, 500, 500, BETTER),
    (1.10, 1.00, 1.20, 500, 500, SAME),
    (1.00, 0.90, 1.10, 500, 500, OPEN),  # could be 5 % better and 5 % worse
    (1.00, 1 / 1.05, 1.10, 500, 500, SAME),  # a worthwhile fall is excluded at the boundary
    (1.00, 0.90, 1.05, 500, 500, SAME),
    (1.00, 0.952, 1.051, 500, 500, OPEN),  # 1/1.05 = 0.95238
    (0.97, 0.96, 0.98, 9000, 9000, SAME),  # sure, and too small to matter
    (1.04, 1.02, 1.06, 9000, 9000, SAME),
    (1.05, 1.02, 1.08, 9000, 9000, WORSE),  # the least change that matters counts
    (1 / 1.05, 0.93, 0.97, 9000, 9000, BETTER),
    (0.953, 0.93, 0.97, 9000, 9000, SAME),
    (NAN, NAN, NAN, 500, 500, OPEN),
    (0.0, NAN, NAN, 500, 500, OPEN),
    (NAN, 1.2, np.inf, 500, 500, WORSE),  # no death before, some after
    (NAN, 0.7, np.inf, 500, 500, OPEN),
    (0.0, 0.0, 0.8, 500, 500, BETTER),
]


@pytest.mark.parametrize(("estimate", "low", "high", "before", "after", "wanted"), TABLE)
def test_the_table(estimate, low, high, before, after, wanted):
    assert verdict(estimate, low, high, before, after, Direction.LOWER, POLICY) is wanted


@pytest.mark.parametrize(("estimate", "low", "high", "before", "after", "wanted"), TABLE)
def test_the_other_direction_swaps_better_and_worse_and_nothing_else(estimate, low, high, before, after, wanted):
    swapped = {BETTER: WORSE, WORSE: BETTER}.get(wanted, wanted)
    assert verdict(estimate, low, high, before, after, Direction.HIGHER, POLICY) is swapped


def test_what_has_no_good_side_is_not_judged():
    assert verdict(0.5, 0.4, 0.6, 500, 500, Direction.NEUTRAL, POLICY) is NOT


def test_without_a_least_change_that_matters_significance_decides():
    policy = ChangePolicy(minimum_cases=1, minimum_important=0.0)
    assert verdict(1.001, 1.0005, 1.002, 9, 9, Direction.HIGHER, policy) is BETTER
    assert verdict(1.0, 0.999, 1.001, 9, 9, Direction.HIGHER, policy) is OPEN


def test_every_row_of_a_table_gets_its_verdict_by_its_own_direction():
    changes = pd.DataFrame(
        {
            "indicator": ["up", "down", "up"],
            "estimate": [1.2, 1.2, 0.8],
            "low": [1.1, 1.1, 0.7],
            "high": [1.3, 1.3, 0.9],
            "n_before": [100, 100, 100],
            "n_after": [100, 100, 99],
        },
        index=[7, 3, 5],
    )
    found = verdicts(changes, {"up": Direction.HIGHER, "down": Direction.LOWER}, POLICY)
    assert found["verdict"].to_dict() == {7: "改善", 3: "变差", 5: "不予评价"}


def test_every_verdict_has_its_reason():
    changes = pd.DataFrame(
        {
            "indicator": ["i", "i"],
            "estimate": [1.0, 1.01],
            "low": [0.8, 1.001],
            "high": [1.2, 1.02],
            "n_before": [500, 500],
            "n_after": [500, 500],
        }
    )
    assert list(verdicts(changes, {"i": Direction.HIGHER}, POLICY)["reason"]) == [
        "区间过宽，既不能排除有意义的改善，也不能排除有意义的变差",
        "变化小于最小有意义变化",
    ]


def test_a_hospital_whose_data_do_not_suffice_gets_no_verdict_whatever_its_numbers_say():
    changes = pd.DataFrame(
        {
            "hospital": ["A", "B", ""],
            "indicator": ["i"] * 3,
            "estimate": [1.5] * 3,
            "low": [1.4] * 3,
            "high": [1.6] * 3,
            "n_before": [500] * 3,
            "n_after": [500] * 3,
        },
        index=[7, 8, 9],
    )
    found = verdicts(changes, {"i": Direction.HIGHER}, POLICY, {"B": "机构数据不足"})
    assert found["verdict"].to_dict() == {7: "改善", 8: "不予评价", 9: "改善"}
    assert found.loc[8, "reason"] == "机构数据不足"
    pd.testing.assert_frame_equal(found.drop(index=8), verdicts(changes, {"i": Direction.HIGHER}, POLICY).drop(index=8))


def test_no_change_gets_no_row():
    empty = pd.DataFrame({c: [] for c in ("indicator", "estimate", "low", "high", "n_before", "n_after")})
    assert verdicts(empty, {}, POLICY).empty


def test_a_commission_may_give_its_own_table(tmp_path):
    own = tmp_path / "rules.yaml"
    own.write_text(
        resource(RULES).read_text(encoding="utf-8").replace("未见变化, when: [small]", "不能判定, when: [small]"),
        "utf-8",
    )
    policy = POLICY.model_copy(update={"verdict_rules": own})
    assert verdict(1.01, 1.001, 1.02, 500, 500, Direction.HIGHER, policy) is OPEN


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("[neutral]", "[neutrall]", "rules.yaml:11"),
        ("变差, when", "很差, when", "rules.yaml:18"),
        (
            "  - {verdict: 变差, when: [worse], reason: 区间完全落在差的一侧，且变化不小于最小有意义变化}\n",
            "",
            "without a verdict",
        ),
    ],
)
def test_a_table_that_is_wrong_or_has_a_hole_is_refused(tmp_path, old, new, word):
    text = resource(RULES).read_text(encoding="utf-8")
    assert old in text
    own = tmp_path / "rules.yaml"
    own.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ParameterError, match=word):
        rules(own)


def test_every_verdict_is_explained():
    assert set(MEANING) == set(Verdict)
