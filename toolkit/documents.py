"""What JSON, YAML and notebook files hold before it is checked: of a value nothing is known but that it is plain."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

Plain = Any  # a text, number, truth value, nothing, list or mapping: whoever reads one checks it
Document = dict[str, Plain]
Entries = Mapping[str, Plain]  # a document that is only read


def readable(name: str) -> str:
    """The name of a file as text that any file can hold: on disk it may have any bytes, of an older Chinese system those of GBK."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        for encoding in ("utf-8", "gb18030"):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError:
                continue
        return raw.decode("utf-8", "backslashreplace")
    return name
