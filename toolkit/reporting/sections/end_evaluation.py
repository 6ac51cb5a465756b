"""预演、期末评估、现场抽核、台账: what the rule would do, what it decided, what was found, where every project stands."""

from __future__ import annotations

from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph
from toolkit.reporting.content.tables import Column, count, decimal, percent, table, text
from toolkit.reporting.figures import programme as drawn
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.programme import named, worded

FELT = 0.1  # a correlation below it changes no probability that is printed


def rehearsal(cycle: OpenedCycle) -> Blocks:
    """False passes and fails of the rule, by size."""
    return Blocks(
        *chapter(
            "判定规则的预演",
            "规则用在未立项单元的真实变化上：没有植入变化时应如何，各项同变好或变坏时又应如何。误判率只在应如此的单元中计，区间为精确区间。",
        ),
        drawn.wrong_decisions(
            cycle.tables["rehearsal"], id="wrong-decisions", caption="误判率，按植入的变化与专科规模"
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


def proof(cycle: OpenedCycle) -> Blocks:
    """What was changed since the protocol was sealed."""
    frame = cycle.tables["proof"]
    lead = "规则、目标、体系、参数与程序自封存以来没有改动。" if frame.empty else "自封存以来有以下改动，须说明理由。"
    blocks: list[Block] = chapter("方案未改动的证明", lead)
    if not frame.empty:
        columns = [
            Column(name=n, label=zh, format=text)
            for n, zh in (("what", "文件"), ("where", "位置"), ("then", "封存时"), ("now", "现在"))
        ]
        blocks.append(table(frame.astype(str), columns, id="changed", caption="封存以来的改动"))
    return Blocks(*blocks)


def decisions(cycle: OpenedCycle) -> Blocks:
    """The decision on every project, why, and how sure it is."""
    frame = worded(named(cycle, cycle.tables["final"], "project"), "why", "mend", "hangs_on", "site")
    return Blocks(
        *chapter(
            "结论",
            "“翻转”是同样的年份重新观察一次结论会不同的概率；“达到的把握”是真正达到规则的概率，不是得分。“最后结论”含现场抽核。",
        ),
        drawn.certainty(frame, id="certainty", caption="各项目真正达到规则的概率，竖线为一半"),
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
                Column(name="mend", label="未达到", format=text),
                Column(name="hangs_on", label="取决于", format=text),
            ],
            id="reasons",
            caption="理由",
        ),
    )


def findings(cycle: OpenedCycle) -> Blocks:
    """Every indicator of every project."""
    frame = named(cycle, cycle.tables["findings"], "project")
    return Blocks(
        *chapter("各项指标"),
        table(
            worded(frame, "reason_zh"),
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
            caption="各项目各项指标的结果",
        ),
        *_together(cycle),
    )


def _together(cycle: OpenedCycle) -> list[Block]:
    """How the errors of indicators go together, which the probabilities rest on: the pairs that do."""
    pairs = cycle.tables["correlations"]
    felt = pairs[pairs["correlation"].abs() >= FELT].sort_values("correlation", key=abs, ascending=False)
    said = (
        "翻转概率与达到的概率把一个项目的各项指标一起抽取：它们出自同一批病例，误差相关。"
        f"相关由病例重抽和未立项单元的变化合并估计，{len(pairs)} 对中有 {len(felt)} 对不小于 {FELT}。"
    )
    columns = [
        Column(name="title", label="指标", format=text),
        Column(name="other_title", label="另一指标", format=text),
        Column(name="by_records", label="病例重抽", format=decimal(2)),
        Column(name="observed", label="未立项单元", format=decimal(2)),
        Column(name="units", label="单元数", format=count),
        Column(name="correlation", label="采用", format=decimal(2)),
    ]
    return [Paragraph(text=said), table(felt, columns, id="correlations", caption="误差相关的指标")]


def visits(cycle: OpenedCycle) -> Blocks:
    """Who was visited with what probability, what was found, and what it says about all."""
    sites = worded(named(cycle, cycle.tables["sites"], "project"), "because", "visited")
    visited = worded(named(cycle, cycle.tables["visited"], "project"), "conclusion")
    whole = cycle.tables["errors_over_all"].iloc[0]
    said = f"现场核查 {int(whole['projects'])} 个项目、{int(whole['records'])} 例，对全部项目估计差错率 {whole['share']:.1%}"
    limits = "，只随机抽了一个项目，给不出区间。"
    if whole["low"] == whole["low"]:
        limits = f"（95% 区间 {whole['low']:.1%} 至 {whole['high']:.1%}）。"
    return Blocks(
        *chapter("现场抽核", "边界、红线、数据断点必查，其余随机抽取不少于 5%。"),
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
    own = named(cycle, frame[frame["project"].notna()], "project")
    counts = own.groupby("state_zh", sort=False).size().reset_index(name="n")
    head = cycle.tables["ledger"].iloc[-1]
    return Blocks(
        *chapter(
            "台账", f"共 {int(head['number'])} 条，逐条相连；末条的哈希另行保存，可据以核对台账是否被截断或重写。"
        ),
        table(
            counts,
            [Column(name="state_zh", label="状态", format=text), Column(name="n", label="项目", format=count)],
            id="states",
            caption="各状态的项目数",
        ),
    )
