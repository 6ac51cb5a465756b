"""Segmented regression against the same estimates written out: normal equations, Newton steps, Bartlett sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.indicators import CATALOGUE
from toolkit.models.change.base import Study
from toolkit.models.change.segmented import FEW_EVENTS, lags, poisson_regression, regression, segmented
from toolkit.params import Years


def bartlett(scores: np.ndarray, lag: int) -> np.ndarray:
    """Σ over pairs of points no farther apart than the lag, weighted by 1 − distance / (lag + 1)."""
    distance = np.abs(np.subtract.outer(np.arange(len(scores)), np.arange(len(scores))))
    return scores.T @ np.maximum(0, 1 - distance / (lag + 1)) @ scores


def line(points: int, start: int) -> np.ndarray:
    time = np.arange(points) - start
    after = (time >= 0).astype(float)
    return np.stack([np.ones(points), time / 12, after, after * time / 12], axis=1)


def test_weighted_least_squares_and_newey_west():
    rng = np.random.default_rng(11)
    x, weight = line(48, 24), rng.integers(50, 150, 48).astype(float)
    y = x @ [0.3, -0.1, 0.2, 0.05] + rng.normal(0, 0.1, 48)
    beta, covariance = regression(y, x, weight, 3)
    bread = np.linalg.inv(x.T @ (x * weight[:, None]))
    by_hand = bread @ (x.T @ (weight * y))
    scores = x * (weight * (y - x @ by_hand))[:, None]
    np.testing.assert_allclose(beta, by_hand, rtol=1e-9)
    np.testing.assert_allclose(covariance, bread @ bartlett(scores, 3) @ bread * 48 / 44, rtol=1e-9)


def test_poisson_counts_with_offset_and_newey_west():
    rng = np.random.default_rng(12)
    x, at_risk = line(60, 36), rng.integers(200, 400, 60).astype(float)
    events = rng.poisson(at_risk * np.exp(x @ [-4.0, 0.0, -0.5, 0.1])).astype(float)
    assert (events == 0).any()  # months without an event are no gaps
    beta, covariance = poisson_regression(events, x, at_risk, 3)
    by_hand = np.array([np.log(events.sum() / at_risk.sum()), 0, 0, 0])
    for _ in range(50):
        mean = at_risk * np.exp(x @ by_hand)
        by_hand = by_hand + np.linalg.solve(x.T @ (x * mean[:, None]), x.T @ (events - mean))
    bread = np.linalg.inv(x.T @ (x * mean[:, None]))
    np.testing.assert_allclose(beta, by_hand, atol=1e-8)
    scores = x * (events - mean)[:, None]
    np.testing.assert_allclose(covariance, bread @ bartlett(scores, 3) @ bread * 60 / 56, rtol=1e-6)


def deaths_by_month(rng: np.random.Generator, before: float, after: float, at_risk: int = 400) -> pd.DataFrame:
    month = pd.period_range("2019-01", "2024-12", freq="M")
    rate = np.where(month.year < 2022, before, after)
    return pd.DataFrame(
        {
            "hospital": "甲",
            "specialty": "内科",
            "period": month.astype(str),
            "indicator": "mortality",
            "x": rng.poisson(rate * at_risk).astype(float),
            "y": float(at_risk),
            "n": at_risk,
        }
    )


def study() -> Study:
    units = pd.DataFrame(
        {"hospital": ["甲"], "specialty": ["内科"], "level_group": ["三级"], "start": [2022], "eligible": [True]}
    )
    return Study(
        indicators={"mortality": CATALOGUE["mortality"]},
        units=units,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
    )


def test_a_halved_death_rate_is_found_and_no_change_is_called_by_chance_only():
    rng = np.random.default_rng(13)
    halved = [segmented(deaths_by_month(rng, 0.02, 0.01), study()).changes.iloc[0] for _ in range(20)]
    assert np.exp(np.mean([np.log(row["estimate"]) for row in halved])) == pytest.approx(0.5, rel=0.15)
    same = [segmented(deaths_by_month(rng, 0.02, 0.02), study()).changes.iloc[0] for _ in range(100)]
    rejected = sum(row["p_value"] < 0.05 for row in same)
    assert (
        rejected <= 14
    )  # of 100 with 5 % each, more than 14 happen once in 10,000 times; HAC of 72 points is a little liberal


def test_a_handful_of_deaths_bears_no_line():
    cells = deaths_by_month(np.random.default_rng(14), 0.0001, 0.0001, at_risk=100)
    [row] = segmented(cells, study()).changes.to_dict("records")
    assert np.isnan(row["estimate"])
    assert FEW_EVENTS in row["warnings"]
    assert lags(72) == 3
