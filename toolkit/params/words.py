"""The policy choices of a run in the words that readers see. No id reaches them: names stand in for what catalogues know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from toolkit.documents import Plain
from toolkit.errors import ContractBroken
from toolkit.params.fields import Choice, NotPrinted, OnlyWith, Says
from toolkit.params.run import RunParams
from toolkit.strict_yaml import Section

Catalogues = Mapping[str, Mapping[str, str]]  # "indicator", "method" -> id -> Chinese name
Mark = TypeVar("Mark")


def marked(field: FieldInfo, kind: type[Mark]) -> Mark | None:
    """The mark of this kind on a field."""
    return next((mark for mark in field.metadata if isinstance(mark, kind)), None)


def printed_fields(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section that readers are told of."""
    return {name: field for name, field in section.model_fields.items() if not marked(field, NotPrinted)}


def policies(params: RunParams, names: Catalogues) -> tuple[tuple[str, str], ...]:
    """Every policy choice that shapes a number, as (Chinese name, printed value), in the order of the sections.

    Parameters
    ----------
    names
        What each id in the parameters is called (`toolkit.evaluation.names.NAMES`).
    """
    return tuple(_rows(params, _Reader(params, names), ""))


def policy_table() -> Iterator[tuple[str, str, str, str]]:
    """Key, Chinese name, default as written in YAML, and choices with their words, of every field that reports print."""
    yield from _table(RunParams, (), "")


def _table(section: type[Section], keys: tuple[str, ...], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in printed_fields(section).items():
        title, here = field.title or name, (*keys, name)
        if isinstance(field.default, Section):
            yield from _table(type(field.default), here, f"{title}：")
            continue
        default = TypeAdapter(cast("Any", field.annotation)).dump_python(field.default, mode="json")
        choices = "、".join(f"`{one}` {one.zh}" for one in _choices(field.annotation))
        yield ".".join(here), prefix + title, json.dumps(default, ensure_ascii=False), choices


def _choices(annotation: object) -> list[Choice]:
    if isinstance(annotation, type) and issubclass(annotation, Choice):
        return list(annotation)
    return [one for inner in get_args(annotation) for one in _choices(inner)]


def with_own_names(params: RunParams, names: Catalogues) -> Catalogues:
    """What ids are called, those among them that the parameters themselves declare."""
    own = {one.id: one.title for one in params.change.formulas}
    return {
        **names,
        "specialty": {one.id: one.name_zh for one in params.specialties},
        **({"method": {**names["method"], **own}} if "method" in names else {}),
    }


class _Reader:
    """Values of one run in words."""

    def __init__(self, params: RunParams, names: Catalogues) -> None:
        self.params = params
        self.names = with_own_names(params, names)

    def text(self, value: Plain, field: FieldInfo) -> str:
        """A field's value as readers see it."""
        says = marked(field, Says) or Says()
        if says.words and (special := says.words(value, getattr(self.params, says.heeds))):
            return special
        if value is None or value in ([], {}):
            return says.empty
        if isinstance(value, dict):
            return "、".join(f"{year} 年 {self._one(one, says)}" for year, one in sorted(value.items()))
        if isinstance(value, list):
            return "、".join(self._one(one, says) for one in value)
        return self._one(value, says)

    def _one(self, value: Plain, says: Says) -> str:
        if says.names:
            return self._name(value, says.names)
        match value:
            case Choice():
                return value.zh
            case bool():
                return "是" if value else "否"
            case int() | float():
                return f"{value:,.12g}" if says.grouped else str(value)
            case Path():
                return value.name
            case Section() if type(value).__str__ is Section.__str__:
                return " ".join(self.text(getattr(value, n), f) for n, f in printed_fields(type(value)).items())
        return str(value)

    def _name(self, id_: str, catalogue: str) -> str:
        if id_ not in self.names[catalogue]:
            raise ContractBroken(f"目录 {catalogue} 中没有 {id_}", "an unknown id was let through", where="policies")
        return self.names[catalogue][id_]


def _rows(section: Section, reader: _Reader, prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in printed_fields(type(section)).items():
        value, title = getattr(section, name), field.title or name
        only = marked(field, OnlyWith)
        if only and getattr(section, only.field) != only.value:
            continue
        if isinstance(value, Section):  # of sections in sections, the inner one says what it is about
            yield from _rows(value, reader, f"{title}：")
        elif isinstance(value, list) and value and hasattr(value[0], "name_zh"):
            yield from ((f"{title}：{one.name_zh}", _definition(one, reader)) for one in value)
        else:
            yield prefix + title, reader.text(value, field)


def _definition(one: Section, reader: _Reader) -> str:
    """What a named thing was given beside its name: titles with values, of a plain yes the title alone."""
    given = {n: f for n, f in printed_fields(type(one)).items() if n != "name_zh" and getattr(one, n)}
    said = [
        field.title or name if getattr(one, name) is True else f"{field.title} {reader.text(getattr(one, name), field)}"
        for name, field in given.items()
    ]
    return "；".join(said) or "按科别对照表"
