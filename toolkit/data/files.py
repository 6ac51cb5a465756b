"""Source files as they arrive: hash, encoding, physical lines. Nothing of a file is lost without a counted reason."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from toolkit.errors import InputError

BLOCK = 8 << 20
SUFFIXES = (".csv", ".csv.gz", ".txt", ".xlsx", ".parquet")
WORKBOOK_SECONDS, WORKBOOK_BYTES = 600, 4 << 30
LINE_BYTES, RATIO = 64 << 20, 200  # beyond these a file is no table: a line without end, a compression bomb (rule F02)


class _TooLarge(Exception):
    """The reason for which reading stopped."""


@dataclass(kw_only=True)
class SourceFile:
    """One input file and what became of its lines.

    Attributes
    ----------
    lines_skipped
        Physical line numbers that never reached the table: blank (not a record) or `unclosed`.
    unclosed
        Lines with an unclosed quotation mark or cells beyond the last column (rule F05): received, quarantined.
    rejected
        Reason why the whole file was refused (rules F02–F04), empty where it was read.
    """

    number: int
    path: Path
    sha256: str = ""
    size: int = 0
    encoding: str = ""
    readable: Path | None = None
    header: list[str] = field(default_factory=list)
    delimiter: str = ","
    received: int = 0
    lines_skipped: list[int] = field(default_factory=list)
    unclosed: list[int] = field(default_factory=list)
    rejected: str = ""

    @property
    def kind(self) -> str:
        return "parquet" if self.path.suffix.lower() == ".parquet" else "text"


def find(entries: list[str]) -> list[Path]:
    """The files that the entries (files or folders) mean, sorted by path, so that order of listing does not matter."""
    found: list[Path] = []
    for entry in map(Path, entries):
        if entry.is_dir():
            inside = [p for p in sorted(entry.rglob("*")) if p.is_file() and p.name.lower().endswith(SUFFIXES)]
            if not inside:
                raise InputError(
                    "文件夹中没有可读的文件", "no readable file in the folder", where=str(entry),
                    remedy=f"支持 {' '.join(SUFFIXES)}", remedy_english="supported suffixes are listed",
                )  # fmt: skip
            found += inside
        else:
            found.append(entry)
    return sorted(set(found))


def open_source(number: int, path: Path, work: Path) -> SourceFile:
    """Hash a file, decide its encoding strictly, and make a UTF-8 copy where the engine could not read it as it is.

    UTF-8 (with or without BOM) is tried first and GB18030 second: UTF-8 bytes often decode as GB18030 without error.
    A file that is neither, or holds mojibake or NUL, is refused as a whole (rule F03), never guessed.
    """
    source = SourceFile(number=number, path=path, size=path.stat().st_size)
    if source.size == 0:
        source.sha256, source.rejected = hashlib.sha256(b"").hexdigest(), "空文件（empty file）"
        return source
    if source.kind == "parquet":
        source.sha256, source.readable, source.encoding = _sha256(path), path, "parquet"
        return source
    text_path = path
    if path.suffix.lower() == ".xlsx":
        source.sha256 = _sha256(path)
        text_path, source.rejected = _workbook_as_csv(path, work / f"{number:05d}.xlsx.csv")
        if source.rejected:
            return source
    if not _scan(source, text_path, work / f"{number:05d}.csv"):
        return source
    _read_header(source)
    return source


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _open(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _blocks(handle: BinaryIO) -> Iterator[bytes]:
    """Blocks that end at a line end, so that no character of either encoding is cut."""
    rest = b""
    while block := handle.read(BLOCK):
        block = rest + block
        cut = block.rfind(b"\n") + 1
        if cut:
            yield block[:cut]
        rest = block[cut:]
        if len(rest) > LINE_BYTES:
            raise _TooLarge(f"有一行超过 {LINE_BYTES:,} 字节")
    if rest:
        yield rest


def _scan(source: SourceFile, path: Path, copy: Path) -> bool:
    """One pass: hash, encoding, line count, blank and unclosed lines. True where the file can be read."""
    for encoding in ("utf-8", "gb18030"):
        digest, line, size, checked = hashlib.sha256(), 0, 0, False
        returns = feeds = pairs = 0
        shape: tuple[bytes, int] | None = None
        source.lines_skipped, source.unclosed, source.received = [], [], 0
        try:
            with _open(path) as handle:
                for block in _blocks(handle):
                    digest.update(block)
                    size += len(block)
                    if size > RATIO * max(source.size, 1 << 20):
                        raise _TooLarge(f"解压后超过压缩文件的 {RATIO} 倍")
                    text = block.decode(encoding)
                    if "\x00" in text:
                        source.rejected = (
                            f"含 NUL 字符（约第 {line + text[: text.index(chr(0))].count(chr(10)) + 1} 行）"
                        )
                        break
                    if not text.isascii():
                        if not checked and encoding == "gb18030" and _partly_utf8(block):
                            source.rejected = "编码混杂，含乱码（UTF-8 and GB18030 lines in one file）"
                            break
                        if _is_mojibake(text, whole=not checked):
                            source.rejected = "文件含乱码（mojibake）"
                            break
                        checked = True
                    if b"\r" in block:
                        returns, pairs = returns + block.count(b"\r"), pairs + block.count(b"\r\n")
                    feeds += block.count(b"\n")
                    if shape is None:
                        shape = _shape(block)
                    line += _count_lines(source, block, line, shape)
        except UnicodeDecodeError as error:
            source.rejected = f"编码无法识别（约第 {line + error.object[: error.start].count(10) + 1} 行）"
            continue
        except (OSError, EOFError, zlib.error, _TooLarge) as error:
            reason = (
                f"文件过大或压缩异常（{error}），未读取"
                if isinstance(error, _TooLarge)
                else f"压缩文件损坏（{type(error).__name__}）"
            )
            source.sha256, source.rejected = source.sha256 or _sha256(path), reason
            return False
        if "乱码" in source.rejected or "NUL" in source.rejected:
            source.sha256 = source.sha256 or _sha256(path)
            return False
        source.rejected, source.encoding = "", encoding
        source.sha256 = source.sha256 or digest.hexdigest()
        source.received = line - len(source.lines_skipped) + len(source.unclosed) - 1  # the header is no record
        source.readable = path
        if _header_unclosed(source):
            source.rejected = "表头引号未闭合，或表头中有换行"
            return False
        # the engine's strict reader stops at mixed line ends, and takes a lone carriage return for one
        mixed = returns != pairs or pairs not in (0, feeds)
        if encoding != "utf-8" or path.suffix.lower() == ".gz" or source.lines_skipped or mixed:
            _write_copy(source, path, encoding, copy)
        return True
    source.sha256 = source.sha256 or _sha256(path)
    source.rejected += "，既不是 UTF-8 也不是 GB18030"
    return False


def _header_unclosed(source: SourceFile) -> bool:
    """Whether the first line that is not blank has an open quotation mark."""
    if not source.unclosed:
        return False
    before = source.lines_skipped.index(source.unclosed[0])
    return source.unclosed[0] == before + 1  # every line before it is blank


def _partly_utf8(block: bytes) -> bool:
    """Whether many lines are UTF-8 in a file that as a whole is not: as GB18030 they decode to other characters, without error."""
    foreign = [row for row in block.split(b"\n") if not row.isascii()]
    utf8 = 0
    for row in foreign:
        try:
            row.decode("utf-8")
            utf8 += 1
        except UnicodeDecodeError:
            continue
    return utf8 >= 2 and utf8 > 0.1 * len(foreign)  # by accident 2 % of short GB18030 texts are valid UTF-8


def _is_mojibake(text: str, *, whole: bool) -> bool:
    """Replacement characters anywhere; with `whole`, also text that was decoded as GBK and encoded once more."""
    if "\ufffd" in text or "锟斤拷" in text:
        return True
    if not whole:
        return False
    sample = text[: 1 << 20]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample  # a character of the text beneath must not be cut
    try:
        twice = sample.encode("gb18030").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return any("\u4e00" <= c <= "\u9fff" for c in twice)


def _shape(block: bytes) -> tuple[bytes, int]:
    """Delimiter and number of columns, from the first line that is not blank."""
    first = next((row for row in block.split(b"\n", 100) if row.strip()), b"")
    delimiter = _delimiter(first.decode("latin-1"))
    return delimiter.encode(), _cells(first, delimiter)


def _delimiter(first: str) -> str:
    return max(",\t;|", key=first.count)


def _cells(row: bytes, delimiter: str) -> int:
    try:
        return len(next(csv.reader([row.decode("latin-1").rstrip("\r")], delimiter=delimiter), []))
    except csv.Error:  # a return inside the line or a cell of enormous size: the engine judges
        return 0


def _count_lines(source: SourceFile, block: bytes, before: int, shape: tuple[bytes, int]) -> int:
    """Lines of the block; blank ones, those with an odd number of quotation marks and those too long are noted.

    The engine silently drops an empty cell beyond the last column; a row in which one cell slipped in may end so.
    """
    delimiter, columns = shape
    ends = (delimiter, delimiter + b'""')
    overlong = any(end + feed in block for end in ends for feed in (b"\n", b"\r\n")) or block[-8:].rstrip(
        b"\r"
    ).endswith(ends)
    count = block.count(b"\n") + (not block.endswith(b"\n"))
    # spaces make no record, but tabs do: cells may be divided by them
    blank = any(start in block for start in (b"\n\n", b"\n\r", b"\n ")) or block.startswith((b"\n", b"\r", b" "))
    if b'"' in block or blank or overlong:
        for offset, row in enumerate(block.split(b"\n")[:count]):
            if not row.strip(b" \r"):
                source.lines_skipped.append(before + offset + 1)
            elif row.count(b'"') % 2 or (
                overlong
                and row.rstrip(b"\r").endswith(ends)
                and row.count(delimiter) >= columns
                and _cells(row, delimiter.decode()) > columns
            ):
                source.lines_skipped.append(before + offset + 1)
                source.unclosed.append(before + offset + 1)
    return count


def _write_copy(source: SourceFile, path: Path, encoding: str, copy: Path) -> None:
    skipped, line = set(source.lines_skipped), 0
    with _open(path) as handle, copy.open("wb") as out:
        for block in _blocks(handle):
            # a carriage return inside a line would end it for the engine; in neither encoding is it part of a character
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
            if skipped:
                rows = block.split(b"\n")
                if block.endswith(b"\n"):
                    rows.pop()
                block = b"".join(row + b"\n" for i, row in enumerate(rows, line + 1) if i not in skipped)
                line += len(rows)
            out.write(block if encoding == "utf-8" else block.decode(encoding).encode("utf-8"))
    source.readable = copy


def _read_header(source: SourceFile) -> None:
    assert source.readable is not None  # noqa: S101  set by _scan
    with source.readable.open("rb") as handle:
        first = handle.readline().decode("utf-8-sig").rstrip("\r\n")
    source.delimiter = _delimiter(first)
    source.header = next(csv.reader(io.StringIO(first), delimiter=source.delimiter), [])
    seen: set[str] = set()
    repeated = [n for n in (h.strip().lower() for h in source.header) if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
    if repeated:
        source.rejected = f"列名重复：{'、'.join(dict.fromkeys(repeated))}"
    elif source.received <= 0:
        source.rejected = "没有数据行（only a header, no record）"


def _workbook_as_csv(path: Path, out: Path) -> tuple[Path, str]:
    """Read a workbook in a limited child: a hostile one can exhaust memory and abort its process."""
    command = [sys.executable, "-m", "toolkit.data.workbook", str(path), str(out), str(WORKBOOK_BYTES)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=WORKBOOK_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return path, f"工作簿读取超过 {WORKBOOK_SECONDS} 秒，未读取"
    if done.returncode == 0:
        return out, ""
    try:
        return path, json.loads(done.stdout)["reason"]
    except (ValueError, KeyError):
        return path, "工作簿过大或损坏，未读取（workbook too large or broken）"
