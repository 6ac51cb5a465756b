"""Keys lie apart from records, records are their owner's alone, and a release folder holds a release and nothing else."""

import json
import os
import stat

import pytest
from regions import rows, speceval, tree, write

from toolkit.data.discharge.identity import key_place
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.results import load
from toolkit.params import load_params
from toolkit.runs.pipeline import only_a_release
from toolkit.runs.run_manifest import read_run_manifest


def test_no_key_lies_in_a_run_and_its_manifest_names_it_by_fingerprint(made):
    run = made / "reports" / "r"
    key = key_place("r").read_text()
    fingerprint = read_run_manifest(run)["record_key"]
    assert len(fingerprint) == 64
    assert fingerprint != key
    assert not [name for name, content in tree(run).items() if key.encode() in content]


def test_a_record_number_is_found_with_the_key_and_not_without(made, tmp_path):
    run = made / "reports" / "r"
    asked = ("trace", run, "--hospital", rows()[0]["hospital"], "--record", "R0000000", "--json")
    assert len(json.loads(speceval(*asked, cwd=made).stdout)) == 1
    without = speceval(*asked, cwd=made, environment={"XDG_STATE_HOME": str(tmp_path)})
    assert without.returncode == 5
    assert "--key-file" in without.stderr


@pytest.mark.slow
def test_records_are_their_owners_alone_whatever_the_umask(tmp_path):
    path = write(tmp_path, rows(300), run="open")
    before = os.umask(0)
    try:
        from toolkit.runs import pipeline

        pipeline.evaluate(load_params(path), tmp_path / "open")
    finally:
        os.umask(before)
    for part in ("data", "worklists", "stages", ".private"):
        assert stat.S_IMODE((tmp_path / "open" / part).stat().st_mode) == 0o700, part


def test_an_internal_run_is_not_named_like_a_release(tmp_path):
    path = write(tmp_path, rows(5), run="x-release")
    with pytest.raises(ParameterError, match="发布版"):
        load_params(path)


@pytest.mark.parametrize("kept", [".private", "worklists", "data", "stages", "notes.txt", "0009-s9"])
def test_a_release_is_refused_in_a_folder_that_holds_anything_else(made, tmp_path, kept):
    results = load(made / "reports" / "r" / "results")
    folder = tmp_path / "r-release"
    (folder / "results").mkdir(parents=True)
    (folder / "change").mkdir()
    only_a_release(folder, results)
    (folder / kept).mkdir()
    with pytest.raises(RunError, match="不属于发布版"):
        only_a_release(folder, results)
