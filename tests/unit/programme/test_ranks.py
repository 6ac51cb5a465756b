"""Ranks under errors: what must hold, by arithmetic and by truth planted in 合成数据."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError
from toolkit.programme.draws import Input, drawn
from toolkit.programme.influence import _indices, drawn_anew, influence
from toolkit.programme.ranks import may_be_among_the_first, rank_sets, rankability
from toolkit.programme.systems import System

RATED = {"rule": "rating", "highest": 100.0}


def system(**more) -> System:
    items = [{"id": i, "source": "given", "weight": w, "score": RATED} for i, w in (("a", 0.7), ("b", 0.3))]
    plain = {"id": "s", "title": "示例", "source": "示例", "standing": "示例", "unit": "unit"}
    return System.model_validate({**plain, "groups": [{"id": "g", "items": items}], **more})


def test_without_error_a_rank_is_itself():
    found = rank_sets(np.array([3.0, 9.0, 5.0]), np.zeros(3))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [3, 1, 2]
    assert may_be_among_the_first(np.array([3.0, 9.0, 5.0]), np.zeros(3), 1).tolist() == [False, True, False]


def test_with_large_errors_nothing_is_known():
    found = rank_sets(np.array([3.0, 9.0, 5.0]), np.full(3, 100.0))
    assert found.low.tolist() == [1, 1, 1]
    assert found.high.tolist() == [3, 3, 3]


def test_two_units_are_told_apart_where_their_difference_is_significant():
    for difference, apart in ((1.9, False), (2.1, True)):  # × √2 × 1, against 1.96
        found = rank_sets(np.array([0.0, difference * np.sqrt(2)]), np.ones(2))
        assert (found.high - found.low == 0).all() == apart


def test_sets_hold_the_truth_as_often_as_they_claim():
    generator, truth, error = np.random.default_rng(5), np.linspace(0, 3, 10), np.full(10, 0.5)
    rank = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    inside = []
    for seed in range(200):
        found = rank_sets(truth + generator.normal(size=10) * error, error, simultaneous=True, seed=seed)
        inside.append(((found.low <= rank) & (rank <= found.high)).all())
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)


def test_rankability_is_the_share_that_is_not_chance():
    estimates = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # variance 2.5
    assert rankability(estimates, np.full(5, np.sqrt(0.5))) == pytest.approx(2.0 / 2.5)
    assert rankability(estimates, np.full(5, 10.0)) == 0


def test_draws_without_doubt_repeat_the_score():
    values = pd.DataFrame({"unit": ["x", "y", "z"], "a": ["90", "50", ""], "b": ["10", "80", "60"]})
    found = drawn(system(), values, draws=5)
    np.testing.assert_allclose(found.scores, np.tile([66.0, 59.0, 60.0], (5, 1)))
    table = found.table(first=1)
    assert table["median_rank"].tolist() == [1, 3, 2]
    assert table["among_first"].tolist() == [1, 0, 0]


def test_the_chance_of_being_first_is_that_of_the_normal_difference():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["50", "52"], "b": ["50", "50"]})
    errors = pd.DataFrame({"unit": ["y", "x"], "a": [2.0, 2.0]})
    chance = drawn(system(), values, errors, draws=4000, seed=3).table(first=1)["among_first"]
    # difference 0.7 × 2 = 1.4, its error 0.7 × 2 × √2 = 1.98: Φ(0.707) = 0.760
    assert chance[1] == pytest.approx(0.760, abs=0.03)
    assert chance.sum() == pytest.approx(1)


def test_doubt_about_weights_moves_only_those_whom_weights_decide():
    values = pd.DataFrame({"unit": ["x", "y", "z"], "a": ["90", "60", "10"], "b": ["40", "90", "5"]})
    for doubt in ({"concentration": 20.0}, {"band": 0.9}):
        table = drawn(system(), values, draws=500, **doubt).table(first=2)
        assert table["among_first"].tolist() == [1, 1, 0]
        first = drawn(system(), values, draws=500, **doubt).table(first=1)["among_first"]
        assert 0 < first[0] < 1
        assert first[2] == 0


def test_a_unit_that_cannot_be_rated_has_no_rank():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["90", ""], "b": ["40", ""]})
    table = drawn(system(), values, draws=3).table()
    assert pd.isna(table["median_rank"][1])


def test_equal_scores_share_the_best_of_their_ranks_and_are_ranked_among_peers():
    values = pd.DataFrame(
        {"unit": list("uvwx"), "a": ["50", "50", "9", "9"], "b": "5", "tier": ["市", "市", "市", "县"]}
    )
    peers = {"by": "column", "column": "tier"}
    assert drawn(system(peers=peers), values, draws=3).table()["median_rank"].tolist() == [1, 1, 3, 1]
    assert drawn(system(peers=peers), values[::-1], draws=3).table()["median_rank"].tolist() == [1, 3, 1, 1]


def test_a_drawn_rating_stays_on_its_scale_and_errors_that_are_none_are_refused():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["100", "0"], "b": ["100", "0"]})
    errors = pd.DataFrame({"unit": ["x", "y"], "a": ["30", "30"]})
    scores = drawn(system(), values, errors, draws=200).scores
    assert scores[:, 0].max() <= 100
    assert scores[:, 1].min() >= 0
    partly = drawn(system(), values, errors.assign(a=[np.nan, 30.0]), draws=5).scores  # no error is none, not a fault
    assert np.ptp(partly[:, 0]) == 0
    assert np.ptp(partly[:, 1]) > 0
    with pytest.raises(InputError, match="不是数（第 3 行）"):
        drawn(system(), values, errors.assign(a=["1", "?"]), draws=1)
    with pytest.raises(InputError, match="负数"):
        drawn(system(), values, errors.assign(a=["1", "-1"]), draws=1)


def test_the_command_gives_no_rank_without_what_is_not_known_about_it(tmp_path):
    """Two units whose scores differ by 1.4 with an error of 1.98, one far behind."""
    (tmp_path / "s.yaml").write_text(json.dumps(system().model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    values = pd.DataFrame({"unit": ["x", "y", "z"], "a": [50, 52, 1], "b": [50, 50, 1]})
    values.to_csv(tmp_path / "v.csv", index=False)
    values.assign(a=2.0, b=0.0).to_csv(tmp_path / "e.csv", index=False)

    def score(*more: str):
        given = [
            "score",
            str(tmp_path / "s.yaml"),
            "--values",
            str(tmp_path / "v.csv"),
            "--out",
            str(tmp_path / "o.csv"),
        ]
        return CliRunner().invoke(app, [*given, *more])

    assert "不排名次" in score().output
    assert not {"rank", "rank_low"} & set(pd.read_csv(tmp_path / "o.csv", encoding="utf-8-sig"))
    done = score("--errors", str(tmp_path / "e.csv"), "--draws", "2000", "--band", "0", "--first", "1")
    assert "名次可信度" in done.output, done.output
    table = pd.read_csv(tmp_path / "o.csv", encoding="utf-8-sig").set_index("unit")
    assert table.loc[["x", "y", "z"], "rank"].tolist() == [2, 1, 3]
    assert table.loc["y", ["rank_low", "rank_high"]].tolist() == [1, 2]
    assert table.loc["z", ["rank_low", "rank_high"]].tolist() == [3, 3]
    assert table.loc["y", "among_first"] == pytest.approx(0.760, abs=0.03)
    assert "须同时给出 --draws" in str(score("--first", "1").exception)


# --- which input moves the result -------------------------------------------------------------------------------------


def moved(draws: int = 512, **more) -> pd.DataFrame:
    """Influence on the score itself: item a with its error, item b with the panel's, 0.7 and 0.3 of the whole."""
    items = [
        {"id": "a", "source": "records", "weight": 0.7, "score": RATED},
        {"id": "b", "source": "panel", "weight": 0.3, "score": RATED},
    ]
    one = system(groups=[{"id": "g", "items": items}], **more.pop("system", {}))
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["50", "49"], "b": ["60", "60"]})
    errors = pd.DataFrame({"unit": ["x", "y"], "a": ["2", "2"], "b": ["3", "3"]})
    made = drawn(one, values, errors, draws=draws, anew=drawn_anew(draws), **more)
    return influence(made, lambda scores: scores).set_index(["of", "input"])


