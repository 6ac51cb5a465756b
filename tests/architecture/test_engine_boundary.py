"""Above the cube nothing touches the engine, by types: import contracts cannot see a table that somebody hands over."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from pathlib import Path

import toolkit
from toolkit.engine import types

ABOVE = ("reference", "indicators", "models", "evaluation", "programme", "reporting", "release", "runs", "cli")
OF_ENGINE = (types.Table, types.Column, types.Engine)
MAY = {"disconnect"}  # whoever opens an engine closes it


def _modules() -> list[str]:
    found = [m.name for m in pkgutil.walk_packages(toolkit.__path__, "toolkit.")]
    return [name for name in found if name.split(".")[1] in ABOVE]


def _parts(hint: object) -> list[object]:
    """The types that a hint is made of: of `Table | None` and of `tuple[Table, ...]` each."""
    return [hint, *(part for inner in typing.get_args(hint) for part in _parts(inner))]


def _hints(thing: object) -> dict[str, object]:
    try:
        return typing.get_type_hints(thing)
    except (NameError, TypeError, AttributeError):  # a name for type checkers alone
        return {}


class Reader(ast.NodeVisitor):
    """The types of what a function names, as far as annotations tell, and where it looks into what is the engine's."""

    def __init__(self, module: object, known: dict[str, object]) -> None:
        self.module, self.known, self.touched = module, dict(known), []

    def type_of(self, node: ast.expr) -> object:
        match node:
            case ast.Name(id=name):
                return self.known.get(name)
            case ast.Attribute(value=value, attr=name):
                owner = self.type_of(value)
                column = types.Column if owner is types.Table and not hasattr(types.Table, name) else None
                return column or (_hints(owner).get(name) if isinstance(owner, type) else None)
            case ast.Subscript(value=value):
                return types.Column if self.type_of(value) in OF_ENGINE else None
            case ast.Call(func=function):
                called = self.thing(function)
                return called if isinstance(called, type) else _hints(called).get("return")
        return None

    def thing(self, node: ast.expr) -> object:
        """What a name stands for in the module, methods of known types too."""
        if isinstance(node, ast.Name):
            return getattr(self.module, node.id, None)
        if isinstance(node, ast.Attribute):
            owner = self.type_of(node.value) or self.thing(node.value)
            return getattr(owner, node.attr, None) if owner is not None else None
        return None

    def of_engine(self, node: ast.expr) -> bool:
        return any(part in OF_ENGINE for part in _parts(self.type_of(node)))

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.known[target.id] = self.type_of(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        if node.attr not in MAY and self.of_engine(node.value):
            self.touched.append((node.lineno, ast.unparse(node)))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        direct = self.type_of(node.value)
        if direct in OF_ENGINE:
            self.touched.append((node.lineno, ast.unparse(node)))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.generic_visit(node)
        if self.of_engine(node.left) or self.of_engine(node.right):
            self.touched.append((node.lineno, ast.unparse(node)))

    visit_FunctionDef = visit_Lambda = lambda self, node: [self.visit(one) for one in ast.iter_child_nodes(node)]


def touches(source: str, module: object) -> list[str]:
    """`line: expression` of every look into a table, column or engine in the functions of a module's source."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            function = getattr(module, node.name, None)
            hints = _hints(function) if inspect.isfunction(function) else {}
            reader = Reader(module, {name: hint for name, hint in hints.items() if name != "return"})
            for one in node.body:
                reader.visit(one)
            found += [f"{line}: {what}" for line, what in reader.touched]
    return found


def _signatures(module: object) -> Iterator[str]:
    for name, thing in vars(module).items():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        functions = vars(thing).values() if isinstance(thing, type) else [thing]
        for one in (thing, *functions):
            if any(part in OF_ENGINE for hint in _hints(one).values() for part in _parts(hint)):
                yield f"{module.__name__}.{name}"


def test_the_check_sees_what_import_contracts_cannot():
    """The three ways in which a table was used above the cube."""
    source = """
from pathlib import Path
from toolkit.engine import connect
from toolkit.data.accounts import lookup

def one(connection: Engine, discharges: Table):
    known = discharges.filter(discharges.month.notnull())
    return known

def two(folder: Path):
    connection = connect(folder)
    return connection.read_parquet("x")

def three(folder: Path, connection: Engine):
    stored = lookup.drg_of(connection, folder, None)
    connection.disconnect()
    return stored["drg"] + 1

def passes_on(folder: Path, connection: Engine):
    return lookup.drg_of(connection, folder, None)
"""
    module = type(importlib)("trial")
    exec(
        compile("from __future__ import annotations\nfrom toolkit.engine.types import *\n" + source, "trial", "exec"),
        vars(module),
    )  # noqa: S102
    assert sorted(touches(source, module)) == [
        "12: connection.read_parquet",
        "17: stored['drg']",
        "17: stored['drg'] + 1",
        "7: discharges.filter",
        "7: discharges.month",
        "7: discharges.month.notnull",
    ]


def test_nothing_above_the_cube_touches_the_engine():
    modules = [importlib.import_module(name) for name in _modules()]
    found = {m.__name__: touches(Path(m.__file__).read_text("utf-8"), m) for m in modules}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_signature_above_the_cube_mentions_the_engine():
    """A run opens an engine and hands it down; nothing else above the cube has heard of one."""
    below_runs = [name for name in _modules() if not name.startswith("toolkit.runs")]
    assert [found for name in below_runs for found in _signatures(importlib.import_module(name))] == []
