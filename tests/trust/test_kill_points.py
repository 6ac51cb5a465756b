"""A run through all its stages (tables, reports, release, signature), killed at one of forty points and taken up again: the same bytes.

Points lie where files are written or exchanged, between stages and between reports, evenly over all that a whole way passes.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from regions import rows, tree, write

POINTS = 40
KEY = "signer"
REPORTS = (
    "data_quality",
    "indicators",
)  # two reports of a run and two of its release: others are made by the same code


def whole_way(**asked):
    """This file as a process of its own: the number of points passed, or None where it was killed."""
    environment = asked.pop("env")
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(asked)], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.splitlines()[-1])


def main(asked):
    """Run, release and sign in `folder`, killed by itself at point `die_at`."""
    from toolkit.params import Edition, load_params
    from toolkit.running import publish, signatures
    from toolkit.runs import pipeline, plan
    from toolkit.runs.verification import sign_run

    folder, passed = Path(asked["folder"]), 0

    def point(*_):
        nonlocal passed
        passed += 1
        if passed == asked.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    publish.fault_point = point
    plan.OF_RUN = {id_: title for id_, title in plan.OF_RUN.items() if id_ in REPORTS}
    params = load_params(folder / "p.yaml")
    params = params.model_copy(update={"projects": []})
    signer = signatures.read_signer(Path(asked["key"]))
    for edition in (Edition.INTERNAL, Edition.RELEASE):
        of_edition = params.model_copy(update={"edition": edition})
        made = pipeline.run(of_edition, folder / "reports", workers=1, progress=point, on_report=point)
        assert all(one.exists for one in made.outcomes), made.outcomes
        sign_run(made.folder, signer)
    print(passed)  # noqa: T201


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A whole way that nobody stopped: its files, and how many points it passed."""
    from toolkit.running.signatures import new_keys

    room = tmp_path_factory.mktemp("kept")
    new_keys(room / KEY)
    environment = {**os.environ, "XDG_STATE_HOME": str(room / "state")}
    asked = {"key": str(room / KEY), "env": environment}
    write(room / "whole", rows(600, hospitals=4))
    passed = whole_way(folder=str(room / "whole"), **asked)
    return asked, tree(room / "whole" / "reports"), passed


def killed_and_taken_up(kept, folder, point):
    asked, whole, passed = kept
    write(folder, rows(600, hospitals=4))
    died = whole_way(folder=str(folder), die_at=1 + point * passed // POINTS, **asked)
    assert died is None, "was to be killed"
    whole_way(folder=str(folder), **asked)
    made = tree(folder / "reports")
    assert sorted(made) == sorted(whole)
    assert [name for name in whole if made[name] != whole[name]] == []
    assert {"r/manifest.json.sig", "r-release/manifest.json.sig"} <= set(made)


@pytest.mark.parametrize("point", [27])
def test_a_run_killed_at_a_point_and_taken_up_again_has_the_same_bytes(kept, tmp_path, point):
    killed_and_taken_up(kept, tmp_path / "run", point)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_run_killed_at_any_of_forty_points_and_taken_up_again_has_the_same_bytes(kept, tmp_path, part):
    for point in range(part, POINTS, 4):
        killed_and_taken_up(kept, tmp_path / f"{point}", point)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
