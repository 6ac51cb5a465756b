"""Looks for texts in every byte of a folder: names of files, contents, and what is packed inside."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")


def forms(text: str) -> set[bytes]:
    """A text as it may stand in a file: in each encoding, as JSON, HTML or URL would write it."""
    escaped = json.dumps(text)[1:-1]
    return {
        *(text.encode(encoding) for encoding in ENCODINGS),
        escaped.encode(),
        escaped.upper().replace("\\U", "\\u").encode(),
        "".join(f"&#{ord(c)};" for c in text).encode(),
        "".join(f"%{b:02X}" for b in text.encode()).encode(),
    }


def layers(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content itself and, under a longer name, all that is packed in it, to any depth."""
    yield name, content
    if content[:2] == b"PK":
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.infolist():
                    yield f"{name}!{entry.filename}", entry.filename.encode() + entry.comment
                    yield from layers(f"{name}!{entry.filename}", archive.read(entry))
        except zipfile.BadZipFile:
            return
    elif content[:2] == b"\x1f\x8b":
        yield from layers(f"{name}!gz", gzip.decompress(content))
    elif content[:4] == b"PAR1":
        yield f"{name}!rows", pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    elif name.endswith(".ipynb") or b'"image/png"' in content[:1_000_000]:
        for packed in _base64(content):
            yield from layers(f"{name}!base64", packed)


def _base64(content: bytes) -> Iterator[bytes]:
    try:
        notebook = json.loads(content)
    except ValueError:
        return
    for cell in notebook.get("cells", ()) if isinstance(notebook, dict) else ():
        for output in cell.get("outputs", ()):
            for kind, data in output.get("data", {}).items():
                if kind.startswith("image/") and isinstance(data, str) and not data.lstrip().startswith("<"):
                    yield base64.b64decode(data)


def found(folder: Path, texts: dict[str, str]) -> list[tuple[str, str]]:
    """Where which text stands: `(name of the text, file)`; files inside files after an exclamation mark."""
    wanted = {name: forms(text) for name, text in texts.items()}
    hits = set()
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for where, layer in (("(name)", place.encode()), *layers(place, content)):
            for name, kinds in wanted.items():
                if any(kind in layer for kind in kinds):
                    hits.add((name, f"{place} {where}" if where == "(name)" else where))
    return sorted(hits)
