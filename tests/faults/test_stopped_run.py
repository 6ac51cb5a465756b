"""A whole run that is stopped, meets a full disk or another run: what stands there is finished, or does not pass for it."""

import json
import random
import signal
import time

import pytest
from whole_runs import QUICK, made, program, told, write_region

from toolkit.running import publish
from toolkit.running.limits import ReportFailed
from toolkit.running.notebook import file_hash
from toolkit.running.publish import read_state, run_task
from toolkit.runs.run_manifest import read_run_manifest
from toolkit.runs.stage import changed_files, publish_parts, read_seal
from toolkit.runs.walk import staging


def test_a_second_run_in_the_folder_is_refused(tmp_path):
    (tmp_path / "trial").mkdir()
    with run_task(tmp_path / "trial"):
        second = program(params=str(write_region(tmp_path / "data")), reports=str(tmp_path))
        out, _ = second.communicate()
    assert second.returncode == 5
    assert "正在运行" in json.loads(out)["error"]


PARTS, SEAL = ("data", "stages/intake"), "stages/intake.json"


def make(folder, text):
    for part in PARTS:
        (folder / "staged" / part).mkdir(parents=True)
        (folder / "staged" / part / "a.json").write_text(text)


def is_whole(run, identity):
    """Whether what lies there was made from `identity` and is as it was."""
    found = read_seal(run, SEAL)
    return bool(found and found["identity"] == identity and not changed_files(run, PARTS, found["tables"], file_hash))


STEPS = ["before tables", "after data", "after stages/intake", "rename intake.json"]


@pytest.mark.parametrize("step", STEPS)
def test_products_of_two_runs_of_a_stage_never_pass_for_one(step, tmp_path, monkeypatch):
    """Whatever the step at which the power goes: no seal verifies, or one whose files are all its own."""
    run = tmp_path / "run"
    with staging(run) as work:
        make(work, "old")
        publish_parts(work / "staged", run, PARTS, SEAL, {"of": "old"})
    assert is_whole(run, {"of": "old"})

    class PowerLoss(BaseException):
        pass

    def fail(here):
        if here == step:
            raise PowerLoss

    monkeypatch.setattr(publish, "fault_point", fail)
    opened = staging(run)
    work = opened.__enter__()  # and never left: the process is gone
    make(work, "new")
    with pytest.raises(PowerLoss):
        publish_parts(work / "staged", run, PARTS, SEAL, {"of": "new"})
    assert not is_whole(run, {"of": "old"})
    assert not is_whole(run, {"of": "new"})
    assert read_seal(run, SEAL) is None
    monkeypatch.setattr(publish, "fault_point", lambda _: None)
    with staging(run) as work:  # the next start clears what was left
        assert [p.name for p in run.glob(".*")] == [work.name]
        make(work, "new")
        publish_parts(work / "staged", run, PARTS, SEAL, {"of": "new"})
    assert is_whole(run, {"of": "new"})
    assert not is_whole(run, {"of": "old"})
    assert {p.read_text() for p in run.rglob("a.json")} == {"new"}


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_file_of_a_stage_that_is_not_as_it_was_makes_it_anew(harm, tmp_path):
    run = tmp_path / "run"
    with staging(run) as work:
        make(work, "old")
        publish_parts(work / "staged", run, PARTS, SEAL, {"of": "old"})
    path = run / "data" / "a.json"
    if harm == "changed":
        path.write_text("o1d")
    elif harm == "missing":
        path.unlink()
    else:
        path.with_name("b.json").write_text("old")
    assert not is_whole(run, {"of": "old"})


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_stopped_at_a_random_moment_shows_nothing_unfinished(times, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)  # noqa: T201
    moment = random.Random(seed)
    path, reports = write_region(tmp_path / "data"), tmp_path / "reports"
    folder = reports / "trial"
    for _ in range(times):
        stopped = program(params=str(path), reports=str(reports), **QUICK)
        time.sleep(moment.uniform(0.5, 8))
        stopped.send_signal(moment.choice([signal.SIGTERM, signal.SIGINT, signal.SIGKILL]))
        stopped.communicate()
        if (folder / "manifest.json").exists() and read_run_manifest(folder):
            assert told(folder) == []
        elif folder.exists():
            assert told(folder)
            assert read_state(folder).get("state") != "DONE"
    outcome = made(params=str(path), reports=str(reports), **QUICK)
    assert {state for state, *_ in outcome.values()} <= {"DONE", "CACHED"}, outcome
    assert told(folder) == []
    assert not list(folder.glob(".making-*"))
    again = made(params=str(path), reports=str(reports), **QUICK)
    assert {state for state, *_ in again.values()} == {"CACHED"}


@pytest.mark.slow
@pytest.mark.parametrize("size", [2_000, 60_000])
def test_a_full_disk_ends_a_run_with_a_message_and_the_old_one_whole(size, tmp_path):
    """Files may grow to `size` bytes, as on a disk that is full: among the tables, then among the pages."""
    path, reports = write_region(tmp_path / "data"), tmp_path / "reports"
    full = program(params=str(path), reports=str(reports), bytes=size, **QUICK)
    out, err = full.communicate()
    assert "Traceback" not in err, err[-1500:]
    told_ = json.loads(out.splitlines()[-1])
    text = json.dumps(told_, ensure_ascii=False)
    assert "磁盘" in text, text
    folder = reports / "trial"
    assert not (folder / "manifest.json").exists()
    assert read_state(folder).get("state") != "DONE"
    assert not list(folder.glob("*/report.html"))


def test_a_lock_of_a_dead_run_is_free_and_its_state_is_taken_over(tmp_path):
    folder = tmp_path / "trial"
    held = run_task(folder)
    held.__enter__()
    assert read_state(folder)["state"] == "RUNNING"
    assert not held.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # goes on to whoever asked
    assert read_state(folder)["state"] == "FAILED"
    with run_task(folder), pytest.raises(ReportFailed, match="正在运行"), run_task(folder):
        pass
