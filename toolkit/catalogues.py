"""Catalogues: declarations by id, the toolkit's own and those of other installed packages.

Another package adds to a catalogue by an entry point of its group: `speceval.indicators`, `speceval.rules`,
`speceval.methods` (each names one declaration or a tuple of them), `speceval.formats` (a YAML file or a folder of them),
`speceval.groupers` (a class; its entry point's name is its id). Nothing replaces anything: an id that is there already is
refused, whoever was first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from toolkit.errors import ContractBroken

OWN = "speceval"
GROUPS = tuple(f"speceval.{kind}" for kind in ("indicators", "rules", "methods", "formats", "groupers"))


class Identified(Protocol):
    """What a catalogue holds."""

    @property
    def id(self) -> str:
        """Its name in parameters and tables."""


Declaration = TypeVar("Declaration", bound=Identified)


class Catalogue(Mapping[str, Declaration], Generic[Declaration]):
    """Declarations by id: the toolkit's own in their order, then those of other packages in the order of their ids.

    Other packages are loaded when the catalogue is first looked into, not when it is made: they import the toolkit to declare
    something, and may themselves be what imports it.

    Parameters
    ----------
    own
        The toolkit's; an id that is there twice is refused at once.
    group
        Entry points that add to it; "" where none may.
    kinds
        The types that a declaration of another package may have.
    """

    def __init__(self, own: Iterable[Declaration], group: str = "", kinds: tuple[type, ...] = ()) -> None:
        self.group, self.kinds = group, kinds
        self.own = _by_id([(one, OWN) for one in own], group)

    @cached_property
    def _all(self) -> dict[str, Declaration]:
        others = [(one, package(point)) for point in outside(self.group) for one in self._declared(point)]
        others.sort(key=lambda pair: pair[0].id)
        return _by_id([*((one, OWN) for one in self.own.values()), *others], self.group)

    def _declared(self, point: EntryPoint) -> tuple[Declaration, ...]:
        found = load(point)
        several = tuple(found) if isinstance(found, tuple | list) else (found,)
        for one in several:
            if not isinstance(one, self.kinds):
                kinds = "、".join(kind.__name__ for kind in self.kinds)
                raise ContractBroken(
                    f"插件 {point.value} 给出的是 {type(one).__name__}，应为 {kinds}",
                    f"the plug-in gives a {type(one).__name__}, not one of these",
                    where=f"{package(point)}: {self.group}",
                    remedy="改正该软件包的声明，或卸载它",
                    remedy_english="mend the package or uninstall it",
                )
        return several

    def __getitem__(self, id: str) -> Declaration:
        return self._all[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _by_id(declared: Iterable[tuple[Declaration, str]], group: str) -> dict[str, Declaration]:
    """By id, of declarations with the package that each comes from."""
    by_id: dict[str, Declaration] = {}
    origins: dict[str, str] = {}
    for one, origin in declared:
        if one.id in by_id:
            raise clash(group, one.id, origins[one.id], origin)
        by_id[one.id], origins[one.id] = one, origin
    return by_id


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """Entry points of all groups, each once: looking through the installed packages takes longer than loading one of them."""
    return tuple(point for group in GROUPS for point in entry_points(group=group))


def points(group: str) -> list[EntryPoint]:
    """The entry points of a group, by package and name."""
    return sorted((p for p in _installed() if p.group == group), key=lambda p: (package(p), p.name))


def outside(group: str) -> list[EntryPoint]:
    """Those of other packages."""
    return [point for point in points(group) if package(point) != OWN]


def package(point: EntryPoint) -> str:
    """The name of the package that gives it."""
    return point.dist.name if point.dist else ""


def load(point: EntryPoint) -> Any:
    """What an entry point names.

    Raises
    ------
    ContractBroken
        It cannot be imported.
    """
    try:
        return point.load()
    except Exception as error:  # whatever another package's import may raise
        raise ContractBroken(
            f"插件 {point.value} 无法载入（{type(error).__name__}）",
            f"the plug-in {point.value} cannot be loaded: {type(error).__name__}",
            where=f"{package(point)}: {point.group}",
            remedy=f"单独运行 python -c 'import {point.module}' 查看原因，或卸载该软件包",
            remedy_english="import it alone to see why, or uninstall the package",
        ) from error


def clash(group: str, id: str, first: str, second: str) -> ContractBroken:
    """Two packages declare the same id."""
    return ContractBroken(
        f"{id} 有两个声明，分别来自 {first} 和 {second}",
        f"{id} is declared twice, by {first} and by {second}",
        where=group or OWN,
        remedy="改用另一个编号，或卸载其中一个软件包",
        remedy_english="choose another id, or uninstall one of the packages",
    )


def packages() -> dict[str, tuple[str, Path]]:
    """Other packages that add to a catalogue: name -> version and where their code lies (a folder or a file)."""
    found = {}
    for point in (point for group in GROUPS for point in outside(group)):
        spec = find_spec(point.module.partition(".")[0])
        if spec and point.dist:
            place = spec.submodule_search_locations[0] if spec.submodule_search_locations else spec.origin
            found[point.dist.name] = (point.dist.version, Path(str(place)))
    return found
