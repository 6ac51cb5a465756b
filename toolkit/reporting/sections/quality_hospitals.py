"""数据质量, hospital by hospital: what each sent and what of it can be used, and where its records stand among the others."""

from __future__ import annotations

import pandas as pd

from toolkit.data.quality import Fate
from toolkit.evaluation import data_quality as dq
from toolkit.evaluation.data_quality import ACCEPTED, EXCLUDED, QUARANTINED
from toolkit.evaluation.results import Results
from toolkit.reporting.content.blocks import Block, Blocks, Paragraph, Table
from toolkit.reporting.content.tables import Column, count, percent, table, text
from toolkit.reporting.figures.indicators import ranking
from toolkit.reporting.sections.front import chapter, withheld
from toolkit.reporting.sections.quality import HOSPITALS_SHOWN, percent_text


def hospitals(results: Results) -> Blocks:
    """One row per hospital: received, accepted, excluded, quarantined, and what each group of measures can use."""
    wide = results.accounts.pivot_table(index="hospital", columns="fate", values="n", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[ACCEPTED, EXCLUDED, QUARANTINED], fill_value=0)
    unsaid = results.accounts[results.accounts["n"].isna()]  # not given by this edition: not 0
    for hospital, fate in zip(unsaid["hospital"], unsaid["fate"], strict=True):
        wide.loc[hospital, fate] = float("nan")
    scopes = [(s, n) for s, n in results.facts.scopes if s in set(results.balance["measure"])]
    for scope, _name in scopes:
        rows = dq.measure_balance(results, scope)
        wide[scope] = rows[rows["fate"] == ACCEPTED].groupby("hospital")["n"].sum()
        wide[scope] = wide[scope].fillna(0).astype("int64")
    wide = wide.reset_index()
    wide["received"] = wide[[ACCEPTED, EXCLUDED, QUARANTINED]].sum(axis=1)
    wide["share"] = wide[QUARANTINED] / wide["received"]
    wide["name"] = [results.hospital_name(c) if c else "（行不可读，机构未知）" for c in wide["hospital"]]
    wide = wide.sort_values(["share", "received", "hospital"], ascending=[False, False, True])
    shown = wide.head(HOSPITALS_SHOWN)
    columns = [
        *_of_hospital(wide),
        Column(name="received", label="收到", format=count),
        Column(name=ACCEPTED, label=Fate.ACCEPTED.zh, format=count),
        Column(name=EXCLUDED, label=Fate.EXCLUDED.zh, format=count),
        Column(name=QUARANTINED, label=Fate.QUARANTINED.zh, format=count),
        Column(name="share", label="隔离率", format=percent(2)),
        *[Column(name=s, label=n.removesuffix("指标") + "可用", format=count) for s, n in scopes],
    ]
    more = f"共 {len(wide)} 家，列出前 {HOSPITALS_SHOWN} 家；" if len(wide) > HOSPITALS_SHOWN else ""
    lead = (
        "按隔离率从高到低排列，隔离率相同的，例数多的在前。"
        "每行：收到 = 纳入 + 排除 + 隔离；右侧各列是其中可用于该类指标的例数。"
    )
    return Blocks(
        *chapter("各医疗机构的病例", lead),
        table(
            shown,
            columns,
            id="hospitals",
            caption="各医疗机构的病例去向",
            note=more + "完整表见运行目录 results/accounts.parquet 与 balance.parquet。",
        ),
    )


def _of_hospital(rows: pd.DataFrame) -> list[Column]:
    """Code and name; one of them where no name is known."""
    code, name = Column(name="hospital", label="代码", format=text), Column(name="name", label="医疗机构", format=text)
    return [code, name] if (rows["hospital"] != rows["name"]).any() else [name]


def standing(results: Results) -> Blocks:
    """Hospitals by the share of records without objection; those with too little to go by stand apart."""
    if not dq.given(results):
        return Blocks(*chapter("数据质量位次"), withheld())
    found = dq.standing(results)
    policy = results.params.quality
    lead = (
        "完好率 = 没有任何隔离或提示的病例 ÷ 应评价的病例（收到减去按规则排除的）。它只说明数据，不说明医疗质量。"
        f"隔离占比超过 {percent_text(policy.quarantined_share)}，或关键字段缺失超过 {percent_text(policy.missing_share)} 的机构"
        f"为“{dq.INSUFFICIENT}”（规则X04，按年判断，当年不足 {policy.minimum_cases} 例的不据此判断），不排名，也不记 0 分；"
        f"应评价不足 {results.params.minimum_value_cases} 例的也不排名。"
    )
    enough, poor = found[found["rank"].notna()], found[found["reasons"] != ""]
    # the sound ones share one rank and one value: what is worth a line is where something was objected to
    flawed = enough[enough["share"] < 1]
    last = flawed.tail(HOSPITALS_SHOWN)
    sound, few = len(enough) - len(flawed), len(found) - len(enough) - len(poor)
    unranked = f"{few} 家例数不足，不排名。" if few else ""
    blocks: list[Block] = chapter("数据质量位次", lead)
    if len(last):
        said = [
            f"另有 {sound} 家完好率为 100%，并列第 1。" if sound else "",
            unranked,
            f"只列位次最后的 {HOSPITALS_SHOWN} 家。" if len(flawed) > len(last) else "",
            "并列者位次相同。",
        ]
        blocks += [_standing_picture(results, last), _standing_table(results, last, "".join(said))]
    else:
        none = f"{sound} 家医疗机构没有任何被隔离或提示的病例，并列第 1。" if sound else "没有可排名的医疗机构。"
        blocks.append(Paragraph(text=none + unranked))
    return Blocks(*blocks, _insufficient_table(results, poor))


def _standing_picture(results: Results, last: pd.DataFrame) -> Block:
    shares = {name: 100 * last[column] for name, column in (("value", "share"), ("low", "low"), ("high", "high"))}
    names = [results.hospital_name(h) for h in last["hospital"]]
    return ranking(
        pd.DataFrame({"label": names, **shares, "n": last["judged"], "highlight": False}),
        id="standing",
        caption="各医疗机构的完好率",
        x_label="完好率（%）",
        reference=None,
        places=1,
    )


def _standing_table(results: Results, last: pd.DataFrame, note: str) -> Table:
    shown = last.assign(name=[results.hospital_name(h) for h in last["hospital"]], rank=last["rank"].astype("int64"))
    columns = [
        Column(name="rank", label="位次", format=count),
        *_of_hospital(shown),
        Column(name="judged", label="应评价", format=count),
        Column(name="sound", label="完好", format=count),
        Column(name="share", label="完好率", format=percent(1)),
        Column(name="quarantined", label="隔离占比", format=percent(2)),
    ]
    return table(shown, columns, id="standing-table", caption="各医疗机构的数据质量位次", note=note)


def _insufficient_table(results: Results, poor: pd.DataFrame) -> Table | None:
    if poor.empty:
        return None
    listed = poor.assign(name=[results.hospital_name(h) for h in poor["hospital"]])
    columns = [
        *_of_hospital(listed),
        Column(name="judged", label="应评价", format=count),
        Column(name="quarantined", label="隔离占比", format=percent(2)),
        Column(name="reasons", label="原因", format=text),
    ]
    return table(listed, columns, id="insufficient", caption=dq.INSUFFICIENT, note="改正并重新报送后可以评价。")


__all__ = ["hospitals", "standing"]
