"""What rows and timelines declare: places worked out by hand, before anything is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.reporting.figures.marks import Axis, Band, Points, Rule, Sign, Strokes, Words
from toolkit.reporting.figures.rows import Beside, Rows
from toolkit.reporting.figures.timeline import Shock, Timeline

DOT, TRIANGLE = Sign(marker="o"), Sign(marker="^", colour="#000000")
# 合成数据: the second interval is cut at both ends, the third has no value, the fourth no interval
FRAME = pd.DataFrame(
    {
        "label": ["甲", "乙", "丙", "丁"],
        "value": [1.0, 1.2, np.nan, 9.0],
        "low": [0.9, 0.1, 0.8, np.nan],
        "high": [1.1, 5.0, 0.9, np.nan],
        "sign": [DOT, TRIANGLE, DOT, DOT],
        "words": ["一", "二", "", "四"],
    }
)


def of(kind, marks) -> list:
    return [mark for mark in marks if isinstance(mark, kind)]


def rows(**more) -> Rows:
    return Rows(frame=FRAME, axis=Axis(low=0.5, high=2.0), arrows=True, **more)


def test_rows_stand_one_below_another_and_one_without_value_keeps_its_name():
    panel = rows().panel()
    assert (panel.y.low, panel.y.high) == (3.6, -0.6)
    assert panel.y.names == ["甲", "乙", "丙", "丁"]
    dots = next(mark for mark in of(Points, panel.marks) if mark.sign == DOT)
    assert list(dots.y) == [0, 3]
    assert list(dots.x) == [1.0, 2.0]  # 9 is beyond the axis: drawn at its end


def test_an_interval_beyond_the_axis_is_cut_there_and_says_so():
    marks = rows().panel().marks
    [cut] = [mark for mark in of(Strokes, marks) if list(mark.y) == [1]]
    assert (list(cut.x), list(cut.to_x)) == ([0.5], [2.0])
    arrows = {mark.sign.marker: list(mark.x) for mark in of(Points, marks) if mark.sign.marker in "<>"}
    assert arrows == {"<": [0.5], ">": [2.0]}
    assert not any(mark.clipped for mark in of(Points, marks) if mark.sign.marker in "<>")


def test_upright_rows_are_the_same_with_the_axes_exchanged():
    flat, upright = rows().panel(), rows(upright=True).panel()
    assert (upright.y.low, upright.y.high) == (flat.x.low, flat.x.high) == (0.5, 2.0)
    assert (upright.x.low, upright.x.high) == (-0.6, 3.6)
    for one, other in zip(of(Strokes, flat.marks), of(Strokes, upright.marks), strict=True):
        assert (list(one.x), list(one.to_x)) == (list(other.y), list(other.to_y))
        assert list(one.y) == list(other.x)


def test_words_beside_the_rows_stand_at_their_rows():
    [column] = rows(side=[Beside(text="words", points=10, head="字")]).panel().beside
    assert [(cell.y, cell.text) for cell in column.cells] == [(0, "一"), (1, "二"), (3, "四")]


def timeline(years=range(2019, 2025), **more) -> list:
    values, names = Axis(low=0, high=1), [str(y) for y in years]
    return (
        Timeline(years=np.array(years), marks=(), values=values, ticks=range(len(names)), names=names, **more)
        .panel()
        .marks
    )


def test_a_shock_is_shaded_as_far_as_the_data_go():
    shock = Shock(start=2017, end=2020, label="事件")
    [band] = of(Band, timeline(shocks=[shock]))
    assert (band.low, band.high) == (-0.5, 1.5)  # 2019 and 2020 are places 0 and 1
    assert of(Band, timeline(shocks=[Shock(start=2010, end=2012, label="过去")])) == []


@pytest.mark.parametrize(("start", "lines"), [(3, [2.5]), (0, []), (6, []), (-2, []), (None, [])])
def test_the_start_stands_before_its_place_and_only_between_places(start, lines):
    marks = timeline(start=start)
    assert [rule.at for rule in of(Rule, marks)] == lines
    assert [words.text for words in of(Words, marks)] == ["建设前", "建设期"] * len(lines)
