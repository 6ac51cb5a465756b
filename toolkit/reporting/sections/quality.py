"""数据质量: what became of every record."""

from __future__ import annotations

from typing import Any

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.reporting.blocks import Block, Blocks, Note, Table
from toolkit.reporting.figures import Shock, monthly, waterfall
from toolkit.reporting.sections.front import chapter
from toolkit.reporting.tables import Column, count, percent, rounded, table, text

ACCEPTED, EXCLUDED, QUARANTINED = "纳入", "排除", "隔离"


def balance(results: Results, hospital: str = "") -> Blocks:
    """收到 = 纳入 + 排除 + 隔离, as a picture and by reason; for one hospital where its code is given."""
    accounts = _of(results.accounts, hospital)
    received, accepted = int(accounts["n"].sum()), int(accounts.loc[accounts["fate"] == ACCEPTED, "n"].sum())
    reasons = accounts[accounts["fate"] != ACCEPTED].groupby(["fate", "rule"], sort=False)["n"].sum().reset_index()
    reasons = reasons[reasons["n"] > 0]
    rules = _rules(results)
    order = {id_: i for i, id_ in enumerate(rules)}
    reasons = reasons.assign(_o=reasons["rule"].map(order), _first=reasons["rule"] == "K04")
    reasons = reasons.sort_values(["_first", "fate", "_o"], ascending=[False, False, True])  # 重复, 隔离, 排除
    steps = [{"label": "收到", "n": received, "kind": "收到"}]
    steps += [
        {
            "label": f"{rules[r.rule]['name']}（规则{r.rule}）",
            "n": r.n,
            "kind": "重复" if r.rule == "K04" else r.fate,
        }
        for r in reasons.itertuples()
    ]
    steps.append({"label": ACCEPTED, "n": accepted, "kind": ACCEPTED})
    excluded = int(reasons.loc[reasons["fate"] == EXCLUDED, "n"].sum())
    quarantined = int(reasons.loc[reasons["fate"] == QUARANTINED, "n"].sum())
    sentence = (
        f"收到 {received:,} 例 = 纳入 {accepted:,} 例 + 排除 {excluded:,} 例 + 隔离 {quarantined:,} 例。"
        "排除是按事先声明的规则不在评价范围内；隔离是记录有问题、须由医院核实，不进入任何指标。"
    )
    return Blocks(
        *chapter("病例去向", sentence),
        waterfall(
            pd.DataFrame(steps),
            id=f"balance{'-hospital' if hospital else ''}",
            caption="病例去向：收到 = 纳入 + 排除 + 隔离",
        ),
        _reasons_table(reasons, rules, received, bool(hospital)),
    )


def _rules(results: Results) -> dict[str, dict[str, Any]]:
    """The rules as they were in the run, whatever the code says today."""
    return {rule["id"]: rule for rule in results.facts["rules"]}


def _reasons_table(
    reasons: pd.DataFrame, rules: dict[str, dict[str, Any]], received: int, of_hospital: bool
) -> Table | None:  # fmt: skip
    if reasons.empty:
        return None
    rows = reasons.assign(
        rule_id="规则" + reasons["rule"],
        message=[rules[r]["message"] for r in reasons["rule"]],
        share=reasons["n"] / max(received, 1),
    )
    columns = [
        Column(name="fate", label="去向", format=text), Column(name="rule_id", label="规则", format=text),
        Column(name="message", label="原因", format=text), Column(name="n", label="例数", format=count),
        Column(name="share", label="占收到", format=percent(2)),
    ]  # fmt: skip
    return table(rows, columns, id="reasons-hospital" if of_hospital else "reasons", caption="未纳入的病例，按首要原因",
                 note="一例有多个原因时，计入首要原因：先重复，后隔离，再排除。")  # fmt: skip


def _of(accounts: pd.DataFrame, hospital: str) -> pd.DataFrame:
    return accounts[accounts["hospital"] == hospital] if hospital else accounts


def by_measure(results: Results, hospital: str = "") -> Blocks:
    """Accepted discharges that a group of measures leaves out, by reason."""
    accounts = _of(results.accounts, hospital)
    accepted = accounts[accounts["fate"] == ACCEPTED]
    total = int(accepted["n"].sum())
    rows = []
    for scope, name in results.facts["scopes"]:
        rules = [
            r for i, r in _rules(results).items() if scope in r["scopes"] and i not in results.facts["not_applicable"]
        ]
        left = accepted
        for rule in rules:  # the first rule that hits is the reason, so that the counts add up
            hit = left["rules"].str.contains(f"|{rule['id']}|", regex=False)
            if n := int(left.loc[hit, "n"].sum()):
                rows.append(
                    {
                        "scope": name,
                        "what": f"{rule['fate']}：{rule['name']}（规则{rule['id']}）",
                        "n": n,
                        "share": n / max(total, 1),
                    }
                )
            left = left[~hit]
        rows.append(
            {"scope": name, "what": "可用", "n": int(left["n"].sum()), "share": left["n"].sum() / max(total, 1)}
        )
    columns = [
        Column(name="scope", label="指标类别", format=text), Column(name="what", label="去向", format=text),
        Column(name="n", label="例数", format=count), Column(name="share", label="占纳入", format=percent(2)),
    ]  # fmt: skip
    shown = table(pd.DataFrame(rows), columns, id="measures", caption="纳入的病例在各类指标中的去向",
                  note=f"每类合计为纳入的 {total:,} 例。死亡与例数从不因费用或住院日异常而剔除。")  # fmt: skip
    return Blocks(*chapter("各类指标可用的病例"), shown, _trimmed(results, hospital))


