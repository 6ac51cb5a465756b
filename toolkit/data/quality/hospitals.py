"""Rules over a hospital's year: pure functions of small tables, their declarations stand with the rules of their group.

Tables, by name
---------------
months
    `hospital, year, month, n`: accepted discharges.
years
    `hospital, year, level_group`, `received, quarantined` (records), `n` (accepted), `diagnoses` (other diagnoses a
    discharge), `against_advice`, `ungrouped`, `round_cost`, `copied` (shares of the accepted), `constant` (names of fields
    with one value throughout). A share that the source cannot have is missing.
missing
    `hospital, year, field, n, share`: share of the records with a missing value, of those whose file has the field.
sent
    `hospital, year, n`: accepted discharges of every hospital in every evaluated year, 0 among them.
ends
    `hospital, year, month, n, first, last, days`: accepted discharges, first and last day of discharge, days of the month.
units
    `hospital, specialty, department, year, month, n`: accepted discharges.
codes
    `hospital, year, half, n, fresh, before`: grouped discharges of a half-year (1, 2; 0 where a source has no months), those
    whose DRG the hospital had in no earlier half-year, and its grouped discharges of all earlier ones.

Every function returns `hospital, year, value, limit, message`, and `specialty` where it is of one: one row for each hit, and
none for a hospital with fewer cases than the declared minimum. A hospital of which there is only one has no peers, and no such finding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from toolkit.data.discharge.schema import BY_NAME
from toolkit.params import RunParams

COLUMNS = ["hospital", "year", "value", "limit", "message"]
BY_CHANCE = 1e-4  # of a month's cases leaving so many days without one; a region has thousands of months


def _findings(
    table: pd.DataFrame, hit: pd.Series, value: pd.Series, limit: pd.Series | float, said: list[str]
) -> pd.DataFrame:
    found = table[["hospital", "year"]].assign(value=value, limit=limit, message=said)
    return found[hit.fillna(False).astype(bool)][COLUMNS].reset_index(drop=True)


def _field(name: str) -> str:
    return BY_NAME[name].name_zh


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _peers(table: pd.DataFrame, column: str) -> pd.Series:
    """Median over the other hospitals of the same level group and year."""
    medians = pd.Series(np.nan, index=table.index)
    for _key, part in table.groupby(["level_group", "year"], sort=False, dropna=False):
        values = part[column]
        for place in part.index:
            medians[place] = values.drop(place).median()
    return medians


def months_out_of_line(months: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则D15: a month with far fewer or more discharges than the hospital's own median month of the year."""
    quality = params.quality
    if months.empty:
        return pd.DataFrame(columns=COLUMNS)
    # a month without any discharge has no row of its own, and is the very thing that is looked for
    full = months.set_index(["hospital", "year", "month"])["n"].unstack("month").reindex(columns=range(1, 13)).fillna(0)
    table = pd.Series(full.stack(), name="n").reset_index()
    median = table.groupby(["hospital", "year"])["n"].transform("median")
    total = table.groupby(["hospital", "year"])["n"].transform("sum")
    ratio = table["n"] / median.where(median > 0)
    hit = ((ratio < quality.month_low) | (ratio > quality.month_high)) & (total >= quality.minimum_cases)
    limit = pd.Series(np.where(ratio > quality.month_high, quality.month_high, quality.month_low), index=table.index)
    said = [
        f"{y}年{m}月出院 {n:.0f} 例，为本院月中位数的 {100 * r:.0f}%，请核实是否漏报"
        for y, m, n, r in zip(table["year"], table["month"], table["n"], ratio.fillna(0), strict=True)
    ]
    return _findings(table, hit, ratio, limit, said)


