"""Sentences from numbers, for readers who sign: one place, plain words, and never more than the interval allows.

Nothing here computes: every number comes from a result table. Terms of statistics stay in the technical annex.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.evaluation.holds import HELD, IN_PROGRESS
from toolkit.evaluation.judgement import PLAIN
from toolkit.evaluation.verdict import Verdict
from toolkit.indicators import CATALOGUE, Direction, Domain
from toolkit.models.change import RECOMMENDED
from toolkit.reporting.content.tables import MISSING, missing, rounded
from toolkit.reporting.content.values import before_after, name_on, probability

BOUNDARY = "※"  # of a verdict that other policy choices would have changed
LEAST_STEP = 0.005  # of a log ratio: what rounds to nothing is not spoken of
Row = Mapping[Any, Any]  # of the table of changes
ORDER = (Verdict.IMPROVED, Verdict.WORSE, Verdict.STABLE, Verdict.UNDECIDED, Verdict.NOT_JUDGED)
WAYS = {Direction.HIGHER: "越高越好", Direction.LOWER: "越低越好", Direction.NEUTRAL: "不评优劣"}


def listed(names: Sequence[str]) -> str:
    """`甲、乙、丙`."""
    return "、".join(names)


def by_verdict(changes: Sequence[Row]) -> dict[Verdict, list[Row]]:
    """The changes under their verdicts, the clear ones first; verdicts that nothing got are left out."""
    found = {verdict: [c for c in changes if Verdict(c["verdict"]) is verdict] for verdict in ORDER}
    return {verdict: rows for verdict, rows in found.items() if rows}


SUMMARIES = (
    "有变差",
    "有改善，也有变差",
    "有改善",
    "基本持平",
    "分辨不出",
    "不能评价",
)  # what asks for attention first


def summary(changes: Sequence[Row]) -> str:
    """The primary indicators of a project in two or three words, for a list of many projects."""
    found = by_verdict(changes)
    better, worse = Verdict.IMPROVED in found, Verdict.WORSE in found
    if worse:
        return "有改善，也有变差" if better else "有变差"
    if better:
        return "有改善"
    if set(found) <= {Verdict.NOT_JUDGED}:
        return "不能评价"
    return "基本持平" if Verdict.UNDECIDED not in found else "分辨不出"


def headline(changes: Sequence[Row]) -> str:
    """What the primary indicators say together, in one sentence without a number."""
    found = by_verdict(changes)
    better, worse = Verdict.IMPROVED in found, Verdict.WORSE in found
    if set(found) == {Verdict.NOT_JUDGED}:
        return "各项主要指标都不能评价。"
    if better and worse:
        said = "主要指标有改善，也有变差。"
    elif better:
        said = "主要指标有改善，没有一项被判为变差。"
    elif worse:
        said = "主要指标有变差，没有一项被判为改善。"
    elif set(found) == {Verdict.STABLE}:
        said = "各项主要指标基本持平。"
    elif Verdict.UNDECIDED in found:
        said = f"没有主要指标被判为改善或变差：{_why_undecided(found[Verdict.UNDECIDED])}。"
    else:
        said = "没有主要指标被判为改善或变差。"
    if any(c["boundary"] for c in changes):
        said += f"带 {BOUNDARY} 的，换一种同样合理的政策选择结论会不同，须现场核实。"
    return said


def _why_undecided(changes: Sequence[Row]) -> str:
    """What keeps undecided changes from a verdict: too few cases, or something to be settled first."""
    held = {str(c["reason"]) for c in changes if c["reason"] in HELD}
    few = any(c["reason"] not in HELD for c in changes)
    said = ["现有数据还不足以分辨"] if few else []
    if IN_PROGRESS in held:
        said.append("建设周期还没有结束")
    if held - {IN_PROGRESS}:
        said.append("有的数据须先核实")
    return "，".join(said)


def verdict_list(changes: Sequence[Row]) -> str:
    """`改善 1 项（费用消耗指数·定基）；不能判定 2 项（…）`."""
    parts = []
    for verdict, rows in by_verdict(changes).items():
        names = listed([name_on(c["indicator"], "frozen") + (BOUNDARY if c["boundary"] else "") for c in rows])
        parts.append(f"{verdict.zh} {len(rows)} 项（{names}）")
    return "；".join(parts)


def higher_or_lower(ratio: float) -> str:
    """A ratio as `高 8%`, `低 12%`; the same to a whole percent is 持平, and no end 无上限."""
    if missing(ratio):
        return MISSING
    if ratio == float("inf"):
        return "无上限"
    if abs(ratio - 1) < 0.005:
        return "持平"
    return f"{'高' if ratio > 1 else '低'} {rounded(abs(ratio - 1), 0, 100)}%"


def between(low: float, high: float) -> str:
    """`低 37% 到高 84% 之间`."""
    if high == float("inf"):
        return f"{higher_or_lower(low)} 以上，上限不知"
    return f"{higher_or_lower(low)} 到{higher_or_lower(high)} 之间".replace("持平 ", "持平")


def against(change: Row, compared: int) -> str:
    """Whom a change is compared with; the number of units is not given by every edition."""
    if change["judged_by"] == PLAIN:
        return "与自身建设前相比，"
    if compared:
        return f"与未立项的 {compared} 个同类单元同期变化相比，{fallen_back(change)}"
    if change["judged_by"] == RECOMMENDED:
        return f"与未立项的同类单元同期变化相比，{fallen_back(change)}"
    return "按附件所列的方法估计，"


def fallen_back(change: Row) -> str:
    """That the baseline's own fall is taken out, where it moves the ratio by half a percent or more."""
    step, ratio = change.get("judged_step_comparison", math.nan), change["judged_estimate"]
    if missing(step) or missing(ratio) or not (step > 0 and ratio > 0):
        return ""
    return "并扣除基线自行回落，" if abs(math.log(ratio / step)) >= LEAST_STEP else ""