def test_of_a_sum_each_input_has_its_share_of_the_variance_alone_and_in_total():
    found = moved()
    panel = (0.3 * 3) ** 2 / ((0.7 * 2) ** 2 + (0.3 * 3) ** 2)
    for which, share in (("indicators", 1 - panel), ("panel", panel)):
        row = found.loc[("chosen", which)]
        assert row["first"] == pytest.approx(share, abs=0.1)
        assert row["total"] == pytest.approx(share, abs=0.1)
        assert row["first_low"] < share < row["first_high"]
        assert row["total_low"] < row["total"] < row["total_high"]


def test_a_single_input_moves_all_that_moves():
    values = pd.DataFrame({"unit": ["x", "y"], "a": ["50", "49"], "b": ["60", "90"]})
    item = {"source": "given", "weight": 1.0, "score": RATED}
    groups = [{"id": f"g{i}", "weight": w, "items": [{"id": i, **item}]} for i, w in (("a", 0.7), ("b", 0.3))]
    one = system(groups=groups)
    made = drawn(one, values, None, draws=512, band=0.25, anew=drawn_anew(512))  # no errors: only weights are in doubt
    assert len(made.anew) == 1
    found = influence(made, lambda scores: scores).set_index(["of", "input"])
    assert found.loc[("chosen", "weights"), "total"] == pytest.approx(1, abs=0.1)
    assert found.loc["chosen", "total"].notna().sum() == 1


def test_an_input_that_was_not_given_has_no_share_rather_than_none_and_a_certain_result_has_none_to_give():
    found = moved()
    assert found.loc[("chosen", "weights"), ["first", "total"]].isna().all()
    assert found.loc[("ranks", "policy"), ["first", "total"]].isna().all()
    assert found.loc["ranks", ["first", "total"]].notna().sum().tolist() == [2, 2]
    assert moved(draws=2)["total"].isna().all()  # too few to make any again


def test_a_choice_of_policy_is_drawn_and_told():
    """Arithmetic or geometric at the top of one group: the same score of it; of other values: theirs."""
    values = pd.DataFrame({"unit": ["y", "x"], "a": ["90", "50"], "b": ["90", "60"]})
    found = moved(other_values=[values])
    assert found.loc[("chosen", "policy"), "total"] > 0.9
    with pytest.raises(InputError, match="单位不同: y、z"):
        moved(other_values=[values.assign(unit=["z", "x"])])
    ranked = {"alternatives": [{"title": "按名次", "score": {"rule": "rank"}}]}
    assert moved(system=ranked).loc[("chosen", "policy"), "total"] == pytest.approx(0, abs=1e-9)  # items have rules


def test_an_alternative_that_differs_in_nothing_is_refused():
    with pytest.raises(ValueError, match="至少给一个"):
        system(alternatives=[{"title": "同样"}])


def test_the_same_seed_gives_the_same_limits_of_what_moves_ranks():
    random = np.random.default_rng(3)
    one, other = random.normal(size=(32, 5)), random.normal(size=(32, 5))
    mixed = dict.fromkeys(Input, one + random.normal(size=(32, 5)))
    first, again, another = (_indices(one, other, mixed, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != another
