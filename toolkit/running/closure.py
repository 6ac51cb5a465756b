"""What code a module is made of: itself and every module of its package that it imports, at any remove, with their data.

Found by reading, not by importing: an import inside a function counts, one for the type checker alone does not. A package
that is only passed on the way to a module in it counts as far as passing it executes it. Files that are no code (format
maps, rules, code lists, templates) belong to the folder they lie in, as soon as any module of it is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from toolkit.resources import PACKAGE
from toolkit.running.notebook import file_hash


def closure(modules: Iterable[str], root: Path = PACKAGE) -> dict[str, str]:
    """Path below the package -> hash of every file that the modules are made of.

    Parameters
    ----------
    modules
        Full names, e.g. `toolkit.runs.summing`. A module that does not exist raises `ValueError`.
    root
        Folder of the package.
    """
    whole: set[str] = set()  # imported for themselves
    passed: set[str] = set()  # packages on the way
    waiting = list(modules)
    for name in waiting:
        if _file(name, root) is None:
            raise ValueError(f"no module {name}")
    while waiting:
        name = waiting.pop()
        if name in whole:
            continue
        whole.add(name)
        waiting += [found for found in _imports(name, root, within=True) if found not in whole]
        for parent in _parents(name):
            if parent not in passed | whole:
                passed.add(parent)
                waiting += [found for found in _imports(parent, root, within=False) if found not in whole]
    files = {path for name in whole | passed if (path := _file(name, root))}
    files |= {path for folder in {f.parent for f in files} for path in _data(folder, root)}
    return {path.relative_to(root).as_posix(): file_hash(path) for path in sorted(files)}


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _file(name: str, root: Path) -> Path | None:
    place = root.parent.joinpath(*name.split("."))
    if place.parts[: len(root.parts)] != root.parts:
        return None
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _data(folder: Path, root: Path) -> Iterator[Path]:
    """The files of a folder that are no code, also those in folders without code below it."""
    for path in folder.iterdir() if folder != root else ():
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            # a folder with code is reached by its own modules alone
            if not any(path.rglob("*.py")):
                yield from (p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        elif path.suffix != ".py":
            yield path


@cache
def _imports(name: str, root: Path, *, within: bool) -> tuple[str, ...]:
    """The modules of the package that a module imports; `within`: also inside functions."""
    path = _file(name, root)
    if path is None:
        return ()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in _statements(ast.parse(path.read_text("utf-8")), within):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            below = [f"{base}.{alias.name}" for alias in node.names]
            modules = [one for one in below if _file(one, root)]
            # a package of which only modules are taken is but passed on the way to them
            found += modules if len(modules) == len(below) else [base, *modules]
    return tuple(dict.fromkeys(one for one in found if _file(one, root)))


def _statements(node: ast.AST, within: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _for_types(child.test):
            for one in child.orelse:
                yield one
                yield from _statements(one, within)
            continue
        if not within and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield child
        yield from _statements(child, within)


def _for_types(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
