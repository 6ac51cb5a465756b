"""Ranges of codes as declared in the parameters (`O00-O99`, `65-75`, `C61`), as one regular expression."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby


def pattern(ranges: Sequence[str]) -> str:
    """What a code in any of the ranges begins with; ends included.

    A range is of ICD-10 categories (a letter and two digits) or of ICD-9-CM-3 chapters (two digits, before the point).

    Raises
    ------
    ValueError
        Not a range, or its ends have different letters.
    """
    return "(" + "|".join(_one(text) for text in ranges) + ")" if ranges else "[^\\s\\S]"  # nothing


def _one(text: str) -> str:
    found = re.fullmatch(r"([A-Z]?)(\d\d)(?:-([A-Z]?)(\d\d))?", text.strip().upper())
    if not found or (found[4] and found[1] != found[3]) or (found[4] and found[4] < found[2]):
        raise ValueError(f"编码范围 {text} 无效, 写成 O00-O99、C61 或 65-75 (not a range of codes)")
    letter, first, last = found[1], int(found[2]), int(found[4] or found[2])
    tens = groupby(range(first, last + 1), key=lambda number: number // 10)
    digits = "|".join(f"{ten}[{''.join(str(number % 10) for number in numbers)}]" for ten, numbers in tens)
    return f"{letter}(?:{digits})" + ("" if letter else r"\.")
