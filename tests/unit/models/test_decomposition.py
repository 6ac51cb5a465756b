"""Why an average changed: worked examples by hand arithmetic, sums that are exact, errors against drawing again. 合成数据."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.models.decomposition import decompose, totals

# 10 cases at 0.8 and 30 at 1.2 before; 30 at 0.6 and 10 at 1.2 after: 1.1 -> 0.75
HAND = pd.DataFrame(
    [("A", "before", 8.0, 10), ("B", "before", 36.0, 30), ("A", "after", 18.0, 30), ("B", "after", 12.0, 10)],
    columns=["drg", "period", "x", "y"],
).assign(unit="u")


def test_both_orders_by_hand():
    parts = decompose(HAND, ["unit"], "drg").set_index("drg")
    # shares A 0.25 -> 0.75, B 0.75 -> 0.25; values A 0.8 -> 0.6, B 1.2 -> 1.2; average before 1.1
    assert parts.loc["A", "mix_first"] == pytest.approx(0.5 * (0.8 - 1.1))
    assert parts.loc["B", "mix_first"] == pytest.approx(-0.5 * (1.2 - 1.1))
    assert parts.loc["A", "practice_second"] == pytest.approx(0.75 * (0.6 - 0.8))
    assert parts.loc["A", "practice_first"] == pytest.approx(0.25 * (0.6 - 0.8))
    assert parts.loc["A", "mix_second"] == pytest.approx(0.5 * (0.6 - 1.1))
    [whole] = totals(parts.reset_index(), ["unit"]).itertuples()
    assert (whole.before, whole.after, whole.change) == pytest.approx((1.1, 0.75, -0.35))
    # mix first: 0.5·0.8 − 0.5·1.2 = −0.2, practice after it 0.75·(−0.2) = −0.15; the other way −0.05 and −0.3
    assert (whole.mix_first, whole.practice_second) == pytest.approx((-0.2, -0.15))
    assert (whole.practice_first, whole.mix_second) == pytest.approx((-0.05, -0.3))
    assert (whole.mix, whole.practice) == pytest.approx((-0.25, -0.1))
    assert whole.level == pytest.approx(0.75 - 1)


def test_a_group_that_enters_or_leaves_is_mix_by_hand():
    sums = pd.DataFrame(
        [("A", "before", 8.0, 10), ("L", "before", 20.0, 10), ("A", "after", 10.0, 10), ("N", "after", 3.0, 10)],
        columns=["drg", "period", "x", "y"],
    ).assign(unit="u")
    parts = decompose(sums, ["unit"], "drg").set_index("drg")
    # before (8 + 20) / 20 = 1.4, after (10 + 3) / 20 = 0.65
    assert parts["part"].to_dict() == {"A": "common", "L": "leaving", "N": "entering"}
    assert parts.loc["L", ["mix", "practice"]].tolist() == pytest.approx([-0.5 * (2.0 - 1.4), 0])
    assert parts.loc["N", ["mix", "practice"]].tolist() == pytest.approx([0.5 * (0.3 - 1.4), 0])
    assert parts.loc["A", ["mix", "practice"]].tolist() == pytest.approx([0, 0.5 * 0.2])
    [whole] = totals(parts.reset_index(), ["unit"]).itertuples()
    assert (whole.change, whole.entering, whole.leaving) == (pytest.approx(-0.75), 1, 1)


def random_sums(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for unit in ("u", "v"):
        for drg in range(40):
            for period in ("before", "after"):
                n = int(rng.integers(0, 30))
                cases = np.exp(rng.normal(0, 0.5, n))
                rows.append((unit, f"D{drg:02d}", period, cases.sum(), n, (cases**2).sum()))
    return pd.DataFrame(rows, columns=["unit", "drg", "period", "x", "y", "xx"])


@pytest.mark.parametrize("seed", range(20))
def test_contributions_add_up_to_the_whole_in_either_order(seed):
    sums = random_sums(seed)
    whole = totals(decompose(sums, ["unit"], "drg"), ["unit"]).set_index("unit")
    for unit, part in sums.groupby("unit"):
        average = part.groupby("period")[["x", "y"]].sum()
        before, after = (average.loc[p, "x"] / average.loc[p, "y"] for p in ("before", "after"))
        row = whole.loc[unit]
        for one, other in (("mix_first", "practice_second"), ("practice_first", "mix_second"), ("mix", "practice")):
            assert row[one] + row[other] == pytest.approx(after - before, abs=1e-12)
        assert row["level"] == pytest.approx(after - 1, abs=1e-12)


@pytest.mark.slow
def test_errors_are_those_of_drawing_the_cases_again():
    rng = np.random.default_rng(3)
    share, mean = (
        {"before": [0.5, 0.3, 0.2], "after": [0.4, 0.4, 0.2]},
        {"before": [0.8, 1.0, 1.5], "after": [0.7, 1.0, 1.4]},
    )
    found = []
    for _ in range(400):
        rows = []
        for period in ("before", "after"):
            for drg, n in enumerate(rng.multinomial(400, share[period])):
                cases = mean[period][drg] * np.exp(rng.normal(-0.125, 0.5, n))
                rows.append(("u", drg, period, cases.sum(), n, (cases**2).sum()))
        found.append(
            totals(
                decompose(pd.DataFrame(rows, columns=["unit", "drg", "period", "x", "y", "xx"]), ["unit"], "drg"),
                ["unit"],
            ).iloc[0]
        )
    drawn = pd.DataFrame(found)
    for effect in ("mix", "practice"):
        assert drawn[f"{effect}_se"].mean() == pytest.approx(drawn[effect].astype(float).std(), rel=0.12)
    true = 0.45 * -0.1 + 0.35 * 0 + 0.2 * -0.1  # Σ middle share × change within
    assert drawn["practice"].mean() == pytest.approx(true, abs=0.003)


def test_a_single_case_has_the_spread_that_the_other_groups_share():
    one = HAND.assign(y=[1, 30, 30, 10], x=[0.8, 36, 18, 12], xx=[0.64, 50, 14, 15])
    parts = decompose(one, ["unit"], "drg").set_index("drg")
    shared = (50 - 36**2 / 30) / 29  # of B before, the only other group
    own = (14 - 18**2 / 30) / 29 / 30
    weight = (1 / 31 + 30 / 40) / 2
    assert parts.loc["A", "practice_se"] == pytest.approx(weight * np.sqrt(shared / 1 + own))


def test_where_no_group_has_two_cases_or_squares_are_unknown_there_is_no_error():
    assert totals(decompose(HAND, ["unit"], "drg"), ["unit"])["practice_se"].isna().all()
    single = HAND.assign(y=1, x=[0.8, 1.2, 0.6, 1.2], xx=[0.64, 1.44, 0.36, 1.44])
    assert totals(decompose(single, ["unit"], "drg"), ["unit"])["practice_se"].isna().all()


def test_a_unit_without_one_period_has_no_row():
    assert decompose(HAND[HAND["period"] == "after"], ["unit"], "drg").empty
    assert decompose(HAND.assign(y=0), ["unit"], "drg").empty
