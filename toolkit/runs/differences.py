"""What is not as it should be in a run: one thing a line, named with what was expected and what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from toolkit.declared import Word
from toolkit.documents import Plain

ABSENT = "—"
LONGEST = 400  # characters shown of one thing


class Kind(Word):
    """What of a run is not as its manifest says."""

    REPORT = "report", "报告"
    RUN = "run", "运行"
    MANIFEST = "manifest", "清单"
    PARAMETER = "parameter", "参数"
    TABLE = "table", "结果表"
    STAGE = "stage", "中间结果"
    PAGE = "page", "页面"
    RAW_FILE = "raw_file", "原始文件"
    INPUT = "input", "输入"
    CODE = "code", "程序文件"
    PACKAGE = "package", "软件包"
    LOCK_FILE = "lock_file", "锁定文件"
    FILE = "file", "文件"
    TEMPLATE = "template", "模板"
    SIGNATURE = "signature", "签名"


# what a run is handed on for: where any of it differs, it is not
CONTENT = frozenset(
    {Kind.RUN, Kind.TABLE, Kind.REPORT, Kind.PAGE, Kind.PARAMETER, Kind.MANIFEST, Kind.FILE, Kind.SIGNATURE}
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as the manifest says. `expected` and `found` are hashes, values of parameters, versions."""

    kind: Kind
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.kind.zh} {self.where}：应为 {self.expected}，现为 {self.found}"
            f"（{self.kind.replace('_', ' ')} {self.where}: expected {self.expected}, found {self.found}）"
        )

    def as_dict(self) -> dict[str, str]:
        return {**asdict(self), "kind": self.kind.value, "kind_zh": self.kind.zh}


def difference(kind: Kind, where: str, expected: Plain, found: Plain) -> Difference:
    """A difference of plain values, said in JSON where they are no text."""

    def short(value: Plain) -> str:
        return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True))

    return Difference(kind=kind, where=plain(where), expected=short(expected), found=short(found))


def plain(text: str) -> str:
    """Text of somebody else's for a terminal: no control characters, and not without end."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:LONGEST])
    return shown + ("…" if len(text) > LONGEST else "")


def values_that_differ(name: str, expected: Plain, found: Plain) -> Iterator[Difference]:
    """Values of parameters that are not the same, by dotted name."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = found if not name else {**expected, **found}
        for key in keys:
            yield from values_that_differ(f"{name}.{key}".strip("."), expected.get(key, ABSENT), found.get(key, ABSENT))
    elif expected != found:
        yield difference(Kind.PARAMETER, name, expected, found)
