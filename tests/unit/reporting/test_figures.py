import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ContractBroken, InputError, UnbalancedError
from toolkit.reporting.content.blocks import Figure, Note, display_width
from toolkit.reporting.figures import change as changing
from toolkit.reporting.figures import indicators as figures
from toolkit.reporting.figures import quality as records
from toolkit.reporting.figures import style
from toolkit.reporting.figures.labels import apart, fold
from toolkit.reporting.figures.marks import spanning

from . import samples

RECIPES = {
    "waterfall": (records.waterfall, samples.account, {}),
    "ranking": (figures.ranking, lambda: samples.units(5), {"x_label": "指数"}),
    "trend": (figures.trend, samples.years, {"y_label": "指数", "unit": "本专科"}),
    "change_forest": (changing.change_forest, samples.changes, {}),
    "monthly": (records.monthly, samples.months, {}),
    "grade_scatter": (figures.grade_scatter, samples.grades, {}),
}


@pytest.fixture(params=RECIPES.values(), ids=list(RECIPES))
def recipe(request):
    return request.param


def test_an_empty_frame_is_a_note_that_says_why(recipe):
    draw, frame, more = recipe
    drawn = draw(frame().iloc[:0], id="f", caption="题目", **more)
    assert isinstance(drawn, Note)
    assert "题目" in drawn.text


def test_an_absent_column_is_named(recipe):
    draw, frame, more = recipe
    with pytest.raises(ContractBroken, match="缺少列"):
        draw(frame().iloc[:, 1:], id="f", caption="题目", **more)


def test_the_frame_is_left_as_it_was(recipe):
    draw, frame, more = recipe
    given = frame()
    draw(given, id="f", caption="题目", **more)
    pd.testing.assert_frame_equal(given, frame())


def inches(drawn) -> tuple[float, float]:
    """Width and height of a picture."""
    found = re.search(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', drawn.svg)
    return float(found[1]) / 72, float(found[2]) / 72


def test_pictures_have_report_width(recipe):
    draw, frame, more = recipe
    drawn = draw(frame(), id="f", caption="题目", **more)
    assert inches(drawn)[0] == pytest.approx(15.4 / 2.54, abs=0.001)
    assert drawn.svg.startswith("<svg ")
    assert "<script" not in drawn.svg
    assert drawn.alt


def _hashes() -> str:
    return "".join(hashlib.sha256(f.svg.encode()).hexdigest() for f in samples.charts())


def test_two_processes_draw_the_same_bytes():
    code = "from reporting.test_figures import _hashes; print(_hashes())"
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[3])])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == _hashes()
    assert found.stderr == ""


def test_row_order_does_not_change_a_ranking():
    frame = samples.units(12)
    frame.loc[3, "value"] = frame.loc[4, "value"]
    one = figures.ranking(frame, id="f", caption="c", x_label="x")
    two = figures.ranking(frame.sample(frac=1, random_state=1), id="f", caption="c", x_label="x")
    assert one.svg == two.svg


@pytest.mark.parametrize("k", [1, 2, 40, 61, 300])
def test_rankings_of_any_length_fit_a_page(k):
    drawn = figures.ranking(samples.units(k), id="f", caption="c", x_label="指数")
    assert inches(drawn)[1] < 24.7 / 2.54 + 4 * (40 < k <= 60)


def test_hostile_names_are_text_in_a_chart():
    frame = samples.units(len(samples.HOSTILE)).assign(label=list(samples.HOSTILE))
    drawn = figures.ranking(frame, id="f", caption="c", x_label="$指数$ \\alpha")
    assert "<script" not in drawn.svg
    assert "onerror" not in drawn.svg.replace("<!--", "").split("<svg")[0]


def test_a_character_without_glyph_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"U\+20BB7"):
        figures.ranking(samples.units(1).assign(label="\U00020bb7医院"), id="f", caption="c", x_label="x")


def test_all_marks_have_glyphs():
    style.require_glyphs(["▲▼●○√■◆≥≤±×→−–—…÷，。；：（）“”"])


def test_the_readers_settings_and_ours_do_not_mix():
    import matplotlib as mpl

    plain = records.waterfall(samples.account(), id="f", caption="c")
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": "other", "text.parse_math": True}):
        assert records.waterfall(samples.account(), id="f", caption="c") == plain


def test_an_account_that_does_not_balance_is_not_drawn():
    frame = samples.account()
    frame.loc[4, "n"] = 949
    with pytest.raises(UnbalancedError, match="收到 1000 减去 50 不等于纳入 949"):
        records.waterfall(frame, id="f", caption="c")


