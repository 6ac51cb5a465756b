"""One table as it arrived: a text file, a sheet of a workbook, a member of an archive; its bytes, lines and what was refused.

`toolkit.data.reading.opening` finds and opens them, `toolkit.data.reading.text_rows` reads their rows, in blocks that end at a
line end, so that a file of any size takes the memory of a few blocks. No copy of a file gets a name on the disk: it would
hold names and addresses.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from toolkit.documents import readable

BLOCK = 4 << 20
LINE_BYTES, RATIO = 64 << 20, 200  # beyond these a file is no table: a line without end, a compression bomb (rule F02)
NUMBER = "〈号码〉"
NUMBER_OF_A_PERSON = re.compile(r"(?<![0-9])(?:[1-9][0-9]{16}[0-9Xx]|[1-9][0-9]{14}|1[3-9][0-9]{9})(?![0-9])")
WITHIN = " › "  # between a file and what is in it

Done = TypeVar("Done")


class Refusal(Exception):
    """Why a whole file is refused, and by which rule; no row of it may stay."""

    def __init__(self, reason: str, rule: str = "") -> None:
        super().__init__(reason, rule)
        self.reason, self.rule = reason, rule


@dataclass(frozen=True, kw_only=True)
class RefusedLine:
    """What may be told of a line that is no record (rule F05): never its text, which may hold a name.

    Attributes
    ----------
    line
        Physical line number in the file as received.
    characters, cells
        Length and number of cells; 0 cells where quotation marks do not close.
    digest
        First 16 hex characters of the SHA-256 of the line under the run's key: the hospital can tell whether a line it
        sends again is the same, nobody can guess the line from it.
    rule
        F05, or F07 where Excel has rounded an identifier: such a row's cells are not trusted, its hospital included.
    """

    line: int
    characters: int
    cells: int
    digest: str
    rule: str = "F05"


@dataclass(frozen=True)
class NumericCells:
    """Cells of a workbook's column that Excel held as numbers: how many, and the lines of those over 15 digits."""

    numbers: int
    too_long: tuple[int, ...]


@dataclass(frozen=True)
class Head:
    """One of the first records of a table: which may be its header.

    Attributes
    ----------
    first, last
        Its physical lines.
    end
        The byte of the text at which the line after it begins.
    cells
        Empty where quotation marks do not close.
    """

    first: int
    last: int
    end: int
    delimiter: str
    cells: tuple[str, ...]


def without_numbers_of_persons(name: str) -> str:
    """A name of a file or a sheet with `〈号码〉` for identity numbers (15, 18 digits) and mobile numbers in it."""
    return NUMBER_OF_A_PERSON.sub(NUMBER, name)


@dataclass(kw_only=True)
class SourceFile:
    """One table and what became of its lines.

    Attributes
    ----------
    part
        Which of the tables in the file: the member of an archive, the sheet of a workbook; "" where the file is one table.
    within
        Path under the folder that the parameters name, "" where they name the file.
    read_as, group, given
        What reading it depends on beside its content, which group of the run's files it belongs to, and what that says of it:
        column -> value (`toolkit.data.reading.groups`).
    sha256, content
        Hash of the file, and of the text in the table: the same records packed or not are the same content (rule F01).
    kind
        What it is by its first bytes, in Chinese.
    heads
        The first records, until one of them is taken for the header.
    header, header_line, body
        Cells of the header, its last physical line, and the byte of the text at which the line after it begins.
    places, by_bytes
        Of text without a sign between its columns: where each begins and ends, in bytes or characters.
    lines
        Physical lines, None where nobody has counted them.
    received
        Physical lines that are records or should be: all but the header, those above it and blank ones. Known once the rows
        were read.
    blank, refused
        Lines that are no record, and lines that cannot be read as one (rule F05). Known once the rows were read.
    numbers
        Workbooks: by column, the lines whose cell Excel held as a number (`numbers`) and as one of more than 15 digits
        (`too_long`), which Excel has rounded. `rounded`: the lines in which an identifier is such a one (rule F07).
    lacks
        Fields of the format map that the table has no column for.
    rewritten, damaged
        By column, how many cells had another written form, and how many amounts a spreadsheet has turned into scientific
        notation: those are missing.
    rejected, rejected_by
        Why the whole table was refused, in words, or was not looked at (`skipped`), and the id of the rule that refused it;
        empty where it was read. Set by `refuse`.
    notes
        What is to be said of it beside.
    """

    number: int
    path: Path
    part: str = ""
    within: str = ""
    read_as: str = ""
    group: int = 0
    given: dict[str, str] = field(default_factory=dict)
    sha256: str = ""
    content: str = ""
    size: int = 0
    kind: str = ""
    stored: str = "text"  # text, gzip or parquet
    utf16: str = ""
    encoding: str = ""
    heads: list[Head] = field(default_factory=list, repr=False)
    header: list[str] = field(default_factory=list)
    header_line: int = 0
    body: int = 0
    delimiter: str = ","
    places: tuple[tuple[int, int], ...] = ()
    by_bytes: bool = True
    lines: int | None = None
    received: int = 0
    blank: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    numbers: dict[int, NumericCells] = field(default_factory=dict)
    rounded: frozenset[int] = frozenset()
    lacks: list[str] = field(default_factory=list)
    rewritten: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    rejected: str = ""
    rejected_by: str = ""
    skipped: bool = False
    notes: list[str] = field(default_factory=list)
    text: BinaryIO | None = field(default=None, repr=False)
    window: tuple[int, int] = (0, 0)  # bytes of `text` that are this table's

    def refuse(self, why: str, rule: str = "", *, skipped: bool = False) -> None:
        """The table counts as not handed in, for this reason and by this rule, if by one, or as no data (`skipped`)."""
        self.rejected, self.rejected_by = f"{why}（规则{rule}）" if rule else why, rule
        self.skipped = skipped

    @property
    def name(self) -> str:
        """The file, and the part of it that this table is."""
        return self.file_name + (WITHIN + self.part if self.part else "")

    @property
    def file_name(self) -> str:
        """The file, by its path under the folder where the parameters name one; numbers of persons in it are not shown."""
        return without_numbers_of_persons(readable(self.within or self.path.name))

    @property
    def rows(self) -> int | None:
        """Rows below the header, also of a table that was refused; None where nobody could count them."""
        if not self.rejected:
            return self.received
        return None if self.lines is None else max(0, self.lines - max(1, self.header_line))

    @property
    def numeric(self) -> dict[str, NumericCells]:
        """`numbers` by the names of the columns."""
        return {self.header[column]: found for column, found in self.numbers.items() if column < len(self.header)}

    @property
    def columns(self) -> list[str]:
        """The columns of the file, and those that its group gives."""
        return [*self.header, *self.given]

    @property
    def unclosed(self) -> list[int]:
        """Numbers of the refused lines: received, quarantined (rule F05)."""
        return [one.line for one in self.refused]

    def open(self) -> BinaryIO:
        """The table's text as bytes, from its beginning; text of two-byte units as UTF-8."""
        raw: BinaryIO = self._stored()
        if self.stored == "gzip":
            packed = gzip.GzipFile(fileobj=raw)
            packed.myfileobj = raw  # type: ignore[assignment]  # to be closed with it, as gzip does with files that it opens itself
            raw = cast(BinaryIO, packed)
        return io.BufferedReader(_Transcoded(raw, self.utf16)) if self.utf16 else raw

    def _stored(self) -> BinaryIO:
        if self.text is None:
            return self.path.open("rb")
        return io.BufferedReader(_Window(os.dup(self.text.fileno()), *self.window))

    def close(self) -> None:
        """Let go of the text of a packed table and of its first lines; nothing of it stays on the disk."""
        self.heads = []
        if self.text is not None:
            self.text.close()
            self.text = None


