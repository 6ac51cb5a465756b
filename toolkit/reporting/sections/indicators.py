"""指标: values of the region, of specialties, of units against each other."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.frames import groups_of
from toolkit.indicators import CATALOGUE, Domain, Indicator, Status
from toolkit.reference.grades import GRADES
from toolkit.reporting.content.blocks import Block, Blocks, Figure, Heading, Note, Table
from toolkit.reporting.content.tables import Column, count, decimal, missing, table, text
from toolkit.reporting.content.values import POOLED, events, is_rare, label, name_on, number, of_events, with_limits
from toolkit.reporting.figures.indicators import grade_scatter, ranking
from toolkit.reporting.sections.front import basis_words, chapter

ACROSS = 6  # indicators beside each other
LEVELS = "当期参照：每一年以本年的参照计算，用于看水平和排名，不用于前后比较。"


def region_by_year(results: Results) -> Blocks:
    """Indicators of the whole region, a column a year."""
    cells = _cells(results, "region")
    years = [str(y) for y in results.params.all_years]
    rows = [
        {"label": label(i, results.currency, "contemporaneous"), **{y: _value(cells, i, y) for y in years}}
        for i in CATALOGUE
        if _any(cells[cells["indicator"] == i])
    ]
    columns = [
        Column(name="label", label="指标", format=text),
        *[Column(name=y, label=y, format=text, align="right") for y in years],
    ]
    own = "消耗指数与 CMI" if results.params.weights.source == "reference" else "消耗指数"
    note = f"参照就是区域自身，{own}恒为 1，列出以便核对。"
    return Blocks(
        *chapter("区域概况", basis_words(results, LEVELS)),
        table(pd.DataFrame(rows), columns, id="region", caption="区域各年指标", note=note),
    )


def by_specialty(results: Results) -> Blocks:
    """Indicators of every specialty in the last period, one table for each domain."""
    period, cells = results.last_period, _cells(results, "specialty")
    blocks: list[Block] = chapter(
        "各专科", f"{results.periods[period]}，全区域各机构合并。{basis_words(results, LEVELS)}"
    )
    for domain in Domain:
        of_domain = [i for i, one in CATALOGUE.items() if one.domain is domain and _any(cells[cells["indicator"] == i])]
        for part in range(0, len(of_domain), ACROSS):
            shown = of_domain[part : part + ACROSS]
            rows = [
                {"name": s.name_zh, **{i: _value(cells[cells["specialty"] == s.id], i, period) for i in shown}}
                for s in results.params.specialties
            ]
            columns = [Column(name="name", label="专科", format=text)]
            columns += [
                Column(name=i, label=label(i, results.currency, "contemporaneous"), format=text, align="right")
                for i in shown
            ]
            id_ = f"specialty-{domain.name.lower()}"
            more = f"（{part // ACROSS + 1}）" if len(of_domain) > ACROSS else ""
            blocks.append(
                table(
                    pd.DataFrame(rows),
                    columns,
                    id=f"{id_}-{part // ACROSS + 1}" if part else id_,
                    caption=f"各专科：{domain.value}{more}",
                )
            )
    return Blocks(*blocks)


def unit_rankings(results: Results, indicator: str = "cost_index") -> Blocks:
    """Units of every specialty by one index in the last period."""
    blocks: list[Block] = chapter(f"各评估单元：{name_on(indicator, 'contemporaneous')}", basis_words(results, LEVELS))
    blocks += [rank(results, s.id, indicator) for s in results.params.specialties]
    return Blocks(*blocks)


def rank(results: Results, specialty: str, indicator: str, hospital: str = "") -> Figure | Note:
    """Units of one specialty from the lowest to the highest value; the given hospital in colour."""
    period, one = results.last_period, CATALOGUE[indicator]
    cells = _cells(results, "unit")
    cells = cells[(cells["specialty"] == specialty) & (cells["indicator"] == indicator) & (cells["period"] == period)]
    eligible = results.units[results.units["eligible"] | (results.units["hospital"] == hospital)]
    cells = cells.merge(eligible[["hospital", "specialty"]], on=["hospital", "specialty"])
    funded = set(
        results.units.loc[results.units["project"] != "", ["hospital", "specialty"]].itertuples(index=False, name=None)
    )
    frame = cells.assign(
        label=[results.hospital_name(h) + ("（立项）" if (h, specialty) in funded else "") for h in cells["hospital"]],
        highlight=cells["hospital"] == hospital if hospital else [(h, specialty) in funded for h in cells["hospital"]],
    )
    scaled = isinstance(one, Indicator) and one.unit == ""
    return ranking(
        frame,
        id=f"rank-{specialty}-{indicator}".replace("_", "-"),
        x_label=label(indicator, results.currency, "contemporaneous"),
        reference=1.0 if scaled else None,
        reference_label="参照",
        places=min(one.decimals, 2) if scaled else one.decimals,
        caption=f"{results.specialty_name(specialty)}：各机构{name_on(indicator, 'contemporaneous')}，{results.periods[period]}",
        note=f"仅列每周期不少于 {results.params.minimum_unit_cases} 例的单元。",
    )


def grades(results: Results, basis: str = "frozen") -> Blocks:
    """Risk grades of the DRGs: what they rest on and how deaths spread over them."""
    graded = results.grades[results.grades["basis"] == basis]
    blocks: list[Block] = chapter(
        "DRG 死亡风险分级",
        "各 DRG 的住院死亡率取自然对数后标准化（各组等权）：z<−1 低风险，−1≤z<0 中低风险，0≤z<1 中高风险，z≥1 高风险；"
        "无死亡的 DRG 单列，例数不足的不分级。",
    )
    for window, why in results.facts.insufficient[basis].items():
        blocks.append(Note(text=f"{_window(results, window)}：{why}，低风险类死亡率不予评价。", tone="warning"))
    for window, part in groups_of(graded.groupby("window")):
        known = part[part["grade"].notna() & (part["drg"] != POOLED)]  # several DRGs together are no point
        frame = known.assign(deaths=known["died"], grade=known["grade"].astype(int))[["n", "deaths", "grade"]]
        blocks.append(
            grade_scatter(
                frame, id=f"grades-{window}", caption=f"各 DRG 的病死率与风险级别（{_window(results, str(window))}）"
            )
        )
        blocks.append(_grade_table(results, part, str(window)))
    return Blocks(*blocks)


def _window(results: Results, window: str) -> str:
    """The reference window in words: `frozen` is the first period of the run."""
    first = next(iter(results.periods.values()))
    return f"以{first}为参照" if window == "frozen" else results.periods[window]


def _grade_table(results: Results, part: pd.DataFrame, window: str) -> Table:
    part = part.assign(name=part["grade"].map(GRADES).fillna("未分级（例数不足）"))
    part = part.assign(groups=part.get("groups", 1))  # one row a DRG, or several counted together
    rows = part.groupby("name").agg(groups=("groups", "sum"), n=("n", "sum"), died=("died", "sum")).reset_index()
    rows["rate"] = 100 * rows["died"] / rows["n"].where(rows["n"] > 0)
    order = {name: i for i, name in enumerate([*GRADES.values(), "未分级（例数不足）"])}
    rows = rows.sort_values("name", key=lambda s: s.map(order))
    columns = [
        Column(name="name", label="风险级别", format=text),
        Column(name="groups", label="DRG 组数", format=count),
        Column(name="n", label="例数", format=count),
        Column(name="died", label="死亡", format=count),
        Column(name="rate", label="死亡率（%）", format=decimal(3)),
    ]
    return table(
        rows, columns, id=f"grade-table-{window}", caption=f"各风险级别的例数与死亡（{_window(results, window)}）"
    )


def definitions(results: Results, ids: list[str] | None = None) -> Blocks:
    """What every indicator means, in a sentence."""
    chosen = {i: one for i, one in CATALOGUE.items() if ids is None or i in ids}
    rows = pd.DataFrame(
        [
            {
                "name": label(i, results.currency),
                "formula": one.formula,
                "direction": one.direction.value,
                "note": one.note or "—",
            }
            for i, one in chosen.items()
        ]
    )
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="formula", label="计算", format=text),
        Column(name="direction", label="方向", format=text),
        Column(name="note", label="说明", format=text),
    ]
    return Blocks(
        Heading(text="指标说明"), table(rows, columns, id="definitions", caption="指标的计算与方向"), *lists(results)
    )


def lists(results: Results) -> list[Block]:
    """Which code lists and tables the numbers rest on, and what stands in where the run has none."""
    used = dict(results.facts.lists)
    if results.facts.ungrouped:
        used["分组器未给出 DRG 的病例"] = "；".join(f"{why} {n:,} 例" for why, n in results.facts.ungrouped.items())
    rows = pd.DataFrame([{"what": what, "used": how} for what, how in used.items()])
    columns = [Column(name="what", label="项目", format=text), Column(name="used", label="本次运行所用", format=text)]
    return [table(rows, columns, id="lists", caption="目录与对照表")]


def _cells(results: Results, level: str, basis: str = "contemporaneous") -> pd.DataFrame:
    return results.cells[(results.cells["level"] == level) & (results.cells["basis"] == basis)]


def _any(cells: pd.DataFrame) -> bool:
    return bool(cells["value"].notna().any())


def _value(cells: pd.DataFrame, indicator: str, period: str, *, limits: bool = False) -> str:
    found = cells[(cells["indicator"] == indicator) & (cells["period"] == period)]
    if found.empty:
        return "—"
    row = found.iloc[0]
    if row["status"] != Status.VALUE:
        return Status(row["status"]).zh
    one = CATALOGUE[indicator]
    if limits or (is_rare(one) and not missing(row["x"])):  # of rare events the counts, whatever the table
        return (
            with_limits(row)
            if limits
            else f"{events(row['x'], row['y'], one)}：{of_events(row['value'], row['x'], one)}"
        )
    return number(row["value"], one)
