"""Blocks: what a notebook cell shows and what HTML, Word and PDF are drawn from.

A block as the last expression of a cell displays itself; its output carries the block as JSON, so every format is made
from the same executed notebook. Renderers read blocks, never HTML.
"""

from __future__ import annotations

import json
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic import model_validator as check_model

from toolkit.documents import Document
from toolkit.errors import RunError
from toolkit.reporting.content.templates import fragment

if TYPE_CHECKING:
    from nbformat import NotebookNode

MIME = "application/vnd.speceval.block+json"
VERSION: Literal[1] = 1
PORTRAIT, LANDSCAPE = 104, 182  # display columns of small type across a page
FOLDED = 24  # and those of a cell before its words are folded
NUMBER_WORD = {"table": "表", "figure": "图"}  # numbered by the renderers, so that all formats agree


@lru_cache(maxsize=50_000)
def printable(text: str) -> str:
    """`text` without what breaks a page.

    Control characters (fatal in Word's XML) become a space and runs of white space one space, so that a line break in a
    hospital's name cannot break a table; invisible marks (zero-width, text-direction overrides) are dropped; half and
    private characters become □, the usual sign for a character that cannot be printed.
    """
    return " ".join("".join(_STAND_IN.get(unicodedata.category(c), c) for c in text).split())


_STAND_IN = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "□", "Co": "□"}


@lru_cache(maxsize=50_000)
def display_width(text: str) -> int:
    """Columns that `text` takes in a fixed-width font: 2 for each wide (Chinese) character."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


Text = Annotated[str, AfterValidator(printable)]
Words = Annotated[Text, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Anchor = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,63})?$")]
Link = Annotated[str, Field(pattern=r"^((\.\./)?([0-9A-Za-z_-][0-9A-Za-z_.-]*/)*[0-9A-Za-z_#-][0-9A-Za-z_.#-]*)?$")]
Align = Literal["left", "right", "center"]


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _nothing(value: object) -> bool:
    """Whether there is nothing to store."""
    return not value


def _rows(value: object) -> object:
    return tuple(_as_tuple(row) for row in value) if isinstance(value, list | tuple) else value


class _Part(BaseModel):
    # strict: a number is not silently made a string; cells are formatted once, by the emitter
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Block(_Part):
    """Base of all blocks. `v` and `kind` name the format of its JSON."""

    v: Literal[1] = VERSION

    @abstractmethod
    def plain(self) -> str:
        """The block as text, for terminals and for nbval's comparison."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Document:
        return {MIME: self.model_dump(mode="json"), "text/html": self.html(), "text/plain": self.plain()}

    def html(self) -> str:
        """The block for the notebook's own page, without number: the report's renderer numbers captions."""
        return fragment("block", self, "")

    def __repr__(self) -> str:
        return self.plain()


class Title(Block):
    """The report's title; one in a report."""

    kind: Literal["title"] = "title"
    text: Words
    subtitle: Text = ""

    def plain(self) -> str:
        return f"{self.text}\n{'=' * display_width(self.text)}" + (f"\n{self.subtitle}" if self.subtitle else "")


class Meta(Block):
    """Facts about the report as pairs of name and value, e.g. 医疗机构, 专科, 周期."""

    kind: Literal["meta"] = "meta"
    pairs: Annotated[tuple[tuple[Words, Text], ...], BeforeValidator(_rows)]

    def plain(self) -> str:
        return "\n".join(f"{name}：{value}" for name, value in self.pairs)


class Heading(Block):
    """A heading; level 1 is a chapter. The renderers number it: 一、（一）1."""

    kind: Literal["heading"] = "heading"
    text: Words
    level: Annotated[int, Field(ge=1, le=3)] = 1
    id: Anchor = Field("", exclude_if=_nothing)  # where links lead to, on a page

    def plain(self) -> str:
        return f"{'#' * self.level} {self.text}"


class Run(_Part):
    """A stretch of a paragraph; `strong` is drawn in 黑体."""

    text: Annotated[str, AfterValidator(lambda t: printable(f"|{t}|")[1:-1])]  # spaces at the ends are kept
    strong: bool = False


class Paragraph(Block):
    """Plain text, or runs. No Markdown and no HTML: what is written is what is read."""

    kind: Literal["paragraph"] = "paragraph"
    text: Text = ""
    runs: Annotated[tuple[Run, ...], BeforeValidator(_as_tuple)] = ()

    @check_model(mode="after")
    def _either(self) -> Paragraph:
        if bool(self.text) == bool(self.runs):
            raise ValueError("a paragraph has either text or runs")
        return self

    @property
    def parts(self) -> tuple[Run, ...]:
        """The runs, also of a plain paragraph."""
        return self.runs or (Run(text=self.text),)

    def plain(self) -> str:
        return "".join(run.text for run in self.parts)


class TableColumn(_Part):
    """Label and alignment of one column of a `Table`."""

    label: Text
    align: Align = "left"


