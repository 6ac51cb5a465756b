"""YAML files that people write, checked against a model: every fault with file, line, expectation and nearest key."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args, get_origin

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
QUOTED = 60  # characters of a value that a message repeats


class Section(BaseModel):
    """A group of parameters; unknown keys and converted types are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


LARGEST = 4 * 2**20  # bytes; a region's parameters with all its lists take a twentieth
DEEPEST = 40  # levels; parameters have seven
MOST = 200_000  # values, those that aliases repeat among them
LONGEST_NUMBER = 18  # digits: what 64 bits hold


def read_yaml(path: Path) -> tuple[Plain, dict[tuple, int]]:
    """Plain values of a YAML file and the line of every key path. Numbers with leading zeros stay text.

    Raises
    ------
    ParameterError
        There is no such file, it is not YAML, or it is larger, deeper or more repetitive than parameters are. What is in it
        is not told: it may be another file than was meant.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = _text(path)
    try:
        _bounded(text, path)
        return _Reading(path).values(YAML(typ="safe", pure=True).compose(io.StringIO(text)))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = re.sub(
            r"'[^']{2,}'|\"[^\"]{2,}\"", "…", str(getattr(error, "problem", None) or "a character that YAML lacks")
        )
        raise _refused(
            path,
            mark.line + 1 if mark else 1,
            "YAML 语法错误",
            f"YAML syntax: {said}",
            "检查缩进、冒号后的空格和引号",
            "check indentation, the space after a colon, quotes",
        ) from None
    except RecursionError:
        raise _refused(
            path, 1, "嵌套过深", "nested too deep", "参数文件只有几层", "parameters have a few levels"
        ) from None


def _refused(path: Path, line: int, problem: str, english: str, remedy: str, remedy_english: str) -> ParameterError:
    return ParameterError(problem, english, where=f"{path}:{line}", remedy=remedy, remedy_english=remedy_english)


def _text(path: Path) -> str:
    try:
        if not path.is_file() and path.exists():
            raise ParameterError(
                f"{path.name} 是文件夹或设备，不是参数文件",
                "a folder or a device, not a parameter file",
                where=str(path),
                remedy="给出 .yaml 文件",
                remedy_english="name a .yaml file",
            )
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except FileNotFoundError:
        near = nearest(path.name, [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else [])
        raise ParameterError(
            f"没有参数文件 {path.name}",
            "parameter file not found",
            where=str(path),
            remedy=f"是否为 {near}?" if near else "用 speceval init 生成一份带注释的参数文件",
            remedy_english=f"did you mean {near}?" if near else "speceval init writes a commented one",
        ) from None
    except (OSError, ValueError) as error:
        raise ParameterError(
            "参数文件不能读取",
            f"the file cannot be read: {type(error).__name__}",
            where=str(path),
            remedy="检查文件名和读权限",
            remedy_english="check its name and whether you may read it",
        ) from None
    if len(raw) > LARGEST:
        raise ParameterError(
            f"文件大于 {LARGEST // 2**20} MB，不是参数文件",
            "the file is larger than any parameter file",
            where=str(path),
            remedy="参数文件里写数据文件的路径，不写数据",
            remedy_english="a parameter file names data files",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _refused(
            path, line, "参数文件不是 UTF-8 编码", "the file is not UTF-8", "请另存为 UTF-8", "save it as UTF-8"
        ) from None


def _bounded(text: str, path: Path) -> None:
    """Refuse what is nested too deep, before anything is built of it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in YAML(typ="safe", pure=True).parse(io.StringIO(text)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1
            raise _refused(
                path,
                line,
                f"嵌套多于 {DEEPEST} 层",
                "nested too deep",
                "参数文件只有几层",
                "parameters have a few levels",
            )


class _Reading:
    """The nodes of one file turned into plain values."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines, self.count = path, dict[tuple, int](), 0
        self.within: list[Node] = []  # the nodes that hold the present one: an alias to one of them has no end

    def values(self, node: Node | None) -> tuple[Plain, dict[tuple, int]]:
        return self._plain(node, ()), self.lines

    def _refused(self, node: Node, problem: str, english: str, remedy: str, remedy_english: str) -> ParameterError:
        return _refused(self.path, node.start_mark.line + 1, problem, english, remedy, remedy_english)

    def _plain(self, node: Node | None, where: tuple) -> Plain:
        if node is None:
            return None
        self.count += 1
        if self.count > MOST or any(node is one for one in self.within):
            raise self._refused(
                node,
                "别名（&、*）指向自身，或展开后过大",
                "aliases point to themselves, or unfold to more than a file of parameters holds",
                "写出值，不用别名",
                "write the values without aliases",
            )
        self.lines.setdefault(where, node.start_mark.line + 1)
        kind = type(node).__name__
        if kind == "ScalarNode":
            return self._scalar(cast("ScalarNode", node))
        self.within.append(node)
        made: Plain = (
            self._mapping(node, where)
            if kind == "MappingNode"
            else [self._plain(item, (*where, i)) for i, item in enumerate(node.value)]
        )
        self.within.pop()
        return made

    def _mapping(self, node: Node, where: tuple) -> dict[Plain, Plain]:
        result: dict[Plain, Plain] = {}
        for key_node, value_node in node.value:
            if type(key_node).__name__ != "ScalarNode":
                raise self._refused(
                    key_node, "键不是一个词", "a key is no plain word", "检查 ?、[ 和 {", "check ?, [ and {"
                )
            key = self._scalar(key_node)
            if key in result:
                raise self._refused(key_node, f"键 {_word(key)} 重复", "key repeated", "保留一个", "keep one")
            self.lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = self._plain(value_node, (*where, key))
        return result

    def _scalar(self, node: ScalarNode) -> Plain:
        """YAML 1.2 meaning of a scalar, except that a number written with leading zeros is a code and stays text."""
        text, tag = node.value, str(node.tag)
        if not tag.startswith("tag:yaml.org,2002:") or "python" in tag:
            raise self._refused(node, "不认识的标记（!…）", "an unknown tag", "去掉 ! 标记", "remove the tag")
        if node.style is not None or tag.endswith(":str"):
            return text
        if text in ("", "~", "null"):
            return None
        if text in ("true", "True", "false", "False"):
            return text in ("true", "True")
        if re.fullmatch(r"[-+]?(0|[1-9]\d*)", text) and len(text) <= LONGEST_NUMBER:
            return int(text)
        if re.fullmatch(r"[-+]?(0|[1-9]\d*)?\.\d+|[-+]?(0|[1-9]\d*)\.\d*([eE][-+]?\d+)?", text) and isfinite(
            float(text)
        ):
            return float(text)
        if (
            re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", text)
            and not re.match(r"[-+]?0\d", text)
            and len(text) > LONGEST_NUMBER
        ):
            raise self._refused(
                node, "数值过大或位数过多", "a number with too many digits", "若是代码，加引号", "put codes in quotes"
            )
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
    if isinstance(values, dict) and values and not any(_known(key, model) for key in values):
        return None, [_another(model)]
    try:
        return model.model_validate(values, context=context), []
    except ValidationError as caught:
        return None, [_fault(model, error) for error in caught.errors(include_url=False)]


def _known(key: object, model: type[BaseModel]) -> bool:
    return key in model.model_fields or bool(nearest(str(key), model.model_fields))


def _another(model: type[BaseModel]) -> Fault:
    """Said of a file without one key that belongs there: its keys may be names of patients."""
    return Fault(
        (),
        "这里没有一个可用的键，像是别的文件",
        "not one key belongs here: this looks like another file",
        f"可用的键: {', '.join(sorted(model.model_fields))}",
        "valid keys are listed",
    )


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
            f"未知的键 {str(loc[-1])[:QUOTED]}",
            "unknown key",
            remedy,
            f"did you mean {near}?" if near else "valid keys are listed",
        )
    if kind == "missing":
        choices = _choices_of(model, loc)
        return Fault(
            loc,
            f"缺少 {field}",
            "required key missing",
            f"请补上 {loc[-1]}" + (f"，可选: {'、'.join(choices)}" if choices else ""),
            "add it" + (": one of those listed" if choices else ""),
        )
    if kind in _EXPECTED:
        quoted = (f'写成带引号的文本, 如 "{given}"', "put it in quotes") if kind == "string_type" else ()
        return Fault(
            loc, f"{field} 的类型不对: 应为 {_EXPECTED[kind]}, 实为 {_said(given, loc)}", "wrong type", *quoted
        )
    if kind in ("literal_error", "enum"):
        choices = error["ctx"]["expected"]
        return Fault(
            loc, f"{field} 的值 {_said(given, loc)} 不在可选值内", "not one of the choices", f"可选: {choices}"
        )
    if kind == "value_error":
        return Fault(loc, str(error["ctx"]["error"]), field)
    return Fault(loc, f"{field} 的值 {_said(given, loc)} 不合要求", error["msg"])


def _word(key: object) -> str:
    """A key as a message names it: one that could be a parameter's, for another may be a patient's name."""
    return f"{key}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}", f"{key}") else "…"


def _said(given: object, loc: Loc) -> str:
    """A value as a message quotes it: short ones only, and never a whole file, which may be one of records."""
    if not loc or isinstance(given, (dict, list)):
        kinds = {dict: "键值 mapping", list: "列表 list", str: "文本 text", type(None): "空 nothing"}
        return kinds.get(type(given), "别的值 another value")
    return f"{given!r}" if len(f"{given!r}") <= QUOTED else f"{len(f'{given}')} 个字符 characters"


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Valid keys of the section at `loc`."""
    return sorted(_section_at(model, loc).model_fields)


def _choices_of(model: type[BaseModel], loc: Loc) -> list[str]:
    """What a key that takes one of a few words may be; nothing of another key."""
    named = _section_at(model, loc[:-1]).model_fields.get(str(loc[-1]))
    given = named.annotation if named else None
    return [str(one) for one in get_args(given)] if get_origin(given) is Literal else []


def _section_at(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    for part in loc:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        for candidate in _models_in(model.model_fields[part].annotation):
            model = candidate
    return model


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]