def _trimmed(results: Results, hospital: str) -> Block | None:
    """How many usable cases the trimming of the contemporaneous indices leaves out (rule C05)."""
    cube = results.cube[(results.cube["drg"] != "") & ((results.cube["hospital"] == hospital) | (hospital == ""))]
    parts = []
    for measure, name in (("cost", "费用"), ("los", "住院天数")):
        usable, kept = int(cube[f"{measure}_n"].sum()), int(cube[f"{measure}_kept_n@contemporaneous"].sum())
        if usable:
            parts.append(f"{name} {usable - kept:,} 例（{rounded(100 * (usable - kept) / usable, 1)}%）")
    if not parts or results.params.trimming.method == "none":
        return None
    return Note(
        text="裁剪（规则C05）："
        + "、".join(parts)
        + "为本 DRG 极端值，不计入当期的消耗指数；死亡、例数和病例组合不受影响。"
    )


def hospitals(results: Results) -> Blocks:
    """One row per hospital: received, accepted, excluded, quarantined."""
    wide = results.accounts.pivot_table(index="hospital", columns="fate", values="n", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[ACCEPTED, EXCLUDED, QUARANTINED], fill_value=0)
    unsaid = results.accounts[results.accounts["n"].isna()]  # not given by this edition: not 0
    for hospital, fate in zip(unsaid["hospital"], unsaid["fate"], strict=True):
        wide.loc[hospital, fate] = float("nan")
    wide = wide.reset_index()
    wide["received"] = wide[[ACCEPTED, EXCLUDED, QUARANTINED]].sum(axis=1)
    wide["share"] = wide[QUARANTINED] / wide["received"]
    wide["name"] = [results.hospital_name(c) if c else "（行不可读，机构未知）" for c in wide["hospital"]]
    wide = wide.sort_values(["share", "hospital"], ascending=[False, True])
    shown = wide.head(HOSPITALS_SHOWN)
    columns = [
        Column(name="hospital", label="代码", format=text), Column(name="name", label="医疗机构", format=text),
        Column(name="received", label="收到", format=count), Column(name=ACCEPTED, label="纳入", format=count),
        Column(name=EXCLUDED, label="排除", format=count), Column(name=QUARANTINED, label="隔离", format=count),
        Column(name="share", label="隔离率", format=percent(2)),
    ]  # fmt: skip
    more = f"共 {len(wide)} 家，列出隔离率最高的 {HOSPITALS_SHOWN} 家；" if len(wide) > HOSPITALS_SHOWN else ""
    return Blocks(
        *chapter("各医疗机构的病例", "按隔离率从高到低排列。"),
        table(
            shown,
            columns,
            id="hospitals",
            caption="各医疗机构的病例去向",
            note=more + "完整表见运行目录 results/accounts.parquet。",
        ),
    )


HOSPITALS_SHOWN = 60


def files(results: Results) -> Blocks:
    """Files received, and those refused with their reason."""
    table_, refused = results.files, results.files[results.files["rejected"] != ""]
    encodings = "、".join(f"{k} {v} 个" for k, v in table_[table_["rejected"] == ""]["encoding"].value_counts().items())
    lead = f"收到 {len(table_)} 个文件，读取 {len(table_) - len(refused)} 个（{encodings}），拒收 {len(refused)} 个。"
    blocks: list[Block] = chapter("文件", lead)
    if len(refused):
        columns = [
            Column(name="name", label="文件", format=text),
            Column(name="rejected", label="拒收原因", format=text),
        ]
        blocks.append(table(refused, columns, id="refused", caption="拒收的文件", note="拒收文件中的行不计入“收到”。"))
    return Blocks(*blocks)


def months(results: Results) -> Blocks:
    """Discharges per month over the whole region."""
    if results.monthly.empty:
        return Blocks(*chapter("各月出院人次"), Note(text="来源格式没有出院月份，不作图。"))
    summed = results.monthly.groupby(["year", "month"], as_index=False)["n"].sum()
    summed["month"] = [f"{y}-{m:02}" for y, m in zip(summed["year"], summed["month"], strict=True)]
    after = f"{results.params.cycles.after.first}-01" if results.params.cycles else None
    return Blocks(
        *chapter("各月出院人次"),
        monthly(summed[["month", "n"]], id="months", caption="全区域各月出院人次", after=after),
    )


def unchecked(results: Results) -> Blocks:
    """Rules that could not be checked on this source, with the reason; never counted as passed."""
    missing, rules = results.facts["not_applicable"], _rules(results)
    rows = pd.DataFrame(
        [{"rule": f"规则{i}", "name": rules[i]["name"], "why": why} for i, why in missing.items() if i in rules]
    )
    applied = len(rules) - len(rows)
    blocks = chapter("规则", f"目录中 {len(rules)} 条规则，本次应用 {applied} 条，{len(rows)} 条不适用（不算通过）。")
    if len(rows):
        columns = [Column(name="rule", label="规则", format=text), Column(name="name", label="内容", format=text),
                   Column(name="why", label="不适用的原因", format=text)]  # fmt: skip
        blocks.append(table(rows, columns, id="unchecked", caption="不适用的规则"))
    return Blocks(*blocks)


def shocks(results: Results) -> tuple[Shock, ...]:
    """Declared outside events, for the pictures."""
    return tuple(Shock(start=s.first, end=s.last, label=s.label) for s in results.params.shocks)


__all__ = ["balance", "by_measure", "files", "hospitals", "months", "shocks", "unchecked"]
