"""变化方法对照、逐年对照、稳健性: would another method, or another policy choice, have said the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from toolkit.evaluation.holds import HELD, IN_PROGRESS
from toolkit.evaluation.results import Results
from toolkit.evaluation.robustness import CHOICES, SAYING, UNHEEDED
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.models.change import methods_of
from toolkit.params import Adjustment, Choice, Matching, Rates, Scope, ShockYears, Trimming
from toolkit.reporting.content.blocks import Block, Blocks, Note
from toolkit.reporting.content.tables import (
    MISSING,
    Cell,
    Column,
    count,
    missing,
    p_value,
    percent,
    rounded,
    table,
    text,
)
from toolkit.reporting.content.values import is_rare, name_on, ratio_text
from toolkit.reporting.figures.change import event_study, specification_curve
from toolkit.reporting.sections.change import projects, unit_changes, verdict_of
from toolkit.reporting.sections.front import chapter, nothing_here
from toolkit.reporting.sections.project import unit_of

ONE_SPAN = "本次评价只有一个时段，不作前后比较。"
SIDE_BY_SIDE = (
    "同一份数据用各种方法估计的比值，1 表示没有变化。方法相互一致，结论才可靠；不一致时看“误差来源与说明”一列，"
    "弄清各方法比的是什么。标 ☆ 的是判定所用的方法。"
)
AROUND = "每一点是该年与对照单元相比的比值，以建设前最后一年为 1。建设前各年应在 1 附近：若建设前就已偏离，建设后的差异不能归于项目。"
SPREAD = (
    "每一种政策选择（参照、裁剪、分级、外部事件年份、方法）都是合理的，却未必给出同一判定。"
    "把声明的选择逐一组合重算。例数不足或没有区间的组合不计；数值相同的组合只算一个答案，因为与指标无关的选择只会重复它。"
    "不同的答案中与本次判定一致的不足声明的比例，即为“边界”，须现场核实；不同的答案不多于两个时，不称稳健。"
)


def methods(results: Results, project: str = "") -> Blocks:
    """Every method's estimate for the primary indicators of one project."""
    unit, known = unit_of(results, project), methods_of(results.params.change)
    blocks: list[Block] = chapter("变化方法对照", SIDE_BY_SIDE)
    found = _of_unit(results.effects, unit)
    found = found[found["level"] == "unit"]
    if found.empty:
        why = "本单元没有立项，只有前后比值，见上表。" if results.params.cycles else ONE_SPAN
        return Blocks(*blocks, nothing_here(results, why))
    for indicator in [i for i in results.params.change.primary if (found["indicator"] == i).any()]:
        rows = found[found["indicator"] == indicator]
        shown = rows.assign(
            name=[known[m].name_zh + (" ☆" if m == results.params.change.verdict_from else "") for m in rows["method"]],
            ratio=[ratio_text(row) for _, row in rows.iterrows()],
            compared=rows["n_comparison"].where(rows["n_comparison"] > 0),
            remarks=[
                "；".join(t for t in (a, b) if t) or MISSING
                for a, b in zip(rows["inference"].fillna(""), rows["warnings"].fillna(""), strict=True)
            ],
        )
        columns = [
            Column(name="name", label="方法", format=text),
            Column(name="ratio", label="比值（95% 区间）", format=text, align="right"),
            Column(name="p_value", label="p", format=p_value),
            Column(name="compared", label="对照单元", format=count),
            Column(name="remarks", label="误差来源与说明", format=text),
        ]
        id = f"methods-{indicator}".replace("_", "-")
        blocks.append(table(shown, columns, id=id, caption=f"{name_on(indicator, 'frozen')}：各方法的估计", wide=False))
    return Blocks(*blocks)


def event_studies(results: Results, project: str = "") -> Blocks:
    """The years around the start of one project against its comparison units, and whether the years before were alike."""
    unit = unit_of(results, project)
    blocks: list[Block] = chapter("逐年与对照相比", AROUND)
    paths = _of_unit(results.event_study, unit)
    tests = _of_unit(results.effects, unit)
    tested = tests[tests["pretrend_p"].notna()].set_index("indicator")["pretrend_p"].to_dict()
    drawn = [
        i for i in results.params.change.primary if paths.loc[paths["indicator"] == i, "estimate"].notna().sum() > 1
    ]
    if not drawn:
        return Blocks(
            *blocks, nothing_here(results, "没有可作的逐年对照（未立项、只有一个时段，或指标为少见的死亡）。")
        )
    for indicator in drawn:
        p = float(tested.get(indicator, float("nan")))
        note = (
            ""
            if missing(p)
            else (
                f"建设前各年是否都为 1 的联合检验：p = {rounded(p, 3)}。"
                + ("建设前已有偏离，比较须谨慎。" if p < 0.05 else "未见建设前的偏离；年数少，检验的把握有限。")
            )
        )
        blocks.append(
            event_study(
                paths[paths["indicator"] == indicator],
                id=f"years-{indicator}".replace("_", "-"),
                caption=f"{name_on(indicator, 'frozen')}：逐年与对照单元相比",
                note=note,
            )
        )
    return Blocks(*blocks)


