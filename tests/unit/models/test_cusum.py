"""CUSUM: scores by hand and by record, limits against simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from toolkit.models.monitoring.cusum import _deaths, cusum


def months(seed: int, count: int = 36, patterns: int = 30) -> pd.DataFrame:
    """合成数据: patterns of a unit by month, about 4 deaths expected a month."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "month": np.repeat([f"{2022 + t // 12}-{t % 12 + 1:02d}" for t in range(count)], patterns),
            "n": rng.integers(1, 8, count * patterns),
            "p": 1 / (1 + np.exp(-rng.normal(-3.8, 1, count * patterns))),
        }
    )
    return frame.assign(died=rng.binomial(frame["n"], frame["p"]))


def test_scores_are_those_of_steiner_by_hand():
    # R = 2, p = 0.01: a death scores ln 2 − ln 1.01, a survivor −ln 1.01
    frame = pd.DataFrame({"month": ["2022-01", "2022-02"], "n": [1, 1], "p": 0.01, "died": [1, 0]})
    found = cusum(frame).table
    assert found["score"].tolist() == pytest.approx([np.log(2) - np.log(1.01), -np.log(1.01)])
    assert found["cusum"].tolist() == pytest.approx([np.log(2 / 1.01), np.log(2 / 1.01) - np.log(1.01)])


def test_a_month_is_the_sum_of_its_records_log_likelihood_ratios():
    frame, ratio = months(1, 14), 0.5
    records = frame.loc[frame.index.repeat(frame["n"])].assign(k=lambda f: f.groupby(level=0).cumcount())
    died, p = records["k"] < records["died"], records["p"]
    other = ratio * p / (1 - p + ratio * p)  # odds times the ratio
    likelihoods = np.log(np.where(died, other, 1 - other)) - np.log(np.where(died, p, 1 - p))
    by_month = pd.Series(likelihoods, index=records.index).groupby(records["month"]).sum()
    found = cusum(frame, odds_ratio=ratio).table
    assert found["score"].tolist() == pytest.approx(by_month.tolist())
    total, path = 0.0, []
    for score in by_month:
        total = max(0.0, total + score)
        path.append(total)
    assert found["cusum"].tolist() == pytest.approx(path)
    assert found["expected"].sum() == pytest.approx((frame["n"] * frame["p"]).sum())


def test_deaths_of_a_month_are_poisson_binomial():
    n, p = np.array([3.0, 2.0]), np.array([0.1, 0.4])
    found = _deaths(np.zeros(2, dtype=int), 1, n, p)[0]
    assert found == pytest.approx(np.convolve(stats.binom.pmf(range(4), 3, 0.1), stats.binom.pmf(range(3), 2, 0.4)))


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_limit_has_the_run_length_and_false_alarms_it_states(ratio):
    frame, asked = months(3), 100.0
    found = cusum(frame, odds_ratio=ratio, run_length=asked)
    assert asked <= found.run_length < 1.1 * asked  # the limit lies on a grid
    rng, runs = np.random.default_rng(4), 3000
    parts = [part for _, part in frame.groupby("month")]
    still = np.array([-(part["n"] * np.log1p((ratio - 1) * part["p"])).sum() for part in parts])
    drawn = np.array(
        [rng.binomial(p["n"].to_numpy()[:, None], p["p"].to_numpy()[:, None], (len(p), 4000)).sum(0) for p in parts]
    )
    level, length, alive, alarms = np.zeros(runs), np.zeros(runs), np.ones(runs, dtype=bool), np.nan
    for month in range(1, 2000):
        which = rng.integers(0, len(parts), runs)
        level = np.maximum(0, level + drawn[which, rng.integers(0, 4000, runs)] * np.log(ratio) + still[which])
        length += alive
        alive &= level < found.limit
        if month == len(parts):
            alarms = 1 - alive.mean()
    assert length.mean() == pytest.approx(found.run_length, abs=3.5 * length.std() / np.sqrt(runs) + 1)
    assert alarms == pytest.approx(found.false_alarm, abs=3.5 * np.sqrt(0.25 / runs))


def test_a_doubling_is_found_and_a_quiet_unit_is_not():
    frame = months(5)
    worse = frame.assign(
        died=np.where(frame["month"] >= "2023-07", np.minimum(frame["n"], 2 * frame["died"]), frame["died"])
    )
    found = cusum(worse).table
    assert found["signal"].any()
    assert found.loc[found["signal"], "month"].min() >= "2023-07"
    assert not cusum(frame).table["signal"].any()


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("2022-01", 10, 0, np.nan)],
        [("2022-01", 5, 0, 1e-6)],
        [("2022-01", 0, 0, 0.1)],
        [("2022-01", 40, 40, 0.05)],
    ],
)
def test_bad_input_is_a_chart_with_a_reason(rows):
    found = cusum(
        pd.DataFrame(rows, columns=["month", "n", "died", "p"]).astype({"n": float, "died": float, "p": float})
    )
    assert found.warnings
    if np.isnan(found.limit):
        assert not found.table["signal"].any()
