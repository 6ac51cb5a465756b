"""遴选: who is eligible, who is chosen, why the others are not, how sure that is."""

from __future__ import annotations

from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Blocks, Note
from toolkit.reporting.content.tables import Column, count, decimal, percent, table, text
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.programme import named, worded


def eligibility(cycle: OpenedCycle) -> Blocks:
    """How many fulfil each condition, and who does not fulfil which."""
    lines = cycle.tables["eligibility"]
    counts = lines.groupby(["check", "title", "clause"], sort=False, dropna=False)["holds"].agg(["sum", "count"])
    summary = counts.reset_index().assign(failed=lambda f: f["count"] - f["sum"])
    failed = named(cycle, lines[~lines["holds"].astype(bool)], "applicant")
    return Blocks(
        *chapter("申报条件", "每个申报项目逐条核对；未提供的按不符合计，写明“未提供”。"),
        table(
            worded(summary, "title", "clause"),
            [
                Column(name="title", label="条件", format=text),
                Column(name="clause", label="依据", format=text),
                Column(name="sum", label="符合", format=count),
                Column(name="failed", label="不符合", format=count),
            ],
            id="eligibility",
            caption="各条件的符合情况",
        ),
        table(
            worded(failed, "says"),
            [
                Column(name="name", label="申报项目", format=text),
                Column(name="title", label="条件", format=text),
                Column(name="says", label="所见", format=text),
            ],
            id="not-eligible",
            caption="不符合申报条件的项目",
        ),
    )


def selected(cycle: OpenedCycle) -> Blocks:
    """Who is chosen, and for everybody else which rule keeps it out."""
    frame = named(cycle, cycle.tables["selected"], "applicant")
    chosen = frame[frame["chosen"].astype(bool)]
    others = worded(frame[~frame["chosen"].astype(bool)], "why")
    shared = [
        Column(name="track", label="名额", format=text),
        Column(name="name", label="申报项目", format=text),
        Column(name="score", label="得分", format=decimal(2)),
        Column(name="place", label="名次", format=count),
        Column(name="chance", label="入选概率", format=percent(0)),
    ]
    return Blocks(
        *chapter(
            "遴选结果",
            "在全部规则之下总分最高的一组。入选概率由各项误差、专家评分误差和权重的疑义反复抽取，每次都按全部规则重选。",
        ),
        table(chosen, shared, id="chosen", caption="入选"),
        table(
            others,
            [
                *shared,
                Column(name="why", label="未入选的原因", format=text),
                Column(name="runner_up", label="递补次序", format=count),
            ],
            id="not-chosen",
            caption="未入选及其原因",
        ),
        Note(text="入选概率接近的项目，名次之差没有把握；递补次序是名额空出时依次补入的次序。", tone="info"),
    )


def rules(cycle: OpenedCycle) -> Blocks:
    """The rules, whether they bind, and what each costs."""
    frame = worded(cycle.tables["rules"], "binding")
    return Blocks(
        *chapter("规则与其代价", "代价是去掉这一条后总分能增加多少；为 0 的规则没有改变结果。"),
        table(
            frame.replace({"low": {-float("inf"): float("nan")}, "high": {float("inf"): float("nan")}}),
            [
                Column(name="track", label="名额", format=text),
                Column(name="title", label="规则", format=text),
                Column(name="used", label="用到", format=decimal(1)),
                Column(name="low", label="下限", format=decimal(1)),
                Column(name="high", label="上限", format=decimal(1)),
                Column(name="binding", label="起作用", format=text),
                Column(name="price", label="代价（分）", format=decimal(2)),
            ],
            id="rules",
            caption="各条规则",
        ),
    )


def ranks(cycle: OpenedCycle) -> Blocks:
    """Ranks, never without their limits."""
    frame = named(cycle, cycle.tables["ranks"].sort_values(["median_rank", "unit"]).head(20), "unit")
    return Blocks(
        *chapter("名次的把握", "名次只在误差之内有意义：下表是反复抽取所得名次的中位数与 95% 范围，列前 20 个。"),
        table(
            frame,
            [
                Column(name="name", label="申报项目", format=text),
                Column(name="median_rank", label="名次中位数", format=count),
                Column(name="rank_low", label="最好", format=count),
                Column(name="rank_high", label="最差", format=count),
                Column(name="among_first", label="在前列的概率", format=percent(0)),
            ],
            id="ranks",
            caption="名次及其范围（不分名额）",
        ),
    )
