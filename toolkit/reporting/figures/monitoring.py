"""Charts of the monitoring: funnels, control charts, CUSUM. For a panel: names and limits written at the data, n on the axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory

from toolkit.errors import ContractBroken
from toolkit.models.monitoring.funnel import OVERDISPERSED_ZH, Kind, Position, limits
from toolkit.models.monitoring.spc import read_as
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import above, apart, fold, nothing, require_columns, side
from toolkit.reporting.figures.style import INK, PEER, SHADE, SOFT, UNIT, WORSE, chart, quiet_axes
from toolkit.reporting.figures.time import Shock

MOST_NAMES = 7
MOST_CENTRES = 12  # the value axis ends there
EDGE = 0.985  # of the axis, where a value beyond it is drawn
DASHED, DOTTED = (0, (5, 2)), (0, (1, 1.5))
# position: (mark, filled); colour is not the only sign
OUTSIDE = {
    Position.HIGH_998: ("^", True),
    Position.LOW_998: ("v", True),
    Position.HIGH_95: ("^", False),
    Position.LOW_95: ("v", False),
}
SIGNALS = {"变好": ("D", UNIT), "变差": ("^", WORSE), "异常升高": ("s", INK), "异常降低": ("s", INK)}


def funnel_chart(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    x_label: str,
    y_label: str,
    overdispersion: str,
    scale: float = 1.0,
    places: int = 2,
    note: str = "",
) -> Figure | Note:
    """Units of a group by their size, with 95 % and 99.8 % prediction limits, with and without overdispersion.

    Parameters
    ----------
    frame
        One row per unit, of one group of `toolkit.models.monitoring.funnel.funnel` (`kind, exposure, value, centre, position_od,
        tau2_<overdispersion>`), with `label` (name) and `highlight` (bool). Units that cannot be judged are left out and counted.
    scale
        Of the printed values, 100 for percent.
    """
    tau = f"tau2_{overdispersion}"
    require_columns(frame, ["kind", "exposure", "value", "centre", "position_od", tau, "label", "highlight"], id)
    rows = frame[(frame["exposure"] > 0) & frame["value"].notna() & frame["z"].notna()].reset_index(drop=True)
    if rows.empty:
        return nothing(caption)
    if len(rows[["centre", "kind"]].drop_duplicates()) > 1:
        raise ContractBroken("漏斗图只能画一组单元", "a funnel is of one group", where=id)
    kind: Kind = rows["kind"].iloc[0]
    centre, tau2 = float(rows["centre"].iloc[0]), float(rows[tau].iloc[0])
    low, high = rows["exposure"].min() / 1.25, rows["exposure"].max() * 1.25
    grid = np.exp(np.linspace(np.log(low), np.log(high), 160))
    plain = {level: limits(grid, kind, centre, level) for level in (0.95, 0.998)}
    wide = (
        {}
        if np.isnan(tau2)
        else {
            level: limits(
                grid, kind, centre, level, tau2=np.full(len(grid), tau2), counted=overdispersion == "corrected"
            )
            for level in (0.95, 0.998)
        }
    )
    outer = wide or plain
    top = _top(rows, centre, grid, outer, kind) * scale
    names = _named(rows)

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.set(xscale="log", xlim=(low, high), ylim=(-0.03 * top, top))
        axes.axhline(scale * centre, color=INK, linewidth=0.9, zorder=1)
        if wide:
            for pair in plain.values():
                for edge in pair:
                    axes.plot(grid, scale * edge, color=PEER, linewidth=0.8, linestyle=DOTTED, zorder=1)
        for level, style in ((0.95, DASHED), (0.998, "-")):
            for edge in outer[level]:
                axes.plot(grid, scale * edge, color=SOFT, linewidth=0.9, linestyle=style, zorder=1)
        for row in rows.itertuples():
            marker, filled = OUTSIDE.get(row.position_od, ("o", True))
            colour = UNIT if row.highlight else WORSE if row.position_od in OUTSIDE else PEER
            axes.plot(
                row.exposure,
                min(scale * row.value, EDGE * top),
                "D" if row.highlight and marker == "o" else marker,
                color=colour,
                markersize=7 if row.highlight else 5 if row.position_od in OUTSIDE else 4,
                markerfacecolor=colour if filled else "white",
                zorder=4 if row.highlight else 3,
                clip_on=False,
            )
        _edge_labels(axes, outer, scale * centre, scale, top, places)
        _names_beside(axes, names, scale, top, high, places)
        ticks = _ticks(low, high)
        axes.xaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
        axes.set(xlabel=f"{x_label}（对数刻度；{len(rows)} 个单元）", ylabel=y_label)
        quiet_axes(axes)

    kinds = (
        f"实线 99.8%、虚线 95%：{OVERDISPERSED_ZH}；点线：{rows['limits'].iloc[0]}，不含单元间差异。"
        if wide
        else (f"实线 99.8%、虚线 95%：{rows['limits'].iloc[0]}（单元太少，不能估计单元间差异）。")
    )
    left_out = len(frame) - len(rows)
    beyond = int((scale * rows["value"] > EDGE * top).sum())
    kinds += f"{beyond} 个单元超出图的上端，画在上缘。" if beyond else ""
    said = note + kinds + (f"另有 {left_out} 个单元没有病例或期望为 0，未画。" if left_out else "")
    alt = f"{y_label}，{len(rows)} 个单元，中心 {rounded(centre, places, _whole(scale))}。" + "；".join(
        f"{printable(str(r.label))} {rounded(r.value, places, _whole(scale))}，{r.position_od}"
        for r in names.itertuples()
    )
    return chart(draw, height=3.3, id=id, caption=caption, alt=alt, note=said)


def _whole(scale: float) -> int:
    return round(scale)


def _top(rows: pd.DataFrame, centre: float, grid: np.ndarray, edges: dict[float, Any], kind: Kind) -> float:
    """Where the value axis ends: above every unit, and above the limits where units are."""
    typical = float(rows["exposure"].quantile(0.25))
    reach = [
        float(np.interp(np.log(typical), np.log(grid), np.nan_to_num(edges[level][1], nan=centre))) for level in edges
    ]
    top = 1.1 * max(
        float(rows["value"].max()), centre * 1.5, min(max(reach), 4 * max(centre, float(rows["value"].max())))
    )
    # one death where a hundredth was expected must not squeeze all others: what goes beyond is drawn at the edge
    return min(top, 1.02) if kind == "proportion" else min(top, MOST_CENTRES * centre)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """The units whose names are written: the one of interest, and those furthest outside."""
    outside = rows[rows["position_od"].isin([Position.HIGH_998, Position.LOW_998]) & ~rows["highlight"]]
    order = outside.assign(far=outside["z"].abs()).sort_values(["far", "label"], ascending=[False, True])
    return pd.concat([rows[rows["highlight"]], order.head(MOST_NAMES - int(rows["highlight"].sum()))])


def _edge_labels(axes: Axes, edges: dict[float, Any], centre: float, scale: float, top: float, places: int) -> None:
    """What each line is, at its right end; an end that is off the picture has no label."""
    ends = [(centre, "中心")]
    for level, name in ((0.95, "95%"), (0.998, "99.8%")):
        ends += [(scale * float(edge[-1]), name) for edge in edges[level] if 0 < scale * edge[-1] < top]
    for (_, name), y in zip(ends, apart([e[0] for e in ends], 0.055 * top), strict=True):
        # a line from a unit to its name may pass: the word stands on white
        side(
            axes,
            4,
            y,
            name,
            ha="left",
            fontsize=7.2,
            color=SOFT,
            zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )


def _names_beside(axes: Axes, names: pd.DataFrame, scale: float, top: float, right: float, places: int) -> None:
    if names.empty:
        return
    wanted = [min(scale * float(v), EDGE * top) for v in names["value"]]
    room = 0.115 * top
    heights = apart(wanted, room)
    lift = min(0.0, top - 0.02 * top - max(heights)) or max(0.0, room / 2 - min(heights))
    for row, y in zip(names.itertuples(), heights, strict=True):
        y = y + lift
        colour = UNIT if row.highlight else WORSE
        where = blended_transform_factory(axes.transAxes, axes.transData)
        axes.annotate(
            "",
            (row.exposure, min(scale * row.value, EDGE * top)),
            xycoords="data",
            xytext=(1.105, y),
            textcoords=where,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4},
            annotation_clip=False,
        )
        words = f"{fold(row.label, 20)}\n{rounded(row.value, places, _whole(scale))}"
        side(axes, 40, y, words, ha="left", fontsize=7.6, color=colour, linespacing=1.2)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers 1, 2, 5 × 10ⁿ inside the axis, thinned to about seven."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{s}e{d}") for d in decades for s in steps if low <= float(f"{s}e{d}") <= high]
        if len(ticks) <= 7:
            break
    return ticks


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
        Rows of one series of `toolkit.models.monitoring.spc.xmr`: `point` (`2019-03` or `2019Q1`), `phase, n, value, centre, lower, upper,
        outside, signal, against_trend, target`. Points without a row are gaps.
    after
        First year of the after cycle, where the chart is rebased.
    """
    require_columns(
        frame,
        ["point", "phase", "n", "value", "centre", "lower", "upper", "outside", "signal", "against_trend", "target"],
        id,
    )
    frame = frame.assign(signal=read_as(frame))
    if frame.empty or frame["value"].isna().all():
        return nothing(caption)
    freq = "Q" if "Q" in str(frame["point"].iloc[0]) else "M"
    periods = pd.PeriodIndex([pd.Period(str(p), freq=freq) for p in frame["point"]])
    rows = frame.set_axis(periods, axis=0).reindex(pd.period_range(periods.min(), periods.max(), freq=freq))
    place = np.arange(len(rows))
    years = np.array([p.year for p in rows.index])
    target = frame["target"].dropna()

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        foot = blended_transform_factory(axes.transData, axes.transAxes)
        for shock in shocks:
            inside = place[(years >= shock.start) & (years <= shock.end)]
            if len(inside):
                axes.axvspan(inside[0] - 0.5, inside[-1] + 0.5, color=SHADE, zorder=0, linewidth=0)
                axes.text(inside[0], 0.02, printable(shock.label), transform=foot, ha="left", color=SOFT, fontsize=8)
        starts = place[years == after] if after is not None else []
        if len(starts) and starts[0] > 0:
            axes.axvline(starts[0] - 0.5, color=INK, linewidth=0.8)
            for text, step, edge in (("建设前", -5, "right"), ("建设期（重设界限）", 5, "left")):
                above(axes, starts[0] - 0.5, text, edge, points=step)
        for _, part in rows.groupby("phase", sort=False):
            at = place[rows.index.isin(part.index)]
            for name, style in (("centre", "-"), ("lower", DASHED), ("upper", DASHED)):
                axes.hlines(
                    part[name].dropna().unique()[:1],
                    at[0] - 0.5,
                    at[-1] + 0.5,
                    color=SOFT,
                    linewidth=0.9,
                    linestyle=style,
                )
        axes.plot(place, rows["value"], color=PEER, linewidth=0.9, zorder=2)
        for signal, part in rows.assign(at=place)[rows["value"].notna()].groupby("signal"):
            marker, colour = SIGNALS.get(str(signal), ("o", PEER))
            axes.plot(
                part["at"], part["value"], marker, color=colour, markersize=5 if signal else 3.2, zorder=3, linestyle=""
            )
        ends = _xmr_ends(rows, target, places)
        if len(target):
            axes.axhline(float(target.iloc[0]), color=UNIT, linewidth=0.9, linestyle=DOTTED, zorder=1)
        low, high = axes.get_ylim()
        room = 0.075 * (high - low)
        axes.set_ylim(low - room, high)
        for (_, words, colour), y in zip(ends, apart([e[0] for e in ends], room), strict=True):
            side(axes, 4, y, words, ha="left", fontsize=8, color=colour)
        firsts = [int(place[years == y][0]) for y in sorted(set(years))]
        axes.set_xticks(firsts, [str(years[k]) for k in firsts])
        typical = int(frame["n"].median())
        axes.set(xlim=(-0.7, len(rows) - 0.3), ylabel=y_label)
        axes.set_xlabel(
            f"{'月' if freq == 'M' else '季度'}（{int(rows['value'].notna().sum())} 个点，每点例数中位数 n={typical:,}）"
        )
        quiet_axes(axes, grid="y")

    found = frame[frame["signal"] != ""]
    words = "；".join(f"{p} {s}" for p, s in zip(found["point"], found["signal"], strict=True)) or "没有异常信号"
    key = "◆ 变好、▲ 变差、■ 不分优劣的异常；灰点为平常波动。虚线为控制限（均值 ± 2.66 × 平均移动极差）。"
    return chart(draw, height=2.7, id=id, caption=caption, alt=f"{y_label}：{words}。", note=note + key)


