"""T01–T06, T16, T22, T23: notebooks that must not pass for whole ones, each first shown to bare papermill."""

import json
import os
import signal
import threading

import papermill
import pytest
from small_reports import QUICK, gone, job, leftovers, wait_for

from toolkit.running import Limits, Reason, ReportFailed, execute, run_report
from toolkit.running.publish import read_state

# what bare papermill and its kernels warn of (clear TCP among it) is their matter: the runner's own run in a process
pytestmark = pytest.mark.filterwarnings("default")
YEAR = {"year": 2023}
LATE_THREAD = "threading.Thread(target=lambda: (time.sleep(1), 1 / 0)).start()"
SLOW = pytest.mark.slow


def reason_of(template, work, limits=QUICK, inputs=()):
    with pytest.raises(ReportFailed) as caught:
        execute(template, YEAR, work, limits, inputs)
    return caught.value


def bare(template, tmp_path):
    """What papermill alone says: nothing, where it takes the fault for success."""
    return papermill.execute_notebook(
        str(template),
        str(tmp_path / "bare.ipynb"),
        YEAR,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        execution_timeout=20,
    )


PASSED_OFF = {
    "sys.exit": ["import sys; sys.exit(0)", "print('later')"],
    "quit": ["quit()", "print('later')"],
    "thread": ["import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()"],
    "shell": ["!false", "1"],
}


@pytest.mark.parametrize("fault", ["sys.exit", "thread", "shell"])  # after `quit` the kernel may be gone in time or not
def test_papermill_alone_passes_the_fault_off_as_success(fault, template, tmp_path):
    assert bare(template(*PASSED_OFF[fault]), tmp_path) is not None


def test_papermill_alone_records_a_death_in_the_last_cell_as_completed(template, tmp_path):
    with pytest.raises(Exception, match="Kernel died"):
        bare(template("import os; os._exit(0)"), tmp_path)
    record = json.loads((tmp_path / "bare.ipynb").read_text())
    assert {cell["metadata"]["papermill"]["status"] for cell in record["cells"]} == {"completed"}


@pytest.mark.parametrize(
    ("cells", "reason", "told"),
    [
        (PASSED_OFF["sys.exit"], Reason.CELL, "第 2 个代码单元：SystemExit"),
        (PASSED_OFF["quit"], Reason.CELL, "要求退出"),
        (["exit()", "1"], Reason.CELL, "要求退出"),
        (PASSED_OFF["thread"], Reason.CELL, "线程中出现 ZeroDivisionError"),
        (["import threading, time", LATE_THREAD], Reason.CELL, "线程"),
        (PASSED_OFF["shell"], Reason.CELL, "外部命令返回 1"),
        (["!false\n!true"], Reason.CELL, "外部命令返回 1"),
        (["import os; os._exit(0)"], Reason.KERNEL, ""),
        (["import os; os._exit(1)", "1"], Reason.KERNEL, ""),
        (["import ctypes; ctypes.string_at(0)"], Reason.KERNEL, ""),
        (["del get_ipython().run_guard"], Reason.CELL, ""),  # the watch itself broken: no marker, no report
        (["input()"], Reason.CELL, "StdinNotImplementedError"),
    ],
)
def test_the_runner_does_not(cells, reason, told, template, tmp_path):
    failed = reason_of(template(*cells), tmp_path / "work")
    assert failed.reason == reason
    assert told in str(failed)


def test_a_cell_tagged_as_allowed_to_fail_fails_all_the_same(template, tmp_path):
    path = template("1 / 0")
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["metadata"]["tags"] = ["raises-exception"]
    path.write_text(json.dumps(notebook))
    assert reason_of(path, tmp_path / "work").reason == Reason.CELL


def test_a_patients_value_in_an_exception_is_not_told(template, tmp_path):
    failed = reason_of(template("raise ValueError('张三 110101199003070000')"), tmp_path / "work")
    assert "ValueError" in str(failed)
    assert "张三" not in str(failed)
    assert "1101" not in str(failed)


def test_the_toolkits_own_message_is_told(template, tmp_path):
    cell = "from toolkit.errors import InputError\nraise InputError('缺少列 drg', 'column drg is missing')"
    assert "InputError: 缺少列 drg" in str(reason_of(template(cell), tmp_path / "work"))


