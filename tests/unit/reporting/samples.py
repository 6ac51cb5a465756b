"""合成数据 for the tests of reporting."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.reporting.content import blocks, tables
from toolkit.reporting.figures import change as changing
from toolkit.reporting.figures import indicators as figures
from toolkit.reporting.figures import quality as records
from toolkit.reporting.figures.timeline import COVID
from toolkit.reporting.formats.provenance import Provenance
from toolkit.reporting.sections import finding

# the sections of a project's report, in their order
REPORT = (
    finding.first_page,
    finding.pictures,
    finding.with_peers,
    finding.leading_diseases,
    finding.own_data,
    finding.would_change,
    finding.opinion,
)

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "$x_1^2$ #{7*7} {{ 7*7 }} {% raw %}",
    "\"'><img src=x onerror=alert(1)>",
    "</style></title></textarea>&amp;\\",
)


def provenance(**changed) -> Provenance:
    given = {
        "run": "demo-1",
        "title": "演示评估（合成数据）",
        "synthetic": True,
        "data_hash": "ab" * 32,
        "parameter_hash": "cd" * 32,
        "lock_hash": "ef" * 32,
        "version": "0.1.0",
        "data_date": "2019-01 至 2024-12",
        "policies": (("标杆范围", "同地区、同级别"),),
    }
    return Provenance(**given | changed)


def account() -> pd.DataFrame:
    steps = [
        ("收到", 1000, "收到"),
        ("重复", 20, "重复"),
        ("隔离", 30, "隔离"),
        ("住院超过 60 天", 0, "排除"),
        ("纳入", 950, "纳入"),
    ]
    return pd.DataFrame(steps, columns=["label", "n", "kind"])


def units(k: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    value = rng.lognormal(0, 0.1, k)
    return pd.DataFrame(
        {
            "label": [f"合成医院 {i + 1:02d}" for i in range(k)],
            "value": value,
            "low": value * 0.95,
            "high": value * 1.05,
            "n": rng.integers(50, 5000, k),
            "highlight": [i == 0 for i in range(k)],
        }
    )


def years() -> pd.DataFrame:
    rows = [
        (y, s, v + 0.01 * (y - 2019), v - 0.05, v + 0.1, 900)
        for s, v in (("本专科", 1.1), ("全区", 1.0))
        for y in range(2019, 2025)
    ]
    return pd.DataFrame(rows, columns=["period", "series", "value", "low", "high", "n"])


def changes() -> pd.DataFrame:
    rows = [
        ("费用消耗指数", 0.9, 0.85, 0.95, "lower", "improved"),
        ("病例组合指数 CMI", 0.9, 0.85, 0.95, "higher", "worse"),
        ("四级手术占比", 1.01, 0.97, 1.05, "higher", "stable"),
        ("中低风险组死亡率", 0.7, 0.02, 20.0, "lower", "undecided"),
        ("县外患者比例", np.nan, np.nan, np.nan, "neutral", "not_judged"),
    ]
    return pd.DataFrame(rows, columns=["label", "ratio", "low", "high", "direction", "verdict"])


def months() -> pd.DataFrame:
    every = pd.period_range("2019-01", "2020-12", freq="M").astype(str)
    return pd.DataFrame({"month": every, "n": range(24)}).drop([5, 6, 15])


def grades() -> pd.DataFrame:
    return pd.DataFrame({"n": [1000, 9000, 5000, 800, 120], "deaths": [0, 1, 5, 12, 20], "grade": [0, 1, 2, 3, 4]})


def charts() -> list[blocks.Figure]:
    drawn = [
        records.waterfall(account(), id="waterfall", caption="记录去向"),
        figures.ranking(units(5), id="ranking", caption="排序", x_label="费用消耗指数"),
        figures.trend(
            years(), id="trend", caption="逐年", y_label="费用消耗指数", unit="本专科", after=2022, reference=1.0
        ),
        changing.change_forest(changes(), id="forest", caption="变化"),
        records.monthly(months(), id="monthly", caption="逐月", after="2020-06", shocks=[COVID]),
        figures.grade_scatter(grades(), id="grades", caption="分级"),
    ]
    assert all(isinstance(f, blocks.Figure) for f in drawn)
    return drawn


def scores(names=HOSTILE) -> blocks.Table:
    frame = pd.DataFrame({"name": list(names), "n": range(1, len(names) + 1)})
    columns = [
        tables.Column(name="name", label="医疗机构 <b>", format=tables.text),
        tables.Column(name="n", label="例数", format=tables.count),
    ]
    return tables.table(frame, columns, id="scores", caption=f"得分 {names[0]}", note=names[-1])


def report() -> list[blocks.Block]:
    opening = blocks.Paragraph(runs=[blocks.Run(text=HOSTILE[4], strong=True)])
    chapters = [b for i in range(4) for b in (blocks.Heading(text=f"{i + 1}、{HOSTILE[0]}"), opening)]
    return [
        blocks.Title(text="合成报告", subtitle=HOSTILE[2]),
        blocks.Meta(pairs=[("医疗机构", HOSTILE[3])]),
        blocks.Paragraph(text=HOSTILE[0]),
        *chapters,
        scores(),
        figures.ranking(
            units(3).assign(label=["甲 $x_1$", "乙 <b>", "丙 #{}"]), id="rank", caption=HOSTILE[1], x_label="指数 $n$"
        ),
        blocks.Note(text=HOSTILE[3], tone="warning"),
        blocks.PageBreak(),
        scores(("合成医院甲",)).model_copy(update={"id": "second"}),
    ]
