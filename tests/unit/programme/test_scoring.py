"""Indicator systems and their scores: arithmetic by hand, and files that are refused. Units and values are 合成数据."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from toolkit.errors import InputError, ParameterError
from toolkit.programme.classes import equal_parts, k_means
from toolkit.programme.pairwise import pairwise
from toolkit.programme.scoring import score
from toolkit.programme.systems import System, read_system
from toolkit.programme.weighting import entropy


def system(items: list[dict], **more) -> System:
    group = {"id": "g", "items": [{"source": "given", **one} for one in items], **more.pop("group", {})}
    plain = {"id": "s", "title": "示例", "source": "示例", "standing": "示例", "unit": "unit", "groups": [group]}
    return System.model_validate({**plain, **more})


def points(rule: dict, values: list, **item) -> list[float]:
    """Points of one item under one rule, by unit."""
    more = item.pop("columns", {})
    frame = pd.DataFrame({"unit": [f"u{i}" for i in range(len(values))], "a": values, **more})
    card = score(system([{"id": "a", "score": rule, **item}]), frame)
    return [None if np.isnan(v) else v for v in card.wide()["a"].astype(float)]


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({"rule": "z"}, ["1", "3", "", "5"], [-1, 0, None, 1]),  # mean 3, deviation 2
        ({"rule": "z"}, ["7", "7"], [None, None]),  # nothing differs: no distance, not 0
        ({"rule": "percentile"}, ["10", "20", "20", "40"], [12.5, 50, 50, 87.5]),
        ({"rule": "min_max", "points": 10}, ["2", "4", "6"], [0, 5, 10]),
        ({"rule": "min_max"}, ["4", "4"], [50, 50]),
        ({"rule": "rank", "points": 9}, ["5", "1", "3", "3"], [9, 0, 4.5, 4.5]),
        ({"rule": "bands", "at": [60, 80], "points": [0, 5, 10]}, ["59.9", "60", "80", ""], [0, 5, 10, None]),
        (
            {"rule": "bands", "of": "quantiles", "at": [0.25, 0.5, 0.75], "points": [1, 2, 3, 4]},
            ["1", "2", "3", "4", "5"],
            [1, 2, 3, 4, 4],
        ),
        ({"rule": "distance", "target": 80.0, "zero": 40.0}, ["40", "50", "80", "99", "0"], [0, 25, 100, 100, 0]),
        ({"rule": "threshold", "at": 3.0, "points": 5}, ["2.9", "3", "-"], [0, 5, None]),
        ({"rule": "rating", "highest": 5.0}, ["0", "2.5", "5"], [0, 50, 100]),
        ({"rule": "rating", "lowest": 1.0, "highest": 9.0, "points": 10}, ["1", "5", "9"], [0, 5, 10]),
    ],
)
def test_points_by_hand(rule, values, expected):
    values = ["" if v == "-" else v for v in values]
    assert points(rule, values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule": "z"}, [1, 0, -1]),
        ({"rule": "min_max"}, [100, 50, 0]),
        ({"rule": "percentile"}, [100 * 2.5 / 3, 50, 100 * 0.5 / 3]),
        ({"rule": "bands", "at": [3.0, 5.0], "points": [0, 5, 10]}, [10, 10, 5]),  # a limit belongs to the better band
        ({"rule": "distance", "target": 1.0, "zero": 5.0}, [100, 50, 0]),
        ({"rule": "threshold", "at": 3.0}, [100, 100, 0]),
    ],
)
def test_where_lower_is_better(rule, expected):
    assert points(rule, ["1", "3", "5"], direction="lower") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("performance", "baseline", "achievement", "improvement", "larger"),
    [
        # threshold 50, benchmark 90 (42 CFR 412.165): 9 × (70 − 50) / 40 + 0.5 = 5.0; 10 × (70 − 60) / 30 − 0.5 = 2.83
        ("70", "60", 5, 3, 5),
        ("90", "60", 10, 9, 10),
        ("49.99", "20", 0, 4, 4),  # 10 × 29.99 / 70 − 0.5 = 3.78
        ("49.99", "49.99", 0, 0, 0),
        ("55", "", 2, None, 2),  # 9 × 5 / 40 + 0.5 = 1.625; no baseline: standing alone
        ("89.9", "89", 9, 9, 9),  # 9.48 is no 10 short of the benchmark; 10 × 0.9 − 0.5 = 8.5 rounds up
        ("", "60", None, None, None),
    ],
)
def test_achievement_or_improvement_the_larger_counts(performance, baseline, achievement, improvement, larger):
    rule = {"rule": "achievement_or_improvement", "threshold": 50.0, "benchmark": 90.0, "baseline": "before"}
    frame = pd.DataFrame({"unit": ["u"], "a": [performance], "before": [baseline]})
    [row] = score(system([{"id": "a", "score": rule}]), frame).items.to_dict("records")
    found = [row["achievement"], row["improvement"], row["points"]]
    assert [None if np.isnan(v) else v for v in found] == [achievement, improvement, larger]


def test_a_missing_part_gives_its_weight_to_the_others():
    # FY 2016: 10/25/40 without the 25 are 13.3/53.3 of the same whole of 75, i.e. 20 % and 80 %
    groups = [
        {"id": i, "weight": w, "items": [{**GIVEN, "id": f"{i}1", "score": {"rule": "rating", "highest": 100.0}}]}
        for i, w in (("a", 10), ("b", 25), ("c", 40), ("d", 25))
    ]
    given = system([], groups=groups)
    frame = pd.DataFrame({"unit": ["all", "without"], "a1": 50, "b1": ["80", ""], "c1": 90, "d1": [10, ""]}, dtype=str)
    card = score(given, frame)
    assert card.units["score"].tolist() == pytest.approx(
        [(10 * 50 + 25 * 80 + 40 * 90 + 25 * 10) / 100, 0.2 * 50 + 0.8 * 90]
    )
    weights = card.groups.set_index(["unit", "group"])["weight"]
    assert weights["without", "a"] == pytest.approx(0.2)
    assert weights["without", "c"] == pytest.approx(0.8)
    assert weights["without", "b"] == 0


def test_an_item_that_does_not_apply_is_no_missing_one():
    items = [
        {"id": "a", "weight": 0.6, "score": {"rule": "rating", "highest": 10.0}},
        {
            "id": "b",
            "weight": 0.4,
            "score": {"rule": "rating", "highest": 10.0},
            "applies": {"column": "kind", "values": ["外科"]},
        },
    ]
    frame = pd.DataFrame({"unit": ["x", "y"], "a": ["5", "5"], "b": ["10", "10"], "kind": ["外科", "内科"]})
    card = score(system(items), frame)
    assert card.units["score"].tolist() == pytest.approx([70, 50])
    assert card.items["item"].tolist().count("b") == 1
    # with `missing: none` a unit that lacks an item has no score, one that an item is not for has
    strict = score(system(items, group={"missing": "none"}), frame.assign(a=["", "5"]))
    assert np.isnan(strict.units["score"][0])
    assert strict.units["score"][1] == pytest.approx(50)


def test_a_red_flag_is_counted_and_named():
    rule = {"rule": "threshold", "at": 95.0, "red_flag": True}
    card = score(system([{"id": "a", "score": rule}]), pd.DataFrame({"unit": ["x", "y"], "a": ["94", "96"]}))
    assert card.units["flags"].tolist() == [1, 0]
    assert card.items["flag"].tolist() == [True, False]


def test_ranks_are_shared_by_equal_scores_and_made_among_peers():
    rule = {"rule": "rating", "highest": 10.0}
    frame = pd.DataFrame(
        {"unit": list("abcde"), "a": ["9", "7", "7", "8", ""], "level": ["县", "市", "市", "市", "市"]}
    )
    card = score(system([{"id": "a", "score": rule}], peers={"by": "column", "column": "level"}), frame)
    assert [None if pd.isna(v) else v for v in card.units["rank"]] == [1, 2, 2, 1, None]
    assert [None if pd.isna(v) else v for v in card.units["of"]] == [1, 3, 3, 3, None]


def test_geometric_topsis_and_rank_sum():
    rating = {"rule": "rating", "highest": 100.0}
    items = [{"id": "a", "weight": 0.5, "score": rating}, {"id": "b", "weight": 0.5, "score": rating}]
    frame = pd.DataFrame({"unit": list("xyz"), "a": ["90", "40", "0"], "b": ["40", "90", "100"]})
    geometric = score(system(items, group={"combine": "geometric"}), frame).units["score"]
    assert geometric.tolist() == pytest.approx([60, 60, 0])
    ranked = score(system(items, group={"combine": "wrsr"}), frame).units["score"]
    assert ranked.tolist() == pytest.approx([(3 + 1) / 6, (2 + 2) / 6, (1 + 3) / 6])
    near = score(system(items, group={"combine": "topsis"}), frame).units["score"]
    scaled = np.array([[90, 40], [40, 90], [0, 100]]) / np.sqrt([[90**2 + 40**2, 40**2 + 90**2 + 100**2]])
    best, worst = (np.linalg.norm(0.5 * (scaled - f(scaled, axis=0)), axis=1) for f in (np.max, np.min))
    assert near.tolist() == pytest.approx((worst / (best + worst)).tolist())


def test_weights_by_pairwise_comparison():
    # Saaty's school example has no inconsistency where every comparison follows from the weights
    weights = np.array([0.6, 0.3, 0.1])
    found, ratio = pairwise(np.divide.outer(weights, weights))
    assert found == pytest.approx(weights)
    assert ratio == pytest.approx(0, abs=1e-9)
    # 3 × 3 of 1, 3, 5 / 1/3, 1, 3 / 1/5, 1/3, 1: largest eigenvalue 3.0385, index 0.0193, ratio 0.0332
    found, ratio = pairwise(np.array([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]]))
    assert found == pytest.approx([0.637, 0.258, 0.105], abs=5e-4)
    assert ratio == pytest.approx(0.033, abs=5e-4)


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ("[[1, 5, 0.2], [0.2, 1, 5], [5, 0.2, 1]]", "一致性比率"),  # a over b over c over a
        ("[[1, 3, 3], [3, 1, 3], [0.333, 0.333, 1]]", "互为倒数"),
        ("[[1, 3], [0.333, 1]]", "3×3"),
        ("[[1, 3, 5], [0.333, 1, 3], [0.2, 0.333, 1]]", ""),
    ],
)
def test_a_matrix_that_contradicts_itself_is_refused_with_its_line_before_anything_is_scored(tmp_path, matrix, says):
    path = tmp_path / "s.yaml"
    head = "id: s\ntitle: 示例\nsource: 示例\nstanding: 示例\nunit: unit\nscore: {rule: rank}\ngroups:\n"
    items = ", ".join(f"{{id: {i}, source: panel}}" for i in "abc")
    path.write_text(
        f"{head}  - id: g\n    weights: {{by: ahp, matrix: {matrix}}}\n    items: [{items}]\n", encoding="utf-8"
    )
    if not says:
        values = pd.DataFrame({"unit": ["x", "y"], "a": ["1", "2"], "b": ["2", "1"], "c": ["2", "1"]})
        assert score(read_system(path), values).units["score"].tolist() == pytest.approx([36.3, 63.7], abs=0.1)
        return
    with pytest.raises(ParameterError, match=says) as caught:
        read_system(path)
    assert "s.yaml:8" in str(caught.value)


def test_entropy_weighs_what_tells_units_apart():
    scores = np.array([[1.0, 5.0, 2.0], [2.0, 5.0, 2.0], [3.0, 5.0, 9.0], [4.0, 5.0, 2.0]])
    found = entropy(scores)
    share = np.array([1, 2, 3]) / 6  # 0, 1/3, 2/3, 1 of the first
    first = 1 - stats.entropy(share) / np.log(4)
    assert found == pytest.approx(np.array([first, 0, 1]) / (first + 1))
    assert entropy(np.ones((3, 2))) == pytest.approx([0.5, 0.5])


def test_k_means_finds_the_classes_of_a_plain_case():
    values = np.array([1.0, 1.1, 0.9, 5.0, 5.2, 9.0, 8.8, 9.1])
    assert k_means(values, 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    # what lies far from its centre does not move it
    assert k_means(np.array([0.0, 0.1, 0.2, 10.0, 10.1, 19.0]), 2, strict=1.0).tolist() == [0, 0, 0, 1, 1, 1]
    # SAS percentile definition 5: the mean of neighbours where n·p is whole
    assert equal_parts(np.arange(1.0, 11.0), 5).tolist() == [2.5, 4.5, 6.5, 8.5]
    assert equal_parts(np.arange(1.0, 8.0), 5).tolist() == [2.0, 3.0, 5.0, 6.0]


# --- what is refused ----------------------------------------------------------------------------------------------------

RATED = {"rule": "rating", "highest": 10.0}
GIVEN = {"id": "a", "source": "given", "score": RATED}


@pytest.mark.parametrize(
    ("weights", "accepted"),
    [([28.54, 23.51, 15.13, 17.04, 15.77], True), ([0.5, 0.4], False), ([0.5, 0.5], True), ([50, 49], False)],
)
def test_weights_sum_to_one_or_a_hundred_up_to_rounding(weights, accepted):
    items = [{"id": f"i{k}", "weight": w, "score": RATED} for k, w in enumerate(weights)]
    if not accepted:
        with pytest.raises(ValueError, match="权重合计"):
            system(items)
        return
    frame = pd.DataFrame({"unit": ["x"], **{f"i{k}": ["10"] for k in range(len(weights))}})
    card = score(system(items), frame)
    assert card.units["score"].tolist() == pytest.approx([100])
    assert bool(card.notes) == (sum(weights) != 1)  # 99.99 is made whole, and said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"groups": [{"id": "g", "items": [{"id": "a", "source": "given"}]}]}, "没有计分规则"),
        ({"groups": [{"id": "g"}]}, "items 或 groups"),
        ({"groups": [{"id": "g", "items": [GIVEN, GIVEN]}]}, "重复"),
        ({"eligible": {"of": ["nowhere"]}}, "nowhere"),
        ({"peers": {"by": "column"}}, "peers.column"),
        ({"groups": [{"id": "g", "items": [{**GIVEN, "weight": 1.0}, {**GIVEN, "id": "b"}]}]}, "没有权重"),
    ],
)
def test_a_system_that_cannot_score_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        system([{"id": "a", "score": RATED}], **change)


def test_a_file_with_a_misspelt_key_names_its_line(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "id: s\ntitle: 示例\nsource: 示例\nstanding: 示例\nunit: unit\ngroups:\n  - id: g\n    itmes: []\n",
        encoding="utf-8",
    )
    with pytest.raises(ParameterError, match="items") as caught:
        read_system(path)
    assert "s.yaml:8" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", ["缺少 groups.0.items.1.source", "records、given、evidence、panel"]),
        ("source: 材料, ", ["可选", "evidence"]),
    ],
)
def test_an_item_that_does_not_say_where_its_value_comes_from_is_refused_with_its_line_and_the_choices(
    tmp_path, source, told
):
    path = tmp_path / "s.yaml"
    head = "id: s\ntitle: 示例\nsource: 示例\nstanding: 示例\nunit: unit\nscore: {rule: rank}\ngroups:\n  - id: g\n    items:\n"
    path.write_text(f"{head}      - {{id: a, source: panel}}\n      - {{{source}id: b}}\n", encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        read_system(path)
    assert "s.yaml:11" in str(caught.value)
    for words in told:
        assert words in str(caught.value)


def test_a_table_with_faults_is_refused_with_all_of_them():
    frame = pd.DataFrame({"unit": ["x", "x", ""], "a": ["5", "five", "inf"]})
    with pytest.raises(InputError) as caught:
        score(system([{"id": "a", "score": RATED}]), frame)
    message = str(caught.value)
    assert "重复 1 个" in message
    assert "1 行为空" in message
    assert "2 个值不是数（第 3、4 行）" in message
    with pytest.raises(InputError, match=r"A1 是否为 A1x"):
        score(system([{"id": "A1", "score": RATED}]), frame.rename(columns={"a": "A1x"}))
    with pytest.raises(InputError, match="不在 0 至 10 之间"):
        score(system([{"id": "a", "score": RATED}]), pd.DataFrame({"unit": ["x"], "a": ["11"]}))


def test_nothing_to_score_is_no_score():
    card = score(system([{"id": "a", "score": RATED}]), pd.DataFrame({"unit": ["x", "y"], "a": ["", ""]}))
    assert card.units["score"].isna().all()
    assert not card.units["rated"].any()
    empty = score(system([{"id": "a", "score": RATED}]), pd.DataFrame({"unit": [], "a": []}, dtype=str))
    assert len(empty.units) == 0


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[3] / "params" / "systems").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_shipped_systems_are_whole(path):
    one = read_system(path)
    assert one.id == path.stem
    assert one.items


def test_the_wenzhou_system_has_the_twenty_five_items_and_a_county_is_not_judged_by_a_citys():
    """25 names (two of them by tier: 10 and 22), each with where its value comes from."""
    one = read_system(Path(__file__).parents[3] / "params" / "systems" / "wenzhou-25.yaml")
    assert len(one.items) == 25 + 2
    rng = np.random.default_rng(1)
    columns = {item.of: rng.uniform(1, 9, 6).round(2).astype(str) for item in one.items}
    frame = pd.DataFrame(
        {
            "applicant": [f"p{i}" for i in range(6)],
            "tier": ["市", "市", "市", "县", "县", "县"],
            "track": ["市级外科", "市级外科", "非外科", "县级外科", "县级外科", "非外科"],
            **columns,
        }
    )
    card = score(one, frame)
    by_unit = card.items.groupby("unit")["item"].agg(set)
    assert "level4" in by_unit["p0"]
    assert "level34" not in by_unit["p0"]
    assert {"level4", "level34", "minimally_invasive"}.isdisjoint(by_unit["p2"])
    assert "level34" in by_unit["p3"]
    assert "outside_city" not in by_unit["p3"]
    # 25 for a surgical unit: an item that is for another tier is not missing, its weight goes to its siblings
    assert len(by_unit["p0"]) == len(by_unit["p3"]) == 25
    assert card.units["rated"].all()
    assert card.units.loc[card.units["peers"] == "市", "of"].tolist() == [3, 3, 3]
    assert not card.notes
