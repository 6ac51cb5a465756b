"""遴选: every clause with an applicant that fulfils it and one that does not; who is chosen checked by trying every set. 合成数据."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError, ParameterError
from toolkit.programme.draws import Draws
from toolkit.programme.eligibility import Check, eligible, examined
from toolkit.programme.selection import Selection, read_selection, select

SHIPPED = Path(__file__).parents[3] / "params" / "selection" / "wenzhou-2023.yaml"
WENZHOU = read_selection(SHIPPED)
DISEASES = pd.DataFrame(
    {
        "disease": list("abcdefgh"),
        "incidence_rate": ["90", "80", "70", "60", "50", "50", "30", ""],
        "outward_rate": ["1", "2", "3", "4", "5", "6", "7", "9"],
    }
)
GOOD = {
    "applicant": "x",
    "hospital_level": "三甲",
    "applied_elsewhere": "否",
    "disease": "a",
    "plan_complete": "是",
    "applied_on": "2023-02-28",
}


def lines(**more: str) -> pd.DataFrame:
    frame = pd.DataFrame([{**GOOD, **more}])
    return examined(WENZHOU.eligibility, frame, "applicant", {"diseases": DISEASES})


def test_who_fulfils_every_clause_is_eligible_and_each_line_says_why():
    found = lines()
    assert found["check"].tolist() == ["level", "elsewhere", "disease", "plan", "calendar"]
    assert found["holds"].all()
    assert eligible(found)["because"].tolist() == [""]
    assert found["clause"].str.contains("温卫发|（").all()


@pytest.mark.parametrize(
    ("check", "given", "says"),
    [
        ("level", {"hospital_level": "二乙"}, "二乙，须为 二甲、三乙、三甲、三特"),
        ("elsewhere", {"applied_elsewhere": "是"}, "是，须为 否"),
        ("disease", {"disease": "g"}, None),
        ("plan", {"plan_complete": "否"}, "否，须为 是"),
        ("calendar", {"applied_on": "2023-04-01"}, "2023-04-01，须在 2023-01-01 至 2023-03-31"),
        ("plan", {"plan_complete": ""}, "未提供"),
        ("disease", {"disease": "unheard"}, "unheard：不在清单中"),
    ],
)
def test_a_clause_that_is_not_fulfilled_is_named_alone(check, given, says):
    if check == "disease" and given["disease"] == "g":  # 7th by incidence, 2nd by referral: eligible by the second
        assert lines(**given)["holds"].all()
        return
    found = lines(**given).set_index("check")
    assert found.index[~found["holds"]].tolist() == [check]
    assert found.loc[check, "says"] == says


def test_ties_at_the_fifth_place_share_it_and_what_is_missing_has_no_rank():
    # incidence: e and f share the 5th place; d is 4th; outward: h 1st … d 5th, c 6th
    only = Check.model_validate(
        {
            "id": "d",
            "title": "病种",
            "among_first": {
                "table": "diseases",
                "key": "disease",
                "by": ["incidence_rate"],
                "titles": ["发病率"],
                "first": 5,
            },
        }
    )
    frame = pd.DataFrame({"applicant": list("abcdefgh"), "disease": list("abcdefgh")})
    found = examined([only], frame, "applicant", {"diseases": DISEASES})
    assert found.loc[found["holds"], "applicant"].tolist() == list("abcdef")
    assert found.set_index("applicant").loc["h", "says"] == "h：发病率 无，须在前 5"


def test_first_and_last_day_of_the_calendar_are_within_it():
    for day, holds in (("2023-01-01", True), ("2023-03-31", True), ("2022-12-31", False)):
        assert bool(lines(applied_on=day).set_index("check").loc["calendar", "holds"]) is holds


def test_bad_lists_and_dates_are_told_with_their_line():
    with pytest.raises(InputError, match="第 2 行不是日期"):
        lines(applied_on="二月")
    with pytest.raises(ParameterError, match="--list diseases"):
        examined(WENZHOU.eligibility, pd.DataFrame([GOOD]), "applicant", {})
    with pytest.raises(InputError, match="缺少列 plan_complete"):
        examined(WENZHOU.eligibility, pd.DataFrame([GOOD]).drop(columns="plan_complete"), "applicant", {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"column": "a"}, "给且只给一种"),
        ({"column": "a", "at_least": 1.0, "at_most": 2.0}, "给且只给一种"),
        ({"at_least": 1.0}, "column"),
        ({"column": "a", "within": {"first": "2023-03-31", "last": "2023-01-01"}}, "早于"),
        ({"column": "a", "within": {"first": "三月", "last": "2023-01-01"}}, "不是日期"),
    ],
)
def test_a_check_that_asks_nothing_or_two_things_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        Check.model_validate({"id": "c", "title": "条件", **given})


# --- places -----------------------------------------------------------------------------------------------------------


def applicants(seed: int = 0, number: int = 16) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            **{k: [v] * number for k, v in GOOD.items()},
            "applicant": [f"a{k:02d}" for k in range(number)],
            "tier": ["市"] * (number - 5) + ["县"] * 5,
            "hospital": rng.integers(0, 6, number).astype(str),
            "specialty": rng.integers(0, 5, number).astype(str),
            "urban": np.where(rng.random(number) < 0.6, "是", "否"),
            "cases": rng.integers(100, 900, number).astype(str),
            "score": rng.uniform(60, 95, number).round(3).astype(str),
        }
    )


def scores_of(frame: pd.DataFrame) -> pd.Series:
    return frame["score"].astype(float).set_axis(frame["applicant"])


@pytest.mark.parametrize("seed", range(3))
def test_municipal_places_follow_the_population_and_no_set_that_keeps_the_rules_is_better(seed):
    frame = applicants(seed)
    found = select(WENZHOU, frame, scores_of(frame), lists={"diseases": DISEASES}).applicants
    city = frame[frame["tier"] == "市"].assign(s=lambda f: f["score"].astype(float))

    def keeps(rows: pd.DataFrame) -> bool:
        return (
            (rows["urban"] == "是").sum() <= 0.6 * len(rows)
            and rows["hospital"].value_counts().max() <= 2
            and rows["specialty"].value_counts().max() <= 2
        )

    best: tuple[int, float] = (0, 0.0)
    for size in range(1, 7):  # 4,200,000 / 700,000 = 6 places
        for some in combinations(range(len(city)), size):
            rows = city.iloc[list(some)]
            if keeps(rows):
                best = max(best, (size, round(rows["s"].sum(), 6)))
    chosen = found[found["chosen"] & found["applicant"].isin(city["applicant"])]
    assert (len(chosen), round(chosen["score"].sum(), 6)) == best
    assert keeps(city[city["applicant"].isin(chosen["applicant"])])


def test_county_places_are_one_in_100_000_and_tracks_do_not_mix():
    frame = applicants()
    found = select(WENZHOU, frame, scores_of(frame), lists={"diseases": DISEASES})
    county = found.applicants[found.applicants["track"] == "县级项目"]
    assert set(county["applicant"]) == set(frame.loc[frame["tier"] == "县", "applicant"])
    assert found.rules.query("rule == 'total'").set_index("track")["high"].to_dict() == {"市级项目": 6, "县级项目": 5}


def test_everyone_not_chosen_has_a_reason_and_the_ineligible_name_their_clause():
    frame = applicants()
    frame.loc[frame["applicant"] == "a00", "hospital_level"] = "一甲"
    frame.loc[frame["applicant"] == "a01", "score"] = ""
    scores = pd.to_numeric(frame["score"]).set_axis(frame["applicant"])
    found = select(WENZHOU, frame, scores, lists={"diseases": DISEASES}).applicants.set_index("applicant")
    assert not found.loc[["a00", "a01"], "chosen"].any()
    assert found.loc["a00", "why"].startswith("不符合申报条件（医院等级为二级甲等以上：一甲")
    assert found.loc["a01", "why"] == "没有分数或低于最低分"
    assert (found.loc[~found["chosen"], "why"] != "").all()
    assert (found.loc[found["chosen"], "why"] == "").all()


def test_the_chance_of_being_chosen_counts_draws_each_under_all_rules():
    frame = applicants()
    scores = scores_of(frame)
    flat = np.repeat(scores.to_numpy()[None], 20, axis=0)
    sure = Draws(
        units=frame["applicant"].to_numpy(str),
        scores=flat,
        eligible=np.ones(len(frame), bool),
        peers=np.full(len(frame), ""),
    )
    found = select(WENZHOU, frame, scores, lists={"diseases": DISEASES}, draws=sure).applicants
    assert (found["chance"] == found["chosen"]).all()
    frame.loc[0, "plan_complete"] = "否"
    barred = select(WENZHOU, frame, scores, lists={"diseases": DISEASES}, draws=sure).applicants.set_index("applicant")
    assert barred.loc["a00", "chance"] == 0


def test_rows_in_another_order_choose_the_same():
    frame = applicants(2)
    frame["score"] = "80"
    one = select(WENZHOU, frame, scores_of(frame), lists={"diseases": DISEASES}).applicants
    turned = frame.iloc[::-1].reset_index(drop=True)
    other = select(WENZHOU, turned, scores_of(turned), lists={"diseases": DISEASES}).applicants
    assert set(one.loc[one["chosen"], "applicant"]) == set(other.loc[other["chosen"], "applicant"])


def test_applicants_of_no_track_and_populations_of_nobody_are_refused(tmp_path):
    frame = applicants()
    frame.loc[0, "tier"] = "乡"
    with pytest.raises(InputError, match="不属于任何一条名额: a00"):
        select(WENZHOU, frame, scores_of(frame), lists={"diseases": DISEASES})
    path = tmp_path / "s.yaml"
    path.write_text(SHIPPED.read_text("utf-8").replace("inhabitants: 500000", "inhabitants: 0"), encoding="utf-8")
    with pytest.raises(ParameterError, match=r"s\.yaml:\d+"):
        read_selection(path)


def test_columns_that_decide_between_equal_scores_must_be_there_and_be_numbers():
    frame = applicants()
    with pytest.raises(InputError, match="缺少列 cases（同分时据以定先后）"):
        select(WENZHOU, frame.drop(columns="cases"), scores_of(frame), lists={"diseases": DISEASES})
    with pytest.raises(InputError, match="列 cases 有 1 格不是数"):
        select(
            WENZHOU, frame.assign(cases=["很多", *frame["cases"][1:]]), scores_of(frame), lists={"diseases": DISEASES}
        )


def test_rules_that_cannot_hold_together_are_named():
    given = json.loads(WENZHOU.model_dump_json(exclude_none=True))
    given["tracks"][0]["quota"]["limits"] = [
        {"id": "floor", "title": "9号医院至少1个", "column": "hospital", "value": "9", "at_least": 1}
    ]
    frame = applicants()
    with pytest.raises(ParameterError, match="9号医院至少1个"):
        select(Selection.model_validate(given), frame, scores_of(frame), lists={"diseases": DISEASES})


def test_the_command_writes_results_eligibility_and_rules_and_enters_the_ledger(tmp_path):
    applicants().to_csv(tmp_path / "a.csv", index=False, encoding="utf-8-sig")
    DISEASES.to_csv(tmp_path / "d.csv", index=False)
    arguments = ["select", str(SHIPPED), "--applicants", str(tmp_path / "a.csv"), "--out", str(tmp_path / "o.xlsx")]
    arguments += ["--list", f"diseases={tmp_path / 'd.csv'}", "--ledger", str(tmp_path / "l.sqlite"), "--who", "示例"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "入选" in done.output
    sheets = pd.read_excel(tmp_path / "o.xlsx", sheet_name=None, engine="calamine")
    assert set(sheets) == {"结果", "资格", "规则"}
    assert len(sheets["资格"]) == 16 * 5
    shown = CliRunner().invoke(app, ["ledger", "show", str(tmp_path / "l.sqlite"), "--json"], catch_exceptions=False)
    [entry] = json.loads(shown.output)["entries"]
    chosen = sheets["结果"].loc[sheets["结果"]["chosen"].astype(str).isin(["True", "1"]), "applicant"]
    assert entry["content"]["chosen"] == sorted(chosen)


def test_scores_come_from_a_system_where_one_is_given(tmp_path):
    frame = applicants().drop(columns="score").assign(beds=[str(k) for k in range(16)])
    (tmp_path / "s.yaml").write_text(
        "id: s\ntitle: 示例\nsource: 示例\nstanding: 示例\nunit: applicant\ngroups:\n"
        "  - {id: g, title: 组, items: [{id: beds, source: given, score: {rule: rank}}]}\n",
        encoding="utf-8",
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    DISEASES.to_csv(tmp_path / "d.csv", index=False)
    arguments = ["select", str(SHIPPED), "--applicants", str(tmp_path / "a.csv"), "--out", str(tmp_path / "o.csv")]
    arguments += ["--list", f"diseases={tmp_path / 'd.csv'}", "--system", str(tmp_path / "s.yaml"), "--draws", "10"]
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    rows = pd.DataFrame(json.loads(done.output)["applicants"]).set_index("applicant")
    assert rows.loc["a15", "score"] == 100  # most beds of all
    assert rows.loc["a00", "score"] == 0
    assert rows["chance"].isin([0, 1]).all()  # one item, no error: nothing to doubt
