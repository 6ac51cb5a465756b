"""Charts of change: ratios with their verdicts, the years around a project's start, one estimate under every choice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.errors import ContractBroken
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import Cell, missing, rounded
from toolkit.reporting.content.values import MARKS
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.labels import fold
from toolkit.reporting.figures.marks import SHORT, Axis, Line, Mark, Panel, Picture, Rule, Sign, Strokes
from toolkit.reporting.figures.palette import PEER, RULE, SOFT, UNIT
from toolkit.reporting.figures.ratios import DIRECTIONS, NO_CHANGE, VERDICTS, ratio_axis, reach_of
from toolkit.reporting.figures.rows import Beside, Rows
from toolkit.reporting.figures.timeline import Timeline

RATIOS = ["ratio", "low", "high"]
CLEAR = (Verdict.IMPROVED, Verdict.WORSE)  # their words are in colour, the others in a grey that can be read


def change_forest(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Ratio of change of each indicator with its interval, and the verdict in words.

    Parameters
    ----------
    frame
        One row per indicator, in the order drawn: `label`, `ratio`, `low`, `high` (95 % limits; > 0), `direction`
        (higher, lower, neutral is better), `verdict` (an id of `Verdict`). A row without ratio keeps its
        name and verdict.
    """
    require_columns(frame, ["label", *RATIOS, "direction", "verdict"], id)
    if frame.empty:
        return nothing(caption)
    if unknown := sorted(set(map(str, [*frame["verdict"], *frame["direction"]])) - set(VERDICTS) - set(DIRECTIONS)):
        raise ContractBroken(f"未知结论或方向 {'、'.join(unknown)}", "unknown verdict or direction")
    numbers = frame[RATIOS].to_numpy(dtype=float)
    if (numbers <= 0).any():
        raise ContractBroken("比值及区间须大于 0", "ratios and limits must be above 0", where=id)
    reach = reach_of(numbers[:, 0], numbers[:, 1:], usual=0.75, beyond=1.6, least=1.15)
    shown, shared = _forest_rows(frame)
    label = f"比值（对数刻度，横线为 95% 区间；1 为无变化{'；' + shared if shared else ''}）"
    rows = Rows(
        frame=shown,
        axis=ratio_axis(reach, label),
        value="ratio",
        arrows=True,
        under=[
            NO_CHANGE["x"],
            *(Rule(along="y", at=y + 0.5, colour=RULE, width=0.4, layer=0) for y in range(len(frame))),
        ],
        side=[
            Beside(text="words", points=10, head="比值（95% 区间）", align="left"),
            Beside(text="said", points=102, head="结论", align="left", colour="colour"),
        ],
    )
    alt = "变化的比值。" + "；".join(
        f"{printable(str(r.label))} {'—' if missing(r.ratio) else rounded(r.ratio, 2)}，{Verdict(r.verdict).zh}"
        for r in rows_of(frame, index=False)
    )
    picture = Picture(panels=[rows.panel()], height=0.85 + 0.36 * len(frame))
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _forest_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows with their signs and words; the direction, where it is one for all and said once under the axis."""
    shared = DIRECTIONS[frame["direction"].iloc[0]] if len(frame) > 1 and len(set(frame["direction"])) == 1 else ""
    verdicts = [Verdict(v) for v in frame["verdict"]]
    signs = [VERDICTS[v] for v in verdicts]
    shown = frame.assign(
        label=[
            fold(label, 26) + ("" if shared else f"\n（{DIRECTIONS[direction]}）")
            for label, direction in zip(frame["label"], frame["direction"], strict=True)
        ],
        sign=np.array(signs, dtype=object),
        colour=[s.colour if v in CLEAR else SOFT for v, s in zip(verdicts, signs, strict=True)],
        words=[_ratio(*row) for row in frame[RATIOS].itertuples(index=False, name=None)],
        said=[f"{MARKS[v]} {v.zh}" for v in verdicts],
    )
    return shown, shared


def _ratio(ratio: Cell, low: Cell, high: Cell) -> str:
    if missing(ratio):
        return "—"
    limits = "" if missing(low) or missing(high) else f"（{rounded(low, 2)}–{rounded(high, 2)}）"
    return rounded(ratio, 2) + limits


def event_study(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Ratio to what the comparison units would have given, year by year around the start.

    Parameters
    ----------
    frame
        One row a year: `relative_year` (0 = first year of the project; −1 is the year compared with), `estimate, low, high`
        (ratios), `n` (discharges of the project). A year without estimate is a gap in the line.
    """
    require_columns(frame, ["relative_year", "estimate", "low", "high", "n"], id)
    given = frame[frame["estimate"].notna() & (frame["estimate"] > 0)].set_index("relative_year").sort_index()
    if len(given) < 2:
        return nothing(caption)
    reach = reach_of(given["estimate"], given[["low", "high"]].to_numpy(float), usual=0.9, beyond=1.1, least=1.1)
    axis = ratio_axis(reach, "与对照相比（前 1 年 = 1）")
    years = np.arange(given.index.min(), given.index.max() + 1)
    rows = given.reindex(years)
    base = Sign(marker="o", colour=UNIT, size=5.5, filled=False)
    signs = [base if year == -1 else Sign(marker="o", colour=UNIT, size=5.5) for year in years]
    drawn = Rows(
        frame=rows.assign(sign=np.array(signs, dtype=object)),
        axis=axis,
        value="estimate",
        label="",
        upright=True,
        arrows=True,
    ).panel()
    path = rows["estimate"].clip(axis.low, axis.high)
    line = Line(x=np.arange(len(years)), y=path, colour=UNIT, width=0.7, alpha=0.6)
    names = [f"{_year(y)}\n{'—' if missing(n) else f'{n:,.0f} 例'}" for y, n in rows["n"].items()]
    timeline = Timeline(
        years=years,
        marks=[NO_CHANGE["y"], line, *drawn.marks],
        values=axis,
        ticks=range(len(years)),
        names=names,
        start=int(np.searchsorted(years, 0)),
        dash=SHORT,
    )
    alt = "逐年与对照单元相比的比值：" + "；".join(f"{_year(y)} {rounded(v, 2)}" for y, v in given["estimate"].items())
    return figure(Picture(panels=[timeline.panel()], height=2.5), id=id, caption=caption, alt=alt, note=note)


