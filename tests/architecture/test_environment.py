"""The lock is the only list of versions, complete and free of anyone's machine; environment.yml and pyproject.toml agree with it."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = {
    "requirements.lock": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]],
    "requirements-dev.lock": PROJECT["dependency-groups"]["dev"],
    "requirements-extras.lock": [x for extra in PROJECT["project"]["optional-dependencies"].values() for x in extra],
}
LOCK = "".join((ROOT / name).read_text("utf-8") for name in LOCKS)
DIRECT = [(name, Requirement(text)) for name, declared in LOCKS.items() for text in declared]


def pins() -> dict[str, list[str]]:
    """Each entry of the lock, a package with its version, and the lines that belong to it."""
    entries: dict[str, list[str]] = {}
    for line in LOCK.splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            entry = line.rstrip(" \\")
            assert entry not in entries, f"twice in the lock: {entry}"
            entries[entry] = []
        elif line.startswith("    --hash="):
            entries[entry].append(line)
    return entries


def test_every_entry_of_the_lock_has_one_version_and_hashes():
    assert pins()
    for entry, hashes in pins().items():
        requirement = Requirement(entry)
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), entry
        assert hashes, f"no hash: {entry}"
        assert all(re.search(r"--hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in hashes), entry


@pytest.mark.parametrize("word", ["--index-url", "--extra-index-url", "--find-links", "file:", "://", "-e ", " @ "])
def test_the_lock_names_no_index_and_no_machine(word):
    assert word not in LOCK, f"{word!r} in a lock: make it anew with `make lock`"


def names(lock: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text("utf-8"), flags=re.M))


@pytest.mark.parametrize(("lock", "requirement"), DIRECT, ids=lambda one: getattr(one, "name", one))
def test_each_direct_dependency_is_locked_within_its_bounds_where_it_belongs(lock, requirement):
    locked = [Requirement(entry) for entry in pins()]
    assert {canonicalize_name(requirement.name)} <= {canonicalize_name(name) for name in names(lock)}
    versions = [pin.specifier for pin in locked if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    assert versions, f"{requirement.name} is in pyproject.toml but not in the lock: run `make lock`"
    for specifier in versions:
        assert requirement.specifier.contains(Version(str(specifier)[2:])), (
            f"{requirement} but locked {specifier}: run `make lock`"
        )


@pytest.mark.parametrize("further", [name for name in LOCKS if name != "requirements.lock"])
def test_a_further_lock_shares_no_package_with_the_users(further):
    # it is installed afterwards, and must not change what the first has brought
    assert names(further)
    assert not names("requirements.lock") & names(further)


def test_users_get_no_tool_for_tests_and_checks():
    assert not names("requirements.lock") & {
        "pytest",
        "nbval",
        "hypothesis",
        "ruff",
        "mypy",
        "import-linter",
        "coverage",
    }


def test_the_build_back_end_is_the_locked_one():
    # The project is installed without build isolation, hence with what the lock brings.
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["build"])


def test_conda_gets_python_pip_and_the_lock_and_nothing_else():
    python, pip, rest = YAML(typ="safe").load(ROOT / "environment.yml")["dependencies"]
    name, version = python.split("=")
    assert (name, pip, rest) == ("python", "pip", {"pip": ["-r requirements.lock"]})
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)


def test_one_python_version_everywhere():
    python = YAML(typ="safe").load(ROOT / "environment.yml")["dependencies"][0].partition("=")[2]
    assert PROJECT["project"]["requires-python"] == f">={python}"
    assert PROJECT["tool"]["mypy"]["python_version"] == python
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + python.replace(".", "")
    assert f"--python-version {python} " in (ROOT / "Makefile").read_text("utf-8")
    assert "sys.version_info < ({}, {})".format(*python.split(".")) in (ROOT / "bootstrap.sh").read_text("utf-8")
