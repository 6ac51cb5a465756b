"""为什么变: the change of each index taken apart, exact to the last case, and what coding could have to do with it."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.reasons import CMI, SIGNS
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.models.decomposition import PARTS, totals
from toolkit.reporting.content.blocks import Block, Blocks, Paragraph
from toolkit.reporting.content.tables import MISSING, Column, count, missing, rounded, table, text
from toolkit.reporting.content.values import name_on
from toolkit.reporting.sections.front import chapter, nothing_here
from toolkit.reporting.sections.project import unit_of

LEAD = (
    "指数是病例的平均，其变化恰好等于两部分之和：病种结构（各 DRG 占比变了）与组内（同一 DRG 的做法变了）；"
    "新增和退出的 DRG 都算结构。两部分谁先算数值略有不同，取两种次序的平均，括号内为两种次序。"
    "CMI 按 ADRG 分解：ADRG 之内的变化是同一病种向更重或更轻的组移动，编码加深首先表现在这里，是编码所能解释的上限。"
)
NOTE = (
    "± 为 95% 的抽样误差：结构是各组占比的，组内是组内均值的（只有一例的组用本单元其余各组的合并方差）；— 为无法估计。"
)
NO_ADRG = "CMI 没有分解：本次的分组编码不是国家 DRG 的写法（两个字母加数字开头），前三位不是 ADRG。"
DRGS = "按对变化的贡献（结构与组内之和的绝对值）排列，其余合计；全部 DRG 见结果表 decomposition。"
WITHHELD = "分解逐 DRG 列出一个单元的例数和均值，其中少的可由合计倒推"
MOST = 8
Z = 1.96


def why(results: Results, project: str = "") -> Blocks:
    """The decomposition of one project's indices, its largest DRGs, and the signs of coding."""
    if not results.params.cycles:
        return Blocks()
    unit = unit_of(results, project)
    own = results.decomposition
    own = own[(own["hospital"] == unit["hospital"]) & (own["specialty"] == unit["specialty"])]
    blocks: list[Block] = chapter("为什么变：分解", LEAD)
    if own.empty:
        empty = nothing_here(results, "本单元没有立项，或有周期没有可分解的病例。", withheld_for=WITHHELD)
        return Blocks(*blocks, empty, *([_coding(results, unit)] if results.params.edition == "release" else []))
    whole = totals(own, ["indicator"])
    order = {i: k for k, i in enumerate(CATALOGUE)}
    whole = whole.sort_values("indicator", key=lambda s: s.map(order))
    blocks.append(_totals(whole))
    if CMI not in set(whole["indicator"]):
        blocks.append(Paragraph(text=NO_ADRG))
    blocks += [Paragraph(text=_sentence(row)) for _, row in whole.iterrows()]
    blocks += [_drgs(own[own["indicator"] == i], str(i)) for i in whole["indicator"]]
    blocks.append(_coding(results, unit))
    return Blocks(*blocks)


def _signed(value: float, places: int = 3) -> str:
    if missing(value):
        return MISSING
    return ("+" if round(value, places) > 0 else "") + rounded(round(value, places) + 0.0, places)


def _with_error(row: pd.Series, effect: str, orders: tuple[str, str]) -> str:
    error = MISSING if missing(row[f"{effect}_se"]) else rounded(Z * row[f"{effect}_se"], 3)
    return f"{_signed(row[effect])} ± {error}（{_signed(row[orders[0]])}，{_signed(row[orders[1]])}）"


def _totals(whole: pd.DataFrame) -> Block:
    rows = [
        {
            "name": name_on(row["indicator"], "frozen") + ("（按 ADRG）" if row["indicator"] == CMI else ""),
            "values": f"{rounded(row['before'], 3)} → {rounded(row['after'], 3)}",
            "change": _signed(row["change"]),
            "mix": _with_error(row, "mix", ("mix_first", "mix_second")),
            "practice": _with_error(row, "practice", ("practice_first", "practice_second")),
            "entering": f"{row['entering']} / {row['leaving']}",
        }
        for _, row in whole.iterrows()
    ]
    columns = [
        Column(name="name", label="指标", format=text),
        Column(name="values", label="建设前 → 建设周期", format=text, align="right"),
        Column(name="change", label="变化", format=text, align="right"),
        Column(name="mix", label="病种结构", format=text, align="right"),
        Column(name="practice", label="组内", format=text, align="right"),
        Column(name="entering", label="新增 / 退出组数", format=text, align="right"),
    ]
    return table(pd.DataFrame(rows), columns, id="why", caption="指数变化的分解（定基）", note=NOTE, wide=True)


