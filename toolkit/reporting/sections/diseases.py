"""单病种: cases, stay, cost and fatality of each disease, each against its reference."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.frames import row_at
from toolkit.indicators.base import Status
from toolkit.indicators.diseases import DISEASES
from toolkit.reporting.content.blocks import Block, Blocks, Note
from toolkit.reporting.content.tables import MISSING, Column, missing, rounded, table, text
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.sections.project import unit_of

LEAD = "按主要诊断界定的病种，各与参照中的同一病种比较（每年对本年的参照）；未校正年龄与病情轻重。"


def of_region(results: Results) -> Blocks:
    """Diseases of the whole region in the last period."""
    cells = _cells(results, "region")
    return Blocks(*chapter("重点病种", LEAD), _table(results, cells, "diseases-region", "全区域各病种"))


def of_hospitals(results: Results) -> Blocks:
    """Every disease in the hospitals that have cases of it, against the reference, in the last period."""
    cells = _cells(results, "hospital")
    blocks: list[Block] = chapter("各机构的重点病种", LEAD)
    if results.params.edition == "release":
        return of_region(results)
    for id_, name in results.facts.diseases:
        mine = cells[cells["disease"] == id_]
        if len(mine):
            blocks.append(_table(results, mine, f"disease-{id_}".replace("_", "-"), f"{name}：各机构", of="hospital"))
    return Blocks(*blocks)


def of_unit(results: Results, project: str = "") -> Blocks:
    """Diseases of one unit in the last period."""
    unit = unit_of(results, project)
    cells = _cells(results, "unit")
    mine = cells[(cells["hospital"] == unit["hospital"]) & (cells["specialty"] == unit["specialty"])]
    return Blocks(*chapter("重点病种", LEAD), _table(results, mine, "diseases-unit", "本单元各病种"))


def leading(results: Results, project: str, most: int) -> Blocks:
    """The diseases with the most cases of one unit, without intervals: the table of all of them stands in the annex."""
    unit = unit_of(results, project)
    cells = _cells(results, "unit")
    mine = cells[(cells["hospital"] == unit["hospital"]) & (cells["specialty"] == unit["specialty"])]
    said = mine[mine["value"].notna() & (mine["indicator"] != "disease_volume")]
    mine = mine[mine["disease"].isin(said["disease"])]
    if mine.empty or results.params.edition == "release":
        return Blocks()
    first = mine.groupby("disease")["n"].max().sort_values(ascending=False, kind="stable").index[:most]
    shown = mine[mine["disease"].isin(first)].assign(low=float("nan"), high=float("nan"))
    made = _table(results, shown, "diseases-leading", "例数最多的病种")
    return Blocks(*chapter("单病种", LEAD), made)


def _cells(results: Results, level: str) -> pd.DataFrame:
    found = results.diseases
    mine = (found["level"] == level) & (found["basis"] == "contemporaneous") & (found["period"] == results.last_period)
    return found[mine]


def _table(results: Results, cells: pd.DataFrame, id: str, caption: str, of: str = "disease") -> Block:
    if results.params.edition == "release":
        return Note(text="发布版不列病种表：单个病种的例数往往很少。")
    if cells.empty:
        return Note(text=f"{caption}：评价期内没有病种集中的病例（{results.facts.lists['病种']}）。")
    names = dict(results.facts.diseases)
    rows = []
    order = [d for d in names if d in set(cells[of])] if of == "disease" else sorted(cells[of].unique())
    for key in order:
        mine = cells[cells[of] == key].set_index("indicator")
        name = names[key] if of == "disease" else results.hospital_name(key)
        rows.append({"name": name, **{i: _written(row_at(mine, i), i) for i in DISEASES if i in mine.index}})
    columns = [Column(name="name", label="病种" if of == "disease" else "医疗机构", format=text)]
    for i, one in DISEASES.items():
        unit = results.currency if one.unit == "元" else one.unit
        short = one.name_zh.removeprefix("病种")
        columns.append(Column(name=i, label=f"{short}（{unit}）" if unit else short, format=text, align="right"))
    note = f"病种集：{results.facts.lists['病种']}；{results.periods[results.last_period]}；括号内为区间。"
    return table(pd.DataFrame(rows), columns, id=id, caption=caption, note=note, wide=True)


def _written(row: pd.Series, indicator: str) -> str:
    one = DISEASES[indicator]
    if row["status"] != Status.VALUE.value:
        return Status(row["status"]).zh
    shown = rounded(row["value"], one.decimals)
    if missing(row["low"]) or missing(row["high"]):
        return shown if shown else MISSING
    return f"{shown}（{rounded(row['low'], one.decimals)}–{rounded(row['high'], one.decimals)}）"
