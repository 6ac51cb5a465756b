"""A run that somebody hands over is hostile: nothing of it is executed, followed or written to, and nothing of it is forged."""

import copy as copies
import json
import os
import shutil
import subprocess
import sys

import pytest
from regions import CASES, rows, speceval, tree, write

from toolkit.errors import EvaluationError
from toolkit.params import load_params
from toolkit.running.manifest import digest, sealed
from toolkit.running.publish import canonical
from toolkit.running.signatures import Verifier, new_keys, read_signer, read_verifier
from toolkit.runs import verification
from toolkit.runs.verification import Verdict, sign_run, verify_run


def told(folder, **options):
    return [str(one) for one in verify_run(folder, **options).differences]


def resealed(folder, change):
    """The run's manifest after `change`, sealed as its maker would."""
    content = json.loads((folder / "manifest.json").read_text("utf-8"))
    content.pop("seal")
    change(content)
    content.pop("format", None)
    if "identity" in content:
        content["key"] = digest(canonical(content["identity"]))
    (folder / "manifest.json").write_bytes(sealed(content))


# --- nothing of a received run is executed --------------------------------------------------------------------------------


@pytest.mark.slow
def test_commands_and_paths_of_a_runs_own_parameters_are_never_used(made, copy, tmp_path):
    crafted = json.loads((CASES / "rce" / "parameters.json").read_text("utf-8"))
    path = copy / "results" / "parameters.json"
    own = json.loads(path.read_text("utf-8"))
    own["data"]["grouper"] = crafted["data"]["grouper"]
    own["data"]["submissions"] = str(tmp_path / "EXECUTED_written")
    path.write_text(json.dumps(own), encoding="utf-8")
    before = tree(copy)
    plain = speceval("verify", copy, cwd=tmp_path)
    assert plain.returncode == Verdict.DIFFERS.value
    assert "data.grouper" in plain.stdout
    alone = speceval("verify", copy, "--rerun", cwd=tmp_path)
    assert alone.returncode == 2
    assert "--params" in alone.stderr
    asked = speceval("verify", copy, "--rerun", "--params", made / "p.yaml", cwd=tmp_path)
    assert asked.returncode == Verdict.DIFFERS.value
    assert "不重算" in asked.stderr
    assert not list(tmp_path.rglob("EXECUTED*"))
    assert tree(copy) == before


@pytest.mark.slow
def test_a_rerun_by_the_callers_parameters_reproduces_a_run_and_leaves_it_as_it_was(made, copy):
    before = tree(copy)
    done = speceval("verify", copy, "--rerun", "--params", made / "p.yaml", "--json", cwd=made)
    said = json.loads(done.stdout)
    assert (done.returncode, said["verdict"], said["differences"]) == (0, "verified", [])
    assert tree(copy) == before


CLOSED = """
import pathlib, socket, sys
from toolkit.running.closed import close_off
left = close_off([pathlib.Path(sys.argv[1])])
pathlib.Path(sys.argv[1], "inside").write_text("x")
for act in (lambda: pathlib.Path(sys.argv[2], "outside").write_text("x"),
            lambda: socket.create_connection(("192.0.2.1", 9), 2),
            lambda: pathlib.Path(sys.argv[2], "there").unlink()):
    try:
        act()
        print("open")
    except PermissionError:
        print("closed")
    except OSError as error:
        print("unreachable" if error.errno == 101 else "open")
print(left)
"""


def test_a_closed_process_writes_to_its_folder_only_and_reaches_no_network(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "there").write_text("x")
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(inside), str(outside)], capture_output=True, text=True, check=True
    )
    *acts, left = done.stdout.split("\n")[:4]
    assert (inside / "inside").exists()
    assert (outside / "there").exists() or "文件夹" in left
    if left == "[]":
        assert acts == ["closed", "unreachable", "closed"]


# --- crafted manifests ----------------------------------------------------------------------------------------------------


def _without(*names):
    def change(content):
        within = content
        for name in names[:-1]:
            within = within[name]
        within.pop(names[-1])

    return change


def _named(name):
    def change(content):
        content["files"] = {**content["files"], name: "0" * 64}

    return change


