"""The reports of a finished run in a client's own Word template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat

from toolkit.errors import ParameterError, did_you_mean
from toolkit.reporting.formats.client_template import fill
from toolkit.reporting.formats.document import read_document
from toolkit.running.publish import write_atomically
from toolkit.running.report import NOTEBOOK
from toolkit.runs.plan import ANNEX, OF_RUN
from toolkit.runs.run_manifest import read_run_manifest


def write_in_template(run: Path, template: Path, out: Path, reports: Sequence[str] = ()) -> list[Path]:
    """One Word file for each report, by its id, in the folder `out`; all project reports where none is named.

    Nothing is run: the words and numbers are those of the executed notebooks.

    Raises
    ------
    ParameterError
        The run is not finished, has no such report, or the template cannot be used (`fill`).
    """
    manifest = read_run_manifest(run)
    if manifest is None:
        raise ParameterError("这不是一次已完成的运行", "not the folder of a finished run", where=str(run))
    there = sorted(manifest["reports"])
    if unknown := [id_ for id_ in reports if id_ not in there]:
        raise ParameterError(
            f"没有报告 {unknown[0]}",
            "no such report",
            where=str(run),
            **did_you_mean(unknown[0], there, f"有：{'、'.join(there)}", f"there are: {', '.join(there)}"),
        )
    chosen = reports or [
        id_ for id_, files in manifest["reports"].items() if ANNEX in files["files"] and id_ not in OF_RUN
    ]
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for id_ in chosen:
        notebook = nbformat.read(run / id_ / NOTEBOOK, as_version=4)
        path = out / f"{id_}.docx"
        write_atomically(path, fill(template, read_document(notebook)))
        written.append(path)
    return written
