"""Every kind of chart, with few and with many, with short and with long names: no two words overlap and none is cut."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

from toolkit.reporting.content.blocks import Figure
from toolkit.reporting.figures import change, drawing, indicators, quality
from toolkit.reporting.figures.methods import false_alarms_and_coverage
from toolkit.reporting.figures.style import DPI, chart
from toolkit.reporting.figures.timeline import COVID

from . import samples
from .test_monitoring_figures import CHARTS as MONITORING
from .test_programme_figures import CHARTS as PROGRAMME

LONG = "合成地区中心医院（合成数据）（立项）第 20 组"


def specifications(count: int = 64) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    estimate = rng.lognormal(0, 0.1, count)
    verdicts = ["improved", "worse", "stable", "undecided", "not_judged"]
    return pd.DataFrame(
        {
            "estimate": estimate,
            "low": estimate * 0.9,
            "high": estimate * 1.1,
            "verdict": [verdicts[k % 5] for k in range(count)],
            "trim": [("a", "b")[k % 2] for k in range(count)],
            "method": [("one", "two", "three")[k % 3] for k in range(count)],
        }
    )


CHOICES = {
    "trim": ("裁剪", {"a": "四分位距法", "b": "不裁剪"}),
    "method": ("方法", {"one": "对照校正比值（两期双重差分）", "two": "前后比值", "three": "合成控制"}),
}


def years_around(present: list[int]) -> pd.DataFrame:
    ratio = [1 + 0.05 * k for k in range(len(present))]
    limits = {"low": [r * 0.9 for r in ratio], "high": [r * 3 for r in ratio]}
    return pd.DataFrame({"relative_year": present, "estimate": ratio, **limits, "n": 12345})


def months_out_of_line(hospitals: int) -> pd.DataFrame:
    every = pd.period_range("2019-01", "2024-12", freq="M").astype(str)
    states = ["", "缺", "少", "多"]
    rows = [
        (LONG.replace("20", f"{h:02}"), m, states[(h + k) % 4]) for h in range(hospitals) for k, m in enumerate(every)
    ]
    return pd.DataFrame(rows, columns=["label", "month", "state"])


def account(steps: int) -> pd.DataFrame:
    middle = [(f"隔离·规则D{k:02} 日期早于下限或晚于评价期末的病例", 7, "隔离") for k in range(steps)]
    rows = [("收到", 100_000, "收到"), *middle, ("纳入", 100_000 - 7 * steps, "纳入")]
    return pd.DataFrame(rows, columns=["label", "n", "kind"])


def crossing_series() -> pd.DataFrame:
    frame = samples.years()
    twin = frame[frame["series"] == "全区"].assign(series="同级别组各单元合并", value=lambda f: f["value"] + 0.001)
    return pd.concat([frame, twin], ignore_index=True)


def bench() -> pd.DataFrame:
    rows = [(m, i, 0.05 + 0.1 * k, 0.95 - 0.1 * k) for m in "abcd" for k, i in enumerate(("死亡率", "费用"))]
    return pd.DataFrame(rows, columns=["method", "indicator", "type_one", "coverage"])


NAMES = {m: f"对照校正比值（两期双重差分）{m}" for m in "abcd"}
SHORT_RUN = pd.DataFrame({"month": pd.period_range("2023-01", "2024-06", freq="M").astype(str), "n": 1200})
LONG_NAMES = {k: samples.units(k).assign(label=[f"{LONG} {i}" for i in range(k)]) for k in (3, 30, 60)}

CHARTS = (
    MONITORING
    | PROGRAMME
    | {
        "waterfall": lambda: quality.waterfall(samples.account(), id="f", caption="c"),
        "waterfall of many steps": lambda: quality.waterfall(account(19), id="f", caption="c"),
        "ranking": lambda: indicators.ranking(samples.units(5), id="f", caption="c", x_label="指数"),
        **{
            f"ranking of {k} long names": lambda k=k: indicators.ranking(
                LONG_NAMES[k], id="f", caption="c", x_label="指数"
            )
            for k in LONG_NAMES
        },
        "ranking of 300": lambda: indicators.ranking(samples.units(300), id="f", caption="c", x_label="指数"),
        "trend": lambda: indicators.trend(
            crossing_series(), id="f", caption="c", y_label="费用消耗指数", unit="本专科", after=2022, reference=1.0
        ),
        "forest": lambda: change.change_forest(samples.changes(), id="f", caption="c"),
        "forest of one direction": lambda: change.change_forest(
            samples.changes().assign(direction="lower", label=LONG), id="f", caption="c"
        ),
        "event study": lambda: change.event_study(years_around([-3, -2, -1, 0, 1, 2]), id="f", caption="c"),
        "event study with a gap": lambda: change.event_study(years_around([-3, -1]), id="f", caption="c"),
        "specification curve": lambda: change.specification_curve(specifications(), CHOICES, id="f", caption="c"),
        "months": lambda: quality.monthly(samples.months(), id="f", caption="c", after="2020-06", shocks=[COVID]),
        "few months": lambda: quality.monthly(SHORT_RUN, id="f", caption="c", after="2024-01"),
        "months out of line": lambda: quality.month_marks(months_out_of_line(60), id="f", caption="c"),
        "grades": lambda: indicators.grade_scatter(samples.grades(), id="f", caption="c"),
        "grades of like risk": lambda: indicators.grade_scatter(
            pd.DataFrame({"n": [900, 905, 910, 915], "deaths": [9, 9, 9, 9], "grade": [1, 2, 3, 4]}),
            id="f",
            caption="c",
        ),
        "methods": lambda: false_alarms_and_coverage(bench(), NAMES, recommended="a", id="f", caption="c"),
    }
)


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The canvases drawn, for looking at the places of their words."""
    kept = []

    def keeping(draw, **more):
        def draw_and_keep(canvas):
            says = draw(canvas)
            kept.append(canvas)
            return says

        return chart(draw_and_keep, **more)

    monkeypatch.setattr(drawing, "chart", keeping)
    return kept


def words_of(canvas) -> list[Text]:
    """Every text of the picture; an axis also holds labels of ticks beyond its ends, which are not drawn."""
    beyond = set()
    for axes in canvas.axes:
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low <= tick.get_loc() <= high:
                    beyond |= {id(tick.label1), id(tick.label2)}
    return [t for t in canvas.findobj(Text) if t.get_text().strip() and t.get_visible() and id(t) not in beyond]


@pytest.mark.parametrize("name", CHARTS)
def test_no_two_words_overlap_and_none_is_cut(name, drawn):
    assert isinstance(CHARTS[name](), Figure)
    [canvas] = drawn
    canvas.set_dpi(DPI)  # that it was laid out for: hinting makes words wider at few dots
    agg = FigureCanvasAgg(canvas)
    agg.print_png(io.BytesIO())
    renderer = agg.get_renderer()
    texts = words_of(canvas)
    boxes = [
        Text.get_window_extent(t, renderer) if isinstance(t, Annotation) else t.get_window_extent(renderer)
        for t in texts
    ]
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= -1, text.get_text()
        assert box.x1 <= canvas.bbox.x1 + 1, text.get_text()
        assert box.y0 >= -1, text.get_text()
        assert box.y1 <= canvas.bbox.y1 + 1, text.get_text()
    for i, one in enumerate(boxes):
        for k in range(i + 1, len(boxes)):
            other = boxes[k]
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            # line spacing gives boxes a little air: touching is not overlapping
            assert wide <= 2 or high <= 0.25 * min(one.height, other.height), (texts[i].get_text(), texts[k].get_text())
