"""Charts of change: the years around a project's start, and one estimate under every choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from toolkit.evaluation.verdict import Verdict
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import above, nothing, require_columns
from toolkit.reporting.figures.indicators import VERDICTS, ratio_ticks
from toolkit.reporting.figures.style import INK, PEER, RULE, SOFT, UNIT, chart, quiet_axes

WIDEST = np.log(8)  # a ratio further from 1 is cut, with an arrow


def event_study(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Ratio to what the comparison units would have given, year by year around the start.

    Parameters
    ----------
    frame
        One row a year: `relative_year` (0 = first year of the project; −1 is the year compared with), `estimate, low, high`
        (ratios), `n` (discharges of the project).
    """
    require_columns(frame, ["relative_year", "estimate", "low", "high", "n"], id)
    rows = frame[frame["estimate"].notna() & (frame["estimate"] > 0)].sort_values("relative_year")
    if len(rows) < 2:
        return nothing(caption)
    reach = _reach(rows[["low", "high"]].to_numpy(float), rows["estimate"].to_numpy(float))

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.set_yscale("log")
        axes.set(ylim=(np.exp(-reach), np.exp(reach)))
        axes.axhline(1, color=INK, linewidth=0.8, zorder=1)
        axes.axvline(-0.5, color=SOFT, linewidth=0.7, linestyle=(0, (4, 2)))
        for row in rows.itertuples(index=False):
            base = row.relative_year == -1
            if not (missing(row.low) or missing(row.high)):
                axes.vlines(
                    row.relative_year,
                    max(row.low, np.exp(-reach)),
                    min(row.high, np.exp(reach)),
                    color=UNIT,
                    linewidth=1.2,
                )
            axes.plot(
                row.relative_year,
                np.clip(row.estimate, np.exp(-reach), np.exp(reach)),
                "o",
                color=UNIT,
                markersize=5.5,
                markerfacecolor="white" if base else UNIT,
                zorder=3,
            )
        axes.plot(
            rows["relative_year"],
            rows["estimate"].clip(np.exp(-reach), np.exp(reach)),
            color=UNIT,
            linewidth=0.7,
            alpha=0.6,
        )
        for text, step, edge in (("建设前", -5, "right"), ("建设期", 5, "left")):
            above(axes, -0.5, text, edge, points=step)
        names = [
            f"第 {r.relative_year + 1} 年" if r.relative_year >= 0 else f"前 {-r.relative_year} 年"
            for r in rows.itertuples()
        ]
        labels = [f"{name}\n{n:,} 例" for name, n in zip(names, rows["n"], strict=True)]
        axes.set_xticks(rows["relative_year"], labels, fontsize=8)
        axes.set_xlim(rows["relative_year"].min() - 0.5, rows["relative_year"].max() + 0.5)
        axes.yaxis.set(
            major_locator=FixedLocator(ratio_ticks(np.exp(-reach), np.exp(reach))), minor_locator=NullLocator()
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.set_ylabel("与对照相比（前 1 年 = 1）")
        quiet_axes(axes, grid="y")

    alt = "逐年与对照单元相比的比值：" + "；".join(
        f"{'前' if r.relative_year < 0 else '第'} {abs(r.relative_year) if r.relative_year < 0 else r.relative_year + 1} 年 "
        f"{rounded(r.estimate, 2)}"
        for r in rows.itertuples(index=False)
    )
    return chart(draw, height=2.5, id=id, caption=caption, alt=alt, note=note)


def specification_curve(
    frame: pd.DataFrame, choices: Mapping[str, tuple[str, Mapping[str, str]]], *, id: str, caption: str, note: str = ""
) -> Figure | Note:
    """One estimate under every combination of choices, in the order of the estimates; below, which choices each is of.

    Parameters
    ----------
    frame
        One row per specification: `estimate, low, high` (ratios), `verdict`, and a column for each of `choices`.
    choices
        Column -> its Chinese name, and value -> word. Only choices with several values are drawn.
    """
    require_columns(frame, ["estimate", "low", "high", "verdict", *choices], id)
    rows = frame[frame["estimate"].notna() & (frame["estimate"] > 0)].sort_values(
        ["estimate", *choices], ignore_index=True
    )
    if rows.empty:
        return nothing(caption)
    shown = [
        (c, v, f"{name}：{word}") for c, (name, words) in choices.items() for v, word in words.items() if len(words) > 1
    ]
    reach = _reach(rows[["low", "high"]].to_numpy(float), rows["estimate"].to_numpy(float))
    lowest, highest = np.exp(-reach), np.exp(reach)

    def draw(canvas: Canvas) -> None:
        grid = canvas.add_gridspec(2, 1, height_ratios=[2.4, max(0.2 * len(shown), 0.3)], hspace=0.05)
        axes = canvas.add_subplot(grid[0])
        axes.set_yscale("log")
        axes.set(ylim=(lowest, highest), xlim=(-1, len(rows)))
        axes.axhline(1, color=INK, linewidth=0.8, zorder=1)
        limits = rows[["low", "high"]].clip(lowest, highest)
        _strokes(axes, np.arange(len(rows)), limits["low"], limits["high"], color=RULE, linewidth=0.8, zorder=2)
        for verdict, (marker, filled, colour, _mark) in VERDICTS.items():
            of = rows[rows["verdict"] == verdict]
            if of.empty:
                continue
            axes.plot(
                of.index,
                of["estimate"].clip(lowest, highest),
                marker or "|",
                linestyle="none",
                color=colour,
                markersize=4,
                markerfacecolor=colour if filled else "white",
                label=f"{verdict.zh}（{len(of)}）",
                zorder=3,
            )
        # outside, over the whole width: five verdicts are wider than the axes beside the long names of choices
        canvas.legend(
            loc="outside upper left", fontsize=8, frameon=False, ncols=5, handletextpad=0.2, columnspacing=1.2
        )
        axes.yaxis.set(major_locator=FixedLocator(ratio_ticks(lowest, highest)), minor_locator=NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.set_ylabel("比值")
        axes.set_xticks([])
        quiet_axes(axes, grid="y")
        below = canvas.add_subplot(grid[1], sharex=axes)
        for y, (column, value, _word) in enumerate(shown):
            places = np.flatnonzero(rows[column].to_numpy() == value)
            _strokes(
                below, places, np.full(len(places), y - 0.2), np.full(len(places), y + 0.2), color=PEER, linewidth=1.2
            )
        below.set(ylim=(len(shown) - 0.4, -0.6))
        below.set_yticks(range(len(shown)), [word for _c, _v, word in shown], fontsize=7.5)
        below.set_xticks([])
        below.set_xlabel(f"{len(rows)} 种组合，按估计值从小到大")
        quiet_axes(below)
        below.spines["bottom"].set_visible(False)

    counts = "，".join(f"{Verdict(v).zh} {n} 种" for v, n in rows["verdict"].value_counts().items())
    alt = f"{len(rows)} 种政策组合下的比值，从 {rounded(rows['estimate'].min(), 2)} 到 {rounded(rows['estimate'].max(), 2)}：{counts}。"
    return chart(draw, height=2.8 + 0.17 * len(shown), id=id, caption=caption, alt=alt, note=note)


def _strokes(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, **style: Any) -> None:
    """A vertical stroke at every x, all as one path: with 2,000 specifications, an element for each makes 3 MB a figure."""
    nothing_between = np.full(len(x), np.nan)
    axes.plot(
        np.column_stack([x, x, nothing_between]).ravel(),
        np.column_stack([low, high, nothing_between]).ravel(),
        solid_capstyle="butt",
        **style,
    )


def _reach(limits: np.ndarray, estimates: np.ndarray) -> float:
    """How far from 1 the axis goes, as a logarithm: the usual interval and every estimate, never less than 10 %."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.abs(np.log(limits))
    finite = logs[np.isfinite(logs)]
    usual = float(np.quantile(finite, 0.9)) * 1.1 if finite.size else 0.0
    return float(np.clip(max(usual, np.abs(np.log(estimates)).max() * 1.15), np.log(1.1), WIDEST))
