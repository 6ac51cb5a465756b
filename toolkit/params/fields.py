"""Kinds of values that a parameter file holds, and how a field says what readers are told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from toolkit.documents import Document
from toolkit.written_form import name_form, written_form

Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Code = Annotated[
    str, AfterValidator(written_form), StringConstraints(min_length=1)
]  # as the codes of records are written
Department = Annotated[str, AfterValidator(name_form), StringConstraints(min_length=1)]
CodeRange = Annotated[str, StringConstraints(pattern=r"^[A-Z]?\d\d(-[A-Z]?\d\d)?$")]  # O00-O99, C61, 65-75
# A path stands in YAML as text; strict mode would refuse it, so laxness is declared here and nowhere else.
YamlPath = Annotated[Path, Field(strict=False)]


class Choice(StrEnum):
    """One of a few values of a parameter, each declared with the Chinese words that readers see: `NONE = "none", "不加权"`."""

    zh: str

    def __new__(cls, value: str, zh: str) -> Choice:
        """A member that equals its value and carries its words."""
        member = str.__new__(cls, value)
        member._value_, member.zh = value, zh
        return member

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.enum_schema(cls, list(cls), sub_type="str", strict=False)  # stands in YAML as text

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Document:
        return {"type": "string", "enum": [one.value for one in cls], "enumDescriptions": [one.zh for one in cls]}


@dataclass(frozen=True, kw_only=True)
class Says:
    """How readers are told a field's value, where its type alone does not say it.

    Parameters
    ----------
    empty
        In place of nothing: None, or an empty list or mapping.
    names
        The value is an id, or several, of this catalogue (`Catalogues`): readers see its name, and an unknown id is refused.
    grouped
        Thousands are set apart; not so in a year.
    heeds, words
        Given the value and the section of that name: the words, or None for the usual ones.
    """

    empty: str = "无"
    names: str = ""
    grouped: bool = True
    heeds: str = ""
    words: Callable[..., str | None] | None = None


@dataclass(frozen=True)
class NotPrinted:
    """Mark of a field that is no policy choice or stands elsewhere in the reports, with the reason."""

    reason: str


@dataclass(frozen=True)
class OnlyWith:
    """Mark of a field that is heeded, and printed, only where another one beside it has this value."""

    field: str
    value: str


@dataclass(frozen=True)
class MayBeAbsent:
    """Mark of a path that the run itself may make."""
