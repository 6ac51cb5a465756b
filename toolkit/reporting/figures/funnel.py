"""The funnel: units by their size, between the limits of chance; the names of those far outside stand beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import ContractBroken
from toolkit.frames import groups_of, rows_of
from toolkit.models.monitoring.funnel import OVERDISPERSED_ZH, Kind, Position, limits
from toolkit.reporting.content.blocks import Figure, Note, printable
from toolkit.reporting.content.tables import rounded
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.labels import fold
from toolkit.reporting.figures.marks import (
    DASHED,
    DOTTED,
    SOLID,
    Axis,
    Label,
    Labels,
    Line,
    Mark,
    Panel,
    Picture,
    Points,
    Rule,
    Sign,
)
from toolkit.reporting.figures.palette import PEER, SOFT, UNIT, WORSE

MOST_NAMES = 7
MOST_CENTRES = 12  # the value axis ends there
EDGE = 0.985  # of the axis, where a value beyond it is drawn
LEVELS = ((0.95, "95%", DASHED), (0.998, "99.8%", SOLID))
# position: (marker, filled); colour is not the only sign
OUTSIDE = {
    Position.HIGH_998: ("^", True),
    Position.LOW_998: ("v", True),
    Position.HIGH_95: ("^", False),
    Position.LOW_95: ("v", False),
}
Edges = Mapping[float, tuple[np.ndarray, np.ndarray]]  # level -> its lower and upper line


@dataclass(frozen=True, kw_only=True, eq=False)
class Funnel:
    """One group of units with the lines of their limits, in the unit of `value`; `wide` is empty where no τ² is known."""

    rows: pd.DataFrame
    kind: Kind
    centre: float
    grid: np.ndarray
    plain: Edges
    wide: Edges
    scale: float
    places: int

    @property
    def outer(self) -> Edges:
        """The limits that units are judged by."""
        return self.wide or self.plain

    @property
    def top(self) -> float:
        """Where the value axis ends, as printed: above every unit, and above the limits where units are."""
        highest, typical = float(self.rows["value"].max()), float(self.rows["exposure"].quantile(0.25))
        at, along = np.log(typical), np.log(self.grid)
        reach = max(
            float(np.interp(at, along, np.nan_to_num(high, nan=self.centre))) for _, high in self.outer.values()
        )
        top = 1.1 * max(highest, self.centre * 1.5, min(reach, 4 * max(self.centre, highest)))
        # one death where a hundredth was expected must not squeeze all others: what goes beyond is drawn at the edge
        return self.scale * (min(top, 1.02) if self.kind == "proportion" else min(top, MOST_CENTRES * self.centre))

    def shown(self, value: float) -> float:
        """Where a value is drawn: in the printed unit, and at the edge if it is beyond the axis."""
        return min(self.scale * value, EDGE * self.top)

    def words(self, value: float) -> str:
        return rounded(value, self.places, round(self.scale))


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
    drawn = _funnel(rows, float(rows[tau].iloc[0]), counted=overdispersion == "corrected", scale=scale, places=places)
    names = _named(rows)
    low, high = drawn.grid[0], drawn.grid[-1]
    size = f"{x_label}（对数刻度；{len(rows)} 个单元）"
    panel = Panel(
        x=Axis(low=low, high=high, log=True, label=size, ticks=_ticks(low, high), write=lambda v: f"{v:,g}"),
        y=Axis(low=-0.03 * drawn.top, high=drawn.top, label=y_label),
        marks=[*_lines(drawn), *_units(drawn)],
        beside=[
            Labels(labels=list(_line_ends(drawn)), room=0.055, size=7.2, on_white=True),
            Labels(labels=list(_names(drawn, names)), room=0.125, points=40, size=7.6),
        ],
    )
    alt = f"{y_label}，{len(rows)} 个单元，中心 {drawn.words(drawn.centre)}。" + "；".join(
        f"{printable(str(r.label))} {drawn.words(r.value)}，{Position(r.position_od).zh}" for r in rows_of(names)
    )
    said = note + _explained(drawn, len(frame) - len(rows))
    return figure(Picture(panels=[panel], height=3.3), id=id, caption=caption, alt=alt, note=said)


def _funnel(rows: pd.DataFrame, tau2: float, *, counted: bool, scale: float, places: int) -> Funnel:
    kind: Kind = rows["kind"].iloc[0]
    centre = float(rows["centre"].iloc[0])
    low, high = (float(v) for v in np.log([rows["exposure"].min() / 1.25, rows["exposure"].max() * 1.25]))
    grid = np.exp(np.linspace(low, high, 160))
    of_group = (grid, kind, centre)
    plain = {level: limits(*of_group, level) for level, *_ in LEVELS}
    spread = np.full(len(grid), tau2)
    wide = {level: limits(*of_group, level, tau2=spread, counted=counted) for level, *_ in LEVELS if not np.isnan(tau2)}
    known = {"plain": plain, "wide": wide}
    return Funnel(rows=rows, kind=kind, centre=centre, grid=grid, scale=scale, places=places, **known)


def _explained(drawn: Funnel, left_out: int) -> str:
    """What the lines are, and which units are at the edge or not in the picture."""
    exact = drawn.rows["limits"].iloc[0]
    lines = (
        f"实线 99.8%、虚线 95%：{OVERDISPERSED_ZH}；点线：{exact}，不含单元间差异。"
        if drawn.wide
        else f"实线 99.8%、虚线 95%：{exact}（单元太少，不能估计单元间差异）。"
    )
    beyond = int((drawn.scale * drawn.rows["value"] > EDGE * drawn.top).sum())
    lines += f"{beyond} 个单元超出图的上端，画在上缘。" if beyond else ""
    return lines + (f"另有 {left_out} 个单元没有病例或期望为 0，未画。" if left_out else "")


def _lines(drawn: Funnel) -> Iterator[Mark]:
    yield Rule(along="y", at=drawn.scale * drawn.centre, width=0.9)
    for edges in drawn.plain.values() if drawn.wide else ():
        for edge in edges:
            yield Line(x=drawn.grid, y=drawn.scale * edge, colour=PEER, width=0.8, dash=DOTTED, layer=1)
    for level, _word, dash in LEVELS:
        for edge in drawn.outer[level]:
            yield Line(x=drawn.grid, y=drawn.scale * edge, dash=dash, layer=1)


def _units(drawn: Funnel) -> Iterator[Mark]:
    for (position, chosen), part in groups_of(drawn.rows.groupby(["position_od", "highlight"], sort=False)):
        outside = position in OUTSIDE
        marker, filled = OUTSIDE.get(position, ("o", True))
        sign = Sign(
            marker="D" if chosen and not outside else marker,
            colour=UNIT if chosen else WORSE if outside else PEER,
            size=7 if chosen else 5 if outside else 4,
            filled=filled,
        )
        heights = [drawn.shown(v) for v in part["value"]]
        yield Points(x=part["exposure"], y=heights, sign=sign, clipped=False, layer=4 if chosen else 3)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """The units whose names are written: the one of interest, and those furthest outside."""
    outside = rows[rows["position_od"].isin([Position.HIGH_998, Position.LOW_998]) & ~rows["highlight"]]
    order = outside.assign(far=outside["z"].abs()).sort_values(["far", "label"], ascending=[False, True])
    return pd.concat([rows[rows["highlight"]], order.head(MOST_NAMES - int(rows["highlight"].sum()))])


def _names(drawn: Funnel, names: pd.DataFrame) -> Iterator[Label]:
    for row in rows_of(names):
        at = drawn.shown(row.value)
        words = f"{fold(row.label, 20)}\n{drawn.words(row.value)}"
        yield Label(y=at, text=words, colour=UNIT if row.highlight else WORSE, leader=(row.exposure, at))


def _line_ends(drawn: Funnel) -> Iterator[Label]:
    """What each line is, at its right end; an end that is off the picture has no label."""
    for level, word, _dash in LEVELS:
        for edge in drawn.outer[level]:
            if 0 < (end := drawn.scale * float(edge[-1])) < drawn.top:
                yield Label(y=end, text=word, colour=SOFT)
    yield Label(y=drawn.scale * drawn.centre, text="中心")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers 1, 2, 5 × 10ⁿ inside the axis, thinned to about seven."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{s}e{d}") for d in decades for s in steps if low <= float(f"{s}e{d}") <= high]
        if len(ticks) <= 7:
            break
    return ticks


__all__ = ["funnel_chart"]