def regression_to_mean(results: Results, project: str = "") -> Blocks:
    """The change that comparison units with the same baseline would have shown, beside the observed one."""
    unit = unit_of(results, project)
    found = _of_unit(results.regression_to_mean, unit)
    found = found[found["indicator"].isin(results.params.change.primary) & found["observed"].notna()]
    blocks: list[Block] = chapter(
        "向均值回归",
        "基线偏高或偏低的单元，下一周期会自行回落或回升。“无作用时预期”：由同专科未立项单元的前后变化与其基线的关系推出，"
        "假如项目毫无作用，本单元的前后比值应是多少；括号内的范围计入抽样、单元自行变化与推算本身的误差，"
        f"没有作用的项目约有 {results.params.change.confidence:.0%} 落在其内。建设前的偏离只按其中属于机遇的份额扣除。",
    )
    if found.empty:
        return Blocks(*blocks, nothing_here(results, "没有可比的未立项单元，不能推算。"))
    rows = found.assign(
        name=[name_on(i, "frozen") for i in found["indicator"]],
        seen=[rounded(v, 2) for v in found["observed"]],
        stands=[_beside(d) for d in found["deviation"]],
        common=[MISSING if missing(v) else rounded(v, 2) for v in found["common"]],
        awaited=[_awaited(results, row) for row in found.to_dict("records")],
    )
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="stands", label="建设前与同组相比", format=text, align="right"),
        Column(name="unreliability", label="偏离中属于机遇", format=percent(0)),
        Column(name="common", label="对照单元的前后比值", format=text, align="right"),
        Column(name="awaited", label="无作用时预期的前后比值", format=text, align="right"),
        Column(name="seen", label="实际前后比值", format=text, align="right"),
        Column(name="n_regression", label="所依据的单元", format=count),
    ]
    return Blocks(*blocks, table(rows, columns, id="regression-to-mean", caption="向均值回归：预期与实际"))


def _awaited(results: Results, row: Mapping[Hashable, Cell]) -> str:
    """The ratio that no effect lets expect, with its limits; of rare events their number, which says more than a ratio."""
    parts = [row[c] for c in ("expected", "expected_low", "expected_high")]
    if any(missing(p) for p in parts):
        return MISSING
    middle, low, high = (float(p) for p in parts)
    said = f"{rounded(middle, 2)}（{rounded(low, 2)}–{rounded(high, 2)}）"
    if not is_rare(CATALOGUE[str(row["indicator"])]):
        return said
    keys = {c: row[c] for c in ("hospital", "specialty", "indicator")} | {"level": "unit", "basis": "frozen"}
    cells = results.cells
    own = cells[(cells[list(keys)] == pd.Series(keys)).all(axis=1)].set_index("period")[["x", "y"]]
    if not {"before", "after"} <= set(own.index) or own.loc[["before", "after"]].isna().any(axis=None):
        return said
    x, y = own["x"].astype(float), own["y"].astype(float)
    per = float(x["before"] / y["before"] * y["after"])
    return f"{rounded(middle * per, 1)} 例（{rounded(low * per, 1)}–{rounded(high * per, 1)}）"


def _beside(ratio: float) -> str:
    """A ratio to the comparison units as how far above or below them."""
    if missing(ratio):
        return MISSING
    return f"{'高' if ratio >= 1 else '低'} {rounded(abs(100 * (ratio - 1)), 1)}%"


def robustness(results: Results, project: str = "") -> Blocks:
    """The specification curves of one project's primary indicators, and how many specifications agree."""
    unit = unit_of(results, project)
    blocks: list[Block] = chapter("稳健性：换一种政策选择", SPREAD)
    curve = _of_unit(results.specifications, unit)
    if curve.empty:
        why = "本单元没有立项，未作政策组合。" if results.params.cycles else ONE_SPAN
        return Blocks(*blocks, nothing_here(results, why))
    changes = unit_changes(results, unit["hospital"], unit["specialty"])
    changes = changes[changes["indicator"].isin(curve["indicator"])]
    blocks.append(
        _agreement(changes.assign(name=[name_on(i, "frozen") for i in changes["indicator"]]), "指标", "agreement")
    )
    return Blocks(*blocks, *_curves(results, curve, "spec"))


def all_robustness(results: Results) -> Blocks:
    """Every project: how many specifications agree with each verdict."""
    if not results.params.cycles:
        return Blocks(*chapter("稳健性"), Note(text=ONE_SPAN))
    if results.specifications.empty:
        return Blocks(*chapter("稳健性", SPREAD), Note(text="参数文件未列出建设项目。"))
    combinations = results.specifications["specification"].nunique()
    blocks: list[Block] = chapter("稳健性：换一种政策选择", f"{SPREAD}本次共 {combinations} 种组合。")
    for indicator in [i for i in results.params.change.primary if (results.specifications["indicator"] == i).any()]:
        rows = []
        for unit in rows_of(projects(results)):
            changes = unit_changes(results, unit.hospital, unit.specialty)
            rows.append(
                changes[changes["indicator"] == indicator].assign(name=results.unit_name(unit.hospital, unit.specialty))
            )
        caption = name_on(indicator, "frozen")
        blocks.append(_agreement(pd.concat(rows), "建设项目", f"agreement-{indicator}".replace("_", "-"), caption))
    return Blocks(*blocks)


