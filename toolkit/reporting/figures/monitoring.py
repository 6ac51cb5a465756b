"""Charts of the monitoring: control charts and CUSUM. For a panel: limits are named at the data, n stands on the axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from toolkit.models.monitoring.spc import Signal, read_as
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.marks import (
    DASHED,
    DOTTED,
    SOLID,
    Axis,
    Label,
    Labels,
    Line,
    Mark,
    Picture,
    Points,
    Rule,
    Sign,
    Strokes,
    spanning,
)
from toolkit.reporting.figures.palette import INK, PEER, UNIT, WORSE
from toolkit.reporting.figures.timeline import Shock, Timeline

SIGNALS = {
    Signal.BETTER: Sign(marker="D", colour=UNIT, size=5),
    Signal.WORSE: Sign(marker="^", colour=WORSE, size=5),
    Signal.HIGH: Sign(marker="s", colour=INK, size=5),
    Signal.LOW: Sign(marker="s", colour=INK, size=5),
}
XMR_KEY = "◆ 变好、▲ 变差、■ 不分优劣的异常；灰点为平常波动。虚线为控制限（均值 ± 2.66 × 平均移动极差）。"
USUAL = Sign(marker="o", size=3.2)
# of the lines of a phase, lowest first
LIMITS = (("lower", "下限", DASHED), ("centre", "均值", SOLID), ("upper", "上限", DASHED))
# direction: upwards or downwards, word, sign of a signal, line
WAYS = {
    "worse": (1, "变差", Sign(marker="^", colour=WORSE, size=6), SOLID),
    "better": (-1, "变好", Sign(marker="v", colour=UNIT, size=6), DASHED),
}


def xmr_chart(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    y_label: str,
    after: int | None = None,
    shocks: Sequence[Shock] = (),
    places: int = 2,
    note: str = "",
) -> Figure | Note:
    """One series with the limits of each phase; points with a signal are marked and coloured.

    Parameters
    ----------
    frame
        Rows of one series of `toolkit.models.monitoring.spc.xmr`: `point` (`2019-03` or `2019Q1`), `phase, n, value, centre,
        lower, upper, outside, signal, against_trend, target`. Points without a row are gaps.
    after
        First year of the after cycle, where the chart is rebased.
    """
    needed = [
        "point",
        "phase",
        "n",
        "value",
        "centre",
        "lower",
        "upper",
        "outside",
        "signal",
        "against_trend",
        "target",
    ]
    require_columns(frame, needed, id)
    frame = frame.assign(signal=read_as(frame))
    if frame.empty or frame["value"].isna().all():
        return nothing(caption)
    values = _every_period(frame)
    target = [float(t) for t in frame["target"].dropna().unique()[:1]]
    timeline = _xmr_timeline(values, target, places, y_label)
    begins = np.flatnonzero(timeline.years == after)
    timeline = replace(timeline, start=int(begins[0]) if len(begins) else None, shocks=shocks)
    found = frame[frame["signal"] != ""]
    words = (
        "；".join(f"{p} {s}" for p, s in zip(found["point"], Signal.said(found["signal"]), strict=True))
        or "没有异常信号"
    )
    picture = Picture(panels=[timeline.panel()], height=2.7)
    return figure(picture, id=id, caption=caption, alt=f"{y_label}：{words}。", note=note + XMR_KEY)


def _xmr_timeline(rows: pd.DataFrame, target: Sequence[float], places: int, y_label: str) -> Timeline:
    years = pd.PeriodIndex(rows.index).year.to_numpy()
    firsts = [int(k) for k in np.unique(years, return_index=True)[1]]
    low, high = spanning(rows["value"], rows["lower"], rows["upper"], target, foot=0.075)
    return Timeline(
        years=years,
        marks=[*_xmr_marks(rows), *(Rule(along="y", at=at, colour=UNIT, width=0.9, dash=DOTTED) for at in target)],
        values=Axis(low=low, high=high, label=y_label, grid=True),
        ticks=firsts,
        names=[str(years[k]) for k in firsts],
        label=_counted(rows),
        after="建设期（重设界限）",
        beside=[Labels(labels=list(_xmr_ends(rows, target, places)))],
        edge=0.7,
    )


def _every_period(frame: pd.DataFrame) -> pd.DataFrame:
    """The series by month or quarter, from the first to the last; one without a point is a row of missing values."""
    freq = "Q" if "Q" in str(frame["point"].iloc[0]) else "M"
    periods = pd.PeriodIndex([pd.Period(str(p), freq=freq) for p in frame["point"]])
    return frame.set_axis(periods, axis=0).reindex(pd.period_range(periods.min(), periods.max(), freq=freq))


def _counted(rows: pd.DataFrame) -> str:
    points, typical = int(rows["value"].notna().sum()), int(rows["n"].median())
    return f"{'月' if pd.PeriodIndex(rows.index).freqstr == 'M' else '季度'}（{points} 个点，每点例数中位数 n={typical:,}）"


def _xmr_marks(rows: pd.DataFrame) -> Iterator[Mark]:
    """The limits of each phase, the series, and the sign of each point."""
    rows = rows.assign(at=np.arange(len(rows)))
    for _phase, part in rows.groupby("phase", sort=False):
        for name, _word, dash in LIMITS:
            if len(level := part[name].dropna().unique()[:1]):
                first, last = part["at"].iloc[0] - 0.5, part["at"].iloc[-1] + 0.5
                yield Strokes(x=[first], to_x=[last], y=level, to_y=level, width=0.9, dash=dash, layer=1.5)
    yield Line(x=rows["at"], y=rows["value"], colour=PEER)
    for signal, part in rows[rows["value"].notna()].groupby("signal"):
        yield Points(x=part["at"], y=part["value"], sign=SIGNALS[Signal(str(signal))] if signal else USUAL)


def _xmr_ends(rows: pd.DataFrame, target: Sequence[float], places: int) -> Iterator[Label]:
    """What the lines of the last phase are, for the right margin."""
    known = rows[rows["centre"].notna()]
    if known.empty:
        return
    last = known.iloc[-1]
    for name, word, _dash in LIMITS:
        if not missing(last[name]):
            yield Label(y=float(last[name]), text=f"{word} {rounded(last[name], places)}")
    for at in target:
        yield Label(y=at, text=f"目标 {rounded(at, places)}", colour=UNIT)


def cusum_chart(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """The two charts of one unit on one axis: towards worse upwards, towards better downwards.

    Parameters
    ----------
    frame
        Rows of one unit of `toolkit.evaluation.monitoring.monitor`'s `cusums`: `direction, month, n, observed, expected,
        cusum, limit, signal, odds_ratio`.
    """
    needed = ["direction", "month", "n", "observed", "expected", "cusum", "limit", "signal", "odds_ratio"]
    require_columns(frame, needed, id)
    if frame.empty:
        return nothing(caption)
    months = sorted(frame["month"].unique())
    rows = frame.assign(at=frame["month"].map({m: k for k, m in enumerate(months)})).sort_values("month")
    sides = {way: part for way in WAYS if len(part := rows[rows["direction"] == way])}
    step = max(1, len(months) // 6)
    values = next(iter(sides.values()))
    died, hoped = int(values["observed"].sum()), float(values["expected"].sum())
    reach = [WAYS[way][0] * part[column] for way, part in sides.items() for column in ("cusum", "limit")]
    low, high = spanning(*reach, [0.0])
    timeline = Timeline(
        years=np.array([int(m[:4]) for m in months]),
        marks=[Rule(along="y", at=0, width=0.7), *(m for way, part in sides.items() for m in _cusum_marks(way, part))],
        values=Axis(low=low, high=high, label="累积对数似然比得分", write=lambda v: f"{abs(v):g}", grid=True),
        ticks=range(0, len(months), step),
        names=months[::step],
        label=f"月份（n={int(values['n'].sum()):,}，死亡 {died}，期望 {rounded(hoped, 1)}）",
        beside=[Labels(labels=[e for way, part in sides.items() for e in _cusum_end(way, part)], room=0.15, size=7.6)],
        edge=0.7,
    )
    hits = frame[frame["signal"]]
    alt = "；".join(f"{m} {WAYS[way][1]}信号" for way, m in zip(hits["direction"], hits["month"], strict=True))
    picture = Picture(panels=[timeline.panel()], height=2.4)
    return figure(picture, id=id, caption=caption, alt=alt or "没有信号。", note=note)


def _cusum_marks(way: str, part: pd.DataFrame) -> Iterator[Mark]:
    upwards, _word, sign, dash = WAYS[way]
    yield Line(x=part["at"], y=upwards * part["cusum"], colour=sign.colour, width=1.5, dash=dash, stepped=True, layer=3)
    hit = part[part["signal"]]
    yield Points(x=hit["at"], y=upwards * hit["cusum"], sign=sign, layer=4)
    if not missing(limit := part["limit"].iloc[0]):
        yield Rule(along="y", at=upwards * limit, colour=sign.colour, width=0.9, dash=DOTTED)


def _cusum_end(way: str, part: pd.DataFrame) -> Iterator[Label]:
    upwards, word, sign, _dash = WAYS[way]
    if not missing(limit := part["limit"].iloc[0]):
        words = f"{word}界限\n（优势比 {rounded(part['odds_ratio'].iloc[0], 1)}）"
        yield Label(y=upwards * limit, text=words, colour=sign.colour)


__all__ = ["cusum_chart", "xmr_chart"]
