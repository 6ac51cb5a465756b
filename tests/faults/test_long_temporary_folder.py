"""A temporary folder with a long name: sockets need short addresses, and get them."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from toolkit.running.processes import warm_context

if __name__ == "__main__":
    process = warm_context().Process(target=print, args=("started",), kwargs={"flush": True})
    process.start()
    process.join()
    raise SystemExit(process.exitcode)
"""


def test_processes_start_where_the_temporary_folder_has_a_long_name(tmp_path):
    folder = tmp_path / ("long" * 24) / "tmp"
    folder.mkdir(parents=True)
    (tmp_path / "start.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "start.py"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "started"), done.stderr
    assert not list(folder.iterdir())
