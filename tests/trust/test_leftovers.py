"""Nothing left over: what killed processes leave, in a run's folder and among temporary ones, is gone after the next start."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from toolkit.running.publish import run_task
from toolkit.running.scratch import scratch

HOLD = """
import sys, time
from toolkit.running.scratch import scratch
with scratch() as folder:
    open(folder + "/record.csv", "w").write("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def held():
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    return child, Path(child.stdout.readline().strip())


def test_a_killed_process_folder_goes_with_the_next_start_and_a_living_ones_stays(temporary):
    (dead, left), (alive, kept) = held(), held()
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    dead.stdout.close()
    (temporary / "speceval-foreign").mkdir()
    (temporary / "speceval-file").write_text("x")
    (temporary / "speceval-link").symlink_to(kept.parent)
    try:
        assert left.exists()
        with scratch() as folder:
            assert not left.parent.exists()
            assert (kept / "record.csv").exists()
            assert os.stat(folder).st_mode & 0o777 == 0o700
        assert not Path(folder).parent.exists()
        assert (temporary / "speceval-foreign").is_dir()
        assert (temporary / "speceval-link").is_symlink()
    finally:
        alive.kill()
        alive.wait()
        alive.stdout.close()


def test_what_a_killed_run_was_about_to_write_goes_with_the_next_start(tmp_path):
    run = tmp_path / "r"
    names = [".making-tables.ab", ".tmp-manifest.json.cd", ".old-data.ef", "stages/.tmp-sums.json.01"]
    for name in names:
        (run / name).mkdir(parents=True)
        (run / name / "record.parquet").write_text("x")
    (run / "results").mkdir()
    with run_task(run):
        pass
    assert not [name for name in names if (run / name).exists()]
    assert (run / "results").is_dir()
