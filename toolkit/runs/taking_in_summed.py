"""Stage `intake` where the source has no records: sums by DRG, or values of indicators, checked and accounted for row by row."""

from __future__ import annotations

import pandas as pd

from toolkit.cube import KEY
from toolkit.data.accounts.balance import ALL
from toolkit.data.lists.registry import from_codes, read_registry, tiers_said
from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality import SCOPES
from toolkit.data.quality.base import Fate
from toolkit.data.summed import read_sums, read_values
from toolkit.errors import InputError
from toolkit.evaluation.facts import CANNOT
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.indicators.given import given_sums, without_interval
from toolkit.params import RunParams
from toolkit.running.notebook import file_hash
from toolkit.runs.asked import CELLS, GIVEN, Asked, Made
from toolkit.runs.sources import content_hash

OUT_OF_TIME = "D04"
NO_RECORDS = "来源为已汇总的数据，没有病例可查"
TITLES = {"sums": "汇总表（机构 × 专科 × 年 × DRG）", "values": "数值表（机构 × 专科 × 年 × 指标）"}


def take_in_summed(asked: Asked, params: RunParams) -> Made:
    """The rows of the years that are evaluated; the other years are accounted for as excluded."""
    data = params.data
    path = data.table
    assert path is not None  # noqa: S101  the caller looked
    specialties = {s.id for s in params.specialties}
    if data.sums:
        rows, kind, given = read_sums(path, specialties), "sums", None
    else:
        values, kind = read_values(path, specialties), "values"
        given = given_sums(values)
        rows = _discharges(given)
    inside = rows["year"].isin(params.all_years)
    if not inside.any():
        raise InputError(
            "没有任何一行在评价年份内",
            "no row is of a year that is evaluated",
            where=str(path),
            remedy=f"评价年份: {params.all_years[0]}–{params.all_years[-1]}",
            remedy_english="check the years",
        )
    registry = read_registry(data.hospitals, asked.work) if data.hospitals else None
    _known(rows, registry, str(path))
    hospitals = from_codes(sorted(rows["hospital"].unique())) if registry is None else registry
    fate = inside.map({True: Fate.ACCEPTED.value, False: Fate.EXCLUDED.value})
    rule = inside.map({True: "", False: OUT_OF_TIME})
    accounts = (
        rows.assign(file=1, fate=fate, rule=rule, rules=rule.map(lambda r: f"|{r}|" if r else ""))
        .groupby(["file", "hospital", "year", "fate", "rule", "rules"])["n"]
        .sum()
        .reset_index()
    )
    digest = file_hash(path)
    files = {
        "file": 1,
        "name": path.name,
        "sha256": digest,
        "size": path.stat().st_size,
        "kind": TITLES[kind],
        "encoding": "",
        "status": "read",
        "rows": len(rows) if given is None else len(given),
        "received": int(rows["n"].sum()),
        "rejected": "",
        "rejected_by": "",
        "dropped": "",
        "warnings": "",
    }
    whole = accounts.assign(measure=ALL)
    balance = whole.groupby(["file", "hospital", "measure", "fate", "rule"])["n"].sum().reset_index()
    tables = {one.name: one.empty() for one in TABLES if one.stage == "intake"}
    tables |= {
        "hospitals": hospitals,
        "files": pd.DataFrame([files])[list(TABLE["files"].by_name)],
        "accounts": accounts[list(TABLE["accounts"].by_name)],
        "balance": balance[list(TABLE["balance"].by_name)],
    }
    frames = {CELLS: rows[inside].reset_index(drop=True)}
    if given is not None:
        frames[GIVEN] = given[given["year"].isin(params.all_years)].reset_index(drop=True)
    facts = {
        "format": TITLES[kind],
        "grouping": "汇总表所列的 DRG" if kind == "sums" else "没有 DRG",
        "not_applicable": dict.fromkeys(RULES, NO_RECORDS),
        "ungrouped": {},
        "synthetic": False,
        "scopes": list(SCOPES.items()),
        "codes": {},
        "data_hash": content_hash([digest]),
        "lists": {
            "来源": TITLES[kind],
            "机构层级": tiers_said(registry),
            "病种": "来源没有病例，不评病种",
            CANNOT: cannot(kind, frames.get(GIVEN)),
        },
        "diseases": [],
        "brought": {},
    }
    return Made(tables=tables, frames=frames, facts=facts)


def _discharges(given: pd.DataFrame) -> pd.DataFrame:
    """Discharges of a unit's year: the most that stand behind one of its values."""
    keys = [k for k in KEY if k != "drg"]
    return given.groupby(keys)["cases"].max().rename("n").reset_index().assign(drg="")


def _known(rows: pd.DataFrame, registry: pd.DataFrame | None, where: str) -> None:
    if registry is None:
        return
    unknown = sorted(set(rows["hospital"]) - set(registry["code"]))
    if unknown:
        raise InputError(
            f"机构 {unknown[0]} 不在名录内",
            "a hospital is not in the registry",
            where=where,
            remedy="补入名录，或核对机构代码",
            remedy_english="add it to the registry, or check the code",
        )


def cannot(kind: str, given: pd.DataFrame | None) -> str:
    """What cannot be computed from such a source, in words."""
    always = "病例的核对与隔离、裁剪、逐月监测与控制图、病种、再住院、编码深度、按病例特征的死亡风险校正"
    if kind == "sums":
        return f"{always}；没有给出平方和的指标没有区间"
    said = f"{always}；参照、权重与死亡风险分级的重新计算，变化的分解，稳健性试算；前后比较用的参照是否固定，由报送方的算法决定"
    lacking = without_interval(given) if given is not None else []
    return said + (f"；没有标准差因而没有区间的指标：{'、'.join(lacking)}" if lacking else "")
