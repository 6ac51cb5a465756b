"""The synthetic region: what was planted can be found again, by plain arithmetic on many stays."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from toolkit.data.discharge.schema import STORED
from toolkit.errors import ParameterError
from toolkit.synthetic import MARK, Effect, Settings, discharges, generate, write_discharges
from toolkit.synthetic.records import BLOCK, draw_block, draw_year
from toolkit.synthetic.selection import observed
from toolkit.synthetic.specialties import SPECIALTIES

PLANTED = Effect(name="planted", cost=0.8, los=0.85, mortality=0.6, volume=1.5, level4_odds=2.0)


@pytest.fixture(scope="module")
def demo() -> tuple[Settings, pd.DataFrame]:
    settings = Settings()
    region = generate(settings)
    return settings, pd.concat([discharges(region, year).to_pandas() for year in settings.years], ignore_index=True)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A small world with very many stays and no drift: truth from truth.json, stays from the Parquet."""
    folder = tmp_path_factory.mktemp("planted")
    settings = Settings(
        discharges=900_000,
        hospitals=6,
        adjacent_groups=96,
        projects=4,
        effects=(PLANTED,),
        drift_sd=0,
        selection="random",
    )
    write_discharges(generate(settings), folder)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    columns = ["hospital", "specialty", "year", "drg", "cost_fen", "los_days", "died", "surgical", "surgery_level"]
    stays = pq.read_table(folder / "discharges", columns=columns).to_pandas()
    base = pd.DataFrame(truth["drgs"]).set_index("code")
    stays = stays[stays.drg.notna()].join(base[["cost", "los", "death", "level4"]], on="drg")
    stays["deflator"] = stays.year.astype(str).map(truth["deflators"])
    stays["after"] = stays.year.isin(truth["cycles"]["after"])
    return truth, stays


def project_stays(truth, stays):
    for project in truth["projects"]:
        mine = stays[(stays.hospital == project["hospital"]) & (stays.specialty == project["specialty"])]
        unit = next(u for u in truth["units"] if all(u[key] == project[key] for key in ("hospital", "specialty")))
        yield unit, mine


def mean_and_error(values: pd.Series) -> tuple[float, float]:
    return values.mean(), values.std() / np.sqrt(len(values))


def assert_within(found: float, error: float, true: float) -> None:
    """Five standard errors: one false alarm in two million; the error itself must be small enough to find the effect."""
    assert abs(found - true) < 5 * error
    assert 5 * error < 0.15, "too few stays: this test could not fail"


def test_planted_cost_effect_is_recovered(planted):
    truth, stays = planted
    for _, mine in project_stays(truth, stays):
        ratio = mine.cost_fen / 100 / mine.deflator / mine.cost
        (before, e0), (after, e1) = mean_and_error(ratio[~mine.after]), mean_and_error(ratio[mine.after])
        error = after / before * np.hypot(e0 / before, e1 / after)
        assert_within(after / before, error, 0.8)


def test_planted_los_effect_is_recovered(planted):
    truth, stays = planted
    trend = 1 + truth["settings"]["los_trend"]
    for _, mine in project_stays(truth, stays):
        # a stay lasts a day at least: groups near that floor cannot shorten by the planted factor
        mine = mine[mine.los > 2.5]
        ratio = mine.los_days / mine.los / trend ** (mine.year - truth["settings"]["first_year"])
        (before, e0), (after, e1) = mean_and_error(ratio[~mine.after]), mean_and_error(ratio[mine.after])
        assert_within(after / before, after / before * np.hypot(e0 / before, e1 / after), 0.85)


def test_planted_mortality_is_recovered_over_all_projects(planted):
    truth, stays = planted
    deaths = {False: [0, 0.0], True: [0, 0.0]}
    for unit, mine in project_stays(truth, stays):
        for after, part in mine.groupby("after"):
            deaths[after][0] += int(part.died.sum())
            deaths[after][1] += part.death.sum() * unit["mortality"]
    (o0, e0), (o1, e1) = deaths[False], deaths[True]
    error = np.sqrt(1 / o0 + 1 / o1)  # of the log of a ratio of two Poisson counts
    assert abs(np.log((o1 / e1) / (o0 / e0) / 0.6)) < 4 * error
    assert 2 * error < -np.log(0.6), "too few deaths: this test could not fail"


