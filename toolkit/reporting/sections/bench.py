"""方法比较: the methods of change on simulated regions whose truth is known (合成数据)."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, RECOMMENDED
from toolkit.models.change.bench import PLANTED, bench
from toolkit.models.change.simulation import World
from toolkit.reporting.content.blocks import Block, Blocks, Figure, Note, Paragraph, Table
from toolkit.reporting.content.tables import Column, count, decimal, percent, table, text
from toolkit.reporting.figures.methods import false_alarms_and_coverage
from toolkit.reporting.sections.front import chapter

WHAT = (
    "每个模拟区域（合成数据）有 24 家医院、12 个按成绩选出的项目、6 年，疫情年份出院减少，平均住院日逐年缩短；没有项目作用时抽一次，"
    "种下作用时再抽一次。好方法：没有作用时约 5% 误判，区间约 95% 盖住真值，有作用时多能看出。区域数少时各比例只是粗略的。"
)
SMALL = "用于研究时把 replications 调大；1,000 个区域的结果见 docs/models.md。"
LEVELS = {"unit": "单个项目", "region": "全部项目合并"}


def run(results: Results, replications: str) -> pd.DataFrame:
    """The bench of the methods and the comparison units that the run declares; see `toolkit.models.change.bench.bench`."""
    change = results.params.change
    return bench(World(), change.methods, int(replications), comparison=change.comparison)


def methods(results: Results) -> Blocks:
    """What each method estimates, in one sentence."""
    rows = [
        {"name": METHODS[i].name_zh, "id": i, "estimand": METHODS[i].estimand} for i in results.params.change.methods
    ]
    labels = {"name": "方法", "id": "编号", "estimand": "估计的是什么"}
    columns = [Column(name=name, label=label, format=text) for name, label in labels.items()]
    return Blocks(
        *chapter("比较的方法", WHAT),
        table(pd.DataFrame(rows), columns, id="bench-methods", caption="参数文件列出的方法"),
        Paragraph(text=f"推荐方法：{METHODS[RECOMMENDED].name_zh}。" + SMALL),
    )


def planted() -> Table:
    """The effects that were planted."""
    rows = pd.DataFrame([{"indicator": CATALOGUE[i].name_zh, "effect": factor} for i, factor in PLANTED.items()])
    columns = [
        Column(name="indicator", label="指标", format=text),
        Column(name="effect", label="种下的比值", format=decimal(2)),
    ]
    return table(rows, columns, id="bench-planted", caption="有作用的一次：项目真值乘以")


def compared(benched: pd.DataFrame, level: str) -> Blocks:
    """Bias, coverage, false alarms and power of every method and indicator at one level."""
    rows = _named(benched[benched["level"] == level])
    columns = [
        Column(name="name", label="方法", format=text),
        Column(name="indicator_zh", label="指标", format=text),
        Column(name="estimates", label="估计数", format=count),
        Column(name="bias", label="偏差（对数）", format=decimal(3)),
        Column(name="rmse", label="均方根误差", format=decimal(3)),
        Column(name="coverage", label="95% 区间覆盖", format=percent(0)),
        Column(name="type_one", label="无作用时误判", format=percent(0)),
        Column(name="false_improvement", label="其中误判改善", format=percent(0)),
        Column(name="power", label="检出", format=percent(0)),
        Column(name="without_limits", label="给不出区间", format=percent(0)),
    ]
    blocks: list[Block] = chapter(LEVELS[level])
    note = "空格：该方法给不出。误判：p < 0.05 而没有作用；检出：p < 0.05 且方向正确。"
    return Blocks(*blocks, table(rows, columns, id=f"bench-{level}", caption=f"{LEVELS[level]}：方法比较", note=note))


def picture(benched: pd.DataFrame, level: str = "unit") -> Figure | Note:
    """Share of false alarms and coverage of every method, one point an indicator, against 5 % and 95 %."""
    rows = benched[benched["level"] == level]
    return false_alarms_and_coverage(
        rows.assign(indicator=[CATALOGUE[i].name_zh for i in rows["indicator"]]),
        {m: METHODS[m].name_zh for m in rows["method"]},
        recommended=RECOMMENDED,
        id=f"bench-picture-{level}",
        caption=f"{LEVELS[level]}：误判与覆盖",
    )


def times(benched: pd.DataFrame) -> Table:
    """Seconds a region; of this machine at this moment."""
    rows = _named(benched.drop_duplicates("method"))
    columns = [Column(name="name", label="方法", format=text), Column(name="seconds", label="秒", format=decimal(3))]
    return table(rows, columns, id="bench-times", caption="每个区域的用时（5 个指标）")


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        name=[METHODS[m].name_zh for m in rows["method"]],
        indicator_zh=[CATALOGUE[i].name_zh for i in rows["indicator"]],
    )
