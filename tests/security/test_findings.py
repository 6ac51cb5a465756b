"""The findings S1–S13 that no other part of the tests holds; README.md beside this is the index of all."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import UndefinedError

from toolkit.data.reading.opening import open_source
from toolkit.data.reading.text_rows import read_schema
from toolkit.engine import connect, without_values
from toolkit.errors import ContractBroken, ParameterError
from toolkit.evaluation.cells import report_id
from toolkit.reporting.content.templates import environment
from toolkit.running import report_folder
from toolkit.running.parameters import Parameter, check
from toolkit.strict_yaml import read_yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
sys.path[:0] = [str(ROOT / "tests" / "faults")]
KNOWN = {
    "run_folder": Parameter(name="run_folder", types=(str,), default=""),
    "years": Parameter(name="years", types=(int,), default=1),
}
CODE = "x=1;open('PWNED','w')#"


# --- S1, S2: parameters of notebooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CODE, "run_folder ", "Run_folder", "", "运行", "__import__", "a" * 50, 1, None])
def test_s1_a_name_that_the_template_does_not_declare_is_refused(name):
    with pytest.raises(ParameterError, match="没有参数"):
        check(KNOWN, {name: "x", "run_folder": "x", "years": 1}, "t.ipynb")


STRANGE = [
    ("a", "b"),
    {"a"},
    b"a",
    Path("a"),
    ["a"],
    {"a": 1},
    dt.date(2023, 1, 1),
    decimal.Decimal(1),
    np.str_("a"),
    None,
    type("S", (str,), {})("a"),
]


@pytest.mark.parametrize("value", STRANGE, ids=lambda v: type(v).__name__)
def test_s2_a_value_of_any_other_type_is_refused(value):
    with pytest.raises(ParameterError, match="应为 str"):
        check(KNOWN, {"run_folder": value, "years": 1}, "t.ipynb")


@pytest.mark.parametrize("value", [True, 1.0, np.int64(1), float("nan"), "1"], ids=str)
def test_s2_true_is_no_number_and_nothing_is_converted(value):
    with pytest.raises(ParameterError, match="应为 int"):
        check(KNOWN, {"run_folder": "x", "years": value}, "t.ipynb")


# --- S3: parameter files --------------------------------------------------------------------------------------------------


def test_s3_yaml_converts_nothing_and_runs_nothing(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "a: 0012\nb: no\nc: 12:30\nd: 1e5\ne: 2023-01-05\nf: !!python/object/apply:os.system ['touch PWNED']\n",
        encoding="utf-8",
    )
    values, _ = read_yaml(path)
    assert [values[k] for k in "abcde"] == ["0012", "no", "12:30", "1e5", "2023-01-05"]
    assert values["f"] == ["touch PWNED"]  # a tag names no class
    assert not Path("PWNED").exists()


# --- S4: paths ------------------------------------------------------------------------------------------------------------

HOSPITALS = [
    "../../etc",
    "http://evil.example/x",
    "a/b",
    "{year}",
    "省立医院",
    "..",
    "con",
    "x" * 300,
    "a\0b",
    "a\nb",
    " ",
    "-rf",
]


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_s4_whatever_a_hospital_is_called_its_report_stays_in_the_run(hospital, tmp_path):
    folder = report_folder(tmp_path, report_id(hospital, "cardiology"))
    assert folder.resolve().parent == tmp_path.resolve()
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,64}", folder.name)


def test_s4_hospitals_of_like_names_have_reports_of_their_own():
    names = ["省立医院", "市立医院", "a/b", "a_b", "a b", "x" * 300, "x" * 299]
    assert len({report_id(name, "cardiology") for name in names}) == len(names)


# --- S6: nbconvert ----------------------------------------------------------------------------------------------------------


def test_s6_pages_are_made_without_nbconvert_and_the_locked_one_is_mended():
    sources = {p: p.read_text(encoding="utf-8") for p in (ROOT / "toolkit").rglob("*.py")}
    assert [p for p, text in sources.items() if re.search(r"^\s*(import|from) nbconvert", text, re.MULTILINE)] == []
    [version] = re.findall(r"^nbconvert==([\d.]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert tuple(map(int, version.split("."))) >= (7, 17, 2)


# --- S9: the engine ---------------------------------------------------------------------------------------------------------


def test_s9_a_fault_of_the_engine_tells_no_cell_and_no_key(tmp_path):
    connection = connect(tmp_path / "work", threads=1)
    secret = "哨兵甲某某 990101199003070001"
    with pytest.raises(duckdb.Error, match="哨兵甲某某"):  # the trap
        connection.con.execute(f"SELECT CAST('{secret}' AS INTEGER)")
    with pytest.raises(ContractBroken, match="ConversionException") as caught, without_values():
        connection.con.execute(f"SELECT CAST('{secret}' AS INTEGER)")
    assert "哨兵" not in str(caught.value)
    assert caught.value.__suppress_context__
    connection.disconnect()


def test_s9_a_hostile_header_is_data(tmp_path):
    hostile = ['x"); DROP TABLE t; --', "'; COPY (SELECT 1) TO 'PWNED'; --", "read_text('/etc/passwd')", "a.b", "*"]
    path = tmp_path / "a.csv"
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([hostile, ["1", "2", "3", "4", "5"]])
    path.write_text(out.getvalue(), encoding="utf-8")
    from toolkit.data.reading import text_rows

    connection = connect(tmp_path / "work", [path], threads=1)
    source = open_source(0, path, tmp_path / "work")
    for part in text_rows.parts([source], hostile):
        text_rows.register(part, connection)
        rows = connection.table(text_rows.NAME).execute()
        text_rows.close(connection)
    assert rows[hostile].to_numpy().tolist() == [["1", "2", "3", "4", "5"]]
    connection.disconnect()


# --- S10: the interactive server ----------------------------------------------------------------------------------------------

_spec = importlib.util.spec_from_file_location("refuse_open_server", ROOT / "jupyter" / "refuse_open_server.py")
guard = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(guard)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ip=0.0.0.0"],
        ["--ip", "10.0.0.5"],
        ["--ServerApp.ip='*'"],
        ["--ServerApp.ip="],
        ["--IdentityProvider.token="],
        ["--ServerApp.token=''"],
        ["--ServerApp.password", ""],
        ["--ServerApp.allow_remote_access=True"],
        ["--no-browser", "--ip=::"],
        ["--ServerApp.disable_check_xsrf=True"],
        ["--ServerApp.allow_origin=*"],
        ["--config=/tmp/open.py"],
        ["--IdentityProvider.token", ""],
        ["--ServerApp.allow_unauthenticated_access=True"],
    ],
    ids=" ".join,
)
def test_s10_the_server_does_not_start_open(arguments):
    done = subprocess.run([sys.executable, guard.__file__, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "拒绝启动" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--no-browser", "--port=8889"],
        ["--ip=127.0.0.1"],
        ["--ServerApp.ip=localhost"],
        ["--IdentityProvider.token=abc"],
    ],
)
def test_s10_what_keeps_it_closed_is_allowed(arguments):
    assert guard.refused(arguments, {}) == ""
    assert guard.refused(arguments, {"JUPYTER_TOKEN": ""}) == "JUPYTER_TOKEN="


def test_s10_the_shipped_settings_listen_here_and_the_start_asks_first():
    settings = json.loads((ROOT / "jupyter" / "jupyter_server_config.json").read_text(encoding="utf-8"))
    assert settings["ServerApp"]["ip"] == "127.0.0.1"
    assert not {"token", "password"} & {
        key for section in settings.values() if isinstance(section, dict) for key in section
    }
    script = (ROOT / "jupyter" / "lab.sh").read_text(encoding="utf-8")
    assert script.index("refuse_open_server.py") < script.index("-m jupyterlab --")


# --- S11: kernels -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="counts sockets by /proc, which this system has not")
def test_s11_a_kernel_of_a_report_does_not_talk_over_tcp(tmp_path):
    from small_reports import QUICK, write_template

    from toolkit.running import execute

    # of its own listening sockets none may reach beyond this machine, and the five channels are files
    cell = (
        "import os\n"
        "def held(f):\n"
        "    try: return os.readlink(f'/proc/self/fd/{f}')\n"
        "    except OSError: return ''\n"
        "own = {held(f) for f in os.listdir('/proc/self/fd')}\n"
        "rows = [r.split() for kind in ('tcp', 'tcp6') for r in open(f'/proc/net/{kind}').readlines()[1:]]\n"
        "mine = [r[1].split(':')[0] for r in rows if r[3] == '0A' and f'socket:[{r[9]}]' in own]\n"
        "print('listening', len(mine), all(address == '0100007F' for address in mine))"
    )
    notebook = execute(write_template(tmp_path, cell), {"year": 2023}, tmp_path / "work", QUICK, ())
    said = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", ()))
    count, local = re.search(r"listening (\d+) (\w+)", said).groups()
    assert int(count) <= 1  # six over TCP
    assert local == "True"


# --- S12: templates -----------------------------------------------------------------------------------------------------------


def test_s12_a_name_is_escaped_and_never_a_template():
    made = environment()
    assert (
        made.from_string("{{ name }}").render(name="<script>{{ 7*7 }}</script>")
        == "&lt;script&gt;{{ 7*7 }}&lt;/script&gt;"
    )
    with pytest.raises(UndefinedError):
        made.from_string("{{ nobody }}").render()
    client = ROOT / "toolkit" / "reporting" / "formats" / "client_template.py"  # a user's own Word file is the template
    sources = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "toolkit").rglob("*.py") if p != client)
    assert "from_string" not in sources
    assert "Template(" not in sources
    assert "SandboxedEnvironment(autoescape=True)" in client.read_text(encoding="utf-8")


# --- S13: serialised objects --------------------------------------------------------------------------------------------------


def test_s13_nothing_is_unpickled():
    pattern = r"\b(pickle|dill|cloudpickle|shelve|marshal)\.(load|loads|open|Unpickler)\b|read_pickle|joblib\.load|allow_pickle\s*=\s*True"
    guilty = [p for p in (ROOT / "toolkit").rglob("*.py") if re.search(pattern, p.read_text(encoding="utf-8"))]
    assert guilty == []


STRANGE_COLUMNS = {
    "list": pa.array([[1]]),
    "struct": pa.array([{"a": 1}]),
    "binary": pa.array([b"\x80\x04."]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
}


@pytest.mark.parametrize("kind", STRANGE_COLUMNS)
def test_s13_parquet_with_more_than_plain_columns_is_refused(tmp_path, kind):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"A01": ["1"], "x": STRANGE_COLUMNS[kind]}), path)
    connection = connect(tmp_path / "work", [path], threads=1)
    source = open_source(0, path, tmp_path / "work")
    assert not read_schema(source, connection)
    assert source.rejected.startswith("Parquet 列的类型不是简单类型（plain column types only）：x")
    connection.disconnect()


def test_s13_plain_columns_of_every_kind_are_read(tmp_path):
    frame = pd.DataFrame(
        {
            "text": ["a"],
            "whole": [1],
            "real": [1.5],
            "truth": [True],
            "when": [pd.Timestamp(2022, 1, 1)],
            "day": [dt.date(2022, 1, 1)],
            "money": [decimal.Decimal("1.50")],
            "kind": pd.Categorical(["a"]),
            "small": np.array([1], "uint8"),
        }
    )
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    connection = connect(tmp_path / "work", [path], threads=1)
    source = open_source(0, path, tmp_path / "work")
    assert read_schema(source, connection), source.rejected
    connection.disconnect()


# --- the index ----------------------------------------------------------------------------------------------------------------


def test_every_finding_has_tests_that_exist():
    rows = re.findall(r"^\| (S\d+) [^|]*\| ([^|]*) \|$", (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [finding for finding, _ in rows] == [f"S{n}" for n in range(1, 14)]
    named = {test for _, tests in rows for test in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)}
    assert all(tests.count("`tests/") for _, tests in rows)
    assert [one for one in named if f"def {one[1]}(" not in (ROOT / one[0]).read_text(encoding="utf-8")] == []
    assert os.environ.get("JUPYTER_TOKEN") != ""
