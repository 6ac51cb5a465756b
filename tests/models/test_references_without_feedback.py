"""Nothing changes, and nothing must seem to: mortality by frozen risk grades, and indices against a few cases of one's own.

Sums are drawn from rates and means that are the same in both periods (合成数据, seeds below). Many regions are graded at once to
measure the bias (some 30,000 deaths a grade and period: a standard error of 0.8 %); a few go the whole way of a run.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit.cube import from_sums
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.params import RiskPolicy
from toolkit.reference import attach, risk_grades
from toolkit.reference.left_out import left_out_grades

RATES = ["low_risk_mortality", "mid_low_risk_mortality", "low_or_mid_low_risk_mortality"]
YEARS = range(2019, 2025)


def deaths_of_a_region(seed: int, hospitals: int, drgs: int) -> pd.DataFrame:
    """Sums by hospital, DRG and year: mortality differs between DRGs (ln SD 1.6) and never changes."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(np.log(0.004), 1.6, drgs)).clip(0, 0.4)
    size = np.exp(rng.normal(np.log(14), 1.2, (hospitals, drgs)) + rng.normal(0, 0.8, (hospitals, 1)))
    size = size * (rng.random((hospitals, drgs)) < 0.6)
    parts = []
    for year in YEARS:
        n = rng.poisson(size)
        hospital, drg = np.nonzero(n)
        n = n[hospital, drg]
        parts.append(
            pd.DataFrame(
                {
                    "hospital": [f"H{h:02d}" for h in hospital],
                    "specialty": "s1",
                    "year": year,
                    "drg": [f"D{d:03d}" for d in drg],
                    "n": n,
                    "died": rng.binomial(n, rate[drg]),
                    "died_n": n,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def ratios(regions: list[pd.DataFrame], **grades: object) -> dict[str, float]:
    """After ÷ before of each rate over all regions together."""
    params = rows.params(
        cycles=rows.CYCLES,
        trimming={"method": "none"},
        risk_grades={"minimum_deaths": 0, "minimum_deaths_low": 0, **grades},
    )
    total: dict[tuple[str, str], np.ndarray] = {}
    for sums in regions:
        hospitals = pd.DataFrame({"code": sorted(set(sums["hospital"])), "level_group": "all", "tier": "市"})
        frozen = attach(from_sums(sums, params), params, hospitals, "frozen")
        for cell in collect(frozen, [CATALOGUE[i] for i in RATES], ["cycle"]).itertuples():
            key = (cell.indicator, cell.cycle)
            total[key] = total.get(key, np.zeros(2)) + np.nan_to_num([cell.x, cell.y])
    rate = {key: x / y for key, (x, y) in total.items()}
    return {i: rate[i, "after"] / rate[i, "before"] for i in RATES}


def drawn(seed: int, hospitals: int, drgs: int) -> tuple[np.ndarray, np.ndarray]:
    """Discharges and deaths by period, hospital and DRG; rates are those of the DRG in both periods."""
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.normal(np.log(0.004), 1.6, drgs)).clip(0, 0.4)
    size = np.exp(rng.normal(np.log(40), 1.2, (hospitals, drgs)) + rng.normal(0, 0.8, (hospitals, 1)))
    n = rng.poisson(size * (rng.random((hospitals, drgs)) < 0.6), (2, hospitals, drgs))
    return n, rng.binomial(n, rate)


def ratio_of_rates(rates: str, hospitals: int, *, elsewhere: bool, regions: int) -> dict[tuple[int, ...], float]:
    """After ÷ before of mortality in grade 1, in grade 2 and in both, over all regions together."""
    policy = RiskPolicy.model_validate({"rates": rates, "minimum_deaths": 0, "minimum_deaths_low": 0})
    sums = {wanted: np.zeros((2, 2)) for wanted in ((1,), (2,), (1, 2))}
    for seed in range(regions):
        n, died = drawn(seed, hospitals, 400)
        period, hospital, drg = (at.ravel() for at in np.indices(n.shape))
        if elsewhere:
            grade = left_out_grades(hospital, drg, n.ravel(), died.ravel(), period == 0, policy)
        else:
            whole = pd.DataFrame({"drg": range(400), "n": n[0].sum(axis=0), "died": died[0].sum(axis=0)})
            grade = risk_grades(whole, policy)["grade"].to_numpy()[drg]
        for wanted, total in sums.items():
            rows_in = np.isin(grade, wanted)
            for number, values in enumerate((died.ravel(), n.ravel())):
                total[:, number] += np.bincount(period[rows_in], weights=values[rows_in], minlength=2)
    return {wanted: (t[1, 0] / t[1, 1]) / (t[0, 0] / t[0, 1]) for wanted, t in sums.items()}


@pytest.mark.parametrize("rates", ["raw", "empirical_bayes"])
@pytest.mark.parametrize(("hospitals", "regions"), [(20, 240), (4, 900)])
def test_mortality_that_never_changes_does_not_rise_in_the_low_risk_groups(rates, hospitals, regions):
    found = ratio_of_rates(rates, hospitals, elsewhere=True, regions=regions)
    assert found == {wanted: pytest.approx(1.0, abs=0.03) for wanted in ((1,), (2,), (1, 2))}


@pytest.mark.parametrize(("rates", "least"), [("raw", 1.15), ("empirical_bayes", 2.0)])
def test_graded_by_its_own_deaths_it_would(rates, least):
    assert ratio_of_rates(rates, 20, elsewhere=False, regions=40)[1,] > least


@pytest.mark.parametrize("rates", ["raw", "empirical_bayes"])
def test_on_the_way_of_a_run_the_grades_are_those_from_elsewhere(rates):
    regions = [deaths_of_a_region(seed, 20, 300) for seed in range(8)]
    name = "low_or_mid_low_risk_mortality"
    own, others = (ratios(regions, rates=rates, frozen=frozen)[name] for frozen in ("same", "leave_one_out"))
    assert others == pytest.approx(1.0, abs=0.05)
    assert own > others + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("rates", ["raw", "empirical_bayes"])
def test_a_hospital_alone_is_graded_by_its_other_years(rates):
    alone = [deaths_of_a_region(seed, 1, 300).assign(hospital="H") for seed in range(100, 220)]
    assert ratios(alone, rates=rates)["low_or_mid_low_risk_mortality"] == pytest.approx(1.0, abs=0.03)


def costs_of_a_region(seed: int) -> pd.DataFrame:
    """Sums of costs of 12 hospitals in 60 DRGs, a few cases a year each; lognormal with log SD 0.7, means that never change."""
    rng = np.random.default_rng(seed)
    mean, parts = np.exp(rng.normal(9, 0.5, 60)), []
    for year in YEARS:
        n = rng.poisson(np.where(rng.random((12, 60)) < 0.5, 1.2, 0.0))
        hospital, drg = np.nonzero(n)
        for h, d in zip(hospital, drg, strict=True):
            costs = mean[d] * np.exp(rng.normal(-0.245, 0.7, n[h, d]))
            parts.append((f"H{h:02d}", "s1", year, f"D{d:02d}", len(costs), costs.sum(), len(costs)))
    return pd.DataFrame(parts, columns=["hospital", "specialty", "year", "drg", "n", "cost", "cost_n"])


def mean_change(frozen: str) -> float:
    """Mean after ÷ before of the cost index over all hospitals of 30 regions."""
    reference = {"scope": "region", "minimum_cases": 1, "frozen": frozen}
    params = rows.params(cycles=rows.CYCLES, trimming={"method": "none"}, reference=reference)
    found = []
    for seed in range(30):
        sums = costs_of_a_region(seed)
        hospitals = pd.DataFrame({"code": sorted(set(sums["hospital"])), "level_group": "all", "tier": "市"})
        cells = collect(
            attach(from_sums(sums, params), params, hospitals, "frozen"),
            [CATALOGUE["cost_index"]],
            ["hospital", "cycle"],
        )
        wide = cells.pivot_table(index="hospital", columns="cycle", values="value")
        found.append(np.log(wide["after"] / wide["before"]))
    return float(np.exp(pd.concat(found).mean()))


def test_a_reference_elsewhere_leaves_an_unchanged_index_where_it_is():
    assert mean_change("leave_one_out") == pytest.approx(1.0, abs=0.01)
    assert mean_change("same") > 1.01  # of one's own few cases a reference is too low as often as it is too high
