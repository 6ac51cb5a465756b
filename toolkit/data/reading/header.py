"""The header of a table: its first record, unless a later one of the first is what the format map asks for.

Above a header stand titles, dates, names of departments; in a file without one the first line is a patient. What is said of a
line that is no header are numbers, never its cells.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from toolkit.data.reading.encoding import MARK, BlockFault, decoded
from toolkit.data.reading.files import Head, Refusal, SourceFile, blocks
from toolkit.data.reading.formats import FixedWidth, FormatMap, plain_name

VAGUE = {"编号", "编码", "代码", "名称", "级别", "日期", "时间", "途径", "方式"}  # of what, says the line above
HEADS, LINES, SPANNED = 20, 60, 12  # records and lines that are looked at; lines of one record


def read_heads(source: SourceFile) -> None:
    """Set `source.heads`, and take the first for the header.

    Raises
    ------
    Refusal
        There is no line that is not blank, or the first is not of the encoding.
    """
    source.heads = _heads(source)
    if not source.heads:
        raise Refusal("没有数据行（only a header, no record）")
    take(source, source.heads[0])


def take(source: SourceFile, head: Head) -> None:
    """Make a record the header."""
    source.header, source.delimiter = list(head.cells), head.delimiter
    source.header_line, source.body = head.last, head.end


def _heads(source: SourceFile) -> list[Head]:
    lines: list[tuple[int, int, str]] = []
    number = end = 0
    for block in blocks(source):
        for row in block.splitlines(keepends=True) if block.find(b"\r") < 0 else _feeds(block):
            number, end = number + 1, end + len(row)
            text = row.removeprefix(MARK) if number == 1 else row
            try:
                lines.append((number, end, decoded(text, source.encoding).decode("utf-8").rstrip("\r\n")))
            except BlockFault as fault:
                if not lines:
                    raise fault.refusal(number - 1) from None
                return _records(lines)  # the rows are refused for it when they are read
            if len(lines) == LINES:
                return _records(lines)
    return _records(lines)


def _feeds(block: bytes) -> list[bytes]:
    return [row + b"\n" for row in block.split(b"\n")[: block.count(b"\n")]] or [block]


def _records(lines: list[tuple[int, int, str]]) -> list[Head]:
    found: list[Head] = []
    at = 0
    while at < len(lines) and len(found) < HEADS:
        if not lines[at][2].strip(" "):
            at += 1
            continue
        spanned, cells, delimiter = _cells(lines, at)
        first, (last, end, _text) = lines[at][0], lines[at + spanned - 1]
        found.append(Head(first, last, end, delimiter, cells))
        at += spanned
    return found


def _cells(lines: list[tuple[int, int, str]], at: int) -> tuple[int, tuple[str, ...], str]:
    """How many lines the record spans, its cells and the sign that divides them."""
    text = lines[at][2]
    delimiter = max(",\t;|", key=text.count)
    for spanned in range(1, min(SPANNED, len(lines) - at) + 1):
        text = "\n".join(line for _number, _end, line in lines[at : at + spanned])
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
        except csv.Error:
            if text.count('"') % 2 == 0:
                break  # something else than a mark that is still open
            continue
        return spanned, tuple(" ".join(cell.splitlines()) for cell in cells), delimiter
    return 1, (), delimiter


def choose_header(source: SourceFile, form: FormatMap) -> None:
    """Take for the header the first of the first records that has all columns the map needs, else the one with most of them.

    Refuses the table (rule F04) where none has any: then its first line is a record, or it is another table altogether.
    """
    if form.fixed_width is not None:
        _take_places(source, form.fixed_width)
        return
    required, wanted = form.required(), form.wanted()
    best, most = None, 0
    for head in (*source.heads, *two_lines(source.heads)):
        names = known_names(head.cells, form) | set(source.given)
        if required <= names:
            best = head
            break
        if len(names) > most + len(source.given):
            best, most = head, len(names) - len(source.given)
    if best is None:
        unclosed = source.heads and not source.heads[0].cells
        source.refuse(
            "表头引号未闭合"
            if unclosed
            else f"缺少必需的列：{'、'.join(n for n in wanted if n in required)}；前 {len(source.heads)} 行中没有一行有本格式"
            f"（{form.id}）的列名：没有表头，或不是本格式的表",
            "F04",
        )
        source.header = []
        return
    if best is not source.heads[0]:
        above = sum(1 for head in source.heads if head.last < best.first)
        lines = f"{best.first} 行" if best in source.heads else f"{best.first}–{best.last} 行，两行合为一个表头"
        source.notes.append(f"表头在第 {lines}" + f"，其上 {above} 行不是本格式的表头，未读" * bool(above))
    take(source, best)


def two_lines(heads: Sequence[Head]) -> list[Head]:
    """Each two records that follow each other as one header: the lower name, with the upper one where it alone says little.

    A cell that spans several columns stands in the first of them, so that its name goes on to the right where a lower one is.
    """
    found = []
    for upper, lower in pairwise(heads):
        if len(upper.cells) != len(lower.cells) or lower.first != upper.last + 1 or not any(upper.cells):
            continue
        if not ("" in map(str.strip, upper.cells) or "" in map(str.strip, lower.cells)):
            continue  # every column has a name of its own in either: two headers, or a header and a record
        above, names = "", []
        repeated = VAGUE | {name for name, n in Counter(map(str.strip, lower.cells)).items() if n > 1}
        for over, under in zip(map(str.strip, upper.cells), map(str.strip, lower.cells), strict=True):
            above = over or (above if under else "")
            names.append(above + under if under in repeated or not under else under)
        found.append(Head(upper.first, lower.last, lower.end, lower.delimiter, tuple(names)))
    return found


def likely_header(source: SourceFile, is_known: Callable[[str], bool]) -> None:
    """Make a header of the first record, or two, with most names that are known; where none has two, of the first wide one."""
    candidates = [*source.heads, *two_lines(source.heads)]
    known = [len({cell for cell in head.cells if is_known(cell)}) for head in candidates]
    if candidates and max(known) >= 2:
        take(source, candidates[known.index(max(known))])
        return
    width = max((len(head.cells) for head in source.heads), default=0)
    wide = (h for h in source.heads if sum(bool(cell.strip()) for cell in h.cells) > width / 2)
    if (first := next(wide, None)) is not None:
        take(source, first)


def how_well(source: SourceFile, form: FormatMap, given: Mapping[str, str]) -> float:
    """The share of the columns that the map needs which stand in the best of the first records: 1 where a header has all."""
    if form.fixed_width is not None:
        return _fits_places(source, form.fixed_width)
    required = form.required() - set(given)
    heads: list[Sequence[str]] = [source.header]
    if source.stored != "parquet":
        heads = [head.cells for head in (*source.heads, *two_lines(source.heads))]
    return max((_share(known_names(cells, form), required) for cells in heads), default=0.0)


def _take_places(source: SourceFile, fixed: FixedWidth) -> None:
    """The columns of text without a sign between them are those of the map."""
    above = [head for head in source.heads if head.last <= fixed.header_lines]
    source.header, source.places, source.by_bytes = list(fixed.columns), fixed.places, fixed.counted_in == "bytes"
    source.header_line = fixed.header_lines
    source.body = max((head.end for head in above), default=0)


def _fits_places(source: SourceFile, fixed: FixedWidth) -> float:
    """The share of the first lines that end in or after the last column, and not beyond it."""
    begin, end = max(fixed.places, key=lambda place: place[1])
    lines = [h.delimiter.join(h.cells).rstrip() for h in source.heads if h.last > fixed.header_lines and h.cells]
    sizes = [len(line.encode(source.encoding or "utf-8") if fixed.counted_in == "bytes" else line) for line in lines]
    share = sum(begin < size <= end for size in sizes) / len(sizes) if sizes else 0.0
    return 1.0 if share > 0.8 else 0.0


def _share(names: set[str], required: set[str]) -> float:
    return len(names & required) / len(required) if required else float(bool(names))


def known_names(cells: Sequence[str], form: FormatMap) -> set[str]:
    """Which of the names that a map wants stand among the cells."""
    return {name for name, found in form.columns_in(cells).items() if found}


def repeated_names(source: SourceFile, used: list[str]) -> list[str]:
    """Names of the used columns that stand in the header more than once; empty and unused ones do no harm."""
    counted = Counter(plain_name(name) for name in source.header)
    return [name for name in dict.fromkeys(used) if counted[plain_name(name)] > 1]
