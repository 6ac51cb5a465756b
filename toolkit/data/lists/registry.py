"""医疗机构名录: the hospitals of a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit.data.lists.listing import Row, read_listing
from toolkit.errors import InputError

WHAT = "机构名录"
COLUMNS = ("code", "name", "level", "level_group", "tier", "county", "aliases")


def read_registry(path: Path, work: Path) -> pd.DataFrame:
    """`code, name, level, level_group, tier (市/县), county, aliases`, all text, from a table with at least code and name.

    `aliases` are further names of the hospital, of old or of its campuses, divided by `;` (rule K02).

    Raises
    ------
    InputError
        The file cannot be read, lacks `code` or `name`, or repeats a code.
    """
    rows = read_listing(path, WHAT, ["code", "name?"], COLUMNS[2:], codes=["code"], others=True)
    seen: dict[str, Row] = {}
    for row in rows:
        if row["code"] in seen:
            raise InputError(
                "机构代码为空或重复",
                f"hospital code empty or repeated, see {seen[row['code']].where}",
                where=f"{row.where} code",
                remedy="修正该行",
            )
        seen[row["code"]] = row
    return _complete(pd.DataFrame([{c: row[c] for c in COLUMNS} for row in rows]))


def from_codes(codes: list[str]) -> pd.DataFrame:
    """A registry of bare codes, where the run has none."""
    return _complete(pd.DataFrame({"code": sorted(codes), "name": sorted(codes)}))


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    for column in COLUMNS:
        if column not in table:
            table[column] = "全部" if column == "level_group" else ""
    table["level_group"] = table["level_group"].where(table["level_group"] != "", "全部")
    return table[list(COLUMNS)].sort_values("code", ignore_index=True).astype(str)
