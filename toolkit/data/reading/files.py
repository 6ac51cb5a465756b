"""Source files as they arrive: hash, encoding, header, lines. Nothing of a file is lost without a counted reason.

Two passes, both in blocks that end at a line end, so that a file of any size takes the memory of a few blocks. The first
(`open_source`) hashes the bytes and decides the encoding; the second (`toolkit.data.reading.text_rows`) reads the rows. No copy
of a file is written: it would hold names and addresses.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow as pa

from toolkit.errors import InputError

BLOCK = 4 << 20
SUFFIXES = (".csv", ".csv.gz", ".txt", ".xlsx", ".parquet")
WORKBOOK_SECONDS, WORKBOOK_BYTES = 600, 4 << 30
LINE_BYTES, RATIO = 64 << 20, 200  # beyond these a file is no table: a line without end, a compression bomb (rule F02)
MARK = b"\xef\xbb\xbf"
SAMPLE = 1 << 16
REPLACED = ("\ufffd".encode(), "锟斤拷".encode())
# 医院 as GBK reads its UTF-8 bytes, from the first byte on and from the second: no Chinese text holds either
TWICE_ENCODED = ("鍖婚櫌".encode(), "尰闄".encode())

Done = TypeVar("Done")


class Refusal(Exception):
    """The reason for which a whole file is refused; no row of it may stay."""


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


@dataclass(kw_only=True)
class SourceFile:
    """One input file and what became of its lines.

    Attributes
    ----------
    sha256, content
        Hash of the file, and of the text in it: the same records packed or not are the same content (rule F01).
    header, header_line, body
        Cells of the first line that is not blank, its physical number, and the byte of the (decompressed) file at which
        the line after it begins.
    received
        Physical lines that are records or should be: all but the header and blank ones. Known once the rows were read.
    blank, refused
        Lines that are no record, and lines that cannot be read as one (rule F05). Known once the rows were read.
    numeric
        Workbooks: by column, the lines whose cell Excel held as a number (`numbers`) and as one of more than 15 digits
        (`too_long`), which Excel has rounded. `rounded`: the lines in which an identifier is such a one (rule F07).
    rejected
        Reason why the whole file was refused (rules F01–F04), empty where it was read.
    """

    number: int
    path: Path
    sha256: str = ""
    content: str = ""
    size: int = 0
    encoding: str = ""
    header: list[str] = field(default_factory=list)
    header_line: int = 0
    body: int = 0
    delimiter: str = ","
    received: int = 0
    blank: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    numeric: dict[str, NumericCells] = field(default_factory=dict)
    rounded: frozenset[int] = frozenset()
    rejected: str = ""
    text: BinaryIO | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        return "parquet" if self.path.suffix.lower() == ".parquet" else "text"

    @property
    def unclosed(self) -> list[int]:
        """Numbers of the refused lines: received, quarantined (rule F05)."""
        return [one.line for one in self.refused]

    def open(self) -> BinaryIO:
        """The file's text as bytes, from its beginning."""
        if self.text is not None:
            self.text.seek(0)
            return os.fdopen(os.dup(self.text.fileno()), "rb")
        if self.path.suffix.lower() == ".gz":
            return gzip.open(self.path, "rb")  # type: ignore[return-value]
        return self.path.open("rb")

    def close(self) -> None:
        """Let go of the text of a workbook; nothing of it stays on the disk."""
        if self.text is not None:
            self.text.close()
            self.text = None


@dataclass(frozen=True)
class NumericCells:
    """Cells of a workbook's column that Excel held as numbers: how many, and the lines of those over 15 digits."""

    numbers: int
    too_long: tuple[int, ...]


def find(entries: list[str]) -> list[Path]:
    """The files that the entries (files or folders) mean, sorted by path, so that order of listing does not matter."""
    found: list[Path] = []
    for entry in map(Path, entries):
        if entry.is_dir():
            inside = [p for p in sorted(entry.rglob("*")) if p.is_file() and p.name.lower().endswith(SUFFIXES)]
            if not inside:
                raise InputError(
                    "文件夹中没有可读的文件",
                    "no readable file in the folder",
                    where=str(entry),
                    remedy=f"支持 {' '.join(SUFFIXES)}",
                    remedy_english="supported suffixes are listed",
                )
            found += inside
        else:
            found.append(entry)
    return sorted(set(found))


