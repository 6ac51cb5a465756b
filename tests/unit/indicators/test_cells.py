"""Cells: intervals against known values, statuses, addition, refusals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit.errors import ContractBroken, EvaluationError
from toolkit.indicators import CATALOGUE, Distribution, Indicator, Status
from toolkit.indicators.base import Direction, Domain, Example, Source, col
from toolkit.indicators.table import _rounded, collect, evaluate, finish, poisson_limits, roll_up


def sums(x: float, y: float, xx: float = np.nan) -> pd.DataFrame:
    return pd.DataFrame(
        {"x": [float(x)], "y": [float(y)], "xx": [float(xx)], "all_y": [float(y)], "own_y": [np.nan], "rows": [1.0]}
    )


def one_like(id_: str, kind: Distribution, scale: float = 1.0) -> Indicator:
    return Indicator(
        id=id_,
        name_zh="合成",
        name_en="",
        domain=Domain.SAFETY,
        formula="",
        source=Source(title="合成"),
        numerator=col("x"),
        denominator=col("y"),
        direction=Direction.LOWER,
        distribution=kind,
        example=Example(discharges="", value=0, arithmetic=""),
        scale=scale,
    )


@pytest.mark.parametrize(
    ("expected", "low", "high"), [(15, 0.5596924, 1.649348), (20, 0.6108260, 1.544419), (30, 0.6746958, 1.427562)]
)
def test_exact_poisson_limits_of_published_tables(expected, low, high):
    found = poisson_limits(np.array([float(expected)]))
    assert [float(limit[0] / expected) for limit in found] == pytest.approx([low, high], rel=2e-6)


@pytest.mark.parametrize("n", [30, 300, 5000])
def test_no_death_in_n_is_never_perfect(n):
    cell = finish(sums(0, n), one_like("m", Distribution.RARE), 0.95).iloc[0]
    assert (cell["value"], cell["low"]) == (0.0, 0.0)
    assert cell["high"] == pytest.approx(-math.log(0.025) / n)  # P(0 | μ) = e^−μ = 0.025: μ = 3.69
    assert cell["high"] * n == pytest.approx(3.69, abs=0.002)


@pytest.mark.parametrize(("deaths", "n", "percent"), [(130, 680_939, 0.02), (209, 130_449, 0.16)])
def test_the_risk_groups_of_a_published_hospital(deaths, n, percent):
    cell = finish(sums(deaths, n), one_like("m", Distribution.RARE, 100), 0.95).iloc[0]
    assert round(cell["value"], 2) == percent
    assert cell["low"] < 100 * deaths / n < cell["high"]
    assert cell["se"] == pytest.approx(100 * math.sqrt(deaths) / n)


def test_clopper_pearson_at_the_ends_and_against_its_own_definition():
    kind = one_like("p", Distribution.PROPORTION)
    none, all_ = finish(sums(0, 30), kind, 0.95).iloc[0], finish(sums(30, 30), kind, 0.95).iloc[0]
    # (1 − p)^30 = 0.025
    assert (none["low"], none["high"]) == (0.0, pytest.approx(1 - 0.025 ** (1 / 30)))
    assert round(100 * none["high"], 1) == 11.6  # statistics-pitfalls.md §1
    assert (all_["low"], all_["high"]) == (pytest.approx(0.025 ** (1 / 30)), 1.0)
    low, high = finish(sums(3, 10), kind, 0.95).iloc[0][["low", "high"]]

    def at_most(k: int, p: float) -> float:
        return sum(math.comb(10, j) * p**j * (1 - p) ** (10 - j) for j in range(k + 1))

    assert 1 - at_most(2, low) == pytest.approx(0.025)
    assert at_most(3, high) == pytest.approx(0.025)


def test_interval_of_a_mean_is_that_of_the_mean_on_the_log_scale():
    values = [0.5, 0.8, 1.1, 1.6]
    cell = finish(sums(sum(values), 4, sum(v * v for v in values)), one_like("i", Distribution.MEAN), 0.95).iloc[0]
    mean = sum(values) / 4
    se = math.sqrt(sum((v - mean) ** 2 for v in values) / 3 / 4)
    assert (cell["value"], cell["se"]) == (pytest.approx(mean), pytest.approx(se))
    assert cell["low"] == pytest.approx(mean / math.exp(1.959964 * se / mean), rel=1e-6)
    assert cell["high"] == pytest.approx(mean * math.exp(1.959964 * se / mean), rel=1e-6)
    narrow = finish(sums(sum(values), 4, sum(v * v for v in values)), one_like("i", Distribution.MEAN), 0.9).iloc[0]
    assert narrow["high"] == pytest.approx(mean * math.exp(1.644854 * se / mean), rel=1e-6)


def test_one_case_has_a_value_and_no_interval():
    cell = finish(sums(0.8, 1, 0.64), one_like("i", Distribution.MEAN), 0.95).iloc[0]
    assert cell["value"] == 0.8
    assert cell[["se", "low", "high"]].isna().all()


def test_closed_form_error_agrees_with_a_bootstrap_of_records(engine):
    rng = np.random.default_rng(20240501)
    n = 400
    frame = rows.received(f"hospital | cases\nA | {n}\nB | {n}")
    drg = rng.choice(["FA11", "FB21", "FC31"], 2 * n, p=[0.5, 0.3, 0.2])
    cost = np.round(np.exp(rng.normal(9, 0.6, 2 * n)) * pd.Series(drg).map({"FA11": 1, "FB21": 2, "FC31": 4})).astype(
        int
    )
    frame = frame.assign(drg=drg, cost_fen=cost.astype(str))
    cells = engine.cells(
        frame, rows.params(), [CATALOGUE["cost_index"], CATALOGUE["cmi"], CATALOGUE["mean_cost"]], ["hospital"]
    )
    frame = frame.assign(cost=cost.to_numpy())
    mean = frame.groupby("drg")["cost"].mean()
    own = frame[frame["hospital"] == "A"]
    ratio, weight = (
        (own["cost"] / own["drg"].map(mean)).to_numpy(),
        own["drg"].map(mean / frame["cost"].mean()).to_numpy(),
    )
    picks = rng.integers(0, n, (4000, n))
    for id_, values in (("cost_index", ratio), ("cmi", weight), ("mean_cost", own["cost"].to_numpy() / 100)):
        bootstrap = values[picks].mean(axis=1).std()  # its own error with 4000 draws: 1/√8000 = 1.1 %
        [se] = cells.loc[(cells["hospital"] == "A") & (cells["indicator"] == id_), "se"]
        assert se == pytest.approx(bootstrap, rel=0.04)


def test_statuses(engine):
    frame = rows.received("""
        hospital | department | tier | surgical | surgery_level | died | drg
        A        | D2         | 市   | T        | 4             | F    | FA11
        B        | D1         | 市   | F        |               |      | FA11
        C        | D1         | 县   | T        | 3             | F    |
        """)
    ids = ["level4_share", "level34_share", "mortality", "cost_index"]
    cells = engine.cells(frame, rows.params(), [CATALOGUE[i] for i in ids], ["hospital"])
    found = cells.pivot_table(index="hospital", columns="indicator", values="status", aggfunc="first")[ids]
    never, few, none, value = Status.NOT_APPLICABLE, Status.TOO_FEW, Status.NO_REFERENCE, Status.VALUE
    assert found.to_numpy().tolist() == [
        [never, never, value, value],  # a medical specialty: 不适用, never 0
        [few, never, few, value],  # no operation; the outcome of none is known
        [never, value, value, none],  # in a county hospital the other share; not grouped
    ]
    assert cells.loc[cells["status"] != value, "value"].isna().all()


def test_a_distinct_count_is_refused_by_roll_up_and_names_the_way_out(engine):
    cells = engine.cells(
        rows.received("hospital | drg\nA | FA11\nB | FA11"), rows.params(), [CATALOGUE["drg_count"]], ["hospital"]
    )
    assert cells["value"].tolist() == [1, 1]  # over both: 1, not 2
    with pytest.raises(EvaluationError, match="collect"):
        roll_up(cells.assign(region=""), CATALOGUE, ["region"])


def test_an_indicator_that_names_an_unknown_measure_says_which():
    with pytest.raises(ContractBroken, match="no_such"):
        evaluate(pd.DataFrame({"n": [1]}), col("no_such") + 1)


@pytest.mark.parametrize(
    ("given", "kept"), [(1 / 3, 0.333333333333), (123456789.123456789, 123456789.123), (-2e-20 / 3, -6.66666666667e-21)]
)
def test_values_are_kept_to_twelve_significant_digits(given, kept):
    assert _rounded(np.array([given, 0.0, np.nan])).tolist() == pytest.approx(
        [kept, 0.0, np.nan], rel=1e-15, abs=0, nan_ok=True
    )


def test_collect_promises_its_order(engine):
    frame = rows.received("hospital\nB\nA")
    cells = engine.cells(frame, rows.params(), [CATALOGUE["volume"], CATALOGUE["cmi"]], ["hospital"])
    assert cells[["hospital", "indicator"]].to_numpy().tolist() == [
        ["A", "volume"],
        ["A", "cmi"],
        ["B", "volume"],
        ["B", "cmi"],
    ]
    twice = engine.cells(
        frame, rows.params(), [CATALOGUE["cmi"], CATALOGUE["drg_count"], CATALOGUE["cmi"]], ["hospital"]
    )
    assert twice["n"].tolist() == [1] * 6  # asked for twice, given twice
    empty = collect(engine.attached(frame, rows.params()), [CATALOGUE["cmi"]], ["hospital", "year"])
    assert empty["n"].tolist() == [1, 1]
