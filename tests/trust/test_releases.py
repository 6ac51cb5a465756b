"""Releases over time: what two of them would tell about a few patients is not released, nor what is nobody's business."""

import shutil
import socket

import numpy as np
import pandas as pd
import pytest
from regions import rows, speceval, tree, write

from toolkit.data.discharge.identity import state_folder
from toolkit.errors import RunError
from toolkit.params import DisclosurePolicy, load_params
from toolkit.release.register import KEY, entries, note, refuse_revealing, resting_on, revealing
from toolkit.runs import pipeline
from toolkit.runs.walk import Walk


def released(folder, records, name="哨兵名.csv"):
    """The tables of a release, checked against the register and entered in it."""
    path = write(folder, records, name=name, run="rel")
    walk = Walk(load_params(path), folder / "rel")
    results = pipeline.evaluated(walk)
    shown = pipeline.released(walk, results, folder / "rel-release")
    note(pipeline.release_register(), folder.name, resting_on(results, shown))
    return folder / "rel-release"


@pytest.fixture(scope="module")
def register_home(tmp_path_factory):
    """Where the register of this module's releases lies: other tests' keys and releases stay where they are."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def released_once(register_home, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(register_home))
        return released(tmp_path_factory.mktemp("first"), rows(4000))


@pytest.fixture
def first(released_once, register_home, monkeypatch):
    """The first release, in whose register the test's own will be entered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(register_home))
    return released_once


@pytest.mark.slow
def test_a_second_release_with_one_record_more_is_refused_with_its_cells(first, tmp_path):
    records = rows(4000)
    records.append(dict(records[0], record="R9999999", cost_fen="45678900", los_days="99"))
    with pytest.raises(RunError, match="不发布") as caught:
        released(tmp_path / "second", records)
    assert (
        "cost_index" in str(caught.value)
        or "case_volume" in str(caught.value)
        or "contemporaneous" in str(caught.value)
    )
    assert not (tmp_path / "second" / "rel-release" / "results").exists()


@pytest.mark.slow
def test_the_same_release_again_is_not_refused(first, tmp_path):
    assert (released(tmp_path / "again", rows(4000)) / "results").is_dir()


def test_a_release_says_no_name_of_a_file_no_host_no_user_and_no_path(first):
    said = b"".join(path.read_bytes() for path in first.rglob("*") if path.is_file() and path.suffix == ".json")
    for mark in ("哨兵名", socket.gethostname(), str(first.parent)):
        assert mark.encode() not in said
    files = pd.read_parquet(first / "results" / "files.parquet")
    assert list(files["name"]) == ["文件 1"]


def test_the_register_is_its_owners_alone(first):
    assert state_folder().joinpath("releases").stat().st_mode & 0o777 == 0o700
    assert [name for name, _ in entries(pipeline.release_register())]


def cells(n, x, data="a"):
    frame = pd.DataFrame({"indicator": ["i"] * len(n), "hospital": [f"{k}" for k in range(len(n))]})
    frame = frame.assign(**{c: "" for c in KEY if c not in frame}, n=n, x=x, y=np.asarray(n, float), data=data)
    return frame[[*KEY, "n", "x", "y", "data"]]


def test_differences_of_fewer_than_the_declared_number_are_found_and_larger_ones_are_not():
    policy = DisclosurePolicy(minimum_cases=10)
    before = cells([100, 100, 100, 100], [5.0, 5.0, 5.0, 5.0])
    new = cells([100, 101, 91, 110], [5.0, 5.0, 5.0, 5.0], data="b").assign(y=before["y"])
    assert list(revealing(new, before, policy)["hospital"]) == ["1", "2"]


def test_other_sums_of_as_many_records_are_a_few_records_changed_only_where_the_data_are_others():
    policy = DisclosurePolicy(minimum_cases=10)
    before, moved = cells([100], [5.0]), cells([100], [6.0], data="b")
    assert len(revealing(moved, before, policy)) == 1
    assert len(revealing(moved.assign(data="a"), before, policy)) == 0
    with pytest.raises(RunError, match="1 个单元格"):
        refuse_revealing(moved, [("earlier", before)], policy)


def test_a_run_stays_signed_and_whole_when_it_is_released(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    assert speceval("keygen", "signer", cwd=tmp_path).returncode == 0
    assert speceval("sign", "reports/r", "--key", "signer", cwd=tmp_path).returncode == 0
    manifest = (tmp_path / "reports" / "r" / "manifest.json").read_bytes()
    before = tree(tmp_path / "reports" / "r")
    done = speceval("run", "p.yaml", "-q", "--edition", "release", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "reports" / "r" / "manifest.json").read_bytes() == manifest
    kept = {name: value for name, value in tree(tmp_path / "reports" / "r").items() if not name.startswith(".private")}
    assert kept == {name: value for name, value in before.items() if not name.startswith(".private")}
    checked = speceval("verify", "reports/r", "--params", "p.yaml", "--key", "signer.pub", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
