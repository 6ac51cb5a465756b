"""批次与周期: whose windows are which, how much of each cycle has passed, and the verdicts side by side over the cohorts."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.reporting.content.blocks import Block, Blocks, Note
from toolkit.reporting.content.tables import Column, count, percent, table, text
from toolkit.reporting.content.values import before_after, cases, ratio_text, sure
from toolkit.reporting.sections.change import forest_of_changes, verdict_of
from toolkit.reporting.sections.front import chapter, withheld
from toolkit.reporting.sections.project import unit_of

LEAD = (
    "每个项目按自己的立项年计 3 年建设周期和其前 3 年，不同年份立项的各为一批，各批的参照、对照与判定都只用本批的时间窗。"
    "还没有结束的周期只列出到目前为止的数值，不给最终判定。"
)
AGAINST = {1: "上一周期（k−1）", 2: "再上一周期（k−2）"}


def of_region(results: Results) -> Blocks:
    """The windows of all cohorts, their verdicts counted, and one picture for each primary indicator; nothing for one cycle."""
    windows = results.cohorts
    if len(windows) < 2 and bool(windows["complete"].all()):
        return Blocks()
    blocks: list[Block] = [*chapter("批次与周期", LEAD), _windows(windows)]
    if len(windows) < 2:
        return Blocks(*blocks)
    if results.cohort_changes.empty:
        return Blocks(*blocks, withheld() if results.params.edition == "release" else Note(text="没有建设项目。"))
    blocks.append(_verdicts(results))
    for indicator in results.params.change.primary:
        rows = _named(results, results.cohort_changes[results.cohort_changes["indicator"] == indicator])
        name = CATALOGUE[indicator].name_zh
        blocks.append(forest_of_changes(rows, f"cohorts-{indicator}".replace("_", "-"), f"{name}：各批项目的变化"))
    return Blocks(*blocks)


def of_project(results: Results, project: str = "") -> Blocks:
    """Where a project's cycle stands, and each comparison of it: further back, and of its earlier cycles."""
    unit = unit_of(results, project)
    own = results.cohort_changes
    own = own[(own["hospital"] == unit["hospital"]) & (own["specialty"] == unit["specialty"])]
    windows = results.cohorts[results.cohorts["cohort"].isin(own["cohort"])]
    blocks: list[Block] = [Note(text=said, tone="warning") for said in _unfinished(windows)]
    if len(windows) > 1:
        primary = own[own["indicator"].isin(results.params.change.primary)]
        blocks = [*chapter("历次周期的比较", "同一指标在本单元各次比较中的变化，每一次都只用其自己的时间窗。"), *blocks]
        blocks.append(_windows(windows))
        blocks.append(
            table(_rows(results, primary), COLUMNS, id="own-cohorts", caption="历次周期的变化与判定", wide=True)
        )
    return Blocks(*blocks)


COLUMNS = [
    Column(name="indicator_zh", label="指标", format=text),
    Column(name="window", label="比较", format=text),
    Column(name="judged", label="判定", format=text),
    Column(name="sure", label="把握（改善 / 有意义的改善）", format=text, align="right"),
    Column(name="values", label="前 → 后", format=text, align="right"),
    Column(name="ratio", label="对照校正比值（95% 区间）", format=text, align="right"),
    Column(name="cases", label="例数前 / 后", format=text, align="right"),
]


def _unfinished(windows: pd.DataFrame) -> list[str]:
    """A sentence for each cycle that has not passed."""
    return [
        f"建设周期 {r.after_first}–{r.after_last} {'尚未开始' if r.passed == 0 else f'尚未结束，已过 {100 * r.passed:.0f}%'}"
        f"（记录到 {r.records_to}）：以下数值只说明到目前为止，不是最终判定。"
        for r in rows_of(windows.drop_duplicates("start"))
        if not r.complete
    ]


def _windows(windows: pd.DataFrame) -> Block:
    shown = windows.assign(
        name=[f"{start} 年" for start in windows["start"]],
        compared=windows["against"].map(AGAINST),
        before=[f"{a}–{b}" for a, b in zip(windows["before_first"], windows["before_last"], strict=True)],
        after=[f"{a}–{b}" for a, b in zip(windows["after_first"], windows["after_last"], strict=True)],
        state=["已结束" if yes else "未结束" for yes in windows["complete"]],
    )
    columns = [
        Column(name="name", label="立项年", format=text),
        Column(name="compared", label="与之比较", format=text),
        Column(name="before", label="建设前", format=text),
        Column(name="years_before", label="其中有记录（年）", format=count),
        Column(name="after", label="建设周期", format=text),
        Column(name="records_to", label="记录到", format=text),
        Column(name="passed", label="周期已过", format=percent(0)),
        Column(name="state", label="状态", format=text),
        Column(name="projects", label="项目数", format=count),
    ]
    return table(shown, columns, id="cohorts", caption="各批的时间窗与进度", wide=True)


def _verdicts(results: Results) -> Block:
    """How many projects of each cohort got which verdict."""
    changes, rows = results.cohort_changes, []
    for window in rows_of(results.cohorts):
        for indicator in results.params.change.primary:
            found = changes.loc[(changes["cohort"] == window.cohort) & (changes["indicator"] == indicator), "verdict"]
            counts = {v.value: int((found == v.value).sum()) for v in Verdict}
            name = f"{window.start} 年，{AGAINST[window.against]}"
            rows.append({"cohort": name, "indicator": CATALOGUE[indicator].name_zh, "n": len(found), **counts})
    columns = [
        Column(name="cohort", label="批次与比较", format=text),
        Column(name="indicator", label="指标", format=text),
        Column(name="n", label="项目数", format=count),
        *[Column(name=v.value, label=v.zh, format=count) for v in Verdict],
    ]
    return table(pd.DataFrame(rows), columns, id="cohort-verdicts", caption="各批项目判定的个数", wide=True)


def _named(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    units = [results.unit_name(h, s) for h, s in zip(rows["hospital"], rows["specialty"], strict=True)]
    back = ["" if k == 1 else "，k−2" for k in rows["against"]]
    labels = [f"{start} 年{k} {unit}" for start, k, unit in zip(rows["start"], back, units, strict=True)]
    return rows.assign(label=labels).sort_values(["start", "against", "specialty", "hospital"])


def _rows(results: Results, own: pd.DataFrame) -> pd.DataFrame:
    order = {i: k for k, i in enumerate(CATALOGUE)}
    own = own.assign(_at=own["indicator"].map(order)).sort_values(["_at", "start", "against"])
    spans = {
        r.cohort: f"{r.before_first}–{r.before_last} → {r.after_first}–{r.after_last}" for r in rows_of(results.cohorts)
    }
    plain = [row.rename(lambda c: str(c).removeprefix("judged_")) for _, row in own.iterrows()]
    return own.assign(
        indicator_zh=[CATALOGUE[i].name_zh for i in own["indicator"]],
        window=own["cohort"].map(spans),
        judged=[verdict_of(row) for _, row in own.assign(boundary=False).iterrows()],
        sure=[sure(row) for row in plain],
        values=[before_after(row) for row in own.to_dict("records")],
        ratio=[ratio_text(row) for row in plain],
        cases=[f"{cases(a)} / {cases(b)}" for a, b in zip(own["n_before"], own["n_after"], strict=True)],
    )


__all__ = ["of_project", "of_region"]
