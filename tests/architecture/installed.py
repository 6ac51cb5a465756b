"""An installation as users have it: the wheel in an environment of its own, no checkout near."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(project: Path, into: Path) -> Path:
    """The wheel of a project folder, built by the back end that is locked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    [wheel] = into.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def package(self) -> Path:
        return self.site_packages / "toolkit"

    @property
    def site_packages(self) -> Path:
        [found] = (self.folder / "lib").glob("python*/site-packages")
        return found

    def run(self, *command: str, cwd: Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """A command of the environment in an empty-looking world: no variable points at the checkout."""
        home = cwd / ".home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name in ("LANG", "LC_ALL", "OMP_NUM_THREADS")}
        return subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=cwd,
            env={**kept, "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(home)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
        )


def install(wheel: Path, folder: Path) -> Installation:
    """An environment that has the wheel's package, and of ours only the other packages.

    The packages that the toolkit needs are looked up in this environment's folder (a path file; the path files in that
    folder, which would bring the checkout, are not read): nothing is fetched.
    """
    if find_spec("pip") is None:
        pytest.skip("this environment has no pip to install a wheel with")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    made = Installation(folder)
    (made.site_packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    alone = ["--no-deps", "--no-index", "--disable-pip-version-check", "--ignore-installed"]
    subprocess.run([*pip, *alone, str(wheel)], check=True, capture_output=True, timeout=120)
    return made
