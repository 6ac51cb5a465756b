"""专家组: published agreement figures, assignments that keep every rule, sheets whose faults are told at once. 合成数据."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xlsxwriter
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError, ParameterError
from toolkit.programme.agreement import icc, ipras, kendall_w, standing_of_experts
from toolkit.programme.delphi import delphi
from toolkit.programme.panel import (
    Aggregate,
    agreement,
    asked_of,
    assign,
    combined,
    conflicts,
    loads,
    one_of,
    read_panel_rule,
    with_panel,
)
from toolkit.programme.score_sheets import ABOUT, SCORES, read_sheets, write_sheets
from toolkit.programme.systems import read_system
from toolkit.programme.tables import read_values

RULE = read_panel_rule()
SYSTEM = read_system(Path(__file__).parents[3] / "params" / "systems" / "wenzhou-25.yaml")
# Shrout and Fleiss (1979), table 2: six targets, four judges
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


@pytest.mark.parametrize(
    ("kind", "value", "low", "high"),
    [
        ("1,1", 0.17, -0.13, 0.72),
        ("2,1", 0.29, 0.02, 0.76),
        ("3,1", 0.71, 0.34, 0.95),
        ("1,k", 0.44, -0.88, 0.91),
        ("2,k", 0.62, 0.07, 0.93),
        ("3,k", 0.91, 0.68, 0.99),
    ],
)
def test_intraclass_correlations_of_shrout_and_fleiss(kind, value, low, high):
    # values: Shrout and Fleiss, table 4; limits: as R's psych::ICC documents them for the same table
    [one] = [one for one in icc(SHROUT) if one.kind == kind]
    assert (round(one.value, 2), round(one.low, 2), round(one.high, 2)) == (value, low, high)


@pytest.mark.parametrize("seed", range(40))
def test_limits_hold_their_coefficient_or_are_not_told_where_experts_agree_on_nothing(seed):
    rng = np.random.default_rng(seed)
    n, k = [(4, 3), (3, 4), (2, 3), (6, 2)][seed % 4]
    table = rng.normal(size=(n, k)) + rng.normal(size=k)
    found = {one.kind: one for one in icc(table)}
    for one in found.values():
        assert np.isnan(one.low) == np.isnan(one.high)
        assert np.isnan(one.low) or one.low <= one.value <= one.high <= 1
    # Shrout and Fleiss, ICC(2,k) of mean squares: (BMS - EMS) / (BMS + (JMS - EMS) / n); told where its scale is positive
    rows, columns, grand = table.mean(1), table.mean(0), table.mean()
    bms, jms = k * rows.var(ddof=1), n * columns.var(ddof=1)
    ems = ((table - rows[:, None] - columns + grand) ** 2).sum() / (n - 1) / (k - 1)
    scale = bms + (jms - ems) / n
    assert found["2,k"].value == pytest.approx((bms - ems) / scale) if scale > 0 else np.isnan(found["2,k"].value)


def test_incomplete_tables_have_the_one_way_kinds_only():
    some = SHROUT.copy()
    some[0, 0] = np.nan
    assert [one.kind for one in icc(some)] == ["1,1", "1,k"]
    assert icc(SHROUT[:1]) == []


@pytest.mark.parametrize("seed", range(3))
def test_kendall_w_is_friedmans_statistic_over_its_largest(seed):
    ratings = np.random.default_rng(seed).integers(1, 6, (9, 5)).astype(float)  # with ties
    found = kendall_w(ratings)
    friedman = scipy.stats.friedmanchisquare(*ratings)  # rows are treatments, each over five blocks
    assert found.w == pytest.approx(friedman.statistic / (5 * (9 - 1)))
    assert found.p_value == pytest.approx(friedman.pvalue)
    assert kendall_w(np.column_stack([np.arange(6.0)] * 4)).w == 1
    assert np.isnan(kendall_w(np.where(ratings == 1, np.nan, ratings)).w)


def test_ipras_of_the_published_example():
    # n 15, median 7, P30 7, P70 8: IPR 1.0, IPRCP 7.5, asymmetry 2.5, IPRAS 2.35 + 1.5 · 2.5 = 6.1
    ratings = np.array([5, 6, 6, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 9, 9], dtype=float)
    found = ipras(ratings)
    assert (found.n, found.median, found.p30, found.p70, found.width) == (15, 7, 7, 8, 1.0)
    assert found.allowed == pytest.approx(6.1)
    assert not found.disagree
    split = ipras(np.array([1.0, 1, 1, 1, 1, 9, 9, 9, 9, 9]))
    assert split.width == 8
    assert split.disagree  # 8 > 2.35
    # another scale is carried to 1–9: 0 → 1, 10 → 9
    assert ipras(np.array([0.0, 5, 10]), 0, 10).median == 5


@pytest.mark.parametrize(
    ("rule", "scores", "one"),
    [
        ("mean", [6, 7, 8, 9, 0], 6.0),
        ("trimmed", [6, 7, 8, 9, 0], 7.0),  # without 0 and 9
        ("trimmed", [6, 8], 7.0),  # too few to cut
        ("median", [6, 7, 8, 9, 0], 7.0),
    ],
)
def test_one_score_of_many(rule, scores, one):
    assert one_of(Aggregate(rule=rule), np.array(scores, dtype=float)) == one


def test_too_few_experts_give_no_score_and_the_error_is_that_of_the_mean():
    rows = pd.DataFrame(
        [
            ("e1", "a", "x", 6.0),
            ("e2", "a", "x", 8.0),
            ("e3", "a", "x", 7.0),
            ("e1", "b", "x", 5.0),
            ("e2", "b", "x", 9.0),
        ],
        columns=["expert", "applicant", "item", "score"],
    )
    found = combined(RULE, rows).set_index("applicant")
    assert found.loc["a", "value"] == 7.0
    assert found.loc["a", "se"] == pytest.approx(1 / 3**0.5)  # deviation 1, three experts
    assert pd.isna(found.loc["b", "value"])
    assert found.loc["b", "experts"] == 2


def test_an_expert_who_scores_apart_is_shown():
    rng = np.random.default_rng(0)
    true = rng.uniform(4, 8, 12)
    rows = [
        (f"e{e}", f"a{a}", "x", true[a] + rng.normal(0, 0.3) + (3 if e == 6 else 0))
        for e in range(7)
        for a in range(12)
    ]
    found = standing_of_experts(pd.DataFrame(rows, columns=["expert", "applicant", "item", "score"]), 2.5)
    found = found.set_index("expert")
    assert found["outlying"].tolist() == [False] * 6 + [True]
    assert found.loc["e6", "above"] == pytest.approx(3, abs=0.3)
    assert (found["correlation"] > 0.8).all()


# --- assignment -------------------------------------------------------------------------------------------------------

EXPERTS = pd.DataFrame(
    {"expert": [f"e{k}" for k in range(8)], "hospital": list("AABBCCDD"), "conflicts": ["p1", "", "C；p2", *[""] * 5]}
)
PROJECTS = pd.DataFrame({"applicant": [f"p{k}" for k in range(10)], "hospital": list("AAABBBCCCC")})


def test_every_project_gets_its_experts_none_against_a_conflict_and_loads_are_even():
    made = assign(RULE, EXPERTS, PROJECTS, seed=3)
    assert (made.groupby("applicant").size() == 5).all()
    forbidden = {
        (e, a)
        for e, row in zip(EXPERTS["expert"], conflicts(RULE, EXPERTS, PROJECTS, "applicant"), strict=True)
        for a, no in zip(PROJECTS["applicant"], row, strict=True)
        if no
    }
    assert {("e0", "p0"), ("e0", "p1"), ("e2", "p6"), ("e2", "p2"), ("e2", "p3")} <= forbidden
    assert ("e6", "p0") not in forbidden
    assert not forbidden & set(zip(made["expert"], made["applicant"], strict=True))
    assert not made.duplicated(["expert", "applicant"]).any()
    assert sorted(made["code"].unique()) == [f"P{k:02d}" for k in range(1, 11)]
    # e2 may score p0 and p1 only (hospitals B, C, p2 and p3 are barred), e4 and e5 not the four of C: 2, 6, 6;
    # the 36 that are left fall on five experts
    assert sorted(loads(made).values()) == [2, 6, 6, 7, 7, 7, 7, 8]


def test_the_seed_decides_and_nothing_else():
    one, same, other = (assign(RULE, EXPERTS, PROJECTS, seed=s) for s in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_too_few_experts_are_named_with_their_projects():
    with pytest.raises(ParameterError, match=r"不足 5 名: p0、p1、p2"):
        assign(RULE, EXPERTS[EXPERTS["hospital"].isin(["A", "B", "C"])].assign(conflicts=""), PROJECTS)
    with pytest.raises(ParameterError, match="合计不足"):
        assign(RULE, EXPERTS.assign(most="4"), PROJECTS)


# --- sheets -----------------------------------------------------------------------------------------------------------


def filled(
    sheet: Path, path: Path, scores: dict[tuple[str, str], object], away: tuple[str, ...] = (), word: str = "是"
) -> Path:
    about, rows = read_values(sheet, ABOUT), read_values(sheet, SCORES)
    for (code, item), score in scores.items():
        rows.loc[(rows["项目代号"] == code) & (rows["编号"] == item), "分值"] = str(score)
    about.loc[about["项目代号"].isin(away), "回避"] = word
    with xlsxwriter.Workbook(str(path)) as book:
        for name, frame in ((ABOUT, about), (SCORES, rows)):
            page = book.add_worksheet(name)
            for column, header in enumerate(frame):
                page.write_column(0, column, [header, *frame[header]])
    return path


@pytest.fixture
def sheets(tmp_path) -> tuple[pd.DataFrame, dict[str, Path]]:
    made = assign(RULE, EXPERTS, PROJECTS, seed=3)
    (tmp_path / "back").mkdir()
    return made, {path.stem: path for path in write_sheets(SYSTEM, made, tmp_path / "out")}


def test_sheets_are_blind_and_ask_every_rated_item_of_every_assigned_project(sheets):
    made, paths = sheets
    for expert, path in paths.items():
        rows = read_values(path, SCORES)
        own = made[made["expert"] == expert]
        assert len(rows) == len(own) * len(asked_of(SYSTEM))
        assert set(rows["项目代号"]) == set(own["code"])
        everything = " ".join(rows.astype(str).to_numpy().ravel())
        assert not any(a in everything.split() for a in PROJECTS["applicant"])


def test_scores_come_back_by_applicant_and_take_the_place_of_what_was_given(sheets, tmp_path):
    made, paths = sheets
    files = []
    for expert, path in paths.items():
        own = made[made["expert"] == expert]
        scores = {(code, "organisation"): 6 + int(expert[1]) % 3 for code in own["code"]}
        files.append(filled(path, tmp_path / "back" / path.name, scores))
    scores = read_sheets(SYSTEM, made, files)
    assert len(scores) == 50
    found = combined(RULE, scores)
    p0 = made[made["applicant"] == "p0"]
    given = sorted(6 + int(e[1]) % 3 for e in p0["expert"])
    value = found.set_index(["applicant", "item"]).loc[("p0", "organisation"), "value"]
    assert value == pytest.approx(sum(given[1:-1]) / 3)
    table = pd.DataFrame({"applicant": ["p0", "p99"], "organisation": [1.0, 1.0]})
    after = with_panel(SYSTEM, table, found).set_index("applicant")
    assert after.loc["p0", "organisation"] == value
    assert pd.isna(after.loc["p99", "organisation"])  # no panel, no score
    told = agreement(SYSTEM, scores, RULE)
    assert set(told["items"]["item"]) == {"organisation", "all"}
    assert len(told["questions"]) == 10


def test_every_fault_of_every_sheet_is_told_at_once(sheets, tmp_path):
    made, paths = sheets
    first, second = made.loc[made["expert"] == "e0", "code"].iloc[:2]
    bad = filled(
        paths["e0"], tmp_path / "back" / "e0.xlsx", {(first, "organisation"): 11, (second, "funds"): 5}, away=(second,)
    )
    stranger = tmp_path / "back" / "e99.xlsx"
    stranger.write_bytes(bad.read_bytes())
    again = tmp_path / "e0.xlsx"
    again.write_bytes(bad.read_bytes())
    with pytest.raises(InputError) as caught:
        read_sheets(SYSTEM, made, [bad, stranger, again])
    said = str(caught.value)
    for problem in ("超出取值", "声明回避的项目有分值", "没有分派给这名专家", "两份评分表"):
        assert problem in said
    assert "共 4 处问题" in said


def test_a_copy_under_another_experts_name_is_no_second_expert(sheets, tmp_path):
    made, paths = sheets
    mine = made.loc[made["expert"] == "e0", "code"].iloc[0]
    copy = filled(paths["e0"], tmp_path / "back" / "e1.xlsx", {(mine, "organisation"): 7})
    with pytest.raises(InputError, match=r"与文件名不符[\s\S]*e1\.xlsx 声明 D2"):
        read_sheets(SYSTEM, made, [copy])


def test_a_question_scored_twice_and_anothers_project_are_refused(sheets, tmp_path):
    made, paths = sheets
    mine = made.loc[made["expert"] == "e0", "code"].iloc[0]
    foreign = next(c for c in made["code"] if c not in set(made.loc[made["expert"] == "e0", "code"]))
    rows = read_values(paths["e0"], SCORES)
    line = rows[(rows["项目代号"] == mine) & (rows["编号"] == "organisation")].assign(分值="7")
    rows = pd.concat([line, line, line.assign(项目代号=foreign)])
    path = tmp_path / "e0.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        for name, frame in ((ABOUT, read_values(paths["e0"], ABOUT)), (SCORES, rows)):
            page = book.add_worksheet(name)
            for column, header in enumerate(frame):
                page.write_column(0, column, [header, *frame[header]])
    with pytest.raises(InputError, match=r"评了两次[\s\S]*不是分派给本人"):
        read_sheets(SYSTEM, made, [path])


def test_a_withdrawal_in_another_word_is_asked_about_never_read_as_none(sheets, tmp_path):
    made, paths = sheets
    mine = made.loc[made["expert"] == "e0", "code"].iloc[0]
    path = filled(paths["e0"], tmp_path / "back" / "e0.xlsx", {(mine, "organisation"): 7}, (mine,), word="√")
    with pytest.raises(InputError, match=r"回避一栏看不懂[\s\S]*e0\.xlsx"):
        read_sheets(SYSTEM, made, [path])
    none = filled(paths["e0"], tmp_path / "back" / "e0.xlsx", {(mine, "organisation"): 7}, (mine,), word="否")
    assert read_sheets(SYSTEM, made, [none])["score"].tolist() == [7]


def test_delphi_rounds_by_hand():
    rows = [
        (r, e, i, x, 0.8, 0.6)
        for r, table in ((1, [[9, 5, 1], [5, 9, 1], [9, 1, 5]]), (2, [[9, 5, 1]] * 3))
        for e, answers in zip("xyz", table, strict=True)
        for i, x in zip("abc", answers, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["round", "expert", "item", "rating", "ca", "cs"])
    items, rounds = delphi(frame, 1, 9)
    # ranks of a: 3, 2, 3 = 8; b: 2, 3, 1 = 6; c: 1, 1, 2 = 4; S = 4 + 0 + 4 = 8; W = 12 · 8 / (9 · 24)
    assert rounds["w"].tolist() == pytest.approx([12 * 8 / (9 * 24), 1.0])
    assert rounds["cr"].tolist() == pytest.approx([0.7, 0.7])
    one = items.set_index(["round", "item"]).loc[(1, "a")]
    assert one["mean"] == pytest.approx(23 / 3)
    assert one["cv"] == pytest.approx(np.std([9, 5, 9], ddof=1) / (23 / 3))
    assert not items.loc[items["round"] == 2, "disagree"].any()


def test_the_commands_go_the_whole_way(tmp_path):
    run = CliRunner()
    EXPERTS.to_csv(tmp_path / "e.csv", index=False)
    PROJECTS.to_csv(tmp_path / "a.csv", index=False)
    system = str(Path(__file__).parents[3] / "params" / "systems" / "wenzhou-25.yaml")
    assigned = str(tmp_path / "assigned.csv")

    def speceval(*arguments: str) -> str:
        done = run.invoke(app, ["panel", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    speceval("assign", str(tmp_path / "e.csv"), "--applicants", str(tmp_path / "a.csv"), "--out", assigned)
    speceval("sheets", "--system", system, "--assigned", assigned, "--out", str(tmp_path / "out"))
    (tmp_path / "back").mkdir()
    made = pd.read_csv(assigned, dtype=str)
    files = []
    for path in sorted((tmp_path / "out").iterdir()):
        codes = made.loc[made["expert"] == path.stem, "code"]
        scores = {(c, "funds"): 5 + int(c[1:]) % 4 for c in codes}
        files.append(str(filled(path, tmp_path / "back" / path.name, scores)))
    out = str(tmp_path / "scores.xlsx")
    said = speceval("read", *files, "--system", system, "--assigned", assigned, "--out", out)
    assert "资金管理制度: ICC(1,k) 1.00" in said  # every expert gave a project the same
    assert set(pd.read_excel(out, sheet_name=None, engine="calamine")) == {"汇总", "一致性", "分歧", "专家", "评分"}
