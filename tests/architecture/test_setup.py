"""The set-up on machines that are not ours: stand-in interpreters show what bootstrap.sh does with what it finds.

The real thing, an installation from the network into a new folder, is the last test and is slow.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = [
    "bootstrap.sh",
    "run.sh",
    "test.sh",
    "Makefile",
    "environment.yml",
    ".ci/run",
    "jupyter/lab.sh",
    "bundle/pack.sh",
    "bundle/install.sh",
    "pyproject.toml",
]
TOOLS = ["sh", "dirname", "cat", "cksum", "head", "rm", "mv", "mkdir", "cp", "flock", "chmod"]

# Answers what bootstrap.sh asks of an interpreter, and writes down what it was told to do.
INTERPRETER = """#!/bin/sh
echo "$* [${{PYTHONPATH-}}${{PYTHONHOME-}}${{VIRTUAL_ENV-}}${{PIP_TARGET-}}]" >> "{log}"
case "$*" in
    *version_info*) exit {old} ;;
    --version) echo "Python 3.9.2" ;;
    *"import ensurepip"*) exit {no_venv} ;;
    "-m venv"*)
        mkdir -p .venv/bin && cp "$0" .venv/bin/python
        case "$*" in *--without-pip*) ;; *) : > .venv/with-pip ;; esac ;;
    "-m pip --version")
        case "$0" in .venv/*) [ -e .venv/with-pip ]; exit ;; esac
        exit {no_pip} ;;
    "-m pip"*install*) if [ -e fail-here ]; then echo "no index" >&2; exit 1; fi ;;
esac
"""


class Machine:
    """A folder with the project's set-up files, and a PATH that holds nothing but what it is given."""

    def __init__(self, folder: Path):
        self.bin, self.log, self.project = folder / "bin", folder / "log", folder / "重点 专科"
        self.bin.mkdir()
        self.project.mkdir()
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        shutil.copy(ROOT / "bootstrap.sh", self.project)
        (self.project / "requirements.lock").write_text("a==1\n")
        (self.project / "pyproject.toml").write_text("[project]\n")

    def install_python(self, name: str = "python3", *, old: bool = False, venv: bool = True, pip: bool = True):
        script = INTERPRETER.format(log=self.log, old=int(old), no_venv=int(not venv), no_pip=int(not pip))
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def set_up(self, *arguments: str, **environment: str) -> tuple[int, str, list[str]]:
        """Exit code, what the user reads, and what interpreters were asked to do (without the questions)."""
        self.log.write_text("")
        done = subprocess.run(
            ["sh", str(self.project / "bootstrap.sh"), *arguments],
            env={"PATH": str(self.bin), **environment},
            cwd="/",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )
        asked = self.log.read_text("utf-8").splitlines()
        return (
            done.returncode,
            done.stdout + done.stderr,
            [line for line in asked if re.search(r"-m venv|install", line)],
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def lines_with(asked: list[str], *words: str) -> list[int]:
    return [number for number, line in enumerate(asked) if all(word in line for word in words)]


def test_without_python_the_message_says_what_to_install(machine):
    code, message, asked = machine.set_up()
    assert code == 1
    assert "sudo apt install python3 python3-venv" in message
    assert "需要 Python 3.11" in message
    assert "Python 3.11 or newer is needed" in message
    assert asked == []


def test_an_old_python_is_named_and_refused(machine):
    machine.install_python(old=True)
    code, message, asked = machine.set_up()
    assert (code, asked) == (1, [])
    assert "Python 3.9.2" in message


def test_a_newer_python_beside_an_old_one_is_found(machine):
    machine.install_python(old=True)
    machine.install_python("python3.12")
    assert machine.set_up()[0] == 0


def test_with_neither_venv_nor_pip_the_message_names_both(machine):
    machine.install_python(venv=False, pip=False)
    code, message, asked = machine.set_up()
    assert (code, asked) == (1, [])
    assert "需要 python3-venv 或 python3-pip 其中之一" in message
    assert "Either python3-venv or python3-pip is needed" in message


def test_with_venv_the_lock_is_installed_by_hash_and_then_the_project(machine):
    machine.install_python(pip=False)
    code, message, asked = machine.set_up()
    assert code == 0, message
    assert lines_with(asked, "-m venv .venv") == [0]
    assert lines_with(asked, "--require-hashes", "-r requirements.lock") == [1]
    assert lines_with(asked, "--no-deps", "--no-build-isolation", "-e .") == [2]


def test_with_pip_only_the_outer_pip_installs_into_the_environment(machine):
    machine.install_python(venv=False)
    code, message, asked = machine.set_up()
    assert code == 0, message
    assert lines_with(asked, "-m venv --without-pip .venv") == [0]
    assert lines_with(asked, "-m pip --python .venv/bin/python install", "--require-hashes") == [1]


def test_a_second_start_asks_nothing_and_is_quick(machine):
    machine.install_python()
    machine.set_up()
    started = time.perf_counter()
    code, message, _ = machine.set_up()
    assert (code, message, machine.log.read_text()) == (0, "", "")
    assert time.perf_counter() - started < 2


def test_a_changed_lock_updates_the_environment_in_place(machine):
    machine.install_python()
    machine.set_up()
    (machine.project / "requirements.lock").write_text("a==2\n")
    code, _, asked = machine.set_up()
    assert code == 0
    assert lines_with(asked, "-m venv") == []
    assert lines_with(asked, "--require-hashes") == [0]


def test_an_interrupted_set_up_starts_again_from_nothing(machine):
    machine.install_python()
    (machine.project / "fail-here").touch()
    code, message, _ = machine.set_up()
    assert code == 1
    assert "PIP_INDEX_URL" in message
    half_installed = machine.project / ".venv/half"
    half_installed.touch()
    (machine.project / "fail-here").unlink()
    code, _, asked = machine.set_up()
    assert code == 0
    assert not half_installed.exists()
    assert lines_with(asked, "-m venv") == [0]


def test_an_update_that_fails_is_not_taken_for_finished(machine):
    machine.install_python()
    machine.set_up()
    (machine.project / "requirements.lock").write_text("a==2\n")
    (machine.project / "fail-here").touch()
    machine.set_up()
    (machine.project / "requirements.lock").write_text("a==1\n")  # as it was when the set-up last succeeded
    assert machine.set_up()[0] == 1


def test_the_extras_come_by_hash_once_and_only_when_asked_for(machine):
    machine.install_python()
    (machine.project / "requirements-extras.lock").write_text("b==1\n")
    _, _, asked = machine.set_up()
    assert lines_with(asked, "requirements-extras.lock") == []
    code, _, asked = machine.set_up("extras")
    assert code == 0
    assert len(asked) == 1  # what is there already is left alone
    assert lines_with(asked, "--no-deps", "--require-hashes", "-r requirements-extras.lock") == [0]
    assert machine.set_up("extras") == (0, "", [])
    assert machine.set_up() == (0, "", [])
    (machine.project / "requirements-extras.lock").write_text("b==2\n")
    assert len(machine.set_up("extras")[2]) == 1


def test_users_and_developers_have_locks_of_their_own(machine):
    machine.install_python()
    (machine.project / "requirements-dev.lock").write_text("c==1\n")
    _, _, asked = machine.set_up()
    assert lines_with(asked, "requirements-dev.lock") == []
    code, _, asked = machine.set_up("dev")
    assert code == 0
    assert len(asked) == 1
    assert lines_with(asked, "--no-deps", "--require-hashes", "-r requirements-dev.lock") == [0]
    assert machine.set_up("dev") == (0, "", [])
    # another version of what users have brings the tools back to their lock, and leaves them where that is the same
    (machine.project / "requirements.lock").write_text("a==2\n")
    _, _, asked = machine.set_up("dev")
    assert lines_with(asked, "-r requirements.lock") == [0]
    assert lines_with(asked, "requirements-dev.lock") == []


def test_a_part_that_does_not_exist_is_refused(machine):
    machine.install_python()
    code, message, asked = machine.set_up("develop")
    assert (code, asked) == (2, [])
    assert "sh bootstrap.sh [dev] [extras]" in message


def test_run_installs_for_users_and_test_for_developers():
    assert "sh bootstrap.sh\n" in (ROOT / "run.sh").read_text("utf-8")
    assert "sh bootstrap.sh\n" in (ROOT / "jupyter/lab.sh").read_text("utf-8")
    assert "sh bootstrap.sh dev\n" in (ROOT / "test.sh").read_text("utf-8")


def test_a_moved_folder_is_set_up_anew(machine, tmp_path):
    machine.install_python()
    machine.set_up()
    machine.project = machine.project.rename(tmp_path / "moved")
    code, _, asked = machine.set_up()
    assert code == 0
    assert lines_with(asked, "-m venv") == [0]


def test_another_environment_does_not_reach_ours(machine):
    machine.install_python()
    code, _, asked = machine.set_up(PYTHONPATH="/a", PYTHONHOME="/b", VIRTUAL_ENV="/c", PIP_TARGET="/d", CDPATH="/")
    assert code == 0
    assert all(line.endswith("[]") for line in asked)


@pytest.mark.parametrize("file", SHIPPED)
def test_no_set_up_file_names_an_index_or_a_machine(file):
    text = (ROOT / file).read_text("utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url[ =]\S|--find-links|/home/|/tmp/", text)


@pytest.mark.parametrize("file", [file for file in SHIPPED if file.endswith((".sh", "run"))])
def test_scripts_parse_and_have_unix_line_ends(file):
    assert b"\r" not in (ROOT / file).read_bytes()
    shell = "bash" if file == ".ci/run" else "sh"
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not on this machine")
    subprocess.run([shell, "-n", str(ROOT / file)], check=True)


def test_every_target_is_explained_in_both_languages():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    explained = dict(re.findall(r"^([a-z-]+):.*## (.+)$", makefile, flags=re.M))
    phony = re.search(r"^\.PHONY: (.+)$", makefile, flags=re.M)
    assert phony
    assert set(explained) == set(phony[1].split()) - {"setup"}
    for target, line in explained.items():
        chinese, _, english = line.partition(" | ")
        assert re.search(r"[\u4e00-\u9fff]", chinese), target
        assert re.search(r"[a-z]", english), target


def test_jupyterlab_knows_every_setting_that_is_shipped():
    # A misspelt setting is ignored in silence, and JupyterLab would come up in English and ask about news.
    shipped = json.loads((ROOT / "jupyter/labconfig/default_setting_overrides.json").read_text("utf-8"))
    schemas = resources.files("jupyterlab") / "schemas"
    for plugin, settings in shipped.items():
        package, _, name = plugin.partition(":")
        known = json.loads((schemas / package / f"{name}.json").read_text("utf-8"))["properties"]
        assert set(settings) <= set(known), plugin
    assert shipped["@jupyterlab/translation-extension:plugin"]["locale"] == "zh_CN"


@pytest.mark.slow(seconds=240)
def test_a_clone_in_a_folder_with_a_space_sets_itself_up(tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not on this machine")
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    # As from within another environment, which is what the tests themselves run in.
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": "/nowhere",
    }
    subprocess.run(["sh", str(clone / "bootstrap.sh")], check=True, env=environment, timeout=1200)
    where = subprocess.run(
        [clone / ".venv/bin/python", "-c", "import toolkit; print(toolkit.__file__)"],
        check=True,
        cwd="/",
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert Path(where.stdout.strip()).is_relative_to(clone)
