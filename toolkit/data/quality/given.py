"""What a run was given beside its records: dictionaries, directories, tables. A rule without its list is 不适用."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.data.lists.code_lists import CodeList, read_code_list
from toolkit.data.lists.listing import Row, read_listing
from toolkit.errors import InputError
from toolkit.params import RunParams

LIMITS, COVER, WEIGHTS = "DRG 适用条件", "报送说明", "权重表"


@dataclass(frozen=True, kw_only=True)
class DrgLimit:
    """Whom a DRG (or all that begin with `drg`) is for: sex code, ages in years (ends included), first letters of the diagnosis."""

    drg: str
    sex: str = ""
    youngest: int = 0
    oldest: int = 999
    diagnoses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cover:
    """What a hospital says its file holds: of the whole file (month "") or of one month (yyyy-mm)."""

    file: str
    month: str
    discharges: int
    total_fen: int | None
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The lists of a run, None where it has none.

    Attributes
    ----------
    hospitals
        The registry: `code, name, level_group`, and `aliases` (names divided by ;) where it has them.
    diagnoses, procedures
        Dictionaries in force by year.
    levels
        Surgery directory: level by procedure code and year.
    weights
        DRG → weight of the published table.
    versions
        Year → version of the grouper.
    """

    hospitals: pd.DataFrame | None = None
    diagnoses: CodeList | None = None
    procedures: CodeList | None = None
    levels: CodeList | None = None
    weights: dict[str, float] | None = None
    versions: dict[int, str] = field(default_factory=dict)
    limits: tuple[DrgLimit, ...] = ()
    covers: tuple[Cover, ...] = ()


def read_given(params: RunParams, hospitals: pd.DataFrame | None) -> Given:
    """The lists that the parameters name.

    Raises
    ------
    InputError
        One of them is not what it should be; with file and line.
    """
    data = params.data
    return Given(
        hospitals=hospitals,
        diagnoses=_list(data.diagnosis_dictionary, "诊断编码字典", params),
        procedures=_list(data.procedure_dictionary, "手术操作编码字典", params),
        levels=_list(params.indicators.surgery_levels, "手术分级目录", params, levels=True),
        weights=_weights(params.weights.file) if params.weights.file else None,
        versions=dict(params.grouping.versions),
        limits=_limits(data.drg_limits) if data.drg_limits else (),
        covers=_covers(data.cover_sheet) if data.cover_sheet else (),
    )


def _list(path: Path | None, name_zh: str, params: RunParams, *, levels: bool = False) -> CodeList | None:
    return read_code_list(path, name_zh, params.all_years, levels=levels) if path else None


def _weights(path: Path) -> dict[str, float]:
    return {
        row["drg"]: _number(row, "weight", WEIGHTS)
        for row in read_listing(path, WEIGHTS, ["drg", "weight"], ["name", "source"])
    }


def _limits(path: Path) -> tuple[DrgLimit, ...]:
    found = []
    for row in read_listing(path, LIMITS, ["drg"], ["sex", "youngest", "oldest", "diagnoses", "name"]):
        if row["sex"] not in ("", "1", "2"):
            raise InputError(
                "性别不是 1 或 2",
                "sex is neither 1 nor 2",
                where=f"{row.where} sex",
                remedy="填 1 男、2 女或留空",
                remedy_english="1, 2 or empty",
            )
        found.append(
            DrgLimit(
                drg=row["drg"],
                sex=row["sex"],
                youngest=int(_number(row, "youngest", LIMITS)) if row["youngest"] else 0,
                oldest=int(_number(row, "oldest", LIMITS)) if row["oldest"] else 999,
                diagnoses=tuple(p.strip().upper() for p in row["diagnoses"].split(";") if p.strip()),
            )
        )
    return tuple(found)


def _covers(path: Path) -> tuple[Cover, ...]:
    found = []
    for row in read_listing(path, COVER, ["file", "discharges"], ["month", "total_cost", "hospital"]):
        total = round(_number(row, "total_cost", COVER) * 100) if row["total_cost"] else None
        found.append(
            Cover(
                file=row["file"],
                month=row["month"],
                discharges=int(_number(row, "discharges", COVER)),
                total_fen=total,
                where=row.where,
            )
        )
    return tuple(found)


def _number(row: Row, column: str, what: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = float("nan")
    if not 0 <= number < 1e15:
        raise InputError(
            f"{what}的 {column} 不是有效的数",
            "not a number",
            where=f"{row.where} {column}",
            remedy="写成不带千分位的数",
            remedy_english="write a plain number",
        )
    return number
