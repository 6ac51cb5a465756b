"""Where a patient lives: division codes (行政区划) from a code column or, failing that, from the address text (A26).

A residence is a prefix of the six-digit division code: province (2 digits), city (4) or county (6). An address is read from
its beginning: province, city, county, each by full or short name; only what the gazetteer knows, and only in a combination
that it knows once. Anything else is unresolved, and unresolved is never local.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import ibis
import pandas as pd

from toolkit.data.listing import read_listing
from toolkit.errors import InputError

WHAT = "行政区划表"
LENGTHS = (2, 4, 6)  # digits of a province, city, county
PARTS = ("province", "city", "county")
SUFFIXES = (
    r"(维吾尔自治区|壮族自治区|回族自治区|自治区|特别行政区|省|市)$", r"(市|地区|自治州|盟)$", r"(自治县|自治旗|县|区|市|旗)$",
)  # fmt: skip
MUNICIPALITIES = ("11", "12", "31", "50")  # 直辖市: what "outside the city" means is the province (GB/T 2260)
NAMED, SHORT, ABSENT = "named", "short", "absent"


@dataclass(frozen=True, kw_only=True)
class Gazetteer:
    """Division prefix → full name, of the divisions of one table; a city or province need not stand in it with a line."""

    path: Path
    names: dict[str, str]

    def prefix_of(self, place: str) -> str:
        """The division that a registry's `county` means: a code, or a name that the table has once; else "" ."""
        if re.fullmatch(r"\d{6}", place):
            return trimmed(place)
        found = [code for code, name in self.names.items() if name == place]
        return found[0] if len(found) == 1 else ""


def trimmed(code: str) -> str:
    """A six-digit code without the pairs of zeros that mean the whole province or city."""
    code = code[:6]
    while code.endswith("00") and len(code) > 2:
        code = code[:-2]
    return "" if code == "00" else code


def read_gazetteer(path: Path) -> Gazetteer:
    """A table `code,name` of six-digit division codes, provinces and cities among them (330000, 330300, 330302).

    Raises
    ------
    InputError
        Not such a table, a code that is not six digits or stands twice, or no county in it.
    """
    names: dict[str, str] = {}
    for row in read_listing(path, WHAT, ["code", "name"], ["note"]):
        if not re.fullmatch(r"[1-9]\d{5}", row["code"]):
            raise InputError("区划代码不是六位数字", "not a six-digit code", where=f"{row.where} code", remedy="按 GB/T 2260 填写")
        prefix = trimmed(row["code"])
        if prefix in names:
            raise InputError(
                f"区划代码 {row['code']} 重复", "code stands twice", where=f"{row.where} code", remedy="保留一行"
            )
        names[prefix] = row["name"]
    if not any(len(code) == LENGTHS[2] for code in names):
        raise InputError(f"{WHAT}没有县级区划", "no county in the table", where=str(path), remedy="补充县级区划")
    return Gazetteer(path=Path(path), names=names)


def residences(gazetteer: Gazetteer) -> tuple[str, pd.DataFrame]:
    """How an address is read: a pattern with three groups, and what each combination of their texts means.

    Returns
    -------
    pattern
        Anchored at the beginning of an address without blanks; groups province, city, county, each "" where absent.
    meanings
        One row per combination: `province, city, county` (texts as matched), `residence` (prefix). Combinations that mean
        two places are not in it.
    """
    groups = []
    for length, suffix in zip(LENGTHS, SUFFIXES, strict=True):
        names = {n for code, name in gazetteer.names.items() if len(code) == length for n in _forms(name, suffix)}
        # the longest first: alternatives are tried in their order
        groups.append("|".join(re.escape(n) for n in sorted(names, key=lambda n: (-len(n), n))))
    pattern = "^(?:中国|中华人民共和国)?" + "".join(f"({g})?" if g else "()" for g in groups)
    meanings: dict[tuple[str, str, str], set[str]] = {}
    for code in gazetteer.names:
        chain = [code[:n] for n in LENGTHS if n <= len(code)]
        for texts in _texts(chain, gazetteer.names):
            meanings.setdefault(texts, set()).add(code)
    known = [(*texts, next(iter(codes))) for texts, codes in meanings.items() if len(codes) == 1]
    return pattern, pd.DataFrame(known, columns=["province", "city", "county", "residence"])


def _forms(name: str, suffix: str) -> set[str]:
    short = re.sub(suffix, "", name)
    return {name, short} if len(short) >= 2 else {name}


def _texts(chain: list[str], names: dict[str, str]) -> Iterable[tuple[str, str, str]]:
    """The ways to write a division: itself by its full name, or by its short one after a division above it."""
    ways: list[list[tuple[str, str]]] = []
    for level, code in enumerate(chain):
        last = level == len(chain) - 1
        name = names.get(code, "")
        ways.append([(f, NAMED if f == name else SHORT) for f in _forms(name, SUFFIXES[level])] if name else [])
        if not last:
            ways[-1].append(("", ABSENT))
    for combination in product(*ways):
        kinds = [kind for _text, kind in combination]
        # a short name alone may be a road's: 上海路 12 号
        if kinds[-1] == NAMED or (len(kinds) == len(LENGTHS) and any(kind != ABSENT for kind in kinds[:-1])):
            texts = [text for text, _kind in combination]
            yield (*texts, *[""] * (len(LENGTHS) - len(texts)))  # type: ignore[misc]


def with_residence(table: Any, gazetteer: Gazetteer | None) -> Any:
    """`table` with `residence` as a prefix: from the code where it is one, else from `address`; NULL where neither tells.

    Columns `residence` (a code as given) and `address` must be there; either may be NULL throughout.
    """
    given = table.residence.re_search(r"^[1-9]\d{5}(\d{3}|\d{6})?$").fill_null(False)
    code = table.residence.left(6).re_replace(r"(00){1,2}$", "")
    table = table.mutate(residence=ibis.ifelse(given, code, ibis.null("string")))
    if gazetteer is None:
        return table
    pattern, meanings = residences(gazetteer)
    # blanks and separators that some systems put between the parts
    text = ibis.coalesce(table.address, "").re_replace(r"[\s·,，/|\-]+", "")
    known = ibis.memtable(meanings.rename(columns=lambda c: f"gazetteer_{c}"))
    parts = {f"address_{name}": ibis.coalesce(text.re_extract(pattern, i), "") for i, name in enumerate(PARTS, 1)}
    table = table.mutate(**parts)
    found = table.left_join(known, [table[p] == known[p.replace("address", "gazetteer")] for p in parts])
    found = found.mutate(residence=ibis.coalesce(found.residence, found.gazetteer_residence))
    return found.drop(*parts, *[f"gazetteer_{c}" for c in meanings])


def outside(residence_prefix: Any, own: Any, digits: int) -> Any:
    """Whether a residence lies outside the hospital's division of so many digits; NULL where that cannot be told.

    Parameters
    ----------
    own
        The hospital's own county as a prefix of six digits, NULL where the registry has none.
    digits
        6 for the county, 4 for the city (2 in a municipality).
    """
    in_municipality = own.left(2).isin(list(MUNICIPALITIES))
    length = ibis.ifelse(in_municipality, 2, 4) if digits == LENGTHS[1] else ibis.literal(digits)
    shared = ibis.least(length, residence_prefix.length(), own.length())
    differs = residence_prefix.substr(0, shared) != own.substr(0, shared)
    told = differs | ((residence_prefix.length() >= length) & (own.length() >= length))
    return ibis.ifelse(told, differs, ibis.null("boolean"))