def all_curves(results: Results) -> Blocks:
    """The specification curves of every project, one after another."""
    blocks: list[Block] = []
    for unit in rows_of(projects(results)):
        curve = results.specifications
        curve = curve[(curve["hospital"] == unit.hospital) & (curve["specialty"] == unit.specialty)]
        if len(curve):
            blocks += [
                *chapter(results.unit_name(unit.hospital, unit.specialty)),
                *_curves(results, curve, f"spec-{unit.Index}"),
            ]
    return Blocks(*blocks) if blocks else Blocks(Note(text="没有建设项目，未作政策组合。"))


def _firm(row: Mapping[Any, Any]) -> str:
    """Whether a verdict is firm; of one that is held back, or says nothing, there is nothing to be firm."""
    if row["verdict"] == Verdict.NOT_JUDGED.value:
        return MISSING
    if row["reason"] in HELD:
        return "周期未完" if row["reason"] == IN_PROGRESS else "须先核实"
    if row["boundary"]:
        return "边界"
    if row["verdict"] == Verdict.UNDECIDED.value:
        return "同样不能判定" if not missing(row["share"]) else MISSING
    return "稳健" if row["robust"] else "答案太少，不足以说明稳健"


def _agreement(changes: pd.DataFrame, first: str, id: str, of: str = "") -> Block:
    held = changes["reason"].isin(HELD)  # what is held back rests on no estimate, and no other choice does
    rows = changes.assign(
        share=changes["share"].mask(held),
        verdict_text=[verdict_of(row) for _, row in changes.iterrows()],
        others=[MISSING if row["reason"] in HELD else _others(row) for row in changes.to_dict("records")],
        moved=[
            f"{CHOICES[c]}（{rounded(s, 0, 100)}%）" if c else MISSING
            for c, s in zip(changes["moved_by"], changes["moved_share"], strict=True)
        ],
        firm=[_firm(row) for row in changes[["verdict", "reason", "robust", "boundary", "share"]].to_dict("records")],
    )
    columns = [
        Column(name="name", label=first, format=text),
        Column(name="verdict_text", label="本次判定", format=text),
        Column(name="answers", label="不同的答案", format=count),
        Column(name="others", label="其中", format=text),
        Column(name="share", label="与本次判定一致", format=percent(0)),
        Column(name="firm", label="稳健性", format=text),
        Column(name="moved", label="影响最大的选择（占差异）", format=text),
        Column(name="reason_zh", label="判定理由", format=text),
    ]
    return table(rows, columns, id=id, caption=f"{of + '：' if of else ''}判定与政策组合的一致程度")


def _others(change: Mapping[Hashable, Cell]) -> str:
    """`改善 18，基本持平 8`: what the different answers say."""
    said = [f"{Verdict(v).zh} {change[f'says_{v}']:.0f}" for v in SAYING if change[f"says_{v}"]]
    return "，".join(said) or MISSING


def _curves(results: Results, curve: pd.DataFrame, id: str) -> list[Block]:
    choices = {
        column: (
            name,
            {v: _word(results, column, v) for v in sorted(curve[column].unique(), key=_place) if v != UNHEEDED},
        )
        for column, name in CHOICES.items()
    }
    return [
        specification_curve(
            curve[curve["indicator"] == indicator],
            choices,
            id=f"{id}-{indicator}".replace("_", "-"),
            caption=f"{name_on(indicator, 'frozen')}：各种政策组合下的比值",
        )
        for indicator in results.params.change.primary
        if (curve["indicator"] == indicator).any()
    ]


def _place(value: str) -> tuple[int, str]:
    """Numbers by size, words by letter."""
    return int(value) if value.isdigit() else 0, value


CHOICES_OF: dict[str, type[Choice]] = {
    "scope": Scope,
    "trimming": Trimming,
    "risk_rates": Rates,
    "shocks": ShockYears,
    "adjustment": Adjustment,
    "matching": Matching,
}


def _word(results: Results, column: str, value: str) -> str:
    if column == "method":
        return methods_of(results.params.change)[value].name_zh
    if column in CHOICES_OF:
        return next(one.zh for one in CHOICES_OF[column] if one == value)
    return {"True": "是", "False": "否"}.get(value, value)


def _of_unit(frame: pd.DataFrame, unit: pd.Series) -> pd.DataFrame:
    return frame[(frame["hospital"] == unit["hospital"]) & (frame["specialty"] == unit["specialty"])]
