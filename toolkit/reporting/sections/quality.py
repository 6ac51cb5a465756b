"""数据质量: what became of every record, and how far the data of each hospital can be trusted.

Written for a reader who prepares a meeting, not for one who programs: each chapter says first what its table or picture
shows and what to do with it. With a hospital's code, a section speaks of that hospital alone.
"""

from __future__ import annotations

import pandas as pd

from toolkit.data.accounts.balance import ALL, NO_VALUE
from toolkit.data.quality import Fate
from toolkit.evaluation import data_quality as dq
from toolkit.evaluation.data_quality import ACCEPTED, EXCLUDED, QUARANTINED, rules_of
from toolkit.evaluation.results import Results
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Block, Blocks, Heading, Note, Paragraph, Table
from toolkit.reporting.content.tables import Column, count, missing, percent, rounded, table, text
from toolkit.reporting.figures.quality import waterfall
from toolkit.reporting.figures.timeline import Shock
from toolkit.reporting.sections.front import chapter, withheld

HOSPITALS_SHOWN = 60
PAGES = 6  # hospitals with a waterfall of their own in the report of the whole region
REPEATED = "K04"


# --- first page -----------------------------------------------------------------------------------------------------------


def overview(results: Results, hospital: str = "") -> Blocks:
    """The report in a few sentences, and the words that it uses."""
    accounts = of_hospital(results.accounts, hospital)
    by_fate = accounts.groupby("fate")["n"].sum()
    received, accepted, apart = (int(n) for n in (by_fate.sum(), by_fate.get(ACCEPTED, 0), by_fate.get(QUARANTINED, 0)))
    sentences = [
        f"收到 {received:,} 例，纳入 {accepted:,} 例（{_share(accepted, received)}），隔离 {apart:,} 例（{_share(apart, received)}）。"
        "纳入、隔离与按规则排除的例数之和等于收到的例数，程序在每次运行时逐文件、逐机构、逐类指标核对，对不上即停止。"
    ]
    if dq.given(results):
        sentences += _findings(results, hospital)
    words = [
        ("纳入", "可以使用的病例"),
        ("排除", "按事先声明的规则不在评价范围内，不是医院的错误，例如评价周期以外的出院"),
        ("隔离", "记录有问题，须由医院核实改正；改正前不进入任何指标"),
        ("提示", "记录仍然纳入，但有可疑之处，请医院核实"),
        ("不适用", "该项检查无法进行，例如来源没有这个字段；不算通过"),
    ]
    shown = table(
        pd.DataFrame(words, columns=["word", "meaning"]),
        [Column(name="word", label="用语", format=text), Column(name="meaning", label="含义", format=text)],
        id="words",
        caption="本报告的用语",
    )
    return Blocks(Heading(text="要点"), *[Paragraph(text=s) for s in sentences], shown)


def _findings(results: Results, hospital: str) -> list[str]:
    """The most frequent faults, who cannot be evaluated, and where the single records are listed."""
    grid = dq.rule_status(results, hospital)
    failed = grid[
        (grid["status"] == dq.Check.FAILED)
        & grid["fate"].isin([QUARANTINED, Fate.WARNED.value])
        & (grid["unit"] == dq.Counted.RECORDS)
    ]
    worst = failed.sort_values(["n", "rule"], ascending=[False, True]).head(3)
    rows = zip(worst["name"], worst["rule"], worst["n"], strict=True)
    names = "、".join(f"{name}（规则{rule}，{n:,} 例）" for name, rule, n in rows)
    return [
        *([f"最常见的问题：{names}。"] if names else []),
        _of_standing(results, dq.standing(results), hospital),
        "需要医院核实的病例逐行列在运行目录 worklists 文件夹的整改清单中，每家机构一份。",
    ]


def _of_standing(results: Results, standing: pd.DataFrame, hospital: str) -> str:
    poor = standing[standing["reasons"] != ""]
    if not hospital and len(poor):
        names = "、".join(results.hospital_name(h) for h in poor["hospital"].head(5)) + (" 等" if len(poor) > 5 else "")
        return f"{len(standing)} 家医疗机构中，{len(poor)} 家的数据不足以评价（{names}）。"
    if not hospital:
        return f"{len(standing)} 家医疗机构的数据都达到评价的最低要求。"
    row = standing[standing["hospital"] == hospital].iloc[0]
    if row["reasons"]:
        return f"{dq.INSUFFICIENT}：{row['reasons']}。"
    if missing(row["rank"]):
        return f"完好率 {percent_text(row['share'])}；应评价不足 {results.params.minimum_value_cases} 例，不排名。"
    among = int(standing["rank"].notna().sum())
    return f"完好率 {percent_text(row['share'])}，在 {among} 家中列第 {int(row['rank'])} 位。"


