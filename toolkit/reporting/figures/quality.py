"""Charts of the data themselves: what became of the records, volumes by month, months that are out of line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from toolkit.errors import ContractBroken, UnbalancedError
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.content.tables import rounded
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.labels import fold, folded
from toolkit.reporting.figures.marks import (
    HATCHED,
    Axis,
    Band,
    Boxes,
    Cell,
    Column,
    Mark,
    Panel,
    Picture,
    Points,
    Rule,
    Sign,
    Strokes,
    Words,
)
from toolkit.reporting.figures.palette import INK, PEER, SHADE, SOFT, UNIT, WORSE
from toolkit.reporting.figures.timeline import Shock, Timeline

LOST = ("重复", "隔离", "排除")  # kinds of step that take records away
MINUS = "\N{MINUS SIGN}"
# state: its sign, its mark in the words under the axis, and what it means
STATES = {
    "缺": (Sign(marker="x", colour=WORSE, size=3.4, filled=False), "×", "该月没有出院病例"),
    "少": (Sign(marker="v", colour=WORSE, size=3.4), "▼", "明显偏少"),
    "多": (Sign(marker="^", colour=UNIT, size=3.4, filled=False), "△", "明显偏多"),
}


def waterfall(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """What became of the records that came in.

    Parameters
    ----------
    frame
        One row per step, in order: `label`, `n` (records, whole numbers) and `kind`: 收到 (adds), 重复, 隔离 or 排除
        (take away), 纳入 (what is left; last row).

    Raises
    ------
    UnbalancedError
        What came in less what was taken away is not what is left.
    """
    require_columns(frame, ["label", "n", "kind"], id)
    if frame.empty:
        return nothing(caption)
    rows = frame.assign(n=frame["n"].astype("int64"), lost=frame["kind"].isin(LOST)).reset_index(drop=True)
    if unknown := set(map(str, rows["kind"])) - {"收到", *LOST, "纳入"}:
        raise ContractBroken(f"去向不明：{'、'.join(sorted(unknown))}", "unknown kind in the record account")
    received, included = (int(rows.loc[rows["kind"] == kind, "n"].sum()) for kind in ("收到", "纳入"))
    removed = int(rows.loc[rows["lost"], "n"].sum())
    if received - removed != included:
        raise UnbalancedError(
            f"收到 {received} 减去 {removed} 不等于纳入 {included}", "received less removed is not included", where=id
        )
    sides = [
        Column(points=48, cells=[Cell(y=r.Index, text=f"{MINUS if r.lost else ''}{r.n:,}") for r in rows_of(rows)]),
        Column(points=84, cells=[Cell(y=r.Index, text=_share_of(r.n, received), colour=SOFT) for r in rows_of(rows)]),
    ]
    names = [fold(label) for label in rows["label"]]
    panel = Panel(
        x=Axis(
            low=0, high=max(received, 1), label="记录数（条）；右列为占收到的比例", most=5, whole=True, write=_counted
        ),
        y=Axis(low=len(rows) - 0.4, high=-0.6, ticks=range(len(rows)), names=names),
        marks=list(_steps(rows)),
        beside=sides,
    )
    alt = f"收到 {received:,} 条，去除 {removed:,} 条，纳入 {included:,} 条。"
    picture = Picture(panels=[panel], height=0.9 + 0.27 * len(rows) + 0.05 * folded(names))
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _steps(rows: pd.DataFrame) -> Iterator[Mark]:
    """The boxes of each kind, an edge that keeps a few records visible, and lines from level to level."""
    change = rows["n"].where(rows["kind"] == "收到", -rows["n"].where(rows["lost"], 0))
    level = change.cumsum().to_numpy()
    start = np.where(rows["lost"], level, np.where(rows["kind"] == "纳入", 0, level - change))
    at = rows.index.to_numpy()
    for mask, colour, hatch in (
        (rows["kind"] == "收到", PEER, ""),
        (rows["lost"], WORSE, "////"),
        (rows["kind"] == "纳入", UNIT, ""),
    ):
        left, y = start[mask], at[mask]
        low, high = y - 0.31, y + 0.31
        yield Boxes(x=left, to_x=left + rows["n"].to_numpy()[mask], y=low, to_y=high, colour=colour, hatch=hatch)
        seen = rows["n"].to_numpy()[mask] > 0
        yield Strokes(x=left[seen], to_x=left[seen], y=y[seen] - 0.31, to_y=y[seen] + 0.31, colour=colour)
    yield Strokes(x=level[:-1], to_x=level[:-1], y=at[:-1] + 0.31, to_y=at[:-1] + 0.69, width=0.6)


def _share_of(part: int, whole: int) -> str:
    # a few of very many are not none
    return "" if not whole else "<0.1%" if 0 < part < 0.0005 * whole else f"{rounded(part / whole, 1, 100)}%"


def _counted(value: float) -> str:
    return f"{value:,.0f}"


def monthly(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    after: str | None = None,
    shocks: Sequence[Shock] = (),
    note: str = "",
) -> Figure | Note:
    """Volumes by month; a month without a row is marked as a gap, which a month with 0 is not.

    Parameters
    ----------
    frame
        One row per month: `month` (`2019-01`, a date or a Period), `n` (discharges; missing = gap).
    after
        First month of the after cycle, `2022-01`.
    shocks
        Shaded years.
    """
    require_columns(frame, ["month", "n"], id)
    if frame.empty:
        return nothing(caption)
    volumes = _volumes(frame, id)
    gaps, total = volumes.index[volumes.isna()], int(volumes.sum())
    by_year = len(volumes) > 18
    ticks = [i for i, month in enumerate(volumes.index) if not by_year or month.month == 1] or [0]
    names = [str(volumes.index[i]) for i in ticks]
    begins = pd.Period(after, freq="M") if after else None
    timeline = Timeline(
        years=pd.PeriodIndex(volumes.index).year.to_numpy(),
        marks=list(_bars(volumes)),
        values=_volume_axis(float(volumes.max())),
        ticks=ticks,
        names=names if by_year else [name.replace("-", "\n") for name in names],
        label=f"月份（共 {len(volumes)} 个月，n={total:,}，缺 {len(gaps)} 个月）",
        start=list(volumes.index).index(begins) if begins in volumes.index else None,
        shocks=shocks,
        shocks_above=True,
        edge=0.7,
    )
    lacking = "缺 " + "、".join(map(str, gaps)) if len(gaps) else "无缺月"
    alt = f"{volumes.index[0]} 至 {volumes.index[-1]} 每月出院人次，合计 {total:,}；{lacking}。"
    return figure(Picture(panels=[timeline.panel()], height=2.3), id=id, caption=caption, alt=alt, note=note)


def _volumes(frame: pd.DataFrame, id: str) -> pd.Series:
    """Discharges by month from the first to the last; one without a row is missing."""
    months = pd.PeriodIndex([pd.Period(str(m)[:7], freq="M") for m in frame["month"]])
    if months.has_duplicates:
        raise ContractBroken("同一月份出现多次", "a month occurs more than once", where=id)
    volumes = pd.Series(frame["n"].to_numpy(dtype=float), index=months)
    return volumes.reindex(pd.period_range(months.min(), months.max(), freq="M"))


def _volume_axis(highest: float) -> Axis:
    return Axis(low=0, high=max(1.05 * highest, 1), label="出院人次", most=5, whole=True, write=_counted, grid=True)


def _bars(volumes: pd.Series) -> Iterator[Mark]:
    at = np.arange(len(volumes))
    heights = volumes.fillna(0).to_numpy()
    yield Boxes(x=at - 0.4, to_x=at + 0.4, y=np.zeros(len(at)), to_y=heights, colour=UNIT)
    lacking = at[volumes.isna()]
    for run in np.split(lacking, np.flatnonzero(np.diff(lacking) > 1) + 1) if len(lacking) else ():
        yield Band(along="x", low=run[0] - 0.5, high=run[-1] + 0.5, colour=WORSE, hatch=HATCHED, layer=1)
        yield Words(x=run.mean(), text=f"缺\n{len(run)} 月", where="middle", colour=WORSE, size=7)


def month_marks(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Months of each hospital that have no discharge, far fewer or far more than its own median month.

    Parameters
    ----------
    frame
        One row per hospital and month, in the order drawn: `label` (hospital), `month` (`2022-03`), `state` (缺, 少, 多, or ""
        for a month like the others).
    """
    require_columns(frame, ["label", "month", "state"], id)
    if frame.empty:
        return nothing(caption)
    labels, months = list(dict.fromkeys(frame["label"])), sorted(set(frame["month"]))
    rows, at = {label: i for i, label in enumerate(labels)}, {month: i for i, month in enumerate(months)}
    placed = frame.assign(y=frame["label"].map(rows), x=frame["month"].map(at))
    names = [fold(label) for label in labels]
    years = [i for month, i in at.items() if month.endswith("-01")]
    meanings = "；".join(f"{mark} {words}" for _sign, mark, words in (STATES[s] for s in ("少", "多", "缺")))
    panel = Panel(
        x=Axis(
            low=-0.7,
            high=len(months) - 0.3,
            ticks=[i + 5.5 for i in years],
            names=[months[i][:4] for i in years],
            label=f"出院年月（{meanings}）",
            tick_length=0,
        ),
        y=Axis(low=len(labels) - 0.4, high=-0.6, ticks=range(len(labels)), names=names),
        marks=[
            Strokes(x=[-0.5], to_x=[len(months) - 0.5], y=[y], to_y=[y], colour=SHADE, width=7, layer=0)
            for y in rows.values()
        ]
        + [Rule(along="x", at=i - 0.5, colour=PEER, width=0.5) for i in years]
        + [
            Points(x=part["x"], y=part["y"], sign=sign)
            for state, (sign, _mark, _words) in STATES.items()
            if len(part := placed[placed["state"] == state])
        ],
        beside=[_counts(placed, ("少", "多"), 30, "偏离"), _counts(placed, ("缺",), 58, "缺")],
    )
    total = frame["state"].value_counts()
    said = "，".join(f"{words} {int(total.get(state, 0))} 个月" for state, (_sign, _mark, words) in STATES.items())
    alt = f"{len(labels)} 家医疗机构各月出院例数：{said}。"
    picture = Picture(panels=[panel], height=0.75 + 0.2 * len(labels) + 0.1 * folded(names))
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _counts(placed: pd.DataFrame, states: Sequence[str], points: float, head: str) -> Column:
    """How many months of each row are in one of the states."""
    counted = placed["state"].isin(states).groupby(placed["y"]).sum()
    cells = [Cell(y=int(y), text=str(n) if n else "—", colour=INK) for y, n in zip(counted.index, counted, strict=True)]
    return Column(points=points, cells=cells, head=head, size=8)
