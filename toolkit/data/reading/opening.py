"""Finding files and opening the tables in them. Every file, every member of an archive and every sheet becomes a table.

What cannot be read, or is no data, becomes one too, with the reason: nothing below a folder disappears. The first bytes say
what a file is. A workbook is read in a child process with limits, for a hostile one can exhaust memory and abort its process;
what is unpacked passes through a file that has no name and is gone when it is closed.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from toolkit.data.reading import files
from toolkit.data.reading.encoding import decide_encoding
from toolkit.data.reading.files import NumericCells, Refusal, SourceFile
from toolkit.data.reading.header import read_heads
from toolkit.data.reading.kinds import HEAD, ZIP, Kind, Way, kind_of, kind_of_archive, left_behind
from toolkit.documents import Document
from toolkit.errors import InputError, of_the_machine

READABLE = "csv、tsv、txt（可 gzip、zip 压缩）、xlsx、xlsm、xls、xlsb、et、ods、parquet、dbf、dbc"
WORKBOOK_SECONDS, WORKBOOK_BYTES = 600, 4 << 30
# of an archive, before anything is unpacked: its members, their size together, archives within archives
MEMBERS, UNPACKED, DEPTH = 10_000, 16 << 30, 2
ENCRYPTED, UTF8_NAME = 1, 0x800  # flags of a member
# what the readers of archives raise of a damaged one, of a member with a password or of a way to pack that they do not know
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)


def find(entries: Sequence[str]) -> list[Path]:
    """All files that the entries (files or folders) mean, sorted by path, so that order of listing does not matter.

    Raises
    ------
    InputError
        An entry does not exist, or a folder holds no file at all.
    """
    found: list[Path] = []
    for entry in map(Path, entries):
        if entry.is_dir():
            inside = [p for p in sorted(entry.rglob("*")) if p.is_file()]
            if not inside:
                raise InputError(
                    "文件夹是空的",
                    "no file in the folder",
                    where=str(entry),
                    remedy=f"放入数据文件: {READABLE}",
                    remedy_english="put data files there",
                )
            found += inside
        elif entry.is_file():
            found.append(entry)
        else:
            raise InputError(
                "没有这个文件或文件夹",
                "no such file or folder",
                where=str(entry),
                remedy="检查 data.files 中的路径",
                remedy_english="check the path under data.files",
            )
    return sorted(set(found))


def within(path: Path, entries: Sequence[str]) -> str:
    """The path of a file under the folder that the parameters name; "" where they name the file itself."""
    folders = [entry for entry in map(Path, entries) if entry != path and path.is_relative_to(entry)]
    return path.relative_to(max(folders, key=lambda f: len(f.parts))).as_posix() if folders else ""


def open_tables(number: int, path: Path, work: Path, within: str = "") -> list[SourceFile]:
    """The tables of a file, numbered from `number`; each hashed, with its encoding and header, or with why it is not read.

    Parameters
    ----------
    work
        Private folder; what is unpacked passes through files there that never have a name.
    """
    whole = SourceFile(number=number, path=path, within=within, size=path.stat().st_size)
    if why := left_behind(path.name):
        tables = [_not_read(whole, why, skipped=True)]
    elif whole.size == 0:
        tables = [_not_read(whole, "空文件（empty file）")]
    else:
        tables = _opened(whole, work, 0)
    sha256 = next((t.sha256 for t in tables if t.sha256), "") or _sha256(path)
    for position, table in enumerate(tables):
        table.number, table.sha256 = number + position, sha256
        table.content = table.content or hashlib.sha256(f"{sha256} {table.part}".encode()).hexdigest()
        if table.rejected:
            table.close()
    return tables


def open_source(number: int, path: Path, work: Path) -> SourceFile:
    """The first table of a file that holds one, or of several that was not skipped; the others are closed."""
    tables = open_tables(number, path, work)
    first = next((table for table in tables if not table.rejected), tables[0])
    for table in tables:
        if table is not first:
            table.close()
    return first


def _opened(whole: SourceFile, work: Path, depth: int) -> list[SourceFile]:
    """The tables in a file, or in a member that was unpacked."""
    try:
        with whole.open() as handle:
            head = handle.read(HEAD)
        kind = kind_of(head)
        if kind is ZIP:
            kind = _kind_of_archive(whole)
        whole.kind = kind.zh
        if kind.way is Way.ZIP:
            return _members(whole, work, depth)
        if kind.way is Way.GZIP:
            return _gunzipped(whole, work, depth)
        if kind.way in (Way.WORKBOOK, Way.DBASE):
            return _sheets(whole, kind, work)
        return [_one_table(whole, kind)]
    except Refusal as refusal:
        return [_not_read(whole, refusal.reason, refusal.rule)]
    except (OSError, EOFError, zlib.error) as error:
        why = "无法读取" if getattr(error, "errno", None) else "压缩文件损坏"
        return [_not_read(whole, f"{why}（{_told(error)}）", "F02")]


def _told(error: Exception) -> str:
    """What may be said of a fault of a file; what is the machine's want is no fault of it, and goes on to end the run."""
    if of_the_machine(error):
        raise error
    return type(error).__name__