# --- waterfalls -----------------------------------------------------------------------------------------------------------


def balance(results: Results, hospital: str = "") -> Blocks:
    """收到 = 纳入 + 排除 + 隔离, as a picture and by reason; for one hospital where its code is given."""
    rows = _measure(results, ALL, hospital)
    received, accepted = int(rows["n"].sum()), int(rows.loc[rows["fate"] == ACCEPTED, "n"].sum())
    reasons = rows[rows["fate"] != ACCEPTED]
    excluded = int(reasons.loc[reasons["fate"] == EXCLUDED, "n"].sum())
    quarantined = int(reasons.loc[reasons["fate"] == QUARANTINED, "n"].sum())
    sentence = (
        f"收到 {received:,} 例 = 纳入 {accepted:,} 例 + 排除 {excluded:,} 例 + 隔离 {quarantined:,} 例。"
        "排除是按事先声明的规则不在评价范围内；隔离是记录有问题、须由医院核实，不进入任何指标。"
    )
    suffix = "-hospital" if hospital else ""
    return Blocks(
        *chapter("病例去向", sentence),
        _waterfall(results, rows, received, f"balance{suffix}", "病例去向：收到 = 纳入 + 排除 + 隔离"),
        _reasons_table(results, reasons, received, f"reasons{suffix}"),
    )


def _measure(results: Results, measure: str, hospital: str) -> pd.DataFrame:
    """`fate, rule, n` of one measure in the order of the waterfall: 重复, 隔离, 排除, 纳入."""
    rows = (
        of_hospital(dq.measure_balance(results, measure), hospital).groupby(["fate", "rule"], as_index=False)["n"].sum()
    )
    rows = rows[rows["n"] > 0].astype({"n": "int64"})
    order = {id_: i for i, id_ in enumerate(rules_of(results))}
    stage = {QUARANTINED: 1, EXCLUDED: 2, ACCEPTED: 3}
    rows = rows.assign(
        _stage=rows["fate"].map(stage).where(rows["rule"] != REPEATED, 0), _order=rows["rule"].map(order)
    )
    return rows.sort_values(["_stage", "_order"], ignore_index=True).drop(columns=["_stage", "_order"])


def _waterfall(results: Results, rows: pd.DataFrame, received: int, id: str, caption: str) -> Block:
    steps = [{"label": "收到", "n": received, "kind": "收到"}]
    for row in rows_of(rows[rows["fate"] != ACCEPTED]):
        fate = Fate(row.fate).zh
        kind = "重复" if row.rule == REPEATED else fate
        steps.append({"label": f"{fate}·{_named(results, row.rule)}", "n": int(row.n), "kind": kind})
    last = Fate.ACCEPTED.zh
    steps.append({"label": last, "n": int(rows.loc[rows["fate"] == ACCEPTED, "n"].sum()), "kind": last})
    return waterfall(pd.DataFrame(steps), id=id, caption=caption)


def _named(results: Results, rule: str) -> str:
    if rule == NO_VALUE:
        return "没有可用的值"
    if rule.startswith("…"):
        return rule.removeprefix("…")
    return f"规则{rule} {rules_of(results)[rule].name}"


def _reasons_table(results: Results, reasons: pd.DataFrame, received: int, id: str) -> Table | None:
    if reasons.empty:
        return None
    rules = rules_of(results)
    rows = reasons.assign(
        fate=Fate.said(reasons["fate"]),
        rule_id="规则" + reasons["rule"],
        message=[rules[r].message for r in reasons["rule"]],
        share=reasons["n"] / max(received, 1),
    )
    columns = [
        Column(name="fate", label="去向", format=text),
        Column(name="rule_id", label="规则", format=text),
        Column(name="message", label="原因", format=text),
        Column(name="n", label="例数", format=count),
        Column(name="share", label="占收到", format=percent(2)),
    ]
    return table(
        rows,
        columns,
        id=id,
        caption="未纳入的病例，按首要原因",
        note="一例有多个原因时，计入首要原因：先重复，后隔离，再排除。",
    )