def open_source(number: int, path: Path, work: Path) -> SourceFile:
    """Hash a file, decide its encoding, find its header.

    UTF-8 (with or without BOM) is tried first on the whole file and GB18030 second: UTF-8 bytes often decode as GB18030
    without error. A file that is neither, or holds mojibake or NUL, is refused as a whole (rule F03), never guessed.
    GB18030 is decoded once only, while the rows are read, so that a file may still be refused then.

    Parameters
    ----------
    work
        Private folder; a workbook's text passes through a file there that never has a name.
    """
    source = SourceFile(number=number, path=path, size=path.stat().st_size)
    if source.size == 0:
        source.sha256, source.rejected = hashlib.sha256(b"").hexdigest(), "空文件（empty file）"
        return source
    if source.kind == "parquet":
        source.sha256 = source.content = _sha256(path)
        source.encoding = "parquet"
        return source
    try:
        if path.suffix.lower() == ".xlsx":
            source.sha256 = _sha256(path)
            _read_workbook(source, work)
        source.content = _decide_encoding(source)
        if path.suffix.lower() not in (".xlsx", ".gz"):
            source.sha256 = source.content
        _read_header(source)
    except Refusal as refusal:
        source.rejected = str(refusal)
    except (OSError, EOFError, zlib.error) as error:
        source.rejected = f"压缩文件损坏（{type(error).__name__}）"
    source.sha256 = source.sha256 or _sha256(path)
    source.content = source.content or source.sha256
    if source.rejected:
        source.close()
    return source


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def blocks(source: SourceFile, start: int = 0) -> Iterator[bytes]:
    """Blocks of whole lines from byte `start`, so that no character of either encoding is cut."""
    size, rest = 0, b""
    with source.open() as handle:
        handle.seek(start)
        while block := handle.read(BLOCK):
            size += len(block)
            if source.text is None and size > RATIO * max(source.size, 1 << 20):
                raise Refusal(f"文件过大或压缩异常（解压后超过压缩文件的 {RATIO} 倍），未读取（规则F02）")
            block = rest + block if rest else block
            cut = block.rfind(b"\n") + 1
            if cut:
                yield block[:cut] if cut < len(block) else block
            rest = block[cut:]
            if len(rest) > LINE_BYTES:
                raise Refusal(f"文件过大或压缩异常（有一行超过 {LINE_BYTES:,} 字节），未读取（规则F02）")
    if rest:
        yield rest


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


# --- encoding ----------------------------------------------------------------------------------------------------------