def test_missing_values_stay_gaps():
    frame = samples.years()
    frame.loc[2, ["value", "low", "high", "n"]] = np.nan
    assert "本专科：2019 年 1.10，2020 年 1.11，2021 年 —" in figures.trend(
        frame, id="f", caption="c", y_label="指数", unit="本专科"
    ).alt.replace("全区", "|")


def test_missing_months_are_named_and_a_zero_is_not_one():
    drawn = records.monthly(samples.months(), id="f", caption="c")
    assert "缺 2019-06、2019-07、2020-04" in drawn.alt


def test_a_year_without_any_deaths_can_be_drawn():
    frame = pd.DataFrame({"n": [10, 20], "deaths": [0, 0], "grade": [0, 0]})
    assert isinstance(figures.grade_scatter(frame, id="f", caption="c"), Figure)


@pytest.mark.parametrize("column", ["verdict", "direction", "ratio"])
def test_unknown_words_and_impossible_ratios_are_refused(column):
    frame = samples.changes()
    frame.loc[0, column] = -1.0 if column == "ratio" else "好"
    with pytest.raises(ContractBroken):
        changing.change_forest(frame, id="f", caption="c")


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [3.0, 0.001, 900.0]])
def test_forests_of_any_range_can_be_drawn(values):
    frame = samples.changes().iloc[:1].assign(ratio=values[0], low=values[1], high=values[2])
    assert isinstance(changing.change_forest(frame, id="f", caption="c"), Figure)


def test_labels_at_the_end_of_lines_keep_apart_and_in_order():
    placed = apart([1.0, 1.01, 0.2, 1.005], 0.1)
    assert np.diff(sorted(placed)).min() > 0.099
    assert list(np.argsort(placed)) == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("合成市第二医院", 30, ["合成市第二医院"]),
        ("合成市第二医院（合成数据）（立项）", 30, ["合成市第二医院（合成数据）", "（立项）"]),
        ("心血管内科 合成市第二医院（合成数据）", 26, ["心血管内科 合成市第二医院", "（合成数据）"]),
        ("精神分裂症及相关障碍 2070766", 26, ["精神分裂症及相关障碍", "2070766"]),
        ("同一患者住院时间互相重叠且不能分开", 30, ["同一患者住院时间", "互相重叠且不能分开"]),
        ("甲" * 40, 20, ["甲" * 10, "甲" * 10 + "…"]),
        ("A" * 50, 20, ["A" * 20, "A" * 20 + "…"]),
    ],
)
def test_long_names_fold_where_a_reader_would(name, width, lines):
    assert fold(name, width).split("\n") == lines


@pytest.mark.parametrize("width", range(6, 40))
def test_a_folded_name_fits_and_loses_nothing_unless_it_says_so(width):
    name = "神经外科（一）病区 第 12 组：2020–2024 合成市第一医院"
    lines = fold(name, width).split("\n")
    assert len(lines) <= 2
    assert all(display_width(line.removesuffix("…")) <= width for line in lines)
    if not lines[-1].endswith("…"):
        assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    else:
        assert name.replace(" ", "").startswith("".join(lines)[:-1].replace(" ", ""))


def test_an_axis_holds_every_value_with_a_margin_and_room_at_the_foot():
    assert spanning([1.0, 3.0], [np.nan, 2.0, np.inf], margin=0.1) == pytest.approx((1 - 0.2, 3 + 0.2))
    low, high = spanning([0.0, 1.0], margin=0, foot=0.25)
    assert (low, high) == pytest.approx((-0.25, 1.0))
    low, high = spanning([2.0, 2.0])
    assert low < 2 < high


def test_a_line_is_not_drawn_across_a_year_without_estimate():
    def points(years):
        frame = pd.DataFrame({"relative_year": years, "estimate": 1.1, "low": 1.0, "high": 1.2, "n": 9})
        return changing.event_study(frame, id="f", caption="c")

    whole, gap = points([-3, -2, -1, 0]), points([-3, -1, 0])
    assert "前 2 年" in whole.alt
    assert "前 2 年" not in gap.alt
    # a path that is broken starts twice: M … L … M … L
    of_line = re.compile(r'<path d="([^"]*)"[^>]*stroke-opacity:0.6')
    assert of_line.search(whole.svg.replace("\n", " "))[1].count("M") == 1
    assert of_line.search(gap.svg.replace("\n", " "))[1].count("M") == 2