def by_measure(results: Results, hospital: str = "") -> Blocks:
    """A waterfall for each group of measures: from what was received to what the measure rests on."""
    lead = (
        "不同的指标用到不同的字段。例如总费用缺失的病例不进入费用指标，但仍计入死亡率。下列各图从收到的病例开始，"
        "逐步减去不能用于该类指标的病例；与该类指标无关的原因合并为一条。死亡和例数从不因费用或住院日异常而剔除。"
    )
    blocks: list[Block] = chapter("各类指标可用的病例", lead)
    suffix = "-hospital" if hospital else ""
    for scope, name in results.facts.scopes:
        rows = _measure(results, scope, hospital)
        if rows.empty:
            continue
        received = int(rows["n"].sum())
        folded = _folded(results, rows, scope)
        caption = f"{name}：从收到到可用"
        blocks.append(_waterfall(results, folded, received, f"measure-{scope.replace('_', '-')}{suffix}", caption))
    return Blocks(*blocks, _trimmed(results, hospital))


def _folded(results: Results, rows: pd.DataFrame, scope: str) -> pd.DataFrame:
    """The reasons of the measure one by one, those of the record as a whole as one step for each fate."""
    rules = rules_of(results)
    of_scope = {id_ for id_, rule in rules.items() if scope in rule.scopes}
    own = rows["rule"].isin([NO_VALUE, *of_scope]) | (rows["fate"] == ACCEPTED)
    whole = rows[~own].groupby("fate", as_index=False)[["n"]].sum()
    whole["rule"] = "…记录本身的原因"
    stage = {QUARANTINED: 1, EXCLUDED: 2, ACCEPTED: 3}
    both = pd.concat([whole, rows[own]], ignore_index=True)
    return (
        both.assign(_s=both["fate"].map(stage)).sort_values("_s", kind="stable", ignore_index=True).drop(columns="_s")
    )


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


def pages(results: Results) -> Blocks:
    """A waterfall for each of the hospitals with the largest share in quarantine."""
    if not dq.given(results):
        return Blocks(*chapter("各机构的去向图"), withheld())
    rows = results.accounts[results.accounts["hospital"] != ""]
    sums = rows.pivot_table(index="hospital", columns="fate", values="n", aggfunc="sum", fill_value=0)
    share = (sums.get(QUARANTINED, 0) / sums.sum(axis=1)).sort_values(ascending=False, kind="stable")
    chosen = [h for h in share.index if share[h] > 0][:PAGES]
    if not chosen:
        return Blocks(*chapter("各机构的去向图", "没有机构有被隔离的病例。"))
    lead = f"隔离率最高的 {len(chosen)} 家，一家一图。" if len(share) > len(chosen) else "一家一图，隔离率高的在前。"
    blocks: list[Block] = chapter("各机构的去向图", lead)
    for i, code in enumerate(chosen, 1):
        mine = _by_group(_measure(results, ALL, str(code)))
        caption = f"病例去向，按规则组：{results.hospital_name(str(code))}（{code}）"
        blocks.append(_waterfall(results, mine, int(mine["n"].sum()), f"balance-{i}", caption))
    return Blocks(*blocks)


def _by_group(rows: pd.DataFrame) -> pd.DataFrame:
    """The steps of a waterfall with the rules of one group and fate together; 重复 stays alone."""
    alone = (rows["fate"] == ACCEPTED) | (rows["rule"] == REPEATED)
    named = rows.assign(rule=[r if one else f"…{dq.group_of(r)}" for r, one in zip(rows["rule"], alone, strict=True)])
    return named.groupby(["fate", "rule"], sort=False, as_index=False)[["n"]].sum()


# --- rules ----------------------------------------------------------------------------------------------------------------


