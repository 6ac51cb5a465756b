"""遴选: from applicants and scores to who is chosen, why the others are not, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from toolkit.errors import InputError
from toolkit.programme.allocation import Allocation, Quota, allocate, choices
from toolkit.programme.draws import Draws
from toolkit.programme.eligibility import Check, eligible, examined
from toolkit.programme.influence import COLUMNS, influence
from toolkit.programme.systems import Applies
from toolkit.programme.tables import number_of
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
NOT_ELIGIBLE = "不符合申报条件"


class Track(Section):
    """Applicants that compete for one quota: those whose column holds one of the values, or all."""

    applies: Applies | None = None
    quota: Quota


class Selection(Section):
    """The rules of one selection: who is eligible, and how places are given on each track.

    Attributes
    ----------
    applicant
        Column of the applicants' ids.
    """

    id: Text
    title: Text
    source: Text
    standing: Literal["公开文献", "示例", "本地规定"]
    applicant: Text = "applicant"
    eligibility: list[Check] = Field(default=[])
    tracks: list[Track] = Field(min_length=1)

    @model_validator(mode="after")
    def _checked(self) -> Selection:
        for what, ids in (("条件", [c.id for c in self.eligibility]), ("名额", [t.quota.id for t in self.tracks])):
            if repeated := sorted({i for i in ids if ids.count(i) > 1}):
                raise ValueError(f"{what}重复: {'、'.join(repeated)} (repeated)")
        if len(self.tracks) > 1 and any(t.applies is None for t in self.tracks):
            raise ValueError("有几条名额时每条须写明 applies (each track says whom it is for)")
        return self


def read_selection(path: Path) -> Selection:
    """The rules in a YAML file.

    Raises
    ------
    ParameterError
        With file, line and what was expected.
    """
    values, lines = read_yaml(path)
    return validate(Selection, values, lines, path)


@dataclass(frozen=True, kw_only=True, eq=False)
class Selected:
    """The outcome.

    Attributes
    ----------
    applicants
        One row an applicant, in order of track and score: `applicant, track, eligible, score, place` (within its track),
        `chosen, why` (empty for the chosen), `runner_up`, and, with draws, `chance`.
    lines
        As from `toolkit.programme.eligibility.examined`.
    rules
        As of `Allocation`, with `track`.
    influence
        Which input moves ranks and choice most, as from `toolkit.programme.influence.influence`; empty without draws.
    """

    applicants: pd.DataFrame
    lines: pd.DataFrame
    rules: pd.DataFrame
    influence: pd.DataFrame
    allocations: Mapping[str, Allocation] = field(default_factory=dict)


def sheets_of(found: Selected) -> dict[str, pd.DataFrame]:
    """The sheets of a workbook of results."""
    sheets = {"结果": found.applicants, "资格": found.lines, "规则": found.rules}
    return {**sheets, "影响": found.influence} if len(found.influence) else sheets


def select(
    selection: Selection,
    applicants: pd.DataFrame,
    scores: pd.Series,
    *,
    lists: Mapping[str, pd.DataFrame] | None = None,
    draws: Draws | None = None,
) -> Selected:
    """Choose.

    Parameters
    ----------
    applicants
        Text, one row an applicant.
    scores
        By applicant's id; missing: cannot be chosen, which is said.
    draws
        Scores drawn again, as from `toolkit.programme.draws.drawn`: each draw is solved under all rules.

    Raises
    ------
    InputError
        A column is absent, or an applicant belongs to no track.
    ParameterError
        Rules that cannot hold together.
    """
    id_ = selection.applicant
    lines = examined(selection.eligibility, applicants, id_, lists)
    if selection.eligibility:
        found = eligible(lines).set_index("applicant")
    else:
        found = pd.DataFrame({"eligible": True, "because": ""}, index=pd.Index(applicants[id_].astype(str)))
    frame = _with_numbers(selection, applicants.assign(**{id_: applicants[id_].astype(str)}))
    given = frame[id_].map(scores).astype(float)
    may = frame[id_].map(found["eligible"]).astype(bool)
    track = _track(selection, frame)
    parts, rules, made = [], [], {}
    drawn, again = list[Callable[[np.ndarray], np.ndarray]](), list[np.ndarray]()
    for one in selection.tracks:
        quota = one.quota.model_copy(update={"applicant": id_})
        own = (track == quota.id).to_numpy()
        rows = frame[own].assign(**{quota.score: given[own].where(may[own])})
        done = allocate(quota, rows)
        table = done.applicants.rename(columns={id_: "applicant", quota.score: "score", "kept_out_by": "why"})
        table = table.assign(track=quota.title, score=table["applicant"].map(given.set_axis(frame[id_])))
        if draws is not None:
            drawn.append(partial(_choices, quota, rows, draws.units, frame.loc[~may, id_].to_numpy(str)))
            again.append(drawn[-1](draws.scores))
            table["chance"] = again[-1].mean(axis=0)
        parts.append(table)
        rules.append(done.rules.assign(track=quota.title))
        made[quota.id] = done
    whole = pd.concat(parts, ignore_index=True)
    ok = whole["applicant"].map(found["eligible"]).astype(bool)
    because = NOT_ELIGIBLE + "（" + whole["applicant"].map(found["because"]).astype(str) + "）"
    whole = whole.assign(eligible=ok, why=whole["why"].where(ok, because))
    shown = ["applicant", "track", "eligible", "score", "place", "chosen", "why", "runner_up"]
    shown += ["chance"] if draws is not None else []
    moved = pd.DataFrame(columns=list(COLUMNS))
    if draws is not None:
        moved = influence(draws, lambda scores: np.hstack([chosen(scores) for chosen in drawn]), known=np.hstack(again))
    return Selected(
        applicants=whole[shown],
        lines=lines,
        rules=pd.concat(rules, ignore_index=True),
        influence=moved,
        allocations=made,
    )


def _choices(quota: Quota, rows: pd.DataFrame, units: np.ndarray, barred: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Who is chosen on one track in every draw, applicants in the order of their score; who is not eligible never is."""
    return choices(quota, rows, np.where(np.isin(units, barred), np.nan, scores), list(units)).to_numpy(float)


