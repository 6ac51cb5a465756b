"""Two runs held against each other, as blocks: verdicts first, then what differs in what they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.evaluation.two_runs import Cause
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Heading, Meta, Paragraph, Run, Table, Title
from toolkit.reporting.content.plain_words import between, higher_or_lower
from toolkit.reporting.content.tables import MISSING, Column, count, missing, percent, table, text
from toolkit.reporting.content.values import BASES, marked, name_on

Input = tuple[Cause, str, str, str]  # what differs: cause, name, as it was, as it is
UNKNOWN = "?"  # of a cause that only runs in between could tell
NO_SINGLE = "中间各步都没有改变（几项合在一起才改变）"


def blocks(
    one: Results,
    other: Results,
    *,
    inputs: Sequence[Input],
    changed: pd.DataFrame,
    compared: int,
    moved: pd.DataFrame,
    most: int | None = None,
) -> list[Block]:
    """All that holding two runs against each other found.

    Parameters
    ----------
    inputs
        What differs of what they were made from.
    changed, moved
        As from `toolkit.evaluation.two_runs`, `changed` with `cause`.
    most
        Rows of the table of numbers that are shown; None: all.
    compared
        Primary verdicts that either run has.
    """
    return [
        Title(text="两次评估的比较", subtitle=f"{one.params.run} → {other.params.run}"),
        Heading(text="结论"),
        *_conclusion(inputs, changed, compared),
        Meta(pairs=tuple(_runs(one, other))),
        Heading(text="改变了的判定"),
        *_verdicts(one, other, changed),
        Heading(text="由什么做成：不同之处"),
        _inputs(inputs),
        Heading(text="数值移动了多少"),
        _moved(moved, most),
    ]


def _conclusion(inputs: Sequence[Input], changed: pd.DataFrame, compared: int) -> Iterator[Block]:
    causes = list(dict.fromkeys(cause.zh for cause, *_ in inputs))
    made = f"两次评估的{'、'.join(causes)}不同" if causes else "两次评估由同样的数据、政策选择和程序做成"
    yield Paragraph(
        runs=(Run(text=f"{compared} 项主要指标的判定中，{len(changed)} 项不同。", strong=True), Run(text=f"{made}。"))
    )
    if len(changed) and (changed["cause"] == UNKNOWN).any() and len(causes) > 1:
        yield Paragraph(
            text="不止一类原因，各判定由哪一类而变，只有重算中间的各步才能分清：给出两次评估各自的参数文件（--params 两次）。"
        )
    elif len(changed) and len(causes) > 1:
        yield Paragraph(
            text="每一项由哪一类原因而变，是依次换上后一次的程序、数据、政策选择重算得到的；换的先后不同，归因可能不同。"
        )


def _runs(one: Results, other: Results) -> Iterator[tuple[str, str]]:
    for name, results in (("前一次", one), ("后一次", other)):
        yield name, f"{results.params.title}（{results.params.run}，数据 {results.facts.data_hash[:12]}）"


def _verdicts(one: Results, other: Results, changed: pd.DataFrame) -> Iterator[Block]:
    if changed.empty:
        yield Paragraph(text="没有判定改变。")
        return
    rows = [
        {
            "unit": (other if not missing(row.verdict_now) else one).unit_name(row.hospital, row.specialty),
            "name": name_on(row.indicator, "frozen"),
            "then": _verdict(row.verdict_then),
            "now": _verdict(row.verdict_now),
            "size_then": _size(row.judged_estimate_then, row.judged_low_then, row.judged_high_then),
            "size_now": _size(row.judged_estimate_now, row.judged_low_now, row.judged_high_now),
            "cause": {UNKNOWN: "须重算才能分清", "": NO_SINGLE}.get(row.cause, row.cause),
        }
        for row in rows_of(changed)
    ]
    columns = [
        Column(name="unit", label="项目", format=text),
        Column(name="name", label="指标", format=text),
        Column(name="then", label="前一次", format=text),
        Column(name="now", label="后一次", format=text),
        Column(name="size_then", label="前一次：与对照相比（95% 区间）", format=text),
        Column(name="size_now", label="后一次：与对照相比（95% 区间）", format=text),
        Column(name="cause", label="由什么而变", format=text),
    ]
    yield table(pd.DataFrame(rows), columns, id="changed-verdicts", caption="改变了的判定", wide=False)


def _verdict(verdict: str) -> str:
    return "没有此项目" if missing(verdict) else marked(verdict)


def _size(estimate: float, low: float, high: float) -> str:
    if any(map(missing, (estimate, low, high))):
        return MISSING
    return f"{higher_or_lower(estimate)}（{between(low, high)}）"


def _inputs(inputs: Sequence[Input]) -> Table:
    frame = pd.DataFrame(
        [(cause.zh, what, then or MISSING, now or MISSING) for cause, what, then, now in inputs],
        columns=["cause", "what", "then", "now"],
    )
    columns = [
        Column(name="cause", label="类别", format=text),
        Column(name="what", label="是什么", format=text),
        Column(name="then", label="前一次", format=text),
        Column(name="now", label="后一次", format=text),
    ]
    return table(frame, columns, id="made-from", caption="两次评估由什么做成")


def _moved(moved: pd.DataFrame, most: int | None) -> Table:
    shown = moved[(moved["differ"] > 0) | (moved["gone"] > 0) | (moved["new"] > 0)]
    rows = shown.assign(
        name=[CATALOGUE[i].name_zh if i in CATALOGUE else i for i in shown["indicator"]],
        of=[BASES.get(b, b) for b in shown["basis"]],
    ).sort_values(["largest", "name", "of"], ascending=[False, True, True])
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="of", label="口径", format=text),
        Column(name="n", label="两次都有的数值", format=count),
        Column(name="differ", label="其中不同", format=count),
        Column(name="median", label="相差（中位）", format=percent(1)),
        Column(name="largest", label="相差（最大）", format=percent(1)),
        Column(name="gone", label="只有前一次有", format=count),
        Column(name="new", label="只有后一次有", format=count),
    ]
    left = len(rows) - len(rows.iloc[:most])
    note = f"移动大的在前，另有 {left} 行不在此列出。" if left else "没有列出的指标，两次的数值完全相同。"
    return table(rows.iloc[:most], columns, id="moved", caption="各单元的数值", note=note, wide=False)
