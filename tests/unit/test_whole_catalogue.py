"""The whole catalogue on a synthetic region (合成数据), every value a second time from the files themselves, in plain pandas.

Nothing of the toolkit's way is shared: the front pages are read as text, and each indicator is computed case by case.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit import synthetic
from toolkit.indicators import CATALOGUE
from toolkit.indicators.diseases import DISEASES
from toolkit.params import Mergers, RunParams
from toolkit.runs.pipeline import check, evaluate
from toolkit.synthetic.lists import write_lists

YEARS = (2019, 2024)
GROUP = {"id": "centre", "name_zh": "合成专科群", "members": ["cardiology", "general-surgery"], "overlap": True}


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    made = synthetic.generate(
        synthetic.Settings(seed=5, discharges=6000, hospitals=8, projects=2, dirt_rate=0.0, broken_file=False)
    )
    synthetic.write_front_pages(made, folder)
    pages = [
        pd.read_csv(p, dtype=str, keep_default_na=False, encoding=code)
        for p in sorted((folder / "front_pages").iterdir())
        for code in [encoding_of(p)]
    ]
    return folder, pd.concat(pages, ignore_index=True)


def encoding_of(path):
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


@pytest.fixture(scope="module")
def params(region):
    folder, _pages = region
    departments = pd.read_csv(folder / "departments.csv", dtype=str)
    specialties = [
        {
            "id": i,
            "name_zh": part["specialty_name"].iloc[0],
            "surgical": part["surgical"].iloc[0] == "1",
            "departments": list(part["department"]),
        }
        for i, part in departments.groupby("specialty", sort=False)
    ]
    ids = [s["id"] for s in specialties]
    group = {**GROUP, "members": ids[:2]}
    lists = write_lists(folder, YEARS[0])
    return RunParams.model_validate(
        {
            "run": "t",
            "title": "合成",
            "cycles": {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}},
            "data": {
                "format": "front-page",
                "files": [str(folder / "front_pages")],
                "hospitals": str(folder / "hospitals.csv"),
                "divisions": str(folder / "divisions.csv"),
                "drg_file": {"file": str(folder / "drg.csv"), "discharge": "B15"},
            },
            "specialties": [*specialties, group],
            "trimming": {"method": "none"},
            "reference": {"scope": "region", "minimum_cases": 1},
            "risk_grades": {"minimum_cases": 1, "minimum_deaths": 0, "minimum_deaths_low": 0},
            "indicators": {"rarefied_at": 20, **{n: str(p) for n, p in lists.items()}},
            "minimum_value_cases": 1,
        }
    )


@pytest.fixture(scope="module")
def results(params, tmp_path_factory):
    return evaluate(params, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def cases(region, results):
    """One row a discharge, typed by hand."""
    folder, pages = region
    t = pd.DataFrame(
        {
            "hospital": pages["A01"],
            "year": pages["B15"].str[:4].astype(int),
            "route": pages["B11C"],
            "exit": pages["B34C"],
            "principal": pages["C03C"],
            "department": pages["B16C"],
        }
    )
    t["admitted"], t["left"] = (pd.to_datetime(pages[c].str[:10]) for c in ("B12", "B15"))
    t["los"] = (t["left"] - t["admitted"]).dt.days.clip(lower=1).astype(float)
    t["cost"] = pages["D01"].astype(float)
    usable = t["los"] <= 60
    t["cost"], t["los"] = t["cost"].where(usable), t["los"].where(usable)
    money = pages.filter(regex=r"^D\d\d$").replace({"": "0", "-": "0"}).astype(float)
    t["drugs"] = money[[c for c in ("D23", "D24", "D25") if c in money]].sum(axis=1)
    t["materials"] = money[[c for c in ("D31", "D32", "D33") if c in money]].sum(axis=1)
    t["died"] = (t["exit"] == "5").astype(float)
    levels = pages.filter(regex=r"^C17x01$|^C38x").apply(pd.to_numeric, errors="coerce")
    t["level"] = levels.max(axis=1)
    procedures = pages.filter(regex=r"^C14x01C$|^C35x")
    # without a dictionary of categories: what has a level, and what stands in the chapters of operations
    t["asked"] = t["level"].notna() | (
        procedures.apply(lambda c: c.str.match(r"^([0-7]\d|8[0-6])")).fillna(False).any(axis=1)
    )
    t["tcm"] = money.get("D22", np.nan)
    chinese = [c for c in ("D24", "D25") if c in money]
    t["chinese"] = money[chinese].sum(axis=1) if chinese else np.nan
    minimal = pd.read_csv(folder / "合成数据_minimally_invasive.csv", dtype={"code": str})
    t["minimal"] = [
        any(code in set(minimal.loc[minimal["valid_from"] <= year, "code"]) for code in row)
        for year, row in zip(t["year"], procedures.to_numpy(), strict=True)
    ]
    listed = tuple(pd.read_csv(folder / "合成数据_complications.csv", dtype=str)["code"])
    others, conditions = pages.filter(regex=r"^C06x"), pages.filter(regex=r"^C08x")
    t["complicated"] = [
        any(code.startswith(listed) and state == "4" for code, state in zip(a, b, strict=True) if code not in ("", "-"))
        for a, b in zip(others.to_numpy(), conditions.to_numpy(), strict=True)
    ]
    places = pd.read_csv(folder / "divisions.csv", dtype=str).set_index("name")["code"]
    own = pd.read_csv(folder / "hospitals.csv", dtype=str).set_index("code")
    t["county"] = t["hospital"].map(own["county"]).map(places)
    t["tier"] = t["hospital"].map(own["tier"])
    finest = places[places.str[4:] != "00"]
    written = pages["A26"].str.extract(f"^(?:合成市)?({'|'.join(finest.index)})")[0].map(finest)
    written = written.fillna(pages["A26"].str.extract(f"^({'|'.join(places.index)})")[0].map(places))
    given = (
        pages["现住址行政区划代码"].replace({"": None, "-": None})
        if "现住址行政区划代码" in pages
        else pd.Series(None, index=t.index)
    )
    t["home"] = given.where(given.notna(), written).str.replace(r"(00){1,2}$", "", regex=True)
    t["person"], t["planned"] = pages["A20"], pages["B36C"] == "2"
    groups = pd.read_csv(folder / "drg.csv", dtype=str, keep_default_na=False).set_index(["A01", "A48", "A49", "B15"])[
        "DRG"
    ]
    t["drg"] = groups.reindex(pd.MultiIndex.from_frame(pages[["A01", "A48", "A49", "B15"]])).to_numpy()
    t["drg"] = t["drg"].where(~t["drg"].str.contains(r"^0*$|QY$"))
    departments = pd.read_csv(folder / "departments.csv", dtype=str).set_index("department")
    t["specialty"], t["surgical"] = (t["department"].map(departments[c]) for c in ("specialty", "surgical"))
    assert len(t) == results.cube["n"].sum()  # nothing was set aside: no defect was seeded
    return t


def again(t: pd.DataFrame) -> pd.Series:
    """Came back to the same hospital within 31 days, where that can be told and it was not planned."""
    ordered = t.sort_values(["hospital", "person", "admitted", "left"])
    following = ordered.groupby(["hospital", "person"])["admitted"].shift(-1)
    wait = (following - ordered["left"]).dt.days
    came = wait.between(0, 31) & ~ordered["planned"]
    told = (ordered["died"] == 0) & (ordered["left"] <= pd.Timestamp(YEARS[1], 12, 31) - pd.Timedelta(days=31))
    return came.astype(float).where(told).reindex(t.index)


@np.errstate(invalid="ignore")  # where nobody counts, both ways have no value
def second_way(t: pd.DataFrame, mine: pd.Series) -> dict[str, float]:
    """Indicator → value over the cases `mine` of a cycle, against all cases of each year (deaths: of the cycle)."""
    t = t.assign(came=again(t))
    grouped = t["drg"].notna()
    for name in ("cost", "los"):
        t[f"ref_{name}"] = t[grouped].groupby(["drg", "year"])[name].transform("mean")
    stand_in = t["ref_cost"].where(grouped)
    t["weight"] = t["ref_cost"] / t["year"].map(stand_in.groupby(t["year"]).mean())
    period = t[t["year"].between(2022, 2024)]
    rate = period.groupby("drg")["died"].mean()
    logs = np.log(rate[rate > 0])
    z = (logs - logs.mean()) / logs.std()
    grade = 1 + (z >= -1).astype(int) + (z >= 0) + (z >= 1)
    u = period[mine.reindex(period.index)]
    u = u.assign(grade=u["drg"].map(grade), expected=u["drg"].map(rate))
    g, surgical = u[u["drg"].notna()], u[u["surgical"] == "1"]
    operated = surgical[surgical["level"].notna()]
    city, county = operated[operated["tier"] != "县"], operated[operated["tier"] == "县"]
    elective = operated[(operated["route"] == "2") & ~operated["principal"].str[:1].isin(["O", "P"])]
    home = u[u["home"].notna()]
    far = home["home"].str[:4] != home["county"].str[:4]
    # a home known to its city only: inside the city it may be in the county or not
    told = home[far | (home["home"].str.len() == 6)]
    n_g = g["drg"].value_counts().to_numpy()
    others = np.array([np.prod([(len(g) - n - i) / (len(g) - i) for i in range(20)]) for n in n_g])
    heavy = u["weight"] >= 2
    emergency = heavy & (u["route"] == "1")
    both = g[g["cost"].notna()]
    by_county, planned = home["tier"].isin(["县", "基层"]), operated[operated["route"] == "2"]
    own_area = np.where(by_county, home["home"] != home["county"], far)[~by_county | home.index.isin(told.index)]
    severe = heavy | (u["grade"] == 4)
    return {
        "level_known_share": 100 * surgical.loc[surgical["asked"], "level"].notna().mean(),
        "day_surgery_share": 100 * (planned["los"] <= 1).mean(),
        "interventional_share": np.nan,
        "endoscopic_share": np.nan,
        "puncture_share": np.nan,
        "tcm_fee_share": 100 * u.loc[u["cost"].notna(), "tcm"].sum(min_count=1) / u["cost"].sum(),
        "chinese_drug_share": 100 * u.loc[u["cost"].notna(), "chinese"].sum(min_count=1) / u["cost"].sum(),
        "tcm_treated_share": np.nan,
        "outside_share": 100 * own_area.mean(),
        "transfers_in_severe": (severe & (u["route"] == "3")).sum(),
        "transfers_out_severe": (severe & u["exit"].isin(["2", "3"])).sum(),
        "volume": len(u),
        "grouped_share": 100 * len(g) / len(u),
        "drg_count": g["drg"].nunique(),
        "drg_count_rarefied": (1 - others).sum(),
        "cmi": g["weight"].mean(),
        "total_weight": g["weight"].sum(),
        "heavy_share": 100 * (g["weight"] >= 2).sum() / g["weight"].notna().sum(),
        "level4_share": 100 * (city["level"] == 4).mean(),
        "level34_share": 100 * (county["level"] >= 3).mean(),
        "minimally_invasive_share": 100 * operated["minimal"].mean(),
        "cost_index": (g["cost"] / g["ref_cost"]).mean(),
        "los_index": (g["los"] / g["ref_los"]).mean(),
        "cost_ratio": both["cost"].sum() / both["ref_cost"].sum(),
        "los_ratio": g["los"].sum() / g.loc[g["los"].notna(), "ref_los"].sum(),
        "cost_per_weight": both["cost"].sum() / both["weight"].sum(),
        "los_per_weight": g["los"].sum() / g.loc[g["los"].notna() & g["weight"].notna(), "weight"].sum(),
        "mean_cost": u["cost"].mean(),
        "mean_los": u["los"].mean(),
        "drug_share": 100 * u.loc[u["cost"].notna(), "drugs"].sum() / u["cost"].sum(),
        "material_share": 100 * u.loc[u["cost"].notna(), "materials"].sum() / u["cost"].sum(),
        "mid_low_risk_mortality": 100 * u.loc[u["grade"] == 2, "died"].mean(),
        "low_risk_mortality": 100 * u.loc[u["grade"] == 1, "died"].mean(),
        "low_or_mid_low_risk_mortality": 100 * u.loc[u["grade"] <= 2, "died"].mean(),
        "mortality": 100 * u["died"].mean(),
        "mortality_ratio": g["died"].sum() / g["expected"].sum(),
        "against_advice_share": 100 * (u["exit"] == "4").mean(),
        "complication_share": 100 * elective["complicated"].mean(),
        "readmission_share": 100 * u["came"].mean(),
        "rescue_success": np.nan,
        "high_risk_survival": 100 * (1 - u.loc[u["grade"] == 4, "died"].mean()),
        "emergency_heavy_survival": 100 * (1 - u.loc[emergency, "died"].mean()),
        "emergency_heavy": emergency.sum(),
        "outside_county_share": 100 * (told["home"] != told["county"]).mean(),
        "outside_city_share": 100 * far.mean(),
        "residence_resolved_share": 100 * len(home) / len(u),
        "transfers_in": (u["route"] == "3").sum(),
        "transfers_out": u["exit"].isin(["2", "3"]).sum(),
    }


def values(results, level, **keys):
    cells = results.cells[(results.cells["level"] == level) & (results.cells["basis"] == "contemporaneous")]
    cells = cells[cells["period"] == "after"]
    for name, value in keys.items():
        cells = cells[cells[name] == value]
    return cells.set_index("indicator")["value"]


def compare(found, wanted):
    assert set(wanted) == set(CATALOGUE)
    for id_, value in wanted.items():
        if id_ in ("cost_per_weight",):
            assert found[id_] == pytest.approx(value, rel=1e-6), id_
        else:
            assert found[id_] == pytest.approx(value, rel=1e-9, nan_ok=True), id_


def test_every_indicator_of_the_region_from_the_files_themselves(results, cases):
    compare(values(results, "region"), second_way(cases, pd.Series(True, index=cases.index)))


def test_every_indicator_of_a_hospital_and_of_a_specialty(results, cases):
    for hospital in sorted(set(cases["hospital"]))[:2]:
        compare(values(results, "hospital", hospital=hospital), second_way(cases, cases["hospital"] == hospital))
    surgical = cases.loc[cases["surgical"] == "1", "specialty"].iloc[0]
    compare(values(results, "specialty", specialty=surgical), second_way(cases, cases["specialty"] == surgical))


def test_a_group_of_specialties_has_all_their_cases_and_totals_have_them_once(results, params, cases):
    members = params.specialties[-1].members
    group = values(results, "specialty", specialty="centre")
    mine = cases["specialty"].isin(members)
    wanted = second_way(cases.assign(surgical="0"), mine)
    for id_ in ("volume", "cmi", "cost_index", "los_ratio", "mortality_ratio", "drg_count_rarefied", "mean_cost"):
        assert group[id_] == pytest.approx(wanted[id_], rel=1e-9), id_
    apart = sum(values(results, "specialty", specialty=m)["volume"] for m in members)
    assert group["volume"] == apart  # they do not overlap with each other
    assert values(results, "region")["volume"] == cases["year"].between(2022, 2024).sum()
    assert "合成专科群：其病例同时计入各专科" in results.facts.lists["重叠的专科"]
    units = results.units[results.units["specialty"] == "centre"]
    assert units["n_after"].sum() == group["volume"]


RECORDS = {
    8: ("drg_count", "drg_count_rarefied"),
    9: ("cmi",),
    10: ("level4_share", "level34_share"),
    11: ("minimally_invasive_share",),
    12: ("cost_index",),
    13: ("los_index",),
    14: ("mid_low_risk_mortality", "low_or_mid_low_risk_mortality"),
    15: ("emergency_heavy_survival", "emergency_heavy"),
    22: ("outside_county_share", "outside_city_share"),
    23: ("transfers_in", "transfers_out"),
}


def test_every_line_of_the_selection_system_that_records_can_answer_has_its_value(results):
    found = values(results, "region")
    for line, ids in RECORDS.items():
        for id_ in ids:
            assert np.isfinite(found[id_]), (line, id_)
    diseases = results.diseases[
        (results.diseases["level"] == "region") & (results.diseases["basis"] == "contemporaneous")
    ]
    assert set(diseases["indicator"]) == set(DISEASES)  # line 16
    assert diseases["value"].notna().mean() > 0.8


def test_diseases_from_the_files_themselves(results, cases):
    period = cases[cases["year"].between(2022, 2024)]
    sets = {"ami": ("I21", "I22"), "pneumonia": ("J12", "J13", "J14", "J15", "J16", "J17", "J18"), "stroke": ("I63",)}
    found = results.diseases[(results.diseases["basis"] == "contemporaneous") & (results.diseases["period"] == "after")]
    for disease, prefixes in sets.items():
        whole = period[period["principal"].str.startswith(prefixes)]
        for hospital in [None, *sorted(set(whole["hospital"]))[:2]]:
            mine = whole if hospital is None else whole[whole["hospital"] == hospital]
            cells = found[
                (found["disease"] == disease) & (found["level"] == ("region" if hospital is None else "hospital"))
            ]
            value = cells[cells["hospital"] == (hospital or "")].set_index("indicator")["value"]
            expected = whole.groupby("year")["died"].transform("mean")[mine.index].sum()
            wanted = {
                "disease_volume": len(mine),
                "disease_mean_cost": mine["cost"].mean(),
                "disease_mean_los": mine["los"].mean(),
                "disease_cost_ratio": (
                    mine["cost"] / whole.groupby("year")["cost"].transform("mean")[mine.index]
                ).mean(),
                "disease_los_ratio": (mine["los"] / whole.groupby("year")["los"].transform("mean")[mine.index]).mean(),
                "disease_fatality": 100 * mine["died"].mean(),
                "disease_fatality_ratio": mine["died"].sum() / expected if expected else np.nan,
            }
            for id_, one in wanted.items():
                assert value[id_] == pytest.approx(one, rel=1e-9, nan_ok=True), (disease, hospital, id_)


@pytest.mark.slow
def test_a_merged_hospital_counts_as_one_and_the_file_still_says_which_it_was(region, params, tmp_path):
    _folder, pages = region
    old, new = sorted(set(pages["A01"]))[:2]
    crosswalk = tmp_path / "对照.csv"
    crosswalk.write_text(f"old,new,from\n{old},{new},2022-01-01\n", encoding="utf-8")
    data = params.data.model_copy(update={"crosswalk": crosswalk})
    counts = {}
    for reading in ("pro_forma", "as_reported"):
        indicators = params.indicators.model_copy(update={"mergers": Mergers(reading)})
        merged = params.model_copy(update={"data": data, "indicators": indicators})
        (tmp_path / reading).mkdir()
        check(merged, tmp_path / reading)
        store = pd.read_parquet(tmp_path / reading / "data" / "discharges")
        counts[reading] = store["hospital"].value_counts().to_dict()
        assert set(store["reported_hospital"]) == set(pages["A01"])
    of = pages.groupby(["A01", pages["B15"].str[:4].astype(int) >= 2022]).size()
    assert counts["pro_forma"][new] == of[old].sum() + of[new].sum()
    assert old not in counts["pro_forma"]
    assert counts["as_reported"][old] == of[old, False]
    assert counts["as_reported"][new] == of[new].sum() + of[old, True]
