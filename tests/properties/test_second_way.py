"""Every indicator a second time, record by record in plain pandas."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from three_hospitals import cells_of, frame_of, params

from toolkit import cube as cubes
from toolkit.indicators import CATALOGUE


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    t = frame.copy()
    for name in (
        "cost_fen",
        "los_days",
        "surgery_level",
        "year",
        "drug_fen",
        "material_fen",
        "rescues",
        "successful_rescues",
    ):
        t[name] = pd.to_numeric(t[name])
    t["drg"] = t["drg"].where(~t["drg"].isin(["", "0000"]))
    t["cycle"] = np.where(t["year"] <= 2021, "before", "after")
    long = t["los_days"] > 60
    t["cost"] = t["cost_fen"].where(t["cost_fen"].between(500, 200_000_000) & ~long & t["los_days"].notna())
    t["los"] = t["los_days"].where(~long)
    t["dead"] = t["died"].map({"true": 1.0, "false": 0.0})
    return t


def second_way(t: pd.DataFrame, basis: str) -> dict[str, pd.Series]:
    """Indicator → value by hospital, computed record by record."""
    base = t if basis == "contemporaneous" else t[t["cycle"] == "before"]
    time = ["year"] if basis == "contemporaneous" else []
    found: dict[str, pd.Series] = {}
    grouped = t.dropna(subset="drg")
    for id_, name in (("cost_index", "cost"), ("los_index", "los")):
        mean = base.dropna(subset=["drg"]).groupby(["drg", *time])[name].mean().rename("reference").reset_index()
        ratio = grouped.merge(mean, on=["drg", *time], how="left").eval(f"ratio = {name} / reference")
        found[id_] = ratio.groupby("hospital")["ratio"].mean()
    mean = base.dropna(subset="drg").groupby(["drg", *time])["cost"].mean().rename("mean").reset_index()
    filled = base.dropna(subset="drg").merge(mean, on=["drg", *time]).dropna(subset="mean")
    overall = filled.groupby(time)["mean"].mean().rename("overall").reset_index() if time else filled["mean"].mean()
    weight = mean.merge(overall, on=time) if time else mean.assign(overall=overall)
    weight["weight"] = weight["mean"] / weight["overall"]
    found["cmi"] = grouped.merge(weight, on=["drg", *time], how="left").groupby("hospital")["weight"].mean()
    found["drg_count"] = grouped.groupby("hospital")["drg"].nunique()
    found["volume"] = t.groupby("hospital").size()
    found["mean_cost"] = t.groupby("hospital")["cost"].mean() / 100
    found["mean_los"] = t.groupby("hospital")["los"].mean()
    found["mortality"] = 100 * t.groupby("hospital")["dead"].mean()
    # a level says that there was an operation, also where the flag denies it
    levelled = (t["surgical"] == "true") | ((t["surgical"] == "false") & (t["surgery_level"] > 0))
    operated = t[(t["department"] == "D1") & levelled & t["surgery_level"].notna()]
    city = operated[operated["tier"] == "市"]
    county = operated[operated["tier"] == "县"]
    found["level4_share"] = 100 * (city["surgery_level"] == 4).groupby(city["hospital"]).mean()
    found["level34_share"] = 100 * (county["surgery_level"] >= 3).groupby(county["hospital"]).mean()
    t = t.assign(grade=np.nan)
    for cycle, part in (("before", base[base["cycle"] == "before"]), ("after", base[base["cycle"] == "after"])):
        if basis == "frozen" and cycle == "after":
            break
        deaths = part.dropna(subset=["drg", "dead"]).groupby("drg")["dead"].agg(["sum", "count"])
        logs = np.log((deaths["sum"] / deaths["count"])[deaths["sum"] > 0])
        z = (logs - logs.mean()) / logs.std()
        grade = z.map(lambda v: math.nan if math.isnan(v) else 1 + (v >= -1) + (v >= 0) + (v >= 1))
        rows_of = t["cycle"] == cycle if basis == "contemporaneous" else slice(None)
        t.loc[rows_of, "grade"] = t.loc[rows_of, "drg"].map(grade)
    found |= further(t, base, weight, time)
    high = t[t["grade"] == 4]
    found["high_risk_survival"] = 100 * (1 - high.groupby("hospital")["dead"].mean())
    for id_, grades in (
        ("low_risk_mortality", [1]),
        ("mid_low_risk_mortality", [2]),
        ("low_or_mid_low_risk_mortality", [1, 2]),
    ):
        mine = t[t["grade"].isin(grades)]
        found[id_] = 100 * mine.groupby("hospital")["dead"].mean()
    return found


def further(t: pd.DataFrame, base: pd.DataFrame, weight: pd.DataFrame, time: list[str]) -> dict[str, pd.Series]:
    """What is neither a mean against a reference nor a risk grade."""
    found: dict[str, pd.Series] = {}
    t = t.merge(weight[["drg", *time, "weight"]], on=["drg", *time], how="left")
    mean = {
        name: base.dropna(subset="drg").groupby(["drg", *time])[name].mean().rename(f"ref_{name}").reset_index()
        for name in ("cost", "los")
    }
    # the reference of deaths is the whole cycle: a year holds too few
    window = ["cycle"] if time else []
    deaths = base.dropna(subset="drg").groupby(["drg", *window])["dead"].mean().rename("ref_dead").reset_index()
    for table, keys in ((mean["cost"], time), (mean["los"], time), (deaths, window)):
        t = t.merge(table, on=["drg", *keys], how="left")
    hospital, grouped = t["hospital"], t["drg"].notna()

    def share(flag: pd.Series, of: pd.Series) -> pd.Series:
        return 100 * flag[of].astype(float).groupby(hospital[of]).mean()

    def total(values: pd.Series, of: pd.Series) -> pd.Series:
        return values[of].groupby(hospital[of]).sum()

    found["grouped_share"] = share(grouped, grouped | True)
    weighted = grouped & t["weight"].notna()
    found["total_weight"] = total(t["weight"], weighted)
    found["heavy_share"] = share(t["weight"] >= 2, weighted)
    found["drg_count_rarefied"] = pd.Series(
        {
            h: rarefied(part["drg"].value_counts().tolist(), 3)
            for h, part in t[grouped].groupby("hospital")
            if len(part) >= 3
        }
    )
    for name in ("cost", "los"):
        known = grouped & t[name].notna() & t[f"ref_{name}"].notna()
        found[f"{name}_ratio"] = total(t[name], known) / total(t[f"ref_{name}"], known)
        known = weighted & t[name].notna()
        found[f"{name}_per_weight"] = total(t[name], known) / total(t["weight"], known) / (100 if name == "cost" else 1)
    parts = t["cost"].notna()
    for name in ("drug_fen", "material_fen"):
        parts &= t[name].between(0, t["cost"])
    for id_, name in (("drug_share", "drug_fen"), ("material_share", "material_fen")):
        found[id_] = 100 * total(t[name], parts) / total(t["cost"], parts)
    surgical = (t["department"] == "D1") & (t["surgical"] == "true")
    named = surgical & (t["minimally_invasive"] != "")
    found["minimally_invasive_share"] = share(t["minimally_invasive"] == "true", named)
    asked = surgical & (t["admission_route"] == "2") & (t["complication"] != "")
    found["complication_share"] = share(t["complication"] == "true", asked)
    known = grouped & t["dead"].notna() & t["ref_dead"].notna()
    expected = total(t["ref_dead"], known)
    found["mortality_ratio"] = total(t["dead"], known) / expected.where(expected > 0)
    left = t["exit_mode"] != ""
    found["against_advice_share"] = share(t["exit_mode"] == "4", left)
    found["transfers_out"] = total(t["exit_mode"].isin(["2", "3"]).astype(float), left)
    came = t["admission_route"] != ""
    found["transfers_in"] = total((t["admission_route"] == "3").astype(float), came)
    rescued = (t["successful_rescues"] <= t["rescues"]) & (t["rescues"] > 0)
    found["rescue_success"] = 100 * total(t["successful_rescues"], rescued) / total(t["rescues"], rescued)
    heavy = t["weight"] >= 2
    found["emergency_heavy"] = total((t["admission_route"] == "1").astype(float), heavy)
    found["emergency_heavy_survival"] = share(1 - t["dead"], heavy & (t["admission_route"] == "1") & t["dead"].notna())
    home = t["residence"] != ""
    found["residence_resolved_share"] = share(home, home | True)
    placed = home & (t["county"] != "")
    found["outside_county_share"] = share(t["residence"] != t["county"], placed)
    found["outside_city_share"] = share(t["residence"].str[:4] != t["county"].str[:4], placed)
    away = (t["residence"] != t["county"]).where(t["tier"] == "县", t["residence"].str[:4] != t["county"].str[:4])
    found["outside_share"] = share(away, placed)
    usable = (t["department"] == "D1") & (t["surgical"] != "")
    levelled = (t["surgical"] == "true") | (t["surgery_level"] > 0)
    found["level_known_share"] = share(t["surgery_level"].notna(), usable & levelled)
    elective = (t["department"] == "D1") & (t["surgical"] == "true") & (t["admission_route"] == "2")
    found["day_surgery_share"] = share(t["los_days"] <= 1, elective & t["los_days"].notna())
    severe = (t["weight"] >= 2) | (t["grade"] >= 4)
    known = t["weight"].notna() | t["grade"].notna()
    found["transfers_in_severe"] = total(((t["admission_route"] == "3") & severe).astype(float), came & known)
    found["transfers_out_severe"] = total((t["exit_mode"].isin(["2", "3"]) & severe).astype(float), left & known)
    # these rows have no dates, lists of techniques or items of the TCM page: tests/unit/data, tests/definitions
    for id_ in ("readmission", "interventional", "endoscopic", "puncture", "tcm_fee", "chinese_drug", "tcm_treated"):
        found[f"{id_}_share"] = pd.Series(dtype=float)
    return found


def rarefied(counts: list[int], drawn: int) -> float:
    """Kinds in a draw, averaged over all draws: every set of cases is looked at."""
    cases = [kind for kind, n in enumerate(counts) for _ in range(n)]
    if len(cases) > 12:  # too many sets: by counting those without the kind
        whole = math.comb(len(cases), drawn)
        return sum(1 - math.comb(len(cases) - n, drawn) / whole for n in counts)
    sets = list(combinations(cases, drawn))
    return sum(len(set(one)) for one in sets) / len(sets)


@pytest.mark.parametrize("basis", cubes.BASES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_indicator_equals_its_second_way(engine, basis, seed):
    rng = np.random.default_rng(seed)
    n = 500
    frame = frame_of(
        [
            {
                "hospital": rng.choice(list("ABC")),
                "department": rng.choice(["D1", "D2", "D9"]),
                "year": str(rng.integers(2019, 2025)),
                "drg": rng.choice(["FA11", "FB21", "FC31", "GD41", "GE51", "HF61", "0000", ""]),
                "cost_fen": rng.choice(["", "499", *map(str, rng.integers(500, 10**6, 8))]),
                "los_days": rng.choice(["", "61", *map(str, rng.integers(1, 60, 8))]),
                "died": rng.choice(["true", "", *["false"] * 8]),
                "surgical": rng.choice(["true", "true", "false", ""]),
                "surgery_level": rng.choice(["1", "2", "3", "4", ""]),
                "exit_mode": rng.choice(["1", "1", "2", "3", "4", ""]),
                "admission_route": rng.choice(["1", "2", "2", "3", ""]),
                "minimally_invasive": rng.choice(["true", "false", ""]),
                "complication": rng.choice(["true", "false", "false", ""]),
                "rescues": rng.choice(["0", "2", "5", ""]),
                "successful_rescues": rng.choice(["0", "1", "2", ""]),
                "drug_fen": rng.choice(["", "0", "400", "90000"]),
                "material_fen": rng.choice(["", "10", "300"]),
                "residence": rng.choice(["990102", "990103", "980101", ""]),
            }
            for _ in range(n)
        ]
    )
    cells = cells_of(engine.cube(frame, params("none")), ["hospital"], basis, trim="none")
    wanted = second_way(typed(frame), basis)
    assert set(wanted) == set(CATALOGUE)
    some = 0
    for id_, values in wanted.items():
        found = cells[cells["indicator"] == id_].set_index("hospital")["value"]
        np.testing.assert_allclose(
            found.to_numpy(), values.reindex(found.index).to_numpy(float), rtol=1e-9, err_msg=id_
        )
        some += found.notna().sum()
    assert some >= 30  # not empty on both sides
