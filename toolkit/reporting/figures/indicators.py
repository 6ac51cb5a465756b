"""Charts of indicators for the panel: units against each other, years beside the peers, DRGs by their risk.

Each takes a tidy frame with the columns it names and returns a figure block; an empty frame gives a `Note` that says so,
never an empty chart. Labels are written at the data instead of in a legend, n stands in every chart, colour is never the only
sign. Missing values stay gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import ContractBroken
from toolkit.frames import groups_of, rows_of
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import missing, rounded
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.labels import fold, folded
from toolkit.reporting.figures.marks import (
    DASHED,
    DOTTED,
    MIXED,
    SHORT,
    SOLID,
    Axis,
    Band,
    Dash,
    Label,
    Labels,
    Line,
    Mark,
    Panel,
    Picture,
    Points,
    Rule,
    Sign,
    Strokes,
    Words,
    spanning,
)
from toolkit.reporting.figures.palette import INK, PEER, SOFT, UNIT
from toolkit.reporting.figures.rows import Beside, Rows
from toolkit.reporting.figures.timeline import COVID, Shock, Timeline

ROWS_WITH_NAMES = 60  # more do not fit on a page: then only highlighted rows are named


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
    ranked = frame.sort_values(["value", "label"], na_position="last", ignore_index=True)
    rows = _ranked_rows(ranked, places)
    standing = [] if reference is None else [reference]
    low, high = spanning(ranked["value"], ranked["low"], ranked["high"], standing)
    drawn = Rows(
        frame=rows,
        axis=Axis(low=low, high=high, label=f"{x_label}（横线为 95% 区间）", grid=True),
        widths="width",
        size=8 if len(rows) <= 30 else 7.2,
        under=[m for at in standing for m in _standing(at, f"{reference_label} {rounded(at, places)}")],
        side=[
            Beside(text="shown", points=34, head="数值", colour="ink"),
            Beside(text="cases", points=74, head="例数", colour="ink"),
        ],
    )
    chosen = "；".join(
        f"{printable(str(r.label))} {rounded(r.value, places)}，第 {r.Index + 1} 位"
        for r in rows_of(ranked)
        if r.highlight and not missing(r.value)
    )
    alt = f"{x_label}从低到高排列，共 {len(rows)} 个单位。{chosen}"
    return figure(Picture(panels=[drawn.panel()], height=_height(rows)), id=id, caption=caption, alt=alt, note=note)


def _ranked_rows(ranked: pd.DataFrame, places: int) -> pd.DataFrame:
    """The rows as `Rows` takes them: names, signs and numbers in words."""
    all_named = len(ranked) <= ROWS_WITH_NAMES
    chosen = ranked["highlight"].astype(bool)
    of_unit = Sign(marker="D", colour=UNIT, size=5)
    of_others = Sign(marker="o", colour=PEER, size=3.6 if all_named else 2)
    named = chosen | all_named
    values, cases = ranked["value"], ranked["n"]
    return ranked.assign(
        label=[fold(name) if is_ else "" for name, is_ in zip(ranked["label"], named, strict=True)],
        sign=np.array([of_unit if c else of_others for c in chosen], dtype=object),
        width=np.where(chosen, 1.8, 1.0 if all_named else 0.6),
        ink=np.where(chosen, UNIT, INK),
        shown=[
            ("—" if missing(v) else rounded(v, places)) if is_ else "" for v, is_ in zip(values, named, strict=True)
        ],
        cases=[("—" if missing(n) else f"{int(n):,}") if is_ else "" for n, is_ in zip(cases, named, strict=True)],
    )


def _standing(at: float, words: str) -> Iterator[Mark]:
    yield Rule(along="x", at=at, dash=SHORT)
    yield Words(x=at, text=words, where="above")


def _height(rows: pd.DataFrame) -> float:
    if len(rows) > ROWS_WITH_NAMES:
        return 7.0
    return 0.75 + (0.19 if len(rows) > 20 else 0.24) * len(rows) + 0.16 * folded(rows["label"])


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
    height: float = 2.9,
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
    height
        Of the picture, in inches.
    """
    require_columns(frame, ["period", "series", "value", "low", "high", "n"], id)
    if frame.empty or frame["value"].isna().all():
        return nothing(caption)
    years = np.arange(int(frame["period"].min()), int(frame["period"].max()) + 1)
    names = [*sorted(set(frame["series"]) - {unit}), unit]
    lines = {name: frame[frame["series"] == name].set_index("period").reindex(years) for name in names}
    level = [] if reference is None else [reference]
    of_unit = lines[unit]
    low, high = spanning(*(f["value"] for f in lines.values()), of_unit["low"], of_unit["high"], level, foot=0.075)
    marks = [
        m
        for order, (name, line) in enumerate(lines.items())
        for m in _series(line, _style(name == unit, order), _told(str(name), line, places))
    ]
    timeline = Timeline(
        years=years,
        marks=[*(Rule(along="y", at=at, colour=SOFT, width=0.7, dash=SHORT) for at in level), *marks],
        values=Axis(low=low, high=high, label=y_label, grid=True),
        ticks=range(len(years)),
        names=[f"{year}\n{'—' if missing(n) else f'n={int(n):,}'}" for year, n in of_unit["n"].items()],
        start=None if after is None else int(after - years[0]),
        shocks=shocks,
        beside=[Labels(labels=list(_ends(lines, unit, places)))],
    )
    alt = f"{y_label}，{years[0]}–{years[-1]} 年。" + "；".join(
        f"{printable(str(name))}："
        + "，".join(f"{y} 年 {'—' if missing(v) else rounded(v, places)}" for y, v in line["value"].items())
        for name, line in lines.items()
    )
    return figure(Picture(panels=[timeline.panel()], height=height), id=id, caption=caption, alt=alt, note=note)