class Table(Block):
    """A three-line table of strings, formatted once by the emitter (`toolkit.reporting.content.tables`).

    `wide` asks renderers for a landscape page or smaller type. No rows is allowed: renderers write 无记录. On a page, `places`
    are anchors of rows ("" for none) and `links` what the cells of the column `linked` lead to, within the run's folder; on
    paper there is neither.
    """

    kind: Literal["table"] = "table"
    id: Identifier
    caption: Words
    columns: Annotated[tuple[TableColumn, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    rows: Annotated[tuple[tuple[Text, ...], ...], BeforeValidator(_rows)]
    wide: bool = False
    note: Text = ""
    places: Annotated[tuple[Anchor, ...], BeforeValidator(_as_tuple)] = Field((), exclude_if=_nothing)
    links: Annotated[tuple[Link, ...], BeforeValidator(_as_tuple)] = Field((), exclude_if=_nothing)
    linked: int = Field(0, exclude_if=_nothing)

    @check_model(mode="after")
    def _rectangular(self) -> Table:
        if any(beside and len(beside) != len(self.rows) for beside in (self.places, self.links)):
            raise ValueError(f"{len(self.rows)} rows with {len(self.places)} places and {len(self.links)} links")
        for i, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {i} has {len(row)} cells for {len(self.columns)} columns")
        return self

    @cached_property  # the HTML template asks for it in every cell
    def widths(self) -> tuple[int, ...]:
        """Display width of the widest body cell of each column (see `display_width`), for renderers that share out room."""
        return tuple(max((display_width(row[i]) for row in self.rows), default=0) for i in range(len(self.columns)))

    @property
    def landscape(self) -> bool:
        """Too wide for a page that stands: its columns, long words folded, need more than that page has."""
        return sum(min(max(width, 6), FOLDED) + 2 for width in self.widths) > PORTRAIT

    def plain(self) -> str:
        lines = [tuple(c.label for c in self.columns), *self.rows]
        widths = [max(display_width(line[i]) for line in lines) for i in range(len(self.columns))]

        def pad(text: str, i: int) -> str:
            room = widths[i] - display_width(text)
            left = {"left": 0, "right": room, "center": room // 2}[self.columns[i].align]
            return " " * left + text + " " * (room - left)

        drawn = ["  ".join(pad(cell, i) for i, cell in enumerate(line)).rstrip() for line in lines]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        body = drawn[1:] or ["（无记录）"]
        return "\n".join(
            [f"表：{self.caption}", rule, drawn[0], rule, *body, rule, *([self.note] if self.note else [])]
        )


class Figure(Block):
    """A chart as SVG, beside the block's JSON in one output. Its words are text in the font that every format brings."""

    kind: Literal["figure"] = "figure"
    id: Identifier
    caption: Words
    alt: Words
    note: Text = ""
    svg: Annotated[str, Field(exclude=True, repr=False, min_length=1)]

    def plain(self) -> str:
        return f"图：{self.caption}\n{self.alt}" + (f"\n{self.note}" if self.note else "")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Document:
        return {MIME: self.model_dump(mode="json"), "image/svg+xml": self.svg, "text/plain": self.plain()}


class Note(Block):
    """A remark set apart from the text."""

    kind: Literal["note"] = "note"
    text: Words
    tone: Literal["info", "warning"] = "info"

    def plain(self) -> str:
        return f"{'注意' if self.tone == 'warning' else '说明'}：{self.text}"


class PageBreak(Block):
    """A new page in print; nothing on a screen."""

    kind: Literal["pagebreak"] = "pagebreak"

    def plain(self) -> str:
        return "（换页）"


class Annex(Block):
    """From here on the technical annex (技术附件): a document of its own, made from the same executed notebook."""

    kind: Literal["annex"] = "annex"

    def plain(self) -> str:
        return "（以下为技术附件）"


class Signatures(Block):
    """Empty places that people fill in by hand: what stands before each, and how many lines it needs."""

    kind: Literal["signatures"] = "signatures"
    places: Annotated[tuple[tuple[Words, int], ...], BeforeValidator(_rows), Field(min_length=1)]

    def plain(self) -> str:
        return "\n".join(f"{name}：{'＿' * 12}" for name, _lines in self.places)


AnyBlock = Annotated[
    Title | Meta | Heading | Paragraph | Table | Figure | Note | PageBreak | Annex | Signatures,
    Field(discriminator="kind"),
]
_BLOCK: TypeAdapter[Block] = TypeAdapter(AnyBlock)
_KINDS = tuple(kind.model_fields["kind"].default for kind in get_args(get_args(AnyBlock)[0]))


class Blocks(tuple[Block, ...]):
    """Several blocks from one cell, each shown as an output of its own.

    `Blocks(table, figure)` or `Blocks(*blocks)`; `None` is left out, so that an optional block needs no branch.
    """

    __slots__ = ()

    def __new__(cls, *blocks: Block | None) -> Blocks:
        kept = tuple(b for b in blocks if b is not None)
        if wrong := next((b for b in kept if not isinstance(b, Block)), None):
            raise TypeError(f"not a block: {type(wrong).__name__}")
        require_unique_ids(kept)
        return super().__new__(cls, kept)

    def _ipython_display_(self) -> None:
        from IPython.display import display  # only inside a kernel

        for block in self:
            display(block)

    def __repr__(self) -> str:
        return "\n\n".join(block.plain() for block in self)


def require_unique_ids(blocks: Iterable[Block]) -> None:
    """Refuse a report in which two tables or figures share an id."""
    ids = Counter(b.id for b in blocks if isinstance(b, Table | Figure))
    if twice := sorted(i for i, n in ids.items() if n > 1):
        raise RunError(
            f"图表编号重复：{'、'.join(twice)}",
            "two blocks of one report share an id",
            remedy="给每张表、每幅图不同的 id",
            remedy_english="give every table and figure its own id",
        )


def numbered(blocks: Iterable[Block]) -> Iterator[tuple[Block, str]]:
    """Each block with its printed number: 表 1, 图 1 … of captions, 一、（一）1. of headings, "" of all else.

    All renderers take their numbers from here, so that HTML, Word and PDF agree.
    """
    seen: Counter[str] = Counter()
    headings = [0, 0, 0]
    for block in blocks:
        if isinstance(block, Table | Figure):
            seen[block.kind] += 1
            yield block, f"{NUMBER_WORD[block.kind]} {seen[block.kind]}"
        elif isinstance(block, Heading):
            at = block.level - 1
            headings = [*headings[:at], headings[at] + 1, *[0] * (2 - at)]
            yield block, _heading_number(block.level, headings[at])
        else:
            yield block, ""


def _heading_number(level: int, number: int) -> str:
    return (f"{numeral(number)}、", f"（{numeral(number)}）", f"{number}. ")[level - 1]


_DIGITS = "零一二三四五六七八九"


def numeral(number: int) -> str:
    """A number from 1 to 99 as Chinese documents count their chapters: 一, 十, 十二, 二十一; above that in figures."""
    if not 0 < number < 100:
        return str(number)
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十") + (_DIGITS[ones] if ones else "")


def tiers(blocks: Iterable[Block]) -> tuple[list[Block], list[Block]]:
    """The report (正文) and its technical annex; the annex is empty where no block begins one."""
    every = list(blocks)
    at = next((k for k, block in enumerate(every) if isinstance(block, Annex)), len(every))
    return every[:at], [b for b in every[at:] if not isinstance(b, Annex)]


def read_blocks(notebook: NotebookNode) -> list[Block]:
    """The blocks that an executed notebook shows, in order, each checked against its schema.

    Raises
    ------
    RunError
        A block of another version or unknown kind, with a missing, unknown or wrong field, a figure without its
        pictures, or an id used twice. Names the cell, counted from 1.
    """
    found: list[Block] = []
    for position, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", ()):
            if MIME in (data := output.get("data", {})):
                found.append(_read(data, f"第 {position} 个单元格 cell {position}"))
    require_unique_ids(found)
    return found


def _read(data: Document, where: str) -> Block:
    payload = data[MIME]
    version, kind = (payload.get("v"), payload.get("kind")) if isinstance(payload, dict) else (None, None)
    if type(version) is not int or version != VERSION:
        raise _unreadable(f"内容块版本 {version!r} 不是 {VERSION}", "unknown block version", where)
    if kind not in _KINDS:
        raise _unreadable(f"未知的内容块类型 {kind!r}", "unknown kind of block", where)
    if kind == "figure":
        if "svg" in payload or "image/svg+xml" not in data:
            raise _unreadable("图缺少 SVG", "a figure needs an SVG in its output", where)
        svg = data["image/svg+xml"]
        payload = {**payload, "svg": svg if isinstance(svg, str) else "".join(svg)}
        try:
            return Figure.model_validate(payload)
        except (ValidationError, ValueError, TypeError) as error:
            raise _unreadable(_faults(error), "block does not fit its schema", where) from error
    try:
        return _BLOCK.validate_json(json.dumps(payload))
    except ValidationError as error:
        raise _unreadable(_faults(error), "block does not fit its schema", where) from error


_FAULTS = {"extra_forbidden": "不认识的字段", "missing": "缺少字段"}


def _faults(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "图片无法解码"
    named = (
        f"{'.'.join(str(p) for p in e['loc'] if p not in _KINDS) or '整体'}（{_FAULTS.get(e['type'], '取值不符合要求')}）"
        for e in error.errors(include_input=False)  # never the value: it could be a patient's
    )
    return "内容块字段有误：" + "、".join(named)


def _unreadable(problem: str, english: str, where: str) -> RunError:
    return RunError(
        problem,
        english,
        where=where,
        remedy="用同一版本的工具包重新运行该报告",
        remedy_english="run the report again with one version of the toolkit",
    )
