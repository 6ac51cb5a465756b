"""遴选、专家评分、预演、期末评估: sections on the tables of a cycle. Nothing is computed here."""

from __future__ import annotations

import pandas as pd

from toolkit.frames import rows_of
from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph, Table, TableColumn
from toolkit.reporting.content.tables import Column, count, decimal, p_value, percent, table, text
from toolkit.reporting.sections import front

YES_NO = {True: "是", False: "否"}
SIGNERS = ("专家组组长", "专家组成员", "经办人", "卫生健康行政部门")


def _named(cycle: OpenedCycle, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """With the unit's name in place of its id."""
    units = cycle.results.units
    names = {u.id: cycle.results.unit_name(u.hospital, u.specialty) for u in rows_of(units)}
    return frame.assign(name=[names.get(id_, id_) for id_ in frame[column]])


def _words(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Empty text as nothing, truth values as words."""
    made = {}
    for column in columns:
        values = frame[column]
        made[column] = [YES_NO[bool(v)] for v in values] if values.dtype == bool else values.fillna("").astype(str)
    return frame.assign(**made)


def cover(cycle: OpenedCycle, title: str) -> Blocks:
    """Title, facts, and what must be said about the data."""
    return front.cover(cycle.results, title, cycle.results.params.title)


def signatures(cycle: OpenedCycle) -> Blocks:
    """The page that is signed."""
    columns = tuple(TableColumn(label=label) for label in ("身份", "姓名", "签字", "日期", "意见"))
    rows = tuple((who, "", "", "", "") for who in SIGNERS)
    page = Table(id="signatures", caption="签字", columns=columns, rows=rows, note="签字即确认已阅本报告全部内容。")
    return Blocks(*front.chapter("签字页"), page)


# --- 遴选 -----------------------------------------------------------------------------------------------------------------


def eligibility(cycle: OpenedCycle) -> Blocks:
    """How many fulfil each condition, and who does not fulfil which."""
    lines = cycle.tables["eligibility"]
    counts = lines.groupby(["check", "title", "clause"], sort=False, dropna=False)["holds"].agg(["sum", "count"])
    summary = counts.reset_index().assign(failed=lambda f: f["count"] - f["sum"])
    failed = _named(cycle, lines[~lines["holds"].astype(bool)], "applicant")
    return Blocks(
        *front.chapter("申报条件", "每个申报项目逐条核对；未提供的按不符合计，写明“未提供”。"),
        table(
            _words(summary, "title", "clause"),
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
            _words(failed, "says"),
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
    frame = _named(cycle, cycle.tables["selected"], "applicant")
    chosen = frame[frame["chosen"].astype(bool)]
    others = _words(frame[~frame["chosen"].astype(bool)], "why")
    shared = [
        Column(name="track", label="名额", format=text),
        Column(name="name", label="申报项目", format=text),
        Column(name="score", label="得分", format=decimal(2)),
        Column(name="place", label="名次", format=count),
        Column(name="chance", label="入选概率", format=percent(0)),
    ]
    return Blocks(
        *front.chapter(
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
    frame = _words(cycle.tables["rules"], "binding")
    return Blocks(
        *front.chapter("规则与其代价", "代价是去掉这一条后总分能增加多少；为 0 的规则没有改变结果。"),
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
    frame = _named(cycle, cycle.tables["ranks"].sort_values(["median_rank", "unit"]).head(20), "unit")
    return Blocks(
        *front.chapter("名次的把握", "名次只在误差之内有意义：下表是反复抽取所得名次的中位数与 95% 范围，列前 20 个。"),
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


# --- 专家组 ---------------------------------------------------------------------------------------------------------------


def agreement(cycle: OpenedCycle) -> Blocks:
    """How far the panel agrees, item by item."""
    return Blocks(
        *front.chapter("一致性", "ICC 越近 1，专家对项目的区分越一致；低于 0.5 的项目分，主要是谁来评的差别。"),
        table(
            _words(cycle.tables["agreement"], "kind"),
            [
                Column(name="title", label="指标", format=text),
                Column(name="applicants", label="项目", format=count),
                Column(name="experts", label="专家", format=count),
                Column(name="kind", label="系数", format=text),
                Column(name="icc", label="ICC", format=decimal(2)),
                Column(name="low", label="下限", format=decimal(2)),
                Column(name="high", label="上限", format=decimal(2)),
                Column(name="w", label="Kendall W", format=decimal(2)),
                Column(name="w_p", label="P", format=p_value),
            ],
            id="agreement",
            caption="各项指标的一致性",
        ),
    )


def standing(cycle: OpenedCycle) -> Blocks:
    """Experts who score apart from the others."""
    return Blocks(
        *front.chapter(
            "专家的松严", "与同一项目其他专家均分之差；标出的专家不自动剔除，由规则（去掉最高最低分）和专家组处理。"
        ),
        table(
            _words(cycle.tables["standing"], "outlying"),
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
    apart = _named(cycle, frame[frame["disagree"].astype(bool)], "applicant")
    said = f"按 IPRAS，{len(frame)} 个问题中有 {len(apart)} 个存在分歧，须专家组讨论。"
    return Blocks(
        *front.chapter("分歧", said),
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
        *front.chapter("各项目的专家分", "每项去掉一个最高分和一个最低分；人数不足的不作数，计为没有分。"),
        table(
            _named(cycle, made, "applicant"),
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


# --- 预演 -----------------------------------------------------------------------------------------------------------------


def rehearsal(cycle: OpenedCycle) -> Blocks:
    """False passes and fails of the rule, by size."""
    return Blocks(
        *front.chapter(
            "判定规则的预演",
            "规则用在未立项单元的真实变化上：没有植入变化时应如何，各项同变好或变坏时又应如何。误判率只在应如此的单元中计，区间为精确区间。",
        ),
        table(
            cycle.tables["rehearsal"],
            [
                Column(name="planted_zh", label="植入", format=text),
                Column(name="size", label="规模", format=text),
                Column(name="cases", label="例数", format=text),
                Column(name="units", label="单元", format=count),
                Column(name="true_zh", label="应为", format=text),
                Column(name="qualified", label="合格", format=percent(0)),
                Column(name="mend", label="整改", format=percent(0)),
                Column(name="boundary", label="边界", format=percent(0)),
                Column(name="not_judged", label="不予评价", format=percent(0)),
                Column(name="wrong_zh", label="误判", format=text),
                Column(name="wrong", label="误判率", format=percent(0)),
                Column(name="low", label="下限", format=percent(0)),
                Column(name="high", label="上限", format=percent(0)),
            ],
            id="rehearsal",
            caption="预演：各规模专科的结论与误判率",
        ),
        Note(text="误判率高的规模，宁可判为边界转现场抽核，或改规则后重新预演，再封存。", tone="warning"),
    )


# --- 期末评估 ---------------------------------------------------------------------------------------------------------------


def proof(cycle: OpenedCycle) -> Blocks:
    """What was changed since the protocol was sealed."""
    frame = cycle.tables["proof"]
    lead = "规则、目标、体系、参数与程序自封存以来没有改动。" if frame.empty else "自封存以来有以下改动，须说明理由。"
    blocks: list[Block] = front.chapter("方案未改动的证明", lead)
    if not frame.empty:
        columns = [
            Column(name=n, label=zh, format=text)
            for n, zh in (("what", "何物"), ("where", "何处"), ("then", "封存时"), ("now", "现在"))
        ]
        blocks.append(table(frame.astype(str), columns, id="changed", caption="封存以来的改动"))
    return Blocks(*blocks)


def decisions(cycle: OpenedCycle) -> Blocks:
    """The decision on every project, why, and how sure it is."""
    frame = _words(_named(cycle, cycle.tables["final"], "project"), "why", "mend", "hangs_on", "site")
    return Blocks(
        *front.chapter(
            "结论",
            "“翻转”是同样的年份重新观察一次结论会不同的概率；“达到的把握”是真正达到规则的概率。现场抽核后的结论见末列。",
        ),
        table(
            frame,
            [
                Column(name="name", label="项目", format=text),
                Column(name="outcome_zh", label="数据结论", format=text),
                Column(name="flips", label="翻转", format=percent(0)),
                Column(name="p_qualified", label="达到的把握", format=percent(0)),
                Column(name="site", label="现场", format=text),
                Column(name="final_zh", label="最后结论", format=text),
            ],
            id="decisions",
            caption="各项目的结论",
        ),
        table(
            frame,
            [
                Column(name="name", label="项目", format=text),
                Column(name="why", label="理由", format=text),
                Column(name="mend", label="须整改", format=text),
                Column(name="hangs_on", label="取决于", format=text),
            ],
            id="reasons",
            caption="理由",
        ),
    )


def findings(cycle: OpenedCycle) -> Blocks:
    """Every indicator of every project."""
    frame = _named(cycle, cycle.tables["findings"], "project")
    return Blocks(
        *front.chapter("各项指标"),
        table(
            _words(frame, "reason_zh"),
            [
                Column(name="name", label="项目", format=text),
                Column(name="domain", label="领域", format=text),
                Column(name="title", label="指标", format=text),
                Column(name="requires", label="要求", format=text),
                Column(name="state_zh", label="结果", format=text),
                Column(name="p_met", label="达到的概率", format=percent(0)),
                Column(name="reason_zh", label="说明", format=text),
            ],
            id="findings",
            caption="指标 → 领域 → 项目",
        ),
    )


def visits(cycle: OpenedCycle) -> Blocks:
    """Who was visited with what probability, what was found, and what it says about all."""
    sites = _words(_named(cycle, cycle.tables["sites"], "project"), "because", "visited")
    visited = _words(_named(cycle, cycle.tables["visited"], "project"), "conclusion")
    whole = cycle.tables["errors_over_all"].iloc[0]
    said = f"现场核查 {int(whole['projects'])} 个项目、{int(whole['records'])} 例，对全部项目估计差错率 {whole['share']:.1%}"
    limits = "，只随机抽了一个项目，给不出区间。"
    if whole["low"] == whole["low"]:
        limits = f"（95% 区间 {whole['low']:.1%} 至 {whole['high']:.1%}）。"
    return Blocks(
        *front.chapter("现场抽核", "边界、红线、数据断点必查，其余随机抽取不少于 5%。"),
        table(
            sites,
            [
                Column(name="name", label="项目", format=text),
                Column(name="because", label="必查的原因", format=text),
                Column(name="probability", label="抽中概率", format=percent(0)),
                Column(name="visited", label="抽中", format=text),
            ],
            id="sites",
            caption="抽取",
        ),
        table(
            visited,
            [
                Column(name="name", label="项目", format=text),
                Column(name="conclusion", label="现场结论", format=text),
                Column(name="records", label="核查病例", format=count),
                Column(name="wrong", label="有差错", format=count),
                Column(name="share", label="差错率", format=percent(1)),
                Column(name="low", label="下限", format=percent(1)),
                Column(name="high", label="上限", format=percent(1)),
            ],
            id="visited",
            caption="现场所见",
        ),
        Paragraph(text=said + limits),
    )


def states(cycle: OpenedCycle) -> Blocks:
    """Where every project stands in the ledger."""
    frame = cycle.tables["states"]
    own = _named(cycle, frame[frame["project"].notna()], "project")
    counts = own.groupby("state_zh", sort=False).size().reset_index(name="n")
    head = cycle.tables["ledger"].iloc[-1]
    return Blocks(
        *front.chapter(
            "台账", f"共 {int(head['number'])} 条，逐条相连；末条的哈希另行保存，可据以核对台账是否被截断或重写。"
        ),
        table(
            counts,
            [Column(name="state_zh", label="状态", format=text), Column(name="n", label="项目", format=count)],
            id="states",
            caption="各状态的项目数",
        ),
    )
