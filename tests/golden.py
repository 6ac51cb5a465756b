"""`make golden`: run the notebooks on the fixed synthetic demo and save what they show as the results that nbval compares.

Run it on purpose, read the diff, and say in CHANGELOG under "Numbers" what moved and why.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MARK = "# NBVAL_CHECK_OUTPUT"
UNSAVED = ("image/svg+xml", "text/html")  # pictures, and tables that stand in the block's JSON already


def save(path: Path) -> None:
    """Execute one notebook where it lies and store its outputs without pictures, HTML, times and outputs that are not compared."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        compared = cell.source.startswith(MARK)
        cell.outputs = cell.outputs if compared else []
        for output in cell.outputs:
            for kind in UNSAVED:
                output.get("data", {}).pop(kind, None)
    notebook.metadata.pop("papermill", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def main(names: list[str]) -> int:
    """All notebooks, or those named."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not names or path.stem in names:
            sys.stderr.write(f"{path.name}\n")
            save(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
