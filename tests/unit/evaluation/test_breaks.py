"""Breaks in a unit's data against the other units; all data are 合成数据 with the seeds below."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit.evaluation.breaks import ASPECTS, breaks, holds_of
from toolkit.evaluation.holds import DATA_BREAK, held

YEARS = range(2019, 2025)
NO_CHARTS = pd.DataFrame(columns=["hospital", "specialty", "indicator", "point", "value"])


def region(units: int = 40, noise: float = 0.1, seed: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells of the frozen indices by year and a cube, of units that vary a little and all rise together in 2022."""
    rng = np.random.default_rng(seed)
    cells, cube = [], []
    for number in range(units):
        name, level = f"H{number:02d}", np.exp(rng.normal(0, 0.3))
        for year in YEARS:
            common = 1.4 if year >= 2022 else 1.0
            for indicator in ("cost_index", "los_index", "cmi"):
                value = level * common * np.exp(rng.normal(0, noise))
                cells.append((name, indicator, str(year), 200, value, 0.05 * value))
            for drg, share in (("G1", 0.5), ("G2", 0.3), ("G3", 0.17), ("", 0.03)):
                n = int(200 * share)
                cube.append((name, "s1", year, drg, n, 3 * n, n))
    columns = ["hospital", "indicator", "period", "n", "value", "se"]
    made = pd.DataFrame(cells, columns=columns).assign(level="unit", specialty="s1", basis="frozen", status="value")
    return made, pd.DataFrame(cube, columns=["hospital", "specialty", "year", "drg", "n", "secondary", "secondary_n"])


def found_in(
    cells: pd.DataFrame, cube: pd.DataFrame, charts: pd.DataFrame = NO_CHARTS, **policy: object
) -> pd.DataFrame:
    return breaks(cells, cube, charts, rows.params(cycles=rows.CYCLES, breaks=policy))


def raised(cells: pd.DataFrame, unit: str, indicator: str, since: int, times: float) -> pd.DataFrame:
    at = (cells["hospital"] == unit) & (cells["indicator"] == indicator) & (cells["period"].astype(int) >= since)
    return cells.assign(value=cells["value"].where(~at, cells["value"] * times))


def test_what_happens_to_all_units_is_no_break():
    assert found_in(*region()).empty


def test_a_unit_that_jumps_alone_is_found_with_its_year_and_what_the_others_did():
    cells, cube = region()
    found = found_in(raised(cells, "H07", "cost_index", 2022, 8.0), cube)
    assert found[["hospital", "specialty", "aspect", "year"]].to_numpy().tolist() == [["H07", "s1", "cost", 2022]]
    [row] = found.itertuples()
    assert row.others == pytest.approx(1.4, rel=0.1)
    assert row.after / row.before == pytest.approx(8 * 1.4, rel=0.5)
    assert row.deviations > 5


def test_a_large_jump_where_all_units_jump_about_is_no_break():
    cells, cube = region(noise=0.8)
    assert "H07" not in set(found_in(raised(cells, "H07", "cost_index", 2022, 3.0), cube)["hospital"])


def test_a_jump_of_few_cases_is_no_break():
    cells, cube = region()
    cells = raised(cells, "H07", "cost_index", 2022, 8.0)
    cells["n"] = cells["n"].where(cells["hospital"] != "H07", 29)
    assert found_in(cells, cube).empty


def test_an_error_that_explains_the_jump_is_reckoned_with():
    cells, cube = region()
    cells = raised(cells, "H07", "cost_index", 2022, 2.2)
    assert len(found_in(cells, cube)) == 1
    assert found_in(cells.assign(se=0.3 * cells["value"]), cube).empty


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        (lambda c: c.assign(secondary=c["secondary"] * 4), "coding"),
        (lambda c: c.assign(drg=c["drg"].replace({"G1": "", "G2": ""})), "grouping"),
        (lambda c: c.assign(drg=c["drg"].replace({"G1": "X1", "G2": "X2"})), "drgs"),
    ],
    ids=["coding", "grouping", "drgs"],
)
def test_coding_grouping_and_drgs_are_watched_too(change, aspect):
    cells, cube = region()
    at = (cube["hospital"] == "H03") & (cube["year"] >= 2021)
    broken = pd.concat([cube[~at], change(cube[at])], ignore_index=True)
    found = found_in(cells, broken)
    assert (found["hospital"] == "H03").all()
    assert (found["year"] == 2021).all()
    assert aspect in set(found["aspect"])
    assert set(ASPECTS) >= set(found["aspect"])


def test_months_tell_when_in_the_two_years():
    cells, cube = region()
    points = [f"{y}-{m:02d}" for y in (2021, 2022) for m in range(1, 13)]
    value = [1.0 + 0.1 * (k % 2) for k in range(14)] + [8.0] * 10
    charts = pd.DataFrame(
        {"hospital": "H07", "specialty": "s1", "indicator": "cost_index", "point": points, "value": value}
    )
    found = found_in(raised(cells, "H07", "cost_index", 2022, 8.0), cube, charts)
    assert found["point"].tolist() == ["2022-03"]


def test_a_break_holds_back_what_rests_on_it_until_a_statement_is_entered():
    cells, cube = region()
    cells = raised(cells, "H07", "cost_index", 2022, 8.0)
    holds = holds_of(found_in(cells, cube))
    keys = pd.DataFrame({"hospital": "H07", "specialty": "s1", "indicator": ["cost_index", "los_index"]})
    judged = pd.DataFrame({"verdict": "worse", "reason": "worse", "reason_zh": ""}, index=range(2))
    made = held(judged, keys, holds)
    assert made["verdict"].tolist() == ["undecided", "worse"]
    assert made["reason"][0] == DATA_BREAK
    assert made["reason_zh"][0].startswith("数据断点，须核实：2022 年起费用水平")
    said = {"hospital": "H07", "specialty": "s1", "year": 2022, "statement": "结算系统更换，前后口径已核对"}
    settled = found_in(cells, cube, explained=[said])
    assert settled["statement"].tolist() == [said["statement"]]
    assert holds_of(settled).empty


def test_a_break_of_the_grouping_holds_back_every_indicator():
    cells, cube = region()
    at = (cube["hospital"] == "H03") & (cube["year"] >= 2021)
    broken = pd.concat([cube[~at], cube[at].assign(drg="")], ignore_index=True)
    keys = pd.DataFrame({"hospital": "H03", "specialty": "s1", "indicator": ["cmi", "mortality"]})
    judged = pd.DataFrame({"verdict": "improved", "reason": "better", "reason_zh": ""}, index=range(2))
    assert set(held(judged, keys, holds_of(found_in(cells, broken)))["verdict"]) == {"undecided"}


@pytest.mark.parametrize("units", [1, 3, 5])
def test_of_a_few_units_nobody_knows_what_is_usual(units):
    cells, cube = region(units)
    assert found_in(raised(cells, "H00", "cost_index", 2022, 8.0), cube).empty