def _not_read(table: SourceFile, why: str, rule: str = "", *, skipped: bool = False) -> SourceFile:
    table.refuse(why, rule, skipped=skipped)
    return table


def _one_table(table: SourceFile, kind: Kind) -> SourceFile:
    if kind.way is Way.NONE:
        return _not_read(table, f"{kind.zh}，不能读取；{kind.remedy}")
    if kind.way is Way.PARQUET:
        if table.text is not None:
            return _not_read(table, "压缩包内的 Parquet，不能读取；请解压后提供")
        table.stored = table.encoding = "parquet"
        return table
    table.utf16 = kind.utf16
    _read_text(table)
    if table.stored == "text" and not table.part and not table.utf16:
        table.sha256 = table.content
    return table


def _read_text(table: SourceFile) -> None:
    try:
        table.content = decide_encoding(table)
        read_heads(table)
    except Refusal as refusal:
        table.refuse(refusal.reason, refusal.rule)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# --- packed files ------------------------------------------------------------------------------------------------------


def _gunzipped(whole: SourceFile, work: Path, depth: int) -> list[SourceFile]:
    """The text in a gzip file, read as it stands; anything else in it is unpacked first."""
    packed = replace(whole, stored="gzip")
    with packed.open() as handle:
        kind = kind_of(handle.read(HEAD))
    if kind.way is Way.TEXT:
        packed.kind = f"gzip 压缩的{kind.zh}"
        return [_one_table(packed, kind)]
    if kind.way is Way.NONE or depth >= DEPTH:
        return [_not_read(whole, f"gzip 压缩文件，其中是{kind.zh}，不能读取；{kind.remedy or '请解压后提供'}")]
    with packed.open() as handle:
        text, size = _unpacked(handle, files.RATIO * max(whole.size, 1 << 20), work)
    inner = replace(whole, text=text, window=(0, size), kind="")
    tables = _opened(inner, work, depth + 1)
    _let_go(inner, tables)
    return tables


def _kind_of_archive(whole: SourceFile) -> Kind:
    try:
        with whole.open() as handle, zipfile.ZipFile(handle) as archive:
            names = archive.namelist()
            mimetype = b""
            if "mimetype" in names:
                with archive.open("mimetype") as told:
                    mimetype = told.read(200)
    except DAMAGED as error:
        raise Refusal(f"压缩包或工作簿损坏（{_told(error)}）", "F02") from None
    return kind_of_archive(names, mimetype)


def _members(whole: SourceFile, work: Path, depth: int) -> list[SourceFile]:
    """The tables in the members of an archive; a member is a file as any other."""
    if depth >= DEPTH:
        raise Refusal(f"压缩包套压缩包超过 {DEPTH} 层，未读取；请解压后提供", "F02")
    with whole.open() as handle, zipfile.ZipFile(handle) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        size, packed = sum(m.file_size for m in members), max(1, sum(m.compress_size for m in members))
        if len(members) > MEMBERS:
            raise Refusal(f"压缩包内有 {len(members):,} 个文件，上限 {MEMBERS:,}，未读取", "F02")
        if size > UNPACKED or size > files.RATIO * max(packed, 1 << 20):
            raise Refusal(
                f"文件过大或压缩异常（解压后 {size:,} 字节，上限 {UNPACKED:,}；压缩比上限 {files.RATIO}），未读取",
                "F02",
            )
        if not members:
            raise Refusal("压缩包是空的")
        tables: list[SourceFile] = []
        for member in members:
            tables += _member(whole, archive, member, work, depth)
    return tables


def _member(
    whole: SourceFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo, work: Path, depth: int
) -> list[SourceFile]:
    name = _member_name(member)
    part = files.WITHIN.join(filter(None, (whole.part, files.without_numbers_of_persons(name))))
    one = replace(whole, part=part, size=member.file_size, text=None, kind="", heads=[], notes=[], refused=[])
    if why := left_behind(name) or ("macOS 的附属文件，不是数据" if name.startswith("__MACOSX/") else ""):
        return [_not_read(one, why, skipped=True)]
    if member.flag_bits & ENCRYPTED:
        return [_not_read(one, "压缩包有密码，无法读取；请去掉密码或解压后提供", "F02")]
    if not member.file_size:
        return [_not_read(one, "空文件（empty file）")]
    try:
        with archive.open(member) as handle:
            text, size = _unpacked(handle, member.file_size, work)  # type: ignore[arg-type]
    except Refusal as refusal:
        return [_not_read(one, refusal.reason, refusal.rule)]
    except DAMAGED as error:
        return [_not_read(one, f"压缩包内的文件损坏或压缩方式不支持（{_told(error)}）；请解压后提供", "F02")]
    one.text, one.window = text, (0, size)
    tables = _opened(one, work, depth + 1)
    _let_go(one, tables)
    return tables


