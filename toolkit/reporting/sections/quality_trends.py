"""数据质量, over time and in effect: months, missing values, coding depth, quarantine, the last submission."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from toolkit.data.accounts.profile import DIAGNOSES, KEY_FIELDS
from toolkit.data.accounts.register import Standing
from toolkit.data.discharge.schema import BY_NAME
from toolkit.evaluation import data_quality as dq
from toolkit.evaluation.data_quality import rules_of
from toolkit.evaluation.results import Results
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Block, Blocks, Note
from toolkit.reporting.content.tables import Column, count, decimal, percent, rounded, table, text
from toolkit.reporting.figures.quality import month_marks, monthly
from toolkit.reporting.sections.front import chapter, withheld
from toolkit.reporting.sections.quality import HOSPITALS_SHOWN, of_hospital, percent_text


def months(results: Results, hospital: str = "") -> Blocks:
    """Discharges by month, and the months of each hospital that are out of line (rule D15)."""
    volumes = of_hospital(results.monthly, hospital)
    if volumes.empty:
        return Blocks(*chapter("各月出院人次"), Note(text="来源格式没有出院月份，不作图。"))
    summed = volumes.groupby(["year", "month"], as_index=False)[["n"]].sum()
    summed["month"] = [f"{y}-{m:02}" for y, m in zip(summed["year"], summed["month"], strict=True)]
    after = f"{results.params.cycles.after.first}-01" if results.params.cycles else None
    where = results.hospital_name(hospital) if hospital else "全区域"
    policy = results.params.quality
    lead = (
        "某月病例突然变少或没有，多半是漏报，请先核实再看指标。"
        f"以本院月中位数为准，低于 {policy.month_low:.0%} 为偏少，高于 {policy.month_high:.0%} 为偏多（规则D15）。"
    )
    suffix = "-hospital" if hospital else ""
    picture = monthly(summed[["month", "n"]], id=f"months{suffix}", caption=f"{where}各月出院人次", after=after)
    marks = _month_marks(results, hospital) if dq.given(results) else ()
    return Blocks(*chapter("各月出院人次", lead), picture, *marks)


def _month_marks(results: Results, hospital: str) -> Iterable[Block]:
    found = of_hospital(dq.month_grid(results), hospital)
    policy = results.params.quality
    states = np.select(
        [found["n"].isna(), found["ratio"] < policy.month_low, found["ratio"] > policy.month_high],
        ["缺", "少", "多"],
        default="",
    )
    found = found.assign(state=states, label=[results.hospital_name(h) for h in found["hospital"]])
    # a hospital with a case or two has gaps everywhere: what counts is how many discharges the odd months may stand for
    usual = found.groupby("hospital")["n"].transform("median")
    found["off"] = (found["n"].fillna(0) - usual).abs()
    odd = found[found["state"] != ""].groupby("hospital")["off"].sum().sort_values(ascending=False, kind="stable")
    if odd.empty:
        return [Note(text="各机构每个月都有病例，没有明显偏多或偏少的月份。")]
    chosen = found[found["hospital"].isin(odd.index[:HOSPITALS_SHOWN])]
    order = {h: i for i, h in enumerate(odd.index)}
    chosen = chosen.assign(_order=chosen["hospital"].map(order)).sort_values(["_order", "month"])
    more = (
        f"共 {len(odd)} 家有缺月或偏离的月份，列出涉及例数最多的 {HOSPITALS_SHOWN} 家（与本院月中位数相差的例数之和，缺月按 0 例计）。"
        if len(odd) > HOSPITALS_SHOWN
        else ""
    )
    suffix = "-hospital" if hospital else ""
    return [month_marks(chosen, id=f"month-marks{suffix}", caption="各医疗机构出院例数异常的月份", note=more)]


def completeness(results: Results, hospital: str = "") -> Blocks:
    """Missing share of the key fields by year."""
    if not dq.given(results):
        return Blocks(*chapter("关键字段的缺失率"), withheld())
    found = dq.missing_shares(results, hospital)
    limit = percent_text(results.params.quality.missing_share)
    least = results.params.quality.minimum_cases
    lead = (
        "指标所依据的字段缺失的比例。缺失多的年份，相应指标不可靠；"
        f"任一年有字段超过 {limit}（当年纳入不少于 {least} 例）的机构不予评价（规则X04）。"
    )
    blocks: list[Block] = chapter("关键字段的缺失率", lead)
    if found.empty:
        return Blocks(*blocks, Note(text="没有可检查的关键字段。"))
    names = {f: BY_NAME[f].name_zh.removesuffix("（分）") for f in dict.fromkeys(found["field"])}
    wide = found.pivot_table(index="field", columns="year", values="share", sort=False)
    wide = wide.reindex(list(names)).reset_index()
    years = sorted((c for c in wide.columns if c != "field"), key=lambda y: y or 9999)
    frame = wide.assign(name=wide["field"].map(names)).rename(columns={y: f"y{y}" for y in years})
    columns = [
        Column(name="name", label="字段", format=text),
        *[Column(name=f"y{y}", label=f"{y} 年" if y else "年份不明", format=percent(2)) for y in years],
    ]
    lacking = [BY_NAME[f].name_zh.removesuffix("（分）") for f in _absent(results)]
    note = f"来源没有下列字段，不适用：{'、'.join(lacking)}。" if lacking else ""
    note += "年份不明：出院日期缺失、无效或不在评价期内的病例。" if 0 in years else ""
    blocks.append(
        table(frame, columns, id=f"missing{'-hospital' if hospital else ''}", caption="关键字段的缺失率", note=note)
    )
    if not hospital:
        blocks += _most_missing(results)
    return Blocks(*blocks)


def _absent(results: Results) -> list[str]:
    return [f for f in KEY_FIELDS if f not in set(results.profile["field"])]


def _most_missing(results: Results) -> list[Block]:
    rows = results.profile[(results.profile["field"] != DIAGNOSES) & (results.profile["hospital"] != "")]
    by = rows.groupby(["hospital", "field"], as_index=False, sort=False)[["n", "missing"]].sum()
    by["share"] = by["missing"] / by["n"].where(by["n"] > 0)
    worst = by[by["share"] > results.params.quality.missing_share].sort_values(
        ["share", "hospital"], ascending=[False, True]
    )
    if worst.empty:
        return [Note(text="没有机构在整个评价期内超过这一界限。")]
    shown = worst.head(HOSPITALS_SHOWN).assign(
        name=[results.hospital_name(h) for h in worst["hospital"].head(HOSPITALS_SHOWN)],
        what=[BY_NAME[f].name_zh.removesuffix("（分）") for f in worst["field"].head(HOSPITALS_SHOWN)],
    )
    columns = [
        Column(name="name", label="医疗机构", format=text),
        Column(name="what", label="字段", format=text),
        Column(name="missing", label="缺失", format=count),
        Column(name="n", label="病例", format=count),
        Column(name="share", label="缺失率", format=percent(1)),
    ]
    return [table(shown, columns, id="missing-hospitals", caption="缺失率超过界限的机构和字段（整个评价期）")]


def depth(results: Results, hospital: str = "") -> Blocks:
    """Coding depth: other diagnoses a record, against hospitals of the same level and over the years."""
    if not dq.given(results):
        return Blocks(*chapter("编码深度"), withheld())
    found = dq.coding_depth(results)
    lead = (
        "编码深度是平均每例填写的其他诊断个数。编码少，病情看上去较轻，风险校正会对医院不利；编码突然增多，"
        "病例组合指数会随之上升而病人并没有变重。差异大的机构请抽查病历。"
    )
    blocks: list[Block] = chapter("编码深度", lead)
    found = of_hospital(found, hospital)
    if found.empty:
        return Blocks(*blocks, Note(text="来源格式没有其他诊断，不适用。"))
    by = found.assign(codes=found["depth"] * found["n"], of_peers=found["peers"] * found["n"])
    sums = by.groupby(["hospital", "level_group"], as_index=False, sort=False)[["n", "codes", "of_peers"]].sum(
        min_count=1
    )
    years = sorted(set(found["year"]))
    wide = found.pivot_table(index="hospital", columns="year", values="depth")
    frame = sums.assign(
        name=[results.hospital_name(h) for h in sums["hospital"]],
        depth=sums["codes"] / sums["n"],
        ratio=sums["codes"] / sums["of_peers"].where(sums["of_peers"] > 0),
    )
    frame = frame.join(wide.rename(columns={y: f"y{y}" for y in years}), on="hospital")
    frame["drift"] = (
        frame[f"y{years[-1]}"] / frame[f"y{years[0]}"].where(frame[f"y{years[0]}"] > 0) if len(years) > 1 else np.nan
    )
    frame = frame.sort_values(["ratio", "hospital"], ignore_index=True)
    columns = [
        Column(name="name", label="医疗机构", format=text),
        Column(name="level_group", label="级别组", format=text),
        Column(name="n", label="病例", format=count),
        Column(name="depth", label="例均其他诊断", format=decimal(2)),
        Column(name="ratio", label="与同级他院之比", format=decimal(2)),
        *[Column(name=f"y{y}", label=f"{y} 年", format=decimal(2)) for y in years],
        Column(name="drift", label=f"{years[-1]} ÷ {years[0]}", format=decimal(2)),
    ]
    more = f"共 {len(frame)} 家，列出比值最低的 {HOSPITALS_SHOWN} 家。" if len(frame) > HOSPITALS_SHOWN else ""
    note = "同级他院：同一级别组的其他机构合计；只有一家时没有比值。" + more
    suffix = "-hospital" if hospital else ""
    blocks.append(
        table(frame.head(HOSPITALS_SHOWN), columns, id=f"depth{suffix}", caption="编码深度，比值低的在前", note=note)
    )
    return Blocks(*blocks)


# --- what it means for the numbers ------------------------------------------------------------------------------------------


def effect(results: Results, hospital: str = "") -> Blocks:
    """Each kind of measure with and without the quarantined records."""
    if not dq.given(results):
        return Blocks(*chapter("隔离对指标的影响"), withheld())
    found = dq.quarantine_effect(results, hospital)
    lead = (
        "隔离的病例不进入任何指标。这里把其中填有数值的病例加回去再算一次，看指标会变多少："
        "变化很小，说明隔离不影响结论；变化大，请先改正数据再评价。这些数值未经核实，只用于比较。"
    )
    currency = results.currency
    shown = {
        "cost": (f"次均费用（{currency}）", 1 / 100, 0),
        "los": ("平均住院日（日）", 1, 2),
        "mortality": ("住院死亡率（%）", 100, 3),
        "case_mix": ("入组率（%）", 100, 2),
    }
    rows = []
    for row in rows_of(found):
        name, scale, places = shown[row.measure]
        both = [v * scale if not np.isnan(v) else np.nan for v in (row.value, row.value_with)]
        rows.append(
            {
                "name": name,
                "n": row.n,
                "n_waiting": row.n_waiting,
                "without": "—" if np.isnan(both[0]) else rounded(float(both[0]), places),
                "with_": "—" if np.isnan(both[1]) else rounded(float(both[1]), places),
                "change": "—"
                if np.isnan(both[0]) or not both[0]
                else f"{rounded(float(100 * (both[1] / both[0] - 1)), 2)}%",
            }
        )
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="n", label="可用", format=count),
        Column(name="without", label="不含隔离", format=text, align="right"),
        Column(name="n_waiting", label="隔离且有值", format=count),
        Column(name="with_", label="含隔离", format=text, align="right"),
        Column(name="change", label="相差", format=text, align="right"),
    ]
    suffix = "-hospital" if hospital else ""
    frame = pd.DataFrame(rows)
    return Blocks(
        *chapter("隔离对指标的影响", lead),
        table(
            frame,
            columns,
            id=f"effect{suffix}",
            caption="不含与含隔离病例的指标",
            note="含隔离：隔离的病例中有该项数值的一并计入。",
        ),
    )


def trend(results: Results, hospital: str = "") -> Blocks:
    """What the rules find now against what they found in the files that were replaced."""
    if not dq.given(results):
        return Blocks(*chapter("与上次报送相比"), withheld())
    lead = "医院重新报送后，逐条规则比较前后两次报送。历次报送都保留在报送登记册中。"
    blocks: list[Block] = chapter("与上次报送相比", lead)
    if results.submissions.empty:
        return Blocks(*blocks, Note(text="本次运行没有报送登记册（参数 data.submissions），不作比较。"))
    found = of_hospital(dq.since_last(results), hospital)
    if found.empty:
        return Blocks(*blocks, Note(text="还没有机构重新报送。"), *_history(results, hospital))
    rules = rules_of(results)
    found = found[found["rule"].isin(rules)]
    frame = found.assign(
        name=[results.hospital_name(h) for h in found["hospital"]],
        rule_id="规则" + found["rule"],
        what=[rules[r].name for r in found["rule"]],
        was=found["before"] / found["n_before"].where(found["n_before"] > 0),
        is_=found["now"] / found["n_now"].where(found["n_now"] > 0),
    )
    frame = frame[frame["before"] != frame["now"]].sort_values(["hospital", "rule"]).head(4 * HOSPITALS_SHOWN)
    columns = [
        Column(name="name", label="医疗机构", format=text),
        Column(name="rule_id", label="规则", format=text),
        Column(name="what", label="内容", format=text),
        Column(name="arrived_before", label="上次", format=text),
        Column(name="before", label="命中", format=count),
        Column(name="was", label="占比", format=percent(2)),
        Column(name="arrived", label="本次", format=text),
        Column(name="now", label="命中", format=count),
        Column(name="is_", label="占比", format=percent(2)),
    ]
    suffix = "-hospital" if hospital else ""
    blocks.append(table(frame, columns, id=f"trend{suffix}", caption="前后两次报送，命中数有变化的规则", wide=True))
    return Blocks(*blocks, *_history(results, hospital))


def _history(results: Results, hospital: str) -> list[Block]:
    rows = results.submissions
    rows = rows[(rows["hospital"] == hospital) | (hospital == "")]
    again = rows[(rows["status"] != Standing.CURRENT.value)]
    if again.empty:
        return []
    who = [results.hospital_name(h) if h else "—" for h in again["hospital"]]
    shown = again.assign(who=who, status=Standing.said(again["status"])).head(4 * HOSPITALS_SHOWN)
    columns = [
        Column(name="arrived", label="收到日期", format=text),
        Column(name="name", label="文件", format=text),
        Column(name="who", label="医疗机构", format=text),
        Column(name="received", label="例数", format=count),
        Column(name="status", label="状态", format=text),
        Column(name="note", label="说明", format=text),
    ]
    return [table(shown, columns, id="history", caption="不再使用或未接收的报送")]


__all__ = ["completeness", "depth", "effect", "months", "trend"]
