"""遴选名额: small allocations whose best set can be found by trying every set, and rules that cannot hold. 合成数据."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import InputError, ParameterError
from toolkit.programme.allocation import NO_SCORE, SCORE, Quota, allocate, choices


def quota(**more) -> Quota:
    return Quota.model_validate({"id": "q", "title": "示例", "source": "示例", "places": 3, **more})


def applicants(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["applicant", "score", "hospital", "urban"])


MANY = applicants(
    [
        ("a", 95.0, "一院", "是"),
        ("b", 93.0, "一院", "是"),
        ("c", 92.0, "一院", "是"),
        ("d", 80.0, "二院", "是"),
        ("e", 70.0, "三院", "否"),
        ("f", 60.0, "四院", "否"),
    ]
)
PER_HOSPITAL = {"id": "hospital", "title": "每院至多2个", "column": "hospital", "at_most": 2}
URBAN = {"id": "urban", "title": "主城区不超过60%", "column": "urban", "value": "是", "share": 0.6}


def chosen(found) -> set[str]:
    return set(found.applicants.loc[found.applicants["chosen"], "applicant"])


def test_without_further_rules_the_best_scores_are_chosen():
    assert chosen(allocate(quota(), MANY)) == {"a", "b", "c"}


def test_a_rule_that_keeps_out_is_named_and_has_its_price():
    found = allocate(quota(limits=[PER_HOSPITAL]), MANY)
    assert chosen(found) == {"a", "b", "d"}
    left = found.applicants.set_index("applicant")["kept_out_by"]
    assert "每院至多2个（一院）" in left["c"]
    assert left["f"] == SCORE
    rules = found.rules.set_index("rule")
    assert rules.loc["hospital:一院", "price"] == pytest.approx(92 - 80)
    assert rules.loc["hospital:二院", "price"] == 0
    assert bool(rules.loc["hospital:一院", "binding"])


def test_the_share_of_the_main_urban_area():
    # 3 places: 60 % of them are 1.8, so one urban project and two others
    assert chosen(allocate(quota(limits=[URBAN]), MANY)) == {"a", "e", "f"}
    # 5 places: 60 % are 3
    assert chosen(allocate(quota(places=5, limits=[URBAN]), MANY)) == {"a", "b", "c", "e", "f"}


def test_a_floor_gives_a_hospital_its_place():
    floor = {"id": "four", "title": "四院至少1个", "column": "hospital", "value": "四院", "at_least": 1}
    found = allocate(quota(limits=[floor]), MANY)
    assert chosen(found) == {"a", "b", "f"}
    assert found.rules.set_index("rule").loc["four", "price"] == pytest.approx(92 - 60)


def test_places_follow_from_the_population():
    assert quota(places={"inhabitants": 9_600_000, "per": 700_000}).number == 13
    assert quota(places={"inhabitants": 699_999, "per": 700_000}).number == 0
    assert chosen(allocate(quota(places={"inhabitants": 699_999, "per": 700_000}), MANY)) == set()


@pytest.mark.parametrize("seed", range(6))
def test_the_best_set_is_the_best_of_all_sets(seed):
    rng = np.random.default_rng(seed)
    frame = applicants(
        [
            (f"p{i}", float(rng.integers(50, 100)), f"院{rng.integers(4)}", "是" if rng.random() < 0.6 else "否")
            for i in range(9)
        ]
    )
    found = allocate(quota(places=4, limits=[{**PER_HOSPITAL, "at_most": 2}, URBAN]), frame)
    best = 0, 0.0
    for size in range(5):
        for group in combinations(range(9), size):
            part = frame.iloc[list(group)]
            if part["hospital"].value_counts().max() > 2 if size else False:
                continue
            if (part["urban"] == "是").sum() > 0.6 * size + 1e-9:
                continue
            best = max(best, (size, part["score"].sum()))
    assert (found.applicants["chosen"].sum(), found.total) == pytest.approx(best)


def test_ties_are_decided_by_declared_columns_then_by_id_never_by_row_order():
    frame = applicants([(i, 80.0, f"{i}院", "否") for i in "abcde"]).assign(beds=[1, 9, 3, 9, 2])
    rule = quota(places=2, ties=["beds"])
    for order in (list("abcde"), list("edcba"), list("cadbe")):
        shuffled = frame.set_index("applicant").loc[order].reset_index()
        assert chosen(allocate(rule, shuffled)) == {"b", "d"}
        assert chosen(allocate(quota(places=2), shuffled)) == {"a", "b"}


def test_rules_that_cannot_hold_together_are_named_and_no_others():
    floors = [
        {"id": "f3", "title": "三院至少1个", "column": "hospital", "value": "三院", "at_least": 1},
        {"id": "f4", "title": "四院至少1个", "column": "hospital", "value": "四院", "at_least": 1},
    ]
    with pytest.raises(ParameterError) as caught:
        allocate(quota(places=1, limits=[PER_HOSPITAL, *floors]), MANY)
    message = str(caught.value)
    assert "名额 1；三院至少1个；四院至少1个" in message
    assert "每院" not in message


def test_nobody_is_told_of_scores_where_lower_ones_are_chosen():
    # one urban place of three: a has it; e and f are chosen with less than d, who is told of the limit
    left = allocate(quota(limits=[URBAN]), MANY).applicants.set_index("applicant")["kept_out_by"]
    assert left["d"] == f"主城区不超过60%：其中{SCORE}"
    # g is urban and third of its hospital: lifting one of the rules leaves the other
    rows = [("a", 95.0, "一院", "是"), ("b", 94.0, "一院", "是"), ("g", 93.0, "一院", "是"), ("e", 70.0, "三院", "否")]
    frame = applicants([*rows, ("f", 60.0, "四院", "否"), ("h", 50.0, "五院", "否")])
    half = {**URBAN, "title": "主城区不超过50%", "share": 0.5}
    found = allocate(quota(places=4, limits=[PER_HOSPITAL, half]), frame)
    assert chosen(found) == {"a", "b", "e", "f"}
    told = found.applicants.set_index("applicant")["kept_out_by"]
    assert told["g"] == f"每院至多2个（一院）：其中{SCORE}；主城区不超过50%：其中{SCORE}"
    assert told["h"] == SCORE


def test_of_a_share_the_places_inside_and_allowed_are_told():
    rules = allocate(quota(places=5, limits=[URBAN]), MANY).rules.set_index("rule")
    assert rules.loc["urban", ["used", "high"]].tolist() == [3.0, pytest.approx(3.0)]


def test_rules_that_keep_one_out_together_are_all_named():
    # x is worth more than both that are chosen in its place only where neither limit holds
    frame = applicants([("a", 90.0, "一院", "是"), ("x", 80.0, "一院", "否"), ("b", 70.0, "二院", "否")])
    one = [{**PER_HOSPITAL, "title": "每院至多1个", "at_most": 1}]
    floor = [{"id": "two", "title": "二院至少1个", "column": "hospital", "value": "二院", "at_least": 1}]
    found = allocate(quota(places=2, limits=[*one, *floor]), frame)
    assert chosen(found) == {"a", "b"}
    told = found.applicants.set_index("applicant")["kept_out_by"]["x"]
    assert told == f"每院至多1个（一院）：其中{SCORE}"


def test_a_missing_or_too_low_score_has_no_place():
    frame = MANY.assign(score=[95, np.nan, 92, 40, 70, 60])
    found = allocate(quota(places=5, minimum_score=60), frame)
    assert chosen(found) == {"a", "c", "e", "f"}
    left = found.applicants.set_index("applicant")["kept_out_by"]
    assert left["b"] == left["d"] == NO_SCORE
    with pytest.raises(ParameterError, match="名额 5"):
        allocate(quota(places=5, minimum_score=60, when_short="refuse"), frame)


def test_scores_below_zero_fill_places_too():
    frame = MANY.assign(score=[-1.0, -2, -3, -4, -5, -6])
    assert chosen(allocate(quota(), frame)) == {"a", "b", "c"}


def test_who_follows_when_a_place_falls_free():
    found = allocate(quota(limits=[PER_HOSPITAL]), MANY).applicants.set_index("applicant")["runner_up"]
    assert found["e"] == 1
    assert found["f"] == 2
    assert pd.isna(found["c"])  # its hospital has its two


def test_the_chance_of_being_chosen_solves_each_draw_under_the_rules():
    frame = applicants([("a", 90.0, "一院", "是"), ("b", 80.0, "一院", "是"), ("c", 10.0, "二院", "否")])
    one_each = quota(places=2, limits=[{**PER_HOSPITAL, "at_most": 1}])
    draws = np.array([[90.0, 80.0, 10.0], [70.0, 80.0, 10.0], [90.0, 80.0, np.nan], [90.0, 95.0, 10.0]])
    found = choices(one_each, frame, draws, ["a", "b", "c"])
    assert found.mean().to_dict() == {"a": 0.5, "b": 0.5, "c": 0.75}
    assert found["a"].tolist() == [True, False, True, False]


def test_bad_lists_are_refused():
    with pytest.raises(InputError, match="缺少列 score"):
        allocate(quota(), MANY.drop(columns="score"))
    with pytest.raises(InputError, match="2 行重复"):
        allocate(quota(), pd.concat([MANY, MANY.iloc[:2]]))
    assert len(allocate(quota(), MANY.iloc[:0]).applicants) == 0
    with pytest.raises(ValueError, match="只给一个"):
        quota(limits=[{**PER_HOSPITAL, "at_least": 1}])
    with pytest.raises(ValueError, match="greater than 0"):
        quota(places={"inhabitants": 0, "per": 700_000})
