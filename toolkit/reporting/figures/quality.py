"""Charts of the data-quality report beside the waterfall: months that are out of line, hospital by hospital."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Canvas

from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.figures.drawing import fold, head, nothing, require_columns, side
from toolkit.reporting.figures.style import PEER, SHADE, SOFT, UNIT, WORSE, chart, quiet_axes

# state: (marker, filled, colour, words); marks differ, so that the chart reads in grey
STATES = {
    "缺": ("x", False, WORSE, "该月没有出院病例"),
    "少": ("v", True, WORSE, "明显偏少"),
    "多": ("^", False, UNIT, "明显偏多"),
}


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
    labels = list(dict.fromkeys(frame["label"]))
    months = sorted(set(frame["month"]))
    at = {month: i for i, month in enumerate(months)}
    rows = {label: i for i, label in enumerate(labels)}

    def draw(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for y in rows.values():
            axes.hlines(y, -0.5, len(months) - 0.5, color=SHADE, linewidth=7, zorder=0)
        for state, (marker, filled, colour, _words) in STATES.items():
            some = frame[frame["state"] == state]
            axes.plot(
                some["month"].map(at),
                some["label"].map(rows),
                marker,
                color=colour,
                markersize=3.4,
                linestyle="none",
                markerfacecolor=colour if filled else "white",
                markeredgewidth=0.9,
            )
        for month, i in at.items():
            if month.endswith("-01"):
                axes.axvline(i - 0.5, color=PEER, linewidth=0.5, zorder=1)
        for label, y in rows.items():
            own = frame[frame["label"] == label]["state"]
            side(axes, 30, y, str(int(own.isin(["少", "多"]).sum()) or "—"), ha="right", fontsize=8)
            side(axes, 58, y, str(int((own == "缺").sum()) or "—"), ha="right", fontsize=8)
        head(axes, 30, "偏离", "right")
        head(axes, 58, "缺", "right")
        years = [i for month, i in at.items() if month.endswith("-01")]
        axes.set_xticks([i + 5.5 for i in years], [months[i][:4] for i in years])
        axes.set(yticks=list(rows.values()), yticklabels=[fold(label) for label in labels])
        axes.set(xlim=(-0.7, len(months) - 0.3), ylim=(len(labels) - 0.4, -0.6))
        axes.tick_params(axis="x", length=0)
        words = "；".join(f"{mark} {STATES[s][3]}" for s, mark in (("少", "▼"), ("多", "△"), ("缺", "×")))
        axes.set_xlabel(f"出院年月（{words}）", color=SOFT)
        quiet_axes(axes)

    total = frame["state"].value_counts()
    alt = f"{len(labels)} 家医疗机构各月出院例数：" + "，".join(
        f"{STATES[s][3]} {int(total.get(s, 0))} 个月" for s in STATES
    )
    return chart(draw, height=0.75 + 0.2 * len(labels), id=id, caption=caption, alt=alt + "。", note=note)