def _member_name(member: zipfile.ZipInfo) -> str:
    """The name of a member; Chinese programs for Windows write it in GBK without saying so."""
    if member.flag_bits & UTF8_NAME:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gb18030")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return member.filename


def _unpacked(handle: BinaryIO, most: int, work: Path) -> tuple[BinaryIO, int]:
    """What a reader holds, in a file without a name, and its size; it may not be more than was announced."""
    text = tempfile.TemporaryFile(dir=work)  # noqa: SIM115  closed with the source
    size = 0
    while block := handle.read(files.BLOCK):
        size += len(block)
        if size > most:
            text.close()
            raise Refusal(f"文件过大或压缩异常（解压后超过 {most:,} 字节），未读取", "F02")
        text.write(block)
    text.flush()
    return text, size


def _let_go(unpacked: SourceFile, tables: Sequence[SourceFile]) -> None:
    """Close what was unpacked, unless a table is read from it."""
    if unpacked.text is not None and all(table.text is not unpacked.text for table in tables):
        unpacked.text.close()


# --- workbooks ---------------------------------------------------------------------------------------------------------


def _sheets(whole: SourceFile, kind: Kind, work: Path) -> list[SourceFile]:
    """The sheets of a workbook, or the one table of a dBASE file, as a child process writes them down."""
    text, said = _by_child(whole, "dbase" if kind.way is Way.DBASE else "workbook", work)
    told: list[Document] = said["sheets"]
    tables = []
    try:
        for one in told:
            name = files.without_numbers_of_persons(one["name"]) if len(told) > 1 else ""
            part = files.WITHIN.join(filter(None, (whole.part, name)))
            table = replace(
                whole, part=part, kind=said.get("kind") or kind.zh, text=None, heads=[], notes=[], refused=[]
            )
            tables.append(_sheet(table, one, text))
    finally:
        text.close()
    if not tables:
        raise Refusal("工作簿没有工作表")
    return tables


def _sheet(table: SourceFile, told: Document, text: BinaryIO) -> SourceFile:
    if "reason" in told:
        rule = told.get("rule", "")
        return _not_read(table, told["reason"], rule, skipped=not rule)
    if told["empty"]:
        table.lines = 0
        return _not_read(table, "空工作表", skipped=bool(table.part))
    table.text, table.window = os.fdopen(os.dup(text.fileno()), "rb"), (told["start"], told["end"])
    table.numbers = {int(column): NumericCells(n, tuple(lines)) for column, (n, lines) in told["numeric"].items()}
    if told["hidden"]:
        table.notes.append("隐藏的工作表")
    if told.get("deleted"):
        table.notes.append(f"另有 {told['deleted']:,} 条记录在文件中已标为删除，未读")
    _read_text(table)
    return table


def _by_child(whole: SourceFile, module: str, work: Path) -> tuple[BinaryIO, Document]:
    """The text that a child wrote, in a file without a name, and what it said."""
    text = tempfile.TemporaryFile(dir=work)  # noqa: SIM115  closed by the caller
    given = [] if whole.text is None else [whole.text.fileno()]
    path = f"/dev/fd/{given[0]}" if given else str(whole.path)
    command = [sys.executable, "-m", f"toolkit.data.reading.{module}", path, str(WORKBOOK_BYTES), str(WORKBOOK_SECONDS)]
    try:
        done = subprocess.run(  # noqa: S603
            command, stdout=text, stderr=subprocess.PIPE, pass_fds=given, timeout=WORKBOOK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        text.close()
        raise Refusal(f"工作簿读取超过 {WORKBOOK_SECONDS} 秒，未读取", "F02") from None
    try:
        said = json.loads(done.stderr.decode("utf-8", "replace").rpartition("\n")[2])
    except ValueError:
        said = {}
    if done.returncode != 0 or "sheets" not in said:
        text.close()
        if "errno" in said:
            raise OSError(said["errno"], os.strerror(said["errno"]))
        if "reason" in said:
            raise Refusal(said["reason"], said.get("rule", ""))
        raise Refusal("工作簿过大或损坏，未读取（workbook too large or broken）", "F02")
    return text, said
