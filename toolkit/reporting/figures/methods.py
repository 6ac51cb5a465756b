"""The chart of the methods of change on simulated regions: false alarms and coverage, one point an indicator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.content.tables import missing
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.marks import Axis, Band, Mark, Panel, Picture, Points, Rule, Sign
from toolkit.reporting.figures.palette import PEER, RULE, UNIT

MARGIN = 1.5  # per cent to both sides of the nominal value
MEASURES = (("type_one", 5, "无作用时误判（应为 5%）"), ("coverage", 95, "区间覆盖（应为 95%）"))


def false_alarms_and_coverage(
    frame: pd.DataFrame, names: Mapping[str, str], *, recommended: str, id: str, caption: str
) -> Figure | Note:
    """Share of false alarms and coverage of every method against 5 % and 95 %.

    Parameters
    ----------
    frame
        One row per method and indicator: `method, indicator` (its Chinese name), `type_one, coverage` (shares).
    names
        Method -> its Chinese name.
    """
    require_columns(frame, ["method", "indicator", "type_one", "coverage"], id)
    rows = frame[frame["type_one"].notna() | frame["coverage"].notna()]
    if rows.empty:
        return nothing(caption)
    methods = list(dict.fromkeys(rows["method"]))
    panels = [
        Panel(
            x=Axis(low=-3, high=103, label=f"{words}，%", grid=True),
            y=Axis(
                low=len(methods) - 0.5,
                high=-0.5,
                ticks=range(len(methods)),
                names=[names[m] if place == 0 else "" for m in methods],
            ),
            marks=_points(rows, methods, column, nominal, recommended),
        )
        for place, (column, nominal, words) in enumerate(MEASURES)
    ]
    alt = "；".join(
        f"{names[r.method]} {r.indicator} 误判 {_share(r.type_one)} 覆盖 {_share(r.coverage)}" for r in rows_of(rows)
    )
    note = f"每点一个指标；灰带为 ±{MARGIN} 个百分点。区域少时点的散布多是机遇。"
    picture = Picture(panels=panels, height=0.9 + 0.32 * len(methods), arranged="abreast")
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _points(rows: pd.DataFrame, methods: list[str], column: str, nominal: float, recommended: str) -> list[Mark]:
    marks: list[Mark] = [
        Band(along="x", low=nominal - MARGIN, high=nominal + MARGIN),
        Rule(along="x", at=nominal),
        *(Rule(along="y", at=y, colour=RULE, width=0.4, layer=0) for y in range(len(methods))),
    ]
    for y, method in enumerate(methods):
        values = 100 * rows.loc[rows["method"] == method, column].dropna()
        sign = Sign(marker="o", colour=UNIT if method == recommended else PEER, size=5, rim="white")
        marks.append(Points(x=values, y=np.full(len(values), y), sign=sign))
    return marks


def _share(value: float) -> str:
    return "—" if missing(value) else f"{100 * value:.0f}%"