def what_would_narrow(change: Row) -> str:
    """Whether more cases would make an interval narrower: not where it is mostly units that change by themselves."""
    ends = [change[c] for c in ("low", "high", "judged_low", "judged_high")]
    if any(missing(e) or not 0 < e < math.inf for e in ends) or change["judged_by"] == PLAIN:
        return "例数增加，才可能判定更小的变化"
    of_cases, whole = math.log(ends[1] / ends[0]), math.log(ends[3] / ends[2])
    if of_cases**2 < whole**2 / 2:
        return "其中多半是同类单元自行的波动，例数增加所能缩小的有限"
    return "例数增加，才可能判定更小的变化"


def how_large(change: Row, compared: int) -> str:
    """The change that the verdict rests on, against whom, and between what it lies."""
    if missing(change["judged_estimate"]) or missing(change["judged_low"]) or missing(change["judged_high"]):
        return ""
    return (
        f"{against(change, compared)}{higher_or_lower(change['judged_estimate'])}，"
        f"真实差别多半在{between(change['judged_low'], change['judged_high'])}（95% 区间）"
    )


def how_sure(change: Row, margin: float) -> str:
    """How sure an improvement is, and one that matters."""
    if missing(change["p_improvement"]) or missing(change["p_meaningful"]):
        return ""
    return (
        f"有 {probability(change['p_improvement'])} 的把握是改善，"
        f"{probability(change['p_meaningful'])} 的把握改善不小于 {rounded(margin, 0, 100)}%"
    )


def otherwise(change: Row) -> str:
    """What the other policy choices give."""
    if missing(change["answers"]):  # not given by this edition
        return ""
    answers = int(change["answers"])
    if not answers or missing(change["share"]):
        return "其他政策选择给不出判定" if Verdict(change["verdict"]) is not Verdict.NOT_JUDGED else ""
    if answers == 1:
        return "换用其他政策选择，数值不变"
    same = round(float(change["share"]) * answers)
    said = f"换用其他政策选择得到 {answers} 个不同的数值，其中 {same} 个判定相同"
    if change["boundary"]:
        return f"{said}：结论随选择而变，须现场核实"
    if Verdict(change["verdict"]) is Verdict.UNDECIDED:
        return f"换用其他政策选择得到 {answers} 个不同的数值，其中 {same} 个同样不能判定"
    return said + ("：结论稳固" if change["robust"] else "")


def finding(change: Row, compared: int, margin: float) -> tuple[str, str]:
    """One indicator: its name with the verdict, and the rest of the sentence."""
    one = CATALOGUE[change["indicator"]]
    verdict = Verdict(change["verdict"])
    name = f"{name_on(one.id, 'frozen')}（{WAYS[one.direction]}）"
    head = f"{name}：{verdict.zh}{BOUNDARY if change['boundary'] else ''}。"
    if verdict is Verdict.NOT_JUDGED:
        return head, f"{change['reason_zh']}。"
    values = before_after(change)
    parts = [f"建设前 → 建设周期 {values}" if MISSING not in values else ""]
    if change["reason"] in HELD:
        until = "周期结束" if change["reason"] == IN_PROGRESS else "核实"
        parts.append(f"{until}之前，变化的大小与把握都不作数")
    else:
        parts += [how_large(change, compared), how_sure(change, margin), otherwise(change)]
    why = f"{change['reason_zh']}。" if verdict is Verdict.UNDECIDED else ""
    return head, "；".join(part for part in parts if part) + "。" + why


def domain_words(domain: Domain, changes: Sequence[Row], primary: Sequence[str]) -> tuple[str, str]:
    """What a domain's primary indicators got, and how the others came out, which are looked at but not judged by."""
    mine = [c for c in changes if CATALOGUE[c["indicator"]].domain is domain]
    first = [c for c in mine if c["indicator"] in primary]
    rest = [
        c for c in mine if c["indicator"] not in primary and CATALOGUE[c["indicator"]].direction != Direction.NEUTRAL
    ]
    judged = "；".join(
        f"{name_on(c['indicator'], 'frozen')} {Verdict(c['verdict']).zh}{BOUNDARY if c['boundary'] else ''}"
        for c in first
    )
    clear = {v: rows for v, rows in by_verdict(rest).items() if v is not Verdict.NOT_JUDGED}
    others = "；".join(
        f"{verdict.zh} {len(rows)} 项"
        + (
            f"（{listed([CATALOGUE[c['indicator']].name_zh for c in rows])}）"
            if verdict in (Verdict.IMPROVED, Verdict.WORSE)
            else ""
        )
        for verdict, rows in clear.items()
    )
    return judged or "没有主要指标", others or "没有可以判定的"


__all__ = [
    "BOUNDARY",
    "between",
    "by_verdict",
    "domain_words",
    "finding",
    "headline",
    "higher_or_lower",
    "how_large",
    "how_sure",
    "listed",
    "otherwise",
    "summary",
    "verdict_list",
]
