"""Pictures of a cycle: what is drawn of which row, and what is said instead where there is nothing. 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ContractBroken
from toolkit.reporting.content.blocks import Note
from toolkit.reporting.figures import programme

NAN = float("nan")
LONG = "合成地区中心医院（合成数据） 第 20 组专科"


def ranked(count: int = 20, name: str = "合成医院") -> pd.DataFrame:
    place = np.arange(1, count + 1)
    return pd.DataFrame(
        {
            "name": [f"{name} {k}" for k in place],
            "chosen": place <= 3,
            "median_rank": place,
            "rank_low": np.maximum(place - 2, 1),
            "rank_high": place + 3,
            "chance": np.where(place <= 3, 0.9, 0.1),
        }
    )


def moved() -> pd.DataFrame:
    rows = [
        ("指标的误差", 0.2, 0.6),
        ("专家评分的误差", 0.1, 0.5),
        ("权重", NAN, NAN),
        ("计分办法与口径的选择", 0.0, 0.1),
    ]
    frame = pd.DataFrame(rows, columns=["input_zh", "first", "total"])
    return frame.assign(
        **{f"{c}_{end}": frame[c] + d for c in ("first", "total") for end, d in (("low", -0.05), ("high", 0.05))}
    )


def agreed() -> pd.DataFrame:
    return pd.DataFrame(
        {"title": ["管理", LONG, "空"], "icc": [0.9, 0.3, NAN], "low": [0.8, -0.1, NAN], "high": [0.95, 0.6, NAN]}
    )


def standing() -> pd.DataFrame:
    return pd.DataFrame({"expert": ["甲", "乙"], "above": [0.4, -2.3], "outlying": [False, True]})


def wrong() -> pd.DataFrame:
    rows = [
        (p, s, w) for p, w in (("各项变差 20%", "误判合格"), ("没有变化", "误判整改")) for s in ("小", "大", "全部")
    ]
    frame = pd.DataFrame(rows, columns=["planted_zh", "size", "wrong_zh"])
    return frame.assign(wrong=[0.3, 0.1, NAN, 0.0, 0.2, 0.1], low=0.0, high=0.5, units=10)


def decided(name: str = "合成医院") -> pd.DataFrame:
    outcomes = ["qualified", "mend", "boundary", "not_judged"]
    return pd.DataFrame(
        {
            "name": [f"{name} {k}" for k in range(4)],
            "outcome": outcomes,
            "p_qualified": [0.99, 0.02, 0.5, NAN],
            "flips": [0.05, 0.1, 0.4, NAN],
            "final_zh": ["合格", "整改", "合格", "不予评价"],
        }
    )


CHARTS = {
    "ranks": lambda: programme.ranks(ranked(), id="f", caption="c"),
    "ranks of long names": lambda: programme.ranks(ranked(20, LONG), id="f", caption="c"),
    "influence": lambda: programme.influence(moved(), id="f", caption="c"),
    "agreement": lambda: programme.agreement(agreed(), id="f", caption="c"),
    "experts": lambda: programme.experts(standing(), id="f", caption="c"),
    "wrong decisions": lambda: programme.wrong_decisions(wrong(), id="f", caption="c"),
    "certainty": lambda: programme.certainty(decided(LONG), id="f", caption="c"),
}


def test_ranks_show_the_foremost_and_every_one_that_is_chosen():
    assert "合成医院 14 12–17（10%）" in programme.ranks(ranked(), id="f", caption="c").alt
    assert "合成医院 15" not in programme.ranks(ranked(), id="f", caption="c").alt
    late = ranked().assign(chosen=lambda f: f["name"] == "合成医院 18")
    assert "合成医院 18" in programme.ranks(late, id="f", caption="c").alt


def test_an_input_that_was_not_given_keeps_its_row_and_says_so():
    made = programme.influence(moved(), id="f", caption="c")
    assert "权重 单独 —，共同 —" in made.alt
    assert "没有给出" in made.svg
    assert isinstance(programme.influence(moved().assign(total=NAN), id="f", caption="c"), Note)


def test_a_project_that_is_not_judged_has_no_place_on_the_axis():
    made = programme.certainty(decided(), id="f", caption="c")
    assert made.alt == "合成医院 0 合格 99%；合成医院 2 边界 50%；合成医院 1 整改 2%"


@pytest.mark.parametrize(
    ("draw", "frame"),
    [
        (programme.ranks, ranked().assign(median_rank=NAN)),
        (programme.agreement, agreed().assign(icc=NAN)),
        (programme.experts, standing().assign(above=NAN)),
        (programme.wrong_decisions, wrong().iloc[:0]),
        (programme.certainty, decided().assign(p_qualified=NAN)),
    ],
)
def test_without_values_it_says_that_nothing_is_drawn_and_a_missing_column_is_refused(draw, frame):
    assert isinstance(draw(frame, id="f", caption="c"), Note)
    with pytest.raises(ContractBroken, match="缺少列"):
        draw(frame.iloc[:, 1:], id="f", caption="c")
