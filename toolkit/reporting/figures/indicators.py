"""Charts for the panel: each takes a tidy frame with the columns it names and returns a figure block.

An empty frame gives a `Note` that says so, never an empty chart. Labels are written at the data instead of in a legend,
n stands in every chart, colour is never the only sign. Missing values stay gaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from toolkit.errors import ContractBroken, UnbalancedError
from toolkit.evaluation.verdict import Verdict
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import above, apart, fold, head, nothing, require_columns, side
from toolkit.reporting.figures.style import INK, PEER, RULE, SHADE, SOFT, UNIT, WORSE, chart, quiet_axes
from toolkit.reporting.figures.time import COVID, Shock, monthly, trend

__all__ = ["COVID", "Shock", "change_forest", "grade_scatter", "monthly", "ranking", "trend", "waterfall"]

ROWS_WITH_NAMES = 60  # more do not fit on a page: then only highlighted rows are named
# verdict: (marker, filled, colour, printed mark); the marks exist in the report's fonts
VERDICTS = {
    Verdict.IMPROVED: ("^", True, UNIT, "▲"),
    Verdict.WORSE: ("v", True, WORSE, "▼"),
    Verdict.STABLE: ("o", True, SOFT, "●"),
    Verdict.UNDECIDED: ("o", False, SOFT, "○"),
    Verdict.NOT_JUDGED: ("", False, PEER, "—"),
}
DIRECTIONS = {"higher": "越高越好", "lower": "越低越好", "neutral": "无优劣方向"}


def _interval(axes: Axes, y: float, low: Any, high: Any, **style: Any) -> None:
    if not (missing(low) or missing(high)):
        axes.hlines(y, low, high, **style)


def _share_of(part: int, whole: int) -> str:
    # a few of very many are not none
    return "" if not whole else "<0.1%" if 0 < part < 0.0005 * whole else f"{rounded(part / whole, 1, 100)}%"


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
    rows = list(frame[["label", "n", "kind"]].itertuples(index=False, name=None))
    received = sum(int(n) for _, n, kind in rows if kind == "收到")
    removed = sum(int(n) for _, n, kind in rows if kind in {"重复", "隔离", "排除"})
    included = sum(int(n) for _, n, kind in rows if kind == "纳入")
    if unknown := {str(kind) for *_, kind in rows} - {"收到", "重复", "隔离", "排除", "纳入"}:
        raise ContractBroken(f"去向不明：{'、'.join(sorted(unknown))}", "unknown kind in the record account")
    if received - removed != included:
        raise UnbalancedError(
            f"收到 {received} 减去 {removed} 不等于纳入 {included}", "received less removed is not included", where=id
        )

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        level = 0
        for y, (_, n, kind) in enumerate(rows):
            n = int(n)
            if kind == "收到":
                start, level = level, level + n
            elif kind == "纳入":
                start = 0
            else:
                level -= n
                start = level
            colour = {"收到": PEER, "纳入": UNIT}.get(kind, WORSE)
            axes.barh(
                y,
                n,
                left=start,
                height=0.62,
                color=colour,
                hatch="" if kind in {"收到", "纳入"} else "////",
                edgecolor="white",
                linewidth=0,
            )
            axes.vlines(start, y - 0.31, y + 0.31, color=colour, linewidth=1 if n else 0)  # a few records stay visible
            if y + 1 < len(rows):
                axes.vlines(level, y + 0.31, y + 0.69, color=SOFT, linewidth=0.6)
            minus = "" if kind in {"收到", "纳入"} else "\N{MINUS SIGN}"
            side(axes, 48, y, f"{minus}{n:,}", ha="right")
            side(axes, 84, y, _share_of(n, received), ha="right", color=SOFT)
        axes.set(yticks=range(len(rows)), yticklabels=[fold(label) for label, *_ in rows])
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, max(received, 1)))
        axes.set_xlabel("记录数（条）；右列为占收到的比例")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        quiet_axes(axes)

    alt = f"收到 {received:,} 条，去除 {removed:,} 条，纳入 {included:,} 条。"
    return chart(draw, height=0.9 + 0.27 * len(rows), id=id, caption=caption, alt=alt, note=note)


def ranking(
    frame: pd.DataFrame,
    *,
    id: str,
    caption: str,
    x_label: str,
    reference: float | None = 1.0,
    reference_label: str = "标杆",
    places: int = 2,
    note: str = "",
) -> Figure | Note:
    """Units from the smallest to the largest value, each with its interval; the unit of interest in colour.

    Parameters
    ----------
    frame
        One row per unit: `label`, `value`, `low`, `high` (95 % limits, may be missing), `n` (cases), `highlight` (bool).
        A missing value is listed last, without a point. Above 60 rows only highlighted rows are named.
    reference
        Where the line stands, in the unit of `value`; None draws none.
    """
    require_columns(frame, ["label", "value", "low", "high", "n", "highlight"], id)
    if frame.empty or frame["value"].isna().all():
        return nothing(caption)
    # ties by name, so that equal data give an equal picture in whatever order they come
    rows = frame.sort_values(["value", "label"], na_position="last").reset_index(drop=True)
    named = len(rows) <= ROWS_WITH_NAMES

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        small = 8 if len(rows) <= 30 else 7.2
        if reference is not None:
            axes.axvline(reference, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
            above(axes, reference, f"{reference_label} {rounded(reference, places)}", "center")
        for row in rows.itertuples():
            y, chosen = row.Index, bool(row.highlight)
            colour = UNIT if chosen else PEER
            _interval(
                axes,
                y,
                row.low,
                row.high,
                color=colour,
                linewidth=1.8 if chosen else 1 if named else 0.6,
                zorder=4 if chosen else 2,
            )
            if not missing(row.value):
                axes.plot(
                    row.value,
                    y,
                    "D" if chosen else "o",
                    color=colour,
                    markersize=5 if chosen else 3.6 if named else 2,
                    zorder=4 if chosen else 3,
                )
            if named or chosen:
                style: dict[str, Any] = {"fontsize": small, "color": UNIT if chosen else INK}
                shown = "—" if missing(row.value) else rounded(row.value, places)
                side(axes, 34, y, shown, ha="right", **style)
                side(axes, 74, y, "—" if missing(row.n) else f"{int(row.n):,}", ha="right", **style)
        kept = [i for i in rows.index if named or rows["highlight"][i]]
        axes.set(yticks=kept, yticklabels=[fold(rows["label"][i]) for i in kept], ylim=(len(rows) - 0.4, -0.6))
        for i, label in zip(kept, axes.get_yticklabels(), strict=True):
            label.set(fontsize=small, linespacing=1.25, color=UNIT if rows["highlight"][i] else INK)
        head(axes, 34, "数值", "right")
        head(axes, 74, "例数", "right")
        axes.set_xlabel(f"{x_label}（横线为 95% 区间）")
        quiet_axes(axes, grid="x")

    folded = sum("\n" in fold(label) for label in rows["label"]) if named else 0
    height = 0.75 + (0.19 if len(rows) > 20 else 0.24) * len(rows) + 0.16 * folded if named else 7.0
    places_of_chosen = "；".join(
        f"{printable(str(r.label))} {rounded(r.value, places)}，第 {r.Index + 1} 位"
        for r in rows.itertuples()
        if r.highlight and not missing(r.value)
    )
    alt = f"{x_label}从低到高排列，共 {len(rows)} 个单位。{places_of_chosen}"
    return chart(draw, height=height, id=id, caption=caption, alt=alt, note=note)


def change_forest(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Ratio of change of each indicator with its interval, and the verdict in words.

    Parameters
    ----------
    frame
        One row per indicator, in the order drawn: `label`, `ratio`, `low`, `high` (95 % limits; > 0), `direction`
        (higher, lower, neutral is better), `verdict` (improved, worse, stable, undecided, not_judged). A row without ratio keeps its
        name and verdict.
    """
    require_columns(frame, ["label", "ratio", "low", "high", "direction", "verdict"], id)
    if frame.empty:
        return nothing(caption)
    if unknown := sorted(set(map(str, [*frame["verdict"], *frame["direction"]])) - set(VERDICTS) - set(DIRECTIONS)):
        raise ContractBroken(f"未知结论或方向 {'、'.join(unknown)}", "unknown verdict or direction")
    numbers = frame[["ratio", "low", "high"]].to_numpy(dtype=float)
    if (numbers <= 0).any():
        raise ContractBroken("比值及区间须大于 0", "ratios and limits must be above 0", where=id)
    logs = np.abs(np.log(numbers))
    # one rare-event interval must not squeeze all others: what goes beyond is cut, with an arrow
    typical = np.nanquantile(logs[:, 1:], 0.75) * 1.6 if np.isfinite(logs[:, 1:]).any() else 0
    points = np.nanmax(logs[:, 0]) * 1.15 if np.isfinite(logs[:, 0]).any() else 0
    widest = float(np.clip(max(typical, points), np.log(1.15), np.log(8)))
    left, right = np.exp(-widest), np.exp(widest)

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.set_xscale("log")
        axes.set(xlim=(left, right), ylim=(len(frame) - 0.4, -0.6))
        axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
        for y, row in enumerate(frame.itertuples(index=False)):
            marker, filled, colour, mark = VERDICTS[row.verdict]
            words, ratio = "—", row.ratio
            if not missing(ratio):
                words = rounded(ratio, 2)
                if not (missing(row.low) or missing(row.high)):
                    words += f"（{rounded(row.low, 2)}–{rounded(row.high, 2)}）"
                    axes.hlines(y, max(row.low, left), min(row.high, right), color=colour, linewidth=1.2)
                    for limit, edge, sign in ((row.low, left, "<"), (row.high, right, ">")):
                        if abs(np.log(limit)) > widest and (limit < 1) == (edge < 1):
                            axes.plot(edge, y, sign, color=colour, markersize=4, clip_on=False)
                axes.plot(
                    np.clip(ratio, left, right),
                    y,
                    marker or "|",
                    color=colour,
                    markersize=6,
                    markerfacecolor=colour if filled else "white",
                    zorder=3,
                )
            side(axes, 10, y, words, ha="left", fontsize=8, color=INK)
            side(
                axes,
                102,
                y,
                f"{mark} {Verdict(row.verdict).zh}",
                ha="left",
                fontsize=8,
                color=colour if filled else SOFT,
            )
            axes.axhline(y + 0.5, color=RULE, linewidth=0.4, zorder=0)
        # one indicator, many units: the direction is said once, under the axis
        shared = DIRECTIONS[frame["direction"].iloc[0]] if len(frame) > 1 and len(set(frame["direction"])) == 1 else ""
        labels = [
            fold(r.label, 26) + ("" if shared else f"\n（{DIRECTIONS[r.direction]}）")
            for r in frame.itertuples(index=False)
        ]
        axes.set_yticks(range(len(frame)), labels, fontsize=8, linespacing=1.25)
        ticks = ratio_ticks(left, right)
        axes.xaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.set_xlabel(f"比值（对数刻度，横线为 95% 区间；1 为无变化{'；' + shared if shared else ''}）")
        head(axes, 10, "比值（95% 区间）", "left")
        head(axes, 102, "结论", "left")
        quiet_axes(axes, grid="x")

    alt = "变化的比值。" + "；".join(
        f"{printable(str(r.label))} {'—' if missing(r.ratio) else rounded(r.ratio, 2)}，{Verdict(r.verdict).zh}"
        for r in frame.itertuples(index=False)
    )
    return chart(draw, height=0.85 + 0.36 * len(frame), id=id, caption=caption, alt=alt, note=note)


