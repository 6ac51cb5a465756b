"""医疗机构名录: the hospitals of a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit.data.lists.listing import Row, read_listing
from toolkit.errors import InputError

WHAT = "机构名录"
# 层级 of a hospital: which of two indicators it is judged by hangs on it, so that nothing is guessed
_OF_PROVINCE = "省级 省属 省直 部属 委属 部省属 部级 国家 国家级 自治区 自治区级 直辖市"
_OF_CITY = "市级 市属 市直 地市 地市级 地级市 地级 州 州级 盟"
_OF_COUNTY = "县级 县属 县市 县市级 县级市 县区 县市区 区 区级 区属 区县 旗 旗县 市辖区"
_OF_COUNTY_IN_BRACKETS = "县(市) 县(市)级 县(市、区) 县(市、区)级 县(区) 区(县)"
_PRIMARY = "基层级 乡镇 乡镇级 乡 镇 社区 社区级 街道"
TIERS: dict[str, tuple[str, ...]] = {
    "省": tuple(_OF_PROVINCE.split()),
    "市": tuple(_OF_CITY.split()),
    "县": (*_OF_COUNTY.split(), *_OF_COUNTY_IN_BRACKETS.split()),
    "基层": tuple(_PRIMARY.split()),
}
COLUMNS = ("code", "name", "level", "level_group", "tier", "county", "aliases")


def read_registry(path: Path, work: Path) -> pd.DataFrame:
    """`code, name, level, level_group, tier, county, aliases`, all text, from a table with at least code and name.

    `tier` is one of `TIERS`, whose other words are taken for it, or empty where nobody said. `aliases` are further names of
    the hospital, of old or of its campuses, divided by `;` (rule K02).

    Raises
    ------
    InputError
        The file cannot be read, lacks `code` or `name`, repeats a code, or has another word for a tier.
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
        row.cells["tier"] = _tier(row)
    return _complete(pd.DataFrame([{c: row[c] for c in COLUMNS} for row in rows]))


def _tier(row: Row) -> str:
    given = row["tier"].replace("（", "(").replace("）", ")").replace(" ", "")
    for name, words in TIERS.items():
        if given in (name, *words, ""):
            return name if given else ""
    raise InputError(
        f"层级（tier）“{row['tier']}”不在范围内",
        "no such tier",
        where=f"{row.where} tier",
        remedy=f"填 {'、'.join(TIERS)}",
        remedy_english="one of these: province, city, county, primary care",
    )


def tiers_said(registry: pd.DataFrame | None) -> str:
    """How many hospitals are of each tier, and what those of none are taken for."""
    if registry is None:
        return "没有机构名录，均按市级医院"
    counted = [f"{name} {n} 家" for name in TIERS if (n := int((registry["tier"] == name).sum()))]
    if unknown := int((registry["tier"] == "").sum()):
        counted.append(f"未填 {unknown} 家，按市级医院")
    return "、".join(counted)


def from_codes(codes: list[str]) -> pd.DataFrame:
    """A registry of bare codes, where the run has none."""
    return _complete(pd.DataFrame({"code": sorted(codes), "name": sorted(codes)}))


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    for column in COLUMNS:
        if column not in table:
            table[column] = "全部" if column == "level_group" else ""
    table["level_group"] = table["level_group"].where(table["level_group"] != "", "全部")
    return table[list(COLUMNS)].sort_values("code", ignore_index=True).astype(str)
