"""One hospital: its projects, all its specialties beside those of others, how its data stand. For a director, not for a verdict."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation import data_quality as dq
from toolkit.evaluation.results import Results
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Block, Heading, Meta, Paragraph, Title
from toolkit.reporting.content.plain_words import BOUNDARY, headline
from toolkit.reporting.content.tables import MISSING, Column, count, rounded, table, text
from toolkit.reporting.content.values import label, marked, name_on, with_limits
from toolkit.reporting.sections.change import projects, unit_changes
from toolkit.reporting.sections.front import basis_words, limits
from toolkit.reporting.sections.indicators import LEVELS

SHOWN = ("cmi", "cost_index", "los_index", "mortality_ratio", "level4_share")


def blocks(results: Results, hospital: str) -> list[Block]:
    """The page of one hospital; specialties in the order of the run."""
    about = results.hospitals[results.hospitals["code"] == hospital]
    facts = [
        ("代码", hospital),
        *((name, str(about[c].iloc[0])) for name, c in (("级别", "level"), ("县（市、区）", "county")) if len(about)),
        ("评价年份", "、".join(results.periods.values())),
    ]
    return [
        Title(text=results.hospital_name(hospital), subtitle=results.params.title),
        Meta(pairs=tuple((name, value) for name, value in facts if value and value != "nan")),
        *limits(results),
        *_projects(results, hospital),
        *_specialties(results, hospital),
        *_data(results, hospital),
    ]


def _projects(results: Results, hospital: str) -> list[Block]:
    found = projects(results)
    found = found[found["hospital"] == hospital]
    if found.empty or not results.params.cycles:
        return []
    rows = []
    for unit in rows_of(found):
        changes = unit_changes(results, unit.hospital, unit.specialty)
        primary = changes[changes["indicator"].isin(results.params.change.primary)]
        verdicts = {
            str(c.indicator): marked(str(c.verdict)) + (BOUNDARY if c.boundary else "") for c in rows_of(primary)
        }
        said = headline([{str(k): v for k, v in row.items()} for row in primary.to_dict("records")])
        rows.append({"name": results.specialty_name(unit.specialty), "id": unit.id, "said": said, **verdicts})
    shown = [i for i in results.params.change.primary if any(i in row for row in rows)]
    columns = [
        Column(name="name", label="项目", format=text),
        *(Column(name=i, label=name_on(i, "frozen"), format=text) for i in shown),
        Column(name="said", label="合起来说", format=text),
    ]
    made = table(
        pd.DataFrame(rows),
        columns,
        id="projects",
        caption="建设项目的判定",
        wide=False,
        note="点项目名看评估报告。带 ※ 的，换一种同样合理的政策选择结论会不同。",
        links=[f"../{row['id']}/report.html" for row in rows],
    )
    return [Heading(text="建设项目"), made]


def _specialties(results: Results, hospital: str) -> list[Block]:
    """Every specialty of the hospital with its place among the units that have enough cases."""
    cells = results.cells
    cells = cells[
        (cells["level"] == "unit") & (cells["basis"] == "contemporaneous") & (cells["period"] == results.last_period)
    ]
    units = results.units[results.units["hospital"] == hospital]
    shown = [i for i in SHOWN if cells.loc[cells["indicator"] == i, "value"].notna().any()]
    rows = []
    for specialty in results.params.specialties:
        if specialty.id not in set(units["specialty"]):
            continue
        of_specialty = cells[cells["specialty"] == specialty.id]
        row: dict[str, object] = {"name": specialty.name_zh}
        own = of_specialty[of_specialty["hospital"] == hospital].set_index("indicator")
        row["n"] = own.loc["volume", "value"] if "volume" in own.index else None
        row["place"] = _place(of_specialty, hospital)
        for indicator in shown:
            row[indicator] = (
                with_limits(pd.Series({**own.loc[indicator], "indicator": indicator}))
                if indicator in own.index
                else MISSING
            )
        rows.append(row)
    if not rows:
        return []
    columns = [
        Column(name="name", label="专科", format=text),
        Column(name="n", label="出院人次", format=count),
        Column(name="place", label="出院人次位次", format=text),
        *(
            Column(name=i, label=label(i, results.currency, "contemporaneous"), format=text, align="right")
            for i in shown
        ),
    ]
    lead = (
        f"{results.periods[results.last_period]}。{basis_words(results, LEVELS)}"
        "括号内为 95% 区间；区间含 1 的消耗指数，看不出与平均有差别。"
    )
    return [
        Heading(text="全部专科"),
        Paragraph(text=lead),
        table(pd.DataFrame(rows), columns, id="specialties", caption="各专科的水平", wide=False),
    ]


def _place(of_specialty: pd.DataFrame, hospital: str) -> str:
    """`第 3 位，共 18 家`: by discharges, which have no error; ties share a place."""
    volume = of_specialty[of_specialty["indicator"] == "volume"].set_index("hospital")["value"].dropna()
    if hospital not in volume.index:
        return MISSING
    return f"第 {int((volume > volume[hospital]).sum()) + 1} 位，共 {len(volume)} 家"


def _data(results: Results, hospital: str) -> list[Block]:
    if not dq.given(results):
        return []
    found = dq.standing(results)
    own = found[found["hospital"] == hospital]
    if own.empty:
        return []
    one = own.iloc[0]
    said = (
        f"收到 {int(one['received']):,} 例，应评价 {int(one['judged']):,} 例，"
        f"其中没有任何隔离或提示的占 {rounded(one['share'], 1, 100)}%，隔离 {rounded(one['quarantined'], 2, 100)}%。"
    )
    why = f"数据不足以评价：{one['reasons']}。" if one["reasons"] else ""
    return [Heading(text="数据质量"), Paragraph(text=f"{said}{why}逐条见数据质量报告与整改清单。")]