def _xmr_ends(rows: pd.DataFrame, target: pd.Series, places: int) -> list[tuple[float, str, str]]:
    """What the lines of the last phase are, for the right margin."""
    known = rows[rows["centre"].notna()]
    if known.empty:
        return []
    last = known.iloc[-1]
    ends = [
        (float(last[name]), f"{words} {rounded(last[name], places)}", SOFT)
        for name, words in (("upper", "上限"), ("centre", "均值"), ("lower", "下限"))
        if not missing(last[name])
    ]
    if len(target):
        ends.append((float(target.iloc[0]), f"目标 {rounded(float(target.iloc[0]), places)}", UNIT))
    return ends


def cusum_chart(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """The two charts of one unit on one axis: towards worse upwards, towards better downwards.

    Parameters
    ----------
    frame
        Rows of one unit of `toolkit.evaluation.monitoring.monitor`'s `cusums`: `direction, month, n, observed, expected,
        cusum, limit, signal, odds_ratio`.
    """
    require_columns(
        frame, ["direction", "month", "n", "observed", "expected", "cusum", "limit", "signal", "odds_ratio"], id
    )
    if frame.empty:
        return nothing(caption)
    months = sorted(frame["month"].unique())
    place = {m: k for k, m in enumerate(months)}
    sides = {d: frame[frame["direction"] == d].sort_values("month") for d in ("worse", "better")}

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.axhline(0, color=INK, linewidth=0.7)
        for direction, sign, colour, style, words in (
            ("worse", 1, WORSE, "-", "变差"),
            ("better", -1, UNIT, DASHED, "变好"),
        ):
            rows = sides[direction]
            if rows.empty:
                continue
            at = [place[m] for m in rows["month"]]
            axes.step(at, sign * rows["cusum"], where="mid", color=colour, linewidth=1.5, linestyle=style, zorder=3)
            hit = rows[rows["signal"]]
            axes.plot(
                [place[m] for m in hit["month"]],
                sign * hit["cusum"],
                "^" if sign > 0 else "v",
                color=colour,
                markersize=6,
                zorder=4,
            )
            limit = rows["limit"].iloc[0]
            if not missing(limit):
                axes.axhline(sign * limit, color=colour, linewidth=0.9, linestyle=DOTTED)
                side(
                    axes,
                    4,
                    sign * limit,
                    f"{words}界限\n（优势比 {rounded(rows['odds_ratio'].iloc[0], 1)}）",
                    ha="left",
                    fontsize=7.6,
                    color=colour,
                )
        step = max(1, len(months) // 6)
        axes.set_xticks(range(0, len(months), step), months[::step])
        values = sides["worse"] if len(sides["worse"]) else sides["better"]
        died, hoped = int(values["observed"].sum()), float(values["expected"].sum())
        axes.set_xlabel(f"月份（n={int(values['n'].sum()):,}，死亡 {died}，期望 {rounded(hoped, 1)}）")
        axes.set(ylabel="累积对数似然比得分", xlim=(-0.7, len(months) - 0.3))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{abs(v):g}"))
        quiet_axes(axes, grid="y")

    hits = frame[frame["signal"]]
    alt = "；".join(
        f"{m} {'变差' if d == 'worse' else '变好'}信号" for d, m in zip(hits["direction"], hits["month"], strict=True)
    )
    return chart(draw, height=2.4, id=id, caption=caption, alt=alt or "没有信号。", note=note)


__all__ = ["cusum_chart", "funnel_chart", "xmr_chart"]
