"""死亡风险分级: the grade of every DRG, how sure it is, and what another policy choice would have given."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.grade_stability import ALL_GRADED, BY_GRADE
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.reference import GRADES, OTHERWISE
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph
from toolkit.reporting.content.tables import Column, count, decimal, missing, percent, table, text
from toolkit.reporting.sections.front import chapter

UNGRADED = "未分级"
SURE = 0.9  # a grade that comes again this often is called firm


def of_every_drg(results: Results) -> Blocks:
    """Every DRG of every reference window: cases, deaths, grade, its probability, the grade under each other choice."""
    blocks: list[Block] = chapter(
        "各 DRG 的死亡风险级别",
        "“再现概率”：按收缩后的死亡率重新抽取参照病例并重新分级，得到同一级别的比例；低于 "
        f"{SURE:.0%} 的级别不稳固。右侧各列为只改变一项政策选择时的级别，与现级别不同者标 *。",
    )
    if "p_grade" not in results.grades:
        blocks.append(Note(text="本次评价采用外部分级表，级别不由本地参照计算。"))
        return Blocks(*blocks)
    for window, name in _windows(results):
        part = results.grades[results.grades["window"] == window]
        shown = part.sort_values(["grade", "z", "drg"], na_position="last")
        blocks.append(
            table(
                _rows(shown),
                _columns(),
                id=f"drg-grades-{window}",
                caption=f"各 DRG 的死亡风险级别（{name}）",
                wide=True,
            )
        )
    return Blocks(*blocks)


def stability(results: Results) -> Blocks:
    """How many DRGs, cases and deaths stand in a firm grade, and how many move under each other choice."""
    blocks: list[Block] = chapter("分级的稳固程度")
    if "p_grade" not in results.grades:
        return Blocks(*blocks, Note(text="本次评价采用外部分级表，级别不由本地参照计算。"))
    for window, name in _windows(results):
        part = results.grades[results.grades["window"] == window]
        graded = part[part["grade"].notna()]
        if graded.empty:
            blocks.append(Note(text=f"{name}：没有可分级的 DRG。", tone="warning"))
            continue
        firm = graded[graded["p_grade"] >= SURE]
        share = 100 * firm["n"].sum() / graded["n"].sum()
        blocks.append(
            Paragraph(text=f"{name}：{len(graded)} 个 DRG 有级别，其中 {len(firm)} 个（占其病例 {share:.1f}%）稳固。")
        )
        rows = [_moved(part, i, choice) for i, choice in enumerate(OTHERWISE)]
        columns = [
            Column(name="choice", label="若改为", format=text),
            Column(name="groups", label="级别改变的 DRG", format=count),
            Column(name="n", label="涉及病例", format=count),
            Column(name="died", label="涉及死亡", format=count),
            Column(name="gained", label="新获级别的 DRG", format=count),
            Column(name="lost", label="失去级别的 DRG", format=count),
        ]
        blocks.append(
            table(pd.DataFrame(rows), columns, id=f"grade-moves-{window}", caption=f"改变一项政策选择的影响（{name}）")
        )
    return Blocks(*blocks, *_of_specialties(results))


def _of_specialties(results: Results) -> list[Block]:
    """How much of what each rate by grade counts stands in a stable grade, by specialty; below the limit units get no rate."""
    policy = results.params.risk_grades
    found = results.grade_stability
    chosen = [i for i in results.params.change.primary if i in BY_GRADE] or list(BY_GRADE)[:1]
    wanted = found["level"].isin(["region", "specialty"]) & (found["period"] == results.last_period)
    rows = found[wanted & (found["basis"] == "frozen") & found["indicator"].isin([ALL_GRADED, *chosen])]
    if rows.empty:
        return []
    wide = rows.pivot_table(index=["level", "specialty"], columns="indicator", values=["n", "share"], sort=False)
    order = {s.id: k for k, s in enumerate(results.params.specialties)}
    shown = pd.DataFrame(
        {
            "name": ["全区域" if level == "region" else results.specialty_name(s) for level, s in wide.index],
            **{
                f"{v}_{i}": wide[v, i].to_numpy()
                for i in (ALL_GRADED, *chosen)
                for v in ("n", "share")
                if (v, i) in wide
            },
        }
    ).iloc[sorted(range(len(wide)), key=lambda k: order.get(wide.index[k][1], -1))]
    columns = [Column(name="name", label="专科", format=text)]
    for indicator in (ALL_GRADED, *chosen):
        name = CATALOGUE[indicator].name_zh if indicator else "全部分级病例"
        columns += [
            Column(name=f"n_{indicator}", label=f"{name}：例数", format=count),
            Column(name=f"share_{indicator}", label="其中分级稳定", format=percent(1)),
        ]
    note = (
        f"分级稳定：重新抽取参照病例后得到同一级别的概率不低于 {policy.stable_probability:.0%}。"
        f"单元所计病例中稳定的不足 {policy.minimum_stable:.0%} 的，不给按级死亡率，只列例数，按 O/E 看。"
    )
    if results.params.cycles and policy.frozen == "leave_one_out":
        note += "前后比较所用的级别不含本院的死亡：各院的 DRG 按其他医院建设前的死亡率分级。"
    kept = [c for c in columns if c.name in shown]
    return [table(shown, kept, id="grade-stability", caption="各专科分级稳定的病例", note=note, wide=False)]


def _windows(results: Results) -> list[tuple[str, str]]:
    """The windows of the run in words, each once; without cycles the frozen one is the only period's."""
    found = [w for w in ("frozen", *results.periods) if (results.grades["window"] == w).any()]
    first = next(iter(results.periods))
    # the frozen window is the first period: its grades are the same twice
    return [(w, f"以{results.periods[first if w == 'frozen' else w]}为参照") for w in found if w != first]


def _rows(part: pd.DataFrame) -> pd.DataFrame:
    others = {
        f"otherwise{i}": [_other(a, b) for a, b in zip(part["grade"], part[f"otherwise{i}"], strict=True)]
        for i in range(len(OTHERWISE))
    }
    return part.assign(
        per_cent=100 * part["rate"], grade=[_name(g) for g in part["grade"]], p_grade=100 * part["p_grade"], **others
    )


def _name(grade: float) -> str:
    return UNGRADED if pd.isna(grade) else GRADES[int(grade)]


def _other(now: float, other: float) -> str:
    same = now == other or (missing(now) and missing(other))
    return _name(other) + ("" if same else " *")


def _moved(part: pd.DataFrame, number: int, choice: str) -> dict[str, object]:
    other = part[f"otherwise{number}"]
    both = part["grade"].notna() & other.notna()
    moved = part[both & (part["grade"] != other)]
    return {
        "choice": choice,
        "groups": len(moved),
        "n": int(moved["n"].sum()),
        "died": int(moved["died"].sum()),
        "gained": int((part["grade"].isna() & other.notna()).sum()),
        "lost": int((part["grade"].notna() & other.isna()).sum()),
    }


def _columns() -> list[Column]:
    return [
        Column(name="drg", label="DRG", format=text),
        Column(name="n", label="例数", format=count),
        Column(name="died", label="死亡", format=count),
        Column(name="per_cent", label="死亡率（%）", format=decimal(3)),
        Column(name="ln_rate", label="ln 死亡率", format=decimal(2)),
        Column(name="z", label="z", format=decimal(2)),
        Column(name="grade", label="级别", format=text),
        Column(name="p_grade", label="再现概率（%）", format=decimal(0)),
        *[Column(name=f"otherwise{i}", label=choice, format=text) for i, choice in enumerate(OTHERWISE)],
    ]