def few_or_many_diagnoses(years: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则P12: other diagnoses a discharge, against the peers of the same level."""
    quality, peers = params.quality, _peers(years, "diagnoses")
    ratio = years["diagnoses"] / peers.where(peers > 0)
    hit = ((ratio < quality.diagnoses_low) | (ratio > quality.diagnoses_high)) & (years["n"] >= quality.minimum_cases)
    said = [
        f"本院例均其他诊断 {a:.2f} 个，同级 {b:.2f} 个，差异明显，影响风险校正"
        for a, b in zip(years["diagnoses"], peers, strict=True)
    ]
    limit = peers * pd.Series(
        np.where(ratio > quality.diagnoses_high, quality.diagnoses_high, quality.diagnoses_low), years.index
    )
    return _findings(years, hit, years["diagnoses"], limit, said)


def much_against_advice(years: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则O07: share that left against advice, against the peers of the same level."""
    peers = _peers(years, "against_advice")
    limit = peers * params.quality.against_advice_times
    hit = (peers > 0) & (years["against_advice"] > limit) & (years["n"] >= params.quality.minimum_cases)
    said = [
        f"非医嘱离院占 {_percent(a)}，同级 {_percent(b)}，死亡率须结合该比例解读"
        for a, b in zip(years["against_advice"], peers, strict=True)
    ]
    return _findings(years, hit, years["against_advice"], limit, said)


def much_ungrouped(years: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则G04: share of discharges without a DRG."""
    limit = params.quality.ungrouped_share
    hit = (years["ungrouped"] > limit) & (years["n"] >= params.quality.minimum_cases)
    said = [f"未入组比例 {_percent(p)}，高于 {_percent(limit)}" for p in years["ungrouped"]]
    return _findings(years, hit, years["ungrouped"], limit, said)


def years_not_sent(sent: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则X05: an evaluated year without any record of a hospital, while another hospital has some."""
    of_year = sent.groupby("year")["n"].transform("sum")
    own = sent.groupby("hospital")["n"].transform("sum")
    hit = (sent["n"] == 0) & (of_year > 0)
    said = [
        f"{y}年没有任何纳入的病例，请核实是否漏报"
        if total
        else f"{y}年没有任何纳入的病例（各年都没有），请核实机构代码或是否未报送"
        for y, total in zip(sent["year"], own, strict=True)
    ]
    return _findings(sent, hit, sent["n"].astype(float), 1.0, said)


def month_ends_missing(ends: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则D16: no discharge on the last or first days of a month, where many were to be expected on them."""
    if ends.empty:
        return pd.DataFrame(columns=COLUMNS)
    span = ends["last"] - ends["first"] + 1
    parts = []
    for silent, where in ((ends["days"] - ends["last"], "最后"), (ends["first"] - 1, "最初")):
        expected = ends["n"] / span * silent
        # a few cases may well lie together
        chance = (1 - silent / ends["days"]) ** ends["n"]
        said = [
            f"{y}年{m}月{where} {k:.0f} 天没有出院病例，按其余各日约应有 {e:.0f} 例，请核实是否漏报"
            for y, m, k, e in zip(ends["year"], ends["month"], silent, expected, strict=True)
        ]
        limit = params.quality.month_end_cases
        parts.append(_findings(ends, (expected >= limit) & (chance < BY_CHANCE), expected, limit, said))
    return pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)


def fresh_codes(codes: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则G10: a half-year in which many cases have DRGs that the hospital never had before."""
    quality = params.quality
    share = codes["fresh"] / codes["n"].where(codes["n"] > 0)
    enough = codes[["n", "before"]].min(axis=1) >= quality.code_cases
    said = [
        f"{y}年{['', '上半年', '下半年'][int(h)]} {_percent(p)} 的入组病例属于本院此前没有的 DRG，疑为分组器版本变更或编码写法不同"
        for y, h, p in zip(codes["year"], codes["half"], share.fillna(0), strict=True)
    ]
    return _findings(codes, (share > quality.fresh_codes) & enough, share, quality.fresh_codes, said)


def moved_missing(missing: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则X02: the missing share of a key field against the year before."""
    before = missing.assign(year=missing["year"] + 1).rename(columns={"share": "before", "n": "n_before"})
    table = missing.merge(before, on=["hospital", "year", "field"], how="inner")
    enough = table[["n", "n_before"]].min(axis=1) >= params.quality.minimum_cases
    move = (table["share"] - table["before"]).abs()
    said = [
        f"{_field(f)} 的缺失率由 {_percent(a)} 变为 {_percent(b)}，请核实"
        for f, a, b in zip(table["field"], table["before"], table["share"], strict=True)
    ]
    return _findings(table, (move > params.quality.missing_move) & enough, move, params.quality.missing_move, said)


def copied_or_filled(years: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则X03: one constant in a field, totals that are mostly round, records that another hospital has too."""
    quality = params.quality
    constant = years["constant"].fillna("").astype(str)
    parts = [
        _findings(
            years,
            (constant != "") & (years["n"] >= quality.constant_cases),
            years["n"].astype(float),
            float(quality.constant_cases),
            [f"疑似默认填充：{names} 在全部 {n} 例中为同一值" for names, n in zip(constant, years["n"], strict=True)],
        ),
        _findings(
            years,
            (years["round_cost"] > quality.round_cost_share) & (years["n"] >= quality.minimum_cases),
            years["round_cost"],
            quality.round_cost_share,
            [f"疑似复制或估填：{_percent(p)} 的总费用为整百元" for p in years["round_cost"].fillna(0)],
        ),
        _findings(
            years,
            (years["copied"] > quality.copied_share) & (years["n"] >= quality.minimum_cases),
            years["copied"],
            quality.copied_share,
            [f"疑似复制：{_percent(p)} 的记录与他院记录内容相同" for p in years["copied"].fillna(0)],
        ),
    ]
    return pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)


# fields by the rule that asks for them: what every number of a unit rests on, and what only some rest on
OF_RULE = {
    "X04": ("department", "principal_diagnosis"),
    "X06": ("cost_fen",),
    "X07": ("los_days",),
    "X08": ("died",),
    "X09": ("sex", "age_years", "admission_route"),
}


def too_poor(years: pd.DataFrame, missing: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """规则X04: too many records in quarantine, or what tells a specialty too often missing, to evaluate the hospital's year."""
    quality = params.quality
    share = years["quarantined"] / years["judged"].where(years["judged"] > 0)
    said = [f"隔离 {_percent(p)}" for p in share.fillna(0)]
    # of a handful of records, one is more than the limit
    hit = (share > quality.quarantined_share) & (years["judged"] >= quality.minimum_cases)
    many = _findings(years, hit, share, quality.quarantined_share, said)
    lacking = fields_missing("X04")(missing, params)
    return pd.concat([t for t in (many, lacking) if len(t)] or [many], ignore_index=True)


def fields_missing(rule: str) -> Callable[[pd.DataFrame, RunParams], pd.DataFrame]:
    """规则X06–X09 (and a part of X04): a field of the rule that is too often missing in a hospital's year."""

    def judged(missing: pd.DataFrame, params: RunParams) -> pd.DataFrame:
        quality = params.quality
        mine = missing[missing["field"].isin(OF_RULE[rule])].reset_index(drop=True)
        said = [f"{_field(f)} 缺失 {_percent(p)}" for f, p in zip(mine["field"], mine["share"], strict=True)]
        hit = (mine["share"] > quality.missing_share) & (mine["n"] >= quality.minimum_cases)
        return _findings(mine, hit, mine["share"], quality.missing_share, said)

    return judged
