"""Where each number of a project comes from: what is divided by what, over which cases, against which reference."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE, rests_on_basis
from toolkit.reporting.content.blocks import Blocks
from toolkit.reporting.content.tables import MISSING, Column, count, missing, percent, rounded, table, text
from toolkit.reporting.content.values import BASES, with_limits
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.project import unit_of

LEAD = (
    "一行是一个数值：分子除以分母（再乘单位的倍数）得到它。在网页上点指标名，看手册里的定义、实际执行的表达式和算例；"
    "各 DRG 的贡献见“为什么变化”，被排除与隔离的病例见本附件末的收支平衡。"
)
NOTE = (
    "有参照的病例：参照中有同 DRG 均值的病例所占比例。本单元占参照：参照病例中来自本单元的比例。"
    "不依参照的指标两种口径相同，只列一次。"
)

LARGE = 10_000


def anchor(indicator: str) -> str:
    """The place of an indicator's rows in a project's annex."""
    return f"origin-{indicator}".replace("_", "-")


def definition(indicator: str) -> str:
    """The place of an indicator in the handbook of the run, from a page of one of its reports."""
    return f"../handbook.html#{of_definition(indicator)}"


def of_definition(indicator: str) -> str:
    """The anchor of an indicator in the handbook."""
    return f"indicator-{indicator}".replace("_", "-")


def of_project(results: Results, project: str = "") -> Blocks:
    """Every value of a project's unit with its numerator, denominator, cases, coverage and own share."""
    unit = unit_of(results, project)
    cells = results.cells
    own = cells[
        (cells["level"] == "unit")
        & (cells["hospital"] == unit["hospital"])
        & (cells["specialty"] == unit["specialty"])
        & cells["period"].isin(results.periods)
    ].set_index(["indicator", "basis", "period"])
    rows, places, links = [], [], []
    for indicator, one in CATALOGUE.items():
        first = True
        for basis in BASES if rests_on_basis(one) else ("contemporaneous",):
            for period, words in results.periods.items():
                if (indicator, basis, period) not in own.index:
                    continue
                cell = own.loc[(indicator, basis, period)]
                if missing(cell["x"]) and missing(cell["value"]):
                    continue
                rows.append(_row(cell, indicator, basis if rests_on_basis(one) else "", words.split("（")[0]))
                places.append(anchor(indicator) if first else "")
                links.append(definition(indicator))
                first = False
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="basis", label="口径", format=text),
        Column(name="period", label="时期", format=text),
        Column(name="x", label="分子", format=text, align="right"),
        Column(name="y", label="分母", format=text, align="right"),
        Column(name="value", label="数值（95% 区间）", format=text, align="right"),
        Column(name="n", label="例数", format=count),
        Column(name="covered", label="有参照的病例", format=percent(1)),
        Column(name="own", label="本单元占参照", format=percent(1)),
    ]
    shown = table(
        pd.DataFrame(rows, columns=[c.name for c in columns]),
        columns,
        id="origins",
        caption="每个数值由什么得来",
        note=NOTE,
        wide=True,
        places=places,
        links=links,
    )
    return Blocks(*chapter("每个数值怎样得来", LEAD), shown)


def _row(cell: pd.Series, indicator: str, basis: str, period: str) -> dict[str, object]:
    one = CATALOGUE[indicator]
    against = rests_on_basis(one)
    return {
        "name": one.name_zh,
        "basis": BASES.get(basis, MISSING),
        "period": period,
        "x": _sum(cell["x"]),
        "y": _sum(cell["y"]) if one.divides else MISSING,
        "value": with_limits(pd.Series({**cell, "indicator": indicator})),
        "n": cell["n"],
        "covered": cell["covered"] if against else None,
        "own": cell["own_share"],
    }


def _sum(value: float) -> str:
    """A sum with five digits or so: whole numbers whole."""
    if missing(value):
        return MISSING
    return rounded(value, 0 if float(value).is_integer() or abs(value) >= LARGE else 2)
