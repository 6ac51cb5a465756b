"""The tables of one run: what notebooks open and reports are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from toolkit.declared import OTHER_VERSION, TableDecl
from toolkit.errors import ContractBroken, RunError, nearest
from toolkit.evaluation.cohorts import BY_COHORT, last_cohort
from toolkit.evaluation.facts import RunFacts, load_facts, save_facts
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.params import RunParams

RESULTS = "results"  # folder of a run that holds them
DATA = "data"  # folder of a run with its stored discharges and what became of every record
WINDOWS = "windows"  # folder in it: the tables of every cohort by itself, where a run has several
FACTS, PARAMETERS = "facts.json", "parameters.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Everything a run computed.

    Attributes
    ----------
    params
        What it was asked.
    facts
        What is no table.
    tables
        Every declared table (`toolkit.evaluation.tables.TABLES`, `docs/tables.md`) by name; each is an attribute too:
        `results.cells` is `results.tables["cells"]`.
    windows
        Cohort -> its own tables about levels and changes; empty where the run has one pair of windows.
    """

    params: RunParams
    facts: RunFacts
    tables: Mapping[str, pd.DataFrame]
    windows: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.tables) != set(TABLE):
            odd = sorted(set(self.tables) ^ set(TABLE))
            raise ContractBroken("结果表与声明不符", "tables are not those declared", where="、".join(odd))

    def __getattr__(self, name: str) -> pd.DataFrame:
        """A table by its name."""
        tables = self.__dict__.get("tables", {})
        if name not in tables:
            near = nearest(name, TABLE) if not name.startswith("_") else None
            raise AttributeError(f"results have no table {name!r}{f', but {near}' if near else ''}")
        return tables[name]

    def of_project(self, hospital: str, specialty: str) -> Results:
        """The run as if it knew no other windows than those of one project: what its report is made from.

        Themselves where the unit has no project, or its windows are those of all. Of projects that followed one another the
        windows are those of the last.
        """
        cohort = last_cohort(self.params).get((hospital, specialty))
        if cohort is None or cohort.id not in self.windows:
            return self
        return Results(
            params=self.params.over(cohort),
            facts=replace(self.facts, insufficient=self.facts.windows[cohort.id]),
            tables={**self.tables, **self.windows[cohort.id]},
        )

    @property
    def periods(self) -> dict[str, str]:
        """Cycle label -> words for readers, e.g. `before` -> 建设前（2019–2021）."""
        words = {"before": "建设前", "after": "建设周期", "whole": "评价期"}
        return {label: f"{words[label]}（{years.label}）" for label, years in self.params.periods.items()}

    @property
    def currency(self) -> str:
        """Of the records, as printed."""
        return self.params.data.currency

    @property
    def last_period(self) -> str:
        return list(self.params.periods)[-1]

    def specialty_name(self, id: str) -> str:
        return next((s.name_zh for s in self.params.specialties if s.id == id), id)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {str(code): str(name) for code, name in zip(self.hospitals["code"], self.hospitals["name"], strict=True)}

    def hospital_name(self, code: str) -> str:
        return self._names.get(code, code)

    def unit_name(self, hospital: str, specialty: str) -> str:
        return f"{self.hospital_name(hospital)} {self.specialty_name(specialty)}"


def save(results: Results, folder: Path) -> list[Path]:
    """Write everything; returns the files. Equal results give equal bytes."""
    written = save_tables(results.tables, folder)
    (folder / PARAMETERS).write_text(results.params.model_dump_json(indent=1) + "\n", encoding="utf-8")
    save_facts(results.facts, folder / FACTS)
    return [*written, folder / PARAMETERS, folder / FACTS]


def save_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Write tables, each checked against its declaration; returns the files.

    Raises
    ------
    ContractBroken
        A table is not as declared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in tables.items():
        path = folder / f"{name}.parquet"
        TABLE[name].checked(frame).to_parquet(path, index=False, compression="zstd")
        written.append(path)
    return written


def load_tables(folder: Path, tables: Iterable[TableDecl] = TABLES) -> dict[str, pd.DataFrame]:
    """Tables that `save_tables` wrote, by name, each checked against its declaration.

    Raises
    ------
    FileNotFoundError
        The folder has none of them.
    RunError
        One is missing while others are there, cannot be read, or is not as declared: of an older layout, or damaged.
    """
    paths = {one.name: folder / f"{one.name}.parquet" for one in tables}
    there = {name: path for name, path in paths.items() if path.is_file()}
    if paths and not there:
        raise FileNotFoundError(folder)
    if lost := [name for name in paths if name not in there]:
        raise RunError(
            f"缺少结果表 {'、'.join(f'{name}（{TABLE[name].zh}）' for name in lost)}",
            f"the table {', '.join(lost)} is missing",
            where=str(paths[lost[0]]),
            **OTHER_VERSION,
        )
    return {name: TABLE[name].checked(_read(path), path) for name, path in there.items()}


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise RunError(
            f"结果表 {path.name} 不能读取",
            f"{path.name} cannot be read: {type(error).__name__}",
            where=str(path),
            **OTHER_VERSION,
        ) from error


def _load_params(path: Path) -> RunParams:
    try:
        return RunParams.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"])) or "?"
        raise RunError(
            f"{path.name} 的 {name} 不合现在的参数",
            f"{path.name}, {name}: {first['msg']}",
            where=str(path),
            **OTHER_VERSION,
        ) from None


def load(folder: Path) -> Results:
    """The results in a folder that `save` wrote.

    Raises
    ------
    RunError
        The folder is not that of a finished run, or of one with another layout of tables; what differs is named.
    """
    try:
        tables = load_tables(folder)
        params = _load_params(folder / PARAMETERS)
        facts = load_facts(folder / FACTS)
    except FileNotFoundError as error:
        raise RunError(
            "这不是一次已完成运行的文件夹",
            "not the folder of a finished run",
            where=str(folder),
            remedy="先运行 speceval run 参数文件",
            remedy_english="run it first",
        ) from error
    windows = {c.id: _Stored(folder / WINDOWS / c.id) for c in params.cohorts if (folder / WINDOWS / c.id).is_dir()}
    return Results(params=params, facts=facts, tables=tables, windows=windows)


class _Stored(Mapping[str, pd.DataFrame]):
    """The tables of a cohort in their folder, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in BY_COHORT:
            raise KeyError(name)
        return load_tables(self._folder, [TABLE[name]])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(BY_COHORT)

    def __len__(self) -> int:
        return len(BY_COHORT)
