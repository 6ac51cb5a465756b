"""遴选: who is eligible, who is chosen, why the others are not, how sure that is."""

from __future__ import annotations

import pandas as pd

from toolkit.frames import groups_of, rows_of
from toolkit.programme.allocation import TOTAL
from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Blocks, Note
from toolkit.reporting.content.tables import Column, count, decimal, percent, table, text
from toolkit.reporting.figures import programme as drawn
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
    others = others.assign(why=_reasons(cycle, others["why"]))
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
    """The rules that matter, and what each costs; the others are counted."""
    frame, titles = cycle.tables["rules"], _titles(cycle)
    matters = frame["binding"].astype(bool) | (frame["price"] > 0) | (frame["rule"] == TOTAL)
    shown = frame[matters].assign(title=frame["title"].map(titles).fillna(frame["title"]))
    shown = shown.replace({"low": {-float("inf"): float("nan")}, "high": {float("inf"): float("nan")}})
    said = (
        "代价是去掉这一条后总分能增加多少，多入选是能多占的名额；代价为 0 的规则没有改变结果。"
        f"另有 {int((~matters).sum())} 条规则没有碰到上限或下限，不列。份额的用量是超出份额的个数，负数为未到。"
    )
    return Blocks(
        *chapter("规则与其代价", said),
        table(
            worded(shown, "binding"),
            [
                Column(name="track", label="名额", format=text),
                Column(name="title", label="规则", format=text),
                Column(name="used", label="用到", format=decimal(1)),
                Column(name="low", label="下限", format=decimal(1)),
                Column(name="high", label="上限", format=decimal(1)),
                Column(name="binding", label="到限", format=text),
                Column(name="more", label="多入选", format=count),
                Column(name="price", label="代价（分）", format=decimal(2)),
            ],
            id="rules",
            caption="各条规则",
        ),
    )


def _titles(cycle: OpenedCycle) -> dict[str, str]:
    """Title of each rule that holds value by value → the same with the name of its hospital or specialty."""
    results = cycle.results
    names = dict(zip(results.hospitals["code"].astype(str), results.hospitals["name"].astype(str), strict=True))
    names |= {one.id: one.name_zh for one in results.params.specialties}
    found = {}
    for one in rows_of(cycle.tables["rules"]):
        value = one.rule.partition(":")[2]
        if value in names:
            found[one.title] = one.title.replace(f"（{value}）", f"（{names[value]}）")
    return found


def _reasons(cycle: OpenedCycle, why: pd.Series) -> list[str]:
    """Why applicants were not chosen, with names in place of ids."""
    titles = _titles(cycle)
    return ["；".join(titles.get(part, part) for part in said.split("；")) for said in why]


def ranks(cycle: OpenedCycle) -> Blocks:
    """Ranks, never without their limits."""
    selected = cycle.tables["selected"].drop(columns="place", errors="ignore")
    both = named(cycle, selected.merge(cycle.tables["ranks"], left_on="applicant", right_on="unit"), "applicant")
    figures = [
        drawn.ranks(own, id=f"ranks-{k}", caption=f"{track}：名次的范围与入选概率")
        for k, (track, own) in enumerate(groups_of(both.groupby("track", sort=False)), start=1)
    ]
    frame = both.sort_values(["track", "median_rank", "applicant"], ascending=[False, True, True])
    return Blocks(
        *chapter(
            "名次的把握",
            "名次只在误差之内有意义：指标误差、专家评分误差、权重和计分办法反复抽取，名次是同类项目之中的；图列各名额的前列。",
        ),
        *figures,
        table(
            frame,
            [
                Column(name="track", label="名额", format=text),
                Column(name="name", label="申报项目", format=text),
                Column(name="median_rank", label="名次中位数", format=count),
                Column(name="rank_low", label="最好", format=count),
                Column(name="rank_high", label="最差", format=count),
                Column(name="chance", label="入选概率", format=percent(0)),
            ],
            id="ranks",
            caption="名次及其 95% 范围（同类项目之中）",
        ),
    )


def influence(cycle: OpenedCycle) -> Blocks:
    """Which input moves ranks and choice most."""
    frame = cycle.tables["influence"]
    shown = [
        Column(name="of_zh", label="结果", format=text),
        Column(name="input_zh", label="输入", format=text),
        Column(name="first", label="单独", format=percent(0)),
        Column(name="first_low", label="下限", format=percent(0)),
        Column(name="first_high", label="上限", format=percent(0)),
        Column(name="total", label="共同", format=percent(0)),
        Column(name="total_low", label="下限", format=percent(0)),
        Column(name="total_high", label="上限", format=percent(0)),
    ]
    titles = {"chosen": "谁入选", "ranks": "名次"}
    rows = pd.concat([frame[frame["of"] == of].assign(of_zh=zh) for of, zh in titles.items()])
    chosen = rows[(rows["of"] == "chosen") & rows["total"].notna()].sort_values("total", ascending=False)
    lead = "同一次遴选换一个输入重抽，结果变了多少：单独是这个输入自己的份额，共同还含它与其他输入一起的作用。"
    if len(chosen):
        lead += f"谁入选受{chosen['input_zh'].iloc[0]}影响最大（{chosen['total'].iloc[0]:.0%}）。"
    return Blocks(
        *chapter("结果最受什么影响", lead),
        *(
            drawn.influence(rows[rows["of"] == of], id=f"influence-{of}", caption=f"各输入占{zh}变动的份额")
            for of, zh in titles.items()
        ),
        table(rows, shown, id="influence", caption="各输入的份额及其 95% 区间"),
        Note(
            text="没有给出的输入不等于没有影响；份额合计可以超过 100%，因为共同作用在每个输入中各算一次。", tone="info"
        ),
    )
