"""Charts over time: years of a unit beside its peers, and monthly volumes with their gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import blended_transform_factory

from toolkit.errors import ContractBroken
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import above, apart, fold, nothing, require_columns, side
from toolkit.reporting.figures.style import INK, PEER, SHADE, SOFT, UNIT, WORSE, chart, quiet_axes


@dataclass(frozen=True, kw_only=True)
class Shock:
    """A stretch of time that is not like the others, shaded: years or months, both ends included."""

    start: int
    end: int
    label: str


COVID = Shock(start=2020, end=2022, label="新冠疫情")


def trend(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    y_label: str,
    unit: str,
    after: int | None = None,
    shocks: Sequence[Shock] = (COVID,),
    reference: float | None = None,
    places: int = 2,
    note: str = "",
) -> Figure | Note:
    """Years of one unit beside its peers.

    Parameters
    ----------
    frame
        One row per series and year: `period` (year, int), `series` (label), `value`, `low`, `high` (95 % limits, drawn
        for the unit), `n` (cases, printed under the year for the unit). A missing year is a gap in the line.
    unit
        The `series` drawn in colour.
    after
        First year of the after cycle; a vertical line stands before it.
    shocks
        Shaded years; those outside the data are left out.
    reference
        A level drawn as a dashed line, e.g. 1 for an index.
    """
    require_columns(frame, ["period", "series", "value", "low", "high", "n"], id)
    if frame.empty or frame["value"].isna().all():
        return nothing(caption)
    years = list(range(int(frame["period"].min()), int(frame["period"].max()) + 1))
    names = sorted(set(frame["series"]) - {unit})
    lines = {name: frame[frame["series"] == name].set_index("period").reindex(years) for name in [*names, unit]}

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        foot = blended_transform_factory(axes.transData, axes.transAxes)
        for shock in shocks:
            start, end = max(shock.start, years[0]) - 0.5, min(shock.end, years[-1]) + 0.5
            if start < end:
                axes.axvspan(start, end, color=SHADE, zorder=0, linewidth=0)
                axes.text(
                    (start + end) / 2, 0.03, printable(shock.label), transform=foot, ha="center", color=SOFT, fontsize=8
                )
        if after is not None and years[0] < after <= years[-1]:
            axes.axvline(after - 0.5, color=INK, linewidth=0.8)
            for text, step, edge in (("建设前", -5, "right"), ("建设期", 5, "left")):
                above(axes, after - 0.5, text, edge, points=step)
        if reference is not None:
            axes.axhline(reference, color=SOFT, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
        ends = []
        for order, (name, line) in enumerate(lines.items()):
            chosen = name == unit
            colour = UNIT if chosen else PEER
            dashes = "-" if chosen else ((0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))[order % 3]
            axes.plot(
                years,
                line["value"],
                linestyle=dashes,
                color=colour,
                linewidth=1.8 if chosen else 1.2,
                marker="o" if chosen else "s^D"[order % 3],
                markersize=4.5 if chosen else 3.2,
                zorder=3 if chosen else 2,
            )
            if chosen:
                axes.vlines(years, line["low"], line["high"], color=colour, linewidth=1, alpha=0.75, zorder=2)
            if (last := line["value"].last_valid_index()) is not None:
                ends.append((float(line["value"][last]), name, "●" if chosen else "■▲◆"[order % 3]))
        low, high = axes.get_ylim()
        room = (high - low) * 0.075  # height of one line of text
        axes.set_ylim(low - room, high)
        for (value, name, mark), y in zip(ends, apart([e[0] for e in ends], room), strict=True):
            side(
                axes,
                4,
                y,
                f"{mark} {fold(name, 18)}  {rounded(value, places)}",
                ha="left",
                fontsize=8,
                color=UNIT if name == unit else SOFT,
            )
        counts = lines[unit]["n"] if unit in set(frame["series"]) else pd.Series(np.nan, index=years)
        axes.set_xticks(years, [f"{year}\n{'—' if missing(n) else f'n={int(n):,}'}" for year, n in counts.items()])
        axes.set(xlim=(years[0] - 0.5, years[-1] + 0.5), ylabel=y_label)
        quiet_axes(axes, grid="y")

    alt = f"{y_label}，{years[0]}–{years[-1]} 年。" + "；".join(
        f"{printable(str(name))}："
        + "，".join(f"{y} 年 {'—' if missing(v) else rounded(v, places)}" for y, v in line["value"].items())
        for name, line in lines.items()
    )
    return chart(draw, height=2.9, id=id, caption=caption, alt=alt, note=note)


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
    months = pd.PeriodIndex([pd.Period(str(m)[:7], freq="M") for m in frame["month"]])
    if months.has_duplicates:
        raise ContractBroken("同一月份出现多次", "a month occurs more than once", where=id)
    volumes = pd.Series(frame["n"].to_numpy(dtype=float), index=months)
    volumes = volumes.reindex(pd.period_range(months.min(), months.max(), freq="M"))
    gaps = volumes.index[volumes.isna()]

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        place = np.arange(len(volumes))
        foot = blended_transform_factory(axes.transData, axes.transAxes)
        for shock in shocks:
            inside = place[(volumes.index.year >= shock.start) & (volumes.index.year <= shock.end)]
            if len(inside):
                axes.axvspan(inside[0] - 0.5, inside[-1] + 0.5, color=SHADE, linewidth=0, zorder=0)
                above(axes, inside[0] - 0.5, printable(shock.label), "left")
        axes.bar(place, volumes.fillna(0), width=0.8, color=UNIT, linewidth=0)
        lacking = place[volumes.isna()]
        for run in np.split(lacking, np.flatnonzero(np.diff(lacking) > 1) + 1) if len(lacking) else ():
            axes.axvspan(
                run[0] - 0.5, run[-1] + 0.5, facecolor="white", edgecolor=WORSE, hatch="//////", linewidth=0, zorder=1
            )
            axes.text(
                run.mean(),
                0.5,
                f"缺\n{len(run)} 月",
                transform=foot,
                ha="center",
                va="center",
                fontsize=7,
                color=WORSE,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        if after is not None and pd.Period(after, freq="M") in volumes.index:
            start = volumes.index.get_loc(pd.Period(after, freq="M")) - 0.5
            axes.axvline(start, color=INK, linewidth=0.8)
            above(axes, start, "建设期", "left", points=5)
        step = 1 if len(volumes) <= 18 else 12
        ticks = [i for i in range(len(volumes)) if step == 1 or volumes.index[i].month == 1] or [0]
        names = [f"{volumes.index[i].year}-{volumes.index[i].month:02d}" for i in ticks]
        axes.set_xticks(ticks, names, rotation=0 if step == 12 else 45)
        axes.set(xlim=(-0.7, len(volumes) - 0.3), ylabel="出院人次")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axes.set_xlabel(f"月份（共 {len(volumes)} 个月，n={int(volumes.sum()):,}，缺 {len(gaps)} 个月）")
        quiet_axes(axes, grid="y")

    lacking = "缺 " + "、".join(map(str, gaps)) if len(gaps) else "无缺月"
    alt = f"{volumes.index[0]} 至 {volumes.index[-1]} 每月出院人次，合计 {int(volumes.sum()):,}；{lacking}。"
    return chart(draw, height=2.3, id=id, caption=caption, alt=alt, note=note)
