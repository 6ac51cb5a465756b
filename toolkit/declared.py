"""Declared tables: what a table of a run is, said once. Saving, loading, release, exports and documents follow from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from numbers import Number
from pathlib import Path
from typing import Self

import pandas as pd

from toolkit.errors import ContractBroken, RunError

Kind = type[str] | type[int] | type[float] | type[bool]
KIND_ZH: dict[type, str] = {str: "文字", int: "整数", float: "小数", bool: "是/否"}
KIND_EN: dict[type, str] = {str: "text", int: "whole number", float: "number", bool: "yes/no"}
OTHER_VERSION = {  # remedy for stored results that are not as declared
    "remedy": "结果由另一版本的工具生成或文件已损坏；重新运行 speceval run 参数文件 --fresh",
    "remedy_english": "made by another version or damaged; run again with --fresh",
}
_CANONICAL: dict[type, str] = {str: "str", int: "int64", float: "float64", bool: "bool"}


@dataclass(frozen=True, kw_only=False)
class Col:
    """One column of a table.

    Attributes
    ----------
    name
        As in the frame; `*` in it stands for several columns of one kind, e.g. `n_*` for `n_before`, `n_after`.
    kind
        `str`, `int`, `float` or `bool`. A whole number may be stored as a float where values are missing.
    zh
        Header for readers.
    unit
        Of the numbers, in Chinese: 例, 分, 天, %, …; "" where there is none.
    meaning
        What the header does not say, in Chinese.
    words
        Ids that may stand in the column -> what readers are told. Empty where the column is no id of a closed list.
    optional
        Whether some runs have no such column; `meaning` says which.
    """

    name: str
    kind: Kind
    zh: str
    unit: str = ""
    meaning: str = ""
    words: tuple[tuple[str, str], ...] = ()
    optional: bool = False

    @property
    def several(self) -> bool:
        return "*" in self.name

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(".+".join(re.escape(part) for part in self.name.split("*")))


class Word(StrEnum):
    """One of a closed list: the id that tables and logic hold, and the Chinese word that readers get at the last step."""

    zh: str

    def __new__(cls, id: str, zh: str = "") -> Self:
        """A member that equals its id and carries its word: `EXCLUDED = "excluded", "排除"`."""
        one = str.__new__(cls, id)
        one._value_, one.zh = id, zh
        return one

    @classmethod
    def words(cls) -> tuple[tuple[str, str], ...]:
        """Ids and words, as a column declares them."""
        return tuple((one.value, one.zh) for one in cls)

    @classmethod
    def said(cls, ids: Iterable[str]) -> list[str]:
        """The words of ids; "" of an empty one."""
        return [cls(id_).zh if id_ else "" for id_ in ids]


# id of a stage of a run -> what it does
STAGES: dict[str, str] = {
    "intake": "接收与核对",
    "sums": "汇总",
    "cube": "按本次口径的汇总",
    "judged": "指标、变化与判定",
}


@dataclass(frozen=True, kw_only=True)
class TableDecl:
    """One table of a run.

    Attributes
    ----------
    name
        Of the table in `Results`, and of its file.
    zh
        Title for readers.
    one_row, one_row_zh
        The grain in words: one row is …
    key
        Columns that tell the rows apart; never missing.
    columns
        In their order.
    stage
        Id of the stage of a run that makes it (`STAGES`).
    release
        Id of the control that the release edition puts it through (`toolkit.release.disclosure.CONTROLS`); without one its
        rows are not given out.
    crate
        Whether the exact table may leave with the run's crate. One that holds single cases may not.
    """

    name: str
    zh: str
    one_row: str
    one_row_zh: str
    key: tuple[str, ...]
    columns: tuple[Col, ...]
    stage: str
    release: str = ""
    crate: bool = False

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        assert len(set(names)) == len(names), f"{self.name}: a column twice"  # noqa: S101  a declaration at fault
        assert set(self.key) <= set(names), f"{self.name}: a key that is no column"  # noqa: S101
        assert len({c.zh for c in self.columns}) == len(names), f"{self.name}: two columns of one header"  # noqa: S101
        assert self.stage in STAGES, f"{self.name}: no stage {self.stage}"  # noqa: S101

    @cached_property
    def by_name(self) -> dict[str, Col]:
        return {c.name: c for c in self.columns}

    def col(self, name: str) -> Col | None:
        """The declaration of a column of the frame; None where it has none."""
        if name in self.by_name:
            return self.by_name[name]
        return next((c for c in self.columns if c.several and c.pattern.fullmatch(name)), None)

    def empty(self) -> pd.DataFrame:
        """No row; columns that stand for several are left out."""
        plain = [c for c in self.columns if not c.several and not c.optional]
        return pd.DataFrame({c.name: pd.Series(dtype=_CANONICAL[c.kind]) for c in plain})

    def faults(self, frame: pd.DataFrame) -> list[tuple[str, str, str]]:
        """What is wrong with a frame: column, Chinese and English words; empty where nothing is."""
        found: list[tuple[str, str, str]] = []
        for column in self.columns:
            if not (column.several or column.optional) and column.name not in frame:
                found.append((column.name, "缺少这一列", "the column is missing"))
        for name in frame.columns:
            declared = self.col(str(name))
            if declared is None:
                found.append((str(name), "没有声明这一列", "the column is not declared"))
            elif not _is(frame[name], declared.kind):
                said = f"应为{KIND_ZH[declared.kind]}，实为 {frame[name].dtype}"
                found.append((str(name), said, f"{KIND_EN[declared.kind]} expected, {frame[name].dtype} found"))
        return found

    def checked(self, frame: pd.DataFrame, stored: Path | None = None) -> pd.DataFrame:
        """The frame, where it is as declared; columns of a new one whose type was lost on the way get the declared one.

        A part without rows makes pandas forget types where it is joined to others, and a frame without rows has none.

        Parameters
        ----------
        stored
            The file that the frame was read from; None for a frame that the toolkit has just made.

        Raises
        ------
        ContractBroken, RunError
            A column is missing, not declared or of another kind: of a new frame, of a stored one. Table and column are named.
        """
        if stored is None:
            frame = self._typed(frame)
        if faults := self.faults(frame):
            column, said, english = faults[0]
            more = f"（另有 {len(faults) - 1} 处）" if len(faults) > 1 else ""
            problem = f"结果表 {self.name}（{self.zh}）的列 {column}：{said}{more}"
            english = f"table {self.name}, column {column}: {english}"
            if stored is None:
                raise ContractBroken(
                    problem,
                    english,
                    where=self.name,
                    remedy="使表与它的声明一致（toolkit/evaluation/tables）",
                    remedy_english="make the table and its declaration agree",
                )
            raise RunError(problem, english, where=str(stored), **OTHER_VERSION)
        return frame

    def _typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns of plain objects with the declared type, where all values are of it."""
        found: dict[str, pd.Series] = {}
        for name in frame.columns:
            declared, values = self.col(str(name)), frame[name]
            if declared is None or (len(frame) and not pd.api.types.is_object_dtype(values)):
                continue
            if len(frame) == 0:
                found[name] = values.astype(_CANONICAL[declared.kind])
            elif declared.kind in (int, float) and values.map(lambda v: v is None or isinstance(v, Number)).all():
                found[name] = pd.to_numeric(values)
        return frame.assign(**found) if found else frame


def _is(values: pd.Series, kind: Kind) -> bool:
    """Whether a column is of a kind; one in which nothing stands is of any."""
    types = pd.api.types
    if isinstance(values.dtype, pd.CategoricalDtype):
        return kind is str and _is(pd.Series(values.cat.categories), str)
    if kind is str:
        return bool(types.is_string_dtype(values.dropna()) or values.isna().all())
    if kind is bool:
        return bool(types.is_bool_dtype(values) or values.isna().all())
    if types.is_bool_dtype(values) or not (types.is_numeric_dtype(values) or values.isna().all()):
        return False
    if kind is float or types.is_integer_dtype(values):
        return True
    known = values.dropna()
    return bool((known == known.round()).all())
