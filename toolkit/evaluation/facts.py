"""What a run says of itself beside its tables: one frozen record, written and read as checked JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from toolkit.data.quality.base import RuleFacts
from toolkit.declared import OTHER_VERSION
from toolkit.documents import Document, Entries, Plain
from toolkit.errors import RunError

CANNOT = "不能计算"  # of `lists`: what a source without records leaves open
RELEASED = {"released": True}  # of a field that the release edition gives out as it is; the others lose their content


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is no table.

    Attributes
    ----------
    format, grouping
        Title of the source format, and how its records got their DRG, in Chinese.
    not_applicable
        Rule id -> why it could not be checked.
    insufficient
        Basis -> window -> why its reference cannot grade the risk of death.
    ungrouped
        Why the run's grouper gave no DRG -> records.
    synthetic
        Whether the records are made.
    scopes
        Groups of measures and their Chinese names, in their order.
    codes
        Canonical field -> how the files call it.
    rules
        The data-quality rules as they were in the run.
    data_hash, parameter_hash
        Identity of the files and of the choices.
    lists
        Each given list -> what of it was used, in Chinese.
    diseases
        Disease ids and names, in their order.
    references
        Basis -> column of the reference -> hash of its exact values.
    windows
        Cohort -> `insufficient` of its windows; empty where a run has one pair of windows.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    format: str = field(metadata=RELEASED)
    grouping: str = field(metadata=RELEASED)
    synthetic: bool = field(metadata=RELEASED)
    data_hash: str = field(metadata=RELEASED)
    parameter_hash: str = field(metadata=RELEASED)
    not_applicable: Mapping[str, str] = field(default_factory=dict, metadata=RELEASED)
    scopes: tuple[tuple[str, str], ...] = field(default=(), metadata=RELEASED)
    rules: tuple[RuleFacts, ...] = field(default=(), metadata=RELEASED)
    lists: Mapping[str, str] = field(default_factory=dict, metadata=RELEASED)
    diseases: tuple[tuple[str, str], ...] = field(default=(), metadata=RELEASED)
    insufficient: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ungrouped: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    windows: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)

    def released(self, **controlled: Plain) -> RunFacts:
        """What the release edition gives out: fields declared so, and those that a control has dealt with; the others are empty."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("released")}
        assert all(f.name in kept or f.default_factory is not MISSING for f in fields(self))  # noqa: S101
        return RunFacts(**(kept | controlled))


_CHECKED = TypeAdapter(RunFacts)


def facts_of(content: Entries) -> RunFacts:
    """Facts from plain values, as JSON holds them."""
    return _CHECKED.validate_json(json.dumps(dict(content)))


def save_facts(facts: RunFacts, path: Path) -> None:
    """Equal facts give equal bytes."""
    content = _CHECKED.dump_python(facts, mode="json", exclude=None if facts.windows else {"windows"})
    ordered = TypeAdapter(Document).dump_json(_sorted(content), indent=1)
    path.write_bytes(ordered + b"\n")


def _sorted(content: Plain) -> Plain:
    if isinstance(content, dict):
        return {name: _sorted(content[name]) for name in sorted(content)}
    return [_sorted(one) for one in content] if isinstance(content, list) else content


def load_facts(path: Path) -> RunFacts:
    """The facts that `save_facts` wrote.

    Raises
    ------
    FileNotFoundError
    RunError
        The file is not as declared; the field is named.
    """
    try:
        return _CHECKED.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "?"
        raise RunError(
            f"{path.name} 的 {name} 不合声明", f"{path.name}, {name}: {first['msg']}", where=str(path), **OTHER_VERSION
        ) from None
