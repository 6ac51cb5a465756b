"""A real PostgreSQL server for the tests that need one, started from Debian's package in a folder of their own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of an empty server on this machine."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    lacking = {
        "PostgreSQL's server is absent (apt-get install postgresql)": not programs,
        "PostgreSQL's driver is absent (make extras)": importlib.util.find_spec("psycopg") is None,
    }
    if reason := next((said for said, absent in lacking.items() if absent), ""):
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    programs_folder = programs[-1].parent
    # it refuses to run as root, and its socket's path must be short
    as_other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(*arguments: str) -> None:
        subprocess.run([*as_other, *arguments], check=True, capture_output=True, cwd="/")

    data = str(folder / "data")
    call(str(programs_folder / "initdb"), "-D", data, "-U", "ledger", "-A", "trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call(str(programs_folder / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://ledger@127.0.0.1:{port}/postgres"
    finally:
        call(str(programs_folder / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
