"""An executed notebook without anything that differs between two equal runs."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from toolkit.running.parameters import tags

if TYPE_CHECKING:
    from nbformat import NotebookNode

RUNNER = "runner"  # tag of the cells that the runner adds and takes away again
ADDRESS = re.compile(r"(?<= at )0x[0-9a-fA-F]+")
CELL_FILE = re.compile(r"\S*ipykernel_\d+\S*?\.py")


def clean(notebook: NotebookNode) -> NotebookNode:
    """Take away the runner's cells, times, random ids, paths and addresses; changes and returns `notebook`."""
    notebook.cells = [cell for cell in notebook.cells if RUNNER not in tags(cell)]
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = notebook.metadata.get("language_info", {})
    notebook.metadata = type(notebook)({"kernelspec": kernelspec, "language_info": language})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for position, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{position}\0{cell.source}".encode("utf-8", "replace")).hexdigest()[:8]
        for name in ("papermill", "execution", "collapsed", "scrolled"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [_clean_output(output, count) for output in _joined(cell.outputs)]
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Streams joined between other outputs, stdout first: how they were cut and mixed depends on the clock."""
    result: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type != "stream":
            result += [streams[name] for name in sorted(streams, reverse=True)] + [output]
            streams = {}
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = output
    return result + [streams[name] for name in sorted(streams, reverse=True)]


def _clean_output(output: NotebookNode, count: int) -> NotebookNode:
    if output.output_type == "execute_result":
        output.execution_count = count
    if output.output_type == "stream":
        output.text = ADDRESS.sub("0x…", CELL_FILE.sub("cell.py", output.text))
    elif "text/plain" in output.get("data", {}):
        output.data["text/plain"] = ADDRESS.sub("0x…", output.data["text/plain"])
    return output
