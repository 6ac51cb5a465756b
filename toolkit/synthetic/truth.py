"""What is true of a synthetic region, and the tables a region publishes beside its records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.documents import Document, Plain
from toolkit.frames import rows_of
from toolkit.synthetic.details import CITY, COUNTY_CODES, OUTSIDE, PROVINCE
from toolkit.synthetic.region import SyntheticRegion
from toolkit.synthetic.settings import MARK
from toolkit.synthetic.specialties import SPECIALTIES

README = f"""{MARK}（SYNTHETIC DATA）

本目录全部内容由程序按随机种子生成，不含任何真实患者、医务人员或医疗机构的信息。
DRG 编码仅形似 CHS-DRG，末位 S 表示合成（synthetic），与任何真实分组方案无关；费用、权重、死亡率均为虚构。
身份证号校验位故意错误；姓名、电话、地址均为占位文字。请勿用于任何真实评价结论。

hospitals.csv    医疗机构名录        departments.csv  出院科别与专科对应
projects.csv     建设项目            deflators.csv    费用价格指数（首年 = 1）
divisions.csv    行政区划（虚构，98、99 开头）
drg.csv          分组结果（仅随病案首页输出，键为 A01 + A48 + A49）
truth.json       真值：种植的效应、各单元真实水平、逐行登记的缺陷
"""


def truth(region: SyntheticRegion, **pages: Plain) -> Document:
    """Everything the records were drawn from, JSON-ready.

    Keys: notice, settings, deflators (year → factor), hospitals, specialties, drgs (one entry per DRG: mean cost in
    yuan and mean LOS of the first year at level 1, death probability, normal score of the log death rate), units
    (latent levels; `expected` holds each year's true factors, project effects included), projects (true effects).
    `pages` adds what the front-page writer knows: files, defects, counts.
    """
    units = region.units
    expected = {year: region.expected(year) for year in region.settings.years}
    names = [s.id for s in SPECIALTIES]
    codes = region.hospitals.code.tolist()
    unit_rows = [
        {
            "hospital": codes[row.hospital],
            "specialty": names[row.specialty],
            **{
                name: _number(getattr(row, name))
                for name in ("volume", "cost", "los", "mortality", "case_mix", "level4")
            },
            "expected": {
                str(year): {name: _number(values[position]) for name, values in factors.items()}
                for year, factors in expected.items()
            },
        }
        for position, row in enumerate(rows_of(units, index=False))
    ]
    drg_columns = ["code", "kind", "severity", "cost", "los", "death", "score", "surgical", "level4", "emergency"]
    drgs = region.drgs[drg_columns].to_dict("records")
    projects = projects_table(region)
    effects = [asdict(effect) for effect in region.projects.effect]
    return {
        "notice": f"{MARK} — synthetic data, no real person or institution",
        "settings": asdict(region.settings),
        "cycles": {"before": list(region.settings.before), "after": list(region.settings.after)},
        "deflators": {str(year): factor for year, factor in rows_of(deflators(region), index=False)},
        "hospitals": hospitals_table(region).to_dict("records"),
        "specialties": [{"id": s.id, "name_zh": s.name_zh, "surgical": s.surgical} for s in SPECIALTIES],
        "drgs": [{key: _number(value) for key, value in row.items()} for row in drgs],
        "units": unit_rows,
        "projects": [
            {**row, "observed_merit": _number(score), "effect": effect}
            for row, score, effect in zip(projects.to_dict("records"), region.projects.score, effects, strict=True)
        ],
        **pages,
    }


def write_registry(region: SyntheticRegion, folder: Path, **pages: Plain) -> None:
    """hospitals.csv, departments.csv, projects.csv, deflators.csv, divisions.csv, README.txt (UTF-8) and truth.json into `folder`."""
    tables = {
        "hospitals": hospitals_table(region),
        "departments": departments_table(),
        "projects": projects_table(region),
        "deflators": deflators(region),
        "divisions": divisions_table(),
    }
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")
    (folder / "README.txt").write_text(README, encoding="utf-8")
    content = json.dumps(truth(region, **pages), ensure_ascii=False, indent=1)
    (folder / "truth.json").write_text(content + "\n", encoding="utf-8")


def hospitals_table(region: SyntheticRegion) -> pd.DataFrame:
    """One row per hospital: code (text), name, level, level_group, tier (市/县), county, urban (1 主城区, 0 not)."""
    columns = ["code", "name", "level", "level_group", "tier", "county", "urban"]
    return region.hospitals[columns].assign(urban=region.hospitals.urban.astype(int))


def divisions_table() -> pd.DataFrame:
    """One row per division: code (six digits, of no real place), name. The homes of the records lie in them."""
    rows = [PROVINCE, CITY, *COUNTY_CODES.items(), *OUTSIDE.items(), ("外地合成区", "990202"), ("外省合成区", "980102")]
    return pd.DataFrame(rows, columns=["name", "code"])[["code", "name"]].sort_values("code", ignore_index=True)


def departments_table() -> pd.DataFrame:
    """One row per discharge department: department (code, text), name, specialty, specialty_name, surgical (1/0)."""
    return pd.DataFrame(
        [
            {
                "department": code,
                "name": name,
                "specialty": s.id,
                "specialty_name": s.name_zh,
                "surgical": int(s.surgical),
            }
            for s in SPECIALTIES
            for code, name in s.departments
        ]
    )


def projects_table(region: SyntheticRegion) -> pd.DataFrame:
    """One row per project: hospital, specialty, level (市/县), start_year, end_year. No effect stands in it."""
    unit = region.units.loc[region.projects.unit.astype(int)]
    return pd.DataFrame(
        {
            "hospital": region.hospitals.code.to_numpy()[unit.hospital.to_numpy(int)],
            "specialty": np.array([s.id for s in SPECIALTIES])[unit.specialty.to_numpy(int)],
            "level": region.projects.tier.to_numpy(),
            "start_year": region.settings.after[0],
            "end_year": region.settings.after[-1],
        }
    )


def deflators(region: SyntheticRegion) -> pd.DataFrame:
    """One row per year: year, factor on prices against the first year (divide by it to deflate)."""
    factor = [(1 + region.settings.inflation) ** position for position in range(len(region.settings.years))]
    return pd.DataFrame({"year": region.settings.years, "factor": np.round(factor, 6)})


def _number(value: Plain) -> Plain:
    """Twelve significant digits: the same text on every machine."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.12g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