def _sentence(row: pd.Series) -> str:
    """Which of the two parts is the larger, where it stands clear of its sampling error."""
    name = name_on(row["indicator"], "frozen")
    words = {"mix": "病种结构", "practice": "ADRG 之内的轻重" if row["indicator"] == CMI else "同一 DRG 内的做法"}
    clear = [e for e in words if not missing(row[f"{e}_se"]) and abs(row[e]) > Z * row[f"{e}_se"]]
    if any(missing(row[f"{e}_se"]) for e in words):
        return f"{name}：病例太少，抽样误差无法估计。"
    if not clear:
        return f"{name}：两部分都没有超出抽样误差。"
    said = "，".join(f"{words[e]}使其{'升高' if row[e] > 0 else '降低'} {rounded(abs(row[e]), 3)}" for e in clear)
    return f"{name}：{said}" + ("。" if len(clear) == len(words) else "，另一部分没有超出抽样误差。")


def _drgs(parts: pd.DataFrame, indicator: str) -> Block:
    parts = parts.assign(all=parts["mix"] + parts["practice"])
    ordered = parts.loc[parts["all"].abs().sort_values(ascending=False, kind="stable").index]
    first, rest = ordered.head(MOST), ordered.iloc[MOST:]
    rows = [
        {
            "drg": row.drg,
            "part": PARTS[row.part],
            "cases": f"{rounded(row.n_before, 0)} / {rounded(row.n_after, 0)}",
            "values": " → ".join(MISSING if missing(v) else rounded(v, 3) for v in (row.value_before, row.value_after)),
            "mix": _signed(row.mix),
            "practice": _signed(row.practice),
            "all": _signed(row.all),
        }
        for row in first.itertuples()
    ]
    if len(rest):
        sums = rest[["n_before", "n_after", "mix", "practice", "all"]].sum()
        cases = f"{rounded(sums['n_before'], 0)} / {rounded(sums['n_after'], 0)}"
        effects = {e: _signed(sums[e]) for e in ("mix", "practice", "all")}
        rows.append({"drg": f"其余 {len(rest)} 组", "part": "", "cases": cases, "values": "", **effects})
    group = "ADRG" if indicator == CMI else "DRG"
    columns = [
        Column(name="drg", label=group, format=text),
        Column(name="part", label="类别", format=text),
        Column(name="cases", label="例数前 / 后", format=text, align="right"),
        Column(name="values", label="值前 → 后", format=text, align="right"),
        Column(name="mix", label="结构", format=text, align="right"),
        Column(name="practice", label="组内", format=text, align="right"),
        Column(name="all", label="合计", format=text, align="right"),
    ]
    name = name_on(indicator, "frozen")
    id = f"why-{indicator}".replace("_", "-")
    return table(pd.DataFrame(rows), columns, id=id, caption=f"{name}：各 {group} 对变化的贡献", note=DRGS, wide=False)


def _coding(results: Results, unit: pd.Series) -> Block:
    found = results.coding_depth
    found = found[found["specialty"] == unit["specialty"]]
    rows = []
    for sign, (name, _sums) in SIGNS.items():
        row: dict[str, object] = {"name": name}
        for level, part in (
            ("unit", found[found["hospital"] == unit["hospital"]]),
            ("peers", found[found["level"] == "peers"]),
        ):
            of_sign = part[(part["sign"] == sign) & (part["level"] == level)].set_index("period")
            for period in ("before", "after"):
                row[f"{level}_{period}"] = _sign(of_sign, sign, period)
        row["n"] = int(found[(found["sign"] == sign) & (found["hospital"] == unit["hospital"])]["n"].sum())
        if row["n"]:
            rows.append(row)
    columns = [
        Column(name="name", label="迹象", format=text),
        Column(name="unit_before", label="本单元 建设前", format=text, align="right"),
        Column(name="unit_after", label="本单元 建设周期", format=text, align="right"),
        Column(name="peers_before", label="未立项单元 建设前", format=text, align="right"),
        Column(name="peers_after", label="未立项单元 建设周期", format=text, align="right"),
        Column(name="n", label="本单元例数", format=count),
    ]
    frame = pd.DataFrame(rows, columns=[c.name for c in columns])
    note = "编码加深、权重刚过 2 的病例增多、死亡变为非医嘱离院、住院拆分，都会使指标好看而诊疗没有变；本表只给迹象，不下结论。"
    return table(frame, columns, id="coding", caption="编码深度", note=note, wide=False)


def _sign(rows: pd.DataFrame, sign: str, period: str) -> str:
    if period not in rows.index:
        return MISSING
    row = rows.loc[period]
    if sign == "secondary":
        return rounded(row["value"], 2)
    return f"{rounded(row['count'], 0)}/{rounded(row['n'], 0)}（{rounded(row['value'], 1, 100)}%）"


__all__ = ["why"]