def test_planted_volume_is_recovered_against_the_other_units(planted):
    truth, stays = planted
    mine = pd.concat([part for _, part in project_stays(truth, stays)])
    odds = [part.after.sum() / (~part.after).sum() for part in (mine, stays.drop(mine.index))]
    assert odds[0] / odds[1] == pytest.approx(1.5, abs=5 * 1.5 * np.sqrt(4 / len(mine)))


def test_planted_level4_odds_are_recovered(planted):
    truth, stays = planted
    for unit, mine in project_stays(truth, stays):
        after = mine[mine.after & mine.surgical]
        odds = after.level4 / (1 - after.level4) * np.exp(unit["level4"]) * 2.0
        expected = odds / (1 + odds)
        gap = (after.surgery_level == 4).sum() - expected.sum()
        assert abs(gap) < 5 * np.sqrt((expected * (1 - expected)).sum())


def test_units_without_a_project_do_not_change(planted):
    truth, stays = planted
    mine = pd.concat([part for _, part in project_stays(truth, stays)])
    rest = stays.drop(mine.index)
    ratio = rest.cost_fen / 100 / rest.deflator / rest.cost
    change = ratio[rest.after].groupby([rest.hospital, rest.specialty]).agg(mean_and_error)
    before = ratio[~rest.after].groupby([rest.hospital, rest.specialty]).agg(mean_and_error)
    z = [(a - b) / np.hypot(ea, eb) for (a, ea), (b, eb) in zip(change, before, strict=True)]
    assert np.abs(z).max() < 5
    assert 0.6 < np.std(z) < 1.4  # the stated errors are the right size: no hidden drift


def test_counts_are_exact_and_every_stay_keeps_the_contract(demo):
    settings, stays = demo
    assert len(stays) == settings.discharges
    assert list(stays.columns) == list(STORED)
    gap = (pd.to_datetime(stays.discharge_date) - pd.to_datetime(stays.admission_date)).dt.days
    assert (stays.los_days == gap.clip(lower=1)).all()
    assert (gap == 0).any()
    dates = pd.to_datetime(stays.discharge_date)
    assert (dates.dt.year == stays.year).all()
    assert (dates.dt.month == stays.month).all()
    assert (stays.died == (stays.exit_mode == "5")).all()
    assert (stays.surgery_level.notna() == stays.surgical).all()
    assert (stays.principal_procedure.notna() == stays.surgical).all()
    assert stays.hospital.str.startswith("0").all()
    assert stays.drg.dropna().str.fullmatch(r"[A-Z]{2}\d[135]S").all()


def test_marginals_are_those_of_a_prefecture_city(demo):
    _, stays = demo
    by = stays.groupby("specialty")
    los, cost = by.los_days.mean(), by.cost_fen.mean() / 100
    assert 5 < stays.los_days.mean() < 9
    assert los.idxmin() == "ophthalmology"
    assert los.idxmax() == "neurosurgery"
    assert los.between(2.5, 13).all()
    assert 10_000 < stays.cost_fen.mean() / 100 < 22_000
    assert cost.between(6_000, 45_000).all()
    assert cost.idxmax() == "neurosurgery"
    assert 0.003 < stays.died.mean() < 0.006
    assert 0.15 < (stays.admission_route == "1").mean() < 0.40
    assert 0.97 < stays.drg.notna().mean() < 0.999
    assert stays[stays.specialty == "obstetrics_gynaecology"].sex.eq("2").all()
    # long tails, and cost going with days
    assert stays.cost_fen.skew() > 3
    assert 0.4 < np.corrcoef(np.log(stays.cost_fen), np.log(stays.los_days))[0, 1] < 0.8
    volumes = stays.drg.value_counts()
    assert volumes.iloc[:60].sum() > 0.4 * volumes.sum()


def test_deaths_follow_the_risk_grades(demo):
    settings, stays = demo
    score = generate(settings).drgs.set_index("code").score
    grade = np.digitize(stays.drg.map(score), [-1, 0, 1])  # missing DRG gives the last: dropped below
    rate = stays.died[stays.drg.notna()].groupby(grade[stays.drg.notna()]).mean()
    assert 0.00005 < rate[0] < 0.0005
    assert 0.0005 < rate[1] < 0.003
    assert rate[2] < rate[3]
    assert rate[3] > 0.03


def test_covid_years_are_thin_and_city_hospitals_operate_at_level_4(demo):
    settings, stays = demo
    by_year = stays.groupby("year").size()
    assert by_year[2020] < 0.9 * by_year[2019]
    february = stays[stays.month == 2].groupby("year").size() / by_year
    assert february[2020] < 0.6 * february[2019]
    registry = generate(settings).hospitals.set_index("code")
    operations = stays[stays.surgical]
    share = (operations.surgery_level == 4).groupby(operations.hospital.map(registry.level_group)).mean()
    assert share["市级三级"] > 2 * share["县级二级"]


