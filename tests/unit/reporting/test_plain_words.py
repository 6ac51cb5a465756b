"""Sentences of the report: what they say follows from the interval, never more."""

from __future__ import annotations

import math

import pytest

from toolkit.models.change import RECOMMENDED
from toolkit.params import DisclosurePolicy
from toolkit.release.disclosure import released
from toolkit.reporting.content import plain_words as words
from toolkit.reporting.sections.change import projects
from toolkit.runs import golden

from . import samples

# terms of statistics that a panel need not know; the annex uses them
JARGON = (
    "Newey",
    "mid-P",
    "自由度",
    "双重差分",
    "安慰剂",
    "聚类",
    "标准误",
    "对数",
    "泊松",
    "负二项",
    "伽马",
    "p =",
    "φ",
    "τ",
)


def change(verdict="undecided", **more):
    given = {
        "indicator": "cost_index",
        "verdict": verdict,
        "reason": "wide",
        "reason_zh": "区间过宽",
        "boundary": False,
        "judged_by": RECOMMENDED,
        "robust": False,
        "answers": 8,
        "share": 0.625,
        "before": 0.928,
        "after": 0.866,
        "n_before": 1174,
        "n_after": 1314,
        "judged_estimate": 0.91,
        "judged_low": 0.85,
        "judged_high": 1.02,
        "p_improvement": 0.93,
        "p_meaningful": 0.7,
    }
    return given | more


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(0.92, "低 8%"), (1.84, "高 84%"), (1.004, "持平"), (2.5, "高 150%"), (math.inf, "无上限"), (math.nan, "—")],
)
def test_a_ratio_is_said_as_above_or_below(ratio, said):
    assert words.higher_or_lower(ratio) == said


def test_an_undecided_change_gives_both_ends_of_its_interval_and_how_sure():
    head, rest = words.finding(change(), 6, 0.05)
    assert head == "费用消耗指数·定基（越低越好）：不能判定。"
    assert "建设前 → 建设周期 0.928 → 0.866" in rest
    assert "与未立项的 6 个同类单元同期变化相比，低 9%，真实差别多半在低 15% 到高 2% 之间（95% 区间）" in rest
    assert "有 93% 的把握是改善，70% 的把握改善不小于 5%" in rest
    assert "8 个不同的数值，其中 5 个同样不能判定" in rest  # 0.625 × 8


def test_a_ratio_that_the_baseline_moved_says_so_and_one_that_it_did_not_does_not():
    _head, moved = words.finding(change(judged_step_comparison=0.95), 6, 0.05)
    _head, still = words.finding(change(judged_step_comparison=0.9101), 6, 0.05)
    assert "同期变化相比，并扣除基线自行回落，低 9%" in moved
    assert "回落" not in still


def test_more_cases_are_promised_only_where_drawing_cases_is_what_makes_the_interval_wide():
    of_cases = change(low=0.86, high=1.01, judged_low=0.85, judged_high=1.02)
    of_units = change(low=0.86, high=1.01, judged_low=0.53, judged_high=1.24)
    assert words.what_would_narrow(of_cases) == "例数增加，才可能判定更小的变化"
    assert "所能缩小的有限" in words.what_would_narrow(of_units)


def test_only_a_verdict_that_says_something_is_called_firm():
    _head, undecided = words.finding(change(robust=True, share=1.0), 6, 0.05)
    _head, improved = words.finding(change("improved", robust=True, share=1.0), 6, 0.05)
    assert "稳固" not in undecided
    assert "其中 8 个判定相同：结论稳固" in improved


def test_a_change_held_back_for_a_break_is_given_no_size_and_no_certainty():
    _head, rest = words.finding(change(reason="data_break", reason_zh="数据断点，须核实"), 6, 0.05)
    assert "把握都不作数" in rest
    assert "%" not in rest


def test_a_change_that_is_not_judged_says_why_and_nothing_else():
    assert words.finding(change("not_judged", reason_zh="例数不足"), 6, 0.05)[1] == "例数不足。"


def test_an_interval_without_upper_limit_is_not_given_one():
    _head, rest = words.finding(change(judged_high=math.inf), 6, 0.05)
    assert "低 15% 以上，上限不知" in rest


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["improved", "undecided"], "主要指标有改善，没有一项被判为变差。"),
        (["improved", "worse"], "主要指标有改善，也有变差。"),
        (["worse", "stable"], "主要指标有变差，没有一项被判为改善。"),
        (["stable", "not_judged", "undecided"], "没有主要指标被判为改善或变差：现有数据还不足以分辨。"),
        (["stable", "stable"], "各项主要指标基本持平。"),
        (["not_judged", "not_judged"], "各项主要指标都不能评价。"),
    ],
)
def test_the_headline_follows_from_the_verdicts(verdicts, said):
    assert words.headline([change(v) for v in verdicts]) == said


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        (["wide"], "现有数据还不足以分辨。"),
        (["data_break"], "有的数据须先核实。"),
        (["in_progress"], "建设周期还没有结束。"),
        (["wide", "data_break"], "现有数据还不足以分辨，有的数据须先核实。"),
    ],
)
def test_the_headline_says_what_keeps_undecided_changes_from_a_verdict(reasons, said):
    assert words.headline([change(reason=r) for r in reasons]).endswith(said)


def test_a_method_without_comparison_units_is_not_said_to_compare():
    _head, rest = words.finding(change(judged_by="segmented"), 0, 0.05)
    assert "未立项" not in rest
    assert "按附件所列的方法估计，低 9%" in rest


def test_a_boundary_verdict_is_told_in_the_headline():
    assert "须现场核实" in words.headline([change("improved", boundary=True)])


def test_a_change_judged_by_the_unit_itself_is_compared_with_itself():
    _head, rest = words.finding(change(judged_by="two_period_ratio"), 0, 0.05)
    assert "与自身建设前相比" in rest


def test_what_an_edition_does_not_give_is_neither_counted_as_nought_nor_called_absent():
    _head, rest = words.finding(change(answers=math.nan, share=math.nan), 0, 0.05)
    assert "与未立项的同类单元同期变化相比，低 9%" in rest
    assert "政策选择" not in rest
    results = released(golden(), DisclosurePolicy())
    for project in projects(results)["id"]:
        said = "".join(b.plain() for section in samples.REPORT for b in section(results, project) if b.kind != "figure")
        assert "与自身建设前相比" not in said
        assert "隔离待核实" not in said


@pytest.fixture(scope="module")
def reports():
    results = golden()
    return {p: [b for section in samples.REPORT for b in section(results, p)] for p in projects(results)["id"]}


def test_the_report_of_no_project_holds_a_term_of_statistics(reports):
    for blocks in reports.values():
        text = "\n".join(b.plain() for b in blocks if b.kind != "figure")
        assert not [term for term in JARGON if term in text]


def test_the_first_words_of_every_report_are_its_finding(reports):
    for blocks in reports.values():
        assert [b.kind for b in blocks[:3]] == ["title", "heading", "paragraph"]
        assert blocks[2].parts[0].strong


def test_numbers_of_both_bases_never_share_a_name(reports):
    for blocks in reports.values():
        for block in blocks:
            if block.kind != "figure" and "费用消耗指数" in (text := block.plain()):
                assert text.count("费用消耗指数") == text.count("费用消耗指数·定基") + text.count("费用消耗指数·当期")
