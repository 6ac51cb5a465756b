"""Stage `intake`: files to stored discharges, one fate a record, and the accounts of all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from toolkit.data import intake as intakes
from toolkit.data import store as stores
from toolkit.data.accounts.balance import balance
from toolkit.data.accounts.profile import profile, quarantine_effect
from toolkit.data.accounts.register import tables as tables_of
from toolkit.data.accounts.register import write_register
from toolkit.data.accounts.submitted import SUBMITTED
from toolkit.data.accounts.worklist import field_codes
from toolkit.data.discharge.derived import facts_of, read_lists
from toolkit.data.lists.diseases import read_diseases
from toolkit.data.lists.registry import from_codes, read_registry, tiers_said
from toolkit.data.quality import SCOPES
from toolkit.data.reading.groups import run_groups
from toolkit.data.typed_parts import TypedParts
from toolkit.documents import Entries
from toolkit.engine import connect
from toolkit.errors import InputError
from toolkit.params import Project, RunParams
from toolkit.running.manifest import digest
from toolkit.running.publish import PRIVATE, canonical
from toolkit.runs.asked import Asked, Made
from toolkit.runs.heeds import covers
from toolkit.runs.sources import content_hash
from toolkit.synthetic.as_data import Brought, generated

SUMMED = "toolkit.runs.taking_in_summed"
KEPT = "typed"  # folder of the run's private one
DRG_FILE, SOURCES = "data.drg_file.file", "data.sources"
# what is held against records after each was typed by itself: another content of these leaves typed rows as they are
ACROSS_FILES = (
    "data.files",
    "data.submissions",
    "data.arrived",
    "data.cover_sheet",
    "data.diagnosis_dictionary",
    "data.procedure_dictionary",
    "data.drg_limits",
    "weights.file",
)


def beside(params: RunParams) -> tuple[str, ...]:
    """Modules that a run of this kind takes in by, beside this one."""
    return (SUMMED,) if params.data.summed else ()


def take_in_records(asked: Asked) -> Made:
    """Read every file that is not known, judge every record, store the accepted ones."""
    params, brought = _with_starts(asked.params, asked.derived["starts"]), None
    if params.data.summed:
        # by name: what sums need is none of the code that a change makes records anew for (see `beside`)
        return import_module(SUMMED).take_in_summed(asked, params)
    if params.data.synthetic:
        asked.progress("生成合成数据", 0.0)
        params, brought = generated(params, asked.work / "synthetic")
    groups = run_groups(params.data)
    forms = [group.form for group in groups]
    registry = read_registry(params.data.hospitals, asked.work) if params.data.hospitals else None
    parts = _typed_parts(asked)
    inputs = [Path(f) for f in params.data.entries] + ([params.data.drg_file.file] if params.data.drg_file else [])
    connection = connect(asked.work, [*inputs, parts.folder], engine=params.engine)
    try:
        intake = intakes.take_in(params, groups, registry, connection, asked.work, asked.progress, asked.secret, parts)
        _unchanged(asked.identity["raw"], intake.files)
        register = intake.entry.made(intake.files, intake.accounts) if intake.entry else None
        submissions, submitted_rules = tables_of(register, intake.entry.notes(intake.files) if intake.entry else None)
        tables = {
            "files": intake.files,
            "accounts": intake.accounts,
            "hospital_warnings": intake.hospital_warnings,
            "balance": balance(intake, connection),
            "profile": profile(intake, forms, connection),
            "quarantine_effect": quarantine_effect(intake, connection),
            "submissions": submissions,
            "submitted_rules": submitted_rules,
        }
        parts.prune(connection)
    finally:
        connection.disconnect()
    tiers = tiers_said(registry)
    if registry is None:
        registry = from_codes(sorted(c for c in intake.accounts["hospital"].unique() if c))
    data = asked.work / "staged" / "data"
    data.mkdir(parents=True)
    for name in (stores.DISCHARGES, intakes.FATES, SUBMITTED):
        (asked.work / name).rename(data / name)
    facts = {
        "format": "；".join(dict.fromkeys(form.title for form in forms)),
        "grouping": "；".join(dict.fromkeys(form.grouping for form in forms if form.grouping)),
        "not_applicable": dict(intake.not_applicable),
        "ungrouped": dict(intake.ungrouped),
        "synthetic": params.data.synthetic is not None,
        "scopes": list(SCOPES.items()),
        "codes": dict(field_codes(forms)),
        "data_hash": content_hash(sorted(intake.files["sha256"])),
        "lists": {**facts_of(read_lists(params), params), "机构层级": tiers},
        "diseases": [[d.id, d.name_zh] for d in read_diseases(params.data.diseases).diseases],
        "brought": brought.model_dump(mode="json") if brought else {},
    }
    afterwards = [partial(write_register, register)] if register else []
    return Made(tables={"hospitals": registry, **tables}, facts=facts, afterwards=afterwards, also=intake)


def _with_starts(params: RunParams, starts: Sequence[int]) -> RunParams:
    """The parameters with a nameless project for each starting year: of projects, the intake knows only what years they need."""
    return params.model_copy(
        update={"projects": [Project(hospital="0", specialty="nameless", start=start) for start in starts]}
    )


def _typed_parts(asked: Asked) -> TypedParts:
    """The typed rows of earlier runs; none of a generated region, whose files are gone, and none beside Spark."""
    if asked.params.data.synthetic or asked.params.engine != "duckdb":
        return TypedParts.opened(asked.work / "parts")
    made_from = asked.identity
    chosen = {n: v for n, v in made_from["parameters"].items() if not _across_files(n)}
    chosen[SOURCES] = [{**group, "files": []} for group in chosen.get(SOURCES, ())]
    made_with = {
        "parameters": chosen,
        "inputs": {n: v for n, v in made_from["inputs"].items() if not _across_files(n) and n != DRG_FILE},
        **{name: made_from[name] for name in ("code", "packages", "secret")},
    }
    folder = asked.folder / PRIVATE / KEPT
    if asked.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    return TypedParts.opened(folder, digest(canonical(made_with)), asked.contents)


def _across_files(name: str) -> bool:
    return any(covers(one, name) for one in ACROSS_FILES)


def _unchanged(raw: Sequence[Entries], files: pd.DataFrame) -> None:
    """Refuse results of files that were not what they had been when the run began."""
    known = {row["sha256"] for row in raw}
    changed = files.loc[~files["sha256"].isin(known), "name"]
    if known and len(changed):
        raise InputError(
            f"文件 {changed.iloc[0]} 在运行中被改动",
            "a file changed during the run",
            where=str(changed.iloc[0]),
            remedy="等文件不再改动后重新运行",
            remedy_english="run again once the file is at rest",
        )


def filled_in(params: RunParams, facts: Entries) -> RunParams:
    """The parameters of the later stages: with what a generated region has brought, where the run leaves it open."""
    brought = facts["brought"]
    return Brought.model_validate_json(json.dumps(brought)).named(params) if brought else params