def _year(relative: Cell) -> str:
    """A year counted from the start of the project: 0 is the first, −1 the last before it."""
    return f"第 {relative + 1} 年" if relative >= 0 else f"前 {-relative} 年"


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
    valued = frame[frame["estimate"].notna() & (frame["estimate"] > 0)]
    rows = valued.sort_values(["estimate", *choices], ignore_index=True)
    if rows.empty:
        return nothing(caption)
    reach = reach_of(rows["estimate"], rows[["low", "high"]].to_numpy(float), usual=0.9, beyond=1.1, least=1.1)
    counts = {Verdict(str(v)): int(n) for v, n in rows["verdict"].value_counts().items()}
    signs = {v: Sign(marker=s.marker, colour=s.colour, size=4, filled=s.filled) for v, s in VERDICTS.items()}
    curve = Rows(
        frame=rows.assign(sign=rows["verdict"].map(signs)),
        axis=ratio_axis(reach, "比值"),
        value="estimate",
        items=Axis(low=-1, high=len(rows), ticks=()),
        width=0.8,
        interval_colour=RULE,
        legend={sign: f"{v.zh}（{counts[v]}）" for v, sign in signs.items() if v in counts},
        under=[NO_CHANGE["y"]],
        upright=True,
    )
    below = _choices(rows, choices)
    lines = len(below.y.ticks or ())
    said = "，".join(f"{v.zh} {n} 种" for v, n in counts.items())
    ends = f"从 {rounded(rows['estimate'].min(), 2)} 到 {rounded(rows['estimate'].max(), 2)}"
    alt = f"{len(rows)} 种政策组合下的比值，{ends}：{said}。"
    picture = Picture(panels=[curve.panel(share=2.4), below], height=2.8 + 0.17 * lines, legend=True)
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _choices(rows: pd.DataFrame, choices: Mapping[str, tuple[str, Mapping[str, str]]]) -> Panel:
    """Under each specification, a stroke in the row of every choice that it is made of."""
    shown = [
        (c, v, f"{name}：{word}") for c, (name, words) in choices.items() for v, word in words.items() if len(words) > 1
    ]
    marks: list[Mark] = []
    for y, (column, value, _word) in enumerate(shown):
        at = np.flatnonzero(rows[column].to_numpy() == value)
        low, high = np.full(len(at), y - 0.2), np.full(len(at), y + 0.2)
        marks.append(Strokes(x=at, to_x=at, y=low, to_y=high, colour=PEER, width=1.2))
    words = [word for *_, word in shown]
    return Panel(
        x=Axis(low=-1, high=len(rows), ticks=(), line=False, label=f"{len(rows)} 种组合，按估计值从小到大"),
        y=Axis(low=len(shown) - 0.4, high=-0.6, ticks=range(len(shown)), names=words, size=7.5),
        marks=marks,
        share=max(0.2 * len(shown), 0.3),
    )
