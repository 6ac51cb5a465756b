"""The tables of one run: what notebooks open and reports are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit.errors import RunError
from toolkit.evaluation.effects import TABLES as EFFECT_TABLES
from toolkit.evaluation.monitoring import TABLES as MONITORING_TABLES
from toolkit.params import RunParams

TABLES = (
    "hospitals",
    "files",
    "accounts",
    "hospital_warnings",
    "balance",
    "profile",
    "effect",
    "submissions",
    "submitted_rules",
    "monthly",
    "cube",
    "units",
    "cells",
    "changes",
    "grades",
    "diseases",
    "specifications",
    *MONITORING_TABLES,
    *EFFECT_TABLES,
)
RESULTS = "results"  # folder of a run that holds them
DATA = "data"  # folder of a run with its stored discharges and what became of every record
FACTS, PARAMETERS = "facts.json", "parameters.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Everything a run computed.

    Attributes
    ----------
    hospitals
        `code, name, level, level_group, tier, county`.
    files, accounts
        As in `toolkit.data.intake.Intake`.
    hospital_warnings
        As in `toolkit.data.intake.Intake`.
    balance
        As from `toolkit.data.accounts.balance.balance`.
    profile, effect
        As from the functions of these names in `toolkit.data.accounts.profile`.
    submissions, submitted_rules
        As from `toolkit.data.accounts.register.tables`; empty without a register.
    monthly
        `hospital, year, month, n`.
    cube
        As from `toolkit.cube.build`.
    units
        One row per evaluation unit: `hospital, specialty, n_<cycle> …, eligible` (enough cases in every cycle), `project`
        (its level, "" where it has none), `id` (of its report).
    cells
        `level` (region, specialty, hospital, unit, peers), `hospital, specialty, period` (a year or a cycle label), and the
        columns of `toolkit.indicators.table`. `peers` are the units of a specialty without a project.
    changes
        `level` (unit, peers), `hospital, specialty, indicator`, the columns of `Change` for the plain ratio, `before, after`, and those of
        `toolkit.evaluation.judgement.judged`.
    specifications
        As in `toolkit.evaluation.robustness.specification_curve`.
    grades
        As in `Referenced.grades`, with `basis` and the columns of `toolkit.reference.described`.
    diseases
        `level` (region, specialty, hospital, unit), `hospital, specialty, disease, period`, and the columns of
        `toolkit.indicators.table`, for the indicators of `toolkit.indicators.diseases`.
    risk_models, risk_terms, calibration, expected, funnels, charts, cusums, shrinkage, power
        As in `toolkit.evaluation.monitoring.monitor`.
    effects, event_study, comparison_units, regression_to_mean, synthetic_weights, segments
        As in `toolkit.evaluation.effects.change_effects`.
    facts
        What is no table: format, grouping, rules, scopes, not_applicable, insufficient, data_hash, parameter_hash, synthetic.
    """

    params: RunParams
    hospitals: pd.DataFrame
    files: pd.DataFrame
    accounts: pd.DataFrame
    hospital_warnings: pd.DataFrame
    balance: pd.DataFrame
    profile: pd.DataFrame
    effect: pd.DataFrame
    submissions: pd.DataFrame
    submitted_rules: pd.DataFrame
    monthly: pd.DataFrame
    cube: pd.DataFrame
    units: pd.DataFrame
    cells: pd.DataFrame
    changes: pd.DataFrame
    grades: pd.DataFrame
    diseases: pd.DataFrame
    specifications: pd.DataFrame
    risk_models: pd.DataFrame
    risk_terms: pd.DataFrame
    calibration: pd.DataFrame
    expected: pd.DataFrame
    funnels: pd.DataFrame
    charts: pd.DataFrame
    cusums: pd.DataFrame
    shrinkage: pd.DataFrame
    power: pd.DataFrame
    effects: pd.DataFrame
    event_study: pd.DataFrame
    comparison_units: pd.DataFrame
    regression_to_mean: pd.DataFrame
    synthetic_weights: pd.DataFrame
    segments: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)

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
    """Write the tables; returns the files. Equal results give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TABLES:
        path = folder / f"{name}.parquet"
        getattr(results, name).to_parquet(path, index=False, compression="zstd")
        written.append(path)
    (folder / PARAMETERS).write_text(results.params.model_dump_json(indent=1) + "\n", encoding="utf-8")
    text = json.dumps(results.facts, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")
    return [*written, folder / PARAMETERS, folder / FACTS]


def load(folder: Path) -> Results:
    """The results in a folder that `save` wrote.

    Raises
    ------
    RunError
        The folder is not that of a finished run.
    """
    assert {f.name for f in fields(Results)} == {*TABLES, "params", "facts"}  # noqa: S101  one list of tables
    try:
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
        params = RunParams.model_validate_json((folder / PARAMETERS).read_text(encoding="utf-8"))
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            "这不是一次已完成运行的文件夹",
            "not the folder of a finished run",
            where=str(folder),
            remedy="先运行 speceval run 参数文件",
            remedy_english="run it first",
        ) from error
    return Results(params=params, facts=facts, **tables)
