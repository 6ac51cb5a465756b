"""References, weights and risk grades: worked numbers, invariants, and the arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit.errors import InputError
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.params import RiskPolicy
from toolkit.reference import attach, risk_grades, too_few_deaths

INDICES = [CATALOGUE["cost_index"], CATALOGUE["los_index"]]


def value_of(cells: pd.DataFrame, indicator: str, **where: object) -> float:
    mine = cells[cells["indicator"] == indicator]
    for name, wanted in where.items():
        mine = mine[mine[name] == wanted]
    [value] = mine["value"]
    return value


def random_frame(
    seed: int, n: int = 600, years: tuple[int, ...] = (2019, 2020, 2021, 2022, 2023, 2024)
) -> pd.DataFrame:
    """Random 合成 discharges with everything that can be missing missing somewhere."""
    rng = np.random.default_rng(seed)
    drgs = rng.choice(
        ["FA11", "FB21", "FC31", "GD41", "RARE", "0000", ""], n, p=[0.3, 0.25, 0.2, 0.15, 0.02, 0.04, 0.04]
    )
    cost = np.round(np.exp(rng.normal(11, 0.8, n))).astype(int).astype(str)
    surgical = rng.random(n) < 0.5
    frame = pd.DataFrame(
        {
            "hospital": rng.choice(["A", "B", "C", "D"], n),
            "year": rng.choice(years, n).astype(str),
            "drg": drgs,
            "los_days": np.where(rng.random(n) < 0.05, "", np.maximum(1, rng.poisson(8, n)).astype(str)),
            "cost_fen": np.where(rng.random(n) < 0.05, "", cost),
            "department": rng.choice(["D1", "D2", "D9"], n),
            "died": np.where(rng.random(n) < 0.05, "", np.where(rng.random(n) < 0.08, "true", "false")),
            "surgical": np.where(surgical, "true", "false"),
            "surgery_level": np.where(surgical & (rng.random(n) < 0.9), rng.integers(1, 5, n).astype(str), ""),
        }
    )
    frame["tier"] = np.where(frame["hospital"] == "D", "县", "市")
    frame["level_group"] = np.where(frame["hospital"].isin(["A", "B"]), "三级", "二级")
    for name, plain in rows.DEFAULTS.items():
        if name not in frame:
            frame[name] = plain
    return frame


# --- published and constructed numbers (domain.md §6) ------------------------------------------------------------------


def test_cmi_of_three_published_weights(engine, tmp_path):
    (tmp_path / "w.csv").write_text("\ufeffdrg,weight\nFA11,1.2\nFB21,0.8\nFC31,2.5\n", encoding="utf-8")
    frame = rows.received("hospital | drg | cases\nA | FA11 | 50\nA | FB21 | 30\nA | FC31 | 20\nA | | 7\nA | ZZ99 | 9")
    params = rows.params(weights={"source": "file", "file": str(tmp_path / "w.csv")})
    cells = engine.cells(frame, params, [CATALOGUE["cmi"]], ["hospital"])
    # (1.2×50 + 0.8×30 + 2.5×20) / 100 = 134/100; ungrouped cases and those without a weight leave both sums
    assert value_of(cells, "cmi") == pytest.approx(1.34, abs=1e-12)
    assert cells["n"].tolist() == [100]
    assert cells["covered"].tolist() == pytest.approx([100 / 109])


def test_cmi_of_a_published_department(engine, tmp_path):
    # total weight 4196.99 over 3310 cases: one DRG of that mean weight
    (tmp_path / "w.csv").write_text(f"drg,weight\nFA11,{4196.99 / 3310!r}\n")
    params = rows.params(weights={"source": "file", "file": str(tmp_path / "w.csv")})
    cells = engine.cells(
        rows.received("hospital | drg | cases\nA | FA11 | 3310"), params, [CATALOGUE["cmi"]], ["hospital"]
    )
    assert round(value_of(cells, "cmi"), 2) == 1.27
    assert cells["x"].tolist() == pytest.approx([4196.99])


def test_index_is_the_mean_of_ratios_not_the_ratio_of_sums(engine):
    # unit A against references 10000, 10000, 5000, which B is made to bring about
    frame = rows.received("""
        hospital | drg  | cost_fen | cases
        A        | FA11 | 8000     | 10
        B        | FA11 | 12000    | 10
        A        | FB21 | 12000    | 30
        B        | FB21 | 8000     | 30
        A        | FC31 | 5000     | 60
        B        | FC31 | 5000     | 1
        """)
    cells = engine.cells(frame, rows.params(), INDICES, ["hospital"])
    assert value_of(cells, "cost_index", hospital="A") == pytest.approx(
        (10 * 0.8 + 30 * 1.2 + 60 * 1.0) / 100, abs=1e-12
    )
    ratio_of_sums = (10 * 8000 + 30 * 12000 + 60 * 5000) / (40 * 10000 + 60 * 5000)
    assert ratio_of_sums == pytest.approx(1.057143, abs=1e-6)  # the other number, which must not appear


GRADED = pd.DataFrame(
    {
        "drg": list("ABCDEFGHIJ"),
        "n": [1000, 10000, 5000, 2000, 1000, 1000, 500, 400, 200, 100],
        "died": [0, 1, 2, 4, 5, 10, 10, 20, 30, 30],
    }
)


def test_risk_grades_of_the_constructed_reference():
    table = risk_grades(GRADED, RiskPolicy(minimum_cases=30))
    assert table["ln_rate"].mean() == pytest.approx(-4.795703, abs=1e-6)
    assert table["ln_rate"].std(ddof=1) == pytest.approx(2.652480, abs=1e-6)
    assert dict(zip(table["drg"], table["grade"], strict=True)) == dict(
        zip("ABCDEFGHIJ", [0, 1, 1, 2, 2, 3, 3, 3, 4, 4], strict=True)
    )


def test_rates_of_the_low_and_mid_low_grades(engine):
    lines = ["hospital | drg | died | cases"]
    for drg, n, died in GRADED.itertuples(index=False):
        lines += [f"H | {drg} | F | {n - died}"] + ([f"H | {drg} | T | {died}"] if died else [])
    names = ["low_risk_mortality", "mid_low_risk_mortality", "low_or_mid_low_risk_mortality"]
    cells = engine.cells(rows.received("\n".join(lines)), rows.params(), [CATALOGUE[n] for n in names], ["hospital"])
    found = [value_of(cells, name) for name in names]
    assert found == pytest.approx([100 * 3 / 15000, 100 * 9 / 3000, 100 * 12 / 18000])
    assert cells["n"].tolist() == [15000, 3000, 18000]


@pytest.mark.parametrize(("z", "grade"), [(-1.0, 2), (0.0, 3), (1.0, 4)])
def test_a_grade_begins_at_its_lower_limit(z, grade):
    # ln rates −1, 0, 1 (mean 0, sample SD 1) times a scale and around a centre: z is exact where the floats are
    rates = np.exp(np.array([-1.0, 0.0, 1.0]) - 5)
    table = risk_grades(pd.DataFrame({"drg": list("abc"), "n": [1.0] * 3, "died": rates}), RiskPolicy(minimum_cases=1))
    near = table.loc[(table["z"] - z).abs() < 1e-9]
    assert len(near) == 1
    step = -1e-6 if near["z"].iloc[0] < z else 0  # the float may fall on either side of the limit
    assert near["grade"].iloc[0] == grade + (0 if step == 0 else -1)


def test_a_drg_below_the_minimum_is_ungraded_and_moves_no_other():
    small = pd.concat([GRADED, pd.DataFrame({"drg": ["K", "L"], "n": [29, 29], "died": [10, 0]})], ignore_index=True)
    table = risk_grades(small, RiskPolicy(minimum_cases=30))
    assert table["grade"].isna().tolist() == [False] * 10 + [True] * 2
    assert table["z"][:10].tolist() == pytest.approx(
        risk_grades(GRADED, RiskPolicy(minimum_cases=30))["z"].tolist(), nan_ok=True
    )


def test_one_drg_with_deaths_or_equal_rates_cannot_be_graded():
    for died in ([1, 0], [1, 1]):
        table = risk_grades(
            pd.DataFrame({"drg": ["a", "b"], "n": [100, 100], "died": died}), RiskPolicy(minimum_cases=1)
        )
        assert table.loc[table["died"] > 0, "grade"].isna().all()


@pytest.mark.parametrize(
    ("minimum", "low", "says"), [(112, 12, ""), (113, 12, "112 例，少于 113"), (112, 13, "12 例，少于 13")]
)
def test_too_few_deaths_at_the_boundary(minimum, low, says):
    # 0+1+2+4+5+10+10+20+30+30 = 112 deaths, of them 1+2+4+5 = 12 in grades 1 and 2
    policy = RiskPolicy(minimum_cases=30, minimum_deaths=minimum, minimum_deaths_low=low)
    reason = too_few_deaths(risk_grades(GRADED, policy), policy)
    assert says in reason
    assert bool(reason) == bool(says)


def test_too_few_deaths_leave_the_grades_out(engine):
    frame = rows.received(
        "hospital | drg | died | cases\nA | G1 | T | 1\nA | G1 | F | 99\nA | G2 | T | 5\nA | G2 | F | 45"
    )
    params = rows.params(risk_grades={"minimum_cases": 1, "minimum_deaths": 7, "minimum_deaths_low": 0})
    referenced = engine.attached(frame, params)
    assert list(referenced.insufficient) == ["whole"]
    assert referenced.frame["risk_grade"].isna().all()
    cells = collect(referenced, [CATALOGUE["mid_low_risk_mortality"]], ["hospital"])
    assert cells[["value", "status"]].to_numpy().tolist() == [[pytest.approx(np.nan, nan_ok=True), "no_reference"]]


# --- invariants -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["none", "iqr", "percentile", "sd"])
@pytest.mark.parametrize("scope", ["region", "level_group"])
def test_over_the_reference_itself_both_indices_and_the_cmi_are_one(engine, method, scope):
    frame = random_frame(1)
    trimming = {"method": method, "deviations": 1.5, "frozen": "same"}
    params = rows.params(
        cycles=rows.CYCLES,
        trimming=trimming,
        reference={"scope": scope, "minimum_cases": 1, "frozen": "same"},
        price_index={y: 1 + 0.05 * (y - 2019) for y in range(2019, 2025)},
    )
    cube, hospitals = engine.cube(frame, params), rows.registry_of(frame)
    over = ["level_group"] if scope == "level_group" else []
    yearly = attach(cube, params, hospitals, "contemporaneous")
    for by in (["year", *over], ["year", "drg", *over]):
        of_groups = collect(yearly, INDICES, by).dropna(subset="value")
        assert len(of_groups) >= 12
        np.testing.assert_allclose(of_groups["value"], 1.0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(collect(yearly, [CATALOGUE["cmi"]], ["year"])["value"], 1.0, rtol=0, atol=1e-9)
    frozen = attach(cube, params, hospitals, "frozen")
    cells = collect(frozen, INDICES, ["cycle", *over])
    np.testing.assert_allclose(cells.loc[cells["cycle"] == "before", "value"], 1.0, rtol=0, atol=1e-9)
    assert (cells.loc[cells["cycle"] == "after", "value"] - 1).abs().min() > 1e-4
    cmi = collect(frozen, [CATALOGUE["cmi"]], ["cycle"]).set_index("cycle")["value"]
    assert cmi["before"] == pytest.approx(1.0, abs=1e-9)


def test_trimming_takes_something(engine):
    frame = random_frame(1)
    for method in ("iqr", "percentile", "sd"):
        trimming = {"method": method, "frozen": "same", "deviations": 1.5}
        cube = engine.cube(frame, rows.params(cycles=rows.CYCLES, trimming=trimming))
        usable = cube.loc[cube["drg"] != "", "cost_n"].sum()
        assert 0.5 * usable < cube["cost_kept_n@contemporaneous"].sum() < usable
        assert 0.5 * usable < cube["cost_kept_n@frozen"].sum() < usable


# --- by hand ----------------------------------------------------------------------------------------------------------

THREE = """
    hospital | level_group | drg  | cost_fen | los_days
    A        | 三级        | FA11 | 1000     | 2
    A        | 三级        | FA11 | 3000     | 6
    B        | 三级        | FA11 | 5000     | 4
    C        | 二级        | FA11 | 9000     | 8
    C        | 二级        | FB21 | 7000     | 7
    """


def test_leave_one_out(engine):
    cells = engine.cells(
        rows.received(THREE),
        rows.params(reference={"scope": "region", "leave_one_out": True, "minimum_cases": 1}),
        INDICES,
        ["hospital"],
    )
    # A against (5000+9000)/2; B against (1000+3000+9000)/3; C's FB21 has no other hospital
    assert value_of(cells, "cost_index", hospital="A") == pytest.approx((1000 / 7000 + 3000 / 7000) / 2)
    assert value_of(cells, "cost_index", hospital="B") == pytest.approx(5000 / (13000 / 3))
    assert value_of(cells, "cost_index", hospital="C") == pytest.approx(9000 / 3000)
    assert value_of(cells, "los_index", hospital="A") == pytest.approx((2 / 6 + 6 / 6) / 2)
    assert cells.loc[cells["hospital"] == "C", "covered"].tolist() == [0.5, 0.5]
    assert cells["own_share"].tolist() == [0.0] * 6


CHANGED = """
    hospital | year | drg  | cost_fen | los_days
    A        | 2020 | FA11 | 1000     | 2
    A        | 2023 | FA11 | 3000     | 6
    B        | 2020 | FA11 | 4000     | 4
    B        | 2020 | FA11 | 6000     | 8
    B        | 2023 | FB21 | 7000     | 7
    C        | 2020 | FA11 | 2000     | 9
    C        | 2020 | FB21 | 9000     | 9
    """


def test_change_is_measured_against_the_other_hospitals(engine):
    params = rows.params(cycles=rows.CYCLES, reference={"scope": "region", "minimum_cases": 1})
    cells = engine.cells(rows.received(CHANGED), params, INDICES, ["hospital", "cycle"], "frozen")
    # A against B and C, B against A and C, C against A and B, each in both periods; C's FB21 had nobody else's before
    assert value_of(cells, "cost_index", hospital="A", cycle="before") == pytest.approx(1000 / 4000)
    assert value_of(cells, "cost_index", hospital="A", cycle="after") == pytest.approx(3000 / 4000)
    assert value_of(cells, "los_index", hospital="B", cycle="before") == pytest.approx((4 / 5.5 + 8 / 5.5) / 2)
    assert value_of(cells, "cost_index", hospital="B", cycle="after") == pytest.approx(7000 / 9000)
    of_c = cells[cells["hospital"] == "C"].set_index("indicator").loc["cost_index"]
    assert of_c["value"] == pytest.approx(2000 / (11000 / 3))
    assert of_c["covered"] == 0.5
    assert (cells["own_share"] == 0).all()


LEVELS = """
    hospital | level_group | year | drg  | cost_fen
    A        | 三级        | 2020 | FA11 | 1000
    A        | 三级        | 2023 | FA11 | 3000
    B        | 三级        | 2020 | FB21 | 4000
    C        | 二级        | 2020 | FA11 | 2000
    C        | 二级        | 2020 | FB21 | 9000
    D        | 二级        | 2020 | FA11 | 6000
    """


def test_where_the_level_has_no_other_hospital_those_of_the_region_serve_for_change(engine):
    frame = rows.received(LEVELS)
    params = rows.params(cycles=rows.CYCLES, reference={"scope": "level_group", "minimum_cases": 1})
    cells = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["hospital", "cycle"], "frozen")
    # A: no other 三级 hospital had FA11, C and D had; B: no other 三级 had FB21, C had; C: D of its level had FA11, B FB21
    assert value_of(cells, "cost_index", hospital="A", cycle="before") == pytest.approx(1000 / 4000)
    assert value_of(cells, "cost_index", hospital="A", cycle="after") == pytest.approx(3000 / 4000)
    assert value_of(cells, "cost_index", hospital="B") == pytest.approx(4000 / 9000)
    assert value_of(cells, "cost_index", hospital="C") == pytest.approx((2000 / 6000 + 9000 / 4000) / 2)
    yearly = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["hospital", "cycle"])
    assert value_of(yearly, "cost_index", hospital="B") == 1.0  # for level and ranking the level group is what it is


def test_a_hospital_alone_is_measured_against_itself(engine):
    frame = rows.received("year | drg | cost_fen\n2020 | FA11 | 1000\n2020 | FA11 | 3000\n2023 | FA11 | 3000")
    params = rows.params(cycles=rows.CYCLES, reference={"minimum_cases": 1})
    cells = engine.cells(frame, params, [CATALOGUE["cost_index"]], ["cycle"], "frozen")
    assert cells["value"].tolist() == [1.5, 1.0]
    assert cells["own_share"].tolist() == [1.0, 1.0]


def test_a_specialty_of_one_hospital_has_no_reference_elsewhere(engine):
    frame = rows.received("hospital | year | drg | cost_fen\nA | 2020 | FA11 | 1000\nB | 2020 | FB21 | 3000")
    params = rows.params(cycles=rows.CYCLES, reference={"minimum_cases": 1})
    cells = engine.cells(frame, params, INDICES, ["hospital", "cycle"], "frozen")
    assert set(cells["status"]) == {"no_reference"}
    assert cells["value"].isna().all()


def test_level_groups(engine):
    cells = engine.cells(
        rows.received(THREE), rows.params(reference={"scope": "level_group", "minimum_cases": 1}), INDICES, ["hospital"]
    )
    assert value_of(cells, "cost_index", hospital="A") == pytest.approx((1000 / 3000 + 3000 / 3000) / 2)
    assert value_of(cells, "cost_index", hospital="B") == pytest.approx(5000 / 3000)
    assert value_of(cells, "cost_index", hospital="C") == pytest.approx(1.0)


@pytest.mark.parametrize(("minimum", "covered"), [(4, [1.0, 1.0, 0.5]), (5, [0.0, 0.0, 0.0])])
def test_minimum_cases_of_a_reference(engine, minimum, covered):
    params = rows.params(reference={"scope": "region", "minimum_cases": minimum})
    cells = engine.cells(
        rows.received(THREE), params, [CATALOGUE["cost_index"]], ["hospital"]
    )  # FA11 has 4 cases, FB21 1
    assert cells["covered"].tolist() == covered
    assert cells["status"].tolist() == ["value" if share else "no_reference" for share in covered]
    assert cells["n"].tolist() == [2, 1, 1] if minimum == 4 else [0, 0, 0]


def test_own_share_and_coverage(engine):
    params = rows.params(reference={"scope": "region", "minimum_cases": 4})
    cells = engine.cells(rows.received(THREE), params, [CATALOGUE["cost_index"]], ["hospital"])
    assert cells["own_share"].tolist() == pytest.approx([2 / 4, 1 / 4, 1 / 4])


def test_price_index_divides_cost_of_the_frozen_basis_only(engine):
    frame = rows.received("year | cost_fen | drg\n2020 | 1000 | FA11\n2020 | 2000 | FA11\n2023 | 3000 | FA11")
    price = {2019: 1.0, 2020: 1.0, 2021: 1.0, 2022: 1.0, 2023: 1.25, 2024: 1.0}
    params = rows.params(cycles=rows.CYCLES, price_index=price)
    frozen = engine.cells(frame, params, [CATALOGUE["cost_index"], CATALOGUE["mean_cost"]], ["cycle"], "frozen")
    assert value_of(frozen, "cost_index", cycle="after") == pytest.approx((3000 / 1.25) / 1500)
    assert value_of(frozen, "mean_cost", cycle="after") == pytest.approx(3000 / 1.25 / 100)
    assert frozen["se"].isna().tolist() == [True, True, False, False]  # one case has no spread
    yearly = engine.cells(frame, params, [CATALOGUE["mean_cost"]], ["year"])
    assert yearly["value"].tolist() == [15.0, 30.0]


def test_frozen_weights_and_references_are_those_of_the_years_before(engine):
    frame = rows.received("""
        year | drg  | cost_fen
        2020 | FA11 | 1000
        2020 | FB21 | 3000
        2023 | FA11 | 4000
        2023 | FB21 | 4000
        2023 | NEW1 | 9000
        """)
    params = rows.params(cycles=rows.CYCLES)
    frozen = engine.cells(frame, params, [CATALOGUE["cmi"], CATALOGUE["cost_index"]], ["cycle"], "frozen")
    # NEW1 had no case before: it leaves weights and index. FA11 1000/2000, FB21 3000/2000; (4000/1000 + 4000/3000)/2
    assert value_of(frozen, "cmi", cycle="after") == pytest.approx((0.5 + 1.5) / 2)
    assert value_of(frozen, "cost_index", cycle="after") == pytest.approx((4 + 4 / 3) / 2)
    assert frozen.loc[frozen["cycle"] == "after", "covered"].tolist() == pytest.approx([2 / 3, 2 / 3])
    yearly = engine.cells(frame, params, [CATALOGUE["cmi"]], ["drg", "year"])
    after = yearly[(yearly["year"] == 2023)].set_index("drg")["value"]
    assert after.to_dict() == pytest.approx(
        {"FA11": 4000 / (17000 / 3), "FB21": 4000 / (17000 / 3), "NEW1": 9000 / (17000 / 3)}
    )


def test_weights_that_the_records_carry(engine):
    frame = rows.received(
        "hospital | drg | drg_weight\nA | FA11 | 0.5123\nA | FA11 | 0.5123\nA | FB21 | 2.0\nA | FC31 | "
    )
    cells = engine.cells(frame, rows.params(weights={"source": "records"}), [CATALOGUE["cmi"]], ["hospital"])
    assert value_of(cells, "cmi") == pytest.approx((2 * 0.5123 + 2.0) / 3)
    assert cells["covered"].tolist() == [0.75]


def test_five_classes_of_fees_count_a_fifth_each(engine):
    fees = """
        hospital | drg | cost_fen | medical_fen | nursing_fen | technical_fen | drug_fen | management_fen
        A | FA11 | 10000 | 1000 | 1000 | 2000 | 5000 | 1000
        A | FA11 | 30000 | 9000 | 3000 | 4000 | 13000 | 1000
        B | FB21 | 60000 | 50000 | 1000 | 3000 | 4000 | 2000
        B | FB21 | 60000 |  | 1000 | 3000 | 4000 | 2000"""
    cells = engine.cells(
        rows.received(fees), rows.params(weights={"source": "five_class"}), [CATALOGUE["cmi"]], ["hospital"]
    )
    # by hand: mean of the class in the DRG ÷ mean of all four; the case without 医疗 stands at the mean of its DRG
    of_a = [5000 / 27500, 2000 / 1500, 3000 / 3000, 9000 / 6500, 1000 / 1500]
    of_b = [50000 / 27500, 1000 / 1500, 3000 / 3000, 4000 / 6500, 2000 / 1500]
    assert value_of(cells, "cmi", hospital="A") == pytest.approx(sum(of_a) / 5)
    assert value_of(cells, "cmi", hospital="B") == pytest.approx(sum(of_b) / 5)


def test_five_classes_need_fees_of_every_class(engine):
    frame = rows.received("hospital | drg | cost_fen | medical_fen\nA | FA11 | 10000 | 1000")
    with pytest.raises(InputError, match=r"护理费用.*管理费用"):
        engine.attached(frame, rows.params(weights={"source": "five_class"}))


def test_a_reference_of_zero_divides_nothing():
    params = rows.params()
    cube = pd.DataFrame(
        {
            "hospital": ["A", "A"],
            "specialty": ["s1", "s1"],
            "year": [2022, 2022],
            "drg": ["FA11", "FB21"],
            "n": [2, 2],
            **{
                f"{name}@contemporaneous": values
                for name, values in {
                    "cost_kept": [0, 4000],
                    "cost_kept_n": [2, 2],
                    "cost_kept_sq": [0.0, 10_000_000.0],
                    "los_kept": [2, 2],
                    "los_kept_n": [2, 2],
                    "los_kept_sq": [2.0, 2.0],
                }.items()
            },
            "cost": [0, 4000],
            "cost_n": [2, 2],
            "died": [0, 0],
            "died_n": [2, 2],
        }
    )
    hospitals = pd.DataFrame({"code": ["A"], "level_group": ["全部"], "tier": ["市"]})
    cells = collect(attach(cube, params, hospitals, "contemporaneous"), INDICES[:1], ["hospital"])
    assert cells[["value", "n", "covered"]].to_numpy().tolist() == [[1.0, 2, 0.5]]


def test_an_external_grade_table_is_used_whatever_the_deaths_of_this_reference(engine, tmp_path):
    (tmp_path / "g.csv").write_text("drg,grade\nFA11,1\nFB21,2\n")
    frame = rows.received("hospital | drg | died\nA | FA11 | F\nA | FA11 | T\nA | FB21 | F\nA | FC31 | T")
    params = rows.params(risk_grades={"file": str(tmp_path / "g.csv")})  # default minima: 4 cases could grade nothing
    referenced = engine.attached(frame, params)
    assert referenced.insufficient == {}
    cells = collect(referenced, [CATALOGUE["low_risk_mortality"], CATALOGUE["mid_low_risk_mortality"]], ["hospital"])
    assert cells["value"].tolist() == [50.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("weights", "drg,weight\nFA11,1.2\nFA11,1.3\n", "w.csv:3"),
        ("weights", "drg,weight\nFA11,1.2\nFB21,约1\n", "w.csv:3"),
        ("weights", "drg,weight\nFA11,inf\n", "w.csv:2"),
        ("weights", "drg,weight\nFA11,0\n", "w.csv:2"),
        ("weights", "drg,rw\nFA11,1\n", "缺少列 weight"),
        ("risk_grades", "drg,grade\nFA11,1\nFB21,5\n", "w.csv:3"),
        ("risk_grades", "drg,grade\nFA11,1.5\n", "w.csv:2"),
        ("risk_grades", "drg\nFA11\n", "缺少列 grade"),
    ],
)
def test_a_faulty_published_table_is_refused_with_its_line(engine, tmp_path, kind, content, says):
    (tmp_path / "w.csv").write_text(content, encoding="utf-8")
    source = {"source": "file"} if kind == "weights" else {}
    params = rows.params(**{kind: {**source, "file": str(tmp_path / "w.csv")}})
    with pytest.raises(InputError, match=says):
        engine.attached(rows.received("drg\nFA11"), params)


def test_a_published_table_in_another_encoding_is_read(engine, tmp_path):
    (tmp_path / "w.csv").write_bytes("drg,weight,说明\nFA11,1.5,甲\n".encode("gb18030"))
    params = rows.params(weights={"source": "file", "file": str(tmp_path / "w.csv")})
    assert engine.attached(rows.received("drg\nFA11"), params).frame["weight"].tolist() == [1.5]
