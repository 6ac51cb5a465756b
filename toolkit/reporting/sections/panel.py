"""专家评分: how far the experts agree, who stands apart, what they gave."""

from __future__ import annotations

import pandas as pd

from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Blocks
from toolkit.reporting.content.tables import Column, count, decimal, p_value, table, text
from toolkit.reporting.figures import programme as drawn
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.programme import named, worded

# Shrout and Fleiss: of one expert's score and of the mean of several, where each project has its own experts or all the same
KINDS = {
    "ICC(1,1)": "一名专家评分的一致性（各项目专家不同）",
    "ICC(1,k)": "多名专家平均分的一致性（各项目专家不同）",
    "ICC(2,1)": "一名专家评分的一致性（全体专家评全部项目）",
    "ICC(2,k)": "多名专家平均分的一致性（全体专家评全部项目）",
    "ICC(3,1)": "一名专家评分的一致性（不计专家松严）",
    "ICC(3,k)": "多名专家平均分的一致性（不计专家松严）",
}


def agreement(cycle: OpenedCycle) -> Blocks:
    """How far the panel agrees, item by item."""
    frame = cycle.tables["agreement"]
    said = "组内相关系数（ICC）越近 1，专家对项目的区分越一致；低于 0.5 的指标，得分主要取决于由谁来评。"
    said += "、".join(f"{kind} 为{KINDS.get(kind, kind)}" for kind in dict.fromkeys(frame["kind"].dropna())) + "。"
    concordance = [
        Column(name="w", label="协调系数 W", format=decimal(2)),
        Column(name="w_p", label="P", format=p_value),
    ]
    return Blocks(
        *chapter("一致性", said),
        drawn.agreement(frame, id="agreement-figure", caption="各项指标的一致性，竖线为 0.5"),
        table(
            worded(frame, "kind"),
            [
                Column(name="title", label="指标", format=text),
                Column(name="applicants", label="项目", format=count),
                Column(name="experts", label="专家", format=count),
                Column(name="kind", label="系数", format=text),
                Column(name="icc", label="ICC", format=decimal(2)),
                Column(name="low", label="下限", format=decimal(2)),
                Column(name="high", label="上限", format=decimal(2)),
                *(concordance if frame["w"].notna().any() else []),
            ],
            id="agreement",
            caption="各项指标的一致性",
        ),
    )


def standing(cycle: OpenedCycle) -> Blocks:
    """Experts who score apart from the others."""
    return Blocks(
        *chapter(
            "专家的松严", "与同一项目其他专家均分之差；标出的专家不自动剔除，由规则（去掉最高最低分）和专家组处理。"
        ),
        drawn.experts(
            cycle.tables["standing"], id="standing-figure", caption="各位专家的松严", note="▼ 偏离过大，须专家组核对。"
        ),
        table(
            worded(cycle.tables["standing"], "outlying"),
            [
                Column(name="expert", label="专家", format=text),
                Column(name="scores", label="评分数", format=count),
                Column(name="above", label="高于他人（分）", format=decimal(2)),
                Column(name="correlation", label="与他人的相关", format=decimal(2)),
                Column(name="apart", label="偏离（稳健标准差）", format=decimal(1)),
                Column(name="outlying", label="偏离过大", format=text),
            ],
            id="standing",
            caption="各位专家",
        ),
    )


def disagreement(cycle: OpenedCycle) -> Blocks:
    """Questions on which the experts disagree."""
    frame = cycle.tables["disagreement"]
    apart = named(cycle, frame[frame["disagree"].astype(bool)], "applicant")
    said = f"按 RAND/UCLA 的分歧指标（IPRAS），{len(frame)} 个问题中有 {len(apart)} 个存在分歧"
    if apart.empty:
        return Blocks(*chapter("分歧", f"{said}。"))
    said += "，须专家组讨论。"
    return Blocks(
        *chapter("分歧", said),
        table(
            apart,
            [
                Column(name="name", label="申报项目", format=text),
                Column(name="title", label="指标", format=text),
                Column(name="median", label="中位数", format=decimal(1)),
                Column(name="width", label="P30–P70 宽度", format=decimal(1)),
                Column(name="allowed", label="允许宽度", format=decimal(1)),
            ],
            id="disagreement",
            caption="存在分歧的问题（宽度按 1–9 分的量表）",
        ),
    )


def panel_scores(cycle: OpenedCycle) -> Blocks:
    """The panel's score of every project: mean of its items."""
    frame = cycle.tables["panel_scores"]
    by = frame.groupby("applicant")
    made = pd.DataFrame(
        {
            "items": by["value"].count(),
            "experts": by["experts"].min(),
            "lowest": by["value"].min(),
            "highest": by["value"].max(),
        }
    ).reset_index()
    return Blocks(
        *chapter("各项目的专家分", "每项去掉一个最高分和一个最低分；人数不足的不作数，计为没有分。"),
        table(
            named(cycle, made, "applicant"),
            [
                Column(name="name", label="申报项目", format=text),
                Column(name="items", label="有分的指标", format=count),
                Column(name="experts", label="最少专家", format=count),
                Column(name="lowest", label="最低的一项", format=decimal(2)),
                Column(name="highest", label="最高的一项", format=decimal(2)),
            ],
            id="panel-scores",
            caption="专家评分",
        ),
    )
