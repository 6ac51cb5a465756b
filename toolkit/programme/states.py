"""States of a project and who may move it from one to the next: a declared table that a commission can replace."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from toolkit.errors import EvaluationError, nearest
from toolkit.resources import resource
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
BEGIN = ""  # of a project that is not in the ledger yet


class State(Section):
    """One state; `final`: nothing follows it."""

    id: Text
    title: Text
    final: bool = False


class Transition(Section):
    """`begin` (none: a project that is new) → `end`, by any of the `roles`; `reason`: why must be said."""

    begin: str = BEGIN
    end: Text
    roles: list[Text] = Field(min_length=1)
    reason: bool = False


class States(Section):
    """The table: every state can be reached, and every state that is not final can be left."""

    source: Text
    roles: dict[Text, Text]
    states: list[State] = Field(min_length=1)
    transitions: list[Transition] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> States:
        ids = [one.id for one in self.states]
        if repeated := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"状态重复: {'、'.join(repeated)} (states repeated)")
        for one in self.transitions:
            for id_ in (one.begin, one.end):
                if id_ not in (*ids, BEGIN):
                    raise ValueError(f"没有状态 {id_}，是否为 {nearest(id_, ids)}? (no such state)")
            for role in one.roles:
                if role not in self.roles:
                    raise ValueError(f"没有角色 {role}，是否为 {nearest(role, self.roles)}? (no such role)")
        reached, new = {BEGIN}, {BEGIN}
        while new:
            new = {one.end for one in self.transitions if one.begin in new} - reached
            reached |= new
        if lost := [one.title for one in self.states if one.id not in reached]:
            raise ValueError(f"到不了的状态: {'、'.join(lost)} (states that cannot be reached)")
        left = {one.begin for one in self.transitions}
        if stuck := [one.title for one in self.states if not one.final and one.id not in left]:
            raise ValueError(f"既非终结又没有下一步的状态: {'、'.join(stuck)} (states that cannot be left)")
        return self

    def title(self, id_: str) -> str:
        """What a state is called."""
        return next((one.title for one in self.states if one.id == id_), "未申报")

    def following(self, begin: str) -> list[str]:
        """States that may follow."""
        return list(dict.fromkeys(one.end for one in self.transitions if one.begin == begin))

    def check(self, begin: str, end: str, role: str, reason: str, *, where: str) -> None:
        """Refuse what the table does not allow.

        Raises
        ------
        EvaluationError
            With what is allowed from here, or who may do it.
        """
        found = [one for one in self.transitions if (one.begin, one.end) == (begin, end)]
        if not found:
            raise EvaluationError(
                f"不能从“{self.title(begin)}”到“{self.title(end) if end in {s.id for s in self.states} else end}”",
                "no such transition",
                where=where,
                remedy=f"可到: {'、'.join(map(self.title, self.following(begin))) or '（已终结）'}",
                remedy_english="one of those listed",
            )
        allowed = [role_ for one in found for role_ in one.roles]
        if role not in allowed:
            raise EvaluationError(
                f"{self.roles.get(role, role)} 无权作此变更",
                "this role may not do it",
                where=where,
                remedy=f"由 {'、'.join(self.roles[r] for r in allowed)} 办理",
                remedy_english="by one of those listed",
            )
        if all(one.reason for one in found) and not reason.strip():
            raise EvaluationError(
                "须写明理由", "a reason is needed", where=where, remedy="写明依据后重试", remedy_english="say why"
            )


@cache
def states(path: Path | None = None) -> States:
    """The table in a file; the shipped one if none is given."""
    path = path or resource("params/rules/project-states.yaml")
    values, lines = read_yaml(path)
    return validate(States, values, lines, path)
