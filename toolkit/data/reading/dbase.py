"""Child process that turns a dBASE table into CSV text: `python -m toolkit.data.reading.dbase IN BYTES SECONDS`.

For .dbf and for DATASUS's .dbc, which is one compressed. Needs the optional extra `formats`. Answers as
`toolkit.data.reading.workbook` does; records that are marked as deleted are counted and not written.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.errors import of_the_machine

Told = dict[str, Any]  # of a sheet, as JSON
Parsed = Any  # of dbfread, which has no types

AS_WRITTEN = "CNFDL"  # types whose bytes are the text that a person would see
PADDING = " \0"
MEMO = "MGP"  # kept in a file of its own


def main(source: Path, memory: int, seconds: int) -> int:
    """Write the table in `source` to standard output; 0, or 3 with the reason on standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        import dbfread
    except ImportError:
        return _say({"reason": "读取 dbf、dbc 需要可选组件，请安装 speceval[formats]，或另存为 .csv"}, 3)
    content = source.read_bytes()
    is_packed = _is_packed(content)
    if is_packed:
        try:
            from datasus_dbc import decompress_bytes
        except ImportError:
            return _say({"reason": "读取 dbc 需要可选组件，请安装 speceval[formats]，或另存为 .csv"}, 3)
        try:
            content = decompress_bytes(content)
        except (ValueError, RuntimeError, OSError) as error:
            return _say({"reason": f"dbc 文件损坏（{type(error).__name__}）", "rule": "F02"}, 3)
    handle = os.memfd_create("dbf")  # the reader asks for a path; this one never has a name on the disk
    with open(handle, "wb", closefd=False) as whole:
        whole.write(content)
    try:
        table = dbfread.DBF(
            f"/dev/fd/{handle}", raw=True, ignorecase=False, ignore_missing_memofile=True, encoding="latin-1"
        )
        header = table.header
        if len(content) < header.headerlen + header.numrecords * header.recordlen:
            return _say(
                {"reason": f"dbf 文件不完整：表头写明 {header.numrecords:,} 条，文件在此之前结束", "rule": "F02"}, 3
            )
        with open(1, "wb", closefd=False) as out:
            told = _written(table, dbfread.FieldParser(table), _codec(content, header), out)
    except (ValueError, LookupError, OSError, EOFError, AttributeError, struct.error) as error:
        if of_the_machine(error):
            return _say({"errno": error.errno}, 4)  # type: ignore[union-attr]
        return _say({"reason": f"dbf 文件损坏（{type(error).__name__}）", "rule": "F02"}, 3)
    return _say(
        {"sheets": [{"name": "", "hidden": False, **told}], "kind": "DATASUS 压缩表（dbc）" if is_packed else ""}, 0
    )


def _say(said: Told, code: int) -> int:
    sys.stderr.write("\n" + json.dumps(said))
    return code


def _is_packed(content: bytes) -> bool:
    """Whether the rows after the header are compressed: a .dbc keeps the header of the .dbf, then a checksum, then blast."""
    header = int.from_bytes(content[8:10], "little")
    blast = content[header + 4 : header + 6]
    plain = content[header : header + 1] in (b" ", b"*", b"\x1a", b"")  # how every record of a table begins, or its end
    return not plain and blast[:1] in (b"\0", b"\1") and blast[1:2] in (b"\4", b"\5", b"\6")


def _codec(content: bytes, header: Parsed) -> str:
    """Strict UTF-8, then strict GB18030 where no other code page is declared, else that one, for the whole file."""
    from dbfread.codepages import guess_encoding

    try:
        declared = guess_encoding(header.language_driver)
    except LookupError:
        declared = ""
    chinese = ["gb18030"] if declared in ("", "ascii", "cp936", "gbk") else []
    for codec in ("utf-8", *chinese, declared or "cp850"):
        try:
            content[header.headerlen :].decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
        return codec
    return "latin-1"


def _written(table: Parsed, parser: Parsed, codec: str, out: BinaryIO) -> Told:
    """Write the table; as a sheet of a workbook is told, with the number of `deleted` records."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name.encode("latin-1").decode(codec, "replace") for name in table.field_names])
    rows = 0
    for record in table:
        writer.writerow(
            _text(cell, field, parser, codec) for cell, field in zip(record.values(), table.fields, strict=True)
        )
        rows += 1
    text.flush()
    end = out.tell()
    text.detach()
    return {"start": 0, "end": end, "rows": rows, "empty": False, "numeric": {}, "deleted": len(table.deleted)}


def _text(cell: bytes, field: Parsed, parser: Parsed, codec: str) -> str:
    if field.type in AS_WRITTEN:
        return " ".join(cell.decode(codec).strip(PADDING).splitlines())
    if field.type in MEMO:
        return ""
    value = parser.parse(field, cell)
    return "" if value is None else str(value)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