def grid(results: Results, hospital: str = "") -> Blocks:
    """Rule group × status: 错误, 不适用, 未通过, 通过 are four things, and 不适用 is not counted as passed."""
    if not dq.given(results):
        return Blocks(*chapter("检查结果"), withheld())
    found = dq.rule_status(results, hospital)
    wide = found.pivot_table(index="group", columns="status", values="rule", aggfunc="count", fill_value=0)
    wide = wide.reindex(
        index=[g for g in dq.GROUPS.values() if g in wide.index], columns=[c.value for c in dq.Check], fill_value=0
    )
    wide["all"] = wide.sum(axis=1)
    total = wide.sum().rename("合计")
    frame = (
        pd.concat([wide, total.to_frame().T])
        .rename_axis("group")
        .reset_index()
        .astype(dict.fromkeys([*(c.value for c in dq.Check), "all"], "int64"))
    )
    sums = frame.iloc[-1]
    error, missing, failures, passed = (int(sums[c.value]) for c in dq.Check)
    lead = (
        f"规则目录共 {sums['all']} 条：通过 {passed} 条，未通过 {failures} 条，不适用 {missing} 条"
        f"（无法检查，不算通过），检查本身出错 {error} 条。“未通过”指至少有一例被该规则命中，不等于数据不可用。"
    )
    columns = [
        Column(name="group", label="规则组", format=text),
        *[Column(name=c.value, label=c.zh, format=count) for c in dq.Check],
        Column(name="all", label="共", format=count),
    ]
    suffix = "-hospital" if hospital else ""
    blocks: list[Block] = chapter("检查结果", lead)
    blocks.append(table(frame, columns, id=f"grid{suffix}", caption="规则组与检查结果（规则条数）"))
    failed = found[found["status"] == dq.Check.FAILED].sort_values(["n", "rule"], ascending=[False, True])
    if len(failed):
        rules = rules_of(results)
        shown = failed.assign(
            rule_id="规则" + failed["rule"],
            message=[rules[r].message for r in failed["rule"]],
            what=[
                Fate(f).zh if u == dq.Counted.RECORDS else "—"
                for f, u in zip(failed["fate"], failed["unit"], strict=True)
            ],
            hit=[f"{n:,} {u}" for n, u in zip(failed["n"], dq.Counted.said(failed["unit"]), strict=True)],
        )
        columns = [
            Column(name="rule_id", label="规则", format=text),
            Column(name="what", label="去向", format=text),
            Column(name="message", label="内容", format=text),
            Column(name="hit", label="命中", format=text, align="right"),
        ]
        blocks.append(
            table(
                shown,
                columns,
                id=f"failed{suffix}",
                caption="未通过的规则，命中多的在前",
                note="一例可被多条规则命中。对文件或机构的规则没有病例去向，按文件数或机构年数计。",
            )
        )
    return Blocks(*blocks)


def unchecked(results: Results) -> Blocks:
    """Rules that could not be checked on this source, with the reason; never counted as passed."""
    missing, rules = results.facts.not_applicable, rules_of(results)
    rows = pd.DataFrame(
        [{"rule": f"规则{i}", "name": rules[i].name, "why": why} for i, why in missing.items() if i in rules]
    )
    applied = len(rules) - len(rows)
    blocks = chapter(
        "不适用的规则", f"目录中 {len(rules)} 条规则，本次应用 {applied} 条，{len(rows)} 条不适用（不算通过）。"
    )
    if len(rows):
        columns = [
            Column(name="rule", label="规则", format=text),
            Column(name="name", label="内容", format=text),
            Column(name="why", label="不适用的原因", format=text),
        ]
        blocks.append(table(rows, columns, id="unchecked", caption="不适用的规则"))
    return Blocks(*blocks)


def files(results: Results) -> Blocks:
    """Files received, and those refused with their reason."""
    table_, refused = results.files, results.files[results.files["rejected"] != ""]
    encodings = "、".join(f"{k} {v} 个" for k, v in table_[table_["rejected"] == ""]["encoding"].value_counts().items())
    lead = f"收到 {len(table_)} 个文件，读取 {len(table_) - len(refused)} 个（{encodings}），拒收或被替代 {len(refused)} 个。"
    blocks: list[Block] = chapter("文件", lead)
    if len(refused):
        columns = [Column(name="name", label="文件", format=text), Column(name="rejected", label="原因", format=text)]
        blocks.append(table(refused, columns, id="refused", caption="未读取的文件", note="其中的行不计入“收到”。"))
    return Blocks(*blocks)


# --- shared -----------------------------------------------------------------------------------------------------------------


def of_hospital(frame: pd.DataFrame, hospital: str) -> pd.DataFrame:
    """The rows of a hospital, or all where none is named."""
    return frame[frame["hospital"] == hospital] if hospital else frame


def percent_text(share: float) -> str:
    """12.3%."""
    return f"{rounded(float(share), 1, 100)}%"


def _share(part: int, whole: int) -> str:
    return f"{rounded(part / whole, 2, 100)}%" if whole else "—"


def shocks(results: Results) -> tuple[Shock, ...]:
    """Declared outside events, for the pictures."""
    return tuple(Shock(start=s.first, end=s.last, label=s.label) for s in results.params.shocks)


__all__ = ["balance", "by_measure", "files", "grid", "overview", "pages", "shocks", "unchecked"]
