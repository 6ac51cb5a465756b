"""What a file is, by its first bytes: a name's suffix is what somebody typed, and often another program's.

A kind either has a way to be read, or says in words what the file is and how to hand in what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

HEAD = 4096  # bytes that are looked at
TAR_MARK = 257
SAVE_AS = "请用 Excel 或 WPS 打开后另存为 .xlsx 或 UTF-8 的 .csv"
UNPACK = "请解压后提供其中的文件"


class Way(StrEnum):
    """How a kind of file is read."""

    TEXT = "text"
    GZIP = "gzip"
    ZIP = "zip"
    WORKBOOK = "workbook"
    PARQUET = "parquet"
    DBASE = "dbase"
    NONE = "none"


@dataclass(frozen=True)
class Kind:
    """A kind of file: `zh` what it is, `way` how it is read, `remedy` what to do where it is not."""

    zh: str
    way: Way
    remedy: str = ""
    utf16: str = ""  # of text: the codec of its two-byte units


TEXT = Kind("文本", Way.TEXT)
UTF16 = {order: Kind(f"UTF-16 文本（{order.upper()}）", Way.TEXT, utf16=order) for order in ("utf-16-le", "utf-16-be")}
GZIP, ZIP = Kind("gzip 压缩文件", Way.GZIP), Kind("zip 压缩包", Way.ZIP)
PARQUET = Kind("Parquet", Way.PARQUET)
DBF, DBC = Kind("dBASE 表（dbf）", Way.DBASE), Kind("DATASUS 压缩表（dbc）", Way.DBASE)
OLD_WORKBOOK = Kind("旧版 Excel 或 WPS 工作簿（xls、et）", Way.WORKBOOK)
NEW_WORKBOOK = Kind("Excel 工作簿（xlsx）", Way.WORKBOOK)
# what a packed office file holds in it -> what it is; the first that fits
PACKED = (
    ("xl/workbook.bin", Kind("二进制 Excel 工作簿（xlsb）", Way.WORKBOOK)),
    ("xl/vbaProject.bin", Kind("带宏的 Excel 工作簿（xlsm，只读取值）", Way.WORKBOOK)),
    ("xl/workbook.xml", NEW_WORKBOOK),
    ("word/document.xml", Kind("Word 文档", Way.NONE, "其中的表格请粘贴到 Excel 后另存为 .xlsx")),
    ("ppt/presentation.xml", Kind("PowerPoint 文档", Way.NONE, SAVE_AS)),
)
# first bytes -> what a file is that nobody can read here
FOREIGN = (
    (b"%PDF", Kind("PDF 文档", Way.NONE, "请从原系统导出 .xlsx 或 .csv")),
    (b"Rar!", Kind("rar 压缩包", Way.NONE, UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("7z 压缩包", Way.NONE, UNPACK)),
    (b"BZh", Kind("bzip2 压缩文件", Way.NONE, UNPACK)),
    (b"\xfd7zXZ\0", Kind("xz 压缩文件", Way.NONE, UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("zstd 压缩文件", Way.NONE, UNPACK)),
    (b"SQLite format 3\0", Kind("SQLite 数据库", Way.NONE, "请导出为 .csv")),
    (b"\0\x01\0\0Standard ", Kind("Access 数据库", Way.NONE, "请导出为 .xlsx 或 .csv")),
    (b"$FL2", Kind("SPSS 数据", Way.NONE, "请导出为 .csv")),
    (b"{\\rtf", Kind("RTF 文档", Way.NONE, SAVE_AS)),
    (b"\x89PNG", Kind("图片", Way.NONE, "请从原系统导出 .xlsx 或 .csv")),
    (b"\xff\xd8\xff", Kind("图片", Way.NONE, "请从原系统导出 .xlsx 或 .csv")),
    (b"MZ", Kind("程序文件", Way.NONE, "不是数据，请移走")),
    (b"\x7fELF", Kind("程序文件", Way.NONE, "不是数据，请移走")),
)
JSON = Kind("JSON", Way.NONE, "请从原系统导出 .csv 或 .xlsx")
MARKUP = Kind("网页或 XML（有的系统把它存为 .xls）", Way.NONE, SAVE_AS)
TAR = Kind("tar 包", Way.NONE, UNPACK)
OPEN_DOCUMENT = Kind("OpenDocument 表格（ods）", Way.WORKBOOK)
OTHER_DOCUMENT = Kind("OpenDocument 文档", Way.NONE, SAVE_AS)
DBF_VERSIONS = b"\x02\x03\x04\x05\x30\x31\x32\x43\x63\x83\x8b\x8c\xcb\xf5"
# names of what programs leave beside the files of a folder, and why they are no data
LEFT_BEHIND = (
    (r"~\$.*|\.~lock\..*#?|\.~.*", "Office 或 WPS 打开文件时的锁文件，不是数据"),
    (r"\._.*", "macOS 的附属文件，不是数据"),
    (r"\.DS_Store|Thumbs\.db|desktop\.ini|ehthumbs\.db", "操作系统的附属文件，不是数据"),
    (r"\..*", "隐藏文件，未读取"),
)


def kind_of(head: bytes) -> Kind:
    """The kind of a file by its first bytes (`HEAD` of them)."""
    if head.startswith(b"PK\x03\x04") or head.startswith((b"PK\x05\x06", b"PK\x07\x08")):
        return ZIP
    if head.startswith(b"\x1f\x8b"):
        return GZIP
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") or re.match(
        rb"\x09[\x00\x02\x04\x08][\x04\x06\x08]\x00", head
    ):
        return OLD_WORKBOOK
    if head.startswith(b"PAR1"):
        return PARQUET
    if order := _two_bytes(head):
        return UTF16[order]
    if foreign := next((kind for mark, kind in FOREIGN if head.startswith(mark)), None):
        return foreign
    if head[TAR_MARK : TAR_MARK + 5] == b"ustar":
        return TAR
    if _is_dbase(head):
        return DBF
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb'\{\s*"|\[\s*[\[{]', text):
        return JSON
    if re.match(rb"<(\?xml|!doctype|html|table|meta|workbook|!--)", text, re.IGNORECASE):
        return MARKUP
    return TEXT


def kind_of_archive(names: Iterable[str], mimetype: bytes) -> Kind:
    """What a zip archive is, by the names of its members and the content of the one called `mimetype`."""
    inside = {name.replace("\\", "/") for name in names}
    if mimetype.startswith(b"application/vnd.oasis.opendocument"):
        return OPEN_DOCUMENT if b"spreadsheet" in mimetype else OTHER_DOCUMENT
    return next((kind for name, kind in PACKED if name in inside), ZIP)


def left_behind(name: str) -> str:
    """Why a file of this name is no data but something that a program left beside it; "" where it may be data."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return next((why for pattern, why in LEFT_BEHIND if re.fullmatch(pattern, last, re.IGNORECASE)), "")


def _two_bytes(head: bytes) -> str:
    """The codec of text in units of two bytes: by its mark, or by the zeros beside each letter; "" for other text."""
    if head.startswith(b"\xff\xfe"):
        return "utf-16-le"
    if head.startswith(b"\xfe\xff"):
        return "utf-16-be"
    units = len(head) // 2
    if units < 2:
        return ""
    even, odd = head[0 : 2 * units : 2].count(0), head[1 : 2 * units : 2].count(0)
    if odd > 0.2 * units and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.2 * units and not odd else ""


def _is_dbase(head: bytes) -> bool:
    if len(head) < 65 or head[0] not in DBF_VERSIONS:
        return False
    header, row = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
    # each field is described in 32 bytes, the first with a type among these
    return (
        header >= 65 and row >= 2 and 1 <= head[2] <= 12 and 1 <= head[3] <= 31 and head[43] in b"CNDLFMBGITYVX+@O0QPW"
    )
