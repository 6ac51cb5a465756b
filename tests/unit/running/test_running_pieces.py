"""Pieces of the runner that need no kernel."""

import copy
import pickle

import nbformat
import pytest

from toolkit.errors import RunError
from toolkit.running.cleaning import clean
from toolkit.running.guard import read_marker
from toolkit.running.limits import Reason, ReportFailed
from toolkit.running.manifest import code_hash, input_names
from toolkit.running.parameters import check, declared
from toolkit.running.progress import clock
from toolkit.running.publish import canonical


def test_a_failure_keeps_its_reason_on_the_way_between_processes():
    failed = pickle.loads(pickle.dumps(ReportFailed(Reason.DISK, "细节", "detail", where="x", remedy="清理")))
    assert failed.reason is Reason.DISK
    assert str(failed) == "磁盘空间不足：细节（no space left: detail）\n位置 where: x\n办法 remedy: 清理"
    assert isinstance(failed, RunError)


def test_inputs_are_named_by_the_shortest_ends_that_differ(tmp_path):
    assert list(input_names([tmp_path / "b.csv", tmp_path / "a.csv"])) == ["a.csv", "b.csv"]
    assert list(input_names([tmp_path / "y" / "a.csv", tmp_path / "x" / "a.csv"])) == ["x/a.csv", "y/a.csv"]


def test_code_hash_sees_templates_and_not_compiled_files(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "map.yaml").write_text("a: 1")
    before = code_hash(tmp_path)
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert code_hash(tmp_path) == before
    (tmp_path / "map.yaml").write_text("a: 2")
    assert code_hash(tmp_path) != before


def test_canonical_json_has_one_spelling():
    assert canonical({"b": "省", "a": 1}) == '{\n "a": 1,\n "b": "省"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


@pytest.mark.parametrize(
    ("printed", "faults"),
    [("tok[]\n", []), ("x\ntok[]\n", []), ("", None), ("tok", None), ("tok[", None), ("other[]", None)],
)
def test_only_this_runs_marker_counts(printed, faults):
    assert read_marker(printed, "tok") == faults


def test_parameters_may_be_absent_where_declared_so():
    source = "name: str | None = None  # 名称\nshare: float = 0.5\nstrict: bool = True\ndelay: int = -1"
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}
    known = declared({"cells": [cell]}, "t.ipynb")
    assert [p.annotation for p in known.values()] == ["str | None", "float", "bool", "int"]
    check(known, {"name": None, "share": 0.1, "strict": False, "delay": 3}, "t.ipynb")
    for wrong in ({"share": float("nan")}, {"share": float("inf")}, {"name": "\ud800"}, {"strict": 1}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            check(known, {"name": "x", "share": 0.1, "strict": False, "delay": 3} | wrong, "t.ipynb")


def test_cleaning_twice_changes_nothing_more():
    stream = nbformat.v4.new_output
    cell = nbformat.v4.new_code_cell(
        "1",
        execution_count=7,
        outputs=[
            stream("stream", name="stdout", text="a"),
            stream("stream", name="stderr", text="/tmp/ipykernel_12/34.py:1: W\n"),
            stream("stream", name="stdout", text="b"),
            stream("execute_result", data={"text/plain": "<object at 0x7f00aa>"}, execution_count=7),
        ],
    )
    cell.metadata["execution"] = {"iopub.status.busy": "2023"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"input_path": "/home/a"}})
    once = clean(notebook)
    assert "papermill" not in once.metadata
    assert [o.get("text") or o.data["text/plain"] for o in once.cells[0].outputs] == [
        "ab",
        "cell.py:1: W\n",
        "<object at 0x…>",
    ]
    assert once.cells[0].execution_count == 1
    assert canonical(clean(copy.deepcopy(once))) == canonical(once)


def test_clock():
    assert [clock(59.6), clock(61), clock(3661)] == ["1:00", "1:01", "1:01:01"]
