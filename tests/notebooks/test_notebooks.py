"""The notebooks tell, the package does: their style, their saved results, and that a changed digit is noticed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from toolkit.reporting.content.blocks import MIME
from toolkit.running.parameters import declared, read_template

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"
LOGIC = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.While,
    ast.Try,
    ast.With,
    ast.If,
    ast.Lambda,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
    ast.GeneratorExp,
    ast.BinOp,
    ast.Compare,
)


def code_cells(path: Path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_there_are_the_notebooks_of_the_reports():
    expected = {"data_quality", "indicators", "change", "project_report", "region_report"}
    assert expected <= {p.stem for p in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestStyle:
    def test_no_logic_and_no_arithmetic(self, path):
        for number, cell in enumerate(code_cells(path)):
            found = [type(n).__name__ for n in ast.walk(ast.parse(cell.source)) if isinstance(n, LOGIC)]
            assert not found, f"code cell {number} holds {found}: it belongs in toolkit/"

    def test_imports_only_the_toolkit(self, path):
        for cell in code_cells(path):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Import):
                    assert {a.name.split(".")[0] for a in node.names} <= {"toolkit", "pathlib", "IPython"}
                if isinstance(node, ast.ImportFrom):
                    assert (node.module or "").split(".")[0] in {"toolkit", "pathlib", "IPython"}

    def test_one_title_and_one_parameters_cell_of_annotated_defaults_with_help(self, path):
        notebook = nbformat.read(path, as_version=4)
        titles = [
            line
            for c in notebook.cells
            if c.cell_type == "markdown"
            for line in c.source.splitlines()
            if line.startswith("# ")
        ]
        assert len(titles) == 1
        assert "run_folder" in declared(read_template(path), path.name)
        [cell] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
        assert all(re.search(r": str = .*  # \S", line) for line in cell.source.splitlines())

    def test_papermill_finds_its_parameters_without_a_warning(self, path, caplog):
        # it cannot parse a line with a second "=", be it in the comment, and would call the parameter unknown in every run
        found = papermill.inspect_notebook(str(path))
        assert list(found) == list(declared(read_template(path), path.name))
        assert not caplog.records

    def test_cells_are_short(self, path):
        assert max(len(c.source.splitlines()) for c in code_cells(path)) <= 16

    def test_every_code_cell_was_run_and_compared_cells_show_blocks(self, path):
        # nbval passes a cell without execution_count unseen, and one without outputs compares nothing
        cells = code_cells(path)
        assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
        marked = [c for c in cells if c.source.startswith(MARK)]
        assert len(marked) >= 4
        for cell in marked:
            assert any(MIME in o.get("data", {}) for o in cell.outputs)

    def test_saved_outputs_are_of_synthetic_data_and_name_no_machine(self, path):
        text = path.read_text(encoding="utf-8")
        assert "合成数据" in text
        assert not re.search(r"/(home|root|tmp|work|Users)/", text)


def nbval(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout=120",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
        str(folder),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def _raised(output: dict) -> bool:
    """Raise the first digit of the table in an output; False where it has none."""
    block = output.get("data", {}).get(MIME, {})
    for row in block.get("rows", ()):
        for column, cell in enumerate(row):
            digit = re.search(r"\d", cell if isinstance(cell, str) else "")
            if digit:
                row[column] = f"{cell[: digit.start()]}{(int(digit[0]) + 1) % 10}{cell[digit.end() :]}"
                return True
    return False


@pytest.mark.slow(seconds=60)
def test_a_changed_digit_in_a_published_table_fails(tmp_path):
    source = ROOT / "notebooks" / "data_quality.ipynb"
    shutil.copy(ROOT / "notebooks" / "conftest.py", tmp_path / "conftest.py")
    notebook = json.loads(source.read_text(encoding="utf-8"))
    code = [i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"]
    last = next(n for n, i in enumerate(code) if any(_raised(o) for o in notebook["cells"][i].get("outputs", ())))
    notebook["cells"] = notebook["cells"][: code[last] + 1]
    (tmp_path / "changed.ipynb").write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    done = nbval(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"1 failed, {last} passed" in done.stdout
