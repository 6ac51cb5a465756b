"""Counts stand before rates, and a rate has no more digits than its events can carry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.reporting.content.values import before_after, label, name_on, ratio_text, with_limits


def cell(indicator: str, x: float, y: float, value: float, low: float, high: float, status: str = "value") -> pd.Series:
    return pd.Series(
        {"indicator": indicator, "x": x, "y": y, "value": value, "low": low, "high": high, "status": status}
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (cell("mid_low_risk_mortality", 2, 591, 0.338409, 0.041, 1.222), "2/591 例：0.34（0.04–1.22）"),
        (cell("mid_low_risk_mortality", 0, 480, 0.0, 0.0, 0.768), "0/480 例：0.00（0.00–0.77）"),
        (cell("low_risk_mortality", 2, 90_000, 0.00222, 0.0003, 0.008), "2/90,000 例：<0.01（<0.01–0.01）"),
        (cell("low_risk_mortality", 130, 680_939, 0.019091, 0.016, 0.0227), "130/680,939 例：0.019（0.016–0.023）"),
        (cell("mortality_ratio", 2, 1.6, 1.25, 0.151, 4.516), "2 例，预期 1.6：1.25（0.15–4.52）"),
        (cell("mid_low_risk_mortality", 2, 591, np.nan, np.nan, np.nan, "unstable"), "2/591 例（分级不稳，不给率）"),
        (cell("mid_low_risk_mortality", 2, 8, np.nan, np.nan, np.nan, "too_few"), "例数不足"),
        (cell("cmi", 110, 100, 1.1, 1.05, 1.15), "1.100（1.050–1.150）"),
    ],
)
def test_a_cell_of_rare_events_begins_with_its_counts(row, said):
    assert with_limits(row) == said


def test_a_change_of_rare_events_is_told_in_counts():
    change = {"indicator": "mid_low_risk_mortality", "before": 100 * 2 / 591, "after": 100 / 480}
    assert before_after({**change, "n_before": 591, "n_after": 480}) == "2/591 例 → 1/480 例"
    assert (
        before_after({"indicator": "cmi", "before": 1.0, "after": 1.25, "n_before": 9, "n_after": 9}) == "1.000 → 1.250"
    )
    assert before_after({**change, "before": np.nan, "n_before": 591, "n_after": 480}) == "— → 1/480 例"


@pytest.mark.parametrize(
    ("estimate", "low", "high", "said"),
    [
        (0.92, 0.88, 0.97, "0.92（0.88–0.97）"),
        (np.nan, 0.02, np.inf, "—（0.02–无上限）"),
        (np.nan, np.nan, np.nan, "—"),
        (1.5, np.nan, np.nan, "1.50"),
    ],
)
def test_a_ratio_without_an_upper_limit_or_without_a_value_says_so(estimate, low, high, said):
    assert ratio_text(pd.Series({"estimate": estimate, "low": low, "high": high})) == said


@pytest.mark.parametrize(
    ("indicator", "named"),
    [
        ("cost_index", "费用消耗指数·定基"),  # another reference, another number
        ("cmi", "病例组合指数 CMI·定基"),
        ("mid_low_risk_mortality", "中低风险组死亡率·定基"),
        ("mean_cost", "次均费用·定基"),  # at constant prices
        ("mean_los", "平均住院日"),  # days are days
        ("mortality", "住院死亡率"),
        ("drg_count", "DRG 组数"),
        ("outside_city_share", "市外患者比例"),
    ],
)
def test_a_name_says_its_basis_where_the_other_basis_gives_another_number(indicator, named):
    assert name_on(indicator, "frozen") == named
    assert name_on(indicator, "contemporaneous") == named.replace("定基", "当期")


def test_the_unit_stands_after_the_basis():
    assert label("mean_cost", "巴西雷亚尔", "contemporaneous") == "次均费用·当期（巴西雷亚尔）"
