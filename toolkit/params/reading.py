"""Reading a parameter file: everything that is wrong with it is said at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic.fields import FieldInfo

from toolkit.documents import Document, Plain
from toolkit.errors import nearest
from toolkit.params.data import Data, FileGroup
from toolkit.params.fields import MayBeAbsent, Says
from toolkit.params.run import FIELDS_ONLY, RunParams, faults_across
from toolkit.params.words import Catalogues, marked, with_own_names
from toolkit.strict_yaml import Fault, Loc, Section, checked, error_of, read_yaml, without

Part = TypeVar("Part", bound=Section)
FileSection = TypeVar("FileSection", Data, FileGroup)
START = "相对路径以参数文件所在文件夹为起点"


def load_params(path: Path, names: Catalogues | None = None) -> RunParams:
    """Read and check a parameter file. Relative paths in it are relative to the file itself.

    Parameters
    ----------
    names
        The ids that catalogues know, to refuse others; None leaves that to the run.

    Raises
    ------
    ParameterError
        Every fault with file, line, what was expected and the nearest valid key.
    """
    path = Path(path)
    values, lines = read_yaml(path)
    params, faults = checked(RunParams, values, FIELDS_ONLY)
    if params is None:  # what else is wrong shows in the rest
        params, _again = checked(RunParams, without(values, faults), FIELDS_ONLY)
    if params is not None:
        resolved, missing = _resolve_paths(params, path.resolve().parent)
        further = [*faults_across(params), *missing, *unknown_names(params, names or {})]
        faults += [fault for fault in further if fault.beside(faults)]
    if faults or params is None:
        raise error_of(faults, lines, path)
    return resolved


def check_names(params: RunParams, names: Catalogues) -> None:
    """Refuse ids that the catalogues do not know, in parameters that were made without them.

    Raises
    ------
    ParameterError
        Every such id, with its key and the nearest that exists.
    """
    if faults := unknown_names(params, names):
        raise error_of(faults)


def unknown_names(params: RunParams, names: Catalogues) -> list[Fault]:
    """Ids in the parameters that neither the catalogues nor the parameters themselves know."""
    names = with_own_names(params, names)
    return [
        Fault(
            loc,
            f"{known_as} {given} 不存在",
            "no such name",
            f"是否为 {nearest(given, known) or next(iter(known))}? 可用: {'、'.join(known)}",
            f"one of {', '.join(known)}",
        )
        for loc, field, value in _fields(params, ())
        if (says := marked(field, Says)) and says.names in names
        for known_as, known in [(field.title, names[says.names])]
        for loc, given in (
            [((*loc, i), one) for i, one in enumerate(value)] if isinstance(value, list) else [(loc, value)]
        )
        if given not in known
    ]


def _fields(section: Section, loc: Loc) -> Iterator[tuple[Loc, FieldInfo, Plain]]:
    """Every field that is not a section, at any depth, with the keys that lead to it."""
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*loc, name)
        if isinstance(value, Section):
            yield from _fields(value, here)
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            for i, one in enumerate(value):
                yield from _fields(one, (*here, i))
        else:
            yield here, field, value


# --- paths -------------------------------------------------------------------------------------------------------------


def _resolve_paths(params: RunParams, folder: Path) -> tuple[RunParams, list[Fault]]:
    """The parameters with every path absolute, and a fault for each that does not exist."""
    faults: list[Fault] = []

    def found(given: Path, loc: Loc, may_be_absent: bool = False) -> Path:
        resolved = given if given.is_absolute() else folder / given
        if not resolved.exists() and not may_be_absent:
            beside = [p.name for p in resolved.parent.iterdir()] if resolved.parent.is_dir() else []
            near = nearest(resolved.name, beside)
            faults.append(
                Fault(
                    loc,
                    f"路径不存在: {given}",
                    "path does not exist",
                    f"{START}; 是否为 {near}?" if near else START,
                    "relative paths start at the parameter file's folder",
                )
            )
        return resolved.resolve()

    def with_files(section: FileSection, loc: Loc) -> FileSection:
        files = [
            f for i, one in enumerate(section.files) for f in _files(one, (*loc, "files", i), folder, found, faults)
        ]
        format_ = section.format
        if format_.endswith((".yaml", ".yml")):
            format_ = str(found(Path(format_), (*loc, "format")))
        return section.model_copy(update={"files": files, "format": format_})

    data = with_files(params.data, ("data",))
    sources = [with_files(group, ("data", "sources", i)) for i, group in enumerate(data.sources)]
    params = params.model_copy(update={"data": data.model_copy(update={"sources": sources})})
    return _with_paths(params, (), found), faults


def _files(given: str, loc: Loc, folder: Path, found: Callable[..., Path], faults: list[Fault]) -> Iterator[str]:
    """One entry of a list of files: itself, or what its pattern matches."""
    pattern = Path(given)
    if not any(c in given for c in "*?["):
        yield str(found(pattern, loc))
        return
    base = Path(pattern.anchor) if pattern.is_absolute() else folder
    relative = str(pattern.relative_to(pattern.anchor)) if pattern.is_absolute() else given
    matched = sorted(base.glob(relative))
    yield from (str(match.resolve()) for match in matched)
    if not matched and found(pattern.parent, loc).exists():
        faults.append(Fault(loc, f"没有文件与 {given} 相符", "no file matches", "检查通配符", "check the pattern"))


def _with_paths(section: Part, loc: Loc, found: Callable[..., Path]) -> Part:
    """The section with every path in it, at any depth, as `found` gives it."""
    updates: Document = {}
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*loc, name)
        if isinstance(value, Path):
            updates[name] = found(value, here, marked(field, MayBeAbsent) is not None)
        elif isinstance(value, Section):
            updates[name] = _with_paths(value, here, found)
        elif isinstance(value, list) and value and isinstance(value[0], Section):
            updates[name] = [_with_paths(one, (*here, i), found) for i, one in enumerate(value)]
        elif isinstance(value, list) and value and isinstance(value[0], Path):
            updates[name] = [found(one, (*here, i)) for i, one in enumerate(value)]
    return section.model_copy(update=updates)


def json_schema() -> str:
    """The JSON Schema that editors complete from; kept at params/schema.json."""
    return json.dumps(RunParams.model_json_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
