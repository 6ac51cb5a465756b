"""A check of the records as text, as JSON and as a page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from toolkit.data.accounts.balance import COUNTED
from toolkit.data.quality import CATALOGUE
from toolkit.documents import Document
from toolkit.errors import InputError
from toolkit.evaluation.names import NAMES
from toolkit.frames import rows_of
from toolkit.params import RunParams, policies
from toolkit.reporting.formats.document import document
from toolkit.reporting.formats.html import page_alone
from toolkit.reporting.formats.provenance import Provenance
from toolkit.reporting.sections.checked import blocks
from toolkit.resources import LOCK, home
from toolkit.running.publish import write_atomically
from toolkit.runs.pipeline import Checked
from toolkit.runs.sources import content_hash, parameter_hash

ON_SCREEN = 20  # rows of a table in a terminal
FAILED = InputError.exit_code


def exit_code(checked: Checked) -> int:
    """0, or 3 where nothing was accepted, a project or a specialty matches nothing, or a join fails."""
    return FAILED if checked.found.failures else 0


def as_text(checked: Checked) -> str:
    """For a terminal: what became of all records, and the first rows of every table."""
    return "\n".join(_balance(checked)) + "\n\n" + "\n\n".join(b.plain() for b in blocks(checked.found, ON_SCREEN))


def _balance(checked: Checked) -> Iterator[str]:
    files, counts = checked.intake.files, by_fate(checked)
    refused, skipped = (files[files["status"] == status] for status in ("refused", "skipped"))
    yield (
        f"收到 received {int(counts['n'].sum()):,} 例，{len(files)} 个文件和表，"
        f"拒收 rejected {len(refused)} 个，跳过 skipped {len(skipped)} 个"
    )
    for row in rows_of(refused):
        yield f"  拒收 {row.name}: {row.rejected}"
    for row in rows_of(skipped):
        yield f"  跳过 {row.name}: {row.rejected}"
    for row in rows_of(counts):
        why = f"规则{row.rule} {CATALOGUE[row.rule].message_zh}" if row.rule else "—"
        yield f"  {row.fate} {row.n:>12,}  {why}"
    yield "收到 = 纳入 + 排除 + 隔离，逐文件、逐机构、逐类指标核对无误 balanced:"
    by_measure = checked.balance.groupby(["measure", "fate"])["n"].sum()
    for measure, name in (("all", "全部病例"), *COUNTED.items()):
        went = [int(by_measure.get((measure, fate), 0)) for fate in ("accepted", "excluded", "quarantined")]
        yield f"  {name}: {sum(went):,} = {went[0]:,} + {went[1]:,} + {went[2]:,}"


def as_json(checked: Checked) -> Document:
    """Every table whole."""
    found, intake = checked.found, checked.intake
    return {
        "passed": not found.failures,
        "failures": [{"kind": f.kind, "what": f.what, "remedy": f.remedy} for f in found.failures],
        "projects": _records(found.projects),
        "specialties": _records(found.specialties),
        "departments": _records(found.departments),
        "hospitals": _records(found.hospitals),
        "rules": _records(found.rules),
        "joins": _records(found.joins),
        "indicators": _records(found.indicators),
        "files": _records(intake.files),
        "fates": _records(by_fate(checked)),
        "not_applicable": intake.not_applicable,
        "balance": _records(checked.balance),
        "hospital_warnings": _records(intake.hospital_warnings),
    }


def by_fate(checked: Checked) -> pd.DataFrame:
    """`fate, rule, n` of all records, by the rule that decided."""
    return checked.intake.accounts.groupby(["fate", "rule"], sort=True)["n"].sum().reset_index()


def _records(frame: pd.DataFrame) -> list[Document]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): cell for name, cell in row.items()} for row in plain.to_dict("records")]


def write_page(checked: Checked, params: RunParams, path: Path) -> None:
    """The page, with all rows."""
    years, lock = params.all_years, home() / LOCK
    stamp = Provenance(
        run=params.run,
        title=params.title,
        synthetic=params.data.synthetic is not None,
        data_hash=content_hash(sorted(checked.intake.files["sha256"])),
        parameter_hash=parameter_hash(params),
        lock_hash=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "0" * 64,
        version=version("speceval"),
        data_date=f"{years[0]} 年至 {years[-1]} 年出院",
        policies=policies(params, NAMES),
    )
    page = page_alone(document(blocks(checked.found), stamp, title=f"{params.title} 数据检查"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode("utf-8"))
