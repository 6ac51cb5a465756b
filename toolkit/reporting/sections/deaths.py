"""罕见死亡: counts first, and the rung of the ladder at which they answer anything."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.ladder import OE, RUNGS
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Blocks, Paragraph
from toolkit.reporting.content.tables import MISSING, Column, missing, rounded, table, text
from toolkit.reporting.content.values import ratio_text
from toolkit.reporting.sections.front import chapter, nothing_here
from toolkit.reporting.sections.project import unit_of

LEAD = (
    "一个单元的几例死亡说明不了变化。以下由小到大逐级看：各级列出死亡与预期死亡（其他机构建设前同 DRG 的死亡率），"
    "比值为（建设周期 O/E）÷（建设前 O/E），以及这些例数以 {power} 的把握能显示的最小变化；"
    "区间排除“无变化”、或升到 {times} 倍时有此把握能显示的级，能回答；★ 为其中第一级。"
)
WITHHELD = "各级的死亡数相减即得一个单元隐去的死亡数"
NOTE = (
    "区间只含死亡数的机会波动。最后一级的例数是建设项目的，比值是建设项目的比值除以其余单元的比值。— 为再大也不能显示。"
)


def ladder(results: Results, project: str = "") -> Blocks:
    """One table a rate of deaths, from the unit up to all projects against the rest."""
    if not results.params.cycles:
        return Blocks()
    unit = unit_of(results, project)
    rows = results.ladder
    rows = rows[(rows["hospital"] == unit["hospital"]) & (rows["specialty"] == unit["specialty"])]
    policy, primary = results.params.monitoring, (*results.params.change.primary, OE)
    lead = LEAD.format(power=f"{rounded(policy.power, 0, 100)}%", times=rounded(policy.cusum_odds, 1))
    blocks: list[Block] = chapter("死亡：例数与能回答的层级", lead)
    if rows.empty:
        return Blocks(
            *blocks, nothing_here(results, "本单元没有立项，或没有可计预期死亡的病例。", withheld_for=WITHHELD)
        )
    for indicator, part in rows[rows["indicator"].isin(primary)].groupby("indicator", sort=False):
        name = CATALOGUE[str(indicator)].name_zh
        blocks.append(_table(part, str(indicator), name))
        blocks.append(Paragraph(text=answer(part, name, policy.cusum_odds)))
    return Blocks(*blocks)


def _table(rows: pd.DataFrame, indicator: str, name: str) -> Block:
    shown = rows.assign(
        name=rows["rung"].map(RUNGS),
        counts=[_counts(row) for row in rows.itertuples()],
        ratio=[ratio_text(row) for _, row in rows.iterrows()],
        least=[
            " / ".join(
                MISSING if missing(v) else f"{way} {rounded(abs(v - 1), 0, 100)}%"
                for way, v in (("降", row.smallest_fall), ("升", row.smallest_rise))
            )
            for row in rows.itertuples()
        ],
        answer=[
            "★ 能" if first else "能" if yes else "不能"
            for first, yes in zip(rows["first"], rows["answers"], strict=True)
        ],
    )
    columns = [
        Column(name="name", label="层级", format=text),
        Column(name="counts", label="死亡（预期）前 → 后", format=text, align="right"),
        Column(name="ratio", label="O/E 之比（95% 区间）", format=text, align="right"),
        Column(name="least", label="能显示的最小变化", format=text, align="right"),
        Column(name="answer", label="能否回答", format=text),
    ]
    return table(
        shown, columns, id=f"ladder-{indicator}".replace("_", "-"), caption=f"{name}：由小到大", note=NOTE, wide=False
    )


def _counts(row: object) -> str:
    sides = [(getattr(row, f"observed_{s}"), getattr(row, f"expected_{s}")) for s in ("before", "after")]
    return " → ".join(f"{rounded(o, 0)} 例（{rounded(e, 1)}）" for o, e in sides)


def answer(rows: pd.DataFrame, name: str, times: float) -> str:
    """What the first rung that answers says, in one sentence."""
    found = rows[rows["first"]]
    own = rows[rows["rung"] == "unit"].iloc[0]
    said = f"{name}：本单元 {rounded(own['observed_before'], 0)} 例 → {rounded(own['observed_after'], 0)} 例"
    said += f"，建设周期预期 {rounded(own['expected_after'], 1)} 例"
    if found.empty:
        return f"{said}；到全部建设项目与其余单元相比为止，例数都不足以回答。"
    row = found.iloc[0]
    where = RUNGS[row["rung"]]
    if row["low"] > 1 or row["high"] < 1:
        return f"{said}；最先能回答的是{where}：{'升高' if row['low'] > 1 else '降低'}，比值 {ratio_text(row)}。"
    return f"{said}；最先能回答的是{where}：没有看出升降，比值 {ratio_text(row)}；若升到 {rounded(times, 1)} 倍，这一级多半能看出。"


__all__ = ["answer", "ladder"]