def test_the_same_settings_give_the_same_bytes_with_one_worker_or_two(tmp_path):
    settings = Settings(discharges=6_000)
    write_discharges(generate(settings), tmp_path / "one")
    write_discharges(generate(settings), tmp_path / "two", workers=2)
    names = sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*.*"))
    assert "discharges/year=2019.parquet" in names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    write_discharges(generate(Settings(discharges=6_000, seed=7)), tmp_path / "other")
    assert (tmp_path / "one" / names[-1]).read_bytes() != (tmp_path / "other" / names[-1]).read_bytes()


def test_a_block_is_the_same_alone_and_in_its_year():
    region = generate(Settings(discharges=6 * (BLOCK + 50_000), projects=0))
    whole = list(draw_year(region, 2023))
    assert len(whole[0]) == BLOCK
    assert sum(map(len, whole)) == region.year_counts[2023]
    alone = draw_block(region, 2023, 1)
    np.testing.assert_array_equal(alone.cost, whole[1].cost)
    np.testing.assert_array_equal(alone.unit, whole[1].unit)
    assert whole[0].unit[-1] <= whole[1].unit[0]
    assert not np.array_equal(whole[0].cost[: len(whole[1])], whole[1].cost)


def test_selection_by_merit_takes_the_lucky_and_a_lottery_does_not():
    def luck(selection: str, seed: int) -> float:
        region = generate(Settings(discharges=20_000, seed=seed, selection=selection, projects=24))
        seen, unit = observed(region), region.units
        noise = np.log(seen.cost_index / unit.cost) - np.log(seen.cost_index / unit.cost).mean()
        return noise[region.projects.unit].mean()

    merit = np.mean([luck("merit", seed) for seed in range(4)])
    lottery = np.mean([luck("random", seed) for seed in range(4)])
    assert merit < -0.01  # cheaper than they truly are: this part regresses to the mean
    assert merit < lottery - 0.005


def test_projects_spread_over_specialties_tiers_and_hospitals():
    region = generate(Settings())
    mine = region.units.loc[region.projects.unit]
    assert len(set(region.projects.unit)) == 12
    assert mine.specialty.nunique() >= 6
    assert mine.hospital.value_counts().max() <= 2
    assert region.projects.tier.value_counts().to_dict() == {"市": 8, "县": 4}
    assert {effect.name for effect in region.projects.effect} >= {"none", "bad", "large_good"}


def test_projects_chosen_elsewhere_take_the_place_of_the_regions_own_and_leave_the_before_cycle_as_it_was():
    small = {"discharges": 8_000, "hospitals": 6, "adjacent_groups": 96, "effects": (PLANTED,)}
    nobody = generate(Settings(**small, projects=0))
    codes = [str(nobody.hospitals.code.iloc[h]) for h in nobody.units.hospital]
    names = [f"{code} {SPECIALTIES[s].id}" for code, s in zip(codes, nobody.units.specialty, strict=True)]
    chosen = (names[3], names[10])
    region = generate(Settings(**small, projects=4, chosen=chosen))
    assert region.projects.unit.tolist() == [3, 10]
    before, after = region.settings.before[0], region.settings.after[0]
    for mine, theirs in zip(draw_year(region, before), draw_year(nobody, before), strict=True):
        for name in ("unit", "drg", "cost", "los"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    ratio = region.expected(after)["cost"] / nobody.expected(after)["cost"]
    assert np.flatnonzero(ratio != 1).tolist() == [3, 10]
    assert ratio[3] == pytest.approx(PLANTED.cost)
    with pytest.raises(ParameterError, match="nowhere cardiology"):
        generate(Settings(**small, chosen=("nowhere cardiology",)))


def test_every_name_says_that_it_is_synthetic(tmp_path):
    region = generate(Settings(discharges=600))
    write_discharges(region, tmp_path)
    assert region.hospitals.name.str.contains(MARK).all()
    assert MARK in (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert MARK in json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))["notice"]


@pytest.mark.parametrize("wrong", [{"dirt_rate": 0.9}, {"selection": "best"}, {"effects": ()}, {"first_year": 1800}])
def test_wrong_settings_are_refused_with_a_remedy(wrong):
    with pytest.raises(ParameterError, match="办法 remedy"):
        Settings(**wrong)
