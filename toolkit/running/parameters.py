"""The parameters of a template: what it declares, and whether what was given fits exactly.

Names become code in the notebook and some types break out of their quotes, so nothing reaches papermill that the
template does not declare by name and type (security S1–S3).
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.documents import Document
from toolkit.errors import ContractBroken, ParameterError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Value = str | int | float | bool | None
NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "None": type(None)}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One declared parameter; `types` are matched exactly, so True is not an int and 3 is not a float."""

    name: str
    types: tuple[type, ...]
    default: Value

    @property
    def annotation(self) -> str:
        return " | ".join("None" if kind is type(None) else kind.__name__ for kind in self.types)


def read_template(path: Path) -> Document:
    """The template as plain JSON, without outputs, counts and empty code cells.

    nbformat is not used: it costs a third of a second in the process that only starts others.
    """
    try:
        template = json.loads(path.read_text("utf-8"))
        cells = [{**cell, "source": "".join(cell["source"])} for cell in template["cells"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractBroken(
            f"读不出模板 {path.name}（{type(error).__name__}）",
            f"template {path.name} cannot be read",
            where=str(path),
            remedy="请用 JupyterLab 打开并重新保存",
            remedy_english="open and save it in JupyterLab",
        ) from None
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    # nbclient skips empty cells and gives them no count: they would look as if they had not run
    cells = [cell for cell in cells if cell["cell_type"] != "code" or cell["source"].strip()]
    return {**template, "cells": cells}


def imported(path: Path) -> set[str]:
    """Modules that a template's cells import by name; none of a template that cannot be read, which others refuse."""
    found: set[str] = set()
    with contextlib.suppress(ContractBroken):
        for cell in read_template(path)["cells"]:
            with contextlib.suppress(SyntaxError, ValueError):  # magics and commands are no Python
                for node in ast.walk(ast.parse(cell["source"] if cell["cell_type"] == "code" else "")):
                    if isinstance(node, ast.Import):
                        found |= {one.name for one in node.names}
                    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                        # a name may be a module of the package or a thing in it: the former fails quietly where it is none
                        found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def tags(cell: Document) -> list[str]:
    """The tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


def declared(template: Document, name: str) -> dict[str, Parameter]:
    """Parameters that the template's one `parameters` cell declares as `name: type = default`.

    Parameters
    ----------
    template
        As `read_template` gives it.
    name
        File name, for messages.

    Raises
    ------
    ContractBroken
        There is no such cell or more than one, or it holds anything but such lines.
    """
    cells = [cell for cell in template["cells"] if "parameters" in tags(cell) and cell["cell_type"] == "code"]
    left = [cell for cell in template["cells"] if "injected-parameters" in tags(cell)]
    if len(cells) != 1 or left:
        raise ContractBroken(
            f"模板 {name} 应恰有一个 parameters 单元，现有 {len(cells)} 个" + ("，并留有注入单元" if left else ""),
            f"template {name} must have exactly one parameters cell, found {len(cells)}"
            + (" and a cell left by an earlier run" if left else ""),
            where=name,
            remedy="只给一个代码单元加 parameters 标签，删去 injected-parameters 单元",
            remedy_english="tag exactly one code cell 'parameters' and delete injected ones",
        )
    try:
        lines = ast.parse(cells[0]["source"]).body
    except SyntaxError as error:
        raise _bad_line(name, error.lineno or 1, "语法") from None
    found: dict[str, Parameter] = {}
    for line in lines:
        parameter = _parameter(line)
        if parameter is None or parameter.name in found:
            raise _bad_line(name, line.lineno, ast.unparse(line))
        found[parameter.name] = parameter
    return found


def _parameter(line: ast.stmt) -> Parameter | None:
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
        return None
    kinds = [TYPES.get(part.strip()) for part in ast.unparse(line.annotation).strip("'\"").split("|")]
    try:
        default = ast.literal_eval(line.value)
    except ValueError:
        return None
    if None in kinds or type(default) not in kinds or not NAME.fullmatch(line.target.id):
        return None
    return Parameter(name=line.target.id, types=tuple(kind for kind in kinds if kind), default=default)


def _bad_line(name: str, number: int, what: str) -> ContractBroken:
    return ContractBroken(
        f"模板 {name} 的 parameters 单元第 {number} 行不是 名称: 类型 = 默认值（{what}）",
        f"line {number} of the parameters cell of {name} is not 'name: type = default'",
        where=name,
        remedy="每行只写一个参数，类型用 str、int、float、bool 或加 | None，默认值写常量，推导放到后面的单元",
        remedy_english="one parameter a line, plain types, constant defaults; derive values in a later cell",
    )


def check(known: Mapping[str, Parameter], given: Mapping[str, Value], template: str) -> None:
    """Pass only if `given` has every declared parameter, no other, each of exactly its type.

    Raises
    ------
    ParameterError
        Names the parameter and the nearest declared one. Values are not repeated.
    """
    for name in given:
        if name not in known:
            close = nearest(str(name), known)
            raise ParameterError(
                f"模板 {template} 没有参数 {name!r}" + (f"，是否为 {close!r}？" if close else ""),
                f"template {template} has no parameter {name!r}" + (f"; did you mean {close!r}?" if close else ""),
                where=template,
                remedy=f"可用参数：{'、'.join(known)}",
                remedy_english="use one of these names",
            )
    for name, parameter in known.items():
        if name not in given:
            raise ParameterError(
                f"缺少参数 {name!r}（{parameter.annotation}）",
                f"parameter {name!r} is missing",
                where=template,
                remedy="请写明；模板中的默认值只供交互使用",
                remedy_english="state it: defaults in the template are for interactive use only",
            )
        value = given[name]
        if type(value) not in parameter.types or not _plain(value):
            raise ParameterError(
                f"参数 {name!r} 应为 {parameter.annotation}，得到 {type(value).__name__}",
                f"parameter {name!r} must be {parameter.annotation}, got {type(value).__name__}",
                where=template,
                remedy="代码和编号写成带引号的文字，数值必须有限，不作转换",
                remedy_english="quote codes and ids; numbers must be finite; nothing is converted",
            )


def _plain(value: Value) -> bool:
    """Whether the value survives JSON and UTF-8: no NaN, no infinity, no lone surrogate."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, str) or not any("\ud800" <= letter <= "\udfff" for letter in value)