@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        pytest.param("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", marks=SLOW),
        pytest.param("while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass", marks=SLOW),
        pytest.param("pow(7, 10**9)", marks=SLOW),
    ],
)
def test_endless_loops_end_in_time(cell, template, run):
    pid = run / "pid"
    first = f"import os, pathlib; _ = pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))"
    outcome = run_report(job(run, template(first, cell)))
    assert (outcome.state, outcome.reason) == ("FAILED", "超时")
    assert outcome.seconds < 4 + 10
    assert gone(int(pid.read_text()))
    assert leftovers(run) == []


def test_the_wall_limit_kills_all_processes_of_the_run(template, run):
    pids = run / "pids"
    # a grandchild in its own session, which no process group reaches
    cell = (
        "import os, subprocess, pathlib, time\n"
        "p = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        f"_ = pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{p.pid}}')\n"
        "time.sleep(300)"
    )
    outcome = run_report(job(run, template(cell), limits=Limits(cell_seconds=100, wall_seconds=6)))
    assert outcome.reason == "超时"
    assert all(gone(int(pid)) for pid in pids.read_text().split())


@pytest.mark.parametrize(
    "cell", ["x = bytearray(10**11)", pytest.param("x = []\nwhile True: x.append(str(len(x)) * 100)", marks=SLOW)]
)
def test_memory_over_the_limit(cell, template, tmp_path):
    limits = Limits(cell_seconds=30, wall_seconds=60, memory_bytes=1500 * 1024**2)
    assert reason_of(template(cell), tmp_path / "work", limits).reason == Reason.MEMORY


@pytest.mark.parametrize(
    "cell", ["while True: print('x' * 10_000)", "from IPython.display import HTML\nHTML('x' * 10**8)"]
)
def test_output_is_capped(cell, template, tmp_path):
    limits = Limits(cell_seconds=30, wall_seconds=60, output_bytes=2 * 1024**2)
    assert reason_of(template(cell), tmp_path / "work", limits).reason == Reason.OUTPUT


def test_a_killed_kernel_fails_its_report_only(template, run):
    pid = run / "pid"
    cell = f"import os, pathlib, time\n_ = pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    killer = threading.Thread(target=lambda: os.kill(int(wait_for(pid)), signal.SIGKILL))
    killer.start()
    outcome = run_report(job(run, template(cell), limits=Limits(cell_seconds=70, wall_seconds=80)))
    killer.join()
    assert (outcome.state, outcome.reason) == ("FAILED", "内核中断")
    assert read_state(run / "r1")["state"] == "FAILED"
    assert not (run / "r1" / "manifest.json").exists()
    assert outcome.seconds < 30


def test_an_input_changed_during_the_run(template, run, tmp_path):
    data, signal_file = tmp_path / "data.csv", tmp_path / "signal"
    data.write_text("1")
    cell = (
        f"import pathlib, time\n_ = pathlib.Path({str(signal_file)!r}).write_text('here')\n"
        f"while pathlib.Path({str(data)!r}).read_text() == '1': time.sleep(0.02)"
    )
    writer = threading.Thread(target=lambda: (wait_for(signal_file), data.write_text("2")))
    writer.start()
    outcome = run_report(job(run, template(cell), inputs=[data]))
    writer.join()
    assert (outcome.state, outcome.reason) == ("FAILED", "输入已变")
    assert "data.csv" in outcome.message


@pytest.mark.parametrize("zone", [{"TZ": "America/New_York", "LC_ALL": "C", "LANG": "C"}])
def test_zone_and_locale_do_not_show(zone, template, run, monkeypatch):
    cell = "import time\nprint(time.strftime('%H', time.gmtime(0)), time.localtime(0).tm_hour, '山西')\nobject()"
    first = run_report(job(run, template(cell), "a"))
    for name, value in zone.items():
        monkeypatch.setenv(name, value)
    second = run_report(job(run, template(cell), "b"))
    assert (first.state, second.state) == ("DONE", "DONE")
    for name in ("notebook.ipynb", "report.html", "manifest.json"):
        assert (run / "a" / name).read_bytes() == (run / "b" / name).read_bytes()
