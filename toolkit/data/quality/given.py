"""What a run was given beside its records: dictionaries, directories, tables. A rule without its list is 不适用."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from toolkit.data.lists.code_lists import CodeList, read_code_list
from toolkit.data.lists.listing import number_of, read_listing
from toolkit.data.lists.published import weight_table
from toolkit.errors import InputError
from toolkit.params import RunParams
from toolkit.written_form import written_form

LIMITS, COVER = "DRG 适用条件", "报送说明"


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
    categories
        Category by procedure code and year.
    weights
        DRG → weight of the published table.
    versions
        Year → version of the grouper.
    shapes
        Field → regular expression that its codes meet; a field without one may hold any.
    ungrouped
        Words, in their written form, that stand for no DRG.
    """

    hospitals: pd.DataFrame | None = None
    diagnoses: CodeList | None = None
    procedures: CodeList | None = None
    levels: CodeList | None = None
    categories: CodeList | None = None
    weights: dict[str, float] | None = None
    versions: dict[int, str] = field(default_factory=dict)
    limits: tuple[DrgLimit, ...] = ()
    covers: tuple[Cover, ...] = ()
    shapes: Mapping[str, str] = field(default_factory=dict)
    ungrouped: frozenset[str] = frozenset()


def read_given(params: RunParams, hospitals: pd.DataFrame | None, shapes: Mapping[str, str] | None = None) -> Given:
    """The lists that the parameters name.

    Parameters
    ----------
    shapes
        As in `Given`.

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
        categories=_list(params.indicators.procedure_categories, "手术操作类别字典", params, categories=True),
        weights=_weights(params.weights.file) if params.weights.file else None,
        versions=dict(params.grouping.versions),
        limits=_limits(data.drg_limits) if data.drg_limits else (),
        covers=_covers(data.cover_sheet) if data.cover_sheet else (),
        shapes=shapes or {},
        ungrouped=frozenset(map(written_form, params.grouping.ungrouped)),
    )


def _list(
    path: Path | None, name_zh: str, params: RunParams, *, levels: bool = False, categories: bool = False
) -> CodeList | None:
    if path is None:
        return None
    return read_code_list(path, name_zh, params.all_years, levels=levels, categories=categories)


def _weights(path: Path) -> dict[str, float]:
    table = weight_table(path)
    return dict(zip(table["drg"], table["weight"], strict=True))


def _limits(path: Path) -> tuple[DrgLimit, ...]:
    found = []
    for row in read_listing(path, LIMITS, ["drg"], ["sex", "youngest", "oldest", "diagnoses", "name"], codes=["drg"]):
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
                youngest=int(number_of(row, "youngest", LIMITS)) if row["youngest"] else 0,
                oldest=int(number_of(row, "oldest", LIMITS)) if row["oldest"] else 999,
                diagnoses=tuple(written_form(p) for p in row["diagnoses"].split(";") if p.strip()),
            )
        )
    return tuple(found)


def _covers(path: Path) -> tuple[Cover, ...]:
    found = []
    for row in read_listing(
        path, COVER, ["file", "discharges"], ["month", "total_cost", "hospital"], codes=["hospital"]
    ):
        total = round(number_of(row, "total_cost", COVER) * 100) if row["total_cost"] else None
        found.append(
            Cover(
                file=row["file"],
                month=row["month"],
                discharges=int(number_of(row, "discharges", COVER)),
                total_fen=total,
                where=row.where,
            )
        )
    return tuple(found)