def ratio_ticks(left: float, right: float) -> list[float]:
    """Round ratios inside the limits, each with its counterpart below 1, at most about nine."""
    for steps in ((1.05, 1.1, 1.15), (1.1, 1.2, 1.3), (1.25, 1.5, 2), (1.5, 2, 3, 4), (2, 4, 8)):
        if steps[-1] * 1.02 >= right:
            break
    upper = [s for s in steps if s <= right]
    lower = [round(1 / s, 2) for s in upper] if steps[0] > 1.2 else [round(2 - s, 2) for s in upper]
    return sorted({1.0, *upper, *(x for x in lower if x >= left)})


# grade: (Chinese name, marker, colour), from no deaths to high; lightness falls as risk rises
GRADES = {
    0: ("无死亡组", "o", "#B9C0C7"),
    1: ("低风险组", "s", "#56B4E9"),
    2: ("中低风险组", "^", "#009E73"),
    3: ("中高风险组", "D", "#D55E00"),
    4: ("高风险组", "v", "#4B2E5A"),
}


def grade_scatter(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Cases and mortality of each DRG by its risk grade, both on log axes; DRGs without deaths in a strip of their own.

    Parameters
    ----------
    frame
        One row per graded DRG: `n` (cases, > 0), `deaths`, `grade` (0 no deaths, 1 low … 4 high).
    """
    require_columns(frame, ["n", "deaths", "grade"], id)
    if frame.empty:
        return nothing(caption)
    if unknown := sorted(set(frame["grade"]) - set(GRADES)):
        raise ContractBroken(f"未知风险等级 {unknown}", "unknown risk grade", where=id)
    share = 100 * frame["deaths"] / frame["n"]
    floor = share[share > 0].min() / 2.2 if (share > 0).any() else 0.01

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.set(xscale="log", yscale="log")
        axes.axhspan(floor / 1.4, floor * 1.4, color=SHADE, linewidth=0, zorder=0)
        heights = share.where(share > 0, floor)
        present = [g for g in GRADES if (frame["grade"] == g).any()]
        middles = [float(np.log(heights[frame["grade"] == g]).mean()) for g in present]
        room = 0.17 * float(np.log(heights.max()) - np.log(floor / 1.4))  # two lines of text
        for grade, height in zip(present, apart(middles, room), strict=True):
            name, marker, colour = GRADES[grade]
            rows = frame["grade"] == grade
            axes.scatter(frame["n"][rows], heights[rows], s=16, marker=marker, color=colour, linewidth=0)
            total, deaths = int(frame["n"][rows].sum()), int(frame["deaths"][rows].sum())
            rate = f" = {rounded(deaths / total, 2, 100)}%" if deaths else ""
            place, words = float(np.exp(height)), f"{name}（{int(rows.sum())} 组）\n{deaths:,}/{total:,}{rate}"
            sign = {"markersize": 4, "transform": axes.get_yaxis_transform(), "clip_on": False}
            axes.plot(1.02, place, marker, color=colour, **sign)
            side(axes, 12, place, words, ha="left", fontsize=8, color=INK, linespacing=1.3)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: "0" if v < floor * 1.4 else f"{v:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="各 DRG 组病例数（对数刻度）", ylabel="病死率（%，对数刻度）", ylim=(floor / 1.4, None))
        quiet_axes(axes, grid="y")

    alt = "；".join(
        f"{GRADES[g][0]} {len(rows)} 组，{int(rows['deaths'].sum()):,}/{int(rows['n'].sum()):,} 例死亡"
        for g, rows in frame.groupby("grade")
    )
    return chart(draw, height=3.2, id=id, caption=caption, alt=alt, note=note)
