"""A document on how to add something, followed to the letter: in a copy of the project, and as a package of one's own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `path`, place:  and the block that follows
STEP = re.compile(r"^`([^`\n]+)`(?:, ([^\n]+?))?:\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
POINTS = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ("toolkit", "tests", "params", "notebooks")


def steps(document: str) -> list[tuple[str, str, str]]:
    """Path, place and text of every block that says where it goes."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return [(path, place, block) for path, place, _language, block in STEP.findall(text)]


def _at(text: str, place: str) -> int:
    """Where in a file a block goes."""
    if place == "among the imports":
        return re.search(r"^from toolkit", text, re.MULTILINE).start()
    [name] = re.findall(r"`(\w+)`", place)
    [opened] = re.finditer(rf"^{name}\b[^\n]*= (?:\w+\(\n    )?\(\n?", text, re.MULTILINE)
    return opened.start() if place.startswith("above") else opened.end()


def copy_with(document: str, folder: Path) -> Path:
    """A copy of the project (or the copy that is there) in which all that the document says has been done, and nothing else."""
    if not (folder / "toolkit").exists():
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)
    for path, place, block in steps(document):
        if not place:  # of the package of one's own
            continue
        file = folder / path
        if place == "a new file":
            assert not file.exists(), f"{path} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block, encoding="utf-8")
            continue
        text = file.read_text(encoding="utf-8")
        at = _at(text, place)
        file.write_text(text[:at] + block + text[at:], encoding="utf-8")
    return folder


def package_of(document: str, folder: Path, *, name: str = "province", module: str = "") -> Path:
    """The package of one's own that the document ends in, as pip leaves it: a folder for PYTHONPATH.

    Parameters
    ----------
    name
        What it is called, in place of the document's `province`.
    module
        The step whose block is its code, where the document says "the file above".
    """
    blocks = {path: block for path, place, block in steps(document) if not place or path == module}
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(blocks[module or "province/__init__.py"], encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    [points] = POINTS.findall((ROOT / "docs" / document).read_text("utf-8"))
    entries = (
        points.replace('[project.entry-points."', "[")
        .replace('"]', "]")
        .replace('"', "")
        .replace("province:", f"{name}:")
    )
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")
    return folder


def python(code: str, *paths: Path, cwd: Path) -> str:
    """What a program prints, in a process that finds the toolkit in the first of `paths`."""
    program = f"import sys\nsys.path[:0] = {[str(path) for path in paths]!r}\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=1200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def pytest_in(copy: Path, *arguments: str) -> str:
    """What pytest says in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, encoding="utf-8", timeout=1200)
    return done.stdout