class _Window(io.RawIOBase):
    """Some bytes of a file, read by position: several tables of one file do not get into each other's way."""

    def __init__(self, handle: int, begin: int, end: int) -> None:
        self._handle, self._begin, self._end, self._at = handle, begin, end, begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._begin, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = base + offset
        return self._at - self._begin

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = os.pread(self._handle, max(0, min(len(buffer), self._end - self._at)), self._at)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()


class _Transcoded(io.RawIOBase):
    """UTF-16 as UTF-8, without its mark; forwards only."""

    def __init__(self, raw: BinaryIO, codec: str) -> None:
        self._raw, self._rest, self._at = raw, b"", 0
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._first = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._at:
            raise io.UnsupportedOperation("forwards only")
        while self._at < offset and self.read(min(1 << 20, offset - self._at)):
            pass
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            block = self._raw.read(1 << 20)
            try:
                text = self._decoder.decode(block, not block)
            except UnicodeDecodeError:
                raise Refusal("编码无法识别：以 UTF-16 开头，其后不是有效的 UTF-16", "F03") from None
            if self._first and text:
                text, self._first = text.removeprefix("\ufeff"), False
            self._rest = text.encode("utf-8", "surrogatepass")
            if not block:
                break
        found = self._rest[: len(buffer)]
        buffer[: len(found)] = found
        self._rest, self._at = self._rest[len(found) :], self._at + len(found)
        return len(found)

    def close(self) -> None:
        self._raw.close()
        super().close()


def blocks(source: SourceFile, start: int = 0, *, ends: Callable[[bytes], bool] | None = None) -> Iterator[bytes]:
    """Blocks of whole lines from byte `start`, so that no character of either encoding is cut.

    Parameters
    ----------
    ends
        Whether a record certainly ends with a line. With it a block ends after such a line, if there is one among its last:
        a record whose cells hold line breaks is not cut.
    """
    size, rest = 0, b""
    with source.open() as handle:
        handle.seek(start)
        while block := handle.read(BLOCK):
            size += len(block)
            if source.text is None and size > RATIO * max(source.size, 1 << 20):
                raise Refusal(f"文件过大或压缩异常（解压后超过压缩文件的 {RATIO} 倍），未读取", "F02")
            block = rest + block if rest else block
            cut = block.rfind(b"\n") + 1
            if ends is not None and cut:
                cut = _end_of_record(block, cut, ends)
            if cut:
                yield block[:cut] if cut < len(block) else block
            rest = block[cut:]
            if len(rest) > LINE_BYTES:
                raise Refusal(f"文件过大或压缩异常（有一行超过 {LINE_BYTES:,} 字节），未读取", "F02")
    if rest:
        yield rest


SPANNED = 64  # lines that a record may span
WAITING = 4  # blocks that are read for the end of a record


def _end_of_record(block: bytes, cut: int, ends: Callable[[bytes], bool]) -> int:
    end = cut
    for _line in range(SPANNED):
        begin = block.rfind(b"\n", 0, end - 1) + 1
        if ends(block[begin:end]):
            return end
        if not begin:
            break
        end = begin
    return cut if len(block) > WAITING * BLOCK else 0


def in_order(
    work: Callable[[bytes], Done], parts: Iterator[bytes], each: Callable[[bytes], None] | None = None
) -> Iterator[Done]:
    """`work` of each part, in order, on all cores; a few parts at a time, so that memory stays bounded."""
    cores = os.cpu_count() or 1
    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if each is not None:
                    each(part)  # the hash: it needs the order, and leaves the interpreter free for the others
                if len(waiting) > cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()
