"""The cube: sums by hand, trim limits by hand, months."""

from __future__ import annotations

import pandas as pd
import pytest
import rows

from toolkit import cube as cubes
from toolkit.indicators import CATALOGUE

MIXED = """
    hospital | department | drg  | cost_fen | los_days | died | surgical | surgery_level | drg_weight
    A        | D1         | FA11 | 1000     | 2        | F    | T        | 4             | 1.5
    A        | D1         | FA11 | 3000     | 61       | T    | T        | 3             | 0.3333
    A        | D1         | FA11 |          | 4        |      | T        |               |
    A        | D1         |      | 700      | 1        | F    | F        | 4             | 2
    A        | D9         | FA11 | 499      | 3        | F    |          |               |
    """


def test_sums_by_hand(engine):
    cube = engine.cube(rows.received(MIXED), rows.params()).set_index(["specialty", "drg"])
    assert list(cube.index) == [("", "FA11"), ("s1", ""), ("s1", "FA11")]  # D9 belongs to no specialty
    wanted = {
        "n": 3,
        "cost": 1000,
        "cost_n": 1,
        "cost_sq": 1000**2,  # 61 days take the second out, the third has none
        "los": 2 + 4,
        "los_n": 2,
        "los_sq": 2**2 + 4**2,
        "los_kept": 6,
        "los_kept_n": 2,
        "died": 1,
        "died_n": 2,
        "surgical": 3,
        "surgical_n": 3,
        "level4@contemporaneous": 1,
        "level4_n@contemporaneous": 2,
        "level34@contemporaneous": 2,
        "level34_n@contemporaneous": 2,
        "carried_weight": 15000 + 3333,
        "carried_weight_n": 2,
        "carried_weight_sq": 15000**2 + 3333**2,
    }
    found = cube.loc[("s1", "FA11")].rename(lambda name: name.removesuffix("@frozen"))
    assert {name: found[name] for name in wanted} == wanted
    ungrouped = cube.loc[("s1", "")]
    assert (
        ungrouped["cost"],
        ungrouped["cost_kept_n@frozen"],
        ungrouped["carried_weight_n"],
        ungrouped["level4_n@contemporaneous"],
    ) == (700, 0, 0, 1)  # an entered level makes it an operation, whatever the flag says
    nobody = cube.loc[("", "FA11")]
    assert (nobody["cost_n"], nobody["cost"], nobody["los"], nobody["surgical_n"]) == (
        0,
        0,
        3,
        0,
    )  # 4.99 yuan; surgery unknown


def test_every_cell_is_a_number(engine):
    cube = engine.cube(rows.received(MIXED), rows.params())
    assert not cube.isna().any().any()


SIX = "year | cost_fen | los_days\n" + "\n".join(f"2022 | {cost} | 5" for cost in (600, 700, 800, 900, 1000, 100_000))


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        # positions 1.25 and 3.75: 725 and 975, IQR 250; keep 725 − 125 = 600 (included) to 975 + 375 = 1350
        ({"method": "iqr"}, [600, 700, 800, 900, 1000]),
        ({"method": "iqr", "iqr_below": 0.499}, [700, 800, 900, 1000]),
        # 5 % and 95 % at positions 0.25 and 4.75: 625 and 75,250
        ({"method": "percentile"}, [700, 800, 900, 1000]),
        # mean 17,333, sample SD 40,499: the limit of 2 SD lies at 98,331
        ({"method": "sd", "deviations": 2.0}, [600, 700, 800, 900, 1000]),
        ({"method": "sd", "deviations": 3.0}, [600, 700, 800, 900, 1000, 100_000]),
        ({"method": "none"}, [600, 700, 800, 900, 1000, 100_000]),
    ],
)
def test_trim_limits_are_inclusive_and_by_hand(engine, policy, kept):
    [cell] = engine.cube(rows.received(SIX), rows.params(trimming={**policy, "frozen": "same"})).to_dict("records")
    for basis in cubes.BASES:
        assert (cell[f"cost_kept@{basis}"], cell[f"cost_kept_n@{basis}"]) == (sum(kept), len(kept))
        assert cell[f"cost_kept_sq@{basis}"] == sum(cost**2 for cost in kept)
        assert cell[f"los_kept_n@{basis}"] == 6  # cost and LOS are trimmed apart
    assert cell["cost_n"] == 6  # never trimmed


def test_limits_are_those_of_the_drg_of_the_level_group_and_of_the_year(engine):
    frame = rows.received("""
        hospital | level_group | year | drg  | cost_fen | cases
        A        | 三级        | 2022 | FA11 | 1000     | 9
        A        | 三级        | 2022 | FA11 | 9000     | 1
        B        | 二级        | 2022 | FA11 | 9000     | 9
        A        | 三级        | 2022 | FB21 | 9000     | 9
        A        | 三级        | 2023 | FA11 | 9000     | 9
        """)
    params = rows.params(
        years={"first": 2022, "last": 2023},
        trimming={"method": "iqr", "frozen": "same"},
        reference={"scope": "level_group", "minimum_cases": 1},
    )
    cube = engine.cube(frame, params).set_index(["hospital", "year", "drg"])
    assert cube["cost_kept_n@contemporaneous"].to_dict() == {
        ("A", 2022, "FA11"): 9,
        ("A", 2022, "FB21"): 9,
        ("A", 2023, "FA11"): 9,
        ("B", 2022, "FA11"): 9,
    }
    # one window on the frozen basis: 10 low and 9 high ones, quartiles 1000 and 9000, so nothing is extreme
    assert cube.loc[("A", 2022, "FA11"), "cost_kept_n@frozen"] == 10


def test_frozen_amounts_are_trimmed_at_constant_prices(engine):
    frame = rows.received("year | cost_fen | cases\n2020 | 1000 | 5\n2023 | 2000 | 5\n2023 | 1000 | 2")
    price = dict.fromkeys(range(2019, 2025), 1.0) | {2023: 2.0}
    params = rows.params(cycles=rows.CYCLES, trimming={"method": "iqr", "frozen": "same"}, price_index=price)
    cube = engine.cube(frame, params).set_index("year")
    assert cube["cost_kept@frozen"].to_dict() == {2020: 5000, 2023: 10_000}  # 2000/2 is within; 1000/2 is not
    assert cube["cost_kept_n@contemporaneous"].to_dict() == {2020: 5, 2023: 5}


def test_a_drg_that_the_years_before_did_not_have_has_no_limits_and_counts_as_uncovered(engine):
    frame = rows.received("year | drg\n2020 | FA11\n2023 | NEW1")
    params = rows.params(cycles=rows.CYCLES, trimming={"method": "iqr", "frozen": "same"})
    cube = engine.cube(frame, params).set_index("drg")
    assert cube.loc["NEW1", ["n", "cost_kept_n@frozen", "cost_kept_n@contemporaneous"]].tolist() == [1, 1, 1]
    after = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["cycle"], "frozen").set_index("cycle").loc["after"]
    assert (after["covered"], after["status"], after["n"]) == (0.0, "no_reference", 0)


def test_discharges_per_month(engine):
    frame = rows.received(
        "hospital | year | month | cases\nB | 2022 | 2 | 3\nA | 2022 | 12 | 1\nA | 2022 | 2 | 2\nA | 2022 | | 9"
    )
    table = engine.connection.create_table("monthly_given", rows.stored(frame), overwrite=True)
    found = cubes.monthly(table)
    assert found.to_numpy().tolist() == [["A", 2022, 2, 2], ["A", 2022, 12, 1], ["B", 2022, 2, 3]]
    assert isinstance(found, pd.DataFrame)
