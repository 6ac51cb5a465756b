"""数据断点: what jumped, beside the other units, and what to do about it."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.breaks import ASPECTS, INDICES, SHARES, size_of
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Blocks, Note
from toolkit.reporting.content.tables import Column, decimal, table, text
from toolkit.reporting.content.values import cases, label
from toolkit.reporting.figures.indicators import trend
from toolkit.reporting.figures.timeline import Shock
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.project import unit_of, years_of

LEAD = (
    "相邻两年之间，本单元的数值猛升或猛降，而其余单元同期没有：可能是结算、编码、上报范围或机构变动，也可能是真实的变化。"
    "在医院与主管部门说明之前（参数 breaks.explained），以此为据的判定暂缓。"
)
COLUMNS = [
    Column(name="aspect_zh", label="方面", format=text),
    Column(name="from", label="断点", format=text),
    Column(name="size", label="前一年 → 后一年", format=text, align="right"),
    Column(name="usual", label="其余单元同期", format=text, align="right"),
    Column(name="deviations", label="离其余单元（倍标准差）", format=decimal(1)),
    Column(name="cases", label="例数前 / 后", format=text, align="right"),
    Column(name="said", label="说明", format=text),
]


def of_unit(results: Results, project: str = "") -> Blocks:
    """The breaks of one unit with a picture of each index that broke; nothing where there is none."""
    unit = unit_of(results, project)
    found = results.breaks
    found = found[(found["hospital"] == unit["hospital"]) & (found["specialty"] == unit["specialty"])]
    if found.empty:
        return Blocks()
    blocks: list[Block] = chapter("数据断点", LEAD)
    blocks.append(table(_rows(found), COLUMNS, id="breaks", caption="本单元的数据断点", wide=True))
    for row in found[found["aspect"].isin(list(INDICES))].itertuples():
        blocks.append(_picture(results, unit, str(row.aspect), int(row.year)))
    if (found["statement"] == "").any():
        blocks.append(Note(text="有断点尚无说明：所涉指标判为“不能判定（数据断点，须核实）”。", tone="warning"))
    return Blocks(*blocks)


def of_region(results: Results) -> Blocks:
    """The breaks of all units."""
    found = results.breaks
    if found.empty:
        return Blocks()
    named = _rows(found).assign(
        unit=[results.unit_name(h, s) for h, s in zip(found["hospital"], found["specialty"], strict=True)]
    )
    columns = [Column(name="unit", label="单元", format=text), *COLUMNS]
    return Blocks(*chapter("数据断点", LEAD), table(named, columns, id="breaks", caption="各单元的数据断点", wide=True))


def _rows(found: pd.DataFrame) -> pd.DataFrame:
    usual = []
    for row in found.itertuples():
        if row.aspect == "drgs":
            usual.append(f"{100 * (1 + row.others):.0f}%")
        else:
            usual.append(f"{100 * row.others:+.0f} 个百分点" if row.aspect in SHARES else f"×{row.others:.2f}")
    return found.assign(
        aspect_zh=found["aspect"].map(ASPECTS),
        **{"from": [p or f"{y} 年" for p, y in zip(found["point"], found["year"], strict=True)]},
        size=[size_of(row) for row in found.itertuples()],
        usual=usual,
        cases=[f"{cases(a)} / {cases(b)}" for a, b in zip(found["n_before"], found["n_after"], strict=True)],
        said=found["statement"].replace("", "未说明"),
    )


def _picture(results: Results, unit: pd.Series, aspect: str, year: int) -> Block:
    """The unit's years beside those of the other units of its specialty, the years after the break shaded."""
    indicator = INDICES[aspect]
    return trend(
        years_of(results, unit, indicator),
        id=f"break-{indicator}-{year}".replace("_", "-"),
        caption=f"{CATALOGUE[indicator].name_zh}：{year} 年起的断点",
        unit="本单元",
        y_label=label(indicator, results.currency, "frozen"),
        after=None,
        shocks=[Shock(label="断点之后", start=year, end=max(results.params.all_years))],
        places=2,
    )


__all__ = ["of_region", "of_unit"]
