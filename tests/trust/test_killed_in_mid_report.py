"""A run killed in the middle of its reports, with one of its kernels: the next run finds all that is left, and removes it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from regions import rows, speceval, write


@pytest.fixture
def room():
    # not pytest's own folder: its name is too long for the address of a socket, which would lie elsewhere
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        yield Path(folder)


def kernels(mark):
    """Forked kernels of a run, by the temporary folder in the environment that they were started with."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if (process / "comm").read_text().startswith("kernel-") and mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except (OSError, UnicodeDecodeError):
            continue
    return found


def waited(holds, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def hidden(folder):
    """Names that begin with a dot, but those of locks and of the run's own cache."""
    return [path.name for path in folder.rglob(".*") if path.name not in (".locks", ".private")]


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux")
def test_what_a_killed_run_and_its_killed_kernel_left_goes_with_the_next_run(room):
    temporary = room / "t"
    temporary.mkdir()
    write(room / "r", rows(700), projects=[])
    environment = {"TMPDIR": str(temporary), "XDG_STATE_HOME": str(room / "s")}
    command = [sys.executable, "-m", "toolkit", "run", "p.yaml", "-q"]
    run = subprocess.Popen(command, cwd=room / "r", env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    mark = f"TMPDIR={temporary}".encode()
    assert waited(lambda: kernels(mark) or run.poll() is not None)
    [kernel, *_] = kernels(mark)
    run.kill()
    os.kill(kernel, signal.SIGKILL)
    run.wait()
    assert waited(lambda: not kernels(mark), 30), "a kernel outlives its run"
    assert list(temporary.iterdir())
    assert hidden(room / "r" / "reports")
    done = speceval("run", "p.yaml", "-q", cwd=room / "r", environment=environment)
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stderr == ""
    assert list(temporary.iterdir()) == []
    assert hidden(room / "r" / "reports") == []
    assert kernels(mark) == []
