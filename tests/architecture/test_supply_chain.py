"""Bills of materials name every locked package with its hashes; a vulnerability check says what it could not check."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bundle"))
from audit import judged

ROOT = Path(__file__).parents[2]


def locked(name):
    text = (ROOT / name).read_text("utf-8")
    return {
        (n.lower().replace("_", "-"), v)
        for n, v in re.findall(r"^([A-Za-z0-9][\w.-]*)==([^ \\;]+)", text, re.MULTILINE)
    }


@pytest.mark.slow
def test_the_bill_of_materials_names_every_locked_package_with_its_version_and_hashes(tmp_path):
    """`make sbom`, in a copy; the tool is installed where it is not."""
    for path in (*ROOT.glob("requirements*.lock"), ROOT / "pyproject.toml", ROOT / "README.md"):
        shutil.copy(path, tmp_path)
    shutil.copytree(ROOT / "bundle", tmp_path / "bundle")
    if (ROOT / ".tools" / "supply").is_dir():
        (tmp_path / ".tools").mkdir()
        (tmp_path / ".tools" / "supply").symlink_to(ROOT / ".tools" / "supply")
    made = []
    for _turn in range(2):
        done = subprocess.run(
            ["sh", "bundle/sbom.sh"],
            cwd=tmp_path,
            env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-1000:]
        made.append({path.name: path.read_bytes() for path in (tmp_path / "dist").iterdir()})
    assert made[0] == made[1]
    for lock in ROOT.glob("requirements*.lock"):
        bill = json.loads(made[0][f"{lock.stem}.cdx.json"])
        assert bill["bomFormat"] == "CycloneDX"
        found = {(one["name"].lower().replace("_", "-"), one["version"]) for one in bill["components"]}
        assert found == locked(lock.name)
        assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])
        assert bill["metadata"]["component"]["name"] == "speceval"


def test_a_known_vulnerability_fails_the_check_and_what_was_not_checked_is_named():
    bad = {"name": "a", "version": "1", "vulns": [{"id": "GHSA-x"}]}
    unknown = {"name": "b", "skip_reason": "not on the index"}
    code, lines = judged({"dependencies": [bad, unknown]})
    assert code == 1
    assert any("a 1: GHSA-x" in line for line in lines)
    assert any("b: not on the index" in line for line in lines)
    assert judged({"dependencies": [{"name": "a", "version": "1", "vulns": []}]})[0] == 0


def test_where_no_database_is_reached_the_check_is_skipped_with_the_reason():
    code, lines = judged({"dependencies": [{"name": "b", "skip_reason": "not found"}]})
    assert code == 0
    assert "skipped" in lines[0]
    assert "not found" in lines[0]