SHAPES = (("s", "■", DASHED), ("^", "▲", DOTTED), ("D", "◆", MIXED))  # of the peers, in turn


@dataclass(frozen=True, kw_only=True)
class _Style:
    """How one series is drawn."""

    sign: Sign
    width: float
    dash: Dash
    limits: bool


def _style(chosen: bool, order: int) -> _Style:
    marker, _mark, dash = SHAPES[order % len(SHAPES)]
    if chosen:
        return _Style(sign=Sign(marker="o", colour=UNIT, size=4.5), width=1.8, dash=SOLID, limits=True)
    return _Style(sign=Sign(marker=marker, size=3.2), width=1.2, dash=dash, limits=False)


def _series(line: pd.DataFrame, style: _Style, says: Sequence[str]) -> Iterator[Mark]:
    at, sign = np.arange(len(line)), style.sign
    yield Line(x=at, y=line["value"], colour=sign.colour, width=style.width, dash=style.dash)
    if style.limits:
        yield Strokes(x=at, to_x=at, y=line["low"], to_y=line["high"], colour=sign.colour)
    yield Points(x=at, y=line["value"], sign=sign, says=says)


def _told(name: str, line: pd.DataFrame, places: int) -> list[str]:
    """What each year of a series says: value, interval, cases."""
    told = []
    for year, value, low, high, n in zip(line.index, line["value"], line["low"], line["high"], line["n"], strict=True):
        limits = "" if missing(low) or missing(high) else f"（{rounded(low, places)}–{rounded(high, places)}）"
        shown = "—" if missing(value) else rounded(value, places)
        told.append(f"{printable(name)} {year} 年：{shown}{limits}" + ("" if missing(n) else f"，{int(n):,} 例"))
    return told


def _ends(lines: dict[str, pd.DataFrame], unit: str, places: int) -> Iterator[Label]:
    """The name and last value of every series, where its line ends."""
    for order, (name, line) in enumerate(lines.items()):
        if (last := line["value"].last_valid_index()) is not None:
            value, mark = float(line["value"][last]), "●" if name == unit else SHAPES[order % len(SHAPES)][1]
            words = f"{mark} {fold(name, 18)}  {rounded(value, places)}"
            yield Label(y=value, text=words, colour=UNIT if name == unit else SOFT)


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
    rows = frame.assign(height=share.where(share > 0, floor))
    marks: list[Mark] = [Band(along="y", low=floor / 1.4, high=floor * 1.4)]
    labels = []
    for grade, part in groups_of(rows.groupby("grade")):
        name, marker, colour = GRADES[int(grade)]
        marks.append(Points(x=part["n"], y=part["height"], sign=Sign(marker=marker, colour=colour, rim=colour)))
        total, deaths = int(part["n"].sum()), int(part["deaths"].sum())
        rate = f" = {rounded(deaths / total, 2, 100)}%" if deaths else ""
        words = f"{name}（{len(part)} 组）\n{deaths:,}/{total:,}{rate}"
        middle = float(np.exp(np.log(part["height"]).mean()))
        labels.append(Label(y=middle, text=words, colour=INK, sign=Sign(marker=marker, colour=colour)))
    panel = Panel(
        x=_cases_axis(rows["n"]),
        y=_fatality_axis(floor, float(rows["height"].max())),
        marks=marks,
        beside=[Labels(labels=labels, room=0.17, points=12)],
    )
    alt = "；".join(
        f"{GRADES[g][0]} {len(part)} 组，{int(part['deaths'].sum()):,}/{int(part['n'].sum()):,} 例死亡"
        for g, part in groups_of(frame.groupby("grade"))
    )
    return figure(Picture(panels=[panel], height=3.2), id=id, caption=caption, alt=alt, note=note)


def _cases_axis(cases: pd.Series) -> Axis:
    low, high = (float(np.exp(v)) for v in spanning(np.log(cases)))
    return Axis(low=low, high=high, log=True, label="各 DRG 组病例数（对数刻度）", write=lambda v: f"{v:,.0f}")


def _fatality_axis(floor: float, highest: float) -> Axis:
    """From the strip of the DRGs without deaths, whose tick says 0, to above the highest."""
    _low, high = spanning(np.log([floor / 1.4, highest]))

    def write(value: float) -> str:
        return "0" if value < floor * 1.4 else f"{value:g}"

    label = "病死率（%，对数刻度）"
    return Axis(low=floor / 1.4, high=float(np.exp(high)), log=True, label=label, write=write, grid=True)