class BlockFault(Exception):
    """Why a block's bytes refuse the file, and in which of its lines, counted from 0."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason, line)
        self.reason, self.line = reason, line

    def refusal(self, before: int) -> Refusal:
        """The reason with its line number, where `before` lines of the file precede the block."""
        return Refusal(self.reason.format(line=before + self.line + 1))


def _decide_encoding(source: SourceFile) -> str:
    """Set `source.encoding`; returns the hash of the text."""
    digest, line = hashlib.sha256(), 0
    broken: tuple[int, int] | None = None
    for position, seen in enumerate(in_order(_look, blocks(source), digest.update)):
        if isinstance(seen, BlockFault):
            raise seen.refusal(line)
        lines, not_utf8 = seen
        if not_utf8 >= 0 and broken is None:
            broken = position, line + not_utf8 + 1
        line += lines
    if broken is None:
        source.encoding = "utf-8"
    elif _partly_utf8(source, broken[0]):
        raise Refusal(f"编码混杂，含乱码（约第 {broken[1]} 行起，UTF-8 and GB18030 lines in one file，规则F03）")
    else:
        source.encoding = "gb18030"
    return digest.hexdigest()


def _look(block: bytes) -> tuple[int, int] | BlockFault:
    """Lines of a block and the first of them that is not UTF-8 (−1: none)."""
    if (nul := block.find(b"\0")) >= 0:
        return BlockFault("含 NUL 字符（约第 {line} 行，规则F03）", block.count(b"\n", 0, nul))
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if block.isascii():
        return lines, -1
    try:
        pa.array([block], pa.binary()).cast(pa.string())  # validates UTF-8 without holding the interpreter
    except pa.ArrowInvalid:
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            return lines, block.count(b"\n", 0, error.start)
    try:
        refuse_mojibake(block)
    except BlockFault as fault:
        return fault
    return lines, -1


def _partly_utf8(source: SourceFile, until: int) -> bool:
    """Whether many lines are UTF-8 in a file that as a whole is not: as GB18030 they decode to other characters."""
    foreign = utf8 = 0
    for position, block in enumerate(blocks(source)):
        rows = [row for row in block.split(b"\n") if not row.isascii()]
        foreign, utf8 = foreign + len(rows), utf8 + sum(map(_is_utf8, rows))
        if position == until:
            break
    return utf8 >= 2 and utf8 > 0.1 * foreign  # by accident 2 % of short GB18030 texts are valid UTF-8


def _is_utf8(row: bytes) -> bool:
    try:
        row.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def refuse_mojibake(block: bytes) -> None:
    """Raise `BlockFault` where a block of UTF-8 holds replacement characters or text that was decoded wrongly before.

    Replacement characters may stand anywhere; wrong decoding concerns all lines alike, so the block's first show it. These
    are encoded back together, not cell by cell: 1.7 % of short correct texts pass that test by accident.
    """
    for mark in REPLACED:
        # a search for the pattern is three times as fast as the plain one: every Chinese comma begins like U+FFFD
        if found := re.search(mark, block):
            raise _mojibake(block, found.start())
    sample = block if len(block) <= SAMPLE else block[: block.rfind(b"\n", 0, SAMPLE) + 1] or block[:SAMPLE]
    for mark in TWICE_ENCODED:
        if (at := sample.find(mark)) >= 0:
            raise _mojibake(block, at)
    rows = [row for row in sample.split(b"\n") if not row.isascii()]
    if rows and _is_twice_encoded(b"\n".join(rows)):
        raise _mojibake(block, block.find(rows[0]))


def _mojibake(block: bytes, at: int) -> BlockFault:
    return BlockFault("文件含乱码（mojibake，约第 {line} 行，规则F03）", block.count(b"\n", 0, at))


def _is_twice_encoded(text: bytes) -> bool:
    try:
        beneath = text.decode("utf-8", "ignore").encode("gb18030").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return any("\u4e00" <= c <= "\u9fff" for c in beneath)


def decoded(block: bytes, encoding: str) -> bytes:
    """A block as UTF-8 bytes.

    Raises
    ------
    BlockFault
        It is not strictly in the encoding, or holds mojibake.
    """
    if encoding == "utf-8" or block.isascii():
        return block
    try:
        text = block.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        line = block.count(b"\n", 0, error.start)
        raise BlockFault("编码无法识别（约第 {line} 行），既不是 UTF-8 也不是 GB18030（规则F03）", line) from None
    refuse_mojibake(text)
    return text


# --- header ------------------------------------------------------------------------------------------------------------


def _read_header(source: SourceFile) -> None:
    line = begin = 0
    for block in blocks(source):
        for row in block.splitlines(keepends=True) if block.find(b"\r") < 0 else _feeds(block):
            line += 1
            begin += len(row)
            text = row.removeprefix(MARK) if line == 1 else row
            if text.strip(b" \r\n"):
                _take_header(source, text, line, begin)
                return
    raise Refusal("没有数据行（only a header, no record）")


def _feeds(block: bytes) -> list[bytes]:
    return [row + b"\n" for row in block.split(b"\n")[: block.count(b"\n")]] or [block]


def _take_header(source: SourceFile, row: bytes, line: int, body: int) -> None:
    try:
        text = decoded(row, source.encoding).decode("utf-8").rstrip("\r\n")
    except BlockFault as fault:
        raise fault.refusal(line - 1) from None
    source.header_line, source.body, source.delimiter = line, body, max(",\t;|", key=text.count)
    try:
        source.header = next(csv.reader(io.StringIO(text), delimiter=source.delimiter, strict=True), [])
    except csv.Error:
        raise Refusal("表头引号未闭合，或表头中有换行（规则F04）") from None
    seen: set[str] = set()
    repeated = [n for n in (h.strip().lower() for h in source.header) if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
    if repeated:
        raise Refusal(f"列名重复：{'、'.join(dict.fromkeys(repeated))}（规则F04）")


# --- workbooks ---------------------------------------------------------------------------------------------------------


def _read_workbook(source: SourceFile, work: Path) -> None:
    """Read a workbook in a limited child: a hostile one can exhaust memory and abort its process.

    The child writes to a file that has no name and is gone when it is closed: the text holds names and addresses.
    """
    text = tempfile.TemporaryFile(dir=work)  # noqa: SIM115  closed with the source
    command = [
        sys.executable,
        "-m",
        "toolkit.data.reading.workbook",
        str(source.path),
        str(WORKBOOK_BYTES),
        str(WORKBOOK_SECONDS),
    ]
    try:
        done = subprocess.run(command, stdout=text, stderr=subprocess.PIPE, timeout=WORKBOOK_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        text.close()
        raise Refusal(f"工作簿读取超过 {WORKBOOK_SECONDS} 秒，未读取（规则F02）") from None
    try:
        said = json.loads(done.stderr.decode("utf-8", "replace").rpartition("\n")[2])
    except ValueError:
        said = {}
    if done.returncode != 0 or "reason" in said:
        text.close()
        raise Refusal(said.get("reason") or "工作簿过大或损坏，未读取（workbook too large or broken，规则F02）")
    source.text = text
    source.numeric = {name: NumericCells(n, tuple(lines)) for name, (n, lines) in said.get("numeric", {}).items()}
