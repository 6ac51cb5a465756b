"""遴选、专家评分、预演、期末评估: sections on the tables of a cycle. Nothing is computed here."""

from __future__ import annotations

import pandas as pd

from toolkit.frames import rows_of
from toolkit.programme.opened_cycle import OpenedCycle
from toolkit.reporting.content.blocks import Blocks, PageBreak, Signatures
from toolkit.reporting.sections import front

YES_NO = {True: "是", False: "否"}
NONE = "—"
PLACES = (("意见", 4), ("专家组组长", 1), ("专家组成员", 3), ("经办人", 1), ("行政部门盖章", 3), ("日期", 1))


def named(cycle: OpenedCycle, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """With the unit's name in place of its id."""
    units = cycle.results.units
    names = {u.id: cycle.results.unit_name(u.hospital, u.specialty) for u in rows_of(units)}
    return frame.assign(name=[names.get(id_, id_) for id_ in frame[column]])


def worded(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Empty text as a dash, truth values as words."""
    made = {}
    for column in columns:
        values = frame[column]
        made[column] = (
            [YES_NO[bool(v)] for v in values]
            if values.dtype == bool
            else values.fillna("").astype(str).replace("", NONE)
        )
    return frame.assign(**made)


def cover(cycle: OpenedCycle, title: str) -> Blocks:
    """Title, facts, and what must be said about the data."""
    return front.cover(cycle.results, title, cycle.results.params.title)


def signatures(cycle: OpenedCycle) -> Blocks:
    """The page that is signed, by itself."""
    return Blocks(
        PageBreak(),
        *front.chapter("签字页", "签字即确认已阅本报告全部内容；不同意见写在意见栏。"),
        Signatures(places=PLACES),
    )