CRAFTED = {
    **{f"without {name}": _without(name) for name in ("identity", "tables", "pages", "reports", "files", "evaluation")},
    "without software": _without("identity", "software"),
    "without packages": _without("identity", "software", "packages"),
    "a path that climbs": _named("../../outside"),
    "an absolute path": _named("/etc/passwd"),
    "a path of dots": _named("a/./b"),
    "a path that is no text": lambda content: content.update(files={"a": 7}),
    "reports as a list": lambda content: content.update(reports=[]),
    "a report that is a number": lambda content: content.update(reports={"x": 3}),
    "identity as text": lambda content: content.update(identity="x"),
    "something more": lambda content: content.update(more=1),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_crafted_manifest_gets_one_message(copy, what):
    resealed(copy, CRAFTED[what])
    [line] = told(copy)
    assert line.startswith("清单 manifest.json")


RAW = {
    "deep": b"[" * 200_000,
    "deep and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a huge number": b'{"seal": ' + b"9" * 10_000 + b"}",
    "no text": bytes(range(256)),
    "empty": b"",
    "a list": b"[]",
}


@pytest.mark.parametrize("what", RAW)
def test_a_manifest_of_any_bytes_gets_one_message(copy, what):
    (copy / "manifest.json").write_bytes(RAW[what])
    (copy / "state.json").write_bytes(RAW[what])
    [line] = told(copy)
    assert line.startswith("清单 manifest.json")


def test_a_manifest_beyond_any_size_is_not_read(copy):
    with (copy / "manifest.json").open("wb") as stream:
        stream.truncate(1 << 34)
    [line] = told(copy)
    assert line.startswith("清单 manifest.json")


def test_links_loops_and_pipes_are_named_and_nothing_behind_them_is_read(copy, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "report.html").write_text("x")
    shutil.rmtree(copy / "change")
    (copy / "change").symlink_to(secret)
    (copy / "loop").symlink_to(copy)
    os.mkfifo(copy / "results" / "pipe.parquet")
    checked = verify_run(copy)
    assert [one.where for one in checked.differences] == ["change", "loop", "results/pipe.parquet"]
    assert checked.unchecked


def test_names_of_files_cannot_speak_to_the_terminal(copy):
    (copy / "results" / "\x1b[2Jx").write_text("x")
    [line] = told(copy)
    assert "\x1b" not in line
    assert "\\x1b[2Jx" in line


# --- every file counts ----------------------------------------------------------------------------------------------------

CHANGES = {
    "worklists": lambda run: next((run / "worklists").iterdir()),
    "records": lambda run: next((run / "data").rglob("*.parquet")),
    "a stage": lambda run: next((run / "stages" / "sums").iterdir()),
    "a seal": lambda run: run / "stages" / "cube.json",
    "a page": lambda run: run / "index.html",
    "a notebook": lambda run: run / "change" / "notebook.ipynb",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_byte_in_any_file_is_seen(copy, what):
    path = CHANGES[what](copy)
    path.write_bytes(path.read_bytes() + b" ")
    assert any(path.relative_to(copy).as_posix() in line for line in told(copy))


@pytest.mark.parametrize("place", ["", "results", "data", "worklists", "stages", "stages/sums", "change", "new/folder"])
def test_a_foreign_file_anywhere_is_seen(copy, place):
    (copy / place).mkdir(parents=True, exist_ok=True)
    (copy / place / "foreign.txt").write_text("x")
    [line] = told(copy)
    assert "foreign.txt" in line


def test_a_lost_file_and_a_foreign_empty_folder_are_seen(copy):
    lost = next((copy / "worklists").iterdir())
    lost.unlink()
    (copy / "empty").mkdir()
    lines = told(copy)
    assert len(lines) == 2
    assert any(f"worklists/{lost.name}" in line and "缺失" in line for line in lines)
    assert any("empty/" in line for line in lines)


def test_a_changed_template_of_the_installed_toolkit_is_seen(copy, tmp_path, monkeypatch):
    templates = shutil.copytree(verification.resource("notebooks"), tmp_path / "notebooks")
    page = templates / "change.ipynb"
    content = json.loads(page.read_text("utf-8"))
    content["cells"][-1]["source"] = ["1"]
    page.write_text(json.dumps(content), "utf-8")
    monkeypatch.setattr(verification, "resource", lambda name: templates)
    [line] = told(copy)
    assert line.startswith("模板 change：")


def test_a_changed_file_of_an_installed_package_is_seen(tmp_path, monkeypatch):
    from toolkit.running.installed import changed_packages

    info = tmp_path / "toy-1.0.dist-info"
    info.mkdir()
    (tmp_path / "toy.py").write_bytes(b"x = 1\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    # sha256 of the six bytes above, as `openssl dgst -sha256 -binary | basenc --base64url` has it
    (info / "RECORD").write_text("toy.py,sha256=nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q,6\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert changed_packages(["toy"]) == {}
    (tmp_path / "toy.py").write_bytes(b"x = 2\n")
    assert changed_packages(["toy"]) == {"toy": "toy.py"}


# --- three answers --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_exit_code_tells_verified_from_differs_from_not_wholly_checked(made, copy):
    assert speceval("verify", copy, "--params", made / "p.yaml", cwd=made).returncode == 0
    half = speceval("verify", copy, cwd=made)
    assert half.returncode == 7
    assert "未核对 unchecked: 原始数据" in half.stdout
    (copy / "index.html").write_text("x")
    assert speceval("verify", copy, cwd=made).returncode == 5


def test_raw_files_that_cannot_be_reached_are_not_called_verified(made, tmp_path):
    moved = write(tmp_path / "moved", rows())
    params = load_params(moved)
    (moved.parent / "a.csv").unlink()
    checked = verify_run(made / "reports" / "r", params)
    assert (checked.verdict, checked.differences) == (Verdict.INCOMPLETE, ())


# --- signatures -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path):
    new_keys(tmp_path / "mine")
    return read_signer(tmp_path / "mine"), read_verifier(tmp_path / "mine.pub")


def test_a_forger_who_makes_every_hash_anew_has_no_signature(copy, keys):
    signer, verifier = keys
    sign_run(copy, signer)
    assert told(copy, key=verifier) == []
    page = copy / "change" / "report.html"
    page.write_text(page.read_text("utf-8").replace("无法判断", "改善").replace("持平", "改善"), encoding="utf-8")
    own = json.loads((copy / "change" / "manifest.json").read_text("utf-8"))
    own.pop("seal")
    own.pop("format")
    own["files"]["report.html"] = digest(page.read_bytes())
    (copy / "change" / "manifest.json").write_bytes(sealed(own))

    def change(content):
        content["reports"]["change"] = {
            "manifest": digest((copy / "change" / "manifest.json").read_bytes()),
            "files": own["files"],
        }

    resealed(copy, change)
    assert told(copy) == []  # hashes alone do not tell who made them
    [line] = told(copy, key=verifier)
    assert line.startswith("签名 manifest.json.sig")


def test_another_key_no_signature_and_a_cut_one_are_refused(copy, keys, tmp_path):
    signer, verifier = keys
    [line] = told(copy, key=verifier)
    assert "没有签名" in line
    place = sign_run(copy, signer)
    other = new_keys(tmp_path / "other")
    [line] = told(copy, key=other)
    assert "签名不符" in line
    whole = place.read_bytes()
    for wrong in (b"", whole[:-1], whole + b"x", bytes(64)):
        place.write_bytes(wrong)
        assert len(told(copy, key=verifier)) == 1
    assert isinstance(other, Verifier)


def test_a_signature_is_the_same_bytes_each_time_and_openssl_agrees(copy, keys, tmp_path):
    signer, _ = keys
    place = sign_run(copy, signer)
    first = place.read_bytes()
    assert sign_run(copy, signer).read_bytes() == first
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "mine.pub", "-rawin"]
    done = subprocess.run(
        [*command, "-in", copy / "manifest.json", "-sigfile", place], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_signed_run_without_the_key_is_not_wholly_checked(copy, keys):
    sign_run(copy, keys[0])
    assert any("manifest.json.sig" in one for one in verify_run(copy).unchecked)


def test_a_run_that_does_not_verify_is_not_signed(copy, keys):
    (copy / "worklists" / "more.csv").write_text("x")
    with pytest.raises(verification.RunError, match="不签名"):
        sign_run(copy, keys[0])
    assert not (copy / "manifest.json.sig").exists()


def test_private_keys_are_the_users_own_and_never_overwritten(tmp_path):
    os.umask(os.umask(0o022))
    before = os.umask(0)
    try:
        new_keys(tmp_path / "k")
    finally:
        os.umask(before)
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    with pytest.raises(EvaluationError, match="已存在"):
        new_keys(tmp_path / "k")
    (tmp_path / "k").chmod(0o644)
    with pytest.raises(EvaluationError, match="别人也能读"):
        read_signer(tmp_path / "k")


@pytest.mark.slow
def test_any_file_such_as_a_ledgers_head_can_be_signed(tmp_path):
    (tmp_path / "head.json").write_text('{"number": 4, "hash": "ab"}')
    assert speceval("keygen", "k", cwd=tmp_path).returncode == 0
    assert speceval("sign", "head.json", "--key", "k", cwd=tmp_path).returncode == 0
    assert speceval("verify", "head.json", "--key", "k.pub", cwd=tmp_path).returncode == 0
    (tmp_path / "head.json").write_text('{"number": 3, "hash": "ab"}')
    assert speceval("verify", "head.json", "--key", "k.pub", cwd=tmp_path).returncode == 5


def test_every_inner_seal_may_be_crafted_too(copy):
    whole = json.loads((copy / "evaluation.json").read_text("utf-8"))
    for wrong in ({**whole, "tables": {"../x": "0" * 64}}, {**whole, "tables": 3}, {**whole, "identity": 3}):
        content = copies.deepcopy(wrong)
        for name in ("seal", "format"):
            content.pop(name, None)
        content["key"] = digest(canonical(content["identity"]))
        (copy / "evaluation.json").write_bytes(sealed(content))
        assert any("evaluation.json" in line for line in told(copy))
