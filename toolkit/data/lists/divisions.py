"""Where a patient lives: division codes (行政区划) from a code column or, failing that, from the address text (A26).

A residence is a prefix of the six-digit division code: province (2 digits), city (4) or county (6). An address is read from
its beginning: province, city, county; the last of them by its full name, those before it by full or short name; as far down
as the gazetteer knows it, and only in a combination that it knows once. Anything else is unresolved, and never local.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import ibis
import pandas as pd

from toolkit.data.lists.listing import read_listing
from toolkit.engine.types import Column, Table
from toolkit.errors import InputError

WHAT = "行政区划表"
LENGTHS = (2, 4, 6)  # digits of a province, city, county
SUFFIXES = (
    r"(维吾尔自治区|壮族自治区|回族自治区|自治区|特别行政区|省|市)$",
    r"(市|地区|自治州|盟)$",
    r"(自治县|自治旗|县|区|市|旗)$",
)
ENDS = "省市区县旗州盟"  # the last characters of names of divisions
MOST_ENDS = 6  # such characters in the beginning of an address: 湖北省荆州市沙市区 has five
MUNICIPALITIES = ("11", "12", "31", "50")  # 直辖市: what "outside the city" means is the province (GB/T 2260)


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
            raise InputError(
                "区划代码不是六位数字", "not a six-digit code", where=f"{row.where} code", remedy="按 GB/T 2260 填写"
            )
        prefix = trimmed(row["code"])
        if prefix in names:
            raise InputError(
                f"区划代码 {row['code']} 重复", "code stands twice", where=f"{row.where} code", remedy="保留一行"
            )
        names[prefix] = row["name"]
    if not any(len(code) == LENGTHS[2] for code in names):
        raise InputError(f"{WHAT}没有县级区划", "no county in the table", where=str(path), remedy="补充县级区划")
    return Gazetteer(path=Path(path), names=names)


def meanings(gazetteer: Gazetteer) -> pd.DataFrame:
    """What the beginning of an address means: `text, residence` (prefix). A text that means two places is not in it."""
    found: dict[str, set[str]] = {}
    for code in gazetteer.names:
        for text in _texts([code[:n] for n in LENGTHS if n <= len(code)], gazetteer.names):
            found.setdefault(text, set()).add(code)
    known = [(text, next(iter(codes))) for text, codes in sorted(found.items()) if len(codes) == 1]
    return pd.DataFrame(known, columns=["text", "residence"])


def _forms(name: str, suffix: str) -> set[str]:
    short = re.sub(suffix, "", name)
    return {name, short} if len(short) > 1 else {name}  # one character is too little to be a name


def _texts(chain: list[str], names: dict[str, str]) -> Iterable[str]:
    """The ways to write a division: by its full name (a short one may be a road's), after none, some or all above it."""
    ways = []
    for level, code in enumerate(chain[:-1]):
        name = names.get(code, "")
        ways.append({"", *(_forms(name, SUFFIXES[level]) if name else ())})
    return ("".join(texts) + names[chain[-1]] for texts in product(*ways))


def with_residence(table: Table, gazetteer: Gazetteer | None) -> Table:
    """`table` with `residence` as a prefix: from the code where it is one, else from `address`; NULL where neither tells.

    Columns `residence` (a code as given) and `address` must be there; either may be NULL throughout.
    """
    given = table.residence.re_search(r"^[1-9]\d{5}(\d{3}|\d{6})?$").fill_null(False)
    county = table.residence.left(6)
    code = ibis.cases((county.endswith("0000"), county.left(2)), (county.endswith("00"), county.left(4)), else_=county)
    table = table.mutate(residence=ibis.ifelse(given, code, ibis.null("string")))
    if gazetteer is None:
        return table
    # blanks and separators that some systems put between the parts
    text = table.address.re_replace(r"[\s·,，/|\-]+", "").re_replace("^(中华人民共和国|中国)", "")
    # where a code has said it already, nothing is read
    asked = ibis.ifelse(table.residence.isnull(), text, ibis.null("string"))
    table = table.mutate(asked_address=asked)
    # every division's name ends in one of a few characters: only beginnings that end there can be one
    starts = {}
    for k in range(MOST_ENDS, 0, -1):
        start = table.asked_address.re_extract(f"^(?:[^{ENDS}]*[{ENDS}]){{{k}}}", 0)
        starts[f"start_{k}"] = ibis.ifelse(table.asked_address.notnull(), start, ibis.null("string"))
    found = table.mutate(**starts).drop("asked_address")
    known = meanings(gazetteer)
    for name in starts:
        place = ibis.memtable(known.rename(columns={"text": f"text_{name}", "residence": f"place_{name}"}))
        found = found.left_join(place, found[name] == place[f"text_{name}"])
    # the longest beginning that is a division
    found = found.mutate(residence=ibis.coalesce(found.residence, *[found[f"place_{name}"] for name in starts]))
    return found.drop(*[f"{kind}{name}" for name in starts for kind in ("", "text_", "place_")])


def outside(residence_prefix: Column, own: Column, digits: int) -> Column:
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
