"""Monitoring charts: what they say in words, and that thin data give a chart or a note."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from toolkit.indicators import Direction
from toolkit.models.monitoring.cusum import cusum
from toolkit.models.monitoring.funnel import Position, funnel
from toolkit.models.monitoring.spc import assurance, xmr
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.figures import monitoring as figures
from toolkit.reporting.figures.funnel import funnel_chart

# 合成数据: names and numbers of no hospital


def units(seed: int = 1, count: int = 24, far: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    exposure = np.exp(rng.normal(2.2, 1.1, count))
    observed = rng.poisson(exposure).astype(float)
    observed[:far] = np.ceil(6 + 4 * exposure[:far])
    frame = pd.DataFrame({"observed": observed, "exposure": exposure, "specialty": "s"})
    found = funnel(frame, ["specialty"], "ratio", centre=1.0)
    return found.assign(label=[f"合成第{k}医院" for k in range(count)], highlight=np.arange(count) == 5)


def series(seed: int = 1, points: int = 72, *, quarter: bool = False, jump: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    step = 4 if quarter else 12
    names = [
        f"{2019 + k // step}Q{k % step + 1}" if quarter else f"{2019 + k // step}-{k % step + 1:02d}"
        for k in range(points)
    ]
    frame = pd.DataFrame(
        {
            "indicator": "x",
            "point": names,
            "phase": np.where(np.arange(points) < points // 2, "before", "after"),
            "n": 40,
            "value": rng.normal(1.1, 0.08, points),
        }
    )
    frame.loc[points - 2, "value"] += jump
    found = xmr(frame, ["indicator"], {"x": Direction.LOWER})
    last = found.iloc[-1]
    return found.assign(target=1.0, assurance=assurance(last["lower"], last["upper"], 1.0, Direction.LOWER))


def deaths(seed: int = 1) -> pd.DataFrame:
    return _deaths(seed).copy()


@cache  # its limits take a while to find
def _deaths(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"month": [f"{2022 + k // 12}-{k % 12 + 1:02d}" for k in range(36)], "n": 60, "p": 0.03})
    frame = frame.assign(died=rng.binomial(60, np.where(np.arange(36) > 20, 0.08, 0.03)))
    parts = []
    for direction, ratio in (("worse", 2.0), ("better", 0.5)):
        made = cusum(frame, odds_ratio=ratio)
        parts.append(made.table.assign(direction=direction, limit=made.limit, odds_ratio=ratio))
    return pd.concat(parts, ignore_index=True)


def funnel_of(frame: pd.DataFrame):
    return funnel_chart(frame, id="f", caption="漏斗", x_label="期望死亡", y_label="O/E", overdispersion="corrected")


CHARTS = {
    "funnel": lambda: funnel_of(units()),
    "crowded funnel": lambda: funnel_of(units(3, 60, 9)),
    "two units": lambda: funnel_of(units(4, 2, 0).assign(highlight=[True, False])),
    "months": lambda: figures.xmr_chart(series(), id="x", caption="控制图", y_label="指数", after=2022),
    "quarters": lambda: figures.xmr_chart(
        series(2, 24, quarter=True), id="x", caption="控制图", y_label="指数", after=2022
    ),
    "cusum": lambda: figures.cusum_chart(deaths(), id="c", caption="CUSUM"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_equal_input_gives_equal_bytes(name):
    one, two = CHARTS[name](), CHARTS[name]()
    assert one.svg == two.svg


def test_a_funnel_says_which_limits_it_has_and_who_is_outside():
    frame = units()
    found = funnel_of(frame)
    assert "Poisson 精确预测限" in found.note
    assert "τ²" in found.note
    assert f"{len(frame)} 个单元" in found.alt
    for label in frame.loc[frame["position_od"] == Position.HIGH_998, "label"]:
        assert label in found.alt
    assert "合成第5医院" in found.alt
    few = funnel_of(units(4, 2, 0))
    assert "不能估计单元间差异" in few.note


def test_units_that_cannot_be_judged_are_counted():
    frame = pd.concat([units(), units().head(2).assign(exposure=0.0, value=np.nan)], ignore_index=True)
    assert "另有 2 个单元" in funnel_of(frame).note


def test_a_control_chart_names_its_signals_and_survives_gaps():
    frame = series()
    found = figures.xmr_chart(frame, id="x", caption="c", y_label="指数", after=2022)
    assert "2024-11 变差" in found.alt
    gap = frame.drop(index=[10, 11, 12, 13])
    assert isinstance(figures.xmr_chart(gap, id="x", caption="c", y_label="指数", after=2022), Figure)


def test_a_cusum_names_the_months_of_its_signals():
    frame = deaths()
    first = frame.loc[frame["signal"], "month"].min()
    assert f"{first} 变差信号" in figures.cusum_chart(frame, id="c", caption="c").alt


@pytest.mark.parametrize(
    "make",
    [
        lambda: funnel_of(units().iloc[:0]),
        lambda: funnel_of(units().assign(exposure=0.0)),
        lambda: figures.xmr_chart(series().iloc[:0], id="x", caption="c", y_label="y"),
        lambda: figures.xmr_chart(series().assign(value=np.nan), id="x", caption="c", y_label="y"),
        lambda: figures.cusum_chart(deaths().iloc[:0], id="c", caption="c"),
    ],
)
def test_nothing_to_draw_is_a_note(make):
    assert isinstance(make(), Note)


@pytest.mark.parametrize("points", [1, 2, 5])
def test_few_points_are_drawn_without_limits_or_with_weak_ones(points):
    assert isinstance(
        figures.xmr_chart(
            series(3, points, jump=0) if points > 1 else series(3, 2, jump=0).head(1), id="x", caption="c", y_label="y"
        ),
        Figure,
    )