def _with_numbers(selection: Selection, applicants: pd.DataFrame) -> pd.DataFrame:
    """Columns that decide between equal scores as numbers; an applicant that gives none stands behind those that do."""
    columns = dict.fromkeys(column for track in selection.tracks for column in track.quota.ties)
    if lacking := [c for c in columns if c not in applicants]:
        raise InputError(
            f"申报名单缺少列 {'、'.join(lacking)}（同分时据以定先后）",
            "the list of applicants lacks columns that decide between equal scores",
            where=f"selection {selection.id}",
            remedy="补上这些列，或改规则中的 ties",
            remedy_english="add them, or mend `ties`",
        )
    numbers = {c: number_of(applicants, c, "申报名单", f"selection {selection.id}").fillna(-np.inf) for c in columns}
    return applicants.assign(**numbers)


def _track(selection: Selection, frame: pd.DataFrame) -> pd.Series:
    """Id of each applicant's quota."""
    track = pd.Series("", index=frame.index, dtype=object)
    for one in selection.tracks:
        if one.applies is None:
            return pd.Series(one.quota.id, index=frame.index, dtype=object)
        if one.applies.column not in frame:
            raise InputError(
                f"申报名单缺少列 {one.applies.column}",
                "the list of applicants lacks a column",
                where=f"track {one.quota.id}",
                remedy="补上该列",
                remedy_english="add it",
            )
        track[frame[one.applies.column].isin(one.applies.values)] = one.quota.id
    if (track == "").any():
        lost = frame.loc[track == "", selection.applicant].astype(str)
        raise InputError(
            f"{len(lost)} 个申报项目不属于任何一条名额: {'、'.join(lost[:5])}",
            "applicants that no track is for",
            where=f"selection {selection.id}",
            remedy="核对该列的写法，或补一条名额",
            remedy_english="mend the column, or add a track",
        )
    return track
