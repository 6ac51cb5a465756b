"""建设前后变化: all projects side by side."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pandas as pd

from toolkit.evaluation.holds import IN_PROGRESS
from toolkit.evaluation.judgement import PLAIN
from toolkit.evaluation.looks import looks
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import row_at, rows_of
from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, RECOMMENDED, methods_of
from toolkit.params import Multiplicity
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph, Table
from toolkit.reporting.content.plain_words import BOUNDARY
from toolkit.reporting.content.tables import MISSING, Cell, Column, count, missing, rounded, table, text
from toolkit.reporting.content.values import (
    DIRECTION_KEYS,
    before_after,
    cases,
    label,
    marked,
    name_on,
    ratio_text,
    sure,
)
from toolkit.reporting.figures.change import change_forest
from toolkit.reporting.sections.front import basis_words, chapter, nothing_here

FEW_UNITS = 20  # below which the share of units without project that are called changed is no share
FROZEN = "定基：DRG 参照均值、权重和风险级别都固定在建设前，费用按声明的价格指数换算，只比较本单元自身的前后。"
CAUTION = (
    "前后比值不等于项目的作用。立项专科多为成绩较好者，即使什么都没有改变，下一周期也会向平均水平回落（向均值回归）；"
    "同期政策与疫情也在其中。故判定不取前后比值，而取与对照单元相比、校正基线后的比值。"
)
# reasons that stand beside the verdict
EXCLUDED = ("excludes_worsening", "excludes_improvement", IN_PROGRESS)
SURE = "把握：由同一估计和区间得出的概率，真实变化是改善的（前），和是有意义的改善的（后）。"


def projects(results: Results) -> pd.DataFrame:
    """The project rows of the units, in the order of specialty and hospital."""
    chosen = results.units[results.units["project"] != ""]
    order = {s.id: i for i, s in enumerate(results.params.specialties)}
    return chosen.assign(_o=chosen["specialty"].map(order)).sort_values(["_o", "hospital"]).drop(columns="_o")


def verdict_matrix(results: Results) -> Blocks:
    """Projects × primary indicators: the verdicts at a glance."""
    primary = results.params.change.primary
    rows = []
    for project in rows_of(projects(results)):
        changes = unit_changes(results, project.hospital, project.specialty).set_index("indicator")
        rows.append(
            {
                "hospital": results.hospital_name(project.hospital),
                "specialty": results.specialty_name(project.specialty),
                "level": project.project,
                **{i: verdict_of(row_at(changes, i)) if i in changes.index else Verdict.NOT_JUDGED.zh for i in primary},
            }
        )
    if not results.params.cycles:
        return Blocks(*chapter("建设前后变化"), Note(text="本次评价只有一个时段，不作前后比较。"))
    if not rows:
        return Blocks(*chapter("各项目判定"), Note(text="参数文件未列出建设项目。"))
    columns = [
        Column(name="specialty", label="专科", format=text),
        Column(name="hospital", label="医疗机构", format=text),
        Column(name="level", label="级别", format=text),
    ]
    columns += [Column(name=i, label=name_on(i, "frozen"), format=text) for i in primary]
    return Blocks(
        *chapter("各项目判定", basis_words(results, FROZEN)),
        table(pd.DataFrame(rows), columns, id="verdicts", caption="各建设项目主要指标的判定", note=marks_note(results)),
        Paragraph(text=judged_by(results)),
        Note(text=CAUTION, tone="warning"),
    )


def verdict_of(change: pd.Series) -> str:
    """The verdict with its mark, what an undecided one excludes nevertheless, and whether it is on the boundary."""
    excluded = f"（{change['reason_zh']}）" if change["reason"] in EXCLUDED else ""
    return marked(change["verdict"]) + excluded + (BOUNDARY if change["boundary"] else "")


def marks_note(results: Results) -> str:
    """What the five verdicts mean, the boundary, and how sure."""
    share, margin = results.params.robustness.agreement, results.params.change.minimum_important
    meanings = "；".join(f"{marked(v)}：{v.meaning}" for v in Verdict)
    boundary = f"换用其他政策选择，不同的答案中得出同一判定的不到 {share:.0%}，或没有组合能判定，须现场核实"
    return f"{meanings}。最小有意义变化为 {margin:.0%}。{BOUNDARY} 边界：{boundary}。"


def judged_by(results: Results) -> str:
    """The method that projects are judged by, in words."""
    method = methods_of(results.params.change)[results.params.change.verdict_from]
    return f"判定取“{method.name_zh}”：{method.estimand}。"


def forests(results: Results) -> Blocks:
    """One picture for each primary indicator: every project's ratio with its interval, and the peers' beside it."""
    blocks: list[Block] = chapter("主要指标的变化", f"比值 = 建设周期 / 建设前，1 表示没有变化。{judged_by(results)}")
    for indicator in results.params.change.primary:
        rows = []
        for project in rows_of(projects(results)):
            changes = unit_changes(results, project.hospital, project.specialty)
            rows.append(
                changes[changes["indicator"] == indicator].assign(
                    label=f"{results.specialty_name(project.specialty)} {results.hospital_name(project.hospital)}"
                )
            )
        frame = pd.concat(rows) if rows else pd.DataFrame(columns=[*results.changes.columns, "label"])
        blocks.append(
            forest_of_changes(
                frame, f"change-{indicator}".replace("_", "-"), f"{name_on(indicator, 'frozen')}：与对照相比的变化"
            )
        )
        blocks.append(_change_table(results, frame, indicator))
    return Blocks(*blocks)


def forest_of_changes(frame: pd.DataFrame, id: str, caption: str) -> Block:
    """One picture of changes, a row each: `label`, `indicator`, `verdict` and what the verdict rests on."""
    estimate, low, high = (pd.to_numeric(frame[f"judged_{c}"]) for c in ("estimate", "low", "high"))
    shown = frame.assign(
        # 0 and infinity have no place on a logarithmic axis
        ratio=estimate.where(estimate > 0),
        low=low.where(low > 0),
        high=high.where(high < float("inf")),
        direction=[DIRECTION_KEYS[CATALOGUE[i].direction.value] for i in frame.get("indicator", [])],
    )
    return change_forest(shown[["label", "ratio", "low", "high", "direction", "verdict"]], id=id, caption=caption)


def forest_of(results: Results, changes: pd.DataFrame, id: str, caption: str) -> Block:
    """Several indicators of one unit in one picture."""
    return forest_of_changes(changes.assign(label=[name_on(i, "frozen") for i in changes["indicator"]]), id, caption)


def _change_table(results: Results, frame: pd.DataFrame, indicator: str) -> Table:
    peers = results.changes[
        (results.changes["level"] == "peers") & (results.changes["indicator"] == indicator)
    ].set_index("specialty")
    shown = change_rows(frame, peers)
    columns = [Column(name="label", label="建设项目", format=text), *CHANGE_COLUMNS]
    caption = f"{label(indicator, results.currency, 'frozen')}：建设前与建设周期"
    return table(shown, columns, id=f"changes-{indicator}".replace("_", "-"), caption=caption, note=SURE, wide=True)


CHANGE_COLUMNS = [
    Column(name="judged", label="判定", format=text),  # first, so that no narrow page cuts it off
    Column(name="sure", label="把握（改善 / 有意义的改善）", format=text, align="right"),
    Column(name="values", label="建设前 → 建设周期", format=text, align="right"),
    Column(name="ratio", label="前后比值（95% 区间）", format=text, align="right"),
    Column(name="peers", label="同专科未立项单元", format=text, align="right"),
    Column(name="corrected", label="对照校正比值（95% 区间）", format=text, align="right"),
    Column(name="steps", label="逐步：自身 → 除以对照 → 扣除基线回落", format=text, align="right"),
    Column(name="cases", label="例数前 / 后", format=text, align="right"),
    Column(name="covered", label="定基参照覆盖前 / 后", format=text, align="right"),
]


def change_rows(changes: pd.DataFrame, peers: pd.DataFrame) -> pd.DataFrame:
    """Changes as rows of text; `peers` indexed by specialty, or by indicator, as `changes` is matched."""
    key = "specialty" if peers.index.name == "specialty" else "indicator"
    return changes.assign(
        values=[before_after(row) for row in changes.to_dict("records")],
        ratio=[ratio_text(row) for _, row in changes.iterrows()],
        corrected=[
            MISSING if by == PLAIN else ratio_text(row.rename(lambda c: c.removeprefix("judged_")))
            for by, (_, row) in zip(
                changes["judged_by"], changes[["judged_estimate", "judged_low", "judged_high"]].iterrows(), strict=True
            )
        ],
        peers=[ratio_text(peers.loc[k]) if k in peers.index else "—" for k in changes[key]],
        cases=[_cases_of(row) for row in changes.to_dict("records")],
        covered=[_covered(row) for row in changes.to_dict("records")],
        judged=[verdict_of(row) for _, row in changes.iterrows()],
        steps=[_steps(row) for row in changes.to_dict("records")],
        sure=[sure(row) for _, row in changes.iterrows()],
    )


def _steps(change: Mapping[Hashable, Cell]) -> str:
    """`0.87 → 0.84 → 0.82`: which of the three steps decides is seen at once."""
    steps = [change["judged_step_own"], change["judged_step_comparison"], change["judged_estimate"]]
    return MISSING if any(missing(s) for s in steps) else " → ".join(rounded(s, 2) for s in steps)


def _covered(change: Mapping[Hashable, Cell]) -> str:
    """Shares of the cases of both periods that the frozen reference knows, rounded down."""
    shares = [change["covered_before"], change["covered_after"]]
    if all(missing(share) for share in shares):
        return MISSING
    return " / ".join(MISSING if missing(s) else f"{int(100 * s + 1e-9)}%" for s in shares)


def _cases_of(change: Mapping[Hashable, Cell]) -> str:
    """Cases before and after, and those that the verdict rests on where a project began within its cycle."""
    both, judged = ([change[f"{p}n_before"], change[f"{p}n_after"]] for p in ("", "judged_"))
    said = " / ".join(cases(n) for n in both)
    if pd.isna([*both, *judged]).any() or both == judged:
        return said
    return f"{said}（判定用 {' / '.join(cases(n) for n in judged)}）"


def unit_changes(results: Results, hospital: str, specialty: str) -> pd.DataFrame:
    """Changes of one unit, indicators in the order of the catalogue."""
    found = results.changes[
        (results.changes["level"] == "unit")
        & (results.changes["hospital"] == hospital)
        & (results.changes["specialty"] == specialty)
    ]
    order = {i: k for k, i in enumerate(CATALOGUE)}
    return found.sort_values("indicator", key=lambda s: s.map(order))


def all_units(results: Results) -> Blocks:
    """Verdicts on projects beside those that units without project would have got, and how many false ones to expect."""
    if not results.params.cycles:
        return Blocks()
    changes = results.changes.merge(results.units[["hospital", "specialty", "project"]], how="left")
    placebos, primary = results.placebos, results.params.change.primary
    rows = []
    for indicator in primary:
        own = changes[(changes["indicator"] == indicator) & (changes["level"] == "unit")]
        groups = (
            ("立项", own.loc[own["project"].fillna("") != "", "verdict"]),
            ("未立项（当作项目）", placebos.loc[placebos["indicator"] == indicator, "verdict"]),
        )
        for group, found in groups:
            counts = found.value_counts()
            rows.append(
                {
                    "indicator": name_on(indicator, "frozen"),
                    "group": group,
                    "n": len(found),
                    **{v.value: int(counts.get(v.value, 0)) for v in Verdict},
                }
            )
    columns = [
        Column(name="indicator", label="指标", format=text),
        Column(name="group", label="单元", format=text),
        Column(name="n", label="单元数", format=count),
        *[Column(name=v.value, label=v.zh, format=count) for v in Verdict],
    ]
    method = METHODS[RECOMMENDED].name_zh
    lead = (
        f"未立项单元没有项目：把它们逐一当作唯一的项目，用“{method}”评价，判定用的区间不含该单元自身。"
        "其中的“改善”与“变差”就是没有项目时也会出现的判定。"
    )
    blocks: list[Block] = chapter("与未立项单元对照", lead)
    if placebos.empty:
        return Blocks(*blocks, nothing_here(results, "没有可以这样评价的未立项单元。"))
    caption = "判定的个数：项目，与当作项目评价的未立项单元"
    return Blocks(
        *blocks,
        table(pd.DataFrame(rows), columns, id="background", caption=caption),
        Paragraph(text=false_verdicts(results)),
    )


def false_verdicts(results: Results) -> str:
    """How often a unit without project is called changed, and how many of the verdicts found that lets expect."""
    params = results.params.change
    changes = results.changes.merge(results.units[["hospital", "specialty", "project"]], how="left")
    found = looks(
        changes.assign(project=changes["project"].fillna("")), results.placebos, params.primary, params.confidence
    )
    shown = found[found["units"] > 0]
    if shown.empty:
        return "没有可以当作项目评价的未立项单元，无法由本次数据得出误判的比例。"
    # a share of a handful of units says nothing in percent
    shares = "；".join(
        f"{name_on(r.indicator, 'frozen')} "
        + (
            f"{rounded(r.changed, 1, 100)}%（{r.units} 个单元）"
            if r.units >= FEW_UNITS
            else f"只有 {r.units} 个单元，不足以估计"
        )
        for r in rows_of(shown)
    )
    total, expected, level = int(shown["found"].sum()), float(shown["expected"].sum()), 1 - params.confidence
    judged = int(shown["judged"].sum())
    said = (
        f"本次数据中，没有项目的单元被判为变化（改善或变差）的比例：{shares}。"
        f"照此比例，即使所有项目都没有作用，{judged} 项判定中预计也有 {rounded(expected, 1)} 项被判为变化"
        f"（按 {rounded(level, 0, 100)}% 的显著水平，至多约 {rounded(level * judged, 1)} 项）；实际判为变化的有 {total} 项。"
    )
    if params.multiplicity is not Multiplicity.NONE:
        said += f"判定已按全部项目的主要指标作多重比较校正（{params.multiplicity.zh}），实际误判应更少。"
    return said


__all__ = [
    "CAUTION",
    "FROZEN",
    "SURE",
    "all_units",
    "change_rows",
    "forest_of",
    "forest_of_changes",
    "forests",
    "judged_by",
    "marks_note",
    "projects",
    "unit_changes",
    "verdict_matrix",
    "verdict_of",
]
