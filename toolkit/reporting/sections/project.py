"""One project's report: what a panel member reads before the on-site check."""

from __future__ import annotations

import pandas as pd

from toolkit.errors import ParameterError, did_you_mean
from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import POOR_DATA, Verdict
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph, Run
from toolkit.reporting.content.tables import Column, count, percent, table, text
from toolkit.reporting.content.values import cases, label, with_limits
from toolkit.reporting.figures.indicators import trend
from toolkit.reporting.sections import front
from toolkit.reporting.sections.change import (
    BOUNDARY,
    CAUTION,
    CHANGE_COLUMNS,
    FROZEN,
    SURE,
    change_rows,
    forest_of,
    judged_by,
    marks_note,
    projects,
    unit_changes,
)
from toolkit.reporting.sections.indicators import LEVELS, rank
from toolkit.reporting.sections.quality import shocks


def unit_of(results: Results, project: str) -> pd.Series:
    """The unit with this report id; the first project where it is empty.

    Raises
    ------
    ParameterError
        No such unit, with the nearest id; or the run names no project.
    """
    units = results.units
    if not project:
        first = projects(results)
        if first.empty:
            raise ParameterError(
                "参数文件未列出建设项目", "the run names no project", remedy="在参数文件 projects 中列出"
            )
        return first.iloc[0]
    found = units[units["id"] == project]
    if found.empty:
        raise ParameterError(
            f"没有评估单元 {project}",
            "no such unit",
            where="project",
            **did_you_mean(project, units["id"], "见 results/units.parquet", "see results/units.parquet"),
        )
    return found.iloc[0]


def cover(results: Results, project: str = "") -> Blocks:
    """Title, facts and the answer in one paragraph."""
    unit = unit_of(results, project)
    hospital, specialty = unit["hospital"], unit["specialty"]
    level = results.hospitals.set_index("code")["level"].get(hospital, "")
    counts = "；".join(f"{name} {cases(unit[f'n_{label_}'])} 例" for label_, name in results.periods.items())
    pairs = (
        ("医疗机构", results.hospital_name(hospital)),
        ("级别等次", level),
        ("专科", results.specialty_name(specialty)),
        ("项目级别", f"{unit['project']}级" if unit["project"] else "未立项"),
        ("出院病例", counts),
    )
    title = (
        f"{results.specialty_name(specialty)} 建设项目评估报告"
        if unit["project"]
        else f"{results.specialty_name(specialty)} 评估报告"
    )
    return Blocks(
        *front.cover(results, title, results.hospital_name(hospital), tuple((k, v) for k, v in pairs if v)),
        *front.chapter("结论"),
        *conclusion(results, unit),
    )


def conclusion(results: Results, unit: pd.Series) -> list[Block]:
    """The verdicts on the primary indicators, counted and named."""
    primary = results.params.change.primary
    changes = unit_changes(results, unit["hospital"], unit["specialty"])
    changes = changes[changes["indicator"].isin(primary)]
    if changes.empty:
        return [Note(text=f"本单元有周期不足 {results.params.minimum_unit_cases} 例，不予评价。", tone="warning")]
    if not unit["project"]:
        return [Paragraph(text="本单元没有立项：前后变化只作描述，不下判定；水平与逐年变化见以下各表。")]
    runs = [Run(text=f"{results.periods['after']}与{results.periods['before']}相比，{len(primary)} 项主要指标中：")]
    parts = []
    for verdict, rows in changes.groupby("verdict", sort=False):
        names = "、".join(
            CATALOGUE[i].name_zh + (BOUNDARY if b else "")
            for i, b in zip(rows["indicator"], rows["boundary"], strict=True)
        )
        parts.append(f"{Verdict(str(verdict)).zh} {len(rows)} 项（{names}）")
    runs.append(Run(text="；".join(parts) + "。", strong=True))
    blocks: list[Block] = [Paragraph(runs=tuple(runs))]
    if not unit["eligible"]:
        blocks.append(
            Note(text=f"本单元有周期不足 {results.params.minimum_unit_cases} 例，结果只作参考。", tone="warning")
        )
    poor = changes.loc[changes["reason"] == POOR_DATA, "reason_zh"]
    if len(poor):
        blocks.append(Note(text=f"{poor.iloc[0]}，本单元各项指标均不予评价。", tone="warning"))
    return blocks


