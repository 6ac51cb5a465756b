"""What JSON, YAML and notebook files hold before it is checked: of a value nothing is known but that it is plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Plain = Any  # a text, number, truth value, nothing, list or mapping: whoever reads one checks it
Document = dict[str, Plain]
Entries = Mapping[str, Plain]  # a document that is only read
