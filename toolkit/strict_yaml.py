"""YAML files that people write, checked against a model: every fault with file, line, expectation and nearest key."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from toolkit.documents import Plain
from toolkit.errors import ParameterError, nearest, together

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node, ScalarNode

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]  # the keys and places in lists that lead to a value
Lines = Mapping[tuple, int]
TOP = "(顶层)"


class Section(BaseModel):
    """A group of parameters; unknown keys and converted types are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def read_yaml(path: Path) -> tuple[Plain, dict[tuple, int]]:
    """Plain values of a YAML file and the line of every key path. Numbers with leading zeros stay text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else [])
        raise ParameterError(
            f"没有参数文件 {path.name}",
            "parameter file not found",
            where=str(path),
            remedy=f"是否为 {near}?" if near else "用 speceval init 生成一份带注释的参数文件",
            remedy_english=f"did you mean {near}?" if near else "speceval init writes a commented one",
        ) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ParameterError(
            "参数文件不是 UTF-8 编码",
            "the file is not UTF-8",
            where=f"{path}:{line}",
            remedy="请另存为 UTF-8",
            remedy_english="save it as UTF-8",
        ) from None
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ParameterError(
            "YAML 语法错误",
            f"YAML syntax: {error.problem}",
            where=f"{path}:{line}",
            remedy="检查缩进、冒号后的空格和引号",
            remedy_english="check indentation, the space after a colon, quotes",
        ) from None
    lines: dict[tuple, int] = {}
    return _plain(node, (), lines, path), lines


def _plain(node: Node | None, where: tuple, lines: dict[tuple, int], path: Path) -> Plain:
    kind = type(node).__name__
    if node is None:
        return None
    lines.setdefault(where, node.start_mark.line + 1)
    if kind == "MappingNode":
        result: dict[Plain, Plain] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node)
            if key in result:
                raise ParameterError(
                    f"键 {key} 重复",
                    "key repeated",
                    where=f"{path}:{key_node.start_mark.line + 1}",
                    remedy="保留一个",
                    remedy_english="keep one",
                )
            lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = _plain(value_node, (*where, key), lines, path)
        return result
    if kind == "SequenceNode":
        return [_plain(item, (*where, i), lines, path) for i, item in enumerate(node.value)]
    return _scalar(cast("ScalarNode", node))


def _scalar(node: ScalarNode) -> Plain:
    """YAML 1.2 meaning of a scalar, except that a number written with leading zeros is a code and stays text."""
    text = node.value
    if node.style is not None or str(node.tag).endswith(":str"):
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "True", "false", "False"):
        return text in ("true", "True")
    if re.fullmatch(r"[-+]?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"[-+]?(0|[1-9]\d*)?\.\d+|[-+]?(0|[1-9]\d*)\.\d*([eE][-+]?\d+)?", text):
        return float(text)
    return text


_EXPECTED = {
    "string_type": "文本 text",
    "int_type": "整数 integer",
    "float_type": "数值 number",
    "bool_type": "true 或 false",
    "list_type": "列表 list",
    "dict_type": "键值 mapping",
    "model_type": "键值 mapping",
    "path_type": "路径 path",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a file, and the keys that lead to it."""

    loc: Loc
    problem: str
    english: str
    remedy: str = ""
    remedy_english: str = ""

    def beside(self, others: Iterable[Fault]) -> bool:
        """Whether it stands apart from these: neither above nor below one of them, so that none brought it about."""
        return not any(self.loc[: len(o.loc)] == o.loc[: len(self.loc)] for o in others)


def validate(model: type[Model], values: Plain, lines: Lines, path: Path) -> Model:
    """`values` as `model`, or one `ParameterError` that tells every fault with its line and remedy."""
    made, faults = checked(model, values)
    if made is None:
        raise error_of(faults, lines, path)
    return made


def checked(model: type[Model], values: Plain, context: object = None) -> tuple[Model | None, list[Fault]]:
    """`values` as `model`, or all that is wrong with them."""
    try:
        return model.model_validate(values, context=context), []
    except ValidationError as caught:
        return None, [_fault(model, error) for error in caught.errors(include_url=False)]


def without(values: Plain, faults: Iterable[Fault]) -> Plain:
    """A copy that lacks what is at fault; a list with a faulty member goes as a whole, so that no other changes its place."""
    kept = deepcopy(values)
    for fault in faults:
        loc = fault.loc
        while loc and isinstance(loc[-1], int):
            loc = loc[:-1]
        if loc and isinstance(holder := _at(kept, loc[:-1]), dict):
            holder.pop(loc[-1], None)
    return kept


def _at(values: Plain, loc: Loc) -> Plain:
    for part in loc:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):  # it went with another fault
            return None
    return values


def error_of(faults: Iterable[Fault], lines: Lines | None = None, path: Path | None = None) -> ParameterError:
    """The faults of a file as one error, in the order of their lines; without a file, by their keys alone."""
    placed = sorted(((line_of(fault.loc, lines or {}), fault) for fault in faults), key=lambda one: one[0])
    return together(
        [
            ParameterError(
                fault.problem,
                fault.english,
                where=(f"{path}:{line} " if path else "") + (".".join(map(str, fault.loc)) or TOP),
                remedy=fault.remedy,
                remedy_english=fault.remedy_english,
            )
            for line, fault in placed
        ]
    )


def line_of(loc: Loc, lines: Lines) -> int:
    """The line of the innermost key on the way that the file has."""
    return next((lines[loc[:k]] for k in range(len(loc), -1, -1) if loc[:k] in lines), 1)


def _fault(model: type[BaseModel], error: ErrorDetails) -> Fault:
    loc, kind, given = tuple(error["loc"]), error["type"], error.get("input")
    field = ".".join(map(str, loc)) or TOP
    if kind == "extra_forbidden":
        known = _keys_at(model, loc[:-1])
        near = nearest(str(loc[-1]), known)
        remedy = (f"是否为 {near}? " if near else "") + f"可用的键: {', '.join(known)}"
        return Fault(
            loc,
            f"未知的键 {loc[-1]}",
            "unknown key",
            remedy,
            f"did you mean {near}?" if near else "valid keys are listed",
        )
    if kind == "missing":
        return Fault(loc, f"缺少 {field}", "required key missing", f"请补上 {loc[-1]}")
    if kind in _EXPECTED:
        quoted = (f'写成带引号的文本, 如 "{given}"', "put it in quotes") if kind == "string_type" else ()
        return Fault(loc, f"{field} 的类型不对: 应为 {_EXPECTED[kind]}, 实为 {given!r}", "wrong type", *quoted)
    if kind in ("literal_error", "enum"):
        choices = error["ctx"]["expected"]
        return Fault(loc, f"{field} 的值 {given!r} 不在可选值内", "not one of the choices", f"可选: {choices}")
    if kind == "value_error":
        return Fault(loc, str(error["ctx"]["error"]), field)
    return Fault(loc, f"{field} 的值 {given!r} 不合要求", error["msg"])


def _keys_at(model: type[BaseModel], loc: tuple) -> list[str]:
    """Valid keys of the section at `loc`."""
    for part in loc:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        for candidate in _models_in(model.model_fields[part].annotation):
            model = candidate
    return sorted(model.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]
