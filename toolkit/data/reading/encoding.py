"""The encoding of a text file: strict UTF-8 first, then strict GB18030, and mojibake refused in either.

UTF-8 bytes often decode as GB18030 without error, so the whole file is tried as UTF-8 first. A file that is neither, or
holds mojibake or NUL, is refused as a whole (rule F03), never guessed. GB18030 is decoded once only, while the rows are
read, so that a file may still be refused then.
"""

from __future__ import annotations

import hashlib
import re

import pyarrow as pa

from toolkit.data.reading.files import Refusal, SourceFile, blocks, in_order

MARK = b"\xef\xbb\xbf"
SAMPLE = 1 << 16
REPLACED = ("\ufffd".encode(), "锟斤拷".encode())
# 医院 as GBK reads its UTF-8 bytes, from the first byte on and from the second: no Chinese text holds either
TWICE_ENCODED = ("鍖婚櫌".encode(), "尰闄".encode())


class BlockFault(Exception):
    """Why a block's bytes refuse the file, and in which of its lines, counted from 0."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason, line)
        self.reason, self.line = reason, line

    def refusal(self, before: int) -> Refusal:
        """The reason with its line number, where `before` lines of the file precede the block."""
        return Refusal(self.reason.format(line=before + self.line + 1), "F03")


def decide_encoding(source: SourceFile) -> str:
    """Set `source.encoding` and `source.lines`; returns the hash of the text."""
    digest, line = hashlib.sha256(), 0
    broken: tuple[int, int] | None = None
    for position, seen in enumerate(in_order(_look, blocks(source), digest.update)):
        if isinstance(seen, BlockFault):
            raise seen.refusal(line)
        lines, not_utf8 = seen
        if not_utf8 >= 0 and broken is None:
            broken = position, line + not_utf8 + 1
        line += lines
    source.lines = line
    if broken is None:
        source.encoding = "utf-8"
    elif _partly_utf8(source, broken[0]):
        raise Refusal(f"编码混杂，含乱码（约第 {broken[1]} 行起，UTF-8 and GB18030 lines in one file）", "F03")
    else:
        source.encoding = "gb18030"
    return digest.hexdigest()


def _look(block: bytes) -> tuple[int, int] | BlockFault:
    """Lines of a block and the first of them that is not UTF-8 (−1: none)."""
    if (nul := block.find(b"\0")) >= 0:
        return BlockFault("含 NUL 字符（约第 {line} 行）", block.count(b"\n", 0, nul))
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
    return BlockFault("文件含乱码（mojibake，约第 {line} 行）", block.count(b"\n", 0, at))


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
        raise BlockFault("编码无法识别（约第 {line} 行），既不是 UTF-8 也不是 GB18030", line) from None
    refuse_mojibake(text)
    return text