def primary_changes(results: Results, project: str = "") -> Blocks:
    """Primary indicators before and after, with the peers' change and the verdict."""
    unit = unit_of(results, project)
    primary = results.params.change.primary
    changes = unit_changes(results, unit["hospital"], unit["specialty"])
    changes = changes[changes["indicator"].isin(primary)]
    peers = results.changes[(results.changes["level"] == "peers") & (results.changes["specialty"] == unit["specialty"])]
    rows = change_rows(changes, peers.set_index("indicator")).assign(
        label=[label(i, results.currency) for i in changes["indicator"]]
    )
    columns = [Column(name="label", label="指标", format=text), *CHANGE_COLUMNS]
    return Blocks(
        *front.chapter("主要指标：建设前与建设周期", FROZEN),
        table(
            rows, columns, id="primary", caption="主要指标的前后变化与判定", note=marks_note(results) + SURE, wide=True
        ),
        *[
            Note(text=f"{why}，不能给 DRG 分级，各低风险类死亡率不予评价。")
            for why in results.facts.insufficient["frozen"].values()
        ],
        forest_of(results, changes, "primary-forest", "主要指标：判定所用的比值"),
        Paragraph(text=judged_by(results)),
        Note(text=CAUTION, tone="warning"),
    )


def trends(results: Results, project: str = "") -> Blocks:
    """The years of each primary indicator beside the peers, on the frozen basis."""
    unit = unit_of(results, project)
    blocks: list[Block] = front.chapter(
        "主要指标的逐年变化", "与前后比较用同一口径（定基），可看出变化是否从建设周期开始。"
    )
    cells = results.cells[(results.cells["basis"] == "frozen") & (results.cells["specialty"] == unit["specialty"])]
    cells = cells[cells["period"].isin([str(y) for y in results.params.all_years])]
    own = cells[(cells["level"] == "unit") & (cells["hospital"] == unit["hospital"])].assign(series="本单元")
    peers = cells[cells["level"] == "peers"].assign(series="同专科未立项单元")
    both = pd.concat([own, peers]).assign(period=lambda f: f["period"].astype(int))
    after = results.params.cycles.after.first if results.params.cycles else None
    for indicator in results.params.change.primary:
        one, frame = CATALOGUE[indicator], both[both["indicator"] == indicator]
        blocks.append(
            trend(
                frame,
                id=f"trend-{indicator}".replace("_", "-"),
                caption=f"{one.name_zh}：逐年",
                unit="本单元",
                y_label=label(indicator, results.currency),
                after=after,
                shocks=shocks(results),
                places=min(one.decimals, 2) if one.unit == "" else one.decimals,
            )
        )
    return Blocks(*blocks)


def standing(results: Results, project: str = "", indicators: tuple[str, ...] = ("cost_index", "los_index")) -> Blocks:
    """Where the unit stands among the units of its specialty in the cycle."""
    unit = unit_of(results, project)
    return Blocks(
        *front.chapter("在同专科中的位置", LEVELS),
        *[rank(results, unit["specialty"], i, unit["hospital"]) for i in indicators],
    )


def all_indicators(results: Results, project: str = "") -> Blocks:
    """Every indicator in each period against its own reference, with n, coverage and own share."""
    unit = unit_of(results, project)
    cells = results.cells[
        (results.cells["level"] == "unit")
        & (results.cells["basis"] == "contemporaneous")
        & (results.cells["hospital"] == unit["hospital"])
        & (results.cells["specialty"] == unit["specialty"])
    ]
    rows = []
    for indicator in CATALOGUE:
        of_indicator = cells[cells["indicator"] == indicator].set_index("period")
        row: dict[str, object] = {"label": label(indicator, results.currency)}
        for period in results.periods:
            row[period] = with_limits(of_indicator.loc[period]) if period in of_indicator.index else "—"
        last = of_indicator.loc[results.last_period] if results.last_period in of_indicator.index else None
        row |= {"n": last["n"], "covered": last["covered"], "own": last["own_share"]} if last is not None else {"n": 0}
        rows.append(row)
    columns = [Column(name="label", label="指标", format=text)]
    columns += [Column(name=p, label=name, format=text, align="right") for p, name in results.periods.items()]
    columns += [
        Column(name="n", label="例数（后）" if len(results.periods) > 1 else "例数", format=count),
        Column(name="covered", label="有参照的病例", format=percent(1)),
        Column(name="own", label="本单元占参照", format=percent(1)),
    ]
    frame = pd.DataFrame(rows).reindex(columns=["label", *results.periods, "n", "covered", "own"])
    return Blocks(
        *front.chapter("全部指标", LEVELS),
        table(
            frame,
            columns,
            id="all",
            caption="全部指标的水平",
            wide=False,
            note="括号内为 95% 区间。有参照的病例：参照中有同 DRG 均值的病例所占比例；"
            "本单元占参照：参照病例中来自本单元的比例，越高则指数越被拉向 1。",
        ),
    )
