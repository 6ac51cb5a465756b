"""The bundle for closed networks: packed from this project, opened and used where there is no network at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# a namespace of its own has no network but a loopback that is down; kernels under nbval talk over it
LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
    fcntl.ioctl(asked, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running
os.execvp(sys.argv[1], sys.argv[1:])
"""
REACH = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
LIMIT = 2400  # seconds for one command: a machine that others use as well takes ten times as long
UNSHARE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def isolated(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in a network namespace without network, and without this environment's variables."""
    home = cwd / ".home"
    home.mkdir(exist_ok=True)
    with subprocess.Popen(
        [*UNSHARE, sys.executable, "-c", LOOPBACK, *command],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it has started, too
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: a bundle cannot be packed from it")
    into = tmp_path_factory.mktemp("dist")
    command = ["sh", str(ROOT / "bundle/pack.sh"), str(into)]
    packed = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=900)
    if "No matching distribution" in packed.stderr or "Could not find a version" in packed.stderr:
        pytest.skip("no package index within reach: the wheels cannot be gathered")
    assert packed.returncode == 0, packed.stderr[-2000:]
    return Path(packed.stdout.strip().splitlines()[-1])


@pytest.fixture
def opened(archive, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    [folder] = (path for path in tmp_path.iterdir() if path.is_dir())
    return folder.rename(tmp_path / "离线 offline")


@pytest.mark.slow(seconds=300)
def test_the_archive_holds_the_project_its_wheels_fonts_and_documents_and_no_output(archive):
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {
        "install.sh",
        "toolkit/cli/__init__.py",
        "notebooks/region_report.ipynb",
        "params/demo.yaml",
        "docs/tutorial.md",
    } <= names
    wheels = {name.partition("/")[2].partition("-")[0].lower() for name in names if name.endswith(".whl")}
    assert {"pandas", "pylopdf_fonts_zh_cn", "pytest", "speceval"} <= wheels
    assert not [
        name for name in names if name.startswith((".venv", ".git/", "reports/")) and name != "reports/.gitkeep"
    ]


@pytest.mark.slow(seconds=500)
def test_it_sets_itself_up_and_evaluates_and_tests_without_a_network(opened):
    tried = isolated("python3", "-c", REACH, cwd=opened)
    if "unshare" in tried.stderr:
        pytest.skip(f"no network namespace on this machine: {tried.stderr.strip()}")
    assert "unreachable" in tried.stderr, "the namespace has a network: the test would prove nothing"
    done = isolated("sh", "install.sh", "demo", cwd=opened)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "演示" in (opened / "reports/demo/index.html").read_text("utf-8")
    tests = isolated("sh", "test.sh", "-q", "tests/unit/test_cube.py", cwd=opened)
    assert " passed" in tests.stdout, tests.stdout[-2000:] + tests.stderr[-2000:]
    assert tests.returncode == 0


def test_a_machine_with_another_python_is_told_which_is_needed(tmp_path):
    shutil.copy(ROOT / "bundle/install.sh", tmp_path)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/PLATFORM").write_text("python=3.99\nmachine=x86_64\n", encoding="utf-8")
    done = subprocess.run(["sh", str(tmp_path / "install.sh")], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert "Python 3.99" in done.stderr
    assert "PYTHON=/path/to/python3.99" in done.stderr


def test_half_an_archive_is_refused(tmp_path):
    shutil.copy(ROOT / "bundle/install.sh", tmp_path)
    done = subprocess.run(["sh", str(tmp_path / "install.sh")], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1
    assert "tar -xf" in done.stderr
