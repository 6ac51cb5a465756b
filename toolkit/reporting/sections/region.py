"""正文 of a region: every project at a glance, who moved, how far the data carry; at most twelve pages.

Verdicts in full, methods, funnels and values by specialty follow in the technical annex of the same notebook.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from toolkit.evaluation import data_quality as dq
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content import plain_words as words
from toolkit.reporting.content.blocks import Block, Blocks, Heading, Meta, Note, Paragraph, Run, Title
from toolkit.reporting.content.tables import Column, count, decimal, percent, table, text
from toolkit.reporting.content.values import MARKS, before_after, label, name_on, probability
from toolkit.reporting.sections.change import false_verdicts, projects, unit_changes
from toolkit.reporting.sections.front import chapter, nothing_here

LEAGUE = 20  # hospitals with the least sound records; all of them stand in the report on data quality
MOVED = (Verdict.WORSE, Verdict.IMPROVED)
GLANCE_NOTE = (
    "每格为该机构该专科项目的主要指标："
    + "，".join(f"{MARKS[v]} {v.zh}" for v in Verdict)
    + "；同一判定有几项就记几次；"
    "※ 其中有结论随政策选择而变的。空格没有项目。"
)


def first_page(results: Results) -> Blocks:
    """How the projects of the region came out, in words; then the facts of the run and what must be said about the data."""
    found = _projects(results)
    facts = (
        ("评价年份", "、".join(results.periods.values())),
        ("医疗机构", f"{len(results.hospitals)} 家"),
        ("评价单元", f"{len(results.units)} 个，其中建设项目 {len(found)} 个"),
    )
    notes = "；".join(n.rstrip("。；") for n in results.params.notes)
    return Blocks(
        Title(text="区域评估报告", subtitle=results.params.title),
        Heading(text="结论"),
        *_conclusion(results, found),
        Meta(pairs=facts),
        *([Note(text=f"{notes}。", tone="warning")] if notes else []),
    )


def _projects(results: Results) -> pd.DataFrame:
    """The projects with their primary changes and what these say together."""
    rows: list[dict[str, Any]] = []
    for unit in rows_of(projects(results)):
        changes = unit_changes(results, unit.hospital, unit.specialty)
        primary = changes[changes["indicator"].isin(results.params.change.primary)].to_dict("records")
        rows.append(
            {
                "hospital": unit.hospital,
                "specialty": unit.specialty,
                "level": unit.project,
                "changes": primary,
                "summary": words.summary(primary),
            }
        )
    return pd.DataFrame(rows, columns=["hospital", "specialty", "level", "changes", "summary"])


def _conclusion(results: Results, found: pd.DataFrame) -> list[Block]:
    if found.empty or not results.params.cycles:
        return [Paragraph(text="本次评价没有可作前后比较的建设项目：以下只描述水平与数据质量。")]
    counts = found["summary"].value_counts()
    said = "；".join(f"{word} {counts[word]} 个" for word in words.SUMMARIES if word in counts)
    worse = found[found["summary"].isin(["有变差", "有改善，也有变差"])]
    names = words.listed([results.unit_name(r.hospital, r.specialty) for r in rows_of(worse)])
    blocks: list[Block] = [
        Paragraph(
            runs=(
                Run(text=f"{len(found)} 个建设项目：{said}。", strong=True),
                Run(text=f"有主要指标变差的：{names}。" if names else "没有项目的主要指标被判为变差。"),
                Run(text="“分辨不出”不是没有变化，“不能评价”不是不合格。"),
            )
        )
    ]
    # the release edition does not give the units without project that this rests on
    return [*blocks, *([Paragraph(text=false_verdicts(results))] if results.params.edition == "internal" else [])]


def glance(results: Results) -> Blocks:
    """Hospitals × specialties: the marks of every project in one table."""
    found = _projects(results)
    if found.empty or not results.params.cycles:
        return Blocks()
    specialties = [s for s in results.params.specialties if s.id in set(found["specialty"])]
    rows = []
    for hospital, part in found.groupby("hospital", sort=True):
        marks = {s: _marks(changes) for s, changes in zip(part["specialty"], part["changes"], strict=True)}
        rows.append({"name": results.hospital_name(str(hospital)), **{s.id: marks.get(s.id, "") for s in specialties}})
    columns = [
        Column(name="name", label="医疗机构", format=text),
        *[Column(name=s.id, label=s.name_zh, format=text, align="center") for s in specialties],
    ]
    return Blocks(
        *chapter("全部项目一览"),
        table(pd.DataFrame(rows), columns, id="glance", caption="各机构各专科项目的判定", note=GLANCE_NOTE, wide=True),
    )


def _marks(changes: list[dict[str, Any]]) -> str:
    said = "".join(MARKS[verdict] * len(rows) for verdict, rows in words.by_verdict(changes).items())
    return said + (words.BOUNDARY if any(c["boundary"] for c in changes) else "")


def movers(results: Results) -> Blocks:
    """The primary indicators that were judged changed, the worsened first, the surest of each at the top."""
    found = _projects(results)
    if found.empty or not results.params.cycles:
        return Blocks()
    rows = []
    for project in rows_of(found):
        for change in project.changes:
            if Verdict(change["verdict"]) in MOVED:
                rows.append(
                    {
                        "unit": results.unit_name(project.hospital, project.specialty),
                        "name": name_on(change["indicator"], "frozen"),
                        "verdict": f"{MARKS[Verdict(change['verdict'])]} {Verdict(change['verdict']).zh}"
                        + (words.BOUNDARY if change["boundary"] else ""),
                        "values": before_after(change),
                        "size": words.higher_or_lower(change["judged_estimate"]),
                        "between": words.between(change["judged_low"], change["judged_high"]),
                        "sure": probability(change["p_meaningful"]),
                        "_worse": Verdict(change["verdict"]) is Verdict.WORSE,
                        "_p": change["p_meaningful"],
                    }
                )
    blocks: list[Block] = chapter("判为变化的项目", "与未立项的同类单元同期变化相比；变差的在前，各按把握排列。")
    if not rows:
        return Blocks(*blocks, Paragraph(text="没有项目的主要指标被判为改善或变差。"))
    shown = pd.DataFrame(rows)
    shown["_p"] = shown["_p"].where(~shown["_worse"], -shown["_p"])
    shown = shown.sort_values(["_worse", "_p", "unit", "name"], ascending=[False, False, True, True], kind="stable")
    columns = [
        Column(name="unit", label="项目", format=text),
        Column(name="name", label="指标", format=text),
        Column(name="verdict", label="判定", format=text),
        Column(name="values", label="建设前 → 建设周期", format=text),
        Column(name="size", label="与对照相比", format=text),
        Column(name="between", label="真实差别多半在（95% 区间）", format=text),
        Column(name="sure", label="有意义改善的把握", format=text, align="right"),
    ]
    return Blocks(*blocks, table(shown, columns, id="movers", caption="判为改善或变差的主要指标", wide=False))


def coverage(results: Results) -> Blocks:
    """Per specialty: units, projects, and how many of these have enough cases and at least one verdict."""
    found = _projects(results)
    rows = []
    for specialty in results.params.specialties:
        units = results.units[results.units["specialty"] == specialty.id]
        mine = found[found["specialty"] == specialty.id]
        rows.append(
            {
                "name": specialty.name_zh,
                "units": len(units),
                "eligible": int(units["eligible"].sum()),
                "projects": len(mine),
                "judged": int((mine["summary"] != "不能评价").sum()),
            }
        )
    columns = [
        Column(name="name", label="专科", format=text),
        Column(name="units", label="单元", format=count),
        Column(name="eligible", label="例数足够", format=count),
        Column(name="projects", label="建设项目", format=count),
        Column(name="judged", label="其中能评价", format=count),
    ]
    lead = f"例数足够：每个周期不少于 {results.params.minimum_unit_cases} 例。能评价：至少一项主要指标有判定。"
    return Blocks(
        *chapter("覆盖", lead), table(pd.DataFrame(rows), columns, id="coverage", caption="各专科的单元与项目")
    )


def specialties(results: Results) -> Blocks:
    """The specialties side by side: a few indicators of the whole region in the last period."""
    cells = results.cells
    cells = cells[
        (cells["level"] == "specialty")
        & (cells["basis"] == "contemporaneous")
        & (cells["period"] == results.last_period)
        & cells["indicator"].isin(SHOWN)
    ]
    wide = cells.pivot_table(index="specialty", columns="indicator", values="value", aggfunc="first")
    shown = [i for i in SHOWN if i in wide.columns]
    rows = [
        {"name": s.name_zh, **{i: wide.loc[s.id, i] for i in shown}}
        for s in results.params.specialties
        if s.id in wide.index
    ]
    columns = [Column(name="name", label="专科", format=text)]
    columns += [
        Column(name=i, label=label(i, results.currency, "contemporaneous"), format=decimal(CATALOGUE[i].decimals))
        for i in shown
    ]
    caption = f"各专科，{results.periods[results.last_period]}"
    return Blocks(*chapter("各专科的规模"), table(pd.DataFrame(rows), columns, id="specialties", caption=caption))


SHOWN = ("volume", "grouped_share", "mean_cost", "mean_los", "mortality")


def league(results: Results) -> Blocks:
    """The hospitals whose records were objected to most, and those whose data do not suffice."""
    blocks: list[Block] = chapter(
        "数据质量位次",
        "完好率 = 没有任何隔离或提示的病例 ÷ 应评价的病例。它只说明数据，不说明医疗质量；全表见数据质量报告。",
    )
    if not dq.given(results):
        return Blocks(*blocks, nothing_here(results, "没有数据质量的结果。"))
    found = dq.standing(results)
    poor = found[found["reasons"] != ""]
    # a league of hospitals without a single fault would only put them in the order of their codes
    ranked = found[found["rank"].notna() & (found["share"] < 1)]
    ranked = ranked.sort_values(["rank", "hospital"], ascending=[False, True]).head(LEAGUE)
    said = f"{len(found)} 家医疗机构中，{len(poor)} 家的数据不足以评价"
    said += f"：{words.listed([results.hospital_name(h) for h in poor['hospital']])}。" if len(poor) else "。"
    if not len(ranked):
        return Blocks(*blocks, Paragraph(text=f"{said}其余医疗机构没有被隔离或提示的病例。"))
    shown = ranked.assign(
        name=[results.hospital_name(h) for h in ranked["hospital"]], rank=ranked["rank"].astype("int64")
    )
    columns = [
        Column(name="rank", label="位次", format=count),
        Column(name="name", label="医疗机构", format=text),
        Column(name="judged", label="应评价", format=count),
        Column(name="share", label="完好率", format=percent(1)),
        Column(name="quarantined", label="隔离占比", format=percent(2)),
    ]
    caption = "完好率最低的医疗机构"
    return Blocks(*blocks, Paragraph(text=said), table(shown, columns, id="league", caption=caption))


__all__ = ["coverage", "first_page", "glance", "league", "movers", "specialties"]
