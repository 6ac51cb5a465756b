"""T07–T11 and T13: deaths, full disks and second runs while a report is written."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_reports import gone, job, leftovers, wait_for

from toolkit.running import publish, run_report, verify
from toolkit.running.publish import read_state

PROGRAM = Path(__file__).with_name("small_reports.py")
STEPS = [
    "before notebook.ipynb",
    "within report.html",
    "before run.json",
    "before manifest.json",
    "within manifest.json",
    "before exchange",
    "after exchange",
    "rename state.json",
]


def child(**asked):
    return subprocess.Popen([sys.executable, PROGRAM, json.dumps(asked)], stdout=subprocess.PIPE, text=True)


def pages(run):
    """The published page, or None where no report exists."""
    return (run / "r1" / "report.html").read_text() if not verify(run / "r1") else None


@pytest.mark.parametrize(
    "step", [s if "exchange" in s or "rename" in s else pytest.param(s, marks=pytest.mark.slow) for s in STEPS]
)
def test_death_at_a_step_leaves_the_old_report_or_the_new(step, template, run):
    path = str(template("print('year', year)"))
    assert run_report(job(run, Path(path), year=2022)).state == "DONE"
    died = child(run=str(run), template=path, year=2023, die_at=step)
    died.communicate()
    assert died.returncode == 9
    assert pages(run) == f"<p>year {2023 if step == 'after exchange' else 2022}\n</p>"
    outcome = run_report(job(run, Path(path), year=2023))
    assert outcome.state == ("CACHED" if step == "after exchange" else "DONE")
    assert pages(run) == "<p>year 2023\n</p>"
    assert read_state(run / "r1")["state"] == "DONE"
    assert leftovers(run) == []


def test_death_between_two_renames_is_repaired_where_folders_cannot_be_exchanged(template, run, monkeypatch):
    path = template("print(year)")
    assert run_report(job(run, path, year=2022)).state == "DONE"
    monkeypatch.setattr(publish, "_exchange", lambda *_: False)
    assert run_report(job(run, path, year=2023)).state == "DONE"
    assert pages(run) == "<p>2023\n</p>"
    (run / "r1").rename(run / ".old-r1.0123456789ab")
    assert run_report(job(run, path, year=2023)).state == "CACHED"
    assert leftovers(run) == []


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_runner_killed_at_a_random_moment(times, template, run):
    seed = random.randrange(10**6)
    print("seed", seed)  # noqa: T201
    moment = random.Random(seed)
    kernel = str(run.parent / "kernel")
    path = template(f"import os\nwith open({kernel!r}, 'w') as f: _ = f.write(str(os.getpid()))", "print(year)")
    for year in range(times):
        before = pages(run)
        (run.parent / "kernel").unlink(missing_ok=True)
        runner = child(run=str(run), template=str(path), year=year)
        time.sleep(moment.uniform(0.1, 4))
        os.kill(runner.pid, signal.SIGKILL)
        runner.communicate()
        assert pages(run) in {before, f"<p>{year}\n</p>"}
        if (run.parent / "kernel").exists() and (run.parent / "kernel").read_text():
            assert gone(int((run.parent / "kernel").read_text())), "the kernel outlived its runner"
        assert run_report(job(run, path, year=year)).state in {"DONE", "CACHED"}
        assert pages(run) == f"<p>{year}\n</p>"
        assert leftovers(run) == []


@pytest.mark.parametrize("name", ["report.html", "notebook.ipynb", "manifest.json"])
def test_a_full_disk_leaves_the_old_report(name, template, run, monkeypatch):
    path = template("print(year)")
    assert run_report(job(run, path, year=2022)).state == "DONE"

    def full(step):
        if step == f"within {name}":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish, "fault_point", full)
    outcome = run_report(job(run, path, year=2023))
    assert (outcome.state, outcome.reason) == ("FAILED", "磁盘空间不足")
    assert "清理磁盘" in outcome.message
    assert pages(run) == "<p>2022\n</p>"
    assert leftovers(run) == []


def test_a_file_size_limit_is_told_as_a_full_disk(tmp_path):
    program = (
        "import resource, sys; from pathlib import Path; from toolkit.running.publish import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"write_atomically(Path({str(tmp_path)!r}) / 'x', b'x' * 5000)"
    )
    (tmp_path / "x").write_text("old")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "磁盘空间不足" in done.stderr
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x", "old")]


def test_a_closed_directory_is_refused_before_computing(template, run, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", closed_below(run, Path.mkdir))
    began = time.monotonic()
    outcome = run_report(job(run, template("import time; time.sleep(3)")))
    assert (outcome.state, outcome.reason) == ("REFUSED", "目录不可写")
    assert str(run) in outcome.message
    assert time.monotonic() - began < 2


def closed_below(run, mkdir):
    def refuse(self, *arguments, **more):
        if self.is_relative_to(run) and not self.exists():
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return mkdir(self, *arguments, **more)

    return refuse


def test_the_second_run_of_a_report_is_refused(template, run):
    started = run.parent / "started"
    signal_cell = f"import pathlib, time\n_ = pathlib.Path({str(started)!r}).write_text('yes')\ntime.sleep(3)"
    path = template(signal_cell, "print(year)")
    first = child(run=str(run), template=str(path))
    wait_for(started)
    second = run_report(job(run, path))
    assert (second.state, second.reason) == ("REFUSED", "正在运行")
    assert json.loads(first.communicate()[0]) == ["DONE", ""]
    assert pages(run) == "<p>2023\n</p>"


@pytest.mark.parametrize("pid", [1, 2**22 - 1])  # reused by another program; of nobody
def test_a_state_left_by_a_dead_run_is_taken_over(pid, template, run):
    (run / "r1").mkdir()
    (run / "r1" / "state.json").write_text(json.dumps({"state": "RUNNING", "pid": pid}))
    (run / ".work-r1.00").mkdir()
    (run / ".tmp-r1.00").mkdir()
    (run / ".work-r1-neighbour.00").mkdir()
    assert run_report(job(run, template("1"))).state == "DONE"
    assert read_state(run / "r1")["state"] == "DONE"
    assert leftovers(run) == [".work-r1-neighbour.00"]


def test_a_lock_left_by_a_killed_process_is_free(template, run):
    program = (
        "import sys, time; from pathlib import Path; from toolkit.running.publish import report_lock\n"
        f"with report_lock(Path({str(run / 'r1')!r})):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert run_report(job(run, template("1"))).reason == "正在运行"
    holder.kill()
    holder.communicate()
    assert run_report(job(run, template("1"))).state == "DONE"


def test_a_failed_rerun_leaves_the_good_report_and_a_foreign_file_is_not_swept_away(template, run):
    assert run_report(job(run, template("print(year)"))).state == "DONE"
    assert run_report(job(run, template("1 / 0"))).state == "FAILED"
    assert pages(run) == "<p>2023\n</p>"
    assert read_state(run / "r1")["reason"] == "单元出错"
    (run / "r1" / "signed.pdf").write_bytes(b"scan")
    refused = run_report(job(run, template("print(year + 1)")))
    assert (refused.state, refused.reason) == ("REFUSED", "目录中有其他文件")
    assert (run / "r1" / "signed.pdf").exists()
