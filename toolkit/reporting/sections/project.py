"""One project's report: what a panel member reads before the on-site check."""

from __future__ import annotations

import pandas as pd

from toolkit.errors import ParameterError, did_you_mean
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph
from toolkit.reporting.content.tables import Column, count, percent, table, text
from toolkit.reporting.content.values import label, name_on, with_limits
from toolkit.reporting.figures.indicators import trend
from toolkit.reporting.sections import front
from toolkit.reporting.sections.change import (
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


def primary_changes(results: Results, project: str = "") -> Blocks:
    """Primary indicators before and after, with the peers' change and the verdict."""
    unit = unit_of(results, project)
    primary = results.params.change.primary
    changes = unit_changes(results, unit["hospital"], unit["specialty"])
    changes = changes[changes["indicator"].isin(primary)]
    peers = results.changes[(results.changes["level"] == "peers") & (results.changes["specialty"] == unit["specialty"])]
    rows = change_rows(changes, peers.set_index("indicator")).assign(
        label=[label(i, results.currency, "frozen") for i in changes["indicator"]]
    )
    columns = [Column(name="label", label="指标", format=text), *CHANGE_COLUMNS]
    return Blocks(
        *front.chapter("主要指标：建设前与建设周期", front.basis_words(results, FROZEN)),
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
    after = results.params.cycles.after.first if results.params.cycles else None
    for indicator in results.params.change.primary:
        one = CATALOGUE[indicator]
        blocks.append(
            trend(
                years_of(results, unit, indicator),
                id=f"trend-{indicator}".replace("_", "-"),
                caption=f"{name_on(indicator, 'frozen')}：逐年",
                unit="本单元",
                y_label=label(indicator, results.currency, "frozen"),
                after=after,
                shocks=shocks(results),
                places=min(one.decimals, 2) if one.unit == "" else one.decimals,
            )
        )
    return Blocks(*blocks)


def years_of(results: Results, unit: pd.Series, indicator: str) -> pd.DataFrame:
    """The years of one indicator of a unit and of the other units of its specialty, on the frozen basis, for `trend`."""
    cells = results.cells
    cells = cells[
        (cells["basis"] == "frozen")
        & (cells["specialty"] == unit["specialty"])
        & (cells["indicator"] == indicator)
        & cells["period"].isin([str(y) for y in results.params.all_years])
    ]
    own = cells[(cells["level"] == "unit") & (cells["hospital"] == unit["hospital"])].assign(series="本单元")
    peers = cells[cells["level"] == "peers"].assign(series="同专科未立项单元")
    return pd.concat([own, peers]).assign(period=lambda f: f["period"].astype(int))


def standing(results: Results, project: str = "", indicators: tuple[str, ...] = ("cost_index", "los_index")) -> Blocks:
    """Where the unit stands among the units of its specialty in the cycle."""
    unit = unit_of(results, project)
    return Blocks(
        *front.chapter("在同专科中的位置", front.basis_words(results, LEVELS)),
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
        row: dict[str, object] = {"label": label(indicator, results.currency, "contemporaneous")}
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
        *front.chapter("全部指标", front.basis_words(results, LEVELS)),
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
