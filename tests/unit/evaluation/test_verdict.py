"""The table of verdicts, its boundaries, and symmetry of direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from toolkit.errors import ParameterError
from toolkit.evaluation.verdict import RULES, Verdict, rules, verdicts
from toolkit.indicators import Direction
from toolkit.params import ChangePolicy
from toolkit.resources import resource

POLICY = ChangePolicy(minimum_cases=100, minimum_important=0.05)
NAN = float("nan")
BETTER, WORSE, SAME, OPEN, NOT = (
    Verdict.IMPROVED,
    Verdict.WORSE,
    Verdict.STABLE,
    Verdict.UNDECIDED,
    Verdict.NOT_JUDGED,
)


def judge(estimate, low, high, before=500, after=500, direction=Direction.LOWER, policy=POLICY, **more):
    changes = pd.DataFrame(
        {
            "indicator": ["i"],
            "estimate": [estimate],
            "low": [low],
            "high": [high],
            "n_before": [before],
            "n_after": [after],
            **{name: [value] for name, value in more.items()},
        }
    )
    return verdicts(changes, {"i": direction}, policy).iloc[0]


def verdict(estimate, low, high, before, after, direction, policy):
    return Verdict(judge(estimate, low, high, before, after, direction, policy)["verdict"])


# estimate, low, high, n before, n after → for an indicator of which lower is better
TABLE = [
    (0.80, 0.70, 0.90, 100, 100, BETTER),
    (1.25, 1.10, 1.40, 100, 100, WORSE),
    (0.80, 0.70, 0.90, 99, 100, NOT),
    (0.80, 0.70, 0.90, 100, 99, NOT),
    (0.99, 0.97, 1.01, 500, 500, SAME),  # wholly inside 1/1.05–1.05
    (1.00, 0.953, 1.049, 500, 500, SAME),
    (1.00, 0.942, 1.062, 500, 500, OPEN),  # reaches beyond on both sides
    (1.15, 0.99, 1.34, 500, 500, OPEN),  # holds a rise of a third: no one may call it unchanged
    (0.90, 0.80, 1.00, 500, 500, OPEN),  # touches 1
    (0.90, 0.80, 0.999, 500, 500, BETTER),
    (1.10, 1.00, 1.20, 500, 500, OPEN),
    (1.00, 0.90, 1.10, 500, 500, OPEN),  # could be 5 % better and 5 % worse
    (1.00, 1 / 1.05, 1.04, 500, 500, OPEN),  # an end on the margin is not inside
    (1.00, 0.96, 1.05, 500, 500, OPEN),
    (0.97, 0.96, 0.98, 9000, 9000, SAME),  # sure, and too small to matter
    (1.04, 1.02, 1.06, 9000, 9000, OPEN),  # a rise for sure, of which one cannot say whether it matters
    (1.05, 1.02, 1.08, 9000, 9000, WORSE),  # the least change that matters counts
    (1 / 1.05, 0.93, 0.97, 9000, 9000, BETTER),
    (0.953, 0.93, 0.97, 9000, 9000, OPEN),
    (NAN, NAN, NAN, 500, 500, NOT),
    (0.0, NAN, NAN, 500, 500, NOT),
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
    assert found["verdict"].to_dict() == {7: BETTER, 3: WORSE, 5: NOT}


@pytest.mark.parametrize(
    ("row", "reason", "zh"),
    [
        ({"estimate": 1.0, "low": 0.8, "high": 1.2}, "wide", "既不能排除有意义的改善"),
        ({"estimate": 0.98, "low": 0.92, "high": 1.04}, "excludes_worsening", "已排除有意义的变差"),
        ({"estimate": 1.02, "low": 0.96, "high": 1.10}, "excludes_improvement", "已排除有意义的改善"),
        ({"estimate": 1.01, "low": 1.001, "high": 1.02}, "inside", "最小有意义变化之内"),
        ({"estimate": NAN, "low": NAN, "high": NAN}, "no_interval", "给不出区间"),
        ({"estimate": NAN, "low": NAN, "high": NAN, "obstacle": "few_comparisons"}, "few_comparisons", "参照单元不足"),
        ({"estimate": NAN, "low": NAN, "high": NAN, "obstacle": "no_events"}, "no_events", "没有发生"),
        ({"estimate": NAN, "low": NAN, "high": NAN, "obstacle": "no_spread"}, "no_spread", "全部相同"),
        ({"estimate": NAN, "low": NAN, "high": NAN, "obstacle": "no_value", "after": 0}, "no_value", "没有值"),
        ({"estimate": 0.5, "low": 0.4, "high": 0.6, "after": 99}, "few_cases", "例数不足"),
        ({"estimate": 0.5, "low": 0.4, "high": 0.6, "direction": Direction.NEUTRAL}, "neutral", "不评优劣"),
        ({"estimate": 1.1, "low": NAN, "high": NAN, "direction": None}, "untested", "没有可检验的误差"),
        ({"estimate": 0.7, "low": 0.6, "high": 0.8, "baseline_decides": True}, "baseline_decides", "基线回落"),
        ({"estimate": 0.7, "low": 0.6, "high": 0.8, "adjusted_away": True}, "adjusted_away", "多重比较"),
        ({"estimate": 1.0, "low": 0.7, "high": 1.4, "adjusted_away": True}, "wide", "区间过宽"),
    ],
)
def test_every_verdict_has_the_reason_that_is_true_of_it(row, reason, zh):
    found = judge(**row)
    assert found["reason"] == reason
    assert zh in found["reason_zh"]


def test_every_state_and_every_reason_of_the_table_is_reached():
    draw = np.random.default_rng(5)
    middle, half = draw.normal(0, 0.08, 4000), draw.exponential(0.06, 4000)
    changes = pd.DataFrame(
        {
            "indicator": draw.choice(["up", "down", "none", "total"], 4000, p=[0.45, 0.45, 0.05, 0.05]),
            "estimate": np.exp(middle),
            "low": np.exp(middle - half),
            "high": np.exp(middle + half),
            "n_before": draw.choice([50, 500], 4000, p=[0.05, 0.95]),
            "n_after": 500,
            "obstacle": draw.choice(["", "no_value", "no_events", "no_spread", "few_comparisons"], 4000),
            "baseline_decides": draw.random(4000) < 0.1,
            "adjusted_away": draw.random(4000) < 0.2,
        }
    )
    changes.loc[draw.random(4000) < 0.2, ["low", "high"]] = NAN
    ways = {"up": Direction.HIGHER, "down": Direction.LOWER, "none": Direction.NEUTRAL, "total": None}
    found = verdicts(changes, ways, POLICY)
    assert set(found["verdict"]) == {v.value for v in Verdict}
    assert set(found["reason"]) == {rule.reason for rule in rules().rules}


@settings(max_examples=200, deadline=None)
@given(width=st.floats(0.01, 0.3), one=st.floats(-0.4, 0.4), other=st.floats(-0.4, 0.4))
def test_among_intervals_of_one_width_the_one_nearer_to_no_change_is_the_more_stable(width, one, other):
    near, far = sorted((one, other), key=abs)

    def same(middle):
        return judge(*np.exp([middle, middle - width, middle + width]))["verdict"] == SAME

    assert same(0.0) or not same(near)
    assert same(near) or not same(far)


def test_the_larger_the_true_change_the_rarer_the_verdict_that_nothing_much_changed():
    # the share of draws whose interval lies inside, by the normal distribution itself: P(|b + e·Z| < m − 1.96 e)
    error, margin, z = 0.015, np.log(1.05), 1.959964
    draws = np.random.default_rng(3).standard_normal(4000)
    shares = []
    for effect in (0.0, 0.01, 0.02, 0.03, 0.05, 0.1):
        for sign in (1, -1):
            log = sign * effect + error * draws
            changes = pd.DataFrame(
                {
                    "indicator": "i",
                    "estimate": np.exp(log),
                    "low": np.exp(log - z * error),
                    "high": np.exp(log + z * error),
                    "n_before": 500,
                    "n_after": 500,
                }
            )
            share = (verdicts(changes, {"i": Direction.LOWER}, POLICY)["verdict"] == SAME).mean()
            room = margin - z * error
            exact = norm.cdf((room - effect) / error) - norm.cdf((-room - effect) / error)
            assert share == pytest.approx(exact, abs=0.03)
        shares.append(exact)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.7 > 0.01 > shares[-1]


def test_how_sure_is_by_the_normal_distribution_that_the_limits_belong_to():
    error = 0.04
    changes = np.exp([-0.06, -0.06 - 1.959964 * error, -0.06 + 1.959964 * error])
    lower, higher = judge(*changes), judge(*changes, direction=Direction.HIGHER)
    assert lower["p_improvement"] == pytest.approx(norm.cdf(0.06 / error), abs=1e-6)
    assert lower["p_meaningful"] == pytest.approx(norm.cdf((0.06 - np.log(1.05)) / error), abs=1e-6)
    assert higher["p_improvement"] == pytest.approx(1 - norm.cdf(0.06 / error), abs=1e-6)
    assert higher["p_meaningful"] == pytest.approx(norm.cdf((-0.06 - np.log(1.05)) / error), abs=1e-6)


def test_a_limit_on_no_change_is_975_in_a_thousand_on_either_side_of_a_lopsided_interval():
    assert judge(0.8, 0.3, 1.0)["p_improvement"] == pytest.approx(0.975)
    assert judge(1.5, 1.0, 9.0)["p_improvement"] == pytest.approx(0.025)


def test_without_a_death_afterwards_one_is_as_sure_as_the_poisson_distribution_of_none():
    # P(0 deaths) = exp(−t·E) is 2.5 % at the limit 0.8, so at 1 it is 0.025^(1/0.8)
    found = judge(0.0, 0.0, 0.8)
    assert found["p_improvement"] == pytest.approx(1 - 0.025 ** (1 / 0.8))
    assert judge(NAN, 1.25, np.inf)["p_improvement"] == pytest.approx(0.025**1.25)


def test_nobody_is_sure_of_what_has_no_interval_or_no_good_side():
    assert np.isnan(judge(1.1, NAN, NAN)["p_improvement"])
    assert np.isnan(judge(1.1, 1.05, 1.2, direction=Direction.NEUTRAL)["p_meaningful"])


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
    assert found["verdict"].to_dict() == {7: BETTER, 8: NOT, 9: BETTER}
    assert found.loc[8, ["reason", "reason_zh"]].tolist() == ["poor_data", "机构数据不足"]
    pd.testing.assert_frame_equal(found.drop(index=8), verdicts(changes, {"i": Direction.HIGHER}, POLICY).drop(index=8))


def test_of_an_interval_from_nought_to_infinity_nobody_can_be_sure():
    assert np.isnan(judge(NAN, 0.0, np.inf)["p_improvement"])
    # none before and some after: the share of the distribution below 1 is 0.025 ^ (low / 1), here 0.025 ^ 0.5
    assert judge(NAN, 0.5, np.inf)["p_improvement"] == pytest.approx(0.025**0.5)


def test_no_change_gets_no_row():
    empty = pd.DataFrame({c: [] for c in ("indicator", "estimate", "low", "high", "n_before", "n_after")})
    assert verdicts(empty, {}, POLICY).empty


def test_a_commission_may_give_its_own_table(tmp_path):
    own = tmp_path / "rules.yaml"
    own.write_text(
        """rules:
  - {verdict: not_judged, reason: none, when: [no_interval], zh: 无区间}
  - {verdict: improved, reason: any, when: [better], zh: 区间在好的一侧}
  - {verdict: stable, reason: rest, when: [], zh: 其余}
""",
        "utf-8",
    )
    policy = POLICY.model_copy(update={"verdict_rules": own})
    assert verdict(1.01, 1.001, 1.02, 5, 5, Direction.HIGHER, policy) is BETTER
    assert judge(1.1, 0.7, 1.9, policy=policy)["reason_zh"] == "其余"


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("[neutral]", "[neutrall]", "rules.yaml:{line}"),
        ("worse, reason", "worst, reason", "rules.yaml:{line}"),
        ("reason: wide", "reason: 区间过宽", "rules.yaml:{line}"),
        ("reason: wide, when: []", "reason: wide, when: [better]", "without a verdict"),
        ("reason: wide", "reason: inside", "two sentences"),
    ],
)
def test_a_table_that_is_wrong_or_has_a_hole_is_refused(tmp_path, old, new, word):
    text = resource(RULES).read_text(encoding="utf-8")
    assert old in text
    own = tmp_path / "rules.yaml"
    own.write_text(text.replace(old, new), encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(ParameterError, match=word.format(line=line)):
        rules(own)


def test_every_verdict_has_a_word_and_a_meaning_of_its_own():
    assert len({v.zh for v in Verdict} | {v.meaning for v in Verdict}) == 2 * len(Verdict)
