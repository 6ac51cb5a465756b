"""Parameters that a stage heeds: what it is given, and what its key holds.

A stage declares dotted names of `RunParams` (`reference.scope`; the name of a section stands for all of it). It is handed
parameters that have these fields and no others, so that it cannot read what its key does not hold: an undeclared field is
an `AttributeError`, not a default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from toolkit.documents import Document, Entries
from toolkit.params import RunParams
from toolkit.strict_yaml import Section

Part = TypeVar("Part", bound=Section)


def narrowed(params: Part, names: Collection[str]) -> Part:
    """`params` with the named fields only; properties and methods work as far as they need no other.

    Raises
    ------
    ValueError
        There is no such field.
    """
    fields = type(params).model_fields
    heads = {name.partition(".")[0] for name in names}
    if unknown := sorted(heads - set(fields)):
        raise ValueError(f"{type(params).__name__} has no field {', '.join(unknown)}")
    kept: Document = {}
    for head in fields:
        if head in names:
            kept[head] = getattr(params, head)
        elif head in heads:
            value = getattr(params, head)
            within = [name.partition(".")[2] for name in names if name.startswith(f"{head}.")]
            kept[head] = narrowed(value, within) if isinstance(value, Section) else value
    copy = params.model_copy()
    for name in list(copy.__dict__):
        if name not in kept:
            del copy.__dict__[name]
    copy.__dict__.update(kept)
    return copy


def chosen(params: RunParams, names: Iterable[str]) -> Document:
    """Dotted name -> value as JSON holds it, for every parameter that the names mean, one by one; lists stay whole."""
    everything: Document = {}
    _flat(params.model_dump(mode="json"), "", everything)
    asked = tuple(names)
    return {name: value for name, value in everything.items() if any(covers(one, name) for one in asked)}


def covers(heeded: str, name: str) -> bool:
    """Whether a declared name means the parameter, as itself, as the section it is in, or as a section that is not given."""
    return name == heeded or name.startswith(f"{heeded}.") or heeded.startswith(f"{name}.")


def _flat(values: Entries, prefix: str, into: Document) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and value and all(isinstance(k, str) for k in value):
            _flat(value, f"{prefix}{name}.", into)
        else:
            into[f"{prefix}{name}"] = value
